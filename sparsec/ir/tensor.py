"""Tensor IR: *what* is computed.

Grammar of the textual form (``tensor_text.py`` prints and parses it)::

    program  := "program" NAME "{" monoid* decl* stmt* ("schedule" directive)* "}"      those of ``schedule.py``
    decl     := role NAME ":" DTYPE ["[" extent ("," extent)* "]"] [format] ["fill" "(" literal ")"]
    role     := "in" | "out" | "inout" | "local" | "pattern" | "values"
    extent   := INT | NAME                              a number, or a dimension's name
    stmt     := assign | "scan" index ["reverse"] "{" assign* "}"
    assign   := access op expr ["where" expr] ["for" index ("," index)*]
    op       := "=" | MONOID "="                        '=' defines, 'add=' and kin update
    index    := NAME "<" extent
    expr     := literal ":" DTYPE | "fill" "(" literal ")" ":" DTYPE | NAME | access | "dim" "(" NAME ")"
              | OP ["[" literal "]"] "(" expr, ... ")" | "cast" "[" DTYPE "]" "(" expr ")"
              | "reduce" "." MONOID "[" names "]" body ":" DTYPE
              | "scan" "." MONOID "[" NAME ["," "exclusive"] ["," "reverse"] "]" body
              | "softmax" "[" names "]" body
              | "top" "[" group ("," group)* ":" INT "]" body
              | "stored" "(" access ")"
    body     := "(" expr ["where" expr] ")"
    group    := NAME ["/" INT]                          the whole fibre along NAME, or groups of INT
    access   := NAME "[" [expr ("," expr)*] "]"         a scalar is  s[]
    monoid   := "monoid" NAME params ["ordered"] "{"
                    "zero" "=" exprs  ["skip" "=" literal ":" DTYPE]  "lift" params "=" exprs  "value" "=" expr
                    "combine" "(" params "," params ")" "=" exprs "}"
    params   := "(" NAME [":" DTYPE] ("," NAME [":" DTYPE])* ")"
    exprs    := "(" expr ("," expr)* ")"

``literal`` and ``format`` are those of ``text.py``; no format says that the compiler chooses one.
An index variable has no brackets; a tensor access always does.  Arguments of an operator have the types that ``ops.py``
asks for: frontends insert the casts.  Spans take no part in equality or hashing.

Example::

    program residual {
      in A: f64[m, n] csr fill(0.0)
      in x: f64[n] dense fill(0.0)
      in b: f64[m] dense fill(0.0)
      out r: f64[m] dense fill(0.0)
      r[i] = sub(b[i], reduce.add[j](mul(A[i, j], x[j])):f64) for i < m, j < n
    }
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from functools import reduce

from sparsec.errors import Span
from sparsec.formats.format import Format
from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, I64, DType
from sparsec.ir.node import node
from sparsec.ir.schedule import Directive

Extent = int | str
"""A number, or the name of a dimension whose extent is known when the kernel is called."""


def _span() -> Span | None:
    return field(default=None, compare=False, repr=False, kw_only=True)


@node
class Literal:
    """A constant.  ``fill`` marks the value of an *unstored* entry, which annihilates even inf and NaN."""

    value: object
    dtype: DType
    fill: bool = False
    span: Span | None = _span()


@node
class Index:
    """An index variable: the place of an access, or its value (i64)."""

    name: str
    span: Span | None = _span()

    @property
    def dtype(self) -> DType:
        return I64


@node
class Dim:
    """The extent of a named dimension, as a value (i64)."""

    name: str
    span: Span | None = _span()

    @property
    def dtype(self) -> DType:
        return I64


@node
class Access:
    """``tensor[indices]``; a scalar has no indices.  An index is an ``Index``, or any i64 expression."""

    tensor: str
    indices: tuple[Expr, ...]
    dtype: DType
    span: Span | None = _span()


@node
class Map:
    """A scalar operator of ``ops.OPS`` applied point by point; ``cast`` takes its target from ``dtype``.

    ``zero`` is that of the semiring which an operator multiplies in: an argument that is not stored and reads as it
    decides the product.
    """

    op: str
    args: tuple[Expr, ...]
    dtype: DType
    zero: bool | int | float | complex | None = None
    span: Span | None = _span()

    def forced(self, place: int, value: object) -> object | None:
        """``ops.forced`` of this operator, and the semiring's zero."""
        if self.zero is not None and value == self.zero:
            return self.zero
        return ops.forced(self.op, place, value)


