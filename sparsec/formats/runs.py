"""``runs``: for each parent stretches of coordinates, one value each; ``crd`` says where each ends (run lengths)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats.bitmap import check_flags
from sparsec.formats.compressed import (
    check_index,
    check_positions,
    check_segments,
    cut,
    open_segments,
    publish_segments,
    reserve_segments,
    seal_segments,
)
from sparsec.formats.level import CanAppend, CanLocate, CanSpan, Level, LevelView, register
from sparsec.ir.dtypes import I32, U8, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr
    from sparsec.ir.build import Builder


@register
@node
class Runs(Level, CanSpan, CanLocate, CanAppend):
    """Position ``q`` stands for the coordinates from the end of the run before it to ``crd[q]``.

    The first run of a parent begins at 0.  A gap is a run, too: ``map`` is 0 there, its value the fill.  What comes
    after the last run is not stored.
    """

    index: DType | None = None
    pos: DType | None = None
    name: ClassVar[str] = "runs"
    probe_cost: ClassVar[str] = "search"
    append_only: ClassVar[bool] = True  # how many runs there are hangs on values

    def arrays(self) -> dict[str, DType]:
        return {"pos": self.pos or I32, "crd": self.index or I32, "map": U8}

    def concrete(self, index: DType, pos: DType) -> Level:
        return dataclasses.replace(self, index=self.index or index, pos=self.pos or pos)

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return b.load_index(v.arrays["pos"], parents)

    # reading

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        return b.load_index(v.arrays["pos"], lo), b.load_index(v.arrays["pos"], hi)

    def stop(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return b.load_index(v.arrays["crd"], pos)

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        first, end = self.bounds(b, v, parent, b.add(parent, 1))
        end = b.let("end", end)
        note = f"search {v.tensor}.{v.number}"
        at = b.bisect(first, end, lambda p: b.op("le", self.stop(b, v, p), coord), note)
        found = b.var("found", b.lt(at, end))
        with b.if_(found):
            b.set(found, self.covers(b, v, at))
        return at, found

    def covers(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return b.op("ne", b.load(v.arrays["map"], pos), b.const(0, U8))

    # writing

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        types = self.arrays()
        check_index(b, v, types["crd"], spare=1)
        open_segments(b, v, parents, types["pos"], types["crd"])
        origin = (v.tensor, v.number, "map")
        v.arrays["map"] = b.alloc(f"{v.tensor}_map{v.number}", U8, b.const(0), origin=origin)
        v.capacity["map"] = b.var(f"{v.tensor}_map{v.number}_cap", b.const(0))

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        for role in ("crd", "map"):
            b.reserve(v.arrays[role], v.capacity[role], needed)

    def reserve_parents(self, b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
        reserve_segments(b, v, first, needed)

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        """The run at ``pos`` ends before ``coord``."""
        b.store(v.arrays["crd"], pos, coord)

    def cover(self, b: Builder, v: LevelView, pos: Expr, covers: bool) -> None:
        b.store(v.arrays["map"], pos, b.const(int(covers)))

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        check_positions(b, v, count)
        b.store(v.arrays["pos"], b.add(parent, 1), count)

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        seal_segments(b, v, parents)

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        publish_segments(b, v, parents, size)
        b.publish(f"{v.tensor}_map{v.number}_out", v.arrays["map"], size)

    # checking

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        pos, crd = arrays["pos"], arrays["crd"]
        size = check_segments(pos, crd, parents, where)
        check_flags(arrays["map"], size, "one for each run", where)
        before = np.concatenate([[0], crd[:size]]).astype(np.int64)[:-1]
        starts = pos[:-1].astype(np.int64)
        before[starts[starts < size]] = 0
        ends = crd[:size].astype(np.int64)
        for bad, what in (
            (ends <= before, "does not come after where it begins"),
            (ends > extent, f"is past the extent {extent}"),
        ):
            if bad.any():
                q = int(np.argmax(bad))
                raise FormatError(
                    f"{where}: the end {int(ends[q])} of run {q} {what}", hint="crd has the end of each run, ascending"
                )
        return size

    def trimmed(self, arrays: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
        return {**arrays, "crd": cut(arrays["crd"], size)}

    def live(self, arrays: dict[str, np.ndarray], parents: np.ndarray, extent: int) -> np.ndarray:
        return np.asarray(np.repeat(parents, np.diff(arrays["pos"])) & (arrays["map"] != 0))


__all__ = ["Runs"]
