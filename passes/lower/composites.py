"""Composite operands taken apart: every part becomes an operand of its own, and what reads the whole reads them.

With ``A: f64[m, n] lowrank[8] + csr``::

    A[i, j]           =>  reduce.add[r](A_0[i, r] * A_1[r, j]) + A_2[i, j]
    stored(A[i, j])   =>  stored(A_0[i, j]) or stored(A_1[i, j])           of sums without a chain

After this nobody knows of composites.  That a product with ``A`` then costs what its parts cost is the algebra of sums
(``contract.py``), which sees nothing of where the expression came from.

Values of two bytes are computed in f32, and not rounded before the reduction that they go into.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sparsec.errors import TypeError_
from sparsec.ir.dtypes import BF16, BOOL, F16, F32, DType
from sparsec.ir.rewrite import map_children, walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Expr,
    Extent,
    Index,
    IndexDecl,
    Map,
    Program,
    Reduce,
    ScanLoop,
    Stored,
    TensorDecl,
    joined,
)
from sparsec.passes.names import fresh_names

LINEAR = ("add", "sub", "mul", "neg")


@dataclass(frozen=True, slots=True)
class Decomposed:
    """A program without composite operands; ``parts`` has the names of each one's parts, in their order."""

    program: Program
    parts: dict[str, tuple[str, ...]]

    def sources(self) -> tuple[tuple[str, int | None], ...]:
        """For every operand the one it came from, and its number among that one's parts."""
        whole = {part: (name, n) for name, parts in self.parts.items() for n, part in enumerate(parts)}
        return tuple(whole.get(t.name, (t.name, None)) for t in self.program.operands)


def decompose(program: Program) -> Decomposed:
    """``program`` over the parts of its composite operands.

    Raises ``TypeError_`` for ``stored`` of a chain.
    """
    if not any(is_composite(t) for t in program.tensors):
        return Decomposed(program, {})
    return _Decomposition(program).run()


def is_composite(t: TensorDecl) -> bool:
    """Is the tensor a sum of parts or a chain of factors?"""
    return t.format is not None and bool(t.format.terms)


@dataclass(slots=True)
class _Decomposition:
    """One program under way; ``indices`` are those that the statement at hand was given."""

    program: Program
    taken: set[str] = field(default_factory=set)
    chains: dict[str, list[list[TensorDecl]]] = field(default_factory=dict)
    indices: list[IndexDecl] = field(default_factory=list)

    def run(self) -> Decomposed:
        names = {d for t in self.program.tensors for d in (t.name, *t.dims) if isinstance(d, str)}
        self.taken = names | {n.name for s in self.program.body for n in walk(s) if isinstance(n, IndexDecl | Index)}
        tensors: list[TensorDecl] = []
        for t in self.program.tensors:
            tensors += self.declare(t) if is_composite(t) else [t]
        body = tuple(
            replace(s, body=tuple(map(self.statement, s.body))) if isinstance(s, ScanLoop) else self.statement(s)
            for s in self.program.body
        )
        parts = {name: tuple(t.name for chain in chains for t in chain) for name, chains in self.chains.items()}
        return Decomposed(replace(self.program, tensors=tuple(tensors), body=body), parts)

    def fresh(self, hint: str) -> str:
        return fresh_names(self.taken)(hint)

    def declare(self, t: TensorDecl) -> list[TensorDecl]:
        """The parts of ``t`` as operands; between the factors of a chain stand dimensions of their own."""
        assert t.format is not None
        chains = self.chains[t.name] = []
        count = 0
        for term in t.format.terms:
            between: list[Extent] = [n if n is not None else self.fresh(f"{t.name}_d") for n in term.inner]
            edges = [*t.dims[-2:-1], *between, *t.dims[-1:]]
            chain = []
            for n, fmt in enumerate(term.factors):
                dims = (*t.dims[:-2], edges[n], edges[n + 1]) if between else t.dims
                part = replace(t, name=self.fresh(f"{t.name}_{count}"), dims=dims, format=fmt, part_of=t.name)
                chain.append(part)
                count += 1
            chains.append(chain)
        return [t for chain in chains for t in chain]

    # expressions

    def statement(self, s: Assign) -> Assign:
        self.indices = []
        value, where = self.read(s.value), None if s.where is None else self.read(s.where)
        target = map_children(s.target, self.read)
        return replace(s, target=target, value=value, where=where, indices=(*s.indices, *self.indices))

    def read(self, e: Expr) -> Expr:
        match e:
            case Stored(access) if access.tensor in self.chains:
                return self.stored(e)
            case Map("cast", (inner,)) if inner.dtype in (F16, BF16) and e.dtype.kind in "fc" and self.inside(inner):
                return self.widened(inner, e.dtype)
            case Access() if e.tensor in self.chains:
                if e.dtype not in (F16, BF16):
                    return self.whole(e, e.dtype)
                return Map("cast", (self.whole(e, F32),), e.dtype)
        return map_children(e, self.read)

    def inside(self, e: Expr) -> bool:
        """Does a composite operand stand in ``e`` beneath nothing but sums and products?"""
        match e:
            case Access():
                return e.tensor in self.chains
            case Map() if e.op in LINEAR:
                return any(map(self.inside, e.args))
        return False

    def widened(self, e: Expr, t: DType) -> Expr:
        """``e``, computed in the wider type ``t``."""
        match e:
            case Access() if e.tensor in self.chains:
                return self.whole(e, t)
            case Map() if self.inside(e):
                return Map(e.op, tuple(self.widened(a, t) for a in e.args), t)
        return Map("cast", (self.read(e),), t)

    def whole(self, e: Access, t: DType) -> Expr:
        """The sum of the terms of what ``e`` reads, in type ``t``."""
        indices = tuple(map(self.read, e.indices))
        terms = [self.product(chain, indices, t) for chain in self.chains[e.tensor]]
        return joined("or" if t is BOOL else "add", terms, t)

    def product(self, chain: list[TensorDecl], indices: tuple[Expr, ...], t: DType) -> Expr:
        """A term: its factors multiplied, summed over what stands between them."""
        names = [self.fresh("r") for _ in chain[1:]]
        self.indices += [IndexDecl(v, f.dims[-2]) for v, f in zip(names, chain[1:], strict=True)]
        edges = [*indices[-2:-1], *(Index(v) for v in names), *indices[-1:]]
        factors: list[Expr] = []
        for n, f in enumerate(chain):
            own = (*indices[:-2], edges[n], edges[n + 1]) if names else indices
            access = Access(f.name, own, f.dtype)
            factors.append(access if f.dtype is t else Map("cast", (access,), t))
        body = joined("and" if t is BOOL else "mul", factors, t)
        return Reduce("or" if t is BOOL else "add", tuple(names), body, t) if names else body

    def stored(self, e: Stored) -> Expr:
        """Is there an entry in any of the parts?"""
        chains = self.chains[e.access.tensor]
        if any(len(chain) > 1 for chain in chains):
            raise TypeError_(
                f"'{e.access.tensor}' has a chain of factors, of whose product nothing is stored",
                span=e.span,
                hint="ask a part: pass it as an operand of its own",
            )
        indices = tuple(map(self.read, e.access.indices))
        parts: list[Expr] = [Stored(Access(t.name, indices, t.dtype)) for (t,) in chains]
        return joined("or", parts, BOOL)


__all__ = ["Decomposed", "decompose", "is_composite"]
