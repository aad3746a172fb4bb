"""The demo: ``make demo``, or ``python examples/demo.py [MATRIX]``.

Reads a matrix, compiles four kernels from text, checks each against SciPy (or NumPy, where SciPy has no such thing) and
times it beside; shows one kernel at every level of the compiler; draws the matrix.  Nothing is ever made dense.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

import sparsec as sp
from sparsec import spy
from sparsec.cli import words
from sparsec.cli.output import Out
from sparsec.cli.timing import once, race

HERE = Path(__file__).resolve().parent
MATRIX = HERE / "data" / "debian12_depends.mtx.gz"
PICTURE = HERE.parent / "build" / "demo_spy.png"
COLUMNS = 32
MOST_PRODUCTS = 50_000_000
"""Multiplications of the sparse product beyond which it is left out."""
MOST_NUMBERS = 200_000_000
"""Rows or columns, numbers in a dense operand, or in what NumPy gathers for SDDMM, beyond which it is left out."""

SPMV = """\
kernel spmv(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] {
    y[i] = A[i, j] * x[j]
}
"""
SPMM = """\
kernel spmm(A: f64[m, n] csr, B: f64[n, d]) -> C: f64[m, d] {
    C[i, k] = A[i, j] * B[j, k]
}
"""
SDDMM = """\
kernel sddmm(S: f64[m, n] csr, X: f64[m, d], Y: f64[n, d]) -> P: f64[m, n] csr {
    P[i, j] = S[i, j] * X[i, k] * Y[j, k]
}
"""
SPGEMM = """\
kernel spgemm(A: f64[m, p] csr, B: f64[p, n] csr) -> C: f64[m, n] csr {
    C[i, k] = A[i, j] * B[j, k]
}
"""

NOTE = """\
first call: from text to result; then the minimum over repeated calls, on operands that are converted already
speed: the peer's time over ours"""

Csr = Any
"""A ``scipy.sparse.csr_array``."""


@dataclass(frozen=True, slots=True)
class Contest:
    """A kernel, its operands, and the same thing by the peer; ``answer`` makes our result comparable to the peer's."""

    what: str
    text: str
    operands: dict[str, Any]
    peer: str
    rival: Callable[[], Any]
    answer: Callable[[Any], Any] = np.asarray


def main() -> int:
    parser = argparse.ArgumentParser(description="Compile four sparse kernels and run them beside SciPy.")
    parser.add_argument("matrix", nargs="?", type=Path, default=MATRIX, help="a Matrix Market file")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="where to draw the matrix")
    parser.add_argument("--seconds", type=float, default=0.2, help="how long to time each contestant (0.2)")
    options = parser.parse_args()
    out = Out()
    try:
        A, name, dtype = load(options.matrix)
        demonstrate(out, A, name, dtype, options.picture, options.seconds)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; what Python still flushes at exit goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except sp.SparsecError as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    return 0


def load(path: Path) -> tuple[Csr, str, str]:
    """The matrix as canonical CSR of f64, its name, and the dtype that it had."""
    read = sp.read(path)
    if read.ndim != 2:
        raise sp.ShapeError(f"the demo is about matrices; {path} holds a tensor of order {read.ndim}")
    if max(read.shape) > MOST_NUMBERS:
        raise sp.ShapeError(
            f"{path} holds a matrix of {words.shape(read.shape)}, too large for the demo's peers",
            hint=f"SciPy's csr has a number for each row, the vectors one for each column: {MOST_NUMBERS:,} at most",
        )
    values = read.coo()[1]
    if values.dtype.kind == "c":
        raise sp.TypeError_(f"the demo's kernels are real; {path} holds complex numbers")
    A = scipy.sparse.csr_array(read.scipy().tocsr(), dtype=np.float64)
    A.sum_duplicates()
    A.sort_indices()
    return A, path.name.removesuffix(".gz").removesuffix(".mtx"), str(values.dtype)


