"""Tensors shared between processes: all arrays in one block of shared memory, found again by its name.

``share(A)`` copies ``A`` into shared memory once; the handle that it gives is pickled in a few hundred bytes, and
``handle.tensor()`` in any process of the machine is a tensor over the same memory.  ``handle.unlink()``, the end of its
``with`` block or the end of the process that shared it removes the name; tensors that exist then stay valid.

The block is a file that is mapped, in ``/dev/shm`` where there is one: arrays keep a mapping alive by themselves, which
Python's ``SharedMemory`` cannot leave to them.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Any

import numpy as np

from sparsec.errors import BackendError, UnsupportedError
from sparsec.formats.format import Format
from sparsec.ir.dtypes import DType
from sparsec.runtime.storage import Scalar, Storage
from sparsec.tensors import Tensor, tensor

ALIGNMENT = 64
_LIVE: set[str] = set()
"""The blocks that this process shared and has not removed."""
_owner = 0
"""The process that ``_LIVE`` is of."""


@dataclass(frozen=True, slots=True)
class Part:
    """An array in the block."""

    offset: int
    length: int
    dtype: str

    def view(self, block: mmap.mmap) -> np.ndarray:
        """The array over the block."""
        return np.frombuffer(block, self.dtype, self.length, self.offset)


@dataclass(frozen=True, slots=True)
class Shared:
    """A tensor in shared memory: what another process needs to find it."""

    path: str
    format: Format
    shape: tuple[int, ...]
    dtype: DType
    fill: Scalar
    levels: tuple[dict[str, Part], ...]
    values: Part

    @property
    def size(self) -> int:
        """The bytes up to the end of the last array."""
        parts = [self.values, *(part for arrays in self.levels for part in arrays.values())]
        return max(part.offset + part.length * np.dtype(part.dtype).itemsize for part in parts)

    def tensor(self) -> Tensor:
        """The tensor over the shared memory: what one process writes into its values, the others see.

        Its index arrays are read-only.  Raises ``BackendError`` once the block is removed or truncated.
        """
        try:
            with open(self.path, "r+b") as file:
                block = mmap.mmap(file.fileno(), 0)
        except (OSError, ValueError):
            hint = "keep the process that shared it, and its 'with' block, until all are done"
            raise BackendError("the shared memory of this tensor has been removed", hint=hint) from None
        if len(block) < self.size:
            raise BackendError(
                f"the shared memory of this tensor has {len(block)} bytes, it needs {self.size}",
                hint="another program has truncated it: share the tensor again",
            )
        levels: list[dict[str, np.ndarray]] = []
        for arrays in self.levels:
            levels.append({role: part.view(block) for role, part in arrays.items()})
            for index in levels[-1].values():
                index.flags.writeable = False
        values = self.values.view(block)
        return Tensor.over(Storage(self.format, self.shape, self.dtype, self.fill, tuple(levels), values))

    def unlink(self) -> None:
        """Remove the block's name; memory that is in use stays until it is not."""
        _LIVE.discard(self.path)
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def __enter__(self) -> Shared:
        return self

    def __exit__(self, *problem: object) -> None:
        self.unlink()


def share(obj: Any) -> Shared:
    """Copy a tensor, or anything that ``sp.tensor`` takes, into a new block of shared memory.

    Raises ``BackendError`` where there is no room for it.

    >>> import sparsec as sp
    >>> with sp.share(sp.eye(3)) as shared:
    ...     float(shared.tensor().sum())
    3.0
    """
    s = tensor(obj).storage
    if s.parts or s.codes is not None:
        raise UnsupportedError(
            f"a tensor stored as '{s.format.label}' cannot be shared yet",
            hint="share each of A.parts, and sp.compose them there" if s.parts else "share A.decoded()",
        )
    levels: list[dict[str, Part]] = []
    size = 0

    def placed(array: np.ndarray) -> Part:
        nonlocal size
        part = Part(size, len(array), array.dtype.str)
        size += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        return part

    for arrays in s.levels:
        levels.append({role: placed(a) for role, a in arrays.items()})
    values = placed(s.values)
    path, block = _block(max(size, 1))
    _keep_track(path)
    for arrays, parts in zip(s.levels, levels, strict=True):
        for role, part in parts.items():
            part.view(block)[:] = arrays[role]
    values.view(block)[:] = s.values
    shared = Shared(path, s.format, s.shape, s.dtype, s.fill, tuple(levels), values)
    return shared


def _block(size: int) -> tuple[str, mmap.mmap]:
    """A new file of this size, all of it mapped."""
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    handle, path = tempfile.mkstemp(prefix="sparsec-", dir=folder)
    try:
        os.posix_fallocate(handle, 0, size)
        return path, mmap.mmap(handle, size)
    except OSError as e:
        os.unlink(path)
        raise BackendError(f"{size} bytes of shared memory are not to be had: {e.strerror}") from None
    finally:
        os.close(handle)


def _keep_track(path: str) -> None:
    """Remove the block at the end of this process, whose forks leave it alone."""
    global _owner
    if _owner != os.getpid():
        # A fork has its parent's set; a child of multiprocessing runs finalizers, but no atexit.
        _owner = os.getpid()
        _LIVE.clear()
        Finalize(None, _unlink_all, (_owner,), exitpriority=0)
    _LIVE.add(path)


def _unlink_all(owner: int) -> None:
    if os.getpid() == owner:
        for path in list(_LIVE):
            with suppress(OSError):
                os.unlink(path)


__all__ = ["Shared", "share"]
