"""Every code sample of the language's page parses, type-checks, is verified and reads back as tensor IR text."""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.frontends.dsl import parse_format, parse_source
from tests.support.language import checked, kernel, run, statements

KERNELS = """
# y = b - A x; the sum over j covers the term that j stands in, no more
kernel residual(A: f64[m, n] csr, x: f64[n], b: f64[m]) -> r: f64[m] {
    r[i] = b[i] - A[i, j] * x[j]
}

# sampled dense-dense product: the output has the pattern of S
kernel sddmm(S: f32[m, n] csr, X: f32[m, d], Y: f32[n, d]) -> P: f32[m, n] csr {
    P[i, j] = S[i, j] * X[i, k] * Y[j, k]
}

# shortest-path relaxation: another semiring, another fill value
kernel relax(G: f64[n, n] csr fill(inf), d: f64[n]) -> e: f64[n] {
    e[j] = min(d[j], min[i](d[i] + G[i, j]))
}

# one kernel, several statements: the compiler may fuse them, and says if it did
kernel attention(Q: f32[h, n, d], K: f32[h, n, d], V: f32[h, n, d],
                 M: bool[n, n] bsr[64, 64], scale: f32) -> O: f32[h, n, d] {
    S[h, i, j]: fill(-inf) = scale * Q[h, i, c] * K[h, j, c]   where M[i, j]
    P[h, i, j] = softmax[j](S[h, i, j])              # what M leaves out has no weight
    O[h, i, c] = P[h, i, j] * V[h, j, c]
}
"""

FORMATS = """
format csr        = (i, j) -> (i: dense, j: compressed)
format tiny_csr   = (i, j) -> (i: dense, j: compressed[index=u16, pos=i32])
format coo3       = (i, j, k) -> (i: compressed[nonunique], j: singleton[nonunique], k: singleton)
format bsr[b, c]  = (i, j) -> (i/b: dense, j/c: compressed, i%b: dense, j%c: dense)
format band[l, u] = (i, j) -> (i: dense, j: range[i-l, i+u+1])

format sell[c, s] = (i, j) -> (p/c: dense, #: slots, p%c: dense, j: singleton), p = order[s](i)
format lrs[r]     = lowrank[r] + csr                               # a tensor that is a sum of parts
format monarch[b] = blockdiag[b] @ perm @ blockdiag[b]             # or a chain of factors
format w4s        = csr values(q4[64])                             # group-quantised values

kernel spmm(A: f64[m, n] tiny_csr, B: f64[n, d]) -> C: f64[m, d] { C[i, k] = A[i, j] * B[j, k] }
kernel many(a: f64[n, n, n] coo3, b: f64[n, n] bsr[2, 4], c: f64[n, n] band[1, 1], d: f64[n, n] sell[8, 64],
            e: f64[n, n] lrs[4], f: f64[n, n] monarch[8], g: f32[n, n] w4s) -> s: f64 {
    s = a[i, i, i] * b[i, i] * c[i, i] * d[i, i] * e[i, i] * f[i, i] * g[i, i]
}

schedule for spmm { order i, k, j; parallel i by 64 dynamic; panel j 32; vector j 8 }
"""

DEFINITIONS = """
fn swish(x) = x * sigmoid(x)
semiring tropical { add = min, zero = inf, mul = +, one = 0 }
monoid lse(m, s) { zero = (-inf, 0), lift(x) = (x, 1), value = m + log(s),
 combine((a, b), (c, d)) = (max(a, c), select(a == max(a, c), b, b * exp(a - max(a, c)))
                                     + select(c == max(a, c), d, d * exp(c - max(a, c)))) }
"""


def test_kernels() -> None:
    unit = parse_source(KERNELS)
    assert list(unit.kernels) == ["residual", "sddmm", "relax", "attention"]
    for program in unit.kernels.values():
        checked(program)


