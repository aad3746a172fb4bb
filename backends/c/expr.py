"""Expressions of buffer IR as C.

A vector is never a C expression: ``lane(e, "k")`` gives lane ``k`` of it, and the statement stands in a loop over
``k``.  What cannot stand there, a reduction of lanes, goes to a temporary before the statement.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sparsec.backends.c.helpers import C_TYPES, Helpers, suffix
from sparsec.errors import UnsupportedError
from sparsec.ir.buffer import Const, Expr, Load, Op, Var, Vec, scalar
from sparsec.ir.definitions import ARGUMENTS, Term, unfold
from sparsec.ir.dtypes import BF16, BOOL, F16, F32, F64, DType
from sparsec.ir.ops import OPS, result_dtype

_INFIX = {
    "add": "+",
    "radd": "+",
    "sub": "-",
    "mul": "*",
    "bitand": "&",
    "bitor": "|",
    "bitxor": "^",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "and": "&&",
    "or": "||",
}
_BOOL_INFIX = {"add": "||", "mul": "&&", "min": "&&", "max": "||"}
_MATH = {
    **{name: name for name in ("exp", "log", "log1p", "expm1", "sqrt", "cbrt", "sin", "cos", "tan", "atan2", "sinh")},
    **{name: name for name in ("cosh", "tanh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "floor", "ceil")},
    "round": "rint",
    "abs": "fabs",
    "pow": "pow",
}
_COMPLEX_MATH = {
    **{
        name: "c" + name for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos")
    },
    "atan": "catan",
    "asinh": "casinh",
    "acosh": "cacosh",
    "atanh": "catanh",
    "pow": "cpow",
    "conj": "conj",
    "abs": "cabs",
    "real": "creal",
    "imag": "cimag",
}
BY_PART = {"c64": F32, "c128": F64}
"""The type of the parts of a complex type."""

_UNCHANGED = {"real", "conj", "floor", "ceil", "round"}


def bare(text: str) -> str:
    """``text`` without a pair of brackets around all of it."""
    if not text.startswith("(") or not text.endswith(")"):
        return text
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return text[1:-1] if i == len(text) - 1 else text
    return text


class Expressions:
    """``names`` maps names of the IR to C; ``reduce`` puts the reduction of a vector before the statement."""

    def __init__(self, helpers: Helpers, names: Callable[[str], str], reduce: Callable[[Op], str]) -> None:
        self.helpers = helpers
        self.names = names
        self.reduce = reduce

    def scalar(self, e: Expr) -> str:
        """A scalar expression, in brackets where it needs them."""
        return self.lane(e, "")

    def lane(self, e: Expr, k: str) -> str:
        """Lane ``k`` of a vector expression; a scalar is the same in every lane."""
        match e:
            case Const():
                return self.constant(e.value, scalar(e.type))
            case Var():
                return f"{self.names(e.name)}.lane[{k}]" if isinstance(e.type, Vec) else self.names(e.name)
            case Load():
                return self.load(e, k)
            case Op():
                return self.op(e, k)

    def constant(self, value: object, t: DType) -> str:
        if t is BOOL:
            return "true" if value else "false"
        if t.kind == "c":
            z = complex(value)  # type: ignore[call-overload]
            part = BY_PART[t.name]
            return f"{self.helpers.typed('complex', t)}({self.constant(z.real, part)}, {self.constant(z.imag, part)})"
        if t.is_float:
            number = float(np.float16(value) if t is F16 else value)  # type: ignore[arg-type]
            text = _float(number, t)
            return self.call("round_bf16", text) if t is BF16 else text
        n = int(value)  # type: ignore[call-overload]
        if n in (-(2**63), -(2**31)):
            return f"INT{t.bits}_MIN" if n == -(1 << t.bits - 1) else f"({n})"
        # A literal of another width or sign would make C compute in that.
        text = f"{n}u" if t.kind == "u" and t.bits >= 32 else str(n)
        return f"({text})" if n < 0 else text

    def load(self, e: Load, k: str) -> str:
        text = f"{self.names(e.buffer.name)}[{self.index(e.index, e.type, k)}]"
        if e.buffer.dtype in (F16, BF16):
            text = f"{self.helpers.plain('from_' + e.buffer.dtype.name)}({text})"
        return text if e.mask is None else f"({self.lane(e.mask, k)} ? {text} : 0)"

    def index(self, index: Expr, accessed: object, k: str) -> str:
        """Where lane ``k`` of an access lies."""
        if isinstance(accessed, Vec) and not isinstance(index.type, Vec):
            return f"{self.scalar(index)} + {k}"
        return bare(self.lane(index, k))

    def op(self, e: Op, k: str) -> str:
        t = scalar(e.type)
        if e.op.startswith("reduce_"):
            return self.reduce(e)
        if e.op == "bitmask":
            lanes = e.args[0].type
            assert isinstance(lanes, Vec)
            return (
                "("
                + " | ".join(f"(uint64_t){_atom(self.lane(e.args[0], str(n)))} << {n}" for n in range(lanes.lanes))
                + ")"
            )
        if e.op == "iota":
            return f"({C_TYPES[t.name]}){k}"
        args = [self.lane(a, k) for a in e.args]
        if e.op == "splat":
            return args[0]
        operand = scalar(e.args[0].type)
        if t.is_integer and all(isinstance(a, Const) for a in e.args):
            args[0] = f"({C_TYPES[operand.name]}){args[0]}"
        if e.op == "cast":
            return self.cast(args[0], operand, t)
        return self.rounded(self.apply(e.op, args, operand), t, operand)

    def rounded(self, text: str, t: DType, operand: DType) -> str:
        """A computed value in its own type, where C computed in a wider one."""
        if t in (F16, BF16):
            return self.call("round_" + t.name, text)
        if t.is_integer and t.bits < 32 and text.startswith("(") and operand is t:
            return f"({C_TYPES[t.name]}){text}"
        return text

    def call(self, helper: str, text: str) -> str:
        return f"{self.helpers.plain(helper)}({bare(text)})"

    def apply(self, op: str, args: list[str], t: DType) -> str:
        """An operator on arguments of type ``t``."""
        found: str | None = None
        if t is BOOL:
            found = self.boolean(op, args)
        elif t.kind == "c":
            found = self.complex(op, args, t)
        elif t.is_integer:
            found = self.integer(op, args, t)
        elif t.is_float:
            found = self.float(op, args, t)
        if found is not None:
            return found
        if op in OPS and (means := OPS[op].means) is not None:
            return self.defined(op, means, args, F32 if t in (F16, BF16) else t)
        if op in _INFIX:
            return f"({args[0]} {_INFIX[op]} {args[1]})"
        if op == "select":
            return f"({args[0]} ? {args[1]} : {args[2]})"
        if op == "fma":
            return self.apply("add", [self.apply("mul", args[:2], t), args[2]], t)
        if op == "neg":
            return f"(-{_atom(args[0])})"
        if op in _UNCHANGED:
            return _atom(args[0])
        raise UnsupportedError(f"the C backend has no '{op}' of {t}")

    def defined(self, op: str, means: Term, args: list[str], t: DType) -> str:
        """An operator by its definition, as a function of ours."""

        def apply(name: str, given: list[tuple[str, DType]]) -> tuple[str, DType]:
            types = tuple(t for _, t in given)
            return self.apply(name, [text for text, _ in given], types[0]), result_dtype(name, types)

        names = ARGUMENTS[: len(args)]
        text, out = unfold(means, {n: (n, t) for n in names}, lambda n: (self.constant(n, t), t), apply)
        takes = ", ".join(f"{C_TYPES[t.name]} {n}" for n in names)
        name = self.helpers.function(f"{op}_{t.name}", C_TYPES[out.name], takes, bare(text))
        return f"{name}({', '.join(map(bare, args))})"

    def typed(self, family: str, args: list[str], t: DType) -> str:
        """Call a typed helper; f16 and bf16 use that of f32."""
        return f"{self.helpers.typed(family, F32 if t in (F16, BF16) else t)}({', '.join(map(bare, args))})"

    def boolean(self, op: str, args: list[str]) -> str | None:
        if op in ("not", "invert"):
            return f"(!{_atom(args[0])})"
        if op in _BOOL_INFIX:
            return f"({args[0]} {_BOOL_INFIX[op]} {args[1]})"
        return args[0] if op == "abs" else "false" if op == "imag" else None

    def integer(self, op: str, args: list[str], t: DType) -> str | None:
        sign = t.kind
        if op in ("floordiv", "mod", "pow"):
            return self.typed(f"{op}_{sign}", args, t)
        if op in ("min", "max", "ctz", "popcount"):
            return self.typed(op, args, t)
        if op in ("shl", "shr"):
            return self.typed(op if sign == "i" else f"{op}_u", args, t)
        if op == "abs":
            return self.typed("abs_i", args, t) if sign == "i" else _atom(args[0])
        if op == "invert":
            return f"(~{_atom(args[0])})"
        return "0" if op == "imag" else None

    def float(self, op: str, args: list[str], t: DType) -> str | None:
        if op in _MATH:
            f = "" if t is F64 else "f"
            return f"{_MATH[op]}{f}({', '.join(map(bare, args))})"
        if op in ("min", "max", "floordiv", "mod"):
            return self.typed(f"{op}_f", args, t)
        match op:
            case "div":
                return f"({args[0]} / {args[1]})"
            case "erf":
                return f"({C_TYPES[t.name]})erf({bare(args[0])})"
            case "imag":
                return self.constant(0.0, t)
        return None

    def complex(self, op: str, args: list[str], t: DType) -> str | None:
        f = suffix(t)
        if op in _COMPLEX_MATH:
            return f"{_COMPLEX_MATH[op]}{f}({', '.join(map(bare, args))})"
        match op:
            case "mul" | "div":
                return self.typed("c" + op, args, t)
            case "sign":
                return self.typed("csign", args, t)
            case "rsqrt":
                return self.typed("cdiv", [self.constant(1.0, t), f"csqrt{f}({args[0]})"], t)
            case "isnan":
                return f"(isnan(creal{f}({args[0]})) || isnan(cimag{f}({args[0]})))"
            case "isfinite":
                return f"(isfinite(creal{f}({args[0]})) && isfinite(cimag{f}({args[0]})))"
            case "add" | "radd" | "sub" | "eq" | "ne" | "fma" | "neg":
                return None
        raise UnsupportedError(f"the C backend has no '{op}' of {t}")

    def cast(self, text: str, source: DType, target: DType) -> str:
        if source is target:
            return text
        if source.kind == "c" and target.kind != "c":
            part = BY_PART[source.name]
            return self.cast(f"creal{suffix(source)}({bare(text)})", part, target)
        if target is BOOL:
            return f"({text} != 0)"
        if target is F16:
            return self.call("round_f16", text if source is F64 else f"(float){_atom(text)}")
        if target is BF16:
            return self.call("round_bf16", f"(float){_atom(text)}")
        if target.kind == "c" and source.kind != "c":
            part = BY_PART[target.name]
            real, zero = bare(self.cast(text, source, part)), self.constant(0.0, part)
            return f"{self.helpers.typed('complex', target)}({real}, {zero})"
        return f"({C_TYPES[target.name]}){_atom(text)}"


def _atom(text: str) -> str:
    """``text`` so that a prefix operator or a cast takes all of it."""
    plain = text.replace("_", "").isalnum() or text.startswith("(") or text.endswith((")", "]"))
    return text if plain else f"({text})"


def _float(value: float, t: DType) -> str:
    if math.isnan(value):
        return "NAN" if t is not F64 else "(double)NAN"
    if math.isinf(value):
        return "(-INFINITY)" if value < 0 else "INFINITY"
    text = repr(value) if t is F64 else repr(float(str(np.float32(value)))) + "f"
    return f"({text})" if text.startswith("-") else text


__all__ = ["BY_PART", "Expressions", "bare"]
