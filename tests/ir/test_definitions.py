"""Operators defined by others."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import sparsec as sp
from sparsec.backends.c.run import compiler
from sparsec.frontends.dsl import typing
from sparsec.ir import ops
from sparsec.ir.definitions import Apply, parse, unfold
from sparsec.ir.dtypes import F64

X = np.array([-np.inf, -800.0, -2.5, -0.0, 0.0, 1e-3, 3.0, 800.0, np.inf, np.nan])


def test_symbols_calls_and_numbers() -> None:
    half = Apply("mul", ("x", 0.5))
    assert parse("select(x < 0, -1, x * 0.5)") == Apply("select", (Apply("lt", ("x", 0)), -1, half))
    assert parse("-y / inf") == Apply("div", (Apply("neg", ("y",)), float("inf")))


def test_what_stands_twice_is_computed_once() -> None:
    done: list[str] = []

    def apply(op: str, values: list[float]) -> float:
        done.append(op)
        return float(ops.OPS[op].numpy(*values))

    assert unfold(parse("exp(-x) / (1 + exp(-x))"), {"x": 0.0}, float, apply) == 0.5
    assert sorted(done) == ["add", "div", "exp", "neg"]


@pytest.mark.parametrize("text", ["x if y else z", "x @ y", "x and y", "'x'", "f.g(x)"])
def test_what_a_definition_cannot_say(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse(text)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("sigmoid", scipy.special.expit),
        ("silu", lambda x: x * scipy.special.expit(x)),
        ("gelu", lambda x: x * scipy.special.ndtr(x)),
        ("relu", lambda x: np.maximum(x, 0)),
        ("rsqrt", lambda x: 1 / np.sqrt(x)),
    ],
)
def test_meanings(name: str, meant: object) -> None:
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(ops.evaluate(name, (X,), F64), meant(X), rtol=1e-15, atol=1e-15)  # type: ignore[operator]


C = pytest.param("c", marks=pytest.mark.skipif(compiler() is None, reason="no C compiler"))


@pytest.mark.parametrize("backend", ["cpu", C, "interp"])
def test_a_new_operator_is_one_line(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    softsign = ops._defined("softsign", 1, "float", "x / (1 + abs(x))")
    monkeypatch.setitem(ops.OPS, "softsign", softsign)
    monkeypatch.setattr(typing, "FUNCTIONS", (*typing.FUNCTIONS, "softsign"))  # made of OPS at import
    text = "kernel f(A: f64[m] sparse, B: f64[m]) -> C: f64[m] { C[i] = softsign(A[i]) - softsign(B[i]) }"
    a, b = np.array([0.0, 2.0, -3.0, 0.0]), np.array([1.0, -1.0, 0.5, 0.0])
    found = sp.compile(text, backend=backend)(a, b)
    np.testing.assert_allclose(found, a / (1 + abs(a)) - b / (1 + abs(b)), rtol=1e-15)
