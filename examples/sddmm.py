"""Sampled dense-dense product: X Y' at the places where S has entries, and only there.

The loss of a matrix factorisation needs it (ratings S, users X, items Y). Written as a formula it would make a dense
matrix; as a kernel its cost is that of the entries, because the result takes the pattern of S.
"""

from __future__ import annotations

import numpy as np

import sparsec as sp

SDDMM = """
kernel sddmm(S: f32[m, n] csr, X: f32[m, d], Y: f32[n, d]) -> P: f32[m, n] csr {
    P[i, j] = S[i, j] * X[i, k] * Y[j, k]
}
"""


def main() -> None:
    rng = np.random.default_rng(1)
    m, n, d, ratings = 20_000, 5_000, 32, 400_000
    coords = np.stack([rng.integers(0, m, ratings), rng.integers(0, n, ratings)])
    S = sp.from_coo(coords, rng.integers(1, 6, ratings).astype(np.float32), (m, n), format="csr", duplicates="last")
    X = rng.standard_normal((m, d)).astype(np.float32)
    Y = rng.standard_normal((n, d)).astype(np.float32)

    P = sp.compile(SDDMM)(S, X, Y)

    print(f"S: {m:,} x {n:,}, {S.nnz:,} entries; the dense product would have {m * n:,}")
    print(f"P: {P.format}, {P.nnz:,} entries")
    (rows, columns), values = S.coo()
    expected = values * np.einsum("ek,ek->e", X[rows], Y[columns])
    np.testing.assert_allclose(P.coo()[1], expected, rtol=1e-3, atol=1e-3)
    print("the same as NumPy's S.data * einsum('ek,ek->e', X[rows], Y[columns])")


if __name__ == "__main__":
    main()
