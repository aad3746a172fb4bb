"""Sums of products in cheaper orders."""

from __future__ import annotations

import re

import numpy as np
import pytest

import sparsec as sp
from sparsec.frontends.dsl import parse_source
from sparsec.ir.tensor_text import print_program
from sparsec.ir.tensor_verify import verify
from sparsec.passes.formats import choose_formats
from sparsec.passes.lower.composites import decompose
from sparsec.passes.lower.contract import contract


def statements(operands: str, result: str, body: str) -> list[str]:
    """The statements of a kernel after contraction, without the declarations of their indices."""
    (p,) = parse_source(f"kernel f({operands}) -> {result} {{ {body} }}").kernels.values()
    p = contract(decompose(choose_formats(p, {})).program, [])
    verify(p)
    return [re.sub(r" for .*", "", line.strip()) for line in print_program(p).splitlines() if "= " in line]


def unchanged(operands: str, result: str, body: str) -> bool:
    (p,) = parse_source(f"kernel f({operands}) -> {result} {{ {body} }}").kernels.values()
    p = decompose(choose_formats(p, {})).program
    return contract(p, []) is p


def test_a_low_rank_is_never_multiplied_out() -> None:
    assert statements("A: f64[m, n] lowrank[4] + csr, x: f64[n]", "y: f64[m]", "y[i] = A[i, j] * x[j]") == [
        "y_t[r] = reduce.add[j](mul(A_1[r, j], x[j])):f64",
        "y[i] = add(reduce.add[r](mul(A_0[i, r], y_t[r])):f64, reduce.add[j](mul(A_2[i, j], x[j])):f64)",
    ]


def test_a_dense_matrix_takes_the_terms_in_turn() -> None:
    assert statements("A: f64[m, n] lowrank[4] + csr, X: f64[n, d]", "Y: f64[m, d]", "Y[i, k] = A[i, j] * X[j, k]") == [
        "Y_t[r, k] = reduce.add[j](mul(A_1[r, j], X[j, k])):f64",
        "Y[i, k] = reduce.add[r](mul(A_0[i, r], Y_t[r, k])):f64",
        "Y[i, k] add= reduce.add[j](mul(A_2[i, j], X[j, k])):f64",
    ]


def test_a_chain_is_applied_factor_by_factor() -> None:
    made = statements("A: f64[m, n] csr @ csr @ csr, x: f64[n]", "y: f64[m]", "y[i] = A[i, j] * x[j]")
    assert len(made) == 3 and "A_2" in made[0] and "A_1" in made[1] and "A_0" in made[2]


def test_it_is_no_matter_who_wrote_the_sum() -> None:
    written = "y[i] = sum[j]((sum[r](U[i, r] * V[r, j]) + S[i, j]) * x[j])"
    made = statements("U: f64[m, 4], V: f64[4, n], S: f64[m, n] csr, x: f64[n]", "y: f64[m]", written)
    assert made[0] == "y_t[r] = reduce.add[j](mul(V[r, j], x[j])):f64"
    operands = "A: f64[m, n] csr, B: f64[n, p] csr, x: f64[p]"
    assert statements(operands, "y: f64[m]", "y[i] = A[i, j] * B[j, k] * x[k]") == [
        "y_t[j] = reduce.add[k](mul(B[j, k], x[k])):f64",
        "y[i] = reduce.add[j](mul(A[i, j], y_t[j])):f64",
    ]


def test_signs_and_other_terms() -> None:
    operands = "A: f64[m, n] lowrank[4], X: f64[n, d], b: f64[m]"
    made = statements(operands, "Y: f64[m, d]", "Y[i, k] = b[i] - A[i, j] * X[j, k]")
    assert made[1:] == ["Y[i, k] = b[i]", "Y[i, k] add= reduce.add[r](neg(mul(A_0[i, r], Y_t[r, k]))):f64"]


def test_inside_a_function_a_sum_gets_a_local() -> None:
    made = statements("A: f64[m, n] lowrank[4] + csr, x: f64[n]", "y: f64[m]", "y[i] = exp(sum[j](A[i, j] * x[j]))")
    assert made[-1] == "y[i] = exp(y_t2[i])"
    assert made[1].startswith("y_t2[i] = ") and made[2].startswith("y_t2[i] add= ")


def test_updates_go_on() -> None:
    made = statements("A: f64[m, n] lowrank[4] + csr, X: f64[n, d]", "Y: f64[m, d]", "Y[i, k] += A[i, j] * X[j, k]")
    assert [s.split(" ")[2] for s in made] == ["=", "add=", "add="]


def test_a_target_that_is_read_is_not_written_in_turn() -> None:
    made = statements(
        "A: f64[m, m] lowrank[4] + csr, B: f64[m, m]",
        "Y: f64[m, m]",
        "Y[i, k] = B[i, k]; Y[i, k] += Y[k, i] + A[i, j] * B[j, k]",
    )
    assert len(made) == 3 and made[-1].startswith("Y[i, k] add= add(add(Y[k, i], ")


