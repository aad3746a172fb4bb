"""Functions of each element that are no ufunc of NumPy, or take more than operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsec.array.operands import integer, is_sparse, operand, sparse_operand
from sparsec.array.places import mapped
from sparsec.array.pointwise import apply
from sparsec.array.shapes import on_dense


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """Held between two bounds, which broadcast; None is none."""
    t = sparse_operand(x)
    made: Any = x
    for ufunc, bound in ((np.maximum, min), (np.minimum, max)):
        if bound is not None:
            made = apply(ufunc, made, _fitting(operand(bound), t.dtype))
    return apply(np.positive, made) if made is x and t.dtype != bool else made


def _fitting(bound: Any, dtype: np.dtype) -> Any:
    """A bound that an integer dtype cannot hold is as good as the dtype's own."""
    if isinstance(bound, int) and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return builtin_min(builtin_max(bound, int(limits.min)), int(limits.max))
    return bound


builtin_min, builtin_max = min, max


def _plain(function: Any, x: Any) -> Any:
    t = sparse_operand(x)
    return mapped(t, function) if is_sparse(t) else on_dense(function, x, t)


def around(x: Any, decimals: int = 0) -> Any:
    """Rounded to so many decimals, halves to even."""
    decimals = integer(decimals, "decimals")
    return _plain(lambda a: a.copy() if a.dtype == bool else np.round(a, decimals), x)


def real(x: Any) -> Any:
    """The real part."""
    return _plain(lambda a: a.real.copy(), x)


def imag(x: Any) -> Any:
    """The imaginary part: 0 of real numbers."""
    return _plain(lambda a: a.imag.copy(), x)


def angle(x: Any) -> Any:
    """The argument of complex numbers."""
    return _plain(np.angle, x)


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """NaN and infinities replaced by numbers."""
    return _plain(lambda a: np.nan_to_num(a, nan=nan, posinf=posinf, neginf=neginf), x)


def isneginf(x: Any) -> Any:
    """Where elements are minus infinity."""
    return _plain(np.isneginf, x)


def isposinf(x: Any) -> Any:
    """Where elements are infinity."""
    return _plain(np.isposinf, x)


def nan_reduction(name: str, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """A sum, product, minimum or maximum that skips NaN."""
    from sparsec.array.reductions import reduce

    neutral = {"sum": 0.0, "prod": 1.0, "min": np.inf, "max": -np.inf}[name]
    t = sparse_operand(x)
    if t.dtype.kind == "f":
        x = _plain(lambda a: np.where(np.isnan(a), a.dtype.type(neutral), a), x)
    return reduce(name, x, axis, None, keepdims)


__all__ = ["angle", "around", "clip", "imag", "isneginf", "isposinf", "nan_reduction", "nan_to_num", "real"]
