"""A campaign: many random programs through one checking function, with counts; it fails on a wrong one, shrunk."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from sparsec.errors import UnsupportedError
from sparsec.ir.tensor import Program
from sparsec.knobs import Knobs, scope
from tests.support import targets
from tests.support.dsl import text
from tests.support.strategies import Data, data, programs

Check = Callable[[Program, list[Data]], None]
Report = Callable[[str, dict[str, int]], None]


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """A program and sets of data for it; shown as DSL text."""

    program: Program
    sets: list[Data]

    def __repr__(self) -> str:
        lines = [text(self.program)]
        for d in self.sets:
            lines.append(f"{d.dims}: " + ", ".join(f"{n} = {a.tolist()}" for n, a in d.arrays.items()))
        return "\n" + "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # Hypothesis would show the fields


@st.composite
def cases(draw: st.DrawFn, draws: int, placed: bool = False) -> Case:
    """A program with ``draws`` sets of data; ``placed``: its left sides are computed places."""
    program = draw(programs())
    if placed:
        program = draw(targets.placed(program))
    return Case(program, [draw(data(program)) for _ in range(draws)])


@dataclass(slots=True)
class Campaign:
    """``examples`` programs with ``draws`` sets of data each; ``seed`` repeats a run.

    One in ten is compiled at the default level of optimisation, the others at level 0.
    """

    check: Check
    examples: int
    seed: int
    draws: int = 2
    placed: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def run(self) -> Counter[str]:
        """Check them all; raises what the check raises for the smallest program found."""

        @seed(self.seed)
        @settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )
        @given(cases(self.draws, self.placed))
        def one(case: Case) -> None:
            self.counts["programs"] += 1
            level = Knobs().opt if self.counts["programs"] % 10 == 0 else 0
            try:
                with scope(opt=level):
                    self.check(case.program, case.sets)
            except UnsupportedError:
                self.counts["unsupported"] += 1
                return
            self.counts["runs"] += len(case.sets)

        one()
        assert self.counts["unsupported"] <= most_refused(self.counts["programs"]), f"refuses too much: {self.counts}"
        return self.counts

    def summary(self) -> dict[str, int]:
        """What it covered, for the end of the test run."""
        return {"programs": 0, "runs": 0, "unsupported": 0, **self.counts, "seed": self.seed}


def most_refused(programs: int) -> float:
    """How many of so many programs may be unsupported: one in twenty, and five standard deviations of that number.

    Hypothesis draws a format again and again once it has found it, so that refusals come in clusters.
    """
    return 0.05 * programs + 5 * math.sqrt(0.05 * 0.95 * programs)


KINDS, SHARD = 13, 250
"""The checks that share the programs of ``make fuzz``; the programs of one campaign, for processes take whole ones."""


def shards() -> range:
    """The campaigns of each check in a long run of SPARSEC_FUZZ_EXAMPLES programs (20,000)."""
    return range(-(-int(os.environ.get("SPARSEC_FUZZ_EXAMPLES", "20000")) // (KINDS * SHARD)))


def long_run(
    check: Check, shard: int, report: Report, draws: int = 2, *, placed: bool = False, name: str | None = None
) -> None:
    """One of the campaigns of a long run; their seeds follow on SPARSEC_FUZZ_SEED (else a new one)."""
    most = -(-int(os.environ.get("SPARSEC_FUZZ_EXAMPLES", "20000")) // KINDS)
    chosen = os.environ.get("SPARSEC_FUZZ_SEED")
    seed = int(chosen) + shard if chosen else SystemRandom().randrange(1 << 32)
    campaign = Campaign(check, min(SHARD, most - shard * SHARD), seed, draws, placed)
    try:
        campaign.run()
    finally:
        report(name or check.__name__, campaign.summary())
