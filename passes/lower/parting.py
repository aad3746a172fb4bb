"""Foralls along windows: an operand whose entries fill one stretch of coordinates is read there and nowhere else.

Before::

    forall j in n { y[i] add= mul(A[i, j], x[j]) }             A has all of i-1 <= j < i+2 in its row i

After, as buffer IR::

    for j in max(0, i-1)..min(n, i+2) { ... }                  A's entry is where arithmetic says

Where the body does nothing outside of a window, the loop is clipped: to the intersection, if there are several such
operands (a triangle times the other one is its diagonal).  Else it is parted where windows begin and end, and each part
has a body of its own, simplified for the operands that are there; what is dead is no loop, what does not vary in a
part is folded.  (Phases and sequences, in the words of Looplets: Ahrens, Donenfeld, Kjolstad, Amarasinghe, CGO 2023.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sparsec.ir.buffer import Expr
from sparsec.ir.build import lt, op, sub
from sparsec.ir.loops import Forall
from sparsec.ir.loops import Stmt as LStmt
from sparsec.ir.tensor import Access
from sparsec.passes.lower.bounds import Bounds
from sparsec.passes.lower.coiterate import Cases, Seams, Subset
from sparsec.passes.lower.context import Context, Env
from sparsec.passes.lower.coordinates import Linear
from sparsec.passes.lower.repeated import folded
from sparsec.passes.lower.windows import Part, Window, enter, find_windows, offset, place

if TYPE_CHECKING:
    from sparsec.passes.lower.nests import Lowerer

MOST = 4
"""Windows by which one loop is parted; the operands of others are asked at each coordinate."""

Emit = Callable[[LStmt, Env, Expr, Expr], None]
"""Emits a body for the coordinates ``lo..hi``."""


def deciding(low: Lowerer, f: Forall, env: Env, walkers: list[Access]) -> list[Window]:
    """The windows that decide where the loop runs: none where the entries of other operands do."""
    every = find_windows(low.ctx, low.sparse_reads(f.body), env, f.index)
    found = every[:MOST]
    if found and walkers and Cases(low.ctx, f.body, walkers, low.start)[frozenset()] is None:
        return []
    rule = f"the loop over {f.index} is parted by the windows of {MOST} operands at most"
    low.ctx.note_left_out(rule, [w.access for w in every[MOST:]])
    return found


def parted(low: Lowerer, f: Forall, env: Env, windows: list[Window], walkers: list[Access], bounds: Bounds) -> None:
    """The loop where each operand of ``windows`` is within its own, and what is left of it elsewhere."""
    storages = low.ctx.storages
    last = frozenset(w.access for w in windows if w.levels[-1] + 1 == len(storages[w.access.tensor].levels))
    cases = Cases(low.ctx, f.body, [w.access for w in windows], low.start, last)
    low.mark_cases(f.body, cases)
    live = cases.live()
    if not live:
        return
    always = frozenset.intersection(*live)
    clips = [w for w in windows if w.access in always]
    least = (*bounds.least, *(m for w in clips for m in w.least))
    ends = (*bounds.ends, *(m for w in clips for m in w.ends))
    lo, hi, env = low.clipped(f, env, Bounds(least, ends))
    env = enter(place(low.ctx, windows, env), f.index, clips)
    seams: Seams = {}

    def emit(body: LStmt, env: Env, lo: Expr, hi: Expr) -> None:
        left = [a for a in walkers if a in low.reads(body)]
        once = folded(low, f, env, body) if not left else None
        if once is None:
            low.walk(replace(f, body=body), env, left, Bounds(), Part(lo, hi, seams))
            return
        with low.b.if_(lt(lo, hi)):
            low.stmt(once, env.bind(f"{f.index}@length", low.b.let("length", sub(hi, lo))))

    rest = [w for w in windows if w.access not in always]
    Parting(low.ctx, f.index, cases, emit, f.reverse).parts(rest, always, lo, hi, env)


@dataclass(frozen=True, slots=True)
class Parting:
    """A loop over ``index``, parted at the ends of windows; ``reverse``: the last part comes first."""

    ctx: Context
    index: str
    cases: Cases
    emit: Emit
    reverse: bool = False

    def parts(self, windows: Sequence[Window], present: Subset, lo: Expr, hi: Expr, env: Env) -> None:
        """The coordinates ``lo..hi``: there the operands ``present`` are within, of the undecided only ``windows``."""
        if not windows:
            body = self.cases[present]
            if body is not None:
                self.emit(body, env, lo, hi)
            return
        open_ = frozenset(w.access for w in windows)
        if not any(present <= live <= present | open_ for live in self.cases.live()):
            return
        group = _comparable(windows)
        rest = [w for w in windows if w not in group]
        parts = self._alone(group[0], lo, hi, env) if len(group) == 1 else self._together(group, lo, hi, env)
        for first, last, inside in reversed(parts) if self.reverse else parts:
            here = enter(env, self.index, inside)
            self.parts(rest, present | {w.access for w in inside}, first, last, here)

    def _alone(self, w: Window, lo: Expr, hi: Expr, env: Env) -> list[tuple[Expr, Expr, list[Window]]]:
        """Before the window, in it, and after it."""
        start, end = lo, hi
        for mark in w.least:
            start = op("max", start, self.ctx.value(mark, env))
        for mark in w.ends:
            end = op("min", end, self.ctx.value(mark, env))
        start = self.ctx.b.let("part", op("min", start, hi)) if w.least else lo
        end = self.ctx.b.let("part", op("max", end, start)) if w.ends else hi
        before: list[tuple[Expr, Expr, list[Window]]] = [(lo, start, [])] if w.least else []
        return [*before, (start, end, [w]), *([(end, hi, [])] if w.ends else [])]

    def _together(self, group: Sequence[Window], lo: Expr, hi: Expr, env: Env) -> list[tuple[Expr, Expr, list[Window]]]:
        """Windows whose ends come in an order that is known: the parts between one and the next."""
        zero = next(mark for mark in (*group[0].least, *group[0].ends))
        spans = [
            (offset(w.least[0], zero) if w.least else -math.inf, offset(w.ends[0], zero) if w.ends else math.inf)
            for w in group
        ]
        marks = sorted({int(m) for span in spans for m in span if m is not None and abs(m) != math.inf})
        points = [lo]
        for m in marks:
            value = self.ctx.value(zero.plus(Linear({}, m)), env)
            points.append(self.ctx.b.let("part", op("min", op("max", value, lo), hi)))
        points.append(hi)
        out = []
        edges = [-math.inf, *marks, math.inf]
        for first, last, a, b in zip(points, points[1:], edges, edges[1:], strict=False):
            inside = [w for w, (start, end) in zip(group, spans, strict=True) if start <= a and b <= end]  # type: ignore[operator]
            out.append((first, last, inside))
        return out


def _comparable(windows: Sequence[Window]) -> list[Window]:
    """The first of the windows, and those whose ends stand at fixed distances from its own."""
    first, *others = windows
    if not first.simple:
        return [first]
    zero = next(mark for mark in (*first.least, *first.ends))
    group = [w for w in windows if w.simple and all(offset(m, zero) is not None for m in (*w.least, *w.ends))]
    return group if first in group else [first]


__all__ = ["MOST", "deciding", "parted"]
