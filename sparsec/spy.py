"""Pictures of matrices: where the entries lie, and how densely.

A matrix with more rows or columns than the picture has pixels is binned; the colour of a cell then says how many
entries fall into it, on a logarithmic scale.  Nothing is made dense but the picture.  Needs matplotlib
(``pip install 'sparsec[plot]'``), which is imported when the first picture is drawn.

Every cell stands for the same number of rows and columns and is a whole number of pixels wide: otherwise regular
patterns would show stripes that are not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsec.errors import FileError, ShapeError, UnsupportedError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[Any]]

DPI = 144
PIXELS = 864
"""Of the longer side, at most."""
LEAST = PIXELS // 6
"""Of the shorter side: a thin matrix is drawn wider than it is, so that it can be seen."""
INK = "#1b2a49"
BLUES = ("#b9cdea", "#5f93d6", "#2f5bb0", INK)
REDS = ("#e4572e", "#ffc15e")
"""On top of the blues where more than a hundred entries meet in a cell."""

# Inches around the picture of the matrix.
LEFT, RIGHT, TOP, BOTTOM = 0.95, 0.35, 0.75, 0.65
BAR = 0.14
BESIDE, BENEATH = 0.95, 0.75
NARROWEST = 4.2
"""Inches that a title needs."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the picture: ``cells`` of ``each`` rows (or columns) and ``scale`` pixels."""

    cells: int
    each: int
    scale: int

    @property
    def span(self) -> int:
        """Rows or columns that the side covers: the last cell may reach past the matrix."""
        return self.cells * self.each

    @property
    def inches(self) -> float:
        return self.cells * self.scale / DPI


def save(path: str | Path, coords: Array, shape: tuple[int, ...], *, title: str = "") -> Path:
    """Draw the entries at ``coords`` (2, nnz) of a matrix into the file ``path``, whose suffix names its type.

    Raises ``ShapeError`` for tensors that are no matrices, ``UnsupportedError`` without matplotlib, ``FileError`` where
    the file cannot be written.
    """
    if len(shape) != 2:
        raise ShapeError(f"a picture shows a matrix; this tensor has order {len(shape)}")
    try:
        import matplotlib
    except ImportError:
        raise UnsupportedError("pictures need matplotlib", hint="pip install 'sparsec[plot]'") from None
    matplotlib.use("Agg")
    path = Path(path)
    try:
        draw(coords, (shape[0], shape[1]), title).savefig(path, dpi=DPI, facecolor="white")
    except (OSError, ValueError) as problem:  # ValueError: a suffix that matplotlib does not write
        raise FileError(f"cannot write the picture {path}: {problem}") from None
    return path


def sides(shape: tuple[int, int]) -> tuple[Side, Side]:
    """How rows and columns are laid out."""
    longest = max(1, *shape)
    return _side(shape[0], longest), _side(shape[1], longest)


def _side(extent: int, longest: int) -> Side:
    pixels = max(LEAST, round(PIXELS * extent / longest))
    each = max(1, -(-extent // pixels))
    cells = max(1, -(-extent // each))
    return Side(cells, each, max(1, pixels // cells))


def bins(coords: Array, rows: Side, columns: Side) -> Array:
    """Entries in each cell."""
    flat = (coords[0] // rows.each) * columns.cells + coords[1] // columns.each
    return np.bincount(flat, minlength=rows.cells * columns.cells).reshape(rows.cells, columns.cells)


def draw(coords: Array, shape: tuple[int, int], title: str) -> Figure:
    """The figure: the matrix in exact pixels, its title above, the scale of colours beside or beneath."""
    from matplotlib.figure import Figure

    rows, columns = sides(shape)
    nnz = coords.shape[1]
    cells = bins(coords, rows, columns) if nnz and min(shape) else np.zeros((1, 1), np.int64)
    bar = int(cells.max()) > 1
    beside = rows.inches >= 2.5
    right = RIGHT + (BESIDE if bar and beside else 0)
    bottom = BOTTOM + (BENEATH if bar and not beside else 0)
    width = max(NARROWEST, LEFT + columns.inches + right)
    height = TOP + rows.inches + bottom
    left = LEFT + (width - LEFT - columns.inches - right) / 2
    figure = Figure(figsize=(width, height))

    def place(x: float, y: float, w: float, h: float) -> Axes:
        return figure.add_axes((x / width, y / height, w / width, h / height))

    axes = place(left, bottom, columns.inches, rows.inches)
    _decorate(axes, shape, rows, columns)
    size = f"{shape[0]:,} x {shape[1]:,}, {nnz:,} {'entry' if nnz == 1 else 'entries'}"
    middle = (left + columns.inches / 2) / width
    heading = f"{title}\n{size}".strip().replace("$", r"\$")  # a dollar would begin a formula
    figure.text(middle, 1 - 0.12 / height, heading, ha="center", va="top", fontsize=11, color=INK)
    if not cells.any():
        axes.text(0.5, 0.5, "no entries", transform=axes.transAxes, ha="center", va="center", color=INK, fontsize=10)
        return figure
    picture = _paint(axes, cells, rows, columns)
    if bar:
        length = columns.inches * 0.6
        bar_axes = (
            place(left + columns.inches + 0.2, bottom, BAR, rows.inches)
            if beside
            else place(left + (columns.inches - length) / 2, 0.5, length, BAR)
        )
        _scale(figure, picture, bar_axes, beside, f"entries in {rows.each:,} x {columns.each:,} places")
    return figure


def _paint(axes: Axes, cells: Array, rows: Side, columns: Side) -> Any:
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap, LogNorm

    most = int(cells.max())
    inks = BLUES + REDS if most > 100 else BLUES
    colours = LinearSegmentedColormap.from_list("entries", inks) if most > 1 else ListedColormap([INK])
    return axes.imshow(
        np.ma.masked_equal(cells, 0),
        cmap=colours,
        norm=LogNorm(vmin=1, vmax=max(2, most)),
        extent=(0.0, float(columns.span), float(rows.span), 0.0),
        aspect="auto",
        interpolation="nearest",
    )


def _decorate(axes: Axes, shape: tuple[int, int], rows: Side, columns: Side) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(0, columns.span)
    axes.set_ylim(rows.span, 0)
    axes.set_xlabel("column", fontsize=9, color=INK)
    axes.set_ylabel("row", fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=3)
    for axis, extent, side in ((axes.xaxis, shape[1], columns), (axes.yaxis, shape[0], rows)):
        most = max(1, min(extent, 5, int(side.inches * 2)))
        axis.set_major_locator(MaxNLocator(nbins=most, integer=True))
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    for line in axes.spines.values():
        line.set_color(INK)
        line.set_linewidth(0.8)


def _scale(figure: Figure, picture: Any, axes: Axes, upright: bool, label: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    bar = figure.colorbar(picture, cax=axes, orientation="vertical" if upright else "horizontal")
    bar.set_label(label, fontsize=8, color=INK)
    few = picture.norm.vmax < 50
    bar.locator = LogLocator(subs=(1, 2, 5) if few else (1,))
    bar.formatter = FuncFormatter(lambda x, _: f"{x:,.0f}")
    bar.minorformatter = NullFormatter()
    bar.update_ticks()
    bar.ax.tick_params(labelsize=8, colors=INK)
    bar.outline.set_linewidth(0.8)


__all__ = ["Side", "bins", "draw", "save", "sides"]
