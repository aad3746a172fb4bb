"""Every operator at every type, scalar and vector: machine code against the interpreter (that is, NumPy)."""

import numpy as np
import pytest

from sparsec.backends.cpu import run as run_cpu
from sparsec.errors import UnsupportedError, VerifyError
from sparsec.ir import buffer_interp, ops
from sparsec.ir.buffer import (
    Block,
    Buffer,
    BufferParam,
    Const,
    For,
    Function,
    Load,
    Module,
    Op,
    Store,
    Type,
    Var,
    Vec,
    i64,
)
from sparsec.ir.buffer_verify import EXTRA_ARITY, verify
from sparsec.ir.dtypes import ALL, BF16, BOOL, C64, F16, F32, F64, I64, U8, DType
from sparsec.ir.tensor_bounds import eps
from sparsec.ir.tensor_values import from_storage, held, to_storage

N = 64
LANES = 8
TYPES = tuple(t for t in ALL if t.kind != "c")
NAMES = tuple(n for n in ops.OPS if n != "cast")
EXTRAS = ("shl", "shr", "ctz", "popcount", "fma", "radd")
# f16: ours computes the whole formula in f32 where NumPy rounds after each step.
SMOOTH = {"gelu": 4e-3, "silu": 4e-3, "sigmoid": 4e-3}


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
    x = rng.normal(size=N) * 10.0 ** rng.integers(-2, 2, N)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 2.5, 0.5, -0.5, 1.0]
    x[rng.choice(N, 18, replace=False)] = np.resize(special, 18)
    return to_storage(from_storage(x.astype(held(t)), t), t)


def elementwise(name: str, args: tuple[DType, ...], result: DType, lanes: int, constant: int | None = None) -> Module:
    """o[i] = name(a0[i], ...), ``lanes`` at a time; the last operand is ``constant`` if there is one."""

    def typed(t: DType) -> Type:
        return Vec(t, lanes) if lanes else t

    i, out = Var("i", I64), Buffer("o", result)
    buffers = tuple(Buffer(f"a{k}", t) for k, t in enumerate(args))
    operands = [Load(b, i, typed(b.dtype)) for b in buffers]
    if constant is not None:
        operands[-1] = Const(constant, typed(args[-1]))  # type: ignore[call-overload]
    store = Store(out, i, Op(name, tuple(operands), typed(result)))
    params = (*(BufferParam(b, "in") for b in buffers), BufferParam(out, "out"))
    return Module((Function("f", params, Block((For(i, i64(0), i64(N), Block((store,)), lanes or 1),))),))


