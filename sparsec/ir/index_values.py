"""The values of indices, for the reference interpreter: i64, and where their arithmetic stays within 64 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparsec.ir.dtypes import F64, I64, U64
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Expr, Literal, Map, Reduce, elsewhere
from sparsec.ir.tensor_values import Array, apply

if TYPE_CHECKING:
    from sparsec.ir.tensor_interp import Machine

_STEPS = ("add", "sub", "mul", "neg", "abs", "pow", "floordiv")


def must_lie_inside(e: Expr) -> bool:
    """Is an index data, and a place of its tensor at every point?  A guarded one (``fill(-1)``) is none."""
    nodes = [*walk(e)]
    data = any(isinstance(n, Access | Reduce) or elsewhere(n) for n in nodes)
    return data and not any(isinstance(n, Literal) and n.fill for n in nodes)


def within(machine: Machine, e: Expr) -> tuple[Array, Array]:
    """The values of an index over the scope's axes, and where no step of its arithmetic leaves 64 bits.

    Beside each step the same is computed in floats: where that is far from the integer, the integer has wrapped.
    """
    if not isinstance(e, Map) or e.op == "cast" or not all(a.dtype.is_integer for a in e.args[-2:]):
        values = machine.eval(e).astype(np.int64)
        large = isinstance(e, Map) and e.args[0].dtype is U64
        return values, (values >= 0) if large else np.ones((), bool)
    args = [(machine.eval(a), np.ones((), bool)) if not a.dtype.is_integer else within(machine, a) for a in e.args]
    values, kept = apply(e.op, tuple(a for a, _ in args), I64), np.ones((), bool)
    if e.op in _STEPS:
        floats = apply(e.op, tuple(a.astype(np.float64) for a, _ in args), F64)
        kept = ~(np.abs(floats - values) > 2.0**62)  # NaN is no large number: 0 // 0
        if e.op == "pow":
            kept |= args[1][0] < 2
        if e.op == "floordiv":
            kept |= args[1][0] == 0
    if e.op == "select":  # the other arm may lose what it likes
        return values, np.where(args[0][0], args[1][1], args[2][1])
    for _, k in args:
        kept = kept & k
    return values, kept


def is_exact(e: Expr) -> bool:
    """Does ``value_at`` know an index even where a step leaves 64 bits?"""
    if not isinstance(e, Map):
        return True
    known = e.op in ("add", "sub", "mul", "neg") or (e.op == "cast" and not isinstance(e.args[0], Map))
    return known and all(map(is_exact, e.args))


def value_at(machine: Machine, e: Expr, point: tuple[int, ...]) -> int:
    """The value of an index at a point of the scope's axes, had nothing wrapped if it ``is_exact``."""
    match e:
        case Map("add" | "sub" | "mul", (a, b)) if e.dtype is I64:
            x, y = value_at(machine, a, point), value_at(machine, b, point)
            return x + y if e.op == "add" else x - y if e.op == "sub" else x * y
        case Map("neg", (a,)) if e.dtype is I64:
            return -value_at(machine, a, point)
        case Map("cast", (a,)) if e.dtype is I64 and a.dtype.is_integer:
            return value_at(machine, a, point)
    values = machine.eval(e)
    return int(values[tuple(min(p, n - 1) for p, n in zip(point, values.shape, strict=True))])


__all__ = ["is_exact", "must_lie_inside", "value_at", "within"]
