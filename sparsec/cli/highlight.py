"""Colours for program text on a terminal: our own levels, LLVM, assembly and C, by a few patterns each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_NUMBER = (r"(?<![\w.%@$])-?\d+(\.\d+)?([eE][+-]?\d+)?\b", "green")
_STRING = (r'"[^"\n]*"', "yellow")
_OURS = (
    (r"(?<=[:*\s(=])(bool|bf16|[uifc]\d+)\b", "cyan"),
    (
        r"\b(program|kernel|func|schedule|format|semiring|monoid|fn|in|out|inout|local|for|forall|while|if|else|let|var"
        r"|parallel|assemble|by|workspace|produce|consume|where|over|scan|abort|grain|positions?)\b",
        "magenta",
    ),
    _NUMBER,
    _STRING,
    (r"(?m)#.*$", "bright_black"),
)
_PATTERNS: dict[str, tuple[tuple[str, str], ...]] = {
    "dsl": _OURS,
    "tensor": _OURS,
    "loops": _OURS,
    "buffer": _OURS,
    "llvm": (
        (r"\b(i\d+|ptr|float|double|void|half|<\d+ x \w+>)\b", "cyan"),
        (r"(?m)(?<== )[a-z]\w*|^\s+(store|ret|br|switch|call|unreachable|tail)\b", "magenta"),
        (r"\b(define|declare|attributes|target)\b", "magenta"),
        _NUMBER,
        (r"(?m)^[\w.$-]+:", "yellow"),
        (r"(?m);.*$", "bright_black"),
    ),
    "asm": (
        (r"(?m)^\s+[a-z]\w*", "magenta"),
        (r"%\w+", "cyan"),
        (r"\$-?\w+", "green"),
        (r"(?m)^\s*\.[a-z]\w*.*$", "bright_black"),
        (r"\.L\w+:?", "yellow"),
        (r"(?m)#.*$", "bright_black"),
    ),
    "c": (
        (r"\b(u?int\d+_t|double|float|void|bool|char|long|int|unsigned|size_t|_Bool|static|const|restrict)\b", "cyan"),
        (r"\b(if|else|for|while|do|return|break|continue|goto|switch|case|struct|typedef|sizeof)\b", "magenta"),
        _NUMBER,
        _STRING,
        (r"(?m)^#.*$", "yellow"),
        (r"/\*.*?\*/|//[^\n]*", "bright_black"),
    ),
}
"""What the text is -> patterns and their colours; a later pattern paints over an earlier one."""


def highlighted(text: str, what: str) -> Text:
    """``text`` in colours; of a kind that is not known, without."""
    from rich.text import Text

    painted = Text(text)
    for pattern, style in _PATTERNS.get(what, ()):
        painted.highlight_regex(pattern, style)
    return painted


__all__ = ["highlighted"]
