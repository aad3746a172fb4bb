"""Words for people: what a lowered kernel does and why (``Kernel.explain``)."""

from __future__ import annotations

from collections.abc import Iterator

from sparsec.ir.buffer import Module
from sparsec.ir.loops import Accumulate, Assemble, Forall, Kernel, Workspace
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access


def describe(kernel: Kernel, module: Module) -> str:
    """Formats, loop order and its reason, conversions, workspaces, fusion, assembly, the parallel axis, a line each."""
    lines = [f"kernel {kernel.name}"]
    for t in kernel.tensors:
        kind = {"in": "operand", "out": "result", "inout": "updated", "local": "local"}.get(t.role, t.role)
        lines.append(f"  {kind} {t.name}: {t.dtype}[{', '.join(map(str, t.dims))}] stored {t.format} fill({t.fill})")
    lines += [f"  {note}" for note in (*kernel.notes, *module.notes)]
    for node in walk(kernel.body):
        if isinstance(node, Workspace) and node.kind != "scalar":
            over = ", ".join(x.name for x in node.indices)
            lines.append(f"  workspace {node.name}: {node.kind} over {over}, folded with {node.monoid}")
    lines += [f"  {line}" for line in traversals(kernel)]
    for node in walk(kernel.body):
        if isinstance(node, Assemble):
            axes = [n.index for n in walk(node.body) if isinstance(n, Forall) and n.parallel is not None]
            how = f"parallel over {', '.join(axes)}" if axes else "sequential"
            lines.append(f"  {node.tensor}: {how}")
    return "\n".join(lines)


def traversals(kernel: Kernel) -> Iterator[str]:
    """What shares loops and what does not: reductions inside a nest, and tensors that are whole before others begin."""
    nests = [n for n in walk(kernel.body) if isinstance(n, Assemble)]
    for nest in nests:
        inner = [n for n in walk(nest.body) if isinstance(n, Workspace) and n.kind == "scalar"]
        over = [", ".join(f.index for f in walk(n.producer) if isinstance(f, Forall)) for n in inner]
        fused = list(dict.fromkeys(names for names in over if names))
        if fused:
            what = f"what is reduced over {' and over '.join(fused)}"
            yield f"{nest.tensor}: fused: {what} is folded in a scalar, not stored"
    if len(nests) < 2:
        return
    yield f"not fused: {len(nests)} traversals, one after another: {', '.join(n.tensor for n in nests)}"
    made: list[str] = []
    for nest in nests:
        read = _read(nest)
        for name in made:
            if name in read and name != nest.tensor:
                yield f"'{name}' is whole before '{nest.tensor}' reads it"
        made.append(nest.tensor)


def _read(nest: Assemble) -> set[str]:
    values = [n.value for n in walk(nest.body) if isinstance(n, Accumulate)]
    return {a.tensor for e in values for a in walk(e) if isinstance(a, Access)}


__all__ = ["describe", "traversals"]
