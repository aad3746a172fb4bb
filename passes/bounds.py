"""Checked accesses (``SPARSEC_CHECK=bounds``): every load and store asks first whether its index lies in the buffer.

Buffer IR is in bounds by construction, and its index arrays are validated; this finds where either is not so.  The
length of a parameter's buffer is a parameter of its own, that of a heap buffer a local that follows it::

    y[i] = x[cast(crd[p]):i64]

becomes::

    let at: i64 = p
    if or(lt(at, 0:i64), ge(at, crd_length)) { ... }
    let at_2: i64 = cast(crd[p]):i64
    if or(lt(at_2, 0:i64), ge(at_2, x_length)) {
      fault[0:i64] = 3:i64
      fault[1:i64] = at_2
      fault[2:i64] = x_length
      abort bounds
    }
    let at_3: i64 = i
    if or(lt(at_3, 0:i64), ge(at_3, y_length)) { ... }
    y[i] = x[cast(crd[p]):i64]

``fault`` is the caller's: the number of the buffer in ``Checked.buffers``, the index, the length.  A masked access is
checked where its mask is true.  Runs last, after vectors are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparsec.ir.buffer import (
    Abort,
    Alloc,
    AtomicAdd,
    Block,
    Buffer,
    BufferParam,
    Call,
    Const,
    Decl,
    Expr,
    For,
    Free,
    Function,
    Grow,
    If,
    Let,
    Load,
    Module,
    Op,
    ParallelFor,
    Param,
    Prefetch,
    Publish,
    ScalarParam,
    Set,
    Stmt,
    Store,
    Type,
    Var,
    Vec,
    While,
    i64,
)
from sparsec.ir.build import op, sub
from sparsec.ir.dtypes import BOOL, I64
from sparsec.ir.rewrite import map_children
from sparsec.passes.names import fresh_names
from sparsec.passes.vectorize import names_of

FAULT = 3
"""Elements of the fault buffer."""


@dataclass(frozen=True, slots=True)
class Checked:
    """``module``'s entry takes, after its parameters, the length of each "in" and "out" buffer in order, and a buffer
    of ``FAULT`` i64."""

    module: Module
    buffers: tuple[Buffer, ...]

    def describe(self, fault: Sequence[int]) -> str:
        """What the fault buffer of a call that stopped with "bounds" says."""
        number, index, length = (int(n) for n in fault)
        if not 0 < number <= len(self.buffers):
            return "the kernel accessed a buffer out of bounds"
        b = self.buffers[number - 1]
        o = b.origin
        what = f"buffer '{b.name}'" if o is None else f"'{o.tensor}' ({o.role})"
        if o is not None and o.level >= 0:
            what = f"array '{o.role}' of level {o.level} of '{o.tensor}'"
        return f"the kernel accessed {what} at index {index}, and it has {length} elements"


def check_bounds(module: Module) -> Checked:
    """``module`` with every access checked."""
    buffers: list[Buffer] = []
    functions = {f.name: f for f in module.functions}
    checked = tuple(_Checker(f, functions, buffers).run() for f in module.functions)
    return Checked(replace(module, functions=checked), tuple(buffers))


def _measured(params: Sequence[Param]) -> list[Buffer]:
    """The parameters whose lengths the caller passes."""
    return [p.buffer for p in params if isinstance(p, BufferParam) and p.mode != "result"]


class _Checker:
    """Rewrites one function; ``buffers`` are those of the module, by their numbers."""

    def __init__(self, function: Function, functions: dict[str, Function], buffers: list[Buffer]) -> None:
        self.function = function
        self.functions = functions
        self.buffers = buffers
        self.numbers: dict[str, int] = {}
        self.fresh = fresh_names(names_of(function))
        self.fault = Buffer(self.fresh("fault"), I64)
        self.lengths = {b.name: Var(self.fresh(f"{b.name}_length"), I64) for b in _measured(function.params)}
        self.out: list[Stmt] = []

    def run(self) -> Function:
        lengths = tuple(ScalarParam(v) for v in self.lengths.values())
        params = (*self.function.params, *lengths, BufferParam(self.fault, "out"))
        return Function(self.function.name, params, self.block(self.function.body))

    # checks

    def expr(self, e: Expr | None) -> None:
        """Check the loads of an expression, inner ones first."""
        match e:
            case Load():
                scalar_mask = e.mask if not isinstance(e.type, Vec) else None
                self.expr(e.mask)
                if scalar_mask is None:
                    self.expr(e.index)
                    self.access(e.buffer, e.index, e.type, e.mask)
                    return
                # The index of a scalar that is masked off is not evaluated.
                outer, self.out = self.out, []
                self.expr(e.index)
                self.access(e.buffer, e.index, e.type, None)
                inside, self.out = Block(tuple(self.out)), outer
                self.out.append(If(scalar_mask, inside))
            case Op():
                for a in e.args:
                    self.expr(a)

    def access(self, buffer: Buffer, index: Expr, accessed: Type, mask: Expr | None) -> None:
        """Stop where a lane that is on lies outside."""
        length: Expr = self.lengths[buffer.name]
        if not isinstance(accessed, Vec):
            at = self.let(index)
            bad = op("or", op("lt", at, i64(0)), op("ge", at, length))
            self.out.append(If(bad if mask is None else op("and", mask, bad), self.stop(buffer, at, length)))
            return
        lanes = Vec(I64, accessed.lanes)
        places = index
        if not isinstance(index.type, Vec):
            places = op("add", Op("splat", (index,), lanes), Op("iota", (), lanes))
        places = self.let(places)
        low, high = Op("splat", (i64(0),), lanes), Op("splat", (length,), lanes)
        off = op("or", op("lt", places, low), op("ge", places, high))
        off = self.let(off if mask is None else op("and", mask, off))
        worst = Op("reduce_max", (op("select", off, places, Const(-(2**63), lanes)),), I64)
        self.out.append(If(Op("reduce_max", (off,), BOOL), self.stop(buffer, worst, length)))

    def stop(self, buffer: Buffer, at: Expr, length: Expr) -> Block:
        number = self.numbers.get(buffer.name)
        if number is None:
            self.buffers.append(buffer)
            number = self.numbers[buffer.name] = len(self.buffers)
        said = (i64(number), at, length)
        return Block((*(Store(self.fault, i64(n), v) for n, v in enumerate(said)), Abort("bounds")))

    def let(self, e: Expr) -> Expr:
        if isinstance(e, Const):
            return e
        v = Var(self.fresh("at"), e.type)
        self.out.append(Let(v, e))
        return v

    # statements

    def block(self, block: Block) -> Block:
        outer, self.out = self.out, []
        for s in block.stmts:
            self.stmt(s)
        made, self.out = Block(tuple(self.out)), outer
        return made

    def blocks(self, s: Stmt) -> Stmt:
        return map_children(s, lambda n: self.block(n) if isinstance(n, Block) else n)

    def stmt(self, s: Stmt) -> None:
        match s:
            case Let() | Set():
                self.expr(s.value)
            case Decl():
                self.expr(s.init)
            case Store() | AtomicAdd():
                self.store(s)
            case For():
                self.expr(s.lo)
                self.expr(s.hi)
            case ParallelFor():
                for e in (s.lo, s.hi, s.grain):
                    self.expr(e)
                s = ParallelFor(s.var, s.lo, s.hi, s.grain, self.block(s.setup), self.block(s.body), s.note)
                self.out.append(s)
                return
            case If():
                self.expr(s.cond)
            case While():
                self.expr(s.cond)
                outer, self.out = self.out, list(self.block(s.body).stmts)
                self.expr(s.cond)
                s, self.out = While(s.cond, Block(tuple(self.out)), s.note), outer
                self.out.append(s)
                return
            case Prefetch():
                self.expr(s.index)
            case Alloc() | Grow() | Free() | Publish():
                self.memory(s)
                return
            case Call():
                s = self.call(s)
        self.out.append(self.blocks(s))

    def store(self, s: Store | AtomicAdd) -> None:
        mask = s.mask if isinstance(s, Store) else None
        for e in (s.index, s.value, mask):
            self.expr(e)
        self.access(s.buffer, s.index, s.value.type, mask)

    def memory(self, s: Alloc | Grow | Free | Publish) -> None:
        """The length of a buffer follows what is done to it."""
        if isinstance(s, Alloc):
            self.expr(s.size)
            self.expr(s.init)
            self.lengths[s.buffer.name] = Var(self.fresh(f"{s.buffer.name}_length"), I64)
            self.out += [s, Decl(self.lengths[s.buffer.name], s.size)]
            return
        length = self.lengths[s.buffer.name]
        match s:
            case Grow():
                self.expr(s.needed)
                self.out += [s, Set(length, s.capacity)]
            case Free():
                self.out += [s, Set(length, i64(0))]
            case Publish():
                self.expr(s.length)
                count = self.let(s.length)
                bad = op("or", op("lt", count, i64(0)), op("lt", length, count))
                self.out += [If(bad, self.stop(s.buffer, sub(count, 1), length)), s, Set(length, i64(0))]

    def call(self, s: Call) -> Call:
        for a in s.args:
            if not isinstance(a, Buffer):
                self.expr(a)
        params = self.functions[s.function].params
        measured = [
            self.lengths[a.name]
            for p, a in zip(params, s.args, strict=True)
            if isinstance(p, BufferParam) and p.mode != "result" and isinstance(a, Buffer)
        ]
        return Call(s.function, (*s.args, *measured, self.fault))


__all__ = ["FAULT", "Checked", "check_bounds"]
