"""Every operator at every type: the C backend against the interpreter (that is, NumPy)."""

import numpy as np
import pytest

from sparsec.backends.c import emit_c
from sparsec.backends.c import run as run_c
from sparsec.backends.c.run import compiler
from sparsec.errors import UnsupportedError, VerifyError
from sparsec.ir import buffer_interp, ops
from sparsec.ir.buffer import (
    Block,
    Buffer,
    BufferParam,
    For,
    Function,
    Let,
    Load,
    Module,
    Op,
    Store,
    Var,
    Vec,
    i64,
)
from sparsec.ir.buffer_verify import EXTRA_ARITY, verify
from sparsec.ir.dtypes import ALL, BF16, BOOL, I64, DType

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler")
N = 64
INTEGER_EXTRAS = ("shl", "shr", "ctz", "popcount")


def values(t: DType, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if t is BOOL:
        return rng.random(N) < 0.5
    if t.is_integer:
        info = np.iinfo(t.np)
        out = rng.integers(-8 if t.kind == "i" else 0, 9, N).astype(t.np)
        edges = np.array([0, 1, info.max, info.min, info.max - 1, t.bits], t.np)
        out[rng.choice(N, 24, replace=False)] = np.resize(rng.permutation(edges), 24)
        return out
    x = rng.normal(size=N) * 3
    x[rng.choice(N, 18, replace=False)] = np.resize([0.0, -0.0, np.inf, -np.inf, np.nan, 2.5], 18)
    if t is BF16:
        return (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    if t.kind == "c":
        return (rng.normal(size=N) + 1j * rng.normal(size=N)).astype(t.np)
    return x.astype(t.np)


def signature(name: str, t: DType) -> tuple[tuple[DType, ...], DType]:
    if name == "select":
        return (BOOL, t, t), t
    if name in EXTRA_ARITY:
        return (t,) * EXTRA_ARITY[name], t
    args = (t,) * ops.OPS[name].arity
    return args, ops.result_dtype(name, args)


def kernel(names: list[str], t: DType, lanes: int = 0) -> tuple[Module, dict[str, np.ndarray]]:
    """Each operator over the same operands a, b, c (and the condition p), into a result of its own."""
    i = Var("i", I64)
    sources = {"a": Buffer("a", t), "b": Buffer("b", t), "c": Buffer("c", t), "p": Buffer("p", BOOL)}
    args = {name: values(b.dtype, n) for n, (name, b) in enumerate(sources.items())}
    params = [BufferParam(b, "in") for b in sources.values()]
    body = []
    for name in names:
        types, result = signature(name, t)
        out = Buffer(f"out_{name}", result)
        params.append(BufferParam(out, "out"))
        args[out.name] = np.zeros(N, result.np)
        names_in = ("p", "a", "b") if name == "select" else ("a", "b", "c")
        kind = (lambda d: Vec(d, lanes)) if lanes else (lambda d: d)
        loads = tuple(Load(sources[s], i, kind(d)) for s, d in zip(names_in, types, strict=False))
        value = Var(f"v_{name}", kind(result))
        body += [Let(value, Op(name, loads, kind(result))), Store(out, i, value)]
    loop = For(i, i64(0), i64(N), Block(tuple(body)), step=max(lanes, 1))
    return Module((Function("ops", tuple(params), Block((loop,))),)), args


def supported(names: list[str], t: DType) -> list[str]:
    out = []
    for name in names:
        try:
            verify(kernel([name], t)[0])
            emit_c(kernel([name], t)[0])
        except (VerifyError, UnsupportedError):
            continue
        out.append(name)
    return out


def agree(module: Module, args: dict[str, np.ndarray]) -> None:
    want = {k: v.copy() for k, v in args.items()}
    got = {k: v.copy() for k, v in args.items()}
    buffer_interp.run(module, want)
    run_c(module, got)
    dtypes = {p.buffer.name: p.buffer.dtype for p in module.entry.params}
    for name, w in want.items():
        g, t = got[name], dtypes[name]
        if t is BF16:
            w, g = (x.astype(np.uint32) << 16 for x in (w, g))
            w, g = w.view(np.float32), g.view(np.float32)
        if t.kind in "bui":
            np.testing.assert_array_equal(g, w, err_msg=f"{name} {t}")
        else:
            eps = {"f16": 2e-3, "bf16": 1.6e-2, "f32": 2e-6, "c64": 2e-5}.get(t.name, 4e-15 if t.kind == "f" else 1e-13)
            np.testing.assert_allclose(g, w, rtol=eps, atol=eps, err_msg=f"{name} {t}")


@pytest.mark.parametrize("t", ALL, ids=str)
def test_ops_agree(t: DType) -> None:
    names = [n for n in ops.OPS if n != "cast"] + ["fma", "radd", *INTEGER_EXTRAS]
    module, args = kernel(supported(names, t), t)
    agree(module, args)


@pytest.mark.parametrize("t", ["i8", "u16", "i64", "f32", "bf16", "c64"])
def test_vector_ops_agree(t: str) -> None:
    dtype = next(d for d in ALL if d.name == t)
    names = [n for n in ops.OPS if n != "cast"] + ["fma", "radd", *INTEGER_EXTRAS]
    module, args = kernel(supported(names, dtype), dtype, lanes=8)
    agree(module, args)


def test_arithmetic_is_supported_everywhere() -> None:
    for t in ALL:
        got = set(supported(["add", "sub", "mul", "div", "min", "eq", "neg", "abs"], t))
        want = {"add", "sub", "mul", "eq", "neg", "abs", "min", "div"}
        want -= {"sub", "neg", "div"} if t is BOOL else {"div"} if t.is_integer else {"min"} if t.kind == "c" else set()
        assert got == want, t


@pytest.mark.parametrize("source", ALL, ids=str)
def test_casts_agree(source: DType) -> None:
    i = Var("i", I64)
    a = Buffer("a", source)
    data = values(source, 1)
    if source is BF16:
        data = np.where(np.abs((data.astype(np.uint32) << 16).view(np.float32)) < 100, data, 0).astype(np.uint16)
    elif source.kind in "fc":
        data = np.where(np.isfinite(data), data, 3.7).astype(source.np)
    params, body, args = [BufferParam(a, "in")], [], {"a": data}
    for target in ALL:
        if target.kind == "u" and source.kind in "fc":
            continue  # negative: any integer will do
        out = Buffer(f"out_{target}", target)
        params.append(BufferParam(out, "out"))
        args[out.name] = np.zeros(N, target.np)
        body.append(Store(out, i, Op("cast", (Load(a, i, source),), target)))
    module = Module((Function("casts", tuple(params), Block((For(i, i64(0), i64(N), Block(tuple(body))),))),))
    verify(module)
    agree(module, args)
