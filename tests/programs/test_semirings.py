"""Products in semirings of one's own: an unstored zero annihilates, whatever the operators are."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.frontends.dsl import parse_source
from sparsec.ir import tensor_text, tensor_verify
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Map
from sparsec.ir.tensor_text import parse_program, print_program
from tests.programs.cases import MATRIX
from tests.support.differential import execute, lower
from tests.support.strategies import make_data
from tests.support.texts import program, stages

SEMIRINGS = """
fn twice(a, b) = 2 * a * b
monoid total(s, n) { zero = (0, 0), lift(x) = (x, 1), value = s / max(n, 1), combine((a, b), (c, d)) = (a + c, b + d) }
semiring tropical { add = min, zero = inf, mul = +, one = 0 }
semiring reliable { add = min, zero = inf, mul = *, one = 1 }
semiring widest { add = max, zero = -inf, mul = min, one = inf }
semiring safest { add = min, zero = inf, mul = max, one = -inf }
semiring three { add = +, zero = 3, mul = *, one = 1 }
semiring doubled { add = +, zero = 0, mul = twice, one = 1 }
semiring averages { add = total, zero = 0, mul = *, one = 1 }
semiring reach { add = or, zero = false, mul = and, one = true }
"""
FILLS = {"tropical": "inf", "reliable": "inf", "widest": "-inf", "safest": "inf", "doubled": "0"}


@pytest.mark.parametrize("fmt", MATRIX)
@pytest.mark.parametrize("name", FILLS)
def test_sparse_products(name: str, fmt: str) -> None:
    fill = f"fill({FILLS[name]})"
    sparse = f"{fmt} {fill}" if fmt else ""
    out = "csr" if fmt else ""
    stages(
        f"A: f64[m, n] {sparse}, B: f64[n, k] {sparse}",
        f"C: f64[m, k] {out} {fill if out else ''}",
        f"C[i, j] = A[i, l] * B[l, j] over {name}",
        SEMIRINGS,
    )


@pytest.mark.parametrize("name", ["three", "averages", "reach", *FILLS])
def test_dense_results(name: str) -> None:
    t = "bool" if name == "reach" else "f64"
    stages(f"A: {t}[m, n] csr, x: {t}[n]", f"y: {t}[m]", f"y[i] = A[i, j] * x[j] over {name}", SEMIRINGS)


@pytest.mark.parametrize("name", ["reliable", "widest", "safest"])
def test_the_pattern_is_that_of_the_product(name: str) -> None:
    fill = f"csr fill({FILLS[name]})"
    p = program(
        f"A: f64[m, n] {fill}, x: f64[n]", f"C: f64[m, n] {fill}", f"C[i, j] = A[i, j] * x[j] over {name}", SEMIRINGS
    )
    d = make_data(p, 2, {"m": 5, "n": 6}, {"A": 0.3, "x": 1.0}, True)
    low = lower(p)
    assert (execute(low, d)["C"][1] == d.stored["A"]).all()


def test_an_unstored_zero_annihilates_even_against_nan() -> None:
    kernel = "kernel f(A: f64[m, n] csr fill(inf), x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] over reliable }"
    k = sp.compile(f"{SEMIRINGS}\n{kernel}")
    a = sp.from_coo([[0, 1], [0, 1]], [2.0, 3.0], (3, 3), fill_value=np.inf)
    assert k(a, np.array([4.0, 0.0, np.nan])).tolist() == [8.0, 0.0, np.inf]


def test_products_as_text() -> None:
    p = program("A: f64[m, n] csr fill(inf), x: f64[n]", "y: f64[m]", "y[i] = A[i, j] * x[j] over reliable", SEMIRINGS)
    assert "mul[inf](A[i, j], x[j])" in print_program(p)
    assert parse_program(print_program(p)) == p
    (plain,) = parse_source("kernel f(mul: f64[n]) -> y: f64[n] { y[i] = mul[i] * mul[i] }").kernels.values()
    assert tensor_text.parse_program(print_program(plain)) == plain


def test_the_zero_of_integers_is_their_greatest() -> None:
    p = program("A: i32[m, n] csr, x: i32[n]", "y: i32[m]", "y[i] = A[i, j] * x[j] over reliable", SEMIRINGS)
    tensor_verify.verify(p)
    assert {n.zero for n in walk(p.body[0]) if isinstance(n, Map) and n.op == "mul"} == {2**31 - 1}


def test_an_operator_that_annihilates_by_itself_needs_no_mark() -> None:
    p = program("A: f64[m, n] csr, x: f64[n]", "y: f64[m]", "y[i] = A[i, j] * x[j] over tropical", SEMIRINGS)
    assert "add(A[i, j], x[j])" in print_program(p)
