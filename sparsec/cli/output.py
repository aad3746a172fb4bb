"""What a command prints: rich on a terminal, aligned plain text in a pipe, or one JSON object.

A command calls the methods in the order of its report and ends with ``report(...)``; with ``--json`` only that one
prints.  rich is imported on a terminal alone.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])


def is_terminal(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal that understands more than plain text."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def console(stream: TextIO) -> Console | None:
    """A rich console on a terminal (it obeys ``NO_COLOR``), else None."""
    if not is_terminal(stream):
        return None
    from rich.console import Console

    return Console(file=stream, highlight=False)


def json_option(command: F) -> F:
    """The option ``--json`` (parameter ``as_json``)."""
    return click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")(command)


@dataclass(slots=True)
class Out:
    """The report of one command on standard output."""

    as_json: bool = False
    fancy: Console | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.fancy = None if self.as_json else console(sys.stdout)

    def _print(self, text: str, style: str | None = None) -> None:
        if self.as_json:
            return
        if self.fancy is None:
            click.echo(text)
        else:
            from rich.text import Text

            self.fancy.print(Text(text, style=style or ""), soft_wrap=True)

    def heading(self, text: str, detail: str = "") -> None:
        """A line in bold, its detail behind it."""
        if self.fancy is None:
            self._print(f"{text}  {detail}".rstrip())
            return
        from rich.text import Text

        self.fancy.print(Text.assemble((text, "bold"), "  ", (detail, "dim")), soft_wrap=True)

    def text(self, text: str = "") -> None:
        """Plain lines."""
        self._print(text)

    def note(self, text: str) -> None:
        """A remark, dim."""
        self._print(text, "dim")

    def verdict(self, good: bool, text: str) -> None:
        """A line in green or red."""
        self._print(text, "green" if good else "bold red")

    def code(self, text: str, stage: str) -> None:
        """Program text as it is, coloured on a terminal by what it is: "dsl", a level of IR, "llvm", "asm", "c"."""
        if self.fancy is None:
            self._print(text.rstrip("\n"))
            return
        from sparsec.cli.highlight import highlighted

        self.fancy.print(highlighted(text.rstrip("\n"), stage), soft_wrap=True)

    def fields(self, pairs: Sequence[tuple[str, str]], indent: int = 2) -> None:
        """A name and a value on each line, the values below each other."""
        width = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            first, *others = value.splitlines() or [""]
            pad = " " * indent
            if self.fancy is None:
                self._print(f"{pad}{name:{width}}  {first}".rstrip())
            else:
                from rich.text import Text

                self.fancy.print(Text.assemble(pad, (f"{name:{width}}", "cyan"), "  ", first), soft_wrap=True)
            for line in others:
                self._print(f"{pad}{'':{width}}  {line}".rstrip())

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], indent: int = 2) -> None:
        """Rows below a head; a column whose name begins with ``>`` is set to the right."""
        if self.as_json:
            return
        names = [c.removeprefix(">") for c in columns]
        if self.fancy is None:
            for line in plain_table(names, [c.startswith(">") for c in columns], rows):
                self._print(" " * indent + line)
            return
        from rich import box
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="cyan")
        for name, column in zip(names, columns, strict=True):
            table.add_column(name, justify="right" if column.startswith(">") else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.fancy.print(Padding(table, (0, 0, 0, indent)))

    def report(self, content: Mapping[str, Any]) -> None:
        """Everything the command found: printed with ``--json`` only."""
        if self.as_json:
            click.echo(json.dumps(plain(content), indent=2))


def plain_table(names: Sequence[str], right: Sequence[bool], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of an aligned table without any drawing."""
    widths = [max(len(cell) for cell in column) for column in zip(names, *rows, strict=True)]
    for row in (names, *rows):
        cells = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        yield "  ".join(cells).rstrip()


def plain(content: Any) -> Any:
    """``content`` as JSON can say it: NumPy scalars become numbers; nan, inf and complex numbers become text."""
    if isinstance(content, Mapping):
        return {str(k): plain(v) for k, v in content.items()}
    if isinstance(content, (list, tuple)):
        return [plain(v) for v in content]
    if hasattr(content, "tolist"):
        return plain(content.tolist())
    if isinstance(content, float) and not math.isfinite(content):
        return str(content)
    return content if content is None or isinstance(content, (str, bool, int, float)) else str(content)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Show on standard error that ``what`` is going on, if that is a terminal; nothing of it stays."""
    fancy = console(sys.stderr)
    if fancy is None:
        yield
        return
    with fancy.status(what, spinner="dots"):
        yield


__all__ = ["Out", "console", "is_terminal", "json_option", "plain", "plain_table", "progress"]
