"""Other libraries, notebooks and processes."""

from __future__ import annotations

import inspect
import multiprocessing
import pickle
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.sparse as ss

import sparsec as sp
from sparsec import operators
from tests.support.arrays import same, sparse

D = np.array([[0, 2.0, 0, -1], [0, 0, 0, 0], [3, 0, 0.5, 2]])


# pydata/sparse: what its classes look like


@dataclass
class COO:
    coords: Any
    data: Any
    shape: Any
    fill_value: Any = 0.0
    has_duplicates: bool = True
    sorted: bool = False

    def __post_init__(self) -> None:
        self.coords = np.asarray(self.coords)

    def __matmul__(self, other: Any) -> Any:
        try:
            return other._numba_type_  # as numba does with what it does not know
        except NotImplementedError:
            return NotImplemented


@dataclass
class GCXS:
    args: Any
    shape: Any
    compressed_axes: Any
    fill_value: Any = 0.0

    def __post_init__(self) -> None:
        self.data, self.indices, self.indptr = self.args

    def tocoo(self) -> COO:
        rows = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))
        return COO(np.stack([rows, self.indices]), self.data, self.shape, self.fill_value)


class DOK:
    def __init__(self, coo: COO) -> None:
        self.coo, self.shape, self.fill_value = coo, coo.shape, coo.fill_value

    def to_coo(self) -> COO:
        return self.coo


@pytest.fixture
def pydata(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = ModuleType("sparse")
    for cls in (COO, GCXS, DOK):
        named = type(cls.__name__, (cls,), {"__module__": "sparse.numba_backend", "__hash__": object.__hash__})
        setattr(module, cls.__name__, named)
    monkeypatch.setitem(sys.modules, "sparse", module)
    return module


def test_pydata_in(pydata: Any) -> None:
    coords = np.array([[2, 0, 0], [0, 3, 1]])
    values = np.array([3.0, -1, 2])
    want = np.zeros((3, 4))
    want[tuple(coords)] = values
    coo = pydata.COO(coords, values, (3, 4))
    same(sp.tensor(coo), want)
    same(sp.tensor(pydata.DOK(coo)), want)
    assert sp.tensor(coo).format == "coo" and sp.tensor(coo, "csc").format == "csc"
    same(sparse(D) + coo, D + want)
    same(sp.evaluate("y[i] = A[i, j] * x[j]", A=coo, x=np.ones(4)), want.sum(1))
    filled = pydata.COO(coords, values, (3, 4), fill_value=np.float64(7))
    assert sp.tensor(filled).fill_value == 7 and sp.tensor(filled).numpy()[1, 1] == 7
    same(coo @ sparse(D).T, want @ D.T)
    with pytest.raises(sp.UnsupportedError, match=r"numba cannot compute with a Tensor(.|\s)*sp.tensor\(S\)"):
        _ = sparse(D)._numba_type_
    scalar = pydata.COO(np.zeros((0, 1), int), np.array([4.0]), ())
    assert sp.tensor(scalar).item() == 4


def test_pydata_shares_memory(pydata: Any) -> None:
    a = sparse(D)
    for fmt in ("csr", "csc"):
        out = a.convert(fmt).pydata()
        assert out.compressed_axes == ((0,) if fmt == "csr" else (1,))
        back = sp.tensor(out)
        assert back.format == fmt and np.shares_memory(back.storage.values, out.data)
        same(back, D)
    out = (a + 1).convert("coo").pydata()
    assert type(out).__name__ == "COO" and out.fill_value == 1 and out.sorted and not out.has_duplicates
    same(sp.tensor(out), D + 1)


def test_pydata_says_its_fill(pydata: Any) -> None:
    filled = pydata.COO([[0], [0]], np.array([1.0]), (2, 2), fill_value=7.0)
    k = sp.compile("kernel f(A: f64[m, n] coo) -> y: f64[m] { y[i] = A[i, j] }")
    with pytest.raises(sp.FormatError, match="has fill value 7.0, the program declares 0.0"):
        k(filled)
    with pytest.raises(sp.FormatError, match="fill value 7.0, not 1.0"):
        sp.tensor(filled, fill_value=1)
    with pytest.raises(sp.FormatError, match="coords"):
        sp.tensor(pydata.COO([[0, 1], [0, 0]], np.array([1.0]), (2, 2)))


def test_without_pydata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sparse", None)
    with pytest.raises(sp.UnsupportedError, match="not installed"):
        sparse(D).pydata()


# SciPy


@pytest.mark.parametrize("layout", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_scipy_both_ways(layout: str, kind: str) -> None:
    made = getattr(ss, f"{layout}_{kind}")(D)
    same(sp.tensor(made), D)
    same(sp.tensor(made).T @ made, D.T @ D)
    same(sp.tensor(made).scipy().toarray(), D)


@pytest.mark.parametrize(("theirs", "ours"), sorted(operators._ELSEWHERE.items()))
def test_attributes_of_others_are_told_in_ours(theirs: str, ours: str) -> None:
    a = sparse(np.triu(np.ones((4, 4))))
    assert not hasattr(a, theirs)
    with pytest.raises(AttributeError, match=re.escape(f"a Tensor has no attribute '{theirs}': write A.{ours}")):
        getattr(a, theirs)
    assert eval(f"A.{ours}", {"A": a, "B": a}) is not None
    with pytest.raises(AttributeError, match="has no attribute 'shap'$"):
        _ = a.shap


@pytest.mark.parametrize("fmt", ["csr", "csc", "coo", "dcsr", "dense", "bsr[2, 2]", "dia"])
@pytest.mark.parametrize("theirs", sorted(operators._ARRAYS))
def test_arrays_of_others_are_told_in_each_format(theirs: str, fmt: str) -> None:
    a = sparse(np.triu(np.ones((4, 4))), fmt)
    with pytest.raises(AttributeError, match=f"a Tensor has no attribute '{theirs}': write A") as e:
        getattr(a, theirs)
    assert isinstance(eval(str(e.value).partition("write ")[2], {"A": a}), np.ndarray)
    with pytest.raises(AttributeError, match=r"write A\.coo\(\)\[0\]$"):
        getattr(sparse(np.ones(3), "sparse"), theirs)


def test_members_can_be_listed() -> None:
    names = {name for name, _ in inspect.getmembers(sparse(D))}
    assert {"T", "nnz", "sum"} <= names and "_numba_type_" not in names


def test_a_number_is_formatted_as_one() -> None:
    assert f"{sp.tensor(2.5):.2f}" == "2.50" and f"{sparse(D)}" == repr(sparse(D))
    with pytest.raises(sp.TypeError_, match=r"a tensor is not formatted by '\.2f'"):
        format(sparse(D), ".2f")


# torch


def test_torch_beside_a_tensor() -> None:
    torch = pytest.importorskip("torch")
    a, x = sparse(D), torch.arange(4.0, dtype=torch.float64)
    for got, want in (
        (a @ x, D @ x.numpy()), (a + x, D + x.numpy()), (x + a, D + x.numpy()), (x[:3] @ a, x[:3].numpy() @ D),
    ):  # fmt: skip
        assert isinstance(got, torch.Tensor)
        same(got.numpy(), want)
    assert isinstance(a * x, sp.Tensor) and isinstance(a + x.to_sparse(), sp.Tensor | torch.Tensor)


# notebooks


def svg(tensor: sp.Tensor) -> Any:
    text = tensor._repr_html_()
    return ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])


