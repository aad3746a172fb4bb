"""Operands of different shapes over one set of index variables: broadcasting is writing fewer indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsec.array.operands import Operand, dtype_of, is_sparse, shape_of
from sparsec.array.places import check_size, places, rebuilt, room
from sparsec.tensors import Tensor


@dataclass(frozen=True, slots=True)
class Placed:
    """An operand and the dimensions of the result that it spans, in its own order; a number spans none."""

    value: Operand
    dims: tuple[int, ...]

    @property
    def sparse(self) -> bool:
        return is_sparse(self.value)

    @property
    def dtype(self) -> Any:
        return dtype_of(self.value)


def placed(x: Operand, shape: tuple[int, ...]) -> Placed:
    """``x`` for a result of this shape, without the dimensions of extent 1 that are stretched; a view if dense."""
    own = shape_of(x)
    ahead = len(shape) - len(own)
    kept = tuple(d for d, n in enumerate(own) if n == shape[ahead + d])
    return Placed(without(x, tuple(d for d in range(len(own)) if d not in kept)), tuple(ahead + d for d in kept))


def without(x: Operand, dims: Sequence[int]) -> Operand:
    """``x`` without some of its dimensions of extent 1; a number where none is left."""
    if not dims:
        return x
    left = [d for d in range(x.ndim) if d not in dims]
    if not isinstance(x, Tensor):
        array = x.reshape([x.shape[d] for d in left])
        return array if array.ndim else array[()]
    coords, values = places(x)
    found = rebuilt([coords[d] for d in left], values, tuple(x.shape[d] for d in left), x)
    return found if left else found.numpy()[()]


def spread(p: Placed, shape: tuple[int, ...]) -> tuple[list[np.ndarray], np.ndarray]:
    """Coordinates in ``shape`` and values of a sparse operand, its entries repeated along dimensions it lacks."""
    coords, values = places(p.value)
    values = p.value._plain(values)
    count = len(values)
    lacking = [d for d in range(len(shape)) if d not in p.dims]
    times = check_size([shape[d] for d in lacking])
    out: list[Any] = [None] * len(shape)
    with room(count * times, "what is broadcast", "a product, or an expression in a kernel, broadcasts without copies"):
        for c, d in zip(coords, p.dims, strict=True):
            out[d] = np.repeat(c, times)
        if lacking:
            grid = np.indices([shape[d] for d in lacking], np.int64).reshape(len(lacking), -1)
            for c, d in zip(grid, lacking, strict=True):
                out[d] = np.tile(c, count)
        return out, np.repeat(values, times)


__all__ = ["Placed", "placed", "spread", "without"]
