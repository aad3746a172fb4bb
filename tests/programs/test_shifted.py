"""Shifted indices of formats that have places outside of the tensor: those are never read."""

from __future__ import annotations

import pytest

from tests.support.texts import stages

FORMATS = (
    "dia", "(i, j) -> (j-i: dense, i: range)", "(i, j) -> (i+j: compressed, j: range)", "bsr[2, 3]", "bsc[2, 2]",
    "band[1, 1]", "band[0, 2]", "csb[2, 2]", "nm[2, 4]", "ell[9]", "sell[4, 8]", "rle",
    "(i, j) -> (i/2: dense, j/2: dense, i%2: dense, j%2: dense)", "(i, j) -> (i: dense, j: range[0, i+1])",
    "sym", "csr", "csc",
)  # fmt: skip


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("statement", [
    "r[i] = sum[j](P[i, j + 1] + D[i, j])", "r[i] = sum[j](P[i + 1, j - 1] * D[i, j])",
    "r[i] = sum[j](P[i - 2, j + 1] + D[i, j])", "r[j] = max[i](P[i + 1, j - 1] + D[j, i])",
    "r[i] = sum[j](P[2 * i, j + 1] + D[i, j])", "r[i] = P[i, i + 1] + D[i, i]",
    "r[i] max= sum[j](P[j + 1, i] + D[i, j] where i + j > 2)",
])  # fmt: skip
def test_every_stage(fmt: str, statement: str) -> None:
    stages(f"P: f64[n, n] {fmt}, D: f64[n, n] csr", "r: f64[n]", statement)
