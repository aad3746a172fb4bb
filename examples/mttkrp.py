"""MTTKRP, the heart of tensor decompositions, on a tensor of order 3: M[i, r] = T[i, j, k] B[j, r] C[k, r].

CSF stores T as a tree of its coordinates; the kernel walks it once and is parallel over its rows.
"""

from __future__ import annotations

import numpy as np

import sparsec as sp

MTTKRP = """
kernel mttkrp(T: f64[l, m, n] csf, B: f64[m, rank], C: f64[n, rank]) -> M: f64[l, rank] {
    M[i, r] = T[i, j, k] * B[j, r] * C[k, r]
}
"""


def main() -> None:
    rng = np.random.default_rng(2)
    shape, entries, rank = (2_000, 300, 5_000), 300_000, 16
    coords = np.stack([rng.integers(0, extent, entries) for extent in shape])
    T = sp.from_coo(coords, rng.standard_normal(entries), shape, format="csf")
    B, C = rng.standard_normal((shape[1], rank)), rng.standard_normal((shape[2], rank))

    mttkrp = sp.compile(MTTKRP)
    M = mttkrp(T, B, C)

    print(f"T: {' x '.join(f'{extent:,}' for extent in shape)}, {T.nnz:,} entries, rank {rank}")
    print(mttkrp.explain())
    (i, j, k), values = T.coo()
    expected = np.zeros_like(M)
    np.add.at(expected, i, values[:, None] * B[j] * C[k])
    np.testing.assert_allclose(M, expected, atol=1e-9)
    print(f"M: {M.shape[0]:,} x {M.shape[1]}, the same as NumPy's sum entry by entry")


if __name__ == "__main__":
    main()
