"""Entries in any order to canonical ones: inside the shape, sorted, each coordinate once.

The result is a coordinate list whose levels follow the dimensions in the order of the format that is wanted; generated
code takes it from there.  No loop here runs over entries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparsec.errors import FormatError, ShapeError, TypeError_
from sparsec.formats import named
from sparsec.formats.format import Format
from sparsec.ir.dtypes import BF16, F16, I32, I64, DType, from_numpy
from sparsec.runtime.outside import dense_source
from sparsec.runtime.storage import Scalar, Storage, as_fill, as_shape, plain

DUPLICATES = ("sum", "error", "last")


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How entries as they came become canonical: ``order`` sorts them, ``starts`` are the first of equal ones.

    None stands for nothing to do.  ``keys`` are the sorted places of all entries, while somebody may want them;
    ``carried`` are the values, which were sorted with these instead of telling the order.
    """

    order: np.ndarray | None = None
    starts: np.ndarray | None = None
    keys: np.ndarray | None = None
    carried: np.ndarray | None = None

    @property
    def moves(self) -> bool:
        return self.order is not None or self.starts is not None or self.carried is not None

    def coordinates(self, coords: np.ndarray) -> np.ndarray:
        """One coordinate of each canonical entry; the same array if nothing moves."""
        if self.order is not None:
            coords = coords[self.order if self.starts is None else self.order[self.starts]]
        elif self.starts is not None:
            coords = coords[self.starts]
        return coords

    def places(self, coords: Sequence[np.ndarray], extents: Sequence[int]) -> list[np.ndarray]:
        """All coordinates of the canonical entries, in the order of the levels as ``arrange`` got them.

        Sorted keys are taken apart: that runs along the memory, where gathering jumps about.
        """
        if self.keys is None:
            return [self.coordinates(c) for c in coords]
        left = self.keys if self.starts is None else self.keys[self.starts]
        out: list[np.ndarray] = []
        for width in reversed(_widths(extents)[1:]):
            out.insert(0, left & ((1 << width) - 1))
            left = left >> width
        return [left, *out]

    def values(self, values: np.ndarray, dtype: DType, duplicates: str = "sum") -> np.ndarray:
        """The values of the canonical entries, those of equal coordinates summed (bools: or) or the last of them."""
        if self.carried is not None:
            values = self.carried
        elif self.order is not None:
            values = values[self.order]
        if self.starts is None:
            return values
        if duplicates == "last":
            last: np.ndarray = np.append(self.starts[1:], len(values)) - 1
            return np.take(values, last)
        if dtype is BF16:
            from sparsec.ir.tensor_values import from_storage, round_to, to_storage

            sums = np.add.reduceat(from_storage(values, BF16), self.starts)
            return to_storage(round_to(sums, BF16), BF16)
        if dtype is F16:
            return np.add.reduceat(values.astype(np.float32), self.starts).astype(np.float16)
        fold: Any = np.logical_or if dtype.kind == "b" else np.add
        return np.asarray(fold.reduceat(values, self.starts, dtype=values.dtype))


def arrange(
    coords: Sequence[np.ndarray], extents: Sequence[int], values: np.ndarray | None = None
) -> Arrangement:
    """What makes entries canonical; ``coords`` (inside ``extents``) and ``extents`` in the order of the levels.

    Of entries with ``values`` these may be carried along, where nobody asks for the order.
    """
    count = len(coords[0]) if coords else 0
    if count < 2:
        return Arrangement()
    bits = sum(_widths(extents))
    if bits < 64:
        key = _key(coords, extents)
        distinct = key[1:] > key[:-1]
        if distinct.all():
            return Arrangement()
        found = Arrangement()
        if (key[1:] < key[:-1]).any():
            found = _sorted(key, bits, values)
            assert found.keys is not None
            distinct = found.keys[1:] != found.keys[:-1]
        return found if distinct.all() else replace(found, starts=_starts(distinct))
    order: np.ndarray | None = np.lexsort(tuple(reversed(coords)))
    assert order is not None
    distinct = np.zeros(count - 1, bool)
    for c in coords:
        c = c[order]
        distinct |= c[1:] != c[:-1]
    if (order[1:] > order[:-1]).all():
        order = None
    return Arrangement(order, None if distinct.all() else _starts(distinct))


def _starts(distinct: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.append(True, distinct))


def _widths(extents: Sequence[int]) -> list[int]:
    """The bits that coordinates of each dimension take."""
    return [max(n - 1, 0).bit_length() for n in extents]


def _key(coords: Sequence[np.ndarray], extents: Sequence[int]) -> np.ndarray:
    """The coordinates of every entry in one number, which sorts as they do."""
    key = coords[0].astype(np.int64)
    for c, width in zip(coords[1:], _widths(extents)[1:], strict=True):
        key <<= width
        key |= c.astype(np.int64, copy=False)
    return key


