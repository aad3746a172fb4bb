"""Elementary functions of compiled code: within 4 units in the last place of the true value, special values as in C."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import sparsec as sp

FUNCTIONS = {"exp": mp.exp, "expm1": mp.expm1, "log": mp.log, "log1p": mp.log1p, "tanh": mp.tanh, "erf": mp.erf,
             "sin": mp.sin, "cos": mp.cos}  # fmt: skip
TYPES = {"f64": np.float64, "f32": np.float32}


def arguments(t: type) -> np.ndarray[Any, Any]:
    """Numbers of all sizes, and those at which the formulas change."""
    rng = np.random.default_rng(5)
    info = np.finfo(t)
    edge = math.log(float(info.max))
    sides = np.array([1, 0.5, 2, edge, 20, 40, 4, 6, 1.6e6, 2.0**20 * math.pi / 2, 0.34657359, 0.70710678, 1e5, 3.0])
    near = np.concatenate([sides, sides * (1 + 1e-7), sides * (1 - 1e-7), [info.tiny, info.smallest_subnormal]])
    sizes = 10.0 ** rng.uniform(math.log10(float(info.tiny)), math.log10(float(info.max)), 150)
    turns = rng.integers(0, 10**6, 150) * math.pi / 2
    found = np.concatenate([near, rng.uniform(0, 10, 200), 10.0 ** rng.uniform(-8, 2.5, 250), sizes, turns])
    return np.concatenate([found, -found, 1 + rng.uniform(-0.5, 0.5, 50)]).astype(t)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_within_four_units_in_the_last_place(name: str, dtype: str) -> None:
    t = TYPES[dtype]
    x = arguments(t)
    if name.startswith("log"):
        x = x[x > (-1 if name == "log1p" else 0)]
    got = sp.compile(f"kernel f(x: {dtype}[n]) -> y: {dtype}[n] {{ y[i] = {name}(x[i]) }}")(x)
    with mp.workdps(400 if dtype == "f64" else 80), np.errstate(over="ignore"):
        for a, b in zip(x, got, strict=True):
            want = FUNCTIONS[name](mp.mpf(float(a)))
            near = t(float(want))
            if np.isinf(near) or np.isinf(b):
                assert b == near, (a, b)
                continue
            off = abs(mp.mpf(float(b)) - want) / float(np.spacing(np.abs(near)))
            assert off <= 4, f"{name}({a!r}) is {b!r}, {float(off):.1f} units off"


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n", [1, 3, 64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_are_those_of_numpy(name: str, n: int, dtype: str) -> None:
    x = np.resize(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -1.0, 1e30, -1e30], TYPES[dtype]), max(n, 8))
    k = sp.compile(f"kernel f(x: {dtype}[n]) -> y: {dtype}[n] {{ y[i] = {name}(x[i]) }}")
    with np.errstate(all="ignore"):
        want = np.array([float(_erf(v)) for v in x]) if name == "erf" else getattr(np, name)(x)
    for start in range(0, len(x) - n + 1, n):
        part = slice(start, start + n)
        got = k(x[part])
        np.testing.assert_allclose(got, want[part], rtol=8 * np.finfo(x.dtype).eps)
        zero = got == 0
        assert (np.signbit(got) == np.signbit(want[part]))[zero].all()


def _erf(v: float) -> float:
    return float(np.nan) if np.isnan(v) else math.copysign(math.erf(v), v)
