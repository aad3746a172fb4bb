"""Levels without order are walked alone where order does not matter, asked, or copied; never merged or searched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.formats.compressed import Compressed
from sparsec.formats.named import from_levels, named_format
from sparsec.ir.dtypes import F64
from sparsec.runtime.storage import adopt

LOOSE = "(i, j) -> (i: dense, j: compressed[unordered])"
DENSE = np.array([[4.0, 0, 1], [0, 0, 0], [2.0, 0, 3]])


def loose(**changes: Any) -> sp.Tensor:
    """``DENSE`` with the last entry of each row first."""
    arrays = {"pos": [0, 2, 2, 4], "crd": [2, 0, 2, 0]} | changes
    fmt = from_levels(None, (named_format("csr", 2).levels[0].type, Compressed(is_ordered=False)))
    return sp.Tensor(adopt(fmt, (3, 3), 0.0, ({}, arrays), np.array([1.0, 4, 3, 2]), dtype=F64))


def test_coordinates_in_any_order() -> None:
    A = loose()
    assert (A.format, A.nnz) == (LOOSE, 4)
    assert A.numpy().tolist() == DENSE.tolist()
    assert A.coo()[0].tolist() == [[0, 0, 2, 2], [0, 2, 0, 2]]
    csr = A.convert("csr")
    assert csr.levels[1]["crd"].tolist() == [0, 2, 0, 2]
    assert csr.convert(LOOSE).numpy().tolist() == DENSE.tolist()
    assert A.scipy().has_sorted_indices and A.scipy().toarray().tolist() == DENSE.tolist()


@pytest.mark.parametrize("text", ["y[i] = A[i, j] * x[j]", "y[j] = A[i, j] * x[i]", "y[i] = max[j](A[i, j] + x[j])"])
def test_alone(text: str) -> None:
    x = np.array([1.0, -5, 2])
    meant = sp.evaluate(text, A=sp.tensor(DENSE), x=x)
    assert sp.evaluate(text, A=loose(), x=x).tolist() == meant.tolist()


def test_under_a_condition_it_is_still_walked() -> None:
    k = sp.compile(f"kernel f(A: f64[n, n] {LOOSE}) -> y: f64[n] {{ y[i] = sum[j](A[i, j] where j > i) }}")
    assert "iterate A.1" in k.ir("buffer")
    assert k(loose()).tolist() == np.triu(DENSE, 1).sum(1).tolist()


def test_a_diagonal_is_looked_for() -> None:
    k = sp.compile(f"kernel f(A: f64[n, n] {LOOSE}) -> d: f64[n] {{ d[i] = A[i, i] }}")
    assert "scan A.1" in k.ir("buffer")
    assert k(loose()).tolist() == [4, 0, 3]


@pytest.mark.parametrize("op", ["+", "*"])
def test_with_another(op: str) -> None:
    k = sp.compile(
        f"kernel f(A: f64[n, n] {LOOSE}, B: f64[n, n] csr) -> C: f64[n, n] csr {{ C[i, j] = A[i, j] {op} B[i, j] }}"
    )
    assert "'A' is converted" in k.explain() and "has no order" in k.explain()
    want = DENSE + DENSE if op == "+" else DENSE * DENSE
    assert k(loose(), sp.tensor(DENSE, format="csr")).numpy().tolist() == want.tolist()


def test_a_result_that_asks_for_order_goes_through_a_workspace() -> None:
    k = sp.compile(f"kernel f(A: f64[n, n] {LOOSE}) -> C: f64[n, n] csr {{ C[i, j] = 2 * A[i, j] }}")
    assert "bitmap workspace over j" in k.explain()
    C = k(loose())
    C.validate()
    assert C.numpy().tolist() == (2 * DENSE).tolist()


def test_one_that_does_not_is_written_as_it_comes() -> None:
    k = sp.compile(f"kernel f(A: f64[n, n] {LOOSE}) -> C: f64[n, n] {LOOSE} {{ C[i, j] = 2 * A[i, j] }}")
    assert "workspace" not in k.explain()
    assert k(loose()).levels[1]["crd"].tolist() == [2, 0, 2, 0]


def test_a_coordinate_stands_once() -> None:
    with pytest.raises(sp.FormatError, match="coordinate 2 at position 1 repeats"):
        loose(crd=[2, 2, 2, 0])
    with pytest.raises(sp.FormatError, match="coordinate 7 at position 3 is outside"):
        loose(crd=[2, 0, 2, 7])


def test_neither_ordered_nor_unique_is_refused() -> None:
    with pytest.raises(sp.UnsupportedError, match="neither ordered nor unique"):
        sp.tensor(DENSE, format="(i, j) -> (i: compressed[nonunique, unordered], j: singleton)")
