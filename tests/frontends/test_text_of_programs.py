"""Random programs in tensor IR, printed as text and read back: the meaning is that of the program."""

from __future__ import annotations

import pytest

from sparsec.errors import ShapeError
from sparsec.ir.dtypes import I32
from sparsec.ir.tensor import Program
from tests.support.campaign import Campaign, Report, long_run, shards
from tests.support.differential import check, expected
from tests.support.dsl import text
from tests.support.language import kernel
from tests.support.strategies import Data


def same_meaning(program: Program, sets: list[Data]) -> None:
    """With the sums written out, and with those left out that the rule of implicit sums puts back."""
    if any(t.dtype is I32 for t in program.results):
        return  # the language adds small integers in i64, tensor IR as drawn here in i32
    for implicit in (False, True):
        source = text(program, implicit)
        try:
            read = kernel(source)
        except ShapeError as e:
            # A local that nothing reads over indices that nothing bounds: tensor IR declares it, a text cannot.
            assert "nothing says the extent" in e.message
            return
        for d in sets:
            want, bound = expected(program, d)
            got, _ = expected(read, d)
            check(got, want, bound, "implicit" if implicit else "explicit")


def test_same_meaning() -> None:
    Campaign(same_meaning, examples=150, seed=20243).run()


@pytest.mark.fuzz
@pytest.mark.parametrize("shard", shards())
def test_many(shard: int, report: Report) -> None:
    long_run(same_meaning, shard, report)
