"""Reads at places from data ask for the conditions around them: where these do not hold, nothing is read or checked.

The index becomes a guard (``guards.py``), elsewhere -1, which is no place::

    y[i] = x[idx[i]] where idx[i] >= 0      => y[i] = x[guard(idx[i] >= 0, idx[i], -1)] where idx[i] >= 0

so whatever moves the read takes its condition along: the check asks for it, and a read that lies outside is the fill.
A condition that uses more variables than the index, or takes a loop to compute, is computed before::

    y[i] = sum[j](A[i, j] * x[idx[j]]) where M[i, j]
        => admits[j] = any[i](M[i, j]),  y[i] = sum[j](A[i, j] * x[guard(admits[j], idx[j], -1)]) where M[i, j]

An index that takes a loop to compute is computed before, too: ``x[sum[k](p[k])]`` is ``at = sum[k](p[k])``, ``x[at]``.
Only conditions of statements and reductions count: both arms of a ``select``, both sides of an ``and`` are computed.
A scan, a softmax, a selection reads along its index whatever the conditions around it say of that index.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sparsec.formats.named import dense
from sparsec.ir.dtypes import BOOL, I64
from sparsec.ir.index_values import must_lie_inside
from sparsec.ir.rewrite import map_children, walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Expr,
    Index,
    IndexDecl,
    Literal,
    Map,
    Program,
    Reduce,
    Scan,
    ScanLoop,
    Softmax,
    Stmt,
    Stored,
    TensorDecl,
    Top,
    elsewhere,
)
from sparsec.ir.variables import free_indices, has_indirect, takes_loops
from sparsec.passes.lower.checks import Block, reads_of
from sparsec.passes.lower.guards import conjunction, conjuncts
from sparsec.passes.lower.locals import local_over
from sparsec.passes.lower.recurrences import check_independent
from sparsec.passes.names import unused

Conditions = tuple[Expr, ...]


def guard_reads(program: Program) -> Program:
    """The program with reads at places from data where their conditions hold; itself if there is nothing to do."""
    guarding = _Guarding(program, {t.name for t in program.tensors})
    for s in program.body:
        guarding.body.append(guarding.statement(s) if isinstance(s, Assign) else guarding.block(s))
    if all(a is b for a, b in zip(guarding.body, program.body, strict=False)):
        return program
    return replace(program, tensors=(*program.tensors, *guarding.locals), body=tuple(guarding.body))


@dataclass(slots=True)
class _Guarding:
    """The statements and locals made so far; ``extents`` are those of the statement at hand."""

    program: Program
    taken: set[str]
    body: list[Stmt] = field(default_factory=list)
    locals: list[TensorDecl] = field(default_factory=list)
    extents: dict[str, IndexDecl] = field(default_factory=dict)
    made: dict[tuple[tuple[str, ...], Expr], Access] = field(default_factory=dict)
    scan: Block | None = None  # the one at hand

    @property
    def written(self) -> tuple[str, ...]:
        """What the scan block at hand writes: it is dense."""
        return () if self.scan is None else self.scan.written

    def block(self, s: ScanLoop) -> ScanLoop:
        """A scan block; the locals for its statements are made before it."""
        self.scan = Block.of(s)
        body = [self.statement(a) for a in s.statements]
        self.scan = None
        if all(a.value is b.value and a.where is b.where for a, b in zip(body, s.body, strict=True)):
            return s
        return replace(s, body=tuple(replace(a, indices=a.indices[1:]) for a in body))

    def statement(self, s: Assign) -> Assign:
        self.extents = {i.name: i for i in s.indices}
        self.made = {}
        around = _added((), s.where)
        indices = tuple(self.visit(e, around) for e in s.target.indices)
        target = s.target if all(map(_same, indices, s.target.indices)) else replace(s.target, indices=indices)
        value, where = self.visit(s.value, around), None if s.where is None else self.visit(s.where, ())
        if target is s.target and value is s.value and where is s.where:
            return s
        return replace(s, target=target, value=value, where=where)

    def visit(self, e: Expr, conditions: Conditions) -> Expr:
        """``e`` with the indices in it guarded by ``conditions`` and those that it adds."""
        match e:
            case Literal() | Index():
                return e
            case Reduce() | Scan() | Softmax() | Top():
                body = e.key if isinstance(e, Top) else e.body
                others = {*elsewhere(e)}  # points that the conditions around a scan leave out count for it, too
                conditions = tuple(c for c in conditions if not free_indices(c) & others)
                where = None if e.where is None else self.visit(e.where, conditions)
                new = self.visit(body, _added(conditions, e.where))
                if new is body and where is e.where:
                    return e
                return replace(e, key=new, where=where) if isinstance(e, Top) else replace(e, body=new, where=where)
            case Access():
                indices = tuple(self.index(i, self.before(self.visit(i, conditions)), conditions) for i in e.indices)
                return e if all(map(_same, indices, e.indices)) else replace(e, indices=indices)
        return map_children(e, lambda c: self.visit(c, conditions))

    def index(self, before: Expr, e: Expr, conditions: Conditions) -> Expr:
        """The index ``e``, which was ``before``, where the conditions hold."""
        if not conditions or not must_lie_inside(before):
            return e
        names = free_indices(before)
        if self.scan is not None and not reads_of(before, *conditions).isdisjoint(self.written):
            names = names | {self.scan.step.name}  # it is checked at each point of the block, which knows its own
        inline = [c for c in conditions if self.is_simple(c) and free_indices(c) <= names]
        rest = [c for c in conditions if c not in inline]
        asked = conjunction([*inline, *([self.admits(before, names, rest)] if rest else [])])
        assert asked is not None
        return Map("select", (asked, e, Literal(-1, I64, fill=True)), I64)

    def before(self, e: Expr) -> Expr:
        """``e`` with locals for what takes loops to compute."""
        match e:
            case Literal() | Index() | Access():
                return e
            case Reduce() | Scan() | Softmax() | Top():
                used = free_indices(e)
                return self.local("at", e, tuple(v for v in self.extents if v in used), e)
        return map_children(e, self.before)

    def is_simple(self, c: Expr) -> bool:
        """Whether it can be asked wherever its variables are known."""
        if takes_loops(c) or has_indirect(c) or any(isinstance(n, Stored) for n in walk(c)):
            return False
        return self.are_dense([n for n in walk(c) if isinstance(n, Access)])

    def are_dense(self, reads: list[Access]) -> bool:
        formats = {t.name: t.format for t in (*self.program.tensors, *self.locals)}
        return all(a.tensor in self.written or ((f := formats[a.tensor]) is not None and f.is_dense) for a in reads)

    def admits(self, e: Expr, names: set[str], conditions: list[Expr]) -> Access:
        """A local that says for each point of an index over ``names`` whether ``conditions`` admit one there."""
        condition = conjunction(self.visit(c, ()) for c in conditions)
        assert condition is not None
        used = free_indices(condition)
        free = tuple(v for v in self.extents if v in names & used)
        others = tuple(v for v in self.extents if v in used - names)
        value = Reduce("or", others, condition, BOOL) if others else condition
        return self.local("admits", value, free, value)

    def local(self, hint: str, value: Expr, free: tuple[str, ...], like: Expr) -> Access:
        """A local over ``free`` that holds ``value``, dense if all is that ``like`` reads."""
        key = free, value
        if key not in self.made:
            check_independent(value, self.written, f"a {'loop' if hint == 'at' else 'condition'} for an index")
            name = unused(hint, self.taken)
            self.taken.add(name)
            fmt = dense(len(free)) if self.are_dense([n for n in walk(like) if isinstance(n, Access)]) else None
            extents = {v: i.extent for v, i in self.extents.items()}
            decl, access = local_over(name, free, extents, value.dtype, fmt)
            self.locals.append(decl)
            bound = {v for n in walk(value) if isinstance(n, Reduce) for v in n.indices} - {*free}
            decls = tuple(self.extents[v] for v in (*free, *(v for v in self.extents if v in bound)))
            self.body.append(Assign(access, "=", value, decls))
            self.made[key] = access
        return self.made[key]


def _added(conditions: Conditions, where: Expr | None) -> Conditions:
    return conditions if where is None else tuple(dict.fromkeys((*conditions, *conjuncts(where))))


def _same(a: object, b: object) -> bool:
    return a is b


__all__ = ["guard_reads"]
