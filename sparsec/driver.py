"""Joins the parts: a program whose formats are concrete becomes something that runs.

``compiled`` keeps what it made in memory, and machine code on disk.  Nothing here knows users' objects: operands are
``Storage`` and dense arrays (``View``).
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sparsec.errors import BackendError, UnsupportedError
from sparsec.ir.tensor import Program
from sparsec.ir.tensor_values import real_parts
from sparsec.knobs import knobs
from sparsec.passes.lower.signature import Slot, signature
from sparsec.profiling import note
from sparsec.runtime.storage import Storage

if TYPE_CHECKING:
    from sparsec.ir import loops
    from sparsec.ir.buffer import Module
    from sparsec.passes.bounds import Checked

LOG = logging.getLogger("sparsec.driver")
T = TypeVar("T")
LIMIT = 512
"""Compiled programs kept in memory."""


class Compiled:
    """One program with concrete formats, compiled for a backend.

    ``slots`` is the layout of its argument block, ``times`` the milliseconds of each step.  ``loops`` and ``module``
    are made again when somebody asks for them and the machine code came from the disk.
    """

    def __init__(self, program: Program, backend: str, nest: loops.Kernel | None = None) -> None:
        self.program = program
        self.backend = backend
        self.slots = signature(program)
        self.times: dict[str, float] = {}
        self.runner: Any = None
        self.checks_bounds = backend != "interp" and knobs().checks("bounds")  # the interpreter always does
        self.opt = knobs().opt
        if nest is not None:
            self.__dict__["loops"] = nest
        if backend == "cpu":
            self._prepare_cpu()
        else:
            self._prepare_other()
        note(program.name, self.times)
        LOG.info("%s for %s: %s", program.name, backend, ", ".join(f"{n} {t:.1f} ms" for n, t in self.times.items()))

    @cached_property
    def loops(self) -> loops.Kernel:
        from sparsec.passes.pipeline import to_loops

        return self._timed("plan", lambda: to_loops(self.program))

    @cached_property
    def module(self) -> Module:
        from sparsec.passes.pipeline import to_buffers

        nest = self.loops
        return self._timed("lower", lambda: to_buffers(nest))

    @cached_property
    def machine_module(self) -> Module:
        from sparsec.passes.pipeline import for_machine

        module = self.module
        return self._timed("expand", lambda: for_machine(module))

    @cached_property
    def checked(self) -> Checked:
        """The machine's module with every access checked, for ``SPARSEC_CHECK=bounds``."""
        from sparsec.passes.bounds import check_bounds

        return check_bounds(self.machine_module)

    @property
    def final_module(self) -> Module:
        """What the backend gets."""
        return self.checked.module if self.checks_bounds else self.machine_module

    def _timed(self, step: str, make: Callable[[], T]) -> T:
        start = perf_counter()
        made = make()
        self.times[step] = (perf_counter() - start) * 1e3
        return made

    def _prepare_cpu(self) -> None:
        from sparsec.backends import cpu
        from sparsec.runtime.cache import disk_cache

        cache, key = disk_cache(), self._cache_key()
        cpu.keep_in(cache)
        found = self._timed("look up", lambda: cache.get(key))
        if found is not None:
            artifact = self._timed("load", lambda: cpu.load(found[0]))
        else:
            artifact = cpu.compile_module(self.final_module)
            self.times.update(artifact.statistics)
            cache.put(key, artifact.object_bytes, {})
        self.runner = artifact

    def _cache_key(self) -> str:
        source = repr(self.__dict__["loops"]) if "loops" in self.__dict__ else self.program.text
        return f"{source}\0{'bounds' if self.checks_bounds else ''}\0{self.opt}"

    def _prepare_other(self) -> None:
        from sparsec.backends import backend

        self.runner = backend(self.backend)

    def source(self, kind: str) -> str:
        """The kernel as "llvm", "llvm-opt", "asm" or "c"; raises ``BackendError`` for other kinds."""
        if kind == "c":
            from sparsec.backends.c import emit_c

            return emit_c(self.final_module)
        from sparsec.backends import cpu

        return cpu.source(self.final_module, kind)

    def run(self, call: Call, threads: int | None = None) -> dict[str, Storage]:
        """Run on a call's operands; fills ``call.outs`` and gives the sparse results.

        Raises ``Stopped`` with the reason where the kernel gives up.
        """
        if self.backend != "cpu":
            return self._run_by_name(call)
        numbers = call.block(self.slots)
        fault = np.zeros(3, np.int64)
        if self.checks_bounds:
            numbers += [*call.lengths(self.slots), fault.ctypes.data]
        block = (ctypes.c_int64 * len(numbers))(*numbers)
        status = self.runner.run(block, threads)
        if status:
            raise Stopped(status, self.checked.describe(fault.tolist()) if fault.any() else None)
        return self.published(block, call)

    def published(self, block: Sequence[int] | ctypes.Array[ctypes.c_int64], call: Call) -> dict[str, Storage]:
        """The sparse results that a kernel left in its argument block; their memory belongs to the arrays."""
        from sparsec.backends.cpu import adopt

        arrays, at = [], 0
        for slot in self.slots:
            if slot.kind == "result":
                assert slot.dtype is not None
                parts = slot.dtype.part
                arrays.append(adopt(block[at], block[at + 1], parts.np).view(slot.dtype.np))
                at += 1
            at += 1
        return self._assembled(arrays, call)

    def _assembled(self, arrays: list[np.ndarray], call: Call) -> dict[str, Storage]:
        decls = {t.name: t for t in self.program.tensors}
        levels: dict[str, list[dict[str, np.ndarray]]] = {}
        out: dict[str, Storage] = {}
        slots = [slot for slot in self.slots if slot.kind == "result"]
        for slot, array in zip(slots, arrays, strict=True):
            t = decls[slot.tensor]
            assert t.format is not None
            mine = levels.setdefault(t.name, [{} for _ in t.format.levels])
            if slot.level >= 0:
                mine[slot.level][slot.role] = array
            else:
                shape = tuple(d if isinstance(d, int) else call.dims[d] for d in t.dims)
                out[t.name] = Storage(t.format, shape, t.dtype, t.fill, tuple(mine), array)
        return out

    def _run_by_name(self, call: Call) -> dict[str, Storage]:
        """Backends that take arrays by the names of the entry's parameters."""
        given = iter([a for arrays in call.arrays for a in arrays])
        args: dict[str, Any] = {}
        results: list[str] = []
        names = [p.buffer.name if hasattr(p, "buffer") else p.var.name for p in self.final_module.entry.params]
        fault = np.zeros(3, np.int64)
        if self.checks_bounds:
            args = dict(zip(names[len(self.slots) :], [*call.lengths(self.slots), fault], strict=True))
        for slot, name in zip(self.slots, names, strict=False):
            match slot.kind:
                case "in":
                    args[name] = real_parts(next(given).reshape(-1))
                case "out":
                    args[name] = real_parts(call.outs[slot.tensor].reshape(-1))
                case "dim":
                    args[name] = call.dims[slot.tensor]
                case "result":
                    results.append(name)
        try:
            made = self.runner.run(self.final_module, args)
        except BackendError:
            if fault.any():
                from sparsec.ir.buffer import ABORT_CODES

                raise Stopped(ABORT_CODES["bounds"], self.checked.describe(fault.tolist())) from None
            raise
        types = [slot.dtype.np for slot in self.slots if slot.kind == "result" and slot.dtype is not None]
        return self._assembled([made[name].view(t) for name, t in zip(results, types, strict=True)], call)


