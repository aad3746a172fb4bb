"""Formats as written to formats of the compiler: names, the file's own definitions, maps.

Level types, options and named formats that the language has and this version cannot run become ``Planned`` levels,
which refuse by name when the program is lowered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sparsec.errors import FormatError, SparsecError, SyntaxError_, nearest
from sparsec.formats.composition import compose
from sparsec.formats.encoding import BITS, Encoding
from sparsec.formats.format import DimConst, DimExpr, DimOp, DimSlot, DimVar, Format, LevelSpec
from sparsec.formats.level import Planned, make_level
from sparsec.formats.named import NAMES, dim_names, named_format
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.names import counted
from sparsec.frontends.dsl.slices import Order, sliced_levels
from sparsec.ir.dtypes import BY_NAME

Formats = Mapping[str, ast.FormatDef]
ENCODINGS = tuple(BITS)


def build_format(text: ast.FormatText, order: int, definitions: Formats) -> Format | None:
    """The format of a tensor with ``order`` dimensions; None for ``auto``.

    Raises ``FormatError`` with the span of the part that is wrong.
    """
    if len(text.parts) == 1:
        return build_part(text.parts[0], order, definitions)
    parts = []
    for part in text.parts:
        fmt = build_part(part, order, definitions)
        if fmt is None:
            raise FormatError("'auto' cannot be a part of a format", span=part.span, hint="'auto' stands alone")
        parts.append(fmt)
    try:
        return compose(text.joints, parts)
    except FormatError as e:
        e.span = e.span or text.span
        raise


def part_label(part: ast.FormatName | ast.MapText) -> str:
    if isinstance(part, ast.MapText):
        return "(map)"
    return part.name + (f"[{', '.join(map(show, part.args))}]" if part.args else "")


def planned(label: str, order: int) -> Format:
    """A format that parses and cannot run yet."""
    dims = dim_names(order)
    return Format(dims, tuple(LevelSpec(DimVar(d), Planned(label)) for d in dims), label)


def with_encoding(fmt: Format | None, note: ast.ValuesNote, order: int) -> Format:
    """The format with its values encoded as ``note`` says."""
    if note.encoding not in ENCODINGS:
        raise FormatError(
            f"unknown encoding '{note.encoding}' of values",
            span=note.span,
            hint=nearest(note.encoding, ENCODINGS) or f"encodings are {', '.join(ENCODINGS)}",
        )
    if note.group is None or note.group < 1:
        raise FormatError(
            f"'{note.encoding}' needs the size of a group", span=note.span, hint=f"write values({note.encoding}[64])"
        )
    encoding = Encoding(note.encoding, note.group)
    if fmt is None:
        return planned(f"auto values({encoding})", order)
    try:
        return fmt.encoded(encoding)
    except FormatError as e:
        e.span = e.span or note.span
        raise


def says_symmetric(note: ast.Annotation) -> bool:
    """Is it the word ``symmetric``, which reads as a format's name?"""
    parts = note.format.parts if isinstance(note, ast.FormatNote) else ()
    return len(parts) == 1 and isinstance(parts[0], ast.FormatName) and parts[0].name == "symmetric"


def with_symmetry(fmt: Format | None, note: ast.Annotation) -> Format:
    """The format of symmetric matrices whose lower half is stored so."""
    try:
        if fmt is None:
            raise FormatError("'symmetric' goes with a format", hint="csr symmetric")
        return fmt.mirrored()
    except FormatError as e:
        e.span = e.span or note.span
        raise


def with_notes(fmt: Format | None, notes: Sequence[ast.Annotation], order: int) -> Format | None:
    """The format with what stands behind it in a definition, or alone: ``symmetric`` and ``values(q4[64])``."""
    for note in notes:
        if says_symmetric(note):
            fmt = with_symmetry(fmt, note)
        elif isinstance(note, ast.ValuesNote):
            fmt = with_encoding(fmt, note, order)
        else:
            raise SyntaxError_(
                "only 'symmetric' and 'values(...)' stand behind a format here",
                span=note.span,
                hint="(i, j) -> (i: dense, j: compressed) symmetric, csr values(q4[64])",
            )
    return fmt


def build_part(part: ast.FormatName | ast.MapText, order: int, definitions: Formats) -> Format | None:
    try:
        if isinstance(part, ast.MapText):
            return build_map(part, order, {})
        if part.name in definitions:
            return instantiate(part, order, definitions)
        if part.name == "auto" and not part.args:
            return None
        known = [*NAMES, *definitions, "auto"]
        if part.name not in known:
            if part.name in BY_NAME:
                raise FormatError(
                    f"'{part.name}' is a dtype, and stands where a format is expected", hint="the dtype comes first"
                )
            raise FormatError(
                f"unknown format '{part.name}'", hint=nearest(part.name, known) or f"formats are {', '.join(known)}"
            )
        numbers = tuple(a for a in part.args if isinstance(a, int))
        if len(numbers) != len(part.args):
            raise FormatError(
                f"the arguments of format '{part.name}' are numbers here", hint=f"write {part.name}[16, 16]"
            )
        return named_format(part.name, order, numbers)
    except FormatError as e:
        e.span = e.span or part.span
        raise


