"""NumPy's two protocols: ``__array_ufunc__`` and ``__array_function__``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from inspect import Parameter, Signature, signature
from typing import Any

import numpy as np

from sparsec.array import creation, elementwise, indexing, joining, linalg, products, reductions, searching, shapes
from sparsec.array.operands import as_dtype, is_sparse, sparse_operand
from sparsec.array.pointwise import apply
from sparsec.errors import ShapeError, TypeError_, UnsupportedError
from sparsec.tensors import Tensor

_FOLDS = {
    "add": "sum", "multiply": "prod", "minimum": "min", "maximum": "max", "logical_or": "any", "logical_and": "all"
}  # fmt: skip


def ufunc(function: np.ufunc, method: str, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """A ufunc, or its ``reduce`` or ``outer``; raises ``UnsupportedError`` for other methods and for ``where=``."""
    options = dict(options)
    name = function.__name__
    out = options.pop("out", None)
    options.pop("casting", None)
    options.pop("order", None)
    options.pop("subok", None)
    if options.pop("where", True) is not True:
        given = ", ".join("ABC"[: function.nin])
        hint = f"write np.where(c, np.{name}({given}), A), for a condition c"
        raise UnsupportedError(f"where= of np.{name} on a Tensor", hint=hint)
    if method == "reduce" and name in _FOLDS:
        made = reductions.reduce(
            _FOLDS[name], inputs[0], options.pop("axis", 0), options.pop("dtype", None), options.pop("keepdims", False)
        )
    elif method == "__call__" and name in ("matmul", "vecdot"):
        a, b = inputs
        made = products.matmul(a, b) if name == "matmul" else products.vecdot(a, b, options.pop("axis", -1))
    elif method == "__call__":
        made = apply(function, *inputs, dtype=options.pop("dtype", None))
    elif method == "outer" and len(inputs) == 2:
        a, b = (sparse_operand(x) for x in inputs)
        made = apply(function, shapes.expand_dims(a, tuple(range(a.ndim, a.ndim + b.ndim))), b)
    else:
        raise UnsupportedError(f"np.{name}.{method} on a Tensor", hint="A.numpy() gives a dense array")
    if options:
        raise UnsupportedError(f"{min(options)}= of np.{name} on a Tensor")
    if out is None:
        return made
    targets = out if isinstance(out, tuple) else (out,)
    results = made if isinstance(made, tuple) else (made,)
    done = tuple(r if t is None else _into(t, r) for t, r in zip(targets, results, strict=True))
    return done if len(done) > 1 else done[0]


def _into(target: Any, result: Any) -> Any:
    """The result put into what the caller passed as ``out``."""
    shape = tuple(getattr(result, "shape", ()))
    if target.shape != shape:
        raise ShapeError(f"out has shape {target.shape}, the result {shape}")
    if not np.can_cast(result.dtype, target.dtype, "same_kind"):
        raise TypeError_(f"out has dtype {target.dtype}, the result {result.dtype}")
    if isinstance(target, Tensor):
        made = result if isinstance(result, Tensor) else creation.asarray(result)
        if made.dtype != target.dtype:
            made = made.astype(target.dtype)
        target.hold(made.convert(target.storage.format.opened()).storage)
        return target
    if is_sparse(result):
        raise TypeError_("the result is sparse, and out is a dense array", hint="leave out=, and take .numpy()")
    np.copyto(target, result.numpy() if isinstance(result, Tensor) else result, casting="same_kind")
    return target


def function(called: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """A function of NumPy.

    Raises ``UnsupportedError`` for one that is not there and for options that ours lacks, ``TypeError_`` for arguments
    that NumPy's own would not take.
    """
    ours = functions().get(called)
    if ours is None:
        name = f"{getattr(called, '__module__', 'numpy')}.{called.__name__}"
        raise UnsupportedError(f"{name} of a Tensor is not there", hint="A.numpy() gives a dense array")
    args, options = _as_numpy_reads(called, args, options)
    if "out" in options:
        raise UnsupportedError(f"out= of np.{called.__name__} on a Tensor", hint="the result is new memory")
    mine = _signature(ours)
    assert mine is not None
    for name in options:
        if name not in mine.parameters:
            raise UnsupportedError(f"{name}= of np.{called.__name__} on a Tensor", hint="A.numpy() gives a dense array")
    return ours(*args, **options)


@cache
def _signature(called: Callable[..., Any]) -> Signature | None:
    """What a function takes, read once; None of one that is written in C and does not say."""
    try:
        return signature(called)
    except ValueError:
        return None


def _as_numpy_reads(
    called: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments as NumPy's own signature reads them: what must be there by position, what else was said by name."""
    given = {k: v for k, v in options.items() if v is not np._NoValue}
    theirs = _signature(called)
    if theirs is None:
        return args, {k: v for k, v in given.items() if k != "out" or v is not None}
    try:
        bound = theirs.bind(*args, **given).arguments
    except TypeError as e:
        raise TypeError_(f"np.{called.__name__}: {e}") from None
    needed: list[Any] = []
    said: dict[str, Any] = {}
    for name, p in theirs.parameters.items():
        if name not in bound:
            continue
        if p.kind is Parameter.VAR_POSITIONAL:
            needed += bound[name]
        elif p.kind is Parameter.VAR_KEYWORD:
            said |= bound[name]
        elif p.default is Parameter.empty:
            needed.append(bound[name])
        elif not (bound[name] is p.default or (isinstance(p.default, str) and bound[name] == p.default)):
            said[name] = bound[name]
    return tuple(needed), said


