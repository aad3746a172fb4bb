"""Kernels as text through every stage of the lowering, against the reference meaning."""

from __future__ import annotations

from dataclasses import replace

from sparsec.frontends.dsl import parse_source
from sparsec.ir import loops_text, loops_verify, tensor_text, tensor_verify
from sparsec.ir.dtypes import I32
from sparsec.ir.loops import Kernel
from sparsec.ir.tensor import Program
from sparsec.passes.formats import choose_formats
from tests.support.differential import check, execute, expected, lower, walk_loops
from tests.support.strategies import make_data

DIMS = {"m": 4, "n": 5, "k": 3}


def program(operands: str, result: str, statement: str, definitions: str = "") -> Program:
    """A kernel's program, its formats concrete."""
    text = f"{definitions}\nkernel f({operands}) -> {result} {{ {statement} }}"
    (found,) = parse_source(text).kernels.values()
    p = choose_formats(found, {})
    return replace(p, tensors=tuple(replace(t, format=t.format.concrete(I32, I32)) for t in p.tensors if t.format))


def stages(operands: str, result: str, statement: str, definitions: str = "", round_: bool = True) -> Kernel:
    """Every stage against the reference meaning, on several patterns; the loop nest."""
    p = program(operands, result, statement, definitions)
    tensor_verify.verify(p)
    assert tensor_text.parse_program(tensor_text.print_program(p)) == p
    low = lower(p)
    loops_verify.verify(low.kernel)
    assert loops_text.parse_kernel(loops_text.print_kernel(low.kernel)) == low.kernel
    for seed, density in enumerate((0.0, 0.4, 1.0)):
        d = make_data(p, seed, DIMS, {t.name: density for t in p.operands}, round_)
        want, bound = expected(p, d)
        check({n: v for n, (v, _) in execute(low, d).items()}, want, bound, "buffer IR")
        check({n: v for n, (v, _) in walk_loops(low, d).items()}, want, bound, "loop nests")
    return low.kernel
