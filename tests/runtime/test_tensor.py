"""``Tensor``, and what comes in from NumPy, SciPy and torch and goes out to them."""

from __future__ import annotations

import gc
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as ss

import sparsec as sp
from sparsec.formats.named import named_format
from sparsec.runtime import outside
from sparsec.runtime.outside import operand_storage

DENSE = np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [-3, 0, 0, 4]])
FORMATS = ["coo", "csr", "csc", "dcsr", "dcsc", "sparse", "dense"]


def unsorted_csr() -> Any:
    """Rows with coordinates out of order and one twice: [[0, 3, 0], [5, 0, 4]]"""
    return ss.csr_array((np.array([1.0, 2, 4, 5]), np.array([1, 1, 2, 0]), np.array([0, 2, 4])), shape=(2, 3))


def test_the_module_leaves_the_function_its_name() -> None:
    import sparsec.tensors  # noqa: F401

    assert callable(sp.tensor) and sp.tensor(1.0).ndim == 0


def test_many_empty_rows_take_no_memory() -> None:
    huge = sp.from_coo([[2_999_999_999], [5]], [1.5], (3_000_000_000, 3_000_000_000))
    assert huge.format == "dcsr" and huge.nbytes < 100
    assert huge.convert("coo").convert("auto").format == "dcsr" and huge.scipy().format == "coo"
    assert sp.from_coo([[1], [1]], [1.0], (1 << 24, 2)).format == "csr"
    assert sp.from_coo([[1], [1]], [1.0], ((1 << 24) + 1, 2), format="auto").format == "dcsr"
    assert sp.from_coo([[1], [1]], [1.0], (2, 1 << 40)).format == "csr"


# what a Tensor says


def test_attributes() -> None:
    a = sp.tensor(DENSE, "csr")
    assert (a.shape, a.ndim, a.dtype, a.nnz, a.fill_value, a.format) == ((3, 4), 2, np.float64, 4, 0, "csr")
    assert a.nbytes == 4 * 4 + 4 * 4 + 4 * 8 and len(a) == 3
    assert a.levels[1]["pos"].tolist() == [0, 2, 2, 4] and a.levels[1]["crd"].tolist() == [1, 3, 0, 3]
    coords, values = a.coo()
    assert coords.dtype == np.int64 and coords.tolist() == [[0, 0, 2, 2], [1, 3, 0, 3]]
    assert values.tolist() == [1.5, 2, -3, 4] and not np.shares_memory(values, a.storage.values)
    a.validate()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: sp.tensor(DENSE, "csr"), "<Tensor 3 x 4, f64, csr, 4 stored, 64 B>"),
        (lambda: sp.tensor(DENSE), "<Tensor 3 x 4, f64, dense, 12 stored, 96 B>"),
        (lambda: sp.tensor(np.int8(3)), "<Tensor scalar, i8, dense, 1 stored, 1 B>"),
        (
            lambda: sp.from_coo([[1, 999_999]], [1.0, 2.0], 1_000_000, fill_value=np.inf),
            "<Tensor 1,000,000, f64, coo, 2 stored, fill inf, 32 B>",
        ),
        (lambda: sp.tensor(np.ones((500, 500), np.float32)), "<Tensor 500 x 500, f32, dense, 250,000 stored, 1 MB>"),
    ],
)
def test_repr(make: Any, text: str) -> None:
    assert repr(make()) == text


@pytest.mark.parametrize("fmt", FORMATS)
def test_formats_read_back(fmt: str) -> None:
    a = sp.tensor(DENSE, fmt)
    assert a.convert(a.format) is a
    assert a.format == {"sparse": "dcsr"}.get(fmt, fmt)


def test_labels_of_widths() -> None:
    wide = sp.tensor(ss.csr_array((np.ones(1), np.array([0]), np.array([0, 1])), shape=(1, 1)))
    assert wide.format == "csr" and wide.storage.format.levels[1].type.arrays()["pos"].bits == 64
    levels = "(i: dense, j: compressed[index=u16, pos=i32])"
    parts = sp.tensor(DENSE, "csr").storage
    small = {"pos": parts.levels[1]["pos"], "crd": parts.levels[1]["crd"].astype(np.uint16)}
    from sparsec.runtime.storage import adopt

    narrow = sp.Tensor(adopt(named_format("csr", 2), (3, 4), 0, [{}, small], parts.values))
    assert narrow.format == f"(i, j) -> {levels}"
    turned = entries_of(sp.tensor(DENSE, "csc"))
    assert turned.format == "(i, j) -> (j: compressed[nonunique], i: singleton)"


