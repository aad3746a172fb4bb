"""Tensor IR prints and parses back to an equal tree; what is no program is told where it goes wrong."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from sparsec.errors import SparsecError, SyntaxError_
from sparsec.formats.format import DimOp, DimVar, Format, LevelSpec
from sparsec.formats.level import Planned
from sparsec.formats.named import FORMATS, named_format
from sparsec.ir.dtypes import ALL, BF16, C64, C128, F16, F32, F64, I64, U64, DType
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Assign, Literal, Map, MonoidDef, Program, Reduce, Scan, ScanLoop, TensorDecl, Top
from sparsec.ir.tensor_text import parse_program, print_program
from sparsec.ir.text import MAX_DEPTH, format_text, literal_text
from tests.programs.cases import ALL as CASES
from tests.support.strategies import programs

sys.path.insert(0, str(Path(__file__).parent))
from tensor_programs import ATTENTION, LSE, NAMES, NOTHING, PLACES, RESIDUAL, SOLVE, SPARSIFY


def round_trip(p: Program) -> None:
    text = print_program(p)
    again = parse_program(text)
    assert again == p
    assert print_program(again) == text


@pytest.mark.parametrize("name", NAMES)
def test_hand_written(name: str) -> None:
    p = parse_program(NAMES[name])
    assert print_program(p) == NAMES[name]
    round_trip(p)


def test_programs_of_the_suite() -> None:
    for case in CASES.values():
        round_trip(case.source.program)


@settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_random_programs(p: Program) -> None:
    round_trip(p)


def test_the_grammar_is_covered() -> None:
    """The hand-written programs hold every node, so that no test of them misses one."""
    seen = {type(n).__name__ for text in NAMES.values() for n in walk(parse_program(text))}
    assert seen == {
        "Program", "TensorDecl", "MonoidDef", "Assign", "ScanLoop", "IndexDecl", "Literal", "Index", "Dim", "Access",
        "Map", "Reduce", "Scan", "Softmax", "Top", "Stored",
    }  # fmt: skip


def test_trees() -> None:
    (s,) = parse_program(SOLVE).body
    assert isinstance(s, ScanLoop) and s.reverse and (s.index.name, s.index.extent) == ("i", "n")
    lse, last = parse_program(LSE).monoids
    assert isinstance(lse, MonoidDef) and not lse.ordered and last.ordered
    assert (lse.states, lse.lift_arg, lse.left, lse.right) == (("m", "s"), "x", ("a", "b"), ("c", "d"))
    scan = parse_program(LSE).body[1].value  # type: ignore[union-attr]
    assert isinstance(scan, Scan) and (scan.exclusive, scan.reverse, scan.dtype) == (True, True, F64)
    p = parse_program(SPARSIFY)
    top = p.body[0].where  # type: ignore[union-attr]
    assert isinstance(top, Top) and (top.groups, top.k) == ((("j", 4),), 2)
    best = p.body[2].value  # type: ignore[union-attr]
    assert isinstance(best, Reduce) and (best.monoid, best.dtype, best.body.dtype) == ("argmax", I64, F32)
    assert p.tensor("T").format is None and p.tensor("key").fill == 1.5
    fill = parse_program(PLACES).body[2].value  # type: ignore[union-attr]
    assert isinstance(fill, Map) and fill.args[1] == Literal(0.0, F64, True)


def test_spans_point_at_the_text() -> None:
    p = parse_program(ATTENTION)
    for node in walk(p):
        span = getattr(node, "span", None)
        assert span is not None or not hasattr(node, "span")
        if isinstance(node, TensorDecl):
            assert ATTENTION[span.start : span.end] == node.role
        if isinstance(node, Reduce):
            assert ATTENTION[span.start : span.end] == "reduce"


def test_comments_and_layout_do_not_matter() -> None:
    squeezed = " ".join(RESIDUAL.split()) + " # the end"
    assert parse_program(squeezed) == parse_program(RESIDUAL)


# literals and formats

VALUES = {
    "b": [True, False],
    "u": [0, 1, 255],
    "i": [0, -1, 127, -128],
    "f": [0.0, -0.0, 0.1, -2.5, 1e-45, 6e-8, 65504.0, 1e30, math.inf, -math.inf, math.nan, 3],
    "c": [0j, complex(-0.0, 1.5), complex(math.inf, -math.inf), complex(math.nan, -0.0), 2.5, -1],
}


def literals() -> list[tuple[object, DType]]:
    out = [(v, t) for t in ALL for v in VALUES[t.kind] if t.holds(v)]
    return [*out, (2**64 - 1, U64), (-(2**63), I64), (5e-324, F64), (1.7976931348623157e308, F64), (0.333984375, BF16)]


@pytest.mark.parametrize(("value", "t"), literals(), ids=lambda v: str(v))
def test_literals(value: object, t: DType) -> None:
    p = parse_program(f"program p {{ out c: {t} c[] = 0:{t} }}")
    (s,) = p.body
    assert isinstance(s, Assign) and isinstance(value, bool | int | float | complex)
    for fill in (False, True):
        p = dataclasses.replace(
            p,
            tensors=(dataclasses.replace(p.tensors[0], fill=value),),
            body=(dataclasses.replace(s, value=Literal(value, t, fill)),),
        )
        again = parse_program(print_program(p))
        found = again.body[0].value  # type: ignore[union-attr]
        assert isinstance(found, Literal) and found.dtype is t and found.fill is fill
        # NaN is not equal to itself and -0.0 is to 0.0: their text tells them apart.
        for got in (found.value, again.tensors[0].fill):
            assert type(got) is type(value) and literal_text(got) == literal_text(value)


def test_numpy_scalars_print_as_pythons() -> None:
    for t, v in ((F16, 0.1), (F32, 0.1), (F64, 0.1), (C64, 1j), (C128, 1j)):
        assert literal_text(t.np.type(v)) == literal_text(t.np.type(v).item())


def named() -> list[Format]:
    out = [named_format(n, order) for n, (least, _) in FORMATS.items() for order in range(least, 5)]
    return [*out, *(f.concrete() for f in out)]


def planned(*types: Planned) -> Format:
    return Format(("i", "j"), tuple(LevelSpec(DimVar(d), t) for d, t in zip("ij", types, strict=True)))


ODD = [
    planned(Planned("csr + lowrank[4]"), Planned("fixed", ("w=-1",))),
    planned(Planned("range", ("i-l", "i+u+1")), Planned("range", ("f[2]", "3"))),
    planned(Planned("say \"hi\" \\"), Planned("slots", ("a, b",))),
    planned(Planned("bitmap"), Planned("", ())),
    Format(("i",), (LevelSpec(DimOp("/", (DimOp("order[8]", (DimVar("i"),)), DimVar("i"))), Planned("sliced")),)),
]


@pytest.mark.parametrize("fmt", [*named(), *ODD], ids=lambda f: f.label)
def test_formats(fmt: Format) -> None:
    dims = ", ".join("n" * fmt.ndim)
    text = f"program p {{ in A: f64{f'[{dims}]' if dims else ''} {format_text(fmt)} fill(0.0) }}"
    assert parse_program(text).tensors[0].format == fmt
    round_trip(parse_program(text))


# errors

WRONG = [
    (RESIDUAL, "program residual", "kernel residual", "expected 'program', found 'kernel'"),
    (RESIDUAL, "program residual {", "program {", "expected the program's name, found '{'"),
    (RESIDUAL, "in x: f64[n]", "in x f64[n]", "expected ':', found 'f64'"),
    (RESIDUAL, "in x: f64[n]", "in x: float[n]", "expected a dtype, found 'float'"),
    (RESIDUAL, "f64[m, n] csr", "f64[m] csr", "format 'csr' is for tensors of order 2 and more"),
    (RESIDUAL, "f64[m, n] csr", "f64[m, n] (i, j) -> (i: dense, j: squeezed)", "unknown level type 'squeezed'"),
    (RESIDUAL, "f64[m, n] csr", "f64[m, n] (i, j) -> (i: dense)", "no level stores dimension 'j'"),
    (RESIDUAL, "fill(0.0)", "fill(zero)", "expected a number, found 'zero'"),
    (RESIDUAL, "r[i] =", "q[i] =", "no tensor is called 'q'"),
    (RESIDUAL, "r[i] =", "r[i] frob=", "no monoid is called 'frob'"),
    (RESIDUAL, "r[i] =", "r[i] :", "expected '=' or a monoid, found ':'"),
    (RESIDUAL, "b[i],", "b[i]", "expected ',' or ')', found 'reduce'"),
    (RESIDUAL, "x[j]", "x[j", "expected ',' or ']', found ')'"),
    (RESIDUAL, "sub(", "minus(", "no operator is called 'minus'"),
    (RESIDUAL, "sub(", "neg(", "'neg' takes 1 arguments, not 2"),
    (RESIDUAL, "sub(", "cast(", "a cast says its type"),
    (RESIDUAL, "reduce.add", "reduce.sum", "no monoid is called 'sum'"),
    (RESIDUAL, "reduce.add", "reduce", "no tensor is called 'reduce'"),
    (RESIDUAL, "):f64)", "))", "expected ':', found ')'"),
    (RESIDUAL, "for i < m", "for i in m", "expected '<', found 'in'"),
    (RESIDUAL, "for i < m,", "for i < m", "no tensor is called 'j'"),
    (RESIDUAL, "j < n\n}", "j < n\n", "expected a statement or '}', found the end of the text"),
    (RESIDUAL, "j < n\n}", "j < n\n} }", "unexpected '}' after the end"),
    (RESIDUAL, "j < n\n}", "j < -1\n}", "expected an extent, found '-'"),
    (SOLVE, "scan i < n", "scan i", "expected '<', found 'reverse'"),
    (SOLVE, "x[i] =", "scan j < n { x[i] =", "no tensor is called 'scan'"),
    (SPARSIFY, "top[j/4: 2]", "top[j/4]", "expected ',' or ':', found ']'"),
    (SPARSIFY, "top[j/4: 2]", "top[j/4: k]", "expected an integer, found 'k'"),
    (SPARSIFY, "cast[f32]", "cast[float]", "expected a dtype, found 'float'"),
    (SPARSIFY, "stored(W[i, j])", "stored(1:i64)", "expected a tensor, found '1'"),
    (ATTENTION, "softmax[j]", "softmax[j + 1]", "expected ',' or ']', found '+'"),
    (LSE, "zero = (-inf:f64", "zeros = (-inf:f64", "expected 'zero', found 'zeros'"),
    (LSE, "lift(x: f64)", "lift(x)", "no state is called 'x'"),
    (LSE, "lift(x: f64)", "lift(x: f64, y: f64, z: f64)", "'lift' takes what is reduced, and perhaps its place, not 3"),
    (LSE, "add(m[]", "add(z[]", "no state is called 'z'"),
    (LSE, "reverse]", "backwards]", "expected ']', found ','"),
    (PLACES, "dim(n)", "dim(1)", "expected a dimension, found '1'"),
    (PLACES, "fill(0.0):f64", "fill(0.0)", "expected ':', found ')'"),
    (NOTHING, "{", "{ in A: f64 fill(complex(1j, 0))", "expected ',', found 'j'"),
    (NOTHING, "{", "{ in A: f64[99999999999999999999999999999999999999999999]", "the integer is too long"),
]


@pytest.mark.parametrize(("text", "old", "new", "message"), WRONG, ids=[f"{m} {n}"[:60] for *_, n, m in WRONG])
def test_wrong_text_is_located(text: str, old: str, new: str, message: str) -> None:
    assert old in text
    with pytest.raises(SparsecError) as caught:
        parse_program(text.replace(old, new, 1), "wrong.ir")
    assert message in caught.value.message
    assert caught.value.span is not None
    assert "at wrong.ir:" in str(caught.value) and "^" in str(caught.value)


def test_the_caret() -> None:
    with pytest.raises(SyntaxError_) as caught:
        parse_program(RESIDUAL.replace("sub(", "minus("))
    assert str(caught.value).splitlines() == [
        "no operator is called 'minus'",
        "  at line 6, column 10:",
        "   6 |   r[i] = minus(b[i], reduce.add[j](mul(A[i, j], x[j])):f64) for i < m, j < n",
        "     |          ^^^^^",
    ]


@pytest.mark.parametrize(
    "text",
    ["neg(", "x[", "softmax[i](", "reduce.add[i](x[i] where ", "stored(x[", "scan.add[i](", "top[i: 1](", "cast[f64]("],
)
def test_deep_expressions_are_refused(text: str) -> None:
    with pytest.raises(SyntaxError_, match=f"nested more than {MAX_DEPTH} deep"):
        parse_program("program p { in x: f64[n] out y: f64[n] y[i] = " + text * 5000)


@pytest.mark.parametrize("text", ["(" * 5000, "i" + "+i" * 5000, "i" + "/2" * 5000, "f(" * 5000, "complex(" * 5000])
def test_deep_formats_are_refused(text: str) -> None:
    with pytest.raises(SyntaxError_):
        parse_program(f"program p {{ in x: f64[n] (i) -> ({text}: dense) }}")


def test_nested_complex_numbers_are_refused() -> None:
    with pytest.raises(SyntaxError_, match="expected a number, found 'complex'"):
        parse_program("program p { in x: c64 fill(" + "complex(" * 5000)


def test_the_deepest_expression() -> None:
    deep = "neg(" * (MAX_DEPTH - 1) + "x[]" + ")" * (MAX_DEPTH - 1)
    round_trip(parse_program(f"program p {{ in x: f64 out y: f64 y[] = {deep} }}"))
