"""The tensors of a program while its statements are read, and what a statement may write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sparsec.errors import ShapeError, Span, SyntaxError_, TypeError_, nearest
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.annotations import annotated, check_order
from sparsec.frontends.dsl.dimensions import Extents
from sparsec.frontends.dsl.names import check_new, counted
from sparsec.frontends.dsl.symbols import Definitions, Tensor
from sparsec.frontends.dsl.typing import CONSTANTS
from sparsec.ir.dtypes import DType

if TYPE_CHECKING:
    from sparsec.frontends.dsl.calls import Kernels


@dataclass(slots=True)
class Body:
    """The tensors of a program and what is known of its statements.

    ``dims`` are the dimensions that have names, none in bare statements (``declared`` is False).  ``written_at`` says
    where the text writes each name first, ``last_read`` and ``last_write`` in which statement (``number`` counts them)
    so far; ``kernels`` are those that statements may call.  In a scan block ``guesses`` collects the dtypes of a
    recurrence while they are inferred.
    """

    source: str
    definitions: Definitions
    tensors: dict[str, Tensor]
    dims: frozenset[str] = frozenset()
    declared: bool = True
    extents: Extents = field(default_factory=Extents)
    monoids: set[str] = field(default_factory=set)
    written_at: dict[str, Span] = field(default_factory=dict)
    number: int = 0
    last_read: dict[str, int] = field(default_factory=dict)
    last_write: dict[str, int] = field(default_factory=dict)
    guesses: dict[str, DType] | None = None
    kernels: Kernels | None = None

    def collect_targets(self, body: tuple[ast.StatementText, ...]) -> None:
        """Note what is written where, for errors about names that are read too early."""
        for s in body:
            if isinstance(s, ast.ScanText):
                self.collect_targets(s.body)
            elif isinstance(s, ast.CallText):
                for n in s.targets:
                    self.written_at.setdefault(n.id, n.span)
            else:
                self.written_at.setdefault(s.target.name, s.target.span)


def find_target(body: Body, s: ast.AssignText) -> Tensor:
    """The tensor that a statement writes, declared if nothing has named it before.

    Raises children of ``SparsecError`` for an operand, a second ``=``, the wrong number of indices.
    """
    name, span = s.target.name, s.target.span
    t = body.tensors.get(name)
    if t is None:
        t = declare(body, s)
    elif s.annotations and t.span != span:
        hint = f"its type stands at line {t.span.line}" if t.span else "its type is that of what is passed"
        raise SyntaxError_(f"'{name}' is declared already", span=s.annotations[0].span, hint=hint)
    if t.role == "in":
        results = [r.name for r in body.tensors.values() if r.role == "out" and r.defined is None]
        raise TypeError_(
            f"'{name}' is an operand, and only results and locals are written",
            span=span,
            hint=nearest(name, results) or "name a result behind '->'; a call may pass it memory by out=",
        )
    if t.ndim != len(s.target.indices):
        given = counted(len(s.target.indices), "index")
        example = f"{name}[{', '.join('ijklmnop'[: t.ndim])}]" if t.ndim else name
        form = f"write {example} = ..." if t.ndim < 9 else None
        raise ShapeError(f"'{name}' has {counted(t.ndim, 'dimension')}, and here {given}", span=span, hint=form)
    if s.op == "=" and t.defined is not None:
        raise TypeError_(
            f"'{name}' is defined already, at line {t.defined.line}",
            span=span,
            hint="give the second value a name of its own, or update it: += *= min= max= |= &=",
        )
    if s.op == "=" and t.updated is not None:
        raise TypeError_(
            f"'{name}' is updated already, at line {t.updated.line}, and '=' would throw that away",
            span=span,
            hint="define it first and update it then",
        )
    return t


def declare(body: Body, s: ast.AssignText) -> Tensor:
    """A new local (of bare statements: maybe a result) over the index variables of its first left side."""
    name, span = s.target.name, s.target.span
    check_new("tensor", ast.Name(name, span))
    dims = []
    for n, i in enumerate(s.target.indices):
        if not isinstance(i, ast.Name) or i.id in body.tensors or i.id in CONSTANTS:
            hint = f"make '{name}' a result of the kernel, with its dimensions"
            if not body.declared:
                hint = f"pass '{name}', or write a kernel, whose signature says it"
            raise ShapeError(f"nothing says the extent of dimension {n + 1} of '{name}'", span=i.span, hint=hint)
        dims.append(body.extents.open(i.id))
    check_order(name, len(dims), span)
    notes = annotated(s.annotations, len(dims), body.definitions, typed=True)
    fill = notes.fill if notes.dtype is None else notes.fill_of(notes.dtype)
    t = Tensor(name, notes.dtype, tuple(dims), notes.format, fill, "local", span, notes.fill_span)
    body.tensors[name] = t
    return t
