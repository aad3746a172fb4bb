"""The interpreter of buffer IR: results, ownership, bounds, abort codes."""

import numpy as np
import pytest

from sparsec.errors import BackendError
from sparsec.ir.buffer_interp import run
from sparsec.ir.buffer_text import parse_module
from sparsec.ir.buffer_verify import verify


def interp(body: str, params: str = "", functions: str = "", **args: object) -> dict[str, np.ndarray]:
    module = parse_module(f"func f({params}) {{ {body} }} {functions}")
    verify(module)
    return run(module, args)  # type: ignore[arg-type]


def value(expr: str, t: str = "i64", params: str = "", **args: object) -> object:
    """What an expression gives, stored to an array."""
    names = {"f32": np.float32, "f64": np.float64, "bool": np.bool_, "f16": np.float16, "bf16": np.uint16}
    out = np.zeros(1, names.get(t) or np.dtype(t.replace("i", "int").replace("u", "uint")))
    interp(f"out_[0:i64] = {expr}", f"out out_: {t}*" + (f", {params}" if params else ""), out_=out, **args)
    return out[0]


@pytest.mark.parametrize(
    ("expr", "t", "want"),
    [
        ("add(127:i8, 1:i8)", "i8", -128),
        ("sub(0:u8, 1:u8)", "u8", 255),
        ("mul(9223372036854775807:i64, 2:i64)", "i64", -2),
        ("neg(-9223372036854775808:i64)", "i64", -(2**63)),
        ("floordiv(-7:i64, 2:i64)", "i64", -4),
        ("mod(-7:i64, 2:i64)", "i64", 1),
        ("floordiv(7:i64, 0:i64)", "i64", 0),
        ("mod(7:i32, 0:i32)", "i32", 0),
        ("floordiv(-128:i8, -1:i8)", "i8", -128),
        ("shl(1:i64, 62:i64)", "i64", 2**62),
        ("shl(1:i32, 32:i32)", "i32", 0),
        ("shr(-1:i8, 7:i8)", "i8", 1),
        ("ctz(8:u16)", "u16", 3),
        ("ctz(0:u16)", "u16", 16),
        ("popcount(-1:i32)", "i32", 32),
        ("cast(-1:i64):u8", "u8", 255),
        ("cast(-1.9:f64):i64", "i64", -1),
        ("cast(0.5:f64):bool", "bool", True),
        ("min(nan:f32, 1.0:f32)", "f32", np.nan),
        ("max(1.0:f64, nan:f64)", "f64", np.nan),
        ("lt(nan:f32, 1.0:f32)", "bool", False),
        ("ne(nan:f32, nan:f32)", "bool", True),
        ("add(16777216.0:f32, 1.0:f32)", "f32", 16777216.0),
        ("fma(2.0:f64, 3.0:f64, 1.0:f64)", "f64", 7.0),
        ("reduce_add(iota():i64x8)", "i64", 28),
        ("reduce_min(splat(2.5:f32):f32x4)", "f32", 2.5),
        ("select(true:bool, 1:i64, 2:i64)", "i64", 1),
        ("cast(1.00390625:f32):bf16", "bf16", 0x3F80),
        ("cast(1.01171875:f32):bf16", "bf16", 0x3F82),
        ("add(1.0:f16, 0.00048828125:f16)", "f16", 1.0),
    ],
)
def test_values(expr: str, t: str, want: object) -> None:
    np.testing.assert_array_equal(value(expr, t), want)


def test_masked_loads() -> None:
    a = np.array([5, 6], np.int64)
    assert value("(a[9:i64] if false:bool)", params="in a: i64*", a=a) == 0
    lanes = "(a[iota():i64x4]:x4 if lt(iota():i64x4, 2:i64x4))"
    assert value(f"reduce_add({lanes})", params="in a: i64*", a=a) == 11


def test_vector_store_reads_first() -> None:
    a = np.arange(6.0)
    interp("a[1:i64] = a[0:i64]:x4", "out a: f64*", a=a)
    np.testing.assert_array_equal(a, [0, 0, 1, 2, 3, 5])


def test_workers_have_their_own_setup() -> None:
    y = np.zeros(10, np.int64)
    text = """parallel i in 0:i64 .. 10:i64 grain 2:i64 setup { alloc t: i64[1:i64] init 0:i64 var s: i64 = 0:i64 } {
      s = add(s, 1:i64) t[0:i64] = s y[i] = t[0:i64] }"""
    interp(text, "out y: i64*", y=y)
    assert y.max() < 10 and y.min() == 1


