"""Locals whose rows are read where they are made, and those that are not."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from tests.support.stages import agree

PRODUCT = "T[i, j] = A[i, k] * B[k, j]"


def operands(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b, c = (np.where(rng.random((n, n)) < 0.4, rng.integers(-3, 4, (n, n)), 0.0) for _ in range(3))
    return {"A": a, "B": b, "C": c, "x": rng.integers(-3, 4, n).astype(float)}


@pytest.mark.parametrize(
    ("result", "statements", "fused"),
    [
        ("y: f64[n]", f"{PRODUCT}; y[i] = T[i, j] * x[j] where x[i] > 0", True),
        ("y: f64[n]", f"{PRODUCT}; y[i] = max[j](T[i, j])", True),
        ("y: f64[n]", f"{PRODUCT}; y[r] = sum[c](T[r, c] ** 2 where T[r, c] > 1)", True),
        ("y: f64[n]", f"{PRODUCT}; y[i] = sum[j](T[i, j] where T[i, j] != 0) + x[i]", True),
        ("y: f64[n]", f"{PRODUCT}; y[i] = sum[j](T[i, j] where T[i, j] >= 0)", True),
        ("y: f64[n, n]", f"{PRODUCT}; y[i, j] = T[i, j] + 1", True),
        ("y: f64[n, n] csr", f"{PRODUCT}; y[i, j] = T[i, j] where top[j: 2](T[i, j] where T[i, j] > 0)", True),
        ("y: f64[n, n] csr", f"{PRODUCT}; y[i, j] = T[i, j] where top[j: 2](T[i, j] where T[i, j] != 0)", True),
        # twice, across its rows (not in parallel then), beside other entries, counted first, also a result
        ("y: f64[n]", f"{PRODUCT}; y[i] = sum[j](T[i, j]) * max[j](T[i, j])", False),
        ("y: f64[n]", f"{PRODUCT}; y[j] = T[i, j] * x[i]", False),
        ("y: f64[n]", f"{PRODUCT}; y[i] = T[i, j] * C[i, j]", False),
        ("y: f64[n, n] csr", f"{PRODUCT}; y[i, j] = T[i, j] * x[i]", False),
        ("T: f64[n, n] csr, y: f64[n]", f"{PRODUCT}; y[i] = T[i, j] * x[j] * x[i]", False),
    ],
)
def test_rows(result: str, statements: str, fused: bool) -> None:
    text = f"kernel f(A: f64[n, n] csr, B: f64[n, n] csr, C: f64[n, n] csr, x: f64[n]) -> {result} {{ {statements} }}"
    text = text.replace("T[i, j] = ", "T[i, j]: csr = ") if "T: f64" not in text else text
    for n in (7, 1, 0):
        agree(text, operands(n), {"n": n}, compiled=n == 7)
    said = sp.compile(text).explain()
    assert ("T: fused: " in said) is fused, said
    assert ("T: assembled by" in said) is not fused


@pytest.mark.parametrize("dtype", ["f32", "f64", "i32", "i64", "u32", "i8", "f16"])
def test_a_row_longer_than_a_block_of_flags(dtype: str) -> None:
    """Where values are compared 64 at a time, ties, zeros and what is not written are as everywhere else."""
    rng = np.random.default_rng(1)
    t = {"f16": np.float16, "f32": np.float32, "f64": np.float64, "u32": np.uint32}.get(dtype) or f"int{dtype[1:]}"
    n = 9000
    a = np.where(rng.random((5, 30)) < 0.3, rng.integers(1, 3, (5, 30)), 0).astype(t)
    b = np.where(rng.random((30, n)) < 0.03, rng.integers(0 if dtype == "u32" else -2, 4, (30, n)), 0).astype(t)
    text = (
        f"kernel f(A: {dtype}[m, k] csr, B: {dtype}[k, n] csr) -> S: {dtype}[m, n] csr {{"
        f"  T[i, j]: {dtype} csr = A[i, k] * B[k, j]"
        "; S[i, j] = T[i, j] where top[j: 12](T[i, j] where T[i, j] > 0) }"
    )
    got = sp.compile(text)(a, b).numpy()
    full = (a.astype(np.int64) @ b.astype(np.int64)).astype(np.int64)
    for have, row in zip(got, full, strict=True):
        order = np.lexsort((np.arange(n), -row))[:12]
        want = np.zeros(n)
        want[order] = np.maximum(row[order], 0)
        assert np.array_equal(have, want)


def test_no_number_and_infinities_in_long_rows() -> None:
    n = 700
    b = np.zeros((2, n))
    b[0, ::3] = np.arange(234)
    b[1, [5, 8, 300, 450, 699]] = [np.nan, np.inf, -np.inf, np.nan, np.inf]
    a = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    A, B = (sp.tensor(x, format="csr") for x in (a, b))
    text = (
        "kernel f(A: f64[m, k] csr, B: f64[k, n] csr) -> S: f64[m, n] csr {{ T[i, j]: csr = A[i, k] * B[k, j]"
        "; S[i, j] = T[i, j] where top[j: {}](T[i, j] where T[i, j] != 0) }}"
    )
    for k in (1, 3, 4, 40):
        got = sp.compile(text.format(k))(A, B)
        dense = np.array([b[0] + b[1], b[1], b[0]])
        for have, row in zip(got.numpy(), dense, strict=True):
            there = np.flatnonzero(row != 0)
            order = sorted(there, key=lambda j: (np.isnan(row[j]), -row[j], j))[:k]
            want = np.zeros(n)
            want[order] = row[order]
            assert np.array_equal(have, want, equal_nan=True)


def test_patterns_and_values_apart() -> None:
    text = (
        "kernel f(A: f64[m, k] csr, B: f64[k, n] csr) -> S: f64[m, n] csr { T[i, j]: csr = A[i, k] * B[k, j]"
        "; S[i, j] = T[i, j] where top[j: 3](T[i, j] where T[i, j] > 0) }"
    )
    k = sp.compile(text)
    given = operands(40)
    whole = k(given["A"], given["B"])
    pattern = k.assemble(given["A"], given["B"])
    assert whole.nnz and np.array_equal(pattern.coo()[0], whole.coo()[0])
    assert np.array_equal(k.compute(given["A"], given["B"], out=pattern).numpy(), whole.numpy())


def test_a_schedule_given_back_makes_the_same_nest() -> None:
    statements = "T[i, j]: csr = A[i, k] * B[k, j]; y[i] = max[j](T[i, j] * x[j])"
    text = f"kernel f(A: f64[n, n] csr, B: f64[n, n] csr, x: f64[n]) -> y: f64[n] {{ {statements} }}"
    k = sp.compile(text)
    said = next(line for line in k.explain().splitlines() if "schedule for" in line)
    again = sp.compile(text, schedule=said.split("{")[1].rstrip(" }"))
    assert "T: fused" in again.explain() and again.ir("loops") == k.ir("loops")
    by = sp.compile(text, schedule="T: parallel i by 16")
    assert "forall i in n parallel(16)" in by.ir("loops") and "T: fused" in by.explain()
