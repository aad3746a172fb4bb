"""What a schedule asks of one nest, and what the nest that was made says in the same words.

A directive is for the nests that write its result and have all of its loops; one that fits none is an error, as is one
whose nest cannot be so.  ``said`` gives the choices of the compiler as directives, which ask for the same nest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sparsec.errors import ScheduleError, UnsupportedError
from sparsec.ir.loops import Chunk, Chunks, Forall, Full, Guard, Let, Stmt, Workspace
from sparsec.ir.rewrite import postwalk, walk
from sparsec.ir.schedule import Directive
from sparsec.ir.tensor import Assign, Program, ScanLoop, assigns
from sparsec.ir.variables import pointwise
from sparsec.passes.lower.spaces import Space


@dataclass(slots=True)
class Asked:
    """The directives for one statement, by command; ``split``, ``vector`` and ``unroll`` are each for one loop."""

    split: tuple[Directive, ...] = ()
    order: Directive | None = None
    parallel: Directive | None = None
    panel: Directive | None = None
    vector: tuple[Directive, ...] = ()
    unroll: tuple[Directive, ...] = ()

    @property
    def all(self) -> tuple[Directive, ...]:
        alone = (self.order, self.parallel, self.panel)
        return (*self.split, *(d for d in alone if d is not None), *self.vector, *self.unroll)


def stretches(splits: Iterable[Directive]) -> dict[str, frozenset[int]]:
    """The sizes of the stretches of each variable; raises ``ScheduleError`` where one does not divide another."""
    found: dict[str, frozenset[int]] = {}
    for d in splits:
        (v,) = d.loops
        assert d.number is not None
        other = next((n for n in found.get(v, ()) if n % d.number and d.number % n), None)
        if other is not None:
            raise ScheduleError(
                f"'{v}' is split by {other} and by {d.number}, and neither divides the other", span=d.span
            )
        found[v] = found.get(v, frozenset()) | {d.number}
    return found


def schedulable(program: Program) -> dict[str, Assign]:
    """The statements that a schedule may be for, by result: one alone writes it, in loops that are its own.

    Raises ``UnsupportedError`` for a directive for another.
    """
    found: dict[str, list[Assign]] = {}
    for s in assigns(program.body):
        found.setdefault(s.target.tensor, []).append(s)
    plain = {s.target.tensor for s in program.body if isinstance(s, Assign) and pointwise(s)}
    blocks = {s.target.tensor for s in assigns(tuple(b for b in program.body if isinstance(b, ScanLoop)))}
    single = {name: ss[0] for name, ss in found.items() if len(ss) == 1 and name in plain}
    for d in program.schedule:
        for name in for_statements(d, found):
            if name not in single:
                why = "a scan block writes it" if name in blocks else "a scan, a softmax or a top does"
                if len(found.get(name, ())) > 1:
                    why = "several statements write it"
                raise UnsupportedError(
                    f"'{d}' is for '{name}', whose loops cannot be scheduled yet: {why}",
                    span=d.span,
                    hint="give what it reads to a statement of its own, and schedule that",
                )
    return single


def for_statements(d: Directive, names: Iterable[str]) -> tuple[str, ...]:
    """The results whose statements ``d`` is for: of a program with one it need not be named."""
    return tuple(names) if d.statement is None else (d.statement,)


def asked(directives: Iterable[Directive], target: str) -> Asked:
    """What is asked of the statements that write ``target``; raises ``ScheduleError`` for what is asked twice."""
    found = Asked()
    for d in directives:
        if d.statement != target:
            continue
        before = getattr(found, d.command)
        if d.command in ("split", "vector", "unroll"):
            if d.command != "split" and any(other.loops == d.loops and other.number != d.number for other in before):
                what = f"'{d.command} {d.loops[0]}'"
                raise ScheduleError(f"{what} is asked twice of '{target}'", span=d.span, hint="keep one")
            setattr(found, d.command, (*before, d))
        elif before is not None:
            raise ScheduleError(f"'{d.command}' is asked twice of '{target}'", span=d.span, hint="keep one")
        else:
            setattr(found, d.command, d)
    return found


def loops_in(d: Directive) -> set[str]:
    """The index variables that the loops of a directive are of."""
    return {v for text in d.loops for v in re.findall(r"[^\W\d]\w*", text)}


def spelled(space: Space) -> dict[str, str]:
    """What each loop of a space is called in schedules, as in maps: ``i``, ``i/4``, ``i%4``, ``j-i``."""
    out: dict[str, str] = {}
    for (v, divisor), loop in space.places.items():
        larger = [d for w, d in space.places if w == v and d > divisor]
        out[loop] = _place(v, divisor) if not larger else f"{v}%{min(larger)}" + (f"/{divisor}" if divisor > 1 else "")
    for key, loop in space.sums.items():
        first, *rest = sorted(key, key=lambda t: (-t[0], t[1], t[2]))
        out[loop] = _place(*first[1:]) + "".join(("-" if s < 0 else "+") + _place(v, d) for s, v, d in rest)
    return {loop: text for loop, text in out.items() if loop in space.domains}


def _place(v: str, divisor: int) -> str:
    return v if divisor == 1 else f"{v}/{divisor}"


def asked_pairs(space: Space, order: Directive | None) -> list[tuple[str, str]] | None:
    """Pairs of loops, outer and inner, that an ``order`` asks for; None if the space lacks a loop."""
    if order is None:
        return []
    names = {text: loop for loop, text in spelled(space).items()}
    if not set(order.loops) <= names.keys():
        return None
    found = [names[text] for text in order.loops]
    return list(zip(found, found[1:], strict=False))


def no_stretches(splits: Sequence[Directive]) -> ScheduleError:
    """The error for stretches that no nest has (together)."""
    loops = " and ".join(f"{d.loops[0]}/{d.number}" for d in splits)
    return ScheduleError(
        f"no nest for '{splits[0].statement}' has a loop {loops}",
        span=splits[0].span,
        hint="a tensor is stored by diagonals, or in blocks of other sizes: split by a multiple or a part of these, "
        "or convert it first",
    )


def why_no_order(
    order: Directive, spaces: Collection[Space], nests: Callable[[Space, Directive], bool]
) -> ScheduleError:
    """The error for an order that no nest has; ``nests`` tells whether a space has one for another order."""
    known = list(dict.fromkeys(tuple(spelled(space).values()) for space in spaces))
    for text in order.loops:
        if not any(text in loops for loops in known):
            hint = f"the loops are {'; or '.join(map(', '.join, known))}"
            return ScheduleError(f"there is no loop '{text}'", span=order.span, hint=hint)
    for a, b in zip(order.loops, order.loops[1:], strict=False):
        if not any(nests(space, replace(order, loops=(a, b))) for space in spaces):
            return ScheduleError(
                f"'{a}' cannot run outside of '{b}': a reduction, a scan or a format wants it inside",
                span=order.span,
                hint="explain() without a schedule says which orders there are",
            )
    return ScheduleError(f"no nest has the loops '{', '.join(order.loops)}' in this order", span=order.span)


def scheduled(stmt: Stmt, a: Asked, names: Mapping[str, str], why_not: Callable[[str], str | None]) -> Stmt:
    """The nest with what is asked of it, whose order and panels it has; ``names`` are what its loops are called.

    ``why_not`` gives the reason against running a loop in parallel.  Raises ``ScheduleError`` for what cannot be.
    """
    panel = _panel(stmt)
    if a.panel is not None and a.panel.loops and panel is None:
        raise ScheduleError(
            f"no panel along '{a.panel.loops[0]}' can stay in registers",
            span=a.panel.span,
            hint="it needs a dense result, its last dimension innermost, inside of a sum, over dense operands",
        )
    panels = _panel_loops(panel, names)
    every = {**names, **{loop: names[v] for loop, v in panels.items()}}
    stmt = _in_parallel(stmt, lambda loop: why_not(panels.get(loop, loop)), a.parallel, every)
    for d in (*a.vector, *a.unroll):
        stmt = _marked(stmt, d, names)
    return stmt


def _panel(stmt: Stmt) -> Workspace | None:
    """The panel of a nest."""
    return next((n for n in walk(stmt) if isinstance(n, Workspace) and n.kind == "registers"), None)


def _panel_loops(panel: Workspace | None, names: Mapping[str, str]) -> dict[str, str]:
    """The loop over the panels, which is none of the space's, and the one that it is part of, whose name it has."""
    v = None if panel is None else panel.indices[-1]
    return {v.domain.outer: v.name} if v and isinstance(v.domain, Chunk) and v.domain.outer not in names else {}


