"""Indexing: reading and writing parts of tensors, through coordinates.

The language will have affine and indirect indices; this module is what stands for them until then, and the one to
replace.  Reading costs a pass over the entries (of some rows of csr, over theirs), writing one over the entries and the
places written.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sparsec.array.keys import Selection, selection
from sparsec.array.operands import axis_of, dense_result, is_integer, is_sparse, listed, operand, sparse_operand
from sparsec.array.places import check_size, places, ravelled, rebuilt, room, unravelled
from sparsec.binding import converted
from sparsec.errors import FormatError, IndexError_, ShapeError, TypeError_, UnsupportedError
from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.ir.dtypes import from_numpy
from sparsec.tensors import Tensor


def take_index(t: Any, key: Any) -> Any:
    """``t[key]`` by NumPy's rules: a number where every dimension is fixed, else a tensor of the same kind.

    A part of a dense tensor is a view where NumPy makes one.
    """
    t = t.decoded() if isinstance(t, Tensor) else t
    if not is_sparse(t):
        return dense_result(_dense_index(t, key), isinstance(t, Tensor))
    if is_sparse(key) and key.dtype == bool:
        return _masked(t, key)
    s = selection(key, t.shape)
    coords, values = _near(t, s)
    keep, moved = _sliced(s, coords)
    coords, values = [c[keep] for c in coords], values[keep]
    moved = {d: c[keep] for d, c in moved.items()}
    spread: list[np.ndarray] = []
    if s.arrays is not None:
        which, at = _joined(s, coords, t.shape)
        values = values[which]
        moved = {d: c[which] for d, c in moved.items()}
        spread = unravelled(at, s.arrays)
    out = []
    for r in s.result:
        if r is None:
            out.append(np.zeros(len(values), np.int64))
        else:
            out.append(spread[r[1]] if isinstance(r, tuple) else moved[r])
    found = rebuilt(out, values, s.shape, t)
    return found if s.result else found.numpy()[()]


def _dense_index(t: Any, key: Any) -> Any:
    parts = tuple(_plain_key(k) for k in key) if isinstance(key, tuple) else _plain_key(key)
    try:
        return np.asarray(t)[parts]
    except IndexError as e:
        raise IndexError_(str(e)) from None


def _plain_key(k: Any) -> Any:
    if isinstance(k, Tensor):
        return k.numpy()
    if k is None or k is ... or isinstance(k, slice | int | np.ndarray | np.generic | list):
        return k
    if is_integer(k):
        return k.__index__()
    return np.asarray(operand(k, "an index"))


def _near(t: Tensor, s: Selection) -> tuple[list[np.ndarray], np.ndarray]:
    """The entries that may be selected: of csr and csc those of the rows (columns) from the first to the last.

    So ``A[i]`` costs what it gives.
    """
    storage = t.storage
    types = [type(spec.type) for spec in storage.format.levels]
    if types != [Dense, Compressed] or not storage.format.is_plain:
        return places(t)
    outer, inner = storage.format.order
    pick, extent = s.picks[outer], t.shape[outer]
    if isinstance(pick, int):
        first, last = pick, pick
    elif isinstance(pick, tuple):
        start, step, count = pick
        ends = sorted((start, start + step * (count - 1)))
        first, last = ends if count else (0, -1)
    else:
        first, last = (int(pick.min()), int(pick.max())) if pick.size else (0, -1)
    if last - first >= extent // 2:
        return places(t)
    if last < first:
        return [np.zeros(0, np.int64)] * 2, storage.values[:0]
    pos = storage.levels[1]["pos"][first : last + 2].astype(np.int64)
    inside = slice(int(pos[0]), int(pos[-1]))
    coords: list[Any] = [None, None]
    coords[outer] = np.repeat(np.arange(first, last + 1), np.diff(pos))
    coords[inner] = storage.levels[1]["crd"][inside].astype(np.int64)
    return coords, storage.values[inside]


def _sliced(s: Selection, coords: list[np.ndarray]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Which entries numbers and slices select, and the coordinates that slices give them."""
    keep = np.ones(len(coords[0]) if coords else 1, bool)
    moved = {}
    for d, (pick, c) in enumerate(zip(s.picks, coords, strict=True)):
        if isinstance(pick, int):
            keep &= c == pick
        elif isinstance(pick, tuple):
            start, step, count = pick
            place, rest = np.divmod(c - start, step)
            keep &= (rest == 0) & (place >= 0) & (place < count)
            moved[d] = place
    return keep, moved


