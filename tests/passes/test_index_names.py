"""Index variables that share names with each other and with tensors: the lowering keeps them apart."""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.ir import buffer_verify, loops_interp, loops_verify, tensor_interp, tensor_verify
from sparsec.ir.tensor_text import parse_program
from sparsec.passes.lower import emit, plan

STATEMENTS = [
    # One variable for two sums, and another that has the name the second would get.
    "y[i] = mul(reduce.add[j](x[j]):f64, mul(reduce.add[j](x[j]):f64, reduce.add[j_2](z[j_2]):f64)) "
    "for i < n, j < n, j_2 < m",
    "y[x] = mul(x[x], reduce.add[z](z[z]):f64) for x < n, z < m",
    "y[i] = mul(x[i], reduce.add[i](x[i]):f64) for i < n",
    "y[i] = reduce.add[j](mul(x[j], reduce.add[j](x[j]):f64)):f64 for i < n, j < n",
    "y[t] max= mul(x[t], z[j]) for t < n, j < m",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_names(statement: str) -> None:
    text = f"program p {{ in x: f64[n] dense in z: f64[m] dense in j: f64 dense out y: f64[n] dense {statement} }}"
    p = parse_program(text)
    tensor_verify.verify(p)
    kernel = plan(p)
    loops_verify.verify(kernel)
    buffer_verify.verify(emit(kernel))
    data = {"x": np.arange(3.0) + 1, "z": np.arange(5.0) + 1, "j": 2.0}
    assert loops_interp.run(kernel, data)["y"].tolist() == tensor_interp.interpret(p, data)["y"].tolist()
