"""Diagonals are walked over strips of a dense result, which a cache holds: nothing of it shows but the loops."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.passes.lower.query import STRIP

SPMV = "kernel f(A: f64[m, n] dia, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }"


def banded(m: int, n: int, offsets: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(m + n)
    parts = (np.diagflat(rng.integers(1, 9, max(m, n) + abs(d)) * 1.0, d)[:m, :n] for d in offsets)
    return sum(parts, np.zeros((m, n)))


@pytest.mark.parametrize("m", [0, 1, STRIP - 1, STRIP, STRIP + 1, 2 * STRIP + 7])
@pytest.mark.parametrize("n", [0, 1, 33, STRIP + 40])
def test_products_with_a_vector(m: int, n: int) -> None:
    a = banded(m, n, (-m + 1, -40, -1, 0, 2, n - 1) if m * n else ())
    x = np.arange(float(n))
    assert sp.compile(SPMV)(sp.tensor(a, format="dia"), x).tolist() == (a @ x).tolist()


@pytest.mark.parametrize("statement", [
    "y[i] = A[i, j] * x[j] + x[i]",
    "y[i] += A[i, j] * x[j] where i > 3",
    "y[i] = max[j](A[i, j] * x[j])",
    "y[j] = A[i, j] * x[i]",
    "y[i] = sum[j](A[i, j] * x[j] where j <= i) - x[i]",
    "y[i] = A[i, j] * B[i, j] * x[j]",
])  # fmt: skip
def test_other_statements_over_diagonals(statement: str) -> None:
    n = STRIP + 70
    a, b, x = banded(n, n, (-900, -3, 0, 1, 1000)), banded(n, n, (-3, 0, 5, 1000)), np.arange(n) % 7.0
    names = {"A": sp.tensor(a, format="dia"), "B": sp.tensor(b, format="csr")}
    used = {k: v for k, v in names.items() if f"{k}[" in statement}
    want = sp.evaluate(statement, x=x, **{k: v.numpy() for k, v in used.items()})
    np.testing.assert_allclose(sp.evaluate(statement, x=x, **used), want)


def test_the_loops_and_their_schedule() -> None:
    k = sp.compile(SPMV)
    order = f"order i/{STRIP}, j-i, i%{STRIP}; parallel i/{STRIP}; panel none"
    assert f"schedule for f {{ split i {STRIP}; {order} }}" in k.explain()
    again = sp.compile(SPMV, schedule=f"order i/{STRIP}, j-i, i%{STRIP}; parallel i/{STRIP}; panel none")
    assert again.ir("loops") == k.ir("loops")
    rows = sp.compile(SPMV, schedule="order i, j-i")
    a = banded(50, 60, (-2, 0, 7))
    assert rows(sp.tensor(a, format="dia"), np.ones(60)).tolist() == (a @ np.ones(60)).tolist()
