"""Reductions along axes: a statement each, run over the stored entries.

Where absent entries are neutral (0 under a sum) or fold into one (0 under ``max``) the statement says all.  Elsewhere
the stored part is reduced before a neutral background, and what the k absent entries of a fibre add, ``k * fill`` under
a sum and ``fill ** k`` under a product, follows from how many are stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsec.array.operands import as_dtype, axes_of, dense_result, dtype_of, is_sparse, sparse_operand
from sparsec.array.places import check_size, mapped, pattern, refilled, usual, writable
from sparsec.array.pointwise import apply, select
from sparsec.array.statements import access, letters, run, target
from sparsec.errors import ShapeError, TypeError_
from sparsec.formats.format import Format
from sparsec.formats.named import dense
from sparsec.ir import ops
from sparsec.ir.dtypes import I64, from_numpy
from sparsec.tensors import Tensor, automatic, few


@dataclass(frozen=True, slots=True)
class Reduction:
    """One reduction: its monoid in the IR, its word in the language, NumPy's function for dense arrays.

    ``repeat`` gives what k times the same value fold to, k > 0; ``join`` folds two values.
    """

    monoid: str
    word: str
    numpy: Callable[..., Any]
    join: np.ufunc
    repeat: Callable[[Any, Any], Any]


REDUCTIONS = {
    "sum": Reduction("add", "sum", np.sum, np.add, lambda value, k: value * k),
    "prod": Reduction("mul", "prod", np.prod, np.multiply, lambda value, k: value**k),
    "min": Reduction("min", "min", np.min, np.minimum, lambda value, k: value),
    "max": Reduction("max", "max", np.max, np.maximum, lambda value, k: value),
    "any": Reduction("or", "any", np.any, np.logical_or, lambda value, k: value),
    "all": Reduction("and", "all", np.all, np.logical_and, lambda value, k: value),
}


def reduce(name: str, x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """``x`` reduced along an axis, several or all (None).

    Vectors and scalars are dense (``resulting`` says when not), other results of sparse tensors sparse.  Raises
    ``ShapeError`` for a wrong axis and for ``min`` and ``max`` of nothing, ``TypeError_`` for dtypes without an order.
    """
    how = REDUCTIONS[name]
    t = x if _of_parts(name, x, dtype) else sparse_operand(x)
    axes = axes_of(axis, t.ndim)
    if name in ("min", "max"):
        _check_ordered(name, t, axes)
    out = _dtype(name, t.dtype, dtype)
    if not is_sparse(t):
        options = {} if name in ("min", "max", "any", "all") else {"dtype": out}
        with np.errstate(all="ignore"):
            array = how.numpy(np.asarray(t), axis=axes, keepdims=keepdims, **options)
        return dense_result(array, isinstance(x, Tensor))
    if name in ("any", "all") and t.dtype != bool:
        t = apply(np.not_equal, t, 0)
    return restored(_folded(how, t, axes, out) if axes else _cast(t, out), axes, t.ndim, keepdims)


def _of_parts(name: str, x: Any, dtype: Any) -> bool:
    """Whether a kernel reduces the parts of a composite tensor, which are all of the result's type."""
    composite = isinstance(x, Tensor) and bool(x.storage.parts)
    return composite and dtype is None and name in ("sum", "min", "max") and x.dtype.kind in "fc"


def _check_ordered(name: str, t: Any, axes: tuple[int, ...]) -> None:
    if t.dtype.kind == "c":
        raise TypeError_(f"complex numbers have no order: '{name}' of {t.dtype}", hint="take real(...) or abs(...)")
    if any(t.shape[d] == 0 for d in axes):
        raise ShapeError(f"'{name}' along an axis of extent 0 has no value", hint=f"the shape is {t.shape}")


def _dtype(name: str, given: np.dtype, wanted: Any) -> np.dtype:
    """The dtype of the result: NumPy's sums and products of small integers are wide."""
    if name in ("any", "all"):
        return np.dtype(bool)
    if wanted is not None:
        return as_dtype(wanted)
    if name in ("sum", "prod") and given.kind in "bi" and given.itemsize <= 8:
        return np.dtype(np.int64)
    return np.dtype(np.uint64) if name in ("sum", "prod") and given.kind == "u" else given


