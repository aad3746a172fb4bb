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

needs_cc = pytest.mark.skipif(compiler() is None, reason="no C compiler")

PROGRAMS = {
    "spmv": """func spmv(in pos: i32*, in crd: i32*, in v: f64*, in x: f64*, out y: f64*, n: i64) {
      parallel i in 0:i64 .. n grain 4:i64 "rows" {
        var s: f64 = 0.0:f64
        for p in cast(pos[i]):i64 .. cast(pos[add(i, 1:i64)]):i64 { s = radd(s, mul(v[p], x[cast(crd[p]):i64])) }
        y[i] = s } }""",
    "merge": """func merge(in pos: i32*, in crd: i32*, in v: f64*, result out_crd: i32*, result out_v: f64*, n: i64) {
      # the first two rows, intersected
      var p: i64 = cast(pos[0:i64]):i64
      var q: i64 = cast(pos[1:i64]):i64
      let p_end: i64 = cast(pos[1:i64]):i64
      let q_end: i64 = cast(pos[2:i64]):i64
      var cap: i64 = 1:i64
      var cap2: i64 = 1:i64
      var size: i64 = 0:i64
      alloc oc: i32[cap]
      alloc ov: f64[cap2]
      while and(lt(p, p_end), lt(q, q_end)) "merge" {
        let a: i32 = crd[p]
        let b: i32 = crd[q]
        if eq(a, b) {
          grow oc capacity cap to add(size, 1:i64)
          grow ov capacity cap2 to add(size, 1:i64)
          oc[size] = a
          ov[size] = mul(v[p], v[q])
          size = add(size, 1:i64)
        }
        p = add(p, cast(le(a, b)):i64)
        q = add(q, cast(le(b, a)):i64)
      }
      publish out_crd = oc[size]
      publish out_v = ov[size] }""",
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
    "vectors": """func vectors(in v: f64*, in crd: i32*, in x: f64*, out y: f64*, n: i64) {
      var acc: f64x4 = splat(0.0:f64):f64x4
      for p in 0:i64 .. 20:i64 step 4 {
        let at: i64x4 = cast(crd[p]:x4):i64x4
        let m: boolx4 = lt(at, splat(n):i64x4)
        acc = radd(acc, mul(v[p]:x4, (x[at]:x4 if m))) }
      y[0:i64] = reduce_add(acc)
      y[1:i64] = reduce_max(acc)
      y[2:i64] = y[0:i64]:x4
      y[add(iota():i64x4, 8:i64x4)] = acc if ge(acc, 0.0:f64x4)
      var k: i64 = 0:i64
      while lt(reduce_max(cast(add(iota():i64x4, splat(k):i64x4)):f64x4), 9.0:f64) { k = add(k, 1:i64) }
      y[7:i64] = cast(k):f64 }""",
    "names": """func exp(in v: f64*, out y: f64*, n: i64, alpha: f32, flag: bool, small: i8, half: f16, z: c64) {
      let int: f64 = exp(v[0:i64])
      let sin: f64 = sin(int)
      let I: i64 = 1:i64
      let "args": f64 = cast(alpha):f64
      let "weird name": f64 = add(sin, "args")
      let lane: f64 = select(flag, "weird name", 0.0:f64)
      # comment */ with \\ an end
      y[0:i64] = add(lane, cast(small):f64)
      y[I] = add(cast(half):f64, cast(imag(mul(z, z))):f64) }""",
    "calls": """func calls(in v: f64*, out y: f64*, result r: f64*, n: i64) {
      for i in 0:i64 .. n { call one(v, y, i) }
      call two(n, r) }
      func one(in v: f64*, out y: f64*, i: i64) { y[i] = add(v[i], 1.0:f64) }
      func two(n: i64, result r: f64*) { alloc w: f64[n] init 7.0:f64 publish r = w[n] }""",
    "brackets": """func brackets(in x: f64*, in crd: i32*, out y: f64*, n: i64) {
      for i in 0:i64 .. n {
        let a: bool = not(eq(cast(crd[i]):f64, 2.0:f64))
        let b: bool = not(and(a, not(lt(x[i], 0.0:f64))))
        let c: i64 = neg(sub(neg(cast(a):i64), cast(b):i64))
        let d: i64 = invert(bitor(c, shl(i, 1:i64)))
        y[i] = abs(sub(cast(add(c, d)):f64, cast(not(or(a, b))):f64)) } }""",
    "loops": """func loops(out y: f64*, n: i64) {
      var end: i64 = n
      for i in 0:i64 .. end { end = 0:i64 y[i] = 1.0:f64 }
      for j in 0:i64 .. sub(n, end) step 3 { y[j] = 2.0:f64 }
      for k in n .. 0:i64 { y[0:i64] = 9.0:f64 }
      tile a < 2, b < 2 { y[add(a, b)] = add(y[add(a, b)], 0.5:f64) }
      for t in 0:i64 .. n {
        alloc w: f64[add(t, 1:i64)] init cast(t):f64
        y[t] = add(y[t], w[t])
        if lt(t, 2:i64) { free w } }
      prefetch y[0:i64]
      barrier
      alloc c: i16[1:i64] init 32767:i16
      atomic_add c[0:i64] 1:i16
      y[0:i64] = cast(c[0:i64]):f64 }""",
}
SCALARS = {"alpha": 0.1, "flag": True, "small": -3, "half": 0.1, "z": 1 + 2j}


def arguments(params: set[str]) -> dict[str, object]:
    rng = np.random.default_rng(0)
    n = 12
    counts = rng.integers(0, 6, n)
    counts[:2] = 8
    crd = np.concatenate([np.sort(rng.choice(n, c, replace=False)) for c in counts]).astype(np.int32)
    every = {
        "pos": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "crd": crd,
        "v": rng.normal(size=len(crd)),
        "x": rng.normal(size=n),
        "y": np.zeros(n),
        "n": n,
        **SCALARS,
    }
    return {k: v for k, v in every.items() if k in params}


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
    assert name == "merge" or np.any(outcomes[0]["y"])


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
    assert "/* rows */" in source
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
