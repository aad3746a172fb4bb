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
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import scipy.sparse

from benchmarks.harness import OURS, Case, Contestant

ROOT = Path(__file__).resolve().parents[1]
BEST = 10
SEARCHES = {f"100,000 documents, {n:,} queries of 5 words": (100_000, 50_000, n) for n in (1000, 10)}
INDEXES = {"100,000 documents": (100_000, 50_000, 10)}
"""Documents, words of the vocabulary, and queries (of an index: for the check)."""
FEW = 10
"""Queries that rank-bm25 is given at most."""


@cache
def _example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / "search" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _corpus(documents: int, vocabulary: int) -> list[list[int]]:
    return list(_example("synthetic").corpus(documents, vocabulary))


@dataclass(frozen=True, slots=True)
class Setting:
    """What goes in: documents and queries, as lists of numbers below ``vocabulary``."""

    documents: list[list[int]]
    vocabulary: int
    queries: list[list[int]]

    @staticmethod
    def of(documents: int, vocabulary: int, queries: int) -> Setting:
        corpus = _corpus(documents, vocabulary)
        return Setting(corpus, vocabulary, _example("synthetic").queries(corpus, queries))


class Peer:
    """A process that serves ``search_peers``; its index is made when it is first asked for."""

    def __init__(self, name: str, given: Setting) -> None:
        with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
            pickle.dump((given.documents, given.vocabulary, given.queries, BEST), file)
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


def _peer(name: str, given: Setting, call: str) -> tuple[str, Any]:
    def contestant() -> Contestant:
        peer = Peer(name, given)
        if call == "search":
            peer.ask("index")
            return Contestant(name, partial(peer.ask, "search"), lambda _: peer.scores())
        return Contestant(name, partial(peer.ask, "index"), lambda _: peer.ask("search") and peer.scores())

    return name, contestant


def _flat(lists: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(len(lists)), [len(part) for part in lists]), np.concatenate(lists)


def _scipy_index(given: Setting) -> Any:
    """The weights by SciPy and NumPy, a row a word."""
    document, word = _flat(given.documents)
    shape = (given.vocabulary, len(given.documents))
    f = scipy.sparse.csr_array((np.ones(len(word), np.float32), (word, document)), shape)
    seen, long = np.diff(f.indptr), np.asarray(f.sum(axis=0), np.float64)
    rare = np.log(1 + (shape[1] - seen + 0.5) / (seen + 0.5))
    norm = 1.5 * (0.25 + 0.75 * long / long.mean())
    f.data = (rare.repeat(seen) * f.data / (f.data + norm[f.indices])).astype(np.float32)
    return f


def _scipy_search(weights: Any, queries: list[list[int]]) -> np.ndarray:
    """The ten best scores of each query, from a sparse product."""
    query, word = _flat(queries)
    asked = scipy.sparse.csr_array((np.ones(len(word), np.float32), (query, word)), (len(queries), weights.shape[0]))
    found, out = asked @ weights, np.zeros((len(queries), BEST), np.float32)
    for n, (start, end) in enumerate(pairwise(found.indptr)):
        row = found.data[start:end]
        best = np.sort(-(row if len(row) <= BEST else np.partition(row, -BEST)[-BEST:]))
        out[n, : len(best)] = -best
    return out


def _index(given: Setting) -> Any:
    return _example("bm25").Index.from_numbers(given.documents, {str(n): n for n in range(given.vocabulary)})


def search(name: str, dtype: str) -> Case:
    """The ten best documents of each query."""
    given = Setting.of(*SEARCHES[name])

    def scipy_() -> Contestant:
        return Contestant("SciPy", partial(_scipy_search, _scipy_index(given), given.queries))

    def ours() -> Contestant:
        return Contestant(OURS, partial(_index(given).search_numbers, given.queries, BEST), lambda found: found[1])

    makers = [("SciPy", scipy_), (OURS, ours), _peer("bm25s", given, "search")]
    if len(given.queries) <= FEW:
        makers.append(_peer("rank-bm25", given, "search"))
    return Case("search, BM25", name, dtype, makers, _close)


def index(name: str, dtype: str) -> Case:
    """From lists of numbers of words to an index: counts and weights."""
    given = Setting.of(*INDEXES[name])

    def scipy_() -> Contestant:
        return Contestant("SciPy", partial(_scipy_index, given), lambda made: _scipy_search(made, given.queries))

    def ours() -> Contestant:
        return Contestant(OURS, partial(_index, given), lambda made: made.search_numbers(given.queries, BEST)[1])

    makers = [("SciPy", scipy_), (OURS, ours), *(_peer(name, given, "index") for name in ("bm25s", "rank-bm25"))]
    return Case("search, making the index", name, dtype, makers, _close)


__all__ = ["INDEXES", "SEARCHES", "index", "search"]
