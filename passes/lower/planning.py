"""Tensor IR to loop nests: one nest a statement, its order chosen, its reductions placed, its result assembled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sparsec.errors import FormatError, ScheduleError
from sparsec.formats.format import Format
from sparsec.formats.named import dense, dim_names
from sparsec.ir import loops, ops
from sparsec.ir.dtypes import DType
from sparsec.ir.loops import Kernel, Sequence
from sparsec.ir.monoids import definition, nothing, typed
from sparsec.ir.rewrite import replaced, walk
from sparsec.ir.schedule import Directive
from sparsec.ir.tensor import (
    Access,
    Assign,
    Expr,
    Extent,
    Index,
    IndexDecl,
    Literal,
    Map,
    MonoidDef,
    Program,
    Reduce,
    Scan,
    ScanLoop,
    TensorDecl,
    assigns,
)
from sparsec.ir.tensor_values import same_value, scalar
from sparsec.ir.variables import free_indices, is_plain, mentioned
from sparsec.passes.formats import choose_formats
from sparsec.passes.lower.admitted import guard_reads
from sparsec.passes.lower.bodies import outermost_reductions
from sparsec.passes.lower.checks import checks, early_locals, writing
from sparsec.passes.lower.contract import contract
from sparsec.passes.lower.copies import reordered, sparse_format, widest
from sparsec.passes.lower.cost import copy_cost, panel_of
from sparsec.passes.lower.expand import expand
from sparsec.passes.lower.factoring import factor
from sparsec.passes.lower.fills import absent, check_fill, fills
from sparsec.passes.lower.guards import around, guard, strip, write_out
from sparsec.passes.lower.index_names import rename_indices
from sparsec.passes.lower.locals import local_over
from sparsec.passes.lower.merge_cases import MAX_WALKERS, MergeCases
from sparsec.passes.lower.mirrored import write_out_symmetric
from sparsec.passes.lower.once import counting
from sparsec.passes.lower.order import Choice, choose_order, copy_order
from sparsec.passes.lower.places import named
from sparsec.passes.lower.placing import make_nest
from sparsec.passes.lower.query import Query, is_sparse
from sparsec.passes.lower.recurrences import plan_recurrence
from sparsec.passes.lower.rows import fuse_rows
from sparsec.passes.lower.scans import cannot_ride, split_scan
from sparsec.passes.lower.schedule import Asked, asked, for_statements, loops_in, said, schedulable, scheduled, spelled
from sparsec.passes.lower.selections import plan_selected, plan_selections
from sparsec.passes.lower.simplify import simplify_expr
from sparsec.passes.lower.supported import check_supported
from sparsec.passes.lower.updates import unfold_updates
from sparsec.passes.names import unused

ENOUGH = 0.7
"""The part of the cost that another order of a result must leave, to be worth a copy."""
MAX_CASES = 40.0
"""Bodies that one merge may emit before the planner splits the expression with a temporary."""


def plan(program: Program) -> Kernel:
    """Lower a program whose tensors all have concrete formats to a loop nest kernel.

    Raises ``UnsupportedError`` that names what cannot run yet, ``FormatError`` for a sparse result whose
    declared fill is not the computed one.
    """
    for t in program.tensors:
        assert t.format is not None, f"{t.name} has no format"
    check_supported(program)
    notes: list[str] = []
    single = schedulable(program)
    several = len({a.target.tensor for a in assigns(program.body)}) > 1
    named = tuple(replace(d, statement=name) for d in program.schedule for name in for_statements(d, single))
    program = replace(program, schedule=named)
    program = with_locals(contract(expand(guard_reads(program)), notes))
    program = unfold_updates(with_locals(write_out_symmetric(program, notes)))
    planner = Planner(program, notes, single, early=early_locals(program))
    ahead: list[loops.Stmt] = []
    nests: list[loops.Stmt] = []
    for s in program.body:
        if isinstance(s, ScanLoop):
            nests += plan_recurrence(planner, s, ahead)
            continue
        found = counting(planner, s)
        if found is not None:
            count, check = found
            plan_statement(planner, count, ahead, nests)
            nests.append(check)
        plan_statement(planner, s, ahead, ahead if s.target.tensor in planner.early else nests)
    planner.check_schedule(several)
    nests = fuse_rows(planner, list(dict.fromkeys(ahead)) + nests)
    body = nests[0] if len(nests) == 1 else Sequence(tuple(nests))
    monoids = tuple(planner.monoids.values())
    return Kernel(program.name, planner.program.tensors, body, tuple(dict.fromkeys(planner.notes)), monoids)


def plan_statement(planner: Planner, s: Assign, ahead: list[loops.Stmt], nests: list[loops.Stmt]) -> None:
    """Add the nests of a statement to ``nests``, checks that need nothing but operands to ``ahead``."""
    written = write_out(planner.program, s, planner.exists(s.target.tensor))
    asked = planner.renamed(replace(written, where=writing(s, *s.target.indices)))
    selected = plan_selected(planner, asked)
    if selected is not None:
        nests += selected
        return
    first, written = plan_selections(planner, replace(asked, where=None))
    for check, when in checks(planner, replace(written, where=asked.where)):
        (ahead if when == "ahead" else nests).append(check)
    nests += first + planner.statement(written, s.where is not None)


def with_locals(program: Program) -> Program:
    """The program with formats for the locals that ``expand`` made."""
    if all(t.format is not None for t in program.tensors):
        return program
    chosen = choose_formats(program, {})
    width = widest(chosen)
    return replace(
        chosen,
        tensors=tuple(replace(t, format=t.format and t.format.concrete(width, width)) for t in chosen.tensors),
    )


@dataclass(frozen=True, slots=True)
class Turned:
    """A ``local`` of ``program`` instead of a dense result, which stores the dimensions in another order."""

    program: Program
    local: Access
    cost: float


@dataclass(slots=True)
class Planner:
    """Collects locals and notes while statements are planned."""

    program: Program
    notes: list[str] = field(default_factory=list)
    single: Mapping[str, Assign] = field(default_factory=dict)  # the statements that a schedule may be for, by result
    used: set[Directive] = field(default_factory=set)  # of the schedule
    said: dict[str, list[tuple[Directive, ...]]] = field(default_factory=dict)  # what asks for nests, by target
    works: set[str] = field(default_factory=set)
    early: frozenset[str] = frozenset()  # locals that are made before the kernel writes anything else
    made: set[str] = field(default_factory=set)  # results and locals that some nest has made already
    monoids: dict[str, MonoidDef] = field(default_factory=dict)  # those with a tuple state, over concrete types

    def renamed(self, s: Assign) -> Assign:
        """The statement with index variables of its own."""
        return rename_indices(s, [t.name for t in self.program.tensors])

    def exists(self, name: str) -> bool:
        """Has a tensor values before the statement at hand?"""
        return name in self.made or self.program.tensor(name).role == "inout"

    def local_over(
        self,
        hint: str,
        names: Iterable[str],
        extents: Mapping[str, Extent],
        t: DType,
        format: Format,
        fill: object = None,
    ) -> Access:
        """Declare a local over index variables; gives its element at them."""
        decl, access = local_over(hint, names, extents, t, format, fill)
        return replace(access, tensor=self.local(hint, decl).name)

    def local(self, hint: str, like: TensorDecl) -> TensorDecl:
        """Declare a local tensor under a new name."""
        name = unused(hint, {t.name for t in self.program.tensors})
        decl = replace(like, name=name, role="local", span=None)
        self.program = replace(self.program, tensors=(*self.program.tensors, decl))
        return decl

    def statement(self, s: Assign, partial: bool = False) -> list[loops.Stmt]:
        """The nests of one statement: conversions and temporaries first, then the statement itself.

        ``partial``: a condition leaves the declared fill at some points, so the statement need not compute it.
        """
        extents = {i.name: i.extent for i in s.indices}
        target = self.program.tensor(s.target.tensor)
        placed = not is_plain(s.target)
        conditions: list[Expr] = []
        value = s.value
        if placed and s.op == "=":
            # Such a statement writes where its conditions hold and nowhere else: they do not go into reductions.
            conditions, value = strip(value, lambda g: True)
        value = factor(simplify_expr(value))
        if placed:
            self.check_start(target, s)
        elif not partial:
            check_fill(self.program, target, s, value)
        # A reduction with a tuple state runs inside the free variables, as one inside an expression does.
        top = isinstance(value, Reduce) and s.op in ("=", value.monoid) and self.tuple_state(value) is None
        if isinstance(value, Reduce) and placed and s.op == "=":
            # What is not written begins as the fill, or stays: nothing can be folded into it.
            top = top and not self.exists(target.name) and same_value(target.fill, self.nothing(value))
        for c in reversed(conditions):
            value = guard(c, value, target.fill)
            top = False
        if conditions and not self.exists(target.name):
            value = simplify_expr(value)  # what is the fill in any case is not written
        scan = cannot_ride(self.query(s.target, value, extents, free_first=not top))
        if scan is not None:
            first, access = split_scan(self, s.target.tensor, scan, extents)
            rest = replace(s, value=replaced(value, {scan: access}))
            return self.statement(first) + self.statement(rest, partial)
        part = self.part_to_split(value)
        if part is not None:
            return self.split_part(s, value, part, extents)
        whole = isinstance(value, Reduce) and (top or s.op == "=")
        inner = [] if whole else outermost_reductions(value)
        query = self.query(s.target, value, extents, free_first=not top)
        if isinstance(value, Access) and not query.lets:
            query = replace(query, may_convert=False)
        choice = choose_order(query)
        if inner and query.asked is None:
            split = self.split_cost(s, value, inner, extents)
            if split < choice.cost:
                return self.split(s, value, inner, extents)
        turned = self.turned(s, query, choice)
        if turned is not None:
            first, rest = turned
            return self.statement(first, partial) + self.statement(rest, True)
        nests, instead = self.convert(query, choice)
        self.explain_order(s, choice)
        lets = tuple(replace(c, value=replaced(c.value, instead)) for c in choice.space.lets)
        choice = replace(choice, space=replace(choice.space, lets=lets))
        nest = make_nest(self, query.target, s.op, replaced(value, instead), choice, extents)
        self.made.add(s.target.tensor)
        return [*nests, nest]

    def turned(self, s: Assign, query: Query, choice: Choice) -> tuple[Assign, Assign] | None:
        """A statement of a dense result as one of a local that stores another dimension last, and a copy of that."""
        if s.op != "=" or self.exists(query.target.tensor) or not is_plain(s.target):
            return None
        found = self.turning(query, choice)
        if found is None:
            return None
        name, extents = s.target.tensor, {i.name: i for i in s.indices}
        if self.asked(name).all:
            self.notes.append(
                f"{name}: in its own order, since a schedule asks for its loops; without one it is computed as "
                f"'{found.local.tensor}', which stores another dimension last, and copied"
            )
            return None
        self.program, local = found.program, found.local
        self.notes.append(f"{name}: computed as '{local.tensor}', which stores another dimension last, and copied")
        free = tuple(extents[v] for v in mentioned(*s.target.indices))
        return replace(s, target=local), Assign(s.target, "=", local, free, span=s.span)

    def turning(self, query: Query, choice: Choice) -> Turned | None:
        """The local for a dense result in the order that costs least; None where this saves nothing, or little.

        It is for panels that the result's own order does not allow.
        """
        t = self.program.tensor(query.target.tensor)
        if query.fold is None or query.last is None:
            return None
        if panel_of(query, choice.space, choice.order, choice.converted) is not None:
            return None
        assert t.format is not None
        best: Turned | None = None
        own = replace(query, asked=None, splits=(), panel=None)
        for d in reversed(t.format.order[:-1]):  # of equals the one that lies nearest
            order = (*(o for o in t.format.order if o != d), d)
            like = replace(t, format=reordered(t.format, order, widest(self.program)))
            saved, name = self.program, f"{t.name}_{''.join(map(str, order))}"
            local = replace(query.target, tensor=self.local(name, like).name)
            cost = choose_order(replace(own, program=self.program, target=local)).cost + copy_cost(t, 0.0)
            if cost < (ENOUGH * choice.cost if best is None else best.cost):
                best = Turned(self.program, local, cost)
            self.program = saved
        return best

    def scheduled(
        self, target: str, stmt: loops.Stmt, choice: Choice, why_not: Callable[[str], str | None]
    ) -> loops.Stmt:
        """The nest of ``target`` with what the schedule asks of it; ``why_not`` speaks against a parallel loop."""
        a, names, variables = self.asked(target), spelled(choice.space), {*choice.space.own}
        if not all(loops_in(d) <= variables for d in a.all):
            a = Asked()
        stmt = scheduled(stmt, a, names, why_not)
        self.used.update(a.all)
        if target in self.single:
            whole = {i.name for i in self.single[target].indices} == variables
            found = said(stmt, choice.order, choice.space, target) if whole else ()
            self.said.setdefault(target, []).append(found)
        return stmt

    def fresh_index(self, hint: str, extents: Collection[str]) -> str:
        """A name for a loop that no tensor and no index variable has."""
        return unused(hint, {t.name for t in self.program.tensors}.union(extents))

    def query(self, target: Access, value: Expr, extents: dict[str, Extent], free_first: bool) -> Query:
        reduced = tuple(v for n in walk(value) if isinstance(n, Reduce) for v in n.indices)
        target, lets = named(self.program, target, extents)
        found = Query(self.program, value, target, reduced, extents, free_first, lets=lets)
        a = self.asked(target.tensor)
        splits = tuple(d for d in a.split if loops_in(d) <= {*found.variables})
        order = a.order if a.order is not None and loops_in(a.order) <= {*found.variables} else None
        return replace(found, asked=order, splits=splits, panel=a.panel) if a.all else found

    # schedules

    def asked(self, target: str) -> Asked:
        """What the schedule asks of the nests that write ``target``."""
        return asked(self.program.schedule, target)

    def check_schedule(self, several: bool) -> None:
        """Raise ``ScheduleError`` for a directive that no nest took; say in the notes which schedule was made.

        Of a program that writes ``several`` tensors a directive names the one that it is for.
        """
        for d in self.program.schedule:
            if d not in self.used:
                raise ScheduleError(
                    f"'{d}' fits no nest: the statement of '{d.statement}' is computed in steps that have other loops",
                    span=d.span,
                    hint="explain() without a schedule says which",
                )
        # What is made in steps is not one nest to ask for: of that what was asked is said again.
        asked = {t: [d for d in self.program.schedule if d.statement == t] for t in self.said}
        made = [d for t, found in self.said.items() for d in (found[0] if len(found) == 1 else ()) or asked[t]]
        shown = "; ".join(str(d if several else replace(d, statement=None)) for d in made)
        if shown:
            self.notes.append(f"schedule for {self.program.name} {{ {shown} }}")

    # reductions inside larger expressions

    def split_cost(self, s: Assign, value: Expr, inner: list[Reduce], extents: dict[str, Extent]) -> float:
        """Estimated cost of computing each inner reduction into a temporary first."""
        total = 0.0
        saved = self.program
        instead: dict[Expr, Expr] = {}
        for r in inner:
            access = self.temporary(s, r, extents)
            query = self.query(access, around(value, r), extents, free_first=False)
            choice = choose_order(query)
            turned = self.turning(query, choice)
            total += choice.cost if turned is None else turned.cost
            instead[r] = access
        rest = replaced(value, instead)
        total += choose_order(self.query(s.target, rest, extents, free_first=True)).cost
        self.program = saved
        return total

    def temporary(self, s: Assign, r: Reduce, extents: dict[str, Extent]) -> Access:
        """A local for the value of ``r`` over the free variables it uses."""
        used = free_indices(r)
        names = [v for v in mentioned(*s.target.indices) if v in used]
        sparse = is_sparse(self.program.tensor(s.target.tensor)) and self.annihilates(r)
        fmt = sparse_format(self.program, names, r) if sparse and names else dense(len(names))
        return self.local_over("t", names, extents, r.dtype, fmt, self.nothing(r))

    def annihilates(self, r: Reduce) -> bool:
        """Is ``r`` its identity wherever no sparse operand has an entry?"""
        value = self.absent(r)
        return isinstance(value, Literal) and same_value(value.value, self.nothing(r))

    def tuple_state(self, r: Reduce | Scan) -> MonoidDef | None:
        """The monoid of a reduction or scan over its body's type, which the kernel defines; None for plain ones."""
        general = definition(r.monoid, self.program.monoids)
        if general is None:
            return None
        m = typed(general, r.body.dtype)
        return self.monoids.setdefault(m.name, m)

    def nothing(self, r: Reduce | Scan) -> object:
        """The value of a reduction over no points."""
        m = self.tuple_state(r)
        return ops.MONOIDS[r.monoid].identity(r.dtype) if m is None else nothing(m)

    def absent(self, e: Expr) -> Expr:
        """What ``e`` is where no sparse operand has an entry."""
        return absent(self.program, e)

    def fills(self, e: Expr) -> dict[Expr, Expr]:
        return fills(self.program, e)

    def split(self, s: Assign, value: Expr, inner: list[Reduce], extents: dict[str, Extent]) -> list[loops.Stmt]:
        nests: list[loops.Stmt] = []
        instead: dict[Expr, Expr] = {}
        for r in inner:
            access = self.temporary(s, r, extents)
            self.notes.append(
                f"{s.target.tensor}: a reduction over {', '.join(r.indices)} goes first, into '{access.tensor}'"
            )
            indices = tuple(IndexDecl(v, e) for v, e in extents.items())
            nests += self.statement(Assign(access, "=", around(value, r), indices))
            instead[r] = access
        indices = tuple(IndexDecl(v, e) for v, e in extents.items())
        return nests + self.statement(replace(s, value=replaced(value, instead), indices=indices), True)

    # expressions with too many cases

    def part_to_split(self, value: Expr) -> Expr | None:
        """The largest part of ``value`` worth a temporary, if merging everything at once takes too much code."""
        cases = MergeCases(self.program, self.fills(value))
        if cases.of(value) <= MAX_CASES and cases.meeting(value) <= MAX_WALKERS:
            return None
        best: tuple[float, Expr] | None = None
        for e in walk(value):
            if not isinstance(e, Map) or e is value or (isinstance(value, Reduce) and e is value.body):
                continue
            found = cases.of(e)
            few = max(found, 2.0 ** cases.meeting(e)) <= MAX_CASES
            better = few and found > 1 and (best is None or found > best[0])
            if better and isinstance(self.absent(e), Literal):
                best = found, e
        return best[1] if best else None

    def split_part(self, s: Assign, value: Expr, part: Expr, extents: dict[str, Extent]) -> list[loops.Stmt]:
        """``value`` in two statements: ``part`` into a sparse temporary, then the rest."""
        bound = {v for r in walk(part) if isinstance(r, Reduce) for v in r.indices}
        names = [v for v in extents if v in free_indices(part) - bound]
        fill = self.absent(part)
        assert isinstance(fill, Literal)
        fmt = sparse_format(self.program, names, part) if names else dense(0)
        access = self.local_over("t", names, extents, part.dtype, fmt, fill.value)
        self.notes.append(
            f"{s.target.tensor}: too many sparse operands to merge at once, "
            f"so a part goes first, into '{access.tensor}'"
        )
        indices = tuple(IndexDecl(v, e) for v, e in extents.items())
        first = self.statement(Assign(access, "=", part, indices))
        rest = replace(s, value=replaced(value, {part: access}), indices=indices)
        return first + self.statement(rest, True)

    # conversions

    def convert(self, query: Query, choice: Choice) -> tuple[list[loops.Stmt], dict[Expr, Expr]]:
        """Locals that hold the converted accesses' tensors in the order of the loops."""
        nests: list[loops.Stmt] = []
        instead: dict[Expr, Expr] = {}
        done: dict[tuple[str, tuple[int, ...]], TensorDecl] = {}
        for access in choice.converted:
            t = self.program.tensor(access.tensor)
            assert t.format is not None
            order = copy_order(choice.space, choice.order, access)
            key = (t.name, order)
            if key not in done:
                fmt = reordered(t.format, order, widest(self.program))
                done[key] = self.local(f"{t.name}_{''.join(map(str, order))}", replace(t, format=fmt))
                why = f"the loop order {', '.join(choice.order)} reads it across its levels"
                loose = [s for s in t.format.levels if not s.type.ordered]
                if loose and t.format.is_plain and order == t.format.order:
                    why = f"its level '{loose[0]}' has no order, which the loops need"
                self.notes.append(f"'{t.name}' is converted to {fmt}: {why}")
                names = dim_names(t.ndim)
                copy = Assign(
                    Access(done[key].name, tuple(Index(n) for n in names), t.dtype),
                    "=",
                    Access(t.name, tuple(Index(n) for n in names), t.dtype),
                    tuple(IndexDecl(n, e) for n, e in zip(names, t.dims, strict=True)),
                )
                nests += self.statement(copy)
            instead[access] = Access(done[key].name, access.indices, access.dtype)
        return nests, instead

    # nests

    def fresh_work(self) -> str:
        taken = {t.name for t in self.program.tensors}
        n = 1
        while f"w{n}" in taken or f"w{n}" in self.works:
            n += 1
        self.works.add(f"w{n}")
        return f"w{n}"

    # checks and words

    def check_start(self, target: TensorDecl, s: Assign) -> None:
        """What an update at computed places does not write is the operator's identity: a sparse result's fill."""
        if s.op == "=" or self.exists(target.name) or not is_sparse(target):
            return
        start = ops.MONOIDS[s.op].identity(target.dtype)
        if not same_value(start, scalar(target.fill, target.dtype).item()):
            raise FormatError(
                f"'{target.name}' has fill {target.fill}, but what this update does not write is {start}",
                span=s.span,
                hint=f"declare it with fill({start}), or make it dense",
            )

    def explain_order(self, s: Assign, choice: Choice) -> None:
        order = ", ".join(choice.order) or "(no loops)"
        self.notes.append(
            f"{s.target.tensor}: loop order {order} (cheapest of {choice.candidates} topological orders, "
            f"estimated {choice.cost:.3g} steps)"
        )


__all__ = ["Planner", "plan"]
