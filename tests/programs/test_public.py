"""The programs through ``sp.compile``: against NumPy, sparse results canonical."""

from __future__ import annotations

import numpy as np
import pytest

from tests.programs.cases import ALL
from tests.support.strategies import Data

pytest.importorskip("sparsec.api")
import sparsec as sp
from tests.support.public import call

SOME = [name for n, name in enumerate(ALL) if "finch" in name or "taco-2" in name or n % 3 == 0]
"""All run through the interpreter in ``test_lowered``; a third of the like ones is compiled."""


@pytest.mark.parametrize("name", SOME)
def test_against_numpy(name: str) -> None:
    case = ALL[name]
    program = case.source.program
    arrays = case.arrays(3)
    stored = {t.name: (arrays[t.name] != 0) | bool(t.format and t.format.is_dense) for t in program.operands}
    (got,) = call(sp.compile(case.source.text), program, Data(case.dims, arrays, stored)).values()
    assert got.tolist() == np.asarray(case.meaning(**arrays)).tolist()
