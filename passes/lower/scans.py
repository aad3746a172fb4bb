"""Running folds: a scan rides on the loop over its index, its value a scalar that the iterations hand on.

``y[i, j] = A[i, j] * scan[j](A[i, j])`` becomes::

    forall i in m {
      workspace w1: f64 scalar init 0.0
      produce { forall j in n ordered { { w1[] add= A[i, j]  y[i, j] = mul(A[i, j], w1[]) } } }
      consume { }
    }

so it costs a step where the nest has one, and none where the statement does nothing: here only the entries of ``A``
are visited.  An exclusive scan is read before it is updated.  A loop can carry a scan whose body uses nothing that is
bound inside of it; where two scans ask for opposite orders (a sum over all points above and left is one inside the
other) one of them is computed first, into a dense local.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sparsec.formats.named import dense
from sparsec.ir import loops
from sparsec.ir.loops import Forall, Sequence, Workspace
from sparsec.ir.monoids import definition
from sparsec.ir.rewrite import map_children, walk
from sparsec.ir.tensor import Access, Assign, Expr, Extent, Index, IndexDecl, Reduce, Scan
from sparsec.ir.variables import free_indices
from sparsec.passes.lower.order import has_order
from sparsec.passes.lower.query import Query

if TYPE_CHECKING:
    from sparsec.passes.lower.planning import Planner


@dataclass(frozen=True, slots=True)
class Carry:
    """A scan whose value at each step of the loop over its index is the scalar ``work``, which begins as ``start``.

    ``monoid`` is the scan's under the name that loop nests know.
    """

    work: Access
    scan: Scan
    monoid: str
    start: object


def carry(value: Expr, make: Callable[[Scan], Carry]) -> tuple[Expr, dict[str, tuple[Carry, ...]]]:
    """``value`` with a scalar for each scan, and the scans by their index, inner ones first."""
    found: dict[Scan, Carry] = {}

    def run(e: Expr) -> Expr:
        new = map_children(e, run)
        if not isinstance(new, Scan):
            return new
        if new not in found:
            found[new] = make(new)
        return found[new].work

    value = run(value)
    out: dict[str, tuple[Carry, ...]] = {}
    for c in found.values():
        out[c.scan.index] = (*out.get(c.scan.index, ()), c)
    return value, out


def carrying(
    carries: tuple[Carry, ...], domain: loops.Domain, body: loops.Stmt, update: Callable[[Carry], loops.Stmt]
) -> loops.Stmt:
    """The loop over the carries' common index around ``body``, which reads them."""
    steps = [body]
    for c in reversed(carries):
        # Outer scans first: what an inner one is read by now stands in ``steps``.
        steps = [*steps, update(c)] if c.scan.exclusive else [update(c), *steps]
    first = carries[0].scan
    out: loops.Stmt = Forall(first.index, domain, Sequence(tuple(steps)), ordered=True, reverse=first.reverse)
    for c in carries:
        out = Workspace(c.work.tensor, c.work.dtype, (), "scalar", c.start, out, Sequence(()), c.monoid)  # type: ignore[arg-type]
    return out


def cannot_ride(query: Query) -> Scan | None:
    """A scan that the nest of the whole expression cannot carry; None if it carries them all."""
    scans = [n for n in walk(query.value) if isinstance(n, Scan)]
    directions: dict[str, bool] = {}
    for n in walk(query.value):  # a fold in the order of its indices goes forwards
        m = definition(n.monoid, query.program.monoids) if isinstance(n, Reduce) else None
        if m is not None and m.ordered:
            directions |= dict.fromkeys(n.indices, False)
    for n in scans:
        if directions.setdefault(n.index, n.reverse) != n.reverse:
            return n
    if not scans or has_order(query):
        return None
    # Inner scans are taken first: the one that is left is what the loops can still carry.
    for n in reversed(scans):
        if has_order(replace(query, value=without(query.value, n))):
            return n
    return scans[-1]


def without(value: Expr, scan: Scan) -> Expr:
    """``value`` reading what stands for ``scan`` once it was computed: something at the same index variables."""
    names = sorted(free_indices(scan))
    stand_in = Access("", tuple(Index(v) for v in names), scan.dtype)

    def run(e: Expr) -> Expr:
        return stand_in if e == scan else map_children(e, run)

    return run(value)


def split_scan(planner: Planner, reader: str, scan: Scan, extents: dict[str, Extent]) -> tuple[Assign, Access]:
    """The statement that computes ``scan`` into a dense local, and the access that stands for it."""
    used = free_indices(scan)
    names = [v for v in extents if v in used]
    access = planner.local_over("t", names, extents, scan.dtype, dense(len(names)))
    planner.notes.append(f"{reader}: a scan over {scan.index} goes first, into the dense '{access.tensor}'")
    return Assign(access, "=", scan, tuple(IndexDecl(v, e) for v, e in extents.items())), access


__all__ = ["Carry", "cannot_ride", "carry", "carrying", "split_scan"]
