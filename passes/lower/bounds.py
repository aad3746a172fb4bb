"""Conditions, and places that must lie inside, that bound a loop.

Before::

    forall j in n { if lt(j, i) { if M[i, j] { body } } }

the loop over ``j`` ends at ``i`` and the first condition is not asked.  A condition bounds a loop over ``v`` if it
compares integers, no step of which can leave 64 bits, and is linear in ``v`` with a coefficient of 1 or -1, beside
what is known where the loop begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sparsec.ir.buffer import Expr as BExpr
from sparsec.ir.buffer import i64
from sparsec.ir.build import add, op, sub
from sparsec.ir.dtypes import I64
from sparsec.ir.loops import Guard, Stmt
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Expr, Map
from sparsec.passes.lower.coordinates import Linear
from sparsec.passes.lower.guarded import guarded
from sparsec.passes.lower.overflow import reach

_FLIPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least coordinates of a loop, and ends that its coordinates stay below."""

    least: tuple[Linear, ...] = ()
    ends: tuple[Linear, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.least or self.ends)


def cut(
    body: Stmt, index: str, form: Callable[[Expr], Linear], known: Callable[[Linear], bool], only_equal: bool
) -> tuple[Bounds, Stmt]:
    """The bounds that the conditions around ``body`` set to a loop over ``index``, and ``body`` without these.

    ``form`` brings an expression in linear form, ``known`` says of a form whether it has one value in all of the loop.
    ``only_equal``: leave all but those that say what the coordinate is.
    """
    least: list[Linear] = []
    ends: list[Linear] = []
    kept: list[Expr] = []
    while isinstance(body, Guard):
        found = list(_solve(body.condition, index, form, known))
        if found and not (only_equal and len(found) < 2):
            least += [bound for bound, is_end in found if not is_end]
            ends += [bound for bound, is_end in found if is_end]
        else:
            kept.append(body.condition)
        body = body.body
    return Bounds(tuple(least), tuple(ends)), guarded(kept, body)


def _solve(
    c: Expr, index: str, form: Callable[[Expr], Linear], known: Callable[[Linear], bool]
) -> Iterator[tuple[Linear, bool]]:
    """The bounds that ``c`` sets, each with whether it is an end."""
    if not isinstance(c, Map) or c.op not in _FLIPPED or any(a.dtype is not I64 for a in c.args):
        return
    if any(isinstance(n, Access) and n.indices for n in walk(c)):
        return
    if any(reach(a) is None for a in c.args):
        return  # what wraps cannot be moved across the comparison
    difference = form(Map("sub", c.args, I64))
    factor, rest = difference.split(index)
    if abs(factor) != 1 or not known(rest):
        return
    # index + rest relation 0, or rest - index relation 0
    relation = c.op if factor == 1 else _FLIPPED[c.op]
    at = rest.times(-factor).tame()
    if at is None:
        return
    after = at.plus(Linear({}, 1))
    if relation in ("gt", "ge", "eq"):
        yield (after if relation == "gt" else at), False
    if relation in ("lt", "le", "eq"):
        yield (at if relation == "lt" else after), True


def solved(factor: int, shift: BExpr, end: BExpr) -> tuple[BExpr, BExpr]:
    """The least ``v`` for which ``factor * v + shift`` lies in ``0 .. end``, and the first after these."""
    if factor == 1:
        return sub(i64(0), shift), sub(end, shift)
    by = i64(abs(factor))
    if factor > 0:  # rounded up
        return sub(i64(0), op("floordiv", shift, by)), sub(i64(0), op("floordiv", sub(shift, end), by))
    return add(op("floordiv", sub(shift, end), by), 1), add(op("floordiv", shift, by), 1)


__all__ = ["Bounds", "cut", "solved"]
