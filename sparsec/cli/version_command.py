"""``sparsec version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import click

from sparsec.cli.output import Out, json_option

WITH = ("numpy", "scipy", "llvmlite", "lark", "networkx", "matplotlib", "torch")


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Print the versions of sparsec, Python and the libraries it uses."""
    out = Out(as_json)
    versions = {name: _version(name) for name in ("sparsec", *WITH)}
    out.heading(f"sparsec {versions.pop('sparsec') or '(not installed)'}", f"Python {platform.python_version()}")
    out.fields([(name, found or "not installed") for name, found in versions.items()])
    out.report({"sparsec": _version("sparsec"), "python": platform.python_version(), "libraries": versions})


def _version(name: str) -> str | None:
    # Metadata, not the modules: importing torch takes seconds.
    try:
        return installed(name)
    except PackageNotFoundError:
        return None
