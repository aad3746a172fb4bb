"""What ``inspect`` finds, against dense NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from sparsec.cli import statistics


def entries(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    coords = np.argwhere(a).T
    return coords, a[tuple(coords)]


@pytest.mark.parametrize("shape", [(7, 7), (30, 4), (1, 9), (0, 5), (5, 0)])
def test_lengths_and_pattern(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a = np.where(rng.random(shape) < 0.3, rng.integers(1, 9, shape), 0)
    coords, values = entries(a)
    for axis in (0, 1):
        sizes = (a != 0).sum(1 - axis)
        got = statistics.lengths(coords[axis], shape[axis])
        assert got.count == shape[axis] and got.empty == (sizes == 0).sum()
        if shape[axis]:
            assert (got.least, got.most) == (sizes.min(), sizes.max())
            assert got.median == np.median(sizes) and got.mean == pytest.approx(sizes.mean())
            assert got.deviation == pytest.approx(sizes.std())
        assert sum(n for _, _, n in got.histogram) == shape[axis]
        for low, high, number in got.histogram:
            assert number == ((sizes >= low) & (sizes <= high)).sum()
    p = statistics.pattern(coords, values, shape)
    i, j = coords
    assert p.lower == max([0, *(i - j)]) and p.upper == max([0, *(j - i)])
    assert p.diagonal == (i == j).sum() and p.diagonals == len(set((j - i).tolist()))
    assert (p.symmetric is None) == (shape[0] != shape[1])


def test_lengths_of_slices_that_no_memory_holds() -> None:
    got = statistics.lengths(np.array([7, 10**15, 7]), 10**16)
    assert (got.empty, got.least, got.median, got.most) == (10**16 - 2, 0, 0, 2)
    assert got.mean == pytest.approx(3e-16) and got.deviation == pytest.approx((5e-16) ** 0.5)
    assert got.histogram == ((0, 0, 10**16 - 2), (1, 1, 1), (2, 2, 1))


@pytest.mark.parametrize(
    ("a", "share", "equal"),
    [
        ([[1, 2, 0], [2, 3, 4], [0, 4, 0]], 1, "symmetric"),
        ([[0, 2], [-2, 0]], 1, "skew"),
        ([[0, 2j], [-2j, 0]], 1, "hermitian"),
        ([[0, 2], [3, 0]], 1, None),
        ([[0, 2, 3], [2, 0, 0], [0, 0, 0]], 2 / 3, None),
        ([[1, 0], [0, 1]], None, None),
        ([[0, 0], [0, 0]], None, None),
    ],
)
def test_symmetry(a: list[list[complex]], share: float | None, equal: str | None) -> None:
    coords, values = entries(np.array(a))
    p = statistics.pattern(coords, values, (len(a), len(a)))
    assert p.symmetric == (share if share is None else pytest.approx(share)) and p.equal_values == equal


def test_values() -> None:
    v = statistics.of_values(np.array([3.0, -4.0, 0.0]))
    assert (v.least, v.greatest, v.norm, v.zeros, v.not_finite) == (-4, 3, 5, 1, 0)
    assert statistics.of_values(np.array([1.0, np.inf, np.nan])).not_finite == 2
    assert statistics.of_values(np.array([3 + 4j])).least is None
    assert statistics.of_values(np.array([True])).greatest is True
    assert statistics.of_values(np.array([])).norm == 0


def test_bytes() -> None:
    rng = np.random.default_rng(1)
    a = np.where(rng.random((20, 30)) < 0.1, 1.0, 0.0)
    got = statistics.bytes_by_format(np.argwhere(a).T, a.shape, 8)
    for name in ("csr", "csc"):
        s = getattr(scipy.sparse, f"{name}_array")(a)
        assert got[name] == s.indptr.nbytes + s.indices.nbytes + s.data.nbytes
    assert got["dense"] == a.nbytes
    assert set(statistics.bytes_by_format(np.zeros((3, 0), int), (2, 3, 4), 8)) == {"coo", "csf", "dense"}
