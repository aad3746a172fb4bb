"""``(p/c: dense, #: slots, p%c: dense, j: singleton), p = order[s](i)``: rows in slices, as a level of its own.

The four levels make sense only together: how many slots a slice has is known from all of its rows, and so is the order
of the rows.  So they are one level type beneath the rows, ``(i: dense, j: sliced[c, s])``, which takes the rows in its
own order; without a permutation (or with ``order[1]``) that is the rows' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparsec.formats.dense import Dense
from sparsec.formats.format import DimConst, DimExpr, DimOp, DimSlot, DimVar, LevelSpec
from sparsec.formats.level import Planned
from sparsec.formats.singleton import Singleton
from sparsec.formats.sliced import Sliced


@dataclass(frozen=True, slots=True)
class Order:
    """``name`` is dimension ``dim``, ordered by the number of entries in windows of ``window``."""

    name: str
    window: int
    dim: str


def sliced_levels(levels: Sequence[LevelSpec], order: Order | None) -> tuple[LevelSpec, ...] | None:
    """The levels with those of slices as one; None where they do not make slices of whole dimensions."""
    at = next((n for n, s in enumerate(levels) if isinstance(s.coord, DimSlot)), None)
    if at is None or at < 1 or at + 3 != len(levels):
        return None
    outer, slots, lane, column = levels[at - 1 :]
    rows = _divided(outer.coord, "/")
    if rows is None or _divided(lane.coord, "%") != rows or not isinstance(slots.type, Planned):
        return None
    if slots.type.type != "slots" or slots.type.options or outer.type != Dense() or lane.type != Dense():
        return None
    if not isinstance(column.coord, DimVar) or not isinstance(column.type, Singleton) or not column.type.unique:
        return None
    name, height = rows
    if order is not None and order.name != name:
        return None
    above = LevelSpec(DimVar(order.dim if order is not None else name), Dense())
    below = Sliced(height, order.window if order is not None else 1, index=column.type.index)
    return (*levels[: at - 1], above, LevelSpec(column.coord, below))


def _divided(e: DimExpr, op: str) -> tuple[str, int] | None:
    match e:
        case DimOp(found, (DimVar(name), DimConst(by))) if found == op and by > 0:
            return name, by
    return None


__all__ = ["Order", "sliced_levels"]
