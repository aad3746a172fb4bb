"""Text to syntax tree: tokens through the LALR tables of ``grammar.lark``.

Lark makes the tables and this module follows them, because a tree of Lark's and a transformer over it would recurse as
deep as the text nests, know no places of what the grammar filters out, and take three times as long.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache
from typing import Any

from sparsec.errors import SyntaxError_
from sparsec.frontends.dsl.build import NODES, Builder
from sparsec.frontends.dsl.lexer import Source, Token, tokenize
from sparsec.frontends.dsl.tables import Rule, Tables, tables

MAX_NESTED = 90
"""Operators inside operators; tensor IR, in which casts are written out, allows 100."""

Make = Callable[[Any, list[Any], int, int], Any]


def parse(text: str, start: str, filename: str | None = None) -> Any:
    """Parse ``text`` from a start rule: "start", "statements", "format_only" or "commands".

    Raises ``SyntaxError_`` with a caret at the first thing that does not fit.
    """
    source = Source(text, filename)
    tokens = tokenize(source)
    if len(tokens) == 1 and start != "commands":
        raise SyntaxError_("the text is empty", source=text, filename=filename)
    return _Parser(source, tables(), start).run(tokens)


@cache
def _makers() -> tuple[tuple[Make | None, bool], ...]:
    """For each rule the method that makes its node, and whether that node is one level deeper."""
    return tuple((_maker(r), r.build in NODES) for r in tables().rules)


def _maker(r: Rule) -> Make | None:
    """None for a list that the rule above splices into its own."""
    if r.build is None or r.build.startswith("_"):
        return None
    make: Make = getattr(Builder, r.build)
    return make


class _Parser:
    """The stacks of a shift-reduce parser: states, values, and for each value its place and depth."""

    def __init__(self, source: Source, tables: Tables, start: str) -> None:
        self.source = source
        self.tables = tables
        self.builder = Builder(source)
        self.stack = [tables.begin[start]]
        self.end = tables.end[start]
        self.values: list[tuple[Any, int, int, int]] = []

    def run(self, tokens: list[Token]) -> Any:
        states, stack, before = self.tables.states, self.stack, -1
        for token in tokens:
            candidates = self.tables.candidates(token.kind, token.text)
            while True:
                row = states[stack[-1]]
                action = next((row[c] for c in candidates if c in row), None)
                if action is None:
                    raise explain(self, token, before)
                if action >= 0:
                    stack.append(action)
                    self.values.append((token, token.start, token.stop, 0))
                    before = token.stop
                    break
                self.reduce(~action, token.start)
                if stack[-1] == self.end and token.kind == "eof":
                    return self.values[-1][0]

    def reduce(self, number: int, here: int) -> None:
        """Replace what the production covers by its node; ``here`` is the place of the token ahead."""
        rule = self.tables.rules[number]
        make, deeper = _makers()[number]
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


# errors

_SHOWN = {
    "NAME": "a name", "INT": "a number", "_NL": "the end of the line", "ASSIGN": "'='", "EQUAL": "'='",
    "__ANON_0": "'->'", "LPAR": "'('", "RPAR": "')'", "LSQB": "'['", "RSQB": "']'", "LBRACE": "'{'", "RBRACE": "'}'",
    "COLON": "':'", "COMMA": "','", "DOT": "'.'", "FOR": "'for'", "IN": "'in'", "WHERE": "'where'", "OVER": "'over'",
    "SLOT": "'#'", "ORDERED": "'ordered'", "REVERSE": "'reverse'", "FILL": "'fill(...)'", "VALUES": "'values(...)'",
    "SYMBOL": "'+'", "$END": "the end of the text",
}  # fmt: skip
_OPERATORS = (
    "ADD",
    "MUL",
    "POWER",
    "COMPARE",
    "AND",
    "OR",
    "BITAND",
    "BITOR",
    "BITXOR",
    "MAP_ADD",
    "MAP_MUL",
    "COMPOSE",
)
_DEFINITIONS = ("kernel", "fn", "format", "semiring", "monoid", "schedule")


def explain(parser: _Parser, token: Token, before: int) -> SyntaxError_:
    """The error for a token that does not fit; ``before`` is where the last one that did ends."""
    rows = parser.tables.states[parser.stack[-1]]
    fits = {t for t in rows if t in _SHOWN or t in _OPERATORS or t.isupper()}
    fits = {t for t in fits if parser.accepts(t)}
    error = parser.source.error
    hint = _hint(parser, token, fits) or _expected(fits)
    if token.kind == "eof":
        return error("the text ends too early", max(before - 1, 0), before, hint)
    if token.kind == "end":
        shown = "';'" if token.text == ";" else "the end of the line"
        return error(f"unexpected {shown}", token.start, token.stop, hint)
    return error(f"unexpected '{token.text}'", token.start, token.stop, hint)


def _expected(fits: set[str]) -> str | None:
    if {"FLOAT", "NAME"} <= fits:
        words = ["an expression"]
    else:
        words = sorted(_SHOWN[t] for t in fits if t in _SHOWN)
        words += ["an operator"] if fits & set(_OPERATORS) else []
    if not words or len(words) > 6:
        return None
    return f"expected {' or '.join([', '.join(words[:-1])] * (len(words) > 1) + words[-1:])}"


def _hint(parser: _Parser, token: Token, fits: set[str]) -> str | None:
    """Advice for typical slips."""
    text, follows = parser.source.text, parser.source.text[token.stop : token.stop + 1]
    last = parser.source.text[: token.start].rstrip()[-1:]
    if token.text in ("&", "|") and last == token.text:
        return f"write '{'and' if last == '&' else 'or'}'"
    if follows == "=" and token.text in ("-", "/", "%"):
        return f"there is no '{token.text}=': updates are += *= min= max= |= &="
    if token.text in ("min", "max") and text[token.stop :].lstrip(" ").startswith("=") and "ASSIGN" in fits:
        return f"write '{token.text}=' without a space"
    if token.text == "=" and "COMPARE" in fits:
        return "'==' compares; '=' defines, once in a statement"
    if token.text in ("==", ":=", "<-") and "ASSIGN" in fits:
        return "'=' defines a tensor"
    if (
        token.kind == "symbol"
        and "COMPARE" not in fits
        and token.text in ("<", "<=", ">", ">=", "==", "!=")
        and "AND" in fits
    ):
        return "comparisons do not chain: write a < b and b < c"
    if token.text == ":" and "ASSIGN" in fits:
        return "a type behind the colon: S[i, j]: f32 csr = ..."
    if "__ANON_0" in fits and token.text in ("{", ":", "="):
        return "a kernel names its results: kernel f(x: f64[n]) -> y: f64[n] { ... }"
    if token.text in ("if", "for", "while", "return", "def", "lambda", "let", "var", "else"):
        return (
            f"there is no '{token.text}': statements are y[i] = ..., a choice is select(c, a, b), a condition 'where'"
        )
    if token.text == ";" and "COMMA" in fits:
        return "separate them by commas"
    if "KERNEL" in fits:
        near = difflib.get_close_matches(token.text, _DEFINITIONS, 1) if token.kind == "name" else []
        if near and token.text not in _DEFINITIONS:
            return f"did you mean '{near[0]}'?"
        what = "kernel, fn, format, semiring, monoid and schedule"
        return f"a file holds {what} definitions; bare statements are for sp.evaluate"
    if token.text in _DEFINITIONS and {"RBRACE"} <= fits:
        return "a '}' is missing before it"
    return None
