"""A runner of command lines in this process, and a small matrix to run them on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from sparsec.cli import cli

MATRIX = """%%MatrixMarket matrix coordinate real general
% a small one
4 5 6
1 1 1.0
1 3 -2.5
2 2 3.0
4 1 4.0
4 4 5.5
4 5 -1.0
"""
DENSE = np.array([[1, 0, -2.5, 0, 0], [0, 3, 0, 0, 0], [0, 0, 0, 0, 0], [4, 0, 0, 5.5, -1]], float)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Invoke = Callable[..., Ran]


@pytest.fixture
def invoke() -> Invoke:
    """``invoke("run", "-e", ..., input=...)``: the command line in this process."""

    def run(*args: str | Path, input: str | None = None) -> Ran:
        done = CliRunner().invoke(cli, [str(a) for a in args], input=input, prog_name="sparsec")
        assert "Traceback" not in done.stderr and "Traceback" not in done.stdout
        assert "\x1b" not in done.stdout + done.stderr, "colours outside a terminal"
        return Ran(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """The file of ``DENSE``."""
    path = tmp_path / "a.mtx"
    path.write_text(MATRIX)
    return path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A file with two kernels."""
    path = tmp_path / "two.sp"
    path.write_text(
        "# two kernels\n"
        "kernel spmv(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] {\n    y[i] = A[i, j] * x[j]\n}\n"
        "kernel outer(x: f64[n]) -> C: f64[n, p] {\n    C[i, j] = x[i]\n}\n"
    )
    return path
