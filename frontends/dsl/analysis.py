"""The ways in: source texts, bare statements, formats and schedules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sparsec.errors import ScheduleError, SparsecError, TypeError_, nearest
from sparsec.formats.format import Format
from sparsec.frontends.dsl import ast
from sparsec.frontends.dsl.calls import Kernels
from sparsec.frontends.dsl.definitions import collect
from sparsec.frontends.dsl.formats import build_format, with_notes
from sparsec.frontends.dsl.kernels import OperandType, bare, kernel
from sparsec.frontends.dsl.parser import parse
from sparsec.frontends.dsl.schedules import check_schedule
from sparsec.ir.tensor import Program


@dataclass(frozen=True, slots=True)
class Unit:
    """One source text: its kernels in the order of the text, and for each that has one its schedule, checked for names.

    A ``TensorDecl.format`` of None means ``auto`` for operands and results, for locals that the compiler chooses.
    """

    kernels: dict[str, Program]
    schedules: dict[str, tuple[ast.Command, ...]]


def parse_source(text: str, filename: str | None = None) -> Unit:
    """The kernels of a source text, as tensor IR.

    Raises children of ``SparsecError`` with the place of the first thing that is wrong.
    """
    with located(text, filename):
        definitions: tuple[ast.Definition, ...] = parse(text, "start", filename)
        known = collect(definitions)
        texts = {d.name.id: d for d in definitions if isinstance(d, ast.KernelText)}
        every = Kernels(texts, lambda k, others: kernel(k, known, text, others))
        kernels = {name: every.program(name) for name in texts}
        schedules: dict[str, tuple[ast.Command, ...]] = {}
        for d in definitions:
            if not isinstance(d, ast.ScheduleText):
                continue
            if d.kernel.id not in kernels:
                hint = nearest(d.kernel.id, kernels) or "a schedule is for a kernel of the same file"
                raise ScheduleError(f"there is no kernel '{d.kernel.id}'", span=d.kernel.span, hint=hint)
            if d.kernel.id in schedules:
                raise ScheduleError(f"a second schedule for '{d.kernel.id}'", span=d.kernel.span, hint="keep one")
            schedules[d.kernel.id] = check_schedule(d.commands, kernels[d.kernel.id])
        return Unit(kernels, schedules)


def parse_statements(text: str, operands: Mapping[str, OperandType]) -> Program:
    """The program of bare statements, declared by their operands.

    Dimensions bear the names of index variables, so that the same text with other shapes is the same program.
    """
    with located(text):
        return bare(parse(text, "statements"), operands, text)


def parse_format(text: str, order: int) -> Format | None:
    """A format as written, ``csr`` or ``(i, j) -> (...)``, perhaps with ``values(q4[64])``; None for ``auto``."""
    with located(text):
        written, notes = parse(text, "format_only")
        return with_notes(build_format(written, order, {}), notes, order)


def parse_schedule(text: str, program: Program) -> tuple[ast.Command, ...]:
    """The commands of a schedule for a kernel, written as in a file or bare: ``order i, k, j; parallel i by 64``."""
    with located(text):
        if not text.lstrip().startswith("schedule"):
            return check_schedule(parse(text, "commands"), program)
        definitions = parse(text, "start")
        for d in definitions:
            if not isinstance(d, ast.ScheduleText):
                raise ScheduleError("only a schedule stands here", hint="schedule for f { order i, j }")
            if d.kernel.id == program.name:
                return check_schedule(d.commands, program)
        first = definitions[0].kernel
        raise ScheduleError(f"the schedule is for '{first.id}', the kernel is '{program.name}'", span=first.span)


@contextmanager
def located(text: str, filename: str | None = None) -> Iterator[None]:
    """Errors from inside show the source."""
    try:
        yield
    except SparsecError as e:
        raise e.locate(text, filename) from None
    except RecursionError:
        # The bounds keep expressions far from Python's; a caller that is deep in its own recursion may still meet it.
        hint = "give parts of it names of their own"
        raise TypeError_("an expression nests too deeply", source=text, filename=filename, hint=hint) from None
