"""Who may import whom: the arrows between the parts, read from the sources.  ``docs/design.md`` says the same in words.

Imports inside functions and under ``TYPE_CHECKING`` count as all others do.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import sparsec

ROOT = Path(__file__).resolve().parent.parent

FREE = ("sparsec.errors", "sparsec.knobs")
"""What everybody may import (``errors`` imports nothing, ``knobs`` only ``errors``)."""

VALUES = (
    "sparsec.ir.dtypes", "sparsec.ir.definitions", "sparsec.ir.ops", "sparsec.ir.rewrite", "sparsec.ir.text",
    "sparsec.ir.tensor_values",
)  # fmt: skip
"""The parts of the IR that belong to no level: types, operators, traversal, lexical rules, values of dtypes."""

PARTS: dict[str, tuple[str, ...]] = {
    "sparsec.ir": ("sparsec.formats",),
    "sparsec.formats": ("sparsec.ir.node", "sparsec.ir.buffer", "sparsec.ir.build", *VALUES),
    "sparsec.frontends": (
        "sparsec.ir.tensor", "sparsec.ir.variables", "sparsec.ir.schedule", "sparsec.ir.monoids", "sparsec.formats",
        *VALUES,
    ),
    "sparsec.passes": ("sparsec.ir", "sparsec.formats"),
    "sparsec.backends": (
        "sparsec.ir.buffer", "sparsec.ir.buffer_text", "sparsec.ir.buffer_verify", "sparsec.ir.build", *VALUES
    ),
    "sparsec.runtime": ("sparsec.formats", "sparsec._checkout", *VALUES),
}  # fmt: skip
"""What each part may import besides itself and ``FREE``: a frontend sees tensor IR alone, a backend buffer IR alone."""

FACE = (
    "sparsec._checkout", "sparsec.operators", "sparsec.spy", "sparsec.picture", "sparsec.profiling", "sparsec.driver",
    "sparsec.annihilated", "sparsec.conversion", "sparsec.lossy", "sparsec.tensors", "sparsec.sharing",
    "sparsec.files", "sparsec.binding", "sparsec.extents", "sparsec.results", "sparsec.memo",
    "sparsec.faults", "sparsec.kernel", "sparsec.api",
    "sparsec.array", "sparsec.array_api", "sparsec", "sparsec.cli", "sparsec.__main__",
)  # fmt: skip
"""The public face, from the bottom up: each may import the parts, and the modules before it."""

PACKAGES = ("sparsec.array", "sparsec.cli")
"""The parts of the face that are folders."""

APART = (("sparsec.backends.cpu", "sparsec.backends.c"), ("sparsec.passes.lower", "sparsec.passes.pipeline"))
"""Pairs of which the first never imports the second; siblings among backends in both directions."""

HEAVY = ("torch", "scipy", "lark", "networkx", "rich", "matplotlib", "llvmlite", "h5py")
"""Imported inside functions only."""


@dataclass(frozen=True, slots=True)
class Import:
    """``module`` (or a name in it) is imported; ``late``: inside a function or for the type checker."""

    module: str
    line: int
    relative: bool = False
    late: bool = False


@cache
def sources() -> dict[str, str]:
    """The text of every packaged module by its import name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    out = {}
    for top, place in project["tool"]["setuptools"]["package-dir"].items():
        for path in (ROOT / place).rglob("*.py"):
            parts = path.relative_to(ROOT / place).with_suffix("").parts
            name = ".".join([top, *parts]).removesuffix(".__init__")
            out[name] = path.read_text(encoding="utf-8")
    return out


def imports(text: str) -> Iterator[Import]:
    """Everything that a module imports, wherever it stands."""

    def visit(node: ast.AST, late: bool) -> Iterator[Import]:
        match node:
            case ast.Import():
                yield from (Import(a.name, node.lineno, late=late) for a in node.names)
            case ast.ImportFrom(module=module, level=level):
                for a in node.names:
                    whole = f"{module}.{a.name}" if module else a.name
                    found = whole if whole in sources() else module or ""
                    yield Import(found, node.lineno, level > 0, late)
            case _:
                deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
                    isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
                )
                for child in ast.iter_child_nodes(node):
                    yield from visit(child, late or deferred)

    yield from visit(ast.parse(text), False)


