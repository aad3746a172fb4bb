"""The value of a statement in the dtype of its target, and the monoid of an update."""

from __future__ import annotations

from dataclasses import replace

from sparsec.errors import Span, TypeError_
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.annotations import fill_value
from sparsec.frontends.dsl.promotion import LITERAL, RANK, Typed, cast, may_assign
from sparsec.frontends.dsl.symbols import Semiring, Tensor
from sparsec.frontends.dsl.targets import Body
from sparsec.frontends.dsl.typing import OF_BOOLS
from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, DType, promote
from sparsec.ir.tensor import Expr, Literal, Map, Reduce

UPDATES = {"+=": "add", "*=": "mul", "min=": "min", "max=": "max", "|=": "bitor", "&=": "bitand"}


def target_dtype(body: Body, t: Tensor, value: Typed) -> DType:
    """What the target holds; where the text does not say it, the value's dtype."""
    if t.dtype is not None and not t.inferred:
        return t.dtype
    if body.guesses is not None:
        seen = body.guesses.get(t.name)
        body.guesses[t.name] = value.dtype if seen is None else promote(seen, value.dtype)
        return value.dtype
    t.dtype = value.dtype
    if t.fill is not None and t.fill_span is not None:
        t.fill = fill_value(t.fill, t.dtype, t.fill_span)
    return t.dtype


def assigned(value: Typed, dtype: DType, t: Tensor, span: Span) -> Expr:
    """The value in the target's dtype, where NumPy's "same_kind" casting allows it."""
    e = value.expr
    if value.weak == LITERAL and isinstance(e, Literal):
        fits = dtype is not BOOL and RANK[e.dtype.kind] <= RANK[dtype.kind]
    else:
        fits = may_assign(e.dtype, dtype)
    if not fits:
        how = {
            "b": "write true or false, or compare it with 0",
            "u": f"cast it: {dtype}(...)",
            "i": f"cast it: {dtype}(...), or round(...) first",
        }
        hint = how.get(dtype.kind, f"take real(...) or abs(...), or declare '{t.name}' complex")
        raise TypeError_(f"'{t.name}' holds {dtype}, and the value is {e.dtype}", span=span, hint=hint)
    if isinstance(e, Reduce) and e.monoid in ("add", "mul") and dtype.is_integer and e.dtype.is_integer:
        # Wrapping early or late is the same, and the narrow sum is the cheaper one.
        body = e.body.args[0] if isinstance(e.body, Map) and e.body.op == "cast" else e.body
        if body.dtype is dtype:
            return replace(e, body=body, dtype=dtype)
    return cast(value, dtype)


def update(s: ast.AssignText, dtype: DType, semiring: Semiring | None) -> str:
    """The monoid that an update folds with."""
    name = UPDATES[s.op]
    if semiring is not None and s.op in ("+=", "*="):
        word = semiring.add if s.op == "+=" else semiring.mul
        if not isinstance(word, str) or word not in ops.MONOIDS:
            raise TypeError_(
                f"'{s.op}' over '{semiring.name}', which has no such operator in place",
                span=s.target.span,
                hint="define a tensor, and combine it in a second statement",
            )
        name = word
    if dtype is BOOL:
        name = OF_BOOLS.get(name, name)
    if not ops.MONOIDS[name].admits(dtype):
        hint = "write abs(...) or real(...)" if dtype.kind == "c" else "'|=' and '&=' are for integers and bools"
        raise TypeError_(f"'{s.op}' cannot update {dtype}", span=s.target.span, hint=hint)
    return name
