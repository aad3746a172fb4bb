"""Loops in vectors: the text before and after, the same results, and the reasons for refusing."""

import re
from dataclasses import replace

import numpy as np
import pytest

from sparsec.backends.c import run as run_c
from sparsec.backends.c.run import compiler
from sparsec.errors import ScheduleError
from sparsec.ir import buffer_interp
from sparsec.ir.buffer import Module, Vec
from sparsec.ir.buffer_text import parse_module, print_module
from sparsec.ir.buffer_verify import verify
from sparsec.ir.rewrite import walk
from sparsec.passes.vectorize import vectorize

PARAMS = "in a: f32*, in crd: i32*, in x: f64*, out y: f32*, out z: f64*, out k: i64*, lo: i64, hi: i64"


def module(body: str) -> Module:
    out = parse_module(f"func f({PARAMS}) {{\n{body}\n}}")
    verify(out)
    return out


def text(m: Module) -> str:
    return re.sub(r"\A.*?\) ", "", print_module(m), flags=re.DOTALL)


REWRITES = {
    "reduction": (
        """{
  var s: f32 = 0.0:f32
  for p in lo .. hi mark vector<4> "scan A.1" {
    let c: i64 = cast(crd[p]):i64
    s = radd(s, mul(a[p], cast(x[c]):f32))
  }
  y[0:i64] = s
}
""",
        """{
  var s: f32 = 0.0:f32
  let p_count: i64 = max(sub(hi, lo), 0:i64)
  let p_main: i64 = add(lo, sub(p_count, mod(p_count, 4:i64)))
  if lt(lo, p_main) {
    var s_lanes: f32x4 = 0.0:f32x4
    for p in lo .. p_main step 4 "scan A.1" {
      let c: i64x4 = cast(crd[p]:x4):i64x4
      s_lanes = radd(s_lanes, mul(a[p]:x4, cast(x[c]:x4):f32x4))
    }
    s = radd(s, reduce_add(s_lanes))
  }
  for p_rest in p_main .. hi mark rest "scan A.1" {
    let c_2: i64 = cast(crd[p_rest]):i64
    s = radd(s, mul(a[p_rest], cast(x[c_2]):f32))
  }
  y[0:i64] = s
}
""",
    ),
    "unrolled": (
        """{
  for j in 0:i64 .. 9:i64 mark vector<4> {
    let at: i64 = add(mul(lo, 16:i64), j)
    y[at] = mul(a[at], a[lo])
  }
}
""",
        """{
  let at: i64 = mul(lo, 16:i64)
  y[at] = mul(a[at]:x4, splat(a[lo]):f32x4)
  let at_2: i64 = add(mul(lo, 16:i64), 4:i64)
  y[at_2] = mul(a[at_2]:x4, splat(a[lo]):f32x4)
  for j_rest in 8:i64 .. 9:i64 mark rest {
    let at_3: i64 = add(mul(lo, 16:i64), j_rest)
    y[at_3] = mul(a[at_3], a[lo])
  }
}
""",
    ),
    "long": (
        """{
  for j in 0:i64 .. 1024:i64 mark vector<8> {
    z[j] = x[mul(2:i64, j)]
  }
}
""",
        """{
  for j in 0:i64 .. 1024:i64 step 8 {
    z[j] = x[add(splat(mul(2:i64, j)):i64x8, mul(iota():i64x8, 2:i64x8))]:x8
  }
}
""",
    ),
    "branch": (
        """{
  for j in 0:i64 .. 4:i64 mark vector<4> {
    if lt(a[j], 0.0:f32) {
      y[j] = a[lo]
    } else {
      y[j] = 1.0:f32
    }
  }
}
""",
        """{
  let mask: boolx4 = lt(a[0:i64]:x4, 0.0:f32x4)
  y[0:i64] = (a[splat(lo):i64x4]:x4 if mask) if mask
  let mask_2: boolx4 = not(mask)
  y[0:i64] = 1.0:f32x4 if mask_2
}
""",
    ),
    "one lane": (
        "{\n  for j in lo .. hi mark vector<1> {\n    y[j] = a[j]\n  }\n}\n",
        "{\n  for j in lo .. hi {\n    y[j] = a[j]\n  }\n}\n",
    ),
    "other marks": (
        "{\n  for j in lo .. hi mark unroll {\n    y[j] = a[j]\n  }\n}\n",
        "{\n  for j in lo .. hi mark unroll {\n    y[j] = a[j]\n  }\n}\n",
    ),
}


