"""Whether the conditions of a nest decide alike each time it runs.

A result that is counted and then filled runs its nest twice.  The compiler may round a float computation differently in
the two (contract it in one, reorder it in the other), and a condition that hung on the rounding would let the second
run write more entries than the first made room for.  So such a condition may compare what is stored, and compute with
integers and bools, but not with floats.
"""

from __future__ import annotations

from collections.abc import Iterator

from sparsec.ir.loops import Accumulate, Guard, Stmt, Workspace
from sparsec.ir.ops import primitives
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Expr, Literal, Map

_TESTS = ("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not")
_EXACT = frozenset(("neg", "abs", "min", "max", "select", "cast", "floor", "ceil", "round", "trunc", *_TESTS))
"""Operators whose result is one of few candidates, none of them rounded in an order."""


def repeatable(body: Stmt) -> bool:
    """Whether every condition in ``body`` gives the same answer in each run of it."""
    works = {n.name for n in walk(body) if isinstance(n, Workspace)}
    folded: dict[str, list[Accumulate]] = {}
    for n in walk(body):
        if isinstance(n, Accumulate):
            folded.setdefault(n.target.tensor, []).append(n)
    left = set(conditions(body))
    seen: set[str] = set()
    while left:
        e = left.pop()
        if not exact(e):
            return False
        for a in walk(e):
            if not isinstance(a, Access) or a.tensor not in works or a.tensor in seen:
                continue
            seen.add(a.tensor)
            for update in folded.get(a.tensor, []):
                if a.dtype.kind in "fc" and update.op in ("add", "mul"):
                    return False
                left.add(update.value)
    return True


def conditions(body: Stmt) -> Iterator[Expr]:
    """Whatever says whether something is written in ``body``: of guards, and of values marked as no entry elsewhere."""
    for n in walk(body):
        match n:
            case Guard(condition, _):
                yield condition
            case Map("select", (condition, _, Literal(fill=True))):
                yield condition


def exact(e: Expr) -> bool:
    """Whether ``e`` computes nothing that is rounded."""
    return all(n.dtype.kind not in "fc" or primitives(n.op) <= _EXACT for n in walk(e) if isinstance(n, Map))


__all__ = ["conditions", "exact", "repeatable"]
