"""Pictures: binned exactly, drawn at any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparsec import spy
from sparsec.errors import FileError, ShapeError


@pytest.mark.parametrize("shape", [(3, 5), (2000, 2000), (100_000, 7), (5, 100_000)])
def test_bins_hold_every_entry(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    coords = np.stack([rng.integers(0, n, 5000) for n in shape])
    rows, columns = spy.sides(shape)
    cells = spy.bins(coords, rows, columns)
    assert cells.sum() == 5000 and cells.shape == (rows.cells, columns.cells)
    assert max(side.cells * side.scale for side in (rows, columns)) <= spy.PIXELS
    for side, extent in ((rows, shape[0]), (columns, shape[1])):
        assert extent <= side.span < extent + side.each
    first = (coords[0] < rows.each) & (coords[1] < columns.each)
    assert cells[0, 0] == first.sum()


@pytest.mark.parametrize(
    ("shape", "entries"),
    [((0, 0), 0), ((0, 5), 0), ((1, 1), 1), ((30, 40), 0), ((9, 4), 7), ((3000, 3000), 500), ((2, 50_000), 90_000)],
)
def test_draws(tmp_path: Path, shape: tuple[int, int], entries: int) -> None:
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    coords = np.stack([rng.integers(0, max(1, n), entries) for n in shape])
    path = spy.save(tmp_path / "a.png", coords, shape, title="a <matrix> $with$ _odd_ name")
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 2000


def test_errors(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(ShapeError, match="a picture shows a matrix; this tensor has order 3"):
        spy.save(tmp_path / "a.png", np.zeros((3, 0), int), (1, 2, 3))
    with pytest.raises(FileError, match="cannot write the picture"):
        spy.save(tmp_path / "no" / "a.png", np.zeros((2, 0), int), (1, 2))
    with pytest.raises(FileError, match="cannot write the picture"):
        spy.save(tmp_path / "a.nonsense", np.zeros((2, 0), int), (1, 2))
