"""Reads at places from data under conditions: Input and Expected as program text, and the loops made of them."""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.ir import loops_interp
from sparsec.ir.loops_text import print_kernel
from sparsec.ir.tensor_text import parse_program, print_program
from sparsec.passes.lower.admitted import guard_reads
from sparsec.passes.lower.planning import plan

HEAD = """\
program f {{
  in x: f64[p] dense fill(0.0)
  in at: i64[n] dense fill(0)
  in m: bool[n] dense fill(false)
  in M: bool[n, n] csr fill(false)
  out y: f64[n] dense fill(0.0)
  {}
}}
"""
MADE = """\
  out y: f64[n] dense fill(0.0)
  local admits: bool[n] dense fill(false)
  admits[j] = {}
  {}
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("y[i] = x[at[i]] for i < n", None),
        ("y[i] = x[add(i, 1:i64)] where m[i] for i < n", None),
        (
            "y[i] = x[at[i]] where m[i] for i < n",
            "  y[i] = x[select(m[i], at[i], fill(-1):i64)] where m[i] for i < n\n",
        ),
        (
            "y[i] = reduce.add[j](x[at[j]] where and(m[j], lt(j, i))):f64 where m[i] for i < n, j < n",
            MADE.format(
                "reduce.or[i](and(m[i], lt(j, i))):bool for j < n, i < n",
                "y[i] = reduce.add[j](x[select(and(m[j], admits[j]), at[j], fill(-1):i64)] "
                "where and(m[j], lt(j, i))):f64 where m[i] for i < n, j < n",
            ),
        ),
        (
            "y[i] = reduce.add[j](x[at[j]] where M[i, j]):f64 for i < n, j < n",
            MADE.replace("bool[n] dense", "bool[n]").format(
                "reduce.or[i](M[i, j]):bool for j < n, i < n",
                "y[i] = reduce.add[j](x[select(admits[j], at[j], fill(-1):i64)] where M[i, j]):f64 for i < n, j < n",
            ),
        ),
    ],
)
def test_indices_are_guarded(before: str, after: str | None) -> None:
    program = parse_program(HEAD.format(before))
    got = guard_reads(program)
    if after is None:
        assert got is program
    else:
        assert after in print_program(got)
        assert guard_reads(got) == got


def test_the_loops_check_and_read_where_the_condition_holds() -> None:
    kernel = plan(parse_program(HEAD.format("y[i] = x[at[i]] where m[i] for i < n")))
    assert "if m[i] {\n      check x at[i] in p" in print_kernel(kernel)
    arrays = {"x": np.arange(3.0), "at": np.array([2, -5, 1, 99]), "m": np.array([True, False, True, False]),
              "M": np.zeros((4, 4), bool)}  # fmt: skip
    values, _ = loops_interp.execute(kernel, arrays, {"n": 4, "p": 3})
    assert values["y"].tolist() == [2, 0, 1, 0]
