"""Conversions that lose something: what they keep, the error they say, what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.runtime import lossy

RNG = np.random.default_rng(3)
D = np.where(RNG.random((12, 10)) < 0.6, RNG.standard_normal((12, 10)), 0.0)
A = sp.tensor(D, "csr")


def error(B: sp.Tensor, dense: Any = D) -> float:
    return float(np.linalg.norm(B.numpy() - dense) / np.linalg.norm(dense))


@pytest.mark.parametrize(
    ("fmt", "keep"),
    [
        ("ell[3]", None), ("ell[2]", 11), ("nm[2, 5]", None), ("perm", None), ("csr", 20), ("csc", 20), ("coo", 5),
        ("hash", 7), ("bitmap", 9), ("bsr[2, 2]", 6), ("bsr[3, 4]", 2), ("bsc[2, 5]", 3), ("csb[4, 4]", 8),
        ("dia", 4), ("dcsr", 1), ("csr", 0), ("csr values(q8[16])", None), ("csr values(q4[8])", 30),
        ("bsr[2, 2] values(q8[8])", 4), ("lowrank[3]", None), ("lowrank[10]", None), ("lowrank[20]", None),
        ("lowrank[3] + csr", None), ("lowrank[2] + csr", (None, 15)), ("bsr[2, 2] + csr", (5, None)),
        ("ell[2] + csr", None), ("nm[1, 2] + csr", None), ("nm[1, 2] + csr", (None, 5)), ("ell[2] + ell[3]", None),
        ("csr + lowrank[2]", (30, None)), ("csr + csr", (10, 10)),
    ],
)  # fmt: skip
def test_the_error_is_the_one_made(fmt: str, keep: Any) -> None:
    for given in (A, A.convert("csc"), sp.tensor(D)):
        B = given.convert(fmt, lossy=True, keep=keep)
        B.validate()
        assert B.conversion_error is not None and abs(B.conversion_error - error(B)) < 1e-12
        assert B.format == fmt


def test_what_is_kept_is_greatest() -> None:
    B = A.convert("ell[2]", lossy=True).numpy()
    for row, kept in zip(D, B, strict=True):
        least = np.sort(np.abs(row))[-2]
        assert kept.tolist() == np.where(np.abs(row) >= least, row, 0).tolist()
    B = A.convert("csr", lossy=True, keep=17).numpy()
    assert np.sort(np.abs(B[B != 0])).tolist() == np.sort(np.abs(D).ravel())[-17:].tolist()
    blocks = np.linalg.norm(D.reshape(6, 2, 5, 2), axis=(1, 3))
    B = A.convert("bsr[2, 2]", lossy=True, keep=4).numpy().reshape(6, 2, 5, 2)
    assert (np.abs(B).max(axis=(1, 3)) > 0).tolist() == (blocks >= np.sort(blocks.ravel())[-4]).tolist()


def test_of_equals_the_first_are_kept() -> None:
    B = sp.tensor(np.ones((2, 5)), "csr").convert("ell[2]", lossy=True)
    assert B.numpy().tolist() == [[1, 1, 0, 0, 0]] * 2


def test_a_low_rank_is_the_best() -> None:
    for rank in (1, 4):
        s = np.linalg.svd(D, compute_uv=False)
        best = np.sqrt((s[rank:] ** 2).sum() / (s**2).sum())
        assert A.convert(f"lowrank[{rank}]", lossy=True).conversion_error == pytest.approx(best, rel=1e-9)


def test_of_a_large_sparse_matrix_no_dense_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    monkeypatch.setattr(lossy, "DENSE_LIMIT", 10)
    B, C = A.convert("lowrank[3]", lossy=True), A.convert("lowrank[3]", lossy=True)
    assert B.conversion_error == pytest.approx(error(B), rel=1e-6)
    assert B.numpy().tolist() == C.numpy().tolist()
    assert error(B) == pytest.approx(error(sp.tensor(D).convert("lowrank[3]", lossy=True)), rel=1e-6)


def test_batches_have_a_low_rank_each() -> None:
    T = RNG.standard_normal((3, 6, 5))
    B = sp.tensor(T).convert("lowrank[2]", lossy=True)
    assert B.conversion_error == pytest.approx(error(B, T), rel=1e-9)
    assert np.linalg.matrix_rank(B.numpy()).tolist() == [2, 2, 2]


@pytest.mark.parametrize("t", ["f16", "bf16", "f32", "c64"])
def test_dtypes(t: str) -> None:
    given = A.astype(t)
    dense = given.numpy().astype(np.complex128)
    for fmt in ("ell[3]", "lowrank[3]", "lowrank[2] + csr"):
        B = given.convert(fmt, lossy=True)
        off = np.linalg.norm(B.numpy() - dense) / np.linalg.norm(dense)
        assert B.conversion_error == pytest.approx(off, abs=1e-2 if t in ("f16", "bf16") else 1e-6)


def test_a_conversion_that_loses_nothing_need_not_be_told() -> None:
    for fmt in ("ell[2] + csr", "bsr[2, 2] + csr", "csr + dense"):
        assert A.convert(fmt).numpy().tolist() == D.tolist()


def test_a_fill_of_its_own() -> None:
    B = sp.tensor(np.array([[2.0, 5.0, 1.0, 3.0]]), "csr", fill_value=1).convert("ell[2]", lossy=True)
    assert B.numpy().tolist() == [[1, 5, 1, 3]]
    assert B.conversion_error == pytest.approx(1 / np.sqrt(4 + 25 + 1 + 9))


def test_nan_is_kept() -> None:
    B = sp.tensor(np.array([[2.0, np.nan, 1.0]]), "csr").convert("ell[1]", lossy=True)
    assert np.isnan(B.numpy()[0, 1]) and B.nnz == 1


@pytest.mark.parametrize(
    ("fmt", "options", "words"),
    [
        ("ell[2]", {}, "has room for 2"),
        ("lowrank[2]", {}, "of its norm would be lost"),
        ("csr", {"keep": 3}, "keep leaves entries out"),
        ("csr", {"keep": "3", "lossy": True}, "is the number of entries"),
        ("csr", {"keep": -1, "lossy": True}, "is the number of entries"),
        ("dense", {"keep": 3, "lossy": True}, "there is nothing to choose"),
        ("lowrank[2] + csr", {"keep": 3, "lossy": True}, "a number or None for each term"),
        ("lowrank[2] + csr", {"keep": (3, 3), "lossy": True}, "a low rank keeps no entries"),
        ("csr @ csr", {"lossy": True}, "is not taken apart into the product"),
    ],
)
def test_refusals(fmt: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(sp.SparsecError) as e:
        A.convert(fmt, **options)
    assert words in str(e.value)


def test_more_refusals() -> None:
    with pytest.raises(sp.TypeError_, match="are floats"):
        sp.tensor(np.eye(3, dtype=int), "csr").convert("lowrank[2]", lossy=True)
    with pytest.raises(sp.FormatError, match="infinities"):
        sp.tensor(np.array([[np.inf, 1.0], [2.0, 3.0]]), "csr").convert("lowrank[1]", lossy=True)
    with pytest.raises(sp.FormatError, match="which is inf"):
        sp.tensor(np.array([[3.0, 1.0], [2.0, 3.0]]), "csr", fill_value=np.inf).convert("ell[1]", lossy=True)
    with pytest.raises(sp.FormatError, match="whose fill is 0"):
        sp.tensor(np.array([[3.0, 1.0], [2.0, 3.0]]), "csr", fill_value=1).convert("lowrank[1] + csr", lossy=True)


def test_the_error_of_an_encoded_source() -> None:
    X = RNG.standard_normal((32, 32)).astype(np.float32)
    for given in ("dense values(q8[16])", "csr values(q8[16])"):
        E = sp.tensor(X).convert(given, lossy=True)
        for fmt in ("lowrank[1]", "ell[2]", "csr + lowrank[1]"):
            B = E.convert(fmt, lossy=True)
            assert B.conversion_error == pytest.approx(error(B, E.decoded().numpy()), rel=1e-4)


def test_the_error_counts_fills() -> None:
    B = sp.from_coo([[0, 0], [0, 1]], [0.0, 0.0], (1, 3), "csr", fill_value=1.0).convert("ell[1]", lossy=True)
    assert B.numpy().tolist() == [[0, 1, 1]] and B.conversion_error == 1


def test_symmetric_halves() -> None:
    S = D[:10, :10] + D[:10, :10].T
    for given in (sp.tensor(S), sp.tensor(S, "csr"), sp.tensor(S, "sym")):
        for fmt, keep in (("sym values(q4[8])", None), ("sym", 12), ("sym values(q8[8])", np.int64(9))):
            B = given.convert(fmt, lossy=True, keep=keep)
            assert B.conversion_error == pytest.approx(error(B, S)) and (keep is None or B.nnz == keep)
    B = sp.tensor([[1.0, 5], [5, 2]]).convert("sym", lossy=True, keep=1)
    assert B.numpy().tolist() == [[0, 5], [5, 0]]
    with pytest.raises(sp.FormatError, match="symmetric"):
        sp.tensor([[1.0, 5], [4, 2]]).convert("sym", lossy=True, keep=1)


@pytest.mark.parametrize("row", [[1e200, 1e250, 3e250], [1e-250, 1e-200]])
def test_magnitudes_whose_squares_are_no_floats(row: list[float]) -> None:
    B = sp.tensor([row], "csr").convert("ell[1]", lossy=True)
    scaled = np.array(row) / row[-1]
    assert B.numpy().max() == row[-1]
    assert B.conversion_error == pytest.approx(np.linalg.norm(scaled[:-1]) / np.linalg.norm(scaled), rel=1e-12)


def test_a_low_rank_of_little() -> None:
    assert sp.zeros((5000, 5000), format="csr").convert("lowrank[2]", lossy=True).conversion_error == 0
    A = sp.random((3, 6_000_000), 1e-6, format="csr", rng=0)
    assert A.convert("lowrank[3]", lossy=True).conversion_error == pytest.approx(0, abs=1e-6)
    assert A[:1].convert("lowrank[1]", lossy=True).conversion_error == pytest.approx(0, abs=1e-6)
