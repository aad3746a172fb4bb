"""Functions that move entries and change none: transposes, reshapes, repetitions.

A transpose of a sparse tensor is the same memory under another map of dimensions to levels; the others go through
coordinates.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparsec.array.broadcasting import Placed, spread, without
from sparsec.array.operands import (
    axes_of,
    axis_of,
    broadcast_shape,
    dense_result,
    integer,
    is_sparse,
    listed,
    shape_of,
    sparse_operand,
)
from sparsec.array.places import check_size, places, ravelled, rebuilt, room, unravelled
from sparsec.errors import ShapeError, TypeError_
from sparsec.formats.composition import Chain
from sparsec.formats.format import Format
from sparsec.runtime.storage import Storage, as_shape
from sparsec.tensors import Tensor


def on_dense(function: Callable[..., Any], x: Any, t: Any, *args: Any, **options: Any) -> Any:
    """NumPy's function where ``t`` is dense: a ``Tensor`` if ``x`` was one."""
    try:
        return dense_result(function(np.asarray(t), *args, **options), isinstance(x, Tensor))
    except (ValueError, IndexError, OverflowError, MemoryError) as e:  # AxisError is both of the first
        raise ShapeError(str(e)) from None


def permute_dims(x: Any, axes: Sequence[int] | None = None) -> Any:
    """The dimensions in another order (reversed without one); a sparse tensor's memory is shared."""
    t = x if isinstance(x, Tensor) and x.storage.parts else sparse_operand(x)
    if axes is None:
        axes = range(t.ndim)[::-1]
    found = [axis_of(a, t.ndim) for a in axes]
    if sorted(found) != list(range(t.ndim)):
        raise ShapeError(f"axes {tuple(axes)} are no permutation of the {t.ndim} dimensions")
    if not isinstance(t, Tensor):
        return np.transpose(t, found)
    if t.storage.parts:
        turns = _keeps_chains(t.storage, found)
        return Tensor.over(_composite(t.storage, found)) if turns else permute_dims(t.decoded(), found)
    return Tensor.over(_turned(t.storage, found))


def _turned(s: Storage, axes: Sequence[int]) -> Storage:
    turned = Format(tuple(s.format.dims[a] for a in axes), s.format.levels, values=s.format.values).normal()
    return dataclasses.replace(s, format=turned, shape=tuple(s.shape[a] for a in axes))


def _keeps_chains(s: Storage, axes: Sequence[int]) -> bool:
    """Do the rows and columns of a composite tensor's products stay the last dimensions?"""
    return all(not term.inner for term in s.format.terms) or set(axes[-2:]) == {s.ndim - 2, s.ndim - 1}


def _composite(s: Storage, axes: Sequence[int]) -> Storage:
    """Each part in another order of dimensions; a product of transposed factors runs the other way."""
    parts = iter(s.parts)
    terms, turned = [], []
    for term in s.format.terms:
        chain = [_turned(next(parts), axes) for _ in term.factors]
        way = -1 if term.inner and axes[-1] < axes[-2] else 1
        terms.append(Chain(tuple(p.format for p in chain[::way]), term.inner[::way]))
        turned += chain[::way]
    fmt = dataclasses.replace(s.format.normal(), name=None, terms=tuple(terms))
    return dataclasses.replace(s, format=fmt, shape=tuple(s.shape[a] for a in axes), parts=tuple(turned))


