"""``compressed``: for each parent a segment of coordinates, ``crd[pos[p] : pos[p + 1]]``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats.level import CanAppend, CanIterate, CanLocate, Level, LevelView, register
from sparsec.ir.dtypes import BOOL, I32, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr
    from sparsec.ir.build import Builder


@register
@node
class Compressed(Level, CanIterate, CanLocate, CanAppend):
    """Only stored coordinates, ascending; ``index`` and ``pos`` are storage types (open until bound).

    ``nonunique`` lets a coordinate repeat beneath a parent; what follows must then be ``singleton``.  ``unordered``
    takes the coordinates of a parent in any order.
    """

    is_unique: bool = True
    is_ordered: bool = True
    index: DType | None = None
    pos: DType | None = None
    name: ClassVar[str] = "compressed"
    flags: ClassVar[dict[str, tuple[str, object]]] = {
        "unique": ("is_unique", True),
        "nonunique": ("is_unique", False),
        "ordered": ("is_ordered", True),
        "unordered": ("is_ordered", False),
    }
    probe_cost: ClassVar[str] = "search"
    encodings: ClassVar[dict[str, type[Level]]] = {}

    @property
    def unique(self) -> bool:
        return self.is_unique

    @property
    def ordered(self) -> bool:
        return self.is_ordered

    def arrays(self) -> dict[str, DType]:
        return {"pos": self.pos or I32, "crd": self.index or I32}

    def concrete(self, index: DType, pos: DType) -> Level:
        return dataclasses.replace(self, index=self.index or index, pos=self.pos or pos)

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return b.load_index(v.arrays["pos"], parents)

    # reading

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        return b.load_index(v.arrays["pos"], lo), b.load_index(v.arrays["pos"], hi)

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return b.load_index(v.arrays["crd"], pos)

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        if not self.is_ordered:
            return self.scan(b, v, parent, coord)
        first, end = self.bounds(b, v, parent, b.add(parent, 1))
        end = b.let("end", end)
        note = f"search {v.tensor}.{v.number}"
        lo = b.bisect(first, end, lambda p: b.lt(self.coordinate(b, v, p), coord), note)
        found = b.var("found", b.const(False, BOOL))
        with b.if_(b.lt(lo, end)):
            b.set(found, b.eq(self.coordinate(b, v, lo), coord))
        return lo, found

    # writing

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        check_index(b, v, self.arrays()["crd"])
        open_segments(b, v, parents, **self.arrays())

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        b.reserve(v.arrays["crd"], v.capacity["crd"], needed)

    def reserve_parents(self, b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
        reserve_segments(b, v, first, needed)

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        b.store(v.arrays["crd"], pos, coord)

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        check_positions(b, v, count)
        b.store(v.arrays["pos"], b.add(parent, 1), count)

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        seal_segments(b, v, parents)

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        publish_segments(b, v, parents, size)

    # checking

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        pos, crd = arrays["pos"], arrays["crd"]
        size = check_segments(pos, crd, parents, where)
        check_coordinates(crd[:size], extent, where)
        if not self.is_ordered:
            check_distinct(pos, crd[:size], extent, where)
        elif size > 1:
            bad = crd[1:size] < crd[: size - 1] if not self.unique else crd[1:size] <= crd[: size - 1]
            starts = pos[1:-1]
            starts = starts[(starts > 0) & (starts < size)]
            bad[starts.astype(np.int64) - 1] = False
            if bad.any():
                p = int(np.argmax(bad)) + 1
                what = "repeats" if crd[p] == crd[p - 1] else "is out of order"
                raise FormatError(
                    f"{where}: coordinate {int(crd[p])} at position {p} {what}",
                    hint="build the tensor with sp.from_coo, which sorts and sums duplicates",
                )
        return size

    def trimmed(self, arrays: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
        return {**arrays, "crd": cut(arrays["crd"], size)}

    def live(self, arrays: dict[str, np.ndarray], parents: np.ndarray, extent: int) -> np.ndarray:
        return np.repeat(parents, np.diff(arrays["pos"]))


def open_segments(b: Builder, v: LevelView, parents: Expr, pos: DType, crd: DType) -> None:
    """Declare ``pos`` with a zero for each of ``parents`` and one more, and ``crd`` without room."""
    room = b.let("room", b.add(parents, 1))
    name = f"{v.tensor}_pos{v.number}"
    v.arrays["pos"] = b.alloc(name, pos, room, b.const(0, pos), origin=(v.tensor, v.number, "pos"))
    v.capacity["pos"] = b.var(f"{name}_cap", room)
    name = f"{v.tensor}_crd{v.number}"
    v.arrays["crd"] = b.alloc(name, crd, b.const(0), origin=(v.tensor, v.number, "crd"))
    v.capacity["crd"] = b.var(f"{name}_cap", b.const(0))


def reserve_segments(b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
    """Room in ``pos`` for ``needed`` parents, those from ``first`` on without children."""
    needed = b.let("needed", b.add(needed, 1))
    b.reserve(v.arrays["pos"], v.capacity["pos"], needed)
    with b.loop("p", b.add(first, 1), needed) as p:
        b.store(v.arrays["pos"], p, b.const(0))


def seal_segments(b: Builder, v: LevelView, parents: Expr) -> None:
    """Turn the counts in ``pos[1:]`` into positions."""
    pos = v.arrays["pos"]
    b.store(pos, b.const(0), b.const(0))
    total = b.var("total", b.const(0))
    with b.loop("p", b.const(0), parents, note=f"prefix sum {v.tensor}.{v.number}") as p:
        b.set(total, b.add(total, b.load_index(pos, b.add(p, 1))))
        b.store(pos, b.add(p, 1), total)
    check_positions(b, v, total)


def publish_segments(b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
    """Hand ``pos`` of ``parents`` parents and ``size`` coordinates to the caller."""
    b.publish(f"{v.tensor}_pos{v.number}_out", v.arrays["pos"], b.add(parents, 1))
    b.publish(f"{v.tensor}_crd{v.number}_out", v.arrays["crd"], size)


def check_positions(b: Builder, v: LevelView, count: Expr) -> None:
    """Stop where ``pos`` cannot say ``count``."""
    check_width(b, v.arrays["pos"].dtype, count)


def check_width(b: Builder, t: DType, count: Expr) -> None:
    """Stop where an array of type ``t`` cannot say ``count``."""
    largest = int(np.iinfo(t.np).max)
    if largest < 2**63 - 1:
        b.abort_if(b.lt(b.const(largest), count), "width")


def check_index(b: Builder, v: LevelView, index: DType, spare: int = 0) -> None:
    """Stop where coordinates of the level's extent, and ``spare`` more, do not fit in ``index``."""
    largest = int(np.iinfo(index.np).max) - spare
    if largest < 2**63 - 1:
        b.abort_if(b.lt(b.const(largest), b.sub(v.extent, 1)), "width")


