"""Choosing a loop order: topological orders of the level-order graph, ranked by estimated cost.

The graph has the index variables as nodes and, for every sparse access, an edge from the variable of each level to
that of the next.  Where the accesses of a statement make a cycle (a transpose among them), some must be converted
first: every set of conversions that leaves no cycle is a candidate, and pays for itself in the estimate.  Results
impose nothing: what arrives in another order goes through a workspace, which costs too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice, pairwise, product

from sparsec.formats.level import CanWindow
from sparsec.ir.loops import Chunk
from sparsec.ir.monoids import definition
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Expr, Index, Reduce, Scan
from sparsec.ir.variables import free_indices
from sparsec.passes.lower.cost import estimate
from sparsec.passes.lower.query import Query
from sparsec.passes.lower.schedule import asked_pairs, no_stretches, why_no_order
from sparsec.passes.lower.spaces import Space, make_space
from sparsec.passes.lower.topological import before, every, first

MAX_ORDERS = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """The loops of a statement, their order, the accesses to convert to it first, and the estimate that chose it."""

    space: Space
    order: tuple[str, ...]
    converted: tuple[Access, ...]
    cost: float
    candidates: int


def choose_order(query: Query) -> Choice:
    """The cheapest topological order over all sets of conversions.

    What is accessed at other places than index variables is looked up, and copied only where nothing else will do.
    """
    sparse = query.sparse
    plain = [a for a in sparse if _at_variables(a)]
    found = _cheapest(query, plain) or _cheapest(query, sparse)
    if found is None:
        kept = [] if query.may_convert else sparse
        alone = (replace(query, asked=None, splits=(d,)) for d in query.splits)
        if lacking := next((q for q in alone if not any(_has_any(q, space, kept) for space in q.spaces(kept))), None):
            raise no_stretches(lacking.splits)
        if query.asked is None:
            raise no_stretches(query.splits)
        spaces = [*query.spaces(sparse), *query.spaces([])]
        raise why_no_order(query.asked, spaces, lambda space, d: _has_any(replace(query, asked=d), space, kept))
    return found


def _has_any(query: Query, space: Space, kept: Sequence[Access]) -> bool:
    return next(_orders(query, space, kept), None) is not None


def _cheapest(query: Query, candidates: Sequence[Access]) -> Choice | None:
    """The cheapest order over all sets of ``candidates``, which are sparse, to convert; None if none has one."""
    best: Choice | None = None
    seen = 0
    for k in range(len(candidates) + 1 if query.may_convert else 1):
        for converted in combinations(candidates, k):
            kept = [a for a in query.sparse if a not in converted]
            for space, order in _nests(query, kept):
                for copied in _copies(query, space, order, converted):
                    seen += 1
                    cost = estimate(query, space, order, copied)
                    if best is None or cost < best.cost:
                        best = Choice(space, order, copied, cost, seen)
        if best is not None and k >= 2:
            break
    return None if best is None else replace(best, candidates=seen)


def _nests(query: Query, kept: Sequence[Access]) -> Iterator[tuple[Space, tuple[str, ...]]]:
    """The loops and orders to look at; rows in strips are for panels alone."""
    for space in query.spaces(kept):
        yield from ((space, order) for order in islice(_orders(query, space, kept), MAX_ORDERS))
    for space in query.in_rows(kept):
        pairs = _pairs(query, space, kept)
        if pairs is not None:
            yield from ((space, order) for order in dict.fromkeys(_panelled(query, space, pairs)))


def _copies(
    query: Query, space: Space, order: Sequence[str], converted: tuple[Access, ...]
) -> Iterator[tuple[Access, ...]]:
    """``converted``, alone and with dense accesses that lie across the result: each of these, and all.

    None where one would be copied as it is.
    """
    if any(_is_copy(query, space, order, a) for a in converted):
        return
    yield converted
    if not query.may_convert or query.last is None or not order or order[-1] not in space.own[query.last]:
        return
    across = tuple(a for a in query.crossed if not _is_copy(query, space, order, a))
    yield from ((*converted, a) for a in across)
    if len(across) > 1:
        yield (*converted, *across)


def _at_variables(access: Access) -> bool:
    """Is every index a variable?"""
    return all(isinstance(e, Index) for e in access.indices)


def copy_order(space: Space, order: Sequence[str], access: Access) -> tuple[int, ...]:
    """The dimensions of what is accessed in the order in which the loops come to know them."""
    rank = {v: n for n, v in enumerate(order)}
    last = [max((rank[v] for v in space.depends(e)), default=-1) for e in access.indices]
    return tuple(sorted(range(len(last)), key=last.__getitem__))


def _is_copy(query: Query, space: Space, order: Sequence[str], access: Access) -> bool:
    """Would a conversion of ``access`` give what there is?"""
    fmt = query.program.tensor(access.tensor).format
    assert fmt is not None
    ordered = all(spec.type.ordered for spec in fmt.levels)
    return fmt.is_plain and ordered and copy_order(space, order, access) == fmt.order


def _orders(query: Query, space: Space, kept: Sequence[Access]) -> Iterator[tuple[str, ...]]:
    """Topological orders of the graph that the accesses ``kept`` make; none if it has a cycle."""
    pairs = _pairs(query, space, kept)
    graph = before(space.domains, pairs or ())
    natural = first(graph, _levels_first(query, space, query.target))
    if pairs is None or natural is None:
        return
    # Many loops have more orders than are tried: those that have panels and follow a tensor's levels come first.
    others = (first(graph, _levels_first(query, space, access)) for access in kept)
    tried = {natural, *(o for o in others if o is not None), *_panelled(query, space, pairs)}
    yield from sorted(tried)
    yield from (order for order in every(graph) if order not in tried)


def _pairs(query: Query, space: Space, kept: Sequence[Access]) -> list[tuple[str, str]] | None:
    """The loops that stand around others for the accesses ``kept``; None where no order will do.

    To walk a level all levels above it must be known; one that is full can be looked up whenever it is its turn.
    """
    in_order = query.in_order
    if space.computed and (in_order or query.whole or any(_is_ordered(query, r) for r in walk(query.value))):
        return None  # diagonals do not ascend
    if any(space.own[v] != {v} for v in in_order.union(query.whole)):
        return None  # nor do blocks, with other loops between
    free = space.depends(*query.target.indices)
    for r in walk(query.value):
        if not isinstance(r, Reduce):
            continue
        # A loop over diagonals would have to stand both outside of a reduction and inside.
        if (query.free_first or r is not query.value) and free & space.loops_of(r.indices):
            return None
        if any(space.depends(*map(Index, r.indices)) & space.loops_of(inner.indices) for inner in _within(r)):
            return None
    pairs = asked_pairs(space, query.asked)
    if pairs is None:
        return None
    pairs += [*space.nesting, *_nesting(query, space)]
    for access in kept:
        fmt = query.program.tensor(access.tensor).format
        assert fmt is not None
        above: set[str] = set()
        for coord, spec in zip(fmt.coords, fmt.levels, strict=True):
            name = space.level_name(coord, access)
            if name and name not in above and not isinstance(spec.type, CanWindow) and not spec.type.full:
                pairs += ((u, name) for u in above)
            above |= space.level_needs(coord, access)
    return pairs


def _levels_first(query: Query, space: Space, access: Access) -> Callable[[str], int]:
    """Ranks loops: those of the access's levels in their order, then the others."""
    levels = [v for v in space.level_names(query.program, access) if v]
    return [*levels, *(v for v in space.domains if v not in levels)].index


