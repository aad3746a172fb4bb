"""Every dtype in every position: products, sums, elementwise operators, minima, through the public face."""

from __future__ import annotations

import re

import numpy as np
import pytest

import sparsec as sp
from sparsec.ir.dtypes import ALL, BOOL, DType
from sparsec.ir.tensor_values import held, to_storage
from tests.support.differential import check, expected
from tests.support.public import call
from tests.support.strategies import Data, expand

PROGRAMS = {
    "product": "y[i] = A[i, j] * x[j]",
    "matrix product": "C[i, j] = A[i, k] * B[k, j]",
    "transposed": "D[j, i] = A[i, j]",
    "sum": "s = sum[i, j](A[i, j])",
    "rows": "y[i] = sum[j](A[i, j])",
    "products": "t = prod[i](x[i])",
    "union": "U[i, j] = A[i, j] + A2[i, j]",
    "difference": "U[i, j] = A[i, j] - A2[i, j]",
    "intersection": "U[i, j] = A[i, j] * A2[i, j]",
    "scaled": "U[i, j] = c * A[i, j]",
    "quotient": "Q[i, j] = A[i, j] / c",
    "equal": "E[i, j] = A[i, j] == A2[i, j]",
    "least": "y[i] = min[j](A[i, j])",
    "greatest": "y[i] = max[j](A[i, j])",
    "pointwise min": "U[i, j] = min(A[i, j], A2[i, j])",
    "compared": "U[i, j] = select(A[i, j] < A2[i, j], A[i, j], A2[i, j])",
    "absolute": "y[i] = sum[j](abs(A[i, j]))",
}
ORDERED = ("least", "greatest", "pointwise min", "compared")
COMPARISONS = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
DIMS = {"m": 7, "n": 6}


def values(t: DType, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers that show the type: its greatest and least among small ones."""
    rng = np.random.default_rng(seed)
    if t is BOOL:
        return rng.random(shape) < 0.5
    if t.is_integer:
        info = np.iinfo(t.np)
        small = rng.integers(-4 if t.kind == "i" else 0, 5, shape).astype(t.np)
        edges = rng.choice(np.array([info.max, info.min, info.max - 1, info.max // 2 + 1], t.np), shape)
        return np.where(rng.random(shape) < 0.3, edges, small)
    drawn = rng.normal(size=shape) * 2
    if t.kind == "c":
        return (drawn + 1j * rng.normal(size=shape)).astype(t.np)
    return to_storage(drawn.astype(held(t)), t)


@pytest.mark.parametrize("fmt", ["csr", "dense", "coo"])
@pytest.mark.parametrize("t", ALL, ids=str)
def test_dtypes(t: DType, fmt: str) -> None:
    for n, name in enumerate(PROGRAMS):
        if (t.kind == "c" and name in ORDERED) or (t is BOOL and name == "difference"):
            continue
        # Machine code takes a quarter of a second each: an eighth of them, others for each dtype and format.
        compiled = (n + 3 * ALL.index(t) + 5 * ["csr", "dense", "coo"].index(fmt)) % 8 == 0
        kernel = sp.compile(kernel_text(t, fmt, name), backend="cpu" if compiled else "interp")
        program = kernel.program
        arrays, stored = {}, {}
        for k, d in enumerate(program.operands):
            shape = tuple(DIMS[str(x)] for x in d.dims)
            a = values(t, shape, 10 * n + k)
            assert d.format is not None
            pattern = np.random.default_rng(k).random(shape) < 0.4 if not d.format.is_dense else np.ones(shape, bool)
            arrays[d.name] = np.where(pattern, a, np.zeros((), a.dtype))
            stored[d.name] = expand(d.format, pattern)
        data = Data(DIMS, arrays, stored)
        want, bound = expected(program, data)
        check(call(kernel, program, data), want, bound, f"{t} {fmt} {name}")


def kernel_text(t: DType, fmt: str, name: str) -> str:
    """The kernel of one statement; the type of its result is the one that the language gives it."""
    statement = PROGRAMS[name]
    operands = {
        "A": f"A: {t}[m, n] {fmt}", "A2": f"A2: {t}[m, n] {fmt}", "B": f"B: {t}[n, m] csc", "x": f"x: {t}[n]",
        "c": f"c: {t}",
    }  # fmt: skip
    used = [d for n, d in operands.items() if re.search(rf"\b{n}\b", statement.split("=", 1)[1])]
    target = statement.split("=")[0].split("[")[0].strip()
    shapes = {"y": "[m]", "C": "[m, m] csr", "D": "[n, m] csr", "E": "[m, n]", "s": "", "t": ""}
    shape = shapes.get(target, f"[m, n] {fmt}")
    return f"kernel k({', '.join(used)}) -> {target}: {natural(t, name)}{shape} {{ {statement} }}"


def natural(t: DType, name: str) -> str:
    """As NumPy promotes; sums of small integers are kept in 64 bits."""
    sums = {"sum", "rows", "products", "product", "matrix product", "absolute"}
    if name == "equal" or (t is BOOL and name in ("product", "matrix product")):
        return "bool"
    if name == "absolute" and t.kind == "c":
        return str(t.part)
    if name in sums and t.kind in "bi":
        return "i64"
    if name in sums and t.kind == "u":
        return "u64"
    if name == "quotient" and t.kind in "bui":
        return "f16" if t.bits <= 8 else "f32" if t.bits == 16 else "f64"
    return str(t)


@pytest.mark.parametrize("fmt", ["dense", "coo"])
def test_a_u64_beside_signed_integers_is_compared_exactly(fmt: str) -> None:
    signed = np.array([2**63 - 1, -1, 5, 0, -(2**63), 2**53, 0, 7])
    unsigned = np.array([2**63, 2**64 - 1, 5, 1, 0, 2**53 + 1, 0, 0], "u8")
    for a, b in ((signed, unsigned), (unsigned, signed), (np.array([-1, 1], "i1"), np.array([255, 1], "u8"))):
        given = {"a": sp.tensor(a, fmt), "b": sp.tensor(b, fmt)}
        for text, ufunc in zip(("==", "!=", "<", "<=", ">", ">="), COMPARISONS, strict=True):
            found = sp.evaluate(f"r[i] = a[i] {text} b[i]", **given)
            found = found.numpy() if isinstance(found, sp.Tensor) else found
            assert np.array_equal(found, ufunc(a, b)), text
