"""Text to syntax tree, through Lark; its errors become ours."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError

from sparsec.errors import Span, SyntaxError_
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.layout import prepare, span_at
from sparsec.knobs import knobs

_WORDS = {
    "LPAR": "'('", "RPAR": "')'", "LSQB": "'['", "RSQB": "']'", "LBRACE": "'{'", "RBRACE": "'}'", "COLON": "':'",
    "COMMA": "','", "NAME": "a name", "INT": "a number", "_NL": "the end of the statement", "ASSIGN": "'='",
    "EQUAL": "'='", "__ANON_0": "'->'", "MINUS": "an expression", "ADD": "an operator", "FLOAT": "a number",
    "KERNEL": "'kernel'", "WHERE": "'where'", "$END": "the end of the text",
}  # fmt: skip


@cache
def _lark() -> Lark:
    """The parser; its tables are kept in the user's cache folder where that can be written."""
    folder = knobs().cache_dir
    if folder is None:
        import platformdirs

        folder = Path(platformdirs.user_cache_dir("sparsec"))
    grammar = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    options: dict[str, Any] = {
        "parser": "lalr", "start": ["start", "statements", "format_only"], "propagate_positions": True,
        "maybe_placeholders": True,
    }  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Lark(grammar, cache=str(folder / "grammar.cache"), **options)
    except OSError:
        return Lark(grammar, **options)


_LOCK = threading.RLock()
"""Held while parsing: the tree is built with the text in ``_Source``."""


class _Source:
    """The text under way: spans are made from offsets, because ``prepare`` keeps those."""

    text = ""


def _span(meta: Any) -> Span:
    if getattr(meta, "empty", False) or not hasattr(meta, "start_pos"):
        return Span(1, 1, 0, 1)
    return span_at(_Source.text, meta.start_pos, meta.end_pos)


def _token_span(t: Token) -> Span:
    assert t.start_pos is not None and t.end_pos is not None
    return span_at(_Source.text, t.start_pos, t.end_pos)


