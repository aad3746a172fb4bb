"""Updates for drawn programs: of what a statement defined, of what the caller passes, of nothing yet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL
from sparsec.ir.tensor import Assign, Expr, TensorDecl
from sparsec.ir.tensor_values import scalar
from tests.support.conditions import condition

if TYPE_CHECKING:
    from hypothesis import strategies as st

    from tests.support.strategies import Maker

BEFORE = "_before"


def updated(draw: st.DrawFn, maker: Maker, first: Assign, made: TensorDecl) -> tuple[list[Assign], TensorDecl]:
    """The statements and the declaration of a result that ``first`` defines, maybe with updates.

    Three kinds: ``R = e; R op= f``, ``R op= f`` of what the caller passes, and ``R op= f`` of the operator's identity.
    """
    kind = maker.pick("none", "none", "none", "later", "later", "passed", "passed", "fresh")
    if kind == "none":
        return [first], made
    op = maker.pick(*(("or", "and") if made.dtype is BOOL else ("add", "add", "mul", "min", "max")))
    op = "mul" if made.dtype.kind == "c" and op in ("min", "max") else op
    if made.dtype.is_float and op in ("min", "max") and kind == "fresh":
        op = "add"  # an empty reduction would make infinities
    if kind != "fresh":
        maker.reads[made.name] = made
    maker.left = 5
    scope = "".join(i.name for i in first.target.indices)  # type: ignore[union-attr]
    maker.dim_of = {v: d for v, d in maker.dim_of.items() if v in scope}
    value = maker.expr(draw(_depths()), scope, made.dtype, scope if maker.chance(80) else "")
    if not _keeps_fill(maker, made, op, value, kind):
        return [first], made
    where = condition(maker, scope) if maker.chance(25) and _fill_is_identity(made, op, kind) else None
    update = replace(first, op=op, value=value, where=where, indices=_indices(maker))
    if kind == "later":
        return [first, update], made
    return [update], replace(made, role="inout") if kind == "passed" else made


def _depths() -> Any:
    from hypothesis import strategies as st

    return st.sampled_from([1, 2, 2])


def _indices(maker: Maker) -> tuple[Any, ...]:
    from sparsec.ir.tensor import IndexDecl

    return tuple(IndexDecl(v, d) for v, d in maker.dim_of.items())


def _fill_is_identity(made: TensorDecl, op: str, kind: str) -> bool:
    """Whether what a condition leaves out of an update has the fill, where that has to be computed."""
    assert made.format is not None
    return kind != "fresh" or made.format.is_dense or ops.MONOIDS[op].identity(made.dtype) == made.fill


def _keeps_fill(maker: Maker, made: TensorDecl, op: str, value: Expr, kind: str) -> bool:
    """Whether a sparse result has its declared fill after the update, too."""
    from tests.support.strategies import _scalars, constant

    assert made.format is not None
    if made.format.is_dense:
        return True
    found = constant(value, maker.operands | maker.reads | _scalars(value))
    if found is None:
        return True
    start = ops.MONOIDS[op].identity(made.dtype) if kind == "fresh" else made.fill
    operator = ops.MONOIDS[op].op
    assert operator is not None
    with np.errstate(all="ignore"):
        new = ops.evaluate(operator, (scalar(start, made.dtype), scalar(found[0], made.dtype)), made.dtype)
    return bool(new == scalar(made.fill, made.dtype))


def passed_name(name: str, known: Any) -> str:
    """The name by which the data know an operand of a lowered program: an updated one reads its state before."""
    return name if name in known else name[: name.rindex(BEFORE)]


__all__ = ["passed_name", "updated"]
