"""State of one lowering from loops to buffers: names, extents, storages, workspaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Protocol

from sparsec.errors import ScheduleError, UnsupportedError
from sparsec.formats.coords import Coord
from sparsec.formats.format import Format
from sparsec.formats.level import CanWindow, Level, LevelView
from sparsec.formats.linear import Bound
from sparsec.ir import ops
from sparsec.ir.buffer import (
    TRUE,
    Buffer,
    BufferParam,
    Const,
    Expr,
    Function,
    Origin,
    Param,
    ScalarParam,
    Stmt,
    Var,
    i64,
)
from sparsec.ir.build import Builder, add, both, cast, load, lt, mul, op, sub
from sparsec.ir.dtypes import I64, DType
from sparsec.ir.index_values import must_lie_inside
from sparsec.ir.loops import Chunk, Chunks, Domain, Full, Kernel, Span
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import RESULTS, Access, Dim, Extent, Index, Literal, Map, Stored, TensorDecl
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.coordinates import Linear, Relations, digit_domain, level_expr, linear, surely_inside


@dataclass(slots=True)
class Storage:
    """A tensor that can be read: its levels, what each stores of the dimensions, its values.

    ``fold`` is the monoid with which entries of equal coordinates are combined on reading (sorted lists).
    """

    decl: TensorDecl
    levels: tuple[Level, ...]
    coords: tuple[Coord, ...]
    views: tuple[LevelView, ...]
    values: Buffer
    fold: str | None = None
    codes: dict[str, Buffer] = field(default_factory=dict)  # by role, where the values are encoded

    def load(self, b: Builder, pos: Expr) -> Expr:
        """The value at a position."""
        fmt = self.decl.format
        if not self.codes or fmt is None or fmt.values is None:
            return load(self.values, pos)
        return fmt.values.decode(b, self.codes, pos, self.decl.dtype)

    @property
    def is_dense(self) -> bool:
        return self.decl.format is not None and self.decl.format.is_dense


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an access has been resolved: ``done`` levels, the positions ``lo..hi`` beneath them.

    ``view`` is that of the next level where it has been placed beneath its parent.
    """

    done: int
    lo: Expr
    hi: Expr | None = None  # None: exactly the position lo
    view: LevelView | None = None


@dataclass(frozen=True, slots=True)
class Env:
    """What is known at a point of the loop nest: values of index variables, cursors of accesses.

    ``full_chunks`` holds the outer indices of chunks known to be whole here, ``inside`` the computed indices known to
    lie in their domains, ``relations`` what the loops and lets around say of index variables.  ``within`` has accesses
    with the number of a level whose coordinate lies in its window, ``facts`` what is at least 0 here, as the loops and
    conditions around say.  ``written`` has the tensors that the loop here, or the one just around, writes to.
    """

    indices: dict[str, Expr] = field(default_factory=dict)
    cursors: dict[Access, Cursor] = field(default_factory=dict)
    full_chunks: frozenset[str] = frozenset()
    inside: frozenset[str] = frozenset()
    relations: Relations = field(default_factory=Relations)
    within: frozenset[tuple[Access, int]] = frozenset()
    facts: tuple[Linear, ...] = ()
    written: frozenset[str] = frozenset()

    def bind(self, name: str, value: Expr) -> Env:
        return replace(self, indices={**self.indices, name: value})

    def move(self, access: Access, cursor: Cursor) -> Env:
        return replace(self, cursors={**self.cursors, access: cursor})


class Work(Protocol):
    """A workspace in scope: something accumulated into and read.

    One that is ``sparse`` has an entry wherever something was accumulated; in others to fold the identity does nothing.
    """

    sparse: bool

    def read(self, ctx: Context, access: Access, env: Env) -> Expr: ...

    def update(self, ctx: Context, access: Access, op: str, value: TExpr, env: Env) -> None: ...


