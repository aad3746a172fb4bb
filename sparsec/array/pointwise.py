"""Functions applied point by point: NumPy's ufuncs on sparse and dense operands that broadcast.

Where the language has the operator, two tensors meet in a kernel.  Ufuncs that it lacks (``hypot``, ``nextafter``,
``divmod``, ...), and tensors whose fill no program should be compiled for, are met entry by aligned entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from sparsec.array.broadcasting import Placed, placed, spread
from sparsec.array.operands import as_dtype, broadcast_shape, closed, dense_result, is_sparse, operands, shape_of
from sparsec.array.places import format_like, mapped, ravelled, rebuilt, unravelled, usual, writable
from sparsec.array.statements import access, index, kernel, letters, remember, remembered, run, target
from sparsec.errors import ShapeError, TypeError_
from sparsec.ir import ops
from sparsec.ir.dtypes import BF16, F32, DType, from_numpy
from sparsec.tensors import Tensor

Function = Callable[..., Any]
"""A ufunc."""

BINARY = {
    "add": ("add", "{} + {}"),
    "subtract": ("sub", "{} - {}"),
    "multiply": ("mul", "{} * {}"),
    "divide": ("div", "{} / {}"),
    "floor_divide": ("floordiv", "{} // {}"),
    "remainder": ("mod", "{} % {}"),
    "power": ("pow", "{} ** {}"),
    "minimum": ("min", "min({}, {})"),
    "maximum": ("max", "max({}, {})"),
    "arctan2": ("atan2", "atan2({}, {})"),
    "heaviside": ("heaviside", "heaviside({}, {})"),
    "equal": ("eq", "{} == {}"),
    "not_equal": ("ne", "{} != {}"),
    "less": ("lt", "{} < {}"),
    "less_equal": ("le", "{} <= {}"),
    "greater": ("gt", "{} > {}"),
    "greater_equal": ("ge", "{} >= {}"),
    "bitwise_and": ("bitand", "{} & {}"),
    "bitwise_or": ("bitor", "{} | {}"),
    "bitwise_xor": ("bitxor", "{} ^ {}"),
    "logical_and": ("and", "({} != 0) and ({} != 0)"),
    "logical_or": ("or", "({} != 0) or ({} != 0)"),
}
"""Name of a ufunc -> the operator of the IR, whose algebra decides about fills, and its text."""


def apply(ufunc: np.ufunc, *given: Any, dtype: Any = None) -> Any:
    """``ufunc`` of the operands, broadcast: a ``Tensor`` where the result is sparse, else an array or a number.

    ``dtype`` is the result's.  Raises ``ShapeError``, ``TypeError_``.
    """
    key = _look(ufunc, given) if dtype is None else None
    if key is not None and (known := remembered(key)) is not None:
        return known(*given)
    xs = operands(given)
    if not any(map(is_sparse, xs)):
        return _each(_numpy(ufunc, xs, dtype), lambda r: dense_result(r, closed(given)))
    shape = broadcast_shape([shape_of(x) for x in xs])
    parts = [placed(x, shape) for x in xs]
    sparse = [p for p in parts if p.sparse]
    if len(sparse) == 1 and all(p.sparse or not p.dims for p in parts) and len(sparse[0].dims) == len(shape):
        return _over_values(ufunc, parts, dtype)
    loop = _loop(ufunc, parts, dtype)
    named = ufunc.__name__ in BINARY and len(parts) == 2 and len(set(loop[:2])) == 1
    if named and all(usual(p.value.fill_value) for p in sparse):
        text = _statement(ufunc, parts, shape, loop)
        return run(*text) if key is None else remember(key, kernel(*text))(*given)
    if all(p.sparse or not p.dims for p in parts):
        return _aligned(ufunc, parts, shape, dtype)
    return _numpy(ufunc, [_spanning(p, shape) for p in parts], dtype)


def _each(result: Any, wrap: Callable[[Any], Any]) -> Any:
    return tuple(map(wrap, result)) if isinstance(result, tuple) else wrap(result)


def _numpy(ufunc: np.ufunc, xs: Sequence[Any], dtype: Any = None) -> Any:
    """NumPy's own, with its errors as ours."""
    try:
        with np.errstate(all="ignore"):
            return ufunc(*xs) if dtype is None else ufunc(*xs, dtype=dtype)
    except TypeError as e:
        raise TypeError_(f"np.{ufunc.__name__}: {e}") from None
    except (ValueError, OverflowError) as e:
        raise ShapeError(f"np.{ufunc.__name__}: {e}") if "broadcast" in str(e) else TypeError_(str(e)) from None


