"""Running folds and recurrences over every matrix format, through every stage."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import ShapeError, TypeError_, UnsupportedError
from sparsec.ir.tensor_interp import interpret
from sparsec.knobs import scope
from tests.programs.cases import MATRIX
from tests.support.stages import agree, lowered
from tests.support.texts import stages

RESULTS = ("", "csr", "csc", "coo")
SCANS = [
    "scan[j](A[i, j])",
    "scan[i](A[i, j])",
    "scan[j, exclusive](A[i, j])",
    "scan[j, reverse](A[i, j])",
    "scan[i, exclusive, reverse](A[i, j])",
    "scan.max[j](A[i, j])",
    "scan.min[i, reverse](A[i, j])",
    "scan.prod[j](1 + A[i, j])",
    "A[i, j] * scan[j](A[i, j])",
    "A[i, j] * scan[i, reverse](A[i, j] * A[i, j])",
    "scan[j](scan[j, exclusive](A[i, j]))",
    "scan[i](scan[j](A[i, j]))",
    "scan[j, reverse](A[i, j]) - scan[j](A[i, j])",
    "scan[j](A[i, j] * sum[k](A[i, k]))",
    "scan[j](2.0)",
    "scan[j](A[i, j] where j > i)",
    "scan.max[j, reverse](A[i, j] * 2 where A[i, j] > 0 or j == 2)",
    "scan.logsumexp[j](A[i, j] where j % 2 == 0)",
    "select(scan[j](A[i, j]) > 1, A[i, j], 0)",
    "sum[k](A[i, k] where scan[k](A[i, k]) > 1)",
    "scan.logsumexp[j](A[i, j])",
    "A[i, j] + scan[j](x[j]) * scan[i](x[i])",
    "x[i] * scan[j](A[i, j]) + scan[j](A[i, j])",
]


def operands(m: int, n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.integers(1, 5, (m, n)) * rng.choice([-1.0, 1.0], (m, n))
    return {"A": np.where(rng.random((m, n)) < 0.4, a, 0.0), "x": rng.integers(-3, 4, m).astype(float)}


@pytest.mark.parametrize("expression", SCANS)
@pytest.mark.parametrize("fmt", MATRIX)
def test_scans(expression: str, fmt: str) -> None:
    for n, result in enumerate(RESULTS if fmt == "csr" else ("", "csr")):
        value = f"{expression} + 0 * x[i]"
        text = f"kernel f(A: f64[n, n] {fmt}, x: f64[n]) -> y: f64[n, n] {result} {{ y[i, j] = {value} }}"
        agree(text, operands(6, 6, 1), {"n": 6}, compiled=n == ("csr", "coo", fmt).index(fmt))


@pytest.mark.parametrize("expression", [
    "scan[i](scan[j](A[i, j]))", "scan[j](scan[i](A[i, j]))", "scan[i](scan.max[j](A[i, j]))",
    "exp(scan[i](scan[j](A[i, j])))", "sum[i](scan[i](scan[j](A[i, j])))", "max[i](scan[i](scan[j](A[i, j])))",
])  # fmt: skip
def test_scans_of_scans_of_a_dense_matrix(expression: str) -> None:
    a = np.arange(12.0).reshape(3, 4) / 8
    rows = np.maximum.accumulate(a, 1) if "max[j]" in expression else a.cumsum(1)
    want = rows.cumsum(0)
    want = {"exp": np.exp(want), "sum": want.sum(0), "max": want.max(0)}.get(expression[:3], want)
    got = sp.evaluate(f"y[{'i, j' if want.ndim == 2 else 'j'}] = {expression}", A=a)
    np.testing.assert_allclose(got, want)


@pytest.mark.parametrize("statement", [
    "y[i] = sum[j](scan[j](A[i, j]))",
    "y[j] = sum[i](scan[j](A[i, j]))",
    "y[i] = scan[i](sum[j](A[i, j]))",
    "y[i] = x[i] - sum[j](A[i, j] * scan[j, reverse](x[j]))",
    "y[i] = max[j](scan[i](A[i, j]))",
    "y[i] = scan[i](x[i])",
])  # fmt: skip
@pytest.mark.parametrize("fmt", MATRIX)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_scans_and_reductions(statement: str, fmt: str, n: int) -> None:
    text = f"kernel f(A: f64[n, n] {fmt}, x: f64[n]) -> y: f64[n] {{ {statement} + 0 * x[i] * A[i, i] }}"
    text = text.replace("[i] * A[i, i]", "[j] * A[j, j]") if "y[j]" in text else text
    agree(text, operands(n, n, n), {"n": n}, compiled=n == 5 and fmt == "csr")


def test_types_of_scans() -> None:
    u = np.array([200, 100, 3], np.uint8)
    assert sp.evaluate("y[i] = scan[i](u[i])", u=u).tolist() == [200, 300, 303]
    assert sp.evaluate("y[i] = scan.any[i](u[i] < 101)", u=u).tolist() == [False, True, True]
    assert sp.evaluate("y[i] = scan.count[i](u[i] > 9)", u=u).tolist() == [1, 2, 2]
    h = np.full(5, 0.1, np.float16)
    y = sp.evaluate("y[i] = scan[i](h[i])", h=h)
    assert y.dtype == np.float16 and y.tolist() == h.astype(np.float32).cumsum().astype(np.float16).tolist()


def test_a_scan_times_a_sparse_operand_visits_its_entries_alone() -> None:
    k = sp.compile("kernel f(A: f64[m, n] csr) -> B: f64[m, n] csr { B[i, j] = A[i, j] * scan[j](A[i, j]) }")
    assert "merge with all" not in k.ir("buffer") and "dense" not in k.ir("loops").replace("i: dense", "")
    assert "parallel" in k.ir("loops")


def test_what_a_scan_hands_on_does_not_annihilate() -> None:
    x, inf = np.array([0.0, 1.0]), np.array([np.inf, np.inf])
    got = sp.evaluate("y[i] = scan[i, exclusive](x[i]) * z[i]", x=x, z=inf)
    assert np.isnan(got[0]) and np.isnan(got[1])


def test_opposite_scans_are_parted() -> None:
    low = lowered("kernel f(x: f64[n]) -> y: f64[n] { y[i] = scan[i](x[i]) - scan[i, reverse](x[i]) }")
    assert any("a scan over i goes first" in n for n in low.kernel.notes)


# recurrences

BLOCKS = [
    "scan i { x[i] = (b[i] - sum[j](select(j < i, L[i, j] * x[j], 0.0))) / L[i, i] }",
    "scan i reverse { x[i] = (b[i] - sum[j](select(j > i, L[i, j] * x[j], 0.0))) / L[i, i] }",
    "scan i { x[i] = (b[i] - sum[j](L[i, j] * x[j] where j < i)) / L[i, i] }",
    "scan i reverse { x[i] = (b[i] - sum[j](L[i, j] * x[j] where j > i)) / L[i, i] }",
    "scan i { t += b[i] where b[i] > 0; x[i] = t * t }",
    "scan i { t += 1; x[i] = b[i] * t }",
    "scan i { t[j] += b[j]; x[i] = t[i] }",
    "scan i { x[i] = b[i] where sum[j](L[i, j]) > 0 }",
    "scan i { t[j] += L[i, j] where L[i, j] > 0; x[i] = sum[j](t[j]) }",
    "scan i { t += b[i]; x[i] = t * t }",
    "scan i { t max= L[i, j] * b[j]; x[i] = t - 1 }",
    "scan i reverse { t[j] += L[i, j]; x[i] = sum[j](t[j] * L[i, j]) }",
    "scan i { x[i] = b[i] + sum[j](x[j]) }",
    "scan i { x[i] = sum[j](L[i, j] * x[j]) + 1 }",
    "scan i { t[j] += L[i, j] + L[j, i]; x[i] = t[i] * sum[j](scan[j](t[j])) }",
    "scan i { x[i] = b[i] * sum[j](scan[j, reverse](L[j, i])) }",
    "t[i] = b[i]; scan i { t[j] += L[i, j]; x[i] = t[i] }",
    "scan i { t[j] += L[i, j] + t[i]; x[i] = t[i] }",
    "scan i { t[i, k] = sum[j](L[i, j] * t[j, k]) + L[i, k]; x[i] = sum[k](t[i, k]) }",
    "scan i { x[i] = x[i - 1] * 0.5 + scan[i](scan[i](b[i])) }",
    "scan i reverse { x[i] = x[i + 1] + softmax[i](b[i]) }",
    "scan i { x[i] = 0.5 * x[i - 1] + L[i, j] * softmax[j](L[i, j]) }",
    "scan i { x[i] = 0.5 * x[i - 1] + L[i, j] * softmax[j](L[i, j] where L[i, j] > 0) }",
    "scan i { x[i] = x[i - 1] + sum[j](scan[i](L[i, j] * b[j])) where top[i: 2](b[i]) }",
    "scan i { x[i] = x[i - 1] + sum[j](L[i, j] where top[i: 1](L[i, j])) }",
]


@pytest.mark.parametrize("statement", BLOCKS)
@pytest.mark.parametrize("fmt", MATRIX)
def test_recurrences(statement: str, fmt: str) -> None:
    for n in (0, 1, 6):
        a = operands(n, n, n + 1)
        a["A"][np.arange(n), np.arange(n)] = 2.0
        text = f"kernel f(L: f64[n, n] {fmt}, b: f64[n]) -> x: f64[n] {{ {statement} }}"
        if "b[" not in statement:
            text = text.replace(", b: f64[n]", "")
        if "L[" not in statement:
            text = text.replace(f"L: f64[n, n] {fmt}, ", "")
        given = {k: v for k, v in (("L", a["A"]), ("b", a["x"])) if f"{k}: f64" in text}
        agree(text, given, {"n": n}, compiled=n == 6 and fmt in ("csr", "csc"))


@pytest.mark.parametrize("block", [
    "scan i { s += (s + 1) * r[i] }",
    "scan i { s += s + r[i] + 1 }",
    "scan i reverse { s += s * r[i] + 1 }",
    "scan i { s min= s - r[i] }",
    "scan i { s max= s * 2 + r[i] + 1 }",
    "scan i { s += r[i] }",
])  # fmt: skip
@pytest.mark.parametrize("fmt", ["", "csf", "rle", "(i) -> (i: range[2, 5])"])
def test_recurrences_along_runs_and_windows_take_every_step(block: str, fmt: str) -> None:
    r = np.array([0.0, 0, 1, 1, 1, 0, 0, 0])
    agree(f"kernel f(r: f64[n] {fmt}) -> s: f64 {{ {block} }}", {"r": r}, {"n": 8})


@pytest.mark.parametrize("condition", ["i >= s", "i == s", "i <= s", "s + i < 4", "s < 3", "i - s > -2"])
@pytest.mark.parametrize("fmt", ["", "csf", "rle", "(i) -> (i: range[2, 5])"])
def test_a_condition_on_what_a_recurrence_writes_bounds_no_loop(condition: str, fmt: str) -> None:
    for step in (1.0, 2.0):
        r = np.full(8, step)
        r[[0, 1, 5, 6, 7]] *= "range" not in fmt
        for more in ("", " + 1"):
            text = f"kernel f(r: f64[n] {fmt}) -> s: i64 {{ scan i {{ s += i64(r[i]){more} where {condition} }} }}"
            agree(text, {"r": r}, {"n": 8})


@pytest.mark.parametrize("fmt", MATRIX)
@pytest.mark.parametrize("reverse", ["", "reverse"])
def test_triangular_solves(fmt: str, reverse: str) -> None:
    rng = np.random.default_rng(3)
    n = 30
    a = np.where(rng.random((n, n)) < 0.2, rng.standard_normal((n, n)), 0.0) + 4 * np.eye(n)
    order = ">" if reverse else "<"
    text = f"""kernel solve(L: f64[n, n] {fmt}, B: f64[n, p]) -> X: f64[n, p] {{
        scan i {reverse} {{ X[i, k] = (B[i, k] - sum[j](select(j {order} i, L[i, j] * X[j, k], 0.0))) / L[i, i] }}
    }}"""
    b = rng.standard_normal((n, 3))
    x = sp.compile(text)(sp.tensor(a, format=fmt) if fmt in ("csr", "csc", "coo") else a, b)
    np.testing.assert_allclose(x, np.linalg.solve(np.triu(a) if reverse else np.tril(a), b), rtol=1e-10)


def test_columns_are_converted_and_explain_says_so() -> None:
    k = sp.compile("kernel f(L: f64[n, n] csc, b: f64[n]) -> x: f64[n] { scan i { x[i] = b[i] - L[i, j] * x[j] } }")
    assert "'L' is converted" in k.explain() and "a recurrence over i, point by point, ascending" in k.explain()


def test_a_block_follows_what_it_has_computed() -> None:
    parent = np.array([0, 0, 1, 1, 4, 3])
    depth = "scan i { d[i] = select(p[i] == i, 0, d[p[i]] + 1) }"
    assert sp.evaluate(depth, p=parent).tolist() == [0, 1, 2, 2, 0, 3]
    cycle = np.array([2, 0, 3, 1])
    walk = sp.compile("kernel f(next: i64[n]) -> at: i64[n] { scan i { at[i] = next[at[i - 1]] where i > 0 } }")
    assert walk(cycle).tolist() == [0, 2, 3, 1]
    with pytest.raises(ShapeError, match=r"an index of 'next', computed from 'at',"):
        walk(cycle * 2)
    with pytest.raises(ShapeError, match=r"p\[2\] is 9, and lies outside of dimension 1 of 'd'"):
        sp.evaluate(depth, p=np.array([0, 0, 9]))
    hops = "kernel f(next: i64[n], r: f64[m]) -> t: i64 { scan i { t += next[t] where r[i] > 0 } }"
    assert sp.compile(hops)(np.array([1, 1, 1, -3]), np.array([1.0, 0, 1, 1, 1])) == 0
    with pytest.raises(ShapeError, match="an index of 'next', computed from 't',"):
        sp.compile(hops)(np.array([1, 1, 1, -4]), np.ones(5))
    x, p = np.arange(4.0), np.array([9, 1, 7, 0])
    chain = "scan i { y[i] = x[p[i]] where y[i - 1] < 3 and i > 0 }"
    with pytest.raises(ShapeError, match=r"computed from 'p', lies outside of it, perhaps p\[2\], which is 7"):
        sp.evaluate(chain, x=x, p=p)
    with pytest.raises(UnsupportedError, match="a loop for an index that reads 'x', which the scan block writes"):
        sp.evaluate("scan i { x[i] = q[sum[j](x[j] where j < i)] }", q=cycle)


@pytest.mark.parametrize("fmt", ["csf", "dense", "(i) -> (i: hashed)", "rle"])
@pytest.mark.parametrize(("block", "want"), [
    ("y[i] = x[i]; y[i] += z[i]", [4, 2, 7, 8, 5, 8]),
    ("y[i] = x[i]; y[i] *= z[i]", [3, 0, 12, 16, 0, 12]),
    ("y[i] = scan[i](x[i]) - z[i]", [2, 1, 4, 7, 6, 7]),
])  # fmt: skip
def test_a_block_leaves_no_place_as_it_found_it(fmt: str, block: str, want: list[float]) -> None:
    x, z = np.array([3.0, 0, 4, 4, 0, 2]), np.arange(6) + 1.0
    k = sp.compile(f"kernel f(z: f64[n], x: f64[n] {fmt}) -> y: f64[n] {{ scan i {{ {block} }} }}")
    for rest in (7.0, np.nan):
        assert k(z, sp.tensor(x, format=fmt), out=np.full(6, rest)).tolist() == want


def test_the_first_statement_says_what_a_result_begins_as() -> None:
    for block, x, want in (("t max= x[i]; t += 0.0", [-1, -2], -1), ("t *= x[i]; t += x[i]", [-1, -2, -3], -9)):
        k = sp.compile(f"kernel f(x: f64[n]) -> t: f64 {{ scan i {{ {block} }} }}")
        assert k(np.array(x, float)) == want == interpret(k.program, {"x": np.array(x, float)})["t"]


def test_what_a_point_reads_of_itself_inside_an_index() -> None:
    k = sp.compile("kernel f(A: i64[n, n]) -> y: i64[n, n] { scan i { y[i, j] += y[i - 1, y[i, j - 1]] + A[i, j] } }")
    assert k(np.array([[1, 2], [1, 4]])).tolist() == [[1, 2], [2, 5]]


def test_dense_factorisations() -> None:
    rng = np.random.default_rng(3)
    a = rng.random((7, 7)) + 7 * np.eye(7)
    paths = "kernel f(A: f64[n, n]) -> D: f64[n, n] { D[i, j] = A[i, j]; scan k { D[i, j] min= D[i, k] + D[k, j] } }"
    want = a.copy()
    for k in range(7):
        want = np.minimum(want, want[:, k : k + 1] + want[k : k + 1])
    np.testing.assert_allclose(sp.compile(paths)(a), want)
    lu = """kernel f(A: f64[n, n]) -> U: f64[n, n] {
        U[i, j] = A[i, j]
        scan k { U[i, j] -= U[i, k] * U[k, j] / U[k, k] where i > k and j >= k }
    }"""
    upper = sp.compile(lu.replace("-=", "+=").replace("U[i, k] *", "-U[i, k] *"))(a)
    assert np.abs(np.tril(upper, -1)).max() < 1e-12 and np.isclose(np.prod(np.diag(upper)), np.linalg.det(a))


def test_a_point_that_is_not_written_yet_is_refused() -> None:
    for text in (
        "scan i { y[i] = y[i] + x[i] }",
        "scan i { y[i] = y[i + 1] + x[i] }",
        "scan i { y[i] = y[1 + i] + x[i] }",
        "scan i reverse { y[i] = y[i - 1] + x[i] }",
        "scan i { y[i] = z[i] + x[i]; z[i] = y[i] }",
        "scan i { y[i] += y[i + 1] + x[i] }",
    ):
        with pytest.raises(TypeError_, match="not written yet"):
            sp.evaluate(text, x=np.ones(3))
    assert sp.evaluate("scan i { y[i] += y[i] + x[i] }", x=np.ones(3)).tolist() == [1, 1, 1]


def test_what_cannot_run_yet() -> None:
    a = sp.tensor(np.eye(3), format="csr")
    with pytest.raises(UnsupportedError, match="a scan block that writes 'B' in format"):
        sp.evaluate("scan i { t[i] = 1.0 * i; B[i, j]: csr = A[i, j] * t[i] }", A=a)
    with pytest.raises(UnsupportedError, match="a 'scan' that reads 't', which the scan block writes"):
        sp.evaluate("scan i { t[j] += A[i, j]; y[i, j] = scan[j](t[j]) + scan[j, reverse](t[j]) }", A=a)
    with pytest.raises(UnsupportedError, match="'softmax' of what its own 'scan' block writes"):
        sp.evaluate("scan i { y[i, j] = A[i, j] + softmax[j](y[i - 1, j]) }", A=a)


def test_a_scan_with_a_monoid_of_its_own() -> None:
    text = """
        ordered monoid last(v) { zero = 0, combine(a, b) = b }
        kernel f(A: f64[n, n] csr) -> y: f64[n, n] { y[i, j] = scan.last[j, exclusive](A[i, j]) }
    """
    agree(text, {"A": operands(5, 5, 7)["A"]}, {"n": 5})


@pytest.mark.parametrize("fmt", [
    "hash", "bitmap", "ell[8]", "nm[4, 4]", "rle", "(i, j) -> (i: dense, j: compressed[index=delta8])",
    "(i, j) -> (j: dense, i: compressed[unordered])",
])  # fmt: skip
def test_levels_that_cannot_be_walked_backwards_or_in_order(fmt: str) -> None:
    a = operands(8, 8, 4)["A"] + 8 * np.eye(8)
    t, b = sp.tensor(a, format=fmt), np.arange(8.0)
    back = sp.evaluate("y[i, j] = A[i, j] * scan[j, reverse](A[i, j])", A=t)
    assert np.array_equal(np.asarray(getattr(back, "numpy", lambda: back)()), a * a[:, ::-1].cumsum(1)[:, ::-1])
    x = sp.evaluate("scan i reverse { x[i] = (b[i] - sum[j](A[i, j] * x[j] where j > i)) / A[i, i] }", A=t, b=b)
    np.testing.assert_allclose(x, np.linalg.solve(np.triu(a), b), rtol=1e-10)


@pytest.mark.parametrize("fmt", ["sparse", "bitmap1", "hash1"])
def test_what_an_absent_entry_leaves_of_a_scan(fmt: str) -> None:
    """It hands its fold on, though nothing is written, and a dense result has its fill there."""
    formats = {"bitmap1": "(i) -> (i: bitmap)", "hash1": "(i) -> (i: hashed)"}
    text = f"""kernel f(A: f64[n] {formats.get(fmt, fmt)}, B: f64[n] sparse) -> y: f64[n] {{
        y[i] = scan.min[i, reverse](A[i] * B[i]) * A[i]
    }}"""
    a, b = operands(7, 2, 3)["A"][:, 0], operands(7, 2, 5)["A"][:, 1]
    agree(text, {"A": a, "B": b}, {"n": 7}, compiled=False)


def test_an_idempotent_scan_folds_what_is_absent_where_it_stands() -> None:
    text = """kernel f(A: i64[m, n] csr, B: i64[m, n] csr fill(1)) -> y: i64[m] {
        y[i] = sum[j](A[i, j] * scan.min[j, exclusive, reverse](2 * B[i, j]))
    }"""
    a = np.array([[2, 1, 0], [0, 3, 0], [0, 0, 0]])
    agree(text, {"A": a, "B": np.ones((3, 3), np.int64)}, {"m": 3, "n": 3}, compiled=False)


@pytest.mark.parametrize("mask", ["M[i]", "stored(A[i, i])"])
def test_a_condition_on_the_statement_is_none_on_a_sum_beneath_a_scan(mask: str) -> None:
    text = f"""kernel f(A: f64[n, n] dcsr, M: bool[n] sparse) -> y: f64[n] sparse {{
        y[i] = scan[i](sum[a](A[a, i])) where {mask} and (M[i] or not M[i])
    }}"""
    agree(text, {"A": operands(6, 6, 4)["A"], "M": np.arange(6) % 2 == 1}, {"n": 6}, compiled=False)


@pytest.mark.parametrize("fmt", ["dense", "csr"])
def test_a_fold_in_order_does_not_ride_on_a_scan_in_reverse(fmt: str) -> None:
    f = sp.compile(
        "ordered monoid last(v) { zero = 0, combine(a, b) = b }\n"
        f"kernel f(A: f64[m, n] {fmt}) -> y: f64[m] {{ y[i] = last[a](scan.min[a, reverse](A[i, a])) }}"
    )
    A = np.array([[3.0, 1, 2], [5, 0, 7]])
    np.testing.assert_array_equal(f(sp.tensor(A, format=fmt)), A[:, -1])


@pytest.mark.parametrize("fmt", ["band[1, 1]", "(i, j) -> (i: dense, j: range[0, i+1])", "dia", "rle"])
def test_what_a_window_leaves_out_of_a_dense_result_beside_a_scan_is_the_fill(fmt: str) -> None:
    stages(f"P: f64[n, n] csr, D: f64[n, n] {fmt}", "r: f64[n, n]", "r[i, j] = scan[j](P[i, j]) * D[j, i]")


def test_a_running_value_is_no_sum_that_llvm_reports_about(capfd: pytest.CaptureFixture[str]) -> None:
    a = sp.tensor(np.eye(5), "(i, j) -> (i: dense, j: range[i-1, i+2])")
    with scope(opt=2):
        y = sp.evaluate("y[i] = sum[j](scan[j](A[i, j]) * x[j])", A=a, x=np.arange(5.0))
    assert y.tolist() == [10, 10, 9, 7, 4] and not capfd.readouterr().err


@pytest.mark.parametrize(
    ("statement", "want"),
    [
        ("scan i { y[i, j] = scan[i](A[i, q[j]]) + y[i - 1, j] where q[j] >= 0 }", [[0, 0], [3, 0]]),
        ("scan i { y[i, j] = sum[k](scan[i](A[i, q[k]]) where q[k] >= 0) }", [[0, 0], [3, 3]]),
        ("scan i { y[i, j] = y[i - 1, j] + scan[i](A[i, j]); z[i] = scan[i](A[i, 1]) }; along1[i] = z[i]",
         [[0, 1], [3, 6]]),
    ],
)  # fmt: skip
def test_what_is_computed_before_a_block_is_read_where_the_block_would(statement: str, want: list[list[float]]) -> None:
    a, q = np.arange(6.0).reshape(2, 3), np.array([0, -1])
    given = {"A": a, "q": q} if "q[" in statement else {"A": a[:, :2]}
    got = sp.evaluate(statement, **given, **({"sizes": {"j": 2}} if "A[i, q[k]]" in statement else {}))
    assert np.asarray(got["y"] if isinstance(got, dict) else got).tolist() == want