@pytest.mark.parametrize("name", REWRITES)
def test_rewrites(name: str) -> None:
    before, after = REWRITES[name]
    got = vectorize(module(before[1:-2]))
    verify(got)
    assert text(got) == after


BODIES = {
    "elementwise": "y[i] = add(mul(a[i], 2.0:f32), cast(x[i]):f32)",
    "sum": "s = radd(s, a[i])",
    "product": "s = mul(add(1.0:f32, mul(a[i], 0.1:f32)), s)",
    "min": "s = min(s, a[i])",
    "max": "s = max(a[i], s)",
    "two sums": "s = radd(s, a[i]) t = add(t, cast(crd[i]):i64)",
    "sum twice": "s = radd(s, a[i]) s = radd(s, 1.0:f32)",
    "sum of memory": "let at: i64 = sub(lo, 1:i64) z[at] = radd(x[i], z[at])",
    "integer memory": "k[0:i64] = add(k[0:i64], i)",
    "gather": "let c: i64 = cast(crd[i]):i64 z[i] = x[c]",
    "scatter": "let c: i64 = mod(mul(i, 7:i64), 64:i64) z[c] = x[i]",
    "strided": "let at: i64 = sub(126:i64, mul(i, 2:i64)) k[at] = add(k[at], mul(i, i))",
    "backwards": "z[sub(63:i64, i)] = x[i]",
    "casts": "k[i] = cast(mul(x[i], 10.0:f64)):i64",
    "loop variable": "z[i] = mul(cast(i):f64, x[lo])",
    "in place": "y[i] = select(lt(a[i], 0.0:f32), neg(y[i]), y[i])",
    "branch": "if lt(a[i], 0.0:f32) { y[i] = 0.0:f32 } else { if lt(a[i], 0.5:f32) { y[i] = a[i] } }",
    "guarded load": """let c: i64 = sub(i, 5:i64)
      if ge(c, 0:i64) { let v: f64 = x[c] z[i] = v s = radd(s, cast(v):f32) }""",
    "masked": "z[i] = (x[i] if lt(i, 9:i64)) if gt(i, lo)",
    "uniform branch": "if lt(lo, 3:i64) { y[i] = 1.0:f32 } else { y[i] = 2.0:f32 }",
    "inner loop": "var acc: f64 = 0.0:f64 for q in 0:i64 .. lo { acc = radd(acc, mul(x[q], x[add(i, q)])) } z[i] = acc",
    "inner if": "var v: f32 = a[i] if lt(v, 0.0:f32) { v = mul(v, v) } y[i] = v",
    "nested block": "{ let v: f32 = a[i] y[i] = v } prefetch a[add(i, 8:i64)]",
    "functions": "z[i] = sqrt(abs(x[i])) y[i] = cast(isnan(a[i])):f32",
    "unsigned": "k[i] = cast(popcount(cast(shr(cast(i):u64, 1:u64)):u32)):i64",
}


def arguments(lo: int, hi: int) -> dict[str, object]:
    rng = np.random.default_rng(3)
    return {
        "a": rng.normal(size=128).astype(np.float32),
        "crd": rng.integers(0, 128, 128).astype(np.int32),
        "x": rng.normal(size=128),
        "y": rng.normal(size=128).astype(np.float32),
        "z": rng.normal(size=128),
        "k": np.arange(128),
        "lo": lo,
        "hi": hi,
    }