def _marked(stmt: Stmt, d: Directive, names: Mapping[str, str]) -> Stmt:
    """The nest with the lanes or the unrolling of a loop that ``d`` asks for."""
    (text,) = d.loops
    mine = {loop for loop, name in names.items() if name == text}
    here = [n for n in walk(stmt) if isinstance(n, Forall) and n.index in mine]
    if not here:
        hint = f"the loops are {', '.join(names.values())}"
        raise ScheduleError(f"there is no loop '{text}' to {d.command}", span=d.span, hint=hint)
    if d.number is not None and any(isinstance(n.domain, Chunk) and n.domain.size % d.number for n in here):
        raise ScheduleError(f"a panel along '{text}' is no whole number of {d.number} lanes", span=d.span)

    def mark(n: object) -> object:
        if not isinstance(n, Forall) or n.index not in mine:
            return None
        if d.command == "vector":
            return replace(n, vector=d.number, asked=d)
        return replace(n, unroll=True, asked=n.asked if n.vector else d)

    return postwalk(stmt, mark)


def _in_parallel(
    stmt: Stmt, why_not: Callable[[str], str | None], d: Directive | None, names: Mapping[str, str]
) -> Stmt:
    """The nest with a loop on the team, the outermost or the one that ``d`` names, if that may be."""
    if d is not None and not d.loops:
        return stmt
    match stmt:
        case Guard() | Let():
            return replace(stmt, body=_in_parallel(stmt.body, why_not, d, names))
        case Forall() if d is None or names.get(stmt.index, stmt.index) == d.loops[0]:
            reason = "its iterations depend on earlier ones" if stmt.ordered else why_not(stmt.index)
            if reason is None:
                number = (d.number if d is not None else None) or 0
                return _with_next(replace(stmt, parallel=number, asked=d), why_not)
        case Forall():
            return replace(stmt, body=_in_parallel(stmt.body, why_not, d, names))
        case _:
            mine = [loop for loop, name in names.items() if d is not None and name == d.loops[0]]
            reason = next((r for r in map(why_not, mine) if r is not None), "there is no such loop outside of all sums")
    if d is not None:
        hint = "name a loop of the result's own outside of all sums, or write parallel none"
        raise ScheduleError(f"'{d.loops[0]}' cannot run in parallel: {reason}", span=d.span, hint=hint)
    return stmt


