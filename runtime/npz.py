"""``.npz`` files: SciPy's layout where it can hold the tensor, so that SciPy reads them too; our own for the rest.

Ours has the arrays ``sparsec`` (a version), ``format`` (text), ``dtype``, ``shape``, ``fill``, ``values``, and for each
level its arrays as ``<level>.<role>``; for encoded values also ``count``, ``scale`` and ``zero``.  A composite tensor
has no values, and for each part all of these behind ``part<n>.``.  Nothing is unpickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np

from sparsec.errors import FileError
from sparsec.ir.dtypes import BF16, F16, dtype
from sparsec.ir.text import Cursor, format_text
from sparsec.runtime.composites import composed
from sparsec.runtime.outside import operand_storage
from sparsec.runtime.storage import Codes, Storage, adopt, as_shape, plain

VERSION = 1


def read(path: Path) -> Storage:
    """The tensor in the format in which it was written."""
    with path.open("rb") as stream:  # SciPy and NumPy would report a missing file in their own ways
        if stream.read(4) != b"PK\x03\x04":
            raise FileError(f"'{path}' is no npz file")
    with np.load(path, allow_pickle=False) as arrays:
        names = set(arrays.files)
        if "sparsec" in names:
            return _ours(path, {name: arrays[name] for name in names})
        if "format" not in names:
            raise FileError(
                f"'{path}' holds arrays ({', '.join(sorted(names)):.60}), but no sparse tensor",
                hint="np.load reads it; sp.tensor takes its arrays",
            )
        _check_names(path, names, arrays["format"])
        _check_places(path, arrays)
    from scipy.sparse import load_npz

    storage = operand_storage(load_npz(path))
    assert storage is not None
    return storage


_PLACES = ("indices", "indptr", "row", "col", "coords", "offsets", "shape")
"""The arrays of SciPy's layouts that count; it takes numbers of other kinds, and drops what is behind the point."""


_LAYOUTS = {
    **dict.fromkeys(("csr", "csc", "bsr"), ("indices", "indptr")),
    "dia": ("offsets",),
    "coo": ("row", "col"),
}
"""SciPy's formats, and what their files have beside ``data`` and ``shape``."""


def _check_names(path: Path, names: set[str], format: np.ndarray) -> None:
    """Raise ``FileError`` for a file of SciPy's whose format is none of its, or that lacks an array of it."""
    found = format.item() if format.ndim == 0 else format
    layout = found.decode("ascii", "replace") if isinstance(found, bytes) else str(found)
    if layout not in _LAYOUTS:
        raise FileError(f"'{path}' has the format {layout!r:.60}", hint="SciPy writes " + ", ".join(_LAYOUTS))
    places = ("coords",) if layout == "coo" and "coords" in names else _LAYOUTS[layout]
    for name in ("data", "shape", *places):
        if name not in names:
            raise FileError(f"'{path}' lacks the array '{name}'")


def _check_places(path: Path, arrays: Any) -> None:
    """Raise ``FileError`` for places in a file of SciPy's that are no integers; looks at no more than their headers."""
    for name in _PLACES:
        if name not in arrays.files:
            continue
        with arrays.zip.open(f"{name}.npy") as stream:
            first = np.lib.format.read_magic(stream) == (1, 0)
            header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
            shape, _, kind = header(stream)
        if kind.kind not in "iu" and 0 not in shape:
            raise FileError(
                f"'{path}': {name} has dtype {kind}, expected integers",
                hint=f"save it with {name}.astype('int64'), if all of it are whole numbers",
            )


def _ours(path: Path, arrays: dict[str, np.ndarray], prefix: str = "") -> Storage:
    def take(name: str) -> np.ndarray:
        name = prefix + name
        if name not in arrays:
            raise FileError(f"'{path}' lacks the array '{name}'")
        return arrays[name]

    version = int(take("sparsec"))
    if version > VERSION:
        raise FileError(f"'{path}' has layout {version}, this sparsec knows {VERSION}", hint="update sparsec")
    values_dtype = dtype(str(take("dtype")))
    shape = as_shape(take("shape").tolist())
    cursor = Cursor(str(take("format")))
    fmt = cursor.format(len(shape))
    cursor.finish()
    fmt.require_runnable()
    if fmt.terms:
        parts = [_ours(path, arrays, f"part{n}.") for n in range(len(fmt.parts))]
        whole = composed(fmt, shape, values_dtype, parts)
        whole.validate(f"'{path}'")
        return whole
    values = take("values")
    codes = None
    if fmt.values is not None:
        codes = Codes(int(take("count")), plain(take("scale")), plain(take("zero")))
    elif values.dtype != values_dtype.np:
        raise FileError(f"'{path}': the values have dtype {values.dtype}, not {values_dtype}")
    levels: list[dict[str, Any]] = [
        {role: take(f"{n}.{role}") for role in spec.type.arrays()} for n, spec in enumerate(fmt.levels)
    ]
    return adopt(fmt, shape, take("fill").item(), levels, values, dtype=values_dtype, codes=codes)


def write(stream: IO[bytes], storage: Storage) -> None:
    """Any storage."""
    from sparsec.runtime.scipy_bridge import kind, to_scipy

    codes = storage.codes
    natural = kind(storage) in ("csr", "csc") or storage.format.dim_order == tuple(range(storage.ndim))
    plainly = codes is None and storage.fill == 0 and storage.dtype not in (F16, BF16)
    if plainly and kind(storage) and natural and storage.ndim == 2:
        from scipy.sparse import save_npz

        save_npz(stream, to_scipy(storage))
        return
    np.savez_compressed(stream, allow_pickle=False, **_arrays(storage))


def _arrays(storage: Storage) -> dict[str, Any]:
    """The arrays of our own layout."""
    out: dict[str, Any] = {
        "sparsec": np.int64(VERSION),
        "format": np.str_(format_text(storage.format)),
        "dtype": np.str_(storage.dtype.name),
        "shape": np.array(storage.shape, np.int64),
        "fill": np.array(storage.fill),
    }
    if storage.parts:
        return out | {f"part{n}.{name}": a for n, p in enumerate(storage.parts) for name, a in _arrays(p).items()}
    codes = storage.codes
    if codes is not None:
        out |= {"count": np.array(codes.count), "scale": codes.scale, "zero": codes.zero}
    levels = {f"{n}.{role}": a for n, arrays in enumerate(storage.levels) for role, a in arrays.items()}
    return out | {"values": storage.values} | levels


__all__ = ["VERSION", "read", "write"]
