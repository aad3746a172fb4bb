"""The textual form of expressions and declarations, which tensor IR and loop nest IR share (grammar: ``tensor.py``).

What the grammar leaves open: the type of an operator, a scan, a softmax follows from its arguments and is not written;
``softmax[j]`` is a tensor's element unless a round bracket follows, as in ``softmax[j](x[j])``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sparsec.errors import Span
from sparsec.ir import ops
from sparsec.ir.dtypes import DType
from sparsec.ir.tensor import (
    Access,
    Dim,
    Expr,
    Extent,
    Index,
    Literal,
    Map,
    Reduce,
    Scan,
    Softmax,
    Stored,
    TensorDecl,
    Top,
)
from sparsec.ir.text import Cursor, format_text, literal_text

ROLES = ("in", "out", "inout", "local", "pattern", "values")
NOT_AN_INDEX = ("inf", "nan", "true", "false")
"""Names that stand for a literal, so that no index variable can be called so."""


def print_decl(t: TensorDecl) -> str:
    """``in A: f64[m, n] csr fill(0.0)``; of a composite's part also whose it is: ``of B``."""
    dims = f"[{', '.join(map(str, t.dims))}]" if t.dims else ""
    fmt = f" {format_text(t.format)}" if t.format is not None else ""
    whole = f" of {t.part_of}" if t.part_of is not None else ""
    return f"{t.role} {t.name}: {t.dtype}{dims}{fmt} fill({literal_text(t.fill)}){whole}"


def parse_decl(c: Cursor) -> TensorDecl:
    span = c.token.span
    role = c.advance().text
    name = c.name("a tensor's name")
    c.expect(":")
    dtype = c.dtype()
    dims = c.listed(lambda: parse_extent(c), "]") if c.accept("[") else ()
    fmt = c.format(len(dims)) if c.at_format() else None
    fill: bool | int | float | complex = {"b": False, "f": 0.0, "c": 0j}.get(dtype.kind, 0)
    if c.accept("fill"):
        c.expect("(")
        fill = c.literal()
        c.expect(")")
    whole = c.name("the name of the whole tensor") if c.accept("of") else None
    return TensorDecl(name, dtype, dims, fmt, fill, role, whole, span=span)


def parse_extent(c: Cursor) -> Extent:
    return c.integer() if c.token.kind == "number" else c.name("an extent")


# printing


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
            zero = "" if e.zero is None else f"[{literal_text(e.zero)}]"
            head = f"cast[{dtype}]" if op == "cast" else f"{op}{zero}"
            return f"{head}({', '.join(map(print_expr, args))})"
        case Reduce():
            return f"reduce.{e.monoid}[{', '.join(e.indices)}]{_body(e.body, e.where)}:{e.dtype}"
        case Scan():
            words = ", exclusive" * e.exclusive + ", reverse" * e.reverse
            return f"scan.{e.monoid}[{e.index}{words}]{_body(e.body, e.where)}"
        case Softmax():
            return f"softmax[{', '.join(e.indices)}]{_body(e.body, e.where)}"
        case Top():
            groups = ", ".join(name if size is None else f"{name}/{size}" for name, size in e.groups)
            return f"top[{groups}: {e.k}]{_body(e.key, e.where)}"
    raise TypeError(f"{type(e).__name__} is no expression")


def _body(body: Expr, where: Expr | None) -> str:
    return f"({print_expr(body)}{'' if where is None else f' where {print_expr(where)}'})"


# parsing


def parse_expr(
    c: Cursor, dtypes: Mapping[str, DType], monoids: Collection[str] = (), what: str = "tensor or workspace"
) -> Expr:
    """An expression; ``dtypes`` gives the types of the names that accesses use, ``monoids`` are those of users."""
    return _Reader(c, dtypes, monoids, what).expr()


def parse_access(
    c: Cursor, dtypes: Mapping[str, DType], monoids: Collection[str] = (), what: str = "tensor or workspace"
) -> Access:
    """``A[i, j]``."""
    return _Reader(c, dtypes, monoids, what).access()


def parse_monoid(c: Cursor, monoids: Collection[str] = (), what: str = "a monoid") -> str:
    """The name of a monoid, built-in or one of ``monoids``."""
    span, name = c.token.span, c.name(what)
    if name not in ops.MONOIDS and name not in monoids:
        raise c.error(f"no monoid is called '{name}'", span, "monoids are " + ", ".join([*ops.MONOIDS, *monoids]))
    return name


