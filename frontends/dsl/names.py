"""Words that the language keeps for itself, and errors for names that mean nothing."""

from __future__ import annotations

from collections.abc import Iterable

from sparsec.errors import Span, SyntaxError_, TypeError_, nearest
from sparsec.frontends.dsl import ast
from sparsec.ir import ops
from sparsec.ir.dtypes import BY_NAME

RESERVED = ("and", "or", "not", "in", "where", "over", "scan", "inf", "nan", "true", "false", "stored", *BY_NAME)
"""No tensor, function or index variable can be called so."""
FUNCTIONS = (
    *(n for n, op in ops.OPS.items() if op.symbol is None and n not in ("neg", "cast", "not", "invert", "pow")),
    "stored",
)
REDUCTIONS = (
    "sum",
    "prod",
    "min",
    "max",
    "any",
    "all",
    "count",
    "mean",
    "argmin",
    "argmax",
    "logsumexp",
    "softmax",
    "top",
)
IR_MONOIDS = tuple(ops.MONOIDS)


_CHOICE, _POWER = "a choice is select(c, a, b)", "a power is written x ** 2"
_EXTENT = "an extent is the dimension's name, n where x is f64[n]; bare statements are passed it"
_ELSEWHERE = {
    "where": _CHOICE, "if": _CHOICE, "pow": _POWER, "power": _POWER, "len": _EXTENT, "shape": _EXTENT, "size": _EXTENT,
    "float": "a cast is written f64(x)", "int": "a cast is written i64(x)",
}  # fmt: skip
"""How the language says what functions of these names do in others."""


def unknown(what: str, name: str, known: Iterable[str], span: Span, otherwise: str | None = None) -> TypeError_:
    """The error for a name that means nothing; ``otherwise`` is the hint when nothing known is like it."""
    elsewhere = _ELSEWHERE.get(name) if what == "function" else "write 3.141592653589793" if name == "pi" else None
    hint = elsewhere or nearest(name, known) or otherwise
    return TypeError_(f"unknown {what} '{name}'", span=span, hint=hint)


def check_new(what: str, name: ast.Name) -> None:
    """Raise ``SyntaxError_`` if ``name`` is a word of the language."""
    if name.id in RESERVED:
        raise SyntaxError_(
            f"'{name.id}' is a word of the language and cannot name a {what}",
            span=name.span,
            hint=f"call it {name.id}_",
        )


def place(span: Span, seen_from: Span) -> str:
    """Where something else stands, for a message at ``seen_from``."""
    return f"column {span.column}" if span.line == seen_from.line else f"line {span.line}, column {span.column}"


def listed(names: Iterable[str]) -> str:
    """Some names, for a hint."""
    shown = sorted(set(names))
    return (", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")) or "none"


def counted(n: int, noun: str) -> str:
    """ "1 index", "2 dimensions"."""
    plural = {"index": "indices"}.get(noun, f"{noun}s")
    return f"{n} {noun if n == 1 else plural}"
