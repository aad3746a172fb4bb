"""The argument block of a lowered program: which number stands in which slot.

The order is that of the entry's parameters: for each operand its levels' numbers and arrays and its values (encoded
ones: their codes, scales and zero points); for each result of a given pattern its levels' numbers and arrays; for each
result its values (dense: the caller's storage, which an update in place reads too) or its arrays (sparse: published by
the kernel); then the named dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

from sparsec.ir.dtypes import DType
from sparsec.ir.tensor import RESULTS, Program, TensorDecl


@dataclass(frozen=True, slots=True)
class Slot:
    """One argument.

    ``kind``: "scalar" (a level's number), "in", "out" (addresses), "result" (two numbers: address, length) or
    "dim" (``tensor`` is then the dimension's name).  ``level`` is -1 for values.
    """

    kind: str
    tensor: str
    level: int = -1
    role: str = "vals"
    dtype: DType | None = None


def signature(program: Program) -> tuple[Slot, ...]:
    """The slots of a program whose formats are all concrete."""
    out: list[Slot] = []
    for t in program.tensors:
        if t.role == "in":
            out += _operand(t)
    for t in program.tensors:
        if t.role == "values":
            out += _operand(t)[:-1]
    for t in program.tensors:
        if t.role in RESULTS:
            out += _result(t)
    dims = dict.fromkeys(d for t in program.tensors for d in t.dims if isinstance(d, str))
    return (*out, *(Slot("dim", d) for d in dims))


def _operand(t: TensorDecl) -> list[Slot]:
    assert t.format is not None
    out: list[Slot] = []
    for n, spec in enumerate(t.format.levels):
        out += [Slot("scalar", t.name, n, role) for role in spec.type.scalars()]
        out += [Slot("in", t.name, n, role, dtype) for role, dtype in spec.type.arrays().items()]
    if t.format.values is not None:
        return [*out, *(Slot("in", t.name, -1, role, d) for role, d in t.format.values.arrays(t.dtype).items())]
    return [*out, Slot("in", t.name, dtype=t.dtype)]


def _result(t: TensorDecl) -> list[Slot]:
    assert t.format is not None
    if t.format.is_dense or t.role == "values":
        return [Slot("out", t.name, dtype=t.dtype)]
    arrays = [
        Slot("result", t.name, n, role, dtype)
        for n, spec in enumerate(t.format.levels)
        for role, dtype in spec.type.arrays().items()
    ]
    return [*arrays, Slot("result", t.name, dtype=t.dtype)]


__all__ = ["Slot", "signature"]
