"""How a statement's nest makes its result: where the folds stand, and how what they give is assembled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from sparsec.errors import UnsupportedError
from sparsec.formats.coords import Coord
from sparsec.formats.level import CanAppend, CanInsert, CanIterate, can_part
from sparsec.ir import loops, ops
from sparsec.ir.loops import (
    Accumulate,
    Assemble,
    Chunk,
    Chunks,
    Forall,
    Full,
    Span,
    WorkIndex,
    Workspace,
)
from sparsec.ir.loops_exact import repeatable
from sparsec.ir.loops_scope import Binding, step
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Expr, Extent, Index, Reduce, TensorDecl
from sparsec.ir.tensor_values import scalar
from sparsec.passes.lower.bodies import Bodies
from sparsec.passes.lower.coordinates import digit_domain, level_expr
from sparsec.passes.lower.copies import must_count, packed
from sparsec.passes.lower.cost import loose_loops, result_prefix
from sparsec.passes.lower.guarded import guarded
from sparsec.passes.lower.order import Choice
from sparsec.passes.lower.panels import Panel, find_panel, within
from sparsec.passes.lower.query import is_sparse
from sparsec.passes.lower.scatter import can_scatter
from sparsec.passes.lower.spaces import Nesting, Space, make_space

if TYPE_CHECKING:
    from sparsec.passes.lower.planning import Planner


@dataclass(frozen=True, slots=True)
class Parts:
    """``target op= fold of body by monoid``, in loops ``order`` of which ``free`` are the target's."""

    target: Access
    op: str
    body: Expr
    monoid: str | None
    order: tuple[str, ...]
    free: frozenset[str]
    summed: frozenset[str]

    def parted(self, start: int = 0) -> tuple[list[str], list[str]]:
        """The loops from ``start`` on: up to the last of the target's, and those inside it."""
        n = len(self.order)
        while n > start and self.order[n - 1] not in self.free:
            n -= 1
        return [*self.order[start:n]], [*self.order[n:]]


def make_nest(
    planner: Planner, target: Access, op: str, value: Expr, choice: Choice, extents: dict[str, Extent]
) -> loops.Stmt:
    """``target op= value`` in the loops that were chosen."""
    decl = planner.program.tensor(target.tensor)
    space = choice.space
    bodies = Bodies(planner, Nesting(choice.order, space), extents, scalar(decl.fill, decl.dtype).item())
    free = space.depends(*target.indices)
    summed: frozenset[str] = frozenset()
    body, monoid = value, None
    if isinstance(value, Reduce) and op in ("=", value.monoid) and planner.tuple_state(value) is None:
        body, monoid = value.body, value.monoid
        summed = space.loops_of(value.indices)
    order = tuple(v for v in choice.order if v in free or v in summed)
    parts = Parts(target, op, bodies.riding(body), monoid, order, free, summed)
    if is_sparse(decl):
        return _sparse(bodies, parts, decl, value, choice)
    return _dense(bodies, parts, value, choice)


# dense results


def _dense(bodies: Bodies, p: Parts, value: Expr, choice: Choice) -> loops.Stmt:
    name = p.target.tensor
    space = bodies.nesting.space
    reads = any(isinstance(n, Access) and n.tensor == name for n in walk(value))
    keeps = p.op != "=" or bool(space.lets) or reads
    method = "update" if bodies.planner.exists(name) and keeps else "insert"
    stmt = _into_dense(bodies, p)
    stmt = bodies.planner.scheduled(name, stmt, choice, partial(_why_not_parallel, space, p))
    return Assemble(name, method, bodies.nesting.placed("", stmt))


def _why_not_parallel(space: Space, p: Parts, loop: str) -> str | None:
    """The reason against a parallel ``loop`` of a nest that writes a dense result."""
    if loop not in p.free - p.summed:
        return "its iterations write to the same places, since it is summed over"
    own = Index(loop) in p.target.indices
    if not own and any(loop in c.needs for c in space.computed):
        return "what a loop over diagonals writes is apart, but not by an index that says so"
    return None if _are_apart(space, p, loop) else "its iterations may write to the same places"


def _are_apart(space: Space, p: Parts, loop: str) -> bool:
    """Whether the iterations of ``loop``, those around it fixed, write different places."""
    if not space.lets:
        return True
    bound = {v: Binding(d) for v, d in space.domains.items()}
    bound |= {c.name: Binding(c.domain, value=c.value) for c in (*space.computed, *space.lets)}
    return any(step(e, loop, bound) for e in p.target.indices)


