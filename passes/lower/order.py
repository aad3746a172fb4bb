"""Choosing a loop order: topological orders of the level-order graph, ranked by estimated cost.

The graph has the index variables as nodes and, for every sparse access, an edge from the variable of each level to
that of the next.  Where the accesses of a statement make a cycle (a transpose among them), some must be converted
first: every set of conversions that leaves no cycle is a candidate, and pays for itself in the estimate.  Results
impose nothing: what arrives in another order goes through a workspace, which costs too.

The estimate counts iterations with assumed statistics (``FIBRE`` entries beneath a parent, ``EXTENT`` coordinates
where a dimension is unknown), which is enough to tell Gustavson's product of sparse matrices from one by inner
products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, islice

from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.formats.format import Format
from sparsec.formats.level import CanIterate, CanLocate, CanWindow, Level
from sparsec.ir.loops import Chunk, Chunks, Domain, Full
from sparsec.ir.monoids import definition
from sparsec.ir.rewrite import walk
from sparsec.ir.schedule import Directive
from sparsec.ir.tensor import Access, Expr, Extent, Index, Literal, Map, Program, Reduce, Scan, Stored, TensorDecl
from sparsec.ir.tensor_values import same_value
from sparsec.ir.variables import free_indices, mentioned
from sparsec.passes.lower.coordinates import digit_domain
from sparsec.passes.lower.scatter import can_scatter, takes_any_order
from sparsec.passes.lower.schedule import asked_pairs, no_stretches, stretches, why_no_order
from sparsec.passes.lower.simplify import Known, absent_value
from sparsec.passes.lower.spaces import Computed, Space, make_space

EXTENT = 10_000.0
STRIP = 1024
"""Coordinates of a result that stay in the cache while the diagonals over them are walked."""
FIBRE = 16.0
CONVERT = 30.0
"""Cost of converting one entry, in iterations."""
LIST = 20.0
BITMAP = 3.0
SCATTER = 1.5
SCAN = 64.0
"""Cost of looking for a coordinate where nothing but looking at all of them helps: rows may be long."""
MAX_ORDERS = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """The loops of a statement, their order, the accesses to convert to it first, and the estimate that chose it."""

    space: Space
    order: tuple[str, ...]
    converted: tuple[Access, ...]
    cost: float
    candidates: int


def level_kinds(fmt: Format) -> tuple[Level, ...]:
    """The level types of a copy of a tensor that stores one whole dimension after the other."""
    kinds = tuple(spec.type for spec in fmt.levels)
    if fmt.is_plain:
        return kinds
    # Dense rows of more than a vector: a dense copy of that would store what the tensor does not.
    outer = () if fmt.ndim == 1 else (Dense(),)
    return (*outer, *(Compressed() for _ in fmt.dims[len(outer) :]))


def is_sparse(t: TensorDecl) -> bool:
    """Does the tensor store less than all of its entries?"""
    return t.format is not None and not t.format.is_dense


@dataclass(frozen=True, slots=True)
class Query:
    """What the choice depends on: the expression, its sparse accesses, the result, extents, and order constraints."""

    program: Program
    value: Expr
    target: Access
    reduced: tuple[str, ...]
    extents: dict[str, Extent]
    free_first: bool  # every reduced variable inside all free ones
    may_convert: bool = True  # a copy that is itself a conversion may not ask for another
    outermost: tuple[str, ...] = ()  # variables whose loops stand around all others
    whole: tuple[str, ...] = ()  # variables that take one loop, not split and not computed
    lets: tuple[Computed, ...] = ()  # the indices of the target that are no variables
    asked: Directive | None = None  # the order that a schedule asks for
    splits: tuple[Directive, ...] = ()  # and the stretches
    gone: Known = field(default_factory=dict, init=False)  # what ``absent`` found
    known: list[dict[Expr, Expr]] = field(default_factory=list, init=False)  # ``fills``, once somebody asked

    @property
    def variables(self) -> tuple[str, ...]:
        """The index variables: those that the target uses, then the reduced ones."""
        places = {c.name: mentioned(c.value) for c in self.lets}
        used = [v for name in mentioned(*self.target.indices) for v in places.get(name, (name,))]
        return tuple(dict.fromkeys([*self.outermost, *used, *self.reduced]))

    @property
    def stretches(self) -> dict[str, frozenset[int]]:
        """The sizes of the stretches that a schedule asks for."""
        return stretches(self.splits)

    @property
    def in_order(self) -> set[str]:
        """Variables whose coordinates must come one after the other: those of scans and recurrences."""
        return {*self.outermost, *(r.index for r in walk(self.value) if isinstance(r, Scan))}

    def spaces(self, kept: Sequence[Access]) -> Iterator[Space]:
        """The loops that suit the accesses ``kept``, and those that suit the target, too; none for misfits."""
        extents, asked = {v: self.extents[v] for v in self.variables}, self.stretches

        def fits(space: Space) -> bool:
            loops = (space.places.get((v, n)) for v, sizes in asked.items() for n in sizes)
            return not space.misfits and all(loop in space.domains for loop in loops)

        alone = make_space(self.program, kept, extents, self.lets, asked)
        if fits(alone):
            yield alone
            if strips := self.strips(alone):
                stripped = make_space(self.program, kept, extents, self.lets, {**asked, **strips})
                if fits(stripped):
                    yield stripped
            target = self.program.tensor(self.target.tensor).format
            if self.lets or (target is not None and target.is_plain):
                return  # it asks for nothing
            together = make_space(self.program, [*kept, self.target], extents, strips=asked)
            if together.domains != alone.domains and fits(together):
                yield together

    def strips(self, space: Space) -> dict[str, frozenset[int]]:
        """The variables of a dense result that a level adds up with others, in strips that a cache holds.

        A loop over diagonals inside of one over rows would search them anew for each row; around it, all of the result
        would pass through the cache once a diagonal.
        """
        if self.lets or is_sparse(self.program.tensor(self.target.tensor)):
            return {}
        free = {e.name for e in self.target.indices if isinstance(e, Index)} - {*self.in_order, *self.whole}
        added = {v for key in space.sums for _, v, divisor in key if divisor == 1}
        return {v: frozenset({STRIP}) for v in self.variables if v in free & added and space.own[v] == {v}}

    def absent(self, e: Expr) -> Expr:
        """What ``e`` is where no sparse access has an entry."""
        return absent_value(e, self.fills, self.program.monoids, self.gone)

    @property
    def sparse(self) -> tuple[Access, ...]:
        """The accesses of what is not dense, once each."""
        return tuple(a for a in self.fills if isinstance(a, Access))

    @property
    def fills(self) -> dict[Expr, Expr]:
        """The value of each sparse access where it has no entry."""
        if not self.known:
            reads = (n for e in (self.value, *(c.value for c in self.lets)) for n in walk(e) if isinstance(n, Access))
            decls = {a: self.program.tensor(a.tensor) for a in reads}
            self.known.append({a: Literal(t.fill, a.dtype, fill=True) for a, t in decls.items() if is_sparse(t)})
        return self.known[0]


def choose_order(query: Query) -> Choice:
    """The cheapest topological order over all sets of conversions.

    What is accessed at other places than index variables is looked up, and copied only where nothing else will do.
    """
    sparse = query.sparse
    found = _cheapest(query, sparse, [a for a in sparse if _at_variables(a)]) or _cheapest(query, sparse, sparse)
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


def _cheapest(query: Query, sparse: Sequence[Access], candidates: Sequence[Access]) -> Choice | None:
    """The cheapest order over all sets of ``candidates`` to convert; None if none has one."""
    best: Choice | None = None
    seen = 0
    for k in range(len(candidates) + 1 if query.may_convert else 1):
        for converted in combinations(candidates, k):
            kept = [a for a in sparse if a not in converted]
            for space in query.spaces(kept):
                for order in islice(_orders(query, space, kept), MAX_ORDERS):
                    if any(_is_copy(query, space, order, a) for a in converted):
                        continue
                    seen += 1
                    cost = estimate(query, space, order, converted)
                    if best is None or cost < best.cost:
                        best = Choice(space, order, converted, cost, seen)
        if best is not None and k >= 2:
            break
    return None if best is None else replace(best, candidates=seen)


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
    """Topological orders of the graph that the accesses ``kept`` make; none if it has a cycle.

    To walk a level all levels above it must be known; one that is full can be looked up whenever it is its turn.
    """
    import networkx as nx

    in_order = query.in_order
    if space.computed and (in_order or query.whole or any(_is_ordered(query, r) for r in walk(query.value))):
        return  # diagonals do not ascend
    if any(space.own[v] != {v} for v in in_order.union(query.whole)):
        return  # nor do blocks, with other loops between
    free = space.depends(*query.target.indices)
    for r in walk(query.value):
        if not isinstance(r, Reduce):
            continue
        # A loop over diagonals would have to stand both outside of a reduction and inside.
        if (query.free_first or r is not query.value) and free & space.loops_of(r.indices):
            return
        if any(space.depends(*map(Index, r.indices)) & space.loops_of(inner.indices) for inner in _within(r)):
            return
    graph = nx.DiGraph()
    graph.add_nodes_from(space.domains)
    for access in kept:
        fmt = query.program.tensor(access.tensor).format
        assert fmt is not None
        above: set[str] = set()
        for coord, spec in zip(fmt.coords, fmt.levels, strict=True):
            name = space.level_name(coord, access)
            if name and name not in above and not isinstance(spec.type, CanWindow) and not spec.type.full:
                graph.add_edges_from((u, name) for u in sorted(above))
            above |= space.level_needs(coord, access)
    graph.add_edges_from(space.nesting)
    graph.add_edges_from(_nesting(query, space))
    pairs = asked_pairs(space, query.asked)
    if pairs is None:
        return
    graph.add_edges_from(pairs)
    if not nx.is_directed_acyclic_graph(graph):
        return
    # Many loops have more orders than are tried: those that follow a tensor's levels come first.
    tried = set()
    for access in (query.target, *kept):
        levels = [v for v in space.level_names(query.program, access) if v]
        names = [*levels, *(v for v in space.domains if v not in levels)]
        tried.add(tuple(nx.lexicographical_topological_sort(graph, names.index)))
    yield from sorted(tried)
    for order in nx.all_topological_sorts(graph):
        if tuple(order) not in tried:
            yield tuple(order)


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


def size_of(domain: Domain) -> float:
    """About how many coordinates a loop has."""
    match domain:
        case Full(extent):
            return size_of_extent(extent)
        case Chunks(extent, size):
            return max(1.0, size_of_extent(extent) / size)
        case Chunk(_, size):
            return float(size)
    return sum(size_of(part) for part in domain.parts)


def size_of_extent(extent: Extent) -> float:
    """A dimension's extent, or what one that is unknown is taken to be."""
    return float(max(extent, 1)) if isinstance(extent, int) else EXTENT


