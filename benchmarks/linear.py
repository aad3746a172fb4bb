"""Linear layers with pruned weights in PyTorch's own layout, ``Y[b, o] = X[b, i] * W[o, i]``, all inside the timing."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import OURS, Case, Contestant

BLOCK = 16
LAYERS = {f"4096 x 4096, {share} %, batch {n}": (4096, share, n) for share in (70, 80, 90) for n in (1, 16, 128)}
"""Rows and columns, how many of a hundred blocks are pruned, rows of the batch."""
BLOCKS = f"(o, i) -> (o/{BLOCK}: dense, i/{BLOCK}: compressed, i%{BLOCK}: dense, o%{BLOCK}: dense)"
SOURCE = f"""
kernel linear(X: f32[n, d], W: f32[m, d] {BLOCKS}) -> Y: f32[n, m] {{
    Y[b, o] = X[b, i] * W[o, i]
}}
"""


def _close(reference: Any, answer: Any) -> None:
    np.testing.assert_allclose(answer, reference, rtol=2e-4, atol=2e-3 * float(np.abs(reference).max()))


def blocks(name: str, dtype: str) -> Case:
    """Blocks of 16 x 16 pruned at random."""
    import warnings

    import torch

    import sparsec as sp

    size, share, batch = LAYERS[name]
    rng = np.random.default_rng(0)
    kept = rng.random((size // BLOCK, size // BLOCK)) >= share / 100
    w = np.kron(kept, np.ones((BLOCK, BLOCK))) * rng.standard_normal((size, size))
    w, x = w.astype(np.float32), rng.standard_normal((batch, size)).astype(np.float32)
    wt, xt = torch.from_numpy(w), torch.from_numpy(x)

    def ours() -> Contestant:
        k = sp.compile(SOURCE)
        return Contestant(OURS, partial(k, **k.prepare(X=x, W=w)))

    def product(who: str, make: Any) -> Contestant:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that it is in beta
            a = make()
        return Contestant(who, lambda: (a @ xt.T).T.contiguous(), lambda y: y.numpy())

    def dense() -> Contestant:
        return Contestant("dense torch", lambda: torch.nn.functional.linear(xt, wt), lambda y: y.numpy())

    makers = [
        ("dense torch", dense),
        (OURS, ours),
        ("torch BSR", partial(product, "torch BSR", lambda: wt.to_sparse_bsr((BLOCK, BLOCK)))),
        ("torch CSR", partial(product, "torch CSR", wt.to_sparse_csr)),
    ]
    return Case("linear, blocks", name, "f32", makers, _close)


__all__ = ["LAYERS", "blocks"]
