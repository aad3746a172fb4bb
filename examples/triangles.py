"""Count the triangles of a graph: three sparse matrices in one product, no intermediate result.

Each edge is stored once, in L. SciPy computes L @ L, which has many more entries than the graph, and throws most of
them away; here the three patterns are intersected while they are walked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import sparsec as sp

TRIANGLES = """
kernel triangles(L: i64[n, n] csr) -> t: i64 {
    t = L[i, j] * L[i, k] * L[j, k]
}
"""
MATRIX = Path(__file__).parent / "data" / "debian12_depends.mtx.gz"


def main() -> None:
    read = sp.read(MATRIX)
    n = read.shape[0]
    (rows, columns), _ = read.coo()
    # A dependency is an edge whichever way it points; it is stored in the row of its end with fewer neighbours, so that
    # no row is long.
    rank = np.argsort(np.argsort(np.bincount(rows, minlength=n) + np.bincount(columns, minlength=n)))
    low, high = np.minimum(rank[rows], rank[columns]), np.maximum(rank[rows], rank[columns])
    edges = np.unique(np.stack([low, high])[:, low != high], axis=1)
    L = sp.from_coo(edges, np.ones(edges.shape[1], np.int64), (n, n), format="csr")

    count = sp.compile(TRIANGLES)(L)

    print(f"{n:,} packages, {L.nnz:,} edges, {count:,} triangles")
    paths = L.scipy() @ L.scipy()
    assert count == paths.multiply(L.scipy()).sum()
    print(f"the same as SciPy's (L @ L) * L, whose L @ L has {paths.nnz:,} entries")


if __name__ == "__main__":
    main()