def test_conditions_stay_with_the_factors_they_are_of() -> None:
    made = statements(
        "A: f64[m, n] lowrank[4], x: f64[n]", "y: f64[m]", "y[i] = sum[j](A[i, j] * x[j] where x[j] > 0)"
    )
    assert made[0] == "y_t[r] = reduce.add[j](mul(A_1[r, j], x[j]) where gt(x[j], 0.0:f64)):f64"
    made = statements("A: f64[m, n] lowrank[4], x: f64[n]", "y: f64[m]", "y[i] = sum[j](A[i, j] * x[j] where j < i)")
    assert len(made) == 1  # it hangs on both


@pytest.mark.parametrize(
    ("operands", "result", "body"),
    [
        ("A: f64[m, n] csr, B: f64[n, p] csr", "C: f64[m, p] csr", "C[i, j] = A[i, k] * B[k, j]"),
        ("S: f64[m, n] csr, X: f64[m, d], Y: f64[n, d]", "P: f64[m, n] csr", "P[i, j] = S[i, j] * X[i, k] * Y[j, k]"),
        ("B: f64[m, n, p] csf, C: f64[n, d], D: f64[p, d]", "A: f64[m, d]", "A[i, j] = B[i, k, l] * C[k, j] * D[l, j]"),
        ("S: f64[m, n] csr, A: f64[m, n] lowrank[4]", "P: f64[m, n] csr", "P[i, j] = S[i, j] * A[i, j]"),
        ("A: f64[m, n] lowrank[4]", "y: f64[m]", "y[i] = max[j](A[i, j])"),
        ("A: f64[m, n] lowrank[4]", "y: f64[m]", "y[i] = sum[j](exp(A[i, j]))"),
        ("G: f64[n, n] csr fill(inf), H: f64[n, n] csr fill(inf)", "D: f64[n, n] csr fill(inf)",
         "D[i, j] = min[k](G[i, k] + H[k, j])"),
    ],
)  # fmt: skip
def test_what_gains_nothing_stays(operands: str, result: str, body: str) -> None:
    assert unchanged(operands, result, body)


def test_long_products_are_summed_one_by_one() -> None:
    names = [f"A{n}" for n in range(9)]
    letters = "abcdefghij"
    factors = " * ".join(f"{name}[{letters[n]}, {letters[n + 1]}]" for n, name in enumerate(names))
    operands = ", ".join(f"{name}: f64[d, d] csr" for name in names)
    a, x = np.eye(4)[::-1].copy() * 2, np.arange(4.0)
    k = sp.compile(f"kernel f({operands}, x: f64[d]) -> y: f64[d] {{ y[a] = {factors} * x[j] }}")
    np.testing.assert_array_equal(k(*[a] * 9, x), 2.0**9 * x[::-1])
    k = sp.compile(f"kernel f({operands}) -> Y: f64[d, d] csr {{ Y[a, j] = {factors} }}")
    np.testing.assert_array_equal(k(*[a] * 9).numpy(), 2.0**9 * np.eye(4)[::-1])


def test_a_floating_sum_of_values_is_formed_before_it_is_multiplied() -> None:
    assert unchanged("A: f64[m, n] csr, B: f64[m, n] csr, x: f64[n]", "y: f64[m]", "y[i] = (A[i, j] - B[i, j]) * x[j]")
    a = sp.tensor(np.array([[1e16, 3.0]]), format="csr")
    b = sp.tensor(np.array([[1e16 - 2, 3.0]]), format="csr")
    assert sp.evaluate("y[i] = (A[i, j] - B[i, j]) * x[j]", A=a, B=b, x=[3.0, 1e17]).tolist() == [6.0]


def test_integers_and_parts_of_a_composite_are_multiplied_out() -> None:
    made = statements("A: i64[m, n] csr, B: i64[m, n] csr, x: i64[n]", "y: i64[m]", "y[i] = (A[i, j] + B[i, j]) * x[j]")
    assert made == ["y[i] = add(reduce.add[j](mul(A[i, j], x[j])):i64, reduce.add[j](mul(B[i, j], x[j])):i64)"]
    made = statements("A: f64[m, n] csr + nm[2, 4], x: f64[n]", "y: f64[m]", "y[i] = A[i, j] * x[j]")
    assert made == ["y[i] = add(reduce.add[j](mul(A_0[i, j], x[j])):f64, reduce.add[j](mul(A_1[i, j], x[j])):f64)"]


def test_values_beside_a_sum_over_an_index_stay_one_value() -> None:
    written = "y[i] = sum[j]((S[i, j] + sum[r](U[i, r] * V[r, j]) - T[i, j]) * x[j])"
    operands = "U: f64[m, 4], V: f64[4, n], S: f64[m, n] csr, T: f64[m, n] csr, x: f64[n]"
    assert statements(operands, "y: f64[m]", written)[-1].endswith(
        "reduce.add[j](mul(add(S[i, j], neg(T[i, j])), x[j])):f64)"
    )


def test_a_difference_is_summed_like_a_sum() -> None:
    head = "kernel f(A: f64[m, n] csr, B: f64[m, n] csr, x: f64[n]) -> y: f64[m]"
    plans = [sp.compile(f"{head} {{ y[i] = (A[i, j] {op} B[i, j]) * x[j] }}").explain() for op in "+-"]
    assert plans[0].count("goes first") == plans[1].count("goes first")
