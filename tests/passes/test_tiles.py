"""Tiles become loops: the text before and after, and the same results."""

import numpy as np
import pytest

from sparsec.ir.buffer import Tile
from sparsec.ir.buffer_interp import run
from sparsec.ir.buffer_text import parse_module, print_module
from sparsec.ir.buffer_verify import verify
from sparsec.ir.rewrite import walk
from sparsec.passes.tiles import expand_tiles
from sparsec.passes.vectorize import vectorize

CONTRACTION = (
    "c[add(mul(i, 8:i64), j)] = radd(c[add(mul(i, 8:i64), j)], mul(a[add(mul(i, 6:i64), k)], b[add(mul(k, 8:i64), j)]))"
)

CASES = {
    "the contiguous index goes in": (
        f"tile i < 4, j < 8, k < 6 {{ {CONTRACTION} }}",
        ["for i in 0:i64 .. 4:i64 {", "for k in 0:i64 .. 6:i64 {", "for j in 0:i64 .. 8:i64 mark vector<8> {"],
    ),
    "the width is a power of two": (
        "tile i < 12 { c[i] = a[i] }",
        ["for i in 0:i64 .. 12:i64 mark vector<8> {"],
    ),
    "no store along an index": (
        "tile i < 3, j < 2 { c[0:i64] = radd(c[0:i64], a[add(mul(i, 2:i64), j)]) }",
        ["for i in 0:i64 .. 3:i64 {", "for j in 0:i64 .. 2:i64 mark unroll {"],
    ),
    "strided only": (
        "tile i < 3, j < 2 { c[add(mul(i, 8:i64), mul(j, 2:i64))] = 1.0:f64 }",
        ["for i in 0:i64 .. 3:i64 {", "for j in 0:i64 .. 2:i64 mark unroll {"],
    ),
    "extent one": ("tile i < 1 { c[i] = a[i] }", ["for i in 0:i64 .. 1:i64 mark unroll {"]),
    "nested": (
        "tile i < 2 { tile j < 8 { c[add(mul(i, 8:i64), j)] = a[j] } }",
        ["for i in 0:i64 .. 2:i64 mark unroll {", "for j in 0:i64 .. 8:i64 mark vector<8> {"],
    ),
    "locals and branches": (
        "tile i < 8 { let v: f64 = a[i] if lt(v, 0.0:f64) { c[i] = neg(v) } else { c[i] = v } }",
        ["for i in 0:i64 .. 8:i64 mark vector<8> {"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_tiles(name: str) -> None:
    body, heads = CASES[name]
    before = parse_module(f"func f(in a: f64*, in b: f64*, out c: f64*) {{ {body} }}")
    verify(before)
    after = expand_tiles(before)
    verify(after)
    assert not any(isinstance(n, Tile) for n in walk(after))
    assert [line.strip() for line in print_module(after).splitlines() if " for " in line] == heads
    rng = np.random.default_rng(1)
    a, b, c = rng.normal(size=(3, 64))
    results = []
    for m in (before, after, vectorize(after)):
        verify(m)
        out = c.copy()
        run(m, {"a": a, "b": b, "c": out})
        results.append(out)
    for got in results[1:]:
        np.testing.assert_allclose(got, results[0], rtol=1e-12)


def test_nothing_to_do() -> None:
    m = parse_module("func f(n: i64) { for i in 0:i64 .. n { } }")
    assert expand_tiles(m) is m
