"""The matrices and tensors to measure on: folders of ``.mtx.gz`` and ``.tns.gz`` files."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LEAST = 100_000
"""Matrices with fewer entries say more about the overhead of a call, which has a row of its own."""


def folders() -> list[Path]:
    """Where data lies: the folder that SPARSEC_DATA names (else ../shared/data), and the examples' own."""
    shared = Path(os.environ.get("SPARSEC_DATA", ROOT.parent / "shared" / "data"))
    return [f for f in (shared, ROOT / "examples" / "data") if f.is_dir()]


def _files(suffix: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob(f"*{suffix}*")):
            found.setdefault(path.name.split(suffix)[0], path)
    return found


def matrix_names(least: int = LEAST) -> list[str]:
    """Names of the matrices with at least ``least`` entries, by their headers."""
    return [n for n, p in _files(".mtx").items() if _header_entries(p) >= least]


def _header_entries(path: Path) -> int:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as f:
        kind = f.readline()
        line = f.readline()
        while line.startswith("%") or not line.strip():
            line = f.readline()
    return int(line.split()[2]) * (2 if re.search("symmetric|hermitian", kind) else 1)


@lru_cache(maxsize=2)
def matrix(name: str) -> Any:
    """The matrix as a canonical SciPy CSR array of f64 with i32 indices; pattern files get random values."""
    import scipy.io
    import scipy.sparse

    path = _files(".mtx")[name]
    coo = scipy.io.mmread(path)
    csr = scipy.sparse.csr_array(coo, dtype=np.float64)
    csr.sum_duplicates()
    csr.sort_indices()
    if _is_pattern(path):
        csr.data = np.random.default_rng(0).uniform(0.5, 1.5, csr.nnz)
    csr.indices, csr.indptr = csr.indices.astype(np.int32), csr.indptr.astype(np.int32)
    return csr


def _is_pattern(path: Path) -> bool:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as f:
        return "pattern" in f.readline()


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A tensor: ``coords`` (order, nnz) i64, sorted, without duplicates, and ``values`` f64."""

    coords: Any
    values: Any
    shape: tuple[int, ...]


def tensor_names(least: int = LEAST) -> list[str]:
    """Names of the tensors of order 3 with at least ``least`` entries."""
    return [n for n, p in _files(".tns").items() if _lines(p) >= least and _order(p) == 3]


def _rows(path: Path) -> Iterator[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as f:
        yield from (line for line in f if line.strip() and not line.startswith("#"))


def _lines(path: Path) -> int:
    return sum(1 for _ in _rows(path))


def _order(path: Path) -> int:
    return len(next(_rows(path)).split()) - 1


@lru_cache(maxsize=2)
def tensor(name: str) -> Coordinates:
    """A FROSTT file's entries, sorted, duplicates summed."""
    table = np.loadtxt(_rows(_files(".tns")[name]), dtype=np.float64, ndmin=2)
    coords = table[:, :-1].T.astype(np.int64) - 1
    shape = tuple(int(c.max()) + 1 for c in coords)
    flat, inverse = np.unique(np.ravel_multi_index(tuple(coords), shape), return_inverse=True)
    values = np.bincount(inverse, weights=table[:, -1])
    return Coordinates(np.array(np.unravel_index(flat, shape), dtype=np.int64), values, shape)
