"""Selections of the keys themselves: no mask is made, rows have room for so many entries, and the gaps are closed."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import VerifyError
from tests.support.stages import agree

PLAIN = "kernel f({}) -> S: f64[m, n] csr {{ S[i, j] = {} where top[j: 2]({}) }}"


def operands(m: int, n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n)
    a, b = (np.where(rng.random((m, n)) < 0.4, rng.integers(-3, 4, (m, n)), 0.0) for _ in range(2))
    return {"A": a, "B": b}


@pytest.mark.parametrize(
    ("declared", "key", "selected", "itself"),
    [
        ("A: f64[m, n]", "A[i, j]", "A[i, j]", True),
        ("A: f64[m, n]", "A[i, j]", "A[i, j] where A[i, j] > 0", True),
        ("A: f64[m, n] csr", "A[i, j]", "A[i, j] where A[i, j] > 0", True),
        ("A: f64[m, n] csr", "A[i, j]", "A[i, j] where stored(A[i, j])", True),
        ("A: f64[m, n] csr, B: f64[m, n] csr", "A[i, j] * B[i, j]", "A[i, j] * B[i, j] where A[i, j] < 2", False),
        # keys that are no entries of A are selected, and stored nowhere
        ("A: f64[m, n] csr", "A[i, j]", "A[i, j]", False),
        ("A: f64[m, n] csr", "A[i, j]", "A[i, j] where A[i, j] > -2", False),
        ("A: f64[m, n] csr, B: f64[m, n] csr", "A[i, j]", "A[i, j] where B[i, j]", False),
        ("A: f64[m, n] csr, B: f64[m, n] csr", "A[i, j] * B[i, j]", "A[i, j] * B[i, j] where A[i, j] > 0", False),
        # something else than the key
        ("A: f64[m, n]", "A[i, j]", "abs(A[i, j])", False),
        ("A: f64[m, n]", "2 * A[i, j]", "A[i, j]", False),
    ],
)  # fmt: skip
def test_keys_are_written_themselves(declared: str, key: str, selected: str, itself: bool) -> None:
    text = PLAIN.format(declared, key, selected)
    for m, n in ((6, 9), (1, 1), (3, 0), (0, 3)):
        given = {k: v for k, v in operands(m, n).items() if f"{k}:" in declared}
        agree(text, given, {"m": m, "n": n}, compiled=(m, n) == (6, 9))
    assert ("local top1" not in sp.compile(text).ir("loops")) is itself


@pytest.mark.parametrize("fmt", ["csc", "coo", "dcsr", ""])
def test_other_results_take_a_mask_or_the_loops_that_fit(fmt: str) -> None:
    text = f"kernel f(A: f64[m, n]) -> S: f64[m, n] {fmt} {{ S[i, j] = A[i, j] where top[j: 2](A[i, j]) }}"
    agree(text, {"A": operands(5, 7)["A"]}, {"m": 5, "n": 7})


def test_vectors_batches_and_many_keys() -> None:
    rng = np.random.default_rng(0)
    x = rng.permutation(300).astype(np.float32)
    k = sp.compile("kernel f(x: f32[n]) -> y: f32[n] sparse { y[i] = x[i] where top[i: 7](x[i]) }")
    assert np.array_equal(k(x).numpy(), np.where(x >= 293, x, 0))
    b = rng.permutation(2 * 3 * 50).reshape(2, 3, 50)
    fmt = "(a, b, c) -> (a: dense, b: dense, c: compressed)"
    statement = "S[a, b, c] = B[a, b, c] where top[c: 4](B[a, b, c])"
    k = sp.compile(f"kernel f(B: i64[a, b, c]) -> S: i64[a, b, c] {fmt} {{ {statement} }}")
    assert np.array_equal(k(b).numpy(), np.where(b >= np.sort(b)[..., -4, None], b, 0))
    wide = rng.permutation(3 * 400).reshape(3, 400)
    for many in (256, 257, 399, 400):
        statement = f"S[i, j] = A[i, j] where top[j: {many}](A[i, j])"
        k = sp.compile(f"kernel f(A: i64[m, n]) -> S: i64[m, n] csr {{ {statement} }}")
        assert ("bounded" in k.ir("loops")) is (many <= 256)
        assert np.array_equal(k(wide).numpy(), np.where(wide >= np.sort(wide)[:, -many, None], wide, 0))


def test_patterns_and_values_apart() -> None:
    k = sp.compile(PLAIN.format("A: f64[m, n] csr", "A[i, j]", "A[i, j] where A[i, j] > 0"))
    a = operands(6, 9)["A"]
    whole = k(a)
    pattern = k.assemble(a)
    assert np.array_equal(pattern.coo()[0], whole.coo()[0])
    assert np.array_equal(k.compute(a, out=pattern).numpy(), whole.numpy())


def test_what_is_not_bounded_is_refused() -> None:
    text = sp.compile(PLAIN.format("A: f64[m, n]", "A[i, j]", "A[i, j]")).ir("loops")
    with pytest.raises(VerifyError, match="'S' cannot be bounded"):
        sp.compile(text.replace(" keep 2", ""))
