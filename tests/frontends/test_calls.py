"""Kernels that call kernels: written out in the caller, with its names, extents and formats; and what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import SparsecError
from sparsec.frontends.dsl import parse_source
from sparsec.ir.tensor import ScanLoop
from sparsec.ir.tensor_interp import interpret
from sparsec.ir.tensor_text import print_program
from sparsec.ir.tensor_verify import verify

FILE = """\
kernel residual(A: f64[m, n] csr, x: f64[n], b: f64[m]) -> r: f64[m] {
    t[i] = A[i, j] * x[j]
    r[i] = b[i] - t[i]
}
kernel norm(x: f64[k]) -> s: f64 { s += x[i] * x[i] }
kernel both(A: f64[p, q] csr, w: f64) -> B: f64[q, p] csr, d: f64[p] {
    B[i, j] = w * A[j, i]
    d[i] = A[i, j] * p
}
"""
RNG = np.random.default_rng(2)
A = np.where(RNG.random((4, 4)) < 0.5, RNG.integers(1, 5, (4, 4)), 0.0)
X, B = RNG.integers(1, 5, 4).astype(float), RNG.integers(1, 5, 4).astype(float)


def program(text: str, name: str = "main"):  # type: ignore[no-untyped-def]
    found = parse_source(FILE + text).kernels[name]
    verify(found)
    return found


def test_written_out() -> None:
    main = program(
        """\
kernel main(A: f64[n, n] csr, x: f64[n], b: f64[n]) -> s: f64, T: f64[n, n] csc {
    r = residual(A, x, b)
    s = norm(r)
    T, d = both(A, 2 + 1)
}
"""
    )
    lines = print_program(main).splitlines()
    assert [line.strip() for line in lines if "local" in line] == [
        "local r: f64[n] dense fill(0.0)",
        "local residual_t: f64[n] fill(0.0)",
        "local norm_s: f64 dense fill(0.0)",
        "local both_w: f64 dense fill(0.0)",
        "local d: f64[n] dense fill(0.0)",
    ]
    assert "out T: f64[n, n] csc fill(0.0)" in print_program(main)
    got = interpret(main, {"A": A, "x": X, "b": B})
    r = B - A @ X
    assert got["s"] == r @ r and got["T"].tolist() == (3 * A.T).tolist()


def test_runs() -> None:
    kernels = sp.compile(
        FILE
        + """\
kernel twice(A: f64[n, n] csr, x: f64[n], b: f64[n]) -> s: f64, t: f64 {
    r = residual(A, x, b)
    q = residual(A, r, x)
    s = norm(r); t = norm(q)
}
kernel thrice(A: f64[n, n] csr, x: f64[n], b: f64[n]) -> s: f64, t: f64, u: f64 {
    s, t = twice(A, x, b)
    T, d = both(A, s)
    u = T[i, j] * d[j]
}
"""
    )
    r = B - A @ X
    q = X - A @ r
    s, t, u = kernels["thrice"](A, X, B)
    assert (s, t) == (r @ r, q @ q)
    assert u == ((r @ r) * A.T @ (A.sum(1) * 4)).sum()
    # What an update in the callee starts from is not what the caller passes for the result that it is called for.
    out = np.array(100.0)
    kernels["twice"](A, X, B, out={"s": out})
    assert out == r @ r
    assert "residual_t2" in kernels["twice"].explain()


def test_formats_are_the_callers() -> None:
    kernels = sp.compile(
        FILE
        + """\
kernel main(A: f64[n, n] csc, x: f64[n], b: f64[n]) -> y: f64[n] {
    T, d = both(A, 2)
    y = residual(T, x, b)
}
"""
    )
    assert kernels["main"](A, X, B).tolist() == (B - 2 * A.T @ X).tolist()
    one = parse_source(FILE + "kernel main(x: f64[n]) -> y: f64[n] { s: f64 = norm(x); y[i] = s * x[i] }").kernels[
        "main"
    ]
    assert interpret(one, {"x": X})["y"].tolist() == ((X @ X) * X).tolist()


def test_functions_come_first_and_order_in_the_file_is_free() -> None:
    unit = parse_source("""\
kernel main(x: f64[n]) -> y: f64[n], s: f64, t: f64 {
    y = half(x)
    s = twice(2)
    t = sqrt(s)
}
kernel sqrt(x: f64) -> y: f64 { y = x }
kernel twice(x: f64) -> y: f64 { y = x }
kernel half(x: f64[n]) -> y: f64[n] { y[i] = x[i] / 2 }
fn twice(x) = 2 * x
""")
    assert list(unit.kernels) == ["main", "sqrt", "twice", "half"]
    got = interpret(unit.kernels["main"], {"x": X})
    assert got["y"].tolist() == (X / 2).tolist() and got["s"] == 4 and got["t"] == 2


def test_a_callee_with_a_scan_block() -> None:
    main = parse_source("""\