Sort = Callable[[np.ndarray, np.ndarray, int], None]
"""Sorts i64 keys below 2**bits, and values of 8 bytes with them, stably and in place; ``bits`` comes last."""
_SORTS: list[Sort] = []
MANY = 1 << 16
"""Keys from which on compiled code sorts them, if there is some: then it is worth its loading."""


def sort_with(sort: Sort) -> None:
    """Let long lists be sorted by ``sort``: the driver's compiled code, which this layer does not know."""
    _SORTS[:] = [sort]


def _sorted(key: np.ndarray, bits: int, values: np.ndarray | None) -> Arrangement:
    """The stable order of ``key``, whose elements are below 2**bits, or the values in it; and the sorted keys.

    NumPy sorts 16-bit numbers by radix and wider ones by comparison: a few passes of the first are faster.
    """
    if len(key) >= MANY and _SORTS:
        if values is None or values.itemsize > 8:
            order = np.arange(len(key))
            _SORTS[0](key, order, bits)
            return Arrangement(order, None, key)
        raw = np.dtype(f"u{values.itemsize}")
        carried = values.view(raw).astype(np.uint64)
        _SORTS[0](key, carried, bits)
        return Arrangement(None, None, key, carried.astype(raw, copy=False).view(values.dtype))
    if len(key) < 4096:
        order = np.argsort(key, kind="stable")
        return Arrangement(order, None, key[order])
    found: np.ndarray | None = None
    for shift in range(0, bits, 16):
        digit = ((key if found is None else key[found]) >> shift).astype(np.uint16)
        step = np.argsort(digit, kind="stable")
        found = step if found is None else found[step]
    assert found is not None
    return Arrangement(found, None, key[found])


def coo_format(order: Sequence[int], width: DType | None = None) -> Format:
    """The list of coordinates whose levels store the dimensions in this order; widths stay open without ``width``."""
    natural = named.coo(len(order))
    if tuple(order) != natural.order:
        natural = named.from_levels(None, tuple(spec.type for spec in natural.levels), tuple(order))
    return natural if width is None else natural.concrete(width, width)


def index_width(shape: Sequence[int], nnz: int) -> DType:
    """i32 where it can count every coordinate and entry, else i64."""
    return I32 if max([*shape, nnz], default=0) < 2**31 else I64


def listed(
    coords: Sequence[np.ndarray],
    values: np.ndarray,
    shape: tuple[int, ...],
    order: Sequence[int],
    dtype: DType,
    fill: Scalar,
) -> Storage:
    """Canonical entries as a coordinate list; ``coords`` by dimension, sorted in the level order ``order``."""
    width = index_width(shape, len(values))
    fmt = coo_format(order, width)
    levels: list[dict[str, np.ndarray]] = [
        {"crd": np.ascontiguousarray(coords[d], width.np)} for d in order
    ]
    if levels:
        levels[0] = {"pos": np.array([0, len(values)], width.np), **levels[0]}
    return Storage(fmt, shape, dtype, fill, tuple(levels), np.ascontiguousarray(values))


def canonical(
    coords: Sequence[np.ndarray],
    values: np.ndarray,
    shape: tuple[int, ...],
    order: Sequence[int],
    dtype: DType,
    fill: Scalar,
    duplicates: str = "sum",
) -> Storage:
    """Entries (``coords`` by dimension, integers of any width) as a coordinate list.

    Raises ``ShapeError`` naming the first entry outside the shape, ``FormatError`` for duplicates if they are an error.
    """
    return arranged(coords, values, shape, order, dtype, fill, duplicates, duplicates != "error")[0]


def arranged(
    coords: Sequence[np.ndarray],
    values: np.ndarray,
    shape: tuple[int, ...],
    order: Sequence[int],
    dtype: DType,
    fill: Scalar,
    duplicates: str = "sum",
    once: bool = False,
) -> tuple[Storage, Arrangement]:
    """``canonical``, and how the entries were arranged: to bring new values over, but if that is asked for ``once``."""
    for d, c in enumerate(coords):
        _check_inside(c, d, shape)
    found = arrange([coords[d] for d in order], [shape[d] for d in order], values if once else None)
    if duplicates == "error" and found.starts is not None:
        _refuse_duplicates(coords, found)
    moved = found.places([coords[d] for d in order], [shape[d] for d in order])
    places = [moved[list(order).index(d)] for d in range(len(coords))]
    made = listed(places, found.values(values, dtype, duplicates), shape, order, dtype, fill)
    return made, replace(found, keys=None)


