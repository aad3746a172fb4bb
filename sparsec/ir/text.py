"""What the hand-written parsers and printers of the three IR levels share.

Tokens of every textual form::

    name     := [A-Za-z_][A-Za-z_0-9]*
    number   := 12 | 1.5 | 1e-05                        a sign is a token of its own
    string   := '"' characters, with \\" and \\\\ '"'
    symbol   := ".." "->" "==" "!=" "<=" ">=" "#:" or one other printable character
    comment  := "#" to the end of the line, where no ":" follows at once; dropped unless asked for

    literal  := ["-"] number | ["-"] "inf" | "nan" | "true" | "false" | "complex" "(" literal "," literal ")"
    format   := part (("+" | "@") part)*                            a composite has several parts
    part     := ("(" names ")" "->" "(" level ("," level)* ")" | NAME ["[" INT, ... "]"]) [encoding]
    encoding := "values" "(" NAME "[" INT "]" ")"
    level    := coord ":" NAME ["[" option ("," option)* "]"] | coord ":" "planned" "[" STRING ("," STRING)* "]"
    option   := WORD | NAME "=" (INT | DTYPE)

A parser is a class or a few functions over a ``Cursor``; every failure is a located ``SyntaxError_``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sparsec.errors import Span, SparsecError, SyntaxError_
from sparsec.formats.composition import compose, words
from sparsec.formats.encoding import BITS, Encoding
from sparsec.formats.format import DimConst, DimExpr, DimOp, DimSlot, DimVar, Format, LevelSpec
from sparsec.formats.level import Level, Planned, make_level
from sparsec.formats.named import NAMES, named_format
from sparsec.ir.dtypes import BY_NAME, DType

MAX_DEPTH = 100
"""Expressions nested deeper than this are refused everywhere, so that recursive passes never meet Python's limit."""
MAX_LOOPS_DEPTH, MAX_BUFFER_DEPTH = 150, 200
"""The lower levels nest such expressions in statements, and in the addresses and tests that these become."""

T = TypeVar("T")
Literal = bool | int | float | complex

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<slot>\#:)|(?P<comment>\#[^\n]*)|(?P<name>[A-Za-z_][A-Za-z_0-9]*)
      |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<string>"(?:[^"\\\n]|\\.)*")
      |(?P<symbol>\.\.|->|==|!=|<=|>=|[!-~])""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """``kind``: name, number, string, symbol, comment or end."""

    kind: str
    text: str
    span: Span


def tokenize(source: str, comments: bool = False) -> list[Token]:
    """All tokens and a last one of kind "end"; raises ``SyntaxError_`` at a character that starts none."""
    out: list[Token] = []
    line, start, at = 1, 0, 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            span = Span(line, at - start + 1, at, at + 1)
            raise SyntaxError_(f"unexpected character {source[at]!r}", span=span, source=source)
        kind, text = match.lastgroup or "", match.group()
        if kind == "slot":
            kind = "symbol"
        if kind != "space" and (comments or kind != "comment"):
            out.append(Token(kind, text, Span(line, at - start + 1, at, match.end(), source)))
        breaks = text.count("\n")
        if breaks:
            line, start = line + breaks, at + text.rindex("\n") + 1
        at = match.end()
    out.append(Token("end", "", Span(line, at - start + 1, at, at + 1, source)))
    return out


