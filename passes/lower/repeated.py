"""Bodies that do the same at each coordinate of a loop: done once, or once with the length, instead of run.

Before::

    forall j in n { y[i] add= R[i, 3] }

After: ``y[i] add= mul(R[i, 3], length)``.  What folding the same again does not change, as ``max`` of one value or a
sum of zeros, is done once.  Not where iterations are ordered, nor where the value reads what is folded: there each step
starts from the one before.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from typing import TYPE_CHECKING

from sparsec.ir import loops, ops
from sparsec.ir.loops import Accumulate, Forall
from sparsec.ir.rewrite import children, walk
from sparsec.ir.tensor import Access, Expr, Index, Literal, Map
from sparsec.ir.tensor_values import scalar
from sparsec.passes.lower.context import Env

if TYPE_CHECKING:
    from sparsec.passes.lower.nests import Lowerer


def done_once(low: Lowerer, f: Forall, env: Env, body: loops.Stmt | None) -> bool:
    """Whether ``body``, at coordinates of ``f``, is as well done once, however many they are (but not none).

    So is ``max`` over a sparse row for the zeros between its entries, and ``max`` over all the rows without any.
    """
    names = {f.index}
    while isinstance(body, Forall) and isinstance(body.domain, loops.Full) and not body.ordered:
        names.add(body.index)
        body = body.body
    return _repeats(low, f, env, body, names) and isinstance(body, Accumulate) and _absorbs(body)


def folded(low: Lowerer, f: Forall, env: Env, body: loops.Stmt, steady: Set[Access] = frozenset()) -> loops.Stmt | None:
    """What ``body`` comes to over coordinates of ``f`` along which the accesses ``steady`` do not change.

    None if it must be run at each.  ``index@length`` stands for their number.
    """
    if not _repeats(low, f, env, body, {f.index}, steady):
        return None
    assert isinstance(body, Accumulate)
    if _absorbs(body):
        return body
    t = body.value.dtype
    if body.op != "add" or t.kind not in "iuf":  # the length as a complex number makes infinite parts nan
        return None
    length: Expr = Index(f"{f.index}@length")
    factor = length if length.dtype == t else Map("cast", (length,), t)
    return replace(body, value=Map("mul", (body.value, factor), t))


def _repeats(
    low: Lowerer, f: Forall, env: Env, body: loops.Stmt | None, names: set[str], steady: Set[Access] = frozenset()
) -> bool:
    """Whether ``body`` folds one value into one place at each coordinate of the loops over ``names``."""
    if f.parallel is not None or f.ordered or not isinstance(body, Accumulate) or body.place is not None:
        return False
    if body.op not in ops.MONOIDS:
        return False  # "=", or a tuple state: it may count its points
    if any(isinstance(n, Access) and n.tensor == body.target.tensor for n in walk(body.value)):
        return False
    return not any(_varies(low, e, env, names, steady) for e in (body.value, *body.target.indices))


def _varies(low: Lowerer, e: Expr, env: Env, names: set[str], steady: Set[Access]) -> bool:
    """Whether ``e`` may differ between coordinates of the loops over ``names``."""
    if isinstance(e, Index):
        return e.name in names
    if isinstance(e, Access):
        if e in steady:
            return False
        storage = low.ctx.storages.get(e.tensor)
        done = env.cursors[e].done if e in env.cursors else 0
        if storage is not None and not storage.is_dense and done < len(storage.levels):
            return True
    return any(_varies(low, n, env, names, steady) for n in children(e) if isinstance(n, Expr))


def _absorbs(s: Accumulate) -> bool:
    """Whether folding the same once more changes nothing."""
    monoid = ops.MONOIDS[s.op]
    if monoid.idempotent:
        return True
    if monoid.op is None or not isinstance(s.value, Literal):
        return False
    value = scalar(s.value.value, s.value.dtype)
    return bool(ops.evaluate(monoid.op, (value, value), s.value.dtype) == value)


__all__ = ["done_once", "folded"]
