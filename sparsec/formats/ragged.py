"""``ragged``: beneath each parent the coordinates from 0 up to a length of its own, all of them.

Nothing is stored but ``pos``: position ``pos[p] + c`` is coordinate ``c`` of parent ``p``, of which there are
``pos[p + 1] - pos[p]``.  Sequences of their own lengths in a batch are stored so.  A walk reads no coordinates, and any
is found by adding.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats import compressed
from sparsec.formats.level import CanAppend, CanIterate, CanLocate, Level, LevelView, register
from sparsec.ir.dtypes import I32, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr
    from sparsec.ir.build import Builder


@register
@node
class Ragged(Level, CanIterate, CanLocate, CanAppend):
    """Stretches that begin at 0; ``pos`` is their storage type (open until bound).

    While a result is assembled its coordinates are kept as well: that none was left out is only known in the end.
    """

    pos: DType | None = None
    name: ClassVar[str] = "ragged"
    anchored: ClassVar[bool] = True

    @property
    def prefix(self) -> bool:
        return True

    def arrays(self) -> dict[str, DType]:
        return {"pos": self.pos or I32}

    def concrete(self, index: DType, pos: DType) -> Level:
        return dataclasses.replace(self, pos=self.pos or pos)

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return b.load_index(v.arrays["pos"], parents)

    # reading

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        return b.load_index(v.arrays["pos"], lo), b.load_index(v.arrays["pos"], hi)

    def begin(self, b: Builder, v: LevelView, parent: Expr) -> LevelView:
        base = b.let("base", b.load_index(v.arrays["pos"], parent))
        return dataclasses.replace(v, scalars={**v.scalars, "base": base})

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return b.sub(pos, v.scalars["base"])

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        first, end = self.bounds(b, v, parent, b.add(parent, 1))
        pos = b.let("at", b.add(first, coord))
        return pos, b.lt(pos, end)

    # writing

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        t = self.arrays()["pos"]
        compressed.check_index(b, v, t)
        compressed.open_segments(b, v, parents, pos=t, crd=t)

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        b.reserve(v.arrays["crd"], v.capacity["crd"], needed)

    def reserve_parents(self, b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
        compressed.reserve_segments(b, v, first, needed)

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        b.store(v.arrays["crd"], pos, coord)

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        compressed.check_positions(b, v, count)
        b.store(v.arrays["pos"], b.add(parent, 1), count)

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        compressed.seal_segments(b, v, parents)

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        with b.loop("p", b.const(0), parents, note=f"check {v.tensor}.{v.number}") as p:
            first, end = self.bounds(b, v, p, b.add(p, 1))
            with b.if_(b.lt(first, end)):  # coordinates ascend: none is missing if the last is where it should be
                last = b.sub(end, 1)
                b.abort_if(b.lt(b.sub(last, first), b.load_index(v.arrays["crd"], last)), "outside")
        b.publish(f"{v.tensor}_pos{v.number}_out", v.arrays["pos"], b.add(parents, 1))

    # checking

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        pos = arrays["pos"]
        any_size = np.broadcast_to(np.int8(0), max(0, int(pos[-1])) if pos.size else 0)
        size = compressed.check_segments(pos, any_size, parents, where)
        lengths = np.diff(pos)
        if (lengths > extent).any():
            p = int(np.argmax(lengths > extent))
            raise FormatError(f"{where}: parent {p} has {int(lengths[p])} coordinates, the dimension has {extent}")
        return size

    def live(self, arrays: dict[str, np.ndarray], parents: np.ndarray, extent: int) -> np.ndarray:
        return np.repeat(parents, np.diff(arrays["pos"]))

    def coordinates(self, arrays: dict[str, np.ndarray], parents: int, extent: int) -> tuple[np.ndarray, np.ndarray]:
        pos = arrays["pos"].astype(np.int64)
        owner = np.repeat(np.arange(parents), np.diff(pos))
        return owner, np.arange(len(owner)) - pos[owner]


__all__ = ["Ragged"]