kernel running(x: f64[n]) -> y: f64[n] { scan i { y[i] = x[i] + y[i - 1] } }
kernel main(x: f64[5]) -> z: f64[5] { z = running(x) }
""").kernels["main"]
    assert isinstance(main.body[0], ScanLoop)
    assert interpret(main, {"x": np.ones(5)})["z"].tolist() == [1, 2, 3, 4, 5]


MAIN = (
    "kernel main(A: f64[n, n] csr, x: f64[n], w: f64[m], h: f32[n], G: f64[n, n] csr fill(1), b: f64[n]) "
    "-> y: f64[n] {{ {} }}"
)
WRONG = [
    ("y = residual(A, x)", "the kernel 'residual' has 3 operands (A, x, b), and here are 2"),
    ("y, z = residual(A, x, b)", "the kernel 'residual' has 1 result (r), and here are 2"),
    ("y = residual(A, w, b)", "dimension 1 of 'x' ('n' of 'residual') is n elsewhere, and m in 'w'"),
    ("y = residual(A, x, w)", "dimension 1 of 'b' ('m' of 'residual') is n elsewhere, and m in 'w'"),
    ("y = residual(A, h, b)", "operand 'x' of 'residual' is f64, 'h' is f32"),
    ("y = residual(x, x, b)", "operand 'A' of 'residual' has 2 dimensions, 'x' has 1"),
    ("y = residual(G, x, b)", "operand 'A' of 'residual' has fill 0.0, 'G' has fill 1.0"),
    ("y = residual(A, 2 * x, b)", "operand 'x' of 'residual' is a tensor's name, not an expression"),
    ("y = residual(A, nothing, b)", "unknown tensor 'nothing'"),
    ("y = residual(A, q, b); q[i] = x[i]", "'q' is read before it is written"),
    ("y = residual(A, y, b)", "'y' is read before it is written"),
    ("y[i] = residual(A, x, b)[i]", "unexpected '['"),
    ("y[i] = residual(A, x, b)", "'residual' is a kernel, and its call is a statement by itself"),
    ("s = 2 * norm(x); y[i] = s * x[i]", "'norm' is a kernel, and its call is a statement by itself"),
    ("y += residual(A, x, b)", "the call of a kernel stands behind a plain '='"),
    ("x = residual(A, x, b)", "'x' is an operand, and only results and locals are written"),
    ("y[i] = x[i]; y = residual(A, x, b)", "'y' is defined already, at line 10"),
    ("y = norm(x)", "result 's' of 'norm' has 0 dimensions, 'y' has 1"),
    ("T: f32 csr = both(A, 2); y[i] = x[i]", "has 2 results"),
    ("y, z = nothing(x)", "unknown kernel 'nothing'"),
    ("s: f32 = norm(x); y[i] = s * x[i]", "'s' holds f32, and 'norm' gives f64"),
    ("scan i { s, t = both(A, x[i]); y[i] = x[i] }", "a kernel's call inside a 'scan' block cannot run yet"),
    ("y = main(A, x, w, h, G, b)", "the kernel 'main' calls itself: main -> main"),
    ("in_, z = both(A, 2); inf, q = both(A, 1); y[i] = z[i]", "'inf' is a word of the language"),
]  # fmt: skip


@pytest.mark.parametrize("text, message", WRONG, ids=[w[0] for w in WRONG])
def test_wrong_calls(text: str, message: str) -> None:
    with pytest.raises(SparsecError) as caught:
        parse_source(FILE + MAIN.format(text))
    assert message in str(caught.value)
    assert "^" in str(caught.value)


def test_a_pattern_that_is_asked_for_must_be_an_operands() -> None:
    with pytest.raises(SparsecError, match="asks which entries of 'A' are stored, and 'T' is computed here"):
        parse_source(
            """\
kernel ones(A: f64[n, n] csr) -> y: i64[n] { y[i] = count[j](stored(A[i, j])) }
kernel main(A: f64[n, n] csr) -> y: i64[n] { T[i, j] = 2 * A[i, j]; y = ones(T) }
"""
        )


def test_recursion_through_others_and_growth() -> None:
    with pytest.raises(SparsecError, match="the kernel 'f' calls itself: f -> g -> f"):
        parse_source("kernel f(x: f64) -> y: f64 { y = g(x) }\nkernel g(x: f64) -> y: f64 { y = f(x) }")
    doubling = (
        "\n".join(f"kernel k{n}(x: f64) -> y: f64 {{ a = k{n + 1}(x); y = k{n + 1}(a) }}" for n in range(12))
        + "\nkernel k12(x: f64) -> y: f64 { y = x + 1 }"
    )
    with pytest.raises(SparsecError, match="more than 500 statements when its calls are written out"):
        parse_source(doubling)


def test_there_are_no_kernels_beside_bare_statements() -> None:
    with pytest.raises(sp.TypeError_, match="unknown kernel 'f'"):
        sp.evaluate("a, b = f(x)", x=X)
