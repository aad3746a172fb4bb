"""Comparisons that a condition decides: what stands under ``i >= j`` need not ask whether ``i < j``.

Rules by name::

    implied      a < b  where a < b holds, or a < c and c <= b, and so on through any number of others   => true
    refuted      a < b  where b <= a is implied                                                          => false
    nested       guard(c, e, z), R(e where c)    => the same, with what c decides in e

Only integers are compared so: a comparison of floats that does not hold may have met a NaN.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from sparsec.ir.dtypes import BOOL
from sparsec.ir.rewrite import map_children
from sparsec.ir.tensor import Expr, Literal, Map, Reduce, elsewhere
from sparsec.ir.variables import mentioned
from sparsec.passes.lower.guards import conjuncts, replace_value, split


@dataclass(frozen=True, slots=True)
class Order:
    """What is known of integers: for pairs ``(a, b)`` that ``a <= b``, or ``a < b`` where the value is True."""

    pairs: dict[tuple[Expr, Expr], bool]

    def under(self, condition: Expr) -> Order:
        """What is known where ``condition`` holds, too, with what follows from it."""
        pairs = dict(self.pairs)
        for c in conjuncts(condition):
            for a, b, strict in _orders(c):
                _add(pairs, a, b, strict)
        return self if pairs == self.pairs else Order(pairs)

    def without(self, names: Collection[str]) -> Order:
        """What is known of other variables than ``names``."""
        return Order({p: strict for p, strict in self.pairs.items() if not {*mentioned(*p)}.intersection(names)})

    @property
    def impossible(self) -> bool:
        """Whether nothing can be so."""
        return any(strict and a == b for (a, b), strict in self.pairs.items())

    def decide(self, e: Expr) -> bool | None:
        """Whether a comparison holds; None if nothing says so."""
        orders = _orders(e)
        if not orders:
            return None
        if all(a == b if not strict else False for a, b, strict in orders):
            return True
        known = [self.pairs.get((a, b)) for a, b, _ in orders]
        if all(k is not None and k >= strict for k, (_, _, strict) in zip(known, orders, strict=True)):
            return True
        against = [self.pairs.get((b, a)) for a, b, _ in orders]
        if any(k is not None and (k or strict) for k, (_, _, strict) in zip(against, orders, strict=True)):
            return False
        return None


def _orders(e: Expr) -> list[tuple[Expr, Expr, bool]]:
    """A comparison of integers as ``a <= b`` and ``a < b`` (True), all of which hold where it does."""
    if not isinstance(e, Map) or len(e.args) != 2 or any(a.dtype.kind not in "iu" for a in e.args):
        return []
    a, b = e.args
    match e.op:
        case "lt" | "le":
            return [(a, b, e.op == "lt")]
        case "gt" | "ge":
            return [(b, a, e.op == "gt")]
        case "eq":
            return [(a, b, False), (b, a, False)]
    return []


def _add(pairs: dict[tuple[Expr, Expr], bool], a: Expr, b: Expr, strict: bool) -> None:
    """Add ``a <= b`` to ``pairs``, which has what follows from it, and goes on to have it."""
    before = [(x, s) for (x, y), s in pairs.items() if y == a] + [(a, False)]
    after = [(y, s) for (x, y), s in pairs.items() if x == b] + [(b, False)]
    for x, first in before:
        for y, last in after:
            pairs[x, y] = pairs.get((x, y), False) or first or strict or last


def contradict(conditions: Iterable[Expr]) -> bool:
    """Whether all of ``conditions`` never hold together."""
    known = Order({})
    for c in conditions:
        known = known.under(c)
    return known.impossible


def under(e: Expr, condition: Expr) -> Expr:
    """``e`` for places where ``condition`` holds: the comparisons that it decides are literals."""
    return _decided(e, Order({}).under(condition))


def _decided(e: Expr, known: Order) -> Expr:
    holds = known.decide(e)
    if holds is not None:
        return Literal(holds, BOOL)
    found = split(e)
    if found is not None:
        condition = _decided(found.condition, known)
        value = _decided(found.value, known.under(found.condition))
        if condition is found.condition and value is found.value:
            return e
        return replace_value(e, replace(found, condition=condition), value)
    others = elsewhere(e)
    if others:
        known = known.without(others)
    if isinstance(e, Reduce):
        inner = known.without(e.indices)
        where = None if e.where is None else _decided(e.where, inner)
        body = _decided(e.body, inner if e.where is None else inner.under(e.where))
        return e if where is e.where and body is e.body else replace(e, body=body, where=where)
    out: Expr = map_children(e, lambda c: _decided(c, known))
    return out


__all__ = ["contradict", "under"]
