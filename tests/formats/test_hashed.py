"""``hashed``: a hash table for each parent, asked in constant time, walked in no order."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.formats.hashed import Hashed
from sparsec.ir.dtypes import U8

DENSE = np.array([[4.0, 0, 1], [0, 0, 0], [2.0, 0, 0]])


def hashed(a: np.ndarray = DENSE) -> sp.Tensor:
    return sp.tensor(a, format="hash")


def big() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.where(rng.random((40, 300)) < 0.2, rng.integers(1, 9, (40, 300)), 0).astype(float)


def test_tables_have_room() -> None:
    A = hashed()
    assert A.levels[1]["pos"].tolist() == [0, 4, 4, 6]
    assert sorted(A.levels[1]["crd"].tolist()) == [-1, -1, -1, 0, 0, 2]
    assert (A.nnz, A.format) == (3, "hash")
    B = hashed(big())
    slots = np.diff(B.levels[1]["pos"])
    counts = np.count_nonzero(big(), axis=1)
    assert (slots >= counts * 3 // 2).all() and (slots <= 4 * counts).all()
    B.validate()


def test_there_and_back() -> None:
    a = big()
    A = hashed(a)
    assert A.nnz == np.count_nonzero(a)
    assert A.numpy().tolist() == a.tolist()
    csr = A.convert("csr")
    csr.validate()
    assert csr.coo()[0].tolist() == np.argwhere(a).T.tolist()
    assert A.convert("dcsc").numpy().tolist() == a.tolist()
    assert (A.scipy() != sp.tensor(a, format="csr").scipy()).nnz == 0


def test_a_vector_and_narrow_coordinates() -> None:
    x = np.array([0.0, 3, 0, 4])
    v = sp.tensor(x, format="(i) -> (i: hashed[index=u8, pos=i64])")
    assert v.levels[0]["crd"].dtype == np.uint8 and v.levels[0]["pos"].dtype == np.int64
    assert Hashed(index=U8).empty == 255
    v.validate()
    assert v.numpy().tolist() == x.tolist()


def test_it_is_asked_where_another_operand_decides() -> None:
    k = sp.compile("kernel f(A: f64[m, n] csr, B: f64[m, n] hash) -> C: f64[m, n] csr { C[i, j] = A[i, j] * B[i, j] }")
    assert "converted" not in k.explain()
    assert "probe B.1" in k.ir("buffer") and "iterate B" not in k.ir("buffer")
    a = big()
    assert k(sp.tensor(a, format="csr"), hashed(a)).numpy().tolist() == (a * a).tolist()


def test_it_is_walked_where_order_does_not_matter() -> None:
    k = sp.compile("kernel f(A: f64[m, n] hash, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }")
    assert "converted" not in k.explain() and "iterate A.1" in k.ir("buffer")
    assert k(hashed(big()), np.ones(300)).tolist() == big().sum(1).tolist()


def test_it_is_copied_where_it_must_be_merged() -> None:
    k = sp.compile("kernel f(A: f64[m, n] csr, B: f64[m, n] hash) -> C: f64[m, n] csr { C[i, j] = A[i, j] + B[i, j] }")
    assert "'B' is converted to (i, j) -> (i: dense, j: compressed" in k.explain()
    assert "its level 'j: hashed' has no order" in k.explain().replace("[index=i32, pos=i32]", "")
    a = big()
    assert k(sp.tensor(a, format="csr"), hashed(a)).numpy().tolist() == (a + a).tolist()


def test_results_in_any_order() -> None:
    a = big()
    k = sp.compile("kernel f(A: f64[m, n] csr) -> C: f64[n, m] hash { C[j, i] = A[i, j] }")
    C = k(sp.tensor(a, format="csr"))
    C.validate()
    assert C.numpy().tolist() == a.T.tolist()
    square = sp.compile(
        "kernel f(A: f64[m, n] hash, B: f64[n, m] hash) -> C: f64[m, m] hash { C[i, k] = A[i, j] * B[j, k] }"
    )
    assert square(hashed(a), hashed(a.T)).numpy().tolist() == (a @ a.T).tolist()


def test_beneath_sparse_levels_it_is_refused_by_name() -> None:
    with pytest.raises(sp.UnsupportedError, match="'hashed'.*only beneath dense levels"):
        sp.tensor(DENSE, format="(i, j) -> (i: compressed, j: hashed)")


LIES = [
    ("pos", [0, 4, 4], "pos has 3 entries, expected 4"),
    ("pos", [0, 4, 4, 5], "pos runs from 0 to 5, crd has 6 slots"),
    ("pos", [0, 3, 3, 6], "the table of parent 0 has 3 slots, which is no power of 2"),
    ("crd", [0, -1, 9, -1, 0, -1], "coordinate 9 in slot 2 is outside 0..2"),
    ("crd", [0, 1, 2, 2, 0, -1], "the table of parent 0 has no empty slot"),
    ("crd", [-1, 0, -1, 2, -1, 0], "coordinate 0 in slot 1 is not found from where it hashes to"),
    ("crd", [0, 0, 2, -1, 0, -1], "coordinate 0 in slot 1 is there twice"),
]


@pytest.mark.parametrize(("role", "array", "text"), LIES)
def test_arrays_that_lie(role: str, array: list[int], text: str) -> None:
    A = hashed()
    A.levels[1][role] = np.array(array, np.int32)  # type: ignore[index]
    with pytest.raises(sp.FormatError, match=f"level 1 .j: hashed.: {text}"):
        A.validate()
