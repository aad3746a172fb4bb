"""Checked accesses: nothing changes where all is in bounds; where it isn't, the error says what, where and how far."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import sparsec as sp
from sparsec.backends.c.run import compiler
from sparsec.driver import Call, Stopped
from sparsec.errors import BackendError
from sparsec.ir import buffer_interp, buffer_verify
from sparsec.ir.buffer_text import parse_module, print_module
from sparsec.knobs import scope
from sparsec.passes.bounds import check_bounds
from sparsec.passes.tiles import expand_tiles
from tests.support.buffer_programs import PROGRAMS, arguments
from tests.support.native import Native


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n != "scalars"])
def test_programs_compute_what_they_did(name: str) -> None:
    module = expand_tiles(parse_module(PROGRAMS[name]))
    checked = check_bounds(module).module
    buffer_verify.verify(checked)
    assert parse_module(print_module(checked)) == checked
    names = {(getattr(p, "buffer", None) or p.var).name for p in module.entry.params}  # type: ignore[union-attr]
    outcomes = []
    for run in (buffer_interp.run, Native(module, bounds=True)):
        args: dict[str, Any] = arguments(names)
        results = run(module, args)
        outcomes.append(results | {"y": args.get("y", np.zeros(0))})
    for key, want in outcomes[0].items():
        np.testing.assert_allclose(outcomes[1][key], want, rtol=1e-12, err_msg=key)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("w[n] = 0.0:f64", "buffer 'w' at index 8, and it has 8 elements"),
        ("w[-1:i64] = 0.0:f64", "buffer 'w' at index -1, and it has 8"),
        ("y[0:i64] = w[n]", "buffer 'w' at index 8"),
        ("y[0:i64] = x[n]", "array 'crd' of level 1 of 'A' at index 8, and it has 5 elements"),
        ("y[n] = 1.0:f64", "'y' \\(vals\\) at index 8, and it has 8 elements"),
        ("y[0:i64] = w[cast(x[5:i64]):i64]", "'crd' of level 1 of 'A' at index 5"),
        ("y[0:i64] = w[cast(mul(x[4:i64], 100.0:f64)):i64]", "buffer 'w' at index 100, and it has 8"),
        ("y[0:i64] = reduce_add(w[sub(n, 3:i64)]:x4)", "'w' at index 8, and it has 8"),
        ("w[sub(n, 3:i64)] = splat(0.0:f64):f64x4", "'w' at index 8"),
        ("w[-2:i64] = splat(0.0:f64):f64x4", "'w' at index -1"),
        ("y[0:i64] = reduce_add(w[add(iota():i64x4, splat(sub(n, 3:i64)):i64x4)]:x4)", "'w' at index 8"),
        ("parallel i in 0:i64 .. n grain 8:i64 { w[add(i, 1:i64)] = 1.0:f64 }", "'w' at index 8"),
        ("parallel i in 0:i64 .. n grain 8:i64 setup { alloc u: i8[n] } { u[add(i, 1:i64)] = 1:i8 }", "'u' at index 8"),
        ("var c: i64 = n grow w capacity c to add(n, 1:i64) w[c] = 1.0:f64", "'w' at index 16, and it has 16"),
        ("alloc s: i32[8:i64] init 0:i32 stack s[n] = 0:i32", "'s' at index 8, and it has 8"),
        ("var i: i64 = 0:i64 while lt(w[i], 1.0:f64) { i = add(i, 1:i64) }", "'w' at index 8"),
        ("if lt(w[n], 1.0:f64) { }", "'w' at index 8"),
        ("for i in 0:i64 .. cast(w[n]):i64 { }", "'w' at index 8"),
        ("free w y[0:i64] = w[0:i64]", "'w' at index 0, and it has 0"),
        ("alloc c: i16[1:i64] init 1:i16 atomic_add c[n] 1:i16", "'c' at index 8, and it has 1"),
        ("publish r = w[add(n, 1:i64)]", "'w' at index 8, and it has 8"),
        ("call g(y, n)", "'y' \\(vals\\) at index 8, and it has 8"),
        ("y[0:i64] = (w[n] if lt(n, 9:i64))", "'w' at index 8"),
    ],
)
def test_what_is_out_of_bounds_is_said(body: str, said: str) -> None:
    module = parse_module(
        "func f(in x: f64* @A.1.crd, out y: f64* @y.-1.vals, result r: f64*, n: i64) { "
        f"alloc w: f64[n] init 0.0:f64 {body} }} "
        "func g(out o: f64* @y.-1.vals, n: i64) { o[n] = 1.0:f64 }"
    )
    buffer_verify.verify(module)
    with pytest.raises(BackendError, match=said):
        Native(module, bounds=True)(module, {"x": np.ones(5), "n": 8, "y": np.zeros(8)})


def test_masked_accesses_are_not_checked() -> None:
    body = """y[0:i64] = reduce_add((w[sub(n, 3:i64)]:x4 if lt(iota():i64x4, splat(3:i64):i64x4)))
      y[1:i64] = (w[cast(w[n]):i64] if lt(n, 0:i64))
      y[n] = 1.0:f64 if lt(n, 0:i64)"""
    module = parse_module(f"func f(out y: f64*, n: i64) {{ alloc w: f64[n] init 2.0:f64 {body} }}")
    y = np.zeros(8)
    Native(module, bounds=True)(module, {"n": 8, "y": y})
    assert y[:2].tolist() == [6, 0]


A = np.array([[1.0, 0, 2], [0, 3, 0]])
TEXT = "kernel k(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }"


@pytest.mark.parametrize("backend", ["cpu", "c"])
def test_a_kernel_names_the_array(backend: str) -> None:
    """Past the door: the arrays are changed between validation and call."""
    if backend == "c" and compiler() is None:
        pytest.skip("no C compiler")
    a, x = sp.tensor(A, "csr"), np.ones(3)
    with scope(check={"bounds"}):
        kernel = sp.compile(TEXT, backend=backend)
        kernel(a, x)
        a.levels[1]["crd"][1] = 7
        s = a.storage
        call = Call([s.addresses, [x.ctypes.data]], [s.buffers, [x]], {"m": 2, "n": 3}, {"y": np.empty(2)})
        with pytest.raises(Stopped, match=r"the kernel accessed 'x' \(vals\) at index 7, and it has 3 elements") as e:
            kernel._last.run(call)
        assert e.value.reason == "bounds" and "changed after validation" in str(e.value)


@pytest.mark.parametrize("dtype", ["complex64", "bool"])
def test_results_grow_under_the_check(dtype: str) -> None:
    a = scipy.sparse.random(40, 30, 0.2, "csr", rng=np.random.default_rng(0)).astype(dtype)
    with scope(check={"bounds"}):
        for fmt in ("csr", "coo", "csc"):
            c = sp.evaluate(f"C[i, j]: {fmt} = A[i, k] * B[k, j]", A=a, B=a.T.tocsr())
            np.testing.assert_allclose(c.numpy(), (a @ a.T).toarray(), rtol=1e-5)


def test_index_arrays_changed_after_validation_are_found() -> None:
    with scope(check={"bounds"}):
        k = sp.compile(TEXT)
        own, theirs = sp.tensor(A, "csr"), scipy.sparse.csr_array(A)
        assert k(own, np.ones(3)).tolist() == k(theirs, np.ones(3)).tolist() == [3, 3]
        own.levels[1]["crd"][1] = 7
        with pytest.raises(sp.FormatError, match=r"operand 'A': level 1 \(j: compressed\).*7"):
            k(own, np.ones(3))
        theirs.indices[1] = 9
        with pytest.raises(sp.FormatError, match=r"operand 'A': level 1 \(j: compressed\).*9"):
            k(theirs, np.ones(3))


def test_notes_stay() -> None:
    module = expand_tiles(parse_module(PROGRAMS["scalars"]))
    assert check_bounds(replace(module, notes=("said",))).module.notes == ("said",)
