"""The program that ``run``, ``emit`` and ``explain`` work on: a file, standard input, or ``-e EXPR``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from sparsec.cli import specs
from sparsec.errors import FileError, SparsecError, TypeError_, nearest

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Source:
    """Program text; ``statements`` means that it is the text of ``-e``, declared by its operands."""

    text: str
    filename: str | None
    statements: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says of a program: its text, which kernel of it, formats by name, operands by name."""

    source: Source
    kernel: str | None
    formats: dict[str, str]
    given: dict[str, specs.Spec]
    seed: int


def takes_program(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments ``FILE|- NAME=VALUE ...`` and the options that say what the program is: parameter ``request``."""

    @wraps(command)
    def run(
        arguments: tuple[str, ...],
        expression: str | None,
        kernel: str | None,
        formats: tuple[str, ...],
        seed: int,
        **others: Any,
    ) -> None:
        source, given = read_program(arguments, expression)
        command(Request(source, kernel, assignments(formats, "--format"), given, seed), **others)

    decorated: Callable[..., None] = run
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_OPTIONS = (
    click.argument("arguments", nargs=-1, metavar="FILE|- [NAME=VALUE]..."),
    click.option("-e", "expression", metavar="EXPR", help="The program itself: 'y[i] = A[i, j] * x[j]'."),
    click.option("--kernel", metavar="K", help="The kernel to take where FILE has several."),
    click.option("--format", "formats", multiple=True, metavar="NAME=FORMAT", help="Storage: A=csr. Repeatable."),
    click.option("--seed", default=0, show_default=True, help="Seed of rand(...) operands."),
)


def read_program(arguments: tuple[str, ...], expression: str | None) -> tuple[Source, dict[str, specs.Spec]]:
    """The program and the operands that the command line names; raises ``UsageError`` where it names neither."""
    if expression is not None:
        return Source(expression, None, True), operand_specs(arguments)
    if not arguments:
        raise click.UsageError("no program: give a FILE, '-' for standard input, or -e EXPR")
    first, *rest = arguments
    if "=" in first and not Path(first).exists():
        raise click.UsageError(f"no program before '{first}': give a FILE, '-' for standard input, or -e EXPR")
    return Source(_read(first), None if first == "-" else first, False), operand_specs(rest)


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise FileError(f"{file} is not a program: it is not text in UTF-8") from None
    except OSError as problem:
        raise FileError(f"cannot read the program {file}: {problem.strerror or problem}") from None


def operand_specs(words: list[str] | tuple[str, ...]) -> dict[str, specs.Spec]:
    """The operands by name; raises ``BadParameter`` for what is not NAME=VALUE, and for a name given twice."""
    found: dict[str, specs.Spec] = {}
    for word in words:
        try:
            name, spec = specs.parse(word)
        except specs.SpecError as problem:
            raise click.BadParameter(str(problem), param_hint="NAME=VALUE") from None
        if name in found:
            raise click.BadParameter(f"'{name}' is given twice", param_hint="NAME=VALUE")
        found[name] = spec
    return found


def assignments(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """The values of a repeatable option ``NAME=VALUE`` by name."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip().isidentifier() and equals and value.strip()):
            raise click.BadParameter(f"'{text}' is not NAME=VALUE", param_hint=option)
        found[name.strip()] = value.strip()
    return found


def choose_kernel(kernels: Mapping[str, K], wanted: str | None) -> K:
    """The kernel called ``wanted``, or the only one; raises ``TypeError_`` with the names."""
    if wanted is None:
        if len(kernels) == 1:
            return next(iter(kernels.values()))
        if not kernels:
            raise SparsecError("the text has no kernel", hint="kernel f(x: f64[n]) -> y: f64[n] { y[i] = 2 * x[i] }")
        raise SparsecError(f"the text has {len(kernels)} kernels", hint="choose one: --kernel " + " | ".join(kernels))
    if wanted not in kernels:
        hint = nearest(wanted, kernels) or "its kernels are " + (", ".join(kernels) or "none")
        raise TypeError_(f"the text has no kernel '{wanted}'", hint=hint)
    return kernels[wanted]


__all__ = ["Request", "Source", "assignments", "choose_kernel", "operand_specs", "read_program", "takes_program"]
