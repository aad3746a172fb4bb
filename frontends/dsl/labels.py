"""The names of index variables in tensor IR: as in the text, numbered where one hides or contradicts another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sparsec.frontends.dsl.scopes import Variable
from sparsec.ir.rewrite import map_children
from sparsec.ir.tensor import Expr, Extent, Index, IndexDecl, Reduce, Scan, Softmax, Top


class Labels:
    """Gives bound variables (``k.1``) names for one statement; ``reduced`` collects what reductions bind."""

    def __init__(self, variables: Mapping[str, Variable], free: list[str], extents: Mapping[str, Extent]) -> None:
        self.variables = variables
        self.extents = extents
        self.names = {f: f for f in free}
        self.free = frozenset(free)
        self.taken: dict[str, Extent] = {}
        self.reduced: dict[str, IndexDecl] = {}

    def run(self, e: Expr, visible: frozenset[str]) -> Expr:
        """``e`` with the final names; ``visible`` are those of the variables around it."""
        match e:
            case Index():
                name = self.names[e.name]
                return e if name == e.name else replace(e, name=name)
            case Reduce():
                names = tuple(self.choose(n, visible) for n in e.indices)
                inner = visible.union(names)
                where = None if e.where is None else self.run(e.where, inner)
                return replace(e, indices=names, body=self.run(e.body, inner), where=where)
            case Scan():
                e = replace(e, index=self.names[e.index])
            case Softmax():
                e = replace(e, indices=tuple(self.names[n] for n in e.indices))
            case Top():
                e = replace(e, groups=tuple((self.names[n], size) for n, size in e.groups))
        new: Expr = map_children(e, lambda child: self.run(child, visible))
        return new

    def choose(self, variable: str, visible: frozenset[str]) -> str:
        """A name for what a reduction binds: reductions side by side share one if their extents agree."""
        if variable in self.names:
            return self.names[variable]
        base, extent, n = self.variables[variable].name, self.extents[variable], 1
        name = base
        while name in visible or name in self.free or self.taken.get(name, extent) != extent:
            n += 1
            name = f"{base}_{n}"
        self.names[variable] = name
        self.taken[name] = extent
        self.reduced[name] = IndexDecl(name, extent)
        return name
