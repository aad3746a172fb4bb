"""The textual form of loop nest IR (grammar: ``loops.py``): printer and parser, exact inverses of each other.

What the grammar leaves open: a workspace that folds with another monoid than add says so behind its kind,
``list.min``; a sequence inside a sequence is a block of its own in braces.
"""

from __future__ import annotations

from collections.abc import Iterator

from sparsec.ir import ops
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
from sparsec.ir.loops import (
    METHODS,
    Accumulate,
    Assemble,
    Check,
    Chunk,
    Chunks,
    Domain,
    Forall,
    ForallStored,
    Full,
    Guard,
    Kernel,
    Let,
    Sequence,
    Span,
    Stmt,
    Tile,
    WorkIndex,
    Workspace,
)
from sparsec.ir.loops_scope import domain_text
from sparsec.ir.monoid_text import monoid_lines, parse_monoid_def
from sparsec.ir.text import MAX_LOOPS_DEPTH, Cursor, literal_text

KINDS = ("scalar", "dense", "bitmap", "list", "registers")


def print_kernel(k: Kernel) -> str:
    """The kernel as text that ``parse_kernel`` reads back to an equal tree."""
    lines = [f"kernel {k.name} {{"]
    lines += [f"  {line}" for m in k.monoids for line in monoid_lines(m)]
    lines += [f"  {print_decl(t)}" for t in k.tensors]
    lines += [f"  {line}" for line in _block(k.body)]
    return "\n".join([*lines, "}"]) + "\n"


def _block(s: Stmt) -> Iterator[str]:
    """The lines inside the braces of a block."""
    if isinstance(s, Sequence) and len(s.stmts) != 1:
        for child in s.stmts:
            yield from _stmt(child)
    else:
        yield from _stmt(s)


def _braced(head: str, s: Stmt, tail: str = "") -> Iterator[str]:
    yield f"{head} {{".lstrip()
    for line in _block(s):
        yield f"  {line}"
    yield "}" + tail


def _stmt(s: Stmt) -> Iterator[str]:
    match s:
        case Sequence():
            yield from _braced("", s) if len(s.stmts) != 1 else _one(s)
        case Forall(index, domain, body):
            yield from _braced(f"forall {index} in {domain_text(domain)}{_marks(s)}", body)
        case ForallStored(indices, access, body):
            yield from _braced(f"forall ({', '.join(indices)}) in stored({print_expr(access)})", body)
        case Workspace():
            dims = ", ".join(f"{w.name} in {domain_text(w.domain)}" for w in s.indices)
            kind = s.kind if s.monoid == "add" else f"{s.kind}.{s.monoid}"
            kind += "" if s.keep is None else f" keep {s.keep}"
            head = f"workspace {s.name}{f'[{dims}]' if dims else ''}: {s.dtype} {kind} init {literal_text(s.init)}"
            *produce, _ = _braced(f"{head} produce", s.producer)
            yield from produce
            yield from _braced("} consume", s.consumer)
        case Assemble(tensor, method, body):
            yield from _braced(f"assemble {tensor} by {method}", body)
        case Tile(loops, body):
            yield from _braced(f"tile {', '.join(f'{n} < {e}' for n, e in loops)}", body)
        case Let(index, value, domain, body):
            yield from _braced(f"let {index} = {print_expr(value)} in {domain_text(domain)}", body)
        case Check(value, extent, tensor, once):
            yield f"check {tensor} {print_expr(value)} in {extent}{' once' if once else ''}"
        case Guard(condition, body):
            yield from _braced(f"if {print_expr(condition)}", body)
        case Accumulate(target, op, value):
            place = "" if s.place is None else f" at {print_expr(s.place)}"
            yield f"{print_expr(target)} {'=' if op == '=' else f'{op}='} {print_expr(value)}{place}"


def _one(s: Sequence) -> Iterator[str]:
    """A sequence of one statement keeps its braces, so that it is read back as one."""
    yield "{"
    for line in _stmt(s.stmts[0]):
        yield f"  {line}"
    yield "}"


def _marks(s: Forall) -> str:
    out = ""
    if s.parallel is not None:
        out += f" parallel({s.parallel})" if s.parallel else " parallel"
    if s.vector is not None:
        out += f" vector({s.vector})"
    return out + " unroll" * s.unroll + " ordered" * s.ordered + " reverse" * s.reverse


def parse_kernel(text: str, filename: str | None = None) -> Kernel:
    """Read a kernel; raises ``SyntaxError_`` with the place of what is wrong."""
    c = Cursor(text, filename, max_depth=MAX_LOOPS_DEPTH)
    c.expect("kernel")
    name = c.name("the kernel's name")
    c.expect("{")
    monoids = []
    while c.at("monoid") and c.peek() != "[":
        monoids.append(parse_monoid_def(c))
    tensors = []
    while c.at(*ROLES) and c.peek() != "[":
        tensors.append(parse_decl(c))
    parser = _Parser(c, {t.name: t.dtype for t in tensors}, tuple(m.name for m in monoids))
    body = parser.rest()
    c.finish()
    return Kernel(name, tuple(tensors), body, monoids=tuple(monoids))


