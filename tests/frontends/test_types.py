"""Dtypes of every operator on every pair of dtypes: NumPy's, but that complex numbers have no order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sparsec.errors import SparsecError
from sparsec.ir.dtypes import (
    ALL,
    BF16,
    BOOL,
    C64,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    DType,
    from_numpy,
)
from sparsec.ir.tensor import Access, Literal, Map, Reduce
from tests.support.language import kernel, statements

TYPES = [t for t in ALL if t is not BF16]
UNARY: dict[str, Callable[..., Any]] = {
    "abs": np.abs, "exp": np.exp, "sqrt": np.sqrt, "sign": np.sign, "floor": np.floor, "isnan": np.isnan,
    "real": np.real, "imag": np.imag,
}  # fmt: skip
BINARY: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.true_divide, "//": np.floor_divide, "%": np.mod,
    "**": np.power, "==": np.equal, "<": np.less, "&": np.bitwise_and, "|": np.bitwise_or,
}  # fmt: skip
CALLS: dict[str, Callable[..., Any]] = {
    "min": np.minimum,
    "max": np.maximum,
    "atan2": np.arctan2,
    "heaviside": np.heaviside,
}
FOLDS: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "prod": np.prod, "mean": np.mean, "min": np.min, "argmax": np.argmax, "any": np.any,
}  # fmt: skip
ORDERED = ("<", "min", "max", "argmax")


def ours(text: str, **operands: Any) -> str:
    try:
        return statements(text, **operands).results[0].dtype.name
    except SparsecError:
        return "error"


def numpys(function: Callable[..., Any], *args: Any, ordered: bool = False) -> str:
    if ordered and any(np.iscomplexobj(a) for a in args):
        return "error"
    try:
        with np.errstate(all="ignore"):
            return from_numpy(np.asarray(function(*args)).dtype).name
    except (TypeError, ValueError):
        return "error"


def one(t: DType) -> Any:
    return np.ones((), t.np)


@pytest.mark.parametrize("t", TYPES, ids=str)
def test_one_argument(t: DType) -> None:
    x = one(t)
    for name, function in UNARY.items():
        assert ours(f"y = {name}(x)", x=x) == numpys(function, x), name
    for name, function in FOLDS.items():
        assert ours(f"y = {name}[i](x[i])", x=x.reshape(1)) == numpys(
            function, x.reshape(1), ordered=name in ORDERED
        ), name
    assert ours("y[i] = scan[i](x[i])", x=x.reshape(1)) == numpys(np.cumsum, x)


@pytest.mark.parametrize("t", TYPES, ids=str)
def test_two_arguments(t: DType) -> None:
    for u in TYPES:
        x, z = one(t), one(u)
        for symbol, function in BINARY.items():
            want = numpys(function, x, z, ordered=symbol in ORDERED)
            assert ours(f"y = x {symbol} z", x=x, z=z) == want, f"{t} {symbol} {u}"
        for name, function in CALLS.items():
            want = numpys(function, x, z, ordered=name in ORDERED)
            assert ours(f"y = {name}(x, z)", x=x, z=z) == want, f"{name}({t}, {u})"


@pytest.mark.parametrize("literal", [2, 2.5, 1j, 300], ids=str)
def test_literals_are_weak(literal: Any) -> None:
    for t in TYPES:
        x = np.ones(1, t.np)
        for symbol, function in {k: BINARY[k] for k in ("+", "*", "/", "<")}.items():
            try:
                want = numpys(function, x, literal, ordered=symbol in ORDERED)
            except OverflowError:
                want = "error"
            assert ours(f"y[i] = x[i] {symbol} {literal}", x=x) == want, f"{t} {symbol} {literal}"


WEAK = [
    ("y[i] = x[i] * (1 / 3)", F32),
    ("y[i] = x[i] * sqrt(2)", F32),
    ("y[i] = x[i] / n", F32),
    ("y[i] = x[i] * (2 * n - 1) / 3", F32),
    ("y[i] = x[i] * i", F32),
    ("y[i] = i + n", I64),
    ("y[i] = -2 ** 3", I8),
    ("y[i] = 2.5", F16),
]


@pytest.mark.parametrize("text, t", WEAK)
def test_what_is_made_of_literals_and_extents(text: str, t: DType) -> None:
    """Is weak: nothing is computed in f64 for it."""
    program = kernel(f"kernel k(x: f32[n]) -> y: {t}[n] {{ {text} }}")
    value = program.body[0].value  # type: ignore[union-attr]
    assert not any(n.dtype is F64 for n in _nodes(value)) or "* i" in text


def _nodes(e: Any) -> list[Any]:
    from sparsec.ir.rewrite import walk

    return [n for n in walk(e) if hasattr(n, "dtype")]


KINDS = [
    (F64, F32, True), (I64, F32, True), (I64, I8, True), (U64, I8, True), (I8, U64, False), (F32, I64, False),
    (C64, F64, False), (F32, C64, True), (BOOL, U8, True), (U8, BOOL, False), (F64, BF16, True), (BF16, F16, True),
    (BF16, I32, False), (U16, I16, True), (U32, F16, True),
]  # fmt: skip


@pytest.mark.parametrize("source, target, allowed", KINDS)
def test_assignment_casts_within_a_kind(source: DType, target: DType, allowed: bool) -> None:
    text = f"kernel k(x: {source}[n]) -> y: {target}[n] {{ y[i] = x[i] }}"
    if not allowed:
        with pytest.raises(SparsecError, match=f"'y' holds {target}, and the value is {source}"):
            kernel(text)
        return
    (s,) = kernel(text).body
    assert s.value == Map("cast", (Access("x", s.target.indices, source),), target)  # type: ignore[union-attr]


def test_reductions_accumulate_wide_and_round_back() -> None:
    (s,) = kernel("kernel k(x: f16[n]) -> y: f16 { y = sum[i](x[i]) }").body
    assert isinstance(s.value, Map) and s.value.dtype is F16 and s.value.args[0].dtype is F32  # type: ignore[union-attr]
    (s,) = kernel("kernel k(x: i16[n]) -> y: i64 { y = sum[i](x[i]) }").body
    assert isinstance(s.value, Reduce) and s.value.dtype is I64  # type: ignore[union-attr]
    # What wraps may wrap at once: the narrow sum is the same.
    (s,) = kernel("kernel k(x: i16[n]) -> y: i16 { y = sum[i](x[i]) }").body
    assert isinstance(s.value, Reduce) and s.value.dtype is I16  # type: ignore[union-attr]


def test_literals_are_folded() -> None:
    (s,) = kernel("kernel k(x: f32[n]) -> y: f32[n] { y[i] = (2 ** 3 - 7 // 2) / 4 }").body
    assert s.value == Literal(1.25, F32)  # type: ignore[union-attr]
