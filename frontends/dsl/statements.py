"""Statements to tensor IR.

One statement goes through these steps: the target is found or declared (``targets``); ``scopes`` finds the index
variables; ``implicit`` writes the sums out; a condition on a reduced index goes into the reduction; ``typing``
gives types; the value is cast to what the target holds; bound variables get the names that the text has for them
(``labels``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sparsec.errors import ShapeError, Span, TypeError_
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.annotations import fill_value
from sparsec.frontends.dsl.implicit import names_in, place_sum
from sparsec.frontends.dsl.labels import Labels
from sparsec.frontends.dsl.names import unknown
from sparsec.frontends.dsl.promotion import LITERAL, Typed, cast, may_assign
from sparsec.frontends.dsl.scopes import Scopes, Variable, conjuncts, join
from sparsec.frontends.dsl.symbols import Semiring, Tensor, zero
from sparsec.frontends.dsl.targets import Body, find_target
from sparsec.frontends.dsl.typing import OF_BOOLS, Scope, Typer
from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, DType, promote
from sparsec.ir.tensor import Access, Assign, Expr, Extent, IndexDecl, Literal, Map, Reduce

UPDATES = {"+=": "add", "*=": "mul", "min=": "min", "max=": "max", "|=": "bitor", "&=": "bitand"}


@dataclass(slots=True)
class Block:
    """A scan block around a statement: its variable, and the names that it writes, with those written so far."""

    variable: Variable
    reverse: bool
    names: frozenset[str]
    written: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Parts:
    """A statement whose names are resolved: its ``free`` and ``implicit`` variables, and those that the reduction which
    is its whole right side binds (``root``)."""

    indices: tuple[ast.Expr, ...]
    value: ast.Expr
    where: ast.Expr | None
    free: list[str]
    implicit: list[str]
    root: list[str]


def assign(body: Body, s: ast.AssignText, block: Block | None = None) -> Assign:
    """One assignment or update; raises children of ``SparsecError`` with a span."""
    t = find_target(body, s)
    body.number += 1
    body.last_write[t.name] = body.number
    scopes = Scopes(body.tensors, body.dims, body.extents)
    if block is not None:
        scopes.variables[block.variable.name] = block.variable
    parts = resolve(scopes, s, [] if block is None else [block.variable.name])
    check_reads(body, scopes, s, block)
    semiring = semiring_of(body, s)
    scope = scope_of(body, scopes, parts, semiring)
    value = with_sums(parts, s, scope, body.source)
    outer, moved = split_condition(parts)
    if moved is not None and parts.root:
        assert isinstance(value, ast.Reduction)
        value = value._replace(where=join([*conjuncts(value.where), moved]))
    typer = Typer(scope)
    typed = typer.expr(value)
    where = None if outer is None else typer.condition(outer)
    target = target_access(typer, t, parts, s.target.span)
    admitted = None if moved is None else typer.condition(moved)
    if admitted is not None and moved is not None and not parts.root:
        typed = restrict(typed, admitted, moved, parts)
    dtype = target_dtype(body, t, typed)
    expr = assigned(typed, dtype, t, s.value.span)
    if admitted is not None and moved is not None and s.op == "=":
        reduced = tuple(n for n in (*parts.implicit, *parts.root) if n in names_in(moved))
        some = somewhere(typed.expr, admitted, dtype, t, reduced)
        where = some if where is None else where if some is None else Map("and", (where, some), BOOL)
    op = "=" if s.op == "=" else update(s, dtype, semiring)
    note_write(t, s, block)
    body.monoids |= typer.monoids
    expr, where, decls = labelled(expr, where, parts, scopes, typer.scope.indices, block)
    return Assign(replace(target, dtype=dtype), op, expr, decls, where, span=s.span)


def note_write(t: Tensor, s: ast.AssignText, block: Block | None) -> None:
    if s.op == "=":
        t.defined = t.defined or s.target.span
    else:
        t.updated = t.updated or s.target.span
    if block is not None:
        block.written.add(t.name)


def labelled(
    expr: Expr, where: Expr | None, parts: Parts, scopes: Scopes, extents: Mapping[str, Extent], block: Block | None
) -> tuple[Expr, Expr | None, tuple[IndexDecl, ...]]:
    """Bound variables under the names that the text has for them, and the declarations of all."""
    names = [n for n in parts.free if block is None or n != block.variable.name]
    decls = [IndexDecl(n, extents[n]) for n in names]
    if len(scopes.variables) == len(parts.free) + len(parts.implicit):
        return expr, where, (*decls, *(IndexDecl(n, extents[n]) for n in parts.implicit))
    labels = Labels(scopes.variables, parts.free, extents)
    around = frozenset(parts.free)
    expr = labels.run(expr, around)
    where = None if where is None else labels.run(where, around)
    return expr, where, (*decls, *labels.reduced.values())


# index variables


def resolve(scopes: Scopes, s: ast.AssignText, free: list[str]) -> Parts:
    """Find the index variables and what each runs over; raises ``ShapeError`` for one that nothing bounds."""
    found: list[str] = []
    indices = scopes.indices(s.target.name, s.target.indices, {}, free)
    on_left = set(scopes.maybe)
    value = scopes.resolve(s.value, {}, found)
    root: list[str] = []
    bound: dict[str, str] = {}
    if isinstance(value, ast.Reduction) and not value.keeps:
        root = [i.id for i in value.indices if isinstance(i, ast.Name)]
        bound = {scopes.variables[n].name: n for n in root}
    in_condition: list[str] = []
    where = None if s.where is None else scopes.resolve(s.where, bound, in_condition)
    for part in conjuncts(where):
        # A dimension's name in an affine index is an index variable after all if it is given a range.
        if isinstance(part, ast.Between) and isinstance(part.value, ast.Name) and part.value.id in scopes.maybe:
            scopes.meet(part.value, free if part.value.id in on_left else found)
    implicit = [n for n in found if n not in free]
    for n in in_condition:
        if n not in free and n not in implicit:
            v = scopes.variables[n]
            raise TypeError_(
                f"the condition names the index '{n}', which neither side of the statement has",
                span=v.span,
                hint=f"say for which '{n}' it must hold: any[{n}](...) or all[{n}](...)",
            )
    for n in on_left & set(implicit):
        raise TypeError_(
            f"'{n}' is a dimension on the left and an index variable on the right",
            span=scopes.variables[n].span,
            hint="use another letter for the index",
        )
    where = scopes.ranges(where, [*free, *implicit, *root])
    for n, v in scopes.variables.items():
        if v.extent is None:
            what = "stands only in affine indices" if not n.partition(".")[2] else "indexes no dimension alone"
            raise ShapeError(
                f"nothing says how far the index '{v.name}' runs: it {what}",
                span=v.span,
                hint=f"give it a range: {'where' if n in implicit or n in free else '... where'} {v.name} in 0:3",
            )
    return Parts(indices, value, where, free, implicit, root)


def scope_of(body: Body, scopes: Scopes, parts: Parts, semiring: Semiring | None) -> Scope:
    """What typing must know: free variables first, then the implicit ones in the order of the text."""
    order = dict.fromkeys([*parts.free, *parts.implicit, *scopes.variables])
    extents: dict[str, Extent] = {}
    offsets: dict[str, int] = {}
    for n in order:
        v = scopes.variables[n]
        assert v.extent is not None
        extents[n] = body.extents.find(v.extent)
        if v.offset:
            offsets[n] = v.offset
    return Scope(body.tensors, extents, offsets, body.dims, body.definitions, semiring)


def check_reads(body: Body, scopes: Scopes, s: ast.AssignText, block: Block | None) -> None:
    """What is read must be passed or written before; a scan block reads what it has written at earlier points."""
    for read in scopes.reads:
        name = read.id if isinstance(read, ast.Name) else read.name
        t = body.tensors.get(name)
        if t is None and (name not in body.written_at or name in scopes.variables):
            continue  # an index variable, or a name that means nothing, which typing says
        if t is not None:
            body.last_read[name] = body.number
            if t.role in ("in", "inout") or (s.op != "=" and name == s.target.name):
                continue
            if block is not None and name in block.names:
                if isinstance(read, ast.Subscript):
                    check_earlier(body, read, s, block)
                continue
            if t.defined is not None or t.updated is not None:
                continue
        if name == s.target.name:
            raise TypeError_(
                f"'{name}' is read by the statement that defines it",
                span=read.span,
                hint="a recurrence is written in a scan block: scan i { ... }; a sum in place as '+='",
            )
        line = body.written_at[name].line if name in body.written_at else None
        raise TypeError_(
            f"'{name}' is read before it is written" + (f", at line {line}" if line else ""),
            span=read.span,
            hint="write it first" if line else f"nothing writes '{name}'",
        )


def check_earlier(body: Body, read: ast.Subscript, s: ast.AssignText, block: Block) -> None:
    """Raise ``TypeError_`` for a read of a point that the recurrence surely has not written yet."""
    writes = body.places.get(read.name)
    step = block.variable.name
    if writes is None or writes >= len(read.indices):
        return
    e, ahead = read.indices[writes], 0
    if isinstance(e, ast.Binary) and e.op in ("+", "-") and isinstance(e.right, ast.Number):
        ahead = int(e.right.value.real) * (1 if e.op == "+" else -1) * (-1 if block.reverse else 1)
        e = e.left
    if not (isinstance(e, ast.Name) and e.id == step):
        return
    own = read.name == s.target.name and s.op == "="
    if ahead > 0 or (ahead == 0 and (own or read.name not in block.written)):
        raise TypeError_(
            f"'{read.name}' is read at a point that the scan has not written yet",
            span=read.span,
            hint=f"it writes {step} = {'n-1, ..., 1, 0' if block.reverse else '0, 1, 2, ...'}: "
            f"read {read.name} at {step} {'+' if block.reverse else '-'} 1",
        )


# sums and conditions


def semiring_of(body: Body, s: ast.AssignText) -> Semiring | None:
    if s.over is None:
        return None
    known = body.definitions.semirings
    if s.over.id not in known:
        hint = None
        if s.over.id in body.definitions.monoids:
            hint = f"'{s.over.id}' is a monoid: use it as {s.over.id}[k](...)"
        elif not known:
            hint = f"define it: semiring {s.over.id} {{ add = min, zero = inf, mul = +, one = 0 }}"
        raise unknown("semiring", s.over.id, known, s.over.span, hint)
    return known[s.over.id]


def with_sums(parts: Parts, s: ast.AssignText, scope: Scope, source: str) -> ast.Expr:
    """The value with its implicit reductions written out."""
    value = parts.value
    if s.op not in ("=", "+="):
        indices = tuple(ast.Name(k, value.span) for k in parts.implicit)
        whole = ast.Reduction(UPDATES[s.op], indices, None, value, None, value.span, implicit=True)
        return whole if indices else value
    try:
        for k in parts.implicit:
            value = place_sum(value, k, source, "sum" if scope.semiring is None else scope.semiring.name)
    except TypeError_:
        Typer(scope).expr(parts.value)  # what is wrong with it anyway is the better error
        raise
    return value


def split_condition(parts: Parts) -> tuple[ast.Expr | None, ast.Expr | None]:
    """The part of the condition that restricts the statement, and the part that names reduced variables."""
    reduced = {*parts.implicit, *parts.root}
    outer: list[ast.Expr] = []
    moved: list[ast.Expr] = []
    for part in conjuncts(parts.where):
        (moved if reduced.intersection(names_in(part)) else outer).append(part)
    return join(outer), join(moved)


def restrict(value: Typed, condition: Expr, moved: ast.Expr, parts: Parts) -> Typed:
    """An implicit sum that is the whole right side, over the points that ``condition`` admits."""
    node = value.expr.args[0] if isinstance(value.expr, Map) and value.expr.op == "cast" else value.expr
    missing = set(parts.implicit).intersection(names_in(moved))
    if not isinstance(node, Reduce) or not missing <= set(node.indices):
        names = ", ".join(n for n in parts.implicit if n in missing)
        raise TypeError_(
            f"the condition names '{names}', and the right side is not one sum over it",
            span=moved.span,
            hint=f"give the sum that is meant its condition: sum[{names}](... where ...)",
        )
    both = condition if node.where is None else Map("and", (node.where, condition), BOOL)
    restricted = replace(node, where=both)
    return Typed(replace(value.expr, args=(restricted,)) if isinstance(value.expr, Map) else restricted)


def somewhere(value: Expr, condition: Expr, dtype: DType, t: Tensor, reduced: tuple[str, ...]) -> Expr | None:
    """The condition that a moved one leaves on the statement: points for which it admits nothing have the fill.

    None where the reduction of nothing is the fill.
    """
    node = value.args[0] if isinstance(value, Map) and value.op == "cast" else value
    fill = zero(dtype) if t.fill is None else t.fill
    if isinstance(node, Reduce) and node.monoid in ops.MONOIDS:
        nothing = ops.MONOIDS[node.monoid].identity(node.dtype)
        if nothing == fill:
            return None
    return Reduce("or", reduced, condition, BOOL)


# the value


def target_access(typer: Typer, t: Tensor, parts: Parts, span: Span) -> Access:
    """The left side; its dtype is filled in when it is known."""
    indices = tuple(typer.index(e, t, n) for n, e in enumerate(parts.indices))
    return Access(t.name, indices, t.dtype or BOOL, span=span)


def target_dtype(body: Body, t: Tensor, value: Typed) -> DType:
    """What the target holds; where the text does not say it, the value's dtype."""
    if t.dtype is not None and not t.inferred:
        return t.dtype
    if body.guesses is not None:
        seen = body.guesses.get(t.name)
        body.guesses[t.name] = value.dtype if seen is None else promote(seen, value.dtype)
        return value.dtype
    t.dtype = value.dtype
    if t.fill is not None and t.fill_span is not None:
        t.fill = fill_value(t.fill, t.dtype, t.fill_span)
    return t.dtype


