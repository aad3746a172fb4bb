"""Full-text search (``examples/search``) beside bm25s and rank-bm25: making the index, and queries.

The same lists of numbers go in, and the scores of the best ten documents are compared.  rank-bm25 takes a second for a
few queries, so it has a case of its own with ten.
"""

from __future__ import annotations

import importlib.util
import json
import pickle
import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.harness import OURS, Case, Contestant

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS, VOCABULARY, BEST = 100_000, 50_000, 10
SEARCHES = {f"{DOCUMENTS:,} documents, {n:,} queries of 5 words": n for n in (1000, 10)}
INDEXES = (f"{DOCUMENTS:,} documents",)


@cache
def _example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / "search" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _corpus() -> list[list[int]]:
    return list(_example("synthetic").corpus(DOCUMENTS, VOCABULARY))


class Peer:
    """A process that serves ``search_peers``; its index is made when it is first asked for."""

    def __init__(self, name: str, queries: list[list[int]]) -> None:
        with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
            pickle.dump((_corpus(), VOCABULARY, queries, BEST), file)
            file.flush()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.search_peers", name, file.name],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            )  # fmt: skip
            ready = self._line()
        if ready != "ready":
            self.process.wait()
            raise ImportError(ready or f"{name} did not start")

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, word: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        answer = self._line()
        if not answer:
            raise RuntimeError(f"the peer stopped at '{word}'")
        return answer

    def scores(self) -> np.ndarray:
        return np.array(json.loads(self.ask("scores")))

    def __del__(self) -> None:
        if process := getattr(self, "process", None):
            process.kill()
            process.communicate()


def _close(reference: Any, answer: Any) -> None:
    np.testing.assert_allclose(answer, reference, rtol=1e-5, atol=1e-5)


def _peer(name: str, queries: list[list[int]], call: str) -> tuple[str, Any]:
    def contestant() -> Contestant:
        peer = Peer(name, queries)
        if call == "search":
            peer.ask("index")
            return Contestant(name, partial(peer.ask, "search"), lambda _: peer.scores())
        return Contestant(name, partial(peer.ask, "index"), lambda _: peer.ask("search") and peer.scores())

    return name, contestant


def _index() -> Any:
    return _example("bm25").Index.from_numbers(_corpus(), {str(n): n for n in range(VOCABULARY)})


def search(name: str, dtype: str) -> Case:
    """The ten best documents of each query."""
    queries = _example("synthetic").queries(_corpus(), SEARCHES[name])

    def ours() -> Contestant:
        return Contestant(OURS, partial(_index().search_numbers, queries, BEST), lambda found: found[1])

    makers = [_peer("bm25s", queries, "search"), (OURS, ours)]
    if SEARCHES[name] <= 10:
        makers.append(_peer("rank-bm25", queries, "search"))
    return Case("search, BM25", name, dtype, makers, _close)


def index(name: str, dtype: str) -> Case:
    """From lists of numbers of words to an index: counts and weights."""
    queries = _example("synthetic").queries(_corpus(), 10)

    def ours() -> Contestant:
        return Contestant(OURS, _index, lambda made: made.search_numbers(queries, BEST)[1])

    makers = [_peer("bm25s", queries, "index"), (OURS, ours), _peer("rank-bm25", queries, "index")]
    return Case("search, making the index", name, dtype, makers, _close)


__all__ = ["INDEXES", "SEARCHES", "index", "search"]
