"""``structured[n, m]`` and ``nm[n, m]``: n slots for each group of m coordinates, some of them padding."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.formats.level import make_level
from sparsec.formats.named import named_format
from sparsec.ir.text import Cursor, format_text

DENSE = np.zeros((3, 10))
DENSE[0, [0, 3, 7]] = 1, 2, 3
DENSE[1, [4, 6]] = 5, 6
DENSE[2, 9] = 7
WORDS = [0b11_11_00, 0b10_11_00, 0b00_01_00, 0b00_01_00, 0b11_10_00, 0b00_01_00, 0b00_01_00, 0b00_01_00, 0b01_10_01]
VALUES = [1, 2, 0, 3, 0, 0, 0, 0, 5, 6, 0, 0, 0, 0, 0, 0, 7, 0]


def nm(kept: int = 2, group: int = 4) -> Any:
    return sp.tensor(DENSE, format=f"nm[{kept}, {group}]")


def some(m: int, n: int, kept: int, group: int, seed: int = 0) -> Any:
    """A random matrix that the format holds."""
    rng = np.random.default_rng(seed)
    out = np.zeros((m, n))
    for i in range(m):
        for g in range(0, n, group):
            width = min(group, n - g)
            chosen = rng.choice(width, size=min(int(rng.integers(0, kept + 1)), width), replace=False)
            out[i, g + chosen] = rng.integers(1, 9, len(chosen))
    return out


def test_what_is_stored() -> None:
    A = nm()
    assert A.levels[2]["meta"].tolist() == WORDS  # the first slot in the lowest bits, flags above
    assert A.storage.values.tolist() == VALUES
    assert (A.nnz, A.format) == (6, "nm[2, 4]")
    assert sp.evaluate("c = count[i, j](stored(A[i, j]))", A=A) == 6
    A.validate()
    assert pickle.loads(pickle.dumps(A)).numpy().tolist() == DENSE.tolist()


SHAPES = [(0, 0), (1, 1), (5, 0), (0, 3), (3, 10), (4, 16), (7, 9)]
GROUPS = [(2, 4), (1, 2), (3, 5), (9, 16)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kept", "group"), GROUPS)
def test_there_and_back(shape: tuple[int, int], kept: int, group: int) -> None:
    D, name = some(*shape, kept, group), f"nm[{kept}, {group}]"
    for fmt in ("csr", "csc", "dense", "hash"):
        A = sp.tensor(D, fmt).convert(name)
        A.validate()
        assert A.numpy().tolist() == D.tolist()
        assert A.levels[2]["meta"].tolist() == sp.tensor(D, name).levels[2]["meta"].tolist(), fmt
        assert A.convert(fmt).numpy().tolist() == D.tolist()
    if kept == 2:
        assert A.convert(f"csr values(q8[{group}])", lossy=True).shape == shape


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kept", "group", "dtype"), [(*g, "f64") for g in GROUPS] + [(2, 4, "f32"), (2, 4, "i32")])
def test_products(shape: tuple[int, int], kept: int, group: int, dtype: str) -> None:
    D = some(*shape, kept, group)
    A = sp.tensor(D, f"nm[{kept}, {group}]").astype(dtype)
    X = np.arange(shape[1] * 3).reshape(shape[1], 3).astype(A.dtype)
    np.testing.assert_array_equal(
        sp.evaluate("y[i] = A[i, j] * x[j]", A=A, x=np.ascontiguousarray(X[:, 1])), D @ X[:, 1]
    )
    np.testing.assert_array_equal(sp.evaluate("Y[i, k] = A[i, j] * X[j, k]", A=A, X=X), D @ X)
    U = np.arange(3 * shape[0]).reshape(3, shape[0]).astype(A.dtype)
    np.testing.assert_array_equal(sp.evaluate("Y[k, j] = U[k, i] * A[i, j]", A=A, U=U), U @ D)


@pytest.mark.parametrize(("kept", "group"), [(2, 4), (3, 5)])
@pytest.mark.parametrize("other", ["csr", "csc", "nm[4, 4]", "dense"])
def test_together_with_others(kept: int, group: int, other: str) -> None:
    D, E = some(5, 11, kept, group), some(5, 11, 4, 4, seed=1)
    A, B = sp.tensor(D, f"nm[{kept}, {group}]"), sp.tensor(E, other)
    k = f"(A: f64[m, n] nm[{kept}, {group}], B: f64[m, n] {other}) -> C: f64[m, n] csr"
    assert sp.compile(f"kernel f{k} {{ C[i, j] = A[i, j] * B[i, j] }}")(A, B).numpy().tolist() == (D * E).tolist()
    if other != "dense":
        assert sp.compile(f"kernel f{k} {{ C[i, j] = A[i, j] + B[i, j] }}")(A, B).numpy().tolist() == (D + E).tolist()
    y = sp.evaluate("y[i] = max[j](A[i, j] - B[i, j])", A=A, B=B)
    assert y.tolist() == (D - E).max(1).tolist()


@pytest.mark.parametrize(("kept", "group"), [(2, 4), (1, 2), (3, 5)])
@pytest.mark.parametrize("n", [0, 1, 7, 16])
def test_a_sparsifier_into_its_format(kept: int, group: int, n: int) -> None:
    W = np.random.default_rng(3).standard_normal((6, n))
    k = sp.compile(
        f"kernel f(W: f64[m, n]) -> S: f64[m, n] nm[{kept}, {group}] "
        f"{{ S[i, j] = W[i, j] where top[j/{group}: {kept}](abs(W[i, j])) }}"
    )
    want = np.zeros_like(W)
    for i in range(6):
        for g in range(0, n, group):
            best = g + np.argsort(-abs(W[i, g : g + group]), kind="stable")[:kept]
            want[i, best] = W[i, best]
    S = k(W)
    S.validate()
    assert S.numpy().tolist() == want.tolist()
    k.compute(2 * W, out=S)
    assert S.numpy().tolist() == (2 * want).tolist()


def test_products_ask_nothing() -> None:
    """A sum over all slots need not know which are padding; a copy must."""
    text = "kernel f(A: f64[m, n] nm[2, 4], X: f64[n, d]) -> Y: f64[m, d] { Y[i, k] = A[i, j] * X[j, k] }"
    buffer = sp.compile(text).ir("buffer")
    assert "for k in 0:i64 .. 2:i64 mark unroll" in buffer
    assert "if ne(bitand" not in buffer  # but in the last group, which may be cut: there coordinates are asked as well
    text = "kernel f(A: f64[m, n] nm[2, 4]) -> C: f64[m, n] csr { C[i, j] = 2 * A[i, j] }"
    assert "if ne(bitand" in sp.compile(text).ir("buffer")


def test_padding_is_no_entry() -> None:
    A = nm()
    C = sp.evaluate("C[i, j]: csr fill(1) = exp(A[i, j])", A=A)
    assert C.nnz == 6 and np.allclose(C.numpy(), np.exp(DENSE))
    assert sp.evaluate("c = count[i, j](A[i, j] == 0)", A=A) == 24
    assert sp.evaluate("B[i, j] = A[i, j] where stored(A[i, j])", A=A).nnz == 6


def test_another_fill() -> None:
    D = np.where(DENSE == 0, np.inf, DENSE)
    A = sp.tensor(D, format="nm[2, 4]", fill_value=np.inf)
    A.validate()
    x = np.arange(10.0)
    assert sp.evaluate("y[i] = min[j](A[i, j] + x[j])", A=A, x=x).tolist() == (D + x).min(1).tolist()


MAPS = [
    "(i, j) -> (j/4: dense, i: dense, j%4: structured[2, 4])",
    "(i, j) -> (i: dense, j/4: compressed, j%4: structured[2, 4])",
    "(i, j) -> (i: compressed, j/4: dense, j%4: structured[2, 4])",
    "(i, j) -> (j: dense, i/2: compressed, i%2: structured[2, 2])",
    "(i, j) -> (i/4: dense, i%4: structured[4, 4], j: compressed)",
    "(i, j) -> (i/4: dense, i%4: structured[4, 4], j: dense)",
    "(i, j) -> (i: dense, j/8: dense, j%8/2: structured[4, 4], j%2: structured[2, 2])",
]


@pytest.mark.parametrize("fmt", MAPS)
def test_beneath_and_above_other_levels(fmt: str) -> None:
    for seed, shape in enumerate([(6, 10), (3, 4), (1, 5), (0, 7)]):
        D = some(*shape, 2, 4, seed)
        A = sp.tensor(D, "csr").convert(fmt)
        A.validate()
        assert A.numpy().tolist() == D.tolist()
        x = np.arange(shape[1] * 1.0)
        assert sp.evaluate("y[i] = A[i, j] * x[j]", A=A, x=x).tolist() == (D @ x).tolist()
        assert (
            sp.evaluate("C[i, j] = A[i, j] + B[i, j]", A=A, B=sp.tensor(D, "csr")).numpy().tolist() == (2 * D).tolist()
        )


def test_batches() -> None:
    D = np.stack([some(3, 9, 2, 4, s) for s in range(2)])
    A = sp.tensor(D, "nm[2, 4]")
    assert str(named_format("nm", 3, (2, 4))) == "(i, j, k) -> (i: dense, j: dense, k/4: dense, k%4: structured[2, 4])"
    assert A.numpy().tolist() == D.tolist()
    assert sp.evaluate("y[b, i] = A[b, i, j] * x[j]", A=A, x=np.ones(9)).tolist() == D.sum(2).tolist()


@pytest.mark.parametrize("text", ["nm[2, 4]", MAPS[-1]])
def test_texts(text: str) -> None:
    fmt = Cursor(text).format(2)
    assert Cursor(format_text(fmt)).format(2) == fmt


WRONG: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: nm(1, 4),
        "at i = 0, j/4 = 0 the tensor has 2 coordinates of 'j%4', level 'j%4: structured\\[1, 4\\]' of format",
    ),
    (lambda: sp.tensor(np.ones((2, 3)), "csr").convert("nm[2, 4]"), "at i = 0, j/4 = 0 the tensor has 3"),
    (lambda: named_format("nm", 2), "written nm\\[n, m\\]"),
    (lambda: named_format("nm", 2, (5, 4)), "keeps 5 of 4"),
    (lambda: make_level("structured", ("1", "1")), "keeps 1 of 1"),
    (lambda: make_level("structured", ("16", "32")), "needs 96 bits"),
    (lambda: make_level("structured", ("2",)), "is written structured\\[kept, group\\]"),
    (lambda: Cursor("(i, j) -> (i: dense, j: structured[2, 4])").format(2), "within groups of 4, not 'j'"),
    (lambda: Cursor("(i, j) -> (i: dense, j/8: dense, j%8: structured[2, 4])").format(2), "groups of 4, not 'j%8'"),
]


@pytest.mark.parametrize(("call", "text"), WRONG)
def test_refused(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(sp.FormatError, match=text):
        call()


@pytest.mark.parametrize("how", ["nm[1, 2]", "(i, j) -> (i: compressed, j/2: dense, j%2: structured[1, 2])"])
def test_a_result_without_room(how: str) -> None:
    k = sp.compile(f"kernel f(A: f64[m, n] csr) -> C: f64[m, n] {how} {{ C[i, j] = 2 * A[i, j] }}")
    with pytest.raises(sp.FormatError, match="'C'"):
        k(sp.tensor(np.ones((3, 3)), format="csr"))


def lie(role: str, place: int, value: float) -> None:
    A = nm()
    meta, values = A.levels[2]["meta"].copy(), A.storage.values.copy()
    {"meta": meta, "values": values}[role][place] = value
    A.levels[2]["meta"] = meta  # type: ignore[index]
    sp.Tensor.over(A.storage.with_values(values)).validate()


LIES: list[tuple[str, int, float, str]] = [
    ("meta", 0, 0b11_00_00, "level 2 .j%4: structured.: the coordinates of group 0 are \\[0, 0\\]"),
    ("meta", 8, 0b01_00_01, "the coordinates of group 8 are \\[1, 0\\], expected 2 below 4, ascending"),
    ("meta", 8, 0b1001_10_01, "the word of group 8 has bits that mean nothing"),
    ("values", 2, 3.0, "value 2 is 3.0 where there is no entry, expected the fill 0.0"),
    ("values", 2, np.nan, "value 2 is nan where there is no entry"),
]


@pytest.mark.parametrize(("role", "place", "value", "text"), LIES)
def test_arrays_that_lie(role: str, place: int, value: float, text: str) -> None:
    with pytest.raises(sp.FormatError, match=text):
        lie(role, place, value)
