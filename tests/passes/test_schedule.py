"""Schedules: what is asked is done or refused with the reason, and what was done can be asked for."""

from __future__ import annotations

import re

import numpy as np
import pytest

import sparsec as sp
from sparsec.ir.tensor_text import parse_program, print_program

SPMV = "kernel f(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }"
SPMM = "kernel f(A: f64[m, n] csr, B: f64[n, d]) -> C: f64[m, d] { C[i, k] = A[i, j] * B[j, k] }"
GEMM = "kernel f(A: f64[m, n] csr, B: f64[n, d] csr) -> C: f64[m, d] csr { C[i, k] = A[i, j] * B[j, k] }"
DENSE = "kernel f(A: f64[m, n], B: f64[n, d]) -> C: f64[m, d] { C[i, k] = A[i, j] * B[j, k] }"
BLOCKS = "kernel f(A: f64[m, n] bsr[2, 2], x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }"
DIAGONALS = "kernel f(A: f64[m, n] dia, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }"
TWO = "kernel f(A: f64[m, n] csr, x: f64[n]) -> y: f64[m], s: f64 { y[i] = A[i, j] * x[j]; s = y[i] * y[i] }"
BESIDE = "kernel f(x: f64[n]) -> y: f64[n] { t[i] = scan[i](x[i]); y[i] = t[i] * t[i] }"  # a scan has no schedule
OF_BLOCKS = "kernel f(A: f64[m, n] bsr[3, 3]) -> B: f64[m, n] { B[i, j] = A[i, j] }"
OF_DIAGONALS = "kernel f(A: f64[m, n] dia) -> B: f64[m, n] { B[i, j] = A[i, j] }"
INTO = "kernel f(b: i64[m], w: f64[m]) -> H: f64[n] { H[b[i]] += w[i] }"
INSIDE = "kernel f(A: f64[m, n]) -> y: f64[m] { y[i] = exp(sum[j](A[i, j])) }"
FILES = "{spmm}\nschedule for f {{ {schedule} }}"
A = np.arange(24.0).reshape(4, 6) * (np.arange(24).reshape(4, 6) % 3 == 0)
B = np.cos(np.arange(30.0)).reshape(6, 5)


def made(k: sp.Kernel) -> str:
    """The schedule that ``explain`` prints, or nothing."""
    return "".join(re.findall(r"schedule for .*", k.explain()))


@pytest.mark.parametrize("text", [SPMV, SPMM, GEMM, DENSE, BLOCKS, DIAGONALS, TWO, BESIDE])
def test_what_the_compiler_chose_asks_for_the_same(text: str) -> None:
    first = sp.compile(text)
    again = sp.compile(text, schedule=made(first))
    assert made(first) and again.ir("loops") == first.ir("loops")


def test_what_was_asked_asks_for_the_same() -> None:
    text = "kernel f(A: f64[n, n] dia, B: f64[n, n]) -> C: f64[n, n] { C[i, k] = A[i, j] * B[j, k] }"
    first = sp.compile(text, schedule="order i, j, k; panel k 4; vector i 8")
    assert "vector i 8; vector k 4" in made(first)
    again = sp.compile(text, schedule=made(first))
    assert made(again) == made(first) and again.ir("loops") == first.ir("loops")


def test_what_was_asked_of_a_statement_in_steps_is_said_again() -> None:
    text = "kernel f(B: f64[p, r]) -> R: f64[p, p] { R[i, j] = (sum[a, b](B[a, b]) * 2.0) where i - j >= 0 }"
    first = sp.compile(text, schedule="split i 3; split j 2")
    assert "reduction over a, b goes first" in first.explain()
    assert "{ split i 3; split j 2 }" in made(first)
    assert sp.compile(text, schedule=made(first)).ir("loops") == first.ir("loops")