def matrix_transpose(x: Any) -> Any:
    """The last two dimensions swapped; raises ``ShapeError`` for vectors."""
    ndim = x.ndim if isinstance(x, Tensor) else sparse_operand(x).ndim
    if ndim < 2:
        raise ShapeError(f"a tensor of order {ndim} has no rows and columns", hint="A.T reverses any dimensions")
    return permute_dims(x, (*range(ndim - 2), ndim - 1, ndim - 2))


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two dimensions swapped."""
    order = list(range(sparse_operand(x).ndim))
    a, b = axis_of(axis1, len(order)), axis_of(axis2, len(order))
    order[a], order[b] = b, a
    return permute_dims(x, order)


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Dimensions moved to other places, the others in their order."""
    ndim = sparse_operand(x).ndim
    whence = [axis_of(a, ndim) for a in (source if isinstance(source, tuple | list) else (source,))]
    where = [axis_of(a, ndim) for a in (destination if isinstance(destination, tuple | list) else (destination,))]
    if len(whence) != len(where) or len(set(whence)) < len(whence) or len(set(where)) < len(where):
        raise ShapeError(f"axes {source} cannot move to {destination}")
    order = [d for d in range(ndim) if d not in whence]
    for to, d in sorted(zip(where, whence, strict=True)):
        order.insert(to, d)
    return permute_dims(x, order)


def reshape(x: Any, shape: Any, *, copy: bool | None = None) -> Any:
    """The elements in row-major order in another shape; one extent may be -1.

    ``copy=False`` raises ``TypeError_`` where entries must move: always, for sparse tensors.
    """
    t = sparse_operand(x)
    target = _whole(shape, t.shape)
    if not is_sparse(t):
        if copy is False and not np.may_share_memory(np.reshape(np.asarray(t), target), np.asarray(t)):
            raise TypeError_("this reshape needs a copy", hint="leave out copy=False")
        return on_dense(lambda a: np.array(np.reshape(a, target), copy=copy or None), x, t)
    if copy is False:
        raise TypeError_("a sparse tensor is reshaped in a copy", hint="leave out copy=False")
    if target == t.shape:
        return t.copy() if copy else t
    coords, values = places(t)
    return rebuilt(unravelled(ravelled(coords, t.shape, len(values)), target), values, target, t)