def assigned(value: Typed, dtype: DType, t: Tensor, span: Span) -> Expr:
    """The value in the target's dtype, where NumPy's "same_kind" casting allows it."""
    e = value.expr
    if value.weak == LITERAL and isinstance(e, Literal):
        fits = dtype is not BOOL and _RANK[e.dtype.kind] <= _RANK[dtype.kind]
    else:
        fits = may_assign(e.dtype, dtype)
    if not fits:
        how = {
            "b": "write true or false, or compare it with 0",
            "u": f"cast it: {dtype}(...)",
            "i": f"cast it: {dtype}(...), or round(...) first",
        }
        hint = how.get(dtype.kind, f"take real(...) or abs(...), or declare '{t.name}' complex")
        raise TypeError_(f"'{t.name}' holds {dtype}, and the value is {e.dtype}", span=span, hint=hint)
    if isinstance(e, Reduce) and e.monoid in ("add", "mul") and dtype.is_integer and e.dtype.is_integer:
        # Wrapping early or late is the same, and the narrow sum is the cheaper one.
        body = e.body.args[0] if isinstance(e.body, Map) and e.body.op == "cast" else e.body
        if body.dtype is dtype:
            return replace(e, body=body, dtype=dtype)
    return cast(value, dtype)


_RANK = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def update(s: ast.AssignText, dtype: DType, semiring: Semiring | None) -> str:
    """The monoid that an update folds with."""
    name = UPDATES[s.op]
    if semiring is not None and s.op in ("+=", "*="):
        word = semiring.add if s.op == "+=" else semiring.mul
        if not isinstance(word, str) or word not in ops.MONOIDS:
            raise TypeError_(
                f"'{s.op}' over '{semiring.name}', which has no such operator in place",
                span=s.target.span,
                hint="define a tensor, and combine it in a second statement",
            )
        name = word
    if dtype is BOOL:
        name = OF_BOOLS.get(name, name)
    if not ops.MONOIDS[name].admits(dtype):
        hint = "write abs(...) or real(...)" if dtype.kind == "c" else "'|=' and '&=' are for integers and bools"
        raise TypeError_(f"'{s.op}' cannot update {dtype}", span=s.target.span, hint=hint)
    return name
