"""The estimate that ranks loop orders.

It counts iterations with assumed statistics (``FIBRE`` entries beneath a parent, ``EXTENT`` coordinates where a
dimension is unknown), which is enough to tell Gustavson's product of sparse matrices from one by inner products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.formats.format import Format
from sparsec.formats.level import CanIterate, CanLocate, CanWindow, Level, takes_any_order
from sparsec.ir.loops import Chunk, Chunks, Domain, Full
from sparsec.ir.monoids import definition
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Expr, Extent, Index, Literal, Map, Reduce, Stored, TensorDecl
from sparsec.ir.tensor_values import same_value
from sparsec.passes.lower.coordinates import digit_domain
from sparsec.passes.lower.panels import Panel, find_panel, runs_along
from sparsec.passes.lower.query import Query, apart, is_sparse
from sparsec.passes.lower.scatter import can_scatter
from sparsec.passes.lower.simplify import absent_value
from sparsec.passes.lower.spaces import Space

EXTENT = 10_000.0
FIBRE = 16.0
CONVERT = 30.0
"""Cost of converting one entry, in iterations."""
COPY = 2.0
"""Cost of copying one element of a dense tensor."""
USES = 16.0
"""Uses of an element that are counted on."""
AGAIN = 0.25
"""Cost of adding to a place of the result instead of a register."""
LIST = 20.0
BITMAP = 3.0
SCATTER = 1.5
REGISTER = 32
"""Bytes that one operation on vectors takes, also where the registers are twice as wide."""
STEP = 0.25
"""Cost of an operation on a vector whose operands are in registers, or of its load."""
GATHER = 2.0
"""Cost of putting one element into a vector, in loads."""
HORIZONTAL = 3.0
"""Cost of adding up the lanes of a vector."""
SHORT = 32
"""Steps of a loop that may be unrolled."""
APART = 8.0
"""Iterations of the outermost loop that are enough for all threads."""
ORDER = 0.01
"""What a loop that stands where the result's order has another adds to the cost, a part of it."""
SCAN = 64.0
"""Cost of looking for a coordinate where nothing but looking at all of them helps: rows may be long."""


def level_kinds(fmt: Format) -> tuple[Level, ...]:
    """The level types of a copy of a tensor that stores one whole dimension after the other."""
    kinds = tuple(spec.type for spec in fmt.levels)
    if fmt.is_plain:
        return kinds
    # Dense rows of more than a vector: a dense copy of that would store what the tensor does not.
    outer = () if fmt.ndim == 1 else (Dense(),)
    return (*outer, *(Compressed() for _ in fmt.dims[len(outer) :]))


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
    dense = [t for a in converted if not is_sparse(t := program.tensor(a.tensor))]
    for access in converted:
        t = program.tensor(access.tensor)
        total += CONVERT * assumed_entries(t) if is_sparse(t) else 0.0
    position = {v: n for n, v in enumerate(order)}
    loose = loose_loops(query, space, order, converted)
    panel = panel_of(query, space, order, converted)
    for v in order:
        if panel is not None and v in panel.sizes:
            continue  # its steps are operations of one step
        if panel is not None and v == panel.inner[0]:
            trips *= _panels(space, panel)
            total += trips * _vectors(query, panel)  # stored once each
        count = size_of(space.domains[v])
        if v not in loose.everywhere:
            count = _count(query, space, query.value, v, position, converted)
        trips *= max(1.0, count)
        inner = _in_vectors(query, space, v, count, converted) if v == order[-1] else _overhead(space.domains[v])
        total += trips * (inner + SCAN * loose.scans.count(v))
    if panel is None:
        total += trips * _scattered(query, space, order, converted)
        total += trips * _result_penalty(query, space, order, loose.walked)
    else:
        total += trips * _panel_step(query, space, panel, converted)
    known = all(isinstance(query.extents[v], int) for v in query.variables)
    points = trips * (1.0 if panel is None else prod(panel.sizes.values()))
    total += sum(copy_cost(t, 0.0 if query.sparse or known else points) for t in dense)
    total *= 1.05 if space.strips else 1.0  # strips are for what gains by them
    summed = space.loops_of(query.reduced)
    free = [v for v in order if v not in summed]
    if free and order[0] == free[0] and not is_sparse(program.tensor(query.target.tensor)):
        total *= APART / min(APART, size_of(space.domains[free[0]]))
    # Among equals keep free variables in the result's order, outermost first: it is that of most operands, too.
    wanted = [v for v in space.level_names(program, query.target) if v in free]
    return total * (1.0 + ORDER * sum(a != b for a, b in zip(free, wanted, strict=False)))


