"""Hand-written tensor IR: between them they hold every node and every clause of the grammar."""

from __future__ import annotations

RESIDUAL = """\
program residual {
  in A: f64[m, n] csr fill(0.0)
  in x: f64[n] dense fill(0.0)
  in b: f64[m] dense fill(0.0)
  out r: f64[m] dense fill(0.0)
  r[i] = sub(b[i], reduce.add[j](mul(A[i, j], x[j])):f64) for i < m, j < n
}
"""

ATTENTION = """\
program attention {
  in Q: f32[n, d] dense fill(0.0)
  in K: f32[n, d] dense fill(0.0)
  in V: f32[n, d] dense fill(0.0)
  in M: bool[n, n] bsr[64, 64] fill(false)
  in scale: f32 dense fill(0.0)
  out O: f32[n, d] dense fill(0.0)
  local S: f32[n, n] fill(-inf)
  local P: f32[n, n] fill(0.0)
  S[i, j] = mul(scale[], reduce.add[c](mul(Q[i, c], K[j, c])):f32) where M[i, j] for i < n, j < n, c < d
  P[i, j] = softmax[j](S[i, j]) for i < n, j < n
  O[i, c] = reduce.add[j](mul(P[i, j], V[j, c])):f32 for i < n, c < d, j < n
}
"""

LSE = """\
program rows {
  monoid lse(m: f64, s: f64) {
    zero = (-inf:f64, 0.0:f64)
    lift(x: f64) = (x[], 1.0:f64)
    value = add(m[], log(s[]))
    combine((a: f64, b: f64), (c: f64, d: f64)) = (max(a[], c[]), add(mul(b[], exp(sub(a[], max(a[], c[])))), d[]))
  }
  monoid last(v) ordered {
    zero = (0.0:f64)
    lift(x: f64) = (x[])
    value = 0.0:f64
    combine((a), (b: f64)) = (b[])
  }
  in A: f64[m, n] (i, j) -> (j: dense, i: compressed[index=u16, pos=i64]) fill(0.0)
  out r: f64[m] dense fill(0.0)
  out R: f64[m, n] fill(0.0)
  r[i] = reduce.lse[j](A[i, j] where lt(j, i)):f64 for i < m, j < n
  R[i, j] = scan.last[j, exclusive, reverse](A[i, j]) for i < m, j < n
}
"""

SOLVE = """\
program solve {
  in L: f64[n, n] csr fill(0.0)
  in b: f64[n] dense fill(0.0)
  out x: f64[n] dense fill(0.0)
  scan i < n reverse {
    x[i] = div(sub(b[i], reduce.add[j](mul(L[i, j], x[j]) where gt(j, i)):f64), L[i, i]) for j < n
  }
}
"""

SPARSIFY = """\
program sparsify {
  in W: f32[m, n] dense fill(0.0)
  in key: bf16[m] dense fill(1.5)
  out S: f32[m, n] csr fill(0.0)
  out T: bool[m, n] fill(false)
  out best: i64 dense fill(0)
  S[i, j] = W[i, j] where top[j/4: 2](abs(W[i, j])) for i < m, j < n
  T[i, j] = top[i, j: 1000](W[i, j] where and(stored(W[i, j]), le(i, j))) for i < m, j < n
  best[] = reduce.argmax[i, j](mul(W[i, j], cast[f32](key[i]))):i64 for i < m, j < n
}
"""

PLACES = """\
program places {
  in x: f64[n] fill(nan)
  in bin: i32[n] dense fill(0)
  in idx: i64[8] dense fill(0)
  inout H: i64[k] dense fill(0)
  out y: f64[n] dense fill(0.0)
  out z: f64[8] dense fill(0.0)
  H[cast[i64](bin[i])] add= 1:i64 for i < n
  y[i] = add(x[sub(mul(2:i64, i), 1:i64)], cast[f64](add(dim(n), i))) for i < n
  z[i] = mul(x[idx[i]], fill(0.0):f64) for i < 8
  z[i] max= y[add(i, 1:i64)] for i < 8
}
"""

KEYWORDS = """\
program program {
  monoid monoid(m: f64) {
    zero = (0.0:f64)
    lift(lift: f64) = (lift[])
    value = m[]
    combine((a: f64), (b: f64)) = (add(a[], b[]))
  }
  in in: f64[in] dense fill(0.0)
  in reduce: f64[in] dense fill(0.0)
  in softmax: f64[in] dense fill(0.0)
  in top: f64[in] dense fill(0.0)
  in cast: f64[in] dense fill(0.0)
  in stored: f64[in] dense fill(0.0)
  in inf: f64 dense fill(0.0)
  out out: f64[in] dense fill(0.0)
  inout scan: f64 dense fill(0.0)
  local where: f64[in] fill(0.0)
  local for: f64 fill(0.0)
  local local: f64[in] fill(0.0)
  local monoid: f64[in] fill(0.0)
  where[f64] = add(softmax[f64], top[f64]) for f64 < in
  for[] = reduce.monoid[reduce](in[reduce] where stored(in[reduce])):f64 for reduce < in
  local[scan] = softmax[scan](cast[scan]) where lt(scan, dim(in)) for scan < in
  monoid[for] = mul(reduce[for], cast[f64](for)) for for < in
  out[where] = scan.add[where](add(local[where], add(monoid[where], stored[where]))) for where < in
  scan[] add= mul(inf[], for[])
}
"""

NOTHING = "program nothing {\n}\n"

NAMES = {
    "residual": RESIDUAL,
    "attention": ATTENTION,
    "rows": LSE,
    "solve": SOLVE,
    "sparsify": SPARSIFY,
    "places": PLACES,
    "keywords": KEYWORDS,
    "nothing": NOTHING,
}
