"""Results whose entries arrive sorted by their last level: counted by their parents, then scattered.

A transposition reads rows in order, so the entries of every column arrive in order of rows: a histogram of the columns
says where each begins, and the second run puts every entry at its place; nothing is sorted.  (Gustavson, Two fast
algorithms for sparse matrices: multiplication and permuted transposition, ACM TOMS 1978.)
"""

from __future__ import annotations

from sparsec.formats.level import CanAppend, CanInsert, Level
from sparsec.ir.buffer import Alloc, Buffer, Const, Expr, Origin, i64
from sparsec.ir.build import add, load, mul, op, sub
from sparsec.ir.dtypes import I64
from sparsec.ir.tensor import Access, TensorDecl
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.context import Context, Env
from sparsec.passes.lower.writers import CountWriter


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


def takes_any_order(level: Level) -> bool:
    """Whether the coordinates beneath a parent of a result's level may come in any order."""
    return isinstance(level, CanInsert) or not level.ordered


class ScatterWriter(CountWriter):
    """Counts the entries of every parent, then keeps for each the position of its next entry; one thread.

    Where the level says where a coordinate goes, it is asked instead.
    """

    parallel = False

    def __init__(self, ctx: Context, decl: TensorDecl) -> None:
        super().__init__(ctx, decl)
        self.next = Buffer(self.b.fresh(f"{decl.name}_next"), I64, Origin(decl.name, self.last, "next"))
        if self.needs_counts or self.inserts is None:
            self.b.emit(Alloc(self.next, self.parents, Const(0, I64)))

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
            with self.b.loop("p", i64(0), self.parents, note=f"histogram {self.decl.name}") as p:
                self._link(p, load(self.next, p))
        super().start_filling()
        if self.inserts is not None:
            return
        with self.b.loop("p", i64(0), self.parents) as p:
            self.b.store(self.next, p, self.start(self.last, p))

    def _link(self, parent: Expr, count: Expr) -> None:
        self.appender(self.last).link(self.b, self.views[self.last], parent, count)

    def close(self) -> None:
        if not self.needs_counts and self.inserts is None:
            with self.b.loop("p", i64(0), self.parents, note=f"lengths {self.decl.name}") as p:
                self._link(p, sub(load(self.next, p), self.start(self.last, p)))
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
        at = self.b.let("at", load(self.next, parent))
        if not self.counting:
            if not self.needs_counts:
                self.b.abort_if(op("le", self.start(self.last, add(parent, 1)), at), "room")
            at = self.appender(self.last).seat(self.b, self.views[self.last], at, coords[-1])
            self.place(at, coords[-1], value, env)
        self.b.store(self.next, parent, add(at, 1 if self.counting else self.levels[self.last].stride))

    def _coordinate(self, access: Access, n: int, env: Env) -> Expr:
        coord = self.ctx.coordinate(access, n, env)
        assert coord is not None
        return coord


__all__ = ["ScatterWriter", "can_scatter", "takes_any_order"]
