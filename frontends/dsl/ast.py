"""The syntax tree of the language, as written; the analysis gives it meaning.

Its nodes are named tuples: the import of thirty frozen dataclasses takes 15 ms, half of what a warm start may.
"""

from __future__ import annotations

from typing import NamedTuple

from sparsec.errors import Span


class Number(NamedTuple):
    """``kind`` is "int", "float" or "complex"."""

    value: int | float | complex
    kind: str
    span: Span


class Name(NamedTuple):
    id: str
    span: Span


class Unary(NamedTuple):
    """``-`` or ``not``."""

    op: str
    arg: Expr
    span: Span


class Binary(NamedTuple):
    op: str
    left: Expr
    right: Expr
    span: Span


class Between(NamedTuple):
    """``value in lo:hi``, half open."""

    value: Expr
    lo: Expr
    hi: Expr
    span: Span


class Subscript(NamedTuple):
    """``A[i, j]``."""

    name: str
    indices: tuple[Expr, ...]
    span: Span


class Call(NamedTuple):
    """``f(x, y)``: a function, a cast, or ``stored(A[i])``."""

    name: str
    args: tuple[Expr, ...]
    span: Span


class Reduction(NamedTuple):
    """``sum[i, j](e where c)``, ``softmax``, ``top[j: k]`` (``tail`` is k), ``scan.max`` (``scan`` is "max").

    ``words`` are a scan's "exclusive" and "reverse"; ``implicit`` marks sums that the programmer left out.
    """

    name: str
    indices: tuple[Expr, ...]
    tail: Expr | None
    body: Expr
    where: Expr | None
    span: Span
    scan: str | None = None
    words: tuple[str, ...] = ()
    implicit: bool = False

    @property
    def keeps(self) -> bool:
        """Does it give a value at each point of its indices?"""
        return self.scan is not None or self.name in ("softmax", "top")


class Tuple(NamedTuple):
    items: tuple[Expr, ...]
    span: Span


Expr = Number | Name | Unary | Binary | Between | Subscript | Call | Reduction | Tuple


def parts(e: Expr) -> tuple[Expr, ...]:
    """The expressions directly inside ``e``, in the order of the text; a reduction's body and condition."""
    match e:
        case Unary():
            return (e.arg,)
        case Binary():
            return (e.left, e.right)
        case Between():
            return (e.value, e.lo, e.hi)
        case Subscript():
            return e.indices
        case Call():
            return e.args
        case Tuple():
            return e.items
        case Reduction():
            return (e.body,) if e.where is None else (e.body, e.where)
    return ()


# formats


class MapOp(NamedTuple):
    op: str
    left: MapExpr
    right: MapExpr


class MapSlot(NamedTuple):
    """``#``, which has no coordinate."""

    symbol: str = "#"


MapExpr = str | int | MapOp | MapSlot


class LevelText(NamedTuple):
    coord: MapExpr
    type: str
    options: tuple[tuple[str | None, MapExpr], ...]
    span: Span


class MapText(NamedTuple):
    dims: tuple[str, ...]
    levels: tuple[LevelText, ...]
    span: Span


class FormatName(NamedTuple):
    name: str
    args: tuple[MapExpr, ...]
    span: Span


class FormatText(NamedTuple):
    """One part, or several joined by ``+`` (a sum) or ``@`` (a chain)."""

    parts: tuple[FormatName | MapText, ...]
    joints: tuple[str, ...]
    span: Span


class FormatNote(NamedTuple):
    """A format behind a type; behind the colon of a statement it may also be a dtype."""

    format: FormatText
    span: Span


class FillNote(NamedTuple):
    """``fill(v)``."""

    value: Expr
    span: Span


class ValuesNote(NamedTuple):
    """``values(q4[64])``."""

    encoding: str
    group: int | None
    span: Span


Annotation = FormatNote | FillNote | ValuesNote


# definitions and statements


class Param(NamedTuple):
    name: Name
    dtype: Name
    dims: tuple[Name | Number, ...] | None
    annotations: tuple[Annotation, ...]
    span: Span


class Target(NamedTuple):
    name: str
    indices: tuple[Expr, ...]
    span: Span


class AssignText(NamedTuple):
    target: Target
    annotations: tuple[Annotation, ...]
    op: str
    value: Expr
    where: Expr | None
    over: Name | None
    span: Span


class ScanText(NamedTuple):
    step: Name
    reverse: bool
    body: tuple[StatementText, ...]
    span: Span


class CallText(NamedTuple):
    """``q, s = f(A, x)``: a call of a kernel; ``notes`` are the annotations of a result that stands alone."""

    targets: tuple[Name, ...]
    notes: tuple[Annotation, ...]
    callee: Name
    args: tuple[Expr, ...]
    span: Span


StatementText = AssignText | ScanText | CallText


class KernelText(NamedTuple):
    name: Name
    params: tuple[Param, ...]
    results: tuple[Param, ...]
    body: tuple[StatementText, ...]


class FnText(NamedTuple):
    name: Name
    params: tuple[Name, ...]
    body: Expr


class Permutation(NamedTuple):
    """``name = function[size](dim)``."""

    name: Name
    function: Name
    size: str | int
    dim: Name


class FormatDef(NamedTuple):
    """``format name[params] = format values(...), p = order[size](dim)``; the tail makes a permutation."""

    name: Name
    params: tuple[Name, ...]
    format: FormatText
    annotations: tuple[Annotation, ...]
    order: Permutation | None


class Item(NamedTuple):
    """One line of a semiring or monoid: a name, its parameters (each a tuple of names), its value."""

    name: Name
    params: tuple[tuple[Name, ...], ...]
    value: Expr | str


class SemiringText(NamedTuple):
    name: Name
    items: tuple[Item, ...]


class MonoidText(NamedTuple):
    name: Name
    states: tuple[Name, ...]
    items: tuple[Item, ...]
    ordered: bool


class Command(NamedTuple):
    """One line of a schedule: ``S: order i, j``; ``words`` are what follows the command, commas included."""

    statement: Name | None
    name: Name
    words: tuple[Name, ...]

    def __str__(self) -> str:
        text = " ".join(w.id for w in self.words)
        for symbol in ("/", ".", "%", "=", "*", "+", "-"):
            text = text.replace(f" {symbol} ", symbol)
        text = text.replace(" ,", ",")
        return f"{f'{self.statement.id}: ' if self.statement else ''}{self.name.id} {text}".rstrip()


class ScheduleText(NamedTuple):
    kernel: Name
    commands: tuple[Command, ...]


Definition = KernelText | FnText | FormatDef | SemiringText | MonoidText | ScheduleText
