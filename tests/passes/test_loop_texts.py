"""Hand-written loop nests lower to buffer IR and mean there what the loop nest interpreter says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparsec.formats.compressed import Compressed
from sparsec.ir import buffer_interp, buffer_verify, loops_interp
from sparsec.ir.loops import Kernel
from sparsec.ir.loops_text import parse_kernel
from sparsec.ir.tensor import TensorDecl
from sparsec.passes.lower import emit
from tests.ir.loop_kernels import NAMES

Arrays = dict[str, np.ndarray[Any, Any]]


def pack(t: TensorDecl, a: np.ndarray[Any, Any]) -> Arrays:
    """The level arrays of ``a``; a sparse tensor stores what differs from its fill."""
    assert t.format is not None
    points = np.argwhere(np.ones(a.shape, bool) if t.format.is_dense else a != t.fill)[:, list(t.format.order)]
    points = points[np.lexsort(points.T[::-1])] if points.size else points
    out: Arrays = {}
    where, count = np.zeros(len(points), np.int64), 1
    for level, (spec, dim) in enumerate(zip(t.format.levels, t.format.order, strict=True)):
        coords = points[:, level]
        if spec.type.full:
            where, count = where * a.shape[dim] + coords, count * a.shape[dim]
            continue
        first = np.ones(len(points), bool)
        if spec.type.unique and isinstance(spec.type, Compressed):
            first[1:] = (where[1:] != where[:-1]) | (coords[1:] != coords[:-1])
        types = spec.type.arrays()
        if "pos" in types:
            heads = np.bincount(where[first], minlength=count)
            out[f"{t.name}_pos{level}"] = np.r_[0, np.cumsum(heads)].astype(types["pos"].np)
        out[f"{t.name}_crd{level}"] = coords[first].astype(types["crd"].np)
        where, count = np.cumsum(first) - 1, int(first.sum())
    values = np.full(count, t.fill, t.dtype.np)
    values[where] = a[tuple(points[:, list(t.format.order).index(d)] for d in range(t.ndim))]
    return {**out, f"{t.name}_vals": values}


def unpack(t: TensorDecl, shape: tuple[int, ...], arrays: Arrays) -> np.ndarray[Any, Any]:
    """The dense array of a result's level arrays."""
    assert t.format is not None
    places: list[tuple[int, ...]] = [()]
    for level, (spec, dim) in enumerate(zip(t.format.levels, t.format.order, strict=True)):
        crd = arrays.get(f"{t.name}_crd{level}_out")
        pos = arrays.get(f"{t.name}_pos{level}_out")
        below: list[tuple[int, ...]] = []
        for p, prefix in enumerate(places):
            if spec.type.full:
                below += [(*prefix, c) for c in range(shape[dim])]
            else:
                assert crd is not None
                span = range(pos[p], pos[p + 1]) if pos is not None else range(p, p + 1)
                below += [(*prefix, int(crd[q])) for q in span]
        places = below
    out = np.full(shape, t.fill, t.dtype.np)
    assert sorted(places) == places
    assert len(set(places)) == len(places)
    for place, value in zip(places, arrays[f"{t.name}_vals_out"], strict=True):
        out[tuple(place[t.format.order.index(d)] for d in range(t.ndim))] = value
    return out


def operands(k: Kernel, extents: dict[str, int], seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    out: Arrays = {}
    for t in k.tensors:
        if t.role not in ("in", "inout"):
            continue
        shape = tuple(d if isinstance(d, int) else extents[d] for d in t.dims)
        a = rng.integers(1, 5, shape).astype(t.dtype.np)
        if t.name == "bin":
            a %= extents["b"]
        elif t.format is not None and not t.format.is_dense:
            a[rng.random(shape) < 0.6] = t.fill
        out[t.name] = a
    return out


EXTENTS = [
    {"m": 5, "n": 7, "d": 6, "p": 6, "b": 4},
    {"m": 1, "n": 1, "d": 1, "p": 1, "b": 1},
    {"m": 9, "n": 70, "d": 9, "p": 130, "b": 3},
    {"m": 0, "n": 3, "d": 2, "p": 4, "b": 1},
]


LATER = {"histogram"}
"""Updates of the caller's arrays at indices read from data cannot run yet."""


@pytest.mark.parametrize("name", [n for n in NAMES if n not in LATER])
@pytest.mark.parametrize("extents", EXTENTS, ids=str)
def test_lowered_as_meant(name: str, extents: dict[str, int]) -> None:
    k = parse_kernel(NAMES[name])
    given = operands(k, extents, seed=len(name))
    meant = loops_interp.run(k, given, extents)
    module = emit(k)
    buffer_verify.verify(module)
    arguments: dict[str, Any] = {}
    for t in k.tensors:
        if t.name in given:
            arguments |= pack(t, given[t.name])
        elif t.role == "out" and t.format is not None and t.format.is_dense:
            arguments[f"{t.name}_vals"] = np.full(meant[t.name].size, 77, t.dtype.np)
    used = {d for t in k.tensors for d in t.dims if isinstance(d, str)}
    arguments |= {f"dim_{d}": n for d, n in extents.items() if d in used}
    results = buffer_interp.run(module, arguments)
    for t in k.tensors:
        if t.role in ("out", "inout") and t.format is not None:
            if t.format.is_dense:
                got = arguments[f"{t.name}_vals"].reshape(meant[t.name].shape)
            else:
                got = unpack(t, meant[t.name].shape, results)
            assert np.array_equal(got, meant[t.name]), t.name
