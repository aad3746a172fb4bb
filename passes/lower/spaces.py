"""The loops of a statement: its index variables, split and replaced as the formats of its tensors ask.

A tensor stored in blocks wants a loop over blocks and one inside each; one stored by diagonals a loop over diagonals,
from which one of the two coordinates is computed.  So before a loop order is chosen every index variable of the
statement becomes one or several loops::

    bsr[4, 8]     i => i_4 in chunks(m, 4), i in chunk(i_4, 4, m)      j alike
    dia           j => j_minus_i in span(n, m), and  let j = j_minus_i + i - (m - 1) in n

Accesses are taken in turn; one that asks for what cannot go together with those before it (blocks of 2 and of 3) is a
misfit, to be converted first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from sparsec.formats.coords import Coord, Digit
from sparsec.ir.loops import Chunk, Chunks, Domain, Forall, Full, Let, Span, Stmt
from sparsec.ir.tensor import Access, Expr, Extent, Index, Program
from sparsec.ir.variables import mentioned
from sparsec.passes.lower.coordinates import combine, digit_domain, greatest
from sparsec.passes.lower.guarded import guarded, part
from sparsec.passes.names import fresh_names

Place = tuple[str, int]
"""An index variable and a divisor: the variable's coordinate without the digits below."""

Sum = frozenset[tuple[int, str, int]]
"""Signs and places that a level adds up."""


@dataclass(frozen=True, slots=True)
class Computed:
    """An index computed from loops: where it lies in ``domain``, the statement's body runs."""

    name: str
    value: Expr
    domain: Full | Chunks
    needs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Space:
    """``domains`` has the loops in a natural order; ``nesting`` pairs of loops, outer and inner, that must nest so.

    ``own`` has the loops that stand for an index variable, ``parts`` those that its value depends on.  ``computed`` are
    index variables, ``lets`` the places of a left side (``places.py``), ``strips`` the sizes of the stretches that no
    format asks for, by variable.
    """

    domains: Mapping[str, Domain]
    computed: tuple[Computed, ...]
    own: Mapping[str, frozenset[str]]
    parts: Mapping[str, frozenset[str]]
    places: Mapping[Place, str]
    sums: Mapping[Sum, str]
    misfits: frozenset[Access]
    nesting: tuple[tuple[str, str], ...]
    lets: tuple[Computed, ...] = ()
    strips: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def level_name(self, coord: Coord, access: Access) -> str:
        """The loop whose index is the coordinate of a level of ``access`` (but for a shift), or an empty name."""
        if coord.constant:
            return ""
        if coord.digit is not None:
            e = access.indices[coord.digit.dim]
            name = self.places.get((e.name, coord.digit.divisor), "") if isinstance(e, Index) else ""
        else:
            key = sum_key(coord, access)
            name = "" if key is None else self.sums.get(key, "")
        return name if name in self.domains else ""

    def level_names(self, program: Program, access: Access) -> tuple[str, ...]:
        """That for every level."""
        fmt = program.tensor(access.tensor).format
        assert fmt is not None
        return tuple(self.level_name(c, access) for c in fmt.coords)

    def level_needs(self, coord: Coord, access: Access) -> frozenset[str]:
        """The loops on which the coordinate of a level depends."""
        name = self.level_name(coord, access)
        if name:
            return frozenset({name})
        return self.depends(*(access.indices[d] for d in coord.dims))

    def depends(self, *exprs: Expr) -> frozenset[str]:
        """The loops that the expressions depend on."""
        return frozenset().union(*(self.parts[v] for v in mentioned(*exprs)))

    def loops_of(self, indices: Iterable[str]) -> frozenset[str]:
        """The loops that stand for these index variables."""
        return frozenset().union(*(self.own[v] for v in indices))


def sum_key(coord: Coord, access: Access) -> Sum | None:
    """What a level adds up, if that is index variables."""
    out = []
    for sign, d in coord.terms:
        e = access.indices[d.dim]
        if not isinstance(e, Index):
            return None
        out.append((sign, e.name, d.divisor))
    return frozenset(out)


@dataclass(slots=True)
class _Wishes:
    """What the accesses taken so far ask for."""

    divisors: dict[str, frozenset[int]]
    sums: set[Sum]
    replaced: dict[Place, Sum]