def inside(coords: Sequence[np.ndarray], extents: Sequence[int]) -> bool:
    """Whether every coordinate lies below the extent of its dimension."""
    return all(not c.size or (int(c.min()) >= 0 and int(c.max()) < n) for c, n in zip(coords, extents, strict=True))


def shared_list(
    coords: Sequence[np.ndarray], values: np.ndarray, shape: tuple[int, ...], dtype: DType
) -> Storage | None:
    """A row-major coordinate list over the arrays themselves, if they are canonical as they stand; the fill is 0."""
    if not coords or not inside(coords, shape) or arrange(coords, shape).moves:
        return None
    width = from_numpy(np.result_type(*coords))
    crds = [np.ascontiguousarray(c, width.np) for c in coords]
    levels = ({"pos": np.array([0, len(values)], width.np), "crd": crds[0]}, *({"crd": c} for c in crds[1:]))
    return Storage(coo_format(range(len(shape)), width), shape, dtype, as_fill(0, dtype), levels, plain(values))


def _check_inside(coords: np.ndarray, d: int, shape: tuple[int, ...]) -> None:
    if inside([coords], [shape[d]]):
        return
    p = int(np.argmax((coords < 0) | (coords >= shape[d])))
    hint = "coordinates start at 0 and must be below the extent of their dimension"
    if int(coords[p]) == shape[d] and int(coords.min()) >= 1:
        hint = "these coordinates seem to start at 1: subtract 1"
    raise ShapeError(
        f"entry {p}: coordinate {int(coords[p])} of dimension {d} is outside 0..{shape[d] - 1} (shape {shape})",
        hint=hint,
    )


def _refuse_duplicates(coords: Sequence[np.ndarray], found: Arrangement) -> None:
    assert found.starts is not None
    count = len(coords[0])
    order = np.arange(count) if found.order is None else found.order
    lengths = np.diff(np.append(found.starts, count))
    first = int(found.starts[np.argmax(lengths > 1)])
    a, b = int(order[first]), int(order[first + 1])
    raise FormatError(
        f"entry {b} repeats the coordinates {tuple(int(c[b]) for c in coords)} of entry {a}",
        hint='duplicates="sum" adds them, "last" keeps the last',
    )


def from_coo(
    coords: Any,
    values: Any,
    shape: Any,
    format: Format | None = None,
    fill_value: Any = 0,
    duplicates: str = "sum",
    *,
    dtype: DType | None = None,
) -> Storage:
    """A coordinate list in the level order of ``format`` (row-major without one).

    ``coords`` (ndim, nnz) are integers of any type in any order; ``values`` (nnz) may be one number for all.  Arrays
    are copied.
    Raises ``ShapeError``, ``FormatError`` and ``TypeError_`` naming the place.
    """
    if duplicates not in DUPLICATES:
        raise FormatError(f"duplicates={duplicates!r} is not one of " + ", ".join(f'"{d}"' for d in DUPLICATES))
    extents = as_shape(shape)
    places = _coordinates(coords, len(extents))
    count = len(places[0]) if places else np.asarray(coords).shape[-1] if np.ndim(coords) == 2 else 1
    held, own = _values(values, count)
    dtype = dtype or own
    fill = as_fill(fill_value, dtype)
    if format is not None and format.ndim != len(extents):
        raise FormatError(
            f"format '{format.label}' is for tensors of order {format.ndim}, the shape is {extents}"
        )
    if not extents:
        return _scalar(held, dtype, fill, duplicates)
    order = format.dim_order if format is not None else tuple(range(len(extents)))
    storage = canonical(places, held, extents, order, dtype, fill, duplicates)
    return storage if not np.may_share_memory(storage.values, held) else storage.with_values(storage.values.copy())


def _coordinates(coords: Any, ndim: int) -> list[np.ndarray]:
    try:
        rows = coords if isinstance(coords, list | tuple) else np.asarray(coords)
        array = [np.asarray(c) for c in rows] if ndim else []
    except (ValueError, TypeError, RuntimeError):  # torch has errors of its own
        raise ShapeError("coords is no array of shape (ndim, nnz)") from None
    if ndim == 1 and (not array or array[0].ndim == 0):
        array = [np.asarray(coords)]
    shapes = {c.shape for c in array}
    if len(array) != ndim or len(shapes) > 1 or any(c.ndim != 1 for c in array):
        found = str((len(array), *(array[0].shape if array else ())))
        if len(shapes) > 1:
            found = f"rows of shapes {', '.join(str(c.shape) for c in array)}"
        turned = len(shapes) == 1 and array[0].shape == (ndim,)
        raise ShapeError(
            f"coords has shape {found}, expected ({ndim}, nnz)",
            hint="transpose them: coords.T" if turned else "a row for each dimension, a column for each entry",
        )
    for d, c in enumerate(array):
        if c.dtype.kind not in "iu":
            if c.size:
                raise TypeError_(
                    f"coordinates of dimension {d} have dtype {c.dtype}, expected integers",
                    hint="cast them with .astype('int64')",
                )
            array[d] = c.astype(np.int64)
    return array


