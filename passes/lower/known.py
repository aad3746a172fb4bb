"""Results whose pattern the caller passes: every entry goes to the position that its coordinates have there.

The nest is the one that would assemble the result, so entries arrive in the order of the levels: a cursor in each
segment moves on to the coordinate that comes next.  Where they do not (a scatter), and in levels that are asked for a
coordinate instead of walked, it is located.  An entry that the pattern lacks ends the kernel with the status "pattern";
a place of the pattern that gets none holds the fill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sparsec.formats.level import CanIterate, CanLocate, Level
from sparsec.ir.buffer import Const, Expr, Var, i64
from sparsec.ir.build import add, lt, negate, op
from sparsec.ir.dtypes import BOOL
from sparsec.ir.tensor import Access, TensorDecl
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.context import Context, Env
from sparsec.passes.lower.writers import SparseWriter

TRUE, FALSE = Const(True, BOOL), Const(False, BOOL)


class FillWriter(SparseWriter):
    """Values into a pattern that is there; rows are independent."""

    parallel = True

    def __init__(self, ctx: Context, decl: TensorDecl) -> None:
        self.ctx, self.b, self.decl = ctx, ctx.b, decl
        storage = ctx.storages[decl.name]
        self.levels, self.coords, self.views, self.values = (
            storage.levels,
            storage.coords,
            storage.views,
            storage.values,
        )
        self.depth = self.entered = 0
        self.positions: list[Expr] = [i64(0)]
        self.present: list[Expr] = [TRUE]
        self.path: list[Expr] = []
        self.cursors: dict[int, tuple[Var, Expr]] = {}
        size: Expr = i64(1)
        for level, view in zip(self.levels, self.views, strict=True):
            size = self.b.let("size", level.size(self.b, view, size))
        with self.b.loop("p", i64(0), size, note=f"fill {decl.name}") as p:
            self.b.store(self.values, p, Const(decl.fill, decl.dtype))

    def _is_walked(self, level: Level) -> bool:
        walks = isinstance(level, CanIterate) and level.ordered and not level.gaps
        return walks and not level.full and not level.spread

    def _group(self, n: int) -> tuple[int, bool]:
        """The first level of the group of singletons that level ``n`` is in, and whether ``n`` is its last."""
        head = n
        while self.levels[head].branchless:
            head -= 1
        return head, n + 1 == len(self.levels) or not self.levels[n + 1].branchless

    def enter(self, index: str) -> None:
        n = self.depth
        level, parent = self.levels[n], self.positions[-1]
        if not self._is_walked(level) or level.branchless:
            return
        assert isinstance(level, CanIterate)
        cursor, end = self.b.var("at", i64(0)), self.b.var("end", i64(0))
        with self.b.if_(self.present[-1]):  # else nothing is found beneath
            first, last = level.bounds(self.b, self.views[n], parent, add(parent, 1))
            self.b.set(cursor, first)
            self.b.set(end, last)
        self.cursors[n] = cursor, end

    @contextmanager
    def coordinate(self, coord: Expr) -> Iterator[None]:
        n = self.depth
        level = self.levels[n]
        self.path.append(coord)
        position, found = self.positions[-1], self.present[-1]
        if not self._is_walked(level):
            position, found = self._locate(n, position, found, self.path)
        else:
            head, ends = self._group(n)
            if ends:
                position, found = self._next(head, n)
        self.positions.append(position)
        self.present.append(found)
        self.depth += 1
        yield
        self.depth -= 1
        self.path.pop()
        self.positions.pop()
        self.present.pop()

    def exit(self) -> None:
        self.cursors.pop(self.depth, None)

    def _next(self, head: int, last: int) -> tuple[Expr, Expr]:
        """The position of the coordinates at hand in levels ``head..last``, and whether they are there.

        It is looked for from where the cursor stands on.
        """
        b = self.b
        cursor, end = self.cursors[head]
        going, found = b.var("going", TRUE), b.var("found", FALSE)
        with b.while_(going, note=f"find {self.decl.name}.{head}"):
            b.set(going, FALSE)
            with b.if_(lt(cursor, end)):
                before: Expr = FALSE
                same: Expr = TRUE
                for n in range(head, last + 1):
                    level = self.levels[n]
                    assert isinstance(level, CanIterate)
                    have = b.let("c", level.coordinate(b, self.views[n], cursor))
                    less, equal = lt(have, self.path[n]), op("eq", have, self.path[n])
                    before = less if n == head else op("or", before, op("and", same, less))
                    same = equal if n == head else op("and", same, equal)
                b.set(going, before)
                b.set(found, same)
                with b.if_(going):
                    b.set(cursor, add(cursor, self.levels[head].stride))
        position, there = b.let("place", cursor), b.let("there", found)
        with b.if_(there):
            b.set(cursor, add(position, self.levels[head].stride))
        return position, there

    def _locate(self, n: int, parent: Expr, present: Expr, path: Sequence[Expr]) -> tuple[Expr, Expr]:
        """The position of the last coordinate of ``path`` in level ``n``, whose parent may not be there; is it?"""
        b, level, coord = self.b, self.levels[n], path[-1]
        assert isinstance(level, CanLocate)
        if present == TRUE:
            position, found = level.locate(b, self.view(n, parent, path), parent, coord)
            return b.let("place", position), found
        place, there = b.var("place", i64(0)), b.var("there", FALSE)
        with b.if_(present):
            position, found = level.locate(b, self.view(n, parent, path), parent, coord)
            b.set(place, position)
            b.set(there, found)
        return b.let("place", place), b.let("there", there)

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        assert op_name == "=", "sparse results are assigned, not accumulated into"
        at, found = self.positions[-1], self.present[-1]
        if self.depth < len(self.levels):  # the loops run in another order
            at, found = i64(0), TRUE
            path: list[Expr] = []
            for n in range(len(self.levels)):
                coord = ctx.coordinate(access, n, env)
                assert coord is not None
                path.append(coord)
                at, found = self._locate(n, at, found, path)
        if found != TRUE:
            self.b.abort_if(negate(found), "pattern")
        ctx.b.store(self.values, at, ctx.expr(value, env))


__all__ = ["FillWriter"]
