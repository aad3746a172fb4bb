"""Brackets, reading and writing, against NumPy."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import sparsec as sp
from tests.support.arrays import same, sparse, tensors

D = np.arange(12.0).reshape(3, 4) * (np.arange(12).reshape(3, 4) % 3 != 1)
KEYS: list[Any] = [
    0, -1, (0, 1), (-1, -1), slice(None, None, -1), (slice(None), 1), (slice(1, 3), slice(None, None, 2)), (None, 0),
    (..., 2), (0, ..., None), np.array([0, 2, 1, 1]), ([0, 1], [1, 2]), (slice(None), [3, 0, -1]), D > 4,
    np.array([True, False, True]), (None, ..., None, [1, 2]), ([[0, 1], [1, 2]], None, [[0], [1]]), (0, [1, 2]),
    slice(0, 0), (slice(5, 1, -2), slice(-1, None, -3)), ([0, 1], slice(None), None), [], (..., np.int8(1)), (),
    (slice(None), D[0] > 1), (np.array([0, 2])[:, None], np.array([1, 3])),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=lambda k: str(k).replace("\n", ""))
@pytest.mark.parametrize("fmt", ["csr", "coo"])
def test_reading_and_writing(key: Any, fmt: str) -> None:
    a, array = sparse(D, fmt), D.copy()
    same(a[key], D[key])
    assert isinstance(a[key], sp.Tensor if np.ndim(D[key]) else np.generic)
    a[key] = 7
    array[key] = 7
    same(a, array)
    assert a.format == fmt
    a[key] = np.zeros(np.shape(D[key]))
    array[key] = 0
    same(a, array)


def test_an_ellipsis_for_no_dimension_parts_arrays() -> None:
    array = np.arange(30.0).reshape(2, 3, 5)
    for key in (
        (slice(None), [2, 0], ..., 0), (slice(None), 1, ..., [3, 0]), (..., slice(None), [2, 0], 0),
        (slice(None), [2, 0], 0, ...), (slice(None), ..., [2, 0], 0), (slice(None), None, [2, 0], ..., 0),
        ([1, 0], ..., [2, 0], slice(None)),
    ):  # fmt: skip
        a, expected = sparse(array, "csf"), array.copy()
        same(a[key], array[key])
        new = np.arange(1.0, array[key].size + 1).reshape(array[key].shape)
        a[key] = expected[key] = new
        same(a, expected)


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    parts: list[Any] = []
    for n in shape:
        kinds = ["slice", "slice", "none"] + (["int", "array"] if n else [])
        match draw(st.sampled_from(kinds)):
            case "slice":
                bound = st.none() | st.integers(-n - 2, n + 2)
                parts.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -3]))))
            case "int":
                parts.append(draw(st.integers(-n, n - 1)))
            case "array":
                parts.append(np.array(draw(st.lists(st.integers(-n, n - 1), min_size=2, max_size=2))))
            case "none":
                parts += [None, slice(None)]
    if draw(st.booleans()):
        at = draw(st.integers(0, len(parts) - 1))
        parts[at : draw(st.sampled_from([at, len(parts)]))] = [...]
    return tuple(parts)


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_any_key(data: st.DataObject) -> None:
    a, array = data.draw(tensors())
    key = data.draw(keys(array.shape))
    same(a[key], array[key])


def test_sparse_masks() -> None:
    a = sparse(D)
    for mask, dense in ((a > 3, D > 3), (a <= 3, D <= 3), (a != 0, D != 0)):
        got = a[mask]
        same(got, D[dense])
        assert not got.storage.format.is_dense
    a[a > 5] = 0
    same(a, np.where(D > 5, 0, D))
    rows = sp.tensor(np.array([True, False, True]), "coo")
    same(sparse(D)[rows], D[np.array([True, False, True])])


def test_parts_of_dense_tensors_are_views() -> None:
    array = D.copy()
    a = sp.tensor(array)
    part = a[1:]
    assert isinstance(part, sp.Tensor) and np.shares_memory(part.numpy(), array)
    a[0] = 5
    assert (array[0] == 5).all()


@pytest.mark.parametrize("fmt", ["csr", "dense"])
def test_keys_of_torch(fmt: str) -> None:
    torch = pytest.importorskip("torch")
    a = sparse(D, fmt)
    for key in (torch.tensor([0, 1]), torch.tensor([2]), torch.tensor(1), torch.tensor([True, False, True])):
        same(a[key], D[key.numpy()])
        if key.dtype != torch.bool:
            same(a[:, key], D[:, key.numpy()])
    with pytest.raises(sp.SparsecError, match="ind"):
        a[torch.tensor(1.5)]


def test_take() -> None:
    a = sparse(D)
    same(np.take(a, [2, 0], axis=1), np.take(D, [2, 0], axis=1))
    same(np.take(a, [3, 11]), np.take(D, [3, 11]))
    order = np.argsort(D, axis=1)
    same(np.take_along_axis(a, order, 1), np.take_along_axis(D, order, 1))


def test_rows_one_after_another() -> None:
    assert [row.nnz for row in sparse(D)] == [2, 2, 3]


def test_huge_shapes() -> None:
    wide = sp.from_coo([[7, 2_999_999_999], [5, 1]], [1.5, 2], (3_000_000_000, 3_000_000_000))
    assert wide[-1, 1] == 2 and wide[7].nnz == 1 and wide[::-1][0, 1] == 2
    wide[3, 3] = 4
    assert wide.nnz == 3 and wide.sum() == 7.5


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (3, "index 3 is outside"), ((0, 0, 0), "3 indices"), (([0, 5],), "index 5"), ((..., ...), "one '...'"),
        (1.5, "dtype float64"), ("x", "an index"), (np.ones((2, 2), bool), "a mask of shape"),
        (([0, 1], [0, 1, 2]), "do not broadcast"), (slice(0.5), "slice"), (True, "single bool"),
    ],
)  # fmt: skip
def test_wrong_keys(key: Any, text: str) -> None:
    with pytest.raises(sp.SparsecError, match=text):
        sparse(D)[key]


def test_values_that_do_not_fit() -> None:
    a = sparse(D.astype(int))
    with pytest.raises(sp.TypeError_, match="float64 does not fit"):
        a[0] = np.array([1.5, 2, 3, 4])
    with pytest.raises(sp.ShapeError, match="does not broadcast"):
        a[0] = [1, 2]


@pytest.mark.parametrize("fmt", ["csr", "dense"])
@pytest.mark.parametrize(("dtype", "value"), [
    ("u1", 300), ("u1", -1), ("u1", 1.5), ("i8", np.nan), ("i8", np.inf), ("f8", 1j), ("bool", 2), ("f4", 1e300),
])  # fmt: skip
def test_numbers_that_a_dtype_does_not_hold(fmt: str, dtype: str, value: Any) -> None:
    a = sp.tensor(np.eye(2, dtype=dtype), fmt)
    with pytest.raises(sp.TypeError_, match="does not fit into a tensor of"):
        a[0, 0] = value
    a[0] = np.array([0, 1])
    assert a.numpy()[0].tolist() == [0, 1]
