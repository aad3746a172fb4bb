"""Texts of the language through the frontend and the reference interpreter; every program is verified on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsec.formats.format import Format
from sparsec.frontends.dsl import OperandType, parse_source, parse_statements
from sparsec.ir.dtypes import from_numpy
from sparsec.ir.tensor import Program
from sparsec.ir.tensor_interp import interpret
from sparsec.ir.tensor_text import parse_program, print_program
from sparsec.ir.tensor_verify import verify

Array = np.ndarray[Any, np.dtype[Any]]


def kernel(text: str) -> Program:
    """The only kernel of a text, verified; its tensor IR text reads back."""
    (program,) = parse_source(text).kernels.values()
    return checked(program)


def statements(text: str, formats: Mapping[str, Format] | None = None, **operands: Any) -> Program:
    """The program of bare statements for operands like these (arrays and numbers; sparse where a format is given)."""
    types = {}
    for name, value in operands.items():
        array = np.asarray(value)
        fmt, zero = (formats or {}).get(name), array.dtype.type(0).item()
        types[name] = OperandType(from_numpy(array.dtype), array.ndim, fmt, zero)
    return checked(parse_statements(text, types))


def checked(program: Program) -> Program:
    verify(program)
    assert parse_program(print_program(program)) == program
    return program


def run(program: Program, sizes: Mapping[str, int] | None = None, **arrays: Any) -> Any:
    """The result of a program, a tuple if there are several."""
    results = interpret(program, arrays, sizes)
    out = tuple(results[t.name] for t in program.results)
    return out if len(out) > 1 else out[0]


def body(program: Program) -> list[str]:
    """Its statements in tensor IR text."""
    lines = [line.strip() for line in print_program(program).splitlines()]
    return [line for line in lines if " for " in line or "=" in line.split("(")[0] or line.startswith("scan ")]
