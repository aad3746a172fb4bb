"""The fill of a sparse result whose text gives a format and no fill: what its statement computes of fills alone.

``C[i, j]: csr = exp(A[i, j])`` has the fill 1.  It is only chosen where it cannot change a value: for a tensor that one
statement defines at every point.
"""

from __future__ import annotations

from collections.abc import Mapping

from sparsec.frontends.dsl.symbols import Scalar, Tensor
from sparsec.ir import monoids, ops
from sparsec.ir.tensor import Access, Assign, Expr, Index, Literal, Map, Reduce
from sparsec.ir.tensor_values import scalar


def natural_fill(s: Assign, target: Tensor, tensors: Mapping[str, Tensor]) -> Scalar | None:
    """The fill that an assignment gives its target; None where the text says it or the algebra does not."""
    open_fill = target.fill is None and target.format is not None and not target.format.is_dense
    everywhere = s.op == "=" and s.where is None and all(isinstance(i, Index) for i in s.target.indices)
    if not open_fill or not everywhere or len(set(s.target.indices)) != len(s.target.indices):
        return None
    value = absent(s.value, tensors)
    return value if isinstance(value, bool | int | float | complex) else None


def absent(e: Expr, tensors: Mapping[str, Tensor]) -> object:
    """What ``e`` is where no sparse operand has an entry, a Python scalar; None if that depends on dense ones."""
    match e:
        case Literal():
            return e.value
        case Access():
            t = tensors[e.tensor]
            return None if t.format is None or t.format.is_dense else t.decl().fill
        case Map():
            return absent_map(e, [absent(a, tensors) for a in e.args])
        case Reduce() if e.monoid in ops.MONOIDS and ops.MONOIDS[e.monoid].op is not None:
            value, monoid = absent(e.body, tensors), ops.MONOIDS[e.monoid]
            stays = (monoid.idempotent and e.where is None) or value == monoid.identity(e.dtype)
            return value if value is not None and stays else None
        case Reduce() if e.monoid in monoids.built_in():
            m = monoids.built_in()[e.monoid]
            skipped = m.skip is not None and absent(e.body, tensors) == m.skip.value
            return monoids.nothing(monoids.typed(m, e.body.dtype)) if skipped else None
    return None


def absent_map(e: Map, args: list[object]) -> object:
    op = ops.OPS[e.op]
    if e.zero is not None and e.zero in args:
        return e.zero
    for n, a in enumerate(args):
        zero = op.annihilator if op.annihilator is not None or n else op.left_annihilator
        if zero is not None and a is not None and a == zero:
            return scalar(zero, e.dtype).item()
    if any(a is None for a in args):
        return None
    typed = tuple(scalar(a, given.dtype) for given, a in zip(e.args, args, strict=True))
    value: object = ops.evaluate(e.op, typed, e.dtype).item()
    return value
