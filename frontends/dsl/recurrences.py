"""Scan blocks: ``scan i { x[i] = ... x[i - 1] ... }``."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import count

from sparsec.errors import ShapeError, TypeError_, UnsupportedError
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.implicit import names_in
from sparsec.frontends.dsl.names import RESERVED
from sparsec.frontends.dsl.reads import Block
from sparsec.frontends.dsl.scopes import Variable
from sparsec.frontends.dsl.statements import assign
from sparsec.frontends.dsl.symbols import Tensor
from sparsec.frontends.dsl.targets import Body, declare
from sparsec.ir.dtypes import BOOL
from sparsec.ir.rewrite import children, replaced, walk
from sparsec.ir.tensor import (
    Access,
    Assign,
    Expr,
    Index,
    IndexDecl,
    Scan,
    ScanLoop,
    Softmax,
    Stmt,
    Top,
    elsewhere,
    joined,
    past,
)
from sparsec.ir.variables import conjuncts, free_indices, mentioned

ATTEMPTS = 6
"""A dtype can only be promoted a few times: bool, small integers, i64, f64, c128."""


def scan_loop(body: Body, s: ast.ScanText) -> list[Stmt]:
    """A block, whose statements may read what they write at points already written, and what is computed before it.

    Dtypes that the text leaves open are inferred by reading the block until they stay.
    """
    statements = []
    for inner in s.body:
        if isinstance(inner, ast.ScanText):
            raise UnsupportedError(
                "a 'scan' block inside another cannot run yet",
                span=inner.step.span,
                hint="an index along which nothing is read back needs no block, and a running sum is "
                f"scan[{inner.step.id}](...); else call a kernel with the inner block for each '{s.step.id}'",
            )
        if isinstance(inner, ast.CallText):
            raise UnsupportedError(
                "a kernel's call inside a 'scan' block cannot run yet",
                span=inner.span,
                hint="write its statements there",
            )
        statements.append(inner)
    if s.step.id in body.tensors or s.step.id in RESERVED:
        raise TypeError_(
            f"'{s.step.id}' cannot name an index variable: it means something else",
            span=s.step.span,
            hint="use another letter",
        )
    places = {t.target.name: place for t in statements if (place := step_place(t, s)) is not None}
    opened = [declare(body, t).name for t in statements if t.target.name not in body.tensors]
    opened = [n for n in opened if body.tensors[n].dtype is None]
    if opened:
        infer(body, s, statements, opened)
    variable, out = run(body, s, statements)
    fresh = {name: place for name, place in places.items() if body.tensors[name].role != "inout"}
    check_earlier(fresh, out, variable.name, s.reverse)
    assert variable.extent is not None
    step = IndexDecl(variable.name, body.extents.find(variable.extent))
    before, out = apart(body, step, out)
    return [*before, ScanLoop(step, out, s.reverse, span=s.span)]


def apart(body: Body, step: IndexDecl, block: tuple[Assign, ...]) -> tuple[list[Assign], tuple[Assign, ...]]:
    """Scans and selections along the block's own variable, as locals computed before it, and the block that reads them.

    In the block the variable has one value at a time; those that read what the block writes stay, to be refused.
    """
    written = {a.target.tensor for a in block}
    before, out = [], []
    known: dict[tuple[Expr, Expr | None], Access] = {}
    for a in block:
        decls = {i.name: i for i in (step, *a.indices)}
        while (found := along(a, step.name, written)) is not None:
            free = [d for d in decls.values() if d.name in free_indices(found)]
            where = admitted(a, found, {d.name for d in free} - {*elsewhere(found)}, written)
            if (found, where) not in known:
                used = [d for d in decls.values() if d.name in mentioned(found, *(() if where is None else (where,)))]
                read = known[found, where] = local(body, a, found, free)
                bound = (d for d in used if d not in free)
                before.append(Assign(read, "=", found, (*free, *bound), where, span=a.span))
            a = replaced(a, {found: known[found, where]})
        out.append(a)
    return before, tuple(out)


def local(body: Body, a: Assign, found: Scan | Softmax | Top, free: list[IndexDecl]) -> Access:
    """A local of its own over ``free`` for what a statement of a block computes before it."""
    taken = {*body.tensors, *body.written_at}
    name = next(n for k in count(1) if (n := f"along{k}") not in taken)
    body.number += 1
    body.last_write[name], body.last_read[name] = body.number, body.number + 1
    dims = tuple(d.extent for d in free)
    body.tensors[name] = Tensor(name, found.dtype, dims, None, None, "local", None, defined=a.span)
    return Access(name, tuple(Index(d.name) for d in free), found.dtype, span=found.span)


def along(a: Assign, step: str, written: set[str]) -> Scan | Softmax | Top | None:
    """An innermost node that reads nothing that is ``written``, but points elsewhere; a softmax along any variable."""
    nodes = (n for n in reversed([*walk(a)]) if isinstance(n, Scan | Softmax | Top))
    before = (n for n in nodes if isinstance(n, Softmax) or step in elsewhere(n))
    return next((n for n in before if not reads_any(n, written)), None)


def reads_any(e: Expr, names: set[str]) -> bool:
    return any(isinstance(m, Access) and m.tensor in names for m in walk(e))


def admitted(a: Assign, found: Expr, names: set[str], written: set[str]) -> Expr | None:
    """What holds wherever ``found`` counts, as far as it is about ``names`` alone."""
    conditions: list[Expr] = []

    def visit(e: Assign | Expr) -> bool:
        """Whether ``found`` stands in ``e``."""
        if e == found:
            return True
        where = getattr(e, "where", None)
        inside = [c for c in children(e) if c is not where and visit(c)]
        if inside and where is not None:
            conditions.append(where)
        return bool(inside) or (where is not None and visit(where))

    visit(a)
    parts = [p for c in conditions for p in conjuncts(c) if free_indices(p) <= names and not reads_any(p, written)]
    return joined("and", parts, BOOL) if parts else None


def run(body: Body, s: ast.ScanText, statements: list[ast.AssignText]) -> tuple[Variable, tuple[Assign, ...]]:
    """Analyse the statements of the block once."""
    variable = Variable(s.step.id, s.step.span)
    block = Block(variable, frozenset(t.target.name for t in statements))
    # An extent that only a later statement says is needed by the earlier ones.
    for t in statements:
        for e in (ast.Subscript(t.target.name, t.target.indices, t.target.span), t.value, t.where):
            if e is not None:
                find_extent(body, e, variable)
    if variable.extent is None:
        raise ShapeError(
            f"nothing says how far the index '{variable.name}' runs",
            span=variable.span,
            hint=f"index a dimension of some tensor with '{variable.name}' alone",
        )
    return variable, tuple(assign(body, t, block) for t in statements)


def find_extent(body: Body, e: ast.Expr, variable: Variable) -> None:
    """Let the variable run over the first dimension that it indexes alone."""
    if isinstance(e, ast.Subscript) and e.name in body.tensors:
        t = body.tensors[e.name]
        for n, (i, extent) in enumerate(zip(e.indices, t.dims, strict=False)):
            if variable.extent is None and isinstance(i, ast.Name) and i.id == variable.name:
                variable.extent, variable.first, variable.first_at = extent, f"dimension {n + 1} of '{t.name}'", i.span
    for part in ast.parts(e):
        find_extent(body, part, variable)


def step_place(t: ast.AssignText, s: ast.ScanText) -> int | None:
    """The dimension of a target at which the block's variable stands alone.

    Raises ``TypeError_`` for ``=`` to a place that does not depend on the variable: each step would write it again.
    """
    for n, i in enumerate(t.target.indices):
        if isinstance(i, ast.Name) and i.id == s.step.id:
            return n
    if t.op == "=" and all(s.step.id not in names_in(i) for i in t.target.indices):
        raise TypeError_(
            f"'{t.target.name}' is written at the same place for each '{s.step.id}'",
            span=t.target.span,
            hint=f"index it with '{s.step.id}', or update it: {t.target.name} += ...",
        )
    return None


def check_earlier(places: Mapping[str, int], block: tuple[Assign, ...], step: str, reverse: bool) -> None:
    """Raise ``TypeError_`` for a read of a point that the recurrence surely has not written yet.

    ``places`` says at which dimension of a result the block's variable stands.
    """
    written: set[str] = set()
    for s in block:
        for read in walk(s):
            if not isinstance(read, Access) or read is s.target or read.tensor not in places:
                continue
            ahead = past(read.indices[places[read.tensor]], step)
            # An update reads its own point, which others may have written.
            begun = s.op != "=" if read.tensor == s.target.tensor else read.tensor in written
            if ahead is None or (ahead == 0 and begun):
                continue
            if ahead == 0 or (ahead > 0) != reverse:
                raise TypeError_(
                    f"'{read.tensor}' is read at a point that the scan has not written yet",
                    span=read.span,
                    hint=f"it writes {step} = {'n-1, ..., 1, 0' if reverse else '0, 1, 2, ...'}: "
                    f"read {read.tensor} at {step} {'+' if reverse else '-'} 1",
                )
        written.add(s.target.tensor)


def infer(body: Body, s: ast.ScanText, statements: list[ast.AssignText], opened: list[str]) -> None:
    """Give the ``opened`` tensors the dtypes that their own values have in the end."""
    before = copy.deepcopy(body.tensors)
    assumed: dict[str, object] = {}
    for _ in range(ATTEMPTS):
        body.guesses = {}
        run(body, s, statements)
        found, body.guesses = body.guesses, None
        body.tensors.clear()
        body.tensors.update(copy.deepcopy(before))
        for name, dtype in found.items():
            body.tensors[name].dtype, body.tensors[name].inferred = dtype, True
        if found == assumed:
            break
        assumed = dict(found)
    else:
        first = body.tensors[opened[0]]
        raise TypeError_(
            f"the dtype of '{first.name}' depends on itself",
            span=first.span,
            hint=f"say it: {first.name}[...]: f64 = ...",
        )
    for name in opened:
        body.tensors[name].inferred = False
