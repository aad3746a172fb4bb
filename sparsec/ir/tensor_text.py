"""The textual form of tensor IR (grammar: ``tensor.py``): printer and parser, exact inverses of each other.

What the grammar leaves open: ``where``, ``for``, ``scan`` are names of tensors where a square bracket follows them; a
name that a monoid's definition does not use needs no type there.
"""

from __future__ import annotations

from collections.abc import Iterator

from sparsec.ir.dtypes import DType
from sparsec.ir.expr_text import (
    ROLES,
    parse_access,
    parse_assignment,
    parse_decl,
    parse_expr,
    parse_extent,
    print_decl,
    print_expr,
)
from sparsec.ir.monoid_text import monoid_lines, parse_monoid_def
from sparsec.ir.schedule import COMMANDS, Directive, directive
from sparsec.ir.tensor import Assign, Expr, IndexDecl, MonoidDef, Program, ScanLoop, Stmt
from sparsec.ir.text import Cursor

Types = dict[str, DType]


def print_program(p: Program) -> str:
    """The program as text that ``parse_program`` reads back to an equal tree."""
    lines = [f"program {p.name} {{"]
    for m in p.monoids:
        lines += [f"  {line}" for line in monoid_lines(m)]
    lines += [f"  {print_decl(t)}" for t in p.tensors]
    for s in p.body:
        lines += [f"  {line}" for line in _stmt(s)]
    lines += [f"  schedule {d}" for d in p.schedule]
    return "\n".join([*lines, "}"]) + "\n"


def _stmt(s: Stmt) -> Iterator[str]:
    if isinstance(s, ScanLoop):
        yield f"scan {s.index.name} < {s.index.extent}{' reverse' * s.reverse} {{"
        for inner in s.body:
            yield f"  {_assign(inner)}"
        yield "}"
    else:
        yield _assign(s)


def _assign(s: Assign) -> str:
    where = "" if s.where is None else f" where {print_expr(s.where)}"
    indices = ", ".join(f"{i.name} < {i.extent}" for i in s.indices)
    op = "=" if s.op == "=" else f"{s.op}="
    return f"{print_expr(s.target)} {op} {print_expr(s.value)}{where}{f' for {indices}' if indices else ''}"


def parse_program(text: str, filename: str | None = None) -> Program:
    """Read a program; raises ``SyntaxError_`` with the place of what is wrong."""
    c = Cursor(text, filename)
    span = c.token.span
    c.expect("program")
    name = c.name("the program's name")
    c.expect("{")
    monoids: list[MonoidDef] = []
    while c.at("monoid") and c.peek() != "[":
        monoids.append(parse_monoid_def(c))
    tensors = []
    while c.at(*ROLES) and c.peek() != "[":
        tensors.append(parse_decl(c))
    parser = _Parser(c, {t.name: t.dtype for t in tensors}, tuple(m.name for m in monoids))
    body = []
    schedule: tuple[Directive, ...] = ()
    while not c.accept("}"):
        if c.at("schedule") and c.peek() != "[":
            schedule = (*schedule, _directive(c))
        else:
            body.append(parser.stmt())
    c.finish()
    return Program(name, tuple(tensors), tuple(body), tuple(monoids), schedule, span=span)


def _directive(c: Cursor) -> Directive:
    span = c.advance().span
    words: list[str] = []
    while not c.at("schedule", "}") and c.token.kind != "end":
        words.append(c.advance().text)
    statement = words[0] if words[1:2] == [":"] else None
    command, *rest = words[2:] if statement else words or [""]
    if command not in COMMANDS:
        raise c.error(f"'{command}' is no command; commands are {', '.join(COMMANDS)}")
    return directive(command, rest, statement, span)


class _Parser:
    """Statements; ``dtypes`` holds the types of the tensors, ``monoids`` the names of the users' monoids."""

    def __init__(self, c: Cursor, dtypes: Types, monoids: tuple[str, ...]) -> None:
        self.c = c
        self.dtypes = dtypes
        self.monoids = monoids

    def stmt(self) -> Stmt:
        c, span = self.c, self.c.token.span
        if not (c.at("scan") and c.peek() != "["):
            return self.assign()
        c.advance()
        index = self.index()
        reverse = c.accept("reverse")
        c.expect("{")
        body = []
        while not c.accept("}"):
            body.append(self.assign())
        return ScanLoop(index, tuple(body), reverse, span=span)

    def assign(self) -> Assign:
        c, span = self.c, self.c.token.span
        if c.token.kind != "name":
            raise c.error(f"expected a statement or '}}', found {c.found()}")
        target = parse_access(c, self.dtypes, self.monoids, "tensor")
        op = parse_assignment(c, self.monoids)
        value = self.expr()
        where = self.expr() if self.word("where") else None
        indices = [self.index()] if self.word("for") else []
        while indices and c.accept(","):
            indices.append(self.index())
        return Assign(target, op, value, tuple(indices), where, span=span)

    def word(self, text: str) -> bool:
        """Accept a keyword, which is a tensor's name where a bracket follows."""
        return self.c.peek() != "[" and self.c.accept(text)

    def expr(self) -> Expr:
        return parse_expr(self.c, self.dtypes, self.monoids, "tensor")

    def index(self) -> IndexDecl:
        name = self.c.name("an index")
        self.c.expect("<")
        return IndexDecl(name, parse_extent(self.c))


__all__ = ["parse_program", "print_program"]