def make_space(
    program: Program,
    accesses: Iterable[Access],
    extents: Mapping[str, Extent],
    lets: Iterable[Computed] = (),
    strips: Mapping[str, frozenset[int]] = MappingProxyType({}),
) -> Space:
    """The loops for index variables with these extents that let the levels of ``accesses`` drive them.

    The variables of ``strips`` get loops over stretches of so many coordinates around their own.
    """
    wishes = _Wishes(dict(strips), set(), {})
    misfits = set()
    for access in dict.fromkeys(accesses):
        fmt = program.tensor(access.tensor).format
        assert fmt is not None
        if not fmt.is_plain and not _take(wishes, fmt.coords, access):
            misfits.add(access)
    space = _build(program, wishes, extents, frozenset(misfits), {c.name for c in lets})
    space = replace(space, strips=strips)
    found = tuple(replace(c, needs=space.depends(c.value)) for c in lets)
    return replace(space, lets=found, parts={**space.parts, **{c.name: c.needs for c in found}}) if found else space


def _take(wishes: _Wishes, coords: tuple[Coord, ...], access: Access) -> bool:
    """Add what an access asks for; say whether it goes together with the rest."""
    variables = [e.name for e in access.indices if isinstance(e, Index)]
    if len(set(variables)) < len(access.indices):
        return True  # its coordinates are searched once they are known
    divisors: dict[str, frozenset[int]] = {}
    coords = tuple(c for c in coords if not c.constant)
    for c in coords:
        for _, d in c.terms:
            name = _variable(access, d)
            divisors[name] = divisors.get(name, wishes.divisors.get(name, frozenset())) | {d.divisor}
    if not all(_is_chain(ds) for ds in divisors.values()):
        return False
    known = {(_variable(access, c.digit), c.digit.divisor) for c in coords if c.digit is not None}
    new: dict[Place, Sum] = {}
    for c in coords:
        if c.digit is not None:
            continue
        key = sum_key(c, access)
        assert key is not None
        unknown = [(name, divisor) for _, name, divisor in key if (name, divisor) not in known]
        if len(unknown) != 1:
            return False
        known.add(unknown[0])
        if key in wishes.sums:
            continue
        taken = wishes.replaced.keys() | new.keys()
        used = {(v, d) for k in wishes.sums for _, v, d in k}
        if unknown[0] in used or any((name, divisor) in taken for _, name, divisor in key):
            return False
        new[unknown[0]] = key
    replaced, sums = wishes.replaced | new, wishes.sums | set(new.values())
    if any(_beneath(replaced, v, d) for key in sums for _, v, d in key):
        return False  # what a sum is of would follow from another sum
    wishes.divisors.update(divisors)
    wishes.sums, wishes.replaced = sums, replaced
    return True


def _beneath(replaced: Iterable[Place], v: str, divisor: int) -> bool:
    """Does a sum replace a place of ``v`` that says this one?"""
    return any(w == v and d < divisor for w, d in replaced)


def _variable(access: Access, d: Digit) -> str:
    e = access.indices[d.dim]
    assert isinstance(e, Index)
    return e.name


def _is_chain(divisors: frozenset[int]) -> bool:
    """Does each divide the next?"""
    ordered = sorted(divisors)
    return all(b % a == 0 for a, b in zip(ordered, ordered[1:], strict=False))


