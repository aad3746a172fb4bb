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
from tests.support import windows

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


Node = tuple[int, ...] | None
"""The coordinates of a position, those of its parents first; None for a position that holds nothing."""

PADDING = 77
"""What stands where nothing may look."""


def pack(fmt: Format, dense: Array, pattern: Array, fill: Any = 0) -> tuple[list[dict[str, Array]], Array]:
    """The arrays of each level by role, and the values."""
    if fmt.symmetric:
        return pack(fmt.half, dense, pattern & windows.lower(dense.shape))
    shape = fmt.level_shape(dense.shape)
    points = level_points(fmt, dense.shape)
    arrays: list[dict[str, Any]] = [{} for _ in fmt.levels]
    entries = sorted(at for at, point in points.items() if pattern[point])
    assert not (pattern & ~windows.holds(fmt, dense.shape)).any(), f"{fmt} cannot hold the pattern"
    nodes: list[Node] = [()]
    values: list[Any] = []
    for group in chains(fmt):
        first, last = group[0], group[-1]
        level = fmt.levels[first].type
        if level.full:
            nodes = [None if node is None else (*node, c) for node in nodes for c in range(shape[first])]
            continue
        if level.name == "range":
            nodes = windows.places(fmt, first, nodes, shape[first])
            continue
        below: dict[tuple[int, ...], list[tuple[int, ...]]] = {node: [] for node in nodes if node is not None}
        for tail in dict.fromkeys(e[: last + 1] for e in entries):
            below[tail[:first]].append(tail)
        if level.name == "runs":
            arrays[first], values = _pack_runs([[] if n is None else below[n] for n in nodes], dense, points)
            nodes = []
            continue
        fibres = [[] if node is None else below[node] for node in nodes]
        arrays[first], nodes = PACKERS[level.encoding or level.name](level, fibres, shape[first], first)
        for n in group[1:]:
            arrays[n]["crd"] = [0 if node is None else node[n] for node in nodes]
    for n, found in enumerate(arrays):
        types = fmt.levels[n].type.arrays()
        arrays[n] = {role: np.asarray(found[role]).astype(types[role].np) for role in types}
    # Padding that kernels may read holds the fill.
    nothing = fill if any(spec.type.padded for spec in fmt.levels) else PADDING
    values += [dense[points[node]] if node in points else nothing for node in nodes]
    return arrays, np.array(values, dense.dtype)


def level_points(fmt: Format, shape: tuple[int, ...]) -> dict[Node, tuple[int, ...]]:
    """Where each point of a tensor stands: the coordinates that the levels store, and its own."""
    return {tuple(int(c.of(p, shape)) for c in fmt.coords): p for p in np.ndindex(*shape)}


Fibres = list[list[tuple[int, ...]]]
Packed = tuple[dict[str, Any], list[Node]]


def _compressed(level: Any, fibres: Fibres, extent: int, depth: int) -> Packed:
    nodes = [node for fibre in fibres for node in fibre]
    pos = np.concatenate([[0], np.cumsum([len(f) for f in fibres], dtype=np.int64)])
    return {"pos": pos, "crd": [node[depth] for node in nodes]}, list(nodes)


def _fixed(level: Any, fibres: Fibres, extent: int, depth: int) -> Packed:
    assert all(len(f) <= level.width for f in fibres), "a fibre is longer than the level is wide"
    nodes: list[Node] = [node for f in fibres for node in [*f, *[None] * (level.width - len(f))]]
    return {"count": [len(f) for f in fibres], "crd": [PADDING if n is None else n[depth] for n in nodes]}, nodes


def _bitmap(level: Any, fibres: Fibres, extent: int, depth: int) -> Packed:
    nodes: list[Node] = []
    for f in fibres:
        there = {node[depth]: node for node in f}
        nodes += [there.get(c) for c in range(extent)]
    return {"map": [node is not None for node in nodes]}, nodes


