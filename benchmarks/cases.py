"""The kernels of the table: for each its text in our language, and the peers' ways to the same result.

Every function takes the data's name and a dtype and returns a ``Case``, or None where the product would be out of
proportion.  The first contestant is the reference of the check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks import conversions, data, linear, search, structured
from benchmarks.harness import OURS, Case, Contestant

MOST_PRODUCTS = 100_000_000
"""SpGEMM cases with more multiplications than this are left out: they take minutes and gigabytes."""

NUMPY = {"f32": np.float32, "f64": np.float64}
TOLERANCE = {"f32": 2e-4, "f64": 1e-10}

SPMV = "kernel spmv(A: {t}[m, n] csr, x: {t}[n]) -> y: {t}[m] {{\n    y[i] = A[i, j] * x[j]\n}}\n"
SPMM = "kernel spmm(A: {t}[m, n] csr, B: {t}[n, d]) -> C: {t}[m, d] {{\n    C[i, k] = A[i, j] * B[j, k]\n}}\n"
SDDMM = (
    "kernel sddmm(S: {t}[m, n] csr, X: {t}[m, d], Y: {t}[n, d]) -> P: {t}[m, n] csr {{\n"
    "    P[i, j] = S[i, j] * X[i, k] * Y[j, k]\n}}\n"
)
SPGEMM = (
    "kernel spgemm(A: {t}[m, p] csr, B: {t}[p, n] csr) -> C: {t}[m, n] csr {{\n    C[i, k] = A[i, j] * B[j, k]\n}}\n"
)
ADD = "kernel add(A: {t}[m, n] csr, B: {t}[m, n] csr) -> C: {t}[m, n] csr {{\n    C[i, j] = A[i, j] + B[i, j]\n}}\n"
MTTKRP = (
    "kernel mttkrp(T: {t}[n1, n2, n3] csf, B: {t}[n2, d], C: {t}[n3, d]) -> M: {t}[n1, d] {{\n"
    "    M[i, r] = T[i, j, k] * B[j, r] * C[k, r]\n}}\n"
)
SOURCES = {"spmv": SPMV, "spmm": SPMM, "sddmm": SDDMM, "spgemm": SPGEMM, "add": ADD, "mttkrp": MTTKRP}


def close(dtype: str, reference: Any, answer: Any) -> None:
    """Dense results agree within a tolerance relative to the greatest entry; sparse ones also in their entries."""
    import scipy.sparse

    if scipy.sparse.issparse(reference):
        assert reference.shape == answer.shape, f"shape {answer.shape}, expected {reference.shape}"
        assert reference.nnz == answer.nnz, f"{answer.nnz} entries, expected {reference.nnz}"
        assert np.array_equal(reference.indptr, answer.indptr), "the rows differ"
        assert np.array_equal(reference.indices, answer.indices), "the columns differ"
        reference, answer = reference.data, answer.data
    bound = TOLERANCE[dtype] * max(1.0, float(np.abs(reference).max(initial=0.0)))
    np.testing.assert_allclose(answer, reference, rtol=TOLERANCE[dtype], atol=bound)


def ours(
    kernel: str,
    dtype: str,
    operands: dict[str, Any],
    answer: Callable[[Any], Any] = np.asarray,
    format: str | None = None,
) -> Contestant:
    """Our kernel, its operands converted beforehand as ``prepare`` does it for repeated calls."""
    import sparsec as sp

    k = sp.compile(SOURCES[kernel].format(t=dtype), formats={"A": format} if format else None)
    prepared = k.prepare(**operands)
    return Contestant(OURS, partial(k, **prepared), answer)


def canonical(value: Any) -> Any:
    """A sparse result of ours or of SciPy as a sorted SciPy CSR array."""
    csr = value.scipy() if hasattr(value, "scipy") else value
    if not csr.has_sorted_indices:
        csr = csr.copy()
        csr.sort_indices()
    return csr


def torch_csr(a: Any) -> Any:
    """The same matrix for torch, sharing memory."""
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that CSR is in beta
        parts = [torch.from_numpy(v) for v in (a.indptr, a.indices, a.data)]
        return torch.sparse_csr_tensor(parts[0], parts[1], parts[2], size=a.shape)


def from_torch(value: Any) -> Any:
    """A torch CSR result as a sorted SciPy CSR array."""
    import scipy.sparse

    parts = (value.values().numpy(), value.col_indices().numpy(), value.crow_indices().numpy())
    return canonical(scipy.sparse.csr_array(parts, shape=tuple(value.shape)))


def _matrix(name: str, dtype: str) -> Any:
    a = data.matrix(name)
    return a if dtype == "f64" else a.astype(NUMPY[dtype])


def _dense(shape: tuple[int, ...] | int, dtype: str, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(NUMPY[dtype])


def spmv(name: str, dtype: str) -> Case:
    """y = A x."""
    return _spmv(name, dtype, "csr")


def _spmv(name: str, dtype: str, format: str) -> Case:
    a = _matrix(name, dtype)
    x = _dense(a.shape[1], dtype)

    def torch_() -> Contestant:
        import torch

        at, xt = torch_csr(a), torch.from_numpy(x)
        return Contestant("torch", lambda: at @ xt, lambda y: y.numpy())

    makers = [
        ("SciPy", lambda: Contestant("SciPy", lambda: a @ x)),
        (OURS, lambda: ours("spmv", dtype, {"A": a, "x": x}, format=format)),
        ("torch", torch_),
    ]
    return Case("spmv" if format == "csr" else f"spmv, {format}", name, dtype, makers, partial(close, dtype))


def spmm(name: str, dtype: str, columns: int = 32) -> Case:
    """C = A B with a dense, row-major B of ``columns`` columns."""
    a = _matrix(name, dtype)
    b = _dense((a.shape[1], columns), dtype)

    def torch_() -> Contestant:
        import torch

        at, bt = torch_csr(a), torch.from_numpy(b)
        return Contestant("torch", lambda: at @ bt, lambda c: c.numpy())

    makers = [
        ("SciPy", lambda: Contestant("SciPy", lambda: a @ b)),
        (OURS, lambda: ours("spmm", dtype, {"A": a, "B": b})),
        ("torch", torch_),
    ]
    return Case(f"spmm-{columns}", name, dtype, makers, partial(close, dtype))


def sddmm(name: str, dtype: str, inner: int = 32) -> Case:
    """P = S * (X Y') at the entries of S."""
    import scipy.sparse

    s = _matrix(name, dtype)
    x, y = _dense((s.shape[0], inner), dtype), _dense((s.shape[1], inner), dtype, 2)
    rows = np.repeat(np.arange(s.shape[0]), np.diff(s.indptr))

    def numpy_() -> Contestant:
        def call() -> Any:
            return s.data * np.einsum("ek,ek->e", x[rows], y[s.indices])

        return Contestant(
            "NumPy", call, lambda values: scipy.sparse.csr_array((values, s.indices, s.indptr), shape=s.shape)
        )

    def torch_() -> Contestant:
        import torch

        st, xt, yt = torch_csr(s), torch.from_numpy(x), torch.from_numpy(y)
        values = st.values()

        def call() -> Any:
            out = torch.sparse.sampled_addmm(st, xt, yt.T, beta=0.0)
            out.values().mul_(values)
            return out

        return Contestant("torch", call, from_torch)

    makers = [
        ("NumPy", numpy_),
        (OURS, lambda: ours("sddmm", dtype, {"S": s, "X": x, "Y": y}, canonical)),
        ("torch", torch_),
    ]
    return Case(f"sddmm-{inner}", name, dtype, makers, partial(close, dtype))


def spgemm(name: str, dtype: str) -> Case | None:
    """C = A A, or A A' where A is not square; sorted, as ours always is."""
    a = _matrix(name, dtype)
    square = a.shape[0] == a.shape[1]
    b = a if square else a.T.tocsr()
    lengths = np.diff(b.indptr).astype(np.int64)
    if int(lengths[a.indices].sum()) > MOST_PRODUCTS:
        return None

    def scipy_() -> Contestant:
        def call() -> Any:
            c = a @ b
            c.sort_indices()
            return c

        return Contestant("SciPy + sort", call)

    def torch_() -> Contestant:
        at, bt = torch_csr(a), torch_csr(b)
        return Contestant("torch (unsorted)", lambda: at @ bt, from_torch)

    makers = [
        ("SciPy + sort", scipy_),
        (OURS, lambda: ours("spgemm", dtype, {"A": a, "B": b}, canonical)),
        ("torch (unsorted)", torch_),
    ]
    what = "A A" if square else "A Aᵀ"
    return Case("spgemm", f"{name} ({what})", dtype, makers, partial(_close_dropping_zeros, dtype))


def add(name: str, dtype: str) -> Case:
    """C = A + B with B the transpose of A, or A with its columns shifted by one where A is not square."""
    import scipy.sparse

    a = _matrix(name, dtype)
    if a.shape[0] == a.shape[1]:
        b, what = a.T.tocsr(), "A + Aᵀ"
    else:
        shifted = (a.data, (a.indices + 1) % a.shape[1], a.indptr)
        b, what = scipy.sparse.csr_array(shifted, shape=a.shape), "A + shifted A"
    b.sort_indices()

    def torch_() -> Contestant:
        at, bt = torch_csr(a), torch_csr(b)
        return Contestant("torch", lambda: at + bt, from_torch)

    makers = [
        ("SciPy", lambda: Contestant("SciPy", lambda: a + b, partial(_with_union, a, b))),
        (OURS, lambda: ours("add", dtype, {"A": a, "B": b}, canonical)),
        ("torch", torch_),
    ]
    return Case("add", f"{name} ({what})", dtype, makers, partial(_close_dropping_zeros, dtype))


def _with_union(a: Any, b: Any, c: Any) -> Any:
    return canonical(c)


def _close_dropping_zeros(dtype: str, reference: Any, answer: Any) -> None:
    # SciPy drops sums that come out as zero and stored zeros; ours keeps what the patterns give.
    pair = [reference.copy(), answer.copy()]
    for csr in pair:
        csr.eliminate_zeros()
    close(dtype, *pair)


def mttkrp(name: str, dtype: str, rank: int = 32) -> Case:
    """M[i, r] = T[i, j, k] B[j, r] C[k, r]."""
    import scipy.sparse

    t = data.tensor(name)
    values = t.values.astype(NUMPY[dtype])
    b, c = _dense((t.shape[1], rank), dtype), _dense((t.shape[2], rank), dtype, 2)
    i, j, k = t.coords
    rows = _pointers(i, t.shape[0])

    def entries() -> Contestant:
        spread = scipy.sparse.csr_array((values, np.arange(len(i)), rows), shape=(t.shape[0], len(i)))
        return Contestant("SciPy by entries", lambda: spread @ (b[j] * c[k]))

    def fibres() -> Contestant:
        starts = np.flatnonzero(np.r_[True, (i[1:] != i[:-1]) | (j[1:] != j[:-1])])
        inner = scipy.sparse.csr_array((values, k, np.r_[starts, len(i)]), shape=(len(starts), t.shape[2]))
        ones = np.ones(len(starts), values.dtype)
        outer_rows = _pointers(i[starts], t.shape[0])
        outer = scipy.sparse.csr_array((ones, np.arange(len(starts)), outer_rows), shape=(t.shape[0], len(starts)))
        jf = j[starts]
        return Contestant("SciPy by fibres", lambda: outer @ ((inner @ c) * b[jf]))

    def torch_() -> Contestant:
        import torch

        it, jt, kt, vt, bt, ct = map(torch.from_numpy, (i, j, k, values, b, c))

        def call() -> Any:
            return torch.zeros((t.shape[0], rank), dtype=vt.dtype).index_add_(0, it, bt[jt] * ct[kt] * vt[:, None])

        return Contestant("torch", call, lambda m: m.numpy())

    def ours_() -> Contestant:
        import sparsec as sp

        tensor = sp.from_coo(t.coords, values, t.shape, format="csf")
        return ours("mttkrp", dtype, {"T": tensor, "B": b, "C": c})

    makers = [("SciPy by fibres", fibres), (OURS, ours_), ("SciPy by entries", entries), ("torch", torch_)]
    return Case(f"mttkrp-{rank}", name, dtype, makers, partial(close, dtype))


def _pointers(rows: Any, count: int) -> Any:
    return np.r_[0, np.cumsum(np.bincount(rows, minlength=count))]


def sell(name: str, dtype: str) -> Case:
    """y = A x with A in SELL-8-256."""
    return _spmv(name, dtype, "sell[8, 256]")


def sym(name: str, dtype: str) -> Case | None:
    """y = A x with half of a symmetric A stored."""
    a = data.matrix(name)
    return None if a.shape[0] != a.shape[1] or (a != a.T).nnz else _spmv(name, dtype, "sym")


Variant = tuple[Callable[..., "Case | None"], str, dict[str, Any]]
KERNELS: dict[str, list[Variant]] = {
    "spmv": [(spmv, "f64", {}), (spmv, "f32", {})],
    "spmm": [(spmm, t, {"columns": c}) for t in ("f64", "f32") for c in (8, 32, 128)],
    "sddmm": [(sddmm, "f64", {"inner": 32})],
    "spgemm": [(spgemm, "f64", {})],
    "add": [(add, "f64", {})],
    "mttkrp": [(mttkrp, "f64", {"rank": 32})],
    "formats": [(sell, "f64", {}), (sym, "f64", {})],
    "structured": [(make, "f64", {}) for make in structured.NAMES],
    "linear": [(linear.layer, "f32", {"stored": how}) for how in linear.STORED],
    "blocks": [(linear.product, "f32", {})],
    "convert": [(conversions.convert, "f64", {"way": way}) for way in conversions.WAYS],
    "search": [(search.search, "f32", {}), (search.index, "f32", {})],
}
"""Name on the command line -> the variants: function, dtype, keywords."""


def names(kernel: str, make: Callable[..., Case | None]) -> Sequence[str]:
    """The data that a variant of a kernel can be measured on."""
    if kernel == "structured":
        return structured.NAMES[make]
    if kernel == "linear":
        return list(linear.LAYERS)
    if kernel == "blocks":
        return list(linear.PRODUCTS)
    if kernel == "search":
        return list(search.INDEXES if make is search.index else search.SEARCHES)
    return data.tensor_names() if kernel == "mttkrp" else data.matrix_names()
