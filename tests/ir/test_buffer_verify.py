"""The verifier of buffer IR names the rule that broken IR breaks."""

import pytest

from sparsec.errors import VerifyError
from sparsec.ir.buffer import (
    Alloc,
    Block,
    Buffer,
    BufferParam,
    Comment,
    Const,
    Expr,
    For,
    Function,
    Let,
    Load,
    Module,
    Op,
    Origin,
    Set,
    Store,
    Tile,
    Var,
    Vec,
    i64,
)
from sparsec.ir.buffer_text import parse_module
from sparsec.ir.buffer_verify import RULES, verify
from sparsec.ir.dtypes import BOOL, F32, I8, I32, I64

HEAD = "func f(in a: f32*, in crd: i32*, out y: f32*, result r: f32*, n: i64) {\n"

GOOD = """
  var s: f32 = 0.0:f32
  alloc w: f32[n] init 0.0:f32
  var cap: i64 = n
  parallel i in 0:i64 .. n grain 8:i64 setup { alloc t: f32[n] var u: f32 = 0.0:f32 } {
    u = add(u, s)
    t[i] = a[cast(crd[i]):i64]
    free t
    alloc t2: f32[4:i64] stack
    y[i] = u
  }
  if lt(n, 3:i64) { s = 1.0:f32 } else { abort bounds }
  grow w capacity cap to n
  let v: f32x4 = a[n]:x4
  let m: boolx4 = lt(v, splat(s):f32x4)
  y[iota():i64x4] = (a[iota():i64x4]:x4 if m) if m
  y[n] = select(m, v, v)
  s = reduce_add(v)
  tile p < 4, q < 2 { y[add(p, q)] = s }
  call g(w, cap, r)
  publish r = w[n]
}
func g(out x: f32*, k: i64, result z: f32*) { x[k] = 1.0:f32 }
"""


def test_good() -> None:
    verify(parse_module(HEAD + GOOD))


BROKEN_TEXT = [
    ("scope", "if lt(n, 0:i64) { let x: i64 = n } let z: i64 = x"),
    ("scope", "parallel i in 0:i64 .. n grain 1:i64 setup { alloc t: f32[n] } { } t[n] = 1.0:f32"),
    ("type", "let x: f32 = n"),
    ("type", "let x: i64 = add(n, 1:i64):i32"),
    ("type", "var x: f32 = 0.0:f32 x = n"),
    ("type", "y[n] = n"),
    ("type", "alloc w: f32[n] init 0:i64"),
    ("type", "let v: f32x4 = a[iota():i64x8]:x4"),
    ("type", "let v: f32 = a[iota():i64x8]"),
    ("type", "y[iota():i64x4] = 1.0:f32"),
    ("type", "let v: f32x4 = add(a[n]:x4, 1.0:f32)"),
    ("type", "let v: f32 = reduce_add(1.0:f32)"),
    ("type", "let v: f32 = splat(1.0:f32):f32"),
    ("type", "let v: f32x4 = splat(1:i64):f32x4"),
    ("type", "let v: f32x0 = a[n]:x0"),
    ("const", "let x: i8 = 200:i8"),
    ("const", "let x: u64 = -1:u64"),
    ("op", "let x: f32 = add(1.0:f32)"),
    ("op", "let x: i64 = div(n, n)"),
    ("op", "let x: f32 = shl(1.0:f32, 1.0:f32)"),
    ("op", "let x: bool = sub(true:bool, true:bool)"),
    ("op", "let x: bool = and(n, n):bool"),
    ("op", "let x: f32 = exp(n):f32"),
    ("op", "let x: f32 = select(true:bool, 1.0:f32, n):f32"),
    ("op", "let x: f32 = select(1.0:f32, 1.0:f32, 1.0:f32)"),
    ("op", "let x: c64 = min(complex(1.0, 0.0):c64, complex(1.0, 0.0):c64)"),
    ("op", "let x: f32 = add(1.0:f32, n):f32"),
    ("mutable", "let x: i64 = n x = n"),
    ("mutable", "n = 1:i64"),
    ("mutable", "var s: i64 = n parallel i in 0:i64 .. n grain 1:i64 { s = i }"),
    ("mutable", "alloc w: f32[n] grow w capacity n to n"),
    ("address", "y[crd[n]] = 1.0:f32"),
    ("address", "let x: f32 = a[crd[n]]"),
    ("address", "for i in crd[n] .. n { }"),
    ("address", "for i in 0:i64 .. crd[n] { }"),
    ("address", "parallel i in 0:i64 .. n grain crd[n] { }"),
    ("address", "alloc w: f32[crd[n]]"),
    ("address", "prefetch a[crd[n]]"),
    ("condition", "if n { }"),
    ("condition", "while 1:i64 { }"),
    ("condition", "y[n] = 1.0:f32 if n"),
    ("condition", "let v: f32x4 = (a[n]:x4 if true:bool)"),
    ("condition", "let v: f32 = (a[n] if true:boolx4)"),
    ("access", "a[n] = 1.0:f32"),
    ("access", "r[n] = 1.0:f32"),
    ("access", "let x: f32 = r[n]"),
    ("loop", "for i in 0:i64 .. n step 0 { }"),
    ("loop", "for i in 0:i64 .. n mark vektor { }"),
    ("loop", "parallel i in 0:i64 .. n grain n { parallel j in 0:i64 .. n grain n { } }"),
    ("alloc", "alloc w: f32[n] stack"),
    ("own", "free a"),
    ("own", "alloc w: f32[8:i64] stack free w"),
    ("own", "alloc w: f32[n] parallel i in 0:i64 .. n grain n { free w }"),
    ("own", "publish r = y[n]"),
    ("publish", "parallel i in 0:i64 .. n grain n { alloc w: f32[n] publish r = w[n] }"),
    ("publish", "alloc w: f32[n] publish y = w[n]"),
    ("publish", "alloc w: f64[n] publish r = w[n]"),
    ("abort", "abort panic"),
    ("atomic", "atomic_add y[n] 1.0:f32"),
    ("call", "call h(n)"),
    ("call", "call f(n)"),
    ("call", "call f(a, crd, y, r, a)"),
    ("call", "call f(a, crd, y, y, n)"),
    ("call", "call f(crd, crd, y, r, n)"),
    ("call", "call f(a, crd, y, r, n)"),
    ("access", "call f(a, crd, a, r, n)"),
    ("type", "call f(a, crd, y, r, 1.0:f32)"),
    ("tile", "tile i < 0 { }"),
    ("tile", "tile i < 4 { alloc w: f32[n] }"),
    ("tile", "tile i < 4 { while true:bool { } }"),
]


