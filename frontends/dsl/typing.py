"""Expressions to tensor IR: names resolved, dtypes promoted as NumPy does, casts made explicit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from sparsec.errors import ShapeError, Span, TypeError_, nearest
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.names import FUNCTIONS, REDUCTIONS, counted, listed, unknown
from sparsec.frontends.dsl.promotion import (
    EXTENT,
    LITERAL,
    OPEN,
    Typed,
    as_float,
    beside_u64,
    cast,
    common,
    fold_literals,
    weakness,
)
from sparsec.frontends.dsl.reductions import reduction
from sparsec.frontends.dsl.symbols import Definitions, Semiring, Tensor
from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, BY_NAME, C128, F64, I8, I64, U64, DType, promote
from sparsec.ir.rewrite import children
from sparsec.ir.tensor import Access, Dim, Expr, Extent, Index, Literal, Map, Reduce, Stored

INFIX = {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "//": "floordiv", "%": "mod", "**": "pow", "==": "eq", "!=": "ne",
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "and": "and", "or": "or", "&": "bitand", "|": "bitor", "^": "bitxor",
}  # fmt: skip
CONSTANTS = {"inf": (math.inf, F64), "nan": (math.nan, F64), "true": (True, BOOL), "false": (False, BOOL)}
OF_BOOLS = {
    "add": "or", "max": "or", "bitor": "or", "mul": "and", "min": "and", "bitand": "and", "bitxor": "ne",
}  # fmt: skip
MAX_NODES = 20_000
MAX_DEPTH = 100
"""Bounds of one statement with the file's functions written out; the second is that of tensor IR."""
MAX_CALLS = 30
MOST_STEPS = 2**31
"""The factors and terms of an index, at most: times coordinates of as many bits they stay inside 64."""


