"""The ``fuzz`` marker: long runs that only ``pytest -m fuzz`` selects; what a run covered is printed at its end."""

from __future__ import annotations

import pytest

SUMMARY: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fuzz: thousands of random programs (make fuzz)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "fuzz" in (config.option.markexpr or ""):
        return
    long = [i for i in items if i.get_closest_marker("fuzz")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [i for i in items if i not in long]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in SUMMARY:
        terminalreporter.write_line(line)


@pytest.fixture
def report() -> list[str]:
    """Lines for the end of the test run."""
    return SUMMARY