def outcome(run: object, m: Module, lo: int, hi: int) -> dict[str, np.ndarray]:
    args = arguments(lo, hi)
    run(m, args)  # type: ignore[operator]
    return {k: v for k, v in args.items() if isinstance(v, np.ndarray)}


@pytest.mark.parametrize("bounds", ["lo .. hi", "3:i64 .. 23:i64", "0:i64 .. 64:i64"])
@pytest.mark.parametrize("name", BODIES)
def test_same_results(name: str, bounds: str) -> None:
    body = f"""var s: f32 = 0.5:f32
      var t: i64 = 7:i64
      for i in {bounds} mark vector<4> {{ {BODIES[name]} }}
      y[127:i64] = s
      k[127:i64] = t"""
    before = module(body)
    after = vectorize(before)
    verify(after)
    assert parse_module(print_module(after)) == after
    assert any(isinstance(getattr(n, "type", None), Vec) for n in walk(after))
    runs = [buffer_interp.run] + ([run_c] if compiler() and bounds == "lo .. hi" else [])
    for lo, hi in [(1, 30), (5, 9), (5, 8), (5, 5), (9, 5)] if bounds == "lo .. hi" else [(2, 0)]:
        want = outcome(buffer_interp.run, before, lo, hi)
        for run in runs:
            got = outcome(run, after, lo, hi)
            for key, w in want.items():
                np.testing.assert_allclose(got[key], w, rtol=1e-5, err_msg=f"{name} {key} {lo} {hi}")


REFUSED = [
    ("while true:bool { }", "it contains a while loop"),
    ("alloc w: f32[4:i64]", "it contains 'Alloc'"),
    ("s = add(s, a[i])", "the sum in 's' has an order"),
    ("s = a[i]", "every iteration sets 's', and not by a reduction"),
    ("s = radd(s, a[i]) y[i] = s", "'s' is read beside its update"),
    ("s = radd(s, s)", "'s' is read beside its update"),
    ("s = radd(s, a[i]) s = mul(s, a[i])", "'s' is updated by 'radd' and by 'mul'"),
    ("b = or(b, lt(a[i], 0.0:f32))", "every iteration sets 'b', and not by a reduction"),
    ("y[0:i64] = a[i]", "every iteration sets a fixed place of 'y'"),
    ("y[0:i64] = radd(y[0:i64], y[i])", "'y' is updated in one place and used in another"),
    ("if lt(a[i], 0.0:f32) { y[0:i64] = radd(y[0:i64], a[i]) }", "a fixed place of 'y' is written in a branch"),
    ("y[i] = y[sub(i, 1:i64)]", "'y' is written at one place and used at another"),
    ("let c: i64 = cast(crd[i]):i64 y[c] = radd(y[c], a[i])", "two lanes may update one place of 'y'"),
    ("for q in 0:i64 .. i { }", "the bounds of the inner loop over 'q' differ"),
    ("for q in 0:i64 .. lo { y[add(i, q)] = a[i] }", "moves with an inner loop"),
    ("var c: c64 = complex(1.0, 0.0):c64", "there are no vectors of c64"),
    ("let v: f32x4 = a[i]:x4 y[i] = reduce_add(v)", "its body already has vectors"),
    ("abort bounds", "it contains 'Abort'"),
]


@pytest.mark.parametrize(("body", "why"), REFUSED, ids=[w for _, w in REFUSED])
def test_refused(body: str, why: str) -> None:
    m = module(f"var s: f32 = 0.0:f32 var b: bool = true:bool for i in lo .. hi mark vector<8> {{ {body} }}")
    with pytest.raises(ScheduleError, match=f"the loop over 'i' cannot run in vectors of 8: .*{re.escape(why)}"):
        vectorize(m)


def test_step_is_refused() -> None:
    with pytest.raises(ScheduleError, match="its step is 2, not 1"):
        vectorize(module("for i in lo .. hi step 2 mark vector<8> { y[i] = a[i] }"))


def test_notes_stay() -> None:
    module = parse_module("func f() { }")
    assert vectorize(replace(module, notes=("said",))).notes == ("said",)