def copy_cost(t: TensorDecl, points: float) -> float:
    """Cost of a copy of a dense tensor in another order, for a nest of dense operands with so many points.

    How often these use an element is a matter of an extent that may be unknown, and 1: few uses must pay for the copy.
    Along a sparse operand it is a matter of how many entries that has in a row, as everything here.
    """
    return COPY * max(assumed_entries(t), points / USES)


def _scattered(query: Query, space: Space, order: Sequence[str], converted: Sequence[Access]) -> float:
    """What a step costs more where neighbours along the innermost loop lie apart."""
    last, cost = order[-1] if order else "", 0.0
    for n in (*walk(query.value), query.target):
        if not isinstance(n, Access) or not n.indices or n in converted:
            continue
        variables, t = space.level_names(query.program, n), query.program.tensor(n.tensor)
        if last in variables[:-1] and _has_places(t, variables.index(last) + 1):
            cost += 0.5
        elif last in variables and not is_sparse(t):
            cost += 0.01
    return cost


def _overhead(domain: Domain) -> float:
    """Cost of a step of a loop besides what it does: short ones of a constant length are unrolled."""
    match domain:
        case Chunk(_, size) | Full(int(size)) if size <= SHORT:
            return 0.25
    return 1.0


def _in_vectors(query: Query, space: Space, v: str, count: float, converted: Sequence[Access]) -> float:
    """Cost of a step of the innermost loop, which may run in vectors: along the result, or for one sum."""
    summed = query.fold is not None and v in space.loops_of(query.fold.indices)
    body = query.value if query.fold is None else query.fold.body
    if not (summed or v == query.last) or count < size_of(space.domains[v]):
        return 1.0
    reads = [n for n in walk(body) if isinstance(n, Access)]
    if any(_strided(query, a, v, converted) for a in reads):
        return 1.0
    if not runs_along(query.program, space, body, query.target.dtype, [v]):
        return 1.0
    vectors = ceil(count / max(1, REGISTER // query.target.dtype.nbytes))
    return min(1.0, (vectors + (HORIZONTAL if summed else 0.0)) / max(1.0, count))


def _strided(query: Query, a: Access, v: str, converted: Sequence[Access]) -> bool:
    """Whether a vector along ``v`` is put together of what lies apart; copies are made along the innermost loop."""
    return a not in converted and apart(query.program, a, v)


def panel_of(query: Query, space: Space, order: Sequence[str], converted: Sequence[Access]) -> Panel | None:
    """The panel of a nest in this order."""
    fold = query.fold
    if fold is None or is_sparse(query.program.tensor(query.target.tensor)):
        return None
    summed, free = space.loops_of(fold.indices), space.depends(*query.target.indices)
    own = [v for v in order if v in summed or v in free]
    panel = find_panel(query.program, space, query.target, own, summed, fold.body, fold.monoid, query.panel)
    # Along what a copy stores it has entries.
    sparse = [a for a in converted if is_sparse(query.program.tensor(a.tensor))]
    copied = panel is not None and any(space.depends(*a.indices) & panel.sizes.keys() for a in sparse)
    return None if copied else panel


def _panels(space: Space, panel: Panel) -> float:
    """About how many panels stand side by side."""
    *_, last = panel.sizes
    domain = space.domains[last]
    return max(1.0, size_of(domain) / panel.sizes[last]) if isinstance(domain, Full) else 1.0


def _vectors(query: Query, panel: Panel) -> float:
    """Operations on vectors that a panel takes."""
    *_, width = panel.sizes.values()
    return prod(panel.sizes.values()) / min(width, max(1, REGISTER // query.target.dtype.nbytes))


def _panel_step(query: Query, space: Space, panel: Panel, converted: Sequence[Access]) -> float:
    """Cost of one step of the sums around a panel: what it computes, and loads, once for all rows or columns."""
    assert query.fold is not None
    *_, last = panel.sizes
    vectors, loads = _vectors(query, panel), 0.0
    for a in {n for n in walk(query.fold.body) if isinstance(n, Access)}:
        used = [v for v in panel.sizes if v in space.depends(*a.indices)]
        each = 1.0
        if last in used:
            each = GATHER if _strided(query, a, last, converted) else vectors / prod(panel.sizes.values())
        loads += prod(panel.sizes[v] for v in used) * each
    return STEP * (max(vectors, loads) + 0.1 * (vectors + loads))


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
        return SCATTER if reduced_before and order[0] in summed else AGAIN if reduced_before else 0.0
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
    level = kinds[n]
    if a in converted and not t.format.is_plain and not level.full:
        return max(1.0, min(full, assumed_entries(t) / prod(size_of_extent(query.extents[u]) for u in variables[:n])))
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


__all__ = [
    "assumed_entries", "copy_cost", "estimate", "level_kinds", "loose_loops", "panel_of", "result_prefix",
    "size_of_extent", "window_trips",
]  # fmt: skip
