"""Workspaces: temporaries between a producer and a consumer.

``ScalarWork``
    one mutable local.
``DenseWork``
    an array (heap, or "registers": a small stack array that unrolling turns into registers).
``BitmapWork``
    an array, flags of the coordinates written and flags of the flags' blocks, so that reading in order costs one
    step an entry and one for each 4,096 coordinates, and needs no sorting.
``StampWork``
    takes its place where the coordinates are only counted.
``ListWork``
    keys and values appended, sorted by a stable radix sort, equal keys folded while reading (``sorting.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Protocol

from sparsec.errors import ScheduleError
from sparsec.ir.buffer import Alloc, Buffer, Const, Expr, Load, Op, Origin, Store, Var, Vec, i64
from sparsec.ir.build import Builder, add, cast, load, mul, op, sub
from sparsec.ir.dtypes import I32, I64, U8, U64
from sparsec.ir.loops import Chunk, Workspace
from sparsec.ir.tensor import Access, Index
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.context import Context, Env


def u64(value: int) -> Const:
    """A u64 constant."""
    return Const(value, U64)


class Chosen(Protocol):
    """What takes some of the values that it is offered: when it is ``full``, the ``hopeful`` ones of a vector."""

    @property
    def full(self) -> Expr: ...

    def hopeful(self, values: Expr) -> Expr: ...


class ScalarWork:
    """A mutable local."""

    sparse = False

    def __init__(self, ctx: Context, w: Workspace) -> None:
        self.var: Var = ctx.b.var(w.name, Const(w.init, w.dtype))

    def read(self, ctx: Context, access: Access, env: Env) -> Expr:
        return self.var

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        ctx.b.set(self.var, ctx.folded(op_name, self.var, value, env))


class DenseWork:
    """An array addressed by its indices; a chunk's index counts from the chunk's start."""

    sparse = False

    def __init__(self, ctx: Context, w: Workspace) -> None:
        self.w = w
        self.sizes = [ctx.domain_size(x.domain) for x in w.indices]
        self.buffer = Buffer(ctx.b.fresh(w.name), w.dtype, Origin(w.name, -1, "workspace"))
        initial = Const(w.init, w.dtype)
        if w.kind == "registers":
            ctx.b.emit(Alloc(self.buffer, ctx.b.product("size", *self.sizes), initial, "stack"))
            return
        size: Expr = i64(0)

        def allocate() -> None:
            nonlocal size
            size = ctx.b.product("size", *self.sizes)
            ctx.b.emit(Alloc(self.buffer, size))

        ctx.allocate(allocate)
        with ctx.b.loop("p", i64(0), size, note=f"clear {w.name}") as p:
            ctx.b.store(self.buffer, p, initial)

    def address(self, ctx: Context, access: Access, env: Env) -> Expr:
        pos: Expr = i64(0)
        for x, size, e in zip(self.w.indices, self.sizes, access.indices, strict=True):
            place = ctx.expr(e, env)
            if isinstance(x.domain, Chunk):
                local = env.indices.get(f"{e.name}@local") if isinstance(e, Index) else None
                start = mul(env.indices[x.domain.outer], x.domain.size)
                place = local if local is not None else sub(place, start)
            pos = add(mul(pos, size), place)
        return pos

    def read(self, ctx: Context, access: Access, env: Env) -> Expr:
        return load(self.buffer, self.address(ctx, access, env))

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        pos = self.address(ctx, access, env)
        ctx.b.store(self.buffer, pos, ctx.folded(op_name, load(self.buffer, pos), value, env))


class BitmapWork:
    """One-dimensional; all places hold ``init`` and no flag is set between uses.

    A byte a coordinate says whether it was written, and a byte for every 64 of those whether any was: writing is two
    stores that wait for nothing (setting bits would read the word written just before), and reading takes 64 flags at a
    time as a mask, in order, without sorting.  With ``by_value`` a coordinate was written if its value is not ``init``:
    for consumers to whom that makes no difference.
    """

    sparse = True

    def __init__(self, ctx: Context, w: Workspace, by_value: bool = False) -> None:
        if len(w.indices) != 1:
            raise ScheduleError(f"bitmap workspace '{w.name}' must have one dimension, not {len(w.indices)}")
        self.w = w
        b = ctx.b
        self.valued = ctx.computes or w.name in ctx.asked
        self.by_value = by_value and self.valued
        self.extent = ctx.domain_size(w.indices[0].domain)
        self.initial = Const(w.init, w.dtype)
        self.values = Buffer(b.fresh(w.name), w.dtype, Origin(w.name, -1, "workspace"))
        self.flags = Buffer(b.fresh(f"{w.name}_flags"), U8, Origin(w.name, 0, "bitmap"))
        self.blocks = Buffer(b.fresh(f"{w.name}_blocks"), U8, Origin(w.name, 0, "summary"))
        self.groups: Expr = i64(0)

        def allocate() -> None:
            if self.valued:
                whole = op("shl", op("shr", add(self.extent, 63), i64(6)), i64(6))  # so that 64 can be read anywhere
                b.emit(Alloc(self.values, whole, self.initial))
            self.groups = b.let("groups", op("shr", add(self.extent, 64 * 64 - 1), i64(12)))
            if not self.by_value:
                b.emit(Alloc(self.flags, op("shl", self.groups, i64(12)), Const(0, U8)))
            b.emit(Alloc(self.blocks, op("shl", self.groups, i64(6)), Const(0, U8)))

        ctx.allocate(allocate)

    def read(self, ctx: Context, access: Access, env: Env) -> Expr:
        return load(self.values, ctx.expr(access.indices[0], env))

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        b = ctx.b
        at = b.let("at", ctx.expr(access.indices[0], env))
        if self.valued:
            b.store(self.values, at, ctx.folded(op_name, load(self.values, at), value, env))
        if not self.by_value:
            b.store(self.flags, at, Const(1, U8))
        b.store(self.blocks, op("shr", at, i64(6)), Const(1, U8))

    def _take(self, b: Builder, flags: Buffer, number: Expr) -> Var:
        """The 64 flags from ``64 * number`` on as a mask; they are cleared."""
        lanes = Vec(U8, 64)
        zeros = Op("splat", (Const(0, U8),), lanes)
        start = b.let("start", op("shl", number, i64(6)))
        found = op("ne", Load(flags, start, lanes), zeros)
        mask = b.var("mask", Op("bitmask", (found,), U64))
        with b.if_(op("ne", mask, u64(0))):
            b.emit(Store(flags, start, zeros))
        return mask

    def _each_bit(self, ctx: Context, mask: Var, number: Expr, body: Callable[[Expr], object]) -> None:
        b = ctx.b
        with b.while_(op("ne", mask, u64(0)), note=f"sweep {self.w.name}"):
            found = b.let("c", add(op("shl", number, i64(6)), cast(op("ctz", mask), I64)))
            b.set(mask, op("bitand", mask, op("sub", mask, u64(1))))
            body(found)

    def _where(self, start: Expr, test: Callable[[Expr], Expr]) -> Expr:
        """For which of the 64 values from ``start`` on ``test``, of vectors of them, holds: a mask.

        A register at a time, each of which becomes bits by one instruction.
        """
        lanes = Vec(self.w.dtype, 256 // self.w.dtype.bits)
        parts = range(0, 64, lanes.lanes)
        masks = (Op("bitmask", (test(Load(self.values, add(start, n), lanes)),), U64) for n in parts)
        return reduce(partial(op, "bitor"), (op("shl", mask, u64(n)) for n, mask in zip(parts, masks, strict=True)))

    def _block(self, ctx: Context, block: Expr, body: Callable[[Expr], None], chosen: Chosen | None) -> None:
        """Run ``body`` for what matters of 64 coordinates, all of whose values are then reset."""
        b = ctx.b
        lanes = Vec(self.w.dtype, 64)
        start = b.let("start", op("shl", block, i64(6)))
        mask = b.var("mask", u64(0)) if self.by_value else self._take(b, self.flags, block)
        if chosen is not None:
            with b.collect() as narrow:
                hopeful = self._where(start, chosen.hopeful)
                b.set(mask, hopeful if self.by_value else op("bitand", mask, hopeful))
        with b.collect() as written:
            if self.by_value:
                b.set(mask, self._where(start, lambda v: op("ne", v, Op("splat", (self.initial,), v.type))))
        if chosen is None:
            for stmt in written:
                b.emit(stmt)
        else:
            b.if_else(chosen.full, narrow, written)
        self._each_bit(ctx, mask, block, body)
        b.emit(Store(self.values, start, Op("splat", (self.initial,), lanes)))

    def sweep(self, ctx: Context, body: Callable[[Expr], None], chosen: Chosen | None = None) -> None:
        """Run ``body`` for each coordinate written, ascending, and leave the workspace as new.

        ``chosen`` is where ``body`` does no more than to offer the value.
        """
        b = ctx.b

        def entry(coord: Expr) -> None:
            body(coord)
            if self.valued:
                b.store(self.values, coord, self.initial)

        def of_64(block: Expr) -> None:
            if chosen is None and not self.by_value:
                self._each_bit(ctx, self._take(b, self.flags, block), block, entry)
            else:
                self._block(ctx, block, body, chosen)

        with b.loop("g", i64(0), self.groups, note=f"sweep {self.w.name}") as group:
            self._each_bit(ctx, self._take(b, self.blocks, group), group, of_64)

    def scan(self, ctx: Context, body: Callable[[Expr], None]) -> None:
        """Run ``body`` for every coordinate, written or not, and leave the workspace as new."""
        b = ctx.b
        with b.loop("c", i64(0), self.extent, note=f"scan {self.w.name}") as coord:
            body(coord)
            if self.valued:
                b.store(self.values, coord, self.initial)
        assert not self.by_value  # a consumer to whom the initial value is something
        with b.loop("g", i64(0), self.groups) as group:
            self._each_bit(
                ctx, self._take(b, self.blocks, group), group, lambda block: self._take(b, self.flags, block)
            )


class StampWork:
    """What stands for a bitmap workspace where its coordinates are only counted.

    A place holds the number of the use that last wrote it, so that nothing has to be swept or cleared; the counter
    grows without a branch.
    """

    sparse = True

    def __init__(self, ctx: Context, w: Workspace) -> None:
        b = ctx.b
        self.w = w
        extent = ctx.domain_size(w.indices[0].domain)
        self.stamps = Buffer(b.fresh(f"{w.name}_stamps"), I32, Origin(w.name, 0, "stamps"))
        self.use: Var | None = None

        def allocate() -> None:
            b.emit(Alloc(self.stamps, extent, Const(0, I32)))
            self.use = b.var(f"{w.name}_use", Const(0, I32))

        ctx.allocate(allocate)
        assert self.use is not None
        with b.if_(op("eq", self.use, Const(2**31 - 1, I32))):
            with b.loop("p", i64(0), extent) as p:
                b.store(self.stamps, p, Const(0, I32))
            b.set(self.use, Const(0, I32))
        b.set(self.use, op("add", self.use, Const(1, I32)))
        self.count: Var = b.var("entries", i64(0))

    def read(self, ctx: Context, access: Access, env: Env) -> Expr:
        raise ScheduleError(f"workspace '{self.w.name}' is read while its coordinates are counted")

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        b = ctx.b
        assert self.use is not None
        at = b.let("at", ctx.expr(access.indices[0], env))
        new = op("ne", load(self.stamps, at), self.use)
        b.set(self.count, add(self.count, cast(new, I64)))
        b.store(self.stamps, at, self.use)


def make_work(ctx: Context, w: Workspace, by_value: bool) -> ScalarWork | DenseWork | BitmapWork:
    """The workspace for a statement, but for lists (``sorting.ListWork``)."""
    if w.kind == "scalar":
        return ScalarWork(ctx, w)
    if w.kind in ("dense", "registers"):
        return DenseWork(ctx, w)
    if w.kind == "bitmap":
        return BitmapWork(ctx, w, by_value)
    raise ScheduleError(f"workspace '{w.name}' has unknown kind '{w.kind}'")
