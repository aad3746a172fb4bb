"""The examples in docstrings, run in modules imported by their own names (``sparsec.passes...``, not ``passes...``)."""

from __future__ import annotations

import doctest
import tomllib
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> list[str]:
    """Every module of every package, but ``__main__``, which runs when it is imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    out = []
    for package in project["tool"]["setuptools"]["packages"]:
        out.append(package)
        found = iter_modules(import_module(package).__path__, f"{package}.")
        out += [m.name for m in found if not m.ispkg and not m.name.endswith(".__main__")]
    return sorted(set(out))


@pytest.mark.parametrize("name", modules())
def test_doctests(name: str) -> None:
    result = doctest.testmod(import_module(name), optionflags=FLAGS)
    assert not result.failed, f"{result.failed} of {result.attempted} examples of {name} failed: see the output"


def test_there_are_some() -> None:
    attempted = sum(doctest.testmod(import_module(n)).attempted for n in ("sparsec.api", "sparsec.tensors"))
    assert attempted > 5
