"""Every example runs, and says that its result is right."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import sparsec as sp

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, *args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, args)],
        capture_output=True, text=True, cwd=cwd, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.glob("*.py") if p.name != "demo.py"))
def test_example(name: str, tmp_path: Path) -> None:
    done = run(name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SciPy" in done.stdout or "NumPy" in done.stdout


def test_the_list_is_complete() -> None:
    text = (EXAMPLES / "README.md").read_text()
    assert all(f"`{p.name}" in text for p in EXAMPLES.glob("*.py"))
    assert not (EXAMPLES / "__init__.py").exists()


def test_demo(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run("demo.py", "--picture", "made/here.png", "--seconds", "0.01", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    for kernel in ("spmv", "spmm", "sddmm", "spgemm"):
        row = next(line for line in lines if line.startswith(kernel))
        assert row.endswith("agrees") and " x " in row
    for level in ("text", "tensor IR", "loop nest IR", "buffer IR", "assembly"):
        assert any(line.startswith(f"spmv: {level}") for line in lines)
    assert (tmp_path / "made" / "here.png").read_bytes().startswith(b"\x89PNG")


HEAD = "%%MatrixMarket matrix coordinate {} general\n"
SMALL = {
    "wide": HEAD.format("real") + "2 5 3\n1 1 2.0\n2 5 1.0\n1 4 -1.0\n",
    "empty": HEAD.format("real") + "4 4 0\n",
    "nothing": HEAD.format("real") + "0 0 0\n",
    "one": HEAD.format("pattern") + "1 1 1\n1 1\n",
    "integers": HEAD.format("integer") + "3 2 2\n1 1 4\n3 2 -7\n",
    "symmetric": "%%MatrixMarket matrix coordinate real symmetric\n3 3 3\n1 1 1.0\n2 1 2.0\n3 2 3.0\n",
    "nan": HEAD.format("real") + "3 3 4\n1 1 nan\n1 2 1.0\n2 2 inf\n3 1 2.0\n",
    "array": "%%MatrixMarket matrix array real general\n2 2\n1.0\n0.0\n3.0\n4.0\n",
}


@pytest.mark.parametrize("name", SMALL)
def test_demo_on(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"{name}.mtx"
    path.write_text(SMALL[name])
    done = run("demo.py", path, "--picture", tmp_path / "p.png", "--seconds", "0.01", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("agrees") == 4 and (tmp_path / "p.png").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.mtx", HEAD.format("complex") + "1 1 1\n1 1 1.0 2.0\n", "the demo's kernels are real"),
        ("t.tns", "1 1 1 1.0\n", "the demo is about matrices"),
        ("b.mtx", "garbage", "b.mtx"),
        ("no.mtx", None, "no.mtx"),
        ("huge.mtx", HEAD.format("real") + "3000000000 3000000000 1\n1 1 1\n", "too large for the demo's peers"),
    ],
)
def test_demo_refuses(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    done = run("demo.py", tmp_path / name, cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_demo_names_the_kernel_that_differs() -> None:
    demo = runpy.run_path(str(EXAMPLES / "demo.py"))
    a = scipy.sparse.csr_array([[0, np.nan], [np.inf, 2.0]])
    demo["agree"]("mine", a, a.copy())
    demo["agree"]("mine", np.array([np.nan, 1.0]), np.array([np.nan, 1.0]))
    for theirs in ([[0, 1.0], [np.inf, 2.0]], [[np.nan, np.nan], [np.inf, 2.0]], [[0, np.nan], [-np.inf, 2.0]]):
        with pytest.raises(sp.SparsecError, match="mine: the result differs"):
            demo["agree"]("mine", a, scipy.sparse.csr_array(theirs))


def test_demo_is_quiet_when_its_reader_leaves(tmp_path: Path) -> None:
    (tmp_path / "a.mtx").write_text(SMALL["wide"])
    command = f"'{sys.executable}' '{EXAMPLES / 'demo.py'}' a.mtx --picture p.png --seconds 0.01 | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
    assert not done.stderr


def test_make_demo_takes_names_with_spaces() -> None:
    done = subprocess.run(
        ["make", "-n", "demo", "MATRIX=my matrix.mtx"],
        capture_output=True, text=True, cwd=EXAMPLES.parent, check=True,
    )  # fmt: skip
    assert 'examples/demo.py "my matrix.mtx"' in done.stdout
