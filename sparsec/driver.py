"""Joins the parts: a program whose formats are concrete to something that runs, and conversions by compiled copies.

``compiled`` keeps what it made in memory, and machine code on disk.  Nothing here knows users' objects: operands are
``Storage`` and dense arrays (``View``).
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsec.errors import BackendError, FormatError
from sparsec.formats.format import Format
from sparsec.formats.named import coo
from sparsec.ir import dtypes
from sparsec.ir.tensor import Access, Assign, Index, IndexDecl, Program, TensorDecl
from sparsec.knobs import knobs
from sparsec.passes.lower.signature import Slot, signature
from sparsec.runtime.entries import dense_view, from_dense, scatter
from sparsec.runtime.storage import Storage

if TYPE_CHECKING:
    from sparsec.ir import loops
    from sparsec.ir.buffer import Module

LIMIT = 512
"""Compiled programs kept in memory."""


class Compiled:
    """One program with concrete formats, compiled for a backend.

    ``slots`` is the layout of its argument block, ``times`` the milliseconds of each step.  ``loops`` and ``module`` are
    made again when somebody asks for them and the machine code came from the disk.
    """

    def __init__(self, program: Program, backend: str, nest: loops.Kernel | None = None) -> None:
        self.program = program
        self.backend = backend
        self.slots = signature(program)
        self.times: dict[str, float] = {}
        self.runner: Any = None
        if nest is not None:
            self.__dict__["loops"] = nest
        if backend == "cpu":
            self._prepare_cpu()
        else:
            self._prepare_other()

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

    def _timed(self, step: str, make: Any) -> Any:
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
            artifact = cpu.compile_module(self.machine_module)
            self.times.update(artifact.statistics)
            cache.put(key, artifact.object_bytes, {})
        self.runner = artifact

    def _cache_key(self) -> str:
        source = repr(self.__dict__.get("loops") or self.program)
        return f"{source}\0{'bounds' if knobs().checks('bounds') else ''}"

    def _prepare_other(self) -> None:
        from sparsec.backends import backend

        self.runner = backend(self.backend)

    def source(self, kind: str) -> str:
        """The kernel as "llvm", "llvm-opt", "asm" or "c"; raises ``BackendError`` for other kinds."""
        if kind == "c":
            from sparsec.backends.c import emit_c

            return emit_c(self.machine_module)
        from sparsec.backends import cpu

        return cpu.source(self.machine_module, kind)

    def run(self, call: Call, threads: int | None = None) -> dict[str, Storage]:
        """Run on a call's operands; fills ``call.outs`` and gives the sparse results.

        Raises ``Stopped`` with the reason where the kernel gives up.
        """
        if self.backend != "cpu":
            return self._run_by_name(call)
        numbers = call.block(self.slots)
        block = (ctypes.c_int64 * len(numbers))(*numbers)
        status = self.runner.run(block, threads)
        if status:
            raise Stopped(status)
        return self.published(block, call)

    def published(self, block: Sequence[int], call: Call) -> dict[str, Storage]:
        """The sparse results that a kernel left in its argument block; their memory belongs to the arrays."""
        from sparsec.backends.cpu import adopt

        arrays, at = [], 0
        for slot in self.slots:
            if slot.kind == "result":
                assert slot.dtype is not None
                arrays.append(adopt(block[at], block[at + 1], slot.dtype.np))
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
        for slot, p in zip(self.slots, self.machine_module.entry.params, strict=True):
            name = p.buffer.name if hasattr(p, "buffer") else p.var.name
            match slot.kind:
                case "in":
                    args[name] = next(given)
                case "out":
                    args[name] = call.outs[slot.tensor].reshape(-1)
                case "dim":
                    args[name] = call.dims[slot.tensor]
                case "result":
                    results.append(name)
        made = self.runner.run(self.machine_module, args)
        return self._assembled([made[name] for name in results], call)


@dataclass(slots=True)
class Call:
    """What one call passes: for each operand, in the program's order, its numbers in slot order; the dense results' arrays.

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


class Stopped(BackendError):
    """A kernel stopped by itself; ``reason`` is one of ``ABORT_CODES``."""

    def __init__(self, status: int) -> None:
        from sparsec.ir.buffer import ABORT_CODES

        self.reason = next((name for name, code in ABORT_CODES.items() if code == status), str(status))
        message, hint = _REASONS.get(self.reason, (f"the kernel stopped with '{self.reason}'", None))
        super().__init__(message, hint=hint)


_REASONS: dict[str, tuple[str, str | None]] = {
    "memory": ("the kernel ran out of memory", "the result or a workspace does not fit"),
    "overflow": ("the size of a result or workspace passes 2**63", None),
    "bounds": ("the kernel accessed a buffer out of bounds", "an operand's index arrays were changed after validation?"),
    "width": ("a position or coordinate does not fit in its index type", "declare a wider one: compressed[pos=i64]"),
}


_LOCK = threading.RLock()
_COMPILED: OrderedDict[Any, Compiled] = OrderedDict()


