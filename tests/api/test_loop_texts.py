"""Hand-written loop nests (tiles, register panels, vectors, workspaces) as machine code, called like any kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.ir import loops_interp
from sparsec.ir.loops_text import parse_kernel
from tests.ir.loop_kernels import NAMES

LATER = {"histogram"}
"""Updates of the caller's arrays at indices read from data cannot run yet."""

EXTENTS = [
    {"m": 5, "n": 7, "d": 6, "p": 6, "b": 4},
    {"m": 1, "n": 1, "d": 1, "p": 1, "b": 1},
    {"m": 90, "n": 70, "d": 37, "p": 130, "b": 3},
    {"m": 0, "n": 3, "d": 2, "p": 4, "b": 1},
]


@pytest.mark.parametrize("name", [n for n in NAMES if n not in LATER])
def test_as_meant(name: str) -> None:
    nest, kernel = parse_kernel(NAMES[name]), sp.compile(NAMES[name])
    for seed, extents in enumerate(EXTENTS):
        rng = np.random.default_rng(seed)
        given: dict[str, Any] = {}
        for t in nest.tensors:
            if t.role != "in":
                continue
            shape = tuple(d if isinstance(d, int) else extents[d] for d in t.dims)
            a = rng.integers(1, 5, shape).astype(t.dtype.np)
            if t.format is not None and not t.format.is_dense:
                a[rng.random(shape) < 0.6] = t.fill
            given[t.name] = a
        meant = loops_interp.run(nest, given, extents)
        got = kernel(**given)
        results = [t.name for t in nest.tensors if t.role == "out"]
        for n, r in zip(results, got if len(results) > 1 else (got,), strict=True):
            assert np.array_equal(r.numpy() if isinstance(r, sp.Tensor) else r, meant[n]), n


def test_what_cannot_run_says_so() -> None:
    for name in LATER:
        with pytest.raises(sp.UnsupportedError, match="update of 'H' at an index read from data"):
            sp.compile(NAMES[name])(bin=np.zeros(3, np.int32), w=np.ones(3), H=np.zeros(2))
