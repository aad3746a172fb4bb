"""Schedules: what a person asks of a program's loops.  Part of tensor IR, in the words of the language::

    split k 64             a loop over stretches of 64 around the one over k: k/64 and k%64
    order i, k, j          these loops, outermost first; others where they are cheapest
    parallel i by 64       a loop's iterations on the team of threads, 64 at a time; parallel none
    panel k 32             32 coordinates of the result stay in registers; panel none
    vector k 8             8 lanes
    unroll c

A loop is called by its index variable or, where a format splits that, as in maps: ``i/4``, ``i%4``, ``j-i``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field

from sparsec.errors import ScheduleError, Span, UnsupportedError
from sparsec.ir.node import node

COMMANDS = ("split", "order", "parallel", "panel", "vector", "unroll")
SHORT = ("tile",)
"""Commands that stand for several others."""
LATER = ("workspace", "merge", "pack", "prefetch", "assemble", "fuse")
NONE = "none"
EXAMPLES = {
    "split": "split k 64", "order": "order i, k, j", "parallel": "parallel i by 64", "panel": "panel k 32",
    "vector": "vector k 8", "unroll": "unroll k", "tile": "tile i 64, j 32",
}  # fmt: skip


@node
class Directive:
    """One command.  ``statement`` is the result whose statement is meant, ``number`` a size or count of lanes."""

    command: str
    loops: tuple[str, ...]
    number: int | None = None
    statement: str | None = None
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        loops = ", ".join(self.loops) or NONE
        by = "" if self.number is None else f" by {self.number}" if self.command == "parallel" else f" {self.number}"
        return f"{f'{self.statement}: ' if self.statement else ''}{self.command} {loops}{by}"


def directives(command: str, words: Sequence[str], statement: str | None, span: Span | None) -> tuple[Directive, ...]:
    """The directives that a command and the words behind it write: ``tile i 64, j 32`` splits both and orders loops.

    Raises what ``directive`` raises.
    """
    if command != "tile":
        return (directive(command, words, statement, span),)
    parts: list[list[str]] = [[]]
    for word in words:
        if word == ",":
            parts.append([])
        else:
            parts[-1].append(word)
    splits = [directive("split", part, statement, span) for part in parts]
    names = [d.loops[0] for d in splits]
    if len(set(names)) < len(names) or any(d.number == 1 for d in splits):
        raise ScheduleError(
            f"'tile {' '.join(words)}' has tiles of 1, or names an index twice", span=span, hint="write split and order"
        )
    outer = [f"{d.loops[0]}/{d.number}" for d in splits]
    inner = [f"{d.loops[0]}%{d.number}" for d in splits]
    return (*splits, Directive("order", (*outer, *inner), None, statement, span=span))


def directive(command: str, words: Sequence[str], statement: str | None, span: Span | None) -> Directive:
    """The directive that a command and the words behind it write.

    Raises ``ScheduleError`` where they are not of the command's form, ``UnsupportedError`` for commands to come.
    """
    if command in LATER:
        raise UnsupportedError(
            f"the command '{command}' cannot run yet", span=span, hint=f"what runs is {', '.join(COMMANDS)}"
        )
    left = list(words)
    loops = list(_loops(left))
    number: int | None = None
    if command == "parallel" and left[:1] == ["by"]:
        left.pop(0)
        number = _number(left, command, span)
    elif command in ("split", "panel", "vector") and loops != [NONE]:
        number = _number(left, command, span)
    if command == "parallel" and left == ["dynamic"]:
        left = []  # as all are: chunks go to whoever is free
    one = command == "order" or len(loops) == 1
    if command == "split" and any(not name.isidentifier() for name in loops):
        raise ScheduleError(
            f"'split {' '.join(words)}' splits no index variable",
            span=span,
            hint="for stretches of stretches split it twice: split k 64; split k 8",
        )
    if left or not loops or not one or (NONE in loops and command not in ("parallel", "panel")):
        raise ScheduleError(
            f"'{command} {' '.join(words)}' is no command", span=span, hint=f"write {EXAMPLES[command]}"
        )
    return Directive(command, () if loops == [NONE] else tuple(loops), number, statement, span=span)


def _loops(words: list[str]) -> Iterator[str]:
    """The names of loops at the front of ``words``, which are taken from it."""
    while words and words[0][:1].isidentifier() and words[0] != "by":
        name = words.pop(0)
        while words[:1] and words[0] in ("/", "%", "+", "-"):
            name += words.pop(0) + (words.pop(0) if words else "")
        yield name
        if words[:1] != [","]:
            return
        words.pop(0)


def _number(words: list[str], command: str, span: Span | None) -> int:
    text = words.pop(0) if words else ""
    if text in ("-", "+") and words:
        text += words.pop(0)
    if not text.isdigit() or not 1 <= int(text) < 2**31:
        raise ScheduleError(
            f"'{command}' needs a number from 1 to 2**31 - 1{f', not {text!r}' if text else ''}",
            span=span,
            hint=f"write {EXAMPLES[command]}",
        )
    return int(text)


def cannot_run(loop: str, asked: Directive | None, how: str, why: str, hint: str) -> ScheduleError:
    """The error for a loop that was marked and cannot be so: in the words of what ``asked`` for it, if anybody did."""
    name, span = (loop, None) if asked is None else (asked.loops[0], asked.span)
    return ScheduleError(f"the loop over '{name}' cannot run {how}: {why}", span=span, hint=hint)


__all__ = ["COMMANDS", "LATER", "NONE", "SHORT", "Directive", "cannot_run", "directive", "directives"]
