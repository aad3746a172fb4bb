"""The array API's namespace: closed over tensors, named as the standard does (``docs/array_api.md`` has its suite)."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from tests.support.arrays import same, sparse

D = np.array([[0, 2.0, 0, -1], [0, 0, 0, 0], [3, 0, 0.5, 2]])


def namespace(**options: Any) -> Any:
    return sp.tensor(D).__array_namespace__(**options)


def test_versions() -> None:
    xp = namespace(api_version="2023.12")
    assert xp.__array_api_version__ == "2025.12" and xp.__name__ == "sparsec.array_api"
    with pytest.raises(sp.TypeError_, match="versions are"):
        namespace(api_version="1999.12")


def test_results_are_tensors() -> None:
    xp = namespace()
    a = sparse(D)
    for made in (xp.sum(a), xp.sum(a, axis=0), a + 0, xp.add(a, a), xp.matmul(a, xp.ones(4)), xp.argmax(a), xp.eye(3)):
        assert isinstance(made, sp.Tensor)
    assert all(isinstance(c, sp.Tensor) for c in xp.nonzero(a)) and isinstance(xp.unique_all(a).counts, sp.Tensor)
    same(xp.linalg.matrix_norm(a), np.linalg.norm(D), exact=False)
    same(xp.linalg.vector_norm(a, axis=1, ord=1), np.linalg.norm(D, axis=1, ord=1))
    same(xp.linalg.matrix_power(a[:, :3], 3), np.linalg.matrix_power(D[:, :3], 3))
    same(xp.linalg.det(xp.asarray(D[:2, :2])), np.linalg.det(D[:2, :2]))
    same(xp.fft.fft(xp.asarray(D)), np.fft.fft(D))
    same(xp.fft.fftshift(a), np.fft.fftshift(D))
    with pytest.raises(sp.UnsupportedError, match="fft.rfft of a sparse"):
        xp.fft.rfft(a)
    with pytest.raises(IndexError, match="axis 2 is outside"):
        xp.sum(a, axis=2)
    with pytest.raises(sp.UnsupportedError, match="linalg.det of a sparse"):
        xp.linalg.det(a[:, :3])


def test_generic_code_keeps_tensors_sparse() -> None:
    def normalised(x: Any) -> Any:
        xp = x.__array_namespace__()
        return x / xp.sqrt(xp.sum(x * x, axis=1, keepdims=True) + 1)

    got = normalised(sparse(D))
    assert got.format == "csr"
    same(got, normalised(sp.tensor(D)), exact=False)


def test_information() -> None:
    xp = namespace()
    info = xp.__array_namespace_info__()
    assert info.devices() == ("cpu",) and set(info.dtypes(kind="bool")) == {"bool"}
    assert xp.isdtype(xp.int8, "integral") and not xp.isdtype(xp.int8, xp.int16)
    assert xp.finfo(xp.float32).bits == 32 and xp.iinfo(xp.int8).max == 127
    assert xp.can_cast(xp.int8, xp.int16) and xp.result_type(xp.int32, xp.float32) == xp.float64
    for wrong in (lambda: xp.zeros(3, device="gpu"), lambda: xp.finfo(xp.int8), lambda: xp.isdtype(xp.int8, "numbers")):
        with pytest.raises(sp.TypeError_):
            wrong()


def test_names() -> None:
    xp = namespace()
    for name in xp.__all__:
        value = getattr(xp, name)
        assert not inspect.isfunction(value) or value.__doc__, name
    assert {"abs", "matmul", "unique_all", "from_dlpack", "isin", "bool", "pi", "linalg"} <= set(xp.__all__)
    assert not {"np", "Tensor", "apply"} & set(xp.__all__)


def test_dlpack() -> None:
    xp = namespace()
    a = xp.asarray(D)
    assert np.shares_memory(np.from_dlpack(a), D) and np.shares_memory(xp.from_dlpack(a).numpy(), D)
    torch = pytest.importorskip("torch")
    assert torch.from_dlpack(a).tolist() == D.tolist()
    assert xp.from_dlpack(torch.ones(3)).numpy().tolist() == [1, 1, 1]
    with pytest.raises(sp.TypeError_, match="DLPack passes dense tensors only"):
        np.from_dlpack(sparse(D))
    with pytest.raises(sp.TypeError_, match="__dlpack__"):
        sp.from_dlpack([1])
