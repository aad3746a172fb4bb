"""bf16 in LLVM: 16 bits in memory, a float in registers, rounded to the nearest (ties to even) after every operator.

LLVM has a type of its own, whose conversion is a call into a library that is not there; the bits are done here.
"""

from __future__ import annotations

from sparsec.backends.cpu.code import Code, literal, ll, with_dtype
from sparsec.ir.buffer import Type
from sparsec.ir.dtypes import BOOL, F32, U16, U32


def widen(c: Code, bits: str, t: Type) -> str:
    """Elements as they lie in memory, as floats."""
    short, word, wide = (ll(with_dtype(t, d)) for d in (U16, U32, F32))
    high = c.ins(f"shl {word} {c.ins(f'zext {short} {bits} to {word}')}, {literal(16, with_dtype(t, U32))}")
    return c.ins(f"bitcast {word} {high} to {wide}")


def narrow(c: Code, value: str, t: Type) -> str:
    """Rounded floats as they lie in memory."""
    short, word, wide = (ll(with_dtype(t, d)) for d in (U16, U32, F32))
    bits = c.ins(f"bitcast {wide} {value} to {word}")
    return c.ins(f"trunc {word} {c.ins(f'lshr {word} {bits}, {literal(16, with_dtype(t, U32))}')} to {short}")


def rounded(c: Code, value: str, t: Type) -> str:
    """The nearest bf16 of a float, ties to even; one NaN for all.

    Half a step less one is added, and one more where the last bit that stays is set: what carries has rounded up.
    """
    word, wide = (ll(with_dtype(t, d)) for d in (U32, F32))

    def const(n: int) -> str:
        return literal(n, with_dtype(t, U32))

    bits = c.ins(f"bitcast {wide} {value} to {word}")
    last = c.ins(f"and {word} {c.ins(f'lshr {word} {bits}, {const(16)}')}, {const(1)}")
    moved = c.ins(f"add {word} {c.ins(f'add {word} {bits}, {const(0x7FFF)}')}, {last}")
    near = c.ins(f"bitcast {word} {c.ins(f'and {word} {moved}, {const(0xFFFF0000)}')} to {wide}")
    nan = c.ins(f"fcmp uno {wide} {value}, {value}")
    mask = ll(with_dtype(t, BOOL))
    return c.ins(f"select {mask} {nan}, {wide} {literal(float('nan'), with_dtype(t, F32))}, {wide} {near}")


__all__ = ["narrow", "rounded", "widen"]
