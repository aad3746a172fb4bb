"""Arrays of pydata/sparse (the package ``sparse``) in and out, known by their attributes.

COO enters as coordinates; GCXS of two dimensions is csr or csc over the same memory; others, DOK too, by their own
conversion to COO.  They bring a fill value of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsec.errors import FormatError, UnsupportedError
from sparsec.formats.named import named_format
from sparsec.ir.dtypes import from_numpy
from sparsec.runtime.entries import canonical
from sparsec.runtime.storage import Storage, adopt, as_fill, as_shape, index_array, is_list, plain


def is_pydata(cls: type) -> bool:
    """Whether objects of this class are pydata's sparse arrays."""
    own = cls.__module__.partition(".")[0] == "sparse"
    return own and (all(hasattr(cls, name) for name in ("todense", "nnz")) or cls.__name__ in ("COO", "GCXS", "DOK"))


def wrap(obj: Any) -> Storage:
    """The storage of a COO, GCXS or DOK array.

    Raises ``FormatError`` for inconsistent arrays, ``TypeError_`` for a dtype without a counterpart.
    """
    label = f"sparse.{type(obj).__name__}"
    if hasattr(obj, "indptr") and len(obj.shape) == 2:
        fmt = named_format("csr" if tuple(obj.compressed_axes) == (0,) else "csc", 2)
        levels = [{}, {"pos": obj.indptr, "crd": obj.indices}]
        return adopt(fmt, obj.shape, _item(obj.fill_value), levels, obj.data, name=label)
    if not hasattr(obj, "coords"):
        obj = obj.tocoo() if hasattr(obj, "tocoo") else obj.to_coo()
    shape = as_shape(obj.shape)
    values = plain(obj.data)
    dtype = from_numpy(values.dtype)
    coords = [index_array(c, f"{label}: coords[{d}]") for d, c in enumerate(np.asarray(obj.coords))]
    if len(coords) != len(shape) or any(len(c) != len(values) for c in coords):
        raise FormatError(f"{label}: coords has shape {np.shape(obj.coords)}, data {values.shape}, the array {shape}")
    fill = as_fill(_item(obj.fill_value), dtype)
    if not shape:
        from sparsec.formats.named import dense

        one = values[:1] if len(values) else np.full(1, fill, dtype.np)
        return Storage(dense(0), (), dtype, fill, (), one)
    return canonical(coords, values, shape, range(len(shape)), dtype, fill)


def _item(value: Any) -> Any:
    return np.asarray(value)[()]


def to_pydata(storage: Storage) -> Any:
    """A ``sparse.GCXS`` over csr and csc, else a ``sparse.COO`` of a coordinate list.

    Raises ``UnsupportedError`` where the package is not installed.
    """
    try:
        import sparse
    except ImportError:
        raise UnsupportedError("pydata/sparse is not installed", hint="pip install sparse") from None
    from sparsec.runtime.scipy_bridge import kind

    fill = storage.fill_value
    if not is_list(storage.format):
        axes = (0,) if kind(storage) == "csr" else (1,)
        parts = (storage.values, storage.levels[1]["crd"], storage.levels[1]["pos"])
        return sparse.GCXS(parts, shape=storage.shape, compressed_axes=axes, fill_value=fill)
    coords = np.stack(storage.coordinates())
    ordered = storage.format.order == tuple(range(storage.ndim))
    return sparse.COO(
        coords, storage.values, shape=storage.shape, has_duplicates=False, sorted=ordered, fill_value=fill
    )


__all__ = ["is_pydata", "to_pydata", "wrap"]
