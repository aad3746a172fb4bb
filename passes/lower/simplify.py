"""Algebra on expressions and loop nests: what remains when some entries are known to be absent.

Rules by name (``Z`` is a literal marked ``fill``: the value of an unstored entry)::

    fold          op(literals)        => literal                  (marked fill if an argument is)
    annihilate    mul(Z0, e)          => Z0             (what ``Map.forced`` says, even against inf and NaN)
    identity      add(0, e)           => e                        (floats: only from a fill, 0 + -0.0 is 0)
    select        select(literal,...) => the branch chosen
    select_same   select(c, v, v)     => v                        (marked fill if one of them is)
    choice        select(c, v, Z)     => select(c, v, z)          (no mark: which is chosen is not known)
    accumulate    t add= identity     => nothing                  (tuple states: what they skip)
    define        r = fill of r       => nothing                  (r begins as its fill)
    check         check of a number inside => nothing
    if            if true { s }       => s                        (if false: nothing; so is an if of nothing)
    empty_loop    forall of nothing   => nothing
    empty_work    workspace with a producer of nothing => its consumer, reading the initial value
    unchanged     scalar that ordered iterations read and none changes => its producer, reading the initial value
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sparsec.ir import monoids, ops
from sparsec.ir.dtypes import BOOL, DType
from sparsec.ir.loops import (
    Accumulate,
    Assemble,
    Check,
    Forall,
    ForallStored,
    Guard,
    Let,
    Sequence,
    Stmt,
    Tile,
    Workspace,
)
from sparsec.ir.rewrite import map_children, postwalk, walk
from sparsec.ir.tensor import Access, Expr, Index, Literal, Map, MonoidDef, Reduce, Stored
from sparsec.ir.tensor_values import same_value, scalar
from sparsec.passes.lower.coordinates import surely_inside

Tuples = tuple[MonoidDef, ...]
"""Definitions of monoids with a tuple state."""

NOT_STORED = Literal(False, BOOL, fill=True)
"""What ``stored(a)`` is where ``a`` has no entry."""
IS_STORED = Literal(True, BOOL)
"""What it is in a condition where ``a`` has one."""

Known = dict[int, tuple[Any, Expr]]
"""What nodes were found to be, by identity (hashing a tree walks it); each is kept, so that its id stays its own."""

Start = Callable[[str], object | None]
"""The value a target begins with, by tensor name; None if it must always be written."""


def _is(e: Expr, value: object) -> bool:
    return value is not None and isinstance(e, Literal) and bool(e.value == value)


def _absent(e: Expr) -> bool:
    return isinstance(e, Literal) and e.fill


def simplify_expr(e: Expr) -> Expr:
    """Apply the expression rules bottom up."""
    return e if isinstance(e, Literal) else simplified(e, simplify_expr)


def simplified(node: Any, run: Callable[[Any], Any]) -> Any:
    """``node`` with ``run`` applied to its children, by the rule that it is then subject to."""
    if isinstance(node, Access):
        indices = tuple(_index(e, run(e), run) for e in node.indices)
        return node if indices == node.indices else replace(node, indices=indices)
    new = map_children(node, run)
    if not isinstance(new, Map):
        return new
    simple = simplify_map(new)
    return _chooses(node, new) if simple is new and new.op == "select" else simple


def _chooses(before: Map, after: Map) -> Map:
    """A choice of the program between values: what is not stored among them makes no condition of it."""
    args = tuple(
        replace(a, fill=False) if isinstance(a, Literal) and a.fill and not _absent(b) else a
        for a, b in zip(after.args, before.args, strict=True)
    )
    return after if args == after.args else replace(after, args=args)


def _index(before: Expr, after: Expr, run: Callable[[Any], Any]) -> Expr:
    """A variable alone promises to stay inside the extent: ``x[i + 0]``, which does not, is never made into that."""
    if isinstance(after, Index) and isinstance(before, Map):
        return map_children(before, run)
    return after


def simplify_map(e: Map) -> Expr:
    """One operator, its arguments already simple."""
    args = e.args
    op = ops.OPS[e.op]
    if e.op == "select" and isinstance(args[0], Literal):
        return args[1] if args[0].value else args[2]
    if all(isinstance(a, Literal) for a in args):
        values = tuple(scalar(a.value, a.dtype) for a in args)  # type: ignore[union-attr]
        value = ops.evaluate(e.op, values, e.dtype).item()
        fill = any(_absent(a) for a in args)
        decided = _forced(e)
        return decided if decided is not None else Literal(value, e.dtype, fill=fill)
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
        return Literal(scalar(op.annihilator, e.dtype).item(), e.dtype)
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
            value = e.forced(n, a.value)
            if value is not None:
                return Literal(scalar(value, e.dtype).item(), e.dtype, fill=True)
    return None


def _neutral(x: Expr, identity: object, exact: bool) -> bool:
    if not _is(x, identity):
        return False
    return exact or bool(identity) or _absent(x)


def substitute(stmt: Stmt, absent: Mapping[Any, Expr], present: Collection[Access] = ()) -> Stmt:
    """``stmt`` with reads replaced (targets of accumulations are left alone); ``stored`` of these is false.

    In conditions ``stored`` of the accesses that are ``present`` is true.  In a value it stays: like the value of an
    entry it decides nothing about what has one, so that the pattern does not hang on where a format makes it known.
    """

    def run(node: Any) -> Any:
        if isinstance(node, Accumulate):
            value = run(node.value)
            return node if value is node.value else replace(node, value=value)
        if isinstance(node, Access) and node in absent:
            return absent[node]
        if isinstance(node, Stored):
            return NOT_STORED if node.access in absent else node
        if isinstance(node, Literal):
            return node
        if present and isinstance(node, Guard):
            node = replace(node, condition=postwalk(node.condition, known))
        elif present and isinstance(node, Map) and node.op == "select" and _absent(node.args[2]):
            node = replace(node, args=(postwalk(node.args[0], known), *node.args[1:]))
        return simplified(node, run)

    def known(node: object) -> Literal | None:
        return IS_STORED if isinstance(node, Stored) and node.access in present else None

    return run(stmt)  # type: ignore[no-any-return]


def prune(stmt: Stmt, start: Start, tuples: Tuples) -> Stmt | None:
    """``stmt`` without the parts that do nothing; None if nothing is left.  ``tuples`` are the kernel's monoids."""
    match stmt:
        case Accumulate(target, op, value):
            value = simplify_expr(value)
            if isinstance(value, Literal):
                if op == "=":
                    begin = start(target.tensor)
                    if begin is not None and same_value(_as(value.dtype, begin), value.value):
                        return None
                elif _does_nothing(op, value, tuples):
                    return None
            return stmt if value is stmt.value else replace(stmt, value=value)
        case Sequence(stmts):
            kept = tuple(s for s in (prune(s, start, tuples) for s in stmts) if s is not None)
            return (Sequence(kept) if len(kept) != 1 else kept[0]) if kept else None
        case Guard(condition, body):
            condition = simplify_expr(condition)
            if isinstance(condition, Literal):
                return prune(body, start, tuples) if condition.value else None
            inner = prune(body, start, tuples)
            return None if inner is None else replace(stmt, condition=condition, body=inner)
        case Workspace():
            return _prune_workspace(stmt, start, tuples)
        case Check(value, extent):
            return None if surely_inside(simplify_expr(value), extent) else stmt
        case Forall() | ForallStored() | Assemble() | Let():
            kept_body = prune(stmt.body, start, tuples)
            if kept_body is None:
                return None
            return stmt if kept_body is stmt.body else replace(stmt, body=kept_body)
        case Tile(_, body):
            return None if prune(body, start, tuples) is None else stmt
    raise TypeError(type(stmt).__name__)