def _loop(ufunc: np.ufunc, parts: Sequence[Placed], dtype: Any) -> tuple[np.dtype, ...]:
    """The dtypes in which NumPy computes; raises ``TypeError_`` where it has no loop for the operands'."""
    given = tuple(p.dtype for p in parts)
    options: dict[str, Any] = (
        {} if dtype is None else {"signature": (None,) * ufunc.nin + (as_dtype(dtype),) * ufunc.nout}
    )
    try:
        found: tuple[np.dtype, ...] = ufunc.resolve_dtypes(given + (None,) * ufunc.nout, **options)
    except TypeError as e:
        raise TypeError_(f"np.{ufunc.__name__}: {str(e).splitlines()[0]}") from None
    return found


def _over_values(ufunc: np.ufunc, parts: Sequence[Placed], dtype: Any) -> Any:
    """One sparse tensor and numbers: the pattern stays.  An absent zero annihilates as it does in kernels."""
    at = next(n for n, p in enumerate(parts) if p.sparse)
    tensor: Tensor = parts[at].value

    def each(x: Any) -> Any:
        return _numpy(ufunc, [x if n == at else p.value for n, p in enumerate(parts)], dtype)

    forced = _forced(ufunc, [tensor.fill_value if n == at else None for n in range(len(parts))])
    if ufunc.nout == 1:
        return mapped(tensor, each, forced)
    return tuple(mapped(tensor, partial(_nth, each, n)) for n in range(ufunc.nout))


def _nth(function: Function, n: int, x: Any) -> Any:
    return function(x)[n]


def _forced(ufunc: np.ufunc, fills: Sequence[Any]) -> Any:
    """What the ufunc gives wherever an operand has no entry, if that alone decides; else None."""
    known = BINARY.get(ufunc.__name__)
    for n, fill in enumerate(fills):
        if known is not None and fill is not None:
            found = ops.forced(known[0], n, bool(fill) if known[0] in ("and", "or") else fill)
            if found is not None:
                return found
    return None


def absent(ufunc: np.ufunc, parts: Sequence[Placed], loop: Sequence[np.dtype]) -> Any:
    """The result where no sparse operand has an entry, if it is one constant (then it is the fill); else None."""
    fills = [p.value.fill_value if p.sparse else None for p in parts]
    forced = _forced(ufunc, fills)
    if forced is not None:
        return forced
    if not all(p.sparse or not p.dims for p in parts):
        return None
    with np.errstate(all="ignore"):
        values = [np.full(1, p.value if f is None else f, t) for p, f, t in zip(parts, fills, loop, strict=False)]
        return ufunc(*values)[0].item()


def _look(ufunc: np.ufunc, given: Sequence[Any]) -> Any:
    """What the kernel on two operands of one shape depends on; None for others, and where sizes decide on formats."""
    if len(given) != 2 or ufunc.__name__ not in BINARY:
        return None
    shape = getattr(given[0], "shape", ())
    if not shape or getattr(given[1], "shape", ()) != shape:
        return None
    out: list[Any] = [ufunc]
    for x in given:
        if type(x) is np.ndarray:
            out += [x.dtype, x.ndim]
        elif type(x) is Tensor and writable(x.storage.format) and not x.storage.format.is_dense:
            out += [x.storage.format, x.storage.dtype, x.storage.fill]
        else:
            return None
    return tuple(out)


