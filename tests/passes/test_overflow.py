"""Where the arithmetic of an index leaves 64 bits: the condition, against Python's integers, and the interpreter's."""

from __future__ import annotations

import operator
from itertools import product

import numpy as np
import pytest

import sparsec as sp
from sparsec.ir.dtypes import BOOL, I32, I64, U8, U64
from sparsec.ir.index_values import within
from sparsec.ir.tensor import Access, Expr, Index, Literal, Map
from sparsec.ir.tensor_interp import Machine, Scope, interpret
from sparsec.ir.tensor_text import parse_program
from sparsec.ir.tensor_values import Array
from sparsec.passes.lower.overflow import loses

CORNERS = [0, 1, 2, 3, -1, -2, -7, 2**31, 2**32 - 1, -(2**31), 3037000499, 3037000500, 2**61, 2**62, -(2**62),
           2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1]  # fmt: skip
PLAIN = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg, "abs": abs,
         "floordiv": lambda a, b: a // b if b else 0, "min": min, "max": max}  # fmt: skip
A, B = Access("a", (Index("i"),), I64), Access("b", (Index("i"),), I64)


def exact(e: Expr, point: dict[str, int]) -> tuple[int, bool]:
    """The value of ``e`` in Python's integers, and whether each step fits into 64 bits."""
    if isinstance(e, Literal):
        return int(e.value), True  # type: ignore[call-overload]
    if isinstance(e, Access):
        return point[e.tensor], True
    assert isinstance(e, Map)
    args = [exact(a, point) for a in e.args]
    value = PLAIN[e.op](*(v for v, _ in args)) if e.op != "pow" else args[0][0] ** args[1][0]
    return value, -(2**63) <= value < 2**63 and all(ok for _, ok in args)


def machine(text: str, arrays: dict[str, Array]) -> Machine:
    made = Machine(parse_program(text), arrays)
    made.scope = Scope({"i": 0}, {"i": len(next(iter(arrays.values())))}, {})
    return made


PROGRAM = "program f { in a: i64[n] dense in b: i64[n] dense out y: i64 y[] = reduce.add[i](a[i]):i64 for i < n }"


def of(op: str, *args: Expr) -> Map:
    return Map(op, args, I64)


EXPRESSIONS = [
    *(of(op, A, B) for op in ("add", "sub", "mul", "floordiv", "min")),
    *(of(op, A) for op in ("neg", "abs")),
    *(of(op, A, Literal(c, I64)) for op in ("add", "sub", "mul") for c in (4, -4, 1, -1, 7, 2**31, -(2**31))),
    *(of(op, Literal(c, I64), A) for op in ("add", "sub", "mul") for c in (3, -3)),
    of("pow", A, Literal(2, I64)), of("pow", A, Literal(3, I64)),
    of("sub", of("add", of("mul", A, Literal(3, I64)), B), Literal(5, I64)),
    of("mul", of("sub", A, B), of("add", A, Literal(1, I64))),
]  # fmt: skip


@pytest.mark.parametrize("e", EXPRESSIONS, ids=str)
def test_a_step_that_leaves_64_bits_is_seen(e: Map) -> None:
    points = list(product(CORNERS, CORNERS))
    arrays = {"a": np.array([a for a, _ in points]), "b": np.array([b for _, b in points])}
    m = machine(PROGRAM, arrays)
    want = np.array([not exact(e, {"a": a, "b": b})[1] for a, b in points])
    with np.errstate(all="ignore"):
        values, kept = within(m, e)
        lost = loses(e, {"i": "n"})
        got = np.zeros(len(points), bool) if lost is None else np.broadcast_to(m.eval(lost), len(points))
    assert (got == want).all(), [p for p, g, w in zip(points, got, want, strict=True) if g != w][:5]
    assert (~np.broadcast_to(kept, len(points)) == want).all()
    fit = [exact(e, {"a": a, "b": b})[0] for (a, b), w in zip(points, want, strict=True) if not w]
    assert np.broadcast_to(values, len(points))[~want].tolist() == fit


def test_what_dtypes_and_extents_bound_asks_nothing() -> None:
    narrow = Map("cast", (Access("c", (Index("i"),), U64),), I64)
    assert loses(A, {"i": "n"}) is None
    assert loses(of("add", of("mod", A, Literal(8, I64)), Index("i")), {"i": 100}) is None
    assert loses(narrow, {"i": 4}) == Map("lt", (narrow, Literal(0, I64)), BOOL)
    for t in (U8, I32):
        read = Map("cast", (Access("c", (Index("i"),), t),), I64)
        assert loses(of("add", of("mul", read, Literal(2**31, I64)), Literal(2**31, I64)), {"i": "n"}) is None


@pytest.mark.parametrize(("index", "value"), [
    ("p[i] * 4 // 4", 2**62), ("p[i] ** 4", 2**40), ("select(p[i] < 5, 0, p[i] * 4 // 4)", 2**62),
    ("select(p[i] < 5, p[i] * 4 // 4, p[i] * 8 // 8)", 2**62), ("p[i] % 5", 2**63 + 4),
])  # fmt: skip
def test_an_index_that_wraps_to_a_place_inside_says_so(index: str, value: int) -> None:
    p = np.array([1, value], np.uint64 if value > 2**63 else np.int64)
    with pytest.raises(sp.ShapeError, match="leaves 64 bits on the way, and lies outside of dimension 1 of 'x'"):
        sp.evaluate(f"y[i] = w[i] * x[{index}]", x=np.arange(5.0), p=p, w=np.ones(2))


def test_an_arm_that_is_not_taken_may_leave_64_bits() -> None:
    p, x = np.array([1, 2**62]), np.arange(1.0, 6)
    for index in ("select(p[i] < 5, p[i] * 4 // 4, 0)", "select(p[i] >= 5, 0, p[i] * 4 // 4)"):
        kernel = sp.compile(f"kernel f(x: f64[m], p: i64[n], w: f64[n]) -> y: f64[n] {{ y[i] = w[i] * x[{index}] }}")
        given = {"x": x, "p": p, "w": np.ones(2)}
        assert kernel(**given).tolist() == [2, 1] == interpret(kernel.program, given, {})["y"].tolist()
