"""Tensor IR to loop nests: one nest a statement, its order chosen, its reductions placed, its result assembled."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from itertools import takewhile

import numpy as np

from sparsec.errors import FormatError
from sparsec.formats.compressed import Compressed
from sparsec.formats.coords import Coord
from sparsec.formats.format import Format
from sparsec.formats.level import CanAppend, CanInsert, CanIterate, Level
from sparsec.formats.named import dense, dim_names, from_levels, named_format
from sparsec.ir import loops, ops
from sparsec.ir.dtypes import BOOL, I32, I64, DType
from sparsec.ir.loops import (
    Accumulate,
    Assemble,
    Chunk,
    Chunks,
    Forall,
    Full,
    Guard,
    Kernel,
    Sequence,
    Span,
    WorkIndex,
    Workspace,
)
from sparsec.ir.loops_exact import repeatable
from sparsec.ir.monoids import definition, nothing, typed
from sparsec.ir.rewrite import map_children, walk
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
    Stored,
    TensorDecl,
    Top,
)
from sparsec.ir.tensor_values import scalar
from sparsec.passes.formats import choose_formats
from sparsec.passes.lower.checks import checks
from sparsec.passes.lower.coordinates import combine, digit_domain, extent_expr, level_expr
from sparsec.passes.lower.expand import expand
from sparsec.passes.lower.guards import (
    Split,
    around,
    conjuncts,
    guard,
    guarded,
    push,
    reduces,
    split,
    strip,
    write_out,
)
from sparsec.passes.lower.order import (
    Choice,
    Query,
    choose_order,
    copy_order,
    is_sparse,
    level_kinds,
    loose_loops,
    result_prefix,
)
from sparsec.passes.lower.panels import Panel, find_panel
from sparsec.passes.lower.recurrences import check_independent, may_see_itself, plan_recurrence
from sparsec.passes.lower.scans import Carry, cannot_ride, carry, carrying, split_scan
from sparsec.passes.lower.scatter import can_scatter
from sparsec.passes.lower.selections import plan_selections
from sparsec.passes.lower.simplify import absent_value, same_value, simplify_expr
from sparsec.passes.lower.spaces import EMPTY, Nesting, make_space
from sparsec.passes.lower.supported import check_supported
from sparsec.passes.lower.updates import unfold_updates
from sparsec.passes.lower.variables import mentioned, names_in

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
    program = unfold_updates(with_locals(expand(program)))
    planner = Planner(program)
    ahead: list[loops.Stmt] = []
    nests: list[loops.Stmt] = []
    for s in program.body:
        if isinstance(s, ScanLoop):
            nests += plan_recurrence(planner, s)
            continue
        written = write_out(program, s, planner.exists(s.target.tensor))
        first, written = plan_selections(planner, planner.renamed(written))
        for check, early in checks(planner.program, written):
            (ahead if early else nests).append(check)
        nests += first + planner.statement(written, s.where is not None)
    nests = list(dict.fromkeys(ahead)) + nests
    body = nests[0] if len(nests) == 1 else Sequence(tuple(nests))
    monoids = tuple(planner.monoids.values())
    return Kernel(program.name, planner.program.tensors, body, tuple(planner.notes), monoids)


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


def rename_indices(s: Assign, tensors: Collection[str]) -> Assign:
    """The statement with every reduction over variables of its own, and none named like a tensor.

    So scopes cannot be confused, and the names of loops, tensors and workspaces are one name space.
    """
    declared = {i.name: i.extent for i in s.indices}
    taken = set(tensors)
    extents: dict[str, Extent] = {}

    def fresh(v: str) -> str:
        new, n = v, 1
        while new in taken or (n > 1 and new in declared):
            n += 1
            new = f"{v}_{n}"
        taken.add(new)
        extents[new] = declared[v]
        return new

    free: dict[str, str] = {}

    def renamed(v: str, names: dict[str, str]) -> str:
        if v not in names and v not in free:
            free[v] = fresh(v)
        return names.get(v) or free[v]

    def run(e: Expr, names: dict[str, str]) -> Expr:
        if isinstance(e, Index):
            return Index(renamed(e.name, names))
        if isinstance(e, Reduce):
            inner = names | {v: fresh(v) for v in e.indices}
            where = None if e.where is None else run(e.where, inner)
            return replace(e, indices=tuple(inner[v] for v in e.indices), body=run(e.body, inner), where=where)
        new = map_children(e, lambda c: run(c, names))
        if isinstance(new, Scan):
            return replace(new, index=renamed(new.index, names))
        if isinstance(new, Top):
            return replace(new, groups=tuple((renamed(g, names), n) for g, n in new.groups))
        return new

    target = map_children(s.target, lambda e: run(e, {}))
    value = run(s.value, {})
    return replace(s, target=target, value=value, indices=tuple(IndexDecl(v, e) for v, e in extents.items()))


@dataclass(slots=True)
class Planner:
    """Collects locals and notes while statements are planned."""

    program: Program
    notes: list[str] = field(default_factory=list)
    works: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)  # results and locals that some nest has made already
    monoids: dict[str, MonoidDef] = field(default_factory=dict)  # those with a tuple state, over concrete types
    nesting: Nesting = field(default_factory=lambda: Nesting((), EMPTY))  # of the nest under way
    extents: dict[str, Extent] = field(default_factory=dict)  # of the index variables of the nest under way
    carries: dict[str, tuple[Carry, ...]] = field(default_factory=dict)  # the scans that its loops carry
    fill: object = None  # of the target of the nest under way

    def renamed(self, s: Assign) -> Assign:
        """The statement with index variables of its own."""
        return rename_indices(s, [t.name for t in self.program.tensors])

    def exists(self, name: str) -> bool:
        """Has a tensor values before the statement at hand?"""
        return name in self.made or self.program.tensor(name).role == "inout"

    def local(self, hint: str, like: TensorDecl) -> TensorDecl:
        """Declare a local tensor under a new name."""
        taken = {t.name for t in self.program.tensors}
        name, n = hint, 1
        while name in taken:
            n += 1
            name = f"{hint}{n}"
        decl = replace(like, name=name, role="local", span=None)
        self.program = replace(self.program, tensors=(*self.program.tensors, decl))
        return decl

    def statement(self, s: Assign, partial: bool = False) -> list[loops.Stmt]:
        """The nests of one statement: conversions and temporaries first, then the statement itself.

        ``partial``: a condition leaves the declared fill at some points, so the statement need not compute it.
        """
        extents = {i.name: i.extent for i in s.indices}
        value = factor(simplify_expr(s.value))
        target = self.program.tensor(s.target.tensor)
        if not partial:
            self.check_fill(target, s, value)
        # A reduction with a tuple state runs inside the free variables, as one inside an expression does.
        top = isinstance(value, Reduce) and s.op in ("=", value.monoid) and self.tuple_state(value) is None
        scan = cannot_ride(self.query(s.target, value, extents, free_first=not top))
        if scan is not None:
            first, access = split_scan(self, s.target.tensor, scan, extents)
            rest = replace(s, value=_replace(value, {scan: access}))
            return self.statement(first) + self.statement(rest, partial)
        part = self.part_to_split(value)
        if part is not None:
            return self.split_part(s, value, part, extents)
        whole = isinstance(value, Reduce) and (top or s.op == "=")
        inner = [] if whole else _outermost_reductions(value)
        query = self.query(s.target, value, extents, free_first=not top)
        if isinstance(value, Access):
            query = replace(query, may_convert=False)
        choice = choose_order(query)
        if inner:
            split = self.split_cost(s, value, inner, extents)
            if split < choice.cost:
                return self.split(s, value, inner, extents)
        nests, replaced = self.convert(query, choice)
        self.explain_order(s, choice)
        nest = self.nest(s.target, s.op, _replace(value, replaced), choice, extents)
        self.made.add(s.target.tensor)
        return [*nests, nest]

    def at_point(self, s: Assign, step: str, written: tuple[str, ...]) -> tuple[list[loops.Stmt], loops.Stmt]:
        """A statement of a scan block over ``step``: what goes before the block, and the nest at one point of it."""
        for top in (n for n in walk(s.value) if isinstance(n, Top)):
            check_independent(top, written, "a 'top'")
        nests, s = plan_selections(self, self.renamed(s))
        extents = {i.name: i.extent for i in s.indices}
        value = factor(simplify_expr(s.value))
        query = replace(self.query(s.target, value, extents, free_first=True), outermost=(step,))
        while (scan := cannot_ride(query)) is not None:
            check_independent(scan, written, "a scan")
            first, access = split_scan(self, s.target.tensor, scan, extents)
            nests += self.statement(first)
            query = replace(query, value=_replace(query.value, {scan: access}), program=self.program)
        choice = choose_order(query)
        conversions, replaced = self.convert(query, choice)
        self.explain_order(s, choice)
        self.nesting, self.extents = Nesting(choice.order, choice.space), extents
        decl = self.program.tensor(s.target.tensor)
        self.fill = None if self.exists(decl.name) else scalar(decl.fill, decl.dtype).item()
        value, self.carries = carry(_replace(query.value, replaced), self.carry)
        depends = choice.space.depends(*s.target.indices)
        free = [v for v in choice.order[1:] if v in depends]
        if not may_see_itself(s, step):
            return nests + conversions, self.foralls(free, self.leaf(s.target, s.op, value))
        work = self.fresh_work()
        names = [v for v in mentioned(*s.target.indices) if v != step]
        access = Access(work, tuple(Index(v) for v in names), s.target.dtype)
        producer = self.foralls(free, self.leaf(access, "=", value))
        consumer: loops.Stmt = Accumulate(s.target, s.op, access)
        for v in reversed(names):
            consumer = Forall(v, Full(extents[v]), consumer)
        shape = tuple(WorkIndex(v, Full(extents[v])) for v in names)
        zero = s.target.dtype.np.type(0).item()
        return nests + conversions, Workspace(work, s.target.dtype, shape, "dense", zero, producer, consumer)

    def keys(self, top: Top, extents: dict[str, Extent]) -> tuple[list[loops.Stmt], Top, tuple[str, ...]]:
        """Get ready to compute the keys of a selection: what goes first, the selection then, the order of its loops.

        It is as a reduction over its groups' indices, inside the fibre's.
        """
        t = top.key.dtype
        groups = tuple(g for g, _ in top.groups)
        fibre = tuple(v for v in extents if v in names_in(top) and v not in groups)
        key = top.key if top.where is None else guard(top.where, top.key, 0)
        stand_in = TensorDecl("", t, tuple(extents[v] for v in fibre), dense(len(fibre)), t.np.type(0).item(), "local")
        target = Access("", tuple(Index(v) for v in fibre), t)
        nests: list[loops.Stmt] = []
        while (scan := next((n for n in walk(key) if isinstance(n, Scan)), None)) is not None:
            first, access = split_scan(self, "top", scan, extents)
            nests += self.statement(first)
            top, key = _replaced(top, {scan: access}), _replace(key, {scan: access})
        query = self.query(target, Reduce("max", groups, key, t), extents, free_first=True)
        query = replace(query, program=replace(self.program, tensors=(*self.program.tensors, stand_in)))
        query = replace(query, whole=(*fibre, *groups))
        choice = choose_order(query)
        conversions, replaced = self.convert(query, choice)
        self.nesting, self.extents = Nesting(choice.order, choice.space), extents
        self.fill, self.carries = None, {}
        return nests + conversions, _replaced(top, replaced), choice.order

    def offer(self, place: Access, top: Top) -> loops.Stmt:
        """Offer the key of a point to a list that keeps the greatest."""
        step = self.leaf(place, "=", top.key)
        return step if top.where is None else self.guard([*conjuncts(top.where)], step)

    def width(self) -> DType:
        """In what the levels of locals count."""
        return widest(self.program)

    def fresh_index(self, hint: str, extents: Collection[str]) -> str:
        """A name for a loop that no tensor and no index variable has."""
        taken = {t.name for t in self.program.tensors}.union(extents)
        while hint in taken:
            hint += "o"
        return hint

    def query(self, target: Access, value: Expr, extents: dict[str, Extent], free_first: bool) -> Query:
        reduced = tuple(v for n in walk(value) if isinstance(n, Reduce) for v in n.indices)
        return Query(self.program, value, target, reduced, extents, free_first)

    # reductions inside larger expressions

    def split_cost(self, s: Assign, value: Expr, inner: list[Reduce], extents: dict[str, Extent]) -> float:
        """Estimated cost of computing each inner reduction into a temporary first."""
        total = 0.0
        saved = self.program
        replaced: dict[Expr, Expr] = {}
        for r in inner:
            decl, access = self.temporary(s, r, extents)
            total += choose_order(self.query(access, around(value, r), extents, free_first=False)).cost
            replaced[r] = access
        rest = _replace(value, replaced)
        total += choose_order(self.query(s.target, rest, extents, free_first=True)).cost
        self.program = saved
        return total

    def temporary(self, s: Assign, r: Reduce, extents: dict[str, Extent]) -> tuple[TensorDecl, Access]:
        """A local for the value of ``r`` over the free variables it uses."""
        free = [e for e in s.target.indices if isinstance(e, Index)]
        used = names_in(r)
        names = [e.name for e in free if e.name in used]
        dims = tuple(extents[v] for v in names)
        sparse = is_sparse(self.program.tensor(s.target.tensor)) and self.annihilates(r)
        fmt = self.sparse_format(names, r) if sparse and names else dense(len(names))
        fill = self.nothing(r)
        decl = self.local("t", TensorDecl("t", r.dtype, dims, fmt, fill, "local"))  # type: ignore[arg-type]
        return decl, Access(decl.name, tuple(Index(v) for v in names), r.dtype)

    def sparse_format(self, names: list[str], value: Expr) -> Format:
        """The format of a sparse temporary for ``value`` over ``names``, its indices as wide as any of the program's.

        It is csr for a matrix whose rows some operand stores all of, so that they are paid for; else compressed.
        """
        paid = set()
        for a in walk(value):
            if isinstance(a, Access):
                fmt = self.program.tensor(a.tensor).format
                assert fmt is not None
                for c, spec in zip(fmt.coords, fmt.levels, strict=True):
                    e = a.indices[c.digit.dim] if c.digit is not None and c.digit.whole else None
                    if isinstance(e, Index) and spec.type.full:
                        paid.add(e.name)
        kind = "csr" if len(names) == 2 and names[0] in paid else "sparse"
        width = widest(self.program)
        return named_format(kind, len(names)).concrete(width, width)

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
        return absent_value(e, self.fills(e), self.program.monoids)

    def fills(self, e: Expr) -> dict[Expr, Expr]:
        out: dict[Expr, Expr] = {}
        for n in walk(e):
            if isinstance(n, Access) and is_sparse(self.program.tensor(n.tensor)):
                t = self.program.tensor(n.tensor)
                out[n] = Literal(t.fill, t.dtype, fill=True)
        return out

    def split(self, s: Assign, value: Expr, inner: list[Reduce], extents: dict[str, Extent]) -> list[loops.Stmt]:
        nests: list[loops.Stmt] = []
        replaced: dict[Expr, Expr] = {}
        for r in inner:
            decl, access = self.temporary(s, r, extents)
            self.notes.append(
                f"{s.target.tensor}: a reduction over {', '.join(r.indices)} goes first, into '{decl.name}'"
            )
            indices = tuple(IndexDecl(v, e) for v, e in extents.items())
            nests += self.statement(Assign(access, "=", around(value, r), indices))
            replaced[r] = access
        indices = tuple(IndexDecl(v, e) for v, e in extents.items())
        return nests + self.statement(replace(s, value=_replace(value, replaced), indices=indices), True)

    # expressions with too many cases

    def part_to_split(self, value: Expr) -> Expr | None:
        """The largest part of ``value`` worth a temporary, if merging everything at once takes too much code."""
        if self.merge_cases(value) <= MAX_CASES:
            return None
        best: tuple[float, Expr] | None = None
        for e in walk(value):
            if not isinstance(e, Map) or e == value or (isinstance(value, Reduce) and e == value.body):
                continue
            cases = self.merge_cases(e)
            constant = isinstance(self.absent(e), Literal)
            if 1 < cases <= MAX_CASES and constant and (best is None or cases > best[0]):
                best = cases, e
        return best[1] if best else None

    def merge_cases(self, e: Expr) -> float:
        """About how many bodies a merge of the operands of ``e`` emits: (levels + 1) ** (operands that may lack)."""
        depth = 1
        for n in walk(e):
            if isinstance(n, Access) and is_sparse(self.program.tensor(n.tensor)):
                fmt = self.program.tensor(n.tensor).format
                assert fmt is not None
                depth = max(depth, sum(not s.type.full for s in fmt.levels))

        def present(e: Expr) -> float:
            if isinstance(e, Access | Stored):
                return 1.0
            if isinstance(e, Reduce | Scan):
                return present(e.body)
            if not isinstance(e, Map) or not any(a in sparse for a in walk(e)):
                return 0.0
            counts = [present(a) for a in e.args]
            if e.op in ("mul", "and", "bitand") or split(e) is not None:
                return math.prod(max(1.0, c) for c in counts)
            return math.prod(c + 1.0 for c in counts) - 1.0

        sparse = set(self.fills(e))
        return float((depth + 1) ** math.log2(present(e) + 1.0))

    def split_part(self, s: Assign, value: Expr, part: Expr, extents: dict[str, Extent]) -> list[loops.Stmt]:
        """``value`` in two statements: ``part`` into a sparse temporary, then the rest."""
        used = names_in(part)
        names = [v for v in extents if v in used]
        fill = self.absent(part)
        assert isinstance(fill, Literal)
        dims = tuple(extents[v] for v in names)
        fmt = self.sparse_format(names, part) if names else dense(0)
        decl = self.local("t", TensorDecl("t", part.dtype, dims, fmt, fill.value, "local"))  # type: ignore[arg-type]
        access = Access(decl.name, tuple(Index(v) for v in names), part.dtype)
        self.notes.append(
            f"{s.target.tensor}: too many sparse operands to merge at once, so a part goes first, into '{decl.name}'"
        )
        indices = tuple(IndexDecl(v, e) for v, e in extents.items())
        first = self.statement(Assign(access, "=", part, indices))
        rest = replace(s, value=_replace(value, {part: access}), indices=indices)
        return first + self.statement(rest, True)

    # conversions

    def convert(self, query: Query, choice: Choice) -> tuple[list[loops.Stmt], dict[Expr, Expr]]:
        """Locals that hold the converted accesses' tensors in the order of the loops."""
        nests: list[loops.Stmt] = []
        replaced: dict[Expr, Expr] = {}
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
            replaced[access] = Access(done[key].name, access.indices, access.dtype)
        return nests, replaced

    # nests

    def nest(self, target: Access, op: str, value: Expr, choice: Choice, extents: dict[str, Extent]) -> loops.Stmt:
        decl = self.program.tensor(target.tensor)
        space = choice.space
        self.nesting, self.extents = Nesting(choice.order, space), extents
        free = space.depends(*target.indices)
        summed: frozenset[str] = frozenset()
        body, monoid = value, None
        self.fill = scalar(decl.fill, decl.dtype).item()
        if isinstance(value, Reduce) and op in ("=", value.monoid) and self.tuple_state(value) is None:
            body, monoid = value.body, value.monoid
            summed = space.loops_of(value.indices)
        order = [v for v in choice.order if v in free or v in summed]
        body, self.carries = carry(body, self.carry)
        if not is_sparse(decl):
            exists = self.exists(target.tensor)
            keeps = op != "=" or any(isinstance(n, Access) and n.tensor == target.tensor for n in walk(value))
            method = "update" if exists and keeps else "insert"
            stmt = self.into_dense(target, op, order, free, summed, body, monoid, extents)
            # What loops over diagonals write is apart, but not by an index that says so.
            diagonal = any(order[0] in c.needs for c in space.computed) if order else False
            parallel = bool(order) and order[0] in free - summed and not diagonal
            return Assemble(target.tensor, method, _mark_parallel(stmt) if parallel else stmt)
        query = self.query(target, value, extents, free_first=False)
        loose = loose_loops(query, space, order, ()).walked
        # Loops that run backwards bring no entries in order.
        ahead = [*takewhile(lambda v: not any(c.scan.reverse for c in self.carries.get(v, ())), order)]
        found, matched = result_prefix(query, space, ahead, loose)
        prefix = list(found)
        head = order[: len(order) - len(_trailing(order, free))]
        levels = space.level_names(self.program, target)
        known = decl.role == "values"
        if not prefix and not self.carries and not set(head) & summed and can_scatter(decl, levels, head, loose):
            stmt = self.foralls(head, self.fold_tail(target, "=", order[len(head) :], body, monoid))
            if known:
                self.notes.append(f"{target.tensor}: filled, each entry where its pattern has it")
                return Assemble(target.tensor, "fill", stmt)
            if repeatable(stmt):
                self.notes.append(
                    f"{target.tensor}: assembled by scatter: the loops bring each parent's entries in order"
                )
                return Assemble(target.tensor, "scatter", stmt)
        stmt, how = self.into_sparse(target, order, prefix, matched, free, body, monoid, extents)
        assert decl.format is not None
        rows = matched >= len(levels) - 1
        counted = rows or must_count(decl.format.levels[-1].type)
        countable = counted and self.countable(decl) and repeatable(stmt)
        method = "fill" if known else "count" if countable else "append"
        done = "filled, its pattern being there" if known else f"assembled by {method}"
        self.notes.append(f"{target.tensor}: {done}{how}")
        parallel = countable and rows and len(levels) > 1
        return Assemble(target.tensor, method, _mark_parallel(stmt) if parallel else stmt)

    def countable(self, decl: TensorDecl) -> bool:
        """Full levels above one appendable last level: rows that can be counted, or filled, each alone."""
        assert decl.format is not None
        kinds = [s.type for s in decl.format.levels]
        return (
            (len(kinds) > 1 or isinstance(kinds[-1], CanInsert))
            and all(k.full for k in kinds[:-1])
            and isinstance(kinds[-1], CanAppend)
            and not kinds[-1].branchless
            and not kinds[-1].append_only
        )

    def into_dense(
        self,
        target: Access,
        op: str,
        order: list[str],
        free: frozenset[str],
        summed: frozenset[str],
        body: Expr,
        monoid: str | None,
        extents: dict[str, Extent],
    ) -> loops.Stmt:
        last = self.nesting.space.domains[order[-1]] if order else None
        if isinstance(last, Full) and monoid is not None and not self.carries:
            conditions, core = strip(body, lambda g: order[-1] not in self.needs(g) and not reduces(g.condition))
            panel = find_panel(self.program, target, order, free, core, monoid, last.extent)
            if panel is not None:
                return self.panel(target, op, panel, conditions, core, monoid, extents)
        tail = _trailing(order, free)
        head = order[: len(order) - len(tail)]
        if op == "=" and monoid is not None and not summed.isdisjoint(head):
            op = monoid
        leaf = self.fold_tail(target, op, tail, body, monoid)
        return self.foralls(head, leaf)

    def panel(
        self,
        target: Access,
        op: str,
        p: Panel,
        conditions: list[Expr],
        body: Expr,
        monoid: str,
        extents: dict[str, Extent],
    ) -> loops.Stmt:
        """``target op= body folded by monoid`` where ``conditions`` hold, with a stretch of the target in registers."""
        chunk = f"{p.index}o"
        while chunk in extents:
            chunk += "o"
        domain = Chunk(chunk, p.size, Full(extents[p.index]))
        work = self.fresh_work()
        access = Access(work, (Index(p.index),), target.dtype)
        step = Forall(p.index, domain, Accumulate(access, monoid, body), vector=p.lanes)
        write = Forall(p.index, domain, Accumulate(target, op, access), vector=p.lanes)
        producer = self.foralls(list(p.inner), guarded(conditions, step))
        init = ops.MONOIDS[monoid].identity(target.dtype)
        shape = (WorkIndex(p.index, domain),)
        stmt = Workspace(work, target.dtype, shape, "registers", init, producer, write, monoid)  # type: ignore[arg-type]
        self.notes.append(
            f"{target.tensor}: panels of {p.size} along {p.index} stay in registers over {', '.join(p.inner)}"
        )
        return self.foralls(list(p.outer), Forall(chunk, Chunks(extents[p.index], p.size), stmt))

    def into_sparse(
        self,
        target: Access,
        order: list[str],
        prefix: list[str],
        matched: int,
        free: frozenset[str],
        body: Expr,
        monoid: str | None,
        extents: dict[str, Extent],
    ) -> tuple[loops.Stmt, str]:
        rest = order[len(prefix) :]
        decl = self.program.tensor(target.tensor)
        assert decl.format is not None
        coords = [c for c in decl.format.coords[matched:] if not c.constant]
        if not coords and not any(v in free for v in rest):
            leaf = self.fold_tail(target, "=", rest, body, monoid)
            return self.foralls(prefix, leaf), ""
        # The workspace has a dimension for each level that is left; the consumer's loops are those of the result alone.
        space = make_space(self.program, [target], {v: extents[v] for v in mentioned(*target.indices)})
        names = [space.level_name(c, target) for c in coords]
        keys = tuple(level_expr(c, decl.dims, target.indices) for c in coords)
        single = len(coords) == 1 and keys[0] == Index(names[0])
        kind = "bitmap" if single and not self.is_long(target) else "list"
        fold = monoid or "add"
        init = ops.MONOIDS[fold].identity(target.dtype) if monoid else decl.fill
        work = self.fresh_work()
        access = Access(work, keys, target.dtype)
        tail = _trailing(rest, free)
        head = rest[: len(rest) - len(tail)]
        leaf = self.fold_tail(access, monoid or "=", tail, body, monoid)
        producer = self.foralls(head, leaf)
        consumer = Nesting((*prefix, *names), space).foralls(names, Accumulate(target, "=", access))
        windex = tuple(WorkIndex(v, _level_domain(c, decl.dims)) for v, c in zip(names, coords, strict=True))
        stmt = Workspace(work, target.dtype, windex, kind, init, producer, consumer, fold)  # type: ignore[arg-type]
        return self.foralls(prefix, stmt), f", through a {kind} workspace over {', '.join(names)}"

    def is_long(self, target: Access) -> bool:
        """Whether the last level of a result has 64-bit coordinates: a workspace with a place for each may not fit."""
        fmt = self.program.tensor(target.tensor).format
        assert fmt is not None
        crd = fmt.levels[-1].type.arrays().get("crd")
        return crd is not None and crd.bits == 64

    def fresh_work(self) -> str:
        taken = {t.name for t in self.program.tensors}
        n = 1
        while f"w{n}" in taken or f"w{n}" in self.works:
            n += 1
        self.works.add(f"w{n}")
        return f"w{n}"

    def fold_tail(self, target: Access, op: str, tail: list[str], body: Expr, monoid: str | None) -> loops.Stmt:
        """``target op= fold of body over tail``, through a scalar if there is anything to fold."""
        if not tail:
            return self.leaf(target, op, body)
        assert monoid is not None
        conditions, body = strip(body, lambda g: self.needs(g).isdisjoint(tail) and self.is_nothing(g, op))
        if conditions:
            return self.guard(conditions, self.fold_tail(target, op, tail, body, monoid))
        work = self.fresh_work()
        access = Access(work, (), body.dtype)
        producer = self.foralls(tail, self.leaf(access, monoid, body))
        init = ops.MONOIDS[monoid].identity(body.dtype)
        return Workspace(work, body.dtype, (), "scalar", init, producer, Accumulate(target, op, access), monoid)  # type: ignore[arg-type]

    def leaf(self, target: Access, op: str, body: Expr, place: Expr | None = None) -> loops.Stmt:
        """``target op= body``, each reduction inside it folded into a scalar first, where its guards hold."""
        conditions, body = strip(body, lambda g: self.is_nothing(g, op))
        match body:
            case Map("select", (condition, value, otherwise)) if op == "=" and otherwise == target:
                return self.guard([*conditions, condition], self.leaf(target, op, value))
        return self.guard(conditions, self.folded(body, partial(_accumulate, target, op, place)))

    def guard(self, conditions: list[Expr], body: loops.Stmt) -> loops.Stmt:
        """``body`` where all of ``conditions`` hold."""
        for c in reversed(conditions):
            body = self.folded(c, partial(_guard, body))
        return body

    def folded(self, e: Expr, use: Callable[[Expr], loops.Stmt]) -> loops.Stmt:
        """``use`` of ``e`` with its reductions in scalars, which are folded first."""
        inner = _outermost_reductions(e)
        if not inner:
            return use(e)
        r = inner[0]
        work = self.fresh_work()
        access = Access(work, (), r.dtype)
        inside = sorted(self.nesting.space.loops_of(r.indices), key=self.nesting.order.index)
        m = self.tuple_state(r)
        monoid = r.monoid if m is None else m.name
        at = None if m is None or m.place is None else _place(r.indices, self.extents)
        step = self.leaf(access, monoid, r.body, at)
        if r.where is not None:
            step = self.guard([*conjuncts(r.where)], step)
        producer = self.foralls(inside, step)
        consumer = self.folded(_replace(e, {r: access}), use)
        return Workspace(work, r.dtype, (), "scalar", self.nothing(r), producer, consumer, monoid)  # type: ignore[arg-type]

    def foralls(self, names: list[str], body: loops.Stmt) -> loops.Stmt:
        """Loops over ``names`` around what computes the result; they carry the scans over them."""
        for v in reversed(names):
            if v in self.carries:
                body = carrying(self.carries[v], Full(self.extents[v]), body, self.update)
            else:
                body = self.nesting.foralls([v], body)
        return body

    def update(self, c: Carry) -> loops.Stmt:
        """One step of a scan."""
        step = self.leaf(c.work, c.monoid, c.scan.body)
        return step if c.scan.where is None else self.guard([*conjuncts(c.scan.where)], step)

    def carry(self, scan: Scan) -> Carry:
        """The scalar that stands for a scan."""
        m = self.tuple_state(scan)
        work = Access(self.fresh_work(), (), scan.dtype)
        return Carry(work, scan, scan.monoid if m is None else m.name, self.nothing(scan))

    def needs(self, found: Split) -> frozenset[str]:
        """The loops on which the condition of a guard depends."""
        works = {n.tensor for n in walk(found.condition) if isinstance(n, Access)}
        carried = {v for v, cs in self.carries.items() if any(c.work.tensor in works for c in cs)}
        return self.nesting.space.depends(found.condition) | carried

    def is_nothing(self, found: Split, op: str) -> bool:
        """Whether an update ``op=`` with what a guard leaves does nothing: targets begin as their fill."""
        if op != "=" and op not in ops.MONOIDS:
            return False
        begin = self.fill if op == "=" else ops.MONOIDS[op].identity(found.value.dtype)
        return same_value(begin, found.otherwise.value)

    # checks and words

    def check_fill(self, target: TensorDecl, s: Assign, value: Expr) -> None:
        """A sparse result must declare the fill that the statement computes."""
        if not is_sparse(target) or target.role == "local":
            return
        computed = self.absent(value)
        if isinstance(computed, Literal) and not same_value(computed.value, scalar(target.fill, target.dtype).item()):
            raise FormatError(
                f"result '{target.name}' has fill {target.fill}, but where no operand has an entry the statement gives "
                f"{computed.value}",
                span=s.span,
                hint=f"declare it with fill({computed.value}), or make it dense",
            )

    def explain_order(self, s: Assign, choice: Choice) -> None:
        order = ", ".join(choice.order) or "(no loops)"
        self.notes.append(
            f"{s.target.tensor}: loop order {order} (cheapest of {choice.candidates} topological orders, "
            f"estimated {choice.cost:.3g} steps)"
        )


