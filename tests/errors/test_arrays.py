"""Wrong arrays, shapes, dtypes and formats: each with the text that it must produce."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as ss

import sparsec as sp
from sparsec.formats.named import coo, csr
from sparsec.ir.dtypes import F64, U8
from sparsec.runtime.storage import Storage, adopt

DENSE = np.array([[0, 1.0, 2], [3, 0, 0]])
CSR = {"pos": np.array([0, 2, 3]), "crd": np.array([1, 2, 0])}
VALUES = np.array([1.0, 2, 3])
LONG = sp.from_coo([[3]], [1.0], (2**40,))


def raises(call: Callable[[], Any], error: type[sp.SparsecError], text: str) -> None:
    with pytest.raises(sp.SparsecError) as caught:
        call()
    assert type(caught.value) is error, f"{type(caught.value).__name__}: {caught.value}"
    assert text in str(caught.value), str(caught.value)


def level_arrays(fmt: Any = None, shape: Any = (2, 3), values: Any = VALUES, fill: Any = 0, **changes: Any) -> Storage:
    return adopt(fmt or csr(2), shape, fill, [{}, {**CSR, **changes}], values, name="A")


def scipy_csr(data: Any = VALUES, indices: Any = (1, 2, 0), indptr: Any = (0, 2, 3), shape: Any = (2, 3)) -> Any:
    """A csr object whose arrays SciPy has not looked at."""
    made = ss.csr_array(shape)
    made.data, made.indices, made.indptr = (np.asarray(a) for a in (data, indices, indptr))
    return made


def scipy_coo(data: Any, *coords: Any, shape: Any = (2, 3)) -> Any:
    made = ss.coo_array(shape)
    made.data, made.coords = np.asarray(data), tuple(np.asarray(c) for c in coords)
    return made


def coo_lists(first: Any, second: Any) -> Storage:
    pos = np.array([0, len(first)])
    return adopt(coo(2), (4, 4), 0, [{"pos": pos, "crd": first}, {"crd": second}], np.ones(len(first)), name="A")


def raw(**changes: Any) -> Storage:
    levels = ({}, {role: a.astype(np.int32) for role, a in CSR.items()})
    parts = {"format": csr(2).concrete(), "shape": (2, 3), "dtype": F64, "fill": 0.0, "levels": levels}
    return Storage(**({**parts, "values": VALUES} | changes))


LEVELS: list[tuple[Callable[[], Any], str]] = [
    (lambda: level_arrays(pos=np.array([0, 2])), "A: level 1 (j: compressed): pos has shape (2,), expected (3,)"),
    (lambda: level_arrays(pos=np.array([1, 2, 3])), "A: level 1 (j: compressed): pos[0] is 1, expected 0"),
    (lambda: level_arrays(pos=np.array([0, 3, 2])), "pos decreases at 2: 3 then 2"),
    (lambda: level_arrays(pos=np.array([0, 2, 9])), "crd has 3 entries, pos ends at 9"),
    (lambda: level_arrays(pos=np.array([0, 2, 2])), "A: 3 values for 2 positions"),
    (lambda: level_arrays(crd=np.array([1, 3, 0])), "coordinate 3 at position 1 is outside 0..2"),
    (lambda: level_arrays(crd=np.array([-1, 2, 0])), "coordinate -1 at position 0 is outside 0..2"),
    (lambda: level_arrays(crd=np.array([2, 1, 0])), "coordinate 1 at position 1 is out of order"),
    (lambda: level_arrays(crd=np.array([2, 2, 0])), "coordinate 2 at position 1 repeats"),
    (lambda: level_arrays(crd=np.array([1.0, 2, 0])), "crd has dtype float64, expected integers"),
    (lambda: level_arrays(crd=np.array([[1, 2, 0]])), "crd has shape (1, 3), expected one dimension"),
    (lambda: level_arrays(values=np.ones(2)), "A: 2 values for 3 positions"),
    (lambda: level_arrays(values=np.ones((3, 1))), "A: values is no 1-d NumPy array"),
    (lambda: level_arrays(bits=np.ones(3)), "level 1 (j: compressed) has arrays (pos, crd, bits), expected (pos, crd)"),
    (lambda: adopt(csr(2), (2, 3), 0, [CSR], VALUES, name="A"), "A: arrays of 1 levels, 'csr' has 2"),
    (lambda: adopt(csr(2), (2, 3, 4), 0, [{}, CSR], VALUES), "format 'csr' is for order 2, the shape is (2, 3, 4)"),
    (
        lambda: level_arrays(csr(2).concrete(U8, U8), (2, 999), crd=np.array([1, 300, 0])),
        "A: level 1 (j: compressed): crd: 300 at 1 does not fit in u8",
    ),
    (lambda: coo_lists([0, 1, 1], [0, 2, 1]), "A: level 1 (j: singleton): entry 2 is out of order: (1, 1)"),
    (lambda: coo_lists([0, 1, 1], [0, 2, 2]), "A: level 1 (j: singleton): entry 2 repeats: (1, 2)"),
    (lambda: coo_lists([1, 0], [0, 0]), "coordinate 0 at position 1 is out of order"),
    (lambda: coo_lists([0, 1], [0, 4]), "A: level 1 (j: singleton): coordinate 4 at position 1 is outside 0..3"),
    (lambda: coo_lists([0, 1], [0]), "A: level 1 (j: singleton): crd has 1 entries, expected 2"),
    (lambda: raw(values=VALUES.astype(np.float32)).validate("A"), "A: values has dtype float32, the format says f64"),
    (lambda: raw(values=np.ones(6)[::2]).validate("A"), "A: values is not contiguous"),
    (lambda: raw(levels=({}, CSR)).validate("A"), "level 1 (j: compressed): pos has dtype int64, the format says i32"),
    (lambda: raw(format=coo(2).concrete()).validate("A"), "level 0 (i: compressed) has arrays (), expected (pos, crd)"),
    (lambda: raw(values=None).validate("A"), "A: values is no 1-d NumPy array"),
    (lambda: raw(levels=()).validate("A"), "A: arrays of 0 levels, 'csr' has 2"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "text"), LEVELS)
def test_levels(call: Callable[[], Any], text: str) -> None:
    raises(call, sp.FormatError, text)


ENTRIES: list[tuple[Callable[[], Any], type[sp.SparsecError], str]] = [
    (lambda: sp.from_coo([[0, 5], [0, 0]], [1, 2], (3, 3)), sp.ShapeError,
     "entry 1: coordinate 5 of dimension 0 is outside 0..2 (shape (3, 3))"),
    (lambda: sp.from_coo([[0, 1], [0, -2]], [1, 2], (3, 3)), sp.ShapeError, "entry 1: coordinate -2 of dimension 1"),
    (lambda: sp.from_coo([[1, 3], [1, 2]], [1, 2], (3, 3)), sp.ShapeError, "seem to start at 1: subtract 1"),
    (lambda: sp.from_coo([np.array([2**63], np.uint64)], [1], 5), sp.ShapeError, "coordinate 9223372036854775808"),
    (lambda: sp.from_coo([[0]], [1.0], 0), sp.ShapeError, "is outside 0..-1 (shape (0,))"),
    (lambda: sp.from_coo([[0, 1], [0, 1], [1, 1]], [1, 2, 3], (3, 3)), sp.ShapeError,
     "coords has shape (3, 2), expected (2, nnz)\nhint: transpose them: coords.T"),
    (lambda: sp.from_coo([], [], (2, 2)), sp.ShapeError, "coords has shape (0,), expected (2, nnz)"),
    (lambda: sp.from_coo([1, 2], [1], (2, 2)), sp.ShapeError, "coords has shape (2,), expected (2, nnz)"),
    (lambda: sp.from_coo([[0], [0]], [1.0], (2**20, 2), "coo").convert(f"lowrank[{2**31 - 1}]", lossy=True),
     sp.FormatError, "lowrank[2147483647] do not fit in memory\nhint: a tensor of shape (1048576, 2) has a rank of 2"),
    (lambda: sp.from_coo([[0, 1], [0]], [1, 2], (3, 3)), sp.ShapeError, "coords has shape rows of shapes (2,), (1,)"),
    (lambda: sp.from_coo([[0], [1]], [1, 2], (3, 3)), sp.ShapeError, "values has shape (2,), expected (1,)"),
    (lambda: sp.from_coo([[0.0], [1.0]], [1], (3, 3)), sp.TypeError_, "coordinates of dimension 0 have dtype float64"),
    (lambda: sp.from_coo([["a"], ["b"]], [1], (3, 3)), sp.TypeError_, "coordinates of dimension 0 have dtype <U1"),
    (lambda: sp.from_coo([[0], [1]], ["x"], (3, 3)), sp.TypeError_, "values: no tensor can be made of ['x'] (list)"),
    (lambda: sp.from_coo([[0], [1]], [None], (3, 3)), sp.TypeError_, "values: no tensor can be made of [None] (list)"),
    (lambda: sp.from_coo([[0, 2, 0], [1, 0, 1]], [1, 2, 3], (3, 3), duplicates="error"), sp.FormatError,
     "entry 2 repeats the coordinates (0, 1) of entry 0"),
    (lambda: sp.from_coo([[0], [1]], [1], (3, 3), duplicates="max"), sp.FormatError,
     "duplicates='max' is not one of \"sum\", \"error\", \"last\""),
    (lambda: sp.from_coo([[0], [1]], [1], (3, -3)), sp.ShapeError, "shape (3, -3): an extent lies in 0 .. 2**63 - 1"),
    (lambda: sp.from_coo([[0], [1]], [1], (3, 2.5)), sp.ShapeError, "a shape is a tuple of integers, not (3, 2.5)"),
    (lambda: sp.from_coo([[0], [1]], [1], "33"), sp.ShapeError, "a shape is a tuple of integers, not '33'"),
    (lambda: sp.from_coo([[0], [1]], [1], None), sp.ShapeError, "a shape is a tuple of integers, not None"),
    (lambda: sp.from_coo([[0], [1]], [1], (3, 3), fill_value=np.inf), sp.TypeError_,
     "fill value inf does not fit dtype i64"),
    (lambda: sp.from_coo([[0], [1]], [1.0], (3, 3), fill_value=1j), sp.TypeError_, "fill value 1j does not fit"),
    (lambda: sp.from_coo([[0], [1]], [1.0], (3, 3), fill_value="0"), sp.TypeError_, "fill value '0' does not fit"),
    (lambda: sp.from_coo([[0], [1]], np.uint8([1]), (3, 3), fill_value=256), sp.TypeError_,
     "fill value 256 does not fit dtype u8"),
    (lambda: sp.from_coo([[0], [1]], [1], (3, 3), format=3), sp.TypeError_, "a format is text such as 'csr', not 3"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), ENTRIES)
def test_entries(call: Callable[[], Any], error: type[sp.SparsecError], text: str) -> None:
    raises(call, error, text)


FORMATS: list[tuple[Callable[[], Any], type[sp.SparsecError], str]] = [
    (lambda: sp.tensor(DENSE, "cssr"), sp.FormatError, "unknown format 'cssr'\nhint: did you mean 'csr'?"),
    (lambda: sp.tensor(DENSE[0], "csr"), sp.FormatError, "format 'csr' is for tensors of order 2 and more"),
    (lambda: sp.tensor(DENSE, "sym"), sp.FormatError, "format 'sym' is for square matrices, the shape is (2, 3)"),
    (lambda: sp.tensor(DENSE, csr(3)), sp.FormatError, "format 'csr' is for tensors of order 3, this one has order 2"),
    (lambda: sp.tensor(DENSE, "csr").convert("sym"), sp.FormatError, "format 'sym' is for square matrices"),
    (lambda: sp.tensor(DENSE, "csr").convert(None), sp.TypeError_, "a format is text such as 'csr', not None"),
    (lambda: sp.tensor(np.ones((1, 300)), csr(2).concrete(U8, U8)), sp.FormatError, "more than index type u8"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), FORMATS)
def test_formats(call: Callable[[], Any], error: type[sp.SparsecError], text: str) -> None:
    raises(call, error, text)


class Strange:
    def __array__(self, *args: Any, **options: Any) -> Any:
        raise RuntimeError("no")


def wide() -> sp.Tensor:
    return sp.from_coo(np.zeros((65, 1), int), [1.0], (2,) * 65, format="coo")


OBJECTS: list[tuple[Callable[[], Any], type[sp.SparsecError], str]] = [
    (lambda: sp.tensor("text"), sp.TypeError_, "sp.tensor: no tensor can be made of 'text' (str)"),
    (lambda: sp.tensor(None), sp.TypeError_, "no tensor can be made of None (NoneType)"),
    (lambda: sp.tensor({"a": 1}), sp.TypeError_, "no tensor can be made of {'a': 1} (dict)"),
    (lambda: sp.tensor(decimal.Decimal(1)), sp.TypeError_, "no tensor can be made of Decimal('1') (decimal.Decimal)"),
    (lambda: sp.tensor(Strange()), sp.TypeError_, "no tensor can be made of"),
    (lambda: sp.tensor(10**30), sp.TypeError_, "000 holds an integer past 64 bits\nhint: write it as a float: 1e30"),
    (lambda: sp.tensor(2**70), sp.TypeError_, "hint: write it as a float: 1.1805916207174113e21"),
    (lambda: sp.tensor([[1], [2**64]]), sp.TypeError_, "[[1], [18446744073709551616]] holds an integer past 64 bits"),
    (lambda: sp.tensor([[1, 2], [3]]), sp.ShapeError, "sp.tensor: the nested lists are ragged"),
    (lambda: wide().numpy(), sp.ShapeError, "a NumPy array has 64 dimensions at most, this tensor has 65"),
    (lambda: sp.tensor(wide(), "dense"), sp.ShapeError, "a NumPy array has 64 dimensions at most"),
    (lambda: sp.tensor([1, "a"]), sp.TypeError_, "no tensor can be made of [1, 'a'] (list)"),
    (lambda: sp.tensor(np.array(["a"])), sp.TypeError_, "NumPy dtype '<U1' has no counterpart"),
    (lambda: sp.tensor(np.array([1], "M8[s]")), sp.TypeError_, "NumPy dtype 'datetime64[s]' has no counterpart"),
    (lambda: sp.tensor(np.ma.masked_array([1, 2], [0, 1])), sp.TypeError_, "sp.tensor is a masked array"),
    (lambda: sp.tensor(sp.tensor(DENSE, "csr"), fill_value=1), sp.FormatError, "has fill value 0.0, not 1.0"),
    (lambda: sp.Tensor(DENSE), sp.TypeError_, "Tensor wraps a Storage, not ndarray\nhint: sp.tensor(obj) makes one"),
    (lambda: np.asarray(sp.tensor(DENSE, "csr")), sp.TypeError_, "NumPy would make this sparse Tensor dense"),
    (lambda: ss.csr_array(DENSE) * sp.tensor(DENSE, "csr"), sp.TypeError_,
     "where SciPy's S stands left (S @ A, S * A), write sp.tensor(S)"),
    (lambda: np.from_dlpack(sp.tensor(DENSE, "csr")), sp.TypeError_, "DLPack passes dense tensors only"),
    (lambda: len(sp.tensor(1.0)), sp.TypeError_, "a scalar has no length"),
    (lambda: sp.tensor(1.0).scipy(), sp.ShapeError, "a scalar has no sparse form elsewhere"),
    (lambda: sp.tensor(DENSE, "csr", fill_value=1).scipy(), sp.FormatError, "the fill value is 1.0; what SciPy"),
    (lambda: sp.tensor(DENSE, "coo", fill_value=np.nan).torch(), sp.FormatError, "the fill value is nan; what torch"),
    (lambda: sp.tensor(DENSE.astype(np.float16), "csr").scipy(), sp.TypeError_, "SciPy's sparse arrays have no"),
    (lambda: sp.tensor(DENSE, "csr").astype("f63"), sp.TypeError_, "'f63' is no dtype"),
    (lambda: sp.tensor(DENSE, "csr", fill_value=np.nan).astype("i32"), sp.TypeError_, "fill value nan does not fit"),
    (lambda: sp.from_coo([[0], [0]], [1.0], (2**40, 2**40), "coo").numpy(), sp.ShapeError,
     "a dense array of shape (1099511627776, 1099511627776) is too large"),
    (lambda: sp.from_coo([[0], [0]], [1.0], (2**28, 2**28), "coo").numpy(), sp.ShapeError,
     "does not fit in memory: it has 72057594037927936 elements\nhint: coo() gives the coordinates and values"),
    (lambda: sp.eye(2**40), sp.ShapeError, "eye would store 1099511627776 entries, which do not fit in memory"),
    (lambda: sp.random(2**42, 0.5), sp.ShapeError, "random would store 2199023255552 entries, which do not fit"),
    (lambda: np.repeat(sp.eye(4), 2**40), sp.ShapeError, "repeat would store 4398046511104 entries, which do not fit"),
    (lambda: np.broadcast_to(LONG, (2**40, 2**40)), sp.ShapeError, "broadcast would store 1099511627776 entries"),
    (lambda: LONG.__setitem__(slice(None), 9.0), sp.ShapeError, "the assignment would store 1099511627776 entries"),
    (lambda: sp.tensor(DENSE, "csr").sum(dtype="foo"), sp.TypeError_, "'foo' is no dtype"),
    (lambda: sp.tensor(DENSE).mean(dtype="foo"), sp.TypeError_, "'foo' is no dtype"),
    (lambda: np.add(LONG, LONG, dtype="foo"), sp.TypeError_, "'foo' is no dtype"),
    (lambda: sp.zeros(3, "bf16"), sp.TypeError_, "NumPy has no bf16"),
    (lambda: sp.tensor(DENSE, "csr").round("a"), sp.TypeError_, "decimals is an integer, not 'a'"),
    (lambda: sp.tensor(DENSE, "csr").var(ddof="a"), sp.TypeError_, "is a number, not 'a'"),
    (lambda: sp.random((3, 3), 0.5, sampler=3), sp.TypeError_, "sampler: 3 is no function"),
    (lambda: sp.einsum("ij->i", DENSE, dtype="f4"), sp.TypeError_, "sp.einsum takes no dtype=\nhint: cast the result"),
    (lambda: np.einsum("ij->i", sp.tensor(DENSE, "csr"), dtype="f4"), sp.UnsupportedError, "np.einsum of Tensors with"),
    (lambda: np.argsort(LONG), sp.ShapeError, "a dense array of shape (1099511627776,) does not fit in memory"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), OBJECTS)
def test_objects(call: Callable[[], Any], error: type[sp.SparsecError], text: str) -> None:
    raises(call, error, text)


SCIPY: list[tuple[Callable[[], Any], type[sp.SparsecError], str]] = [
    (lambda: scipy_csr(indices=[1, 7, 0]), sp.FormatError,
     "csr_array: level 1 (j: compressed): coordinate 7 at position 1 is outside 0..2"),
    (lambda: scipy_csr(indices=[2, 1, -1]), sp.FormatError, "coordinate -1 at position 2 is outside 0..2"),
    (lambda: scipy_csr(indptr=[0, 2]), sp.FormatError, "csr_array: level 1 (j: compressed): pos has shape (2,)"),
    (lambda: scipy_csr(indptr=[0, 3, 1]), sp.FormatError, "pos decreases at 2: 3 then 1"),
    (lambda: scipy_csr(indptr=[0, 2, 4]), sp.FormatError, "crd has 3 entries, pos ends at 4"),
    (lambda: scipy_csr(indptr=[0, 2, -1]), sp.FormatError, "pos decreases at 2: 2 then -1"),
    (lambda: scipy_csr(indptr=[]), sp.FormatError, "pos has shape (0,), expected (3,)"),
    (lambda: scipy_csr(data=VALUES[:2]), sp.FormatError, "csr_array: 3 indices and 2 values"),
    (lambda: scipy_csr(data=VALUES[None]), sp.FormatError, "csr_array: data has shape (1, 3), expected one dimension"),
    (lambda: scipy_csr(indices=[1.0, 2, 0]), sp.FormatError, "csr_array: indices has dtype float64, expected integers"),
    (lambda: scipy_csr(data=np.array([1, 2, 3], object)), sp.TypeError_, "NumPy dtype 'object' has no counterpart"),
    (lambda: scipy_coo([1.0, 2], [0, 2], [0, 0]), sp.ShapeError, "entry 1: coordinate 2 of dimension 0"),
    (lambda: scipy_coo([1.0, 2], [0, 1], [0, -1]), sp.ShapeError, "entry 1: coordinate -1 of dimension 1"),
    (lambda: scipy_coo([1.0], [0, 1], [0, 0]), sp.FormatError, "coordinate arrays of lengths 2, 2 and 1 values"),
    (lambda: scipy_coo([1.0], [0]), sp.FormatError, "coordinate arrays of lengths 1 and 1 values"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "text"), SCIPY)
def test_scipy(make: Callable[[], Any], error: type[sp.SparsecError], text: str) -> None:
    raises(lambda: sp.tensor(make()), error, text)


def test_scipy_blocks_outside() -> None:
    a = ss.bsr_array((np.ones((1, 2, 2)), np.array([0]), np.array([0, 1])), shape=(2, 4))
    a.indices = np.array([99], np.int32)
    raises(lambda: sp.tensor(a), sp.FormatError, "bsr_array: ")


@pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta", "ignore:The PyTorch API of nested tensors")
def test_torch() -> None:
    torch = pytest.importorskip("torch")
    options = {"check_invariants": False}

    def csr(pos: list[Any], crd: list[Any], values: list[Any], size: tuple[int, ...] = (2, 3)) -> Any:
        return torch.sparse_csr_tensor(pos, crd, values, size=size, **options)

    index = torch.tensor([[0, 2], [0, 0]])
    rows = [torch.ones(2), torch.ones(3)]
    cases: list[tuple[Callable[[], Any], type[sp.SparsecError], str]] = [
        (lambda: csr([0, 1, 2], [0, 5], [1.0, 2]), sp.FormatError,
         "torch sparse_csr tensor: level 1 (j: compressed): coordinate 5 at position 1 is outside 0..2"),
        (lambda: csr([0, 2, 1], [0, 1], [1.0, 2]), sp.FormatError, "pos decreases at 2: 2 then 1"),
        (lambda: torch.sparse_coo_tensor(index, torch.ones(2), (2, 3), **options), sp.ShapeError,
         "entry 1: coordinate 2 of dimension 0 is outside 0..1"),
        (lambda: torch.sparse_coo_tensor(index, torch.ones(2, 4), (3, 3, 4), **options), sp.UnsupportedError,
         "torch sparse_coo tensor with 1 dense dimensions"),
        (lambda: torch.ones(2, device="meta"), sp.UnsupportedError, "a torch tensor on device 'meta'"),
        (lambda: torch.ones(2).to(torch.float8_e4m3fn), sp.TypeError_, "dtype torch.float8_e4m3fn has no counterpart"),
        (lambda: torch.sparse_bsr_tensor([0, 1], [9], torch.ones(1, 2, 2), size=(2, 4), **options), sp.FormatError,
         "torch sparse_bsr tensor: the arrays of the blocks are inconsistent"),
        (lambda: torch.sparse_bsr_tensor([0, 1, 2], [0, 1], torch.ones(1, 2, 2), size=(4, 4), **options),
         sp.FormatError, "torch sparse_bsr tensor: the arrays of the blocks are inconsistent"),
        (lambda: csr([[0, 1, 1], [0, 1, 2]], [[0, 1], [1, 0]], [[1.0, 2], [3, 4]], (2, 2, 2)), sp.FormatError,
         "crow_indices of every batch runs from 0 to 2"),
        (lambda: torch.nested.nested_tensor(rows, layout=torch.strided), sp.UnsupportedError,
         "sp.tensor: nested torch tensors are not taken"),
        (lambda: torch.nested.nested_tensor(rows, layout=torch.jagged), sp.UnsupportedError,
         "nested torch tensors are not taken\nhint: torch.nested.to_padded_tensor(t, 0.0) pads it; "
         "sp.tensor([r.tolist() for r in t.unbind()], 'ragged') keeps the lengths"),
    ]  # fmt: skip
    for make, error, text in cases:
        raises(lambda make=make: sp.tensor(make()), error, text)  # type: ignore[misc]


def test_programs_have_an_order_at_most() -> None:
    t = sp.from_coo(np.zeros((33, 1), int), [1.0], (2,) * 33)
    raises(lambda: t * t, sp.ShapeError, "'C' has 33 dimensions, programs compute with 32 at most")
    dims = ", ".join(f"d_{n}" for n in range(33))
    text = f"kernel f(A: f64[{dims}] csf) -> y: f64 {{ y = 1 }}"
    raises(lambda: sp.compile(text), sp.ShapeError, "'A' has 33 dimensions, programs compute with 32 at most")
