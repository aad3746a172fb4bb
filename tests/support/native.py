"""Run a buffer IR module on the CPU backend with arguments by name, as ``buffer_interp.run`` does."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from sparsec.backends import cpu
from sparsec.errors import BackendError
from sparsec.ir.buffer import ABORT_CODES, Buffer, Module, ScalarParam
from sparsec.ir.tensor_values import real_parts
from sparsec.passes.bounds import FAULT, check_bounds
from sparsec.passes.parts import split_complex

Array = np.ndarray[Any, np.dtype[Any]]


class Native:
    """A compiled module; every access is checked where ``bounds``, and an error says what the check found."""

    def __init__(self, module: Module, bounds: bool = False) -> None:
        self.module = module
        split = split_complex(module)
        self.checked = check_bounds(split) if bounds else None
        self.artifact = cpu.compile_module(split if self.checked is None else self.checked.module)

    def __call__(self, module: Module, args: dict[str, Any]) -> dict[str, Array]:
        assert module is self.module
        params = module.entry.params
        block = (ctypes.c_int64 * (3 * len(params) + 2))()
        lengths: list[int] = []
        fault = np.zeros(FAULT, np.int64)
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
                lengths.append(real_parts(array).size)
            slot += 1
        if self.checked is not None:
            block[slot : slot + len(lengths) + 1] = [*lengths, fault.ctypes.data]
        status = self.artifact.run(block)
        if status:
            code = next(c for c, n in ABORT_CODES.items() if n == status)
            said = self.checked.describe(fault) if self.checked is not None and fault.any() else None
            raise BackendError(said or f"the kernel stopped with '{code}'")
        return {b.name: cpu.adopt(block[at], block[at + 1], b.dtype.part.np).view(b.dtype.np) for at, b in results}