@v_args(meta=True)
class _Build(Transformer):  # type: ignore[type-arg]
    """One method a rule of the grammar, called bottom up while parsing."""

    def start(self, m: Any, c: list[Any]) -> list[ast.Definition]:
        return c

    def statements(self, m: Any, c: list[Any]) -> list[ast.StatementText]:
        return c

    def format_only(self, m: Any, c: list[Any]) -> ast.FormatText:
        return c[0]  # type: ignore[no-any-return]

    # kernels

    def kernel(self, m: Any, c: list[Any]) -> ast.KernelText:
        return ast.KernelText(str(c[0]), c[1] or (), c[2], c[3], _token_span(c[0]))

    def params(self, m: Any, c: list[Any]) -> tuple[ast.Param, ...]:
        return tuple(x for x in c if x is not None)

    results = params

    def param(self, m: Any, c: list[Any]) -> ast.Param:
        return ast.Param(str(c[0]), str(c[1]), c[2], tuple(c[3:]), _span(m))

    def dims(self, m: Any, c: list[Any]) -> tuple[str | int, ...]:
        return tuple(c)

    def dim(self, m: Any, c: list[Any]) -> str | int:
        return int(c[0]) if c[0].type == "INT" else str(c[0])

    def body(self, m: Any, c: list[Any]) -> tuple[ast.StatementText, ...]:
        return tuple(c)

    def scan_block(self, m: Any, c: list[Any]) -> ast.ScanText:
        return ast.ScanText(str(c[0]), c[1] is not None, c[2], _span(m))

    def assign(self, m: Any, c: list[Any]) -> ast.AssignText:
        at = next(n for n, x in enumerate(c) if isinstance(x, Token) and x.type == "ASSIGN")
        annotations = tuple(x for x in c[1:at] if x is not None)
        where, over = None, None
        for kind, value, span in c[at + 2 :]:
            if (where if kind == "where" else over) is not None:
                raise SyntaxError_(f"a second '{kind}' in one statement", span=span, hint="join conditions with 'and'")
            if kind == "where":
                where = value
            else:
                over = value
        return ast.AssignText(c[0], annotations, str(c[at]), c[at + 1], where, over, _span(m))

    def target(self, m: Any, c: list[Any]) -> ast.Target:
        return ast.Target(str(c[0]), c[1], _span(m))

    def where(self, m: Any, c: list[Any]) -> tuple[str, ast.Expr, Span]:
        return "where", c[0], _span(m)

    def over(self, m: Any, c: list[Any]) -> tuple[str, ast.Name, Span]:
        return "over", ast.Name(str(c[0]), _token_span(c[0])), _span(m)

    def fill(self, m: Any, c: list[Any]) -> ast.Annotation:
        return ast.Annotation("fill", c[0], _span(m))

    def values(self, m: Any, c: list[Any]) -> ast.Annotation:
        return ast.Annotation("values", str(c[0]) + (f"[{c[1]}]" if c[1] else ""), _span(m))

    def formatted(self, m: Any, c: list[Any]) -> ast.Annotation:
        return ast.Annotation("format", c[0], _span(m))

    # formats

    def format_def(self, m: Any, c: list[Any]) -> ast.FormatDef:
        at = next(n for n, x in enumerate(c) if isinstance(x, ast.FormatText))
        annotations = tuple(x for x in c[at + 1 :] if isinstance(x, ast.Annotation))
        tail = [x for x in c[at + 1 :] if isinstance(x, Token)]
        return ast.FormatDef(
            str(c[0]), c[1] or (), c[at], annotations, str(tail[0]) if tail else None, _token_span(c[0])
        )

    def format(self, m: Any, c: list[Any]) -> ast.FormatText:
        return ast.FormatText(tuple(c[::2]), tuple(map(str, c[1::2])), _span(m))

    def format_name(self, m: Any, c: list[Any]) -> ast.FormatName:
        return ast.FormatName(str(c[0]), c[1] or (), _span(m))

    def map(self, m: Any, c: list[Any]) -> ast.MapText:
        return ast.MapText(c[0], c[1] or (), _span(m))

    def empty_map(self, m: Any, c: list[Any]) -> ast.MapText:
        return ast.MapText((), (), _span(m))

    def levels(self, m: Any, c: list[Any]) -> tuple[ast.LevelText, ...]:
        return tuple(c)

    def level(self, m: Any, c: list[Any]) -> ast.LevelText:
        return ast.LevelText(c[0], str(c[1]), c[2] or (), _span(m))

    def options(self, m: Any, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def option(self, m: Any, c: list[Any]) -> tuple[str | None, ast.MapExpr]:
        return None, c[0]

    def setting(self, m: Any, c: list[Any]) -> tuple[str | None, ast.MapExpr]:
        return str(c[0]), str(c[1])

    def map_exprs(self, m: Any, c: list[Any]) -> tuple[ast.MapExpr, ...]:
        return tuple(c)

    def map_op(self, m: Any, c: list[Any]) -> ast.MapOp:
        return ast.MapOp(str(c[1]), c[0], c[2])

    def map_name(self, m: Any, c: list[Any]) -> str:
        return str(c[0])

    def map_int(self, m: Any, c: list[Any]) -> int:
        return int(c[0])

    def map_slot(self, m: Any, c: list[Any]) -> ast.MapSlot:
        return ast.MapSlot()

    # functions and algebra

    def fn(self, m: Any, c: list[Any]) -> ast.FnText:
        return ast.FnText(str(c[0]), c[1], c[2], _token_span(c[0]))

    def names(self, m: Any, c: list[Any]) -> tuple[str, ...]:
        return tuple(map(str, c))

    def semiring(self, m: Any, c: list[Any]) -> ast.SemiringText:
        return ast.SemiringText(str(c[0]), tuple(x for x in c[1:] if x is not None), _token_span(c[0]))

    def semiring_item(self, m: Any, c: list[Any]) -> tuple[str, ast.Expr]:
        return str(c[0]), c[1]

    def semiring_symbol(self, m: Any, c: list[Any]) -> tuple[str, str]:
        return str(c[0]), str(c[1])

    def monoid(self, m: Any, c: list[Any]) -> ast.MonoidText:
        items = tuple(x for x in c[3:] if x is not None)
        return ast.MonoidText(str(c[1]), c[2], items, c[0] is not None, _token_span(c[1]))

    def monoid_item(self, m: Any, c: list[Any]) -> tuple[str, tuple[tuple[str, ...], ...], ast.Expr]:
        return str(c[0]), c[1] or (), c[2]

    def patterns(self, m: Any, c: list[Any]) -> tuple[tuple[str, ...], ...]:
        return tuple(c)

    def pattern(self, m: Any, c: list[Any]) -> tuple[str, ...]:
        return c[0] if isinstance(c[0], tuple) else (str(c[0]),)

    # schedules

    def schedule(self, m: Any, c: list[Any]) -> ast.ScheduleText:
        return ast.ScheduleText(str(c[0]), tuple(x for x in c[1:] if x is not None), _token_span(c[0]))

    def command(self, m: Any, c: list[Any]) -> ast.Command:
        return ast.Command(None if c[0] is None else str(c[0]), str(c[1]), tuple(c[2:]))

    def word(self, m: Any, c: list[Any]) -> str:
        return str(c[0])

    # expressions

    def exprs(self, m: Any, c: list[Any]) -> tuple[ast.Expr, ...]:
        return tuple(c)

    def binary(self, m: Any, c: list[Any]) -> ast.Binary:
        return ast.Binary(str(c[1]), c[0], c[2], _span(m))

    def unary(self, m: Any, c: list[Any]) -> ast.Unary:
        return ast.Unary(str(c[0]), c[1], _span(m))

    def between(self, m: Any, c: list[Any]) -> ast.Between:
        return ast.Between(c[0], c[1], c[2], _span(m))

    def integer(self, m: Any, c: list[Any]) -> ast.Number:
        if len(c[0]) > 40:
            raise SyntaxError_("the number is too long", span=_token_span(c[0]))
        return ast.Number(int(c[0]), "int", _span(m))

    def floating(self, m: Any, c: list[Any]) -> ast.Number:
        return ast.Number(float(c[0]), "float", _span(m))

    def imaginary(self, m: Any, c: list[Any]) -> ast.Number:
        return ast.Number(complex(c[0].lower()), "complex", _span(m))

    def name(self, m: Any, c: list[Any]) -> ast.Name:
        return ast.Name(str(c[0]), _span(m))

    def bracket(self, m: Any, c: list[Any]) -> tuple[Any, Any]:
        return c[0], c[1]

    def arguments(self, m: Any, c: list[Any]) -> tuple[Any, Any]:
        return c[0] or (), c[1]

    def subscript(self, m: Any, c: list[Any]) -> ast.Subscript:
        indices, tail = c[1]
        if tail is not None:
            raise SyntaxError_(
                f"'{c[0]}' is indexed with a range", span=_span(m), hint="write a condition: where i in 0:5"
            )
        return ast.Subscript(str(c[0]), indices, _span(m))

    def call(self, m: Any, c: list[Any]) -> ast.Call:
        args, where = c[1]
        if where is not None:
            raise SyntaxError_(
                f"a condition inside '{c[0]}(...)'", span=_span(m), hint="only reductions take one: sum[i](... where ...)"
            )
        return ast.Call(str(c[0]), args, _span(m))

    def _reduction(self, m: Any, name: str, bracket: Any, arguments: Any, scan: str | None = None) -> ast.Reduction:
        (indices, tail), (args, where) = bracket, arguments
        if len(args) != 1:
            raise SyntaxError_(f"'{name}[...]' takes one expression, not {len(args)}", span=_span(m))
        return ast.Reduction(name, indices, tail, args[0], where, _span(m), scan)

    def reduction(self, m: Any, c: list[Any]) -> ast.Reduction:
        return self._reduction(m, str(c[0]), c[1], c[2])

    def dotted(self, m: Any, c: list[Any]) -> ast.Reduction:
        return self._reduction(m, "scan", c[1], c[2], str(c[0]))

    def plain_scan(self, m: Any, c: list[Any]) -> ast.Reduction:
        return self._reduction(m, "scan", c[0], c[1], "sum")

    def tuple(self, m: Any, c: list[Any]) -> ast.Tuple:
        return ast.Tuple(tuple(c), _span(m))


def parse(source: str, start: str, filename: str | None = None) -> Any:
    """Parse ``source`` from a start rule: "start", "statements" or "format_only".

    Raises ``SyntaxError_`` with a caret at the first thing that does not fit.
    """
    with _LOCK:
        text = prepare(source, filename)
        if not text.strip():
            raise SyntaxError_("the text is empty", source=source, filename=filename)
        _Source.text = source
        try:
            return _Build().transform(_lark().parse(text, start=start))
        except UnexpectedInput as e:
            raise _explain(e, source, filename) from None
        except VisitError as e:
            if isinstance(e.orig_exc, SyntaxError_):
                raise e.orig_exc.locate(source, filename) from None
            if isinstance(e.orig_exc, RecursionError):
                raise too_deep(source, filename) from None
            raise
        except RecursionError:
            raise too_deep(source, filename) from None


def too_deep(source: str, filename: str | None) -> SyntaxError_:
    """The error for an expression of more operators than the compiler will follow."""
    return SyntaxError_(
        "an expression nests too deeply", filename=filename, source=source, hint="give parts of it names of their own"
    )


def _explain(e: UnexpectedInput, source: str, filename: str | None) -> SyntaxError_:
    at = min(e.pos_in_stream if e.pos_in_stream is not None else len(source), max(len(source) - 1, 0))
    token = getattr(e, "token", None)
    expected = {str(x) for x in (getattr(e, "expected", None) or getattr(e, "allowed", None) or getattr(e, "accepts", None) or ())}
    if token is not None and token.type == "$END":
        what, at, length = "the text ends too early", max(len(source.rstrip()) - 1, 0), 1
    elif token is not None and token.start_pos is not None:
        shown = "the end of the line" if token.type == "_NL" else f"'{token}'"
        what, at, length = f"unexpected {shown}", token.start_pos, len(token) if token.type != "_NL" else 1
    else:
        what, length = f"unexpected character {source[at]!r}" if source else "empty", 1
    hint = _hint(source, at, token, expected)
    names = sorted({_WORDS[x] for x in expected if x in _WORDS})
    if hint is None and names:
        hint = "expected " + ", ".join(names[:6])
    return SyntaxError_(what, span=span_at(source, at, at + length), source=source, filename=filename, hint=hint)


def _hint(source: str, at: int, token: Any, expected: set[str]) -> str | None:
    """Advice for typical slips."""
    here, before = source[at : at + 3], source[:at].rstrip()
    if here.startswith("&&") or here.startswith("||") or before.endswith("&") and here.startswith("&"):
        return "write 'and', 'or'"
    if here.startswith("=") and "COMPARE" in expected:
        return "'==' compares, '=' defines; one statement a line"
    if here.startswith("!"):
        return "write 'not'"
    if "__ANON_0" in expected and (here.startswith("{") or here.startswith(":")):
        return "a kernel names its results: kernel f(x: f64[n]) -> y: f64[n] { ... }"
    if token is not None and str(token) in ("if", "for", "return", "def", "lambda"):
        return f"the language has no '{token}': statements are y[i] = ..., conditions are select(c, a, b) or 'where'"
    if expected and expected <= {"_NL", "KERNEL", "FN", "FORMAT", "SEMIRING", "MONOID", "SCHEDULE", "ORDERED", "$END"}:
        return "a file holds kernel, fn, format, semiring, monoid and schedule definitions"
    if here[:1] in "\"'":
        return "the language has no strings"
    return None
