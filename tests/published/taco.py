"""TACO (github.com/tensor-compiler/taco): its tests of expressions and of schedules, by file."""

from __future__ import annotations

from collections.abc import Iterator

from tests.published.cases import Published, every, rows

STORAGE, EXPR, EVAL = "test/tests-expr_storage.cpp", "test/tests-expr.cpp", "test/tests-scheduling-eval.cpp"
_N = {"n": 8, "m": 5, "p": 4, "q": 3}
_FOUR = "b: f64[n]; c: f64[n]; d: f64[n]; e: f64[n]"


def vectors() -> Iterator[Published]:
    """tests-expr_storage.cpp, by the names of its groups of cases."""
    yield Published("scalar", STORAGE, "b: f64; c: f64", "x: f64; y: f64; z: f64", "x = -b; y = b * c; z = b + c", {})
    yield Published("vector_neg", STORAGE, "b: f64[n]", "a: f64[n]", "a[i] = -b[i]", _N, rows("a b", "d d", "s s"))
    yield Published("vector_scalar_mul", STORAGE, "b: f64[n]; c: f64", "a: f64[n]", "a[i] = b[i] * c", _N,
                    rows("a b", "d d", "s s"))  # fmt: skip
    yield Published("vector_scalar_add", STORAGE, "b: f64[n]; c: f64", "a: f64[n]", "a[i] = b[i] + c", _N,
                    rows("b", "d", "s"))  # fmt: skip
    yield Published("vector_elmul", STORAGE, "b: f64[n]; c: f64[n]", "a: f64[n]", "a[i] = b[i] * c[i]", _N,
                    rows("a b c", "d d d", "d s d", "d d s", "s s s"))  # fmt: skip
    yield Published("vector_add", STORAGE, "b: f64[n]; c: f64[n]", "a: f64[n]", "a[i] = b[i] + c[i]", _N,
                    rows("a b c", "d d d", "d s d", "s s d", "s s s"))  # fmt: skip
    composites = {
        "sum_times": ("(b[i] + c[i]) * d[i]", ("s d d", "s s s")),
        "times_sum": ("b[i] * (c[i] + d[i])", ("s d d", "s s d")),
        "sums": ("b[i] + c[i] + d[i] * e[i]", ("d d d d", "s s s d", "s d s s", "s s s s")),
        "sum_of_three_times": ("(b[i] + c[i] + d[i]) * e[i]", ("d d d d", "s s s d", "s d s s", "s s s s")),
        "sum_of_four": ("b[i] + c[i] + d[i] + e[i]", ("s s s s",)),
    }
    for name, (value, lines) in composites.items():
        count = len(lines[0].split())
        yield Published(f"vector_composites_{name}", STORAGE, "; ".join(_FOUR.split("; ")[:count]), "a: f64[n]",
                        f"a[i] = {value}", _N, rows(" ".join("bcde"[:count]), *lines))  # fmt: skip
    yield Published("composite", STORAGE, "b: f64[n]; c: f64[n]; d: f64[n]", "a: f64[n]", "a[i] = b[i] * c[i] + d[i]",
                    _N, every(b="s", c="s", d="s", a="s d"))  # fmt: skip
    yield Published("vector_inner", STORAGE, "b: f64[n]; c: f64[n]", "a: f64", "a = b[k] * c[k]", _N,
                    rows("b c", "d d", "s s"))  # fmt: skip
    yield Published("repeated_operand", EXPR, "b: f64[n]", "a: f64[n]", "a[i] = b[i] + b[i]", _N, rows("a b", "s s"),
                    data={"b": [10, 0, 20, 30, 0, 0, 0, 0]}, published={"a": [20, 0, 40, 60, 0, 0, 0, 0]})  # fmt: skip
    yield Published("sub", EXPR, "a: f64[2]; b: f64[2]", "c: f64[2]", "c[i] = a[i] - b[i]", {}, rows("a b", "s s"),
                    data={"a": [1, 0], "b": [0, 1]}, published={"c": [1, -1]})  # fmt: skip
    # TACO disables this one: an update of what the caller passed.
    yield Published("accumulate", EXPR, "b: f64[n]; c: f64[n]", "a: f64[n]", "a[i] = c[i]; a[i] += b[i]", _N,
                    rows("b", "s", "d"))  # fmt: skip
    yield Published("indexVarSimple", EXPR, "", "a: i64[3, 4]", "a[i, j] = i + j", {})
    yield Published("indexVarMix", EXPR, "b: i64[n, n]", "a: i64[n, n]", "a[i, j] = b[i, j] * (i * n + j)", _N,
                    rows("b", "ss", "ds"))  # fmt: skip


