"""Operators defined by others, in a line of text: ``1 / sqrt(x)``.

The text is a Python expression over the arguments x, y and z: numbers and ``inf``, which have the type of x, calls of
other operators and their symbols.  Whoever knows what those mean (NumPy, a backend) knows what the operator means.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from sparsec.ir.node import node

ARGUMENTS = ("x", "y", "z")
V = TypeVar("V")
_SYMBOLS: dict[type, str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.USub: "neg", ast.Eq: "eq", ast.NotEq: "ne",
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip


@node
class Apply:
    """Operator ``op`` applied to terms."""

    op: str
    args: tuple[Term, ...]


Term = Apply | str | float
"""An operator applied, an argument by name, or a number."""


def parse(text: str) -> Term:
    """The term that ``text`` writes."""
    return _term(ast.parse(text, mode="eval").body)


def _term(e: ast.expr) -> Term:
    match e:
        case ast.Name("inf"):
            return float("inf")
        case ast.Name(name):
            return name
        case ast.Constant(value) if isinstance(value, int | float):
            return value
        case ast.UnaryOp(ast.USub(), ast.Constant(value)) if isinstance(value, int | float):
            return -value
        case ast.UnaryOp(op, a):
            return Apply(_SYMBOLS[type(op)], (_term(a),))
        case ast.BinOp(a, op, b):
            return Apply(_SYMBOLS[type(op)], (_term(a), _term(b)))
        case ast.Compare(a, [op], [b]):
            return Apply(_SYMBOLS[type(op)], (_term(a), _term(b)))
        case ast.Call(ast.Name(name), args):
            return Apply(name, tuple(map(_term, args)))
    raise ValueError(f"a definition has no {ast.unparse(e)}")


def unfold(term: Term, args: Mapping[str, V], number: Callable[[float], V], apply: Callable[[str, list[V]], V]) -> V:
    """The value of ``term``; what stands in it twice is computed once."""
    known: dict[Apply, V] = {}

    def value(t: Term) -> V:
        if isinstance(t, str):
            return args[t]
        if not isinstance(t, Apply):
            return number(t)
        if t not in known:
            known[t] = apply(t.op, list(map(value, t.args)))
        return known[t]

    return value(term)


def operators(term: Term) -> Iterator[str]:
    """The operators that stand in ``term``."""
    if isinstance(term, Apply):
        yield term.op
        for a in term.args:
            yield from operators(a)


__all__ = ["ARGUMENTS", "Apply", "Term", "operators", "parse", "unfold"]
