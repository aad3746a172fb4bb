"""What runs in the fresh processes of ``startup``: ``python -m benchmarks.startup_probe PROBE [ARG]`` prints JSON."""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

THIRD_PARTY = ("numpy", "scipy.sparse", "llvmlite.binding", "lark", "networkx", "platformdirs", "filelock")
"""Loaded before a compilation is timed: their cost is the first use's, not ours."""


def probe_import() -> dict[str, float]:
    """``import sparsec`` once NumPy is there."""
    importlib.import_module("numpy")
    start = time.perf_counter()
    importlib.import_module("sparsec")
    return {"ms": (time.perf_counter() - start) * 1e3}


def operands(kernel: str) -> dict[str, Any]:
    """Small operands, so that the first call costs its compilation and little more."""
    import numpy as np
    import scipy.sparse

    rng = np.random.default_rng(0)
    a = scipy.sparse.random_array((200, 200), density=0.05, rng=rng, format="csr")
    dense = rng.uniform(size=(200, 32))
    return {
        "spmv": {"A": a, "x": dense[:, 0].copy()},
        "spmm": {"A": a, "B": dense},
        "sddmm": {"S": a, "X": dense, "Y": dense},
        "spgemm": {"A": a, "B": a},
    }[kernel]


def probe_compile(kernel: str) -> dict[str, float]:
    """``compile`` and the first call."""
    from benchmarks.cases import SOURCES

    for name in THIRD_PARTY:
        importlib.import_module(name)
    import sparsec as sp

    source, given = SOURCES[kernel].format(t="f64"), operands(kernel)
    start = time.perf_counter()
    sp.compile(source)(**given)
    return {"ms": (time.perf_counter() - start) * 1e3}


def probe_call(who: str) -> dict[str, float]:
    """A call on four rows: what is left is overhead."""
    import numpy as np
    import scipy.sparse

    a = scipy.sparse.csr_array(np.eye(4))
    x = np.ones(4)
    call: Callable[[], Any]
    if who == "sparsec":
        from benchmarks.cases import ours

        call = ours("spmv", "f64", {"A": a, "x": x}).call
    elif who == "torch":
        import torch

        from benchmarks.cases import torch_csr

        at, xt = torch_csr(a), torch.from_numpy(x)

        def call() -> Any:
            return at @ xt
    else:

        def call() -> Any:
            return a @ x

    for _ in range(200):
        call()
    times = []
    for _ in range(50):
        start = time.perf_counter_ns()
        for _ in range(100):
            call()
        times.append((time.perf_counter_ns() - start) / 1e8)
    return {"min": min(times), "median": statistics.median(times)}


if __name__ == "__main__":
    probes: dict[str, Callable[..., dict[str, float]]] = {
        "import": probe_import,
        "compile": probe_compile,
        "call": probe_call,
    }
    print(json.dumps(probes[sys.argv[1]](*sys.argv[2:])))
