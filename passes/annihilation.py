"""Where an entry that is not stored decides a result that IEEE arithmetic would not give (``SPARSEC_CHECK=nan``).

An unstored zero annihilates products, whatever it meets; stored, it would make NaN of inf.  For each operator of a
program that has an argument of which that may be true, this pass finds two conditions: that the argument is made of
entries that are not there, and that the rest of the operator, with the entry's value as a number, is something else.
They become statements, to be compiled like any others.  For ``y[i] = A[i, j] * x[j]`` with a sparse ``A``::

    differs0[j]: bool csf = true   where not (0.0 * x[j] == 0.0)
    count0 = sum[i, j](1           where differs0[j] and not stored(A[i, j]))
    first0 = min[i, j](n * i + j   where differs0[j] and not stored(A[i, j]))

The first is sparse, so that the others cost what there is to report.  They stand before the statement that they are
about, and see what it sees.  What a ``scan`` block computes is not looked at, nor is the value of a reduction taken to
be absent.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sparsec.formats.named import dense, named_format
from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, I64
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Dim,
    Expr,
    Index,
    IndexDecl,
    Literal,
    Map,
    Program,
    Reduce,
    Scan,
    Softmax,
    Stmt,
    Stored,
    TensorDecl,
    Top,
    assigns,
    joined,
)
from sparsec.ir.tensor_values import scalar
from sparsec.ir.variables import free_indices
from sparsec.passes.names import unused

Absence = tuple[object, Expr]
"""What an expression is where it is made of unstored entries, and the condition under which it is."""

_TAME = frozenset({"add", "sub", "mul", "neg", "abs", "min", "max", "cast", "select", "relu", "conj", "sign"})
"""Operators that make nothing infinite of finite numbers, overflow aside."""


@dataclass(frozen=True, slots=True)
class Place:
    """An operator of a statement that an absent argument may decide.

    ``absent`` holds where the argument has no entry, ``differs`` where IEEE would give another value, ``conditions``
    are those under which the operator is computed at all.  ``indices`` are the variables of all three, ``inner`` those
    that they reduce themselves; ``statement`` is the number of the statement.
    """

    operator: Map
    statement: int
    tensors: tuple[str, ...]
    absent: Expr
    differs: Expr
    conditions: tuple[Expr, ...]
    indices: tuple[IndexDecl, ...]
    inner: tuple[IndexDecl, ...]

    @property
    def meets(self) -> tuple[str, ...]:
        """The tensors that the rest of the operator reads."""
        return tuple(dict.fromkeys(n.tensor for n in walk(self.differs) if isinstance(n, Access)))

    @property
    def tame(self) -> bool:
        """Whether the rest is finite if all that it reads is."""
        nodes = [n for n in walk(self.differs) if n is not self.differs]
        inner = {n.op for n in nodes if isinstance(n, Map)} - {"not", "eq", self.operator.op}
        literals = [n.value for n in nodes if isinstance(n, Literal) and isinstance(n.value, float)]
        return self.operator.op == "mul" and inner <= _TAME and all(map(math.isfinite, literals))


def places(program: Program, skip: Sequence[str] = ()) -> list[Place]:
    """All of them, in the order of the text; statements that define the tensors ``skip`` are left out."""
    sparse = {t.name: t for t in program.tensors if t.format is not None and not t.format.is_dense}
    out = []
    for n, s in enumerate(program.body):
        if isinstance(s, Assign) and s.target.tensor not in skip:
            finder = _Finder(sparse, s, n)
            conditions = () if s.where is None else (s.where,)
            out += [*finder.visit(s.value, conditions)]
    return out


@dataclass(frozen=True, slots=True)
class _Finder:
    sparse: dict[str, TensorDecl]
    statement: Assign
    number: int

    def visit(self, e: Expr, conditions: tuple[Expr, ...]) -> Iterator[Place]:
        match e:
            case Reduce() | Scan() | Softmax():
                yield from self.visit(e.body, conditions if e.where is None else (*conditions, e.where))
            case Top():
                yield from self.visit(e.key, conditions if e.where is None else (*conditions, e.where))
            case Map("select", (condition, then, otherwise)):
                yield from self.visit(condition, conditions)
                yield from self.visit(then, (*conditions, condition))
                yield from self.visit(otherwise, (*conditions, Map("not", (condition,), BOOL)))
            case Map():
                yield from self.of(e, conditions)
                for a in e.args:
                    yield from self.visit(a, conditions)

    def of(self, e: Map, conditions: tuple[Expr, ...]) -> Iterator[Place]:
        for n, a in enumerate(e.args):
            absence = self.absence(a) if e.dtype.kind in "fc" and len(e.args) > 1 else None
            decided = None if absence is None else e.forced(n, absence[0])
            if absence is None or decided is None or all(_finite(b) for m, b in enumerate(e.args) if m != n):
                continue
            number = Literal(scalar(absence[0], a.dtype).item(), a.dtype)
            plain = dataclasses.replace(e, args=(*e.args[:n], number, *e.args[n + 1 :]), zero=None)
            same = Map("eq", (plain, Literal(scalar(decided, e.dtype).item(), e.dtype)), BOOL)
            differs = Map("not", (same,), BOOL)
            used = free_indices(differs).union(*(free_indices(c) for c in (absence[1], *conditions)))
            indices = tuple(i for i in self.statement.indices if i.name in used)
            parts = [n for part in (differs, *conditions) for n in walk(part) if isinstance(n, Reduce)]
            reduced = {v for n in parts for v in n.indices} - used
            inner = tuple(i for i in self.statement.indices if i.name in reduced)
            tensors = tuple(dict.fromkeys(n.access.tensor for n in walk(absence[1]) if isinstance(n, Stored)))
            yield Place(e, self.number, tensors, absence[1], differs, conditions, indices, inner)

    def absence(self, e: Expr) -> Absence | None:
        """Where ``e`` is absent, as the interpreters say it; None if nowhere."""
        if isinstance(e, Access) and e.tensor in self.sparse:
            return self.sparse[e.tensor].fill, Map("not", (Stored(e),), BOOL)
        if not isinstance(e, Map) or e.op == "select":
            return None
        found = [self.absence(a) for a in e.args]
        decided = [
            (value, f[1]) for n, f in enumerate(found) if f is not None and (value := e.forced(n, f[0])) is not None
        ]
        if decided:
            return decided[0][0], joined("or", [c for value, c in decided if value == decided[0][0]], BOOL)
        gone = [f[1] for f in found if f is not None]
        values = [f[0] if f is not None else a.value if isinstance(a, Literal) else None
                  for f, a in zip(found, e.args, strict=True)]  # fmt: skip
        if not gone or any(v is None for v in values):
            return None
        with np.errstate(all="ignore"):
            given = tuple(scalar(v, a.dtype) for v, a in zip(values, e.args, strict=True))
            return ops.evaluate(e.op, given, e.dtype).item(), joined("and", gone, BOOL)


def _finite(e: Expr) -> bool:
    """Whether an argument is surely a finite number other than 0: then nothing can differ."""
    return isinstance(e, Literal) and isinstance(e.value, float | int) and math.isfinite(e.value) and e.value != 0


def reporting(program: Program, found: Sequence[Place]) -> Program:
    """A program whose results say at how many points each place annihilates, and the number of the first of them.

    They are called ``count0``, ``first0`` and so on; the number counts the points of the place's indices, row-major.
    """
    taken = {t.name for t in program.tensors}
    tensors: list[TensorDecl] = []
    reports: dict[int, list[Assign]] = {}

    def assign(
        at: int,
        name: str,
        value: Expr,
        free: tuple[IndexDecl, ...],
        reduced: tuple[IndexDecl, ...],
        where: Expr | None = None,
    ) -> Access:
        """A result, or a sparse local over ``free`` of what holds, before statement ``at``."""
        name = unused(name, taken, "_")
        taken.add(name)
        role = "local" if value.dtype is BOOL else "out"
        fmt = named_format("csf", len(free)).concrete() if free else dense(0)
        fill = scalar(0, value.dtype).item()
        tensors.append(TensorDecl(name, value.dtype, tuple(i.extent for i in free), fmt, fill, role))
        target = Access(name, tuple(Index(i.name) for i in free), value.dtype)
        reports.setdefault(at, []).append(Assign(target, "=", value, (*free, *reduced), where))
        return target

    for n, p in enumerate(found):
        free = tuple(i for i in p.indices if i.name in free_indices(p.differs))
        differs = p.differs
        if free:
            differs = assign(p.statement, f"differs{n}", Literal(True, BOOL), free, p.inner, p.differs)
        where = joined("and", [differs, p.absent, *p.conditions], BOOL)
        names = tuple(i.name for i in p.indices)
        at: Expr = Literal(0, I64)
        for i in p.indices:
            extent = Literal(i.extent, I64) if isinstance(i.extent, int) else Dim(i.extent)
            at = Map("add", (Map("mul", (at, extent), I64), Index(i.name)), I64)
        if names:
            everything = (*p.indices, *p.inner)
            assign(p.statement, f"count{n}", Reduce("add", names, Literal(1, I64), I64, where), (), everything)
            assign(p.statement, f"first{n}", Reduce("min", names, at, I64, where), (), everything)
        else:
            assign(p.statement, f"count{n}", Map("cast", (where,), I64), (), p.inner)
            assign(p.statement, f"first{n}", at, (), ())
    needed = [*_needed(program, [s for ss in reports.values() for s in ss])]
    body: list[Stmt] = []
    for n, s in enumerate(program.body):
        body += reports.get(n, ())
        if s in needed:
            body.append(s)
    read = {n.tensor for s in body for n in walk(s) if isinstance(n, Access)}
    kept = [
        t if t.role in ("in", "inout") else dataclasses.replace(t, role="local")
        for t in program.tensors
        if t.name in read
    ]
    results = [t for t in tensors if t.role == "out"]
    locals_ = [t for t in tensors if t.role != "out"]
    given = [t for t in kept if t.role != "local"]
    made = [t for t in kept if t.role == "local"]
    every = (*given, *results, *made, *locals_)
    return Program(f"{program.name}_nan", every, tuple(body), program.monoids, bare=program.bare)


def _needed(program: Program, wanted: Sequence[Assign]) -> Iterator[Stmt]:
    """The statements that define, or update, what the ``wanted`` read, directly or not."""
    read = {n.tensor for s in wanted for n in walk(s) if isinstance(n, Access)}
    while True:
        more = [s for s in program.body if any(a.target.tensor in read for a in assigns((s,)))]
        names = read | {n.tensor for s in more for n in walk(s) if isinstance(n, Access)}
        if names == read:
            break
        read = names
    yield from (s for s in program.body if any(a.target.tensor in read for a in assigns((s,))))


__all__ = ["Place", "places", "reporting"]
