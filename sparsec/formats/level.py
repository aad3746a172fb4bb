"""Level types: what a format is made of, as capabilities that code generation asks for.

A level stores one coordinate of a tensor for every *position* of the level above it (its parent; the
root has the one position 0).  A level type is a frozen dataclass whose fields are its options; it registers itself by
name with ``@register``.  Its methods emit buffer IR through a ``Builder``; a ``LevelView`` names the arrays.

Reading (Chou, Kjolstad, Amarasinghe: Format abstraction for sparse tensor algebra compilers, OOPSLA 2018):

``CanIterate``
    ``bounds`` of the positions beneath parent positions lo..hi, and the ``coordinate`` of a position.
    A ``sequential`` level is walked only: ``begin`` and ``arrive`` keep what its coordinates are computed from.
``CanSpan``
    ``bounds`` likewise, and where the stretch of coordinates that a position stands for ends (``stop``): one run of the
    looplets of Ahrens, Donenfeld, Kjolstad and Amarasinghe (Looplets, CGO 2023).
``CanWindow``
    the entries beneath a parent are all coordinates of one stretch, a phase of looplets: between ``limits``, which are
    linear in the coordinates that levels above store.  ``place`` gives the view beneath a parent, with ``lo`` and
    ``hi``, the ends of the stretch, and ``base``, the place of coordinate 0, among its ``scalars``.
``CanStep``
    Many parents are walked in step, one a lane.
``CanLocate``
    ``locate`` the position of a coordinate beneath a parent, and whether it is there at all.  ``probe_cost`` says
    whether that is constant time or a search.

Writing, in the two phases of the same authors (Automatic generation of efficient sparse tensor format conversion
routines, PLDI 2020) or in one with growth:

``CanAppend``
    ``open`` allocates, ``reserve`` makes room for positions and ``reserve_parents`` for parents, ``put`` writes a
    coordinate at a position, ``link`` says how many positions a parent got, ``seal`` turns those counts into final
    form, ``publish`` hands the arrays to the caller.  Counting first and filling later uses the same methods:
    ``open, link..., seal, reserve``, then ``put``.  Where positions do not hang on the counts (``needs_counts`` is
    false) nothing is counted first, and ``link`` comes after a parent's entries.
``CanInsert``
    the level itself says where a coordinate goes (``insert``), so that they may come in any order.  With ``CanAppend``
    that is asked instead of taking positions one after another.

Properties: ``full`` (every coordinate is present), ``ordered`` (coordinates ascend beneath a parent), ``searchable``
(the coordinate of any position is at hand, so that one is found by bisection), ``unique`` (none repeats beneath a
parent), ``branchless`` (exactly one position for each parent), ``compact`` (positions have no gaps), ``room`` (how many
entries there may be beneath a parent, where the level bounds that), ``prefix`` (coordinates beneath a parent begin at 0
and leave none out), ``fan`` (how many positions each parent has, where
that is one number), ``stride`` (from one position of a parent to its next), ``modulus`` (of the coordinates, where the
level stores ``d % modulus`` and nothing else), ``spread`` (a position for each coordinate that may be stored, so that
they are there as soon as the parent is; full levels are).

A level that is not compact has positions without an entry: those beneath parent ``p`` begin at ``bounds(p, p)[0]`` and
end where the next parent's begin; what ``bounds(p, p + 1)`` leaves out of them is never seen.  Positions within bounds
may hold no entry either, where the level says so (``gaps``): ``present`` is then asked.  If such a level is ``padded``,
they have a coordinate all the same, of their own and below the extent of the level, and the fill as their value: what
does nothing with the fill need not ask.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from sparsec.errors import FormatError, UnsupportedError, nearest
from sparsec.ir import dtypes
from sparsec.ir.dtypes import DType
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.formats.linear import Bound
    from sparsec.ir.buffer import Buffer, Expr, Var
    from sparsec.ir.build import Builder


@dataclass(slots=True)
class LevelView:
    """One level of one tensor as generated code sees it.

    ``arrays`` maps a role ("pos", "crd", ...) to its buffer, ``scalars`` a role to a run-time i64 ("stride"),
    ``capacity`` a role to the mutable local that holds the room of a growing array (results only).  ``around`` is the
    extent of the level above, if there is one.
    """

    tensor: str
    number: int
    extent: Expr
    around: Expr | None = None
    arrays: dict[str, Buffer] = field(default_factory=dict)
    scalars: dict[str, Expr] = field(default_factory=dict)
    capacity: dict[str, Var] = field(default_factory=dict)


@node
class Level:
    """Base of all level types: a frozen dataclass; fields are options, ``flags`` are words that set them."""

    name: ClassVar[str]
    flags: ClassVar[dict[str, tuple[str, object]]] = {}
    numbers: ClassVar[tuple[str, ...]] = ()  # fields that stand in brackets as bare numbers, all of them and first
    encodings: ClassVar[dict[str, type[Level]]] = {}  # other classes for values of the option ``index``
    encoding: ClassVar[str] = ""  # the option that made such a class

    @property
    def full(self) -> bool:
        return False

    @property
    def ordered(self) -> bool:
        return True

    @property
    def searchable(self) -> bool:
        return self.ordered

    @property
    def unique(self) -> bool:
        return True

    @property
    def branchless(self) -> bool:
        return False

    @property
    def compact(self) -> bool:
        return True

    @property
    def spread(self) -> bool:
        return self.full

    @property
    def prefix(self) -> bool:
        return False

    @property
    def room(self) -> int | None:
        return None

    @property
    def fan(self) -> int | None:
        return None

    @property
    def stride(self) -> int:
        return 1

    @property
    def modulus(self) -> int | None:
        return None

    padded: ClassVar[bool] = False

    @classmethod
    def read(cls, words: tuple[str, ...]) -> tuple[dict[str, object], tuple[str, ...]]:
        """Fields that ``words`` say in a notation of the level's own, and the words that are left."""
        return {}, words

    def renamed(self, names: Mapping[str, str]) -> Level:
        """The level for dimensions of other names."""
        return self

    def check_above(self, above: tuple[tuple[str, Level], ...]) -> None:
        """Raise ``UnsupportedError`` if the level cannot run beneath these: what each stores, and its type."""

    def arrays(self) -> dict[str, DType]:
        """Role and element type of each array the level stores, in a fixed order."""
        return {}

    def scalars(self) -> tuple[str, ...]:
        """Roles of the run-time i64 numbers the level needs (a stride, say)."""
        return ()

    def concrete(self, index: DType, pos: DType) -> Level:
        """The level with every open width chosen."""
        return self

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        """Number of positions beneath ``parents`` parent positions."""
        raise UnsupportedError(f"level '{self}' has no size")

    def validate(self, arrays: dict[str, np.ndarray], parents: int, extent: int, where: str) -> int:
        """Check arrays that come from outside; return the number of positions.

        Raises ``FormatError`` that begins with ``where``, names the array and the place, and says how to mend it.
        """
        raise UnsupportedError(f"level '{self}' cannot be validated")

    def trimmed(self, arrays: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
        """Validated arrays without what stands behind the last of ``size`` positions."""
        return arrays

    def live(self, arrays: dict[str, np.ndarray], parents: np.ndarray, extent: int) -> np.ndarray:
        """Which positions hold something, given which parents do (bools); for counting what is stored."""
        if self.full:
            return np.repeat(parents, extent)
        if self.branchless:
            return parents
        raise UnsupportedError(f"the entries of level '{self}' cannot be counted")

    def coordinates(self, arrays: dict[str, np.ndarray], parents: int, extent: int) -> tuple[np.ndarray, np.ndarray]:
        """Of every position its parent and its coordinate, whatever that is where nothing is stored."""
        if self.spread and "crd" not in arrays:
            return np.repeat(np.arange(parents), extent), np.tile(np.arange(extent), parents)
        crd = arrays["crd"].astype(np.int64)
        if "pos" in arrays:
            return np.repeat(np.arange(parents), np.diff(arrays["pos"])), crd[: arrays["pos"][-1]]
        each = 1 if self.room is None else self.room
        return np.repeat(np.arange(parents), each), crd[: parents * each]

    def __str__(self) -> str:
        words = [str(getattr(self, n)) for n in self.numbers] + ([self.encoding] if self.encoding else [])
        defaults = {f.name: f.default for f in dataclasses.fields(self)}
        shown = {target for target, _ in self.flags.values()}
        for word, (target, value) in self.flags.items():
            if getattr(self, target) == value and value != defaults[target]:
                words.append(word)
        for name, default in defaults.items():
            value = getattr(self, name)
            if name not in shown and name not in self.numbers and value != default:
                words.append(f"{name}={value}")
        return self.name + (f"[{', '.join(words)}]" if words else "")


class CanIterate:
    """Positions can be walked in storage order."""

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        """Half-open range of positions beneath parent positions ``lo..hi``."""
        raise NotImplementedError

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        """The coordinate stored at ``pos``, i64."""
        raise NotImplementedError

    sequential: ClassVar[bool] = False  # ``coordinate`` holds only where a walk has just arrived
    anchored: ClassVar[bool] = False  # ``coordinate`` counts from where ``begin`` found that the parent's begin
    gaps: ClassVar[bool] = False  # there may be no entry at a position in bounds: a walk must ask ``present``

    def begin(self, b: Builder, v: LevelView, parent: Expr) -> LevelView:
        """The view of a walk beneath ``parent``, with what it carries along in ``scalars``."""
        return v

    def arrive(self, b: Builder, v: LevelView, pos: Expr) -> None:
        """The walk comes to ``pos``: called once for each position, in order."""

    def present(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        """Whether there is an entry at ``pos``, which lies in bounds (if ``gaps``)."""
        return b.true

    def scan(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        """(position, found) of ``coord`` beneath ``parent``, by looking at one position after another."""
        first, end = self.bounds(b, v, parent, b.add(parent, 1))
        pos, end = b.var("at", first), b.let("end", end)
        found = b.var("found", b.const(False, dtypes.BOOL))
        more = b.var("more", b.lt(pos, end))
        with b.while_(more, note=f"scan {v.tensor}.{v.number}"):
            b.set(found, b.op("and", b.eq(self.coordinate(b, v, pos), coord), self.present(b, v, pos)))
            with b.if_(b.op("not", found)):
                b.set(pos, b.add(pos, 1))
            b.set(more, b.op("and", b.op("not", found), b.lt(pos, end)))
        return pos, found


class CanLocate:
    """A coordinate's position can be computed or looked up."""

    probe_cost: ClassVar[str] = "constant"  # or "search"

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        """(position, found) of ``coord`` beneath ``parent``; ``found`` is bool and may be the constant true."""
        raise NotImplementedError


class CanSpan:
    """A position stands for a stretch of coordinates, from where the one before it ends (0 for a parent's first)."""

    def bounds(self, b: Builder, v: LevelView, lo: Expr, hi: Expr) -> tuple[Expr, Expr]:
        """Half-open range of positions beneath parent positions ``lo..hi``."""
        raise NotImplementedError

    def stop(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        """The coordinate at which the stretch at ``pos`` ends, i64; after a parent's last one there is nothing."""
        raise NotImplementedError

    def covers(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        """Whether there are entries in the stretch at ``pos``: else it is a gap."""
        raise NotImplementedError

    def cover(self, b: Builder, v: LevelView, pos: Expr, covers: bool) -> None:
        """Say so of a new stretch."""
        raise NotImplementedError


class CanWindow:
    """All coordinates of one stretch are present beneath a parent, and no others: see ``limits``."""

    @property
    def limits(self) -> tuple[Bound | None, Bound | None]:
        """The first coordinate and the end, None for those of the dimension; they are cut at its ends anyway."""
        raise NotImplementedError

    def place(self, b: Builder, v: LevelView, parent: Expr, above: Mapping[str, Expr]) -> LevelView:
        """The view beneath ``parent``, where the levels above, by what they store, have the coordinates ``above``.

        Coordinate ``c`` stands at ``scalars["base"] + c`` if it is at least ``scalars["lo"]`` and below ``"hi"``.
        """
        raise NotImplementedError

    def positions(self, parents: int, extent: int, around: int) -> int:
        """Places beneath ``parents`` parents; the level above has the extent ``around``."""
        raise NotImplementedError

    def unfold(self, count: int, above: Mapping[str, np.ndarray], extent: int) -> tuple[np.ndarray, np.ndarray]:
        """``coordinates`` beneath ``count`` parents whose levels hold ``above``; past the extent nothing is stored."""
        raise NotImplementedError

    @property
    def outer(self) -> tuple[str, ...]:
        """What the levels store on whose coordinates the stretch depends."""
        return tuple(dict.fromkeys(k for bound in self.limits if bound is not None for k, _ in bound.terms))

    @property
    def width(self) -> int | None:
        """The length of every stretch that the dimension does not cut, if that is one number."""
        return None


class CanStep:
    """Parents in blocks of ``lanes``, their entries side by side: all lanes of a block can be walked in step.

    Lane ``l`` of block ``t`` has ``length`` entries, the one of step ``k`` at position ``start(t) + k * lanes + l``.
    """

    @property
    def lanes(self) -> int:
        raise NotImplementedError

    def start(self, b: Builder, v: LevelView, block: Expr) -> Expr:
        """The first position of a block; the one after the last has one, too."""
        raise NotImplementedError

    def length(self, b: Builder, v: LevelView, block: Expr, lane: Expr) -> Expr:
        """How many entries a lane has, i64; none where it has no parent."""
        raise NotImplementedError

    def parent(self, b: Builder, v: LevelView, block: Expr, lane: Expr) -> Expr:
        """The parent position that a lane stands for, i64; each has one lane."""
        raise NotImplementedError


class CanInsert:
    """Coordinates may be written in any order."""

    def insert(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> Expr:
        """The position where ``coord`` goes, which is not there yet."""
        raise NotImplementedError


class CanAppend:
    """Results can be assembled in this level, coordinates in order beneath each parent; in any with ``CanInsert``."""

    needs_counts: ClassVar[bool] = True
    counted: ClassVar[bool] = False  # entries can only be written once the counts of all parents are known
    append_only: ClassVar[bool] = False  # entries come one after another, and are not counted first

    def enter(self, b: Builder, v: LevelView) -> None:
        """The entries of another parent begin (if ``append_only``)."""

    def open(self, b: Builder, v: LevelView, parents: Expr) -> None:
        """Declare the arrays, with room for ``parents`` parents (0 if they come one by one)."""
        raise NotImplementedError

    def reserve(self, b: Builder, v: LevelView, needed: Expr) -> None:
        """Make room for ``needed`` positions."""
        raise NotImplementedError

    def reserve_parents(self, b: Builder, v: LevelView, first: Expr, needed: Expr) -> None:
        """Make room for ``needed`` parents, those from ``first`` on without children."""
        raise NotImplementedError

    def seat(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> Expr:
        """Where ``coord`` goes, if the positions of its parent before ``pos`` are taken: further on, perhaps."""
        return pos

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        """Write ``coord`` at ``pos``."""
        raise NotImplementedError

    def link(self, b: Builder, v: LevelView, parent: Expr, count: Expr) -> None:
        """Parent position ``parent`` got ``count`` positions."""
        raise NotImplementedError

    def seal(self, b: Builder, v: LevelView, parents: Expr) -> None:
        """Turn the counts of ``parents`` parents into final form."""
        raise NotImplementedError

    def publish(self, b: Builder, v: LevelView, parents: Expr, size: Expr) -> None:
        """Hand the arrays to the caller: ``size`` positions beneath ``parents`` parents."""
        raise NotImplementedError


def takes_any_order(level: Level) -> bool:
    """Whether the coordinates beneath a parent of a result's level may come in any order."""
    return isinstance(level, CanInsert) or not level.ordered


def can_part(level: Level) -> bool:
    """Whether the entries beneath parents of a result's level may be brought in parts: counted first, then placed."""
    return isinstance(level, CanAppend) and level.needs_counts and not isinstance(level, CanInsert)


REGISTRY: dict[str, type[Level]] = {}
PLANNED: dict[str, str] = {
    "slots": "a position without a coordinate",
}
"""Level types of the language that this version parses and cannot run."""

L = TypeVar("L", bound=type[Level])


def register(cls: L) -> L:
    """Class decorator: make a level type known by its ``name``."""
    REGISTRY[cls.name] = cls
    return cls


@node
class Planned(Level):
    """A level type that parses and cannot run yet; ``options`` are kept as written."""

    type: str = ""
    options: tuple[str, ...] = ()
    name: ClassVar[str] = "planned"

    def __str__(self) -> str:
        return self.type + (f"[{', '.join(self.options)}]" if self.options else "")


def make_level(name: str, words: tuple[str, ...] = (), options: dict[str, Any] | None = None) -> Level:
    """The level ``name[words..., key=value...]``; an ``index``/``pos`` option takes a dtype's name.

    Raises ``FormatError`` for unknown names and options.
    """
    options = options or {}
    if name in PLANNED:
        return Planned(name, words + tuple(f"{k}={v}" for k, v in options.items()))
    cls = REGISTRY.get(name)
    if cls is None:
        types = [*REGISTRY, *PLANNED]
        hint = nearest(name, types) or "level types are " + ", ".join(types)
        raise FormatError(f"unknown level type '{name}'", hint=hint)
    known = {f.name: f for f in dataclasses.fields(cls)}
    if options.get("index") in cls.encodings:
        cls = cls.encodings[options["index"]]
        options = {k: v for k, v in options.items() if k != "index"}
        known = {f.name: f for f in dataclasses.fields(cls)}
    settings: dict[str, Any] = {}
    if cls.numbers:
        given, words = words[: len(cls.numbers)], words[len(cls.numbers) :]
        if len(given) < len(cls.numbers) or not all(w.isascii() and w.isdigit() and 0 < int(w) < 2**31 for w in given):
            wanted = f"{name}[{', '.join(cls.numbers)}]"
            raise FormatError(f"level type '{name}' is written {wanted}", hint="with positive numbers: fixed[8], say")
        settings |= dict(zip(cls.numbers, map(int, given), strict=True))
    said, words = cls.read(words)
    settings |= said
    for word in words:
        if word not in cls.flags:
            allowed = ", ".join([*cls.flags, *(k + "=" for k in known)]) or "none"
            raise FormatError(f"level type '{name}' has no option '{word}'", hint=f"its options are: {allowed}")
        key, value = cls.flags[word]
        settings[key] = value
    for key, value in options.items():
        if key not in known or key in cls.numbers:
            allowed = ", ".join([*cls.flags, *(k + "=" for k in known)]) or "none"
            raise FormatError(f"level type '{name}' has no option '{key}'", hint=f"its options are: {allowed}")
        if isinstance(value, str):
            value = dtypes.dtype(value)
            if value.kind not in "ui":
                raise FormatError(f"option '{key}' of level type '{name}' must be an integer type, not {value}")
        settings[key] = value
    return cls(**settings)
