"""``SPARSEC_CHECK=nan``: what unstored entries annihilate is reported, and nothing else is."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec import knobs
from sparsec.errors import AnnihilatedWarning, BackendError

A = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])
SHORT = np.array([np.inf, 1.0, 2.0])
FORMATS = ("csr", "csc", "coo", "dcsr", "bitmap", "hash", "(i, j) -> (i: dense, j: fixed[3])")


def reported(statement: str, **operands: Any) -> list[str]:
    """The warnings of a statement."""
    with warnings.catch_warnings(record=True) as found, knobs.scope(check={"nan"}):
        warnings.simplefilter("always")
        try:
            sp.evaluate(statement, **operands)
        except BackendError as e:
            assert "is NaN" in str(e)
    assert all(w.category is AnnihilatedWarning for w in found)
    return [str(w.message) for w in found]


@pytest.mark.parametrize("fmt", FORMATS)
def test_products_say_which_entry_is_missing_and_where(fmt: str) -> None:
    a = sp.tensor(A, format=fmt)
    (text,) = reported("y[i] = A[i, j] * x[j]", A=a, x=np.array([np.nan, np.inf, np.inf]))
    assert "an entry that 'A' does not store decides mul(A[i, j], x[j]) at 3 points" in text
    assert "the first at i = 0, j = 1" in text
    assert not reported("y[i] = A[i, j] * x[j]", A=a, x=np.array([1.0, -2.0, 0.0]))


def test_where_nothing_is_absent_nothing_is_reported() -> None:
    full = sp.tensor(np.ones((2, 3)), format="csr")
    assert not reported("y[i] = A[i, j] * x[j]", A=full, x=SHORT)
    assert not reported("y[i] = A[i, j] * x[j]", A=A, x=SHORT)


def test_conditions_count() -> None:
    a = sp.tensor(A, format="csr")
    assert "at a point, the first at i = 1, j = 0" in reported("y[i] = A[i, j] * x[j] where j < 1", A=a, x=SHORT)[0]
    assert not reported("y[i] = sum[j](A[i, j] * x[j] where j > 0)", A=a, x=SHORT)
    assert not reported("y[i, j] = select(isfinite(x[j]), A[i, j] * x[j], 0)", A=a, x=SHORT)


def test_quotients_and_functions() -> None:
    a = sp.tensor(A, format="csr")
    assert (
        "div(A[i, j], z[j]) at a point, the first at i = 0, j = 1"
        in reported("y[i, j] = A[i, j] / z[j]", A=a, z=np.array([1.0, 0.0, 2.0]))[0]
    )
    assert not reported("y[i, j] = A[i, j] / z[j]", A=a, z=SHORT)  # 0 / inf is 0
    assert reported("y[i, j] = A[i, j] * exp(z[j])", A=a, z=np.array([1e4, 0.0, 0.0]))
    assert not reported("y[i, j] = A[i, j] * exp(z[j])", A=a, z=np.zeros(3))


def test_both_sides_of_a_product_may_be_absent() -> None:
    a, b = sp.tensor(A, format="csr"), sp.tensor(np.array([[np.inf, 0.0], [1.0, 0.0], [0.0, np.nan]]), format="csr")
    (text,) = reported("C[i, j] = A[i, k] * B[k, j]", A=a, B=b)
    assert "mul(A[i, k], B[k, j]) at 2 points, the first at i = 1, j = 0, k = 0" in text
    c = sp.tensor(np.array([[0, np.inf]] * 3), format="csr")
    assert len(reported("C[i, j] = A[i, j] * B[i, j]", A=b, B=c)) == 2


def test_locals_and_other_fills() -> None:
    a = sp.tensor(A, format="csr")
    (text,) = reported("T[i, j] = 2 * A[i, j]; y[i] = T[i, j] * x[j]", A=a, x=SHORT)
    assert "an entry that 'T' does not store" in text
    far = sp.from_coo([[0], [1]], [1.0], (3, 3), fill_value=np.inf)
    assert (
        "add(d[i], G[i, j]) at 2 points, the first at j = 0, i = 0"
        in reported("e[j] = min[i](d[i] + G[i, j])", G=far, d=-SHORT)[0]
    )
    assert not reported("e[j] = min[i](d[i] + G[i, j])", G=far, d=SHORT)


def test_softmax_of_nothing_is_no_annihilation() -> None:
    scores = sp.from_coo([[0], [1]], [1.0], (3, 3), fill_value=-np.inf)
    assert not reported("P[i, j] = softmax[j](S[i, j])", S=scores)


def test_results_are_the_same_with_the_check() -> None:
    kernel = sp.compile(
        "kernel f(A: f64[m, n] csr, x: f64[n]) -> y: f64[m], B: f64[m, n] csr {"
        "y[i] += A[i, j] * x[j]; B[i, j] = A[i, j] }"
    )
    a, y = sp.tensor(A, format="csr"), np.ones(2)
    with knobs.scope(check={"nan"}), pytest.warns(AnnihilatedWarning):
        kernel(a, SHORT, out={"y": y})
    assert y.tolist() == [np.inf, 4.0]


def test_sums_may_be_what_is_not_finite() -> None:
    a, b = sp.tensor(A, format="csr"), sp.tensor(np.array([[0.0, np.inf], [1.0, 0.0]]), format="csr")
    (text,) = reported("R[i, j] = A[i, j] * sum[k](B[i, k] * 2)", A=a, B=b)
    assert "at a point, the first at i = 0, j = 1" in text
    assert not reported("R[i, j] = A[i, j] * sum[k](B[i, k] where k > 1)", A=a, B=b)


def test_a_statement_sees_what_stood_before_it() -> None:
    a = sp.tensor(np.array([0, 2.0, 0]), format="csf")
    text = "y[i] = 1 * x[i]; z[i] = y[i] * A[i]; y[i] = 0 * i"
    x = np.array([1.0, np.inf, np.nan])
    (found,) = reported(text.replace("y[i] = 0", "y[i] min= 0"), A=a, x=x)
    assert "decides mul(y[i], A[i]) at a point, the first at i = 2" in found
