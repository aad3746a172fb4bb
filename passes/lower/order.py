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
from dataclasses import dataclass, field
from itertools import combinations, islice

from sparsec.formats.level import CanIterate
from sparsec.ir import ops
from sparsec.ir.monoids import definition
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Expr, Extent, Index, Literal, Map, Program, Reduce, TensorDecl
from sparsec.passes.lower.scatter import can_scatter
from sparsec.passes.lower.simplify import absent_value

EXTENT = 10_000.0
FIBRE = 16.0
CONVERT = 30.0
"""Cost of converting one entry, in iterations."""
LIST = 20.0
BITMAP = 3.0
SCATTER = 1.5
MAX_ORDERS = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """A loop order, the accesses to convert to it first, and the estimate that chose it."""

    order: tuple[str, ...]
    converted: tuple[Access, ...]
    cost: float
    candidates: int


def level_variables(program: Program, access: Access) -> tuple[str, ...]:
    """The index variables of an access in the order of its levels."""
    t = program.tensor(access.tensor)
    assert t.format is not None
    names = []
    for d in t.format.order:
        e = access.indices[d]
        names.append(e.name if isinstance(e, Index) else "")
    return tuple(names)


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
    gone: dict[int, tuple[Expr, Expr]] = field(default_factory=dict)  # what ``absent`` found, by identity

    @property
    def variables(self) -> tuple[str, ...]:
        free = [e.name for e in self.target.indices if isinstance(e, Index)]
        return tuple(dict.fromkeys([*free, *self.reduced]))

    def absent(self, e: Expr) -> Expr:
        """What ``e`` is where no sparse access has an entry."""
        if id(e) not in self.gone:
            fills: dict[Expr, Expr] = {
                a: Literal(self.program.tensor(a.tensor).fill, a.dtype, fill=True) for a in self.sparse
            }
            self.gone[id(e)] = e, absent_value(e, fills, self.program.monoids)
        return self.gone[id(e)][1]

    @property
    def sparse(self) -> list[Access]:
        out: dict[Access, None] = {}
        for n in walk(self.value):
            if isinstance(n, Access) and is_sparse(self.program.tensor(n.tensor)):
                out.setdefault(n)
        return list(out)


def choose_order(query: Query) -> Choice:
    """The cheapest topological order over all sets of conversions."""
    best: Choice | None = None
    seen = 0
    sparse = query.sparse
    for k in range(len(sparse) + 1 if query.may_convert else 1):
        for converted in combinations(sparse, k):
            kept = [a for a in sparse if a not in converted]
            for order in islice(_orders(query, kept), MAX_ORDERS):
                seen += 1
                cost = estimate(query, order, converted)
                if best is None or cost < best.cost:
                    best = Choice(order, converted, cost, seen)
        if best is not None and k >= 2:
            break
    assert best is not None
    return Choice(best.order, best.converted, best.cost, seen)


def _orders(query: Query, kept: Sequence[Access]) -> Iterator[tuple[str, ...]]:
    """Topological orders of the graph that the accesses ``kept`` make; none if it has a cycle."""
    import networkx as nx

    variables = query.variables
    graph = nx.DiGraph()
    graph.add_nodes_from(variables)
    for access in kept:
        chain = [v for v in dict.fromkeys(level_variables(query.program, access)) if v]
        graph.add_edges_from(zip(chain, chain[1:], strict=False))
    graph.add_edges_from(_nesting(query))
    if nx.is_directed_acyclic_graph(graph):
        for order in nx.all_topological_sorts(graph):
            yield tuple(order)


def _nesting(query: Query) -> Iterator[tuple[str, str]]:
    """Pairs (outer, inner) that the expression's own nesting asks for, whatever the formats.

    A reduction runs inside those around it; one that is not the whole right side runs inside all free variables, and
    so do all with ``free_first``.  One with an ordered monoid runs over its indices in their order.
    """
    free = [v for v in query.variables if v not in query.reduced]
    for r in walk(query.value):
        if not isinstance(r, Reduce):
            continue
        if query.free_first or r is not query.value:
            yield from ((f, v) for f in free for v in r.indices)
        for inner in walk(r.body):
            if isinstance(inner, Reduce):
                yield from ((v, w) for v in r.indices for w in inner.indices)
        m = definition(r.monoid, query.program.monoids)
        if m is not None and m.ordered:
            yield from zip(r.indices, r.indices[1:], strict=False)


def extent_of(query: Query, variable: str) -> float:
    e = query.extents[variable]
    return float(max(e, 1)) if isinstance(e, int) else EXTENT


