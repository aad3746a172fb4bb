"""Conditions for drawn programs: masks of every format, orders and ranges of index variables, values, ``stored``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsec.ir.dtypes import BOOL, I64, DType
from sparsec.ir.tensor import Access, Expr, Index, Literal, Map, Reduce, Stored, TensorDecl
from sparsec.ir.tensor_values import scalar

if TYPE_CHECKING:
    from tests.support.strategies import Maker


def condition(maker: Maker, scope: str, depth: int = 2) -> Expr:
    """A bool over the variables of ``scope``."""
    kinds = ["mask", "mask", "order", "order", "range", "stored", "stored", "value"]
    match maker.pick(*kinds, *(["and", "and", "or", "not", "any"] if depth else [])):
        case "and" | "or" as op:
            return Map(op, (condition(maker, scope, depth - 1), condition(maker, scope, depth - 1)), BOOL)
        case "not":
            return Map("not", (condition(maker, scope, depth - 1),), BOOL)
        case "any" if "d" not in maker.dim_of:
            maker.dim_of["d"] = maker.pick("p", "q", "r")
            return Reduce("or", ("d",), maker.leaf(scope + "d", BOOL, "d"), BOOL)
        case "order" if scope:
            return _order(maker, scope)
        case "range" if scope:
            distance = Map("sub", (Index(maker.pick(*scope)), Index(maker.pick(*scope))), I64)
            low, high = maker.pick(-1, 0), maker.pick(1, 2)
            above = Map("ge", (distance, Literal(low, I64)), BOOL)
            return Map("and", (above, Map("lt", (distance, Literal(high, I64)), BOOL)), BOOL)
        case "stored" | "value" as kind:
            return _of_an_operand(maker, scope, kind) or maker.leaf(scope, BOOL, "")
    return maker.leaf(scope, BOOL, maker.pick(*scope) if scope and maker.chance(70) else "")


def _order(maker: Maker, scope: str) -> Expr:
    a = Index(maker.pick(*scope))
    b = Index(maker.pick(*scope)) if maker.chance(75) else Literal(maker.pick(0, 1, 2), I64)
    return Map(maker.pick("lt", "le", "gt", "ge", "eq", "ne"), (a, b), BOOL)


def _of_an_operand(maker: Maker, scope: str, kind: str) -> Expr | None:
    """``stored`` of an operand that is read already, or a comparison of its value."""
    have = [maker.dim_of[v] for v in scope]
    known = [d for d in maker.operands.values() if d.dims and all(n in have for n in d.dims)]
    if not known:
        return None
    decl: TensorDecl = maker.pick(*known)
    access = maker.read(decl, scope, decl.dtype, "")
    assert isinstance(access, Access)
    if kind == "stored" and decl.dims:  # a text asks about entries, and a scalar has none
        return Stored(access)
    if decl.dtype is BOOL:
        return access
    op = maker.pick(*("ne",) if decl.dtype.kind == "c" else ("gt", "ne", "le"))
    return Map(op, (access, Literal(scalar(1, decl.dtype).item(), decl.dtype)), BOOL)


def admits_infinity(monoid: str, t: DType) -> bool:
    """Whether the reduction of nothing is an infinity, which other operators make NaN of."""
    return monoid in ("min", "max") and t.is_float


__all__ = ["admits_infinity", "condition"]
