"""Results whose entries arrive sorted by their last level: counted by their parents, then scattered.

A transposition reads rows in order, so the entries of every column arrive in order of rows: a histogram of the columns
says where each begins, and the second run puts every entry at its place; nothing is sorted.  (Gustavson, Two fast
algorithms for sparse matrices: multiplication and permuted transposition, ACM TOMS 1978.)

Where the outermost loop runs in parallel its iterations are dealt out in few parts, each with a histogram of its own:
the parts lie one behind the other in every parent, and so the entries come in the same order as from one thread.
"""

from __future__ import annotations

from collections.abc import Callable

from sparsec.formats.level import CanAppend, takes_any_order
from sparsec.ir.buffer import Alloc, Buffer, Const, Expr, Origin, i64
from sparsec.ir.build import add, cast, load, lt, mul, op, sub
from sparsec.ir.dtypes import I32, I64
from sparsec.ir.loops import Forall
from sparsec.ir.tensor import Access, TensorDecl
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.context import Context, Env
from sparsec.passes.lower.parallel import LEAST, equal_grain, in_chunks
from sparsec.passes.lower.writers import CountWriter

PARTS = 8
"""Parts of a parallel scatter, at most: each has a counter for every parent."""


def can_scatter(decl: TensorDecl, levels: tuple[str, ...], loops: list[str], loose: frozenset[str]) -> bool:
    """Whether loops over ``loops``, each point of them once, bring the entries of every parent as its level takes them.

    ``levels`` are the variables of the result's levels: full ones above one that appends, whose loop is outermost
    unless it takes them in any order; ``loose`` loops bring coordinates in no order.
    """
    assert decl.format is not None
    kinds = [spec.type for spec in decl.format.levels]
    return (
        len(kinds) > 1
        and all(k.full for k in kinds[:-1])
        and isinstance(kinds[-1], CanAppend)
        and not kinds[-1].branchless
        and not kinds[-1].append_only
        and sorted(levels) == sorted(loops)
        and (takes_any_order(kinds[-1]) or (loops[0] == levels[-1] and loops[0] not in loose))
    )


