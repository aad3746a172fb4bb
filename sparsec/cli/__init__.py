"""The command line; ``main`` is the entry point of the ``sparsec`` script and of ``python -m sparsec``."""

from __future__ import annotations

from sparsec.cli.app import cli


def main() -> None:
    """Run the command line on ``sys.argv`` and exit.

    0: done; 1: the program or its data is wrong; 2: the command line is.
    """
    cli.main(prog_name="sparsec")


__all__ = ["cli", "main"]
