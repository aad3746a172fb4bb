"""Running a module on NumPy arrays by the names of its parameters; what the driver does with less ado."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsec.backends.cpu.jit import Artifact, adopt, compile_module
from sparsec.errors import BackendError
from sparsec.ir.buffer import ABORT_CODES, BufferParam, Module, ScalarParam, scalar
from sparsec.ir.tensor_values import from_storage, held, to_storage

_NAMES = {code: name for name, code in ABORT_CODES.items()}


def run(module: Module, args: Mapping[str, Any], artifact: Artifact | None = None) -> dict[str, np.ndarray]:
    """Compile ``module`` (or take its ``artifact``) and run its entry; gives the published arrays by parameter name.

    ``args`` has a contiguous one-dimensional array for every "in" and "out" parameter ("out" is written in place) and a
    number for every scalar.  Raises ``BackendError`` for arguments that do not fit and when the kernel aborts.
    """
    artifact = artifact or compile_module(module)
    slots: list[int] = []
    keep: list[np.ndarray] = []
    for p in module.entry.params:
        if isinstance(p, BufferParam) and p.mode == "result":
            slots += [0, 0]
            continue
        name = p.var.name if isinstance(p, ScalarParam) else p.buffer.name
        if name not in args:
            raise BackendError(f"an argument for '{name}' is missing")
        array = _scalar(p, args[name]) if isinstance(p, ScalarParam) else _array(p, args[name])
        keep.append(array)
        slots.append(array.view(np.int64).item() if isinstance(p, ScalarParam) else array.ctypes.data)
    block = (ctypes.c_int64 * max(1, len(slots)))(*slots)
    status = artifact.run(block)
    if status:
        raise BackendError(f"the kernel stopped with '{_NAMES.get(status, status)}'")
    return _results(module, block)


def _results(module: Module, block: ctypes.Array[ctypes.c_int64]) -> dict[str, np.ndarray]:
    out, slot = {}, 0
    for p in module.entry.params:
        if isinstance(p, BufferParam) and p.mode == "result":
            if not block[slot]:
                raise BackendError(f"'{module.entry.name}' did not publish its result '{p.buffer.name}'")
            out[p.buffer.name] = adopt(block[slot], block[slot + 1], p.buffer.dtype.np)
            slot += 1
        slot += 1
    return out


def _scalar(p: ScalarParam, value: Any) -> np.ndarray:
    """The bits of a scalar in an 8-byte slot."""
    slot = np.zeros(8, np.uint8)
    t = scalar(p.var.type)
    bits = to_storage(from_storage(np.asarray(value, held(t)), t), t).reshape(1).view(np.uint8)
    slot[: bits.size] = bits
    return slot


def _array(p: BufferParam, value: Any) -> np.ndarray:
    b = p.buffer
    if not isinstance(value, np.ndarray) or value.dtype != b.dtype.np or value.ndim != 1:
        found = f"{value.ndim}-d array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise BackendError(f"'{b.name}' wants a 1-d array of {b.dtype.np}, not a {found}")
    if not value.flags.c_contiguous or not value.flags.aligned:
        raise BackendError(f"'{b.name}' wants a contiguous, aligned array")
    if p.mode == "out" and not value.flags.writeable:
        raise BackendError(f"'{b.name}' is written, but its array is read-only")
    return value


__all__ = ["run"]