def test_results() -> None:
    text = """alloc w: f32[2:i64] var cap: i64 = 2:i64
      for i in 0:i64 .. n { grow w capacity cap to add(i, 1:i64) w[i] = cast(i):f32 } publish r = w[n]"""
    out = interp(text, "result r: f32*, n: i64", n=9)
    np.testing.assert_array_equal(out["r"], np.arange(9, dtype=np.float32))


def test_calls() -> None:
    text = "call g(y, 3:i64, r)"
    callee = (
        "func g(out z: f64*, k: i64, result q: f64*) { z[k] = 1.0:f64 alloc w: f64[k] init 2.0:f64 publish q = w[k] }"
    )
    y = np.zeros(5)
    out = interp(text, "out y: f64*, result r: f64*", callee, y=y)
    np.testing.assert_array_equal(y, [0, 0, 0, 1, 0])
    np.testing.assert_array_equal(out["r"], [2, 2, 2])


def test_atomic_and_tile() -> None:
    c, y = np.zeros(1, np.int8), np.zeros(6)
    interp(
        "atomic_add c[0:i64] 100:i8 atomic_add c[0:i64] 100:i8 "
        "tile i < 2, j < 3 { y[add(mul(i, 3:i64), j)] = cast(j):f64 }",
        "out c: i8*, out y: f64*",
        c=c,
        y=y,
    )
    assert c[0] == -56
    np.testing.assert_array_equal(y, [0, 1, 2, 0, 1, 2])


def test_bounds_name_the_origin() -> None:
    a = np.zeros(3, np.float32)
    message = r"buffer 'v' \(tensor A, level 1, crd\): index 3 is outside its 3 elements, in v\[n\]"
    with pytest.raises(BackendError, match=message):
        interp("let x: f32 = v[n]", "in v: f32* @A.1.crd, n: i64", v=a, n=3)
    with pytest.raises(BackendError, match=r"\(tensor A, vals\): index -1 is outside"):
        interp("v[sub(n, 1:i64)] = 0.0:f32", "out v: f32* @A.-1.vals, n: i64", v=a, n=0)
    with pytest.raises(BackendError, match="index 3 is outside"):
        interp("let x: f32x4 = v[0:i64]:x4", "in v: f32*", v=a)


ABORTS = [
    ("abort overflow", "overflow"),
    ("alloc w: i64[-1:i64]", "memory"),
    ("alloc w: i64[4611686018427387904:i64]", "memory"),
    ("parallel i in 0:i64 .. 3:i64 grain 1:i64 { if eq(i, 1:i64) { abort width } }", "width"),
    ("call g()", "bounds"),
]


@pytest.mark.parametrize(("body", "code"), ABORTS)
def test_aborts(body: str, code: str) -> None:
    with pytest.raises(BackendError, match=f"the kernel stopped with '{code}'"):
        interp(body, functions="func g() { abort bounds }")


MISUSE = [
    ("alloc w: f32[4:i64] free w w[0:i64] = 1.0:f32", "used while it is not allocated"),
    ("alloc w: f32[4:i64] publish r = w[5:i64]", "5 of its 4 elements are published"),
    ("alloc w: f32[4:i64] publish r = w[4:i64] let x: f32 = w[0:i64]", "used while it is not allocated"),
    ("alloc w: f32[4:i64] var c: i64 = 5:i64 grow w capacity c to 6:i64", "its capacity is said to be 5"),
    ("", "did not publish its result 'r'"),
]


@pytest.mark.parametrize(("body", "message"), MISUSE)
def test_misuse(body: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        interp(body, "result r: f32*")


def test_arguments() -> None:
    with pytest.raises(BackendError, match="an argument for 'y' is missing"):
        interp("", "out y: f32*")
    with pytest.raises(BackendError, match="no parameter called z"):
        interp("", z=3)
    with pytest.raises(BackendError, match="'y' wants a 1-d array of float32, not a 1-d array of float64"):
        interp("", "out y: f32*", y=np.zeros(3))
    frozen = np.zeros(3)
    frozen.setflags(write=False)
    with pytest.raises(BackendError, match="read-only"):
        interp("", "out y: f64*", y=frozen)
