"""Random programs whose left sides are computed places, through every stage and the front door."""

from __future__ import annotations

import pytest

import sparsec as sp
from sparsec.errors import ShapeError
from sparsec.ir.tensor import Program
from tests.fuzz.test_lowering import machine_code, stages
from tests.fuzz.test_public import front_door
from tests.support.campaign import Campaign, Report, long_run, shards
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
CHECKS = {"targets": placed_stages, "targets_code": placed_code, "targets_front_door": placed_front_door}


@pytest.mark.parametrize(("which", "examples"), [("targets", 60), ("targets_code", 8), ("targets_front_door", 12)])
def test_targets(which: str, examples: int, report: Report) -> None:
    campaign = Campaign(CHECKS[which], examples, seed=20250, placed=True)
    campaign.run()
    report(which, campaign.summary())


@pytest.mark.fuzz
@pytest.mark.parametrize("shard", shards())
@pytest.mark.parametrize("which", CHECKS)
def test_many(which: str, shard: int, report: Report) -> None:
    long_run(CHECKS[which], shard, report, placed=True, name=which)
