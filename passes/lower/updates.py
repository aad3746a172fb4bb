"""Updates written out: after this every statement that needs what its target held before says so by itself.

``unfold_updates`` names the versions that a tensor goes through.  By storage of the target, with its state before::

    fresh,  r op= e           => r = e reduced by op             a result begins as the operator's identity
    sparse, C op= e           => C' = C op e                     a new version: the union of patterns is the algebra's
    sparse, C = e where c     => C' = select(stored(C), select(c, e, C), e where c)
    dense,  C op= e           stays: it runs in place
    dense,  x[i] = .. x[j] .. => x_before = x, then x[i] = .. x_before[j] ..     unless only its own place is read

A left side that is more than plain variables is one place for several points, or none, so its first statement stays an
update of the identity, and a later one of a sparse tensor goes through a tensor of what it writes::

    fresh,  H[b[i]] op= e     stays, e reduced by op
    sparse, H[b[i]] op= e     => T[b[i]] op= e,  H' = H op T
    sparse, H[b[i]] = e       => T[b[i]] = e,  S[b[i]] or= true,  H' = select(S, T, H)

A sparse tensor that the caller passes (role "inout") becomes an operand ``C_before`` and the result ``C``; the last
version of a tensor has its name.  A dense one keeps its role: the kernel works in the caller's array.  (The versions
are those of static single assignment: Cytron et al., TOPLAS 1991; a program without branches needs no phi.)

"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL
from sparsec.ir.rewrite import children, map_children
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
    ScanLoop,
    Stmt,
    Stored,
    TensorDecl,
    assigns,
    elsewhere,
)
from sparsec.ir.variables import is_plain, mentioned
from sparsec.passes.lower.guards import guard, restricted
from sparsec.passes.names import unused


def unfold_updates(program: Program) -> Program:
    """The program with its updates written out; itself if there are none.

    Every tensor must have a format.
    """
    writes = Counter(s.target.tensor for s in assigns(program.body))
    first = {s.target.tensor: s for s in reversed([*assigns(program.body)])}
    plain = all(n == 1 and first[t].op == "=" for t, n in writes.items())
    if plain and all(t.role != "inout" for t in program.tensors):
        return program
    return _Unfolding(program, writes).run()


def with_updated(program: Program, names: Iterable[str]) -> Program:
    """The program whose results ``names`` start from what the caller passes: role "inout"."""
    given = frozenset(names)
    tensors = tuple(replace(t, role="inout") if t.name in given else t for t in program.tensors)
    return replace(program, tensors=tensors) if given else program


def continued(program: Program) -> frozenset[str]:
    """The results whose first statement is an update: what a caller passes for them is where they start."""
    first = {s.target.tensor: s.op for s in reversed([*assigns(program.body)])}
    return frozenset(t.name for t in program.results if first.get(t.name, "=") != "=")


def before(name: str) -> str:
    """The usual name of the state of ``name`` before the kernel runs, or before a statement."""
    return f"{name}_before"


@dataclass(slots=True)
class _Unfolding:
    """One program under way: ``current`` has the version of each tensor that statements read now."""

    program: Program
    left: Counter[str]
    tensors: list[TensorDecl] = field(default_factory=list)
    body: list[Stmt] = field(default_factory=list)
    current: dict[str, str] = field(default_factory=dict)
    exists: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)

    def run(self) -> Program:
        self.taken = {t.name for t in self.program.tensors}
        for t in self.program.tensors:
            if t.role == "inout" and _is_sparse(t):
                old = replace(t, name=self.fresh(before(t.name)), role="in")
                self.tensors += [old, replace(t, role="out")]
                self.current[t.name] = old.name
            else:
                self.tensors.append(t)
            if t.role == "inout":
                self.exists.add(t.name)
        for s in self.program.body:
            if isinstance(s, ScanLoop):
                # A recurrence: its statements run point by point, in place.
                self.body.append(replace(s, body=tuple(self.reading(reduced(a)) for a in s.body)))
                self.exists |= {a.target.tensor for a in s.body}
            else:
                self.statement(s)
        return replace(self.program, tensors=tuple(self.tensors), body=tuple(self.body))

    def fresh(self, hint: str) -> str:
        name = unused(hint, self.taken)
        self.taken.add(name)
        return name

    def statement(self, s: Assign) -> None:
        name = s.target.tensor
        t = self.program.tensor(name)
        self.left[name] -= 1
        plain = is_plain(s.target)
        if name not in self.exists:
            self.body.append(self.version(t, self.reading(_started(s, t) if plain else _from_identity(s, t))))
        elif _is_sparse(t) and not plain:
            self.through_places(t, self.reading(reduced(s)))
        elif _is_sparse(t):
            self.body.append(self.version(t, self.reading(_next_version(s, t))))
        else:
            self.in_place(t, self.reading(reduced(s)))
        self.exists.add(name)

    def reading(self, s: Assign) -> Assign:
        """The statement with every read of a tensor's current version."""
        names = {n: v for n, v in self.current.items() if n != v}
        where = None if s.where is None else renamed(s.where, names)
        return replace(s, value=renamed(s.value, names), where=where) if names else s

    def version(self, t: TensorDecl, s: Assign) -> Assign:
        """The statement writing a version of its own: under the tensor's name if it is the last."""
        if not _is_sparse(t):
            return s
        name = t.name
        if self.left[name]:
            name = self.fresh(f"{t.name}_version")
            self.tensors.append(replace(t, name=name, role="local"))
        self.current[t.name] = name
        return replace(s, target=replace(s.target, tensor=name))

    def through_places(self, t: TensorDecl, s: Assign) -> None:
        """An update of a sparse tensor at places that only loops know: first of a tensor that has nothing else."""
        begin = t.fill if s.op == "=" else ops.MONOIDS[s.op].identity(t.dtype)
        written = replace(t, name=self.fresh(f"{t.name}_places"), role="local", fill=begin)  # type: ignore[arg-type]
        self.tensors.append(written)
        target = replace(s.target, tensor=written.name)
        self.body.append(replace(s, target=target))
        indices = tuple(Index(f"c{n}") for n in range(t.ndim))
        old, new = Access(self.current[t.name], indices, t.dtype), Access(written.name, indices, t.dtype)
        if s.op == "=":
            # What is written may be an entry that is not stored: a mask says that it is.
            mask = TensorDecl(self.fresh(f"{t.name}_mask"), BOOL, t.dims, t.format, False, "local")
            self.tensors.append(mask)
            where = None if s.where is None else restricted(s.value, s.where)[1]
            admitted = replace(target, tensor=mask.name, dtype=BOOL)
            self.body.append(replace(s, target=admitted, op="or", value=Literal(True, BOOL), where=where))
            value = Map("select", (Access(mask.name, indices, BOOL), new, old), t.dtype)
        else:
            operator = ops.MONOIDS[s.op].op
            assert operator is not None
            value = Map(operator, (old, new), t.dtype)
        decls = tuple(IndexDecl(i.name, d) for i, d in zip(indices, t.dims, strict=True))
        self.body.append(self.version(t, Assign(Access(t.name, indices, t.dtype), "=", value, decls, span=s.span)))

    def in_place(self, t: TensorDecl, s: Assign) -> None:
        """An update of a dense tensor, through a copy if it reads places that it may have written."""
        if not _reads_only_own_place(s):
            old = self.fresh(before(t.name))
            names = tuple(f"c{n}" for n in range(t.ndim))
            index = tuple(Index(n) for n in names)
            self.tensors.append(replace(t, name=old, role="local"))
            copied = Access(t.name, index, t.dtype)
            decls = tuple(IndexDecl(n, d) for n, d in zip(names, t.dims, strict=True))
            self.body.append(Assign(Access(old, index, t.dtype), "=", copied, decls))
            where = None if s.where is None else renamed(s.where, {t.name: old})
            s = replace(s, value=renamed(s.value, {t.name: old}), where=where)
        self.body.append(s)


