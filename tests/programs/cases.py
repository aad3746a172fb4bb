"""Programs that users of other compilers reported broken, and the classic failures, each with what NumPy says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.support.statements import Source

Array = np.ndarray[Any, np.dtype[Any]]
MATRIX = ("", "csr", "csc", "coo", "dcsr", "dcsc", "(i, j) -> (i: compressed, j: dense)")
"""Formats of a matrix; "" is dense."""
SPARSE = MATRIX[1:]
LEVELS = ("(i, j) -> (i: dense, j: fixed[9])", "(i, j) -> (j: fixed[9], i: fixed[9])", "bitmap",
          "(i, j) -> (i: compressed, j: bitmap)", "(i, j) -> (j: bitmap, i: compressed)", "hash",
          "(i, j) -> (j: dense, i: hashed)", "(i, j) -> (i: dense, j: compressed[unordered])",
          "(i, j) -> (j: compressed[unordered], i: compressed[unordered])", "rle",
          "(i, j) -> (j: compressed, i: runs)", "(i, j) -> (i: dense, j: compressed[index=delta8])",
          "(i, j) -> (j: compressed[index=delta8], i: compressed[index=delta8])")
"""Level types beside ``dense`` and ``compressed``: ``other_levels`` meets each with the formats above."""
SSS, DSS = "csf", "(i, j, k) -> (i: dense, j: compressed, k: compressed)"
SD = "(i, j) -> (i: compressed, j: dense)"


@dataclass(frozen=True, slots=True)
class Case:
    """A program, the extents of its dimensions, and its meaning; ``data`` fixes some operands."""

    name: str
    source: Source
    dims: dict[str, int]
    meaning: Callable[..., Any]
    data: dict[str, Array] = field(default_factory=dict)

    def arrays(self, seed: int, density: float = 0.4) -> dict[str, Array]:
        """Operands: small whole numbers at random places, so that sums are exact."""
        rng = np.random.default_rng(seed)
        out = {}
        for t in self.source.program.operands:
            shape = tuple(d if isinstance(d, int) else self.dims[d] for d in t.dims)
            values = rng.integers(1, 5, shape) * rng.choice([-1.0, 1.0], shape)
            dense = t.format is None or t.format.is_dense
            kept = values if dense else np.where(rng.random(shape) < density, values, 0.0)
            out[t.name] = self.data.get(t.name, np.asarray(kept, float))
        return out


def case(name: str, operands: str, result: str, statement: str, meaning: Callable[..., Any] | str, **dims: int) -> Case:
    """A case; a meaning may be the subscripts of an einsum over the operands in order."""
    if isinstance(meaning, str):
        subscripts = meaning
        return Case(name, Source(operands, result, statement), dims, lambda **x: np.einsum(subscripts, *x.values()))
    return Case(name, Source(operands, result, statement), dims, meaning)


def reported() -> Iterator[Case]:
    """By number of the thread."""
    vec = "(i) -> (i: compressed)"
    yield case("taco-103", f"A: f64[n] {vec}", f"B: f64[n] {vec}", "B[i] = A[i] + A[i]", lambda A: A + A, n=7)
    for f in (SSS, DSS):
        for out in (SD, "csr", ""):
            yield case(
                f"taco-199-{'sss' if f == SSS else 'dss'}-{short(out)}",
                f"A: f64[n, n] {SD}; T: f64[n, n, n] {f}; x: f64[n]", f"J: f64[n, n] {out}",
                "J[i, j] = A[i, j] + T[i, j, k] * x[k] + T[i, l, j] * x[l]",
                lambda A, T, x: A + T @ x + np.einsum("ilj,l->ij", T, x), n=5,
            )  # fmt: skip
    for out in MATRIX:
        yield case(f"taco-199-reduced-{short(out)}", "A: f64[n, n] csr", f"J: f64[n, n] {out}",
                   "J[j, l] = A[l, j] + A[j, l]", lambda A: A + A.T, n=6)  # fmt: skip
    for f in (SSS, DSS, "coo"):
        for out in ("", "csr", "dcsr"):
            yield case(f"taco-82-{short(f)}-{short(out)}", f"B: f64[m, n, p] {f}; c: f64[p]", f"A: f64[n, m] {out}",
                       "A[i, j] = B[j, i, k] * c[k]", lambda B, c: (B @ c).T, m=4, n=5, p=3)  # fmt: skip
    yield case("taco-212", "B: f64[m, k]; C: f64[k, n]", "A: f64[n, m]", "A[c, a] = B[a, b] * C[b, c]", "ij,jk->ki",
               m=3, k=4, n=5)  # fmt: skip
    yield case("taco-292", "x: f64[n, n]; g: f64[n, n]", "f: f64[n, n]", "f[i, j] = x[i, j] + g[j, i]",
               lambda x, g: x + g.T, n=6)  # fmt: skip
    for f in SPARSE:
        yield from sparse_results(f"taco-297-{short(f)}", f)
    yield case("taco-307", "B: f64[m, k] csr; C: f64[k, n] csr", "A: f64[m, n] csr", "A[i, l] = B[i, j] * C[j, l]",
               "ij,jk->ik", m=42, k=31, n=42)  # fmt: skip
    x = np.zeros((4, 4, 3))
    entries = "0001 0102 1017 1108 1206 2023 2204 3015"
    for i, j, k, v in (map(int, e) for e in entries.split()):
        x[i, j, k] = v
    x[0, 3, 0] = 10
    contraction = Source(f"X: f64[a, b, c] {SSS}; Y: f64[a, b, c] {SSS}", "Z: f64[b, c, b, c] csf",
                         "Z[j, k, l, m] = X[i, j, k] * Y[i, l, m]")  # fmt: skip
    for number in (308, 309):
        yield Case(f"taco-{number}", contraction, {"a": 4, "b": 4, "c": 3},
                   lambda X, Y: np.einsum("ijk,ilm->jklm", X, Y), {"X": x, "Y": x})  # fmt: skip
    for f in MATRIX:
        for out in MATRIX:
            yield case(f"taco-365-{short(f)}-{short(out)}", f"B: f64[m, n] {f}", f"A: f64[n, m] {out}",
                       "A[i, j] = B[j, i]", lambda B: B.T, m=5, n=7)  # fmt: skip
    for f in ("csr", "coo"):
        yield case(f"taco-490-{f}", f"A: f64[n, n] {f}", f"T: f64[n, n] {f}", "T[i, k] = A[i, j] * A[j, k]",
                   lambda A: A @ A, n=7)  # fmt: skip
    chain = "D[i, l] = A[i, j] * B[j, k] * C[k, l]"
    yield case("finch-tensor-620", "A: f64[n, n] csr; B: f64[n, n] csr; C: f64[n, n] csr", "D: f64[n, n] csr", chain,
               lambda A, B, C: A @ B @ C, n=2)  # fmt: skip
    yield Case("finch-tensor-620-empty", Source("A: f64[n, n] csr; B: f64[n, n] csr; C: f64[n, n] csr",
               "D: f64[n, n] csr", chain), {"n": 2}, lambda A, B, C: A @ B @ C,
               {n: np.zeros((2, 2)) for n in "ABC"})  # fmt: skip
    yield case("finch-813-array", "A: f64[a, b, c]", f"B: f64[a, b, c] {DSS}", "B[i, j, k] = A[i, j, k]", lambda A: A,
               a=10, b=10, c=6)  # fmt: skip
    seven = ", ".join(f"d{n}" for n in range(7))
    index = ", ".join("abcdefg")
    yield case("finch-813-rank-7", f"A: f64[{seven}] coo", f"B: f64[{seven}] csf", f"B[{index}] = A[{index}]",
               lambda A: A, d0=3, d1=2, d2=3, d3=2, d4=2, d5=1, d6=2)  # fmt: skip


def neighbours() -> Iterator[Case]:
    """Reports beside those: same causes, other programs."""
    for b in (("(i, j, k) -> (j: dense, k: compressed, i: compressed)"), "csf", "coo"):
        yield case(f"taco-35-{short(b)}", f"B: f64[k, l, m] {b}; D: f64[l, n]; C: f64[k, n]", "A: f64[m, n]",
                   "A[i, j] = B[x, y, i] * D[y, j] * C[x, j]", "kli,lj,kj->ij", k=3, l=4, m=5, n=2)  # fmt: skip
    for f, out in ((SD, SD), (SD, "csr")):
        yield case(f"taco-86-100-{short(out)}", f"B: f64[m, n] {f}", f"A: f64[m, n] {out}", "A[i, j] = B[i, j]",
                   lambda B: B, m=6, n=3)  # fmt: skip
    yield case("taco-146", f"G: f64[a, b, c] {SSS}; p: f64[a] coo", "A: f64[b, c] dcsr", "A[j, k] = G[i, j, k] * p[i]",
               "ijk,i->jk", a=5, b=5, c=3)  # fmt: skip
    for out in MATRIX:
        yield case(f"taco-215-{short(out)}", "B: f64[m] coo; C: f64[n] coo", f"A: f64[m, n] {out}",
                   "A[i, j] = B[i] + C[j]", lambda B, C: B[:, None] + C, m=4, n=5)  # fmt: skip
        yield case(f"taco-280-{short(out)}", "B: f64[m, k] csc; C: f64[k, n]; D: f64[m, n]", f"A: f64[m, n] {out}",
                   "A[i, l] = B[i, j] * C[j, l] + D[i, l]", lambda B, C, D: B @ C + D, m=4, k=3, n=5)  # fmt: skip
    yield case("taco-522", f"B: f64[a, b, c] {SSS}; C: f64[d, c] csc", f"A: f64[a, b, d] {SSS}",
               "A[i, j, k] = B[i, j, l] * C[k, l]", "ijl,kl->ijk", a=3, b=4, c=5, d=4)  # fmt: skip
    for f in MATRIX:
        for out in MATRIX:
            yield case(f"taco-279-{short(f)}-{short(out)}", f"B: f64[m, n] {f}", f"A: f64[m, n] {out}",
                       "A[i, j] = B[i, j]", lambda B: B, m=5, n=4)  # fmt: skip


def sparse_results(name: str, f: str) -> Iterator[Case]:
    """The list of taco 297, operands and result in one format."""
    three = f"A: f64[n, n] {f}; B: f64[n, n] {f}; C: f64[n, n] {f}"
    two = f"A: f64[n, n] {f}; B: f64[n, n] {f}"
    out = f"R: f64[n, n] {f}"
    n = 6
    yield case(f"{name}-AB", two, out, "R[i, j] = A[i, k] * B[k, j]", lambda A, B: A @ B, n=n)
    yield case(f"{name}-AtA", f"A: f64[n, n] {f}", out, "R[i, j] = A[k, i] * A[k, j]", lambda A: A.T @ A, n=n)
    yield case(f"{name}-AtDA", f"A: f64[n, n] {f}; D: f64[n]", out, "R[i, j] = A[k, i] * D[k] * A[k, j]",
               lambda A, D: A.T @ np.diag(D) @ A, n=n)  # fmt: skip
    yield case(f"{name}-ABC", three, out, "R[i, j] = A[i, k] * B[k, l] * C[l, j]", lambda A, B, C: A @ B @ C, n=n)
    yield case(f"{name}-sums", three, out, "R[i, j] = (A[i, k] + B[i, k]) * (A[k, j] + B[k, j] + C[k, j])",
               lambda A, B, C: (A + B) @ (A + B + C), n=n)  # fmt: skip
    yield case(f"{name}-scaled", f"{three}; s: f64; t: f64", out,
               "R[i, j] = (s * A[k, i] + B[k, i]) * (t * B[j, k] + C[k, j])",
               lambda A, B, C, s, t: (s * A + B).T @ (t * B.T + C), n=n)  # fmt: skip


def classics() -> Iterator[Case]:
    """The failures that the plan names, for every format of the result."""
    for out in MATRIX:
        o = short(out)
        yield case(f"csc-csr-{o}", "A: f64[m, n] csc; B: f64[m, n] csr", f"R: f64[m, n] {out}",
                   "R[i, j] = A[i, j] * B[i, j]", lambda A, B: A * B, m=5, n=7)  # fmt: skip
        yield case(f"csc-plus-csr-{o}", "A: f64[m, n] csc; B: f64[m, n] csr", f"R: f64[m, n] {out}",
                   "R[i, j] = A[i, j] + B[i, j]", lambda A, B: A + B, m=5, n=7)  # fmt: skip
        yield case(f"csc-times-csr-{o}", "A: f64[m, k] csc; B: f64[k, n] csr", f"R: f64[m, n] {out}",
                   "R[i, j] = A[i, l] * B[l, j]", lambda A, B: A @ B, m=5, k=4, n=7)  # fmt: skip
        yield case(f"csr-times-csc-{o}", "A: f64[m, k] csr; B: f64[k, n] csc", f"R: f64[m, n] {out}",
                   "R[i, j] = A[i, l] * B[l, j]", lambda A, B: A @ B, m=5, k=4, n=7)  # fmt: skip
        yield case(f"sddmm-{o}", "S: f64[m, n] csr; X: f64[m, d]; Y: f64[n, d]", f"P: f64[m, n] {out}",
                   "P[i, j] = S[i, j] * X[i, k] * Y[j, k]", "ij,ik,jk->ij", m=5, n=6, d=3)  # fmt: skip
        yield case(f"mttkrp-{o}", "B: f64[m, k, l] csf; C: f64[k, n]; D: f64[l, n]", f"A: f64[m, n] {out}",
                   "A[i, j] = B[i, x, y] * C[x, j] * D[y, j]", "ikl,kj,lj->ij", m=4, k=3, l=5, n=2)  # fmt: skip
        yield case(f"mttkrp-sparse-{o}", "B: f64[m, k, l] csf; C: f64[k, n] csr; D: f64[l, n] csr",
                   f"A: f64[m, n] {out}", "A[i, j] = B[i, x, y] * C[x, j] * D[y, j]", "ikl,kj,lj->ij",
                   m=4, k=3, l=5, n=2)  # fmt: skip
        yield case(f"diagonal-{o}", f"A: f64[n, n] {out}", "d: f64[n] coo", "d[i] = A[i, i]", lambda A: np.diag(A), n=6)
        yield case(f"twice-{o}", f"A: f64[n, n] {out}", f"R: f64[n, n] {out}", "R[i, j] = A[i, j] * A[i, j] + A[j, i]",
                   lambda A: A * A + A.T, n=6)  # fmt: skip
        yield case(f"outer-{o}", "x: f64[m] coo; y: f64[n] coo", f"R: f64[m, n] {out}", "R[i, j] = x[i] * y[j]",
                   lambda x, y: np.outer(x, y), m=4, n=5)  # fmt: skip
    for a in MATRIX:
        for out in ("", "coo"):
            yield case(f"residual-{short(a)}-{short(out)}", f"A: f64[m, n] {a}; x: f64[n]; b: f64[m]",
                       f"r: f64[m] {out}", "r[i] = b[i] - A[i, j] * x[j]", lambda A, x, b: b - A @ x,
                       m=5, n=7)  # fmt: skip
    for f in ("csf", "coo", DSS):
        for out in ("csf", "coo", ""):
            yield case(f"order-4-{short(f)}-{short(out)}", f"X: f64[a, b, c] {f}; Y: f64[a, b, c] {f}",
                       f"Z: f64[b, c, b, c] {out}", "Z[j, k, l, m] = X[i, j, k] * Y[i, l, m]", "ijk,ilm->jklm",
                       a=4, b=3, c=2)  # fmt: skip


def other_levels() -> Iterator[Case]:
    """Each of the level types as operand and as result: walked alone, with others, across, probed, written."""
    for f in LEVELS:
        o = precise(f)
        for other in ("", "csr", "dcsc", f):
            p = precise(other)
            both = f"A: f64[n, n] {f}; B: f64[n, n] {other}"
            for out in ("", "csr", "coo", f):
                result = f"R: f64[n, n] {out}"
                yield case(f"level-{o}-times-{p}-{precise(out)}", both, result, "R[i, j] = A[i, j] * B[i, j]",
                           lambda A, B: A * B, n=7)  # fmt: skip
                yield case(f"level-{o}-plus-{p}-{precise(out)}", both, result, "R[i, j] = A[i, j] + B[i, j]",
                           lambda A, B: A + B, n=7)  # fmt: skip
            yield case(f"level-{o}-matmul-{p}", both, f"R: f64[n, n] {f}", "R[i, j] = A[i, k] * B[k, j]",
                       lambda A, B: A @ B, n=7)  # fmt: skip
            yield case(f"level-{o}-transposed-{p}", both, f"R: f64[n, n] {f}", "R[i, j] = A[j, i] + B[i, j]",
                       lambda A, B: A.T + B, n=7)  # fmt: skip
            yield case(f"level-{o}-dots-{p}", both, "r: f64[n]", "r[i] = A[i, j] * B[i, j]",
                       lambda A, B: (A * B).sum(1), n=7)  # fmt: skip
        yield case(f"level-{o}-spmv", f"A: f64[n, n] {f}; x: f64[n]", "y: f64[n]", "y[i] = A[i, j] * x[j]",
                   lambda A, x: A @ x, n=7)  # fmt: skip
        yield case(f"level-{o}-spmv-turned", f"A: f64[n, n] {f}; x: f64[n]", "y: f64[n]", "y[j] = A[i, j] * x[i]",
                   lambda A, x: x @ A, n=7)  # fmt: skip
        yield case(f"level-{o}-diagonal", f"A: f64[n, n] {f}", "d: f64[n] coo", "d[i] = A[i, i]",
                   lambda A: np.diag(A), n=7)  # fmt: skip
        yield case(f"level-{o}-residual", f"A: f64[n, n] {f}; x: f64[n]; b: f64[n]", "r: f64[n]",
                   "r[i] = b[i] - A[i, j] * x[j]", lambda A, x, b: b - A @ x, n=7)  # fmt: skip


def short(fmt: str) -> str:
    """A label for a format: its name, or the initials of its levels."""
    if not fmt:
        return "dense"
    if "->" not in fmt:
        return fmt
    levels = fmt.split("->")[1].strip(" ()").split(",")
    return "".join(part.split(":")[1].strip()[0] for part in levels) + "".join(p.split(":")[0].strip() for p in levels)


def precise(fmt: str) -> str:
    """``short`` with the first letters of the options."""
    return short(fmt) + "".join(re.findall(r"\[(\w)", fmt))


ALL = {c.name: c for c in (*reported(), *neighbours(), *classics(), *other_levels())}
