"""Reductions inside others, which must not share a loop, over formats whose loops are not their tensor's indices."""

from __future__ import annotations

import pytest

from tests.support.texts import stages

FORMATS = (
    "csr", "csc", "dia", "bsr[2, 3]", "csb[2, 2]", "band[1, 1]", "rle", "nm[2, 4]", "sell[4, 8]",
    "(i, j) -> (j-i: dense, i: range)", "(i, j) -> (i+j: compressed, j: range)",
    "(i, j) -> (i/2: dense, j/2: fixed[9], i%2: dense, j%2: dense)",
)  # fmt: skip
STATEMENTS = (
    "r[j] = max[a](sum[s](P[j, s] * D[s, a]))",
    "r[j] = max[a](P[a, j] * sum[s](D[s, a]))",
    "r[j] = max[a](sum[k](P[a, k] * D[k, j]) * sum[s](P[j, s] * D[s, a]))",
    "r[j] = sum[a](max[s](P[j, s] + D[s, a]) where P[a, a] > 0)",
    "r[j] = min[a](sum[s](D[s, a]) + max[s](P[s, j] * D[a, s]))",
)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("fmt", FORMATS)
def test_every_stage(fmt: str, statement: str) -> None:
    other = "csc" if fmt == "csr" else "csr"
    stages(f"P: f64[n, n] {other}, D: f64[n, n] {fmt}", "r: f64[n]", statement)
    stages(f"P: f64[n, n] {fmt}, D: f64[n, n] {other}", "r: f64[n]", statement)
