"""Monoids with a tuple state, as the lowering sees them: what need not be reduced, and the state in locals.

A reduction with such a monoid runs inside all its free variables, so that one state is enough.  ``A[w] m= x`` is
``state = combine(state, lift(x))``, each part of the state a mutable local; reading it gives ``value(state)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sparsec.ir.buffer import Const, Expr, Var
from sparsec.ir.build import cast, op
from sparsec.ir.loops import Accumulate, Workspace
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Literal, Map, MonoidDef
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.context import Context, Env


class TupleWork:
    """A scalar workspace with a tuple state: a mutable local for each part."""

    sparse = False

    def __init__(self, ctx: Context, w: Workspace, m: MonoidDef) -> None:
        self.w = w
        self.m = m
        zeros = [emit(ctx, e, {}) for e in m.zero]
        self.state: list[Var] = [ctx.b.var(f"{w.name}_{name}", z) for name, z in zip(m.states, zeros, strict=True)]
        self.value: Expr | None = None

    def finish(self, ctx: Context) -> None:
        """Compute the value, once for all that reads it."""
        self.value = self.so_far(ctx)

    def so_far(self, ctx: Context) -> Expr:
        """The value of the state as it stands: a scan reads it between two points."""
        names = dict(zip(self.m.states, self.state, strict=True))
        return ctx.b.let(self.w.name, emit(ctx, self.m.value, names))

    def read(self, ctx: Context, access: Access, env: Env) -> Expr:
        return self.so_far(ctx) if self.value is None else self.value

    def update(self, ctx: Context, access: Access, op_name: str, value: TExpr, env: Env) -> None:
        raise AssertionError(f"{self.w.name} folds whole statements")

    def fold(self, ctx: Context, s: Accumulate, env: Env) -> None:
        """One more point."""
        m, b = self.m, ctx.b
        given = {m.lift_arg: b.let("x", ctx.expr(s.value, env))}
        if m.place is not None:
            assert s.place is not None
            given[m.place] = ctx.expr(s.place, env)
        lifted = [emit(ctx, e, given) for e in m.lift]
        names = dict(zip(m.left, self.state, strict=True)) | dict(zip(m.right, lifted, strict=True))
        shared = _shared(ctx, m.combine, names)
        new = [b.let("new", emit(ctx, e, names, shared)) for e in m.combine]
        for var, e in zip(self.state, new, strict=True):
            b.set(var, e)


def emit(ctx: Context, e: TExpr, names: Mapping[str, Expr], shared: Mapping[TExpr, Expr] | None = None) -> Expr:
    """An expression of a typed definition; ``shared`` holds what has been computed already."""
    if shared is not None and e in shared:
        return shared[e]
    match e:
        case Literal(value, dtype):
            return Const(value, dtype)
        case Access(name):
            return names[name]
        case Map():
            args = tuple(emit(ctx, a, names, shared) for a in e.args)
            return cast(args[0], e.dtype) if e.op == "cast" else op(e.op, *args, type=e.dtype)
    raise TypeError(f"a monoid's definition cannot contain '{type(e).__name__}'")


def _shared(ctx: Context, es: tuple[TExpr, ...], names: Mapping[str, Expr]) -> dict[TExpr, Expr]:
    """Locals for the operators that stand more than once in ``es``, the innermost first."""
    count = Counter(n for e in es for n in walk(e) if isinstance(n, Map))
    out: dict[TExpr, Expr] = {}
    for n in [n for e in es for n in reversed([*walk(e)])]:
        if isinstance(n, Map) and count[n] > 1 and n not in out:
            out[n] = ctx.b.let(n.op, emit(ctx, n, names, out))
    return out


__all__ = ["TupleWork", "emit"]
