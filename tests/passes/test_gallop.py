"""Intersections of operands of very different lengths: the long one is searched, the result is that of a merge."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp

DOT = "kernel dot(a: i64[n] {0}, b: i64[n] {0}) -> s: i64 {{ s = a[i] * b[i] }}"


def vector(rng: np.random.Generator, extent: int, entries: int, fmt: str) -> sp.Tensor:
    at = np.sort(rng.choice(extent, entries, replace=False))
    return sp.from_coo(at[None], rng.integers(1, 9, entries), (extent,), format=fmt)


@pytest.mark.parametrize("fmt", ["sparse", "(i) -> (i: compressed[index=u16])", "(i) -> (i: sliced[3, 1])"])
def test_any_lengths(fmt: str) -> None:
    rng = np.random.default_rng(3)
    dot = sp.compile(DOT.format(fmt))
    for short in (0, 1, 2, 5, 40):
        for long in (0, 1, 15, 33, 700, 3000):
            for _ in range(3):
                a, b = vector(rng, 3000, short, fmt), vector(rng, 3000, long, fmt)
                want = int(a.numpy() @ b.numpy())
                assert dot(a, b) == dot(b, a) == want, (short, long)


def test_rows_in_reverse_and_three_operands() -> None:
    rng = np.random.default_rng(4)
    a, b, c = ((rng.random((6, 400)) < p) * rng.random((6, 400)) for p in (0.01, 0.9, 0.4))
    tensors = [sp.tensor(x, format="csr") for x in (a, b, c)]
    back = "kernel f(A: f64[m, n] csr, B: f64[m, n] csr, C: f64[m, n] csr) -> R: f64[m, n] csr { R[i, j] = EXPR }"
    three = sp.compile(back.replace("EXPR", "A[i, j] * B[i, j] * C[i, j]"))
    np.testing.assert_allclose(three(*tensors).numpy(), a * b * c)
    scan = sp.compile(back.replace("EXPR", "scan[j, reverse](A[i, j] * B[i, j]) * A[i, j] * C[i, j]"))
    np.testing.assert_allclose(scan(*tensors).numpy(), np.cumsum((a * b)[:, ::-1], axis=1)[:, ::-1] * a * c)


def test_only_where_every_operand_is_needed() -> None:
    assert "gallop" in sp.compile(DOT.format("sparse")).ir("buffer")
    union = sp.compile(DOT.format("sparse").replace("a[i] * b[i]", "sum[i](a[i] + b[i])"))
    assert "gallop" not in union.ir("buffer")