class Writer(Protocol):
    """A result (or local) under construction, ``sparse`` as a workspace is."""

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
        self.counting = False  # entries are only counted
        self.valued = True  # False: the pattern alone is asked for
        self.notes: dict[str, None] = {}  # for ``explain``, once each: a nest may be emitted twice
        self._level_exprs: dict[Access, tuple[TExpr, ...]] = {}
        self.asked: frozenset[str] = frozenset()  # workspaces whose values matter while counting
        self._declare()

    @property
    def computes(self) -> bool:
        """Whether the values of what is assembled matter here."""
        return self.valued and not self.counting

    def note_left_out(self, rule: str, others: Sequence[Access]) -> None:
        """Say that ``others`` are asked at each coordinate because of a bound, which ``rule`` names."""
        if others:
            names = ", ".join(dict.fromkeys(f"'{a.tensor}'" for a in others))
            note = f"{rule}; asked at each coordinate instead: {names} (fewer in one statement are not)"
            self.notes[note] = None

    # declarations

    def _declare(self) -> None:
        for t in self.kernel.tensors:
            for d in t.dims:
                if isinstance(d, str) and d not in self.dims:
                    self.dims[d] = Var(self.b.fresh(f"dim_{d}"), I64)
        for t in self.kernel.tensors:
            if t.role == "in":
                self.storages[t.name] = self._given(t, self._pattern_params(t), "in")
        patterns = {t.name: self._pattern_params(t) for t in self.kernel.tensors if t.role == "values"}
        for t in self.kernel.tensors:
            if t.role not in RESULTS:
                continue
            if self.format_is_dense(t) or t.name in patterns:
                self.storages[t.name] = self._given(t, patterns.get(t.name, self.views(t)), "out")
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

    def _pattern_params(self, t: TensorDecl) -> tuple[LevelView, ...]:
        """Parameters for the numbers and arrays of every level."""
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
        return views

    def _given(self, t: TensorDecl, views: tuple[LevelView, ...], mode: str) -> Storage:
        """A tensor whose values are a parameter."""
        codes: dict[str, Buffer] = {}
        if t.format is not None and t.format.values is not None:
            for role, dtype in t.format.values.arrays(t.dtype).items():
                codes[role] = Buffer(self.b.fresh(f"{t.name}_{role}"), dtype, Origin(t.name, -1, role))
        values = codes.get("vals") or Buffer(self.b.fresh(f"{t.name}_vals"), t.dtype, Origin(t.name, -1, "vals"))
        self.params += [BufferParam(b, mode) for b in codes.values() or (values,)]
        return Storage(t, self.levels(t), self.coords(t), views, values, codes=codes)

    def levels(self, t: TensorDecl) -> tuple[Level, ...]:
        assert t.format is not None
        return tuple(spec.type for spec in t.format.levels)

    def coords(self, t: TensorDecl) -> tuple[Coord, ...]:
        assert t.format is not None
        return t.format.coords

    def format_is_dense(self, t: TensorDecl) -> bool:
        assert t.format is not None
        return t.format.is_dense

    def views(self, t: TensorDecl) -> tuple[LevelView, ...]:
        views: list[LevelView] = []
        for n, c in enumerate(self.coords(t)):
            around = views[-1].extent if views else None
            views.append(LevelView(t.name, n, self.level_extent(c, t.dims), around))
        return tuple(views)

    def level_extent(self, coord: Coord, dims: Sequence[Extent]) -> Expr:
        """How many coordinates a level has that stores ``coord``."""
        if coord.digit is not None and coord.digit.whole:
            return self.extent(dims[coord.digit.dim])
        parts = [self.domain_size(digit_domain(d, dims[d.dim])) for _, d in coord.terms]
        return parts[0] if len(parts) == 1 else self.sum_extent(parts)

    def extent(self, e: Extent) -> Expr:
        return i64(e) if isinstance(e, int) else self.dims[e]

    def domain_size(self, domain: Domain) -> Expr:
        """How many coordinates a domain has; all of a chunk's, though the last one be cut."""
        match domain:
            case Full(extent):
                return self.extent(extent)
            case Chunks(extent, size):
                return self.b.let("nchunks", op("floordiv", add(self.extent(extent), size - 1), i64(size)))
            case Chunk(_, size):
                return i64(size)
            case Span(parts):
                return self.sum_extent([self.domain_size(part) for part in parts])

    def sum_extent(self, parts: Sequence[Expr]) -> Expr:
        """How many values a sum has whose terms have as many as ``parts`` says."""
        total = self.b.let("span", sub(reduce(add, parts), len(parts) - 1))
        empty = reduce(either, (op("eq", p, i64(0)) for p in parts))
        return self.b.let("span", op("select", empty, i64(0), total))

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
            case Stored():
                # Where it has no entry, the case analysis has put false in its place.
                return TRUE
            case Map():
                args = tuple(self.expr(a, env) for a in e.args)
                return cast(args[0], e.dtype) if e.op == "cast" else op(e.op, *args, type=e.dtype)
        raise UnsupportedError(f"'{type(e).__name__.lower()}' cannot run yet", span=e.span)

    def read(self, access: Access, env: Env) -> Expr:
        if access.tensor in self.works:
            return self.works[access.tensor].read(self, access, env)
        storage = self.storages[access.tensor]
        if storage.is_dense:
            inside = self.inside(access, env)
            if inside is None:
                return storage.load(self.b, self.address(storage, access, env))
            value = self.b.var("read", Const(storage.decl.fill, storage.decl.dtype))
            with self.b.if_(inside):
                self.b.set(value, storage.load(self.b, self.address(storage, access, env)))
            return value
        cursor = env.cursors[access]
        assert cursor.done == len(storage.levels), f"{access.tensor} is not resolved here"
        first = storage.load(self.b, cursor.lo)
        if storage.fold is None or cursor.hi is None:
            return first
        total = self.b.var("folded", first)
        with self.b.loop("q", add(cursor.lo, 1), cursor.hi, note=f"fold {access.tensor}") as q:
            self.b.set(total, combine(storage.fold, total, storage.load(self.b, q)))
        return total

    def folded(self, op_name: str, old: Expr, value: TExpr, env: Env) -> Expr:
        """What holds ``old`` after ``value``."""
        v = self.expr(value, env)
        return v if op_name == "=" else combine(op_name, old, v)

    def address(self, storage: Storage, access: Access, env: Env) -> Expr:
        """The position of an access to a tensor all of whose levels can be computed."""
        pos: Expr = i64(0)
        for level, c, view in zip(storage.levels, storage.coords, storage.views, strict=True):
            assert c.digit is not None and c.digit.whole
            pos, _ = level.locate(self.b, view, pos, self.expr(access.indices[c.digit.dim], env))  # type: ignore[attr-defined]
        return pos

    # coordinates

    def level_exprs(self, access: Access) -> tuple[TExpr, ...]:
        """What each level of the accessed tensor (or each dimension of the workspace) holds, by index variables."""
        if access not in self._level_exprs:
            storage = self.storages.get(access.tensor)
            decl = storage.decl if storage is not None else self.kernel.tensor(access.tensor)
            stored = storage.coords if storage is not None else self.coords(decl)
            self._level_exprs[access] = tuple(level_expr(c, decl.dims, access.indices) for c in stored)
        return self._level_exprs[access]

    def form(self, e: TExpr, env: Env, walking: str | None = None) -> Linear:
        """``e`` in linear form, seen from here (and a loop over ``walking``)."""
        return linear(e, {*env.indices, *([walking] if walking is not None else [])}, env.relations)

    def level_linear(self, access: Access, n: int, env: Env, walking: str | None = None) -> Linear:
        """The coordinate of level ``n`` in linear form, seen from here (and a loop over ``walking``)."""
        return self.form(self.level_exprs(access)[n], env, walking)

    def coordinate(self, access: Access, n: int, env: Env, early: bool = False) -> Expr | None:
        """The coordinate of level ``n``, if every index it depends on has a value.

        ``early``: also where an index that is computed further inside, and may lie outside there, could be computed.
        """
        form = self.level_linear(access, n, env if early else replace(env, relations=env.relations.without_lets()))
        if not self.is_known(form, env):
            return None
        # The difference of i + 1 and i is known at once; whether they lie inside is not.
        storage = self.storages.get(access.tensor)
        places = [access.indices[d] for d in storage.coords[n].dims] if storage is not None and not early else []
        # Nor is there any i where its dimension is empty: a level with a place for each coordinate has none then, and
        # a coordinate that is a number needs no loop that would see to it.
        fixed = not any(isinstance(v, Index) for term in form.terms for v in walk(term))
        empty = storage is not None and storage.levels[n].spread and fixed
        checked = [e for e in places if empty or not isinstance(e, Index)]
        if any(isinstance(v, Index) and v.name not in env.indices for e in checked for v in walk(e)):
            return None
        return self.value(form, env)

    def bound(self, access: Access, bound: Bound, env: Env, walking: str | None = None) -> Linear:
        """A bound of a level of ``access`` in linear form, seen from here (and a loop over ``walking``)."""
        total = Linear({}, bound.const)
        for key, n in bound.terms:
            total = total.plus(self.form(self.stored_expr(access, key), env, walking).times(n))
        return total

    def stored_expr(self, access: Access, key: str) -> TExpr:
        """What the level of ``access`` holds whose coordinate is written ``key``, by index variables."""
        stored = [str(spec.coord) for spec in self.format_of(access).levels]
        return self.level_exprs(access)[stored.index(key)]

    def format_of(self, access: Access) -> Format:
        decl = self.decl_of(access)
        assert decl is not None and decl.format is not None
        return decl.format

    def placed(self, access: Access, n: int, env: Env, parent: Expr) -> LevelView:
        """The view of level ``n`` beneath ``parent``: with its window, if it has one."""
        storage = self.storages[access.tensor]
        level, view = storage.levels[n], storage.views[n]
        cursor = env.cursors.get(access)
        if cursor is not None and cursor.done == n and cursor.view is not None:
            return cursor.view
        if not isinstance(level, CanWindow):
            return view
        above: dict[str, Expr] = {}
        for m, spec in enumerate(self.format_of(access).levels[:n]):
            if str(spec.coord) in level.outer:
                coord = self.coordinate(access, m, env, early=True)
                assert coord is not None, f"level {m} of {access.tensor} is not known where {level} is read"
                above[str(spec.coord)] = coord
        return level.place(self.b, view, parent, above)

    def walked(self, access: Access, n: int, env: Env, index: str) -> Linear | None:
        """What stands beside ``index`` in the coordinate of level ``n``, if that is ``index`` plus what is known."""
        rest = self.level_linear(access, n, env, index).without(index)
        if rest is None or not self.is_steady(rest, env):
            return None
        storage = self.storages.get(access.tensor)
        coord = None if storage is None else storage.coords[n]
        # A diagonal is there for j + 1 also where that is past the last column: each place is asked.
        shifted = coord is not None and any(not isinstance(access.indices[d], Index) for d in coord.dims)
        return None if coord is not None and shifted and len(coord.terms) > 1 else rest

    def is_known(self, form: Linear, env: Env) -> bool:
        """Can it be computed here: are its indices bound, and the sparse tensors that it reads resolved?"""
        if not form.needs() <= env.indices.keys():
            return False
        for a in (n for atom in form.terms for n in walk(atom) if isinstance(n, Access)):
            storage = self.storages.get(a.tensor)
            done = env.cursors[a].done if a in env.cursors else 0
            if storage is not None and not storage.is_dense and done < len(storage.levels):
                return False
        return True

    def is_steady(self, form: Linear, env: Env) -> bool:
        """Is it known before a loop, and the same in all of it?"""
        reads = (n.tensor for atom in form.terms for n in walk(atom) if isinstance(n, Access))
        return self.is_known(form, env) and env.written.isdisjoint(reads)

    def value(self, form: Linear, env: Env) -> Expr:
        """A linear form as an expression."""
        total: Expr | None = i64(form.const) if form.const or not form.terms else None
        for atom, c in sorted(form.terms.items(), key=lambda item: item[1] < 0):
            term = self.expr(atom, env)
            if total is None:
                total = term if c == 1 else mul(term, c)
            elif c < 0:
                total = sub(total, term if c == -1 else mul(term, -c))
            else:
                total = add(total, term if c == 1 else mul(term, c))
        assert total is not None
        return total

    def inside(self, access: Access, env: Env, level: int | None = None) -> Expr | None:
        """Whether the access lies inside its tensor in the dimensions of ``level`` (or all); None if it surely does.

        A plain index variable does, and so does an index read from data, which was checked before, unless
        conditions guard it.
        """
        decl = self.decl_of(access)
        if decl is None:
            return None
        dims = range(decl.ndim) if level is None else sorted(self.storages[access.tensor].coords[level].dims)
        tests: list[Expr] = []
        for d in dims:
            e = access.indices[d]
            if isinstance(e, Index) or must_lie_inside(e) or surely_inside(e, decl.dims[d]):
                continue
            place = self.b.let("place", self.expr(e, env))
            tests += [op("le", i64(0), place), lt(place, self.extent(decl.dims[d]))]
        return both(*tests) if tests else None

    def decl_of(self, access: Access) -> TensorDecl | None:
        """The declaration of what is accessed; None for a workspace."""
        if access.tensor in self.works:
            return None
        storage = self.storages.get(access.tensor)
        decl = storage.decl if storage is not None else self.kernel.tensor(access.tensor)
        return decl if decl.format is not None else None


def either(a: Expr, b: Expr) -> Expr:
    return op("or", a, b)


def combine(op_name: str, old: Expr, new: Expr) -> Expr:
    """``old`` folded with ``new`` by a monoid's operator; float additions may be reassociated."""
    operator = ops.MONOIDS[op_name].op
    assert operator is not None
    if operator == "add" and isinstance(old.type, DType) and old.type.kind in "fc":
        return op("radd", old, new, type=old.type)
    return op(operator, old, new)
