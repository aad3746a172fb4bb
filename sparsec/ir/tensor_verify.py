"""The rules of tensor IR, as data: ``RULES`` lists every one with the nodes that it looks at.

declaration  names are unique, roles known, fills fit their dtype, formats sound and of the tensor's order
depth        expressions nest at most MAX_DEPTH deep, as the text allows
monoid       names differ, states agree in number, definitions use their own names, each at one type
indices      index variables are declared once, over known extents, those of the target first
target       what is written is no operand; '=' comes once, and in a scan block once for each point
scan_block   a scan block has statements, and its index a known extent
binder       reductions name declared indices, once each, and none that a scan block steps through
bound        an index variable is declared, and if the target lacks it a reduction around binds it
access       tensors exist; as many indices as dimensions, all i64; the declared dtype
extents      an index variable alone at a dimension has its extent; a number lies inside
defined      what is read was passed or written before; a scan block reads what it writes
stored       'stored' asks about an operand
known_dim    a named dimension is one of a tensor
literal      literals fit their dtype
typed        operators are known, and get the types that they ask for
condition    a 'where' is a bool
folded       the monoid of a reduction or scan is known and takes the body's type, which it gives
softmax      a softmax is of floats
top          'top' keeps 0 or more of keys that have an order, in groups of 1 or more
updated      the monoid of an update has a plain state; it and the value fit the target's dtype
program      the program's name can be written; results are written by some statement
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sparsec.errors import SparsecError, VerifyError
from sparsec.ir import ops, rewrite
from sparsec.ir.dtypes import BOOL, I64
from sparsec.ir.expr_verify import (
    Messages,
    accessed,
    can_index,
    constant_index,
    declared,
    defined_monoid,
    is_name,
    known_dim,
    literal,
    names_of,
    twice_in,
    typed,
    updated,
)
from sparsec.ir.rewrite import children, walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Dim,
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
    Softmax,
    Stored,
    TensorDecl,
    Top,
)
from sparsec.ir.text import MAX_DEPTH
from sparsec.ir.variables import mentioned

Binder = Reduce | Scan | Softmax | Top


@dataclass(slots=True)
class Progress:
    """Which tensors were written so far, in program order, and which of them by '='."""

    written: set[str] = field(default_factory=set)
    defined: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Scope:
    """What encloses a node: ``extents`` of the declared index variables, and those that are ``bound`` here."""

    program: Program
    progress: Progress
    path: tuple[str, ...]
    block: ScanLoop | None = None
    statement: Assign | None = None
    extents: Mapping[str, Extent] = field(default_factory=dict)
    bound: frozenset[str] = frozenset()
    writing: bool = False

    def at(self, step: str, **changes: Any) -> Scope:
        return dataclasses.replace(self, path=(*self.path, step), **changes)

    def decl(self, name: str) -> TensorDecl | None:
        return next((t for t in self.program.tensors if t.name == name), None)

    @property
    def dims(self) -> set[str]:
        return {d for t in self.program.tensors for d in t.dims if isinstance(d, str)}


def verify(program: Program) -> None:
    """Raise ``VerifyError`` with the path (and span) of the first node that breaks a rule; None for a sound program."""
    root = Scope(program, Progress(), (f"program {program.name}",))
    for m in program.monoids:
        _monoid(m, root.at(f"monoid {m.name}"))
    for t in program.tensors:
        _check(NAMES, t, root.at(f"{t.role} {t.name}"))
    for s in program.body:
        if isinstance(s, ScanLoop):
            here = root.at(f"scan {s.index.name}", block=s)
            _check(NAMES, s, here)
            for inner in s.body:
                _assign(inner, here)
        else:
            _assign(s, root)
    _check(TYPES, program, root)


def _check(rules: Rules, node: Any, scope: Scope) -> None:
    for kinds, rule in rules:
        if isinstance(node, kinds):
            for message in rule(node, scope):
                raise VerifyError(message, " / ".join(scope.path), span=getattr(node, "span", None))


def _monoid(m: MonoidDef, scope: Scope) -> None:
    _check(NAMES, m, scope)
    for e in m.parts:
        for node in reversed([*walk(e)]):
            _check(TYPES, node, scope)


def _assign(s: Assign, scope: Scope) -> None:
    here = scope.at(f"{s.target.tensor}[] {'=' if s.op == '=' else s.op + '='}", statement=s)
    _check(NAMES, s, here)
    block = (scope.block.index,) if scope.block is not None else ()
    extents = {i.name: i.extent for i in (*block, *s.indices)}
    # An update folds the whole right side over the indices that only it has; '=' reduces them all.
    mine = {n.name for i in s.target.indices for n in walk(i) if isinstance(n, Index)} | {i.name for i in block}
    here = dataclasses.replace(here, extents=extents, bound=frozenset(mine if s.op == "=" else extents))
    _check(NAMES, s.target, dataclasses.replace(here, writing=True))
    for i in s.target.indices:
        _expression(i, here)
    _expression(s.value, here)
    if s.where is not None:
        # A condition may name the indices of a reduction that is the whole right side: it then belongs to that.
        reduced = s.value.indices if isinstance(s.value, Reduce) else ()
        _expression(s.where, here.at("where", bound=here.bound.union(reduced)))
    _check(TYPES, s, here)
    scope.progress.written.add(s.target.tensor)
    if s.op == "=":
        scope.progress.defined.add(s.target.tensor)


def _expression(e: Expr, scope: Scope) -> None:
    _check(NAMES, e, scope)
    inner = scope
    if isinstance(e, Reduce):
        inner = scope.at(f"reduce.{e.monoid}[{', '.join(e.indices)}]", bound=scope.bound.union(e.indices))
    elif isinstance(e, Binder):
        inner = scope.at(f"{type(e).__name__.lower()}[{', '.join(_indices(e))}]")
    for child in children(e):
        _expression(child, inner)
    _check(TYPES, e, scope)


def _indices(e: Binder) -> tuple[str, ...]:
    match e:
        case Scan():
            return (e.index,)
        case Top():
            return tuple(n for n, _ in e.groups)
    return e.indices


# rules: functions of a node and its scope that yield what is wrong


def program(p: Program, scope: Scope) -> Messages:
    yield from is_name(p.name)
    for t in p.results:
        if t.role != "inout" and t.name not in scope.progress.written:
            yield f"result '{t.name}' is never written"


def declaration(t: TensorDecl, scope: Scope) -> Messages:
    yield from declared(t, scope.program.tensors)
    if t.format is not None:
        try:
            t.format.check()
        except SparsecError as e:
            yield e.message


def monoid(m: MonoidDef, scope: Scope) -> Messages:
    if m.name in ops.MONOIDS:
        yield f"'{m.name}' is the name of a built-in monoid"
    yield from defined_monoid(m, scope.program.monoids)


def depth(s: Assign | MonoidDef, scope: Scope) -> Messages:
    parts = (*s.target.indices, s.value, s.where) if isinstance(s, Assign) else s.parts
    if any(e is not None and rewrite.depth(e) > MAX_DEPTH for e in parts):
        yield f"an expression nests more than {MAX_DEPTH} deep"


def indices(s: Assign, scope: Scope) -> Messages:
    names = [i.name for i in s.indices]
    for i in s.indices:
        yield from _index(i, scope)
    twice = twice_in(names)
    if twice is not None:
        yield f"index '{twice}' is declared twice"
    if scope.block is not None and scope.block.index.name in names:
        yield f"index '{scope.block.index.name}' is declared by the scan block"
    first = [n for n in mentioned(*s.target.indices) if n in names]
    if names[: len(first)] != first:
        yield f"the indices of the target come first, in its order: {', '.join(map(str, first))}"


def _index(i: IndexDecl, scope: Scope) -> Messages:
    yield from can_index(i.name)
    if isinstance(i.extent, str):
        yield from known_dim(Dim(i.extent), scope.dims)
    elif i.extent < 0:
        yield f"index '{i.name}' has the extent {i.extent}"


def target(s: Assign, scope: Scope) -> Messages:
    name = s.target.tensor
    t = scope.decl(name)
    if t is None:
        return
    if t.role == "in":
        yield f"operand '{name}' is written"
    if s.op == "=" and name in scope.progress.defined:
        yield f"'{name}' is defined twice: '=' comes once for a name"
    if s.op == "=" and scope.block is not None:
        step = scope.block.index.name
        if not any(isinstance(n, Index) and n.name == step for n in walk(s.target)):
            yield f"'{name}' is written at the same place for each '{step}': its indices lack it"


def condition(e: Assign | Binder, scope: Scope) -> Messages:
    if e.where is not None and e.where.dtype is not BOOL:
        yield f"a condition is a bool, not {e.where.dtype}"


def scan_block(s: ScanLoop, scope: Scope) -> Messages:
    yield from _index(s.index, scope)
    if not s.body:
        yield "a scan block has no statement"


def bound(e: Index | Scan | Softmax | Top, scope: Scope) -> Messages:
    for n in (e.name,) if isinstance(e, Index) else _indices(e):
        if n not in scope.extents:
            yield f"index '{n}' is not declared"
        elif n not in scope.bound:
            yield f"index '{n}' is neither in the target nor reduced"


def binder(e: Binder, scope: Scope) -> Messages:
    names, what = _indices(e), type(e).__name__.lower()
    if not names:
        yield f"this {what} names no index"
    twice = twice_in(names)
    if twice is not None:
        yield f"this {what} names index '{twice}' twice"
    for n in names:
        if n not in scope.extents:
            yield f"index '{n}' is not declared"
        if scope.block is not None and n == scope.block.index.name:
            yield f"index '{n}' is the scan block's: it has one value at a time here"


def folded(e: Reduce | Scan, scope: Scope) -> Messages:
    built_in = ops.MONOIDS.get(e.monoid)
    gives = I64 if built_in is not None and e.monoid.startswith("arg") else e.body.dtype
    if built_in is None and e.monoid not in {m.name for m in scope.program.monoids}:
        yield f"'{e.monoid}' is no monoid"
    if built_in is not None and not built_in.admits(e.body.dtype):
        yield f"'{e.monoid}' does not fit {e.body.dtype}"
    if isinstance(e, Scan) and gives != e.body.dtype:
        yield f"there is no running '{e.monoid}'"
    elif e.dtype != gives:
        yield f"'{e.monoid}' of {e.body.dtype} gives {gives}, the node says {e.dtype}"


def softmax(e: Softmax, scope: Scope) -> Messages:
    if not e.body.dtype.is_float:
        yield f"a softmax is of floats, not of {e.body.dtype}"
    elif e.dtype != e.body.dtype:
        yield f"a softmax of {e.body.dtype} gives {e.body.dtype}, the node says {e.dtype}"


def top(e: Top, scope: Scope) -> Messages:
    if e.k < 0:
        yield f"'top' keeps {e.k} keys"
    for n, size in e.groups:
        if size is not None and size < 1:
            yield f"'top' has groups of {size} along '{n}'"
    if e.key.dtype.kind == "c":
        yield f"keys of {e.key.dtype} have no order"


def access(e: Access, scope: Scope) -> Messages:
    t = scope.decl(e.tensor)
    if t is None:
        yield f"no tensor is called '{e.tensor}'"
    else:
        yield from accessed(e, t.dtype, t.ndim)


def extents(e: Access, scope: Scope) -> Messages:
    t = scope.decl(e.tensor)
    dims = t.dims if t is not None else ()
    for n, d in zip(names_of(e.indices), dims, strict=False):
        if n is not None and scope.extents.get(n, d) != d:
            yield f"index '{n}' runs over {scope.extents[n]}, '{e.tensor}' expects {d}"
    yield from constant_index(e, dims)


def defined(e: Access, scope: Scope) -> Messages:
    t, s = scope.decl(e.tensor), scope.statement
    if t is None or t.role in ("in", "inout") or scope.writing or e.tensor in scope.progress.written:
        return
    if scope.block is not None and any(a.target.tensor == e.tensor for a in scope.block.body):
        return
    # An update begins with its identity, which the right side may read.
    if s is not None and s.op != "=" and s.target.tensor == e.tensor:
        return
    yield f"'{e.tensor}' is read before it is written"


def stored(e: Stored, scope: Scope) -> Messages:
    t = scope.decl(e.access.tensor)
    if t is not None and t.role not in ("in", "inout"):
        yield f"'stored' asks for the pattern of an operand, and '{t.name}' is none"


Rules = tuple[tuple[Any, Callable[[Any, Scope], Messages]], ...]

NAMES: Rules = (
    (TensorDecl, declaration),
    (Assign | MonoidDef, depth),
    (MonoidDef, monoid),
    (Assign, indices),
    (Assign, target),
    (ScanLoop, scan_block),
    (Binder, binder),
    (Index | Scan | Softmax | Top, bound),
    (Access, access),
    (Access, extents),
    (Access, defined),
    (Stored, stored),
    (Dim, lambda e, scope: known_dim(e, scope.dims)),
)
"""What names mean, looked at on the way down."""

TYPES: Rules = (
    (Literal, lambda e, scope: literal(e)),
    (Map, lambda e, scope: typed(e)),
    (Assign | Binder, condition),
    (Reduce | Scan, folded),
    (Softmax, softmax),
    (Top, top),
    (Assign, lambda s, scope: updated(s.target, s.op, s.value)),
    (Program, program),
)
"""What nodes are made of, looked at on the way up: the innermost of several that disagree is the one at fault."""

RULES = NAMES + TYPES

__all__ = ["NAMES", "RULES", "TYPES", "verify"]
