"""``structured[n, m]``: of each group of m coordinates n are stored, with packed offsets (N:M sparsity)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats.level import CanAppend, CanIterate, CanLocate, Level, LevelView, register
from sparsec.ir.dtypes import BOOL, U8, U16, U32, U64, DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr
    from sparsec.ir.build import Builder

WIDEST = 63
"""Bits of a group's word, at most."""


@register
@node
class Structured(Level, CanIterate, CanLocate, CanAppend):
    """Exactly ``kept`` slots for each parent, a group of ``group`` coordinates: ``p * kept .. (p + 1) * kept``.

    ``meta[p]`` is one word: the coordinates of the slots, ascending and all different, the first in the lowest bits
    (as sparse tensor cores take them: two bits each for 2:4); above them a bit for each slot that says whether it holds
    an entry.  A slot that holds none is padding: its value is the fill, so that a sum over all slots need not ask.
    Where an entry goes hangs on it alone: slot ``s`` takes coordinates from ``s`` to ``s + group - kept``.
    """

    kept: int = 2
    group: int = 4
    name: ClassVar[str] = "structured"
    numbers: ClassVar[tuple[str, ...]] = ("kept", "group")
    needs_counts: ClassVar[bool] = False
    gaps: ClassVar[bool] = True
    padded: ClassVar[bool] = True
    seated: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 1 <= self.kept <= self.group or self.group < 2:
            raise FormatError(
                f"level type '{self}' keeps {self.kept} of {self.group} coordinates",
                hint="structured[n, m] keeps n of m, where 1 <= n <= m and 2 <= m",
            )
        if self.kept * (self.bits + 1) > WIDEST:
            raise FormatError(
                f"level type '{self}' needs {self.kept * (self.bits + 1)} bits for the coordinates of a group, more "
                f"than {WIDEST}",
                hint=f"fixed[{self.kept}] stores them one by one",
            )

    @property
    def bits(self) -> int:
        """Bits of a coordinate."""
        return (self.group - 1).bit_length()

    @property
    def searchable(self) -> bool:
        return False

    @property
    def compact(self) -> bool:
        return False

    @property
    def room(self) -> int | None:
        return self.kept

    @property
    def fan(self) -> int | None:
        return self.kept

    @property
    def modulus(self) -> int | None:
        return self.group

    def arrays(self) -> dict[str, DType]:
        wanted = self.kept * (self.bits + 1)
        return {"meta": next(t for t in (U8, U16, U32, U64) if t.bits >= wanted)}

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return b.mul(parents, self.kept)

    # reading

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        return b.mul(lo, self.kept), b.mul(hi, self.kept)

    def begin(self, b: Builder, v: LevelView, parent: Expr) -> LevelView:
        first, word = b.let("first", b.mul(parent, self.kept)), b.let("word", b.load_index(v.arrays["meta"], parent))
        return dataclasses.replace(v, scalars={**v.scalars, "first": first, "word": word})

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        word, slot = self._word(b, v, pos)
        return self._offset(b, word, slot)

    def present(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        word, slot = self._word(b, v, pos)
        return self._taken(b, word, slot)

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        word = b.let("word", b.load_index(v.arrays["meta"], parent))
        slot, found = b.var("slot", b.const(0)), b.var("found", b.const(False, BOOL))
        for k in range(self.kept):
            s = b.const(k)
            here = b.let("here", b.op("and", self._taken(b, word, s), b.eq(self._offset(b, word, s), coord)))
            b.set(slot, b.op("select", here, s, slot))
            b.set(found, b.op("or", found, here))
        return b.let("place", b.add(b.mul(parent, self.kept), slot)), found

    def _word(self, b: Builder, v: LevelView, pos: Expr) -> tuple[Expr, Expr]:
        """The word of a position's group, and its slot there."""
        if "word" in v.scalars:
            return v.scalars["word"], b.sub(pos, v.scalars["first"])
        kept = b.const(self.kept)
        return b.load_index(v.arrays["meta"], b.op("floordiv", pos, kept)), b.op("mod", pos, kept)

    def _offset(self, b: Builder, word: Expr, slot: Expr) -> Expr:
        return b.op("bitand", b.op("shr", word, b.mul(slot, self.bits)), b.const((1 << self.bits) - 1))

    def _taken(self, b: Builder, word: Expr, slot: Expr) -> Expr:
        bit = b.op("shr", word, b.add(slot, self.kept * self.bits))
        return b.op("ne", b.op("bitand", bit, b.const(1)), b.const(0))

    # writing

    @property
    def nothing(self) -> int:
        """The word of a group without entries: the slots stand at its first coordinates."""
        return sum(k << (k * self.bits) for k in range(self.kept))

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        t = self.arrays()["meta"]
        b.product("places", parents, b.const(self.kept))
        name = f"{v.tensor}_meta{v.number}"
        v.arrays["meta"] = b.alloc(name, t, parents, b.const(self.nothing, t), origin=(v.tensor, v.number, "meta"))
        v.capacity["meta"] = b.var(f"{name}_cap", parents)

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        pass  # there is room as soon as there are parents

    def reserve_parents(self, b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
        needed = b.let("needed", needed)
        b.reserve(v.arrays["meta"], v.capacity["meta"], needed)
        with b.loop("p", first, needed) as p:
            b.store(v.arrays["meta"], p, b.const(self.nothing))

    def seat(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> Expr:
        first = b.mul(b.op("floordiv", pos, b.const(self.kept)), self.kept)
        return b.let("seat", b.op("max", pos, b.add(first, b.sub(coord, self.group - self.kept))))

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        # The slots from this one on get the coordinate and those that follow it: they stay ascending whatever comes.
        meta, kept = v.arrays["meta"], b.const(self.kept)
        parent, slot = b.let("group", b.op("floordiv", pos, kept)), b.let("slot", b.op("mod", pos, kept))
        ones = sum(1 << (k * self.bits) for k in range(self.kept))
        shift = b.let("shift", b.mul(slot, self.bits))
        below = b.sub(b.op("shl", b.const(1), shift), 1)
        places = b.const((1 << (self.kept * self.bits)) - 1)
        run = b.op("shl", b.add(b.mul(coord, ones), self.nothing), shift)
        flags = b.op("bitxor", b.const((1 << (self.kept * (self.bits + 1))) - 1), places)
        before = b.op("bitand", b.load_index(meta, parent), b.op("bitor", flags, below))
        flag = b.op("shl", b.const(1), b.add(slot, self.kept * self.bits))
        b.store(meta, parent, b.op("bitor", b.op("bitor", before, b.op("bitand", run, places)), flag))

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        pass

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        pass

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        b.publish(f"{v.tensor}_meta{v.number}_out", v.arrays["meta"], parents)

    # checking

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        meta = arrays["meta"]
        if meta.ndim != 1 or len(meta) != parents:
            raise FormatError(f"{where}: meta has {meta.size} entries, expected {parents}: one for each group")
        words = meta.astype(np.uint64)
        offsets = self._offsets(words)
        wrong = (offsets >= self.group).any(1) | (offsets[:, 1:] <= offsets[:, :-1]).any(1)
        if wrong.any():
            p = int(np.argmax(wrong))
            raise FormatError(
                f"{where}: the coordinates of group {p} are {offsets[p].tolist()}, expected {self.kept} below "
                f"{self.group}, ascending",
                hint="slots without an entry have coordinates as well; sp.from_coo makes them",
            )
        stray = words >> np.uint64(self.kept * (self.bits + 1))
        if stray.any():
            raise FormatError(f"{where}: the word of group {int(np.argmax(stray != 0))} has bits that mean nothing")
        return parents * self.kept

    def _offsets(self, words: np.ndarray) -> np.ndarray:
        shifts = np.arange(self.kept, dtype=np.uint64) * np.uint64(self.bits)
        found: np.ndarray = (words[:, None] >> shifts) & np.uint64((1 << self.bits) - 1)
        return found.astype(np.int64)

    def coordinates(self, arrays: dict[str, np.ndarray], parents: int, extent: int) -> tuple[np.ndarray, np.ndarray]:
        offsets = self._offsets(arrays["meta"].astype(np.uint64))
        return np.repeat(np.arange(parents), self.kept), offsets.reshape(-1)

    def live(self, arrays: dict[str, np.ndarray], parents: np.ndarray, extent: int) -> np.ndarray:
        shifts = np.arange(self.kept, dtype=np.uint64) + np.uint64(self.kept * self.bits)
        taken = (arrays["meta"].astype(np.uint64)[:, None] >> shifts) & np.uint64(1)
        return np.asarray((parents[:, None] & (taken != 0)).reshape(-1))


__all__ = ["Structured"]
