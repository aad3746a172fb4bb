"""``fixed[w]``: for each parent room for ``w`` coordinates, of which the first ``count[p]`` are there (ELLPACK)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats.compressed import check_index
from sparsec.formats.level import CanAppend, CanIterate, CanLocate, Level, LevelView, register
from sparsec.ir.dtypes import BOOL, I32, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr
    from sparsec.ir.build import Builder


@register
@node
class Fixed(Level, CanIterate, CanLocate, CanAppend):
    """At most ``width`` coordinates a parent, ascending: positions ``p * width .. p * width + count[p]``.

    The rest of a parent's positions is padding that nothing reads.  No position hangs on another parent's entries, so
    results are filled without being counted first.
    """

    width: int = 1
    index: DType | None = None
    name: ClassVar[str] = "fixed"
    numbers: ClassVar[tuple[str, ...]] = ("width",)
    probe_cost: ClassVar[str] = "search"
    needs_counts: ClassVar[bool] = False

    @property
    def compact(self) -> bool:
        return False

    @property
    def room(self) -> int | None:
        return self.width

    def arrays(self) -> dict[str, DType]:
        return {"count": I32, "crd": self.index or I32}

    def concrete(self, index: DType, pos: DType) -> Level:
        return dataclasses.replace(self, index=self.index or index)

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return b.mul(parents, self.width)

    # reading

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        last = b.sub(hi, 1)
        return b.mul(lo, self.width), b.add(b.mul(last, self.width), b.load_index(v.arrays["count"], last))

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return b.load_index(v.arrays["crd"], pos)

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        first, end = self.bounds(b, v, parent, b.add(parent, 1))
        end = b.let("end", end)
        lo = b.bisect(first, end, lambda p: b.lt(self.coordinate(b, v, p), coord), f"search {v.tensor}.{v.number}")
        found = b.var("found", b.const(False, BOOL))
        with b.if_(b.lt(lo, end)):
            b.set(found, b.eq(self.coordinate(b, v, lo), coord))
        return lo, found

    # writing

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        check_index(b, v, self.arrays()["crd"])
        places = b.product("places", parents, b.const(self.width))
        for role, room, init in (("count", parents, b.const(0, I32)), ("crd", places, None)):
            name = f"{v.tensor}_{role}{v.number}"
            v.arrays[role] = b.alloc(name, self.arrays()[role], room, init, origin=(v.tensor, v.number, role))
            v.capacity[role] = b.var(f"{name}_cap", room)

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        pass  # there is room as soon as there are parents

    def reserve_parents(self, b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
        needed = b.let("needed", needed)
        b.reserve(v.arrays["count"], v.capacity["count"], needed)
        b.reserve(v.arrays["crd"], v.capacity["crd"], b.mul(needed, self.width))
        with b.loop("p", first, needed) as p:
            b.store(v.arrays["count"], p, b.const(0))

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        b.store(v.arrays["crd"], pos, coord)

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        b.store(v.arrays["count"], parent, count)

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        pass

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        # What a caller sees of the padding is the same each time.
        with b.loop("p", b.const(0), parents, note=f"pad {v.tensor}.{v.number}") as p:
            _, end = self.bounds(b, v, p, b.add(p, 1))
            with b.loop("q", end, b.mul(b.add(p, 1), self.width)) as q:
                b.store(v.arrays["crd"], q, b.const(0))
        b.publish(f"{v.tensor}_count{v.number}_out", v.arrays["count"], parents)
        b.publish(f"{v.tensor}_crd{v.number}_out", v.arrays["crd"], size)

    # checking

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        count, crd = arrays["count"], arrays["crd"]
        size = parents * self.width
        if count.ndim != 1 or len(count) != parents:
            raise FormatError(f"{where}: count has {count.size} entries, expected {parents}: one for each parent")
        if crd.ndim != 1 or len(crd) != size:
            raise FormatError(
                f"{where}: crd has {crd.size} entries, expected {size}: {self.width} for each of {parents} parents"
            )
        bad = (count < 0) | (count > self.width)
        if bad.any():
            p = int(np.argmax(bad))
            raise FormatError(
                f"{where}: count of parent {p} is {int(count[p])}, there is room for 0..{self.width}",
                hint="a longer row needs a wider level",
            )
        there = self.live(arrays, np.ones(parents, bool), extent).reshape(parents, self.width)
        rows = crd.reshape(parents, self.width)
        self._refuse(there & ((rows < 0) | (rows >= extent)), rows, where, f"is outside 0..{extent - 1}")
        self._refuse(
            there[:, 1:] & (rows[:, 1:] <= rows[:, :-1]), rows[:, 1:], where, "repeats the one before or precedes it"
        )
        return size

    def _refuse(self, bad: np.ndarray, rows: np.ndarray, where: str, what: str) -> None:
        if bad.any():
            p, k = np.unravel_index(int(np.argmax(bad)), bad.shape)
            raise FormatError(
                f"{where}: coordinate {int(rows[p, k])} of parent {p} {what}",
                hint="build the tensor with sp.from_coo, which sorts and sums duplicates",
            )

    def live(self, arrays: dict[str, np.ndarray], parents: np.ndarray, extent: int) -> np.ndarray:
        return (parents[:, None] & (np.arange(self.width) < arrays["count"][:, None])).reshape(-1)


__all__ = ["Fixed"]
