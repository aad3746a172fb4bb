"""Building buffer IR: expressions folded as they are made, blocks as context managers.

Rules of the folding, by name::

    fold         op(constants)    => constant
    add_zero     x + 0, 0 + x     => x          (integers only: -0.0)
    sub_zero     x - 0            => x
    mul_one      x * 1, 1 * x     => x
    mul_zero     x * 0, 0 * x     => 0          (integers only)
    and_true     x and true       => x          and_false  => false   (and dually for or)
    not_not      not not x        => x
    cast_same    cast to own type => the operand
    min_same     min(x, x)        => x          (max alike)
    select_const select(const,..) => the branch chosen
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sparsec.ir import ops
from sparsec.ir.buffer import (
    TRUE,
    Abort,
    Alloc,
    Block,
    Buffer,
    Const,
    Decl,
    Expr,
    For,
    Grow,
    If,
    Let,
    Load,
    Op,
    Origin,
    Publish,
    Set,
    Stmt,
    Store,
    Type,
    Var,
    Vec,
    While,
    i64,
    scalar,
)
from sparsec.ir.dtypes import BOOL, I64, DType
from sparsec.ir.schedule import Directive
from sparsec.ir.tensor_values import scalar as number


def _is(e: Expr, value: object) -> bool:
    return isinstance(e, Const) and not isinstance(e.type, Vec) and bool(e.value == value)


def op(name: str, *args: Expr, type: Type | None = None) -> Expr:
    """The operator applied to ``args``, folded where the rules above apply."""
    if type is None:
        first = args[0].type
        if isinstance(first, Vec):
            inner = ops.result_dtype(name, tuple(scalar(a.type) for a in args)) if name in ops.OPS else first.dtype
            type = Vec(inner, first.lanes)
        else:
            type = ops.result_dtype(name, tuple(scalar(a.type) for a in args)) if name in ops.OPS else first
    simple = _simplify(name, args, type)
    return Op(name, args, type) if simple is None else simple


def _simplify(name: str, args: tuple[Expr, ...], type: Type) -> Expr | None:
    if isinstance(type, Vec):
        return None
    if name in ops.OPS and all(isinstance(a, Const) for a in args):
        values = tuple(number(a.value, scalar(a.type)) for a in args)  # type: ignore[union-attr]
        return Const(ops.evaluate(name, values, type).item(), type)
    if name == "cast" and args[0].type == type:
        return args[0]
    integer = type.is_integer
    if name == "add" and integer:
        if _is(args[0], 0):
            return args[1]
        if _is(args[1], 0):
            return args[0]
    elif name == "sub" and integer and _is(args[1], 0):
        return args[0]
    elif name == "mul" and integer:
        if _is(args[0], 1) or _is(args[1], 0):
            return args[1]
        if _is(args[1], 1) or _is(args[0], 0):
            return args[0]
    elif name in ("and", "or"):
        unit = name == "and"
        for a, b in (args, args[::-1]):
            if _is(a, unit):
                return b
            if _is(a, not unit):
                return a
    elif name == "not" and isinstance(args[0], Op) and args[0].op == "not":
        return args[0].args[0]
    elif name in ("min", "max") and args[0] == args[1]:
        return args[0]
    elif name == "select" and isinstance(args[0], Const):
        return args[1] if args[0].value else args[2]
    return None


def add(a: Expr, b: Expr | int) -> Expr:
    return op("add", a, i64(b) if isinstance(b, int) else b)


def sub(a: Expr, b: Expr | int) -> Expr:
    return op("sub", a, i64(b) if isinstance(b, int) else b)


def mul(a: Expr, b: Expr | int) -> Expr:
    return op("mul", a, i64(b) if isinstance(b, int) else b)


def lt(a: Expr, b: Expr) -> Expr:
    return op("lt", a, b)


def eq(a: Expr, b: Expr) -> Expr:
    return op("eq", a, b)


def both(*conditions: Expr) -> Expr:
    """The conjunction; true of none."""
    out: Expr = TRUE
    for c in conditions:
        out = op("and", out, c)
    return out


def negate(a: Expr) -> Expr:
    return op("not", a)


def cast(a: Expr, to: Type) -> Expr:
    return op("cast", a, type=to)


def load(buffer: Buffer, index: Expr) -> Expr:
    """One element, in the buffer's own type."""
    return Load(buffer, index, buffer.dtype)


def load_index(buffer: Buffer, index: Expr) -> Expr:
    """One element of an index array, widened to i64."""
    return cast(load(buffer, index), I64)