@pytest.mark.parametrize(
    "schedule",
    [
        "order i, j, k", "order i, k, j", "order j, i, k", "order k, j, i", "order k, i", "parallel i by 2",
        "parallel none", "order k, i, j; parallel k by 1 dynamic", "panel none", "panel k 32", "panel k 3",
        "panel k 4; vector k 2", "panel k 12; unroll k", "panel none; vector k 4",
        "panel none; order i, j, k; unroll k", "split k 2; order k/2, i, j, k%2", "split j 4; order j/4, i, j%4, k",
        "split i 3; split k 4; order i/3, k/4, i%3, j, k%4; vector k%4 4", "split j 4; split j 2", "split i 100",
        "split k 4; order i, k/4, j; panel k%4 4; parallel i",
        "split k 2; order k/2, i, j, k%2; panel none; unroll k%2", "split k 2; order k/2, i, j, k%2; parallel i by 1",
        "order j, i, k; parallel i by 1",
        "tile i 2, k 3", "tile i 2, j 4, k 2; parallel i/2 by 1",
        "order j, k, i; parallel k by 1", "order i, k; parallel k",
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", [SPMM, GEMM, DENSE])
def test_no_schedule_changes_a_result(text: str, schedule: str) -> None:
    try:
        k = sp.compile(text, schedule=schedule)
        found = k(A, B)
    except (sp.ScheduleError, sp.FormatError) as e:
        assert text == GEMM or "cannot run" in str(e)
        return
    np.testing.assert_allclose(found if isinstance(found, np.ndarray) else found.numpy(), A @ B, rtol=1e-13, atol=1e-13)


def test_what_is_asked_is_done() -> None:
    assert made(sp.compile(SPMM, schedule="panel k 32; parallel i by 64")) == (
        "schedule for f { order i, j, k; parallel i by 64; panel k 32; vector k 8 }"
    )
    assert "parallel(64)" in sp.compile(SPMV, schedule="parallel i by 64").ir("loops")
    assert "parallel" not in sp.compile(SPMV, schedule="parallel none").ir("loops")
    assert "unroll" in sp.compile(DENSE, schedule="panel none; unroll k").ir("loops")
    loops = sp.compile(DENSE, schedule="order k, i, j").ir("loops")
    assert [loops.index(f"forall {v} ") for v in "kij"] == sorted(loops.index(f"forall {v} ") for v in "kij")


def test_blocks_and_diagonals_are_called_as_in_maps() -> None:
    k = sp.compile(BLOCKS, schedule="order i/2, j/2, i%2, j%2; parallel i/2")
    assert made(k).startswith("schedule for f { order i/2, j/2, i%2, j%2; parallel i/2")
    np.testing.assert_allclose(k(A, B[:, 0]), A @ B[:, 0])
    k = sp.compile(DIAGONALS, schedule="order j-i, i")
    assert made(k).startswith("schedule for f { order j-i, i; parallel none")
    np.testing.assert_allclose(k(A, B[:, 0]), A @ B[:, 0])


def test_a_schedule_stands_in_the_file_or_beside_it() -> None:
    text = FILES.format(spmm=SPMM, schedule="order i, k, j")
    assert made(sp.compile(text)).startswith("schedule for f { order i, k, j;")
    assert made(sp.compile(text, schedule="order k, i, j")).startswith("schedule for f { order k, i, j;")
    both = SPMM + "\n" + SPMV.replace("kernel f", "kernel g")
    found = sp.compile(both, schedule="schedule for g { parallel none }")
    assert "parallel" not in found["g"].ir("loops") and "parallel" in found["f"].ir("loops")


def test_of_several_statements_one_is_named() -> None:
    k = sp.compile(TWO, schedule="y: parallel none")
    assert "parallel" not in k.ir("loops") and made(k).startswith("schedule for f { y: order i, j; y: parallel none;")


def test_the_text_of_a_program_has_its_schedule() -> None:
    program = sp.compile(TWO, schedule="y: order i, j; y: parallel i by 4").program
    assert "schedule y: parallel i by 4" in print_program(program)
    assert parse_program(print_program(program)) == program


@pytest.mark.parametrize(
    ("text", "schedule", "said"),
    [
        (SPMM, "parallel j", "'j' cannot run in parallel: its iterations write to the same places"),
        (SPMM, "order j, i, k; parallel j", "its iterations write to the same places, since it is summed over"),
        (GEMM, "parallel k", "'k' cannot run in parallel: only the rows of the result are made apart"),
        (DENSE, "order i, j, k; panel none; parallel q", "'q' is not an index variable"),
        (SPMM, "panel i 4", "no panel along 'i'"),
        (GEMM, "panel k 16", "no panel along 'k'"),
        (SPMM, "vector j 8", "it follows the entries of its operands"),
        (SPMM, "panel k 12; vector k 8", "no whole number of 8 lanes"),
        (SPMM, "order i, i", "twice"),
        (SPMM, "order i/4, i%4, j", "there is no loop 'i/4'"),
        (SPMM, "parallel i by 0", "a number from 1 to 2**31 - 1"),
        (SPMM, "parallel i by -3", "a number from 1 to 2**31 - 1, not '-3'"),
        (SPMM, f"parallel i by {2**63}", "a number from 1 to 2**31 - 1, not '9223372036854775808'"),
        (SPMM, "panel k", "a number from 1 to 2**31 - 1"),
        (SPMM, "panel k 8; panel k 16", "'panel' is asked twice of 'C'"),
        (SPMM, "vector k 8; vector k 4", "'vector k' is asked twice of 'C'"),
        (SPMM, "parallel i, j", "is no command"),
        (SPMM, "parallel i static", "is no command"),
        (SPMM, "order i, q", "'q' is not an index variable"),
        (TWO, "parallel none", "does not say which it is for"),
        (TWO, "z: parallel none", "no statement of 'f' writes 'z'"),
        (INSIDE, "order j, i", "'j' cannot run outside of 'i'"),
        (SPMM, "tile i 4, k", "'split' needs a number"), (SPMM, "tile i", "'split' needs a number"),
        (SPMM, "tile i 4; order k, i", "'order' is asked twice"),
        (SPMM, "tile i 2, q 4", "'q' is not an index variable"),
        (SPMM, "split k/2 4", "splits no index variable"), (SPMM, "tile i 4, i 2", "names an index twice"),
        (SPMM, "tile i 1, k 4", "has tiles of 1"),
        (SPMM, "split k", "'split' needs a number from 1"),
        (SPMM, "split i, k 4", "is no command"),
        (SPMM, "split q 4", "'q' is not an index variable"),
        (SPMM, "split j 6; split j 4", "neither divides the other"),
        (SPMM, "split k 4; order k%4, k/4", "'k%4' cannot run outside of 'k/4'"),
        (SPMM, "split k 4; panel k%4 8; order i, k/4, j", "no panel along 'k%4'"),
        (SPMM, "split k 4; vector k 4", "there is no loop 'k' to vector"),
        (SPMM, "split j 3; order k, i, j/3, j%3; vector j/3 2", "over 'j/3' cannot run in vectors of 2: entries are"),
        (GEMM, "panel none; order j, k, i; vector j 4", "vectors of 4: a fixed place of an intermediate value"),
        (INTO, "vector i 2", "two lanes may update one place of 'H'"),
        (SPMM, "panel none; vector j 8", "the loop over 'j' cannot run in vectors: it follows"),
        (SPMM, "panel none; order i, j, k; unroll j", "the loop over 'j' cannot run unrolled: it follows"),
        (DENSE, "panel none; order i, k, j; vector i 4; parallel none", "the place where 'C' is written moves"),
        (OF_BLOCKS, "split i 4", "no nest for 'B' has a loop i/4"),
        (OF_BLOCKS, "split j 6; split i 4", "no nest for 'B' has a loop i/4"),
        (OF_BLOCKS, "order i/4, i%4", "the loops are i/3, i%3, j/3, j%3"),
        (OF_DIAGONALS, "split j 4", "no nest for 'B' has a loop j/4"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(text: str, schedule: str, said: str) -> None:
    with pytest.raises(sp.ScheduleError) as e:
        sp.compile(text, schedule=schedule).code("llvm")
    assert said in str(e.value)
    assert f"1 | {schedule}" in str(e.value)


def test_what_is_stored_otherwise_is_converted_to_the_loops_that_are_asked_for() -> None:
    text = "kernel f(A: f64[m, n] {}, x: f64[n]) -> y: f64[m] {{ y[i] = A[i, j] * x[j] }}"
    a = np.arange(42.0).reshape(6, 7) % 5
    for fmt, split in (("dia", "j"), ("bsr[3, 3]", "i"), ("bsr[3, 3]", "j")):
        k = sp.compile(text.format(fmt), schedule=f"split {split} 4")
        assert f"{split}/4" in k.explain() and "'A' is converted" in k.explain()
        np.testing.assert_allclose(k(sp.tensor(a, format=fmt), np.arange(7.0)), a @ np.arange(7.0))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("scan i { y[i] = x[i] + y[i - 1] }", "a scan block writes it"),
        ("y[i] = scan[i](x[i])", "a scan, a softmax or a top does"),
        ("y[i] = x[i] where top[i: 2](x[i])", "a scan, a softmax or a top does"),
        ("y[i] = x[i]; y[i] += 1.0", "several statements"),
    ],
)
def test_statements_without_loops_of_their_own(body: str, why: str) -> None:
    with pytest.raises(sp.UnsupportedError, match=why):
        sp.compile(f"kernel f(x: f64[n]) -> y: f64[n] {{ {body} }}", schedule="order i").explain()


def test_commands_to_come() -> None:
    with pytest.raises(sp.UnsupportedError, match="the command 'pack' cannot run yet"):
        sp.compile(SPMM, schedule="pack B")
