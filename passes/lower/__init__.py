"""Lowering: tensor IR to loop nests (``plan``) to buffer IR (``emit``).

The planner is loaded when it is first needed: a program whose code comes from the disk never asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparsec.ir.buffer import Module
    from sparsec.ir.loops import Kernel
    from sparsec.ir.tensor import Program


def plan(program: Program) -> Kernel:
    """The loop nests of a program whose formats are concrete; see ``plan.plan``."""
    from sparsec.passes.lower import planning

    return planning.plan(program)


def emit(kernel: Kernel) -> Module:
    """The buffer IR of a loop nest kernel; see ``nests.emit``."""
    from sparsec.passes.lower import nests

    return nests.emit(kernel)


def explain(kernel: Kernel, module: Module) -> str:
    """Why the kernel's loops are as they are: order, conversions, workspaces, assembly, the parallel axis.

    ``module`` is what ``emit`` made of it.
    """
    from sparsec.passes.lower.describe import describe

    return describe(kernel, module)


__all__ = ["emit", "explain", "plan"]
