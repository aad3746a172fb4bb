"""How dtypes combine: NumPy's promotion, weak literals and extents, and arithmetic on literals."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sparsec.errors import Span, TypeError_
from sparsec.ir import ops
from sparsec.ir.dtypes import BF16, BOOL, C64, F16, F32, F64, I64, U64, DType, promote
from sparsec.ir.tensor import Expr, Literal, Map

LITERAL, EXTENT, OPEN = "literal", "extent", "open"
"""Why an expression is weak: it is a literal; it is made of extents; its dtype is being inferred."""
RANK = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


class Typed(NamedTuple):
    """An expression, and why it is ``weak``: takes the dtype of what it meets (empty: it does not)."""

    expr: Expr
    weak: str = ""

    @property
    def dtype(self) -> DType:
        return self.expr.dtype


def common(args: Sequence[Typed]) -> DType:
    """The dtype in which arguments meet."""
    strong = [a.dtype for a in args if not a.weak]
    if not strong:
        return max((a.dtype for a in args), key=lambda t: RANK[t.kind])
    out = strong[0]
    for t in strong[1:]:
        out = promote(out, t)
    for a in args:
        if not a.weak:
            continue
        if RANK[a.dtype.kind] > RANK[out.kind]:
            narrow = a.dtype.kind == "c" and out in (F16, BF16, F32)
            out = C64 if narrow else a.dtype
        elif a.weak == EXTENT and out.is_integer and out is not U64:
            out = promote(out, I64)
    return out


def beside_u64(args: Sequence[Typed]) -> int | None:
    """Which of two arguments is a signed integer where the other is a u64: they meet in f64, which rounds both."""
    if any(a.weak for a in args) or U64 not in (types := [a.dtype for a in args]):
        return None
    return next((n for n, t in enumerate(types) if t.kind == "i"), None)


def weakness(args: Sequence[Typed]) -> str:
    """What an arithmetic result of these is."""
    kinds = {a.weak for a in args}
    return "" if "" in kinds else OPEN if OPEN in kinds else EXTENT if EXTENT in kinds else LITERAL


def cast(a: Typed, to: DType) -> Expr:
    """``a`` in dtype ``to``; raises ``TypeError_`` for a literal that does not fit."""
    e = a.expr
    if e.dtype is to:
        return e
    if not isinstance(e, Literal):
        return Map("cast", (e,), to, span=e.span)
    if a.weak and to is not BOOL and not to.holds(e.value):
        raise TypeError_(
            f"{show(e.value)} does not fit in {to}, the type of what it meets",
            span=e.span,
            hint=f"cast the other side to a wider type, or wrap the number: {to}({show(e.value)})",
        )
    return Literal(convert(e.value, to), to, span=e.span)


def convert(value: object, to: DType) -> object:
    """A Python scalar in dtype ``to``, as a Python scalar; floats round, and integers wrap."""
    if to is BF16:
        return float(value.real if isinstance(value, complex) else value)  # type: ignore[arg-type]
    with np.errstate(all="ignore"):
        return ops.cast_value(value, to).item()


def as_float(t: DType) -> DType:
    """The dtype in which NumPy computes a function of ``t``."""
    return t if t.kind in "fc" else F16 if t.bits <= 8 else F32 if t.bits == 16 else F64


def wide(t: DType) -> DType:
    """The dtype in which reductions of ``t`` are kept."""
    return F32 if t in (F16, BF16) else t


def accumulator(t: DType) -> DType:
    """The dtype in which sums and products of ``t`` are kept."""
    return I64 if t.kind in "bi" else U64 if t.kind == "u" else wide(t)


def may_assign(source: DType, to: DType) -> bool:
    """NumPy's "same_kind": wider or narrower within a kind, or up to a richer one."""
    if BF16 in (source, to):
        source, to = (F32 if t is BF16 else t for t in (source, to))
    return np.can_cast(source.np, to.np, "same_kind")


# literals

_INTEGER: dict[str, Callable[..., int]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg, "abs": abs, "min": min,
    "max": max, "pow": pow, "sign": lambda a: (a > 0) - (a < 0), "relu": lambda a: max(a, 0),
    "floordiv": lambda a, b: a // b if b else 0, "mod": lambda a, b: a % b if b else 0,
}  # fmt: skip


def fold_literals(op: str, args: Sequence[Typed], t: DType, out: DType, span: Span) -> Typed | None:
    """The literal that an operator on literals gives, computed as Python would; None if it is not one of arithmetic."""
    values = [a.expr.value for a in args if isinstance(a.expr, Literal) and a.weak == LITERAL]
    if len(values) != len(args) or ops.OPS[op].rule not in ("arith", "float", "part"):
        return None
    if t.is_integer and op in _INTEGER:
        if op == "pow" and values[1] < 0:  # type: ignore[operator]
            raise TypeError_("a negative power of an integer", span=span, hint="write the base as a float: 2.0 ** -1")
        if op == "pow" and values[1] > 64 and abs(values[0]) > 1:  # type: ignore[operator, arg-type]
            raise _overflow(span)
        value = _INTEGER[op](*values)
        if not -(2**63) <= value < 2**64:
            raise _overflow(span)
        return Typed(Literal(value, I64 if value < 2**63 else U64, span=span), LITERAL)
    if t.is_integer:
        return None
    arguments = tuple(np.asarray(v, t.np)[()] for v in values)
    return Typed(Literal(ops.evaluate(op, arguments, out).item(), out, span=span), LITERAL)


def _overflow(span: Span) -> TypeError_:
    return TypeError_("the number does not fit in 64 bits", span=span, hint="write it as a float")


def show(value: object) -> str:
    """A literal as the language writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value).strip("()")
