"""Conditions: written out as guards, placed as ifs, solved for the bounds of loops."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import sparsec as sp
from sparsec.ir.expr_text import print_expr
from sparsec.ir.tensor import Assign
from sparsec.ir.tensor_text import parse_program
from sparsec.knobs import scope
from sparsec.passes.lower import plan
from sparsec.passes.lower.factoring import factor
from sparsec.passes.lower.guards import push, write_out

PROGRAM = """\
program f {{
  in A: f64[m, n] csr fill(0.0)
  in M: bool[m, n] csr fill(false)
  in D: bool[m, n] dense fill(false)
  in x: f64[n] dense fill(0.0)
  in s: f64[m] dense fill(0.0)
  out y: f64[m] dense fill(2.0)
  {} for i < m, j < n
}}
"""
NOTHING, BELOW = "fill(0.0):f64", "fill(-inf):f64"


def statement(text: str) -> tuple[Assign, Assign]:
    program = parse_program(PROGRAM.format(text))
    (s,) = program.body
    assert isinstance(s, Assign)
    return s, write_out(program, s)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("y[i] = s[i] where lt(i, 3:i64)", "select(lt(i, 3:i64), s[i], fill(2.0):f64)"),
        ("y[i] max= s[i] where lt(i, 3:i64)", f"select(lt(i, 3:i64), s[i], {BELOW})"),
        (
            "y[i] = reduce.add[j](A[i, j] where and(M[i, j], lt(j, i))):f64",
            f"reduce.add[j](select(M[i, j], select(lt(j, i), A[i, j], {NOTHING}), {NOTHING})):f64",
        ),
        (
            "y[i] = reduce.max[j](A[i, j]):f64 where M[i, j]",
            f"select(reduce.or[j](M[i, j]):bool, reduce.max[j](select(M[i, j], A[i, j], {BELOW})):f64, fill(2.0):f64)",
        ),
        (
            "y[i] = reduce.add[j](A[i, j] where and(stored(D[i, j]), stored(A[i, j]))):f64",
            f"reduce.add[j](select(true:bool, select(stored(A[i, j]), A[i, j], {NOTHING}), {NOTHING})):f64",
        ),
        # with a tuple state nothing stands for a point that is left out
        (
            "y[i] = cast[f64](reduce.argmin[j](A[i, j] where M[i, j]):i64)",
            "cast[f64](reduce.argmin[j](A[i, j] where M[i, j]):i64)",
        ),
    ],
)
def test_written_out(before: str, after: str) -> None:
    got = statement(before)[1]
    assert print_expr(got.value) == after and got.where is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # a sum over nothing is what the guard leaves
        (
            f"y[i] = select(lt(i, 3:i64), reduce.add[j](A[i, j]):f64, {NOTHING})",
            f"reduce.add[j](select(lt(i, 3:i64), A[i, j], {NOTHING})):f64",
        ),
        ("y[i] = select(lt(i, 3:i64), reduce.max[j](A[i, j]):f64, fill(0.0):f64)", None),
    ],
)
def test_pushed(before: str, after: str | None) -> None:
    value = statement(before)[0].value
    assert print_expr(push(value)) == (after or print_expr(value))


def test_conditions_are_factors() -> None:
    value = statement("y[i] = reduce.add[j](mul(mul(s[i], A[i, j]), x[j]) where lt(j, i)):f64")[1].value
    assert print_expr(factor(value)) == (
        f"mul(s[i], reduce.add[j](select(lt(j, i), mul(A[i, j], x[j]), {NOTHING})):f64)"
    )
    alone = statement("y[i] = reduce.add[j](s[i] where M[i, j]):f64")[1].value
    assert print_expr(factor(alone)) == f"mul(s[i], reduce.add[j](select(M[i, j], 1.0:f64, {NOTHING})):f64)"


# what becomes of them


def loops(text: str) -> str:
    return " ".join(sp.compile(f"kernel f({text} }}").ir("loops").split())


def test_a_condition_stands_as_far_out_as_it_can() -> None:
    got = loops("A: f64[m, n] csr, x: f64[n], d: bool[m]) -> y: f64[m] { y[i] = sum[j](A[i, j] * x[j]) where d[i]")
    assert "forall i in m parallel { if d[i] { workspace w1: f64 scalar" in got
    got = loops("A: f64[m, n] csr, X: f64[n, p], d: bool[n]) -> Y: f64[m, p] { Y[i, k] = A[i, j] * X[j, k] where d[j]")
    assert "forall j in n { if d[j] { forall k in chunk(ko, 32, p) vector(8) {" in got


def test_a_mask_restricts_the_loops() -> None:
    k = sp.compile(
        "kernel f(A: f64[m, d], B: f64[d, n], M: bool[m, n] csr) -> C: f64[m, n] csr "
        "{ C[i, j] = A[i, k] * B[k, j] where M[i, j] }"
    )
    assert "forall j in n { if M[i, j] { workspace" in " ".join(k.ir("loops").split())
    assert "merge with all" not in k.ir("buffer") and "iterate M.1" in k.ir("buffer")


def test_an_order_bounds_a_loop() -> None:
    k = sp.compile("kernel f(A: f64[n, n], x: f64[n]) -> y: f64[n] { y[i] = sum[j](A[i, j] * x[j] where j < i) }")
    assert "min(dim_n, i)" in k.ir("buffer") and "if" not in k.ir("buffer")
    k = sp.compile("kernel f(A: f64[n, n]) -> B: f64[n, n] csr { B[i, j] = A[i, j] where i - j in -1:2 and 3 > j }")
    a = np.arange(1.0, 26).reshape(5, 5)
    i, j = np.indices(a.shape)
    want = (i - j >= -1) & (i - j < 2) & (j < 3)
    got = k(a)
    assert got.numpy().tolist() == np.where(want, a, 0).tolist() and got.nnz == want.sum()


@pytest.mark.parametrize("condition", ["i > 7", "i < -3", "i == 8", "i == -1", "i > j + 9"])
def test_bounds_outside_of_the_extent(condition: str) -> None:
    a = scipy.sparse.random_array((4, 4), density=0.5, rng=np.random.default_rng(0), format="csr")
    with scope(check={"bounds"}):
        k = sp.compile(f"kernel f(A: f64[m, n] csr) -> B: f64[m, n] csr {{ B[i, j] = A[i, j] where {condition} }}")
        assert k(a).nnz == 0


def test_conditions_that_compute_with_floats_are_asked_once() -> None:
    text = "B[i, j] = A[i, j] where A[i, j] * x[j] > 1"
    k = sp.compile(f"kernel f(A: f64[m, n] csr, x: f64[n]) -> B: f64[m, n] csr {{ {text} }}")
    assert "assemble B by append" in k.ir("loops")
    k = sp.compile(
        "kernel f(A: f64[m, n] csr, x: f64[n]) -> B: f64[m, n] csr { B[i, j] = A[i, j] where A[i, j] > x[j] }"
    )
    assert "assemble B by count" in k.ir("loops")


KEPT = """\
kernel keep {
  in A: f64[m, n] (i, j) -> (i: dense, j: compressed[index=i32, pos=i32]) fill(0.0)
  in B: f64[n, p] (i, j) -> (i: dense, j: compressed[index=i32, pos=i32]) fill(0.0)
  out C: f64[m, p] (i, j) -> (i: dense, j: compressed[index=i32, pos=i32]) fill(0.0)
  assemble C by count {
    forall i in m parallel {
      workspace w[j in p]: f64 bitmap.max init -inf produce {
        forall k in n {
          forall j in p {
            w[j] max= max(A[i, k], B[k, j])
          }
        }
      } consume {
        forall j in p {
          if gt(w[j], 2.0:f64) {
            C[i, j] = w[j]
          }
        }
      }
    }
  }
}
"""


def test_a_condition_on_a_workspace_needs_its_values_while_counting() -> None:
    rng = np.random.default_rng(0)
    a, b = (np.where(rng.random((6, 6)) < 0.5, rng.integers(1, 5, (6, 6)), 0).astype(float) for _ in range(2))
    want = np.maximum(a[:, :, None], b[None]).max(axis=1)
    got = sp.compile(KEPT)(sp.tensor(a, format="csr"), sp.tensor(b, format="csr"))
    assert got.numpy().tolist() == np.where(want > 2, want, 0).tolist() and got.nnz == (want > 2).sum()


# meaning


A = scipy.sparse.random_array((9, 7), density=0.4, rng=np.random.default_rng(1), format="csr")
M = scipy.sparse.random_array((9, 7), density=0.5, rng=np.random.default_rng(2), format="csr").astype(bool)


def test_outside_is_the_declared_fill_whatever_is_computed() -> None:
    k = sp.compile(
        "kernel f(A: f64[m, n] csr, M: bool[m, n] csr) -> B: f64[m, n] csr fill(-1) "
        "{ B[i, j] = exp(A[i, j]) where M[i, j] }"
    )
    got = k(A, M)
    assert got.nnz == M.nnz and got.fill_value == -1
    np.testing.assert_allclose(got.numpy(), np.where(M.toarray(), np.exp(A.toarray()), -1))


def test_a_local_with_a_condition_keeps_its_stated_fill() -> None:
    text = "T[i, j]: fill(5) = A[i, j] where M[i, j]; y[i] = sum[j](T[i, j])"
    got = sp.compile(f"kernel f(A: f64[m, n] csr, M: bool[m, n] csr) -> y: f64[m] {{ {text} }}")(A, M)
    np.testing.assert_allclose(got, np.where(M.toarray(), A.toarray(), 5).sum(1))
    plain = text.replace(": fill(5)", "")
    got = sp.compile(f"kernel f(A: f64[m, n] csr, M: bool[m, n] csr) -> y: f64[m] {{ {plain} }}")(A, M)
    np.testing.assert_allclose(got, np.where(M.toarray(), A.toarray(), 0).sum(1))


@pytest.mark.parametrize("fmt", ["csr", "csc", "coo", "dcsr"])
def test_stored_sees_explicit_zeros(fmt: str) -> None:
    coords, values = np.array([[0, 0, 2], [1, 2, 0]]), np.array([0.0, 3.0, 0.0])
    a = sp.from_coo(coords, values, (3, 3), format=fmt)
    k = sp.compile(f"kernel f(A: f64[m, n] {fmt}) -> B: i64[m, n], C: i64[m, n] csr "
                   "{ B[i, j] = select(stored(A[i, j]), 1, 0); C[i, j] = 1 where not stored(A[i, j]) }")  # fmt: skip
    b, c = k(a)
    want = np.zeros((3, 3), int)
    want[tuple(coords)] = 1
    assert b.tolist() == want.tolist() and c.numpy().tolist() == (1 - want).tolist() and c.nnz == 6


def test_a_complement_walks_what_it_takes_away() -> None:
    n, rng = 30, np.random.default_rng(3)
    a, b = (np.where(rng.random((n, n)) < 0.3, rng.integers(1, 5, (n, n)), 0) for _ in range(2))
    for f in ("csr", "dcsr", "coo"):
        k = sp.compile(f"kernel f(A: i64[n, n] {f}, B: i64[n, n] {f}) -> C: i64[n, n] csr "
                       "{ C[i, j] = A[i, j] where not stored(B[i, j]) }")  # fmt: skip
        got = k(sp.tensor(a, format=f), sp.tensor(b, format=f))
        want = np.where(b == 0, a, 0)
        assert got.numpy().tolist() == want.tolist() and got.nnz == (want != 0).sum()


def test_a_condition_goes_into_a_sum_before_that_becomes_one_over_each_half() -> None:
    """Neither of the sums over halves of a symmetric operand binds the index that the condition names."""
    text = """program f {
      in A: f64[p, p] csr fill(0.0)
      in C: f64[q, p, p] (i, j, k) -> (j: dense, k: compressed[index=i32, pos=i32], i: dense) symmetric fill(0.0)
      out R: f64[p, q] dense fill(1.0)
      R[i, j] = reduce.add[a](mul(A[i, a], C[j, i, a])):f64 where stored(C[j, a, i]) for i < p, j < q, a < p
    }"""
    assert plan(parse_program(text)).tensor("R").fill == 1.0
