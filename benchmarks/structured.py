"""Formats with structure, composites, scatters and intersections, on generated data, beside what NumPy and SciPy offer.

A case's name on the table says its data: ``tridiagonal 1e6`` is made here, with fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import OURS, Case, Contestant

TOLERANCE = 1e-9
BANDS = {"tridiagonal 1e6": (1_000_000, 1), "33 diagonals 1e5": (100_000, 16)}
"""Rows, and diagonals on either side."""
COUNTS = {"1e3 bins of 5e6": (1_000, 5_000_000), "1e6 bins of 5e6": (1_000_000, 5_000_000)}
"""Bins, and what is counted."""
LENGTHS = {f"1e6 and 1e{e} of 1e7": (10_000_000, 1_000_000, 10**e) for e in (2, 4, 6)}
"""The extent of two vectors, and their entries."""
SIZES = {"4096 x 4096, vector": (4096, 0), "4096 x 4096, 64 columns": (4096, 64)}
"""Rows of a square matrix, and columns of what it is multiplied with."""


def _agree(reference: Any, answer: Any) -> None:
    np.testing.assert_allclose(answer, reference, rtol=TOLERANCE, atol=TOLERANCE * max(1.0, np.abs(reference).max()))


def _case(kernel: str, name: str, *makers: tuple[str, Callable[[], Any]]) -> Case:
    """A case whose contestants are plain functions without arguments; ours is made (compiled) when its turn comes."""
    made = [(who, partial(_contestant, who, make)) for who, make in makers]
    return Case(kernel, name, "f64", made, _agree)


def _contestant(who: str, make: Callable[[], Any]) -> Contestant:
    return Contestant(who, make() if who == OURS else make, np.asarray)


def _kernel(source: str, sizes: dict[str, int] | None = None, **operands: Any) -> Callable[[], Any]:
    import sparsec as sp

    k = sp.compile(source)
    return partial(k, **k.prepare(**operands), **({"sizes": sizes} if sizes else {}))


def _banded(format: str, name: str) -> Case:
    """y = A x where A has diagonals only."""
    import scipy.sparse

    n, half = BANDS[name]
    rng = np.random.default_rng(0)
    a = scipy.sparse.dia_array((rng.uniform(0.5, 1.5, (2 * half + 1, n)), np.arange(-half, half + 1)), shape=(n, n))
    x = rng.uniform(-1, 1, n)
    csr = a.tocsr()
    spelled = f"band[{half}, {half}]" if format == "band" else format
    source = f"kernel spmv(A: f64[n, n] {spelled}, x: f64[n]) -> y: f64[n] {{\n    y[i] = A[i, j] * x[j]\n}}\n"
    return _case(
        f"spmv, {format}",
        name,
        ("SciPy dia", lambda: a @ x),
        (OURS, lambda: _kernel(source, A=csr, x=x)),
        ("SciPy csr", lambda: csr @ x),
    )


def histogram(name: str, dtype: str) -> Case:
    """Weights summed by bin."""
    bins, items = COUNTS[name]
    rng = np.random.default_rng(0)
    b, w = rng.integers(0, bins, items), rng.random(items)
    source = "kernel count(b: i64[n], w: f64[n]) -> h: f64[m] {\n    h[b[i]] += w[i]\n}\n"
    return _case(
        "histogram",
        name,
        ("NumPy bincount", lambda: np.bincount(b, w, bins)),
        (OURS, lambda: _kernel(source, {"m": bins}, b=b, w=w)),
    )


def intersection(name: str, dtype: str) -> Case:
    """The inner product of two sparse vectors, one of them shorter: galloping or two fingers."""
    import sparsec as sp

    n, long, short = LENGTHS[name]
    rng = np.random.default_rng(0)

    def vector(count: int) -> tuple[Any, Any]:
        return np.sort(rng.choice(n, count, replace=False)), rng.random(count)

    (i, a), (j, b) = vector(long), vector(short)

    def searched() -> Any:
        at = np.minimum(np.searchsorted(i, j), len(i) - 1)
        return a[at][i[at] == j] @ b[i[at] == j]

    def merged() -> Any:
        _, left, right = np.intersect1d(i, j, assume_unique=True, return_indices=True)
        return a[left] @ b[right]

    def made() -> Callable[[], Any]:
        source = "kernel dot(a: f64[n] sparse, b: f64[n] sparse) -> s: f64 {\n    s = a[i] * b[i]\n}\n"
        x, y = (sp.from_coo(at[None], v, (n,), format="sparse") for at, v in ((i, a), (j, b)))
        return _kernel(source, a=x, b=y)

    return _case("sparse dot", name, ("NumPy searchsorted", searched), (OURS, made), ("NumPy intersect1d", merged))


def _product(kernel: str, name: str, left: Any, operand: Any, theirs: dict[str, Callable[[Any], Any]]) -> Case:
    """A x or A B with a tensor of ours beside the peers' ways with x or B."""
    _, columns = SIZES[name]
    shape: tuple[int, ...] = (left.shape[1], columns) if columns else (left.shape[1],)
    b = np.random.default_rng(1).uniform(-1, 1, shape)
    makers = [(who, partial(way, b)) for who, way in theirs.items()]

    def made() -> Callable[[], Any]:
        return partial(operand().__matmul__, b)

    return _case(kernel, name, makers[0], (OURS, made), *makers[1:])


def two_of_four(name: str, dtype: str) -> Case:
    """Weights with at most two entries in each group of four of a row."""
    import scipy.sparse

    import sparsec as sp

    n, _ = SIZES[name]
    w = np.random.default_rng(0).uniform(0.5, 1.5, (n, n))
    groups = w.reshape(-1, 4)
    np.put_along_axis(groups, np.argsort(groups, axis=1)[:, :2], 0.0, axis=1)
    csr = scipy.sparse.csr_array(w)
    peers: dict[str, Callable[[Any], Any]] = {"NumPy dense": lambda b: w @ b, "SciPy csr": lambda b: csr @ b}
    return _product("2:4 weights", name, w, lambda: sp.tensor(w, format="nm[2, 4]"), peers)


def low_rank(name: str, dtype: str) -> Case:
    """U V + S, of rank 16 and density 1 %, never made one matrix."""
    import scipy.sparse

    import sparsec as sp

    (n, _), rank, rng = SIZES[name], 16, np.random.default_rng(0)
    u, v = rng.standard_normal((n, rank)), rng.standard_normal((rank, n))
    s = scipy.sparse.random_array((n, n), density=0.01, format="csr", rng=rng)
    peers: dict[str, Callable[[Any], Any]] = {"NumPy + SciPy": lambda b: u @ (v @ b) + s @ b}
    return _product("low rank + csr", name, s, lambda: sp.compose(f"lowrank[{rank}] + csr", [u, v, s]), peers)


def band(name: str, dtype: str) -> Case:
    """Bands, in our ``band``."""
    return _banded("band", name)


def diagonals(name: str, dtype: str) -> Case:
    """Bands, in our ``dia``."""
    return _banded("dia", name)


NAMES: dict[Callable[[str, str], Case], tuple[str, ...]] = {
    band: tuple(BANDS),
    diagonals: tuple(BANDS),
    histogram: tuple(COUNTS),
    intersection: tuple(LENGTHS),
    two_of_four: tuple(SIZES),
    low_rank: tuple(SIZES),
}
"""The cases -> the data of each."""
