"""Algebra on expressions and loop nests: what remains when some entries are known to be absent.

Rules by name (``Z`` is a literal marked ``fill``: the value of an unstored entry)::

    fold          op(literals)        => literal                  (marked fill if an argument is)
    annihilate    mul(Z0, e)          => Z0             (what ``ops.forced`` says, even against inf and NaN)
    identity      add(0, e)           => e                        (floats: only from a fill, 0 + -0.0 is 0)
    select        select(literal,...) => the branch chosen
    select_same   select(c, v, v)     => v
    accumulate    t add= identity     => nothing
    define        r = fill of r       => nothing                  (r begins as its fill)
    empty_loop    forall of nothing   => nothing
    empty_work    workspace with a producer of nothing => its consumer, reading the initial value
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sparsec.ir import ops
from sparsec.ir.dtypes import DType
from sparsec.ir.loops import Accumulate, Assemble, Forall, ForallStored, Sequence, Stmt, Tile, Workspace
from sparsec.ir.rewrite import map_children, walk
from sparsec.ir.tensor import Access, Expr, Literal, Map, Reduce

Start = Callable[[str], object | None]
"""The value a target begins with, by tensor name; None if it must always be written."""


def same_value(a: object, b: object) -> bool:
    """Equality of Python scalars in which NaN equals NaN (and -0.0 equals 0.0: an unstored zero has no sign)."""
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or a == b
    return bool(a == b)


def _is(e: Expr, value: object) -> bool:
    return value is not None and isinstance(e, Literal) and bool(e.value == value)


def _absent(e: Expr) -> bool:
    return isinstance(e, Literal) and e.fill


def simplify_expr(e: Expr) -> Expr:
    """Apply the expression rules bottom up."""
    new = map_children(e, simplify_expr) if not isinstance(e, Literal) else e
    return simplify_map(new) if isinstance(new, Map) else new


def simplify_map(e: Map) -> Expr:
    """One operator, its arguments already simple."""
    args = e.args
    op = ops.OPS[e.op]
    if all(isinstance(a, Literal) for a in args):
        values = tuple(a.dtype.np.type(a.value) for a in args)  # type: ignore[union-attr]
        value = ops.evaluate(e.op, values, e.dtype).item()
        fill = any(_absent(a) for a in args)
        decided = _forced(e)
        return decided if decided is not None else Literal(value, e.dtype, fill=fill)
    if e.op == "select" and isinstance(args[0], Literal):
        return args[1] if args[0].value else args[2]
    if e.op == "select" and isinstance(args[1], Literal) and isinstance(args[2], Literal):
        absent = args[1].fill or args[2].fill
        if same_value(args[1].value, args[2].value) and (absent or repr(args[1].value) == repr(args[2].value)):
            return replace(args[1], fill=absent)
    if e.op == "cast" and args[0].dtype == e.dtype:
        return args[0]
    if len(args) != 2:
        return e
    a, b = args
    exact = not (e.dtype.is_float or e.dtype.kind == "c")
    decided = _forced(e)
    if decided is not None:
        return decided
    if exact and any(_is(x, op.annihilator) for x in (a, b)):
        return Literal(e.dtype.np.type(op.annihilator).item(), e.dtype)
    if e.dtype == a.dtype and _neutral(a, op.identity, exact):
        return b
    if e.dtype == a.dtype and (_neutral(b, op.identity, exact) or _neutral(b, op.right_identity, exact)):
        return a
    if e.op in ("min", "max") and e.dtype == a.dtype:
        bound = ops.MONOIDS[e.op].identity(e.dtype)
        if _is(a, bound):
            return b
        if _is(b, bound):
            return a
    return e


def _forced(e: Map) -> Literal | None:
    """The value that an unstored argument decides, the first of them if there are several."""
    for n, a in enumerate(e.args):
        if isinstance(a, Literal) and a.fill:
            value = ops.forced(e.op, n, a.value)
            if value is not None:
                return Literal(e.dtype.np.type(value).item(), e.dtype, fill=True)
    return None


def _neutral(x: Expr, identity: object, exact: bool) -> bool:
    if not _is(x, identity):
        return False
    return exact or bool(identity) or _absent(x)


def substitute(stmt: Stmt, absent: Mapping[Any, Expr]) -> Stmt:
    """``stmt`` with reads replaced (targets of accumulations are left alone)."""

    def run(node: Any) -> Any:
        if isinstance(node, Accumulate):
            value = run(node.value)
            return node if value is node.value else replace(node, value=value)
        if isinstance(node, Access) and node in absent:
            return absent[node]
        if isinstance(node, Literal):
            return node
        new = map_children(node, run)
        return simplify_map(new) if isinstance(new, Map) else new

    return run(stmt)  # type: ignore[no-any-return]


def prune(stmt: Stmt, start: Start) -> Stmt | None:
    """``stmt`` without the parts that do nothing; None if nothing is left."""
    match stmt:
        case Accumulate(target, op, value):
            value = simplify_expr(value)
            if isinstance(value, Literal):
                if op == "=":
                    begin = start(target.tensor)
                    if begin is not None and same_value(_as(value.dtype, begin), value.value):
                        return None
                elif same_value(ops.MONOIDS[op].identity(value.dtype), value.value):
                    return None
            return stmt if value is stmt.value else replace(stmt, value=value)
        case Sequence(stmts):
            kept = tuple(s for s in (prune(s, start) for s in stmts) if s is not None)
            return (Sequence(kept) if len(kept) != 1 else kept[0]) if kept else None
        case Workspace():
            return _prune_workspace(stmt, start)
        case Forall() | ForallStored() | Assemble():
            body = prune(stmt.body, start)
            if body is None:
                return None
            return stmt if body is stmt.body else replace(stmt, body=body)
        case Tile(_, body):
            return None if prune(body, start) is None else stmt
    raise TypeError(type(stmt).__name__)


def _as(dtype: DType, value: object) -> object:
    return dtype.np.type(value).item()


def _prune_workspace(stmt: Workspace, start: Start) -> Stmt | None:
    producer = prune(stmt.producer, lambda name: stmt.init if name == stmt.name else start(name))
    if producer is None:
        initial = Literal(stmt.init, stmt.dtype, fill=True)
        reads = {n: initial for n in walk(stmt.consumer) if isinstance(n, Access) and n.tensor == stmt.name}
        return prune(substitute(stmt.consumer, reads), start)
    consumer = prune(stmt.consumer, start)
    if consumer is None:
        return None
    if producer is stmt.producer and consumer is stmt.consumer:
        return stmt
    return replace(stmt, producer=producer, consumer=consumer)


def absent_value(e: Expr, fills: Mapping[Expr, Expr]) -> Expr:
    """What ``e`` is where the accesses in ``fills`` have no entry; reductions fold their identity."""

    def run(node: Expr) -> Expr:
        if node in fills:
            return fills[node]
        if isinstance(node, Literal):
            return node
        new = map_children(node, run)
        if isinstance(new, Map):
            return simplify_map(new)
        if isinstance(new, Reduce) and isinstance(new.body, Literal):
            monoid = ops.MONOIDS[new.monoid]
            value = new.body.dtype.np.type(new.body.value).item()
            if monoid.op and (same_value(monoid.identity(new.body.dtype), value) or monoid.idempotent):
                return Literal(value, new.dtype, fill=True)
        return new

    with np.errstate(all="ignore"):
        return run(e)
