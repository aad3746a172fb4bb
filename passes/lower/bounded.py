"""Results whose rows are bounded: each comes from a list that keeps so many entries and no more (``top``).

Every row gets room for that many, so nothing is counted first: the nest runs once, rows in parallel, and the gaps are
closed afterwards.  Running once also means that conditions may compute with floats.
"""

from __future__ import annotations

from sparsec.formats.compressed import Compressed
from sparsec.ir.buffer import Alloc, Expr, i64
from sparsec.ir.build import add, load, mul, op, sub
from sparsec.ir.tensor import Access, TensorDecl
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.context import Context, Env
from sparsec.passes.lower.writers import CountWriter


class BoundedWriter(CountWriter):
    """As many places for each row as it can have entries at most."""

    def __init__(self, ctx: Context, decl: TensorDecl, most: int) -> None:
        super().__init__(ctx, decl)
        level, view = self.appender(self.last), self.views[self.last]
        self.room = self.b.let("room", op("min", i64(most), view.extent))
        self.places = self.b.product("places", self.parents, self.room)
        level.reserve(self.b, view, self.places)
        self.b.emit(Alloc(self.values, self.places))
        self.counting = False

    def enter(self, index: str) -> None:
        if self.depth == self.last:
            self.cursor = self.b.var("at", mul(self.positions[-1], self.room))

    def exit(self) -> None:
        if self.depth == self.last:
            assert self.cursor is not None
            parent = self.positions[-1]
            count = sub(self.cursor, mul(parent, self.room))
            self.appender(self.last).link(self.b, self.views[self.last], parent, count)

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        assert op_name == "=" and self.cursor is not None
        self.place(self.cursor, self.path[-1], value, env)
        self.b.set(self.cursor, add(self.cursor, 1))

    def close(self) -> None:
        level, view = self.levels[self.last], self.views[self.last]
        assert isinstance(level, Compressed)
        level.seal(self.b, view, self.parents)
        self.total = self.b.let("nnz", level.size(self.b, view, self.parents))
        with self.b.if_(op("lt", self.total, self.places)), self.b.loop("r", i64(0), self.parents) as row:
            first, end = (self.b.let("p", p) for p in level.bounds(self.b, view, row, add(row, 1)))
            gap = self.b.let("gap", sub(mul(row, self.room), first))
            with self.b.loop("p", first, end, note=f"close {self.decl.name} up") as p:
                origin: Expr = self.b.let("from", add(p, gap))
                level.put(self.b, view, p, level.coordinate(self.b, view, origin))
                self.b.store(self.values, p, load(self.values, origin))
        super().close()


__all__ = ["BoundedWriter"]
