"""Reference interpreter of tensor IR: the dense NumPy meaning of a program, its specification.

It shares nothing with the lowering: no loops, no levels, no patterns.  A statement has one array axis for each of its
index variables; an expression evaluates to an array whose axis has extent 1 where it does not depend on the variable,
so that NumPy's broadcasting does the rest and a reduction is a fold along axes.  Time and memory grow with the
whole index space; ``LIMIT`` bounds it.

What the node's docstrings leave open:

- ``argmin`` and ``argmax`` over several indices number the points row-major, in the order of the indices; a NaN
  comes first, as in NumPy.
- ``where`` of a statement may name an index of the reduction that is its whole right side: the reduction then runs over
  the admitted points, and a result point that has none is outside.
- A result begins as its fill if the first statement that writes it is ``=``, else as the operator's identity (or as
  the array the caller passed under its name).
- With ``stored`` an entry that is not stored annihilates even against inf and NaN (``ops.forced``).
- A user's monoid is folded left to right, its literals and operators taken in the type of the reduction's body.
- f16 computes in f16, bf16 in f32 with a rounding after every operator; arrays of bf16 hold their bits in uint16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsec.errors import BackendError, ShapeError, TypeError_
from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, F64, DType
from sparsec.ir.index_values import must_lie_inside, within
from sparsec.ir.tensor import (
    Access,
    Assign,
    Dim,
    Expr,
    Extent,
    Index,
    Literal,
    Map,
    MonoidDef,
    Program,
    Reduce,
    Scan,
    ScanLoop,
    Softmax,
    Stmt,
    Stored,
    TensorDecl,
    Top,
    assigns,
    elsewhere,
)
from sparsec.ir.tensor_values import (
    Array,
    apply,
    combine,
    first_best,
    fold,
    from_storage,
    held,
    identity,
    logsumexp,
    points,
    round_to,
    scalar,
    to_storage,
)
from sparsec.ir.variables import free_indices

if TYPE_CHECKING:
    from sparsec.ir.tensor_bounds import Magnitude

Conditions = tuple[tuple[Expr, Array], ...]
"""Conditions that hold together, each with where it does."""

LIMIT = 1 << 28
"""Greatest number of points an expression may have here."""


def interpret(
    program: Program,
    arrays: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    stored: Mapping[str, Any] | None = None,
) -> dict[str, Array]:
    """Run ``program`` on dense arrays (or scalars) of the declared shapes; return its results by name.

    ``sizes`` gives extents of named dimensions that no operand has, ``stored`` the patterns of operands as bool arrays
    (without one an entry is stored where it differs from the fill).  Raises ``ShapeError`` and ``TypeError_`` for
    operands that do not fit and indices outside, ``BackendError`` for an index space past ``LIMIT``.

    Example: ``interpret(spmv, {"A": A, "x": x})["y"]``.
    """
    machine = Machine(program, arrays, sizes, stored)
    machine.run()
    return {t.name: to_storage(machine.values[t.name], t.dtype) for t in program.results}


def magnitude(
    program: Program,
    arrays: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    stored: Mapping[str, Any] | None = None,
) -> dict[str, Magnitude]:
    """For each result its ``terms`` and ``total`` magnitude, and the ``tolerance`` that follows: ``tensor_bounds``."""
    from sparsec.ir.tensor_bounds import bounds

    return bounds(program, arrays, sizes, stored)


def bind_sizes(program: Program, arrays: Mapping[str, Any], sizes: Mapping[str, int] | None) -> dict[str, int]:
    """The extent of every named dimension; raises ``ShapeError`` where shapes disagree or leave one open."""
    dims = dict(sizes or {})
    for name, extent in dims.items():
        if extent < 0:
            raise ShapeError(f"the extent of dimension '{name}' is {extent}")
    for t in program.tensors:
        if t.role not in ("in", "inout") and (t.role == "local" or t.name not in arrays):
            continue
        if t.name not in arrays:
            raise TypeError_(f"kernel '{program.name}': operand '{t.name}' is missing")
        shape = np.shape(arrays[t.name])
        if len(shape) != t.ndim:
            raise ShapeError(f"operand '{t.name}' has {len(shape)} dimensions, its declaration {t.ndim}")
        for d, n in zip(t.dims, shape, strict=True):
            expected = dims.setdefault(d, n) if isinstance(d, str) else d
            if expected != n:
                raise ShapeError(f"operand '{t.name}': dimension '{d}' is {n}, expected {expected}")
    for t in program.tensors:
        for d in t.dims:
            if isinstance(d, str) and d not in dims:
                raise ShapeError(f"the extent of dimension '{d}' is not known", hint=f"pass sizes={{'{d}': ...}}")
    return dims


@dataclass(slots=True)
class Scope:
    """The index variables of a statement: their axes and extents, and those that a ``scan`` block holds fixed."""

    axes: dict[str, int]
    extents: dict[str, int]
    fixed: dict[str, int]

    @property
    def ndim(self) -> int:
        return len(self.axes)

    def shaped(self, names: tuple[str, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
        """``shape`` with the whole extent along the axes of ``names``."""
        out = list(shape)
        for n in names:
            out[self.axes[n]] = self.extents[n]
        return tuple(out)


@dataclass(slots=True)
class Write:
    """What a statement writes: flat positions in the target, and for each the point of the statement it comes from."""

    positions: Array
    points: Array
    shape: tuple[int, ...]

    def pick(self, a: Array) -> Array:
        """The elements of an expression's array that are written, in order."""
        return np.broadcast_to(a, self.shape).reshape(-1)[self.points]


