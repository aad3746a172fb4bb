"""Indices read from data, checked before they are used.

``x[idx[i]]`` stops the kernel where an index lies outside of ``x``, negative ones included.  The check is a nest of its
own over the points of the index, ahead of the statement (and of the whole kernel, where only operands are read): it
costs one pass over the indices, and the statement's own loops need no guard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sparsec.ir import loops
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Assign, Expr, Extent, Program
from sparsec.passes.lower.coordinates import is_indirect
from sparsec.passes.lower.variables import mentioned


def indirect(s: Assign) -> Iterator[tuple[str, Expr, int]]:
    """The indices of a statement that are read from data: tensor, index, dimension; each once."""
    seen: set[tuple[str, Expr, int]] = set()
    for n in walk(s):
        if not isinstance(n, Access):
            continue
        for d, e in enumerate(n.indices):
            found = n.tensor, e, d
            if is_indirect(e) and found not in seen:
                seen.add(found)
                yield found


def checks(program: Program, s: Assign) -> Iterator[tuple[loops.Stmt, bool]]:
    """A nest for each index read from data, and whether it reads operands alone."""
    extents: Mapping[str, Extent] = {i.name: i.extent for i in s.indices}
    for tensor, e, d in indirect(s):
        nest: loops.Stmt = loops.Check(e, program.tensor(tensor).dims[d], tensor)
        reads = [n.tensor for n in walk(e) if isinstance(n, Access)]
        for v in reversed(mentioned(e)):
            nest = loops.Forall(v, loops.Full(extents[v]), nest)
        yield nest, all(program.tensor(t).role == "in" for t in reads)


__all__ = ["checks"]
