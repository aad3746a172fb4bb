"""Whether the rows of a result are bounded: each comes from a list that keeps so many entries and no more (``top``)."""

from __future__ import annotations

from sparsec.formats.compressed import Compressed
from sparsec.formats.format import Format
from sparsec.ir.loops import Accumulate, Forall, Full, Guard, Let, Stmt, Workspace
from sparsec.ir.tensor import Access, Index

ROOM = 256
"""Rows of more entries are counted: the room for them could be much more than what comes."""


def can_bound(fmt: Format) -> bool:
    """Whether results in ``fmt`` can be made so: full levels above a compressed one."""
    return fmt.is_plain and all(s.type.full for s in fmt.levels[:-1]) and isinstance(fmt.levels[-1].type, Compressed)


def bound(body: Stmt, tensor: str) -> int | None:
    """How many entries a row of ``tensor`` can get from ``body``; None where that does not say.

    It does where one list that keeps so many stands inside plain loops over the indices of the row.
    """
    rows: list[str] = []
    keep: int | None = None
    while True:
        match body:
            case Forall(index, Full(), inner) if keep is None:
                rows.append(index)
                body = inner
            case Forall(last, Full(), Accumulate(Access(name, indices), "=")) if name == tensor:
                outer = [e.name for e in indices if isinstance(e, Index) and e.name != last]
                return keep if sorted(outer) == sorted(rows) and len(indices) == len(rows) + 1 else None
            case Workspace(kind="list", indices=(_,)) if body.keep is not None and keep is None:
                keep, body = body.keep, body.consumer
            case Workspace():
                body = body.consumer
            case Guard() | Let():
                body = body.body
            case _:
                return None


__all__ = ["ROOM", "bound", "can_bound"]
