"""The programs through plan, emit and the buffer IR interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.ir import buffer_text, loops_text
from sparsec.passes.lower import explain
from tests.programs.cases import ALL
from tests.support.differential import execute, lower
from tests.support.statements import Source
from tests.support.strategies import Data, expand


@pytest.mark.parametrize("name", ALL)
def test_against_numpy(name: str) -> None:
    case = ALL[name]
    low = lower(case.source.program)
    assert loops_text.parse_kernel(loops_text.print_kernel(low.kernel)) == low.kernel
    assert buffer_text.parse_module(buffer_text.print_module(low.module)) == low.module
    for seed in (1, 2):
        arrays = case.arrays(seed)
        stored = {}
        for t in low.program.operands:
            assert t.format is not None
            stored[t.name] = expand(t.format, (arrays[t.name] != 0) | t.format.is_dense)
        (got, pattern), = execute(low, Data(case.dims, arrays, stored)).values()
        want = np.asarray(case.meaning(**arrays))
        assert got.tolist() == want.tolist()
        assert (pattern | (want == 0)).all()


def test_finch_562_loop_order_does_not_hang_on_how_the_indices_are_written() -> None:
    """finch 562 chose loops by cost: a product of CSR matrices runs along rows however its indices are called."""
    for statement in ("C[i, j] = A[i, k] * B[k, j]", "C[k, i] = A[k, j] * B[j, i]", "C[j, k] = B[i, k] * A[j, i]"):
        low = lower(Source("A: f64[m, n] csr; B: f64[n, p] csr", "C: f64[m, p]", statement).program)
        assert not any("converted" in note for note in low.kernel.notes)


def test_taco_365_a_transposition_can_be_explained() -> None:
    low = lower(ALL["taco-365-csr-csr"].source.program)
    assert "loop order" in explain(low.kernel, low.module)
