"""The index variables of a statement: which names are some, where each is bound, how far it runs.

A name is an index variable of a statement if it stands alone in a bracket, or in an affine index and is no dimension; a
scalar's name never is.  Variables that a reduction binds get names of their own (``k.1``), so that no later step has to
think of scopes; ``statements.py`` gives them back the names that the text has for them.

An index variable runs over the dimensions that it indexes alone.  One that indexes none alone needs a range in the
condition over it: ``r in 0:3`` is then used up as its extent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sparsec.errors import ShapeError, Span, TypeError_
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.dimensions import Extents
from sparsec.frontends.dsl.names import RESERVED, place
from sparsec.frontends.dsl.symbols import Tensor
from sparsec.frontends.dsl.typing import CONSTANTS
from sparsec.ir.tensor import Extent

Bound = Mapping[str, str]


@dataclass(slots=True)
class Variable:
    """An index variable: ``extent`` is None until something says it, ``first`` and ``first_at`` say what."""

    name: str
    span: Span
    extent: Extent | None = None
    first: str = ""
    first_at: Span | None = None
    offset: int = 0


@dataclass(slots=True)
class Scopes:
    """Collects the index variables of one statement while its parts are walked.

    ``variables`` holds them by name, ``k.1`` for bound ones; ``maybe`` the names of dimensions that stand in affine
    indices, ``reads`` what is read of tensors.
    """

    tensors: Mapping[str, Tensor]
    dims: frozenset[str]
    extents: Extents
    variables: dict[str, Variable] = field(default_factory=dict)
    maybe: dict[str, Span] = field(default_factory=dict)
    reads: list[ast.Subscript | ast.Name] = field(default_factory=list)
    _bound: int = 0

    # names

    def resolve(self, e: ast.Expr, bound: Bound, found: list[str]) -> ast.Expr:
        """``e`` with bound variables renamed; index variables that nothing binds are added to ``found``."""
        match e:
            case ast.Name():
                if e.id in bound:
                    return e._replace(id=bound[e.id])
                self.reads.append(e)
            case ast.Unary():
                return e._replace(arg=self.resolve(e.arg, bound, found))
            case ast.Binary():
                left = self.resolve(e.left, bound, found)
                return e._replace(left=left, right=self.resolve(e.right, bound, found))
            case ast.Between():
                value, lo = self.resolve(e.value, bound, found), self.resolve(e.lo, bound, found)
                return e._replace(value=value, lo=lo, hi=self.resolve(e.hi, bound, found))
            case ast.Call():
                return e._replace(args=tuple(self.resolve(a, bound, found) for a in e.args))
            case ast.Tuple():
                return e._replace(items=tuple(self.resolve(a, bound, found) for a in e.items))
            case ast.Subscript():
                self.reads.append(e)
                return e._replace(indices=self.indices(e.name, e.indices, bound, found))
            case ast.Reduction():
                return self.reduction(e, bound, found)
        return e

    def indices(
        self, tensor: str, indices: tuple[ast.Expr, ...], bound: Bound, found: list[str]
    ) -> tuple[ast.Expr, ...]:
        """The brackets of an access: names alone are index variables, those in affine forms may be."""
        out: list[ast.Expr] = []
        for n, e in enumerate(indices):
            if isinstance(e, ast.Name) and e.id not in self.tensors and e.id not in CONSTANTS:
                name = bound.get(e.id, e.id)
                if name == e.id:
                    self.meet(e, found)
                self.alone(name, tensor, n, e.span)
                out.append(e._replace(id=name))
            else:
                self.affine(e, bound, found)
                out.append(self.resolve(e, bound, found))
        return tuple(out)

    def affine(self, e: ast.Expr, bound: Bound, found: list[str]) -> None:
        """Note the names inside an index that is more than a name."""
        if isinstance(e, ast.Name) and e.id not in bound and e.id not in self.tensors and e.id not in CONSTANTS:
            if e.id in self.dims and e.id not in self.variables:
                self.maybe.setdefault(e.id, e.span)
            else:
                self.meet(e, found)
        if not isinstance(e, ast.Subscript | ast.Reduction):
            for part in ast.parts(e):
                self.affine(part, bound, found)

    def meet(self, e: ast.Name, found: list[str]) -> None:
        """Note a use of an index variable that no reduction binds."""
        if e.id not in self.variables:
            if e.id in RESERVED:
                raise reserved(e)
            self.variables[e.id] = Variable(e.id, e.span)
        if e.id not in found:
            found.append(e.id)

    def reduction(self, e: ast.Reduction, bound: Bound, found: list[str]) -> ast.Reduction:
        names = [self.variable(i, e) for i in e.indices]
        for n, name in enumerate(names):
            if name.id in [m.id for m in names[:n]]:
                raise TypeError_(f"'{e.name}' names '{name.id}' twice", span=name.span, hint="each index once")
        if e.keeps:
            for name in names:
                if name.id not in bound:
                    self.meet(name, found)
            indices = tuple(self.resolve(i, bound, found) for i in e.indices)
            inner = bound
        else:
            fresh = {name.id: self.bind(name) for name in names}
            indices = tuple(name._replace(id=fresh[name.id]) for name in names)
            inner = {**bound, **fresh}
        body = self.resolve(e.body, inner, found)
        where = None if e.where is None else self.resolve(e.where, inner, found)
        if not e.keeps:
            where = self.ranges(where, [inner[n.id] for n in names])
        return e._replace(indices=indices, body=body, where=where)

    def bind(self, name: ast.Name) -> str:
        self._bound += 1
        made = f"{name.id}.{self._bound}"
        self.variables[made] = Variable(name.id, name.span)
        return made

    def variable(self, e: ast.Expr, r: ast.Reduction) -> ast.Name:
        """The name in a reduction's bracket; ``top`` may divide it into groups."""
        if r.name == "top" and isinstance(e, ast.Binary) and e.op == "/":
            size = e.right
            if not isinstance(size, ast.Number) or size.kind != "int" or size.value.real < 1:
                raise TypeError_(
                    "the size of a group is a number, at least 1", span=size.span, hint="write top[j/4: 2](...)"
                )
            e = e.left
        if not isinstance(e, ast.Name):
            raise TypeError_(
                f"the bracket of '{r.name}' holds index variables", span=e.span, hint=f"write {r.name}[k](...)"
            )
        if e.id in self.tensors:
            raise TypeError_(
                f"'{e.id}' is a tensor and cannot be an index variable too",
                span=e.span,
                hint="use another letter for the index",
            )
        if e.id in RESERVED:
            raise reserved(e)
        return e

    # extents

    def alone(self, name: str, tensor: str, n: int, span: Span) -> None:
        """``name`` stands alone at dimension ``n`` of ``tensor``: it runs over it.

        Raises ``ShapeError`` that names both places if it runs over another already.
        """
        t = self.tensors.get(tensor)
        if t is None or n >= t.ndim:
            return  # the access itself is wrong, which typing says better
        v, what = self.variables[name], f"dimension {n + 1} of '{tensor}'"
        if v.extent is None:
            v.extent, v.first, v.first_at = t.dims[n], what, span
            self.extents.call(v.extent, v.name)
        elif not self.extents.unify(v.extent, t.dims[n]):
            assert v.first_at is not None
            one, other = self.extents.find(v.extent), self.extents.find(t.dims[n])
            raise ShapeError(
                f"the index '{v.name}' has two extents: {one} from {v.first} ({place(v.first_at, span)}), "
                f"{other} from {what}",
                span=span,
                hint=f"if {one} and {other} are always equal, write one for both; else use another index",
            )

    def ranges(self, where: ast.Expr | None, names: list[str]) -> ast.Expr | None:
        """What is left of a condition when variables without an extent have taken theirs from it."""
        for name in names:
            v = self.variables[name]
            if v.extent is None and where is not None:
                where = self._range(where, name, v)
        return where

    def _range(self, where: ast.Expr, name: str, v: Variable) -> ast.Expr | None:
        parts = conjuncts(where)
        for at, part in enumerate(parts):
            if not (isinstance(part, ast.Between) and isinstance(part.value, ast.Name) and part.value.id == name):
                continue
            lo, hi = self.bound(part.lo), self.bound(part.hi)
            if not isinstance(lo, int) or hi is None or (lo < 0 and not isinstance(hi, int)):
                raise ShapeError(
                    f"the range of '{v.name}' is its extent: it begins at a number and ends at a number or dimension",
                    span=part.span,
                    hint="a range that begins below 0 must end at a number",
                )
            if lo < 0:
                v.offset, lo, hi = lo, 0, int(hi) - lo
            v.extent, v.first, v.first_at = max(hi, 0) if isinstance(hi, int) else hi, "this range", part.span
            rest = parts[:at] + ([] if lo == 0 else [part]) + parts[at + 1 :]
            return join(rest)
        return where

    def bound(self, e: ast.Expr) -> Extent | None:
        """The number or dimension that an end of a range is."""
        match e:
            case ast.Number(kind="int"):
                return int(e.value.real)
            case ast.Unary(op="-"):
                inner = self.bound(e.arg)
                return -inner if isinstance(inner, int) else None
            case ast.Name() if e.id in self.dims and e.id not in self.tensors and e.id not in self.variables:
                return e.id
            case ast.Binary(op="+" | "-" | "*"):
                a, b = self.bound(e.left), self.bound(e.right)
                if isinstance(a, int) and isinstance(b, int):
                    return a + b if e.op == "+" else a - b if e.op == "-" else a * b
        return None


def reserved(e: ast.Name) -> TypeError_:
    message = f"'{e.id}' is a word of the language and cannot name an index variable"
    return TypeError_(message, span=e.span, hint="use another letter for the index")


def conjuncts(e: ast.Expr | None) -> list[ast.Expr]:
    """The parts of a condition that all must hold."""
    if isinstance(e, ast.Binary) and e.op == "and":
        return conjuncts(e.left) + conjuncts(e.right)
    return [] if e is None else [e]


def join(parts: list[ast.Expr]) -> ast.Expr | None:
    """One condition that holds where all parts do."""
    if not parts:
        return None
    out = parts[0]
    for p in parts[1:]:
        out = ast.Binary("and", out, p, p.span)
    return out