class _Parser:
    """Statements; ``dtypes`` holds the types of tensors and of the workspaces met so far, ``monoids`` the kernel's."""

    def __init__(self, c: Cursor, dtypes: dict[str, DType], monoids: tuple[str, ...] = ()) -> None:
        self.c = c
        self.dtypes = dtypes
        self.monoids = monoids

    def block(self) -> Stmt:
        self.c.expect("{")
        return self.rest()

    def rest(self) -> Stmt:
        """Statements up to the closing brace; one stands for itself."""
        stmts = []
        while not self.c.accept("}"):
            if self.c.done():
                raise self.c.error("expected '}', found the end of the text")
            stmts.append(self.stmt())
        return stmts[0] if len(stmts) == 1 else Sequence(tuple(stmts))

    def stmt(self) -> Stmt:
        c = self.c
        with c.nested():
            if c.at("{"):
                inner = self.block()
                return inner if isinstance(inner, Sequence) else Sequence((inner,))
            if c.peek() != "[":
                if c.accept("forall"):
                    return self.forall()
                if c.accept("assemble"):
                    return self.assemble()
                if c.accept("tile"):
                    return self.tile()
                if c.accept("if"):
                    return Guard(parse_expr(c, self.dtypes), self.block())
                if c.at("workspace"):
                    c.advance()
                    return self.workspace()
                if c.at("let") and c.peek() != "(":
                    c.advance()
                    return self.let()
                if c.at("check") and c.peek() != "(":
                    c.advance()
                    tensor = c.name("the tensor's name")
                    value = parse_expr(c, self.dtypes)
                    c.expect("in")
                    extent = parse_extent(c)
                    once = c.at("once")
                    if once:
                        c.advance()
                    return Check(value, extent, tensor, once)
            elif c.at("workspace") and c.peek(3) == "in":
                raise c.error("a workspace needs a name")
            return self.accumulate()

    def forall(self) -> Stmt:
        c = self.c
        if c.accept("("):
            names = c.listed(lambda: c.name("an index"), ")")
            for word in ("in", "stored", "("):
                c.expect(word)
            access = parse_access(c, self.dtypes)
            c.expect(")")
            return ForallStored(names, access, self.block())
        index = c.name("an index")
        c.expect("in")
        domain = self.domain()
        marks: dict[str, int | bool] = {}
        while c.at("parallel", "vector", "unroll", "ordered", "reverse"):
            mark = c.token.text
            if mark in marks:
                raise c.error(f"the mark '{mark}' stands there twice")
            c.advance()
            marks[mark] = True
            if mark == "vector" or (mark == "parallel" and c.at("(")):
                c.expect("(")
                marks[mark] = c.integer()
                c.expect(")")
            elif mark == "parallel":
                marks[mark] = 0
        return Forall(index, domain, self.block(), **marks)  # type: ignore[arg-type]

    def domain(self) -> Domain:
        c = self.c
        if c.peek() != "(" or not c.at("chunks", "chunk", "span"):
            return Full(parse_extent(c))
        kind = c.advance().text
        c.expect("(")
        if kind == "span":
            return Span(c.listed(self.whole, ")"))
        first = c.name("an index") if kind == "chunk" else parse_extent(c)
        c.expect(",")
        size = c.integer()
        whole = None
        if kind == "chunk":
            c.expect(",")
            whole = self.whole()
        c.expect(")")
        return Chunks(first, size) if whole is None else Chunk(str(first), size, whole)

    def whole(self) -> Full | Chunks:
        """A domain that depends on no other index."""
        domain = self.domain()
        if not isinstance(domain, Full | Chunks):
            raise self.c.error("expected an extent or chunks(...)")
        return domain

    def let(self) -> Let:
        c = self.c
        index = c.name("an index")
        c.expect("=")
        value = parse_expr(c, self.dtypes)
        c.expect("in")
        domain = self.whole()
        return Let(index, value, domain, self.block())

    def workspace(self) -> Workspace:
        c = self.c
        name = c.name("the workspace's name")
        indices = c.listed(self.work_index, "]") if c.accept("[") else ()
        c.expect(":")
        dtype = c.dtype()
        kind, monoid = self.one_of(KINDS, "kind of workspace"), "add"
        if c.accept("."):
            monoid = self.one_of((*ops.MONOIDS, *self.monoids), "monoid")
        keep = c.integer() if c.accept("keep") else None
        c.expect("init")
        init = c.literal()
        c.expect("produce")
        hidden = self.dtypes.get(name)
        self.dtypes[name] = dtype
        producer = self.block()
        c.expect("consume")
        consumer = self.block()
        if hidden is not None:
            self.dtypes[name] = hidden
        return Workspace(name, dtype, indices, kind, init, producer, consumer, monoid, keep)

    def work_index(self) -> WorkIndex:
        name = self.c.name("an index")
        self.c.expect("in")
        return WorkIndex(name, self.domain())

    def one_of(self, known: tuple[str, ...], what: str) -> str:
        c = self.c
        if c.token.text not in known:
            raise c.error(f"{c.found()} is no {what}", hint="there are " + ", ".join(known))
        return c.advance().text

    def assemble(self) -> Assemble:
        c = self.c
        tensor = c.name("a tensor")
        c.expect("by")
        return Assemble(tensor, self.one_of(METHODS, "way to assemble"), self.block())

    def tile(self) -> Tile:
        c = self.c
        loops = []
        while True:
            name = c.name("an index")
            c.expect("<")
            loops.append((name, c.integer()))
            if not c.accept(","):
                break
        span = c.token.span
        body = self.block()
        if not isinstance(body, Accumulate):
            raise c.error("a tile holds one assignment or update, and nothing else", span)
        return Tile(tuple(loops), body)

    def accumulate(self) -> Accumulate:
        c = self.c
        target = parse_access(c, self.dtypes)
        op = parse_assignment(c, self.monoids)
        value = parse_expr(c, self.dtypes)
        # Behind a bracket 'at' is a tensor, and the next statement's.
        place = parse_expr(c, self.dtypes) if c.peek() != "[" and c.accept("at") else None
        return Accumulate(target, op, value, place)


__all__ = ["parse_kernel", "print_kernel"]
