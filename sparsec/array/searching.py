"""Where things are: positions of extremes, of nonzeros, of sorted elements; what values there are, how often.

The absent entries of a fibre are counted, never listed: where one of them is asked for, it is the first gap in the
coordinates that are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sparsec.array.operands import as_dtype, axis_of, dense_result, is_sparse, listed, sparse_operand
from sparsec.array.places import check_size, mapped, places, ravelled, rebuilt, unravelled
from sparsec.array.reductions import restored
from sparsec.array.shapes import on_dense, reshape
from sparsec.errors import ShapeError, TypeError_
from sparsec.ir.dtypes import I64
from sparsec.tensors import Tensor, automatic, few, from_coo


class UniqueAll(NamedTuple):
    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    values: Any
    inverse_indices: Any


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The place of the least element along an axis (of the flat tensor without one), the first of several."""
    return _extreme(x, axis, keepdims, np.argmin, False)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The place of the greatest element along an axis (of the flat tensor without one), the first of several."""
    return _extreme(x, axis, keepdims, np.argmax, True)


def _extreme(x: Any, axis: int | None, keepdims: bool, dense: Any, greatest: bool) -> Any:
    t = sparse_operand(x)
    if t.dtype.kind == "c":
        raise TypeError_(f"complex numbers have no order: {t.dtype}", hint="take real(...) or abs(...)")
    if t.shape and not all(t.shape if axis is None else (t.shape[axis_of(axis, t.ndim)],)):
        raise ShapeError("nothing has a greatest or least element: the axis has extent 0")
    if not is_sparse(t):
        return on_dense(dense, x, t, axis=axis, keepdims=keepdims)
    if axis is None:
        flat = _extreme(reshape(t, (-1,)), 0, False, dense, greatest)
        return np.full((1,) * t.ndim, flat) if keepdims else flat
    d = axis_of(axis, t.ndim)
    f = Fibres(t, d)
    value = f.values.astype(np.int8) if f.values.dtype == bool else f.values
    fill = value.dtype.type(t.fill_value)
    # Sorted by fibre, then from the best, NaN before all, then by place: the first of each fibre is the one.
    rank = _descending(value) if greatest else value
    order = np.lexsort((f.along, rank, ~np.isnan(value) if value.dtype.kind == "f" else f.fibre * 0, f.fibre))
    chosen = order[np.unique(f.fibre[order], return_index=True)[1]]
    best, found, gap = f.along[chosen], value[chosen], f.first_gap()
    with np.errstate(invalid="ignore"):
        better = (fill > found if greatest else fill < found) & ~_is_nan(found) | _is_nan(fill) & ~_is_nan(found)
    same = (fill == found) | _is_nan(fill) & _is_nan(found)
    take_gap = (gap < f.extent) & (better | same & (gap < best))
    # A fibre without entries has its first element, 0, for the greatest and the least.
    return restored(f.spread(np.where(take_gap, gap, best)), (d,), t.ndim, keepdims)


def _descending(values: np.ndarray) -> np.ndarray:
    """Keys that sort as the values do backwards."""
    return -values if values.dtype.kind == "f" else ~values


def _is_nan(x: Any) -> Any:
    return x != x


class Fibres:
    """The entries of a tensor along one dimension: which fibre each is in, and where.

    Fibres without entries do not count: the others are numbered in their order, and ``named`` has their places in the
    flat tensor of shape ``rest``.
    """

    def __init__(self, t: Tensor, d: int) -> None:
        coords, values = places(t)
        self.coords = coords
        self.values = t._plain(values)
        self.rest = tuple(n for k, n in enumerate(t.shape) if k != d)
        self.extent = t.shape[d]
        self.along = coords[d]
        keys = ravelled([c for k, c in enumerate(coords) if k != d], self.rest, len(values))
        self.named, self.fibre, self.stored = np.unique(keys, return_inverse=True, return_counts=True)

    def within(self) -> np.ndarray:
        """The number of each entry in its fibre, of entries that are sorted by fibre."""
        return np.arange(len(self.fibre)) - np.repeat(np.cumsum(self.stored) - self.stored, self.stored)

    def first_gap(self) -> np.ndarray:
        """For each fibre the first place that has no entry; the extent where all have one."""
        order = np.lexsort((self.along, self.fibre))
        within, out = self.within(), self.stored.copy()
        off = self.along[order] != within
        fibres, first = np.unique(self.fibre[order][off], return_index=True)
        out[fibres] = within[off][first]
        return out

    def spread(self, found: np.ndarray) -> Any:
        """A number for each fibre, 0 for those without entries: dense, but where hardly any fibre has an entry."""
        if few(check_size(self.rest), len(found)):
            listed = from_coo(np.stack(unravelled(self.named, self.rest)), found, self.rest)
            return listed.convert(automatic(self.rest, len(found)))
        out = np.zeros(self.rest, found.dtype)
        out.reshape(-1)[self.named] = found
        return out if self.rest else out[()]


def nonzero(x: Any) -> tuple[Any, ...]:
    """The coordinates of the elements that are not 0, an array for each dimension, by rows."""
    t = sparse_operand(x)
    if not t.ndim:
        raise ShapeError("a scalar has no coordinates", hint="A.reshape(1) is a vector")
    if not is_sparse(t):
        return tuple(dense_result(c, isinstance(x, Tensor)) for c in np.asarray(t).nonzero())
    if t.fill_value != 0:
        return tuple(t.numpy().nonzero())  # as long as the tensor is large, whatever is stored
    coords, values = places(t)
    kept = t._plain(values) != 0
    coords = [c[kept] for c in coords]
    order = np.lexsort(coords[::-1])
    return tuple(c[order] for c in coords)


def argwhere(x: Any) -> Any:
    """The coordinates of the elements that are not 0, a row for each."""
    return np.stack([np.asarray(c) for c in nonzero(x)], axis=1)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """``nonzero(condition)``, or with two choices the first where the condition holds and the second elsewhere."""
    if x is None and y is None:
        return nonzero(condition)
    if x is None or y is None:
        raise TypeError_("where takes a condition, or a condition and two choices")
    from sparsec.array.pointwise import select

    return select(condition, x, y)


def sort(x: Any, axis: int = -1, descending: bool = False) -> Any:
    """Sorted along an axis; NaN comes last.  What is absent stays together, between the lesser and the greater."""
    t = sparse_operand(x)
    d = axis_of(axis, t.ndim)
    if not is_sparse(t):
        return on_dense(lambda a: np.flip(np.sort(a, d), d) if descending else np.sort(a, d), x, t)
    if t.dtype.kind == "c":
        raise TypeError_(f"complex numbers have no order: {t.dtype}")
    f = Fibres(t, d)
    key, fill = f.values, f.values.dtype.type(t.fill_value)
    if key.dtype == bool:
        key, fill = key.astype(np.int8), np.int8(fill)
    if descending:
        key, fill = _descending(key), _descending(np.array([fill]))[0]
    order = np.lexsort((key, f.fibre))
    fibre, key, at = f.fibre[order], key[order], f.within()
    absent = f.extent - f.stored
    with np.errstate(invalid="ignore"):
        behind = (key > fill) | (_is_nan(key) & ~_is_nan(fill))
    at += np.where(behind, absent[fibre], 0)
    coords = unravelled(f.named[fibre], f.rest)
    coords.insert(d, at)
    _, raw = places(t)
    return rebuilt(coords, raw[order], t.shape, t)


def argsort(x: Any, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The places that sort an axis: a dense result, whatever ``x`` is."""
    t = sparse_operand(x)
    array = t.numpy() if isinstance(t, Tensor) else t
    if array.ndim == 0:
        raise ShapeError("a scalar has no axis")
    if not descending:
        made = np.argsort(array, axis, kind="stable")
    else:
        last = array.shape[axis] - 1
        made = np.flip(last - np.argsort(np.flip(array, axis), axis, kind="stable"), axis)
    return dense_result(made, isinstance(x, Tensor) and not is_sparse(x))


