"""List workspaces pack the coordinates of an entry into 64 bits, all of which count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp

HALF = 2**32
"""Two dimensions of it take all the bits of a key."""


def entries(t: Any) -> dict[tuple[int, ...], float]:
    coords, values = t.coo()
    return dict(zip(map(tuple, coords.T.tolist()), values.tolist(), strict=True))


@pytest.mark.parametrize("count", [5, 300])  # sorted by insertion, and by digits
def test_the_highest_bit_is_no_sign(count: int) -> None:
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, HALF, (2, count))
    i[:2], j[:2] = [HALF - 1, 0], HALF - 1
    a = sp.from_coo([i, j], np.arange(1.0, count + 1), (HALF, HALF), format="dcsr")
    text = "kernel f(A: f64[n, n] dcsr) -> B: f64[n, n] dcsr { B[i, j] = A[j, i] }"
    made = sp.compile(text)(a)
    made.validate()
    assert entries(made) == {(q, p): x for (p, q), x in entries(a).items()}


def test_dimensions_of_one_take_no_bits() -> None:
    n = 2**62 + 1
    a = sp.from_coo([[0, 0], [5, n - 1], [0, 1]], [1.0, 2.0], (1, n, 2), format="csf")
    made = sp.evaluate("B[k, j, i] = A[i, j, k]", A=a)
    assert entries(made) == {(0, 5, 0): 1, (1, n - 1, 0): 2}


def test_of_equals_the_first_is_kept() -> None:
    a = sp.from_coo([[1, HALF - 1, 2], [5, 0, HALF - 1]], [3.0, 3.0, 3.0], (HALF, HALF), format="dcsr")
    top = "top[i, j: 2](A[i, j] where stored(A[i, j]))"
    made = sp.compile(f"kernel f(A: f64[m, n] dcsr) -> B: f64[m, n] dcsr {{ B[i, j] = A[i, j] where {top} }}")(a)
    assert entries(made) == {(1, 5): 3, (2, HALF - 1): 3}


@pytest.mark.parametrize("fmt", ["dcsr", "dcsc", "coo"])
def test_conversions_sort_any_bits(fmt: str) -> None:
    i, j = np.array([5, 5, 2**33 - 1, 0]), np.array([7, 3, 0, 2**32 - 1])
    a = sp.from_coo([i, j], [1.0, 2.0, 3.0, 0.0], (2**33, 2**32), format=fmt)
    for other in ("dcsr", "dcsc", "coo"):
        for t, want in ((a, entries(a)), (a.T, {(q, p): x for (p, q), x in entries(a).items()})):
            made = t.convert(other)
            made.validate()
            assert made.format == other and entries(made) == want
    with pytest.raises(sp.FormatError, match="'csb.* stores the entries in another order than 'coo"):
        a.convert("coo").convert("csb[2, 2]")


def test_more_bits_are_an_error() -> None:
    a = sp.from_coo([[3], [5]], [1.0], (HALF, HALF + 1), format="dcsr")
    with pytest.raises(sp.SparsecError, match="sorting takes more than 64 bits") as found:
        sp.compile("kernel f(A: f64[m, n] dcsr) -> B: f64[n, m] dcsr { B[j, i] = A[i, j] }")(a)
    assert "result 'B' (dcsr)" in str(found.value) and "in which they come (dcsc)" in str(found.value)
    with pytest.raises(sp.FormatError, match=r"in which they come \(dcsr\)"):
        sp.compile("kernel f(A: f64[m, n] dcsr) -> B: f64[m, n] dcsc { B[i, j] = A[i, j] }")(a)
