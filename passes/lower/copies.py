"""The formats of the tensors that the planner makes itself: copies in another order, sparse temporaries."""

from __future__ import annotations

import numpy as np

from sparsec.formats.compressed import Compressed
from sparsec.formats.format import Format
from sparsec.formats.level import CanAppend, CanIterate, CanWindow, Level
from sparsec.formats.named import from_levels, named_format
from sparsec.ir.dtypes import I32, I64, DType
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Expr, Index, Program
from sparsec.passes.lower.cost import level_kinds


def widest(program: Program) -> DType:
    """i32, or i64 where a level of the program counts in more: extents and entries may then be past 2**31."""
    formats = [t.format for t in program.tensors if t.format is not None]
    arrays = [a for fmt in formats for spec in fmt.levels for a in spec.type.arrays().values()]
    return I32 if all(np.iinfo(a.np).max <= np.iinfo(np.int32).max for a in arrays) else I64


def reordered(fmt: Format, order: tuple[int, ...], width: DType) -> Format:
    """A format like ``fmt`` whose levels store the dimensions in ``order``; new levels count in ``width``."""
    kinds = [k if k.full or copyable(k) else Compressed() for k in level_kinds(fmt)]
    below = False
    for k in kinds:
        if k.full and below:
            kinds = [Compressed()] * len(kinds)
            break
        below = below or not k.full
    return from_levels(None, tuple(kinds), order).concrete(width, width)


def must_count(level: Level) -> bool:
    """Whether a result's level says where an entry goes, but not before it knows all of its parents."""
    return isinstance(level, CanAppend) and (level.counted or packed(level))


def packed(level: Level) -> bool:
    """Whether a level has a place for every coordinate that it may hold, and a number of them that varies."""
    return isinstance(level, CanWindow) and not level.spread


def copyable(level: Level) -> bool:
    """Whether a level can hold any pattern, in order and without gaps: what a copy is made in."""
    plain = isinstance(level, CanAppend) and isinstance(level, CanIterate)
    return plain and level.searchable and level.compact and level.room is None and not level.prefix


def sparse_format(program: Program, names: list[str], value: Expr) -> Format:
    """The format of a sparse temporary for ``value`` over ``names``, its indices as wide as any of the program's.

    It is csr for a matrix whose rows some operand stores all of, so that they are paid for; else compressed.
    """
    paid = set()
    for a in walk(value):
        if isinstance(a, Access):
            fmt = program.tensor(a.tensor).format
            assert fmt is not None
            for c, spec in zip(fmt.coords, fmt.levels, strict=True):
                e = a.indices[c.digit.dim] if c.digit is not None and c.digit.whole else None
                if isinstance(e, Index) and spec.type.full:
                    paid.add(e.name)
    kind = "csr" if len(names) == 2 and names[0] in paid else "sparse"
    width = widest(program)
    return named_format(kind, len(names)).concrete(width, width)


__all__ = ["copyable", "must_count", "packed", "reordered", "sparse_format", "widest"]
