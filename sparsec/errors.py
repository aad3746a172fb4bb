"""Errors: what is wrong, where, and how to mend it.

Every error a user can cause is a ``SparsecError``.  A frontend attaches the source text
and a ``Span``; the message then carries a caret excerpt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of source ``text``: 1-based ``line`` and ``column``, 0-based offsets ``start:end``."""

    line: int
    column: int
    start: int
    end: int
    text: str | None = field(default=None, compare=False, repr=False)


class SparsecError(Exception):
    """Root of all errors: ``code`` is stable and names a section of ``docs/errors.md``.

    ``str(error)`` gives the message, a caret excerpt where the source is known, and the hint.
    """

    code = "sparsec"

    def __init__(
        self,
        message: str,
        *,
        span: Span | None = None,
        source: str | None = None,
        filename: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.source = source
        self.filename = filename
        self.hint = hint

    def locate(self, source: str, filename: str | None = None) -> SparsecError:
        """Attach source text to an error that was raised without; returns self."""
        if self.source is None:
            self.source = source if self.span is None or self.span.text is None else self.span.text
            self.filename = filename
        return self

    def __str__(self) -> str:
        lines = [self.message]
        source = self.source if self.source is not None or self.span is None else self.span.text
        if self.span is not None and source is not None:
            lines += excerpt(source, self.span, self.filename)
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


MAX_LINE = 160
"""Longer source lines are shown in part."""


def excerpt(source: str, span: Span, filename: str | None = None) -> list[str]:
    """The source line of ``span`` with carets beneath it."""
    lines = source.splitlines() or [""]
    text, column = _cropped(lines[min(span.line, len(lines)) - 1], span.column)
    # What a terminal cannot print (a lone surrogate not even encode) must not hide the message, or shift the carets.
    text = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
    width = max(1, min(span.end - span.start, len(text) - column + 1))
    gutter = f"{span.line:4d} | "
    pad = "".join("\t" if c == "\t" else " " for c in text[: column - 1])
    return [
        f"  at {filename or 'line'}{':' if filename else ' '}{span.line}, column {span.column}:",
        gutter + text,
        " " * (len(gutter) - 2) + "| " + pad + "^" * width,
    ]


def _cropped(line: str, column: int) -> tuple[str, int]:
    """The part of a long line around ``column``, and where that is in it."""
    if len(line) <= MAX_LINE:
        return line, column
    start = max(0, min(column - 1 - MAX_LINE // 3, len(line) - MAX_LINE))
    shown = line[start : start + MAX_LINE]
    before, after = "... " if start else "", " ..." if start + MAX_LINE < len(line) else ""
    return before + shown + after, column - start + len(before)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint with the known name that is most like ``name``."""
    import difflib

    lower = {k.lower(): k for k in reversed(list(dict.fromkeys(known)))}
    near = difflib.get_close_matches(name.lower(), lower, 1)
    return f"did you mean '{lower[near[0]]}'?" if near else None


class SyntaxError_(SparsecError):
    """The text is not a program."""

    code = "syntax"


class ShapeError(SparsecError, ValueError):
    """Extents, orders or coordinates disagree; a ``ValueError``, as generic code expects of shapes."""

    code = "shape"


class FormatError(SparsecError):
    """A storage format is malformed, unsuited to the data, or its arrays are inconsistent."""

    code = "format"


class TypeError_(SparsecError):
    """A dtype is unknown or does not fit the operation; or a name means nothing."""

    code = "type"


class IndexError_(ShapeError, IndexError):
    """A place outside a tensor, in brackets; an ``IndexError`` as Python and NumPy know it."""


class ScheduleError(SparsecError):
    """A schedule is malformed or not legal for its program."""

    code = "schedule"


class FileError(SparsecError):
    """A file is missing, unreadable or malformed."""

    code = "file"


class BackendError(SparsecError):
    """A backend cannot do what was asked, or a kernel failed while running."""

    code = "backend"


class UnsupportedError(BackendError):
    """The language admits it, but this version cannot run it yet; the message names the feature."""

    code = "unsupported"


class AnnihilatedWarning(UserWarning):
    """``SPARSEC_CHECK=nan``: an entry that is not stored annihilated an infinity or a NaN, so that formats differ."""


class VerifyError(SparsecError):
    """An IR tree breaks a rule of its level; ``path`` leads to the node."""

    code = "verify"

    def __init__(self, message: str, path: str = "", **kwargs: object) -> None:
        super().__init__(f"{path}: {message}" if path else message, **kwargs)  # type: ignore[arg-type]
        self.path = path
