"""How far a correct result may lie from the reference interpreter's: terms and magnitudes of every element.

The rule of the project: integers and bools are exact, floats lie within ``4 eps (terms + 4)`` times the sum of the
terms' magnitudes, whatever the order of the terms, and with or without fused operations.  ``bounds`` follows a
program and keeps for each element its ``terms``, that ``total`` and two marks::

    exact       no rounding has happened: operands, literals, and what copies, compares and selects them
    loose       nothing can be said: a rounding may have moved an argument across a jump (a comparison, a floor)

    operand, literal        1 term, |value|
    a + b, a - b            ta + tb, ma + mb                    sums alike
    a * b                   ta + tb, ma mb                      products alike
    a / b                   ta + tb, ma mb / b**2
    min, max                greatest of the terms and of the finite totals
    select(c, a, b)         those of the branch; loose where c is loose
    cast to a wider float   total times the ratio of the two eps
    any other f(a, ...)     ta + ..., 4 |f| plus the spread of f over the arguments' own tolerances (sampled at their
                            ends, in f64): a first-order bound, generous by the factor 4
    softmax, logsumexp, users' monoids    estimates of the same kind
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce as fold_left
from itertools import product
from typing import Any

import numpy as np

from sparsec.ir import ops
from sparsec.ir.dtypes import BF16, BOOL, C128, F64, DType
from sparsec.ir.tensor import (
    Access,
    Assign,
    Dim,
    Expr,
    Index,
    Literal,
    Map,
    Program,
    Reduce,
    Scan,
    Softmax,
    Stored,
    Top,
)
from sparsec.ir.tensor_interp import Machine
from sparsec.ir.tensor_values import Array, from_storage, to_storage

_KEEP = ("neg", "abs", "relu", "conj", "real", "imag")


def eps(t: DType) -> float:
    """The distance of 1 to the next number; 0 for integers and bools."""
    if t is BF16:
        return 2.0**-7
    return float(np.finfo(t.np).eps) if t.kind in "fc" else 0.0


@dataclass(frozen=True, slots=True)
class Magnitude:
    """The bound of a tensor's or an expression's elements; all arrays have its shape."""

    dtype: DType
    terms: Array
    total: Array
    exact: Array
    loose: Array

    @property
    def tolerance(self) -> Array:
        """Greatest allowed absolute difference: inf where nothing is known."""
        if self.dtype.kind not in "fc":
            return np.where(self.loose, np.inf, 0.0)
        least = 0.0 if self.dtype is BF16 else float(np.finfo(self.dtype.np).tiny) * eps(self.dtype)
        with np.errstate(all="ignore"):
            wide = 4 * eps(self.dtype) * (self.terms + 4) * self.total + 8 * least * (self.terms + 1)
        return np.where(self.loose | np.isnan(wide), np.inf, np.where(self.exact, 0.0, wide))

    def differs(self, expected: Any, got: Any) -> Array:
        """Where ``got`` is wrong, both as the interpreter returns them (NaN equals NaN, an infinity itself)."""
        a, b = np.asarray(expected), np.asarray(got)
        if self.dtype is BF16:
            a, b = from_storage(a, BF16), from_storage(b, BF16)
        if a.dtype.kind not in "fc":
            return np.asarray((a != b) & ~self.loose)
        with np.errstate(all="ignore"):
            off = np.abs(a.astype(np.result_type(a, np.float64)) - b)
            same = (a == b) | (np.isnan(a) & np.isnan(b))
            # An expected infinity or NaN has no distance: it must be met, unless anything may be there.
            allowed = np.where(np.isfinite(a), self.tolerance, 0.0)
        return np.asarray(~(same | (off <= allowed) | self.loose))


def bounds(
    program: Program,
    arrays: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    stored: Mapping[str, Any] | None = None,
) -> dict[str, Magnitude]:
    """The ``Magnitude`` of every result; arguments and errors as those of ``interpret``.

    Example: ``bounds(p, a)["y"].differs(interpret(p, a)["y"], y).any()``.
    """
    return evaluate(program, arrays, sizes, stored)[1]


def evaluate(
    program: Program,
    arrays: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    stored: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Array], dict[str, Magnitude]]:
    """The results and their bounds."""
    machine = Bounder(program, arrays, sizes, stored)
    machine.run()
    names = {t.name: t.dtype for t in program.results}
    return {n: to_storage(machine.values[n], t) for n, t in names.items()}, {n: machine.slots[n] for n in names}


def _known(value: Array, t: DType) -> Magnitude:
    with np.errstate(all="ignore"):
        total = np.abs(value.astype(np.result_type(value, np.float64)))
    return Magnitude(t, np.ones(value.shape), total, np.ones(value.shape, bool), np.zeros(value.shape, bool))


def _size(value: Array) -> Array:
    """Magnitudes as floats: that of the least integer is no integer of its type."""
    return np.abs(value if value.dtype.kind == "c" else value.astype(float))


class Bounder(Machine):
    """The reference interpreter, with a bound beside each array."""

    def run(self) -> None:
        self.slots = {n: _known(v, self.decls[n].dtype) for n, v in self.values.items()}
        super().run()

    def create(self, t: Any, begin: Any) -> None:
        super().create(t, begin)
        self.slots[t.name] = _known(self.values[t.name], t.dtype)

    def store(self, s: Assign, write: Any, value: Expr) -> None:
        self.strict = False  # what lies outside is found where the values are computed
        new = self.bound(value)
        slot = self.slots[s.target.tensor]
        parts = {}
        for name in ("terms", "total", "exact", "loose"):
            flat = getattr(slot, name).copy().reshape(-1)
            picked = write.pick(getattr(new, name))
            if s.op == "=":
                flat[write.positions] = picked
            elif name == "exact":
                keeps = s.op not in ("add", "mul") or slot.dtype.kind not in "fc"
                np.logical_and.at(flat, write.positions, picked & keeps)
            elif name == "loose":
                np.logical_or.at(flat, write.positions, picked)
            else:
                update: Any = np.maximum if s.op in ("min", "max") else np.add
                (np.multiply if s.op == "mul" and name == "total" else update).at(flat, write.positions, picked)
            parts[name] = flat.reshape(slot.terms.shape)
        if s.where is not None and self.bound(s.where).loose.any():
            parts["loose"] = np.ones_like(parts["loose"])
        self.strict = True
        self.known.clear()
        super().store(s, write, value)
        self.slots[s.target.tensor] = replace(slot, **parts)

    # expressions

    def bound(self, e: Expr) -> Magnitude:
        """The bound of ``e`` over the scope's axes."""
        match e:
            case Access():
                return self._access(e)
            case Literal() | Dim() | Index() | Stored():
                return _known(self.eval(e), e.dtype)
            case Map():
                return self._of_map(e)
            case Reduce():
                return self._of_reduce(e)
            case Scan():
                return self._of_scan(e)
            case Softmax():
                return self._of_softmax(e)
            case Top():
                return self._of_top(e)

    def _access(self, e: Access) -> Magnitude:
        slot, fill = self.slots[e.tensor], self.decls[e.tensor].fill
        value = self.eval(e)
        loose = np.zeros(value.shape, bool)
        for i in e.indices:
            loose = loose | self.bound(i).loose
        return Magnitude(
            e.dtype,
            self._gather(e, slot.terms, 1),
            self._gather(e, slot.total, abs(fill)),
            self._gather(e, slot.exact, True),
            self._gather(e, slot.loose, False) | loose,
        )

    def _of_map(self, e: Map) -> Magnitude:
        parts = tuple(self.bound(a) for a in e.args)
        values = tuple(self.eval(a) for a in e.args)
        return map_bound(e.op, values, self.eval(e), parts, e.dtype)

    def _spread(self, e: Reduce | Scan | Softmax | Top) -> tuple[Magnitude, Array]:
        """The bound of a body over the whole extent of its indices, and the mask; what it drops has no terms."""
        part = self.bound(e.key if isinstance(e, Top) else e.body)
        value, mask = self._body(e)
        loose = np.zeros((), bool) if e.where is None else self.bound(e.where).loose
        mask = np.ones(value.shape, bool) if mask is None else mask
        shape = value.shape
        wide = Magnitude(
            part.dtype,
            np.where(mask, np.broadcast_to(part.terms, shape), 0.0),
            np.where(mask, np.broadcast_to(part.total, shape), 0.0),
            np.broadcast_to(part.exact, shape) | ~mask,
            (np.broadcast_to(part.loose, shape) & mask) | loose,
        )
        return wide, mask

    def _of_reduce(self, e: Reduce) -> Magnitude:
        axes = tuple(self.scope.axes[n] for n in e.indices)
        part, mask = self._spread(e)

        def along(function: Any, a: Array, begin: Any) -> Array:
            return np.asarray(function.reduce(a, axis=axes, keepdims=True, initial=begin))

        value = self.eval(e)
        exact, loose = along(np.logical_and, part.exact, True), along(np.logical_or, part.loose, False)
        terms, total = along(np.add, part.terms, 0.0), _finite(part.total)
        if e.monoid in ("argmin", "argmax") or e.dtype.kind not in "fc":
            return Magnitude(e.dtype, terms, _size(value), np.ones_like(exact), loose | ~exact)
        if e.monoid == "add":
            return Magnitude(e.dtype, terms, along(np.add, part.total, 0.0), exact & (terms <= 1), loose)
        if e.monoid == "mul":
            total = along(np.multiply, np.where(mask, part.total, 1.0), 1.0)
            return Magnitude(e.dtype, terms, total, exact & (terms <= 1), loose)
        if e.monoid in ("min", "max"):
            total = np.maximum(along(np.maximum, total, 0.0), _finite(np.abs(value)))
            return Magnitude(e.dtype, along(np.maximum, part.terms, 1.0), total, exact, loose)
        total = 4 * np.abs(value) + along(np.add, total, 0.0) + 4
        return Magnitude(e.dtype, terms, total, exact & False, loose)

    def _of_scan(self, e: Scan) -> Magnitude:
        axis = self.scope.axes[e.index]
        part, mask = self._spread(e)
        value = _size(self.eval(e))

        def along(function: Any, a: Array) -> Array:
            a = np.flip(a, axis) if e.reverse else a
            out = function.accumulate(a, axis=axis)
            return np.asarray(np.flip(out, axis) if e.reverse else out)

        exact, loose = along(np.logical_and, part.exact), along(np.logical_or, part.loose)
        terms, total = along(np.add, part.terms), _finite(part.total)
        if e.dtype.kind not in "fc":
            return Magnitude(e.dtype, terms, value, np.ones_like(exact), loose | ~exact)
        if e.monoid in ("min", "max"):
            total = np.maximum(along(np.maximum, total), _finite(value))
            return Magnitude(e.dtype, along(np.maximum, np.maximum(part.terms, 1.0)), total, exact, loose)
        if e.monoid == "mul":
            # An exclusive product lacks a factor that may be less than 1.
            total = np.maximum(along(np.multiply, np.where(mask, np.maximum(part.total, 1.0), 1.0)), value)
        elif e.monoid == "add":
            total = along(np.add, part.total)
        else:
            total = 4 * value + along(np.add, total) + 4
        return Magnitude(e.dtype, terms, total, exact & (terms <= 1), loose)

    def _of_softmax(self, e: Softmax) -> Magnitude:
        axes = tuple(self.scope.axes[n] for n in e.indices)
        part, _ = self._spread(e)
        worst = np.maximum.reduce(_finite(part.total), axis=axes, keepdims=True, initial=0.0)
        terms = np.add.reduce(part.terms, axis=axes, keepdims=True)
        total = self.eval(e) * (4 + 2 * worst)
        loose = np.logical_or.reduce(part.loose, axis=axes, keepdims=True)
        shape = total.shape
        return Magnitude(
            e.dtype, np.broadcast_to(terms, shape), total, np.zeros(shape, bool), np.broadcast_to(loose, shape)
        )

    def _of_top(self, e: Top) -> Magnitude:
        axes = tuple(self.scope.axes[g] for g, _ in e.groups)
        part, _ = self._spread(e)
        unsure = np.logical_or.reduce(part.loose | ~part.exact, axis=axes, keepdims=True)
        known = _known(self.eval(e), BOOL)
        return replace(known, loose=np.broadcast_to(unsure, known.loose.shape))


