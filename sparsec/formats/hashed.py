"""``hashed``: for each parent a hash table of coordinates, ``crd[pos[p] : pos[p + 1]]``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats.compressed import check_index, check_positions, open_segments, publish_segments
from sparsec.formats.level import CanAppend, CanInsert, CanIterate, CanLocate, Level, LevelView, register
from sparsec.ir.dtypes import BOOL, I32, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr, Var
    from sparsec.ir.build import Builder

FACTOR = 0x9E3779B97F4A7C15 - 2**64
"""2**64 by the golden ratio: the high half of its product with a coordinate picks the slot (Knuth, TAOCP 3, 6.4)."""


@register
@node
class Hashed(Level, CanIterate, CanLocate, CanInsert, CanAppend):
    """Open addressing with linear probing in a table of 2**k slots a parent, at most two thirds of them taken.

    Slots are the positions; an empty one has the coordinate -1 (the greatest of an unsigned ``index``).
    """

    index: DType | None = None
    pos: DType | None = None
    name: ClassVar[str] = "hashed"
    gaps: ClassVar[bool] = True
    counted: ClassVar[bool] = True

    @property
    def ordered(self) -> bool:
        return False

    @property
    def compact(self) -> bool:
        return False

    def arrays(self) -> dict[str, DType]:
        return {"pos": self.pos or I32, "crd": self.index or I32}

    def concrete(self, index: DType, pos: DType) -> Level:
        return dataclasses.replace(self, index=self.index or index, pos=self.pos or pos)

    @property
    def empty(self) -> int:
        """The coordinate of an empty slot."""
        crd = self.arrays()["crd"]
        return int(np.iinfo(crd.np).max) if crd.kind == "u" else -1

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return b.load_index(v.arrays["pos"], parents)

    # reading

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        return b.load_index(v.arrays["pos"], lo), b.load_index(v.arrays["pos"], hi)

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return b.load_index(v.arrays["crd"], pos)

    def present(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return b.op("ne", self.coordinate(b, v, pos), b.const(self.empty))

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        found = b.var("found", b.const(False, BOOL))
        return self._probe(b, v, parent, coord, found), found

    def insert(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> Expr:
        return self._probe(b, v, parent, coord, None)

    def _probe(self, b: Builder, v: LevelView, parent: Expr, coord: Expr, found: Var | None) -> Var:
        """The slot of ``coord``, or the empty one where it would be; with ``found`` the table may have no slots."""
        first, end = self.bounds(b, v, parent, b.add(parent, 1))
        first, end = b.let("first", first), b.let("end", end)
        mask = b.let("mask", b.sub(b.sub(end, first), 1))
        hashed = b.op("shr", b.mul(coord, FACTOR), b.const(32))
        slot = b.var("slot", b.add(first, b.op("bitand", hashed, mask)))
        more = b.var("more", b.lt(first, end))
        with b.while_(more, note=f"probe {v.tensor}.{v.number}"):
            here = b.let("here", self.coordinate(b, v, slot))
            b.set(more, b.op("ne", here, b.const(self.empty)))
            if found is not None:
                b.set(found, b.eq(here, coord))
                b.set(more, b.op("and", more, b.op("not", found)))
            with b.if_(more):
                b.set(slot, b.add(first, b.op("bitand", b.add(b.sub(slot, first), 1), mask)))
        return slot

    # writing

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        crd = self.arrays()["crd"]
        check_index(b, v, crd, spare=crd.kind == "u")
        open_segments(b, v, parents, **self.arrays())

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        b.reserve(v.arrays["crd"], v.capacity["crd"], needed)
        with b.loop("p", b.const(0), needed, note=f"empty {v.tensor}.{v.number}") as p:
            b.store(v.arrays["crd"], p, b.const(-1))

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        b.store(v.arrays["crd"], pos, coord)

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        check_positions(b, v, count)
        b.store(v.arrays["pos"], b.add(parent, 1), count)

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        pos = v.arrays["pos"]
        b.store(pos, b.const(0), b.const(0))
        total = b.var("total", b.const(0))
        with b.loop("p", b.const(0), parents, note=f"slots {v.tensor}.{v.number}") as p:
            count = b.let("count", b.load_index(pos, b.add(p, 1)))
            with b.if_(b.lt(b.const(0), count)):
                slots = b.var("slots", b.const(2))
                wanted = b.let("wanted", b.add(b.add(count, b.op("shr", count, b.const(1))), 1))
                with b.while_(b.lt(slots, wanted)):
                    b.set(slots, b.mul(slots, 2))
                b.set(total, b.add(total, slots))
                check_positions(b, v, total)
            b.store(pos, b.add(p, 1), total)

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        publish_segments(b, v, parents, size)

    # checking

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        pos, crd = arrays["pos"].astype(np.int64), arrays["crd"].astype(np.int64)
        if len(pos) != parents + 1:
            raise FormatError(f"{where}: pos has {len(pos)} entries, expected {parents + 1}")
        if pos[0] != 0 or pos[-1] != len(crd):
            raise FormatError(f"{where}: pos runs from {pos[0]} to {pos[-1]}, crd has {len(crd)} slots")
        sizes = np.diff(pos)
        bad = (sizes < 0) | (sizes & (sizes - 1) != 0)
        if bad.any():
            p = int(np.argmax(bad))
            raise FormatError(f"{where}: the table of parent {p} has {int(sizes[p])} slots, which is no power of 2")
        taken = crd != self.empty
        outside = taken & ((crd < 0) | (crd >= extent))
        if outside.any():
            q = int(np.argmax(outside))
            raise FormatError(f"{where}: coordinate {int(crd[q])} in slot {q} is outside 0..{extent - 1}")
        owner = np.repeat(np.arange(parents), sizes)
        full = (sizes > 0) & (np.bincount(owner[taken], minlength=parents) == sizes)
        if full.any():
            raise FormatError(f"{where}: the table of parent {int(np.argmax(full))} has no empty slot")
        self._check_reachable(crd, np.flatnonzero(taken), pos[owner], sizes[owner] - 1, where)
        return len(crd)

    def _check_reachable(
        self, crd: np.ndarray, slots: np.ndarray, first: np.ndarray, mask: np.ndarray, where: str
    ) -> None:
        """Raise ``FormatError`` for a coordinate that probing does not find, or finds in another slot."""
        wanted = crd[slots]
        at = (wanted.astype(np.uint64) * np.uint64(FACTOR + 2**64)) >> np.uint64(32)
        at = first[slots] + (at.astype(np.int64) & mask[slots])
        while len(slots):
            lost = (at != slots) & ((crd[at] == self.empty) | (crd[at] == wanted))
            if lost.any():
                worst = int(np.argmax(lost))
                q = int(slots[worst])
                what = "is there twice" if crd[at[worst]] == crd[q] else "is not found from where it hashes to"
                raise FormatError(
                    f"{where}: coordinate {int(crd[q])} in slot {q} {what}", hint="build the tensor with sp.from_coo"
                )
            left = at != slots
            slots, at, wanted = slots[left], at[left], wanted[left]
            at = first[slots] + ((at - first[slots] + 1) & mask[slots])

    def live(self, arrays: dict[str, np.ndarray], parents: np.ndarray, extent: int) -> np.ndarray:
        taken: np.ndarray = arrays["crd"] != self.empty
        return np.asarray(np.repeat(parents, np.diff(arrays["pos"])) & taken)


__all__ = ["Hashed"]