def compare(module: Module, arrays: dict[str, np.ndarray], tolerance: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    t = module.entry.params[-1].buffer.dtype  # type: ignore[union-attr]
    outs = []
    for run in (run_cpu, buffer_interp.run):
        out = np.zeros(N, t.np)
        run(module, arrays | {"o": out})
        outs.append(out)
    if t.is_float:
        rtol = max(tolerance, 8 * eps(t))
        atol = tolerance and 4 * eps(t)
        np.testing.assert_allclose(*(from_storage(o, t).astype(np.float64) for o in outs), rtol=rtol, atol=atol)
    else:
        np.testing.assert_array_equal(*outs)
    return outs[0], outs[1]


def legal(module: Module) -> bool:
    try:
        verify(module)
    except VerifyError:
        return False
    return True


@pytest.mark.parametrize("lanes", [0, LANES])
@pytest.mark.parametrize("name", NAMES)
def test_operators(name: str, lanes: int) -> None:
    seen = 0
    for t in TYPES:
        if name == "select":
            args: tuple[DType, ...] = (BOOL, t, t)
        else:
            args = (t,) * ops.OPS[name].arity
        rule = ops.OPS[name].rule
        if rule in ("float", "test") and not t.is_float:
            continue
        module = elementwise(name, args, ops.result_dtype(name, args), lanes)
        if not legal(module):
            continue
        seen += 1
        arrays = {f"a{k}": values(a, 7 * k + 1) for k, a in enumerate(args)}
        compare(module, arrays, SMOOTH.get(name, 0.0) if t is F16 else 0.0)
    assert seen


@pytest.mark.parametrize("lanes", [0, LANES])
@pytest.mark.parametrize("name", EXTRAS)
def test_extra_operators(name: str, lanes: int) -> None:
    for t in TYPES:
        args = (t,) * EXTRA_ARITY[name]
        module = elementwise(name, args, t, lanes)
        if legal(module):
            compare(module, {f"a{k}": values(t, 5 * k + 2) for k, _ in enumerate(args)}, 0.05 if name == "fma" else 0.0)


@pytest.mark.parametrize("lanes", [0, LANES])
@pytest.mark.parametrize("t", TYPES, ids=str)
def test_casts(t: DType, lanes: int) -> None:
    for to in TYPES:
        x = values(t, 3)
        if t.is_float and to.is_integer:
            info = np.iinfo(to.np)
            plain = np.nan_to_num(from_storage(x, t), posinf=1, neginf=0).astype(np.float64)
            bounded = np.clip(plain, info.min, info.max)
            x = np.where(np.abs(bounded) < 2.0**24, bounded, 3).astype(held(t))
            x = to_storage(np.abs(x) if to.kind == "u" else x, t)
        compare(elementwise("cast", (t,), to, lanes), {"a0": x})


def test_f64_to_f16_rounds_once() -> None:
    halfway = np.float64(1 + 2**-11)
    x = np.resize([halfway, halfway * (1 + 2**-52), halfway * (1 - 2**-52), 65519.999, 65520, 1e-8, -halfway], N)
    got, _ = compare(elementwise("cast", (F64,), F16, 0), {"a0": x.astype(np.float64)})
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(got, x.astype(np.float16))


@pytest.mark.parametrize("t", [t for t in TYPES if t.is_integer], ids=str)
@pytest.mark.parametrize("name", ["floordiv", "mod", "pow", "shl", "shr"])
def test_constant_operands(name: str, t: DType) -> None:
    """Divisors, exponents and shifts known at compile time take shorter ways."""
    constants = (0, 1, 2, 3, 7, 8, 64, *((-1, -2, -3) if t.kind == "i" else ()))
    for constant in constants:
        module = elementwise(name, (t, t), t, 0, constant)
        compare(module, {"a0": values(t, 4), "a1": np.zeros(N, t.np)})


@pytest.mark.parametrize("name", ["reduce_add", "reduce_mul", "reduce_min", "reduce_max"])
def test_lane_reductions(name: str) -> None:
    i = Var("i", I64)
    for t in TYPES:
        a, out = Buffer("a0", t), Buffer("o", t)
        body = Store(out, i, Op(name, (Load(a, i, Vec(t, LANES)),), t))
        loop = For(i, i64(0), i64(N - LANES), Block((body,)))
        module = Module((Function("f", (BufferParam(a, "in"), BufferParam(out, "out")), Block((loop,))),))
        if legal(module):
            x = values(t, 6)
            if t.is_float and name in ("reduce_add", "reduce_mul"):
                x = np.abs(np.nan_to_num(from_storage(x, t), posinf=1, neginf=2)).clip(0.25, 2).astype(held(t))
                x = to_storage(x, t)
            compare(module, {"a0": x}, {F16: 0.02, BF16: 0.1}.get(t, 1e-5))


@pytest.mark.parametrize("name", ["reduce_min", "reduce_max"])
def test_lane_reductions_keep_nan(name: str) -> None:
    a, out = Buffer("a", F32), Buffer("o", F32)
    body = Store(out, i64(0), Op(name, (Load(a, i64(0), Vec(F32, 4)),), F32))
    module = Module((Function("f", (BufferParam(a, "in"), BufferParam(out, "out")), Block((body,))),))
    for lane in range(4):
        x, o = np.arange(4, dtype=np.float32), np.zeros(1, np.float32)
        x[lane] = np.nan
        run_cpu(module, {"a": x, "o": o})
        assert np.isnan(o[0])


def test_complex_values_are_split_before() -> None:
    with pytest.raises(UnsupportedError, match="c64"):
        run_cpu(elementwise("add", (C64, C64), C64, 0), {})


def test_bools_of_other_bytes_count_as_true() -> None:
    """An array of bools that is a view of other bytes may hold any byte."""
    module = elementwise("cast", (BOOL,), U8, 0)
    out = np.zeros(N, np.uint8)
    run_cpu(module, {"a0": np.arange(N, dtype=np.uint8).view(bool), "o": out})
    np.testing.assert_array_equal(out, np.arange(N) != 0)
