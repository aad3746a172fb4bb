"""Whole programs: the C backend against the interpreter, and the shape of the emitted source."""

import numpy as np
import pytest

from sparsec.backends import backend, names, register
from sparsec.backends.c import emit_c, entry_symbol
from sparsec.backends.c import run as run_c
from sparsec.backends.c.run import compiler
from sparsec.errors import BackendError, UnsupportedError
from sparsec.ir import buffer_interp
from sparsec.ir.buffer_text import parse_module
from sparsec.ir.buffer_verify import verify
from tests.support.buffer_programs import PROGRAMS as SHARED
from tests.support.buffer_programs import arguments

needs_cc = pytest.mark.skipif(compiler() is None, reason="no C compiler")

PROGRAMS = SHARED | {
    "bits": """func bits(in crd: i32*, out y: f64*, n: i64) {
      alloc set: u64[4:i64] init 0:u64 stack
      for p in 0:i64 .. 20:i64 {
        let c: i64 = cast(crd[p]):i64
        let w: i64 = shr(c, 6:i64)
        set[w] = bitor(set[w], shl(1:u64, cast(bitand(c, 63:i64)):u64)) }
      var k: i64 = 0:i64
      for w2 in 0:i64 .. 4:i64 {
        var word: u64 = set[w2]
        while ne(word, 0:u64) {
          if lt(k, n) { y[k] = cast(add(mul(w2, 64:i64), cast(ctz(word)):i64)):f64 }
          k = add(k, 1:i64)
          word = bitand(word, sub(word, 1:u64)) } } }""",
    "names": """func exp(in v: f64*, out y: f64*, n: i64, a: f32, f: bool, small: i8, half: f16, z: c64) {
      let int: f64 = exp(v[0:i64])
      let sin: f64 = sin(int)
      let I: i64 = 1:i64
      let "args": f64 = cast(a):f64
      let "weird name": f64 = add(sin, "args")
      let lane: f64 = select(f, "weird name", 0.0:f64)
      # comment */ with \\ an end
      y[0:i64] = add(lane, cast(small):f64)
      y[I] = add(cast(half):f64, cast(imag(mul(z, z))):f64) }""",
    "brackets": """func brackets(in x: f64*, in crd: i32*, out y: f64*, n: i64) {
      for i in 0:i64 .. n {
        let a: bool = not(eq(cast(crd[i]):f64, 2.0:f64))
        let b: bool = not(and(a, not(lt(x[i], 0.0:f64))))
        let c: i64 = neg(sub(neg(cast(a):i64), cast(b):i64))
        let d: i64 = invert(bitor(c, shl(i, 1:i64)))
        y[i] = abs(sub(cast(add(c, d)):f64, cast(not(or(a, b))):f64)) } }""",
    "searched": """func searched(out y: f64*) {
      var k: i64 = 0:i64
      while lt(reduce_max(cast(add(iota():i64x4, splat(k):i64x4)):f64x4), 9.0:f64) { k = add(k, 1:i64) }
      y[7:i64] = cast(k):f64 }""",
}


@needs_cc
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_agree(name: str) -> None:
    module = parse_module(PROGRAMS[name])
    verify(module)
    params = {getattr(p, "buffer", None) or p.var for p in module.entry.params}
    outcomes = []
    for run in (buffer_interp.run, run_c):
        args = arguments({p.name for p in params})
        results = run(module, args)  # type: ignore[operator]
        outcomes.append(results | {"y": args.get("y", np.zeros(0))})
    assert outcomes[0].keys() == outcomes[1].keys()
    for key, want in outcomes[0].items():
        np.testing.assert_allclose(outcomes[1][key], want, rtol=1e-12, err_msg=key)
    assert any(np.any(r) for r in outcomes[0].values())


@needs_cc
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("alloc w: f64[n] init 1.0:f64 publish r = w[n] abort overflow", "overflow"),
        ("alloc w: i64[-1:i64]", "memory"),
        ("alloc w: i64[4611686018427387904:i64]", "memory"),
        ("alloc w: f64[n] publish r = w[n] call g(r)", "width"),
        ("alloc w: f64[n] var c: i64 = n grow w capacity c to 4611686018427387904:i64", "memory"),
        ("parallel i in 0:i64 .. n grain 1:i64 setup { alloc w: f64[n] } { abort bounds }", "bounds"),
    ],
)
def test_aborts(body: str, code: str) -> None:
    text = f"func f(n: i64, result r: f64*) {{ {body} }} func g(result q: f64*) {{ abort width }}"
    module = parse_module(text)
    verify(module)
    for run in (buffer_interp.run, run_c):
        with pytest.raises(BackendError, match=f"stopped with '{code}'"):
            run(module, {"n": 4})


@needs_cc
def test_arguments_are_checked() -> None:
    module = parse_module("func f(out y: f32*, n: i64) { }")
    for args in ({}, {"y": np.zeros(3), "n": 1}, {"y": np.zeros(3, np.float32), "n": 1, "k": 1}):
        with pytest.raises(BackendError):
            run_c(module, args)
    with pytest.raises(BackendError, match="contiguous"):
        run_c(module, {"y": np.zeros(8, np.float32)[::2], "n": 1})


def test_source_is_readable() -> None:
    source = emit_c(parse_module(PROGRAMS["spmv"]))
    assert "for (int64_t i = 0; i < n; ++i) {" in source
    assert "for (int64_t p = (int64_t)pos[i], p_end = (int64_t)pos[i + 1]; p < p_end; ++p) {" in source
    assert "s = s + (v[p] * x[(int64_t)crd[p]]);" in source
    assert "sp_alloc" not in source


def test_entry_symbols() -> None:
    assert entry_symbol(parse_module("func spmv() { }")) == "spmv"
    assert entry_symbol(parse_module("func exp() { }")) == "sparsec_exp"
    assert entry_symbol(parse_module('func "a b" () { }')) == "sparsec_a_b"


def test_wide_scalar_parameter() -> None:
    with pytest.raises(UnsupportedError, match="a scalar parameter of c128"):
        emit_c(parse_module("func f(z: c128) { }"))


def test_registry() -> None:
    assert {"cpu", "c", "interp"} <= set(names())
    assert backend("c").emit_c is emit_c
    assert backend("interp") is buffer_interp
    with pytest.raises(BackendError, match="unknown backend 'vhdl'") as e:
        backend("vhdl")
    assert "cpu, c, interp" in str(e.value)
    for planned in ("gpu", "sim"):
        with pytest.raises(UnsupportedError, match=f"'{planned}' backend is not there yet"):
            backend(planned)
    with pytest.raises(BackendError, match="already"):
        register("cpu", object())
