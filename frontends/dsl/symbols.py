"""What the names of a program mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sparsec.errors import Span
from sparsec.formats.format import Format
from sparsec.frontends.dsl import ast
from sparsec.ir import ops
from sparsec.ir.dtypes import DType
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Extent, Literal, Map, MonoidDef, TensorDecl

Scalar = bool | int | float | complex


@dataclass(slots=True)
class Tensor:
    """A tensor while a program is analysed.

    ``dtype`` is None until it is ``inferred`` from the statement that defines it; ``fill`` is None where the text
    leaves it open.  ``defined`` and ``updated`` are the places of the statements that did so first.
    """

    name: str
    dtype: DType | None
    dims: tuple[Extent, ...]
    format: Format | None
    fill: Scalar | None
    role: str
    span: Span | None
    fill_span: Span | None = None
    inferred: bool = False
    defined: Span | None = None
    updated: Span | None = None

    @property
    def ndim(self) -> int:
        return len(self.dims)

    def decl(self) -> TensorDecl:
        assert self.dtype is not None
        fill = zero(self.dtype) if self.fill is None else self.fill
        return TensorDecl(self.name, self.dtype, self.dims, self.format, fill, self.role, span=self.span)


def zero(t: DType) -> Scalar:
    """0 as a Python scalar of the dtype's kind."""
    return {"b": False, "f": 0.0, "c": 0j}.get(t.kind, 0)


class Semiring(NamedTuple):
    """What ``+``, ``*`` and sums mean.

    ``add`` is an operator or None (its monoid has a state), ``mul`` an operator or a function of the file, ``monoid``
    the reduction's name in tensor IR, ``zero`` what an unstored factor annihilates by.
    """

    name: str
    add: str | None
    mul: str | ast.FnText
    monoid: str
    zero: Scalar = 0

    def zero_of(self, t: DType) -> Scalar | None:
        """The zero in a dtype (the greatest integer for inf, where sums are minima); None if it has none."""
        if self.monoid == self.add:
            least: Scalar = ops.MONOIDS[self.add].identity(t)  # type: ignore[assignment]
            return least if t.holds(least) else None
        number = float(self.zero) if t.is_float and not isinstance(self.zero, complex) else self.zero
        return number if t.holds(number) else None


@dataclass(slots=True)
class Definitions:
    """What a file defines besides kernels, of which it has the names."""

    fns: dict[str, ast.FnText] = field(default_factory=dict)
    semirings: dict[str, Semiring] = field(default_factory=dict)
    monoids: dict[str, MonoidDef] = field(default_factory=dict)
    formats: dict[str, ast.FormatDef] = field(default_factory=dict)
    kernels: set[str] = field(default_factory=set)

    @property
    def reductions(self) -> tuple[str, ...]:
        return (*self.semirings, *self.monoids)


def needs_floats(m: MonoidDef) -> bool:
    """Does a monoid's definition hold what integers cannot compute?"""
    nodes = [n for e in m.parts for n in walk(e)]
    functions = any(isinstance(n, Map) and ops.OPS[n.op].rule in ("float", "test") for n in nodes)
    literals = [n.value for n in nodes if isinstance(n, Literal)]
    return functions or any(isinstance(v, float) and not v.is_integer() for v in literals)
