"""What a statement may read: what was passed or written before, in a scan block what earlier points have written."""

from __future__ import annotations

from dataclasses import dataclass

from sparsec.errors import TypeError_
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.scopes import Scopes, Variable
from sparsec.frontends.dsl.targets import Body


@dataclass(slots=True)
class Block:
    """A scan block around a statement: its variable, and the names that it writes."""

    variable: Variable
    names: frozenset[str]


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
            if (block is not None and name in block.names) or t.defined is not None or t.updated is not None:
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

