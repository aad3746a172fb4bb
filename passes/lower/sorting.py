"""List workspaces: coordinates packed into one 64-bit key, sorted by a stable radix sort, folded while reading.

Each dimension takes as many bits of the key as its extent needs, the first dimension the highest, so that the order
of keys, as numbers without a sign, is the order of coordinates.  Dimensions at the end that the producer already visits
in order need no sorting: the sort is stable (a transpose sorts by its new rows alone).
"""

from __future__ import annotations

from typing import ClassVar

from sparsec.formats.coords import plain
from sparsec.formats.level import CanIterate, Level, LevelView
from sparsec.ir.buffer import (
    Abort,
    Alloc,
    Block,
    Buffer,
    BufferParam,
    Call,
    Expr,
    Function,
    Grow,
    If,
    Origin,
    ScalarParam,
    Var,
    i64,
)
from sparsec.ir.build import Builder, add, cast, load, lt, op, sub
from sparsec.ir.dtypes import I64, U64, DType
from sparsec.ir.loops import Workspace
from sparsec.ir.node import node
from sparsec.ir.tensor import Access, TensorDecl
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.context import Context, Env, Storage

DIGIT = 11
"""Bits sorted in one pass, at most: 2,048 counters stay in the first-level cache.  Short lists take fewer."""

SMALL = 48
"""Lists up to this length are sorted by insertion."""


@node
class Packed(Level, CanIterate):
    """One dimension of sorted keys; coordinates may repeat, also in the last one (they are folded when read)."""

    first: bool = False
    name: ClassVar[str] = "packed"

    @property
    def unique(self) -> bool:
        return False

    @property
    def branchless(self) -> bool:
        return not self.first

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        return (i64(0), v.scalars["count"]) if self.first else (lo, hi)

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        key = load(v.arrays["keys"], pos)
        return op("bitand", op("shr", key, v.scalars["shift"]), v.scalars["mask"])


class ListWork:
    """Entries appended in any order; ``sort`` makes them readable as a storage."""

    sparse = True

    def __init__(self, ctx: Context, w: Workspace, sorted_tail: int) -> None:
        b = ctx.b
        self.w = w
        self.sorted_tail = sorted_tail
        self.keys = Buffer(b.fresh(f"{w.name}_keys"), I64, Origin(w.name, 0, "keys"))
        self.values = Buffer(b.fresh(w.name), w.dtype, Origin(w.name, -1, "workspace"))
        self.shifts: list[Expr] = []
        self.masks: list[Expr] = []

        def setup() -> None:
            total: Expr = i64(0)
            for x in reversed(w.indices):
                last = sub(op("max", ctx.domain_size(x.domain), i64(1)), 1)
                width = b.let("bits", bit_length(b, last))
                self.shifts.insert(0, total)
                self.masks.insert(0, b.let("mask", sub(op("shl", i64(1), width), 1)))
                total = b.let("shift", add(total, width))
            b.emit(If(lt(i64(64), total), Block((Abort("packed"),))))
            self.bits = total
            b.emit(Alloc(self.keys, i64(0)))
            b.emit(Alloc(self.values, i64(0)))
            self.keys_room = b.var(f"{w.name}_keys_cap", i64(0))
            self.values_room = b.var(f"{w.name}_cap", i64(0))

        ctx.allocate(setup)
        self.count = b.var(f"{w.name}_count", i64(0))

    def read(self, ctx: Context, access: Access, env: Env) -> Expr:
        raise AssertionError("a list is read as a storage")

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        b = ctx.b
        v = ctx.expr(value, env)
        key = self.key(ctx, access, env)
        needed = b.let("needed", add(self.count, 1))
        with b.if_(lt(self.keys_room, needed)):
            b.emit(Grow(self.keys, self.keys_room, needed))
            b.emit(Grow(self.values, self.values_room, needed))
        b.store(self.keys, self.count, key)
        b.store(self.values, self.count, v)
        b.set(self.count, needed)

    def key(self, ctx: Context, access: Access, env: Env) -> Expr:
        """The coordinates of a place, packed."""
        key: Expr = i64(0)
        for e, shift in zip(access.indices, self.shifts, strict=True):
            key = op("bitor", key, op("shl", ctx.expr(e, env), shift))
        return key

    def sort(self, ctx: Context) -> None:
        """Sort, and register the list as a storage under the workspace's name."""
        helper = f"sort_{self.w.dtype}"
        if helper not in ctx.helpers:
            ctx.helpers[helper] = sort_function(helper, self.w.dtype)
        # Dimensions that arrive in order form the low bits, which need no pass.
        rank = len(self.w.indices)
        first_bit = self.shifts[rank - self.sorted_tail - 1] if self.sorted_tail < rank else self.bits
        ctx.b.emit(Call(helper, (self.keys, self.values, i64(0), self.count, first_bit, self.bits)))
        views = []
        for n, (x, shift, mask) in enumerate(zip(self.w.indices, self.shifts, self.masks, strict=True)):
            view = LevelView(self.w.name, n, ctx.domain_size(x.domain))
            view.arrays["keys"] = self.keys
            view.scalars.update(shift=shift, mask=mask, count=self.count)
            views.append(view)
        levels = tuple(Packed(first=n == 0) for n in range(rank))
        decl = TensorDecl(self.w.name, self.w.dtype, (0,) * rank, None, self.w.init, "local")
        order = plain(range(rank))
        ctx.storages[self.w.name] = Storage(decl, levels, order, tuple(views), self.values, self.w.monoid)


