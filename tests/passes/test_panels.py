"""Register panels: whole ones, and what they leave in ever narrower ones, are the product."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp

WIDTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100, 127, 128, 130]
FORMATS = ("csr", "csc", "bsr[2, 3]", "dia", "ell[9]", "dense")


def operands(dtype: str, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(width)
    a = ((rng.random((7, 9)) < 0.4) * rng.integers(1, 9, (7, 9))).astype(dtype)
    return a, rng.integers(-9, 9, (9, width)).astype(dtype)


@pytest.mark.parametrize("dtype", ["f64", "f32", "i64", "u32"])
@pytest.mark.parametrize("schedule", [None, "panel k 8", "panel k 12", "split k 16; order i, k/16, j, k%16"])
def test_any_number_of_columns(dtype: str, schedule: str | None) -> None:
    text = f"A: {dtype}[m, n] csr, B: {dtype}[n, d]) -> C: {dtype}[m, d]"
    kernels = [
        (sp.compile(f"kernel f({text} {{ C[i, k] = {fold}[j](A[i, j] * B[j, k]) }}", schedule=schedule), numpy)
        for fold, numpy in (("sum", np.add), ("max", np.maximum))
    ]
    for width in WIDTHS:
        a, b = operands({"f": "f", "i": "i", "u": "u"}[dtype[0]] + str(int(dtype[1:]) // 8), width)
        for kernel, numpy in kernels:
            want = numpy.reduce(a[:, :, None] * b, 1).astype(a.dtype)
            assert kernel(sp.tensor(a, format="csr"), b).tolist() == want.tolist(), width


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 12, 24, 33])
def test_a_number_of_columns_that_is_known(fmt: str, width: int) -> None:
    a, b = operands("f8", width)
    text = f"kernel f(A: f64[m, n] {fmt}, B: f64[n, {width}]) -> C: f64[m, {width}] {{ C[i, k] = A[i, j] * B[j, k] }}"
    assert sp.compile(text)(sp.tensor(a, format=fmt), b).tolist() == (a @ b).tolist()


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_result_that_is_added_to(fmt: str) -> None:
    for width in (3, 33, 70):
        a, b = operands("f8", width)
        c = np.ones((7, width))
        text = f"kernel f(A: f64[m, n] {fmt}, B: f64[n, d]) -> C: f64[m, d] {{ C[i, k] += A[i, j] * B[j, k] }}"
        kernel = sp.compile(text)
        assert kernel(sp.tensor(a, format=fmt), b, out=c).tolist() == (a @ b + 1).tolist()


@pytest.mark.parametrize("block", [(2, 8), (3, 5), (4, 16)])
def test_panels_along_the_columns_of_blocks(block: tuple[int, int]) -> None:
    """The blocks' own stretch of the result is the panel, cut where the last block is."""
    b, c = block
    for m, n, width in ((9, 37, 5), (4, 16, 1), (0, 3, 2), (5, 0, 2)):
        w = np.arange(m * n, dtype=float).reshape(m, n) % 7
        x = np.ones((width, m)).cumsum(0)
        text = f"kernel f(X: f64[d, m], W: f64[m, n] bsr[{b}, {c}]) -> Y: f64[d, n] {{ Y[i, k] = X[i, j] * W[j, k] }}"
        schedule = f"order j/{b}, k/{c}, i, j%{b}, k%{c}"
        kernel = sp.compile(text, schedule=schedule)
        assert kernel(x, sp.tensor(w, format=f"bsr[{b}, {c}]")).tolist() == (x @ w).tolist()
