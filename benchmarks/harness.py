"""The protocol: contestants side by side in one run, in bursts, checked against each other before they are timed.

One sample of a contestant is a burst of calls, about 20 ms long, so that its threads are awake; contestants take
turns, and the order changes from round to round.  Before each burst a probe asks whether all cores are really there.
A second figure is a single call after 20 ms of idling, because users meet both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

OURS = "sparsec"


class Ready(Protocol):
    """What asks whether the machine is fit to measure now (``machine.Probe``)."""

    def ready(self) -> bool: ...


@dataclass(slots=True)
class Contestant:
    """A way to compute the case: ``call`` is timed, ``answer`` turns what it returns into something to compare."""

    name: str
    call: Callable[[], Any]
    answer: Callable[[Any], Any] = lambda value: value


@dataclass(slots=True)
class Case:
    """One kernel on one set of data; ``agree(reference, answer)`` raises AssertionError where they differ.

    ``make`` builds the contestants, the first is the reference; an exception while making or checking one strikes
    it from the list with its message as the reason.
    """

    kernel: str
    data: str
    dtype: str
    makers: Sequence[tuple[str, Callable[[], Contestant]]]
    agree: Callable[[Any, Any], None]


@dataclass(slots=True)
class Timing:
    """Milliseconds of a contestant: every call of its bursts, and calls after idling."""

    calls: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)

    @property
    def minimum(self) -> float:
        return min(self.calls)

    @property
    def median(self) -> float:
        return statistics.median(self.calls)

    @property
    def after_idle(self) -> float:
        return statistics.median(self.idle)


@dataclass(slots=True)
class Outcome:
    """What came of a case: timings by name, and why a contestant did not run."""

    case: Case
    timings: dict[str, Timing]
    struck: dict[str, str]
    unsettled: int = 0

    def best_peer(self) -> str | None:
        """The peer with the least minimum."""
        peers = [n for n in self.timings if n != OURS]
        return min(peers, key=lambda n: self.timings[n].minimum, default=None)

    def ratio(self, figure: str) -> float | None:
        """Best peer over ours by "minimum", "median" or "after_idle"; above 1 we are faster."""
        return self._over(figure, [n for n in self.timings if n != OURS])

    def over_reference(self) -> float | None:
        """The reference (SciPy, or NumPy where SciPy has no such thing) over ours, by minimum."""
        return self._over("minimum", [n for n, _ in self.case.makers[:1] if n in self.timings])

    def _over(self, figure: str, peers: Sequence[str]) -> float | None:
        if OURS not in self.timings or not peers:
            return None
        return float(min(getattr(self.timings[n], figure) for n in peers) / getattr(self.timings[OURS], figure))


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: bursts a contestant, their length and the idle time (seconds), calls after idling."""

    rounds: int = 5
    burst: float = 0.02
    pause: float = 0.02
    idle_calls: int = 5
    slow: float = 0.5
    slow_rounds: int = 2


QUICK = Plan(rounds=2, idle_calls=2, slow_rounds=1)


def run_case(case: Case, plan: Plan, probe: Ready | None = None) -> Outcome:
    """Make, check and time the contestants of ``case``."""
    contestants, struck = _prepare(case)
    outcome = Outcome(case, {c.name: Timing() for c in contestants}, struck)
    if not contestants:
        return outcome
    slowest = max(_once(c) for c in contestants) / 1e3
    rounds = plan.slow_rounds if slowest > plan.slow else plan.rounds
    for n in range(rounds):
        turn = n % len(contestants)
        for c in contestants[turn:] + contestants[:turn]:
            outcome.unsettled += probe is not None and not probe.ready()
            outcome.timings[c.name].calls += _burst(c, plan.burst)
    for _ in range(plan.idle_calls if slowest <= plan.slow else 1):
        for c in contestants:
            time.sleep(plan.pause)
            outcome.timings[c.name].idle.append(_once(c))
    return outcome


def _prepare(case: Case) -> tuple[list[Contestant], dict[str, str]]:
    """The contestants that can be made and agree with the first of them."""
    ready: list[Contestant] = []
    struck: dict[str, str] = {}
    reference: Any = None
    for name, make in case.makers:
        # A peer that lacks an operation raises whatever it likes: the reason goes into the report, the rest goes on.
        try:
            contestant = make()
            answer = contestant.answer(contestant.call())
            if not ready:
                reference = answer
            else:
                case.agree(reference, answer)
        except AssertionError as error:
            struck[name] = "WRONG RESULT: " + _first_line(error)
        except Exception as error:
            struck[name] = f"{type(error).__name__}: {_first_line(error)}"
        else:
            ready.append(contestant)
    return ready, struck


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "")[:160]


def _once(c: Contestant) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter_ns()
    c.call()
    return (time.perf_counter_ns() - start) / 1e6


def _burst(c: Contestant, seconds: float) -> list[float]:
    """Milliseconds of each call, back to back for ``seconds``, two calls at least."""
    out: list[float] = []
    end = time.perf_counter() + seconds
    while len(out) < 2 or time.perf_counter() < end:
        out.append(_once(c))
    return out