def within(module: str, part: str) -> bool:
    """Is ``module`` the part, or inside it?"""
    return module == part or module.startswith(f"{part}.")


def violations(name: str, text: str) -> list[str]:
    """Each import of the module that breaks a rule, as ``line N: why``."""
    return [f"line {i.line}: {why}" for i in imports(text) if (why := broken(name, i))]


def broken(name: str, i: Import) -> str | None:
    """The rule that an import breaks."""
    if i.relative:
        return "a relative import"
    if i.module.partition(".")[0] in HEAVY:
        return None if i.late else f"{i.module} is imported before it is needed"
    if i.module.partition(".")[0] != "sparsec":
        return None
    for first, second in (*APART, tuple(reversed(APART[0]))):
        if within(name, first) and within(i.module, second):
            return f"{first} imports {second}"
    if name in FREE:
        return None if name == "sparsec.knobs" and i.module == "sparsec.errors" else f"{name} imports {i.module}"
    if i.module in FREE:
        return None
    part = next((p for p in PARTS if within(name, p)), None)
    if part is not None:
        allowed = any(i.module == a or (within(i.module, a) and a != "sparsec.ir.tensor") for a in (part, *PARTS[part]))
        return None if allowed else f"{part} imports {i.module}"
    if any(within(i.module, p) for p in PARTS):
        return None
    mine, other = (next((p for p in PACKAGES if within(m, p)), m) for m in (name, i.module))
    for m in (mine, other):
        if m not in FACE:
            return f"{m} has no place in FACE"
    below = FACE.index(other) < FACE.index(mine) or mine == other in PACKAGES
    return None if below else f"{name} imports {i.module}, which stands above it"


@pytest.mark.parametrize("name", sorted(sources()))
def test_arrows(name: str) -> None:
    assert not violations(name, sources()[name])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sparsec.frontends.dsl.x", "from sparsec.backends import cpu"),
        ("sparsec.frontends.dsl.x", "from sparsec.ir.loops import Forall"),
        ("sparsec.frontends.dsl.x", "from sparsec.runtime.storage import Storage"),
        ("sparsec.backends.cpu.x", "import sparsec.frontends.dsl"),
        ("sparsec.backends.cpu.x", "from sparsec.ir.tensor import Program"),
        ("sparsec.backends.cpu.x", "from sparsec.formats import Format"),
        ("sparsec.backends.cpu.x", "from sparsec.backends.c import emit_c"),
        ("sparsec.backends.c.x", "from sparsec.backends.cpu import run"),
        ("sparsec.passes.x", "def f():\n    from sparsec.runtime import storage"),
        ("sparsec.passes.x", "from sparsec.driver import convert"),
        ("sparsec.passes.lower.x", "from sparsec.passes.pipeline import to_loops"),
        ("sparsec.runtime.x", "from sparsec.tensors import Tensor"),
        ("sparsec.runtime.x", "from sparsec import api"),
        ("sparsec.runtime.x", "from sparsec.passes import formats"),
        ("sparsec.ir.x", "from sparsec.passes.lower import plan"),
        ("sparsec.ir.x", "from sparsec import Tensor"),
        ("sparsec.formats.x", "from sparsec.ir.loops import Forall"),
        ("sparsec.driver", "from sparsec.tensors import Tensor"),
        ("sparsec.kernel", "from sparsec.api import evaluate"),
        ("sparsec.api", "from sparsec.cli import main"),
        ("sparsec.errors", "from sparsec.knobs import knobs"),
        ("sparsec.passes.x", "from . import formats"),
        ("sparsec.passes.x", "import networkx"),
        ("sparsec.runtime.x", "try:\n    from scipy.io import mmread\nexcept ImportError:\n    pass"),
    ],
)
def test_the_rules_bite(name: str, text: str) -> None:
    assert len(violations(name, text)) == 1


def test_a_type_checker_sees_every_name_that_is_loaded_late() -> None:
    seen = {
        (node.module, a.name)
        for block in ast.parse(sources()["sparsec"]).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for a in node.names
    }
    assert seen == {(module, name) for name, module in sparsec._HOME.items()}
    assert sorted(sparsec._HOME) == sorted(sparsec.__all__)
