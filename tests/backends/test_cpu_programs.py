"""Whole programs: machine code against the interpreter; ways out; what ``Artifact`` offers."""

import ctypes
import gc
import tracemalloc

import numpy as np
import pytest

from sparsec import knobs
from sparsec.backends.cpu import adopt, compile_module, load, release
from sparsec.backends.cpu import run as run_cpu
from sparsec.errors import BackendError
from sparsec.ir import buffer_interp
from sparsec.ir.buffer import Block, Buffer, BufferParam, Call, Const, Function, Let, Module, Op, Store, Var, i64
from sparsec.ir.buffer_text import parse_module
from sparsec.ir.buffer_verify import verify
from sparsec.ir.dtypes import F64
from tests.support.buffer_programs import PROGRAMS, SPMV, arguments


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_agree(name: str, threads: int) -> None:
    module = parse_module(PROGRAMS[name])
    verify(module)
    names = {(getattr(p, "buffer", None) or p.var).name for p in module.entry.params}  # type: ignore[union-attr]
    outcomes = []
    for run in (buffer_interp.run, run_cpu):
        args = arguments(names)
        with knobs.scope(threads=threads):
            results = run(module, args)  # type: ignore[operator]
        outcomes.append(results | {"y": args.get("y", np.zeros(0))})
    assert outcomes[0].keys() == outcomes[1].keys()
    for key, want in outcomes[0].items():
        np.testing.assert_allclose(outcomes[1][key], want, rtol=1e-12, err_msg=key)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("alloc w: f64[n] init 1.0:f64 publish r = w[n] abort overflow", "overflow"),
        ("alloc w: i64[-1:i64]", "memory"),
        ("alloc w: i64[4611686018427387904:i64] w[n] = 0:i64 publish q = w[n]", "memory"),
        ("alloc w: i64[1000000000000000:i64] init 0:i64 w[n] = 0:i64 publish q = w[n]", "memory"),
        ("alloc w: f64[n] publish r = w[n] call g(r)", "width"),
        ("alloc w: f64[n] var c: i64 = n grow w capacity c to 4611686018427387904:i64 publish r = w[c]", "memory"),
        ("alloc w: f64[n] var c: i64 = n grow w capacity c to 100000000000000000:i64 publish r = w[c]", "memory"),
        ("parallel i in 0:i64 .. n grain 1:i64 setup { alloc w: i8[n] } { if eq(i, n) { } abort bounds }", "bounds"),
        ("for i in 0:i64 .. n { alloc w: f64[n] if eq(i, 2:i64) { abort width } }", "width"),
    ],
)
def test_aborts(body: str, code: str, threads: int) -> None:
    text = f"func f(n: i64, result r: f64*, result q: i64*) {{ {body} }} func g(result q: f64*) {{ abort width }}"
    module = parse_module(text)
    verify(module)
    artifact = compile_module(module)
    block = (ctypes.c_int64 * 5)(4, 77, 78, 79, 80)
    with knobs.scope(threads=threads):
        assert artifact.run(block) == {"memory": 1, "overflow": 2, "bounds": 3, "width": 4}[code]
    assert list(block) == [4, 0, 0, 0, 0]
    with pytest.raises(BackendError, match=f"stopped with '{code}'"):
        run_cpu(module, {"n": 4}, artifact)


def test_published_memory_belongs_to_the_array() -> None:
    module = parse_module("func f(n: i64, result r: f64*) { alloc w: f64[n] init 3.0:f64 publish r = w[n] }")
    artifact = compile_module(module)
    r = run_cpu(module, {"n": 1000}, artifact)["r"]
    view = r[10:]
    del r
    gc.collect()
    assert view.sum() == 2970 and view.flags.writeable
    tracemalloc.start()
    for _ in range(50):
        run_cpu(module, {"n": 10_000_000}, artifact)
    tracemalloc.stop()


def test_adopt_and_release() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    array = adopt(libc.malloc(ctypes.c_size_t(16)), 4, np.dtype("int32"))
    array[:] = 7
    assert array.dtype == np.int32 and array.sum() == 28
    release(libc.malloc(ctypes.c_size_t(16)))
    release(0)


def test_sources() -> None:
    artifact = compile_module(parse_module(SPMV))
    assert "fadd reassoc contract double" in artifact.source("llvm")
    assert "noalias" in artifact.source()
    assert "define" in artifact.source("llvm-opt")
    assert "sparsec_entry" in artifact.source("asm")
    with pytest.raises(BackendError, match="no source 'c'"):
        artifact.source("c")
    assert set(artifact.statistics) == {"emit", "setup", "optimise", "codegen", "link"}


def test_the_same_module_gives_the_same_code() -> None:
    for text in PROGRAMS.values():
        assert len({compile_module(parse_module(text)).object_bytes for _ in range(2)}) == 1


@pytest.mark.parametrize("name", ["spmv", "parallel"])
def test_object_code_can_be_loaded_again(name: str) -> None:
    module = parse_module(PROGRAMS[name])
    first = compile_module(module)
    again = load(first.object_bytes, first.entry, first.source("llvm"))
    args = arguments({"pos", "crd", "v", "x", "n"})
    ys = [np.zeros(12), np.zeros(12)]
    for artifact, y in zip((first, again), ys, strict=True):
        run_cpu(module, args | {"y": y}, artifact)
    np.testing.assert_array_equal(*ys)
    assert again.parallel == first.parallel == (name == "parallel")
    with pytest.raises(BackendError, match="without its source"):
        load(first.object_bytes).source()


def test_bytes_that_are_no_machine_code() -> None:
    with pytest.raises(BackendError, match="cannot be loaded"):
        load(b"nonsense" * 100)


def test_arguments_are_checked() -> None:
    module = parse_module("func f(out y: f32*, n: i64) { }")
    for args in ({}, {"y": np.zeros(3), "n": 1}, {"y": np.zeros(8, np.float32)[::2], "n": 1}):
        with pytest.raises(BackendError):
            run_cpu(module, args)
    y = np.zeros(3, np.float32)
    y.flags.writeable = False
    with pytest.raises(BackendError, match="read-only"):
        run_cpu(module, {"y": y, "n": 1})


def test_odd_names() -> None:
    out, one = Buffer("out put", F64), Var('"x\\y', F64)
    body = Block((Let(one, Const(1.0, F64)), Store(out, i64(0), Op("add", (one, one), F64))))
    inner = Function('a "b\\ é', (BufferParam(out, "out"),), body)
    outer = Function("%0 main", (BufferParam(out, "out"),), Block((Call(inner.name, (out,)),)))
    y = np.zeros(1)
    run_cpu(Module((outer, inner)), {"out put": y})
    assert y[0] == 2
