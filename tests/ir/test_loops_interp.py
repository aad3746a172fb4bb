"""The loop nest interpreter against NumPy, on every hand-written kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sparsec.errors import ShapeError, TypeError_
from sparsec.ir.loops_interp import execute, run
from sparsec.ir.loops_text import parse_kernel
from sparsec.ir.loops_verify import verify

sys.path.insert(0, str(Path(__file__).parent))
from loop_kernels import (
    ADD_APPEND,
    COO_SCATTER,
    HISTOGRAM,
    LONGEST,
    MASKED,
    RUNNING,
    SDDMM,
    SHORTEST,
    SOLVE,
    SPGEMM_BITMAP,
    SPMM_PANEL,
    SPMV,
    TILE_MATMUL,
    TOP,
    TRANSPOSE_LIST,
)

RNG = np.random.default_rng(7)


def sparse(m: int, n: int, fill: float = 0.0) -> np.ndarray:
    a = np.full((m, n), fill)
    at = RNG.random((m, n)) < 0.3
    a[at] = RNG.uniform(1, 2, at.sum())
    return a


A, B = sparse(5, 7), sparse(7, 6)


def test_spmv() -> None:
    x = RNG.random(7)
    np.testing.assert_allclose(run(parse_kernel(SPMV), {"A": A, "x": x})["y"], A @ x)


def test_spmm_panel_with_a_last_chunk_that_is_cut() -> None:
    np.testing.assert_allclose(run(parse_kernel(SPMM_PANEL), {"A": A, "B": B})["C"], A @ B)


def test_spgemm_stores_the_products_pattern() -> None:
    values, stored = execute(parse_kernel(SPGEMM_BITMAP), {"A": A, "B": B})
    np.testing.assert_allclose(values["C"], A @ B)
    assert np.array_equal(stored["C"], (A != 0).astype(int) @ (B != 0).astype(int) > 0)


def test_scatter_over_stored_entries_sees_explicit_zeros() -> None:
    x = RNG.random(5)
    k = parse_kernel(COO_SCATTER)
    np.testing.assert_allclose(run(k, {"A": A, "x": x})["y"], A.T @ x)
    bad = np.full(5, np.inf)
    everything = run(k, {"A": np.zeros((5, 7)), "x": bad}, stored={"A": np.ones((5, 7), bool)})["y"]
    assert np.isnan(everything).all()
    assert not run(k, {"A": np.zeros((5, 7)), "x": bad})["y"].any()


def test_tile() -> None:
    a, b = RNG.random((8, 12), np.float32), RNG.random((12, 8), np.float32)
    out = run(parse_kernel(TILE_MATMUL), {"A": a, "B": b})["C"]
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, a @ b, rtol=1e-5)


def test_append_unites() -> None:
    a, b = (sparse(4, 5).round().astype(np.int64) for _ in range(2))
    b[0] = -a[0]
    values, stored = execute(parse_kernel(ADD_APPEND), {"A": a, "B": b})
    assert np.array_equal(values["C"], a + b)
    assert np.array_equal(stored["C"], (a != 0) | (b != 0))


def test_sddmm_has_the_pattern_of_s() -> None:
    s, x, y = (v.astype(np.float32) for v in (A, RNG.random((5, 3)), RNG.random((7, 3))))
    values, stored = execute(parse_kernel(SDDMM), {"S": s, "X": x, "Y": y})
    np.testing.assert_allclose(values["P"], s * (x @ y.T), rtol=1e-5)
    assert np.array_equal(stored["P"], s != 0)


def test_min_plus_through_a_local() -> None:
    g = sparse(6, 6, np.inf)
    d = RNG.random(6) * 3
    e = run(parse_kernel(SHORTEST), {"G": g, "d": d})["e"]
    np.testing.assert_allclose(e, np.minimum(d, (d[:, None] + g).min(0)))


def test_list_workspaces() -> None:
    values, stored = execute(parse_kernel(TRANSPOSE_LIST), {"A": A})
    assert np.array_equal(values["C"], A.T)
    assert np.array_equal(stored["C"], A.T != 0)
    lowest = np.where(A == 0, -np.inf, A)
    values, stored = execute(parse_kernel(LONGEST), {"A": lowest})
    assert np.array_equal(values["C"], lowest.max(0))
    assert np.array_equal(stored["C"], (A != 0).any(0))


def test_updates_of_an_inout_operand() -> None:
    k = parse_kernel(HISTOGRAM)
    h = np.array([1.0, 0.0, 0.0])
    out = run(k, {"bin": np.array([0, 2, 0], np.int32), "w": np.array([1.0, 2, 3]), "H": h})
    assert out["H"].tolist() == [5.0, 0.0, 2.0]
    assert h.tolist() == [1.0, 0.0, 0.0]
    for wrong in (3, -1):
        with pytest.raises(ShapeError, match=f"index {wrong} of 'H' lies outside of 0..2"):
            run(k, {"bin": np.array([0, wrong, 0], np.int32), "w": np.ones(3), "H": h})


AFFINE = """\
kernel smooth {
  in x: f64[n] dense fill(0.0)
  out y: f64[n] dense fill(0.0)
  assemble y by insert {
    forall i in n parallel {
      y[i] = add(x[sub(i, 1:i64)], x[add(i, 1:i64)])
    }
  }
}
"""

PREFIX = """\
kernel prefix {
  in x: f64[n] dense fill(0.0)
  out y: f64[n] dense fill(0.0)
  assemble y by insert {
    forall i in n ordered {
      y[i] = add(x[i], y[sub(i, 1:i64)])
    }
  }
}
"""


def test_reads_outside_give_the_fill() -> None:
    k = parse_kernel(AFFINE)
    verify(k)
    assert run(k, {"x": np.array([1.0, 2, 4])})["y"].tolist() == [2, 5, 2]


def test_ordered_loops_read_what_they_wrote() -> None:
    k = parse_kernel(PREFIX)
    verify(k)
    assert run(k, {"x": np.arange(5.0)})["y"].tolist() == [0, 1, 3, 6, 10]


def test_conditions_leave_the_rest_unstored() -> None:
    mask = RNG.random((5, 7)) < 0.5
    values, stored = execute(parse_kernel(MASKED), {"A": A, "M": mask})
    i, j = np.indices(A.shape)
    want = mask & (A == 0) & (j < i)
    assert np.array_equal(values["C"], want.astype(float)) and np.array_equal(stored["C"], want)


def test_a_list_that_keeps_the_greatest() -> None:
    k = parse_kernel(TOP)
    verify(k)
    a = np.array([[1.0, 0, 3, 2], [-1, -2, 0, np.nan], [0, 0, 0, 0], [5, 5, 5, -5]])
    values, stored = execute(k, {"A": a})
    assert values["C"].tolist() == [[0, 0, 3, 2], [-1, 0, 0, 0], [0, 0, 0, 0], [5, 5, 0, 0]]
    assert stored["C"].sum(1).tolist() == [2, 2, 2, 2], "an entry counts whatever its value is"


def test_a_scalar_handed_on_in_reverse() -> None:
    k = parse_kernel(RUNNING)
    verify(k)
    values, stored = execute(k, {"A": A})
    np.testing.assert_allclose(values["y"], A[:, ::-1].cumsum(1)[:, ::-1])
    assert stored["y"].all(), "what is handed on is a value, also before anything was added"


def test_a_recurrence_reads_the_fill_where_nothing_was_written() -> None:
    k = parse_kernel(SOLVE)
    verify(k)
    a = np.triu(sparse(6, 6)) + np.eye(6)
    x = run(k, {"L": a, "b": np.ones(6)})["x"]
    np.testing.assert_allclose((np.eye(6) + np.triu(a, 1)) @ x, np.ones(6))


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1)])
def test_empty_and_tiny_extents(shape: tuple[int, int]) -> None:
    m, n = shape
    assert run(parse_kernel(SPMV), {"A": np.ones(shape), "x": np.ones(n)})["y"].tolist() == [float(n)] * m
    values = run(parse_kernel(SPMM_PANEL), {"A": np.ones(shape), "B": np.ones((n, 0))})
    assert values["C"].shape == (m, 0)


def test_operands_that_do_not_fit() -> None:
    k = parse_kernel(SPMV)
    with pytest.raises(TypeError_, match="operand 'x' is missing"):
        run(k, {"A": A})
    with pytest.raises(ShapeError, match="dimension 'n' is 6, expected 7"):
        run(k, {"A": A, "x": np.ones(6)})
    with pytest.raises(ShapeError, match="'x' has 2 dimensions, its declaration 1"):
        run(k, {"A": A, "x": np.ones((7, 1))})


def test_an_extent_that_no_operand_has() -> None:
    k = parse_kernel("kernel ones { out y: i32[n] dense assemble y by insert { forall i in n { y[i] = 1:i32 } } }")
    assert run(k, {}, {"n": 3})["y"].tolist() == [1, 1, 1]
    with pytest.raises(ShapeError, match="the extent of dimension 'n' is not known"):
        run(k, {})