def matrices() -> Iterator[Published]:
    """The groups over matrices and tensors of order 3."""
    mm = "A: f64[m, n]"
    two = "B: f64[m, n]; C: f64[m, n]"
    yield Published("matrix_neg", STORAGE, "B: f64[m, n]", mm, "A[i, j] = -B[i, j]", _N, rows("A B", "dd dd", "ss ss"))
    yield Published("matrix_elmul", STORAGE, two, mm, "A[i, j] = B[i, j] * C[i, j]", _N, rows("A B C", "ss ss ss"))
    yield Published("matrix_add", STORAGE, two, mm, "A[i, j] = B[i, j] + C[i, j]", _N,
                    rows("A B C", "dd dd dd", "dd ds ds", "ds ds ds", "d1s0 d1s0 d1s0", "ss ss ss"))  # fmt: skip
    yield Published("tensor_elmul", STORAGE, "B: f64[q, m, p]; C: f64[q, m, p]", "A: f64[q, m, p]",
                    "A[i, j, k] = B[i, j, k] * C[i, j, k]", _N, rows("A B C", "sss sss sss"))  # fmt: skip
    yield Published("residual", STORAGE, "A: f64[m, n]; x: f64[n]; b: f64[m]", "r: f64[m]",
                    "r[i] = b[i] - A[i, j] * x[j]", _N, every(A="dd ss ds d1s0"))  # fmt: skip
    yield Published("matrix_add_vec_mul_composite", STORAGE, f"alpha: f64; {two}; d: f64[n]", "a: f64[m]",
                    "a[i] = alpha * sum[j]((B[i, j] + C[i, j]) * d[j])", _N, rows("B C", "ds ds"))  # fmt: skip
    yield Published("scaled_matrix_vector", STORAGE, "B: f64[m, n]; c: f64[n]", "a: f64[m]",
                    "a[i] = 2.0 * (B[i, j] * c[j]) + 3.0", _N, every(B="dd ds"))  # fmt: skip
    yield Published("axpy", STORAGE, "B: f64[m, n]; c: f64[n]; d: f64[m]", "a: f64[m]",
                    "a[i] = B[i, j] * c[j] + d[i]", _N, rows("B c d", "dd d d", "ds d d", "ss s s"))  # fmt: skip
    yield Published("axpy_scaled", STORAGE, "alpha: f64; B: f64[m, n]; c: f64[n]; beta: f64; d: f64[m]", "a: f64[m]",
                    "a[i] = alpha * B[i, j] * c[j] + beta * d[i]", _N, every(B="ds"))  # fmt: skip
    yield Published("spmv", STORAGE, "B: f64[m, n]; c: f64[n]", "a: f64[m]", "a[i] = B[i, j] * c[j]", _N,
                    rows("a B c", "d dd d", "d d1d0 d", "d ds d", "d ds s", "s ss s"))  # fmt: skip
    yield Published("bspmv", STORAGE, "B: f64[3, 3, 2, 2]; c: f64[3, 2]", "a: f64[3, 2]",
                    "a[i, j] = B[i, k, j, l] * c[k, l]", {}, every(B="dsdd"))  # fmt: skip
    yield Published("bspmv_map", STORAGE, "B: f64[6, 7]; c: f64[7]", "a: f64[6]", "a[i] = B[i, j] * c[j]", {},
                    every(B="bsr[2, 2]|bsc[2, 2]"))  # fmt: skip
    yield Published("espmv", STORAGE, "B: f64[5, 5]; c: f64[5]", "a: f64[5]", "a[i] = B[i, j] * c[j]", {},
                    every(B="ell[5]"))  # fmt: skip
    yield Published("matrix_sum", STORAGE, "B: f64[m, n]", "a: f64", "a = B[k, l]", _N, every(B="dd ss"))
    yield Published("matrix_mul", STORAGE, "B: f64[m, n]; C: f64[n, p]", "A: f64[m, p]", "A[i, j] = B[i, k] * C[k, j]",
                    _N, rows("B C", "dd d1d0", "dd dd"))  # fmt: skip
    yield Published("mm_permute", "test/tests-format-mm-permute.cpp", "B: f64[5, 5]; C: f64[5, 5]", "A: f64[5, 5]",
                    "A[i, j] = B[i, k] * C[k, j]", {},
                    every(A="dense csr csc coo", B="dense csr csc coo", C="dense csr csc coo"))  # fmt: skip
    yield Published("emit_avail_exprs", STORAGE, "b: f64[m]; c: f64[m]; D: f64[m, n]",
                    "P: f64[m, n]; Q: f64[m, n]; R: f64[m, n]; S: f64[m, n]",
                    "P[i, j] = 2.0 * D[i, j]; Q[i, j] = b[i] * D[i, j]; R[i, j] = (b[i] + c[i]) * D[i, j]; "
                    "S[i, j] = b[i] * D[i, j] * c[i]", _N, every(D="dd ds"))  # fmt: skip
    # Disabled in TACO: a broadcast copy.
    yield Published("copy", STORAGE, "b: f64[n]", "A: f64[m, n]", "A[i, j] = b[j]", _N, every(b="d s", A="dd ds"))
    yield Published("reduction0", "test/tests-expr-reduction.cpp", "b: f64[n]; c: f64[n]", "a: f64",
                    "a = sum[i](b[i] * c[i])", _N, every(b="d s"))  # fmt: skip


