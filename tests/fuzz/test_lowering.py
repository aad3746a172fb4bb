"""Random programs in tensor IR: their meaning against loop nests, buffer IR and machine code made of them.

Every stage's verifier accepts what the stage before it made, and its text reads back.
"""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.ir import buffer_text, buffer_verify, loops_text, loops_verify, tensor_text, tensor_verify
from sparsec.ir.tensor import Program
from tests.support.campaign import Campaign, Check, Report, long_run, shards
from tests.support.differential import check, check_patterns, execute, expected, lower, walk_loops
from tests.support.native import Native
from tests.support.strategies import Data, points


def stages(program: Program, sets: list[Data]) -> None:
    """All but machine code."""
    tensor_verify.verify(program)
    assert tensor_text.parse_program(tensor_text.print_program(program)) == program
    low = lower(program)
    loops_verify.verify(low.kernel)
    buffer_verify.verify(low.module)
    assert loops_text.parse_kernel(loops_text.print_kernel(low.kernel)) == low.kernel
    assert buffer_text.parse_module(buffer_text.print_module(low.module)) == low.module
    for d in sets:
        want, bound = expected(program, d)
        got = execute(low, d)
        check({n: v for n, (v, _) in got.items()}, want, bound, "buffer IR")
        if points(program, d.dims) > 300:
            continue
        slow = walk_loops(low, d)
        check({n: v for n, (v, _) in slow.items()}, want, bound, "loop nests")
        check_patterns(low, d, got)


def machine_code(program: Program, sets: list[Data]) -> None:
    """Machine code, with and without checked accesses."""
    low = lower(program)
    for n, d in enumerate(sets):
        if n < 2:
            native = Native(low.module, bounds=n == 0)
        want, bound = expected(program, d)
        got = execute(low, d, native)
        check({n: v for n, (v, _) in got.items()}, want, bound, "native")
        for name, (_, stored) in execute(low, d).items():
            assert np.array_equal(got[name][1], stored), f"'{name}' stores other entries than the buffer IR"


def test_stages(report: Report) -> None:
    campaign = Campaign(stages, examples=100, seed=20240)
    campaign.run()
    report("stages", campaign.summary())


def test_machine_code(report: Report) -> None:
    campaign = Campaign(machine_code, examples=12, seed=20241)
    campaign.run()
    report("machine_code", campaign.summary())


@pytest.mark.fuzz
@pytest.mark.parametrize("shard", shards())
@pytest.mark.parametrize("check", [stages, machine_code])
def test_many(check: Check, shard: int, report: Report) -> None:
    long_run(check, shard, report, draws=3)
