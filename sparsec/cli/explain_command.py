"""``sparsec explain``: what the compiler decided, and why."""

from __future__ import annotations

import click

from sparsec.cli.output import Out, json_option
from sparsec.cli.sources import Request, takes_program


@click.command()
@takes_program
@json_option
def explain(request: Request, as_json: bool) -> None:
    """Say what the compiler made of a program: formats, loop order and its reason, conversions, workspaces, the way
    results are assembled, the parallel axis.

    Operands are needed only where a format is 'auto'; those of -e are f64 and dense unless --format or data
    says otherwise.
    """
    from sparsec.cli.programs import look_at

    out = Out(as_json)
    made = look_at(request)
    text = made.explain()
    first, *rest = text.splitlines()
    out.heading(first)
    out.text("\n".join(rest))
    out.report({"kernel": made.name, "explanation": text.splitlines()})
