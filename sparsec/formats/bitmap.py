"""``bitmap``: a place for every coordinate, and a byte that says whether there is an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats.level import CanAppend, CanInsert, CanLocate, Level, LevelView, register
from sparsec.ir.dtypes import U8, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr
    from sparsec.ir.build import Builder


@register
@node
class Bitmap(Level, CanLocate, CanInsert, CanAppend):
    """Position = parent * extent + coordinate, as in ``dense``; ``map`` is 1 where there is an entry, else 0.

    It is read by asking for each coordinate, which is what walking it would come to, and written anywhere.
    """

    name: ClassVar[str] = "bitmap"
    needs_counts: ClassVar[bool] = False

    @property
    def spread(self) -> bool:
        return True

    @property
    def compact(self) -> bool:
        return False

    def arrays(self) -> dict[str, DType]:
        return {"map": U8}

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return b.mul(parents, v.extent)

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        pos = b.let("place", b.add(b.mul(parent, v.extent), coord))
        return pos, b.op("ne", b.load(v.arrays["map"], pos), b.const(0, U8))

    # writing

    def insert(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> Expr:
        return b.add(b.mul(parent, v.extent), coord)

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        places = b.product("places", parents, v.extent)
        origin = (v.tensor, v.number, "map")
        v.arrays["map"] = b.alloc(f"{v.tensor}_map{v.number}", U8, places, b.const(0, U8), origin=origin)
        v.capacity["map"] = b.var(f"{v.tensor}_map{v.number}_cap", places)

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        pass  # there is room as soon as there are parents

    def reserve_parents(self, b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
        end = b.let("end", b.mul(needed, v.extent))
        b.reserve(v.arrays["map"], v.capacity["map"], end)
        with b.loop("p", b.mul(first, v.extent), end) as p:
            b.store(v.arrays["map"], p, b.const(0))

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        b.store(v.arrays["map"], pos, b.const(1))

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        pass

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        pass

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        b.publish(f"{v.tensor}_map{v.number}_out", v.arrays["map"], size)

    # checking

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        size = parents * extent
        check_flags(arrays["map"], size, f"one for each of {extent} coordinates of {parents} parents", where)
        return size

    def live(self, arrays: dict[str, np.ndarray], parents: np.ndarray, extent: int) -> np.ndarray:
        return np.asarray(np.repeat(parents, extent) & (arrays["map"] != 0))


def check_flags(flags: np.ndarray, size: int, what: str, where: str) -> None:
    """Raise ``FormatError`` unless ``flags`` are ``size`` zeros and ones: ``what`` they stand for."""
    if flags.ndim != 1 or len(flags) != size:
        raise FormatError(f"{where}: map has {flags.size} entries, expected {size}: {what}")
    if flags.size and int(flags.max()) > 1:
        p = int(np.argmax(flags > 1))
        raise FormatError(f"{where}: map is {int(flags[p])} at {p}, expected 0 or 1", hint="1 where there is an entry")


__all__ = ["Bitmap", "check_flags"]
