"""``symmetric`` formats: half is stored, the whole is meant; results that are shown to be symmetric."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sparsec as sp
from sparsec.frontends.dsl import parse_format
from sparsec.ir.text import Cursor, format_text

PACKED = "(i, j) -> (i: dense, j: range[0, i+1]) symmetric"
FORMATS = ["sym", PACKED, "(i, j) -> (j: dense, i: compressed) symmetric", "coo symmetric"]
N = 6


def symmetric(seed: int = 0, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(seed)
    half = np.tril(rng.integers(1, 9, (n, n)) * (rng.random((n, n)) < 0.4) * 1.0)
    return half + np.tril(half, -1).T


def plain(seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(1, 9, (N, N)) * (rng.random((N, N)) < 0.4) * 1.0


def dense(result: object) -> np.ndarray:
    return result.numpy() if isinstance(result, sp.Tensor) else np.asarray(result)


@pytest.mark.parametrize("text", FORMATS)
def test_half_is_stored_and_the_whole_is_meant(text: str, tmp_path: Path) -> None:
    d = symmetric()
    s = sp.tensor(d, format=text)
    s.validate()
    assert s.nnz == (N * (N + 1) // 2 if text == PACKED else np.count_nonzero(np.tril(d)))
    assert s.numpy().tolist() == d.tolist() and s.scipy().toarray().tolist() == d.tolist()
    assert sp.tensor(d, format="csr").convert(text).convert("csc").numpy().tolist() == d.tolist()
    assert s.T.numpy().tolist() == d.tolist() and s[2].numpy().tolist() == d[2].tolist() and s.sum() == d.sum()
    assert pickle.loads(pickle.dumps(s)).numpy().tolist() == d.tolist()
    for name in ("s.npz", "s.mtx"):
        sp.write(tmp_path / name, s)
        assert sp.read(tmp_path / name).numpy().tolist() == d.tolist()


@pytest.mark.parametrize("text", FORMATS)
def test_in_programs(text: str) -> None:
    d, e, x = symmetric(), plain(), np.arange(N) + 1.0
    s, b = sp.tensor(d, format=text), sp.tensor(e, format="csr")
    wanted = {
        "y[i] = S[i, j] * x[j]": d @ x,
        "y[j] = x[j] - 2 * S[i, j] * x[i]": x - 2 * d @ x,
        "C[i, j] = S[i, j] + B[i, j]": d + e,
        "C[i, j] = S[i, j] * B[i, j]": d * e,
        "C[i, k] = S[i, j] * B[j, k]": d @ e,
        "C[i, k] = S[i, j] * S[j, k]": d @ d,
        "y[i] = max[j](S[i, j])": d.max(1),
        "y[i] = S[i, i]": np.diag(d),
        "y[i] = x[i] * count[j](S[i, j] > 0 where stored(S[i, j]))": x * (d > 0).sum(1),
        f"C[i, j]: {text} = B[i, j] + B[j, i]": e + e.T,
        f"C[i, j]: {text} = B[i, k] * S[k, l] * B[j, l]": e @ d @ e.T,
    }
    for statement, want in wanted.items():
        given = {n: v for n, v in {"S": s, "B": b, "x": x}.items() if re.search(rf"\b{n}\[", statement)}
        assert dense(sp.evaluate(statement, **given)).tolist() == want.tolist(), statement


@pytest.mark.parametrize("text", FORMATS)
def test_several_symmetric_operands(text: str) -> None:
    d, t, u, x = symmetric(), symmetric(7), symmetric(8), np.arange(N) - 2.0
    given = {"S": sp.tensor(d, format=text), "T": sp.tensor(t, format="sym"), "U": sp.tensor(u, format=text), "x": x}
    wanted = {
        "C[i, j] = S[i, j] * T[i, j]": d * t,
        "C[i, j] = S[i, j] * T[j, i] * U[i, j]": d * t * u,
        "C[i, j]: dense = S[i, k] * T[k, j]": d @ t,
        "C[i, j]: sym = S[i, j] - T[j, i] * U[i, j]": d - t * u,
        f"C[i, j]: {text} = S[i, k] * S[j, k]": d @ d,
        "C[i, j]: sym = sum[k, l](S[i, k] * T[k, l] * S[l, j])": d @ t @ d,
        "y = sum[i, j](S[i, j] * T[j, i])": np.trace(d @ t),
        "y = sum[i, j](S[i, j] * T[i, j] * U[i, j])": (d * t * u).sum(),
        "y[i] = sum[j, k](S[i, j] * T[j, k] * U[k, i] * x[k])": np.einsum("ij,jk,ki,k->i", d, t, u, x),
        "y[i] = sum[j](S[i, j] * U[j, i] * x[j] where stored(T[i, j]))": (d * u * (t > 0)) @ x,
        "y[i] = sum[j, k](S[i, j] * U[j, k] where stored(T[i, k]) and j < k)": np.einsum(
            "ij,jk,ik,jk->i", d, u, t > 0, np.triu(np.ones((N, N)), 1)
        ),
    }
    for statement, want in wanted.items():
        used = {n: v for n, v in given.items() if re.search(rf"\b{n}\[", statement)}
        assert dense(sp.evaluate(statement, **used)).tolist() == want.tolist(), statement


def test_a_sum_of_several_halves_reads_whole_copies() -> None:
    head = "kernel f(S: f64[n, n] sym, T: f64[n, n] sym, x: f64[n])"
    body = "C[i, j] = S[i, k] * T[k, j]; D[i, j] = T[i, k] * S[k, j]"
    k = sp.compile(f"{head} -> C: f64[n, n] csr, D: f64[n, n] csr {{ {body} }}")
    assert k.explain().count("is copied whole") == 2
    same = sp.compile(f"{head} -> y: f64 {{ y = sum[i, j](S[i, j] * T[i, j]) }}")
    assert "copied" not in same.explain() and "converted" not in same.explain()


def test_a_copy_is_of_the_values_that_hold() -> None:
    d, t = symmetric(), symmetric(7)
    k = sp.compile("""
        kernel f(S: f64[n, n] sym, T: f64[n, n] sym) -> C: f64[n, n] csr, D: f64[n, n] csr {
            U[i, j]: sym = S[i, j] + T[i, j]
            C[i, j] = U[i, k] * T[k, j]
            U[i, j] += S[i, j]
            D[i, j] = U[i, k] * T[k, j]
        }""")
    c, e = k(*(sp.tensor(x, format="sym") for x in (d, t)))
    assert c.numpy().tolist() == ((d + t) @ t).tolist() and e.numpy().tolist() == ((2 * d + t) @ t).tolist()


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("C[p[i], p[j]] = S[i, j]", lambda d, p: np.linalg.inv(p) @ d @ p),
        ("C[p[i], p[j]] += S[i, k] * S[k, j]", lambda d, p: np.linalg.inv(p) @ d @ d @ p),
        ("C[q[i], q[j]] += S[i, j]", lambda d, p: np.add.reduceat(np.add.reduceat(d, [0, 2, 4]), [0, 2, 4], 1)),
        ("C[i + 1, j + 1] = S[i, j]", lambda d, p: np.pad(d, (1, 0))[:N, :N]),
        ("C[p[i], p[j]] = S[i, j] where S[i, j] > 3", lambda d, p: np.linalg.inv(p) @ (d * (d > 3)) @ p),
    ],
)
def test_results_at_computed_places(text: str, statement: str, wanted: Callable[..., np.ndarray]) -> None:
    """A permuted matrix is as symmetric; the half of its places is written, wherever it is read."""
    d, p = symmetric(), np.array([2, 0, 1, 5, 3, 4])
    want = wanted(d, np.eye(N)[p])
    want = np.pad(want, (0, N - len(want)))
    k = sp.compile(f"kernel f(S: f64[n, n] sym, p: i64[n], q: i64[n]) -> C: f64[n, n] {text} {{ {statement} }}")
    made = k(sp.tensor(d, format="sym"), p, np.arange(N) // 2)
    made.validate()
    assert np.array_equal(made.numpy(), want)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("C[p[i], p[j]] = B[i, j]", "nothing shows that 'C' is symmetric"),
        ("C[p[i], j] = S[i, j]", "nothing shows that 'C' is symmetric"),
        ("C[p[i], p[j]] = S[i, j] where i < j", "nothing shows that 'C' is symmetric"),
        ("C[p[i], p[i]] = S[i, i]", "not each of one variable"),
        ("C[i + j, j] = S[i, j]", "not each of one variable"),
        ("C[q[i], q[j]] = S[i, j]", "written twice at one place"),
        ("C[p[i] + 4, p[j]] = S[i, j]", "nothing shows that 'C' is symmetric"),
    ],
)
def test_computed_places_that_do_not_mirror(statement: str, says: str) -> None:
    head = "kernel f(S: f64[n, n] sym, B: f64[n, n] csr, p: i64[n], q: i64[n]) -> C: f64[n, n] sym"
    with pytest.raises(sp.SparsecError, match=says):
        sp.compile(f"{head} {{ {statement} }}")(symmetric(), plain(), np.arange(N), np.arange(N) // 2)


def test_places_outside() -> None:
    k = sp.compile("kernel f(S: f64[n, n] sym, p: i64[n]) -> C: f64[n, n] sym { C[p[i], p[j]] = S[i, j] }")
    with pytest.raises(sp.SparsecError, match="7"):
        k(symmetric(), np.array([0, 1, 2, 3, 4, 7]))


def test_other_fills_and_types() -> None:
    d = np.where(symmetric() == 0, np.inf, symmetric())
    g = sp.tensor(d, format="sym", fill_value=np.inf)
    x = np.arange(N) * 1.0
    assert sp.evaluate("y[j] = min[i](x[i] + G[i, j])", G=g, x=x).tolist() == (x[:, None] + d).min(0).tolist()
    m = sp.tensor(symmetric() > 0, format="sym")
    assert sp.evaluate("y[i] = any[j](M[i, j])", M=m).tolist() == (symmetric() > 0).any(1).tolist()
    z = sp.tensor(symmetric() * (1 + 2j), format="sym")
    assert z.numpy().tolist() == (symmetric() * (1 + 2j)).tolist()
    e = sp.evaluate("E[i, j]: sym = exp(S[i, j])", S=sp.tensor(symmetric(), format="sym"))
    assert e.fill_value == 1 and np.allclose(e.numpy(), np.exp(symmetric()))


def test_no_copy_is_made_and_each_half_is_walked_as_it_is_stored() -> None:
    k = sp.compile("kernel f(S: f64[n, n] sym, x: f64[n]) -> y: f64[n] { y[i] = S[i, j] * x[j] }")
    assert "converted" not in k.explain()
    assert k.ir("buffer").count("iterate S.1") == 2
    x = np.arange(N) * 1.0
    x[1] = np.inf
    d = symmetric()
    want = [sum(d[i, j] * x[j] for j in range(N) if d[i, j]) for i in range(N)]
    assert k(d, x).tolist() == want  # no 0 * inf: nothing is stored there


def test_batches() -> None:
    d = np.stack([symmetric(1), symmetric(2)])
    s = sp.tensor(d, format="sym")
    assert s.numpy().tolist() == d.tolist()
    assert sp.evaluate("y[b, i] = S[b, i, j] * x[j]", S=s, x=np.ones(N)).tolist() == d.sum(2).tolist()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("C[i, j]: sym = B[i, j]", "nothing shows that 'C' is symmetric"),
        ("C[i, j]: sym = B[i, k] * B[k, j]", "nothing shows that 'C' is symmetric"),
        ("C[i, j]: sym = B[i, j] * B[j, i] where i < j", "nothing shows that 'C' is symmetric"),
        ("C[i, j]: sym = scan[i](2.0) + 0 * (B[i, j] + B[j, i])", "nothing shows that 'C' is symmetric"),
        ("C[i, j]: sym = softmax[i](B[i, j] + B[j, i])", "nothing shows that 'C' is symmetric"),
        ("C[i, j]: sym = B[i, j] * B[j, i] where top[j: 1](2.0)", "nothing shows that 'C' is symmetric"),
        ("C[i, j]: sym = argmin[k, l](B[i, k] * B[j, l])", "nothing shows that 'C' is symmetric"),
        ("C[i, j]: sym = argmax[k, l](B[i, k] * B[j, l])", "nothing shows that 'C' is symmetric"),
        # The inner k is not the outer one.
        (
            "C[i, j]: sym = sum[k](sum[l](D[i, l, l] * B[k, k])) * sum[l](sum[k](D[j, l, k] * B[k, k]))",
            "nothing shows that 'C' is symmetric",
        ),
    ],
)
def test_results_that_may_not_be_symmetric(statement: str, says: str) -> None:
    with pytest.raises(sp.FormatError, match=says):
        given = {"B": sp.tensor(plain(), format="csr")} | ({"D": np.ones((N, N, N))} if "D[" in statement else {})
        sp.evaluate(statement, **given)


@pytest.mark.parametrize("ordered", [False, True])
def test_an_ordered_fold_of_exchanged_indices_is_another(ordered: bool) -> None:
    combined = "select(a != 0, a, b)" if ordered else "a + b"
    monoid = f"{'ordered ' * ordered}monoid m(v) {{ zero = 0, combine(a, b) = {combined} }}"
    head = "kernel f(B: f64[n, m] csr) -> C: f64[n, n] sym"
    k, b = sp.compile(f"{monoid}\n{head} {{ C[i, j] = m[k, l](B[i, k] * B[j, l]) }}"), plain()
    if ordered:
        with pytest.raises(sp.FormatError, match="nothing shows that 'C' is symmetric"):
            k(sp.tensor(b, format="csr"))
    else:
        assert k(sp.tensor(b, format="csr")).numpy().tolist() == np.outer(b.sum(1), b.sum(1)).tolist()


def test_a_result_declares_the_fill_that_it_has() -> None:
    k = sp.compile("kernel f(S: f64[n, n] sym) -> C: f64[n, n] sym { C[i, j] = S[i, j] + 1 }")
    with pytest.raises(sp.FormatError, match=r"declare it with fill\(1.0\)"):
        k(sp.tensor(symmetric(), format="sym"))


def test_data_that_is_not_symmetric() -> None:
    d = symmetric()
    d[0, 3] += 1
    with pytest.raises(sp.FormatError, match=r"the entries at \(3, 0\) and \(0, 3\) differ"):
        sp.tensor(d, format="sym")
    with pytest.raises(sp.FormatError, match=r"for square matrices, the shape is \(2, 3\)"):
        sp.tensor(np.ones((2, 3)), format="sym")
    whole = sp.tensor(symmetric(), format="csr").storage
    lies = sp.Tensor.over(type(whole)(sp.tensor(symmetric(), format="sym").storage.format, *[
        getattr(whole, name) for name in ("shape", "dtype", "fill", "levels", "values")
    ]))  # fmt: skip
    with pytest.raises(sp.FormatError, match="stands above the diagonal"):
        lies.validate()
    k = sp.compile("kernel f() -> C: f64[m, n] sym { C[i, j] = select(i == j, 1.0, 0.0) }")
    assert k(sizes={"m": 2, "n": 2}).numpy().tolist() == np.eye(2).tolist()
    with pytest.raises(sp.FormatError, match="'C' is symmetric, and would have 2 rows and 3 columns"):
        k(sizes={"m": 2, "n": 3})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dense symmetric", "it must be one of matrices that leaves out entries"),
        ("csr symmetric symmetric", "symmetric already"),
        ("csr coo", "only 'symmetric' and 'values"),
        ("bsr[2, 2] symmetric", "cannot run yet"),
    ],
)
def test_formats_that_are_none(text: str, says: str) -> None:
    with pytest.raises(sp.SparsecError, match=says):
        sp.tensor(symmetric(), format=text)


def test_formats_read_back() -> None:
    for text in FORMATS:
        fmt = parse_format(text, 2)
        assert fmt is not None and fmt.symmetric and not fmt.half.symmetric
        assert Cursor(format_text(fmt)).format(2) == fmt
        assert Cursor(format_text(fmt.concrete())).format(2) == fmt.concrete()


def test_the_half_that_a_dense_level_leaves_to_the_fill_is_not_read() -> None:
    fmt = "(i, j, k, l) -> (i: dense, j: range[i-1, i+2], k: dense, l: dense) symmetric"
    a = np.random.default_rng(0).standard_normal((2, 2, 3, 3))
    a += a.swapaxes(2, 3)
    s = sp.tensor(a, fmt, fill_value=1.0)
    for made in (s, s.convert("csr"), s.convert("coo"), s.convert(fmt.removesuffix(" symmetric"))):
        np.testing.assert_array_equal(made.numpy(), a)


@pytest.mark.parametrize("levels", ["i: compressed, j: dense", "j: compressed, i: dense", "i: dense, j: compressed"])
def test_what_pads_a_block_beyond_the_half_is_not_stored(levels: str) -> None:
    s = sp.tensor(np.array([[4.0, 0, 0], [0, 0, 0], [0, 0, 5]]), format=f"(i, j) -> ({levels}) symmetric")
    k = sp.compile(
        f"kernel f(S: f64[n, n] {s.format}) -> R: i64[n, n] {{ R[i, j] = select(stored(S[i, j]), 1, 0) }}"
    )
    rows = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1]])  # row 2 as far as the diagonal, and its mirror
    columns = np.array([[1, 1, 1], [1, 0, 0], [1, 0, 1]])
    want = {"i: compressed": rows, "j: compressed": columns}.get(levels.split(",")[0], np.diag([1, 0, 1]))
    assert k(s).tolist() == want.tolist()
