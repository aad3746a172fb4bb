"""``top``: the selection is a mask of its own, made before the statement that asks for it.

``S[i, j] = W[i, j] where top[j: 2](abs(W[i, j]))`` is planned as ``S[i, j] = W[i, j] where top1[i, j]``, after::

    assemble top1 by count {
      forall i in m parallel {
        workspace w1[j in n]: f64 list keep 2 init 0.0
        produce { forall j in n { w1[j] = abs(W[i, j]) } }
        consume { forall j in n { top1[i, j] = stored(w1[j]) } }
      }
    }

The mask holds k entries a fibre, whatever the format of the keys, so what reads it costs no more; each key is computed
once, so that no rounding can make two computations of it differ; and a mask may stand wherever a condition may.  In
groups (``top[j/4: 2]``) the list stands inside a loop over chunks.  Groups along several dimensions bring their entries
in no order, and go through a workspace.

Where the statement writes the very keys, ``S[i, j] = W[i, j] where top[j: 2](W[i, j])``, no mask is made: the list has
the result's values, a row at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.formats.named import dense, from_levels
from sparsec.ir import loops
from sparsec.ir.dtypes import BOOL
from sparsec.ir.loops import Accumulate, Assemble, Chunk, Chunks, Forall, Full, WorkIndex, Workspace
from sparsec.ir.loops_bounded import ROOM, can_bound
from sparsec.ir.loops_exact import repeatable
from sparsec.ir.rewrite import map_children, replaced, walk
from sparsec.ir.tensor import Access, Assign, Expr, Extent, Index, Literal, Reduce, Scan, Stored, Top
from sparsec.ir.variables import free_indices, is_plain
from sparsec.passes.lower.bodies import Bodies
from sparsec.passes.lower.copies import widest
from sparsec.passes.lower.guards import conjuncts, guard, split
from sparsec.passes.lower.locals import local_over
from sparsec.passes.lower.order import choose_order
from sparsec.passes.lower.scans import split_scan
from sparsec.passes.lower.simplify import absent_value
from sparsec.passes.lower.spaces import Nesting

if TYPE_CHECKING:
    from sparsec.passes.lower.planning import Planner


def plan_selections(planner: Planner, s: Assign) -> tuple[list[loops.Stmt], Assign]:
    """The nests of the masks for every ``top`` in a statement, and the statement that reads them."""
    nests: list[loops.Stmt] = []
    extents = {i.name: i.extent for i in s.indices}
    known: dict[Top, Expr] = {}

    def run(e: Expr) -> Expr:
        new = map_children(e, run)
        if not isinstance(new, Top):
            return new
        if new not in known:
            made, known[new] = _mask(planner, new, extents)
            nests.extend(made)
        return known[new]

    return nests, replace(s, value=run(s.value))


def plan_selected(planner: Planner, s: Assign) -> list[loops.Stmt] | None:
    """The nests of a statement that writes the keys of its ``top`` and nothing else; None for any other."""
    found = split(s.value)
    target = planner.program.tensor(s.target.tensor)
    if found is None or not isinstance(found.condition, Top) or s.op != "=" or planner.exists(target.name):
        return None
    top, fmt = found.condition, target.format
    plain = all(is_plain(a) for a in (s.target, *(n for n in walk(found.value) if isinstance(n, Access))))
    if found.value != top.key or top.key.dtype != s.target.dtype or fmt is None or not can_bound(fmt) or not plain:
        return None
    if len(top.groups) > 1 or top.groups[0][1] is not None or not 0 < top.k <= ROOM or not _are_entries(planner, top):
        return None
    extents = {i.name: i.extent for i in s.indices}
    saved, notes, works = planner.program, [*planner.notes], {*planner.works}
    nests, top, bodies = _keys(planner, top, extents)
    last = top.groups[0][0]
    order = bodies.nesting.order
    fibre = [v for v in order if v in free_indices(top) and v != last]
    if [Index(v) for v in (*fibre, last)] != [s.target.indices[d] for d in fmt.order]:
        planner.program, planner.notes, planner.works = saved, notes, works
        return None
    body = _select(bodies, top, s.target, [last], lambda place: place)
    for n, v in enumerate(reversed(fibre), 1):
        body = Forall(v, Full(extents[v]), body, parallel=0 if n == len(fibre) else None)
    method = "fill" if target.role == "values" else "bounded"
    how = "filled" if method == "fill" else f"has room for {top.k} entries a row, and is closed up"
    planner.notes.append(f"{target.name}: the greatest keys along {last} themselves; {how}")
    planner.made.add(target.name)
    return [*nests, Assemble(target.name, method, body)]


def _are_entries(planner: Planner, top: Top) -> bool:
    """Whether the keys that a selection admits are entries of a result: none where a sparse operand has none."""
    absent = planner.fills(top.key).items()
    if top.where is None:
        return not absent
    left = (absent_value(top.where, {a: f}, planner.program.monoids) for a, f in absent)
    return all(isinstance(e, Literal) and e.value is False for e in left)


def _mask(planner: Planner, top: Top, extents: dict[str, Extent]) -> tuple[list[loops.Stmt], Expr]:
    """The nests that make the mask of a selection, and the access to it."""
    if top.k == 0:
        return [], Literal(False, BOOL, fill=True)
    groups = tuple(g for g, _ in top.groups)
    nests, top, bodies = _keys(planner, top, extents)
    order = bodies.nesting.order
    fibre = [v for v in order if v in free_indices(top) and v not in groups]
    names = [*fibre, *groups]
    kinds = (*(Dense() for _ in fibre), *(Compressed() for _ in groups))
    width = widest(planner.program)
    fmt = from_levels(None, kinds, tuple(range(len(names)))).concrete(width, width)
    mask = planner.local_over("top1", names, extents, BOOL, fmt)
    planner.notes.append(f"'{mask.tensor}' marks the {top.k} greatest keys along {', '.join(groups)} first")
    inner = [v for v in order if v in groups]
    if len(groups) > 1 and any(n for _, n in top.groups):
        body = _collected(bodies, top, mask, inner)
    else:
        body = _select(bodies, top, mask, inner, Stored)
    for v in reversed(fibre):
        body = Forall(v, Full(extents[v]), body)
    method = "append"
    if fibre and len(groups) == 1:
        assert isinstance(body, Forall)
        one = top.groups[0][1] is None and top.k <= ROOM
        method = "bounded" if one else "count" if repeatable(body) else "append"
        body = replace(body, parallel=None if method == "append" else 0)
    planner.made.add(mask.tensor)
    return [*nests, Assemble(mask.tensor, method, body)], mask


def _keys(planner: Planner, top: Top, extents: dict[str, Extent]) -> tuple[list[loops.Stmt], Top, Bodies]:
    """Get ready to compute the keys of a selection: what goes first, the selection then, and its loops.

    It is as a reduction over its groups' indices, inside the fibre's.
    """
    t = top.key.dtype
    groups = tuple(g for g, _ in top.groups)
    fibre = tuple(v for v in extents if v in free_indices(top) and v not in groups)
    key = top.key if top.where is None else guard(top.where, top.key, 0)
    stand_in, target = local_over("", fibre, extents, t, dense(len(fibre)))
    nests: list[loops.Stmt] = []
    while (scan := next((n for n in walk(key) if isinstance(n, Scan)), None)) is not None:
        first, access = split_scan(planner, "top", scan, extents)
        nests += planner.statement(first)
        top, key = replaced(top, {scan: access}), replaced(key, {scan: access})
    query = planner.query(target, Reduce("max", groups, key, t), extents, free_first=True)
    query = replace(query, program=replace(planner.program, tensors=(*planner.program.tensors, stand_in)))
    query = replace(query, whole=(*fibre, *groups))
    choice = choose_order(query)
    conversions, instead = planner.convert(query, choice)
    return nests + conversions, replaced(top, instead), Bodies(planner, Nesting(choice.order, choice.space), extents)


def _offer(bodies: Bodies, place: Access, top: Top) -> loops.Stmt:
    """Offer the key of a point to a list that keeps the greatest."""
    step = bodies.leaf(place, "=", top.key)
    return step if top.where is None else bodies.guard([*conjuncts(top.where)], step)


def _select(bodies: Bodies, top: Top, target: Access, inner: list[str], value: Callable[[Access], Expr]) -> loops.Stmt:
    """``target = value`` of the list's elements for what is selected of one fibre, one group after the other."""
    planner, extents = bodies.planner, bodies.extents
    sizes = dict(top.groups)
    chunks = {v: planner.fresh_index(f"{v}o", extents) for v, n in top.groups if n is not None}
    domains: dict[str, loops.Domain] = {
        v: Full(extents[v]) if n is None else Chunk(chunks[v], n, Full(extents[v])) for v, n in top.groups
    }
    work, t = planner.fresh_work(), top.key.dtype
    place = Access(work, tuple(Index(v) for v in domains), t)
    producer = _loops(inner, domains, _offer(bodies, place, top))
    consumer = _loops(domains, domains, Accumulate(target, "=", value(place)))
    shape = tuple(WorkIndex(v, Full(extents[v])) for v in domains)
    zero = t.np.type(0).item()
    out: loops.Stmt = Workspace(work, t, shape, "list", zero, producer, consumer, keep=top.k)
    for v, chunk in reversed(chunks.items()):
        out = Forall(chunk, Chunks(extents[v], sizes[v] or 1), out)
    return out


def _collected(bodies: Bodies, top: Top, mask: Access, inner: list[str]) -> loops.Stmt:
    """What is selected in blocks, by way of a list that brings it in order."""
    planner, extents = bodies.planner, bodies.extents
    work = planner.fresh_work()
    domains = {v: Full(extents[v]) for v, _ in top.groups}
    place = Access(work, tuple(Index(v) for v in domains), BOOL)
    producer = _select(bodies, top, place, inner, Stored)
    consumer = _loops(domains, domains, Accumulate(mask, "=", place))
    shape = tuple(WorkIndex(v, d) for v, d in domains.items())
    return Workspace(work, BOOL, shape, "list", False, producer, consumer, "or")


def _loops(names: Iterable[str], domains: Mapping[str, loops.Domain], body: loops.Stmt) -> loops.Stmt:
    for v in reversed([*names]):
        body = Forall(v, domains[v], body)
    return body


__all__ = ["plan_selections"]