def _cast(t: Tensor, dtype: np.dtype) -> Tensor:
    return t if t.dtype == dtype else t.astype(dtype)


def _folded(how: Reduction, t: Tensor, axes: tuple[int, ...], out: np.dtype) -> Any:
    """The reduction of a sparse tensor, without the reduced dimensions."""
    t = _cast(t, out)
    monoid = ops.MONOIDS[how.monoid]
    kind = from_numpy(out)
    neutral = monoid.identity(kind)
    kept = tuple(n for d, n in enumerate(t.shape) if d not in axes)
    # What absent entries fold to is written in every fibre: where the result has no room for them, it is a background.
    everywhere = monoid.idempotent and usual(t.fill_value) and resulting(kept, t.nnz).is_dense
    if t.fill_value == neutral or everywhere:
        return reduced(how.word, t, axes, out, t.fill_value)
    stored = reduced(how.word, refilled(t, neutral), axes, out, neutral)
    extent = _extent(t, axes)
    absent = apply(np.subtract, extent, counted(t, axes))
    zero = monoid.annihilator
    if zero is not None and t.fill_value == zero:  # one absent element decides: the others may pass to infinity
        return select(apply(np.greater, absent, 0), out.type(zero), stored)
    fill, repeat = kind.np.type(t.fill_value), how.repeat

    def share(k: Any) -> Any:
        with np.errstate(all="ignore"):
            # In f16 the number itself may overflow; wide here, and rounded once.
            counts = np.asarray(k).astype(np.float32 if kind.np == np.float16 else kind.np)
            return np.where(k > 0, repeat(fill.astype(counts.dtype), counts), kind.np.type(neutral)).astype(kind.np)

    part = mapped(absent, share) if is_sparse(absent) else share(absent)
    return apply(how.join, stored, part)


def counted(t: Tensor, axes: tuple[int, ...]) -> Any:
    """How many entries are stored in each fibre along ``axes``, i64."""
    format = t.storage.format
    if len(axes) == t.ndim and writable(format) and not format.symmetric:  # else one may stand for several places
        return np.int64(t.nnz)
    if not axes:
        return pattern(t, I64)
    return reduced("sum", pattern(t, I64), axes, np.dtype(np.int64), 0)


def reduced(word: str, t: Tensor, axes: tuple[int, ...], out: np.dtype, fill: Any) -> Any:
    """One reduction by a kernel; ``fill`` is what absent fibres of a sparse result give."""
    indices = letters(t.ndim)
    kept = [i for d, i in enumerate(indices) if d not in axes]
    bound = [i for d, i in enumerate(indices) if d in axes]
    format = resulting(tuple(n for d, n in enumerate(t.shape) if d not in axes), t.nnz)
    left = target("C", kept, from_numpy(out), format, fill)
    return run(left, f"{word}[{', '.join(bound)}]({access('A', indices)})", {"A": t})


def resulting(shape: tuple[int, ...], nnz: int) -> Format:
    """How a result is stored that sums a sparse tensor: a vector fills up and is dense.

    One that is long beside the entries is not.
    """
    if len(shape) == 1 and not few(shape[0], nnz):
        return dense(1)
    return automatic(shape, nnz)


def restored(result: Any, axes: tuple[int, ...], ndim: int, keepdims: bool) -> Any:
    """The result with the reduced dimensions again, of extent 1, where they are kept."""
    if not keepdims or not axes:
        return result
    if is_sparse(result):
        from sparsec.array.shapes import expand_dims

        return expand_dims(result, axes)
    return np.expand_dims(np.asarray(result), axes)


