"""Transposes, reshapes, joins: entries move, none is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import sparsec as sp
from tests.support.arrays import same, sparse, tensors

D = np.arange(12.0).reshape(3, 4) * (np.arange(12).reshape(3, 4) % 3 == 0)


@given(tensors())
@settings(deadline=None, max_examples=120)
def test_functions_of_one(drawn: Any) -> None:
    a, array = drawn
    same(a.T, array.T)
    same(a.reshape(-1), array.reshape(-1))
    same(a.reshape(*array.shape[::-1]), array.reshape(array.shape[::-1]))
    for axis in range(array.ndim):
        same(np.flip(a, axis), np.flip(array, axis))
        same(np.roll(a, 2, axis), np.roll(array, 2, axis))
        same(np.expand_dims(a, axis), np.expand_dims(array, axis))
        same(np.moveaxis(a, axis, 0), np.moveaxis(array, axis, 0))
        same(np.repeat(a, 2, axis), np.repeat(array, 2, axis))
    same(np.roll(a, -1), np.roll(array, -1))
    same(a.squeeze(), array.squeeze())
    same(np.tile(a, (2, 1, 2)), np.tile(array, (2, 1, 2)))
    same(np.broadcast_to(a, (2, *a.shape)), np.broadcast_to(array, (2, *a.shape)))
    for axis in range(array.ndim):
        same(np.concatenate([a, a], axis), np.concatenate([array, array], axis))
        same(np.stack([a, a], axis), np.stack([array, array], axis))


def test_a_transpose_is_a_view() -> None:
    a = sparse(D)
    assert a.T.format == "csc" and a.T.T.format == "csr" and a.mT.format == "csc"
    assert a.T.storage.values is a.storage.values
    three = sparse(D.reshape(3, 2, 2))
    same(three.transpose(2, 0, 1), D.reshape(3, 2, 2).transpose(2, 0, 1))
    same(np.swapaxes(three, 0, 2) + three.T, 2 * D.reshape(3, 2, 2).T)


def test_triangles_and_diagonals() -> None:
    a = sparse(D)
    for k in (-1, 0, 2):
        same(np.tril(a, k), np.tril(D, k))
        same(np.triu(a, k), np.triu(D, k))
        same(a.diagonal(k), D.diagonal(k))
    same(np.diagonal(sparse(D.reshape(3, 2, 2)), 0, 1, 2), np.diagonal(D.reshape(3, 2, 2), 0, 1, 2))
    with pytest.raises(sp.FormatError, match="fill 1"):
        np.tril(a + 1)


def test_joins_of_kinds() -> None:
    a = sparse(D)
    got = np.concatenate([D, a.astype("float32")], axis=1)
    assert isinstance(got, sp.Tensor)
    same(got, np.concatenate([D, D], axis=1))
    same(np.vstack([a, D[0]]), np.vstack([D, D[0]]))
    same(np.hstack([a, a]), np.hstack([D, D]))
    with pytest.raises(sp.FormatError, match="fills 0.0 and 1.0"):
        np.concatenate([a, a + 1])
    with pytest.raises(sp.ShapeError, match="do not join"):
        np.concatenate([a, a[:, :2]])


def test_padding() -> None:
    same(np.pad(sparse(D), ((1, 0), (0, 2))), np.pad(D, ((1, 0), (0, 2))))


@pytest.mark.parametrize("shape", [(5, -1), (-1, -1), (13,), (0, -1)])
def test_reshapes_that_do_not_fit(shape: Any) -> None:
    with pytest.raises(sp.ShapeError):
        sparse(D).reshape(shape)


def test_a_shape_or_axes_in_an_array() -> None:
    assert sparse(D).reshape(np.array([D.size, 1])).shape == (D.size, 1)
    assert sparse(D).transpose(np.arange(D.ndim)[::-1]).shape == D.shape[::-1] == sparse(D).transpose(None).shape
    for shape in ([2, [3]], np.array([[D.size, 1]]), np.array([0.5]), None, "ab"):
        with pytest.raises(sp.ShapeError, match="a shape is a tuple of integers"):
            sparse(D).reshape(shape)


def test_too_large_to_count() -> None:
    wide = sp.from_coo([[1], [1]], [1.0], (1 << 40, 1 << 40))
    with pytest.raises(sp.ShapeError, match="2\\*\\*63"):
        wide.reshape(-1)


def test_extents_that_no_i64_can_say() -> None:
    wide, most = sp.from_coo([[3]], [1.0], (2**62,)), 2**63 - 1
    calls: list[Callable[[], object]] = [
        lambda: np.repeat(wide, 2), lambda: np.concatenate([wide, wide]), lambda: np.tile(wide, 2),
        lambda: np.repeat(sparse(D), 2**63, axis=0), lambda: np.repeat(sparse(D), [most, most, 2], axis=0),
        lambda: np.repeat(sp.tensor(D, "dense"), 2**63, axis=0), lambda: np.pad(wide, (most, most)),
        lambda: np.repeat(sp.tensor(D, "dense"), 2**62), lambda: np.tile(sp.tensor(D, "dense"), 2**70),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(sp.ShapeError):
            call()
    assert np.repeat(sparse(D[:0]), 2**63, axis=0).shape == (0, 4)
    assert np.repeat(sp.tensor(D[:0], "dense"), 2**63, axis=0).shape == (0, 4)
    assert sp.eye(3, k=2**70).nnz == sp.eye(3, k=-(2**70)).nnz == 0 and sp.eye(3, k=2**70).shape == (3, 3)
    assert sparse(D).diagonal(2**70).shape == sparse(D).diagonal(-(2**70)).shape == (0,)
    (at,), _ = np.roll(sp.from_coo([[most - 2]], [1.0], (most,)), most - 4).coo()
    assert at.tolist() == [(2 * most - 6) % most]
    with pytest.raises(sp.TypeError_, match="k is an integer"):
        sp.eye(3, k=np.array([1, 2]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "call",
    [lambda a: np.roll(a, "x"), lambda a: np.roll(a, 1.5, 0), lambda a: np.pad(a, "x"), lambda a: np.pad(a, 0.5)],
)
def test_lengths_are_integers(call: Callable[[sp.Tensor], object]) -> None:
    with pytest.raises(sp.SparsecError, match="integer"):
        call(sparse(D))


def test_widths_of_another_order() -> None:
    with pytest.raises(sp.SparsecError, match="a pair for each dimension"):
        np.pad(sparse(D), ((1, 1), (1, 1), (1, 1)))


def test_what_memory_cannot_hold_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsec.array.places._most_entries", lambda: 40)
    a = sp.eye(5)
    for call in (
        lambda: np.tile(a, (10, 1)), lambda: np.repeat(a, 10), lambda: np.broadcast_to(a, (10, 5, 5)),
        lambda: np.kron(sp.eye(7), sp.eye(7)), lambda: np.concatenate([a] * 10), lambda: np.outer(sp.eye(7), [1.0] * 7),
    ):  # fmt: skip
        with pytest.raises(sp.ShapeError, match="would store .* entries, which do not fit in memory"):
            call()
