"""What stands in brackets, ``A[2, ::-1, None, mask]``, as one selection for each dimension.

NumPy's rules: integer arrays broadcast together (a number among them is one), a mask stands for the places where it is
true, and the dimensions that arrays make come where the first stood, or first if something stands between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsec.array.operands import is_integer, operand
from sparsec.array.places import ravelled
from sparsec.errors import IndexError_, ShapeError, TypeError_
from sparsec.tensors import Tensor


@dataclass(frozen=True, slots=True)
class Selection:
    """``picks``: for each dimension an int, a slice (start, step, count) or an array of places.

    ``result``: for each dimension of the result the dimension that it walks along, None for a new one of extent 1, or
    ``("array", n)``, the n-th dimension of the broadcast arrays.
    """

    picks: tuple[int | tuple[int, int, int] | np.ndarray, ...]
    result: tuple[int | None | tuple[str, int], ...]
    arrays: tuple[int, ...] | None
    """The shape of the broadcast arrays; None if there are none."""

    @property
    def shape(self) -> tuple[int, ...]:
        out = []
        for r in self.result:
            if r is None:
                out.append(1)
            elif isinstance(r, tuple):
                assert self.arrays is not None
                out.append(self.arrays[r[1]])
            else:
                out.append(self.picks[r][2])  # type: ignore[index]
        return tuple(out)

    def flat(self, shape: tuple[int, ...]) -> np.ndarray:
        """The place in the flat tensor of every selected element, in the shape of the result."""
        walk = [r for r in self.result]
        coords: list[Any] = []
        for d, pick in enumerate(self.picks):
            if isinstance(pick, int):
                coords.append(np.int64(pick))
                continue
            if isinstance(pick, tuple):
                start, step, count = pick
                sides = [-1 if r == d else 1 for r in walk]
                coords.append((start + step * np.arange(count, dtype=np.int64)).reshape(sides))
            else:
                sides = [self.arrays[r[1]] if isinstance(r, tuple) else 1 for r in walk]  # type: ignore[index]
                coords.append(pick.reshape(sides))
        wide = np.broadcast_arrays(*coords, np.zeros(self.shape, np.int64))[:-1] if coords else []
        size = int(np.prod(self.shape, dtype=np.int64))
        return ravelled([c.reshape(-1) for c in wide], shape, size).reshape(self.shape)


def selection(key: Any, shape: tuple[int, ...]) -> Selection:
    """The selection that ``key`` means in a tensor of this shape.

    Raises ``IndexError_`` for places outside, masks of another shape and too many indices, ``TypeError_`` for what is
    no index.
    """
    parts = [_part(k) for k in (key if isinstance(key, tuple) else (key,))]
    taken = sum(k.ndim if _is_mask(k) else k is not None and k is not ... for k in parts)
    if sum(k is ... for k in parts) > 1:
        raise ShapeError("an index has one '...' at most")
    if taken > len(shape):
        dims = f"{len(shape)} dimension{'s' * (len(shape) != 1)}"
        raise IndexError_(f"{taken} indices for a tensor with {dims}")
    written = any(k is ... for k in parts)
    if not written:
        parts.append(...)
    at = next(n for n, k in enumerate(parts) if k is ...)
    parts[at : at + 1] = [slice(None)] * (len(shape) - taken)
    none = at if written and taken == len(shape) else -1  # a '...' for no dimension stood before this place
    advanced = any(isinstance(k, np.ndarray) for k in parts)
    picks: list[Any] = []
    result: list[Any] = []
    blocks: list[int] = []  # places in ``parts`` of what counts as an array
    for n, k in enumerate(parts):
        if k is None:
            result.append(None)
        elif isinstance(k, slice):
            d = len(picks)
            picks.append(_slice(k, shape[d]))
            result.append(d)
        else:
            if not blocks:
                first = len(result)
            blocks.append(n)
            picks += _places(k, shape, len(picks)) if isinstance(k, np.ndarray) else [_inside(k, shape, len(picks))]
    if not advanced:
        return Selection(tuple(picks), tuple(result), None)
    try:
        arrays = np.broadcast_arrays(*[np.asarray(p) for p in picks if not isinstance(p, tuple)])
    except ValueError:
        shapes = [p.shape for p in picks if isinstance(p, np.ndarray)]
        raise ShapeError(f"index arrays of shapes {shapes} do not broadcast") from None
    joined = iter(arrays)
    picks = [p if isinstance(p, tuple) else next(joined) for p in picks]
    # Also a '...' that stands for no dimension parts the arrays around it.
    together = blocks[-1] - blocks[0] == len(blocks) - 1 and not blocks[0] < none <= blocks[-1]
    new: list[Any] = [("array", n) for n in range(arrays[0].ndim)]
    place = first if together else 0
    return Selection(tuple(picks), (*result[:place], *new, *result[place:]), arrays[0].shape)


def _is_mask(k: Any) -> bool:
    return isinstance(k, np.ndarray) and k.dtype == bool


def _part(k: Any) -> Any:
    """None, Ellipsis, a slice, an int or an array of ints or bools."""
    if k is None or k is ... or isinstance(k, slice):
        return k
    if isinstance(k, bool | np.bool_):
        return np.asarray(k)
    if is_integer(k):
        return k.__index__()
    found = operand(k, "an index")
    array = np.asarray(found.numpy() if isinstance(found, Tensor) else found)
    if array.size == 0 and array.dtype.kind == "f" and isinstance(k, list | tuple):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise TypeError_(f"an index of dtype {array.dtype}", hint="integers, bools, slices, None and ... are indices")
    if array.ndim == 0 and array.dtype.kind != "b":
        return int(array)
    return array if array.dtype.kind == "b" else array.astype(np.int64)


def _slice(k: slice, extent: int) -> tuple[int, int, int]:
    try:
        found = range(*k.indices(extent))
    except (TypeError, ValueError) as e:
        raise TypeError_(f"slice {k}: {e}") from None
    return found.start, found.step, len(found)


def _inside(k: int, shape: tuple[int, ...], d: int) -> int:
    if not -shape[d] <= k < shape[d]:
        raise IndexError_(f"index {k} is outside dimension {d} of extent {shape[d]}")
    return k % shape[d]


def _places(k: np.ndarray, shape: tuple[int, ...], d: int) -> list[np.ndarray]:
    """An array of places in dimension ``d``; a mask is one for each of the dimensions that it spans."""
    if _is_mask(k):
        if k.shape != shape[d : d + k.ndim]:
            raise IndexError_(f"a mask of shape {k.shape} does not fit dimensions {d}.. of shape {shape}")
        if not k.ndim:
            raise TypeError_("a single bool is no index", hint="A[None] adds a dimension")
        return list(k.nonzero())
    bad = (k < -shape[d]) | (k >= shape[d])
    if bad.any():
        raise IndexError_(f"index {int(k[bad][0])} is outside dimension {d} of extent {shape[d]}")
    return [np.where(k < 0, k + shape[d], k)]


__all__ = ["Selection", "selection"]