FACTOR = 0x9E3779B97F4A7C15


def _hashed(level: Any, fibres: Fibres, extent: int, depth: int) -> Packed:
    nodes: list[Node] = []
    pos, crd = [0], []
    for f in fibres:
        slots = 2 if f else 0
        while slots < len(f) * 3 // 2 + bool(f):
            slots *= 2
        table: list[Node] = [None] * slots
        for node in reversed(f):
            at = (node[depth] * FACTOR % 2**64 >> 32) % slots
            while table[at] is not None:
                at = (at + 1) % slots
            table[at] = node
        nodes += table
        pos.append(len(nodes))
        crd += [-1 if node is None else node[depth] for node in table]
    return {"pos": pos, "crd": np.array(crd, np.int64)}, nodes


def _shuffled(level: Any, fibres: Fibres, extent: int, depth: int) -> Packed:
    """Coordinates of an unordered level come in no order: the last first."""
    return _compressed(level, fibres if level.ordered else [f[::-1] for f in fibres], extent, depth)


def _delta(level: Any, fibres: Fibres, extent: int, depth: int) -> Packed:
    arrays, nodes = _compressed(level, fibres, extent, depth)
    step, skip, wide = [], [0], []
    for f in fibres:
        at = 0
        for node in f:
            far = node[depth] - at >= 255
            step.append(255 if far else node[depth] - at)
            wide += [node[depth]] * far
            at = node[depth]
        skip.append(len(wide))
    return {"pos": arrays["pos"], "step": step, "skip": skip, "crd": wide}, nodes


def _structured(level: Any, fibres: Fibres, extent: int, depth: int) -> Packed:
    """The coordinates of a group's slots, the first in the lowest bits, and above them which of them hold an entry."""
    n, m, bits = level.kept, level.group, level.bits
    words, nodes = [], []
    for f in fibres:
        assert len(f) <= n, "a group holds more than the level keeps"
        there = {node[depth]: node for node in f}
        free = [c for c in range(m) if c not in there]
        chosen = sorted([*there, *free[: n - len(there)]])
        words.append(sum(c << (k * bits) for k, c in enumerate(chosen)))
        words[-1] |= sum((c in there) << (n * bits + k) for k, c in enumerate(chosen))
        nodes += [there.get(c) for c in chosen]
    return {"meta": np.array(words, np.uint64)}, nodes


def _sliced(level: Any, fibres: Fibres, extent: int, depth: int) -> Packed:
    """Fibres by length in windows, slices of them as tables whose columns are the fibres, stored by rows."""
    c, w, n = level.rows, level.window, len(fibres)
    order = [p for at in range(0, n, w) for p in sorted(range(at, min(at + w, n)), key=lambda p: -len(fibres[p]))]
    slots, nodes, count = [0], [], []
    for at in range(0, n, c):
        lanes = [fibres[p] for p in order[at : at + c]]
        lanes += [[]] * (c - len(lanes))
        count += [len(f) for f in lanes]
        longest = max(count[-c:])
        slots.append(slots[-1] + longest)
        nodes += [f[k] if k < len(f) else None for k in range(longest) for f in lanes]
    rank = np.argsort(np.array(order, np.int64))
    crd = [PADDING if node is None else node[depth] for node in nodes]
    return {"order": order, "rank": rank, "count": count, "slots": slots, "crd": crd}, nodes


def _ragged(level: Any, fibres: Fibres, extent: int, depth: int) -> Packed:
    """Everything up to the last entry of a fibre."""
    pos, nodes = [0], []
    for f in fibres:
        length = f[-1][depth] + 1 if f else 0
        nodes += [(*f[0][:depth], c) for c in range(length)]
        pos.append(len(nodes))
    return {"pos": pos}, nodes


PACKERS = {
    "ragged": _ragged,
    "sliced": _sliced,
    "index=delta8": _delta, "structured": _structured,
    "compressed": _shuffled, "fixed": _fixed, "bitmap": _bitmap, "hashed": _hashed,
}  # fmt: skip


