"""``ragged``: stretches from 0 up to a length of their own, through the whole compiler."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from tests.support.stages import agree

RNG = np.random.default_rng(5)
ROWS = [[1.0, 2, 3], [], [4.0, 5, 6, 7, 8], [9.0]]
D = np.zeros((4, 5))
for _n, _row in enumerate(ROWS):
    D[_n, : len(_row)] = _row
GAPS = np.where(RNG.random((4, 5)) < 0.4, RNG.integers(1, 5, (4, 5)), 0).astype(float)
x = np.arange(5.0)


def test_rows_become_a_tensor_over_their_values() -> None:
    A = sp.tensor(ROWS, "ragged")
    assert A.shape == (4, 5) and A.nnz == 9 and A.format == "ragged"
    assert A.levels[1]["pos"].tolist() == [0, 3, 3, 8, 9]
    assert A.storage.values.tolist() == [v for row in ROWS for v in row]
    assert A.numpy().tolist() == D.tolist()
    B = sp.tensor([np.ones((2, 3)), np.zeros((4, 3), np.float32)], "ragged")
    assert B.shape == (2, 4, 3) and B.nnz == 18
    assert sp.tensor(ROWS, "(i, j) -> (i: dense, j: ragged[pos=i64])").levels[1]["pos"].dtype == np.int64
    assert sp.tensor(ROWS, "ragged", fill_value=-1).numpy()[1].tolist() == [-1] * 5


FORMATS = ("csr", "csc", "coo", "dcsr", "dense", "bsr[2, 2]", "bitmap", "hash", "rle", "ell[5]", "dia",
           "(i, j) -> (i: compressed, j: ragged)", "(i, j) -> (j: dense, i: ragged)", "(i, j) -> (i: ragged, j: dense)",
           "(i, j) -> (i: ragged, j: compressed)", "(i, j) -> (i: ragged, j: ragged)")  # fmt: skip


@pytest.mark.parametrize("fmt", FORMATS)
def test_conversions(fmt: str) -> None:
    for dense in (D, GAPS, np.zeros((4, 5)), np.ones((4, 5))):
        A = sp.tensor(dense, "csr").convert("ragged")
        A.validate()
        B = A.convert(fmt)
        B.validate()
        assert B.numpy().tolist() == dense.tolist()
        assert B.convert("ragged").numpy().tolist() == dense.tolist()
        assert sp.tensor(dense, "coo").convert(fmt).numpy().tolist() == dense.tolist()


def test_gaps_are_filled_with_the_fill() -> None:
    A = sp.from_coo([[0, 0], [1, 3]], [1.0, 2.0], (2, 4), fill_value=7).convert("ragged")
    assert A.nnz == 4 and A.coo()[1].tolist() == [7, 1, 7, 2]


PROGRAMS = {
    "sum": ("A: f64[m, n] {}, x: f64[n]", "y: f64[m]", "y[i] = A[i, j] * x[j]"),
    "columns": ("A: f64[m, n] {}", "y: f64[n]", "y[j] = A[i, j]"),
    "with csr": ("A: f64[m, n] {}, B: f64[m, n] csr", "C: f64[m, n] csr", "C[i, j] = A[i, j] * B[i, j]"),
    "and csr": ("A: f64[m, n] {}, B: f64[m, n] csr", "C: f64[m, n] csr", "C[i, j] = A[i, j] + B[i, j]"),
    "two": ("A: f64[m, n] {}, B: f64[m, n] {}", "C: f64[m, n] {}", "C[i, j] = A[i, j] + 2 * B[i, j]"),
    "same": ("A: f64[m, n] {}", "C: f64[m, n] {}", "C[i, j] = 2 * A[i, j]"),
    "turned": ("A: f64[m, n] {}", "C: f64[n, m] csr", "C[j, i] = A[i, j]"),
    "window": ("A: f64[m, n] {}", "y: f64[m, n]", "y[i, j] = A[i, j - 1] + A[i, j + 1]"),
    "part": ("A: f64[m, n] {}", "y: f64[m]", "y[i] = sum[j](A[i, j] where 1 <= j and j < 3)"),
    "point": ("A: f64[m, n] {}", "y: f64[m]", "y[i] = A[i, 2]"),
    "stored": ("A: f64[m, n] {}", "y: i64[m]", "y[i] = count[j](stored(A[i, j]))"),
    "scan": ("A: f64[m, n] {}", "y: f64[m, n]", "y[i, j] = scan[j, reverse](A[i, j])"),
    "max": ("A: f64[m, n] {}", "y: f64[m]", "y[i] = max[j](A[i, j])"),
    "everywhere": ("A: f64[m, n] {}", "y: f64[m]", "y[i] = sum[j](cos(A[i, j]))"),
    "product": ("A: f64[m, n] {}, B: f64[n, m] csr", "C: f64[m, m] csr", "C[i, k] = A[i, j] * B[j, k]"),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
@pytest.mark.parametrize("fmt", ["ragged", "(i, j) -> (i: compressed, j: ragged)", "(i, j) -> (j: dense, i: ragged)"])
def test_programs(name: str, fmt: str) -> None:
    operands, result, statement = (part.replace("{}", fmt) for part in PROGRAMS[name])
    text = f"kernel f({operands}) -> {result} {{ {statement} }}"
    prefix = fmt != "(i, j) -> (j: dense, i: ragged)"
    A = D if prefix else np.pad(D.T, ((0, 0), (0, 1)))[:4]
    arrays = {"A": A, "B": GAPS.T.copy() if name == "product" else A if name == "two" else GAPS, "x": x}
    agree(text, {n: a for n, a in arrays.items() if f"{n}: " in operands}, {"m": 4, "n": 5}, compiled=fmt == "ragged")


def test_sequences_of_vectors() -> None:
    T = np.zeros((3, 4, 2))
    T[0, :2], T[2, :4], T[1, 0] = 1, 2, [0, 3]
    text = """
    kernel f(X: f64[b, t, d] ragged) -> Y: f64[b, t, d] ragged, z: f64[b, d], length: i64[b] {
        Y[b, t, d] = 2 * X[b, t, d]
        z[b, d] = X[b, t, d]
        length[b] = count[t](stored(X[b, t, 0]))
    }
    """
    Y, z, length = sp.compile(text)(sp.tensor(T, "ragged"))
    assert Y.numpy().tolist() == (2 * T).tolist() and z.tolist() == T.sum(axis=1).tolist()
    assert length.tolist() == [2, 1, 4]


def test_operators_and_copies() -> None:
    A = sp.tensor(ROWS, "ragged")
    assert (A @ x).tolist() == (D @ x).tolist() and (A.T @ np.ones(4)).tolist() == D.sum(axis=0).tolist()
    assert (A * 2).numpy().tolist() == (D * 2).tolist() and (A + A).numpy().tolist() == (2 * D).tolist()
    assert A[2].numpy().tolist() == D[2].tolist() and A.sum() == D.sum()
    assert pickle.loads(pickle.dumps(A)).numpy().tolist() == D.tolist()
    assert A.scipy().toarray().tolist() == D.tolist()


def refusals() -> dict[str, tuple[Any, str]]:
    A = sp.tensor(ROWS, "ragged")
    gap = sp.compile("kernel f(A: f64[m, n] ragged) -> B: f64[m, n] ragged { B[i, j] = A[i, j] where j > 0 }")
    same = sp.compile("kernel f(A: f64[m, n] ragged) -> B: f64[m, n] ragged { B[i, j] = 2 * A[i, j] }")
    longer = sp.tensor(ROWS, "ragged").storage
    longer.levels[1]["pos"][1] = 9
    decreasing = sp.tensor(ROWS, "ragged").storage
    decreasing.levels[1]["pos"][2] = 1
    return {
        "a result with gaps": (lambda: gap(A), "leaves out a coordinate"),
        "assemble": (lambda: same.assemble(A), "cannot run yet"),
        "rows of other widths": (lambda: sp.tensor([np.ones((2, 3)), np.ones((4, 2))], "ragged"), "row 1 has shape"),
        "rows elsewhere": (lambda: sp.tensor(ROWS, "csr"), "the nested lists are ragged"),
        "vectors": (lambda: sp.tensor(x, "ragged"), "order 2 and more"),
        "lengths": (longer.validate, "pos decreases"),
        "decreasing": (decreasing.validate, "pos decreases"),
    }


@pytest.mark.parametrize("name", list(refusals()))
def test_refusals(name: str) -> None:
    act, words = refusals()[name]
    with pytest.raises(sp.SparsecError) as e:
        act()
    assert words in str(e.value)


def test_a_row_longer_than_the_dimension() -> None:
    s = sp.tensor(ROWS, "ragged").storage
    with pytest.raises(sp.FormatError, match="the dimension has 4"):
        type(s)(s.format, (4, 4), s.dtype, s.fill, s.levels, s.values).validate()
