"""Conditions that decide alike in every run of their nest."""

from __future__ import annotations

import pytest

from sparsec.ir.loops_exact import repeatable
from sparsec.ir.loops_text import parse_kernel

NEST = """\
kernel k {{
  in A: f64[m, n] dense fill(0.0)
  in x: f64[n] dense fill(0.0)
  in p: i64[n] dense fill(0)
  out y: f64[m] dense fill(0.0)
  assemble y by insert {{
    forall i in m {{
      workspace w: {dtype} scalar init {init} produce {{
        forall j in n {{
          w[] {op} {value}
        }}
      }} consume {{
        if {condition} {{
          y[i] = 1.0:f64
        }}
      }}
    }}
  }}
}}
"""


@pytest.mark.parametrize(
    ("dtype", "init", "op", "value", "condition", "want"),
    [
        ("bool", "false", "or=", "lt(A[i, j], x[j])", "w[]", True),
        ("bool", "false", "or=", "lt(mul(A[i, j], x[j]), x[j])", "w[]", False),
        ("f64", "-inf", "max=", "A[i, j]", "lt(w[], 2.0:f64)", True),
        ("f64", "0.0", "add=", "A[i, j]", "lt(w[], 2.0:f64)", False),
        ("f64", "0.0", "add=", "A[i, j]", "lt(i, 2:i64)", True),
        ("f64", "-inf", "max=", "sign(relu(A[i, j]))", "lt(w[], 2.0:f64)", True),
        ("i64", "0", "add=", "mul(p[j], p[j])", "lt(w[], 2:i64)", True),
        ("i64", "0", "add=", "cast[i64](mul(x[j], x[j]))", "lt(w[], 2:i64)", False),
    ],
)
def test_what_is_rounded(dtype: str, init: str, op: str, value: str, condition: str, want: bool) -> None:
    k = parse_kernel(NEST.format(dtype=dtype, init=init, op=op, value=value, condition=condition))
    assert repeatable(k.body) == want
