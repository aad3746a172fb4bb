"""The grammar's tables: the same from Lark and from the cache folder, whatever lies there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sparsec import knobs
from sparsec.frontends.dsl import parse_source
from sparsec.frontends.dsl import tables as module
from sparsec.frontends.dsl.parser import _machine
from sparsec.frontends.dsl.tables import tables

SPMV = "kernel spmv(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }"
FILE = "grammar.json"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty cache folder, and no tables in memory."""
    tables.cache_clear()
    with knobs.scope(cache_dir=tmp_path):
        yield tmp_path
    tables.cache_clear()


def again() -> module.Tables:
    tables.cache_clear()
    return tables()


@pytest.fixture
def makes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever Lark makes the tables."""
    calls: list[int] = []
    make = module._make

    def counted(grammar: str) -> object:
        calls.append(1)
        return make(grammar)

    monkeypatch.setattr(module, "_make", counted)
    return calls


def test_kept_in_the_cache_folder(folder: Path, makes: list[int]) -> None:
    first = tables()
    assert [p.name for p in folder.iterdir()] == [FILE] and len(makes) == 1
    assert again() == first and len(makes) == 1


@pytest.mark.parametrize("damage", [b"", b"x", b"{}", b"\x80\x04cos\nsystem\n", "half", "flipped"])
def test_a_damaged_file_counts_as_absent(folder: Path, makes: list[int], damage: bytes | str) -> None:
    first = tables()
    data = (folder / FILE).read_bytes()
    if damage == "half":
        damage = data[: len(data) // 2]
    elif damage == "flipped":
        damage = data[:3000] + bytes([data[3000] ^ 1]) + data[3001:]
    assert isinstance(damage, bytes)
    (folder / FILE).write_bytes(damage)
    assert again() == first and len(makes) == 2
    assert (folder / FILE).read_bytes() == data, "and is replaced"


def test_another_grammar_is_another_file(folder: Path, makes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    tables()
    monkeypatch.setattr(module, "_digest", lambda grammar, body: b"0" * 40)
    again()
    assert len(makes) == 2


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes are POSIX")
def test_a_file_that_others_may_write_is_not_read(folder: Path, makes: list[int]) -> None:
    tables()
    (folder / FILE).chmod(0o666)
    again()
    assert len(makes) == 2


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes are POSIX")
def test_nothing_is_written_where_others_may_write(folder: Path) -> None:
    folder.chmod(0o777)
    tables()
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be(tmp_path: Path, makes: list[int]) -> None:
    (tmp_path / "file").write_text("")
    with knobs.scope(cache_dir=tmp_path / "file" / "folder"):
        again()
        assert parse_source(SPMV).kernels
    tables.cache_clear()


def test_no_cache_at_all(folder: Path) -> None:
    with knobs.scope(cache_size=0):
        again()
    assert list(folder.iterdir()) == []


def test_many_processes_and_no_lark_once_it_is_there(tmp_path: Path) -> None:
    code = f"import sys; from sparsec.frontends.dsl import *; parse_source({SPMV!r}); print('lark' in sys.modules)"
    env = {**os.environ, "SPARSEC_CACHE_DIR": str(tmp_path)}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)

    for process in [start() for _ in range(4)]:
        process.communicate()
        assert process.returncode == 0
    assert start().communicate()[0].strip() == "False"
    assert [p.name for p in tmp_path.iterdir()] == [FILE]


def test_many_threads(folder: Path) -> None:
    _machine.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        units = list(pool.map(lambda n: parse_source(SPMV.replace("spmv", f"k{n}")), range(64)))
    assert [next(iter(u.kernels)) for u in units] == [f"k{n}" for n in range(64)]