def kernels() -> Iterator[Published]:
    """The kernels of the scheduling tests and of the TACO papers, each in several formats."""
    matrix = "dd ds ss d1s0 coo"
    yield Published("eval-spmv", EVAL, "A: f64[m, n]; x: f64[n]", "y: f64[m]", "y[i] = A[i, j] * x[j]", _N,
                    every(A=matrix, x="d s", y="d s"))  # fmt: skip
    yield Published("eval-sptv", EVAL, "A: f64[m, n, p]; x: f64[p]", "y: f64[n]", "y[j] = A[i, j, k] * x[k]", _N,
                    every(A="ddd dss sss coo"))  # fmt: skip
    yield Published("eval-spmm", EVAL, "A: f64[m, n]; B: f64[n, p]", "C: f64[m, p]", "C[i, k] = A[i, j] * B[j, k]", _N,
                    every(A=matrix, B="dd ds"))  # fmt: skip
    yield Published("eval-spmatadd", EVAL, "A: f64[m, n]; B: f64[m, n]", "C: f64[m, n]",
                    "C[i, j] = A[i, j] + B[i, j]", _N, every(A=matrix, B=matrix, C="ds"))  # fmt: skip
    yield Published("eval-sptenadd", EVAL, "A: f64[m, n, p]; B: f64[m, n, p]", "C: f64[m, n, p]",
                    "C[i, j, k] = A[i, j, k] + B[i, j, k]", _N,
                    every(A="dss sss", B="dss sss", C="dss sss"))  # fmt: skip
    yield Published("eval-sddmm", EVAL, "B: f64[m, n]; C: f64[m, p]; D: f64[p, n]", "A: f64[m, n]",
                    "A[i, k] = B[i, k] * C[i, j] * D[j, k]", _N, every(B=matrix, D="dd d1d0", A="ds dd"))  # fmt: skip
    yield Published("eval-ttv", EVAL, "B: f64[m, n, p]; c: f64[p]", "A: f64[m, n]", "A[i, j] = B[i, j, k] * c[k]", _N,
                    every(B="ddd dss sss coo", A="dd ds ss"))  # fmt: skip
    yield Published("eval-ttm", EVAL, "B: f64[m, n, p]; C: f64[p, q]", "A: f64[m, n, q]",
                    "A[i, j, l] = B[i, j, k] * C[k, l]", _N, every(B="ddd dss sss coo", A="ddd ssd"))  # fmt: skip
    yield Published("eval-mttkrp", EVAL, "B: f64[m, n, p]; C: f64[n, q]; D: f64[p, q]", "A: f64[m, q]",
                    "A[i, j] = B[i, k, l] * C[k, j] * D[l, j]", _N, every(B="ddd dss sss coo", C="dd ds"))  # fmt: skip
    yield Published("eval-mttkrp4", EVAL, "B: f64[m, p, q, 2]; C: f64[p, q]; D: f64[q, q]; E: f64[2, q]",
                    "A: f64[m, q]", "A[i, j] = B[i, k, l, m] * C[k, j] * D[l, j] * E[m, j]", _N,
                    every(B="ssss coo"))  # fmt: skip
    yield Published("eval-mttkrp5", EVAL,
                    "B: f64[m, p, q, 2, 2]; C: f64[p, q]; D: f64[q, q]; E: f64[2, q]; F: f64[2, q]", "A: f64[m, q]",
                    "A[i, j] = B[i, k, l, m, n] * C[k, j] * D[l, j] * E[m, j] * F[n, j]", _N,
                    every(B="sssss"))  # fmt: skip
    yield Published("eval-precompute2D", EVAL, "A: f64[m, n, p]; x: f64[p, q]", "y: f64[m, n, q]",
                    "y[i, j, l] = A[i, j, k] * x[k, l]", _N, every(A="dss"))  # fmt: skip
    plus3 = "B: f64[m, n]; C: f64[m, n]; D: f64[m, n]"
    yield Published("plus3", "OOPSLA 2017, figure 15", plus3, "A: f64[m, n]", "A[i, j] = B[i, j] + C[i, j] + D[i, j]",
                    _N, every(B="ds ss", C="ds ss d1s0", D="ds ss", A="ds ss"))  # fmt: skip
    yield Published("innerprod", "OOPSLA 2017, figure 16", "B: f64[m, n, p]; C: f64[m, n, p]", "a: f64",
                    "a = B[i, j, k] * C[i, j, k]", _N, every(B="sss dss", C="sss dss ddd"))  # fmt: skip
    yield Published("mattransmul", "OOPSLA 2017, table 1",
                    "alpha: f64; A: f64[m, n]; x: f64[m]; beta: f64; z: f64[n]", "y: f64[n]",
                    "y[i] = alpha * A[j, i] * x[j] + beta * z[i]", _N, every(A=matrix))  # fmt: skip
    # tests-scheduling-eval.cpp, bfsPullScheduled (disabled there): a semiring and a mask.
    yield Published("bfs-pull", EVAL, "A: bool[n, n]; x: bool[n]; m: bool[n]", "y: bool[n]",
                    "y[i] = any[j](A[i, j] and x[j]) and not m[i]", _N, every(A="ds ss", x="d s"))  # fmt: skip


ALL = {f"taco-{c.name}": c for c in (*vectors(), *matrices(), *kernels())}
