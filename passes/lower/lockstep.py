"""Folds of many rows at once, where a level keeps their entries side by side: a row in each lane of a vector.

Before::

    forall i in m {
      workspace w: f64 scalar produce { forall j in n { w add= mul(A[i, j], x[j]) } } consume { y[i] = w }
    }

After, with the rows of ``A`` in blocks of 8 (``CanStep``)::

    parallel t in 0 .. blocks {
      alloc w: f64[8] init 0.0 stack
      for k in 0 .. least {                   as long as every lane has an entry
        for lane in 0 .. 8 mark vector<8> { q = start(t) + k * 8 + lane;  w[lane] += vals[q] * x[crd[q]] }
      }
      for k in least .. steps { ... if k < length(t, lane) { ... } }
      for lane in 0 .. 8 { let i = parent(t, lane); y[i] = w[lane] }
    }

So each row is folded in its own order, the padding of a block is never read, and a row goes where it belongs: rows are
kept in another order than the loop's, and each is written by one lane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparsec.formats.level import CanIterate, CanStep, LevelView
from sparsec.ir import ops
from sparsec.ir.buffer import Alloc, Buffer, Const, Expr, Origin, i64
from sparsec.ir.build import add, load, lt, mul, op, sub
from sparsec.ir.loops import Accumulate, Forall, Full, Workspace
from sparsec.ir.rewrite import replaced, walk
from sparsec.ir.tensor import Access, Index, Literal
from sparsec.ir.tensor import Expr as TExpr
from sparsec.ir.variables import mentioned
from sparsec.passes.lower import parallel
from sparsec.passes.lower.coiterate import Cases
from sparsec.passes.lower.context import Context, Cursor, Env
from sparsec.passes.lower.panels import VECTOR, in_vectors
from sparsec.passes.lower.writers import InsertWriter

if TYPE_CHECKING:
    from sparsec.passes.lower.nests import Lowerer


class Stepped(CanStep, CanIterate):
    """What a level must offer here."""


@dataclass(frozen=True, slots=True)
class Lockstep:
    """The entries of ``access`` along ``index`` are folded into ``work`` by ``step``.

    ``others`` are the index variables of all that it reads beside.
    """

    access: Access
    level: Stepped
    view: LevelView
    work: Workspace
    index: str
    step: Accumulate
    others: frozenset[str]


class LaneWork:
    """A scalar workspace of every lane."""

    sparse = False

    def __init__(self, ctx: Context, w: Workspace, lanes: int) -> None:
        self.w = w
        self.buffer = Buffer(ctx.b.fresh(w.name), w.dtype, Origin(w.name, -1, "workspace"))
        self.lane: Expr = i64(0)
        ctx.b.emit(Alloc(self.buffer, i64(lanes), Const(w.init, w.dtype), "stack"))

    def read(self, ctx: Context, access: Access, env: Env) -> Expr:
        return load(self.buffer, self.lane)

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        ctx.b.store(self.buffer, self.lane, ctx.folded(op_name, load(self.buffer, self.lane), value, env))


def find(low: Lowerer, f: Forall, env: Env) -> Lockstep | None:
    """What can be folded in step below a loop over rows, if its body is a fold of each row alone."""
    w = f.body
    if not isinstance(f.domain, Full) or f.reverse or f.ordered or not isinstance(low.writer, InsertWriter):
        return None
    if not isinstance(w, Workspace) or w.kind != "scalar" or not isinstance(w.producer, Forall):
        return None
    inner = w.producer
    if not isinstance(inner.domain, Full) or inner.reverse or inner.ordered or not isinstance(inner.body, Accumulate):
        return None
    fold = inner.body
    if fold.target.tensor != w.name or fold.op not in ops.MONOIDS or ops.MONOIDS[fold.op].op is None:
        return None
    reads = low.sparse_reads(inner)
    if len(reads) != 1 or reads[0] in env.cursors:
        return None
    (access,) = reads
    storage = low.ctx.storages[access.tensor]
    if len(storage.levels) != 2 or access.indices != _indices(storage.coords, f.index, inner.index):
        return None
    above, level = storage.levels
    if not (above.full and above.spread and isinstance(level, CanStep) and isinstance(level, CanIterate)):
        return None
    with low.scope(w.name, w.init):
        cases = Cases(low.ctx, fold, [access], low.start, frozenset({access}))
        step, rest = cases[frozenset({access})], cases[frozenset()]
    if not isinstance(step, Accumulate) or rest is not None:
        return None
    beside = replaced(step.value, {access: Literal(0, access.dtype)})
    return Lockstep(access, level, storage.views[1], w, inner.index, step, frozenset(mentioned(beside)))  # type: ignore[arg-type]


def _indices(coords: object, row: str, column: str) -> tuple[Index, ...] | None:
    """The indices of an access whose two levels store ``row`` and ``column``, each a whole dimension."""
    out: dict[int, Index] = {}
    for c, name in zip(coords, (row, column), strict=True):  # type: ignore[call-overload]
        if c.digit is None or not c.digit.whole:
            return None
        out[c.digit.dim] = Index(name)
    return tuple(out[d] for d in sorted(out))


def emit(low: Lowerer, f: Forall, env: Env, found: Lockstep) -> None:
    """The blocks of the level, in parallel where the loop is."""
    ctx, b = low.ctx, low.b
    level, view, lanes = found.level, found.view, found.level.lanes
    parents = ctx.domain_size(f.domain)
    blocks = b.let("blocks", op("floordiv", add(parents, lanes - 1), i64(lanes)))

    def body(t: Expr) -> None:
        _block(low, f, env, found, parents, t)

    if f.parallel is None or not low.can_run_parallel():
        with b.loop("t", i64(0), blocks) as t:
            body(t)
    elif f.parallel:
        parallel.in_chunks(ctx, "t", i64(0), blocks, i64(max(1, f.parallel // lanes)), body)
    else:
        share = parallel.worth(i64(1))
        parallel.balanced(ctx, "t", i64(0), blocks, [lambda t: level.start(b, view, t)], share, body)


def _block(low: Lowerer, f: Forall, env: Env, found: Lockstep, parents: Expr, t: Expr) -> None:
    w = found.work
    work = LaneWork(low.ctx, w, found.level.lanes)
    with low.scope(w.name, w.init, work):
        _fold(low, f, env, found, work, t)
        _hand_on(low, f, env, found, work, parents, t)


def _fold(low: Lowerer, f: Forall, env: Env, found: Lockstep, work: LaneWork, t: Expr) -> None:
    """The entries of a block's rows, step by step."""
    b, level, view, lanes = low.b, found.level, found.view, found.level.lanes
    start = b.let("start", level.start(b, view, t))
    steps = b.let("steps", op("floordiv", sub(level.start(b, view, add(t, 1)), start), i64(lanes)))
    least = b.var("least", steps)
    with b.loop("lane", i64(0), i64(lanes), mark="unroll") as lane:
        b.set(least, op("min", least, level.length(b, view, t, lane)))
    whole = b.let("whole", least)
    for lo, hi, asks in ((i64(0), whole, False), (whole, steps, True)):
        with (
            b.loop("k", lo, hi, note=f"in step {view.tensor}.{view.number}") as k,
            b.loop("lane", i64(0), i64(lanes), mark=_mark(low, found, lanes)) as lane,
            b.if_(lt(k, level.length(b, view, t, lane)) if asks else b.true),
        ):
            q = b.let(f"p_{view.tensor}", add(add(start, mul(k, lanes)), lane))
            work.lane = lane
            inner = env.move(found.access, Cursor(2, q)).bind(
                found.index, b.let(found.index, level.coordinate(b, view, q))
            )
            if f.index in found.others:
                inner = inner.bind(f.index, b.let(f.index, level.parent(b, view, t, lane)))
            low.stmt(found.step, inner)


