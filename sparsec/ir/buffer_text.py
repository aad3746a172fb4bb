"""The textual form of buffer IR (grammar: ``buffer.py``): printer and parser, exact inverses of each other.

What the grammar leaves open:

- A name that is no identifier, or is one of ``KEYWORDS``, is written as a string.
- A masked load stands in parentheses; the ``if`` of a masked store stands on the store's own line.
- Floats print with the digits that give them back, beside ``inf``, ``-inf``, ``nan``; complex as ``complex(re, im)``.
- The type of an operator is printed where it does not follow from the arguments (``cast``, ``splat``, ``iota``).
- The load of a scalar has no type of its own; of a vector, it ends in ``:x4``.
"""

from __future__ import annotations

import re

from sparsec.errors import Span
from sparsec.ir import ops
from sparsec.ir.buffer import (
    EXTRA_OPS,
    Abort,
    Alloc,
    AtomicAdd,
    Barrier,
    Block,
    Buffer,
    BufferParam,
    Call,
    Comment,
    Const,
    Decl,
    Expr,
    For,
    Free,
    Function,
    Grow,
    If,
    Let,
    Load,
    Module,
    Op,
    Origin,
    ParallelFor,
    Param,
    Prefetch,
    Publish,
    ScalarParam,
    Set,
    Stmt,
    Store,
    Tile,
    Type,
    Var,
    Vec,
    While,
    scalar,
)
from sparsec.ir.dtypes import BY_NAME, I64, DType
from sparsec.ir.text import MAX_BUFFER_DEPTH, Cursor, literal_text, string_text

KEYWORDS = {
    "func",
    "in",
    "out",
    "result",
    "let",
    "var",
    "for",
    "step",
    "mark",
    "parallel",
    "grain",
    "setup",
    "while",
    "if",
    "else",
    "alloc",
    "init",
    "stack",
    "grow",
    "capacity",
    "to",
    "free",
    "publish",
    "abort",
    "barrier",
    "prefetch",
    "atomic_add",
    "call",
    "tile",
    "true",
    "false",
    "inf",
    "nan",
    "complex",
}
_IDENT = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_TYPED = ("cast", "splat", "iota", "bitmask")


def infer_type(op: str, args: tuple[Expr, ...]) -> Type | None:
    """The type an operator has when the text says none; None where it must be said."""
    if op in _TYPED or not args:
        return None
    if op.startswith("reduce_"):
        return scalar(args[0].type)
    element = scalar(args[0].type)
    if op in ops.OPS:
        types = tuple(scalar(a.type) for a in args)
        element = types[-1] if op == "select" else ops.result_dtype(op, types)
    lanes = [a.type.lanes for a in args if isinstance(a.type, Vec)]
    return Vec(element, lanes[0]) if lanes else element


# printing


def print_module(m: Module) -> str:
    """The text of a module; ``parse_module`` gives it back."""
    return "\n".join(_function(f) for f in m.functions)


def print_expr(e: Expr) -> str:
    """The text of an expression."""
    match e:
        case Const():
            return f"{_literal(e.value, scalar(e.type))}:{e.type}"
        case Var():
            return _name(e.name)
        case Load():
            lanes = f":x{e.type.lanes}" if isinstance(e.type, Vec) else ""
            text = f"{_name(e.buffer.name)}[{print_expr(e.index)}]{lanes}"
            return text if e.mask is None else f"({text} if {print_expr(e.mask)})"
        case Op():
            text = f"{e.op}({', '.join(print_expr(a) for a in e.args)})"
            return text if infer_type(e.op, e.args) == e.type else f"{text}:{e.type}"


def _name(name: str) -> str:
    return name if _IDENT.match(name) and name not in KEYWORDS else string_text(name)


def _literal(value: object, t: DType) -> str:
    return literal_text({"b": bool, "f": float, "c": complex}.get(t.kind, int)(value))


def _origin(o: Origin | None) -> str:
    return "" if o is None else f" @{_name(o.tensor)}.{o.level}.{_name(o.role)}"


def _note(note: str) -> str:
    return f" {string_text(note)}" if note else ""


