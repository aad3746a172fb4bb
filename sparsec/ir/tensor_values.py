"""Values as the reference interpreter of tensor IR holds them, and what it folds along axes of arrays.

A value is a NumPy array of its type; bf16, which NumPy lacks, is held in f32 and stored as its bits in uint16.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sparsec.errors import TypeError_
from sparsec.ir import ops
from sparsec.ir.dtypes import BF16, BOOL, DType, round_bf16

Array = np.ndarray[Any, np.dtype[Any]]


def held(t: DType) -> np.dtype[Any]:
    """The NumPy type in which values of a type are held here."""
    return np.dtype(np.float32) if t is BF16 else t.np


def from_storage(a: Any, t: DType) -> Array:
    """A caller's array (a copy), as it is held here."""
    if t is not BF16:
        return np.array(a, dtype=t.np, order="C")
    a = np.asarray(a)
    if a.dtype == np.uint16:
        return np.asarray(a.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return round_to(np.array(a, np.float32, order="C"), t)


def to_storage(a: Array, t: DType) -> Array:
    """The array a caller sees."""
    return np.asarray(a.view(np.uint32) >> np.uint32(16)).astype(np.uint16) if t is BF16 else np.asarray(a)


def real_parts(a: Array) -> Array:
    """An array without complex numbers over the same memory: real and imaginary parts side by side."""
    return a.view(a.real.dtype) if a.dtype.kind == "c" else a


def round_to(a: Array, t: DType) -> Array:
    """f32 rounded to the nearest bf16, ties to even; other types as they are."""
    return round_bf16(a) if t is BF16 else a


def scalar(value: object, t: DType) -> Any:
    """A literal or fill of a type, as a NumPy scalar."""
    return round_to(held(t).type(value), t)[()]


def same_value(a: object, b: object) -> bool:
    """Equality of Python scalars in which NaN equals NaN (and -0.0 equals 0.0: an unstored zero has no sign)."""
    return bool(a == b) or (a != a and b != b)


def identity(monoid: str, t: DType) -> Any:
    """The identity of a built-in monoid as a NumPy scalar."""
    return held(t).type(ops.MONOIDS[monoid].identity(t))


def apply(op: str, args: tuple[Array, ...], t: DType) -> Array:
    """A scalar operator point by point, in type ``t``."""
    return np.asarray(ops.evaluate(op, args, t))


def fold(monoid: str, body: Array, axes: tuple[int, ...], t: DType) -> Array:
    """Fold with a built-in monoid; the axes become 1, an empty range gives the identity."""
    name = ops.MONOIDS[monoid].op
    assert name is not None
    function = ops.OPS[name].numpy
    assert isinstance(function, np.ufunc)
    begin = identity(monoid, t)
    out = function.reduce(body, axis=axes, keepdims=True, initial=begin, dtype=None if t is BOOL else held(t))
    return np.asarray(out).astype(held(t))


def combine(monoid: str, a: Array, b: Array, t: DType) -> Array:
    """One step of a fold with a built-in monoid."""
    name = ops.MONOIDS[monoid].op
    if name is None and monoid == "logsumexp":
        return np.logaddexp(a, b).astype(held(t))
    if name is None:
        raise TypeError_(f"there is no running '{monoid}'")
    return apply(name, (a, b), t)


def logsumexp(body: Array, mask: Array | None, axes: tuple[int, ...]) -> Array:
    """log of the sum of exp, computed around the greatest; -inf for nothing."""
    low = body.dtype.type(-np.inf)
    body = body if mask is None else np.where(mask, body, low)
    top = np.maximum.reduce(body, axis=axes, keepdims=True, initial=low)
    base = np.where(np.isinf(top), body.dtype.type(0), top)
    total = np.add.reduce(np.exp(body - base), axis=axes, keepdims=True)
    return np.asarray(np.where(np.isinf(top), top, np.log(total) + base).astype(body.dtype))


def first_best(monoid: str, body: Array, mask: Array | None, axes: tuple[int, ...]) -> Array:
    last = tuple(range(body.ndim - len(axes), body.ndim))
    kept = [a for a in range(body.ndim) if a not in axes]
    several = int(np.prod([body.shape[a] for a in axes], dtype=np.int64))
    moved = np.moveaxis(body, axes, last).reshape(*(body.shape[a] for a in kept), several)
    allowed = np.ones(body.shape, bool) if mask is None else mask
    allowed = np.moveaxis(allowed, axes, last).reshape(moved.shape)
    shape = tuple(1 if a in axes else n for a, n in enumerate(body.shape))
    if moved.shape[-1] == 0:
        return np.full(shape, -1, np.int64)
    # Dense ranks compare like the keys; a NaN is ranked before all.
    _, rank = np.unique(moved, return_inverse=True)
    rank = rank.reshape(moved.shape).astype(np.int64)
    rank = rank if monoid == "argmin" else -rank
    if moved.dtype.kind == "f":
        rank = np.where(np.isnan(moved), np.int64(-moved.size - 1), rank)
    rank = np.where(allowed, rank, np.int64(moved.size + 1))
    best = np.where(allowed.any(axis=-1), rank.argmin(axis=-1), -1)
    return np.asarray(best, np.int64).reshape(shape)


def points(body: Array, mask: Array | None, axes: tuple[int, ...]) -> Iterator[tuple[Array, Array | None]]:
    """The slices of extent 1 along ``axes``, row-major."""
    for at in np.ndindex(*(body.shape[a] for a in axes)):
        place: list[Any] = [slice(None)] * body.ndim
        for a, n in zip(axes, at, strict=True):
            place[a] = slice(n, n + 1)
        yield body[tuple(place)], None if mask is None else mask[tuple(place)]


__all__ = [
    "Array",
    "apply",
    "combine",
    "first_best",
    "fold",
    "from_storage",
    "held",
    "identity",
    "logsumexp",
    "points",
    "real_parts",
    "round_to",
    "same_value",
    "scalar",
    "to_storage",
]
