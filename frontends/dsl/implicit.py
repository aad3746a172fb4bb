"""Sums that the programmer left out: where each one stands.

An index that only the right side has is summed over the smallest product or quotient that holds its uses; where
several terms of a sum use it, over each of them apart.  Under anything else (a function, a power, a comparison,
another reduction) an implicit sum is an error that shows both readings.
"""

from __future__ import annotations

from collections.abc import Iterator

from sparsec.errors import TypeError_
from sparsec.frontends.dsl import ast


def names_in(e: ast.Expr) -> Iterator[str]:
    """All names of an expression, those in the brackets of reductions included."""
    if isinstance(e, ast.Name):
        yield e.id
    if isinstance(e, ast.Reduction):
        for i in e.indices:
            yield from names_in(i)
    for part in ast.parts(e):
        yield from names_in(part)


def uses(e: ast.Expr, k: str) -> bool:
    """Does ``e`` depend on the index variable ``k``?  (Those that reductions bind have names of their own.)"""
    return any(n == k for n in names_in(e))


def place_sum(e: ast.Expr, k: str, source: str, reduction: str = "sum") -> ast.Expr:
    """``e`` with the implicit sum over ``k``, which it uses, put where it belongs.

    Raises ``TypeError_`` where ``k`` is used under an operator that is not linear; ``source`` is the text and
    ``reduction`` the word for both readings.
    """

    def place(e: ast.Expr) -> ast.Expr:
        match e:
            case ast.Binary(op="*" | "/"):
                left, right = uses(e.left, k), uses(e.right, k)
                if right and (left or e.op == "/"):
                    return summed(e)
                if left:
                    return e._replace(left=place(e.left))
                return e._replace(right=place(e.right))
            case ast.Binary(op="+" | "-"):
                left_side = place(e.left) if uses(e.left, k) else e.left
                right_side = place(e.right) if uses(e.right, k) else e.right
                return e._replace(left=left_side, right=right_side)
            case ast.Unary(op="-"):
                return e._replace(arg=place(e.arg))
            case ast.Subscript() | ast.Name():
                return summed(e)
            case ast.Reduction(implicit=True):
                return e._replace(body=place(e.body))
            case ast.Reduction() if e.keeps and any(k in names_in(i) for i in e.indices):
                return summed(e)  # a softmax along k has a value for each k, like a tensor
        raise _ambiguous(e, k, source, reduction)

    def summed(e: ast.Expr) -> ast.Reduction:
        return ast.Reduction(reduction, (ast.Name(k, e.span),), None, e, None, e.span, implicit=True)

    return place(e)


def _ambiguous(e: ast.Expr, k: str, source: str, reduction: str) -> TypeError_:
    return TypeError_(
        f"the implicit sum over '{k}' stands under {_describe(e)}, and may mean two things",
        span=e.span,
        hint=f"write it out: {' or '.join(_readings(e, k, source, reduction))}",
    )


def _readings(e: ast.Expr, k: str, source: str, reduction: str) -> list[str]:
    """The sum inside the operator that it stands under, and outside."""
    inside = list(_inserts(e, k, source, reduction))
    if isinstance(e, ast.Reduction) and e.name == reduction and [b for b, _ in inside] == [e.body.span.start]:
        names = ", ".join(_text(source, i.span.start, i.span.end) for i in e.indices)
        return [f"{reduction}[{names}, {k}]({_text(source, e.body.span.start, e.body.span.end)})"]
    text, grown = source, 0
    for start, end in sorted(inside, reverse=True):
        text = f"{text[:start]}{reduction}[{k}]({text[start:end]}){text[end:]}"
        grown = len(text) - len(source)
    outside = f"{reduction}[{k}]({_text(source, e.span.start, e.span.end)})"
    return [_text(text, e.span.start, e.span.end + grown), outside]


def _inserts(e: ast.Expr, k: str, source: str, reduction: str) -> Iterator[tuple[int, int]]:
    """The parts of ``e`` that a sum over ``k`` would go over if it stood inside; none inside another."""
    for part in ast.parts(e):
        if not uses(part, k):
            continue
        try:
            placed = place_sum(part, k, source, reduction)
        except TypeError_:
            yield from _inserts(part, k, source, reduction)
        else:
            for r in _new_sums(placed, k):
                yield r.body.span.start, r.body.span.end


def _new_sums(e: ast.Expr, k: str) -> Iterator[ast.Reduction]:
    if isinstance(e, ast.Reduction) and e.implicit and isinstance(e.indices[0], ast.Name) and e.indices[0].id == k:
        yield e
        return
    for part in ast.parts(e):
        yield from _new_sums(part, k)


def _text(source: str, start: int, end: int) -> str:
    text = " ".join(source[start:end].split())
    return text if len(text) <= 80 else f"{text[:60]} ..."


def _describe(e: ast.Expr) -> str:
    match e:
        case ast.Call():
            return f"'{e.name}'"
        case ast.Reduction():
            return f"'{e.name}[...]'"
        case ast.Binary() | ast.Unary():
            return f"'{e.op}'"
        case ast.Between():
            return "'in'"
    return "a tuple"