def _values(values: Any, count: int) -> tuple[np.ndarray, DType]:
    held, dtype = dense_source(values, "values")
    if held.ndim == 0:
        held = np.full(count, held)
    if held.shape != (count,):
        raise ShapeError(f"values has shape {held.shape}, expected ({count},): one for each column of coords")
    return plain(held), dtype


def _scalar(values: np.ndarray, dtype: DType, fill: Scalar, duplicates: str) -> Storage:
    """A tensor of order 0: its entries all have the one coordinate."""
    empty = named.dense(0)
    if len(values) > 1:
        if duplicates == "error":
            raise FormatError("entry 1 repeats the coordinates () of entry 0")
        values = Arrangement(None, np.zeros(1, np.int64)).values(values, dtype, duplicates)
    storage = Storage(empty, (), dtype, fill, (), values.copy())
    return storage if len(values) else storage.with_values(np.full(1, storage.fill_value, dtype.np))


def is_fill(values: np.ndarray, fill: Any) -> np.ndarray:
    """Where values equal the fill; NaN equals NaN."""
    return np.isnan(values) if fill != fill else np.asarray(values == fill)


def from_dense(
    source: Storage | np.ndarray, format: Format, fill_value: Any = 0, dtype: DType | None = None
) -> Storage:
    """The entries of a dense array that are not the fill, as a coordinate list in the level order of ``format``.

    ``source`` is an array with a fill and, if NumPy lacks it, a dtype; or a dense ``Storage``, which knows them.
    """
    if isinstance(source, Storage):
        array, dtype, fill_value = dense_view(source), source.dtype, source.fill
    else:
        array = source
        dtype = dtype or from_numpy(array.dtype)
    if format.ndim != array.ndim:
        raise FormatError(
            f"format '{format.label}' is for tensors of order {format.ndim}, this one has order {array.ndim}"
        )
    fill = as_fill(fill_value, dtype)
    order = format.dim_order
    turned = array.transpose(order)
    if dtype is BF16:
        from sparsec.ir.tensor_values import from_storage

        stored = ~is_fill(from_storage(turned, BF16), fill)
    else:
        stored = ~is_fill(turned, dtype.np.type(fill))
    found = stored.nonzero() if array.ndim else ()
    coords = [found[order.index(d)] for d in range(array.ndim)]
    if not array.ndim:
        return Storage(named.dense(0), (), dtype, fill, (), plain(array).reshape(1))
    return listed(coords, plain(turned[stored]), array.shape, order, dtype, fill)


def dense_storage(array: np.ndarray, fill_value: Any = 0, dtype: DType | None = None) -> Storage:
    """A row-major dense storage over ``array``: a view if it is contiguous and native, else a copy."""
    dtype = dtype or from_numpy(array.dtype)
    levels: tuple[dict[str, np.ndarray], ...] = ({},) * array.ndim
    fill = as_fill(fill_value, dtype)
    return Storage(named.dense(array.ndim), array.shape, dtype, fill, levels, plain(array).reshape(-1))


def dense_view(storage: Storage) -> np.ndarray:
    """The array that a dense storage holds: a view of its values."""
    order = storage.format.order
    array = storage.values.reshape([storage.shape[d] for d in order])
    return array.transpose([order.index(d) for d in range(storage.ndim)])


MOST_DIMENSIONS = 64
"""Of a NumPy array."""

_LISTED = "coo() gives the coordinates and values of what is stored"


def check_dense(storage: Storage) -> None:
    """Raise ``ShapeError`` if no NumPy array can hold the tensor: said before anything is converted for it."""
    if storage.ndim > MOST_DIMENSIONS:
        raise ShapeError(
            f"a NumPy array has {MOST_DIMENSIONS} dimensions at most, this tensor has {storage.ndim}",
            hint=_LISTED,
        )
    if math.prod(storage.shape) * storage.dtype.nbytes >= 2**63:
        raise ShapeError(f"a dense array of shape {storage.shape} is too large", hint=_LISTED)


def too_large(shape: Sequence[int]) -> ShapeError:
    """What to say of a dense array that the memory does not hold."""
    return ShapeError(
        f"a dense array of shape {tuple(shape)} does not fit in memory: it has {math.prod(shape)} elements",
        hint=_LISTED,
    )


__all__ = [
    "DUPLICATES", "Arrangement", "arrange", "arranged", "canonical", "check_dense", "coo_format", "dense_storage",
    "dense_view", "from_coo", "from_dense", "index_width", "inside", "is_fill", "listed", "shared_list", "too_large",
]
