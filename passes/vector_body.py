"""The body of a loop, rewritten so that one run of it does the work of ``lanes`` iterations.

Every expression of the body is one of three things::

    uniform    the same in all iterations                 stays scalar, splatted where a vector is needed
    affine     i64, grows by a constant with the loop     stays scalar (lane 0), plus ``iota * stride``
    varying    anything else                              a vector

Loads and stores at an affine place of stride 1 are contiguous, others gather and scatter.  A branch on a varying
condition becomes masks.  An update of something that the loop does not move (``s = radd(s, e)``,
``y[k] = radd(y[k], e)``) goes to an accumulator of one value a lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

from sparsec.ir import ops
from sparsec.ir.buffer import (
    Block,
    Buffer,
    Comment,
    Const,
    Decl,
    Expr,
    For,
    If,
    Let,
    Load,
    Op,
    Prefetch,
    Set,
    Stmt,
    Store,
    Var,
    Vec,
    While,
)
from sparsec.ir.dtypes import BOOL, I64, DType
from sparsec.ir.rewrite import postwalk, walk
from sparsec.ir.schedule import cannot_run

_WORKING = ("workspace", "bitmap", "summary", "stamps", "keys")
"""Roles of buffers that are no tensor's."""
_REDUCTIONS = {"add": "add", "radd": "add", "mul": "mul", "min": "min", "max": "max"}


@dataclass(frozen=True, slots=True)
class Accumulator:
    """``target op= ...`` gathered lane by lane in ``var``; ``target`` is a local, or a load of the place in memory."""

    target: Var | Load
    op: str
    var: Var

    def start(self) -> Stmt:
        """Declare it, at the identity."""
        t = self.var.type
        assert isinstance(t, Vec)
        return Decl(self.var, Const(ops.MONOIDS[_REDUCTIONS[self.op]].identity(t.dtype), t))

    def finish(self) -> Stmt:
        """Fold the lanes into the target."""
        t = self.target.type
        lanes = Op(f"reduce_{_REDUCTIONS[self.op]}", (self.var,), t)
        total = Op(self.op, (self.target, lanes), t)
        if isinstance(self.target, Var):
            return Set(self.target, total)
        return Store(self.target.buffer, self.target.index, total)


