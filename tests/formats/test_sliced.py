"""``sliced[c, s]`` and ``sell[c, s]``: rows ordered by length in windows, in slices stored side by side."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.formats.level import make_level
from sparsec.formats.named import named_format
from sparsec.frontends.dsl import parse_source
from sparsec.ir.text import Cursor, format_text

DENSE = np.zeros((5, 6))
DENSE[0, [2]] = 1
DENSE[1, [0, 3, 5]] = 2, 3, 4
DENSE[3, [1, 4]] = 5, 6
DENSE[4, [5]] = 7

MAP = "(i, j) -> (p/c: dense, #: slots, p%c: dense, j: singleton)"


def sell(rows: int = 2, window: int = 4) -> Any:
    return sp.tensor(DENSE, format=f"sell[{rows}, {window}]")


def some(m: int, n: int, seed: int = 0) -> Any:
    """A random matrix whose rows have any number of entries."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((m, n)) < rng.random((m, 1)), rng.integers(1, 9, (m, n)), 0.0)


def test_what_is_stored() -> None:
    A = sell()
    found = {role: array.tolist() for role, array in A.levels[1].items()}
    assert found == {
        "order": [1, 3, 0, 2, 4],
        "rank": [2, 0, 3, 1, 4],
        "count": [3, 2, 1, 0, 1, 0],
        "slots": [0, 3, 4, 5],
        "crd": [0, 1, 3, 4, 5, 0, 2, 0, 5, 0],
    }
    assert A.storage.values.tolist() == [2, 5, 3, 6, 4, 0, 1, 0, 7, 0]
    assert (A.nnz, A.format) == (7, "sell[2, 4]")
    assert sp.evaluate("c = count[i, j](stored(A[i, j]))", A=A) == 7
    A.validate()
    assert A.coo()[1].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert pickle.loads(pickle.dumps(A)).numpy().tolist() == DENSE.tolist()


SHAPES = [(0, 0), (1, 1), (5, 0), (0, 3), (3, 10), (17, 9), (40, 16)]
SLICES = [(8, 64), (4, 1), (3, 5), (1, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("rows", "window"), SLICES)
def test_there_and_back(shape: tuple[int, int], rows: int, window: int) -> None:
    D, name = some(*shape), f"sell[{rows}, {window}]"
    want = sp.tensor(D, name)
    for fmt in ("csr", "csc", "dense", "hash"):
        A = sp.tensor(D, fmt).convert(name)
        A.validate()
        assert A.numpy().tolist() == D.tolist()
        assert [a.tolist() for a in A.levels[1].values()] == [a.tolist() for a in want.levels[1].values()], fmt
        assert A.convert(fmt).numpy().tolist() == D.tolist()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("rows", "window", "dtype"), [*((*s, "f64") for s in SLICES), (8, 64, "f32"), (8, 64, "i32")])
def test_products(shape: tuple[int, int], rows: int, window: int, dtype: str) -> None:
    D = some(*shape)
    A = sp.tensor(D, f"sell[{rows}, {window}]").astype(dtype)
    X = np.arange(shape[1] * 3).reshape(shape[1], 3).astype(A.dtype)
    x = np.ascontiguousarray(X[:, 1])
    np.testing.assert_array_equal(sp.evaluate("y[i] = A[i, j] * x[j]", A=A, x=x), D @ x)
    np.testing.assert_array_equal(sp.evaluate("Y[i, k] = A[i, j] * X[j, k]", A=A, X=X), D @ X)
    u = np.arange(shape[0]).astype(A.dtype)
    np.testing.assert_array_equal(sp.evaluate("y[j] = u[i] * A[i, j]", A=A, u=u), u @ D)
    np.testing.assert_array_equal(sp.evaluate("y[i] = u[i] - 2 * A[i, j] * x[j]", A=A, u=u, x=x), u - 2 * (D @ x))


FOLDS = [
    "y[i] = max[j](A[i, j] * x[j])",
    "y[i] = min[j](A[i, j] + x[j])",
    "y[i] = sum[j]((A[i, j] - u[i]) * x[j] where stored(A[i, j]))",
    "y[i] = prod[j](A[i, j])",
    "y[i] = count[j](stored(A[i, j]))",
    "y[i] = argmax[j](A[i, j])",
    "y[i] = sum[j](A[i, j] * B[i, j])",
    "y[i] = sum[j](A[i, j] * A[i, j] * x[j])",
    "y[i] = sum[j](A[i, j] * x[j] where j < i)",
    "y[i] = A[i, i] + sum[j](A[i, j] * x[j])",
    "y[i] = sum[j](sqrt(A[i, j]) * x[j])",
]


