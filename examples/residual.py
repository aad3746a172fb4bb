"""The residual of a linear system, r = b - A x, as one kernel.

The sum over j covers the product that j stands in and no more, so b is not summed with it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import sparsec as sp

RESIDUAL = """
kernel residual(A: f64[m, n] csr, x: f64[n], b: f64[m]) -> r: f64[m] {
    r[i] = b[i] - A[i, j] * x[j]
}
"""
MATRIX = Path(__file__).parent / "data" / "debian12_depends.mtx.gz"


def main() -> None:
    pattern = sp.read(MATRIX)
    m, n = pattern.shape
    rng = np.random.default_rng(0)
    coords, _ = pattern.coo()
    A = sp.from_coo(coords, rng.uniform(-1, 1, pattern.nnz), (m, n), format="csr")
    x = rng.uniform(-1, 1, n)
    b = A.scipy() @ x + 1e-3

    residual = sp.compile(RESIDUAL)
    r = residual(A, x, b)

    print(f"A: {m:,} x {n:,}, {A.nnz:,} entries")
    print(f"|b - A x| is {np.abs(r).max():.6f} at most; it was made to be 0.001 everywhere")
    print(residual.explain())
    np.testing.assert_allclose(r, b - A.scipy() @ x, atol=1e-12)
    print("the same as SciPy's b - A @ x")


if __name__ == "__main__":
    main()
