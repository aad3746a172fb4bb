"""The extents of a program's dimensions, from what the caller passes.

In a kernel a dimension has the name that its signature gives it.  In bare statements nothing but index variables and
operands has a name that the caller knows: errors speak of those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sparsec.errors import ShapeError, TypeError_
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Index, Literal, Program

Constant = tuple[Access, int, int, str]
"""An access, which of its indices is a number, that number, and the name of the dimension it should lie in."""
Place = tuple[int, int]
"""Which operand, and which of its dimensions."""


def constants(program: Program) -> tuple[Constant, ...]:
    """The indices of a program that are numbers, in dimensions whose extent the caller's operands say."""
    return tuple(
        (a, n, e.value, d)
        for s in program.body
        for a in walk(s)
        if isinstance(a, Access)
        for n, (e, d) in enumerate(zip(a.indices, program.tensor(a.tensor).dims, strict=True))
        if isinstance(e, Literal) and isinstance(e.value, int) and isinstance(d, str)
    )


def check_constants(found: Sequence[Constant], dims: Mapping[str, int]) -> None:
    """Raise ``ShapeError`` for an index that is a number outside of its tensor."""
    for access, n, index, d in found:
        if not 0 <= index < dims[d]:
            raise ShapeError(
                f"the index {index} is outside '{access.tensor}'",
                span=access.span,
                hint=f"its dimension {n + 1} is {dims[d]} here",
            )


def extents(
    program: Program,
    shapes: Sequence[tuple[int, ...]],
    sizes: Mapping[str, int] | None,
    names: Sequence[str] | None = None,
) -> dict[str, int]:
    """The extent of every named dimension, from the operands' shapes and ``sizes``.

    ``names`` are those that the caller knows the operands by, where the program has others.  Raises ``ShapeError`` that
    names both operands where they disagree, and for a dimension that nothing says; ``TypeError_`` if ``sizes`` is no
    mapping.
    """
    shown = list(names or (t.name for t in program.operands))
    dims: dict[str, int] = {}
    said: dict[str, Place] = {}
    if not isinstance(sizes, Mapping | None):
        raise TypeError_(f"sizes is a mapping of extents, not {sizes!r:.60}", hint="pass sizes={'n': 100}, say")
    for name, n in (sizes or {}).items():
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
            raise ShapeError(f"sizes['{name}'] is {n!r}, not a number of elements")
        dims[name] = int(n)
    for number, (t, shape) in enumerate(zip(program.operands, shapes, strict=True)):
        for place, (d, n) in enumerate(zip(t.dims, shape, strict=True)):
            if isinstance(d, int):
                if d != n:
                    raise ShapeError(
                        f"dimension {place + 1} of operand '{shown[number]}' is {n}, its declaration says {d}"
                    )
            elif dims.setdefault(d, n) != n:
                raise ShapeError(
                    _disagree(program, shown, d, said.get(d), (number, place), (dims[d], n)),
                    hint=f"'{shown[number]}' has shape {tuple(shape)}",
                )
            else:
                said.setdefault(d, (number, place))
    known = {d for t in program.tensors for d in t.dims if isinstance(d, str)}
    if unknown := [d for d in known if d not in dims]:
        raise _unknown(program, min(unknown))
    if extra := set(dims) - known:
        name = min(extra, key=str)
        if program.bare:
            raise ShapeError(
                f"sizes names '{name}', and the extent of no index variable is asked for by that name",
                hint="leave it out: all extents are known",
            )
        raise ShapeError(
            f"the program has no dimension '{name}'", hint=f"its dimensions are {', '.join(sorted(known)) or 'numbers'}"
        )
    return dims


def _disagree(
    program: Program, shown: Sequence[str], d: str, first: Place | None, second: Place, found: tuple[int, int]
) -> str:
    """What to say where the extents ``found`` at two places, or in ``sizes`` (None) and at a place, should be one."""
    here = shown[second[0]]
    if first is None:
        return f"dimension '{d}' is {found[0]} in sizes and {found[1]} in '{here}'"
    there = shown[first[0]]
    if not program.bare and here != there:
        return f"dimension '{d}' is {found[0]} in '{there}' and {found[1]} in '{here}'"
    shared = sorted(_indices_at(program, first) & _indices_at(program, second))
    why = f"both are '{d}'" if not program.bare else "the statements make them one"
    if program.bare and shared:
        why = f"the index '{shared[0]}' runs over both"
    one = f"dimension {first[1] + 1} of '{there}' is {found[0]}"
    return f"{one}, and dimension {second[1] + 1} of '{here}' is {found[1]}: {why}"


def _indices_at(program: Program, place: Place) -> set[str]:
    """The index variables that run over a dimension of an operand."""
    name = program.operands[place[0]].name
    found = (a.indices[place[1]] for s in program.body for a in walk(s) if isinstance(a, Access) and a.tensor == name)
    return {i.name for i in found if isinstance(i, Index)}


def _unknown(program: Program, d: str) -> ShapeError:
    """What to say of a dimension whose extent nothing says."""
    message = f"the extent of dimension '{d}' is not known: only results have it"
    if program.bare:
        t, place = next((t, t.dims.index(d)) for t in program.tensors if d in t.dims)
        message = f"nothing says the extent of dimension {place + 1} of '{t.name}'"
    return ShapeError(message, hint=f"pass sizes={{'{d}': ...}}")


__all__ = ["Constant", "check_constants", "constants", "extents"]