@pytest.mark.parametrize("text", FOLDS)
def test_folds(text: str) -> None:
    D = some(13, 13, 4)
    given: dict[str, Any] = {"x": np.arange(13.0) - 6, "u": np.arange(13.0)}
    given = {k: v for k, v in given.items() if f" {k}[" in text or f"({k}[" in text}
    if "B[" in text:
        given["B"] = sp.tensor(some(13, 13, 5), "csr")
    want = sp.evaluate(text, A=sp.tensor(D, "csr"), **given)
    np.testing.assert_allclose(sp.evaluate(text, A=sp.tensor(D, "sell[4, 6]"), **given), want)


def test_rows_are_folded_in_step() -> None:
    text = "kernel f(A: f64[m, n] sell[8, 64], x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }"
    k = sp.compile(text)
    buffer = k.ir("buffer")
    assert "in step A.1" in buffer and "mark vector<8>" in buffer
    A, x = sp.tensor(some(19, 7), "sell[8, 64]"), np.full(7, np.inf)
    x[1:] = 1
    with np.errstate(invalid="ignore"):  # what is not stored does not count, padding neither
        np.testing.assert_array_equal(k(A, x), sp.evaluate("y[i] = A[i, j] * x[j]", A=A.convert("csr"), x=x))
    other = "kernel f(A: f64[m, n] sell[8, 64], x: f64[n]) -> C: f64[m, n] csr { C[i, j] = A[i, j] * x[j] }"
    assert "in step" not in sp.compile(other).ir("buffer")


@pytest.mark.parametrize("other", ["csr", "csc", "sell[3, 2]", "nm[4, 4]", "coo"])
def test_together_with_others(other: str) -> None:
    D, E = some(9, 8), some(9, 8, 1)
    A, B = sp.tensor(D, "sell[4, 9]"), sp.tensor(E, other)
    k = f"(A: f64[m, n] sell[4, 9], B: f64[m, n] {other}) -> C: f64[m, n] csr"
    assert sp.compile(f"kernel f{k} {{ C[i, j] = A[i, j] * B[i, j] }}")(A, B).numpy().tolist() == (D * E).tolist()
    assert sp.compile(f"kernel f{k} {{ C[i, j] = A[i, j] + B[i, j] }}")(A, B).numpy().tolist() == (D + E).tolist()
    k = k.replace("csr", "sell[2, 4]") if other == "csr" else k
    C = sp.compile(f"kernel f{k} {{ C[i, j] = A[i, k] * B[j, k] }}".replace("C: f64[m, n]", "C: f64[m, m]"))(A, B)
    C.validate()
    assert C.numpy().tolist() == (D @ E.T).tolist()


def test_pattern_once_values_often() -> None:
    k = sp.compile("kernel f(A: f64[m, n] csr, s: f64) -> C: f64[m, n] sell[4, 8] { C[i, j] = s * A[i, j] }")
    D = some(11, 7)
    C = k.assemble(sp.tensor(D, "csr"), 2.0)
    for s in (2.0, 3.0):
        k.compute(sp.tensor(D, "csr"), s, out=C)
        assert C.numpy().tolist() == (s * D).tolist()


def test_the_map() -> None:
    unit = parse_source(
        f"format mine[c, s] = {MAP}, p = order[s](i)\n"
        f"format flat[c] = {MAP.replace('p', 'i')}\n"
        "kernel f(A: f64[m, n] mine[8, 64], B: f64[m, n] flat[4], C: f64[m, n] sell[8, 64]) -> s: f64 {\n"
        "    s = A[i, j] * B[i, j] * C[i, j]\n}"
    )
    a, b, c = (t.format for t in unit.kernels["f"].operands)
    assert a == c and str(a) == "(i, j) -> (i: dense, j: sliced[8, 64])"
    assert str(b) == "(i, j) -> (i: dense, j: sliced[4, 1])"


