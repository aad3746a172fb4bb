"""Conditions as expressions: ``where`` written out as a choice between a value and no entry.

A *guard* is ``select(c, v, fill(z))``: ``v`` where ``c`` holds, and elsewhere ``z`` marked as the value of what is not
stored.  So whatever reads expressions (the case analysis, the cost of an order, the fill of a result) knows conditions
already: a mask without an entry is false, the guard is its fill, and nothing is left of the assignment.  Rules::

    statement    r = e where c                => r = guard(c, e, fill of r)
    update       r op= e where c              => r op= guard(c, e, identity of op)
    reduction    R[j](e where c)              => R[j](guard(c, e, identity of R))
    admits       r = R[j](e) where c          => r = guard(any[j](c), R[j](e where c), fill)    if c names j
    both         guard(a and b, e, z)         => guard(a, guard(b, e, z), z)
    push         guard(c, R[j](e), identity)  => R[j](guard(c, e, identity))
    stored       stored(a), a stored whole    => true                         in conditions

The nest gets an ``if`` around the assignment (``guarded.py``), as far out as the variables of its condition allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL
from sparsec.ir.rewrite import map_children, postwalk, walk
from sparsec.ir.tensor import Assign, Expr, Literal, Map, Program, Reduce, Scan, Softmax, Stored, Top, elsewhere, joined
from sparsec.ir.tensor_values import same_value, scalar
from sparsec.ir.variables import conjuncts, is_plain, mentioned


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of a guard."""

    condition: Expr
    value: Expr
    otherwise: Literal


def split(e: Expr) -> Split | None:
    """``e`` as a guard, if it is one."""
    match e:
        case Map("select", (condition, value, Literal(fill=True) as otherwise)):
            return Split(condition, value, otherwise)
    return None


def strip(e: Expr, admits: Callable[[Split], bool]) -> tuple[list[Expr], Expr]:
    """The conditions of the guards around ``e`` that ``admits`` takes, and ``e`` without them."""
    found = split(e)
    if found is None:
        return [], e
    conditions, value = strip(found.value, admits)
    if admits(found):
        return [found.condition, *conditions], value
    return conditions, e if value is found.value else replace_value(e, found, value)


def replace_value(e: Expr, found: Split, value: Expr) -> Expr:
    """The guard ``e`` around another value."""
    return Map("select", (found.condition, value, found.otherwise), e.dtype)


def guard(condition: Expr, value: Expr, otherwise: object) -> Expr:
    """``value`` where ``condition`` holds, else no entry: one guard for each part of a conjunction."""
    t = value.dtype
    nothing = Literal(scalar(otherwise, t).item(), t, fill=True)
    # What needs a reduction is asked last.
    for c in reversed(sorted(conjuncts(condition), key=reduces)):
        value = Map("select", (c, value, nothing), t)
    return value


def conjunction(parts: Iterable[Expr]) -> Expr | None:
    """What holds where all ``parts`` do; None of none."""
    found = list(parts)
    return joined("and", found, BOOL) if found else None


def reduces(e: Expr) -> bool:
    """Whether a reduction stands in ``e``."""
    return any(isinstance(n, Reduce) for n in walk(e))


def variables(e: Expr) -> set[str]:
    """The index variables in ``e``, bound ones too."""
    return set(mentioned(e))


def write_out(program: Program, s: Assign, exists: bool = False) -> Assign:
    """``s`` with its conditions as guards; those of reductions with a tuple state stay where they are.

    A target that ``exists`` keeps its values where a condition does not hold; at places that only the loops know
    nothing is written then.
    """
    value, where = (s.value, None) if s.where is None else restricted(s.value, s.where)
    value = _in_reductions(value)
    if where is not None:
        where = _in_reductions(where)
        if s.op != "=":
            value = guard(where, value, ops.MONOIDS[s.op].identity(value.dtype))
        elif exists and is_plain(s.target):
            value = Map("select", (where, value, s.target), value.dtype)
        else:
            value = guard(where, value, program.tensor(s.target.tensor).fill)
    return replace(s, value=_known(program, value), where=None)


def restricted(value: Expr, where: Expr) -> tuple[Expr, Expr]:
    """``value where where`` with a condition that names what a reduction binds in that reduction.

    What is left outside admits the points for which it admits some.
    """
    if not isinstance(value, Reduce) or not variables(where) & set(value.indices):
        return value, where
    both = where if value.where is None else Map("and", (value.where, where), BOOL)
    bound = tuple(v for v in value.indices if v in variables(where))
    return replace(value, where=both), Reduce("or", bound, where, BOOL)


def _in_reductions(e: Expr) -> Expr:
    new = map_children(e, _in_reductions)
    if not isinstance(new, Reduce | Scan) or new.where is None:
        return new
    monoid = ops.MONOIDS.get(new.monoid)
    if monoid is None or monoid.op is None:
        return new
    return replace(new, where=None, body=guard(new.where, new.body, monoid.identity(new.body.dtype)))


def _known(program: Program, e: Expr) -> Expr:
    """In conditions ``stored`` of what stores all of its entries is true; in values it decides nothing, as always."""

    def whole(n: object) -> Literal | None:
        fmt = program.tensor(n.access.tensor).format if isinstance(n, Stored) else None
        return Literal(True, BOOL) if fmt is not None and fmt.is_dense else None

    found = split(e)
    if found is not None:
        e = Map("select", (postwalk(found.condition, whole), found.value, found.otherwise), e.dtype)
    elif isinstance(e, Reduce | Scan | Softmax | Top) and e.where is not None:
        e = replace(e, where=postwalk(e.where, whole))
    return map_children(e, lambda c: _known(program, c))


def push(e: Expr) -> Expr:
    """A guard around a reduction, into it where that reduces to the same of nothing."""
    found = split(e)
    if found is None:
        return e
    inner = push(found.value)
    whole = e if inner is found.value else replace_value(e, found, inner)
    if not isinstance(inner, Reduce) or inner.where is not None or variables(found.condition) & set(inner.indices):
        return whole
    monoid = ops.MONOIDS.get(inner.monoid)
    if monoid is None or monoid.op is None or not same_value(monoid.identity(inner.dtype), found.otherwise.value):
        return whole
    return replace(inner, body=guard(found.condition, inner.body, found.otherwise.value))


def around(value: Expr, r: Reduce) -> Expr:
    """``r``, a part of ``value``, only where the guards around all of ``value`` admit it.

    Those count that use no variable but what ``r`` uses: a temporary for it has no others.  A scan around ``r`` asks
    for it at points that they leave out.
    """
    scanned = {v for n in walk(value) for v in elsewhere(n) if r in walk(n)}
    found = split(value)
    while found is not None:
        names = variables(found.condition)
        if not reduces(found.condition) and names <= variables(r) - set(r.indices) - scanned:
            both = found.condition if r.where is None else Map("and", (found.condition, r.where), BOOL)
            r = replace(r, where=both)
        found = split(found.value)
    return _in_reductions(r)


__all__ = [
    "Split", "around", "conjunction", "conjuncts", "guard", "push", "reduces", "split",
    "strip", "variables", "restricted", "write_out",
]  # fmt: skip
