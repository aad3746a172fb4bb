"""Random programs in tensor IR: their meaning against loop nests, buffer IR and machine code made of them.

Every stage's verifier accepts what the stage before it made, and its text reads back.
"""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.formats.format import Format
from sparsec.ir import buffer_text, buffer_verify, loops_text, loops_verify, tensor_text, tensor_verify
from sparsec.ir.loops import Kernel, Workspace
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Map, Program
from tests.support.campaign import Campaign, Check, Report, long_run, shards
from tests.support.differential import check, execute, expected, lower, walk_loops
from tests.support.native import Native
from tests.support.strategies import Data, expand, points


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
        for t in program.results:
            assert t.format is not None
            if t.format.is_dense:
                continue
            if compares_itself(program):
                continue  # A < A is folded, and what it chose between with it
            # The buffer IR stores what the loops do, and more only where presence hangs on data or on empty ranges.
            least, stored = expand(t.format, slow[t.name][1]), got[t.name][1]
            assert not (least & ~stored).any(), f"'{t.name}' lacks entries at {np.argwhere(least & ~stored).tolist()}"
            if pads(t.format):
                continue
            if "select" not in repr(low.kernel) and not repeats_an_index(program) and not folds(low.kernel):
                assert (least == stored).all(), f"'{t.name}' stores more: {np.argwhere(~least & stored).tolist()}"


def pads(fmt: Format) -> bool:
    """Whether the format stores whole fibres beneath a coordinate, which are then stored also where nothing came."""
    full = [spec.type.full for spec in fmt.levels]
    return any(below and not above for above, below in zip(full, full[1:], strict=False))


def compares_itself(program: Program) -> bool:
    """Whether a comparison has one thing on both sides."""
    nodes = [n for s in program.body for n in walk(s) if isinstance(n, Map)]
    return any(n.dtype.kind == "b" and len(n.args) == 2 and n.args[0] == n.args[1] for n in nodes)


def folds(kernel: Kernel) -> bool:
    """Whether a reduction ends in a scalar, which is stored also where it found nothing to fold."""
    return any(isinstance(n, Workspace) and n.kind == "scalar" for n in walk(kernel))


def repeats_an_index(program: Program) -> bool:
    """Whether an access is to a diagonal: an upper entry then stands for ones that may be missing."""
    accesses = (n for n in walk(program) if isinstance(n, Access))
    return any(len(set(a.indices)) < len(a.indices) for a in accesses)


def machine_code(program: Program, sets: list[Data]) -> None:
    """Machine code, with and without checked accesses."""
    low = lower(program)
    for n, d in enumerate(sets):
        if n < 2:
            native = Native(low.module, bounds=n == 0)
        want, bound = expected(program, d)
        got = execute(low, d, native)
        check({n: v for n, (v, _) in got.items()}, want, bound, "native")


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
