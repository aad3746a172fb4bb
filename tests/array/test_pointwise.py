"""Operators and ufuncs: the kernels' answers are NumPy's."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
import scipy.sparse as ss
from hypothesis import given, settings

import sparsec as sp
from tests.support.arrays import dense, same, sparse, tensors

D = np.array([[0, 2.0, 0, -1], [0, 0, 0, 0], [3, 0, 0.5, 2]])
E = np.array([[1, 2.0, 0, 0], [0, 0, -2, 0], [3, 0, 0, 1]])
X = np.array([[1, 2.0, -1, 3], [2, 1, 1, 2], [3, -2, 1, 1]])
v = np.array([1.0, 2, -1, 4])
BINARY = [
    operator.add, operator.sub, operator.mul, operator.lt, operator.le, operator.gt, operator.ge, operator.eq,
    operator.ne,
]  # fmt: skip


@pytest.mark.parametrize("do", BINARY)
@pytest.mark.parametrize("fmt", ["csr", "coo"])
def test_two_sparse(do: Any, fmt: str) -> None:
    got = do(sparse(D, fmt), sparse(E, fmt))
    same(got, do(D, E))
    assert got.format == fmt and got.fill_value == do(0, 0)


@pytest.mark.parametrize("do", [operator.add, operator.mul, operator.lt])
def test_sparse_and_dense(do: Any) -> None:
    a = sparse(D)
    for other in (X, v, X[:, :1], v.tolist(), sp.tensor(X)):
        same(do(a, other), do(D, np.asarray(other)))
        same(do(other, a), do(np.asarray(other), D))
    assert isinstance(a * X, sp.Tensor) and (a * X).nnz == a.nnz
    assert type(a + X) is np.ndarray


@pytest.mark.parametrize("do", [*BINARY, operator.truediv, operator.floordiv, operator.mod, operator.pow])
@pytest.mark.parametrize("number", [2, 2.5, np.float32(3), np.int8(2), True, 0, np.array(2.0)])
def test_numbers_keep_the_pattern(do: Any, number: Any) -> None:
    a = sparse(D)
    if do is operator.sub and number is True:
        return
    with np.errstate(all="ignore"):
        got, want = do(a, number), do(D, number)
        assert got.nnz == a.nnz and np.shares_memory(got.levels[1]["crd"], a.levels[1]["crd"])
        assert got.dtype == want.dtype
        stored = D != 0  # what is absent annihilates, even under x / 0
        np.testing.assert_array_equal(dense(got)[stored], want[stored])
        if np.isfinite(want).all():
            same(got, want)
            same(do(number, a), do(number, D), exact=False)


@pytest.mark.parametrize(
    ("do", "fill"),
    [
        (lambda a: a + 1, 1), (lambda a: a * 3, 0), (np.exp, 1), (np.cos, 1), (np.sin, 0), (lambda a: a == 0, True),
        (lambda a: 1 / (a + 2), 0.5), (lambda a: -(a + 1), -1), (lambda a: (a + 1) * (a + 2), 2), (abs, 0),
        (lambda a: (a + 1) ** (a + 1), 1), (lambda a: ~(a > 0), True), (np.isnan, False), (np.log1p, 0),
    ],
)  # fmt: skip
def test_fills_follow_the_algebra(do: Any, fill: Any) -> None:
    with np.errstate(all="ignore"):
        got, want = do(sparse(D)), do(D)
    assert got.fill_value == fill and got.format == "csr" and got.nnz == 5
    same(got, want, exact=False)


@pytest.mark.parametrize(
    "shapes", [((3, 4), (4,)), ((3, 1), (1, 4)), ((1, 4), (3, 4)), ((2, 1, 3), (4, 1)), ((1,), (0,))]
)
def test_broadcasting(shapes: Any) -> None:
    rng = np.random.default_rng(3)
    a, b = (np.where(rng.random(s) < 0.6, rng.integers(-3, 4, s), 0).astype(float) for s in shapes)
    for do in (operator.add, operator.mul):
        got = do(sparse(a), sparse(b))
        assert isinstance(got, sp.Tensor) and not got.storage.format.is_dense
        same(got, do(a, b))
        same(do(sparse(a), b), do(a, b))


def test_formats_of_results() -> None:
    a = sparse(D)
    assert (a + a.convert("csc")).format == "csr" and (a.convert("csc") + a).format == "csc"
    wide = sp.from_coo([[2_999_999_999], [5]], [1.5], (3_000_000_000, 3_000_000_000))
    assert (wide + wide).nnz == 1 and (wide + wide).format == "dcsr" and (wide.T * 2).nnz == 1
    assert (wide[:, 5:6] * wide[2_999_999_999:, :]).coo()[0].tolist() == [[2_999_999_999], [5]]


@pytest.mark.parametrize("make", [ss.csr_array, ss.coo_array, ss.csc_matrix])
def test_scipy_beside_a_tensor(make: Any) -> None:
    same(sparse(D) + make(E), D + E)
    same(sparse(D) * make(E), D * E)
    same(sparse(D) @ make(E.T), D @ E.T)


def test_dtypes_are_numpys() -> None:
    for one in ("int8", "uint16", "int64", "float32", "bool"):
        for other in ("int8", "float64", "bool"):
            a, b = (np.array([[0, 1], [1, 0]], t) for t in (one, other))
            same(sparse(a) * sparse(b), a * b)
    a, b = np.array([[0, 200], [3, 0]], "uint8"), np.array([[1, 100], [0, 0]], "uint8")
    same(sparse(a) + sparse(b), a + b)
    same(sparse(a) / sparse(b + 1, fill=1), a / (b + 1))
    with pytest.raises(sp.TypeError_, match="subtract"):
        sparse(a > 0) - sparse(b > 0)


@pytest.mark.parametrize("f", [np.hypot, np.logaddexp, np.copysign, np.nextafter, np.logical_xor, np.fmax, np.gcd])
def test_ufuncs_that_the_language_lacks(f: Any) -> None:
    one, other = (D.astype(int), E.astype(int)) if f is np.gcd else (D, E)
    a, b = sparse(one, "coo"), sparse(other)
    for got, want in ((f(a, b), f(one, other)), (f(a, b[:1]), f(one, other[:1])), (f(a, one), f(one, one))):
        same(got, want)
    assert isinstance(f(a, b), sp.Tensor)


def test_ufuncs_with_two_results() -> None:
    for got, want in zip(np.divmod(sparse(D), 2), np.divmod(D, 2), strict=True):
        same(got, want)
    for got, want in zip(np.modf(sparse(D)), np.modf(D), strict=True):
        same(got, want)
    for got, want in zip(divmod(sparse(D), sparse(E + 1, fill=1)), np.divmod(D, E + 1), strict=True):
        np.testing.assert_array_equal(dense(got)[E != -1], want[E != -1])


def test_out_and_methods_of_ufuncs() -> None:
    a, b = sparse(D), sparse(E)
    c = sparse(np.zeros((3, 4)))
    assert np.add(a, b, out=c) is c
    same(c, D + E)
    y = np.zeros((3, 4))
    assert np.add(a, X, out=y) is y and np.array_equal(y, D + X)
    with pytest.raises(sp.TypeError_, match="out is a dense array"):
        np.add(a, b, out=y)
    same(np.add.reduce(a, axis=1), D.sum(1))
    same(np.multiply.outer(a, v), np.multiply.outer(D, v))
    with pytest.raises(sp.UnsupportedError, match="add.accumulate"):
        np.add.accumulate(a)
    with pytest.raises(sp.UnsupportedError, match="where="):
        np.add(a, b, where=D > 0)
    with pytest.raises(sp.UnsupportedError, match=r"np.where\(c, np.exp\(A\), A\)"):
        np.exp(a, where=D > 0)


def test_what_is_no_operand() -> None:
    a = sparse(D)
    assert a != "x" and a != (lambda: 0)
    for call in (lambda: a + "x", lambda: a @ None, lambda: a + {}):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(sp.ShapeError, match="do not broadcast"):
        a + np.ones(3)


def test_where() -> None:
    a, b = sparse(D), sparse(E)
    same(np.where(a > 0, a, b), np.where(D > 0, D, E))
    same(np.where(a > 0, 1.5, b), np.where(D > 0, 1.5, E))
    same(np.where(X > 0, a, b), np.where(X > 0, D, E))
    same(np.where(a > 0, X, 0), np.where(D > 0, X, 0))


def test_dense_tensors_stay_among_themselves() -> None:
    a, b = sp.tensor(D), sp.tensor(E)
    assert isinstance(a + b, sp.Tensor) and isinstance(a.sum(), sp.Tensor) and isinstance(np.exp(a), sp.Tensor)
    assert type(a + E) is np.ndarray
    assert float(a.sum()) == D.sum() and bool(a[0, 1] == 2)


def test_bf16_and_complex() -> None:
    torch = pytest.importorskip("torch")
    a = sp.tensor(torch.tensor(D, dtype=torch.bfloat16), "csr")
    for got, want in (
        (a + a, D + D),
        (a * 2, D * 2),
        (-a, -D),
        (a @ np.ones(4, np.float32), D.sum(1)),
        (a.sum(0), D.sum(0)),
    ):
        np.testing.assert_array_equal(dense(got), want)
    assert str((a + a).storage.dtype) == str((a * 2).storage.dtype) == "bf16" and np.exp(a).fill_value == 1
    c = sparse(D * (1 + 2j))
    for got, want in ((c + c, 2 * D * (1 + 2j)), (c * D, D * D * (1 + 2j)), (c @ c.T, D @ D.T * (1 + 2j) ** 2)):
        same(got, want)
    same(np.abs(c), np.abs(D * (1 + 2j)), exact=False)
    same(c.sum(0), (D * (1 + 2j)).sum(0))
    same(c.real, D)
    same(np.vecdot(c, c), np.vecdot(D * (1 + 2j), D * (1 + 2j)))
    same(c == c, D == D)


@given(tensors())
@settings(deadline=None, max_examples=60)
def test_values_and_fill(drawn: Any) -> None:
    a, array = drawn
    for f in (np.negative, np.square, np.sign, np.exp2, np.rint):
        same(f(a), f(array))
    same(np.clip(a, -1, 2), np.clip(array, -1, 2))
    same(a.round(), array.round())


@given(tensors(shape=(3, 4), dtype="int32"), tensors(shape=(3, 4), dtype="int32"))
@settings(deadline=None, max_examples=40)
def test_pairs(first: Any, second: Any) -> None:
    (a, array), (b, other) = first, second
    same(a * b, array * other)
    same(np.hypot(a, b), np.hypot(array, other))
