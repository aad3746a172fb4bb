"""Workspaces: temporaries between a producer and a consumer.

``ScalarWork``
    one mutable local.
``DenseWork``
    an array (heap, or "registers": a small stack array that unrolling turns into registers).
``BitmapWork``
    an array, with a bitmap of the coordinates written and a bitmap of the bitmap's words, so that reading in
    order costs one step an entry and one for each 4,096 coordinates, and needs no sorting.
``ListWork``
    keys and values appended, sorted by a stable radix sort, equal keys folded while reading (``sorting.py``).
"""

from __future__ import annotations

from collections.abc import Callable

from sparsec.passes.lower.context import Context, Env, combine

from sparsec.errors import ScheduleError
from sparsec.ir.buffer import Alloc, Buffer, Const, Expr, Origin, Var, i64
from sparsec.ir.build import add, cast, load, mul, op, sub
from sparsec.ir.dtypes import I64, U64
from sparsec.ir.loops import Chunk, Domain, Workspace
from sparsec.ir.tensor import Access, Index
from sparsec.ir.tensor import Expr as TExpr


def u64(value: int) -> Const:
    """A u64 constant."""
    return Const(value, U64)


class ScalarWork:
    """A mutable local."""

    sparse = False

    def __init__(self, ctx: Context, w: Workspace) -> None:
        self.var: Var = ctx.b.var(w.name, Const(w.init, w.dtype))

    def read(self, ctx: Context, access: Access, env: Env) -> Expr:
        return self.var

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        v = ctx.expr(value, env)
        ctx.b.set(self.var, v if op_name == "=" else combine(op_name, self.var, v))


def domain_size(ctx: Context, domain: Domain) -> Expr:
    """Number of places a workspace needs for an index that runs over ``domain``."""
    return i64(domain.size) if isinstance(domain, Chunk) else ctx.extent(domain.extent)


class DenseWork:
    """An array addressed by its indices; a chunk's index counts from the chunk's start."""

    sparse = False

    def __init__(self, ctx: Context, w: Workspace) -> None:
        self.w = w
        self.sizes = [domain_size(ctx, x.domain) for x in w.indices]
        self.size: Expr = i64(1)
        for s in self.sizes:
            self.size = mul(self.size, s)
        self.buffer = Buffer(ctx.b.fresh(w.name), w.dtype, Origin(w.name, -1, "workspace"))
        initial = Const(w.init, w.dtype)
        if w.kind == "registers":
            ctx.b.emit(Alloc(self.buffer, self.size, initial, "stack"))
            return
        ctx.allocate(lambda: ctx.b.emit(Alloc(self.buffer, self.size)))
        with ctx.b.loop("p", i64(0), self.size, note=f"clear {w.name}") as p:
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
        v = ctx.expr(value, env)
        pos = self.address(ctx, access, env)
        ctx.b.store(self.buffer, pos, v if op_name == "=" else combine(op_name, load(self.buffer, pos), v))


class BitmapWork:
    """One-dimensional; all places hold ``init`` and no bit is set between uses."""

    sparse = True

    def __init__(self, ctx: Context, w: Workspace) -> None:
        if len(w.indices) != 1:
            raise ScheduleError(f"bitmap workspace '{w.name}' must have one dimension, not {len(w.indices)}")
        self.w = w
        b = ctx.b
        self.extent = domain_size(ctx, w.indices[0].domain)
        self.initial = Const(w.init, w.dtype)
        self.values = Buffer(b.fresh(w.name), w.dtype, Origin(w.name, -1, "workspace"))
        self.words = Buffer(b.fresh(f"{w.name}_words"), U64, Origin(w.name, 0, "bitmap"))
        self.summary = Buffer(b.fresh(f"{w.name}_summary"), U64, Origin(w.name, 0, "summary"))
        self.words_size: Expr = i64(0)
        self.summary_size: Expr = i64(0)

        def allocate() -> None:
            b.emit(Alloc(self.values, self.extent, self.initial))
            self.words_size = b.let("nwords", op("shr", add(self.extent, 63), i64(6)))
            b.emit(Alloc(self.words, self.words_size, u64(0)))
            self.summary_size = b.let("nsummary", op("shr", add(self.words_size, 63), i64(6)))
            b.emit(Alloc(self.summary, self.summary_size, u64(0)))

        ctx.allocate(allocate)

    def read(self, ctx: Context, access: Access, env: Env) -> Expr:
        return load(self.values, ctx.expr(access.indices[0], env))

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        # Setting the bits again costs less than the misprediction of asking whether they are set.
        b = ctx.b
        at = b.let("at", ctx.expr(access.indices[0], env))
        if not ctx.counting:
            v = ctx.expr(value, env)
            b.store(self.values, at, v if op_name == "=" else combine(op_name, load(self.values, at), v))
        word = b.let("word", op("shr", at, i64(6)))
        bit = op("shl", u64(1), cast(op("bitand", at, i64(63)), U64))
        b.store(self.words, word, op("bitor", load(self.words, word), bit))
        high = b.let("high", op("shr", at, i64(12)))
        bit = op("shl", u64(1), cast(op("bitand", word, i64(63)), U64))
        b.store(self.summary, high, op("bitor", load(self.summary, high), bit))

    def sweep(self, ctx: Context, body: Callable[[Expr], None]) -> None:
        """Run ``body`` for each coordinate written, ascending, and leave the workspace as new."""
        b = ctx.b
        note = f"sweep {self.w.name}"
        with b.loop("s", i64(0), self.summary_size, note=note) as s:
            top = b.var("top", load(self.summary, s))
            with b.if_(op("ne", top, u64(0))):
                b.store(self.summary, s, u64(0))
            with b.while_(op("ne", top, u64(0)), note=note):
                word = b.let("word", add(op("shl", s, i64(6)), cast(op("ctz", top), I64)))
                b.set(top, op("bitand", top, op("sub", top, u64(1))))
                bits = b.var("bits", load(self.words, word))
                b.store(self.words, word, u64(0))
                with b.while_(op("ne", bits, u64(0)), note=note):
                    coord = b.let("c", add(op("shl", word, i64(6)), cast(op("ctz", bits), I64)))
                    b.set(bits, op("bitand", bits, op("sub", bits, u64(1))))
                    body(coord)
                    if not ctx.counting:
                        b.store(self.values, coord, self.initial)

    def scan(self, ctx: Context, body: Callable[[Expr], None]) -> None:
        """Run ``body`` for every coordinate, written or not, and leave the workspace as new."""
        b = ctx.b
        with b.loop("c", i64(0), self.extent, note=f"scan {self.w.name}") as coord:
            body(coord)
            b.store(self.values, coord, self.initial)
        with b.loop("s", i64(0), self.words_size) as s:
            b.store(self.words, s, u64(0))
        with b.loop("s", i64(0), self.summary_size) as s:
            b.store(self.summary, s, u64(0))


def make_work(ctx: Context, w: Workspace) -> ScalarWork | DenseWork | BitmapWork:
    """The workspace for a statement, but for lists (``sorting.ListWork``)."""
    if w.kind == "scalar":
        return ScalarWork(ctx, w)
    if w.kind in ("dense", "registers"):
        return DenseWork(ctx, w)
    if w.kind == "bitmap":
        return BitmapWork(ctx, w)
    raise ScheduleError(f"workspace '{w.name}' has unknown kind '{w.kind}'")