def _finite(a: Array) -> Array:
    return np.where(np.isfinite(a), a, 0.0)


def map_bound(op: str, values: tuple[Array, ...], value: Array, parts: tuple[Magnitude, ...], t: DType) -> Magnitude:
    """The bound of an operator's result ``value`` from its arguments and their bounds."""
    shape = value.shape
    exact = fold_left(np.logical_and, (p.exact for p in parts), np.ones(shape, bool))
    loose = fold_left(np.logical_or, (p.loose for p in parts), np.zeros(shape, bool))
    terms = sum((np.broadcast_to(p.terms, shape) for p in parts), np.zeros(shape))
    rough = np.zeros(shape, bool)
    floating = t.kind in "fc"
    size = np.abs(value.astype(np.result_type(value, np.float64)))
    with np.errstate(all="ignore"):
        if op == "select":
            return _select(values, shape, parts, t)
        if op in _KEEP or (op == "cast" and floating and values[0].dtype.kind in "fc"):
            ratio = max(eps(parts[0].dtype) / eps(t), 1.0) if floating else 1.0
            total = np.where(exact, size, parts[0].total * ratio)
            rounds = op == "abs" and parts[0].dtype.kind == "c"
            return Magnitude(t, terms, total, rough if rounds else exact, loose)
        if not floating and all(p.dtype.kind not in "fc" for p in parts):
            return Magnitude(t, terms, size, np.ones(shape, bool), loose)
        if op in ("min", "max") and floating:
            total = fold_left(np.maximum, (_finite(p.total) for p in parts), _finite(size))
            most = fold_left(np.maximum, (p.terms for p in parts), np.ones(shape))
            return Magnitude(t, most, total, exact, loose)
        if op in ("add", "sub") and floating:
            return Magnitude(t, terms, parts[0].total + parts[1].total, rough, loose)
        if op == "mul" and floating:
            return Magnitude(t, terms, parts[0].total * parts[1].total, rough, loose)
        if op == "div" and floating:
            b = np.abs(values[1].astype(np.float64)) if values[1].dtype.kind != "c" else np.abs(values[1])
            total = np.where(parts[1].exact, parts[0].total / b, parts[0].total * parts[1].total / (b * b))
            return Magnitude(t, terms, np.broadcast_to(total, shape), rough, loose)
        spread = _sample(op, values, parts, t)
        if not floating:
            return Magnitude(t, terms, size, np.ones(shape, bool), loose | (spread != 0))
        extra = np.abs(values[0].astype(np.float64)) if op == "gelu" else 0.0
        total = 4 * size + extra + spread / (4 * eps(t) * (terms + 4))
        return Magnitude(t, terms, total, exact if op == "cast" else rough, loose | np.isnan(spread))