@dataclass(slots=True)
class Scope:
    """What names mean in a statement.

    ``indices`` says how far its index variables run, ``offsets`` what is added to the value of some; not ``declared``
    are bare statements, whose operands are what is passed.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    indices: Mapping[str, Extent] = field(default_factory=dict)
    offsets: Mapping[str, int] = field(default_factory=dict)
    dims: frozenset[str] = frozenset()
    definitions: Definitions = field(default_factory=Definitions)
    semiring: Semiring | None = None
    declared: bool = True


def tensor_of(e: ast.Subscript, s: Scope) -> Tensor:
    """The tensor that is indexed; raises ``TypeError_`` if there is none."""
    if e.name in s.tensors:
        return s.tensors[e.name]
    hint = f"tensors here are {listed(s.tensors)}" if s.declared else f"pass it: {e.name}=..."
    if e.name in s.indices:
        hint = f"'{e.name}' is an index variable"
    elif e.name in s.definitions.reductions or e.name in REDUCTIONS:
        raise unknown("tensor", e.name, (), e.span, f"the reduction '{e.name}' needs what to reduce: {e.name}[i](...)")
    if s.declared:
        raise unknown("tensor", e.name, s.tensors, e.span, hint)
    raise TypeError_(f"there is no operand '{e.name}'", span=e.span, hint=nearest(e.name, s.tensors) or hint)


def spelled(t: Tensor) -> str:
    """An access as it might be written."""
    return f"{t.name}[{', '.join('ijklmnop'[: t.ndim])}]" if t.ndim else t.name


def check_order(t: Tensor, e: ast.Subscript) -> None:
    """Raise ``ShapeError`` unless there is an index for each dimension."""
    if t.ndim == len(e.indices):
        return
    example = f"write {spelled(t)}" if t.ndim < 9 else None
    message = f"'{t.name}' has {counted(t.ndim, 'dimension')}, and here {counted(len(e.indices), 'index')}"
    if t.ndim == 0:
        message = f"'{t.name}' is a scalar and has no indices"
    raise ShapeError(message, span=e.span, hint=example)


class Typer:
    """Gives types to the expressions of one statement; ``monoids`` collects the users' that it names, ``implicit`` the
    implicit sums that it has made."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.semiring = scope.semiring
        self.indexing = False  # inside a bracket, where integers are computed in i64 whatever their types are
        self.arguments: Mapping[str, Typed] | None = None  # inside a function: its parameters
        self.calls: list[str] = []
        self.monoids: set[str] = set()
        self.implicit: list[Reduce] = []
        self.nodes = 0
        self.depth = 0
        # By id; an expression that is kept keeps its id from being used again.
        self.measured: dict[int, tuple[Expr, tuple[int, int]]] = {}

    def expr(self, e: ast.Expr) -> Typed:
        """``e`` with its dtype; raises ``TypeError_`` and ``ShapeError`` at the part that is wrong."""
        self.nodes += 1
        self.depth += 1
        if self.nodes > MAX_NODES or self.depth > 2 * MAX_DEPTH:
            raise self.too_large(e.span)
        try:
            return self.typed(e)
        finally:
            self.depth -= 1

    def typed(self, e: ast.Expr) -> Typed:
        match e:
            case ast.Number():
                return number(e)
            case ast.Name():
                return self.name(e)
            case ast.Unary():
                return self.operate("not" if e.op == "not" else "neg", [self.expr(e.arg)], e.span)
            case ast.Binary():
                return self.binary(e)
            case ast.Between():
                return self.between(e)
            case ast.Subscript():
                return self.subscript(e)
            case ast.Call():
                return self.call(e)
            case ast.Reduction():
                indexing, self.indexing = self.indexing, False
                out = reduction(self, e)
                self.indexing = indexing
                return out
        raise TypeError_("a tuple stands only in a monoid", span=e.span, hint="brackets hold one expression")

    # leaves

    def name(self, e: ast.Name) -> Typed:
        """A scalar, else an index variable, else a dimension, else a constant."""
        if e.id in CONSTANTS:
            value, dtype = CONSTANTS[e.id]
            return Typed(Literal(value, dtype, span=e.span), LITERAL if dtype is F64 else "")
        if self.arguments is not None:
            if e.id in self.arguments:
                return self.arguments[e.id]
            known = [*self.arguments, *CONSTANTS]
            raise unknown("name", e.id, known, e.span, f"the function '{self.calls[-1]}' sees its parameters alone")
        s = self.scope
        if e.id in s.tensors:
            return self.read(s.tensors[e.id], (), e.span)
        if e.id in s.indices:
            index = Typed(Index(e.id, span=e.span))
            shift = s.offsets.get(e.id, 0)
            return self.operate("add", [index, Typed(Literal(shift, I64), LITERAL)], e.span) if shift else index
        if e.id in s.dims:
            return Typed(Dim(e.id, span=e.span), EXTENT)
        plain = [n for n in s.indices if "." not in n]
        scalars = [n for n, t in s.tensors.items() if not t.ndim]
        hint = f"it is no scalar, index variable or dimension; those here are {listed([*scalars, *plain, *s.dims])}"
        if not s.declared:
            hint = f"a scalar is passed, {e.id}=...; other names here are {listed([*scalars, *plain])}"
        raise unknown("name", e.id, [*s.tensors, *plain, *s.dims, *CONSTANTS], e.span, hint)

    def subscript(self, e: ast.Subscript) -> Typed:
        if self.arguments is not None:
            raise TypeError_(
                "a function computes with numbers and does not index tensors",
                span=e.span,
                hint=f"pass the element: {self.calls[-1]}({e.name}[...])",
            )
        t = tensor_of(e, self.scope)
        check_order(t, e)
        return self.read(t, e.indices, e.span)

    def read(self, t: Tensor, indices: tuple[ast.Expr, ...], span: Span) -> Typed:
        """An access to a tensor, or to a scalar by its name alone."""
        if t.ndim != len(indices):
            message = f"'{t.name}' has {counted(t.ndim, 'dimension')} and stands here without indices"
            raise ShapeError(message, span=span, hint=f"write {spelled(t)}" if t.ndim < 9 else None)
        where = tuple(self.index(i, t, n) for n, i in enumerate(indices))
        return Typed(Access(t.name, where, t.dtype or I64, span=span), "" if t.dtype else OPEN)

    def index(self, e: ast.Expr, t: Tensor, n: int) -> Expr:
        """What stands in a bracket: an integer, inside the tensor where that is known."""
        around = self.semiring, self.indexing
        self.semiring, self.indexing = None, True
        found = self.expr(e)
        self.semiring, self.indexing = around
        if not found.dtype.is_integer:
            raise TypeError_(
                f"an index is an integer, not {found.dtype}",
                span=e.span,
                hint="write select(c, 1, 0)" if found.dtype is BOOL else "cast it: i64(...)",
            )
        place = cast(found, I64)
        if isinstance(place, Literal) and isinstance(place.value, int):
            extent = t.dims[n]
            if place.value < 0:
                named = isinstance(extent, int) or extent in self.scope.dims
                hint = f"the last one is {extent} - 1" if named else "indices count from 0"
                raise ShapeError(f"the index {place.value} is outside '{t.name}'", span=e.span, hint=hint)
            if isinstance(extent, int) and place.value >= extent:
                raise ShapeError(
                    f"the index {place.value} is outside '{t.name}'",
                    span=e.span,
                    hint=f"its dimension {n + 1} has the indices 0 to {extent - 1}" if extent else "it has no elements",
                )
        elif (steps := _steps(place)) > MOST_STEPS:
            raise ShapeError(
                f"an index of '{t.name}' could pass 64 bits: it moves by up to {steps}",
                span=e.span,
                hint=f"factors and terms up to {MOST_STEPS} in all fit",
            )
        return place

    # operators

    def binary(self, e: ast.Binary) -> Typed:
        left, right = self.expr(e.left), self.expr(e.right)
        if self.semiring is not None and e.op in ("+", "*"):
            op = self.semiring.add if e.op == "+" else self.semiring.mul
            if op is None:
                raise TypeError_(
                    f"'+' over '{self.semiring.name}', whose sums have a state",
                    span=e.span,
                    hint=f"only its reduction can be used: {self.semiring.name}[k](...)",
                )
            if isinstance(op, ast.FnText):
                return self.inline(op, [left, right], e.span)
            made = self.operate(op, [left, right], e.span)
            return made if e.op == "+" else annihilated(made, self.semiring)
        return self.operate(INFIX[e.op], [left, right], e.span)

    def between(self, e: ast.Between) -> Typed:
        value, lo, hi = self.expr(e.value), self.expr(e.lo), self.expr(e.hi)
        low = self.operate("ge", [value, lo], e.span)
        return self.operate("and", [low, self.operate("lt", [value, hi], e.span)], e.span)

    def operate(self, op: str, args: Sequence[Typed], span: Span) -> Typed:
        """An operator of ``ops.OPS`` on arguments brought to the dtype it wants."""
        rule = ops.OPS[op].rule
        if rule == "bool":
            return Typed(Map(op, tuple(cast(a, BOOL) for a in args), BOOL, span=span))
        if rule == "select":
            t = self.common(args[1:])
            return Typed(Map(op, (cast(args[0], BOOL), cast(args[1], t), cast(args[2], t)), t, span=span))
        if rule == "compare" and (signed := beside_u64(args)) is not None:
            return self.compare_signs(op, args, signed, span)
        t = meet(op, common(args) if rule == "compare" else self.common(args), args)
        if t is BOOL and op in OF_BOOLS:
            op = OF_BOOLS[op]
        if not ops.admits(op, t):
            raise refuse(op, t, span)
        out = ops.result_dtype(op, (t,) * len(args))
        folded = fold_literals(op, args, t, out, span)
        if folded is not None:
            return folded
        weak = weakness(args) if rule in ("arith", "float", "part") else ""
        return Typed(Map(op, tuple(cast(a, t) for a in args), out, span=span), weak)

    def compare_signs(self, op: str, args: Sequence[Typed], signed: int, span: Span) -> Typed:
        """A comparison of a u64 with a signed integer, exact as NumPy's: as two of u64, unless that one is negative."""
        zero = Typed(Literal(0, I64), LITERAL)
        both = self.operate(op, [Typed(cast(a, U64)) for a in args], span)
        if ops.evaluate(op, (-1, 0) if signed == 0 else (0, -1), BOOL):
            return self.operate("or", [self.operate("lt", [args[signed], zero], span), both], span)
        return self.operate("and", [self.operate("ge", [args[signed], zero], span), both], span)

    def common(self, args: Sequence[Typed]) -> DType:
        """The dtype in which arguments of arithmetic meet."""
        in_bracket = self.indexing and all(a.dtype.is_integer for a in args)
        return I64 if in_bracket and any(a.weak != LITERAL for a in args) else common(args)

    # calls

    def call(self, e: ast.Call) -> Typed:
        s = self.scope
        if e.name in s.definitions.fns:
            return self.inline(s.definitions.fns[e.name], [self.expr(a) for a in e.args], e.span)
        if e.name in BY_NAME:
            arity(e, 1)
            a = self.expr(e.args[0])
            if a.dtype.kind == "c" and BY_NAME[e.name].kind not in "cb":
                raise TypeError_(
                    f"a cast of {a.dtype} to {e.name} drops the imaginary part",
                    span=e.span,
                    hint=f"write {e.name}(real(...)) or {e.name}(abs(...))",
                )
            return Typed(cast(Typed(a.expr), BY_NAME[e.name]))
        if e.name == "stored":
            return self.stored(e)
        if e.name in FUNCTIONS:
            args = [self.expr(a) for a in e.args]
            if e.name in ("min", "max") and len(args) > 2:
                for a in args[1:]:
                    args[0] = self.operate(e.name, [args[0], a], e.span)
                return args[0]
            arity(e, ops.OPS[e.name].arity)
            return self.operate(e.name, args, e.span)
        if e.name in REDUCTIONS or e.name in s.definitions.reductions:
            raise unindexed(e)
        if e.name in s.definitions.kernels:
            raise TypeError_(
                f"'{e.name}' is a kernel, and its call is a statement by itself",
                span=e.span,
                hint=f"write t = {e.name}(...) before, with bare names left and right, and read t here",
            )
        if e.name in s.tensors:
            raise TypeError_(f"'{e.name}' is a tensor, not a function", span=e.span, hint=f"write {e.name}[...]")
        raise unknown("function", e.name, [*FUNCTIONS, *s.definitions.fns, *REDUCTIONS, *BY_NAME], e.span)

    def inline(self, fn: ast.FnText, args: Sequence[Typed], span: Span) -> Typed:
        """The body of a function with its parameters replaced; in it ``+`` and ``*`` are the ordinary ones."""
        if len(args) != len(fn.params):
            raise TypeError_(
                f"'{fn.name.id}' takes {counted(len(fn.params), 'argument')}, not {len(args)}",
                span=span,
                hint=f"it is defined as {fn.name.id}({', '.join(p.id for p in fn.params)})",
            )
        if fn.name.id in self.calls or len(self.calls) >= MAX_CALLS:
            chain = " -> ".join([*self.calls[-4:], fn.name.id])
            what = "calls itself" if fn.name.id in self.calls else "is nested too deeply"
            raise TypeError_(
                f"the function '{fn.name.id}' {what}: {chain}",
                span=fn.name.span,
                hint="functions are written out where they are called; a recurrence is a 'scan'",
            )
        outer = self.arguments, self.semiring
        self.calls.append(fn.name.id)
        self.arguments = {p.id: a for p, a in zip(fn.params, args, strict=True)}
        self.semiring = None
        out = self.expr(fn.body)
        self.arguments, self.semiring = outer
        self.calls.pop()
        nodes, depth = self.measure(out.expr)
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise self.too_large(span)
        return out

    def measure(self, e: Expr) -> tuple[int, int]:
        """How many nodes an expression has when those that it shares are written out, and how deep they nest."""
        known = self.measured.get(id(e))
        if known is None:
            below = [self.measure(child) for child in children(e)]
            known = e, (1 + sum(n for n, _ in below), 1 + max((d for _, d in below), default=0))
            self.measured[id(e)] = known
        return known[1]

    def too_large(self, span: Span) -> TypeError_:
        return TypeError_(
            f"more than {MAX_NODES:,} operators, or {MAX_DEPTH} inside one another, when the functions are written out",
            span=span,
            hint="give parts of the statement names of their own",
        )

    def stored(self, e: ast.Call) -> Typed:
        arity(e, 1)
        if not isinstance(e.args[0], ast.Subscript):
            raise TypeError_("'stored' asks about an entry", span=e.span, hint="write stored(A[i, j])")
        access = self.expr(e.args[0]).expr
        assert isinstance(access, Access)
        if self.scope.tensors[access.tensor].role not in ("in", "inout"):
            raise TypeError_(
                f"'stored' asks for a pattern that the caller gave, and '{access.tensor}' is computed here",
                span=e.span,
                hint="compare the value instead, or ask about an operand",
            )
        return Typed(Stored(access, span=e.span))

    def condition(self, e: ast.Expr) -> Expr:
        """A condition, as a bool: an element of any tensor is one where it is not 0."""
        semiring, self.semiring = self.semiring, None
        t = self.expr(e)
        self.semiring = semiring
        if t.dtype is not BOOL and not isinstance(t.expr, Access):
            raise TypeError_(f"a condition is a bool, not {t.dtype}", span=e.span, hint="compare it, with 0 say")
        return cast(t, BOOL)


