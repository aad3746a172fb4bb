"""What a statement of loop nest IR writes to."""

from __future__ import annotations

from sparsec.ir.loops import Accumulate, Stmt, Workspace
from sparsec.ir.rewrite import walk


def written(s: Stmt) -> frozenset[str]:
    """The tensors and workspaces that ``s`` writes to."""
    return frozenset(n.target.tensor for n in walk(s) if isinstance(n, Accumulate))


def handed_on(body: Stmt) -> frozenset[str]:
    """What ``body``, a step of an ordered loop, hands on to the next: what it writes to and does not begin itself."""
    return written(body) - {n.name for n in walk(body) if isinstance(n, Workspace)}


__all__ = ["handed_on", "written"]
