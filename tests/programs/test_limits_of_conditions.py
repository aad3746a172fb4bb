"""Conditions on integers at the ends of 64 bits: no limit, and comparisons that wrap, in every format."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from tests.support.stages import agree

CONDITIONS = [
    "i <= s", "i < s", "i >= s", "i > s", "i == s", "i + s > 5", "i - s < 5", "s - i >= 0", "2 * i <= s", "i <= 2 * s",
    "i <= 9223372036854775807", "i > 9223372036854775807", "i - 9223372036854775807 < -9223372036854775805",
    "i >= -s", "i * 3 - s <= 1",
]  # fmt: skip


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("fmt", ["", "csf", "rle", "(i) -> (i: range[1, 4])"])
def test_conditions_on_scalars(condition: str, fmt: str) -> None:
    x = np.array([0.0, 2, 3, 4, 0]) if "range" in fmt else np.arange(1.0, 6)
    given = "" if "s" not in condition else ", s: i64"
    text = f"kernel f(x: f64[n] {fmt}{given}) -> y: f64 {{ y = sum[i](x[i] where {condition}) }}"
    for s in (2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1, 2**62, 2, 0, -1) if given else (0,):
        agree(text, {"x": x} | ({"s": np.int64(s)} if given else {}), {"n": 5})


@pytest.mark.parametrize("condition", ["j <= s", "j - i <= s", "i - j >= s", "i + j < s"])
@pytest.mark.parametrize("result", ["", "csr", "(i, j) -> (i: dense, j: range[i, inf])"])
def test_results(condition: str, result: str) -> None:
    if "range" in result:
        condition += " and j >= i"
    a = np.arange(1.0, 37).reshape(6, 6)
    for fmt in ("", "csr"):
        text = (
            f"kernel f(A: f64[m, n] {fmt}, s: i64) -> C: f64[m, n] {result} {{ C[i, j] = A[i, j] where {condition} }}"
        )
        for s in (2**63 - 1, -(2**63), 1):
            agree(text, {"A": a, "s": np.int64(s)}, {"m": 6, "n": 6})


@pytest.mark.parametrize("fmt", ["", "csr"])
def test_a_condition_that_wraps_shows_no_place_inside_a_window(fmt: str) -> None:
    text = f"""kernel f(A: f64[m, n] {fmt}) -> C: f64[m, n] (i, j) -> (i: dense, j: range[i, inf]) {{
        C[i, j] = A[i, j] where j - i - 9223372036854775807 >= 0
    }}"""
    a = np.arange(1.0, 37).reshape(6, 6)  # it holds below the diagonal, where the result has no place
    with pytest.raises(sp.SparsecError, match="outside"):
        sp.compile(text)(sp.tensor(a, format=fmt) if fmt else a)


def test_what_is_no_limit_still_bounds_the_loop() -> None:
    text = sp.compile("kernel f(x: f64[n], s: i64) -> y: f64 { y = sum[i](x[i] where i <= s) }").ir("buffer")
    assert "if" not in text and "min(" in text
