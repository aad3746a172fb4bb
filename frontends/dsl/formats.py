"""Formats as written to formats of the compiler: names, the file's own definitions, maps."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace

from sparsec.errors import FormatError, SparsecError
from sparsec.formats.format import DimConst, DimExpr, DimOp, DimSlot, DimVar, Format, LevelSpec
from sparsec.formats.level import Planned, make_level
from sparsec.formats.named import FORMATS, PLANNED_FORMATS, dim_names, named_format
from sparsec.frontends.dsl import ast

Definitions = Mapping[str, ast.FormatDef]


def build_format(text: ast.FormatText, order: int, definitions: Definitions) -> Format | None:
    """The format of a tensor of this order; None for ``auto``.

    Raises ``FormatError`` with the span of the part that is wrong.
    """
    if len(text.parts) > 1:
        label = str(text.parts[0].name if isinstance(text.parts[0], ast.FormatName) else "(map)")
        for joint, part in zip(text.joints, text.parts[1:], strict=True):
            build_part(part, order, definitions)
            label += f" {joint} " + (part.name if isinstance(part, ast.FormatName) else "(map)")
        return planned(label, order)
    return build_part(text.parts[0], order, definitions)


def planned(label: str, order: int) -> Format:
    """A format that parses and cannot run yet."""
    dims = dim_names(order)
    return Format(dims, tuple(LevelSpec(DimVar(d), Planned(label)) for d in dims), label)


def build_part(part: ast.FormatName | ast.MapText, order: int, definitions: Definitions) -> Format | None:
    try:
        if isinstance(part, ast.MapText):
            return build_map(part, order, {})
        if part.name in definitions:
            return instantiate(part, order, definitions)
        if part.name == "auto" and not part.args:
            return None
        if part.name not in FORMATS and part.name not in PLANNED_FORMATS:
            near = difflib.get_close_matches(part.name, [*FORMATS, *PLANNED_FORMATS, *definitions], 1)
            known = ", ".join([*FORMATS, *PLANNED_FORMATS, *definitions])
            raise FormatError(
                f"unknown format '{part.name}'", hint=f"did you mean '{near[0]}'?" if near else f"formats are {known}"
            )
        numbers = tuple(a for a in part.args if isinstance(a, int))
        if len(numbers) != len(part.args):
            raise FormatError(f"the arguments of format '{part.name}' must be numbers")
        return named_format(part.name, order, numbers)
    except FormatError as e:
        e.span = e.span or part.span
        raise


def instantiate(part: ast.FormatName, order: int, definitions: Definitions) -> Format | None:
    """A format defined in the file, with its parameters replaced."""
    definition = definitions[part.name]
    if len(part.args) != len(definition.params):
        raise FormatError(
            f"format '{part.name}' takes {len(definition.params)} arguments, not {len(part.args)}", span=part.span
        )
    label = part.name + (f"[{', '.join(map(str, part.args))}]" if part.args else "")
    if definition.order or any(a.kind == "values" for a in definition.annotations):
        return planned(label, order)
    values = dict(zip(definition.params, part.args, strict=True))
    if len(definition.format.parts) == 1 and isinstance(definition.format.parts[0], ast.MapText):
        return replace(build_map(definition.format.parts[0], order, values), name=label)
    without = {k: v for k, v in definitions.items() if k != part.name}
    inner = build_format(definition.format, order, without)
    return replace(inner, name=label) if inner is not None else None


def build_map(text: ast.MapText, order: int, values: Mapping[str, ast.MapExpr]) -> Format:
    """``(i, j) -> (i: dense, j: compressed)``."""
    if len(text.dims) != order:
        raise FormatError(
            f"the format maps {len(text.dims)} dimensions, the tensor has {order}", span=text.span
        )
    levels = []
    for level in text.levels:
        words, options = [], {}
        for key, value in level.options:
            if key is None:
                words.append(show(value, values))
            else:
                options[key] = show(value, values)
        try:
            levels.append(LevelSpec(coordinate(level.coord, values), make_level(level.type, tuple(words), options)))
        except SparsecError as e:
            e.span = e.span or level.span
            raise
    fmt = Format(text.dims, tuple(levels))
    try:
        return fmt.check()
    except FormatError as e:
        e.span = text.span
        raise


def coordinate(e: ast.MapExpr, values: Mapping[str, ast.MapExpr]) -> DimExpr:
    if isinstance(e, str):
        return coordinate(values[e], {}) if e in values else DimVar(e)
    if isinstance(e, int):
        return DimConst(e)
    if isinstance(e, ast.MapSlot):
        return DimSlot()
    return DimOp(e.op, (coordinate(e.left, values), coordinate(e.right, values)))


def show(e: ast.MapExpr, values: Mapping[str, ast.MapExpr]) -> str:
    return str(coordinate(e, values))
