"""Idempotent reductions over sparse operands visit the entries, and what is absent once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp


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
def test_no_format_and_no_order_hides_an_infinity_from_an_absent_zero(fmt: str) -> None:
    a = np.array([[np.inf, 0, 1], [0, np.inf, 2], [3, 0, 0]])
    t = sp.tensor(a, format=fmt)
    for statement, axis in (("y[i] = prod[j](A[i, j])", 1), ("y[j] = prod[i](A[i, j])", 0)):
        np.testing.assert_array_equal(sp.evaluate(statement, A=t), a.prod(axis))
    np.testing.assert_array_equal(sp.evaluate("y[i] = 1 * x[i]; y[i] *= A[i, 1]", A=t, x=a[:, 0]), a[:, 0] * a[:, 1])


def test_a_scan_meets_its_entries_in_one_order() -> None:
    t = sp.from_coo([[0, 0], [0, 1]], [HUGE, HUGE], (1, 3), format="csr")
    expected = np.array([[HUGE, np.inf, np.nan]])
    np.testing.assert_equal(sp.evaluate("y[i, j] = scan.prod[j](A[i, j])", A=t), expected)
