"""Tensors whose rows are as long as they are: from rows, and from entries with gaps, which ``ragged`` levels fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparsec.errors import ShapeError, UnsupportedError
from sparsec.formats.format import Format
from sparsec.ir.dtypes import I32, I64
from sparsec.runtime.entries import listed
from sparsec.runtime.storage import Scalar, Storage, adopt


def has_prefixes(format: Format) -> bool:
    """Has the format a level beneath which coordinates begin at 0 and leave none out?"""
    return any(spec.type.prefix for spec in format.levels)


def without_gaps(entries: Storage, target: Format) -> Storage:
    """A coordinate list with an entry, equal to the fill, wherever ``target`` stores one before the last of a row.

    ``entries`` are in the order of the target's levels.  Raises ``UnsupportedError`` for maps of parts of dimensions.
    """
    if not target.is_plain:
        raise UnsupportedError(f"conversion to '{target.label}', a ragged level of part of a dimension, cannot run yet")
    for n, spec in enumerate(target.levels):
        if spec.type.prefix:
            entries = _filled(entries, target.order, n)
    return entries


def _filled(entries: Storage, order: tuple[int, ...], level: int) -> Storage:
    given = entries.coordinates()
    coords = [given[d].astype(np.int64) for d in order]
    count = len(entries.values)
    if not count:
        return entries
    new = np.ones(count, bool)
    if level:
        new[1:] = np.any([c[1:] != c[:-1] for c in coords[:level]], axis=0)
    else:
        new[1:] = False
    starts = np.flatnonzero(new)
    last = coords[level][np.append(starts[1:], count) - 1]
    base = np.concatenate([[0], np.cumsum(last + 1)])
    there = np.zeros(base[-1], bool)
    there[base[np.cumsum(new) - 1] + coords[level]] = True
    missing = np.flatnonzero(~there)
    if not len(missing):
        return entries
    group = np.searchsorted(base, missing, "right") - 1
    more = [c[starts[group]] for c in coords[:level]] + [missing - base[group]]
    more += [np.zeros(len(missing), np.int64)] * (len(order) - level - 1)
    both = [np.concatenate(pair) for pair in zip(coords, more, strict=True)]
    values = np.concatenate([entries.values, np.full(len(missing), entries.fill_value, entries.values.dtype)])
    way = np.lexsort(both[::-1])
    by_dim = [both[order.index(d)][way] for d in range(len(order))]
    return listed(by_dim, values[way], entries.shape, order, entries.dtype, entries.fill)


def stacked(rows: Sequence[Any], fill: Scalar, target: Any) -> Storage | None:
    """Rows of their own lengths, one beneath the other; None if ``target`` makes no such format of their order.

    ``target`` gives the format of tensors of an order.  Raises ``ShapeError`` for rows that differ in more than their
    first dimension.
    """
    arrays = [np.asarray(r) for r in rows if isinstance(r, list | tuple | np.ndarray)]
    if len(arrays) < len(rows) or not arrays or not all(a.ndim and a.dtype.kind in "biufc" for a in arrays):
        return None
    format: Format | None = target(1 + arrays[0].ndim)
    if format is None or len(format.levels) < 2 or not format.is_plain or format.order != tuple(range(format.ndim)):
        return None
    first, second, *rest = (spec.type for spec in format.levels)
    if not (first.full and second.prefix and all(level.full for level in rest)):
        return None
    for n, a in enumerate(arrays):
        if a.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError(f"row {n} has shape {a.shape}, row 0 {arrays[0].shape}: they differ in more than length")
    lengths = np.array([len(a) for a in arrays])
    pos = np.concatenate([[0], np.cumsum(lengths)])
    width = I32 if pos[-1] < 2**31 else I64
    values = np.concatenate(arrays)
    shape = (len(arrays), int(lengths.max()), *arrays[0].shape[1:])
    levels: list[dict[str, Any]] = [{}, {"pos": pos.astype(width.np)}, *({} for _ in rest)]
    return adopt(format, shape, fill, levels, values.reshape(-1), name="sp.tensor")


__all__ = ["has_prefixes", "stacked", "without_gaps"]
