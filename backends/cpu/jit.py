"""From buffer IR to something that runs: LLVM's passes at O3 for this host, machine code, loading, calling.

One ORC session holds all kernels, each in a library of its own that goes with its ``Artifact``.  Linking an object
takes a fraction of a millisecond.
"""

from __future__ import annotations

import atexit
import ctypes
import ctypes.util
import itertools
import os
import sys
import threading
import weakref
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sparsec.backends.cpu.team import TEAM_RUN, team
from sparsec.errors import BackendError
from sparsec.knobs import knobs, thread_count

if TYPE_CHECKING:
    from sparsec.ir.buffer import Module

ENTRY = "sparsec_entry"
"""The symbol that is called."""

_LOCK = threading.RLock()
"""LLVM's objects belong to one thread at a time; a fork waits for it, so that the child finds LLVM in order."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)

_NUMBER = itertools.count()
_ENTRY_TYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
_SOURCES = ("llvm", "llvm-opt", "asm")


@cache
def llvm_binding() -> Any:
    """llvmlite's binding, set up for this host."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    libm = ctypes.util.find_library("m") if sys.platform != "linux" else "libm.so.6"
    if libm:
        llvm.load_library_permanently(libm)
    return llvm


@cache
def host() -> tuple[str, str, str]:
    """LLVM's triple of this process, the name of the CPU, its features."""
    llvm = llvm_binding()
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@cache
def _machine(level: int) -> Any:
    triple, name, features = host()
    target = llvm_binding().Target.from_triple(triple)
    return target.create_target_machine(
        cpu=name, features=features, opt=level, reloc="pic", codemodel="jitdefault", jit=True
    )


@cache
def _session() -> Any:
    """The ORC session; never disposed of, since threads may be in its code while the interpreter ends."""
    session = llvm_binding().create_lljit_compiler(None, suppress_errors=True)
    session._owned = True
    return session


_LIVE: weakref.WeakSet[Artifact] = weakref.WeakSet()


@atexit.register
def _keep_code() -> None:
    """Daemon threads may still run kernels while the interpreter takes its objects down."""
    for artifact in _LIVE:
        artifact._code.detach()


def _optimised(text: str, level: int) -> Any:
    """The module of ``text`` after LLVM's pipeline of a level: O0 to O3."""
    llvm = llvm_binding()
    try:
        module = llvm.parse_assembly(text, llvm.create_context())
    except RuntimeError as problem:
        raise BackendError(f"LLVM rejects the code made for it: {problem}", hint="this is a bug in sparsec") from None
    builder = llvm.create_pass_builder(_machine(level), llvm.create_pipeline_tuning_options(level))
    builder.getModulePassManager().run(module, builder)
    return module


def link_object(object_bytes: bytes, *symbols: str, imports: dict[str, int] | None = None) -> Any:
    """Load machine code; the mapping from ``symbols`` to addresses keeps it alive."""
    builder = llvm_binding().JITLibraryBuilder().add_object_img(object_bytes).add_current_process()
    for name in symbols:
        builder.export_symbol(name)
    for name, address in (imports or {}).items():
        builder.import_symbol(name, address)
    try:
        return builder.link(_session(), f"kernel{next(_NUMBER)}")
    except RuntimeError as problem:
        raise BackendError(f"machine code cannot be loaded: {problem}", hint="sparsec cache clear") from None


class Cache(Protocol):
    """Where machine code may be kept between processes (``runtime.cache.DiskCache``)."""

    def get(self, key: str) -> tuple[bytes, dict[str, Any]] | None: ...

    def put(self, key: str, object_bytes: bytes, metadata: dict[str, Any]) -> None: ...


_CACHE: list[Cache] = []


def keep_in(cache: Cache) -> None:
    """Keep the code that every process needs, the team's, in ``cache``."""
    _CACHE[:] = [cache]


def link_forever(text: str, symbols: tuple[str, ...]) -> Any:
    """Load LLVM IR, unoptimised, for the rest of the process; gives the mapping of ``symbols`` to addresses."""
    with _LOCK:
        kept = _CACHE[0].get(text) if _CACHE else None
        object_bytes = kept[0] if kept else _unoptimised(text)
        code = link_object(object_bytes, *symbols)
    if _CACHE and not kept:
        _CACHE[0].put(text, object_bytes, {})
    code.detach()
    return code


def _unoptimised(text: str) -> bytes:
    llvm = llvm_binding()
    quick = llvm.Target.from_triple(host()[0]).create_target_machine(
        opt=0, reloc="pic", codemodel="jitdefault", jit=True
    )
    made: bytes = quick.emit_object(llvm.parse_assembly(text, llvm.create_context()))
    return made


