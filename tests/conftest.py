"""Machine code in tests is compiled at LLVM's level 0, fifteen times sooner, unless a test asks for another.

Long random tests carry the marker ``fuzz`` and run only where ``-m`` names it (``make fuzz``); what they covered is
told at the end of the run, whatever process it was in.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable

import pytest

os.environ.setdefault("SPARSEC_OPT", "0")


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str, dict[str, int]], None]:
    """Counts by the name of what was checked, which travel with the test's report from process to process."""

    def keep(name: str, counts: dict[str, int]) -> None:
        record_property("fuzz", (name, counts))

    return keep


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "fuzz" in (config.option.markexpr or ""):
        return
    long = [i for i in items if i.get_closest_marker("fuzz")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [i for i in items if i not in long]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found: dict[str, list[dict[str, int]]] = defaultdict(list)
    for reports in terminalreporter.stats.values():
        for r in reports:
            for key, value in getattr(r, "user_properties", ()):
                if key == "fuzz" and r.when == "call":
                    found[value[0]].append(value[1])
    for name, all_counts in found.items():
        total = {what: sum(counts[what] for counts in all_counts) for what in ("programs", "runs", "unsupported")}
        seeds = sorted(counts["seed"] for counts in all_counts)
        shown = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
        counted = ", ".join(f"{n} {what}" for what, n in total.items())
        terminalreporter.write_line(f"fuzz {name}: {counted}, {shown}")
