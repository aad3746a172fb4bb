"""Statements to tensor IR.

One statement goes through these steps: the target is found or declared (``targets``); ``scopes`` finds the index
variables; ``implicit`` writes the sums out; a condition on a reduced index goes into the reduction; ``typing``
gives types; the value is cast to what the target holds; bound variables get the names that the text has for them
(``labels``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sparsec.errors import ShapeError, Span, TypeError_
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.conditions import Parts, restrict, somewhere, split_condition
from sparsec.frontends.dsl.implicit import names_in, place_sum
from sparsec.frontends.dsl.labels import Labels
from sparsec.frontends.dsl.names import unknown
from sparsec.frontends.dsl.reads import Block, check_reads
from sparsec.frontends.dsl.scopes import Scopes, conjuncts, join
from sparsec.frontends.dsl.symbols import Semiring, Tensor
from sparsec.frontends.dsl.targets import Body, find_target
from sparsec.frontends.dsl.typing import MAX_DEPTH, Scope, Typer, check_order, tensor_of
from sparsec.frontends.dsl.values import UPDATES, assigned, target_dtype, update
from sparsec.ir.dtypes import BOOL
from sparsec.ir.rewrite import children
from sparsec.ir.tensor import Access, Assign, Expr, Extent, Index, IndexDecl, Map


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
    check_extents(body, scopes, parts)
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
        everywhere = all(isinstance(i, Index) for i in target.indices)
        some = somewhere(typed.expr, admitted, dtype, t, reduced, everywhere)
        where = some if where is None else where if some is None else Map("and", (where, some), BOOL)
    check_depth([expr, *target.indices] + ([] if where is None else [where]), s)
    op = "=" if s.op == "=" else update(s, dtype, semiring)
    note_write(t, s)
    body.monoids |= typer.monoids
    expr, where, decls = labelled(expr, where, parts, scopes, typer.scope.indices, block)
    return Assign(replace(target, dtype=dtype), op, expr, decls, where, span=s.span)


def check_depth(level: list[Expr], s: ast.AssignText) -> None:
    """Raise ``TypeError_`` for what nests deeper than tensor IR allows, with its casts and functions written out."""
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise TypeError_(
                f"the expression nests more than {MAX_DEPTH} deep when its casts and functions are written out",
                span=s.value.span,
                hint="give parts of it names of their own",
            )
        level = [child for node in level for child in children(node)]


def note_write(t: Tensor, s: ast.AssignText) -> None:
    if s.op == "=":
        t.defined = t.defined or s.target.span
    else:
        t.updated = t.updated or s.target.span


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
    """Find the index variables and what each runs over."""
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
    return Parts(indices, value, where, free, implicit, root)


def check_extents(body: Body, scopes: Scopes, parts: Parts) -> None:
    """Raise ``ShapeError`` for an index variable that nothing bounds, unless a read that should is wrong itself."""
    for n, v in scopes.variables.items():
        if v.extent is None:
            known = dict.fromkeys(scopes.variables, 0)
            scope = Scope(body.tensors, known, {}, body.dims, body.definitions, None, body.declared)
            for read in scopes.reads:
                if isinstance(read, ast.Subscript):
                    check_order(tensor_of(read, scope), read)
            what = "stands only in affine indices" if not n.partition(".")[2] else "indexes no dimension alone"
            where = "where" if n in parts.implicit or n in parts.free else "... where"
            raise ShapeError(
                f"nothing says how far the index '{v.name}' runs: it {what}",
                span=v.span,
                hint=f"give it a range: {where} {v.name} in 0:3",
            )


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
    return Scope(body.tensors, extents, offsets, body.dims, body.definitions, semiring, body.declared)


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


def target_access(typer: Typer, t: Tensor, parts: Parts, span: Span) -> Access:
    """The left side; its dtype is filled in when it is known."""
    indices = tuple(typer.index(e, t, n) for n, e in enumerate(parts.indices))
    return Access(t.name, indices, t.dtype or BOOL, span=span)