@node
class Reduce:
    """Fold ``body`` over ``indices`` where ``where`` holds; ``body.dtype == dtype`` but for argmin/argmax (i64)."""

    monoid: str
    indices: tuple[str, ...]
    body: Expr
    dtype: DType
    where: Expr | None = None
    span: Span | None = _span()


@node
class Scan:
    """Running fold along ``index``."""

    monoid: str
    index: str
    body: Expr
    dtype: DType
    exclusive: bool = False
    reverse: bool = False
    where: Expr | None = None
    span: Span | None = _span()


@node
class Softmax:
    """exp(body - max) / sum of it, over ``indices``, which it keeps."""

    indices: tuple[str, ...]
    body: Expr
    dtype: DType
    where: Expr | None = None
    span: Span | None = _span()


@node
class Top:
    """True at the ``k`` greatest keys of each fibre along ``groups``: pairs (index, group size or None)."""

    groups: tuple[tuple[str, int | None], ...]
    k: int
    key: Expr
    where: Expr | None = None
    span: Span | None = _span()

    @property
    def dtype(self) -> DType:
        return BOOL


@node
class Stored:
    """Is there an entry at this access?"""

    access: Access
    span: Span | None = _span()

    @property
    def dtype(self) -> DType:
        return BOOL


Expr = Literal | Index | Dim | Access | Map | Reduce | Scan | Softmax | Top | Stored


def elsewhere(e: object) -> tuple[str, ...]:
    """The indices along which a scan, a softmax or a selection reads other points than the one that it is asked for."""
    match e:
        case Scan():
            return (e.index,)
        case Softmax():
            return e.indices
        case Top():
            return tuple(g for g, _ in e.groups)
    return ()


def past(e: Expr, variable: str) -> int | None:
    """How far an index lies past ``variable``, where it is that and a number."""
    match e:
        case Index(name=v):
            return 0 if v == variable else None
        case Map("add", (Index(name=v), Literal(value=int(n)))) | Map("add", (Literal(value=int(n)), Index(name=v))):
            return n if v == variable else None
        case Map("sub", (Index(name=v), Literal(value=int(n)))):
            return -n if v == variable else None
    return None


def with_names(e: Expr, name: Callable[[str], str]) -> Expr:
    """A node, not what it is made of, with other names for the indices that it uses and does not bind."""
    match e:
        case Index():
            return Index(name(e.name), span=e.span)
        case Scan():
            return replace(e, index=name(e.index))
        case Softmax():
            return replace(e, indices=tuple(map(name, e.indices)))
        case Top():
            return replace(e, groups=tuple((name(g), n) for g, n in e.groups))
    return e


def joined(op: str, parts: Iterable[Expr], dtype: DType) -> Expr:
    """``parts``, of which there is one at least, joined by ``op`` from the left."""
    return reduce(lambda a, b: Map(op, (a, b), dtype), parts)


@node
class IndexDecl:
    """An index variable of a statement and its extent."""

    name: str
    extent: Extent


@node
class Assign:
    """``target = value where ...``; ``op`` is "=" or a monoid's name (an update in place).

    ``indices`` declares every index variable of the statement: those of the target in its order, then the reduced ones.
    """

    target: Access
    op: str
    value: Expr
    indices: tuple[IndexDecl, ...]
    where: Expr | None = None
    span: Span | None = _span()


