"""Results under construction: inserted into dense storage, appended in order, or counted first and filled later.

A writer follows the foralls over its tensor's levels (``enter``, ``coordinate``, ``exit``) and takes the
values at the leaves (``update``).  What it needs of a level it asks for by capability (``CanInsert``, ``CanAppend``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from sparsec.errors import UnsupportedError
from sparsec.formats.level import CanAppend, CanInsert, CanIterate, CanLocate, CanSpan, CanWindow, LevelView
from sparsec.ir import ops
from sparsec.ir.buffer import FALSE, TRUE, Alloc, Buffer, Const, Expr, Origin, Stmt, Var, i64
from sparsec.ir.build import add, load, lt, mul, negate, op, sub
from sparsec.ir.dtypes import DType
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, TensorDecl
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.blocks import Written, watched
from sparsec.passes.lower.context import Context, Env, Storage
from sparsec.passes.lower.parallel import CHUNKS, LEAST, in_chunks
from sparsec.passes.lower.windows import surely_within


class InsertWriter:
    """Dense storage: every place exists; it begins as the fill (or the identity of what is accumulated)."""

    sparse = False
    parallel = True

    def __init__(self, ctx: Context, decl: TensorDecl, accumulates: str | None) -> None:
        self.decl = decl
        self.complete = accumulates is None  # is every place written, whatever is absent?
        self.initial = ops.MONOIDS[accumulates].identity(decl.dtype) if accumulates else decl.fill
        self.size = ctx.b.product("size", *(ctx.extent(d) for d in decl.dims))
        if decl.role == "local":
            values = ctx.b.alloc(f"{decl.name}_vals", decl.dtype, self.size, origin=(decl.name, -1, "vals"))
            ctx.storages[decl.name] = Storage(decl, ctx.levels(decl), ctx.coords(decl), ctx.views(decl), values)
        self.storage = ctx.storages[decl.name]

    def initialise(self, ctx: Context) -> list[Stmt]:
        """Statements that set every place to the initial value."""
        initial = Const(self.initial, self.decl.dtype)
        with ctx.b.collect() as stmts:
            grain = op("max", i64(8 * LEAST), op("floordiv", self.size, i64(CHUNKS)))
            in_chunks(ctx, "p", i64(0), self.size, grain, lambda p: ctx.b.store(self.storage.values, p, initial))
        return stmts

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        v = ctx.expr(value, env) if op_name == "=" else ctx.folded(op_name, ctx.read(access, env), value, env)
        pos = ctx.b.let("at", ctx.address(self.storage, access, env))
        ctx.b.store(self.storage.values, pos, v)


class UpdateWriter(InsertWriter):
    """Dense storage that has values already, in the caller's memory or made by an earlier statement."""

    def __init__(self, ctx: Context, decl: TensorDecl) -> None:
        self.decl = decl
        self.complete = True
        self.storage = ctx.storages[decl.name]

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        for e in access.indices:
            if any(isinstance(n, Access) for n in walk(e)):  # nothing says yet that it lies inside
                raise UnsupportedError(f"an update of '{access.tensor}' at an index read from data cannot run yet")
        super().update(ctx, access, op_name, value, env)


