"""MLIR (github.com/llvm/llvm-project): mlir/test/Integration/Dialect/SparseTensor/CPU/*.mlir, by file.

The reduction by xor is missing, which no monoid of the language can define: its operators take any type.  Maps with
``floordiv`` and ``mod`` are those of blocks here.  What stands in MLIR as ``sparse_tensor.unary`` and
``binary``, whose regions ask which operands have an entry, is a condition with ``stored``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.published.cases import Published, every

_V = {"n": 9}
_M = {"m": 4, "n": 6, "k": 5}


def _case(name: str, operands: str, results: str, body: str, *rest: object, **more: object) -> Published:
    return Published(name, f"{name.partition('@')[0]}.mlir", operands, results, body, *rest,
                     **more)  # type: ignore[arg-type]


def products() -> Iterator[Published]:
    matmul = ("A: f64[m, k]; B: f64[k, n]", "C: f64[m, n]", "C[i, j] = A[i, k] * B[k, j]")
    yield _case("sparse_matvec", "A: i32[m, n]; b: i32[n]; x: i32[m]", "y: i32[m]",
                "y[i] = i32(x[i] + sum[j](A[i, j] * b[j]))",
                _M, every(A="ds"))  # fmt: skip
    yield _case("sparse_matmul", *matmul, _M, every(A="ds ss d1s0", B="ds ss d1s0", C="dd ds ss"))
    yield _case("sparse_matmul_slice", "A: f64[8, 8]; B: f64[8, 8]", "C: f64[4, 4]",
                "C[i, j] = sum[k](A[2 * i, k + 4] * B[k, 2 * j + 1] where k in 0:4)", {},
                every(A="ds ss coo", C="dd ds"))  # fmt: skip
    yield _case("sparse_spmm", "A: f64[m, k]; B: f64[k, n]; X: f64[m, n]", "Y: f64[m, n]",
                "Y[i, j] = X[i, j] + A[i, k] * B[k, j]", _M, every(A="ds ss"))  # fmt: skip
    yield _case("sparse_block_matmul", *matmul, _M, every(A="bsr[2, 2]|bsc[2, 2]|csr"))
    yield _case("sparse_quantized_matmul", "A: i8[m, k]; B: i8[k, n]", "C: i64[m, n]",
                "C[i, j] = (i64(A[i, k]) - 2) * (i64(B[k, j]) - 0)", _M, every(B="ss ds"))  # fmt: skip
    sampled = "S: f32[m, n]; A: f32[m, k]; B: f32[k, n]"
    yield _case("sparse_sampled_matmul", f"{sampled}; X: f32[m, n]", "Y: f32[m, n]",
                "Y[i, j] = X[i, j] + S[i, j] * sum[k](A[i, k] * B[k, j])", _M, every(S="ss ds"))  # fmt: skip
    yield _case("sparse_sampled_mm_fusion", f"{sampled}; D: f32[n, k]", "P: f32[m, n]; Q: f32[m, k]",
                "P[i, j] = S[i, j] * A[i, k] * B[k, j]; Q[i, l] = P[i, j] * D[j, l]", _M,
                every(S="ds ss", P="ds ss"))  # fmt: skip
    yield _case("sparse_mttkrp", "B: f64[m, k, n]; C: f64[k, 5]; D: f64[n, 5]; X: f64[m, 5]", "A: f64[m, 5]",
                "A[i, j] = X[i, j] + B[i, k, l] * D[l, j] * C[k, j]", _M, every(B="sss"))  # fmt: skip
    yield _case("sparse_dot", "a: f32[1024]; b: f32[1024]", "x: f32", "x = a[i] * b[i]", {}, every(a="s", b="s"),
                data={"a": _at({0: 11, 32: 22, 512: 33, 1022: 44}), "b": _at({1: 55, 32: 66, 1022: 77})},
                published={"x": 22 * 66 + 44 * 77})  # fmt: skip
    yield _case("sparse_out_mult_elt", "A: f32[m, n]; B: f32[m, n]", "X: f32[m, n]", "X[i, j] = A[i, j] * B[i, j]",
                _M, every(A="ss", B="ss", X="ss"))  # fmt: skip
    yield _case("sparse_out_reduction", "A: i32[m, n, k]; B: i32[m, n, k]", "X: i64[m, n]",
                "X[i, j] = A[i, j, k] * B[i, j, k]", _M, every(A="sss", B="sss", X="ss"))  # fmt: skip
    yield _case("sparse_tensor_mul", "A: f64[m, n, k]; B: f64[m, n, k]", "X: f64[m, n, k]",
                "X[i, j, k] = A[i, j, k] * B[i, j, k]", _M, every(A="sss", B="sss", X="sss"))  # fmt: skip


def _at(entries: dict[int, int]) -> np.ndarray:
    out = np.zeros(1024)
    out[list(entries)] = list(entries.values())
    return out


def reductions() -> Iterator[Published]:
    values = [0, 0, 2, 1, 4, 5, 6, 8, 4]
    for name, total in {"sum": 30, "prod": 0, "min": 0, "max": 8}.items():
        yield _case(f"sparse_reductions@{name}", "a: i64[n]", "x: i64", f"x = {name}[i](a[i])", _V, every(a="s d"),
                    data={"a": values}, published={"x": total})  # fmt: skip
    yield _case("sparse_reductions@or", "a: i64[n]", "x: i64", "x |= a[i]", _V, every(a="s d"), data={"a": values},
                published={"x": 15})  # fmt: skip
    yield _case("sparse_reductions@and", "a: i64[n]", "x: i64", "x &= a[i]", _V, every(a="s d"))
    yield _case("sparse_reductions_prod", "A: f64[m, n]", "x: f64", "x = prod[i, j](A[i, j])", _M, every(A="ss dd"))
    for dtype in ("f64", "f32", "f16", "bf16", "c64"):
        yield _case(f"sparse_sum@{dtype}", f"A: {dtype}[m, n]; y: {dtype}", f"x: {dtype}",
                    f"x = {dtype}(y + sum[i, j](A[i, j]))", _M, every(A="ss ds"))  # fmt: skip
    yield _case("sparse_flatten", "A: f64[2, 3, 2, 3, 2, 2, 1, 3]", "X: f64[2, 3]",
                "X[i, j] = A[i, k, l, m, n, o, p, j]", {}, every(A="ssssssss coo"))  # fmt: skip
    # The product and the sum of what is stored in a row: absent entries are passed over.
    for op in ("prod", "sum", "min"):
        yield _case(f"sparse_reduce_custom@{op}", "A: f64[m, n]", "x: f64[m]",
                    f"x[i] = {op}[j](A[i, j] where stored(A[i, j]))", {"m": 4, "n": 6}, every(A="ds d1s0 ss"),
                    data={"A": np.arange(24).reshape(4, 6) % 5})  # fmt: skip
    yield _case("sparse_pooling_nhwc", "A: f64[2, 6, 6, 2]", "X: f64[2, 4, 4, 2]",
                "X[n, h, w, c] = sum[r, s](A[n, h + r, w + s, c] where r in 0:3 and s in 0:3)", {},
                every(A="dddd dddd ssss"))  # fmt: skip


def pointwise() -> Iterator[Published]:
    for fn in ("tanh", "abs", "sign", "sqrt", "sin", "ceil", "floor", "expm1", "log1p"):
        inner = "abs(a[i])" if fn in ("sqrt", "log1p") else "a[i]"
        yield _case(f"sparse_{fn}", "a: f64[n]", "x: f64[n]", f"x[i] = {fn}({inner})", _V, every(a="s", x="s"))
    casts = ("i32 f32", "u32 f32", "f32 f64", "f64 f32", "f32 i32", "f64 i64", "i32 i64", "u32 u64", "i32 i8")
    for source, target in map(str.split, casts):
        yield _case(f"sparse_cast@{source}-{target}", f"a: {source}[n]", f"x: {target}[n]",
                    f"x[i] = {target}(a[i])", _V,
                    every(a="s", x="s d"))  # fmt: skip
    yield _case("sparse_complex_ops", "a: c128[n]; b: c128[n]", "s: c128[n]; t: c128[n]; u: c128[n]",
                "s[i] = sin(a[i]) + b[i]; t[i] = a[i] * b[i]; u[i] = a[i] / (2 + 1j)", _V,
                every(a="s", b="s", s="s", t="s", u="s"))  # fmt: skip
    yield _case("sparse_re_im", "a: c64[n]", "x: f32[n]; y: f32[n]", "x[i] = real(a[i]); y[i] = imag(a[i])", _V,
                every(a="s", x="s", y="s"))  # fmt: skip
    yield _case("sparse_cmp", "A: i32[m, n]; B: i32[m, n]", "X: bool[m, n]; Y: bool[m, n]",
                "X[i, j] = A[i, j] < B[i, j]; Y[i, j] = A[i, j] != B[i, j]", _M,
                every(A="dd ss", B="dd ss", X="dd ss"))  # fmt: skip
    yield _case("sparse_scale", "A: f32[m, n]", "X: f32[m, n]", "X[i, j] = A[i, j] * 2", _M, every(A="ds", X="ds"))
    yield _case("sparse_matrix_ops", "A: f64[m, n]; B: f64[m, n]", "X: f64[m, n]; Y: f64[m, n]; Z: f64[m, n]",
                "X[i, j] = 2 * A[i, j]; Y[i, j] = X[i, j] + B[i, j]; Z[i, j] = X[i, j] * B[i, j]", _M,
                every(A="ss", B="ss", X="ss", Y="ss", Z="ss"))  # fmt: skip
    yield _case("sparse_vector_ops", "a: f64[n]; b: f64[n]; c: f64[n]", "w: f64[n]; x: f64[n]; y: f64[n]; z: f64",
                "w[i] = 2 * a[i]; x[i] = a[i] * b[i]; y[i] = a[i] + b[i]; z = c[i] * a[i]", _V,
                every(a="s", b="s", w="s d", x="s", y="s"))  # fmt: skip
    yield _case("sparse_select", "c: bool[m, n]; A: f64[m, n]; B: f64[m, n]", "X: f64[m, n]",
                "X[i, j] = select(c[i, j], A[i, j], B[i, j])", _M,
                every(c="ss dd", A="ss ds", B="ss ds", X="ss dd"))  # fmt: skip


def presence() -> Iterator[Published]:
    """sparse_unary.mlir and sparse_binary.mlir."""
    vectors, matrices = "a: f64[n]; b: f64[n]", "A: f64[m, n]; B: f64[m, n]"
    both = every(a="s", b="s", x="s d")
    pairs = every(A="ss ds", B="ss ds", X="ss")

    def vector(name: str, body: str) -> Published:
        return _case(f"sparse_binary@{name}", vectors, "x: f64[n]", body, _V, both)

    def matrix(name: str, body: str) -> Published:
        return _case(f"sparse_binary@{name}", matrices, "X: f64[m, n]", body, _M, pairs)

    yield vector("min", "x[i] = select(stored(a[i]) and stored(b[i]), min(a[i], b[i]), a[i] + b[i])")
    yield vector("mul", "x[i] = a[i] * b[i]")
    yield vector("setdiff", "x[i] = a[i] where not stored(b[i])")
    yield _case("sparse_binary@index", "a: f64[n]", "x: i64[n]", "x[i] = i where stored(a[i])", _V, every(a="s", x="s"))
    yield matrix("intersect", "X[i, j] = select(stored(A[i, j]), A[i, j] + B[i, j], -B[i, j]) where stored(B[i, j])")
    yield matrix("add", "X[i, j] = A[i, j] + B[i, j]")
    yield matrix("triangular", "X[i, j] = select(j >= i, A[i, j] + B[i, j], A[i, j] - B[i, j])")
    clamp = "X[i, j] = select(stored(A[i, j]) and stored(B[i, j]), {}, {})".format(
        *(f"max(min(A[i, j] - B[i, j], {t}), -{t})" for t in (1, 2))
    )
    yield matrix("sub_with_thres", clamp)
    yield _case("sparse_binary@intersect_equal", matrices, "X: bool[m, n]",
                "X[i, j] = A[i, j] == B[i, j] where stored(A[i, j]) and stored(B[i, j])", _M, pairs)  # fmt: skip
    yield matrix("only_left_right", "X[i, j] = A[i, j] - B[i, j] where not (stored(A[i, j]) and stored(B[i, j]))")
    yield _case("sparse_unary@complement", "a: f64[n]", "x: i64[n]", "x[i] = 1 where not stored(a[i])", _V,
                every(a="s", x="s d"))  # fmt: skip
    yield _case("sparse_unary@negation", "a: f64[n]", "x: f64[n]", "x[i] = select(stored(a[i]), -a[i], 1)", _V,
                every(a="s", x="d"))  # fmt: skip
    yield _case("sparse_unary@magnify", "a: f64[n]", "x: f64[n]", "x[i] = select(i < 5, 2, 1) * a[i]", _V,
                every(a="s", x="s"))  # fmt: skip
    yield _case("sparse_unary@clip", "A: f64[m, n]", "X: f64[m, n]",
                "X[i, j] = min(max(A[i, j], -1), 2) where stored(A[i, j])", _M, every(A="ss", X="ss"))  # fmt: skip
    yield _case("sparse_unary@slice", "A: f64[m, n]", "X: f64[m, n]", "X[i, j] = A[i, j] * 2 where i * 2 < j", _M,
                every(A="ss ds", X="ss"))  # fmt: skip


def indices() -> Iterator[Published]:
    """Index values, and what MLIR does with ``tensor.reshape`` and its kind, ``extract_slice`` and ``concatenate``."""
    sparse, full = [0, 0, 10, 0, 20, 0, 0, 0], [1, 2, 4, 8, 16, 32, 64, 128]
    for name, data, conj, disj in (
        ("1d_sparse", sparse, [0, 0, 20, 0, 80, 0, 0, 0], [0, 1, 12, 3, 24, 5, 6, 7]),
        ("1d_full", full, [0, 2, 8, 24, 64, 160, 384, 896], [1, 3, 6, 11, 20, 37, 70, 135]),
    ):
        yield _case(f"sparse_index@{name}", "a: i64[8]", "x: i64[8]; y: i64[8]", "x[i] = a[i] * i; y[i] = a[i] + i", {},
                    every(a="s d", x="s d"), data={"a": data}, published={"x": conj, "y": disj})  # fmt: skip
    yield _case("sparse_index@2d", "A: i64[3, 4]", "X: i64[3, 4]; Y: i64[3, 4]",
                "X[i, j] = j * (i * A[i, j]); Y[i, j] = j + (i + A[i, j])", {}, every(A="ss dd", X="ss dd"),
                data={"A": [[1, 1, 1, 1], [1, 2, 1, 1], [1, 1, 3, 4]]},
                published={"X": [[0] * 4, [0, 2, 2, 3], [0, 2, 12, 24]],
                           "Y": [[1, 2, 3, 4], [2, 4, 4, 5], [3, 4, 7, 9]]})  # fmt: skip
    yield _case("sparse_index@outer", "A: f32[2, 3]", "X: f32[2, 3]", "X[i, j] = A[i, j] + f32(i)", {}, every(A="ss"),
                data={"A": [[0, 10, 0], [0, 0, 41]]}, published={"X": [[0, 10, 0], [1, 1, 42]]})  # fmt: skip
    yield _case("sparse_transpose", "A: f64[3, 4]", "X: f64[4, 3]", "X[i, j] = A[j, i]", {},
                every(A="ss ds d1s0 coo", X="ss ds d1s0 coo"))  # fmt: skip
    yield _case("sparse_permute", "A: f64[2, 3, 4]", "X: f64[4, 2, 3]", "X[k, i, j] = A[i, j, k]", {},
                every(A="sss ddd s2s0s1", X="sss s1s2s0"))  # fmt: skip
    yield _case("sparse_expand_shape", "a: f64[12]", "X: f64[3, 4]; Y: f64[2, 3, 2]",
                "X[i, j] = a[4 * i + j]; Y[i, j, k] = a[6 * i + 2 * j + k]", {}, every(a="s d", X="ss dd"))  # fmt: skip
    yield _case("sparse_collapse_shape", "A: f64[3, 4]", "x: f64[12]", "x[4 * i + j] += A[i, j]", {},
                every(A="ss ds dd"))
    yield _case("concatenate_dim_0", "A: f64[2, 4]; B: f64[3, 4]; C: f64[4, 4]", "X: f64[9, 4]",
                "X[i, j] = A[i + 0, j] + B[i - 2, j] + C[i - 5, j]", {},
                every(A="ss dd", B="ss ds", C="ss d1s0", X="ss dd"))  # fmt: skip
    yield _case("concatenate_dim_1", "A: f64[4, 2]; B: f64[4, 3]; C: f64[4, 4]", "X: f64[4, 9]",
                "X[i, j] = A[i, j + 0] + B[i, j - 2] + C[i, j - 5]", {},
                every(A="ss dd", B="ss ds", C="ss d1s0", X="ss dd"))  # fmt: skip
    yield _case("sparse_foreach_slices", "A: f64[8, 8]", "X: f64[4, 4]; Y: f64[4, 4]",
                "X[i, j] = A[i + 1, j + 1]; Y[i, j] = A[i + 1, 2 * j + 1]", {},
                every(A="ss ds d1s0", X="ss dd"))  # fmt: skip
    blocks = np.zeros((4, 4, 4))
    blocks[:, 0, 0], blocks[:, 3, 2] = [1, 2, 3, 4], [5, 6, 7, 8]
    cube = ("(i, j, k) -> (i/2: compressed, j/2: compressed, k/2: compressed, i%2: dense, j%2: dense, k%2: dense)")
    yield _case("sparse_block3d", "A: i32[4, 4, 4]", "X: i32[4, 4, 4]", "X[i, j, k] = A[i, j, k]", {},
                every(A=f"sss|{cube}", X=f"sss|{cube}"), data={"A": blocks}, published={"X": blocks})  # fmt: skip
    yield _case("block_majors", "A: f64[6, 16]", "X: f64[6, 16]", "X[i, j] = A[i, j]", {},
                every(A="csr|(i, j) -> (i/2: dense, j/2: compressed, j%2: dense, i%2: dense)",
                      X="csr|bsr[2, 2]|(i, j) -> (j/2: dense, i/2: compressed, i%2: dense, j%2: dense)"))  # fmt: skip


def convolutions() -> Iterator[Published]:
    valid = ("A: f64[8, 8]; F: f64[3, 3]", "X: f64[6, 6]", "X[i, j] = A[i + r, j + s] * F[r, s]")
    yield _case("sparse_conv_2d", *valid, {}, every(A="dd ss ds d1s0 s1d0"))
    yield _case("sparse_filter_conv2d", *valid, {}, every(F="ss ds", X="dd ss"))
    yield _case("dual_sparse_conv_2d", *valid, {}, every(A="ss ds coo", F="ss ds coo", X="dd ds"))
    yield _case("sparse_conv_2d_55", "A: f64[10, 10]; F: f64[5, 5]", "X: f64[6, 6]",
                "X[i, j] = A[i + r, j + s] * F[r, s]", {}, every(A="ss ds"))  # fmt: skip
    yield _case("padded_sparse_conv_2d", "A: f64[8, 8]; F: f64[3, 3]", "X: f64[8, 8]",
                "X[i, j] = A[i + r - 1, j + s - 1] * F[r, s]", {}, every(A="dd ss ds", X="dd ss"))  # fmt: skip
    yield _case("sparse_conv_1d_nwc_wcf", "A: f32[2, 8, 2]; F: f32[3, 2, 2]", "X: f32[2, 6, 2]",
                "X[n, w, f] = A[n, w + r, c] * F[r, c, f]", {}, every(A="ddd ssd sss dss"))  # fmt: skip
    yield _case("sparse_conv_2d_nhwc_hwcf", "A: f32[2, 6, 6, 2]; F: f32[3, 3, 2, 2]", "X: f32[2, 4, 4, 2]",
                "X[n, h, w, f] = A[n, h + r, w + s, c] * F[r, s, c, f]", {}, every(A="dddd ssss dsss"))  # fmt: skip
    yield _case("sparse_conv_2d_nchw_fchw", "A: f32[2, 2, 6, 6]; F: f32[2, 2, 3, 3]", "X: f32[2, 2, 4, 4]",
                "X[n, f, h, w] = A[n, c, h + r, w + s] * F[f, c, r, s]", {}, every(A="dddd ssss ddss"))  # fmt: skip
    yield _case("sparse_strided_conv_2d_nhwc_hwcf", "A: f32[1, 8, 8, 2]; F: f32[3, 3, 2, 1]", "X: f32[1, 3, 3, 1]",
                "X[n, h, w, f] = A[n, 2 * h + r, 2 * w + s, c] * F[r, s, c, f]", {}, every(A="dddd ssss"))  # fmt: skip
    yield _case("sparse_dilated_conv_2d_nhwc_hwcf", "A: f32[1, 8, 8, 2]; F: f32[3, 3, 2, 1]", "X: f32[1, 4, 4, 1]",
                "X[n, h, w, f] = A[n, h + 2 * r, w + 2 * s, c] * F[r, s, c, f]", {}, every(A="dddd ssss"))  # fmt: skip
    yield _case("sparse_conv_3d", "A: f32[5, 5, 5]; F: f32[3, 3, 3]", "X: f32[3, 3, 3]",
                "X[i, j, k] = A[i + r, j + s, k + t] * F[r, s, t]", {}, every(A="ddd sss"))  # fmt: skip


ALL = {
    f"mlir-{c.name}": c
    for c in (*products(), *reductions(), *pointwise(), *presence(), *indices(), *convolutions())
}
