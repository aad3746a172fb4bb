"""``=`` at places that only the loops know writes none of them twice: that is counted before anything is written.

``y[idx[i]] = x[i] where c`` goes on after::

    y_writes[idx[i]] += 1 where c
    check y y_writes[a] in 2 once       for each place a, or each that is written

unless the index says by itself which point wrote a place (``writes_once``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sparsec.formats.named import dense, named_format
from sparsec.ir import loops
from sparsec.ir.dtypes import I32, I64
from sparsec.ir.tensor import Access, Assign, Index, Literal, Map
from sparsec.ir.variables import is_plain
from sparsec.passes.lower.copies import widest
from sparsec.passes.lower.guards import restricted
from sparsec.passes.lower.places import writes_once
from sparsec.passes.lower.query import is_sparse

if TYPE_CHECKING:
    from sparsec.passes.lower.planning import Planner


def counting(planner: Planner, s: Assign) -> tuple[Assign, loops.Stmt] | None:
    """The statement that counts how often ``s`` writes each place, and the check; None where once is sure.

    What is counted is as sparse as the target.
    """
    if s.op != "=" or is_plain(s.target) or writes_once(s.target, {i.name: i.extent for i in s.indices}):
        return None
    t = planner.program.tensor(s.target.tensor)
    fmt = dense(t.ndim)
    if is_sparse(t):
        width = widest(planner.program)
        fmt = named_format("sparse", t.ndim).concrete(width, width)
    counts = planner.local(f"{t.name}_writes", replace(t, dtype=I32, format=fmt, fill=0))
    where = None if s.where is None else restricted(s.value, s.where)[1]
    count = replace(s, target=Access(counts.name, s.target.indices, I32), op="add", value=Literal(1, I32), where=where)
    names = [planner.fresh_index(f"a{d}", ()) for d in range(t.ndim)]
    found = Access(counts.name, tuple(Index(v) for v in names), I32)
    check: loops.Stmt = loops.Check(Map("cast", (found,), I64), 2, t.name, once=True)
    for v, extent in reversed([*zip(names, t.dims, strict=True)]):
        check = loops.Forall(v, loops.Full(extent), check)
    planner.notes.append(f"{t.name}: each place is written once, which is counted first")
    return count, check


__all__ = ["counting"]
