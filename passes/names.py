"""Names that nothing has yet."""

from __future__ import annotations

from collections.abc import Callable, Collection


def unused(hint: str, taken: Collection[str], separator: str = "") -> str:
    """``hint`` if it is free, else the first of ``hint2``, ``hint3`` and so on that is not ``taken``."""
    name, n = hint, 1
    while name in taken:
        n += 1
        name = f"{hint}{separator}{n}"
    return name


def fresh_names(taken: set[str]) -> Callable[[str], str]:
    """Names near to a hint, ``i``, ``i_2`` and so on; each is ``taken`` from then on."""

    def fresh(hint: str) -> str:
        name = unused(hint, taken, "_")
        taken.add(name)
        return name

    return fresh


__all__ = ["fresh_names", "unused"]