def _panelled(query: Query, space: Space, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, ...]]:
    """An order of each kind that panels ask for: loops of the result, sums, and stretches of the result's last ones."""
    last = query.last
    if query.fold is None or last is None or last not in space.domains:
        return
    summed = space.loops_of(query.fold.indices)
    names = [e.name for e in query.target.indices if isinstance(e, Index) and e.name != last]
    rows = [v for v in names if isinstance(space.domains.get(v), Chunk)]
    for held in ([last], *([v, last] for v in rows)):
        outer = [v for v in space.domains if v not in summed and v not in held]
        around = [*product(outer, summed), *product((*outer, *summed), held), *pairwise(held)]
        graph = before(space.domains, [*pairs, *around])
        found = first(graph, _levels_first(query, space, query.target))
        if found is not None:
            yield found


def has_order(query: Query) -> bool:
    """Whether any order is left once every operand may be converted: scans may contradict one another."""
    space = make_space(query.program, (), {v: query.extents[v] for v in query.variables}, query.lets, query.stretches)
    return _has_any(query, space, ())


def _nesting(query: Query, space: Space) -> Iterator[tuple[str, str]]:
    """Pairs (outer, inner) that the expression's own nesting asks for, whatever the formats.

    A reduction runs inside those around it; one that is not the whole right side runs inside all free variables, and
    so do all with ``free_first``.  One with an ordered monoid runs over its indices in their order.  A scan's loop runs
    inside those of the variables that its body uses.
    """
    everything = space.loops_of(query.variables)
    for v in query.outermost:
        yield from ((v, w) for w in sorted(everything - set(query.outermost)))
    free = sorted(space.depends(*query.target.indices))
    for r in walk(query.value):
        if isinstance(r, Scan):
            used = space.loops_of(free_indices(r) & set(query.variables))
            yield from ((v, r.index) for v in sorted(used - {r.index}))
        if not isinstance(r, Reduce):
            continue
        mine = sorted(space.loops_of(r.indices))
        if query.free_first or r is not query.value:
            yield from ((f, v) for f in free for v in mine if f != v)
        for inner in _within(r):
            yield from ((v, w) for v in mine for w in sorted(space.loops_of(inner.indices)) if v != w)
        if _is_ordered(query, r):
            for a, b in zip(r.indices, r.indices[1:], strict=False):
                yield from ((v, w) for v in sorted(space.own[a]) for w in sorted(space.own[b]))


def _within(r: Reduce) -> Iterator[Reduce]:
    """The reductions inside a reduction."""
    return (n for n in walk(r) if n is not r and isinstance(n, Reduce))


def _is_ordered(query: Query, r: Expr) -> bool:
    m = definition(r.monoid, query.program.monoids) if isinstance(r, Reduce) else None
    return m is not None and m.ordered


__all__ = ["Choice", "choose_order", "copy_order", "has_order"]
