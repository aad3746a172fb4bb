"""Environment knobs: read, checked, changed for a while."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparsec.knobs import CHECKS, KnobError, Knobs, change, knobs, read, scope


def test_nothing_set() -> None:
    assert read({}) == Knobs() and Knobs().cache_size == 256 << 20


def test_everything_set() -> None:
    found = read(
        {
            "SPARSEC_LOGS": "cache, lower",
            "SPARSEC_CHECK": "nan,bounds",
            "SPARSEC_CACHE_DIR": "/tmp/x",
            "SPARSEC_CACHE_SIZE": "1.5M",
            "SPARSEC_THREADS": " 3 ",
            "SPARSEC_OPT": "1",
        }
    )
    assert found == Knobs(frozenset({"cache", "lower"}), frozenset({"nan", "bounds"}), Path("/tmp/x"), 3 << 19, 3, 1)
    assert found.checks("nan") and not found.checks("verify")
    assert read({"SPARSEC_CHECK": "all"}).check == frozenset(CHECKS)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SPARSEC_CHECK", "nan,boundz"),
        ("SPARSEC_CACHE_SIZE", "lots"),
        ("SPARSEC_CACHE_SIZE", "-1"),
        ("SPARSEC_CACHE_SIZE", "inf"),
        ("SPARSEC_THREADS", "0"),
        ("SPARSEC_OPT", "4"),
        ("SPARSEC_THREADS", "two"),
    ],
)
def test_wrong_values_name_their_variable(variable: str, text: str) -> None:
    with pytest.raises(KnobError, match=variable):
        read({variable: text})


def test_hints_say_what_is_expected() -> None:
    with pytest.raises(KnobError) as caught:
        read({"SPARSEC_CACHE_SIZE": "abc"})
    assert str(caught.value) == (
        "SPARSEC_CACHE_SIZE='abc': this is no size\n"
        "hint: expected a number of bytes, or with a suffix K, M, G as in 256M; 0 turns the cache off"
    )


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("threads", "2"), ("threads", 0), ("threads", 2.0), ("threads", True), ("threads", 1025),
        ("opt", 4), ("opt", -1), ("opt", "3"),
        ("cache_size", "x"), ("cache_size", -1), ("cache_size", None),
        ("cache_dir", 3), ("check", {"zzz"}), ("check", "nan"), ("check", None), ("logs", 1), ("logs", {1}),
        ("thread", 2),
    ],
)  # fmt: skip
def test_wrong_changes_name_their_knob(knob: str, value: Any) -> None:
    before = knobs()
    with pytest.raises(KnobError, match=f"'{knob}'"), scope(**{knob: value}):
        pass
    with pytest.raises(KnobError, match=f"'{knob}'"):
        change(**{knob: value})
    assert knobs() is before


def test_scope() -> None:
    before = knobs()
    with scope(threads=7, check={"nan"}) as inside:
        assert inside is knobs() and inside.threads == 7 and inside.checks("nan")
        with scope(threads=None, cache_size=np.int64(5), check=["all"]):
            assert knobs().threads is None and knobs().cache_size == 5 and knobs().check == frozenset(CHECKS)
        with scope(threads=None):
            assert knobs().threads is None and knobs().checks("nan")
    assert knobs() is before
