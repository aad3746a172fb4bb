"""What backends make is tested as users get it: at the default level of optimisation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sparsec.knobs import Knobs, scope


@pytest.fixture(autouse=True)
def default_level() -> Iterator[None]:
    """Programs here are few, so their machine code may take its time."""
    with scope(opt=Knobs().opt):
        yield