def _as(dtype: DType, value: object) -> object:
    return scalar(value, dtype).item()


def _does_nothing(op: str, value: Literal, tuples: Tuples) -> bool:
    m = next((m for m in tuples if m.name == op), None)
    return same_value(ops.MONOIDS[op].identity(value.dtype), value.value) if m is None else skips(m, value)


def skips(m: MonoidDef, value: Literal) -> bool:
    """Whether reducing ``value`` does nothing: declared, or the algebra finds ``combine(s, lift(value))`` to be s."""
    if m.skip is not None and same_value(m.skip.value, value.value):
        return True
    if m.place is not None:
        return False
    given: dict[Expr, Expr] = {Access(m.lift_arg, (), value.dtype): replace(value, fill=True)}
    right: dict[Expr, Expr] = {
        Access(name, (), z.dtype): _replace(e, given) for name, e, z in zip(m.right, m.lift, m.zero, strict=True)
    }
    after = (_replace(e, right) for e in m.combine)
    return all(a == Access(s, (), z.dtype) for a, s, z in zip(after, m.left, m.zero, strict=True))


def _replace(e: Expr, table: Mapping[Expr, Expr]) -> Expr:
    if e in table:
        return table[e]
    return e if isinstance(e, Literal) else simplified(e, lambda c: _replace(c, table))


