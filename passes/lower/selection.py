"""Lists of which the greatest entries stay: a bounded heap (``top``).

The worst of the entries kept so far is the heap's root, so an entry costs one comparison unless it is among the
greatest so far, and the whole selection ``n log k`` steps and ``k`` places (Knuth, The Art of Computer Programming 3,
5.2.3).  An entry is *better* than another if its value is greater; no number is worse than any, and of equals the one
whose coordinates come first is better.  So there are no ties, and entries may come in any order.
"""

from __future__ import annotations

from sparsec.ir.buffer import TRUE, Buffer, BufferParam, Call, Expr, Function, Grow, Op, ScalarParam, Var, i64
from sparsec.ir.build import Builder, add, both, load, lt, mul, negate, op, sub
from sparsec.ir.dtypes import I64, DType
from sparsec.ir.loops import Accumulate, Forall, Guard, Workspace
from sparsec.ir.tensor import Access, Index
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.context import Context, Env
from sparsec.passes.lower.sorting import ListWork, precedes
from sparsec.passes.lower.workspaces import BitmapWork


class SelectWork(ListWork):
    """A list that keeps ``w.keep`` entries; with ``counted`` it only knows how many."""

    def __init__(self, ctx: Context, w: Workspace, counted: bool) -> None:
        super().__init__(ctx, w, 0)
        assert w.keep is not None
        self.keep = i64(w.keep)
        self.counted = counted

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        b = ctx.b
        if self.counted:
            b.set(self.count, op("min", add(self.count, 1), self.keep))
            return
        key, v = b.let("key", self.key(ctx, access, env)), b.let("value", ctx.expr(value, env))
        with b.collect() as room:
            self._append(ctx, key, v)
        with b.collect() as full, b.if_(better(v, key, load(self.values, i64(0)), load(self.keys, i64(0)))):
            b.store(self.keys, i64(0), key)
            b.store(self.values, i64(0), v)
            self._sift(ctx, i64(0))
        b.if_else(lt(self.count, self.keep), room, full)

    @property
    def full(self) -> Expr:
        return op("le", self.keep, self.count)

    def hopeful(self, values: Expr) -> Expr:
        """Which of a vector of values are not surely worse than the worst that is kept; NaN is not, but looked at."""
        return negate(op("lt", values, Op("splat", (load(self.values, i64(0)),), values.type)))

    def _append(self, ctx: Context, key: Expr, v: Expr) -> None:
        b = ctx.b
        needed = b.let("needed", add(self.count, 1))
        with b.if_(lt(self.keys_room, needed)):
            b.emit(Grow(self.keys, self.keys_room, needed))
            b.emit(Grow(self.values, self.values_room, needed))
        b.store(self.keys, self.count, key)
        b.store(self.values, self.count, v)
        b.set(self.count, needed)
        with b.if_(op("eq", needed, self.keep)):
            half = op("floordiv", self.keep, i64(2))
            with b.loop("s", i64(0), half, note="make a heap") as s:
                self._sift(ctx, sub(sub(half, 1), s))

    def _sift(self, ctx: Context, start: Expr) -> None:
        helper = f"sift_{self.w.dtype}"
        if helper not in ctx.helpers:
            ctx.helpers[helper] = sift_function(helper, self.w.dtype)
        ctx.b.emit(Call(helper, (self.keys, self.values, self.keep, start)))


def selected(ctx: Context, f: Forall, work: BitmapWork) -> SelectWork | None:
    """What selects from the values of ``work`` in a loop over its coordinates that does nothing else."""
    body = f.body
    while isinstance(body, Guard):
        body = body.body
    if not isinstance(body, Accumulate) or body.value != Access(work.w.name, (Index(f.index),), work.w.dtype):
        return None
    chosen = ctx.works.get(body.target.tensor)
    plain = work.w.dtype.kind in "iuf" and work.w.dtype.bits >= 32 and work.valued
    direct = body.target.indices == (Index(f.index),)
    return chosen if isinstance(chosen, SelectWork) and not chosen.counted and plain and direct else None


def better(v: Expr, key: Expr, than: Expr, than_key: Expr) -> Expr:
    """Whether the entry ``v`` at ``key`` is kept rather than the other."""
    greater, equal = op("gt", v, than), op("eq", v, than)
    if isinstance(v.type, DType) and v.type.is_float:
        nan, than_nan = op("isnan", v), op("isnan", than)
        greater = op("or", greater, both(than_nan, negate(nan)))
        equal = op("or", equal, both(nan, than_nan))
    return op("or", greater, both(equal, precedes(key, than_key)))


def sift_function(name: str, dtype: DType) -> Function:
    """``name(keys, values, count, start)``: let the entry at ``start`` sink until those beneath it are better."""
    b = Builder()
    keys, values = Buffer(b.fresh("keys"), I64), Buffer(b.fresh("values"), dtype)
    count, start = Var(b.fresh("count"), I64), Var(b.fresh("start"), I64)
    at = b.var("at", start)
    more = b.var("more", TRUE)
    key, value = b.let("key", load(keys, start)), b.let("value", load(values, start))
    with b.while_(more, note="sift"):
        child = b.var("child", add(mul(at, 2), 1))
        b.set(more, lt(child, count))
        with b.if_(more):
            other = b.let("other", add(child, 1))
            with b.if_(lt(other, count)):
                here, there = (load(values, child), load(keys, child)), (load(values, other), load(keys, other))
                with b.if_(better(*here, *there)):
                    b.set(child, other)
            b.set(more, better(value, key, load(values, child), load(keys, child)))
            with b.if_(more):
                b.store(keys, at, load(keys, child))
                b.store(values, at, load(values, child))
                b.set(at, child)
    b.store(keys, at, key)
    b.store(values, at, value)
    return Function(
        name, (BufferParam(keys, "out"), BufferParam(values, "out"), ScalarParam(count), ScalarParam(start)), b.block()
    )


__all__ = ["SelectWork", "better", "selected", "sift_function"]
