"""Numbers for people, tables, JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparsec.cli import words
from sparsec.cli.output import plain, plain_table


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (words.count(247686), "247,686"),
        (words.shape((63436, 2)), "63,436 x 2"),
        (words.shape(()), "()"),
        (words.size(999), "999 bytes"),
        (words.size(1999999), "2.0 MB"),
        (words.size(268435456), "268 MB"),
        (words.size(5e15), "5000.0 TB"),
        (words.duration(1.2345), "1.23 s"),
        (words.duration(0.0123), "12.3 ms"),
        (words.duration(123.4e-6), "123 us"),
        (words.duration(5e-9), "5.00 ns"),
        (words.duration(0), "0 s"),
        (words.significant(0.012345), "0.0123"),
        (words.significant(1234.5), "1,234"),
        (words.share(1, 3), "33.3 %"),
        (words.share(1, 100000), "0.001 %"),
        (words.share(0, 0), "-"),
        (words.value(True), "true"),
        (words.value(1234), "1,234"),
        (words.value(0.1 + 0.2), "0.3"),
        (words.value(1 - 2j), "1-2j"),
    ],
)
def test_words(got: str, expected: str) -> None:
    assert got == expected


def test_table() -> None:
    lines = list(plain_table(["name", "n"], [False, True], [("a", "1"), ("long", "12,345")]))
    assert lines == ["name       n", "a          1", "long  12,345"]


def test_json() -> None:
    content = {"a": np.int64(3), "b": [np.float32(0.5), float("nan"), float("inf")], "c": 1j, "d": (True, None)}
    assert json.loads(json.dumps(plain(content), allow_nan=False)) == {
        "a": 3, "b": [0.5, "nan", "inf"], "c": "1j", "d": [True, None],
    }  # fmt: skip