class SparseWriter:
    """What appending and counting share: the views of the levels, the walk down them, publication.

    ``parallel`` says whether iterations of an outer loop may write at the same time.
    """

    sparse = True
    parallel = False

    def __init__(self, ctx: Context, decl: TensorDecl) -> None:
        self.ctx = ctx
        self.b = ctx.b
        self.decl = decl
        self.levels = ctx.levels(decl)
        self.coords = ctx.coords(decl)
        self.views = ctx.views(decl)
        self.depth = 0
        self.entered = 0
        self.positions: list[Expr] = [i64(0)]
        self.path: list[Expr] = []
        for level in self.levels:
            if not level.full and not isinstance(level, CanAppend):
                raise UnsupportedError(f"a result cannot be assembled in level type '{level.name}'")

    def follows(self, access: Access, index: str, env: Env) -> bool:
        """Does a loop over ``index`` run along the level this writer comes to next?"""
        return self.depth < len(self.levels) and self.ctx.walked(access, self.depth, env, index) is not None

    def opens(self, access: Access, index: str, env: Env) -> bool:
        """Is a loop over ``index`` the outermost along the level that comes next: the level's own, or over chunks?"""
        if self.entered > self.depth or self.depth >= len(self.levels):
            return False
        if self.follows(access, index, env):
            return True
        waits = self.ctx.level_linear(access, self.depth, env, index).needs() - env.indices.keys()
        return len(waits) == 1 and index in env.relations.around(min(waits))

    def dense_run(self, start: int) -> tuple[Expr, int]:
        """Product of the extents of the full levels from ``start`` on, and the number of the level after them."""
        end = start
        while end < len(self.levels) and self.levels[end].full:
            end += 1
        return self.b.product("places", *(v.extent for v in self.views[start:end])), end

    def enter(self, index: str) -> None:
        """A loop over the next level begins."""
        raise NotImplementedError

    def coordinate(self, coord: Expr) -> AbstractContextManager[None]:
        """Around the body at one coordinate of the level."""
        raise NotImplementedError

    def exit(self) -> None:
        """The loop over the level is done."""
        raise NotImplementedError

    def needs_order(self, target: Access, index: str, env: Env) -> bool:
        """Whether the coordinates of the loop over ``index`` around a write to ``target`` must ascend."""
        return True

    def view(self, n: int, parent: Expr, coords: Sequence[Expr]) -> LevelView:
        """The view of level ``n`` beneath ``parent``, where the levels above have the coordinates ``coords``."""
        level = self.levels[n]
        if not isinstance(level, CanWindow):
            return self.views[n]
        assert self.decl.format is not None
        above = {str(spec.coord): c for spec, c in zip(self.decl.format.levels, coords, strict=False)}
        return level.place(self.b, self.views[n], parent, above)

    def outside(self, n: int, view: LevelView, coord: Expr, access: Access, env: Env) -> Expr:
        """Whether the coordinate of level ``n`` lies outside of what the level can hold."""
        level = self.levels[n]
        if not isinstance(level, CanWindow) or surely_within(self.ctx, access, n, level, env):
            return FALSE
        assert isinstance(level, CanLocate)
        return negate(level.locate(self.b, view, i64(0), coord)[1])

    @contextmanager
    def held(self, outside: Expr, value: Expr) -> Iterator[None]:
        """Around the writing of ``value``; where it has no place and is not the fill the function is left."""
        with self.b.collect() as inside:
            yield
        fill = Const(self.decl.fill, self.decl.dtype)
        other = op("eq", value, value) if self.decl.fill != self.decl.fill else op("ne", value, fill)
        with self.b.collect() as leave:
            self.b.abort_if(other, "outside")
        self.b.if_else(outside, leave, inside)

    def appender(self, n: int) -> CanAppend:
        level = self.levels[n]
        assert isinstance(level, CanAppend)
        return level

    def start(self, n: int, parent: Expr) -> Expr:
        """Where the positions of level ``n`` beneath ``parent`` begin, of a level whose positions are known."""
        level = self.levels[n]
        assert isinstance(level, CanIterate)
        return level.bounds(self.b, self.views[n], parent, parent)[0]

    def value(self, e: TExpr, env: Env) -> Expr:
        """The value of an entry; the fill, where the pattern alone is asked for."""
        return self.ctx.expr(e, env) if self.ctx.valued else Const(self.decl.fill, self.decl.dtype)

    def finish(self, values: Buffer, parents: list[Expr], sizes: list[Expr], length: Expr) -> None:
        """Make the tensor readable; a result is published when the kernel ends, for later statements may read it."""
        if self.decl.role != "local":
            with self.b.collect() as stmts:
                for n, level in enumerate(self.levels):
                    if isinstance(level, CanAppend):
                        level.publish(self.b, self.views[n], parents[n], sizes[n])
                self.b.publish(f"{self.decl.name}_vals_out", values, length)
            self.ctx.publishing += stmts
        self.ctx.storages[self.decl.name] = Storage(self.decl, self.levels, self.coords, self.views, values)


