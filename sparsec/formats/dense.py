"""``dense``: every coordinate of the dimension, in order; position = parent * extent + coordinate."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.formats.level import CanInsert, CanLocate, Level, LevelView, register
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr
    from sparsec.ir.build import Builder


@register
@node
class Dense(Level, CanLocate, CanInsert):
    """Every coordinate is present.

    ``strided`` levels (views of NumPy arrays, operands only) step by a run-time stride, in elements.
    """

    strided: bool = False
    name: ClassVar[str] = "dense"
    flags: ClassVar[dict[str, tuple[str, object]]] = {"strided": ("strided", True)}

    @property
    def full(self) -> bool:
        return True

    @property
    def compact(self) -> bool:
        return not self.strided

    def scalars(self) -> tuple[str, ...]:
        return ("stride",) if self.strided else ()

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return b.mul(parents, v.extent)

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        if self.strided:
            return b.add(parent, b.mul(coord, v.scalars["stride"])), b.true
        return b.add(b.mul(parent, v.extent), coord), b.true

    def insert(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> Expr:
        return self.locate(b, v, parent, coord)[0]

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        return parents * extent
