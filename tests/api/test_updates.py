"""Updates in place through the public face: what the caller passes is where results start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp

RNG = np.random.default_rng(5)


def sparse(*shape: int) -> np.ndarray:
    return np.where(RNG.random(shape) < 0.4, RNG.integers(1, 9, shape), 0.0)


A, B, X = sparse(6, 6), sparse(6, 6), RNG.integers(1, 9, 6).astype(float)
OPERATORS: list[tuple[str, Any, float]] = [
    ("+=", np.add, 0.0), ("*=", np.multiply, 1.0), ("min=", np.minimum, np.inf), ("max=", np.maximum, -np.inf),
]  # fmt: skip


@pytest.mark.parametrize("symbol, function, identity", OPERATORS)
@pytest.mark.parametrize("layout", ["rows", "columns", "steps", "reversed"])
def test_dense_in_the_callers_memory(symbol: str, function: Any, identity: float, layout: str) -> None:
    k = sp.compile(f"kernel f(A: f64[n, n] csr) -> C: f64[n, n] {{ C[i, j] {symbol} A[i, j] }}")
    start = RNG.integers(1, 9, (6, 6)).astype(float)
    memory = {
        "rows": start.copy(),
        "columns": np.asfortranarray(start),
        "steps": np.repeat(start, 2, axis=1)[:, ::2],
        "reversed": start[::-1].copy()[::-1],
    }[layout]
    assert k(A, out=memory) is memory
    assert memory.tolist() == function(start, A).tolist()
    assert k(A).tolist() == function(np.full((6, 6), identity), A).tolist()
    assert k(A, out={"C": memory}).tolist() == function(function(start, A), A).tolist()


@pytest.mark.parametrize("symbol, function, identity", OPERATORS)
@pytest.mark.parametrize("reduced", ["A[i, j] * x[j]", "sum[j](A[i, j] * x[j])"])
def test_reductions(symbol: str, function: Any, identity: float, reduced: str) -> None:
    k = sp.compile(f"kernel f(A: f64[m, n] csc, x: f64[n]) -> y: f64[m] {{ y[i] {symbol} {reduced} }}")
    y = RNG.integers(1, 9, 6).astype(float)
    over = np.add if symbol == "+=" or "sum" in reduced else function
    folded = over.reduce(A * X, axis=1)
    want, fresh = function(y, folded), function(np.full(6, identity), folded)
    assert k(A, X, out=y).tolist() == want.tolist() == y.tolist()
    assert k(A, X).tolist() == fresh.tolist()


FORMATS = ["csr", "csc", "dcsr", "coo"]


@pytest.mark.parametrize("result", FORMATS)
@pytest.mark.parametrize("passed", [*FORMATS, "dense"])
def test_sparse_results_unite(result: str, passed: str) -> None:
    k = sp.compile(
        f"kernel f(A: f64[n, n] csr, B: f64[n, n] csr) -> C: f64[n, n] {result} {{ C[i, k] += A[i, j] * B[j, k] }}"
    )
    start = sparse(6, 6)
    C = sp.tensor(start, format=passed)
    assert k(A, B, out=C) is C
    assert C.format == result
    C.validate()
    assert C.numpy().tolist() == (start + A @ B).tolist()
    assert C.nnz <= ((start != 0) | (A @ B != 0)).sum() or passed == "dense"
    assert k(A, B, out=C).numpy().tolist() == (start + 2 * (A @ B)).tolist()


def test_old_arrays_of_a_sparse_result_are_left_alone() -> None:
    k = sp.compile("kernel f(A: f64[n, n] csr) -> C: f64[n, n] csr { C[i, j] += A[j, i] }")
    C = sp.tensor(B, format="csr")
    other = sp.Tensor(C.storage)
    k(A, out=C)
    assert other.numpy().tolist() == B.tolist()
    assert C.numpy().tolist() == (B + A.T).tolist()


def test_an_array_that_overlaps_an_operand_is_read_first() -> None:
    k = sp.compile("kernel f(x: f64[n]) -> y: f64[n] { y[i] += x[i] }")
    memory = np.arange(8.0)
    x, y = memory[:6], memory[2:]
    want = x + y
    assert k(x, out=y) is y
    assert y.tolist() == want.tolist()
    y = np.arange(4.0)
    assert k(y, out=y).tolist() == [0, 2, 4, 6]


def test_a_read_sees_the_value_before_the_statement() -> None:
    M = RNG.integers(0, 9, (5, 5)).astype(float)
    for text, want in [
        ("M[i, j] += M[j, i]", M + M.T),
        ("M[i, j] = M[j, i]", M.T),
        ("M[i, j] = M[i, k] * M[k, j]", M @ M),
        ("M[i, j] *= M[i, j] + 1", M * (M + 1)),
        ("M[i, j] max= 2 * M[j, i]", np.maximum(M, 2 * M.T)),
        ("M[i, j] += sum[k](M[i, k])", M + M.sum(1)[:, None]),
    ]:
        for fmt in ("dense", *FORMATS):
            if fmt != "dense" and "sum" in text:
                continue
            given = sp.tensor(M, format=fmt) if fmt != "dense" else M.copy()
            got = sp.evaluate(text, M=given)
            dense = got.numpy() if isinstance(got, sp.Tensor) else got
            assert dense.tolist() == want.tolist(), (text, fmt)
            kept = given.numpy() if isinstance(given, sp.Tensor) else given
            assert kept.tolist() == M.tolist(), "evaluate starts from a copy"


def test_several_updates_and_results() -> None:
    k = sp.compile("""
        kernel f(A: f64[n, n] csr, x: f64[n]) -> C: f64[n, n] csr, y: f64[n], t: f64 {
            C[i, j] += A[i, j]
            y[i] = x[i]; y[i] += C[i, j] * x[j]
            C[i, j] *= A[i, j]
            t += y[i]
        }""")
    C, t = sp.tensor(B, format="csr"), np.array(2.0)
    got = k(A, X, out={"C": C, "t": t})
    y = X + (A + B) @ X
    assert got[0] is C and got[2] is t
    assert C.numpy().tolist() == ((A + B) * A).tolist()
    assert got[1].tolist() == y.tolist()
    assert t == 2 + y.sum()
    C2, _, t2 = k(A, X)
    assert C2.numpy().tolist() == (A * A).tolist() and t2 == (X + A @ X).sum()


def test_sparse_results_are_read_by_later_statements() -> None:
    text = "T[i, j] = 2 * A[i, j]; y[i] = T[i, j]"
    k = sp.compile(f"kernel f(A: f64[n, n] csr) -> T: f64[n, n] csr, y: f64[n] {{ {text} }}")
    T, y = k(A)
    assert T.numpy().tolist() == (2 * A).tolist() and y.tolist() == (2 * A).sum(1).tolist()


def test_out_has_a_place_for_each_element() -> None:
    k = sp.compile("kernel f(x: f64[n]) -> y: f64[n] { y[i] = 2 * x[i] }")
    out = np.lib.stride_tricks.as_strided(np.zeros(1), (3,), (0,))
    with pytest.raises(sp.TypeError_, match="out for 'y' has several elements at one place"):
        k(np.ones(3), out=out)
    assert k(np.ones(1), out=out[:1]).tolist() == [2]
    copy = sp.compile("kernel f(x: f64[n, m]) -> y: f64[n, m] { y[i, j] = x[i, j] }")
    window = np.lib.stride_tricks.as_strided(np.zeros(3), (2, 2), (8, 8))
    with pytest.raises(sp.TypeError_, match="out for 'y' has several elements at one place"):
        copy(np.ones((2, 2)), out=window)
    x = np.arange(6.0).reshape(2, 3)
    for apart in (np.zeros((3, 2)).T, np.zeros((4, 9))[::-3, 1::3], np.zeros((2, 3, 4))[..., 2]):
        assert copy(x, out=apart) is apart and apart.tolist() == x.tolist()
    empty = sp.compile("kernel f(x: f64[n, m]) -> y: f64[n, m] { y[i, j] += x[i, j] }")
    assert empty(np.ones((2, 0)), out=np.zeros((2, 0))).shape == (2, 0)  # NumPy's strides are 0 there


def test_torch_tensors_are_updated() -> None:
    torch = pytest.importorskip("torch")
    k = sp.compile("kernel f(x: f64[n]) -> y: f64[n] { y[i] += x[i] }")
    y = torch.ones(3, dtype=torch.float64)
    assert k(torch.arange(3.0, dtype=torch.float64), out=y) is y
    assert y.tolist() == [1, 2, 3]


def test_what_is_passed_must_fit() -> None:
    k = sp.compile(
        "kernel f(x: f64[n], A: f64[n] sparse) -> y: f64[n], C: f64[n] sparse { y[i] += x[i]; C[i] += A[i] }"
    )
    x, a = np.ones(3), sp.tensor(np.array([0.0, 1, 2]), format="sparse")
    locked = np.ones(3)
    locked.flags.writeable = False
    for out, kind, words in [
        ({"y": np.ones(4)}, sp.ShapeError, "dimension 'n' is 3 in 'x' and 4 in 'y'"),
        ({"y": np.ones((3, 1))}, sp.ShapeError, "out for 'y'"),
        ({"y": np.ones(3, np.float32)}, sp.TypeError_, "has dtype float32, expected float64"),
        ({"y": [1.0, 2, 3]}, sp.TypeError_, "not list"),
        ({"y": locked}, sp.TypeError_, "read-only"),
        ({"C": np.ones(3)}, sp.TypeError_, "out for the sparse result 'C' is a Tensor"),
        ({"C": a.astype("f4")}, sp.TypeError_, "out for 'C' has dtype f32, expected f64"),
        ({"C": sp.tensor(np.ones(4), format="sparse")}, sp.ShapeError, "dimension 'n'"),
        ({"C": sp.from_coo([[1]], [1.0], (3,), fill_value=2)}, sp.FormatError, "'C' has fill value 2"),
        ({"D": x}, sp.TypeError_, "no result 'D'"),
    ]:
        with pytest.raises(kind, match=words):
            k(x, a, out=out)
    with pytest.raises(sp.TypeError_, match="2 results"):
        k(x, a, out=x)


def test_a_fill_that_an_update_would_change_is_refused() -> None:
    k = sp.compile("kernel f(A: f64[n] sparse) -> C: f64[n] sparse { C[i] = A[i]; C[i] += 1 }")
    with pytest.raises(sp.FormatError, match=r"declare it with fill\(1.0\)"):
        k(sp.tensor(np.ones(3), format="sparse"))


def test_extents_may_come_from_what_is_updated() -> None:
    k = sp.compile("kernel f(s: f64) -> y: f64[n] { y[i] += s }")
    y = np.ones(3)
    assert k(2.0, out=y).tolist() == [3, 3, 3]
    assert k(2.0, sizes={"n": 2}).tolist() == [2, 2]
