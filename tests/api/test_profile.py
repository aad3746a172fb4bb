"""``sp.profile()``: what was compiled, and where the time went."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sparsec as sp
from sparsec import driver
from sparsec.knobs import scope
from sparsec.profiling import Compilation


def test_a_block_has_what_it_made(tmp_path: Path) -> None:
    text = "kernel seventh(x: f64[n]) -> y: f64[n] { y[i] = 7 * x[i] + 0.123 }"
    with scope(cache_dir=tmp_path):
        with sp.profile() as first:
            k = sp.compile(text)
            k([1.0])
        with sp.profile() as second:
            k([2.0])
            sp.compile(text)([3.0])
    assert [(c.name, c.loaded) for c in first.rows] == [("seventh", False)] * 2
    parsed, made = first.rows
    assert parsed.times.keys() == {"parse"} and {"plan", "lower", "optimise"} <= made.times.keys()
    assert first.total == parsed.total + made.total == sum(made.times.values()) + parsed.times["parse"]
    assert not second.rows  # found in memory
    lines = str(first).splitlines()
    assert lines[0].split()[:3] == ["kernel", "parse", "disk"] and lines[1].startswith("seventh")
    assert made in sp.profile().rows


def test_what_is_found_on_the_disk_was_loaded(tmp_path: Path) -> None:
    text = "kernel eighth(x: f64[n]) -> y: f64[n] { y[i] = 8 * x[i] + 0.456 }"
    with scope(cache_dir=tmp_path):
        sp.compile(text)([1.0])
        driver.forget()
        with sp.profile() as p:
            sp.compile(text + "  # read again, since the text is another")([1.0])
    parsed, made = p.rows
    assert (parsed.times.keys(), parsed.loaded) == ({"parse"}, False)
    assert (made.times.keys(), made.loaded) == ({"look up", "load"}, True)


def test_a_block_has_nothing_of_other_threads(tmp_path: Path) -> None:
    def read(name: str) -> list[Compilation]:
        with scope(cache_dir=tmp_path), sp.profile() as p:
            sp.compile(f"kernel {name}(x: f64[n]) -> y: f64[n] {{ y[i] = 9 * x[i] }}")
        return p.rows

    with ThreadPoolExecutor(1) as pool, sp.profile() as outer:
        others = pool.submit(read, "ninth").result()
        mine = read("tenth")
    assert [c.name for c in others] == ["ninth"] and others[0] in sp.profile().rows
    assert [c.name for c in mine] == ["tenth"] and outer.rows == mine
