"""New tensors, copies, numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from tests.support.arrays import same


def test_constants_store_nothing() -> None:
    for made, want in (
        (sp.zeros((3, 4)), np.zeros((3, 4))),
        (sp.ones((3, 4), "f32"), np.ones((3, 4), "float32")),
        (sp.full((2, 2, 2), 7), np.full((2, 2, 2), 7)),
        (sp.full((2,), np.inf), np.full(2, np.inf)),
        (sp.zeros_like(np.ones((2, 3), "int8")), np.zeros((2, 3), "int8")),
        (sp.ones_like(sp.zeros(4, bool)), np.ones(4, bool)),
    ):
        same(made, want)
        assert made.nnz == 0 and made.nbytes < 100
    assert sp.zeros((3, 4), format="dense").nnz == 12 and sp.zeros(()).shape == ()
    assert sp.ones((10**9, 10**9)).size == 10**18


def test_matrices_and_ranges() -> None:
    for k in (-2, 0, 1):
        same(sp.eye(3, 5, k), np.eye(3, 5, k))
    assert sp.eye(4, format="coo").format == "coo" and sp.eye(10**6).nnz == 10**6
    same(sp.arange(2, 10, 3), np.arange(2, 10, 3))
    same(sp.linspace(0, 1, 5), np.linspace(0, 1, 5))


@pytest.mark.parametrize("density", [0, 0.1, 0.9, 1])
@pytest.mark.parametrize("dtype", ["float64", "int8", "bool"])
def test_random(density: float, dtype: str) -> None:
    a = sp.random((20, 30), density, dtype, rng=1)
    a.validate()
    assert a.nnz == round(600 * density) and a.dtype == dtype and a.format == "csr"
    same(a, sp.random((20, 30), density, dtype, rng=1).numpy())
    assert sp.random((10**9, 10**9), 1e-17, rng=0).nnz == 10
    assert sp.random((5,), 1.0, sampler=np.ones, format="coo").sum() == 5


def test_asarray() -> None:
    a = sp.eye(3)
    assert sp.asarray(a) is a
    assert not np.shares_memory(sp.asarray(a, copy=True).storage.values, a.storage.values)
    x = np.arange(3.0)
    assert np.shares_memory(sp.asarray(x, copy=False).numpy(), x)
    assert not np.shares_memory(sp.asarray(x, copy=True).numpy(), x)
    assert sp.asarray([1, 2], "f32").dtype == np.float32 and sp.asarray(x, format="coo").format == "coo"
    for make in (lambda: sp.asarray(x, "f32", copy=False), lambda: sp.asarray([1.0], copy=False)):
        with pytest.raises(sp.TypeError_, match="copy"):
            make()


@pytest.mark.parametrize("how", [sp.Tensor.copy, copy.copy, copy.deepcopy, np.copy])
def test_copies(how: Any) -> None:
    a = sp.eye(3)
    b = how(a)
    b.storage.values[:] = 5
    assert a.sum() == 3 and b.sum() == 15 and b.format == "csr"


def test_numbers() -> None:
    one = sp.tensor([[2.5]], "csr")
    assert (float(one), int(one), complex(one), bool(one), one.item()) == (2.5, 2, 2.5 + 0j, True, 2.5)
    assert [1, 2, 3][sp.tensor(1)] == 2
    for call in (bool, float, int):
        with pytest.raises(sp.ShapeError, match="no single number"):
            call(sp.eye(2))
    with pytest.raises(TypeError):
        [1][one]


def test_wrong_arguments() -> None:
    with pytest.raises(sp.ShapeError, match="density"):
        sp.random((2, 2), 2.0)
    with pytest.raises(sp.TypeError_, match="no dtype"):
        sp.zeros(3, "f33")
    with pytest.raises(sp.ShapeError):
        sp.zeros((-1,))


def test_without_copies_nothing_is_converted() -> None:
    a = sp.tensor(np.eye(3), "csr")
    assert sp.asarray(a, format="csr", copy=False) is a
    with pytest.raises(sp.TypeError_, match="only in a copy"):
        sp.asarray(a, format="csc", copy=False)


@pytest.mark.parametrize("format", ["csr", "dense"])
def test_a_fill_that_overflows_is_refused(format: str) -> None:
    with pytest.raises(sp.TypeError_, match="does not fit"):
        sp.full((2, 2), 1e300, "f4", format)
    assert np.isinf(sp.full((2, 2), np.inf, "f4", format).numpy()).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: sp.arange(0, 5, 0),
        lambda: sp.arange("a"),
        lambda: sp.linspace(0, 1, -1),
        lambda: sp.linspace(0, 1, 2.5),
        lambda: sp.random((3, 3), rng="x"),
        lambda: sp.random((3, 3), density="x"),
        lambda: sp.eye(3).sum(initial=3),
        lambda: sp.eye(3).mean(where=True),
        lambda: sp.eye(3).reshape(9, order="F"),
        lambda: sp.eye(3).flatten("F"),
    ],
)
def test_what_cannot_be_made_is_said(make: Callable[[], object]) -> None:
    with pytest.raises(sp.SparsecError) as raised:
        make()
    assert raised.value.hint


@pytest.mark.parametrize("value, dtype", [(300, "u1"), (-1, "u8"), (128, "i1"), (2**70, "i8")])
def test_an_integer_that_the_dtype_does_not_hold_is_refused(value: int, dtype: str) -> None:
    for format in (None, "dense"):
        with pytest.raises(sp.TypeError_, match="does not fit"):
            sp.full((2, 2), value, dtype=np.dtype(dtype), format=format)
    with pytest.raises(sp.TypeError_, match="does not fit"):
        sp.full_like(sp.eye(2).astype(np.dtype(dtype)), value)
    limits = np.iinfo(np.dtype(dtype))
    for edge in (int(limits.min), int(limits.max)):
        assert sp.full((2, 2), edge, dtype=np.dtype(dtype))[0, 0] == edge


def test_asarray_takes_bf16() -> None:
    assert sp.asarray([1.0, 2.5], "bf16").storage.dtype.name == "bf16"
    assert sp.asarray(sp.tensor([1.0]).astype("bf16"), "bf16", copy=False).numpy().tolist() == [1.0]