class VectorBody:
    """``block`` holds the rewritten statements, ``accumulators`` what goes around them."""

    def __init__(self, loop: For, lanes: int, fresh: Callable[[str], str]) -> None:
        self.loop = loop
        self.lanes = lanes
        self.fresh = fresh
        self.strides: dict[str, int] = {loop.var.name: 1}
        self.vectors: dict[str, Var] = {}
        self.mask: Expr | None = None
        self.accumulators: list[Accumulator] = []
        nodes = list(walk(loop.body))
        self.local = {n.var.name for n in nodes if isinstance(n, Let | Decl | For)}
        self.definitions = {n.var.name: n.value for n in nodes if isinstance(n, Let)}
        self.stored = {n.buffer.name for n in nodes if isinstance(n, Store)}
        self.updates = {id(s): a for s in nodes if isinstance(s, Set | Store) and (a := self._update(s)) is not None}
        self._check_reads()
        self._check_memory()
        self.block = self._block(loop.body)

    def fail(self, why: str) -> NoReturn:
        asked = self.loop.asked
        mark = "the vector mark of this loop" if asked is None else f"'{replace(asked, statement=None)}'"
        raise cannot_run(self.loop.var.name, asked, f"in vectors of {self.lanes}", why, f"leave out {mark}")

    def called(self, what: Var | Buffer) -> str:
        """The name of something in an error: for who wrote the program, not these loops, the tensor's."""
        if self.loop.asked is None:
            return f"'{what.name}'"
        origin = what.origin if isinstance(what, Buffer) else None
        return f"'{origin.tensor}'" if origin is not None and origin.role not in _WORKING else "an intermediate value"

    # what may run in vectors

    def _update(self, s: Set | Store) -> tuple[Accumulator, Expr] | None:
        """The accumulator of ``target = op(target, e)`` with an unmoving target, and ``e``."""
        target: Var | Load
        if isinstance(s, Set):
            if s.var.name in self.local:
                return None
            target = s.var
        else:
            target = Load(s.buffer, self._expanded(s.index), s.buffer.dtype)
            if s.mask is not None or self._names(target.index) & {self.loop.var.name, *self.local}:
                return None
            if s not in self._unconditional(self.loop.body):
                self.fail(f"a fixed place of {self.called(s.buffer)} is written in a branch or an inner loop")
        value = s.value
        what = self.called(target) if isinstance(target, Var) else f"a fixed place of {self.called(target.buffer)}"
        args = [self._expanded(a) for a in value.args] if isinstance(value, Op) else []
        if not isinstance(value, Op) or value.op not in _REDUCTIONS or target not in args:
            self.fail(f"every iteration sets {what}, and not by a reduction (add, mul, min, max)")
        t = target.type
        assert isinstance(t, DType)
        if value.op == "add" and t.is_float:
            self.fail(f"the sum in {what} has an order ('add', not 'radd')")
        if t is BOOL:
            self.fail(f"there is no reduction of bools, as {what} needs")
        for known in self.accumulators:
            if known.target == target:
                if known.op != value.op:
                    self.fail(f"{what} is updated by '{known.op}' and by '{value.op}'")
                break
        else:
            hint = target.name if isinstance(target, Var) else target.buffer.name
            known = Accumulator(target, value.op, Var(self.fresh(f"{hint}_lanes"), Vec(t, self.lanes)))
            self.accumulators.append(known)
        return known, value.args[1 - args.index(target)]

    def _unconditional(self, block: Block) -> list[Stmt]:
        """The statements that every iteration runs once."""
        out: list[Stmt] = []
        for s in block.stmts:
            out += self._unconditional(s) if isinstance(s, Block) else [s]
        return out

    def _check_reads(self) -> None:
        """An accumulated local or place is read by its own updates only."""
        for a in self.accumulators:
            reads = sum(self._reads(n, a.target) for n in walk(self.loop.body))
            updates = sum(known is a for known, _ in self.updates.values())
            if isinstance(a.target, Var):
                if reads != 2 * updates:
                    self.fail(f"{self.called(a.target)} is read beside its update")
            elif (
                reads != updates
                or sum(isinstance(n, Store) and n.buffer == a.target.buffer for n in walk(self.loop.body)) != updates
            ):
                self.fail(f"{self.called(a.target.buffer)} is updated in one place and used in another")

    @staticmethod
    def _reads(n: object, target: Var | Load) -> bool:
        return n == target if isinstance(target, Var) else isinstance(n, Load) and n.buffer == target.buffer

    def _check_memory(self) -> None:
        """A buffer that is stored is touched at one place an iteration, each iteration's its own (or never read)."""
        inner = {n.var.name for n in walk(self.loop.body) if isinstance(n, Decl | For)}
        for buffer, stores, loads in self._accesses():
            called = self.called(buffer)
            places = {self._expanded(s.index) for s in stores} | {self._expanded(n.index) for n in loads}
            if len(places) > 1:
                self.fail(f"{called} is written at one place and used at another in the same iteration")
            place = places.pop()
            if self._names(place) & inner:
                self.fail(f"the place where {called} is written moves with an inner loop or a mutable local")
            stride = self.stride(place)
            if stride == 0:
                self.fail(f"every iteration writes the same place of {called}")
            if stride is None and loads:
                self.fail(f"two lanes may update one place of {called}")

    def _accesses(self) -> Iterator[tuple[Buffer, list[Store], list[Load]]]:
        nodes = list(walk(self.loop.body))
        accumulated = {a.target.buffer.name for a in self.accumulators if isinstance(a.target, Load)}
        for name in sorted(self.stored - accumulated):
            stores = [n for n in nodes if isinstance(n, Store) and n.buffer.name == name]
            yield stores[0].buffer, stores, [n for n in nodes if isinstance(n, Load) and n.buffer.name == name]

    def _expanded(self, e: Expr) -> Expr:
        """``e`` with the body's immutable locals replaced by their definitions."""

        def known(n: object) -> Expr | None:
            return (
                self._expanded(self.definitions[n.name]) if isinstance(n, Var) and n.name in self.definitions else None
            )

        return postwalk(e, known)

    @staticmethod
    def _names(e: Expr) -> set[str]:
        return {n.name for n in walk(e) if isinstance(n, Var)}

    # expressions

    def stride(self, e: Expr) -> int | None:
        """How much ``e`` grows from one iteration to the next: 0 if uniform, None if varying."""
        match e:
            case Const():
                return 0
            case Var():
                return None if e.name in self.vectors else self.strides.get(e.name, 0)
            case Load():
                # A masked lane must not load: its index may be anything.
                fixed = self.mask is None and e.buffer.name not in self.stored
                masked = e.mask is None or self.stride(e.mask) == 0
                return 0 if fixed and masked and self.stride(e.index) == 0 else None
            case Op():
                return self._op_stride(e)

    def _op_stride(self, e: Op) -> int | None:
        strides = [self.stride(a) for a in e.args]
        if all(s == 0 for s in strides):
            return 0
        if e.type != I64 or None in strides:
            return None
        a, b = (*strides, 0)[:2]
        assert a is not None and b is not None
        if e.op == "add":
            return a + b
        if e.op == "sub":
            return a - b
        if e.op == "neg":
            return -a
        if e.op == "mul":
            for factor, stride in ((e.args[0], b), (e.args[1], a)):
                if isinstance(factor, Const):
                    return int(factor.value) * stride  # type: ignore[call-overload, no-any-return]
        return None

    def vec(self, e: Expr) -> Expr:
        """``e`` as a vector."""
        if isinstance(e.type, Vec):
            self.fail("its body already has vectors")
        if e.type.kind == "c":
            self.fail(f"there are no vectors of {e.type}")
        t = Vec(e.type, self.lanes)
        stride = self.stride(e)
        if stride == 0:
            return Const(e.value, t) if isinstance(e, Const) else Op("splat", (e,), t)
        if stride is not None:
            steps: Expr = Op("iota", (), t)
            if stride != 1:
                steps = Op("mul", (steps, Const(stride, t)), t)
            return Op("add", (Op("splat", (e,), t), steps), t)
        match e:
            case Var():
                return self.vectors[e.name]
            case Load():
                return Load(e.buffer, self.place(e.index), t, self.masked(e.mask))
            case Op():
                return Op(e.op, tuple(self.vec(a) for a in e.args), t)
        raise AssertionError(e)

    def place(self, index: Expr) -> Expr:
        """The index of an access: scalar if the lanes are neighbours."""
        return index if self.stride(index) == 1 else self.vec(index)

    def masked(self, own: Expr | None) -> Expr | None:
        """The mask around the statement, and the access's own."""
        if own is None:
            return self.mask
        mine = self.vec(own)
        return mine if self.mask is None else Op("and", (self.mask, mine), Vec(BOOL, self.lanes))

    def chosen(self, new: Expr, old: Expr) -> Expr:
        """``new`` where the mask holds."""
        return new if self.mask is None else Op("select", (self.mask, new, old), new.type)

    # statements

    def _block(self, block: Block) -> Block:
        out: list[Stmt] = []
        for s in block.stmts:
            out += self._stmt(s)
        return Block(tuple(out))

    def _stmt(self, s: Stmt) -> list[Stmt]:
        match s:
            case Comment():
                return [s]
            case Block():
                return [self._block(s)]
            case Let():
                return [self._let(s)]
            case Decl():
                value = self.vec(s.init)
                return [Decl(self._vector(s.var), value)]
            case Set() | Store() if id(s) in self.updates:
                accumulator, value = self.updates[id(s)]
                t, var = accumulator.var.type, accumulator.var
                return [Set(var, self.chosen(Op(accumulator.op, (var, self.vec(value)), t), var))]
            case Set():
                var = self.vectors[s.var.name]
                return [Set(var, self.chosen(self.vec(s.value), var))]
            case Store():
                return [Store(s.buffer, self.place(s.index), self.vec(s.value), self.masked(s.mask))]
            case Prefetch():
                return [s] if self.stride(s.index) is not None else []
            case If():
                return self._if(s)
            case For():
                if self.stride(s.lo) != 0 or self.stride(s.hi) != 0:
                    inner = "an inner loop" if self.loop.asked else f"the inner loop over '{s.var.name}'"
                    self.fail(f"the bounds of {inner} differ between iterations")
                return [replace(s, body=self._block(s.body), mark="")]
            case While():
                merges = "entries are merged or searched inside of it, in steps that differ between iterations"
                self.fail(merges if self.loop.asked else "it contains a while loop")
        self.fail(f"it contains '{type(s).__name__}'")

    def _vector(self, var: Var) -> Var:
        assert isinstance(var.type, DType)
        self.vectors[var.name] = Var(var.name, Vec(var.type, self.lanes))
        return self.vectors[var.name]

    def _let(self, s: Let) -> Stmt:
        stride = self.stride(s.value)
        if stride is None:
            value = self.vec(s.value)
            return Let(self._vector(s.var), value)
        self.strides[s.var.name] = stride
        return s

    def _if(self, s: If) -> list[Stmt]:
        if self.stride(s.cond) == 0:
            return [If(s.cond, self._block(s.then), self._block(s.orelse), s.note)]
        t = Vec(BOOL, self.lanes)
        outer, cond = self.mask, Var(self.fresh("mask"), t)
        out: list[Stmt] = [Let(cond, self.vec(s.cond))]
        branches: tuple[tuple[Block, Expr], ...] = ((s.then, cond), (s.orelse, Op("not", (cond,), t)))
        for branch, mask in branches:
            if not branch.stmts:
                continue
            if outer is not None:
                mask = Op("and", (outer, mask), t)
            var = mask if isinstance(mask, Var) else Var(self.fresh("mask"), t)
            if var is not mask:
                out.append(Let(var, mask))
            self.mask = var
            out += self._block(branch).stmts
        self.mask = outer
        return out


__all__ = ["Accumulator", "VectorBody"]
