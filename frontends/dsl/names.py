"""Words that the language keeps for itself, and errors for names that mean nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from sparsec.errors import Span, SyntaxError_, TypeError_
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


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint with the known name that is most like ``name``."""
    candidates = list(dict.fromkeys(known))
    lower = {k.lower(): k for k in reversed(candidates)}
    near = difflib.get_close_matches(name.lower(), lower, 1)
    return f"did you mean '{lower[near[0]]}'?" if near else None


def unknown(what: str, name: str, known: Iterable[str], span: Span, otherwise: str | None = None) -> TypeError_:
    """The error for a name that means nothing; ``otherwise`` is the hint when nothing known is like it."""
    return TypeError_(f"unknown {what} '{name}'", span=span, hint=nearest(name, known) or otherwise)


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


def counted(n: int, noun: str) -> str:
    """ "1 index", "2 dimensions"."""
    return f"{n} {noun}{'' if n == 1 else 'es' if noun.endswith('x') else 's'}"
