"""What a statement may read: what was passed or written before, in a scan block what earlier points have written."""

from __future__ import annotations

from dataclasses import dataclass, field

from sparsec.errors import TypeError_
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.scopes import Scopes, Variable
from sparsec.frontends.dsl.targets import Body


@dataclass(slots=True)
class Block:
    """A scan block around a statement: its variable, and the names that it writes, with those written so far."""

    variable: Variable
    reverse: bool
    names: frozenset[str]
    written: set[str] = field(default_factory=set)


def check_reads(body: Body, scopes: Scopes, s: ast.AssignText, block: Block | None) -> None:
    """What is read must be passed or written before; a scan block reads what it has written at earlier points."""
    for read in scopes.reads:
        name = read.id if isinstance(read, ast.Name) else read.name
        t = body.tensors.get(name)
        if t is None and (name not in body.written_at or name in scopes.variables):
            continue  # an index variable, or a name that means nothing, which typing says
        if t is not None:
            body.last_read[name] = body.number
            if t.role in ("in", "inout") or (s.op != "=" and name == s.target.name):
                continue
            if block is not None and name in block.names:
                if isinstance(read, ast.Subscript):
                    check_earlier(body, read, s, block)
                continue
            if t.defined is not None or t.updated is not None:
                continue
        if name == s.target.name:
            raise TypeError_(
                f"'{name}' is read by the statement that defines it",
                span=read.span,
                hint="a recurrence is written in a scan block: scan i { ... }; a sum in place as '+='",
            )
        line = body.written_at[name].line if name in body.written_at else None
        raise TypeError_(
            f"'{name}' is read before it is written" + (f", at line {line}" if line else ""),
            span=read.span,
            hint="write it first" if line else f"nothing writes '{name}'",
        )


def check_earlier(body: Body, read: ast.Subscript, s: ast.AssignText, block: Block) -> None:
    """Raise ``TypeError_`` for a read of a point that the recurrence surely has not written yet."""
    writes = body.places.get(read.name)
    step = block.variable.name
    if writes is None or writes >= len(read.indices):
        return
    e, ahead = read.indices[writes], 0
    if isinstance(e, ast.Binary) and e.op == "+" and isinstance(e.left, ast.Number):
        e = e._replace(left=e.right, right=e.left)
    if isinstance(e, ast.Binary) and e.op in ("+", "-") and isinstance(e.right, ast.Number):
        ahead = int(e.right.value.real) * (1 if e.op == "+" else -1) * (-1 if block.reverse else 1)
        e = e.left
    if not (isinstance(e, ast.Name) and e.id == step):
        return
    own = read.name == s.target.name and s.op == "="
    if ahead > 0 or (ahead == 0 and (own or read.name not in block.written)):
        raise TypeError_(
            f"'{read.name}' is read at a point that the scan has not written yet",
            span=read.span,
            hint=f"it writes {step} = {'n-1, ..., 1, 0' if block.reverse else '0, 1, 2, ...'}: "
            f"read {read.name} at {step} {'+' if block.reverse else '-'} 1",
        )