def _function(f: Function) -> str:
    params = ",\n    ".join(_param(p) for p in f.params)
    head = f"func {_name(f.name)}(" + (f"\n    {params}\n" if params else "") + ")"
    return "\n".join([head + " {", *_lines(f.body, "  "), "}"]) + "\n"


def _param(p: Param) -> str:
    if isinstance(p, ScalarParam):
        return f"{_name(p.var.name)}: {p.var.type}"
    return f"{p.mode} {_name(p.buffer.name)}: {p.buffer.dtype}*{_origin(p.buffer.origin)}"


def _lines(block: Block, pad: str) -> list[str]:
    out: list[str] = []
    for s in block.stmts:
        out += _stmt(s, pad)
    return out


def _braced(head: str, block: Block, pad: str) -> list[str]:
    return [f"{pad}{head} {{", *_lines(block, pad + "  "), pad + "}"]


def _stmt(s: Stmt, pad: str) -> list[str]:
    match s:
        case Block():
            return [pad + "{", *_lines(s, pad + "  "), pad + "}"]
        case For():
            step = f" step {s.step}" if s.step != 1 else ""
            mark = f" mark {_mark(s.mark)}" if s.mark else ""
            head = f"for {_name(s.var.name)} in {print_expr(s.lo)} .. {print_expr(s.hi)}{step}{mark}{_note(s.note)}"
            return _braced(head, s.body, pad)
        case ParallelFor():
            span = f"{print_expr(s.lo)} .. {print_expr(s.hi)}"
            head = f"parallel {_name(s.var.name)} in {span} grain {print_expr(s.grain)}{_note(s.note)}"
            if not s.setup.stmts:
                return _braced(head, s.body, pad)
            setup = _braced(head + " setup", s.setup, pad)
            return [*setup[:-1], pad + "} {", *_lines(s.body, pad + "  "), pad + "}"]
        case While():
            return _braced(f"while {print_expr(s.cond)}{_note(s.note)}", s.body, pad)
        case If():
            out = _braced(f"if {print_expr(s.cond)}{_note(s.note)}", s.then, pad)
            if s.orelse.stmts:
                out = [*out[:-1], pad + "} else {", *_lines(s.orelse, pad + "  "), pad + "}"]
            return out
        case Tile():
            pairs = ", ".join(f"{_name(v.name)} < {n}" for v, n in zip(s.vars, s.extents, strict=True))
            return _braced(f"tile {pairs}", s.body, pad)
        case _:
            return [pad + _simple(s)]


def _mark(mark: str) -> str:
    return mark if re.fullmatch(r"[A-Za-z_]\w*(<\d+>)?", mark, re.ASCII) else string_text(mark)


def _simple(s: Stmt) -> str:
    """A statement without a block."""
    match s:
        case Let() | Decl():
            word, value = ("let", s.value) if isinstance(s, Let) else ("var", s.init)
            return f"{word} {_name(s.var.name)}: {s.var.type} = {print_expr(value)}"
        case Set():
            return f"{_name(s.var.name)} = {print_expr(s.value)}"
        case Store():
            mask = "" if s.mask is None else f" if {print_expr(s.mask)}"
            return f"{_name(s.buffer.name)}[{print_expr(s.index)}] = {print_expr(s.value)}{mask}"
        case Alloc():
            init = "" if s.init is None else f" init {print_expr(s.init)}"
            space = "" if s.space == "heap" else f" {s.space}"
            b = s.buffer
            return f"alloc {_name(b.name)}: {b.dtype}[{print_expr(s.size)}]{init}{space}{_origin(b.origin)}"
        case Grow():
            return f"grow {_name(s.buffer.name)} capacity {_name(s.capacity.name)} to {print_expr(s.needed)}"
        case Free():
            return f"free {_name(s.buffer.name)}"
        case Publish():
            return f"publish {_name(s.result)} = {_name(s.buffer.name)}[{print_expr(s.length)}]"
        case Abort():
            return f"abort {s.code}"
        case Barrier():
            return "barrier"
        case Prefetch():
            return f"prefetch {_name(s.buffer.name)}[{print_expr(s.index)}]"
        case AtomicAdd():
            return f"atomic_add {_name(s.buffer.name)}[{print_expr(s.index)}] {print_expr(s.value)}"
        case Call():
            args = ", ".join(_name(a.name) if isinstance(a, Buffer) else print_expr(a) for a in s.args)
            return f"call {_name(s.function)}({args})"
        case Comment():
            return f"# {s.text}"
        case _:
            raise TypeError(f"not a statement of the buffer IR: {s!r}")


