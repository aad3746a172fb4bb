"""Selections: the greatest keys of fibres, groups and whole tensors, over every matrix format, through every stage."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import UnsupportedError
from tests.programs.cases import MATRIX
from tests.support.stages import agree

STATEMENTS = [
    "S[i, j] = W[i, j] where top[j: 2](abs(W[i, j]))",
    "S[i, j] = W[i, j] where top[i: 1](W[i, j])",
    "S[i, j] = W[i, j] where top[j: 99](W[i, j])",
    "S[i, j] = W[i, j] where top[j: 0](W[i, j])",
    "S[i, j] = W[i, j] where top[j/4: 2](abs(W[i, j]))",
    "S[i, j] = W[i, j] where top[i/3: 2](W[i, j] + x[j])",
    "S[i, j] = W[i, j] where top[i, j: 5](abs(W[i, j]))",
    "S[i, j] = W[i, j] where top[j, i: 5](W[i, j] == 0)",
    "S[i, j] = W[i, j] where top[i/2, j/3: 2](-W[i, j])",
    "S[i, j] = W[i, j] where top[i, j/2: 3](W[i, j])",
    "S[i, j] = select(top[j: 2](x[j]), W[i, j], 0)",
    "S[i, j] = W[i, j] where top[j: 2](sum[k](W[i, k] * W[j, k])) and i < j",
    "S[i, j] = W[i, j] where top[j: 2](W[i, j] where i != j)",
    "S[i, j] = W[i, j] where not top[j: 2](scan[j](W[i, j]))",
    "S[i, j] = W[i, j] * sum[k](W[i, k] where top[k: 2](W[i, k]))",
]


def operands(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    w = rng.integers(1, 4, (n, n)) * rng.choice([-1.0, 1.0], (n, n))
    return {"W": np.where(rng.random((n, n)) < 0.5, w, 0.0), "x": rng.integers(-2, 3, n).astype(float)}


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("fmt", MATRIX)
def test_selections(statement: str, fmt: str) -> None:
    for n, result in enumerate(("csr", "") if fmt in ("", "csr") else ("csr",)):
        x = ", x: f64[n]" if "x[" in statement else ""
        text = f"kernel f(W: f64[n, n] {fmt}{x}) -> S: f64[n, n] {result} {{ {statement} }}"
        given = {k: v for k, v in operands(7, 3).items() if k == "W" or x}
        agree(text, given, {"n": 7}, compiled=n == 0 and fmt in ("", "csr"))


@pytest.mark.parametrize("n", [0, 1])
def test_tiny_extents(n: int) -> None:
    for statement in STATEMENTS:
        if "x[" not in statement:
            text = f"kernel f(W: f64[n, n] csr) -> S: f64[n, n] csr {{ {statement} }}"
            agree(text, {"W": np.full((n, n), 2.0)}, {"n": n}, compiled=False)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint64, np.bool_])
def test_types_of_keys(dtype: type) -> None:
    a = np.array([[3, 1, 2, 3, 0], [0, 0, 1, 0, 1]]).astype(dtype)
    want = [[True, False, False, True, False], [False, False, True, False, True]]
    if dtype is np.bool_:
        want[0] = [True, True, False, False, False]
    assert sp.evaluate("y[i, j] = top[j: 2](A[i, j])", A=a).tolist() == want


def test_no_number_comes_last_and_ties_go_to_the_lower_index() -> None:
    nan, inf = np.nan, np.inf
    x = np.array([nan, 1.0, -inf, nan, 1.0, 1.0, 0.0, -0.0])
    chosen = [
        [1],
        [1, 4],
        [1, 4, 5],
        [1, 4, 5, 6],
        [1, 4, 5, 6, 7],
        [1, 2, 4, 5, 6, 7],
        [0, 1, 2, 4, 5, 6, 7],
        range(8),
    ]
    for k, want in enumerate(chosen, 1):
        got = sp.evaluate(f"y[i] = top[i: {k}](x[i])", x=x)
        assert np.flatnonzero(got).tolist() == [*want], k


@pytest.mark.parametrize("fmt", ["csr", "csc", "coo", "dcsr"])
def test_absent_entries_take_part_with_their_fill(fmt: str) -> None:
    a = np.array([[0, -1.0, 0, 0, 2], [-1, -2, -3, -4, -5], [0, 0, 0, 0, 0]])
    t = sp.tensor(a, format=fmt)
    got = sp.evaluate("y[i, j] = select(top[j: 3](A[i, j]), 1, 0)", A=t)
    assert np.asarray(getattr(got, "numpy", lambda: got)()).tolist() == [
        [1, 0, 1, 0, 1],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
    ]


def test_many_keys() -> None:
    rng = np.random.default_rng(5)
    a = rng.standard_normal((40, 500)).astype(np.float32)
    s = sp.compile("kernel f(W: f32[m, n]) -> S: f32[m, n] csr { S[i, j] = W[i, j] where top[j: 31](abs(W[i, j])) }")(a)
    limit = np.sort(abs(a), 1)[:, -31, None]
    assert s.nnz == 40 * 31 and np.array_equal(s.numpy(), np.where(abs(a) >= limit, a, 0))
    b = sp.evaluate("y[i, j] = top[i, j: 1000](x[i, j])", x=a)
    assert np.array_equal(b, a >= np.sort(a, None)[-1000])


def test_a_sparse_row_costs_its_entries() -> None:
    k = sp.compile("kernel f(W: f64[m, n] csr) -> S: f64[m, n] csr { S[i, j] = W[i, j] where top[j: 2](abs(W[i, j])) }")
    assert "merge with all" not in k.ir("buffer") and "merge with some" in k.ir("buffer")
    assert "'top1' marks the 2 greatest keys along j first" in k.explain() and "parallel over i" in k.explain()


def test_what_cannot_run_yet() -> None:
    with pytest.raises(UnsupportedError, match="a 'top' that reads 't', which the scan block writes"):
        sp.evaluate("scan i { t[j] += A[i, j]; y[i, j] = select(top[j: 1](t[j]), 1, 0) }", A=np.eye(3))
