"""Composite operands taken apart, in tensor IR."""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.errors import FormatError, TypeError_
from sparsec.frontends.dsl import parse_source
from sparsec.ir.tensor import Program
from sparsec.ir.tensor_bounds import evaluate
from sparsec.ir.tensor_text import print_program
from sparsec.ir.tensor_verify import verify
from sparsec.passes.formats import choose_formats
from sparsec.passes.lower.composites import decompose
from sparsec.passes.lower.supported import check_supported


def program(text: str) -> Program:
    (found,) = parse_source(text).kernels.values()
    return found


def apart(text: str) -> str:
    """The program over parts, its declarations and statements a line each."""
    split = decompose(program(text)).program
    verify(split)
    return "\n".join(line.strip() for line in print_program(split).splitlines()[1:-1])


def test_a_sum_with_a_low_rank() -> None:
    made = apart("kernel f(A: f64[m, n] lowrank[4] + csr, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }")
    assert made.splitlines() == [
        "in A_0: f64[m, 4] dense fill(0.0) of A",
        "in A_1: f64[4, n] dense fill(0.0) of A",
        "in A_2: f64[m, n] csr fill(0.0) of A",
        "in x: f64[n] dense fill(0.0)",
        "out y: f64[m] dense fill(0.0)",
        "y[i] = reduce.add[j](mul(add(reduce.add[r](mul(A_0[i, r], A_1[r, j])):f64, A_2[i, j]), x[j])):f64"
        " for i < m, j < n, r < 4",
    ]


def test_a_chain_has_dimensions_of_its_own() -> None:
    made = apart("kernel f(A: f64[m, n] csr @ csc @ csr) -> B: f64[m, n] { B[i, j] = A[i, j] }")
    assert "in A_1: f64[A_d, A_d_2] csc" in made and "in A_2: f64[A_d_2, n] csr" in made
    assert "reduce.add[r, r_2]" in made


def test_names_that_are_taken() -> None:
    made = apart("kernel f(A: f64[m, n] csr + csc, A_0: f64[n], r: f64) -> y: f64[m] { y[i] = r * A[i, j] * A_0[j] }")
    assert "in A_0_2: f64[m, n] csr" in made or "in A_0_1: f64[m, n] csr" in made


def test_each_use_has_indices_of_its_own() -> None:
    made = apart("kernel f(A: f64[m, n] lowrank[2]) -> y: f64[m] { y[i] = A[i, j] * A[i, j] + A[i, 0] }")
    assert made.count("reduce.add[r") == 3


def test_bools_are_joined_by_or() -> None:
    made = apart("kernel f(A: bool[m, n] csr + csr @ csr) -> y: bool[m] { y[i] = any[j](A[i, j]) }")
    assert "or(A_0[i, j], reduce.or[r](and(A_1[i, r], A_2[r, j])):bool)" in made


@pytest.mark.parametrize("t", ["f16", "bf16"])
def test_narrow_floats_are_added_in_f32_and_rounded_once(t: str) -> None:
    made = apart(f"kernel f(A: {t}[m, n] lowrank[2], x: {t}[n]) -> y: {t}[m] {{ y[i] = A[i, j] * x[j] }}")
    assert f"cast[{t}](reduce.add[j](mul(reduce.add[r](mul(cast[f32](A_0" in made
    assert made.count(f"cast[{t}]") == 1


def test_stored_of_a_sum_asks_every_part() -> None:
    made = apart("kernel f(A: f64[m, n] csr + csc) -> B: bool[m, n] csr { B[i, j] = true where stored(A[i, j]) }")
    assert "where or(stored(A_0[i, j]), stored(A_1[i, j]))" in made


def test_stored_of_a_chain_is_refused() -> None:
    with pytest.raises(TypeError_, match="chain of factors") as e:
        apart("kernel f(A: f64[m, n] csr @ csc) -> B: bool[m, n] csr { B[i, j] = true where stored(A[i, j]) }")
    assert e.value.span is not None


def test_without_composites_nothing_changes() -> None:
    p = program("kernel f(A: f64[m, n] csr) -> y: f64[m] { y[i] = A[i, j] }")
    assert decompose(p).program is p


def test_sources() -> None:
    p = program("kernel f(x: f64[n], A: f64[m, n] lowrank[4] + csr) -> y: f64[m] { y[i] = A[i, j] * x[j] }")
    assert decompose(p).sources() == (("x", None), ("A", 0), ("A", 1), ("A", 2))


@pytest.mark.parametrize("body", ["csr + csc", "lowrank[2]"])
def test_no_result_is_composite(body: str) -> None:
    p = program(f"kernel f(A: f64[m, n] csr) -> B: f64[m, n] {body} {{ B[i, j] = A[i, j] }}")
    with pytest.raises(FormatError, match="is computed here") as e:
        check_supported(p)
    assert e.value.span is not None


def test_the_fill_is_0() -> None:
    p = program("kernel f(A: f64[m, n] csr + csc fill(1)) -> y: f64[m] { y[i] = A[i, j] }")
    with pytest.raises(FormatError, match="its fill is 0"):
        check_supported(p)


def test_formats_of_results_follow_the_parts() -> None:
    text = """
    kernel f(A: f64[m, n] {}) -> B: f64[m, n] auto, C: f64[m, n] {{
        T[i, j] = 2 * A[i, j]
        B[i, j] = A[i, j]
        C[i, j] = T[i, j]
    }}
    """
    for body, sparse in (("csr + csc", True), ("lowrank[2] + csr", False), ("csr @ csr", True)):
        chosen = choose_formats(program(text.format(body)), {})
        assert chosen.tensor("A").format is not None and chosen.tensor("A").format.terms
        for name in ("T", "B"):
            fmt = chosen.tensor(name).format
            assert fmt is not None and fmt.is_dense is not sparse, (body, name)


def test_the_meaning_of_the_parts_is_that_of_the_whole() -> None:
    text = """
    kernel f(A: f64[m, n] lowrank[2] + csr, x: f64[n]) -> y: f64[m] { y[i] = max(A[i, 1], sum[j](A[i, j] * x[j])) }
    """
    p = choose_formats(program(text), {})
    rng = np.random.default_rng(0)
    u, v, s, x = (rng.integers(-2, 3, n).astype(float) for n in ((4, 2), (2, 3), (4, 3), (3,)))
    dims = {"m": 4, "n": 3}
    whole = evaluate(p, {"A": u @ v + s, "x": x}, dims, None)[0]
    parts = evaluate(decompose(p).program, {"A_0": u, "A_1": v, "A_2": s, "x": x}, dims, None)[0]
    assert whole["y"].tolist() == parts["y"].tolist()
