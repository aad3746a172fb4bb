"""Reductions with a tuple state: argmin, argmax, logsumexp and users' monoids, by every stage, in many formats."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import TypeError_, VerifyError
from sparsec.frontends.dsl import parse_source
from sparsec.ir import loops_text, loops_verify, monoids
from sparsec.ir.dtypes import F32, F64
from sparsec.ir.loops import Forall, Kernel
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Program
from sparsec.ir.tensor_interp import interpret
from tests.programs.cases import MATRIX
from tests.support import texts
from tests.support.differential import execute, lower
from tests.support.strategies import Data, make_data

MONOIDS = """
monoid lse(m, s) {
    zero = (-inf, 0), skip = -inf, lift(x) = (x, 1), value = m + log(s),
    combine((a, b), (c, d)) = (max(a, c), select(a == max(a, c), b, b * exp(a - max(a, c)))
                                        + select(c == max(a, c), d, d * exp(c - max(a, c))))
}
monoid moments(n, s, q) { zero = (0, 0, 0), lift(x) = (1, x, x * x), value = q / n - (s / n) ** 2,
                          combine((a, b, c), (d, e, f)) = (a + d, b + e, c + f) }
monoid squares(s) { zero = 0, lift(x) = x * x, combine(a, b) = a + b }
monoid three(s) { zero = 3, combine(a, b) = a + b }
ordered monoid last(v) { zero = -7, combine(a, b) = b }
ordered monoid digits(v) { zero = 1, lift(x) = x, combine(a, b) = 2 * a + b }
"""


def program(operands: str, result: str, statement: str) -> Program:
    return texts.program(operands, result, statement, MONOIDS)


def stages(operands: str, result: str, statement: str) -> Kernel:
    return texts.stages(operands, result, statement, MONOIDS)


@pytest.mark.parametrize("fmt", MATRIX)
@pytest.mark.parametrize("statement", [
    "r[i] = argmin[j](A[i, j])",
    "r[i] = argmax[j](2 - A[i, j])",
    "r[i] = argmin[j](A[i, j]) + argmax[j](A[i, j]) * 2",
    "r[i] = argmax[j](B[i, j] + sum[l](A[i, j] * x[l]))",
])  # fmt: skip
def test_places(fmt: str, statement: str) -> None:
    stages(f"A: f64[m, n] {fmt}, B: f64[m, n] csr, x: f64[k]", "r: i64[m]", statement)


@pytest.mark.parametrize("statement", ["r = argmin[i, j](A[i, j])", "r = argmax[j, i](A[i, j])"])
@pytest.mark.parametrize("fmt", MATRIX)
def test_places_over_several_indices(fmt: str, statement: str) -> None:
    stages(f"A: f64[m, n] {fmt}", "r: i64", statement)


@pytest.mark.parametrize("t", ["bool", "u8", "i32", "f32"])
def test_places_of_other_types(t: str) -> None:
    stages(f"A: {t}[m, n] csr", "r: i64[m], q: i64[m]", "r[i] = argmin[j](A[i, j]); q[i] = argmax[j](A[i, j])")


def test_nan_comes_first_and_nothing_is_minus_one() -> None:
    both = "r[i] = argmin[j](A[i, j]); q[i] = argmax[j](A[i, j])"
    low = lower(program("A: f64[m, n]", "r: i64[m], q: i64[m]", both))
    a = np.array([[1, np.nan, -1, np.nan], [np.inf, np.inf, -np.inf, -np.inf], [2, 1, 1, 2]])
    for array in (a, a[:, :0], a[:0, :0]):
        got = execute(low, Data({"m": array.shape[0], "n": array.shape[1]}, {"A": array}, {"A": array == array}))
        want = interpret(low.program, {"A": array})
        assert got["r"][0].tolist() == want["r"].tolist() and got["q"][0].tolist() == want["q"].tolist()


@pytest.mark.parametrize("fmt", MATRIX)
@pytest.mark.parametrize("monoid", ["logsumexp", "lse", "moments", "squares", "three", "last", "digits"])
def test_folds(fmt: str, monoid: str) -> None:
    stages(f"A: f64[m, n] {fmt}", "r: f64[m], q: f64[n]", f"r[i] = {monoid}[j](A[i, j]); q[j] = {monoid}[i](A[i, j])")


@pytest.mark.parametrize("fmt", MATRIX)
def test_ordered_monoids_fold_in_the_order_of_their_indices(fmt: str) -> None:
    stages(f"A: f64[m, n] {fmt}", "r: f64, q: f64", "r = digits[i, j](A[i, j]); q = digits[j, i](A[i, j])")


def test_inside_expressions_and_one_another() -> None:
    stages("A: f64[m, n] csr, x: f64[n]", "r: f64[m]", "r[i] = moments[j](A[i, j] * x[j]) * 2 + sum[j](A[i, j])")
    stages("A: f64[m, n] csr", "r: f64", "r = lse[i](lse[j](A[i, j]))")
    stages("A: f64[m, n] csr", "r: i64", "r = argmax[i](sum[j](A[i, j]))")
    stages("A: f64[m, n] csr, B: f64[n, k] csc", "r: f64[m, k] csr fill(3)", "r[i, j] = three[l](A[i, l] * B[l, j])")


@pytest.mark.parametrize("fmt", ["csr", "dcsr", "coo", "csc"])
def test_what_is_skipped_is_not_visited(fmt: str) -> None:
    nest = stages(f"A: f64[m, n] {fmt} fill(-inf)", "r: f64[m] csf fill(-inf)", "r[i] = logsumexp[j](A[i, j])")
    assert [m.name for m in nest.monoids] == ["logsumexp_f64"]
    squares = program(f"A: f64[m, n] {fmt}", "r: f64[m]", "r[i] = squares[j](A[i, j])")
    notes = lower(squares)
    assert "merge with all" not in str(notes.module)


def test_a_sparse_result_of_what_is_skipped_stores_rows_with_entries_alone() -> None:
    p = program("A: f64[m, n] dcsr fill(-inf)", "r: f64[m] csf fill(-inf)", "r[i] = lse[j](A[i, j])")
    d = make_data(p, 1, {"m": 9, "n": 3}, {"A": 0.1}, True)
    _, stored = execute(lower(p), d)["r"]
    assert stored.tolist() == d.stored["A"].any(axis=1).tolist()


def test_skip_is_checked() -> None:
    with pytest.raises(TypeError_, match="does not skip 1"):
        parse_source("monoid total(s) { zero = 0, skip = 1, combine(a, b) = a + b }")


def test_one_definition_over_several_types() -> None:
    nest = stages("A: f64[m, n] csr, B: f32[m, n]", "r: i64[m]", "r[i] = argmin[j](A[i, j]) + argmin[j](B[i, j])")
    assert sorted(m.name for m in nest.monoids) == ["argmin_f32", "argmin_f64"]
    typed = monoids.typed(monoids.built_in()["logsumexp"], F32)
    assert monoids.types(typed) == (F32, F32) and monoids.taken(typed) is F32
    assert monoids.taken(monoids.typed(monoids.built_in()["argmin"], F64)) is F64


BAD = """
kernel k {
  monoid last(v: f64) { zero = (0.0:f64) lift(x: f64) = (x[]) value = v[] combine((a: f64), (b: f64)) = (b[]) }
  in x: f64[n] dense fill(0.0)
  out r: f64 dense fill(0.0)
  assemble r by insert {
    workspace w: f64 scalar.last init 0.0 produce { forall i in n { BODY } } consume { r[] = w[] }
  }
}
"""


@pytest.mark.parametrize(("body", "message"), [
    ("w[] last= x[i] at i", "'last' takes no place"),
    ("w[] last= i", "'last' takes f64, the value is i64"),
    ("w[] add= x[i]", "updated by 'last' alone"),
    ("r[] last= x[i]", "has a tuple state"),
])  # fmt: skip
def test_loop_nests_are_verified(body: str, message: str) -> None:
    with pytest.raises(VerifyError, match=message):
        loops_verify.verify(loops_text.parse_kernel(BAD.replace("BODY", body)))


def test_a_tuple_state_runs_inside_the_free_variables() -> None:
    nest = stages("A: f64[m, n] csc", "r: i64[m]", "r[i] = argmin[j](A[i, j])")
    order = [n.index for n in walk(nest.body) if isinstance(n, Forall)]
    assert order[-2:] == ["i", "j"]


def test_a_local_takes_its_format_from_what_a_users_monoid_leaves_out() -> None:
    source = MONOIDS + """
kernel f(A: f64[n] sparse, B: f64[n, m] csr) -> y: f64[n] {
    t[i] = A[i] * squares[j](B[i, j])
    y[i] = 2 * t[i]
}"""
    a, b = np.array([0, 2.0, 3]), np.array([[1.0, 2], [0, 0], [0, 3]])
    assert sp.compile(source)(sp.tensor(a, "sparse"), sp.tensor(b, "csr")).tolist() == (2 * a * (b * b).sum(1)).tolist()
