"""Expressions to tensor IR: names resolved, dtypes promoted as NumPy does, casts made explicit.

Literals are weak: they take the dtype of what they meet.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sparsec.errors import ShapeError, Span, TypeError_
from sparsec.frontends.dsl import ast
from sparsec.ir import ops
from sparsec.ir.dtypes import (
    BF16,
    BOOL,
    BY_NAME,
    C64,
    C128,
    F16,
    F32,
    F64,
    I8,
    I64,
    U64,
    DType,
    promote,
)
from sparsec.ir.tensor import Access, Dim, Expr, Extent, Index, Literal, Map, Reduce, Scan, Softmax, Stored, Top

INFIX = {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "//": "floordiv", "%": "mod", "**": "pow", "==": "eq", "!=": "ne",
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "and": "and", "or": "or", "&": "bitand", "|": "bitor", "^": "bitxor",
}  # fmt: skip
REDUCTIONS = ("sum", "prod", "min", "max", "any", "all", "count", "mean", "argmin", "argmax", "logsumexp", "softmax", "top")
FUNCTIONS = tuple(n for n in ops.OPS if ops.OPS[n].symbol is None and n not in ("neg", "cast", "not", "invert"))
MONOID = {"sum": "add", "prod": "mul", "min": "min", "max": "max", "any": "or", "all": "and"}
CONSTANTS = {"inf": (math.inf, F64), "nan": (math.nan, F64), "true": (True, BOOL), "false": (False, BOOL)}
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression; ``weak`` if its dtype is a literal's."""

    expr: Expr
    weak: bool = False

    @property
    def dtype(self) -> DType:
        return self.expr.dtype


@dataclass(frozen=True, slots=True)
class Semiring:
    """``add`` and ``mul`` are operator names, ``monoid`` the reduction's."""

    add: str
    mul: str
    monoid: str


@dataclass(slots=True)
class Scope:
    """What names mean in one statement."""

    tensors: Mapping[str, tuple[DType, int]]
    indices: frozenset[str]
    dims: frozenset[str]
    extent: Callable[[str, Span], Extent]
    monoids: frozenset[str] = frozenset()
    semiring: Semiring | None = None
    depth: int = field(default=0)


def unknown(what: str, name: str, known: list[str], span: Span) -> TypeError_:
    """An error for a name that means nothing, with the nearest that does."""
    near = difflib.get_close_matches(name, known, 1)
    return TypeError_(
        f"unknown {what} '{name}'", span=span, hint=f"did you mean '{near[0]}'?" if near else None
    )


def cast(e: Typed, to: DType) -> Expr:
    """``e`` in dtype ``to``."""
    if e.dtype is to:
        return e.expr
    if isinstance(e.expr, Literal):
        return Literal(ops.cast_value(e.expr.value, to).item(), to, span=e.expr.span)
    return Map("cast", (e.expr,), to, span=e.expr.span)


_RANK = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def common(*args: Typed) -> DType:
    """The dtype that arguments meet in."""
    strong = [a.dtype for a in args if not a.weak]
    weak = [a.dtype for a in args if a.weak]
    if not strong:
        return max(weak, key=lambda t: _RANK[t.kind])
    out = strong[0]
    for t in strong[1:]:
        out = promote(out, t)
    for t in weak:
        if _RANK[t.kind] > _RANK[out.kind]:
            if t.kind == "c":
                out = C64 if out in (F16, BF16, F32) else C128
            else:
                out = t
    return out


def as_float(t: DType) -> DType:
    """The dtype in which NumPy computes a function of ``t``."""
    if t.kind in "fc":
        return t
    return F16 if t.bits <= 8 else F32 if t.bits == 16 else F64