class AppendWriter(SparseWriter):
    """Entries arrive in the order of the levels; arrays grow.

    ``sizes`` are the positions that each level has so far, ``made`` its entries: less than those where it has gaps.
    Beneath a position the places of spread levels are there at once, up to and with the parents of the next level.
    Where at most ``most`` entries can come, there is room for them from the start, and none is asked for by entry.
    """

    def __init__(self, ctx: Context, decl: TensorDecl, most: Expr | None = None) -> None:
        super().__init__(ctx, decl)
        last = self.levels[-1]
        self.roomy = most is not None and last.compact and not last.spread and not isinstance(last, CanSpan)
        self.sizes: list[Expr] = []
        self.made: list[Expr] = []
        self.values = self.b.alloc(f"{decl.name}_vals", decl.dtype, i64(0), origin=(decl.name, -1, "vals"))
        self.values_room = self.b.var(f"{decl.name}_vals_cap", i64(0))
        self.written: Written | None = None
        self.begins: list[Expr] = []
        self.placed: list[LevelView] = []
        self.limits: dict[int, Expr] = {}
        self.reach = self.b.var(f"{decl.name}_reach", i64(0)) if isinstance(self.levels[-1], CanSpan) else None
        for n, level in enumerate(self.levels):
            if isinstance(level, CanAppend) and level.counted:
                raise UnsupportedError(
                    f"result '{decl.name}': level {n} ('{level.name}') of format '{decl.format}' can be assembled only "
                    "beneath dense levels, and as the last",
                    hint="assemble it in csf, and convert that",
                )
            beneath = self.levels[n + 1 :]
            if isinstance(level, CanWindow) and not level.full and not all(below.full for below in beneath):
                raise UnsupportedError(
                    f"result '{decl.name}': sparse levels beneath level '{level}' of format '{decl.format}' cannot be "
                    "assembled yet",
                    hint="make what is stored beneath a range dense",
                )
        self.runs = [self._run(n + 1) if not level.spread else () for n, level in enumerate(self.levels)]
        parents: Expr | None = i64(1)
        for n, level in enumerate(self.levels):
            view = self.views[n]
            if not level.full:
                self.appender(n).open(self.b, view, i64(0) if parents is None else parents)
            if level.spread:
                if parents is not None:
                    parents = self.b.product("places", parents, level.size(self.b, view, i64(1)))
                self.sizes.append(i64(0) if parents is None else parents)
                self.made.append(self.sizes[n] if level.full else self.b.var(f"{decl.name}_made{n}", i64(0)))
                continue
            if level.branchless:
                self.sizes.append(self.sizes[n - 1])
            else:
                self.sizes.append(self.b.var(f"{decl.name}_n{n}", i64(0)))
            self.made.append(self.sizes[n] if level.compact else self.b.var(f"{decl.name}_made{n}", i64(0)))
            parents = None
        if parents is not None:
            self._fill_values(i64(0), parents)
        if self.roomy and most is not None:
            for n in self._last_group():
                self.appender(n).reserve(self.b, self.views[n], most)
            self._reserve_values(most)

    def _last_group(self) -> range:
        """The last level, with the levels above that pass their position on to it."""
        start = len(self.levels) - 1
        while self.levels[start].branchless:
            start -= 1
        return range(start, len(self.levels))

    def _run(self, start: int) -> tuple[tuple[Expr, int], ...]:
        """What hangs on a position above level ``start``: a number of parents for each level with arrays that is there.

        The last pair is of the first level that is not spread, or of the values (the number after the last level's).
        """
        out: list[tuple[Expr, int]] = []
        product: Expr = i64(1)
        for n in range(start, len(self.levels)):
            if not self.levels[n].full:
                out.append((product, n))
            if not self.levels[n].spread:
                return tuple(out)
            product = self.b.product("places", product, self.levels[n].size(self.b, self.views[n], i64(1)))
        return (*out, (product, len(self.levels)))

    def _in_group(self, n: int) -> bool:
        """Does level ``n`` pass its position on to a singleton beneath it?"""
        return n + 1 < len(self.levels) and self.levels[n + 1].branchless

    def enter(self, index: str) -> None:
        n = self.depth
        if self.levels[n].spread or self.levels[n].branchless:
            return
        if not self.levels[n].compact:
            self._skip_to(n, self.b.let("start", self.start(n, self.positions[-1])))
            self.limits[n] = self.b.let("limit", self.start(n, add(self.positions[-1], 1)))
        self.begins.append(self.b.let("begin", self.made[n]))
        if self.appender(n).append_only:
            self.appender(n).enter(self.b, self.views[n])
        if isinstance(self.levels[n], CanSpan):
            assert self.reach is not None
            self.b.set(self.reach, i64(0))

    def _skip_to(self, n: int, position: Expr) -> None:
        """Nothing stands at the positions of level ``n`` that are left before ``position``."""
        size = self.sizes[n]
        assert isinstance(size, Var)
        self._make_room(n, self.b.let("first", size), position)
        self.b.set(size, position)

    def _make_room(self, n: int, first: Expr, end: Expr) -> None:
        """Room beneath positions ``first..end`` of level ``n``: for the parents of the levels there, or for values."""
        for product, child in self.runs[n]:
            begin, needed = self.b.let("first", mul(first, product)), self.b.let("needed", mul(end, product))
            if child < len(self.levels):
                self.appender(child).reserve_parents(self.b, self.views[child], begin, needed)
            else:
                self._fill_values(begin, needed)

    def _fill_values(self, first: Expr, needed: Expr) -> None:
        self._reserve_values(needed)
        with self.b.loop("p", first, needed, note=f"fill {self.decl.name}") as q:
            self.b.store(self.values, q, Const(self.decl.fill, self.decl.dtype))

    def _take(self, n: int, needed: Expr) -> None:
        """Level ``n`` gets one more position, ``needed`` in all."""
        size, made = self.sizes[n], self.made[n]
        assert isinstance(size, Var) and isinstance(made, Var)
        self.b.set(size, needed)
        if made is not size:
            self.b.set(made, add(made, 1))

    def _mark(self, n: int, position: Expr, coord: Expr) -> None:
        """There is an entry at ``position`` of the spread level ``n``, unless it is full anyway."""
        made = self.made[n]
        if not self.levels[n].full:
            assert isinstance(made, Var)
            self.appender(n).put(self.b, self.views[n], position, coord)
            self.b.set(made, add(made, 1))

    def _check_room(self, n: int, position: Expr) -> None:
        if n in self.limits:
            self.b.abort_if(op("le", self.limits[n], position), "room")

    @contextmanager
    def coordinate(self, coord: Expr) -> Iterator[None]:
        n = self.depth
        level, view = self.levels[n], self.views[n]
        opened: tuple[Expr, Expr | None] | None = None
        last = n + 1 == len(self.levels)
        if level.spread:
            assert isinstance(level, CanInsert)
            view = self.view(n, self.positions[-1], self.path)
            self.placed.append(view)
            p = self.b.let("at", level.insert(self.b, view, self.positions[-1], coord))
            if not level.full and not last:
                opened = (p, self._before(n + 1))
            self.positions.append(p)
        elif last or self._in_group(n):
            self.positions.append(self.sizes[n])
        else:
            p = self.b.let("at", self._seat(n, coord))
            self.positions.append(p)
            self._make_room(n, p, add(p, 1))
            opened = (p, self._before(n + 1))
        self.path.append(coord)
        self.depth += 1
        if opened is not None and opened[1] is None:
            with watched(self.b, [v.extent for v in self.views[n + 1 :]]) as self.written:
                yield
            got, self.written = self.written.answer, None
        else:
            yield
            got = TRUE
        self.depth -= 1
        self.path.pop()
        self.positions.pop()
        if level.spread:
            self.placed.pop()
        if opened is not None:
            p, before = opened
            with self.b.if_(got if before is None else self._more_than(before, n + 1)):
                if level.spread:
                    self._mark(n, p, coord)
                else:
                    self._check_room(n, p)
                    self.appender(n).reserve(self.b, view, add(p, 1))
                    self.appender(n).put(self.b, view, p, coord)
                    self._take(n, add(p, 1))

    def _seat(self, n: int, coord: Expr) -> Expr:
        """The position of level ``n`` where ``coord`` goes; there is nothing at those passed over."""
        size = self.sizes[n]
        at = self.appender(n).seat(self.b, self.views[n], size, coord)
        if at is not size:
            self._skip_to(n, at)
        return at

    def _before(self, n: int) -> Expr | None:
        """The entries so far of the first level from ``n`` on that is not full; None if all of them are."""
        below = self._first_sparse(n)
        return None if below is None else self.b.let("before", self.made[below])

    def _more_than(self, before: Expr, n: int) -> Expr:
        """Whether there are more now."""
        below = self._first_sparse(n)
        assert below is not None
        return lt(before, self.made[below])

    def _first_sparse(self, n: int) -> int | None:
        return next((m for m in range(n, len(self.levels)) if not self.levels[m].full), None)

    def exit(self) -> None:
        n = self.depth
        if not self.levels[n].spread and not self.levels[n].branchless:
            begin = self.begins.pop()
            self.appender(n).link(self.b, self.views[n], self.positions[-1], sub(self.made[n], begin))

    def _reserve_values(self, needed: Expr) -> None:
        self.b.reserve(self.values, self.values_room, needed)

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        assert op_name == "=", "sparse results are assigned, not accumulated into"
        v = self.value(value, env)
        last = len(self.levels) - 1
        if self.levels[last].spread:
            outside: Expr = FALSE
            for view in self.placed:
                outside = op("or", outside, self.outside(view.number, view, self.path[view.number], access, env))
            if outside != FALSE:
                v = ctx.b.let("value", v)
            with self.held(outside, v):
                self._mark(last, self.positions[-1], self.path[-1])
                ctx.b.store(self.values, self.positions[-1], v)
                if self.written is not None:
                    ctx.b.set(self.written.flag, TRUE)
            return
        if self.reach is not None:
            with ctx.b.if_(lt(self.reach, self.path[-1])):
                self._stretch(Const(self.decl.fill, self.decl.dtype), self.path[-1], covers=False)
            self._stretch(ctx.b.let("value", v), add(self.path[-1], 1), covers=True)
            return
        self._check_room(last, self.sizes[last])
        size = self._seat(last, self.path[-1])
        needed = self.b.let("needed", add(size, 1))
        group = self._last_group()
        for n in group:
            if not self.roomy:
                self.appender(n).reserve(self.b, self.views[n], needed)
            self.appender(n).put(self.b, self.views[n], size, self.path[n])
        if not self.roomy:
            self._reserve_values(needed)
        self.b.store(self.values, size, v)
        self._take(group[0], needed)

    def _stretch(self, value: Expr, stop: Expr, covers: bool) -> None:
        """``value`` up to coordinate ``stop``: in the run that is under way if it is like that, else in a new one.

        A gap (not ``covers``) always is a new one: what is before it was an entry.
        """
        b, last = self.b, len(self.levels) - 1
        size, level = self.sizes[last], self.levels[last]
        assert self.reach is not None and isinstance(size, Var) and isinstance(level, CanSpan)
        same = b.var("same", lt(self.begins[-1], size) if covers else FALSE)
        with b.if_(same):
            before = sub(size, 1)
            alike = _identical(load(self.values, before), value)
            b.set(same, op("and", level.covers(b, self.views[last], before), alike))
        with b.if_(op("not", same)):
            needed = b.let("needed", add(size, 1))
            self.appender(last).reserve(b, self.views[last], needed)
            self._reserve_values(needed)
            b.store(self.values, size, value)
            level.cover(b, self.views[last], size, covers)
            self._take(last, needed)
        self.appender(last).put(b, self.views[last], sub(size, 1), stop)
        b.set(self.reach, stop)

    def close(self) -> None:
        parents: list[Expr] = []
        sizes: list[Expr] = []
        count: Expr = i64(1)
        for n, level in enumerate(self.levels):
            parents.append(count)
            if level.spread:
                count = self.b.let("count", level.size(self.b, self.views[n], count))
            else:
                self.appender(n).seal(self.b, self.views[n], count)
                if not level.compact:
                    self._skip_to(n, self.b.let("size", level.size(self.b, self.views[n], count)))
                count = self.sizes[n]
            sizes.append(count)
        if self.levels[-1].spread:
            self._reserve_values(count)
        self.finish(self.values, parents, sizes, count)


