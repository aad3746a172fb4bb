"""Formats that a program leaves open: operands that say ``auto``, results and locals without one.

Until statistics choose, the rules are: an operand is stored as it is given, ``auto`` makes CSR (CSF, for other
orders) of a sparse one; a result or local is sparse where the algebra of its statement makes it so
(``sparse_fill``), what a scan block writes is dense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.formats.format import Format
from sparsec.formats.named import dense, from_levels, named_format
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Expr,
    Index,
    Literal,
    Map,
    Program,
    Reduce,
    Scan,
    ScanLoop,
    Softmax,
    Stored,
    TensorDecl,
    assigns,
)
from sparsec.ir.tensor_values import same_value, scalar
from sparsec.ir.variables import is_plain
from sparsec.passes.lower.composites import decompose, is_composite
from sparsec.passes.lower.guards import split, write_out
from sparsec.passes.lower.simplify import Tuples, absent_value


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
            found = given.get(t.name)
            t = replace(t, format=dense(t.ndim) if found is None else found if found.terms else sparse_default(t.ndim))
        decls[t.name] = t
    if any(is_composite(t) for t in decls.values()):
        opened = replace(program, tensors=tuple(decls.get(t.name, t) for t in program.tensors))
        chosen = choose_formats(decompose(opened).program, {}, open_fills=open_fills)
        return replace(opened, tensors=tuple(t if is_composite(t) else chosen.tensor(t.name) for t in opened.tensors))
    shown = shown_fills(program)
    recurrent = {a.target.tensor for s in program.body if isinstance(s, ScanLoop) for a in s.body}
    for s in assigns(program.body):
        name = s.target.tensor
        if name in decls:
            continue
        t = program.tensor(name)
        if t.format is None:
            known = replace(program, tensors=tuple(decls.get(d.name, d) for d in program.tensors))
            written = write_out(known, s)
            hidden = t.role == "local" or open_fills
            batch = batch_dims(written, decls) if t.role == "local" else 0
            fill = None if name in recurrent else sparse_fill(written, decls, program.monoids, batch)
            t = _with_format(t, fill, hidden and name not in shown, batch)
        decls[name] = t
    return replace(program, tensors=tuple(decls.get(t.name, t) for t in program.tensors))


def _with_format(t: TensorDecl, fill: Literal | None, open_fill: bool, batch: int) -> TensorDecl:
    if fill is not None:
        value = scalar(fill.value, t.dtype).item()
        if open_fill or same_value(value, t.fill):
            return replace(t, format=batched(batch, t.ndim) if batch else sparse_default(t.ndim), fill=value)
    return replace(t, format=dense(t.ndim))


def batched(batch: int, order: int) -> Format:
    """Dense levels for ``batch`` dimensions, sparse ones beneath: csr in two dimensions."""
    rest = (Dense(), Compressed()) if order - batch == 2 else (Compressed(),) * (order - batch)
    return from_levels(None, ((Dense(),) * batch) + rest)


def batch_dims(s: Assign, decls: Mapping[str, TensorDecl]) -> int:
    """How many first dimensions of a result of order 3 or more no sparse operand leaves out coordinates of.

    They are the batch of an attention's scores, whose mask is one matrix: dense levels above the pattern.
    """
    order = len(s.target.indices)
    reads = [n for n in walk(s.value) if isinstance(n, Access) and n.tensor in decls and _is_sparse(decls[n.tensor])]
    lacking = set().union(*(_lacking(a, decls[a.tensor]) for a in reads))
    first = (n for n, i in enumerate(s.target.indices) if isinstance(i, Index) and i.name in lacking)
    # The two last stay a matrix: csr, which stores all rows as well.
    return max(0, min(next(first, 0), order - 2))


def _complete(a: Access, t: TensorDecl) -> set[str]:
    """The index variables of which an operand has all coordinates."""
    return {i.name for i in a.indices if isinstance(i, Index)} - _lacking(a, t)


def _lacking(a: Access, t: TensorDecl) -> set[str]:
    """The index variables along which an operand lacks coordinates."""
    assert t.format is not None
    levels = zip(t.format.levels, t.format.coords, strict=True)
    places = [a.indices[d] for spec, c in levels if not spec.type.full for d in c.dims]
    return {i.name for i in places if isinstance(i, Index)}


def shown_fills(program: Program) -> set[str]:
    """The tensors on whose fill a value depends, of those that the program makes: at points that no statement writes,
    and where a read may lie outside.
    """
    shown = {s.target.tensor for s in assigns(program.body) if s.where is not None or not _plain(s.target)}
    return shown | {n.tensor for s in program.body for n in walk(s) if isinstance(n, Access) and not _plain(n)}


def _plain(access: Access) -> bool:
    return all(isinstance(i, Index) for i in access.indices)


def sparse_fill(s: Assign, decls: Mapping[str, TensorDecl], monoids: Tuples, batch: int = 0) -> Literal | None:
    """What the statement gives where no sparse operand has an entry, if its result is better stored sparsely.

    It is where that is one constant and every index of the result behind the first ``batch`` runs over a sparse operand
    in each of the statement's terms.  A vector that is summed out of a sparse matrix fills up, and is dense, and so is
    what an operand has a dense level for in every dimension.  So is what is written at computed places.
    """
    fills: dict[Expr, Expr] = {}
    for n in walk(s.value):
        if isinstance(n, Access) and n.tensor in decls and _is_sparse(decls[n.tensor]):
            fills[n] = Literal(decls[n.tensor].fill, n.dtype, fill=True)
    if not fills or s.op != "=" or not is_plain(s.target):
        return None
    value = absent_value(s.value, fills, monoids)
    free = {e.name for e in s.target.indices[batch:] if isinstance(e, Index)}
    if not isinstance(value, Literal) or not free <= _covered(s.value, fills, monoids):
        return None
    summed = any(isinstance(n, Reduce | Scan | Softmax) and any(a in fills for a in walk(n)) for n in walk(s.value))
    names = {i.name for i in s.target.indices if isinstance(i, Index)}
    reads = [a for a in fills if isinstance(a, Access)]
    fills_up = len(names) == 1 or any(names <= _complete(a, decls[a.tensor]) for a in reads)
    return None if summed and fills_up else value


def _is_sparse(t: TensorDecl) -> bool:
    return t.format is not None and not t.format.is_dense


def _covered(e: Expr, sparse: Mapping[Expr, Expr], monoids: Tuples) -> set[str]:
    """The index variables that a sparse operand binds in every term of ``e``."""
    match e:
        case Stored():
            return _covered(e.access, sparse, monoids)
        case Access():
            return {i.name for i in e.indices if isinstance(i, Index)} if e in sparse else set()
        case Map():
            found = split(e)
            masked = None if found is None else absent_value(found.condition, sparse, monoids)
            if found is not None and isinstance(masked, Literal):
                inside = _covered(found.value, sparse, monoids)
                return inside if masked.value else inside | _covered(found.condition, sparse, monoids)
            chosen = e.args if e.op != "select" else e.args[1:]  # its condition only chooses
            terms = [(n, a, _covered(a, sparse, monoids)) for n, a in enumerate(chosen) if not isinstance(a, Literal)]
            deciding = [names for n, a, names in terms if _decides(e, n, a, sparse, monoids)]
            if deciding:
                return set().union(*deciding)
            return set.intersection(*(names for _, _, names in terms)) if terms else set()
        case Reduce():
            return _covered(e.body, sparse, monoids)
    return set()


def _decides(parent: Map, place: int, e: Expr, sparse: Mapping[Expr, Expr], monoids: Tuples) -> bool:
    """Whether ``parent`` is decided by its argument ``e`` where that has no entry."""
    value = absent_value(e, sparse, monoids)
    return isinstance(value, Literal) and value.fill and parent.forced(place, value.value) is not None


__all__ = ["choose_formats", "sparse_default", "sparse_fill"]
