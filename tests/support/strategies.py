"""Hypothesis strategies: formats, programs in tensor IR, and data for them.

A program is drawn as tensor IR with every cast and every sum written out; ``dsl.py`` prints it as DSL text.  Its index
variables are i, j, k, l (free) and a, b, c, d (reduced), their extents the dimensions p, q, r, so that two variables
may share one and accesses can be transposed or repeat an index.  Operands are A to D, the result is R, a local T.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sparsec.formats.bitmap import Bitmap
from sparsec.formats.compressed import Compressed
from sparsec.formats.delta import Delta8
from sparsec.formats.dense import Dense
from sparsec.formats.fixed import Fixed
from sparsec.formats.format import Format
from sparsec.formats.hashed import Hashed
from sparsec.formats.level import Level
from sparsec.formats.named import dense, from_levels, named_format
from sparsec.formats.runs import Runs
from sparsec.formats.singleton import Singleton
from sparsec.formats.sliced import Sliced
from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, F64, I16, I32, I64, U8, U32, DType
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Expr,
    Index,
    IndexDecl,
    Literal,
    Map,
    Program,
    Reduce,
    Stored,
    TensorDecl,
    Top,
)
from sparsec.ir.tensor_values import scalar
from tests.support import dtypes, ragged, scans, targets, tuples
from tests.support.conditions import admits_infinity, condition
from tests.support.groups import fitted, narrowed
from tests.support.maps import mapped_formats
from tests.support.updates import updated
from tests.support.windows import holds, mirror, window_formats

Array = np.ndarray[Any, np.dtype[Any]]
DIMS = ("p", "q", "r")
FREE, REDUCED = "ijkl", "abcd"
EXTENTS = (0, 1, 2, 3, 5)
LEVELS = (
    Compressed(), Dense(), Compressed(), Dense(), Fixed(2 * max(EXTENTS) - 1), Bitmap(), Compressed(is_ordered=False),
    Delta8(),
)  # fmt: skip
"""What a map is drawn from; a singleton needs a level of its own above it.  ``fixed`` has room for all diagonals."""


# formats


@st.composite
def formats(draw: st.DrawFn, order: int, result: bool = False) -> Format:
    """Any format of this order, widths included; one that holds whatever a ``result`` may be."""
    if order == 0:
        return dense(0)
    kinds = ["dense", "named", "named", "levels", "levels", "levels", "hash", "runs", "map", "window", "sliced"]
    kind = draw(st.sampled_from(kinds))
    if kind == "dense":
        return dense(order)
    if kind == "named":
        names = ["csf", "coo"] + (["csr", "csc", "dcsr", "dcsc"] if order >= 2 else [])
        return named_format(draw(st.sampled_from(names)), order).concrete()
    index, pos = draw(st.sampled_from([(I32, I32), (I32, I32), (I64, I64), (U8, I32), (I16, U32)]))
    if kind in ("hash", "sliced"):
        turned = tuple(draw(st.permutations(range(order))))
        last = Hashed() if kind == "hash" else Sliced(draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 3, 100])))
        return from_levels(None, (*(Dense(),) * (order - 1), last), turned).concrete(index, pos)
    if kind == "runs":
        above = tuple(draw(st.sampled_from(LEVELS)) for _ in range(order - 1))
        turned = tuple(draw(st.permutations(range(order))))
        return from_levels(None, (*above, Runs()), turned).concrete(index, pos)
    if kind == "window" and order > 1:
        return draw(window_formats(order, result)).concrete(index, pos)
    if kind == "map":
        return draw(mapped_formats(order, LEVELS)).concrete(index, pos)
    tail = draw(st.integers(2, order)) if order >= 2 and draw(st.booleans()) else 0
    levels: list[Level] = [draw(st.sampled_from(LEVELS)) for _ in range(order - tail)]
    if tail:
        levels.append(Compressed(is_unique=False))
        levels += [Singleton(is_unique=False)] * (tail - 2) + [Singleton()]
    permutation = draw(st.permutations(range(order)))
    return from_levels(None, tuple(levels), tuple(permutation)).concrete(index, pos)


# programs


@dataclass(slots=True)
class Maker:
    """The state of one program's drawing."""

    draw: st.DrawFn
    t: DType
    operands: dict[str, TensorDecl] = field(default_factory=dict)
    dim_of: dict[str, str] = field(default_factory=dict)
    reads: dict[str, TensorDecl] = field(default_factory=dict)
    left: int = 8
    fancy: bool = True

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) < percent

    def expr(self, depth: int, scope: str, t: DType, need: str = "") -> Expr:
        """An expression of type ``t`` over the variables of ``scope`` that uses those of ``need``."""
        self.left -= 1
        if depth == 0 or self.left <= 0:
            return self.leaf(scope, t, need)
        if t is BOOL:
            return self.of_bools(depth, scope, need)
        kind = self.pick(
            "mul",
            "add",
            "reduce",
            "mul",
            "sub",
            "reduce",
            "mul",
            "add",
            "min",
            "unary",
            "other",
            "leaf",
            "tuple",
            "scan",
        )
        if kind == "min" and t.kind == "c":
            kind = "mul"
        match kind:
            case "leaf":
                return self.leaf(scope, t, need)
            case "mul" | "add" | "sub":
                return self.binary(kind, depth, scope, t, need)
            case "min":
                return self.binary(self.pick("min", "max"), depth, scope, t, need)
            case "reduce":
                return self.reduction(self.pick(*dtypes.monoids(t)), depth, scope, t, need)
            case "unary":
                return self.unary(depth, scope, t, need)
            case "scan":
                return scans.scan(self, depth, scope, t, need)
            case "tuple":
                return tuples.tuple_reduction(self, depth, scope, t, need)
        return self.other(depth, scope, t, need)

    def binary(self, op: str, depth: int, scope: str, t: DType, need: str) -> Expr:
        split = self.draw(st.integers(0, len(need)))
        left = self.expr(depth - 1, scope, t, need[:split])
        right = self.expr(depth - 1, scope, t, need[split:])
        return Map(op, (left, right), BOOL if ops.OPS[op].rule == "compare" else t)

    def of_bools(self, depth: int, scope: str, need: str) -> Expr:
        match self.pick("leaf", "and", "or", "not", "compare", "reduce", "top"):
            case "leaf":
                return self.leaf(scope, BOOL, need)
            case "top":
                return scans.top(self, depth, scope, need) if scope else self.leaf(scope, BOOL, need)
            case "not":
                return Map("not", (self.expr(depth - 1, scope, BOOL, need),), BOOL)
            case "compare":
                op = self.pick("eq", "ne", "lt", "le", "gt", "ge")
                return self.binary(op, min(depth, 2), scope, self.pick(F64, I64), need)
            case "reduce":
                return self.reduction(self.pick("or", "and"), depth, scope, BOOL, need)
            case op:
                return self.binary(op, depth, scope, BOOL, need)

    def reduction(self, monoid: str, depth: int, scope: str, t: DType, need: str) -> Expr:
        fresh = [v for v in REDUCED if v not in self.dim_of]
        if not fresh:
            return self.leaf(scope, t, need)
        new = "".join(fresh[: 2 if len(fresh) > 1 and self.chance(20) else 1])
        for v in new:
            self.dim_of[v] = self.pick(*DIMS)
        need = "".join(self.draw(st.permutations(need + new)))
        if self.chance(50) and t is not BOOL and monoid == "add":
            body = self.binary("mul", depth, scope + new, t, need)
        else:
            body = self.expr(depth - 1, scope + new, t, need)
        where = None
        if self.chance(25) and not admits_infinity(monoid, t):
            where = condition(self, scope + new)
        return Reduce(monoid, tuple(new), body, t, where)

    def unary(self, depth: int, scope: str, t: DType, need: str) -> Expr:
        name = self.pick(*dtypes.functions(t))
        if name == "exp":
            return Map("exp", (self.leaf(scope, t, need),), t)
        inner = self.expr(depth - 1, scope, t, need)
        if name in ("sqrt", "log1p"):
            inner = Map("abs", (inner,), t)
        if name == "square":
            return Map("pow", (inner, Literal(scalar(2, t).item(), t)), t)
        return Map(name, (inner,), t)

    def other(self, depth: int, scope: str, t: DType, need: str) -> Expr:
        what = self.pick("quotient", "select", "literal")
        if what == "quotient":
            inner = self.expr(depth - 1, scope, t, need)
            if t.is_integer:
                return Map(self.pick("floordiv", "mod"), (inner, Literal(self.pick(*dtypes.divisors(t)), t)), t)
            return Map("div", (inner, self.pick(self.scalar(t), Literal(scalar(4, t).item(), t))), t)
        if what == "select":
            half = self.draw(st.integers(0, len(need)))
            comparison = self.pick(*dtypes.comparisons(t))
            condition = self.binary(comparison, min(depth, 1), scope, t, need[:half])
            kept = self.expr(depth - 1, scope, t, need[half:])
            return Map("select", (condition, kept, self.leaf(scope, t, "")), t)
        return Map(self.pick("mul", "add"), (self.literal(t), self.expr(depth - 1, scope, t, need)), t)

    def literal(self, t: DType) -> Literal:
        return Literal(scalar(self.pick(*dtypes.literals(t)), t).item(), t)

    def leaf(self, scope: str, t: DType, need: str) -> Expr:
        """An access that uses the variables of ``need`` (at most four), a scalar or a literal."""
        if not need and self.chance(15):
            return self.literal(t) if self.chance(50) and t is not BOOL else self.scalar(t)
        if len(need) > 4:
            halves = (self.leaf(scope, t, need[:4]), self.leaf(scope, t, need[4:]))
            return Map("mul" if t is not BOOL else "and", halves, t)
        known = [d for d in self.reads.values() if self.fits(d, scope, t, need)]
        if known and (len(self.operands) >= 4 or self.chance(35)):
            return self.read(self.pick(*known), scope, t, need)
        if len(self.operands) >= 4:
            return self.cover(scope, t, need)
        return self.read(self.operand(scope, t, need), scope, t, need)

    def cover(self, scope: str, t: DType, need: str) -> Expr:
        """Accesses to what there is, until all of ``need`` is used; else new vectors."""
        if not need:
            return self.literal(t) if t is not BOOL else Literal(True, BOOL)
        name = f"v_{t}_{self.dim_of[need[0]]}"
        vector = TensorDecl(name, t, (self.dim_of[need[0]],), dense(1), scalar(0, t).item(), "in")
        self.operands.setdefault(name, vector)
        first = Access(name, (Index(need[0]),), t)
        if len(need) == 1:
            return first
        return Map("mul" if t is not BOOL else "and", (first, self.cover(scope, t, need[1:])), t)

    def scalar(self, t: DType) -> Access:
        return Access("s", (), t) if t is self.t else Access(f"s_{t}", (), t)

    def operand(self, scope: str, t: DType, need: str) -> TensorDecl:
        extra = [v for v in scope if v not in need]
        least = 1 if not need and scope and self.chance(80) else 0
        count = self.draw(st.integers(least, max(least, min(4 - len(need), 2, len(extra) + 1))))
        variables = list(need) + [self.pick(*scope) for _ in range(count) if scope]
        variables = list(self.draw(st.permutations(variables)))
        stored = t
        if t is not BOOL and self.chance(10):
            stored = self.pick(*dtypes.NARROW.get(t, (t,)))
        fmt = self.draw(narrowed(self.draw(formats(len(variables)))))
        square = len(variables) > 1 and self.dim_of[variables[-1]] == self.dim_of[variables[-2]]
        if square and fmt.is_plain and not fmt.is_dense and self.chance(30):
            fmt = fmt.mirrored()
        else:
            fmt = ragged.sometimes(self, fmt)
        fill: Any = scalar(0, stored).item()
        if not fmt.is_dense and self.chance(12):
            fill = scalar(self.pick(1, 2), stored).item()
        name = next(n for n in "ABCD" if n not in self.operands)
        made = TensorDecl(name, stored, tuple(self.dim_of[v] for v in variables), fmt, fill, "in")
        self.operands[name] = self.reads[name] = made
        return made

    def fits(self, decl: TensorDecl, scope: str, t: DType, need: str) -> bool:
        if decl.dtype is not t and (t is BOOL or decl.role == "local"):
            return False
        if decl.dtype is not t and decl.dtype.np.itemsize >= t.np.itemsize:
            return False
        if t.is_integer and decl.dtype.is_float:
            return False
        have = [self.dim_of[v] for v in scope]
        wanted = [self.dim_of[v] for v in need]
        return all(d in have for d in decl.dims) and all(decl.dims.count(d) >= wanted.count(d) for d in wanted)

    def read(self, decl: TensorDecl, scope: str, t: DType, need: str) -> Expr:
        """An access to ``decl`` whose variables are drawn, those of ``need`` among them."""
        places: list[str | None] = [None] * decl.ndim
        for v in need:
            free = [n for n, d in enumerate(decl.dims) if d == self.dim_of[v] and places[n] is None]
            places[self.pick(*free)] = v
        names = []
        for n, d in enumerate(decl.dims):
            fitting = [v for v in scope if self.dim_of[v] == d]
            unused = [v for v in fitting if v not in names and v not in places] or fitting
            names.append(places[n] or self.pick(*(unused if self.chance(85) else fitting)))
        access = Access(decl.name, tuple(Index(v) for v in names), decl.dtype)
        return access if decl.dtype is t else Map("cast", (access,), t)


