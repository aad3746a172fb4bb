"""Formats that are sums and chains of formats: their text, what they refuse, shapes of parts."""

from __future__ import annotations

import pytest

from sparsec.errors import FormatError, ShapeError, SparsecError
from sparsec.formats.composition import check_shapes
from sparsec.formats.named import named_format
from sparsec.frontends.dsl import parse_format, parse_source
from sparsec.ir.tensor_text import parse_program, print_program
from sparsec.ir.text import Cursor, format_text

TEXTS = (
    "lowrank[8] + csr", "bsr[4, 4] + csr", "csr @ csr @ csc", "lowrank[2]", "csr @ lowrank[3] + coo + dense",
    "dense @ dense", "csr + (i, j) -> (j: compressed, i: compressed)",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_reads_back(text: str) -> None:
    fmt = parse_format(text, 2)
    assert fmt is not None and fmt.terms
    assert parse_format(str(fmt), 2) == fmt
    assert Cursor(format_text(fmt)).format(2) == fmt
    assert Cursor(format_text(fmt.normal())).format(2).normal() == fmt.normal()


def test_a_chain_binds_tighter_than_a_sum() -> None:
    fmt = parse_format("csr + csc @ dense + coo", 2)
    assert fmt is not None
    assert [len(t.factors) for t in fmt.terms] == [1, 2, 1]
    assert [f.name for f in fmt.parts] == ["csr", "csc", "dense", "coo"]


def test_low_rank_is_a_chain_of_two_dense_matrices() -> None:
    (term,) = named_format("lowrank", 2, (8,)).terms
    assert term.inner == (8,) and all(f.is_dense for f in term.factors)


def test_a_composite_is_not_dense_and_has_no_levels() -> None:
    fmt = parse_format("dense + dense", 2)
    assert fmt is not None and not fmt.is_dense and not fmt.levels


def test_definitions_compose_too() -> None:
    text = """
    format q = csr values(q4[64])
    format lrs[r] = lowrank[r] + q
    format deep = lrs[2] + csc
    kernel f(A: f32[m, n] deep) -> s: f32 { s = sum[i, j](A[i, j]) }
    """
    program = parse_source(text).kernels["f"]
    fmt = program.tensor("A").format
    assert fmt is not None and len(fmt.terms) == 3
    assert parse_program(print_program(program)) == program


@pytest.mark.parametrize(
    ("text", "order", "words"),
    [
        ("csr + auto", 2, "'auto' stands alone"),
        ("coo @ coo", 1, "multiplies matrices"),
        ("csr + nosuch", 2, "unknown format"),
        ("lowrank", 2, "is written lowrank[r]"),
        ("lowrank[0] + csr", 2, "1 .. 2**31"),
        ("(i, j) -> (i: dense, j: dense) + (i) -> (i: dense)", 2, "the tensor has 2"),
    ],
)
def test_what_is_refused(text: str, order: int, words: str) -> None:
    with pytest.raises(SparsecError, match=".*") as e:
        parse_format(text, order)
    assert words in str(e.value)


@pytest.mark.parametrize("use", ["lrs @ csr", "csr @ lrs"])
def test_a_sum_is_no_factor(use: str) -> None:
    with pytest.raises(FormatError, match="cannot be a sum"):
        parse_source(f"format lrs = csr + csc\nkernel f(A: f64[m, n] {use}) -> s: f64 {{ s = sum[i, j](A[i, j]) }}")


def test_an_encoding_belongs_to_a_part() -> None:
    with pytest.raises(FormatError, match="no values of its own") as e:
        parse_format("csr + csc values(q8[32])", 2)
    assert e.value.span is not None


def test_shapes_of_parts() -> None:
    fmt = parse_format("lowrank[2] + csr @ csr + csc", 2)
    assert fmt is not None
    good = [(4, 2), (2, 5), (4, 7), (7, 5), (4, 5)]
    check_shapes(fmt, (4, 5), good, "A")
    for n, wrong in enumerate([(4, 3), (3, 5), (5, 7), (7, 6), (4, 4)]):
        with pytest.raises(ShapeError, match="part "):
            check_shapes(fmt, (4, 5), [wrong if k == n else s for k, s in enumerate(good)], "A")