@dataclass(frozen=True, slots=True)
class Loose:
    """What levels without order do to a loop order.

    ``walked``: the loops that walk one, alone, and bring its coordinates as they come; ``everywhere``: those that run
    over all coordinates, since such a level cannot be walked together with others; ``scans``: the loops at which one
    is looked through for a coordinate.
    """

    walked: frozenset[str] = frozenset()
    everywhere: frozenset[str] = frozenset()
    scans: tuple[str, ...] = ()


def loose_loops(query: Query, space: Space, order: Sequence[str], converted: Sequence[Access]) -> Loose:
    """How levels that cannot be searched are read in this loop order; the accesses ``converted`` have none."""
    kept = [a for a in query.sparse if a not in converted]
    formats = {a: fmt for a in kept if (fmt := query.program.tensor(a.tensor).format) is not None}
    if all(s.type.searchable for fmt in formats.values() for s in fmt.levels):
        return Loose()
    walked, everywhere, scans = set(), set(), []
    for v in order:
        others = [a for a in converted if _restricts(query, a, v, order)]
        loose: dict[Access, Level] = {}
        for a, fmt in formats.items():
            names = space.level_names(query.program, a)
            for n, (spec, name) in enumerate(zip(fmt.levels, names, strict=True)):
                if name != v or spec.type.full or not isinstance(spec.type, CanIterate):
                    continue
                if spec.type.ordered:
                    others.append(a)
                    part = v in names[:n] or isinstance(space.domains[v], Chunk)
                    scans += [v] * (part and not spec.type.searchable and _scanned(spec.type))
                elif v not in names[:n]:
                    loose[a] = spec.type
                elif _scanned(spec.type):
                    scans.append(v)
        if not loose:
            continue
        alone: Access | None = None
        if not others and v not in query.in_order:
            alone = next((a for a in loose if len(loose) == 1 or _decided_by(query, [a])), None)
        if alone is not None:
            walked.add(v)
        elif not _decided_by(query, others):
            everywhere.add(v)
        scans += [v for a, level in loose.items() if a != alone and _scanned(level)]
    return Loose(frozenset(walked), frozenset(everywhere), tuple(scans))


