"""Affine indices and indices read from data, in every kind of format, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp

VECTORS = ["dense", "csf", "hash1", "rle"]
MATRICES = [
    "dense", "csr", "csc", "coo", "dcsr", "bsr[2, 3]", "csb[3, 2]", "dia", "bitmap", "ell[8]", "nm[4, 4]",
    "hash", "rle",
]  # fmt: skip
MAPS = {
    "hash1": "(i) -> (i: hashed)",
    "nested": "(i, j) -> (i/4: dense, j/4: compressed, i%4/2: dense, j/2%2: compressed, i%2: dense, j%2: dense)",
    "block diagonals": "(i, j) -> (j/2-i/2: compressed, i/2: dense, i%2: dense, j%2: dense)",
}


def vector(fmt: str, n: int = 11) -> tuple[sp.Tensor, np.ndarray]:
    rng = np.random.default_rng(n)
    x = rng.integers(-4, 5, n) * (rng.random(n) < 0.6) * 1.0
    return sp.tensor(x, format=MAPS.get(fmt, fmt)), x


def matrix(fmt: str, m: int = 6, n: int = 7) -> tuple[sp.Tensor, np.ndarray]:
    rng = np.random.default_rng(m * n)
    a = rng.integers(-4, 5, (m, n)) * (rng.random((m, n)) < 0.4) * 1.0
    return sp.tensor(a, format=MAPS.get(fmt, fmt)), a


@pytest.mark.parametrize("fmt", ["dense", "csr", "coo"])
def test_an_index_plus_nothing_may_lie_outside_too(fmt: str) -> None:
    """``A[i + 0, j]`` is read past its end: it is not the ``A[i, j]`` that would have to fit."""
    (a, x), (b, y), (c, z) = matrix(fmt, 2, 4), matrix("dcsr", 3, 4), matrix("csr", 4, 4)
    got = sp.evaluate("X[i, j]: dcsr = A[i + 0, j] + B[i - 2, j] + C[1 * i - 5, j]", A=a, B=b, C=c, sizes={"i": 9})
    assert plain(got).tolist() == np.vstack([x, y, z]).tolist()


def plain(result: object) -> np.ndarray:
    return result.numpy() if isinstance(result, sp.Tensor) else np.asarray(result)


@pytest.mark.parametrize("fmt", VECTORS)
def test_windows_and_strides(fmt: str) -> None:
    x, dense = vector(fmt)
    w, padded = np.array([1.0, 2.0, 3.0]), np.concatenate([[0.0], dense, [0.0]])
    y = sp.evaluate("y[i] = z[i] + sum[r](x[i + r - 1] * w[r])", x=x, w=w, z=np.zeros(11))
    assert plain(y).tolist() == [float(padded[i : i + 3] @ w) for i in range(11)]
    y = sp.evaluate("y[i] = z[i] + x[2*i + 1]", x=x, z=np.zeros(8))
    assert plain(y).tolist() == np.concatenate([dense, np.zeros(7)])[1:17:2].tolist()
    y = sp.evaluate("y[i] = z[i] + x[10 - i]", x=x, z=np.zeros(11))
    assert plain(y).tolist() == dense[::-1].tolist()


@pytest.mark.parametrize("fmt", VECTORS)
def test_reads_at_places_from_data(fmt: str) -> None:
    x, dense = vector(fmt)
    at = np.array([3, 1, 1, 10, 0])
    assert plain(sp.evaluate("y[i] = x[at[i]]", x=x, at=at)).tolist() == dense[at].tolist()
    few = sp.tensor(np.array([0, 2, 0, 5]), format="csf")
    assert plain(sp.evaluate("y[i] = x[at[i]]", x=x, at=few)).tolist() == dense[[0, 2, 0, 5]].tolist()
    for wrong in ([3, -1], [11, 0]):
        with pytest.raises(sp.SparsecError, match="outside"):
            sp.evaluate("y[i] = x[at[i]]", x=x, at=np.array(wrong))


@pytest.mark.parametrize("fmt", [*MATRICES, *(m for m in MAPS if m != "hash1")])
def test_matrices(fmt: str) -> None:
    a, dense = matrix(fmt)
    kernel, padded = np.arange(9.0).reshape(3, 3), np.pad(dense, 1)
    got = sp.evaluate("C[i, j] = Z[i, j] + sum[r, s](A[i + r - 1, j + s - 1] * K[r, s])", A=a, K=kernel, Z=0 * dense)
    want = [[float((padded[i : i + 3, j : j + 3] * kernel).sum()) for j in range(7)] for i in range(6)]
    assert plain(got).tolist() == want
    rows = np.array([5, 0, 0, 3])
    assert plain(sp.evaluate("C[i, j] = A[rows[i], j]", A=a, rows=rows)).tolist() == dense[rows].tolist()
    assert plain(sp.evaluate("y[i] = A[i, i + 1] * v[i]", A=a, v=np.ones(6))).tolist() == np.diagonal(dense, 1).tolist()


def test_nothing_outside_is_touched_in_empty_tensors() -> None:
    y = sp.evaluate("y[i] = z[i] + x[i + 1]", x=sp.tensor(np.zeros(0), format="csf"), z=np.ones(3))
    assert plain(y).tolist() == [1.0, 1.0, 1.0]
    y = sp.evaluate("y[i] = z[i] + x[i - 1]", x=np.zeros(0), z=np.ones(3))
    assert plain(y).tolist() == [1.0, 1.0, 1.0]


def test_a_number_outside_is_an_error_once_the_extent_is_known() -> None:
    last = sp.compile("kernel f(x: f64[n]) -> z: f64 { z = x[2] }")
    assert last(np.arange(3.0)) == 2
    for n in (0, 2):
        with pytest.raises(sp.ShapeError, match="the index 2 is outside 'x'") as e:
            last(np.zeros(n))
        assert e.value.hint == f"its dimension 1 is {n} here" and e.value.span is not None


@pytest.mark.parametrize("index", ["i * 4611686018427387904", "i * 65536 * 65536", "4294967296 * i", "i + 5000000000"])
def test_an_index_that_could_pass_64_bits_is_refused(index: str) -> None:
    for text in (f"y[i] = x[{index}]", f"y[{index}] = x[i]"):
        with pytest.raises(sp.ShapeError, match="could pass 64 bits"):
            sp.compile(f"kernel f(x: f64[n]) -> y: f64[m] {{ {text} }}")(np.ones(3), sizes={"m": 3})


@pytest.mark.parametrize("dtype", ["u8", "i8", "u16", "i32", "u32", "i64", "u64"])
@pytest.mark.parametrize(
    ("index", "at"), [("at[i] * 2", [1, 100]), ("200 - at[i]", [100, 3]), ("at[i] * 300 - 299", [1])]
)
def test_indices_are_computed_in_64_bits_whatever_is_read(dtype: str, index: str, at: list[int]) -> None:
    read = np.array(at, sp.tensor(np.zeros(1)).astype(dtype).numpy().dtype)
    want = [eval(index.replace("at[i]", str(a))) for a in at]
    x, text = np.arange(1.0, 302.0), f"kernel f(x: f64[n], at: {dtype}[m], w: f64[m]) -> y: f64[m], z: f64[n]"
    y, z = sp.compile(f"{text} {{ y[i] = x[{index}]; z[{index}] += w[i] }}")(x, read, np.ones(len(at)))
    assert y.tolist() == x[want].tolist() and np.flatnonzero(z).tolist() == sorted(want)


@pytest.mark.parametrize(
    ("dtype", "index", "at", "value"),
    [
        ("i64", "at[i] * 4", 2**62 + 1, 2**64 + 4), ("i64", "at[i] * -4 + 1", 2**62, 1 - 2**64),
        ("i64", "at[i] + at[i] + 2", 2**63 - 1, 2**64), ("i64", "at[i] * at[i]", 2**32, 2**64),
        ("i64", "2 - at[i]", -(2**63), 2**63 + 2), ("u64", "at[i]", 2**64 - 3, 2**64 - 3),
        ("u64", "at[i] + 5", 2**64 - 3, 2**64 + 2), ("u8", "at[i] * 2", 130, 260),
        ("i32", "at[i] * at[i] * at[i]", 2**30, 2**90),
    ],
)  # fmt: skip
def test_an_index_past_64_bits_lies_outside(dtype: str, index: str, at: int, value: int) -> None:
    """What it wraps to may well lie inside."""
    read = np.array([1, at], sp.tensor(np.zeros(1)).astype(dtype).numpy().dtype)
    head = f"at: {dtype}[m], x: f64[n], w: f64[m]"
    reads = f"-> y: f64[m] {{ y[i] = x[{index} + 3] }}", f"-> y: f64 {{ y = sum[i](x[{index} + 3] * w[i]) }}"
    writes = f"-> y: f64[n] {{ y[{index} + 3] += w[i] }}", f"-> y: f64[n] csf {{ y[{index} + 3] = w[i] }}"
    for text in (*reads, *writes):
        with pytest.raises(sp.ShapeError, match="outside of dimension 1 of '[xy]'") as e:
            sp.compile(f"kernel f({head}) {text}")(read, np.ones(20), np.ones(2))
        assert f"made of 'at' at i = 1 is {value + 3}," in str(e.value)


def test_indices_of_indices_are_checked_from_the_inside() -> None:
    with pytest.raises(sp.ShapeError, match=r"b\[1\] is 1099511627776"):
        sp.evaluate("y[i] = x[a[b[i]]]", x=np.ones(3), a=np.array([0, 1]), b=np.array([0, 2**40]))
