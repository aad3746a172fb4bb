"""Costs that are not a kernel's: importing, compiling cold and warm, calling.  Each in fresh processes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from benchmarks.data import ROOT

COMPILED = ("spmv", "spmm", "sddmm", "spgemm")


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one thing: minimum and median over processes, of the thing itself and of its whole process."""

    what: str
    goal: str
    minimum: float
    median: float
    process: float | None = None
    note: str = ""


def measure(quick: bool = False) -> list[Cost]:
    """All rows; a part that this version cannot run gives a row with NaN and the reason."""
    repeats = 3 if quick else 9
    rows = [_import(repeats)]
    for kernel in COMPILED[:1] if quick else COMPILED:
        rows += _compile(kernel, 1 if quick else 5)
    return rows + _calls(1 if quick else 3)


def _child(probe: str, *args: str, cache: str | None = None) -> tuple[dict[str, float], float]:
    """What a probe in a fresh process reports, and the milliseconds of the whole process."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's Python keeps the bytecode of what it imports
    if cache is not None:
        env["SPARSEC_CACHE_DIR"] = cache
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.startup_probe", probe, *args],
        capture_output=True,
        text=True,
        env=env,
        cwd=ROOT,
        check=False,
    )
    wall = (time.perf_counter() - start) * 1e3
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise ProbeError(lines[-1] if lines else f"exit code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1]), wall


class ProbeError(Exception):
    """A probe did not finish."""


def _failed(what: str, goal: str, error: ProbeError) -> Cost:
    return Cost(what, goal, float("nan"), float("nan"), None, str(error)[:160])


def _import(repeats: int) -> Cost:
    what, goal = "import sparsec, over NumPy's own", "60 ms"
    try:
        runs = [_child("import") for _ in range(repeats + 1)][1:]
    except ProbeError as error:
        return _failed(what, goal, error)
    times = [r["ms"] for r, _ in runs]
    return Cost(what, goal, min(times), statistics.median(times), min(w for _, w in runs))


def _compile(kernel: str, repeats: int) -> list[Cost]:
    cold, warm = f"compile + first call, {kernel}, cold", f"compile + first call, {kernel}, warm"
    runs: dict[str, list[tuple[float, float]]] = {cold: [], warm: []}
    try:
        for _ in range(repeats):
            with tempfile.TemporaryDirectory(prefix="sparsec-bench-") as cache:
                for what in (cold, warm):
                    report, wall = _child("compile", kernel, cache=cache)
                    runs[what].append((report["ms"], wall))
    except ProbeError as error:
        return [_failed(cold, "250 ms", error), _failed(warm, "30 ms", error)]
    return [
        Cost(what, goal, min(t for t, _ in r), statistics.median(t for t, _ in r), min(w for _, w in r))
        for (what, r), goal in zip(runs.items(), ("250 ms", "30 ms"), strict=True)
    ]


def _calls(repeats: int) -> list[Cost]:
    rows = []
    for who, goal in (("sparsec", "10 us"), ("scipy", ""), ("torch", "")):
        what = f"a call of SpMV on 4 x 4, {who}"
        try:
            reports = [_child("call", who)[0] for _ in range(repeats)]
        except ProbeError as error:
            rows.append(_failed(what, goal, error))
            continue
        rows.append(Cost(what, goal, min(r["min"] for r in reports), min(r["median"] for r in reports)))
    return rows


__all__ = ["COMPILED", "Cost", "ProbeError", "measure"]
