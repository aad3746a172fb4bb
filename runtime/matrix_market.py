"""Matrix Market files through SciPy's reader, which is compiled and parallel.

The header is checked before anything is allocated.  The body is checked for what that reader passes over: it takes the
longest number that a word begins with, so ``3,5`` would be 3 and ``1D3`` would be 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from sparsec.errors import FileError, FormatError, ShapeError
from sparsec.ir.dtypes import BF16, BOOL, F16, from_numpy
from sparsec.runtime.entries import canonical, dense_storage, dense_view
from sparsec.runtime.io import compressed, compression
from sparsec.runtime.storage import Storage, as_fill

_LINE = re.compile(r"Line (\d+): (.*)", re.DOTALL)
_RATIO = 1100
"""No compression of text does better."""
_REAL = b"0123456789+-.eE \t\r\n"
_PLAIN = {"pattern": b"0123456789 \t\r\n", "integer": b"0123456789+- \t\r\n", "real": _REAL, "complex": _REAL}
"""By field, what the lines of a file are made of; nan and inf are rare enough to be looked at again."""
_WHOLE = re.compile(rb"[+-]?\d+")
_NUMBER = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf|infinity)", re.IGNORECASE)


_CLASSES = bytes.maketrans(b" \t\r\n0123456789+-.eE", b"\0\0\0\0" + b"\1" * 10 + b"\2\2\3\4\4")
"""Of a byte: white, digit, sign, point, exponent; others are no matter here."""
_PAIRS = bytes([0o00, 0o01, 0o02, 0o03, 0o10, 0o11, 0o13, 0o14, 0o21, 0o23, 0o30, 0o31, 0o34, 0o41, 0o42])
"""Which class may follow which in a number: two octal digits."""


@dataclass(frozen=True, slots=True)
class _Header:
    """What the head of a file says, and the byte and the number of the line at which its body begins."""

    field: str
    symmetry: str
    start: int
    line: int
    width: int = 0
    """Words of a line."""
    words: int = 0
    """Words of the body."""

    @property
    def plain(self) -> bytes:
        return _PLAIN.get(self.field, _REAL)


def _look(data: bytes, plain: bytes) -> tuple[bool, int]:
    """Whether a text may hold what is no number, and the words that begin behind its first byte."""
    if data.translate(None, plain):
        return True, 0
    kinds = np.frombuffer(data.translate(_CLASSES), np.uint8)
    before, after = kinds[:-1], kinds[1:]
    words = int(np.count_nonzero((before == 0) & (after != 0)))
    if ((before << 3) | after).tobytes().translate(None, _PAIRS):
        return True, words
    # Numbers without their digits and signs: at most a point, then an exponent.
    bones = data.translate(_CLASSES, b"0123456789+-")
    return any(wrong in bones for wrong in (b"\3\3", b"\4\4", b"\4\3")), words


@dataclass(slots=True)
class _Body:
    """A stream that notes whether anything behind the first ``skip`` bytes may be wrong."""

    stream: IO[bytes]
    header: _Header
    skip: int
    odd: bool = False
    words: int = 0
    last: bytes = b"\n"

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        if not data and self.last != b"\n":
            data = b"\n"  # for SciPy's reader may break down on a number that is cut off
        if b"\0" in data:  # on which SciPy's reader breaks down
            raise ValueError("a zero byte: this is no text")
        self._look(data[self.skip :])
        self.skip = max(0, self.skip - len(data))
        return data

    def suspicious(self) -> bool:
        """Whether the words are to be looked at one by one, once all is read."""
        return self.header.width > 0 and (self.odd or self.words != self.header.words)

    def _look(self, data: bytes) -> None:
        if data and not self.odd:
            self.odd, more = _look(self.last + data, self.header.plain)
            self.words += more
        self.last = data[-1:] or self.last


def read(path: Path) -> Storage:
    """A coordinate list (symmetric halves completed, duplicates summed, patterns as 1.0) or a dense matrix."""
    from scipy.io import mmread

    header = _check_header(path)
    with compressed(path, "rb") as stream:
        body = _Body(stream, header, header.start)
        try:
            if compression(path.name):
                found = mmread(body)  # decompressed once
                _check_words(path, header, body)
            else:
                while body.read(1 << 20):
                    pass
                _check_words(path, header, body)  # SciPy's reader may break down on a number that is cut off
                found = mmread(path)  # faster than through our stream, even with a first look
        except (ValueError, OverflowError) as e:
            raise _located(path, str(e)) from None
    if isinstance(found, np.ndarray):
        return dense_storage(found)
    if header.symmetry == "skew-symmetric" and (found.coords[0] == found.coords[1]).any():
        raise FileError(f"'{path}': an entry on the diagonal of a skew-symmetric matrix, which is 0 there")
    dtype = from_numpy(found.data.dtype)
    return canonical(found.coords, found.data, found.shape, (0, 1), dtype, as_fill(0, dtype))


def _check_header(path: Path) -> _Header:
    """The head, once nothing in its extents line tells that the file cannot hold what it says."""
    with compressed(path, "rb") as stream:
        banner = stream.readline(1024).decode("latin-1").lower().split()
        if not banner or banner[0] != "%%matrixmarket":
            raise FileError(
                f"'{path}', line 1: this is no Matrix Market file",
                hint="it begins with '%%MatrixMarket matrix coordinate real general', say",
            )
        number, line = 1, "%"
        while line.startswith("%") or (line and not line.strip()):
            number, line = number + 1, stream.readline(1 << 20).decode("latin-1")
        start = stream.tell()
    field = banner[3].removeprefix("unsigned-") if len(banner) > 3 else ""
    layout = banner[2] if len(banner) > 2 else ""
    names = ("rows", "columns", "entries") if layout == "coordinate" else ("rows", "columns")
    if layout not in ("coordinate", "array"):
        return _Header(field, banner[-1], start, number + 1)  # SciPy says what is wrong
    words = line.split()
    if len(words) != len(names) or not all(re.fullmatch(r"[+-]?\d+", w) for w in words):
        shown = f"{line.strip()!r:.60}" if line.strip() else "the end of the file"
        raise FileError(f"'{path}', line {number}: expected '{' '.join(names)}', found {shown}")
    numbers = [int(w) for w in words]
    if min(numbers) < 0 or max(numbers) >= 2**63:
        raise FileError(f"'{path}', line {number}: {' x '.join(words[:2])} is no shape of a matrix")
    if banner[-1] in ("symmetric", "skew-symmetric", "hermitian") and numbers[0] != numbers[1]:
        raise FileError(f"'{path}', line {number}: a {banner[-1]} matrix is square, not {' x '.join(words[:2])}")
    width = {"pattern": 0, "complex": 2}.get(field, 1)
    if layout == "coordinate":
        entries, least, width = numbers[2], 4, width + 2
    elif banner[-1] == "general":
        entries, least = numbers[0] * numbers[1], 2
    else:
        entries, least = numbers[0] * (numbers[0] + (-1 if banner[-1] == "skew-symmetric" else 1)) // 2, 2
    room = path.stat().st_size * (_RATIO if compression(path.name) else 1)
    if least * entries > room + 1024:
        raise FileError(
            f"'{path}', line {number}: {entries:,} entries are announced, more than a file of this size can hold",
            hint="the file is truncated, or the line is wrong",
        )
    return _Header(field, banner[-1], start, number + 1, width, width * entries)


def _check_words(path: Path, header: _Header, body: _Body) -> None:
    """Raise ``FileError`` at the first word of the body that is no number of this field, or one too many in a line."""
    if not body.suspicious():
        return
    form = _WHOLE if header.field in ("integer", "pattern") else _NUMBER
    kind = "whole number" if form is _WHOLE else "number"
    line = header.line
    with compressed(path, "rb") as stream:
        stream.seek(header.start)
        while lines := stream.readlines(1 << 20):
            odd, words = _look(b"\n" + b"".join(lines) + b"\n", header.plain)
            for number, text in enumerate(lines, line) if odd or words != header.width * len(lines) else ():
                found, what = text.split(), ""
                if wrong := [word for word in found if not form.fullmatch(word)]:
                    what = f"{wrong[0].decode('latin-1')!r:.30} is no {kind}"
                elif len(found) > header.width:
                    what = f"expected {header.width} numbers, found {len(found)}"
                if what:
                    raise FileError(f"'{path}', line {number}: {what}: {text.decode('latin-1').strip()!r:.60}")
            line += len(lines)


def _located(path: Path, message: str) -> FileError:
    match = _LINE.match(message)
    if match is None:
        return FileError(f"'{path}': {message[:1].lower()}{message[1:]}")
    number, what = int(match.group(1)), match.group(2).rstrip(".")
    with compressed(path, "rt") as stream:
        text = next(islice(stream, number - 1, number), "").strip()
    shown = f": {text!r:.60}" if text else ""
    return FileError(f"'{path}', line {number}: {what[:1].lower()}{what[1:]}{shown}")


def write(stream: IO[bytes], storage: Storage) -> None:
    """A coordinate list or dense matrix; f16 and bf16 as real numbers, bools as a pattern or integers.

    Raises ``ShapeError`` for other orders, ``FormatError`` for a fill other than 0.
    """
    from scipy.io import mmwrite
    from scipy.sparse import coo_array

    if storage.ndim != 2:
        raise ShapeError(
            f"a Matrix Market file holds a matrix, this tensor has order {storage.ndim}", hint="use .tns or .npz"
        )
    sink = _Sink(stream)
    if storage.format.is_dense:
        mmwrite(sink, readable(dense_view(storage), storage), symmetry="general")
        return
    if storage.fill != 0:
        raise FormatError(f"a Matrix Market file has no fill value, this tensor has {storage.fill}", hint="use .npz")
    values = readable(storage.values, storage)
    field = "pattern" if storage.dtype is BOOL and storage.values.all() else None
    matrix = coo_array((values, tuple(storage.coordinates())), shape=storage.shape)
    mmwrite(sink, matrix, symmetry="general", field=field)


class _Sink:
    """A stream that can only be written: SciPy would seek where compressed ones cannot."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.write = stream.write
        self.flush = stream.flush


def readable(values: np.ndarray, storage: Storage) -> np.ndarray:
    """Values in a dtype that text can be made of."""
    if storage.dtype is BF16:
        from sparsec.ir.tensor_values import from_storage

        return from_storage(values, BF16)
    return values.astype(np.float32) if storage.dtype is F16 else values


__all__ = ["read", "readable", "write"]
