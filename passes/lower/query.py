"""What the choice of loops depends on: a statement's value and target, its sparse accesses, what a schedule asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sparsec.ir.loops import Chunk
from sparsec.ir.monoids import definition
from sparsec.ir.rewrite import walk
from sparsec.ir.schedule import Directive
from sparsec.ir.tensor import Access, Expr, Extent, Index, Literal, Program, Reduce, Scan, TensorDecl
from sparsec.ir.variables import mentioned
from sparsec.passes.lower.panels import BYTES, in_vectors
from sparsec.passes.lower.schedule import stretches
from sparsec.passes.lower.simplify import Known, absent_value
from sparsec.passes.lower.spaces import Computed, Space, make_space

ROWS = 4
"""Rows of a panel: more loads of an operand serve several, and the registers hold no more than four vectors of each."""
STRIP = 1024
"""Coordinates of a result that stay in the cache while the diagonals over them are walked."""


def is_sparse(t: TensorDecl) -> bool:
    """Does the tensor store less than all of its entries?"""
    return t.format is not None and not t.format.is_dense


def apart(program: Program, a: Access, v: str) -> bool:
    """Whether neighbours along ``v`` lie apart in a dense tensor."""
    fmt = program.tensor(a.tensor).format
    if fmt is None or not fmt.is_dense:
        return False
    return any(v in mentioned(e) for d, e in enumerate(a.indices) if d != fmt.order[-1])


@dataclass(frozen=True)
class Query:
    """What the choice depends on: the expression, its sparse accesses, the result, extents, and order constraints."""

    program: Program
    value: Expr
    target: Access
    reduced: tuple[str, ...]
    extents: dict[str, Extent]
    free_first: bool  # every reduced variable inside all free ones
    may_convert: bool = True  # a copy that is itself a conversion may not ask for another
    outermost: tuple[str, ...] = ()  # variables whose loops stand around all others
    whole: tuple[str, ...] = ()  # variables that take one loop, not split and not computed
    lets: tuple[Computed, ...] = ()  # the indices of the target that are no variables
    asked: Directive | None = None  # the order that a schedule asks for
    splits: tuple[Directive, ...] = ()  # and the stretches
    panel: Directive | None = None  # and the panel
    gone: Known = field(default_factory=dict, init=False)  # what ``absent`` found

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The index variables: those that the target uses, then the reduced ones."""
        places = {c.name: mentioned(c.value) for c in self.lets}
        used = [v for name in mentioned(*self.target.indices) for v in places.get(name, (name,))]
        return tuple(dict.fromkeys([*self.outermost, *used, *self.reduced]))

    @cached_property
    def stretches(self) -> dict[str, frozenset[int]]:
        """The sizes of the stretches that a schedule asks for."""
        return stretches(self.splits)

    @cached_property
    def fold(self) -> Reduce | None:
        """The reduction that the value is as a whole, with a plain state, whose loops may stand around others."""
        value = self.value
        if not isinstance(value, Reduce) or self.free_first or self.in_order:
            return None
        return value if definition(value.monoid, self.program.monoids) is None else None

    @cached_property
    def last(self) -> str | None:
        """The index variable along which neighbours lie side by side in a dense result."""
        fmt = self.program.tensor(self.target.tensor).format
        e = self.target.indices[fmt.order[-1]] if fmt is not None and fmt.is_dense and self.target.indices else None
        return e.name if isinstance(e, Index) and not self.lets else None

    @cached_property
    def crossed(self) -> tuple[Access, ...]:
        """The dense accesses whose neighbours along ``last`` lie apart, where a copy that has them together may pay."""
        if self.fold is None or self.last is None or not in_vectors(self.fold.body, self.target.dtype):
            return ()
        reads = dict.fromkeys(n for n in walk(self.fold.body) if isinstance(n, Access))
        plain = (a for a in reads if all(isinstance(e, Index) for e in a.indices))
        return tuple(a for a in plain if apart(self.program, a, self.last))

    @cached_property
    def in_order(self) -> set[str]:
        """Variables whose coordinates must come one after the other: those of scans and recurrences."""
        return {*self.outermost, *(r.index for r in walk(self.value) if isinstance(r, Scan))}

    def spaces(self, kept: Sequence[Access]) -> Iterator[Space]:
        """The loops that suit the accesses ``kept``, and those that suit the target, too; none for misfits."""
        alone = self.space(kept)
        if alone is None:
            return
        yield alone
        strips = self.strips(alone)
        if strips and (stripped := self.space(kept, strips)) is not None:
            yield stripped
        target = self.program.tensor(self.target.tensor).format
        if self.lets or (target is not None and target.is_plain):
            return  # it asks for nothing
        together = self.space([*kept, self.target])
        if together is not None and together.domains != alone.domains:
            yield together

    def in_rows(self, kept: Sequence[Access]) -> Iterator[Space]:
        """The loops that suit the accesses ``kept``, with a few rows of the result together."""
        alone = self.space(kept)
        for strips in () if alone is None else self.rows(alone):
            stripped = self.space(kept, strips)
            if stripped is not None:
                yield stripped

    def space(self, suited: Sequence[Access], strips: Mapping[str, frozenset[int]] | None = None) -> Space | None:
        """The loops that suit some accesses, with the stretches that are asked for and ``strips``; None for misfits."""
        extents, asked = {v: self.extents[v] for v in self.variables}, self.stretches
        made = make_space(self.program, suited, extents, self.lets, {**asked, **(strips or {})})
        loops = (made.places.get((v, n)) for v, sizes in asked.items() for n in sizes)
        return None if made.misfits or not all(loop in made.domains for loop in loops) else made

    def strips(self, space: Space) -> dict[str, frozenset[int]]:
        """The variables of a dense result that a level adds up with others, in strips that a cache holds.

        A loop over diagonals inside of one over rows would search them anew for each row; around it, all of the result
        would pass through the cache once a diagonal.
        """
        if self.lets or is_sparse(self.program.tensor(self.target.tensor)):
            return {}
        free = {e.name for e in self.target.indices if isinstance(e, Index)} - {*self.in_order, *self.whole}
        added = {v for key in space.sums for _, v, divisor in key if divisor == 1}
        return {v: frozenset({STRIP}) for v in self.variables if v in free & added and space.own[v] == {v}}

    def rows(self, space: Space) -> Iterator[dict[str, frozenset[int]]]:
        """A variable of a dense result in strips of a few, so that a panel in registers has several rows."""
        if self.fold is None or self.last is None or self.asked or not in_vectors(self.fold.body, self.target.dtype):
            return
        # Blocks wider than what the registers hold of so many rows go in parts.
        width = BYTES // ROWS // self.target.dtype.nbytes
        blocks = space.domains.get(self.last)
        parts = {self.last: frozenset({width})} if isinstance(blocks, Chunk) and blocks.size > width else {}
        for e in self.target.indices:
            if not isinstance(e, Index) or e.name in (self.last, *self.whole) or (e.name, ROWS) in space.places:
                continue
            extent = self.extents[e.name]
            if not isinstance(extent, int) or extent >= ROWS:
                yield {e.name: frozenset({ROWS}), **parts}

    def absent(self, e: Expr) -> Expr:
        """What ``e`` is where no sparse access has an entry."""
        return absent_value(e, self.fills, self.program.monoids, self.gone)

    @cached_property
    def sparse(self) -> tuple[Access, ...]:
        """The accesses of what is not dense, once each."""
        return tuple(a for a in self.fills if isinstance(a, Access))

    @cached_property
    def fills(self) -> dict[Expr, Expr]:
        """The value of each sparse access where it has no entry."""
        reads = (n for e in (self.value, *(c.value for c in self.lets)) for n in walk(e) if isinstance(n, Access))
        decls = {a: self.program.tensor(a.tensor) for a in reads}
        return {a: Literal(t.fill, a.dtype, fill=True) for a, t in decls.items() if is_sparse(t)}


__all__ = ["STRIP", "Query", "apart", "is_sparse"]
