"""Appended results with no more entries than one operand has: room is made once, none is asked for by entry."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp

RNG = np.random.default_rng(11)
A = np.where(RNG.random((9, 12)) < 0.4, RNG.integers(1, 5, (9, 12)), 0.0)
SOURCES = [
    "csr", "csc", "dcsr", "coo", "ell[12]", "nm[4, 4]", "bitmap", "hash", "rle", "(i, j) -> (i: compressed, j: dense)",
]  # fmt: skip
RESULTS = ["coo", "dcsr", "csf", "(i, j) -> (j: compressed, i: compressed)", "rle"]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("result", RESULTS)
def test_copies_and_maps(source: str, result: str) -> None:
    k = sp.compile(f"kernel f(A: f64[m, n] {source}) -> B: f64[m, n] {result} {{ B[i, j] = 2 * A[i, j] }}")
    for a in (A, A * 0, np.ones_like(A)):
        got = k(sp.tensor(a, format=source))
        got.validate()
        assert got.numpy().tolist() == (2 * a).tolist()


def grows(text: str) -> bool:
    """Whether a loop of the kernel may grow a buffer."""
    lines = sp.compile(text).ir("buffer").splitlines()
    loops = [n for n, line in enumerate(lines) if line.lstrip().startswith("for ")]
    return any("grow B" in line for line in lines[loops[0] :])


def test_room_is_made_once() -> None:
    kernel = "kernel f(A: f64[m, n] csr, x: f64[n], C: f64[m, n] csr, M: bool[m]) -> B: f64[m, n] coo {{ {} }}"
    assert not grows(kernel.format("B[i, j] = A[i, j] * x[j]"))
    assert grows(kernel.format("B[i, j] = A[i, j] + C[i, j]"))
    assert grows(kernel.format("B[i, j] = A[i, j] * C[i, j]"))
    assert grows(kernel.format("B[i, j] = A[i, j] where M[i]"))
    wide = "kernel f(A: f64[m, n] csr, x: f64[p]) -> B: f64[m, n, p] coo { B[i, j, k] = A[i, j] * x[k] }"
    assert grows(wide), "an entry for each of many"
