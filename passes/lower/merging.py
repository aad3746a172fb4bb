"""A loop over the stored entries of several tensors: which are walked, and what coordinates without entries need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsec.formats.level import CanIterate
from sparsec.ir import loops
from sparsec.ir.buffer import Expr, i64
from sparsec.ir.build import add, lt, sub
from sparsec.ir.loops import Accumulate, Chunk, Forall
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Literal
from sparsec.passes.lower import padding
from sparsec.passes.lower.bounds import Bounds
from sparsec.passes.lower.coiterate import Cases, Coiteration, OnlyAbsent, Subset, Walker, make_walker
from sparsec.passes.lower.context import Env
from sparsec.passes.lower.repeated import done_once
from sparsec.passes.lower.selection import SelectWork
from sparsec.passes.lower.windows import Part
from sparsec.passes.lower.working import counts_one
from sparsec.passes.lower.writers import CountWriter, SparseWriter

if TYPE_CHECKING:
    from sparsec.passes.lower.nests import Lowerer


def coiterate(
    low: Lowerer, f: Forall, env: Env, accesses: list[Access], bounds: Bounds, part: Part | None = None
) -> None:
    """Walk the stored entries of ``accesses`` together, those of a ``part`` of the loop alone."""
    cases = Cases(low.ctx, f.body, accesses, low.start, _at_last_level(low, accesses, env))
    live = cases.live()
    if not live:
        low.mark_incomplete(f.body)
        return
    lo, hi, inner = low.clipped(f, env, bounds) if part is None else (part.lo, part.hi, env)
    whole = not isinstance(f.domain, Chunk) and inner.inside == env.inside and not bounds and part is None
    if not all(low.next_level(a, env).searchable for a in accesses):
        kept = _kept(low, f, env, accesses, frozenset() in live, whole)
        if not kept:
            low.plain(f, env, bounds, part)
            return
        if kept != accesses:
            accesses = kept
            cases = Cases(low.ctx, f.body, kept, low.start, _at_last_level(low, kept, env))
            live = cases.live()
    uncut = inner.inside == env.inside and not bounds and part is None
    env = inner
    ends = low.b.let("ends", add(lo, sub(hi, 1))) if f.reverse else None
    seams = {} if part is None else part.seams
    walkers = []
    for a in accesses:
        beside = low.walked(a, env, f.index)
        covered = uncut and padding.covered(f, env, low.next_level(a, env), beside)
        w = make_walker(low.ctx, a, env, lo, hi, whole, beside, ends, seams, covered)
        w.asks = not (covered and w.level.padded and padding.harmless(low.ctx, f.body, a, low.start))
        walkers.append(w)
    co = Coiteration(low.ctx, f, env, cases, lambda body, inner: low.leaf(f.index, body, inner), ends)
    complete = len(live) == 2 ** len(accesses)
    low.mark_cases(f.body, cases)
    if complete and done_once(low, f, env, cases[frozenset()]):
        _absent_once(low, f, env, co, walkers, live, sub(hi, lo))
    elif complete and all(w.unique for w in walkers) and _kept_of_equals(low, f, cases[frozenset()]) is not None:
        keep = _kept_of_equals(low, f, cases[frozenset()])
        assert keep is not None
        co.merge(walkers, cases.visited([case for case in live if case]))
        _some_absent(low, f, env, co, accesses, lo, hi, whole, keep)
    elif frozenset() in live:
        co.every(walkers, lo, hi)
    else:
        if (
            len(walkers) == 2
            and all(w.unique and w.level.searchable for w in walkers)
            and counts_one(low, cases[frozenset(accesses)], f.index, env)
        ):
            assert isinstance(low.writer, CountWriter)
            co.skip_equal(walkers, low.writer.add)
        co.merge(walkers, cases.visited(live))


def _at_last_level(low: Lowerer, accesses: list[Access], env: Env) -> frozenset[Access]:
    """Those whose next level is their last."""
    done = {a: env.cursors[a].done if a in env.cursors else 0 for a in accesses}
    return frozenset(a for a in accesses if done[a] + 1 == len(low.ctx.storages[a.tensor].levels))


def _kept(low: Lowerer, f: Forall, env: Env, accesses: list[Access], everywhere: bool, whole: bool) -> list[Access]:
    """Which of the accesses to walk, some of whose levels are not ordered: the others are asked at each coordinate.

    Such a level is walked alone, all of it, and where nothing asks for ascending coordinates.  If it must be walked
    and cannot, the loop runs over every coordinate (the planner knows, and makes an ordered copy where that is
    better).
    """
    loose = [a for a in accesses if _is_loose(low, f, env, a, whole)]
    kept = list(accesses)
    for a in loose:
        others = [x for x in kept if x != a]
        if everywhere or (others and Cases(low.ctx, f.body, others, low.start)[frozenset()] is None):
            kept = others
    alone = len(kept) == 1 and _in_one_go(low, f, env, kept[0], whole)
    if alone and (low.next_level(kept[0], env).ordered or not _needs_order(low, f, env)):
        return kept
    return [a for a in kept if a not in loose]


def _is_loose(low: Lowerer, f: Forall, env: Env, access: Access, whole: bool) -> bool:
    """Whether the next level cannot be merged with others."""
    level = low.next_level(access, env)
    assert isinstance(level, CanIterate)
    return not level.ordered or level.gaps or not _in_one_go(low, f, env, access, whole)


def _in_one_go(low: Lowerer, f: Forall, env: Env, access: Access, whole: bool) -> bool:
    """Whether the next level can be walked along a loop: all of it, forwards, unless its parts can be found."""
    beside = low.walked(access, env, f.index)
    plain = beside is not None and not beside.terms and not beside.const
    level = low.next_level(access, env)
    # Where each parent has a few positions, those outside the loop may be passed over.
    return level.searchable or (not f.reverse and ((whole and plain) or level.fan is not None))


def _needs_order(low: Lowerer, f: Forall, env: Env) -> bool:
    """Whether the coordinates of a loop must ascend: for the result, or for what it folds or hands on."""
    ctx, w = low.ctx, low.writer
    if f.ordered:
        return True
    for n in walk(f.body):
        if not isinstance(n, Accumulate):
            continue
        if isinstance(w, SparseWriter) and n.target.tensor == w.decl.name and w.needs_order(n.target, f.index, env):
            return True
        m = ctx.kernel.monoid(n.op)
        if m is not None and m.ordered:
            return True
    return False


def _kept_of_equals(low: Lowerer, f: Forall, body: loops.Stmt | None) -> int | None:
    """How often ``body``, which stands for the coordinates without entries, need run from the first on.

    A list that keeps so many entries has no use for more of one value.
    """
    if not isinstance(body, Accumulate) or not isinstance(body.value, Literal) or f.ordered:
        return None
    work = low.ctx.works.get(body.target.tensor)
    return work.w.keep if isinstance(work, SelectWork) else None


def _some_absent(
    low: Lowerer,
    f: Forall,
    env: Env,
    co: Coiteration,
    accesses: list[Access],
    lo: Expr,
    hi: Expr,
    whole: bool,
    most: int,
) -> None:
    """Do what coordinates without entries ask for at the first ``most`` of them."""
    seen = low.b.var("seen", i64(0))

    def counted(body: loops.Stmt, inner: Env) -> None:
        low.b.set(seen, add(seen, 1))
        low.leaf(f.index, body, inner)

    walkers = [make_walker(low.ctx, a, env, lo, hi, whole, low.walked(a, env, f.index)) for a in accesses]
    absent = OnlyAbsent(low.ctx, f.body, accesses, low.start)
    Coiteration(low.ctx, f, env, absent, counted).every(walkers, lo, hi, while_=lt(seen, i64(most)))


def _absent_once(
    low: Lowerer, f: Forall, env: Env, co: Coiteration, walkers: list[Walker], live: list[Subset], extent: Expr
) -> None:
    """Walk the entries alone, then do once what coordinates without any ask for, if there are some."""
    seen = low.b.var("seen", i64(0))
    leaf = co.leaf

    def counted(body: loops.Stmt, inner: Env) -> None:
        low.b.set(seen, add(seen, 1))
        leaf(body, inner)

    co.leaf = counted
    co.merge(walkers, [case for case in live if case])
    body = co.cases[frozenset()]
    assert body is not None
    with low.b.if_(lt(seen, extent)):
        low.stmt(body, env)


__all__ = ["coiterate"]