def renamed(e: Expr, names: dict[str, str]) -> Expr:
    """``e`` with reads of other tensors."""
    if isinstance(e, Literal):
        return e
    new = map_children(e, lambda c: renamed(c, names))
    return replace(new, tensor=names[new.tensor]) if isinstance(new, Access) and new.tensor in names else new


def _started(s: Assign, t: TensorDecl) -> Assign:
    """The first statement of a tensor as a definition: what it updates is the operator's identity."""
    if s.op == "=":
        return s
    start = Literal(ops.MONOIDS[s.op].identity(t.dtype), t.dtype)
    s = reduced(s)
    value, where = _without(s.value, t.name, start), None if s.where is None else _without(s.where, t.name, start)
    if where is not None:
        value = guard(where, value, start.value)
    return replace(s, op="=", value=value, where=None)


def _from_identity(s: Assign, t: TensorDecl) -> Assign:
    """The first statement of a tensor, if it is an update at places that only loops know."""
    if s.op == "=":
        return s
    start = Literal(ops.MONOIDS[s.op].identity(t.dtype), t.dtype)
    s = reduced(s)
    where = None if s.where is None else _without(s.where, t.name, start)
    return replace(s, value=_without(s.value, t.name, start), where=where)


def _next_version(s: Assign, t: TensorDecl) -> Assign:
    """A later statement of a sparse tensor as the definition of its next version.

    What has an entry keeps it; elsewhere the condition says whether there is one.
    """
    s = reduced(s)
    old = s.target
    if s.op == "=":
        value = s.value
    else:
        operator = ops.MONOIDS[s.op].op
        assert operator is not None
        value = Map(operator, (old, s.value), old.dtype)
    if s.where is not None:
        kept = Map("select", (s.where, value, old), old.dtype)
        value = Map("select", (Stored(old), kept, guard(s.where, value, t.fill)), old.dtype)
    return replace(s, op="=", value=value, where=None)