def instantiate(part: ast.FormatName, order: int, definitions: Formats) -> Format | None:
    """A format defined in the file, with its parameters replaced."""
    d = definitions[part.name]
    if len(part.args) != len(d.params):
        needs = f"[{', '.join(p.id for p in d.params)}]" if d.params else ""
        raise FormatError(
            f"format '{part.name}' takes {counted(len(d.params), 'argument')}, not {len(part.args)}",
            span=part.span,
            hint=f"it is defined as {part.name}{needs}",
        )
    label = part_label(part)
    values = dict(zip((p.id for p in d.params), part.args, strict=True))
    only = d.format.parts[0]
    if isinstance(only, ast.MapText) and len(d.format.parts) == 1:
        fmt: Format | None = build_map(only, order, values, d.order)
    else:
        # A name inside its own definition means what it meant before.
        rest = {k: v for k, v in definitions.items() if k != part.name}
        parts = tuple(substitute(p, values) for p in d.format.parts)
        fmt = build_format(d.format._replace(parts=parts), order, rest)
    fmt = with_notes(fmt, d.annotations, order)
    return None if fmt is None else replace(fmt, name=label)


def substitute(part: ast.FormatName | ast.MapText, values: Mapping[str, ast.MapExpr]) -> ast.FormatName | ast.MapText:
    if isinstance(part, ast.MapText):
        return part
    return part._replace(args=tuple(values.get(a, a) if isinstance(a, str) else a for a in part.args))


def build_map(
    text: ast.MapText, order: int, values: Mapping[str, ast.MapExpr], permuted: ast.Permutation | None = None
) -> Format:
    """``(i, j) -> (i: dense, j: compressed)``; ``permuted`` is ``p = order[s](i)``."""
    if len(text.dims) != order:
        raise FormatError(
            f"the format maps {counted(len(text.dims), 'dimension')}, the tensor has {order}",
            span=text.span,
            hint=f"begin it with ({', '.join(dim_names(order))}) ->",
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
    turned = None if permuted is None else permutation(permuted, text.dims, values)
    try:
        found = sliced_levels(levels, turned)
    except SparsecError as e:
        e.span = e.span or text.span
        raise
    if found is None and permuted is not None:
        return planned(f"{permuted.name.id} = {permuted.function.id}(...)", order)
    fmt = Format(text.dims, tuple(levels) if found is None else found)
    try:
        return fmt.check()
    except FormatError as e:
        e.span = text.span
        raise


def permutation(p: ast.Permutation, dims: tuple[str, ...], values: Mapping[str, ast.MapExpr]) -> Order:
    """``p = order[s](i)`` with its parameters replaced."""
    if p.function.id != "order":
        raise FormatError(
            f"there is no permutation '{p.function.id}'", span=p.function.span, hint=f"{p.name.id} = order[64](i), say"
        )
    if p.dim.id not in dims or p.name.id in dims:
        wrong = p.dim if p.dim.id not in dims else p.name
        what = "is no dimension of the map" if wrong is p.dim else "is a dimension of the map already"
        raise FormatError(f"'{wrong.id}' {what}", span=wrong.span, hint=f"its dimensions are ({', '.join(dims)})")
    size = coordinate(p.size, values)
    if not isinstance(size, DimConst) or size.value < 1:
        raise FormatError(f"'order' needs the size of its windows, not '{size}'", span=p.function.span)
    return Order(p.name.id, size.value, p.dim.id)


def coordinate(e: ast.MapExpr, values: Mapping[str, ast.MapExpr]) -> DimExpr:
    if isinstance(e, str):
        return coordinate(values[e], {}) if e in values else DimVar(e)
    if isinstance(e, int):
        return DimConst(e)
    if isinstance(e, ast.MapSlot):
        return DimSlot()
    return DimOp(e.op, (coordinate(e.left, values), coordinate(e.right, values)))


def show(e: ast.MapExpr, values: Mapping[str, ast.MapExpr] | None = None) -> str:
    return str(coordinate(e, values or {}))


def check_definition(d: ast.FormatDef, definitions: Formats) -> None:
    """Raise ``FormatError`` for a definition that no use could make right; parameters stand for 2."""
    only = d.format.parts[0]
    order = len(only.dims) if isinstance(only, ast.MapText) else 2
    if d.order is not None and not isinstance(only, ast.MapText):
        raise FormatError(
            "'order' permutes a dimension of a map",
            span=d.order.name.span,
            hint="(i, j) -> (p: ..., ...), p = order[s](i)",
        )
    instantiate(ast.FormatName(d.name.id, (2,) * len(d.params), d.name.span), order, definitions)
