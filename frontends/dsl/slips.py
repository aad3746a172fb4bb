"""What is wrong with a text that does not parse: what was found, what could stand there, advice for typical slips."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sparsec.errors import SyntaxError_, nearest
from sparsec.frontends.dsl.lexer import Source, Token

_SHOWN = {
    "NAME": "a name", "INT": "a number", "_NL": "the end of the line", "ASSIGN": "'='", "EQUAL": "'='",
    "__ANON_0": "'->'", "LPAR": "'('", "RPAR": "')'", "LSQB": "'['", "RSQB": "']'", "LBRACE": "'{'", "RBRACE": "'}'",
    "COLON": "':'", "COMMA": "','", "DOT": "'.'", "FOR": "'for'", "IN": "'in'", "WHERE": "'where'", "OVER": "'over'",
    "SLOT": "'#'", "FILL": "'fill(...)'", "VALUES": "'values(...)'", "SYMBOL": "'+'", "$END": "the end of the text",
}  # fmt: skip
"""Terminals of the grammar as people call them."""
_DEFINITIONS = ("kernel", "fn", "format", "semiring", "monoid", "schedule")
_ELSEWHERE = ("if", "for", "while", "return", "def", "lambda", "let", "var", "else")
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def explain(source: Source, token: Token, before: Token | None, fits: set[str]) -> SyntaxError_:
    """The error for ``token``, which does not fit behind ``before``; ``fits`` are the terminals that would."""
    if before is not None and before.text in _ELSEWHERE and token.text != "=":
        token, before = before, None
    elif before is not None and _lacks_operand(before, token, fits):
        hint = f"something must follow '{before.text}'"
        return source.error(f"an expression is missing after '{before.text}'", before.start, before.stop, hint)
    advice = next(_slips(source, token, before, fits), None) or _expected(fits)
    if token.kind == "eof":
        at = before.stop if before else 1
        return source.error("the text ends too early", at - 1, at, advice)
    shown = f"'{token.text}'" if token.text.strip() else "the end of the line"
    return source.error(f"unexpected {shown}", token.start, token.stop, advice)


def _lacks_operand(before: Token, token: Token, fits: set[str]) -> bool:
    operator = before.kind == "symbol" and before.text not in "([{,:}])" and before.text not in ("=", "->")
    ends = token.kind in ("eof", "end") or token.text in (")", "]", "}", ",")
    return operator and ends and {"FLOAT", "NAME"} <= fits


def _expected(fits: set[str]) -> str | None:
    if "SCAN" in fits and "FLOAT" not in fits:
        return "expected a statement, such as y[i] = x[i]"
    words = ["an expression"] if {"FLOAT", "NAME"} <= fits else sorted(_SHOWN[t] for t in fits if t in _SHOWN)
    if not words or len(words) > 6:
        return None
    return f"expected {', '.join(words[:-1])}{' or ' if len(words) > 1 else ''}{words[-1]}"


def _slips(source: Source, token: Token, before: Token | None, fits: set[str]) -> Iterator[str]:
    """Advice, the fittest first."""
    word, last = token.text, "" if before is None else before.text
    follows = source.text[token.stop :].lstrip(" ")[:1]
    if word in ("&", "|") and last == word:
        yield f"write '{'and' if word == '&' else 'or'}'"
    if follows == "=" and word in ("-", "/", "%", "//", "**", "^") and "ASSIGN" in fits:
        yield f"there is no '{word}=': updates are += *= min= max= |= &="
    if follows == "=" and word in ("min", "max") and "ASSIGN" in fits:
        yield f"write '{word}=' without a space"
    if word == "=" and "COMPARE" in fits:
        yield "'==' compares; '=' defines, once in a statement"
    if word == "=" and last == ":":
        yield "'=' alone defines a tensor"
    if word == "@" and "MUL" in fits:
        yield "products are written element by element: A[i, j] * B[j, k] sums over j"
    if before is not None and before.kind in ("int", "float") and before.stop == token.start:
        yield from _numbers(last, word)
    if word == "." and "MUL" in fits:
        yield "there are no attributes: a transpose is writing the indices in another order, a function is sqrt(x[i])"
    if word == "==" and "ASSIGN" in fits:
        yield "'=' defines a tensor"
    if word in _COMPARISONS and "AND" in fits and "COMPARE" not in fits:
        yield "comparisons do not chain: write a < b and b < c"
    if "__ANON_0" in fits and word in ("{", ":", "="):
        yield "a kernel names its results: kernel f(x: f64[n]) -> y: f64[n] { ... }"
    if word == "*" and last == "/":
        yield "a comment begins with '#'"
    if "FLOAT" in fits and ((last in ("[", ",") and word in (":", ".")) or (last == "[" and word == "]")):
        yield "an index variable stands for a whole dimension, y[i] = x[i]; a scalar has no brackets"
    if word == "def":
        yield "a kernel is written kernel f(x: f64[n]) -> y: f64[n] { ... }"
    if word == "return":
        yield "a result is written by its name: y[i] = ..."
    if word in ("let", "var"):
        rest = re.split(r"[\n;#}]", source.text[token.stop :])[0].strip()
        yield f"what is defined needs no '{word}'" + (f": {rest}" if 0 < len(rest) <= 60 else "")
    if word == "[" and last == "]":
        first = re.search(r"\b(\w+)\[([^\[\]]*)\]\s*$", source.text[: token.start])
        second = re.match(r"\[([^\[\]]*)\]", source.text[token.start :])
        both = f"{first[1]}[{first[2]}, {second[1]}]" if first and second else "A[i, j]"
        yield f"all indices stand in one bracket: {both}"
    if word in _ELSEWHERE:
        yield f"there is no '{word}': a choice is select(c, a, b), a condition 'where', a loop an index"
    if fits == {"NAME", "INT"} or (fits == {"COMMA", "RSQB"} and token.kind != "eof"):
        yield "a dimension is a name or a whole number; a scalar has no brackets"
    if last in _DEFINITIONS and token.kind == "name" and "ASSIGN" in fits:
        yield f"statements stand here alone: sp.compile takes a text with a {last}"
    if "REVERSE" in fits or (last == "scan" and word == "["):
        yield "a recurrence is written scan i { ... } or scan i reverse { ... }"
    if word == ";" and "COMMA" in fits:
        yield "separate them by commas"
    if word == ":" and last.isdigit():
        yield "a range is a condition: y[i] = ... where i in 0:3"
    if "KERNEL" in fits and before is None or (before is not None and before.text == "}" and "KERNEL" in fits):
        near = nearest(word, _DEFINITIONS) if token.kind == "name" and word not in _DEFINITIONS else None
        what = "kernel, fn, format, semiring, monoid and schedule"
        yield near or f"a file holds {what} definitions; bare statements are for sp.evaluate"
    starts = token.kind in ("name", "int", "float", "imaginary") or word == "("
    if starts and "MUL" in fits and word not in ("fill", "values"):
        yield "an operator is missing: a product is written with '*'"


def _numbers(first: str, rest: str) -> Iterator[str]:
    """Advice where two tokens without a space between them were meant as one number, or as a range."""
    if first.endswith(".") and rest.startswith("."):
        yield f"a range is written {first[:-1]}:{rest[1:] or 'n'}"
    try:
        value = float(first + rest) if "." in first else int(first + rest, 0)
    except ValueError:
        return
    yield f"a number is written in decimal digits alone: {value}"


__all__ = ["explain"]
