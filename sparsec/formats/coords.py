"""Which coordinate each level of a format stores: arithmetic on the dimensions, in normal form.

A level map such as ``i/4``, ``i%4`` or ``j-i`` is a sum of *digits* with signs.  A digit is ``d / divisor % modulus``:
one place of a dimension's coordinate in a mixed radix, so ``i/16, i/4%4, i%4`` together say what ``i`` says.  A sum
can be negative, and is stored counted from its least value: ``j-i`` in an m by n matrix as ``j - i + m - 1``.

A map is *invertible* if its levels determine every dimension, and none of them twice: by digits that make up the
dimension, or by a sum in which all digits but one are determined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sparsec.errors import FormatError, UnsupportedError
from sparsec.ir.node import node


@node
class Digit:
    """``dim / divisor % modulus``; the leading digit of a dimension has no modulus."""

    dim: int
    divisor: int = 1
    modulus: int | None = None

    @property
    def whole(self) -> bool:
        """Is it the dimension itself?"""
        return self.divisor == 1 and self.modulus is None

    def extent(self, n: int) -> int:
        """How many values it has where the dimension has extent ``n``: padding included."""
        return self.modulus if self.modulus is not None else -(-n // self.divisor)

    def of(self, x: Any) -> Any:
        """Its value at the coordinate ``x`` (a number or a NumPy array)."""
        x = x // self.divisor if self.divisor > 1 else x
        return x if self.modulus is None else x % self.modulus


@node
class Coord:
    """A sum of digits, each with its sign; stored from its least value on."""

    terms: tuple[tuple[int, Digit], ...]

    @property
    def digit(self) -> Digit | None:
        """The only digit, if there is one and it is added."""
        return self.terms[0][1] if len(self.terms) == 1 and self.terms[0][0] == 1 else None

    @property
    def constant(self) -> bool:
        """Is it always 0: the place within blocks of 1?"""
        return self.digit is not None and self.digit.modulus == 1

    @property
    def dims(self) -> set[int]:
        return {d.dim for _, d in self.terms}

    def extent(self, shape: Sequence[int]) -> int:
        """How many values it may have."""
        extents = [d.extent(shape[d.dim]) for _, d in self.terms]
        return 0 if 0 in extents else sum(extents) - len(extents) + 1

    def of(self, point: Sequence[Any], shape: Sequence[int]) -> Any:
        """What a level stores for the coordinates ``point`` (numbers or arrays, one a dimension)."""
        total: Any = 0
        for sign, d in self.terms:
            value = d.of(point[d.dim])
            total = total + value if sign > 0 else total + (d.extent(shape[d.dim]) - 1 - value)
        return total


def points(coords: Sequence[Coord], stored: Sequence[Any], shape: Sequence[int]) -> tuple[list[Any], Any]:
    """The inverse of ``Coord.of``: the coordinate in each dimension of what levels store, and whether it is inside.

    ``stored`` has an array a level; the maps are invertible.  Padding of blocks and the ends of diagonals are outside.
    """
    known = {c.digit: value for c, value in zip(coords, stored, strict=True) if c.digit is not None}
    sums = [(c, value) for c, value in zip(coords, stored, strict=True) if c.digit is None]
    while sums:
        c, total = next((c, v) for c, v in sums if sum(d not in known for _, d in c.terms) == 1)
        sums = [(other, v) for other, v in sums if other is not c]
        for sign, d in c.terms:
            if d in known:
                total = total - (known[d] if sign > 0 else d.extent(shape[d.dim]) - 1 - known[d])
        ((sign, d),) = [(sign, d) for sign, d in c.terms if d not in known]
        known[d] = total if sign > 0 else d.extent(shape[d.dim]) - 1 - total
    inside: Any = True
    found: list[Any] = [0] * len(shape)
    for d, value in known.items():
        inside = inside & (value >= 0) & (value < d.extent(shape[d.dim]))
        found[d.dim] = found[d.dim] + value * d.divisor
    for n, x in zip(shape, found, strict=True):
        inside = inside & (x < n)
    return found, inside


def plain(order: Sequence[int]) -> tuple[Coord, ...]:
    """The coordinates of levels that store the dimensions in this order."""
    return tuple(Coord(((1, Digit(d)),)) for d in order)


def divided(c: Coord, by: int, fail: Callable[[str], Exception]) -> Coord:
    """``c / by``."""
    d = _single(c, "/", by, fail)
    if d.modulus is not None and d.modulus % by:
        raise fail(f"{d.modulus} is not a multiple of {by}")
    return Coord(((1, Digit(d.dim, d.divisor * by, None if d.modulus is None else d.modulus // by)),))


def remainder(c: Coord, by: int, fail: Callable[[str], Exception]) -> Coord:
    """``c % by``."""
    d = _single(c, "%", by, fail)
    if d.modulus is not None and d.modulus % by:
        raise fail(f"{d.modulus} is not a multiple of {by}")
    return Coord(((1, Digit(d.dim, d.divisor, by)),))


def _single(c: Coord, op: str, by: int, fail: Callable[[str], Exception]) -> Digit:
    if by < 1:
        raise fail(f"'{op} {by}': the number must be positive")
    if c.digit is None:
        raise fail(f"'{op}' applies to a dimension or a part of one, not to a sum")
    return c.digit


def check_invertible(coords: Sequence[Coord], dims: Sequence[str], label: str) -> None:
    """Raise ``FormatError`` if the levels leave a dimension open, or say one twice."""
    known: set[Digit] = set()
    for c in coords:
        if c.digit is not None:
            if c.digit in known:
                raise FormatError(f"format '{label}': dimension '{dims[c.digit.dim]}' is stored by two levels")
            known.add(c.digit)
    sums = [c for c in coords if c.digit is None]
    while sums:
        solved = [c for c in sums if sum(d not in known for _, d in c.terms) == 1]
        if not solved:
            text = f"format '{label}': a level stores a sum or difference, and no other level the rest of it"
            raise FormatError(text, hint="(i, j) -> (j-i: compressed, i: range), say")
        for c in solved:
            known |= {d for _, d in c.terms}
            sums.remove(c)
    for n, name in enumerate(dims):
        chain = sorted((d for d in known if d.dim == n), key=lambda d: (-d.divisor, d.modulus is not None))
        expected: int | None = None
        for d in chain:
            reach = None if d.modulus is None else d.divisor * d.modulus
            if reach != expected:
                raise FormatError(
                    f"format '{label}': its levels do not make up dimension '{name}'",
                    hint=f"like {name}/16, {name}/4%4, {name}%4: each goes on where the one before ends",
                )
            expected = d.divisor
        if chain and expected != 1:
            raise FormatError(
                f"format '{label}': its levels do not make up dimension '{name}': {name}%{expected} lacks"
            )


def check_runnable(coords: Sequence[Coord], dims: Sequence[str], label: str) -> None:
    """Raise ``UnsupportedError`` for a map whose levels no nest of loops follows yet."""
    known: set[tuple[int, int]] = set()  # dimension and divisor: the parts that the levels so far determine
    sums: list[Coord] = []
    used: list[Digit] = []
    for c in coords:
        if c.digit is None:
            sums.append(c)
            used += [d for _, d in c.terms]
            if inner := [dims[d.dim] for _, d in c.terms if d.modulus is not None]:
                raise UnsupportedError(f"format '{label}': a sum with an inner part of '{inner[0]}' cannot run yet")
        else:
            d = c.digit
            if d.modulus is not None and not c.constant and (d.dim, d.divisor * d.modulus) not in known:
                raise UnsupportedError(
                    f"format '{label}': a level with an inner part of '{dims[d.dim]}' above what says the outer part "
                    "cannot run yet",
                    hint="store outer parts first: (i, j) -> (i/4: ..., j: ..., i%4: ...)",
                )
            known.add((d.dim, d.divisor))
        for s in sums * len(sums):
            waits = [(d.dim, d.divisor) for _, d in s.terms if (d.dim, d.divisor) not in known]
            if len(waits) == 1:
                known.add(waits[0])
    stored = {c.digit for c in coords}
    if any(used.count(d) > 1 and d not in stored for d in used):
        raise UnsupportedError(f"format '{label}': sums of sums cannot run yet")


__all__ = ["Coord", "Digit", "check_invertible", "check_runnable", "divided", "plain", "remainder"]
