"""The search example, against BM25 as one would write it down: word by word, document by document."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sparsec as sp

SEARCH = Path(__file__).resolve().parents[2] / "examples" / "search"
sys.path.append(str(SEARCH))
from bm25 import SEARCH as PROGRAM  # noqa: E402
from bm25 import Index, words  # noqa: E402
from synthetic import corpus, queries  # noqa: E402

TEXTS = ["a cat on a mat", "the dog and the cat", "rain", "", "a cat on a mat", "Cat! cat, cat.", "the dog and the mat"]


def scores(documents: list[list[str]], query: list[str], k1: float, b: float) -> np.ndarray:
    mean = sum(map(len, documents)) / len(documents)
    out = np.zeros(len(documents))
    for n, document in enumerate(documents):
        for word in query:
            seen = sum(word in d for d in documents)
            times = document.count(word)
            if times:
                rare = math.log(1 + (len(documents) - seen + 0.5) / (seen + 0.5))
                out[n] += rare * times / (times + k1 * (1 - b + b * len(document) / mean))
    return out


def check(index: Index, documents: list[list[str]], asked: list[list[str]], k: int, k1: float, b: float) -> None:
    found, got = index.search([" ".join(q) for q in asked], k)
    assert found.shape == got.shape == (len(asked), k)
    for query, columns, values in zip(asked, found, got, strict=True):
        want = scores(documents, query, k1, b)
        n = min(k, np.count_nonzero(want))
        assert (columns[n:] == -1).all() and (values[n:] == 0).all()
        np.testing.assert_allclose(values[:n], np.sort(want)[::-1][:n], rtol=1e-5)
        np.testing.assert_allclose(values[:n], want[columns[:n]], rtol=1e-5)
        assert len({*columns[:n]}) == n


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.4), (1.2, 0.0), (2.0, 1.0)])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_scores(k1: float, b: float, k: int) -> None:
    index = Index.from_texts(TEXTS, k1=k1, b=b)
    asked = [
        ["cat"],
        ["cat", "mat"],
        ["the", "dog"],
        ["cat", "cat", "rain"],
        [],
        ["unheard"],
        ["unheard", "rain", "of"],
    ]
    check(index, [words(t) for t in TEXTS], asked, k, k1, b)


def test_of_equals_the_first_comes_first() -> None:
    index = Index.from_texts(["x y", "y x", "x", "z", "x y", "y x"])
    assert index.search(["x y"], 4)[0].tolist() == [[0, 1, 4, 5]]
    assert index.search(["x y"], 3)[0].tolist() == [[0, 1, 4]]
    assert index.search(["z"], 2)[0].tolist() == [[3, -1]]


def test_nothing_to_search_and_nothing_asked() -> None:
    empty = Index.from_texts([])
    assert empty.search(["a"], 2)[0].tolist() == [[-1, -1]]
    index = Index.from_texts(["", ""])
    assert index.search(["a", ""], 1)[0].tolist() == [[-1], [-1]]
    found, got = Index.from_texts(TEXTS).search([], 3)
    assert found.shape == got.shape == (0, 3)


def test_a_synthetic_corpus() -> None:
    documents = corpus(400, vocabulary=300, words=30)
    assert documents == corpus(400, vocabulary=300, words=30) != corpus(400, vocabulary=300, words=30, seed=1)
    spelled = [[f"w{n}" for n in d] for d in documents]
    index = Index.from_texts([" ".join(d) for d in spelled])
    asked = [[f"w{n}" for n in q] for q in queries(documents, 30)]
    check(index, spelled, asked, 10, 1.5, 0.75)
    numbered = Index.from_numbers(documents, {f"w{n}": n for n in range(300)})
    np.testing.assert_allclose(
        numbered.search_numbers(queries(documents, 30))[1], index.search([" ".join(q) for q in asked])[1], rtol=1e-6
    )


def test_saved_and_read(tmp_path: Path) -> None:
    for texts in (TEXTS, ["", ""]):
        index = Index.from_texts(texts)
        index.save(tmp_path / "kept")
        again = Index.load(tmp_path / "kept")
        assert again.vocabulary == index.vocabulary
        for a, b in zip(index.search(["cat mat", "dog"]), again.search(["cat mat", "dog"]), strict=True):
            assert np.array_equal(a, b)


def test_no_score_is_stored_that_is_not_found() -> None:
    k = sp.compile(PROGRAM.replace("TOP", "10"))
    assert k.ir("loops").count("assemble") == 1 and "assemble S by bounded" in k.ir("loops")
    assert "T: fused: 'S' reads each row where it is made, none is stored" in k.explain()
    assert "S: parallel over q" in k.explain()


@pytest.mark.parametrize("arguments", [[], ["which format", "nowhereatall"], ["--zipf", "300"]])
def test_demo(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SEARCH / "demo.py"), *arguments],
        capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the scores agree with NumPy's" in done.stdout


def test_demo_reads_texts(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "one cat"}\n{"text": "two dogs"}\n')
    done = subprocess.run(
        [sys.executable, str(SEARCH / "demo.py"), "--texts", "t.jsonl", "dogs"],
        capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
    )  # fmt: skip
    assert "two dogs" in done.stdout and "one cat" not in done.stdout, done.stderr


def test_the_list_names_it() -> None:
    text = (SEARCH.parent / "README.md").read_text()
    assert "`search/`" in text
