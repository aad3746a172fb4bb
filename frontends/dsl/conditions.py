"""Conditions of statements: what names a reduced index goes into the reduction that is the whole right side."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sparsec.errors import TypeError_
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.implicit import names_in
from sparsec.frontends.dsl.promotion import Typed
from sparsec.frontends.dsl.scopes import conjuncts, join
from sparsec.frontends.dsl.symbols import Tensor, zero
from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, DType
from sparsec.ir.tensor import Expr, Map, Reduce


@dataclass(slots=True)
class Parts:
    """A statement whose names are resolved: its ``free`` and ``implicit`` variables, and those that the reduction which
    is its whole right side binds (``root``)."""

    indices: tuple[ast.Expr, ...]
    value: ast.Expr
    where: ast.Expr | None
    free: list[str]
    implicit: list[str]
    root: list[str]


def split_condition(parts: Parts) -> tuple[ast.Expr | None, ast.Expr | None]:
    """The part of the condition that restricts the statement, and the part that names reduced variables."""
    reduced = {*parts.implicit, *parts.root}
    outer: list[ast.Expr] = []
    moved: list[ast.Expr] = []
    for part in conjuncts(parts.where):
        (moved if reduced.intersection(names_in(part)) else outer).append(part)
    return join(outer), join(moved)


def restrict(value: Typed, condition: Expr, moved: ast.Expr, parts: Parts) -> Typed:
    """An implicit sum that is the whole right side, over the points that ``condition`` admits."""
    node = value.expr.args[0] if isinstance(value.expr, Map) and value.expr.op == "cast" else value.expr
    missing = set(parts.implicit).intersection(names_in(moved))
    if not isinstance(node, Reduce) or not missing <= set(node.indices):
        names = ", ".join(n for n in parts.implicit if n in missing)
        raise TypeError_(
            f"the condition names '{names}', and the right side is not one sum over it",
            span=moved.span,
            hint=f"give the sum that is meant its condition: sum[{names}](... where ...)",
        )
    both = condition if node.where is None else Map("and", (node.where, condition), BOOL)
    restricted = replace(node, where=both)
    return Typed(replace(value.expr, args=(restricted,)) if isinstance(value.expr, Map) else restricted)


def somewhere(
    value: Expr, condition: Expr, dtype: DType, t: Tensor, reduced: tuple[str, ...], everywhere: bool
) -> Expr | None:
    """The condition that a moved one leaves on the statement: points for which it admits nothing have the fill.

    None where the reduction of nothing is the fill, and the statement writes ``everywhere``: at computed places those
    points must not write.
    """
    node = value.args[0] if isinstance(value, Map) and value.op == "cast" else value
    fill = zero(dtype) if t.fill is None else t.fill
    if everywhere and isinstance(node, Reduce) and node.monoid in ops.MONOIDS:
        nothing = ops.MONOIDS[node.monoid].identity(node.dtype)
        if nothing == fill:
            return None
    return Reduce("or", reduced, condition, BOOL)
