"""Arrays and the tensors that stand for them: what the tests of ``sparsec.array`` compare."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np

import sparsec as sp

Array = np.ndarray[Any, np.dtype[Any]]
FORMATS = ("csr", "csc", "coo", "dcsr")
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 5]), min_size=1, max_size=3).map(tuple)


@st.composite
def arrays(draw: st.DrawFn, shape: Any = SHAPES, dtype: Any = "float64", fill: Any = 0) -> Array:
    """Small whole numbers (bools for bool), many of them the fill."""
    extents = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    kind = np.dtype(draw(dtype) if isinstance(dtype, st.SearchStrategy) else dtype)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    low = 0 if kind.kind in "ub" else -3
    values = rng.integers(low, 2 if kind.kind == "b" else 4, extents)
    return np.where(rng.random(extents) < draw(st.sampled_from([0.2, 0.5, 1.0])), values, fill).astype(kind)


@st.composite
def tensors(draw: st.DrawFn, fill: Any = None, **options: Any) -> tuple[sp.Tensor, Array]:
    """A sparse tensor, and the array that it stands for; some of its entries equal the fill."""
    background = draw(st.sampled_from([0, 1])) if fill is None else fill
    array = draw(arrays(fill=background, **options))
    return sparse(array, draw(st.sampled_from(FORMATS)), background), array


def sparse(array: Array, format: str = "csr", fill: Any = 0) -> sp.Tensor:
    """``array`` stored sparsely: csr and kin where it is a matrix, else csf or coo."""
    if array.ndim != 2 and format != "coo":
        format = "csf"
    return sp.tensor(array, format, array.dtype.type(fill).item())


def dense(value: Any) -> Array:
    """A result as an array; a tensor is validated first."""
    if not isinstance(value, sp.Tensor):
        return np.asarray(value)
    value.validate()
    if not value.storage.format.is_dense:
        coords, _ = value.coo()
        assert coords.shape == (value.ndim, len(set(map(tuple, coords.T.tolist())))), "a coordinate is stored twice"
    return value.numpy()


def same(got: Any, want: Any, exact: bool = True) -> None:
    """Equal in shape, dtype and elements; floats within rounding where not ``exact``."""
    found, wanted = dense(got), np.asarray(want)
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    assert found.dtype == wanted.dtype, (found.dtype, wanted.dtype)
    if exact:
        np.testing.assert_array_equal(found, wanted)
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
