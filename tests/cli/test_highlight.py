"""Colours never change the text."""

from __future__ import annotations

import pytest

import sparsec as sp
from sparsec.cli.highlight import highlighted

SPMV = "kernel spmv(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] {\n    y[i] = 2 * A[i, j] * x[j]  # a product\n}\n"


@pytest.mark.parametrize("stage", ["dsl", "tensor", "loops", "buffer", "llvm", "asm", "c", "something"])
def test_text_is_kept(stage: str) -> None:
    k = sp.compile(SPMV)
    made = {"dsl": SPMV, "something": SPMV} | {s: k.ir(s) for s in ("tensor", "loops", "buffer")}
    text = made.get(stage) or k.code(stage)
    painted = highlighted(text, stage)
    assert painted.plain == text
    colours = {str(span.style) for span in painted.spans}
    assert colours == set() if stage == "something" else {"magenta", "cyan", "green"} <= colours


def test_what_is_coloured() -> None:
    painted = highlighted(SPMV, "dsl")
    by_colour = {str(s.style): SPMV[s.start : s.end] for s in painted.spans}
    assert by_colour["bright_black"] == "# a product" and by_colour["cyan"] == "f64" and by_colour["green"] == "2"
