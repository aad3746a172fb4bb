"""Symmetric formats written out: what is stored once is read twice, and written once.

A tensor of a ``symmetric`` format becomes one of its lower half, ``L``, and its reads the sum of the half, diagonal and
all, and of the transpose of the strict part; or, where the fill is not 0, a choice between them::

    S[i, j]                   => L[i, j] + guard(i < j, L[j, i], 0)
    S[i, j], fill(z)          => select(i >= j, L[i, j], L[j, i])
    stored(S[i, j])           => stored(L[i, j]) or stored(L[j, i])      each in the lower half
    sum[j](S[i, j] * x[j])    => sum[j](L[i, j] * x[j]) + sum[j](guard(i < j, L[j, i] * x[j], 0))
    y[i] = that               => y[i] = the first sum;  y[i] += the second
    S[i, j] * T[i, j]         => L[i, j] * M[i, j] + guard(i < j, L[j, i] * M[j, i], 0)
    sum[k](S[i, k] * T[k, j]) => sum[k](S_whole[i, k] * T_whole[k, j])      S_whole[i, j] = S[i, j] etc. before

So each half is walked as it is stored: SpMV goes along the rows twice, gathering and then scattering, and nothing is
transposed.  (SySTeC, Patel, Ahrens, Amarasinghe, CGO 2025, does so in one traversal.)  Where halves of other places
meet in a product, their terms double with each factor, and most of them want a transposed half anyway: there a copy
is less work, for the compiler, too.

A result is computed where ``i >= j``, and there no half is read across: of ``A[i, j] + B[i, j]`` the lower halves are
added, and of the four terms of ``A[i, k] * B[k, j]`` the one under ``i < k`` and ``k < j`` is gone (``implied.py``).
That the other half is its mirror must be plain from the statement: exchanging the two indices gives the same
expression, but for the order of operands and the names of summed indices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, permutations, product

from sparsec.errors import FormatError, UnsupportedError
from sparsec.formats.named import dim_names
from sparsec.ir.dtypes import BOOL
from sparsec.ir.monoids import definition
from sparsec.ir.rewrite import map_children, postwalk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Expr,
    Index,
    IndexDecl,
    Map,
    Program,
    Reduce,
    ScanLoop,
    Stmt,
    Stored,
    TensorDecl,
    assigns,
    with_names,
)  # fmt: skip
from sparsec.ir.variables import is_plain, mentioned
from sparsec.passes.lower.fills import check_fill
from sparsec.passes.lower.guards import guard, restricted, split
from sparsec.passes.lower.implied import contradict, under
from sparsec.passes.lower.index_names import rename_indices
from sparsec.passes.lower.simplify import absent_value, simplify_expr
from sparsec.passes.names import unused

_COMMUTE = frozenset({"add", "mul", "min", "max", "and", "or", "bitand", "bitor", "eq", "ne"})


def write_out_symmetric(program: Program, notes: list[str]) -> Program:
    """The program with lower halves in the place of symmetric tensors; itself if it has none.

    Copies that it makes are locals whose formats are to be chosen; ``notes`` gets why it made them.
    Raises ``FormatError`` for a symmetric result that its statement does not show to be so.
    """
    mirrored = {t.name: t for t in program.tensors if t.format is not None and t.format.symmetric}
    if not mirrored:
        return program
    halves = tuple(
        replace(t, format=t.format.half) if t.name in mirrored and t.format is not None else t for t in program.tensors
    )
    reads = _Reads(replace(program, tensors=halves), mirrored, notes)
    body: list[Stmt] = []
    for s in program.body:
        if isinstance(s, ScanLoop):
            body.append(replace(s, body=tuple(reads.statement(a, may_copy=False) for a in s.body)))
        else:
            written = reads.statement(s)
            body += reads.copying
            if s.target.tensor in mirrored:
                written = _lower_half(reads.program, s, written, mirrored)
            body += _apart(reads.program, _where_it_holds(reads.program, written))
        for a in assigns((s,)):
            reads.copies.pop(a.target.tensor, None)
    return replace(reads.program, body=tuple(body))


@dataclass(slots=True)
class _Reads:
    """Reads of the tensors ``mirrored`` in one statement after the other; ``sums`` has what was put in their places.

    ``copies`` are the whole copies that hold, ``copying`` the statements that make those of the statement at hand.
    """

    program: Program
    mirrored: dict[str, TensorDecl]
    notes: list[str]
    copies: dict[str, str] = field(default_factory=dict)
    copying: list[Assign] = field(default_factory=list)
    sums: set[Expr] = field(default_factory=set)
    target: str = ""
    order: tuple[str, ...] = ()
    may_copy: bool = True

    def statement(self, s: Assign, may_copy: bool = True) -> Assign:
        self.target, self.order, self.may_copy = s.target.tensor, tuple(i.name for i in s.indices), may_copy
        self.copying = []
        # A sum that becomes several binds no index of the condition any more.
        value, where = (s.value, None) if s.where is None else restricted(s.value, s.where)
        return replace(s, value=self.run(value), where=None if where is None else self.run(where))

    def run(self, e: Expr) -> Expr:
        if isinstance(e, Stored) and e.access.tensor in self.mirrored:
            return self.stored(*self.halves(e.access))
        new = map_children(e, self.run)
        if isinstance(new, Access) and new.tensor in self.mirrored:
            return self.whole(new)
        if isinstance(new, Map) and new.op == "mul" and self.sums.issuperset(new.args):
            return self.product(new)
        if isinstance(e, Reduce) and isinstance(new, Reduce) and new.monoid == "add":
            return self.parted(e, new)
        return new

    def stored(self, here: Access, there: Access) -> Expr:
        """Whether the lower half stores one of two places.  Blocks with an entry are stored whole, some beyond it."""
        if here == there:
            return Stored(here)
        parts: list[Expr] = [Stored(here), Stored(there)]
        fmt = self.mirrored[here.tensor].format
        kinds = [] if fmt is None else [s.type.full for s in fmt.levels]
        if any(full and not all(kinds[:n]) for n, full in enumerate(kinds)):
            lower = (Map("ge", a.indices[-2:], BOOL) for a in (here, there))
            parts = [Map("and", both, BOOL) for both in zip(parts, lower, strict=True)]
        return Map("or", tuple(parts), BOOL)

    def halves(self, a: Access) -> tuple[Access, Access]:
        """The two places that are one, first that whose indices come in the statement's order."""
        *batch, i, j = a.indices
        there = replace(a, indices=(*batch, j, i))
        names = [e.name for e in (i, j) if isinstance(e, Index) and e.name in self.order]
        if len(names) == 2 and names != sorted(names, key=self.order.index):
            return there, a
        return a, there

    def whole(self, a: Access) -> Expr:
        here, there = self.halves(a)
        if here == there:
            return a
        i, j = here.indices[-2:]
        t = self.mirrored[a.tensor]
        if t.fill != 0:
            return Map("select", (Map("ge", (i, j), BOOL), here, there), a.dtype)
        out = Map("or" if a.dtype is BOOL else "add", (here, guard(Map("lt", (i, j), BOOL), there, 0)), a.dtype)
        self.sums.add(out)
        return out

    def product(self, e: Map) -> Expr:
        """A product of two such sums, as one if they are of the same places: then halves meet their like alone."""
        terms = self.terms(e)
        if len(terms) != 2:
            return e
        out = Map("add", tuple(terms), e.dtype)
        self.sums.add(out)
        return out

    def parted(self, e: Reduce, r: Reduce) -> Expr:
        """A sum of products with such a sum among their factors as two; one with several reads whole copies."""
        terms = self.terms(r.body)
        if len(terms) == 2:
            return Map("add", tuple(replace(r, body=t) for t in terms), r.dtype)
        return self.from_copies(e) if len(terms) > 2 and self.may_copy else r

    def from_copies(self, e: Expr) -> Expr:
        """``e``, which has not been written out, with reads of whole copies."""
        if isinstance(e, Stored):
            return self.run(e)
        new = map_children(e, self.from_copies)
        if not isinstance(new, Access) or new.tensor not in self.mirrored:
            return new
        here, there = self.halves(new)
        if here == there or self.mirrored[new.tensor].fill != 0:
            return self.whole(new)
        return replace(new, tensor=self.copy(new.tensor))

    def copy(self, name: str) -> str:
        """A whole copy of a tensor."""
        if name in self.copies:
            return self.copies[name]
        t = self.mirrored[name]
        copy = unused(f"{name}_whole", [t.name for t in self.program.tensors])
        decl = replace(t, name=copy, format=None, role="local", span=None)
        self.program = replace(self.program, tensors=(*self.program.tensors, decl))
        self.copies[name] = copy
        names = dim_names(t.ndim)
        at = tuple(map(Index, names))
        saved, self.order = self.order, tuple(names)
        value = self.whole(Access(name, at, t.dtype))
        self.order = saved
        indices = tuple(IndexDecl(n, d) for n, d in zip(names, t.dims, strict=True))
        self.copying.append(Assign(Access(copy, at, t.dtype), "=", value, indices))
        self.notes.append(
            f"'{name}' is copied whole, into '{copy}': a sum for '{self.target}' multiplies several symmetric "
            "operands, whose halves would make more than two"
        )
        return copy

    def terms(self, e: Expr) -> list[Expr]:
        """The terms of ``e``, up to one more than two: they double with each factor of other places."""
        return list(islice((t for t in self.products(e) if not contradict(self.conditions(t))), 3))

    def products(self, e: Expr) -> Iterator[Expr]:
        if isinstance(e, Map):
            found = split(e)
            if e in self.sums:
                yield from e.args
                return
            if e.op == "mul":
                for args in product(*(self.terms(a) for a in e.args)):
                    yield _lifted(replace(e, args=args))
                return
            if e.op == "neg" or (e.op == "cast" and e.dtype.is_float):
                for a in self.terms(e.args[0]):
                    yield _lifted(replace(e, args=(a,)))
                return
            if found is not None and found.otherwise.value == 0:
                for a in self.terms(found.value):
                    yield replace(e, args=(e.args[0], a, e.args[2]))
                return
        yield e

    def conditions(self, e: Expr) -> Iterator[Expr]:
        """What holds wherever a term is not 0: its guards do, and its halves have entries."""
        found = split(e)
        if found is not None and found.otherwise.value == 0:
            yield found.condition
            yield from self.conditions(found.value)
        elif isinstance(e, Map) and (e.op in ("mul", "neg") or (e.op == "cast" and e.dtype.is_float)):
            for a in e.args:
                yield from self.conditions(a)
        elif isinstance(e, Access) and e.tensor in self.mirrored and self.mirrored[e.tensor].fill == 0:
            yield Map("ge", e.indices[-2:], BOOL)


