"""The array API standard (2025.12) over ``Tensor``: what ``A.__array_namespace__()`` gives.

Every function takes and gives tensors, dense ones and scalars among them; sparse operands stay sparse.  ``zeros``,
``ones``, ``full``, ``empty`` and ``eye`` are dense here, since generic code writes into them; ``format=`` makes them
sparse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from sparsec.array import creation, elementwise, indexing, joining, products, reductions, searching, shapes
from sparsec.array.dtypes import (
    Info,
    bool_,
    can_cast,
    complex64,
    complex128,
    finfo,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    isdtype,
    on_cpu,
    result_type,
    uint8,
    uint16,
    uint32,
    uint64,
)
from sparsec.array.fft import fft
from sparsec.array.linalg import linalg
from sparsec.array.operands import broadcast_shape, dense_result
from sparsec.array.pointwise import apply
from sparsec.errors import ShapeError, TypeError_
from sparsec.tensors import Tensor

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")
__array_api_version__ = VERSIONS[-1]
bool = bool_
e, inf, nan, pi, newaxis = np.e, np.inf, np.nan, np.pi, None


def __array_namespace_info__() -> Info:
    """Capabilities, devices and dtypes."""
    return Info()


def _tensors(made: Any) -> Any:
    """Dense results as tensors, in tuples too."""
    if isinstance(made, np.ndarray | np.generic):
        return dense_result(made, True)
    if isinstance(made, tuple):
        parts = [_tensors(m) for m in made]
        return type(made)(*parts) if hasattr(made, "_fields") else tuple(parts)
    return made


def _closed(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` whose dense results are tensors."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        return _tensors(function(*args, **options))

    return call


# elementwise


def _ufunc(name: str, ufunc: np.ufunc) -> Callable[..., Any]:
    if ufunc.nin == 1:

        def one(x: Any, /) -> Any:
            return _tensors(apply(ufunc, x))

        made: Callable[..., Any] = one
    else:

        def two(x1: Any, x2: Any, /) -> Any:
            return _tensors(apply(ufunc, x1, x2))

        made = two
    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"``np.{ufunc.__name__}``, point by point."
    return made


abs = _ufunc("abs", np.abs)
acos = _ufunc("acos", np.acos)
acosh = _ufunc("acosh", np.acosh)
add = _ufunc("add", np.add)
asin = _ufunc("asin", np.asin)
asinh = _ufunc("asinh", np.asinh)
atan = _ufunc("atan", np.atan)
atan2 = _ufunc("atan2", np.atan2)
atanh = _ufunc("atanh", np.atanh)
bitwise_and = _ufunc("bitwise_and", np.bitwise_and)
bitwise_invert = _ufunc("bitwise_invert", np.bitwise_invert)
bitwise_left_shift = _ufunc("bitwise_left_shift", np.bitwise_left_shift)
bitwise_or = _ufunc("bitwise_or", np.bitwise_or)
bitwise_right_shift = _ufunc("bitwise_right_shift", np.bitwise_right_shift)
bitwise_xor = _ufunc("bitwise_xor", np.bitwise_xor)
conj = _ufunc("conj", np.conj)
copysign = _ufunc("copysign", np.copysign)
cos = _ufunc("cos", np.cos)
cosh = _ufunc("cosh", np.cosh)
divide = _ufunc("divide", np.divide)
equal = _ufunc("equal", np.equal)
exp = _ufunc("exp", np.exp)
expm1 = _ufunc("expm1", np.expm1)
floor_divide = _ufunc("floor_divide", np.floor_divide)
greater = _ufunc("greater", np.greater)
greater_equal = _ufunc("greater_equal", np.greater_equal)
hypot = _ufunc("hypot", np.hypot)
isfinite = _ufunc("isfinite", np.isfinite)
isinf = _ufunc("isinf", np.isinf)
isnan = _ufunc("isnan", np.isnan)
less = _ufunc("less", np.less)
less_equal = _ufunc("less_equal", np.less_equal)
log = _ufunc("log", np.log)
log10 = _ufunc("log10", np.log10)
log1p = _ufunc("log1p", np.log1p)
log2 = _ufunc("log2", np.log2)
logaddexp = _ufunc("logaddexp", np.logaddexp)
logical_and = _ufunc("logical_and", np.logical_and)
logical_not = _ufunc("logical_not", np.logical_not)
logical_or = _ufunc("logical_or", np.logical_or)
logical_xor = _ufunc("logical_xor", np.logical_xor)
maximum = _ufunc("maximum", np.maximum)
minimum = _ufunc("minimum", np.minimum)
multiply = _ufunc("multiply", np.multiply)
negative = _ufunc("negative", np.negative)
nextafter = _ufunc("nextafter", np.nextafter)
not_equal = _ufunc("not_equal", np.not_equal)
positive = _ufunc("positive", np.positive)
pow = _ufunc("pow", np.pow)
reciprocal = _ufunc("reciprocal", np.reciprocal)
remainder = _ufunc("remainder", np.remainder)
sign = _ufunc("sign", np.sign)
signbit = _ufunc("signbit", np.signbit)
sin = _ufunc("sin", np.sin)
sinh = _ufunc("sinh", np.sinh)
sqrt = _ufunc("sqrt", np.sqrt)
square = _ufunc("square", np.square)
subtract = _ufunc("subtract", np.subtract)
tan = _ufunc("tan", np.tan)
tanh = _ufunc("tanh", np.tanh)


def _rounding(name: str) -> Callable[..., Any]:
    ufunc: np.ufunc = getattr(np, name)

    def rounded(x: Any, /) -> Any:
        return _tensors(x if x.dtype.kind in "biu" else apply(ufunc, x))

    rounded.__name__ = rounded.__qualname__ = name
    rounded.__doc__ = f"``np.{name}``; integers stay as they are."
    return rounded


ceil, floor, trunc = map(_rounding, ("ceil", "floor", "trunc"))


@_closed
def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """Held between two bounds, which broadcast; None is none."""
    return elementwise.clip(x, min, max)


@_closed
def round(x: Any, /) -> Any:
    """To whole numbers, halves to even."""
    return elementwise.around(x)


@_closed
def real(x: Any, /) -> Any:
    """The real part."""
    return elementwise.real(x)


@_closed
def imag(x: Any, /) -> Any:
    """The imaginary part."""
    return elementwise.imag(x)


# creation


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None, format: Any = None) -> Tensor:
    """A tensor of anything that ``sp.tensor`` takes; nested sequences may hold scalar tensors."""
    on_cpu(device)
    if isinstance(obj, list | tuple):
        obj = _numbers(obj)
    return creation.asarray(obj, dtype, format, copy)


def _numbers(obj: Any) -> Any:
    if isinstance(obj, list | tuple):
        return [_numbers(o) for o in obj]
    return obj.numpy()[()] if isinstance(obj, Tensor) and not obj.ndim else obj


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Evenly spaced numbers."""
    on_cpu(device)
    return creation.arange(start, stop, step, dtype)