@dataclass(slots=True)
class Call:
    """What one call passes: for each operand, in the program's order, its numbers in slot order; dense results' arrays.

    ``arrays`` has each operand's buffers in slot order, for backends that take those; it also keeps them alive.
    """

    numbers: Sequence[Sequence[int]]
    arrays: Sequence[Sequence[np.ndarray]]
    dims: Mapping[str, int]
    outs: Mapping[str, np.ndarray] = field(default_factory=dict)

    def block(self, slots: tuple[Slot, ...]) -> list[int]:
        """The argument block."""
        out: list[int] = []
        for numbers in self.numbers:
            out += numbers
        for slot in slots:
            match slot.kind:
                case "out":
                    out.append(self.outs[slot.tensor].ctypes.data)
                case "result":
                    out += (0, 0)
                case "dim":
                    out.append(self.dims[slot.tensor])
        return out


    def lengths(self, slots: tuple[Slot, ...]) -> list[int]:
        """The elements of each array that is passed, as a module without complex values counts them."""
        given = iter([a for arrays in self.arrays for a in arrays])
        arrays = (next(given) if s.kind == "in" else self.outs[s.tensor] for s in slots if s.kind in ("in", "out"))
        return [a.size * (2 if a.dtype.kind == "c" else 1) for a in arrays]