@pytest.mark.parametrize(("rule", "body"), BROKEN_TEXT, ids=[b for _, b in BROKEN_TEXT])
def test_broken_text(rule: str, body: str) -> None:
    with pytest.raises(VerifyError, match=rf"\[{rule}\]") as e:
        verify(parse_module(HEAD + body + "\n}"))
    assert e.value.hint == RULES[rule] or rule == "call"


A, Y, N = Buffer("a", F32), Buffer("y", F32), Var("n", I64)
INDEX = Var("i", I64)
ONE = Const(1.0, F32)
BROKEN_TREES = [
    ("once", (Let(Var("x", F32), ONE), Let(Var("x", F32), ONE))),
    ("once", (For(INDEX, i64(0), N, Block()), For(INDEX, i64(0), N, Block()))),
    ("scope", (Let(Var("x", F32), Var("z", F32)),)),
    ("scope", (Let(Var("x", I32), Var("n", I32)),)),
    ("scope", (Store(Buffer("y", F32, Origin("y", 0, "vals")), N, ONE),)),
    ("type", (Let(Var("x", I32), Load(A, N, I32)),)),
    ("type", (Let(Var("x", F32), "hello"),)),
    ("const", (Let(Var("x", BOOL), Const(1, BOOL)),)),
    ("const", (Let(Var("x", I8), Const("1", I8)),)),
    ("const", (Let(Var("x", I8), Const(True, I8)),)),
    ("op", (Let(Var("x", F32), Op("plus", (ONE, ONE), F32)),)),
    ("address", (For(Var("i", I32), i64(0), N, Block()),)),
    ("tile", (Tile((INDEX,), (4, 4), Block()),)),
    ("alloc", (Alloc(Buffer("w", F32), N, None, "moon"),)),
    ("mutable", (Set(N, i64(1)),)),
    ("text", (Comment("two\nlines"),)),
    ("text", (For(INDEX, i64(0), N, Block(), 1, "", "two\nlines"),)),
    ("text", (Let(Var("", F32), ONE),)),
    ("module", ("hello",)),
    ("type", (Let(Var("x", Vec(F32, 4)), ONE),)),
]


@pytest.mark.parametrize(("rule", "stmts"), BROKEN_TREES)
def test_broken_trees(rule: str, stmts: tuple[Expr, ...]) -> None:
    head = parse_module(HEAD + "}").entry
    with pytest.raises(VerifyError, match=rf"^f(\..*)?: \[{rule}\]"):
        verify(Module((Function("f", head.params, Block(stmts)),)))  # type: ignore[arg-type]


def test_modules() -> None:
    with pytest.raises(VerifyError, match="no function"):
        verify(Module(()))
    with pytest.raises(VerifyError, match="two functions"):
        verify(parse_module("func f() {} func f() {}"))
    with pytest.raises(VerifyError, match="in a circle: f, g"):
        verify(parse_module("func f() { call g() } func g() { call f() }"))
    with pytest.raises(VerifyError, match=r"\[module\]"):
        verify(Module((Function("f", (BufferParam(A, "inout"),), Block()),)))


def test_path() -> None:
    with pytest.raises(VerifyError) as e:
        verify(parse_module(HEAD + "for i in 0:i64 .. n { if true:bool { y[i] = n } }\n}"))
    assert e.value.path == "f.body[0]:for.body[0]:if.then[0]:store"
