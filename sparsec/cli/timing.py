"""Contestants side by side: bursts of calls that take turns, so that all meet the same machine.

The protocol of ``benchmarks/`` in small: a burst is about 20 ms, the order changes from round to round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

BURST = 0.02


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a contestant's calls."""

    minimum: float
    median: float
    calls: int


def race(contestants: Mapping[str, Callable[[], Any]], seconds: float = 0.2) -> dict[str, Timing]:
    """Time each contestant for about ``seconds``, two calls at least; they have been called before."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    rounds = max(2, round(seconds / BURST))
    names = list(contestants)
    for n in range(rounds):
        turn = n % len(names)
        for name in names[turn:] + names[:turn]:
            spent = times[name]
            # A call longer than a burst uses up several rounds.
            if len(spent) >= 2 and sum(spent) > seconds * (n + 1) / rounds:
                continue
            spent += _burst(contestants[name])
    return {name: Timing(min(t), statistics.median(t), len(t)) for name, t in times.items()}


def _burst(call: Callable[[], Any]) -> list[float]:
    out: list[float] = []
    end = time.perf_counter() + BURST
    while not out or time.perf_counter() < end:
        start = time.perf_counter_ns()
        call()
        out.append((time.perf_counter_ns() - start) / 1e9)
    return out


def once(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and its seconds."""
    start = time.perf_counter()
    value = call()
    return value, time.perf_counter() - start


__all__ = ["Timing", "once", "race"]
