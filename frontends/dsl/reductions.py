"""Reductions, scans, softmax and top as tensor IR, and implicit sums in one another made one.

The dtypes: sums and products of small integers are kept in i64 (u64), of f16 and bf16 in f32, and the results
of these are rounded back.  ``mean`` is a sum divided by a count.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sparsec.errors import Span, TypeError_
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.names import FUNCTIONS, REDUCTIONS, unknown
from sparsec.frontends.dsl.promotion import Typed, accumulator, as_float, cast, wide
from sparsec.frontends.dsl.symbols import needs_floats
from sparsec.ir.dtypes import BF16, BOOL, F16, F32, I64, DType
from sparsec.ir.tensor import Dim, Expr, Literal, Map, Reduce, Scan, Softmax, Top

if TYPE_CHECKING:
    from sparsec.frontends.dsl.typing import Typer

MONOIDS = {"sum": "add", "prod": "mul", "min": "min", "max": "max", "any": "or", "all": "and"}
SCANS = (*MONOIDS, "count", "logsumexp")


def reduction(typer: Typer, e: ast.Reduction) -> Typed:
    """Any expression with a bracket before its argument."""
    if typer.arguments is not None:
        raise TypeError_(
            "a function computes with numbers and reduces nothing",
            span=e.span,
            hint=f"reduce first and pass the result: {typer.calls[-1]}({e.name}[...](...))",
        )
    where = None if e.where is None else typer.condition(e.where)
    if e.scan is not None:
        return scan(typer, e, where)
    if e.name == "top":
        return top(typer, e, where)
    kept = e.name in ("softmax", "argmin", "argmax")
    names = tuple(variable(typer, i) if kept else name_of(i) for i in e.indices)
    return fold(typer, e, e.name, names, typer.expr(e.body), where)


def name_of(e: ast.Expr) -> str:
    assert isinstance(e, ast.Name)
    return e.id


def variable(typer: Typer, e: ast.Expr) -> str:
    """The index variable of a bracket whose points matter: not one that counts from 0 where its range begins below."""
    name = name_of(e)
    if name in typer.scope.offsets:
        raise TypeError_(
            f"the range of '{name.partition('.')[0]}' begins below 0, and its points are places here",
            span=e.span,
            hint="let it begin at 0, and subtract where it is used",
        )
    return name


def fold(typer: Typer, e: ast.Reduction, name: str, names: tuple[str, ...], body: Typed, where: Expr | None) -> Typed:
    """The reduction called ``name`` (as in the language, or a monoid of tensor IR if it is implicit)."""
    t, span = body.dtype, e.span
    scope = typer.scope

    def reduce(monoid: str, kept: DType, result: DType | None = None) -> Typed:
        node = Reduce(monoid, names, cast(Typed(body.expr), kept), kept, where, span=span)
        if e.implicit:
            node = merge(typer, node)
        return Typed(cast(Typed(node), result or kept))

    match name:
        case "sum" | "add":
            if e.implicit and t is BOOL:
                return reduce("or", BOOL)
            return reduce("add", accumulator(t), narrow(t))
        case "prod" | "mul":
            return reduce("mul", accumulator(t), narrow(t))
        case "min" | "max":
            ordered(name, t, span)
            return reduce({"min": "and", "max": "or"}[name] if t is BOOL else name, t)
        case "any" | "all" | "or" | "and":
            return reduce(MONOIDS.get(name, name), BOOL)
        case "bitor" | "bitand":
            if t is BOOL:
                return reduce(name.removeprefix("bit"), t)
            if not t.is_integer:
                raise TypeError_(f"'{name}' reduces integers and bools, not {t}", span=span, hint="cast it first")
            return reduce(name, t)
        case "count":
            truth = Typed(cast(body, BOOL))
            return Typed(Reduce("add", names, cast(truth, I64), I64, where, span=span))
        case "mean":
            kept = as_float(accumulator(t))
            total = Reduce("add", names, cast(Typed(body.expr), kept), kept, where, span=span)
            quotient = typer.operate("div", [Typed(total), Typed(cast(size(typer, names, where), kept))], span)
            return Typed(cast(quotient, narrow(t) or kept))
        case "argmin" | "argmax":
            ordered(name, t, span)
            return Typed(Reduce(name, names, body.expr, I64, where, span=span))
        case "logsumexp":
            real(name, t, span)
            return reduce(name, wide(as_float(t)), narrow(t) or as_float(t))
        case "softmax":
            real(name, t, span)
            kept = wide(as_float(t))
            soft = Softmax(names, cast(Typed(body.expr), kept), kept, where, span=span)
            return Typed(cast(Typed(soft), as_float(t)))
    if name in scope.definitions.monoids:
        kept = state_type(typer, name, t, span)
        return reduce(name, kept, narrow(t))
    if name in scope.definitions.semirings:
        return fold(typer, e, scope.definitions.semirings[name].monoid, names, body, where)
    if name in scope.tensors:
        raise TypeError_(
            f"'{name}' is a tensor, not a reduction", span=span, hint=f"a product is written {name}[...] * (...)"
        )
    if name in FUNCTIONS or name in scope.definitions.fns:
        raise TypeError_(f"'{name}' is a function, not a reduction", span=span, hint=f"write {name}(...)")
    raise unknown("reduction", name, [*REDUCTIONS, *scope.definitions.reductions], span)


def narrow(t: DType) -> DType | None:
    """What a result is rounded back to."""
    return t if t in (F16, BF16) else None


def ordered(name: str, t: DType, span: Span) -> None:
    if t.kind == "c":
        raise TypeError_(
            f"complex numbers have no order, and '{name}' needs one", span=span, hint="reduce abs(...) or real(...)"
        )


def real(name: str, t: DType, span: Span) -> None:
    if t.kind == "c":
        raise TypeError_(f"'{name}' is of real numbers, not {t}", span=span, hint="take real(...) or abs(...)")


def state_type(typer: Typer, name: str, t: DType, span: Span) -> DType:
    """The dtype in which a user's monoid works on ``t``."""
    typer.monoids.add(name)
    monoid = typer.scope.definitions.monoids[name]
    if t.kind in "bui" and needs_floats(monoid):
        raise TypeError_(
            f"the monoid '{name}' computes with floats, and reduces {t} here",
            span=span,
            hint=f"cast it: {name}[...](f64(...))",
        )
    return I64 if t is BOOL else wide(t)


