"""State of one lowering from loops to buffers: names, extents, storages, workspaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from sparsec.errors import ScheduleError, UnsupportedError
from sparsec.formats.level import Level, LevelView
from sparsec.ir import ops
from sparsec.ir.buffer import Buffer, BufferParam, Const, Expr, Function, Origin, Param, ScalarParam, Stmt, Var, i64
from sparsec.ir.build import Builder, add, cast, load, op
from sparsec.ir.dtypes import I64, DType
from sparsec.ir.loops import Kernel
from sparsec.ir.tensor import Access, Dim, Extent, Index, Literal, Map, TensorDecl
from sparsec.ir.tensor import Expr as TExpr


@dataclass(slots=True)
class Storage:
    """A tensor that can be read: its levels, the dimension each stores, its values.

    ``fold`` is the monoid with which entries of equal coordinates are combined on reading (sorted lists).
    """

    decl: TensorDecl
    levels: tuple[Level, ...]
    dims: tuple[int, ...]
    views: tuple[LevelView, ...]
    values: Buffer
    fold: str | None = None

    @property
    def is_dense(self) -> bool:
        return all(level.full for level in self.levels)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an access has been resolved: ``done`` levels, the positions ``lo..hi`` beneath them."""

    done: int
    lo: Expr
    hi: Expr | None = None  # None: exactly the position lo


@dataclass(frozen=True, slots=True)
class Env:
    """What is known at a point of the loop nest: values of index variables, cursors of accesses.

    ``full_chunks`` holds the outer indices of chunks known to be whole here.
    """

    indices: dict[str, Expr] = field(default_factory=dict)
    cursors: dict[Access, Cursor] = field(default_factory=dict)
    full_chunks: frozenset[str] = frozenset()

    def bind(self, name: str, value: Expr) -> Env:
        return replace(self, indices={**self.indices, name: value})

    def move(self, access: Access, cursor: Cursor) -> Env:
        return replace(self, cursors={**self.cursors, access: cursor})


class Work(Protocol):
    """A workspace in scope: something accumulated into and read."""

    sparse: bool

    def read(self, ctx: Context, access: Access, env: Env) -> Expr: ...

    def update(self, ctx: Context, access: Access, op: str, value: TExpr, env: Env) -> None: ...


class Writer(Protocol):
    """A result (or local) under construction."""

    sparse: bool

    def update(self, ctx: Context, access: Access, op: str, value: TExpr, env: Env) -> None: ...