def _restricts(query: Query, a: Access, v: str, order: Sequence[str]) -> bool:
    """Whether the copy of ``a`` in this loop order stores ``v`` sparsely."""
    fmt = query.program.tensor(a.tensor).format
    assert fmt is not None
    names = sorted((e.name for e in a.indices if isinstance(e, Index) and e.name in order), key=order.index)
    return v in names and not level_kinds(fmt)[names.index(v)].full


def _scanned(level: Level) -> bool:
    """Whether a coordinate of the level is found by looking at all of them."""
    return not (isinstance(level, CanLocate) and level.probe_cost == "constant")


def _decided_by(query: Query, accesses: Sequence[Access]) -> bool:
    """Whether nothing depends on the other operands where none of ``accesses`` has an entry."""
    fills: dict[Expr, Expr] = {a: Literal(query.program.tensor(a.tensor).fill, a.dtype, fill=True) for a in accesses}
    return bool(accesses) and isinstance(absent_value(query.value, fills, query.program.monoids), Literal)


def estimate(query: Query, space: Space, order: tuple[str, ...], converted: Sequence[Access]) -> float:
    """Iterations of the nest, weighted, plus conversions and workspaces."""
    program = query.program
    total, trips = 0.0, 1.0
    for access in converted:
        total += CONVERT * assumed_entries(program.tensor(access.tensor))
    position = {v: n for n, v in enumerate(order)}
    loose = loose_loops(query, space, order, converted)
    for v in order:
        count = size_of(space.domains[v])
        if v not in loose.everywhere:
            count = _count(query, space, query.value, v, position, converted)
        trips *= max(1.0, count)
        total += trips * (1.0 + SCAN * loose.scans.count(v))
    last = order[-1] if order else ""
    for n in (*walk(query.value), query.target):
        if not isinstance(n, Access) or not n.indices or n in converted:
            continue
        variables = space.level_names(program, n)
        if last in variables[:-1] and _has_places(program.tensor(n.tensor), variables.index(last) + 1):
            total += 0.5 * trips
        elif last in variables and not is_sparse(program.tensor(n.tensor)):
            total += 0.01 * trips
    total += trips * _result_penalty(query, space, order, loose.walked)
    total *= 1.05 if space.strips else 1.0  # strips are for what gains by them
    # Among equals keep free variables in the result's order, outermost first.
    summed = space.loops_of(query.reduced)
    free = [v for v in order if v not in summed]
    wanted = [v for v in space.level_names(program, query.target) if v in free]
    return total * (1.0 + 1e-6 * sum(a != b for a, b in zip(free, wanted, strict=False)))


