"""Results whose entries arrive sorted by their last level: counted by their parents, then scattered.

A transposition reads rows in order, so the entries of every column arrive in order of rows: a histogram of the columns
says where each begins, and the second run puts every entry at its place; nothing is sorted.  (Gustavson, Two fast
algorithms for sparse matrices: multiplication and permuted transposition, ACM TOMS 1978.)
"""

from __future__ import annotations

from sparsec.formats.level import CanAppend
from sparsec.ir.buffer import Alloc, Buffer, Const, Expr, Origin, i64
from sparsec.ir.build import add, load, mul, op, sub
from sparsec.ir.dtypes import I64
from sparsec.ir.tensor import Access, TensorDecl
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.context import Context, Env
from sparsec.passes.lower.writers import CountWriter


def can_scatter(decl: TensorDecl, levels: tuple[str, ...], loops: list[str]) -> bool:
    """Whether loops over ``loops``, each point of them once, bring the entries of every parent as its level takes them.

    ``levels`` are the variables of the result's levels: full ones above one that appends, whose loop is outermost
    unless it takes them in any order.
    """
    assert decl.format is not None
    kinds = [spec.type for spec in decl.format.levels]
    return (
        len(kinds) > 1
        and all(k.full for k in kinds[:-1])
        and isinstance(kinds[-1], CanAppend)
        and not kinds[-1].branchless
        and sorted(levels) == sorted(loops)
        and (loops[0] == levels[-1] or kinds[-1].spread)
    )


class ScatterWriter(CountWriter):
    """Counts the entries of every parent, then keeps for each the position of its next entry; one thread.

    A spread level needs neither: its positions are known.
    """

    parallel = False

    def __init__(self, ctx: Context, decl: TensorDecl) -> None:
        super().__init__(ctx, decl)
        self.next = Buffer(self.b.fresh(f"{decl.name}_next"), I64, Origin(decl.name, self.last, "next"))
        if not self.spread:
            self.b.emit(Alloc(self.next, self.parents, Const(0, I64)))

    def follows(self, access: Access, index: str, env: Env) -> bool:
        return False

    def opens(self, access: Access, index: str, env: Env) -> bool:
        return False

    def start_filling(self) -> None:
        if self.needs_counts:
            with self.b.loop("p", i64(0), self.parents, note=f"histogram {self.decl.name}") as p:
                self._link(p, load(self.next, p))
        super().start_filling()
        if self.spread:
            return
        with self.b.loop("p", i64(0), self.parents) as p:
            self.b.store(self.next, p, self.start(self.last, p))

    def _link(self, parent: Expr, count: Expr) -> None:
        self.appender(self.last).link(self.b, self.views[self.last], parent, count)

    def close(self) -> None:
        if not self.needs_counts and not self.spread:
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
        if self.spread:
            self.place(self.b.let("at", add(self.start(self.last, parent), coords[-1])), coords[-1], value, env)
            return
        at = self.b.let("at", load(self.next, parent))
        if not self.counting:
            if not self.needs_counts:
                self.b.abort_if(op("le", self.start(self.last, add(parent, 1)), at), "room")
            self.place(at, coords[-1], value, env)
        self.b.store(self.next, parent, add(at, 1))

    def _coordinate(self, access: Access, n: int, env: Env) -> Expr:
        coord = self.ctx.coordinate(access, n, env)
        assert coord is not None
        return coord


__all__ = ["ScatterWriter", "can_scatter"]
