"""tensora (github.com/drhagen/tensora): tests/test_combinatorically.py and its siblings."""

from __future__ import annotations

from collections.abc import Iterator

from tests.published.cases import Published, every

COMBINATIONS = "tests/test_combinatorically.py"
SUMS = "tests/test_addition_in_multiplication.py"
MATRIX = "ss dd sd ds d1d0"
THREE = "ddd dds dsd dss sdd sds ssd sss"


def combinatorially() -> Iterator[Published]:
    """Copies, products and sums in all the formats that the project lists."""
    yield Published("copy-1", COMBINATIONS, "a: f64[n]", "b: f64[n]", "b[i] = a[i]", {"n": 3}, every(a="s d", b="s d"))
    yield Published(
        "copy-2", COMBINATIONS, "a: f64[m, n]", "b: f64[m, n]", "b[i, j] = a[i, j]", {"m": 2, "n": 3},
        every(a=MATRIX, b=MATRIX) + every(a="s1s0 d1d0 s1d0 d1s0 dd", b="s1s0 d1d0 s1d0 d1s0 dd"),
    )  # fmt: skip
    yield Published("copy-3", COMBINATIONS, "a: f64[m, n, p]", "b: f64[m, n, p]", "b[i, j, k] = a[i, j, k]",
                    {"m": 2, "n": 2, "p": 3}, every(a=THREE, b=THREE))  # fmt: skip
    yield Published("dot", COMBINATIONS, "x: f64[n]; y: f64[n]", "z: f64", "z = x[i] * y[i]", {"n": 4},
                    every(x="s d", y="s d"))  # fmt: skip
    for name, op in (("add", "+"), ("sub", "-"), ("mul", "*")):
        yield Published(f"vector-{name}", COMBINATIONS, "x: f64[n]; y: f64[n]", "z: f64[n]", f"z[i] = x[i] {op} y[i]",
                        {"n": 4}, every(x="s d", y="s d", z="s d"))  # fmt: skip
    for name, op in (("add", "+"), ("multiply", "*")):
        yield Published(f"vector-{name}-3", COMBINATIONS, "x: f64[n]; y: f64[n]; w: f64[n]", "z: f64[n]",
                        f"z[i] = x[i] {op} y[i] {op} w[i]", {"n": 4},
                        every(x="s d", y="s d", w="s d", z="s d"))  # fmt: skip
    yield Published("matrix-dot", COMBINATIONS, "A: f64[m, n]; B: f64[n, p]", "C: f64[m, p]",
                    "C[i, k] = A[i, j] * B[j, k]", {"m": 2, "n": 3, "p": 2},
                    every(A=MATRIX, B=MATRIX, C="dd d1d0 sd"))  # fmt: skip
    yield Published("matrix-vector", COMBINATIONS, "A: f64[m, n]; x: f64[n]", "y: f64[m]", "y[i] = A[i, j] * x[j]",
                    {"m": 2, "n": 3}, every(A="ss dd sd ds s1s0 d1d0 s1d0 d1s0", x="s d"))  # fmt: skip
    yield Published("matrix-multiply-add", COMBINATIONS, "A: f64[m, n]; B: f64[n, p]; D: f64[m, p]", "C: f64[m, p]",
                    "C[i, k] = A[i, j] * B[j, k] + D[i, k]", {"m": 2, "n": 3, "p": 2},
                    every(A="dd ds", D="dd ds", C="dd d1d0 ds sd ss"))  # fmt: skip
    yield Published("mttkrp", COMBINATIONS, "B: f64[m, k, l]; D: f64[l, n]; C: f64[k, n]", "A: f64[m, n]",
                    "A[i, j] = B[i, x, y] * D[y, j] * C[x, j]", {"m": 2, "k": 3, "l": 4, "n": 5},
                    every(B="ddd dss sss ssd d1d0s2 s0d2d1", D="dd ds ss", C="dd ds ss", A="dd d1d0 sd"))  # fmt: skip


