"""Fills of infinity annihilate sums as zeros do products: min-plus programs visit stored entries alone."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp

INF = np.inf


def distances(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((n, n)) < 0.2, rng.integers(1, 9, (n, n)), INF)


@pytest.mark.parametrize("fmt", ["csr", "csc", "coo", "dcsr"])
def test_min_plus_products(fmt: str) -> None:
    a, b = distances(9, 1), distances(9, 2)
    ta, tb = (sp.tensor(x, format=fmt, fill_value=INF) for x in (a, b))
    c = sp.evaluate("C[i, j] = min[k](A[i, k] + B[k, j])", A=ta, B=tb)
    want = (a[:, :, None] + b[None]).min(1)
    assert c.fill_value == INF and c.numpy().tolist() == want.tolist()
    assert c.nnz == np.isfinite(want).sum(), "only what a pair of entries reaches is stored"


def test_relaxation() -> None:
    g, d = distances(12, 3), np.where(np.arange(12) % 3, INF, 1.0)
    k = sp.compile(
        "kernel relax(G: f64[n, n] csr fill(inf), d: f64[n]) -> e: f64[n] { e[j] = min(d[j], min[i](d[i] + G[i, j])) }"
    )
    assert k(sp.tensor(g, format="csr", fill_value=INF), d).tolist() == np.minimum(d, (d[:, None] + g).min(0)).tolist()


def test_an_unstored_infinity_wins_against_what_is_not_finite() -> None:
    g = sp.from_coo([[0], [0]], [1.0], (1, 2), format="csr", fill_value=INF)
    got = sp.evaluate("y[i, j] = G[i, j] + x[j]", G=g, x=np.array([-INF, -INF]))
    assert got.numpy().tolist() == [[-INF, INF]]
