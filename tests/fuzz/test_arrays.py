"""Array functions on random shapes, dtypes, formats and fills, against NumPy."""

from __future__ import annotations

import operator
import os
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import sparsec as sp
from tests.support.arrays import arrays, same, tensors

pytestmark = pytest.mark.fuzz

LONG = settings(
    max_examples=int(os.environ.get("SPARSEC_FUZZ_EXAMPLES", "20000")) // 20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

DTYPES = st.sampled_from(["bool", "int8", "uint16", "int64", "float32", "float64", "complex128"])
BINARY = st.sampled_from(
    [operator.add, operator.sub, operator.mul, operator.eq, operator.ne, operator.lt, np.maximum, np.minimum, np.hypot,
     np.logical_and, np.logical_xor, np.bitwise_or, np.copysign]
)  # fmt: skip
REDUCTIONS = st.sampled_from(["sum", "prod", "min", "max", "any", "all", "mean", "var", "argmin", "argmax"])


@st.composite
def pairs(draw: st.DrawFn) -> list[tuple[Any, Any]]:
    """Two operands whose shapes broadcast: two sparse ones, or one and an array."""
    shape = draw(st.lists(st.sampled_from([0, 1, 2, 3, 5]), min_size=1, max_size=3))
    out: list[tuple[Any, Any]] = []
    for n in range(2):
        own = [1 if draw(st.integers(0, 5)) == 0 else extent for extent in shape]
        own = own[draw(st.integers(0, len(own) - 1)) :] if draw(st.booleans()) else own
        if n and draw(st.booleans()):
            array = draw(arrays(shape=tuple(own), dtype=DTYPES))
            out.append((array, array))
        else:
            out.append(draw(tensors(shape=tuple(own), dtype=DTYPES)))
    return out if draw(st.booleans()) else out[::-1]


def agree(ours: Any, numpys: Any) -> None:
    """The same result, or an error on both sides."""
    with np.errstate(all="ignore"):
        try:
            want = numpys()
        except (TypeError, ValueError, OverflowError):
            with pytest.raises((sp.SparsecError, TypeError)):
                ours()
            return
        same(ours(), want, exact=False)


@LONG
@given(pairs(), BINARY)
def test_operators(drawn: Any, do: Any) -> None:
    (a, x), (b, y) = drawn
    if "c" in (x.dtype.kind, y.dtype.kind) and do in (operator.lt, np.maximum, np.minimum):
        return  # NumPy orders complex numbers by their parts; here that is an error
    agree(lambda: do(a, b), lambda: do(x, y))


@LONG
@given(tensors(dtype=DTYPES), REDUCTIONS, st.data())
def test_reductions(drawn: Any, name: str, data: st.DataObject) -> None:
    a, array = drawn
    if name == "var" and array.dtype.kind == "c":
        return
    axes: list[Any] = [None, *range(array.ndim)]
    if not name.startswith("arg") and array.ndim > 1:
        axes.append((0, array.ndim - 1))
    axis = data.draw(st.sampled_from(axes))
    if array.dtype.kind == "c" and name in ("min", "max", "argmin", "argmax"):
        return  # NumPy orders complex numbers by their parts
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing
        agree(lambda: getattr(a, name)(axis=axis), lambda: getattr(array, name)(axis=axis))


@LONG
@given(st.data())
def test_products(data: st.DataObject) -> None:
    m, k, n = (data.draw(st.sampled_from([0, 1, 3, 4])) for _ in range(3))
    kinds = st.sampled_from(["int8", "float32", "float64", "bool"])
    left = data.draw(st.sampled_from([(k,), (m, k), (2, m, k)]))
    right = data.draw(st.sampled_from([(k,), (k, n), (2, k, n), (1, k, n)]))
    a, x = data.draw(tensors(shape=left, dtype=kinds, fill=0))
    b, y = data.draw(tensors(shape=right, dtype=kinds, fill=0))
    other = b if data.draw(st.booleans()) else y
    agree(lambda: a @ other, lambda: x @ y)


@LONG
@given(tensors(dtype=DTYPES), st.sampled_from([2, -1, 0.5, True, np.float32(3), np.int8(2)]))
def test_numbers(drawn: Any, number: Any) -> None:
    a, array = drawn
    for do in (operator.add, operator.mul, np.maximum, operator.ge):
        if array.dtype.kind == "c" and do in (np.maximum, operator.ge):
            continue
        agree(lambda do=do: do(a, number), lambda do=do: do(array, number))
        agree(lambda do=do: do(number, a), lambda do=do: do(number, array))