class Typer:
    """Gives types to the expressions of one statement."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.depth = 0

    def expr(self, e: ast.Expr) -> Typed:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TypeError_(
                f"the expression nests more than {MAX_DEPTH} operators deep", span=e.span,
                hint="give parts of it names of their own",
            )
        try:
            return self._expr(e)
        finally:
            self.depth -= 1

    def _expr(self, e: ast.Expr) -> Typed:
        match e:
            case ast.Number():
                return self.number(e)
            case ast.Name():
                return self.name(e)
            case ast.Unary():
                return self.unary(e)
            case ast.Binary():
                return self.binary(e)
            case ast.Between():
                value, lo, hi = self.expr(e.value), self.expr(e.lo), self.expr(e.hi)
                low = self.operate("ge", [value, lo], e.span)
                high = self.operate("lt", [value, hi], e.span)
                return self.operate("and", [low, high], e.span)
            case ast.Subscript():
                return self.subscript(e)
            case ast.Call():
                return self.call(e)
            case ast.Reduction():
                return self.reduction(e)
        raise TypeError_("a tuple stands only in a monoid", span=e.span)

    # leaves

    def number(self, e: ast.Number) -> Typed:
        if e.kind == "int":
            if not -(2**63) <= int(e.value.real) < 2**64:
                raise TypeError_(f"the number {e.value} does not fit in 64 bits", span=e.span)
            return Typed(Literal(e.value, I64 if e.value.real < 2**63 else U64, span=e.span), True)
        return Typed(Literal(e.value, F64 if e.kind == "float" else C128, span=e.span), True)

    def name(self, e: ast.Name) -> Typed:
        s = self.scope
        if e.id in s.tensors:
            dtype, ndim = s.tensors[e.id]
            if ndim:
                raise ShapeError(
                    f"'{e.id}' has {ndim} dimensions and stands here without indices", span=e.span,
                    hint=f"write {e.id}[{', '.join('ijklmnop'[:ndim])}]",
                )
            return Typed(Access(e.id, (), dtype, span=e.span))
        if e.id in s.indices:
            return Typed(Index(e.id, span=e.span))
        if e.id in s.dims:
            return Typed(Dim(e.id, span=e.span))
        if e.id in CONSTANTS:
            value, dtype = CONSTANTS[e.id]
            return Typed(Literal(value, dtype, span=e.span), dtype is F64)
        raise unknown("name", e.id, [*s.tensors, *s.indices, *s.dims, *CONSTANTS], e.span)

    def subscript(self, e: ast.Subscript) -> Typed:
        s = self.scope
        if e.name not in s.tensors:
            raise unknown("tensor", e.name, list(s.tensors), e.span)
        dtype, ndim = s.tensors[e.name]
        if ndim != len(e.indices):
            raise ShapeError(
                f"'{e.name}' has {ndim} dimension{'s' * (ndim != 1)} and is indexed with {len(e.indices)}", span=e.span
            )
        return Typed(Access(e.name, tuple(self.index(i) for i in e.indices), dtype, span=e.span))

    def index(self, e: ast.Expr) -> Expr:
        t = self.expr(e)
        if t.dtype.kind not in "ui":
            raise TypeError_(f"an index must be an integer, not {t.dtype}", span=e.span)
        return cast(t, I64)

    # operators

    def unary(self, e: ast.Unary) -> Typed:
        a = self.expr(e.arg)
        if e.op == "not":
            return self.operate("not", [a], e.span)
        if isinstance(a.expr, Literal) and a.weak:
            value = -a.expr.value  # type: ignore[operator]
            return Typed(Literal(value, a.dtype if a.dtype is not U64 else I64, span=e.span), True)
        if a.dtype is BOOL:
            raise TypeError_("'-' of a bool", span=e.span, hint="write 'not', or cast it first: -i64(x)")
        return self.operate("neg", [a], e.span)

    def binary(self, e: ast.Binary) -> Typed:
        op = INFIX[e.op]
        if self.scope.semiring is not None and e.op in "+*":
            op = self.scope.semiring.add if e.op == "+" else self.scope.semiring.mul
        return self.operate(op, [self.expr(e.left), self.expr(e.right)], e.span)

    def operate(self, op: str, args: list[Typed], span: Span) -> Typed:
        """An operator of ``ops.OPS`` with its arguments brought to the type it wants."""
        rule = ops.OPS[op].rule
        weak = all(a.weak for a in args)
        if rule == "bool":
            return Typed(Map(op, tuple(cast(a, BOOL) for a in args), BOOL, span=span))
        if rule == "select":
            t = common(*args[1:])
            return Typed(Map(op, (cast(args[0], BOOL), cast(args[1], t), cast(args[2], t)), t, span=span))
        t = common(*args)
        if t is BOOL:
            if op in ("add", "max", "mul", "min"):
                op = "or" if op in ("add", "max") else "and"
                return Typed(Map(op, tuple(cast(a, BOOL) for a in args), BOOL, span=span))
            if op == "sub":
                raise TypeError_("'-' of bools", span=span, hint="write a != b, or cast them first")
            if op in ("floordiv", "mod", "pow"):
                t = I8
        if t.kind == "c" and op in ("lt", "le", "gt", "ge", "min", "max", "floordiv", "mod", "atan2", "heaviside"):
            raise TypeError_(f"complex numbers have no order: '{op}' is not defined for them", span=span)
        if rule == "int" and t.kind not in "uib":
            raise TypeError_(f"'{ops.OPS[op].symbol or op}' takes integers and bools, not {t}", span=span)
        if rule in ("float", "test"):
            t = as_float(t)
        if rule == "test" and t is BOOL:
            t = F64
        out = ops.result_dtype(op, (t,) * len(args))
        return Typed(Map(op, tuple(cast(a, t) for a in args), out, span=span), weak and rule == "arith")

    def call(self, e: ast.Call) -> Typed:
        if e.name in BY_NAME:
            self.arity(e, 1)
            a = self.expr(e.args[0])
            return Typed(cast(Typed(a.expr), BY_NAME[e.name]))
        if e.name == "stored":
            self.arity(e, 1)
            if not isinstance(e.args[0], ast.Subscript):
                raise TypeError_("'stored' asks about an entry", span=e.span, hint="write stored(A[i, j])")
            access = self.expr(e.args[0]).expr
            assert isinstance(access, Access)
            return Typed(Stored(access, span=e.span))
        if e.name in FUNCTIONS:
            self.arity(e, ops.OPS[e.name].arity)
            return self.operate(e.name, [self.expr(a) for a in e.args], e.span)
        if e.name in REDUCTIONS or e.name in self.scope.monoids:
            raise TypeError_(
                f"the reduction '{e.name}' names its indices", span=e.span, hint=f"write {e.name}[i](...)"
            )
        if e.name in self.scope.tensors:
            raise TypeError_(f"'{e.name}' is a tensor, not a function", span=e.span, hint=f"write {e.name}[...]")
        raise unknown("function", e.name, [*FUNCTIONS, *REDUCTIONS, *BY_NAME, "stored"], e.span)

    def arity(self, e: ast.Call, n: int) -> None:
        if len(e.args) != n:
            raise TypeError_(f"'{e.name}' takes {n} argument{'s' * (n != 1)}, not {len(e.args)}", span=e.span)

    # reductions

    def reduction(self, e: ast.Reduction) -> Typed:
        where = None if e.where is None else self.condition(e.where)
        if e.scan is not None:
            return self.scan(e, where)
        if e.name == "top":
            return self.top(e, where)
        if e.tail is not None:
            raise TypeError_(f"'{e.name}[...]' takes indices, not a range", span=e.span)
        names = tuple(self.variable(i) for i in e.indices)
        if len(set(names)) != len(names):
            raise TypeError_(f"'{e.name}' names an index twice", span=e.span)
        body = self.expr(e.body)
        return self.fold(e, names, body, where)

    def fold(self, e: ast.Reduction, names: tuple[str, ...], body: Typed, where: Expr | None) -> Typed:
        name, t = e.name, body.dtype
        if e.implicit and self.scope.semiring is not None:
            return Typed(Reduce(self.scope.semiring.monoid, names, body.expr, t, where, span=e.span))
        if e.implicit and t is BOOL:
            return Typed(Reduce("or", names, body.expr, BOOL, where, span=e.span))
        match name:
            case "sum" | "prod":
                wide = self.accumulator(t)
                out = Reduce(MONOID[name], names, cast(Typed(body.expr), wide), wide, where, span=e.span)
                return Typed(cast(Typed(out), t) if t in (F16, BF16) else out)
            case "min" | "max":
                if t.kind == "c":
                    raise TypeError_(f"complex numbers have no order: '{name}'", span=e.span)
                if t is BOOL:
                    return Typed(Reduce("and" if name == "min" else "or", names, body.expr, BOOL, where, span=e.span))
                return Typed(Reduce(name, names, body.expr, t, where, span=e.span))
            case "any" | "all":
                return Typed(Reduce(MONOID[name], names, cast(body, BOOL), BOOL, where, span=e.span))
            case "count":
                return Typed(Reduce("add", names, cast(Typed(cast(body, BOOL)), I64), I64, where, span=e.span))
            case "mean":
                wide = as_float(self.accumulator(t))
                total = Reduce("add", names, cast(Typed(body.expr), wide), wide, where, span=e.span)
                count = self.size(names, where, e.span)
                return self.operate("div", [Typed(total), Typed(cast(count, wide))], e.span)
            case "argmin" | "argmax":
                if t.kind == "c":
                    raise TypeError_(f"complex numbers have no order: '{name}'", span=e.span)
                return Typed(Reduce(name, names, body.expr, I64, where, span=e.span))
            case "logsumexp":
                wide = as_float(t)
                return Typed(Reduce(name, names, cast(body, wide), wide, where, span=e.span))
            case "softmax":
                wide = as_float(t)
                return Typed(Softmax(names, cast(body, wide), wide, where, span=e.span))
        if name in self.scope.monoids:
            return Typed(Reduce(name, names, body.expr, t, where, span=e.span))
        if name in self.scope.tensors:
            raise TypeError_(f"'{name}' is a tensor, not a reduction", span=e.span)
        raise unknown("reduction", name, [*REDUCTIONS, *self.scope.monoids], e.span)

    def accumulator(self, t: DType) -> DType:
        """The dtype that sums and products of ``t`` are kept in."""
        if t in (F16, BF16):
            return F32
        if t.kind in "bi":
            return I64
        return U64 if t.kind == "u" else t

    def size(self, names: tuple[str, ...], where: Expr | None, span: Span) -> Typed:
        """How many points a reduction visits."""
        if where is not None:
            return Typed(Reduce("add", names, Map("cast", (where,), I64), I64, span=span))
        total: Typed | None = None
        for n in names:
            extent = self.scope.extent(n, span)
            one = Typed(Literal(extent, I64) if isinstance(extent, int) else Dim(extent))
            total = one if total is None else self.operate("mul", [total, one], span)
        assert total is not None
        return total

    def scan(self, e: ast.Reduction, where: Expr | None) -> Typed:
        words = {i.id for i in e.indices[1:] if isinstance(i, ast.Name)}
        if len(words) != len(e.indices) - 1 or words - {"exclusive", "reverse"}:
            raise TypeError_("'scan' takes one index, then 'exclusive' or 'reverse'", span=e.span)
        assert e.scan is not None
        if e.scan not in MONOID and e.scan not in self.scope.monoids:
            raise unknown("scan", e.scan, [*MONOID, *self.scope.monoids], e.span)
        body = self.expr(e.body)
        t = self.accumulator(body.dtype) if e.scan in ("sum", "prod") else body.dtype
        name = MONOID.get(e.scan, e.scan)
        index = self.variable(e.indices[0])
        return Typed(Scan(name, index, cast(body, t), t, "exclusive" in words, "reverse" in words, where, span=e.span))

    def top(self, e: ast.Reduction, where: Expr | None) -> Typed:
        if not isinstance(e.tail, ast.Number) or e.tail.kind != "int":
            raise TypeError_("'top' needs how many to keep", span=e.span, hint="write top[j: 32](key), top[j/4: 2](key)")
        groups: list[tuple[str, int | None]] = []
        for i in e.indices:
            if isinstance(i, ast.Binary) and i.op == "/" and isinstance(i.right, ast.Number) and i.right.kind == "int":
                if int(i.right.value.real) < 1:
                    raise TypeError_("a group has at least one member", span=i.span)
                groups.append((self.variable(i.left), int(i.right.value.real)))
            else:
                groups.append((self.variable(i), None))
        return Typed(Top(tuple(groups), int(e.tail.value.real), self.expr(e.body).expr, where, span=e.span))

    def variable(self, e: ast.Expr) -> str:
        if not isinstance(e, ast.Name):
            raise TypeError_("here stands an index variable, by its name alone", span=e.span)
        if e.id not in self.scope.indices:
            known = sorted(self.scope.indices)
            raise unknown("index variable", e.id, known, e.span)
        return e.id

    def condition(self, e: ast.Expr) -> Expr:
        """A condition, as a bool."""
        t = self.expr(e)
        if t.dtype is not BOOL and not isinstance(t.expr, Access):
            raise TypeError_(f"a condition is a bool, not {t.dtype}", span=e.span, hint="compare it: x != 0")
        return cast(t, BOOL)


def constant(e: ast.Expr) -> bool | int | float | complex:
    """The value of a literal, maybe negated: what ``fill(...)`` takes."""
    t = Typer(Scope({}, frozenset(), frozenset(), lambda n, s: 0)).expr(e)
    if not isinstance(t.expr, Literal):
        raise TypeError_("a fill is a number", span=e.span)
    value = t.expr.value
    assert isinstance(value, bool | int | float | complex)
    return value


def python_scalar(value: object, dtype: DType, span: Span) -> bool | int | float | complex:
    """``value`` as a Python scalar of the dtype's kind; raises ``TypeError_`` where it does not fit."""
    t = np.asarray(value).dtype
    if t.kind == "c" and dtype.kind != "c" or t.kind == "f" and dtype.kind in "uib":
        raise TypeError_(f"the fill {value} is no {dtype}", span=span)
    if dtype.is_integer and not np.iinfo(dtype.np).min <= int(value) <= np.iinfo(dtype.np).max:  # type: ignore[call-overload]
        raise TypeError_(f"the fill {value} does not fit in {dtype}", span=span)
    if dtype is BF16:
        return float(value)  # type: ignore[arg-type]
    return dtype.np.type(value).item()  # type: ignore[no-any-return]
