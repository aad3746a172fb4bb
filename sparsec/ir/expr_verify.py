"""Rules of expressions and declarations that tensor IR and loop nest IR share.

Each is a function of a node and what is known around it, and yields what is wrong; the verifiers list them in
their ``RULES``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from sparsec.ir import ops
from sparsec.ir.dtypes import DType
from sparsec.ir.expr_text import NOT_AN_INDEX, ROLES
from sparsec.ir.tensor import Access, Dim, Expr, Index, Literal, Map, TensorDecl

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
    "is_name",
    "known_dim",
    "literal",
    "names_of",
    "typed",
    "updated",
]
