"""Compile emitted C with the system's compiler and run it through ctypes.  For tests: nothing else needs a compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from sparsec.backends.c.emit import emit_c, entry_symbol
from sparsec.errors import BackendError
from sparsec.ir.buffer import ABORT_CODES, Buffer, Module, ScalarParam, scalar
from sparsec.ir.dtypes import BF16

FLAGS = ("-std=c99", "-O1", "-fwrapv", "-ffp-contract=off", "-fPIC", "-shared", "-Wall", "-Wno-unused", "-Werror")


def compiler() -> str | None:
    """The path of a C compiler, if there is one."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


@lru_cache(maxsize=256)
def _load(source: str, symbol: str) -> Callable[[int], int]:
    cc = compiler()
    if cc is None:
        raise BackendError("there is no C compiler", hint="the 'cpu' backend needs none")
    with tempfile.TemporaryDirectory(prefix="sparsec-c-") as folder:
        code, library = Path(folder, "kernel.c"), Path(folder, "kernel.so")
        code.write_text(source, encoding="utf-8")
        done = subprocess.run([cc, *FLAGS, "-o", library, code, "-lm"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BackendError(f"the C compiler refused the emitted code:\n{done.stderr}")
        entry = ctypes.CDLL(str(library))[symbol]
    entry.argtypes, entry.restype = [ctypes.c_void_p], ctypes.c_int64
    return entry


def run(module: Module, args: Mapping[str, np.ndarray | int | float | bool | complex]) -> dict[str, np.ndarray]:
    """Compile (once for the same source) and run; arguments, results and errors as ``buffer_interp.run``."""
    entry = _load(emit_c(module), entry_symbol(module))
    params = module.entry.params
    names = [p.var.name if isinstance(p, ScalarParam) else p.buffer.name for p in params]
    if unknown := args.keys() - set(names):
        raise BackendError(f"'{module.entry.name}' has no parameter called {', '.join(sorted(unknown))}")
    block = np.zeros(2 * len(params) + 1, np.int64)
    results: list[tuple[int, Buffer]] = []
    slot = 0
    for p, name in zip(params, names, strict=True):
        if not isinstance(p, ScalarParam) and p.mode == "result":
            results.append((slot, p.buffer))
            slot += 2
            continue
        if name not in args:
            raise BackendError(f"an argument for '{name}' is missing")
        value = args[name]
        if isinstance(p, ScalarParam):
            _put_scalar(block[slot : slot + 1], value, p)
        else:
            block[slot] = _address(value, p.buffer, p.mode)
        slot += 1
    status = entry(block.ctypes.data)
    if status:
        code = next((c for c, n in ABORT_CODES.items() if n == status), str(status))
        raise BackendError(f"the kernel stopped with '{code}'")
    return {buffer.name: _take(module, block[slot : slot + 2], buffer) for slot, buffer in results}


def _put_scalar(slot: np.ndarray, value: object, p: ScalarParam) -> None:
    t = scalar(p.var.type)
    if t is BF16:
        slot.view(np.uint16)[0] = np.asarray(value, np.float32).view(np.uint32) >> 16
    else:
        slot.view(np.uint8)[: t.nbytes] = np.asarray(value).astype(t.np).reshape(1).view(np.uint8)


def _address(value: object, buffer: Buffer, mode: str) -> int:
    if not isinstance(value, np.ndarray) or value.dtype != buffer.dtype.np or value.ndim != 1:
        raise BackendError(f"'{buffer.name}' wants a 1-d array of {buffer.dtype.np}")
    if not value.flags.c_contiguous or (mode == "out" and not value.flags.writeable):
        raise BackendError(f"the array of '{buffer.name}' is not contiguous, or written but read-only")
    return int(value.ctypes.data)


def _take(module: Module, slots: np.ndarray, buffer: Buffer) -> np.ndarray:
    address, length = int(slots[0]), int(slots[1])
    if not address:
        raise BackendError(f"'{module.entry.name}' did not publish its result '{buffer.name}'")
    raw = ctypes.string_at(address, length * buffer.dtype.nbytes)
    release = ctypes.CDLL(None).free
    release.argtypes, release.restype = [ctypes.c_void_p], None
    release(address)
    return np.frombuffer(raw, buffer.dtype.np).copy()


__all__ = ["compiler", "run"]