def _pack_runs(fibres: Fibres, dense: Array, points: dict[Any, tuple[int, ...]]) -> tuple[dict[str, Any], list[Any]]:
    """Ends and values of the runs of the last level: everything up to the last entry of a fibre, gaps among them."""
    pos, crd, flags, values = [0], [], [], []
    for fibre in fibres:
        stored = {node[-1] for node in fibre}
        begin = len(values)
        for c in range(fibre[-1][-1] + 1 if fibre else 0):
            there = c in stored
            value = dense[points[*fibre[0][:-1], c]] if there else PADDING
            if len(values) > begin and flags[-1] == there and values[-1] == value:
                crd[-1] = c + 1
            else:
                crd.append(c + 1)
                flags.append(there)
                values.append(value)
        pos.append(len(values))
    return {"pos": pos, "crd": crd, "map": flags}, values


def unpack(
    fmt: Format, arrays: list[dict[str, Array]], values: Array, shape: tuple[int, ...], fill: Any
) -> tuple[Array, Array]:
    """The dense array and the pattern of a sparse result; asserts that its arrays are canonical."""
    if fmt.symmetric:
        half, there = unpack(fmt.half, arrays, values, shape, fill)
        return windows.mirror(half), windows.mirror(there & windows.lower(shape))
    extents, points = fmt.level_shape(shape), level_points(fmt, shape)
    nodes: list[Node] = [()]
    for group in chains(fmt):
        first = group[0]
        n = extents[first]
        level = fmt.levels[first].type
        if level.full:
            nodes = [None if node is None else (*node, c) for node in nodes for c in range(n)]
            continue
        if level.name == "range":
            nodes = windows.places(fmt, first, nodes, n)
            continue
        if level.name == "runs":
            nodes, values = _from_runs(arrays[first], nodes, values, n, f"level {first}")
            continue
        if level.name == "sliced":  # its positions are in another order than their parents
            nodes = _from_sliced(level, arrays[first], nodes, n, f"level {first}")
            continue
        found = UNPACKERS[level.encoding or level.name](level, arrays[first], nodes, n, f"level {first}")
        coords = [arrays[m]["crd"] for m in group[1:]]
        for m, crd in zip(group[1:], coords, strict=True):
            extent = extents[m]
            size = sum(map(len, found))
            assert len(crd) == size, f"level {m}: {len(crd)} coordinates for {size} positions"
            assert all(0 <= c < extent for c in crd), f"level {m}: a coordinate outside 0 .. {extent - 1}: {crd}"
        below: list[Node] = []
        for node, fibre in zip(nodes, found, strict=True):
            at = range(len(below), len(below) + len(fibre))
            assert node is not None or set(fibre) <= {None}, f"level {first}: entries beneath a gap"
            full = [
                None if c is None else (c, *(int(crd[q]) for crd in coords)) for c, q in zip(fibre, at, strict=True)
            ]
            tails = [t for t in full if t is not None]
            wanted = sorted(set(tails)) if level.ordered else list(dict.fromkeys(tails))
            assert tails == wanted, f"level {first}: not sorted or not unique beneath {node}: {tails}"
            below += [None if t is None or node is None else (*node, *t) for t in full]
        nodes = below
    assert len(values) == len(nodes), f"{len(values)} values for {len(nodes)} positions"
    dense, pattern = np.full(shape, fill, values.dtype), np.zeros(shape, bool)
    for node, value in zip(nodes, values, strict=True):
        if node in points:
            dense[points[node]], pattern[points[node]] = value, True
    return dense, pattern


Coordinates = list[list[int | None]]
"""For each parent the coordinate of each of its positions; None where there is none."""


