"""Reads at places from data are checked, and made, where the conditions around them admit the point: against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import ShapeError
from sparsec.ir.tensor_interp import interpret
from sparsec.knobs import scope

WILD = [-1, -(2**40), 2**40, 2**62, 99]
"""Indices that would fault where they were read."""

TEXTS = [
    # conditions on the index, on other operands, on both
    "y[i] = x[at[i]] where at[i] >= 0 and at[i] < 7",
    "y[i] = x[at[i]] + 1 where m[i]",
    "y[i] += 2 * x[at[i]] where m[i] and i > 1",
    "y[i] max= x[at[i]] * w[i] where m[i]",
    # conditions of reductions
    "y[i] = sum[j](A[j, i] * x[at[j]] where m[j])",
    "y[i] = sum[j](A[j, i] * x[at[j]] where at[j] in 0:7) + w[i]",
    "y[i] = max[j](x[at[j]] + A[i, j] where m[j] and j <= i)",
    "s = sum[i](x[at[i]] where m[i]) * count[i](m[i])",
    "s = mean[i](x[at[i]] where m[i])",
    "y[i] = argmax[j](x[at[j]] where m[j] and j != i)",
    "y[i] = scan[i](x[at[i]] where m[i])",
    "y[i] = softmax[i](x[at[i]] where m[i])",
    # a scan and its kin read along their index whatever the conditions around them say of it
    "y[i] = scan[i](x[at[i] % 7]) where m[i]",
    "y[i] = scan[i](x[at[i] % 7] where m[i]) + w[i] where i >= 2",
    "y[i] = softmax[i](x[at[i] % 7]) where m[i]",
    "y[i] = select(top[i: 2](x[at[i] % 7]), w[i], 2) where m[i]",
    "C[i, j] = scan[j](A[i, at[j] % 7] * w[at[i]]) where m[i] and M[i, j] != 0",
    # conditions that use more than the index does, or that take a loop
    "y[i] = sum[j](A[i, j] * x[at[j]] where M[i, j] != 0)",
    "y[i] = A[i, j] * x[at[j]] where M[i, j] != 0",
    "C[i, j] = A[i, j] * x[at[j]] * w[i] where M[i, j] != 0",
    "y[i] = x[at[i]] where any[j](M[j, i] != 0)",
    "y[i] = x[at[i]] where stored(M[i, i])",
    # one condition inside another, an index of an index, several indices, sums that are multiplied out
    "y[i] = sum[j](x[at[j]] * sum[k](A[k, j] * x[at[k]] where m[k])) where m[j]",
    "y[i] = sum[j](x[at[j]] * sum[k](A[k, j] * x[at[k]] where m[k]) where m[j] and i < j)",
    "y[i] = x[i64(x[at[i]]) % 7] where m[i]",
    "y[i] = B[at[i], at[i]] where m[i]",
    "y[i] = sum[j]((B[at[i], j] + D[i, j]) * v[j]) where m[i]",
    "y[i] = B[at[i], j] * v[j] where m[i]",
    # a step that leaves 64 bits
    "y[i] = x[at[i] * 4 - at[i] * 3] where m[i]",
    # an index that takes a loop to compute
    "y[i] = x[sum[j](at[j] where m[j]) % 7] * w[i]",
    "y[i] = x[argmax[j](w[j])] * w[i] where m[i]",
    "y[i] = x[sum[j](at[j] where j < i)] where m[i] and i < 2",
    "y[i] = x[scan[i](at[i] % 2) - 1 + i * 0] where m[i]",
    "y[i] = x[select(top[i: 2](w[i]), at[i], 0)] where m[i]",
    "y[i] = sum[j](v[j] * x[sum[k](at[k] where k == j)] where m[j]) + w[i]",
    "y[i] = x[i64(sum[j](x[at[j]] where m[j])) % 7] + w[i]",
    # what is written at places, too
    "z[at[i]] += x[at[i]] where m[i]",
    "z[to[at[i]]] += w[i] where m[i]",
    # in scan blocks: of operands, and of what the block has written so far
    "scan i { y[i] = x[at[i]] + y[i - 1] where m[i] }",
    "scan i { y[i] = y[at[i]] + w[i] where m[i] and at[i] != i }",
    "scan i { y[i] = sum[j](A[i, j] * y[at[j]] where m[j] and j < i) + w[i] }",
    "scan i { y[i] = x[i64(y[i - 1])] - y[at[i]] % 3 where m[i] }",
    "scan i { y[i] = sum[j](B[i64(y[j]) % 7, j] where M[i, j] != 0) + w[i] }",
    "scan i reverse { y[i] = w[i] + x[i64(y[i + 1])] where i < n - 1 and y[i + 1] in 0:7 }",
    "scan i { y[i] = sum[j](A[i, j] * x[at[j]] where M[i, j] != 0) + y[i - 1] }",
    "scan i { y[i] = x[sum[j](at[j] where j < i)] + y[i - 1] where m[i] and i < 2 }",
    "scan i { y[i] += x[at[i]] * 2 where m[i] }",
    "scan i { t += w[i] where m[i]; y[i] = x[i64(t)] where t < 7 and at[i] >= 0 }",
    "scan i { t += w[i] where x[i64(t) % 7] > 2; y[i] = t }",
    "scan i { t += x[i64(t) % 7] where w[i] > i; y[i] = x[i64(t) % 7] + t }",
    "scan i { t += x[i64(t) % 7]; t max= x[i64(t) % 7]; y[i] = sum[j](A[i64(t) % 7, j]) * t }",
    "scan i { t[j] += A[i, j] * w[at[i]] where m[i]; y[i] = t[at[i]] where m[i] }",
    "scan i { y[i] = sum[j](t[at[j]] where m[j]); t[j] += A[i, j] }",
]

RESULTS = {"y": "y: f64[n]", "z": "z: f64[p]", "C": "C: f64[n, n] csr", "s": "s: f64"}
FORMATS = [("dense", "dense", "dense", "dense"), ("csf", "dense", "csf", "csr"), ("rle", "csf", "dense", "coo"),
           ("(i) -> (i: hashed)", "dense", "csf", "csc"), ("dense", "csf", "csf", "dcsr")]  # fmt: skip


def operands(rng: np.random.Generator, wild: float) -> dict[str, Any]:
    m = rng.random(7) < 0.6
    at = rng.integers(0, 7, 7)
    at = np.where(m | (rng.random(7) < 1 - wild), at, rng.choice(WILD, 7))
    grid = lambda: rng.integers(-3, 4, (7, 7)) * (rng.random((7, 7)) < 0.5) * 1.0  # noqa: E731
    mask = grid() * m  # columns where m does not hold are empty
    return {"x": rng.integers(1, 9, 7) * 1.0, "at": at, "m": m, "M": mask * m[:, None], "A": grid(), "B": grid(),
            "D": grid(), "v": np.ones(7), "w": rng.integers(1, 5, 7) * 1.0, "to": rng.integers(0, 9, 7)}  # fmt: skip


def declared(text: str, formats: tuple[str, ...]) -> tuple[str, list[str]]:
    x, at, m, mat = formats
    what = {"x": f"f64[n] {x}", "at": f"i64[n] {at}", "m": f"bool[n] {m}", "M": f"f64[n, n] {mat}", "v": "f64[n] dense",
            "w": "f64[n] dense", "to": "i64[n] dense"} | dict.fromkeys("ABD", f"f64[n, n] {mat}")  # fmt: skip
    names = [n for n in what if f"{n}[" in text]
    head = ", ".join(f"{n}: {what[n]}" for n in names)
    target = "y" if text.startswith("scan ") else text[0]
    return f"kernel f({head}) -> {RESULTS[target]} {{ {text} }}", names


@pytest.mark.parametrize("formats", FORMATS, ids="-".join)
@pytest.mark.parametrize("text", TEXTS)
def test_only_admitted_points_are_read(text: str, formats: tuple[str, ...]) -> None:
    kernel_text, names = declared(text, formats)
    kernel = sp.compile(kernel_text)
    rng = np.random.default_rng(len(text))
    sizes = {"p": 9} if "p]" in kernel_text else {}
    stops = 0
    for n in range(6):
        given = operands(rng, wild=0.8 if n else 0.0)
        if n == 5:  # an index that counts
            given["m"][3], given["at"][3], given["M"][:, 3] = True, 77, 1.0
        arrays = {k: given[k] for k in names}
        passed = {k: a if f == "dense" else sp.tensor(a, format=f) for k, a in arrays.items()
                  for f in [dict(zip(["x", "at", "m", "M"], formats, strict=True)).get(k, "dense")]}  # fmt: skip
        passed |= {k: sp.tensor(arrays[k], format=formats[3]) for k in "ABD" if k in arrays and formats[3] != "dense"}
        with scope(check={"bounds"}):
            try:
                (want,) = interpret(kernel.program, arrays, sizes).values()
            except ShapeError:
                stops += 1
                with pytest.raises(ShapeError, match="outside"):
                    kernel(**passed, sizes=sizes) if sizes else kernel(**passed)
                continue
            got = kernel(**passed, sizes=sizes) if sizes else kernel(**passed)
        got = got.numpy() if isinstance(got, sp.Tensor) else got
        np.testing.assert_allclose(got, want, rtol=1e-12, err_msg=kernel_text)
    assert stops < 5 or "stored" in text, "no data was fine"


@pytest.mark.parametrize(("value", "want"), [
    ("scan[i](x[p[i]])", [5, 9, 12, 14, 15]),
    ("scan[i, reverse](x[p[i]])", [15, 10, 6, 3, 1]),
    ("softmax[i](x[p[i]])", np.exp([5, 4, 3, 2, 1]) / np.exp([5, 4, 3, 2, 1]).sum()),
    ("select(top[i: 2](x[p[i]]), 1.0, 2.0)", [1, 1, 2, 2, 2]),
])  # fmt: skip
@pytest.mark.parametrize("condition", ["m[i]", "i >= 2", "m[i] and p[i] < 3"])
def test_conditions_stay_outside_of_scans(value: str, want: list[float], condition: str) -> None:
    x, p, m = np.arange(1.0, 6), np.arange(5)[::-1].copy(), np.array([0, 1, 0, 1, 1], bool)
    given = {"x": x, "p": p} | ({"m": m} if "m" in condition else {})
    admitted = {"m[i]": m, "i >= 2": np.arange(5) >= 2}.get(condition, m & (p < 3))
    got = sp.evaluate(f"y[i] = {value} where {condition}", **given)
    np.testing.assert_allclose(got, np.where(admitted, want, 0))


def test_a_scan_reads_where_a_condition_of_its_index_fails() -> None:
    x, at = np.arange(3.0), np.array([0, 9, 1])
    for fails, m in ((True, [True, False, True]), (False, [False, False, False])):
        r = np.array([fails])
        text = "y[j, i] = scan[i](x[at[i]]) where m[i] and r[j]"
        kernel = sp.compile(f"kernel f(x: f64[n], at: i64[n], m: bool[n], r: bool[1]) -> y: f64[1, n] {{ {text} }}")
        arrays = {"x": x, "at": at, "m": np.array(m), "r": r}
        if not fails:
            assert kernel(**arrays).tolist() == [[0, 0, 0]] == interpret(kernel.program, arrays, {})["y"].tolist()
            continue
        with pytest.raises(ShapeError, match=r"at\[1\] is 9"):
            kernel(**arrays)
        with pytest.raises(ShapeError, match="is 9"):
            interpret(kernel.program, arrays, {})


def test_what_is_said_of_an_index_that_counts() -> None:
    head = "kernel f(A: f64[m, n], M: bool[m, n] csr, x: f64[p], at: i64[n]) -> y: f64[m]"
    text = f"{head} {{ y[i] = sum[j](A[i, j] * x[at[j]]) where M[i, j] }}"
    mask = sp.tensor(np.array([[0, 0, 1], [0, 0, 1]], bool), format="csr")
    kernel, at = sp.compile(text), np.array([-1, 50, 2])
    assert kernel(np.ones((2, 3)), mask, np.arange(3.0), at).tolist() == [2, 2]
    with pytest.raises(ShapeError, match=r"at\[2\] is 2, and lies outside of dimension 1 of 'x', which is 0 .. 1"):
        kernel(np.ones((2, 3)), mask, np.arange(2.0), at)


def test_the_index_of_a_scalar_counts_where_a_point_is_admitted() -> None:
    x, p = np.arange(3.0), np.array([2, 3])
    text = "y[i] = w[i] + x[sum[k](p[k])] where m[i]"
    assert sp.evaluate(text, x=x, p=p, w=x, m=np.zeros(3, bool)).tolist() == [0, 0, 0]
    assert sp.evaluate(text, x=x, p=p - 2, w=x, m=x > 1).tolist() == [0, 0, 3]
    with pytest.raises(ShapeError, match="lies outside"):
        sp.evaluate(text, x=x, p=p, w=x, m=x > 1)


@pytest.mark.parametrize(("statements", "says"), [
    ("y[i] = sum[j](x[p[j]] where M[i, j])", r"p\[2\] is 99"),  # the condition goes into a local
    ("y[i] = w[i] + x[sum[k](p[k])]", "is 103"),  # so does the index
    ("q[i] = p[i] + 1; y[i] = x[q[i]] where M[i, i]", r"q\[2\] is 100"),
    ("f[i] = 2 * w[i]; y[i] = x[p[i]] where f[i] > 0", r"p\[2\] is 99|computed from"),
])  # fmt: skip
def test_nothing_is_written_where_an_index_made_of_operands_lies_outside(statements: str, says: str) -> None:
    x, p, m = np.arange(1.0, 5), np.array([1, 0, 99, 3]), sp.tensor(np.ones((4, 4), bool), format="csr")
    names = {"x": "f64[n]", "p": "i64[n]", "w": "f64[n]", "M": "bool[n, n] csr"}
    used = {n: t for n, t in names.items() if f"{n}[" in statements}
    head = ", ".join(f"{n}: {t}" for n, t in used.items())
    kernel = sp.compile(f"kernel f({head}) -> z: f64[n], y: f64[n] {{ z[i] += x[i]; {statements} }}")
    z, given = np.ones(4), {"x": x, "p": p, "w": x, "M": m}
    with pytest.raises(ShapeError, match=says):
        kernel(**{n: given[n] for n in used}, out={"z": z})
    assert z.tolist() == [1, 1, 1, 1]


def test_nothing_is_read_of_an_empty_tensor() -> None:
    y = sp.evaluate("y[i] = x[at[i]] where at[i] < 0", x=np.zeros(0), at=np.array([0, 2**50, 1]))
    assert y.tolist() == [0, 0, 0]
