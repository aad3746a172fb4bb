"""Random programs with random schedules: what is legal changes no result, what was made asks for the same nest."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest

from sparsec.errors import ScheduleError, UnsupportedError
from sparsec.frontends.dsl import directives, parse_schedule
from sparsec.ir.schedule import Directive
from sparsec.ir.tensor import Program, assigns
from sparsec.ir.tensor_text import print_program
from sparsec.passes.lower import plan
from tests.fuzz.test_targets import placed_code, placed_stages
from tests.support.campaign import Campaign, Check, Report, long_run, shards
from tests.support.differential import lower
from tests.support.strategies import Data


def drawn(program: Program) -> tuple[Directive, ...]:
    """A schedule for some statement, by the program's text."""
    rng = Random(print_program(program))
    s = rng.choice(list(assigns(program.body)))
    names = [i.name for i in s.indices]
    if not names:
        return ()
    split = {v: rng.randint(1, 5) for v in names if rng.random() < 0.3}
    names = [text for v in names for text in ([v] if v not in split else [f"{v}/{split[v]}", f"{v}%{split[v]}"])]
    order = rng.sample(names, rng.randint(1, len(names)))
    every = [
        Directive("order", tuple(order), None, s.target.tensor),
        Directive("parallel", rng.choice([(), (order[0],), (rng.choice(names),)]), None, s.target.tensor),
        Directive("panel", (rng.choice(names),), rng.choice([2, 3, 8]), s.target.tensor),
        Directive("panel", (), None, s.target.tensor),
        Directive("unroll", (rng.choice(names),), None, s.target.tensor),
    ]
    chosen = rng.sample(every, rng.randint(0 if split else 1, 3))
    splits = (Directive("split", (v,), n, s.target.tensor) for v, n in split.items())
    return (*splits, *{d.command: d for d in chosen}.values())


def given_back(program: Program) -> None:
    """The schedule in the notes of a plan makes the same plan."""
    nest = plan(program)
    made = [note for note in nest.notes if re.match("schedule for", note)]
    if made:
        asked = replace(program, schedule=directives(parse_schedule(made[0], program), program))
        assert replace(plan(asked), notes=()) == replace(nest, notes=())


def scheduled(check: Check) -> Check:
    """``check`` of programs with schedules that can be."""

    def run(program: Program, sets: list[Data]) -> None:
        given_back(program)
        asked = replace(program, schedule=drawn(program))
        try:
            lower(asked)
        except (ScheduleError, UnsupportedError):
            return
        given_back(asked)
        check(asked, sets)

    return run


CHECKS = {"schedules": scheduled(placed_stages), "schedules_code": scheduled(placed_code)}


@pytest.mark.parametrize(("which", "examples"), [("schedules", 60), ("schedules_code", 8)])
@pytest.mark.parametrize("placed", [False, True])
def test_schedules(which: str, examples: int, placed: bool, report: Report) -> None:
    campaign = Campaign(CHECKS[which], examples, seed=20251, placed=placed)
    campaign.run()
    report(which, campaign.summary())


@pytest.mark.fuzz
@pytest.mark.parametrize("shard", shards())
@pytest.mark.parametrize("which", CHECKS)
def test_many(which: str, shard: int, report: Report) -> None:
    long_run(CHECKS[which], shard, report, placed=shard % 2 == 1, name=which)
