"""The fuzzer's own packing of level arrays, by round trips and one worked example."""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.formats.named import named_format
from tests.support.packing import pack, unpack

DENSE = np.array([[0.0, 1, 0], [0, 0, 0], [2, 0, 3]])


def test_csr_and_coo_by_hand() -> None:
    levels, values = pack(named_format("csr", 2).concrete(), DENSE, DENSE != 0)
    assert levels[1]["pos"].tolist() == [0, 1, 1, 3] and levels[1]["crd"].tolist() == [1, 0, 2]
    assert values.tolist() == [1, 2, 3]
    levels, _ = pack(named_format("coo", 2).concrete(), DENSE, DENSE != 0)
    assert levels[0]["pos"].tolist() == [0, 3] and levels[0]["crd"].tolist() == [0, 2, 2]


@pytest.mark.parametrize("name", ["dense", "csr", "csc", "coo", "dcsr", "dcsc"])
def test_round_trip(name: str) -> None:
    fmt = named_format(name, 2).concrete()
    levels, values = pack(fmt, DENSE, DENSE != 0)
    dense, _ = unpack(fmt, levels, values, DENSE.shape, 0)
    assert dense.tolist() == DENSE.tolist()


def test_what_is_not_canonical_is_seen() -> None:
    fmt = named_format("csr", 2).concrete()
    levels, values = pack(fmt, DENSE, DENSE != 0)
    levels[1]["crd"][1:] = levels[1]["crd"][:0:-1].copy()
    with pytest.raises(AssertionError, match="not sorted"):
        unpack(fmt, levels, values, DENSE.shape, 0)
