"""Conversions between formats beside SciPy's: the same matrix in both, sorted, each asked for a new copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import data
from benchmarks.harness import OURS, Case, Contestant

MOST_PLACES = 50_000_000
"""Matrices with more places than this are not made dense."""
BLOCK = 4
"""Rows and columns of a block; matrices get empty ones at their ends, for SciPy's blocks must divide them."""

WAYS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "csr-csc": ("csr", "csc", lambda s: s.tocsc()),
    "csc-csr": ("csc", "csr", lambda s: s.tocsr()),
    "csr-coo": ("csr", "coo", lambda s: s.tocoo(copy=True)),
    "coo-csr": ("coo", "csr", lambda s: s.tocsr()),
    "csr-bsr": ("csr", "bsr[4, 4]", lambda s: s.tobsr((BLOCK, BLOCK))),
    "csr-dense": ("csr", "dense", lambda s: s.toarray()),
    "entries-csr": ("entries", "csr", lambda s: _sorted(s.tocsr())),
}
"""Name on the table -> the source, the target, SciPy's way; ``entries`` are shuffled coordinates."""


def convert(name: str, dtype: str, way: str) -> Case | None:
    """One conversion of one matrix."""
    import scipy.sparse

    import sparsec as sp

    a = data.matrix(name).astype({"f32": np.float32, "f64": np.float64}[dtype])
    source, target, theirs = WAYS[way]
    if way == "csr-bsr":
        a.resize(tuple(-(-n // BLOCK) * BLOCK for n in a.shape))
    if target == "dense" and a.shape[0] * a.shape[1] > MOST_PLACES:
        return None
    if source == "entries":
        coo = a.tocoo()
        mixed = np.random.default_rng(1).permutation(coo.nnz)
        coords, values = np.array([coo.row[mixed], coo.col[mixed]]), coo.data[mixed]
        given: Any = scipy.sparse.coo_array((values, tuple(coords)), shape=a.shape)

        def call() -> Any:
            return sp.from_coo(coords, values, a.shape, format=target)
    else:
        given = a.asformat(source)
        tensor = sp.tensor(given, format=source)

        def call() -> Any:
            return tensor.numpy() if target == "dense" else tensor.convert(target)

    makers = [
        ("SciPy", lambda: Contestant("SciPy", lambda: theirs(given), _answer)),
        (OURS, lambda: Contestant(OURS, call, _answer)),
    ]
    return Case(way, name, dtype, makers, _same)


def _sorted(matrix: Any) -> Any:
    matrix.sort_indices()
    return matrix


def _answer(value: Any) -> Any:
    """An array, or the entries by rows."""
    if isinstance(value, np.ndarray):
        return value
    matrix = value.scipy() if hasattr(value, "scipy") else value
    return _sorted(matrix.tocsr().copy())


def _same(reference: Any, answer: Any) -> None:
    if isinstance(reference, np.ndarray):
        assert np.array_equal(reference, answer), "the elements differ"
        return
    for part in ("indptr", "indices", "data"):
        assert np.array_equal(getattr(reference, part), getattr(answer, part)), f"{part} differs"


__all__ = ["WAYS", "convert"]