def _prune_workspace(stmt: Workspace, start: Start, tuples: Tuples) -> Stmt | None:
    begin = None if stmt.keep is not None else stmt.init  # a list that keeps the greatest takes in any value
    producer = prune(stmt.producer, lambda name: begin if name == stmt.name else start(name), tuples)
    if producer is None:
        initial = Literal(stmt.init, stmt.dtype, fill=True)
        reads = {n: initial for n in walk(stmt.consumer) if isinstance(n, Access) and n.tensor == stmt.name}
        return prune(substitute(stmt.consumer, reads), start, tuples)
    consumer = prune(stmt.consumer, start, tuples)
    if consumer is None:
        return _prune_carried(stmt, producer, start, tuples)
    if producer is stmt.producer and consumer is stmt.consumer:
        return stmt
    return replace(stmt, producer=producer, consumer=consumer)


def over_nothing(r: Reduce, users: Tuples) -> Literal:
    """The value of a reduction over no points."""
    m = monoids.definition(r.monoid, users)
    value = ops.MONOIDS[r.monoid].identity(r.dtype) if m is None else monoids.nothing(monoids.typed(m, r.body.dtype))
    return Literal(value, r.dtype, fill=True)


def _prune_carried(stmt: Workspace, producer: Stmt, start: Start, tuples: Tuples) -> Stmt | None:
    """A workspace that nobody consumes: needed for what its producer writes elsewhere, if that is anything."""
    writes = [n for n in walk(producer) if isinstance(n, Accumulate)]
    if all(n.target.tensor == stmt.name for n in writes):
        return None
    if any(n.target.tensor == stmt.name for n in writes):
        return replace(stmt, producer=producer, consumer=Sequence(()))
    # What is handed on is a value like any other: it does not annihilate as an unstored entry would.
    initial = Literal(stmt.init, stmt.dtype)
    reads = {n: initial for n in walk(producer) if isinstance(n, Access) and n.tensor == stmt.name}
    return prune(substitute(producer, reads), start, tuples)


def absent_value(e: Expr, fills: Mapping[Expr, Expr], users: Tuples, known: Known | None = None) -> Expr:
    """What ``e`` is where the accesses in ``fills`` have no entry; reductions fold their identity.

    ``users`` are the program's own monoids.  ``known`` keeps what its parts are, for those who ask about them, too.
    """
    memo: Known = {} if known is None else known

    def run(node: Expr) -> Expr:
        found = memo.get(id(node))
        if found is None:
            found = memo[id(node)] = node, value(node)
        return found[1]

    def value(node: Expr) -> Expr:
        if isinstance(node, Access) and node in fills:
            return fills[node]
        if isinstance(node, Stored):
            return NOT_STORED if node.access in fills else node
        if isinstance(node, Literal):
            return node
        new: Expr = simplified(node, run)
        if isinstance(new, Reduce) and isinstance(new.where, Literal):
            return run(replace(new, where=None)) if new.where.value else over_nothing(new, users)
        if isinstance(new, Reduce) and isinstance(new.body, Literal):
            m = monoids.definition(new.monoid, users)
            if m is not None:
                m = monoids.typed(m, new.body.dtype)
                return Literal(monoids.nothing(m), new.dtype, fill=True) if skips(m, new.body) else new
            monoid = ops.MONOIDS[new.monoid]
            value = scalar(new.body.value, new.body.dtype).item()
            if same_value(monoid.identity(new.body.dtype), value) or monoid.idempotent:
                return Literal(value, new.dtype, fill=True)
        return new

    with np.errstate(all="ignore"):
        return run(e)