def test_formats_and_schedule() -> None:
    unit = parse_source(FORMATS)
    for program in unit.kernels.values():
        checked(program)
    a, _ = unit.kernels["spmm"].operands
    assert str(a.format) == "(i, j) -> (i: dense, j: compressed[index=u16, pos=i32])"
    labels = [t.format.label for t in unit.kernels["many"].operands if t.format is not None]
    assert labels == ["coo3", "bsr[2, 4]", "band[1, 1]", "sell[8, 64]", "lrs[4]", "monarch[8]", "w4s"]
    shown = [str(c) for c in unit.schedules["spmm"]]
    assert shown == ["order i, k, j", "parallel i by 64 dynamic", "panel j 32", "vector j 8"]


NAMED = (
    "dense", "sparse", "coo", "csf", "csr", "csc", "dcsr", "dcsc", "bsr[2,4]", "bsc[2,4]", "dia", "ell[8]",
    "sell[8,64]", "nm[2,4]", "bitmap", "hash", "rle", "band[1,2]", "sym", "csb[64, 64]", "auto",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_named_formats(name: str) -> None:
    found = parse_format(name, 2)
    assert found is None if name == "auto" else found is not None and found.ndim == 2


def signature(extra: str = "") -> str:
    return (
        "(A: f64[m, n] csr, B: f64[n, m] csr, L: f64[n, n] csr, W: f64[n, n], M: bool[n, n] csr, x: f64[n], b: f64[n], "
        f"c: f64[m], idx: i64[n], bin: i64[n], s: f64{extra})"
    )


STATEMENTS = [
    "y[i] = b[i] - L[i, j] * x[j]",
    "y[i] = 2 * (b[i] - L[i, j] * x[j])",
    "y[i] = b[i] + L[i, j] + x[j]",
    "S[i, j]: f32 csr fill(0) = L[i, j]; y[i] = S[i, j] * x[j]",
    "y[i] = sum[k](L[i, k])",
    "y[i] = prod[k](L[i, k])",
    "y[i] = min[k](L[i, k])",
    "y[i] = max[k](L[i, k])",
    "y[i] = f64(any[k](M[i, k]))",
    "y[i] = f64(all[k](M[i, k]))",
    "y[i] = count[k](L[i, k] > 0)",
    "y[i] = mean[k](L[i, k])",
    "y[i] = argmin[k](L[i, k])",
    "y[i] = argmax[k](L[i, k])",
    "y[i] = logsumexp[k](L[i, k])",
    "P[i, j] = softmax[j](L[i, j]); y[i] = P[i, j] * x[j]",
    "t = sum[i, j](L[i, j]); y[i] = t",
    "y[i] = lse[j](L[i, j])",
    "y[i] = tropical[j](L[i, j] + x[j])",
    "y[i] = sum[j](L[i, j] * x[j] where j < i)",
    "y[i] = x[i] where M[i, i]",
    "y[i] = x[i] where i <= n / 2",
    "S[i, j] = L[i, j] where i - j in -2:3; y[i] = S[i, i]",
    "S[i, j] = 1.0 where stored(L[i, j]); y[i] = S[i, i]",
    "S[i, j] = W[i, j] where top[j: 2](W[i, j]); y[i] = S[i, i]",
    "S[i, j] = W[i, j] where top[j/4: 2](abs(W[i, j])); y[i] = S[i, i]",
    "S[i, j] = W[i, j] where top[i, j: 1000](W[i, j]); y[i] = S[i, i]",
    "y[j] = scan[j](x[j])",
    "y[j] = scan.max[j](x[j])",
    "y[j] = scan.lse[j](x[j])",
    "y[j] = scan[j, exclusive, reverse](x[j])",
    "scan i { y[i] = (b[i] - sum[j](L[i, j] * y[j] where j < i)) / L[i, i] }",
    "scan i reverse { y[i] = (b[i] - sum[j](L[i, j] * y[j] where j > i)) / L[i, i] }",
    "y[i] = x[i] + x[i] - x[i] * x[i] / x[i] // x[i] % x[i] ** 2",
    "y[i] = select(x[i] == 1 and x[i] != 2 or not x[i] <= 3, x[i], f64((idx[i] & 1) | (idx[i] ^ 3)))",
    "y[i] = abs(x[i]) + exp(x[i]) + log(x[i]) + log1p(x[i]) + expm1(x[i]) + sqrt(x[i]) + rsqrt(x[i]) + cbrt(x[i])",
    "y[i] = sin(x[i]) + cos(x[i]) + tan(x[i]) + asin(x[i]) + acos(x[i]) + atan(x[i]) + sinh(x[i]) + cosh(x[i])",
    "y[i] = tanh(x[i]) + asinh(x[i]) + acosh(x[i]) + atanh(x[i]) + sigmoid(x[i]) + erf(x[i]) + relu(x[i]) + gelu(x[i])",
    "y[i] = silu(x[i]) + sign(x[i]) + floor(x[i]) + ceil(x[i]) + round(x[i]) + real(x[i]) + imag(x[i]) + conj(x[i])",
    "y[i] = min(x[i], b[i]) + max(x[i], b[i]) + atan2(x[i], b[i]) + heaviside(x[i], 0.5)",
    "y[i] = select(isnan(x[i]) or not isfinite(x[i]), 0, x[i])",
    "y[i] = x[i + r - 1] * b[r]",
    "y[i] = x[2*i]",
    "y[i] = x[idx[i]]",
    "H[i] = x[i]; H[bin[i]] += x[i]; y[i] = H[i]",
    "y[i + 1] = x[i]",
    "y[i] = L[i, k] * L[k, i] over tropical",
    "y[i] = swish(x[i])",
    "y[i] += x[i]",
    "y[i] *= x[i]; y[i] min= x[i]; y[i] max= x[i]",
    "Q[i] = idx[i]; Q[i] |= bin[i]; Q[i] &= 7; y[i] = Q[i]",
    "y[i] = 2 * 2.5 + 1e-3 + select(x[i] < inf, nan, inf) * f64(true) - f64(false)",
    "y[i] = real(1j * x[i])",
]  # fmt: skip


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements(text: str) -> None:
    kernel(f"{DEFINITIONS}\nkernel k{signature()} -> y: f64[n] {{\n    {text}\n}}")


def test_named_monoid_and_function_mean_what_they_say() -> None:
    x = np.random.default_rng(1).standard_normal((4, 5))
    text = (
        DEFINITIONS
        + "kernel k(A: f64[m, n]) -> y: f64[m], z: f64[m, n] { y[i] = lse[j](A[i, j]); z[i, j] = swish(A[i, j]) }"
    )
    y, z = run(kernel(text), A=x)
    np.testing.assert_allclose(y, np.log(np.exp(x).sum(1)))
    np.testing.assert_allclose(z, x / (1 + np.exp(-x)))


def test_semiring() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 9, (3, 4)).astype(float), rng.integers(0, 9, (4, 2)).astype(float)
    text = DEFINITIONS + (
        "kernel k(A: f64[m, p], B: f64[p, n]) -> C: f64[m, n] { C[i, j] = A[i, k] * B[k, j] over tropical }"
    )
    assert run(kernel(text), A=a, B=b).tolist() == (a[:, :, None] + b[None]).min(1).tolist()


def test_evaluate() -> None:
    a, x, b = np.arange(6.0).reshape(2, 3), np.arange(3.0), np.eye(3)
    assert run(statements("y[i] = A[i, j] * x[j]", A=a, x=x), A=a, x=x).tolist() == (a @ x).tolist()
    program = statements("C[i, j]: csr = A[i, k] * B[k, j]", A=a, B=b)
    assert run(program, A=a, B=b).tolist() == (a @ b).tolist()
    assert program.results[0].format is not None and program.results[0].format.name == "csr"