def _lifted(e: Map) -> Expr:
    """A product (or the like) of guards as a guard of the product: where one fails nothing is computed."""
    for n, a in enumerate(e.args):
        found = split(a)
        if found is not None and found.otherwise.value == 0:
            return guard(found.condition, _lifted(replace(e, args=(*e.args[:n], found.value, *e.args[n + 1 :]))), 0)
    return e


def _where_it_holds(program: Program, s: Assign) -> Assign:
    """The statement without what its condition excludes: of a symmetric result one half alone is computed."""
    value = s.value if s.where is None else under(s.value, s.where)
    return s if value is s.value else replace(s, value=absent_value(value, {}, program.monoids))


def _apart(program: Program, s: Assign) -> list[Stmt]:
    """The statement as a definition and updates, if its value is several sums and its target dense."""
    terms = list(_summands(s.value))
    t = program.tensor(s.target.tensor)
    dense = t.format is not None and t.format.is_dense
    if len(terms) < 2 or not dense or s.op not in ("=", "add") or s.where is not None:
        return [s]
    if any(not isinstance(a, Reduce) or a.monoid != "add" or a.dtype is not t.dtype for a in terms):
        return [s]
    return [replace(s, value=a, op=s.op if n == 0 else "add") for n, a in enumerate(terms)]


