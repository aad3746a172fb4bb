"""Peers of the search benchmark, in a process of their own: numba's thread pool slows others down.

``python -m benchmarks.search_peers PEER FILE`` reads a pickle (documents, vocabulary size, queries, k) from ``FILE``,
then a word a line from its input: ``index`` builds the index, ``search`` runs the queries and ``scores`` prints the
scores of the last search.  Every answer is a line.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import sys
from pathlib import Path
from typing import Any

Documents = list[list[int]]


class BM25S:
    """bm25s in its numba mode, with as many threads as there are cores."""

    def __init__(self, documents: Documents, vocabulary: int) -> None:
        import bm25s

        self.documents, self.numbers = documents, {str(n): n for n in range(vocabulary)}
        self.model = bm25s.BM25(backend="numba")

    def index(self) -> None:
        self.model.index((self.documents, self.numbers), show_progress=False)

    def search(self, queries: Documents, k: int) -> Any:
        return self.model.retrieve(queries, k=k, n_threads=os.cpu_count() or 1, show_progress=False).scores


class RankBM25:
    """rank-bm25, which scores every document and leaves choosing to the caller; its idf is replaced by Lucene's."""

    def __init__(self, documents: Documents, vocabulary: int) -> None:
        self.documents = documents

    def index(self) -> None:
        from rank_bm25 import BM25Okapi

        self.model = BM25Okapi(self.documents)
        n, k1 = len(self.documents), self.model.k1
        seen: dict[int, int] = {}
        for document in self.documents:
            for word in set(document):
                seen[word] = seen.get(word, 0) + 1
        self.model.idf = {w: math.log(1 + (n - s + 0.5) / (s + 0.5)) / (k1 + 1) for w, s in seen.items()}

    def search(self, queries: Documents, k: int) -> Any:
        import numpy as np

        out = []
        for query in queries:
            scores = self.model.get_scores(query)
            best = np.argpartition(-scores, k)[:k]
            out.append(np.sort(scores[best])[::-1])
        return np.array(out)


PEERS = {"bm25s": BM25S, "rank-bm25": RankBM25}


def main(name: str, file: str) -> None:
    """Serve one peer."""
    documents, vocabulary, queries, k = pickle.loads(Path(file).read_bytes())
    out, sys.stdout = sys.stdout, sys.stderr  # what a peer prints is no answer
    found: Any = None
    try:
        peer = PEERS[name](documents, vocabulary)
        print("ready", file=out, flush=True)
    except ImportError as error:
        print(f"lacks {error.name}", file=out, flush=True)
        return
    for line in sys.stdin:
        match line.strip():
            case "index":
                peer.index()
                print("done", file=out, flush=True)
            case "search":
                found = peer.search(queries, k)
                print("done", file=out, flush=True)
            case "scores":
                print(json.dumps(found.tolist()), file=out, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