def widest(program: Program) -> DType:
    """i32, or i64 where a level of the program counts in more: extents and entries may then be past 2**31."""
    formats = [t.format for t in program.tensors if t.format is not None]
    arrays = [a for fmt in formats for spec in fmt.levels for a in spec.type.arrays().values()]
    return I32 if all(np.iinfo(a.np).max <= np.iinfo(np.int32).max for a in arrays) else I64


def reordered(fmt: Format, order: tuple[int, ...], width: DType) -> Format:
    """A format like ``fmt`` whose levels store the dimensions in ``order``; new levels count in ``width``."""
    kinds = [k if k.full or copyable(k) else Compressed() for k in level_kinds(fmt)]
    below = False
    for k in kinds:
        if k.full and below:
            kinds = [Compressed()] * len(kinds)
            break
        below = below or not k.full
    return from_levels(None, tuple(kinds), order).concrete(width, width)


def must_count(level: Level) -> bool:
    """Whether a result's level says where an entry goes, but not before it knows how many there are."""
    return isinstance(level, CanAppend) and isinstance(level, CanInsert) and level.needs_counts


def copyable(level: Level) -> bool:
    """Whether a level can hold any pattern, in order and without gaps: what a copy is made in."""
    plain = isinstance(level, CanAppend) and isinstance(level, CanIterate)
    return plain and level.searchable and level.compact and level.room is None


