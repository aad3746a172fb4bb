"""Index variables of a statement's own: one name space with tensors and workspaces, one scope a reduction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sparsec.ir.rewrite import map_children
from sparsec.ir.tensor import Assign, Expr, Extent, IndexDecl, Reduce, with_names
from sparsec.passes.names import unused


def rename_indices(s: Assign, tensors: Collection[str]) -> Assign:
    """The statement with every reduction over variables of its own, and none named like a tensor.

    So scopes cannot be confused, and the names of loops, tensors and workspaces are one name space.
    """
    declared = {i.name: i.extent for i in s.indices}
    taken = set(tensors)
    extents: dict[str, Extent] = {}

    def fresh(v: str) -> str:
        new = unused(v, taken.union(declared), "_") if v in taken else v
        taken.add(new)
        extents[new] = declared[v]
        return new

    free: dict[str, str] = {}

    def renamed(v: str, names: dict[str, str]) -> str:
        if v not in names and v not in free:
            free[v] = fresh(v)
        return names.get(v) or free[v]

    def run(e: Expr, names: dict[str, str]) -> Expr:
        if isinstance(e, Reduce):
            inner = names | {v: fresh(v) for v in e.indices}
            where = None if e.where is None else run(e.where, inner)
            return replace(e, indices=tuple(inner[v] for v in e.indices), body=run(e.body, inner), where=where)
        return with_names(map_children(e, lambda c: run(c, names)), lambda v: renamed(v, names))

    target = map_children(s.target, lambda e: run(e, {}))
    value, where = run(s.value, {}), None if s.where is None else run(s.where, {})
    indices = tuple(IndexDecl(v, e) for v, e in extents.items())
    return replace(s, target=target, value=value, where=where, indices=indices)


__all__ = ["rename_indices"]
