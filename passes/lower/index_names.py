"""Index variables of a statement's own: one name space with tensors and workspaces, one scope a reduction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sparsec.ir.rewrite import map_children
from sparsec.ir.tensor import Assign, Expr, Extent, Index, IndexDecl, Reduce, Scan, Top
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
        if isinstance(e, Index):
            return Index(renamed(e.name, names))
        if isinstance(e, Reduce):
            inner = names | {v: fresh(v) for v in e.indices}
            where = None if e.where is None else run(e.where, inner)
            return replace(e, indices=tuple(inner[v] for v in e.indices), body=run(e.body, inner), where=where)
        new = map_children(e, lambda c: run(c, names))
        if isinstance(new, Scan):
            return replace(new, index=renamed(new.index, names))
        if isinstance(new, Top):
            return replace(new, groups=tuple((renamed(g, names), n) for g, n in new.groups))
        return new

    target = map_children(s.target, lambda e: run(e, {}))
    value = run(s.value, {})
    return replace(s, target=target, value=value, indices=tuple(IndexDecl(v, e) for v, e in extents.items()))


__all__ = ["rename_indices"]