@cache
def functions() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What NumPy's functions do to tensors."""
    r, s = reductions, searching
    out: dict[Any, Any] = {
        np.sum: lambda a, axis=None, dtype=None, keepdims=False: r.reduce("sum", a, axis, dtype, keepdims),
        np.prod: lambda a, axis=None, dtype=None, keepdims=False: r.reduce("prod", a, axis, dtype, keepdims),
        np.mean: lambda a, axis=None, dtype=None, keepdims=False: r.mean(a, axis, dtype, keepdims),
        np.var: lambda a, axis=None, dtype=None, ddof=0, keepdims=False, correction=None: r.var(
            a, axis, dtype, ddof if correction is None else correction, keepdims
        ),
        np.std: lambda a, axis=None, dtype=None, ddof=0, keepdims=False, correction=None: r.std(
            a, axis, dtype, ddof if correction is None else correction, keepdims
        ),
        np.concatenate: lambda arrays, axis=0, dtype=None: _cast(joining.concat(arrays, axis), dtype),
        np.stack: lambda arrays, axis=0, dtype=None: _cast(joining.stack(arrays, axis), dtype),
        np.vstack: lambda arrays, dtype=None: _cast(joining.concat(_rows(arrays), 0), dtype),
        np.hstack: lambda arrays, dtype=None: _cast(joining.concat(arrays, 0 if np.ndim(arrays[0]) == 1 else 1), dtype),
        np.reshape: lambda a, shape, copy=None: shapes.reshape(a, shape, copy=copy),
        np.ravel: lambda a: shapes.reshape(a, (-1,)),
        np.einsum: _einsum,
        np.trace: lambda a, offset=0, axis1=0, axis2=1: r.reduce("sum", shapes.diagonal(a, offset, axis1, axis2), -1),
        np.copy: lambda a: a.copy(),
        np.astype: lambda x, dtype, copy=True: x.astype(dtype, copy=copy),
        np.shape: lambda a: a.shape,
        np.ndim: lambda a: a.ndim,
        np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
        np.iscomplexobj: lambda x: x.dtype.kind == "c",
        np.isrealobj: lambda x: x.dtype.kind != "c",
        np.isclose: _isclose,
        np.allclose: lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: bool(
            r.reduce("all", _isclose(a, b, rtol, atol, equal_nan))
        ),
        np.array_equal: _equal,
        np.pad: lambda array, widths, constant_values=0: s.pad(array, widths, constant_values),
        np.sort: lambda a, axis=-1, kind=None, stable=None: s.sort(a, axis),
        np.argsort: lambda a, axis=-1, kind=None, stable=None: s.argsort(a, axis),
        np.unique: _unique,
        np.cumsum: lambda a, axis=None, dtype=None: s.cumulative(
            a if axis is not None else shapes.reshape(a, (-1,)), axis or 0, dtype, False, False
        ),
        np.zeros_like: lambda a, dtype=None: creation.zeros_like(a, dtype),
        np.ones_like: lambda a, dtype=None: creation.ones_like(a, dtype),
        np.empty_like: lambda a, dtype=None: creation.zeros_like(a, dtype),
        np.full_like: lambda a, v, dtype=None: creation.full_like(a, v, dtype),
        np.result_type: lambda *xs: np.result_type(*(x.dtype if isinstance(x, Tensor) else x for x in xs)),
        np.linalg.matrix_transpose: shapes.matrix_transpose,
        np.linalg.norm: linalg.norm,
        np.clip: lambda a, a_min=None, a_max=None, min=None, max=None: elementwise.clip(
            a, min if a_min is None else a_min, max if a_max is None else a_max
        ),
    }
    for name in ("min", "max", "any", "all"):
        out[getattr(np, name)] = lambda a, axis=None, keepdims=False, name=name: r.reduce(name, a, axis, None, keepdims)
    for name in ("sum", "prod", "min", "max"):
        out[getattr(np, f"nan{name}")] = lambda a, axis=None, keepdims=False, name=name: elementwise.nan_reduction(
            name, a, axis, keepdims
        )
    same: dict[Any, tuple[str, ...]] = {
        shapes: (
            "broadcast_to", "broadcast_arrays", "diagonal", "expand_dims", "flip", "moveaxis", "repeat", "roll",
            "squeeze", "swapaxes", "tile", "tril", "triu", "matrix_transpose",
        ),
        searching: ("argmax", "argmin", "argwhere", "diff", "isin", "nonzero", "searchsorted", "where"),
        products: ("dot", "inner", "kron", "outer", "tensordot"),
        elementwise: ("angle", "around", "imag", "isneginf", "isposinf", "nan_to_num", "real"),
        indexing: ("take", "take_along_axis"),
        joining: ("unstack",),
        reductions: ("count_nonzero",),
    }  # fmt: skip
    for module, names in same.items():
        for name in names:
            if hasattr(np, name):
                out[getattr(np, name)] = getattr(module, name)
    out[np.transpose] = out[np.permute_dims] = shapes.permute_dims
    out[np.round] = elementwise.around
    return out


