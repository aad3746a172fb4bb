"""Idempotent reductions over sparse operands visit the entries, and what is absent once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.ir import loops_interp, tensor_interp
from sparsec.passes.lower import plan


def matrix(m: int, n: int, density: float, seed: int, dtype: Any = np.float64) -> Any:
    rng = np.random.default_rng(seed)
    return (rng.integers(-3, 4, (m, n)) * (rng.random((m, n)) < density)).astype(dtype)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (6, 9), (40, 5)])
@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("fmt", ["csr", "csc", "coo", "dcsr"])
def test_against_numpy(shape: tuple[int, int], density: float, fmt: str) -> None:
    a = matrix(*shape, density, 1)
    if density == 1.0:
        a = np.where(a == 0, -1.0, a)
    t = sp.tensor(a, format=fmt)
    b = sp.tensor(matrix(*shape, 0.5, 2), format="csr")
    least, most = np.inf, -np.inf
    assert sp.evaluate("y[i] = max[j](A[i, j])", A=t).tolist() == a.max(1, initial=most).tolist()
    assert sp.evaluate("y[j] = min[i](A[i, j])", A=t).tolist() == a.min(0, initial=least).tolist()
    assert sp.evaluate("s = max[i, j](A[i, j])", A=t) == a.max(initial=most)
    assert sp.evaluate("y[i] = prod[j](A[i, j])", A=t).tolist() == a.prod(1).tolist()
    assert sp.evaluate("y[i] = all[j](A[i, j] < 2)", A=t).tolist() == (a < 2).all(1).tolist()
    assert sp.evaluate("y[i] = any[j](A[i, j] > 1)", A=t).tolist() == (a > 1).any(1).tolist()
    assert (
        sp.evaluate("y[i] = max[j](A[i, j] - B[i, j])", A=t, B=b).tolist()
        == (a - b.numpy()).max(1, initial=most).tolist()
    )
    x = np.linspace(-1, 1, shape[0])
    assert (
        sp.evaluate("y[i] = max[j](A[i, j] + x[i])", A=t, x=x).tolist()
        == (a + x[:, None]).max(1, initial=most).tolist()
    )
    assert (
        sp.evaluate("y[i] = max[j](A[i, j] * x[i])", A=t, x=x).tolist()
        == (a * x[:, None]).max(1, initial=most).tolist()
    )


def test_the_loop_runs_over_entries() -> None:
    k = sp.compile("kernel f(A: f64[m, n] csr) -> y: f64[m] { y[i] = max[j](A[i, j]) }")
    assert "merge with all" not in k.ir("buffer") and "seen" in k.ir("buffer")
    k = sp.compile("kernel f(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { y[i] = max[j](A[i, j] + x[j]) }")
    assert "merge with all" in k.ir("buffer"), "what is absent depends on j"


HUGE = 1e200
"""The product of two is infinite."""


@pytest.mark.parametrize("fmt", ["coo", "csr", "dcsr", "csc", "bitmap", "hash", "rle", "csf", "sell[2, 1]", "ell[3]"])
def test_one_absent_zero_decides_a_product_that_overflows(fmt: str) -> None:
    t = sp.from_coo([[1, 1, 1], [1, 2, 3]], [HUGE, HUGE, 5.0], (5, 5), format=fmt)
    for statement in ("y[i] = prod[j](A[i, j])", "y[j] = prod[i](A[j, i])", "y[i] = prod[j](2 * A[i, j] * A[i, j])"):
        assert sp.evaluate(statement, A=t).tolist() == [0.0] * 5
    assert sp.evaluate("y = prod[i, j](A[i, j])", A=t) == 0
    assert sp.evaluate("y[j] = prod[i](A[i, j] * B[j])", A=t, B=np.full(5, np.inf)).tolist() == [0.0] * 5


def test_a_product_of_stored_entries_alone_overflows() -> None:
    t = sp.from_coo([[0, 0, 1], [0, 1, 0]], [HUGE, HUGE, 3.0], (2, 2), format="csr")
    assert sp.evaluate("y[i] = prod[j](A[i, j])", A=t).tolist() == [np.inf, 0]
    assert sp.evaluate("y[i] = prod[j](A[i, j] where j < 2)", A=t).tolist() == [np.inf, 0]


def test_a_scan_meets_its_entries_in_one_order() -> None:
    t = sp.from_coo([[0, 0], [0, 1]], [HUGE, HUGE], (1, 3), format="csr")
    expected = np.array([[HUGE, np.inf, np.nan]])
    np.testing.assert_equal(sp.evaluate("y[i, j] = scan.prod[j](A[i, j])", A=t), expected)
    # What a recurrence does not hand on is folded in any order.
    text = "kernel f(A: f64[m, n] csr) -> y: f64[m] { scan i { y[i] = prod[j](A[i, j]) + y[i - 1] } }"
    np.testing.assert_equal(sp.compile(text)(t), [0.0])


def test_the_interpreters_agree_on_what_decides() -> None:
    p = sp.compile("kernel f(A: f64[m, n] csr) -> y: f64[m] { y[i] = prod[j](A[i, j]) }").program
    a = np.array([[HUGE, HUGE, 0.0]])
    assert tensor_interp.interpret(p, {"A": a}, stored={"A": a != 0})["y"].tolist() == [0.0]
    assert loops_interp.run(plan(p), {"A": a})["y"].tolist() == [0.0]
