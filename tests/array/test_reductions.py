"""Reductions: what is absent is counted, not visited."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp
from tests.support.arrays import same, sparse

RNG = np.random.default_rng(7)
D = np.where(RNG.random((3, 5)) < 0.5, RNG.integers(-3, 4, (3, 5)), 0).astype(float)
D[1] = 0
T = np.where(RNG.random((2, 3, 4)) < 0.4, RNG.integers(-3, 4, (2, 3, 4)), 0).astype(float)
T[0, 1] = [1, -2, 2, 1]
NAMES = ["sum", "prod", "min", "max", "any", "all", "mean", "var", "std"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fill", [0, 1])
def test_matrices(name: str, fill: int) -> None:
    a, array = sparse(D) + fill, D + fill
    assert a.fill_value == fill
    for axis in (None, 0, -1, (0, 1)):
        for keep in (False, True):
            got = getattr(a, name)(axis=axis, keepdims=keep)
            same(got, getattr(array, name)(axis=axis, keepdims=keep), exact=False)
            assert not isinstance(got, sp.Tensor)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fill", [0, 2])
def test_higher_orders(name: str, fill: int) -> None:
    a, array = sparse(T) + fill, T + fill
    for axis in (2, 0):
        got = getattr(a, name)(axis=axis, keepdims=axis == 0)
        same(got, getattr(array, name)(axis=axis, keepdims=axis == 0), exact=False)
        assert isinstance(got, sp.Tensor) and not got.storage.format.is_dense
    same(getattr(a, name)(axis=(0, 2)), getattr(array, name)(axis=(0, 2)), exact=False)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "float16", "float32"])
def test_dtypes_are_numpys(dtype: str) -> None:
    array = np.array([[0, 1, 100], [1, 0, 0]]).astype(dtype)
    a = sparse(array)
    for name in ("sum", "max", "any", "mean"):
        same(getattr(a, name)(axis=1), getattr(array, name)(axis=1))
        same(getattr(np, name)(a), getattr(np, name)(array))
    same(a.sum(dtype="float32"), array.sum(dtype="float32"))


def test_infinite_fills() -> None:
    a = sp.from_coo([[0, 1, 1], [1, 0, 1]], [1.0, 2, 3], (2, 2), fill_value=np.inf)
    same(a.min(1), [1.0, 2])
    same(a.sum(1), [np.inf, 5])
    same(a.max(1), [np.inf, 3])


def test_long_results_stay_sparse() -> None:
    wide = sp.from_coo([[2_999_999_999], [5]], [1.5], (3_000_000_000, 3_000_000_000))
    by_row = wide.sum(axis=1)
    assert isinstance(by_row, sp.Tensor) and by_row.nnz == 1 and by_row[2_999_999_999] == 1.5
    assert wide.max() == 1.5 and wide.min() == 0 and wide.mean() == 1.5 / 9e18
    assert (wide + 1).sum(dtype="float64") == 9e18


def test_nan_and_empty() -> None:
    array = np.array([[0, np.nan], [1, 2]])
    a = sp.tensor(array, "csr")
    for name in ("sum", "max", "min", "mean"):
        same(getattr(a, name)(0), getattr(array, name)(0))
    same(np.nansum(a, axis=1), np.nansum(array, axis=1))
    same(np.nanmax(a), np.nanmax(array))
    empty = sparse(np.zeros((0, 3)))
    same(empty.sum(0), np.zeros(3))
    with pytest.raises(sp.ShapeError, match="extent 0 has no value"):
        empty.max(0)
    none = np.zeros((1, 1, 0))
    for name in ("mean", "var", "std"):
        same(getattr(sp.tensor(none, "csf"), name)(axis=2), [[np.nan]])


def test_counts_and_traces() -> None:
    a = sparse(D)
    assert np.count_nonzero(a) == np.count_nonzero(D)
    same(np.count_nonzero(a, axis=0), np.count_nonzero(D, axis=0))
    assert np.trace(a) == np.trace(D)


@pytest.mark.parametrize("axis", [2, (0, 0), 1.5])
def test_wrong_axes(axis: Any) -> None:
    with pytest.raises(sp.SparsecError, match="axis"):
        sparse(D).sum(axis=axis)


def test_more_elements_than_can_be_counted() -> None:
    big = sp.from_coo([[5], [5]], [2.0], (10**12, 10**12))
    for reduce in (lambda: (big + 1).sum(), big.mean, (big + 1).std, lambda: np.count_nonzero(big + 1)):
        with pytest.raises(sp.ShapeError, match="cannot be counted"):
            reduce()
    assert big.sum() == 2


def test_extremes_of_more_columns_than_can_be_visited() -> None:
    n = 10**12
    big = sp.from_coo([[0, 1, 2], [5, 7, n - 1]], [3.0, -2.0, 5.0], (4, n))
    for fill in (0.0, 1.0):
        most, least = (big + fill).max(axis=0), (big + fill).min(axis=0)
        assert (most.fill_value, most.nnz, least.fill_value) == (fill, 3, fill)
        assert [most[j] - fill for j in (5, 7, n - 1, 8)] == [3, 0, 5, 0]
        assert [least[j] - fill for j in (5, 7, n - 1, 8)] == [0, -2, 0, 0]
    assert big.astype(bool).any(axis=0).nnz == 3


@pytest.mark.parametrize("big, dtype", [(1e200, np.float64), (300, np.float16)])
def test_one_absent_zero_decides_a_product_whose_entries_pass_to_infinity(big: float, dtype: Any) -> None:
    array = np.array([[0, big, big], [1, 2, 3]], dtype)
    for format in ("csr", "coo"):
        a = sp.tensor(array, format)
        assert a.prod() == 0
        assert np.asarray(a.prod(axis=1)).tolist() == [0, 6]
    assert sp.tensor(array[0], "csf").prod() == 0


def test_no_order_meets_a_word_of_the_language() -> None:
    coords = np.zeros((9, 1), int)
    assert sp.from_coo(coords, [2.0], (2,) * 9).sum() == 2


def test_in_asks_for_an_element_as_in_numpy() -> None:
    a = sp.eye(3)
    assert 1 in a and 0 in a and 3 not in a
    assert 0 not in a + 1 and np.nan not in a
    assert 5 in sp.tensor(np.array([[5.0, 2.0]])) and 0 not in sp.zeros((0, 3))
