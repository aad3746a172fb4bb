"""Rules of expressions and declarations that tensor IR and loop nest IR share.

Each is a function of a node and what is known around it, and yields what is wrong; the verifiers list them in
their ``RULES``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from sparsec.ir import ops
from sparsec.ir.dtypes import I64, DType
from sparsec.ir.expr_text import NOT_AN_INDEX, ROLES
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Dim, Expr, Index, Literal, Map, MonoidDef, TensorDecl

Messages = Iterator[str]
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")


def is_name(*names: str) -> Messages:
    """Names are ones that the textual form can write."""
    for name in names:
        if not _NAME.match(name):
            yield f"'{name}' is no name: letters, digits and '_' make one"


def can_index(*names: str) -> Messages:
    """Names are ones that an index variable can have."""
    yield from is_name(*names)
    for name in names:
        if name in NOT_AN_INDEX:
            yield f"'{name}' is a literal and cannot name an index"


def declared(t: TensorDecl, others: tuple[TensorDecl, ...]) -> Messages:
    """Names are unique, roles known, extents natural, fills and formats fit."""
    yield from is_name(t.name, *(d for d in t.dims if isinstance(d, str)))
    if sum(other.name == t.name for other in others) > 1:
        yield f"'{t.name}' is declared twice"
    if t.role not in ROLES:
        yield f"'{t.role}' is no role; roles are {', '.join(ROLES)}"
    for d in t.dims:
        if isinstance(d, int) and d < 0:
            yield f"dimension {d} is negative"
    if t.format is not None and t.format.ndim != t.ndim:
        yield f"the format has {t.format.ndim} dimensions, '{t.name}' has {t.ndim}"
    if not t.dtype.holds(t.fill):
        yield f"the fill {t.fill!r} does not fit {t.dtype}"


def accessed(e: Access, dtype: DType, ndim: int) -> Messages:
    """As many indices as dimensions, all i64, and the declared dtype."""
    if len(e.indices) != ndim:
        yield f"'{e.tensor}' has {ndim} dimensions, the access {len(e.indices)} indices"
    if e.dtype != dtype:
        yield f"'{e.tensor}' holds {dtype}, the access says {e.dtype}"
    for i in e.indices:
        if i.dtype.name != "i64":
            yield f"an index of '{e.tensor}' has type {i.dtype}, not i64"


def typed(e: Map) -> Messages:
    """Operators are known, and get the types that they ask for."""
    op = ops.OPS.get(e.op)
    if op is None:
        yield f"no operator is called '{e.op}'"
        return
    if len(e.args) != op.arity:
        yield f"'{e.op}' takes {op.arity} arguments, not {len(e.args)}"
        return
    given = tuple(a.dtype for a in e.args)
    if e.zero is not None and not e.dtype.holds(e.zero):
        yield f"the zero {e.zero!r} of '{e.op}' does not fit {e.dtype}"
    if op.rule == "cast":
        return
    alike = given[1:] if op.rule == "select" else given
    if len(set(alike)) > 1:
        yield f"the arguments of '{e.op}' have the types {', '.join(map(str, given))}"
    elif op.rule == "select" and given[0].kind != "b":
        yield f"'select' does not take {given[0]}"
    elif not ops.admits(e.op, alike[0]):
        yield f"'{e.op}' does not take {alike[0]}"
    elif e.dtype != ops.result_dtype(e.op, given):
        yield f"'{e.op}' of {alike[0]} gives {ops.result_dtype(e.op, given)}, the node says {e.dtype}"


def literal(e: Literal) -> Messages:
    """A literal is of its type's kind and in its range."""
    if not e.dtype.holds(e.value):
        yield f"the literal {e.value!r} does not fit {e.dtype}"


def known_dim(e: Dim, dims: Collection[str]) -> Messages:
    """A named dimension is one of a tensor."""
    if e.name not in dims:
        yield f"no tensor has the dimension '{e.name}'"


def twice_in(names: Iterable[str]) -> str | None:
    """The first name that is there twice."""
    seen: set[str] = set()
    for n in names:
        if n in seen:
            return n
        seen.add(n)
    return None