def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: Any = True
) -> Tensor:
    """``num`` numbers between two."""
    on_cpu(device)
    return creation.linspace(start, stop, num, dtype, endpoint)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, format: Any = "dense") -> Tensor:
    """Every element ``fill_value``."""
    on_cpu(device)
    return creation.full(shape, fill_value, dtype, format)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None, format: Any = "dense") -> Tensor:
    """Every element 0."""
    on_cpu(device)
    return creation.zeros(shape, dtype, format)


def ones(shape: Any, *, dtype: Any = None, device: Any = None, format: Any = "dense") -> Tensor:
    """Every element 1."""
    on_cpu(device)
    return creation.ones(shape, dtype, format)


def empty(shape: Any, *, dtype: Any = None, device: Any = None, format: Any = "dense") -> Tensor:
    """Every element 0: nothing here is left to chance."""
    return zeros(shape, dtype=dtype, device=device, format=format)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None, format: Any = "dense") -> Tensor:
    """``full`` in the shape and dtype of ``x``."""
    on_cpu(device)
    return creation.full_like(x, fill_value, dtype, format)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None, format: Any = "dense") -> Tensor:
    """``zeros`` in the shape and dtype of ``x``."""
    return full_like(x, 0, dtype=dtype, device=device, format=format)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None, format: Any = "dense") -> Tensor:
    """``ones`` in the shape and dtype of ``x``."""
    return full_like(x, 1, dtype=dtype, device=device, format=format)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None, format: Any = "dense") -> Tensor:
    """``empty`` in the shape and dtype of ``x``."""
    return full_like(x, 0, dtype=dtype, device=device, format=format)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,
    format: Any = "dense",
) -> Tensor:
    """Ones on a diagonal."""
    on_cpu(device)
    return creation.eye(n_rows, n_cols, k, dtype, format)


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Tensor:
    """A dense tensor over the memory of another library's."""
    on_cpu(device)
    return creation.from_dlpack(x, copy)


