"""Which entries a sparse result stores: one rule for the loop nest, the buffer IR and machine code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparsec.ir import buffer_text, loops_text
from tests.support.differential import Lowered, check_patterns, execute
from tests.support.native import Native
from tests.support.stages import lowered
from tests.support.strategies import Data

Array = np.ndarray[Any, np.dtype[Any]]

A = np.array([[1.0, 2, 0, 0], [0, 0, 0, 0], [-3, 0, -1, 0]])
B = np.array([[2.0, 0, 0, 5], [0, 0, 0, 0], [-4, -6, 0, 0]])
EITHER = (A != 0) | (B != 0)


def stored(text: str, **arrays: Array) -> Array:
    """The entries of the result ``C``, which every stage stores alike."""
    low = lowered(f"kernel f{text}")
    fills: dict[str, Any] = {t.name: t.fill for t in low.program.operands}
    there = {n: a != fills[n] for n, a in arrays.items()}
    for t in low.program.operands:
        if t.format is not None and t.format.is_dense:
            there[t.name] = np.ones(arrays[t.name].shape, bool)
    data = Data({"m": 3, "n": 4}, arrays, there)
    got = execute(low, data)
    check_patterns(low, data, got)
    native = execute(low, data, Native(low.module))
    assert np.array_equal(native["C"][1], got["C"][1])
    return got["C"][1]


OPERANDS = "(A: f64[m, n] csr, B: f64[m, n] csr) -> C: f64[m, n]"


@pytest.mark.parametrize("fmt", ["csr", "csc", "dcsr", "coo", "(i, j) -> (i: dense, j: hashed)"])
@pytest.mark.parametrize("choice", ["A[i, j] > B[i, j]", "A[i, j] + 1 < exp(B[i, j])"])
def test_a_choice_between_operands_has_both_patterns(fmt: str, choice: str) -> None:
    got = stored(f"{OPERANDS} {fmt} {{ C[i, j] = select({choice}, A[i, j], B[i, j]) }}", A=A, B=B)
    assert np.array_equal(got, EITHER)


def test_a_choice_of_the_fill_is_an_entry() -> None:
    got = stored(f"{OPERANDS} csr {{ C[i, j] = select(A[i, j] > 1, A[i, j], 0) + B[i, j] }}", A=A, B=B)
    assert np.array_equal(got, EITHER)


@pytest.mark.parametrize("fmt", ["csr", "csc", "coo"])
def test_a_choice_that_absent_entries_decide_is_none(fmt: str) -> None:
    got = stored(f"{OPERANDS} {fmt} {{ C[i, j] = select(A[i, j] != 0, B[i, j], 0) }}", A=A, B=B)
    assert np.array_equal(got, (A != 0) & (B != 0))  # what A does not decide are two zeros, chosen or not


M = np.array([[1.0, 0, 1, 0, 0], [0, 0, 1, 1, 0], [2, 0, 0, 0, 0]])
T, V = np.array([0.0, 2, 0, 0, 4]), np.array([5.0, 6, 0, 7, 0])
BY_STORED = {
    "select(stored(M[0, i]), T[i], V[i])": [0, 1, 3],
    "select(not stored(M[0, i]), V[i], T[i])": [0, 1, 3],
    "select(stored(M[0, i]) or T[i] > 1, T[i], V[i])": [0, 1, 3, 4],
    "select(stored(M[0, i]), T[i], 0)": [],
    "select(stored(M[0, i]), 0, V[i])": [0, 1, 3],
    "select(stored(M[0, i]), 2 * T[i], V[i]) + select(stored(M[1, i]), T[i], 0)": [0, 1, 3],
    "f64(stored(M[0, i])) - f64(stored(M[1, i]))": [0, 2, 3],
    "f64(stored(M[0, i]) and not stored(M[1, i])) + V[i]": [0, 1, 2, 3],
}
"""Values that ask what ``M`` stores -> their entries: where it has one, as wherever a value of ``M`` decides."""


@pytest.mark.parametrize("value", BY_STORED)
@pytest.mark.parametrize(
    "fmt",
    ["csr", "csc", "csf", "dcsr", "dcsc", "coo", "bitmap", "ell[3]", "hash", "rle", "(i, j) -> (j: dense, i: bitmap)"],
)
def test_a_choice_by_what_is_stored_has_the_same_entries_in_every_format(fmt: str, value: str) -> None:
    text = f"(M: f64[m, 5] {fmt}, T: f64[5] csf, V: f64[5] csf) -> C: f64[5] csf {{ C[i] = {value} }}"
    assert np.flatnonzero(stored(text, M=M, T=T, V=V)).tolist() == BY_STORED[value]


@pytest.mark.parametrize("fmt", ["", "csr", "bitmap"])
def test_what_stores_all_of_its_entries_decides_as_others_do(fmt: str) -> None:
    text = f"(M: f64[m, 5] {fmt}, T: f64[5] csf, V: f64[5] csf) -> C: f64[5] csf"
    for value in ("select(stored(M[0, i]), T[i], V[i])", "select(M[0, i] > 0, T[i], V[i])"):
        got = stored(f"{text} {{ C[i] = {value} }}", M=np.ones((3, 5)), T=T, V=V)
        assert np.flatnonzero(got).tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize("condition", ["B[i, j] > 2", "exp(B[i, j]) > exp(2)"])
@pytest.mark.parametrize("update", ["+=", "max="])
@pytest.mark.parametrize("fmt", ["csr", "csc", "coo"])
def test_what_a_condition_leaves_out_is_no_entry(fmt: str, update: str, condition: str) -> None:
    text = f"{OPERANDS} {fmt} {{ C[i, j] = A[i, j]; C[i, j] {update} B[i, j] where {condition} }}"
    assert np.array_equal(stored(text, A=A, B=B), (A != 0) | (B > 2))


def test_a_product_with_a_written_zero_stores_nothing() -> None:
    text = "(A: i64[m, n] csr, x: i64[n]) -> C: i64[m, n] csc { C[i, j] = x[j] * 0 + A[i, j] * 0 }"
    assert not stored(text, A=A.astype(np.int64), x=np.ones(4, np.int64)).any()


@pytest.mark.parametrize(
    "fmt", ["(i: compressed, j: dense)", "(i: bitmap, j: dense)", "(i/2: compressed, i%2: dense, j: dense)"]
)
def test_blocks_that_hold_no_entry_are_not_stored(fmt: str) -> None:
    text = f"(x: f64[m, n], A: f64[m, n]) -> C: f64[m, n] (i, j) -> {fmt} {{ C[i, j] = x[i, j] where A[i, j] < 0 }}"
    rows = (A < 0).any(1)
    if "/2" in fmt:
        rows = np.repeat([rows[:2].any(), rows[2]], 2)[:3]
    assert np.array_equal(stored(text, x=B, A=A), np.repeat(rows[:, None], 4, 1))


def test_blocks_below_a_diagonal() -> None:
    text = "(x: f64[n, n]) -> C: f64[n, n] (i, j) -> (i: compressed, j: dense) { C[i, j] = x[i, j] where j < i - 1 }"
    got = stored(text, x=np.ones((4, 4)))
    assert got.any(1).tolist() == [False, False, True, True]


def test_blocks_that_surely_hold_entries_are_not_asked() -> None:
    operands = "(A: f64[m, n] bsr[2, 2], B: f64[m, n] bsr[2, 2]) -> C: f64[m, n] bsr[2, 2]"
    low: Lowered = lowered(f"kernel f{operands} {{ C[i, j] = A[i, j] + B[i, j] }}")
    whole = buffer_text.print_module(low.module)
    assert "decl wrote" not in whole.split("whole", 1)[0], loops_text.print_kernel(low.kernel)


def test_a_sum_is_stored_where_it_folds_something() -> None:
    text = "(A: f64[m, n] dcsr, B: f64[m, n] csr) -> C: f64[m] csf { C[i] = A[i, j] * B[i, j] }"
    got = stored(text, A=A, B=B)
    assert got[0] and got[2]