class Cursor:
    """A place in a list of tokens, and the questions that parsers ask there."""

    def __init__(
        self, source: str, filename: str | None = None, comments: bool = False, max_depth: int = MAX_DEPTH
    ) -> None:
        self.source = source
        self.filename = filename
        self.max_depth = max_depth
        self._depth = 0
        self._dim_ops = 0
        self._at = 0
        try:
            self.tokens = tokenize(source, comments)
        except SparsecError as error:
            error.filename = filename
            raise

    @property
    def token(self) -> Token:
        """The next token, not yet consumed."""
        return self.tokens[self._at]

    def peek(self, ahead: int = 1) -> str:
        """The text of the token ``ahead`` places after the next one."""
        return self.tokens[min(self._at + ahead, len(self.tokens) - 1)].text

    def advance(self) -> Token:
        token = self.token
        if token.kind != "end":
            self._at += 1
        return token

    def error(self, message: str, span: Span | None = None, hint: str | None = None) -> SyntaxError_:
        """A located error, to be raised by the caller."""
        return SyntaxError_(
            message, span=span or self.token.span, source=self.source, filename=self.filename, hint=hint
        )

    def at(self, *texts: str) -> bool:
        """Whether the next token is one of these words or symbols (never a string or a comment)."""
        return self.token.kind not in ("string", "comment", "end") and self.token.text in texts

    def accept(self, *texts: str) -> bool:
        """Consume the next token if it is one of these."""
        if self.at(*texts):
            self.advance()
            return True
        return False

    def expect(self, text: str) -> Token:
        if not self.at(text):
            raise self.error(f"expected '{text}', found {self.found()}")
        return self.advance()

    def found(self) -> str:
        """The next token as an error message names it."""
        return "the end of the text" if self.token.kind == "end" else f"'{self.token.text}'"

    def done(self) -> bool:
        return self.token.kind == "end"

    def finish(self) -> None:
        if not self.done():
            raise self.error(f"unexpected {self.found()} after the end")

    def name(self, what: str = "a name") -> str:
        if self.token.kind != "name":
            raise self.error(f"expected {what}, found {self.found()}")
        return self.advance().text

    def integer(self) -> int:
        """An integer, negative ones included."""
        sign = -1 if self.accept("-") else 1
        if self.token.kind != "number" or not self.token.text.isdigit():
            raise self.error(f"expected an integer, found {self.found()}")
        if len(self.token.text) > 40:
            raise self.error("the integer is too long")
        return sign * int(self.advance().text)

    def string(self) -> str:
        if self.token.kind != "string":
            raise self.error(f"expected a string, found {self.found()}")
        return re.sub(r"\\(.)", r"\1", self.advance().text[1:-1])

    def dtype(self) -> DType:
        if self.token.text not in BY_NAME:
            raise self.error(f"expected a dtype, found {self.found()}", hint="dtypes are " + " ".join(BY_NAME))
        return BY_NAME[self.advance().text]

    def literal(self) -> Literal:
        """A Python scalar: ``3`` is an int, ``3.0`` a float, ``complex(0.0, 1.0)`` a complex, ``true`` a bool."""
        if self.accept("true"):
            return True
        if self.accept("false"):
            return False
        if self.accept("complex"):
            self.expect("(")
            real = self._number()
            self.expect(",")
            imag = self._number()
            self.expect(")")
            return complex(real, imag)
        return self._number()

    def _number(self) -> int | float:
        sign = -1 if self.accept("-") else 1
        if self.accept("inf"):
            return sign * math.inf
        if self.accept("nan"):
            return math.nan
        if self.token.kind != "number":
            raise self.error(f"expected a number, found {self.found()}")
        if self.token.text.isdigit():
            return sign * self.integer()
        return sign * float(self.advance().text)

    def at_literal(self) -> bool:
        """Whether a literal starts here."""
        token = self.token
        if token.kind == "number" or self.at("-"):
            return True
        return token.text in ("inf", "nan", "true", "false") or (token.text == "complex" and self.peek() == "(")

    def listed(self, item: Callable[[], T], close: str) -> tuple[T, ...]:
        """``item ("," item)*`` and the closing symbol; empty if that comes at once."""
        out: list[T] = []
        if self.accept(close):
            return ()
        while True:
            out.append(item())
            if self.accept(close):
                return tuple(out)
            if not self.accept(","):
                raise self.error(f"expected ',' or '{close}', found {self.found()}")

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Guard one step of recursion; raises where the text nests deeper than ``max_depth``."""
        self._depth += 1
        if self._depth > self.max_depth:
            raise self.error(f"nested more than {self.max_depth} deep")
        yield
        self._depth -= 1

    @contextmanager
    def located(self, span: Span | None = None) -> Iterator[None]:
        """Give errors raised inside, that have no place yet, this one (the next token's by default)."""
        span = span or self.token.span
        try:
            yield
        except SparsecError as error:
            error.span = error.span or span
            error.locate(self.source, self.filename)
            raise

    # formats

    def at_format(self) -> bool:
        """Whether a format map or the name of a built-in format starts here."""
        return self.at("(") or (self.token.kind == "name" and self.token.text in NAMES)

    def format(self, order: int | None = None) -> Format:
        """A map, or the name of a built-in format (which needs the tensor's ``order``); or several, joined."""
        with self.located():
            parts, joints = [self._part(order)], []
            while self.at("+") or self.at("@"):
                joints.append(self.token.text)
                self.expect(self.token.text)
                parts.append(self._part(order))
            return compose(joints, parts) if joints else parts[0]

    def _part(self, order: int | None) -> Format:
        fmt = self._levels(order)
        if self.at("symmetric"):
            with self.located():
                self.advance()
                fmt = fmt.mirrored()
        if not self.at("values"):
            return fmt
        self.expect("values")
        self.expect("(")
        with self.located():
            name = self.name("an encoding")
            if name not in BITS:
                raise self.error(f"there is no encoding '{name}'", hint=f"encodings are {', '.join(BITS)}")
        self.expect("[")
        group = self.integer()
        self.expect("]")
        self.expect(")")
        if group < 1:
            raise self.error(f"a group has at least one value, not {group}")
        return fmt.encoded(Encoding(name, group))

    def _levels(self, order: int | None) -> Format:
        with self.located():
            if self.at("("):
                return self._map()
            if order is None:
                raise self.error(f"expected a map such as '(i, j) -> (i: dense, j: compressed)', found {self.found()}")
            name = self.name("a format")
            args = self.listed(self.integer, "]") if self.accept("[") else ()
            return named_format(name, order, args)

    def _map(self) -> Format:
        self.expect("(")
        dims = self.listed(self.name, ")")
        self.expect("->")
        self.expect("(")
        levels = self.listed(self._level_spec, ")")
        return Format(dims, levels).check()

    def _level_spec(self) -> LevelSpec:
        self._dim_ops = 0
        if self.accept("#:"):
            return LevelSpec(DimSlot(), self.level())
        coord = self.dim_expr()
        self.expect(":")
        return LevelSpec(coord, self.level())

    def level(self) -> Level:
        with self.located():
            name = self.name("a level type")
            if name == "planned" and self.accept("["):
                kind, *parts = self.listed(self.string, "]") or ("",)
                return Planned(kind, tuple(parts))
            words, options = self._options() if self.accept("[") else ((), {})
            return make_level(name, words, options)

    def _options(self) -> tuple[tuple[str, ...], dict[str, object]]:
        """The options of a level up to ``]``: words as written, ``key=value`` with an int or a dtype's name."""
        words: list[str] = []
        options: dict[str, object] = {}
        while True:
            if self.token.kind == "name" and self.peek() == "=":
                key = self.name()
                self.expect("=")
                options[key] = self.integer() if self.token.kind == "number" else self.name("a dtype")
            else:
                words.append(self._word())
            if self.accept("]"):
                return tuple(words), options
            self.expect(",")

    def _word(self) -> str:
        start, end, depth = self.token.span.start, self.token.span.start, 0
        while depth or not self.at(",", "]"):
            if self.done():
                raise self.error("expected ']', found the end of the text")
            depth += self.at("(", "[") - self.at(")", "]")
            end = self.advance().span.end
        if end == start:
            raise self.error(f"expected an option, found {self.found()}")
        return self.source[start:end]

    def dim_expr(self) -> DimExpr:
        """``+ - / %`` over names, numbers, calls and brackets, as the left of a level in a map."""
        left = self._dim_term()
        while self.at("+", "-"):
            left = DimOp(self._dim_op(), (left, self._dim_term()))
        return left

    def _dim_op(self) -> str:
        # A chain nests to the left, so that its length is a depth too.
        self._dim_ops += 1
        if self._dim_ops > MAX_DEPTH:
            raise self.error(f"the coordinate of a level has more than {MAX_DEPTH} operators")
        return self.advance().text

    def _dim_term(self) -> DimExpr:
        left = self._dim_factor()
        while self.at("/", "%"):
            left = DimOp(self._dim_op(), (left, self._dim_factor()))
        return left

    def _dim_factor(self) -> DimExpr:
        with self.nested():
            if self.accept("("):
                inner = self.dim_expr()
                self.expect(")")
                return inner
            if self.accept("#"):
                return DimSlot()
            if self.token.kind == "number" or self.at("-"):
                return DimConst(self.integer())
            name = self.name("a dimension")
            if self.accept("["):
                words, options = self._options()
                if options:
                    raise self.error(f"the arguments of '{name}' have no names")
                name += f"[{', '.join(words)}]"
            if self.accept("("):
                return DimOp(name, self.listed(self.dim_expr, ")"))
            return DimVar(name)


# printing


def literal_text(value: object) -> str:
    """A Python or NumPy scalar so that ``Cursor.literal`` reads an equal one."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, complex):
        return f"complex({literal_text(value.real)}, {literal_text(value.imag)})"
    return repr(value)


def string_text(value: str) -> str:
    """``value`` quoted so that ``Cursor.string`` reads it back."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def format_text(fmt: Format) -> str:
    """A format so that ``Cursor.format`` reads an equal one: its name where that says all, else its map."""
    if fmt.name is not None and _is_named(fmt.name, fmt):
        return fmt.name
    if fmt.terms:
        return " + ".join(" @ ".join(words(t, format_text)) for t in fmt.terms)
    levels = ", ".join(f"{_dim_text(s.coord)}: {_level_text(s.type)}" for s in fmt.levels)
    values = "" if fmt.values is None else f" values({fmt.values})"
    return f"({', '.join(fmt.dims)}) -> ({levels}){' symmetric' * fmt.symmetric}{values}"


def _is_named(name: str, fmt: Format) -> bool:
    try:
        c = Cursor(name)
        return c.at_format() and c.format(fmt.ndim) == fmt and c.done()
    except SparsecError:
        return False


def _level_text(level: Level) -> str:
    if not isinstance(level, Planned) or _reads_back(level):
        return str(level)
    return f"planned[{', '.join(map(string_text, (level.type, *level.options)))}]"


def _reads_back(level: Planned) -> bool:
    """Whether what the level prints as is its text already."""
    try:
        c = Cursor(str(level))
        return c.level() == level and c.done()
    except SparsecError:
        return False


def _dim_text(e: DimExpr, tight: int = 0) -> str:
    """``tight``: 1 beneath ``+ -`` on the right, 2 beneath ``/ %`` on the left, 3 beneath them on the right."""
    if not isinstance(e, DimOp):
        return str(e)
    if e.op in ("+", "-"):
        text = f"{_dim_text(e.args[0])}{e.op}{_dim_text(e.args[1], 1)}"
        return f"({text})" if tight else text
    if e.op in ("/", "%"):
        text = f"{_dim_text(e.args[0], 2)}{e.op}{_dim_text(e.args[1], 3)}"
        return f"({text})" if tight == 3 else text
    return f"{e.op}({', '.join(_dim_text(a) for a in e.args)})"


__all__ = [
    "MAX_BUFFER_DEPTH",
    "MAX_DEPTH",
    "MAX_LOOPS_DEPTH",
    "Cursor",
    "Token",
    "format_text",
    "literal_text",
    "string_text",
    "tokenize",
]