def _whole(shape: Any, old: tuple[int, ...]) -> tuple[int, ...]:
    """The new shape, a -1 in it computed."""
    shape = shape.tolist() if isinstance(shape, np.ndarray) else shape
    given = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if not all(isinstance(n, int | np.integer) for n in given):
        as_shape(given)  # says what it should be
    size = check_size(old)
    if given.count(-1) > 1:
        raise ShapeError(f"shape {given} leaves more than one extent open")
    if -1 in given:
        rest = check_size(as_shape([n for n in given if n != -1]))
        if (rest and size % rest) or (not rest and size):
            raise ShapeError(f"{size} elements of shape {old} do not fill {given}")
        given = tuple((size // rest if rest else 0) if n == -1 else n for n in given)
    target = as_shape(given)
    if check_size(target) != size:
        raise ShapeError(f"{size} elements of shape {old} do not fill shape {target}")
    return target


def squeeze(x: Any, axis: Any = None) -> Any:
    """Without dimensions of extent 1: all of them, or those named; raises ``ShapeError`` if one is longer."""
    t = sparse_operand(x)
    axes = axes_of(axis, t.ndim) if axis is not None else tuple(d for d, n in enumerate(t.shape) if n == 1)
    if long := [d for d in axes if t.shape[d] != 1]:
        raise ShapeError(f"dimension {long[0]} of extent {t.shape[long[0]]} cannot be dropped")
    if not is_sparse(t):
        return on_dense(np.squeeze, x, t, axis=axes)
    return without(t, axes)


def expand_dims(x: Any, axis: Any = 0) -> Any:
    """With new dimensions of extent 1 at these places of the result."""
    t = sparse_operand(x)
    count = len(axis) if isinstance(axis, tuple | list) else 1
    axes = axes_of(axis, t.ndim + count)
    if not is_sparse(t):
        return on_dense(np.expand_dims, x, t, axes)
    if not axes:
        return t
    coords, values = places(t)
    shape, rest = list(t.shape), list(coords)
    for d in axes:
        shape.insert(d, 1)
        rest.insert(d, np.zeros(len(values), np.int64))
    return rebuilt(rest, values, tuple(shape), t)


def broadcast_to(x: Any, shape: Any) -> Any:
    """Repeated along dimensions of extent 1 and new leading ones."""
    t, target = sparse_operand(x), as_shape(shape)
    if broadcast_shape([t.shape, target]) != target:
        raise ShapeError(f"shape {t.shape} does not broadcast to {target}")
    if not is_sparse(t):
        return on_dense(np.broadcast_to, x, t, target)
    ahead = len(target) - t.ndim
    kept = [d for d in range(t.ndim) if t.shape[d] == target[ahead + d]]
    if len(kept) == len(target):
        return t
    part = Placed(t, tuple(ahead + d for d in range(t.ndim)))
    if len(kept) < t.ndim:
        part = Placed(without(t, [d for d in range(t.ndim) if d not in kept]), tuple(ahead + d for d in kept))
    if not part.sparse:
        from sparsec.array.creation import full

        return full(target, part.value, dtype=t.dtype)
    coords, values = spread(part, target)
    return rebuilt(coords, values, target, t) if t.dtype == t.storage.dtype.np else _bits(coords, values, target, t)


def _bits(coords: Sequence[np.ndarray], values: np.ndarray, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """bf16, whose plain values are f32."""
    from sparsec.ir.dtypes import BF16
    from sparsec.ir.tensor_values import to_storage

    return rebuilt(coords, to_storage(values, BF16), shape, like)


def broadcast_arrays(*given: Any) -> tuple[Any, ...]:
    """All of one shape."""
    shape = broadcast_shape([shape_of(sparse_operand(x)) for x in given])
    return tuple(broadcast_to(x, shape) for x in given)


def flip(x: Any, axis: Any = None) -> Any:
    """Backwards along an axis, several or all."""
    t = sparse_operand(x)
    axes = axes_of(axis, t.ndim)
    if not is_sparse(t):
        return on_dense(np.flip, x, t, axes)
    coords, values = places(t)
    return rebuilt([t.shape[d] - 1 - c if d in axes else c for d, c in enumerate(coords)], values, t.shape, t)


def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Moved by ``shift`` along an axis, around its end; without an axis in the flat tensor."""
    t = sparse_operand(x)
    if axis is None:
        if not is_sparse(t):
            return on_dense(np.roll, x, t, shift)
        return reshape(roll(reshape(t, (-1,)), shift, 0), t.shape)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    shifts = shift if isinstance(shift, tuple | list) else (shift,) * len(axes)
    if len(axes) == 1 and len(shifts) > 1:
        axes = tuple(axes) * len(shifts)
    if len(axes) != len(shifts):
        raise ShapeError(f"{len(shifts)} shifts for {len(axes)} axes")
    if not is_sparse(t):
        return on_dense(np.roll, x, t, tuple(shifts), tuple(axes))
    coords, values = places(t)
    for a, by in zip(axes, shifts, strict=True):
        d = axis_of(a, t.ndim)
        extent = max(t.shape[d], 1)
        by = integer(by, "a shift") % extent
        coords[d] = coords[d] + np.where(coords[d] < extent - by, by, by - extent)  # the sum may pass i64
    return rebuilt(coords, values, t.shape, t)


def tril(x: Any, k: int = 0) -> Any:
    """What lies on and below the k-th diagonal of the last two dimensions; the rest is 0."""
    return _triangle(x, np.tril, k, lambda i, j: j - i <= k)


def triu(x: Any, k: int = 0) -> Any:
    """What lies on and above the k-th diagonal of the last two dimensions; the rest is 0."""
    return _triangle(x, np.triu, k, lambda i, j: j - i >= k)


def _triangle(x: Any, dense: Callable[..., Any], k: int, keep: Callable[[Any, Any], Any]) -> Any:
    t = sparse_operand(x)
    if t.ndim < 2:
        raise ShapeError(f"a triangle of a tensor of order {t.ndim}", hint="it takes two dimensions")
    if not is_sparse(t):
        return on_dense(dense, x, t, k)
    if t.fill_value != 0:
        from sparsec.errors import FormatError

        raise FormatError(f"a triangle of a tensor with fill {t.fill_value}", hint="what it leaves out is 0")
    coords, values = places(t)
    kept = keep(coords[-2], coords[-1])
    return rebuilt([c[kept] for c in coords], values[kept], t.shape, t)


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of two dimensions, as the last dimension of the result."""
    t = sparse_operand(x)
    a, b = axis_of(axis1, t.ndim), axis_of(axis2, t.ndim)
    offset = integer(offset, "an offset")
    if a == b:
        raise ShapeError("a diagonal runs through two dimensions")
    if not is_sparse(t):
        return on_dense(np.diagonal, x, t, offset, a, b)
    length = max(0, min(t.shape[a] + min(offset, 0), t.shape[b] - max(offset, 0)))
    coords, values = places(t)
    kept = coords[b] - coords[a] == offset
    along = np.minimum(coords[a], coords[b])[kept]
    rest = [d for d in range(t.ndim) if d not in (a, b)]
    return rebuilt([*(coords[d][kept] for d in rest), along], values[kept], (*(t.shape[d] for d in rest), length), t)


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element (or slice along ``axis``) several times; ``repeats`` is a number, or one for each."""
    t = sparse_operand(x)
    counts = listed(repeats)
    if axis is None:
        return repeat(reshape(x if isinstance(x, Tensor) else t, (-1,)), counts, 0)
    d = axis_of(axis, t.ndim)
    if counts.dtype.kind not in "iub":
        raise TypeError_(f"repeats are integers, not {counts.dtype}")
    if (counts < 0).any():
        raise ShapeError("repeats: a number of times is at least 0")
    if counts.size != 1 and counts.shape != (t.shape[d],):
        raise ShapeError(f"repeats: {counts.size} numbers for the extent {t.shape[d]}")
    total = t.shape[d] * int(counts.reshape(-1)[0]) if counts.size == 1 else sum(counts.tolist())
    shape = as_shape((*t.shape[:d], total, *t.shape[d + 1 :]))
    counts = np.where(counts < 2**63, counts, 0).astype(np.int64)  # more is left only of slices that are not there
    if not is_sparse(t):
        with room(math.prod(shape), "repeat"):
            return on_dense(np.repeat, x, t, counts, d)
    coords, values = places(t)
    if counts.size == 1:
        each = int(counts.reshape(-1)[0])
        times, starts = np.full(len(values), each), coords[d] * each
    else:
        times = counts[coords[d]]
        starts = np.cumsum(counts)[coords[d]] - times
    with room(sum(times.tolist()), "repeat"):
        new = [np.repeat(c, times) for c in coords]
        new[d] = np.repeat(starts - (np.cumsum(times) - times), times) + np.arange(times.sum())
        return rebuilt(new, np.repeat(values, times), shape, t)


def tile(x: Any, reps: Any) -> Any:
    """Copies side by side, ``reps`` of them along each dimension (the last ones, if there are fewer)."""
    t = sparse_operand(x)
    counts = tuple(reps) if isinstance(reps, tuple | list) else (reps,)
    if not is_sparse(t):
        return on_dense(np.tile, x, t, counts)
    order = max(len(counts), t.ndim)
    counts = (1,) * (order - len(counts)) + as_shape(counts)
    extents = (1,) * (order - t.ndim) + t.shape
    spread_out = reshape(t, tuple(n for e in extents for n in (1, e)))
    wide = broadcast_to(spread_out, tuple(n for c, e in zip(counts, extents, strict=True) for n in (c, e)))
    return reshape(wide, tuple(c * e for c, e in zip(counts, extents, strict=True)))


__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "diagonal",
    "expand_dims",
    "flip",
    "matrix_transpose",
    "moveaxis",
    "on_dense",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "swapaxes",
    "tile",
    "tril",
    "triu",
]
