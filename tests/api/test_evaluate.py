"""evaluate and einsum: statements on operands as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import sparsec as sp
from sparsec.extents import extents

A = scipy.sparse.csr_array(np.array([[0.0, 2, 0], [1, 0, 3], [0, 0, 0], [4, 0, 0]]))
D = A.toarray()
X = np.arange(1.0, 4.0)


@pytest.mark.parametrize(
    ("text", "operands", "want", "sparse"),
    [
        ("y[i] = A[i, j] * x[j]", {"A": A, "x": X}, D @ X, False),
        ("y[j] = A[i, j] * x[i]", {"A": A, "x": np.arange(4.0)}, D.T @ np.arange(4.0), False),
        ("C[i, j] = A[i, j] * B[i, j]", {"A": A, "B": D + 1}, D * (D + 1), True),
        ("C[i, j] = A[i, j] + B[i, j]", {"A": A, "B": A}, 2 * D, True),
        ("C[i, j] = A[i, j] + B[i, j]", {"A": A, "B": D}, 2 * D, False),
        ("C[i, k] = A[i, j] * B[j, k]", {"A": A, "B": np.eye(3)}, D, False),
        ("C[i, k] = A[i, j] * A[k, j]", {"A": A}, D @ D.T, True),
        ("C[i, j]: csc = A[i, j] * 2", {"A": A}, 2 * D, True),
        ("C[j, i] = A[i, j]", {"A": A}, D.T, True),
        ("C[i, j] = A[i, j] + 1", {"A": A}, D + 1, True),
        ("C[i, j] = exp(A[i, j])", {"A": A}, np.exp(D), True),
        ("P[i, j] = A[i, j] * X[i, k] * Y[j, k]", {"A": A, "X": D, "Y": D[:3] + 1}, D * (D @ (D[:3] + 1).T), True),
        ("s = A[i, j]", {"A": A}, D.sum(), False),
        ("s = x[i] * a", {"x": X, "a": 2.0}, 12.0, False),
        ("z[i] = x[i] > 1.5", {"x": X}, X > 1.5, False),
        ("z[i] = u[i] * v[i]", {"u": sp.tensor([1.0, 0, 2], format="coo"), "v": X}, [1.0, 0, 6], True),
        ("z[i] = x[i]; w[i] = 2 * x[i]", {"x": X}, {"z": X, "w": 2 * X}, False),
        ("t[i] = A[i, j] * x[j]; s = t[i] * t[i]", {"A": A, "x": X}, (D @ X) @ (D @ X), False),
        ("C[i, j] = A[i, k] * A[l, k] * A[l, j]", {"A": A}, D @ D.T @ D, True),
        ("T[i, j] = A[i, k] * A[j, k]; C[i, j] = T[i, k] * T[k, j]", {"A": A}, (D @ D.T) @ (D @ D.T), True),
    ],
)  # fmt: skip
def test_evaluate(text: str, operands: dict[str, Any], want: Any, sparse: bool) -> None:
    got = sp.evaluate(text, **operands)
    if isinstance(want, dict):
        assert set(got) == set(want)
        for n, w in want.items():
            np.testing.assert_allclose(got[n], w)
        return
    assert isinstance(got, sp.Tensor) == sparse, type(got)
    np.testing.assert_allclose(got.numpy() if sparse else got, want)


def test_the_fill_of_a_result_is_what_the_statement_gives() -> None:
    inf = sp.tensor([[np.inf, 1.0], [2.0, np.inf]], format="csr", fill_value=np.inf)
    got = sp.evaluate("C[i, j] = min(A[i, j], B[i, j])", A=inf, B=inf)
    assert got.fill_value == np.inf and got.nnz == 2
    assert sp.evaluate("C[i, j] = A[i, j] + 1", A=A).fill_value == 1


def test_sizes() -> None:
    assert sp.evaluate("y[i] = 2.5 * a", a=2.0, sizes={"i": 3}).tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("text", "operands", "error", "match"),
    [
        ("y[i] = A[i, j] * x[j]", {"A": A}, sp.TypeError_, "x"),
        ("y[i] = A[i, j] * x[j]", {"A": A, "x": X, "z": X}, sp.TypeError_, "z"),
        ("y[i] = A[i, j] * x[j]", {"A": A, "x": X[:2]}, sp.ShapeError, "'j'"),
        ("y[i] = A[i, j", {"A": A}, sp.SyntaxError_, "never closed"),
        ("y[i] = A[i]", {"A": A}, sp.ShapeError, "2 dimensions"),
    ],
)  # fmt: skip
def test_errors(text: str, operands: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        sp.evaluate(text, **operands)


@pytest.mark.parametrize(
    ("spec", "operands"),
    [
        ("ij,j->i", (A, X)), ("ij,kj->ik", (A, A)), ("ij->ji", (A,)), ("ij->", (A,)),
        ("ij,ij->ij", (A, D)), ("ii->i", (D[:3],)),
        ("ij,jk,kl->il", (A, np.eye(3), np.eye(3))), ("i,j->ij", (X, X)), ("ij,j", (A, X)), ("ij,jk", (D, D[:3])),
    ],
)  # fmt: skip
def test_einsum(spec: str, operands: tuple[Any, ...]) -> None:
    got = sp.einsum(spec, *operands)
    want = np.einsum(spec, *(x.toarray() if scipy.sparse.issparse(x) else x for x in operands))
    np.testing.assert_allclose(got.numpy() if isinstance(got, sp.Tensor) else got, want)


def test_einsum_takes_a_format() -> None:
    c = sp.einsum("ik,kj->ij", A, D[:3], format="csc")
    assert isinstance(c, sp.Tensor) and c.format == "csc"
    with pytest.raises(sp.SparsecError):
        sp.einsum("ik,kj->iq", A, A)


def test_programs_that_differ_in_the_sign_of_a_zero() -> None:
    one = np.ones(1)
    signs = [np.signbit(sp.evaluate(f"y[i] = x[i] * {zero}", x=one))[0] for zero in ("-0.0", "0.0", "-0.0")]
    assert signs == [True, False, True]


def test_operands_with_nan_as_fill_are_compiled_once() -> None:
    from sparsec import driver

    def run() -> None:
        a = sp.from_coo([[0], [1]], [2.0], (2, 2), fill_value=float("nan"))
        assert np.isnan(sp.evaluate("y[i] = A[i, j]", A=a)).all()

    run()
    before = len(driver._COMPILED)
    run()
    assert len(driver._COMPILED) == before


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sp.evaluate("y[i] = A[i, 7]", A=A), "       ^^^^^^^\nhint: its dimension 2 is 3 here"),
        (lambda: sp.evaluate("y[i] = A[i, j] * x[j]", A=A, x=np.ones(9)),
         "dimension 2 of 'A' is 3, and dimension 1 of 'x' is 9: the index 'j' runs over both"),
        (lambda: sp.evaluate("y[i] = A[i, i]", A=A),
         "dimension 1 of 'A' is 4, and dimension 2 of 'A' is 3: the index 'i' runs over both"),
        (lambda: sp.evaluate("y[i] = x[i]; z[i] = A[i, j] * w[i]", A=A, x=X, w=X),
         "dimension 1 of 'A' is 4, and dimension 1 of 'w' is 3: the index 'i' runs over both"),
        (lambda: sp.evaluate("t[k] = A[k, j]; z[i] = t[i] * w[i]", A=A, w=X),
         "dimension 1 of 'A' is 4, and dimension 1 of 'w' is 3: the statements make them one"),
        (lambda: sp.evaluate("y[i, j] = x[i + 1]", x=X),
         "nothing says the extent of dimension 1 of 'y'\nhint: pass sizes={'i': ...}"),
        (lambda: sp.evaluate("y[i] = x[i]", x=X, sizes={"k": 3}), "sizes names 'k'"),
        (lambda: sp.einsum("i...,j...->ij...", A, D.T), "the index 'ellipsis0' runs over both"),
    ],
)  # fmt: skip
def test_errors_of_extents_name_what_the_caller_wrote(call: Any, says: str) -> None:
    with pytest.raises(sp.ShapeError) as e:
        call()
    assert says in str(e.value), str(e.value)


@pytest.mark.parametrize(("bare", "says"), [
    (False, "dimension 'n' is 3 in 'A' and 9 in 'x'"), (True, "the index 'j' runs over both"),
])  # fmt: skip
def test_a_program_is_bare_wherever_it_was_written(bare: bool, says: str) -> None:
    program = sp.compile("kernel f(A: f64[m, n], x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }").program
    with pytest.raises(sp.ShapeError, match=says):
        extents(replace(program, bare=bare, span=None), [(4, 3), (9,)], None)


def test_errors_of_extents_name_the_whole_of_a_composite() -> None:
    L = sp.compose("lowrank[1] + csr", [np.ones((4, 1)), np.ones((1, 3)), D])
    with pytest.raises(sp.ShapeError, match="dimension 2 of 'L' is 3, and dimension 1 of 'x' is 5"):
        sp.evaluate("y[i] = L[i, j] * x[j]", L=L, x=np.ones(5))
