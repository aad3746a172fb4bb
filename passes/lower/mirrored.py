"""Symmetric formats written out: what is stored once is read twice, and written once.

A tensor of a ``symmetric`` format becomes one of its lower half, ``L``, and its reads the sum of the half, diagonal and
all, and of the transpose of the strict part; or, where the fill is not 0, a choice between them::

    S[i, j]                   => L[i, j] + guard(i < j, L[j, i], 0)
    S[i, j], fill(z)          => select(i >= j, L[i, j], L[j, i])
    stored(S[i, j])           => stored(L[i, j]) or stored(L[j, i])
    sum[j](S[i, j] * x[j])    => sum[j](L[i, j] * x[j]) + sum[j](guard(i < j, L[j, i] * x[j], 0))
    y[i] = that               => y[i] = the first sum;  y[i] += the second

So each half is walked as it is stored: SpMV goes along the rows twice, gathering and then scattering, and nothing is
transposed.  (SySTeC, Patel, Ahrens, Amarasinghe, CGO 2025, does so in one traversal.)

A result is computed where ``i >= j``, and there no half is read across: of ``A[i, j] + B[i, j]`` the lower halves are
added, and of the four terms of ``A[i, k] * B[k, j]`` the one under ``i < k`` and ``k < j`` is gone (``implied.py``).
That the other half is its mirror must be plain from the statement: exchanging the two indices gives the same
expression, but for the order of operands and the names of summed indices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import islice, permutations, product

from sparsec.errors import FormatError, UnsupportedError
from sparsec.ir.dtypes import BOOL
from sparsec.ir.rewrite import map_children
from sparsec.ir.tensor import Access, Assign, Expr, Index, Map, Program, Reduce, ScanLoop, Stmt, Stored, TensorDecl
from sparsec.passes.lower.fills import check_fill
from sparsec.passes.lower.guards import guard, split
from sparsec.passes.lower.implied import under
from sparsec.passes.lower.simplify import absent_value, simplify_expr

MOST = 4
"""Sums into which one sum is parted, at most: two for each factor that is read twice."""

_COMMUTE = frozenset({"add", "mul", "min", "max", "and", "or", "bitand", "bitor", "eq", "ne"})


def write_out_symmetric(program: Program, notes: list[str]) -> Program:
    """The program with lower halves in the place of symmetric tensors; itself if it has none.

    ``notes`` gets which sums stay whole.
    Raises ``FormatError`` for a symmetric result that its statement does not show to be so.
    """
    mirrored = {t.name: t for t in program.tensors if t.format is not None and t.format.symmetric}
    if not mirrored:
        return program
    halves = tuple(
        replace(t, format=t.format.half) if t.name in mirrored and t.format is not None else t for t in program.tensors
    )
    out = replace(program, tensors=halves)
    body: list[Stmt] = []
    for s in program.body:
        if isinstance(s, ScanLoop):
            body.append(replace(s, body=tuple(_Reads(mirrored, notes).statement(a) for a in s.body)))
        else:
            written = _Reads(mirrored, notes).statement(s)
            if s.target.tensor in mirrored:
                written = _lower_half(out, s, written, mirrored)
            body += _apart(out, _where_it_holds(out, written))
    return replace(out, body=tuple(body))


@dataclass(slots=True)
class _Reads:
    """Reads of the tensors ``mirrored``; ``sums`` has what was put in their places."""

    mirrored: dict[str, TensorDecl]
    notes: list[str]
    sums: set[Expr] = field(default_factory=set)
    target: str = ""
    order: tuple[Expr, ...] = ()

    def statement(self, s: Assign) -> Assign:
        self.target, self.order = s.target.tensor, s.target.indices
        where = None if s.where is None else self.run(s.where)
        return replace(s, value=self.run(s.value), where=where)

    def run(self, e: Expr) -> Expr:
        if isinstance(e, Stored) and e.access.tensor in self.mirrored:
            here, there = (Stored(a) for a in self.halves(e.access))
            return here if here == there else Map("or", (here, there), BOOL)
        new = map_children(e, self.run)
        if isinstance(new, Access) and new.tensor in self.mirrored:
            return self.whole(new)
        if isinstance(new, Reduce) and new.monoid == "add":
            return self.parted(new)
        return new

    def halves(self, a: Access) -> tuple[Access, Access]:
        """The two places that are one, first that whose indices come in the order of the target's, if it has both."""
        *batch, i, j = a.indices
        there = replace(a, indices=(*batch, j, i))
        if i in self.order and j in self.order and self.order.index(j) < self.order.index(i):
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

    def parted(self, r: Reduce) -> Expr:
        """A sum of products with such sums among their factors as a sum of sums."""
        terms = self.first(r.body)
        if len(terms) > MOST:
            self.notes.append(
                f"{self.target}: a sum over {', '.join(r.indices)} would be more than {MOST} over halves of symmetric "
                "operands, so it stays one: a statement of its own for some of the factors parts it"
            )
        if not 1 < len(terms) <= MOST:
            return r
        sums: list[Expr] = [replace(r, body=t) for t in terms]
        return reduce(lambda a, b: Map("add", (a, b), r.dtype), sums)

    def first(self, e: Expr) -> list[Expr]:
        """The terms of ``e``, and no more than tell that there are too many: they double with each factor."""
        return list(islice(self.terms(e), MOST + 1))

    def terms(self, e: Expr) -> Iterator[Expr]:
        if isinstance(e, Map):
            found = split(e)
            if e in self.sums:
                yield from e.args
                return
            if e.op == "mul":
                for args in product(*(self.first(a) for a in e.args)):
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
    """The statement for the lower half of its target, which is seen to be symmetric."""
    t = mirrored[s.target.tensor]
    i, j = s.target.indices[-2:]
    if not isinstance(i, Index) or not isinstance(j, Index):
        raise UnsupportedError(
            f"a symmetric result '{t.name}' at indices that are not plain variables cannot run yet", span=s.span
        )
    turn = {i.name: j.name, j.name: i.name}
    like = _Alike(frozenset(mirrored))
    for e in (s.value, s.where):
        if e is not None and not like.same(simplify_expr(e), simplify_expr(_renamed(e, turn))):
            raise FormatError(
                f"nothing shows that '{t.name}' is symmetric: with '{i.name}' and '{j.name}' exchanged the statement "
                "reads otherwise",
                span=s.span,
                hint="declare it csr, or write a form that is symmetric by itself: (A[i, j] + A[j, i]) / 2",
            )
    if s.where is None and s.op == "=":
        check_fill(program, program.tensor(t.name), s, written.value)
    lower = Map("ge", (i, j), BOOL)
    return replace(written, where=lower if written.where is None else Map("and", (lower, written.where), BOOL))


def _renamed(e: Expr, names: dict[str, str]) -> Expr:
    if isinstance(e, Index):
        return Index(names.get(e.name, e.name))
    return map_children(e, lambda c: _renamed(c, names))


@dataclass(frozen=True, slots=True)
class _Alike:
    """Whether expressions are the same but for the order of operands and the names of summed indices."""

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
        for order in permutations(a.indices):
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
