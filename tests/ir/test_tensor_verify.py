"""Every program of the suite is sound tensor IR, and each way to break one gets its own message."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from sparsec.errors import VerifyError
from sparsec.formats.dense import Dense
from sparsec.formats.format import DimVar, Format, LevelSpec
from sparsec.formats.named import named_format
from sparsec.frontends.dsl import parse_source
from sparsec.ir import tensor_verify
from sparsec.ir.dtypes import BF16, BOOL, F16, F32, F64, I64
from sparsec.ir.tensor import (
    Access,
    Assign,
    Dim,
    Expr,
    Index,
    IndexDecl,
    Literal,
    Map,
    MonoidDef,
    Program,
    Reduce,
    Scan,
    ScanLoop,
    Softmax,
    Stored,
    TensorDecl,
    Top,
)
from sparsec.ir.tensor_text import parse_program
from sparsec.ir.tensor_verify import verify
from sparsec.ir.text import MAX_DEPTH
from tests.programs.cases import ALL as CASES
from tests.support.strategies import programs

sys.path.insert(0, str(Path(__file__).parent))
from tensor_programs import ATTENTION, LSE, NAMES, PLACES, RESIDUAL, SOLVE, SPARSIFY


@pytest.mark.parametrize("name", NAMES)
def test_sound(name: str) -> None:
    verify(parse_program(NAMES[name]))


def test_programs_of_the_suite() -> None:
    for case in CASES.values():
        verify(case.source.program)


@pytest.mark.parametrize("target", ["C: f64[8, p] { C[2 * i, k]", "C: f64[p, 8] { C[k, 2 * i]", "C: f64[9] { C[i + k]"])
def test_computed_places(target: str) -> None:
    text = f"kernel f(A: f64[4, n], B: f64[n, p]) -> {target} += A[i, j] * B[j, k] }}"
    verify(parse_source(text).kernels["f"])


@settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_random_programs(p: Program) -> None:
    verify(p)


SUM = "reduce.add[j](mul(A[i, j], x[j])):f64"

# (text, what to replace, by what, the message)
BROKEN = [
    # declarations
    (RESIDUAL, "  out r:", "  in x: f64[n] dense fill(0.0)\n  out r:", "'x' is declared twice"),
    (RESIDUAL, "out r: f64[m] dense fill(0.0)", "out r: f64[m] dense fill(true)", "the fill True does not fit f64"),
    (RESIDUAL, "in x: f64[n]", "in x: i64[n]", "the fill 0.0 does not fit i64"),
    (RESIDUAL, "in x: f64[n] dense fill(0.0)", "in x: u8[n] dense fill(256)", "the fill 256 does not fit u8"),
    (RESIDUAL, "in x: f64[n] dense fill(0.0)", "in x: f16[n] dense fill(1e5)", "the fill 100000.0 does not fit f16"),
    (ATTENTION, "local S: f32[n, n]", "local S: f32[n, q]", "index 'j' runs over n, 'S' expects q"),
    # indices
    (RESIDUAL, "j < n\n", "k < n\n", "index 'j' is not declared"),
    (RESIDUAL, "i < m, j < n\n", "i < m, j < n, j < n\n", "index 'j' is declared twice"),
    (RESIDUAL, "i < m, j < n\n", "j < n, i < m\n", "the indices of the target come first, in its order: i"),
    (RESIDUAL, "j < n\n", "j < q\n", "no tensor has the dimension 'q'"),
    (RESIDUAL, "j < n\n", "j < m\n", "index 'j' runs over m, 'A' expects n"),
    (RESIDUAL, "j < n\n", "j < 7\n", "index 'j' runs over 7, 'A' expects n"),
    (RESIDUAL, "x[j])", "x[i])", "index 'i' runs over m, 'x' expects n"),
    (RESIDUAL, SUM, "mul(A[i, j], x[j])", "index 'j' is neither in the target nor reduced"),
    (RESIDUAL, SUM, f"mul({SUM}, x[j])", "index 'j' is neither in the target nor reduced"),
    (ATTENTION, "where M[i, j]", "where M[i, c]", "index 'c' runs over d, 'M' expects n"),
    (ATTENTION, "where M[i, j]", "where lt(i, c)", "index 'c' is neither in the target nor reduced"),
    # targets and updates
    (RESIDUAL, "r[i] =", "b[i] =", "operand 'b' is written"),
    (RESIDUAL, "j < n\n}", "j < n\n  r[i] = b[i] for i < m\n}", "'r' is defined twice: '=' comes once for a name"),
    (RESIDUAL, "  r[i] = ", "  b[i] add= ", "operand 'b' is written"),
    (RESIDUAL, "r[i] =", "r[i] argmin=", "'argmin' has a tuple state and cannot update in place"),
    (RESIDUAL, "r[i] =", "r[i] or=", "'or' does not fit f64"),
    (RESIDUAL, "r[i] =", "r[i] bitand=", "'bitand' does not fit f64"),
    (LSE, "r[i] =", "r[i] lse=", "'lse' is no monoid"),
    (RESIDUAL, "b[i], ", "cast[f32](b[i]), ", "the arguments of 'sub' have the types f32, f64"),
    (RESIDUAL, "sub(b[i], " + SUM + ")", "i", "'r' holds f64, the value is i64"),
    (RESIDUAL, "  r[i] = sub(b[i], " + SUM + ") for i < m, j < n\n", "", "result 'r' is never written"),
    # reductions
    (RESIDUAL, "reduce.add[j]", "reduce.add[]", "this reduce names no index"),
    (RESIDUAL, "reduce.add[j]", "reduce.add[j, j]", "this reduce names index 'j' twice"),
    (RESIDUAL, "reduce.add[j]", "reduce.add[k]", "index 'k' is not declared"),
    (RESIDUAL, "reduce.add[j]", "reduce.and[j]", "'and' does not fit f64"),
    (RESIDUAL, "reduce.add[j]", "reduce.argmin[j]", "'argmin' of f64 gives i64, the node says f64"),
    (RESIDUAL, SUM, SUM.replace("f64", "f32"), "'add' of f64 gives f64, the node says f32"),
    (RESIDUAL, "x[j])):f64", "x[j]) where x[j]):f64", "a condition is a bool, not f64"),
    (LSE, "scan.last[j,", "scan.argmin[j,", "there is no running 'argmin'"),
    (LSE, "scan.last[j, exclusive", "scan.last[k, exclusive", "index 'k' is not declared"),
    (ATTENTION, "softmax[j](S[i, j])", "softmax[c](S[i, j])", "index 'c' is not declared"),
    (ATTENTION, "softmax[j](S[i, j])", "softmax[j](M[i, j])", "a softmax is of floats, not of bool"),
    (SPARSIFY, "top[j/4: 2]", "top[j/4: -2]", "'top' keeps -2 keys"),
    (SPARSIFY, "top[j/4: 2]", "top[j/0: 2]", "'top' has groups of 0 along 'j'"),
    (SPARSIFY, "top[j/4: 2]", "top[j/4, j: 2]", "this top names index 'j' twice"),
    (SPARSIFY, "where top[j/4: 2](abs(W[i, j]))", "where abs(W[i, j])", "a condition is a bool, not f32"),
    # accesses
    (RESIDUAL, "x[j]", "x[j, i]", "'x' has 1 dimensions, the access 2 indices"),
    (RESIDUAL, "x[j]", "x[cast[i32](j)]", "an index of 'x' has type i32, not i64"),
    (RESIDUAL, "x[j]", "x[-1:i64]", "index -1 of 'x' lies outside of its extent n"),
    (PLACES, "idx[i]]", "idx[8:i64]]", "index 8 of 'idx' lies outside of its extent 8"),
    (PLACES, "cast[i64](bin[i])", "bin[i]", "an index of 'H' has type i32, not i64"),
    (PLACES, "dim(n)", "dim(q)", "no tensor has the dimension 'q'"),
    (ATTENTION, "P[i, j] = softmax[j](S[i, j])", "P[i, j] = softmax[j](P[i, j])", "'P' is read before it is written"),
    (RESIDUAL, SUM, "r[i]", "'r' is read before it is written"),
    (SPARSIFY, "stored(W[i, j])", "stored(S[i, j])", "'stored' asks for the pattern of an operand, and 'S' is none"),
    # scan blocks
    (SOLVE, "for j < n", "for i < n, j < n", "index 'i' is declared by the scan block"),
    (SOLVE, "scan i < n", "scan i < q", "no tensor has the dimension 'q'"),
    (SOLVE, "x[i] =", "x[j] =", "'x' is written at the same place for each 'i'"),
    (SOLVE, "reduce.add[j]", "reduce.add[i, j]", "index 'i' is the scan block's"),
    (SOLVE, "    x[i] = ", "    b[i] = ", "operand 'b' is written"),
    # literals and operators
    (PLACES, "1:i64 for i < n", "0.5:i64 for i < n", "the literal 0.5 does not fit i64"),
    (PLACES, "sub(mul(2:i64, i), 1:i64)", "div(i, 1:i64)", "'div' does not take i64"),
    (SPARSIFY, "and(stored(W[i, j]), le(i, j))", "and(W[i, j], W[i, j])", "'and' does not take f32"),
    (SPARSIFY, "le(i, j)", "sub(le(i, j), le(i, j))", "'sub' does not take bool"),
    # monoids
    (LSE.replace("scan.last", "scan.lse"), "monoid last(v)", "monoid lse(v)", "monoid 'lse' is defined twice"),
    (LSE.replace("scan.last", "scan.max"), "monoid last(v)", "monoid max(v)", "is the name of a built-in monoid"),
    (LSE, "zero = (-inf:f64, 0.0:f64)", "zero = (-inf:f64)", "'zero' of monoid 'lse' has 1 parts, the state 2"),
    (LSE, "(c: f64, d: f64)) =", "(a, d: f64, c: f64)) =", "'right' of monoid 'lse' has 3 parts, the state 2"),
    (LSE, "b: f64), (c: f64, d: f64)", "b: f64), (b: f64, c: f64, d: f64)", "'right' of monoid 'lse' has 3 parts"),
    (LSE, "(m: f64, s: f64)", "(m: f64, s: f64, m: f64)", "'zero' of monoid 'lse' has 2 parts, the state 3"),
    (LSE, "(x[], 1.0:f64)", "(x[], i)", "'lift' of a monoid is made of literals, its names and operators"),
    (LSE, "(x[], 1.0:f64)", "(x[], add(x[], 1:i64))", "the arguments of 'add' have the types f64, i64"),
]


@pytest.mark.parametrize(("text", "old", "new", "message"), BROKEN, ids=[f"{m} {n}"[:60] for _, _, n, m in BROKEN])
def test_broken(text: str, old: str, new: str, message: str) -> None:
    assert old in text
    changed = text.replace(old, new, 1)
    with pytest.raises(VerifyError) as caught:
        verify(parse_program(changed))
    assert message in caught.value.message
    assert caught.value.path.startswith("program ")
    # A tree that was read knows where it was read: with the text the error shows the place.
    if " is never written" not in message:
        assert "^" in str(caught.value.locate(changed))


def right(e: Expr, where: Expr | None = None) -> Program:
    """The residual with another right side, for what no text can say."""
    p = parse_program(RESIDUAL)
    (s,) = p.body
    assert isinstance(s, Assign)
    return dataclasses.replace(p, body=(dataclasses.replace(s, value=e, where=where),))


X = Access("x", (Index("j"),), F64)
B = Access("b", (Index("i"),), F64)
DEEP: Expr = B
for _ in range(MAX_DEPTH):
    DEEP = Map("neg", (DEEP,), F64)
TREES = [
    (Map("conjugate", (B,), F64), "no operator is called 'conjugate'"),
    (Map("add", (B,), F64), "'add' takes 2 arguments, not 1"),
    (Map("add", (B, B), I64), "'add' of f64 gives f64, the node says i64"),
    (Map("select", (B, B, B), F64), "'select' does not take f64"),
    (Literal(0.5, I64), "the literal 0.5 does not fit i64"),
    (Literal("one", F64), "the literal 'one' does not fit f64"),
    (Literal(1j, F64), "the literal 1j does not fit f64"),
    (Literal(1e39, F32), "the literal 1e+39 does not fit f32"),
    (Literal(1e39, BF16), "the literal 1e+39 does not fit bf16"),
    (Literal(65520, F16), "the literal 65520 does not fit f16"),
    (Literal(1, BOOL), "the literal 1 does not fit bool"),
    (Access("b", (Index("i"),), F32), "'b' holds f64, the access says f32"),
    (Access("nothing", (), F64), "no tensor is called 'nothing'"),
    (Map("cast", (Dim("q"),), F64), "no tensor has the dimension 'q'"),
    (Reduce("sum", ("j",), X, F64), "'sum' is no monoid"),
    (Reduce("logsumexp", ("j",), Map("cast", (X,), I64), I64), "'logsumexp' does not fit i64"),
    (Reduce("min", ("j",), Map("cast", (X,), I64), F64), "'min' of i64 gives i64, the node says f64"),
    (Scan("logsumexp", "i", B, F32), "'logsumexp' of f64 gives f64, the node says f32"),
    (Softmax((), B, F64), "this softmax names no index"),
    (Softmax(("i",), B, F32), "a softmax of f64 gives f64, the node says f32"),
    (Softmax(("j",), X, F64), "index 'j' is neither in the target nor reduced"),
    (Map("cast", (Top((), 1, B),), F64), "this top names no index"),
    (Map("cast", (Stored(Access("r", (Index("i"),), F64)),), F64), "'stored' asks for the pattern of an operand"),
    (DEEP, f"an expression nests more than {MAX_DEPTH} deep"),
]


@pytest.mark.parametrize(("e", "message"), TREES, ids=[message for _, message in TREES])
def test_broken_expressions(e: Expr, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        verify(right(e))
    assert message in caught.value.message
    assert caught.value.path.startswith("program residual / r[] =")


def test_complex_numbers_have_no_order() -> None:
    text = RESIDUAL.replace("f64", "c64").replace("0.0", "complex(0.0, 0.0)")
    verify(parse_program(text))
    for old, new, message in (
        ("reduce.add", "reduce.max", "'max' does not fit c64"),
        ("sub(", "min(", "'min' does not take c64"),
        ("r[i] =", "r[i] min=", "'min' does not fit c64"),
        ("b[i], ", "cast[c64](top[i: 1](b[i])), ", "keys of c64 have no order"),
    ):
        with pytest.raises(VerifyError, match=message):
            verify(parse_program(text.replace(old, new, 1)))


def test_a_condition_may_name_the_index_of_a_whole_reduction() -> None:
    text = "program p { in x: f64[n] out s: f64 s[] = reduce.add[j](x[j]):f64 where gt(x[j], 0.0:f64) for j < n }"
    verify(parse_program(text))
    with pytest.raises(VerifyError, match="index 'j' is neither in the target nor reduced") as caught:
        verify(parse_program(text.replace("= reduce.add[j](x[j]):f64", "= neg(reduce.add[j](x[j]):f64)")))
    assert caught.value.path == "program p / s[] = / where"


def test_an_update_folds_what_its_target_lacks() -> None:
    text = "program p { in A: f64[m, n] out r: f64[m] r[i] max= mul(A[i, j], r[i]) for i < m, j < n }"
    verify(parse_program(text))
    with pytest.raises(VerifyError, match="index 'j' is neither in the target nor reduced"):
        verify(parse_program(text.replace("max=", "=")))


def test_a_local_is_updated_after_it_is_defined() -> None:
    text = """program p { in x: f64[n] out r: f64[n] local t: f64[n]
        t[i] = x[i] for i < n
        t[i] add= t[i] for i < n
        r[i] = t[i] for i < n }"""
    verify(parse_program(text))
    with pytest.raises(VerifyError, match="'t' is read before it is written"):
        verify(parse_program(text.replace("t[i] = x[i] for i < n\n", "").replace("t[i] add= t[i] for i < n", "")))


def test_broken_trees() -> None:
    p = parse_program(RESIDUAL)
    r = p.tensor("r")
    (s,) = p.body
    assert isinstance(s, Assign)

    def fails(program: Program, message: str) -> None:
        with pytest.raises(VerifyError) as caught:
            verify(program)
        assert message in caught.value.message

    def result(**changes: object) -> Program:
        return dataclasses.replace(p, tensors=(*p.tensors[:3], dataclasses.replace(r, **changes)))  # type: ignore[arg-type]

    def indices(*names: str) -> Program:
        target = Access("r", (Index(names[0]),), F64)
        e = Literal(0.0, F64)
        return dataclasses.replace(p, body=(Assign(target, "=", e, tuple(IndexDecl(n, "m") for n in names)),))

    fails(result(format=named_format("dense", 2)), "the format has 2 dimensions, 'r' has 1")
    twice = Format(("i",), (LevelSpec(DimVar("i"), Dense()), LevelSpec(DimVar("i"), Dense())))
    fails(result(format=twice), "dimension 'i' is stored by two levels")
    fails(result(role="result"), "'result' is no role; roles are in, out, inout, local")
    fails(result(dims=(-1,)), "dimension -1 is negative")
    fails(result(dims=("the rows",)), "'the rows' is no name")
    fails(result(name="r\u00e9sultat"), "is no name")
    fails(dataclasses.replace(p, name="a kernel"), "'a kernel' is no name")
    fails(indices("inf"), "'inf' is a literal and cannot name an index")
    fails(indices("i", "1"), "'1' is no name")
    nowhere = dataclasses.replace(s, target=Access("q", (), F64))
    fails(dataclasses.replace(p, body=(nowhere,)), "no tensor is called 'q'")
    fails(dataclasses.replace(p, body=(dataclasses.replace(s, op="plus"),)), "'plus' is no monoid")
    fails(dataclasses.replace(p, body=(ScanLoop(IndexDecl("i", "m"), ()),)), "a scan block has no statement")
    fails(dataclasses.replace(p, body=(ScanLoop(IndexDecl("i", -1), ()),)), "index 'i' has the extent -1")
    x = Access("x", (), F64)
    empty = MonoidDef("none", (), (), "x", (), x, (), (), ())
    fails(dataclasses.replace(p, monoids=(empty,)), "monoid 'none' has no state")
    one = MonoidDef("one", ("v",), (x,), "x", (x,), Access("v", (), F64), ("a",), ("b",), (Access("a", (), F64),))
    fails(dataclasses.replace(p, monoids=(one,)), "'zero' does not know 'x'")
    mixed = Map("eq", (Access("a", (), F64), Access("a", (), F64)), BOOL)
    both = Map("and", (mixed, Access("a", (), BOOL)), BOOL)
    zero = Literal(0.0, F64)
    one = dataclasses.replace(one, zero=(zero,))
    same = dataclasses.replace(one, right=("a",))
    fails(dataclasses.replace(p, monoids=(same,)), "'combine' of monoid 'one' names 'a' twice")
    two = dataclasses.replace(one, combine=(both,))
    fails(dataclasses.replace(p, monoids=(two,)), "'combine' uses 'a' as f64 and as bool")


def test_the_path_leads_into_reductions() -> None:
    with pytest.raises(VerifyError) as caught:
        verify(parse_program(RESIDUAL.replace("x[j])", "x[i])")))
    assert caught.value.path == "program residual / r[] = / reduce.add[j]"
    with pytest.raises(VerifyError) as caught:
        verify(parse_program(RESIDUAL.replace("in x: f64[n] dense fill(0.0)", "in x: f64[n] dense fill(true)")))
    assert caught.value.path == "program residual / in x"


def test_every_rule_is_documented() -> None:
    names = {line.split()[0] for line in (tensor_verify.__doc__ or "").splitlines()[2:] if line[:1].strip()}
    rules = {rule.__name__ for _, rule in tensor_verify.RULES if rule.__name__ != "<lambda>"}
    assert rules <= names and names - rules == {"updated", "known_dim", "typed", "literal"}
    assert len(tensor_verify.RULES) == len(names)


def test_locals_need_no_definition_unless_they_are_read() -> None:
    verify(dataclasses.replace(parse_program(RESIDUAL), tensors=(
        *parse_program(RESIDUAL).tensors, TensorDecl("t", F64, ("m",), None, 0.0, "local"),
    )))  # fmt: skip
