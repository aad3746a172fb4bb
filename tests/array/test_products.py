"""Matrix products and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp
from tests.support.arrays import same, sparse

RNG = np.random.default_rng(5)


def draw(*shape: int) -> Any:
    return np.where(RNG.random(shape) < 0.6, RNG.integers(-3, 4, shape), 0).astype(float)


A, B, V, W = draw(3, 4), draw(4, 5), draw(4), draw(3)


def test_matmul() -> None:
    a, b = sparse(A), sparse(B)
    product = a @ b
    assert product.format == "csr"
    same(product, A @ B)
    same(a @ B, A @ B)
    same(A @ b, A @ B)
    same(a @ V, A @ V)
    same(W @ a, W @ A)
    same(a @ sparse(V), A @ V)
    same(a.T @ W, A.T @ W)
    assert type(a @ V) is np.ndarray and sparse(V) @ V == V @ V
    same((a + 1) @ B, (A + 1) @ B)
    assert (a.convert("csc") @ b.convert("csc")).format == "csc"


@pytest.mark.parametrize(
    "shapes", [((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (1, 4, 5)), ((2, 3, 4), (4,))]
)
def test_batches(shapes: Any) -> None:
    x, y = (draw(*s) for s in shapes)
    same(sparse(x) @ sparse(y), x @ y)
    same(sparse(x) @ y, x @ y)


def test_dtypes_do_not_widen() -> None:
    x = np.array([[100, 0], [1, 100]], np.int8)
    same(sparse(x) @ sparse(x), x @ x)
    same(sparse(x > 0) @ sparse(x > 0), (x > 0) @ (x > 0))


def test_kin() -> None:
    a, b, v = sparse(A), sparse(B), sparse(V)
    same(np.tensordot(a, b, 1), np.tensordot(A, B, 1))
    same(np.tensordot(a, B, ([1], [0])), np.tensordot(A, B, ([1], [0])))
    same(np.tensordot(a, a, 2), np.tensordot(A, A, 2))
    same(np.dot(a, v), np.dot(A, V))
    same(np.inner(a, a), np.inner(A, A))
    same(np.outer(v, W), np.outer(V, W))
    same(np.kron(a, b), np.kron(A, B))
    same(np.kron(v, b), np.kron(V, B))
    same(np.vecdot(a, v), np.vecdot(A, V))
    same(np.einsum("ij,jk->ki", a, b), np.einsum("ij,jk->ki", A, B))
    same(a.dot(B), A.dot(B))


def test_norms() -> None:
    a = sparse(A)
    for options in ({}, {"ord": 1}, {"ord": np.inf}, {"axis": 1}, {"axis": 0, "ord": 1}, {"axis": (0, 1)}):
        same(np.linalg.norm(a, **options), np.linalg.norm(A, **options), exact=False)
    with pytest.raises(sp.UnsupportedError, match="ord=2"):
        np.linalg.norm(a, 2)


def test_wrong_shapes() -> None:
    with pytest.raises(sp.ShapeError, match="4 columns meet 3 rows"):
        sparse(A) @ sparse(A)
    with pytest.raises(sp.ShapeError, match="not for numbers"):
        sparse(A) @ 2
    with pytest.raises(sp.ShapeError, match="do not multiply"):
        np.tensordot(sparse(A), sparse(B), ([0], [0]))
