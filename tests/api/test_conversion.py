"""Conversion: what is not stored keeps its value where the target stores it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp


@pytest.mark.parametrize("source", ["csr", "coo", "dcsc", "dense"])
@pytest.mark.parametrize("dtype", ["bool", "u8", "f16", "f32", "i64", "c64", "c128"])
@pytest.mark.parametrize("fill", [0, 1, np.inf, np.nan])
def test_padding_is_the_fill(source: str, dtype: str, fill: Any) -> None:
    kind = {"bool": bool, "u8": np.uint8, "f16": np.float16, "f32": np.float32, "i64": np.int64}
    t = np.dtype(kind.get(dtype) or {"c64": np.complex64, "c128": np.complex128}[dtype])
    if t.kind in "biu" and not np.isfinite(fill):
        pytest.skip("no such value")
    dense = np.full((3, 4), fill, t)
    dense[1, 2] = not fill
    dense[2, 0] = not fill
    A = sp.tensor(dense, "csr", fill_value=fill).convert(source)
    B = A.convert("(i, j) -> (i: compressed, j: dense)")
    assert B.nnz in (8, 12)
    assert np.array_equal(B.numpy(), dense, equal_nan=t.kind in "fc")
    assert np.array_equal(B.convert("csc").numpy(), dense, equal_nan=t.kind in "fc")
