"""Where a level's coordinate comes from: arithmetic on index variables, solved for the loop that stands open.

A level of an access stores an expression of index variables: ``i``, ``floordiv(j, 4)``, ``j - i + m - 1``, or whatever
the access's own indices make of the format's map (``x[2 * i + r]``).  At a loop over ``v`` such an expression is
*known* (all else is bound: look the coordinate up), or it is ``v`` plus something known (the level's stored coordinates
drive the loop), or it has to wait.  To see that, it is brought into a linear form in which ``floordiv(i, 4)`` is the
loop over the chunks of 4 that ``i`` runs inside, and an index variable computed from others (``Let``) is what it is
computed from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sparsec.formats.coords import Coord, Digit
from sparsec.ir import loops
from sparsec.ir.dtypes import I64
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Dim, Expr, Extent, Index, Literal, Map
from sparsec.ir.variables import free_indices, mentioned
from sparsec.passes.lower.overflow import FAR, reach


def number(value: int) -> Literal:
    return Literal(value, I64)


def combine(op: str, a: Expr, b: Expr) -> Expr:
    return Map(op, (a, b), I64)


def extent_expr(e: Extent) -> Expr:
    return number(e) if isinstance(e, int) else Dim(e)


def digit_domain(d: Digit, extent: Extent) -> loops.Full | loops.Chunks:
    """What a digit of a dimension runs over."""
    if d.modulus is not None:
        return loops.Full(d.modulus)
    return loops.Full(extent) if d.divisor == 1 else loops.Chunks(extent, d.divisor)


def greatest(d: Digit, extent: Extent) -> Expr:
    """The greatest value of a digit."""
    if d.modulus is not None:
        return number(d.modulus - 1)
    n = combine("sub", extent_expr(extent), number(1))
    return n if d.divisor == 1 else combine("floordiv", n, number(d.divisor))


def level_expr(coord: Coord, dims: Sequence[Extent], indices: Sequence[Expr]) -> Expr:
    """What a level that stores ``coord`` holds for an access with these indices, as an expression of them."""
    if coord.constant:
        return number(0)
    total: Expr | None = None
    for sign, d in coord.terms:
        value = indices[d.dim]
        if d.divisor > 1:
            value = combine("floordiv", value, number(d.divisor))
        if d.modulus is not None:
            value = combine("mod", value, number(d.modulus))
        if sign < 0:
            least = greatest(d, dims[d.dim])
            total = combine("sub", least if total is None else combine("add", total, least), value)
        else:
            total = value if total is None else combine("add", total, value)
    assert total is not None
    return total


@dataclass(frozen=True, slots=True)
class Linear:
    """A sum of atoms with coefficients, and a number.

    An atom is an index variable, a dimension, or an expression that is not linear.
    """

    terms: Mapping[Expr, int]
    const: int = 0

    def plus(self, other: Linear, sign: int = 1) -> Linear:
        terms = dict(self.terms)
        for atom, c in other.terms.items():
            terms[atom] = terms.get(atom, 0) + sign * c
        return Linear({a: c for a, c in terms.items() if c}, self.const + sign * other.const)

    def times(self, factor: int) -> Linear:
        return Linear({a: c * factor for a, c in self.terms.items() if factor}, self.const * factor)

    def without(self, name: str) -> Linear | None:
        """What is left of it beside ``1 * name``; None if it is not of that form."""
        factor, rest = self.split(name)
        return rest if factor == 1 else None

    def split(self, name: str) -> tuple[int, Linear]:
        """The coefficient of a variable, and what stands beside it."""
        rest = {a: c for a, c in self.terms.items() if a != Index(name)}
        return self.terms.get(Index(name), 0), Linear(rest, self.const)

    def tame(self) -> Linear | None:
        """A form that compares with coordinates as this one does, and that 64 bits hold, one more or less too.

        One number may be large, and is cut to where it is past all the others; None if more are.
        """
        sizes: dict[Expr, int] = {}
        for atom, c in self.terms.items():
            span = reach(atom)
            if span is None:
                return None
            sizes[atom] = max(map(abs, span)) * abs(c)
        large = [atom for atom, size in sizes.items() if size > FAR // 4]
        rest = sum(size for atom, size in sizes.items() if atom not in large)
        if len(large) + (abs(self.const) > FAR // 4) > 1 or rest > FAR // 4:
            return None
        if not large:
            return replace(self, const=max(min(self.const, FAR), -FAR))
        if abs(self.terms[large[0]]) != 1:
            return None
        cut = combine("max", combine("min", large[0], number(FAR)), number(-FAR))
        return Linear({cut if atom == large[0] else atom: c for atom, c in self.terms.items()}, self.const)

    def needs(self) -> set[str]:
        """The index variables that must be bound to compute it."""
        return set(mentioned(*self.terms))


@dataclass(frozen=True, slots=True)
class Relations:
    """What the loops and lets inside a statement say of its index variables.

    ``outers`` has for a variable the loops over the chunks it runs inside, with their sizes; ``lets`` its definition.
    """

    outers: Mapping[str, frozenset[tuple[str, int]]] = field(default_factory=dict)
    lets: Mapping[str, Expr] = field(default_factory=dict)

    def digits(self, name: str, divisor: int) -> set[str]:
        """The loop variables that hold ``name / divisor``."""
        if divisor == 1:
            return {name}
        found: set[str] = set()
        for outer, size in self.outers.get(name, ()):
            if divisor % size == 0:
                found |= self.digits(outer, divisor // size)
        return found

    def without_lets(self) -> Relations:
        return Relations(self.outers)

    def around(self, name: str) -> set[str]:
        """The loops over chunks inside which ``name`` runs."""
        direct = {outer for outer, _ in self.outers.get(name, ())}
        return direct.union(*(self.around(outer) for outer in direct))


def relations(body: loops.Stmt) -> Relations:
    """Those of the loops and lets inside ``body``."""
    outers: dict[str, frozenset[tuple[str, int]]] = {}
    lets: dict[str, Expr] = {}
    for n in walk(body):
        if isinstance(n, loops.Forall) and isinstance(n.domain, loops.Chunk):
            outers[n.index] = outers.get(n.index, frozenset()) | {(n.domain.outer, n.domain.size)}
        elif isinstance(n, loops.Let):
            _define(lets, n.index, n.value)
    return Relations(outers, lets)


def _define(lets: dict[str, Expr], name: str, value: Expr) -> None:
    """Add a definition, unless those there make ``value`` of ``name`` itself: parts of a body may differ in that."""
    if not _is_made_of(value, name, lets):
        lets[name] = value


def _is_made_of(e: Expr, name: str, lets: Mapping[str, Expr]) -> bool:
    return any(v == name or (v in lets and _is_made_of(lets[v], name, lets)) for v in free_indices(e))


def merge(a: Relations, b: Relations) -> Relations:
    """Both; what ``b`` says of a variable comes first."""
    outers = {k: a.outers.get(k, frozenset()) | b.outers.get(k, frozenset()) for k in {*a.outers, *b.outers}}
    lets = dict(b.lets)
    for name, value in a.lets.items():
        if name not in lets:
            _define(lets, name, value)
    return Relations(outers, lets)


def linear(e: Expr, bound: set[str], known: Relations) -> Linear:
    """``e`` in linear form, where the variables ``bound`` have values (or are about to be bound)."""

    def digit(name: str, divisor: int) -> str | None:
        options = known.digits(name, divisor)
        usable = [o for o in options if o in bound] or [o for o in options if o in known.lets]
        if not usable and name not in bound:
            usable = list(options)  # neither is known: let what is the same look the same
        return min(usable) if usable else None

    def run(e: Expr) -> Linear:
        match e:
            case Literal(value) if isinstance(value, int):
                return Linear({}, int(value))
            case Index(name):
                if name in known.lets and name not in bound:
                    return run(known.lets[name])
                return Linear({Index(name): 1})
            case Map("add" | "sub" as op, (a, b)):
                return run(a).plus(run(b), 1 if op == "add" else -1)
            case Map("neg", (a,)):
                return run(a).times(-1)
            case Map("mul", (a, Literal(value))) | Map("mul", (Literal(value), a)) if isinstance(value, int):
                return run(a).times(int(value))
            case Map("floordiv", (Index(name), Literal(by))) if isinstance(by, int) and by > 0:
                found = digit(name, by)
                if found is not None:
                    return run(Index(found))
            case Map("mod", (Index() | Map("floordiv", (Index(), Literal())) as inner, Literal(by))):
                name, divisor = _place(inner)
                low, high = digit(name, divisor), digit(name, divisor * int(by))  # type: ignore[call-overload]
                if low is not None and high is not None:
                    return run(Index(low)).plus(run(Index(high)).times(int(by)), -1)  # type: ignore[call-overload]
        return Linear({e: 1})

    return run(e)


def _place(e: Expr) -> tuple[str, int]:
    if isinstance(e, Index):
        return e.name, 1
    assert isinstance(e, Map) and isinstance(e.args[0], Index) and isinstance(e.args[1], Literal)
    return e.args[0].name, int(e.args[1].value)  # type: ignore[call-overload]


def surely_inside(e: Expr, extent: Extent) -> bool:
    """A number below a number."""
    return isinstance(e, Literal) and isinstance(extent, int) and 0 <= int(e.value) < extent  # type: ignore[call-overload]


__all__ = [
    "Linear",
    "Relations",
    "combine",
    "digit_domain",
    "extent_expr",
    "greatest",
    "level_expr",
    "linear",
    "merge",
    "relations",
    "surely_inside",
]
