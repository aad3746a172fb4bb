"""Files to storage and back, chosen by suffix: Matrix Market, FROSTT, npz, binsparse.

Whatever is wrong with a file is a ``FileError`` that names it, and the line where there are lines.
"""

from __future__ import annotations

import bz2
import gzip
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sparsec.errors import FileError, SparsecError, TypeError_, UnsupportedError, nearest
from sparsec.runtime.storage import Storage

KINDS = {
    ".mtx": "matrix_market",
    ".mtx.gz": "matrix_market",
    ".mtx.bz2": "matrix_market",
    ".tns": "frostt",
    ".tns.gz": "frostt",
    ".tns.bz2": "frostt",
    ".npz": "npz",
    ".bsp.h5": "binsparse",
    ".h5": "binsparse",
    ".hdf5": "binsparse",
}
"""Suffix to the module that reads and writes it."""


def kind(path: str | os.PathLike[str]) -> str:
    """The kind of file that a path's suffix says.

    Raises ``UnsupportedError`` for binsparse in Zarr, ``FileError`` for other suffixes, ``TypeError_`` for what is no
    path.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError_(f"a path is text or a Path, not {type(path).__name__}")
    name = os.fsdecode(path).lower()
    if name.endswith(".zarr"):
        raise UnsupportedError(f"binsparse in Zarr cannot be read or written yet: '{path}'", hint="use .bsp.h5")
    for suffix, found in KINDS.items():
        if name.endswith(suffix):
            return found
    raise FileError(f"'{path}': no known kind of file", hint="its name ends in " + ", ".join(KINDS))


def read_storage(path: str | os.PathLike[str], shape: tuple[int, ...] | None = None) -> Storage:
    """What a file holds: a coordinate list, a dense array, or (npz) the format it was written in; validated.

    ``shape`` says the extents of a FROSTT file, which need not tell them.  Raises ``FileError``.
    """
    from sparsec.runtime import binsparse, frostt, matrix_market, npz

    found, place = kind(path), Path(path)
    if shape is not None and found != "frostt":
        raise FileError(f"'{place}' tells its own shape", hint="shape= is for FROSTT files (.tns)")
    with translated(place):
        if found == "matrix_market":
            return matrix_market.read(place)
        if found == "binsparse":
            return binsparse.read(place)
        return frostt.read(place, shape) if found == "frostt" else npz.read(place)


def write_storage(path: str | os.PathLike[str], storage: Storage) -> None:
    """Write a coordinate list or dense storage, or for npz any, replacing the file as a whole.

    Raises ``FileError`` where the file cannot be written, ``FormatError`` and ``TypeError_`` for what the kind of file
    cannot hold.
    """
    from sparsec.runtime import binsparse, frostt, matrix_market, npz

    found, place = kind(path), Path(path)
    if found == "binsparse":
        binsparse.h5py()
    writer: Any = {"matrix_market": matrix_market, "frostt": frostt, "npz": npz}.get(found, binsparse).write
    # A name of this call's own, and not mkstemp's file: that one would keep others from reading the result.
    beside = place.with_name(f".{place.name}.{secrets.token_hex(8)}.tmp")
    try:
        if found == "binsparse":
            binsparse.write(beside, storage)
        else:
            with compressed(beside, "wb", place.name) as stream:
                writer(stream, storage)
        os.replace(beside, place)
    except OSError as e:
        raise FileError(f"cannot write '{place}': {e.strerror or e}") from None
    finally:
        with suppress(OSError):
            beside.unlink()


_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}


def compression(name: str) -> str:
    """The suffix by which a file's name says how it is compressed (``.gz`` or ``.bz2``), or nothing."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix if suffix in _OPENERS else ""


def compressed(path: Path, mode: str, name: str | None = None) -> IO[Any]:
    """The file opened through the compression that its ``name`` says."""
    encoding = "latin-1" if "t" in mode else None
    stream: IO[Any] = _OPENERS.get(compression(name or path.name), open)(path, mode, encoding=encoding)
    return stream


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Whatever reading ``path`` raises becomes a ``FileError``."""
    try:
        yield
    except (FileError, UnsupportedError):
        raise
    except SparsecError as e:
        raise FileError(f"'{path}': {e.message}", hint=e.hint) from e
    except FileNotFoundError:
        with suppress(OSError):
            if near := nearest(path.name, os.listdir(path.parent)):
                raise FileError(f"there is no file '{path}'", hint=near) from None
        raise FileError(f"there is no file '{path}'") from None
    except MemoryError:
        raise FileError(f"'{path}': what it announces does not fit in memory") from None
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, struct.error) as e:
        if isinstance(e, OSError) and e.strerror:
            raise FileError(f"cannot read '{path}': {e.strerror}") from None
        raise FileError(f"'{path}' is damaged: {e}", hint="was it copied whole?") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError, OverflowError) as e:
        raise FileError(f"'{path}': {e}") from None


__all__ = ["KINDS", "compressed", "compression", "kind", "read_storage", "translated", "write_storage"]
