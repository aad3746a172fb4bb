"""What encloses a node of loop nest IR, and what its indices are known to do: the verifier's vocabulary."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparsec.ir.loops import Assemble, Chunk, Chunks, Domain, Full, Kernel, Span, Workspace
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Dim, Expr, Index, Literal, Map, TensorDecl

UNKNOWN = 2**62


@dataclass(frozen=True, slots=True)
class Binding:
    """What binds an index: its domain, how many loops stand around it, whether its iterations run in parallel.

    ``value``: it is no loop's, but computed from others, ``sources``.
    """

    domain: Domain
    depth: int = 0
    parallel: bool = False
    value: Expr | None = None

    @property
    def computed(self) -> bool:
        return self.value is not None

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(n.name for n in walk(self.value) if isinstance(n, Index)) if self.computed else frozenset()


@dataclass(frozen=True, slots=True)
class Use:
    """An enclosing workspace: in which phase we are, and how many loops stand around it."""

    workspace: Workspace
    phase: str
    depth: int


@dataclass(slots=True)
class Progress:
    """Which tensors are assembled so far, in program order."""

    assembled: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Scope:
    """What encloses a node; ``ordered`` is the depth of the innermost ordered forall around it."""

    kernel: Kernel
    progress: Progress
    path: tuple[str, ...]
    bound: Mapping[str, Binding] = field(default_factory=dict)
    works: Mapping[str, Use] = field(default_factory=dict)
    assembling: tuple[Assemble, ...] = ()
    ordered: int | None = None
    writing: bool = False

    def at(self, step: str, **changes: Any) -> Scope:
        return dataclasses.replace(self, path=(*self.path, step), **changes)

    def decl(self, name: str) -> TensorDecl | None:
        return next((t for t in self.kernel.tensors if t.name == name), None)

    @property
    def dims(self) -> set[str]:
        return {d for t in self.kernel.tensors for d in t.dims if isinstance(d, str)}

    @property
    def depth(self) -> int:
        return max((b.depth for b in self.bound.values()), default=-1) + 1


def domain_text(d: Domain) -> str:
    """A domain as the grammar writes it."""
    if isinstance(d, Full):
        return str(d.extent)
    if isinstance(d, Chunks):
        return f"chunks({d.extent}, {d.size})"
    if isinstance(d, Span):
        return f"span({', '.join(map(domain_text, d.parts))})"
    return f"chunk({d.outer}, {d.size}, {domain_text(d.whole)})"


def addresses(have: Domain, want: Domain) -> bool:
    """Whether coordinates of ``have`` are coordinates of ``want``; a chunk's are those of the whole."""
    return have == want or (isinstance(have, Chunk) and want == have.whole)


Bound = Mapping[str, Binding]


def step(e: Expr, index: str, bound: Bound) -> int:
    """How far values of ``e`` lie apart at least for different values of ``index``; 0 where that is not known.

    It is known of the index itself, of the coordinates of its chunk, of ``mul`` by a number, and of ``add`` and ``sub``
    of such and something that stays below the step.
    """
    match e:
        case Index(name):
            binding = bound.get(name)
            if name == index or binding is None:
                return int(name == index)
            if binding.value is not None:
                return step(binding.value, index, bound)
            return int(isinstance(binding.domain, Chunk) and step(Index(binding.domain.outer), index, bound) > 0)
        case Map("mul", (a, Literal(value)), _) | Map("mul", (Literal(value), a), _) if isinstance(value, int):
            return abs(value) * step(a, index, bound)
        case Map("add" | "sub", (a, b), _):
            for x, rest in ((a, b), (b, a)):
                apart = step(x, index, bound)
                if apart and spread(rest, bound) < apart:
                    return apart - spread(rest, bound)
    return 0


def spread(e: Expr, bound: Bound) -> int:
    """How far values of ``e`` lie apart at most: 0 for constants, a great number where that is not known."""
    match e:
        case Literal() | Dim():
            return 0
        case Index(name) if name in bound:
            binding = bound[name]
            if binding.value is not None:
                return spread(binding.value, bound)
            if isinstance(binding.domain, Full) and isinstance(binding.domain.extent, int):
                return max(0, binding.domain.extent - 1)
        case Map("add" | "sub", (a, b), _):
            return min(UNKNOWN, spread(a, bound) + spread(b, bound))
        case Map("mul", (a, Literal(value)), _) | Map("mul", (Literal(value), a), _) if isinstance(value, int):
            return min(UNKNOWN, abs(value) * spread(a, bound))
    return UNKNOWN


__all__ = ["Binding", "Progress", "Scope", "Use", "addresses", "domain_text", "spread", "step"]
