"""``sparsec emit``: a program at any level of the compiler."""

from __future__ import annotations

import click

from sparsec.cli.output import Out, json_option
from sparsec.cli.sources import Request, takes_program

IRS = ("tensor", "loops", "buffer")
CODES = ("llvm", "llvm-opt", "asm", "c", "cuda", "triton")


@click.command()
@takes_program
@click.option("--stage", required=True, type=click.Choice((*IRS, *CODES)), help="The level to print.")
@json_option
def emit(request: Request, stage: str, as_json: bool) -> None:
    """Print a program at a level: what (tensor), in what order (loops), how (buffer), or as code.

    Operands are needed only where a format is 'auto'; those of -e are f64 and dense unless --format or data
    says otherwise.

    \b
    sparsec emit spmv.sp --stage loops
    sparsec emit -e 'y[i] = A[i, j] * x[j]' --format A=csr --stage asm
    """
    from sparsec.cli.programs import look_at

    out = Out(as_json)
    made = look_at(request)
    text = made.ir(stage) if stage in IRS else made.code(stage)
    out.code(text, stage.removesuffix("-opt"))
    out.report({"kernel": made.name, "stage": stage, "text": text})
