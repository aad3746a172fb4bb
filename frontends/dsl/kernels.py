"""Kernels, and bare statements, to tensor IR programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sparsec.errors import ShapeError, Span, SyntaxError_, TypeError_, nearest
from sparsec.formats.format import Format
from sparsec.formats.named import dense
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.annotations import annotated, dims_of, dtype_of, fill_value
from sparsec.frontends.dsl.calls import Kernels, as_call, check_length, inlined
from sparsec.frontends.dsl.dimensions import DIMENSION, is_open
from sparsec.frontends.dsl.fills import natural_fill
from sparsec.frontends.dsl.names import check_new
from sparsec.frontends.dsl.promotion import convert
from sparsec.frontends.dsl.recurrences import scan_loop
from sparsec.frontends.dsl.statements import assign
from sparsec.frontends.dsl.symbols import Definitions, Scalar, Tensor
from sparsec.frontends.dsl.targets import Body
from sparsec.ir.dtypes import I64, DType
from sparsec.ir.rewrite import postwalk, walk
from sparsec.ir.tensor import Assign, Dim, Expr, Extent, IndexDecl, Literal, Program, ScanLoop, Stmt, assigns


@dataclass(frozen=True, slots=True)
class OperandType:
    """What bare statements know of an operand; ``format`` None: a dense or strided array, or a scalar."""

    dtype: DType
    ndim: int
    format: Format | None = None
    fill: Scalar = 0


def kernel(k: ast.KernelText, definitions: Definitions, source: str, kernels: Kernels | None = None) -> Program:
    """A kernel's program: operands and results as its signature says, then locals; it may call ``kernels``."""
    tensors: dict[str, Tensor] = {}
    for role, params in (("in", k.params), ("out", k.results)):
        for p in params:
            if p.name.id in tensors:
                raise SyntaxError_(
                    f"'{p.name.id}' is named twice in the signature",
                    span=p.name.span,
                    hint="a result is updated in place when the call passes it: out=..."
                    if tensors[p.name.id].role != role
                    else "use another name",
                )
            tensors[p.name.id] = parameter(p, role, definitions)
    dims = frozenset(d for t in tensors.values() for d in t.dims if isinstance(d, str))
    body = Body(source, definitions, tensors, dims, kernels=kernels)
    out = statements(body, k.body)
    for p in k.results:
        t = tensors[p.name.id]
        if t.defined is None and t.updated is None:
            wrote = [n for n, other in tensors.items() if other.role == "local"]
            near = nearest(t.name, wrote)
            raise TypeError_(
                f"the result '{t.name}' is never written",
                span=p.name.span,
                hint=near.replace("did you mean", "was it meant by") if near else f"write {t.name}[...] = ...",
            )
    return finish(k.name.id, body, out, definitions, k.name)


def parameter(p: ast.Param, role: str, definitions: Definitions) -> Tensor:
    """A tensor as the signature declares it."""
    check_new("tensor", p.name)
    dtype, dims = dtype_of(p.dtype), dims_of(p)
    notes = annotated(p.annotations, len(dims), definitions, typed=False)
    fmt = notes.format if notes.formatted else dense(len(dims))
    return Tensor(p.name.id, dtype, dims, fmt, notes.fill_of(dtype), role, p.name.span)


def statements(body: Body, text: tuple[ast.StatementText, ...]) -> list[Stmt]:
    """All statements in order."""
    body.collect_targets(text)
    out: list[Stmt] = []
    for s in text:
        call = as_call(body, s)
        if call is not None:
            out += inlined(body, call)
            check_length(len(out), call.span)
        elif isinstance(s, ast.ScanText):
            out += scan_loop(body, s)
        else:
            assert isinstance(s, ast.AssignText)
            out.append(assign(body, s))
    return out


def bare(text: tuple[ast.StatementText, ...], operands: Mapping[str, OperandType], source: str) -> Program:
    """The program of bare statements: operands as they are given, results the names that no later statement reads."""
    body = Body(source, Definitions(), {}, declared=False)
    body.collect_targets(text)
    for name, o in operands.items():
        dims = tuple(body.extents.open(f"{name}_{n}", DIMENSION) for n in range(o.ndim))
        fill = convert(o.fill, o.dtype)
        assert isinstance(fill, bool | int | float | complex)
        role = "inout" if name in body.written_at else "in"
        fmt = dense(o.ndim) if o.format is None else o.format
        body.tensors[name] = Tensor(name, o.dtype, dims, fmt, fill, role, None)
    out = statements(body, text)
    for name, t in body.tensors.items():
        if t.role == "local" and body.last_read.get(name, 0) <= body.last_write[name]:
            t.role = "out"
        if t.role == "in" and name not in body.last_read:
            known = [n for n in body.written_at if n not in operands]
            raise TypeError_(
                f"no statement reads the operand '{name}'",
                span=None,
                hint="results are new memory here; a kernel of sp.compile takes out="
                if name == "out"
                else nearest(name, known) or "pass only what the statements name",
            )
    for a in assigns(tuple(out)):
        t = body.tensors[a.target.tensor]
        fill = natural_fill(a, t, body.tensors)
        if fill is not None and t.dtype is not None:
            t.fill = fill_value(fill, t.dtype, a.span or Span(1, 1, 0, 1))
    return finish("evaluate", body, out, body.definitions)


def finish(name: str, body: Body, out: list[Stmt], definitions: Definitions, named: ast.Name | None = None) -> Program:
    """The program, with every extent that was open fixed."""
    final = body.extents.final(body.dims)
    roles = ("in", "inout"), ("out",), ("local",)
    known = {final.get(str(d), d) for t in body.tensors.values() if t.role != "local" for d in t.dims}
    for t in body.tensors.values():
        for n, d in enumerate(t.dims):
            if t.role == "local" and is_open(body.extents.find(d)) and final[str(d)] not in known:
                raise ShapeError(
                    f"nothing says the extent of dimension {n + 1} of '{t.name}'",
                    span=t.span,
                    hint="index a dimension of an operand with the same variable",
                )
        t.dims = tuple(final.get(str(d), d) for d in t.dims)
    decls = tuple(t.decl() for group in roles for t in body.tensors.values() if t.role in group)
    if final:
        out = [fixed(s, final) for s in out]
    monoids = tuple(m for n, m in definitions.monoids.items() if n in body.monoids)
    return Program(name, decls, tuple(out), monoids, bare=named is None, span=None if named is None else named.span)


def fixed(s: Stmt, final: Mapping[str, Extent]) -> Stmt:
    """A statement with final extents."""
    if isinstance(s, ScanLoop):
        body = tuple(a for inner in s.body if isinstance(a := fixed(inner, final), Assign))
        return replace(s, index=decl(s.index, final), body=body)
    value, where = s.value, s.where
    if any(isinstance(n, Dim) and n.name in final for e in (value, where) if e is not None for n in walk(e)):
        value = with_extents(value, final)
        where = None if where is None else with_extents(where, final)
    return replace(s, value=value, where=where, indices=tuple(decl(i, final) for i in s.indices))


def decl(i: IndexDecl, final: Mapping[str, Extent]) -> IndexDecl:
    return IndexDecl(i.name, final.get(str(i.extent), i.extent))


def with_extents(e: Expr, final: Mapping[str, Extent]) -> Expr:
    def rewrite(n: object) -> Expr | None:
        if not (isinstance(n, Dim) and n.name in final):
            return None
        extent = final[n.name]
        return Literal(extent, I64, span=n.span) if isinstance(extent, int) else Dim(extent, span=n.span)

    return postwalk(e, rewrite)