class Stopped(BackendError):
    """A kernel stopped by itself; ``reason`` is one of ``ABORT_CODES``, ``said`` what it told of it."""

    def __init__(self, status: int, said: str | None = None) -> None:
        from sparsec.ir.buffer import ABORT_CODES

        self.reason = next((name for name, code in ABORT_CODES.items() if code == status), str(status))
        message, hint = _REASONS.get(self.reason, (f"the kernel stopped with '{self.reason}'", None))
        super().__init__(said or message, hint=hint)


_REASONS: dict[str, tuple[str, str | None]] = {
    "memory": (
        "the kernel ran out of memory",
        "a result or workspace does not fit: dcsr and coo store no empty rows, smaller blocks fewer zeros",
    ),
    "overflow": ("the size of a result or workspace passes 2**63", None),
    "packed": (
        "the entries of a result come in another order than it stores them, and sorting takes more than 64 bits for "
        "the coordinates of each",
        "store it in the order in which they come, or number the rows and columns that have entries",
    ),
    "bounds": (
        "the kernel accessed a buffer out of bounds",
        "an operand's index arrays were changed after validation?",
    ),
    "room": ("a result has more entries beneath one parent than its level has room for", "choose a wider format"),
    "outside": ("a result has an entry outside of the range that its level holds", "choose a wider range, or csr"),
    "index": ("an index read from data lies outside of the tensor that it indexes", "negative ones do, too"),
    "twice": ("'=' writes one place twice", "an update says what becomes of both: += *= min= max= |= &="),
    "width": ("a position or coordinate does not fit in its index type", "declare a wider one: compressed[pos=i64]"),
}


_LOCK = threading.RLock()
"""Held while compiling, and by a fork, so that the child finds it free.

Forks take locks in the reverse order of registration: LLVM's, which is taken inside this one, is registered first.
"""
_COMPILED: OrderedDict[Any, Compiled] = OrderedDict()


def compiled(program: Program, backend: str = "cpu", nest: loops.Kernel | None = None) -> Compiled:
    """``program`` (or the hand-written ``nest``) compiled, from memory where it was compiled before.

    Raises what the passes and the backend raise.
    """
    _guard_forks()
    settings = knobs()
    key = (program.text if nest is None else repr(nest), backend, settings.check, settings.cache_dir, settings.opt)
    with _LOCK:
        found = _COMPILED.get(key)
        if found is None:
            try:
                found = _COMPILED[key] = Compiled(program, backend, nest)
            except RecursionError:
                order = max((t.ndim for t in program.tensors), default=0)
                raise UnsupportedError(
                    f"'{program.name}' nests too deeply for Python's stack: it has tensors of order {order}",
                    hint="reshape joins dimensions; sys.setrecursionlimit lets more be nested",
                ) from None
            if len(_COMPILED) > LIMIT:
                _COMPILED.popitem(last=False)
        else:
            _COMPILED.move_to_end(key)
        return found


@cache
def routine(name: str, make: Callable[[], Module]) -> Any:
    """Machine code of buffer IR that is no program, by a name of its own, from the disk where it was made before.

    Its ``run`` takes a block of the entry's parameters, as ``cpu.compile_module`` says.
    """
    from sparsec.backends import cpu
    from sparsec.runtime.cache import disk_cache

    _guard_forks()
    cache_, key = disk_cache(), f"routine\0{name}\0{knobs().opt}"
    with _LOCK:
        cpu.keep_in(cache_)
        found = cache_.get(key)
        if found is not None:
            return cpu.load(found[0])
        artifact = cpu.compile_module(make())
        cache_.put(key, artifact.object_bytes, {})
        return artifact


@cache
def _guard_forks() -> None:
    from sparsec.backends.cpu import jit  # noqa: F401  (registers its own first)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)


def forget() -> None:
    """Drop what is compiled in memory; kernels that exist keep theirs."""
    with _LOCK:
        _COMPILED.clear()


__all__ = ["Call", "Compiled", "Stopped", "compiled", "forget", "routine"]
