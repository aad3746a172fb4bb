"""Binsparse files, version 0.1, in HDF5 (``.bsp.h5``): a JSON descriptor and an array for each part of a level.

https://graphblas.org/binsparse-specification.  All its formats are read: the named ones, which are abbreviations, and
custom nestings of dense and sparse levels; a sparse level of rank r is a ``compressed`` one with r - 1 ``singleton``
beneath.  Needs h5py (``pip install 'sparsec[h5]'``), which is imported when the first file is opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparsec.errors import FileError, FormatError, TypeError_, UnsupportedError
from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.formats.format import Format
from sparsec.formats.level import Level
from sparsec.formats.named import from_levels
from sparsec.formats.singleton import Singleton
from sparsec.ir.dtypes import BF16, F16
from sparsec.runtime.storage import Storage, adopt, as_shape

VERSION = "0.1"
Runs = tuple[tuple[str, int], ...]
"""Levels from the outside: ("dense" or "sparse", how many dimensions)."""

_DENSE, _SPARSE = ("dense", 1), ("sparse", 1)
NAMED: dict[str, tuple[Runs, tuple[int, ...]]] = {
    "DVEC": ((_DENSE,), (0,)),
    "DMATR": ((_DENSE, _DENSE), (0, 1)),
    "DMATC": ((_DENSE, _DENSE), (1, 0)),
    "CVEC": ((_SPARSE,), (0,)),
    "CSR": ((_DENSE, _SPARSE), (0, 1)),
    "CSC": ((_DENSE, _SPARSE), (1, 0)),
    "DCSR": ((_SPARSE, _SPARSE), (0, 1)),
    "DCSC": ((_SPARSE, _SPARSE), (1, 0)),
    "COOR": ((("sparse", 2),), (0, 1)),
    "COOC": ((("sparse", 2),), (1, 0)),
}
ALIASES = {"DMAT": "DMATR", "COO": "COOR"}


def h5py() -> Any:
    """The module; raises ``UnsupportedError`` where it is not installed."""
    try:
        import h5py as module
    except ImportError:
        raise UnsupportedError("binsparse files need h5py", hint="pip install 'sparsec[h5]'") from None
    return module


def runs_of(format: Format) -> Runs | None:
    """The levels of a format as binsparse names them; None for a level that it lacks."""
    out: list[tuple[str, int]] = []
    if not format.is_plain or format.symmetric:
        return None
    for spec in format.levels:
        if type(spec.type) is Dense and not spec.type.strided:
            out.append(_DENSE)
        elif type(spec.type) is Compressed:
            out.append(_SPARSE)
        elif type(spec.type) is Singleton and out and out[-1][0] == "sparse":
            out[-1] = ("sparse", out[-1][1] + 1)
        else:
            return None
    return tuple(out)


def format_of(runs: Runs, order: Sequence[int]) -> Format:
    """The inverse of ``runs_of``."""
    levels: list[Level] = []
    for kind, rank in runs:
        if kind == "dense":
            levels += [Dense()] * rank
        else:
            levels.append(Compressed(is_unique=rank == 1))
            levels += [Singleton(is_unique=n == rank - 2) for n in range(rank - 1)]
    return from_levels(None, tuple(levels), tuple(order))


# writing


def write(path: Path, storage: Storage) -> None:
    """Write a storage of dense, compressed and singleton levels.

    Raises ``FormatError`` for other levels, ``TypeError_`` for dtypes that binsparse lacks.
    """
    runs = runs_of(storage.format)
    if runs is None:
        raise FormatError(
            f"binsparse has no format like '{storage.format.label}'", hint="convert it to coo, csr or csf"
        )
    if storage.dtype in (F16, BF16):
        raise TypeError_(f"binsparse has no dtype {storage.dtype}", hint="cast it with .astype('float32')")
    if not runs:
        raise FormatError("binsparse has no scalars", hint="A.reshape(1) is a vector")
    arrays = dict(_levels_out(storage, runs))
    values, text = _values_out(storage.values)
    types = {name: a.dtype.name for name, a in arrays.items()} | {"values": text}
    descriptor: dict[str, Any] = {
        "version": VERSION,
        "format": next((n for n, made in NAMED.items() if made == (runs, storage.format.order)), None),
        "shape": list(storage.shape),
        "number_of_stored_values": storage.nnz,
        "data_types": types,
    }
    if descriptor["format"] is None:
        descriptor["format"] = descriptor["custom"] = _custom(runs, storage.format.order)
    if storage.fill != 0:
        descriptor["fill"] = True
        arrays["fill_value"], types["fill_value"] = _values_out(np.full(1, storage.fill_value))
    with h5py().File(path, "w") as file:
        for name, array in [*arrays.items(), ("values", values)]:
            file.create_dataset(name, data=array)
        file.attrs["binsparse"] = json.dumps({"binsparse": descriptor})


def _levels_out(storage: Storage, runs: Runs) -> Any:
    """Names and arrays: that of the outermost level's pointers is left out."""
    level = dimension = 0
    for kind, rank in runs:
        if kind == "sparse":
            pos = storage.levels[level]["pos"]
            if level:
                yield f"pointers_to_{dimension}", pos
            for r in range(rank):
                yield f"indices_{dimension + r}", storage.levels[level + r]["crd"][: int(pos[-1])]
        level += rank
        dimension += rank


def _values_out(values: np.ndarray) -> tuple[np.ndarray, str]:
    if values.dtype == bool:
        return values.view(np.uint8), "bint8"
    if values.dtype.kind == "c":
        part = np.dtype(f"f{values.itemsize // 2}")
        return values.view(part), f"complex[{part.name}]"
    return values, values.dtype.name