def meshgrid(*arrays: Any, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Coordinate matrices of vectors: dense."""
    if indexing not in ("xy", "ij"):
        raise TypeError_(f"indexing is 'xy' or 'ij', not {indexing!r}")
    parts = [a.numpy() for a in arrays]
    return tuple(dense_result(m, True) for m in np.meshgrid(*parts, indexing=indexing))  # type: ignore[call-overload]


@_closed
def tril(x: Any, /, *, k: int = 0) -> Any:
    """What lies on and below a diagonal."""
    return shapes.tril(x, k)


@_closed
def triu(x: Any, /, *, k: int = 0) -> Any:
    """What lies on and above a diagonal."""
    return shapes.triu(x, k)


def astype(x: Any, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Tensor:
    """The values and the fill in another dtype."""
    on_cpu(device)
    if x.dtype == dtype:
        return x.copy() if copy else x  # type: ignore[no-any-return]
    return x.astype(dtype)  # type: ignore[no-any-return]


# products


@_closed
def matmul(x1: Any, x2: Any, /) -> Any:
    """The matrix product."""
    return products.matmul(x1, x2)


def matrix_transpose(x: Any, /) -> Any:
    """The last two dimensions swapped."""
    return shapes.matrix_transpose(x)


@_closed
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """The sum of products over pairs of dimensions."""
    return products.tensordot(x1, x2, axes)


@_closed
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The inner product along one dimension, the first operand conjugated."""
    return products.vecdot(x1, x2, axis)


# moving


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """All of one shape."""
    return shapes.broadcast_arrays(*arrays)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape to which these broadcast."""
    return broadcast_shape([tuple(s) for s in shapes])


def broadcast_to(x: Any, /, shape: Any) -> Any:
    """Repeated along dimensions of extent 1 and new leading ones."""
    return shapes.broadcast_to(x, shape)


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
    """Joined along an axis."""
    return joining.concat(arrays, axis)


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Any:
    """Joined along a new dimension."""
    return joining.stack(arrays, axis)


@_closed
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    """The slices along an axis."""
    return joining.unstack(x, axis)


def expand_dims(x: Any, /, axis: Any) -> Any:
    """With new dimensions of extent 1."""
    return shapes.expand_dims(x, axis)


def flip(x: Any, /, *, axis: Any = None) -> Any:
    """Backwards along axes."""
    return shapes.flip(x, axis)


def moveaxis(x: Any, source: Any, destination: Any, /) -> Any:
    """Dimensions moved to other places."""
    return shapes.moveaxis(x, source, destination)


def permute_dims(x: Any, /, axes: Any) -> Any:
    """The dimensions in another order."""
    return shapes.permute_dims(x, axes)


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Each element several times."""
    return shapes.repeat(x, repeats, axis)


def reshape(x: Any, /, shape: Any, *, copy: Any = None) -> Any:
    """The elements in row-major order in another shape."""
    return shapes.reshape(x, shape, copy=copy)


def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Any:
    """Moved along axes, around their ends."""
    return shapes.roll(x, shift, axis)


@_closed
def squeeze(x: Any, /, axis: Any) -> Any:
    """Without dimensions of extent 1."""
    return shapes.squeeze(x, axis)


def tile(x: Any, repetitions: Any, /) -> Any:
    """Copies side by side."""
    return shapes.tile(x, repetitions)


@_closed
def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """Slices along an axis, by their numbers."""
    if axis is None and x.ndim != 1:
        raise ShapeError("take of several dimensions needs an axis")
    return indexing.take(x, indices, axis)


@_closed
def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """The elements that indices name along an axis."""
    return indexing.take_along_axis(x, indices, axis)


# searching, sorting, sets


@_closed
def argmax(x: Any, /, *, axis: int | None = None, keepdims: Any = False) -> Any:
    """The place of the greatest element."""
    return searching.argmax(x, axis, keepdims)


@_closed
def argmin(x: Any, /, *, axis: int | None = None, keepdims: Any = False) -> Any:
    """The place of the least element."""
    return searching.argmin(x, axis, keepdims)


@_closed
def count_nonzero(x: Any, /, *, axis: Any = None, keepdims: Any = False) -> Any:
    """How many elements differ from 0."""
    return reductions.count_nonzero(x, axis, keepdims)


@_closed
def nonzero(x: Any, /) -> Any:
    """The coordinates of the elements that differ from 0."""
    return searching.nonzero(x)


@_closed
def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """Where values belong in a sorted vector."""
    return searching.searchsorted(x1, x2, side, sorter)


@_closed
def where(condition: Any, x1: Any, x2: Any, /) -> Any:
    """The first where the condition holds, else the second."""
    return searching.where(condition, x1, x2)


@_closed
def isin(x1: Any, x2: Any, /, *, invert: Any = False) -> Any:
    """Which elements are among others."""
    found = searching.isin(x1, x2)
    return apply(np.logical_not, found) if invert else found


@_closed
def unique_all(x: Any, /) -> Any:
    """The different elements, their first places, everything's number among them, counts."""
    return searching.unique_all(x)


@_closed
def unique_counts(x: Any, /) -> Any:
    """The different elements, and how often each occurs."""
    return searching.unique_counts(x)


@_closed
def unique_inverse(x: Any, /) -> Any:
    """The different elements, and everything's number among them."""
    return searching.unique_inverse(x)


@_closed
def unique_values(x: Any, /) -> Any:
    """The different elements."""
    return searching.unique_values(x)


@_closed
def argsort(x: Any, /, *, axis: int = -1, descending: Any = False, stable: Any = True) -> Any:
    """The places that sort an axis."""
    return searching.argsort(x, axis, descending, stable)


@_closed
def sort(x: Any, /, *, axis: int = -1, descending: Any = False, stable: Any = True) -> Any:
    """Sorted along an axis."""
    return searching.sort(x, axis, descending)


# statistics


@_closed
def sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    """The sum along axes."""
    return reductions.reduce("sum", x, axis, dtype, keepdims)


@_closed
def prod(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    """The product along axes."""
    return reductions.reduce("prod", x, axis, dtype, keepdims)


@_closed
def max(x: Any, /, *, axis: Any = None, keepdims: Any = False) -> Any:
    """The greatest element along axes."""
    return reductions.reduce("max", x, axis, None, keepdims)


@_closed
def min(x: Any, /, *, axis: Any = None, keepdims: Any = False) -> Any:
    """The least element along axes."""
    return reductions.reduce("min", x, axis, None, keepdims)


@_closed
def all(x: Any, /, *, axis: Any = None, keepdims: Any = False) -> Any:
    """Whether every element differs from 0."""
    return reductions.reduce("all", x, axis, None, keepdims)


@_closed
def any(x: Any, /, *, axis: Any = None, keepdims: Any = False) -> Any:
    """Whether some element differs from 0."""
    return reductions.reduce("any", x, axis, None, keepdims)


@_closed
def mean(x: Any, /, *, axis: Any = None, keepdims: Any = False) -> Any:
    """The mean along axes."""
    return reductions.mean(x, axis, None, keepdims)


@_closed
def var(x: Any, /, *, axis: Any = None, correction: Any = 0.0, keepdims: Any = False) -> Any:
    """The variance along axes."""
    return reductions.var(x, axis, None, correction, keepdims)


@_closed
def std(x: Any, /, *, axis: Any = None, correction: Any = 0.0, keepdims: Any = False) -> Any:
    """The standard deviation along axes."""
    return reductions.std(x, axis, None, correction, keepdims)


@_closed
def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: Any = False) -> Any:
    """Running sums along an axis: dense."""
    return searching.cumulative(x, axis, dtype, include_initial, product=False)


@_closed
def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: Any = False) -> Any:
    """Running products along an axis: dense."""
    return searching.cumulative(x, axis, dtype, include_initial, product=True)


