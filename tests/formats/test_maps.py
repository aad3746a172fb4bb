"""Dimension maps: blocks, nested blocks, diagonals, in conversions and programs, padding unseen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sparsec as sp
from sparsec.formats.coords import Coord, Digit, points
from sparsec.frontends.dsl import parse_format
from tests.support.stages import agree

MAPS = {
    "bsr": "bsr[2, 3]",
    "bsc": "bsc[2, 3]",
    "ones": "bsr[1, 1]",
    "csb": "csb[4, 4]",
    "dia": "dia",
    "by column": "(i, j) -> (j-i: compressed, j: dense)",
    "antidiagonals": "(i, j) -> (i+j: compressed, i: compressed)",
    "beside the diagonal": "(i, j) -> (i: dense, j-i: compressed)",
    "tiles": "(i, j) -> (i/4: dense, j/4: dense, i%4: dense, j%4: dense)",
    "nested": "(i, j) -> (i/4: dense, j/4: compressed, i%4/2: dense, j/2%2: compressed, i%2: dense, j%2: dense)",
    "block diagonals": "(i, j) -> (j/2-i/2: compressed, i/2: dense, i%2: dense, j%2: dense)",
    "lists in blocks": "(i, j) -> (i/4: dense, j/4: compressed, i%4: compressed[nonunique], j%4: singleton)",
}


def whole(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    return rng.integers(1, 9, (m, n)) * (rng.random((m, n)) < 0.4) * 1.0


def dense(result: object) -> np.ndarray:
    return result.numpy() if isinstance(result, sp.Tensor) else np.asarray(result)


@pytest.mark.parametrize("name", MAPS)
def test_conversions(name: str) -> None:
    for m, n in [(5, 7), (1, 1), (0, 3)]:
        d = whole(np.random.default_rng(m + n), m, n)
        a = sp.tensor(d, format=MAPS[name])
        a.validate()
        assert dense(a).tolist() == d.tolist()
        assert dense(a.convert("csr")).tolist() == d.tolist()
        assert dense(sp.tensor(d, format="csc").convert(MAPS[name])).tolist() == d.tolist()
        assert sp.evaluate("y[j] = A[i, j] * x[i]", A=a, x=np.ones(m)).tolist() == d.sum(0).tolist()


@pytest.mark.parametrize("name", MAPS)
def test_with_another(name: str) -> None:
    rng = np.random.default_rng(1)
    d, e = whole(rng, 5, 7), whole(rng, 5, 7)
    a, b = sp.tensor(d, format=MAPS[name]), sp.tensor(e, format="csr")
    same = b.convert(MAPS[name])
    assert dense(sp.evaluate("C[i, j] = A[i, j] + B[i, j]", A=a, B=b)).tolist() == (d + e).tolist()
    stored = sp.evaluate(f"C[i, j]: {MAPS[name]} = A[i, j] * B[i, j] + A[i, j]", A=a, B=same)
    assert dense(stored).tolist() == (d * e + d).tolist()
    assert dense(sp.evaluate("C[i, k] = A[i, j] * B[k, j]", A=a, B=same)).tolist() == (d @ e.T).tolist()


@pytest.mark.parametrize("name", MAPS)
def test_with_every_other(name: str) -> None:
    """Both maps' loops at once: what a sum of one replaces, the other may split."""
    rng = np.random.default_rng(2)
    d = whole(rng, 6, 6)
    a = sp.tensor(d, format=MAPS[name])
    for other in MAPS.values():
        e = whole(rng, 6, 6)
        b = sp.tensor(e, format=other)
        assert dense(sp.evaluate("y[i] = A[i, k] * B[k, i]", A=a, B=b)).tolist() == (d * e.T).sum(1).tolist(), other
        assert dense(sp.evaluate("y[i] = A[i, k] + B[i, k]", A=a, B=b)).tolist() == (d + e).sum(1).tolist(), other


def test_blocks_that_cannot_go_together_are_converted() -> None:
    rng = np.random.default_rng(3)
    d, e = whole(rng, 7, 8), whole(rng, 7, 8)
    a, b = sp.tensor(d, format="bsr[2, 2]"), sp.tensor(e, format="bsr[3, 3]")
    assert dense(sp.evaluate("C[i, j] = A[i, j] + B[i, j]", A=a, B=b)).tolist() == (d + e).tolist()


