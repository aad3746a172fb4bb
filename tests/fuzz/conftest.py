"""A long run says what it has found as soon as it has: the campaigns still to come may take an hour."""

from __future__ import annotations

import pytest


class Findings:
    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and reporter is not None:
            reporter.write_line("")
            reporter.write_line(f"{report.nodeid} FAILED\n{report.longreprtext}")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr == "fuzz":
        config.pluginmanager.register(Findings(config))
