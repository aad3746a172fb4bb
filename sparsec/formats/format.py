"""A format: a map from the dimensions of a tensor to levels, and a level type for each.

Written ``(i, j) -> (i: dense, j: compressed)``; levels nest left to right, each beneath the one before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from sparsec.errors import FormatError, UnsupportedError
from sparsec.formats import coords
from sparsec.formats.composition import Chain, words
from sparsec.formats.coords import Coord, Digit
from sparsec.formats.encoding import Encoding
from sparsec.formats.level import CanIterate, CanSpan, CanWindow, Level, Planned
from sparsec.ir.dtypes import I32, DType
from sparsec.ir.node import node


@node
class DimVar:
    """A dimension of the tensor."""

    name: str

    def __str__(self) -> str:
        return self.name


@node
class DimConst:
    """A number in a map."""

    value: int

    def __str__(self) -> str:
        return str(self.value)


@node
class DimOp:
    """``/`` (floor division), ``%``, ``+`` or ``-`` in a map; or ``order[s](i)``, a call."""

    op: str
    args: tuple[DimExpr, ...]

    def __str__(self) -> str:
        if self.op in ("/", "%", "+", "-"):
            return f"{self.args[0]}{self.op}{self.args[1]}"
        return f"{self.op}({', '.join(map(str, self.args))})"


@node
class DimSlot:
    """``#``: a position that has no coordinate."""

    def __str__(self) -> str:
        return "#"


DimExpr = DimVar | DimConst | DimOp | DimSlot


@node
class LevelSpec:
    """One level: which coordinate it stores, and how."""

    coord: DimExpr
    type: Level

    def __str__(self) -> str:
        return f"{self.coord}: {self.type}"

    def opened(self) -> LevelSpec:
        """The level with its widths open again, as far as they may be."""
        t = self.type
        widths = [f.name for f in dataclasses.fields(t) if f.default is None and isinstance(getattr(t, f.name), DType)]
        return dataclasses.replace(self, type=dataclasses.replace(t, **dict.fromkeys(widths)))


