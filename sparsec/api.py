"""The functions of the public face: compile, evaluate, einsum."""

from __future__ import annotations

import os
import pickle
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparsec.errors import FileError, FormatError, ScheduleError, SparsecError, TypeError_, UnsupportedError
from sparsec.ir.tensor import Program
from sparsec.kernel import Kernel
from sparsec.runtime.threads import check_threads

_NEST = re.compile(r"\s*(?:#[^\n]*\n\s*)*kernel\s+\w+\s*\{")
"""A loop nest's text: its kernels have no parameter list."""
_SCHEDULED = re.compile(r"\s*schedule\s+for\s+(\w+)")
"""The beginning of a schedule that says whose it is."""


def compile(
    source: str | os.PathLike[str],
    formats: Mapping[str, str] | None = None,
    backend: str = "cpu",
    schedule: str | None = None,
    passes: str | None = None,
    threads: int | None = None,
    example: Mapping[str, Any] | None = None,
    calls: int | None = None,
) -> Any:
    """Compile a program: its text, or the path of a file with it.

    Gives the kernel, or, where the text has several, a dict of kernels by name.  The text of a loop nest
    (``Kernel.ir``) compiles as it stands.

    ``schedule`` says how the loops run (``"order i, k, j; parallel i by 64"``), in the place of what the text says.

    ``formats`` replaces the formats of tensors by name (``{"A": "csc"}``); ``example`` has operands from which those
    that say ``auto`` are chosen; ``threads`` bounds the threads of parallel loops; ``calls`` tells how often the kernel
    will be called (nothing weighs it yet).

    Raises ``SyntaxError_``, ``TypeError_``, ``ShapeError`` or ``FormatError`` with the place in the text.

    >>> import sparsec as sp
    >>> k = sp.compile("kernel dot(x: f64[n], y: f64[n]) -> s: f64 { s = x[i] * y[i] }")
    >>> float(k([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    from sparsec.backends import backend as find_backend

    if passes is not None:
        raise UnsupportedError("pipelines of passes cannot be chosen yet")
    if calls is not None and (isinstance(calls, bool) or not isinstance(calls, int) or calls < 1):
        raise TypeError_(f"calls is a number of calls, not {calls!r}")
    for what, given in (("formats", formats), ("example", example)):
        if not isinstance(given, Mapping | None):
            raise TypeError_(f"{what} is a dict by the names of operands, not {given!r:.60}")
    if not isinstance(schedule, str | None):
        raise TypeError_(f"a schedule is text, not {schedule!r:.60}", hint='write schedule="order i, j", say')
    check_threads(threads)
    find_backend(backend)
    text, filename = _read(source)
    try:
        kernels = _kernels(text, filename, formats or {}, schedule, backend, threads)
    except SparsecError as e:
        raise e.locate(text, filename) from None
    for kernel in kernels.values():
        if example is not None:
            kernel.decide(example)
    return next(iter(kernels.values())) if len(kernels) == 1 else kernels


def _read(source: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Text and file name."""
    if isinstance(source, str) and (set("{\n\0") & set(source) or not source.strip()):
        return source, None
    if not isinstance(source, str | os.PathLike):
        raise TypeError_(f"a program is text or a path, not {type(source).__name__}")
    path = Path(source)
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise FileError(
            f"cannot read '{path}': {reason}",
            hint="a kernel's text has braces: kernel f(x: f64[n]) -> y: f64[n] { ... }; statements go to sp.evaluate",
        ) from None


def _kernels(
    text: str,
    filename: str | None,
    formats: Mapping[str, str],
    schedule: str | None,
    backend: str,
    threads: int | None,
) -> dict[str, Kernel]:
    if _NEST.match(text):
        from sparsec.ir.loops_text import parse_kernel
        from sparsec.ir.loops_verify import verify

        if formats:
            raise FormatError("a loop nest's formats are those of its text", hint="change them there")
        if schedule is not None:
            raise ScheduleError("a loop nest's schedule is its text", hint="change the loops there")
        nest = parse_kernel(text, filename)
        verify(nest)
        program = Program(nest.name, nest.tensors, ())
        return {nest.name: Kernel(program, nest=nest, backend=backend, threads=threads)}
    unused = set(formats)
    out = {}
    for name, program in with_schedule(_programs(text, filename), schedule).items():
        unused -= {t.name for t in program.tensors}
        out[name] = Kernel(with_formats(program, formats), backend=backend, threads=threads)
    if unused:
        raise TypeError_(f"formats names '{min(unused)}', which no kernel has")
    return out


def _programs(text: str, filename: str | None) -> dict[str, Program]:
    """The kernels of a source text; what was parsed by an earlier process comes from the disk, without the frontend."""
    from sparsec.runtime.cache import disk_cache

    cache, key = disk_cache(), f"programs\0{text}"
    found = cache.get(key)
    if found is not None:
        return pickle.loads(found[0])  # type: ignore[no-any-return]  # the folder is ours: its machine code is run, too
    from sparsec.frontends.dsl import parse_source
    from sparsec.profiling import reading

    unit = reading(lambda: parse_source(text, filename), lambda u: ", ".join(u.kernels))
    if not unit.kernels:
        raise TypeError_("the text defines no kernel", hint="kernel f(x: f64[n]) -> y: f64[n] { y[i] = 2 * x[i] }")
    from sparsec.frontends.dsl import directives

    kernels = {
        name: replace(p, schedule=directives(unit.schedules[name], p)) if name in unit.schedules else p
        for name, p in unit.kernels.items()
    }
    cache.put(key, pickle.dumps(kernels), {})
    return kernels