def mean(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The mean along an axis, several or all: float of integers; NaN of nothing."""
    dtype = None if dtype is None else as_dtype(dtype)
    t = sparse_operand(x)
    axes = axes_of(axis, t.ndim)
    if not is_sparse(t):
        return _quiet(np.mean, t, x, axes, keepdims, dtype=dtype)
    out = _floating(t.dtype) if dtype is None else dtype
    wide = np.dtype(np.float32) if out == np.float16 else out
    total = reduce("sum", t, axes, dtype=wide, keepdims=keepdims)
    return cast(_over(total, wide.type(_extent(t, axes))), out)


def _over(total: Any, n: Any) -> Any:
    """``total / n``; over nothing also where no sum is stored, which would annihilate."""
    if n == 0 and is_sparse(total):
        return mapped(total, lambda x: np.divide(x, n))
    return apply(np.divide, total, n)


def var(x: Any, axis: Any = None, dtype: Any = None, correction: float = 0, keepdims: bool = False) -> Any:
    """The variance along an axis, several or all: the squares about the mean, summed, over n - ``correction``."""
    dtype = None if dtype is None else as_dtype(dtype)
    if not isinstance(correction, int | float | np.integer | np.floating):
        raise TypeError_(f"what is taken off the count is a number, not {correction!r:.60}")
    t = sparse_operand(x)
    axes = axes_of(axis, t.ndim)
    if not is_sparse(t):
        return _quiet(np.var, t, x, axes, keepdims, dtype=dtype, ddof=correction)
    if t.dtype.kind == "c":
        raise TypeError_("the variance of complex entries is not there", hint="take real(A) and imag(A)")
    out = _floating(t.dtype) if dtype is None else dtype
    wide = np.dtype(np.float32) if out == np.float16 else out
    t = _cast(t, wide)
    n = _extent(t, axes)
    centre = mean(t, axes)
    squares = _squares(t, axes, centre)
    absent = apply(np.subtract, n, counted(t, axes))
    around = apply(np.square, apply(np.subtract, np.array(t.fill_value, wide)[()], centre))
    # Not 0 times infinity where every entry is stored.
    rest = select(apply(np.greater, absent, 0), apply(np.multiply, around, cast(absent, wide)), wide.type(0))
    total = apply(np.add, squares, rest)
    made = cast(_over(total, wide.type(max(n - correction, 0))), out)
    return restored(made, axes, t.ndim, keepdims)


def std(x: Any, axis: Any = None, dtype: Any = None, correction: float = 0, keepdims: bool = False) -> Any:
    """The square root of ``var``."""
    return apply(np.sqrt, var(x, axis, dtype, correction, keepdims))


def _squares(t: Tensor, axes: tuple[int, ...], centre: Any) -> Any:
    """The sum over stored entries of the squared distance to ``centre``."""
    indices = letters(t.ndim)
    kept = [i for d, i in enumerate(indices) if d not in axes]
    bound = [i for d, i in enumerate(indices) if d in axes]
    kind = from_numpy(t.dtype)
    format = resulting(tuple(n for d, n in enumerate(t.shape) if d not in axes), t.nnz)
    left = target("C", kept, kind, format, 0)
    # P, which has no other entries than A, keeps the loop to them.
    a, p = access("A", indices), access("P", indices)
    m = access("m", kept)
    square = f"{p} * ({a} - {m}) * ({a} - {m})"
    right = f"sum[{', '.join(bound)}]({square})" if bound else square
    return run(left, right, {"A": t, "P": pattern(t, kind), "m": centre})


def _quiet(
    function: Callable[..., Any], t: Any, given: Any, axes: tuple[int, ...], keepdims: bool, **options: Any
) -> Any:
    import warnings

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return dense_result(function(np.asarray(t), axis=axes, keepdims=keepdims, **options), isinstance(given, Tensor))


def _floating(t: np.dtype) -> np.dtype:
    return t if t.kind in "fc" else np.dtype(np.float64)


def _extent(t: Any, axes: tuple[int, ...]) -> int:
    return check_size([t.shape[d] for d in axes])


def cast(x: Any, dtype: Any) -> Any:
    """Any operand in a dtype."""
    if dtype_of(x) == dtype:
        return x
    return x.astype(dtype) if isinstance(x, Tensor | np.ndarray) else np.dtype(dtype).type(x)


def count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """How many elements differ from 0."""
    return reduce("sum", apply(np.not_equal, x, 0), axis, keepdims=keepdims)


__all__ = [
    "REDUCTIONS",
    "cast",
    "count_nonzero",
    "counted",
    "mean",
    "reduce",
    "reduced",
    "restored",
    "resulting",
    "std",
    "var",
]