class Machine:
    """Holds the arrays while the statements run, in ``values`` by tensor name."""

    def __init__(
        self,
        program: Program,
        arrays: Mapping[str, Any],
        sizes: Mapping[str, int] | None = None,
        stored: Mapping[str, Any] | None = None,
    ) -> None:
        self.program = program
        self.dims = bind_sizes(program, arrays, sizes)
        self.decls = {t.name: t for t in program.tensors}
        self.monoids = {m.name: m for m in program.monoids}
        self.patterns = {n: np.array(p, bool) for n, p in (stored or {}).items()}
        self.values: dict[str, Array] = {
            t.name: from_storage(arrays[t.name], t.dtype)
            for t in program.tensors
            if t.role != "local" and t.name in arrays
        }
        self.given = {t.name for t in program.operands if t.name in arrays}
        self.scope = Scope({}, {}, {})
        # Values and absences of a statement's expressions, by identity; the node is kept so that none takes its place.
        self.known: dict[tuple[int, int], tuple[Expr, Array]] = {}
        self.gone: dict[int, tuple[Expr, Array]] = {}
        # Where what is evaluated now counts: the number of the conditions around it among those that were met so far.
        self.admitted: list[Conditions] = [()]
        self.around = 0
        self.strict = True

    def run(self) -> None:
        """Execute all statements."""
        written = {s.target.tensor: s.op for s in reversed([*assigns(self.program.body)])}
        for name, op in written.items():
            if op == "=" and name not in self.given:
                self.values.pop(name, None)
            if name not in self.values:
                t = self.decls[name]
                begin = scalar(t.fill, t.dtype) if op == "=" else identity(op, t.dtype)
                self.create(t, begin)
        with np.errstate(all="ignore"):
            for s in self.program.body:
                self.statement(s)

    def create(self, t: TensorDecl, begin: Any) -> None:
        """Make the array of a result or local."""
        shape = tuple(self.extent(d) for d in t.dims)
        self._bound(shape)
        self.values[t.name] = np.full(shape, begin, held(t.dtype))

    def extent(self, e: Extent) -> int:
        """A number, or the extent of a named dimension."""
        return e if isinstance(e, int) else self.dims[e]

    # statements

    def statement(self, s: Stmt) -> None:
        """Execute one statement."""
        if isinstance(s, ScanLoop):
            points = range(self.extent(s.index.extent))
            for i in reversed(points) if s.reverse else points:
                for inner in s.body:
                    self.assign(inner, {s.index.name: i})
        else:
            self.assign(s, {})

    def assign(self, s: Assign, fixed: dict[str, int]) -> None:
        """Execute an assignment or an update."""
        names = [i.name for i in s.indices if i.name not in fixed]
        extents = {i.name: self.extent(i.extent) for i in s.indices}
        self.scope = Scope({n: a for a, n in enumerate(names)}, extents, fixed)
        self.known.clear()
        self.gone.clear()
        self.admitted, self.around = [()], 0
        value, where, write = self.right_side(s)
        self.store(s, write, value)

    def right_side(self, s: Assign) -> tuple[Expr, Array | None, Write]:
        """The value to evaluate, the points that the condition admits, and what is written."""
        value, where = s.value, None
        if s.where is not None:
            where = self.eval(s.where)
            self._under(self._asked(s.where))
            if isinstance(value, Reduce) and free_indices(s.where) & set(value.indices):
                both = s.where if value.where is None else Map("and", (value.where, s.where), BOOL)
                value = Reduce(value.monoid, value.indices, value.body, value.dtype, both)
                axes = tuple(self.scope.axes[n] for n in value.indices)
                where = np.asarray(where.any(axis=axes, keepdims=True))
        return value, where, self.write(s, value, where)

    def write(self, s: Assign, value: Expr, where: Array | None) -> Write:
        """Where the points of a statement land; raises ``ShapeError`` for ``=`` that writes one place twice."""
        target = self.values[s.target.tensor]
        found, inside = self.addresses(s.target)
        shapes = [np.shape(a) for a in found] + [inside.shape] + ([where.shape] if where is not None else [])
        shape = np.broadcast_shapes((1,) * self.scope.ndim, *shapes)
        shape = self.scope.shaped(tuple(free_indices(value) & set(self.scope.axes)), shape)
        self._bound(shape)
        keep = np.broadcast_to(inside if where is None else inside & where, shape).reshape(-1)
        points = np.flatnonzero(keep)
        flat = np.zeros(len(points), np.int64)
        for a, n in zip(found, target.shape, strict=True):
            flat = flat * n + np.broadcast_to(a, shape).reshape(-1)[points]
        if s.op == "=" and len(np.unique(flat)) != len(flat):
            raise ShapeError(f"'{s.target.tensor}' is written twice at one place by '='", span=s.span)
        return Write(flat, points, shape)

    def store(self, s: Assign, write: Write, value: Expr) -> None:
        """Write the points of ``value``."""
        target = self.values[s.target.tensor]
        t = self.decls[s.target.tensor].dtype
        picked = write.pick(self.eval(value)).astype(target.dtype)
        flat = target.reshape(-1)
        if s.op == "=":
            flat[write.positions] = picked
        else:
            self.fold_at(s.op, flat, write.positions, picked, t)
        target[...] = round_to(flat, t).reshape(target.shape)

    def fold_at(self, op: str, flat: Array, positions: Array, values: Array, t: DType) -> None:
        """``flat[positions] op= values``, with repeated positions."""
        name = ops.MONOIDS[op].op if op in ops.MONOIDS else None
        if name is None:
            raise TypeError_(f"'{op}' cannot update a tensor in place")
        function = ops.OPS[name].numpy
        assert isinstance(function, np.ufunc)
        function.at(flat, positions, values)

    # expressions

    def eval(self, e: Expr) -> Array:
        """The value of ``e`` over the scope's axes."""
        if not self.patterns:
            return self._eval(e)
        # What annihilates asks for the values beneath again: without a memory the time would double at every level.
        key = id(e), self.around
        if key not in self.known:
            self.known[key] = (e, self._eval(e))
        return self.known[key][1]

    def _eval(self, e: Expr) -> Array:
        match e:
            case Literal():
                return self._constant(scalar(e.value, e.dtype))
            case Dim():
                return self._constant(np.int64(self.dims[e.name]))
            case Index():
                return self._index(e.name)
            case Access():
                t = self.decls[e.tensor]
                return self._gather(e, self.values[e.tensor], scalar(t.fill, t.dtype))
            case Stored():
                return self._gather(e.access, self._pattern(e.access.tensor), False)
            case Map():
                return self._map(e)
            case Reduce():
                body, mask = self._body(e)
                return self.reduce(e, body, mask)
            case Scan():
                body, mask = self._body(e)
                return self.scan(e, body, mask)
            case Softmax():
                body, mask = self._body(e)
                return self.softmax(e, body, mask)
            case Top():
                key, mask = self._body(e)
                return self.top(e, key, mask)
        raise TypeError_(f"tensor IR has no expression '{type(e).__name__}'")

    def _constant(self, value: Any) -> Array:
        return np.full((1,) * self.scope.ndim, value)

    def _index(self, name: str) -> Array:
        if name in self.scope.fixed:
            return self._constant(np.int64(self.scope.fixed[name]))
        shape = self.scope.shaped((name,), (1,) * self.scope.ndim)
        return np.arange(self.scope.extents[name], dtype=np.int64).reshape(shape)

    def _pattern(self, name: str) -> Array:
        if name in self.patterns:
            return self.patterns[name]
        values, t = self.values[name], self.decls[name]
        if t.format is not None and t.format.is_dense:
            return np.ones(values.shape, bool)
        fill = scalar(t.fill, t.dtype)
        both_nan = np.isnan(values) & np.isnan(fill) if values.dtype.kind in "fc" else False
        return np.asarray((values != fill) & ~np.asarray(both_nan))

    def addresses(self, access: Access) -> tuple[list[Array], Array]:
        """The coordinates of an access and where they lie inside, ``ShapeError`` for data outside that counts."""
        shape = self.values[access.tensor].shape
        placed = [within(self, e) for e in access.indices]
        found = [a for a, _ in placed]
        inside = self._constant(True)
        for e, (a, kept), n in zip(access.indices, placed, shape, strict=True):
            good = (a >= 0) & (a < n) & kept
            constant = isinstance(e, Literal) and not e.fill
            bad = ~good
            for _, holds in () if constant else self.admitted[self.around]:
                bad = bad & holds
            if self.strict and (constant or must_lie_inside(e)) and bad.any():
                wrong = np.broadcast_to(a, bad.shape)[bad].flat[0]
                raise ShapeError(f"an index of '{access.tensor}' is {wrong}, outside 0 .. {n - 1}", span=access.span)
            inside = inside & good
        return found, inside

    def _gather(self, access: Access, array: Array, fill: Any) -> Array:
        found, inside = self.addresses(access)
        if not found:
            return array.reshape((1,) * self.scope.ndim)
        shape = np.broadcast_shapes(*(a.shape for a in found))
        self._bound(shape)
        if array.size == 0:
            return np.full(shape, fill, array.dtype)
        clipped = tuple(np.clip(a, 0, n - 1) for a, n in zip(found, array.shape, strict=True))
        return np.asarray(np.where(inside, array[clipped], array.dtype.type(fill)))

    def _bound(self, shape: tuple[int, ...]) -> None:
        points = 1
        for n in shape:
            points *= n
        if points > LIMIT:
            raise BackendError(
                f"the reference interpreter would need {points} points, its limit is {LIMIT}",
                hint="use smaller operands",
            )

    def _map(self, e: Map) -> Array:
        args = tuple(self.eval(a) for a in e.args)
        self._bound(np.broadcast_shapes(*(a.shape for a in args)))
        value = apply(e.op, args, e.dtype)
        if self.patterns:
            for where, decided in reversed(self._forced(e, args)):
                value = np.where(where, held(e.dtype).type(decided), value)
        return value

    def _forced(self, e: Map, args: tuple[Array, ...]) -> list[tuple[Array, Any]]:
        """Where an argument that is not stored decides the value, and the value; the first of several counts."""
        out = []
        for n, (a, value) in enumerate(zip(e.args, args, strict=True)):
            zeros: set[Any] = {0, np.inf, -np.inf} if value.dtype.kind == "f" else {0}
            for candidate in zeros if e.zero is None else zeros | {e.zero}:
                decided = e.forced(n, candidate)
                if decided is not None and not isinstance(decided, bool):
                    out.append((self.absent(a) & (value == candidate), decided))
        return out

    def absent(self, e: Expr) -> Array:
        """Where the algebra proves that ``e`` is made of entries that are not stored."""
        if id(e) not in self.gone:
            self.gone[id(e)] = (e, self._absent(e))
        return self.gone[id(e)][1]

    def _absent(self, e: Expr) -> Array:
        if isinstance(e, Access) and e.tensor in self.patterns:
            return ~self._gather(e, self.patterns[e.tensor], False)
        if isinstance(e, Literal):
            return self._constant(e.fill)
        if not isinstance(e, Map):
            return self._constant(False)
        gone = [self.absent(a) for a in e.args]
        if e.op == "select":
            return np.where(self.eval(e.args[0]), gone[1], gone[2])
        some, every = self._constant(False), self._constant(True)
        for a, g in zip(e.args, gone, strict=True):
            some, every = some | g, every & (g | isinstance(a, Literal | Dim))
        for where, _ in self._forced(e, tuple(self.eval(a) for a in e.args)):
            every, some = every | where, some | where
        return some & every

    # folds

    def _asked(self, where: Expr) -> Conditions:
        """The conditions that hold together where ``where`` does, with where they do."""
        if isinstance(where, Map) and where.op in ("and", "bitand"):
            return tuple(c for a in where.args for c in self._asked(a))
        return ((where, self.eval(where)),)

    def _under(self, conditions: Conditions) -> None:
        """What is evaluated from now on counts where ``conditions`` hold."""
        self.admitted.append(conditions)
        self.around = len(self.admitted) - 1

    def _body(self, e: Reduce | Scan | Softmax | Top) -> tuple[Array, Array | None]:
        """What ``e`` is of over the whole extent of its indices, and its condition likewise."""
        outside, others = self.around, {*elsewhere(e)}
        if any(free_indices(c) & others for c, _ in self.admitted[outside]):
            self._under(tuple(c for c in self.admitted[outside] if not free_indices(c[0]) & others))
        mask = None if e.where is None else self.eval(e.where)
        if e.where is not None:
            self._under((*self.admitted[self.around], *self._asked(e.where)))
        value = self.eval(e.key if isinstance(e, Top) else e.body)
        self.around = outside
        names = e.indices if isinstance(e, Reduce) else elsewhere(e)
        shape = self.scope.shaped(names, value.shape if mask is None else np.broadcast_shapes(value.shape, mask.shape))
        self._bound(shape)
        return np.broadcast_to(value, shape), None if mask is None else np.broadcast_to(mask, shape)

    def reduce(self, e: Reduce, body: Array, mask: Array | None) -> Array:
        """Fold ``body`` along the axes of ``e.indices``, which become 1."""
        axes = tuple(self.scope.axes[n] for n in e.indices)
        if e.monoid in self.monoids:
            monoid, t = self.monoids[e.monoid], e.body.dtype
            state = None
            for n, (x, m) in enumerate(points(body, mask, axes)):
                state = self.step(monoid, t, state or self.zero(monoid, t, x), x, m, n)
            state = state or self.zero(monoid, t, body.sum(axis=axes, keepdims=True))
            return self._result(monoid, state, t).astype(held(e.dtype))
        if e.monoid in ("argmin", "argmax"):
            return first_best(e.monoid, body, mask, axes)
        if e.monoid == "logsumexp":
            return round_to(logsumexp(body, mask, axes), e.dtype)
        if mask is not None:
            body = np.where(mask, body, identity(e.monoid, e.dtype))
        return round_to(fold(e.monoid, body, axes, e.dtype), e.dtype)

    def scan(self, e: Scan, body: Array, mask: Array | None) -> Array:
        """Running fold along the axis of ``e.index``."""
        axis, monoid, t = self.scope.axes[e.index], self.monoids.get(e.monoid), e.body.dtype
        out = np.empty(body.shape, held(e.dtype))
        empty = np.zeros(tuple(1 if a == axis else n for a, n in enumerate(body.shape)), body.dtype)
        state = self.zero(monoid, t, empty) if monoid else (np.full(empty.shape, identity(e.monoid, t)),)
        places = range(body.shape[axis])
        for n in reversed(places) if e.reverse else places:
            x = np.take(body, [n], axis)
            m = None if mask is None else np.take(mask, [n], axis)
            before = state
            if monoid:
                state = self.step(monoid, t, state, x, m, n)
            else:
                x = x if m is None else np.where(m, x, identity(e.monoid, t))
                state = (combine(e.monoid, state[0], x, t),)
            shown = before if e.exclusive else state
            place: list[Any] = [slice(None)] * body.ndim
            place[axis] = slice(n, n + 1)
            out[tuple(place)] = self._result(monoid, shown, t) if monoid else shown[0]
        return out

    def softmax(self, e: Softmax, body: Array, mask: Array | None) -> Array:
        """Weights along the axes of ``e.indices``; a fibre with no point above -inf is 0."""
        axes = tuple(self.scope.axes[n] for n in e.indices)
        low = body.dtype.type(-np.inf)
        body = body if mask is None else np.where(mask, body, low)
        top = np.maximum.reduce(body, axis=axes, keepdims=True, initial=low)
        weight = np.exp(body - np.where(top == low, body.dtype.type(0), top))
        total = np.add.reduce(weight, axis=axes, keepdims=True)
        return round_to(np.where(top == low, body.dtype.type(0), weight / total).astype(held(e.dtype)), e.dtype)

    def top(self, e: Top, key: Array, mask: Array | None) -> Array:
        """Mark the ``k`` greatest keys of each group; ties go to the lower index, NaN comes last."""
        axes = [self.scope.axes[g] for g, _ in e.groups]
        _, rank = np.unique(key, return_inverse=True)
        rank = rank.reshape(key.shape).astype(np.int64)
        if key.dtype.kind == "f":
            rank[np.isnan(key)] = -1
        if mask is not None:
            rank[~mask] = -2
        # The group of a point: the coordinates of the other axes, and along its own axes the block it lies in.
        where = np.indices(key.shape, sparse=False)
        group, place = np.zeros(key.shape, np.int64), np.zeros(key.shape, np.int64)
        sizes = dict(zip(axes, (n for _, n in e.groups), strict=True))
        for axis, n in enumerate(key.shape):
            if axis not in sizes:
                group = group * max(n, 1) + where[axis]
        for axis in axes:
            n, size = key.shape[axis], sizes[axis]
            place = place * max(n, 1) + where[axis]
            if size is not None:
                group = group * max(-(-n // size), 1) + where[axis] // size
        flat = group.reshape(-1)
        order = np.lexsort((place.reshape(-1), -rank.reshape(-1), flat))
        ordered = flat[order]
        nth = np.arange(len(order)) - np.searchsorted(ordered, ordered, side="left")
        chosen = np.zeros(len(order), bool)
        chosen[order] = nth < e.k
        out = chosen.reshape(key.shape)
        return out if mask is None else out & mask

    # users' monoids

    def zero(self, m: MonoidDef, t: DType, like: Array) -> tuple[Array, ...]:
        """The state of nothing, shaped as ``like``."""
        return tuple(np.broadcast_to(self.monoid_expr(z, {}, t), like.shape) for z in m.zero)

    def _result(self, m: MonoidDef, state: tuple[Array, ...], t: DType) -> Array:
        return self.monoid_expr(m.value, dict(zip(m.states, state, strict=True)), t)

    def step(
        self, m: MonoidDef, t: DType, state: tuple[Array, ...], x: Array, mask: Array | None, place: int
    ) -> tuple[Array, ...]:
        """The state with one more point, whose number in the reduction is ``place``."""
        given = {m.lift_arg: x} | ({} if m.place is None else {m.place: self._constant(np.int64(place))})
        lifted = tuple(self.monoid_expr(e, given, t) for e in m.lift)
        names = dict(zip(m.left, state, strict=True)) | dict(zip(m.right, lifted, strict=True))
        new = tuple(self.monoid_expr(e, names, t) for e in m.combine)
        if mask is None:
            return new
        return tuple(np.where(mask, n, s) for n, s in zip(new, state, strict=True))

    def monoid_expr(self, e: Expr, names: Mapping[str, Array], t: DType) -> Array:
        """An expression of a monoid's definition, with ``t`` in the place of f64."""
        if isinstance(e, Access) and e.tensor in names:
            return names[e.tensor]
        if isinstance(e, Literal):
            own = np.dtype(bool) if isinstance(e.value, bool) else held(t if e.dtype is F64 else e.dtype)
            return np.full((1,) * self.scope.ndim, e.value, own)
        if isinstance(e, Map):
            args = tuple(self.monoid_expr(a, names, t) for a in e.args)
            return apply(e.op, args, t if e.dtype is F64 else e.dtype)
        raise TypeError_(f"a monoid's definition cannot contain '{type(e).__name__}'")


__all__ = ["LIMIT", "interpret", "magnitude"]