@node
class ScanLoop:
    """``scan i { ... }``: the statements run once for each i, in order, and may read what they wrote."""

    index: IndexDecl
    body: tuple[Assign, ...]
    reverse: bool = False
    span: Span | None = _span()

    @property
    def statements(self) -> tuple[Assign, ...]:
        """The statements of the block, its variable among their own."""
        return tuple(replace(a, indices=(self.index, *a.indices)) for a in self.body)


Stmt = Assign | ScanLoop


def assigns(body: tuple[Stmt, ...]) -> Iterator[Assign]:
    """The assignments of ``body`` in the order of the text, those of scan blocks among them."""
    for s in body:
        if isinstance(s, Assign):
            yield s
        else:
            yield from s.body


RESULTS = ("out", "inout", "pattern", "values")
"""The roles of tensors that the caller gets."""


@node
class TensorDecl:
    """A tensor of the program; ``role`` is "in", "out", "inout" or "local".

    Two roles stand for "out" of a sparse result where one half of it is asked for: "pattern", whose values are the
    fill, and "values", which go into a pattern that the caller passes.

    ``format is None`` on an operand means "auto", on a local "the compiler chooses"; ``fill`` is a Python scalar.
    An operand that is ``part_of`` a composite one stands for some of its terms or factors.
    """

    name: str
    dtype: DType
    dims: tuple[Extent, ...]
    format: Format | None
    fill: bool | int | float | complex
    role: str
    part_of: str | None = None
    span: Span | None = _span()

    @property
    def ndim(self) -> int:
        return len(self.dims)


@node
class MonoidDef:
    """A monoid whose state is not its value: state names, zero, lift(x), value, combine((a...), (b...)).

    Expressions use 0-order accesses named as in the definition; f64 stands for the type of what is reduced
    (``monoids.typed`` puts it in).  A second name of ``lift`` is the point's place: its number, row-major over the
    indices of the reduction, an i64.  To reduce ``skip`` is declared to change no value, so that nobody need do it.
    """

    name: str
    states: tuple[str, ...]
    zero: tuple[Expr, ...]
    lift_arg: str
    lift: tuple[Expr, ...]
    value: Expr
    left: tuple[str, ...]
    right: tuple[str, ...]
    combine: tuple[Expr, ...]
    ordered: bool = False
    place: str | None = None
    skip: Literal | None = None
    span: Span | None = _span()

    @property
    def lifted(self) -> tuple[str, ...]:
        """The names that ``lift`` takes."""
        return (self.lift_arg,) if self.place is None else (self.lift_arg, self.place)

    @property
    def parts(self) -> tuple[Expr, ...]:
        """All of its expressions."""
        skip = () if self.skip is None else (self.skip,)
        return (*self.zero, *skip, *self.lift, self.value, *self.combine)


@node
class Program:
    """A kernel: its tensors (operands in signature order, results in theirs, then locals) and statements.

    One of ``bare`` statements has no signature, and so no names of dimensions that its writer knows.
    """

    name: str
    tensors: tuple[TensorDecl, ...]
    body: tuple[Stmt, ...]
    monoids: tuple[MonoidDef, ...] = ()
    schedule: tuple[Directive, ...] = ()
    bare: bool = field(default=False, compare=False, repr=False, kw_only=True)
    span: Span | None = _span()
    _text: str | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def text(self) -> str:
        """All of it as text, in which -0.0 is not 0.0 and NaN is NaN: what code made of it is kept under."""
        if self._text is None:
            object.__setattr__(self, "_text", repr(self))
        assert self._text is not None
        return self._text

    def tensor(self, name: str) -> TensorDecl:
        for t in self.tensors:
            if t.name == name:
                return t
        raise KeyError(name)

    @property
    def operands(self) -> tuple[TensorDecl, ...]:
        return tuple(t for t in self.tensors if t.role in ("in", "inout"))

    @property
    def results(self) -> tuple[TensorDecl, ...]:
        return tuple(t for t in self.tensors if t.role in RESULTS)
