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
        sparse = rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.4)
        other = rng.standard_normal((d, n) if text is LAYER else (n, d))
        if "nm" in fmt:
            continue  # rows of whole groups, two of four
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
