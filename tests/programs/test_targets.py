"""Left sides at computed places through every stage, in every kind of format, and what stops a kernel there."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from tests.support.stages import agree, lowered

VECTORS = ["", "csf", "hash", "(i) -> (i: runs)", "(i) -> (i: bitmap)"]
MATRICES = ["", "csr", "csc", "coo", "dcsr", "bsr[2, 3]", "dia", "hash", "(i, j) -> (i: dense, j: bitmap)"]
DIMS = {"m": 5, "n": 4, "p": 11, "q": 3}


def numbers(shape: tuple[int, ...], seed: int = 1, density: float = 0.6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(-3, 4, shape) * (rng.random(shape) < density) * 1.0


BINS = np.array([3, 1, 3, 10, 0])
ONCE = np.array([3, 1, 7, 10, 0])


@pytest.mark.parametrize(("fmt", "source"), [(f, "csf" if n % 2 else "") for n, f in enumerate(VECTORS)])
def test_vectors(fmt: str, source: str) -> None:
    fmt = "(i) -> (i: hashed)" if fmt == "hash" else fmt
    x = numbers((5,))
    operands, arrays = f"x: f64[m] {source}, b: i64[m]", {"x": x, "b": BINS}
    for statement, dense in [
        ("H[b[i]] += x[i]", np.bincount(BINS, x, 11)),
        ("H[2*i + 1] = x[i]", np.r_[np.stack([0 * x, x], 1).reshape(-1), 0]),
        ("H[p - 1 - 3*i] = x[i]", [0, 0, 0, 0, x[2], 0, 0, x[1], 0, 0, x[0]][:11]),
        ("H[4] = sum[i](x[i])", np.eye(11)[4] * x.sum()),
    ]:
        text = f"kernel f({operands}) -> H: f64[p] {fmt} {{ {statement} }}"
        used = arrays if "b[" in statement else {"x": x}
        text = text if "b[" in statement else text.replace(", b: i64[m]", "")
        want = agree(text, used, DIMS, compiled=fmt == "")
        np.testing.assert_array_equal(want["H"], dense)


@pytest.mark.parametrize("fmt", MATRICES)
def test_matrices(fmt: str) -> None:
    a, x = numbers((5, 4)), numbers((5,))
    for operands, statement, arrays in [
        ("x: f64[m]", "C[i, i] = x[i]", {"x": x}),
        ("x: f64[m] csf", "C[i, 3] = x[i]", {"x": x}),
        ("A: f64[m, n] csr, b: i32[m]", "C[b[i], j + 2] += A[i, j]", {"A": a, "b": BINS.astype("i4")}),
        ("A: f64[m, n] csc, b: i64[n]", "C[i, b[j]] += A[i, j]", {"A": a, "b": BINS[:4]}),
    ]:
        text = f"kernel f({operands}) -> C: f64[p, p] {fmt} {{ {statement} }}"
        if "x" in arrays or "C[i" in statement:
            text = text.replace("[p, p]", "[m, p]" if "C[i, i]" not in statement else "[m, m]")
        agree(text, arrays, DIMS, compiled=fmt == "csr")


@pytest.mark.parametrize(("op", "dtype"), [
    ("+=", "f32"), ("+=", "i64"), ("*=", "i64"), ("min=", "i32"), ("max=", "f64"), ("|=", "bool"), ("&=", "bool"),
    ("+=", "c64"), ("+=", "bf16"),
])  # fmt: skip
@pytest.mark.parametrize("fmt", ["", "csf"])
def test_operators(op: str, dtype: str, fmt: str) -> None:
    start = {"+=": "", "*=": "fill(1)", "min=": "fill(2147483647)", "max=": "fill(-inf)", "|=": "", "&=": "fill(true)"}
    t = sp.tensor(np.zeros(1)).astype(dtype).storage.values.dtype
    x = (numbers((5, 4)) > 0 if dtype == "bool" else numbers((5, 4))).astype(t)
    text = f"kernel f(A: {dtype}[m, n], b: i64[m]) -> H: {dtype}[p] {fmt} {start[op]} {{ H[b[i]] {op} A[i, j] }}"
    agree(text, {"A": x, "b": BINS}, DIMS, compiled=fmt == "" and dtype != "bf16")


@pytest.mark.parametrize("fmt", ["", "csf fill(3)", "csf"])
def test_conditions_and_reductions(fmt: str) -> None:
    """What is written where nothing is folded is the identity, and what a condition leaves out is not written."""
    a, x, c = numbers((5, 4)), numbers((4,)), np.array([1, 0, 1, 1, 0], bool)
    for op, b, where in [("=", ONCE, ""), ("=", BINS, "where c[i] and i != 2"), ("=", ONCE, "where A[i, j] > 0")]:
        text = f"kernel f(A: f64[m, n] csc, x: f64[n], b: i64[m], c: bool[m]) -> H: f64[p] {fmt} {{ "
        text += f"H[b[i]] {op} sum[j](A[i, j] * x[j]) {where} }}"
        agree(text, {"A": a, "x": x, "b": b, "c": c}, DIMS, compiled=fmt == "csf")


@pytest.mark.parametrize("fmt", ["", "csf"])
@pytest.mark.parametrize(
    "statement", ["H[b[i]] += x[i]", "H[2*i] = x[i]", "H[b[i]] = x[i] where i < 2", "H[0] max= x[i]"]
)
def test_what_was_there_stays(fmt: str, statement: str) -> None:
    """A later statement, and what the caller passes, which an absent entry overwrites as any other."""
    x, g = numbers((5,)), numbers((11,), 2)
    if statement.split()[1] != "=":
        text = f"kernel f(g: f64[p] csf, x: f64[m] csf, b: i64[m]) -> H: f64[p] {fmt} {{ H[i] = g[i]; {statement} }}"
        agree(text, {"g": g, "x": x, "b": BINS}, DIMS, compiled=False)
    want = g.copy()
    if "+=" in statement:
        np.add.at(want, BINS, x)
    elif "max=" in statement:
        want[0] = max(want[0], x.max())
    elif "2*i" in statement:
        want[:10:2] = x
    else:
        want[BINS[:2]] = x[:2]
    operands = {"x": sp.tensor(x, format="csf"), "H": sp.tensor(g, format=fmt) if fmt else g}
    if "b[" in statement:
        operands["b"] = BINS
    got = sp.evaluate(statement, **operands)
    np.testing.assert_array_equal(got.numpy() if isinstance(got, sp.Tensor) else got, want)
    np.testing.assert_array_equal(g, numbers((11,), 2))


def test_a_target_that_is_read_is_read_as_it_was() -> None:
    x = np.arange(6.0)
    got = sp.evaluate("x[i] += x[5 - i]", x=x)
    np.testing.assert_array_equal(got, x + x[::-1])
    at = np.array([0, 0, 1])
    np.testing.assert_array_equal(
        sp.evaluate("x[at[i]] += x[i + 1] * w[i]", x=x, at=at, w=np.ones(3)), [3, 4, 2, 3, 4, 5]
    )


def test_places_outside_are_dropped_and_data_outside_stops() -> None:
    x = np.arange(4.0)
    assert sp.evaluate("y[i - 1] += x[i]", x=x, y=np.zeros(2)).tolist() == [1.0, 2.0]
    assert sp.evaluate("y[3*i] = x[i]", x=x, y=np.zeros(5)).tolist() == [0, 0, 0, 1, 0]
    y, b = np.zeros(3), np.array([0, 1, 3, 7])
    with pytest.raises(sp.ShapeError, match=r"b\[2\] is 3, and lies outside of dimension 1 of 'y', which is 0 .. 2"):
        sp.compile("kernel f(b: i64[m], x: f64[m]) -> y: f64[n] { y[b[i]] += x[i] }")(b, x, out=y)
    assert not y.any()
    with pytest.raises(sp.ShapeError, match=r"at\[0, 1\] is -1, .*'x'.*(\n.*)*negative"):
        sp.evaluate("y[i] = sum[j](x[at[i, j]])", x=x, at=np.array([[0, -1]]))
    with pytest.raises(sp.ShapeError, match=r"the index made of 'b' at i = 1, j = 2 is 3"):
        sp.evaluate("y[b[i] + j] += x[i] * v[j]", x=x[:2], v=np.ones(3), b=b[:2], y=y)
    with pytest.raises(sp.ShapeError, match=r"b\[0\] is 9223372036854775809, and lies outside"):
        sp.evaluate("y[b[i]] += x[i]", x=x[:1], b=np.array([2**63 + 1], np.uint64), y=y)
    with pytest.raises(sp.ShapeError, match="the index made of 'x' at i = 0 is"):
        sp.evaluate("y[i64(x[i])] += 1.0", x=np.array([np.nan]), y=y)
    with pytest.raises(sp.ShapeError, match="index.* 7.* outside"):
        sp.evaluate("y[i] = z[i] + x[7]", x=x, z=x)
    with pytest.raises(sp.ShapeError, match=r"t\[3\] is 4, and lies outside of dimension 1 of 'x'"):
        sp.evaluate("t[i] = i64(z[i]); y[i] = z[i] + x[t[i]]", x=x, z=x + 1)


@pytest.mark.parametrize("fmt", ["", "csf"])
def test_one_place_is_written_once(fmt: str) -> None:
    kernel = sp.compile(f"kernel f(x: f64[m], b: i64[m]) -> y: f64[p] {fmt} {{ y[b[i]] = x[i] }}")
    x = np.arange(5.0)
    with pytest.raises(sp.ShapeError, match="'y' is written twice at one place by '='"):
        kernel(x, BINS, sizes={"p": 11})
    got = kernel(x, ONCE, sizes={"p": 11})
    want = np.zeros(11)
    want[ONCE] = x
    np.testing.assert_array_equal(got.numpy() if fmt else got, want)


def test_nothing_is_counted_where_the_index_says_who_wrote() -> None:
    loops = "kernel f(X: f64[m, 4]) -> y: f64[p] { y[4*i + r] = X[i, r] }"
    assert "once" not in sp.compile(loops).ir("loops")
    assert "once" in sp.compile(loops.replace("4*i", "3*i")).ir("loops")
    assert "once" not in sp.compile("kernel f(X: f64[m, n]) -> y: f64[p, n] { y[i + 2*r, r] = X[i, r] }").ir("loops")


def test_what_lies_apart_is_written_in_parallel() -> None:
    for statement, apart in [("y[2*i] = x[i]", True), ("y[b[i]] += x[i]", False), ("y[m - 1 - i] += x[i]", True)]:
        operands = "x: f64[m], b: i64[m]" if "b[" in statement else "x: f64[m]"
        kernel = lowered(f"kernel f({operands}) -> y: f64[m] {{ {statement} }}").kernel
        assert ("parallel=0" in repr(kernel)) is apart


def test_a_sparse_result_must_begin_as_the_identity() -> None:
    with pytest.raises(sp.FormatError, match=r"declare it with fill\(1.0\)"):
        lowered("kernel f(x: f64[m], b: i64[m]) -> y: f64[p] csf { y[b[i]] *= x[i] }")


def test_compaction_by_a_scan() -> None:
    """A running count says where each admitted entry goes."""
    text = """kernel compact(x: f64[m], c: bool[m]) -> y: f64[m] {
        at[i] = scan[i, exclusive](i64(c[i]))
        y[at[i]] = x[i] where c[i]
    }"""
    x, c = np.arange(1.0, 7.0), np.array([1, 0, 0, 1, 1, 0], bool)
    np.testing.assert_array_equal(agree(text, {"x": x, "c": c}, {"m": 6})["y"], [1, 4, 5, 0, 0, 0])


@pytest.mark.parametrize("fmt", ["csr", "csc", "coo", "bitmap"])
@pytest.mark.parametrize("mask", ["", "csr"])
def test_a_conditioned_update_stores_nothing_where_its_mask_is_false(fmt: str, mask: str) -> None:
    """An absent entry stays absent where the condition does not hold, though the mask has an entry there."""
    c, e, m = numbers((6, 5), 3, 0.3), numbers((6, 5), 4, 1.0), numbers((6, 5), 5, 1.0) > 0
    given = sp.tensor(c, format=fmt)
    coords = np.indices((6, 5)).reshape(2, -1)
    stored = sp.from_coo(coords, m.reshape(-1), (6, 5), format=mask) if mask else m
    for op, want in [("+=", np.where(m, c + e, c)), ("max=", np.where(m, np.maximum(c, e), c))]:
        got = sp.evaluate(f"C[i, j] {op} E[i, j] where M[i, j]", C=given, E=e, M=stored)
        np.testing.assert_array_equal(got.numpy(), want)
        assert got.nnz == ((c != 0) | m).sum()


@pytest.mark.parametrize("fmt", ["", "csf", "(i) -> (i: runs)", "bitmap1"])
def test_places_are_asked_where_the_statement_writes(fmt: str) -> None:
    fmt = fmt.replace("bitmap1", "(i) -> (i: bitmap)")
    pack = sp.compile(
        f"kernel pack(x: f64[n], keep: bool[n] {fmt}, at: i64[n]) -> y: f64[p] {{ y[at[i]] = x[i] where keep[i] }}"
    )
    x, keep = np.arange(4.0), np.array([True, False, True, False])
    mask = sp.tensor(keep, fmt) if fmt else keep
    assert pack(x, mask, np.array([0, 9, 1, -4]), sizes={"p": 2}).tolist() == [0, 2]
    with pytest.raises(sp.ShapeError, match=r"at\[2\] is 2, and lies outside"):
        pack(x, mask, np.array([0, 9, 2, -4]), sizes={"p": 2})


def test_a_scan_packs_into_just_the_room_there_is() -> None:
    text = "at[i] = scan[i, exclusive](i64(keep[i])); y[at[i]] = x[i] where keep[i]"
    pack = sp.compile(f"kernel pack(x: f64[n], keep: bool[n]) -> y: f64[p] {{ {text} }}")
    assert pack(np.arange(4.0), [True, False, True, False], sizes={"p": 2}).tolist() == [0, 2]


@pytest.mark.parametrize("fill", ["", "fill(7)"])
def test_points_for_which_a_condition_admits_nothing_do_not_write(fill: str) -> None:
    a, at = np.array([[1.0, 2], [0, -1], [0, 3]]), np.array([0, 0, 2])
    want = [3, 7 if fill else 0, 3]
    for value in ("sum[j](A[i, j])", "A[i, j] * x[j]"):
        text = f"y[at[i]] = {value} where A[i, j] > 0"
        k = sp.compile(f"kernel f(A: f64[m, n] csr, at: i64[m], x: f64[n]) -> y: f64[p] {fill} {{ {text} }}")
        assert k(a, at, np.ones(2), sizes={"p": 3}).tolist() == want
