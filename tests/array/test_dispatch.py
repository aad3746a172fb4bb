"""NumPy's functions of tensors: those that are there, and what the others say."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp
from tests.support.arrays import sparse

D = np.array([[0, 2.0], [1, 0]])


def test_functions_about_arrays() -> None:
    a = sparse(D)
    assert np.shape(a) == (2, 2) and np.ndim(a) == 2 and np.size(a) == 4 and np.size(a, 0) == 2
    assert np.allclose(a, D) and np.array_equal(a, sparse(D, "coo")) and not np.array_equal(a, a + 1)
    assert not np.iscomplexobj(a) and np.result_type(a, np.float32) == np.float64
    assert isinstance(np.zeros_like(a), sp.Tensor) and np.ones_like(a).fill_value == 1
    assert np.isclose(a, D + 1e-12).all()


def test_what_is_not_there() -> None:
    a = sparse(D)
    with pytest.raises(sp.UnsupportedError, match="numpy.fft.fft of a Tensor"):
        np.fft.fft(a)
    with pytest.raises(sp.UnsupportedError, match="out="):
        np.sum(a, out=np.zeros(()))
    with pytest.raises(sp.UnsupportedError, match="initial="):
        np.sum(a, initial=3)
    with pytest.raises(sp.TypeError_, match="would make this sparse Tensor dense"):
        np.asarray(a)


def test_numpy_takes_dense_tensors() -> None:
    assert np.asarray(sp.tensor(D)) is not None and np.linalg.det(np.asarray(sp.tensor(D))) == -2
