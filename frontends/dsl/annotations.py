"""What stands behind a type or a statement's colon: dtype, format, fill, encoding of values."""

from __future__ import annotations

from typing import NamedTuple

from sparsec.errors import ShapeError, Span, SyntaxError_, TypeError_
from sparsec.formats.format import Format
from sparsec.formats.named import named_format
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.formats import build_format, says_symmetric, with_encoding, with_symmetry
from sparsec.frontends.dsl.names import unknown
from sparsec.frontends.dsl.promotion import convert, show
from sparsec.frontends.dsl.symbols import Definitions, Scalar
from sparsec.frontends.dsl.typing import CONSTANTS, Scope, Typer
from sparsec.ir.dtypes import BOOL, BY_NAME, DType
from sparsec.ir.tensor import Literal

MAX_ORDER = 32


class Annotated(NamedTuple):
    """What the text says of a tensor; ``formatted`` tells "auto" (a None) from nothing said."""

    dtype: DType | None = None
    format: Format | None = None
    formatted: bool = False
    fill: Scalar | None = None
    fill_span: Span | None = None

    def fill_of(self, dtype: DType) -> Scalar | None:
        """The fill in the tensor's dtype; raises ``TypeError_`` if it does not fit."""
        return None if self.fill is None or self.fill_span is None else fill_value(self.fill, dtype, self.fill_span)


def annotated(notes: tuple[ast.Annotation, ...], order: int, definitions: Definitions, *, typed: bool) -> Annotated:
    """Annotations of a tensor with ``order`` dimensions; where ``typed`` a dtype may be among them.

    Raises ``SyntaxError_`` for one that is there twice, ``FormatError`` for formats that do not fit the order.
    """
    found: dict[str, ast.Annotation] = {}
    for note in notes:
        kind = _kind(note, typed)
        if kind in found:
            raise SyntaxError_(f"a second {kind} for one tensor", span=note.span, hint=f"keep one {kind}")
        found[kind] = note
    if order == 0 and (extra := found.get("format") or found.get("symmetry") or found.get("encoding")):
        raise SyntaxError_("a scalar has no format", span=extra.span, hint="leave it out")
    dtype, fmt, fill, fill_span = None, None, None, None
    if "dtype" in found:
        dtype = BY_NAME[_word(found["dtype"]) or ""]
    stated = found.get("format")
    if isinstance(stated, ast.FormatNote):
        fmt = build_format(stated.format, order, definitions.formats)
    if "symmetry" in found:
        fmt = with_symmetry(fmt, found["symmetry"])
    encoding = found.get("encoding")
    if isinstance(encoding, ast.ValuesNote):
        fmt = with_encoding(named_format("dense", order) if stated is None else fmt, encoding, order)
    filled = found.get("fill")
    if isinstance(filled, ast.FillNote):
        fill, fill_span = constant(filled.value), filled.value.span
    return Annotated(dtype, fmt, "format" in found or "encoding" in found, fill, fill_span)


def _kind(note: ast.Annotation, typed: bool) -> str:
    if isinstance(note, ast.FillNote):
        return "fill"
    if isinstance(note, ast.ValuesNote):
        return "encoding"
    if says_symmetric(note):
        return "symmetry"
    if _word(note) not in BY_NAME:
        return "format"
    if not typed:
        raise SyntaxError_(
            f"'{_word(note)}' is a dtype, and the dtype comes first", span=note.span, hint="A: f64[m, n] csr"
        )
    return "dtype"


def _word(note: ast.Annotation) -> str | None:
    """The single word that an annotation is."""
    if isinstance(note, ast.FormatNote) and len(note.format.parts) == 1:
        part = note.format.parts[0]
        if isinstance(part, ast.FormatName) and not part.args:
            return part.name
    return None


def dtype_of(name: ast.Name) -> DType:
    """The dtype called so; raises ``TypeError_`` with the nearest."""
    if name.id not in BY_NAME:
        usual = {
            "float": "f64",
            "double": "f64",
            "float64": "f64",
            "float32": "f32",
            "int": "i64",
            "int64": "i64",
            "int32": "i32",
            "half": "f16",
            "complex": "c128",
            "complex128": "c128",
            "complex64": "c64",
            "bfloat16": "bf16",
            "float16": "f16",
            "uint8": "u8",
            "int8": "i8",
        }.get(name.id)
        hint = f"write {usual}" if usual else "dtypes are " + " ".join(BY_NAME)
        if usual:
            raise TypeError_(f"unknown dtype '{name.id}'", span=name.span, hint=hint)
        raise unknown("dtype", name.id, BY_NAME, name.span, hint)
    return BY_NAME[name.id]


def dims_of(p: ast.Param) -> tuple[int | str, ...]:
    """The dimensions of a parameter; raises ``ShapeError`` for more than ``MAX_ORDER``, or too large ones."""
    dims: list[int | str] = []
    for d in p.dims or ():
        if isinstance(d, ast.Number) and int(d.value.real) >= 2**63:
            raise ShapeError(f"the dimension {d.value} is too large", span=d.span, hint="extents are below 2**63")
        dims.append(int(d.value.real) if isinstance(d, ast.Number) else d.id)
    check_order(p.name.id, len(dims), p.name.span)
    return tuple(dims)


def check_order(name: str, order: int, span: Span | None = None) -> None:
    """Raise ``ShapeError`` where a tensor has too many dimensions for a program."""
    if order > MAX_ORDER:
        raise ShapeError(
            f"'{name}' has {order} dimensions, programs compute with {MAX_ORDER} at most",
            span=span,
            hint="reshape joins dimensions",
        )


def constant(e: ast.Expr) -> Scalar:
    """The value of numbers and operators on them: what ``fill(...)`` takes."""
    parts = [e]
    while parts:
        part = parts.pop()
        if not isinstance(part, ast.Number | ast.Unary | ast.Binary) and not (
            isinstance(part, ast.Name) and part.id in CONSTANTS
        ):
            raise TypeError_("only numbers stand here", span=part.span, hint="such as 0, -inf, nan, true")
        parts += ast.parts(part)
    found = Typer(Scope()).expr(e).expr
    if not isinstance(found, Literal):
        raise TypeError_("only a number stands here", span=e.span, hint="such as 0, -inf, nan, true")
    assert isinstance(found.value, bool | int | float | complex)
    return found.value


def fill_value(value: Scalar, dtype: DType, span: Span) -> Scalar:
    """A fill in the tensor's dtype; raises ``TypeError_`` if it does not fit."""
    wrong = isinstance(value, bool) != (dtype is BOOL)
    wrong = wrong or (isinstance(value, complex) and dtype.kind != "c")
    wrong = wrong or (isinstance(value, float) and dtype.is_integer)
    if wrong:
        kinds = {"b": "is true or false", "f": "is a real number", "c": "is a number"}
        hint = f"a fill of {dtype} {kinds.get(dtype.kind, 'is an integer')}"
        raise TypeError_(f"the fill {show(value)} is no {dtype}", span=span, hint=hint)
    if not dtype.holds(value):
        raise TypeError_(f"the fill {show(value)} does not fit in {dtype}", span=span, hint="use a wider dtype")
    fitted = convert(value, dtype)
    assert isinstance(fitted, bool | int | float | complex)
    return fitted
