"""``bitmap``: a place for each coordinate and a byte that says whether there is an entry."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp

DENSE = np.array([[4.0, 0, 1], [0, 0, 0], [2.0, 0, 0]])


def test_what_is_stored() -> None:
    A = sp.from_coo([[0, 0, 2, 1], [0, 2, 0, 1]], [4.0, 1.0, 2.0, 0.0], (3, 3), format="bitmap")
    assert A.levels[1]["map"].tolist() == [1, 0, 1, 0, 1, 0, 1, 0, 0]
    assert (A.nnz, A.format) == (4, "bitmap")
    assert A.numpy().tolist() == DENSE.tolist()
    assert A.coo()[1].tolist() == [4, 1, 0, 2]
    assert A.prune().nnz == 3
    A.validate()


def test_what_stands_at_absent_places_is_never_seen() -> None:
    A = sp.tensor(DENSE, format="bitmap")
    values = A.storage.values.copy()
    values[A.levels[1]["map"] == 0] = np.nan
    spoiled = sp.Tensor.over(A.storage.with_values(values))
    assert spoiled.numpy().tolist() == DENSE.tolist()
    assert sp.evaluate("y[i] = A[i, j] * x[j]", A=spoiled, x=np.ones(3)).tolist() == DENSE.sum(1).tolist()


def test_results_are_written_in_any_order_in_one_go() -> None:
    k = sp.compile("kernel f(A: f64[m, n, p] csf) -> C: f64[p, n, m] bitmap { C[k, j, i] = A[i, j, k] }")
    assert "scatter" in k.explain()
    A = np.random.default_rng(1).integers(-1, 2, (3, 4, 5)).astype(float)
    assert k(sp.tensor(A, format="csf")).numpy().tolist() == A.T.tolist()
    rows = sp.compile("kernel f(A: f64[m, n] csr) -> C: f64[m, n] bitmap { C[i, j] = 2 * A[i, j] }")
    assert rows.ir("buffer").count("iterate A.1") == 1


@pytest.mark.parametrize(
    ("flags", "text"),
    [([1, 0, 1], "map has 3 entries, expected 9"), ([0, 0, 0, 0, 0, 7, 0, 0, 0], "map is 7 at 5, expected 0 or 1")],
)
def test_arrays_that_lie(flags: list[int], text: str) -> None:
    A = sp.tensor(DENSE, format="bitmap")
    A.levels[1]["map"] = np.array(flags, np.uint8)  # type: ignore[index]
    with pytest.raises(sp.FormatError, match=f"level 1 .j: bitmap.: {text}"):
        A.validate()
