"""Commands that the language page promises and this version does not have: they say so by name."""

from __future__ import annotations

import click

from sparsec.cli.app import GROUPS
from sparsec.errors import UnsupportedError

_HINTS = {
    "opt": "'sparsec emit' prints a program at every level",
    "passes": "'sparsec explain' says what the compiler did",
    "calibrate": "nothing depends on it yet: schedules are made without measurements",
}


def _command(name: str) -> click.Command:
    def run(rest: tuple[str, ...]) -> None:
        raise UnsupportedError(f"'sparsec {name}' comes in a later version", hint=_HINTS[name])

    return click.Command(
        name,
        callback=run,
        params=[click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED)],
        help=f"{GROUPS['Not there yet'][name]} Comes in a later version.",
        context_settings={"ignore_unknown_options": True},
    )


opt, passes, calibrate = (_command(name) for name in _HINTS)
