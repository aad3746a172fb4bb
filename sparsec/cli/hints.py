"""Hints that name Python's arguments, in the words of the command line."""

from __future__ import annotations

import re

from sparsec.errors import SparsecError

_WORDS = (
    (r"^pass sizes=\{'(.*)': \.\.\.\}$", r"add --size \1=..."),
    (r"bare statements are for sp\.evaluate", "bare statements follow -e: sparsec run -e 'y[i] = 2 * x[i]' x=..."),
    (r"^statements stand here alone: .* takes a text with a (\w+)$", r"a text with a \1 comes from a file or '-'"),
    (r"^pass it: (\w+)=\.\.\.$", r"add it: \1=..."),
)


def spoken(problem: SparsecError) -> str:
    """The error's text as the command line says it."""
    for pattern, words in _WORDS:
        if problem.hint and re.search(pattern, problem.hint):
            problem.hint = re.sub(pattern, words, problem.hint)
    return str(problem)


__all__ = ["spoken"]
