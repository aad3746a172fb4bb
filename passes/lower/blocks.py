"""Whether something was written beneath a coordinate: blocks that get no entry are not stored.

The dense levels under a coordinate have all of their places at once, so that no count tells whether any was written.
A flag does; where the loops alone show that it would be set (each runs over a whole level, no condition stands between)
there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sparsec.ir.buffer import FALSE, TRUE, Block, Const, Decl, Expr, For, If, Set, Stmt, Var, i64
from sparsec.ir.build import Builder
from sparsec.ir.dtypes import BOOL
from sparsec.ir.rewrite import map_children


@dataclass(slots=True)
class Written:
    """The flag while statements are emitted, and afterwards the answer."""

    flag: Var
    answer: Expr


@contextmanager
def watched(b: Builder, extents: Collection[Expr]) -> Iterator[Written]:
    """Around statements that set the flag where they write; ``extents`` are those of the levels that they fill."""
    written = Written(Var(b.fresh("wrote"), BOOL), TRUE)
    with b.collect() as stmts:
        yield written
    if _surely(stmts, written.flag, extents):
        stmts = [_without(s, written.flag) for s in stmts]
    else:
        b.emit(Decl(written.flag, FALSE))
        written.answer = written.flag
    for s in stmts:
        b.emit(s)


def _surely(stmts: Iterable[Stmt], flag: Var, extents: Collection[Expr]) -> bool:
    """Whether ``flag`` is set whatever the data are; of levels that have no place at all no block has one."""
    return any(_sets(s, flag, extents) for s in stmts)


def _sets(s: Stmt, flag: Var, extents: Collection[Expr]) -> bool:
    if isinstance(s, Set):
        return s.var == flag
    if isinstance(s, If):
        return _surely(s.then.stmts, flag, extents) and _surely(s.orelse.stmts, flag, extents)
    if isinstance(s, For):
        runs = s.lo == i64(0) and (s.hi in extents or (isinstance(s.hi, Const) and s.hi != i64(0)))
        return runs and _surely(s.body.stmts, flag, extents)
    return isinstance(s, Block) and _surely(s.stmts, flag, extents)


def _without(s: Stmt, flag: Var) -> Stmt:
    """``s`` without what sets ``flag``."""
    if isinstance(s, Set) and s.var == flag:
        return Block()
    if isinstance(s, Block):
        return Block(tuple(_without(c, flag) for c in s.stmts if not (isinstance(c, Set) and c.var == flag)))
    return map_children(s, lambda c: _without(c, flag))


__all__ = ["Written", "watched"]
