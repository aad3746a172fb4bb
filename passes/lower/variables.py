"""The index variables of expressions."""

from __future__ import annotations

from sparsec.ir.rewrite import children, walk
from sparsec.ir.tensor import Access, Expr, Index, Reduce, Scan, Softmax, Top


def mentioned(*exprs: Expr) -> tuple[str, ...]:
    """Every index variable that stands in the expressions, reduced ones too, once each, in order."""
    return tuple(dict.fromkeys(n.name for e in exprs for n in walk(e) if isinstance(n, Index)))


def names_in(e: Expr) -> set[str]:
    """The index variables that ``e`` uses and does not reduce itself; scans, softmax and selections keep their own."""
    out: set[str] = set()
    match e:
        case Index():
            return {e.name}
        case Scan():
            out = {e.index}
        case Softmax():
            out = set(e.indices)
        case Top():
            out = {g for g, _ in e.groups}
    out = out.union(*(names_in(c) for c in children(e)))
    return out - set(e.indices) if isinstance(e, Reduce) else out


def is_plain(target: Access) -> bool:
    """Whether a left side is one place for each point of its variables: each index another one, and nothing else."""
    names = [e.name for e in target.indices if isinstance(e, Index)]
    return len(names) == len(target.indices) == len(set(names))


def is_indirect(e: Expr) -> bool:
    """Is the index read from data?  It is then checked before it is used."""
    return any(isinstance(n, Access) for n in walk(e))


__all__ = ["is_indirect", "is_plain", "mentioned", "names_in"]
