"""Workspaces: made, filled, handed on; where entries are only counted, no more is kept than their number needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sparsec.ir import loops
from sparsec.ir.buffer import Expr
from sparsec.ir.dtypes import BOOL
from sparsec.ir.loops import Accumulate, Forall, Guard, Workspace
from sparsec.ir.rewrite import replaced, walk
from sparsec.ir.tensor import Access, Index, Literal, Map, Stored
from sparsec.ir.tensor import Expr as TExpr
from sparsec.ir.variables import conjuncts
from sparsec.passes.lower.context import Env, Work
from sparsec.passes.lower.guarded import entry
from sparsec.passes.lower.selection import SelectWork
from sparsec.passes.lower.simplify import prune, simplify_expr
from sparsec.passes.lower.sorting import ListWork
from sparsec.passes.lower.tuples import TupleWork
from sparsec.passes.lower.workspaces import StampWork, make_work
from sparsec.passes.lower.writers import CountWriter

if TYPE_CHECKING:
    from sparsec.passes.lower.nests import Lowerer

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def workspace(low: Lowerer, s: Workspace, env: Env) -> None:
    ctx = low.ctx
    if s.kind == "list":
        _list_workspace(low, s, env)
        return
    if ctx.counting and s.kind == "bitmap" and s.name not in ctx.asked and only_counts(low, s, env):
        _counted_workspace(low, s, env)
        return
    work = _work(low, s)
    with low.scope(s.name, s.init, work):
        low.stmt(s.producer, env)
        if isinstance(work, TupleWork):
            work.finish(ctx)
        low.stmt(s.consumer, env)


def _work(low: Lowerer, s: Workspace) -> Work:
    m = low.ctx.kernel.monoid(s.monoid)
    return make_work(low.ctx, s, initial_is_nothing(low, s)) if m is None else TupleWork(low.ctx, s, m)


def _counted_workspace(low: Lowerer, s: Workspace, env: Env) -> None:
    work = StampWork(low.ctx, s)
    with low.scope(s.name, s.init, work):
        low.stmt(s.producer, env)
        _count_entries(low, s, work.count)


def _count_entries(low: Lowerer, s: Workspace, count: Expr) -> None:
    """Tell the writer how many entries the consumer would write."""
    w = low.writer
    assert isinstance(w, CountWriter) and isinstance(s.consumer, Forall)
    if w.entered > w.depth:  # by a loop over chunks of the level
        w.add(count)
        return
    w.enter(s.consumer.index)
    w.add(count)
    w.exit()


def _list_workspace(low: Lowerer, s: Workspace, env: Env) -> None:
    ctx = low.ctx
    if s.keep is None:
        work: ListWork = ListWork(ctx, s, _sorted_tail(low, s))
        low.starts[s.name] = s.init
    else:
        work = SelectWork(ctx, s, counted=only_counts(low, s, env))
        low.starts.pop(s.name, None)  # an entry counts whatever its value is
    ctx.works[s.name] = work
    low.stmt(s.producer, env)
    del ctx.works[s.name]
    if isinstance(work, SelectWork) and work.counted:
        _count_entries(low, s, work.count)
        return
    low.starts[s.name] = s.init
    work.sort(ctx)
    low.stmt(s.consumer, env)
    del ctx.storages[s.name], low.starts[s.name]


def _sorted_tail(low: Lowerer, s: Workspace) -> int:
    """How many last dimensions of a list its producer visits in order already.

    That holds for the dimensions that are the producer's loops from the outermost on, with nothing else between, or
    beneath loops over the remaining dimensions only: then equal leading coordinates meet ascending trailing ones.
    It is none where a level without order may be walked.
    """
    reads = low.sparse_reads(s.producer)
    if any(not level.ordered for a in reads for level in low.ctx.storages[a.tensor].levels):
        return 0
    order: list[str] = []
    node: loops.Stmt = s.producer
    while isinstance(node, Forall) and not node.reverse:
        order.append(node.index)
        node = node.body
    names = [x.name for x in s.indices]
    return max((k for k in range(len(names) + 1) if order[:k] == names[len(names) - k :]), default=0)


def initial_is_nothing(low: Lowerer, s: Workspace) -> bool:
    """Whether the consumer of a bitmap does nothing where its value is the initial one, written or not.

    That is shown for conditions that compare the value with numbers, for which zeros are alike.
    """
    reads = [n for n in walk(s.consumer) if isinstance(n, Forall) and _reads(n.body, s.name)]
    if s.kind != "bitmap" or s.dtype.kind not in "iuf" or s.dtype.bits < 32 or len(reads) != 1:
        return False
    (f,) = reads
    value = Access(s.name, (Index(f.index),), s.dtype)
    body, conditions = f.body, set[TExpr]()
    while isinstance(body, Guard):
        conditions.update(conjuncts(body.condition))
        body = body.body
    compared = (c for c in conditions if isinstance(c, Map) and c.op in COMPARISONS and value in c.args)
    nothing = Literal(s.init, s.dtype)
    return any(
        all(a == value or isinstance(a, Literal) for a in c.args)
        and simplify_expr(replaced(c, {value: nothing})) == Literal(False, BOOL)
        for c in compared
    )


def _reads(body: loops.Stmt, name: str) -> bool:
    return any(isinstance(n, Access) and n.tensor == name for n in walk(body))


def counts_one(low: Lowerer, body: loops.Stmt | None, index: str, env: Env) -> bool:
    """Whether all that ``body`` does at a coordinate of ``index`` is to count one entry of the result."""
    w = low.writer
    return (
        low.ctx.counting
        and isinstance(body, Accumulate)
        and isinstance(w, CountWriter)
        and body.target.tensor == w.decl.name
        and entry(body, low.start) is None
        and w.follows(body.target, index, env)
        and w.depth == w.last
    )


def only_counts(low: Lowerer, s: Workspace, env: Env) -> bool:
    """Whether the consumer hands every coordinate that was written to the result, and does nothing else."""
    f = s.consumer
    if len(s.indices) != 1 or not isinstance(f, Forall) or not isinstance(f.body, Accumulate):
        return False
    value, read = f.body.value, Access(s.name, (Index(f.index),), s.dtype)
    if value == Stored(read):
        nothing: TExpr = Literal(False, BOOL)
    elif value == read:
        nothing = Literal(s.init, s.dtype)
    else:
        return False
    if not counts_one(low, f.body, f.index, env):
        return False
    return prune(replace(f.body, value=nothing), low.start, low.ctx.kernel.monoids) is None


__all__ = ["counts_one", "workspace"]
