"""Group-quantised values: decoded inside kernels, made by name, never by the way."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import sparsec as sp
from sparsec.ir import buffer_text, buffer_verify, tensor_text
from sparsec.ir.buffer import BufferParam
from sparsec.knobs import scope
from sparsec.passes.lower import emit, plan
from sparsec.runtime.quantised import decode
from sparsec.tensors import as_format

RNG = np.random.default_rng(3)
A = scipy.sparse.random(23, 19, 0.4, "csr", rng=RNG, dtype=np.float32)
A.data = RNG.normal(size=A.nnz).astype(np.float32)


def encoded(fmt: str = "csr", values: str = "q4[8]", dtype: str = "f32") -> sp.Tensor:
    return sp.tensor(A).astype(dtype).convert(f"{fmt} values({values})", lossy=True)


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16", "bf16"])
@pytest.mark.parametrize("values", ["q4[8]", "q4[7]", "q8[64]", "q8[1]", "q4[1000]"])
def test_codes_are_within_half_a_step(values: str, dtype: str) -> None:
    """Of the range of the group, widened to hold 0, in as many steps as there are codes."""
    a, q = sp.tensor(A).astype(dtype), encoded("csr", values, dtype)
    exact, got = a.coo()[1].astype(float), q.coo()[1].astype(float)
    enc = q.storage.format.values
    assert enc is not None and q.levels is not None and q.nnz == a.nnz and q.format == f"csr values({values})"
    eps = {"f16": 2**-10, "bf16": 2**-7}.get(dtype, 2**-22)
    for start in range(0, len(exact), enc.group):
        group = exact[start : start + enc.group]
        step = (max(group.max(), 0) - min(group.min(), 0)) / enc.greatest
        # Half a step from rounding the value, and half from rounding the zero point at the ends of the range.
        assert np.abs(got[start : start + enc.group] - group).max() <= step * 1.01 + np.abs(group).max() * eps
    assert q.conversion_error == pytest.approx(np.linalg.norm(got - exact) / np.linalg.norm(exact))
    q.validate()


BLOCKS = "(i, j) -> (i/3: dense, j/4: compressed, i%3: dense, j%4: dense)"


@pytest.mark.parametrize("fmt", ["csr", "csc", "coo", "dense", "csf", "ell[19]", BLOCKS])
@pytest.mark.parametrize("values", ["q4[8]", "q8[64]"])
def test_kernels_decode(values: str, fmt: str) -> None:
    backend = "cpu" if fmt in ("csr", "dense") else "interp"
    q = encoded(fmt, values)
    d, x, b = q.numpy(), RNG.normal(size=19), RNG.normal(size=(19, 40)).astype(np.float32)
    text = f"""format w = {fmt} values({values})
        kernel k(A: f32[m, n] w, x: f64[n], B: f32[n, p], D: f32[m, n] csr)
                -> y: f64[m], C: f32[m, p], E: f32[m, n] csr {{
            y[i] = A[i, j] * x[j]
            C[i, k] = A[i, j] * B[j, k]
            E[i, j] = A[i, j] + D[i, j]
        }}"""
    y, c, e = sp.compile(text, backend=backend)(q, x, b, sp.tensor(A))
    np.testing.assert_allclose(y, d.astype(float) @ x, atol=1e-12)
    np.testing.assert_allclose(c, d @ b, atol=1e-4)
    np.testing.assert_allclose(e.numpy(), d + A.toarray(), atol=1e-6)


def test_a_statement_takes_what_it_gets() -> None:
    q = encoded()
    y = sp.evaluate("y[i] = A[i, j] * x[j]", A=q, x=np.ones(19, np.float32))
    np.testing.assert_allclose(y, q.numpy().sum(1), atol=1e-5)
    with scope(check={"bounds", "verify"}):
        y = sp.evaluate("y[j] = A[i, j] * x[i]", A=q, x=np.ones(23, np.float32))
    np.testing.assert_allclose(y, q.numpy().sum(0), atol=1e-5)


def test_texts_read_back() -> None:
    program = sp.compile("kernel k(A: f32[m, n] csr values(q4[64])) -> y: f32[m] { y[i] = A[i, j] }").program
    text = tensor_text.print_program(program)
    assert "values(q4[64])" in text and tensor_text.parse_program(text) == program
    tensors = tuple(replace(t, format=t.format.concrete()) for t in program.tensors if t.format is not None)
    low = emit(plan(replace(program, tensors=tensors)))
    buffer_verify.verify(low)
    assert buffer_text.parse_module(buffer_text.print_module(low)) == low
    names = {p.buffer.name for p in low.entry.params if isinstance(p, BufferParam)}
    assert {"A_vals", "A_scale", "A_zero"} <= names
    assert str(as_format("csr values(q8[2])", 2)).endswith(") values(q8[2])")


def test_encoding_is_by_name_only() -> None:
    a, x = sp.tensor(A), np.ones(19, np.float32)
    with pytest.raises(sp.FormatError, match="would lose digits") as e:
        a.convert("csr values(q4[8])")
    assert "lossy=True" in str(e.value)
    with pytest.raises(sp.FormatError, match="would lose digits"):
        sp.tensor(A.toarray(), "csr values(q4[8])")
    k = sp.compile("kernel k(A: f32[m, n] csr values(q4[8]), x: f32[n]) -> y: f32[m] { y[i] = A[i, j] * x[j] }")
    for given in (a, A, A.toarray(), encoded("csr", "q4[16]"), encoded("csc")):
        with pytest.raises(sp.FormatError, match="operand 'A' is declared 'csr values"):
            k(given, x)
    with pytest.raises(sp.FormatError, match="'B' is computed here"):
        sp.compile("kernel k(A: f32[m, n] csr) -> B: f32[m, n] csr values(q4[8]) { B[i, j] = A[i, j] }")
    for dtype in ("i32", "c64", "bool"):
        with pytest.raises(sp.TypeError_, match="are floats"):
            a.astype(dtype).convert("csr values(q8[8])", lossy=True)
    with pytest.raises(sp.FormatError, match="value 1 is inf"):
        sp.tensor(np.array([[1.0, np.inf]])).convert("csr values(q8[8])", lossy=True)
    wide = sp.tensor(np.array([[3e38, -3e38]], np.float32))
    assert wide.convert("csr values(q8[2])", lossy=True).conversion_error < 0.01
    bits = sp.tensor(np.array([[3.3e38, -3e38]], np.float32)).astype("bf16")
    assert bits.convert("csr values(q4[2])", lossy=True).conversion_error < 0.1


def test_decoding_loses_nothing() -> None:
    q = encoded()
    d = q.numpy()
    assert q.convert("csr values(q4[8])") is q and q.convert(q.format, lossy=True) is q
    for fmt in ("csr", "csc", "dense", "coo"):
        plain = q.convert(fmt)
        assert plain.format == fmt and plain.conversion_error is None and np.array_equal(plain.numpy(), d)
    assert np.array_equal(q.scipy().toarray(), d) and np.array_equal(q.astype("f64").numpy(), d)
    assert q.prune().nnz <= q.nnz and np.array_equal(q.prune().numpy(), d)
    assert decode(q.storage).codes is None and decode(sp.tensor(A).storage).codes is None


def test_encoded_tensors_travel(tmp_path: Path) -> None:
    q = encoded()
    assert q.nbytes < sp.tensor(A).nbytes and "values(q4[8])" in repr(q)
    for other in (pickle.loads(pickle.dumps(q)), q.copy()):
        assert other.format == q.format and np.array_equal(other.numpy(), q.numpy())
    sp.write(tmp_path / "q.npz", q)
    back = sp.read(tmp_path / "q.npz")
    assert back.format == q.format and np.array_equal(back.numpy(), q.numpy()) and back.nbytes == q.nbytes
    sp.write(tmp_path / "q.mtx", q)
    np.testing.assert_allclose(sp.read(tmp_path / "q.mtx").numpy(), q.numpy(), rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 2)])
def test_nothing_to_encode(shape: tuple[int, int]) -> None:
    q = sp.tensor(np.zeros(shape, np.float32), "csr").convert("csr values(q4[64])", lossy=True)
    assert q.nnz == 0 and q.conversion_error == 0.0 and not q.numpy().any()
    q.validate()
    assert sp.evaluate("y[i] = A[i, j] * x[j]", A=q, x=np.ones(shape[1], np.float32)).tolist() == [0.0] * shape[0]


def test_operators_see_the_decoded_values() -> None:
    for fmt in ("csr", "dense"):
        q = encoded(fmt)
        d, x = q.numpy(), RNG.normal(size=19).astype(np.float32)
        np.testing.assert_allclose(q @ x, d @ x, atol=1e-5)
        for got, want in (
            (q @ sp.tensor(A).T, d @ A.toarray().T), (2 * q, 2 * d), (q + q, d + d), (-q, -d), (abs(q), abs(d)),
            (np.sin(q), np.sin(d)), (q.T, d.T),
            (q[1:4], d[1:4]), (q[3], d[3]), (q.sum(axis=0), d.sum(axis=0)), (q == q, d == d),
            (q.reshape(-1), d.reshape(-1)),
            (q.max(axis=1), d.max(axis=1)), (q.real, d), (q.copy(), d),
        ):  # fmt: skip
            made = got.numpy() if isinstance(got, sp.Tensor) else got
            if isinstance(got, sp.Tensor):
                got.validate()
            np.testing.assert_allclose(made, want, atol=1e-5)
        assert q[2, 3] == d[2, 3]
        with pytest.raises(sp.UnsupportedError, match="assigning into encoded values"):
            q[0, 0] = 1


def test_arrays_that_lie_are_found() -> None:
    s = encoded().storage
    assert s.codes is not None
    for wrong in (
        replace(s, values=s.values[:-1]), replace(s, codes=None), replace(s, codes=replace(s.codes, count=3)),
        replace(s, codes=replace(s.codes, scale=s.codes.scale.astype(np.float64))),
        replace(s, codes=replace(s.codes, zero=s.codes.zero[1:])),
    ):  # fmt: skip
        with pytest.raises(sp.FormatError):
            wrong.validate()


def test_a_group_may_pass_the_number_of_values_by_far() -> None:
    small, large = encoded("csr", "q8[1000]"), encoded("csr", f"q8[{2**31 - 1}]")
    assert np.array_equal(small.numpy(), large.numpy())