def entries_of(a: sp.Tensor) -> sp.Tensor:
    return sp.Tensor(a._entries())


def test_a_pickle_is_equal() -> None:
    for fmt in FORMATS:
        a = pickle.loads(pickle.dumps(sp.tensor(DENSE, fmt, fill_value=-3)))
        assert a.format == sp.tensor(DENSE, fmt).format and a.fill_value == -3
        assert np.array_equal(a.numpy(), DENSE)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("to", FORMATS)
def test_conversions(fmt: str, to: str) -> None:
    a = sp.tensor(DENSE, fmt, fill_value=0).convert(to)
    a.validate()
    assert np.array_equal(a.numpy(), DENSE)
    assert a.nnz == (12 if to == "dense" else 4)
    by_rows, values = a.convert("coo").coo()
    assert values.tolist() == [1.5, 2, -3, 4]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "uint64", "float16", "float32", "complex128"])
@pytest.mark.parametrize("shape", [(), (5,), (0,), (3, 0), (2, 3), (2, 3, 4), (2, 1, 3, 2)])
def test_numpy_round_trip(dtype: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    a = (rng.integers(0, 3, shape) * (rng.random(shape) < 0.5)).astype(dtype)
    for fmt in ("dense", "coo", "sparse"):
        t = sp.tensor(a, fmt)
        t.validate()
        assert t.dtype == a.dtype and np.array_equal(t.numpy(), a) and t.numpy().shape == a.shape


def test_dense_memory_is_shared() -> None:
    a = DENSE.copy()
    t = sp.tensor(a)
    assert np.shares_memory(t.numpy(), a)
    a[0, 0] = 9
    assert t.numpy()[0, 0] == 9 and np.asarray(t) is not None
    assert sp.tensor(t) is t and np.array_equal(np.from_dlpack(t), a)


def test_big_endian_and_strided_arrays() -> None:
    for a in (DENSE.astype(">f8"), DENSE.T, DENSE[::2, ::-1], np.asfortranarray(DENSE)):
        assert np.array_equal(sp.tensor(a).numpy(), a) and np.array_equal(sp.tensor(a, "csc").numpy(), a)


def test_dlpack_objects() -> None:
    class Other:
        def __dlpack__(self, **options: Any) -> Any:
            return DENSE.__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            return DENSE.__dlpack_device__()

    t = sp.tensor(Other())
    assert np.shares_memory(t.numpy(), DENSE) and np.array_equal(t.numpy(), DENSE)
    assert sp.tensor(Other(), "csr").nnz == 4


def test_lists_and_numbers() -> None:
    assert sp.tensor([[1, 2], [3, 4]]).dtype == np.int64
    assert sp.tensor(2.5).numpy() == 2.5 and sp.tensor(True).dtype == bool
    assert sp.tensor([[0, 2], [1, 0]], format="csr").nnz == 2


def test_fill_values() -> None:
    a = np.array([[np.inf, 1], [2, np.inf]])
    t = sp.tensor(a, "csr", fill_value=np.inf)
    assert t.nnz == 2 and t.fill_value == np.inf and np.array_equal(t.numpy(), a)
    nan = sp.tensor(np.where(np.isinf(a), np.nan, a), "csc", fill_value=float("nan"))
    assert nan.nnz == 2 and np.isnan(nan.fill_value) and np.isnan(nan.numpy()[0, 0])
    assert sp.tensor(t, "csc").fill_value == np.inf and sp.tensor(t, fill_value=np.inf) is t
    assert sp.tensor(ss.eye_array(2, format="csr"), fill_value=5).numpy().tolist() == [[1, 5], [5, 1]]


def test_prune() -> None:
    a = sp.from_coo([[0, 1, 2], [0, 1, 2]], [0.0, 5, -0.0], (3, 3), "csc")
    assert a.nnz == 3 and a.prune().nnz == 1 and a.prune().format == "csc"
    a.prune().validate()
    kept = a.prune()
    assert kept.prune() is kept
    nan = sp.from_coo([[0, 1]], [np.nan, 1], 3, fill_value=np.nan)
    assert nan.prune().coo()[1].tolist() == [1]
    dense = sp.tensor(DENSE)
    assert dense.prune() is dense


def test_astype() -> None:
    a = sp.tensor(DENSE, "csr", fill_value=0)
    b = a.astype("f32")
    assert b.dtype == np.float32 and b.levels is a.levels and a.astype(np.float64, copy=False) is a
    turned = a.astype(np.complex64) * 1j
    for to in ("f64", "i32", "bf16"):
        with pytest.warns(np.exceptions.ComplexWarning, match="discards the imaginary part"):
            assert not turned.astype(to).numpy().any()
    assert turned.astype("bool").numpy().tolist() == (DENSE != 0).tolist()  # keeps them, and does not warn
    parts = sp.compose("lowrank[1] + csr", [np.ones((2, 1)) * 1j, np.ones((1, 2)) * 1j, np.eye(2) * 1j])
    with pytest.raises(sp.TypeError_, match="f64 of a sum or product are not those of its parts"):
        parts.astype("f64")


def test_from_coo_formats() -> None:
    coords, values = np.nonzero(DENSE), DENSE[DENSE != 0]
    assert sp.from_coo(coords, values, (3, 4)).format == "csr"
    for fmt in FORMATS:
        a = sp.from_coo(np.array(coords)[:, ::-1], values[::-1], (3, 4), fmt)
        a.validate()
        assert np.array_equal(a.numpy(), DENSE)
    assert sp.from_coo(np.zeros((3, 0), int), [], (2, 2, 2)).format == "csf"
    assert sp.from_coo([[0, 0], [1, 1]], [1.0, 2], (2, 2), duplicates="last").numpy()[0, 1] == 2


def test_bf16() -> None:
    torch = pytest.importorskip("torch")
    t = torch.tensor([[1.5, 0], [0, -2]], dtype=torch.bfloat16)
    for fmt in ("dense", "csr", "coo"):
        a = sp.tensor(t, fmt)
        assert str(a.storage.dtype) == "bf16" and a.dtype == np.float32 and "bf16" in repr(a)
        assert a.numpy().tolist() == t.tolist() and 1.5 in a.coo()[1]
        assert torch.equal(a.torch().to_dense(), t) and a.torch().dtype == torch.bfloat16
    assert sp.tensor(torch.tensor([1, 0], dtype=torch.bfloat16), "coo", fill_value=1).nnz == 1


def test_tensors_hash_by_identity() -> None:
    a = sp.tensor(DENSE, "csr")
    assert a in {a: 1} and a in [a]


# SciPy

LAYOUTS = ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", ["array", "matrix"])
def test_scipy_in(layout: str, family: str) -> None:
    a = getattr(ss, f"{layout}_{family}")(DENSE)
    t = sp.tensor(a)
    t.validate()
    assert t.format == (layout if layout in ("csr", "csc", "coo") else "csr") and np.array_equal(t.numpy(), DENSE)
    assert np.array_equal(sp.tensor(a, "dcsr").numpy(), DENSE)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_scipy_shares_memory_both_ways(layout: str, index: Any) -> None:
    a = getattr(ss, f"{layout}_array")(DENSE)
    if layout == "coo":
        a.coords = tuple(c.astype(index) for c in a.coords)
        mine = [a.data, *a.coords]
    else:
        a.indices, a.indptr = a.indices.astype(index), a.indptr.astype(index)
        mine = [a.data, a.indices, a.indptr]
    t = sp.tensor(a)
    back = t.scipy()
    others = [back.data, *(back.coords if layout == "coo" else (back.indices, back.indptr))]
    for x, y in zip(mine, others, strict=True):
        assert np.shares_memory(x, y) and any(np.shares_memory(x, b) for b in t.storage.buffers)
    assert back.format == layout and operand_storage(back) is t.storage
    a.data[:] *= 2
    assert np.array_equal(t.numpy(), 2 * DENSE) and np.array_equal(back.toarray(), 2 * DENSE)


@pytest.mark.parametrize("fmt", FORMATS)
def test_scipy_out(fmt: str) -> None:
    out = sp.tensor(DENSE, fmt).scipy()
    assert out.format == (fmt if fmt in ("csr", "csc", "coo") else "csr") and np.array_equal(out.toarray(), DENSE)
    assert isinstance(out, ss.sparray) and out.has_canonical_format


def test_scipy_of_other_orders() -> None:
    for shape in ((5,), (2, 3, 4)):
        a = np.arange(np.prod(shape)).reshape(shape) % 3
        assert np.array_equal(sp.tensor(a, "sparse").scipy().toarray(), a)
        assert np.array_equal(sp.tensor(ss.coo_array(a)).numpy(), a)
    row = ss.csr_array(np.array([0, 2, 0, 3]))
    assert row.ndim == 1 and sp.tensor(row).numpy().tolist() == [0, 2, 0, 3]


def test_scipy_room_beyond_the_entries() -> None:
    a = ss.csr_array((np.ones(5), np.array([0, 1, 0, 7, 9]), np.array([0, 2, 3])), shape=(2, 2))
    assert sp.tensor(a).numpy().tolist() == [[1, 1], [1, 0]] and np.shares_memory(sp.tensor(a).storage.values, a.data)


@pytest.mark.parametrize("layout", ["csr", "csc"])
def test_unsorted_scipy_is_canonical_in_a_copy(layout: str) -> None:
    a = unsorted_csr()
    a = a if layout == "csr" else ss.csc_array((a.data, a.indices, a.indptr), shape=(3, 2))
    s = operand_storage(a)
    assert s is not None
    s.validate()
    assert np.array_equal(sp.tensor(a).numpy(), a.toarray()) and s.nnz == 3
    a.data[0] = 10  # values are read again, the pattern is remembered
    again = operand_storage(a)
    assert again is not None and again.levels is s.levels and np.array_equal(sp.Tensor(again).numpy(), a.toarray())
    a.sort_indices()  # in place
    assert np.array_equal(sp.tensor(a).numpy(), a.toarray())
    a.sum_duplicates()
    assert np.array_equal(sp.tensor(a).numpy(), a.toarray()) and np.shares_memory(sp.tensor(a).storage.values, a.data)


def test_unsorted_coo() -> None:
    a = ss.coo_array((np.array([1.0, 2, 4]), (np.array([1, 0, 1]), np.array([0, 1, 0]))), shape=(2, 2))
    assert sp.tensor(a).numpy().tolist() == [[0, 2], [5, 0]]
    a.data[:] = 1
    assert sp.tensor(a).numpy().tolist() == [[0, 1], [2, 0]]


def test_what_is_known_of_an_object() -> None:
    a = ss.csr_array(DENSE)
    s = operand_storage(a)
    assert operand_storage(a) is s
    a.data = a.data * 2
    assert operand_storage(a) is not s and np.array_equal(sp.tensor(a).numpy(), 2 * DENSE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ss.SparseEfficiencyWarning)
        a[1, 1] = 7
    assert sp.tensor(a).numpy()[1, 1] == 7
    a.resize((3, 9))
    assert sp.tensor(a).shape == (3, 9)
    a.eliminate_zeros()
    assert np.array_equal(sp.tensor(a).numpy(), a.toarray())
    key, before = id(a), len(outside._MEMO)
    assert key in outside._MEMO
    del a, s
    gc.collect()
    assert key not in outside._MEMO and len(outside._MEMO) < before


def test_values_in_foreign_byte_order_are_read_each_time() -> None:
    a = ss.csr_array(DENSE)
    a.data = a.data.astype(">f8")
    assert np.array_equal(sp.tensor(a).numpy(), DENSE)
    a.data[:] = 1
    assert np.array_equal(sp.tensor(a).numpy(), DENSE != 0)


def test_arrays_and_numbers_are_no_storage() -> None:
    for x in (DENSE, 3, 2.5, np.float32(1), [1, 2], None, "text", object()):
        assert operand_storage(x) is None


# torch


@pytest.fixture
def torch() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (.* tensor support is in beta|invariant checks)")
        yield pytest.importorskip("torch")


@pytest.mark.parametrize("layout", ["strided", "coo", "csr", "csc", "bsr", "bsc"])
def test_torch_in(torch: Any, layout: str) -> None:
    dense = torch.tensor(np.pad(DENSE, ((0, 1), (0, 0))))
    t = {
        "strided": lambda: dense, "coo": dense.to_sparse, "csr": dense.to_sparse_csr, "csc": dense.to_sparse_csc,
        "bsr": lambda: dense.to_sparse_bsr((2, 2)), "bsc": lambda: dense.to_sparse_bsc((2, 4)),
    }[layout]()  # fmt: skip
    a = sp.tensor(t)
    a.validate()
    kinds = {"strided": "dense", "bsr": "csr", "bsc": "csc"}
    assert a.format == kinds.get(layout, layout) and np.array_equal(a.numpy(), dense.numpy())
    if layout in ("coo", "csr", "csc"):
        assert a.nnz == 4 and operand_storage(t) is a.storage
        assert a.storage.values.ctypes.data == (t._values() if layout == "coo" else t.values()).data_ptr()
    if layout == "bsr":
        assert a.nnz == 16


@pytest.mark.parametrize("fmt", FORMATS)
def test_torch_out(torch: Any, fmt: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = sp.tensor(DENSE, fmt).torch()
    assert np.array_equal(out.to_dense().numpy(), DENSE)
    layouts = {"dense": "strided", "coo": "sparse_coo", "csc": "sparse_csc"}
    assert str(out.layout) == "torch." + layouts.get(fmt, "sparse_csr")
    assert np.array_equal(sp.tensor(out).numpy(), DENSE)


def test_torch_memory(torch: Any) -> None:
    dense = torch.zeros(2, 3)
    a = sp.tensor(dense)
    dense[0, 1] = 4
    assert a.numpy()[0, 1] == 4 and a.torch().data_ptr() == dense.data_ptr()
    t = torch.tensor(DENSE).to_sparse_csr()
    a = sp.tensor(t)
    t.values().mul_(3)
    assert np.array_equal(a.numpy(), 3 * DENSE) and a.torch().values().data_ptr() == t.values().data_ptr()


def test_torch_changes_in_place_are_seen(torch: Any) -> None:
    t = torch.sparse_coo_tensor(torch.tensor([[0, 0], [1, 1]]), torch.tensor([1.0, 2]), (2, 2))
    assert sp.tensor(t).numpy().tolist() == [[0, 3], [0, 0]]
    t._values().mul_(10)
    assert sp.tensor(t).numpy().tolist() == [[0, 30], [0, 0]]
    c = t.coalesce()
    first = operand_storage(c)
    c.add_(torch.eye(2).to_sparse())
    assert operand_storage(c) is not first and sp.tensor(c).numpy().tolist() == [[1, 30], [0, 1]]


def test_torch_views(torch: Any) -> None:
    x = torch.arange(6.0).reshape(2, 3)
    assert np.array_equal(sp.tensor(x.T).numpy(), x.numpy().T)
    z = torch.tensor([1 + 2j]).conj()
    assert sp.tensor(z).numpy()[0] == 1 - 2j


def test_torch_gradients_are_not_lost(torch: Any) -> None:
    a = sp.tensor(DENSE, "csr")
    x = torch.ones(DENSE.shape[1], dtype=torch.float64, requires_grad=True)
    y = 2 * x
    w = torch.tensor(DENSE).to_sparse_csr()
    sp.tensor(w)  # is remembered
    w.requires_grad_()
    k = sp.compile("kernel f(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }")
    calls: list[Callable[[], Any]] = [
        lambda: sp.tensor(x), lambda: sp.tensor(w), lambda: k(a, x), lambda: k(a, y), lambda: k(w, x.detach()),
        lambda: a @ x, lambda: x + a, lambda: x * a, lambda: np.add(a, y), lambda: np.hypot(y, a), lambda: a.dot(x),
        lambda: sp.evaluate("y[i] = A[i, j] * x[j]", A=a, x=x), lambda: sp.einsum("ij,j->i", w, x.detach()),
        lambda: sp.from_coo(([0],), x[:1], (3,)), lambda: sp.asarray(x),
        lambda: k(a, x.detach(), out=torch.ones(len(DENSE), dtype=torch.float64, requires_grad=True)),
        lambda: sp.full((2, 2), y[0]), lambda: np.concatenate([a, w]), lambda: sp.write("/nowhere.npz", x),
        lambda: sp.compose("lowrank[1] + csr", [w, w, w]), lambda: k.prepare(x=x),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(sp.UnsupportedError, match=r"requires grad would lose its gradient(.|\s)*t\.detach\(\)"):
            call()
    with pytest.raises(sp.TypeError_, match=r"tensors that require gradient(.|\s)*hint: pass it with .detach\(\)"):
        sp.from_dlpack(x)
    plain = w.detach()
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.detach(), x.detach())
        with pytest.raises(sp.UnsupportedError, match="that has a tangent would lose its tangent"):
            k(a, dual)
        with pytest.raises(sp.UnsupportedError, match="that has a tangent would lose its tangent"):
            k(plain, dual)
        for sparse in (plain, plain.to_sparse_coo(), plain.to_sparse_csc()):
            assert np.array_equal(sp.tensor(sparse).numpy(), DENSE)
            assert np.array_equal(k(sparse, x.detach()), DENSE.sum(1))
    for sparse in (plain, plain.to_sparse_coo(), plain.to_sparse_csr()):
        with pytest.raises(sp.UnsupportedError, match="vmap, jvp and their like do not go through sparsec yet"):
            torch.func.jvp(lambda x, a=sparse: torch.as_tensor(k(a, x)), (x.detach(),), (x.detach(),))
    with pytest.raises(sp.UnsupportedError, match="vmap, jvp and their like do not go through sparsec yet"):
        torch.func.vmap(lambda x: k(a, x))(torch.ones((2, DENSE.shape[1]), dtype=torch.float64))
    with torch.no_grad():
        assert np.array_equal(k(w, x), DENSE.sum(1)) and np.array_equal(a @ y, 2 * DENSE.sum(1))
        assert sp.tensor(w).format == "csr" and torch.equal(sp.tensor(x).torch(), x)


def test_torch_batches(torch: Any) -> None:
    t = torch.tensor(np.stack([np.eye(3), np.eye(3)[::-1].copy()])).to_sparse_csr()
    a = sp.tensor(t)
    a.validate()
    assert a.format == "csr" and np.array_equal(a.numpy(), t.to_dense().numpy())


def test_torch_unsorted_batches(torch: Any) -> None:
    t = torch.sparse_csr_tensor(
        torch.tensor([[0, 2, 3], [0, 1, 3]]), torch.tensor([[2, 0, 1], [1, 2, 0]]),
        torch.tensor([[1.0, 2, 3], [4, 5, 6]]), size=(2, 2, 3), check_invariants=False,
    )  # fmt: skip
    assert sp.tensor(t).numpy().tolist() == [[[2, 0, 1], [0, 3, 0]], [[0, 4, 0], [6, 0, 5]]]


def test_torch_blocks_of_which_there_is_room_for_more(torch: Any) -> None:
    t = torch.sparse_bsr_tensor([0, 1, 1], [0, 1], torch.ones(2, 2, 2), size=(4, 4), check_invariants=False)
    assert sp.tensor(t).numpy().sum() == 4


def test_torch_unsorted_csr(torch: Any) -> None:
    t = torch.sparse_csr_tensor([0, 2, 3], [2, 0, 1], [1.0, 2, 3], size=(2, 3), check_invariants=False)
    a = sp.tensor(t)
    a.validate()
    assert a.numpy().tolist() == [[2, 0, 1], [0, 3, 0]]


def test_a_tensor_over_arrays_that_lie_is_refused() -> None:
    s = sp.tensor(np.eye(4), "csr").astype("bf16").storage
    for values in (s.values[:1], s.values.astype(np.float16), np.repeat(s.values, 2)[::2]):
        with pytest.raises(sp.FormatError, match="tensor: "):
            sp.Tensor(replace(s, values=values))
    assert sp.Tensor(s).nnz == 4


def test_the_coordinates_of_a_scalar_have_no_row() -> None:
    for s in (sp.tensor(3.0), sp.from_coo(np.zeros((0, 1), int), [3.0], ())):
        coords, values = s.coo()
        assert coords.shape == (0, 1) and values.tolist() == [3.0]