def number(e: ast.Number) -> Typed:
    """A literal, weak."""
    if e.kind == "int":
        return Typed(Literal(e.value, I64 if e.value.real < 2**63 else U64, span=e.span), LITERAL)
    return Typed(Literal(e.value, F64 if e.kind == "float" else C128, span=e.span), LITERAL)


def meet(op: str, t: DType, args: Sequence[Typed]) -> DType:
    """The dtype in which NumPy computes ``op`` on arguments that meet in ``t``."""
    rule = ops.OPS[op].rule
    if op == "div" and t.kind in "bui":
        return F64
    if rule in ("float", "test"):
        # Of u8 and i8 NumPy computes in f16, though they meet in i16.
        strong = [as_float(a.dtype) for a in args if not a.weak]
        return as_float(t) if not strong or t.kind in "fc" else reduce(promote, strong)
    if t is BOOL and op in ("floordiv", "mod", "pow"):
        return I8
    if rule == "compare" and t.is_integer:
        # As in NumPy a number that a narrow type cannot hold may be compared with it.
        literals = [a.expr.value for a in args if isinstance(a.expr, Literal)]
        if not all(t.holds(v) for v in literals) and t is not U64:
            return I64
    return t


def refuse(op: str, t: DType, span: Span) -> TypeError_:
    """The error for an operator that a dtype does not have."""
    shown = ops.OPS[op].symbol or {"neg": "-", "pow": "**"}.get(op, op)
    if t is BOOL:
        hint = {"neg": "write 'not'", "sub": "write a != b, or cast them first: i64(a) - i64(b)"}.get(op)
        return TypeError_(f"'{shown}' of bools", span=span, hint=hint or "cast it first: i64(...)")
    if t.kind == "c":
        if op in ("lt", "le", "gt", "ge", "min", "max"):
            return TypeError_(
                f"complex numbers have no order, and '{shown}' needs one",
                span=span,
                hint="compare abs(...) or real(...)",
            )
        return TypeError_(f"'{shown}' is not defined for complex numbers", span=span, hint="take real(...) or abs(...)")
    hint = "a power is written x ** 2" if shown == "^" else "cast it first: i64(...)"
    return TypeError_(f"'{shown}' takes integers and bools, not {t}", span=span, hint=hint)


