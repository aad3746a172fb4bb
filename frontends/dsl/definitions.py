"""What a file defines besides kernels: functions, semirings, monoids, formats."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from sparsec.errors import Span, SparsecError, SyntaxError_, TypeError_, nearest
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.annotations import constant
from sparsec.frontends.dsl.formats import check_definition
from sparsec.frontends.dsl.names import FUNCTIONS, IR_MONOIDS, REDUCTIONS, check_new, counted, unknown
from sparsec.frontends.dsl.promotion import Typed, cast
from sparsec.frontends.dsl.symbols import Definitions, Scalar, Semiring, Tensor
from sparsec.frontends.dsl.typing import Scope, Typer
from sparsec.ir import monoids, ops
from sparsec.ir.dtypes import BY_NAME, F64
from sparsec.ir.tensor import Access, Expr, Literal, Map, MonoidDef

SYMBOLS = {"+": "add", "*": "mul", "&": "bitand", "|": "bitor"}
IDENTITIES: dict[str, Scalar] = {
    "add": 0,
    "mul": 1,
    "min": math.inf,
    "max": -math.inf,
    "or": False,
    "and": True,
    "bitor": 0,
}
"""What a built-in monoid begins with, for floats; a semiring that says another zero gets a monoid of its own."""


def collect(definitions: Iterable[ast.Definition]) -> Definitions:
    """The definitions of a file, checked; kernels and schedules are left to others."""
    out = Definitions()
    seen: dict[tuple[str, str], Span] = {}
    everything = list(definitions)
    for d in everything:
        if isinstance(d, ast.ScheduleText):
            continue
        kind = "format" if isinstance(d, ast.FormatDef) else "kernel" if isinstance(d, ast.KernelText) else "function"
        check_new(kind, d.name)
        if (kind, d.name.id) in seen:
            first = seen[kind, d.name.id]
            raise SyntaxError_(
                f"'{d.name.id}' is defined twice, first at line {first.line}",
                span=d.name.span,
                hint="rename one of them",
            )
        seen[kind, d.name.id] = d.name.span
        if isinstance(d, ast.FnText):
            out.fns[d.name.id] = d
        elif isinstance(d, ast.FormatDef):
            out.formats[d.name.id] = d
        elif isinstance(d, ast.KernelText):
            out.kernels.add(d.name.id)
    for d in everything:
        match d:
            case ast.FnText():
                check_function(d, out)
            case ast.FormatDef():
                check_definition(d, out.formats)
            case ast.MonoidText():
                out.monoids[d.name.id] = monoid(d, out)
    for d in everything:
        if isinstance(d, ast.SemiringText):
            out.semirings[d.name.id] = semiring(d, out)
    return out


def taken(d: ast.FnText | ast.SemiringText | ast.MonoidText) -> None:
    """Raise ``SyntaxError_`` if the name is a built-in function's or reduction's."""
    if d.name.id in FUNCTIONS or d.name.id in REDUCTIONS or (not isinstance(d, ast.FnText) and d.name.id in IR_MONOIDS):
        raise SyntaxError_(f"'{d.name.id}' is built in", span=d.name.span, hint=f"call yours {d.name.id}_ or the like")


def distinct(names: Iterable[ast.Name], what: str) -> None:
    seen: set[str] = set()
    for n in names:
        check_new(what, n)
        if n.id in seen:
            raise SyntaxError_(f"the {what} '{n.id}' is named twice", span=n.span, hint="use another name")
        seen.add(n.id)


def check_function(d: ast.FnText, definitions: Definitions) -> None:
    """Raise what any use of the function would raise: its arguments stand for f64."""
    taken(d)
    distinct(d.params, "parameter")
    arguments = [Typed(Access(p.id, (), F64)) for p in d.params]
    Typer(Scope(definitions=definitions)).inline(d, arguments, d.name.span)


# algebra


def items_of(
    d: ast.SemiringText | ast.MonoidText, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, ast.Item]:
    """The items of a definition by name; raises ``SyntaxError_`` for unknown, repeated and missing ones."""
    what = "semiring" if isinstance(d, ast.SemiringText) else "monoid"
    found: dict[str, ast.Item] = {}
    for item in d.items:
        name = item.name.id
        if name not in required + optional:
            known = required + optional
            raise SyntaxError_(
                f"a {what} has no '{name}'",
                span=item.name.span,
                hint=nearest(name, known) or f"it has {', '.join(known)}",
            )
        if name in found:
            raise SyntaxError_(
                f"a second '{name}' of {what} '{d.name.id}'", span=item.name.span, hint=f"keep one '{name}'"
            )
        found[name] = item
    for name in required:
        if name not in found:
            example = (
                "{ add = min, zero = inf, mul = +, one = 0 }"
                if what == "semiring"
                else "{ zero = 0, lift(x) = x, value = s, combine(a, b) = a + b }"
            )
            raise SyntaxError_(
                f"the {what} '{d.name.id}' lacks '{name}'", span=d.name.span, hint=f"a whole one: {example}"
            )
    return found


def semiring(d: ast.SemiringText, definitions: Definitions) -> Semiring:
    """``add = min, zero = inf, mul = +, one = 0``."""
    taken(d)
    items = items_of(d, ("add", "zero", "mul", "one"))
    zero = constant_item(items["zero"])
    constant_item(items["one"])
    mul: str | ast.FnText = ""
    word, span = word_of(items["mul"])
    if word in definitions.fns:
        mul = definitions.fns[word]
        if len(mul.params) != 2:
            hint = f"define it as fn {word}(a, b) = ..."
            raise TypeError_(f"'mul' takes two arguments, '{word}' has {len(mul.params)}", span=span, hint=hint)
    else:
        mul = binary(word, span, definitions.fns)
    word, span = word_of(items["add"])
    if word in definitions.monoids:
        return Semiring(d.name.id, None, mul, word, zero)
    add = binary(word, span, definitions.monoids)
    if add not in ops.MONOIDS:
        raise TypeError_(
            f"'{word}' is not associative and commutative",
            span=span,
            hint="'add' is + * min max or and & |, or a monoid",
        )
    if add in IDENTITIES and IDENTITIES[add] == zero and isinstance(IDENTITIES[add], bool) == isinstance(zero, bool):
        return Semiring(d.name.id, add, mul, add, zero)
    # A sum of nothing is the semiring's zero, which the built-in reduction does not begin with.
    a, b = Access("a", (), F64), Access("b", (), F64)
    zero_expr = cast(Typed(Literal(zero, F64)), F64) if not isinstance(zero, bool) else Literal(float(zero), F64)
    definitions.monoids[d.name.id] = MonoidDef(
        d.name.id,
        ("s",),
        (zero_expr,),
        "x",
        (Access("x", (), F64),),
        Access("s", (), F64),
        ("a",),
        ("b",),
        (Map(add, (a, b), F64),),
        span=d.name.span,
    )
    return Semiring(d.name.id, add, mul, d.name.id, zero)


def word_of(item: ast.Item) -> tuple[str, Span]:
    if isinstance(item.value, str):
        return item.value, item.name.span
    if isinstance(item.value, ast.Name):
        return item.value.id, item.value.span
    raise TypeError_(f"'{item.name.id}' is an operator's name", span=item.value.span, hint="such as min, max, +, *, or")


def binary(word: str, span: Span, more: Iterable[str]) -> str:
    """The operator of tensor IR that a word names; it takes two arguments."""
    name = SYMBOLS.get(word, word)
    if (
        name in ops.OPS
        and ops.OPS[name].arity == 2
        and (word in SYMBOLS or word in ("min", "max", "or", "and", "atan2"))
    ):
        return name
    raise unknown("operator", word, ["min", "max", "or", "and", *more], span, "operators are + * min max or and & |")


def constant_item(item: ast.Item) -> Scalar:
    if isinstance(item.value, str):
        raise TypeError_(f"'{item.name.id}' is a number", span=item.name.span, hint="such as 0, 1, inf, -inf, false")
    try:
        return constant(item.value)
    except SparsecError:
        raise TypeError_(
            f"'{item.name.id}' is a number", span=item.value.span, hint="such as 0, 1, inf, -inf, false"
        ) from None


def monoid(d: ast.MonoidText, definitions: Definitions) -> MonoidDef:
    """A monoid's parts as tensor IR over its own names, all f64: a use gives them the dtype of what it reduces."""
    taken(d)
    distinct(d.states, "state")
    single = len(d.states) == 1
    items = (
        items_of(d, ("zero", "combine"), ("lift", "value", "skip"))
        if single
        else items_of(d, ("zero", "lift", "value", "combine"), ("skip",))
    )
    n = len(d.states)
    parameters(items["zero"], ())
    zero = tuple_of(items["zero"], n, (), definitions)
    x = "x"
    lift: tuple[Expr, ...] = (Access(x, (), F64),)
    if "lift" in items:
        (arg,) = parameters(items["lift"], (1,))
        x = arg[0].id
        lift = tuple_of(items["lift"], n, arg, definitions)
    value: Expr = Access(d.states[0].id, (), F64)
    if "value" in items:
        parameters(items["value"], ())
        (value,) = tuple_of(items["value"], 1, d.states, definitions)
    left, right = parameters(items["combine"], (n, n))
    distinct((*left, *right), "parameter")
    combine = tuple_of(items["combine"], n, (*left, *right), definitions)
    states = tuple(s.id for s in d.states)
    made = MonoidDef(
        d.name.id,
        states,
        zero,
        x,
        lift,
        value,
        tuple(p.id for p in left),
        tuple(p.id for p in right),
        combine,
        d.ordered,
        span=d.name.span,
    )
    return replace(made, skip=skipped(items["skip"], made)) if "skip" in items else made


