"""Levels that hold a stretch of coordinates: where their places stand, what fits in them, formats that have some."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.formats.format import DimVar, Format, LevelSpec
from sparsec.formats.level import Level, make_level
from sparsec.formats.named import dim_names

Array = np.ndarray[Any, np.dtype[Any]]
Node = tuple[int, ...] | None


def limits(fmt: Format, n: int, above: tuple[int, ...], extent: int) -> tuple[int, int]:
    """The bounds of level ``n`` as they are written, beneath the coordinates ``above``."""
    found = re.fullmatch(r"range\[(.*), (.*)\]", str(fmt.levels[n].type))
    if found is None:
        return 0, extent

    def value(text: str) -> int:
        if text == "inf":
            return extent
        for spec, c in sorted(zip(fmt.levels, above, strict=False), key=lambda pair: -len(str(pair[0].coord))):
            text = re.sub(rf"(?<!\w){re.escape(str(spec.coord))}(?![\w/%])", f"({c})", text)
        return int(eval(text))

    return value(found[1]), value(found[2])


def places(fmt: Format, n: int, nodes: list[Node], extent: int) -> list[Node]:
    """The places of level ``n``: as many beneath each parent where the bounds are so, else those inside the shape."""
    wide = width(fmt, n, extent)
    out: list[Node] = []
    for node in nodes:
        if node is None:
            assert wide is not None, "a packed level stands beneath dense ones"
            out += [None] * wide
            continue
        lo, hi = limits(fmt, n, node, extent)
        if wide is None:
            out += [(*node, c) for c in range(max(lo, 0), min(hi, extent))]
        else:
            out += [(*node, c) if 0 <= c < extent else None for c in range(lo, lo + wide)]
    return out


def width(fmt: Format, n: int, extent: int) -> int | None:
    """The places beneath each parent, if all have as many."""
    points = [tuple(range(c, c + n)) for c in (0, 50, 90)]
    spans = {b - a for a, b in (limits(fmt, n, point, extent) for point in points)}
    return max(0, *spans) if len(spans) == 1 else None


def holds(fmt: Format, shape: tuple[int, ...]) -> Array:
    """Where a tensor of this format may have entries."""
    out = np.ones(shape, bool)
    if any(spec.type.name == "range" for spec in fmt.levels):
        for point in np.ndindex(*shape):
            at = tuple(int(c.of(point, shape)) for c in fmt.coords)
            for n, spec in enumerate(fmt.levels):
                if spec.type.name == "range":
                    lo, hi = limits(fmt, n, at[:n], fmt.level_shape(shape)[n])
                    out[point] &= lo <= at[n] < hi
    return out


def mirror(a: Array) -> Array:
    """The symmetric matrices with the lower halves of ``a``."""
    i, j = np.ogrid[: a.shape[-2], : a.shape[-1]]
    return np.where(i >= j, a, a.swapaxes(-1, -2))


def lower(shape: tuple[int, ...]) -> Array:
    """Where matrices have their lower halves."""
    i, j = np.ogrid[: shape[-2], : shape[-1]]
    return np.broadcast_to(i >= j, shape)


@st.composite
def window_formats(draw: st.DrawFn, order: int, wide: bool = False) -> Format:
    """A format one of whose levels holds a stretch; ``wide``: one that holds everything, and can be assembled."""
    dims = dim_names(order)
    turned = draw(st.permutations(dims))
    at = order - 1 if wide else draw(st.integers(1, order - 1))
    kinds: list[Level] = [draw(st.sampled_from([Dense(), Dense(), Compressed()])) for _ in range(order)]
    below, above = (9, 9) if wide else draw(st.sampled_from([(1, 1), (0, 0), (2, 0), (0, 1), (-1, 2)]))
    outer = turned[draw(st.integers(0, at - 1))]
    bounds = [(f"{outer}-{below}", f"{outer}+{above + 1}")]
    if not wide:
        bounds += [("1", "3"), (f"2-{outer}", f"4-{outer}")]
    if all(kind.full for kind in kinds[:at]):
        last = turned[at - 1]
        bounds += [("0", f"{last}+{above + 1}"), (f"{last}-{below}", "inf"), ("0", f"{max(above, 3) + 6}-{last}")]
    lo, hi = draw(st.sampled_from(bounds))
    kinds[at] = make_level("range", (lo.replace("--", "+"), hi))
    return Format(dims, tuple(LevelSpec(DimVar(d), kind) for d, kind in zip(turned, kinds, strict=True))).check()
