"""Words for people: what a lowered kernel does and why (``Kernel.explain``)."""

from __future__ import annotations

from sparsec.ir.loops import Assemble, Forall, Kernel, Workspace
from sparsec.ir.rewrite import walk


def describe(kernel: Kernel) -> str:
    """Formats, loop order and its reason, conversions, workspaces, assembly and the parallel axis, a line each."""
    lines = [f"kernel {kernel.name}"]
    for t in kernel.tensors:
        kind = {"in": "operand", "out": "result", "inout": "updated", "local": "local"}.get(t.role, t.role)
        lines.append(f"  {kind} {t.name}: {t.dtype}[{', '.join(map(str, t.dims))}] stored {t.format} fill({t.fill})")
    lines += [f"  {note}" for note in kernel.notes]
    for node in walk(kernel.body):
        if isinstance(node, Workspace) and node.kind != "scalar":
            over = ", ".join(x.name for x in node.indices)
            lines.append(f"  workspace {node.name}: {node.kind} over {over}, folded with {node.monoid}")
    for node in walk(kernel.body):
        if isinstance(node, Assemble):
            axes = [n.index for n in walk(node.body) if isinstance(n, Forall) and n.parallel is not None]
            how = f"parallel over {axes[0]}" if axes else "sequential"
            lines.append(f"  {node.tensor}: {how}")
    return "\n".join(lines)
