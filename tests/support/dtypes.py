"""What the fuzzer draws for each dtype: literals, functions, operands of narrower types, and data."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsec.ir.dtypes import (
    ALL,
    BF16,
    BOOL,
    C64,
    C128,
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
)  # fmt: skip
from sparsec.ir.tensor_values import held, scalar, to_storage

Array = np.ndarray[Any, np.dtype[Any]]
DRAWN = [F64] * 8 + [F32] * 3 + [I64] * 3 + [I32, BOOL, *ALL]
"""The types of programs, the common ones more often."""

NARROW = {
    F64: (F32, I64, I32), F32: (BOOL, F32, F16), I64: (I32, BOOL, U8), I32: (BOOL, I32), U64: (U8, U32),
    C128: (F64, C64), C64: (F32, BOOL), F16: (BOOL, I8), BF16: (BOOL, U8), I16: (I8, U8), U32: (U16,),
}  # fmt: skip
"""Types of operands that a program of the type may cast to its own."""

KEPT_WIDER = (U8, U16, U32, I8, I16, I32, F16, BF16)
"""Types whose sums the language keeps in wider ones, and tensor IR as drawn here does not."""

FLOAT = ("neg", "abs", "sin", "relu", "sigmoid", "sqrt", "exp", "tanh", "cos", "log1p", "sign", "floor", "square")
COMPLEX = ("neg", "conj", "sin", "cos", "exp", "square", "conj")
"""Without branch cuts: on which side of one a rounded number lies says nothing."""
INTEGER = ("neg", "abs", "relu", "sign")


def literals(t: DType) -> tuple[int, ...]:
    return (2, 3, 1, 0) if t.kind in "bu" else (2, 3, -1, 1, 0)


def divisors(t: DType) -> tuple[int, ...]:
    return (2, 3) if t.kind == "u" else (2, 3, -2)


def functions(t: DType) -> tuple[str, ...]:
    return COMPLEX if t.kind == "c" else FLOAT if t.is_float else INTEGER


def monoids(t: DType) -> tuple[str, ...]:
    return ("add", "mul") if t.kind == "c" else ("add", "add", "add", "add", "mul", "min", "max")


def comparisons(t: DType) -> tuple[str, ...]:
    return ("eq", "ne") if t.kind == "c" else ("lt", "ge", "ne")


def element(value: object, t: DType) -> Any:
    """A number as an element of an array: bf16 as its bits."""
    return to_storage(np.asarray(scalar(value, t)), t)[()]


def values(rng: np.random.Generator, t: DType, shape: tuple[int, ...], whole: bool) -> Array:
    """Small whole numbers, or normal ones where the type has them."""
    if whole or t.kind not in "fc":
        drawn: Any = rng.integers(0 if t.kind in "bu" else -3, 2 if t is BOOL else 4, shape)
    else:
        drawn = rng.standard_normal(shape)
    if t.kind == "c":
        drawn = drawn + 1j * rng.integers(-2, 3, shape)
    return stored(np.asarray(drawn), t)


def stored(values: Array, t: DType) -> Array:
    """Numbers as an array of the type: bf16 as its bits."""
    return to_storage(values.astype(held(t)), t)
