"""Storage: validation, widths, pickling; entries in any order made canonical."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.conversion import to_array
from sparsec.errors import FormatError
from sparsec.formats.compressed import Compressed
from sparsec.formats.format import Format
from sparsec.formats.named import FORMATS, from_levels, named_format
from sparsec.formats.singleton import Singleton
from sparsec.ir.dtypes import BF16, BOOL, F16, F32, F64, I32, I64, U8, U16, DType
from sparsec.runtime import entries
from sparsec.runtime.storage import Storage, adopt, as_fill
from tests.support.packing import pack, unpack

CSR = named_format("csr", 2)
COO = named_format("coo", 2)


def csr(**changes: Any) -> Storage:
    """[[0, 1, 2], [0, 0, 0], [3, 0, 0]]"""
    parts: dict[str, Any] = {
        "format": CSR.concrete(),
        "shape": (3, 3),
        "dtype": F64,
        "fill": 0.0,
        "levels": ({}, {"pos": np.array([0, 2, 2, 3], np.int32), "crd": np.array([1, 2, 0], np.int32)}),
        "values": np.array([1.0, 2, 3]),
    }
    return Storage(**(parts | changes))


def test_what_it_knows() -> None:
    s = csr()
    s.validate()
    assert (s.ndim, s.nnz, s.nbytes) == (2, 3, 16 + 12 + 24)
    assert [b.ctypes.data for b in s.buffers] == s.addresses
    assert s.addresses is s.addresses
    assert s.with_values(np.zeros(3)).addresses[:2] == s.addresses[:2]


def test_a_pickle_has_its_own_addresses() -> None:
    s = csr()
    assert s.addresses
    t = pickle.loads(pickle.dumps(s))
    t.validate()
    assert t.format == s.format and t.dtype is F64 and t.format.levels[1].type.pos is I32
    assert t.addresses == [b.ctypes.data for b in t.buffers] != s.addresses


def test_a_pickle_that_lies_is_refused() -> None:
    s = csr()
    s.levels[1]["crd"][0] = 99
    with pytest.raises(FormatError, match="pickled tensor: level 1 .* coordinate 99 at position 0 is outside"):
        pickle.loads(pickle.dumps(s))


def every_format() -> list[Format]:
    named = [named_format(name, n) for name, (least, _) in FORMATS.items() for n in range(max(1, least), 4)]
    turned = [
        from_levels(None, (Compressed(is_unique=False), Singleton()), (1, 0)),
        from_levels(None, (Compressed(), Compressed(is_unique=False), Singleton()), (2, 0, 1)),
    ]
    return named + turned


@pytest.mark.parametrize("fmt", every_format(), ids=str)
def test_what_the_levels_mean_is_valid(fmt: Format) -> None:
    rng = np.random.default_rng(len(str(fmt)))
    shape = ((3, 4, 4)[3 - fmt.ndim :] if fmt.symmetric else (3, 5, 4))[: fmt.ndim]
    dense = rng.integers(1, 9, shape).astype(float) * (rng.random(shape) < 0.4)
    for pattern in (dense != 0, np.zeros(shape, bool), np.ones(shape, bool)):
        levels, values = pack(fmt.concrete(), dense, pattern)
        Storage(fmt.concrete(), shape, F64, 0.0, tuple(levels), values).validate()
        wide = adopt(fmt, shape, 0, [{r: a.astype(np.int64) for r, a in one.items()} for one in levels], values)
        assert wide.format == fmt.concrete(I64, I64)


def test_coordinates_of_a_list_may_be_followed_by_others() -> None:
    pos, rows, columns = np.array([0, 2]), np.array([0, 1, 1]), np.array([0, 1, 2, 0])
    adopt(named_format("coo", 2), (3, 3), 0, [{"pos": pos, "crd": rows}, {"crd": columns}], np.ones(2))
    deep = [{"pos": pos, "crd": rows}, {"crd": columns}, {"crd": rows[:2]}]
    adopt(named_format("coo", 3), (3, 3, 3), 0, deep, np.ones(2))


def test_arrays_are_shared_where_they_fit() -> None:
    pos, crd, values = np.array([0, 1, 2]), np.array([1, 0], np.uint16), np.array([1, 2], np.float32)
    s = adopt(CSR, (2, 2), 0, [{}, {"crd": crd, "pos": pos}], values)
    assert list(s.levels[1]) == ["pos", "crd"]
    assert s.levels[1]["pos"] is pos or np.shares_memory(s.levels[1]["pos"], pos)
    assert np.shares_memory(s.levels[1]["crd"], crd) and np.shares_memory(s.values, values)
    assert s.dtype is F32 and s.format == CSR.concrete(U16, I64)


def test_arrays_are_brought_into_form() -> None:
    base = np.arange(8, dtype=">i8")
    s = adopt(CSR, (2, 4), 0, [{}, {"pos": base[:3], "crd": base[1:5:2]}], np.array([1.0, 9, 2, 9])[::2])
    assert s.values.tolist() == [1, 2] and all(b.flags.c_contiguous and b.dtype.isnative for b in s.buffers)
    narrow = CSR.concrete(U8, I32)
    assert adopt(narrow, (2, 4), 0, [{}, {"pos": base[:3], "crd": base[1:3]}], np.ones(2)).format == narrow


def test_read_only_memory_will_do() -> None:
    pos, crd, values = np.array([0, 1]), np.array([0]), np.ones(1)
    for a in (pos, crd, values):
        a.flags.writeable = False
    s = adopt(CSR, (1, 1), 0, [{}, {"pos": pos, "crd": crd}], values)
    assert np.shares_memory(s.values, values)


@pytest.mark.parametrize(
    ("value", "dtype", "held"),
    [
        (0, F64, 0.0), (np.float32(1.5), F64, 1.5), (float("inf"), F32, float("inf")), (2.0, I32, 2), (1, BOOL, True),
        (np.int8(3), U8, 3), (True, I64, 1), (np.array(4), F64, 4.0), (1, BF16, 1.0),
    ],
)  # fmt: skip
def test_fills(value: Any, dtype: DType, held: Any) -> None:
    assert as_fill(value, dtype) == held and type(as_fill(value, dtype)) is type(held)


def test_fill_as_an_element() -> None:
    assert csr(fill=float("inf")).fill_value == np.inf
    assert csr(dtype=BF16, fill=1.0).fill_value == 0x3F80
    assert csr(dtype=U8, fill=7).fill_value.dtype == np.uint8


# entries


def dense_of(coords: Any, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(shape, np.asarray(values).dtype)
    np.add.at(out, tuple(coords), values)
    return out


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_from_coo_against_numpy(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 4))
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=ndim, max_size=ndim)))
    order = data.draw(st.permutations(range(ndim)))
    nnz = data.draw(st.integers(0, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    kind = data.draw(st.sampled_from([np.int8, np.uint16, np.int32, np.uint64, np.dtype(">i4")]))
    coords = np.array([rng.integers(0, n, nnz) for n in shape]).astype(kind)
    values = rng.integers(-5, 6, nnz).astype(data.draw(st.sampled_from([np.float64, np.int32, np.complex64])))
    fmt = from_levels(None, (Compressed(),) * ndim, tuple(order))
    s = entries.from_coo(coords, values, shape, fmt)
    s.validate()
    assert s.format == entries.coo_format(order, I32)
    dense, pattern = unpack(s.format, list(s.levels), s.values, shape, 0)
    assert np.array_equal(dense, dense_of(coords, values, shape))
    stored = np.zeros(shape, bool)
    stored[tuple(coords)] = True
    assert np.array_equal(pattern, stored)
    assert np.array_equal(to_array(s), dense)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([3, 70_000, 2**31, 2**40, 2**62]), st.sampled_from([1, 100, 5000]))
def test_sorting_agrees_with_lexsort(seed: int, extent: int, nnz: int) -> None:
    rng = np.random.default_rng(seed)
    coords = [rng.integers(0, extent, nnz), rng.integers(0, 50, nnz)]
    found = entries.arrange(coords, [extent, 50])
    order = np.lexsort((coords[1], coords[0]))
    pairs = np.stack(coords)[:, order]
    unique = np.append(True, (pairs[:, 1:] != pairs[:, :-1]).any(axis=0))
    for c, sorted_ in zip(coords, pairs, strict=True):
        assert np.array_equal(found.coordinates(c), sorted_[unique])
    values = np.arange(nnz)
    lasts = order[np.append(np.flatnonzero(unique)[1:], nnz) - 1]
    assert np.array_equal(found.values(values, I64, "last"), lasts)


@pytest.mark.parametrize("extent", [3, 70_000, 2**31, 2**56])
def test_long_lists_are_sorted_by_compiled_code(extent: int) -> None:
    import sparsec as sp

    assert sp.Tensor and entries._SORTS, "the public face brings the sort"
    rng = np.random.default_rng(extent)
    coords = [rng.integers(0, extent, 70_000), rng.integers(0, 50, 70_000)]
    key = entries._key(coords, [extent, 50])
    bits = sum(entries._widths([extent, 50]))
    found = entries._sorted(key.copy(), bits, None)
    assert np.array_equal(found.order, np.argsort(key, kind="stable"))
    assert np.array_equal(found.keys, np.sort(key))
    for dtype in (np.int8, np.float16, np.float32, np.int64):
        values = rng.integers(-9, 9, 70_000).astype(dtype)
        carried = entries._sorted(key.copy(), bits, values)
        assert carried.order is None
        assert np.array_equal(carried.values(values, I64), values[found.order])


def test_sorted_entries_are_left_alone() -> None:
    coords = [np.array([0, 0, 1, 5]), np.array([1, 2, 0, 0])]
    assert not entries.arrange(coords, [6, 3]).moves
    assert not entries.arrange(coords, [2**62, 2**62]).moves
    assert entries.arrange(coords[::-1], [3, 6]).moves


@pytest.mark.parametrize(
    ("values", "dtype", "folded"),
    [
        (np.array([True, False, False, False]), BOOL, [True, False]),
        (np.array([100, 1, 100, 2], np.int8), None, [-56, 3]),
        (np.array([1e4, 1, 1e4, -1], np.float16), None, [2e4, 0]),
        (np.array([0x3F80, 0x4000, 0x3F80, 0x4000], np.uint16), BF16, [0x4000, 0x4080]),
        (np.array([1j, 2, 1, -2]), None, [1 + 1j, 0]),
    ],
)
def test_sums_of_duplicates(values: np.ndarray, dtype: DType | None, folded: list[Any]) -> None:
    s = entries.from_coo([[1, 2, 1, 2]], values, 4, dtype=dtype)
    assert s.values.tolist() == folded and s.values.dtype == values.dtype and s.dtype is (dtype or s.dtype)


def test_half_sums_in_single() -> None:
    s = entries.from_coo(np.zeros((1, 3000), int), np.ones(3000, np.float16), 1)
    assert s.values[0] == 3000 and s.dtype is F16


def test_last_of_duplicates() -> None:
    s = entries.from_coo([[1, 0, 1, 1]], [1.0, 2, 3, 4], (2,), duplicates="last")
    assert s.levels[0]["crd"].tolist() == [0, 1] and s.values.tolist() == [2, 4]


def test_widths_follow_the_extents() -> None:
    assert entries.from_coo([[0], [1]], [1.0], (5, 2**31 - 1)).format == COO.concrete()
    s = entries.from_coo([[0], [2**31]], [1.0], (5, 2**31 + 1))
    assert s.format == COO.concrete(I64, I64) and s.levels[1]["crd"].tolist() == [2**31]
    s.validate()


def test_huge_extents_need_no_key() -> None:
    shape = (2**40, 2**40)
    s = entries.from_coo([[2**39, 1, 1], [0, 2**39, 5]], [1.0, 2, 3], shape)
    s.validate()
    assert s.levels[0]["crd"].tolist() == [1, 1, 2**39] and s.values.tolist() == [3, 2, 1]


def test_values_are_not_shared() -> None:
    values = np.array([1.0, 2])
    s = entries.from_coo([[0, 1], [0, 1]], values, (2, 2))
    assert not np.shares_memory(s.values, values)


def test_one_value_for_all_and_nothing_at_all() -> None:
    assert entries.from_coo([[0, 1], [0, 1]], 2.5, (2, 2)).values.tolist() == [2.5, 2.5]
    s = entries.from_coo([[], []], [], (0, 4))
    s.validate()
    assert s.nnz == 0 and s.shape == (0, 4)


def test_scalars() -> None:
    assert entries.from_coo(np.zeros((0, 2), int), [1.0, 2], ()).values.tolist() == [3]
    assert entries.from_coo(np.zeros((0, 0), int), np.zeros(0), (), fill_value=7).values.tolist() == [7]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_from_dense_leaves_the_fill_out(order: tuple[int, int]) -> None:
    fmt = from_levels(None, (Compressed(), Compressed()), order)
    a = np.array([[np.nan, 1.0, 0.0], [2.0, np.nan, 3.0]])
    s = entries.from_dense(a, fmt, np.nan)
    s.validate()
    assert s.nnz == 4 and np.array_equal(to_array(s), a, equal_nan=True)
    plain = entries.from_dense(np.asfortranarray(np.nan_to_num(a)), fmt)
    plain.validate()
    assert plain.nnz == 3
    assert np.array_equal(to_array(entries.from_dense(entries.dense_storage(a, 1.0), fmt)), a, equal_nan=True)


def test_dense_storage_is_a_view() -> None:
    a = np.arange(6.0).reshape(2, 3)
    s = entries.dense_storage(a)
    s.validate()
    assert np.shares_memory(entries.dense_view(s), a) and np.array_equal(entries.dense_view(s), a)
    turned = entries.dense_storage(a.T)
    assert np.array_equal(entries.dense_view(turned), a.T) and not np.shares_memory(turned.values, a)


@pytest.mark.parametrize(
    "name", ["coo", "csr", "dcsr", "csc", "rle", "(i, j) -> (i: dense, j: compressed[index=delta8])"]
)
def test_what_stands_behind_the_last_entry_is_cut_off(name: str) -> None:
    import sparsec as sp

    dense = np.array([[0, 1.0, 2], [3, 0, 0]])
    s = sp.tensor(dense, name).storage
    longer = [
        {role: np.append(a, a[-1:]) if role in ("crd", "step") else a for role, a in arrays.items()}
        for arrays in s.levels
    ]
    made = adopt(s.format, s.shape, 0.0, longer, s.values)
    for exact, arrays in zip(s.levels, made.levels, strict=True):
        assert {r: a.tolist() for r, a in arrays.items()} == {r: a.tolist() for r, a in exact.items()}
    A = sp.Tensor(made)
    assert A.numpy().tolist() == dense.tolist() and A.scipy().toarray().tolist() == dense.tolist()
    again = pickle.loads(pickle.dumps(Storage(s.format, s.shape, s.dtype, s.fill, tuple(longer), s.values)))
    assert again.nbytes == s.nbytes
