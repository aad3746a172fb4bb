"""Left sides at computed places, for drawn programs: affine, read from data, constant, repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from sparsec.errors import BackendError, ShapeError, UnsupportedError
from sparsec.ir import ops
from sparsec.ir.dtypes import I32, I64
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Assign, Dim, Expr, Index, Literal, Map, Program, Reduce, TensorDecl
from sparsec.ir.variables import is_plain, mentioned

if TYPE_CHECKING:
    from tests.support.strategies import Data

Array = np.ndarray[Any, np.dtype[Any]]


@st.composite
def placed(draw: st.DrawFn, program: Program) -> Program:
    """``program`` with computed places on the left of a statement that writes R; itself where it has no such."""
    from tests.support.strategies import formats

    chosen = [n for n, s in enumerate(program.body) if isinstance(s, Assign) and s.target.tensor == "R"]
    n = draw(st.sampled_from(chosen))
    s = program.body[n]
    assert isinstance(s, Assign)
    made = program.tensor("R")
    if n == chosen[0] and s.op in ("min", "max") and made.dtype.is_float and made.role != "inout":
        return program  # what is not written would be infinite
    dims = {i.name: str(i.extent) for i in s.indices}
    names = [e.name for e in s.target.indices if isinstance(e, Index)]
    # Variables whose extents something else says, so that a text may have them in affine forms alone.
    alone = [v for v in names if any(isinstance(a, Access) and Index(v) in a.indices for a in walk(s.value))]
    new: list[TensorDecl] = []
    indices: list[Expr] = []
    for d, (v, extent) in enumerate(zip(names, made.dims, strict=True)):
        kinds = ["plain"]
        if v in alone:
            kinds += ["affine", "mirror", "data", "data"]
            kinds += ["constant", "other", "sum", "data of two"] if s.op != "=" else []
        kind = draw(st.sampled_from(kinds))
        w = draw(st.sampled_from(alone)) if alone else v
        match kind:
            case "affine" | "sum":
                factor, shift = draw(st.sampled_from([1, 2, -1, 3])), draw(st.sampled_from([0, 1, -1]))
                e: Expr = Map("add", (Map("mul", (Literal(factor, I64), Index(v)), I64), Literal(shift, I64)), I64)
                indices.append(Map("add", (e, Index(w)), I64) if kind == "sum" else e)
            case "mirror":
                last = Map("sub", (Dim(str(extent)), Literal(1, I64)), I64)
                indices.append(Map("sub", (last, Index(v)), I64))
            case "data" | "data of two":
                at = (v, w) if kind == "data of two" else (v,)
                t = draw(st.sampled_from([I64, I32]))
                name = f"N_{extent}_{d}"
                new.append(TensorDecl(name, t, tuple(dims[x] for x in at), draw(formats(len(at))), 0, "in"))
                read = Access(name, tuple(map(Index, at)), t)
                indices.append(read if t is I64 else Map("cast", (read,), I64))
            case "constant":
                indices.append(Literal(0, I64))
            case "other" if dims[w] == extent:
                indices.append(Index(w))
            case _:
                indices.append(Index(v))
    body = list(program.body)
    first = mentioned(*indices)
    decls = tuple(sorted(s.indices, key=lambda i: first.index(i.name) if i.name in first else len(first)))
    target = replace(s.target, indices=tuple(indices))
    dropped = tuple(v for v in names if v not in mentioned(*indices) and v in mentioned(s.value))
    # What a text would sum without saying so is written out.
    value = Reduce("add", dropped, s.value, s.value.dtype) if dropped and s.op == "add" else s.value
    body[n] = replace(s, target=target, value=value, indices=decls)
    tensors = list(program.tensors)
    assert made.format is not None
    if n == chosen[0] and s.op != "=" and not is_plain(target) and made.role != "inout" and not made.format.is_dense:
        tensors[tensors.index(made)] = replace(made, fill=ops.MONOIDS[s.op].identity(made.dtype))
    return replace(program, tensors=(*new, *tensors), body=tuple(body))


def is_places(t: TensorDecl) -> bool:
    """Whether an operand holds places of a dimension."""
    return t.name.startswith("N_")


def places(t: TensorDecl, dims: dict[str, int], shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Places of the dimension that the name says, each once where that is possible and chance wants it."""
    extent, size = dims[t.name.split("_")[1]], int(np.prod(shape, dtype=np.int64))
    if size <= extent and rng.random() < 0.7:
        return rng.permutation(extent)[:size].reshape(shape)
    return rng.integers(0, max(extent, 1), shape)


def never_empty(program: Program) -> set[str]:
    """The dimensions of which there must be a place."""
    out = {t.name.split("_")[1] for t in program.tensors if is_places(t)}
    for s in program.body:
        assert isinstance(s, Assign)
        of = program.tensor(s.target.tensor).dims
        out |= {str(d) for e, d in zip(s.target.indices, of, strict=True) if isinstance(e, Literal)}
    return out


def or_stops(
    check: Callable[[Program, list[Data]], None], stop: Callable[[Program, Data], object]
) -> Callable[[Program, list[Data]], None]:
    """``check`` on the data that ``=`` can take; on the others ``stop`` must raise as the meaning does."""
    from tests.support.differential import expected

    def both(program: Program, sets: list[Data]) -> None:
        fine = []
        for d in sets:
            try:
                expected(program, d)
                fine.append(d)
            except ShapeError as e:
                assert "twice" in e.message
                try:
                    stop(program, d)
                except UnsupportedError:
                    raise
                except (BackendError, ShapeError) as stopped:
                    assert "twice" in str(stopped)
                else:
                    raise AssertionError("a place is written twice, and nothing says so") from e
        check(program, fine)

    return both


__all__ = ["is_places", "never_empty", "or_stops", "placed", "places"]
