"""Foralls over stretches: where values are constant over runs of coordinates, a loop over runs and one inside each.

Before::

    forall j in n { y[i] add= mul(R[i, j], x[j]) }            R stores runs along j

After, as buffer IR::

    while j < n {                       to the next end of a run, of any operand that has them
      stop = min(n, end of R's run)
      for j in j..stop { ... }          the position in R is known: its value is loaded once
    }

In gaps and past its last run an operand has no entry, and the case analysis is that of any other sparse operand.  Where
a body does not depend on the coordinate the inner loop is not run but folded: a sum over a run is its value times its
length, and what is idempotent is done once (the run looplets of Ahrens, Donenfeld, Kjolstad and Amarasinghe, Looplets,
CGO 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sparsec.formats.level import CanSpan, LevelView
from sparsec.ir import ops
from sparsec.ir.buffer import Expr, Stmt, Var, i64
from sparsec.ir.build import add, lt, op, sub
from sparsec.ir.loops import Accumulate
from sparsec.ir.loops import Stmt as LStmt
from sparsec.ir.rewrite import map_children
from sparsec.ir.tensor import Access, Index, Map
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.coiterate import Cases, Subset
from sparsec.passes.lower.context import Context, Cursor, Env

MOST = 4
"""Operands with runs that are taken together; each may have come to its end, so the cases double with each."""

Leaf = Callable[[LStmt, Env], None]


@dataclass(slots=True)
class Stretch:
    """The run of one operand that is under way."""

    access: Access
    level: CanSpan
    view: LevelView
    done: int
    pos: Var
    end: Expr


def open_stretch(ctx: Context, access: Access, env: Env, lo: Expr) -> Stretch:
    """The run of the next level of ``access`` that coordinate ``lo`` lies in."""
    b, storage = ctx.b, ctx.storages[access.tensor]
    cursor = env.cursors.get(access, Cursor(0, i64(0)))
    level, view = storage.levels[cursor.done], storage.views[cursor.done]
    assert isinstance(level, CanSpan)
    first, end = level.bounds(b, view, cursor.lo, add(cursor.lo, 1))
    end = b.let("end", end)
    if lo != i64(0):
        note = f"search {view.tensor}.{view.number}"
        first = b.bisect(first, end, lambda p: op("le", level.stop(b, view, p), lo), note)
    return Stretch(access, level, view, cursor.done, b.var(f"r_{access.tensor}", first), end)


def over_stretches(
    ctx: Context,
    index: str,
    range_: tuple[Expr, Expr],
    env: Env,
    accesses: Sequence[Access],
    cases: Cases,
    leaf: Leaf,
) -> None:
    """The body of ``cases`` at every coordinate of the half-open ``range_``; ``leaf`` emits it at one."""
    b = ctx.b
    lo, hi = range_
    stretches = [open_stretch(ctx, a, env, lo) for a in accesses]
    at = b.var(f"{index}_at", lo)
    names = " ".join(f"{s.view.tensor}.{s.view.number}" for s in stretches)
    with b.while_(lt(at, hi), note=f"runs {names}"):
        stop = b.var("stop", hi)
        left: list[Expr] = []
        flags: list[Expr] = []
        for s in stretches:
            left.append(b.let("left", lt(s.pos, s.end)))
            has = b.var("has", left[-1])
            with b.if_(has):
                b.set(stop, op("min", stop, s.level.stop(b, s.view, s.pos)))
                b.set(has, s.level.covers(b, s.view, s.pos))
            flags.append(has)

        def decide(n: int, present: Subset, env: Env) -> list[Stmt]:
            with b.collect() as stmts:
                if n == len(stretches):
                    body = cases[present]
                    if body is not None:
                        _run(ctx, index, at, stop, present, body, env, leaf)
                else:
                    s = stretches[n]
                    have = decide(n + 1, present | {s.access}, env.move(s.access, Cursor(s.done + 1, s.pos)))
                    b.if_else(flags[n], have, decide(n + 1, present, env), note="run")
            return stmts

        for stmt in decide(0, frozenset(), env):
            b.emit(stmt)
        b.set(at, stop)
        for s, more in zip(stretches, left, strict=True):
            with b.if_(more), b.if_(op("le", s.level.stop(b, s.view, s.pos), stop)):
                b.set(s.pos, add(s.pos, 1))


def _run(ctx: Context, index: str, at: Var, stop: Var, present: Subset, body: LStmt, env: Env, leaf: Leaf) -> None:
    """``body`` for the coordinates ``at..stop``, in which the operands ``present`` do not change."""
    once = folded(body, index, present)
    if once is not None:
        leaf(once, env.bind(index, at).bind(f"{index}@length", ctx.b.let("length", sub(stop, at))))
        return
    with ctx.b.loop(index, ctx.b.let("from", at), ctx.b.let("to", stop)) as var:
        leaf(body, env.bind(index, var))


def folded(body: LStmt, index: str, present: Subset) -> LStmt | None:
    """What ``body`` comes to over a run, if it is the same at each of its coordinates; ``index@length`` is theirs."""
    if not isinstance(body, Accumulate) or body.op not in ops.MONOIDS or body.place is not None:
        return None
    if any(_depends(e, index, present) for e in (body.value, *body.target.indices)):
        return None
    if ops.MONOIDS[body.op].idempotent:
        return body
    if body.op != "add" or body.value.dtype.kind not in "iufc":
        return None
    t = body.value.dtype
    length: TExpr = Index(f"{index}@length")
    factor = length if length.dtype == t else Map("cast", (length,), t)
    return replace(body, value=Map("mul", (body.value, factor), t))


def _depends(e: TExpr, index: str, present: Subset) -> bool:
    """Does ``e`` vary with ``index``, other than through operands whose run is known?"""
    if isinstance(e, Access) and e in present:
        return False
    if isinstance(e, Index):
        return e.name == index
    found = False

    def look(child: TExpr) -> TExpr:
        nonlocal found
        found = found or _depends(child, index, present)
        return child

    map_children(e, look)
    return found


__all__ = ["MOST", "folded", "over_stretches"]
