"""Reference interpreter of loop nest IR: the plain meaning of a kernel on dense NumPy arrays.

Every forall runs over its whole domain in pure Python, workspaces are dense arrays.  Beside the values the
interpreter keeps which entries are *stored*, because the meaning asks for it in three places: a ``ForallStored``, a
``stored(...)`` and the rule that an unstored entry annihilates even infinities and NaN.  So an expression evaluates
to a pair, its value and what is known of it before any value of an operand is (``Known``), for which entries are
stored never hangs on values, but on those of conditions.

    literal                                => (value, CONSTANT)                                (marked fill: ABSENT)
    access of an unstored entry            => (fill, ABSENT)
    stored of an unstored entry            => (false, ABSENT)                                  (of an entry DATA)
    op(..., ABSENT annihilator, ...)       => (annihilator, ABSENT)                            (even of inf and NaN)
    op of ABSENT and CONSTANT arguments    => (value, ABSENT)                                  (CONSTANT of CONSTANTs)
    op(..., CONSTANT annihilator, ...)     => (annihilator, CONSTANT)                          (integers and bools)
    select(known c, a, b)                  => the branch that c chooses
    select(c, a, a known alike)            => (a, ABSENT)                                      (of CONSTANTs a CONSTANT)
    select(c, a, literal marked fill)      => the branch that c chooses: a condition of the program
    anything else                          => (value, DATA)
    target op= known identity              => nothing happens (so with what a monoid's definition skips)
    target = known fill                    => written, and not stored
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from sparsec.errors import ShapeError, TypeError_, UnsupportedError
from sparsec.ir import monoids, ops
from sparsec.ir.dtypes import DType
from sparsec.ir.index_values import must_lie_inside
from sparsec.ir.loops import (
    Accumulate,
    Assemble,
    Check,
    Chunk,
    Chunks,
    Domain,
    Forall,
    ForallStored,
    Full,
    Guard,
    Kernel,
    Let,
    Sequence,
    Span,
    Stmt,
    Tile,
    Workspace,
)
from sparsec.ir.loops_writes import operators
from sparsec.ir.tensor import RESULTS, Access, Dim, Expr, Extent, Index, Literal, Map, MonoidDef, Stored, TensorDecl
from sparsec.ir.tensor_values import from_storage, held, scalar, to_storage

Array = np.ndarray[Any, np.dtype[Any]]


class Known(IntEnum):
    """What is known of a value without those of operands: nothing, what it is, or that nothing is stored there."""

    DATA = 0
    CONSTANT = 1
    ABSENT = 2


Outcome = tuple[Any, Known]
"""A NumPy scalar, and what is known of it."""


def run(
    kernel: Kernel,
    arrays: Mapping[str, Any],
    dims: Mapping[str, int] | None = None,
    stored: Mapping[str, Any] | None = None,
) -> dict[str, Array]:
    """Run ``kernel`` on dense arrays of the declared shapes; return its results by name.

    ``dims`` gives extents that no operand has.  ``stored`` gives the pattern of operands as bool arrays;
    without it a sparse operand stores what differs from its fill.  Raises ``ShapeError`` and ``TypeError_`` for
    operands that do not fit.

    Example: ``run(spmv, {"A": A, "x": x})["y"]``.
    """
    return execute(kernel, arrays, dims, stored)[0]


def execute(
    kernel: Kernel,
    arrays: Mapping[str, Any],
    dims: Mapping[str, int] | None = None,
    stored: Mapping[str, Any] | None = None,
    folds: bool = False,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """As ``run``, and also the patterns of the results.

    A scalar that nothing was folded into is absent.  With ``folds`` it never is: these are the most entries that code
    may store which asks no scalar whether anything came.
    """
    machine = _Machine(kernel, arrays, dict(dims or {}), stored or {}, folds)
    machine.run(kernel.body)
    results = [t.name for t in kernel.tensors if t.role in RESULTS]
    slots = {n: machine.slots[n] for n in results}
    return {n: to_storage(s.values, s.dtype) for n, s in slots.items()}, {n: s.stored for n, s in slots.items()}


@dataclass(slots=True)
class _Slot:
    """A tensor or workspace: values, pattern, what is unwritten, the coordinate of element 0 by dimension."""

    values: Array
    stored: Array
    fill: Any
    dtype: DType
    tracks: bool
    offsets: tuple[int, ...]
    is_tensor: bool
    keep: int | None = None


class _Machine:
    def __init__(
        self, kernel: Kernel, arrays: Mapping[str, Any], dims: dict[str, int], stored: Mapping[str, Any], folds: bool
    ) -> None:
        self.dims = dims
        self.folds = folds
        self.indices: dict[str, int] = {}
        self.slots: dict[str, _Slot] = {}
        self.decls = {t.name: t for t in kernel.tensors}
        self.monoids = {m.name: m for m in kernel.monoids}
        self.states: dict[str, monoids.State] = {}
        inputs = [t for t in kernel.tensors if t.role in ("in", "inout")]
        for t in inputs:
            if t.name not in arrays:
                raise TypeError_(f"kernel '{kernel.name}': operand '{t.name}' is missing")
            self._bind_dims(t, np.asarray(arrays[t.name]))
        for t in inputs:
            values = from_storage(arrays[t.name], t.dtype)
            self.slots[t.name] = self._slot(t, values, self._pattern(t, values, stored.get(t.name)))
        for t in kernel.tensors:
            if t.role not in ("in", "inout"):
                self._create(t, t.fill)

    def _bind_dims(self, t: TensorDecl, values: Array) -> None:
        if values.ndim != t.ndim:
            raise ShapeError(f"operand '{t.name}' has {values.ndim} dimensions, its declaration {t.ndim}")
        for d, n in zip(t.dims, values.shape, strict=True):
            expected = self.dims.setdefault(d, n) if isinstance(d, str) else d
            if expected != n:
                raise ShapeError(f"operand '{t.name}': dimension '{d}' is {n}, expected {expected}")

    def _pattern(self, t: TensorDecl, values: Array, given: Any) -> Array:
        if not _sparse(t):
            return np.ones(values.shape, bool)
        if given is not None:
            return np.array(given, dtype=bool)
        fill = scalar(t.fill, t.dtype)
        both_nan = np.isnan(values) & np.isnan(fill) if values.dtype.kind in "fc" else False
        return np.array((values != fill) & ~both_nan)

    def _slot(self, t: TensorDecl, values: Array, pattern: Array) -> _Slot:
        return _Slot(values, pattern, scalar(t.fill, t.dtype), t.dtype, _sparse(t), (0,) * t.ndim, True)

    def _create(self, t: TensorDecl, init: object) -> None:
        shape = tuple(self.extent(d) for d in t.dims)
        values = np.full(shape, scalar(init, t.dtype), held(t.dtype))
        self.slots[t.name] = self._slot(t, values, np.full(shape, not _sparse(t)))

    def extent(self, e: Extent) -> int:
        if isinstance(e, int):
            return e
        if e not in self.dims:
            raise ShapeError(f"the extent of dimension '{e}' is not known", hint="give it in dims")
        return self.dims[e]

    def domain(self, d: Domain) -> range:
        if isinstance(d, Full):
            return range(self.extent(d.extent))
        if isinstance(d, Chunks):
            return range(-(-self.extent(d.extent) // d.size))
        if isinstance(d, Span):
            ends = [len(self.domain(part)) for part in d.parts]
            return range(0 if 0 in ends else sum(ends) - len(ends) + 1)
        lo = self.indices[d.outer] * d.size
        return range(lo, max(lo, min(lo + d.size, len(self.domain(d.whole)))))

    # statements

    def run(self, s: Stmt) -> None:
        match s:
            case Sequence(stmts):
                for child in stmts:
                    self.run(child)
            case Forall(index, domain, body):
                coordinates = self.domain(domain)
                for coordinate in reversed(coordinates) if s.reverse else coordinates:
                    self.indices[index] = coordinate
                    self.run(body)
                self.indices.pop(index, None)
            case ForallStored():
                self._run_stored(s)
            case Workspace():
                self._run_workspace(s)
            case Assemble(tensor, method, body):
                if method != "update":
                    self._begin(tensor, body)
                self.run(body)
            case Tile(loops, body):
                for point in np.ndindex(*(n for _, n in loops)):
                    self.indices.update(zip((name for name, _ in loops), map(int, point), strict=True))
                    self._accumulate(body)
                for name, _ in loops:
                    self.indices.pop(name, None)
            case Let(index, value, domain, body):
                at = int(self.evaluate(value)[0])
                if at in self.domain(domain):
                    self.indices[index] = at
                    self.run(body)
                    del self.indices[index]
            case Check(value, extent, tensor, once):
                at, n = int(self.evaluate(value)[0]), self.extent(extent)
                if not 0 <= at < n and once:
                    raise ShapeError(f"'{tensor}' is written twice at one place by '='")
                if not 0 <= at < n:
                    raise ShapeError(f"index {at} of '{tensor}' lies outside of 0..{n - 1}")
            case Guard(condition, body):
                if self.evaluate(condition)[0]:
                    self.run(body)
            case Accumulate():
                self._accumulate(s)

    def _begin(self, tensor: str, body: Stmt) -> None:
        """Set a result to its fill, or to the identity of the monoid that it is accumulated with."""
        t = self.decls[tensor]
        first = next(iter(operators(body, tensor)), "=")
        self._create(t, t.fill if first == "=" else ops.MONOIDS[first].identity(t.dtype))

    def _run_stored(self, s: ForallStored) -> None:
        slot, t = self.slots[s.access.tensor], self.decls[s.access.tensor]
        assert t.format is not None
        shape = slot.stored.shape
        points = [tuple(map(int, p)) for p in np.argwhere(slot.stored)]
        for point in sorted(points, key=lambda p: [c.of(p, shape) for c in t.format.coords]):  # type: ignore[union-attr]
            self.indices.update(zip(s.indices, point, strict=True))
            self.run(s.body)
        for name in s.indices:
            self.indices.pop(name, None)

    def _run_workspace(self, s: Workspace) -> None:
        shape, offsets = [], []
        for w in s.indices:
            if isinstance(w.domain, Chunk):
                shape.append(w.domain.size)
                offsets.append(self.indices[w.domain.outer] * w.domain.size)
            else:
                shape.append(len(self.domain(w.domain)))
                offsets.append(0)
        values = np.full(shape, scalar(s.init, s.dtype), held(s.dtype))
        tracks = s.kind in ("bitmap", "list") or (s.kind == "scalar" and not self.folds)
        pattern = np.full(shape, not tracks)
        self.slots[s.name] = _Slot(values, pattern, scalar(s.init, s.dtype), s.dtype, tracks, tuple(offsets), False)
        self.slots[s.name].keep = s.keep
        if s.monoid in self.monoids:
            self.states[s.name] = monoids.zero(self.monoids[s.monoid])
        self.run(s.producer)
        if s.keep is not None:
            _keep_greatest(self.slots[s.name], s.keep)
        self.run(s.consumer)
        del self.slots[s.name]

    def _accumulate(self, s: Accumulate) -> None:
        slot = self.slots[s.target.tensor]
        at = self._address(s.target, slot)
        value, known = self.evaluate(s.value)
        if at is None:
            return
        if s.op == "=":
            slot.values[at] = value
            stored = slot.keep is not None or not (known and _same(value, slot.fill))
        elif s.op in self.monoids:
            stored = self._fold(s, self.monoids[s.op], slot, value, known)
        else:
            monoid = ops.MONOIDS[s.op]
            if known and _same(value, monoid.identity(slot.dtype)):
                return
            if monoid.op is None:
                raise UnsupportedError(f"a reduction with '{s.op}' has a tuple state and cannot update in place")
            slot.values[at] = ops.evaluate(monoid.op, (slot.values[at], value), slot.dtype)
            stored = True
        if slot.tracks:
            slot.stored[at] |= stored

    def _fold(self, s: Accumulate, m: MonoidDef, slot: _Slot, value: Any, known: Known) -> bool:
        """One more point of a monoid with a tuple state; whether it counts as one."""
        if known and m.skip is not None and _same(value, m.skip.value):
            return False
        before = self.states[s.target.tensor]
        after = monoids.step(m, before, value, None if s.place is None else self.evaluate(s.place)[0])
        self.states[s.target.tensor] = after
        slot.values[()] = monoids.result(m, after)
        return not (known and all(map(_same, before, after)))

    # expressions

    def _address(self, a: Access, slot: _Slot) -> tuple[int, ...] | None:
        """Where ``a`` stands in its array; None for an affine or a guarded index outside of it."""
        at = []
        for e, n, offset in zip(a.indices, slot.values.shape, slot.offsets, strict=True):
            i = int(self.evaluate(e)[0]) - offset
            if not 0 <= i < n:
                if must_lie_inside(e):
                    raise ShapeError(f"index {i + offset} of '{a.tensor}' lies outside of 0..{n - 1}")
                return None
            at.append(i)
        return tuple(at)

    def evaluate(self, e: Expr) -> Outcome:
        match e:
            case Literal(value, dtype, fill):
                return scalar(value, dtype), Known.ABSENT if fill else Known.CONSTANT
            case Index(name):
                return np.int64(self.indices[name]), Known.DATA
            case Dim(name):
                return np.int64(self.extent(name)), Known.DATA
            case Access():
                slot = self.slots[e.tensor]
                at = self._address(e, slot)
                if at is None:
                    return slot.fill, Known.ABSENT
                return slot.values[at], Known.DATA if slot.stored[at] else Known.ABSENT
            case Stored(access):
                slot = self.slots[access.tensor]
                at = self._address(access, slot)
                there = at is not None and bool(slot.stored[at])
                return np.bool_(there), Known.DATA if there else Known.ABSENT
            case Map("select"):
                return self._select(e)
            case Map():
                return self._apply(e)
        raise UnsupportedError(f"loop nest IR has no '{type(e).__name__}'")

    def _select(self, e: Map) -> Outcome:
        condition, known = self.evaluate(e.args[0])
        chosen, other = e.args[1:] if condition else e.args[:0:-1]
        value, of = self.evaluate(chosen)
        if known or _marked(e.args[2]):
            return value, of
        beside, of_other = self.evaluate(other)
        if not (of and of_other and _same(value, beside)):
            return value, Known.DATA
        alike = repr(value) == repr(beside)
        both = max(of, of_other)
        return value, both if both is Known.ABSENT or alike else Known.DATA

    def _apply(self, e: Map) -> Outcome:
        outcomes = [self.evaluate(a) for a in e.args]
        for n, (value, known) in enumerate(outcomes):
            decided = e.forced(n, value) if known is Known.ABSENT else None
            if decided is not None:
                return scalar(decided, e.dtype), Known.ABSENT
        result = ops.evaluate(e.op, tuple(v for v, _ in outcomes), e.dtype)
        if all(known for _, known in outcomes):
            return result, max(known for _, known in outcomes)
        zero = ops.OPS[e.op].annihilator
        exact = zero is not None and e.dtype.kind not in "fc"
        return result, Known.CONSTANT if exact and any(k and v == zero for v, k in outcomes) else Known.DATA


def _marked(e: Expr) -> bool:
    return isinstance(e, Literal) and e.fill


def _keep_greatest(slot: _Slot, keep: int) -> None:
    """Forget all but the greatest entries."""
    points = np.argwhere(slot.stored)
    values = slot.values[slot.stored]
    # Ranks from the least, no number below them; a stable sort leaves equals in the order of their coordinates.
    rank = np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
    rank[values != values] = -1
    for at in map(tuple, points[np.argsort(-rank, kind="stable")[keep:]]):
        slot.stored[at], slot.values[at] = False, slot.fill


def _same(value: Any, other: object) -> bool:
    return bool(value == other) or bool(_is_nan(value) and _is_nan(other))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | complex | np.inexact) and bool(np.isnan(value))


def _sparse(t: TensorDecl) -> bool:
    return t.format is not None and not t.format.is_dense


__all__ = ["execute", "run"]
