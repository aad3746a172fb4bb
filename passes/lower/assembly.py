"""``assemble``: a result's writer, and the passes over its body that it asks for."""

from __future__ import annotations

from contextlib import ExitStack
from functools import reduce
from typing import TYPE_CHECKING

from sparsec.errors import ScheduleError
from sparsec.formats.level import CanSpan
from sparsec.ir import loops
from sparsec.ir.buffer import Comment, Expr, i64
from sparsec.ir.build import add
from sparsec.ir.loops import Accumulate, Assemble, Forall, Workspace
from sparsec.ir.loops_bounded import bound
from sparsec.ir.loops_exact import conditions
from sparsec.ir.loops_writes import operators
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Index, TensorDecl
from sparsec.passes.lower.bounded import BoundedWriter
from sparsec.passes.lower.context import Env, Storage
from sparsec.passes.lower.known import FillWriter
from sparsec.passes.lower.scatter import ScatterWriter
from sparsec.passes.lower.simplify import prune, substitute
from sparsec.passes.lower.writers import AppendWriter, CountWriter, InsertWriter, SparseWriter, UpdateWriter

if TYPE_CHECKING:
    from sparsec.passes.lower.nests import Lowerer


def assemble(low: Lowerer, s: Assemble, env: Env) -> None:
    ctx = low.ctx
    decl = ctx.kernel.tensor(s.tensor)
    outer, around = low.writer, (ctx.valued, ctx.asked)
    low.b.emit(Comment(f"{s.tensor}: {s.method}"))
    if s.method == "update":
        low.starts.pop(s.tensor, None)
        low.writer = ctx.writers[s.tensor] = UpdateWriter(ctx, decl)
        low.stmt(s.body, env)
        low.writer = outer
        if decl.role != "inout":
            del ctx.writers[s.tensor]
        return
    low.starts[s.tensor] = decl.fill
    ctx.valued = decl.role != "pattern"
    ctx.asked = asked = frozenset() if ctx.valued else _asked(s.body)
    if s.method == "insert":
        first, *others = operators(s.body, s.tensor) or ("=",)
        insert = InsertWriter(ctx, decl, None if first == "=" else first)
        if others or any(a.tensor == s.tensor for a in low.reads(s.body)):
            insert.complete = False  # a recurrence: what it reads, or updates, too early is the fill
        low.writer = ctx.writers[s.tensor] = insert
        with low.b.collect() as body:
            low.stmt(s.body, env)
        for stmt in ([] if insert.complete else insert.initialise(ctx)) + body:
            low.b.emit(stmt)
    elif s.method == "append":
        append = AppendWriter(ctx, decl, _entries(low, s.body))
        low.writer = ctx.writers[s.tensor] = append
        _write(low, append, s.body, env)
        append.close()
    elif s.method == "bounded":
        most = bound(s.body, s.tensor)
        assert most is not None  # the verifier has seen to it
        low.writer = ctx.writers[s.tensor] = bounded = BoundedWriter(ctx, decl, most)
        _write(low, bounded, s.body, env)
        bounded.close()
    elif s.method in ("count", "scatter"):
        count = CountWriter(ctx, decl) if s.method == "count" else _scatter(low, decl, s.body)
        low.writer = ctx.writers[s.tensor] = count
        if count.needs_counts:
            ctx.counting, ctx.asked = True, _asked(s.body)
            _write(low, count, s.body, env)
            ctx.counting, ctx.asked = False, asked
        count.start_filling()
        _write(low, count, s.body, env)
        count.close()
    elif s.method == "fill":
        low.writer = ctx.writers[s.tensor] = fill = FillWriter(ctx, decl)
        _write(low, fill, s.body, env)
    else:
        raise ScheduleError(f"'{s.tensor}' cannot be assembled by '{s.method}'", hint=", ".join(loops.METHODS))
    ctx.valued, ctx.asked = around
    low.writer = outer
    del ctx.writers[s.tensor]


def _write(low: Lowerer, w: SparseWriter, body: loops.Stmt, env: Env) -> None:
    with ExitStack() as stack:
        low.descend(w, stack)
        rest = prune(body, low.start, low.ctx.kernel.monoids)  # a constant that is the fill is no entry
        if rest is not None:
            low.stmt(rest, env)


def _scatter(low: Lowerer, decl: TensorDecl, body: loops.Stmt) -> ScatterWriter:
    """The writer for loops that bring about as many entries as the sparse operands have, or all places there are."""
    outermost = next((n for n in walk(body) if isinstance(n, Forall)), None)
    read = {a.tensor: low.ctx.storages[a.tensor] for a in low.sparse_reads(body)}
    if read:
        work = reduce(add, (_positions(low, storage) for storage in read.values()))
    else:
        work = low.b.product("work", *(low.ctx.extent(d) for d in decl.dims))
    return ScatterWriter(low.ctx, decl, outermost, work)


def _positions(low: Lowerer, storage: Storage) -> Expr:
    """How many positions a tensor stores."""
    size: Expr = i64(1)
    for level, view in zip(storage.levels, storage.views, strict=True):
        size = low.b.let("most", level.size(low.b, view, size))
    return size


def _entries(low: Lowerer, body: loops.Stmt) -> Expr | None:
    """A number that the entries cannot pass: the positions of the one sparse tensor that decides where they are.

    It is known where plain loops run over the coordinates of that tensor and nothing else.
    """
    names: list[str] = []
    while isinstance(body, Forall):
        names.append(body.index)
        body = body.body
    reads = low.sparse_reads(body) if isinstance(body, Accumulate) and body.op == "=" else []
    if len(reads) != 1 or any(a.tensor in low.ctx.works for a in low.reads(body)):
        return None
    (access,) = reads
    if sorted(names) != sorted(e.name if isinstance(e, Index) else "" for e in access.indices):
        return None
    if prune(substitute(body, {access: low.ctx.absent(access)}), low.start, low.ctx.kernel.monoids) is not None:
        return None
    storage = low.ctx.storages[access.tensor]
    if any(isinstance(level, CanSpan) for level in storage.levels):
        return None  # a position stands for many coordinates
    return _positions(low, storage)


def _asked(body: loops.Stmt) -> frozenset[str]:
    """The workspaces on whose values conditions hang, so that these are needed also where entries are only counted."""
    flows: dict[str, set[str]] = {}
    names = {a.tensor for c in conditions(body) for a in walk(c) if isinstance(a, Access)}
    names |= {n.name for n in walk(body) if isinstance(n, Workspace) and n.keep is not None}  # values decide what stays
    for n in walk(body):
        if isinstance(n, Accumulate):
            flows.setdefault(n.target.tensor, set()).update(a.tensor for a in walk(n.value) if isinstance(a, Access))
    while more := set().union(*(flows.get(name, set()) for name in names)) - names:
        names |= more
    return frozenset(names)


__all__ = ["assemble"]
