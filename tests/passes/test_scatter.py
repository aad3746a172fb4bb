"""Assembly by histogram: transpositions need no sorting."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import VerifyError
from sparsec.ir.loops_text import parse_kernel
from sparsec.ir.loops_verify import verify
from sparsec.passes.lower import emit, explain, plan
from tests.support.statements import Source


def method(operands: str, result: str, statement: str) -> str:
    kernel = plan(Source(operands, result, statement).program)
    name = result.partition(":")[0]
    return next(line for line in explain(kernel, emit(kernel)).splitlines() if f"{name}: assembled" in line)


@pytest.mark.parametrize(
    ("operands", "result", "statement", "way"),
    [
        ("A: f64[m, n] csr", "B: f64[m, n] csc", "B[i, j] = A[i, j]", "scatter"),
        ("A: f64[m, n] csr", "B: f64[n, m] csr", "B[j, i] = 2 * A[i, j]", "scatter"),
        ("A: f64[m, n] dcsr; x: f64[n]", "B: f64[m, n] csc", "B[i, j] = A[i, j] * x[j]", "scatter"),
        ("A: f64[m, n] csr; X: f64[m, d]", "B: f64[m, n] csc", "B[i, j] = A[i, j] * X[i, k]", "scatter"),
        ("A: f64[m, n] csr", "B: f64[m, n] csr", "B[i, j] = A[i, j]", "count"),
        ("A: f64[m, n] csr", "B: f64[m, n] dcsc", "B[i, j] = A[i, j]", "append"),
        ("A: f64[m, p] csr; B: f64[p, n] csr", "C: f64[m, n] csc", "C[i, j] = A[i, k] * B[k, j]", "count"),
    ],
)  # fmt: skip
def test_when(operands: str, result: str, statement: str, way: str) -> None:
    assert f"assembled by {way}" in method(operands, result, statement)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (5, 7), (40, 3)])
def test_transposes(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    a = rng.integers(-2, 3, shape) * (rng.random(shape) < 0.5)
    for source in ("csr", "dcsr", "coo"):
        t = sp.tensor(a, format=source)
        for b in (t.convert("csc"), sp.evaluate("B[j, i]: csr = A[i, j]", A=t)):
            b.validate()
            assert b.nnz == t.nnz
        assert t.convert("csc").numpy().tolist() == a.tolist()
        assert sp.evaluate("B[j, i]: csr = A[i, j]", A=t).numpy().tolist() == a.T.tolist()


def test_higher_orders() -> None:
    rng = np.random.default_rng(2)
    a = rng.integers(-2, 3, (3, 4, 5)) * (rng.random((3, 4, 5)) < 0.4)
    b = sp.evaluate(
        "B[j, k, i]: (i, j, k) -> (i: dense, j: dense, k: compressed) = A[i, j, k]", A=sp.tensor(a, format="csf")
    )
    b.validate()
    assert b.numpy().tolist() == a.transpose(1, 2, 0).tolist()


TEXT = """
kernel t {
  in A: f64[m, n] (i, j) -> (i: dense, j: compressed[index=i32, pos=i32]) fill(0.0)
  out B: f64[m, n] (i, j) -> (j: dense, i: compressed[index=i32, pos=i32]) fill(0.0)
  assemble B by scatter {
    LOOPS { B[i, j] = A[i, j] } }
  }
}
"""


@pytest.mark.parametrize(
    ("loops", "message"),
    [
        ("forall j in n { forall i in m", "that over 'i' outermost"),
        ("forall i in m { forall j in n parallel", "parallel loops, but for the outermost one"),
        ("forall i in m { forall k in n", "the loops must run over its indices"),
    ],
)
def test_nests_that_would_not_be_in_order_are_refused(loops: str, message: str) -> None:
    with pytest.raises(VerifyError, match=message):
        verify(parse_kernel(TEXT.replace("LOOPS", loops)))
    for loops in ("forall i in m { forall j in n", "forall i in m parallel { forall j in n"):
        verify(parse_kernel(TEXT.replace("LOOPS", loops)))
    with pytest.raises(VerifyError, match="by parallel loops$"):
        verify(
            parse_kernel(
                TEXT.replace("j: dense, i: compressed", "j: dense, i: fixed[3, index=i32]")
                .replace("[index=i32, pos=i32]) fill(0.0)\n  ass", ") fill(0.0)\n  ass")
                .replace("LOOPS", "forall i in m parallel { forall j in n")
            )
        )


@pytest.mark.parametrize("schedule", [None, "schedule for t { parallel none }", "schedule for t { parallel i by 3 }"])
def test_parts_come_in_order(schedule: str | None) -> None:
    """Enough entries for several parts; and parts of three rows each."""
    rng = np.random.default_rng(3)
    a = sp.tensor(rng.integers(1, 9, (500, 300)) * (rng.random((500, 300)) < 0.4), format="csr")
    lower = "kernel t(A: i64[m, n] csr) -> B: i64[m, n] csc { B[i, j] = A[i, j] where j < i }"
    copy = "kernel t(A: i64[m, n] csr) -> B: i64[m, n] csc { B[i, j] = A[i, j] }"
    for text, dense in ((copy, a.numpy()), (lower, np.tril(a.numpy(), -1))):
        b = sp.compile(text, schedule=schedule)(a)
        b.validate()
        assert (b.numpy() == dense).all() and b.nnz == np.count_nonzero(dense)


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("kernel f(A: f64[q, q, p] (i, j, k) -> (i: dense, j: dense, k: compressed), B: f64[q, q, p]) -> "
         "R: f64[p, q] (i, j) -> (i/2: dense, i%2: dense, j: compressed) { R[i, j] = A[j, j, i] + B[j, j, i] }",
         "forall j in q parallel"),
        # Two diagonals have no place in common, though no index is theirs alone.
        ("kernel f(A: f64[p, r]) -> R: f64[p, r] (i, j) -> (j-i: dense, i: compressed) { R[i, j] = -A[i, j] }",
         "forall j_minus_i in span(p, r) parallel"),
    ],
)  # fmt: skip
def test_loops_over_blocks_and_diagonals_are_verified(text: str, loop: str) -> None:
    """(Found by the fuzzer.)"""
    nest = sp.compile(text).ir("loops")
    assert loop in nest
    verify(parse_kernel(nest))
