"""Sums that the programmer left out: where each one stands.

An index that only the right side has is summed over the smallest product or quotient that holds its uses; where several terms of a
sum use it, over each of them apart.  Under anything else (a function, a power, a comparison, another reduction) an implicit
sum is an error that shows both readings.
"""

from __future__ import annotations

from collections.abc import Iterator

from sparsec.errors import TypeError_
from sparsec.frontends.dsl import ast
from sparsec.ir.dtypes import BY_NAME


def names_in(e: ast.Expr) -> Iterator[str]:
    """Free names of an expression: those of reductions inside are bound there (softmax and top keep theirs)."""
    match e:
        case ast.Name():
            yield e.id
        case ast.Unary():
            yield from names_in(e.arg)
        case ast.Binary():
            yield from names_in(e.left)
            yield from names_in(e.right)
        case ast.Between():
            for part in (e.value, e.lo, e.hi):
                yield from names_in(part)
        case ast.Subscript():
            for i in e.indices:
                yield from names_in(i)
        case ast.Call():
            for a in e.args:
                yield from names_in(a)
        case ast.Tuple():
            for a in e.items:
                yield from names_in(a)
        case ast.Reduction():
            inner = list(names_in(e.body)) + (list(names_in(e.where)) if e.where else [])
            bound = set() if keeps_indices(e) else {n for i in e.indices for n in names_in(i)}
            yield from (n for n in inner if n not in bound)
            if keeps_indices(e):
                for i in e.indices:
                    yield from names_in(i)


def keeps_indices(e: ast.Reduction) -> bool:
    """Does the operator give a value at each point of its index (softmax, scan, top)?"""
    return e.scan is not None or e.name in ("softmax", "top")


def place_sum(e: ast.Expr, k: str) -> ast.Expr:
    """``e`` with the implicit sum over ``k`` put where it belongs.

    Raises ``TypeError_`` under an operator that is not linear.
    """
    match e:
        case ast.Binary(op="*" | "/"):
            left, right = k in names_in(e.left), k in names_in(e.right)
            if right and (left or e.op == "/"):
                return summed(e, k)
            if left:
                return ast.Binary(e.op, place_sum(e.left, k), e.right, e.span)
            return ast.Binary(e.op, e.left, place_sum(e.right, k), e.span)
        case ast.Binary(op="+" | "-"):
            left = place_sum(e.left, k) if k in names_in(e.left) else e.left
            right = place_sum(e.right, k) if k in names_in(e.right) else e.right
            return ast.Binary(e.op, left, right, e.span)
        case ast.Unary(op="-"):
            return ast.Unary("-", place_sum(e.arg, k), e.span)
        case ast.Subscript() | ast.Name():
            return summed(e, k)
        case ast.Reduction(name="sum", scan=None):
            return summed(e, k)
        case ast.Call() if e.name in BY_NAME:
            return summed(e, k)
    what = _describe(e)
    raise TypeError_(
        f"the implicit sum over '{k}' stands under {what}: it could mean the sum inside it, or the sum of its values",
        span=e.span,
        hint=f"write the sum out: {what} of sum[{k}](...), or sum[{k}]({what} ...)",
    )


def summed(e: ast.Expr, k: str) -> ast.Reduction:
    """``sum[k](e)``, marked as implicit."""
    return ast.Reduction("sum", (ast.Name(k, e.span),), None, e, None, e.span, implicit=True)


def _describe(e: ast.Expr) -> str:
    match e:
        case ast.Call():
            return f"'{e.name}'"
        case ast.Reduction():
            return f"the reduction '{e.name}'"
        case ast.Binary() | ast.Unary():
            return f"'{e.op}'"
    return "this expression"
