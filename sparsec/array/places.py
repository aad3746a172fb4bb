"""Coordinates and values in, a tensor out: what every function that moves entries ends with."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from sparsec.errors import ShapeError
from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.formats.format import Format
from sparsec.formats.named import named_format
from sparsec.formats.singleton import Singleton
from sparsec.ir.dtypes import BF16, DType, from_numpy
from sparsec.runtime.entries import canonical
from sparsec.runtime.storage import Storage, as_fill, as_shape, is_list
from sparsec.tensors import Tensor, automatic

Coords = Sequence[np.ndarray]
"""A coordinate array for each dimension."""

_WRITTEN = (Dense, Compressed, Singleton)


def usual(fill: Any) -> bool:
    """Whether programs are compiled for this fill.

    Every other one, such as a mean that was subtracted, would ask for a program of its own.
    """
    return bool(fill in (0, 1) or fill != fill or fill in (np.inf, -np.inf))


def writable(format: Format) -> bool:
    """Whether kernels can make results in this format."""
    return not format.terms and all(isinstance(spec.type, _WRITTEN) for spec in format.levels)


def format_like(shape: tuple[int, ...], nnz: int, *givers: Tensor) -> Format:
    """A format for a sparse result: that of the first of ``givers`` that has its order, else csr, dcsr or csf.

    coo is coo in every order.
    """
    for t in givers:
        found = t.storage.format.plain().half  # that a giver is its own transpose says nothing of the result
        if t.ndim == len(shape) and writable(found) and not found.is_dense:
            return found.opened()
    if givers and shape and is_list(givers[0].storage.format) and givers[0].ndim > 1:
        return named_format("coo", len(shape))
    return automatic(shape, nnz)


def places(t: Tensor) -> tuple[list[np.ndarray], np.ndarray]:
    """The coordinates of the stored entries (i64, by dimension), and their values as stored (bits, for bf16)."""
    stored = t._entries()
    return [np.asarray(c, np.int64) for c in stored.coordinates()], stored.values


def rebuilt(
    coords: Coords,
    values: np.ndarray,
    shape: tuple[int, ...],
    like: Tensor,
    *,
    format: Format | None = None,
    fill: Any = None,
    dtype: DType | None = None,
) -> Tensor:
    """A tensor of these entries, whose places are distinct, in the format, dtype and with the fill of ``like``.

    Raises ``ShapeError`` for an extent of 2**63 or more.
    """
    dtype = like.storage.dtype if dtype is None else dtype
    fill = like.storage.fill if fill is None else as_fill(fill, dtype)
    shape = as_shape(shape)
    if not shape:
        from sparsec.formats.named import dense

        one = values[:1] if len(values) else np.full(1, Storage(dense(0), (), dtype, fill, (), values).fill_value)
        return Tensor.over(Storage(dense(0), (), dtype, fill, (), np.ascontiguousarray(one, dtype.np)))
    target = format_like(shape, len(values), like) if format is None else format
    order = target.dim_order
    listed = canonical(coords, values, shape, order, dtype, fill)
    return Tensor.over(listed).convert(target)


def mapped(t: Tensor, function: Callable[[Any], Any], fill: Any = None) -> Tensor:
    """``function`` of the stored values and of the fill (unless ``fill`` is given); the pattern is shared.

    Values keep the precision bf16 where the function leaves f32 as f32.
    """
    s = t.storage
    with np.errstate(all="ignore"):
        values = np.asarray(function(t._plain(s.values)))
        if fill is None:
            plain = s.dtype.np if s.dtype is not BF16 else np.dtype(np.float32)
            fill = np.asarray(function(np.full(1, s.fill, plain)))[0]
    if s.dtype is BF16 and values.dtype == np.float32:
        from sparsec.ir.tensor_values import round_to, to_storage

        bits = to_storage(round_to(values, BF16), BF16)
        return Tensor.over(dataclasses.replace(s, values=bits, fill=as_fill(round_to(fill, BF16), BF16)))
    dtype = from_numpy(values.dtype)
    return Tensor.over(
        dataclasses.replace(
            s, dtype=dtype, values=np.ascontiguousarray(values), fill=as_fill(dtype.np.type(fill), dtype)
        )
    )


def refilled(t: Tensor, fill: Any) -> Tensor:
    """The same entries before another background."""
    return Tensor.over(dataclasses.replace(t.storage, fill=as_fill(fill, t.storage.dtype)))


def pattern(t: Tensor, dtype: DType) -> Tensor:
    """One where an entry is stored, and the fill 0."""
    s = t.storage
    ones = np.ones(len(s.values), dtype.np)
    return Tensor.over(dataclasses.replace(s, dtype=dtype, fill=as_fill(0, dtype), values=ones))


def check_size(shape: Sequence[int]) -> int:
    """The number of elements; raises ``ShapeError`` where it passes 2**63."""
    size = math.prod(shape)
    if size >= 2**63:
        raise ShapeError(f"a tensor of shape {tuple(shape)} has 2**63 elements or more: they cannot be counted")
    return size


@cache
def _most_entries() -> int:
    """Entries of 32 bytes (two coordinates, the key that sorts them, a value) that the machine's memory holds.

    More of them would not always fail: the system grants memory before it has it, and ends who then uses it.
    """
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        size = 0
    return size // 32 if size > 0 else 2**59  # whose bytes of i64 would pass what NumPy counts


@contextmanager
def room(count: int, what: str, hint: str = "what nearly all elements are is better the fill") -> Iterator[None]:
    """Around the making of ``count`` entries; raises ``ShapeError`` where they do not fit in memory."""
    try:
        if count >= _most_entries():
            raise MemoryError
        yield
    except MemoryError:
        raise ShapeError(f"{what} would store {count} entries, which do not fit in memory", hint=hint) from None


def ravelled(coords: Coords, shape: Sequence[int], count: int) -> np.ndarray:
    """Each entry's place in the flat tensor; raises ``ShapeError`` where places cannot be counted."""
    check_size(shape)
    key = np.zeros(count, np.int64)
    for c, n in zip(coords, shape, strict=True):
        key *= n
        key += c
    return key


def unravelled(key: np.ndarray, shape: Sequence[int]) -> list[np.ndarray]:
    """The inverse of ``ravelled``."""
    out = []
    for n in reversed(shape):
        key, c = np.divmod(key, max(n, 1))
        out.append(c)
    return out[::-1]


__all__ = [
    "Coords",
    "check_size",
    "format_like",
    "mapped",
    "pattern",
    "places",
    "ravelled",
    "rebuilt",
    "refilled",
    "room",
    "unravelled",
    "usual",
    "writable",
]