def factor(e: Expr) -> Expr:
    """Pull out of sums of products what the summed variables do not touch, part independent sums, merge nested ones.

    ``sum[k](s * x[k])`` becomes ``s * sum[k](x[k])``: what the implicit sum of ``S[i,j] * X[i,k] * Y[j,k]`` means.
    Conditions count as factors, bools among numbers; those that a sum does not touch stay in it all the same, for it
    need not run where they fail.
    """
    new = push(map_children(e, factor))
    if not isinstance(new, Reduce):
        return new
    plain = new.monoid in ops.MONOIDS and ops.MONOIDS[new.monoid].op is not None
    if plain and isinstance(new.body, Reduce) and new.body.monoid == new.monoid and new.body.dtype == new.dtype:
        return factor(replace(new, indices=(*new.indices, *new.body.indices), body=new.body.body))
    if new.monoid != "add" or new.dtype is BOOL:
        return new
    conditions, product = strip(new.body, lambda g: g.otherwise.value == 0)
    outside, groups = _independent([*conditions, *_factors(product)], set(new.indices))
    kept = [c for c in outside if c.dtype is BOOL]
    one = Literal(scalar(1, new.dtype).item(), new.dtype)
    outside = [f for f in outside if f.dtype is not BOOL and f != one]
    if not groups or len(groups) + bool(outside) < 2:
        return new
    sums: list[Expr] = []
    left = list(new.indices)  # a variable that nothing uses multiplies by its extent: the first sum keeps it
    for n, inside in enumerate(reversed(groups), 1):
        used = set[str]().union(*map(names_in, inside))
        indices = tuple(v for v in left if v in used or n == len(groups))
        left = [v for v in left if v not in indices]
        inside = [*kept, *inside] if n == len(groups) else inside
        sums.insert(0, factor(replace(new, indices=indices, body=_product(inside, one))))
    return _product([*outside, *sums], one)


