"""A campaign: many random programs through one checking function, with counts; it fails on a wrong one, shrunk."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import SystemRandom

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from sparsec.errors import UnsupportedError
from sparsec.ir.tensor import Program
from sparsec.knobs import Knobs, scope
from tests.support.dsl import text
from tests.support.strategies import Data, data, programs

Check = Callable[[Program, list[Data]], None]


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


@st.composite
def cases(draw: st.DrawFn, draws: int) -> Case:
    """A program with ``draws`` sets of data."""
    program = draw(programs())
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
        @given(cases(self.draws))
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
        rejected = self.counts["unsupported"]
        assert rejected <= 0.02 * self.counts["programs"] + 1, f"the compiler refuses too much: {self.counts}"
        return self.counts

    def summary(self, name: str) -> str:
        return (
            f"fuzz {name}: {self.counts['programs']} programs, {self.counts['runs']} runs, "
            f"{self.counts['unsupported']} unsupported, seed {self.seed}"
        )


def long_run() -> tuple[int, int]:
    """Number of programs and seed of ``make fuzz``: SPARSEC_FUZZ_EXAMPLES (2000), SPARSEC_FUZZ_SEED (a new one)."""
    examples = int(os.environ.get("SPARSEC_FUZZ_EXAMPLES", "2000"))
    chosen = os.environ.get("SPARSEC_FUZZ_SEED")
    return examples, int(chosen) if chosen else SystemRandom().randrange(1 << 32)
