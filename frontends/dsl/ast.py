"""The syntax tree of the language, as written; ``analysis.py`` gives it meaning."""

from __future__ import annotations

from dataclasses import dataclass

from sparsec.errors import Span


@dataclass(frozen=True, slots=True)
class Number:
    """``kind`` is "int", "float" or "complex"."""

    value: int | float | complex
    kind: str
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    id: str
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    """``-`` or ``not``."""

    op: str
    arg: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    op: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Between:
    """``value in lo:hi``, half open."""

    value: Expr
    lo: Expr
    hi: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Subscript:
    """``A[i, j]``."""

    name: str
    indices: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """``f(x, y)``: a function, a cast, or ``stored(A[i])``."""

    name: str
    args: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Reduction:
    """``sum[i, j](e where c)``, ``softmax``, ``top[j: k]`` (``tail`` is k), ``scan`` and ``scan.max``.

    ``implicit`` marks sums that the programmer left out.
    """

    name: str
    indices: tuple[Expr, ...]
    tail: Expr | None
    body: Expr
    where: Expr | None
    span: Span
    scan: str | None = None
    implicit: bool = False


@dataclass(frozen=True, slots=True)
class Tuple:
    items: tuple[Expr, ...]
    span: Span


Expr = Number | Name | Unary | Binary | Between | Subscript | Call | Reduction | Tuple


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
    span: Span


@dataclass(frozen=True, slots=True)
class MapText:
    dims: tuple[str, ...]
    levels: tuple[LevelText, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class FormatName:
    name: str
    args: tuple[MapExpr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class FormatText:
    """One part, or several joined by ``+`` (a sum) or ``@`` (a chain)."""

    parts: tuple[FormatName | MapText, ...]
    joints: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Annotation:
    """What follows a type: ``kind`` is "format", "fill" or "values"."""

    kind: str
    value: FormatText | Expr | str
    span: Span


# definitions and statements


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    dtype: str
    dims: tuple[str | int, ...] | None
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    indices: tuple[Expr, ...] | None
    span: Span


@dataclass(frozen=True, slots=True)
class AssignText:
    target: Target
    annotations: tuple[Annotation, ...]
    op: str
    value: Expr
    where: Expr | None
    over: Name | None
    span: Span


@dataclass(frozen=True, slots=True)
class ScanText:
    index: str
    reverse: bool
    body: tuple[StatementText, ...]
    span: Span


StatementText = AssignText | ScanText


@dataclass(frozen=True, slots=True)
class KernelText:
    name: str
    params: tuple[Param, ...]
    results: tuple[Param, ...]
    body: tuple[StatementText, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class FnText:
    name: str
    params: tuple[str, ...]
    body: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class FormatDef:
    name: str
    params: tuple[str, ...]
    format: FormatText
    annotations: tuple[Annotation, ...]
    order: str | None  # the variable of a trailing ``p = order[s](i)``
    span: Span


@dataclass(frozen=True, slots=True)
class SemiringText:
    name: str
    items: tuple[tuple[str, Expr | str], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class MonoidText:
    name: str
    states: tuple[str, ...]
    items: tuple[tuple[str, tuple[tuple[str, ...], ...], Expr], ...]  # name, parameters, value
    ordered: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Command:
    """One line of a schedule: ``S: order i, j``."""

    statement: str | None
    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScheduleText:
    kernel: str
    commands: tuple[Command, ...]
    span: Span


Definition = KernelText | FnText | FormatDef | SemiringText | MonoidText | ScheduleText
