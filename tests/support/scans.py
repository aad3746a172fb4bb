"""Drawing running folds and selections, and their text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sparsec.ir.dtypes import F64, I64, DType
from sparsec.ir.tensor import Expr, Scan, Top
from tests.support.dtypes import KEPT_WIDER

if TYPE_CHECKING:
    from tests.support.strategies import Maker

_NAMES = {"add": "scan", "mul": "scan.prod"}


def scan(maker: Maker, depth: int, scope: str, t: DType, need: str) -> Expr:
    """A running fold along a variable of ``scope``."""
    if not scope:
        return maker.leaf(scope, t, need)
    index = maker.pick(*scope)
    # The text accumulates small integers in wide ones.
    most = ("add", "mul") if t.kind == "c" else ("add", "add", "add", "max", "min", "mul")
    monoid = maker.pick(*("min", "max") if t in KEPT_WIDER else most)
    body = maker.expr(depth - 1, scope, t, need if index in need else need + index)
    # A least or greatest float of nothing is infinite.
    exclusive = not (t.is_float and monoid in ("min", "max")) and maker.chance(40)
    return Scan(monoid, index, body, t, exclusive, maker.chance(40))


def top(maker: Maker, depth: int, scope: str, need: str) -> Expr:
    """A selection along one or two variables of ``scope``."""
    variables = [maker.pick(*scope)]
    if len(scope) > 1 and maker.chance(25):
        variables.append(maker.pick(*(v for v in scope if v not in variables)))
    groups = tuple((v, maker.pick(None, None, 2, 3)) for v in variables)
    missing = "".join(v for v in variables if v not in need)
    return Top(
        groups, maker.pick(1, 2, 2, 3, 0, 9), maker.expr(min(depth, 1), scope, maker.pick(F64, I64), need + missing)
    )


def text(e: Scan | Top, expression: Callable[[Expr], str], where: str) -> str:
    """As the language writes it."""
    if isinstance(e, Top):
        groups = ", ".join(v if n is None else f"{v}/{n}" for v, n in e.groups)
        return f"top[{groups}: {e.k}]({expression(e.key)}{where})"
    words = ["exclusive"] * e.exclusive + ["reverse"] * e.reverse
    return f"{_NAMES.get(e.monoid, f'scan.{e.monoid}')}[{', '.join([e.index, *words])}]({expression(e.body)}{where})"


__all__ = ["scan", "text", "top"]
