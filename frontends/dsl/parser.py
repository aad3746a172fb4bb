"""Text to syntax tree: tokens through the LALR tables of ``grammar.lark``.

Lark makes the tables and this module follows them, because a tree of Lark's and a transformer over it would recurse as
deep as the text nests, know no places of what the grammar filters out, and take three times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from sparsec.errors import SyntaxError_
from sparsec.frontends.dsl.build import NODES, Builder
from sparsec.frontends.dsl.lexer import Source, Token, tokenize
from sparsec.frontends.dsl.slips import explain
from sparsec.frontends.dsl.tables import Rule, Tables, tables

MAX_NESTED = 90
"""Operators inside operators; tensor IR, in which casts are written out, allows 100."""

_EMPTY = {
    "start": "a kernel is written kernel f(x: f64[n]) -> y: f64[n] { y[i] = 2 * x[i] }",
    "statements": "a statement is written y[i] = A[i, j] * x[j]",
    "format_only": "a format is written csr, or (i, j) -> (i: dense, j: compressed)",
}

Make = Callable[[Any, list[Any], int, int], Any]


def parse(text: str, start: str, filename: str | None = None) -> Any:
    """Parse ``text`` from a start rule: "start", "statements", "format_only" or "commands".

    Raises ``SyntaxError_`` with a caret at the first thing that does not fit.
    """
    source = Source(text, filename)
    tokens = tokenize(source)
    if len(tokens) == 1 and start != "commands":
        raise SyntaxError_("the text is empty", source=text, filename=filename, hint=_EMPTY[start])
    return _Parser(source, start).run(tokens)


@cache
def _machine() -> tuple[Tables, tuple[tuple[Make | None, bool], ...]]:
    """The tables, and for each rule the method that makes its node and whether that node is one level deeper."""
    made = tables()
    return made, tuple((_maker(r), r.build in NODES) for r in made.rules)


def _maker(r: Rule) -> Make | None:
    """None for a list that the rule above splices into its own."""
    if r.build is None or r.build.startswith("_"):
        return None
    make: Make = getattr(Builder, r.build)
    return make


class _Parser:
    """The stacks of a shift-reduce parser: states, values, and for each value its place and depth."""

    def __init__(self, source: Source, start: str) -> None:
        self.source = source
        self.tables, self.makers = _machine()
        self.builder = Builder(source)
        self.stack = [self.tables.begin[start]]
        self.end = self.tables.end[start]
        self.values: list[tuple[Any, int, int, int]] = []

    def run(self, tokens: list[Token]) -> Any:
        states, stack = self.tables.states, self.stack
        before: Token | None = None
        for token in tokens:
            candidates = self.tables.candidates(token.kind, token.text)
            while True:
                row = states[stack[-1]]
                action = next((row[c] for c in candidates if c in row), None)
                if action is None:
                    fits = {t for t in row if not t.islower() and self.accepts(t)}
                    raise explain(self.source, token, before, fits)
                if action >= 0:
                    stack.append(action)
                    self.values.append((token, token.start, token.stop, 0))
                    before = token
                    break
                self.reduce(~action, token.start)
                if stack[-1] == self.end and token.kind == "eof":
                    return self.values[-1][0]

    def reduce(self, number: int, here: int) -> None:
        """Replace what the production covers by its node; ``here`` is the place of the token ahead."""
        rule = self.tables.rules[number]
        make, deeper = self.makers[number]
        size = rule.size
        covered = self.values[-size:] if size else []
        if size:
            del self.values[-size:]
            del self.stack[-size:]
        children: list[Any] = []
        for n, spliced, absent in rule.take:
            if absent:
                children += [None] * absent
            if spliced:
                children += covered[n][0]
            else:
                children.append(covered[n][0])
        if rule.tail:
            children += [None] * rule.tail
        start, stop = (covered[0][1], covered[-1][2]) if covered else (here, here)
        depth = max((v[3] for v in covered), default=0)
        if deeper:
            depth += 1
            if depth > MAX_NESTED:
                hint = "give parts of it names of their own, or sum over an index instead of writing the terms out"
                raise self.source.error(
                    f"the expression nests more than {MAX_NESTED} operators deep", start, stop, hint
                )
        value: Any = children
        if rule.build is None:
            value = children[0]
        elif make is not None:
            value = make(self.builder, children, start, stop)
        self.values.append((value, start, stop, depth))
        self.stack.append(self.tables.states[self.stack[-1]][rule.origin])

    def accepts(self, terminal: str) -> bool:
        """Would this terminal fit here?"""
        stack = list(self.stack)
        while True:
            action = self.tables.states[stack[-1]].get(terminal)
            if action is None or action >= 0:
                return action is not None
            rule = self.tables.rules[~action]
            if rule.size:
                del stack[-rule.size :]
            stack.append(self.tables.states[stack[-1]][rule.origin])
            if stack[-1] == self.end:
                return True