def _has_places(t: TensorDecl, level: int) -> bool:
    """Has every entry of the level above room for all coordinates of ``level`` and those beneath?"""
    assert t.format is not None
    return all(spec.type.full or isinstance(spec.type, CanWindow) for spec in t.format.levels[level:])


def result_prefix(
    query: Query, space: Space, order: Sequence[str], loose: frozenset[str]
) -> tuple[tuple[str, ...], int]:
    """The outermost loops that are the result's first levels in order, and how many levels: they need no workspace.

    A level's loop may stand inside loops over chunks of it.  A loop whose coordinates come in no order (``loose``) ends
    them, where the result's level asks for order.
    """
    wanted = space.level_names(query.program, query.target)
    fmt = query.program.tensor(query.target.tensor).format
    assert fmt is not None
    kinds = [spec.type for spec in fmt.levels]
    rows = all(k.full for k in kinds[:-1])
    prefix, levels = 0, 0
    for n, v in enumerate(order):
        levels = _past_constants(query, levels)
        if levels == len(wanted):
            break
        any_order = takes_any_order(kinds[levels]) if levels == len(kinds) - 1 else rows
        if v in loose and not any_order:
            break
        if v == wanted[levels]:
            prefix, levels = n + 1, levels + 1
        elif not _around(space, v, wanted[levels]):
            break
    return tuple(order[:prefix]), _past_constants(query, levels)


