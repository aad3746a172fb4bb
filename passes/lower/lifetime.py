"""One half of a program: the patterns of its sparse results, or the values on patterns that are there.

Assembling and computing apart is for loops that keep a pattern: it is paid for once.  Both halves are the whole program
with other roles for its results, so every nest, workspace and order is found as for the whole.
"""

from __future__ import annotations

from dataclasses import replace

from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Assign, Program, Stmt, TensorDecl, assigns


def pattern_of(program: Program) -> Program:
    """The program that makes the patterns of the sparse results, and what those need: dense results are left out.

    Values that no statement reads are not computed.
    """
    needed = {t.name for t in program.results if is_sparse(t)}
    body: list[Stmt] = []
    for s in reversed(program.body):
        written = {a.target.tensor for a in assigns((s,))}
        if written & needed:
            body.insert(0, s)
            needed |= _reads(s) | written
    read = set().union(*(_reads(s) for s in body)) if body else set()
    tensors = []
    for t in program.tensors:
        if t.role != "in" and t.name not in needed:
            continue
        if t.role == "out":
            t = replace(t, role="local" if not is_sparse(t) else "out" if t.name in read else "pattern")
        tensors.append(t)
    return replace(program, tensors=tuple(tensors), body=tuple(body))


def values_of(program: Program) -> Program:
    """The program that computes values on patterns that the caller passes for every sparse result."""
    tensors = tuple(replace(t, role="values") if t.role == "out" and is_sparse(t) else t for t in program.tensors)
    return replace(program, tensors=tensors)


def is_sparse(t: TensorDecl) -> bool:
    return t.format is not None and not t.format.is_dense


def _reads(s: Stmt) -> set[str]:
    """The tensors that a statement reads, indices of its left side included."""
    out: set[str] = set()
    for a in assigns((s,)):
        parts = (a.value, a.where, *a.target.indices)
        out |= {n.tensor for e in parts if e is not None for n in walk(e) if isinstance(n, Access)}
        if _keeps(a):
            out.add(a.target.tensor)
    return out


def _keeps(a: Assign) -> bool:
    """Whether the statement leaves some of what its target held."""
    return a.op != "=" or a.where is not None


__all__ = ["is_sparse", "pattern_of", "values_of"]