def skipped(item: ast.Item, m: MonoidDef) -> Literal:
    """The value that a monoid says it skips; raises ``TypeError_`` if reducing it changes the value of some states."""
    parameters(item, ())
    number = constant_item(item)
    if isinstance(number, bool | complex):
        raise TypeError_("'skip' is a real number", span=item.name.span, hint="such as 0, inf, -inf")
    skip = Literal(float(number), F64)
    whole = monoids.typed(m, F64)
    states = [monoids.zero(whole)]
    for x in (1.5, -2.0, 3.0):
        states.append(monoids.step(whole, states[-1], np.float64(x)))
    for state in states:
        before = monoids.result(whole, state)
        after = monoids.result(whole, monoids.step(whole, state, np.float64(number)))
        if not np.isclose(before, after, equal_nan=True):
            raise TypeError_(
                f"the monoid '{m.name}' does not skip {number}: reducing it makes {after} of {before}",
                span=item.name.span,
                hint="leave 'skip' out: all points are then visited",
            )
    return skip


def parameters(item: ast.Item, sizes: tuple[int, ...]) -> tuple[tuple[ast.Name, ...], ...]:
    """The parameters of an item; raises ``SyntaxError_`` if they are not of these sizes."""
    if tuple(map(len, item.params)) != sizes:
        names = iter("abcdefghijklmnopqrstuvwxyz")
        shown = [f"({', '.join(next(names) for _ in range(n))})" if n > 1 else next(names) for n in sizes if n < 13]
        form = f"{item.name.id}({', '.join(shown)})" if sizes else item.name.id
        raise SyntaxError_(
            f"'{item.name.id}' has the wrong parameters", span=item.name.span, hint=f"write {form} = ..."
        )
    for group in item.params:
        distinct(group, "parameter")
    return item.params