def precedes(key: Expr, other: Expr) -> Expr:
    """Whether a key comes before another: the highest of its 64 bits is no sign."""
    return lt(cast(key, U64), cast(other, U64))


def bit_length(b: Builder, value: Expr) -> Expr:
    """Number of bits of a non-negative i64."""
    n = b.var("n", i64(0))
    with b.while_(op("ne", op("shr", value, n), i64(0))):
        b.set(n, add(n, 1))
    return n


def sort_function(name: str, dtype: DType) -> Function:
    """``name(keys, values, start, count, first_bit, bits)``: sort both by bits ``first_bit..bits`` of the keys, stably.

    ``count`` elements from ``start`` on, least significant digit first; a pass whose digit is the same everywhere is
    left out; short lists by insertion.
    """
    b = Builder()
    keys, values = Buffer(b.fresh("keys"), I64), Buffer(b.fresh("values"), dtype)
    start, count, first, bits = (Var(b.fresh(n), I64) for n in ("start", "count", "first_bit", "bits"))
    with b.collect() as small:
        _insertion(b, keys, values, start, add(start, count), first)
    with b.collect() as large:
        _radix(b, keys, values, start, count, first, bits)
    with b.if_(lt(first, bits)):
        b.if_else(op("le", count, i64(SMALL)), small, large)
    params = (
        BufferParam(keys, "out"),
        BufferParam(values, "out"),
        ScalarParam(start),
        ScalarParam(count),
        ScalarParam(first),
        ScalarParam(bits),
    )
    return Function(name, params, b.block())


def _insertion(b: Builder, keys: Buffer, values: Buffer, start: Expr, end: Expr, first: Expr) -> None:
    with b.loop("i", add(start, 1), end) as i:
        key = b.let("key", load(keys, i))
        value = b.let("value", load(values, i))
        high = b.let("high", op("shr", key, first))
        j = b.var("j", i)
        more = b.var("more", precedes(high, op("shr", load(keys, sub(i, 1)), first)))
        with b.while_(more):
            b.store(keys, j, load(keys, sub(j, 1)))
            b.store(values, j, load(values, sub(j, 1)))
            b.set(j, sub(j, 1))
            b.set(more, lt(start, j))
            with b.if_(more):
                b.set(more, precedes(high, op("shr", load(keys, sub(j, 1)), first)))
        b.store(keys, j, key)
        b.store(values, j, value)


def _radix(b: Builder, keys: Buffer, values: Buffer, start: Expr, count: Expr, first: Expr, bits: Expr) -> None:
    end = b.let("end", add(start, count))
    keys2 = b.alloc("keys2", I64, count)
    values2 = b.alloc("values2", values.dtype, count)
    width = b.let("width", op("max", i64(6), op("min", i64(DIGIT), sub(bit_length(b, count), 1))))
    digits = b.let("digits", op("shl", i64(1), width))
    starts = b.alloc("starts", I64, digits)
    shift = b.var("shift", first)

    def digit_of(key: Expr) -> Expr:
        return b.let("digit", op("bitand", op("shr", key, shift), sub(digits, 1)))

    with b.while_(lt(shift, bits), note="radix pass"):
        # The last digit may reach past ``bits``: the bits there are zero.
        with b.loop("d", i64(0), digits) as d:
            b.store(starts, d, i64(0))
        with b.loop("p", start, end) as p:
            digit = digit_of(load(keys, p))
            b.store(starts, digit, add(load(starts, digit), 1))
        head = load(starts, digit_of(load(keys, start)))
        with b.if_(lt(head, count)):
            total = b.var("total", i64(0))
            with b.loop("d", i64(0), digits) as d:
                here = b.let("here", load(starts, d))
                b.store(starts, d, total)
                b.set(total, add(total, here))
            with b.loop("p", start, end) as p:
                key = b.let("key", load(keys, p))
                digit = digit_of(key)
                to = b.let("to", load(starts, digit))
                b.store(starts, digit, add(to, 1))
                b.store(keys2, to, key)
                b.store(values2, to, load(values, p))
            with b.loop("p", i64(0), count) as p:
                b.store(keys, add(start, p), load(keys2, p))
                b.store(values, add(start, p), load(values2, p))
        b.set(shift, add(shift, width))
