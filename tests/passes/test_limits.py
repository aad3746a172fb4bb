"""Limits of the compiler's own work: past each a program runs another way, and ``explain`` says which and why."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from sparsec.frontends.dsl import parse_source
from sparsec.passes.formats import choose_formats
from sparsec.passes.lower import parting, stretches, sums
from sparsec.passes.lower.mirrored import write_out_symmetric

N = 9


def operands(kinds: list[str]) -> tuple[str, list[str], list[np.ndarray]]:
    """A signature over square operands of ``kinds``, their names, and data that each format holds."""
    rng = np.random.default_rng(0)
    names = [f"A{k}" for k in range(len(kinds))]
    half = [np.tril(np.triu(rng.integers(1, 5, (N, N)) * 1.0, -2)) for _ in kinds]
    given = [h + np.tril(h, -1).T if kind == "sym" else h for h, kind in zip(half, kinds, strict=True)]
    return ", ".join(f"{a}: f64[n, n] {kind}" for a, kind in zip(names, kinds, strict=True)), names, given


def kernel(text: str, kinds: list[str], given: list[np.ndarray]) -> tuple[object, str]:
    """What a kernel makes of ``given``, and what it says of itself."""
    k = sp.compile(text)
    return k(*(sp.tensor(d, format=kind) for d, kind in zip(given, kinds, strict=True))), k.explain()


@pytest.mark.parametrize(
    ("form", "most", "said"),
    [
        ("rle", stretches.MOST, "the loop over j goes by the runs of 4 operands at most"),
        ("band[2, 0]", parting.MOST, "the loop over j is parted by the windows of 4 operands at most"),
    ],
)
def test_operands_that_decide_one_loop(form: str, most: int, said: str) -> None:
    for more in (0, 1):
        kinds = [form] * (most + more)
        signature, names, given = operands(kinds)
        value = " + ".join(f"{a}[i, j]" for a in names)
        made, text = kernel(f"kernel f({signature}) -> y: f64[n, n] {{ y[i, j] = {value} }}", kinds, given)
        assert np.array_equal(made, sum(given))  # type: ignore[arg-type]
        assert text.count(f"{said}; asked at each coordinate instead: 'A4'") == more


def test_halves_of_symmetric_operands() -> None:
    """They double with each factor, and are not all counted."""
    signature, names, _ = operands(["sym"] * 40)
    value = " * ".join(f"{a}[i, {j}]" for a, j in zip(names, "jk" * 20, strict=True))
    (p,) = parse_source(f"kernel f({signature}) -> y: f64[n] {{ y[i] = sum[j, k]({value}) }}").kernels.values()
    notes: list[str] = []
    assert len(write_out_symmetric(choose_formats(p, {}), notes).body) == len(notes) + 1 == 41


@pytest.mark.parametrize("factors", [4, 5])
def test_products_of_sums(factors: int) -> None:
    names = "ABCDE"[:factors]
    x = np.arange(6) - 2
    value = " * ".join(f"({a}[i] + {b}[j])" for a, b in zip(names, names[1:] + names[:1], strict=True))
    signature = ", ".join(f"{a}: i64[n]" for a in names)
    k = sp.compile(f"kernel f({signature}) -> y: i64 {{ y = sum[i, j]({value}) }}")
    assert k(*[x] * factors) == ((x[:, None] + x) ** factors).sum()
    assert (f"has more than {sums.MAX_TERMS} terms" in k.explain()) == (2**factors > sums.MAX_TERMS)
