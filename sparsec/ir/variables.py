"""The index variables of expressions."""

from __future__ import annotations

from collections.abc import Iterator

from sparsec.ir.rewrite import children, walk
from sparsec.ir.tensor import Access, Assign, Expr, Index, Map, Reduce, elsewhere


def mentioned(*exprs: Expr) -> tuple[str, ...]:
    """Every index variable that stands in the expressions, reduced ones too, once each, in order."""
    return tuple(dict.fromkeys(n.name for e in exprs for n in walk(e) if isinstance(n, Index)))


def free_indices(e: Expr) -> set[str]:
    """The index variables that ``e`` uses and does not reduce itself; scans, softmax and selections keep their own."""
    if isinstance(e, Index):
        return {e.name}
    out = {*elsewhere(e)}.union(*(free_indices(c) for c in children(e)))
    return out - set(e.indices) if isinstance(e, Reduce) else out


def takes_loops(e: Expr) -> bool:
    """Whether computing ``e`` at a point takes a loop: something in it reads other points."""
    return any(isinstance(n, Reduce) or elsewhere(n) for n in walk(e))


def is_plain(target: Access) -> bool:
    """Whether a left side is one place for each point of its variables: each index another one, and nothing else."""
    names = [e.name for e in target.indices if isinstance(e, Index)]
    return len(names) == len(target.indices) == len(set(names))


def is_indirect(e: Expr) -> bool:
    """Is the index read from data?  It is then checked before it is used."""
    return any(isinstance(n, Access) for n in walk(e))


def has_indirect(e: Expr) -> bool:
    """Does an index of what ``e`` reads have to be checked?"""
    return any(isinstance(n, Access) and any(map(is_indirect, n.indices)) for n in walk(e))


def pointwise(e: Expr | Assign) -> bool:
    """Is the value of ``e`` at a point a matter of that point alone?"""
    return not any(elsewhere(n) for n in walk(e))


def conjuncts(c: Expr) -> Iterator[Expr]:
    """The parts that hold together where ``c`` does."""
    if isinstance(c, Map) and c.op in ("and", "bitand"):
        for a in c.args:
            yield from conjuncts(a)
    else:
        yield c


__all__ = [
    "conjuncts", "free_indices", "has_indirect", "is_indirect", "is_plain", "mentioned", "pointwise", "takes_loops",
]  # fmt: skip
