"""How the values of a format are encoded: group-quantised, ``values(q4[64])``.

The values of ``group`` consecutive positions share a scale and a zero point; a position holds a code of ``bits`` bits,
which stands for ``scale * (code - zero)``.  Codes are unsigned and lie in bytes, two of four bits each, the lower one
first.  So a value is decoded where it is loaded, and takes a quarter or an eighth of the memory of an f32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsec.ir.dtypes import F32, F64, I32, U8, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Buffer, Expr
    from sparsec.ir.build import Builder

BITS = {"q4": 4, "q8": 8}
"""Encodings by name, and the bits of a code."""


@node
class Encoding:
    """``name`` is one of ``BITS``; ``group`` positions share a scale and a zero point."""

    name: str
    group: int

    def __str__(self) -> str:
        return f"{self.name}[{self.group}]"

    @property
    def bits(self) -> int:
        return BITS[self.name]

    @property
    def greatest(self) -> int:
        """The greatest code."""
        return (1 << self.bits) - 1

    def groups(self, positions: int) -> int:
        return -(-positions // self.group)

    def nbytes(self, positions: int) -> int:
        """Bytes of the codes of so many positions."""
        return -(-positions * self.bits // 8)

    @staticmethod
    def arrays(t: DType) -> dict[str, DType]:
        """The arrays that take the place of the values of type ``t``, by role."""
        return {"vals": U8, "scale": F64 if t is F64 else F32, "zero": U8}

    def decode(self, b: Builder, arrays: dict[str, Buffer], pos: Expr, t: DType) -> Expr:
        """The value at a position, in type ``t``: the scale's type first, then rounded once."""
        from sparsec.ir.buffer import i64
        from sparsec.ir.build import cast, load, mul, op

        pos = b.let("q", pos)
        code: Expr = load(arrays["vals"], pos)
        if self.bits == 4:
            byte = cast(load(arrays["vals"], op("shr", pos, i64(1))), I32)
            code = op("shr", byte, cast(mul(op("bitand", pos, i64(1)), 4), I32))
            code = op("bitand", code, cast(i64(15), I32))
        group = op("floordiv", pos, i64(self.group))
        steps = op("sub", cast(code, I32), cast(load(arrays["zero"], group), I32))
        scale = load(arrays["scale"], group)
        return cast(op("mul", scale, cast(steps, arrays["scale"].dtype)), t)


__all__ = ["BITS", "Encoding"]
