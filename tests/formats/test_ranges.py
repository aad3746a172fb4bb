"""``range``: bands, triangles and blocks of bands; what is stored, what is refused, and where loops run."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import UnsupportedError
from sparsec.formats.linear import Bound
from sparsec.frontends.dsl import parse_format
from sparsec.ir.text import Cursor, format_text
from tests.support.stages import agree
from tests.support.windows import holds

LOWER, UPPER = "(i, j) -> (i: dense, j: range[0, i+1])", "(i, j) -> (i: dense, j: range[i, inf])"
FORMATS = {
    "band": "band[1, 2]",
    "diagonal": "band[0, 0]",
    "lower": LOWER,
    "upper": UPPER,
    "strictly lower": "(i, j) -> (i: dense, j: range[0, i])",
    "from a column on": "(i, j) -> (i: dense, j: range[2, inf])",
    "between columns": "(i, j) -> (i: dense, j: range[1, 3])",
    "trapezoid": "(i, j) -> (i: dense, j: range[2, i+3])",
    "to a column": "(i, j) -> (i: dense, j: range[i-1, 4])",
    "by columns": "(i, j) -> (j: dense, i: range[j, inf])",
    "across": "(i, j) -> (i: dense, j: range[3-i, 6-i])",
    "corner": "(i, j) -> (i: dense, j: range[0, 5-i])",
    "stored rows": "(i, j) -> (i: compressed, j: range[i-1, i+2])",
    "blocks": "(i, j) -> (i/2: dense, j/2: range[i/2, i/2+2], i%2: dense, j%2: dense)",
}


def held(text: str, m: int, n: int, seed: int = 1) -> np.ndarray:
    """Numbers wherever the format holds some."""
    fmt = parse_format(text, 2)
    assert fmt is not None
    return np.where(holds(fmt, (m, n)), np.random.default_rng(seed).integers(1, 9, (m, n)), 0) * 1.0


def dense(result: object) -> np.ndarray:
    return result.numpy() if isinstance(result, sp.Tensor) else np.asarray(result)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_stored(name: str) -> None:
    for m, n in [(6, 6), (7, 4), (3, 8), (1, 1), (0, 3)]:
        d = held(FORMATS[name], m, n)
        a = sp.tensor(d, format=FORMATS[name])
        a.validate()
        assert dense(a.convert("csr")).tolist() == d.tolist()
        assert dense(sp.tensor(d, format="csc").convert(FORMATS[name])).tolist() == d.tolist()
        assert a.nnz == a.coo()[1].size or name == "blocks"  # which counts their padding, as in bsr


def test_places() -> None:
    d = np.arange(1.0, 10).reshape(3, 3)
    assert sp.tensor(np.tril(d), format=LOWER).storage.values.tolist() == [1, 4, 5, 7, 8, 9]
    assert sp.tensor(np.triu(d), format=UPPER).storage.values.tolist() == [1, 2, 3, 5, 6, 9]
    band = np.triu(np.tril(d, 1), -1)
    assert sp.tensor(band, format="band[1, 1]").storage.values.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 0]


@pytest.mark.parametrize("name", FORMATS)
def test_in_programs(name: str) -> None:
    rng = np.random.default_rng(3)
    m, n = 5, 7
    d = held(FORMATS[name], m, n)
    e = rng.integers(1, 9, (m, n)) * (rng.random((m, n)) < 0.4) * 1.0
    a, b = sp.tensor(d, format=FORMATS[name]), sp.tensor(e, format="csr")
    x, z = np.arange(n) + 1.0, np.arange(m) + 1.0
    assert sp.evaluate("y[i] = A[i, j] * x[j]", A=a, x=x).tolist() == (d @ x).tolist()
    assert sp.evaluate("y[j] = A[i, j] * x[i]", A=a, x=z).tolist() == (z @ d).tolist()
    assert dense(sp.evaluate("C[i, j] = A[i, j] + B[i, j]", A=a, B=b)).tolist() == (d + e).tolist()
    assert dense(sp.evaluate("C[i, j] = A[i, j] * B[i, j]", A=a, B=b)).tolist() == (d * e).tolist()
    assert dense(sp.evaluate("C[i, k] = A[i, j] * B[k, j]", A=a, B=b)).tolist() == (d @ e.T).tolist()
    assert sp.evaluate("C[i, j]: dense = A[i, j] + D[i, j]", A=a, D=e).tolist() == (d + e).tolist()
    assert sp.evaluate("m[i] = max[j](A[i, j])", A=a).tolist() == d.max(1).tolist()


@pytest.mark.parametrize(
    ("name", "other"),
    [("band", "lower"), ("upper", "upper"), ("by columns", "across"), ("corner", "stored rows"), ("band", "blocks")],
)
def test_two_of_them(name: str, other: str) -> None:
    n = 6
    d, e = held(FORMATS[name], n, n), held(FORMATS[other], n, n, 2)
    a, b = sp.tensor(d, format=FORMATS[name]), sp.tensor(e, format=FORMATS[other])
    wanted = {
        "C[i, j] = A[i, j] + B[i, j]": d + e,
        "C[i, j] = A[i, j] * B[i, j]": d * e,
        "C[i, j] = A[i, j] + B[j, i]": d + e.T,
        "C[i, k] = A[i, j] * B[j, k]": d @ e,
        f"C[i, j]: {FORMATS[name]} = 2 * A[i, j] - A[i, j] * B[i, j]": 2 * d - d * e,
    }
    for statement, want in wanted.items():
        assert dense(sp.evaluate(statement, A=a, B=b)).tolist() == want.tolist(), statement


def test_a_product_of_bands_is_a_wider_band() -> None:
    d, e = held("band[1, 0]", 7, 7), held("band[0, 2]", 7, 7)
    k = sp.compile(
        "kernel f(A: f64[m, k] band[1, 0], B: f64[k, n] band[0, 2]) -> C: f64[m, n] band[1, 2] "
        "{ C[i, j] = A[i, k] * B[k, j] }"
    )
    assert k(sp.tensor(d), sp.tensor(e)).numpy().tolist() == (d @ e).tolist()


def test_loops_run_where_the_window_is() -> None:
    k = sp.compile("kernel f(A: f64[m, n] band[1, 1], x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }")
    text = k.ir("buffer")
    assert "max(0:i64, add(-1:i64, i))" in text and "min(dim_n, add(2:i64, i))" in text
    assert " if " not in text  # nobody asks whether an entry is there


def test_triangles_meet_at_the_diagonal() -> None:
    k = sp.compile(f"kernel f(L: f64[n, n] {LOWER}, U: f64[n, n] {UPPER}) -> d: f64[n] {{ d[i] = L[i, j] * U[i, j] }}")
    text = k.ir("buffer")
    assert text.count("for j") == 1 and "lo: i64 = max(0:i64, i)" in text and "min(dim_n, add(1:i64, i))" in text


def test_a_union_is_parted_and_nothing_is_outside() -> None:
    k = sp.compile(
        "kernel f(A: f64[n, n] band[1, 1], B: f64[n, n] band[2, 0]) -> C: f64[n, n] band[2, 1] "
        "{ C[i, j] = A[i, j] + B[i, j] }"
    )
    text = k.ir("buffer")
    assert text.count("for j") == 3 and " if " not in text.split("parallel")[1]


def test_a_transposed_band_needs_no_copy() -> None:
    k = sp.compile("kernel f(A: f64[n, n] band[1, 2], x: f64[n]) -> y: f64[n] { y[i] = (A[i, j] + A[j, i]) * x[j] }")
    assert "converted" not in k.explain()
    d, x = held("band[1, 2]", 6, 6), np.arange(6.0)
    assert k(sp.tensor(d), x).tolist() == ((d + d.T) @ x).tolist()


def test_diagonals_are_walked_inside_a_band_alone() -> None:
    k = sp.compile("kernel f(A: f64[n, n] dia, B: f64[n, n] band[1, 1]) -> y: f64[n] { y[i] = A[i, j] * B[i, j] }")
    d, e = held("band[2, 2]", 6, 6), held("band[1, 1]", 6, 6)
    assert k(sp.tensor(d), sp.tensor(e)).tolist() == (d * e).sum(1).tolist()


def test_what_lies_outside_of_a_result_is_an_error() -> None:
    source = "kernel f(A: f64[m, n] csr) -> B: f64[m, n] band[1, 1] { B[i, j] = 2 * A[i, j] }"
    k = sp.compile(source)
    d = held("band[1, 1]", 5, 5)
    assert k(sp.tensor(d)).numpy().tolist() == (2 * d).tolist()
    stray = sp.from_coo([[0], [4]], [0.0], (5, 5), format="csr")  # an explicit fill is what the format has there
    assert k(stray).numpy().tolist() == np.zeros((5, 5)).tolist()
    d[4, 0] = 1
    with pytest.raises(sp.FormatError, match=r"'B' \(band\[1, 1\]\) has an entry outside of the range"):
        k(sp.tensor(d))
    inside = source.replace("}", "where i - j in -1:2 }")
    assert "outside" not in sp.compile(inside).ir("buffer")
    d[4, 0] = 0
    assert sp.compile(inside)(sp.tensor(d)).numpy().tolist() == (2 * d).tolist()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "band[1, 1]",
            r"the entry at \(3, 1\) lies outside of what level 'j: range\[i-1, i\+2\]' of format 'band\[1, 1\]'",
        ),
        (UPPER, r"the entry at \(3, 1\) lies outside of what level 'j: range\[i, inf\]'"),
        ("band[1]", r"is written band\[l, u\]"),
        ("(i, j) -> (i: dense, j: range[i])", r"is written range\[lo, hi\]"),
        ("(i, j) -> (j: range[i-1, i+2], i: dense)", "depends on 'i', which no level above it stores"),
        ("(i, j) -> (i: dense, j: range[i, i*2])", "expected"),
        ("(i, j) -> (i: dense, j: range[i, 7-i])", "its width varies"),
        ("(i, j) -> (i: compressed, j: range[0, i+1])", "its width varies"),
    ],
)
def test_what_a_range_cannot_hold(text: str, says: str) -> None:
    d = np.eye(5)
    d[3, 1] = 2
    with pytest.raises(sp.SparsecError, match=says):
        sp.tensor(d, format=text)


def test_wrong_lengths() -> None:
    a = sp.tensor(np.eye(3), format="band[1, 1]")
    with pytest.raises(sp.FormatError, match="8 values for 9 positions"):
        sp.Tensor.over(a.storage.with_values(a.storage.values[:8])).validate()


@pytest.mark.parametrize("text", ["i-1", "i/4+j-3", "0-i", "5-i", "0", "i+i", "0-2", "i%4/2+1"])
def test_bounds_read_back(text: str) -> None:
    assert str(Bound.read(text)) == text
    assert Bound.read(str(Bound.read(text))) == Bound.read(text)


def test_bounds_in_normal_form() -> None:
    assert Bound.read("i - (j + 1) + 2 + j") == Bound((("i", 1),), 1)
    assert Bound.read("i/4-1").renamed({"i": "d0"}) == Bound((("d0/4", 1),), -1)
    for wrong in ("i*2", "", "i j", "(i", "i)", "i+", "99999999999"):
        with pytest.raises(sp.FormatError, match="no bound of a range"):
            Bound.read(wrong)


def test_formats_read_back() -> None:
    for text in FORMATS.values():
        fmt = parse_format(text, 2)
        assert fmt is not None
        assert Cursor(format_text(fmt)).format(2) == fmt
        assert fmt.normal().with_dims(fmt.dims) == fmt


def test_three_dimensions() -> None:
    text = "(b, i, j) -> (b: dense, i: dense, j: range[0, i+1])"
    d = np.tril(np.random.default_rng(1).integers(1, 9, (3, 4, 4)) * 1.0)
    a = sp.tensor(d, format=text)
    assert (a.nnz, a.storage.values.size) == (30, 30)
    assert a.numpy().tolist() == d.tolist()
    x = np.arange(4.0)
    assert sp.evaluate("y[b, i] = A[b, i, j] * x[j]", A=a, x=x).tolist() == (d @ x).tolist()
    assert sp.tensor(d, format="(b, i, j) -> (i: dense, b: dense, j: range[i-3, i+1])").numpy().tolist() == d.tolist()


@pytest.mark.parametrize("fmt", ["csc", "coo", "(i, j) -> (j/2: compressed[unordered], i: compressed, j%2: dense)"])
def test_packed_results_whose_entries_come_in_another_order(fmt: str) -> None:
    text = f"""kernel f(C: f64[q, r] {fmt}) -> R: f64[r, q] (i, j) -> (j: dense, i: range[0, j+10]) {{
        R[i, j] = relu(C[j, i])
    }}"""
    agree(text, {"C": np.arange(20.0).reshape(5, 4) % 3 - 1}, {"q": 5, "r": 4}, compiled=False)


def test_packed_rows_above_others_are_no_result_yet() -> None:
    with pytest.raises(UnsupportedError, match="whose rows vary in length"):
        sp.from_coo([[0], [1], [0]], [1.0], (3, 4, 2), format="(i, j, k) -> (k: dense, i: range[k, inf], j: dense)")
