"""What stands inside the loops of a nest: folds into scalars, guards, the scans that loops carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from sparsec.ir import loops, ops
from sparsec.ir.loops import Accumulate, Full, Guard, Workspace
from sparsec.ir.rewrite import replaced, walk
from sparsec.ir.tensor import Access, Expr, Extent, Index, Map, Reduce, Scan
from sparsec.ir.tensor_values import same_value
from sparsec.passes.lower.coordinates import combine, extent_expr
from sparsec.passes.lower.guards import Split, conjuncts, strip
from sparsec.passes.lower.scans import Carry, carry, carrying
from sparsec.passes.lower.spaces import Nesting

if TYPE_CHECKING:
    from sparsec.passes.lower.planning import Planner


@dataclass(slots=True)
class Bodies:
    """Makes the statements inside one nest of loops."""

    planner: Planner
    nesting: Nesting
    extents: dict[str, Extent]  # of the index variables
    fill: object = None  # of the target, if it begins as that
    carries: dict[str, tuple[Carry, ...]] = field(default_factory=dict)  # the scans that the loops carry

    def riding(self, value: Expr) -> Expr:
        """``value`` reading scalars for its scans, which the loops carry from here on."""
        value, self.carries = carry(value, self.carry)
        return value

    def fold_tail(self, target: Access, op: str, tail: list[str], body: Expr, monoid: str | None) -> loops.Stmt:
        """``target op= fold of body over tail``, through a scalar if there is anything to fold."""
        if not tail:
            return self.leaf(target, op, body)
        assert monoid is not None
        conditions, body = strip(body, lambda g: self.needs(g).isdisjoint(tail) and self.is_nothing(g, op))
        if conditions:
            return self.guard(conditions, self.fold_tail(target, op, tail, body, monoid))
        work = self.planner.fresh_work()
        access = Access(work, (), body.dtype)
        producer = self.foralls(tail, self.leaf(access, monoid, body))
        init = ops.MONOIDS[monoid].identity(body.dtype)
        return Workspace(work, body.dtype, (), "scalar", init, producer, Accumulate(target, op, access), monoid)  # type: ignore[arg-type]

    def leaf(self, target: Access, op: str, body: Expr, place: Expr | None = None) -> loops.Stmt:
        """``target op= body``, each reduction inside it folded into a scalar first, where its guards hold."""
        conditions, body = strip(body, lambda g: self.is_nothing(g, op))
        match body:
            case Map("select", (condition, value, otherwise)) if op == "=" and otherwise == target:
                return self.guard([*conditions, condition], self.leaf(target, op, value))
        return self.guard(conditions, self.folded(body, partial(_accumulate, target, op, place)))

    def guard(self, conditions: list[Expr], body: loops.Stmt) -> loops.Stmt:
        """``body`` where all of ``conditions`` hold."""
        for c in reversed(conditions):
            body = self.folded(c, partial(_guard, body))
        return body

    def folded(self, e: Expr, use: Callable[[Expr], loops.Stmt]) -> loops.Stmt:
        """``use`` of ``e`` with its reductions in scalars, which are folded first."""
        inner = outermost_reductions(e)
        if not inner:
            return use(e)
        r = inner[0]
        work = self.planner.fresh_work()
        access = Access(work, (), r.dtype)
        inside = sorted(self.nesting.space.loops_of(r.indices), key=self.nesting.order.index)
        m = self.planner.tuple_state(r)
        monoid = r.monoid if m is None else m.name
        at = None if m is None or m.place is None else _place(r.indices, self.extents)
        step = self.leaf(access, monoid, r.body, at)
        if r.where is not None:
            step = self.guard([*conjuncts(r.where)], step)
        producer = self.foralls(inside, step)
        consumer = self.folded(replaced(e, {r: access}), use)
        return Workspace(work, r.dtype, (), "scalar", self.planner.nothing(r), producer, consumer, monoid)  # type: ignore[arg-type]

    def foralls(self, names: list[str], body: loops.Stmt) -> loops.Stmt:
        """Loops over ``names`` around what computes the result; they carry the scans over them."""
        for v in reversed(names):
            if v in self.carries:
                body = self.nesting.placed(v, body)
                body = carrying(self.carries[v], Full(self.extents[v]), body, self.update)
            else:
                body = self.nesting.foralls([v], body)
        return body

    def update(self, c: Carry) -> loops.Stmt:
        """One step of a scan."""
        step = self.leaf(c.work, c.monoid, c.scan.body)
        return step if c.scan.where is None else self.guard([*conjuncts(c.scan.where)], step)

    def carry(self, scan: Scan) -> Carry:
        """The scalar that stands for a scan."""
        m = self.planner.tuple_state(scan)
        work = Access(self.planner.fresh_work(), (), scan.dtype)
        return Carry(work, scan, scan.monoid if m is None else m.name, self.planner.nothing(scan))

    def needs(self, found: Split) -> frozenset[str]:
        """The loops on which the condition of a guard depends."""
        works = {n.tensor for n in walk(found.condition) if isinstance(n, Access)}
        carried = {v for v, cs in self.carries.items() if any(c.work.tensor in works for c in cs)}
        return self.nesting.space.depends(found.condition) | carried

    def is_nothing(self, found: Split, op: str) -> bool:
        """Whether an update ``op=`` with what a guard leaves does nothing: targets begin as their fill."""
        if op != "=" and op not in ops.MONOIDS:
            return False
        begin = self.fill if op == "=" else ops.MONOIDS[op].identity(found.value.dtype)
        return same_value(begin, found.otherwise.value)


def outermost_reductions(e: Expr) -> list[Reduce]:
    """The reductions in an expression that stand in no other."""
    if isinstance(e, Reduce):
        return [e]
    out: list[Reduce] = []
    for a in e.args if isinstance(e, Map) else (e.body,) if isinstance(e, Scan) else ():
        out += [r for r in outermost_reductions(a) if r not in out]
    return out


def _place(indices: tuple[str, ...], extents: dict[str, Extent]) -> Expr:
    """The number of a point among those of ``indices``, row-major."""
    place: Expr = Index(indices[0])
    for v in indices[1:]:
        place = combine("add", combine("mul", place, extent_expr(extents[v])), Index(v))
    return place


def _accumulate(target: Access, op: str, place: Expr | None, value: Expr) -> loops.Stmt:
    return Accumulate(target, op, value, place)


def _guard(body: loops.Stmt, condition: Expr) -> loops.Stmt:
    return Guard(condition, body)


__all__ = ["Bodies", "outermost_reductions"]
