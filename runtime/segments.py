"""csr and csc arrays of other libraries whose entries are unsorted or repeated, made canonical in a copy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparsec.formats.format import Format
from sparsec.ir.dtypes import DType, from_numpy
from sparsec.runtime.entries import arranged, inside
from sparsec.runtime.storage import Storage, as_fill, plain

Refresh = Callable[[np.ndarray], np.ndarray]
"""The values of a storage from an object's own, where the two are not the same memory."""


def sortable(pos: np.ndarray, crd: np.ndarray, rows: int, extent: int) -> bool:
    """Whether nothing but the order of the entries can be wrong: segments and coordinates lie inside."""
    if len(pos) != rows + 1 or int(pos[0]) != 0 or (pos[1:] < pos[:-1]).any() or int(pos[-1]) > len(crd):
        return False
    return inside([crd[: int(pos[-1])]], [extent])


def positions(rows: np.ndarray, extent: int) -> np.ndarray:
    """The ``pos`` of a compressed level beneath a dense one, from the sorted coordinates of the latter."""
    pos = np.zeros(extent + 1, rows.dtype)
    np.cumsum(np.bincount(rows, minlength=extent), out=pos[1:])
    return pos


def compress(format: Format, entries: Storage) -> Storage:
    """A sorted coordinate list of order 2 as dense rows over compressed columns, in the order of ``format``."""
    first, last = entries.levels
    rows, width = first["crd"], from_numpy(first["crd"].dtype)
    arrays = {"pos": positions(rows, entries.shape[format.order[0]]), "crd": last["crd"]}
    return Storage(
        format.concrete(width, width), entries.shape, entries.dtype, entries.fill, ({}, arrays), entries.values
    )


def canonical_segments(
    format: Format, shape: tuple[int, ...], pos: np.ndarray, crd: np.ndarray, values: np.ndarray, dtype: DType
) -> tuple[Storage, Refresh]:
    """Segments (``sortable``) with their entries sorted and summed, and how to bring new values over.

    ``format`` is csr, csc, or a compressed level alone.
    """
    count = int(pos[-1])
    crd = crd[:count]
    order = format.order
    rows = np.repeat(np.arange(len(pos) - 1, dtype=crd.dtype), np.diff(pos).astype(np.int64))
    by_level = [rows, crd][-len(order) :]
    coords = [by_level[order.index(d)] for d in range(len(order))]
    entries, arrangement = arranged(coords, values[:count], shape, order, dtype, as_fill(0, dtype))

    def refresh(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(arrangement.values(plain(values)[:count], dtype))

    return (entries if len(order) == 1 else compress(format, entries)), refresh


__all__ = ["Refresh", "canonical_segments", "compress", "positions", "sortable"]
