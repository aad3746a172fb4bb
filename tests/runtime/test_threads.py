"""The number of threads: the knob, the call, the cores."""

import os
import subprocess
import sys
import threading

import pytest

from sparsec import knobs
from sparsec.errors import SparsecError
from sparsec.runtime.threads import get_num_threads, set_num_threads


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def test_set_and_get() -> None:
    before = knobs.knobs().threads
    try:
        set_num_threads(3)
        assert get_num_threads() == 3
        seen: list[int] = []
        t = threading.Thread(target=lambda: seen.append(get_num_threads()))
        t.start()
        t.join()
        assert seen == [3]
        with knobs.scope(threads=2):
            assert get_num_threads() == 2
        set_num_threads(None)
        assert get_num_threads() == cores()
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("n", [0, -1, 1025, 2.0, True, "2"])
def test_wrong_numbers(n: object) -> None:
    with pytest.raises(SparsecError, match="1 to 1024"):
        set_num_threads(n)  # type: ignore[arg-type]


def test_the_environment() -> None:
    code = "from sparsec.runtime.threads import get_num_threads; print(get_num_threads())"
    found = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"SPARSEC_THREADS": "5"}, capture_output=True, text=True
    )
    assert found.stdout == "5\n"