def reduced(s: Assign) -> Assign:
    """An update with the indices that only its right side has reduced by its own operator."""
    if s.op == "=":
        return s
    only_right = _free(s.value) - set(mentioned(*s.target.indices))
    rest = tuple(i.name for i in s.indices if i.name in only_right)
    where, value = s.where, s.value
    if rest:
        value = Reduce(s.op, rest, value, value.dtype)
    if where is not None and isinstance(value, Reduce):
        monoid = value.monoid
        moved, left = restricted(value, where)
        # Reducing nothing by the update's own operator does nothing.
        value, where = moved, None if moved is not value and monoid == s.op else left
    return replace(s, value=value, where=where)


def _free(e: Expr) -> set[str]:
    """The index variables that ``e`` uses and no reduction in it binds."""
    if isinstance(e, Index):
        return {e.name}
    out = set().union(*(_free(c) for c in children(e)))
    return out - set(e.indices) if isinstance(e, Reduce) else out


def _without(e: Expr, name: str, value: Expr) -> Expr:
    """``e`` with ``value`` for every read of ``name``."""
    if isinstance(e, Access) and e.tensor == name:
        return value
    return e if isinstance(e, Literal) else map_children(e, lambda c: _without(c, name, value))


def _reads_only_own_place(s: Assign) -> bool:
    """Whether every read of the target is at the place being written, and before any of it is."""
    plain = is_plain(s.target)  # of others several points may write one place

    def safe(e: Expr, outside: bool) -> bool:
        if isinstance(e, Access) and e.tensor == s.target.tensor:
            return plain and outside and e.indices == s.target.indices
        outside = outside and not isinstance(e, Reduce) and not elsewhere(e)
        parts: list[Expr] = []
        map_children(e, lambda c: parts.append(c) or c)  # type: ignore[func-returns-value]
        return all(safe(p, outside) for p in parts)

    return safe(s.value, True) and (s.where is None or safe(s.where, True))


def _is_sparse(t: TensorDecl) -> bool:
    assert t.format is not None
    return not t.format.is_dense


__all__ = ["before", "continued", "reduced", "renamed", "unfold_updates", "with_updated"]
