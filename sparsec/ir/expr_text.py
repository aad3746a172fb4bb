"""The textual form of scalar expressions and declarations, as loop nest IR writes them (grammar: ``tensor.py``).

What the grammar leaves open: a literal that stands for an unstored entry prints as ``fill(0.0):f64``.
"""

from __future__ import annotations

from collections.abc import Mapping

from sparsec.ir import ops
from sparsec.ir.dtypes import BY_NAME, DType
from sparsec.ir.tensor import Access, Dim, Expr, Extent, Index, Literal, Map, Stored, TensorDecl
from sparsec.ir.text import Cursor, format_text, literal_text

ROLES = ("in", "out", "inout", "local")


def print_decl(t: TensorDecl) -> str:
    """``in A: f64[m, n] csr fill(0.0)``."""
    dims = f"[{', '.join(map(str, t.dims))}]" if t.dims else ""
    fmt = f" {format_text(t.format)}" if t.format is not None else ""
    return f"{t.role} {t.name}: {t.dtype}{dims}{fmt} fill({literal_text(t.fill)})"


def parse_decl(c: Cursor) -> TensorDecl:
    span = c.token.span
    role = c.advance().text
    name = c.name("a tensor's name")
    c.expect(":")
    dtype = c.dtype()
    dims = c.listed(lambda: parse_extent(c), "]") if c.accept("[") else ()
    fmt = c.format(len(dims)) if c.at_format() else None
    fill: object = False if dtype.kind == "b" else dtype.np.type(0).item()
    if c.accept("fill"):
        c.expect("(")
        fill = c.literal()
        c.expect(")")
    return TensorDecl(name, dtype, dims, fmt, fill, role, span=span)  # type: ignore[arg-type]


def parse_extent(c: Cursor) -> Extent:
    return c.integer() if c.token.kind == "number" else c.name("an extent")


def print_expr(e: Expr) -> str:
    """The expression as ``parse_expr`` reads it back."""
    match e:
        case Literal(value, dtype, fill):
            return f"fill({literal_text(value)}):{dtype}" if fill else f"{literal_text(value)}:{dtype}"
        case Index(name):
            return name
        case Dim(name):
            return f"dim({name})"
        case Access(tensor, indices):
            return f"{tensor}[{', '.join(map(print_expr, indices))}]"
        case Stored(access):
            return f"stored({print_expr(access)})"
        case Map(op, args, dtype):
            head = f"cast[{dtype}]" if op == "cast" else op
            return f"{head}({', '.join(map(print_expr, args))})"
    raise TypeError(f"{type(e).__name__} has no text in loop nest IR")


def parse_expr(c: Cursor, dtypes: Mapping[str, DType]) -> Expr:
    """An expression; ``dtypes`` gives the types of the names that accesses use."""
    span = c.token.span
    with c.nested():
        if c.at("fill") and c.peek() == "(":
            c.advance()
            c.expect("(")
            return _literal(c, fill=True)
        if c.at_literal() and c.peek() != "[":
            return _literal(c)
        if c.at("cast") and c.peek() == "[" and c.peek(2) in BY_NAME:
            c.advance()
            c.expect("[")
            dtype = c.dtype()
            c.expect("]")
            c.expect("(")
            args = c.listed(lambda: parse_expr(c, dtypes), ")")
            return Map("cast", args, dtype, span=span)
        if c.peek() == "[":
            return parse_access(c, dtypes)
        name = c.name("an expression")
        if not c.accept("("):
            return Index(name, span=span)
        if name == "dim":
            dim = Dim(c.name("a dimension"), span=span)
            c.expect(")")
            return dim
        if name == "stored":
            stored = Stored(parse_access(c, dtypes), span=span)
            c.expect(")")
            return stored
        args = c.listed(lambda: parse_expr(c, dtypes), ")")
        if name not in ops.OPS:
            raise c.error(f"no operator is called '{name}'", span)
        if len(args) != ops.OPS[name].arity:
            raise c.error(f"'{name}' takes {ops.OPS[name].arity} arguments, not {len(args)}", span)
        return Map(name, args, ops.result_dtype(name, tuple(a.dtype for a in args)), span=span)


def _literal(c: Cursor, fill: bool = False) -> Literal:
    span = c.token.span
    value = c.literal()
    if fill:
        c.expect(")")
    c.expect(":")
    return Literal(value, c.dtype(), fill, span=span)


def parse_access(c: Cursor, dtypes: Mapping[str, DType]) -> Access:
    """``A[i, j]``."""
    span = c.token.span
    name = c.name("a tensor")
    if name not in dtypes:
        raise c.error(f"no tensor or workspace is called '{name}'", span)
    c.expect("[")
    return Access(name, c.listed(lambda: parse_expr(c, dtypes), "]"), dtypes[name], span=span)


__all__ = ["ROLES", "parse_access", "parse_decl", "parse_expr", "parse_extent", "print_decl", "print_expr"]
