"""Kernels that call kernels: ``r = residual(A, x, b)``, and ``q, s = both(A)`` where the callee has several results.

A call is a statement by itself, and is written out: the callee's statements stand in its place with its operands and
results under the caller's names, its dimensions under those of the operands, and its locals under names of their own
(``residual_t``).  So the formats that count are the caller's, as anywhere else, and passes see one program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sparsec.errors import FormatError, ShapeError, Span, TypeError_
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.annotations import annotated
from sparsec.frontends.dsl.dimensions import Extents
from sparsec.frontends.dsl.names import FUNCTIONS, check_new, counted, unknown
from sparsec.frontends.dsl.statements import assign
from sparsec.frontends.dsl.symbols import Tensor
from sparsec.frontends.dsl.targets import Body, find_target
from sparsec.ir.dtypes import BY_NAME, I64
from sparsec.ir.rewrite import postwalk, walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Dim,
    Expr,
    Extent,
    Index,
    IndexDecl,
    Literal,
    Program,
    ScanLoop,
    Stmt,
    Stored,
    TensorDecl,
    assigns,
)

MAX_STATEMENTS = 500
"""Statements of one kernel with its calls written out."""


@dataclass(slots=True)
class Kernels:
    """The kernels of a file, analysed when one is first asked for; ``calling`` are those under way."""

    texts: Mapping[str, ast.KernelText]
    analyse: Callable[[ast.KernelText, Kernels], Program]
    programs: dict[str, Program] = field(default_factory=dict)
    calling: list[str] = field(default_factory=list)

    def program(self, name: str, span: Span | None = None) -> Program:
        """The program of a kernel; raises ``TypeError_`` for one that calls itself, at any remove."""
        if name in self.programs:
            return self.programs[name]
        if name in self.calling:
            chain = " -> ".join([*self.calling[self.calling.index(name) :], name])
            raise TypeError_(
                f"the kernel '{name}' calls itself: {chain}",
                span=span,
                hint="calls are written out; what repeats is a 'scan' block, or a loop around the kernel in Python",
            )
        self.calling.append(name)
        try:
            self.programs[name] = self.analyse(self.texts[name], self)
        finally:
            self.calling.pop()
        return self.programs[name]


def as_call(body: Body, s: ast.StatementText) -> ast.CallText | None:
    """The call of a kernel that a statement is, if it is one: a bare name on the left, a kernel's on the right."""
    if isinstance(s, ast.CallText):
        return s
    if not isinstance(s, ast.AssignText) or not isinstance(s.value, ast.Call) or body.kernels is None:
        return None
    e = s.value
    known = e.name in body.kernels.texts and e.name not in (*body.definitions.fns, *FUNCTIONS, *BY_NAME)
    if not known or s.target.indices:
        return None  # typing says what is wrong with a kernel's name elsewhere
    if s.op != "=" or s.where is not None or s.over is not None:
        raise TypeError_(
            f"the call of a kernel stands behind a plain '=', and no clause behind it: '{e.name}' is one",
            span=s.span,
            hint=f"write t = {e.name}(...) before, and use t here",
        )
    return ast.CallText(
        (ast.Name(s.target.name, s.target.span),), s.annotations, ast.Name(e.name, e.span), e.args, s.span
    )


def inlined(body: Body, c: ast.CallText) -> list[Stmt]:
    """The statements of a call; raises children of ``SparsecError`` with a span."""
    name = c.callee.id
    if body.kernels is None or name not in body.kernels.texts:
        known = () if body.kernels is None else body.kernels.texts
        raise unknown("kernel", name, known, c.callee.span, "several results on the left are those of a kernel's call")
    callee = body.kernels.program(name, c.callee.span)
    _check_count(c, "operand", len(c.args), callee.operands)
    _check_count(c, "result", len(c.targets), callee.results)
    body.number += 1
    out: list[Stmt] = []
    calling = Calling(body, c, callee)
    for t, a in zip(callee.operands, c.args, strict=True):
        out += calling.argument(t, a)
    after: list[Stmt] = []
    for t, n in zip(callee.results, c.targets, strict=True):
        after += calling.result(t, n)
    for t in callee.tensors:
        if t.role == "local":
            calling.local(t, t.name)
    body.monoids |= {m.name for m in callee.monoids}
    return [*out, *(calling.written_out(s) for s in callee.body), *after]


