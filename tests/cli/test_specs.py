"""Operands on the command line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from sparsec.cli.specs import Coordinates, FromFile, Generated, SpecError, Value, distinct, generate, parse
from sparsec.ir import dtypes


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("A=matrix.mtx", "A", FromFile(Path("matrix.mtx"))),
        ("A=dir/a=b.npz", "A", FromFile(Path("dir/a=b.npz"))),
        ("x=rand(1000)", "x", Generated("rand", (1000,))),
        ("x=rand(1000, 64)", "x", Generated("rand", (1000, 64))),
        ("x=rand()", "x", Generated("rand", ())),
        ("A=rand(1000,1000,0.01)", "A", Generated("rand", (1000, 1000), 0.01)),
        ("A=rand(10,20,1e-2):f32", "A", Generated("rand", (10, 20), 0.01, dtypes.F32)),
        ("A=ones(10,1.0)", "A", Generated("ones", (10,), 1.0)),
        ("A=eye(5)", "A", Generated("eye", (5,))),
        ("a=3.5", "a", Value(3.5)),
        ("a=-3", "a", Value(-3)),
        ("a=1e-3", "a", Value(1e-3)),
        ("a=2j", "a", Value(2j)),
        ("a=inf", "a", Value(math.inf)),
        ("b=true", "b", Value(True)),
        ("x=[1, 2.5]", "x", Value([1, 2.5])),
    ],
)
def test_parse(text: str, name: str, spec: object) -> None:
    got_name, got = parse(text)
    assert (got_name, got) == (name, spec)
    assert not isinstance(got, Value) or type(got.value) is type(spec.value)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("matrix.mtx", "is not NAME=VALUE"),
        ("1A=3", "is not NAME=VALUE"),
        ("A=", "has no value"),
        ("A=rand(10", "lacks its closing bracket"),
        ("A=rnd(10)", "there is no 'rnd'"),
        ("A=rand(10,x)", "an extent or a density"),
        ("A=rand(x,10)", "extents are whole numbers"),
        ("A=rand(10,10,1.5)", "a density is between"),
        ("A=eye(10,10)", "takes one number"),
        ("A=eye(10,0.5)", "takes no density"),
        ("A=rand(10):f31", "unknown dtype 'f31'"),
        ("x=rand(1000000000000)", "too large"),
        ("x=[1, 'a']", "not an array of numbers"),
        ("x=[1, [2]]", "not an array of numbers"),
        ("x=[1,", "not an array of numbers"),
    ],
)
def test_wrong(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse(text)


def test_dense() -> None:
    x = generate(Generated("rand", (50, 4)), "x")
    assert isinstance(x, np.ndarray) and x.shape == (50, 4) and x.dtype == np.float64
    assert x.min() < 0 < x.max() and np.abs(x).max() <= 1
    assert generate(Generated("rand", (3,)), "x", dtype=dtypes.F32).dtype == np.float32  # type: ignore[union-attr]
    assert np.array_equal(generate(Generated("rand", (50, 4)), "x"), x)
    assert not np.array_equal(generate(Generated("rand", (50, 4)), "y"), x)
    assert not np.array_equal(generate(Generated("rand", (50, 4)), "x", seed=1), x)


@pytest.mark.parametrize("dtype", [t for t in dtypes.ALL if t is not dtypes.BF16], ids=str)
def test_every_dtype(dtype: dtypes.DType) -> None:
    for kind in ("rand", "randn", "zeros", "ones"):
        assert generate(Generated(kind, (7,)), "x", dtype=dtype).dtype == dtype.np  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("shape", "density"), [((100, 30), 0.1), ((100, 30), 0.9), ((0, 5), 0.5), ((10**9, 10**9), 1e-16)]
)
def test_sparse(shape: tuple[int, ...], density: float) -> None:
    made = generate(Generated("rand", shape, density), "A")
    assert isinstance(made, Coordinates)
    assert made.shape == shape and made.coords.dtype == np.int64
    assert made.coords.shape == (2, round(density * math.prod(shape))) and made.values.shape == made.coords.shape[1:]
    assert all(((c >= 0) & (c < n)).all() for c, n in zip(made.coords, shape, strict=True))
    places = list(map(tuple, made.coords.T.tolist()))
    assert places == sorted(set(places))


def test_eye() -> None:
    made = generate(Generated("eye", (4,)), "A")
    assert isinstance(made, Coordinates)
    assert made.coords.tolist() == [[0, 1, 2, 3]] * 2 and made.values.tolist() == [1] * 4


@pytest.mark.parametrize(("size", "number"), [(10, 10), (1000, 3), (10**15, 1000), (5, 0), (0, 0)])
def test_distinct(size: int, number: int) -> None:
    found = distinct(np.random.default_rng(0), size, number)
    assert len(found) == len(set(found.tolist())) == number
    assert np.array_equal(found, np.sort(found)) and all(0 <= n < size for n in found)
