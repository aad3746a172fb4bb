"""Results whose levels are all full, and yet no arrays: blocks and diagonals, padding and all."""

from __future__ import annotations

import pytest

from tests.support.texts import stages

FORMATS = (
    "(i, j) -> (j-i: dense, i: range)", "(i, j) -> (i+j: dense, j: range)", "(i, j) -> (j-i: dense, i: dense)",
    "(i, j) -> (i/2: dense, j/2: dense, i%2: dense, j%2: dense)",
)  # fmt: skip


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("statement", [
    "r[i, j] = P[i, j] + D[i, j]", "r[i, j] += P[i, j]", "r[i, j] = sum[k](P[i, k] * D[k, j])", "r[j, i] = D[i, j]",
])  # fmt: skip
def test_every_stage(fmt: str, statement: str) -> None:
    stages(f"P: f64[n, n] csr, D: f64[n, n] {fmt}", f"r: f64[n, n] {fmt}", statement)


def test_the_zeros_of_unstored_rows_fold_once_into_each_place_of_a_block() -> None:
    result = "r: f64[n] (i) -> (i/2: compressed, i%2: dense)"
    stages("P: f64[n, n] csb[2, 2], D: f64[n, n] bitmap", result, "r[j] = max[i](P[i, j] * D[i, i])")
