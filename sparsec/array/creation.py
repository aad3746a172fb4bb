"""New tensors: constants are a fill and no entries, ``eye`` and ``random`` their entries alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sparsec import tensors
from sparsec.array.operands import as_dtype, dense_result, integer
from sparsec.array.places import check_size, room, unravelled
from sparsec.errors import ShapeError, SparsecError, TypeError_
from sparsec.formats.format import Format
from sparsec.ir.dtypes import from_numpy
from sparsec.runtime.outside import dense_source
from sparsec.runtime.storage import as_fill, as_shape
from sparsec.tensors import Tensor, from_coo, tensor


def asarray(obj: Any, dtype: Any = None, format: str | Format | None = None, copy: bool | None = None) -> Tensor:
    """A ``Tensor`` of anything that ``sp.tensor`` takes, itself if it is one already.

    ``copy=True`` copies the memory, ``copy=False`` raises ``TypeError_`` where a copy would be needed.
    """
    made = tensor(obj)
    if dtype is not None and made.storage.dtype is not (wanted := tensors.as_dtype(dtype)):
        if copy is False:
            raise TypeError_(f"{made.storage.dtype} becomes {wanted} only in a copy", hint="leave out copy=False")
        made = made.astype(wanted)
    elif copy is False and not isinstance(obj, Tensor) and not _shares(made, obj):
        raise TypeError_("the object's memory cannot be shared", hint="leave out copy=False")
    if format is not None:
        converted = made.convert(format)
        if copy is False and converted is not made:
            raise TypeError_(f"{made.format} becomes {converted.format} only in a copy", hint="leave out copy=False")
        made = converted
    return made.copy() if copy else made


def from_dlpack(x: Any, copy: bool | None = None) -> Tensor:
    """A dense tensor over the memory of an object that has ``__dlpack__``; a copy where it is read-only or asked for.

    Raises ``TypeError_`` for objects that have none, and for memory on another device.
    """
    if not hasattr(x, "__dlpack__"):
        raise TypeError_(f"{type(x).__name__} has no __dlpack__", hint="sp.asarray takes other objects")
    try:
        array = np.from_dlpack(x, copy=copy)
    except (BufferError, ValueError, RuntimeError) as e:
        detached = "pass it with .detach()" if "gradient" in str(e) else None
        raise TypeError_(f"DLPack: {e}", hint=detached or "move it to the CPU first, or leave out copy=False") from None
    return tensor(array)


def _shares(made: Tensor, obj: Any) -> bool:
    if isinstance(obj, Tensor):
        return any(np.may_share_memory(a, b) for a in made.storage.buffers for b in obj.storage.buffers)
    try:
        memory = obj.data if hasattr(obj, "nnz") else dense_source(obj, "the object")[0]  # SciPy's sparse arrays
        return np.may_share_memory(made.storage.values, memory)
    except (TypeError, SparsecError):
        return False


def full(shape: Any, fill_value: Any, dtype: Any = None, format: str | Format | None = None) -> Tensor:
    """Every element ``fill_value``: a fill without entries, unless the ``format`` is dense."""
    extents = as_shape(shape)
    if not isinstance(fill_value, bool | int | float | complex | np.generic):
        fill_value = dense_source(fill_value, "fill_value")[0][()]
    kind = as_dtype(dtype, np.asarray(fill_value).dtype)
    if kind.kind in "iu" and isinstance(fill_value, int):
        as_fill(fill_value, from_numpy(kind))  # like NumPy: a Python integer is no wrapped one
    with np.errstate(over="ignore"):
        value = np.asarray(fill_value).astype(kind)[()]
    if kind.kind in "fc" and np.isinf(value):
        as_fill(fill_value, from_numpy(kind))  # says that a finite one does not fit
    if not extents or format == "dense":
        try:
            return tensor(np.full(extents, value))
        except (MemoryError, ValueError):
            raise ShapeError(f"a dense array of shape {extents} does not fit in memory") from None
    return from_coo(np.zeros((len(extents), 0), np.int64), np.zeros(0, kind), extents, format, value)


def zeros(shape: Any, dtype: Any = None, format: str | Format | None = None) -> Tensor:
    """Every element 0: no entry is stored, unless the ``format`` is dense."""
    return full(shape, 0, as_dtype(dtype), format)


def ones(shape: Any, dtype: Any = None, format: str | Format | None = None) -> Tensor:
    """Every element 1: the fill is 1 and no entry is stored, unless the ``format`` is dense."""
    return full(shape, 1, as_dtype(dtype), format)


def full_like(x: Any, fill_value: Any, dtype: Any = None, format: str | Format | None = None) -> Tensor:
    """``full`` in the shape and dtype of ``x``."""
    like = tensor(x)
    return full(like.shape, fill_value, as_dtype(dtype, like.dtype), format)


def zeros_like(x: Any, dtype: Any = None, format: str | Format | None = None) -> Tensor:
    """``zeros`` in the shape and dtype of ``x``."""
    return full_like(x, 0, dtype, format)


def ones_like(x: Any, dtype: Any = None, format: str | Format | None = None) -> Tensor:
    """``ones`` in the shape and dtype of ``x``."""
    return full_like(x, 1, dtype, format)


def eye(
    n_rows: int, n_cols: int | None = None, k: int = 0, dtype: Any = None, format: str | Format | None = "csr"
) -> Tensor:
    """Ones on the k-th diagonal of a matrix, nothing elsewhere."""
    rows, columns = as_shape((n_rows, n_rows if n_cols is None else n_cols))
    k = min(max(integer(k, "k"), -rows), columns)
    count = max(0, min(rows + min(k, 0), columns - max(k, 0)))
    kind = as_dtype(dtype)
    with room(count, "eye", "a product with it needs no matrix: c * A scales all entries, v[:, None] * A each row"):
        along = np.arange(count)
        coords = np.stack([along - min(k, 0), along + max(k, 0)])
        return from_coo(coords, np.ones(count, kind), (rows, columns), format)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Tensor:
    """Evenly spaced numbers, a dense vector."""
    if stop is None:
        start, stop = 0, start
    kind: Any = None if dtype is None else as_dtype(dtype)
    return _vector(np.arange, start, stop, step, kind)


def linspace(start: Any, stop: Any, num: int, dtype: Any = None, endpoint: bool = True) -> Tensor:
    """``num`` numbers between two, a dense vector."""
    kind = None if dtype is None else as_dtype(dtype)
    return _vector(np.linspace, start, stop, num, endpoint, dtype=kind)


def _vector(function: Callable[..., Any], *given: Any, **options: Any) -> Tensor:
    """What one of NumPy's functions makes, as a dense tensor; its errors are ours."""
    try:
        return dense_result(function(*given, **options), True)  # type: ignore[no-any-return]
    except ZeroDivisionError:
        raise ShapeError("steps of 0 lead nowhere", hint="pass a step other than 0") from None
    except (ValueError, MemoryError, OverflowError) as e:
        raise ShapeError(f"{function.__name__}: {e}", hint="the count is at least 0, and fits in memory") from None
    except TypeError as e:
        raise TypeError_(f"{function.__name__}: {e}", hint="pass numbers; the count is an integer") from None


