"""``sp.profile()``: what was compiled, and where the time went."""

from __future__ import annotations

from pathlib import Path

import sparsec as sp
from sparsec.knobs import scope


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
    assert not second.rows  # found in memory, and on the disk
    lines = str(first).splitlines()
    assert lines[0].split()[:3] == ["kernel", "parse", "disk"] and lines[1].startswith("seventh")
    assert made in sp.profile().rows