def defined_monoid(m: MonoidDef, others: tuple[MonoidDef, ...]) -> Messages:
    """Names differ, parts agree in number and type, and are made of their own names, each at one type."""
    yield from is_name(m.name, *m.states, *m.lifted, *m.left, *m.right)
    if [other.name for other in others].count(m.name) > 1:
        yield f"monoid '{m.name}' is defined twice"
    if not m.states:
        yield f"monoid '{m.name}' has no state"
    for part in ("zero", "lift", "left", "right", "combine"):
        if len(getattr(m, part)) != len(m.states):
            yield f"'{part}' of monoid '{m.name}' has {len(getattr(m, part))} parts, the state {len(m.states)}"
    state = {n: z.dtype for n, z in zip(m.states, m.zero, strict=False)}
    sides = {n: z.dtype for names in (m.left, m.right) for n, z in zip(names, m.zero, strict=False)}
    place = {} if m.place is None else {m.place: I64}
    parts: tuple[tuple[str, tuple[str, ...], tuple[Expr, ...], dict[str, DType]], ...] = (
        ("zero", (), m.zero, {}),
        ("lift", m.lifted, m.lift, place),
        ("value", m.states, (m.value,), state),
        ("combine", (*m.left, *m.right), m.combine, sides),
    )
    for part, names, exprs, known in parts:
        twice = twice_in(names)
        if twice is not None:
            yield f"'{part}' of monoid '{m.name}' names '{twice}' twice"
        yield from _definition(part, names, exprs, known)
        if part != "value":
            for name, e, z in zip(m.states, exprs, m.zero, strict=False):
                if e.dtype != z.dtype:
                    yield f"'{part}' gives '{name}' as {e.dtype}, it begins as {z.dtype}"


def _definition(part: str, names: tuple[str, ...], exprs: tuple[Expr, ...], known: dict[str, DType]) -> Messages:
    types = dict(known)
    for node in (n for e in exprs for n in walk(e)):
        if not isinstance(node, Literal | Access | Map):
            yield f"'{part}' of a monoid is made of literals, its names and operators, not of {type(node).__name__}"
        if isinstance(node, Access):
            if node.tensor not in names or node.indices:
                yield f"'{part}' does not know '{node.tensor}'"
            elif types.setdefault(node.tensor, node.dtype) != node.dtype:
                yield f"'{part}' uses '{node.tensor}' as {types[node.tensor]} and as {node.dtype}"


def updated(target: Access, op: str, value: Expr) -> Messages:
    """An update's monoid has a plain state and takes the dtype, which the value has."""
    if op != "=":
        monoid = ops.MONOIDS.get(op)
        if monoid is None:
            yield f"'{op}' is no monoid"
        elif monoid.op is None:
            yield f"'{op}' has a tuple state and cannot update in place"
        elif not monoid.admits(target.dtype):
            yield f"'{op}' does not fit {target.dtype}"
    if value.dtype != target.dtype:
        yield f"'{target.tensor}' holds {target.dtype}, the value is {value.dtype}"


def constant_index(e: Access, dims: tuple[int | str, ...]) -> Messages:
    """An index that is a number lies inside."""
    for i, d in zip(e.indices, dims, strict=False):
        if (
            isinstance(i, Literal)
            and isinstance(i.value, int)
            and (i.value < 0 or (isinstance(d, int) and i.value >= d))
        ):
            yield f"index {i.value} of '{e.tensor}' lies outside of its extent {d}"


def names_of(es: tuple[Expr, ...]) -> tuple[str | None, ...]:
    """The index variables that stand alone among some indices, None for the rest."""
    return tuple(i.name if isinstance(i, Index) else None for i in es)


__all__ = [
    "Messages",
    "accessed",
    "can_index",
    "constant_index",
    "declared",
    "defined_monoid",
    "is_name",
    "known_dim",
    "literal",
    "names_of",
    "twice_in",
    "typed",
    "updated",
]
