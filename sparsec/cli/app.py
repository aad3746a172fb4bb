"""The ``sparsec`` command: its subcommands by name, each imported when it is used, and errors as exit codes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from sparsec.cli.hints import spoken
from sparsec.errors import SparsecError, nearest
from sparsec.knobs import show_logs

LOG = logging.getLogger("sparsec.cli")

GROUPS: dict[str, dict[str, str]] = {
    "Programs": {
        "run": "Run a program on data; check it, time it.",
        "emit": "Print a program at any level, from tensor IR to assembly.",
        "explain": "Say what the compiler made of a program, and why.",
    },
    "Data": {
        "inspect": "Describe a matrix or tensor: its pattern, values and bytes.",
        "convert": "Change the file type or the storage format of a tensor.",
    },
    "This installation": {
        "formats": "List the storage formats.",
        "backends": "List the backends and what this machine offers.",
        "cache": "Show or clear the cache of compiled code.",
        "version": "Print the version.",
    },
    "Not there yet": {
        "opt": "Run passes on printed IR.",
        "passes": "List the passes.",
        "calibrate": "Measure this machine for the cost model.",
    },
}
"""Heading -> command -> its line of help.  The command lives in ``sparsec.cli.<command>_command``."""

_LATER = tuple(GROUPS["Not there yet"])
INTERRUPTED, PIPE_CLOSED = 130, 141
"""What a shell reports for a process that SIGINT or SIGPIPE ended."""


class _PipeClosed(Exception):
    """Nobody reads the output any more."""


class Root(click.Group):
    """Commands by name; every failure ends in a message and an exit code, never in a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for group in GROUPS.values() for name in group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module("sparsec.cli.later" if cmd_name in _LATER else f"sparsec.cli.{cmd_name}_command")
        found = getattr(module, cmd_name)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            near = nearest(args[0], self.list_commands(ctx))
            ctx.fail(f"no command '{args[0]}'" + (f"; {near}" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, commands in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()), col_max=12, col_spacing=3)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # here and not at exit, so that a closed pipe is met inside
            return result
        except BrokenPipeError:
            raise _PipeClosed from None  # click would take it for an error of the program

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.exit(code if isinstance(code, int) else 0)
        except BaseException as problem:  # whatever it is, the user gets a message
            sys.exit(_exit_code(problem))


def _exit_code(problem: BaseException) -> int | str | None:
    """Say what happened on standard error; the exit code for it."""
    match problem:
        case SystemExit():
            return problem.code
        case click.exceptions.Exit():
            return problem.exit_code
        case click.ClickException():
            problem.show()
            return problem.exit_code
        case KeyboardInterrupt() | click.Abort():
            _complain("interrupted")
            return INTERRUPTED
        case _PipeClosed():
            # Python flushes standard output once more at exit; there is nobody to read it.
            with open(os.devnull, "w") as nobody:
                os.dup2(nobody.fileno(), sys.__stdout__.fileno() if sys.__stdout__ else 1)
            return PIPE_CLOSED
        case SparsecError():
            _complain(spoken(problem))
        case MemoryError():
            _complain("out of memory" + (f": {problem}" if str(problem) else ""))
        case RecursionError():
            _complain("the program is nested too deeply")
        case OSError():
            _complain(str(problem))
        case _:
            _complain(
                f"internal error: {type(problem).__name__}: {problem}\n"
                "hint: this is a defect of sparsec; SPARSEC_LOGS=cli shows where"
            )
    LOG.debug("where it happened", exc_info=problem)
    return 1


def _complain(message: str) -> None:
    first, _, rest = message.partition("\n")
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    label = click.style("error:", fg="red", bold=True) if colour else "error:"
    click.echo(f"{label} {first}" + (f"\n{rest}" if rest else ""), err=True)


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="'sparsec COMMAND --help' says more. Exit codes: 0 done, 1 the program or its data is wrong, "
    "2 the command line is.",
)
@click.version_option(package_name="sparsec", message="%(prog)s %(version)s")
def cli() -> None:
    """A compiler for sparse tensor programs."""
    show_logs()


__all__ = ["GROUPS", "Root", "cli"]