def _custom(runs: Runs, order: tuple[int, ...]) -> dict[str, Any]:
    level: dict[str, Any] = {"level_desc": "element"}
    for kind, rank in reversed(runs):
        level = {"level_desc": kind, "rank": rank, "level": level}
    return {"level": level} if order == tuple(range(len(order))) else {"transpose": list(order), "level": level}


# reading


def read(path: Path) -> Storage:
    """The tensor in the format in which it was written; raises ``FileError`` for what breaks the specification."""
    module = h5py()
    with path.open("rb"):  # a missing file is reported as for other kinds
        pass
    if not module.is_hdf5(path):
        raise FileError(f"'{path}' is no HDF5 file")
    with module.File(path, "r") as file:
        text = file.attrs.get("binsparse")
        if text is None:
            raise FileError(f"'{path}' has no binsparse descriptor", hint="h5py reads other HDF5 files")
        descriptor = json.loads(text)
        descriptor = descriptor.get("binsparse", descriptor)
        version = str(descriptor.get("version", VERSION))
        if version.partition(".")[0] not in ("0", "1"):
            raise FileError(f"'{path}' has binsparse version {version}, this sparsec knows {VERSION}")
        arrays = {name: file[name][()] for name in file if isinstance(file[name], module.Dataset)}
    return _storage(path, descriptor, arrays)


def _storage(path: Path, descriptor: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> Storage:
    def take(name: str) -> np.ndarray:
        if name not in arrays:
            raise FileError(f"'{path}' lacks the array '{name}'")
        return arrays[name]

    shape = as_shape(tuple(descriptor["shape"]))
    runs, order = _described(path, descriptor)
    if len(order) != len(shape):
        raise FileError(f"'{path}': its format is of order {len(order)}, its shape {shape}")
    types = descriptor["data_types"]
    dimension = 0
    levels: list[dict[str, np.ndarray]] = []
    for kind, rank in runs:
        crd = [_index(take(f"indices_{dimension + r}")) for r in range(rank)] if kind == "sparse" else []
        if kind == "dense":
            levels += [{} for _ in range(rank)]
        else:
            pos = _index(take(f"pointers_to_{dimension}")) if dimension else np.array([0, len(crd[0])], crd[0].dtype)
            levels += [{"pos": pos, "crd": crd[0]}, *({"crd": c} for c in crd[1:])]
        dimension += rank
    count = int(descriptor["number_of_stored_values"])
    values = _values(path, take("values"), types["values"], count)
    fill: Any = 0
    if descriptor.get("fill"):
        fill = _values(path, take("fill_value").reshape(-1), types.get("fill_value", types["values"]), 1)[0]
        fill = values.dtype.type(fill).item()
    return adopt(format_of(runs, order), shape, fill, levels, values, name="the tensor")


def _described(path: Path, descriptor: Mapping[str, Any]) -> tuple[Runs, tuple[int, ...]]:
    """Levels and dimension order."""
    custom = descriptor.get("custom", descriptor["format"])
    if isinstance(custom, str):
        name = ALIASES.get(custom, custom)
        if name not in NAMED:
            raise FileError(f"'{path}': unknown format '{custom}'", hint="formats are " + ", ".join(NAMED))
        return NAMED[name]
    runs: list[tuple[str, int]] = []
    level = custom["level"]
    while level["level_desc"] != "element":
        kind, rank = level["level_desc"], int(level["rank"])
        if kind not in ("dense", "sparse") or not 1 <= rank <= 32 or len(runs) >= 32:
            raise FileError(f"'{path}': unknown level '{kind}' of rank {rank}")
        runs += [_DENSE] * rank if kind == "dense" else [(kind, rank)]
        level = level["level"]
    order = tuple(custom.get("transpose", range(sum(rank for _, rank in runs))))
    if sorted(order) != list(range(sum(rank for _, rank in runs))):
        raise FileError(f"'{path}': transpose {list(order)} is no permutation of its dimensions")
    return tuple(runs), order


def _index(array: np.ndarray) -> np.ndarray:
    """Positions or coordinates as kernels take them: signed, 32 bits where that suffices."""
    if array.dtype.kind not in "iu" or not array.size:
        return array
    if array.dtype == np.uint64 and int(array.max()) >= 2**63:
        raise FormatError(f"an index of {int(array.max())} is too large")
    wide = int(array.max()) >= 2**31 or int(array.min()) < -(2**31)
    return array.astype(np.int64 if wide else np.int32, copy=False)


def _values(path: Path, array: np.ndarray, text: str, count: int) -> np.ndarray:
    """The values that a type's text makes of the stored ones."""
    kind, bracket, rest = text.partition("[")
    if bracket:
        inner = rest.removesuffix("]")
        if kind == "iso":
            one = _values(path, array, inner, 1)
            return np.repeat(one[:1], count)
        if kind == "complex" and inner in ("float32", "float64"):
            return np.ascontiguousarray(array, inner).view(f"c{2 * np.dtype(inner).itemsize}")
    elif text == "bint8":
        if array.size and array.max() > 1:
            raise FileError(f"'{path}': a bool of value {int(array.max())}")
        return array.astype(bool)
    elif array.dtype.name == text and array.dtype.kind in "iuf":
        return array
    raise FileError(f"'{path}': values of type '{text}' stored as {array.dtype}")


__all__ = ["format_of", "h5py", "read", "runs_of", "write"]