def test_coordinates_in_normal_form() -> None:
    fmt = parse_format("(i, j) -> (j-i/4: compressed, i/4: dense, i%4: dense)", 2)
    assert fmt is not None
    assert fmt.coords == (
        Coord(((1, Digit(1)), (-1, Digit(0, 4)))),
        Coord(((1, Digit(0, 4)),)),
        Coord(((1, Digit(0, 1, 4)),)),
    )
    assert fmt.level_shape((10, 7)) == (9, 3, 4)
    assert [c.of((9, 0), (10, 7)) for c in fmt.coords] == [0, 2, 1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(i, j) -> (i/4: dense, j: compressed)", "lacks"),
        ("(i, j) -> (i/4: dense, i%3: dense, j: compressed)", "do not make up"),
        ("(i, j) -> (i+j: compressed)", "the rest of it"),
        ("(i, j) -> (i: dense, i: dense, j: dense)", "two levels"),
        ("(i, j) -> (i%4: dense, i/4: dense, j: dense)", "cannot run yet"),
        ("(i, j) -> (i/0: dense, i%0: dense, j: dense)", "must be positive"),
        ("bsr[0, 2]", "1 .. 2"),
        ("bsr[2]", "is written bsr[b, c]"),
    ],
)
def test_maps_that_make_no_format(text: str, says: str) -> None:
    with pytest.raises(sp.SparsecError) as caught:
        sp.tensor(np.eye(4), format=text)
    assert says in str(caught.value)


@pytest.mark.parametrize("level", ["dense", "bitmap", "compressed"])
def test_a_diagonal_of_nothing(level: str) -> None:
    """The place of the main diagonal is known outside of the loop, which has no iterations where there is none."""
    text = f"kernel f(A: f64[n, n] (i, j) -> (i-j: {level}, i: compressed)) -> y: f64[n] {{ y[i] = A[i, i] }}"
    for n in (0, 1, 3):
        agree(text, {"A": np.arange(n * n, dtype=float).reshape(n, n)}, {"n": n}, compiled=False)


@pytest.mark.parametrize("result", ["", "(i) -> (i: compressed)"])
def test_diagonals_of_an_inner_sum_do_not_compute_its_free_index(result: str) -> None:
    rng = np.random.default_rng(0)
    B, E = (np.where(rng.random((4, 4)) < 0.5, rng.integers(1, 5, (4, 4)), 0).astype(float) for _ in range(2))
    head = f"kernel f(a: f64[n], B: f64[n, n] csr, E: f64[n, n] dia) -> r: f64[n] {result}"
    for body in ("r[i] = a[i] * sum[k](B[i, k] * E[k, i])", "r[i] = a[i] - sum[k](E[k, i])"):
        statement = body if not result else body.replace("a[i] -", "a[i] *")
        agree(f"{head} {{ {statement} }}", {"a": np.arange(4.0), "B": B, "E": E}, {"n": 4}, compiled=False)


@pytest.mark.parametrize("fmt", [f for f in MAPS.values() if "compressed, i: compressed" not in f])
def test_padding_is_not_counted(fmt: str) -> None:
    full = sp.tensor(np.ones((5, 5)), fmt)
    assert full.nnz == 25 and full.density == 1.0
    corner = sp.tensor(np.diag([0, 0, 1.0]), fmt)
    dense = corner.numpy() + 1
    for name in ("sum", "mean", "std", "var", "prod"):
        assert np.isclose(getattr(corner + 1, name)(), getattr(dense, name)()), name


@pytest.mark.parametrize("fmt", MAPS.values())
@given(m=st.integers(1, 9), n=st.integers(1, 9))
def test_points_are_the_inverse_of_what_levels_store(m: int, n: int, fmt: str) -> None:
    found = parse_format(fmt, 2)
    assert found is not None
    i, j = np.indices((m, n)).reshape(2, -1)
    stored = [c.of((i, j), (m, n)) for c in found.coords]
    got, inside = points(found.coords, stored, (m, n))
    assert np.broadcast_to(inside, i.shape).all() and np.array_equal(got[0], i) and np.array_equal(got[1], j)
