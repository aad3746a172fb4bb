"""FROSTT tensors: a line for each entry, its coordinates from 1 and its value.

``#`` starts a comment.  The shape is what the caller says, else what the file says (``# shape: 3 4 5`` as written here;
a line with the order and one with the extents; the header of "extended FROSTT"), else the greatest coordinates.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np

from sparsec.errors import FileError, FormatError, ShapeError, TypeError_
from sparsec.ir.dtypes import F64
from sparsec.runtime.entries import canonical
from sparsec.runtime.io import compressed
from sparsec.runtime.matrix_market import readable
from sparsec.runtime.storage import Storage, as_shape

_SHAPE = re.compile(r"#\s*shape:\s*([\d\s]+)$")
_CHUNK = 1 << 16
_EXACT = 2**53


def read(path: Path, shape: Sequence[int] | None = None) -> Storage:
    """The entries as a coordinate list of f64, duplicates summed."""
    with compressed(path, "rt") as stream:
        said, rest = _header(path, stream)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*input contained no data", category=UserWarning)
                table = np.loadtxt(rest, np.float64, comments="#", ndmin=2)
        except ValueError as e:
            raise _blame(path) or FileError(f"'{path}': {e}") from None
    extents = as_shape(shape) if shape is not None else said
    if not table.size:
        if extents is None:
            raise FileError(f"'{path}' has no entries, and nothing says its shape", hint="sp.read(path, shape=(...))")
        table = np.empty((0, len(extents) + 1))
    order = table.shape[1] - 1
    if order < 1:
        raise _at(path, 0, "expected coordinates and a value, found one number")
    if extents is not None and len(extents) != order:
        raise FileError(f"'{path}': its lines have {order} coordinates, the shape {extents} has order {len(extents)}")
    if order > 64:
        raise FileError(f"'{path}': its lines have {order} coordinates", hint="is this a .tns file?")
    numbers = table[:, :-1]
    with np.errstate(invalid="ignore"):
        coords = numbers.astype(np.int64)
    wrong = (coords != numbers) | (numbers < 1) | (numbers >= _EXACT)
    if wrong.any():
        row = int(np.argmax(wrong.any(axis=1)))
        bad = float(numbers[row, int(np.argmax(wrong[row]))])
        if _EXACT <= bad < 2**63:
            raise _at(path, row, f"coordinate {bad:.17g} or so is too great: they are read exactly below 2**53")
        raise _at(path, row, f"{bad:g} is no coordinate: they are whole numbers from 1")
    if extents is None:
        extents = tuple(int(n) for n in coords.max(axis=0))
    beyond = coords > np.array(extents, np.int64)
    if beyond.any():
        row = int(np.argmax(beyond.any(axis=1)))
        d = int(np.argmax(beyond[row]))
        raise _at(path, row, f"coordinate {coords[row, d]} of dimension {d} is outside 1..{extents[d]}")
    columns = [np.ascontiguousarray(c) for c in (coords - 1).T]
    return canonical(columns, np.ascontiguousarray(table[:, -1]), extents, range(order), F64, 0.0)


def _header(path: Path, stream: Iterator[str]) -> tuple[tuple[int, ...] | None, Iterable[str]]:
    """The shape that the file says, and its lines from the first entry on."""
    said: tuple[int, ...] | None = None
    extended = False
    for line in stream:
        if match := _SHAPE.match(line):
            said = tuple(int(w) for w in match.group(1).split())
        extended |= line.startswith("#") and "extended frostt" in line.lower()
        words = line.split("#")[0].split()
        if not words:
            continue
        if (extended and len(words) == 2) or (len(words) == 1 and words[0].isdecimal()):
            extents = next(stream, "")
            if not words[0].isdecimal() or len(extents.split()) != int(words[0]):
                what = f"{words[0]} extents"
                raise FileError(f"'{path}': the header announces {what}, then comes {extents.strip()!r:.60}")
            if not all(w.isdecimal() for w in extents.split()):
                raise FileError(f"'{path}': the extents are whole numbers, not {extents.strip()!r:.60}")
            return tuple(int(w) for w in extents.split()), stream
        return said, chain([line], stream)
    return said, ()


def _entries(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of every line with an entry."""
    number = 0

    def counted(stream: IO[str]) -> Iterator[str]:
        nonlocal number
        for line in stream:
            number += 1
            yield line

    with compressed(path, "rt") as stream:
        _, rest = _header(path, counted(stream))
        for line in rest:
            text = line.split("#")[0].strip()
            if text:
                yield number, text


def _at(path: Path, row: int, what: str) -> FileError:
    """An error at the line of entry ``row``."""
    for place, (number, text) in enumerate(_entries(path)):
        if place == row:
            return FileError(f"'{path}', line {number}: {what}: {text!r:.60}")
    return FileError(f"'{path}': {what}")


def _blame(path: Path) -> FileError | None:
    """The first line that cannot be read; only looked for when some line cannot."""
    width = 0
    for number, text in _entries(path):
        words = text.split()
        width = width or len(words)
        for word in words:
            try:
                float(word)
            except ValueError:
                return FileError(f"'{path}', line {number}: {word!r:.30} is no number: {text!r:.60}")
        if len(words) != width:
            what = f"{len(words)} numbers, the lines above have {width}"
            return FileError(f"'{path}', line {number}: {what}: {text!r:.60}")
    return None


def write(stream: IO[bytes], storage: Storage) -> None:
    """A coordinate list; the shape as a comment where the greatest coordinates don't say it.

    Raises ``FormatError`` for a fill other than 0, ``TypeError_`` for complex values, ``ShapeError`` for scalars.
    """
    if storage.fill != 0:
        raise FormatError(f"a FROSTT file has no fill value, this tensor has {storage.fill}", hint="use .npz")
    if storage.dtype.kind == "c":
        raise TypeError_(f"a FROSTT file holds real numbers, this tensor {storage.dtype}", hint="use .npz")
    if not storage.ndim:
        raise ShapeError("a FROSTT file holds a tensor of order 1 and more", hint="use .npz")
    coords = [c.astype(np.int64) + 1 for c in storage.coordinates()]
    values = readable(storage.values, storage)
    if storage.dtype.kind == "b":
        values = values.astype(np.int8)
    if [int(c.max()) if c.size else None for c in coords] != list(storage.shape):
        stream.write(f"# shape: {' '.join(map(str, storage.shape))}\n".encode())
    for at in range(0, len(values), _CHUNK):
        part = slice(at, at + _CHUNK)
        columns = [map(str, c[part].tolist()) for c in coords]
        lines = map(" ".join, zip(*columns, map(repr, values[part].tolist()), strict=True))
        stream.write(("\n".join(lines) + "\n").encode())


__all__ = ["read", "write"]