def _joined(s: Selection, coords: list[np.ndarray], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The entries that index arrays select: their numbers, once for each time, and the place in the arrays."""
    dims = [d for d, pick in enumerate(s.picks) if isinstance(pick, np.ndarray)]
    extents = [shape[d] for d in dims]
    assert s.arrays is not None
    size = int(np.prod(s.arrays, dtype=np.int64))
    wanted = ravelled([s.picks[d].reshape(-1) for d in dims], extents, size)  # type: ignore[union-attr]
    mine = ravelled([coords[d] for d in dims], extents, len(coords[0]))
    order = np.argsort(mine, kind="stable")
    first = np.searchsorted(mine, wanted, "left", order)
    count = np.searchsorted(mine, wanted, "right", order) - first
    at = np.repeat(np.arange(size), count)
    within = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    return order[np.repeat(first, count) + within], at


def _masked(t: Tensor, mask: Tensor) -> Any:
    """``t[mask]`` for a sparse mask; its absent entries are never listed, be they true or false."""
    if mask.shape != t.shape:
        if mask.ndim < t.ndim and mask.shape == t.shape[: mask.ndim] and not mask.fill_value:
            coords, values = places(mask)
            return take_index(t, tuple(c[values] for c in coords))
        raise ShapeError(f"a mask of shape {mask.shape} does not fit a tensor of shape {t.shape}")
    size = check_size(t.shape)
    coords, values = places(mask)
    odd = values != mask.fill_value
    known = np.sort(ravelled([c[odd] for c in coords], t.shape, int(odd.sum())))
    coords, values = places(t)
    mine = ravelled(coords, t.shape, len(values))
    before = np.searchsorted(known, mine)
    on_list = (before < len(known)) & (known[np.minimum(before, len(known) - 1)] == mine) if len(known) else before < 0
    keep = ~on_list if mask.fill_value else on_list
    at = (mine - before if mask.fill_value else before)[keep]
    return rebuilt([at], values[keep], (size - len(known) if mask.fill_value else len(known),), t)


def put_index(t: Tensor, key: Any, value: Any) -> None:
    """``t[key] = value``: in place where ``t`` is dense, else new memory behind the same handle.

    Raises ``ShapeError`` where the value does not broadcast to what is selected, ``TypeError_`` where its dtype does
    not fit.
    """
    given = operand(value, "the value")
    given = given.numpy() if isinstance(given, Tensor) else np.asarray(given)
    cast = converted(given, from_numpy(given.dtype), t.storage.dtype)
    if cast is None:
        what = f"{given.item()!r:.60}" if not given.ndim else f"a value of {given.dtype}"
        raise TypeError_(f"{what} does not fit into a tensor of {t.dtype}", hint="cast it with .astype")
    given = cast
    if t.storage.codes is not None or t.storage.parts:
        what = "encoded values" if t.storage.codes is not None else f"a sum or product ({t.format})"
        raise UnsupportedError(f"assigning into {what} cannot run yet", hint="decode it first: A.decoded()")
    if t.storage.dtype.name == "bf16":
        raise UnsupportedError("assigning into a bf16 tensor cannot run yet")
    if not is_sparse(t):
        array = t.numpy()
        if not array.flags.writeable:
            raise TypeError_("the tensor's memory is read-only", hint="sp.tensor(A.numpy().copy()) has its own")
        parts = tuple(_plain_key(k) for k in key) if isinstance(key, tuple) else _plain_key(key)
        try:
            array[parts] = given
        except (IndexError, ValueError) as e:
            raise ShapeError(str(e)) from None
        return
    if is_sparse(key) and key.dtype == bool:
        if key.fill_value:
            raise FormatError("assigning where a mask holds that is true by default would fill the tensor")
        coords, values = places(key)
        key = tuple(c[values] for c in coords)
    selected = selection(key, t.shape)
    with room(math.prod(selected.shape), "the assignment"):
        where = selected.flat(t.shape)
    try:
        new = np.broadcast_to(given, where.shape).reshape(-1)
    except ValueError:
        raise ShapeError(f"a value of shape {given.shape} does not broadcast to {where.shape}") from None
    coords, values = places(t)
    keys = np.concatenate([ravelled(coords, t.shape, len(values)), where.reshape(-1)])
    both = np.concatenate([values, new])
    # The last of those at one place stays, as NumPy has it.
    _, last = np.unique(keys[::-1], return_index=True)
    kept = np.sort(len(keys) - 1 - last)
    made = rebuilt(unravelled(keys[kept], t.shape), both[kept], t.shape, t, format=t.storage.format.opened())
    t.hold(made.storage)


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Slices along an axis, by their numbers; of the flat tensor without one."""
    t = sparse_operand(x)
    if axis is None:
        from sparsec.array.shapes import reshape

        x, axis = reshape(x, (-1,)), 0
        t = sparse_operand(x)
    key = (slice(None),) * axis_of(axis, t.ndim) + (listed(indices),)
    return take_index(x if isinstance(x, Tensor) else t, key)


def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Any:
    """The elements that ``indices``, of the same order, names along an axis."""
    t = sparse_operand(x)
    d = axis_of(axis, t.ndim)
    places = listed(indices)
    if places.ndim != t.ndim:
        raise ShapeError(f"indices of order {places.ndim} for a tensor of order {t.ndim}")
    shape = np.broadcast_shapes(tuple(1 if n == d else e for n, e in enumerate(t.shape)), places.shape)
    key: list[Any] = list(np.ogrid[tuple(slice(n) for n in shape)])
    key[d] = places
    return take_index(x if isinstance(x, Tensor) else t, tuple(key))


__all__ = ["put_index", "take", "take_along_axis", "take_index"]
