"""A sum of products as terms: what distribution makes of it, and what each order of summing it would cost.

``reduce.add[j]((reduce.add[r](U[i, r] * V[r, j]) + S[i, j]) * x[j])`` has the terms ``U V x`` over j and r, and ``S x``
over j.  A term is summed one variable after the other (*bucket elimination*: Dechter, Artificial Intelligence 113,
1999): summing j first takes the factors that use it, ``V`` and ``x``, leaves a factor over r, and costs n r steps; then
r costs m r.  All at once would be m n r.

Costs are counts of iterations under the assumed statistics of ``order.py``; operands are taken to be independent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import permutations, product
from math import prod

from sparsec.ir.rewrite import children, walk
from sparsec.ir.tensor import Access, Expr, Extent, Literal, Map, Program, Reduce, Stored, joined
from sparsec.ir.variables import free_indices
from sparsec.passes.lower.cost import assumed_entries, size_of_extent
from sparsec.passes.lower.query import is_sparse
from sparsec.passes.lower.simplify import absent_value

MAX_TERMS = 16
"""Terms into which a product of sums is written out; one with more is a factor as it stands."""
MAX_SUMMED = 5
"""Variables of a term whose orders are all tried; of one with more the next is always the one that helps most."""
MERGE = 2.5
"""What a step costs that merges the entries of several operands, against one that walks a single one."""
RINGS = {"add": "mul", "or": "and"}
"""The monoids of sums, and the operator that distributes over each."""


@dataclass(frozen=True, slots=True)
class Term:
    """A product, negated or not, summed over ``summed`` where all ``conditions`` hold."""

    factors: tuple[Expr, ...]
    summed: tuple[str, ...] = ()
    conditions: tuple[Expr, ...] = ()
    negative: bool = False

    def times(self, other: Term) -> Term:
        return Term(
            self.factors + other.factors,
            self.summed + other.summed,
            self.conditions + other.conditions,
            self.negative != other.negative,
        )


def terms_of(e: Expr, monoid: str, program: Program, kept: list[Expr]) -> list[Term]:
    """``e`` with its products of sums written out; what is neither a sum nor a product is a factor as it stands.

    So is a floating sum of single values, for digits would be lost where they cancel.  A sum over an index has that
    error anyway, the parts of a composite are summed one by one by definition, and integers have none.
    So is a product of more than ``MAX_TERMS`` terms, which ``kept`` gets.  Reductions must have their own variables.
    """
    match e:
        case Map("add" | "or" | "sub" | "neg"):
            found = list(_addends(e, monoid))
            if found != [(e, False)]:
                return _sum_of(e, found, monoid, program, kept)
        case Map(op, (a, b), zero=None) if op == RINGS[monoid]:
            left, right = terms_of(a, monoid, program, kept), terms_of(b, monoid, program, kept)
            if len(left) * len(right) <= MAX_TERMS:
                return [x.times(y) for x, y in product(left, right)]
            kept.append(e)
        case Reduce() if e.monoid == monoid and e.body.dtype == e.dtype:
            conditions = () if e.where is None else (e.where,)
            inner = terms_of(e.body, monoid, program, kept)
            return [Term(t.factors, (*e.indices, *t.summed), (*conditions, *t.conditions), t.negative) for t in inner]
    return [Term((e,))]


def _addends(e: Expr, monoid: str, negative: bool = False) -> Iterator[tuple[Expr, bool]]:
    """What ``e`` is the sum of, each with whether it is subtracted."""
    match e:
        case Map("add" | "or" as op, (a, b)) if op == monoid:
            yield from _addends(a, monoid, negative)
            yield from _addends(b, monoid, negative)
        case Map("sub", (a, b)) if monoid == "add":
            yield from _addends(a, monoid, negative)
            yield from _addends(b, monoid, not negative)
        case Map("neg", (a,)) if monoid == "add":
            yield from _addends(a, monoid, not negative)
        case _:
            yield e, negative


def _sum_of(e: Expr, addends: list[tuple[Expr, bool]], monoid: str, program: Program, kept: list[Expr]) -> list[Term]:
    """The terms of the sum ``e``; the single values among the addends are one term, unless they may be parted."""
    parted = e.dtype.kind in "biu" or _is_composite(e, program)
    terms: list[Term] = []
    values: list[tuple[Expr, Term]] = []
    for a, negative in addends:
        found = [replace(t, negative=t.negative != negative) for t in terms_of(a, monoid, program, kept)]
        if parted or len(found) > 1 or found[0].summed:
            terms += found
        else:
            values.append((Map("neg", (a,), e.dtype) if negative else a, found[0]))
    if len(values) == 1:
        return [*terms, values[0][1]]
    if values:
        whole = joined("add", [v for v, _ in values], e.dtype) if terms else e
        terms.append(Term((whole,)))
    return terms


def _is_composite(e: Expr, program: Program) -> bool:
    """Does ``e`` read parts of one composite operand and nothing else?"""
    wholes = {program.tensor(n.tensor).part_of for n in walk(e) if isinstance(n, Access)}
    return len(wholes) == 1 and None not in wholes


@dataclass(frozen=True, slots=True)
class Step:
    """Factors that are multiplied and summed over ``summed`` into one over ``names``."""

    summed: tuple[str, ...]
    names: tuple[str, ...]
    factors: tuple[int, ...]
    conditions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """An order of summing a term: the steps into temporaries, whose factors count on from the term's own; its cost."""

    steps: tuple[Step, ...]
    cost: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Estimates for one statement: the program, and the extents of its index variables."""

    program: Program
    extents: Mapping[str, Extent]

    def size(self, names: Iterator[str] | set[str] | tuple[str, ...]) -> float:
        """Points of an index space."""
        return prod(size_of_extent(self.extents[v]) for v in names)

    def fills(self, e: Expr) -> dict[Expr, Expr]:
        out: dict[Expr, Expr] = {}
        for n in walk(e):
            if isinstance(n, Access) and is_sparse(t := self.program.tensor(n.tensor)):
                out[n] = Literal(t.fill, t.dtype, fill=True)
        return out

    def density(self, e: Expr) -> float:
        """At which part of its points ``e`` is more than what it is without entries."""
        match e:
            case Access():
                t = self.program.tensor(e.tensor)
                return min(1.0, assumed_entries(t) / prod(map(size_of_extent, t.dims))) if is_sparse(t) else 1.0
            case Stored():
                return self.density(e.access)
            case Reduce():
                return min(1.0, self.density(e.body) * self.size(e.indices))
            case Map() if isinstance(absent_value(e, self.fills(e), self.program.monoids), Literal):
                parts = [self.density(a) for a in e.args if not isinstance(a, Literal)]
                return prod(parts) if e.op in RINGS.values() else min(1.0, sum(parts))
        return 1.0

    def as_written(self, e: Reduce, around: tuple[str, ...]) -> float:
        """The sum computed where it stands, at each of the points over ``around``."""
        merges = sum(map(self.merges, walk(e.body)))
        points = self.size({*around, *e.indices}) * self.density(e.body)
        return points * (1.0 + self.inside(e.body)) * MERGE**merges

    def merges(self, e: Expr) -> bool:
        """Whether the entries of several operands are merged where ``e`` is computed: products only intersect."""
        if not isinstance(e, Map) or e.op in RINGS.values() or self.density(e) == 1:
            return False
        return sum(self.density(a) < 1 for a in e.args) > 1

    def inside(self, e: Expr) -> float:
        """Steps of the reductions in ``e`` at one point."""
        if isinstance(e, Reduce):
            return self.size(e.indices) * self.density(e.body) * (1.0 + self.inside(e.body))
        return sum(map(self.inside, children(e)))

    def best(self, t: Term, around: tuple[str, ...]) -> Way:
        """The cheapest order of summing a term whose sum is wanted at the points over ``around``."""
        return min((self.way(t, around, order) for order in self.orders(t, around)), key=lambda way: way.cost)

    def orders(self, t: Term, around: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """The orders to try, from none on: all, or of many variables those that grow by the one that helps most."""
        if len(t.summed) <= MAX_SUMMED:
            for n in range(len(t.summed) + 1):
                yield from permutations(t.summed, n)
            return
        order: tuple[str, ...] = ()
        yield order
        while left := [v for v in t.summed if v not in order]:
            order = min(((*order, v) for v in left), key=lambda longer: self.way(t, around, longer).cost)
            yield order

    def way(self, t: Term, around: tuple[str, ...], order: tuple[str, ...]) -> Way:
        """Summing the variables of ``order`` one by one into temporaries, and those left at the end."""
        uses = [free_indices(f) for f in t.factors]
        density = [self.density(f) for f in t.factors]
        conditions = {n: free_indices(c) for n, c in enumerate(t.conditions)}
        left = set(range(len(uses)))
        gone: set[str] = set()
        steps, cost = [], 0.0
        for v in order:
            inside = {n for n in left if v in uses[n]}
            if v in gone or not inside:
                continue
            asked = {n for n, names in conditions.items() if v in names}
            names = set().union(*(uses[n] for n in inside), *(conditions[n] for n in asked))
            elsewhere = set().union(
                *(uses[n] for n in left - inside), *(conditions[n] for n in conditions.keys() - asked)
            )
            summed = {w for w in names if w in t.summed and w not in elsewhere}
            # The result's last index stays the last: what is summed along it later runs along memory.
            kept = tuple(w for w in (*around[:-1], *t.summed, *around[-1:]) if w in names - summed)
            found = self.size(names) * prod(density[n] for n in inside)
            entries = min(self.size(kept), found)
            cost += found + 2.0 * entries
            steps.append(
                Step(tuple(w for w in t.summed if w in summed), kept, tuple(sorted(inside)), tuple(sorted(asked)))
            )
            left = left - inside | {len(uses)}
            uses.append(set(kept))
            density.append(entries / self.size(kept))
            gone |= summed
            conditions = {n: names for n, names in conditions.items() if n not in asked}
        rest = {*around, *t.summed} - gone
        return Way(tuple(steps), cost + self.size(rest) * prod(density[n] for n in left))


__all__ = ["MAX_TERMS", "RINGS", "Costs", "Step", "Term", "Way", "terms_of"]
