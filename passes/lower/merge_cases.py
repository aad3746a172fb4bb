"""How much code a merge of an expression's sparse operands takes, each part of the expression looked at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sparsec.ir.rewrite import children
from sparsec.ir.tensor import Access, Expr, Map, Program, Reduce, Scan, Stored
from sparsec.ir.variables import mentioned
from sparsec.passes.lower.guards import split

MAX_WALKERS = 8
"""More sparse operands than this at one loop would mean more than 256 cases: a limit, not a wish."""


class Seen(NamedTuple):
    """Of one part: the cases in which it has an entry, its sparse operands as bits, the most levels that may lack."""

    present: float
    operands: int
    depth: int


@dataclass(slots=True)
class MergeCases:
    """About how many bodies a merge of the operands of an expression's parts emits.

    ``sparse`` has the sparse accesses.  However often one is read, it has an entry or it has none.
    """

    program: Program
    sparse: Mapping[Expr, Expr]
    bits: dict[Access, int] = field(default_factory=dict)
    along: dict[str, int] = field(default_factory=dict)  # the operands that lack coordinates of a variable, as bits
    memo: dict[int, tuple[Expr, Seen]] = field(default_factory=dict)  # by identity: hashing a tree walks it

    def of(self, e: Expr) -> float:
        """(levels + 1) ** (operands that may lack)."""
        seen = self.seen(e)
        return float((max(1, seen.depth) + 1) ** math.log2(seen.present + 1.0))

    def meeting(self, e: Expr) -> int:
        """How many operands may meet in one loop: those that store coordinates of one variable sparsely."""
        seen = self.seen(e).operands
        return max(((seen & along).bit_count() for along in self.along.values()), default=0)

    def seen(self, e: Expr) -> Seen:
        known = self.memo.get(id(e))
        if known is None:
            known = self.memo[id(e)] = e, self._look(e)
        return known[1]

    def _look(self, e: Expr) -> Seen:
        parts = [self.seen(c) for c in children(e)]
        operands, depth = 0, 0
        for p in parts:
            operands, depth = operands | p.operands, max(depth, p.depth)
        if isinstance(e, Access) and e in self.sparse:
            operands |= self.bits.setdefault(e, 1 << len(self.bits))
            fmt = self.program.tensor(e.tensor).format
            assert fmt is not None
            lacking = [c for s, c in zip(fmt.levels, fmt.coords, strict=True) if not s.type.full]
            depth = max(depth, len(lacking))
            for name in mentioned(*(e.indices[d] for c in lacking for d in c.dims)):
                self.along[name] = self.along.get(name, 0) | self.bits[e]
        most = 2.0 ** operands.bit_count() - 1.0
        return Seen(min(self._present(e), most), operands, depth)

    def _present(self, e: Expr) -> float:
        if isinstance(e, Access | Stored):
            return 1.0
        if isinstance(e, Reduce | Scan):
            return self.seen(e.body).present
        if not isinstance(e, Map):
            return 0.0
        counts = [self.seen(a).present for a in e.args]
        if e.op in ("mul", "and", "bitand") or split(e) is not None:
            return math.prod(max(1.0, c) for c in counts)
        return math.prod(c + 1.0 for c in counts) - 1.0


__all__ = ["MAX_WALKERS", "MergeCases"]
