"""A tensor for notebooks: what it is, and a small picture of its pattern as inline SVG."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from sparsec.spy import Side, bins

CELLS = 48
"""Of the longer side, at most."""
PIXELS = 144
"""Of the longer side."""
MOST = 4_000_000
"""Of more entries every so-manieth is drawn."""
SHADES = ("#b9cdea", "#5f93d6", "#2f5bb0", "#1b2a49")


def html(facts: list[tuple[str, str]], coords: np.ndarray | None, shape: tuple[int, ...]) -> str:
    """A table of ``facts``, and beside it the pattern of the last two dimensions, if ``coords`` are given."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in facts
    )
    table = f"<table>{rows}</table>"
    if coords is None or not shape:
        return table
    image = picture(coords, shape)
    return f'<div style="display:flex;align-items:center;gap:1.5em">{table}{image}</div>'


def picture(coords: np.ndarray, shape: tuple[int, ...]) -> str:
    """The entries at ``coords`` as an SVG element: darker where more fall into a cell, leading dimensions on top of
    each other; a vector is a row.
    """
    if len(shape) == 1:
        coords, shape = np.stack([np.zeros_like(coords[0]), coords[0]]), (1, *shape)
    coords, (height, width) = coords[-2:, :: max(1, coords.shape[1] // MOST)], shape[-2:]
    each = max(1, -(-max(height, width) // CELLS))
    down, across = (Side(max(1, -(-n // each)), each, 1) for n in (height, width))
    counts = bins(coords, down, across) if coords.shape[1] else np.zeros((down.cells, across.cells), np.int64)
    scale = PIXELS / max(down.cells, across.cells)
    paths = "".join(
        f'<path fill="{colour}" d="{_cells(shade == n)}"/>'
        for shade in [_shades(counts)]
        for n, colour in enumerate(SHADES)
        if (shade == n).any()
    )
    box = f"0 0 {across.cells} {down.cells}"
    size = f'width="{across.cells * scale:.0f}" height="{max(down.cells * scale, 4):.0f}"'
    frame = 'style="border:1px solid #1b2a49;background:#fff" preserveAspectRatio="none" shape-rendering="crispEdges"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" {size} {frame}>{paths}</svg>'


def _shades(counts: np.ndarray) -> np.ndarray:
    """The number of each cell's shade, on a logarithmic scale; -1 where there is nothing."""
    most = int(counts.max(initial=0))
    if most <= 1:
        return np.where(counts > 0, len(SHADES) - 1, -1)
    with np.errstate(divide="ignore"):
        place = np.log(counts) / np.log(most) * (len(SHADES) - 1)
    return np.where(counts > 0, np.round(np.maximum(place, 0)), -1).astype(np.int64)


def _cells(chosen: np.ndarray) -> str:
    """A path around cells, those side by side as one."""
    out: list[str] = []
    for y, row in enumerate(chosen):
        edges: Any = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
        out += [f"M{a} {y}h{b - a}v1h-{b - a}z" for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return "".join(out)


__all__ = ["html", "picture"]