def check_segments(pos: np.ndarray, crd: np.ndarray, parents: int, where: str) -> int:
    """The number of positions; raises ``FormatError`` if ``pos`` does not cut ``crd`` into a segment a parent."""
    if pos.ndim != 1 or len(pos) != parents + 1:
        raise FormatError(
            f"{where}: pos has shape {pos.shape}, expected ({parents + 1},)",
            hint="pos holds one entry for each parent position, and one more",
        )
    if int(pos[0]) != 0:
        raise FormatError(f"{where}: pos[0] is {int(pos[0])}, expected 0")
    steps = pos[1:] < pos[:-1]
    if steps.any():
        p = int(np.argmax(steps))
        raise FormatError(
            f"{where}: pos decreases at {p + 1}: {int(pos[p])} then {int(pos[p + 1])}",
            hint="pos must be non-decreasing",
        )
    size = int(pos[-1])
    if crd.ndim != 1 or len(crd) < size:
        raise FormatError(f"{where}: crd has {crd.size} entries, pos ends at {size}")
    return size


def cut(array: np.ndarray, size: int) -> np.ndarray:
    """The first ``size`` elements; ``array`` itself if it has no more."""
    return array if len(array) == size else array[:size]


def check_distinct(pos: np.ndarray, crd: np.ndarray, extent: int, where: str) -> None:
    """Raise ``FormatError`` if a coordinate repeats beneath a parent, in whatever order."""
    parents = np.repeat(np.arange(len(pos) - 1), np.diff(pos))
    order = np.lexsort((crd, parents))
    twice = (np.diff(parents[order]) == 0) & (np.diff(crd[order]) == 0)
    if twice.any():
        p = int(order[int(np.argmax(twice)) + 1])
        raise FormatError(
            f"{where}: coordinate {int(crd[p])} at position {p} repeats",
            hint="build the tensor with sp.from_coo, which sums duplicates",
        )


def check_coordinates(crd: np.ndarray, extent: int, where: str) -> None:
    """Raise ``FormatError`` if a coordinate is outside ``0..extent``."""
    if crd.size == 0:
        return
    for bad in (crd < 0, crd >= extent):
        if bad.any():
            p = int(np.argmax(bad))
            raise FormatError(
                f"{where}: coordinate {int(crd[p])} at position {p} is outside 0..{extent - 1}",
                hint="coordinates start at 0 and must be below the extent of their dimension",
            )


__all__ = [
    "Compressed",
    "check_coordinates",
    "check_index",
    "check_positions",
    "check_segments",
    "check_width",
    "cut",
    "open_segments",
    "publish_segments",
    "reserve_segments",
    "seal_segments",
]