def _past_constants(query: Query, level: int) -> int:
    """The first level of the result from this one on whose coordinate is not always the same."""
    fmt = query.program.tensor(query.target.tensor).format
    assert fmt is not None
    while level < len(fmt.coords) and fmt.coords[level].constant:
        level += 1
    return level


def _around(space: Space, outer: str, inner: str) -> bool:
    """Does ``inner`` run inside the chunks of ``outer``?"""
    domain = space.domains.get(inner)
    return isinstance(domain, Chunk) and (domain.outer == outer or _around(space, outer, domain.outer))


def _result_penalty(query: Query, space: Space, order: tuple[str, ...], loose: frozenset[str]) -> float:
    depends, summed = space.depends(*query.target.indices), space.loops_of(query.reduced)
    free = [v for v in order if v in depends]
    reduced_before = any(v in summed for v in order[: order.index(free[-1]) + 1]) if free else False
    if not is_sparse(query.program.tensor(query.target.tensor)):
        return SCATTER if reduced_before and order[0] in summed else 0.1 if reduced_before else 0.0
    prefix, matched = result_prefix(query, space, order, loose)
    levels = space.level_names(query.program, query.target)
    rest = len([v for v in free if v not in prefix])
    if rest == 0 and matched == len(levels):
        return 0.0
    decl = query.program.tensor(query.target.tensor)
    if not reduced_before and rest == len(free) and can_scatter(decl, levels, free, loose):
        return SCATTER
    return BITMAP if len(levels) - matched == 1 else LIST


def assumed_entries(t: TensorDecl) -> float:
    """Assumed number of stored entries."""
    assert t.format is not None
    n = 1.0
    for spec, c in zip(t.format.levels, t.format.coords, strict=True):
        extent = sum(size_of(digit_domain(d, t.dims[d.dim])) for _, d in c.terms)
        below = 1.0 if spec.type.branchless else float(spec.type.fan or FIBRE if n > 1 else extent / 2)
        n *= extent if spec.type.full else min(extent, below)
    return n