class ScatterWriter(CountWriter):
    """Counts the entries of every parent, then keeps for each the position of its next entry.

    Where the level says where a coordinate goes, it is asked instead.  ``outermost`` is the loop around all others,
    ``work`` about how many entries it brings: what decides in how many parts it pays to bring them.
    """

    def __init__(self, ctx: Context, decl: TensorDecl, outermost: Forall | None, work: Expr) -> None:
        super().__init__(ctx, decl)
        # No parent has more entries than the last level has coordinates, nor any a place beyond the last position.
        widths = self.levels[self.last].arrays()
        narrow = self.needs_counts and {"crd", "pos"} <= {*widths} and all(t.bits <= 32 for t in widths.values())
        kind = I32 if narrow and widths["pos"] is I32 else I64
        self.next = Buffer(self.b.fresh(f"{decl.name}_next"), kind, Origin(decl.name, self.last, "next"))
        if kind is I32:
            self.b.abort_if(lt(i64(2**31 - 1), self.views[self.last].extent), "width")
        self.parallel = outermost is not None and outermost.parallel is not None
        self.grain: Expr | None = None
        self.parts: Expr = i64(1)
        self.part: Expr = i64(0)
        if self.parallel:
            assert outermost is not None
            if outermost.parallel:
                self.grain = i64(outermost.parallel)
                parts = op("floordiv", add(ctx.domain_size(outermost.domain), sub(self.grain, 1)), self.grain)
            else:
                parts = op("min", i64(PARTS), op("floordiv", work, add(mul(self.parents, 2), LEAST)))
            self.parts = self.b.let("parts", op("max", i64(1), parts))
        if self.needs_counts or self.inserts is None:
            self.b.emit(Alloc(self.next, self.b.product("counters", self.parts, self.parents), Const(0, kind)))

    def share(self, work: Expr) -> Expr:
        """How much of all the work is a part's."""
        if self.grain is not None:
            return self.grain
        return op("max", i64(1), op("floordiv", add(work, sub(self.parts, 1)), self.parts))

    def start_part(self, part: Expr) -> None:
        self.part = part

    def _get(self, counter: Expr) -> Expr:
        return cast(load(self.next, counter), I64)

    def _set(self, counter: Expr, value: Expr) -> None:
        self.b.store(self.next, counter, cast(value, self.next.dtype))

    def counter(self, part: Expr, parent: Expr) -> Expr:
        """Where a part counts the entries of a parent."""
        return add(mul(part, self.parents), parent)

    def follows(self, access: Access, index: str, env: Env) -> bool:
        return False

    def opens(self, access: Access, index: str, env: Env) -> bool:
        return False

    def needs_order(self, target: Access, index: str, env: Env) -> bool:
        """Only the loop that brings the entries of all parents forward."""
        forward = self.ctx.walked(target, self.last, env, index) is not None
        return forward and not takes_any_order(self.levels[self.last])

    def start_filling(self) -> None:
        if self.needs_counts:
            self._each_parent(self._total, f"histogram {self.decl.name}")
        super().start_filling()
        if self.inserts is None:
            self._each_parent(self._places, "")
        self.part = i64(0)

    def _each_parent(self, body: Callable[[Expr], None], note: str) -> None:
        if self.parallel:
            grain = equal_grain(self.ctx, self.parents, self.parts)
            in_chunks(self.ctx, "p", i64(0), self.parents, grain, body)
        else:
            with self.b.loop("p", i64(0), self.parents, note=note) as p:
                body(p)

    def _total(self, parent: Expr) -> None:
        """What all parts counted."""
        if not self.parallel:
            self._link(parent, self._get(parent))
            return
        count = self.b.var("count", i64(0))
        with self.b.loop("part", i64(0), self.parts) as part:
            self.b.set(count, add(count, self._get(self.counter(part, parent))))
        self._link(parent, count)

    def _places(self, parent: Expr) -> None:
        """Counts become the position of each part's first entry."""
        first = self.start(self.last, parent)
        if not self.parallel:
            self._set(parent, first)
            return
        at = self.b.var("at", first)
        with self.b.loop("part", i64(0), self.parts) as part:
            counter = self.b.let("counter", self.counter(part, parent))
            count = self.b.let("count", self._get(counter))
            self._set(counter, at)
            self.b.set(at, add(at, mul(count, self.levels[self.last].stride)))

    def _link(self, parent: Expr, count: Expr) -> None:
        self.appender(self.last).link(self.b, self.views[self.last], parent, count)

    def close(self) -> None:
        if not self.needs_counts and self.inserts is None:
            with self.b.loop("p", i64(0), self.parents, note=f"lengths {self.decl.name}") as p:
                self._link(p, sub(self._get(p), self.start(self.last, p)))
        super().close()

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        assert op_name == "="
        coords = [self._coordinate(access, n, env) for n in range(len(self.levels))]
        parent: Expr = i64(0)
        for n in range(self.last):
            parent = add(mul(parent, self.views[n].extent), coords[n])
        parent = self.b.let("parent", parent)
        if not self.counting and self.inserts is not None:
            self.insert(self.inserts, parent, coords, access, value, env)
            return
        counter = self.b.let("counter", self.counter(self.part, parent)) if self.parallel else parent
        at = self.b.let("at", self._get(counter))
        if not self.counting:
            if not self.needs_counts:
                self.b.abort_if(op("le", self.start(self.last, add(parent, 1)), at), "room")
            at = self.appender(self.last).seat(self.b, self.views[self.last], at, coords[-1])
            self.place(at, coords[-1], value, env)
        self._set(counter, add(at, 1 if self.counting else self.levels[self.last].stride))

    def _coordinate(self, access: Access, n: int, env: Env) -> Expr:
        coord = self.ctx.coordinate(access, n, env)
        assert coord is not None
        return coord


__all__ = ["ScatterWriter", "can_scatter"]