def annihilated(product: Typed, s: Semiring) -> Typed:
    """A product in a semiring: its zero annihilates where not stored, unless the operator sees to it by itself."""
    e = product.expr
    zero = s.zero_of(product.dtype)
    if not isinstance(e, Map) or len(e.args) != 2 or zero is None:
        return product
    if all(ops.forced(e.op, n, zero) is not None for n in (0, 1)):
        return product
    return product._replace(expr=replace(e, zero=zero))


def unindexed(e: ast.Call) -> TypeError_:
    """The error for a reduction that is called as a function."""
    hint = f"write {e.name}[i](...)" if e.name != "top" else "write top[j: 2](...)"
    return TypeError_(f"the reduction '{e.name}' names its indices", span=e.span, hint=hint)


def arity(e: ast.Call, n: int) -> None:
    if len(e.args) == 1 and e.name in REDUCTIONS:
        raise unindexed(e)
    if len(e.args) != n:
        hint = f"write {e.name}({', '.join('xyz'[:n])})"
        raise TypeError_(f"'{e.name}' takes {counted(n, 'argument')}, not {len(e.args)}", span=e.span, hint=hint)


def _steps(place: Expr) -> int:
    """How far at most an index can move where each variable in it moves by one, what is added to it included."""
    if isinstance(place, Literal):
        return abs(int(place.value))  # type: ignore[call-overload,no-any-return]
    if not isinstance(place, Map):
        return 1
    sizes = [_steps(a) for a in place.args]
    return math.prod(max(s, 1) for s in sizes) if place.op == "mul" else sum(sizes)