# parsing


def parse_module(text: str, filename: str | None = None) -> Module:
    """The module a text describes.

    Raises ``SyntaxError_`` with a caret for text that is not of the grammar, unknown names included; types are the
    verifier's business.
    """
    parser = _Parser(text, filename)
    functions = [parser.function()]
    while not parser.cursor.done():
        functions.append(parser.function())
    return Module(tuple(functions))


class _Parser:
    def __init__(self, text: str, filename: str | None) -> None:
        self.cursor = Cursor(text, filename, comments=True, max_depth=MAX_BUFFER_DEPTH)
        self.names: dict[str, Var | Buffer] = {}

    # names and types

    def name(self) -> str:
        token = self.cursor.token
        if token.kind == "string":
            return self.cursor.string()
        if token.text in KEYWORDS:
            raise self.cursor.error(f"'{token.text}' is a keyword", hint=f'as a name it is written "{token.text}"')
        return self.cursor.name()

    def declare(self, node: Var | Buffer, span: Span) -> None:
        if node.name in self.names:
            raise self.cursor.error(f"'{node.name}' is declared twice in the function", span)
        self.names[node.name] = node

    def known(self) -> Var | Buffer | None:
        """What the next token names, if it is a name in use."""
        token = self.cursor.token
        if token.kind == "string":
            return self.names.get(re.sub(r"\\(.)", r"\1", token.text[1:-1]))
        return self.names.get(token.text) if token.kind == "name" else None

    def buffer(self) -> Buffer:
        span, found = self.cursor.token.span, self.known()
        name = self.name()
        if not isinstance(found, Buffer):
            raise self.cursor.error(f"no buffer is called '{name}'", span)
        return found

    def var(self) -> Var:
        span, found = self.cursor.token.span, self.known()
        name = self.name()
        if not isinstance(found, Var):
            raise self.cursor.error(f"no local is called '{name}'", span)
        return found

    def new_index(self) -> Var:
        span = self.cursor.token.span
        var = Var(self.name(), I64)
        self.declare(var, span)
        return var

    def type(self) -> Type:
        m = re.fullmatch(r"([a-z]+?\d*)(?:x(\d{1,9}))?", self.cursor.token.text)
        if m is None or m[1] not in BY_NAME:
            raise self.cursor.error(
                f"expected a type, found {self.cursor.found()}",
                hint="types are " + " ".join(BY_NAME) + " or f32x8 and kin",
            )
        self.cursor.advance()
        return Vec(BY_NAME[m[1]], int(m[2])) if m[2] else BY_NAME[m[1]]

    def note(self) -> str:
        return self.cursor.string() if self.cursor.token.kind == "string" else ""

    def origin(self) -> Origin | None:
        if not self.cursor.accept("@"):
            return None
        tensor = self.any_name()
        self.cursor.expect(".")
        level = self.cursor.integer()
        self.cursor.expect(".")
        return Origin(tensor, level, self.any_name())

    def any_name(self) -> str:
        return self.cursor.name() if self.cursor.token.kind == "name" else self.name()

    # functions

    def function(self) -> Function:
        self.names = {}
        self.cursor.expect("func")
        name = self.name()
        self.cursor.expect("(")
        params = self.cursor.listed(self.param, ")")
        return Function(name, params, self.block())

    def param(self) -> Param:
        mode = self.cursor.advance().text if self.cursor.at("in", "out", "result") else ""
        span, name = self.cursor.token.span, self.name()
        self.cursor.expect(":")
        dtype = self.cursor.dtype()
        if not mode:
            var = Var(name, dtype)
            self.declare(var, span)
            return ScalarParam(var)
        self.cursor.expect("*")
        buffer = Buffer(name, dtype, self.origin())
        self.declare(buffer, span)
        return BufferParam(buffer, mode)

    def block(self) -> Block:
        self.cursor.expect("{")
        stmts: list[Stmt] = []
        with self.cursor.nested():
            while not self.cursor.accept("}"):
                stmts.append(self.stmt())
        return Block(tuple(stmts))

    # statements

    def stmt(self) -> Stmt:
        token = self.cursor.token
        if token.kind == "comment":
            return Comment(self.cursor.advance().text[1:].removeprefix(" "))
        if self.cursor.at("{"):
            return self.block()
        if token.kind == "name" and token.text in _STATEMENTS:
            self.cursor.advance()
            return _STATEMENTS[token.text](self)
        if token.kind == "string" or (token.kind == "name" and token.text not in KEYWORDS):
            return self.assignment()
        raise self.cursor.error(f"expected a statement, found {self.cursor.found()}")

    def assignment(self) -> Stmt:
        if isinstance(self.known(), Var):
            var = self.var()
            self.cursor.expect("=")
            return Set(var, self.expr())
        buffer, index = self.element()
        self.cursor.expect("=")
        start = self.cursor.token.span.start
        value = self.expr()
        # An 'if' on a line of its own is the next statement.
        between = self.cursor.source[start : self.cursor.token.span.start]
        masked = "\n" not in between and self.cursor.accept("if")
        return Store(buffer, index, value, self.expr() if masked else None)

    def element(self) -> tuple[Buffer, Expr]:
        buffer = self.buffer()
        self.cursor.expect("[")
        index = self.expr()
        self.cursor.expect("]")
        return buffer, index

    def typed_value(self) -> tuple[Var, Expr]:
        span, name = self.cursor.token.span, self.name()
        self.cursor.expect(":")
        t = self.type()
        self.cursor.expect("=")
        value = self.expr()
        var = Var(name, t)
        self.declare(var, span)
        return var, value

    def let(self) -> Stmt:
        return Let(*self.typed_value())

    def decl(self) -> Stmt:
        return Decl(*self.typed_value())

    def range(self) -> tuple[Expr, Expr]:
        lo = self.expr()
        self.cursor.expect("..")
        return lo, self.expr()

    def for_(self) -> Stmt:
        var = self.new_index()
        self.cursor.expect("in")
        lo, hi = self.range()
        step = self.cursor.integer() if self.cursor.accept("step") else 1
        mark = self.mark() if self.cursor.accept("mark") else ""
        note = self.note()
        return For(var, lo, hi, self.block(), step, mark, note)

    def mark(self) -> str:
        if self.cursor.token.kind == "string":
            return self.cursor.string()
        word = self.cursor.name("a mark")
        if self.cursor.accept("<"):
            word += f"<{self.cursor.integer()}>"
            self.cursor.expect(">")
        return word

    def parallel(self) -> Stmt:
        var = self.new_index()
        self.cursor.expect("in")
        lo, hi = self.range()
        self.cursor.expect("grain")
        grain, note = self.expr(), self.note()
        setup = self.block() if self.cursor.accept("setup") else Block()
        return ParallelFor(var, lo, hi, grain, setup, self.block(), note)

    def while_(self) -> Stmt:
        cond, note = self.expr(), self.note()
        return While(cond, self.block(), note)

    def if_(self) -> Stmt:
        cond, note = self.expr(), self.note()
        then = self.block()
        return If(cond, then, self.block() if self.cursor.accept("else") else Block(), note)

    def alloc(self) -> Stmt:
        span, name = self.cursor.token.span, self.name()
        self.cursor.expect(":")
        dtype = self.cursor.dtype()
        self.cursor.expect("[")
        size = self.expr()
        self.cursor.expect("]")
        init = self.expr() if self.cursor.accept("init") else None
        space = "stack" if self.cursor.accept("stack") else "heap"
        buffer = Buffer(name, dtype, self.origin())
        self.declare(buffer, span)
        return Alloc(buffer, size, init, space)

    def grow(self) -> Stmt:
        buffer = self.buffer()
        self.cursor.expect("capacity")
        capacity = self.var()
        self.cursor.expect("to")
        return Grow(buffer, capacity, self.expr())

    def free(self) -> Stmt:
        return Free(self.buffer())

    def publish(self) -> Stmt:
        result = self.name()
        self.cursor.expect("=")
        return Publish(result, *self.element())

    def abort(self) -> Stmt:
        return Abort(self.cursor.name("an abort code"))

    def barrier(self) -> Stmt:
        return Barrier()

    def prefetch(self) -> Stmt:
        return Prefetch(*self.element())

    def atomic_add(self) -> Stmt:
        return AtomicAdd(*self.element(), self.expr())

    def call(self) -> Stmt:
        function = self.name()
        self.cursor.expect("(")
        return Call(function, self.cursor.listed(self.argument, ")"))

    def argument(self) -> Expr | Buffer:
        if isinstance(self.known(), Buffer) and self.cursor.peek() in (",", ")"):
            return self.buffer()
        return self.expr()

    def tile(self) -> Stmt:
        variables: list[Var] = []
        extents: list[int] = []
        while not variables or self.cursor.accept(","):
            variables.append(self.new_index())
            self.cursor.expect("<")
            extents.append(self.cursor.integer())
        return Tile(tuple(variables), tuple(extents), self.block())

    # expressions

    def expr(self) -> Expr:
        if self.cursor.at_literal():
            return self.literal()
        with self.cursor.nested():
            if self.cursor.at("("):
                return self.bracketed()
            if self.cursor.token.kind == "name" and self.cursor.peek() == "(":
                return self.op()
            if isinstance(self.known(), Buffer):
                return self.load()
        if self.cursor.token.kind not in ("name", "string"):
            raise self.cursor.error(f"expected an expression, found {self.cursor.found()}")
        return self.var()

    def bracketed(self) -> Expr:
        span = self.cursor.advance().span
        inner = self.expr()
        if self.cursor.accept("if"):
            if not isinstance(inner, Load):
                raise self.cursor.error("only a load has a mask", span)
            inner = Load(inner.buffer, inner.index, inner.type, self.expr())
        self.cursor.expect(")")
        return inner

    def literal(self) -> Const:
        span, value = self.cursor.token.span, self.cursor.literal()
        self.cursor.expect(":")
        t = self.type()
        kind = scalar(t).kind
        if kind in "fc" and not isinstance(value, bool | (complex if kind == "f" else bool)):
            value = float(value) if kind == "f" else complex(value)  # type: ignore[arg-type]
        elif type(value) is not {"b": bool, "i": int, "u": int}.get(kind):
            raise self.cursor.error(f"this is no literal of {t}", span)
        return Const(value, t)

    def load(self) -> Load:
        buffer, index = self.element()
        m = re.fullmatch(r"x(\d{1,9})", self.cursor.peek()) if self.cursor.at(":") else None
        if m is None:
            return Load(buffer, index, buffer.dtype)
        self.cursor.advance()
        self.cursor.advance()
        return Load(buffer, index, Vec(buffer.dtype, int(m[1])))

    def op(self) -> Op:
        token = self.cursor.advance()
        if token.text not in ops.OPS and token.text not in EXTRA_OPS:
            raise self.cursor.error(f"there is no operator '{token.text}'", token.span)
        self.cursor.expect("(")
        args = self.cursor.listed(self.expr, ")")
        t = self.type() if self.cursor.accept(":") else infer_type(token.text, args)
        if t is None:
            raise self.cursor.error(f"'{token.text}' needs its type, as in {token.text}(...):f64", token.span)
        return Op(token.text, args, t)


_STATEMENTS = {
    "let": _Parser.let,
    "var": _Parser.decl,
    "for": _Parser.for_,
    "parallel": _Parser.parallel,
    "while": _Parser.while_,
    "if": _Parser.if_,
    "alloc": _Parser.alloc,
    "grow": _Parser.grow,
    "free": _Parser.free,
    "publish": _Parser.publish,
    "abort": _Parser.abort,
    "barrier": _Parser.barrier,
    "prefetch": _Parser.prefetch,
    "atomic_add": _Parser.atomic_add,
    "call": _Parser.call,
    "tile": _Parser.tile,
}

__all__ = ["KEYWORDS", "infer_type", "parse_module", "print_expr", "print_module"]
