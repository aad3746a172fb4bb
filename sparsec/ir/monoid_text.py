"""The textual form of a monoid's definition, which tensor IR and loop nest IR share (grammar: ``tensor.py``).

A name that a definition does not use needs no type there.
"""

from __future__ import annotations

from collections.abc import Iterator

from sparsec.ir.dtypes import DType
from sparsec.ir.expr_text import parse_expr, print_expr
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Expr, Literal, MonoidDef
from sparsec.ir.text import Cursor

Types = dict[str, DType]


def monoid_lines(m: MonoidDef) -> Iterator[str]:
    """The lines of a definition."""
    yield f"monoid {m.name}{_params(m.states, m.value)}{' ordered' * m.ordered} {{"
    yield f"  zero = {_tuple(m.zero)}"
    if m.skip is not None:
        yield f"  skip = {print_expr(m.skip)}"
    yield f"  lift{_params(m.lifted, *m.lift)} = {_tuple(m.lift)}"
    yield f"  value = {print_expr(m.value)}"
    yield f"  combine({_params(m.left, *m.combine)}, {_params(m.right, *m.combine)}) = {_tuple(m.combine)}"
    yield "}"


def _params(names: tuple[str, ...], *uses: Expr) -> str:
    """Names with the types that the expressions use them at."""
    types = {n.tensor: n.dtype for e in uses for n in walk(e) if isinstance(n, Access)}
    return f"({', '.join(f'{n}: {types[n]}' if n in types else n for n in names)})"


def _tuple(es: tuple[Expr, ...]) -> str:
    return f"({', '.join(map(print_expr, es))})"


def parse_monoid_def(c: Cursor) -> MonoidDef:
    """``monoid NAME(...) { ... }``."""
    span = c.token.span
    c.expect("monoid")
    name = c.name("the monoid's name")
    states, of_value = _parse_params(c)
    ordered = c.accept("ordered")
    c.expect("{")
    _expect(c, "zero", "=")
    zero = _parse_tuple(c, {})
    skip = _parse_skip(c) if c.accept("skip") else None
    c.expect("lift")
    args, of_lift = _parse_params(c)
    if len(args) not in (1, 2):
        raise c.error(f"'lift' takes what is reduced, and perhaps its place, not {len(args)} arguments")
    c.expect("=")
    lift = _parse_tuple(c, of_lift)
    _expect(c, "value", "=")
    value = parse_expr(c, of_value, what="state")
    _expect(c, "combine", "(")
    left, of_left = _parse_params(c)
    c.expect(",")
    right, of_right = _parse_params(c)
    _expect(c, ")", "=")
    combine = _parse_tuple(c, of_left | of_right)
    c.expect("}")
    place = args[1] if len(args) == 2 else None
    return MonoidDef(name, states, zero, args[0], lift, value, left, right, combine, ordered, place, skip, span=span)


def _parse_skip(c: Cursor) -> Literal:
    c.expect("=")
    skip = parse_expr(c, {}, what="state")
    if not isinstance(skip, Literal):
        raise c.error("'skip' is a literal")
    return skip


def _expect(c: Cursor, *texts: str) -> None:
    for text in texts:
        c.expect(text)


def _parse_params(c: Cursor) -> tuple[tuple[str, ...], Types]:
    """``(a: f64, b)``: the names, and the types of those that have one."""
    types: Types = {}

    def param() -> str:
        name = c.name("a name")
        if c.accept(":"):
            types[name] = c.dtype()
        return name

    c.expect("(")
    return c.listed(param, ")"), types


def _parse_tuple(c: Cursor, types: Types) -> tuple[Expr, ...]:
    c.expect("(")
    return c.listed(lambda: parse_expr(c, types, what="state"), ")")


__all__ = ["monoid_lines", "parse_monoid_def"]
