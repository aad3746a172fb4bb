"""One kernel of the language through every stage: the reference meaning, loop nests, buffer IR, the public face."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import sparsec as sp
from sparsec.frontends.dsl import parse_source
from sparsec.ir import buffer_text, buffer_verify, loops_text, loops_verify, tensor_verify
from sparsec.ir.tensor import Program
from sparsec.passes.formats import choose_formats
from tests.support.differential import Lowered, check, execute, expected, lower, walk_loops
from tests.support.dtypes import element
from tests.support.public import call
from tests.support.strategies import Data, expand

Array = np.ndarray[Any, np.dtype[Any]]


def program_of(text: str) -> Program:
    """The only kernel of a text as tensor IR, its open formats chosen."""
    (program,) = parse_source(text).kernels.values()
    program = choose_formats(program, {})
    tensors = tuple(replace(t, format=t.format.concrete()) for t in program.tensors if t.format is not None)
    return replace(program, tensors=tensors)


def lowered(text: str) -> Lowered:
    """The only kernel of a text, lowered; each stage's verifier accepts it, and its texts read back."""
    program = program_of(text)
    tensor_verify.verify(program)
    low = lower(program)
    loops_verify.verify(low.kernel)
    buffer_verify.verify(low.module)
    assert loops_text.parse_kernel(loops_text.print_kernel(low.kernel)) == low.kernel
    assert buffer_text.parse_module(buffer_text.print_module(low.module)) == low.module
    return low


def agree(text: str, arrays: dict[str, Array], dims: dict[str, int], compiled: bool = True) -> dict[str, Array]:
    """What the kernel means on these operands, after every stage has said the same."""
    low = lowered(text)
    stored = {}
    for t in low.program.operands:
        assert t.format is not None
        a, fill = arrays[t.name], element(t.fill, t.dtype)
        same = (a == fill) | ((a != a) & (fill != fill))
        stored[t.name] = expand(t.format, ~same | t.format.is_dense)
    data = Data(dims, arrays, stored)
    want, bound = expected(low.program, data)
    check({n: v for n, (v, _) in walk_loops(low, data).items()}, want, bound, "loop nests")
    check({n: v for n, (v, _) in execute(low, data).items()}, want, bound, "buffer IR")
    if compiled:
        check(call(sp.compile(text), low.program, data), want, bound, "public")
    return want


__all__ = ["agree", "lowered", "program_of"]
