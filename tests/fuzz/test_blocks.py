"""Random scan blocks against the reference interpreter: every result begins as NaN, so what is not written shows."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.support.blocks import check_block
from tests.support.campaign import KINDS, SHARD, Report, shards


def run(seeds: range, report: Report) -> Counter[str]:
    found = Counter(map(check_block, seeds))
    counts = {"programs": len(seeds), "runs": 3 * len(seeds), "unsupported": found["unsupported"], "seed": seeds.start}
    report("blocks", counts)
    assert found["unsupported"] <= 0.4 * len(seeds) + 5
    return found


def test_blocks(report: Report) -> None:
    assert run(range(40), report)["ok"] > 5


@pytest.mark.fuzz
@pytest.mark.parametrize("shard", shards())
def test_many(shard: int, report: Report) -> None:
    first = int(os.environ.get("SPARSEC_FUZZ_SEED", "0")) * 100_000 + shard * SHARD
    most = -(-int(os.environ.get("SPARSEC_FUZZ_EXAMPLES", "20000")) // KINDS) - shard * SHARD
    run(range(first, first + min(SHARD, most)), report)