def _check_count(c: ast.CallText, what: str, given: int, wanted: tuple[TensorDecl, ...]) -> None:
    if given != len(wanted):
        raise TypeError_(
            f"the kernel '{c.callee.id}' has {counted(len(wanted), what)} ({', '.join(t.name for t in wanted)}), "
            f"and here {'is' if given == 1 else 'are'} {given}",
            span=c.span,
        )


@dataclass(slots=True)
class Calling:
    """One call under way: the caller's names for the callee's tensors, and extents for its dimensions."""

    body: Body
    call: ast.CallText
    callee: Program
    names: dict[str, str] = field(default_factory=dict)
    dims: dict[str, Extent] = field(default_factory=dict)

    @property
    def extents(self) -> Extents:
        return self.body.extents

    # operands

    def argument(self, t: TensorDecl, a: ast.Expr) -> list[Stmt]:
        """Bind an operand to a tensor by name, or to a scalar expression by a local that holds its value."""
        u = self.body.tensors.get(a.id) if isinstance(a, ast.Name) else None
        if not t.ndim and (u is None or (not u.ndim and u.dtype is not t.dtype)):
            made = self.local(t, t.name)
            target = ast.Target(made.name, (), a.span)
            made.defined = None
            return [assign(self.body, ast.AssignText(target, (), "=", a, None, None, a.span))]
        if u is None:
            if isinstance(a, ast.Name) and a.id not in self.body.written_at:
                raise unknown("tensor", a.id, self.body.tensors, a.span)
            if isinstance(a, ast.Name):
                raise TypeError_(f"'{a.id}' is read before it is written", span=a.span, hint="write it first")
            raise TypeError_(
                f"operand '{t.name}' of '{self.callee.name}' is a tensor's name, not an expression",
                span=a.span,
                hint="give the expression a name in a statement before: t[i] = ...",
            )
        self._check_operand(t, u, a.span)
        self._bind_dims(t, u, a.span)
        self.body.last_read[u.name] = self.body.number
        self.names[t.name] = u.name
        return []

    def _check_operand(self, t: TensorDecl, u: Tensor, span: Span) -> None:
        what = f"operand '{t.name}' of '{self.callee.name}'"
        if u.role not in ("in", "inout") and u.defined is None and u.updated is None:
            raise TypeError_(f"'{u.name}' is read before it is written", span=span, hint="write it first")
        if u.ndim != t.ndim:
            raise ShapeError(f"{what} has {counted(t.ndim, 'dimension')}, '{u.name}' has {u.ndim}", span=span)
        if u.dtype is not t.dtype:
            index = f"[{', '.join('ijklmnop'[: u.ndim])}]" if u.ndim < 9 else "[...]"
            hint = f"cast it in a statement before: t{index} = {t.dtype}({u.name}{index})"
            raise TypeError_(f"{what} is {t.dtype}, '{u.name}' is {u.dtype}", span=span, hint=hint)
        both = [f for f in (t.format, u.format) if f is not None and not f.is_dense]
        if len(both) == 2 and repr(u.decl().fill) != repr(t.fill):
            raise FormatError(
                f"{what} has fill {t.fill}, '{u.name}' has fill {u.decl().fill}",
                span=span,
                hint="what is not stored would mean another value there",
            )
        if u.role not in ("in", "inout") and any(
            isinstance(n, Stored) and n.access.tensor == t.name for s in self.callee.body for n in walk(s)
        ):
            raise TypeError_(
                f"'{self.callee.name}' asks which entries of '{t.name}' are stored, and '{u.name}' is computed here",
                span=span,
                hint="pass an operand, whose pattern the caller gave",
            )

    def _bind_dims(self, t: TensorDecl, u: Tensor, span: Span) -> None:
        for n, (d, e) in enumerate(zip(t.dims, u.dims, strict=True)):
            wanted = d if isinstance(d, int) else self.dims.setdefault(d, e)
            if not self.extents.unify(wanted, e):
                one, other = self.extents.find(wanted), self.extents.find(e)
                said = f"is {one}" if isinstance(d, int) else f"('{d}' of '{self.callee.name}') is {one} elsewhere"
                raise ShapeError(
                    f"dimension {n + 1} of '{t.name}' {said}, and {other} in '{u.name}'",
                    span=span,
                    hint=f"if {one} and {other} are always equal, write one for both",
                )

    # results and locals

    def result(self, t: TensorDecl, n: ast.Name) -> list[Stmt]:
        """Bind a result to what stands on the left; gives the statement that copies it there, if one must."""
        body, u = self.body, self.body.tensors.get(n.id)
        if u is None:
            u = self._declare(t, n)
        else:
            if u.ndim != t.ndim:
                raise ShapeError(
                    f"result '{t.name}' of '{self.callee.name}' has {counted(t.ndim, 'dimension')}, "
                    f"'{u.name}' has {u.ndim}",
                    span=n.span,
                )
            target = ast.Target(n.id, (n,) * t.ndim, n.span)
            find_target(body, ast.AssignText(target, self.call.notes, "=", n, None, None, self.call.span))
            self._bind_dims(t, u, n.span)
        if u.dtype is not t.dtype:
            raise TypeError_(f"'{u.name}' holds {u.dtype}, and '{self.callee.name}' gives {t.dtype}", span=n.span)
        u.defined = n.span
        body.last_write[u.name] = body.number
        first = next(s for s in assigns(self.callee.body) if s.target.tensor == t.name)
        if first.op == "=" or u.role != "out":
            self.names[t.name] = u.name
            return []
        # An update begins with nothing in the callee; in a result of the caller it would begin with what is passed.
        made = self.local(t, t.name)
        index = tuple(Index(f"c{k}") for k in range(t.ndim))
        decls = tuple(IndexDecl(i.name, self.extents.find(d)) for i, d in zip(index, u.dims, strict=True))
        return [Assign(Access(u.name, index, t.dtype), "=", Access(made.name, index, t.dtype), decls, span=n.span)]

    def _declare(self, t: TensorDecl, n: ast.Name) -> Tensor:
        check_new("tensor", n)
        body = self.body
        for d in t.dims:
            if isinstance(d, str) and d not in self.dims:
                hint = f"make '{n.id}' a result of this kernel, with its dimensions"
                raise ShapeError(f"nothing says the extent '{d}' of '{self.callee.name}'", span=n.span, hint=hint)
        notes = annotated(self.call.notes, t.ndim, body.definitions, typed=True)
        fmt = notes.format if notes.formatted else t.format
        fill = t.fill if notes.fill is None else notes.fill_of(t.dtype)
        dtype = notes.dtype or t.dtype
        u = Tensor(n.id, dtype, self._mapped(t.dims), fmt, fill, "local", n.span, notes.fill_span)
        body.tensors[n.id] = u
        return u

    def local(self, t: TensorDecl, hint: str) -> Tensor:
        """A tensor of the callee under a new name of the caller."""
        body = self.body
        name, n = f"{self.callee.name}_{hint}", 1
        while name in body.tensors or name in body.written_at:
            n += 1
            name = f"{self.callee.name}_{hint}{n}"
        made = Tensor(name, t.dtype, self._mapped(t.dims), t.format, t.fill, "local", self.call.span)
        made.defined = self.call.span
        body.tensors[name] = made
        self.names[t.name] = name
        return made

    def _mapped(self, dims: tuple[Extent, ...]) -> tuple[Extent, ...]:
        return tuple(d if isinstance(d, int) else self.extents.find(self.dims[d]) for d in dims)

    # statements

    def written_out(self, s: Stmt) -> Stmt:
        """A statement of the callee in the caller's terms."""
        if isinstance(s, ScanLoop):
            inner = tuple(a for x in s.body if isinstance(a := self.written_out(x), Assign))
            return replace(s, index=self._index(s.index), body=inner)
        target = self._renamed(s.target)
        assert isinstance(target, Access)
        where = None if s.where is None else self._renamed(s.where)
        indices = tuple(self._index(i) for i in s.indices)
        return replace(s, target=target, value=self._renamed(s.value), where=where, indices=indices)

    def _index(self, i: IndexDecl) -> IndexDecl:
        return IndexDecl(i.name, *self._mapped((i.extent,)))

    def _renamed(self, e: Expr) -> Expr:
        def rewrite(n: object) -> Expr | None:
            if isinstance(n, Access):
                return replace(n, tensor=self.names[n.tensor])
            if isinstance(n, Dim):
                (extent,) = self._mapped((n.name,))
                return Literal(extent, I64, span=n.span) if isinstance(extent, int) else Dim(extent, span=n.span)
            return None

        return postwalk(e, rewrite)


def check_length(statements: int, span: Span) -> None:
    """Raise ``TypeError_`` for a program that has become too long."""
    if statements > MAX_STATEMENTS:
        raise TypeError_(
            f"the kernel has more than {MAX_STATEMENTS} statements when its calls are written out",
            span=span,
            hint="call the parts one by one from Python",
        )


__all__ = ["Kernels", "as_call", "check_length", "inlined"]
