"""Wrong programs: each with the whole text that it must produce (``programs.txt``), and texts that must never crash.

``python tests/errors/test_programs.py`` writes the file anew; read the difference before you commit it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import SparsecError
from sparsec.frontends.dsl import OperandType, parse_format, parse_schedule, parse_source, parse_statements
from sparsec.frontends.dsl.typing import MAX_DEPTH
from sparsec.frontends.einsum import einsum_program
from sparsec.ir import text
from sparsec.ir.dtypes import F64, I64
from sparsec.ir.tensor_verify import verify

TABLE = Path(__file__).with_name("programs.txt")
HEAD = (
    "kernel k(A: f64[n, n] csr, x: f64[n], c: i64[n], M: bool[n, n], z: c128[n], u: u8[n], v: f64[5], w: f64[m], "
    "s: f64) -> y: f64[n] {\n    "
)
DEFINITIONS = ("kernel ", "kernl ", "fn ", "semiring ", "monoid ", "format ", "schedule ")
MATRIX, VECTOR, SCALAR, INDICES = (OperandType(F64, 2), OperandType(F64, 1), OperandType(F64, 0), OperandType(I64, 1))


def cases() -> Iterator[tuple[str, str]]:
    """Programs and messages of the table."""
    for block in TABLE.read_text().split("======\n")[1:]:
        program, message = block.split("------\n")
        yield program.rstrip("\n"), message.split("\n########")[0].rstrip("\n")


def source(program: str) -> str:
    """The text to compile."""
    if program.startswith("bare: "):
        return program.removeprefix("bare: ")
    return program if program.startswith(DEFINITIONS) else f"{HEAD}{program}\n}}"


def message(program: str) -> str:
    with pytest.raises(SparsecError) as caught:
        parse_source(source(program))
    return f"{type(caught.value).__name__}: {caught.value}"


CASES = list(cases())


@pytest.mark.parametrize("program, expected", CASES, ids=[c[0] for c in CASES])
def test_message(program: str, expected: str) -> None:
    assert message(program) == expected
    assert "\nhint: " in expected, "how to mend it"


STATEMENTS = [
    ("y[i] = A[i, j] * x[j]", {"A": MATRIX, "x": VECTOR, "B": VECTOR}, "no statement reads the operand 'B'"),
    ("yy[i] = A[i, j] * x[j]", {"A": MATRIX, "x": VECTOR, "y": VECTOR}, "did you mean 'yy'?"),
    ("y[i] = A[i, j] * q", {"A": MATRIX}, "unknown name 'q'"),
    ("y[i] = A[i]", {"A": MATRIX}, "'A' has 2 dimensions, and here 1 index"),
    ("y[i] = A[i, j] * x[j]", {}, "there is no operand 'A'\n  at line 1, column 8:"),
    ("y[i] = A[i, j] * x[j]", {"x": VECTOR}, "hint: pass it: A=..."),
    ("y[i] = A[i, j] * x[j]", {"AA": MATRIX, "x": VECTOR}, "there is no operand 'A'\n"),
    ("y[i] = A[i, j] * x[j]", {"AA": MATRIX, "x": VECTOR}, "hint: did you mean 'AA'?"),
    ("y[i] = sum[j](A[i, j])", {}, "there is no operand 'A'"),
    ("y[i] = x[i] + Z[i]", {"x": VECTOR}, "there is no operand 'Z'"),
    ("y[i] = A[i, j, k]", {"A": MATRIX}, "'A' has 2 dimensions, and here 3 indices"),
    ("y[i] = T[i, j]; T[i, j] = x[i]", {"x": VECTOR}, "'T' is read before it is written, at line 1"),
    ("y[i] = x[i + r]", {"x": VECTOR}, "nothing says how far the index"),
    ("y[i] = x", {"x": VECTOR}, "'x' has 1 dimension and stands here without indices"),
    ("y[i + 1] = x[i]", {"x": VECTOR}, "hint: pass 'y', or write a kernel, whose signature says it"),
    ("H[b[i]] += x[i]", {"x": VECTOR, "b": INDICES}, "nothing says the extent of dimension 1 of 'H'"),
    ("x[i]: csr = x[i]", {"x": VECTOR}, "hint: its type is that of what is passed"),
    ("y[i] = x[i]: csr", {"x": VECTOR}, "unexpected ':'"),
    ("T[i] = i; s = T[2] + x[0]", {"x": VECTOR}, "nothing says the extent of dimension 1 of 'T'"),
    ("y[i]: csr = x[i]", {"x": VECTOR}, "format 'csr' is for tensors of order 2 and more"),
    ("", {}, "hint: a statement is written y[i] = A[i, j] * x[j]"),
    ("kernel k(x: f64[n]) -> y: f64[n] { y[i] = x[i] }", {}, "unexpected 'k'"),
    ("f64[i] = x[i]", {"x": VECTOR}, "'f64' is a word of the language and cannot name a tensor"),
]  # fmt: skip


@pytest.mark.parametrize("text, operands, expected", STATEMENTS, ids=[c[0] for c in STATEMENTS])
def test_bare_statements(text: str, operands: dict[str, OperandType], expected: str) -> None:
    with pytest.raises(SparsecError) as caught:
        parse_statements(text, operands)
    assert expected in str(caught.value), str(caught.value)


EINSUMS = [
    ("ij,j->k", [2, 1], "SyntaxError_: no operand has the index 'k' of the result\n  at line 1, column 7:"),
    ("ij->ii", [2], "SyntaxError_: the result has the index 'i' twice\n  at line 1, column 6:"),
    ("i?", [1], "SyntaxError_: unexpected '?' in an einsum\n  at line 1, column 2:"),
    ("ij,jk->ik->i", [2, 2], "SyntaxError_: unexpected '-'\n  at line 1, column 10:"),
    ("ij", [3], "ShapeError: operand A has 3 dimensions, its term 'ij' 2\n  at line 1, column 1:"),
    ("i,jk", [1, 1], "ShapeError: operand B has 1 dimensions, its term 'jk' 2\n  at line 1, column 3:"),
    ("i.j", [2], "SyntaxError_: dots stand only in one '...' of a term\n  at line 1, column 2:"),
    ("ij,jk", [2], "SyntaxError_: the einsum names 2 operands, and 1 are passed\n  at line 1, column 1:"),
    ("i->i,i", [1], "SyntaxError_: an einsum has one result\n  at line 1, column 5:"),
    ("...i->i", [2], "SyntaxError_: '...' of the operands is missing in the result\n  at line 1, column 7:"),
    (",".join(["i"] * 27), [1] * 27, "UnsupportedError: an einsum of 27 operands"),
]  # fmt: skip


@pytest.mark.parametrize("spec, orders, expected", EINSUMS, ids=[c[0] for c in EINSUMS])
def test_einsum(spec: str, orders: list[int], expected: str) -> None:
    with pytest.raises(SparsecError) as caught:
        einsum_program(spec, [OperandType(F64, n) for n in orders])
    assert f"{type(caught.value).__name__}: {caught.value}".startswith(expected), str(caught.value)


def test_other_ways_in() -> None:
    with pytest.raises(SparsecError, match="did you mean 'csr'"):
        parse_format("crs", 2)
    with pytest.raises(SparsecError, match="the format maps 2 dimensions, the tensor has 3"):
        parse_format("(i, j) -> (i: dense, j: compressed)", 3)
    program = parse_source("kernel k(x: f64[n]) -> y: f64[n] { y[i] = x[i] }").kernels["k"]
    with pytest.raises(SparsecError, match="'j' is not an index variable of 'k'"):
        parse_schedule("vector j 8", program)
    with pytest.raises(SparsecError, match="the schedule is for 'f', the kernel is 'k'"):
        parse_schedule("schedule for f { order i }", program)


@pytest.mark.parametrize("text", ["kernel f\0", "kernel f\ud800(x: f64[n]) -> y: f64[n] { y[i] = x[i] }"])
def test_what_no_text_holds(text: str) -> None:
    with pytest.raises(SparsecError, match="unexpected character") as caught:
        sp.compile(text)
    assert "kernel f\ufffd" in str(caught.value).encode().decode()  # it can be printed


def test_the_file_is_named() -> None:
    with pytest.raises(SparsecError, match=r"at code/k\.sp:1, column 43:"):
        parse_source("kernel k(x: f64[n]) -> y: f64[n] { y[i] = q }", "code/k.sp")


HUGE = {
    "brackets": HEAD + "y[i] = " + "(" * 10_000 + "x[i]" + ")" * 10_000 + "\n}",
    "sum": HEAD + "y[i] = " + " + ".join(["x[i]"] * 20_000) + "\n}",
    "minus": HEAD + "y[i] = " + "-" * 20_000 + "x[i]\n}",
    "not": HEAD + "y[i] = f64(" + "not " * 20_000 + "M[i, i])\n}",
    "powers": HEAD + "y[i] = " + " ** ".join(["s"] * 20_000) + "\n}",
    "calls": HEAD + "y[i] = " + "abs(" * 90 + "x[i]" + ")" * 90 + "\n}",
    "doubling": "fn f0(x) = x * x\n" + "".join(f"fn f{n + 1}(x) = f{n}(x) * f{n}(x)\n" for n in range(25)),
    "sharing": f"fn sq(x) = x * x\nkernel k(x: f64) -> y: f64 {{ y = {'sq(' * 25}x{')' * 25} }}",
    "deep functions": "".join(f"fn f{n}(x) = f{n + 1}(x)" + " + 1" * 80 + "\n" for n in range(28)) + "fn f28(x) = x",
    "deep arguments": f"fn f(x) = x{' + 1' * 80}\nkernel k(x: f64) -> y: f64 {{ y = {'f(' * 80}x{')' * 80} }}",
    "chain": "".join(f"fn f{n}(x) = f{n + 1}(x)\n" for n in range(2000)) + "fn f2000(x) = x",
    "map": "format f = (i) -> (" + "i" + " + 1" * 20_000 + ": dense)",
    "lines": "\n" * 900_000 + "x",
    "comments": "# \n" * 300_000 + "x",
    "long": " " * 1_000_001,
    "name": HEAD + "y[i] = " + "x" * 100_000 + "\n}",
    "number": HEAD + "y[i] = " + "1" * 100_000 + "\n}",
    "zeros": HEAD + "y[i] = v[" + "0" * 100_000 + "5]\n}",
    "float": HEAD + "y[i] = v[" + "1" * 100_000 + ".5]\n}",
    "dimensions": f"kernel k(A: f64[{', '.join(['n'] * 50)}]) -> y: f64 {{ y = 1 }}",
    "control": "\x00\x01\x02",
    "unicode": "kernel \N{GREEK SMALL LETTER ALPHA}(x: f64) -> y: f64 { y = x }",
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_and_strange_texts(name: str) -> None:
    with pytest.raises(SparsecError) as caught:
        parse_source(HUGE[name])
    assert len(str(caught.value)) < 2000


def test_depth_is_that_of_tensor_ir() -> None:
    assert MAX_DEPTH == text.MAX_DEPTH
    deep = " + ".join(["x[i]"] * 90)
    program = parse_source(f"kernel k(x: f32[n]) -> y: f64[n] {{ y[i] = {deep} }}").kernels["k"]
    verify(program)
    chain = "f(" * 28 + "x" + ")" * 28 + " + x" * 40
    with pytest.raises(SparsecError, match="100"):
        parse_source(f"fn f(x) = f64(f32(x)) + f64(f32(1))\nkernel k(x: f64) -> y: f64 {{ y = {chain} }}")


def test_limits_are_those_of_the_page() -> None:
    def total(terms: int) -> None:
        parse_source(f"kernel k(x: f64[n]) -> y: f64[n] {{ y[i] = {' + '.join(['x[i]'] * terms)} }}")

    total(90)
    with pytest.raises(SparsecError, match="90 operators deep(.|\n)*hint: give parts of it names"):
        total(91)


def test_many_statements() -> None:
    lines = ["    t0 = s"] + [f"    t{n + 1} = t{n} + {n}" for n in range(2000)]
    program = parse_source("kernel k(s: f64) -> y: f64 {\n" + "\n".join([*lines, "    y = t2000"]) + "\n}").kernels["k"]
    assert len(program.body) == 2002


PIECES = [
    "i", "j", "n", "x", "A", "y", "s", "T", "2", "2.5", "1j", "inf", "[", "]", "(", ")", "{", "}", ",", ":", ";", "\n",
    "=", "+=", "min=", "+", "-", "*", "/", "//", "%", "**", "<", "==", "&", "|", "where", "over", "in", "and", "not",
    "scan", "sum", "softmax", "top", "fill", "csr", "f32", "stored", "kernel", "fn", "#", "->", "#:", "reverse",
    "\\", "é",
]  # fmt: skip


def mutated(rng: random.Random, text: str) -> str:
    """The text with a few pieces dropped, doubled, exchanged or put in."""
    words = [w for w in re.split(r"(\W)", text) if w]
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(words))
        match rng.randrange(4):
            case 0:
                del words[at]
            case 1:
                words.insert(at, rng.choice(PIECES))
            case 2:
                words[at] = rng.choice(PIECES)
            case 3:
                words.insert(at, words[rng.randrange(len(words))])
    return "".join(words)


def test_mutated_programs_never_crash() -> None:
    from tests.frontends.test_language import DEFINITIONS as ALGEBRA
    from tests.frontends.test_language import FORMATS, KERNELS, STATEMENTS, signature

    seeds = [KERNELS, FORMATS, ALGEBRA, *(f"kernel k{signature()} -> y: f64[n] {{\n{t}\n}}" for t in STATEMENTS)]
    rng = random.Random(11)
    outcomes = {"fine": 0, "wrong": 0}
    for n in range(1500):
        text = mutated(rng, seeds[n % len(seeds)])
        try:
            parse_source(text)
            outcomes["fine"] += 1
        except SparsecError as e:
            outcomes["wrong"] += 1
            assert str(e) and (e.span is not None or not text.strip()), text
    assert min(outcomes.values()) > 50, outcomes


def test_mutated_einsums_never_crash() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        spec = "".join(rng.choice(list("ijk,->. A?"), 8))
        try:
            einsum_program(spec, [MATRIX, VECTOR])
        except SparsecError as e:
            assert str(e)


if __name__ == "__main__":
    table = TABLE.read_text()
    for wrong, old in cases():
        table = table.replace(f"{wrong}\n------\n{old}\n", f"{wrong}\n------\n{message(wrong)}\n")
    TABLE.write_text(table)
