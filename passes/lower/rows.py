"""A local whose rows one later nest reads, each once and in the same order, is never stored.

::

    assemble T by count { forall i { workspace w { produce P  consume { forall j { T[i, j] = w[j] } } } } }
    assemble S by bounded { forall i { .. forall j { .. T[i, j] .. } .. } }

is one nest, in which the row is read where it was made::

    assemble S by bounded { forall i { workspace w { produce P  consume { .. forall j { .. w[j] .. } .. } } } }

Only where the reader runs once: one that is counted first would compute every row twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sparsec.ir import loops
from sparsec.ir.loops import (
    Accumulate,
    Assemble,
    Check,
    Chunk,
    Forall,
    ForallStored,
    Full,
    Guard,
    Let,
    Tile,
    Workspace,
)
from sparsec.ir.rewrite import replaced, walk
from sparsec.ir.tensor import Access, Expr, Index, Stored
from sparsec.ir.tensor_values import same_value
from sparsec.ir.variables import mentioned

if TYPE_CHECKING:
    from sparsec.passes.lower.planning import Planner

ONCE = ("insert", "bounded", "fill")
"""The ways to assemble that run a nest once, whatever its rows cost."""


def fuse_rows(planner: Planner, nests: list[loops.Stmt]) -> list[loops.Stmt]:
    """``nests`` with every pair of neighbours that can be one made so; what is no longer stored is not declared."""
    out: list[loops.Stmt] = []
    for nest in nests:
        fused = _fused(planner, out[-1], nest, nests) if out else None
        if fused is None:
            out.append(nest)
            continue
        first = out.pop()
        assert isinstance(first, Assemble) and isinstance(nest, Assemble)
        out.append(fused)
        name = first.tensor
        planner.program = replace(planner.program, tensors=tuple(t for t in planner.program.tensors if t.name != name))
        planner.notes = [n for n in planner.notes if not n.startswith(f"{name}: assembled by")]
        planner.notes.append(f"{name}: fused: '{nest.tensor}' reads each row where it is made, none is stored")
    return out


def _fused(planner: Planner, first: loops.Stmt, second: loops.Stmt, nests: list[loops.Stmt]) -> Assemble | None:
    match first, second:
        case (
            Assemble(name, _, Forall(row, Full() as domain, Workspace(kind="bitmap") as work) as made),
            Assemble(_, method, Forall(index, other, body) as reader),
        ) if method in ONCE and domain == other and not (made.ordered or reader.ordered):
            if made.parallel is not None and reader.parallel is None:
                return None  # its rows would be made one after the other
        case _:
            return None
    local = planner.program.tensor(name)
    if local.role != "local" or not _hands_on(work, name, row) or not same_value(work.init, local.fill):
        return None
    if sum(_mentions(n, name) for n in nests) != 2 or not _can_rename(body, index, row):
        return None
    body = replaced(body, {Index(index): Index(row)})
    loop = _reader(planner, body, name)
    if loop is None:
        return None
    place, value = ((Index(row), Index(loop.index)), Access(work.name, (Index(loop.index),), work.dtype))
    body = replaced(body, {Access(name, place, work.dtype): value})
    if _mentions(body, name):
        return None
    parallel = None if made.parallel is None else reader.parallel or made.parallel
    assert isinstance(second, Assemble)
    return replace(second, body=replace(reader, index=row, body=replace(work, consumer=body), parallel=parallel))


def _hands_on(work: Workspace, name: str, row: str) -> bool:
    """Whether the consumer does nothing but to write the workspace into a row of the tensor."""
    match work.consumer:
        case Forall(j, Full(), Accumulate(target, "=", value)):
            t = work.dtype
            return target == Access(name, (Index(row), Index(j)), t) and value == Access(work.name, (Index(j),), t)
    return False


def _mentions(s: loops.Stmt, name: str) -> bool:
    return any(isinstance(n, Access) and n.tensor == name for n in walk(s))


def _can_rename(body: loops.Stmt, index: str, row: str) -> bool:
    """Whether the loop over ``index`` around ``body`` may be called ``row``: nothing inside is, or knows its name."""
    if index == row:
        return True
    for n in walk(body):
        match n:
            case Forall(name) | Let(name) if name == row:
                return False
            case ForallStored() | Tile() | Chunk():
                return False
    return True


def _reader(planner: Planner, body: loops.Stmt, name: str) -> Forall | None:
    """The one loop that reads the tensor, which stands in no other: the workspace is read once.

    No other operand of the loop decides at which coordinates it runs.
    """
    found = [f for f in _outermost(body) if _mentions(f, name)]
    if len(found) != 1 or not isinstance(found[0].domain, Full) or found[0].reverse:
        return None
    (f,) = found
    dense = {t.name for t in planner.program.tensors if t.format is not None and t.format.is_dense}
    for e in _expressions(f.body):
        for n in walk(e):
            if isinstance(n, Stored):
                return None
            if isinstance(n, Access) and n.tensor not in dense and n.tensor != name and f.index in mentioned(n):
                return None
    return f


def _outermost(s: loops.Stmt) -> Iterator[Forall]:
    """The loops in ``s`` that stand in no other."""
    match s:
        case Forall():
            yield s
        case Workspace(producer=producer, consumer=consumer):
            yield from _outermost(producer)
            yield from _outermost(consumer)
        case Guard(_, body) | Let(body=body):
            yield from _outermost(body)
        case loops.Sequence(stmts):
            for part in stmts:
                yield from _outermost(part)


def _expressions(s: loops.Stmt) -> Iterator[Expr]:
    """What ``s`` reads."""
    for n in walk(s):
        match n:
            case Accumulate(value=e) | Guard(e) | Let(value=e) | Check(value=e):
                yield e


__all__ = ["fuse_rows"]