def _from_compressed(level: Any, arrays: dict[str, Array], nodes: list[Node], extent: int, where: str) -> Coordinates:
    pos, crd = arrays["pos"], arrays["crd"]
    assert len(pos) == len(nodes) + 1, f"{where}: pos has {len(pos)} elements for {len(nodes)} parents"
    assert pos[0] == 0 and (np.diff(pos.astype(np.int64)) >= 0).all(), f"{where}: pos is {pos}"
    assert len(crd) == pos[-1], f"{where}: {len(crd)} coordinates, pos ends at {pos[-1]}"
    assert all(0 <= c < extent for c in crd), f"{where}: a coordinate outside 0 .. {extent - 1}: {crd}"
    return [[int(c) for c in crd[pos[p] : pos[p + 1]]] for p in range(len(nodes))]


def _from_fixed(level: Any, arrays: dict[str, Array], nodes: list[Node], extent: int, where: str) -> Coordinates:
    count, crd = arrays["count"], arrays["crd"]
    assert len(count) == len(nodes) and len(crd) == len(nodes) * level.width, f"{where}: {len(count)}, {len(crd)}"
    out: Coordinates = []
    for p, n in enumerate(count.tolist()):
        row = crd[p * level.width : (p + 1) * level.width].tolist()
        assert 0 <= n <= level.width and all(0 <= c < extent for c in row[:n]), f"{where}: {n} of {row}"
        out.append([*row[:n], *[None] * (level.width - n)])
    return out


def _from_bitmap(level: Any, arrays: dict[str, Array], nodes: list[Node], extent: int, where: str) -> Coordinates:
    flags = arrays["map"]
    assert len(flags) == len(nodes) * extent and set(flags.tolist()) <= {0, 1}, f"{where}: map is {flags}"
    return [[c if flags[p * extent + c] else None for c in range(extent)] for p in range(len(nodes))]


def _from_hashed(level: Any, arrays: dict[str, Array], nodes: list[Node], extent: int, where: str) -> Coordinates:
    pos, crd = arrays["pos"], arrays["crd"]
    empty = np.array(-1).astype(crd.dtype)
    assert len(pos) == len(nodes) + 1 and len(crd) == pos[-1], f"{where}: pos is {pos} for {len(crd)} slots"
    out: Coordinates = []
    for p in range(len(nodes)):
        table = crd[pos[p] : pos[p + 1]]
        assert not len(table) or (table == empty).any(), f"{where}: no empty slot in {table}"
        for slot, c in enumerate(table):
            if c == empty:
                continue
            at = (int(c) * FACTOR % 2**64 >> 32) % len(table)
            while table[at] != c:
                assert table[at] != empty, f"{where}: {c} is not found in {table}"
                at = (at + 1) % len(table)
            assert at == slot and 0 <= c < extent, f"{where}: {c} in {table}"
        out.append([None if c == empty else int(c) for c in table])
    return out


def _from_runs(
    arrays: dict[str, Array], nodes: list[Node], values: Array, extent: int, where: str
) -> tuple[list[Node], Array]:
    """Every coordinate of a run, with its value; those of gaps hold nothing; neighbouring runs differ."""
    pos, crd, flags = arrays["pos"], arrays["crd"].astype(np.int64), arrays["map"]
    sizes = {len(flags), len(crd), len(values), int(pos[-1])}
    assert len(pos) == len(nodes) + 1 and len(sizes) == 1, f"{where}: {pos}, {crd}, {flags}, {values}"
    below: list[Node] = []
    spread = []
    for p, node in enumerate(nodes):
        at = 0
        for q in range(pos[p], pos[p + 1]):
            assert at < crd[q] <= extent, f"{where}: runs end at {crd[pos[p] : pos[p + 1]]}"
            alike = q > pos[p] and flags[q] == flags[q - 1] and repr(values[q]) == repr(values[q - 1])
            assert not alike or values[q] != values[q], f"{where}: neighbours are the same in {values}"
            below += [None if node is None or not flags[q] else (*node, c) for c in range(at, crd[q])]
            spread += [values[q]] * int(crd[q] - at)
            at = int(crd[q])
    return below, np.array(spread, values.dtype)


