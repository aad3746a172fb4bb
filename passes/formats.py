"""Formats that a program leaves open: operands that say ``auto``, results and locals without one.

Until statistics choose, the rules are: an operand is stored as it is given, ``auto`` makes CSR (CSF, for other
orders) of a sparse one; a result or local is sparse where the algebra of its statement makes it so
(``sparse_fill``), what a scan block writes is dense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sparsec.formats.format import Format
from sparsec.formats.named import dense, named_format
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Expr,
    Index,
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
    assigns,
)
from sparsec.ir.tensor_values import scalar
from sparsec.passes.lower.guards import split, write_out
from sparsec.passes.lower.simplify import absent_value, same_value


def sparse_default(order: int) -> Format:
    """What ``auto`` means for a sparse tensor of this order."""
    return named_format("csr" if order == 2 else "csf", order) if order else dense(0)


def choose_formats(program: Program, given: Mapping[str, Format | None], *, open_fills: bool = False) -> Program:
    """The program with a format for every tensor; level widths stay as open as they are.

    ``given`` has the storage format of operands, None for dense ones; one that ``auto`` leaves open and ``given`` does
    not name is dense.  With ``open_fills`` results without a format take the fill that their statement gives, as
    locals do.
    """
    decls: dict[str, TensorDecl] = {}
    for t in program.operands:
        if t.format is None:
            is_sparse = given.get(t.name) is not None
            t = replace(t, format=sparse_default(t.ndim) if is_sparse else dense(t.ndim))
        decls[t.name] = t
    recurrent = {a.target.tensor for s in program.body if isinstance(s, ScanLoop) for a in s.body}
    for s in assigns(program.body):
        name = s.target.tensor
        if name in decls:
            continue
        t = program.tensor(name)
        if t.format is None:
            known = replace(program, tensors=tuple(decls.get(d.name, d) for d in program.tensors))
            fill = None if name in recurrent else sparse_fill(write_out(known, s), decls, program.monoids)
            hidden = t.role == "local" or open_fills
            t = _with_format(t, fill, hidden and not shows_fill(program, name))
        decls[name] = t
    return replace(program, tensors=tuple(decls.get(t.name, t) for t in program.tensors))


def _with_format(t: TensorDecl, fill: Literal | None, open_fill: bool) -> TensorDecl:
    if fill is not None:
        value = scalar(fill.value, t.dtype).item()
        if open_fill or same_value(value, t.fill):
            return replace(t, format=sparse_default(t.ndim), fill=value)
    return replace(t, format=dense(t.ndim))


def shows_fill(program: Program, name: str) -> bool:
    """Whether a value depends on the fill of a tensor that the program makes: at points that no statement writes, and
    where a read may lie outside.
    """
    for s in assigns(program.body):
        if s.target.tensor == name and (s.where is not None or not _plain(s.target)):
            return True
    return any(isinstance(n, Access) and n.tensor == name and not _plain(n) for s in program.body for n in walk(s))


def _plain(access: Access) -> bool:
    return all(isinstance(i, Index) for i in access.indices)


def sparse_fill(s: Assign, decls: Mapping[str, TensorDecl], monoids: tuple[MonoidDef, ...] = ()) -> Literal | None:
    """What the statement gives where no sparse operand has an entry, if its result is better stored sparsely.

    It is where that is one constant and every index of the result runs over a sparse level in each of the statement's
    terms; a vector that is summed out of a sparse matrix fills up, and is dense.
    """
    fills: dict[Expr, Expr] = {}
    for n in walk(s.value):
        if isinstance(n, Access) and n.tensor in decls and _is_sparse(decls[n.tensor]):
            fills[n] = Literal(decls[n.tensor].fill, n.dtype, fill=True)
    if not fills or s.op != "=":
        return None
    value = absent_value(s.value, fills, monoids)
    free = {e.name for e in s.target.indices if isinstance(e, Index)}
    if not isinstance(value, Literal) or not free <= _covered(s.value, fills):
        return None
    summed = any(isinstance(n, Reduce | Scan | Softmax) and any(a in fills for a in walk(n)) for n in walk(s.value))
    return None if summed and len(free) == 1 else value


def _is_sparse(t: TensorDecl) -> bool:
    return t.format is not None and not t.format.is_dense


def _covered(e: Expr, sparse: Mapping[Expr, Expr]) -> set[str]:
    """The index variables that a sparse operand binds in every term of ``e``."""
    match e:
        case Stored():
            return _covered(e.access, sparse)
        case Access():
            return {i.name for i in e.indices if isinstance(i, Index)} if e in sparse else set()
        case Map():
            found = split(e)
            masked = None if found is None else absent_value(found.condition, sparse)
            if found is not None and isinstance(masked, Literal):
                inside = _covered(found.value, sparse)
                return inside if masked.value else inside | _covered(found.condition, sparse)
            chosen = e.args if e.op != "select" else e.args[1:]  # its condition only chooses
            terms = [(n, a, _covered(a, sparse)) for n, a in enumerate(chosen) if not isinstance(a, Literal)]
            deciding = [names for n, a, names in terms if _decides(e, n, a, sparse)]
            if deciding:
                return set().union(*deciding)
            return set.intersection(*(names for _, _, names in terms)) if terms else set()
        case Reduce():
            return _covered(e.body, sparse)
    return set()


def _decides(parent: Map, place: int, e: Expr, sparse: Mapping[Expr, Expr]) -> bool:
    """Whether ``parent`` is decided by its argument ``e`` where that has no entry."""
    value = absent_value(e, sparse)
    return isinstance(value, Literal) and value.fill and parent.forced(place, value.value) is not None


__all__ = ["choose_formats", "sparse_default", "sparse_fill"]