def sums_in_products() -> Iterator[Published]:
    """A scalar or a broadcast vector in a sum beneath a product; the last two are ones that tensora refuses."""
    four = "dd ds sd ss"
    yield Published("scalar-in-product", SUMS, "b: f64[n]; c: f64[n]", "a: f64[n]", "a[i] = b[i] * (c[i] + 1)",
                    {"n": 4}, every(b="s d", c="s d", a="s d"))  # fmt: skip
    yield Published("different-free-indexes", SUMS, "b: f64[m, n]; c: f64[m]; d: f64[n]", "a: f64[m, n]",
                    "a[i, j] = b[i, j] * (c[i] + d[j])", {"m": 2, "n": 3},
                    every(b=four, c="s d", d="s d", a=four))  # fmt: skip
    yield Published("nested-broadcast", SUMS, "b: f64[m]; c: f64[m, n]", "a: f64[m, n]",
                    "a[i, j] = b[i] * (c[i, j] + 1)", {"m": 2, "n": 3}, every(b="s d", c=four, a=four))  # fmt: skip
    yield Published("product-of-sums", SUMS, "c: f64[n]; d: f64[n]", "a: f64[n]", "a[i] = (c[i] + 1) * (d[i] + 1)",
                    {"n": 3}, every(c="s d", d="s d"))  # fmt: skip
    # Where nothing is stored the result is 1, which a sparse one has to declare.
    yield Published("product-of-sums-sparse", SUMS, "c: f64[n]; d: f64[n]", "a: f64[n]",
                    "a[i] = (c[i] + 1) * (d[i] + 1)", {"n": 3}, every(c="s", d="s", a="s"),
                    fills={"a": "1"})  # fmt: skip
    yield Published("three-terms", SUMS, "b: f64[m]; c: f64[m, n]; d: f64[n]", "a: f64[m, n]",
                    "a[i, j] = b[i] * (c[i, j] + d[j] + 1)", {"m": 2, "n": 3},
                    every(b="s d", c=four, d="s d", a="dd ss"))  # fmt: skip
    yield Published("contraction-in-product", SUMS, "b: f64[n]; c: f64[n]; d: f64[m, n]", "a: f64[n]",
                    "a[i] = b[i] * (c[i] + d[j, i])", {"m": 3, "n": 4}, every(b="s d", d="dd ds", a="s d"))  # fmt: skip
    yield Published("no-solution", "tests/test_tensor_method.py", "B: f64[n, n]; C: f64[n, n]", "A: f64[n, n]",
                    "A[i, j] = B[i, j] + C[j, i]", {"n": 4}, every(B="ds", C="ds", A="ds"))  # fmt: skip
    yield Published("diagonal", "tests/test_tensor_method.py", "A: f64[n, n]", "a: f64[n]", "a[i] = A[i, i]",
                    {"n": 4}, every(A="dd ds ss", a="d s"))  # fmt: skip


def others() -> Iterator[Published]:
    yield Published("sum-non-adjacent", "tests/test_sum.py", "b: f64[n]; c: f64[m, n]; d: f64[n]", "a: f64[n]",
                    "a[i] = b[i] + c[j, i] + d[i]", {"m": 2, "n": 3},
                    data={"b": [1, 2, 3], "c": [[1, 3, 5], [2, 4, 6]], "d": [7, 8, 9]},
                    published={"a": [11, 17, 23]})  # fmt: skip
    none = [0, 0, 0]
    quadratic = [[[0, -2, 0], none, none], [[0, -2, 0], none, none], [[0, 2, 0], none, none]]
    yield Published("rhs", "tests/test_evaluate.py", "A0: f64[n]; A1: f64[n, n]; A2: f64[n, n, n]; x: f64[n]",
                    "f: f64[n]", "f[i] = A0[i] + A1[i, j] * x[j] + A2[i, k, l] * x[k] * x[l]", {"n": 3},
                    every(A1="ds", A2="dss"),
                    data={"A0": [2, -3, 0], "A1": [[0, 0, 3], [0, 0, 3], [0, 0, -3]], "A2": quadratic, "x": [2, 3, 5]},
                    published={"f": [5, 0, -3]})  # fmt: skip
    yield Published("iteration-graphs", "tests/test_evaluate.py",
                    "S: f64[m, r]; X: f64[r, n]; U: f64[r, s]; V: f64[s, n]", "J: f64[m, n]",
                    "J[i, j] = S[i, r] * X[r, j] + S[i, q] * U[q, y] * V[y, j]", {"m": 2, "n": 2, "r": 3, "s": 2},
                    every(S="ds", X="d1s0", U="ds", V="ds", J="ds"))  # fmt: skip
    yield Published("no-explicit-zeros", "tests/test_evaluate.py", "B: f64[m, n]; C: f64[n, p]", "A: f64[m, p]",
                    "A[i, j] = B[i, k] * C[k, j]", {"m": 2, "n": 3, "p": 2},
                    ({"B": "ds", "A": "sd"}, {"B": "ds", "C": "d1s0", "A": "ds"}))  # fmt: skip


ALL = {f"tensora-{c.name}": c for c in (*combinatorially(), *sums_in_products(), *others())}