def _with_next(f: Forall, why_not: Callable[[str], str | None]) -> Forall:
    """A loop on the team with the one right inside of it, if that may be, too: both are dealt out where ``f`` is short.

    Not one that is itself innermost, nor where a number of iterations is asked for.
    """
    g = f.body
    if f.parallel or not isinstance(g, Forall) or g.ordered or g.vector or g.unroll or why_not(g.index) is not None:
        return f
    if not isinstance(f.domain, Full | Chunks) or not isinstance(g.domain, Full | Chunks):
        return f
    return replace(f, body=replace(g, parallel=0)) if any(isinstance(n, Forall) for n in walk(g.body)) else f


def said(stmt: Stmt, order: Iterable[str], space: Space, statement: str | None) -> tuple[Directive, ...]:
    """The directives that ask for a nest as it is."""
    names, strips = spelled(space), space.strips
    loops = tuple(names[v] for v in order)
    if not loops:
        return ()
    foralls = list({n.index: n for n in walk(stmt) if isinstance(n, Forall)}.values())
    panel = _panel(stmt)
    every = {**names, **{loop: names[v] for loop, v in _panel_loops(panel, names).items()}}
    shared = next((n for n in foralls if n.parallel is not None), None)
    out = [Directive("split", (v,), n, statement) for v, sizes in strips.items() for n in sorted(sizes, reverse=True)]
    out.append(Directive("order", loops, None, statement))
    if shared is None:
        out.append(Directive("parallel", (), None, statement))
    else:
        out.append(Directive("parallel", (every[shared.index],), shared.parallel or None, statement))
    if panel is None:
        out.append(Directive("panel", (), None, statement))
    else:
        domain = panel.indices[-1].domain
        assert isinstance(domain, Chunk)
        out.append(Directive("panel", (names[panel.indices[-1].name],), domain.size, statement))
    out += [Directive("vector", (names[n.index],), n.vector, statement) for n in foralls if n.vector]
    out += [Directive("unroll", (names[n.index],), None, statement) for n in foralls if n.unroll]
    return tuple(out)


__all__ = [
    "Asked", "asked", "asked_pairs", "for_statements", "loops_in", "no_stretches", "said", "schedulable", "scheduled",
    "spelled", "stretches", "why_no_order",
]  # fmt: skip
