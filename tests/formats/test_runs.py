"""``runs``, ``rle``: equal neighbours share a value; loops go from run to run and fold what does not vary in one."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.ir.text import Cursor

DENSE = np.array([[5.0, 5, 5, 0, 0, 2], [0, 0, 0, 0, 0, 0], [0, 7, 7, 7, 0, 0]])


def rle(a: np.ndarray = DENSE) -> sp.Tensor:
    return sp.tensor(a, format="rle")


def steps(rows: int = 6, columns: int = 200) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.repeat(rng.integers(0, 3, (rows, columns // 10)), 10, axis=1).astype(float)


def test_what_is_stored() -> None:
    A = rle()
    assert A.levels[1]["pos"].tolist() == [0, 3, 3, 5]
    assert A.levels[1]["crd"].tolist() == [3, 5, 6, 1, 4]
    assert A.storage.values.tolist() == [5, 0, 2, 0, 7]
    assert A.levels[1]["map"].tolist() == [1, 0, 1, 0, 1]
    assert (A.nnz, A.format) == (3, "rle")
    A.validate()
    assert A.numpy().tolist() == DENSE.tolist()
    assert A.coo()[1].tolist() == [5, 5, 5, 2, 7, 7, 7]
    assert A.convert("csr").nnz == 7 and A.convert("csr").convert("rle").nnz == 3


def test_a_stored_fill_is_no_gap() -> None:
    A = sp.from_coo([[0, 1, 4]], [0.0, 0.0, 3.0], (6,), format="rle")
    assert A.levels[0]["crd"].tolist() == [2, 4, 5] and A.levels[0]["map"].tolist() == [1, 0, 1]
    assert A.coo()[0].tolist() == [[0, 1, 4]]
    assert A.prune().coo()[0].tolist() == [[4]]


def test_values_keep_their_bits() -> None:
    x = np.array([-0.0, 1.0, 1.0, np.nan, np.nan, 0.0])
    A = sp.from_coo([np.arange(6)], x, (6,), format="rle")
    assert A.nnz == 4
    assert np.signbit(A.numpy()).tolist() == np.signbit(x).tolist()
    k = sp.compile("kernel f(x: f64[n]) -> y: f64[n] rle { y[i] = -x[i] }")
    made = k(np.array([0.0, -0.0, -0.0, 3.0]))
    assert made.levels[0]["crd"].tolist() == [1, 3, 4] and np.signbit(made.numpy()).tolist() == [
        True,
        False,
        False,
        True,
    ]


def test_a_sum_over_runs_is_folded() -> None:
    k = sp.compile("kernel f(A: f64[m, n] rle) -> y: f64[m] { y[i] = A[i, j] }")
    text = k.ir("buffer")
    assert "runs A.1" in text and "length" in text and "for j" not in text
    assert k(rle(steps())).tolist() == steps().sum(1).tolist()


@pytest.mark.parametrize("op", ["max", "min"])
def test_what_is_idempotent_is_done_once(op: str) -> None:
    k = sp.compile(f"kernel f(A: f64[m, n] rle) -> y: f64[m] {{ y[i] = {op}[j](A[i, j] * 2) }}")
    assert "for j" not in k.ir("buffer")
    assert k(rle()).tolist() == getattr((2 * DENSE), op)(1).tolist()


def test_integers_and_bools() -> None:
    for a in (steps().astype(np.int32), steps() > 1):
        A = sp.tensor(a, format="rle")
        assert sp.evaluate("y[i] = sum[j](A[i, j])", A=A).tolist() == a.sum(1).tolist()
        assert sp.evaluate("y[i] = any[j](A[i, j] > 0)", A=A).tolist() == a.any(1).tolist()


def test_inside_a_run_the_others_go_on() -> None:
    x = np.arange(200.0)
    k = sp.compile("kernel f(A: f64[m, n] rle, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }")
    assert "for j in from..to" in k.ir("buffer").replace(" ..", "..").replace(".. ", "..") or "for j" in k.ir("buffer")
    assert k(rle(steps()), x).tolist() == (steps() @ x).tolist()


@pytest.mark.parametrize("op", ["+", "*", "-"])
def test_runs_of_several_operands(op: str) -> None:
    a, b = steps(), np.roll(steps(), 5, axis=1)
    k = sp.compile(
        f"kernel f(A: f64[m, n] rle, B: f64[m, n] rle) -> C: f64[m, n] rle {{ C[i, j] = A[i, j] {op} B[i, j] }}"
    )
    assert "runs A.1 B.1" in k.ir("buffer")
    C = k(rle(a), rle(b))
    C.validate()
    want = {"+": a + b, "*": a * b, "-": a - b}[op]
    assert C.numpy().tolist() == want.tolist()
    assert C.nnz <= 6 * 40


def test_with_a_sparse_operand_a_run_is_searched_for() -> None:
    a = np.where(np.random.default_rng(2).random((6, 200)) < 0.1, 1.0, 0.0)
    k = sp.compile("kernel f(A: f64[m, n] csr, B: f64[m, n] rle) -> C: f64[m, n] csr { C[i, j] = A[i, j] * B[i, j] }")
    assert "search B.1" in k.ir("buffer")
    assert k(sp.tensor(a, format="csr"), rle(steps())).numpy().tolist() == (a * steps()).tolist()


def test_conditions_bound_the_runs() -> None:
    a = steps()
    k = sp.compile(
        "kernel f(A: f64[m, n] rle) -> y: f64[m] { y[i] = sum[j](A[i, j] where 30 * i + 5 <= j and j < 180) }"
    )
    assert k(rle(a)).tolist() == [row[30 * i + 5 : 180].sum() for i, row in enumerate(a)]


@pytest.mark.parametrize("how", ["", ", reverse"])
def test_scans_go_along(how: str) -> None:
    made = sp.evaluate(f"C[i, j] = scan[j{how}](A[i, j])", A=rle())
    want = np.cumsum(DENSE, 1) if not how else np.cumsum(DENSE[:, ::-1], 1)[:, ::-1]
    assert made.tolist() == want.tolist()


def test_another_fill() -> None:
    a = np.full((2, 5), 3.0)
    a[1, 2] = 4
    A = sp.tensor(a, format="rle", fill_value=3.0)
    assert A.levels[1]["pos"].tolist() == [0, 0, 2] and A.storage.values.tolist() == [3, 4]
    assert A.numpy().tolist() == a.tolist()
    assert sp.evaluate("y[i] = A[i, j] * x[j]", A=A, x=np.arange(5.0)).tolist() == (a @ np.arange(5.0)).tolist()


def test_a_sum_over_runs_keeps_the_parts_of_complex_numbers_apart() -> None:
    x = np.array([np.inf + 1j, np.inf + 1j, np.inf + 1j, 1j, 1j])
    got = complex(sp.evaluate("s = sum[i](r[i])", r=sp.tensor(x, format="rle")))
    assert (got.real, got.imag) == (np.inf, 5.0)


def test_nothing_stands_beneath_runs() -> None:
    with pytest.raises(sp.FormatError, match="can only be the last level"):
        Cursor("(i, j) -> (i: runs, j: compressed)").format(2)


LIES = [
    ("pos", [0, 3, 3], "pos has shape"),
    ("crd", [3, 5], "crd has 2 entries, pos ends at 5"),
    ("crd", [3, 3, 6, 1, 4], "the end 3 of run 1 does not come after where it begins"),
    ("crd", [0, 5, 6, 1, 4], "the end 0 of run 0 does not come after where it begins"),
    ("crd", [3, 5, 7, 1, 4], "the end 7 of run 2 is past the extent 6"),
    ("map", [1, 0, 1, 0, 2], "map is 2 at 4, expected 0 or 1"),
]


@pytest.mark.parametrize(("role", "array", "text"), LIES)
def test_arrays_that_lie(role: str, array: list[int], text: str) -> None:
    A = rle()
    A.levels[1][role] = np.array(array, A.levels[1][role].dtype)  # type: ignore[index]
    with pytest.raises(sp.FormatError, match=f"level 1 .j: runs.: {text}"):
        A.validate()
