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
from dataclasses import dataclass

from sparsec.formats.level import CanSpan, LevelView
from sparsec.ir.buffer import Expr, Stmt, Var, i64
from sparsec.ir.build import add, lt, op
from sparsec.ir.loops import Stmt as LStmt
from sparsec.ir.tensor import Access
from sparsec.passes.lower.coiterate import Cases, Subset
from sparsec.passes.lower.context import Context, Cursor, Env

MOST = 4
"""Operands with runs that are taken together; each may have come to its end, so the cases double with each."""

Run = Callable[[Subset, LStmt, Env, Expr, Expr], None]
"""Emits a body for the coordinates ``lo..hi``, along which the operands given do not change."""


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
    run: Run,
) -> None:
    """The body of ``cases`` at every coordinate of the half-open ``range_``; ``run`` emits that of a run."""
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
                        run(present, body, env, at, stop)
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


__all__ = ["MOST", "over_stretches"]
