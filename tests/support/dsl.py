"""Tensor IR programs as DSL text: for the front door of the fuzzer, and for reports of failures."""

from __future__ import annotations

import math
from typing import Any

from sparsec.formats.format import Format
from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, F64, I64, DType
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Dim,
    Expr,
    Index,
    Literal,
    Map,
    Program,
    Reduce,
    Scan,
    Softmax,
    Stored,
    TensorDecl,
    Top,
)
from sparsec.ir.tensor_values import scalar
from tests.support import scans, tuples

_NAMES = {"add": "sum", "mul": "prod", "or": "any", "and": "all"}


def text(program: Program, implicit: bool = False) -> str:
    """The program as a kernel; with ``implicit`` sums are left to the rule of implicit sums where it says the same."""
    operands = ", ".join(f"{t.name}: {_type(t)}" for t in program.operands if t.role == "in")
    results = ", ".join(f"{t.name}: {_type(t)}" for t in program.results)
    decls = {t.name: t for t in program.tensors}
    lines = [f"{tuples.text(program)}kernel {program.name}({operands}) -> {results} {{"]
    for s in program.body:
        assert isinstance(s, Assign)
        t = decls[s.target.tensor]
        note = f": {t.dtype} {_format(t.format)}{_fill(t)}" if t.role == "local" else ""
        symbol = "=" if s.op == "=" else _update(s.op)
        # An update by another operator than + folds an index of its own by that operator: its sums are written out.
        value = expression(s.value, implicit and s.op in ("=", "add"))
        where = "" if s.where is None else f" where {expression(s.where)}"
        lines.append(f"    {_access(s.target)}{note} {symbol} {value}{where}")
    return "\n".join([*lines, "}"]) + "\n"


def expression(e: Expr, implicit: bool = False) -> str:
    """An expression, fully bracketed."""
    match e:
        case Literal():
            # A literal alone is weak, and a function of it would be computed in f64.
            typed = e.dtype not in (F64, I64, BOOL)
            return f"{e.dtype}({_literal(e.value)})" if typed else _literal(e.value)
        case Index() | Dim():
            return e.name
        case Access():
            return _access(e)
        case Reduce():
            if implicit and e.where is None and e.monoid == "add" and all(says_the_same(e.body, v) for v in e.indices):
                return f"({expression(e.body, True)})"
            name = _NAMES.get(e.monoid, e.monoid)
            return f"{name}[{', '.join(e.indices)}]({expression(e.body)}{_where(e.where)})"
        case Scan() | Top():
            return scans.text(e, expression, _where(e.where))
        case Stored():
            return f"stored({_access(e.access)})"
        case Softmax():
            return f"softmax[{', '.join(e.indices)}]({expression(e.body)}{_where(e.where)})"
        case Map():
            return _map(e, implicit)
    raise TypeError(type(e).__name__)


def _where(e: Expr | None) -> str:
    return "" if e is None else f" where {expression(e)}"


def _map(e: Map, implicit: bool) -> str:
    # Only + - * and division may stand between an implicit sum and the statement.
    through = implicit and e.op in ("add", "sub", "mul", "neg", "div")
    args = [expression(a, through and not (e.op == "div" and n)) for n, a in enumerate(e.args)]
    if e.op == "cast":
        return f"{e.dtype}({args[0]})"
    if e.op == "neg":
        return f"(-{args[0]})"
    if e.op == "not":
        return f"(not {args[0]})"
    symbol = ops.OPS[e.op].symbol or {"pow": "**"}.get(e.op)
    if symbol and len(args) == 2:
        return f"({args[0]} {symbol} {args[1]})"
    return f"{e.op}({', '.join(args)})"


def says_the_same(e: Expr, v: str) -> bool:
    """Whether the implicit sum over ``v`` of ``e`` equals the sum over the whole of ``e``."""
    if not _uses(e, v) or any(isinstance(n, Scan | Top) for n in walk(e)):
        return False
    match e:
        case Access():
            return True
        case Map("neg", (a,)):
            return says_the_same(a, v)
        case Map("add" | "sub", args):
            return all(says_the_same(a, v) for a in args)
        case Map("div", (a, b)):
            return not _uses(b, v) and says_the_same(a, v)
        case Map("mul", _):
            using = [f for f in factors(e) if _uses(f, v)]
            return len(using) > 1 or says_the_same(using[0], v)
    return False


def factors(e: Expr) -> list[Expr]:
    """The operands of a product of products."""
    return [f for a in e.args for f in factors(a)] if isinstance(e, Map) and e.op == "mul" else [e]


def _uses(e: Any, v: str) -> bool:
    from sparsec.ir.rewrite import walk

    return any(isinstance(n, Index) and n.name == v for n in walk(e))


def _update(op: str) -> str:
    return {"add": "+=", "mul": "*=", "min": "min=", "max": "max=", "or": "|=", "and": "&="}[op]


def _access(a: Access) -> str:
    return f"{a.tensor}[{', '.join(expression(i) for i in a.indices)}]" if a.indices else a.tensor


def _type(t: TensorDecl) -> str:
    dims = f"[{', '.join(map(str, t.dims))}]" if t.dims else ""
    shown = f"{dims} {_format(t.format)}" if t.dims else ""
    return f"{t.dtype}{shown.rstrip()}{_fill(t)}"


def _format(f: Format | None) -> str:
    if f is None:
        return ""
    plain = f.is_dense and f.order == tuple(range(f.ndim))
    return "" if plain else str(f)


def _fill(t: TensorDecl) -> str:
    return f" fill({_literal(t.fill)})" if t.fill else ""


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, complex):
        value = value.real
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return f"({value!r})" if value < 0 else repr(value)


def weak(value: Any, t: DType) -> Literal:
    """A literal of type ``t``."""
    return Literal(scalar(value, t).item(), t)
