"""Count the triangles of a graph: three sparse matrices in one product, no intermediate result.

L is the lower triangle of the adjacency matrix. SciPy computes L @ L, which has many more entries than the graph, and
throws most of them away; here the three patterns are intersected while they are walked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse

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
    # Undirected: a dependency is an edge whichever way it points.
    edges = np.unique(np.stack([np.maximum(rows, columns), np.minimum(rows, columns)])[:, rows != columns], axis=1)
    L = sp.from_coo(edges, np.ones(edges.shape[1], np.int64), (n, n), format="csr")

    count = sp.compile(TRIANGLES)(L)

    print(f"{n:,} packages, {L.nnz:,} edges, {count:,} triangles")
    lower = scipy.sparse.csr_array(L.scipy())
    assert count == (lower @ lower).multiply(lower).sum()
    print(f"the same as SciPy's (L @ L) * L, whose L @ L has {(lower @ lower).nnz:,} entries")


if __name__ == "__main__":
    main()