def _independent(factors: list[Expr], bound: set[str]) -> tuple[list[Expr], list[list[Expr]]]:
    """The factors that no bound variable touches, and the others in groups that share no bound variable."""
    outside: list[Expr] = []
    groups: list[tuple[set[str], list[Expr]]] = []
    for f in factors:
        names = bound & names_in(f)
        if not names:
            outside.append(f)
            continue
        touched = [g for g in groups if g[0] & names]
        groups = [g for g in groups if not g[0] & names]
        names = names.union(*(g[0] for g in touched))
        groups.append((names, [*(e for g in touched for e in g[1]), f]))
    return outside, [g[1] for g in groups]


def _factors(e: Expr) -> list[Expr]:
    if isinstance(e, Map) and e.op == "mul":
        return _factors(e.args[0]) + _factors(e.args[1])
    return [e]


def _product(factors: list[Expr], one: Literal) -> Expr:
    """The product of the numbers among ``factors``, where the bools among them hold."""
    numbers = [f for f in factors if f.dtype is not BOOL] or [one]
    out = reduce(lambda a, b: Map("mul", (a, b), a.dtype), numbers)
    for c in reversed([f for f in factors if f.dtype is BOOL]):
        out = guard(c, out, 0)
    return out


def _replace(e: Expr, table: dict[Expr, Expr]) -> Expr:
    if e in table:
        return table[e]
    return map_children(e, lambda c: _replace(c, table))


