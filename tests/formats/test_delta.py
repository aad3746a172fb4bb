"""``compressed[index=delta8]``: a byte a coordinate, an escape for long steps; walked, never searched."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import sparsec as sp
from sparsec.formats.delta import Delta8, decode
from sparsec.formats.level import make_level
from sparsec.ir.dtypes import I64
from sparsec.ir.text import Cursor, format_text

FORMAT = "(i, j) -> (i: dense, j: compressed[index=delta8])"


def matrix(rows: int = 5, columns: int = 3000, density: float = 0.01) -> np.ndarray:
    rng = np.random.default_rng(3)
    a = np.where(rng.random((rows, columns)) < density, rng.integers(1, 9, (rows, columns)), 0).astype(float)
    a[2] = 0
    return a


def delta(a: np.ndarray | None = None) -> sp.Tensor:
    return sp.tensor(matrix() if a is None else a, format=FORMAT)


def test_what_is_stored() -> None:
    a = np.zeros((2, 1000))
    a[0, [0, 254, 509, 510]] = 1, 2, 3, 4
    a[1, 700] = 5
    A = delta(a)
    level = A.levels[1]
    assert level["pos"].tolist() == [0, 4, 5]
    assert level["step"].tolist() == [0, 254, 255, 1, 255]
    assert level["skip"].tolist() == [0, 1, 2] and level["crd"].tolist() == [509, 700]
    assert (A.nnz, A.format) == (5, FORMAT)
    assert decode(level["pos"], level["step"], level["crd"]).tolist() == [0, 254, 509, 510, 700]
    A.validate()
    assert A.numpy().tolist() == a.tolist()


def test_it_is_smaller() -> None:
    a = matrix(200, 2000, 0.05)
    assert delta(a).nbytes < 0.8 * sp.tensor(a, format="csr").nbytes


def test_there_and_back() -> None:
    A = delta()
    assert A.convert("csr").numpy().tolist() == A.convert("dcsc").numpy().tolist() == matrix().tolist()
    assert pickle.loads(pickle.dumps(A)).coo()[0].tolist() == np.argwhere(matrix()).T.tolist()


def test_texts() -> None:
    fmt = Cursor(FORMAT).format(2)
    assert str(fmt) == FORMAT and Cursor(format_text(fmt.concrete())).format(2) == fmt.concrete()
    assert make_level("compressed", (), {"index": "delta8", "wide": "i64"}) == Delta8(wide=I64)
    with pytest.raises(sp.FormatError, match="has no option 'nonunique'"):
        make_level("compressed", ("nonunique",), {"index": "delta8"})


@pytest.mark.parametrize("op", ["+", "*", "-"])
@pytest.mark.parametrize("other", ["csr", FORMAT, "hash", "dense"])
def test_with_another(op: str, other: str) -> None:
    b = np.roll(matrix(), 1, axis=1) + matrix()
    k = sp.compile(
        f"kernel f(A: f64[m, n] {FORMAT}, B: f64[m, n] {other}) -> C: f64[m, n] {FORMAT} "
        f"{{ C[i, j] = A[i, j] {op} B[i, j] }}"
    )
    text = k.ir("buffer")
    assert "search A" not in text
    C = k(delta(), sp.tensor(b, format=other))
    C.validate()
    a = matrix()
    assert C.numpy().tolist() == {"+": a + b, "*": a * b, "-": a - b}[op].tolist()


def test_where_a_coordinate_is_known_it_is_walked_to() -> None:
    a = matrix(5, 5, 0.5)
    k = sp.compile(f"kernel f(A: f64[n, n] {FORMAT}) -> d: f64[n] {{ d[i] = A[i, i] }}")
    assert "scan A.1" in k.ir("buffer") and k(delta(a)).tolist() == np.diag(a).tolist()
    made = sp.evaluate("C[i, j] = scan[j, reverse](A[i, j])", A=delta(a))
    assert np.asarray(made).tolist() == np.cumsum(a[:, ::-1], 1)[:, ::-1].tolist()
    y = sp.evaluate("y[i] = sum[j](A[i, j] where j >= i)", A=delta(a))
    assert y.tolist() == np.triu(a).sum(1).tolist()


LIES = [
    ("pos", [0, 3], "pos has shape"),
    ("skip", [0, 2, 2], "parent 0 has 1 steps of 255, skip says 2"),
    ("step", [0, 0, 255, 1, 255], "coordinate 0 at position 1 does not come after the one before"),
    ("crd", [100, 700], "coordinate 100 at position 2 does not come after the one before"),
    ("crd", [509, 1700], "coordinate 1700 at position 4 is outside"),
]


@pytest.mark.parametrize(("role", "array", "text"), LIES)
def test_arrays_that_lie(role: str, array: list[int], text: str) -> None:
    a = np.zeros((2, 1000))
    a[0, [0, 254, 509, 510]] = 1
    a[1, 700] = 5
    A = delta(a)
    A.levels[1][role] = np.array(array, A.levels[1][role].dtype)  # type: ignore[index]
    with pytest.raises(sp.FormatError, match=f"level 1 .j: compressed.: {text}"):
        A.validate()


@pytest.mark.parametrize("fmt", [
    "(i, j) -> (j-i: compressed, i: compressed[index=delta8])",
    "(i, j) -> (j/3: compressed[index=delta8], i: dense, j%3: dense)",
    "(i, j) -> (i/4: dense, j: compressed[index=delta8], i%4: dense)",
])  # fmt: skip
def test_narrow_steps_beside_parts_of_dimensions(fmt: str) -> None:
    a = np.zeros((5, 900))
    a[[0, 1, 1, 4], [3, 0, 800, 899]] = 1, 2, 3, 4
    narrow, plain = sp.tensor(a).convert(fmt), sp.tensor(a).convert(fmt.replace("[index=delta8]", ""))
    assert narrow.nnz == plain.nnz and "stored" in repr(narrow)
    assert ((narrow + narrow).numpy() == 2 * a).all() and (narrow.max(axis=1) == a.max(1)).all()