def _select(values: tuple[Array, ...], shape: tuple[int, ...], parts: tuple[Magnitude, ...], t: DType) -> Magnitude:
    c = np.broadcast_to(values[0], shape)
    pick = [np.where(c, getattr(parts[1], n), getattr(parts[2], n)) for n in ("terms", "total", "exact", "loose")]
    return Magnitude(t, pick[0] + 0.0, pick[1], pick[2], pick[3] | np.broadcast_to(parts[0].loose, shape))


def _sample(op: str, values: tuple[Array, ...], parts: tuple[Magnitude, ...], t: DType) -> Array:
    """Greatest change of the result at the ends of the arguments' tolerances; NaN where it is no number at some."""
    wide = tuple(v.astype(np.result_type(v, np.float64)) if v.dtype.kind in "fc" else v for v in values)
    into = F64 if t.kind == "f" else C128 if t.kind == "c" else t
    tolerances = [
        np.where(np.isfinite(p.tolerance), p.tolerance, 0.0) if v.dtype.kind in "fc" else None
        for v, p in zip(values, parts, strict=True)
    ]
    ends = {"f": (-1, 1), "c": (-1, 1, -1j, 1j)}
    center = np.asarray(ops.evaluate(op, wide, into))
    worst = np.zeros(center.shape)
    for signs in product(*(ends.get(v.dtype.kind, (0,)) for v in values)):
        moved = tuple(v if d is None else v + s * d for v, d, s in zip(wide, tolerances, signs, strict=True))
        there = np.asarray(ops.evaluate(op, moved, into))
        if t.kind not in "fc":
            worst = np.maximum(worst, there != center)
            continue
        change = np.abs(there - center)
        same = (there == center) | (np.isnan(there) & np.isnan(center))
        worst = np.maximum(worst, np.where(same, 0.0, change))
    return worst


__all__ = ["Magnitude", "bounds", "eps", "evaluate"]