def demonstrate(out: Out, A: Csr, name: str, dtype: str, picture: Path, seconds: float) -> None:
    start = time.perf_counter()
    out.heading(name, f"{words.shape(A.shape)}, {words.count(A.nnz)} entries of {dtype}")
    lengths = np.diff(A.indptr)
    if len(lengths):
        mean = words.significant(float(lengths.mean()))
        empty = words.count(int((lengths == 0).sum()))
        out.note(f"entries a row: {lengths.min():,} to {lengths.max():,}, mean {mean}; {empty} rows are empty")
    out.text()

    rows, remarks, shown = [], [], None
    for make in (spmv, spmm, sddmm, spgemm):
        made = make(A)
        if isinstance(made, str):
            remarks.append(made)
            continue
        row, kernel = contest(made, seconds)
        rows.append(row)
        shown = shown or kernel
    out.table(["kernel", "", ">first call", ">sparsec", ">peer", "", ">speed", "result"], rows, indent=0)
    for remark in (*remarks, NOTE):
        out.note(remark)
    if shown is not None:
        levels(out, shown)

    out.text()
    out.heading("picture", draw(A, name, picture))
    out.note(f"all of this took {words.duration(time.perf_counter() - start)}")


def draw(A: Csr, name: str, picture: Path) -> str:
    """Draw the matrix; says where."""
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        spy.save(picture, np.stack(A.tocoo().coords), A.shape, title=name)
    except (sp.UnsupportedError, OSError) as problem:  # no matplotlib, or a read-only folder: the rest was worth it
        return f"none: {problem}"
    near = picture.resolve().is_relative_to(Path.cwd())
    return str(picture.resolve().relative_to(Path.cwd()) if near else picture)


def contest(c: Contest, seconds: float) -> tuple[tuple[str, ...], sp.Kernel]:
    """Compile, check, time: a row of the table, and the kernel."""
    (kernel, prepared), compiling = once(lambda: _compile(c))
    ours = c.answer(kernel(**prepared))
    agree(kernel.name, ours, c.rival())
    times = race({"ours": lambda: kernel(**prepared), "rival": c.rival}, seconds)
    mine, theirs = times["ours"].minimum, times["rival"].minimum
    cells = (
        kernel.name,
        c.what,
        words.duration(compiling),
        words.duration(mine),
        words.duration(theirs),
        c.peer,
        f"{words.significant(theirs / mine)} x",
        "agrees",
    )
    return cells, kernel


def _compile(c: Contest) -> tuple[Any, dict[str, Any]]:
    """Compiled for these operands, and called once: what a user waits for."""
    kernel = sp.compile(c.text)
    prepared = kernel.prepare(**c.operands)
    kernel(**prepared)
    return kernel, prepared


def agree(kernel: str, ours: Any, theirs: Any) -> None:
    """Raise ``SparsecError`` unless the results of ``kernel`` are the same, within rounding; NaN equals NaN.

    SciPy's product drops entries whose sum is exactly zero, ours keeps them; so sparse results may differ there.
    """
    if ours.shape != theirs.shape:
        raise sp.SparsecError(f"{kernel}: the result has shape {ours.shape}, the peer's {theirs.shape}")
    sparse = scipy.sparse.issparse(theirs)
    if sparse and not ours.has_canonical_format:
        raise sp.SparsecError(f"{kernel}: the sparse result is not sorted, or has duplicates")
    values = theirs.data if sparse else theirs
    scale = max(1.0, float(np.abs(values).max(initial=0.0, where=np.isfinite(values))))
    if sparse:
        ours, theirs = side_by_side(ours, theirs)
    if not np.allclose(ours, theirs, rtol=1e-9, atol=1e-9 * scale, equal_nan=True):
        raise sp.SparsecError(f"{kernel}: the result differs from the peer's")


def side_by_side(one: Csr, other: Csr) -> tuple[Any, Any]:
    """The values of two canonical matrices where either has an entry; 0 where it has none.

    Their difference would not do: it is NaN where both are NaN, or the same infinity.
    """
    keys = [np.repeat(np.arange(m.shape[0]) * m.shape[1], np.diff(m.indptr)) + m.indices for m in (one, other)]
    places = np.union1d(*keys)
    values = np.zeros((2, len(places)))
    for row, key, m in zip(values, keys, (one, other), strict=True):
        row[np.searchsorted(places, key)] = m.data
    return values[0], values[1]