def compiled(program: Program, backend: str = "cpu", nest: loops.Kernel | None = None) -> Compiled:
    """``program`` (or the hand-written ``nest``) compiled, from memory where it was compiled before.

    Raises what the passes and the backend raise.
    """
    settings = knobs()
    key = (nest or program, backend, settings.check, settings.cache_dir)
    with _LOCK:
        found = _COMPILED.get(key)
        if found is None:
            found = _COMPILED[key] = Compiled(program, backend, nest)
            if len(_COMPILED) > LIMIT:
                _COMPILED.popitem(last=False)
        else:
            _COMPILED.move_to_end(key)
        return found


def forget() -> None:
    """Drop what is compiled in memory; kernels that exist keep theirs."""
    with _LOCK:
        _COMPILED.clear()


# conversions

_RAW = {1: dtypes.U8, 2: dtypes.U16, 4: dtypes.U32, 8: dtypes.U64}


def convert(storage: Storage, format: Format) -> Storage:
    """``storage`` in another format, by a compiled copy of its entries; ``storage`` itself if the formats agree.

    Open widths of ``format`` become those that the positions need.  Values travel as plain bits, so that one kernel serves
    every dtype of a size.  A dense storage becomes sparse by leaving out what equals its fill.

    Raises ``FormatError`` where orders differ or a width is too narrow.
    """
    if format.ndim != len(storage.shape):
        raise FormatError(
            f"format '{format.label}' is for tensors of order {format.ndim}, this one has order {len(storage.shape)}"
        )
    format.require_runnable()
    target = with_widths(format, storage.shape, wide=False)
    if fits(storage.format, format):
        return storage
    if storage.format.is_dense:
        if format.is_dense:
            return _dense(dense_view(storage), storage, target)
        return convert(from_dense(storage, target), format)
    if format.is_dense:
        return _dense(scatter(convert(storage, coo(len(storage.shape)))), storage, target)
    try:
        return _copy(storage, target)
    except Stopped as e:
        if e.reason != "width":
            raise
        wide = with_widths(format, storage.shape, wide=True)
        if wide == target:
            raise FormatError(
                f"the tensor has more entries than the positions of '{format}' can count", hint="declare pos=i64"
            ) from None
        return _copy(storage, wide)


def fits(have: Format, want: Format) -> bool:
    """Whether a tensor stored as ``have`` can stand where ``want``, whose widths may be open, is asked for."""
    if have.ndim != want.ndim or len(have.levels) != len(want.levels):
        return False
    have, want = have.normal(), want.normal()
    for a, b in zip(have.levels, want.levels, strict=True):
        widths = a.type.arrays()
        if a.coord != b.coord or type(a.type) is not type(b.type):
            return False
        if b.type.concrete(widths.get("crd", dtypes.I32), widths.get("pos", dtypes.I32)) != a.type:
            return False
    return True


def with_widths(format: Format, shape: tuple[int, ...], wide: bool) -> Format:
    """``format`` with its open widths set: 32 bits, or 64 where ``wide`` or where an extent needs them.

    Raises ``FormatError`` where a coordinate of ``shape`` does not fit in a width that is written.
    """
    index = dtypes.I64 if wide or any(n > 2**31 - 1 for n in shape) else dtypes.I32
    out = format.concrete(index, dtypes.I64 if wide else dtypes.I32)
    for spec, d in zip(out.levels, out.order, strict=True):
        crd = spec.type.arrays().get("crd")
        if crd is not None and shape[d] - 1 > np.iinfo(crd.np).max:
            raise FormatError(
                f"dimension '{out.dims[d]}' has extent {shape[d]}, more than index type {crd} of format '{format}' can say",
                hint="leave the width open, or declare a wider one",
            )
    return out


def _dense(array: np.ndarray, like: Storage, target: Format) -> Storage:
    """``array`` stored in the order of ``target``'s levels."""
    values = np.ascontiguousarray(array.transpose(target.order)).reshape(-1)
    return replace(like, format=target, levels=tuple({} for _ in target.levels), values=values)


def _copy(storage: Storage, target: Format) -> Storage:
    """The same entries in other levels."""
    raw = _RAW.get(storage.values.dtype.itemsize)
    if raw is None:  # 16 bytes: move the places, then the values
        places = replace(storage, dtype=dtypes.U64, fill=0, values=np.arange(len(storage.values), dtype=np.uint64))
        moved = _copy(places, target)
        return replace(moved, dtype=storage.dtype, fill=storage.fill, values=storage.values[moved.values])
    bits = replace(storage, dtype=raw, fill=0, values=storage.values.view(raw.np))
    program = _copy_program(storage.format, target, raw)
    kernel = compiled(program)
    dims = dict(zip(target.normal().dims, storage.shape, strict=True))
    made = kernel.run(Call([bits.addresses], [bits.buffers], dims))["B"]
    return replace(made, dtype=storage.dtype, fill=storage.fill, values=made.values.view(storage.values.dtype))


def _copy_program(source: Format, target: Format, t: dtypes.DType) -> Program:
    dims = target.normal().dims
    index = tuple(Index(d) for d in dims)
    return Program(
        "convert",
        (TensorDecl("A", t, dims, source, 0, "in"), TensorDecl("B", t, dims, target, 0, "out")),
        (Assign(Access("B", index, t), "=", Access("A", index, t), tuple(IndexDecl(d, d) for d in dims)),),
    )


__all__ = ["Call", "Compiled", "Stopped", "compiled", "convert", "fits", "forget", "with_widths"]