def _hand_on(low: Lowerer, f: Forall, env: Env, found: Lockstep, work: LaneWork, parents: Expr, t: Expr) -> None:
    """What uses the folded values, for each row."""
    b, level, view, lanes = low.b, found.level, found.view, found.level.lanes
    with (
        b.loop("lane", i64(0), i64(lanes), mark="unroll") as lane,
        b.if_(lt(add(mul(t, lanes), lane), parents)),
    ):
        work.lane = lane
        low.stmt(found.work.consumer, env.bind(f.index, b.let(f.index, level.parent(b, view, t, lane))))


def _mark(low: Lowerer, found: Lockstep, lanes: int) -> str:
    """The mark of a loop over lanes: explicit vectors where everything that the step does has them."""
    value, t = found.step.value, found.work.dtype
    width = min(VECTOR // t.nbytes, 1 << (lanes.bit_length() - 1))
    for a in walk(value):
        if not isinstance(a, Access):
            continue
        storage = low.ctx.storages.get(a.tensor)
        if storage is None or storage.codes or not all(isinstance(e, Index) for e in a.indices):
            return "unroll"
        if a != found.access and not storage.is_dense:
            return "unroll"
    return f"vector<{width}>" if width > 1 and in_vectors(value, t) else "unroll"


__all__ = ["Lockstep", "emit", "find"]