def _summands(e: Expr) -> Iterator[Expr]:
    if isinstance(e, Map) and e.op == "add":
        for a in e.args:
            yield from _summands(a)
    else:
        yield e


# results


def _lower_half(program: Program, s: Assign, written: Assign, mirrored: dict[str, TensorDecl]) -> Assign:
    """The statement for the lower half of its target, which is seen to be symmetric.

    Points are exchanged whose places mirror one another: those of ``C[p[i], p[j]]`` are, and the half is of places.
    """
    t = mirrored[s.target.tensor]
    s = rename_indices(s, ())  # no reduction binds what another does
    *batch, row, column = s.target.indices
    if len(mentioned(row)) != 1 or len(mentioned(column)) != 1 or mentioned(row) == mentioned(column):
        raise UnsupportedError(
            f"a symmetric result '{t.name}' at indices that are not each of one variable cannot run yet", span=s.span
        )
    (i,), (j,) = mentioned(row), mentioned(column)
    turn = {i: j, j: i}
    extents = {d.extent for d in s.indices if d.name in turn}
    square = len(extents) == 1 or extents in [{*m.dims[-2:]} for m in mirrored.values()]
    like = _Alike(program, frozenset(mirrored))
    places = square and _renamed(row, turn) == column and all(_renamed(e, turn) == e for e in batch)
    for e in (s.value, s.where):
        if not places or (e is not None and not like.same(simplify_expr(e), simplify_expr(_renamed(e, turn)))):
            raise FormatError(
                f"nothing shows that '{t.name}' is symmetric: with '{i}' and '{j}' exchanged the statement reads "
                "otherwise",
                span=s.span,
                hint="declare it csr, or write a form that is symmetric by itself: (A[i, j] + A[j, i]) / 2",
            )
    if s.where is None and s.op == "=" and is_plain(s.target):
        check_fill(program, program.tensor(t.name), s, written.value)
    lower = Map("ge", (row, column), BOOL)
    return replace(written, where=lower if written.where is None else Map("and", (lower, written.where), BOOL))


