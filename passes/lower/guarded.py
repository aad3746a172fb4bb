"""Guards around the statements of a nest: an ``if`` around an assignment, as far out as its condition allows."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sparsec.ir.loops import Accumulate, Guard, Stmt
from sparsec.ir.tensor import Expr
from sparsec.ir.tensor_values import same_value
from sparsec.passes.lower.guards import Split, split, variables


def entry(s: Accumulate, start: Callable[[str], object]) -> Split | None:
    """What ``s`` writes, as a guard that leaves no entry: what its target begins as."""
    found = split(s.value) if s.op == "=" else None
    return found if found is not None and same_value(start(s.target.tensor), found.otherwise.value) else None


def part(body: Stmt, bound: Collection[str]) -> tuple[list[Expr], list[Expr], Stmt]:
    """The conditions around ``body`` that use a variable of ``bound``, the others, and what is inside them."""
    inside: list[Expr] = []
    outside: list[Expr] = []
    while isinstance(body, Guard):
        (outside if variables(body.condition).isdisjoint(bound) else inside).append(body.condition)
        body = body.body
    return inside, outside, body


def guarded(conditions: list[Expr], body: Stmt) -> Stmt:
    """``body`` where all of ``conditions`` hold, the first one asked first."""
    for c in reversed(conditions):
        body = Guard(c, body)
    return body


__all__ = ["entry", "guarded", "part"]
