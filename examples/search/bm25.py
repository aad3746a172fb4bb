"""Full-text search by BM25: three small sparse tensor programs, and an index around them.

``weights`` turns counts of words into the BM25 weight of every word in every document, once ("Lucene's" variant, as
bm25s calls it: Kamphuis et al., Which BM25 do you mean?, ECIR 2020).  ``search`` adds up, for each query, the rows of
its words, and keeps the greatest ten: the compiler makes one loop of both statements, so no score is ever stored that
is not among them.

    from bm25 import Index

    index = Index.from_texts(["a cat on a mat", "the dog and the cat", "rain"])
    found, scores = index.search(["cat mat"], k=2)      # found[0] is [0, 1]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

import sparsec as sp

WEIGHTS = """
kernel weights(F: f32[t, d] csr, k1: f64, b: f64) -> W: f32[t, d] csr {
    long[d] = sum[t](f64(F[t, d]))                          # words of a document
    mean = sum[d](long[d]) / d
    seen[t] = count[d](stored(F[t, d]))                     # documents that a word is in
    rare[t] = log(1 + (d - seen[t] + 0.5) / (seen[t] + 0.5))
    norm[d] = k1 * (1 - b + b * long[d] / mean)
    W[t, d] = rare[t] * F[t, d] / (F[t, d] + norm[d])
}
"""

SEARCH = """
kernel search(Q: f32[q, t] csr, W: f32[t, d] csr) -> S: f32[q, d] csr {
    T[q, d] = Q[q, t] * W[t, d]
    S[q, d] = T[q, d] where top[d: TOP](T[q, d] where T[q, d] > 0)
}
"""

Words = Callable[[str], Iterable[str]]


def words(text: str) -> list[str]:
    """The words of a text: letters and digits, in lower case."""
    return re.findall(r"\w+", text.lower())


@cache
def weights_kernel() -> Any:
    """The program of the weights."""
    return sp.compile(WEIGHTS)


@cache
def search_kernel(k: int) -> Any:
    """The program of a search for ``k`` documents."""
    return sp.compile(SEARCH.replace("TOP", str(k)))


class Index:
    """Documents that can be searched.

    ``weights`` has a row for each word and a column for each document, ``vocabulary`` the number of each word.
    """

    def __init__(self, weights: sp.Tensor, vocabulary: dict[str, int], tokenize: Words = words) -> None:
        self.weights = weights
        self.vocabulary = vocabulary
        self.tokenize = tokenize

    @classmethod
    def from_texts(cls, texts: Iterable[str], tokenize: Words = words, k1: float = 1.5, b: float = 0.75) -> Index:
        """An index of ``texts``, whose words ``tokenize`` says."""
        vocabulary: dict[str, int] = {}
        number = vocabulary.setdefault
        numbered = [[number(w, len(vocabulary)) for w in tokenize(text)] for text in texts]
        return cls.from_numbers(numbered, vocabulary, tokenize, k1, b)

    @classmethod
    def from_numbers(
        cls,
        documents: Sequence[Sequence[int]],
        vocabulary: dict[str, int],
        tokenize: Words = words,
        k1: float = 1.5,
        b: float = 0.75,
    ) -> Index:
        """An index of documents whose words are numbers in ``vocabulary`` already."""
        document, word = _flat(documents)
        counts = counted(word, document, (len(vocabulary), len(documents)))
        return cls(weights_kernel()(counts, k1, b), vocabulary, tokenize)

    def search(self, queries: Sequence[str], k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """The best ``k`` documents of each query, and their scores: arrays of shape (queries, k).

        The best comes first, of equals the one with the lower number; where fewer than ``k`` documents have a word of
        the query, -1 and 0 follow.  Words that no document has are passed over, one that a query repeats counts twice.
        """
        number = self.vocabulary.get
        known = ([number(w, -1) for w in self.tokenize(q)] for q in queries)
        return self.search_numbers([[n for n in query if n >= 0] for query in known], k)

    def search_numbers(self, queries: Sequence[Sequence[int]], k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """``search`` for queries whose words are numbers in the vocabulary."""
        asked = counted(*_flat(queries), (len(queries), self.weights.shape[0]))
        return ranked(search_kernel(k)(asked, self.weights), k)

    def save(self, folder: str | Path) -> None:
        """Write the index into ``folder``, which is made."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        sp.write(folder / "weights.npz", self.weights)
        (folder / "vocabulary.txt").write_text("\n".join(self.vocabulary))

    @classmethod
    def load(cls, folder: str | Path, tokenize: Words = words) -> Index:
        """The index that ``save`` wrote; ``tokenize`` must be what it was made with."""
        folder = Path(folder)
        weights = sp.read(folder / "weights.npz")
        listed = (folder / "vocabulary.txt").read_text().split("\n") if weights.shape[0] else []
        return cls(weights, {w: n for n, w in enumerate(listed)}, tokenize)


def counted(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> sp.Tensor:
    """The matrix that counts how often each pair of ``row`` and ``column`` comes."""
    return sp.from_coo(np.stack([row, column]), np.ones(len(row), np.float32), shape, "csr", duplicates="sum")


def ranked(found: sp.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The entries of each row of ``found``, the greatest first: columns and values, padded with -1 and 0."""
    (row, column), value = found.coo()
    rows = found.shape[0]
    start = np.searchsorted(row, np.arange(rows))
    place = row, np.arange(len(row)) - start[row]
    columns, values = np.full((rows, k), -1), np.zeros((rows, k), np.float32)
    columns[place], values[place] = column, value
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(columns, order, 1), np.take_along_axis(values, order, 1)


def _flat(lists: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """For every number in ``lists`` which list it is in, and the number."""
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    flat = np.fromiter(chain.from_iterable(lists), np.int64, int(lengths.sum()))
    return np.repeat(np.arange(len(lists)), lengths), flat
