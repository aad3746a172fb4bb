"""Softmax by every stage, over operands whose fill is -inf and others; sparse results keep the pattern."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.ir.tensor_text import parse_program, print_program
from sparsec.ir.tensor_verify import verify
from sparsec.passes.lower.expand import expand
from tests.programs.cases import MATRIX
from tests.support.differential import execute, lower
from tests.support.strategies import make_data
from tests.support.texts import program, stages

LOW = [f"{f} fill(-inf)" if f else "" for f in MATRIX]

BEFORE = """
program attend {
  in S: f64[m, n] fill(-inf)
  in V: f64[n, d]
  out P: f64[m, n]
  out O: f64[m, d]
  P[i, j] = softmax[j](S[i, j]) for i < m, j < n
  O[i, c] = reduce.add[j](mul(softmax[j](reduce.add[k](mul(S[i, k], S[k, j]):f64)), V[j, c])):f64
}
"""
AFTER = """program attend {
  in S: f64[m, n] fill(-inf)
  out P: f64[m, n] fill(0.0)
  local P_max: f64[m] fill(0.0)
  local P_sum: f64[m] fill(0.0)
  P_max[i] = reduce.max[j](S[i, j]):f64 for i < m, j < n
  P_sum[i] = reduce.add[j](exp(sub(S[i, j], P_max[i]))):f64 for i < m, j < n
  P[i, j] = select(eq(P_max[i], -inf:f64), 0.0:f64, div(exp(sub(S[i, j], P_max[i])), P_sum[i])) for i < m, j < n
}
"""


def test_expansion_as_text() -> None:
    lines = [line for line in BEFORE.splitlines() if "V" not in line and "O" not in line]
    made = expand(parse_program("\n".join(lines)))
    verify(made)
    assert print_program(made) == AFTER


def test_what_needs_loops_is_computed_once() -> None:
    p = expand(program("A: f64[m, n], V: f64[n, k]", "O: f64[m, k]",
                       "O[i, c] = sum[j](softmax[j](sum[l](A[i, l] * A[i, j])) * V[j, c])"))  # fmt: skip
    verify(p)
    assert [t.name for t in p.tensors if t.role == "local"] == ["O_x", "O_max", "O_sum"]
    assert [t.dims for t in p.tensors if t.role == "local"] == [("m", "n"), ("m",), ("m",)]


@pytest.mark.parametrize("fmt", LOW)
@pytest.mark.parametrize("out", ["", "csr", "coo"])
def test_rows_and_columns(fmt: str, out: str) -> None:
    stages(f"S: f64[m, n] {fmt}", f"P: f64[m, n] {out}", "P[i, j] = softmax[j](S[i, j])", round_=False)
    stages(f"S: f64[m, n] {fmt}", f"P: f64[n, m] {out}", "P[j, i] = softmax[i](2 * S[i, j])")


@pytest.mark.parametrize("fmt", MATRIX)
def test_inside_expressions(fmt: str) -> None:
    a = f"A: f64[m, n] {fmt}, x: f64[n]"
    stages(a, "r: f64[m]", "r[i] = sum[j](softmax[j](A[i, j] * x[j]) * x[j]) + max[j](A[i, j])")
    stages(a, "P: f64[m, n]", "P[i, j] = softmax[i, j](A[i, j]) * 2")
    stages(a, "r: f64[m]", "r[i] = softmax[i](sum[j](A[i, j] * x[j]))")
    stages(a, "r: f64[m]", "r[i] = max[j](softmax[j](softmax[i](A[i, j])))")


@pytest.mark.parametrize("mask", ["", "csr", "csc", "coo"])
def test_conditions(mask: str) -> None:
    operands = f"A: f64[m, n], M: bool[m, n] {mask}, x: f64[n]"
    stages(operands, "P: f64[m, n] csr", "P[i, j] = softmax[j](A[i, j] where M[i, j])")
    stages(operands, "P: f64[m, n]", "P[i, j] = softmax[j](A[i, j] where j <= i) where M[i, j]")
    stages(operands, "P: f64[m, n]", "P[i, j] = softmax[j](sum[l](A[i, l] * x[l]) + x[j] where M[i, j])")
    stages(operands, "r: i64[m]", "r[i] = argmax[j](A[i, j] where M[i, j])")
    stages(operands, "r: f64[m]", "r[i] = logsumexp[j](A[i, j] where M[i, j] and j < 3)")


MASKED = (
    "S[h, i, j]: fill(-inf) = scale * Q[h, i, c] * K[h, j, c] where M[i, j]\nP[h, i, j] = softmax[j](S[h, i, j])",
    "P[h, i, j] = softmax[j](scale * sum[c](Q[h, i, c] * K[h, j, c]) where M[i, j])",
)


@pytest.mark.parametrize("mask", ["csr", "dcsr", "bitmap"])
@pytest.mark.parametrize("scores", MASKED)
def test_masked_attention_is_as_sparse_as_its_mask(mask: str, scores: str) -> None:
    k = sp.compile(f"""
        kernel attention(Q: f32[h, n, d], K: f32[h, n, d], V: f32[h, n, d], M: bool[n, n] {mask}, scale: f32)
                         -> O: f32[h, n, d] {{
            {scores}
            O[h, i, c] = P[h, i, j] * V[h, j, c]
        }}""")
    rng = np.random.default_rng(0)
    q, key, v = (rng.standard_normal((2, 8, 3)).astype(np.float32) for _ in range(3))
    m = rng.random((8, 8)) < 0.3
    m[2] = False
    got = k(q, key, v, sp.tensor(m, format=mask), np.float32(0.5))
    s = np.where(m, np.float32(0.5) * np.einsum("hic,hjc->hij", q, key), -np.inf)
    w = np.exp(s - np.where(m.any(axis=1), s.max(axis=2), 0)[..., None])
    want = np.einsum("hij,hjc->hic", w / np.maximum(w.sum(axis=2, keepdims=True), 1e-30), v)
    assert np.allclose(got, want, atol=1e-6)
    formats = {t.name: str(t.format) for t in k._resolve({}).tensors if t.role == "local"}
    dense = {name for name, f in formats.items() if "compressed" not in f}
    assert dense == {"P_max", "P_sum"}


def test_types() -> None:
    stages("A: f32[m, n] csr fill(-inf)", "P: f32[m, n] csr", "P[i, j] = softmax[j](A[i, j])", round_=False)
    stages("A: i32[m, n] csr", "P: f64[m, n]", "P[i, j] = softmax[j](A[i, j])")


@pytest.mark.parametrize("fmt", [f for f in LOW if f and "dense" not in f])
def test_the_pattern_stays(fmt: str) -> None:
    p = program(f"S: f64[m, n] {fmt}", "P: f64[m, n] csr", "P[i, j] = softmax[j](S[i, j])")
    d = make_data(p, 3, {"m": 6, "n": 7}, {"S": 0.3}, False)
    _, stored = execute(lower(p), d)["P"]
    assert (stored == d.stored["S"]).all()


def test_not_finite() -> None:
    s = np.array([[np.inf, 1, np.inf], [np.nan, 0, 1], [-np.inf, 5, -np.inf], [-np.inf] * 3])
    k = sp.compile("kernel f(S: f64[m, n]) -> P: f64[m, n] { P[i, j] = softmax[j](S[i, j]) }")
    got = k(s)
    assert np.isnan(got[0, [0, 2]]).all() and np.isnan(got[1]).all()
    assert got[2:].tolist() == [[0, 1, 0], [0, 0, 0]]


def test_results_without_a_format_are_sparse() -> None:
    s = sp.from_coo([[0, 0, 2], [1, 3, 0]], [1.0, 2.0, 3.0], (4, 5), fill_value=-np.inf)
    p = sp.evaluate("P[i, j] = softmax[j](S[i, j])", S=s)
    assert p.nnz == 3 and p.fill_value == 0.0 and np.isclose(p.numpy().sum(), 2)


def test_weights_of_sparse_scores_are_sparse() -> None:
    statement = "P[i, j] = softmax[j](S[i, j]); O[i, c] = P[i, j] * V[j, c]"
    operands = "S: f64[m, n] csr fill(-inf), V: f64[n, k]"
    stages(operands, "O: f64[m, k]", statement)
    k = sp.compile(f"kernel f({operands}) -> O: f64[m, k] {{ {statement} }}")
    formats = {t.name: str(t.format) for t in k._resolve({}).tensors}
    assert "compressed" in formats["P"] and "compressed" not in formats["P_max"]
