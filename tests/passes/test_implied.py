"""What a condition decides of comparisons, and what is left of statements about symmetric results."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.frontends.dsl import parse_source
from sparsec.ir.tensor import Literal
from sparsec.passes.lower.implied import under
from sparsec.passes.lower.simplify import absent_value


def left(value: str, where: str, dtype: str = "i64") -> object:
    """What ``value`` is where ``where`` holds: a literal's value, or the operator of what is left."""
    head = f"kernel f(x: {dtype}[n]) -> C: bool[n, n, n, n]"
    (p,) = parse_source(f"{head} {{ C[i, j, k, l] = {value} where {where} }}").kernels.values()
    (s,) = p.body
    assert s.where is not None
    e = absent_value(under(s.value, s.where), {}, ())
    return e.value if isinstance(e, Literal) else type(e).__name__


@pytest.mark.parametrize(
    ("value", "where", "wanted"),
    [
        ("i < j", "i >= j", False),
        ("i >= j", "i >= j", True),
        ("i <= j", "i == j", True),
        ("i == j", "i < j", False),
        ("i <= j", "i < k and k <= j", True),
        ("j < i", "i <= k and k <= l and l <= j", False),
        ("i < j", "i <= k and k <= j", "Map"),
        ("i < j", "i < k", "Map"),
        ("i < j", "i < j or j < i", "Map"),
        ("2 < i", "3 < i", "Map"),
        ("not any[i](x[i] == 0 and i < j)", "i >= j", "Map"),
        ("not any[k](x[k] == 0 and i < j)", "i >= j", True),
        ("x[i] < x[j]", "x[i] >= x[j]", False),
    ],
)
def test_comparisons(value: str, where: str, wanted: object) -> None:
    assert left(value, where) == wanted


def test_floats_may_be_unordered() -> None:
    assert left("x[i] < x[j]", "x[i] >= x[j]", "f64") == "Map"


def test_a_scan_is_computed_elsewhere_too() -> None:
    text = "kernel f(x: f64[n]) -> y: f64[n, n] { y[i, j] = scan[j](x[j] where i < j) where i >= j }"
    (p,) = parse_source(text).kernels.values()
    (s,) = p.body
    assert s.where is not None and under(s.value, s.where) is s.value


@pytest.mark.parametrize(
    ("value", "reads"),
    [("A[i, j] + B[i, j]", 2), ("A[i, j] * B[i, j] * D[i, j]", 3), ("A[i, j] - 2 * B[j, i]", 2)],
)
def test_one_half_is_read_for_one_half(value: str, reads: int) -> None:
    operands = ", ".join(f"{a}: f64[n, n] sym" for a in "ABD")
    k = sp.compile(f"kernel f({operands}) -> C: f64[n, n] sym {{ C[i, j] = {value} }}")
    loops = k.ir("loops")
    assert loops.count("mul") + loops.count("add(") + loops.count("sub(") <= reads and "lt(" not in loops
    assert "converted" not in k.explain()
    rng = np.random.default_rng(0)
    given = [np.tril(rng.integers(0, 3, (6, 6)) * 1.0) for _ in "ABD"]
    a, b, d = (h + np.tril(h, -1).T for h in given)
    made = k(*(sp.tensor(x, format="sym") for x in (a, b, d)))
    i = j = slice(None)
    wanted = eval(value.replace("[i, j]", "").replace("B[j, i]", "B.T"), {"A": a, "B": b, "D": d, "i": i, "j": j})
    assert np.array_equal(made.numpy(), wanted)
