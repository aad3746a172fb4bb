"""Programs that the fuzzer gives formats and data to, but does not draw: semirings, recurrences, scatters, updates."""

from __future__ import annotations

from collections.abc import Iterator

from tests.published.cases import Published

_DIMS = {"m": 4, "n": 5, "k": 3}
_SEMIRINGS = {
    "tropical": ("{ add = min, zero = inf, mul = +, one = 0 }", "inf"),
    "longest": ("{ add = max, zero = -inf, mul = +, one = 0 }", "-inf"),
    "widest": ("{ add = max, zero = -inf, mul = min, one = inf }", "-inf"),
    "likeliest": ("{ add = max, zero = 0, mul = *, one = 1 }", "0"),
}


def semirings() -> Iterator[Published]:
    products = {
        "matmul": ("A: f64[m, k]; B: f64[k, n]", "C: f64[m, n]", "C[i, j] = A[i, l] * B[l, j]"),
        "spmv": ("A: f64[m, n]; x: f64[n]", "y: f64[m]", "y[i] = A[i, j] * x[j]"),
        "union": ("A: f64[m, n]; B: f64[m, n]", "C: f64[m, n]", "C[i, j] = A[i, j] + B[i, j]"),
        "relax": ("A: f64[n, n]; x: f64[n]", "y: f64[n]", "y[j] = x[j] + A[i, j] * x[i]"),
        "triple": ("A: f64[n, n]; B: f64[n, n]", "C: f64[n, n]", "C[i, j] = A[i, k] * B[k, l] * A[l, j]"),
    }
    for name, (definition, zero) in _SEMIRINGS.items():
        for product, (operands, results, body) in products.items():
            names = [d.strip().partition(":")[0] for d in f"{operands}; {results}".split(";")]
            yield Published(f"{product}-{name}", "ours", operands, results, f"{body} over {name}", _DIMS,
                            before=f"semiring {name} {definition}", fills=dict.fromkeys(names, zero))  # fmt: skip


def recurrences() -> Iterator[Published]:
    def block(name: str, operands: str, results: str, *lines: str, reverse: bool = False) -> Published:
        inner = "; ".join(lines)
        body = f"scan i {'reverse ' * reverse}{{ {inner} }}"
        return Published(name, "ours", operands, results, body, _DIMS)

    matrix = "L: f64[n, n]; b: f64[n]"
    yield block("solve", matrix, "x: f64[n]", "x[i] = b[i] - 0.5 * sum[j](L[i, j] * x[j] where j < i)")
    yield block("solve-back", matrix, "x: f64[n]", "x[i] = b[i] - 0.5 * sum[j](L[i, j] * x[j] where j > i)",
                reverse=True)  # fmt: skip
    yield block("solve-turned", matrix, "x: f64[n]", "x[i] = b[i] - 0.5 * sum[j](L[j, i] * x[j] where j < i)")
    yield block("filter", "b: f64[n]; c: f64[n]", "x: f64[n]", "x[i] = b[i] + 0.5 * x[i - 1] - 0.25 * c[i] * x[i - 2]")
    yield block("carried", "b: f64[n]; M: bool[n]", "y: f64[n]; z: f64[n]", "s += b[i] where M[i]",
                "y[i] = s / (i + 1)", "m max= abs(y[i])", "z[i] = m")  # fmt: skip
    yield block("rows", "A: f64[n, m]", "X: f64[n, m]", "X[i, j] = A[i, j] + 0.5 * X[i - 1, j]")


def others() -> Iterator[Published]:
    cases = {
        "scatter": ("A: f64[m, n]; at: i64[m]", "y: f64[m, n]", "y[at[i], j] += A[i, j]"),
        "histogram": ("at: i64[n]; w: f64[n]", "y: f64[m]", "y[at[i]] += w[i]"),
        "gather": ("A: f64[m, n]; at: i64[k]", "y: f64[k, n]", "y[i, j] = A[at[i], j]"),
        "strides": ("A: f64[8, 9]", "y: f64[4, 5]", "y[i, j] = A[2 * i, j + 1] - A[2 * i + 1, j + 2]"),
        "spread": ("A: f64[m, n]", "y: f64[8, n]", "y[2 * i, j] += A[i, j]"),
        "mask": ("A: f64[m, n]; M: bool[m, n]", "C: f64[m, n]", "C[i, j] = A[i, j] where M[i, j] or i == j"),
        "top": ("A: f64[m, n]", "C: f64[m, n]", "C[i, j] = A[i, j] where top[j: 2](abs(A[i, j]))"),
        "stored": ("A: f64[m, n]; B: f64[m, n]", "C: f64[m, n]", "C[i, j] = A[i, j] where not stored(B[i, j])"),
        "scan": ("A: f64[m, n]; B: f64[m, n]", "C: f64[m, n]", "C[i, j] = B[i, j] * scan[j](A[i, j])"),
        "softmax": ("A: f64[m, n]", "C: f64[m, n]", "C[i, j] = softmax[j](A[i, j])"),
        "twice": ("A: f64[n, n]", "C: f64[n, n]", "C[i, j] = A[i, j]; C[i, j] += A[j, i]; C[i, j] *= A[i, j]"),
    }
    for name, (operands, results, body) in cases.items():
        yield Published(name, "ours", operands, results, body, _DIMS)


ALL = {f"ours-{c.name}": c for c in (*semirings(), *recurrences(), *others())}
