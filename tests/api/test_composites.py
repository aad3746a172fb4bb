"""Composite tensors as a user holds them: made, used in kernels and operators, copied, pickled, written, refused."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.ir.loops import Assemble
from sparsec.ir.rewrite import walk

RNG = np.random.default_rng(0)
U, V = RNG.integers(-2, 3, (6, 2)).astype(float), RNG.integers(-2, 3, (2, 5)).astype(float)
S = np.where(RNG.random((6, 5)) < 0.4, RNG.integers(1, 4, (6, 5)), 0).astype(float)
P = np.eye(6)[RNG.permutation(6)]
D = U @ V + S
X, x = RNG.integers(-3, 4, (5, 4)).astype(float), RNG.integers(-3, 4, 5).astype(float)


def made() -> sp.Tensor:
    return sp.compose("lowrank[2] + csr", [U, V, S])


FORMATS: list[tuple[str, list[Any], Any]] = [
    ("lowrank[2] + csr", [U, V, S], D),
    ("lowrank[2]", [U, V], U @ V),
    ("csr + csc", [S, D], S + D),
    ("bsr[2, 2] + coo + dense", [S, D, S], 2 * S + D),
    ("csr @ dcsr", [P, S], P @ S),
    ("csr @ lowrank[2] + ell[5]", [P, U, V, S], P @ U @ V + S),
    ("csc @ csr @ coo", [P, P, S], P @ P @ S),
    ("hash + rle", [S, D], S + D),
    ("bitmap @ dense", [P, D], P @ D),
]


@pytest.mark.parametrize(("fmt", "parts", "dense"), FORMATS, ids=[f[0] for f in FORMATS])
def test_products_and_values(fmt: str, parts: list[Any], dense: Any) -> None:
    A = sp.compose(fmt, parts)
    A.validate()
    assert A.shape == dense.shape and A.format == fmt and len(A.parts) == len(parts)
    assert A.numpy().tolist() == dense.tolist()
    assert (A @ x).tolist() == (dense @ x).tolist()
    assert np.asarray(A @ X).tolist() == (dense @ X).tolist()
    assert (np.arange(6.0) @ A).tolist() == (np.arange(6.0) @ dense).tolist()
    assert A.T.numpy().tolist() == dense.T.tolist()
    assert (A.T @ np.arange(6.0)).tolist() == (dense.T @ np.arange(6.0)).tolist()
    assert A.sum() == dense.sum() and A.sum(axis=0).tolist() == dense.sum(axis=0).tolist()
    assert A.max() == dense.max()
    for other in ("csr", "csc", "dense", "bsr[2, 3]"):
        assert A.convert(other).numpy().tolist() == dense.tolist()
    coords, values = A.coo()
    again = np.zeros(dense.shape)
    again[tuple(coords)] = values
    assert again.tolist() == dense.tolist()


def test_facts() -> None:
    A = made()
    assert A.nnz == 12 + 10 + np.count_nonzero(S)
    assert A.nbytes == sum(p.nbytes for p in A.parts)
    assert repr(A).startswith("<Tensor 6 x 5, f64, lowrank[2] + csr, ")
    assert "part 2" in A._repr_html_()
    assert [p.format for p in A.parts] == ["dense", "dense", "csr"]
    assert A.fill_value == 0 and A.dtype == np.float64


def test_parts_share_memory() -> None:
    A = sp.compose("csr + csr", [sp.tensor(S, "csr"), sp.tensor(S, "csr")])
    A.parts[0].storage.values[:] = 0
    assert A.numpy().tolist() == S.tolist()


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda A: pickle.loads(pickle.dumps(A))])
def test_copies(way: Any) -> None:
    A = made()
    B = way(A)
    A.parts[2].storage.values[:] = 0
    assert B.format == A.format and B.numpy().tolist() == D.tolist()


def test_npz(tmp_path: Path) -> None:
    sp.write(tmp_path / "a.npz", made())
    B = sp.read(tmp_path / "a.npz")
    assert B.format == "lowrank[2] + csr" and B.numpy().tolist() == D.tolist()


def test_text_files_hold_the_sum(tmp_path: Path) -> None:
    sp.write(tmp_path / "a.mtx", made())
    assert sp.read(tmp_path / "a.mtx").numpy().tolist() == D.tolist()


def test_astype_goes_to_the_parts() -> None:
    B = made().astype("f32")
    assert B.format == "lowrank[2] + csr" and B.dtype == np.float32
    assert (B @ x.astype(np.float32)).tolist() == (D @ x).tolist()
    with pytest.raises(sp.TypeError_, match="not those of its parts"):
        made().astype("i32")


def test_elementwise_is_of_the_values() -> None:
    A = made()
    assert np.asarray(A * 2).tolist() == (D * 2).tolist()
    assert np.asarray(-A).tolist() == (-D).tolist()
    assert np.allclose(np.asarray(np.exp(A)), np.exp(D))
    assert np.asarray(A + A).tolist() == (D + D).tolist()
    assert A[2].numpy().tolist() == D[2].tolist()
    assert float(A[3, 4]) == D[3, 4]


KERNEL = """
format lrs[r] = lowrank[r] + csr
kernel f(A: f64[m, n] lrs[2], x: f64[n], b: f64[m]) -> y: f64[m], B: f64[m, n] csr {
    y[i] = b[i] - A[i, j] * x[j]
    B[i, j] = A[i, j] where A[i, j] > 1
}
"""


def test_a_kernel_takes_parts_without_a_copy_and_remembers() -> None:
    k = sp.compile(KERNEL)
    A = made()
    for _ in range(3):
        y, B = k(A, x, np.ones(6))
        assert y.tolist() == (1 - D @ x).tolist() and B.numpy().tolist() == np.where(D > 1, D, 0).tolist()
    assert len(k._variants) == 1
    k = sp.compile("kernel f(A: f64[m, n] csr + csc, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }")
    A = sp.compose("csr + csc", [S, D])
    assert k(A, x).tolist() == ((S + D) @ x).tolist()
    assert k._memo is not None
    assert k(A, 2 * x).tolist() == ((S + D) @ (2 * x)).tolist()
    other = sp.compose("csr + csc", [D, D])
    assert k(other, x).tolist() == (2 * D @ x).tolist() and len(k._variants) == 1


def test_a_low_rank_costs_what_its_factors_cost() -> None:
    k = sp.compile(
        "kernel f(A: f64[m, n] lowrank[2] + csr, x: f64[n, d]) -> y: f64[m, d] { y[i, k] = A[i, j] * x[j, k] }"
    )
    nests = [n.tensor for n in walk(k._compiled().loops.body) if isinstance(n, Assemble)]
    assert nests == ["y_t", "y", "y"]


def test_auto_and_statements() -> None:
    A = made()
    k = sp.compile("kernel f(A: f64[m, n] auto, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }")
    assert k(A, x).tolist() == (D @ x).tolist()
    assert sp.evaluate("y[i] = A[i, j] * x[j]", A=A, x=x).tolist() == (D @ x).tolist()
    assert sp.einsum("ij,jk->ik", A, X).tolist() == (D @ X).tolist()
    both = sp.compose("csr + csc", [S, S])
    C = sp.evaluate("C[i, j] = 2 * A[i, j]", A=both)
    assert isinstance(C, sp.Tensor) and C.format == "csr" and C.numpy().tolist() == (4 * S).tolist()


def test_prepare_assemble_and_updates() -> None:
    A = sp.compose("csr + csc", [S, S])
    k = sp.compile("kernel f(A: f64[m, n] csr + csc, x: f64[n]) -> B: f64[m, n] csr { B[i, j] = A[i, j] * x[j] }")
    assert k.prepare(A=A)["A"].format == "csr + csc"
    P = k.assemble(A, x)
    assert k.compute(A, 2 * x, out=P).numpy().tolist() == (4 * S * x).tolist()
    k = sp.compile(
        "kernel f(A: f64[m, n] lowrank[2] + csr, X: f64[n, d]) -> Y: f64[m, d] { Y[i, k] += A[i, j] * X[j, k] }"
    )
    out = np.ones((6, 4))
    assert k(made(), X, out=out) is out and out.tolist() == (1 + D @ X).tolist()


def test_batches() -> None:
    u, v = RNG.integers(-2, 3, (3, 4, 2)).astype(float), RNG.integers(-2, 3, (3, 2, 5)).astype(float)
    s = np.where(RNG.random((3, 4, 5)) < 0.3, 1.0, 0.0)
    A = sp.compose("lowrank[2] + csr", [u, v, s])
    assert A.shape == (3, 4, 5) and A.numpy().tolist() == (u @ v + s).tolist()
    got = sp.evaluate("y[b, i] = A[b, i, j] * x[b, j]", A=A, x=np.ones((3, 5)))
    assert got.tolist() == (u @ v + s).sum(axis=2).tolist()
    assert A.transpose(0, 2, 1).numpy().tolist() == (u @ v + s).transpose(0, 2, 1).tolist()
    assert A.transpose(1, 0, 2).numpy().tolist() == (u @ v + s).transpose(1, 0, 2).tolist()


@pytest.mark.parametrize("t", ["f16", "bf16", "f32", "c64", "i32", "u8", "bool"])
def test_dtypes(t: str) -> None:
    def typed(a: Any) -> sp.Tensor:
        return sp.tensor(np.abs(a)).astype(t)

    A = sp.compose("csr @ csr + csc", [typed(P), typed(S), typed(S)])
    dense = np.abs(P @ S) + S
    want = (dense != 0) if t == "bool" else dense
    got = A.numpy()
    assert (got.real if t == "c64" else got).astype(float).tolist() == np.asarray(want, float).tolist()
    y = sp.evaluate("y[i] = A[i, j] * x[j]", A=A, x=sp.tensor(np.ones(5)).astype(t))
    total = want.any(axis=1) if t == "bool" else want.sum(axis=1)
    assert np.asarray(y).real.astype(float).tolist() == np.asarray(total, float).tolist()


def test_encoded_parts() -> None:
    Q = sp.tensor(S.astype(np.float32), "csr").convert("csr values(q8[4])", lossy=True)
    text = (
        "format q = csr values(q8[4])\nkernel f(A: f32[m, n] csc + q, x: f32[n]) -> y: f32[m] { y[i] = A[i, j] * x[j] }"
    )
    k = sp.compile(text)
    fmt = k.program.tensor("A").format
    assert fmt is not None
    A = sp.compose(fmt, [S.astype(np.float32), Q])
    assert np.allclose(k(A, x.astype(np.float32)), (S + Q.numpy()) @ x, atol=1e-4)


def test_stored_asks_the_parts() -> None:
    A = sp.compose("csr + csc", [S, S[:, ::-1]])
    got = sp.compile("kernel f(A: f64[m, n] csr + csc) -> B: bool[m, n] { B[i, j] = stored(A[i, j]) }")(A)
    assert got.tolist() == ((S != 0) | (S[:, ::-1] != 0)).tolist()


def refusals() -> dict[str, tuple[Any, str]]:
    A = made()
    plain = sp.compile("kernel f(A: f64[m, n] csr) -> y: f64[m] { y[i] = A[i, j] }")
    dense = sp.compile("kernel f(A: f64[m, n]) -> y: f64[m] { y[i] = A[i, j] }")
    lrs = sp.compile("kernel f(A: f64[m, n] lowrank[2] + csr) -> y: f64[m] { y[i] = A[i, j] }")
    return {
        "declared csr": (lambda: plain(A), "is stored as 'lowrank[2] + csr'"),
        "declared dense": (lambda: dense(A), "is stored as 'lowrank[2] + csr'"),
        "declared composite": (lambda: lrs(S), "is stored otherwise"),
        "another composite": (lambda: lrs(sp.compose("csr + csr", [S, S])), "is stored otherwise"),
        "another rank": (lambda: lrs(sp.compose("lowrank[1] + csr", [U[:, :1], V[:1], S])), "is stored otherwise"),
        "another dtype": (lambda: lrs(A.astype("f32")), "is declared f64"),
        "SciPy": (A.scipy, "no other library"),
        "torch": (A.torch, "no other library"),
        "NumPy": (lambda: np.asarray(A), "would make this sparse Tensor dense"),
        "sharing": (lambda: sp.share(A), "cannot be shared"),
        "assigning": (lambda: A.__setitem__((0, 0), 1.0), "assigning into a sum"),
        "no composite": (lambda: sp.compose("csr", [S]), "is no sum or product"),
        "no parts": (lambda: sp.compose("csr + csr", []), "there are none"),
        "few parts": (lambda: sp.compose("lowrank[2] + csr", [U, S]), "has 3 parts, 2 are given"),
        "rank": (lambda: sp.compose("lowrank[3] + csr", [U, V, S]), "part 0 has shape (6, 2)"),
        "shapes": (lambda: sp.compose("csr + csr", [S, S.T]), "part 1 has shape (5, 6)"),
        "inner": (lambda: sp.compose("csr @ csr", [S, S]), "part 1 has shape (6, 5)"),
        "dtypes": (lambda: sp.compose("csr + csr", [S, S.astype(np.float32)]), "part 1 has dtype f32"),
        "fills": (lambda: sp.compose("csr + csr", [S, sp.tensor(S, "csr", fill_value=1)]), "part 1 has fill 1"),
        "order": (lambda: sp.compose("coo + coo", [S, x]), "part 1 has order 1"),
        "vectors": (lambda: sp.compose("coo @ coo", [x, x]), "multiplies matrices"),
        "room": (lambda: sp.compose("ell[1] + csr", [D, S]), "has room for 1"),
    }


@pytest.mark.parametrize("name", list(refusals()))
def test_refusals(name: str) -> None:
    act, words = refusals()[name]
    with pytest.raises(sp.SparsecError) as e:
        act()
    assert words in str(e.value)


def test_lying_parts_are_found() -> None:
    A = made()
    A.parts[2].levels[1]["crd"][0] = 99
    with pytest.raises(sp.FormatError, match="part 2"):
        A.validate()


def test_with_bounds_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSEC_CHECK", "bounds,verify")
    assert sp.compile(KERNEL)(made(), x, np.ones(6))[0].tolist() == (1 - D @ x).tolist()


def test_of_a_dense_array() -> None:
    dense = np.outer([1.0, 2.0, 0.0], [4.0, 0.5])
    with pytest.raises(sp.FormatError, match="lossy=True"):
        sp.tensor(dense + np.eye(3, 2) / 3, format="lowrank[1]")
    both = sp.tensor(dense, format="lowrank[1] + csr")
    np.testing.assert_allclose(both.numpy(), dense)
