"""Composite tensors in memory: a storage for each part of the format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sparsec.formats.format import Format
from sparsec.ir.dtypes import DType
from sparsec.runtime.storage import Storage, as_fill


def composed(format: Format, shape: tuple[int, ...], dtype: DType, parts: Sequence[Storage]) -> Storage:
    """The tensor of these parts; ``format`` takes the widths that they are stored in."""
    given = iter(parts)
    concrete = format.with_parts(lambda f: next(given).format.with_dims(f.dims))
    return Storage(concrete, shape, dtype, as_fill(0, dtype), (), np.empty(0, dtype.np), None, tuple(parts))


def with_parts(storage: Storage, change: Callable[[Storage], Storage]) -> Storage:
    """A composite tensor with each part changed, in the same formats."""
    parts = tuple(map(change, storage.parts))
    dtype = parts[0].dtype
    return replace(storage, parts=parts, dtype=dtype, fill=as_fill(0, dtype), values=np.empty(0, dtype.np))


__all__ = ["composed", "with_parts"]