@node
class Format:
    """``dims -> levels``, and how values are encoded.  ``name`` is for people and takes no part in equality.

    A composite format has ``terms`` instead of levels: the tensor is their sum (``composition.py``).  A ``symmetric``
    one stores the lower half of matrices that are their own transposes, and means the whole.

    >>> from sparsec.formats.named import named_format
    >>> csc = named_format("csc", 2)
    >>> str(csc), csc.order
    ('(i, j) -> (j: dense, i: compressed)', (1, 0))
    """

    dims: tuple[str, ...]
    levels: tuple[LevelSpec, ...]
    name: str | None = dataclasses.field(default=None, compare=False)
    values: Encoding | None = None
    terms: tuple[Chain, ...] = ()
    symmetric: bool = False
    _normal: tuple[Coord, ...] | None = dataclasses.field(default=None, init=False, compare=False, repr=False)

    @property
    def ndim(self) -> int:
        return len(self.dims)

    @property
    def parts(self) -> tuple[Format, ...]:
        """Of a composite format: the formats of its parts, those of all terms in order."""
        return tuple(f for t in self.terms for f in t.factors)

    def __str__(self) -> str:
        if self.terms:
            return " + ".join(" @ ".join(words(t, lambda f: f.label)) for t in self.terms)
        levels = ", ".join(map(str, self.levels))
        values = "" if self.values is None else f" values({self.values})"
        return f"({', '.join(self.dims)}) -> ({levels}){' symmetric' * self.symmetric}{values}"

    @property
    def label(self) -> str:
        """The name if there is one, else the whole map."""
        return self.name or str(self)

    @property
    def coords(self) -> tuple[Coord, ...]:
        """What each level stores, in normal form; raises ``FormatError`` for a map without one."""
        if self._normal is None:  # asked so often that a cache keyed by the whole format would cost more than this
            object.__setattr__(self, "_normal", _coords(self))
        assert self._normal is not None
        return self._normal

    @property
    def is_plain(self) -> bool:
        """Does each level store one whole dimension?"""
        return all(isinstance(spec.coord, DimVar) for spec in self.levels)

    @property
    def order(self) -> tuple[int, ...]:
        """For each level the dimension it stores; only for maps that merely order the dimensions (``is_plain``)."""
        assert self.is_plain, f"'{self.label}' has no order of dimensions"
        return tuple(self.dims.index(str(spec.coord)) for spec in self.levels)

    @property
    def dim_order(self) -> tuple[int, ...]:
        """The dimensions in the order in which the levels first store a part of them."""
        return tuple(dict.fromkeys(d.dim for c in self.coords for _, d in reversed(c.terms)))

    def level_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The extent of each level of a tensor of this shape."""
        return tuple(c.extent(shape) for c in self.coords)

    @property
    def is_dense(self) -> bool:
        """Does the tensor store all of its entries, by whole dimensions: an array?"""
        return not self.terms and all(spec.type.full for spec in self.levels) and self.is_plain

    def normal(self) -> Format:
        """The same format with dimensions called d0, d1, ...: equal formats then compare equal."""
        return self.with_dims(normal_dims(self.ndim))

    def with_dims(self, dims: tuple[str, ...]) -> Format:
        """The same format with dimensions of other names."""
        names = dict(zip(self.dims, dims, strict=True))

        def rename(e: DimExpr) -> DimExpr:
            if isinstance(e, DimVar):
                return DimVar(names[e.name])
            if isinstance(e, DimOp):
                return DimOp(e.op, tuple(rename(a) for a in e.args))
            return e

        levels = tuple(LevelSpec(rename(s.coord), s.type.renamed(names)) for s in self.levels)
        terms = self.with_parts(lambda f: f.with_dims(dims)).terms
        return Format(dims, levels, self.name, self.values, terms, self.symmetric)

    def with_parts(self, change: Callable[[Format], Format]) -> Format:
        """The format with each part of a composite one changed."""
        if not self.terms:
            return self
        terms = tuple(Chain(tuple(map(change, t.factors)), t.inner) for t in self.terms)
        return dataclasses.replace(self, terms=terms)

    def plain(self) -> Format:
        """The format without an encoding of its values."""
        suffix = f" values({self.values})"
        name = self.name.removesuffix(suffix) if self.name and self.name.endswith(suffix) else None
        return self if self.values is None else dataclasses.replace(self, values=None, name=name)

    def encoded(self, values: Encoding) -> Format:
        """The format with its values encoded; raises ``FormatError`` for a composite one."""
        if self.terms:
            raise FormatError(
                f"format '{self.label}' has no values of its own to encode",
                hint="name a part with its encoding: format q = csr values(q4[64]), then lowrank[8] + q",
            )
        name = f"{self.name} values({values})" if self.name else None
        return dataclasses.replace(self, values=values, name=name)

    def mirrored(self) -> Format:
        """The format that stores the lower half in this one's levels and means the whole; raises ``FormatError``."""
        if self.ndim < 2 or self.is_dense or self.terms:
            raise FormatError(
                f"format '{self.label}' cannot be symmetric: it must be one of matrices that leaves out entries",
                hint="csr symmetric, or (i, j) -> (i: dense, j: range[0, i+1]) symmetric",
            )
        if self.symmetric:
            raise FormatError(f"format '{self.label}' is symmetric already", hint="say so once")
        return dataclasses.replace(self, symmetric=True, name=f"{self.name} symmetric" if self.name else None)

    @property
    def half(self) -> Format:
        """Of a symmetric format that of what it stores."""
        return dataclasses.replace(self, symmetric=False, name=None) if self.symmetric else self

    def concrete(self, index: DType = I32, pos: DType = I32) -> Format:
        """The format with every open index and position width set to these types."""
        levels = tuple(dataclasses.replace(s, type=s.type.concrete(index, pos)) for s in self.levels)
        return dataclasses.replace(self.with_parts(lambda f: f.concrete(index, pos)), levels=levels)

    def opened(self) -> Format:
        """The format with every width open again that may be."""
        return dataclasses.replace(self, levels=tuple(s.opened() for s in self.levels))

    def check(self) -> Format:
        """Raise ``FormatError`` if the map or the nesting of levels makes no sense; returns self."""
        if len(set(self.dims)) != len(self.dims):
            raise FormatError(f"format '{self.label}' names a dimension twice: ({', '.join(self.dims)})")
        if self.terms:
            for part in self.parts:
                if part.check().ndim != self.ndim:
                    raise FormatError(f"format '{self.label}': its part '{part.label}' is of order {part.ndim}")
            return self
        used: set[str] = set()
        for spec in self.levels:
            names = _names(spec.coord)
            for n in names - set(self.dims):
                if not any(isinstance(s.type, Planned) for s in self.levels):
                    raise FormatError(
                        f"format '{self.label}': level '{spec}' uses '{n}', which is no dimension of the tensor",
                        hint=f"its dimensions are ({', '.join(self.dims)})",
                    )
            used |= names
        missing = [d for d in self.dims if d not in used]
        if missing:
            raise FormatError(f"format '{self.label}': no level stores dimension '{missing[0]}'")
        if not any(isinstance(s.type, Planned) for s in self.levels):
            coords.check_invertible(self.coords, self.dims, self.label)
            self._check_moduli()
        for number, spec in enumerate(self.levels):
            stored = [str(s.coord) for s in self.levels[:number]]
            for need in spec.type.outer if isinstance(spec.type, CanWindow) else ():
                if need not in stored:
                    raise FormatError(
                        f"format '{self.label}': level '{spec}' depends on '{need}', which no level above it stores",
                        hint=f"store '{need}' first: (i, j) -> (i: dense, j: range[i-1, i+2]), say",
                    )
        for above, below in zip(self.levels, self.levels[1:], strict=False):
            if isinstance(above.type, CanSpan):
                raise FormatError(f"format '{self.label}': '{above}' can only be the last level")
            if below.type.branchless and not above.type.compact:
                raise FormatError(f"format '{self.label}': '{above}' leaves gaps, '{below}' cannot stand beneath it")
            if not above.type.unique and not (isinstance(below.type, CanIterate) and below.type.branchless):
                if isinstance(below.type, Planned):
                    continue
                raise FormatError(
                    f"format '{self.label}': the nonunique level '{above}' needs a singleton beneath it, not '{below}'"
                )
        if self.levels and self.levels[0].type.branchless:
            raise FormatError(f"format '{self.label}': the first level cannot be '{self.levels[0].type.name}'")
        return self

    def _check_moduli(self) -> None:
        for spec, coord in zip(self.levels, self.coords, strict=True):
            m = spec.type.modulus
            if m is not None and (coord.digit is None or coord.digit.modulus != m):
                raise FormatError(
                    f"format '{self.label}': level '{spec}' stores the place within groups of {m}, not '{spec.coord}'",
                    hint=f"(i, j) -> (i: dense, j/{m}: dense, j%{m}: {spec.type})",
                )

    def require_runnable(self) -> None:
        """Raise ``UnsupportedError`` that names the level type or map this version cannot run."""
        for part in self.parts:
            part.require_runnable()
        for spec in self.levels:
            if isinstance(spec.type, Planned):
                what = "" if spec.type.type == self.label else f": level type '{spec.type.type}'"
                raise UnsupportedError(f"format '{self.label}'{what} cannot run yet")
            if not spec.type.ordered and not spec.type.unique:
                raise UnsupportedError(
                    f"format '{self.label}': level '{spec}', which is neither ordered nor unique, cannot run yet"
                )
        if self.symmetric and not self.is_plain:
            raise UnsupportedError(
                f"format '{self.label}': half of a matrix in levels that store parts of dimensions cannot run yet",
                hint="store whole dimensions: csr symmetric",
            )
        for number, spec in enumerate(self.levels):
            spec.type.check_above(tuple((str(s.coord), s.type) for s in self.levels[:number]))
        coords.check_runnable(self.coords, self.dims, self.label)


