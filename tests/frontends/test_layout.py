"""Where a statement ends, what is a comment, what a token may be."""

from __future__ import annotations

import pytest

from sparsec.errors import SparsecError
from sparsec.frontends.dsl.lexer import Source, tokenize
from sparsec.frontends.dsl.parser import parse
from tests.support.language import kernel


def tokens(text: str) -> str:
    """Token texts; ``;`` for any end of a statement."""
    return " ".join(";" if t.kind == "end" else t.text for t in tokenize(Source(text))[:-1])


LINES = [
    ("a = b\nc = d", "a = b ; c = d"),
    ("a = b; c = d", "a = b ; c = d"),
    ("a = b;\n\n;; c = d\n", "a = b ; c = d"),
    ("a = b\n  where c\n  over d", "a = b where c over d"),
    ("a = b\n  + c\n  - d", "a = b + c - d"),
    ("a = b\n  and c\n  or d\n in e", "a = b and c or d in e"),
    ("a = b +\n c", "a = b + c"),
    ("a = b[\n i,\n j\n]\nc = d", "a = b [ i , j ] ; c = d"),
    ("a = f(\n  b # note\n)", "a = f ( b )"),
    ("# one\n\na = b # two\n# three\nc = d", "a = b ; c = d"),
    ("kernel f(a: f64)\n-> b: f64\n{ b = a }", "kernel f ( a : f64 ) -> b : f64 { b = a }"),
    ("kernel f { a = b\n}", "kernel f { a = b ; }"),
    ("semiring t {\n add = min,\n zero = inf\n}", "semiring t { add = min , zero = inf }"),
    ("ordered monoid t {\n zero = 0\n}\nkernel k { a = b\n }", "ordered monoid t { zero = 0 } ; kernel k { a = b ; }"),
    ("(p) -> (p/c: dense, #: slots) # a note", "( p ) -> ( p / c : dense , # : slots )"),
    ("f(a: f64, #: a note\n b: f64)", "f ( a : f64 , b : f64 )"),
    ("a min= b", "a min= b"),
    ("argmin == b", "argmin == b"),
    ("min=b; max= min", "min = b ; max = min"),
    ("a[i]min=b", "a [ i ] min= b"),
    ("a = min == b", "a = min == b"),
    ("2.5e3*.5+1.j-2e-1", "2.5e3 * .5 + 1.j - 2e-1"),
    ("\ufeffa\t=\r\n b", "a = b"),
]


@pytest.mark.parametrize("text, expected", LINES)
def test_lines(text: str, expected: str) -> None:
    assert tokens(text) == expected


def test_places_are_those_of_the_text() -> None:
    text = "# note\nkernel k(x: f64[n]) -> y: f64[n] {\n\ty[i] = x[i] +\n\t\tq\n}"
    with pytest.raises(SparsecError) as caught:
        kernel(text)
    span = caught.value.span
    assert span is not None and (span.line, span.column) == (4, 3) and text[span.start : span.end] == "q"
    assert str(caught.value).splitlines()[2:4] == ["   4 | \t\tq", "     | \t\t^"]


PRECEDENCE = [
    ("a + b * c", "a + (b * c)"),
    ("a - b - c", "(a - b) - c"),
    ("a / b * c", "(a / b) * c"),
    ("-a ** b", "-(a ** b)"),
    ("a ** -b ** c", "a ** (-(b ** c))"),
    ("a * -b", "a * (-b)"),
    ("a < b and not c or d", "((a < b) and (not c)) or d"),
    ("a & b | c ^ d", "(a & b) | (c ^ d)"),
    ("a + b & c < d", "((a + b) & c) < d"),
    ("a - b in -2:3 and c", "((a - b) in -2:3) and c"),
]


@pytest.mark.parametrize("text, bracketed", PRECEDENCE)
def test_precedence(text: str, bracketed: str) -> None:
    assert shape(text) == shape(bracketed)


def shape(text: str) -> str:
    """The tree of an expression without its places."""
    import re

    (statement,) = parse(f"y = {text}", "statements")
    return re.sub(r", span=Span\([^)]*\)", "", repr(statement.value))


WORDS = ["fill", "values", "format", "order", "reverse", "ordered", "sum", "exp", "kernel", "for", "fn", "top", "min"]


@pytest.mark.parametrize("word", WORDS)
def test_words_that_are_names_where_a_name_stands(word: str) -> None:
    program = kernel(
        f"kernel k({word}: f64[n]) -> y: f64[n] {{ y[i] = {word}[i] + sum[{word}2](2.0 where {word}2 in 0:3) }}"
    )
    assert program.operands[0].name == word