def _into_dense(bodies: Bodies, p: Parts) -> loops.Stmt:
    if p.monoid is not None and not bodies.carries:
        planner, space = bodies.planner, bodies.nesting.space
        asked = planner.asked(p.target.tensor).panel
        panel = find_panel(planner.program, space, p.target, p.order, p.summed, p.body, p.monoid, asked)
        if panel is not None:
            return _in_panels(bodies, p, panel)
    head, tail = p.parted()
    op = p.op
    if op == "=" and p.monoid is not None and not p.summed.isdisjoint(head):
        op = p.monoid
    return bodies.foralls(head, bodies.fold_tail(p.target, op, tail, p.body, p.monoid))


def _in_panels(bodies: Bodies, p: Parts, panel: Panel) -> loops.Stmt:
    """The fold with a stretch of the target in registers."""
    assert p.monoid is not None
    planner, t, domains = bodies.planner, p.target.dtype, dict(bodies.nesting.space.domains)
    conditions, body = within(bodies.nesting.space, panel.sizes, p.body)
    *rows, last = panel.sizes
    whole = domains[last]
    chunk = planner.fresh_index(f"{last}o", bodies.extents)
    if isinstance(whole, Full):
        domains[last] = Chunk(chunk, panel.sizes[last], whole)
    work = planner.fresh_work()
    access = Access(work, tuple(Index(v) for v in panel.sizes), t)

    def over(stmt: loops.Stmt) -> loops.Stmt:
        stmt = Forall(last, domains[last], stmt, vector=panel.lanes)
        for v in reversed(rows):
            stmt = Forall(v, domains[v], stmt, unroll=True)
        return stmt

    producer = bodies.foralls(list(panel.inner), guarded(conditions, over(Accumulate(access, p.monoid, body))))
    shape = tuple(WorkIndex(v, domains[v]) for v in panel.sizes)
    init = ops.MONOIDS[p.monoid].identity(t)
    consumer = over(Accumulate(p.target, p.op, access))
    stmt: loops.Stmt = Workspace(work, t, shape, "registers", init, producer, consumer, p.monoid)  # type: ignore[arg-type]
    sizes = " x ".join(map(str, panel.sizes.values()))
    planner.notes.append(
        f"{p.target.tensor}: panels of {sizes} along {', '.join(panel.sizes)} stay in registers over "
        f"{', '.join(panel.inner)}"
    )
    if isinstance(whole, Full):
        stmt = Forall(chunk, Chunks(whole.extent, panel.sizes[last]), stmt)
    return bodies.foralls(list(panel.outer), stmt)


# sparse results

def _one_by_one(_: str) -> str:
    return "the entries of the result are made one after the other"


def _in_parts(first: str, loop: str) -> str | None:
    return None if loop == first else "only the outermost loop brings the entries of the result in parts"


def _rows_apart(first: str, loop: str) -> str | None:
    return None if loop == first else "only the rows of the result are made apart, each as a whole"


def _sparse(bodies: Bodies, p: Parts, decl: TensorDecl, value: Expr, choice: Choice) -> loops.Stmt:
    planner, space = bodies.planner, bodies.nesting.space
    if p.op != "=":
        p = replace(p, monoid=p.op)
    query = planner.query(p.target, value, bodies.extents, free_first=False)
    loose = loose_loops(query, space, p.order, ()).walked
    # Loops that run backwards bring no entries in order.
    ahead = [*takewhile(lambda v: not any(c.scan.reverse for c in bodies.carries.get(v, ())), p.order)]
    found, matched = result_prefix(query, space, ahead, loose)
    prefix = list(found)
    head, tail = p.parted()
    levels = space.level_names(planner.program, p.target)
    known = decl.role == "values"
    if not prefix and not bodies.carries and not set(head) & p.summed and can_scatter(decl, levels, head, loose):
        stmt = bodies.foralls(head, bodies.fold_tail(p.target, "=", tail, p.body, p.monoid))
        if known:
            planner.notes.append(f"{decl.name}: filled, each entry where its pattern has it")
            return Assemble(decl.name, "fill", planner.scheduled(decl.name, stmt, choice, _one_by_one))
        if _may_repeat(decl, stmt):
            planner.notes.append(f"{decl.name}: assembled by scatter: the loops bring each parent's entries in order")
            assert decl.format is not None
            why_not = partial(_in_parts, head[0]) if can_part(decl.format.levels[-1].type) else _one_by_one
            return Assemble(decl.name, "scatter", planner.scheduled(decl.name, stmt, choice, why_not))
    stmt, how = _into_sparse(bodies, p, decl, prefix, matched)
    assert decl.format is not None
    rows = matched >= len(levels) - 1
    last = decl.format.levels[-1].type
    counted = rows or must_count(last) or not (last.full or isinstance(last, CanIterate))  # some cannot be appended to
    countable = counted and _countable(decl) and _may_repeat(decl, stmt)
    method = "fill" if known else "count" if countable else "append"
    if method == "append" and any(packed(s.type) for s in decl.format.levels):
        raise UnsupportedError(
            f"result '{decl.name}' in format {decl.format.label}, whose rows vary in length, cannot run yet where "
            "its entries come one after the other",
            hint="assemble it in another format",
        )
    done = "filled, its pattern being there" if known else f"assembled by {method}"
    planner.notes.append(f"{decl.name}: {done}{how}")
    why_not = partial(_rows_apart, p.order[0]) if countable and rows and len(levels) > 1 else _one_by_one
    return Assemble(decl.name, method, planner.scheduled(decl.name, stmt, choice, why_not))