def test_pictures() -> None:
    a = sparse(D)
    text = a._repr_html_()
    assert "3 × 4" in text and "csr" in text and "41.7 %" in text
    image = svg(a)
    (path,) = list(image)
    assert path.get("d") == "M1 0h1v1h-1zM3 0h1v1h-1zM0 2h1v1h-1zM2 2h2v1h-2z" and image.get("viewBox") == "0 0 4 3"
    shades = list(svg(sp.random((5000, 300), 0.01, rng=0) + sp.eye(5000, 300)))
    assert 1 < len(shades) <= 4
    for other in (sp.eye(10**6), sp.zeros((3, 0)), sp.zeros((0, 0)), sp.zeros(5), sp.random((3, 4, 5), 0.5, rng=0)):
        svg(other)
        assert len(other._repr_html_()) < 20_000
    assert "<svg" not in sp.tensor(D)._repr_html_() and "scalar" in sp.tensor(1.0)._repr_html_()


# processes


def _total(shared: Any) -> float:
    a = shared.tensor()
    total = float(a.sum())
    a.storage.values[0] = 100
    return total


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_processes_share_memory(how: str) -> None:
    with sp.share(sparse(D)) as shared:
        mine = shared.tensor()
        assert len(pickle.dumps(shared)) < 1500
        with multiprocessing.get_context(how).Pool(1) as pool:
            assert pool.apply(_total, (shared,)) == D.sum()
        assert mine.storage.values[0] == 100
        with pytest.raises(ValueError, match="read-only"):
            mine.levels[1]["crd"][0] = 9
    assert mine.sum() == D.sum() + 98
    with pytest.raises(sp.BackendError, match="has been removed"):
        shared.tensor()


@pytest.mark.parametrize(
    "make", [lambda: sp.zeros((2, 3)), lambda: sp.tensor(D), lambda: sp.tensor(2.5), lambda: sp.eye(3) + 1]
)
def test_everything_can_be_shared(make: Any) -> None:
    a = make()
    with sp.share(a) as shared:
        b = shared.tensor()
        same(b, a.numpy())
        assert (b.format, b.fill_value) == (a.format, a.fill_value)


def test_blocks_go_with_their_process(tmp_path: Path) -> None:
    code = "import sparsec as sp; print(sp.share(sp.eye(3)).path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).exists()


def test_pickles_keep_everything() -> None:
    a = pickle.loads(pickle.dumps(sparse(D) + 1))
    assert a.fill_value == 1 and a.format == "csr"
    same(a @ np.ones(4), (D + 1).sum(1))


# formats


@pytest.mark.parametrize("fmt", ["bitmap", "ell[4]", "hash", "rle"])
def test_every_format_is_a_citizen(fmt: str) -> None:
    a = sp.tensor(D, fmt)
    x = np.arange(4.0)
    for got, want in (
        (a @ x, D @ x), (a + 1, D + 1), ((a + 1).sum(), (D + 1).sum()), ((a + 1).sum(1), (D + 1).sum(1)),
        (a.max(0), D.max(0)), (a.T, D.T), (a[1:, ::2], D[1:, ::2]), (np.hypot(a, a), np.hypot(D, D)),
        (np.concatenate([a, a]), np.concatenate([D, D])), (a.mean(1), D.mean(1)),
    ):  # fmt: skip
        same(got, want, exact=False)
    same(np.stack(a.nonzero()), np.stack(D.nonzero()))
    assert (a * 2).format == a.format and (a * 2).nnz == a.nnz and (a + a).fill_value == 0


def test_the_arrays_of_a_tensor_are_not_exchanged() -> None:
    with pytest.raises(AttributeError):
        sp.tensor(D, "csr").storage = sp.tensor(D, "csc").storage  # type: ignore[misc]