def constant(e: Expr, decls: dict[str, TensorDecl]) -> tuple[Any, bool] | None:
    """What ``e`` surely is where no sparse operand has an entry, if anything, and whether absence made it so."""
    match e:
        case Literal():
            return scalar(e.value, e.dtype), e.fill
        case Top():
            return np.bool_(False), True  # a sparse mask
        case Stored():
            d = decls[e.access.tensor]
            return (np.bool_(d.format is None or d.format.is_dense), True)
        case Access():
            d = decls[e.tensor]
            return (scalar(d.fill, d.dtype), True) if d.format is not None and not d.format.is_dense else None
        case Map():
            args = [constant(a, decls) for a in e.args]
            exact = e.dtype.kind not in "fc" and ops.OPS[e.op].annihilator is not None
            for n, a in enumerate(args):
                decided = None if a is None else e.forced(n, a[0])
                if decided is not None and a is not None and (a[1] or exact):
                    return scalar(decided, e.dtype), a[1]
            if e.op == "select" and args[0] is not None:
                return args[1] if args[0][0] else args[2]
            if e.op in ("min", "max"):
                bound = ops.MONOIDS[e.op].identity(e.dtype)
                for n, a in enumerate(args):
                    if a is not None and a[0] == bound:
                        return args[1 - n]
            if any(a is None for a in args):
                return None
            value = ops.evaluate(e.op, tuple(a[0] for a in args if a), e.dtype)
            return value, any(a[1] for a in args if a)
        case Reduce():
            inner = constant(e.body, decls)
            admits = None if e.where is None else constant(e.where, decls)
            if admits is not None and not admits[0]:
                return scalar(tuples.over_nothing(e), e.dtype), True
            if inner is None:
                return None
            if tuples.has_state(e):
                return tuples.skipped(e, inner[0])
            monoid = ops.MONOIDS[e.monoid]
            everywhere = e.where is None or admits is not None
            if (monoid.idempotent and everywhere) or inner[0] == monoid.identity(e.dtype):
                return inner[0], True
    return None


