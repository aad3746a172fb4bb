"""What a statement of loop nest IR writes to."""

from __future__ import annotations

from sparsec.ir.loops import Accumulate, Stmt
from sparsec.ir.rewrite import walk


def written(s: Stmt) -> frozenset[str]:
    """The tensors and workspaces that ``s`` writes to."""
    return frozenset(n.target.tensor for n in walk(s) if isinstance(n, Accumulate))


def operators(body: Stmt, tensor: str) -> tuple[str, ...]:
    """The operators by which ``body`` writes a tensor, once each, in the order of the text.

    The first says what the tensor begins as: its fill where that is ``=``, else the operator's identity.
    """
    found = (n.op for n in walk(body) if isinstance(n, Accumulate) and n.target.tensor == tensor)
    return tuple(dict.fromkeys(found))


__all__ = ["operators", "written"]
