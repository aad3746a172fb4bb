"""A level that gives no order cannot be merged or searched: it is refused by name."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sparsec.errors import UnsupportedError
from sparsec.formats.compressed import Compressed
from sparsec.formats.named import from_levels


@dataclass(frozen=True, slots=True)
class Loose(Compressed):
    @property
    def ordered(self) -> bool:
        return False


def test_unordered_levels_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="not ordered"):
        from_levels(None, (Loose(),)).require_runnable()
