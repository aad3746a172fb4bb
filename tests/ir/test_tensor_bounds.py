"""The bounds are wide enough for any order of evaluation, and narrow enough to see a wrong term."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparsec.ir.dtypes import BOOL, F32, F64, I64, DType
from sparsec.ir.tensor import Access, Assign, Expr, Index, IndexDecl, Literal, Map, Program, Reduce, Scan, Softmax
from sparsec.ir.tensor import TensorDecl as Decl
from sparsec.ir.tensor_bounds import evaluate
from sparsec.ir.tensor_interp import interpret, magnitude

i, j = Index("i"), Index("j")
N = 40


def access(name: str, t: DType) -> Access:
    return Access(name, (i, j), t)


def program(value: Expr, t: DType = F32, out: DType | None = None) -> Program:
    """r[i, j] (or r[i] of a reduction) = value over A and B."""
    names = ("m",) if isinstance(value, Reduce) else ("m", "n")
    target = Access("r", (i, j)[: len(names)], out or t)
    decls = (Decl("A", t, ("m", "n"), None, 0, "in"), Decl("B", t, ("m", "n"), None, 0, "in"))
    result = Decl("r", out or t, names, None, 0, "out")
    return Program("p", (*decls, result), (Assign(target, "=", value, (IndexDecl("i", "m"), IndexDecl("j", "n"))),))


def widen(e: Expr) -> Expr:
    """The expression in f64."""
    match e:
        case Access(n, indices, _):
            return Access(n, indices, F64)
        case Literal(v, t):
            return Literal(v, F64 if t is F32 else t)
        case Map(op, args, t):
            return Map(op, tuple(map(widen, args)), F64 if t is F32 else t)
        case Reduce(m, ix, body, t):
            return Reduce(m, ix, widen(body), F64 if t is F32 else t)
        case Scan(m, ix, body, _):
            return Scan(m, ix, widen(body), F64)
        case Softmax(ix, body, _):
            return Softmax(ix, widen(body), F64)
    return e


a, b = access("A", F32), access("B", F32)


def m(op: str, *args: Expr, t: DType = F32) -> Map:
    return Map(op, args, t)


def fold(monoid: str, body: Expr) -> Reduce:
    return Reduce(monoid, ("j",), body, F32)


EXPRESSIONS = {
    "sum of products": fold("add", m("mul", a, b)),
    "product": fold("mul", m("add", a, b)),
    "least": fold("min", m("mul", a, b)),
    "logsumexp": fold("logsumexp", m("mul", a, b)),
    "cancellation": m("sub", m("add", a, b), m("add", b, a)),
    "division": m("div", m("add", a, b), m("add", m("abs", b), m("abs", a))),
    "exp of a sum": m("exp", m("add", a, m("mul", b, b))),
    "root near zero": m("sqrt", m("abs", m("sub", m("mul", a, b), m("mul", b, a)))),
    "gelu": m("gelu", m("sub", a, Literal(3.0, F32))),
    "sigmoid": m("sigmoid", m("mul", a, b)),
    "sine": m("sin", m("mul", Literal(100.0, F32), a)),
    "scan": Scan("add", "j", m("mul", a, b), F32),
    "softmax": Softmax(("j",), m("mul", a, b), F32),
    "power": m("pow", m("abs", a), b),
    "floor": m("floor", m("mul", a, Literal(3.0, F32))),
}


def data(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {n: rng.standard_normal((3, N)).astype(np.float32) for n in "AB"}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_f32_lies_within_the_bound_of_f64(name: str) -> None:
    e = EXPRESSIONS[name]
    for seed in range(5):
        arrays = data(seed)
        mine, bound = evaluate(program(e), arrays)
        exact = interpret(program(widen(e), F64), arrays)["r"]
        assert not bound["r"].differs(mine["r"], exact.astype(np.float32)).any()


def test_a_missing_term_is_seen() -> None:
    e = EXPRESSIONS["sum of products"]
    arrays = data(0)
    bound = magnitude(program(e), arrays)["r"]
    expected = (arrays["A"] * arrays["B"]).sum(1)
    assert bound.terms.tolist() == [2 * N] * 3
    assert bound.differs(expected, expected - arrays["A"][:, 7] * arrays["B"][:, 7]).all()


def test_copies_and_least_values_are_exact() -> None:
    bound = magnitude(program(m("max", a, m("neg", b))), data(0))["r"]
    assert bound.exact.all() and (bound.tolerance == 0).all()


def test_a_comparison_of_rounded_values_may_be_loose() -> None:
    arrays = data(0)
    zero = m("lt", EXPRESSIONS["cancellation"], Literal(0.0, F32), t=BOOL)
    assert magnitude(program(zero, out=BOOL), arrays)["r"].loose.all()
    clear = m("lt", m("add", a, b), Literal(50.0, F32), t=BOOL)
    assert not magnitude(program(clear, out=BOOL), arrays)["r"].loose.any()


def test_integers_are_exact() -> None:
    e = Reduce("add", ("j",), m("mul", access("A", I64), access("B", I64), t=I64), I64)
    arrays = {n: v.astype(np.int64) for n, v in data(0).items()}
    expected, bound = evaluate(program(e, I64), arrays)
    assert bound["r"].differs(expected["r"], expected["r"] + 1).all()


def test_infinities_must_be_met() -> None:
    arrays = data(0)
    arrays["A"][0, 0] = np.inf
    expected, bound = evaluate(program(EXPRESSIONS["exp of a sum"]), arrays)
    wrong = expected["r"].copy()
    wrong[0, 0] = 1.0
    assert bound["r"].differs(expected["r"], wrong)[0, 0]
    assert not bound["r"].differs(expected["r"], expected["r"]).any()