def _count(query: Query, space: Space, e: Expr, v: str, position: dict[str, int], converted: Sequence[Access]) -> float:
    """Assumed number of coordinates of ``v`` at which ``e`` is not what it is without entries."""
    full = size_of(space.domains[v])
    match e:
        case Access():
            return _fibre(query, space, e, v, position, converted)
        case Reduce():
            if e.where is not None:
                mask = query.absent(e.where)
                if isinstance(mask, Literal) and not mask.value:
                    return _count(query, space, e.where, v, position, converted)
            tuple_state = definition(e.monoid, query.program.monoids) is not None and v in space.loops_of(e.indices)
            if tuple_state and not isinstance(query.absent(e), Literal):
                return full  # it sees every point
            return _count(query, space, e.body, v, position, converted)
        case Stored():
            return _count(query, space, e.access, v, position, converted)
        case Map("select", (condition, value, Literal(fill=True) as otherwise)):
            # Entries of a mask restrict a guard, and so do those of a value that is what it leaves.
            mask, absent_here = query.absent(condition), query.absent(value)
            counts = [full]
            if isinstance(mask, Literal) and not mask.value:
                counts.append(_count(query, space, condition, v, position, converted))
            if isinstance(absent_here, Literal) and same_value(absent_here.value, otherwise.value):
                counts.append(_count(query, space, value, v, position, converted))
            return min(counts)
        case Map():
            parts = [(n, a) for n, a in enumerate(e.args) if not isinstance(a, Literal)]
            absent = [(n, query.absent(a)) for n, a in parts]
            forced = any(isinstance(a, Literal) and e.forced(n, a.value) is not None for n, a in absent)
            if not forced and not isinstance(query.absent(e), Literal):
                return full
            counts = [_count(query, space, a, v, position, converted) for _, a in parts]
            return min(counts) if forced else min(full, sum(counts))
    return full


def _share(fmt: Format) -> float:
    """The part of all coordinates that a format of groups stores, whatever the data; 1 of others."""
    share = 1.0
    for spec in fmt.levels:
        if spec.type.fan is not None and spec.type.modulus is not None:
            share *= spec.type.fan / spec.type.modulus
    return share


def _fibre(
    query: Query, space: Space, a: Access, v: str, position: dict[str, int], converted: Sequence[Access]
) -> float:
    full = size_of(space.domains[v])
    t = query.program.tensor(a.tensor)
    if not is_sparse(t):
        return full
    assert t.format is not None
    if a not in converted and (width := window_trips(query, space, a, v, position)) is not None:
        full = min(full, width)
    if a in converted:
        kinds = level_kinds(t.format)
        names = [e.name for e in a.indices if isinstance(e, Index)]
        variables = tuple(sorted(names, key=lambda x: position.get(x, -1)))
    else:
        kinds = tuple(spec.type for spec in t.format.levels)
        variables = space.level_names(query.program, a)
    if v not in variables:
        return full
    n = variables.index(v)
    if a in converted and (share := _share(t.format)) < 1.0:
        return full * share if n + 1 == len(variables) else full
    level = kinds[n]
    if not isinstance(level, CanIterate) or level.full:
        return full
    if n == 0:
        return full / 2 if t.format.coords[n].digit is not None else min(full / 2, FIBRE)
    if level.branchless:
        return FIBRE / 4
    if level.fan is not None:
        return min(full, float(level.fan))
    return min(full, FIBRE if kinds[n - 1].full else FIBRE / 2)


def window_trips(query: Query, space: Space, a: Access, v: str, position: dict[str, int]) -> float | None:
    """About how many coordinates of ``v`` a window of ``a`` leaves, if its loop is the last of those that decide it."""
    fmt = query.program.tensor(a.tensor).format
    assert fmt is not None
    stored = {str(spec.coord): c for spec, c in zip(fmt.levels, fmt.coords, strict=True)}
    for spec, c in zip(fmt.levels, fmt.coords, strict=True):
        level = spec.type
        if not isinstance(level, CanWindow) or level.full:
            continue
        loops = space.level_needs(c, a).union(*(space.level_needs(stored[key], a) for key in level.outer))
        if loops and v == max(loops, key=lambda u: position.get(u, -1)):
            return size_of(space.domains[v]) / 2 if level.width is None else float(level.width)
    return None
