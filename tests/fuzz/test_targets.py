"""Random programs whose left sides are computed places, through every stage and the front door."""

from __future__ import annotations

import pytest

import sparsec as sp
from sparsec.errors import ShapeError
from sparsec.ir.tensor import Program
from tests.fuzz.test_lowering import machine_code, stages
from tests.fuzz.test_public import front_door
from tests.support.campaign import Campaign, long_run
from tests.support.differential import execute, lower, walk_loops
from tests.support.dsl import text
from tests.support.public import call
from tests.support.strategies import Data
from tests.support.targets import or_stops


def _stops(program: Program, data: Data) -> None:
    low = lower(program)
    with pytest.raises(ShapeError, match="twice"):
        walk_loops(low, data)
    execute(low, data)


def _public_stops(program: Program, data: Data) -> None:
    call(sp.compile(text(program)), program, data)


placed_stages = or_stops(stages, _stops)
placed_code = or_stops(machine_code, _stops)
placed_front_door = or_stops(front_door, _public_stops)
CHECKS = {"stages": placed_stages, "machine code": placed_code, "front door": placed_front_door}


@pytest.mark.parametrize(("which", "examples"), [("stages", 60), ("machine code", 8), ("front door", 12)])
def test_targets(which: str, examples: int, report: list[str]) -> None:
    campaign = Campaign(CHECKS[which], examples, seed=20250, placed=True)
    campaign.run()
    report.append(campaign.summary(f"targets, {which}"))


@pytest.mark.fuzz
@pytest.mark.parametrize("which", CHECKS)
def test_many(which: str, report: list[str]) -> None:
    examples, seed = long_run()
    campaign = Campaign(CHECKS[which], examples, seed, placed=True)
    try:
        campaign.run()
    finally:
        report.append(campaign.summary(f"targets, {which}"))
