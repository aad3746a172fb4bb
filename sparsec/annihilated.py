"""``SPARSEC_CHECK=nan`` before a kernel runs: where unstored entries decide against inf, NaN and divisors of 0."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from sparsec.driver import Call, Compiled, compiled
from sparsec.errors import AnnihilatedWarning, UnsupportedError
from sparsec.ir.dtypes import BF16
from sparsec.ir.expr_text import print_expr
from sparsec.ir.tensor import TensorDecl
from sparsec.ir.tensor_values import from_storage
from sparsec.passes.annihilation import Place, places, reporting


def warn(variant: Compiled, call: Call, skip: Sequence[str] = ()) -> None:
    """Warn (``AnnihilatedWarning``) of each operator in which an absent entry annihilates what is not finite.

    ``call`` is what the kernel is about to be called with, ``skip`` the locals whose statements nobody wrote.
    """
    program = variant.program
    read = [t for t in program.operands if t.role == "in"]
    finite = {t.name: _finite(t, arrays) for t, arrays in zip(read, call.arrays, strict=False)}
    found = [p for p in places(program, skip) if not (p.tame and all(finite.get(t, False) for t in p.meets))]
    if not found:
        return
    checking = reporting(program, found)
    names = {t.name for t in checking.operands}
    kept = [n for n, t in enumerate(read) if t.name in names]
    outs = {t.name: np.zeros((), np.int64) for t in checking.results if t.role == "out"}
    outs |= {t.name: call.outs[t.name].copy() for t in checking.operands if t.role == "inout"}
    numbers, arrays = [call.numbers[n] for n in kept], [call.arrays[n] for n in kept]
    try:
        made = compiled(checking, variant.backend)
        made.run(Call(numbers, arrays, call.dims, outs))
    except UnsupportedError as e:
        warnings.warn(f"SPARSEC_CHECK=nan cannot look into '{program.name}': {e.message}", AnnihilatedWarning, 2)
        return
    counts = [int(outs[t.name]) for t in checking.results if t.role == "out"]
    for place, count, first in zip(found, counts[::2], counts[1::2], strict=True):
        if count:
            warnings.warn(_message(program.name, place, count, first, call.dims), AnnihilatedWarning, 2)


def _finite(t: TensorDecl, arrays: Sequence[np.ndarray]) -> bool:
    """Whether all numbers of an operand are finite."""
    values = [from_storage(arrays[-1], t.dtype)] if t.dtype is BF16 else arrays
    return all(bool(np.isfinite(a).all()) for a in values)


def _message(name: str, place: Place, count: int, first: int, dims: Mapping[str, int]) -> str:
    shape = [i.extent if isinstance(i.extent, int) else dims[i.extent] for i in place.indices]
    point = np.unravel_index(first, shape) if shape else ()
    where = ", ".join(f"{i.name} = {int(c)}" for i, c in zip(place.indices, point, strict=True))
    lacking = " or ".join(f"'{t}'" for t in place.tensors)
    text = print_expr(place.operator)
    points = f"{count} points" if count != 1 else "a point"
    return (
        f"in '{name}' an entry that {lacking} does not store decides {text} at {points}"
        + (f", the first at {where}" if where else "")
        + ": stored, it would meet an infinity, a NaN or a divisor of 0 (SPARSEC_CHECK=nan asked for this check)"
    )


__all__ = ["warn"]
