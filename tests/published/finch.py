"""Finch.jl (github.com/finch-tensor/Finch.jl): test/suites/issue_tests.jl, what of it is an expression, by issue.

Indices count from 0 here, and matrices are the transposes of Finch's where it stores them by columns.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.published.cases import Published, every

_SOURCE = "test/suites/issue_tests.jl"
_LEVELS = "dh db ds dd"
_SQUARE = np.arange(1, 10).reshape(3, 3)


def issues() -> Iterator[Published]:
    def case(number: int | str, operands: str, results: str, body: str, *rest: object, **more: object) -> Published:
        return Published(f"{number}", _SOURCE, operands, results, body, *rest, **more)  # type: ignore[arg-type]

    n = {"n": 5}
    yield case(579, "F: f64[n, n]; A: f64[n, n]", "G: f64[n, n]", "G[i, j] = F[i, j]; G[i, j] += A[i, j]", n,
               every(F="dh db", A="ds", G="dh db"))  # fmt: skip
    yield case("579-reduced", "A: f64[m, n, n]; B: f64[m, n, n]", "F: f64[n, n]",
               "F[j, i] += A[k, j, i]; F[j, i] += B[k, j, i]", {"n": 5, "m": 1},
               every(A="dds", B="dds", F="dh db"))  # fmt: skip
    matrices = {"A": [[0] * 5, [1, 0, 0, 0, 0], [0] * 5], "B": [[0] * 5, [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]],
                "C": [[0] * 5, [0, 0, 0, 1, 0], [0] * 5]}  # fmt: skip
    union = np.add(matrices["A"], matrices["B"])
    yield case(358, "A: i64[3, 5]; B: i64[3, 5]; C: i64[3, 5]", "D: i64[3, 5]; E: i64[3, 5]",
               "E[i, j] += A[i, j]; E[i, j] += B[i, j]; D[i, j] += E[i, j]; E[i, j] += C[i, j]", {},
               every(A="ds", B="ds", C="ds", D=_LEVELS, E=_LEVELS), data=matrices,
               published={"D": union, "E": union + matrices["C"]})  # fmt: skip
    yield case(51, "x: f64[n]", "y: f64", "y = sum[i, j](min(x[i], x[j]))", {"n": 3}, every(x="d s"),
               data={"x": [1, 2, 3]}, published={"y": 14})  # fmt: skip
    yield case(53, "x: bool[n]", "y: f64", "y = sum[i](f64(select(x[i], 3, -1)))", {"n": 10}, every(x="s"),
               data={"x": [1, 0, 1, 0, 0, 0, 1, 1, 0, 0]}, published={"y": 6})  # fmt: skip
    yield case(59, "B: i64[n]", "A: i64[6]", "A[B[i]] += i + 1", {"n": 3}, every(B="d"), data={"B": [1, 3, 4]},
               published={"A": [0, 1, 0, 2, 3, 0]})  # fmt: skip
    table = [[10 * r + c for c in range(1, 6)] for r in range(1, 10)]
    yield case(61, "I: i64[n]; A: i64[9, n]", "B: i64[n]", "B[i] = A[I[i], i]", n, every(I="d rle"),
               data={"I": [0, 0, 8, 2, 2], "A": table}, published={"B": [11, 12, 93, 34, 35]})  # fmt: skip
    rows = -np.repeat(np.arange(4), 4).reshape(4, 4)
    yield case(101, "X: f64[4, 4]; A: f64[4, 4]", "t: f64[4, 4]", "t[i, j] = min(X[i, j], A[i, j])", {},
               every(X="ss", A="ss", t="ss"), data={"X": np.zeros((4, 4)), "A": rows},
               published={"t": rows})  # fmt: skip
    yield case(115, "A: f64[4, 4]", "t: f64[4, 4]", "t[i, j] = f(A[i, j], A[i, j], A[i, j])", {}, every(A="ss", t="ss"),
               data={"A": rows}, published={"t": 3 * rows}, before="fn f(a, b, c) = a + b + c")  # fmt: skip
    yield case("115-turned", "A: f64[4, 4]", "t: f64[4, 4]", "t[i, j] = A[i, j]", {}, every(A="s1s0 d1s0", t="ss ds"),
               data={"A": rows}, published={"t": rows})  # fmt: skip
    yield case(129, "a: i64[n]", "x: i64", "x = argmax[i](a[i])", {"n": 4}, every(a="d s"), data={"a": [1, 3, 7, 2]},
               published={"x": 2})  # fmt: skip
    yield case("121-inf", "y: f64[n]", "x: f64", "x = min[i](y[i])", {"n": 6}, every(y="s"), fills={"y": "inf"},
               data={"y": [2, np.inf, np.inf, 1, 3, np.inf]}, published={"x": 1})  # fmt: skip
    yield case("121-nan", "y: f64[n]", "x: f64", "x = min[i](y[i])", {"n": 6}, every(y="s"), fills={"y": "nan"},
               data={"y": [2, np.nan, np.nan, 1, 3, np.nan]}, published={"x": np.nan})  # fmt: skip
    yield case("121-coalesce", "y: f64[n]", "x: f64", "x = min[i](select(isnan(y[i]), inf, y[i]))", {"n": 6},
               every(y="s"), fills={"y": "nan"}, data={"y": [2, np.nan, np.nan, 1, 3, np.nan]},
               published={"x": 1})  # fmt: skip
    weights = np.array([[0.0, 1, 0, 2], [0, 1, 0, 3], [0, 0, 2, 0]])
    yield case(118, "B: f64[3, 4]", "C: f64[3, 4]", "C[i, j] = select(B[i, j] == 0, inf, B[i, j])", {},
               every(B="ds d1s0", C="ds"), fills={"C": "inf"}, data={"B": weights},
               published={"C": np.where(weights == 0, np.inf, weights)})  # fmt: skip
    yield case(278, "A: f64[3, 3]", "x: f64", "x = A[i, i]", {}, every(A="dd ds"), data={"A": _SQUARE},
               published={"x": 15})  # fmt: skip
    ones = np.ones((3, 3))
    yield case(267, "A: f64[3, 3]; B: f64[3, 3]; C: f64[3, 3]; alpha: f64; beta: f64", "D: f64[3, 3]",
               "D[i, j] = beta * C[i, j]; D[i, j] += alpha * B[k, j] * A[i, k]", {}, every(A="dd ds"),
               data={"A": ones, "B": ones, "C": 0 * ones, "alpha": 1, "beta": 1},
               published={"D": ones @ ones})  # fmt: skip
    yield case(284, "A: f64[2, 2]", "C: f64[2, 2]", "B[i, j] = A[i, j] + 1; w[j, i] = B[i, j]; C[j, i] = w[j, i]", {},
               every(A="dd ds"), data={"A": np.eye(2)}, published={"C": [[2, 1], [1, 2]]})  # fmt: skip
    conditions = {"<": 11, "<=": 26, ">": 19, ">=": 34, "==": 15, "!=": 30}
    for op, total in conditions.items():
        yield case(f"291-{op}", "A: i64[3, 3]", "x: i64; y: i64",
                   f"x = sum[i, j](A[i, j] where i {op} j); y = sum[i, j](A[j, i] where i {op} j)", {},
                   every(A="dd ds"),
                   data={"A": _SQUARE},
                   published={"x": total, "y": {11: 19, 19: 11, 26: 34, 34: 26}.get(total, total)})  # fmt: skip
    yield case(288, "A: f64[n, n, n]; X: f64[n, n]", "C: f64[n, n, n]",
               "C[i, j, k] += sum[l](X[i, j] * A[i, l, k] where i + 1 <= l)", n, every(A="ddd dds"))  # fmt: skip
    yield case("288-double", "A: f64[n, n, n]; X: f64[n, n]", "C: f64[n, n, n]",
               "C[k, j, l] = sum[i](X[i, j] * A[k, i, l] where k + 1 <= i); "
               "C[i, j, l] += sum[k](X[k, j] * A[k, i, l] where k <= l)", n, every(A="ddd dds"))  # fmt: skip
    yield case(52, "x: bool[4]; y: bool[4]", "s: bool; c: i64", "s = any[i](x[i] and y[i]); c = count[i](x[i])", {},
               every(x="s", y="s d"), data={"x": [0, 1, 1, 0], "y": [0, 1, 0, 1]},
               published={"s": True, "c": 2})  # fmt: skip
    yield case("52-bfs", "A: bool[m, n]; y: bool[n]", "P: i64[m]", "P[j] = argmax[i](A[j, i] and y[i])",
               {"m": 2, "n": 4}, every(A="ds", y="s"))  # fmt: skip
    yield case(313, "E: f64[n, n]", "O: f64[n, n]", "O[a, b] = E[b, d] * E[a, c] * E[c, d]", {"n": 9},
               every(E="ss", O="ss dh"))  # fmt: skip
    yield case("313-transposed", "A: f64[2, 2]; B: f64[2, 2]", "O: f64[2, 2]", "O[i, k] = A[i, j] * B[k, j]", {},
               every(A="ss", B="ss", O="ss dh"), data={"A": np.eye(2), "B": [[0, 1], [1, 0]]},
               published={"O": [[0, 1], [1, 0]]})  # fmt: skip
    yield case(339, "P: i64[10]; K: i64[10, 1]", "O: i64[10, 1]", "O[x, m] = P[x] * K[y, m]", {},
               every(P="s", K="sd", O="sd"), data={"P": np.arange(10) == 0, "K": (np.arange(10) == 1)[:, None]},
               published={"O": (np.arange(10) == 0)[:, None]})  # fmt: skip
    yield case(385, "", "c: i64", "a = 1; b = 2; c = a + b", {}, published={"c": 3})
    yield case(134, "A: f64[3, 3]; x: f64[3]", "y: f64[3]", "y[i] = A[i, j] * x[j]; y[j] += A[i, j] * x[i]", {},
               every(A="dd ds d1s0"))  # fmt: skip
    yield case(433, "A: f64[n, m]", "B: f64[n, m]", "B[x, c] = (A[x - 1, c] + A[x, c] + A[x + 1, c]) / 3",
               {"n": 6, "m": 2}, every(A="dd ds sd"))  # fmt: skip
    yield case(450, "A: f64[m, n, n]", "B: f64[n, n, m]", "B[j, k, i] = A[i, j, k] * A[i, j, k]", {"n": 3, "m": 2},
               every(A="ddd dss", B="ddd sss"))  # fmt: skip
    yield case(474, "A: f64[3, 3]", "p: f64[3]; q: f64[3]; r: f64; T: f64[3, 3]",
               "p[i] = prod[j](A[j, i]); q[j] = prod[i](A[j, i]); r = prod[i, j](A[j, i]); T[i, j] = A[k, i] * A[j, k]",
               {}, every(A="dd ds"), data={"A": _SQUARE},
               published={"p": [28, 80, 162], "q": [6, 120, 504], "r": 362880, "T": (_SQUARE @ _SQUARE).T})  # fmt: skip
    yield case(485, "A: f64[1, 1, 1]", "x: f64[1]", "x[k] = A[i, j, k]", {}, every(A="ddd dss"),
               data={"A": [[[0]]]}, published={"x": [0]})  # fmt: skip
    yield case(546, "A: f64[n, n]; B: f64[n, n]; C: f64[n]", "D: f64", "D = C[j] * B[j, k] * A[i, j]", {"n": 12},
               every(A="ds", B="ds", C="s"))  # fmt: skip
    yield case(580, "A: i64[n, n]", "c: i64", "c = A[i, j] * A[j, k]", {"n": 12}, every(A="db dd"))
    yield case("follow", "A: f64[n]; B: f64[n]", "C: f64[n]", "C[i] = A[i] * B[i]", {"n": 40},
               every(A="s", B="s", C="s"))


ALL = {f"finch-{c.name}": c for c in issues()}
