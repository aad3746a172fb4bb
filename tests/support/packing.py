"""Dense arrays to the level arrays of any format and back, by the definition of the levels, apart from the runtime.

``pack`` makes the arguments of a lowered kernel from a dense array and its pattern; ``unpack`` reads a sparse result,
checks that it is in canonical form (segments in order, coordinates sorted, inside and without duplicates) and gives it
back dense.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsec.formats.format import Format
from sparsec.ir.buffer import Module, ScalarParam

Array = np.ndarray[Any, np.dtype[Any]]


def chains(fmt: Format) -> list[list[int]]:
    """Level numbers, with a nonunique level and the singletons beneath it in one group."""
    groups: list[list[int]] = []
    for n, spec in enumerate(fmt.levels):
        if spec.type.branchless:
            groups[-1].append(n)
        else:
            groups.append([n])
    return groups


def pack(fmt: Format, dense: Array, pattern: Array) -> tuple[list[dict[str, Array]], Array]:
    """The arrays of each level by role, and the values."""
    order = fmt.order
    shape = [dense.shape[d] for d in order]
    arrays: list[dict[str, Array]] = [{} for _ in fmt.levels]
    entries = sorted(tuple(int(c[d]) for d in order) for c in np.argwhere(pattern)) if fmt.ndim else [()]
    nodes: list[tuple[int, ...]] = [()]
    for group in chains(fmt):
        first, last = group[0], group[-1]
        if fmt.levels[first].type.full:
            nodes = [(*node, c) for node in nodes for c in range(shape[first])]
            continue
        below: dict[tuple[int, ...], list[tuple[int, ...]]] = {node: [] for node in nodes}
        for tail in dict.fromkeys(e[: last + 1] for e in entries):
            below[tail[:first]].append(tail)
        counts = [len(below[node]) for node in nodes]
        nodes = [child for node in nodes for child in below[node]]
        arrays[first]["pos"] = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        for level in group:
            arrays[level]["crd"] = np.array([node[level] for node in nodes], np.int64)
    for level, found in enumerate(arrays):
        types = fmt.levels[level].type.arrays()
        arrays[level] = {role: a.astype(types[role].np) for role, a in found.items()}
    place = [0] * fmt.ndim
    values = []
    for node in nodes:
        for d, c in zip(order, node, strict=True):
            place[d] = c
        values.append(dense[tuple(place)])
    return arrays, np.array(values, dense.dtype)


def unpack(
    fmt: Format, arrays: list[dict[str, Array]], values: Array, shape: tuple[int, ...], fill: Any
) -> tuple[Array, Array]:
    """The dense array and the pattern of a sparse result; asserts that its arrays are canonical."""
    order = fmt.order
    nodes: list[tuple[int, ...]] = [()]
    for group in chains(fmt):
        first = group[0]
        n = shape[order[first]]
        if fmt.levels[first].type.full:
            nodes = [(*node, c) for node in nodes for c in range(n)]
            continue
        pos = arrays[first]["pos"]
        assert len(pos) == len(nodes) + 1, f"level {first}: pos has {len(pos)} elements for {len(nodes)} parents"
        assert pos[0] == 0 and (np.diff(pos.astype(np.int64)) >= 0).all(), f"level {first}: pos is {pos}"
        coords = [arrays[level]["crd"] for level in group]
        for level, crd in zip(group, coords, strict=True):
            extent = shape[order[level]]
            assert len(crd) == pos[-1], f"level {level}: {len(crd)} coordinates, pos ends at {pos[-1]}"
            assert all(0 <= c < extent for c in crd), f"level {level}: a coordinate outside 0 .. {extent - 1}: {crd}"
        below = []
        for parent, node in enumerate(nodes):
            tails = [tuple(int(crd[q]) for crd in coords) for q in range(pos[parent], pos[parent + 1])]
            assert tails == sorted(set(tails)), f"level {first}: not sorted or not unique beneath {node}: {tails}"
            below += [(*node, *t) for t in tails]
        nodes = below
    assert len(values) == len(nodes), f"{len(values)} values for {len(nodes)} positions"
    dense, pattern = np.full(shape, fill, values.dtype), np.zeros(shape, bool)
    for node, value in zip(nodes, values, strict=True):
        at = tuple(node[order.index(d)] for d in range(fmt.ndim))
        dense[at], pattern[at] = value, True
    return dense, pattern


def arguments(
    module: Module,
    packed: dict[str, tuple[list[dict[str, Array]], Array]],
    dense_results: dict[str, Array],
    dims: dict[str, int],
) -> dict[str, Any]:
    """The arguments of a lowered module's entry by parameter name, found through the parameters' origins."""
    out: dict[str, Any] = {}
    for p in module.entry.params:
        if isinstance(p, ScalarParam):
            out[p.var.name] = dims[p.var.name.removeprefix("dim_")]
            continue
        origin = p.buffer.origin
        assert origin is not None
        if p.mode == "out":
            out[p.buffer.name] = dense_results[origin.tensor]
        elif p.mode == "in":
            levels, values = packed[origin.tensor]
            out[p.buffer.name] = values if origin.level < 0 else levels[origin.level][origin.role]
    return out


def results_of(
    module: Module, out: dict[str, Array], tensor: str, levels: int
) -> tuple[list[dict[str, Array]], Array]:
    """A sparse result's arrays by level and role, and its values."""
    arrays: list[dict[str, Array]] = [{} for _ in range(levels)]
    values = None
    for p in module.entry.params:
        if isinstance(p, ScalarParam) or p.mode != "result":
            continue
        origin = p.buffer.origin
        if origin is None or origin.tensor != tensor:
            continue
        if origin.level < 0:
            values = out[p.buffer.name]
        else:
            arrays[origin.level][origin.role] = out[p.buffer.name]
    assert values is not None
    return arrays, values
