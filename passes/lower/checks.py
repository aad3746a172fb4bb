"""Indices read from data, checked before they are used.

``x[idx[i]]`` stops the kernel where an index lies outside of ``x``, negative ones included.  The check is a nest of its
own over the points of the index, ahead of the statement (and of the whole kernel, where only operands are read, and
locals made of them): it costs one pass over the indices, and the statement's own loops need no guard.  In a scan block
an index may be what the block computes: it is checked at the point that reads there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from typing import Literal as Literal_

from sparsec.formats.named import dense
from sparsec.ir import loops
from sparsec.ir.dtypes import I64
from sparsec.ir.rewrite import replaced, walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Expr,
    Extent,
    IndexDecl,
    Literal,
    Map,
    Program,
    Reduce,
    ScanLoop,
    TensorDecl,
    assigns,
)
from sparsec.ir.variables import has_indirect, is_indirect, mentioned, takes_loops
from sparsec.passes.lower.coordinates import surely_inside
from sparsec.passes.lower.guards import conjunction, conjuncts, split
from sparsec.passes.lower.order import choose_order
from sparsec.passes.lower.overflow import loses
from sparsec.passes.lower.spaces import Nesting

if TYPE_CHECKING:
    from sparsec.passes.lower.planning import Planner


When = Literal_["ahead", "before", "at"]
"""Ahead of the whole kernel, before the statement, or (in a scan block) at each of its points."""


class Block(NamedTuple):
    """A scan block: the variable of its loop, and what it writes."""

    step: IndexDecl
    written: tuple[str, ...]

    @classmethod
    def of(cls, s: ScanLoop) -> Block:
        return cls(s.index, tuple(dict.fromkeys(a.target.tensor for a in s.body)))


class Indirect(NamedTuple):
    """An index that must lie inside dimension ``dim`` of ``tensor``, at the points that ``where`` admits."""

    tensor: str
    value: Expr
    dim: int
    where: Expr | None

    @property
    def reads(self) -> set[str]:
        """The tensors that say what it is, and where it counts."""
        return reads_of(self.value, self.where)


def to_check(program: Program, s: Assign) -> Iterator[Indirect]:
    """The indices of a statement that must lie inside, read from data or constant; each once.

    What is read must be inside where its conditions hold (``admitted.py``), what is written where the statement writes.
    """
    seen: set[tuple[str, Expr, int]] = set()
    for n in reversed([*walk(s)]):  # an index is checked before what is read at it is an index
        if not isinstance(n, Access):
            continue
        for d, e in enumerate(n.indices):
            found = n.tensor, e, d
            constant = isinstance(e, Literal) and not surely_inside(e, program.tensor(n.tensor).dims[d])
            if (constant or is_indirect(e)) and found not in seen:
                seen.add(found)
                guarded = split(e)
                if n is s.target or guarded is None:
                    yield Indirect(*found, writing(s, e) if n is s.target else None)
                else:
                    yield Indirect(n.tensor, guarded.value, d, guarded.condition)


def writing(s: Assign, *indices: Expr) -> Expr | None:
    """The part of the statement's condition that can be asked where ``indices`` of its target are checked."""
    names = set(mentioned(*indices))
    parts = [] if s.where is None else [c for c in conjuncts(s.where) if set(mentioned(c)) <= names]
    return conjunction(c for c in parts if not takes_loops(c) and not has_indirect(c))


def of_operands(program: Program) -> set[str]:
    """The operands, and the locals made of operands and of one another alone, each whole before anything reads it."""
    out = {t.name for t in program.tensors if t.role in ("in", "local")}
    before: set[str] = set()
    while before != out:
        before, read = set(out), set[str]()
        for s in program.body:
            for a in assigns((s,)):
                name = a.target.tensor
                reads = reads_of(a.value, a.where, *a.target.indices) - {name}
                if isinstance(s, ScanLoop) or name in read or not reads <= out:
                    out.discard(name)
                read |= reads
    return out


def early_locals(program: Program) -> frozenset[str]:
    """The locals that checks ahead of the whole kernel read: they are made ahead of it, too."""
    known = of_operands(program)
    needed: set[str] = set()
    for s in reversed([*assigns(program.body)]):
        for found in to_check(program, s):
            if found.reads <= known:
                needed |= found.reads
        if s.target.tensor in needed:
            needed |= reads_of(s.value, s.where, *s.target.indices)
    return frozenset(n for n in needed if program.tensor(n).role == "local")


def reads_of(*parts: Expr | None) -> set[str]:
    """The tensors that expressions read."""
    return {n.tensor for p in parts if p is not None for n in walk(p) if isinstance(n, Access)}


def checks(planner: Planner, s: Assign, block: Block | None = None) -> Iterator[tuple[loops.Stmt, When]]:
    """A nest for each index that must lie inside, and when it runs; ``block`` if ``s`` is a statement of one.

    What such a statement reads of what its block writes is checked at each point of that.
    """
    indices = s.indices if block is None else (block.step, *s.indices)
    extents: dict[str, Extent] = {i.name: i.extent for i in indices}
    for found in to_check(planner.program, s):
        tensor, e, d, where = found
        early = all(planner.program.tensor(t).role == "in" or t in planner.early for t in found.reads)
        when: When = "ahead" if early else "before"
        extent = planner.program.tensor(tensor).dims[d]
        lost = loses(e, extents)
        value = e if lost is None else Map("select", (lost, Literal(-1, I64), e), I64)
        step = None if block is None or found.reads.isdisjoint(block.written) else block.step.name
        first, nest = _nest(planner, value, where, extents, loops.Check(value, extent, tensor), step)
        for n in first:
            yield n, when if step is None else "before"
        yield nest, when if step is None else "at"


def _nest(
    planner: Planner, e: Expr, where: Expr | None, extents: dict[str, Extent], check: loops.Check, step: str | None
) -> tuple[list[loops.Stmt], loops.Stmt]:
    """Conversions, and ``check`` of ``e`` at every point that ``where`` admits, in the order that suits what they read.

    There is a loop over ``step`` around it.
    """
    outermost = () if step is None else (step,)
    names = tuple(dict.fromkeys((*outermost, *mentioned(e, *(() if where is None else (where,))))))
    if not names:
        return [], check if where is None else loops.Guard(where, check)
    scalar = TensorDecl("", I64, (), dense(0), 0, "local")
    asked = e if where is None else Map("select", (where, e, Literal(0, I64)), I64)
    query = planner.query(Access("", (), I64), Reduce("max", names, asked, I64), extents, free_first=True)
    program = replace(planner.program, tensors=(*planner.program.tensors, scalar))
    query = replace(query, program=program, outermost=outermost)
    choice = choose_order(query)
    conversions, instead = planner.convert(query, choice)
    body: loops.Stmt = replace(check, value=replaced(e, instead))
    if where is not None:
        body = loops.Guard(replaced(where, instead), body)
    inner = choice.order[len(outermost) :]
    return conversions, Nesting(choice.order, choice.space).foralls(inner, body)


__all__ = ["Block", "checks", "early_locals", "of_operands", "reads_of", "to_check", "writing"]
