"""Positions without an entry that a loop may visit all the same: padding, which has a coordinate and the fill.

A level of N:M groups has n slots a group, some of them padding.  To ask at each whether there is an entry costs more
than to multiply by 0, and a loop that never asks has a constant trip count and no branch.  It may do so where the body
does nothing with the fill: where it only folds into dense places, and simplifies to nothing.  (Not even NaN and
infinities hold it up: what is stored follows IEEE, padding too; LANGUAGE.md, section 2.)
"""

from __future__ import annotations

from sparsec.formats.level import Level
from sparsec.ir import loops, ops
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Index, Stored
from sparsec.ir.variables import mentioned
from sparsec.passes.lower.context import Context, Env
from sparsec.passes.lower.coordinates import Linear
from sparsec.passes.lower.simplify import Start, prune, substitute


def harmless(ctx: Context, body: loops.Stmt, access: Access, start: Start) -> bool:
    """Whether ``body`` does nothing at a position of ``access`` that holds the fill, and may run there."""
    nodes = list(walk(body))
    inner = {n.name for n in nodes if isinstance(n, loops.Workspace) and n.kind in ("scalar", "dense", "registers")}
    for n in nodes:
        if isinstance(n, loops.Guard | loops.Assemble | loops.Check | loops.ForallStored) or n == Stored(access):
            return False
        if isinstance(n, loops.Workspace) and n.name not in inner:
            return False
        if isinstance(n, loops.Accumulate):
            name = n.target.tensor
            target = ctx.works.get(name) or ctx.writers.get(name)
            if n.op not in ops.MONOIDS or ops.MONOIDS[n.op].op is None:
                return False
            if name not in inner and (target is None or target.sparse):
                return False
    return prune(substitute(body, {access: ctx.absent(access)}), start, ctx.kernel.monoids) is None


def covered(f: loops.Forall, env: Env, level: Level, beside: Linear | None) -> bool:
    """Whether the loop runs over all coordinates that the level can have: the whole chunk that it stores places of."""
    d = f.domain
    if not isinstance(d, loops.Chunk) or d.outer not in env.full_chunks or level.modulus != d.size:
        return False
    return beside is not None and not beside.const and dict(beside.terms) == {Index(d.outer): -d.size}


def wants_whole_chunks(ctx: Context, s: loops.Stmt, outer: str) -> bool:
    """Does something inside gain from knowing that chunk ``outer`` is whole: a vector, registers, padded groups?"""
    inner: set[str] = set()
    for n in walk(s):
        if isinstance(n, loops.Forall) and isinstance(n.domain, loops.Chunk) and n.domain.outer == outer:
            inner.add(n.index)
            if n.vector or n.unroll:
                return True
        if isinstance(n, loops.Workspace) and n.kind == "registers":
            return True
    reads = {n for n in walk(s) if isinstance(n, Access) and n.tensor in ctx.storages}
    return any(
        level.padded and not inner.isdisjoint(mentioned(e))
        for a in reads
        for level, e in zip(ctx.storages[a.tensor].levels, ctx.level_exprs(a), strict=True)
    )


__all__ = ["covered", "harmless", "wants_whole_chunks"]
