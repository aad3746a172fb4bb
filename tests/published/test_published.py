"""The expressions of others in every listed combination of formats.

Of expressions with very many combinations a quick run takes one in four; ``pytest -m fuzz`` takes, and compiles, all.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.ir.tensor_values import from_storage
from tests.published import finch, mlir, pydata, sam, taco, tensora
from tests.published.cases import Published, operands
from tests.support.differential import check, execute, expected, lower
from tests.support.public import call
from tests.support.stages import program_of
from tests.support.strategies import Data, expand

Array = np.ndarray[Any, np.dtype[Any]]
ALL = {**taco.ALL, **tensora.ALL, **sam.ALL, **mlir.ALL, **finch.ALL}
MANY, QUICK, COMPILED = 16, 4, 16


def one_in(n: int, label: str) -> bool:
    return zlib.crc32(label.encode()) % n == 0


def combinations(everything: bool) -> list[Any]:
    out = []
    for name, case in ALL.items():
        for n, formats in enumerate(case.formats):
            label = case.label(formats)
            if everything or n == 0 or len(case.formats) <= MANY or one_in(QUICK, label):
                compiled = everything or n == 0 or one_in(COMPILED, label)
                out.append(pytest.param(case, formats, compiled, id=f"{name.partition('-')[0]}-{label}"))
    return out


def means_what_it_says(case: Published, formats: Mapping[str, str], compiled: bool) -> None:
    """Buffer IR, and machine code where ``compiled``, against the reference meaning, and that against the source's."""
    text = case.text(formats)
    program = program_of(text)
    low = lower(program)
    for empty in (False,) if case.data else (False, True):
        arrays = operands(case, {t.name: t for t in low.program.operands}, empty)
        stored = {}
        for t in low.program.operands:
            assert t.format is not None
            values = from_storage(arrays[t.name], t.dtype)
            same = (values == t.fill) | ((values != values) & (t.fill != t.fill))
            stored[t.name] = expand(t.format, ~same | t.format.is_dense)
        data = Data(dict(case.dims), arrays, stored)
        want, bound = expected(low.program, data)
        types = {t.name: t.dtype for t in program.results}
        for name, value in case.published.items():
            got = from_storage(want[name], types[name])
            assert np.allclose(got, value, rtol=1e-5, equal_nan=True), f"the source has {value}, '{name}' means {got}"
        check({n: v for n, (v, _) in execute(low, data).items()}, want, bound, "buffer IR")
        if compiled:
            check(call(sp.compile(text), program, data), want, bound, "public")


@pytest.mark.parametrize(("case", "formats", "compiled"), combinations(everything=False))
def test_means_what_it_says(case: Published, formats: Mapping[str, str], compiled: bool) -> None:
    means_what_it_says(case, formats, compiled)


@pytest.mark.fuzz
@pytest.mark.parametrize(("case", "formats", "compiled"), combinations(everything=True))
def test_all_combinations(case: Published, formats: Mapping[str, str], compiled: bool) -> None:
    means_what_it_says(case, formats, compiled)


def einsum(subscripts: str, formats: tuple[str, ...], extent: int, density: float) -> None:
    """``sp.einsum`` and NumPy's on the same whole numbers."""
    rng = np.random.default_rng(zlib.crc32(subscripts.encode()))
    arrays, ours = [], []
    for term, fmt in zip(subscripts.split("->")[0].split(","), formats, strict=True):
        shape = (extent,) * len(term.replace("...", "z"))
        array = np.where(rng.random(shape) < density, rng.integers(1, 4, shape), 0).astype(float)
        arrays.append(array)
        ours.append(sp.tensor(array, format=fmt) if shape and fmt != "dense" else array)
    got = sp.einsum(subscripts, *ours)
    dense = got.numpy() if isinstance(got, sp.Tensor) else got
    assert np.array_equal(dense, np.einsum(subscripts, *arrays))


def sparse_strings() -> list[str]:
    return [s for s in pydata.EINSUMS if len(s) <= 12 and one_in(3, s)]


@pytest.mark.parametrize("subscripts", sparse_strings())
def test_einsum_strings(subscripts: str) -> None:
    einsum(subscripts, ("sparse",) * (subscripts.count(",") + 1), extent=3, density=0.5)


@pytest.mark.fuzz
@pytest.mark.parametrize("density", [0.1, 1.0])
@pytest.mark.parametrize("subscripts", pydata.EINSUMS)
def test_all_einsum_strings(subscripts: str, density: float) -> None:
    einsum(subscripts, ("sparse",) * (subscripts.count(",") + 1), extent=4, density=density)


@pytest.mark.parametrize("formats", pydata.FORMATS[3::3])
def test_einsum_formats(formats: tuple[str, ...]) -> None:
    einsum(pydata.STRINGS[len(formats)], formats, extent=2, density=0.5)


@pytest.mark.fuzz
@pytest.mark.parametrize("formats", pydata.FORMATS)
def test_all_einsum_formats(formats: tuple[str, ...]) -> None:
    einsum(pydata.STRINGS[len(formats)], formats, extent=2, density=0.5)


@pytest.mark.parametrize("subscripts", pydata.REFUSED)
def test_what_is_no_einsum_is_refused(subscripts: str) -> None:
    x = sp.tensor(np.array([0.0, 1.0]), format="coo")
    with pytest.raises(sp.SparsecError):
        sp.einsum(subscripts, x, x)