def with_schedule(programs: Mapping[str, Program], schedule: str | None) -> dict[str, Program]:
    """The programs, the one that a schedule is for with it in the place of its own."""
    if schedule is None:
        return dict(programs)
    from sparsec.frontends.dsl import directives, parse_schedule

    name = _SCHEDULED.match(schedule)
    if name is None and len(programs) > 1:
        hint = f"schedule for {next(iter(programs))} {{ ... }}"
        raise ScheduleError("the text has several kernels, and the schedule does not say which it is for", hint=hint)
    key = name[1] if name is not None and name[1] in programs else next(iter(programs))
    try:
        asked = directives(parse_schedule(schedule, programs[key]), programs[key])
    except SparsecError as e:
        raise e.locate(schedule, None) from None
    return {**programs, key: replace(programs[key], schedule=asked)}


def with_formats(program: Program, formats: Mapping[str, str]) -> Program:
    """The program with the formats of some tensors replaced; "auto" opens one."""
    if not formats:
        return program
    from sparsec.frontends.dsl import parse_format

    tensors = []
    for t in program.tensors:
        if t.name in formats:
            if not isinstance(formats[t.name], str):
                raise TypeError_(f"formats: '{t.name}' has {formats[t.name]!r:.60}, which is no text such as 'csr'")
            t = replace(t, format=parse_format(formats[t.name], t.ndim))
        tensors.append(t)
    return replace(program, tensors=tuple(tensors))


_LIMIT = 256
_LOCK = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)
_EVALUATED: OrderedDict[Any, Kernel] = OrderedDict()


def _cached(key: Any, make: Any) -> Kernel:
    """The kernel made for ``key`` before, or a new one."""
    with _LOCK:
        found = _EVALUATED.get(key)
        if found is not None:
            _EVALUATED.move_to_end(key)
            return found
    made: Kernel = make()
    with _LOCK:
        _EVALUATED[key] = made
        if len(_EVALUATED) > _LIMIT:
            _EVALUATED.popitem(last=False)
    return made


def evaluate(text: str, /, *unnamed: Any, sizes: Mapping[str, int] | None = None, **operands: Any) -> Any:
    """Run statements on operands given by name, declared by what they are.

    One statement gives its result, several a dict of the names that no later one reads.  A result without a format is
    sparse where its operands make it so.  ``sizes`` gives the extents of index variables that no operand has.

    >>> import sparsec as sp
    >>> sp.evaluate("y[i] = A[i, j] * x[j]", A=sp.tensor([[0.0, 2.0], [1.0, 0.0]], format="csr"), x=[3.0, 4.0])
    array([8., 3.])
    """
    if not isinstance(text, str):
        raise TypeError_(f"statements are text, not {type(text).__name__}")
    if unnamed:
        raise TypeError_("the operands of sp.evaluate come by name", hint="write sp.evaluate(text, A=A, x=x), say")
    kernel, given = statement_kernel(text, operands)
    out = kernel(*(given[t.name] for t in kernel.program.operands), sizes=sizes)
    names = [t.name for t in kernel.program.results]
    return out if len(names) == 1 else dict(zip(names, out, strict=True))


def statement_kernel(text: str, operands: Mapping[str, Any]) -> tuple[Kernel, dict[str, Any]]:
    """The kernel of statements for operands like these, kept for the next ones, and the operands, lists as arrays."""
    from sparsec.frontends.dsl import parse_statements
    from sparsec.profiling import reading

    given, types = _typed(operands)
    try:
        key = (text, tuple(types.items()))

        def read() -> Kernel:
            return Kernel(reading(lambda: parse_statements(text, types), lambda p: p.name), open_fills=True)

        return _cached(key, read), given
    except SparsecError as e:
        raise e.locate(text) from None


def einsum(spec: str, /, *operands: Any, format: str | None = None, **other: Any) -> Any:
    """A sum of products in NumPy's notation: ``einsum("ik,kj->ij", A, B)``.

    ``format`` is the result's; without one it is sparse where the operands make it so.  Options of NumPy's are
    refused with ``TypeError_``.

    >>> import numpy as np, sparsec as sp
    >>> sp.einsum("ij,j->i", np.eye(2), np.array([3.0, 4.0]))
    array([3., 4.])
    """
    from sparsec.frontends.einsum import einsum_program

    if other:
        hint = "cast the result: .astype(...)" if "dtype" in other else "it takes format=..."
        raise TypeError_(f"sp.einsum takes no {min(other)}=", hint=hint)
    given, types = _typed({str(n): x for n, x in enumerate(operands)})

    def make() -> Kernel:
        program = einsum_program(spec, tuple(types.values()))
        if format is not None:
            program = with_formats(program, {t.name: format for t in program.results})
        return Kernel(program, open_fills=format is None)

    kernel = _cached((spec, tuple(types.values()), format), make)
    return kernel(*given.values())


def _typed(operands: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Operands with lists as arrays, and what each one is."""
    from sparsec.frontends.dsl import OperandType
    from sparsec.runtime.outside import dense_source, operand_storage

    given, types = {}, {}
    for name, x in operands.items():
        storage = operand_storage(x)
        if storage is not None:
            fmt = None if storage.format.is_dense else storage.format.normal()
            given[name] = x
            types[name] = OperandType(storage.dtype, len(storage.shape), fmt, storage.fill)
            continue
        array, dtype = dense_source(x, f"operand '{name}'")
        given[name] = x if hasattr(x, "dtype") else array
        types[name] = OperandType(dtype, array.ndim, None, dtype.np.type(0).item())
    return given, types


def grad(kernel: Kernel, wrt: str) -> Kernel:
    """The derivative of a kernel: comes in a later version."""
    raise UnsupportedError("'grad' cannot run yet")


__all__ = ["compile", "einsum", "evaluate", "grad", "with_formats"]
