"""Sizes that do not fit: positions too narrow for their counts, products of extents past 2**63."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import BackendError, FormatError


@pytest.mark.parametrize(
    "levels",
    [
        "(i: dense, j: compressed[pos=u8])",
        "(i: compressed[pos=u8], j: compressed[pos=u8])",
        "(i: compressed[pos=u8, nonunique], j: singleton)",
        "(j: dense, i: compressed[pos=u8])",
    ],
)
@pytest.mark.parametrize("shape", [(2, 300), (300, 2), (1, 256), (20, 20)])
def test_counts_that_wrap_in_narrow_positions(levels: str, shape: tuple[int, int]) -> None:
    dense = np.ones(shape)
    kernel = sp.compile(f"kernel f(A: f64[m, n] csr) -> B: f64[m, n] (i, j) -> {levels} {{ B[i, j] = A[i, j] * 2 }}")
    with pytest.raises(FormatError, match="more entries than"):
        kernel(sp.tensor(dense, "csr"))
    with pytest.raises(FormatError, match="more entries than"):
        sp.tensor(dense, "csr").convert(f"(i, j) -> {levels}")


def test_narrow_positions_hold_what_fits() -> None:
    dense = np.ones((1, 255))
    narrow = sp.tensor(dense, "csr").convert("(i, j) -> (i: dense, j: compressed[pos=u8])")
    assert np.array_equal(narrow.numpy(), dense)


@pytest.mark.parametrize(
    "levels",
    [
        "(i: dense, j: dense, k: compressed)",
        "(i: compressed, j: dense, k: dense)",
        "(i: dense, j: dense, k: dense)",
        "(i: dense, j: compressed, k: dense)",
    ],
)
def test_products_of_extents_that_wrap(levels: str) -> None:
    A = sp.from_coo([[5], [7], [1]], [1.0], (2**32, 2**32, 2**32), "csf")
    kernel = sp.compile(
        f"kernel f(A: f64[m, n, p] csf) -> s: f64 {{ B[i, j, k]: f64 (i, j, k) -> {levels} = A[i, j, k]\n"
        "s = B[i, j, k] }"
    )
    with pytest.raises(BackendError, match="2\\*\\*63|memory"):
        kernel(A)


def test_a_local_whose_fill_is_not_the_computed_one() -> None:
    """Every place is stored then, which is not what counting the products' places gives."""
    kernel = sp.compile(
        "kernel f(A: f64[m, n] csr, B: f64[n, p] csr) -> C: f64[m, p] {\n"
        "T[i, j]: f64 csr fill(1) = A[i, k] * B[k, j]\nC[i, j] = T[i, j] * 2 }"
    )
    rng = np.random.default_rng(0)
    a, b = (rng.random((50, 60)) < 0.05) * 1.0, (rng.random((60, 70)) < 0.05) * 1.0
    assert np.allclose(kernel(sp.tensor(a, "csr"), sp.tensor(b, "csr")), 2 * a @ b)


HUGE = 2**40


def test_products_along_huge_dimensions() -> None:
    """No workspace has a place for every column."""
    A = sp.from_coo([[0, 1, 2], [5, 2**39, 7]], [1.0, 2, 3], (3, HUGE), "csr")
    B = sp.from_coo([[5, 2**39], [2**38, 9]], [1.0, 2], (HUGE, HUGE), "dcsr")
    coords, values = sp.evaluate("C[i, j] = A[i, k] * B[k, j]", A=A, B=B).coo()
    assert coords.tolist() == [[0, 1], [2**38, 9]] and values.tolist() == [1, 4]
    coords, values = sp.evaluate("C[i, j]: dcsr = B[i, j] + B[i, k] * B[k, j]", B=B).coo()
    assert coords.tolist() == [[5, 2**39], [2**38, 9]] and values.tolist() == [1, 2]


def test_temporaries_have_indices_as_wide_as_the_operands() -> None:
    """So many operands that a part of the sum goes first, into a temporary."""
    names = "ABDEFGHK"
    places = [[0, 0, 1, 2], [5, 2**39, 2**38 + 1, 7]]
    operands = {x: sp.from_coo(places, np.arange(4.0) + n, (3, HUGE), "csr") for n, x in enumerate(names)}
    left, right = ("(" + " + ".join(f"{x}[i, j]" for x in part) + ")" for part in (names[:4], names[4:]))
    coords, values = sp.evaluate(f"C[i, j]: csr = {left} * {right}", **operands).coo()
    assert coords.tolist() == places
    assert values.tolist() == [(4 * v + 6) * (4 * v + 22) for v in range(4)]
