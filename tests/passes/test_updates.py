"""Updates written out: Input and Expected as program text, and what loops and buffers make of them."""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.errors import VerifyError
from sparsec.ir import loops_verify
from sparsec.ir.loops_text import parse_kernel
from sparsec.ir.tensor_text import parse_program, print_program
from sparsec.ir.tensor_verify import verify
from sparsec.passes.lower.updates import continued, unfold_updates, with_updated

FRESH = (
    """\
program f {
  in A: f64[m, n] csr fill(0.0)
  out r: f64[m] dense fill(0.0)
  r[i] mul= A[i, j] for i < m, j < n
}
""",
    """\
program f {
  in A: f64[m, n] csr fill(0.0)
  out r: f64[m] dense fill(0.0)
  r[i] = reduce.mul[j](A[i, j]):f64 for i < m, j < n
}
""",
)
SPARSE_PASSED = (
    """\
program f {
  in A: f64[m, n] csr fill(0.0)
  inout C: f64[m, n] csr fill(0.0)
  C[i, j] add= A[i, j] for i < m, j < n
  C[i, j] add= C[j, i] for i < m, j < m
}
""".replace("[m, n]", "[m, m]").replace("j < n", "j < m"),
    """\
program f {
  in A: f64[m, m] csr fill(0.0)
  in C_before: f64[m, m] csr fill(0.0)
  out C: f64[m, m] csr fill(0.0)
  local C_version: f64[m, m] csr fill(0.0)
  C_version[i, j] = add(C_before[i, j], A[i, j]) for i < m, j < m
  C[i, j] = add(C_version[i, j], C_version[j, i]) for i < m, j < m
}
""",
)
DENSE_IN_PLACE = (
    """\
program f {
  in A: f64[m, m] csr fill(0.0)
  inout x: f64[m] dense fill(0.0)
  x[i] = sub(x[i], reduce.add[j](mul(A[i, j], x[i])):f64) for i < m, j < m
  x[i] add= mul(x[i], 2.0:f64) for i < m
}
""",
    """\
program f {
  in A: f64[m, m] csr fill(0.0)
  inout x: f64[m] dense fill(0.0)
  local x_before: f64[m] dense fill(0.0)
  x_before[c0] = x[c0] for c0 < m
  x[i] = sub(x_before[i], reduce.add[j](mul(A[i, j], x_before[i])):f64) for i < m, j < m
  x[i] add= mul(x[i], 2.0:f64) for i < m
}
""",
)
CONDITIONS = (
    """\
program f {
  in M: bool[m] dense fill(false)
  in A: f64[m] sparse fill(0.0)
  out C: f64[m] sparse fill(0.0)
  C[i] add= A[i] where M[i] for i < m
  C[i] add= A[i] where not(M[i]) for i < m
}
""",
    """\
program f {
  in M: bool[m] dense fill(false)
  in A: f64[m] sparse fill(0.0)
  out C: f64[m] sparse fill(0.0)
  local C_version: f64[m] sparse fill(0.0)
  C_version[i] = select(M[i], A[i], fill(0.0):f64) for i < m
  C[i] = select(stored(C_version[i]), select(not(M[i]), add(C_version[i], A[i]), C_version[i]), \
select(not(M[i]), add(C_version[i], A[i]), fill(0.0):f64)) for i < m
}
""",
)

A_CONDITION_WITH_A_REDUCTION = (
    """\
program f {
  in A: f64[m] dense fill(0.0)
  in M: bool[n] dense fill(false)
  out r: f64[m] dense fill(0.0)
  r[i] add= A[i] where reduce.or[j](M[j]):bool for i < m, j < n
}
""",
    """\
program f {
  in A: f64[m] dense fill(0.0)
  in M: bool[n] dense fill(false)
  out r: f64[m] dense fill(0.0)
  r[i] = select(reduce.or[j](M[j]):bool, A[i], fill(0.0):f64) for i < m, j < n
}
""",
)


@pytest.mark.parametrize(
    "before, after", [FRESH, SPARSE_PASSED, DENSE_IN_PLACE, CONDITIONS, A_CONDITION_WITH_A_REDUCTION]
)
def test_unfolded(before: str, after: str) -> None:
    program = parse_program(before)
    verify(program)
    got = unfold_updates(program)
    assert print_program(got) == print_program(parse_program(after))
    if "stored(" not in after:  # of a version, which programs from outside may not ask about
        verify(got)
    assert print_program(unfold_updates(got)) == print_program(got)


def test_programs_without_updates_are_left_alone() -> None:
    program = parse_program(FRESH[1])
    assert unfold_updates(program) is program
    assert continued(program) == frozenset()


def test_what_the_caller_passes() -> None:
    program = parse_program(FRESH[0])
    assert continued(program) == {"r"}
    passed = with_updated(program, ["r"])
    assert [t.name for t in passed.operands] == ["A", "r"]
    assert passed.tensor("r").role == "inout"


LOOPS = """\
kernel f {
  in x: f64[n] dense fill(0.0)
  ROLE y: f64[n] dense fill(0.0)
  assemble y by update {
    forall i in n {
      y[i] = add(y[i], x[i])
    }
  }
}
"""


def test_updates_in_loops() -> None:
    from sparsec.ir import loops_interp
    from sparsec.ir.buffer_interp import run
    from sparsec.passes.lower import emit

    kernel = parse_kernel(LOOPS.replace("ROLE", "inout"))
    loops_verify.verify(kernel)
    x, y = np.arange(3.0), np.ones(3)
    assert loops_interp.run(kernel, {"x": x, "y": y})["y"].tolist() == [1, 2, 3]
    run(emit(kernel), {"x_vals": x, "y_vals": y, "dim_n": 3})
    assert y.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "text, message",
    [
        (LOOPS.replace("ROLE", "out"), "'y' is updated before it is assembled"),
        (LOOPS.replace("ROLE", "in"), "operand 'y' cannot be assembled"),
        (
            LOOPS.replace("ROLE", "inout").replace(
                "y: f64[n] dense", "y: f64[n] (i) -> (i: compressed[index=i32, pos=i32])"
            ),
            "only dense tensors",
        ),
    ],
)
def test_verified(text: str, message: str) -> None:
    with pytest.raises(VerifyError, match=message):
        loops_verify.verify(parse_kernel(text))