class Artifact:
    """Machine code in memory, called with the GIL released.

    ``statistics`` has the milliseconds of each step; ``object_bytes`` can be kept and given to ``load`` again.
    """

    def __init__(self, object_bytes: bytes, entry: str, text: str | None, statistics: dict[str, float]) -> None:
        self.object_bytes = object_bytes
        self.entry = entry
        self.statistics = statistics
        self.parallel = TEAM_RUN.encode() in object_bytes
        self._text = text
        start = perf_counter()
        with _LOCK:
            imports = {TEAM_RUN: team().run_address} if self.parallel else None
            self._code = link_object(object_bytes, entry, imports=imports)
        self._call = _ENTRY_TYPE(self._code[entry])
        _LIVE.add(self)
        statistics["link"] = (perf_counter() - start) * 1e3

    def run(self, args: ctypes.Array[ctypes.c_int64] | int, threads: int | None = None) -> int:
        """Run the kernel on an argument block or its address; gives its status: 0, or one of ``ABORT_CODES``.

        Parallel loops use ``threads`` threads, or as many as the knobs say.
        """
        if not self.parallel:
            return int(self._call(args, 1))
        threads = threads or thread_count()
        team().ensure(threads)
        return int(self._call(args, threads))

    def source(self, kind: str = "llvm") -> str:
        """The kernel as ``"llvm"`` (as emitted), ``"llvm-opt"`` (after LLVM's pipeline) or ``"asm"``.

        Raises ``BackendError`` for other kinds, and for a kernel loaded without its text.
        """
        if self._text is None:
            raise BackendError("this kernel was loaded without its source")
        return _render(self._text, kind)


def source(module: Module, kind: str = "llvm") -> str:
    """What ``compile_module`` makes of ``module``, as ``Artifact.source`` gives it."""
    return _render(_emit(module), kind)


def _render(text: str, kind: str) -> str:
    if kind not in _SOURCES:
        raise BackendError(f"the cpu backend has no source '{kind}'", hint="there are " + ", ".join(_SOURCES))
    if kind == "llvm":
        return text
    level = knobs().opt
    with _LOCK:
        module = _optimised(text, level)
        return str(module) if kind == "llvm-opt" else str(_machine(level).emit_assembly(module))


def _emit(module: Module) -> str:
    from sparsec.backends.cpu.emit import emit_module  # code from the disk needs no emitter

    return emit_module(module).text()


def compile_module(module: Module) -> Artifact:
    """Compile ``module`` for this host, at the level of optimisation of the knob ``opt``.

    The entry takes an argument block of 8-byte slots, in the order of its parameters: the address of each "in" and
    "out" buffer, the value of each scalar, two slots (address, elements) for each "result", whose memory ``adopt``
    takes over.
    """
    start = perf_counter()
    text = _emit(module)
    emitted = perf_counter()
    level = knobs().opt
    with _LOCK:
        machine = _machine(level)
        ready = perf_counter()
        optimised = _optimised(text, level)
        passed = perf_counter()
        object_bytes = machine.emit_object(optimised)
    times = (emitted - start, ready - emitted, passed - ready, perf_counter() - passed)
    steps = dict(zip(("emit", "setup", "optimise", "codegen"), (t * 1e3 for t in times), strict=True))
    return Artifact(object_bytes, ENTRY, text, steps)


def load(object_bytes: bytes, entry_name: str = ENTRY, text: str | None = None) -> Artifact:
    """The artifact of machine code kept from an earlier ``compile_module`` on the same kind of host.

    ``text`` (``source("llvm")`` of then) lets the new one show its source.
    """
    return Artifact(object_bytes, entry_name, text, {})


@cache
def _free() -> Any:
    free = ctypes.CDLL(None).free
    free.argtypes, free.restype = [ctypes.c_void_p], None
    return free


class _Owned:
    """Memory of a published buffer, given back when the last array over it has gone."""

    def __init__(self, address: int, size: int, dtype: np.dtype) -> None:
        self.address = address
        self.free = _free()  # the interpreter clears module globals before the last arrays go
        self.__array_interface__ = {
            "data": (address, False), "shape": (size,), "typestr": dtype.str, "version": 3
        }  # fmt: skip

    def __del__(self) -> None:
        self.free(self.address)


def adopt(address: int, length: int, dtype: np.dtype) -> np.ndarray:
    """A writable array over a published buffer of ``length`` elements; its memory is freed with the array."""
    return np.asarray(_Owned(address, length, np.dtype(dtype)))


def release(address: int) -> None:
    """Free a published buffer that nobody wants."""
    _free()(address)


__all__ = [
    "Artifact",
    "Cache",
    "adopt",
    "compile_module",
    "host",
    "keep_in",
    "link_object",
    "llvm_binding",
    "load",
    "release",
    "source",
]