def random(
    shape: Any,
    density: float = 0.01,
    dtype: Any = None,
    format: str | Format | None = None,
    fill_value: Any = 0,
    rng: Any = None,
    sampler: Callable[[int], Any] | None = None,
) -> Tensor:
    """Entries at random places: ``round(density * size)`` of them, uniform in [0, 1), or ``sampler(count)``.

    ``rng`` is a generator of NumPy, or its seed.  No dense array is made.
    """
    extents = as_shape(shape)
    if not isinstance(density, int | float | np.integer | np.floating):
        raise TypeError_(f"a density is a number, not {density!r:.60}", hint="it lies between 0 and 1")
    if not 0 <= density <= 1:
        raise ShapeError(f"a density lies between 0 and 1, not at {density}")
    size = check_size(extents)
    try:
        generator = np.random.default_rng(rng)
    except (TypeError, ValueError) as e:
        raise TypeError_(f"rng: {e}", hint="pass a generator of NumPy, an integer of at least 0 or None") from None
    count = round(density * size)
    kind = as_dtype(dtype)
    if sampler is not None and not callable(sampler):
        raise TypeError_(f"sampler: {sampler!r:.60} is no function", hint="it takes a number and gives so many values")
    with room(count, "random", "make the density less"):
        values = np.asarray(generator.random(count) if sampler is None else sampler(count))
        if sampler is None and kind.kind in "iub":
            most = 2 if kind.kind == "b" else min(np.iinfo(kind).max, 2**31)
            values = generator.integers(0, most, count, endpoint=True)
            values = values % 2 if kind.kind == "b" else values
        places = distinct(generator, count, size)
        coords = np.array(unravelled(places, extents)).reshape(len(extents), count)
        return from_coo(coords, values.astype(kind), extents, format, fill_value)


def distinct(generator: np.random.Generator, count: int, size: int) -> np.ndarray:
    """``count`` different numbers below ``size``, sorted: drawn again where they met, or what is left out is drawn."""
    if count * 2 > size:
        left_out = np.ones(size, bool)
        left_out[distinct(generator, size - count, size)] = False
        return np.flatnonzero(left_out)
    found = np.unique(generator.integers(0, max(size, 1), count))
    while len(found) < count:
        more = generator.integers(0, size, math.ceil((count - len(found)) * 1.1) + 1)
        found = np.unique(np.concatenate([found, more]))
        if len(found) > count:
            found = np.sort(generator.choice(found, count, replace=False))
    return found


__all__ = [
    "arange",
    "as_dtype",
    "asarray",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "random",
    "zeros",
    "zeros_like",
]