def _from_delta(level: Any, arrays: dict[str, Array], nodes: list[Node], extent: int, where: str) -> Coordinates:
    crd, wide = [], iter(arrays["crd"].tolist())
    for p in range(len(nodes)):
        at, left = 0, int(arrays["skip"][p + 1] - arrays["skip"][p])
        for step in arrays["step"][arrays["pos"][p] : arrays["pos"][p + 1]].tolist():
            left -= step == 255
            at = next(wide) if step == 255 else at + step
            crd.append(at)
        assert left == 0, f"{where}: skip is {arrays['skip']}"
    return _from_compressed(level, {"pos": arrays["pos"], "crd": np.array(crd, np.int64)}, nodes, extent, where)


def _from_structured(level: Any, arrays: dict[str, Array], nodes: list[Node], extent: int, where: str) -> Coordinates:
    n, bits, words = level.kept, level.bits, arrays["meta"].tolist()
    assert len(words) == len(nodes), f"{where}: {len(words)} words for {len(nodes)} groups"
    out: Coordinates = []
    for word in words:
        coords = [word >> (k * bits) & ((1 << bits) - 1) for k in range(n)]
        assert coords == sorted(set(coords)) and coords[-1] < extent, f"{where}: slots at {coords}"
        out.append([c if word >> (n * bits + k) & 1 else None for k, c in enumerate(coords)])
    return out


def _from_sliced(level: Any, arrays: dict[str, Array], nodes: list[Node], extent: int, where: str) -> list[Node]:
    """Slices of parents ordered by length in windows, the entries of each ascending."""
    c, n = level.rows, len(nodes)
    order, count, slots, crd = (arrays[role].tolist() for role in ("order", "count", "slots", "crd"))
    assert sorted(order) == list(range(n)), f"{where}: the order is {order}"
    assert all(arrays["rank"][p] == r for r, p in enumerate(order)), f"{where}: the ranks are {arrays['rank']}"
    keys = [(p // level.window, -count[r], p) for r, p in enumerate(order)]
    assert keys == sorted(keys), f"{where}: {order} does not follow {count}"
    assert slots[0] == 0 and len(slots) == -(-n // c) + 1 and len(crd) == slots[-1] * c, f"{where}: {slots}"
    below: list[Node] = [None] * len(crd)
    for r in range(len(slots[1:]) * c):
        t, lane = divmod(r, c)
        assert max(count[t * c : (t + 1) * c]) == slots[t + 1] - slots[t], f"{where}: slice {t} of {slots}"
        at = [(slots[t] + k) * c + lane for k in range(count[r])]
        found = [crd[q] for q in at]
        assert found == sorted({x for x in found if 0 <= x < extent}), f"{where}: {found} in lane {lane} of {t}"
        node = nodes[order[r]] if r < n else None
        assert node is not None or not found, f"{where}: entries beneath a gap"
        for q in at:
            below[q] = (*node, crd[q]) if node is not None else None
    return below


def _from_ragged(level: Any, arrays: dict[str, Array], nodes: list[Node], extent: int, where: str) -> Coordinates:
    lengths = np.diff(arrays["pos"].astype(np.int64))
    assert arrays["pos"][0] == 0 and len(lengths) == len(nodes), f"{where}: pos is {arrays['pos']}"
    assert ((lengths >= 0) & (lengths <= extent)).all(), f"{where}: lengths {lengths}"
    return [list(range(n)) for n in lengths]


UNPACKERS = {
    "ragged": _from_ragged,
    "structured": _from_structured,
    "index=delta8": _from_delta,
    "compressed": _from_compressed, "fixed": _from_fixed, "bitmap": _from_bitmap, "hashed": _from_hashed,
}  # fmt: skip


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


def results_of(module: Module, out: dict[str, Array], tensor: str, levels: int) -> tuple[list[dict[str, Array]], Array]:
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
