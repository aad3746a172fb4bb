"""``sliced[c, s]``: parents in slices of c, their entries side by side (SELL-C-sigma).

Kreutzer, Hager, Wellein, Fehske, Bishop: A unified sparse matrix data format for efficient general sparse matrix-vector
multiplication on modern processors with wide SIMD units, SIAM J. Sci. Comput. 36(5), 2014.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats.compressed import check_index, check_segments, check_width
from sparsec.formats.level import CanAppend, CanIterate, CanLocate, CanStep, Level, LevelView, register
from sparsec.ir.dtypes import BOOL, I32, I64, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Buffer, Expr
    from sparsec.ir.build import Builder


@register
@node
class Sliced(Level, CanIterate, CanLocate, CanStep, CanAppend):
    """Parents ordered by their number of entries, most first, in windows of ``window``; ``rows`` of them a slice.

    ``order[r]`` is the parent of rank ``r`` and ``rank[p]`` the rank of parent ``p``.  The parent of rank ``r`` is lane
    ``r % rows`` of slice ``t = r // rows`` and has ``count[r]`` entries, one in each of the slice's slots
    ``slots[t] .. slots[t + 1]`` from the first on; the position of slot ``k`` in a lane is ``k * rows + lane``.  So
    the entries of one parent stand ``rows`` apart, and those of neighbours side by side.
    """

    rows: int = 8
    window: int = 1
    index: DType | None = None
    pos: DType | None = None
    name: ClassVar[str] = "sliced"
    numbers: ClassVar[tuple[str, ...]] = ("rows", "window")
    probe_cost: ClassVar[str] = "search"
    counted: ClassVar[bool] = True

    @property
    def compact(self) -> bool:
        return False

    @property
    def stride(self) -> int:
        return self.rows

    @property
    def lanes(self) -> int:
        return self.rows

    def arrays(self) -> dict[str, DType]:
        pos = self.pos or I32
        return {"order": pos, "rank": pos, "count": pos, "slots": pos, "crd": self.index or I32}

    def concrete(self, index: DType, pos: DType) -> Level:
        return dataclasses.replace(self, index=self.index or index, pos=self.pos or pos)

    def slices(self, b: Builder, parents: Expr) -> Expr:
        """How many slices there are."""
        return b.let("slices", b.op("floordiv", b.add(parents, self.rows - 1), b.const(self.rows)))

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return b.mul(b.load_index(v.arrays["slots"], self.slices(b, parents)), self.rows)

    # reading

    def _first(self, b: Builder, v: LevelView, parent: Expr) -> tuple[Expr, Expr]:
        """Where the entries of ``parent`` begin, and its rank."""
        rank, rows = b.let("rank", b.load_index(v.arrays["rank"], parent)), b.const(self.rows)
        slot = b.load_index(v.arrays["slots"], b.op("floordiv", rank, rows))
        return b.let("first", b.add(b.mul(slot, self.rows), b.op("mod", rank, rows))), rank

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        first, rank = self._first(b, v, lo)
        return first, b.add(first, b.mul(b.load_index(v.arrays["count"], rank), self.rows))

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return b.load_index(v.arrays["crd"], pos)

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        first, rank = self._first(b, v, parent)
        count = b.let("count", b.load_index(v.arrays["count"], rank))

        def place(k: Expr) -> Expr:
            return b.add(first, b.mul(k, self.rows))

        note = f"search {v.tensor}.{v.number}"
        k = b.bisect(b.const(0), count, lambda k: b.lt(self.coordinate(b, v, place(k)), coord), note)
        found = b.var("found", b.const(False, BOOL))
        with b.if_(b.lt(k, count)):
            b.set(found, b.eq(self.coordinate(b, v, place(k)), coord))
        return b.let("place", place(k)), found

    # reading in step

    def start(self, b: Builder, v: LevelView, block: Expr) -> Expr:
        return b.mul(b.load_index(v.arrays["slots"], block), self.rows)

    def length(self, b: Builder, v: LevelView, block: Expr, lane: Expr) -> Expr:
        return b.load_index(v.arrays["count"], b.add(b.mul(block, self.rows), lane))

    def parent(self, b: Builder, v: LevelView, block: Expr, lane: Expr) -> Expr:
        return b.load_index(v.arrays["order"], b.add(b.mul(block, self.rows), lane))

    # writing: the counts come by parent, ``seal`` makes the order from them

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        types = self.arrays()
        check_index(b, v, types["crd"])
        check_width(b, types["order"], parents)
        slices = self.slices(b, parents)
        sizes = {
            "order": parents,
            "rank": parents,
            "count": b.mul(slices, self.rows),
            "slots": b.add(slices, 1),
            "crd": b.const(0),
        }
        for role, size in sizes.items():
            t, name = types[role], f"{v.tensor}_{role}{v.number}"
            init = None if role == "crd" else b.const(0, t)
            v.arrays[role] = b.alloc(name, t, b.let("room", size), init, origin=(v.tensor, v.number, role))
        v.capacity["crd"] = b.var(f"{v.tensor}_crd{v.number}_cap", b.const(0))

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        b.reserve(v.arrays["crd"], v.capacity["crd"], needed)
        with b.loop("p", b.const(0), needed, note=f"clear {v.tensor}.{v.number}") as p:
            b.store(v.arrays["crd"], p, b.const(0))

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        b.store(v.arrays["crd"], pos, coord)

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        check_width(b, v.arrays["count"].dtype, count)
        b.store(v.arrays["count"], parent, count)

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        order, rank, count, slots = (v.arrays[r] for r in ("order", "rank", "count", "slots"))
        lengths = b.alloc("lengths", I64, parents)
        with b.loop("p", b.const(0), parents) as p:
            b.store(lengths, p, b.load(count, p))
        self._rank(b, lengths, order, rank, parents)
        with b.loop("r", b.const(0), parents) as r:
            b.store(count, r, b.load(lengths, b.load_index(order, r)))
        total = b.var("total", b.const(0))
        b.store(slots, b.const(0), b.const(0))
        with b.loop("t", b.const(0), self.slices(b, parents), note=f"slices {v.tensor}.{v.number}") as t:
            longest = b.var("longest", b.const(0))
            with b.loop("r", b.const(0), b.const(self.rows)) as r:
                b.set(longest, b.op("max", longest, self.length(b, v, t, r)))
            b.set(total, b.add(total, longest))
            b.store(slots, b.add(t, 1), total)
        check_width(b, slots.dtype, total)

    def _rank(self, b: Builder, lengths: Buffer, order: Buffer, rank: Buffer, parents: Expr) -> None:
        """Order the parents of each window by counting, which keeps equal ones as they are."""
        if self.window == 1:
            with b.loop("p", b.const(0), parents) as p:
                b.store(order, p, p)
                b.store(rank, p, p)
            return
        longest = b.var("longest", b.const(0))
        with b.loop("p", b.const(0), parents) as p:
            b.set(longest, b.op("max", longest, b.load(lengths, p)))
        places = b.alloc("places", I64, b.add(longest, 1), b.const(0))
        with b.loop("p", b.const(0), parents, note="histogram of lengths") as p:
            n = b.let("n", b.load(lengths, p))
            b.store(places, n, b.add(b.load(places, n), 1))
        total = b.var("total", b.const(0))
        with b.loop("d", b.const(0), b.add(longest, 1)) as d:
            n = b.let("n", b.sub(longest, d))
            have = b.let("have", b.load(places, n))
            b.store(places, n, total)
            b.set(total, b.add(total, have))
        everywhere = b.alloc("sorted", I64, parents)
        with b.loop("p", b.const(0), parents, note="order of all parents") as p:
            _take(b, places, b.let("n", b.load(lengths, p)), lambda at: b.store(everywhere, at, p))
        window = b.const(self.window)
        windows = b.let("windows", b.op("floordiv", b.add(parents, self.window - 1), window))
        following = b.alloc("next", I64, windows)
        with b.loop("w", b.const(0), windows) as w:
            b.store(following, w, b.mul(w, window))
        with b.loop("r", b.const(0), parents, note="order in windows") as r:
            parent = b.let("parent", b.load(everywhere, r))

            def put(at: Expr) -> None:
                b.store(order, at, parent)
                b.store(rank, parent, at)

            _take(b, following, b.let("w", b.op("floordiv", parent, window)), put)

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        slices = self.slices(b, parents)
        lengths = {"count": b.mul(slices, self.rows), "slots": b.add(slices, 1), "crd": size}
        for role in self.arrays():
            b.publish(f"{v.tensor}_{role}{v.number}_out", v.arrays[role], lengths.get(role, parents))

    # checking

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        slices = -(-parents // self.rows)
        for role, length in {"order": parents, "rank": parents, "count": slices * self.rows}.items():
            if arrays[role].ndim != 1 or len(arrays[role]) != length:
                raise FormatError(f"{where}: {role} has {arrays[role].size} entries, expected {length}")
        order, rank, count = (arrays[role].astype(np.int64) for role in ("order", "rank", "count"))
        bad = (order < 0) | (order >= parents)
        bad |= rank[np.where(bad, 0, order)] != np.arange(parents)
        if bad.any():
            r = int(np.argmax(bad))
            raise FormatError(
                f"{where}: order has parent {int(order[r])} at {r}, which rank does not give back",
                hint="rank[order[r]] is r for every r below the number of parents",
            )
        slots, crd = arrays["slots"], arrays["crd"]
        steps = check_segments(slots, crd[:: self.rows], slices, f"{where}: slots")
        if crd.ndim != 1 or len(crd) != steps * self.rows:
            raise FormatError(f"{where}: crd has {crd.size} entries, expected {steps * self.rows}")
        room = np.repeat(np.diff(slots.astype(np.int64)), self.rows)
        room[parents:] = 0
        wrong = (count < 0) | (count > room)
        if wrong.any():
            r = int(np.argmax(wrong))
            raise FormatError(f"{where}: count of rank {r} is {int(count[r])}, there is room for 0..{int(room[r])}")
        there = self.live(arrays, np.ones(parents, bool), extent)
        self._refuse(there & ((crd < 0) | (crd >= extent)), crd, where, f"is outside 0..{extent - 1}")
        after = np.zeros(len(crd), bool)
        after[self.rows :] = there[self.rows :] & (crd[self.rows :] <= crd[: -self.rows])
        after[_starts(slots, self.rows)] = False
        self._refuse(after, crd, where, "repeats the one before in its lane or precedes it")
        return len(crd)

    def _refuse(self, bad: np.ndarray, crd: np.ndarray, where: str, what: str) -> None:
        if bad.any():
            q = int(np.argmax(bad))
            raise FormatError(
                f"{where}: coordinate {int(crd[q])} at position {q} {what}",
                hint="build the tensor with sp.from_coo, which sorts and sums duplicates",
            )

    def coordinates(self, arrays: dict[str, np.ndarray], parents: int, extent: int) -> tuple[np.ndarray, np.ndarray]:
        ranks, _ = self._places(arrays)
        order = np.append(arrays["order"].astype(np.int64), 0)  # lanes past the last rank have no parent
        return order[np.minimum(ranks, parents)], arrays["crd"].astype(np.int64)

    def live(self, arrays: dict[str, np.ndarray], parents: np.ndarray, extent: int) -> np.ndarray:
        ranks, steps = self._places(arrays)
        there = np.append(parents[arrays["order"]], False)
        return np.asarray((steps < arrays["count"][ranks]) & there[np.minimum(ranks, len(parents))])

    def _places(self, arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The rank that each position belongs to, and which of its slots it is."""
        slots = arrays["slots"].astype(np.int64)
        lengths = np.diff(slots)
        block = np.repeat(np.arange(len(lengths)), lengths)
        step = np.arange(len(block)) - np.repeat(slots[:-1], lengths)
        ranks = block[:, None] * self.rows + np.arange(self.rows)
        return ranks.reshape(-1), np.repeat(step, self.rows)


def _starts(slots: np.ndarray, rows: int) -> np.ndarray:
    """The positions of the first slot of every slice."""
    first = slots[:-1][np.diff(slots) > 0].astype(np.int64) * rows
    return np.asarray((first[:, None] + np.arange(rows)).reshape(-1))


def _take(b: Builder, places: Buffer, n: Expr, use: Callable[[Expr], None]) -> None:
    """``use`` the next place of ``n``, and move it on."""
    at = b.let("at", b.load(places, n))
    use(at)
    b.store(places, n, b.add(at, 1))


__all__ = ["Sliced"]
