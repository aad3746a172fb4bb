"""Buffer IR prints and parses back to an equal tree."""

import math

import pytest

from sparsec.errors import SyntaxError_
from sparsec.ir.buffer import (
    Abort,
    Alloc,
    AtomicAdd,
    Barrier,
    Block,
    Buffer,
    BufferParam,
    Call,
    Comment,
    Const,
    Decl,
    For,
    Free,
    Function,
    Grow,
    If,
    Let,
    Load,
    Module,
    Op,
    Origin,
    ParallelFor,
    Prefetch,
    Publish,
    ScalarParam,
    Set,
    Store,
    Tile,
    Var,
    Vec,
    While,
    i64,
)
from sparsec.ir.buffer_text import KEYWORDS, parse_module, print_expr, print_module
from sparsec.ir.dtypes import ALL, BOOL, C64, F32, F64, I8, I64, U64

CRD = Buffer("A_crd", I64, Origin("A", 1, "crd"))
VALS = Buffer("A_vals", F32, Origin("A", -1, "vals"))
OUT = Buffer("y", F32, Origin("y", -1, "vals"))
RESULT = Buffer("r", F32, Origin("B", -1, "vals"))
N = Var("n", I64)
PARAMS = (
    BufferParam(CRD, "in"),
    BufferParam(VALS, "in"),
    BufferParam(OUT, "out"),
    BufferParam(RESULT, "result"),
    ScalarParam(N),
)


def module(*stmts: object, name: str = "f") -> Module:
    return Module((Function(name, PARAMS, Block(stmts)),))  # type: ignore[arg-type]


def round_trip(m: Module) -> str:
    text = print_module(m)
    assert parse_module(text) == m, text
    assert print_module(parse_module(text)) == text
    return text


INDEX, J = Var("i", I64), Var("j", I64)
IOTA = Op("iota", (), Vec(I64, 4))
X = Var("x", F32)
W = Buffer("w", F32, Origin("w", 0, "workspace"))
ONE = Const(1.0, F32)

STATEMENTS = [
    Block((Let(X, ONE),)),
    Let(Var("v", Vec(F32, 8)), Load(VALS, i64(0), Vec(F32, 8))),
    Let(Var("v", Vec(F32, 4)), Load(VALS, IOTA, Vec(F32, 4), Op("lt", (IOTA, IOTA), Vec(BOOL, 4)))),
    Let(Var("v", Vec(I64, 4)), Op("mul", (Op("splat", (N,), Vec(I64, 4)), IOTA), Vec(I64, 4))),
    Let(X, Op("reduce_max", (Load(VALS, N, Vec(F32, 16)),), F32)),
    Let(X, Load(VALS, N, F32, Op("lt", (N, i64(3)), BOOL))),
    Block((Decl(X, ONE), Set(X, Op("radd", (X, ONE), F32)))),
    Store(OUT, N, ONE),
    Store(OUT, N, Op("splat", (ONE,), Vec(F32, 4)), Const(True, Vec(BOOL, 4))),
    Block((Store(OUT, N, ONE), If(Const(True, BOOL), Block(), Block()))),
    Store(OUT, N, Load(VALS, N, F32, Const(True, BOOL)), Const(False, BOOL)),
    For(INDEX, i64(0), N, Block((Store(OUT, INDEX, ONE),))),
    For(INDEX, i64(-5), N, Block(), 4, "vector<8>", 'scan "A".1'),
    For(INDEX, i64(0), N, Block(), 1, "unroll"),
    For(INDEX, i64(0), N, Block(), 1, "", "note"),
    For(INDEX, i64(0), N, Block(), 1, "", "two spaces and a brace  {"),
    ParallelFor(INDEX, i64(0), N, i64(64), Block((Alloc(W, N, ONE),)), Block((Store(W, INDEX, ONE),)), "rows"),
    ParallelFor(INDEX, i64(0), N, i64(1), Block(), Block()),
    While(Op("lt", (N, i64(0)), BOOL), Block((Abort("memory"),)), "merge A.1 B.1"),
    If(Const(False, BOOL), Block((Barrier(),)), Block((Barrier(), Comment("else"))), "probe"),
    If(Const(False, BOOL), Block(), Block((Barrier(),))),
    Alloc(W, N),
    Alloc(W, i64(16), Const(-math.inf, F32), "stack"),
    Block((Alloc(W, N), Decl(Var("cap", I64), N), Grow(W, Var("cap", I64), Op("add", (N, i64(1)), I64)), Free(W))),
    Block((Alloc(W, N), Publish("r", W, N))),
    Prefetch(VALS, Op("add", (N, i64(8)), I64)),
    Block((Alloc(Buffer("c", I64), N), AtomicAdd(Buffer("c", I64), i64(0), Op("neg", (N,), I64)))),
    Call("f", (CRD, VALS, OUT, RESULT, Op("mul", (N, i64(2)), I64))),
    Tile((INDEX, J), (4, 8), Block((Store(OUT, Op("add", (INDEX, J), I64), ONE),))),
    Comment("free text: a := b {"),
    Comment(""),
    Comment("  two spaces # and # more"),
    Let(Var("if", F32), ONE),
    Let(Var("odd name, \"quoted\\\"", F32), ONE),
]  # fmt: skip


