"""``singleton``: exactly one coordinate for each parent position, ``crd[p]``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats.compressed import check_coordinates, check_index, cut
from sparsec.formats.level import CanAppend, CanIterate, Level, LevelView, register
from sparsec.ir.dtypes import I32, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr
    from sparsec.ir.build import Builder


@register
@node
class Singleton(Level, CanIterate, CanAppend):
    """One coordinate a parent; beneath a ``nonunique`` level it makes coordinate lists."""

    is_unique: bool = True
    index: DType | None = None
    name: ClassVar[str] = "singleton"
    flags: ClassVar[dict[str, tuple[str, object]]] = {
        "unique": ("is_unique", True),
        "nonunique": ("is_unique", False),
    }

    @property
    def unique(self) -> bool:
        return self.is_unique

    @property
    def branchless(self) -> bool:
        return True

    def arrays(self) -> dict[str, DType]:
        return {"crd": self.index or I32}

    def concrete(self, index: DType, pos: DType) -> Level:
        return dataclasses.replace(self, index=self.index or index)

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return parents

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        return lo, hi

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return b.load_index(v.arrays["crd"], pos)

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        check_index(b, v, self.arrays()["crd"])
        v.arrays["crd"] = b.alloc(
            f"{v.tensor}_crd{v.number}", self.arrays()["crd"], parents, origin=(v.tensor, v.number, "crd")
        )
        v.capacity["crd"] = b.var(f"{v.tensor}_crd{v.number}_cap", parents)

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        b.reserve(v.arrays["crd"], v.capacity["crd"], needed)

    def reserve_parents(self, b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
        self.reserve(b, v, needed)

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        b.store(v.arrays["crd"], pos, coord)

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        pass

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        pass

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        b.publish(f"{v.tensor}_crd{v.number}_out", v.arrays["crd"], size)

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        crd = arrays["crd"]
        if crd.ndim != 1 or len(crd) < parents:
            raise FormatError(f"{where}: crd has {crd.size} entries, expected {parents}")
        check_coordinates(crd[:parents], extent, where)
        return parents

    def trimmed(self, arrays: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
        return {**arrays, "crd": cut(arrays["crd"], size)}


__all__ = ["Singleton"]
