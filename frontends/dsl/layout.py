"""Before parsing: comments and insignificant line ends become spaces, so that every offset stays what it was.

A line end ends a statement, except inside ``( )`` and ``[ ]``, in the braces of a semiring or monoid, before a line that begins
with ``where``, ``over``, an operator or ``{``, and after one that ends with an operator.
"""

from __future__ import annotations

import re

from sparsec.errors import Span, SyntaxError_

MAX_LENGTH = 1_000_000
MAX_DEPTH = 60
_COMMENT = re.compile(r"#(?!\s*:)[^\n]*")
_OPENS_LINE = re.compile(r"(?:where|over|and|or|in)\b|[-+*/%=<>!&|^,{@)\]]")
_CLOSES_LINE = re.compile(r"(?:[-+*/%=<>&|^,@({\[]|\b(?:where|over|and|or|not|in))$")
_ALGEBRA = re.compile(r"\b(?:semiring|monoid)\b[^{}]*$")
_SPACE = re.compile(r"\s*")
_PAIRS = {")": "(", "]": "[", "}": "{"}


def span_at(source: str, start: int, end: int) -> Span:
    """The span of ``source[start:end]``."""
    line = source.count("\n", 0, start) + 1
    column = start - (source.rfind("\n", 0, start) + 1) + 1
    return Span(line, column, start, max(end, start + 1))


def prepare(source: str, filename: str | None = None) -> str:
    """``source`` with comments and insignificant line ends blanked; same length.

    Raises ``SyntaxError_`` for brackets that do not match, nesting past ``MAX_DEPTH`` and texts past ``MAX_LENGTH``.
    """

    def fail(message: str, at: int, hint: str | None = None) -> SyntaxError_:
        return SyntaxError_(message, span=span_at(source, at, at + 1), source=source, filename=filename, hint=hint)

    if len(source) > MAX_LENGTH:
        raise SyntaxError_(f"the program has {len(source):,} characters, the limit is {MAX_LENGTH:,}")
    text = _COMMENT.sub(lambda m: " " * len(m.group()), source)
    out = list(text)
    stack: list[tuple[str, int, bool]] = []  # bracket, place, do line ends count inside
    for at, c in enumerate(text):
        if c in "([{":
            counts = c == "{" and not _ALGEBRA.search(text, _last_brace(text, at), at)
            stack.append((c, at, counts))
            if len(stack) > MAX_DEPTH:
                raise fail(f"brackets nest more than {MAX_DEPTH} deep", at, "give parts of the expression names of their own")
        elif c in ")]}":
            if not stack:
                raise fail(f"'{c}' closes nothing", at)
            opener, where, _ = stack.pop()
            if opener != _PAIRS[c]:
                raise fail(f"'{c}' does not close '{opener}' of line {span_at(source, where, where).line}", at)
        elif c == "\n":
            if (stack and not stack[-1][2]) or _continues(text, at):
                out[at] = " "
    if stack:
        opener, where, _ = stack[-1]
        raise fail(f"'{opener}' is never closed", where)
    return "".join(out)


def _last_brace(text: str, at: int) -> int:
    return max(text.rfind("}", 0, at), text.rfind("{", 0, at), 0)


def _continues(text: str, at: int) -> bool:
    """Does the line that ends at ``at`` go on?"""
    following = _SPACE.match(text, at)
    assert following is not None
    ahead = following.end()
    if ahead < len(text) and _OPENS_LINE.match(text, ahead):
        return True
    return bool(_CLOSES_LINE.search(text[max(0, at - 80) : at].rstrip()))
