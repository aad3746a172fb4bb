"""How long patterns live: patterns and values asked for apart, new values and new patterns without compiling anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import sparsec as sp

RNG = np.random.default_rng(7)
MAPS = [
    "(i, j) -> (i: compressed, j: dense)",
    "(i, j) -> (i/2: dense, j/3: compressed, i%2: dense, j%3: dense)",
    "(i, j) -> (j - i: compressed, i: dense)",
]
LISTS = ["csr", "csc", "dcsr", "dcsc", "coo", "ell[7]", "nm[4, 4]", "bitmap", "hash"]
FORMATS = [*LISTS, *MAPS]


def sparse(*shape: int, density: float = 0.4) -> np.ndarray:
    return np.where(RNG.random(shape) < density, RNG.integers(1, 9, shape), 0).astype(float)


A, B, C = sparse(6, 5), sparse(5, 7), sparse(6, 5)
PRODUCT = "kernel f(A: f64[m, n] csr, B: f64[n, p] csr) -> R: f64[m, p] {} {{ R[i, k] = A[i, j] * B[j, k] }}"
OTHERS = {
    "transpose": ("B: f64[n, p] csr", "R: f64[p, n]", "R[i, j] = 3 * B[j, i]", lambda A, B, C: 3 * B.T),
    "sum": ("A: f64[m, n] csc, C: f64[m, n] csr", "R: f64[m, n]", "R[i, j] = A[i, j] + C[i, j]", lambda A, B, C: A + C),
    "update": ("A: f64[m, n] csr, C: f64[m, n]", "R: f64[m, n]", "R[i, j] += A[i, j]; R[i, j] *= C[i, j]",
               lambda A, B, C: A * C),
}  # fmt: skip


@pytest.mark.parametrize("fmt", FORMATS)
def test_patterns_then_values(fmt: str) -> None:
    k = sp.compile(PRODUCT.format(fmt))
    whole = k(A, B)
    P = k.assemble(A, B)
    P.validate()
    assert P.format == whole.format and P.nnz == whole.nnz
    assert P.coo()[0].tolist() == whole.coo()[0].tolist()
    assert not P.coo()[1].any()
    memory = P.storage.values
    assert k.compute(A, B, out=P) is P
    assert P.storage.values is memory
    assert P.numpy().tolist() == (A @ B).tolist()
    k.compute(A=A, B=-B, out={"R": P})
    assert P.numpy().tolist() == (-A @ B).tolist()
    # Operands whose pattern is smaller: what they do not give is the fill.
    less = A.copy()
    less[1], less[:, 2] = 0, 0
    k.compute(less, B, out=P)
    assert P.numpy().tolist() == (less @ B).tolist()


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("name", OTHERS)
def test_nests_of_all_kinds(name: str, fmt: str) -> None:
    operands, declared, text, meaning = OTHERS[name]
    k = sp.compile(f"kernel f({operands}) -> {declared} {fmt} {{ {text} }}")
    given = {n: x for n, x in {"A": A, "B": B, "C": C}.items() if f"{n}:" in operands}
    P = k.assemble(**given)
    k.compute(**given, out=P)
    assert P.numpy().tolist() == meaning(A, B, C).tolist()


@pytest.mark.parametrize("fmt", LISTS)
def test_an_entry_that_the_pattern_lacks_is_an_error(fmt: str) -> None:
    k = sp.compile(PRODUCT.format(fmt))
    P = k.assemble(A * 0, B)
    assert P.nnz == 0
    with pytest.raises(sp.FormatError, match="the operands give an entry that the pattern of 'R' lacks"):
        k.compute(A, B, out=P)
    P = k.assemble(A, B)
    with pytest.raises(sp.FormatError, match="assemble it anew"):
        k.compute(np.ones((6, 5)), np.ones((5, 7)), out=P)
    assert k.compute(A, B, out=P).numpy().tolist() == (A @ B).tolist()


def test_several_results_and_locals() -> None:
    k = sp.compile("""
        kernel f(A: f64[m, n] csr, B: f64[n, p] csr) -> y: f64[m], R: f64[m, p] csr, S: f64[p, m] dcsr {
            T[i, k]: csr = A[i, j] * B[j, k]
            y[i] = T[i, k]
            R[i, k] = 2 * T[i, k]
            S[k, i] = R[i, k] + T[i, k]
        }""")
    y, R, S = k.assemble(A, B)
    assert y.tolist() == [0] * 6
    product = A @ B
    got = k.compute(A, B, out={"R": R, "S": S})
    assert got[1] is R and got[2] is S
    assert got[0].tolist() == product.sum(1).tolist()
    assert R.numpy().tolist() == (2 * product).tolist() and S.numpy().tolist() == (3 * product.T).tolist()
    out = np.empty(6)
    assert k.compute(A, B, out={"R": R, "S": S, "y": out})[0] is out
    assert out.tolist() == product.sum(1).tolist()


def test_values_that_overlap_an_operand_are_read_first() -> None:
    k = sp.compile("kernel f(A: f64[n, n] csr) -> R: f64[n, n] csr { R[i, j] = A[i, j] + A[j, i] }")
    symmetric = sp.tensor(A[:5] * 0 + (A[:5] + A[:5].T != 0), format="csr")
    want = 2 * symmetric.numpy()
    assert k.compute(symmetric, out=symmetric).numpy().tolist() == want.tolist()


def test_fills_other_than_zero() -> None:
    k = sp.compile(
        "kernel f(G: f64[n, n] csr fill(inf)) -> R: f64[n, n] csr fill(inf) { R[i, k] = min[j](G[i, j] + G[j, k]) }"
    )
    g = np.where(sparse(6, 6) > 0, 1.0, np.inf)
    G = sp.tensor(g, format="csr", fill_value=np.inf)
    P = k.assemble(G)
    assert np.isinf(P.numpy()).all()
    assert k.compute(G, out=P).numpy().tolist() == (g[:, :, None] + g[None]).min(1).tolist()


def test_what_cannot_be_asked_for() -> None:
    k = sp.compile(PRODUCT.format("csr"))
    P = k.assemble(A, B)
    locked = sp.Tensor(replace(P.storage, values=P.storage.values.copy()))
    locked.storage.values.flags.writeable = False
    for out, kind, words in [
        (P.numpy(), sp.TypeError_, "out for the sparse result 'R' is a Tensor"),
        ({}, sp.TypeError_, "out lacks the sparse result 'R'"),
        (None, sp.TypeError_, r"out lacks the sparse result 'R', whose pattern compute keeps(.|\s)*assemble"),
        (P.convert("coo"), sp.FormatError, "out for 'R' is stored as coo, the result as csr"),
        (P.astype("f4"), sp.TypeError_, "has dtype f32, expected f64"),
        (sp.tensor(sparse(6, 6), format="csr"), sp.ShapeError, "out for 'R' has shape"),
        (sp.tensor(sparse(6, 7), format="csr", fill_value=1), sp.FormatError, "fill value 1"),
        (locked, sp.TypeError_, "read-only"),
    ]:
        with pytest.raises(kind, match=words):
            k.compute(A, B, out=out)
    with pytest.raises(sp.TypeError_, match="operand 'B' is missing"):
        k.assemble(A)
    dense = sp.compile("kernel f(x: f64[n]) -> y: f64[n] { y[i] = 2 * x[i] }")
    with pytest.raises(sp.FormatError, match="no sparse result"):
        dense.assemble(np.ones(3))
    runs = sp.compile("kernel f(A: f64[m, n] csr) -> R: f64[m, n] rle { R[i, j] = 2 * A[i, j] }")
    with pytest.raises(sp.UnsupportedError, match="hangs on its values"):
        runs.assemble(A)
    with pytest.raises(sp.UnsupportedError, match="is a loop nest"):
        sp.compile(k.ir("loops").replace("values R", "out R").replace("by fill", "by count")).assemble(A, B)


def test_new_values_and_new_patterns_are_not_compiled_anew() -> None:
    k = sp.compile(PRODUCT.format("csr"))
    left, right = sp.tensor(A, format="csr"), sp.tensor(B, format="csr")
    k(left, right)
    P = k.assemble(left, right)
    k.compute(left, right, out=P)
    compiled = len(k._variants)
    code = k.code("llvm")
    values = sp.Tensor(replace(left.storage, values=left.storage.values * 2))
    other = sp.tensor(sparse(6, 5, density=0.9), format="csr")
    empty = sp.tensor(np.zeros((6, 5)), format="csr")
    longer = sp.tensor(sparse(40, 5), format="csr")
    for x in (values, other, empty, longer):
        want = (x.numpy() @ B).tolist()
        assert k(x, right).numpy().tolist() == want
        P = k.assemble(x, right)
        assert k.compute(x, right, out=P).numpy().tolist() == want
    assert len(k._variants) == compiled == 3
    assert k.code("llvm") == code


def test_explain_tells_the_halves_apart() -> None:
    k = sp.compile(PRODUCT.format("csr"))
    P = k.assemble(A, B)
    assert "pattern R: f64" in k.explain() and "assembled by count" in k.explain()
    k.compute(A, B, out=P)
    assert "R: filled, its pattern being there, through a bitmap workspace" in k.explain()
