"""Syntax tree nodes from the children of a production: one method for each rule of ``grammar.lark``."""

from __future__ import annotations

import math
from typing import Any

from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.lexer import Source, Token

Children = list[Any]
NODES = frozenset(
    ("binary", "unary", "between", "call", "subscript", "reduction", "dotted", "plain_scan", "tupled", "map_op")
)
"""The rules that make a tree deeper."""


class Builder:
    """``rule(children, start, stop)`` gives the node for ``source[start:stop]``; children are nodes, tokens or None."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def _name(self, t: Token) -> ast.Name:
        return ast.Name(t.text, self.source.span(t.start, t.stop))

    def _int(self, t: Token, hint: str = "whole numbers here are below 2**63") -> int:
        digits = t.text.lstrip("0") or "0"
        if len(digits) > 20 or int(digits) >= 2**64:
            raise self.source.error("the number does not fit in 64 bits", t.start, t.stop, hint)
        return int(digits)

    def _list(self, c: Children, start: int, stop: int) -> tuple[Any, ...]:
        return tuple(c)

    def _listed(self, c: Children, start: int, stop: int) -> tuple[Any, ...]:
        return tuple(x for x in c if x is not None)

    def _pair(self, c: Children, start: int, stop: int) -> Any:
        return c[0], c[1]

    # kernels

    start = statements = commands = params = results = _listed

    def kernel(self, c: Children, start: int, stop: int) -> ast.KernelText:
        return ast.KernelText(self._name(c[0]), c[1] or (), c[2], c[3])

    def param(self, c: Children, start: int, stop: int) -> ast.Param:
        name, dtype = self._name(c[0]), self._name(c[1])
        return ast.Param(name, dtype, c[2], tuple(c[3:]), self.source.span(start, stop))

    dims = exprs = body = levels = options = map_exprs = patterns = _list

    def dim(self, c: Children, start: int, stop: int) -> ast.Name | ast.Number:
        if c[0].kind == "name":
            return self._name(c[0])
        return ast.Number(self._int(c[0], "extents are below 2**63"), "int", self.source.span(start, stop))

    def scan_block(self, c: Children, start: int, stop: int) -> ast.ScanText:
        return ast.ScanText(self._name(c[0]), c[1] is not None, c[2], self.source.span(start, stop))

    def assign(self, c: Children, start: int, stop: int) -> ast.AssignText:
        at = next(n for n, x in enumerate(c) if isinstance(x, Token))
        clauses: dict[str, Any] = {}
        for kind, value, s, e in c[at + 2 :]:
            if kind in clauses:
                raise self.source.error(f"a second '{kind}' in one statement", s, e, "join conditions with 'and'")
            clauses[kind] = value
        annotations = tuple(x for x in c[1:at] if x is not None)
        where, over = clauses.get("where"), clauses.get("over")
        return ast.AssignText(c[0], annotations, c[at].text, c[at + 1], where, over, self.source.span(start, stop))

    def call_of(self, c: Children, start: int, stop: int) -> ast.CallText:
        *names, args = c
        targets = tuple(self._name(t) for t in names[:-1])
        return ast.CallText(targets, (), self._name(names[-1]), args or (), self.source.span(start, stop))

    def target(self, c: Children, start: int, stop: int) -> ast.Target:
        return ast.Target(c[0].text, c[1] or (), self.source.span(start, stop))

    def where(self, c: Children, start: int, stop: int) -> tuple[str, ast.Expr, int, int]:
        return "where", c[0], start, stop

    def over(self, c: Children, start: int, stop: int) -> tuple[str, ast.Name, int, int]:
        return "over", self._name(c[0]), start, stop

    def fill(self, c: Children, start: int, stop: int) -> ast.FillNote:
        return ast.FillNote(c[0], self.source.span(start, stop))

    def values(self, c: Children, start: int, stop: int) -> ast.ValuesNote:
        return ast.ValuesNote(c[0].text, self._int(c[1]) if c[1] else None, self.source.span(start, stop))

    def format_only(self, c: Children, start: int, stop: int) -> tuple[ast.FormatText, tuple[ast.Annotation, ...]]:
        return c[0], tuple(c[1:])

    def formatted(self, c: Children, start: int, stop: int) -> ast.FormatNote:
        return ast.FormatNote(c[0], self.source.span(start, stop))

    # formats

    def format_def(self, c: Children, start: int, stop: int) -> ast.FormatDef:
        at = next(n for n, x in enumerate(c) if isinstance(x, ast.FormatText))
        annotations = tuple(x for x in c[at + 1 :] if isinstance(x, ast.Annotation))
        order = None
        tail = [x for x in c[at + 1 :] if x is not None and not isinstance(x, ast.Annotation)]
        if tail:
            name, function, size, dim = tail
            window = size.id if isinstance(size, ast.Name) else size.value
            order = ast.Permutation(self._name(name), self._name(function), window, self._name(dim))
        return ast.FormatDef(self._name(c[0]), c[1] or (), c[at], annotations, order)

    def format(self, c: Children, start: int, stop: int) -> ast.FormatText:
        return ast.FormatText(tuple(c[::2]), tuple(t.text for t in c[1::2]), self.source.span(start, stop))

    def format_name(self, c: Children, start: int, stop: int) -> ast.FormatName:
        return ast.FormatName(c[0].text, c[1] or (), self.source.span(start, stop))

    def map(self, c: Children, start: int, stop: int) -> ast.MapText:
        return ast.MapText(tuple(n.id for n in c[0]), c[1] or (), self.source.span(start, stop))

    def empty_map(self, c: Children, start: int, stop: int) -> ast.MapText:
        return ast.MapText((), (), self.source.span(start, stop))

    def level(self, c: Children, start: int, stop: int) -> ast.LevelText:
        return ast.LevelText(c[0], c[1].text, c[2] or (), self.source.span(start, stop))

    def option(self, c: Children, start: int, stop: int) -> tuple[str | None, ast.MapExpr]:
        return None, c[0]

    def setting(self, c: Children, start: int, stop: int) -> tuple[str | None, ast.MapExpr]:
        return c[0].text, c[1].text

    def map_op(self, c: Children, start: int, stop: int) -> ast.MapOp:
        return ast.MapOp(c[1].text, c[0], c[2])

    def map_name(self, c: Children, start: int, stop: int) -> str:
        text: str = c[0].text
        return text

    def map_int(self, c: Children, start: int, stop: int) -> int:
        return self._int(c[0])

    def map_slot(self, c: Children, start: int, stop: int) -> ast.MapSlot:
        return ast.MapSlot()

    # functions and algebra

    def fn(self, c: Children, start: int, stop: int) -> ast.FnText:
        return ast.FnText(self._name(c[0]), c[1], c[2])

    def names(self, c: Children, start: int, stop: int) -> tuple[ast.Name, ...]:
        return tuple(self._name(t) for t in c)

    def semiring(self, c: Children, start: int, stop: int) -> ast.SemiringText:
        return ast.SemiringText(self._name(c[0]), tuple(x for x in c[1:] if x is not None))

    def semiring_item(self, c: Children, start: int, stop: int) -> ast.Item:
        return ast.Item(self._name(c[0]), (), c[1])

    def semiring_symbol(self, c: Children, start: int, stop: int) -> ast.Item:
        return ast.Item(self._name(c[0]), (), c[1].text)

    def monoid(self, c: Children, start: int, stop: int) -> ast.MonoidText:
        items = tuple(x for x in c[3:] if x is not None)
        return ast.MonoidText(self._name(c[1]), c[2], items, c[0] is not None)

    def monoid_item(self, c: Children, start: int, stop: int) -> ast.Item:
        return ast.Item(self._name(c[0]), c[1] or (), c[2])

    def pattern(self, c: Children, start: int, stop: int) -> tuple[ast.Name, ...]:
        return (self._name(c[0]),) if isinstance(c[0], Token) else c[0]

    # schedules

    def schedule(self, c: Children, start: int, stop: int) -> ast.ScheduleText:
        return ast.ScheduleText(self._name(c[0]), c[1])

    def command(self, c: Children, start: int, stop: int) -> ast.Command:
        return ast.Command(None if c[0] is None else self._name(c[0]), self._name(c[1]), tuple(c[2:]))

    def word(self, c: Children, start: int, stop: int) -> ast.Name:
        return self._name(c[0])

    # expressions

    def binary(self, c: Children, start: int, stop: int) -> ast.Binary:
        return ast.Binary(c[1].text, c[0], c[2], self.source.span(start, stop))

    def unary(self, c: Children, start: int, stop: int) -> ast.Unary:
        return ast.Unary(c[0].text, c[1], self.source.span(start, stop))

    def between(self, c: Children, start: int, stop: int) -> ast.Between:
        return ast.Between(c[0], c[1], c[2], self.source.span(start, stop))

    def integer(self, c: Children, start: int, stop: int) -> ast.Number:
        digits = c[0].text
        wide = f": {float(digits)!r}".replace("e+", "e") if len(digits) <= 300 else ""
        value = self._int(c[0], f"write it as a float{wide}; an index or a bound is below 2**63 anyway")
        return ast.Number(value, "int", self.source.span(start, stop))

    def floating(self, c: Children, start: int, stop: int) -> ast.Number:
        value = float(c[0].text)
        if value == math.inf:
            raise self.source.error(
                "the number does not fit in f64", start, stop, "the greatest is about 1.8e308; write inf"
            )
        return ast.Number(value, "float", self.source.span(start, stop))

    def imaginary(self, c: Children, start: int, stop: int) -> ast.Number:
        return ast.Number(complex(c[0].text.lower()), "complex", self.source.span(start, stop))

    def name(self, c: Children, start: int, stop: int) -> ast.Name:
        return self._name(c[0])

    def bracket(self, c: Children, start: int, stop: int) -> tuple[Any, Any]:
        return c[0], c[1]

    def arguments(self, c: Children, start: int, stop: int) -> tuple[Any, Any]:
        return c[0] or (), c[1]

    def subscript(self, c: Children, start: int, stop: int) -> ast.Subscript:
        indices, tail = c[1]
        if tail is not None:
            hint = "write a condition: where i in 0:5"
            raise self.source.error(f"'{c[0].text}' is indexed with a range", start, stop, hint)
        return ast.Subscript(c[0].text, indices, self.source.span(start, stop))

    def call(self, c: Children, start: int, stop: int) -> ast.Call:
        args, where = c[1]
        if where is not None:
            hint = "only reductions take one: sum[i](... where ...)"
            raise self.source.error(f"a condition inside '{c[0].text}(...)'", start, stop, hint)
        return ast.Call(c[0].text, args, self.source.span(start, stop))

    def _reduction(self, name: str, rest: Children, start: int, stop: int, scan: str | None = None) -> ast.Reduction:
        (indices, tail), (args, where) = rest
        if len(args) != 1:
            hint = "write a product with '*', several reductions one by one"
            raise self.source.error(f"'{name}[...]' takes one expression, not {len(args)}", start, stop, hint)
        words: tuple[str, ...] = ()
        if scan is not None:
            words = tuple(w.id if isinstance(w, ast.Name) else "" for w in indices[1:])
            if tail is not None or set(words) - {"exclusive", "reverse"}:
                hint = "write scan[j](...) or scan[j, exclusive, reverse](...)"
                raise self.source.error("'scan' takes one index, then 'exclusive' or 'reverse'", start, stop, hint)
            indices = indices[:1]
        return ast.Reduction(name, indices, tail, args[0], where, self.source.span(start, stop), scan, words)

    def reduction(self, c: Children, start: int, stop: int) -> ast.Reduction:
        return self._reduction(c[0].text, c[1:], start, stop)

    def dotted(self, c: Children, start: int, stop: int) -> ast.Reduction:
        return self._reduction("scan", c[1:], start, stop, c[0].text)

    def plain_scan(self, c: Children, start: int, stop: int) -> ast.Reduction:
        return self._reduction("scan", c, start, stop, "sum")

    def tupled(self, c: Children, start: int, stop: int) -> ast.Tuple:
        return ast.Tuple(tuple(c), self.source.span(start, stop))
