"""What ``inspect`` says of a tensor: lengths of rows and columns, bandwidth, symmetry, values, bytes by format.

Works on coordinates alone and never makes a dense array.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Entries in each slice along one dimension; ``histogram`` counts slices: (shortest, longest, number) a bin."""

    count: int
    empty: int
    least: int
    median: float
    mean: float
    most: int
    deviation: float
    histogram: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where the entries of a matrix lie.

    ``lower`` and ``upper`` are the bandwidths below and above the diagonal, ``symmetric`` is the share of entries off
    the diagonal whose mirror image is stored (None where not square or without such entries), ``equal_values`` whether
    all mirrored values are equal ("symmetric"), opposite ("skew") or neither (None).
    """

    diagonal: int
    diagonal_length: int
    lower: int
    upper: int
    diagonals: int
    symmetric: float | None
    equal_values: str | None


@dataclass(frozen=True, slots=True)
class Values:
    """Of the stored values: least, greatest and mean (None for complex ones), zeros, and how many are not finite."""

    least: float | int | None
    greatest: float | int | None
    mean: float | None
    norm: float
    zeros: int
    not_finite: int


def lengths(coordinate: Array, extent: int) -> Lengths:
    """Of the slices that ``coordinate`` numbers, 0 to ``extent``."""
    if not extent:
        return Lengths(0, 0, 0, 0.0, 0.0, 0, 0.0, ())
    # Slices without entries are counted and never listed: there may be more of them than memory.
    few = extent > 4 * len(coordinate) + 4096
    sizes = np.unique(coordinate, return_counts=True)[1] if few else np.bincount(coordinate)
    sizes = np.sort(sizes[sizes > 0])
    empty, mean = extent - len(sizes), len(coordinate) / extent

    def at(place: int) -> int:
        return 0 if place < empty else int(sizes[place - empty])

    spread = float(np.square(sizes - mean).sum()) + empty * mean**2
    return Lengths(
        extent,
        empty,
        at(0),
        (at((extent - 1) // 2) + at(extent // 2)) / 2,
        mean,
        at(extent - 1),
        math.sqrt(spread / extent),
        _histogram(sizes, empty),
    )


def _histogram(sizes: Array, empty: int) -> tuple[tuple[int, int, int], ...]:
    """Bins 0, 1, 2, 3-4, 5-8, ... (powers of two) from the first to the last that is not empty."""
    numbers = np.bincount(1 + np.ceil(np.log2(sizes)).astype(np.int64), minlength=1)
    numbers[0] = empty
    first = int(np.flatnonzero(numbers)[0])
    return tuple((*_bin(n), int(numbers[n])) for n in range(first, len(numbers)))


def _bin(n: int) -> tuple[int, int]:
    return (n, n) if n < 2 else ((1 << (n - 2)) + 1, 1 << (n - 1))


def pattern(coords: Array, values: Array, shape: tuple[int, ...]) -> Pattern:
    """Of a matrix whose ``coords`` (2, nnz) are distinct."""
    rows, columns = coords
    offset = columns - rows
    share, equal = _symmetry(rows, columns, values, shape[0]) if shape[0] == shape[1] else (None, None)
    return Pattern(
        int((offset == 0).sum()),
        min(shape),
        int(max(0, -offset.min(initial=0))),
        int(max(0, offset.max(initial=0))),
        len(np.unique(offset)),
        share,
        equal,
    )


def _symmetry(rows: Array, columns: Array, values: Array, n: int) -> tuple[float | None, str | None]:
    off = rows != columns
    total = int(off.sum())
    if not total:
        return None, None
    if n > 3_000_000_000:  # a coordinate pair no longer fits 64 bits
        return None, None
    keys = (rows * n + columns)[off]
    order = np.argsort(keys)
    keys = keys[order]
    mirrored = (columns * n + rows)[off][order]
    at = np.minimum(np.searchsorted(keys, mirrored), total - 1)
    found = keys[at] == mirrored
    share = float(found.sum()) / total
    if share < 1:
        return share, None
    mine = values[off][order]
    other = mine[at]
    if np.array_equal(mine, other):
        return share, "symmetric"
    if np.iscomplexobj(mine) and np.array_equal(mine, other.conj()):
        return share, "hermitian"
    return share, "skew" if mine.dtype.kind in "ifc" and np.array_equal(mine, -other) else None


def of_values(values: Array) -> Values:
    """Least, greatest, mean, 2-norm; NaN is left out of none of them."""
    if not len(values):
        return Values(None, None, None, 0.0, 0, 0)
    wide = values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
    with np.errstate(all="ignore"):
        norm = float(np.linalg.norm(wide))
        zeros, odd = int((values == 0).sum()), int((~np.isfinite(wide)).sum())
        if values.dtype.kind == "c":
            return Values(None, None, None, norm, zeros, odd)
        return Values(values.min().item(), values.max().item(), float(wide.mean()), norm, zeros, odd)


def width(extents: Sequence[int], nnz: int) -> int:
    """Bytes of an index: 4 until extents or positions need 8."""
    return 4 if max([*extents, nnz], default=0) < 1 << 31 else 8


def bytes_by_format(coords: Array, shape: tuple[int, ...], itemsize: int) -> dict[str, int]:
    """Bytes that the tensor takes in each format: values, coordinates and positions."""
    nnz = coords.shape[1]
    index = width(shape, nnz)
    stored = nnz * itemsize
    table = {"coo": 2 * index + nnz * index * len(shape) + stored if shape else itemsize}
    if len(shape) == 2:
        rows, columns = (len(np.unique(c)) for c in coords)
        table["csr"] = (shape[0] + 1 + nnz) * index + stored
        table["csc"] = (shape[1] + 1 + nnz) * index + stored
        table["dcsr"] = (2 + 2 * rows + 1 + nnz) * index + stored
        table["dcsc"] = (2 + 2 * columns + 1 + nnz) * index + stored
    elif shape:
        table["csf"] = _csf_bytes(coords, index) + stored
    table["dense"] = math.prod(shape) * itemsize
    return table


def _csf_bytes(coords: Array, index: int) -> int:
    """Every level: its coordinates, and a position more than its parent has entries."""
    total, parents = 0, 1
    ordered = coords[:, np.lexsort(coords[::-1])]
    new = np.zeros(max(0, coords.shape[1]), bool)
    new[:1] = True
    for level in ordered:
        new[1:] |= level[1:] != level[:-1]
        entries = int(new.sum())
        total += (parents + 1 + entries) * index
        parents = entries
    return total


__all__ = ["Lengths", "Pattern", "Values", "bytes_by_format", "lengths", "of_values", "pattern"]
