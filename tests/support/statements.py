"""Small programs as text for two doors: tensor IR made here (Python's own parser), and DSL text for the public one.

A ``Source`` holds declarations as in a kernel's signature and one statement of accesses, numbers, ``+ - * /`` and
implicit sums.  A sum goes over each term of the right side that uses its index: so the language says for such
statements.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

from sparsec.formats.format import Format
from sparsec.formats.level import make_level
from sparsec.formats.named import dense, from_levels, named_format
from sparsec.ir.dtypes import DType, dtype
from sparsec.ir.tensor import Access, Assign, Expr, Index, IndexDecl, Literal, Map, Program, Reduce, TensorDecl

_DECL = re.compile(r"\s*(\w+)\s*:\s*(\w+)\s*(?:\[([^\]]*)\])?\s*(.*)")
_OPS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}


@dataclass(frozen=True, slots=True)
class Source:
    """``operands`` and ``result`` as in a signature (declarations separated by ``;``), and a statement."""

    operands: str
    result: str
    statement: str

    @property
    def text(self) -> str:
        """The kernel in the DSL."""
        operands = ", ".join(d.strip() for d in self.operands.split(";"))
        return f"kernel program({operands}) -> {self.result} {{\n    {self.statement}\n}}\n"

    @property
    def program(self) -> Program:
        """The same in tensor IR."""
        tensors = [declaration(d, "in") for d in self.operands.split(";")] + [declaration(self.result, "out")]
        by_name = {t.name: t for t in tensors}
        (tree,) = ast.parse(self.statement).body
        assert isinstance(tree, ast.Assign)
        target = _expr(tree.targets[0], by_name)
        assert isinstance(target, Access)
        free = [i.name for i in target.indices if isinstance(i, Index)]
        value = sum_terms(_expr(tree.value, by_name), set(free))
        extents: dict[str, Any] = {}
        _extents(target, by_name, extents)
        _extents(value, by_name, extents)
        order = free + [v for v in extents if v not in free]
        return Program("program", tuple(tensors), (
            Assign(target, "=", value, tuple(IndexDecl(v, extents[v]) for v in order)),
        ))


def declaration(text: str, role: str) -> TensorDecl:
    """``A: f64[m, n] csr``; the format may be left out (dense), a name or a map."""
    match = _DECL.fullmatch(text.strip())
    assert match is not None, text
    name, t, dims, fmt = match.groups()
    extents = tuple(int(d) if d.strip().isdigit() else d.strip() for d in dims.split(",")) if dims else ()
    zero = dtype(t).np.type(0).item()
    return TensorDecl(name, dtype(t), extents, parse_format(fmt.strip(), len(extents)), zero, role)


def parse_format(text: str, order: int) -> Format:
    """A format's name, or a map as in the language."""
    if not text:
        return dense(order)
    if "->" not in text:
        return named_format(text, order).concrete()
    dims, levels = re.findall(r"\(([^()]*)\)", text)
    names = [d.strip() for d in dims.split(",")]
    pairs = [part.split(":") for part in levels.split(",")]
    kinds = []
    for _, level in pairs:
        kind, *words = re.findall(r"\w+(?:=\w+)?", level)
        options = dict(w.split("=") for w in words if "=" in w)
        kinds.append(make_level(kind, tuple(w for w in words if "=" not in w), options))
    return from_levels(None, tuple(kinds), tuple(names.index(d.strip()) for d, _ in pairs)).concrete()


def _expr(node: ast.AST, decls: dict[str, TensorDecl], t: DType | None = None) -> Expr:
    t = t or next(iter(decls.values())).dtype
    match node:
        case ast.Constant(value=value):
            return Literal(t.np.type(value).item(), t)
        case ast.Name(id=name):
            return Access(name, (), decls[name].dtype)
        case ast.Subscript(value=ast.Name(id=name), slice=where):
            names = where.elts if isinstance(where, ast.Tuple) else [where]
            return Access(name, tuple(Index(n.id) for n in names if isinstance(n, ast.Name)), decls[name].dtype)
        case ast.BinOp(left=a, op=op, right=b):
            return Map(_OPS[type(op)], (_expr(a, decls, t), _expr(b, decls, t)), t)
        case ast.UnaryOp(op=ast.USub(), operand=a):
            return Map("neg", (_expr(a, decls, t),), t)
    raise AssertionError(ast.dump(node))


def uses(e: Expr) -> list[str]:
    """The index variables of an expression, in order."""
    if isinstance(e, Access):
        return [i.name for i in e.indices if isinstance(i, Index)]
    return [v for a in e.args for v in uses(a)] if isinstance(e, Map) else []


def sum_terms(e: Expr, free: set[str]) -> Expr:
    """The implicit sums written out."""
    if isinstance(e, Map) and e.op in ("add", "sub"):
        return Map(e.op, tuple(sum_terms(a, free) for a in e.args), e.dtype)
    reduced = tuple(dict.fromkeys(v for v in uses(e) if v not in free))
    return Reduce("add", reduced, e, e.dtype) if reduced else e


def _extents(e: Expr, decls: dict[str, TensorDecl], out: dict[str, Any]) -> None:
    if isinstance(e, Access):
        for v, d in zip(uses(e), decls[e.tensor].dims, strict=True):
            out.setdefault(v, d)
    elif isinstance(e, Map):
        for a in e.args:
            _extents(a, decls, out)
    elif isinstance(e, Reduce):
        _extents(e.body, decls, out)
