"""Search this project's own documentation, a paragraph a document, and check every score against plain NumPy.

python examples/search/demo.py [QUERY ...]                  search
python examples/search/demo.py --zipf 100000                time 1,000 queries on as many synthetic documents
python examples/search/demo.py --texts FILE.jsonl.gz QUERY  search the "text" of each line of a file
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from bm25 import Index, words
from synthetic import corpus, queries

ROOT = Path(__file__).resolve().parents[2]
QUERIES = ("which results are counted before they are filled", "a matrix that is a sum of two formats", "semiring")


def plain(
    documents: Sequence[Sequence[object]], query: Sequence[object], k1: float = 1.5, b: float = 0.75
) -> np.ndarray:
    """The scores of all documents, word by word."""
    long = np.array([len(d) for d in documents])
    scores = np.zeros(len(documents))
    for word in query:
        times = np.array([d.count(word) for d in documents])
        seen = np.count_nonzero(times)
        if seen:
            rare = np.log(1 + (len(documents) - seen + 0.5) / (seen + 0.5))
            scores += rare * times / (times + k1 * (1 - b + b * long / long.mean()))
    return scores


def paragraphs() -> list[str]:
    """The paragraphs of the documentation."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [p.strip() for page in pages for p in page.read_text().split("\n\n") if p.strip()]


def read(path: str) -> list[str]:
    """The texts of a file of JSON lines, gzipped or not."""
    with gzip.open(path, "rt") if path.endswith(".gz") else Path(path).open() as lines:
        return [json.loads(line)["text"] for line in lines]


def show(texts: list[str], asked: Sequence[str]) -> None:
    """Search ``texts`` and print the three best documents of each query."""
    start = perf_counter()
    index = Index.from_texts(texts)
    print(
        f"{len(texts):,} documents, {len(index.vocabulary):,} words, indexed in {1e3 * (perf_counter() - start):.0f} ms"
    )
    found, scores = index.search(asked)
    documents = [words(t) for t in texts]
    for query, best, score in zip(asked, found, scores, strict=True):
        print(f"\n{query}")
        for n, s in zip(best[:3], score, strict=False):
            if n >= 0:
                print(f"  {s:6.2f}  {' '.join(texts[n].split())[:100]}")
        want = plain(documents, words(query))
        there = best >= 0
        np.testing.assert_allclose(score[there], want[best[there]], rtol=1e-5)
        np.testing.assert_allclose(score, np.sort(want)[::-1][: len(score)], rtol=1e-5)
    print("\nthe scores agree with NumPy's")


def time(count: int) -> None:
    """Index ``count`` synthetic documents, and search them."""
    documents = corpus(count)
    start = perf_counter()
    index = Index.from_numbers(documents, {str(n): n for n in range(50_000)})
    print(f"{count:,} documents, {index.weights.nnz:,} entries, indexed in {perf_counter() - start:.2f} s")
    asked = queries(documents, 1000)
    taken = []
    for _ in range(10):
        start = perf_counter()
        _, scores = index.search_numbers(asked)
        taken.append(perf_counter() - start)
    print(f"{len(asked) / min(taken):,.0f} queries a second")
    np.testing.assert_allclose(scores[0], np.sort(plain(documents, asked[0]))[::-1][:10], rtol=1e-5)
    print("the scores agree with NumPy's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("query", nargs="*", default=QUERIES)
    parser.add_argument("--zipf", type=int, metavar="N", help="time synthetic documents")
    parser.add_argument("--texts", metavar="FILE", help="JSON lines with a text each")
    options = parser.parse_args()
    if options.zipf:
        time(options.zipf)
    else:
        show(read(options.texts) if options.texts else paragraphs(), options.query)


if __name__ == "__main__":
    main()
