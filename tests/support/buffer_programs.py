"""Programs in buffer IR that together use every statement, and arguments for them."""

from __future__ import annotations

import numpy as np

SPMV = """func spmv(in pos: i32*, in crd: i32*, in v: f64*, in x: f64*, out y: f64*, n: i64) {
  for i in 0:i64 .. n {
    var s: f64 = 0.0:f64
    for p in cast(pos[i]):i64 .. cast(pos[add(i, 1:i64)]):i64 { s = radd(s, mul(v[p], x[cast(crd[p]):i64])) }
    y[i] = s } }"""
PROGRAMS = {
    "spmv": SPMV,
    "parallel": SPMV.replace("for i in 0:i64 .. n", "parallel i in 0:i64 .. n grain 4:i64"),
    "setup": """func f(in crd: i32*, in v: f64*, out y: f64*, n: i64) {
      var twice: i64 = mul(n, 2:i64)
      twice = add(twice, 1:i64)
      parallel i in 1:i64 .. n grain 2:i64 setup {
        let size: i64 = add(n, 1:i64)
        alloc w: f64[size] init 0.0:f64
        alloc on: bool[n] init false:bool
        alloc local: f64[4:i64] init 1.0:f64 stack
      } {
        w[i] = add(v[i], local[bitand(i, 3:i64)])
        on[i] = lt(v[i], 0.0:f64)
        y[i] = add(w[i], cast(add(twice, cast(crd[i]):i64)):f64)
        if on[i] { y[i] = neg(y[i]) } } }""",
    "growth": """func merge(in pos: i32*, in crd: i32*, in v: f64*, result out_crd: i32*, result out_v: f64*) {
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
      y[add(iota():i64x4, 0:i64x4)] = (v[100000000:i64]:x4 if false:boolx4)
      y[5:i64] = (v[3:i64]:x4 if lt(iota():i64x4, splat(2:i64):i64x4)) if lt(iota():i64x4, splat(3:i64):i64x4) }""",
    "bools": """func bools(in v: f64*, out y: f64*, n: i64) {
      alloc b: bool[16:i64] init true:bool
      alloc c: bool[16:i64] init false:bool stack
      b[0:i64] = lt(v[0:i64]:x8, v[8:i64]:x8)
      c[iota():i64x8] = b[0:i64]:x8 if not(b[add(iota():i64x8, 8:i64x8)]:x8)
      for i in 0:i64 .. n { y[i] = add(cast(b[i]):f64, mul(2.0:f64, cast(c[i]):f64)) } }""",
    "calls": """func calls(in v: f64*, out y: f64*, result r: f64*, n: i64) {
      for i in 0:i64 .. n { call one(v, y, i, true:bool) }
      parallel j in 0:i64 .. n grain 1:i64 { call one(v, y, j, false:bool) }
      call two(n, r) }
      func one(in v: f64*, out y: f64*, i: i64, flag: bool) {
        if flag { y[i] = add(v[i], 1.0:f64) } else { y[i] = mul(y[i], 3.0:f64) } }
      func two(n: i64, result r: f64*) { alloc w: f64[n] init 7.0:f64 publish r = w[n] }""",
    "loops": """func loops(out y: f64*, n: i64) {
      var end: i64 = n
      for i in 0:i64 .. end { end = 0:i64 y[i] = 1.0:f64 }
      for j in 0:i64 .. sub(n, end) step 3 mark vector<4> { y[j] = 2.0:f64 }
      for k in n .. 0:i64 { y[0:i64] = 9.0:f64 }
      for m in 0:i64 .. 4:i64 mark unroll { y[m] = add(y[m], 8.0:f64) }
      for m2 in 0:i64 .. n mark unroll { y[m2] = add(y[m2], 8.0:f64) }
      parallel none in n .. 0:i64 grain 0:i64 { y[0:i64] = 7.0:f64 }
      parallel all in 0:i64 .. n grain -5:i64 { y[all] = add(y[all], 0.25:f64) }
      tile a < 2, b < 2 { y[add(a, b)] = add(y[add(a, b)], 0.5:f64) }
      for t in 0:i64 .. n {
        alloc w: f64[add(t, 1:i64)] init cast(t):f64
        y[t] = add(y[t], w[t])
        if lt(t, 2:i64) { free w } }
      prefetch y[100000000:i64]
      barrier
      alloc c: i16[1:i64] init 32767:i16
      atomic_add c[0:i64] 1:i16
      y[0:i64] = cast(c[0:i64]):f64
      y[100000000:i64] = 1.0:f64 if lt(n, 0:i64)
      y[1:i64] = (y[100000000:i64] if lt(n, 0:i64)) }""",
    "empty": """func empty(result a: i8*, result b: bool*) {
      alloc w: i8[0:i64] publish a = w[0:i64] alloc u: bool[3:i64] init true:bool publish b = u[2:i64] }""",
    "republish": """func twice(result r: i32*, n: i64) {
      for i in 0:i64 .. n { alloc w: i32[n] init cast(i):i32 publish r = w[n] } }""",
    "scalars": """func s(out y: f64*, a: f32, f: bool, small: i8, half: f16, u: u64) {
      y[0:i64] = select(f, cast(a):f64, cast(small):f64)
      y[1:i64] = add(cast(half):f64, cast(small):f64)
      y[2:i64] = cast(u):f64 }""",
}
SCALARS = {"a": 0.1, "f": True, "small": -3, "half": 0.1, "u": 2**63 + 2**40, "z": 1 + 2j}


def arguments(names: set[str]) -> dict[str, object]:
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
    return {k: v for k, v in every.items() if k in names}
