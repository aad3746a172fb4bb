"""Parallel loops: iterations handed to the team of threads in chunks.

Where the entries beneath an iteration can be counted (rows of a compressed level), chunks hold about equal numbers of
iterations and entries together, found by bisection: one long row has a chunk to itself.  Else they hold equal numbers
of iterations.  Neither depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce

from sparsec.formats.level import CanIterate, CanLocate, CanWindow, LevelView
from sparsec.ir.buffer import Block, Expr, ParallelFor, Var, i64
from sparsec.ir.build import add, lt, mul, op, sub
from sparsec.ir.dtypes import I64
from sparsec.ir.loops import Chunks, Forall
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access
from sparsec.ir.variables import mentioned
from sparsec.passes.lower.context import Context, Cursor

CHUNKS = 256
"""Chunks of a parallel loop, at most: enough for balance, few enough to hand out cheaply."""

TEAM = 32
"""Iterations that are enough for all threads."""

LEAST = 8192
"""Steps of work that are worth a chunk: a few microseconds, what it costs to wake a thread that just fell asleep."""

Body = Callable[[Expr], None]
"""Emits what happens at one iteration."""

Share = Callable[[Expr], Expr]
"""How much of the work, all of which is given, a chunk is: at least 1."""

Count = Callable[[Expr], Expr]
"""How many entries of an operand precede iteration ``i``."""


def in_chunks(ctx: Context, name: str, lo: Expr, hi: Expr, grain: Expr, body: Body) -> None:
    """``body`` for ``lo..hi``, ``grain`` iterations at a time; what it allocates is allocated once a worker."""
    outer, ctx.setup = ctx.setup, []
    var = Var(ctx.b.fresh(name), I64)
    with ctx.b.collect() as stmts:
        body(var)
    setup, ctx.setup = ctx.setup, outer
    ctx.b.emit(ParallelFor(var, lo, hi, grain, Block(tuple(setup)), Block(tuple(stmts))))


def pieces(ctx: Context, trips: Expr, size: Expr) -> tuple[Expr, Expr]:
    """In how many pieces a loop of ``size`` steps is dealt out with the one around it, and the steps of each.

    In one where that has ``TEAM`` trips or more.
    """
    wanted = op("floordiv", i64(TEAM), op("max", i64(1), trips))
    count = ctx.b.let("pieces", op("max", i64(1), op("min", size, wanted)))
    return count, ctx.b.let("share", op("floordiv", add(size, sub(count, 1)), count))


def equal_grain(ctx: Context, trips: Expr, inner: Expr) -> Expr:
    """Iterations of a chunk: a ``CHUNKS``-th of them, but no less work than ``LEAST`` at ``inner`` steps each."""
    least = op("floordiv", i64(LEAST), inner)
    share = op("floordiv", trips, i64(CHUNKS))
    return ctx.b.let("grain", op("max", i64(1), op("max", least, share)))


def worth(inner: Expr) -> Share:
    """Chunks of a ``CHUNKS``-th of the work, but of no less than ``LEAST`` at ``inner`` steps for each of its units."""
    least = op("max", i64(1), op("floordiv", i64(LEAST), inner))
    return lambda total: op("max", least, add(op("floordiv", total, i64(CHUNKS)), 1))


def balanced(
    ctx: Context,
    name: str,
    lo: Expr,
    hi: Expr,
    before: Sequence[Count],
    share: Share,
    body: Body,
    begin: Body = lambda _: None,
) -> None:
    """``body`` for ``lo..hi`` in chunks of about equal work, iterations and the entries beneath them, ``share`` of it.

    Every chunk calls ``begin`` with its number first.
    """
    b = ctx.b

    def work(i: Expr) -> Expr:
        return reduce(add, (count(i) for count in before), i)

    start = b.let("start", work(lo))
    total = b.let("work", sub(work(hi), start))
    each = b.let("share", share(total))
    chunks = b.let("chunks", op("floordiv", add(total, sub(each, 1)), each))

    def first(chunk: Expr) -> Expr:
        """The first iteration of a chunk."""
        wanted = b.let("wanted", add(start, mul(chunk, each)))
        return b.let("bound", b.bisect(lo, hi, lambda i: lt(work(i), wanted), f"share {name}"))

    def one(chunk: Expr) -> None:
        begin(chunk)
        lower, upper = first(chunk), first(add(chunk, 1))
        with b.loop(name, lower, upper) as var:
            body(var)

    in_chunks(ctx, f"{name}_chunk", i64(0), chunks, i64(1), one)


def counters(ctx: Context, accesses: Iterable[tuple[Access, Cursor]]) -> list[Count]:
    """A count for each access whose next level is full and has a compact one beneath it."""
    out: list[Count] = []
    for access, cursor in accesses:
        storage, n = ctx.storages[access.tensor], cursor.done
        above, below = storage.levels[n], storage.levels[n + 1] if n + 1 < len(storage.levels) else None
        if above.full and isinstance(above, CanLocate) and isinstance(below, CanIterate) and below.compact:
            out.append(partial(_entries_before, ctx, above, below, storage.views[n : n + 2], cursor.lo))
    return out


def _entries_before(
    ctx: Context, above: CanLocate, below: CanIterate, views: Sequence[LevelView], parent: Expr, i: Expr
) -> Expr:
    position, _ = above.locate(ctx.b, views[0], parent, i)
    return below.bounds(ctx.b, views[1], position, position)[0]


def inner_trips(ctx: Context, f: Forall, accesses: Iterable[Access]) -> Expr:
    """About how many steps one iteration of ``f`` takes: the extents of inner loops that no sparse access restricts.

    Of those that a sparse access restricts, the entries of an average fibre, where ``f`` does not choose it.
    """
    bound: set[str] = set()
    trips: Expr = i64(1)
    inside = [n.index for n in walk(f.body) if isinstance(n, Forall)]
    for a in accesses:
        storage = ctx.storages[a.tensor]
        trips = mul(trips, _fibre(ctx, f, a, inside, bound))
        for level, e in zip(storage.levels, ctx.level_exprs(a), strict=True):
            if isinstance(level, CanIterate) and not level.full:
                bound.update(mentioned(e))
            elif isinstance(level, CanWindow) and level.width is not None:
                decides = set(mentioned(e, *(ctx.stored_expr(a, key) for key in level.outer)))
                last = next((v for v in reversed(inside) if v in decides), None)
                if last is not None and last not in bound:
                    bound.add(last)
                    trips = mul(trips, max(1, level.width))
    for node in walk(f.body):
        if not isinstance(node, Forall) or node.index in bound:
            continue
        match node.domain:
            case Chunks(extent=extent, size=size):
                trips = mul(trips, op("max", i64(1), op("floordiv", ctx.extent(extent), i64(size))))
            case domain:
                trips = mul(trips, op("max", i64(1), ctx.domain_size(domain)))
    return trips


def _fibre(ctx: Context, f: Forall, access: Access, inside: Sequence[str], bound: set[str]) -> Expr:
    """The average number of entries beneath the full levels of ``access``, if an inner loop goes along one fibre."""
    storage, exprs = ctx.storages[access.tensor], ctx.level_exprs(access)
    n = next((n for n, level in enumerate(storage.levels) if not level.full), 0)
    if n == 0 or not isinstance(storage.levels[n], CanIterate) or not storage.levels[n].compact:
        return i64(1)
    above, along = set(mentioned(*exprs[:n])), set(mentioned(exprs[n]))
    if f.index in above | along or not above <= {*inside} or not along <= {*inside} - bound:
        return i64(1)
    parents: Expr = i64(1)
    for level, view in zip(storage.levels[:n], storage.views[:n], strict=True):
        parents = ctx.b.let("parents", level.size(ctx.b, view, parents))
    entries = storage.levels[n].size(ctx.b, storage.views[n], parents)
    return ctx.b.let("fibre", op("max", i64(1), op("floordiv", entries, op("max", i64(1), parents))))


__all__ = ["balanced", "counters", "equal_grain", "in_chunks", "inner_trips", "pieces", "worth"]