def _renamed(e: Expr, names: dict[str, str]) -> Expr:
    """``e`` with other names for variables that no reduction in it binds."""
    return postwalk(e, lambda n: with_names(n, lambda v: names.get(v, v)))


@dataclass(frozen=True, slots=True)
class _Alike:
    """Whether expressions are the same but for the order of operands and the names of summed indices."""

    program: Program
    mirrored: frozenset[str]

    def same(self, a: Expr, b: Expr) -> bool:
        if a == b:
            return True
        if isinstance(a, Map) and isinstance(b, Map):
            if a.op != b.op or a.dtype is not b.dtype:
                return False
            if a.op in _COMMUTE:
                return self._matched(_operands(a), _operands(b))
            return all(map(self.same, a.args, b.args))
        if isinstance(a, Access) and isinstance(b, Access) and a.tensor == b.tensor:
            if a.tensor in self.mirrored:
                *batch, i, j = b.indices
                return a.indices == (*batch, j, i)
            return False
        if isinstance(a, Reduce) and isinstance(b, Reduce):
            return self._summed(a, b)
        return False

    def _matched(self, mine: list[Expr], others: list[Expr]) -> bool:
        for a in mine:
            at = next((n for n, b in enumerate(others) if self.same(a, b)), None)
            if at is None:
                return False
            del others[at]
        return not others

    def _summed(self, a: Reduce, b: Reduce) -> bool:
        if a.monoid != b.monoid or len(a.indices) != len(b.indices) or len(a.indices) > 4:
            return False
        if (a.where is None) != (b.where is None):
            return False
        m = definition(a.monoid, self.program.monoids)
        any_order = m is None or not (m.ordered or m.place)
        for order in permutations(a.indices) if any_order else (a.indices,):
            names = dict(zip(b.indices, order, strict=True))
            body, where = _renamed(b.body, names), None if b.where is None else _renamed(b.where, names)
            if self.same(a.body, body) and (a.where is None or where is None or self.same(a.where, where)):
                return True
        return False


def _operands(e: Map) -> list[Expr]:
    """The operands of a sum, of a sum of sums and so on; of a comparison its two."""
    if e.op in ("eq", "ne"):
        return [*e.args]
    return [b for a in e.args for b in (_operands(a) if isinstance(a, Map) and a.op == e.op else [a])]


__all__ = ["write_out_symmetric"]
