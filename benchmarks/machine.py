"""What the measurements ran on: a description, its memory bandwidth, and a probe that its cores are really there."""

from __future__ import annotations

import os
import platform
import re
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

PACKAGES = ("numpy", "scipy", "torch", "llvmlite")
FLAGS = ("avx2", "fma", "avx512f", "avx512vl", "avx512_vnni", "amx_tile", "asimd", "sve")


def cpus() -> list[int]:
    """The processors that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def describe() -> dict[str, str]:
    """Facts about the machine and the software, for the head of a report."""
    info = _cpuinfo()
    flags = set(info.get("flags", info.get("Features", "")).split())
    out = {
        "processor": info.get("model name", platform.processor() or platform.machine()),
        "instruction set": f"{platform.machine()} " + " ".join(f for f in FLAGS if f in flags),
        "cores": str(len(cpus())),
        "caches": _caches(),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }
    for name in PACKAGES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "absent"
    return out


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    pairs = re.findall(r"^([^:\n]+?)\s*:\s*(.*)$", text.split("\n\n")[0], re.MULTILINE)
    return dict(pairs)


def _caches() -> str:
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = (index / "type").read_text().strip()
        if kind != "Instruction":
            found.append(f"L{(index / 'level').read_text().strip()} {(index / 'size').read_text().strip()}")
    return ", ".join(found) or "unknown"


def _memory() -> str:
    path = Path("/proc/meminfo")
    match = re.search(r"MemTotal:\s+(\d+)", path.read_text()) if path.exists() else None
    return f"{int(match.group(1)) / 2**20:.1f} GiB" if match else "unknown"


def _on_all_cores(work: Callable[[int], None]) -> float:
    """Seconds until ``work(core number)`` is done on every core, each in a thread of its own, pinned."""
    places = cpus()
    start: list[float] = []  # taken while all wait: this thread may be the last to run again
    barrier = threading.Barrier(len(places), action=lambda: start.append(time.perf_counter()))
    ends = [0.0] * len(places)

    def run(n: int) -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(threading.get_native_id(), {places[n]})
        work(n)  # touches its memory and wakes the core
        barrier.wait()
        work(n)
        ends[n] = time.perf_counter()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(places))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return max(ends) - start[0]


def bandwidth(size: int = 2**23, repeats: int = 5) -> float:
    """GB/s of ``a = b + c`` over f64 arrays of ``size`` elements a core, all cores at once; best of ``repeats``."""
    arrays = [tuple(np.ones(size) for _ in range(3)) for _ in cpus()]

    def add(n: int) -> None:
        b, c, a = arrays[n]
        np.add(b, c, out=a)

    return max(24e-9 * size * len(arrays) / _on_all_cores(add) for _ in range(repeats))


class Probe:
    """Asks whether all cores give their full rate at this moment.

    Virtual cores at times share a physical one, and neighbours take their share: a measurement then says nothing.
    """

    def __init__(self, tolerance: float = 1.35, attempts: int = 12) -> None:
        self.tolerance = tolerance
        self.attempts = attempts
        self.failed = 0
        self._data = [np.full(32768, 1.5) for _ in cpus()]
        self._alone = min(self._time_alone() for _ in range(10))

    def _work(self, n: int) -> None:
        x = self._data[n]
        for _ in range(10):
            np.sqrt(x, out=x)
            np.add(x, 0.5, out=x)

    def _time_alone(self) -> float:
        self._work(0)
        start = time.perf_counter()
        self._work(0)
        return time.perf_counter() - start

    def ready(self) -> bool:
        """Wait until all cores together are about as fast as one alone; False after too many attempts."""
        for attempt in range(self.attempts):
            if _on_all_cores(self._work) <= self.tolerance * self._alone:
                return True
            time.sleep(0.005 * (attempt + 1))
        self.failed += 1
        return False
