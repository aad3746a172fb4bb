"""Tiles as loops, for backends that have none.

The index along which the store is contiguous becomes the innermost loop and is marked ``vector<W>`` where it can run in
vectors (W: a power of two, at most ``BYTES`` of elements); the other loops keep their order.  Without such an index the
innermost loop is marked "unroll".

Before::

    tile i < 4, j < 8, k < 16 {
      let at: i64 = add(mul(i, 8:i64), j)
      c[at] = radd(c[at], mul(a[add(mul(i, 16:i64), k)], b[add(mul(k, 8:i64), j)]))
    }

After::

    for i in 0:i64 .. 4:i64 {
      for k in 0:i64 .. 16:i64 {
        for j in 0:i64 .. 8:i64 mark vector<8> { ... }
      }
    }
"""

from __future__ import annotations

from sparsec.errors import ScheduleError
from sparsec.ir.buffer import Block, For, Module, Store, Tile, Var, Vec, i64
from sparsec.ir.rewrite import postwalk, walk
from sparsec.passes.names import fresh_names
from sparsec.passes.vector_body import VectorBody

BYTES = 64


def expand_tiles(module: Module) -> Module:
    """Replace every ``Tile`` by nested ``For`` loops; the rest of the module stays as it is."""
    return postwalk(module, lambda n: _expand(n) if isinstance(n, Tile) else None)


def _expand(tile: Tile) -> For:
    pairs = list(zip(tile.vars, tile.extents, strict=True))
    chosen = next((found for pair in reversed(pairs) if (found := _vector(tile, *pair)) is not None), None)
    if chosen is None:
        (var, extent), outer, mark = pairs[-1], pairs[:-1], "unroll"
    else:
        var, extent, mark = chosen
        outer = [p for p in pairs if p[0] != var]
    loop = For(var, i64(0), i64(extent), tile.body, 1, mark)
    for var, extent in reversed(outer):
        loop = For(var, i64(0), i64(extent), Block((loop,)))
    return loop


def _vector(tile: Tile, var: Var, extent: int) -> tuple[Var, int, str] | None:
    """The loop over ``var`` and its mark, if it can run in vectors and stores are contiguous along it."""
    stores = [n for n in walk(tile.body) if isinstance(n, Store)]
    if not stores or any(isinstance(n, For) and n.mark for n in walk(tile.body)):
        return None
    lanes = min(BYTES // max(s.buffer.dtype.nbytes for s in stores), 1 << extent.bit_length() - 1)
    if lanes < 2:
        return None
    loop = For(var, i64(0), i64(extent), tile.body, 1, f"vector<{lanes}>")
    try:
        body = VectorBody(loop, lanes, fresh_names(set()))
    except ScheduleError:
        return None
    written = [n for n in walk(body.block) if isinstance(n, Store)]
    if body.accumulators or any(isinstance(s.index.type, Vec) for s in written):
        return None
    return var, extent, loop.mark


__all__ = ["expand_tiles"]
