"""What fuzzing covered, for the summary that ``tests/conftest.py`` prints."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.campaign import Report


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Counts by the name of what was checked, which travel with the test's report from process to process."""

    def keep(name: str, counts: dict[str, int]) -> None:
        record_property("fuzz", (name, counts))

    return keep
