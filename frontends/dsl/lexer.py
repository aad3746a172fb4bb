"""Text to tokens, and which line ends count.

A line end ends a statement, except inside ``( )`` and ``[ ]``, in the braces of a semiring or monoid, before a line
that begins with ``where``, ``over``, an operator or ``{``, and after one that ends with an operator.  ``;`` always
does.

A token does not say which terminal of the grammar it is: ``-`` may be ADD, MINUS or MAP_ADD, ``fill`` a keyword or a
name.  The parser knows what fits where it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from sparsec.errors import Span, SyntaxError_

MAX_LENGTH = 1_000_000
MAX_DEPTH = 100
MAX_NAME = 100

SYMBOLS = (
    "min=",
    "max=",
    "->",
    "==",
    "!=",
    "<=",
    ">=",
    "+=",
    "*=",
    "|=",
    "&=",
    "**",
    "//",
    *"+-*/%=<>&|^@#.,:()[]{}",
)
"""``#`` is one only in a map; elsewhere it starts a comment."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\v\ufeff]+) | (?P<slot>\#(?=\s*:)) | (?P<comment>\#) | (?P<end>[\n;])
      | (?P<symbol>(?:min|max)=(?!=) | [-][>] | [=!<>+*|&]= | \*\* | // | [-+*/%=<>&|^@,:()\[\]{}] | \.(?!\d))
      | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
      | (?P<imaginary>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[jJ]\b)
      | (?P<float>(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
      | (?P<int>\d+) | (?P<bad>.)""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = frozenset(("where", "over", "and", "or", "in"))
_OPENS_LINE = frozenset(SYMBOLS) - set("([}.#") | _WORDS
_CLOSES_LINE = frozenset(SYMBOLS) - set(")]}.#") | _WORDS | {"not"}
_CLOSER = {"(": ")", "[": "]", "{": "}"}


class Token(NamedTuple):
    """``source[start:stop]``; ``kind``: name, int, float, imaginary, symbol, slot, end (of a statement), eof."""

    kind: str
    text: str
    start: int
    stop: int


class Source:
    """A text and its file's name; spans and errors are made here."""

    def __init__(self, text: str, filename: str | None = None) -> None:
        self.text = text
        self.filename = filename
        self._lines: list[int] = []

    def span(self, start: int, stop: int) -> Span:
        """The span of ``text[start:stop]``, at least one character long."""
        if not self._lines:
            at = 0
            for line in self.text.splitlines(keepends=True) or [""]:
                self._lines.append(at)
                at += len(line)
        number = bisect_right(self._lines, start)
        return Span(number, start - self._lines[number - 1] + 1, start, max(stop, start + 1), self.text)

    def error(self, message: str, start: int, stop: int, hint: str | None = None) -> SyntaxError_:
        """A located error, to be raised by the caller."""
        span = self.span(start, stop)
        return SyntaxError_(message, span=span, source=self.text, filename=self.filename, hint=hint)


def tokenize(source: Source) -> list[Token]:
    """All tokens and a last one of kind "eof".

    Raises ``SyntaxError_`` for characters that start no token, brackets that do not match, and texts past the
    limits above.
    """
    text = source.text
    if len(text) > MAX_LENGTH:
        message = f"the program has {len(text):,} characters, the limit is {MAX_LENGTH:,}"
        raise SyntaxError_(message, filename=source.filename, hint="compile it in parts")
    out: list[Token] = []
    brackets = _Brackets(source)
    line_end: Token | None = None
    at, match_at = 0, _TOKEN.match
    while (match := match_at(text, at)) is not None:
        kind, word, start = match.lastgroup or "", match.group(), at
        at = match.end()
        if kind == "space":
            continue
        if kind == "comment" or (kind == "slot" and not (brackets.levels and out[-1].text in ("(", ","))):
            at = text.find("\n", start)
            if at < 0:
                break
            continue
        if word in ("min=", "max=") and not (out and (out[-1].kind == "name" or out[-1].text == "]")):
            kind, word, at = "name", word[:3], start + 3  # a tensor of that name is defined
        token = Token(kind, word, start, at)
        if word == "\n":
            if line_end is None and out and brackets.lines_count:
                line_end = token
            continue
        if kind == "end" and out and out[-1].kind == "end":
            continue
        if kind == "bad":
            raise _bad(source, token)
        if kind == "name" and len(word) > MAX_NAME:
            raise source.error(f"a name of {len(word)} letters", start, start + MAX_NAME, f"the limit is {MAX_NAME}")
        if line_end is not None:
            last = out[-1]
            if not (word in _OPENS_LINE or last.text in _CLOSES_LINE or last.kind == "end" or kind == "end"):
                out.append(line_end)
            line_end = None
        if kind == "symbol":
            brackets.see(token, out[-1].text if out else "")
        elif kind == "name":
            brackets.name(word, out[-1] if out else None)
        out.append(token)
    brackets.close()
    out.append(Token("eof", "", len(text), len(text)))
    return out


class _Brackets:
    """The brackets that are open, and whether line ends count inside them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.open: list[tuple[Token, bool]] = []
        self.levels = False  # in the list of a map's levels, where '#' is one without a coordinate
        self.algebra = False  # the next brace is that of a semiring or monoid

    @property
    def lines_count(self) -> bool:
        return not self.open or self.open[-1][1]

    def name(self, word: str, before: Token | None) -> None:
        starts = before is None or before.kind == "end" or before.text in ("}", "ordered")
        if not self.open and starts:
            self.algebra = word in ("semiring", "monoid")

    def see(self, token: Token, before: str) -> None:
        error = self.source.error
        self.levels = token.text == "(" and before == "->" or self.levels and token.text != ")"
        if token.text in ("(", "[", "{"):
            self.open.append((token, token.text == "{" and not self.algebra))
            if len(self.open) > MAX_DEPTH:
                hint = "give parts of the expression names of their own"
                raise error(f"brackets nest more than {MAX_DEPTH} deep", token.start, token.stop, hint)
        elif token.text in (")", "]", "}"):
            openers = [o for o, _ in self.open]
            if not any(_CLOSER[o.text] == token.text for o in openers):
                hint = "leave it out, or open one before it"
                raise error(f"'{token.text}' closes nothing", token.start, token.stop, hint)
            opener, _ = self.open.pop()
            if _CLOSER[opener.text] != token.text:
                line = self.source.span(token.start, token.stop).line
                hint = f"'{_CLOSER[opener.text]}' is missing before the '{token.text}' of line {line}"
                raise error(f"'{opener.text}' is never closed", opener.start, opener.stop, hint)

    def close(self) -> None:
        """At the end of the text: nothing may be open."""
        if self.open:
            opener, _ = self.open[-1]
            hint = f"'{_CLOSER[opener.text]}' is missing"
            raise self.source.error(f"'{opener.text}' is never closed", opener.start, opener.stop, hint)


_SLIPS = {
    "!": "write 'not'",
    "~": "write 'not', or 1 - x",
    '"': "the language has no strings",
    "'": "a transpose is writing the indices in another order; there are no strings",
    "?": "a choice is select(condition, a, b)",
    "\\": "a line goes on inside brackets, and before and after an operator",
}


def _bad(source: Source, token: Token) -> SyntaxError_:
    return source.error(f"unexpected character {token.text!r}", token.start, token.stop, _SLIPS.get(token.text))
