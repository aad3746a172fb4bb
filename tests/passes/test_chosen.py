"""The schedules that the estimate chooses: panels of rows and columns where a load serves several."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp

COLUMNS = "(o, i) -> (o/{0}: dense, i/{0}: compressed, i%{0}: dense, o%{0}: dense)"
PRODUCT = "kernel f(A: {0}[m, n] {1}, B: {0}[n, d]) -> C: {0}[m, d] {{ C[i, k] = A[i, j] * B[j, k] }}"
LAYER = "kernel f(X: {0}[b, n], W: {0}[m, n] {1}) -> Y: {0}[b, m] {{ Y[b, o] = X[b, i] * W[o, i] }}"


@pytest.mark.parametrize(
    ("text", "dtype", "fmt", "says"),
    [
        (PRODUCT, "f32", "", "split i 4; order i/4, j, i%4, k; parallel i/4; panel k 16"),
        (PRODUCT, "f64", "", "split i 4; order i/4, j, i%4, k; parallel i/4; panel k 8"),
        (PRODUCT, "f64", "csr", "order i, j, k; parallel i; panel k 32"),
        (PRODUCT, "f32", "bsr[16, 16]", "split i 4; order i/16, i%16/4, j/16, j%16, i%4, k; parallel i/16; panel k 16"),
        (PRODUCT, "f32", "bsr[4, 4]", "order i/4, j/4, j%4, i%4, k; parallel i/4; panel k 16"),
        (PRODUCT, "f64", "bsr[3, 3]", "order i/3, j/3, j%3, i%3, k; parallel i/3; panel k 8"),
        (PRODUCT, "f32", "nm[2, 4]", "order i, j/4, j%4, k; parallel i; panel k 64"),
        (LAYER, "f32", COLUMNS.format(16), "i/16, i%16, b%4, o%16"),
        (LAYER, "f32", COLUMNS.format(32), "i/32, i%32, b%4, o%16"),
        (LAYER, "f32", "bsr[16, 16]", "Y_10: panels of 4 x 16 along o, b stay in registers over i_16, i"),
        (LAYER, "f32", "csr", "Y_10: panels of 64 along b stay in registers over i"),
        (LAYER, "f64", "csc", "Y_10: panels of 32 along b stay in registers over i"),
        (LAYER, "f32", "", "order b, o, i; parallel b; panel none"),
    ],
)
def test_what_is_chosen(text: str, dtype: str, fmt: str, says: str) -> None:
    k = sp.compile(text.format(dtype, fmt))
    explained = k.explain()
    assert says in explained
    # Dense operands are turned along with the result, and nothing else is copied.
    turned = "Y: computed as 'Y_10', which stores another dimension last, and copied" in explained
    assert turned == ("Y_10" in says) == ("'X' is converted to" in explained)
    assert ("is converted" in explained) == turned
    assert fmt == "csc" or "'W' is converted" not in explained
    rng = np.random.default_rng(0)
    for m, n, d in [(32, 48, 64), (37, 33, 21), (1, 5, 17), (6, 1, 1), (3, 7, 0), (0, 4, 4), (5, 0, 9)]:
        mask = rng.random((m, n)) < 0.4
        if "nm" in fmt:  # rows of whole groups, two of four
            n = -(-n // 4) * 4
            mask = rng.permuted(np.tile([True, True, False, False], (m * n // 4, 1)), axis=1).reshape(m, n)
        sparse = rng.standard_normal((m, n)) * mask
        other = rng.standard_normal((d, n) if text is LAYER else (n, d))
        a, b = (other, sparse) if text is LAYER else (sparse, other)
        operands = [np.asarray(t, dtype.replace("f", "float")) for t in (a, b)]
        want = operands[0] @ (operands[1].T if text is LAYER else operands[1])
        out = k(*(sp.tensor(t, format=fmt) if t is operands[text is LAYER] and fmt else t for t in operands))
        np.testing.assert_allclose(out, want, rtol=1e-3, atol=1e-4)


def test_an_order_that_is_asked_for_is_not_split() -> None:
    k = sp.compile(PRODUCT.format("f32", ""), schedule="order i, j, k")
    assert "schedule for f { order i, j, k;" in k.explain()


@pytest.mark.parametrize("fmt", ["csr", "csc", "dcsr", "coo", "bsr[2, 2]", "dense"])
def test_what_would_be_searched_in_a_vector_makes_no_panel(fmt: str) -> None:
    text = "kernel f(A: f64[8, 8] {}, F: f64[3, 3]) -> X: f64[6, 6] {{ X[i, j] = A[i + r, j + s] * F[r, s] }}"
    k = sp.compile(text.format(fmt))
    rng = np.random.default_rng(0)
    a, f = rng.standard_normal((8, 8)) * (rng.random((8, 8)) < 0.4), rng.standard_normal((3, 3))
    want = sum(a[r : r + 6, s : s + 6] * f[r, s] for r in range(3) for s in range(3))
    np.testing.assert_allclose(k(sp.tensor(a, format=fmt), f), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "shapes", "says"),
    [
        # The batch is what threads share: a loop of two iterations around it would leave it to two of them.
        ("A: f64[n, 8, 8], B: f64[n, 8, 8]) -> C: f64[n, 8, 8] { C[b, i, k] = A[b, i, j] * B[b, j, k] }",
         [(5, 8, 8), (5, 8, 8)], "order b, i/4, j, i%4, k; parallel b"),
        ("A: f64[n, 3, 3], B: f64[n, 3, 3]) -> C: f64[n, 3, 3] { C[b, i, k] = A[b, i, j] * B[b, j, k] }",
         [(5, 3, 3), (5, 3, 3)], "order b, i, j, k; parallel b"),
        # Of two dimensions that may come last it is the nearer one, not the batch.
        ("X: f32[b, h, n], W: f32[m, n] csr) -> Y: f32[b, h, m] { Y[b, h, o] = X[b, h, i] * W[o, i] }",
         [(2, 70, 9), (5, 9)], "Y_021: panels of 64 along h"),
        # A sum inside of an expression may be turned as well as one that is all of it.
        ("X: f32[b, n], W: f32[m, n] csr) -> Y: f32[b, m] { Y[b, o] = 2.0 * (X[b, i] * W[o, i]) }",
         [(70, 9), (5, 9)], "t_10: panels of 64 along b"),
        ("X: f32[b, n], W: f32[m, n] csr, c: f32[m]) -> Y: f32[b, m] { Y[b, o] = X[b, i] * W[o, i] + c[o] }",
         [(70, 9), (5, 9), (5,)], "t_10: panels of 64 along b"),
        # Extents that are known say how often a copy is used.
        ("X: f32[128, 32], W: f32[128, 32]) -> Y: f32[128, 128] { Y[b, o] = X[b, i] * W[o, i] }",
         [(128, 32), (128, 32)], "Y: panels of 4 x 16 along b, o"),
        ("A: f32[2, n], B: f32[n, m]) -> C: f32[2, m] { C[i, k] = A[i, j] * B[j, k] }",
         [(2, 9), (9, 70)], "C: panels of 64 along k"),
    ],
)  # fmt: skip
def test_batches_scales_and_known_extents(text: str, shapes: list[tuple[int, ...]], says: str) -> None:
    k = sp.compile("kernel f(" + text)
    assert says in k.explain()
    rng = np.random.default_rng(0)
    dtype = text[text.index(":") + 2 :][:3].replace("f", "float")
    args = [rng.integers(-4, 5, shape).astype(dtype) for shape in shapes]
    out = k(*(sp.tensor(a, format="csr") if n == 1 and "csr" in text else a for n, a in enumerate(args)))
    assert np.array_equal(out, sp.compile("kernel f(" + text, backend="interp")(*args))


def test_a_schedule_keeps_the_order_of_the_result_and_says_so() -> None:
    k = sp.compile(LAYER.format("f32", "csr"), schedule="parallel b")
    assert "Y: in its own order, since a schedule asks for its loops; without one it is computed as" in k.explain()


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("columns", [1, 3, 16, 63, 64, 65, 130])
def test_rows_that_strips_leave(rows: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(-4, 5, (rows, 9)).astype("f4"), rng.integers(-4, 5, (9, columns)).astype("f4")
    assert np.array_equal(sp.compile(PRODUCT.format("f32", ""))(a, b), a @ b)


def test_many_dense_operands_do_not_multiply_what_is_tried() -> None:
    operands = ", ".join(f"B{n}: f64[n, n]" for n in range(20))
    value = "A[i, j]" + "".join(f", B{n}[k, j])" for n in range(20))
    text = f"kernel f(A: f64[n, n], {operands}) -> C: f64[n, n] {{ C[i, k] = sum[j]({'max(' * 20}{value}) }}"
    assert "loop order" in sp.compile(text).explain()
    with pytest.raises(sp.ScheduleError):
        sp.compile(text, schedule="split k 4; order k%4, k/4").explain()


SHAPES = [(0, 3, 2, 2), (3, 0, 2, 2), (1, 1, 5, 7), (1, 40, 3, 2), (2, 3, 4, 5), (40, 2, 3, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_few_iterations_are_dealt_out_with_the_loop_inside(shape: tuple[int, ...]) -> None:
    b, h, s, d = shape
    k = sp.compile("kernel f(Q: f32[b, h, s, d], K: f32[b, h, t, d]) -> S: f32[b, h, s, t] "
                   "{ S[b, h, s, t] = Q[b, h, s, d] * K[b, h, t, d] }")  # fmt: skip
    assert "S: parallel over b, h" in k.explain()
    rng = np.random.default_rng(0)
    q, x = (rng.integers(-4, 5, (b, h, n, d)).astype("f4") for n in (s, 6))
    assert np.array_equal(k(q, x), np.einsum("bhsd,bhtd->bhst", q, x))


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("columns", [1, 17, 100, 1000])
def test_each_piece_of_a_panel_s_loop_is_done_once(rows: int, columns: int) -> None:
    k = sp.compile("kernel f(A: f32[m, n], B: f32[n, d]) -> C: f32[m, d] { C[i, k] += A[i, j] * B[j, k] }")
    assert "C: parallel over i_4, ko" in k.explain()
    rng = np.random.default_rng(0)
    a, b, c = (rng.integers(-4, 5, s).astype("f4") for s in ((rows, 9), (9, columns), (rows, columns)))
    out = c.copy()
    k(a, b, out=out)
    assert np.array_equal(out, c + a @ b)
