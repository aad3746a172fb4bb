"""What a caller passes to what a kernel takes: dtypes, formats, fills and extents checked, nothing copied that fits.

An operand that the program declares dense enters with whatever strides it has: the kernel is compiled for row-major,
column-major or strided storage of it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsec.conversion import convert, fits
from sparsec.errors import FormatError, ShapeError, TypeError_
from sparsec.formats.dense import Dense
from sparsec.formats.format import Format
from sparsec.formats.named import dense, from_levels
from sparsec.ir.dtypes import BF16, DType
from sparsec.ir.ops import cast_value
from sparsec.ir.tensor import TensorDecl
from sparsec.ir.tensor_values import from_storage, to_storage
from sparsec.knobs import knobs
from sparsec.runtime.address import address
from sparsec.runtime.entries import dense_view, from_dense
from sparsec.runtime.outside import dense_source, operand_storage, own_fill
from sparsec.runtime.storage import Storage


@dataclass(frozen=True, slots=True)
class Bound:
    """An operand of one call: the format it is compiled for, its numbers in slot order, and what keeps them valid."""

    layout: Format
    shape: tuple[int, ...]
    numbers: list[int]
    keep: Storage | np.ndarray

    def arrays(self) -> list[np.ndarray]:
        """The buffers in slot order; a dense one in its own shape, for a flat one might be a copy."""
        return self.keep.buffers if isinstance(self.keep, Storage) else [self.keep]


def bind(t: TensorDecl, given: Any, *, contiguous: bool = False) -> Bound:
    """The operand ``t`` from what the caller passed.

    ``contiguous`` asks for row-major storage.  Raises ``TypeError_`` for another dtype, ``FormatError`` for another
    fill, ``ShapeError`` for another order.
    """
    assert t.format is not None
    storage = operand_storage(given)
    if storage is None:
        array = array_for(t, given)
        if t.format.values is not None:
            raise _not_encoded(t)
        if t.format.is_dense:
            return bind_array(t, array, contiguous)
        _check_order(t, array.ndim)
        return _bind_storage(t, from_dense(array, t.format, t.fill, t.dtype))
    if storage.parts:
        raise FormatError(
            f"operand '{t.name}' is declared '{t.format.label}', and is stored as '{storage.format.label}'",
            hint=f"declare it so, or ask for what it is the sum or product of: {t.name}.convert('{t.format.label}')",
        )
    if knobs().checks("bounds"):  # somebody may have written into its arrays
        storage.validate(f"operand '{t.name}'")
    _check_order(t, len(storage.shape))
    _check_dtype(t, storage.dtype, given)
    if own_fill(given) and not _same(storage.fill, t.fill):
        raise FormatError(
            f"operand '{t.name}' has fill value {storage.fill}, the program declares {t.fill}",
            hint=f"declare it with fill({storage.fill})",
        )
    if t.format.is_dense and t.format.values is None:
        return bind_array(t, dense_view(convert(storage, dense(t.ndim))), contiguous)
    return _bind_storage(t, storage)


def composite(t: TensorDecl, given: Any) -> Storage:
    """The storage of an operand that is declared composite.

    Raises ``FormatError`` for one that is not stored so, ``TypeError_`` and ``ShapeError`` as ``bind``.
    """
    assert t.format is not None
    storage = operand_storage(given)
    if storage is None or not fits(storage.format, t.format):
        raise FormatError(
            f"operand '{t.name}' is declared '{t.format.label}', and is stored otherwise",
            hint=f"sp.compose('{t.format}', parts) makes one; {t.name}.convert(..., lossy=True) takes another apart",
        )
    _check_order(t, len(storage.shape))
    _check_dtype(t, storage.dtype, given)
    return storage


def _not_encoded(t: TensorDecl) -> FormatError:
    assert t.format is not None
    return FormatError(
        f"operand '{t.name}' is declared '{t.format.label}', and is stored otherwise: encoding it would lose digits",
        hint=f"{t.name}.convert('{t.format.label}', lossy=True) encodes it, and says the error it makes",
    )


def _bind_storage(t: TensorDecl, storage: Storage) -> Bound:
    assert t.format is not None
    if t.format.values is not None and not fits(storage.format, t.format):
        raise _not_encoded(t)
    if not fits(storage.format, t.format):
        storage = convert(storage, t.format)
    return Bound(storage.format.normal(), storage.shape, storage.addresses, storage)


def bind_array(t: TensorDecl, array: np.ndarray, contiguous: bool = False) -> Bound:
    """A dense operand over ``array``, without a copy unless its elements are not whole and aligned."""
    _check_order(t, array.ndim)
    if not array.flags.aligned or any(s % array.itemsize for s in array.strides):
        array = array.copy()
    if contiguous and t.ndim:
        array = np.ascontiguousarray(array)
    if not t.ndim or array.flags.c_contiguous:
        return Bound(row_major(t.ndim), array.shape, [address(array)], array)
    if array.flags.f_contiguous:
        return Bound(column_major(t.ndim), array.shape, [address(array)], array)
    steps = [s // array.itemsize for s in array.strides]
    return Bound(strided(t.ndim), array.shape, [*steps, address(array)], array)


def row_major(order: int) -> Format:
    return dense(order).normal()


def column_major(order: int) -> Format:
    return from_levels(None, (Dense(),) * order, tuple(reversed(range(order)))).normal()


def strided(order: int) -> Format:
    return from_levels(None, (Dense(strided=True),) * order).normal()


def array_for(t: TensorDecl, given: Any) -> np.ndarray:
    """A NumPy array of the declared dtype over what the caller passed; Python's numbers and lists are cast."""
    array, dtype = dense_source(given, f"operand '{t.name}'")
    if dtype is t.dtype:
        return array if array.dtype.isnative else array.astype(t.dtype.np)
    if hasattr(given, "dtype") and array.ndim:
        _check_dtype(t, dtype, given)
    cast = converted(array, dtype, t.dtype)
    if cast is None:
        raise TypeError_(f"operand '{t.name}' is declared {t.dtype}: {given!r:.60} does not fit")
    if dtype.is_integer and t.dtype.kind in "fc":
        lost = _inexact(array, from_storage(cast, t.dtype), t.dtype)
        if lost is not None:
            raise TypeError_(
                f"operand '{t.name}' is declared {t.dtype}, which does not hold the integer {lost} to its last digit",
                hint=f"pass a float to have it rounded, or declare {t.name}: {dtype}",
            )
    return cast