@pytest.mark.parametrize(
    "text",
    [
        "(i, j) -> (p: dense, j: compressed), p = order[8](i)",
        "(i, j) -> (p/4: dense, #: slots, p%2: dense, j: singleton), p = order[8](i)",
        "(i, j) -> (j: dense, #: slots, i: singleton)",
    ],
)
def test_other_slices_are_for_later(text: str) -> None:
    k = "kernel f(A: f64[m, n] mine) -> s: f64 { s = A[i, j] }"
    with pytest.raises(sp.UnsupportedError, match="cannot run yet"):
        sp.compile(f"format mine = {text}\n{k}").ir("buffer")


def test_beneath_other_levels() -> None:
    D = np.stack([some(5, 6, s) for s in range(3)])
    A = sp.tensor(D, "sell[4, 8]")
    assert str(named_format("sell", 3, (4, 8))) == "(i, j, k) -> (i: dense, j: dense, k: sliced[4, 8])"
    A.validate()
    assert A.numpy().tolist() == D.tolist()
    assert sp.evaluate("y[b, i] = A[b, i, j] * x[j]", A=A, x=np.ones(6)).tolist() == D.sum(2).tolist()
    B = sp.tensor(D[0], "(i, j) -> (j: dense, i: sliced[4, 8, index=u8])")
    assert sp.evaluate("y[j] = A[i, j]", A=B).tolist() == D[0].sum(0).tolist()


@pytest.mark.parametrize("text", ["sell[8, 64]", "(i, j) -> (j: dense, i: sliced[4, 8, index=u8, pos=i64])"])
def test_texts(text: str) -> None:
    fmt = Cursor(text).format(2)
    assert Cursor(format_text(fmt)).format(2) == fmt


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: named_format("sell", 2), "written sell\\[c, s\\]"),
    (lambda: named_format("sell", 2, (0, 1)), "lie in 1"),
    (lambda: make_level("sliced", ("8",)), "is written sliced\\[rows, window\\]"),
    (lambda: parse_source(f"format f[c] = {MAP}, p = sort[8](i)"), "no permutation 'sort'"),
    (lambda: parse_source(f"format f[c] = {MAP}, p = order[0](i)"), "needs the size of its windows, not '0'"),
    (lambda: parse_source(f"format f[c] = {MAP}, p = order[8](k)"), "'k' is no dimension of the map"),
    (lambda: parse_source(f"format f[c] = {MAP}, j = order[8](i)"), "'j' is a dimension of the map already"),
]


@pytest.mark.parametrize(("call", "text"), WRONG)
def test_refused(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(sp.FormatError, match=text):
        call()


LIES: list[tuple[str, int, int, str]] = [
    ("order", 0, 2, "order has parent 2 at 0, which rank does not give back"),
    ("order", 0, -1, "order has parent -1 at 0"),
    ("order", 0, 5, "order has parent 5 at 0"),
    ("rank", 1, 4, "which rank does not give back"),
    ("count", 2, 2, "count of rank 2 is 2, there is room for 0..1"),
    ("count", 5, 1, "count of rank 5 is 1, there is room for 0..0"),
    ("count", 3, -1, "count of rank 3 is -1"),
    ("slots", 1, 9, "pos decreases at 2"),
    ("slots", 3, 6, "crd has 5 entries, pos ends at 6"),
    ("crd", 0, 6, "coordinate 6 at position 0 is outside 0..5"),
    ("crd", 4, 3, "coordinate 3 at position 4 repeats the one before in its lane"),
]


@pytest.mark.parametrize(("role", "place", "value", "text"), LIES)
def test_arrays_that_lie(role: str, place: int, value: int, text: str) -> None:
    A = sell()
    array = A.levels[1][role].copy()
    array[place] = value
    A.levels[1][role] = array  # type: ignore[index]
    with pytest.raises(sp.FormatError, match=f"level 1 .j: sliced.: .*{text}"):
        A.validate()


def test_results_only_beneath_dense_levels() -> None:
    k = sp.compile(
        "kernel f(A: f64[m, n] csr) -> C: f64[m, n] (i, j) -> (i: compressed, j: sliced[2, 4]) { C[i, j] = A[i, j] }"
    )
    with pytest.raises(sp.UnsupportedError, match="only beneath dense levels"):
        k(sp.tensor(DENSE, "csr"))
