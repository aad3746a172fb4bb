"""SciPy's sparse arrays and matrices in and out: no copy where their arrays are canonical and their dtypes fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsec.errors import FormatError, TypeError_
from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.formats.named import from_levels, named_format
from sparsec.ir.dtypes import BF16, F16, DType, from_numpy
from sparsec.runtime.entries import arranged, shared_list
from sparsec.runtime.outside import Known, remember
from sparsec.runtime.segments import Refresh, canonical_segments, sortable
from sparsec.runtime.storage import Storage, adopt, as_fill, index_array, is_list, plain


@dataclass(slots=True)
class KnownCompressed:
    """What a csr or csc object held when it was validated.

    ``ordered``: SciPy sorts an object's arrays in place when it pleases, and then says so.
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple[int, ...]
    storage: Storage
    refresh: Refresh | None
    ordered: bool = True

    def storage_of(self, obj: Any) -> Storage | None:
        if (
            obj.data is not self.data
            or obj.indices is not self.indices
            or obj.indptr is not self.indptr
            or obj.shape != self.shape
        ):
            return None
        if self.refresh is None:
            return self.storage
        if obj.has_sorted_indices != self.ordered:
            return None
        return self.storage.with_values(self.refresh(obj.data))


@dataclass(slots=True)
class KnownList:
    """What a coo object held when it was validated."""

    data: np.ndarray
    coords: tuple[np.ndarray, ...]
    shape: tuple[int, ...]
    storage: Storage
    refresh: Refresh | None

    def storage_of(self, obj: Any) -> Storage | None:
        if obj.data is not self.data or obj.coords is not self.coords or obj.shape != self.shape:
            return None
        return self.storage if self.refresh is None else self.storage.with_values(self.refresh(obj.data))


def wrap(obj: Any) -> tuple[Storage, Known | None]:
    """The storage of a SciPy object, and what to remember of it (of csr, csc and coo).

    Raises ``FormatError`` for inconsistent arrays, ``TypeError_`` for a dtype without a counterpart.
    """
    if obj.format in ("csr", "csc"):
        storage, refresh = _wrap_compressed(obj)
        ordered = refresh is None or bool(obj.has_sorted_indices)
        return storage, KnownCompressed(obj.data, obj.indices, obj.indptr, obj.shape, storage, refresh, ordered)
    if obj.format == "coo":
        storage, refresh = _wrap_list(obj)
        return storage, KnownList(obj.data, obj.coords, obj.shape, storage, refresh)
    try:
        if obj.format == "bsr":
            obj.check_format(full_check=True)  # SciPy's compiled conversion trusts the arrays
        converted = obj.tocsr() if obj.ndim == 2 else obj.tocoo()
    except (ValueError, TypeError, IndexError) as e:
        raise FormatError(f"{_label(obj)}: {e}", hint="SciPy refuses to convert it") from None
    return wrap(converted)[0], None


def _wrap_compressed(obj: Any) -> tuple[Storage, Refresh | None]:
    label = _label(obj)
    data, dtype = _data(obj)
    pos = index_array(obj.indptr, f"{label}: indptr")
    crd = index_array(obj.indices, f"{label}: indices")
    if len(crd) != len(data):
        raise FormatError(f"{label}: {len(crd)} indices and {len(data)} values", hint="they go together")
    # SciPy may keep room beyond the last entry.
    size = max(0, int(pos[-1])) if len(pos) else 0
    parts = [{"pos": pos, "crd": crd[:size]}]
    fmt = named_format(obj.format, 2) if obj.ndim == 2 else named_format("coo", 1)
    if obj.ndim == 2:
        parts = [{}, *parts]
    try:
        storage = adopt(fmt, obj.shape, 0, parts, data[:size], dtype=dtype, name=label)
    except FormatError:
        extents = [obj.shape[d] for d in fmt.order]
        if not sortable(pos, crd, extents[0] if obj.ndim == 2 else 1, extents[-1]):
            raise
        return canonical_segments(fmt, obj.shape, pos, crd, data, dtype)
    if np.may_share_memory(storage.values, obj.data):
        return storage, None
    return storage, lambda data: plain(data)[:size]


