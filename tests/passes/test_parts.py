"""Complex values in parts: every operator against NumPy, every statement against the interpreter of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparsec.errors import UnsupportedError
from sparsec.ir import buffer_interp, buffer_text, buffer_verify, ops
from sparsec.ir.buffer import (
    Block,
    Buffer,
    BufferParam,
    Const,
    For,
    Function,
    Load,
    Module,
    Op,
    ScalarParam,
    Store,
    Var,
    Vec,
    i64,
)
from sparsec.ir.dtypes import ALL, BF16, BOOL, C64, C128, I64, DType
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor_values import real_parts
from sparsec.passes.parts import split_complex
from sparsec.passes.pipeline import for_machine
from tests.support.native import Native

EPS = {C64: 1.2e-7, C128: 2.3e-16}
POINTS = [0, 1, -1, 1j, -1j, 2, -2, 2j, -0.5, 0.5, 0.3 + 0.4j, -0.6 + 0.8j, 1 + 1e-9j, 1e-9, 1e-9j, 3 - 4j, 30 + 2j]
NAMES = [n for n in ops.OPS if n != "cast" and ops.admits(n, C128)]


def values(t: DType, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=40) + 1j * rng.normal(size=40)
    if t is BOOL:
        return rng.random(40 + len(POINTS)) < 0.5
    return np.concatenate([np.roll(POINTS, seed), drawn * 10.0 ** rng.integers(-2, 1, 40)]).astype(t.np)


def elementwise(name: str, types: tuple[DType, ...], out: DType, last: object = None) -> Module:
    i, o = Var("i", I64), Buffer("o", out)
    sources = tuple(Buffer(f"a{n}", t) for n, t in enumerate(types))
    args: list[Any] = [Load(b, i, b.dtype) for b in sources]
    if last is not None:
        args[-1] = Const(last, types[-1])
    n = Var("n", I64)
    body = Block((Store(o, i, Op(name, tuple(args), out)),))
    params = (*(BufferParam(b, "in") for b in sources), BufferParam(o, "out"), ScalarParam(n))
    return Module((Function("f", params, Block((For(i, i64(0), n, body),))),))


def outcomes(module: Module, args: dict[str, np.ndarray], out: DType) -> dict[str, np.ndarray]:
    """By the interpreter: of the module as it is, and split; and as machine code."""
    split = split_complex(module)
    buffer_verify.verify(split)
    assert buffer_text.parse_module(buffer_text.print_module(split)) == split
    assert not any(
        isinstance(n, Buffer | Var | Const) and getattr(n, "dtype", None) in (C64, C128) for n in walk(split)
    )
    n = len(next(iter(args.values())))
    made = {}
    for how in ("whole", "split", "native"):
        o = np.zeros(n, out.np)
        if how == "native":
            Native(module)(module, {**args, "o": o, "n": n})
        else:
            parts = {k: real_parts(a) if how == "split" else a for k, a in {**args, "o": o}.items()}
            buffer_interp.run(module if how == "whole" else split, {**parts, "n": n})
        made[how] = o
    return made


@pytest.mark.parametrize("t", [C64, C128], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_operators(name: str, t: DType) -> None:
    types = (BOOL, t, t) if name == "select" else (t,) * ops.OPS[name].arity
    out = ops.result_dtype(name, types)
    args = {f"a{n}": values(s, n) for n, s in enumerate(types)}
    made = outcomes(elementwise(name, types, out), args, out)
    want = made["whole"]
    for how in ("split", "native"):
        got = made[how]
        if out is BOOL:
            assert got.tolist() == want.tolist()
            continue
        finite = np.isfinite(want)
        assert (np.isfinite(got) == finite).all(), (want[np.isfinite(got) != finite], got[np.isfinite(got) != finite])
        # A power is an exponential of a product, with an error as large as that.
        most = 400 if name == "pow" else 32
        off = np.abs(got[finite] - want[finite]) / np.maximum(np.abs(want[finite]), np.finfo(t.np).tiny)
        assert off.max() <= most * EPS[t], (how, args["a0"][finite][off.argmax()], want[finite][off.argmax()])


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 5, 64])
def test_constant_powers(n: int) -> None:
    a = values(C128, 1)[20:]
    made = outcomes(elementwise("pow", (C128, C128), C128, complex(n)), {"a0": a, "a1": a}, C128)
    np.testing.assert_allclose(made["native"], np.power(a, n), rtol=3e-14)


@pytest.mark.parametrize("t", [C64, C128], ids=str)
def test_casts(t: DType) -> None:
    for other in ALL:
        for source, to in ((t, other), (other, t)):
            a = values(C128, 2)
            plain = a if source.kind == "c" else np.abs(a).round() % 100
            x = (
                (plain.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
                if source is BF16
                else plain.astype(source.np)
            )
            if to.kind == "u":
                x = np.abs(x).astype(source.np)
            made = outcomes(elementwise("cast", (source,), to), {"a0": x}, to)
            for how in ("split", "native"):
                np.testing.assert_array_equal(made[how], made["whole"], err_msg=f"{source} to {to}")


def test_branch_cuts_are_numpys() -> None:
    """Signs of zeros choose the side."""
    z = np.array([complex(x, y) for x in (-2.0, 2.0, -0.0, 0.0, -0.5, 0.5) for y in (0.0, -0.0)])
    z = np.concatenate([z, 1j * z])
    for name in ("sqrt", "log", "asin", "acos", "atan", "asinh", "acosh", "atanh"):
        made = outcomes(elementwise(name, (C128,), C128), {"a0": z}, C128)
        want, got = made["whole"], made["native"]
        finite = np.isfinite(want)
        np.testing.assert_allclose(got[finite], want[finite], rtol=1e-14, atol=1e-15, err_msg=name)


PROGRAM = """func f(in a: c64*, in n: i64*, out y: c64*, result r: c64*, out flags: bool*, count: i64) {
  alloc work: c64[count] init complex(1.0, -2.0):c64
  alloc zero: c64[4:i64] init complex(0.0, 0.0):c64 stack
  alloc list: c64[0:i64]
  var room: i64 = 0:i64
  var z: c64 = complex(1.0, 1.0):c64
  var at: i64 = 0:i64
  while and(lt(at, count), ne(z, complex(0.0, 0.0):c64)) "walk" {
    grow list capacity room to add(at, 1:i64)
    z = mul(z, a[at])
    list[at] = add(z, work[at])
    z = conj(z)
    at = add(at, 1:i64)
  }
  parallel i in 0:i64 .. count grain 2:i64 setup { alloc own: c64[2:i64] } {
    own[0:i64] = mul(a[i], complex(0.0, 1.0):c64)
    y[i] = add(own[0:i64], zero[1:i64]) if lt(cast(real(a[i])):f64, 10.0:f64)
    flags[i] = eq(a[i], select(isnan(a[i]), z, a[i]))
  }
  for k in 0:i64 .. 4:i64 mark vector<4> { zero[k] = radd(zero[k], a[k]) }
  tile p < 2, q < 2 { let t: i64 = add(mul(p, 2:i64), q) zero[t] = mul(zero[t], a[t]) }
  y[0:i64] = zero[3:i64]
  prefetch a[0:i64]
  call g(y, z, count)
  publish r = list[at]
}
func g(out y: c64*, z: c64, count: i64) {
  var s: c64 = z
  s = mul(s, s)
  s = complex(2.0, 0.0):c64
  y[sub(count, 1:i64)] = div(s, z)
}
"""


@pytest.mark.parametrize("expanded", [False, True])
def test_statements(expanded: bool) -> None:
    module = buffer_text.parse_module(PROGRAM)
    buffer_verify.verify(module)
    made = for_machine(module) if expanded else split_complex(module)
    buffer_verify.verify(made)
    a = np.array([1 + 1j, 2 - 1j, 0.5j, -1.0, 2.0, 1j], np.complex64)
    results = []
    for which in (module, made):
        y, flags = np.zeros(6, np.complex64), np.zeros(6, bool)
        args = {"a": a, "n": np.zeros(1, np.int64), "y": y, "flags": flags}
        if which is made:
            args = {k: real_parts(v) for k, v in args.items()}
        out = buffer_interp.run(which, {**args, "count": 6})["r"]
        results.append((y, flags, out.view(np.complex64)))
    y, flags = np.zeros(6, np.complex64), np.zeros(6, bool)
    args = {"a": a, "n": np.zeros(1, np.int64), "y": y, "flags": flags, "count": 6}
    results.append((y, flags, Native(module)(module, args)["r"]))
    for got in results[1:]:
        for want, mine in zip(results[0], got, strict=True):
            np.testing.assert_allclose(mine, want, rtol=1e-6)


def test_what_has_no_complex_values_stays_itself() -> None:
    module = elementwise("add", (I64, I64), I64)
    assert split_complex(module) is module


def test_vectors_are_refused() -> None:
    a = Buffer("a", C64)
    body = Block((Store(a, i64(0), Load(a, i64(0), Vec(C64, 2))),))
    with pytest.raises(UnsupportedError, match="vectors of c64"):
        split_complex(Module((Function("f", (BufferParam(a, "out"),), body),)))
    with pytest.raises(UnsupportedError, match="scalar parameter of c64"):
        split_complex(buffer_text.parse_module("func f(z: c64) { }"))