def parse_assignment(c: Cursor, monoids: Collection[str] = ()) -> str:
    """``=`` or ``add=``: the operator of a statement."""
    op = "=" if c.at("=") else parse_monoid(c, monoids, "'=' or a monoid")
    c.expect("=")
    return op


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads expressions; ``what`` says in errors what the names of ``dtypes`` are."""

    c: Cursor
    dtypes: Mapping[str, DType]
    monoids: Collection[str]
    what: str

    def expr(self) -> Expr:
        c, span = self.c, self.c.token.span
        with c.nested():
            if c.at("fill") and c.peek() == "(":
                c.advance()
                c.expect("(")
                return self.literal(span, fill=True)
            if c.at_literal() and c.peek() != "[":
                return self.literal(span)
            if c.at("reduce", "scan") and c.peek() == ".":
                return self.reduce(span) if c.at("reduce") else self.scan(span)
            if c.peek() == "[":
                if not (c.at("cast", "softmax", "top", *ops.OPS) and self.is_call()):
                    return self.access()
                if c.at("cast"):
                    return self.cast(span)
                if not c.at("softmax", "top"):
                    return self.product(span)
                return self.softmax(span) if c.at("softmax") else self.top(span)
            name = c.name("an expression")
            if not c.accept("("):
                return Index(name, span=span)
            if name == "dim":
                dim = Dim(c.name("a dimension"), span=span)
                c.expect(")")
                return dim
            if name == "stored":
                stored = Stored(self.access(), span=span)
                c.expect(")")
                return stored
            return self.map(name, span)

    def is_call(self) -> bool:
        """Whether a round bracket follows the square brackets that open behind the next token."""
        depth, n = 1, 2
        while depth:
            text = self.c.peek(n)
            if not text:
                return False
            depth += (text == "[") - (text == "]")
            n += 1
        return self.c.peek(n) == "("

    def literal(self, span: Span, fill: bool = False) -> Literal:
        value = self.c.literal()
        if fill:
            self.c.expect(")")
        self.c.expect(":")
        return Literal(value, self.c.dtype(), fill, span=span)

    def access(self) -> Access:
        c, span = self.c, self.c.token.span
        name = c.name("a tensor")
        if name not in self.dtypes:
            raise c.error(f"no {self.what} is called '{name}'", span)
        c.expect("[")
        return Access(name, c.listed(self.expr, "]"), self.dtypes[name], span=span)

    def map(self, name: str, span: Span) -> Map:
        c, args = self.c, self.c.listed(self.expr, ")")
        if name not in ops.OPS:
            raise c.error(f"no operator is called '{name}'", span)
        if name == "cast":
            raise c.error("a cast says its type", span, "write cast[f64](...)")
        if len(args) != ops.OPS[name].arity:
            raise c.error(f"'{name}' takes {ops.OPS[name].arity} arguments, not {len(args)}", span)
        return Map(name, args, ops.result_dtype(name, tuple(a.dtype for a in args)), span=span)

    def product(self, span: Span) -> Map:
        """``mul[inf](a, b)``: in a semiring whose zero stands in the bracket."""
        c = self.c
        name = c.name("an operator")
        c.expect("[")
        zero = c.literal()
        for text in ("]", "("):
            c.expect(text)
        return replace(self.map(name, span), zero=zero)

    def cast(self, span: Span) -> Map:
        c = self.c
        c.advance()
        c.expect("[")
        dtype = c.dtype()
        c.expect("]")
        c.expect("(")
        arg = self.expr()
        c.expect(")")
        return Map("cast", (arg,), dtype, span=span)

    # reductions and their kin

    def reduce(self, span: Span) -> Reduce:
        monoid, names = self.head(), self.names()
        body, where = self.body()
        self.c.expect(":")
        return Reduce(monoid, names, body, self.c.dtype(), where, span=span)

    def scan(self, span: Span) -> Scan:
        monoid, c = self.head(), self.c
        c.expect("[")
        index = c.name("an index")
        exclusive, reverse = self.option("exclusive"), self.option("reverse")
        c.expect("]")
        body, where = self.body()
        return Scan(monoid, index, body, body.dtype, exclusive, reverse, where, span=span)

    def option(self, word: str) -> bool:
        return self.c.peek() == word and self.c.accept(",") and self.c.accept(word)

    def softmax(self, span: Span) -> Softmax:
        self.c.advance()
        names = self.names()
        body, where = self.body()
        return Softmax(names, body, body.dtype, where, span=span)

    def top(self, span: Span) -> Top:
        c = self.c
        c.advance()
        c.expect("[")
        groups = c.listed(self.group, ":")
        k = c.integer()
        c.expect("]")
        key, where = self.body()
        return Top(groups, k, key, where, span=span)

    def head(self) -> str:
        """``reduce.add`` up to the brackets: the monoid."""
        self.c.advance()
        self.c.expect(".")
        return parse_monoid(self.c, self.monoids)

    def names(self) -> tuple[str, ...]:
        self.c.expect("[")
        return self.c.listed(lambda: self.c.name("an index"), "]")

    def group(self) -> tuple[str, int | None]:
        name = self.c.name("an index")
        return name, self.c.integer() if self.c.accept("/") else None

    def body(self) -> tuple[Expr, Expr | None]:
        """``(expr)`` or ``(expr where condition)``."""
        c = self.c
        c.expect("(")
        body = self.expr()
        where = self.expr() if c.accept("where") else None
        c.expect(")")
        return body, where


__all__ = [
    "NOT_AN_INDEX",
    "ROLES",
    "parse_access",
    "parse_assignment",
    "parse_decl",
    "parse_expr",
    "parse_extent",
    "print_decl",
    "print_expr",
]