def dense(rows: int, columns: int | None = None, seed: int = 0) -> Any:
    shape = (rows,) if columns is None else (rows, columns)
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def spmv(A: Csr) -> Contest:
    x = dense(A.shape[1])
    return Contest("y = A x", SPMV, {"A": A, "x": x}, "SciPy", lambda: A @ x)


def spmm(A: Csr) -> Contest | str:
    if COLUMNS * max(A.shape) > MOST_NUMBERS:
        return f"spmm and its {COLUMNS} columns are left out: the dense operands would be too large"
    B = dense(A.shape[1], COLUMNS)
    return Contest(f"C = A B, {COLUMNS} columns", SPMM, {"A": A, "B": B}, "SciPy", lambda: A @ B)


def sddmm(A: Csr) -> Contest | str:
    if COLUMNS * max(*A.shape, A.nnz) > MOST_NUMBERS:
        return f"sddmm is left out: NumPy's way to it would gather 2 x {words.size(8 * COLUMNS * A.nnz)}"
    X, Y = dense(A.shape[0], COLUMNS, 1), dense(A.shape[1], COLUMNS, 2)
    rows, columns = A.tocoo().coords

    def rival() -> Any:
        return A.data * np.einsum("ek,ek->e", X[rows], Y[columns])

    what = f"P = A .* (X Y'), k = {COLUMNS}"
    return Contest(what, SDDMM, {"S": A, "X": X, "Y": Y}, "NumPy einsum", rival, lambda P: on_pattern(A, P.scipy()))


def on_pattern(A: Csr, P: Csr) -> Any:
    """The values of P, which has the entries of A."""
    if not (np.array_equal(A.indptr, P.indptr) and np.array_equal(A.indices, P.indices)):
        raise sp.SparsecError("the sampled product has other entries than the matrix")
    return P.data


def spgemm(A: Csr) -> Contest | str:
    square = A.shape[0] == A.shape[1]
    what = "C = A A" if square else "C = A A'"
    B = A if square else scipy.sparse.csr_array(A.T.tocsr())
    B.sort_indices()
    products = int(np.diff(B.indptr).astype(np.int64)[A.indices].sum())
    if products > MOST_PRODUCTS:
        return f"spgemm ({what}) is left out: {words.count(products)} products, more than {words.count(MOST_PRODUCTS)}"

    def rival() -> Any:
        C = A @ B
        C.sort_indices()
        return C

    return Contest(what, SPGEMM, {"A": A, "B": B}, "SciPy + sort", rival, lambda C: C.scipy())


def levels(out: Out, kernel: Any) -> None:
    """One kernel from its text to machine code."""
    stages = (
        ("text", "dsl", SPMV, "what a person writes"),
        ("tensor IR", "tensor", kernel.ir("tensor"), "what is computed: types, formats and sums made explicit"),
        ("loop nest IR", "loops", kernel.ir("loops"), "in what order"),
        ("buffer IR", "buffer", kernel.ir("buffer"), "how: loads and stores on flat arrays"),
        ("assembly", "asm", kernel.code("asm"), "the innermost loop"),
    )
    for title, stage, text, about in stages:
        out.text()
        out.heading(f"{kernel.name}: {title}", about)
        lines = text.rstrip().splitlines()
        kept = stretch(lines) if stage == "asm" else lines[:MOST_LINES]
        out.code("\n".join(kept), stage)
        if len(lines) > len(kept):
            out.note(f"... {len(kept)} of {len(lines)} lines")


MOST_LINES = 48


def stretch(lines: list[str], most: int = 24) -> list[str]:
    """The part of an assembly listing around its first multiplication that has a loop's label before it."""
    for at, line in enumerate(lines):
        mnemonic = line.split()[0] if line.split() else ""
        if "fma" in mnemonic or "mul" in mnemonic and "p" in mnemonic[-2:]:
            label = max((n for n in range(at) if lines[n].startswith(".L")), default=at)
            first = max(label, at - most // 2)
            return lines[first : first + most]
    return lines[:most]


if __name__ == "__main__":
    sys.exit(main())