def _statement(
    ufunc: np.ufunc, parts: Sequence[Placed], shape: tuple[int, ...], loop: Sequence[np.dtype]
) -> tuple[str, str, dict[str, Any]]:
    """The two sides of the statement on two tensors, and these by name."""
    out = from_numpy(loop[-1])
    if out is F32 and all(p.sparse and p.value.storage.dtype is BF16 for p in parts):
        out = BF16
    names = [access(n, _indices(p), p.dtype, t) for n, p, t in zip("AB", parts, loop, strict=False)]
    fill = absent(ufunc, parts, loop)
    sparse = [p.value for p in parts if p.sparse]
    format = None
    if fill is not None:
        fill = np.full(1, fill, loop[-1])[0].item()
        format = format_like(shape, sum(t.nnz for t in sparse), *sparse)
    left = target("C", letters(len(shape)), out, format, fill)
    return left, BINARY[ufunc.__name__][1].format(*names), _given(parts)


def _indices(p: Placed) -> list[str]:
    return [index(d) for d in p.dims]


def _given(parts: Sequence[Placed]) -> dict[str, Any]:
    return dict(zip("ABC", (p.value for p in parts), strict=False))


def _aligned(function: Function, parts: Sequence[Placed], shape: tuple[int, ...], dtype: Any = None) -> Any:
    """Any function of sparse tensors and numbers: its values where one of them has an entry, and of the fills."""
    pairs = [spread(p, shape) if p.sparse else None for p in parts]
    keys = [None if pair is None else ravelled(pair[0], shape, len(pair[1])) for pair in pairs]
    union = np.unique(np.concatenate([k for k in keys if k is not None]))
    columns, fills = [], []
    for p, pair, key in zip(parts, pairs, keys, strict=True):
        if pair is None or key is None:
            columns.append(p.value)
            fills.append(p.value)
            continue
        column = np.full(len(union), p.value.fill_value, pair[1].dtype)
        column[np.searchsorted(union, key)] = pair[1]
        columns.append(column)
        fills.append(np.full(1, p.value.fill_value, pair[1].dtype))
    like = next(p.value for p in parts if p.sparse and (len(p.dims) == len(shape) or p is _last_sparse(parts)))
    coords = unravelled(union, shape)
    with np.errstate(all="ignore"):
        made = _numpy(function, columns, dtype) if isinstance(function, np.ufunc) else function(*columns)
        fill = _numpy(function, fills, dtype) if isinstance(function, np.ufunc) else function(*fills)

    def build(values: Any, fill: Any) -> Tensor:
        kind: DType = from_numpy(values.dtype)
        return rebuilt(coords, values, shape, like, dtype=kind, fill=np.asarray(fill)[0])

    if isinstance(made, tuple):
        return tuple(build(v, f) for v, f in zip(made, fill, strict=True))
    return build(made, fill)


def _last_sparse(parts: Sequence[Placed]) -> Placed:
    return [p for p in parts if p.sparse][-1]


def _spanning(p: Placed, shape: tuple[int, ...]) -> Any:
    """An operand of a function whose result is dense whatever its operands are, as NumPy takes it."""
    if not p.dims:
        return p.value
    array = p.value.numpy() if p.sparse else p.value
    return np.expand_dims(array, tuple(d for d in range(len(shape)) if d not in p.dims))


def select(condition: Any, a: Any, b: Any) -> Any:
    """``np.where`` of three operands: ``a`` where the condition holds, else ``b``."""
    given = (condition, a, b)
    xs = operands(given)
    if not any(map(is_sparse, xs)):
        return dense_result(np.where(*xs), closed(given))
    shape = broadcast_shape([shape_of(x) for x in xs])
    parts = [placed(x, shape) for x in xs]
    numbers = np.result_type(*(p.value if not p.dims else p.dtype for p in parts[1:]))
    parts[1:] = [p if p.dims else Placed(numbers.type(p.value), ()) for p in parts[1:]]
    if all(p.sparse or not p.dims for p in parts):
        return _aligned(np.where, parts, shape)
    return _choice(parts, shape, numbers)


def _choice(parts: Sequence[Placed], shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """``select`` with dense operands, by a kernel."""
    texts = [access(n, _indices(p), p.dtype, dtype) for n, p in zip("BC", parts[1:], strict=True)]
    condition = access("A", _indices(parts[0])) + ("" if parts[0].dtype == bool else " != 0")
    left = target("R", letters(len(shape)), from_numpy(dtype))
    return run(left, f"select({condition}, {', '.join(texts)})", _given(parts))


__all__ = ["BINARY", "absent", "apply", "select"]
