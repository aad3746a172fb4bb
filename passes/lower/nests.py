"""Loop nests to buffer IR: the statements of a kernel, one method each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from sparsec.errors import ScheduleError
from sparsec.formats.level import CanIterate, CanLocate, CanSpan, Level
from sparsec.ir import loops, ops
from sparsec.ir.buffer import FALSE, TRUE, Block, Comment, Expr, Function, Module, Tile, Var, i64
from sparsec.ir.build import add, both, lt, mul, op, sub
from sparsec.ir.dtypes import BOOL, I64
from sparsec.ir.loops import (
    Accumulate,
    Assemble,
    Chunk,
    Chunks,
    Forall,
    ForallStored,
    Guard,
    Kernel,
    Workspace,
)
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Index, Literal, Stored
from sparsec.ir.tensor import Expr as TExpr
from sparsec.ir.tensor_values import scalar
from sparsec.passes.lower import parallel
from sparsec.passes.lower.bounds import Bounds, cut
from sparsec.passes.lower.coiterate import (
    Cases,
    Coiteration,
    OnlyAbsent,
    Subset,
    Walker,
    make_walker,
    probe,
)
from sparsec.passes.lower.context import Context, Cursor, Env, Work
from sparsec.passes.lower.coordinates import Linear, merge, relations
from sparsec.passes.lower.known import FillWriter
from sparsec.passes.lower.scatter import ScatterWriter
from sparsec.passes.lower.selection import SelectWork
from sparsec.passes.lower.simplify import prune, substitute
from sparsec.passes.lower.sorting import ListWork
from sparsec.passes.lower.stretches import MOST, over_stretches
from sparsec.passes.lower.tuples import TupleWork
from sparsec.passes.lower.workspaces import BitmapWork, StampWork, make_work
from sparsec.passes.lower.writers import AppendWriter, CountWriter, InsertWriter, SparseWriter, UpdateWriter


def emit(kernel: Kernel) -> Module:
    """Lower a loop nest kernel to buffer IR.

    The entry's parameters are, in order: for each operand its level numbers and arrays and its values; for each
    result its values ("out", dense; read, too, where it is updated in place) or its arrays ("result", sparse); then
    ``dim_<name>`` for each named dimension.

    Raises ``ScheduleError`` for a nest that cannot run, ``UnsupportedError`` for what this version lacks.
    """
    lowerer = Lowerer(kernel)
    lowerer.stmt(kernel.body, Env())
    ctx = lowerer.ctx
    body = Block((*ctx.setup, *ctx.b.block().stmts, *ctx.publishing))
    entry = Function(kernel.name, tuple(ctx.params), body)
    return Module((entry, *ctx.helpers.values()))


class Lowerer:
    """Walks a kernel's statements; ``ctx`` holds what has been declared."""

    def __init__(self, kernel: Kernel) -> None:
        self.ctx = Context(kernel)
        self.b = self.ctx.b
        self.starts: dict[str, object] = {}
        self.writer: SparseWriter | InsertWriter | None = None
        for t in kernel.tensors:
            if t.role == "inout":  # loops written by hand update it where they like
                self.ctx.writers[t.name] = UpdateWriter(self.ctx, t)

    def start(self, name: str) -> object | None:
        return self.starts.get(name)

    def stmt(self, s: loops.Stmt, env: Env) -> None:
        """Emit a statement whose newly known coordinates may decide presence first."""
        s, env, done = self._resolve(s, env)
        if done:
            return
        match s:
            case Forall():
                self.forall(s, env)
            case ForallStored():
                self.forall_stored(s, env)
            case loops.Sequence():
                for part in s.stmts:
                    self.stmt(part, env)
            case Workspace():
                self.workspace(s, env)
            case Accumulate():
                self.accumulate(s, env)
            case Guard():
                self.guard(s, env)
            case Assemble():
                self.assemble(s, env)
            case loops.Tile():
                self.tile(s, env)
            case loops.Let():
                self.let(s, env)
            case loops.Check():
                self.check(s, env)

    # reads

    def reads(self, s: loops.Stmt) -> list[Access]:
        """Every access the statement reads, once each, in order."""
        seen: dict[Access, None] = {}
        for node in walk(s):
            if isinstance(node, Accumulate | Guard | loops.Let | loops.Check):
                for n in walk(node.condition if isinstance(node, Guard) else node.value):
                    if isinstance(n, Access):
                        for e in n.indices:  # what an index reads comes before what it indexes
                            seen.update((inner, None) for inner in walk(e) if isinstance(inner, Access))
                        seen.setdefault(n)
        return list(seen)

    def sparse_reads(self, s: loops.Stmt) -> list[Access]:
        storages = self.ctx.storages
        return [a for a in self.reads(s) if a.tensor in storages and not storages[a.tensor].is_dense]

    def walked(self, access: Access, env: Env, index: str) -> Linear | None:
        """What stands beside ``index`` in the coordinate of the next level of ``access``, if ``index`` walks it."""
        done = env.cursors[access].done if access in env.cursors else 0
        if done == len(self.ctx.storages[access.tensor].levels):
            return None
        return self.ctx.walked(access, done, env, index)

    def _resolve(self, s: loops.Stmt, env: Env) -> tuple[loops.Stmt, Env, bool]:
        """Move cursors over every level whose coordinate is known.

        Full levels are computed; others are searched, and the statement is emitted here for both outcomes (``done``).
        """
        for access in self.sparse_reads(s):
            storage = self.ctx.storages[access.tensor]
            while True:
                cursor = env.cursors.get(access, Cursor(0, i64(0)))
                if cursor.done == len(storage.levels):
                    break
                coord = self.ctx.coordinate(access, cursor.done, env)
                if coord is None:
                    break
                level, view = storage.levels[cursor.done], storage.views[cursor.done]
                inside = self.ctx.inside(access, env, cursor.done)
                if inside is None and level.full and isinstance(level, CanLocate):
                    pos, _ = level.locate(self.b, view, cursor.lo, coord)
                    env = env.move(access, Cursor(cursor.done + 1, self.b.let(f"at_{access.tensor}", pos)))
                    continue
                if inside is None:
                    found, after = probe(self.ctx, access, env, coord)
                else:
                    found, after = self._guarded(access, env, coord, inside)
                with self.b.collect() as have:
                    self.stmt(s, env.move(access, after))
                rest = prune(substitute(s, {access: self.ctx.absent(access)}), self.start, self.ctx.kernel.monoids)
                with self.b.collect() as lack:
                    if rest is not None:
                        self.stmt(rest, env)
                if rest is None:
                    self._mark_incomplete(s)
                self.b.if_else(found, have, lack)
                return s, env, True
        return s, env, False

    def _guarded(self, access: Access, env: Env, coord: Expr, inside: Expr) -> tuple[Expr, Cursor]:
        """A search that is not made where the coordinate lies outside of the tensor."""
        b = self.b
        found, lo, hi = b.var("found", inside), b.var("lo", i64(0)), b.var("hi", i64(0))
        with b.if_(found):
            there, after = probe(self.ctx, access, env, coord)
            b.set(lo, after.lo)
            b.set(found, there)
            if after.hi is not None:
                b.set(hi, after.hi)
        return found, Cursor(after.done, lo, None if after.hi is None else hi)

    # statements

    def accumulate(self, s: Accumulate, env: Env) -> None:
        name = s.target.tensor
        target = self.ctx.works.get(name) or self.ctx.writers.get(name)
        if target is None:
            raise ScheduleError(f"'{name}' is written outside the statement that makes it")
        unstored = isinstance(s.value, Literal) and s.value.fill and s.op == "="
        if unstored and prune(s, self.start, self.ctx.kernel.monoids) is None:
            self._mark_incomplete(s)
        elif isinstance(target, TupleWork):
            target.fold(self.ctx, s, env)
        else:
            target.update(self.ctx, s.target, s.op, s.value, env)

    def guard(self, s: Guard, env: Env) -> None:
        condition = self.ctx.expr(s.condition, env)
        self._mark_incomplete(s.body)
        if condition == TRUE:
            self.stmt(s.body, env)
        elif condition != FALSE:
            with self.b.if_(condition):
                self.stmt(s.body, env)

    def workspace(self, s: Workspace, env: Env) -> None:
        ctx = self.ctx
        if s.kind == "list":
            self._list_workspace(s, env)
            return
        if ctx.counting and s.kind == "bitmap" and s.name not in ctx.asked and self._only_counts(s, env):
            self._counted_workspace(s, env)
            return
        work = self._work(s)
        ctx.works[s.name] = work
        self.starts[s.name] = s.init
        self.stmt(s.producer, env)
        if isinstance(work, TupleWork):
            work.finish(ctx)
        self.stmt(s.consumer, env)
        del ctx.works[s.name], self.starts[s.name]

    def _work(self, s: Workspace) -> Work:
        m = self.ctx.kernel.monoid(s.monoid)
        return make_work(self.ctx, s) if m is None else TupleWork(self.ctx, s, m)

    def _counts(self, body: loops.Stmt | None, index: str, env: Env) -> bool:
        """Whether all that ``body`` does at a coordinate of ``index`` is to count one entry of the result."""
        w = self.writer
        return (
            self.ctx.counting
            and isinstance(body, Accumulate)
            and isinstance(w, CountWriter)
            and body.target.tensor == w.decl.name
            and w.follows(body.target, index, env)
            and w.depth == w.last
        )

    def _only_counts(self, s: Workspace, env: Env) -> bool:
        """Whether the consumer hands every coordinate that was written to the result, and does nothing else."""
        f = s.consumer
        if len(s.indices) != 1 or not isinstance(f, Forall) or not isinstance(f.body, Accumulate):
            return False
        value, read = f.body.value, Access(s.name, (Index(f.index),), s.dtype)
        if value == Stored(read):
            nothing: TExpr = Literal(False, BOOL)
        elif value == read:
            nothing = Literal(s.init, s.dtype)
        else:
            return False
        return self._counts(f.body, f.index, env) and prune(replace(f.body, value=nothing), self.start) is None

    def _counted_workspace(self, s: Workspace, env: Env) -> None:
        ctx = self.ctx
        work = StampWork(ctx, s)
        ctx.works[s.name] = work
        self.starts[s.name] = s.init
        self.stmt(s.producer, env)
        self._count_entries(s, work.count)
        del ctx.works[s.name], self.starts[s.name]

    def _count_entries(self, s: Workspace, count: Expr) -> None:
        """Tell the writer how many entries the consumer would write."""
        w = self.writer
        assert isinstance(w, CountWriter) and isinstance(s.consumer, Forall)
        if w.entered > w.depth:  # by a loop over chunks of the level
            w.add(count)
            return
        w.enter(s.consumer.index)
        w.add(count)
        w.exit()

    def _list_workspace(self, s: Workspace, env: Env) -> None:
        ctx = self.ctx
        if s.keep is None:
            work: ListWork = ListWork(ctx, s, self._sorted_tail(s))
            self.starts[s.name] = s.init
        else:
            work = SelectWork(ctx, s, counted=self._only_counts(s, env))
            self.starts.pop(s.name, None)  # an entry counts whatever its value is
        ctx.works[s.name] = work
        self.stmt(s.producer, env)
        del ctx.works[s.name]
        if isinstance(work, SelectWork) and work.counted:
            self._count_entries(s, work.count)
            return
        self.starts[s.name] = s.init
        work.sort(ctx)
        self.stmt(s.consumer, env)
        del ctx.storages[s.name], self.starts[s.name]

    def _sorted_tail(self, s: Workspace) -> int:
        """How many last dimensions of a list its producer visits in order already.

        That holds for the dimensions that are the producer's loops from the outermost on, with nothing else between, or
        beneath loops over the remaining dimensions only: then equal leading coordinates meet ascending trailing ones.
        It is none where a level without order may be walked.
        """
        reads = self.sparse_reads(s.producer)
        if any(not level.ordered for a in reads for level in self.ctx.storages[a.tensor].levels):
            return 0
        order: list[str] = []
        node: loops.Stmt = s.producer
        while isinstance(node, Forall) and not node.reverse:
            order.append(node.index)
            node = node.body
        names = [x.name for x in s.indices]
        return max((k for k in range(len(names) + 1) if order[:k] == names[len(names) - k :]), default=0)

    def assemble(self, s: Assemble, env: Env) -> None:
        ctx = self.ctx
        decl = ctx.kernel.tensor(s.tensor)
        outer, around = self.writer, (ctx.valued, ctx.asked)
        self.b.emit(Comment(f"{s.tensor}: {s.method}"))
        if s.method == "update":
            self.starts.pop(s.tensor, None)
            self.writer = ctx.writers[s.tensor] = UpdateWriter(ctx, decl)
            self.stmt(s.body, env)
            self.writer = outer
            if decl.role != "inout":
                del ctx.writers[s.tensor]
            return
        self.starts[s.tensor] = decl.fill
        ctx.valued = decl.role != "pattern"
        ctx.asked = asked = frozenset() if ctx.valued else _asked(s.body)
        if s.method == "insert":
            operators = {n.op for n in walk(s.body) if isinstance(n, Accumulate) and n.target.tensor == s.tensor}
            insert = InsertWriter(ctx, decl, None if "=" in operators else min(operators, default=None))
            if any(a.tensor == s.tensor for a in self.reads(s.body)):
                insert.complete = False  # a recurrence: what it reads too early is the fill
            self.writer = ctx.writers[s.tensor] = insert
            with self.b.collect() as body:
                self.stmt(s.body, env)
            for stmt in ([] if insert.complete else insert.initialise(ctx)) + body:
                self.b.emit(stmt)
        elif s.method == "append":
            append = AppendWriter(ctx, decl, self._entries(s.body))
            self.writer = ctx.writers[s.tensor] = append
            self._write(append, s.body, env)
            append.close()
        elif s.method in ("count", "scatter"):
            count = CountWriter(ctx, decl) if s.method == "count" else ScatterWriter(ctx, decl)
            self.writer = ctx.writers[s.tensor] = count
            if count.needs_counts:
                ctx.counting, ctx.asked = True, _asked(s.body)
                self._write(count, s.body, env)
                ctx.counting, ctx.asked = False, asked
            count.start_filling()
            self._write(count, s.body, env)
            count.close()
        elif s.method == "fill":
            self.writer = ctx.writers[s.tensor] = fill = FillWriter(ctx, decl)
            self._write(fill, s.body, env)
        else:
            raise ScheduleError(f"'{s.tensor}' cannot be assembled by '{s.method}'", hint=", ".join(loops.METHODS))
        ctx.valued, ctx.asked = around
        self.writer = outer
        del ctx.writers[s.tensor]

    def _write(self, w: SparseWriter, body: loops.Stmt, env: Env) -> None:
        with ExitStack() as stack:
            self._descend(w, stack)
            self.stmt(body, env)

    def _entries(self, body: loops.Stmt) -> Expr | None:
        """A number that the entries cannot pass: the positions of the one sparse tensor that decides where they are.

        It is known where plain loops run over the coordinates of that tensor and nothing else.
        """
        names: list[str] = []
        while isinstance(body, Forall):
            names.append(body.index)
            body = body.body
        reads = self.sparse_reads(body) if isinstance(body, Accumulate) and body.op == "=" else []
        if len(reads) != 1 or any(a.tensor in self.ctx.works for a in self.reads(body)):
            return None
        (access,) = reads
        if sorted(names) != sorted(e.name if isinstance(e, Index) else "" for e in access.indices):
            return None
        if prune(substitute(body, {access: self.ctx.absent(access)}), self.start) is not None:
            return None
        storage = self.ctx.storages[access.tensor]
        if any(isinstance(level, CanSpan) for level in storage.levels):
            return None  # a position stands for many coordinates
        size: Expr = i64(1)
        for level, view in zip(storage.levels, storage.views, strict=True):
            size = self.b.let("most", level.size(self.b, view, size))
        return size

    def let(self, s: loops.Let, env: Env) -> None:
        """An index computed from others; the loop around may have seen to it that it lies inside."""
        value = self.b.let(s.index, self.ctx.value(self.ctx.form(s.value, env), env))
        inner = env.bind(s.index, value)
        if s.index in env.inside:
            self.stmt(s.body, inner)
            return
        self._mark_incomplete(s.body)
        with self.b.if_(both(op("le", i64(0), value), lt(value, self.bounds(s.domain, env)[1]))):
            self.stmt(s.body, inner)

    def check(self, s: loops.Check, env: Env) -> None:
        value = self.b.let("index", self.ctx.expr(s.value, env))
        outside = op("or", lt(value, i64(0)), op("le", self.ctx.extent(s.extent), value))
        self.b.abort_if(outside, "index")

    def tile(self, s: loops.Tile, env: Env) -> None:
        variables = tuple(Var(self.b.fresh(name), I64) for name, _ in s.loops)
        inner = env
        for v in variables:
            inner = inner.bind(s.loops[variables.index(v)][0], v)
        with self.b.collect() as body:
            self.accumulate(s.body, inner)
        self.b.emit(Tile(variables, tuple(n for _, n in s.loops), Block(tuple(body))))

    # foralls

    def bounds(self, domain: loops.Domain, env: Env) -> tuple[Expr, Expr]:
        """Half-open range of coordinates."""
        if not isinstance(domain, Chunk):
            return i64(0), self.ctx.domain_size(domain)
        lo = self.b.let("lo", mul(env.indices[domain.outer], domain.size))
        if domain.outer in env.full_chunks:
            return lo, add(lo, domain.size)
        return lo, self.b.let("hi", op("min", add(lo, domain.size), self.ctx.domain_size(domain.whole)))

    def cut(self, f: Forall, env: Env, walkers: list[Access]) -> tuple[Bounds, Forall]:
        """The bounds that conditions right inside a forall set to it, and the forall without these conditions.

        A loop over stored coordinates would have to search its ends: only one coordinate is worth that.
        """
        in_order = all(self._next_level(a, env).searchable for a in walkers)
        if not isinstance(f.domain, loops.Full) or not in_order:
            return Bounds(), f
        known = env.indices.keys() - {f.index}
        found, body = cut(f.body, f.index, lambda e: self.ctx.form(e, env, f.index), known, bool(walkers))
        if found:
            self._mark_incomplete(f.body)
        return found, replace(f, body=body) if found else f

    def clipped(self, f: Forall, env: Env, bounds: Bounds) -> tuple[Expr, Expr, Env]:
        """The range of a forall, cut to where the indices computed right inside it lie in their domains.

        It lies in the domain, also where it is empty: what counts entries looks at its ends.
        """
        lo, hi = first, last = self.bounds(f.domain, env)
        for b in bounds.least:
            lo = self.b.let("lo", op("max", lo, self.ctx.value(b, env)))
        for b in bounds.ends:
            hi = self.b.let("hi", op("min", hi, self.ctx.value(b, env)))
        node, names = f.body, set(env.inside)
        while isinstance(node, loops.Let):
            rest = self.ctx.form(node.value, env, f.index).without(f.index)
            if rest is None or not rest.needs() <= env.indices.keys():
                break
            shift = self.b.let("shift", self.ctx.value(rest, env))
            end = self.bounds(node.domain, env)[1]
            lo = self.b.let("lo", op("max", lo, sub(i64(0), shift)))
            hi = self.b.let("hi", op("min", hi, sub(end, shift)))
            names.add(node.index)
            self._mark_incomplete(node.body)
            node = node.body
        if lo is not first:
            lo = self.b.let("lo", op("min", lo, last))
        if hi is not last:
            hi = self.b.let("hi", op("max", lo, hi))
        return lo, hi, replace(env, inside=frozenset(names))

    def forall(self, f: Forall, env: Env) -> None:
        env = replace(env, relations=merge(env.relations, relations(f)))
        walkers = []
        sweeps = [
            a
            for a in self.reads(f.body)
            if isinstance(self.ctx.works.get(a.tensor), BitmapWork) and _indexed_by(a, f.index)
        ]
        for access in self.sparse_reads(f.body):
            if self.walked(access, env, f.index) is not None:
                level = self._next_level(access, env)
                # A level that can only be probed restricts nothing: ``_resolve`` asks it at each coordinate.
                if not level.full and isinstance(level, CanIterate):
                    walkers.append(access)
        bounds, f = self.cut(f, env, walkers) if not sweeps else (Bounds(), f)
        with self._following(f, env):
            if sweeps:
                self.sweep(f, env, sweeps, walkers)
            elif walkers:
                self.coiterate(f, env, walkers, bounds)
            elif spans := self._spans(f, env):
                self.stretches(f, env, spans, bounds)
            else:
                self.plain(f, env, bounds)

    def _spans(self, f: Forall, env: Env) -> list[Access]:
        """The accesses whose next level stores runs along ``f``, if the loop can go from run to run."""
        if not isinstance(f.domain, loops.Full) or isinstance(f.body, loops.Let) or f.reverse:
            return []
        reads = [a for a in self.sparse_reads(f.body) if self._counts_rows(a, env, f.index)]
        return [a for a in reads if isinstance(self._next_level(a, env), CanSpan)][:MOST]

    def stretches(self, f: Forall, env: Env, accesses: list[Access], bounds: Bounds) -> None:
        """Every coordinate, from run to run of ``accesses``."""
        cases = Cases(self.ctx, f.body, accesses, self.start)
        live = cases.live()
        if not live:
            return
        if len(live) < 2 ** len(accesses):
            self._mark_incomplete(f.body)
        lo, hi, env = self.clipped(f, env, bounds)
        over_stretches(
            self.ctx, f.index, (lo, hi), env, accesses, cases, lambda body, inner: self.leaf(f.index, body, inner)
        )

    @contextmanager
    def _following(self, f: Forall, env: Env) -> Iterator[None]:
        """Let a sparse result's writer enter and leave the level that this forall runs over."""
        w = self.writer
        if isinstance(w, SparseWriter) and any(w.opens(t, f.index, env) for t in self._targets(f.body, w)):
            w.enter(f.index)
            w.entered += 1
            yield
            w.entered -= 1
            w.exit()
        else:
            yield

    def _targets(self, s: loops.Stmt, w: SparseWriter) -> Iterator[Access]:
        """Where ``s`` writes to the writer's tensor."""
        return (n.target for n in walk(s) if isinstance(n, Accumulate) and n.target.tensor == w.decl.name)

    def leaf(self, index: str, body: loops.Stmt, env: Env) -> None:
        """The body at one coordinate, told to the writer if the coordinate is one of its levels."""
        w = self.writer
        with ExitStack() as stack:
            if isinstance(w, SparseWriter):
                above = replace(env, indices={k: v for k, v in env.indices.items() if k != index})
                target = next((t for t in self._targets(body, w) if w.follows(t, index, above)), None)
                if target is not None:
                    coord = self.ctx.coordinate(target, w.depth, env, early=True)
                    assert coord is not None
                    stack.enter_context(w.coordinate(coord))
                    self._descend(w, stack)
            self.stmt(body, env)

    def _descend(self, w: SparseWriter, stack: ExitStack) -> None:
        """Take the writer down the levels that have one coordinate alone."""
        while w.depth < len(w.levels) and w.coords[w.depth].constant:
            w.enter("")
            w.entered += 1
            stack.callback(w.exit)
            stack.callback(self._left, w)
            stack.enter_context(w.coordinate(i64(0)))

    def _left(self, w: SparseWriter) -> None:
        w.entered -= 1

    def plain(self, f: Forall, env: Env, bounds: Bounds) -> None:
        """Every coordinate of the domain."""
        if isinstance(f.domain, Chunks) and _wants_whole_chunks(f.body, f.index):
            self._chunked(f, env)
            return
        lo, hi, env = self.clipped(f, env, bounds)
        if f.parallel is not None and self._can_run_parallel():
            self.parallel(f, env, lo, hi)
            return
        mark = f"vector<{f.vector}>" if f.vector else "unroll" if f.unroll else ""
        if isinstance(f.domain, Chunk):
            trip = i64(f.domain.size) if f.domain.outer in env.full_chunks else self.b.let("trip", sub(hi, lo))
            with self.b.loop(f.index, i64(0), trip, mark=mark) as step:
                local = self.b.let("place", sub(sub(trip, 1), step)) if f.reverse else step
                inner = env.bind(f.index, self.b.let(f.index, add(lo, local))).bind(f"{f.index}@local", local)
                self.leaf(f.index, f.body, inner)
            return
        with self.b.loop(f.index, lo, hi, mark=mark) as var:
            coord = self.b.let(f.index, sub(add(lo, sub(hi, 1)), var)) if f.reverse else var
            self.leaf(f.index, f.body, env.bind(f.index, coord))

    def _chunked(self, f: Forall, env: Env) -> None:
        """Whole chunks get a body of constant trip counts, the last one a general body."""
        assert isinstance(f.domain, Chunks)
        _, chunks = self.bounds(f.domain, env)
        extent, size = self.ctx.extent(f.domain.extent), f.domain.size

        def body(var: Expr) -> None:
            whole = op("le", mul(add(var, 1), size), extent)
            bound = env.bind(f.index, var)
            with self.b.collect() as full:
                self.leaf(f.index, f.body, replace(bound, full_chunks=env.full_chunks | {f.index}))
            with self.b.collect() as cut:
                self.leaf(f.index, f.body, bound)
            self.b.if_else(whole, full, cut)

        if f.parallel is not None and self._can_run_parallel():
            self._in_parallel(f, i64(0), chunks, body)
            return
        with self.b.loop(f.index, i64(0), chunks) as var:
            body(var)

    def _can_run_parallel(self) -> bool:
        return self.writer is not None and self.writer.parallel

    def parallel(self, f: Forall, env: Env, lo: Expr, hi: Expr) -> None:
        """Iterations handed out in chunks: of a given number, or of about equal work where entries can be counted."""

        def body(var: Expr) -> None:
            self.leaf(f.index, f.body, env.bind(f.index, var))

        reads = self.sparse_reads(f.body)
        rows = [(a, env.cursors.get(a, Cursor(0, i64(0)))) for a in reads if self._counts_rows(a, env, f.index)]
        before = [] if f.parallel else parallel.counters(self.ctx, rows)
        if before:
            parallel.balanced(self.ctx, f.index, lo, hi, before, parallel.inner_trips(self.ctx, f, reads), body)
        else:
            self._in_parallel(f, lo, hi, body)

    def _counts_rows(self, access: Access, env: Env, index: str) -> bool:
        """Is the coordinate of the next level ``index`` itself?"""
        rest = self.walked(access, env, index)
        return rest is not None and not rest.terms and not rest.const

    def _in_parallel(self, f: Forall, lo: Expr, hi: Expr, body: Callable[[Expr], None]) -> None:
        if f.parallel:
            grain: Expr = i64(f.parallel)
        else:
            inner = parallel.inner_trips(self.ctx, f, self.sparse_reads(f.body))
            grain = parallel.equal_grain(self.ctx, sub(hi, lo), inner)
        parallel.in_chunks(self.ctx, f.index, lo, hi, grain, body)

    def coiterate(self, f: Forall, env: Env, accesses: list[Access], bounds: Bounds) -> None:
        """Walk the stored entries of ``accesses`` together."""
        cases = Cases(self.ctx, f.body, accesses, self.start, self._at_last_level(accesses, env))
        live = cases.live()
        if not live:
            return
        lo, hi, inner = self.clipped(f, env, bounds)
        whole = not isinstance(f.domain, Chunk) and inner.inside == env.inside and not bounds
        if not all(self._next_level(a, env).searchable for a in accesses):
            kept = self._kept(f, env, accesses, frozenset() in live, whole)
            if not kept:
                self.plain(f, env, bounds)
                return
            if kept != accesses:
                accesses = kept
                cases = Cases(self.ctx, f.body, kept, self.start, self._at_last_level(kept, env))
                live = cases.live()
        env = inner
        ends = self.b.let("ends", add(lo, sub(hi, 1))) if f.reverse else None
        walkers = [make_walker(self.ctx, a, env, lo, hi, whole, self.walked(a, env, f.index), ends) for a in accesses]
        co = Coiteration(self.ctx, f, env, cases, lambda body, inner: self.leaf(f.index, body, inner), ends)
        complete = len(live) == 2 ** len(accesses)
        if complete and self._once_is_enough(f, env, cases[frozenset()]):
            self._absent_once(f, env, co, walkers, live, sub(hi, lo))
        elif complete and all(w.unique for w in walkers) and self._kept_of_equals(f, cases[frozenset()]) is not None:
            keep = self._kept_of_equals(f, cases[frozenset()])
            assert keep is not None
            co.merge(walkers, cases.visited([case for case in live if case]))
            self._some_absent(f, env, co, accesses, lo, hi, whole, keep)
        elif frozenset() in live:
            if len(live) < 2 ** len(accesses):
                self._mark_incomplete(f.body)
            co.every(walkers, lo, hi)
        else:
            self._mark_incomplete(f.body)
            if (
                len(walkers) == 2
                and all(w.unique and w.level.searchable for w in walkers)
                and self._counts(cases[frozenset(accesses)], f.index, env)
            ):
                assert isinstance(self.writer, CountWriter)
                co.skip_equal(walkers, self.writer.add)
            co.merge(walkers, cases.visited(live))

    def _at_last_level(self, accesses: list[Access], env: Env) -> frozenset[Access]:
        """Those whose next level is their last."""
        done = {a: env.cursors[a].done if a in env.cursors else 0 for a in accesses}
        return frozenset(a for a in accesses if done[a] + 1 == len(self.ctx.storages[a.tensor].levels))

    def _kept(self, f: Forall, env: Env, accesses: list[Access], everywhere: bool, whole: bool) -> list[Access]:
        """Which of the accesses to walk, some of whose levels are not ordered: the others are asked at each coordinate.

        Such a level is walked alone, all of it, and where nothing asks for ascending coordinates.  If it must be walked
        and cannot, the loop runs over every coordinate (the planner knows, and makes an ordered copy where that is
        better).
        """
        loose = [a for a in accesses if not self._next_level(a, env).ordered or not self._in_one_go(f, env, a, whole)]
        kept = list(accesses)
        for a in loose:
            others = [x for x in kept if x != a]
            if everywhere or (others and Cases(self.ctx, f.body, others, self.start)[frozenset()] is None):
                kept = others
        alone = len(kept) == 1 and self._in_one_go(f, env, kept[0], whole) and not self._needs_order(f, env)
        return kept if alone else [a for a in kept if a not in loose]

    def _in_one_go(self, f: Forall, env: Env, access: Access, whole: bool) -> bool:
        """Whether the next level can be walked along a loop: all of it, forwards, unless its parts can be found."""
        beside = self.walked(access, env, f.index)
        plain = beside is not None and not beside.terms and not beside.const
        return self._next_level(access, env).searchable or (whole and plain and not f.reverse)

    def _needs_order(self, f: Forall, env: Env) -> bool:
        """Whether the coordinates of a loop must ascend: for the result, or for what it folds or hands on."""
        ctx, w = self.ctx, self.writer
        if f.ordered:
            return True
        for n in walk(f.body):
            if not isinstance(n, Accumulate):
                continue
            if isinstance(w, SparseWriter) and n.target.tensor == w.decl.name and w.needs_order(n.target, f.index, env):
                return True
            m = ctx.kernel.monoid(n.op)
            if m is not None and m.ordered:
                return True
        return False

    def _next_level(self, access: Access, env: Env) -> Level:
        """The next unresolved level of an access."""
        done = env.cursors[access].done if access in env.cursors else 0
        return self.ctx.storages[access.tensor].levels[done]

    def _once_is_enough(self, f: Forall, env: Env, body: loops.Stmt | None) -> bool:
        """Whether ``body``, which stands for the coordinates without entries, does the same however often it runs.

        So does folding one value into one place by a monoid in which it is idempotent: ``max`` over a sparse row takes
        in the zeros between its entries once.
        """
        if not isinstance(body, Accumulate) or body.op == "=" or f.parallel is not None:
            return False
        if body.op not in ops.MONOIDS:
            return False  # a tuple state may count its points
        monoid = ops.MONOIDS[body.op]
        nodes = [*walk(body.value), *body.target.indices]
        if any(isinstance(n, Index) and n.name == f.index for n in nodes):
            return False
        storages = self.ctx.storages
        for n in nodes:
            if not isinstance(n, Access) or n.tensor not in storages or storages[n.tensor].is_dense:
                continue
            if n not in env.cursors or env.cursors[n].done < len(storages[n.tensor].levels):
                return False
        if monoid.idempotent:
            return True
        if monoid.op is None or not isinstance(body.value, Literal):
            return False
        value = scalar(body.value.value, body.value.dtype)
        return bool(ops.evaluate(monoid.op, (value, value), body.value.dtype) == value)

    def _kept_of_equals(self, f: Forall, body: loops.Stmt | None) -> int | None:
        """How often ``body``, which stands for the coordinates without entries, need run from the first on.

        A list that keeps so many entries has no use for more of one value.
        """
        if not isinstance(body, Accumulate) or not isinstance(body.value, Literal) or f.ordered:
            return None
        work = self.ctx.works.get(body.target.tensor)
        return work.w.keep if isinstance(work, SelectWork) else None

    def _some_absent(
        self, f: Forall, env: Env, co: Coiteration, accesses: list[Access], lo: Expr, hi: Expr, whole: bool, most: int
    ) -> None:
        """Do what coordinates without entries ask for at the first ``most`` of them."""
        seen = self.b.var("seen", i64(0))

        def counted(body: loops.Stmt, inner: Env) -> None:
            self.b.set(seen, add(seen, 1))
            self.leaf(f.index, body, inner)

        walkers = [make_walker(self.ctx, a, env, lo, hi, whole, self.walked(a, env, f.index)) for a in accesses]
        absent = OnlyAbsent(self.ctx, f.body, accesses, self.start)
        Coiteration(self.ctx, f, env, absent, counted).every(walkers, lo, hi, while_=lt(seen, i64(most)))

    def _absent_once(
        self, f: Forall, env: Env, co: Coiteration, walkers: list[Walker], live: list[Subset], extent: Expr
    ) -> None:
        """Walk the entries alone, then do once what coordinates without any ask for, if there are some."""
        seen = self.b.var("seen", i64(0))
        leaf = co.leaf

        def counted(body: loops.Stmt, inner: Env) -> None:
            self.b.set(seen, add(seen, 1))
            leaf(body, inner)

        co.leaf = counted
        co.merge(walkers, [case for case in live if case])
        body = co.cases[frozenset()]
        assert body is not None
        with self.b.if_(lt(seen, extent)):
            self.stmt(body, env)

    def _mark_incomplete(self, s: loops.Stmt) -> None:
        """Some places of a dense result may not be written: it must be initialised."""
        for node in walk(s):
            w = self.ctx.writers.get(node.target.tensor) if isinstance(node, Accumulate) else None
            if isinstance(w, InsertWriter):
                w.complete = False

    def sweep(self, f: Forall, env: Env, sweeps: list[Access], walkers: list[Access]) -> None:
        """Run over the coordinates that a bitmap workspace remembers."""
        if len({a.tensor for a in sweeps}) > 1 or walkers:
            raise ScheduleError(
                f"workspace '{sweeps[0].tensor}' must be read alone in its loop over '{f.index}'",
                hint="consume it into a tensor first",
            )
        if f.reverse:
            raise ScheduleError(f"workspace '{sweeps[0].tensor}' cannot be read in reverse over '{f.index}'")
        work = self.ctx.works[sweeps[0].tensor]
        assert isinstance(work, BitmapWork)
        cases = Cases(self.ctx, f.body, sweeps, self.start)

        def body(coord: Expr) -> None:
            self.leaf(f.index, f.body, env.bind(f.index, coord))

        if cases[frozenset()] is not None:
            work.scan(self.ctx, body)
        else:
            self._mark_incomplete(f.body)
            work.sweep(self.ctx, body)

    def forall_stored(self, s: ForallStored, env: Env) -> None:
        """Every stored entry of a coordinate list (or of one compressed level), in storage order."""
        storage = self.ctx.storages[s.access.tensor]
        first, rest = storage.levels[0], storage.levels[1:]
        if not isinstance(first, CanIterate) or any(not level.branchless for level in rest):
            raise ScheduleError(
                f"'stored({s.access.tensor})' needs a coordinate list, not {storage.decl.format}",
                hint="convert the tensor to coo, or loop over its levels",
            )
        lo, hi = first.bounds(self.b, storage.views[0], i64(0), i64(1))
        self._mark_incomplete(s.body)
        there = first.present
        with (
            self.b.loop(f"p_{s.access.tensor}", lo, hi, note=f"stored {s.access.tensor}") as p,
            self.b.if_(there(self.b, storage.views[0], p)),
        ):
            for n, level in enumerate(storage.levels):
                digit = storage.coords[n].digit
                if not isinstance(level, CanIterate) or digit is None or not digit.whole:
                    raise ScheduleError(f"'stored({s.access.tensor})' needs levels that store whole dimensions")
                e = s.access.indices[digit.dim]
                assert isinstance(e, Index)
                env = env.bind(e.name, self.b.let(e.name, level.coordinate(self.b, storage.views[n], p)))
            self.stmt(s.body, env.move(s.access, Cursor(len(storage.levels), p)))


def _asked(body: loops.Stmt) -> frozenset[str]:
    """The workspaces on whose values conditions hang, so that these are needed also where entries are only counted."""
    flows: dict[str, set[str]] = {}
    names: set[str] = set()
    for n in walk(body):
        if isinstance(n, Accumulate):
            flows.setdefault(n.target.tensor, set()).update(a.tensor for a in walk(n.value) if isinstance(a, Access))
        elif isinstance(n, Guard):
            names |= {a.tensor for a in walk(n.condition) if isinstance(a, Access)}
    while more := set().union(*(flows.get(name, set()) for name in names)) - names:
        names |= more
    return frozenset(names)


def _indexed_by(access: Access, index: str) -> bool:
    return any(isinstance(e, Index) and e.name == index for e in access.indices)


def _wants_whole_chunks(s: loops.Stmt, outer: str) -> bool:
    """Does something inside gain from knowing that chunk ``outer`` is whole: a vector, unrolling, registers?"""
    for n in walk(s):
        if isinstance(n, Forall) and isinstance(n.domain, Chunk) and n.domain.outer == outer and (n.vector or n.unroll):
            return True
        if isinstance(n, Workspace) and n.kind == "registers":
            return True
    return False
