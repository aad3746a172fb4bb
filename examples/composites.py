"""A matrix as a low rank and a sparse remainder: taken apart from a dense one, and multiplied without being made again.

Such a matrix times a vector is U (V x) + S x: what the kernel runs, though its text says A[i, j] * x[j].
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
import scipy.sparse

import sparsec as sp

PRODUCT = """
format lrs[r] = lowrank[r] + csr

kernel product(A: f64[m, n] lrs[16], X: f64[n, d]) -> Y: f64[m, d] {
    Y[i, k] = A[i, j] * X[j, k]
}
"""


def best(call: object, times: int = 20) -> float:
    """Milliseconds of the quickest of some calls."""
    assert callable(call)
    taken = []
    for _ in range(times):
        start = perf_counter()
        call()
        taken.append(perf_counter() - start)
    return 1e3 * min(taken)


def main() -> None:
    rng = np.random.default_rng(0)

    # Taken apart: what a low rank leaves is sparse, and of that we keep the greatest.
    n = 200
    signal = rng.standard_normal((n, 4)) @ rng.standard_normal((4, n))
    outliers = np.where(rng.random((n, n)) < 0.01, 20 * rng.standard_normal((n, n)), 0)
    whole = sp.tensor(signal + outliers)
    apart = whole.convert("lowrank[16] + csr", lossy=True, keep=(None, 400))
    print(f"{whole} is {apart}, but for {apart.conversion_error:.1%} of its norm")

    # Put together, and multiplied.
    n, r, columns = 4096, 16, 64
    U, V = rng.standard_normal((n, r)), rng.standard_normal((r, n))
    S = scipy.sparse.random_array((n, n), density=0.01, format="csr", rng=rng)
    A = sp.compose("lowrank[16] + csr", [U, V, S])
    product = sp.compile(PRODUCT)
    for X in (rng.standard_normal((n, columns)), rng.standard_normal((n, 1))):
        np.testing.assert_allclose(product(A, X), U @ (V @ X) + S @ X, atol=1e-9)
        ours, theirs = best(lambda X=X: product(A, X)), best(lambda X=X: U @ (V @ X) + S @ X)
        print(f"{X.shape[1]:3} columns: {ours:.2f} ms, U @ (V @ X) + S @ X takes {theirs:.2f} ms")
    print(product.explain())
    print("the same as NumPy's and SciPy's")


if __name__ == "__main__":
    main()
