"""Random programs as DSL text, through ``sp.compile`` and the operands a user would pass."""

from __future__ import annotations

import pytest

from sparsec.ir.dtypes import I32
from sparsec.ir.tensor import Program
from tests.support.campaign import Campaign, long_run
from tests.support.differential import check, expected
from tests.support.dsl import text
from tests.support.strategies import Data

pytest.importorskip("sparsec.api")
import sparsec as sp
from tests.support.public import call


def front_door(program: Program, sets: list[Data]) -> None:
    """Text with written-out or implicit sums."""
    if any(t.dtype is I32 for t in program.results):
        return  # the language adds small integers in i64, tensor IR as drawn here in i32
    try:
        kernel = sp.compile(text(program, implicit=len(program.operands) % 2 == 0))
    except sp.ShapeError as e:
        # A local over indices that nothing bounds: tensor IR declares it, a text cannot.
        assert "nothing says the extent" in e.message
        return
    for d in sets:
        want, bound = expected(program, d)
        check(call(kernel, program, d), want, bound, "public")


def test_front_door(report: list[str]) -> None:
    campaign = Campaign(front_door, examples=100, seed=20242)
    campaign.run()
    report.append(campaign.summary("front door"))


@pytest.mark.fuzz
def test_many(report: list[str]) -> None:
    examples, seed = long_run()
    campaign = Campaign(front_door, examples, seed)
    try:
        campaign.run()
    finally:
        report.append(campaign.summary("front door"))