@_closed
def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along an axis, ``n`` times."""
    parts = [p for p in (prepend, x, append) if p is not None]
    return searching.diff(joining.concat(parts, axis) if len(parts) > 1 else x, axis, n)


__all__ = [
    "abs", "acos", "acosh", "add", "all", "any", "arange", "argmax", "argmin", "argsort", "asarray", "asin",
    "asinh", "astype", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert", "bitwise_left_shift",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bool", "broadcast_arrays", "broadcast_shapes",
    "broadcast_to", "can_cast", "ceil", "clip", "complex128", "complex64", "concat", "conj", "copysign", "cos",
    "cosh", "count_nonzero", "cumulative_prod", "cumulative_sum", "diff", "divide", "e", "empty", "empty_like",
    "equal", "exp", "expand_dims", "expm1", "eye", "fft", "finfo", "flip", "float32", "float64", "floor",
    "floor_divide", "from_dlpack", "full", "full_like", "greater", "greater_equal", "hypot", "iinfo", "imag",
    "inf", "int16", "int32", "int64", "int8", "isdtype", "isfinite", "isin", "isinf", "isnan", "less",
    "less_equal", "linalg", "linspace", "log", "log10", "log1p", "log2", "logaddexp", "logical_and",
    "logical_not", "logical_or", "logical_xor", "matmul", "matrix_transpose", "max", "maximum", "mean",
    "meshgrid", "min", "minimum", "moveaxis", "multiply", "nan", "negative", "newaxis", "nextafter", "nonzero",
    "not_equal", "ones", "ones_like", "permute_dims", "pi", "positive", "pow", "prod", "real", "reciprocal",
    "remainder", "repeat", "reshape", "result_type", "roll", "round", "searchsorted", "sign", "signbit", "sin",
    "sinh", "sort", "sqrt", "square", "squeeze", "stack", "std", "subtract", "sum", "take", "take_along_axis",
    "tan", "tanh", "tensordot", "tile", "tril", "triu", "trunc", "uint16", "uint32", "uint64", "uint8",
    "unique_all", "unique_counts", "unique_inverse", "unique_values", "unstack", "var", "vecdot", "where",
    "zeros", "zeros_like",
]  # fmt: skip
