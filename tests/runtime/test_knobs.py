"""Environment knobs: read, checked, changed for a while."""

from pathlib import Path

import pytest

from sparsec.knobs import CHECKS, KnobError, Knobs, knobs, read, scope


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
        }
    )
    assert found == Knobs(frozenset({"cache", "lower"}), frozenset({"nan", "bounds"}), Path("/tmp/x"), 3 << 19, 3)
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
        ("SPARSEC_THREADS", "two"),
    ],
)
def test_wrong_values_name_their_variable(variable: str, text: str) -> None:
    with pytest.raises(KnobError, match=variable):
        read({variable: text})


def test_scope() -> None:
    before = knobs()
    with scope(threads=7, check={"nan"}) as inside:
        assert inside is knobs() and inside.threads == 7 and inside.checks("nan")
        with scope(threads=None):
            assert knobs().threads is None and knobs().checks("nan")
    assert knobs() is before
