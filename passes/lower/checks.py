"""Indices read from data, checked before they are used.

``x[idx[i]]`` stops the kernel where an index lies outside of ``x``, negative ones included.  The check is a nest of its
own over the points of the index, ahead of the statement (and of the whole kernel, where only operands are read): it
costs one pass over the indices, and the statement's own loops need no guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sparsec.formats.named import dense
from sparsec.ir import loops
from sparsec.ir.dtypes import I64
from sparsec.ir.rewrite import replaced, walk
from sparsec.ir.tensor import Access, Assign, Expr, Extent, Literal, Program, Reduce, TensorDecl
from sparsec.passes.lower.coordinates import is_indirect, surely_inside
from sparsec.passes.lower.order import choose_order
from sparsec.passes.lower.spaces import Nesting
from sparsec.passes.lower.variables import mentioned

if TYPE_CHECKING:
    from sparsec.passes.lower.planning import Planner


def to_check(program: Program, s: Assign) -> Iterator[tuple[str, Expr, int]]:
    """The indices of a statement that must lie inside, read from data or constant: tensor, index, dimension; once."""
    seen: set[tuple[str, Expr, int]] = set()
    for n in walk(s):
        if not isinstance(n, Access):
            continue
        for d, e in enumerate(n.indices):
            found = n.tensor, e, d
            constant = isinstance(e, Literal) and not surely_inside(e, program.tensor(n.tensor).dims[d])
            if (constant or is_indirect(e)) and found not in seen:
                seen.add(found)
                yield found


def checks(planner: Planner, s: Assign) -> Iterator[tuple[loops.Stmt, bool]]:
    """A nest for each index that must lie inside, and whether it reads operands alone."""
    extents: dict[str, Extent] = {i.name: i.extent for i in s.indices}
    for tensor, e, d in to_check(planner.program, s):
        reads = [n.tensor for n in walk(e) if isinstance(n, Access)]
        early = all(planner.program.tensor(t).role == "in" for t in reads)
        extent = planner.program.tensor(tensor).dims[d]
        for nest in _nests(planner, e, extents, lambda e, at=(extent, tensor): loops.Check(e, *at)):  # type: ignore[misc]
            yield nest, early


def _nests(
    planner: Planner, e: Expr, extents: dict[str, Extent], check: Callable[[Expr], loops.Stmt]
) -> list[loops.Stmt]:
    """``check`` of ``e`` at every point, in the order that suits what it reads."""
    names = mentioned(e)
    if not names:
        return [check(e)]
    scalar = TensorDecl("", I64, (), dense(0), 0, "local")
    query = planner.query(Access("", (), I64), Reduce("max", names, e, I64), extents, free_first=True)
    query = replace(query, program=replace(planner.program, tensors=(*planner.program.tensors, scalar)))
    choice = choose_order(query)
    nests, instead = planner.convert(query, choice)
    body = check(replaced(e, instead))
    return [*nests, Nesting(choice.order, choice.space).foralls(choice.order, body)]


__all__ = ["checks"]
