"""The decorator of IR nodes: a dataclass with slots, compared and hashed by its fields, never changed once made.

``@node`` is ``@dataclass(frozen=True, slots=True)`` to a type checker, which is who keeps nodes frozen: a check at run
time would make each of them three times as slow to build, and twice as slow to import.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=True)
def node(cls: type[T]) -> type[T]:
    """Make ``cls`` a node; ``repr`` gives its fields, as a dataclass's does.

    >>> from sparsec.ir.node import node
    >>> @node
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(1, 0)
    (Point(x=1, y=0), True)
    """
    made = dataclass(slots=True, unsafe_hash=True, repr=False)(cls)
    if made.__repr__ is object.__repr__:
        made.__repr__ = _repr  # type: ignore[method-assign]
    return made


def _repr(self: object) -> str:
    shown = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr]  # type: ignore[arg-type]
    return f"{type(self).__qualname__}({', '.join(shown)})"


__all__ = ["node"]
