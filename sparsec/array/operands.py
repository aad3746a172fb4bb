"""What may stand beside a ``Tensor`` in an expression, brought into three kinds: sparse, dense, number."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from sparsec import tensors
from sparsec.errors import IndexError_, ShapeError, TypeError_
from sparsec.ir.dtypes import BF16
from sparsec.runtime.outside import dense_source, operand_storage
from sparsec.tensors import Tensor

Operand = Any
"""A sparse ``Tensor``, a NumPy array of order 1 or more, or a number (Python's are weak, NumPy's have a dtype)."""


def as_dtype(dtype: Any, default: Any = np.float64) -> np.dtype:
    """A NumPy dtype from a name of the language or anything that NumPy takes.

    Raises ``TypeError_`` for what is no dtype, and for bf16, which NumPy lacks.
    """
    found = tensors.as_dtype(default if dtype is None else dtype)
    if found is BF16:
        raise TypeError_("NumPy has no bf16, nor its functions", hint="cast what they give: .astype('bf16')")
    return found.np


def is_sparse(x: object) -> bool:
    """Whether ``x`` is a ``Tensor`` that does not store all its entries."""
    return isinstance(x, Tensor) and not x.storage.format.is_dense


def operand(x: Any, name: str = "the operand", decode: bool = True) -> Operand:
    """``x`` as one of the three kinds; dense tensors and torch's are views.  Encoded values are decoded if asked, and
    composite tensors made one.

    Raises ``TypeError_`` for what is none, ``ShapeError`` for ragged lists.
    """
    if isinstance(x, bool | int | float | complex) and not isinstance(x, np.generic):
        return x
    storage = operand_storage(x)
    if storage is not None:
        tensor = x if isinstance(x, Tensor) else Tensor.over(storage)
        tensor = tensor.decoded() if decode else tensor
        if is_sparse(tensor):
            return tensor
        x = tensor.numpy()
    array, dtype = dense_source(x, name)
    if dtype.np != array.dtype or dtype.name == "bf16":
        from sparsec.ir.tensor_values import from_storage

        array = from_storage(array, dtype)
    return array if array.ndim else array[()]


def operands(given: Sequence[Any], decode: bool = True) -> tuple[Operand, ...]:
    return tuple(operand(x, decode=decode) for x in given)


def closed(given: Sequence[Any]) -> bool:
    """Whether what is not a number is a dense ``Tensor``: then a dense result is one, too."""
    kinds = [isinstance(x, Tensor) for x in given if not isinstance(x, bool | int | float | complex | np.generic)]
    return bool(kinds) and all(kinds) and not any(map(is_sparse, given))


def dense_result(array: Any, as_tensor: bool) -> Any:
    """A dense result: a ``Tensor`` where its operands were, else as it is."""
    if not as_tensor:
        return array
    from sparsec.runtime.entries import dense_storage

    return Tensor.over(dense_storage(np.asarray(array)))


def shape_of(x: Operand) -> tuple[int, ...]:
    return tuple(getattr(x, "shape", ()))


def dtype_of(x: Operand) -> Any:
    """The NumPy dtype, or Python's type for a weak number."""
    if isinstance(x, np.ndarray | np.generic | Tensor):
        return x.dtype
    return type(x)


def sparse_operand(x: Any) -> Any:
    """A ``Tensor``, sparse or dense, or a NumPy array (of order 0 for numbers): what functions of one array take."""
    if isinstance(x, Tensor):
        return x.decoded()
    found = operand(x)
    return found if isinstance(found, Tensor) else np.asarray(found)


def listed(x: Any) -> np.ndarray:
    """An array of places or counts, which a function goes through one by one: in NumPy, even if it is sparse."""
    found = operand(x)
    return found.numpy() if isinstance(found, Tensor) else np.asarray(found)


def broadcast_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """NumPy's rule, without its limit on the product; raises ``ShapeError`` naming the dimensions that disagree."""
    order = max(map(len, shapes), default=0)
    out = []
    for d in range(-order, 0):
        extents = {s[d] for s in shapes if len(s) >= -d} - {1}
        if len(extents) > 1:
            shown = " and ".join(map(str, shapes))
            raise ShapeError(f"shapes {shown} do not broadcast: dimension {d} has extents {sorted(extents)}")
        out.append(extents.pop() if extents else 1)
    return tuple(out)


def is_integer(value: Any) -> bool:
    """Whether ``value`` is one integer; an array, which may have ``__index__``, is none."""
    return isinstance(value, int | np.integer) or (hasattr(value, "__index__") and not hasattr(value, "shape"))


def integer(value: Any, what: str) -> int:
    """``value`` as Python's integer; raises ``TypeError_`` for what is none."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError_(f"{what} is an integer, not {value!r:.60}")


def axis_of(axis: Any, ndim: int) -> int:
    """An axis as 0 .. ndim - 1; raises ``IndexError_`` (as NumPy's AxisError, a ValueError and an IndexError)."""
    found = integer(axis, "an axis")
    if not -ndim <= found < ndim:
        raise IndexError_(f"axis {found} is outside the {ndim} dimension{'s' * (ndim != 1)} of the tensor")
    return found % ndim


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """An axis, several or None (all) as a sorted tuple; raises ``ShapeError`` for one that is named twice."""
    if axis is None:
        return tuple(range(ndim))
    found = [axis_of(a, ndim) for a in (axis if isinstance(axis, tuple | list) else (axis,))]
    if len(set(found)) < len(found):
        raise ShapeError(f"axis {axis} names a dimension twice")
    return tuple(sorted(found))


__all__ = [
    "Operand",
    "as_dtype",
    "axes_of",
    "axis_of",
    "broadcast_shape",
    "closed",
    "dense_result",
    "dtype_of",
    "integer",
    "is_integer",
    "is_sparse",
    "listed",
    "operand",
    "operands",
    "shape_of",
    "sparse_operand",
]
