"""Statements as text, and what NumPy says they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.language import Array, run, statements

RNG = np.random.default_rng(7)
DATA: dict[str, Any] = {
    "A": RNG.standard_normal((3, 4)),
    "B": RNG.standard_normal((4, 5)),
    "D": RNG.standard_normal((5, 2)),
    "T": RNG.standard_normal((3, 4, 5)),
    "S": RNG.standard_normal((4, 4)),
    "x": RNG.standard_normal(4),
    "b": RNG.standard_normal(3),
    "w": RNG.standard_normal(3),
    "M": RNG.random((3, 4)) < 0.5,
    "N": RNG.random((4, 5)) < 0.5,
    "n": np.array([3, 1, 4, 1]),
    "u": np.array([250, 3, 255, 0], np.uint8),
    "at": np.array([2, 0, 3, 3]),
    "s": 2.5,
    "z": np.array([1 + 2j, -1j]),
}


def shifted(x: Array, by: int) -> Array:
    """x[i + by], 0 outside."""
    out = np.zeros_like(x)
    for i in range(len(x)):
        if 0 <= i + by < len(x):
            out[i] = x[i + by]
    return out


def masked(x: Array, where: Array, fill: float = 0) -> Array:
    return np.where(where, x, fill)


I3, J4 = np.indices((3, 4))

# implicit sums
IMPLICIT: list[tuple[str, Callable[..., Any]]] = [
    ("y[i] = A[i, j] * x[j]", lambda A, x: A @ x),
    ("y[i] = b[i] - A[i, j] * x[j]", lambda A, x, b: b - A @ x),
    ("y[i] = 2 * (b[i] - A[i, j] * x[j])", lambda A, x, b: 2 * (b - A @ x)),
    ("y[i] = (b[i] - A[i, j] * x[j]) * 2", lambda A, x, b: 2 * (b - A @ x)),
    ("y[i] = (b[i] - A[i, j] * x[j]) / s", lambda A, x, b, s: (b - A @ x) / s),
    ("y[i] = b[i] + A[i, j] + x[j]", lambda A, x, b: b + A.sum(1) + x.sum()),
    ("y[i] = A[i, j] + b[i] + x[j]", lambda A, x, b: b + A.sum(1) + x.sum()),
    ("y[i] = x[j] + A[i, j] + b[i]", lambda A, x, b: b + A.sum(1) + x.sum()),
    ("y[i] = x[j] * (A[i, j] + b[i])", lambda A, x, b: (x * (A + b[:, None])).sum(1)),
    ("y[i] = b[i] * (A[i, j] + x[j])", lambda A, x, b: b * (A.sum(1) + x.sum())),
    ("y[i] = (A[i, j] + b[i]) * b[i]", lambda A, b: (A.sum(1) + b) * b),
    ("y[i] = A[i, j] / x[j]", lambda A, x: (A / x).sum(1)),
    ("y[i] = b[i] / x[j]", lambda b, x: (b[:, None] / x).sum(1)),
    ("y[i] = b[i] / (1 + x[j] * x[j])", lambda b, x: (b[:, None] / (1 + x * x)).sum(1)),
    ("y[i] = A[i, j] / b[i]", lambda A, b: A.sum(1) / b),
    ("y[i] = -A[i, j]", lambda A: -A.sum(1)),
    ("y[i] = -(A[i, j] - b[i])", lambda A, b: -(A.sum(1) - b)),
    ("y[i] = exp(A[i, j]) * x[j]", lambda A, x: np.exp(A) @ x),
    ("y[i] = b[i] + abs(A[i, j]) * max(x[j], 0)", lambda A, x, b: b + np.abs(A) @ np.maximum(x, 0)),
    ("y[i] = A[i, j] * x[j] * w[k]", lambda A, x, w: A @ x * w.sum()),
    ("y[i] = w[k] * A[i, j] * x[j]", lambda A, x, w: A @ x * w.sum()),
    ("C[i, m] = A[i, j] * B[j, k] * D[k, m]", lambda A, B, D: A @ B @ D),
    ("C[i, m] = A[i, j] * (B[j, k] * D[k, m])", lambda A, B, D: A @ B @ D),
    ("y[i] = A[i, j] * (x[j] + D[k, l])", lambda A, x, D: (A * (x + D.sum())).sum(1)),
    ("s0 = T[i, j, k]", lambda T: T.sum()),
    ("s0 = T[i, j, k] * T[i, j, k]", lambda T: (T * T).sum()),
    ("s0 = S[i, i]", lambda S: np.trace(S)),
    ("y[i] = S[i, i]", lambda S: np.diag(S)),
    ("C[i, j] = x[j]; y[i] = C[i, j] * b[i]", lambda x, b: x.sum() * b),
    ("C[j, i] = A[i, j]", lambda A: A.T),
    ("C[i, k] = M[i, j] * N[j, k]", lambda M, N: M @ N),
    ("y[i] = M[i, j]", lambda M: M.any(1)),
    ("y[i] = M[i, j] * A[i, j]", lambda M, A: (M * A).sum(1)),
    ("y[i] = M[i, j] * N[j, k] * D[k, 0]", lambda M, N, D: (M @ N) @ D[:, 0]),
    ("y = n[i] * n[i]", lambda n: (n * n).sum()),
    ("y = u[i]", lambda u: u.sum()),
    ("y = u[i] * u[i]", lambda u: (u * u).astype(np.uint64).sum()),
    ("y = n[j] * u[j]", lambda n, u: (n * u).sum()),
    ("y[i] = softmax[j](A[i, j]) * x[j]", lambda A, x: softmax(A) @ x),
    ("y[i] = softmax[j](A[i, j])", lambda A: softmax(A).sum(1)),
]  # fmt: skip


def softmax(a: Array) -> Array:
    e = np.exp(a - a.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


# reductions, conditions, scans
FOLDS: list[tuple[str, Callable[..., Any]]] = [
    ("y[i] = sum[j](A[i, j])", lambda A: A.sum(1)),
    ("y[i] = prod[j](A[i, j])", lambda A: A.prod(1)),
    ("y = sum[i, j](A[i, j] * x[j])", lambda A, x: (A * x).sum()),
    ("y[i] = min[j](A[i, j])", lambda A: A.min(1)),
    ("y[i] = max[j](u[j]) + b[i]", lambda u, b: u.max() + b),
    ("y[i] = any[j](A[i, j] > 0.5)", lambda A: (A > 0.5).any(1)),
    ("y[i] = all[j](A[i, j] > -0.5)", lambda A: (A >= -0.5).all(1)),
    ("y[i] = count[j](A[i, j] > 0)", lambda A: (A > 0).sum(1)),
    ("y[i] = sum[j](M[i, j])", lambda M: M.sum(1)),
    ("y[i] = mean[j](A[i, j])", lambda A: A.mean(1)),
    ("y = mean[i](n[i])", lambda n: n.mean()),
    ("y[i] = mean[j](A[i, j] where j < 2)", lambda A: A[:, :2].mean(1)),
    ("y[i] = argmin[j](A[i, j])", lambda A: A.argmin(1)),
    ("y[i] = argmax[j](A[i, j] where j > i)", lambda A: np.array([i + 1 + A[i, i + 1 :].argmax() for i in range(3)])),
    ("y[i] = logsumexp[j](A[i, j])", lambda A: np.log(np.exp(A).sum(1))),
    ("y[i] = sum[j](A[i, j] * x[j] where j < i)", lambda A, x: (np.tril(A, -1) * x).sum(1)),
    ("y[i] = sum[j](A[i, j] where M[i, j] and x[j] > 0)", lambda A, M, x: (A * M * (x > 0)).sum(1)),
    ("y[i] = sum[j](A[i, j] * sum[j](x[j]))", lambda A, x: A.sum(1) * x.sum()),
    ("y[i] = sum[j](A[i, j]) + sum[j](B[j, i - 0])", lambda A, B: A.sum(1) + B.sum(0)[:3]),
    ("y[i] = b[i] / sum[i](b[i])", lambda b: b / b.sum()),
    ("y[i] = sum[i](b[i]) * b[i] + i", lambda b: b * b.sum() + np.arange(3)),
    ("P[i, j] = softmax[j](A[i, j] where M[i, j])", lambda A, M: masked_softmax(A, M)),
    ("y[j] = scan[j](x[j])", lambda x: x.cumsum()),
    ("y[j] = scan[j](u[j])", lambda u: u.cumsum()),
    ("y[j] = scan[j, exclusive](x[j])", lambda x: x.cumsum() - x),
    ("y[j] = scan[j, reverse](x[j])", lambda x: x[::-1].cumsum()[::-1]),
    ("y[j] = scan[j, exclusive, reverse](n[j])", lambda n: n[::-1].cumsum()[::-1] - n),
    ("C[i, j] = scan.max[j](A[i, j])", lambda A: np.maximum.accumulate(A, 1)),
    ("y[j] = scan.count[j](x[j] > 0)", lambda x: (x > 0).cumsum()),
    ("y[j] = scan.any[j](x[j] > 0)", lambda x: np.logical_or.accumulate(x > 0)),
    ("y[i] = sum[j](scan[j](A[i, j]))", lambda A: A.cumsum(1).sum(1)),
    ("C[i, j] = A[i, j] where j <= i", lambda A: np.tril(A)),
    ("C[i, j] = A[i, j] where M[i, j]", lambda A, M: masked(A, M)),
    ("C[i, j]: fill(-inf) = A[i, j] where M[i, j] and i < 2", lambda A, M: masked(A, M & (I3 < 2), -np.inf)),
    ("C[i, j] = A[i, j] where i - j in -1:2", lambda A: masked(A, np.abs(I3 - J4) < 2)),
    ("C[i, j] = A[i, j] where top[j: 2](A[i, j])", lambda A: masked(A, greatest(A, 2))),
    ("C[i, j] = A[i, j] where top[j/2: 1](abs(A[i, j]))", lambda A: by_pairs(A)),
    ("C[i, j] = A[i, j] where top[i, j: 5](A[i, j])", lambda A: masked(A, greatest(A.reshape(1, 12), 5).reshape(3, 4))),
    ("y[i] = A[i, j] * x[j] where j < i", lambda A, x: (np.tril(A, -1) * x).sum(1)),
    ("y[i]: fill(7) = A[i, j] * x[j] where j < i", lambda A, x: np.array([7, *(np.tril(A, -1) @ x)[1:]])),
    ("y[i] = A[i, j] where top[j: 2](A[i, j])", lambda A: np.sort(A, 1)[:, 2:].sum(1)),
    ("y[i] = min[j](A[i, j]) where j < i", lambda A: np.array([0, A[1, 0], A[2, :2].min()])),
    ("y[i]: fill(inf) = min[j](A[i, j]) where j < i", lambda A: np.array([np.inf, A[1, 0], A[2, :2].min()])),
    ("y[i] = A[i, j] where j < i and b[i] > -9", lambda A: np.tril(A, -1).sum(1)),
    ("y[i]: fill(5) = mean[j](A[i, j]) where j < i", lambda A: np.array([5, A[1, 0], A[2, :2].mean()])),
    ("scan i { y[i] = x[i] + 0.5 * y[i - 1] }", lambda x: recurrence(x)),
    ("scan i reverse { y[i] = x[i] + 0.5 * y[i + 1] }", lambda x: recurrence(x[::-1])[::-1]),
    ("scan i { y[i] = (x[i] - sum[j](S[i, j] * y[j] where j < i)) / S[i, i] }", lambda S, x: forward(S, x)),
    ("scan i { t += x[i]; y[i] = t * t }", lambda x: x.cumsum() ** 2),
    ("scan i { a[i] = c[i - 1] + 1; c[i] = 2 * a[i] }; y[i] = c[i] + 0 * n[i]", lambda n: np.array([2, 6, 14, 30])),
    ("scan i { y[i] = n[i] / 2 + y[i - 1] }", lambda n: (n / 2).cumsum()),
]  # fmt: skip


def masked_softmax(a: Array, m: Array) -> Array:
    e = np.where(m, np.exp(a), 0)
    total = e.sum(1, keepdims=True)
    return np.where(total > 0, e / np.where(total > 0, total, 1), 0)


def greatest(a: Array, k: int) -> Array:
    """Where the k greatest of each row are."""
    return np.greater_equal(a, np.sort(a, 1)[:, [-k]])


def by_pairs(a: Array) -> Array:
    out = np.zeros_like(a)
    for j in range(0, a.shape[1], 2):
        k = j + np.abs(a[:, j : j + 2]).argmax(1)
        out[np.arange(len(a)), k] = a[np.arange(len(a)), k]
    return out


def recurrence(x: Array) -> Array:
    out = np.zeros_like(x)
    for i in range(len(x)):
        out[i] = x[i] + 0.5 * (out[i - 1] if i else 0)
    return out


def forward(s: Array, x: Array) -> Array:
    return np.asarray(np.linalg.solve(np.tril(s), x))


def histogram(at: Array, w: Array) -> Array:
    out = np.zeros(4)
    np.add.at(out, at, w)
    return out


# indices, updates, values of names
INDICES: list[tuple[str, Callable[..., Any]]] = [
    ("y[i] = x[i + 1] + 0 * n[i]", lambda x: shifted(x, 1)),
    ("y[i] = x[i + r - 1] * w[r] + 0 * n[i]", lambda x, w: sum(shifted(x, r - 1) * w[r] for r in range(3))),
    ("y[i] = sum[r](x[i + r] where r in -1:2) + 0 * n[i]", lambda x: sum(shifted(x, r) for r in (-1, 0, 1))),
    ("y[j] = sum[r](r * x[j + r] where r in -1:2) + 0 * n[j]", lambda x: shifted(x, 1) - shifted(x, -1)),
    ("y[i] = x[2 * i] + 0 * n[i]", lambda x: np.array([x[0], x[2], 0, 0])),
    ("y[i] = x[3 - i] + 0 * n[i]", lambda x: x[::-1]),
    ("y[i] = x[at[i]]", lambda x, at: x[at]),
    ("C[i, j] = A[i, at[j]]", lambda A, at: A[:, at]),
    ("y[i] = i * x[i]", lambda x: np.arange(4) * x),
    ("C[i, j] = i - j + 0 * A[i, j]", lambda: (I3 - J4).astype(float)),
    ("y = x[0] + x[3]", lambda x: x[0] + x[3]),
    ("y[i] += x[i] * s", lambda x, s: x * s),
    ("y[i] min= A[j, i]", lambda A: A.min(0)),
    ("y[i] max= A[j, i] + x[i]", lambda A, x: A.max(0) + x),
    ("y[i] *= A[j, i]", lambda A: A.prod(0)),
    ("y[i] += A[j, i] * b[j] - x[i]", lambda A, b, x: b @ A - x),
    ("y[i] |= M[j, i]", lambda M: M.any(0)),
    ("y[i] &= M[j, i]", lambda M: M.all(0)),
    ("y[i] += M[j, i]", lambda M: M.any(0)),
    ("y |= n[i]", lambda n: np.bitwise_or.reduce(n)),
    ("y &= n[i]", lambda n: np.bitwise_and.reduce(n)),
    ("y[i] = x[i]; y[i] += 1", lambda x: x + 1),
    ("y[i] = x[i]; y[at[i]] += n[i]", lambda x, at, n: x + histogram(at, n)),
    ("y[i] = x[i]; y[i] += 10 * y[i]", lambda x: 11 * x),
    ("y[i] = A[0, i]; y[i + 1] += y[i]", lambda A: A[0] + np.concatenate([[0], A[0, :-1]])),
    ("q = x[i] * x[i]; y[i] = x[i] / sqrt(q)", lambda x: x / np.sqrt((x * x).sum())),
    ("y[i] = z[i] * 1j", lambda z: z * 1j),
    ("y[i] = real(z[i]) + abs(z[i])", lambda z: z.real + abs(z)),
]  # fmt: skip


def check(text: str, meaning: Callable[..., Any]) -> None:
    named = {v for v in DATA if v in _words(text)} - _written(text)
    data = {v: DATA[v] for v in named}
    program = statements(text, **data)
    got = np.asarray(run(program, **data))
    want = np.asarray(meaning(**{v: DATA[v] for v in meaning.__code__.co_varnames[: meaning.__code__.co_argcount]}))
    assert got.dtype == want.dtype and got.shape == want.shape, (
        f"{got.dtype} {got.shape}, NumPy {want.dtype} {want.shape}"
    )
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", text))


def _written(text: str) -> set[str]:
    """What the statements define: it is not passed."""
    return set(re.findall(r"(?:^|[;{]\s*)(\w+)(?:\[[^=]*\])?\s*(?::[^=]*)?(?:[-+*|&]|min|max)?=", text))


CASES = [*IMPLICIT, *FOLDS, *INDICES]


@pytest.mark.parametrize("text, meaning", CASES, ids=[c[0] for c in CASES])
def test_meaning(text: str, meaning: Callable[..., Any]) -> None:
    check(text, meaning)