def _into_sparse(bodies: Bodies, p: Parts, decl: TensorDecl, prefix: list[str], matched: int) -> tuple[loops.Stmt, str]:
    """The loops of ``prefix``, which are the result's own, around the rest: directly, or by way of a workspace."""
    planner = bodies.planner
    assert decl.format is not None
    coords = [c for c in decl.format.coords[matched:] if not c.constant]
    head, tail = p.parted(len(prefix))
    if not coords and not head:
        return bodies.foralls(prefix, bodies.fold_tail(p.target, "=", tail, p.body, p.monoid)), ""
    # The workspace has a dimension for each level that is left; the consumer's loops are those of the result alone.
    result, own = _by_itself(bodies, p.target, decl)
    space = make_space(planner.program, [result], own)
    names = [space.level_name(c, result) for c in coords]
    keys, found = ([level_expr(c, decl.dims, a.indices) for c in coords] for a in (p.target, result))
    single = found == [Index(names[0])] and bool(head)
    kind = "bitmap" if single and not _is_long(decl) else "list"
    # What folds nothing is the identity.  At computed places that may not be the fill: it is written as it is.
    folds = p.monoid is not None and not (p.op == "=" and bodies.nesting.space.lets and p.summed.isdisjoint(head))
    fold = p.monoid if p.monoid is not None and folds else "add"
    init = ops.MONOIDS[fold].identity(p.target.dtype) if folds else decl.fill
    work = planner.fresh_work()
    written, read = (Access(work, tuple(k), p.target.dtype) for k in (keys, found))
    leaf = bodies.fold_tail(written, fold if folds else "=", tail, p.body, p.monoid)
    producer = bodies.nesting.placed("", bodies.foralls(head, leaf))
    consumer = Nesting((*prefix, *names), space).foralls(names, Accumulate(result, "=", read))
    shape = tuple(WorkIndex(v, _level_domain(c, decl)) for v, c in zip(names, coords, strict=True))
    stmt: loops.Stmt = Workspace(work, p.target.dtype, shape, kind, init, producer, consumer, fold)  # type: ignore[arg-type]
    return bodies.foralls(prefix, stmt), f", through a {kind} workspace over {', '.join(names)}"


def _by_itself(bodies: Bodies, target: Access, decl: TensorDecl) -> tuple[Access, dict[str, Extent]]:
    """The target by index variables alone, with their extents: places get names that no nest around it computes."""
    lets = {c.name for c in bodies.nesting.space.lets}
    names = [e.name for e in target.indices if isinstance(e, Index)]
    own = [bodies.planner.fresh_index(f"{v}o", bodies.extents) if v in lets else v for v in names]
    return replace(target, indices=tuple(map(Index, own))), dict(zip(own, decl.dims, strict=True))


def _countable(decl: TensorDecl) -> bool:
    """Full levels above one appendable last level: rows that can be counted, or filled, each alone."""
    assert decl.format is not None
    kinds = [s.type for s in decl.format.levels]
    return (
        (len(kinds) > 1 or isinstance(kinds[-1], CanInsert) or must_count(kinds[-1]))
        and all(k.full for k in kinds[:-1])
        and isinstance(kinds[-1], CanAppend)
        and not kinds[-1].full
        and not kinds[-1].branchless
        and not kinds[-1].append_only
    )


def _may_repeat(decl: TensorDecl, stmt: loops.Stmt) -> bool:
    """Whether ``stmt`` may run twice, to count and to fill, or need not."""
    assert decl.format is not None
    last = decl.format.levels[-1].type
    return repeatable(stmt) or (isinstance(last, CanAppend) and not last.needs_counts)


def _is_long(decl: TensorDecl) -> bool:
    """Whether the last level of a result has 64-bit coordinates: a workspace with a place for each may not fit."""
    assert decl.format is not None
    crd = decl.format.levels[-1].type.arrays().get("crd")
    return crd is not None and crd.bits == 64


def _level_domain(coord: Coord, decl: TensorDecl) -> loops.Domain:
    """What the coordinate of a level runs over."""
    parts = tuple(digit_domain(d, decl.dims[d.dim]) for _, d in coord.terms)
    return parts[0] if len(parts) == 1 else Span(parts)


__all__ = ["make_nest"]
