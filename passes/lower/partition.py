"""A sort of long lists in parallel: dealt out by their highest digit, then every heap sorted by itself, in the caches.

The list is read in parts, each with counters of its own, so that equal keys stay in order.  (Kim et al., FAST: fast
architecture sensitive tree search and sorting; Wassenberg and Sanders, Engineering a multi-core radix sort, Euro-Par
2011, whose heaps are these.)
"""

from __future__ import annotations

from collections.abc import Callable

from sparsec.ir.buffer import (
    Alloc,
    Block,
    Buffer,
    BufferParam,
    Call,
    Const,
    Expr,
    Function,
    Module,
    ParallelFor,
    ScalarParam,
    Var,
    i64,
)
from sparsec.ir.build import Builder, add, load, lt, mul, op, sub
from sparsec.ir.dtypes import I64
from sparsec.passes.lower.sorting import bit_length, sort_function

PARTS = 8
"""Parts in which the list is read."""

DIGIT = 11
"""Bits by which keys are dealt out, at most."""

HEAP = 12
"""The logarithm of the length that heaps have on average, if ``DIGIT`` bits make so many: it fits in the caches."""


def sort_module() -> Module:
    """``entry(keys, values, count, bits)``: sort i64 keys below ``2**bits``, and values alike, stably, in parallel."""
    b = Builder()
    keys, values = Buffer(b.fresh("keys"), I64), Buffer(b.fresh("values"), I64)
    count, bits = Var(b.fresh("count"), I64), Var(b.fresh("bits"), I64)
    wanted = op("min", i64(DIGIT), op("min", bits, sub(bit_length(b, count), HEAP)))
    width = b.let("width", wanted)
    with b.collect() as short:
        b.emit(Call("sort", (keys, values, i64(0), count, i64(0), bits)))
    with b.collect() as long:
        _deal_out(b, keys, values, count, bits, width)
    b.if_else(lt(width, i64(1)), short, long)
    params = BufferParam(keys, "out"), BufferParam(values, "out"), ScalarParam(count), ScalarParam(bits)
    return Module((Function("sort_all", params, b.block()), sort_function("sort", I64)))


def _deal_out(b: Builder, keys: Buffer, values: Buffer, count: Expr, bits: Expr, width: Expr) -> None:
    heaps = b.let("heaps", op("shl", i64(1), width))
    shift = b.let("shift", sub(bits, width))
    share = b.let("share", op("floordiv", add(count, PARTS - 1), i64(PARTS)))
    counters = b.alloc("counters", I64, mul(heaps, PARTS))
    b.emit(Alloc(starts := Buffer(b.fresh("starts"), I64), add(heaps, 1), Const(0, I64)))

    def part(number: Expr, visit: Callable[[Expr, Expr, Expr], None]) -> None:
        """Visit every key of a part, with the counter of its heap."""
        end = b.let("end", op("min", count, mul(add(number, 1), share)))
        with b.loop("p", mul(number, share), end) as p:
            key = b.let("key", load(keys, p))
            visit(p, key, b.let("counter", add(mul(number, heaps), op("shr", key, shift))))

    def count_one(p: Expr, key: Expr, counter: Expr) -> None:
        b.store(counters, counter, add(load(counters, counter), 1))

    def count_part(number: Expr) -> None:
        with b.loop("d", i64(0), heaps) as d:
            b.store(counters, add(mul(number, heaps), d), i64(0))
        part(number, count_one)

    _in_parallel(b, "part", i64(PARTS), count_part)
    total = b.var("total", i64(0))
    with b.loop("d", i64(0), heaps) as d:
        b.store(starts, d, total)
        with b.loop("part", i64(0), i64(PARTS)) as number:
            counter = b.let("counter", add(mul(number, heaps), d))
            here = b.let("here", load(counters, counter))
            b.store(counters, counter, total)
            b.set(total, add(total, here))
    b.store(starts, heaps, total)
    keys2, values2 = b.alloc("keys2", I64, count), b.alloc("values2", I64, count)

    def move(p: Expr, key: Expr, counter: Expr) -> None:
        to = b.let("to", load(counters, counter))
        b.store(counters, counter, add(to, 1))
        b.store(keys2, to, key)
        b.store(values2, to, load(values, p))

    _in_parallel(b, "part", i64(PARTS), lambda number: part(number, move))

    def heap(d: Expr) -> None:
        first, end = b.let("first", load(starts, d)), b.let("end", load(starts, add(d, 1)))
        b.emit(Call("sort", (keys2, values2, first, sub(end, first), i64(0), shift)))
        with b.loop("p", first, end) as p:
            b.store(keys, p, load(keys2, p))
            b.store(values, p, load(values2, p))

    _in_parallel(b, "heap", heaps, heap)


def _in_parallel(b: Builder, hint: str, count: Expr, body: Callable[[Expr], None]) -> None:
    """``body`` for ``0..count``, each handed out by itself."""
    var = Var(b.fresh(hint), I64)
    with b.collect() as stmts:
        body(var)
    b.emit(ParallelFor(var, i64(0), count, i64(1), Block(()), Block(tuple(stmts))))


__all__ = ["sort_module"]
