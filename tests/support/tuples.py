"""Drawing reductions with a tuple state and softmax; their text and what they skip."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from sparsec.frontends.dsl import parse_source
from sparsec.ir import ops
from sparsec.ir.dtypes import F32, F64, I64, DType
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Expr, Map, MonoidDef, Program, Reduce, Softmax
from sparsec.ir.tensor_values import scalar
from tests.support.dtypes import KEPT_WIDER

if TYPE_CHECKING:
    from tests.support.strategies import Maker

DEFINITIONS = {
    "squares": "monoid squares(s) { zero = 0, lift(x) = x * x, combine(a, b) = a + b }",
    "three": "monoid three(s) { zero = 3, combine(a, b) = a + b }",
    "widest": "monoid widest(n, m) { zero = (0, 0), skip = 0, lift(x) = (1, abs(x)), value = m, "
    "combine((a, b), (c, d)) = (a + c, max(b, d)) }",
    "last": "ordered monoid last(v) { zero = 2, combine(a, b) = b }",
    "digits": "ordered monoid digits(v) { zero = 1, lift(x) = x, combine(a, b) = 2 * a + b }",
}
NOTHING = {"squares": 0, "three": 3, "widest": 0, "last": 2, "digits": 1}
SKIPS_ZERO = ("squares", "three", "widest")
"""Those of which the algebra or the declaration says so."""


@cache
def monoids() -> dict[str, MonoidDef]:
    """The definitions as tensor IR."""
    names = ", ".join(f"r{n}: f64" for n in range(len(DEFINITIONS)))
    body = "\n".join(f"r{n} = {name}[i](x[i])" for n, name in enumerate(DEFINITIONS))
    text = "\n".join([*DEFINITIONS.values(), f"kernel all(x: f64[n]) -> {names} {{\n{body}\n}}"])
    (program,) = parse_source(text).kernels.values()
    return {m.name: replace(m, span=None) for m in program.monoids}


def used(program: Program) -> Program:
    """The program with the definitions of the monoids that it names."""
    names = {n.monoid for s in program.body for n in walk(s) if isinstance(n, Reduce)}
    return replace(program, monoids=tuple(m for n, m in monoids().items() if n in names))


def text(program: Program) -> str:
    """The definitions that stand before the kernel."""
    return "".join(f"{DEFINITIONS[m.name]}\n" for m in program.monoids)


def tuple_reduction(maker: Maker, depth: int, scope: str, t: DType, need: str) -> Expr:
    """A reduction with a tuple state, or a softmax, of type ``t``."""
    kinds = ["argmin", "argmax", *DEFINITIONS] + (["logsumexp", "softmax"] if t in (F32, F64) else [])
    kind = maker.pick(*kinds)
    if kind == "softmax" and scope:
        return Softmax((maker.pick(*scope),), maker.expr(depth - 1, scope, t, need), t)
    if kind in ("argmin", "argmax"):
        found = maker.reduction("add", depth, scope, maker.pick(F64, I64), need)
        if not isinstance(found, Reduce):
            return maker.leaf(scope, t, need)
        place = replace(found, monoid=kind, dtype=I64)
        return place if t is I64 else Map("cast", (place,), t)
    if t in KEPT_WIDER or t.kind == "c" or kind == "softmax":
        return maker.leaf(scope, t, need)  # a definition computes small integers in i64
    # Of nothing, logsumexp is an infinity, as min is: no condition is drawn for it.
    found = maker.reduction("min" if kind == "logsumexp" else "add", depth, scope, t, need)
    return replace(found, monoid=kind) if isinstance(found, Reduce) else found


def has_state(e: Reduce) -> bool:
    """Whether the state of a reduction's monoid is not its value."""
    return e.monoid in NOTHING or ops.MONOIDS[e.monoid].op is None


def over_nothing(e: Reduce) -> Any:
    """The value of a reduction over no points."""
    return NOTHING[e.monoid] if e.monoid in NOTHING else ops.MONOIDS[e.monoid].identity(e.dtype)


def skipped(e: Reduce, inner: Any) -> tuple[Any, bool] | None:
    """What a reduction with a tuple state is where its body surely is ``inner``, as ``strategies.constant``."""
    return (scalar(over_nothing(e), e.dtype), True) if e.monoid in SKIPS_ZERO and inner == 0 else None
