"""The way of a program through the levels, as one list: tensor IR, loop nest, buffer IR, ready for a machine.

``SPARSEC_CHECK=verify`` runs each level's verifier on what the step before it made.
"""

from __future__ import annotations

from sparsec.ir.buffer import Module
from sparsec.ir.loops import Kernel
from sparsec.ir.tensor import Program
from sparsec.knobs import knobs


def to_loops(program: Program) -> Kernel:
    """Loop nests of a program whose formats are concrete; raises what ``plan`` raises."""
    from sparsec.passes.lower import plan

    if knobs().checks("verify"):
        from sparsec.ir.tensor_verify import verify

        verify(program)
    return plan(program)


def to_buffers(kernel: Kernel) -> Module:
    """Buffer IR of a loop nest; raises what ``emit`` raises."""
    from sparsec.passes.lower import emit

    if knobs().checks("verify"):
        from sparsec.ir.loops_verify import verify

        verify(kernel)
    module = emit(kernel)
    _verify(module)
    return module


def for_machine(module: Module) -> Module:
    """Buffer IR without complex values and tiles, and with marked loops in explicit vectors: for plain backends."""
    from sparsec.passes.parts import split_complex
    from sparsec.passes.tiles import expand_tiles
    from sparsec.passes.vectorize import vectorize

    for step in (split_complex, expand_tiles, vectorize):
        module = step(module)
        _verify(module)
    return module


def _verify(module: Module) -> None:
    if knobs().checks("verify"):
        from sparsec.ir.buffer_verify import verify

        verify(module)


__all__ = ["for_machine", "to_buffers", "to_loops"]