class Builder:
    """Collects statements of one function; names are made unique on request."""

    def __init__(self) -> None:
        self._stack: list[list[Stmt]] = [[]]
        self._taken: set[str] = set()
        self._mutable: set[str] = set()

    def fresh(self, hint: str) -> str:
        """A name not handed out before, equal to ``hint`` if it is free."""
        name, n = hint, 1
        while name in self._taken:
            n += 1
            name = f"{hint}_{n}"
        self._taken.add(name)
        return name

    def emit(self, stmt: Stmt) -> None:
        self._stack[-1].append(stmt)

    def block(self) -> Block:
        """What was collected at the outermost level."""
        assert len(self._stack) == 1
        return Block(tuple(self._stack[0]))

    @contextmanager
    def collect(self) -> Iterator[list[Stmt]]:
        """Collect statements into a list of their own."""
        self._stack.append([])
        try:
            yield self._stack[-1]
        finally:
            self._stack.pop()

    # expressions: the functions of this module, at hand for level types

    add = staticmethod(add)
    sub = staticmethod(sub)
    mul = staticmethod(mul)
    lt = staticmethod(lt)
    eq = staticmethod(eq)
    op = staticmethod(op)
    load = staticmethod(load)
    load_index = staticmethod(load_index)
    true = TRUE

    @staticmethod
    def const(value: object, t: DType = I64) -> Const:
        """A constant of type ``t``."""
        return Const(value, t)

    # locals

    def let(self, hint: str, value: Expr) -> Expr:
        """An immutable local (the present value of a mutable one); constants and immutable locals need none."""
        if isinstance(value, Const) or (isinstance(value, Var) and value.name not in self._mutable):
            return value
        var = Var(self.fresh(hint), value.type)
        self.emit(Let(var, value))
        return var

    def var(self, hint: str, init: Expr) -> Var:
        """A mutable local."""
        var = Var(self.fresh(hint), init.type)
        self._mutable.add(var.name)
        self.emit(Decl(var, init))
        return var

    def set(self, var: Var, value: Expr) -> None:
        self.emit(Set(var, value))

    def store(self, buffer: Buffer, index: Expr, value: Expr) -> None:
        """Store ``value``, cast to the buffer's type (narrow index storage)."""
        self.emit(Store(buffer, index, cast(value, buffer.dtype)))

    def alloc(
        self,
        hint: str,
        dtype: DType,
        size: Expr,
        init: Expr | None = None,
        space: str = "heap",
        origin: tuple[str, int, str] | None = None,
    ) -> Buffer:
        """A new buffer; ``origin`` is its tensor, level and role."""
        buffer = Buffer(self.fresh(hint), dtype, Origin(*origin) if origin else None)
        self.emit(Alloc(buffer, size, init, space))
        return buffer

    def reserve(self, buffer: Buffer, capacity: Var, needed: Expr) -> None:
        """Make room for ``needed`` elements, where ``capacity`` is less."""
        with self.if_(lt(capacity, needed)):
            self.emit(Grow(buffer, capacity, needed))

    def publish(self, result: str, buffer: Buffer, length: Expr) -> None:
        """Hand ``length`` elements to the caller through the result parameter."""
        self.emit(Publish(result, buffer, length))

    def abort_if(self, cond: Expr, code: str) -> None:
        """Leave the function with one of ``ABORT_CODES``."""
        with self.if_(cond):
            self.emit(Abort(code))

    def product(self, hint: str, *extents: Expr) -> Expr:
        """The product of numbers that are not negative; the function is left with "overflow" where it passes 2**63."""
        out: Expr = i64(1)
        for n in extents:
            if not _is(out, 1):
                most = op("floordiv", i64(2**63 - 1), op("max", out, i64(1)))
                self.abort_if(lt(most, n), "overflow")
            out = self.let(hint, mul(out, n))
        return out

    # control flow

    @contextmanager
    def loop(
        self,
        hint: str,
        lo: Expr,
        hi: Expr,
        step: int = 1,
        mark: str = "",
        note: str = "",
        asked: Directive | None = None,
    ) -> Iterator[Var]:
        var = Var(self.fresh(hint), I64)
        with self.collect() as body:
            yield var
        self.emit(For(var, lo, hi, Block(tuple(body)), step, mark, note, asked))

    @contextmanager
    def while_(self, cond: Expr, note: str = "") -> Iterator[None]:
        with self.collect() as body:
            yield
        self.emit(While(cond, Block(tuple(body)), note))

    def bisect(self, lo: Expr, hi: Expr, below: Callable[[Expr], Expr], note: str) -> Var:
        """The first number of ``lo..hi`` at which ``below`` is false, else ``hi``; from there on it stays so."""
        low, high = self.var("low", lo), self.var("high", hi)
        with self.while_(lt(low, high), note=note):
            mid = self.let("mid", add(low, op("shr", sub(high, low), i64(1))))
            short = self.let("short", below(mid))
            self.set(low, op("select", short, add(mid, 1), low))
            self.set(high, op("select", short, high, mid))
        return low

    @contextmanager
    def if_(self, cond: Expr, note: str = "") -> Iterator[None]:
        """A one-armed if; nothing at all for a condition known to be true."""
        if _is(cond, True):
            yield
            return
        with self.collect() as body:
            yield
        if body and not _is(cond, False):
            self.emit(If(cond, Block(tuple(body)), Block(), note))

    def if_else(self, cond: Expr, then: list[Stmt], orelse: list[Stmt], note: str = "") -> None:
        """A two-armed if over collected statements."""
        if _is(cond, True) or (not then and not orelse):
            self._stack[-1].extend(then)
        elif _is(cond, False):
            self._stack[-1].extend(orelse)
        elif not then:
            self.emit(If(negate(cond), Block(tuple(orelse)), Block(), note))
        else:
            self.emit(If(cond, Block(tuple(then)), Block(tuple(orelse)), note))


__all__ = [
    "BOOL",
    "Builder",
    "add",
    "both",
    "cast",
    "eq",
    "load",
    "load_index",
    "lt",
    "mul",
    "negate",
    "op",
    "sub",
]
