"""Values of LLVM code with Python's operators: what a formula needs to be written as one, lane by lane on vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparsec.backends.cpu.code import Code, literal, ll, suffix, with_dtype
from sparsec.ir.buffer import Type, scalar
from sparsec.ir.dtypes import BOOL, F64, I32, I64, DType


@dataclass(frozen=True, slots=True)
class Lanes:
    """A value of float or integer type ``t``; a number beside it is a constant of that type."""

    code: Code
    text: str
    t: Type

    def of(self, value: float | str, t: Type | None = None) -> Lanes:
        """A constant, or what ``value`` names, of the type of this one (or ``t``)."""
        t = self.t if t is None else t
        return Lanes(self.code, value if isinstance(value, str) else literal(value, t), t)

    def _with(self, other: Lanes | float, floats: str, integers: str) -> Lanes:
        name = floats if scalar(self.t).is_float else integers
        b = other if isinstance(other, Lanes) else self.of(other)
        return self.of(self.code.ins(f"{name} {ll(self.t)} {self.text}, {b.text}"))

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._with(other, "fadd contract", "add")

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._with(other, "fsub contract", "sub")

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._with(other, "fmul contract", "mul")

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._with(other, "fdiv", "")

    def __neg__(self) -> Lanes:
        return self.of(self.code.ins(f"fneg {ll(self.t)} {self.text}"))

    def __lshift__(self, bits: int) -> Lanes:
        return self._with(bits, "", "shl")

    def __rshift__(self, bits: int) -> Lanes:
        """Without sign."""
        return self._with(bits, "", "lshr")

    def __and__(self, other: Lanes | int) -> Lanes:
        return self._with(other, "", "and")

    def __or__(self, other: Lanes | int) -> Lanes:
        return self._with(other, "", "or")

    def __lt__(self, other: Lanes | float) -> Lanes:
        return self._compare("fcmp olt", other)

    def __gt__(self, other: Lanes | float) -> Lanes:
        return self._compare("fcmp ogt", other)

    def is_(self, other: float) -> Lanes:
        """Whether they are equal."""
        return self._compare("fcmp oeq" if scalar(self.t).is_float else "icmp eq", other)

    def _compare(self, how: str, other: Lanes | float) -> Lanes:
        b = other if isinstance(other, Lanes) else self.of(other)
        return self.of(self.code.ins(f"{how} {ll(self.t)} {self.text}, {b.text}"), with_dtype(self.t, BOOL))

    def choose(self, a: Lanes | float, b: Lanes) -> Lanes:
        """``a`` in the lanes where this bool holds, else ``b``."""
        first = a if isinstance(a, Lanes) else b.of(a)
        return b.of(self.code.ins(f"select {ll(self.t)} {self.text}, {ll(b.t)} {first.text}, {ll(b.t)} {b.text}"))

    def bits(self) -> Lanes:
        """The bits of a float as an integer."""
        return self._as(I64 if scalar(self.t) is F64 else I32)

    def floats(self, t: Type) -> Lanes:
        """A float of type ``t`` by its bits."""
        return self._as(scalar(t))

    def _as(self, d: DType) -> Lanes:
        t = with_dtype(self.t, d)
        return self.of(self.code.ins(f"bitcast {ll(self.t)} {self.text} to {ll(t)}"), t)

    def abs(self) -> Lanes:
        return self._intrinsic("fabs")

    def signed_as(self, other: Lanes) -> Lanes:
        """With the sign of ``other``."""
        return self._intrinsic("copysign", other)

    def _intrinsic(self, name: str, *others: Lanes) -> Lanes:
        symbol, ty = f"llvm.{name}.{suffix(self.t)}", ll(self.t)
        args = [f"{ty} {a.text}" for a in (self, *others)]
        self.code.module.intrinsic(symbol, ty, *[ty] * len(args))
        return self.of(self.code.call(symbol, ty, *args))

    def polynomial(self, coefficients: Sequence[float]) -> Lanes:
        """The sum of ``coefficients[k]`` times the k-th power of this value (Horner's rule)."""
        total = self.of(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            total = total * self + c
        return total


__all__ = ["Lanes"]