@pytest.mark.parametrize("stmt", STATEMENTS, ids=lambda s: type(s).__name__)
def test_statements(stmt: object) -> None:
    round_trip(module(stmt))


@pytest.mark.parametrize("keyword", sorted(KEYWORDS))
def test_keywords_as_names(keyword: str) -> None:
    w = Buffer(keyword, F32, Origin(keyword, 0, keyword))
    body = Block((Alloc(w, N), Store(w, N, Load(w, N, F32)), Call(keyword, (w,)), Free(w)))
    round_trip(module(body, name=keyword))


CONSTANTS = [
    (3, I64, "3:i64"),
    (-(2**63), I64, "-9223372036854775808:i64"),
    (2**64 - 1, U64, "18446744073709551615:u64"),
    (-7, I8, "-7:i8"),
    (True, BOOL, "true:bool"),
    (False, Vec(BOOL, 4), "false:boolx4"),
    (0.1, F64, "0.1:f64"),
    (-0.0, F64, "-0.0:f64"),
    (1e300, F64, "1e+300:f64"),
    (math.inf, F32, "inf:f32"),
    (-math.inf, Vec(F32, 8), "-inf:f32x8"),
    (math.nan, F32, "nan:f32"),
    (1 + 2j, C64, "complex(1.0, 2.0):c64"),
    (2, F32, "2.0:f32"),
]


@pytest.mark.parametrize(("value", "t", "text"), CONSTANTS)
def test_constants(value: object, t: object, text: str) -> None:
    e = Const(value, t)  # type: ignore[arg-type]
    assert print_expr(e) == text
    round_trip(module(Let(Var("c", e.type), e)))
    if value == 0:
        back = parse_module(print_module(module(Let(Var("c", e.type), e)))).entry.body.stmts[0].value.value
        assert math.copysign(1, back) == math.copysign(1, value)  # type: ignore[arg-type]


@pytest.mark.parametrize("t", ALL, ids=str)
def test_all_types(t: object) -> None:
    cast = Op("cast", (N,), t)  # type: ignore[arg-type]
    text = round_trip(module(Let(Var("c", cast.type), cast), Let(Var("v", Vec(t, 4)), Op("splat", (cast,), Vec(t, 4)))))  # type: ignore[arg-type]
    assert f"cast(n):{t}" in text


def test_text_of_a_kernel() -> None:
    text = """func spmv(
    in A_pos: i32* @A.1.pos,
    in x: f32*,
    out y: f32* @y.-1.vals,
    n: i64
) {
  parallel i in 0:i64 .. n grain 64:i64 "rows" setup {
    alloc w: f32[n] init 0.0:f32 @w.0.workspace
  } {
    var s: f32 = 0.0:f32
    for p in cast(A_pos[i]):i64 .. cast(A_pos[add(i, 1:i64)]):i64 mark vector<8> {
      s = radd(s, x[p])
    }
    if ge(s, 0.0:f32) {
      y[i] = s
    } else {
      abort overflow
    }
  }
}

func other() {
}
"""
    assert print_module(parse_module(text)) == text


BROKEN = [
    ("", "expected 'func'"),
    ("func f() {", "expected a statement, found the end of the text"),
    ("func f(n: i63) {}", "expected a dtype, found 'i63'"),
    ("func f() { let x: i64 = y }", "no local is called 'y'"),
    ("func f() { y[0:i64] = 1:i64 }", "no buffer is called 'y'"),
    ("func f() { let x: i64 = 1.5:i64 }", "this is no literal of i64"),
    ("func f() { let x: bool = 1:bool }", "this is no literal of bool"),
    ("func f() { let x: f32 = true:f32 }", "this is no literal of f32"),
    ("func f() { let x: i64 = ad(1:i64, 2:i64) }", "there is no operator 'ad'"),
    ("func f() { let x: i64 = cast(1:i64) }", "'cast' needs its type"),
    ("func f() { let x: i64 = (1:i64 if true:bool) }", "only a load has a mask"),
    ("func f() { let x: i64 = 1:i64 let x: i64 = 2:i64 }", "'x' is declared twice"),
    ("func f() { let for: i64 = 1:i64 }", "'for' is a keyword"),
    ("func f() { let x: q4 = 1:i64 }", "expected a type, found 'q4'"),
    ("func f() { } }", "expected 'func'"),
    ("func f() { let x: i64 = " + "neg(" * 300, "nested more than"),
    ("func f() " + "{" * 300, "nested more than"),
    ("func f() { let x: i64 = " + "complex(" * 5000, "expected a number, found 'complex'"),
    ("func f(n: i64) { let x: i64x" + "9" * 5000 + " = n }", "expected a type"),
    ("func f(in a: i64*) { let x: i64x4 = a[0:i64]:x" + "9" * 5000 + " }", "expected a statement, found ':'"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[m for _, m in BROKEN])
def test_errors(text: str, message: str) -> None:
    with pytest.raises(SyntaxError_, match=message.replace("(", r"\(")) as e:
        parse_module(text)
    assert e.value.span is not None