def _wrap_list(obj: Any) -> tuple[Storage, Refresh | None]:
    label = _label(obj)
    data, dtype = _data(obj)
    coords = [index_array(c, f"{label}: coords[{d}]") for d, c in enumerate(obj.coords)]
    if any(len(c) != len(data) for c in coords) or len(coords) != len(obj.shape):
        lengths = ", ".join(str(len(c)) for c in coords)
        raise FormatError(f"{label}: coordinate arrays of lengths {lengths} and {len(data)} values")
    shape = tuple(int(n) for n in obj.shape)
    storage = shared_list(coords, data, shape, dtype)
    if storage is not None:
        return storage, None if np.may_share_memory(data, obj.data) else plain
    storage, arrangement = arranged(coords, data, shape, range(len(coords)), dtype, as_fill(0, dtype))
    return storage, lambda data: np.ascontiguousarray(arrangement.values(plain(data), dtype))


def _data(obj: Any) -> tuple[np.ndarray, DType]:
    data = np.asarray(obj.data)
    if data.ndim != 1:
        raise FormatError(f"{_label(obj)}: data has shape {data.shape}, expected one dimension")
    return plain(data), from_numpy(data.dtype)


def _label(obj: Any) -> str:
    return type(obj).__name__


# out

_CSR = from_levels("csr", (Dense(), Compressed())).normal()
_CSC = from_levels("csc", (Dense(), Compressed()), (1, 0)).normal()


def kind(storage: Storage) -> str | None:
    """"csr", "csc" or "coo" if the storage has that layout, else None."""
    if is_list(storage.format):
        return "coo"
    for name, fmt in (("csr", _CSR), ("csc", _CSC)):
        levels = storage.format.normal().levels
        if len(levels) == 2 and not storage.format.symmetric and all(
            a.coord == b.coord and type(a.type) is type(b.type) and b.type.unique and b.type.ordered
            for a, b in zip(fmt.levels, levels, strict=True)
        ):
            return name
    return None


def to_scipy(storage: Storage) -> Any:
    """A SciPy array over a storage whose ``kind`` is known, without a copy.

    Raises ``FormatError`` for a fill other than 0, ``TypeError_`` for dtypes that SciPy lacks.
    """
    import scipy.sparse

    if storage.fill != 0:
        raise FormatError(
            f"the fill value is {storage.fill}; what SciPy does not store is 0", hint="A.coo() gives the entries"
        )
    if storage.dtype in (F16, BF16):
        raise TypeError_(f"SciPy's sparse arrays have no dtype {storage.dtype}", hint="A.coo() gives the entries")
    layout = kind(storage)
    assert layout is not None
    out: Any
    known: Known
    if layout == "coo":
        out = scipy.sparse.coo_array((storage.values, tuple(storage.coordinates())), shape=storage.shape)
        out.has_canonical_format = True
        known = KnownList(out.data, out.coords, out.shape, storage, None)
    else:
        pos, crd = storage.levels[1]["pos"], storage.levels[1]["crd"]
        make = scipy.sparse.csr_array if layout == "csr" else scipy.sparse.csc_array
        out = make((storage.values, crd, pos), shape=storage.shape)
        if crd.dtype == pos.dtype == np.int64:  # SciPy narrows what would fit
            out.indices, out.indptr = crd, pos
        out.has_sorted_indices = out.has_canonical_format = True
        known = KnownCompressed(out.data, out.indices, out.indptr, out.shape, storage, None)
    if np.may_share_memory(out.data, storage.values):
        remember(out, known)
    return out


__all__ = ["kind", "to_scipy", "wrap"]