def size(typer: Typer, names: tuple[str, ...], where: Expr | None) -> Typed:
    """How many points a reduction visits."""
    if where is not None:
        return Typed(Reduce("add", names, Map("cast", (where,), I64), I64))
    total: Expr = Literal(1, I64)
    for n in names:
        extent = typer.scope.indices[n]
        factor: Expr = Literal(extent, I64) if isinstance(extent, int) else Dim(extent)
        total = factor if total == Literal(1, I64) else Map("mul", (total, factor), I64)
    return Typed(total)


def scan(typer: Typer, e: ast.Reduction, where: Expr | None) -> Typed:
    assert e.scan is not None
    reductions = typer.scope.definitions.reductions
    if e.scan not in SCANS and e.scan not in reductions:
        known = e.scan in REDUCTIONS
        if known:
            raise TypeError_(f"there is no running '{e.scan}'", span=e.span, hint=f"scans are {', '.join(SCANS)}")
        raise unknown("scan", e.scan, [*SCANS, *reductions], e.span)
    index = variable(typer, e.indices[0])
    body = typer.expr(e.body)
    semirings = typer.scope.definitions.semirings
    name, t = semirings[e.scan].monoid if e.scan in semirings else e.scan, body.dtype
    kept = t
    if name in typer.scope.definitions.monoids:
        kept = state_type(typer, name, t, e.span)
    elif name in ("sum", "prod", "add", "mul"):
        kept = accumulator(t)
    elif name == "count":
        body, kept = Typed(cast(body, BOOL)), I64
    elif name in ("any", "all", "or", "and"):
        kept = BOOL
    elif name == "logsumexp":
        real(name, t, e.span)
        kept = wide(as_float(t))
    else:
        ordered(name, t, e.span)
        if t is BOOL:
            name = {"min": "and", "max": "or"}.get(name, name)
    monoid = "add" if name == "count" else MONOIDS.get(name, name)
    node = Scan(
        monoid,
        index,
        cast(Typed(body.expr), kept),
        kept,
        "exclusive" in e.words,
        "reverse" in e.words,
        where,
        span=e.span,
    )
    return Typed(cast(Typed(node), narrow(t) or kept))


def top(typer: Typer, e: ast.Reduction, where: Expr | None) -> Typed:
    if not isinstance(e.tail, ast.Number) or e.tail.kind != "int":
        raise TypeError_(
            "'top' says how many it keeps, as a number",
            span=e.tail.span if e.tail else e.span,
            hint="write top[j: 32](key), or top[j/4: 2](key) within groups of 4",
        )
    groups: list[tuple[str, int | None]] = []
    for i in e.indices:
        if isinstance(i, ast.Binary):
            assert isinstance(i.right, ast.Number)
            groups.append((variable(typer, i.left), int(i.right.value.real)))
        else:
            groups.append((variable(typer, i), None))
    key = typer.expr(e.body)
    ordered("top", key.dtype, e.span)
    return Typed(Top(tuple(groups), int(e.tail.value.real), key.expr, where, span=e.span))


# implicit sums inside implicit sums


def merge(typer: Typer, node: Reduce) -> Reduce:
    """``sum[l](sum[k](A * B) * C)`` of implicit sums is one: ``sum[k, l](A * B * C)``.

    Only where nothing lies between them, not even a cast: sums of bools are ``any``, and no part of a sum of numbers.
    """
    mul = typer.semiring.mul if typer.semiring is not None else "and" if node.dtype is BOOL else "mul"
    names = list(node.indices)

    def inner(e: Expr) -> Expr | None:
        """What an implicit sum among the factors sums up."""
        rounded = isinstance(e, Map) and e.op == "cast" and e.dtype in (F16, BF16)
        r = e.args[0] if rounded and isinstance(e, Map) else e
        if not isinstance(r, Reduce) or r.monoid != node.monoid or all(r is not i for i in typer.implicit):
            return None
        if rounded and not (isinstance(r.body, Map) and r.body.op == "cast" and r.body.args[0].dtype is e.dtype):
            return None
        names.extend(r.indices)
        return r.body.args[0] if rounded and isinstance(r.body, Map) else r.body

    def product(e: Expr) -> Expr:
        found = inner(e)
        if found is not None:
            return found
        if not (isinstance(e, Map) and e.op == mul):
            return e
        args = tuple(map(product, e.args))
        return e if all(a is b for a, b in zip(args, e.args, strict=True)) else replace(e, args=args)

    body = node.body
    if isinstance(body, Map) and body.op == "cast" and node.dtype is F32:
        body = replace(body, args=(product(body.args[0]),))
    body = product(body)
    if len(names) > len(node.indices):
        order = list(typer.scope.indices)
        node = replace(node, indices=tuple(sorted(names, key=order.index)), body=body)
    typer.implicit.append(node)
    return node