def searchsorted(x: Any, values: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where values belong in a sorted vector: a dense result."""
    a, v = (s.numpy() if isinstance(s := sparse_operand(y), Tensor) else s for y in (x, values))
    order = None if sorter is None else listed(sorter)
    made = np.searchsorted(a, v, side, order)  # type: ignore[call-overload]
    return dense_result(made, isinstance(x, Tensor) and not is_sparse(x))


def unique_values(x: Any) -> Any:
    """The different elements, sorted, a dense vector."""
    return unique_counts(x).values


def unique_counts(x: Any) -> UniqueCounts:
    """The different elements, sorted, and how often each occurs; every NaN is one of its own."""
    return UniqueCounts(*_unique(x)[:2])


def unique_inverse(x: Any) -> UniqueInverse:
    """The different elements, sorted, and for every element its number among them, sparse where ``x`` is."""
    values, _, inverse = _unique(x)
    return UniqueInverse(values, inverse)


def unique_all(x: Any) -> UniqueAll:
    """The different elements, sorted, the first place of each in the flat tensor, ``unique_inverse``, and counts."""
    t = sparse_operand(x)
    values, counts, inverse = _unique(x)
    if not is_sparse(t):
        _, first = np.unique(np.asarray(t).reshape(-1), return_index=True, equal_nan=False)
        return UniqueAll(values, dense_result(first, isinstance(x, Tensor)), inverse, counts)
    coords, held = places(inverse)
    keys = ravelled(coords, t.shape, len(held))
    order = np.argsort(keys)
    numbers, at = np.unique(held[order], return_index=True)
    first = np.full(len(values), np.iinfo(np.int64).max)
    first[numbers] = keys[order][at]
    if len(keys) < check_size(t.shape):
        gap = int(Fibres(reshape(inverse, (-1,)), 0).first_gap()[0]) if len(keys) else 0
        first[inverse.fill_value] = min(gap, first[inverse.fill_value])
    return UniqueAll(values, first, inverse, counts)


def _unique(x: Any) -> tuple[Any, Any, Any]:
    t = sparse_operand(x)
    if not is_sparse(t):
        array = np.asarray(t)
        found = np.unique(array, return_inverse=True, return_counts=True, equal_nan=False)
        as_tensor = isinstance(x, Tensor)
        values, inverse, counts = (dense_result(a, as_tensor) for a in found)
        return values, counts, inverse
    plain = t._plain(t._entries().values)
    values, inverse, counts = np.unique(plain, return_inverse=True, return_counts=True, equal_nan=False)
    absent = check_size(t.shape) - len(plain)
    number = int(np.searchsorted(values, t.fill_value))
    if absent and not (number < len(values) and values[number] == t.fill_value):
        values = np.insert(values, number, t.fill_value)
        counts = np.insert(counts, number, 0)
        inverse = inverse + (inverse >= number)
    if absent:
        counts[number] += absent
    coords, _ = places(t)
    made = rebuilt(coords, inverse.astype(np.int64), t.shape, t, dtype=I64, fill=number if absent else 0)
    return values, counts, made


def isin(x: Any, values: Any) -> Any:
    """Which elements are among ``values``."""
    t = sparse_operand(x)
    among = sparse_operand(values)
    among = unique_values(among) if is_sparse(among) else np.asarray(among)
    if not is_sparse(t):
        return on_dense(np.isin, x, t, among)
    return mapped(t, lambda v: np.isin(v, among))


def diff(x: Any, axis: int = -1, n: int = 1) -> Any:
    """Differences of neighbours along an axis, ``n`` times."""
    from sparsec.array.indexing import take_index
    from sparsec.array.pointwise import apply

    t = sparse_operand(x)
    d = axis_of(axis, t.ndim)
    if n < 0:
        raise ShapeError(f"differences {n} times")
    x = x if isinstance(x, Tensor) else t
    for _ in range(n):
        later, earlier = (take_index(x, (slice(None),) * d + (part,)) for part in (slice(1, None), slice(None, -1)))
        x = apply(np.not_equal if t.dtype == bool else np.subtract, later, earlier)
    return x


def cumulative(x: Any, axis: int | None, dtype: Any, include_initial: bool, product: bool) -> Any:
    """Running sums or products along an axis: a dense result, whatever ``x`` is."""
    t = sparse_operand(x)
    array = t.numpy() if isinstance(t, Tensor) else t
    if axis is None and array.ndim != 1:
        raise ShapeError("a running sum or product of several dimensions needs an axis")
    function = np.cumulative_prod if product else np.cumulative_sum
    kind = None if dtype is None else as_dtype(dtype)
    made = function(array, axis=axis, dtype=kind, include_initial=include_initial)
    return dense_result(made, isinstance(x, Tensor) and not is_sparse(x))


def pad(x: Any, widths: Any, constant: Any = None) -> Any:
    """More elements on each side, the fill for a sparse tensor and 0 for a dense one, or ``constant``."""
    t = sparse_operand(x)
    given = np.asarray(widths)
    if given.dtype.kind not in "iu":
        raise TypeError_(f"widths are integers, not {widths!r:.60}")
    try:
        pairs = np.broadcast_to(given.astype(np.int64), (t.ndim, 2))
    except ValueError:
        hint = "a pair for each dimension"
        raise ShapeError(f"widths of shape {given.shape} do not broadcast to {(t.ndim, 2)}", hint=hint) from None
    if (pairs < 0).any():
        raise ShapeError(f"widths {widths} are not all at least 0")
    if not is_sparse(t):
        return on_dense(lambda a: np.pad(a, pairs, constant_values=0 if constant is None else constant), x, t)
    if constant is not None and constant != t.fill_value:
        raise ShapeError(f"a sparse tensor is padded with its fill {t.fill_value}, not with {constant}")
    coords, values = places(t)
    moved: Sequence[np.ndarray] = [c + int(before) for c, (before, _) in zip(coords, pairs, strict=True)]
    return rebuilt(moved, values, tuple(n + sum(p.tolist()) for n, p in zip(t.shape, pairs, strict=True)), t)


__all__ = [
    "argmax",
    "argmin",
    "argsort",
    "argwhere",
    "cumulative",
    "diff",
    "isin",
    "nonzero",
    "pad",
    "searchsorted",
    "sort",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "where",
]