class Context:
    """Everything the lowering of one kernel shares."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.b = Builder()
        self.params: list[Param] = []
        self.dims: dict[str, Expr] = {}
        self.storages: dict[str, Storage] = {}
        self.works: dict[str, Work] = {}
        self.writers: dict[str, Writer] = {}
        self.helpers: dict[str, Function] = {}
        self.setup: list[Stmt] = []  # where workspaces are allocated: once a worker, not once an iteration
        self.publishing: list[Stmt] = []  # results are handed over when the kernel ends
        self.counting = False
        self._declare()

    # declarations

    def _declare(self) -> None:
        for t in self.kernel.tensors:
            for d in t.dims:
                if isinstance(d, str) and d not in self.dims:
                    self.dims[d] = Var(self.b.fresh(f"dim_{d}"), I64)
        operands = [t for t in self.kernel.tensors if t.role == "in"]
        for t in operands:
            views = self.views(t)
            for level, view in zip(self.levels(t), views, strict=True):
                for role in level.scalars():
                    var = Var(self.b.fresh(f"{t.name}_{role}{view.number}"), I64)
                    view.scalars[role] = var
                    self.params.append(ScalarParam(var))
                for role, dtype in level.arrays().items():
                    name = self.b.fresh(f"{t.name}_{role}{view.number}")
                    view.arrays[role] = Buffer(name, dtype, Origin(t.name, view.number, role))
                    self.params.append(BufferParam(view.arrays[role], "in"))
            values = Buffer(self.b.fresh(f"{t.name}_vals"), t.dtype, Origin(t.name, -1, "vals"))
            self.params.append(BufferParam(values, "in"))
            self.storages[t.name] = Storage(t, self.levels(t), self.order(t), views, values)
        for t in self.kernel.tensors:
            if t.role not in ("out", "inout"):
                continue
            if self.format_is_dense(t):
                values = Buffer(self.b.fresh(f"{t.name}_vals"), t.dtype, Origin(t.name, -1, "vals"))
                self.params.append(BufferParam(values, "out"))
                self.storages[t.name] = Storage(t, self.levels(t), self.order(t), self.views(t), values)
                continue
            if t.role == "inout":
                hint = "read it as an operand, and assemble a result of another name"
                raise ScheduleError(f"the sparse tensor '{t.name}' cannot be updated in place", hint=hint)
            for n, level in enumerate(self.levels(t)):
                for role, dtype in level.arrays().items():
                    origin = Origin(t.name, n, role)
                    self.params.append(
                        BufferParam(Buffer(self.b.fresh(f"{t.name}_{role}{n}_out"), dtype, origin), "result")
                    )
            origin = Origin(t.name, -1, "vals")
            self.params.append(BufferParam(Buffer(self.b.fresh(f"{t.name}_vals_out"), t.dtype, origin), "result"))
        self.params += [ScalarParam(v) for v in self.dims.values() if isinstance(v, Var)]

    def levels(self, t: TensorDecl) -> tuple[Level, ...]:
        assert t.format is not None
        return tuple(spec.type for spec in t.format.levels)

    def order(self, t: TensorDecl) -> tuple[int, ...]:
        assert t.format is not None
        return t.format.order

    def format_is_dense(self, t: TensorDecl) -> bool:
        assert t.format is not None
        return t.format.is_dense

    def views(self, t: TensorDecl) -> tuple[LevelView, ...]:
        return tuple(LevelView(t.name, n, self.extent(t.dims[d])) for n, d in enumerate(self.order(t)))

    def extent(self, e: Extent) -> Expr:
        return i64(e) if isinstance(e, int) else self.dims[e]

    def absent(self, access: Access) -> Literal:
        """The value of an access without an entry."""
        work = self.works.get(access.tensor)
        if work is not None:
            return Literal(work.w.init, work.w.dtype, fill=True)  # type: ignore[attr-defined]
        t = self.storages[access.tensor].decl
        return Literal(t.fill, t.dtype, fill=True)

    def allocate(self, emit: Callable[[], None]) -> None:
        """Run ``emit``; what it emits goes before the enclosing parallel loop's body, or to the kernel's start."""
        with self.b.collect() as stmts:
            emit()
        self.setup.extend(stmts)

    # expressions

    def expr(self, e: TExpr, env: Env) -> Expr:
        """The value of a tensor expression at this point of the nest."""
        match e:
            case Literal():
                return Const(e.value, e.dtype)
            case Index():
                return env.indices[e.name]
            case Dim():
                return self.dims[e.name]
            case Access():
                return self.read(e, env)
            case Map():
                args = tuple(self.expr(a, env) for a in e.args)
                return cast(args[0], e.dtype) if e.op == "cast" else op(e.op, *args, type=e.dtype)
        raise UnsupportedError(f"'{type(e).__name__.lower()}' cannot run yet", span=e.span)

    def read(self, access: Access, env: Env) -> Expr:
        if access.tensor in self.works:
            return self.works[access.tensor].read(self, access, env)
        storage = self.storages[access.tensor]
        if storage.is_dense:
            return load(storage.values, self.address(storage, access, env))
        cursor = env.cursors[access]
        assert cursor.done == len(storage.levels), f"{access.tensor} is not resolved here"
        first = load(storage.values, cursor.lo)
        if storage.fold is None or cursor.hi is None:
            return first
        total = self.b.var("folded", first)
        with self.b.loop("q", add(cursor.lo, 1), cursor.hi, note=f"fold {access.tensor}") as q:
            self.b.set(total, combine(storage.fold, total, load(storage.values, q)))
        return total

    def address(self, storage: Storage, access: Access, env: Env) -> Expr:
        """The position of an access to a tensor all of whose levels can be computed."""
        pos: Expr = i64(0)
        for level, d, view in zip(storage.levels, storage.dims, storage.views, strict=True):
            pos, _ = level.locate(self.b, view, pos, self.expr(access.indices[d], env))  # type: ignore[attr-defined]
        return pos


def combine(op_name: str, old: Expr, new: Expr) -> Expr:
    """``old`` folded with ``new`` by a monoid's operator; float additions may be reassociated."""
    operator = ops.MONOIDS[op_name].op
    assert operator is not None
    if operator == "add" and isinstance(old.type, DType) and old.type.kind in "fc":
        return op("radd", old, new, type=old.type)
    return op(operator, old, new)
