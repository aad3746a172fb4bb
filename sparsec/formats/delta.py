"""``compressed[index=delta8]``: the step from one coordinate to the next in a byte, where it fits.

Beneath parent ``p`` stand the entries ``pos[p] .. pos[p + 1]``; ``step`` has a byte for each, the distance from the
coordinate before (from 0, for the first).  255 is an escape: the coordinate itself is then the next one of
``crd[skip[p] : skip[p + 1]]``.  So a coordinate is known only to who comes from the one before it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats.compressed import Compressed, check_coordinates, check_index, check_positions, check_segments, cut
from sparsec.formats.level import CanAppend, CanIterate, CanLocate, Level, LevelView
from sparsec.ir.dtypes import BOOL, I32, U8, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr, Var
    from sparsec.ir.build import Builder

ESCAPE = 255


@node
class Delta8(Level, CanIterate, CanLocate, CanAppend):
    """Stored coordinates, ascending, as steps; ``wide`` is the type of those that a step cannot reach."""

    wide: DType | None = None
    pos: DType | None = None
    name: ClassVar[str] = "compressed"
    encoding: ClassVar[str] = "index=delta8"
    probe_cost: ClassVar[str] = "search"
    sequential: ClassVar[bool] = True
    append_only: ClassVar[bool] = True

    @property
    def searchable(self) -> bool:
        return False

    def arrays(self) -> dict[str, DType]:
        return {"pos": self.pos or I32, "step": U8, "skip": self.pos or I32, "crd": self.wide or I32}

    def concrete(self, index: DType, pos: DType) -> Level:
        return dataclasses.replace(self, wide=self.wide or index, pos=self.pos or pos)

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return b.load_index(v.arrays["pos"], parents)

    # reading

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        return b.load_index(v.arrays["pos"], lo), b.load_index(v.arrays["pos"], hi)

    def begin(self, b: Builder, v: LevelView, parent: Expr) -> LevelView:
        at = b.var(f"at_{v.tensor}", b.const(0))
        wide = b.var(f"wide_{v.tensor}", b.load_index(v.arrays["skip"], parent))
        return dataclasses.replace(v, scalars={**v.scalars, "at": at, "wide": wide})

    def arrive(self, b: Builder, v: LevelView, pos: Expr) -> None:
        at, wide = _local(v, "at"), _local(v, "wide")
        step = b.let("step", b.load_index(v.arrays["step"], pos))
        b.set(at, b.add(at, step))
        with b.if_(b.eq(step, b.const(ESCAPE))):
            b.set(at, b.load_index(v.arrays["crd"], wide))
            b.set(wide, b.add(wide, 1))

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return v.scalars["at"]

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        first, end = self.bounds(b, v, parent, b.add(parent, 1))
        walk = self.begin(b, v, parent)
        pos, end = b.var("pos", first), b.let("end", end)
        found = b.var("found", b.const(False, BOOL))
        more = b.var("more", b.lt(pos, end))
        with b.while_(more, note=f"scan {v.tensor}.{v.number}"):
            self.arrive(b, walk, pos)
            b.set(found, b.eq(walk.scalars["at"], coord))
            short = b.let("short", b.lt(walk.scalars["at"], coord))
            with b.if_(short):
                b.set(pos, b.add(pos, 1))
            b.set(more, b.op("and", short, b.lt(pos, end)))
        return pos, found

    # writing

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        types = self.arrays()
        check_index(b, v, types["crd"])
        room = b.let("room", b.add(parents, 1))
        for role, t in types.items():
            name = f"{v.tensor}_{role}{v.number}"
            size, init = (room, b.const(0, t)) if role in ("pos", "skip") else (b.const(0), None)
            v.arrays[role] = b.alloc(name, t, size, init, origin=(v.tensor, v.number, role))
            v.capacity[role] = b.var(f"{name}_cap", size)
        v.scalars["at"] = b.var(f"{v.tensor}_at{v.number}", b.const(0))
        v.scalars["escapes"] = b.var(f"{v.tensor}_escapes{v.number}", b.const(0))
        v.scalars["before"] = b.var(f"{v.tensor}_before{v.number}", b.const(0))

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        b.reserve(v.arrays["step"], v.capacity["step"], needed)

    def reserve_parents(self, b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
        needed = b.let("needed", b.add(needed, 1))
        for role in ("pos", "skip"):
            b.reserve(v.arrays[role], v.capacity[role], needed)
        with b.loop("p", b.add(first, 1), needed) as p:
            for role in ("pos", "skip"):
                b.store(v.arrays[role], p, b.const(0))

    def enter(self, b: Builder, v: LevelView) -> None:
        b.set(_local(v, "at"), b.const(0))
        b.set(_local(v, "before"), _local(v, "escapes"))

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        at, escapes = _local(v, "at"), _local(v, "escapes")
        step = b.let("step", b.sub(coord, at))
        b.store(v.arrays["step"], pos, b.op("min", step, b.const(ESCAPE)))
        with b.if_(b.op("le", b.const(ESCAPE), step)):
            needed = b.let("needed", b.add(escapes, 1))
            b.reserve(v.arrays["crd"], v.capacity["crd"], needed)
            b.store(v.arrays["crd"], escapes, coord)
            b.set(escapes, needed)
        b.set(at, coord)

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        check_positions(b, v, count)
        b.store(v.arrays["pos"], b.add(parent, 1), count)
        b.store(v.arrays["skip"], b.add(parent, 1), b.sub(v.scalars["escapes"], v.scalars["before"]))

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        for role in ("pos", "skip"):
            array = v.arrays[role]
            b.store(array, b.const(0), b.const(0))
            total = b.var("total", b.const(0))
            with b.loop("p", b.const(0), parents, note=f"prefix sum {v.tensor}.{v.number}") as p:
                b.set(total, b.add(total, b.load_index(array, b.add(p, 1))))
                b.store(array, b.add(p, 1), total)
            check_positions(b, v, total)

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        lengths = {"step": size, "crd": v.scalars["escapes"]}
        for role in self.arrays():
            length = lengths.get(role, b.add(parents, 1))
            b.publish(f"{v.tensor}_{role}{v.number}_out", v.arrays[role], length)

    # checking

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        pos, step = arrays["pos"], arrays["step"]
        size = check_segments(pos, step, parents, where)
        escapes = check_segments(arrays["skip"], arrays["crd"], parents, f"{where}: skip")
        owner = np.repeat(np.arange(parents), np.diff(pos))
        jumps = step[:size] == ESCAPE
        have = np.bincount(owner[jumps], minlength=parents)
        if (have != np.diff(arrays["skip"])).any():
            p = int(np.argmax(have != np.diff(arrays["skip"])))
            said = int(np.diff(arrays["skip"])[p])
            raise FormatError(f"{where}: parent {p} has {int(have[p])} steps of 255, skip says {said}")
        crd = decode(pos, step[:size], arrays["crd"][:escapes])
        check_coordinates(crd, extent, where)
        bad = (np.diff(crd) <= 0) & (np.diff(owner) == 0)
        if bad.any():
            q = int(np.argmax(bad)) + 1
            raise FormatError(f"{where}: coordinate {int(crd[q])} at position {q} does not come after the one before")
        return size

    def trimmed(self, arrays: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
        escapes = int(np.count_nonzero(arrays["step"][:size] == ESCAPE))
        return {**arrays, "step": cut(arrays["step"], size), "crd": cut(arrays["crd"], escapes)}

    def live(self, arrays: dict[str, np.ndarray], parents: np.ndarray, extent: int) -> np.ndarray:
        return np.repeat(parents, np.diff(arrays["pos"]))

    def coordinates(self, arrays: dict[str, np.ndarray], parents: int, extent: int) -> tuple[np.ndarray, np.ndarray]:
        crd = decode(arrays["pos"], arrays["step"][: arrays["pos"][-1]], arrays["crd"])
        return np.repeat(np.arange(parents), np.diff(arrays["pos"])), crd


def decode(pos: np.ndarray, step: np.ndarray, wide: np.ndarray) -> np.ndarray:
    """The coordinates (i64) of all entries."""
    steps = step.astype(np.int64)
    jumps = step == ESCAPE
    base = np.where(jumps, 0, steps)
    absolute = np.zeros(len(step), bool)
    starts = pos[:-1][np.diff(pos) > 0].astype(np.int64)
    absolute[starts] = True
    absolute |= jumps
    base[jumps] = wide
    total = np.cumsum(np.where(absolute, 0, steps))
    places = np.flatnonzero(absolute)
    last = places[np.cumsum(absolute) - 1] if len(step) else places
    return np.asarray(base[last] + total - total[last])


def _local(v: LevelView, role: str) -> Var:
    """A mutable local that the view carries."""
    return cast("Var", v.scalars[role])


Compressed.encodings["delta8"] = Delta8

__all__ = ["Delta8", "decode"]
