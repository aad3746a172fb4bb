"""Names that nothing has yet."""

from __future__ import annotations

from collections.abc import Collection


def unused(hint: str, taken: Collection[str]) -> str:
    """``hint`` if it is free, else the first of ``hint2``, ``hint3`` and so on that is not ``taken``."""
    name, n = hint, 1
    while name in taken:
        n += 1
        name = f"{hint}{n}"
    return name


__all__ = ["unused"]
