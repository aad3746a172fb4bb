"""``scan i { ... }``: one ordered loop, its statements at a point of it, results read while they are written.

``scan i { x[i] = (b[i] - sum[j](L[i, j] * x[j] where j < i)) / L[i, i] }`` becomes::

    assemble x by insert {
      forall i in n ordered {
        workspace w1: f64 scalar init 0.0
        produce { forall j in n { if lt(j, i) { w1[] add= mul(L[i, j], x[j]) } } }
        consume { x[i] = div(sub(b[i], w1[]), L[i, i]) }
      }
    }

The loop over the points is outermost whatever it costs, so an operand that stores another order is converted first.  A
statement is computed where it stands, each place from a fold in a scalar: a place half written could be read.  What it
reads of a result is what earlier points (and statements) left there, the fill elsewhere; where it could read what it
writes at this very point, all of that goes into a workspace first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sparsec.errors import UnsupportedError
from sparsec.ir import loops
from sparsec.ir.loops import Accumulate, Assemble, Forall, Full, Sequence, WorkIndex, Workspace
from sparsec.ir.rewrite import children, postwalk, replaced, walk
from sparsec.ir.tensor import Access, Assign, Expr, Index, IndexDecl, Reduce, Scan, ScanLoop, Top, elsewhere, past
from sparsec.ir.tensor_values import scalar
from sparsec.ir.variables import free_indices, mentioned
from sparsec.passes.lower.bodies import Bodies
from sparsec.passes.lower.checks import Block, checks
from sparsec.passes.lower.factoring import factor
from sparsec.passes.lower.guards import write_out
from sparsec.passes.lower.order import choose_order
from sparsec.passes.lower.scans import cannot_ride, split_scan
from sparsec.passes.lower.selections import plan_selections
from sparsec.passes.lower.simplify import simplify_expr
from sparsec.passes.lower.spaces import Nesting

if TYPE_CHECKING:
    from sparsec.passes.lower.planning import Planner


def plan_recurrence(planner: Planner, s: ScanLoop, ahead: list[loops.Stmt]) -> list[loops.Stmt]:
    """The nests of a scan block: what can be computed before it, then the loop; checks of operands go ``ahead``.

    Raises ``UnsupportedError`` for a part that needs a loop of its own and reads what the block writes.
    """
    s = _with_own_name(s, {t.name for t in planner.program.tensors})
    step = s.index
    block = Block.of(s)
    nests: list[loops.Stmt] = []
    points: list[loops.Stmt] = []
    for a in s.statements:
        a = planner.renamed(write_out(planner.program, a, planner.exists(a.target.tensor)))
        for check, when in checks(planner, a, block):
            (ahead if when == "ahead" else points if when == "at" else nests).append(check)
            if when == "at" and isinstance(check, Forall):
                places = f"an index that '{a.target.tensor}' reads at is checked at each point of the block"
                planner.notes.append(f"{places}, over all of {check.index}")
        before, point = _at_point(planner, a, block)
        nests += before
        points.append(point)
    body: loops.Stmt = points[0] if len(points) == 1 else Sequence(tuple(points))
    out: loops.Stmt = Forall(step.name, Full(step.extent), body, ordered=True, reverse=s.reverse)
    for name in reversed(block.written):
        out = Assemble(name, "update" if planner.exists(name) else "insert", out)
    planner.made.update(block.written)
    order = "descending" if s.reverse else "ascending"
    planner.notes.append(f"{', '.join(block.written)}: a recurrence over {step.name}, point by point, {order}")
    return [*nests, out]


def _at_point(planner: Planner, s: Assign, block: Block) -> tuple[list[loops.Stmt], loops.Stmt]:
    """A statement of the block: what goes before the block, and the nest at one point of it."""
    own, written = block
    step = own.name
    for n in walk(s.value):
        if isinstance(n, Top) or step in elsewhere(n):
            check_independent(n, written, f"a '{type(n).__name__.lower()}'")
    nests, s = plan_selections(planner, s)
    extents = {i.name: i.extent for i in (own, *s.indices)}  # a statement need not mention it
    value = factor(simplify_expr(s.value))
    query = replace(planner.query(s.target, value, extents, free_first=True), outermost=(step,))
    while (scan := cannot_ride(query)) is not None:
        check_independent(scan, written, "a 'scan'")
        first, access = split_scan(planner, s.target.tensor, scan, extents)
        nests += planner.statement(first)
        query = replace(query, value=replaced(query.value, {scan: access}), program=planner.program)
    choice = choose_order(query)
    conversions, instead = planner.convert(query, choice)
    planner.explain_order(s, choice)
    decl = planner.program.tensor(s.target.tensor)
    fill = None if planner.exists(decl.name) else scalar(decl.fill, decl.dtype).item()
    bodies = Bodies(planner, Nesting(choice.order, choice.space), extents, fill)
    value = bodies.riding(replaced(query.value, instead))
    depends = choice.space.depends(*s.target.indices)
    free = [v for v in choice.order[1:] if v in depends]
    if not may_see_itself(s, step):
        return nests + conversions, bodies.foralls(free, bodies.leaf(s.target, s.op, value))
    work = planner.fresh_work()
    names = [v for v in mentioned(*s.target.indices) if v != step]
    access = Access(work, tuple(Index(v) for v in names), s.target.dtype)
    producer = bodies.foralls(free, bodies.leaf(access, "=", value))
    consumer: loops.Stmt = Accumulate(s.target, s.op, access)
    for v in reversed(names):
        consumer = Forall(v, Full(extents[v]), consumer)
    shape = tuple(WorkIndex(v, Full(extents[v])) for v in names)
    zero = s.target.dtype.np.type(0).item()
    return nests + conversions, Workspace(work, s.target.dtype, shape, "dense", zero, producer, consumer)


def check_independent(e: Expr, written: tuple[str, ...], what: str) -> None:
    """Raise ``UnsupportedError`` if ``e``, which must be computed before the block, reads what that writes."""
    for n in walk(e):
        if isinstance(n, Access) and n.tensor in written:
            raise UnsupportedError(
                f"{what} that reads '{n.tensor}', which the scan block writes, cannot run yet",
                span=e.span or n.span,
                hint="it can use what the block does not write",
            )


def may_see_itself(s: Assign, step: str) -> bool:
    """Whether a statement of a block over ``step`` may read places that it writes at the same point, but its own."""
    target = s.target
    if free_indices(target) <= {step}:
        return False
    steps = [d for d, e in enumerate(target.indices) if e == Index(step)]

    def sees(e: Expr, alone: bool) -> bool:
        if isinstance(e, Access) and e.tensor == target.tensor:
            own = alone and e.indices == target.indices
            another = own or any(past(e.indices[d], step) for d in steps)
            return not another or any(sees(c, False) for c in e.indices)
        alone = alone and not isinstance(e, Reduce | Scan | Top)
        return any(sees(c, alone) for c in children(e))

    return sees(s.value, True)


def _with_own_name(s: ScanLoop, tensors: set[str]) -> ScanLoop:
    """The block with an index that is called like no tensor."""
    old, declared = s.index.name, {i.name for a in s.body for i in a.indices}
    if old not in tensors:
        return s
    new = next(name for n in range(2, len(tensors | declared) + 3) if (name := f"{old}_{n}") not in tensors | declared)

    def rename(n: object) -> Index | None:
        return Index(new) if isinstance(n, Index) and n.name == old else None

    return replace(postwalk(s, rename), index=IndexDecl(new, s.index.extent))


__all__ = ["check_independent", "plan_recurrence"]
