"""Monoids whose state is not their value: those of users, and the built-in ones, defined here in the same words.

``argmin`` and ``argmax`` keep the best value and its place (a NaN comes first, as in NumPy; of equals the lowest),
``logsumexp`` the greatest value and the sum of exponentials around it (Milakov and Gimelshein, Online normalizer
calculation for softmax, 2018), rescaled when a greater one comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, F64, DType
from sparsec.ir.rewrite import postwalk, walk
from sparsec.ir.tensor import Access, Expr, Literal, Map, MonoidDef
from sparsec.ir.tensor_values import scalar

_BEST = """
monoid NAME(v: f64, p: i64) {
  zero = (0.0:f64, -1:i64)
  lift(x: f64, at: i64) = (x[], at[])
  value = p[]
  combine((a: f64, p: i64), (b: f64, q: i64)) = (select(TAKE, b[], a[]), select(TAKE, q[], p[]))
}
"""
_BEFORE = "or(and(isnan({0}[]), not(isnan({1}[]))), BETTER({0}[], {1}[]))"
_TAKE = (
    f"or(lt(p[], 0:i64), and(ge(q[], 0:i64), or({_BEFORE.format('b', 'a')}, "
    f"and(lt(q[], p[]), not({_BEFORE.format('a', 'b')})))))"
)
_LOGSUMEXP = """
monoid logsumexp(m: f64, s: f64) {
  zero = (-inf:f64, 0.0:f64)
  skip = -inf:f64
  lift(x: f64) = (x[], 1.0:f64)
  value = add(m[], log(s[]))
  combine((a: f64, b: f64), (c: f64, d: f64)) = (max(a[], c[]),
    add(select(eq(a[], max(a[], c[])), b[], mul(b[], exp(sub(a[], max(a[], c[]))))),
        select(eq(c[], max(a[], c[])), d[], mul(d[], exp(sub(c[], max(a[], c[])))))))
}
"""


@cache
def built_in() -> Mapping[str, MonoidDef]:
    """The definitions of the built-in monoids with a tuple state, by name."""
    from sparsec.ir.monoid_text import parse_monoid_def
    from sparsec.ir.text import Cursor

    best = _BEST.replace("TAKE", _TAKE)
    texts = (
        best.replace("NAME", "argmin").replace("BETTER", "lt"),
        best.replace("NAME", "argmax").replace("BETTER", "gt"),
        _LOGSUMEXP,
    )
    return {m.name: m for m in (parse_monoid_def(Cursor(text)) for text in texts)}


def definition(name: str, users: Iterable[MonoidDef] = ()) -> MonoidDef | None:
    """The definition of a monoid, one of ``users`` or built in; None for those whose value is their state."""
    for m in users:
        if m.name == name:
            return m
    known = ops.MONOIDS.get(name)
    return built_in()[name] if known is not None and known.op is None else None


def typed(m: MonoidDef, t: DType) -> MonoidDef:
    """The monoid over ``t``: a definition says f64 where it means the type of what is reduced."""

    def retype(e: Expr) -> Expr | None:
        if isinstance(e, Literal) and e.dtype is F64:
            return replace(e, dtype=t, value=_scalar(scalar(e.value, t)))
        if isinstance(e, Access) and e.dtype is F64:
            return replace(e, dtype=t)
        if isinstance(e, Map):
            if ops.OPS[e.op].rule == "test" and not e.args[0].dtype.is_float and e.args[0].dtype.kind != "c":
                return Literal(e.op == "isfinite", BOOL)
            return replace(e, dtype=t) if e.dtype is F64 else None
        return None

    def each(es: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return tuple(postwalk(e, retype) for e in es)

    return replace(
        m,
        name=f"{m.name}_{t}",
        zero=each(m.zero),
        lift=each(m.lift),
        value=postwalk(m.value, retype),
        combine=each(m.combine),
        skip=None if m.skip is None else postwalk(m.skip, retype),
    )


def _scalar(value: Any) -> Any:
    """A Python scalar; one NaN for all, which equals itself as a part of a tree."""
    item = value.item()
    return item if item == item else math.nan


def types(m: MonoidDef) -> tuple[DType, ...]:
    """The types of the state's parts."""
    return tuple(z.dtype for z in m.zero)


def taken(m: MonoidDef) -> DType | None:
    """The type of what ``lift`` takes; None if it does not look at it."""
    found = (n.dtype for e in m.lift for n in walk(e) if isinstance(n, Access) and n.tensor == m.lift_arg)
    return next(found, None)


def evaluate(e: Expr, names: Mapping[str, Any]) -> Any:
    """The NumPy value of an expression of a typed definition; ``names`` has those of its names."""
    match e:
        case Literal(value, dtype):
            return scalar(value, dtype)
        case Access(name):
            return names[name]
        case Map(op, args, dtype):
            with np.errstate(all="ignore"):
                return ops.evaluate(op, tuple(evaluate(a, names) for a in args), dtype)
    raise TypeError(f"a monoid's definition cannot contain '{type(e).__name__}'")


State = tuple[Any, ...]


def zero(m: MonoidDef) -> State:
    """The state of nothing."""
    return tuple(evaluate(e, {}) for e in m.zero)


def step(m: MonoidDef, state: State, x: Any, place: Any = None) -> State:
    """The state with one more point."""
    right = tuple(evaluate(e, {m.lift_arg: x} | ({} if m.place is None else {m.place: place})) for e in m.lift)
    names = dict(zip(m.left, state, strict=True)) | dict(zip(m.right, right, strict=True))
    return tuple(evaluate(e, names) for e in m.combine)


def result(m: MonoidDef, state: State) -> Any:
    """The value of a state."""
    return evaluate(m.value, dict(zip(m.states, state, strict=True)))


def nothing(m: MonoidDef) -> Any:
    """The value over no points, a Python scalar."""
    return _scalar(result(m, zero(m)))


__all__ = ["built_in", "definition", "evaluate", "nothing", "result", "step", "taken", "typed", "types", "zero"]