def estimate(query: Query, order: tuple[str, ...], converted: Sequence[Access]) -> float:
    """Iterations of the nest, weighted, plus conversions and workspaces."""
    program = query.program
    total, trips = 0.0, 1.0
    for access in converted:
        total += CONVERT * _entries(query, access)
    position = {v: n for n, v in enumerate(order)}
    for v in order:
        trips *= max(1.0, _count(query, query.value, v, position, converted))
        total += trips
    last = order[-1] if order else ""
    for n in walk(query.value):
        if isinstance(n, Access) and not is_sparse(program.tensor(n.tensor)) and n.indices:
            variables = level_variables(program, n)
            if last in variables[:-1]:
                total += 0.5 * trips
            elif last in variables:
                total += 0.01 * trips
    total += trips * _result_penalty(query, order)
    # Among equals keep free variables in the result's order, outermost first.
    free = [v for v in order if v not in query.reduced]
    wanted = [v for v in level_variables(program, query.target) if v in free]
    return total * (1.0 + 1e-6 * sum(a != b for a, b in zip(free, wanted, strict=False)))


def result_prefix(query: Query, order: tuple[str, ...]) -> tuple[str, ...]:
    """The outermost loops that are the result's first levels in order: they need no workspace."""
    wanted = level_variables(query.program, query.target)
    prefix: list[str] = []
    for v, w in zip(order, wanted, strict=False):
        if v != w:
            break
        prefix.append(v)
    return tuple(prefix)


def _result_penalty(query: Query, order: tuple[str, ...]) -> float:
    free = [v for v in order if v not in query.reduced]
    reduced_before = any(v in query.reduced for v in order[: order.index(free[-1])]) if free else False
    if not is_sparse(query.program.tensor(query.target.tensor)):
        return SCATTER if reduced_before and order[0] in query.reduced else 0.1 if reduced_before else 0.0
    rest = len(free) - len(result_prefix(query, order))
    if rest == 0 or (not reduced_before and tuple(free) == result_prefix(query, order)):
        return 0.0
    levels = level_variables(query.program, query.target)
    decl = query.program.tensor(query.target.tensor)
    if not reduced_before and rest == len(free) and can_scatter(decl, levels, free):
        return SCATTER
    return BITMAP if rest == 1 else LIST


def _entries(query: Query, access: Access) -> float:
    """Assumed number of stored entries."""
    t = query.program.tensor(access.tensor)
    assert t.format is not None
    n = 1.0
    for spec, d in zip(t.format.levels, t.format.order, strict=True):
        e = t.dims[d]
        extent = float(max(e, 1)) if isinstance(e, int) else EXTENT
        n *= extent if spec.type.full else 1.0 if spec.type.branchless else min(extent, FIBRE if n > 1 else extent / 2)
    return n


def _count(query: Query, e: Expr, v: str, position: dict[str, int], converted: Sequence[Access]) -> float:
    """Assumed number of coordinates of ``v`` at which ``e`` is not what it is without entries."""
    full = extent_of(query, v)
    match e:
        case Access():
            return _fibre(query, e, v, position, converted)
        case Reduce():
            tuple_state = v in e.indices and definition(e.monoid, query.program.monoids) is not None
            if tuple_state and not isinstance(query.absent(e), Literal):
                return full  # it sees every point
            return _count(query, e.body, v, position, converted)
        case Map():
            parts = [(n, a) for n, a in enumerate(e.args) if not isinstance(a, Literal)]
            counts = [_count(query, a, v, position, converted) for _, a in parts]
            absent = [(n, query.absent(a)) for n, a in parts]
            if any(isinstance(a, Literal) and ops.forced(e.op, n, a.value) is not None for n, a in absent):
                return min(counts)
            return min(full, sum(counts)) if isinstance(query.absent(e), Literal) else full
    return full


def _fibre(query: Query, a: Access, v: str, position: dict[str, int], converted: Sequence[Access]) -> float:
    full = extent_of(query, v)
    t = query.program.tensor(a.tensor)
    if not is_sparse(t):
        return full
    assert t.format is not None
    variables = level_variables(query.program, a)
    if v not in variables:
        return full
    kinds = [spec.type for spec in t.format.levels]
    if a in converted:
        variables = tuple(sorted(variables, key=lambda x: position.get(x, -1)))
    n = variables.index(v)
    level = kinds[n]
    if not isinstance(level, CanIterate) or level.full:
        return full
    if n == 0:
        return full / 2
    if level.branchless:
        return FIBRE / 4
    return min(full, FIBRE if kinds[n - 1].full else FIBRE / 2)
