"""Left sides that are more than plain variables: a name for each place, and whether two points write the same one.

``H[bin[i]] += w[i]`` is planned as an update of ``H[H_at0]``, where the loops compute the place::

    forall i in m { let H_at0 = bin[i] in n { H[H_at0] add= w[i] } }

so a place outside of the tensor is not written, and all that knows a result by its index variables (assembly,
workspaces, levels) stays as it is.  The second ``i`` of ``D[i, i]`` and the 3 of ``C[i, 3]`` are named likewise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from sparsec.ir.loops import Full
from sparsec.ir.tensor import Access, Extent, Index, Program
from sparsec.ir.variables import is_plain, mentioned
from sparsec.passes.lower.coordinates import Linear, Relations, linear
from sparsec.passes.lower.spaces import Computed
from sparsec.passes.names import unused


def named(program: Program, target: Access, variables: Collection[str]) -> tuple[Access, tuple[Computed, ...]]:
    """``target`` with a name for each index that is not a variable of its own, and what these names stand for."""
    if is_plain(target):
        return target, ()
    taken = {*variables, *mentioned(*target.indices), *(t.name for t in program.tensors)}
    seen: set[str] = set()
    indices: list[Index] = []
    lets: list[Computed] = []
    for d, (e, extent) in enumerate(zip(target.indices, program.tensor(target.tensor).dims, strict=True)):
        if isinstance(e, Index) and e.name not in seen:
            seen.add(e.name)
            indices.append(e)
            continue
        name = unused(f"{target.tensor}_at{d}", taken, "_")
        taken.add(name)
        indices.append(Index(name))
        lets.append(Computed(name, e, Full(extent), frozenset()))
    return replace(target, indices=tuple(indices)), tuple(lets)


def writes_once(target: Access, extents: Mapping[str, Extent]) -> bool:
    """Whether the points of the variables of ``target`` are sure to be different places.

    An index tells the variables in it apart that no other index has told apart before, if it is linear in them and what
    the lesser coefficients add up to stays below the next: ``2*i``, ``n - 1 - i``, ``4*i + r`` with r below 4.
    """
    forms = [linear(e, set(), Relations()) for e in target.indices]
    known: set[str] = set()
    while True:
        new = set().union(*(_told_apart(f, known, extents) for f in forms)) - known
        if not new:
            return known >= set(mentioned(*target.indices))
        known |= new


def _told_apart(form: Linear, known: set[str], extents: Mapping[str, Extent]) -> set[str]:
    """The variables of an index that its value tells, once those in ``known`` are."""
    left: list[tuple[int, str]] = []
    for atom, c in form.terms.items():
        if isinstance(atom, Index):
            left += [(abs(c), atom.name)] if atom.name not in known else []
        elif not known.issuperset(mentioned(atom)):
            return set()
    reach: int | None = 0
    for c, name in sorted(left):
        if reach is None or c <= reach:
            return set()
        extent = extents[name]
        reach = reach + c * max(extent - 1, 0) if isinstance(extent, int) else None
    return {name for _, name in left}


__all__ = ["named", "writes_once"]
