"""What ships: the list of packages, their data, the light import, a checkout that imports from anywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import sparsec
from sparsec._checkout import COMPONENTS

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS: dict[str, Any] = PROJECT["tool"]["setuptools"]
HEAVY = ("torch", "scipy", "lark", "networkx", "rich", "matplotlib", "llvmlite")


def folder(package: str) -> Path:
    """Where a package lies in the checkout."""
    top = max((p for p in SETUPTOOLS["package-dir"] if f"{package}.".startswith(f"{p}.")), key=len)
    return ROOT.joinpath(SETUPTOOLS["package-dir"][top], *package[len(top) :].split(".")[1:])


def packages_in_tree() -> set[str]:
    """Every folder beneath a packaged one that holds Python files, as a package."""
    out = set()
    for top, place in SETUPTOOLS["package-dir"].items():
        for path in (ROOT / place).rglob("*.py"):
            parts = path.parent.relative_to(ROOT / place).parts
            if "__pycache__" not in parts:
                out.add(".".join([top, *parts]))
    return out


def run(code: str, cwd: Path) -> str:
    """What a fresh interpreter prints that was started in another folder."""
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_list_of_packages_is_the_tree() -> None:
    listed = SETUPTOOLS["packages"]
    assert len(listed) == len(set(listed))
    assert set(listed) == packages_in_tree()


@pytest.mark.parametrize("package", SETUPTOOLS["packages"])
def test_every_package_has_an_init(package: str) -> None:
    assert (folder(package) / "__init__.py").is_file()


def test_examples_are_programs_not_packages() -> None:
    examples = ROOT / "examples"
    assert not list(examples.rglob("__init__.py"))
    assert not [p for p in examples.rglob("*") if p.stem == "torch"], "a folder called torch would hide the library"


def test_the_finder_knows_the_components() -> None:
    assert {f"sparsec.{c}" for c in COMPONENTS} == set(SETUPTOOLS["package-dir"]) - {"sparsec"}


def test_package_data_covers_what_is_not_python() -> None:
    assert "py.typed" in SETUPTOOLS["package-data"]["sparsec"]
    assert "*.lark" in SETUPTOOLS["package-data"]["sparsec.frontends.dsl"]
    data = SETUPTOOLS["package-data"]
    covered = {path for package, globs in data.items() for glob in globs for path in folder(package).glob(glob)}
    files = {p for package in SETUPTOOLS["packages"] for p in folder(package).iterdir() if p.is_file()}
    assert {p for p in files if p.suffix != ".py"} == covered


def test_versions_agree() -> None:
    assert sparsec.__version__ == PROJECT["project"]["version"] == version("sparsec")


def test_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"


def test_every_public_name_is_there() -> None:
    assert sparsec.__all__ == sorted(sparsec.__all__)
    for name in sparsec.__all__:
        value = getattr(sparsec, name)
        assert value.__doc__, f"{name} has no docstring"
    assert set(sparsec.__all__) <= set(dir(sparsec))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sparsec.nothing


def test_import_is_light(tmp_path: Path) -> None:
    code = f"import sys, sparsec; print([m for m in {HEAVY} if m in sys.modules])"
    assert run(code, tmp_path) == "[]"


def test_a_dense_tensor_needs_no_more_than_numpy(tmp_path: Path) -> None:
    code = f"import sys, sparsec as sp; sp.tensor([1.0, 2.0]).numpy(); print([m for m in {HEAVY} if m in sys.modules])"
    assert run(code, tmp_path) == "[]"


def test_checkout_imports_from_another_folder(tmp_path: Path) -> None:
    """Nothing installed: the hook of an editable installation is taken away, the root comes by ``sys.path``."""
    code = f"""
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in str(getattr(f, "__module__", ""))]
sys.path.insert(0, {str(ROOT)!r})
import sparsec, sparsec.frontends.dsl, sparsec.passes.lower, sparsec.backends.cpu, sparsec.runtime.storage
for m in (sparsec, sparsec.frontends.dsl, sparsec.passes.lower, sparsec.backends.cpu, sparsec.runtime.storage):
    assert m.__file__.startswith({str(ROOT)!r}), m.__file__
try:
    import sparsec.sparsec
except ModuleNotFoundError:
    print("fine")
"""
    assert run(code, tmp_path) == "fine"


def test_installed_imports_from_another_folder(tmp_path: Path) -> None:
    names = ", ".join(SETUPTOOLS["packages"])
    assert run(f"import {names}; print('fine')", tmp_path) == "fine"


def test_wheel_holds_everything(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for place in SETUPTOOLS["package-dir"].values():
        shutil.copytree(ROOT / place, source / place, ignore=shutil.ignore_patterns("__pycache__"))
    code = f"from setuptools import build_meta; print(build_meta.build_wheel({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        held = set(wheel.namelist())
    for package in SETUPTOOLS["packages"]:
        for path in folder(package).iterdir():
            if path.is_file():
                assert f"{package.replace('.', '/')}/{path.name}" in held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert any(name.endswith("entry_points.txt") for name in held)
