"""Hypothesis strategies: formats with dimension maps (blocks, nested blocks, diagonals), their levels in any order."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import reject
from hypothesis import strategies as st

from sparsec.errors import UnsupportedError
from sparsec.formats.format import DimConst, DimExpr, DimOp, DimVar, Format, LevelSpec
from sparsec.formats.level import Level
from sparsec.formats.named import dim_names
from sparsec.formats.structured import Structured


def over(e: DimExpr, by: int) -> DimExpr:
    return DimOp("/", (e, DimConst(by)))


def rest(e: DimExpr, by: int) -> DimExpr:
    return DimOp("%", (e, DimConst(by)))


@st.composite
def digits(draw: st.DrawFn, d: DimExpr) -> list[DimExpr]:
    """What levels store a dimension: whole, in blocks, or in blocks of blocks."""
    match draw(st.sampled_from(["whole", "blocks", "blocks", "nested"])):
        case "blocks":
            b = draw(st.sampled_from([2, 3, 2, 3, 1]))
            return [over(d, b), rest(d, b)]
        case "nested":
            b, c = draw(st.sampled_from([(2, 2), (3, 2), (2, 3)]))
            return [over(d, b * c), draw(st.sampled_from([over(rest(d, b * c), b), rest(over(d, b), c)])), rest(d, b)]
    return [d]


def level_of(c: DimExpr, levels: Sequence[Level]) -> st.SearchStrategy[Level]:
    """A type for a level that stores ``c``: what stores the place within groups may be of groups, all of which fits."""
    match c:
        case DimOp("%", (_, DimConst(m))) if m > 1:
            return st.sampled_from([*levels, *(Structured(m, m),) * 3])
    return st.sampled_from(levels)


@st.composite
def mapped_formats(draw: st.DrawFn, order: int, levels: Sequence[Level]) -> Format:
    """A format whose map divides dimensions into blocks or adds and subtracts them; level types out of ``levels``."""
    names = dim_names(order)
    dims: list[DimExpr] = [DimVar(n) for n in names]
    parts = [draw(digits(d)) for d in dims]
    if order >= 2 and draw(st.booleans()):
        kept, replaced = draw(st.permutations(range(order)))[:2]
        a, b = parts[kept][0], parts[replaced][0]
        parts[replaced][0] = draw(st.sampled_from([DimOp("-", (b, a)), DimOp("-", (a, b)), DimOp("+", (a, b))]))
    # In any order, but outer digits before inner ones.
    turns = draw(st.permutations([n for n, part in enumerate(parts) for _ in part]))
    left = [iter(part) for part in parts]
    coords = [next(left[n]) for n in turns]
    made = Format(names, tuple(LevelSpec(c, draw(level_of(c, levels))) for c in coords)).check()
    try:
        made.require_runnable()
    except UnsupportedError:
        reject()
    return made


__all__ = ["mapped_formats"]