def tuple_of(item: ast.Item, n: int, names: Iterable[ast.Name], definitions: Definitions) -> tuple[Expr, ...]:
    """The ``n`` parts of an item's value over ``names``."""
    if isinstance(item.value, str):
        raise SyntaxError_(
            f"'{item.name.id}' is an expression", span=item.name.span, hint="an operator needs its operands"
        )
    parts = item.value.items if isinstance(item.value, ast.Tuple) else (item.value,)
    if len(parts) != n:
        raise TypeError_(
            f"'{item.name.id}' gives {counted(len(parts), 'part')}, and the state has {n}",
            span=item.value.span,
            hint="one expression for each name of the state, in brackets",
        )
    tensors = {p.id: Tensor(p.id, F64, (), None, None, "in", p.span) for p in names}
    scope = Scope(tensors, definitions=Definitions(fns=definitions.fns))
    out = []
    for part in parts:
        plain(part)
        out.append(cast(Typer(scope).expr(part), F64))
    return tuple(out)


def plain(e: ast.Expr) -> None:
    """Raise ``TypeError_`` for what a monoid's definition cannot say: it computes in the dtype of what it reduces."""
    if isinstance(e, ast.Call) and e.name in BY_NAME:
        raise TypeError_(
            "a monoid computes in the dtype of what it reduces and has no casts",
            span=e.span,
            hint="cast what is reduced",
        )
    if isinstance(e, ast.Subscript | ast.Reduction):
        raise TypeError_(
            "a monoid's definition is made of numbers, its names and functions",
            span=e.span,
            hint="what is reduced comes in by 'lift'",
        )
    for part in ast.parts(e):
        plain(part)