def fill_of(e: Expr, decls: dict[str, TensorDecl], t: DType) -> Any:
    """The fill to declare for a sparse result of ``e``."""
    found = constant(e, decls)
    return scalar(0 if found is None else found[0], t).item()


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A program of one or two statements."""
    t = draw(st.sampled_from(dtypes.DRAWN))
    maker = Maker(draw, t)
    body: list[Assign] = []
    decls: list[TensorDecl] = []
    for name in ("T", "R") if draw(st.integers(0, 9)) == 9 else ("R",):
        order = draw(st.sampled_from([2, 1, 2, 0, 2, 1, 3, 2, 3, 4]))
        free = FREE[:order]
        maker.left, maker.dim_of = 8, {v: draw(st.sampled_from(DIMS)) for v in free}
        scope = "".join(draw(st.permutations(free)))
        need = scope if draw(st.integers(0, 9)) else ""
        value = maker.expr(draw(st.sampled_from([2, 1, 3, 3])), scope, t, need)
        where = None
        if maker.chance(25):
            bound = "".join(value.indices) if isinstance(value, Reduce) and maker.chance(50) else ""
            if not (bound and admits_infinity(value.monoid, t)):
                where = condition(maker, free + bound)
        fmt = draw(formats(order, result=True))
        known = maker.operands | {d.name: d for d in decls} | _scalars(value)
        fill = fill_of(value, known, t) if not fmt.is_dense else scalar(0, t).item()
        if where is not None:  # outside is any fill
            fill = scalar(maker.pick(0, 0, fill, 1), t).item()
        role = "local" if name == "T" and not maker.chance(30) else "out"  # results may be read by later statements
        made = TensorDecl(name, t, tuple(maker.dim_of[v] for v in free), fmt, fill, role)
        decls.append(made)
        target = Access(name, tuple(Index(v) for v in free), t)
        indices = tuple(IndexDecl(v, d) for v, d in maker.dim_of.items())
        statements = [Assign(target, "=", value, indices, where)]
        if name == "R":
            statements, decls[-1] = updated(draw, maker, statements[0], made)
        body += statements
        maker.reads[name] = made
    values = [e for s in body for e in (s.value, s.where) if e is not None]
    scalars = {n: d for v in values for n, d in _scalars(v).items()}
    operands = (*maker.operands.values(), *scalars.values())
    return tuples.used(Program("fuzz", (*operands, decls[-1], *decls[:-1]), tuple(body)))


def _scalars(e: Expr) -> dict[str, TensorDecl]:
    return {
        n.tensor: TensorDecl(n.tensor, n.dtype, (), dense(0), scalar(0, n.dtype).item(), "in")
        for n in walk(e)
        if isinstance(n, Access) and n.tensor.startswith("s")
    }


# data


@dataclass(frozen=True, slots=True)
class Data:
    """Extents of the dimensions, dense operands, and their patterns."""

    dims: dict[str, int]
    arrays: dict[str, Array]
    stored: dict[str, Array]


@st.composite
def data(draw: st.DrawFn, program: Program) -> Data:
    """Extents and operands for ``program``: full, empty or random patterns, explicit fills among the entries."""
    dims = {d: draw(st.sampled_from(EXTENTS[d in never_empty(program) :])) for d in DIMS}
    if points(program, dims) > 5000:
        dims = {d: min(n, 2) for d, n in dims.items()}
    return make_data(
        program,
        draw(st.integers(0, 2**16)),
        dims,
        {t.name: draw(st.sampled_from([0.3, 0.6, 0.0, 1.0])) for t in program.operands},
        draw(st.booleans()),
    )


def points(program: Program, dims: dict[str, int]) -> int:
    """Points of the largest index space."""
    spaces = [[dims[str(i.extent)] for i in s.indices] for s in program.body if isinstance(s, Assign)]
    return max(int(np.prod(space, dtype=np.int64)) for space in spaces)


def never_empty(program: Program) -> set[str]:
    """Dimensions over which a least or greatest float is taken: empty ones would make infinities."""
    out = targets.never_empty(program)
    for s in program.body:
        assert isinstance(s, Assign)
        extents = {i.name: str(i.extent) for i in s.indices}
        for n in walk(s.value):
            if isinstance(n, Reduce) and n.monoid in ("min", "max", "logsumexp") and n.dtype.is_float:
                out |= {extents[v] for v in n.indices}
    return out


def make_data(program: Program, seed: int, dims: dict[str, int], density: dict[str, float], round_: bool) -> Data:
    """Operands by a seed: small whole numbers where ``round_``, normal ones otherwise."""
    rng = np.random.default_rng(seed)
    arrays, stored = {}, {}
    for t in program.operands:
        shape = tuple(d if isinstance(d, int) else dims[d] for d in t.dims)
        assert t.format is not None
        if t.name.startswith("s"):
            number = rng.integers(1, 4) * (0.5 if t.dtype.kind in "fc" else 1)
            values = np.asarray(dtypes.element(number, t.dtype))
        elif targets.is_places(t):
            values = targets.places(t, dims, shape, rng).astype(t.dtype.np)
        else:
            values = dtypes.values(rng, t.dtype, shape, round_)
        pattern = np.asarray(rng.random(shape) < density[t.name]) & holds(t.format, shape)
        pattern = np.ones(shape, bool) if t.format.is_dense else fitted(t.format, pattern)
        if t.format.symmetric:
            values, pattern = mirror(values), mirror(pattern)
        arrays[t.name] = np.where(pattern, values, dtypes.element(t.fill, t.dtype))
        stored[t.name] = expand(t.format, pattern)
    return Data(dims, arrays, stored)


def expand(fmt: Format, pattern: Array) -> Array:
    """The pattern that a format stores: dense levels beneath others store whole fibres."""
    from tests.support.packing import pack, unpack

    levels, values = pack(fmt, np.ones(pattern.shape), pattern)
    return unpack(fmt, levels, values, pattern.shape, 0)[1]


def with_formats(program: Program, chosen: dict[str, Format]) -> Program:
    """The program with other formats."""
    return replace(program, tensors=tuple(replace(t, format=chosen.get(t.name, t.format)) for t in program.tensors))
