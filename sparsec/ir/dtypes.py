"""Scalar types of the language, and how they combine."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from sparsec.errors import TypeError_
from sparsec.ir.node import node


@node
class DType:
    """A scalar type: ``name`` as in the language, ``numpy`` dtype name, ``kind`` b/u/i/f/c, ``bits``."""

    name: str
    numpy: str
    kind: str
    bits: int

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Callable[[str], DType], tuple[str]]:
        # Types are compared by identity: a copy or a pickle is the same object.
        return dtype, (self.name,)

    @property
    def np(self) -> np.dtype:
        """The NumPy dtype (bf16 is stored as uint16)."""
        return np.dtype(self.numpy)

    @property
    def nbytes(self) -> int:
        return max(1, self.bits // 8)

    def holds(self, value: object) -> bool:
        """Whether a Python scalar is of this type's kind and in its range: a finite number stays finite."""
        if isinstance(value, bool) or self.kind == "b":
            return isinstance(value, bool) and self.kind == "b"
        if self.is_integer:
            low = -(2 ** (self.bits - 1)) if self.kind == "i" else 0
            return isinstance(value, int) and low <= value < low + 2**self.bits
        if isinstance(value, complex):
            return self.kind == "c" and all(map(self.holds, (value.real, value.imag)))
        if isinstance(value, float):
            return not math.isfinite(value) or abs(float(value)) < _FIRST_INFINITE[self.name]
        return isinstance(value, int) and abs(value) < _FIRST_INFINITE[self.name]

    @property
    def part(self) -> DType:
        """The type of the parts of a complex type; another type itself."""
        return {"c64": F32, "c128": F64}.get(self.name, self)

    @property
    def is_integer(self) -> bool:
        return self.kind in "ui"

    @property
    def is_float(self) -> bool:
        return self.kind == "f"


_FIRST_INFINITE = {
    name: 2**most - 2 ** (most - digits - 1)
    for name, most, digits in (
        ("f16", 16, 11), ("bf16", 128, 8), ("f32", 128, 24), ("f64", 1024, 53), ("c64", 128, 24), ("c128", 1024, 53),
    )
}  # fmt: skip
"""The least number that rounds to infinity: half a step past the greatest finite one."""

BOOL = DType("bool", "bool", "b", 1)
U8, U16, U32, U64 = (DType(f"u{n}", f"uint{n}", "u", n) for n in (8, 16, 32, 64))
I8, I16, I32, I64 = (DType(f"i{n}", f"int{n}", "i", n) for n in (8, 16, 32, 64))
F16 = DType("f16", "float16", "f", 16)
BF16 = DType("bf16", "uint16", "f", 16)
F32 = DType("f32", "float32", "f", 32)
F64 = DType("f64", "float64", "f", 64)
C64 = DType("c64", "complex64", "c", 64)
C128 = DType("c128", "complex128", "c", 128)

ALL = (BOOL, U8, U16, U32, U64, I8, I16, I32, I64, F16, BF16, F32, F64, C64, C128)
BY_NAME = {t.name: t for t in ALL}
_BY_NUMPY = {t.np: t for t in ALL if t is not BF16}


def dtype(name: str) -> DType:
    """The type called ``name``; raises ``TypeError_`` with the known names."""
    try:
        return BY_NAME[name]
    except KeyError:
        raise TypeError_(f"unknown dtype '{name}'", hint="dtypes are " + " ".join(BY_NAME)) from None


def from_numpy(dt: np.dtype | type) -> DType:
    """The type of a NumPy dtype; raises ``TypeError_`` for strings, objects, dates and the like."""
    dt = np.dtype(dt).newbyteorder("=")
    try:
        return _BY_NUMPY[dt]
    except KeyError:
        raise TypeError_(f"NumPy dtype '{dt}' has no counterpart", hint="cast with .astype(...) first") from None


def round_bf16(a: Any) -> Any:
    """f32 values rounded to the nearest bf16, ties to even, as f32."""
    a = np.ascontiguousarray(a, np.float32).reshape(np.shape(a))
    bits = a.view(np.uint32)
    with np.errstate(over="ignore"):
        bits = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(a), np.float32(np.nan), bits.view(np.float32))


@cache
def promote(a: DType, b: DType) -> DType:
    """NumPy's promotion of two types (bf16 with f16 gives f32, with wider floats the wider)."""
    if a is b:
        return a
    if BF16 in (a, b):
        other = b if a is BF16 else a
        if other.kind == "b" or (other.is_integer and other.bits == 8):
            return BF16
        return promote(F32, F32 if other is F16 else other)
    return from_numpy(np.promote_types(a.np, b.np))
