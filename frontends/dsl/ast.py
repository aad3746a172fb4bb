"""The syntax tree of the language, as written; the analysis gives it meaning.

Spans take no part in equality, so that texts laid out differently give equal trees.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sparsec.errors import Span


def _span() -> Span:
    return field(compare=False, repr=False)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Number:
    """``kind`` is "int", "float" or "complex"."""

    value: int | float | complex
    kind: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Name:
    id: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Unary:
    """``-`` or ``not``."""

    op: str
    arg: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Binary:
    op: str
    left: Expr
    right: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Between:
    """``value in lo:hi``, half open."""

    value: Expr
    lo: Expr
    hi: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Subscript:
    """``A[i, j]``."""

    name: str
    indices: tuple[Expr, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Call:
    """``f(x, y)``: a function, a cast, or ``stored(A[i])``."""

    name: str
    args: tuple[Expr, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Reduction:
    """``sum[i, j](e where c)``, ``softmax``, ``top[j: k]`` (``tail`` is k), ``scan.max`` (``scan`` is "max").

    ``words`` are a scan's "exclusive" and "reverse"; ``implicit`` marks sums that the programmer left out.
    """

    name: str
    indices: tuple[Expr, ...]
    tail: Expr | None
    body: Expr
    where: Expr | None
    span: Span = _span()
    scan: str | None = None
    words: tuple[str, ...] = ()
    implicit: bool = False

    @property
    def keeps(self) -> bool:
        """Does it give a value at each point of its indices?"""
        return self.scan is not None or self.name in ("softmax", "top")


@dataclass(frozen=True, slots=True)
class Tuple:
    items: tuple[Expr, ...]
    span: Span = _span()


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


@dataclass(frozen=True, slots=True)
class MapOp:
    op: str
    left: MapExpr
    right: MapExpr


@dataclass(frozen=True, slots=True)
class MapSlot:
    """``#``."""


MapExpr = str | int | MapOp | MapSlot


@dataclass(frozen=True, slots=True)
class LevelText:
    coord: MapExpr
    type: str
    options: tuple[tuple[str | None, MapExpr], ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class MapText:
    dims: tuple[str, ...]
    levels: tuple[LevelText, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FormatName:
    name: str
    args: tuple[MapExpr, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FormatText:
    """One part, or several joined by ``+`` (a sum) or ``@`` (a chain)."""

    parts: tuple[FormatName | MapText, ...]
    joints: tuple[str, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FormatNote:
    """A format behind a type; behind the colon of a statement it may also be a dtype."""

    format: FormatText
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FillNote:
    """``fill(v)``."""

    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ValuesNote:
    """``values(q4[64])``."""

    encoding: str
    group: int | None
    span: Span = _span()


Annotation = FormatNote | FillNote | ValuesNote


# definitions and statements


@dataclass(frozen=True, slots=True)
class Param:
    name: Name
    dtype: Name
    dims: tuple[Name | Number, ...] | None
    annotations: tuple[Annotation, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    indices: tuple[Expr, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class AssignText:
    target: Target
    annotations: tuple[Annotation, ...]
    op: str
    value: Expr
    where: Expr | None
    over: Name | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ScanText:
    index: Name
    reverse: bool
    body: tuple[StatementText, ...]
    span: Span = _span()


StatementText = AssignText | ScanText


@dataclass(frozen=True, slots=True)
class KernelText:
    name: Name
    params: tuple[Param, ...]
    results: tuple[Param, ...]
    body: tuple[StatementText, ...]


@dataclass(frozen=True, slots=True)
class FnText:
    name: Name
    params: tuple[Name, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class FormatDef:
    """``format name[params] = format values(...), order = sort[size](dim)``; the tail makes a permutation."""

    name: Name
    params: tuple[Name, ...]
    format: FormatText
    annotations: tuple[Annotation, ...]
    order: Name | None


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a semiring or monoid: a name, its parameters (each a tuple of names), its value."""

    name: Name
    params: tuple[tuple[Name, ...], ...]
    value: Expr | str


@dataclass(frozen=True, slots=True)
class SemiringText:
    name: Name
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class MonoidText:
    name: Name
    states: tuple[Name, ...]
    items: tuple[Item, ...]
    ordered: bool


@dataclass(frozen=True, slots=True)
class Command:
    """One line of a schedule: ``S: order i, j``; ``words`` are what follows the command, commas included."""

    statement: Name | None
    name: Name
    words: tuple[Name, ...]

    def __str__(self) -> str:
        text = " ".join(w.id for w in self.words)
        for symbol in ("/", ".", "%", "=", "*"):
            text = text.replace(f" {symbol} ", symbol)
        text = text.replace(" ,", ",")
        return f"{f'{self.statement.id}: ' if self.statement else ''}{self.name.id} {text}".rstrip()


@dataclass(frozen=True, slots=True)
class ScheduleText:
    kernel: Name
    commands: tuple[Command, ...]


Definition = KernelText | FnText | FormatDef | SemiringText | MonoidText | ScheduleText
