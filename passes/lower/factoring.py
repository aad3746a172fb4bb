"""Sums of products: what the summed variables do not touch goes outside, independent sums are parted."""

from __future__ import annotations

from dataclasses import replace

from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL
from sparsec.ir.rewrite import map_children
from sparsec.ir.tensor import Expr, Literal, Map, Reduce, joined
from sparsec.ir.tensor_values import scalar
from sparsec.ir.variables import free_indices
from sparsec.passes.lower.guards import guard, push, strip


def factor(e: Expr) -> Expr:
    """Pull out of sums of products what the summed variables do not touch, part independent sums, merge nested ones.

    ``sum[k](s * x[k])`` becomes ``s * sum[k](x[k])``: what the implicit sum of ``S[i,j] * X[i,k] * Y[j,k]`` means.
    Conditions count as factors, bools among numbers; those that a sum does not touch stay in it all the same, for it
    need not run where they fail.
    """
    new = push(map_children(e, factor))
    if not isinstance(new, Reduce):
        return new
    plain = new.monoid in ops.MONOIDS and ops.MONOIDS[new.monoid].op is not None
    if plain and isinstance(new.body, Reduce) and new.body.monoid == new.monoid and new.body.dtype == new.dtype:
        return factor(replace(new, indices=(*new.indices, *new.body.indices), body=new.body.body))
    if new.monoid != "add" or new.dtype is BOOL:
        return new
    conditions, product = strip(new.body, lambda g: g.otherwise.value == 0)
    outside, groups = _independent([*conditions, *_factors(product)], set(new.indices))
    kept = [c for c in outside if c.dtype is BOOL]
    one = Literal(scalar(1, new.dtype).item(), new.dtype)
    outside = [f for f in outside if f.dtype is not BOOL and f != one]
    if not groups or len(groups) + bool(outside) < 2:
        return new
    sums: list[Expr] = []
    left = list(new.indices)  # a variable that nothing uses multiplies by its extent: the first sum keeps it
    for n, inside in enumerate(reversed(groups), 1):
        used = set[str]().union(*map(free_indices, inside))
        indices = tuple(v for v in left if v in used or n == len(groups))
        left = [v for v in left if v not in indices]
        inside = [*kept, *inside] if n == len(groups) else inside
        sums.insert(0, factor(replace(new, indices=indices, body=_product(inside, one))))
    return _product([*outside, *sums], one)


def _independent(factors: list[Expr], bound: set[str]) -> tuple[list[Expr], list[list[Expr]]]:
    """The factors that no bound variable touches, and the others in groups that share no bound variable."""
    outside: list[Expr] = []
    groups: list[tuple[set[str], list[Expr]]] = []
    for f in factors:
        names = bound & free_indices(f)
        if not names:
            outside.append(f)
            continue
        touched = [g for g in groups if g[0] & names]
        groups = [g for g in groups if not g[0] & names]
        names = names.union(*(g[0] for g in touched))
        groups.append((names, [*(e for g in touched for e in g[1]), f]))
    return outside, [g[1] for g in groups]


def _factors(e: Expr) -> list[Expr]:
    if isinstance(e, Map) and e.op == "mul":
        return _factors(e.args[0]) + _factors(e.args[1])
    return [e]


def _product(factors: list[Expr], one: Literal) -> Expr:
    """The product of the numbers among ``factors``, where the bools among them hold."""
    numbers = [f for f in factors if f.dtype is not BOOL] or [one]
    out = joined("mul", numbers, numbers[0].dtype)
    for c in reversed([f for f in factors if f.dtype is BOOL]):
        out = guard(c, out, 0)
    return out


__all__ = ["factor"]
