"""Sums of products fall into independent sums."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import sparsec as sp
from sparsec.formats.dense import Dense
from sparsec.formats.named import from_levels
from sparsec.ir.dtypes import F64
from sparsec.ir.expr_text import print_expr
from sparsec.ir.tensor import Access, Assign, Index, IndexDecl, Literal, Map, Program, Reduce, TensorDecl
from sparsec.ir.tensor_interp import interpret
from sparsec.passes.lower.factoring import factor
from tests.support.statements import Source

RNG = np.random.default_rng(0)
A = scipy.sparse.random_array((9, 7), density=0.3, rng=RNG, format="csr")
B = scipy.sparse.random_array((9, 5), density=0.4, rng=RNG, format="csr")
X, Y = RNG.random(7), RNG.random(5)


def test_rules() -> None:
    source = Source("A: f64[m, n] csr; B: f64[m, p] csr; x: f64[n]", "y: f64[m]", "y[i] = A[i, j] * B[i, k] * x[j]")
    assert print_expr(factor(source.program.body[0].value)) == (
        "mul(reduce.add[k](B[i, k]):f64, reduce.add[j](mul(A[i, j], x[j])):f64)"
    )


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("y[i] = A[i, j] * B[i, k]", A.sum(1) * B.sum(1)),
        ("y[i] = A[i, j] * x[j] * B[i, k] * y0[k]", (A @ X) * (B @ Y)),
        ("s = x[j] * y0[k]", X.sum() * Y.sum()),
        ("C[i] = A[i, j] * A[i, k] * x[k] * x[j]", (A @ X) ** 2),
    ],
)
def test_values(text: str, want: object) -> None:
    names = {"A": A, "B": B, "x": X, "y0": Y}
    used = {n: v for n, v in names.items() if n + "[" in text}
    got = sp.evaluate(text, **used)
    np.testing.assert_allclose(got.numpy() if isinstance(got, sp.Tensor) else got, want)


def test_a_variable_that_nothing_uses_multiplies_by_its_extent() -> None:
    x = Access("x", (Index("j"),), F64)
    two = Literal(2.5, F64)
    for product in (Map("mul", (two, x), F64), Map("mul", (x, two), F64)):
        value = factor(Reduce("add", ("k", "j"), product, F64))
        dense = from_levels(None, (Dense(),))
        program = Program(
            "f",
            (
                TensorDecl("x", F64, ("n",), dense, 0.0, "in"),
                TensorDecl("s", F64, (), from_levels(None, ()), 0.0, "out"),
            ),
            (Assign(Access("s", (), F64), "=", value, (IndexDecl("k", 5), IndexDecl("j", "n"))),),
        )
        assert np.isclose(interpret(program, {"x": X})["s"], 2.5 * X.sum() * 5)