def _inexact(integers: np.ndarray, floats: np.ndarray, to: DType) -> int | None:
    """The first of ``integers`` that is not kept among ``floats``, what they are in the dtype ``to``."""
    bound = 2 ** (8 if to is BF16 else np.finfo(to.np).nmant + 1)  # from here on some integers are left out
    large = integers > bound
    if integers.dtype.kind == "i":
        large |= integers < -bound
    pairs = zip(integers[large].tolist(), floats[large].real.tolist(), strict=True)
    return next((n for n, x in pairs if n != x), None)  # Python compares integers and floats exactly


def converted(array: np.ndarray, dtype: DType, to: DType) -> np.ndarray | None:
    """The numbers of ``array`` in another dtype, as stored; None if some number does not fit.

    Floats are rounded, but finite ones stay finite; integers and bools stay what they are.
    """
    if dtype.kind == "c" and to.kind != "c" or dtype.kind == "f" and to.kind not in "fc":
        return None
    with np.errstate(all="ignore"):
        held = from_storage(array, dtype)
        cast = cast_value(held, to)
        fits = (held == cast) if to.kind in "biu" else np.isfinite(cast) | ~np.isfinite(held)
    return to_storage(cast, to) if np.all(fits) else None


def _check_dtype(t: TensorDecl, found: DType, given: Any) -> None:
    if found != t.dtype:
        # NumPy has no bf16, and would take the name of what it is stored as for a cast of the values.
        cast = f"sp.tensor({t.name}).astype('bf16')" if t.dtype is BF16 else f"{t.name}.astype('{t.dtype.np}')"
        if (torch := sys.modules.get("torch")) and isinstance(given, torch.Tensor):
            cast = f"{t.name}.to(torch.{'bfloat16' if t.dtype is BF16 else t.dtype.np})"
        raise TypeError_(
            f"operand '{t.name}' is declared {t.dtype} and has dtype {found}",
            hint=f"cast it: {cast}, or declare {t.name}: {found}[...]",
        )


def _check_order(t: TensorDecl, found: int) -> None:
    if found != t.ndim:
        raise ShapeError(
            f"operand '{t.name}' has {found} dimension{'s' * (found != 1)}, its declaration {t.ndim} "
            f"({', '.join(map(str, t.dims)) or 'a scalar'})"
        )


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))


def shape_of(t: TensorDecl, dims: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of a tensor once the named dimensions are known."""
    return tuple(d if isinstance(d, int) else dims[d] for d in t.dims)


__all__ = ["Bound", "array_for", "bind", "bind_array", "composite", "row_major", "shape_of"]
