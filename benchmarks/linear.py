"""Products of pruned weights: linear layers in PyTorch's own layout, all inside the timing, and blocks by a matrix."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import OURS, Case, Contestant

BLOCK = 16
LAYERS = {f"4096 x 4096, {share} %, batch {n}": (4096, share, n) for share in (50, 70, 80, 90) for n in (1, 16, 128)}
"""Rows and columns, how many of a hundred weights or blocks are pruned, rows of the batch."""
PRODUCTS = {f"4096 x 4096, blocks of {b}, {n} columns": (4096, b, n) for b in (16, 32) for n in (32, 128, 512)}
"""Rows and columns, those of a block, of which a tenth is left, and columns of what they are multiplied with."""
STORED = {
    "csr": "csr",
    "bsr": f"bsr[{BLOCK}, {BLOCK}]",
    "bsr by columns": f"(o, i) -> (o/{BLOCK}: dense, i/{BLOCK}: compressed, i%{BLOCK}: dense, o%{BLOCK}: dense)",
}
"""How the weights of a layer are stored: each its own, blocks by rows, blocks by columns."""


def _close(reference: Any, answer: Any) -> None:
    np.testing.assert_allclose(answer, reference, rtol=2e-4, atol=2e-3 * float(np.abs(reference).max()))


def _weights(size: int, block: int, pruned: float) -> Any:
    rng = np.random.default_rng(0)
    kept = rng.random((size // block, size // block)) >= pruned
    return (np.kron(kept, np.ones((block, block))) * rng.standard_normal((size, size))).astype(np.float32)


def _torch(who: str, make: Any, call: Any) -> tuple[str, Any]:
    """A contestant that makes its weights, then calls ``call`` with them."""

    def contestant() -> Contestant:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that some are in beta
            weights = make()
        return Contestant(who, lambda: call(weights), lambda y: y.numpy())

    return who, contestant


def _ours(source: str, **operands: Any) -> tuple[str, Any]:
    def contestant() -> Contestant:
        import sparsec as sp

        k = sp.compile(source)
        return Contestant(OURS, partial(k, **k.prepare(**operands)))

    return OURS, contestant


def layer(name: str, dtype: str, stored: str) -> Case:
    """A layer whose weights are pruned at random, one by one or in blocks."""
    import torch

    size, share, batch = LAYERS[name]
    w = _weights(size, 1 if stored == "csr" else BLOCK, share / 100)
    x = np.random.default_rng(1).standard_normal((batch, size)).astype(np.float32)
    wt, xt = torch.from_numpy(w), torch.from_numpy(x)
    operands = f"X: f32[n, d], W: f32[m, d] {STORED[stored]}"
    source = f"kernel linear({operands}) -> Y: f32[n, m] {{ Y[b, o] = X[b, i] * W[o, i] }}"
    makers = [
        _torch("dense torch", lambda: wt, lambda a: torch.nn.functional.linear(xt, a)),
        _ours(source, X=x, W=w),
        _torch("torch CSR", wt.to_sparse_csr, lambda a: (a @ xt.T).T.contiguous()),
    ]
    if stored != "csr":
        blocks = partial(wt.to_sparse_bsr, (BLOCK, BLOCK))
        makers.append(_torch("torch BSR", blocks, lambda a: (a @ xt.T).T.contiguous()))
    return Case(f"linear, {stored}", name, dtype, makers, _close)


def product(name: str, dtype: str) -> Case:
    """C = A B with A in blocks by rows."""
    import torch

    size, block, columns = PRODUCTS[name]
    a, b = _weights(size, block, 0.9), np.random.default_rng(1).standard_normal((size, columns)).astype(np.float32)
    at, bt = torch.from_numpy(a), torch.from_numpy(b)
    operands = f"A: f32[m, n] bsr[{block}, {block}], B: f32[n, d]"
    source = f"kernel spmm({operands}) -> C: f32[m, d] {{ C[i, k] = A[i, j] * B[j, k] }}"
    makers = [
        _torch("torch BSR", lambda: at.to_sparse_bsr((block, block)), lambda t: t @ bt),
        _ours(source, A=a, B=b),
        _torch("torch CSR", at.to_sparse_csr, lambda t: t @ bt),
    ]
    return Case("spmm, bsr", name, dtype, makers, _close)


__all__ = ["LAYERS", "PRODUCTS", "STORED", "layer", "product"]
