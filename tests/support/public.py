"""Programs through the public face: ``sp.compile`` of DSL text, operands as a user would pass them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np

import sparsec as sp
from sparsec.ir.dtypes import BF16, F32
from sparsec.ir.tensor import Program, TensorDecl
from sparsec.ir.tensor_values import from_storage, to_storage
from tests.support.strategies import Data

Array = np.ndarray[Any, np.dtype[Any]]


def operand(t: TensorDecl, array: Array, pattern: Array) -> Any:
    """A number, a NumPy array (Fortran order, every other time) or a ``Tensor``."""
    assert t.format is not None
    if t.dtype is BF16:
        return bf16(t, array, pattern)
    if not t.ndim:
        return array[()]
    if t.format.is_dense and t.format.order == tuple(range(t.ndim)):
        return np.asfortranarray(array) if array.size % 2 else array
    coords = np.argwhere(pattern).T
    return sp.from_coo(coords, array[tuple(coords)], array.shape, format=str(t.format), fill_value=t.fill)


def bf16(t: TensorDecl, array: Array, pattern: Array) -> Any:
    """NumPy has no bf16: a number, or a ``Tensor`` that was cast."""
    wide = from_storage(array, BF16)
    if not t.ndim:
        return float(wide)
    made = operand(replace(t, dtype=F32), wide, pattern)
    return (made if isinstance(made, sp.Tensor) else sp.tensor(made)).astype("bf16")


def call(kernel: Any, program: Program, data: Data) -> dict[str, Array]:
    """Run a compiled kernel; sparse results are validated, checked for duplicates, and made dense."""
    got = run(kernel, program, data)
    return {t.name: result(t, got[t.name]) for t in program.results}


def run(entry: Any, program: Program, data: Data, **options: Any) -> dict[str, Any]:
    """Call a kernel, or a half of one, with operands as a user would pass them; its results by name."""
    operands = {t.name: operand(t, data.arrays[t.name], data.stored[t.name]) for t in program.operands}
    known = {d for t in program.operands for d in t.dims}
    open_ = {d for t in program.results for d in t.dims if isinstance(d, str)} - known
    sizes = {d: data.dims[d] for d in open_}
    options |= {"sizes": sizes} if sizes else {}
    results = program.results
    # A copy, or a view with steps, which the kernel cannot write into as it stands.
    out = {t.name: _out(t, operands.pop(t.name)) for t in results if t.role == "inout"}
    got = entry(**operands, **options, **({"out": out} if out else {}))
    values = got if len(results) > 1 else (got,)
    for t, v in zip(results, values, strict=True):
        assert t.name not in out or v is out[t.name], f"'{t.name}' is not what the caller passed"
    return dict(zip((t.name for t in results), values, strict=True))


def _out(t: TensorDecl, passed: Any) -> Any:
    if isinstance(passed, sp.Tensor):
        return passed
    array = np.asarray(passed)
    if array.ndim and array.size % 3 == 0:
        wide = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    return array.copy(order="A")


def result(t: TensorDecl, value: Any) -> Array:
    """The dense array of a result, which must be of the kind that its declaration says; bf16 as its bits."""
    if t.dtype is BF16:
        kept = value.astype("f32") if isinstance(value, sp.Tensor) and value.storage.dtype is BF16 else value
        return to_storage(result(replace(t, dtype=F32), kept), BF16)
    assert t.format is not None
    if t.format.is_dense:
        if t.role == "inout" and isinstance(value, sp.Tensor):  # what was passed as out
            return value.numpy()
        assert isinstance(value, np.ndarray if t.ndim or t.role == "inout" else np.generic), type(value)
        return np.asarray(value)
    assert isinstance(value, sp.Tensor), type(value)
    value.validate()
    assert value.fill_value == t.fill
    coords, _ = value.coo()
    assert coords.shape == (t.ndim, len(set(map(tuple, coords.T.tolist())))), "a coordinate is stored twice"
    in_order = [tuple(c.of(point, value.shape) for c in t.format.coords) for point in coords.T.tolist()]
    sorted_by = [[tuple(c) for c in coords[list(dims)].T.tolist()] for dims in permutations(range(t.ndim))]
    ordered = any(points == sorted(points) for points in (in_order, *sorted_by))
    assert ordered or not t.format.is_plain, "the entries are not sorted"  # those of maps come as a loop finds them
    return np.asarray(value.numpy())