def _replaced(top: Top, table: dict[Expr, Expr]) -> Top:
    where = None if top.where is None else _replace(top.where, table)
    return replace(top, key=_replace(top.key, table), where=where)


def _outermost_reductions(e: Expr) -> list[Reduce]:
    if isinstance(e, Reduce):
        return [e]
    out: list[Reduce] = []
    for a in e.args if isinstance(e, Map) else (e.body,) if isinstance(e, Scan) else ():
        out += [r for r in _outermost_reductions(a) if r not in out]
    return out


def _place(indices: tuple[str, ...], extents: dict[str, Extent]) -> Expr:
    """The number of a point among those of ``indices``, row-major."""
    place: Expr = Index(indices[0])
    for v in indices[1:]:
        place = combine("add", combine("mul", place, extent_expr(extents[v])), Index(v))
    return place


def _level_domain(coord: Coord, dims: tuple[Extent, ...]) -> loops.Domain:
    """What the coordinate of a level runs over."""
    parts = tuple(digit_domain(d, dims[d.dim]) for _, d in coord.terms)
    return parts[0] if len(parts) == 1 else Span(parts)


def _accumulate(target: Access, op: str, place: Expr | None, value: Expr) -> loops.Stmt:
    return Accumulate(target, op, value, place)


def _guard(body: loops.Stmt, condition: Expr) -> loops.Stmt:
    return Guard(condition, body)


def _trailing(order: list[str], free: frozenset[str]) -> list[str]:
    """The reduced variables after the last free one."""
    n = len(order)
    while n and order[n - 1] not in free:
        n -= 1
    return order[n:]


def _mark_parallel(stmt: loops.Stmt) -> loops.Stmt:
    if isinstance(stmt, Guard):
        return replace(stmt, body=_mark_parallel(stmt.body))
    return replace(stmt, parallel=0) if isinstance(stmt, Forall) and not stmt.ordered else stmt
