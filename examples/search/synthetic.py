"""Documents and queries out of a hat: words as frequent as Zipf's law says, the most common ones left out."""

from __future__ import annotations

import numpy as np

COMMON = 100
"""Words that a search engine would not index ("the", "of"): the frequencies begin after them."""


def corpus(documents: int, vocabulary: int = 50_000, words: float = 60, seed: int = 0) -> list[list[int]]:
    """``documents`` lists of the numbers of words; their lengths are log-normal around ``words``.

    A topic makes some words more likely than they are everywhere, as in texts: a word that comes once comes again.
    """
    rng = np.random.default_rng(seed)
    lengths = np.maximum(1, rng.lognormal(np.log(words) - 0.18, 0.6, documents).astype(np.int64))
    drawn = _draw(rng, vocabulary, int(lengths.sum()))
    ends = np.cumsum(lengths)
    starts = ends - lengths
    again = rng.random(len(drawn)) < 0.25
    earlier = starts.repeat(lengths) + (rng.random(len(drawn)) * lengths.repeat(lengths)).astype(np.int64)
    drawn = np.where(again, drawn[earlier], drawn)
    return [part.tolist() for part in np.split(drawn, ends[:-1])]


def queries(documents: list[list[int]], count: int, words: int = 5, seed: int = 1) -> list[list[int]]:
    """``count`` queries, each of ``words`` different words of one document, or of all that it has."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(documents), count)
    return [rng.permutation(np.unique(documents[n]))[:words].tolist() for n in chosen]


def _draw(rng: np.random.Generator, vocabulary: int, count: int) -> np.ndarray:
    heights = np.cumsum(1.0 / (COMMON + 1 + np.arange(vocabulary)))
    return np.searchsorted(heights, rng.random(count) * heights[-1])
