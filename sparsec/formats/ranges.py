"""``range``: one stretch of coordinates beneath each parent, between bounds that hang on the coordinates above it.

``range[i-1, i+2]`` beneath a level of ``i`` is a tridiagonal band, ``range[0, i+1]`` a lower triangle, and
``range[i, inf]`` an upper one; whatever the bounds say, a stretch ends where the dimension does.  Nothing is stored but
values, at places that arithmetic finds::

    constant width w       place = parent * w + coordinate - lo         rows are cut at the edges, their places stay
    one bound constant     place = sum of the widths of the rows above + coordinate - lo, a quadratic form (packed)
    no bounds              place = parent * extent + coordinate         as in ``dense``: what lies inside the shape

(The ``range`` of Chou, Kjolstad and Amarasinghe, Format abstraction for sparse tensor algebra compilers, OOPSLA 2018,
with bounds that a person writes; the packed triangle is that of LAPACK.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.errors import FormatError, UnsupportedError
from sparsec.formats.level import CanAppend, CanInsert, CanLocate, CanWindow, Level, LevelView, register
from sparsec.formats.linear import Bound
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr
    from sparsec.ir.build import Builder

MOST = 2**31
"""Rows and columns of a packed triangle, at most: the number of its places fits in 64 bits."""


@register
@node
class Range(Level, CanWindow, CanLocate, CanInsert, CanAppend):
    """The coordinates ``lo <= c < hi``, all of them; ``hi`` is None where only the extent ends them.

    Without bounds (both None) it is full.
    """

    lo: Bound | None = None
    hi: Bound | None = None
    name: ClassVar[str] = "range"
    needs_counts: ClassVar[bool] = False

    @classmethod
    def read(cls, words: tuple[str, ...]) -> tuple[dict[str, object], tuple[str, ...]]:
        if not words:
            return {}, ()
        if len(words) != 2:
            raise FormatError("level type 'range' is written range[lo, hi], or range", hint="range[i-1, i+2], say")
        return {"lo": Bound.read(words[0]), "hi": None if words[1] == "inf" else Bound.read(words[1])}, ()

    def __str__(self) -> str:
        return self.name if self.lo is None else f"{self.name}[{self.lo}, {'inf' if self.hi is None else self.hi}]"

    @property
    def full(self) -> bool:
        return self.lo is None

    @property
    def compact(self) -> bool:
        return self.lo is None

    @property
    def spread(self) -> bool:
        return not self.packed

    @property
    def limits(self) -> tuple[Bound | None, Bound | None]:
        return self.lo, self.hi

    def renamed(self, names: Mapping[str, str]) -> Level:
        lo, hi = (bound and bound.renamed(names) for bound in self.limits)
        return replace(self, lo=lo, hi=hi)

    @property
    def packed(self) -> bool:
        """Whether the width varies, and rows stand one behind the other."""
        return self.lo is not None and self.lo.terms != (() if self.hi is None else self.hi.terms)

    @property
    def slope(self) -> tuple[str, int] | None:
        """Of a packed level the coordinate that its only moving bound goes with, and which way; None if it has none."""
        moving = [term for bound in self.limits if bound is not None for term in bound.terms]
        return moving[0] if self.packed and len(moving) == 1 and abs(moving[0][1]) == 1 else None

    @property
    def width(self) -> int | None:
        """The places beneath a parent, if the bounds alone say it."""
        if self.packed or self.lo is None or self.hi is None:
            return None
        return max(0, self.hi.const - self.lo.const)

    def check_above(self, above: tuple[tuple[str, Level], ...]) -> None:
        fits = self.slope is not None and bool(above) and above[-1][0] == self.slope[0] and above[-1][1].full
        if self.packed and not fits:
            raise UnsupportedError(
                f"level '{self}' cannot run yet: its width varies",
                hint="where it does, one bound is a number, the other goes with the level right above, which is dense: "
                "(i: dense, j: range[0, i+1])",
            )
        for coord, level in above:
            if self.lo is not None and not (level.spread or "crd" in level.arrays()) or level.encoding:
                raise UnsupportedError(f"level '{self}' beneath '{coord}: {level}' cannot run yet")

    # places

    def places(self, b: Builder, v: LevelView) -> Expr:
        """Places beneath a parent; all rows' beneath a parent of the level above, where they are packed."""
        from sparsec.ir.buffer import i64

        if self.packed:
            assert v.around is not None
            return self._before(b, v, v.around)
        if self.width is not None:
            return i64(self.width)
        return v.extent if self.lo is None else b.op("max", b.sub(v.extent, self.lo.const), i64(0))

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        if not self.packed:
            return b.mul(parents, self.places(b, v))
        assert v.around is not None
        if v.number == 1:
            return self.places(b, v)
        return b.mul(b.op("floordiv", parents, v.around), self.places(b, v))

    def _before(self, b: Builder, v: LevelView, row: Expr) -> Expr:
        """The places of the rows before ``row``: sums of ``max(0, row + number)``, which are triangles."""
        from sparsec.ir.buffer import Const

        assert self.lo is not None and self.slope is not None
        sign, zero = self.slope[1], b.const(0)

        def ramp(start: Expr) -> Expr:
            """The sum of ``max(0, start + sign * t)`` for ``t`` in ``0..row``."""
            if sign > 0:
                return b.sub(triangle(b.add(row, b.sub(start, 1))), triangle(b.sub(start, 1)))
            return b.sub(triangle(start), triangle(b.sub(start, row)))

        def triangle(n: Expr) -> Expr:
            n = b.let("side", b.op("max", n, zero))
            twice = b.mul(n, b.add(n, 1))
            return b.op("floordiv", twice, b.const(2)) if isinstance(n, Const) else b.op("shr", twice, b.const(1))

        if not self.lo.terms:  # from a number to what moves
            assert self.hi is not None
            first = self._clamp(b, v, self.lo.const)
            start = b.const(self.hi.const)
            return b.sub(ramp(b.sub(start, first)), ramp(b.sub(start, v.extent)))
        last = v.extent if self.hi is None else self._clamp(b, v, self.hi.const)
        start = b.const(self.lo.const)
        return b.add(b.sub(b.mul(row, last), ramp(start)), ramp(b.sub(start, last)))

    def _clamp(self, b: Builder, v: LevelView, coord: int) -> Expr:
        return b.op("min", b.const(coord), v.extent) if coord > 0 else b.const(0)

    def place(self, b: Builder, v: LevelView, parent: Expr, above: Mapping[str, Expr]) -> LevelView:
        if self.lo is None:
            return v
        first = self.lo.value(b, above)
        end = v.extent if self.hi is None else self.hi.value(b, above)
        if not self.packed:
            base = b.sub(b.mul(parent, self.places(b, v)), first)
        else:
            assert self.slope is not None
            row = above[self.slope[0]]
            base = self._before(b, v, row)
            if v.number > 1:
                assert v.around is not None
                whole = b.op("floordiv", b.sub(parent, row), v.around)
                base = b.add(b.mul(whole, self.places(b, v)), base)
            base = b.sub(base, b.op("max", first, b.const(0)))
        return replace(v, scalars={**v.scalars, "base": b.let("base", base), "lo": first, "hi": end})

    # reading

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        if self.lo is None:
            return b.add(b.mul(parent, v.extent), coord), b.true
        found: Expr = b.true
        if self.lo.terms or self.lo.const > 0:
            found = b.op("le", v.scalars["lo"], coord)
        if self.hi is not None:
            found = b.op("and", found, b.lt(coord, v.scalars["hi"]))
        return b.add(v.scalars["base"], coord), found

    # checking

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        return self.positions(parents, extent, 0)

    def positions(self, parents: int, extent: int, around: int) -> int:
        from sparsec.ir.buffer import Const, i64
        from sparsec.ir.build import Builder

        if max(extent, around) > MOST and self.packed:
            raise FormatError(f"level '{self}' holds at most {MOST:,} rows and columns")
        view = LevelView("", 1, i64(extent), i64(around))
        places = self.places(Builder(), view)
        assert isinstance(places, Const) and isinstance(places.value, int)
        return places.value * (parents // max(around, 1) if self.packed else parents)

    def unfold(self, count: int, above: Mapping[str, np.ndarray], extent: int) -> tuple[np.ndarray, np.ndarray]:
        if self.lo is None:
            return self.coordinates({}, count, extent)
        first = self.lo.at(above, count)
        if not self.packed:
            each = self.positions(1, extent, 0)
            return np.repeat(np.arange(count), each), (first[:, None] + np.arange(each)).reshape(-1)
        end = np.full(count, extent) if self.hi is None else self.hi.at(above, count)
        first = np.clip(first, 0, extent)
        lengths = np.maximum(np.clip(end, 0, extent) - first, 0)
        parents = np.repeat(np.arange(count), lengths)
        starts = np.cumsum(lengths) - lengths
        return parents, first[parents] + np.arange(len(parents)) - starts[parents]

    # writing

    def insert(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> Expr:
        return self.locate(b, v, parent, coord)[0]

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        if self.packed:
            assert v.around is not None
            b.abort_if(b.lt(b.const(MOST), b.op("max", v.around, v.extent)), "overflow")
        b.product("places", parents, self.places(b, v))

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        pass

    def reserve_parents(self, b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
        pass

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        pass

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        pass

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        pass

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        pass
