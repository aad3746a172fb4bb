"""Register panels: whole ones, and what they leave in ever narrower ones, are the product."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from tests.support.stages import agree

WIDTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100, 127, 128, 130]
FORMATS = ("csr", "csc", "bsr[2, 3]", "dia", "ell[9]", "dense")


def operands(dtype: str, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(width)
    a = ((rng.random((7, 9)) < 0.4) * rng.integers(1, 9, (7, 9))).astype(dtype)
    return a, rng.integers(-9, 9, (9, width)).astype(dtype)


@pytest.mark.parametrize("dtype", ["f64", "f32", "i64", "u32"])
@pytest.mark.parametrize("schedule", [None, "panel k 8", "panel k 12", "split k 16; order i, k/16, j, k%16"])
def test_any_number_of_columns(dtype: str, schedule: str | None) -> None:
    text = f"A: {dtype}[m, n] csr, B: {dtype}[n, d]) -> C: {dtype}[m, d]"
    kernels = [
        (sp.compile(f"kernel f({text} {{ C[i, k] = {fold}[j](A[i, j] * B[j, k]) }}", schedule=schedule), numpy)
        for fold, numpy in (("sum", np.add), ("max", np.maximum))
    ]
    for width in WIDTHS:
        a, b = operands({"f": "f", "i": "i", "u": "u"}[dtype[0]] + str(int(dtype[1:]) // 8), width)
        for kernel, numpy in kernels:
            want = numpy.reduce(a[:, :, None] * b, 1).astype(a.dtype)
            assert kernel(sp.tensor(a, format="csr"), b).tolist() == want.tolist(), width


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 12, 24, 33])
def test_a_number_of_columns_that_is_known(fmt: str, width: int) -> None:
    a, b = operands("f8", width)
    text = f"kernel f(A: f64[m, n] {fmt}, B: f64[n, {width}]) -> C: f64[m, {width}] {{ C[i, k] = A[i, j] * B[j, k] }}"
    assert sp.compile(text)(sp.tensor(a, format=fmt), b).tolist() == (a @ b).tolist()


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_result_that_is_added_to(fmt: str) -> None:
    for width in (3, 33, 70):
        a, b = operands("f8", width)
        c = np.ones((7, width))
        text = f"kernel f(A: f64[m, n] {fmt}, B: f64[n, d]) -> C: f64[m, d] {{ C[i, k] += A[i, j] * B[j, k] }}"
        kernel = sp.compile(text)
        assert kernel(sp.tensor(a, format=fmt), b, out=c).tolist() == (a @ b + 1).tolist()


ROWS = "(o, i) -> (o/{b}: dense, i/{c}: compressed, o%{b}: dense, i%{c}: dense)"
COLUMNS = "(o, i) -> (o/{b}: dense, i/{c}: compressed, i%{c}: dense, o%{b}: dense)"


@pytest.mark.parametrize(
    ("blocks", "body", "schedule"),
    [
        (COLUMNS, "Y[b, o] = X[b, i] * W[o, i]", "order b, o/{b}, i/{c}, i%{c}, o%{b}"),
        (COLUMNS, "Y[b, o] = X[b, i] * W[o, i]", "split b 4; order o/{b}, b/4, i/{c}, i%{c}, b%4, o%{b}"),
        (COLUMNS, "Y[b, o] = X[b, i] * W[o, i]",
         "split b 3; order b/3, o/{b}, i/{c}, i%{c}, b%3, o%{b}; parallel b/3 by 1"),
        (COLUMNS, "Y[b, o] = max[i](X[b, i] * W[o, i])", "split b 4; order o/{b}, b/4, i/{c}, i%{c}, b%4, o%{b}"),
        (COLUMNS, "Y[b, o] += X[b, i] * W[o, i] where b > 1", "split b 4; order o/{b}, b/4, i/{c}, i%{c}, b%4, o%{b}"),
        (COLUMNS, "Y[b, o] = X[b, i] * W[o, i] where i < 5", "split b 4; order o/{b}, b/4, i/{c}, i%{c}, b%4, o%{b}"),
        (COLUMNS, "Y[b, o] = X[b, i] * W[o, i]",
         "split b 8; split b 2; order o/{b}, b/8, b%8/2, i/{c}, i%{c}, b%2, o%{b}; parallel b/8 by 1"),
        (ROWS, "Y[o, b] = X[b, i] * W[o, i]", "split b 8; order o/{b}, b/8, i/{c}, i%{c}, o%{b}, b%8"),
        (ROWS, "Y[o, b] = X[b, i] * W[o, i]",
         "split o 2; split b 8; order o/{b}, b/8, o%{b}/2, i/{c}, i%{c}, o%2, b%8"),
        (ROWS, "Y[o, b] = X[b, i] * W[o, i]", "split o 2; order o/{b}, o%{b}/2, i/{c}, i%{c}, o%2, b; panel none"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [(2, 8), (4, 4), (8, 3)])
@pytest.mark.parametrize("compiled", [False, True])
def test_stretches_of_rows_and_columns(
    blocks: str, body: str, schedule: str, size: tuple[int, int], compiled: bool
) -> None:
    b, c = size
    blocks, schedule = blocks.format(b=b, c=c), schedule.format(b=b, c=c)
    if "split o 2" in schedule and b == 2:
        return
    dims = "m, d" if body.startswith("Y[o") else "d, m"
    text = f"kernel f(X: f64[d, n], W: f64[m, n] {blocks}) -> Y: f64[{dims}] {{ {body} }}"
    text += f"\nschedule for f {{ {schedule} }}"
    for d, m, n in ((9, 21, 17), (1, 1, 1), (16, 16, 24), (0, 3, 2), (5, 0, 2), (3, 4, 0)):
        rng = np.random.default_rng(d)
        w = (rng.random((m, n)) < 0.5) * rng.integers(1, 9, (m, n)) * 1.0
        given = {"X": rng.integers(-3, 4, (d, n)) * 1.0, "W": w}
        agree(text, given, {"d": d, "m": m, "n": n}, compiled=compiled)


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("A: f64[m, n], B: f64[n, d]) -> C: f64[12, d] { C[2 * i, k] += A[i, j] * B[j, k] }",
         "split i 4; order i/4, j, i%4, k"),
        ("A: f64[m, n] bsr[2, 2], B: f64[n, d], p: i64[m]) -> C: f64[12, d] { C[p[i], k] += A[i, j] * B[j, k] }",
         "order i/2, j/2, j%2, i%2, k"),
        ("A: f64[m, n] (i, j) -> (j-i: dense, i: dense), B: f64[n, d]) -> C: f64[m, d] { C[i, k] = A[i, j] * B[j, k] }",
         "split i 4; order i/4, j-i, i%4, k"),
    ],
)  # fmt: skip
def test_places_computed_from_rows_of_a_panel(text: str, schedule: str) -> None:
    rng = np.random.default_rng(0)
    given = {"A": rng.integers(0, 3, (6, 5)) * 1.0, "B": rng.integers(0, 9, (5, 7)) * 1.0, "p": np.arange(6)[::-1] * 2}
    product, at = given["A"] @ given["B"], {"2 * i": 2 * np.arange(6), "p[i]": given["p"]}
    want = np.zeros((12, 7)) if "12" in text else product
    for place, rows in at.items():
        if place in text:
            want[rows] += product
    kernel = sp.compile(f"kernel f({text}\nschedule for f {{ {schedule} }}")
    operands = {name: a for name, a in given.items() if f"{name}: " in text}
    assert kernel(**operands).tolist() == want.tolist()


def test_the_number_of_a_panel_may_be_asked() -> None:
    """In a loop nest that a person changed: what is left of whole panels keeps its number."""
    k = sp.compile(
        "kernel f(A: f64[m, n] csr, B: f64[n, d]) -> C: f64[m, d] { C[i, k] = A[i, j] * B[j, k] }",
        schedule="panel k 8; parallel none",
    )
    nest = k.ir("loops").replace("B[j, k])", "mul(B[j, k], cast[f64](ko)))")
    a, b = np.arange(6.0).reshape(2, 3), np.arange(39.0).reshape(3, 13)
    assert sp.compile(nest)(a, b).tolist() == (a @ b * (np.arange(13) // 8)).tolist()
