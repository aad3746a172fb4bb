"""Random programs as DSL text, through ``sp.compile`` and the operands a user would pass."""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.ir.tensor import Program
from tests.support.campaign import Campaign, Check, Report, long_run, shards
from tests.support.differential import check, expected
from tests.support.dsl import text
from tests.support.dtypes import KEPT_WIDER
from tests.support.strategies import Data

pytest.importorskip("sparsec.api")
import sparsec as sp
from tests.support.public import call, result, run


def front_door(program: Program, sets: list[Data]) -> None:
    """Text with written-out or implicit sums."""
    if any(t.dtype in KEPT_WIDER for t in program.results):
        return  # the language adds small integers in i64 and halves in f32, tensor IR as drawn here in their own type
    try:
        kernel = sp.compile(text(program, implicit=len(program.operands) % 2 == 0))
    except sp.ShapeError as e:
        # A local over indices that nothing bounds: tensor IR declares it, a text cannot.
        assert "nothing says the extent" in e.message
        return
    for d in sets:
        want, bound = expected(program, d)
        check(call(kernel, program, d), want, bound, "public")


def halves(program: Program, sets: list[Data]) -> None:
    """Patterns alone are those of a call; values on them, and on those of other operands of the same patterns."""
    sparse = [t.name for t in program.results if t.format is not None and not t.format.is_dense]
    if "runs" in str([t.format for t in program.results]):
        return  # where a run ends hangs on the values
    if not all(t.format is not None and t.format.is_plain for t in program.results):
        return  # some of these are refused
    if "delta8" in str([t.format for t in program.results]):
        return
    if not sparse or any(t.dtype in KEPT_WIDER or t.role == "inout" for t in program.results):
        return
    try:
        kernel = sp.compile(text(program))
    except sp.ShapeError as e:
        assert "nothing says the extent" in e.message
        return
    for d in sets:
        whole = run(kernel, program, d)
        try:
            made = run(kernel.assemble, program, d)
        except sp.UnsupportedError:
            return  # more is refused here than of calls
        for name in sparse:
            made[name].validate()
            for a, b in zip(made[name].levels, whole[name].levels, strict=True):
                assert all(np.array_equal(a[role], b[role]) for role in b), f"'{name}' has another pattern"
        again = run(kernel.compute, program, d, out={name: made[name] for name in sparse})
        assert all(again[name] is made[name] for name in sparse)
        want, bound = expected(program, d)
        check({t.name: result(t, again[t.name]) for t in program.results}, want, bound, "halves")


def test_halves(report: Report) -> None:
    campaign = Campaign(halves, examples=10, seed=20243)
    campaign.run()
    report("halves", campaign.summary())


def test_front_door(report: Report) -> None:
    campaign = Campaign(front_door, examples=20, seed=20242)
    campaign.run()
    report("front_door", campaign.summary())


@pytest.mark.fuzz
@pytest.mark.parametrize("shard", shards())
@pytest.mark.parametrize("check", [front_door, halves])
def test_many(check: Check, shard: int, report: Report) -> None:
    long_run(check, shard, report)
