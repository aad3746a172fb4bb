"""Which extents are one: numbers, named dimensions, and open ones that statements fix.

In a kernel the dimensions have names, and two names are two extents; in bare statements every dimension of an operand
is open, and takes the name of an index variable that runs over it.
"""

from __future__ import annotations

from collections.abc import Iterable

from sparsec.ir.tensor import Extent

INDEX, DIMENSION = 0, 1
"""Whose name an open extent bears, the better one first."""


class Extents:
    """Sets of equal extents.  An open one is a name that begins with ``?``."""

    def __init__(self) -> None:
        self._above: dict[str, Extent] = {}
        self._names: dict[str, tuple[int, int, str]] = {}  # how good, how early, the name

    def open(self, name: str, rank: int = INDEX) -> str:
        """A new open extent, to be known by ``name`` unless a better or earlier one joins it."""
        made = f"?{len(self._above)}"
        self._above[made] = made
        self._names[made] = (rank, len(self._names), name)
        return made

    def call(self, e: Extent, name: str) -> None:
        """Let an extent, if it is open, be known by the name of an index variable."""
        e = self.find(e)
        if is_open(e):
            self._names[str(e)] = min(self._names[str(e)], (INDEX, len(self._names), name))

    def find(self, e: Extent) -> Extent:
        """The number or name that ``e`` stands for: some open extent while none is known."""
        while isinstance(e, str) and (above := self._above.get(e, e)) != e:
            self._above[e] = self._above.get(above, above) if isinstance(above, str) else above
            e = above
        return e

    def unify(self, a: Extent, b: Extent) -> bool:
        """Make two extents one; False if they are different numbers or names."""
        a, b = self.find(a), self.find(b)
        if a == b:
            return True
        if is_open(a) and not is_open(b):
            a, b = b, a
        if not is_open(b):
            return False
        assert isinstance(b, str)
        self._above[b] = a
        if is_open(a):
            assert isinstance(a, str)
            self._names[a] = min(self._names[a], self._names[b])
        return True

    def final(self, taken: Iterable[str] = ()) -> dict[str, Extent]:
        """For each open extent its number or name, other than the ``taken`` ones."""
        used = set(taken)
        roots = {r for e in self._above if is_open(r := self.find(e))}
        named: dict[Extent, str] = {}
        for _, _, base, root in sorted((*self._names[str(r)], str(r)) for r in roots):
            name, n = base, 1
            while name in used:
                n += 1
                name = f"{base}_{n}"
            used.add(name)
            named[root] = name
        return {e: named.get(of := self.find(e), of) for e in self._above}


def is_open(e: Extent) -> bool:
    """Is nothing known of this extent?"""
    return isinstance(e, str) and e.startswith("?")
