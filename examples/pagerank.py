"""PageRank of Debian's packages: which ones does everything depend on?

A step of the iteration is one kernel: the damping, the division by the number of links and the transposed product are
fused, and neither a transpose nor a scaled copy of the matrix is made.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import sparsec as sp

STEP = """
# a package passes its rank on to those it depends on; rank held by packages without dependencies goes to everybody
kernel step(A: f64[n, n] csr, p: f64[n], weight: f64[n], d: f64, lost: f64) -> q: f64[n] {
    q[j] = (1 - d + d * lost) / n + d * A[i, j] * (p[i] * weight[i])
}
"""
MATRIX = Path(__file__).parent / "data" / "debian12_depends.mtx.gz"
DAMPING = 0.85


def main() -> None:
    read = sp.read(MATRIX)
    n = read.shape[0]
    coords, _ = read.coo()
    A = sp.from_coo(coords, np.ones(read.nnz), (n, n), format="csr")
    links = np.bincount(coords[0], minlength=n)
    weight = np.divide(1.0, links, out=np.zeros(n), where=links > 0)

    step = sp.compile(STEP)
    p = np.full(n, 1 / n)
    change, steps = 1.0, 0
    while change > 1e-10 and steps < 100:
        q = step(A, p, weight, DAMPING, p[links == 0].sum())
        change = np.abs(q - p).sum()
        p, steps = q, steps + 1

    print(f"{n:,} packages, {A.nnz:,} dependencies: {steps} steps until nothing moved by more than {change:.0e}")
    for package in np.argsort(-p)[:5]:
        asked = int((coords[1] == package).sum())
        print(f"  package {package + 1:6,}: rank {p[package]:.4f}, {asked:,} packages depend on it")

    scaled = A.scipy().T @ (p * weight)
    np.testing.assert_allclose(p.sum(), 1, atol=1e-9)
    np.testing.assert_allclose(p, (1 - DAMPING + DAMPING * p[links == 0].sum()) / n + DAMPING * scaled, atol=1e-9)
    print("a fixed point, says SciPy; the ranks add up to 1")


if __name__ == "__main__":
    main()