def normal_dims(ndim: int) -> tuple[str, ...]:
    """The names of the dimensions of a normal format."""
    return tuple(f"d{n}" for n in range(ndim))


def _names(e: DimExpr) -> set[str]:
    if isinstance(e, DimVar):
        return {e.name}
    if isinstance(e, DimOp):
        return set().union(*(_names(a) for a in e.args))
    return set()


def _coords(fmt: Format) -> tuple[Coord, ...]:
    def fail(why: str) -> Exception:
        return FormatError(f"format '{fmt.label}': {why}")

    def run(e: DimExpr) -> Coord:
        match e:
            case DimVar(name):
                return Coord(((1, Digit(fmt.dims.index(name))),))
            case DimConst():
                return Coord(())  # sums are counted from their least value
            case DimOp("/" | "%" as op, (inner, DimConst(by))):
                return (coords.divided if op == "/" else coords.remainder)(run(inner), by, fail)
            case DimOp("+", (a, b)):
                return Coord((*run(a).terms, *run(b).terms))
            case DimOp("-", (a, b)):
                return Coord((*run(a).terms, *((-sign, d) for sign, d in run(b).terms)))
        raise UnsupportedError(f"format '{fmt.label}': the level map '{e}' cannot run yet")

    out = tuple(run(spec.coord) for spec in fmt.levels)
    for spec, c in zip(fmt.levels, out, strict=True):
        digits = [d for _, d in c.terms]
        if not digits or len(set(digits)) < len(digits):
            raise fail(f"the level map '{spec.coord}' does not vary with each of its dimensions once")
    return out
