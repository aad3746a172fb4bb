"""Softmax written out: the greatest value of a fibre, the sum of exponentials around it, the quotient.

``P[i, j] = softmax[j](e)`` becomes, with ``m`` and ``s`` locals whose formats are chosen as for any other::

    m[i] = max[j](e)
    s[i] = sum[j](exp(e - m[i]))
    P[i, j] = select(m[i] == -inf, 0, exp(e - m[i]) / s[i])

So a fibre with no point above -inf is 0, and nothing here knows of sparsity: where ``e`` is an unstored -inf, so is
``e - m`` (``ops.forced``), its exponential is 0, and the result keeps the pattern of ``e``.  A condition of the softmax
goes to both reductions, and outside of it there is no weight.  What takes a loop of its own to compute (a reduction, a
scan) is given a local too, so that it is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sparsec.ir.dtypes import BOOL
from sparsec.ir.rewrite import map_children, walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Expr,
    Literal,
    Map,
    Program,
    Reduce,
    Softmax,
    Stmt,
    TensorDecl,
)
from sparsec.ir.variables import free_indices, takes_loops
from sparsec.passes.lower.guards import guard
from sparsec.passes.lower.locals import local_over
from sparsec.passes.names import unused


def expand(program: Program) -> Program:
    """The program without softmax, but for those in ``scan`` blocks; itself if it has none."""
    if not any(isinstance(s, Assign) and any(isinstance(n, Softmax) for n in walk(s)) for s in program.body):
        return program
    expansion = _Expansion(program)
    for s in program.body:
        if isinstance(s, Assign):
            expansion.statement(s)
        else:
            expansion.body.append(s)
    return replace(program, tensors=(*program.tensors, *expansion.locals), body=tuple(expansion.body))


@dataclass(slots=True)
class _Expansion:
    """The statements and locals made so far."""

    program: Program
    body: list[Stmt] = field(default_factory=list)
    locals: list[TensorDecl] = field(default_factory=list)

    def statement(self, s: Assign) -> None:
        def run(e: Expr) -> Expr:
            new: Expr = map_children(e, run)
            return self.softmax(new, s) if isinstance(new, Softmax) else new

        value, where = run(s.value), None if s.where is None else run(s.where)
        self.body.append(replace(s, value=value, where=where))

    def softmax(self, e: Softmax, s: Assign) -> Expr:
        """The quotient; what it needs is computed before ``s``."""
        low, zero = Literal(-float("inf"), e.dtype), Literal(0.0, e.dtype)
        where, body = None if e.where is None else self.once(e.where, s, "c"), e.body
        if takes_loops(body):
            # Where the condition fails nothing is computed, and nothing stored.
            body = self.local(body if where is None else guard(where, body, low.value), s, "x")
        greatest = self.local(Reduce("max", e.indices, body, e.dtype, where), s, "max")
        weight = Map("exp", (Map("sub", (body, greatest), e.dtype),), e.dtype)
        total = self.local(Reduce("add", e.indices, weight, e.dtype, where), s, "sum")
        nothing = Map("eq", (greatest, low), BOOL)
        out = Map("select", (nothing, zero, Map("div", (weight, total), e.dtype)), e.dtype)
        return out if where is None else guard(where, out, 0.0)

    def once(self, e: Expr, s: Assign, hint: str) -> Expr:
        """``e``, by way of a local if it needs loops of its own."""
        return self.local(e, s, hint) if takes_loops(e) else e

    def local(self, e: Expr, s: Assign, hint: str) -> Access:
        """A local over the index variables that ``e`` depends on, defined as ``e``."""
        extents = {i.name: i.extent for i in s.indices}
        used = free_indices(e)
        free = tuple(v for v in extents if v in used)
        reduced = {v for n in walk(e) if isinstance(n, Reduce) for v in n.indices}
        name = self.fresh(f"{s.target.tensor}_{hint}")
        decl, target = local_over(name, free, extents, e.dtype, None)
        self.locals.append(decl)
        indices = (*(i for i in s.indices if i.name in used), *(i for i in s.indices if i.name in reduced - used))
        self.body.append(Assign(target, "=", e, indices, span=s.span))
        return target

    def fresh(self, hint: str) -> str:
        return unused(hint, {t.name for t in (*self.program.tensors, *self.locals)})


__all__ = ["expand"]
