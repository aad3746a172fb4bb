"""Why a kernel stopped at a place: which index was outside, its value and where it was read; what was written twice.

A kernel only says that it stopped.  Where the index hangs on operands alone it is computed again here, so that loops
need not carry what nobody asks for as long as all is well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sparsec.errors import ShapeError, SparsecError
from sparsec.ir.index_values import is_exact, value_at, within
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Assign, Expr, Index, IndexDecl, Map, Program, ScanLoop, assigns
from sparsec.ir.tensor_interp import Machine, Scope
from sparsec.ir.variables import is_plain, mentioned
from sparsec.passes.lower.admitted import guard_reads
from sparsec.passes.lower.checks import of_operands, reads_of, to_check
from sparsec.passes.lower.guards import conjunction, conjuncts
from sparsec.runtime.storage import Storage
from sparsec.tensors import Tensor

Operands = Mapping[str, "Storage | np.ndarray[Any, np.dtype[Any]]"]


def index_outside(program: Program, operands: Operands, dims: Mapping[str, int]) -> SparsecError | None:
    """What to say where a kernel stopped at an index; None if that cannot be told."""
    computed: list[str] = []
    perhaps: list[str] = []
    program = guard_reads(program)
    # Floats computed again may round to others.
    known = {n for n in of_operands(program) if n in operands or program.tensor(n).dtype.kind in "biu"}
    for s in (a for part in program.body for a in (part.statements if isinstance(part, ScanLoop) else (part,))):
        for found in to_check(program, s):
            tensor, e, d, where = found
            extent = program.tensor(tensor).dims[d]
            n = extent if isinstance(extent, int) else dims[extent]
            reads = sorted({a.tensor for a in walk(e) if isinstance(a, Access)})
            if not found.reads <= known:
                computed.append(f"an index of '{tensor}', computed from {' and '.join(map(repr, reads))},")
                if reads_of(e) <= known:  # its condition is not: where that holds is asked of the parts that are
                    parts = [] if where is None else [c for c in conjuncts(where) if reads_of(c) <= known]
                    first = _first_outside(program, s, e, conjunction(parts), n, operands, dims)
                    perhaps += [] if first is None else [f"{first[0]}, which {_says(first[1])}"]
                continue
            first = _first_outside(program, s, e, where, n, operands, dims)
            if first is not None:
                what, value = first
                outside = f"lies outside of dimension {d + 1} of '{tensor}', which is 0 .. {n - 1}"
                negative = value is not None and value < 0
                hint = "negative ones do, too: they do not count from the end" if negative else None
                return ShapeError(f"{what} {_says(value)}, and {outside}", span=s.target.span, hint=hint)
    if not computed:
        return None
    maybe = f", perhaps {' or '.join(perhaps)}" if perhaps else ""
    return ShapeError(f"{' or '.join(computed)} lies outside of it{maybe}", hint="negative ones do, too")


def _says(value: int | None) -> str:
    return "leaves 64 bits on the way" if value is None else f"is {value}"


def written_twice(program: Program) -> SparsecError:
    """What to say where a kernel stopped because ``=`` writes one place twice."""
    found = [s.target for s in assigns(program.body) if s.op == "=" and not is_plain(s.target)]
    names = " or ".join(dict.fromkeys(f"'{t.tensor}'" for t in found))
    return ShapeError(
        f"{names} is written twice at one place by '='",
        span=found[0].span if len(found) == 1 else None,
        hint="an update says what becomes of both: += *= min= max= |= &=",
    )


def _first_outside(
    program: Program, s: Assign, e: Expr, where: Expr | None, n: int, operands: Operands, dims: Mapping[str, int]
) -> tuple[str, int | None] | None:
    """The first point that ``where`` admits with an index outside of ``0 .. n``, in words, and its value if known."""
    extents = {i.name: i.extent for i in s.indices}
    names = mentioned(e, *(() if where is None else (where,)))
    points = tuple(IndexDecl(v, extents[v]) for v in names)
    try:
        machine = _machine(program, e, where, points, operands, dims)
        with np.errstate(all="ignore"):
            values, kept = within(machine, e)
            admitted = True if where is None else machine.eval(where)
    except SparsecError:
        return None  # too much to compute again, or to hold
    outside = admitted & ((values < 0) | (values >= n) | ~kept)
    bad = np.argwhere(outside)
    if not len(bad):
        return None
    at = tuple(map(int, bad[0]))
    lost = not np.broadcast_to(kept, outside.shape)[at]
    return _words(e, dict(zip(names, at, strict=True))), None if lost and not is_exact(e) else value_at(machine, e, at)


def _machine(
    program: Program,
    e: Expr,
    where: Expr | None,
    points: tuple[IndexDecl, ...],
    operands: Operands,
    dims: Mapping[str, int],
) -> Machine:
    """The reference interpreter over all points, with what the expressions read."""
    reads = reads_of(e, where)
    made: list[Assign] = []
    for s in reversed([*assigns(program.body)]):
        if s.target.tensor in reads:
            made.insert(0, s)
            reads |= {a.tensor for a in walk(s) if isinstance(a, Access)}
    only = replace(program, tensors=tuple(d for d in program.tensors if d.name in reads), body=tuple(made))
    machine = Machine(only, {name: _dense(operands[name]) for name in reads if name in operands}, dict(dims))
    machine.run()
    extents = {p.name: machine.extent(p.extent) for p in points}
    machine.scope = Scope({p.name: axis for axis, p in enumerate(points)}, extents, {})
    return machine


def _uncast(e: Expr) -> Expr:
    """An index as it was read, where only its type was widened: a float that was made one says another number."""
    return e.args[0] if isinstance(e, Map) and e.op == "cast" and e.args[0].dtype.is_integer else e


def _words(e: Expr, at: dict[str, int]) -> str:
    """An index at a point, in words: ``bin[3]``, or where it stands and what it is made of."""
    inner = _uncast(e)
    if isinstance(inner, Access) and all(isinstance(i, Index) for i in inner.indices):
        places = ", ".join(str(at[i.name]) for i in inner.indices if isinstance(i, Index))
        return f"{inner.tensor}[{places}]" if places else inner.tensor
    reads = sorted({a.tensor for a in walk(e) if isinstance(a, Access)})
    point = ", ".join(f"{v} = {n}" for v, n in at.items())
    made = f" made of {' and '.join(map(repr, reads))}" if reads else ""
    return f"the index{made}" + (f" at {point}" if at else "")


def _dense(x: Storage | np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
    return Tensor.over(x).numpy() if isinstance(x, Storage) else x


__all__ = ["index_outside", "written_twice"]
