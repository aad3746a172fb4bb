"""The 32 kernels of the Sparse Abstract Machine (github.com/weiya711/sam, compiler/sam-kernels.sh; ASPLOS 2023)."""

from __future__ import annotations

from tests.published.cases import Published, rows

_SOURCE = "compiler/sam-kernels.sh"
_MATRICES = "B: f64[m, n]; C: f64[m, n]"
_THREE = "B: f64[m, n, p]; C: f64[m, n, p]"
_MATMUL = ("B: f64[m, k]; C: f64[k, n]", "X: f64[m, n]", "X[i, j] = B[i, k] * C[k, j]")

_KERNELS: tuple[tuple[str, str, str, str, str, str], ...] = (
    # The six loop orders of a product are there six choices of formats, from which the compiler finds the loops.
    ("matmul_kij", *_MATMUL, "X B C", "ss s1s0 ss"),
    ("matmul_kji", *_MATMUL, "X B C", "s1s0 s1s0 ss"),
    ("matmul_ikj", *_MATMUL, "X B C", "ss ss ss"),
    ("matmul_jki", *_MATMUL, "X B C", "s1s0 s1s0 s1s0"),
    ("matmul_ijk", *_MATMUL, "X B C", "ss ss s1s0"),
    ("matmul_jik", *_MATMUL, "X B C", "s1s0 ss s1s0"),
    ("mat_elemmul", _MATRICES, "X: f64[m, n]", "X[i, j] = B[i, j] * C[i, j]", "X B C", "ss ss ss"),
    ("mat_elemadd", _MATRICES, "X: f64[m, n]", "X[i, j] = B[i, j] + C[i, j]", "X B C", "ss ss ss"),
    ("mat_identity", "B: f64[m, n]", "X: f64[m, n]", "X[i, j] = B[i, j]", "X B", "ss ss"),
    ("mat_identity_dense", "B: f64[m, n]", "X: f64[m, n]", "X[i, j] = B[i, j]", "X B", "dd dd"),
    ("mat_vecmul_ij", "B: f64[m, n]; c: f64[n]", "x: f64[m]", "x[i] = B[i, j] * c[j]", "x B c", "s ss s"),
    ("mat_vecmul_ji", "B: f64[m, n]; c: f64[n]", "x: f64[m]", "x[i] = B[i, j] * c[j]", "x B c", "s s1s0 s"),
    ("vec_elemmul", "b: f64[n]; c: f64[n]", "x: f64[n]", "x[i] = b[i] * c[i]", "x b c", "s s s"),
    ("vec_identity", "b: f64[n]", "x: f64[n]", "x[i] = b[i]", "x b", "s s"),
    ("vec_elemadd", "b: f64[n]; c: f64[n]", "x: f64[n]", "x[i] = b[i] + c[i]", "x b c", "s s s"),
    ("vec_scalar_mul", "b: f64; c: f64[n]", "x: f64[n]", "x[i] = b * c[i]", "x c", "s s"),
    ("tensor3_elemmul", _THREE, "X: f64[m, n, p]", "X[i, j, k] = B[i, j, k] * C[i, j, k]", "X B C", "sss sss sss"),
    ("tensor3_identity", "B: f64[m, n, p]", "X: f64[m, n, p]", "X[i, j, k] = B[i, j, k]", "X B", "sss sss"),
    ("tensor3_identity_dense", "B: f64[m, n, p]", "X: f64[m, n, p]", "X[i, j, k] = B[i, j, k]", "X B", "ddd ddd"),
    ("tensor3_elemadd", _THREE, "X: f64[m, n, p]", "X[i, j, k] = B[i, j, k] + C[i, j, k]", "X B C", "sss sss sss"),
    ("tensor3_innerprod", _THREE, "x: f64", "x = B[i, j, k] * C[i, j, k]", "B C", "sss sss"),
    ("tensor3_ttv", "B: f64[m, n, p]; c: f64[p]", "X: f64[m, n]", "X[i, j] = B[i, j, k] * c[k]", "X B c", "ss sss s"),
    ("tensor3_ttm", "B: f64[m, n, p]; C: f64[k, p]", "X: f64[m, n, k]", "X[i, j, k] = B[i, j, l] * C[k, l]", "X B C",
     "sss sss ss"),
    ("mat_sddmm", "B: f64[m, n]; C: f64[m, k]; D: f64[k, n]", "X: f64[m, n]", "X[i, j] = B[i, j] * C[i, k] * D[k, j]",
     "X B C D", "ss ss dd d1d0"),
    ("mat_mattransmul", "b: f64; C: f64[m, n]; d: f64[m]; e: f64; f: f64[n]", "x: f64[n]",
     "x[i] = b * C[j, i] * d[j] + e * f[i]", "x C d f", "s s1s0 s s"),
    ("mat_residual", "b: f64[m]; C: f64[m, n]; d: f64[n]", "x: f64[m]", "x[i] = b[i] - C[i, j] * d[j]", "x C b d",
     "s ss s s"),
    ("mat_elemadd3", f"{_MATRICES}; D: f64[m, n]", "X: f64[m, n]", "X[i, j] = B[i, j] + C[i, j] + D[i, j]", "X B C D",
     "ss ss ss ss"),
    ("tensor3_mttkrp", "B: f64[m, k, p]; C: f64[n, k]; D: f64[n, p]", "X: f64[m, n]",
     "X[i, j] = B[i, k, l] * C[j, k] * D[j, l]", "X B C D", "ss sss ss ss"),
    ("vec_spacc_simple", "B: f64[m, n]", "x: f64[n]", "x[j] = B[i, j]", "x B", "s ss"),
    ("mat_spacc_simple", "B: f64[m, n, p]", "X: f64[n, p]", "X[j, k] = B[i, j, k]", "X B", "ss sss"),
    ("vec_sd_compression", "b: f64[n]", "x: f64[n]", "x[i] = b[i]", "b x", "s d"),
    ("vec_ds_compression", "b: f64[n]", "x: f64[n]", "x[i] = b[i]", "b x", "d s"),
)  # fmt: skip

ALL = {
    f"sam-{name}": Published(
        name, _SOURCE, operands, results, body, {"m": 4, "n": 5, "p": 3, "k": 3}, rows(names, formats)
    )
    for name, operands, results, body, names, formats in _KERNELS
}
