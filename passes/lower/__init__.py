"""Lowering: tensor IR to loop nests (``plan``) to buffer IR (``emit``)."""

from sparsec.passes.lower.nests import emit
from sparsec.passes.lower.plan import plan

__all__ = ["emit", "explain", "plan"]


def explain(kernel: object) -> str:
    """Why the kernel's loops are as they are: order, conversions, workspaces, assembly, the parallel axis."""
    from sparsec.passes.lower.describe import describe

    return describe(kernel)  # type: ignore[arg-type]
