"""NumPy's functions read their arguments as NumPy does; what ours lack is refused, never dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import sparsec as sp

D = np.array([[0.0, 2, 0, 1], [3, 0, 0, 4]])
N = np.array([np.nan, np.nan, 1.0, 0.0])


@pytest.mark.parametrize("call", [
    lambda a: np.diff(a, 1, 0), lambda a: np.diff(a, 2), lambda a: np.diff(a, n=1, axis=1),
    lambda a: np.max(a, 0, None, True), lambda a: np.var(a, 0, None, None, 1), lambda a: np.std(a, 1, keepdims=True),
    lambda a: np.clip(a, 1, 3), lambda a: np.clip(a, a_min=1, a_max=None), lambda a: np.clip(a, min=1, max=2),
    lambda a: np.where(a > 0, a, -1.0), lambda a: np.pad(a, 1), lambda a: np.pad(a, ((0, 1), (2, 0)), "constant"),
    lambda a: np.reshape(a, (4, 2)), lambda a: np.reshape(a, (4, 2), "C"), lambda a: np.trace(a, 1),
    lambda a: np.round(a / 3, 1), lambda a: np.roll(a, 1, 1), lambda a: np.sum(a, 0, "f4"),
    lambda a: np.take(a, [0, 1], 1), lambda a: np.zeros_like(a, "i4"), lambda a: np.cumsum(a, 1),
    lambda a: np.array_equal(a, a), lambda a: np.moveaxis(a, 0, 1), lambda a: np.tril(a, -1),
])  # fmt: skip
def test_arguments(call: Callable[[Any], Any]) -> None:
    got, want = call(sp.tensor(D, "csr")), call(D)
    got = got.numpy() if isinstance(got, sp.Tensor) else got
    assert np.shape(got) == np.shape(want) and np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_allclose(got, want)


def test_nan_is_equal_where_asked_and_unique_once() -> None:
    a = sp.tensor(N, "sparse")
    assert np.array_equal(a, a, equal_nan=True) and not np.array_equal(a, a)
    np.testing.assert_array_equal(np.unique(a), np.unique(N))
    np.testing.assert_array_equal(np.unique(a, equal_nan=False), np.unique(N, equal_nan=False))


@pytest.mark.parametrize(("call", "named"), [
    (lambda a: np.pad(a, 1, mode="reflect"), "mode"), (lambda a: np.pad(a, 1, "edge"), "mode"),
    (lambda a: np.reshape(a, (8, 1), order="F"), "order"), (lambda a: np.ravel(a, order="F"), "order"),
    (lambda a: np.zeros_like(a, shape=(3,)), "shape"), (lambda a: np.sum(a, where=D > 0), "where"),
    (lambda a: np.nansum(a, 0, "f8"), "dtype"), (lambda a: np.unique(a, return_index=True), "return_index"),
    (lambda a: np.sum(a, initial=3), "initial"), (lambda a: np.isin(a, [1], invert=True), "invert"),
])  # fmt: skip
def test_what_ours_lack_is_named(call: Callable[[Any], Any], named: str) -> None:
    with pytest.raises(sp.UnsupportedError, match=f"{named}= of np"):
        call(sp.tensor(D, "csr"))


def test_what_cannot_be() -> None:
    a = sp.tensor(D, "csr")
    with pytest.raises(sp.UnsupportedError, match="lists of indices"):
        np.einsum(a, [0, 1], [1, 0])
    with pytest.raises(sp.ShapeError, match="padded with its fill"):
        np.pad(sp.ones((2, 2)), 1)


@pytest.mark.parametrize("fmt", ["csr", "dense"])
def test_copies_are_copies(fmt: str) -> None:
    for copied in (lambda a: a.astype("f8"), lambda a: np.astype(a, "f8"), lambda a: sp.asarray(a, copy=True),
                   lambda a: a.reshape((2, 4), copy=True), lambda a: a.copy()):  # fmt: skip
        a = sp.tensor(D.copy(), fmt)
        b = copied(a)
        b[0, 1] = 9
        a.storage.values[0] = 7
        assert a.numpy()[0, 1] != 9 and 7 not in b.numpy()
    vector = sp.tensor(np.ones(3), fmt if fmt == "dense" else "sparse")
    vector.flatten()[0] = 5
    assert vector.numpy().tolist() == [1, 1, 1]


def test_memory_of_others_is_copied_or_shared_as_asked() -> None:
    s = scipy.sparse.csr_array(np.eye(2))
    mine, theirs = sp.asarray(s, copy=True), sp.asarray(s, copy=False)
    s.data[:] = 5
    assert mine.numpy().max() == 1 and theirs.numpy().max() == 5


def test_a_fill_is_rounded_to_the_dtype() -> None:
    a = sp.from_coo([[0], [0]], np.ones(1, "f4"), (2, 2), fill_value=0.1, format="csr")
    assert a.fill_value == np.float32(0.1)
    np.testing.assert_allclose(a @ np.ones(2, "f4"), [1.1, 0.2], rtol=1e-6)
    assert np.concatenate([a, sp.full((2, 2), 0.1, "f4")]).shape == (4, 2)
    with pytest.raises(sp.TypeError_, match=r"fill value 1e\+300 does not fit dtype f32"):
        sp.from_coo([[0], [0]], np.ones(1, "f4"), (2, 2), fill_value=1e300)


def test_symmetry_is_not_inherited() -> None:
    s, c = sp.tensor([[2.0, 1], [1, 3]], "sym"), sp.tensor([[0.0, 1], [2, 0]], "csr")
    for got, want in ((s @ s, s.numpy() @ s.numpy()), (s @ c, s.numpy() @ c.numpy()), (s + c, s.numpy() + c.numpy())):
        np.testing.assert_array_equal(got.numpy(), want)
