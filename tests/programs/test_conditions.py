"""Conditions by every stage, with masks, operands and results of many formats."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.ir.loops import Guard
from sparsec.ir.rewrite import walk
from tests.programs.cases import LEVELS, MATRIX, short
from tests.support.texts import stages

FORMATS = (*MATRIX, *LEVELS)
OUT = ("", "csr", "csc", "coo")


@pytest.mark.parametrize("mask", FORMATS, ids=short)
def test_masks(mask: str) -> None:
    for n, condition in enumerate(
        ["M[i, j]", "not M[i, j]", "M[i, j] and i <= j", "M[i, j] or i == j", "M[i, j] and not stored(A[i, j])"]
    ):
        operands = f"A: f64[m, n] {MATRIX[n]}, M: bool[m, n] {mask}"
        for out in {OUT[n % 4], "csr"}:
            stages(operands, f"R: f64[m, n] {out}", f"R[i, j] = A[i, j] + 1 where {condition}")


@pytest.mark.parametrize("fmt", FORMATS, ids=short)
def test_patterns(fmt: str) -> None:
    both = f"A: f64[m, n] {fmt}, B: f64[m, n] csr"
    stages(both, "R: f64[m, n] csr", "R[i, j] = B[i, j] where stored(A[i, j])")
    stages(both, "R: f64[m, n]", "R[i, j] = B[i, j] where not stored(A[i, j])")
    stages(f"A: f64[n, n] {fmt}, x: f64[n]", "y: f64[n]", "y[i] = sum[j](x[j] where stored(A[j, i]) and j != i)")


@pytest.mark.parametrize("fmt", FORMATS, ids=short)
def test_orders(fmt: str) -> None:
    one = f"A: f64[m, m] {fmt}, x: f64[m]"
    stages(one, "R: f64[m, m] csr", "R[i, j] = A[i, j] where i - j in -1:2")
    stages(one, "R: f64[m, m] csc", "R[i, j] = A[i, j] * (i + 1) where 2 * i > j")
    stages(one, "y: f64[m]", "y[i] = sum[j](A[i, j] * x[j] where j < i)")
    stages(one, "d: f64[m]", "d[i] = sum[j](A[j, i] where j == i)")
    stages(
        one, "y: i64[m], z: f64[m]", "y[i] = count[j](A[i, j] > 1 where j >= i); z[i] = mean[j](A[i, j] where j < 2)"
    )


@pytest.mark.parametrize(("a", "b"), [("", ""), ("csr", ""), ("csr", "csr"), ("csr", "csc"), ("coo", "csr")])
@pytest.mark.parametrize("mask", ["csr", "csc", "coo", "bitmap", ""])
def test_masked_products(a: str, b: str, mask: str) -> None:
    operands = f"A: f64[m, k] {a}, B: f64[k, n] {b}, M: bool[m, n] {mask}"
    for out in ("", "csr", "csc"):
        stages(operands, f"C: f64[m, n] {out}", "C[i, j] = A[i, l] * B[l, j] where M[i, j]")
    stages(operands, "C: f64[m, n] csr fill(-1)", "C[i, j] = 2 * A[i, l] * B[l, j] where M[i, j] and i < j")
    stages(operands, "C: f64[m, n] csr", "C[i, j] = max[l](A[i, l] + B[l, j] where l < 2) where M[i, j]")


@pytest.mark.parametrize(
    "statement",
    [
        "r[i] = max[j](A[i, j]) where M[i, j]",
        "r[i] = A[i, j] * x[j] where A[i, j] > x[j]",
        "r[i] = sum[j](A[i, j] where M[i, j]) + sum[j](x[j] where not M[i, j])",
        "r[i] = sum[j](A[i, j]) where any[j](M[i, j])",
        "r[i] = 3 where sum[j](A[i, j]) > 1 and i < 3",
        "r[i] = prod[j](A[i, j] where stored(A[i, j])) where i < 3",
        "r[i] = argmin[j](A[i, j] where M[i, j]) where i < 3",
        "r[i] = logsumexp[j](A[i, j] where M[i, j]) where i < 3",
        "r[i] += A[i, j] where M[i, j]",
        "r[i] max= A[i, j] where M[i, j]",
        "r[i] = sum[j, l](A[i, j] * x[l] where l < j)",
        "r[i] = x[l] where M[i, l] and stored(A[i, l])",
    ],
)
@pytest.mark.parametrize("out", ["", "coo", "fill(2)"])
def test_reductions(statement: str, out: str) -> None:
    if "coo" in out and "max=" in statement:
        out = "coo fill(-inf)"
    result = f"r: f64[m] {out}".strip()
    for fmt in ("", "csr", "csc", "coo"):
        stages(f"A: f64[m, n] {fmt}, M: bool[m, n] csr, x: f64[n]", result, statement)


@pytest.mark.parametrize("shape", ["", "csr", "coo"])
def test_softmax_of_what_a_mask_admits(shape: str) -> None:
    k = stages(
        f"Q: f64[m, k], K: f64[n, k], M: bool[m, n] {shape}, V: f64[n, k]",
        "O: f64[m, k]",
        "S[i, j]: fill(-inf) = Q[i, c] * K[j, c] where M[i, j]; P[i, j] = softmax[j](S[i, j]); "
        "O[i, c] = P[i, j] * V[j, c]",
        round_=False,
    )
    assert any(isinstance(n, Guard) for n in walk(k))


@pytest.mark.parametrize("fmt", ["i/4: compressed, i%4: compressed[unordered]", "i/2: dense, i%2: hashed"])
def test_a_copy_of_blocks_stores_no_more_than_they_do(fmt: str) -> None:
    stages(f"d: bool[n] csf, A: f64[n] (i) -> ({fmt})", "c: f64", "c = sum[i](1.0 where d[i] and not stored(A[i]))")


def test_a_choice_by_what_is_stored_has_the_patterns_of_both_values() -> None:
    m, t, v = (sp.tensor(np.array(a, float), format="csf") for a in ([1, 0, 1, 0, 0], [0, 2, 0, 0, 4], [5, 6, 0, 7, 0]))
    operands = "M: f64[n] csf, T: f64[n] csf, V: f64[n] csf"
    for value in ("select(stored(M[i]), T[i], V[i])", "select(not stored(M[i]), V[i], T[i])"):
        r = sp.compile(f"kernel f({operands}) -> R: f64[n] csf {{ R[i] = {value} }}")(m, t, v)
        assert r.numpy().tolist() == [0, 6, 0, 7, 0]
        assert r.coo()[0][0].tolist() == [0, 1, 3], value
