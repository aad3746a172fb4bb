"""Sums of products summed in a cheaper order: distribution and reassociation, where they lower the cost.

``y[i] = reduce.add[j]((reduce.add[r](U[i, r] * V[r, j]) + S[i, j]) * x[j])`` becomes::

    y_t[r] = reduce.add[j](V[r, j] * x[j])
    y[i] = reduce.add[r](U[i, r] * y_t[r])
    y[i] add= reduce.add[j](S[i, j] * x[j])

so that a low-rank part costs (m + n) r steps and nobody makes the product of its factors.  What is done follows from
estimates (``sums.py``), for any sum of products, whoever wrote it: it is done where it halves them and costs no digits.
A dense result takes the terms one after another, each in the loops that suit it (register panels want a reduction of
their own); a vector or a sparse result takes them in one expression.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sparsec.formats.format import Format
from sparsec.formats.named import dense
from sparsec.ir.dtypes import BOOL, DType
from sparsec.ir.rewrite import map_children, walk
from sparsec.ir.tensor import Access, Assign, Expr, IndexDecl, Map, Program, Reduce, Stmt, TensorDecl, joined
from sparsec.ir.variables import free_indices, mentioned, pointwise
from sparsec.passes.lower.guards import conjunction, guard
from sparsec.passes.lower.index_names import rename_indices
from sparsec.passes.lower.locals import local_over
from sparsec.passes.lower.query import is_sparse
from sparsec.passes.lower.schedule import asked
from sparsec.passes.lower.sums import MAX_TERMS, RINGS, Costs, Step, Term, terms_of
from sparsec.passes.names import unused

GAIN = 0.5
"""What part of the cost must be left, for a sum to be taken apart."""


def contract(program: Program, notes: list[str]) -> Program:
    """The program with its sums of products in cheaper orders; itself if there are none.

    ``notes`` gets what was not tried.
    """
    work = _Contraction(program, notes)
    for s in program.body:
        if isinstance(s, Assign) and s.where is None and pointwise(s.value) and not _is_ordered(program, s):
            work.statement(s)
        else:
            work.body.append(s)
    if not work.changed:
        return program
    return replace(program, tensors=(*program.tensors, *work.locals), body=tuple(work.body))


def _is_ordered(program: Program, s: Assign) -> bool:
    """Does a schedule say in which loops the statement runs?"""
    return asked(program.schedule, s.target.tensor).order is not None


@dataclass(slots=True)
class _Contraction:
    """The statements and locals made so far; ``extents`` are those of the statement under way."""

    program: Program
    notes: list[str]
    body: list[Stmt] = field(default_factory=list)
    locals: list[TensorDecl] = field(default_factory=list)
    changed: bool = False
    target: str = ""
    costs: Costs = field(init=False)

    def statement(self, given: Assign) -> None:
        s = rename_indices(given, [t.name for t in self.program.tensors])
        self.target = s.target.tensor
        self.costs = Costs(self.program, {i.name: i.extent for i in s.indices})
        before = len(self.body), self.changed
        self.changed = False
        free = mentioned(*s.target.indices)
        summands = self.summands(s.value, free)
        if not self.changed:
            self.body[before[0] :] = [given]
            self.changed = before[1]
        elif len(summands) > 1 and len(free) > 1 and self.in_turn(s):
            for n, e in enumerate(summands):
                self.assign(s.target, s.op if n == 0 else "add", e, s)
        else:
            value = _added(summands, s.value.dtype)
            self.assign(s.target, s.op, value, s)

    def in_turn(self, s: Assign) -> bool:
        """May the summands of a statement be added to its target one after another?"""
        plain = s.op in ("=", "add") and not is_sparse(self.program.tensor(self.target)) and s.value.dtype is not BOOL
        return plain and not any(isinstance(n, Access) and n.tensor == self.target for n in walk(s.value))

    def summands(self, e: Expr, around: tuple[str, ...]) -> list[Expr]:
        """``e`` with cheaper sums, as what is to be added: sums first, then what else there is."""
        match e:
            case Map("add", (a, b)) if e.dtype is not BOOL:
                return self.gathered([*self.summands(a, around), *self.summands(b, around)])
            case Map("sub", (a, b)):
                return self.gathered([*self.summands(a, around), *map(_negated, self.summands(b, around))])
            case Map("neg", (a,)):
                return [*map(_negated, self.summands(a, around))]
            case Reduce() if e.monoid in RINGS and e.body.dtype == e.dtype:
                return self.sum(e, around)
        return [self.read(e, around)]

    def gathered(self, parts: list[Expr]) -> list[Expr]:
        """What is no sum as one part, before the sums."""
        sums = [e for e in parts if isinstance(e, Reduce)]
        plain: list[Expr] = [e for e in parts if not isinstance(e, Reduce)]
        return [*([_added(plain, plain[0].dtype)] if plain else []), *sums]

    def read(self, e: Expr, around: tuple[str, ...]) -> Expr:
        """``e`` with cheaper sums inside."""
        if isinstance(e, Reduce) and e.monoid in RINGS and e.body.dtype == e.dtype:
            return self.local_sum(self.sum(e, around), e)
        inner = (*around, *e.indices) if isinstance(e, Reduce) else around
        out: Expr = map_children(e, lambda c: self.read(c, inner))
        return out

    def local_sum(self, summands: list[Expr], e: Reduce) -> Expr:
        """The sum of ``summands`` for use inside an expression: of several dense ones a local of its own."""
        full = [x for x in summands if self.costs.density(x) == 1]
        if len(summands) == 1 or not full or e.dtype is BOOL:
            return _added(summands, e.dtype)
        used = free_indices(e)
        names = tuple(v for v in self.costs.extents if v in used)
        access = self.local(names, e, dense(len(names)))
        for n, x in enumerate(summands):
            self.assign(access, "=" if n == 0 else "add", x)
        return access

    def sum(self, e: Reduce, around: tuple[str, ...]) -> list[Expr]:
        """A sum as the summands that it is computed by."""
        kept: list[Expr] = []
        terms = terms_of(e, e.monoid, self.program, kept)
        if kept:
            self.notes.append(
                f"{self.target}: a product of sums stays as it is written, for it has more than {MAX_TERMS} terms: a "
                "statement of its own for one of the sums makes them fewer"
            )
        names = tuple(v for v in self.costs.extents if v in free_indices(e))
        ways = [self.costs.best(t, names) for t in terms]
        now = self.costs.as_written(e, names) if len(terms) > 1 else self.costs.way(terms[0], names, ()).cost
        if sum(w.cost for w in ways) > GAIN * now:
            body = self.read(e.body, (*around, *e.indices))
            return [replace(e, body=body)]
        self.changed = True
        return [self.summed(t, way.steps, e) for t, way in zip(terms, ways, strict=True)]

    def summed(self, t: Term, steps: tuple[Step, ...], e: Reduce) -> Expr:
        """A term by way of the temporaries of its steps."""
        factors = list(t.factors)
        left = dict(enumerate(t.factors))
        conditions = dict(enumerate(t.conditions))
        gone: set[str] = set()
        for step in steps:
            mine = [left.pop(n) for n in step.factors]
            asked = [conditions.pop(n) for n in step.conditions]
            value = _sum(mine, step.summed, asked, e)
            access = self.local(step.names, e, None)
            self.assign(access, "=", value)
            left[len(factors)] = access
            factors.append(access)
            gone |= set(step.summed)
        rest = tuple(v for v in t.summed if v not in gone)
        out = _sum(list(left.values()), rest, list(conditions.values()), e)
        return _negated(out) if t.negative else out

    # statements

    def local(self, names: tuple[str, ...], e: Expr, format: Format | None) -> Access:
        taken = {t.name for t in (*self.program.tensors, *self.locals)}.union(self.costs.extents)
        name = unused(f"{self.target}_t", taken)
        decl, access = local_over(name, names, self.costs.extents, e.dtype, format)
        self.locals.append(decl)
        self.program = replace(self.program, tensors=(*self.program.tensors, decl))
        self.costs = replace(self.costs, program=self.program)
        return access

    def assign(self, target: Access, op: str, value: Expr, like: Assign | None = None) -> None:
        bound = (v for n in walk(value) if isinstance(n, Reduce) for v in n.indices)
        used = dict.fromkeys([*mentioned(target, value), *bound])
        indices = tuple(IndexDecl(v, self.costs.extents[v]) for v in used)
        self.body.append(Assign(target, op, value, indices, span=None if like is None else like.span))


def _sum(factors: list[Expr], summed: tuple[str, ...], conditions: list[Expr], e: Reduce) -> Expr:
    times = RINGS[e.monoid]
    body = joined(times, factors, e.dtype)
    where = conjunction(conditions)
    if summed:
        return Reduce(e.monoid, summed, body, e.dtype, where)
    return body if where is None else guard(where, body, 0)


def _added(parts: list[Expr], t: DType) -> Expr:
    return joined("or" if t is BOOL else "add", parts, t)


def _negated(e: Expr) -> Expr:
    """``-e``, inside a sum."""
    if isinstance(e, Reduce):
        return replace(e, body=_negated(e.body))
    return e.args[0] if isinstance(e, Map) and e.op == "neg" else Map("neg", (e,), e.dtype)


__all__ = ["contract"]
