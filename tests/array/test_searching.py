"""Positions, sorting, sets of values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import sparsec as sp
from sparsec.array import searching
from tests.support.arrays import same, sparse, tensors


@given(tensors())
@settings(deadline=None, max_examples=120)
def test_functions_of_one(drawn: Any) -> None:
    a, array = drawn
    for got, want in zip(np.nonzero(a), np.nonzero(array), strict=True):
        same(got, want)
    for axis in range(array.ndim):
        same(np.sort(a, axis), np.sort(array, axis))
        same(searching.sort(a, axis, descending=True), np.flip(np.sort(array, axis), axis))
        same(
            np.diff(a, axis=axis) if array.shape[axis] else a, np.diff(array, axis=axis) if array.shape[axis] else array
        )
        if array.shape[axis]:
            same(a.argmax(axis), array.argmax(axis))
            same(a.argmin(axis, keepdims=True), array.argmin(axis, keepdims=True))
    if array.size:
        assert a.argmax() == array.argmax() and a.argmin() == array.argmin()
    same(np.isin(a, [0, 2]), np.isin(array, [0, 2]))
    values, first, inverse, counts = searching.unique_all(a)
    wanted = np.unique(array, return_index=True, return_inverse=True, return_counts=True)
    for got, want in zip((values, first, inverse, counts), wanted, strict=True):
        same(got, want)


def test_nan() -> None:
    array = np.array([[0, np.nan, 3, -1], [0, 1, np.nan, np.nan], [0, 0, 0, 2]])
    a = sp.tensor(array, "csr")
    same(np.sort(a, 1), np.sort(array, 1))
    same(a.argmax(1), array.argmax(1))
    same(a.argmin(1), array.argmin(1))
    assert len(searching.unique_values(a)) == len(np.unique(array, equal_nan=False))
    background = sp.from_coo([[0], [1]], [1.0], (2, 2), fill_value=np.nan)
    same(background.argmax(1), background.numpy().argmax(1))
    same(np.sort(background, 1), np.sort(background.numpy(), 1))


def test_results_that_are_dense() -> None:
    array = np.array([[0, 3.0, 1], [2, 0, 0]])
    a = sparse(array)
    same(np.argsort(a, axis=1), np.argsort(array, axis=1, kind="stable"))
    same(np.cumsum(a, axis=0), np.cumsum(array, axis=0))
    same(np.searchsorted(np.array([1.0, 2]), a), np.searchsorted([1.0, 2], array))
    same(np.argwhere(a), np.argwhere(array))
    with pytest.raises(sp.ShapeError, match="extent 0"):
        sparse(np.zeros((0, 2))).argmax()


def test_fibres_without_entries_cost_nothing() -> None:
    n = 2**40
    a = sp.from_coo([[3, 10**12, 3], [5, 0, 9]], [1.0, -2, 7], (n, n))
    for found in (a.argmax(axis=1), np.argmin(-a, axis=1)):
        coords, values = found.coo()
        assert found.shape == (n,) and found.fill_value == 0 and found.dtype == np.int64
        assert coords.tolist() == [[3, 10**12]] and values.tolist() == [9, 1]
    assert a.argmin(axis=0, keepdims=True).shape == (1, n)
    coords, values = np.sort(a).coo()
    assert coords.tolist() == [[3, 3, 10**12], [n - 2, n - 1, 0]] and values.tolist() == [1, 7, -2]
    coords, values = np.repeat(a, 3, axis=1).coo()
    assert coords[1].tolist() == [15, 16, 17, 27, 28, 29, 0, 1, 2] and values.tolist() == [1.0] * 3 + [7] * 3 + [-2] * 3