def _identical(a: Expr, b: Expr) -> Expr:
    """Whether two values are the same, zeros with their signs; NaN is not."""
    same = op("eq", a, b)
    if not (isinstance(a.type, DType) and a.type.is_float):
        return same
    one = Const(1.0, a.type)
    return op("and", same, op("eq", op("div", one, a), op("div", one, b)))


class CountWriter(SparseWriter):
    """Full levels above one that is not: rows are independent, counted and then filled in parallel.

    A level whose positions do not hang on counts is filled at once.
    """

    parallel = True

    def __init__(self, ctx: Context, decl: TensorDecl) -> None:
        super().__init__(ctx, decl)
        self.parents, self.last = self.dense_run(0)
        assert self.last == len(self.levels) - 1
        self.appender(self.last).open(self.b, self.views[self.last], self.parents)
        self.values = Buffer(self.b.fresh(f"{decl.name}_vals"), decl.dtype, Origin(decl.name, -1, "vals"))
        self.counting = self.needs_counts = self.appender(self.last).needs_counts
        level = self.levels[self.last]
        self.inserts = level if isinstance(level, CanInsert) else None
        self.cursor: Var | None = None
        self.limit: Expr | None = None

    def start_filling(self) -> None:
        """Between the phases: turn counts into positions and allocate exactly."""
        level, view = self.appender(self.last), self.views[self.last]
        if self.needs_counts:
            level.seal(self.b, view, self.parents)
        self.total = self.b.let("nnz", self.levels[self.last].size(self.b, view, self.parents))
        level.reserve(self.b, view, self.total)
        compact = self.levels[self.last].compact
        self.b.emit(Alloc(self.values, self.total, None if compact else Const(self.decl.fill, self.decl.dtype)))
        self.counting = False

    def enter(self, index: str) -> None:
        if self.depth != self.last:
            return
        if self.counting:
            self.cursor = self.b.var("count", i64(0))
        else:
            parent = self.positions[-1]
            if self.inserts is not None:
                return
            self.cursor = self.b.var("at", self.start(self.last, parent))
            if not self.needs_counts:
                self.limit = self.b.let("limit", self.start(self.last, add(parent, 1)))

    @contextmanager
    def coordinate(self, coord: Expr) -> Iterator[None]:
        if self.levels[self.depth].full:
            extent = self.views[self.depth].extent
            self.positions.append(self.b.let("row", add(mul(self.positions[-1], extent), coord)))
        else:
            self.positions.append(i64(0))
        self.path.append(coord)
        self.depth += 1
        yield
        self.depth -= 1
        self.path.pop()
        self.positions.pop()

    def exit(self) -> None:
        if self.depth != self.last or (not self.counting and (self.needs_counts or self.inserts is not None)):
            return
        assert self.cursor is not None
        parent = self.positions[-1]
        count = self.cursor if self.counting else sub(self.cursor, self.start(self.last, parent))
        self.appender(self.last).link(self.b, self.views[self.last], parent, count)

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        assert op_name == "="
        if not self.counting and self.inserts is not None:
            self.insert(self.inserts, self.positions[-2], self.path, access, value, env)
            return
        assert self.cursor is not None
        at: Expr = self.cursor
        if not self.counting:
            if self.limit is not None:
                self.b.abort_if(op("le", self.limit, self.cursor), "room")
            at = self.appender(self.last).seat(self.b, self.views[self.last], self.cursor, self.path[-1])
            self.place(at, self.path[-1], value, env)
        self.b.set(self.cursor, add(at, 1 if self.counting else self.levels[self.last].stride))

    def insert(
        self, level: CanInsert, parent: Expr, path: Sequence[Expr], access: Access, value: TExpr, env: Env
    ) -> None:
        """An entry where the last level says that the last coordinate of ``path`` goes."""
        view = self.view(self.last, parent, path)
        outside = self.outside(self.last, view, path[-1], access, env)
        v = self.value(value, env)
        if outside != FALSE:
            v = self.b.let("value", v)
        with self.held(outside, v):
            at = self.b.let("at", level.insert(self.b, view, parent, path[-1]))
            self.appender(self.last).put(self.b, view, at, path[-1])
            self.b.store(self.values, at, v)

    def place(self, at: Expr, coord: Expr, value: TExpr, env: Env) -> None:
        """An entry at position ``at`` of the last level."""
        v = self.value(value, env)
        self.appender(self.last).put(self.b, self.views[self.last], at, coord)
        self.b.store(self.values, at, v)

    def needs_order(self, target: Access, index: str, env: Env) -> bool:
        """Rows may come in any order; within one it is the level that asks for it."""
        return self.depth == self.last and self.levels[self.last].ordered and self.inserts is None

    def add(self, count: Expr) -> None:
        """Count ``count`` entries at once."""
        assert self.counting and self.cursor is not None
        self.b.set(self.cursor, add(self.cursor, count))

    def close(self) -> None:
        parents: list[Expr] = [i64(1)] * self.last + [self.parents]
        self.finish(self.values, parents, [i64(0)] * self.last + [self.total], self.total)