def _build(
    program: Program,
    wishes: _Wishes,
    extents: Mapping[str, Extent],
    misfits: frozenset[Access],
    taken: set[str],
) -> Space:
    taken |= {*extents, *(t.name for t in program.tensors)}

    fresh = fresh_names(taken)
    domains: dict[str, Domain] = {}
    places: dict[Place, str] = {}
    names = {key: fresh(_sum_name(key)) for key in sorted(wishes.sums, key=_sum_name)}
    above: dict[str, str] = {}  # the chunk loop around a loop or computed index
    for v, extent in extents.items():
        chain = sorted({1, *wishes.divisors.get(v, ())}, reverse=True)
        outer: tuple[str, int] | None = None
        for divisor in chain:
            if _beneath(wishes.replaced, v, divisor):
                continue  # no loop: it follows from the place below, and levels that ask for it are searched
            name = v if divisor == 1 else fresh(f"{v}_{divisor}")
            places[v, divisor] = name
            whole = Full(extent) if divisor == 1 else Chunks(extent, divisor)
            if outer is not None:
                above[name] = outer[0]
            if (v, divisor) not in wishes.replaced:
                domains[name] = whole if outer is None else Chunk(outer[0], outer[1] // divisor, whole)
            outer = name, divisor
    for key, name in names.items():
        # The parts as the level's own format has them, so that the least value is the same.
        domains[name] = Span(tuple(_whole(places_of, extents) for places_of in sorted((v, d) for _, v, d in key)))
    computed = _computed(wishes, names, places, extents)
    needs = {n: frozenset({n}) for n in domains} | {c.name: c.needs for c in computed}
    own: dict[str, frozenset[str]] = {}
    parts: dict[str, frozenset[str]] = {}
    for v in extents:
        mine = [(d, name) for (w, d), name in places.items() if w == v]
        stand = {names[wishes.replaced[v, d]] if (v, d) in wishes.replaced else name for d, name in mine}
        own[v] = frozenset(stand)
        parts[v] = frozenset().union(*(needs[name] for _, name in mine))
    nesting = [(n, inner) for inner, outer_name in above.items() if inner in domains for n in sorted(needs[outer_name])]
    return Space(domains, computed, own, parts, places, names, misfits, tuple(nesting))


def _whole(place: Place, extents: Mapping[str, Extent]) -> Full | Chunks:
    return digit_domain(Digit(0, place[1]), extents[place[0]])


def _sum_name(key: Sum) -> str:
    ordered = sorted(key, key=lambda t: (-t[0], t[1], t[2]))
    words = [f"{v}_{d}" if d > 1 else v for _, v, d in ordered]
    signs = ["minus" if sign < 0 else "plus" for sign, _, _ in ordered]
    return "_".join([words[0], *(f"{s}_{w}" for s, w in zip(signs[1:], words[1:], strict=True))])


def _computed(
    wishes: _Wishes,
    names: Mapping[Sum, str],
    places: Mapping[Place, str],
    extents: Mapping[str, Extent],
) -> tuple[Computed, ...]:
    """The indices that sums replace, in an order in which each needs only those before it."""
    out: list[Computed] = []
    for place, key in wishes.replaced.items():
        # The level holds the sum of the places, where a negative one counts as what it lacks of its greatest value.
        value: Expr = Index(names[key])
        negative = False
        needs: set[str] = {names[key]}
        for sign, v, d in sorted(key):
            last = greatest(Digit(0, d), extents[v])
            if (v, d) == place:
                negative = sign < 0
                continue
            needs.add(places[v, d])
            value = (
                combine("add", combine("sub", value, last), Index(places[v, d]))
                if sign < 0
                else combine("sub", value, Index(places[v, d]))
            )
        if negative:
            value = combine("sub", greatest(Digit(0, place[1]), extents[place[0]]), value)
        out.append(Computed(places[place], value, _whole(place, extents), frozenset(needs)))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Nesting:
    """Loops of a space in an order; an index computed from loops is computed inside the last of them."""

    order: tuple[str, ...]
    space: Space

    def foralls(self, names: Sequence[str], body: Stmt) -> Stmt:
        """``body`` in loops over ``names``, outermost first; its conditions as far out as they go."""
        for v in reversed(names):
            computed = self._known_at(v, self.space.computed)
            known = {v, *(c.name for c in computed), *(c.name for c in self._known_at(v, self.space.lets))}
            inside, outside, body = part(body, known)
            # A condition may bound the loop: it stands around the places.
            body = guarded(inside, self.placed(v, body))
            body = guarded(outside, Forall(v, self.space.domains[v], _in_lets(computed, body)))
        return body

    def placed(self, loop: str, body: Stmt) -> Stmt:
        """``body`` with the places of the left side that are known once ``loop`` is; "" for those that ask for none."""
        return _in_lets(self._known_at(loop, self.space.lets), body)

    def _known_at(self, loop: str, lets: Sequence[Computed]) -> list[Computed]:
        return [c for c in lets if max(c.needs, key=self.order.index, default="") == loop]


def _in_lets(lets: Sequence[Computed], body: Stmt) -> Stmt:
    for c in reversed(lets):
        body = Let(c.name, c.value, c.domain, body)
    return body


EMPTY = Space({}, (), {}, {}, {}, {}, frozenset(), ())
"""Of a statement without loops."""

__all__ = ["EMPTY", "Computed", "Nesting", "Space", "make_space"]
