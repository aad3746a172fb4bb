"""Run a buffer IR module on the CPU backend with arguments by name, as ``buffer_interp.run`` does."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from sparsec.backends import cpu
from sparsec.errors import BackendError
from sparsec.ir.buffer import ABORT_CODES, Buffer, Module, ScalarParam
from sparsec.knobs import scope
from sparsec.passes.parts import split_complex

Array = np.ndarray[Any, np.dtype[Any]]


class Native:
    """A compiled module; every access is checked where ``bounds``."""

    def __init__(self, module: Module, bounds: bool = False) -> None:
        self.module = module
        self.split = split_complex(module)
        with scope(check={"bounds"} if bounds else set()):
            self.artifact = cpu.compile_module(self.split)

    def __call__(self, module: Module, args: dict[str, Any]) -> dict[str, Array]:
        assert module is self.module
        params = module.entry.params
        block = (ctypes.c_int64 * (2 * len(params) + 1))()
        results: list[tuple[int, Buffer]] = []
        slot = 0
        for p in params:
            if isinstance(p, ScalarParam):
                block[slot] = int(args[p.var.name])
            elif p.mode == "result":
                results.append((slot, p.buffer))
                slot += 1
            else:
                array = args[p.buffer.name]
                assert array.flags.c_contiguous and array.dtype == p.buffer.dtype.np
                block[slot] = array.ctypes.data
            slot += 1
        status = self.artifact.run(block)
        if status:
            code = next(c for c, n in ABORT_CODES.items() if n == status)
            raise BackendError(f"the kernel stopped with '{code}'")
        return {b.name: cpu.adopt(block[at], block[at + 1], b.dtype.part.np).view(b.dtype.np) for at, b in results}