def _cast(x: Any, dtype: Any) -> Any:
    return x if dtype is None else reductions.cast(x, as_dtype(dtype))


def _rows(arrays: Any) -> list[Any]:
    return [shapes.expand_dims(a, 0) if np.ndim(a) == 1 else a for a in arrays]


def _isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """``np.isclose``: equal, or nearer than ``atol + rtol * abs(b)`` where both are finite."""
    near = apply(np.less_equal, apply(np.absolute, apply(np.subtract, a, b)),
                 apply(np.add, apply(np.multiply, apply(np.absolute, b), rtol), atol))  # fmt: skip
    finite = apply(np.logical_and, apply(np.isfinite, a), apply(np.isfinite, b))
    close = apply(np.logical_or, apply(np.equal, a, b), apply(np.logical_and, near, finite))
    if equal_nan:
        close = apply(np.logical_or, close, apply(np.logical_and, apply(np.isnan, a), apply(np.isnan, b)))
    return close


def _equal(a: Any, b: Any, equal_nan: bool = False) -> bool:
    if np.shape(a) != np.shape(b):
        return False
    same = apply(np.equal, a, b)
    if equal_nan:
        same = apply(np.logical_or, same, apply(np.logical_and, apply(np.isnan, a), apply(np.isnan, b)))
    return bool(reductions.reduce("all", same))


def _einsum(*given: Any, optimize: Any = False, dtype: Any = None) -> Any:
    if dtype is not None:
        raise UnsupportedError("np.einsum of Tensors with dtype=", hint="cast the result: .astype(...)")
    if not given or not isinstance(given[0], str):
        raise UnsupportedError("np.einsum of Tensors with lists of indices", hint="say it in letters: 'ij,jk->ik'")
    return products.einsum(*given)


def _unique(a: Any, equal_nan: bool = True) -> Any:
    """Distinct elements; NaN, which they end with, once."""
    found = searching.unique_values(a)
    if not equal_nan or found.dtype.kind not in "fc":
        return found
    numbers = int(np.count_nonzero(~np.isnan(np.asarray(found))))
    return found[: numbers + 1]


__all__ = ["function", "functions", "ufunc"]
