"""Run one program every way there is and compare: the reference meaning, the lowered buffer IR, the public API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsec.ir import buffer_interp, loops_interp
from sparsec.ir.buffer import Module
from sparsec.ir.loops import Kernel
from sparsec.ir.tensor import Program
from sparsec.ir.tensor_bounds import Magnitude, evaluate
from sparsec.passes.lower import emit, plan
from tests.support.dtypes import element
from tests.support.packing import arguments, pack, results_of, unpack
from tests.support.strategies import Data, expand
from tests.support.updates import passed_name
from tests.support.windows import lower as lower_half

Array = np.ndarray[Any, np.dtype[Any]]
Runner = Callable[[Module, dict[str, Any]], dict[str, Array]]


@dataclass(frozen=True, slots=True)
class Lowered:
    """A program and what the compiler made of it."""

    program: Program
    kernel: Kernel
    module: Module


def lower(program: Program) -> Lowered:
    """Loop nest and buffer IR of a program; raises what the compiler raises."""
    kernel = plan(program)
    return Lowered(program, kernel, emit(kernel))


def execute(low: Lowered, data: Data, runner: Runner = buffer_interp.run) -> dict[str, tuple[Array, Array]]:
    """Dense values and pattern of each result, run on arrays packed here; canonical form is asserted."""
    program = low.program
    packed = {}
    for t in low.kernel.tensors:
        assert t.format is not None
        if t.role == "in":
            name = passed_name(t.name, data.arrays)
            packed[t.name] = pack(t.format, *stored_part(program, name, data), element(t.fill, t.dtype))
    shapes = {t.name: tuple(d if isinstance(d, int) else data.dims[d] for d in t.dims) for t in program.results}
    dense = {}
    for t in program.results:
        assert t.format is not None
        if t.format.is_dense:
            # Garbage, so that an element nobody writes shows.
            size = int(np.prod(shapes[t.name], dtype=np.int64))
            dense[t.name] = np.full(size, element(np.nan if t.dtype.is_float else 77, t.dtype))
            if t.role == "inout":
                dense[t.name][:] = data.arrays[t.name].transpose(t.format.order).reshape(-1)
    out = runner(low.module, arguments(low.module, packed, dense, data.dims))
    results = {}
    for t in program.results:
        assert t.format is not None
        shape = shapes[t.name]
        if t.name in dense:
            order = t.format.order
            stored = dense[t.name].reshape([shape[d] for d in order])
            values = stored.transpose([order.index(d) for d in range(t.ndim)])
            results[t.name] = (values, np.ones(shape, bool))
        else:
            arrays, values = results_of(low.module, out, t.name, len(t.format.levels))
            results[t.name] = unpack(t.format, arrays, values, shape, element(t.fill, t.dtype))
    return results


def stored_part(program: Program, name: str, data: Data) -> tuple[Array, Array]:
    """An operand and its pattern as kernels know it: of what is symmetric the lower half."""
    array, stored = data.arrays[name], data.stored[name]
    t = next((d for d in program.tensors if d.name == name), None)
    if t is None or t.format is None or not t.format.symmetric:
        return array, stored
    half = lower_half(array.shape)
    return np.where(half, array, element(t.fill, t.dtype)), stored & half


def walk_loops(low: Lowered, data: Data, folds: bool = False) -> dict[str, tuple[Array, Array]]:
    """Values and patterns by the loop nest interpreter; ``folds`` is its."""
    given = {t.name: passed_name(t.name, data.arrays) for t in low.kernel.tensors if t.role in ("in", "inout")}
    parts = {n: stored_part(low.program, m, data) for n, m in given.items()}
    arrays, stored = {n: a for n, (a, _) in parts.items()}, {n: s for n, (_, s) in parts.items()}
    values, patterns = loops_interp.execute(low.kernel, arrays, data.dims, stored, folds)
    return {n: (v, patterns[n]) for n, v in values.items()}


def check_patterns(low: Lowered, data: Data, got: dict[str, tuple[Array, Array]]) -> None:
    """Raise ``AssertionError`` if a sparse result of ``got`` stores other entries than its loops do.

    That is the rule of docs/language.md ("Absent entries"), whose two liberties are the only ones: beneath a sparse
    level whole blocks are stored, and a reduction that is folded in a scalar may be an entry though nothing came.
    """
    least, most = walk_loops(low, data), walk_loops(low, data, folds=True)
    for t in low.program.results:
        assert t.format is not None
        if t.format.is_dense:
            continue
        must, may, stored = expand(t.format, least[t.name][1]), expand(t.format, most[t.name][1]), got[t.name][1]
        assert not (must & ~stored).any(), f"'{t.name}' lacks entries at {np.argwhere(must & ~stored).tolist()}"
        assert not (stored & ~may).any(), f"'{t.name}' stores more: {np.argwhere(stored & ~may).tolist()}"


def expected(program: Program, data: Data) -> tuple[dict[str, Array], dict[str, Magnitude]]:
    """The reference meaning and its bounds."""
    return evaluate(program, data.arrays, data.dims, data.stored)


def check(got: dict[str, Array], want: dict[str, Array], bound: dict[str, Magnitude], where: str) -> None:
    """Raise ``AssertionError`` that names the first element out of bounds."""
    for name, array in want.items():
        mine = np.asarray(got[name])
        assert mine.shape == array.shape, f"{where}: '{name}' has shape {mine.shape}, expected {array.shape}"
        assert mine.dtype == array.dtype, f"{where}: '{name}' has dtype {mine.dtype}, expected {array.dtype}"
        bad = np.argwhere(bound[name].differs(array, mine))
        if len(bad):
            at = tuple(int(c) for c in bad[0])
            raise AssertionError(
                f"{where}: '{name}'{list(at)} is {mine[at]}, expected {array[at]} "
                f"(tolerance {np.broadcast_to(bound[name].tolerance, array.shape)[at]:.3g}, {len(bad)} elements differ)"
            )
