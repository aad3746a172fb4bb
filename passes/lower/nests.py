"""Loop nests to buffer IR: the statements of a kernel, one method each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from sparsec.errors import ScheduleError, UnsupportedError
from sparsec.formats.level import CanIterate, CanLocate, CanSpan, Level
from sparsec.ir import loops
from sparsec.ir.buffer import FALSE, TRUE, Block, Expr, Function, Module, Tile, Var, i64
from sparsec.ir.build import add, both, lt, mul, op, sub
from sparsec.ir.dtypes import I64
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
from sparsec.ir.loops_writes import written
from sparsec.ir.rewrite import walk
from sparsec.ir.schedule import cannot_run
from sparsec.ir.tensor import Access, Index, Literal
from sparsec.ir.variables import mentioned
from sparsec.passes.lower import lockstep, padding, panels, parallel
from sparsec.passes.lower.assembly import assemble
from sparsec.passes.lower.bounds import Bounds, cut, solved
from sparsec.passes.lower.coiterate import (
    Cases,
    Subset,
    probe,
)
from sparsec.passes.lower.context import Context, Cursor, Env, Work
from sparsec.passes.lower.coordinates import Linear, merge, relations
from sparsec.passes.lower.guarded import entry
from sparsec.passes.lower.merging import coiterate
from sparsec.passes.lower.overflow import FAR
from sparsec.passes.lower.parting import deciding, parted
from sparsec.passes.lower.repeated import done_once, folded
from sparsec.passes.lower.scatter import ScatterWriter
from sparsec.passes.lower.selection import selected
from sparsec.passes.lower.simplify import prune, substitute
from sparsec.passes.lower.stretches import MOST, over_stretches
from sparsec.passes.lower.tuples import TupleWork
from sparsec.passes.lower.windows import Part, assumed, bounded
from sparsec.passes.lower.working import workspace
from sparsec.passes.lower.workspaces import BitmapWork
from sparsec.passes.lower.writers import InsertWriter, SparseWriter, UpdateWriter


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
    return Module((entry, *ctx.helpers.values()), tuple(ctx.notes))


class Lowerer:
    """Walks a kernel's statements; ``ctx`` holds what has been declared."""

    def __init__(self, kernel: Kernel) -> None:
        self.ctx = Context(kernel)
        self.b = self.ctx.b
        self.starts: dict[str, object] = {}
        self.known: dict[int, tuple[loops.Stmt, list[Access]]] = {}  # what each statement reads
        self.writer: SparseWriter | InsertWriter | None = None
        self.dealt: dict[str, tuple[loops.Domain, Expr, Expr]] = {}  # the part of a loop, over this, that is done here
        self.dealing = False  # are we inside of a parallel loop?
        for t in kernel.tensors:
            if t.role == "inout":  # loops written by hand update it where they like
                self.ctx.writers[t.name] = UpdateWriter(self.ctx, t)

    @contextmanager
    def scope(self, name: str, init: object, work: Work | None = None) -> Iterator[None]:
        """A workspace in scope, which begins as ``init``; without ``work`` nothing is emitted for it."""
        self.starts[name] = init
        if work is not None:
            self.ctx.works[name] = work
        try:
            yield
        finally:
            del self.starts[name]
            if work is not None:
                del self.ctx.works[name]

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
                workspace(self, s, env)
            case Accumulate():
                self.accumulate(s, env)
            case Guard():
                self.guard(s, env)
            case Assemble():
                assemble(self, s, env)
            case loops.Tile():
                self.tile(s, env)
            case loops.Let():
                self.let(s, env)
            case loops.Check():
                self.check(s, env)

    # reads

    def reads(self, s: loops.Stmt) -> list[Access]:
        """Every access the statement reads, once each, in order."""
        known = self.known.get(id(s))
        if known is not None:
            return known[1]
        seen: dict[Access, None] = {}
        for node in walk(s):
            if isinstance(node, Accumulate | Guard | loops.Let | loops.Check):
                for n in walk(node.condition if isinstance(node, Guard) else node.value):
                    if isinstance(n, Access):
                        for e in n.indices:  # what an index reads comes before what it indexes
                            seen.update((inner, None) for inner in walk(e) if isinstance(inner, Access))
                        seen.setdefault(n)
        self.known[id(s)] = s, list(seen)  # the statement is kept, so that its id stays its own
        return self.known[id(s)][1]

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

        Full levels are computed; others are searched, and the statement is emitted here for both outcomes (``done``):
        inside of what makes a result, which begins whatever is found.
        """
        if any(isinstance(n, loops.Assemble) for n in walk(s)):
            return s, env, False
        for access in self.sparse_reads(s):
            storage = self.ctx.storages[access.tensor]
            if self.moves(access, s):
                continue
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
                if inside is None and (access, cursor.done) in env.within:
                    assert isinstance(level, CanLocate)
                    view = self.ctx.placed(access, cursor.done, env, cursor.lo)
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
                self.mark_lost(s, rest)
                self.b.if_else(found, have, lack)
                return s, env, True
        return s, env, False

    def moves(self, access: Access, s: loops.Stmt) -> bool:
        """Does ``s`` write what an index of ``access`` reads, so that its place is to be looked for further inside?

        Raises ``UnsupportedError`` where one place is asked before what its index reads is written, and after.
        """
        data = {n.tensor for e in access.indices for n in walk(e) if isinstance(n, Access)}
        if not data or isinstance(s, Accumulate) or data.isdisjoint(written(s)):
            return False
        if not isinstance(s, Guard) or access not in walk(s.condition):
            return True
        if not isinstance(s.body, Accumulate) and access in self.reads(s.body):
            raise UnsupportedError(
                f"'{access.tensor}' is read at a computed place, before and after what that comes from is written",
                hint="ask the condition in a statement of its own",
            )
        return False

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
            self.mark_incomplete(s)
        elif isinstance(target, TupleWork):
            target.fold(self.ctx, s, env)
        elif target.sparse and (found := entry(s, self.start)) is not None:
            # An operand that is absent here has made a guard of the value: where that does not hold is no entry.
            self.guard(Guard(found.condition, replace(s, value=found.value)), env)
        else:
            target.update(self.ctx, s.target, s.op, s.value, env)

    def guard(self, s: Guard, env: Env) -> None:
        condition = self.ctx.expr(s.condition, env)
        self.mark_incomplete(s.body)
        if condition == TRUE:
            self.stmt(s.body, env)
        elif condition != FALSE:
            with self.b.if_(condition):
                self.stmt(s.body, assumed(self.ctx, s.condition, env))

    def let(self, s: loops.Let, env: Env) -> None:
        """An index computed from others; the loop around may have seen to it that it lies inside."""
        value = self.b.let(s.index, self.ctx.value(self.ctx.form(s.value, env), env))
        inner = env.bind(s.index, value)
        if s.index in env.inside:
            self.stmt(s.body, inner)
            return
        self.mark_incomplete(s.body)
        with self.b.if_(both(op("le", i64(0), value), lt(value, self.bounds(s.domain, env)[1]))):
            self.stmt(s.body, inner)

    def check(self, s: loops.Check, env: Env) -> None:
        value = self.b.let("index", self.ctx.expr(s.value, env))
        outside = op("or", lt(value, i64(0)), op("le", self.ctx.extent(s.extent), value))
        self.b.abort_if(outside, "twice" if s.once else "index")

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
        in_order = all(self.next_level(a, env).searchable for a in walkers)
        if not isinstance(f.domain, loops.Full) or not in_order:
            return Bounds(), f
        ctx = self.ctx
        found, body = cut(
            f.body,
            f.index,
            form=lambda e: ctx.form(e, env, f.index),
            known=lambda rest: f.index not in rest.needs() and ctx.is_steady(rest, env),
            only_equal=bool(walkers),
        )
        if found:
            self.mark_incomplete(f.body)
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
        while isinstance(node, loops.Let | Guard):
            if isinstance(node, Guard):  # where it does not hold nothing happens, inside or not
                node = node.body
                continue
            factor, rest = self.ctx.form(node.value, env, f.index).split(f.index)
            near = rest.tame() if _reads(rest) or abs(rest.const) > FAR else rest
            if not factor or near is None or not self.ctx.is_steady(rest, env):
                break
            shift = self.b.let("shift", self.ctx.value(near, env))
            least, end = solved(factor, shift, self.bounds(node.domain, env)[1])
            lo = self.b.let("lo", op("max", lo, least))
            hi = self.b.let("hi", op("min", hi, end))
            names.add(node.index)
            self.mark_incomplete(node.body)
            node = node.body
        if lo is not first:
            lo = self.b.let("lo", op("min", lo, last))
        if hi is not last:
            hi = self.b.let("hi", op("max", lo, hi))
        return lo, hi, replace(env, inside=frozenset(names))

    def forall(self, f: Forall, env: Env) -> None:
        env = replace(env, relations=merge(env.relations, relations(f)), written=written(f.body))
        walkers = []
        sweeps = [
            a
            for a in self.reads(f.body)
            if isinstance(self.ctx.works.get(a.tensor), BitmapWork) and _indexed_by(a, f.index)
        ]
        for access in self.sparse_reads(f.body):
            if self.walked(access, env, f.index) is not None:
                level = self.next_level(access, env)
                # A level that can only be probed restricts nothing: ``_resolve`` asks it at each coordinate.
                if not level.full and isinstance(level, CanIterate):
                    walkers.append(access)
        bounds, f = self.cut(f, env, walkers) if not sweeps else (Bounds(), f)
        env = bounded(env, f.index, bounds.least, bounds.ends)
        with self._following(f, env):
            if sweeps:
                self.sweep(f, env, sweeps, walkers)
            elif windows := deciding(self, f, env, walkers):
                parted(self, f, env, windows, walkers, bounds)
            else:
                self.walk(f, env, walkers, bounds)

    def walk(self, f: Forall, env: Env, walkers: list[Access], bounds: Bounds, part: Part | None = None) -> None:
        """A forall whose operands are walked, go by runs, or can only be asked; a ``part`` of it alone."""
        if walkers or f.vector or f.unroll or f.parallel:
            self.check_marks(f, bool(walkers))
        if walkers:
            coiterate(self, f, env, walkers, bounds, part)
        elif spans := self._spans(f, env):
            self.stretches(f, env, spans, bounds, part)
        elif part is None and not bounds and (rows := lockstep.find(self, f, env)) is not None:
            lockstep.emit(self, f, env, rows)
        else:
            self.plain(f, env, bounds, part)

    def check_marks(self, f: Forall, walked: bool) -> None:
        """Loops that follow entries cannot have what was asked of them; that they run on one thread is said."""
        if walked and (f.vector or f.unroll or f.parallel):
            what = "in vectors" if f.vector else "unrolled" if f.unroll else "in parallel"
            why = "it follows the entries of its operands"
            raise cannot_run(f.index, f.asked, what, why, "loops over all coordinates can")
        if walked and f.parallel is not None:
            self.ctx.notes[f"the loop over {f.index} follows entries, so it runs on one thread"] = None

    def _spans(self, f: Forall, env: Env) -> list[Access]:
        """The accesses whose next level stores runs along ``f``, if the loop can go from run to run."""
        if not isinstance(f.domain, loops.Full) or isinstance(f.body, loops.Let) or f.reverse:
            return []
        reads = [a for a in self.sparse_reads(f.body) if self._counts_rows(a, env, f.index)]
        spans = [a for a in reads if isinstance(self.next_level(a, env), CanSpan)]
        self.ctx.note_left_out(f"the loop over {f.index} goes by the runs of {MOST} operands at most", spans[MOST:])
        return spans[:MOST]

    def stretches(self, f: Forall, env: Env, accesses: list[Access], bounds: Bounds, part: Part | None) -> None:
        """Every coordinate, from run to run of ``accesses``."""
        cases = Cases(self.ctx, f.body, accesses, self.start)
        self.mark_cases(f.body, cases)
        if not cases.live():
            return
        lo, hi, env = self.clipped(f, env, bounds) if part is None else (part.lo, part.hi, env)

        def run(present: Subset, body: loops.Stmt, env: Env, lo: Expr, hi: Expr) -> None:
            once = folded(self, f, env, body, present)
            if once is not None:
                length = self.b.let("length", sub(hi, lo))
                self.leaf(f.index, once, env.bind(f.index, lo).bind(f"{f.index}@length", length))
                return
            with self.b.loop(f.index, self.b.let("from", lo), self.b.let("to", hi)) as var:
                self.leaf(f.index, body, env.bind(f.index, var))

        over_stretches(self.ctx, f.index, (lo, hi), env, accesses, cases, run)

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
                    self.descend(w, stack)
            self.stmt(body, env)

    def descend(self, w: SparseWriter, stack: ExitStack) -> None:
        """Take the writer down the levels that have one coordinate alone."""
        while w.depth < len(w.levels) and w.coords[w.depth].constant:
            w.enter("")
            w.entered += 1
            stack.callback(w.exit)
            stack.callback(self._left, w)
            stack.enter_context(w.coordinate(i64(0)))

    def _left(self, w: SparseWriter) -> None:
        w.entered -= 1

    def plain(self, f: Forall, env: Env, bounds: Bounds, part: Part | None = None) -> None:
        """Every coordinate of the domain, or of ``part`` of it."""
        if part is None and isinstance(f.domain, Chunks) and padding.wants_whole_chunks(self.ctx, f.body, f.index):
            self._chunked(f, env)
            return
        around = env
        lo, hi, env = self.clipped(f, env, bounds) if part is None else (part.lo, part.hi, env)
        if (dealt := self._dealt(f)) is not None:
            first, end = dealt
            lo, hi = self.b.let("lo", op("max", lo, first)), self.b.let("hi", op("min", hi, end))
        if f.parallel is not None and self.can_run_parallel(part):
            self.parallel(f, env, lo, hi)
            return
        mark = f"vector<{f.vector}>" if f.vector else "unroll" if f.unroll else ""
        if isinstance(f.domain, Chunk) and part is not None:
            begin = self.bounds(f.domain, env)[0]
            with self.b.loop(f.index, lo, hi) as var:
                coord = self.b.let(f.index, sub(add(lo, sub(hi, 1)), var)) if f.reverse else var
                self.leaf(f.index, f.body, env.bind(f.index, coord).bind(f"{f.index}@local", sub(coord, begin)))
            return
        if isinstance(f.domain, Chunk):
            whole = f.domain.outer in env.full_chunks and env.inside == around.inside and not bounds
            trip = i64(f.domain.size) if whole else self.b.let("trip", sub(hi, lo))
            mark = mark if whole or not f.unroll else "rest"
            if whole:  # and so are its own chunks
                env = replace(env, full_chunks=env.full_chunks | {f.index})
            with self.b.loop(f.index, i64(0), trip, mark=mark, asked=f.asked) as step:
                local = self.b.let("place", sub(sub(trip, 1), step)) if f.reverse else step
                inner = env.bind(f.index, self.b.let(f.index, add(lo, local))).bind(f"{f.index}@local", local)
                self.leaf(f.index, f.body, inner)
            return
        if part is None and done_once(self, f, env, f.body):
            with self.b.if_(lt(lo, hi)):
                self.stmt(f.body, env)
            return
        with self.b.loop(f.index, lo, hi, mark=mark, asked=f.asked) as var:
            coord = self.b.let(f.index, sub(add(lo, sub(hi, 1)), var)) if f.reverse else var
            self.leaf(f.index, f.body, env.bind(f.index, coord))

    def _chunked(self, f: Forall, env: Env) -> None:
        """Whole chunks get a body of constant trip counts, the last one a general body."""
        assert isinstance(f.domain, Chunks)
        _, chunks = self.bounds(f.domain, env)
        extent, size = self.ctx.extent(f.domain.extent), f.domain.size
        narrower = [*panels.narrower(f, self.sparse_reads(f.body))]

        def whole_chunk(number: Expr, chunk: loops.Stmt) -> None:
            bound = env.bind(f.index, number)
            self.leaf(f.index, chunk, replace(bound, full_chunks=env.full_chunks | {f.index}))

        def left(first: Expr, size: int) -> None:
            """What comes after the last whole chunk of ``size``, the one before ``first``."""
            chunk = f.body
            for n, chunk in narrower:
                begin, end = mul(first, size // n), self.b.let("whole", op("floordiv", extent, i64(n)))
                if size == 2 * n:
                    with self.b.if_(lt(begin, end)):
                        whole_chunk(begin, chunk)
                else:
                    with self.b.loop(f.index, begin, end) as var:
                        whole_chunk(var, chunk)
                first, size = end, n
            if size > 1:
                with self.b.if_(lt(mul(first, size), extent)):
                    self.leaf(f.index, chunk, env.bind(f.index, first))

        def body(var: Expr) -> None:
            whole = op("le", mul(add(var, 1), size), extent)
            with self.b.collect() as full:
                whole_chunk(var, f.body)
            with self.b.collect() as cut:
                if narrower:
                    left(var, size)
                else:
                    self.leaf(f.index, f.body, env.bind(f.index, var))
            self.b.if_else(whole, full, cut)

        if f.parallel is not None and self.can_run_parallel():
            self._in_parallel(f, i64(0), chunks, body)
            return
        # One loop over whole chunks, and what is left: neither asks which it is.
        whole = self.b.let("whole", op("floordiv", extent, i64(size)))
        first, end = self._dealt(f) or (i64(0), chunks)
        with self.b.loop(f.index, first, op("min", whole, end) if f.index in self.dealt else whole) as var:
            whole_chunk(var, f.body)
        with self.b.if_(both(lt(first, chunks), op("le", chunks, end)) if f.index in self.dealt else TRUE):
            left(whole, size)

    def can_run_parallel(self, part: Part | None = None) -> bool:
        """Not in parts of a loop where the writer deals it out itself, once."""
        w = self.writer
        if w is None or self.dealing:
            return False
        return w.parallel and not (part and isinstance(w, ScatterWriter))

    def parallel(self, f: Forall, env: Env, lo: Expr, hi: Expr) -> None:
        """Iterations handed out in chunks: of a given number, or of about equal work where entries can be counted."""

        def body(var: Expr) -> None:
            self.leaf(f.index, f.body, env.bind(f.index, var))

        reads = self.sparse_reads(f.body)
        rows = [(a, env.cursors.get(a, Cursor(0, i64(0)))) for a in reads if self._counts_rows(a, env, f.index)]
        before = [] if f.parallel else parallel.counters(self.ctx, rows)
        w = self.writer
        if isinstance(w, ScatterWriter):
            parallel.balanced(self.ctx, f.index, lo, hi, before, w.share, self._dealing(body), w.start_part)
        elif before:
            share = parallel.worth(parallel.inner_trips(self.ctx, f, reads))
            parallel.balanced(self.ctx, f.index, lo, hi, before, share, self._dealing(body))
        else:
            self._in_parallel(f, lo, hi, body)

    def _counts_rows(self, access: Access, env: Env, index: str) -> bool:
        """Is the coordinate of the next level ``index`` itself?"""
        rest = self.walked(access, env, index)
        return rest is not None and not rest.terms and not rest.const

    def _in_parallel(self, f: Forall, lo: Expr, hi: Expr, body: Callable[[Expr], None]) -> None:
        ctx, trips = self.ctx, sub(hi, lo)
        if f.parallel:
            parallel.in_chunks(ctx, f.index, lo, hi, i64(f.parallel), self._dealing(body))
            return
        inner = parallel.inner_trips(ctx, f, self.sparse_reads(f.body))
        g = self._next(f)
        if g is None:
            parallel.in_chunks(ctx, f.index, lo, hi, parallel.equal_grain(ctx, trips, inner), self._dealing(body))
            return
        size, trips = ctx.domain_size(g.domain), self.b.let("trips", trips)
        pieces, share = parallel.pieces(ctx, trips, size)

        def piece(t: Expr) -> None:
            first = self.b.let("first", op("min", size, mul(op("mod", t, pieces), share)))
            self.dealt[g.index] = g.domain, first, self.b.let("end", op("min", size, add(first, share)))
            body(self.b.let(f.index, add(lo, op("floordiv", t, pieces))))
            del self.dealt[g.index]

        each = op("max", i64(1), op("floordiv", inner, pieces))
        grain = parallel.equal_grain(ctx, mul(trips, pieces), each)
        parallel.in_chunks(ctx, f.index, i64(0), mul(trips, pieces), grain, self._dealing(piece))

    def _dealing(self, body: Callable[[Expr], None]) -> Callable[[Expr], None]:
        def run(var: Expr) -> None:
            self.dealing = True
            body(var)
            self.dealing = False

        return run

    def _dealt(self, f: Forall) -> tuple[Expr, Expr] | None:
        """The part of the loop that is done here, if others have the rest: those chunks that begin in it."""
        if f.index not in self.dealt:
            return None
        domain, first, end = self.dealt[f.index]
        if not isinstance(domain, Chunks) or not isinstance(f.domain, Chunks) or domain.size == f.domain.size:
            return first, end
        old, new = domain.size, f.domain.size
        begin, stop = (self.b.let("first", op("floordiv", add(mul(n, old), new - 1), i64(new))) for n in (first, end))
        return begin, stop

    def _next(self, f: Forall) -> Forall | None:
        """The loop right inside of ``f`` that may be dealt out with it: one that no entries decide."""
        g = f.body
        if not isinstance(g, Forall) or g.parallel is None or not isinstance(self.writer, InsertWriter):
            return None
        chunks = (n for n in walk(g.body) if isinstance(n, Forall) and isinstance(n.domain, Chunk))
        own = {g.index, *(n.index for n in chunks if n.domain.outer == g.index)}  # type: ignore[union-attr]
        lets = {v for n in walk(g.body) if isinstance(n, loops.Let) for v in mentioned(n.value)}
        stored = {v for a in self.sparse_reads(f.body) for v in mentioned(*a.indices)}
        works = any(isinstance(self.ctx.works.get(a.tensor), BitmapWork) for a in self.reads(g.body))
        return None if own & (lets | stored) or works else g

    def next_level(self, access: Access, env: Env) -> Level:
        """The next unresolved level of an access."""
        done = env.cursors[access].done if access in env.cursors else 0
        return self.ctx.storages[access.tensor].levels[done]

    def mark_lost(self, s: loops.Stmt, left: loops.Stmt | None) -> None:
        """What absent entries take away of ``s`` is not written there: beside it, what is ``left`` may still be."""
        kept = set() if left is None else {n.target.tensor for n in walk(left) if isinstance(n, Accumulate)}
        for node in walk(s):
            if isinstance(node, Accumulate) and node.target.tensor not in kept:
                self.mark_incomplete(node)

    def mark_cases(self, s: loops.Stmt, cases: Cases) -> None:
        """What ``s`` writes may stay unwritten where some case leaves it out."""
        live = cases.live()
        if len(live) < 2 ** len(cases.accesses):
            self.mark_incomplete(s)
        for case in live:
            self.mark_lost(s, cases[case])

    def mark_incomplete(self, s: loops.Stmt) -> None:
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
            self.mark_incomplete(f.body)
            work.sweep(self.ctx, body, selected(self.ctx, f, work))

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
        self.mark_incomplete(s.body)
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


def _reads(form: Linear) -> bool:
    return any(isinstance(n, Access) for atom in form.terms for n in walk(atom))


def _indexed_by(access: Access, index: str) -> bool:
    return any(isinstance(e, Index) and e.name == index for e in access.indices)
