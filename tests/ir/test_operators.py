"""Every operator, at every type it admits, means the same to the interpreters of tensor IR and of buffer IR."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from sparsec.ir import buffer_interp, ops
from sparsec.ir.buffer import Vec
from sparsec.ir.dtypes import ALL, BF16, BOOL, F64, DType
from sparsec.ir.tensor_values import apply, from_storage, held, round_to

VALUES: dict[str, list[Any]] = {
    "b": [True, False],
    "u": [0, 1, 2, 255, 7],
    "i": [0, 1, -1, 2, -128, 127, -7],
    "f": [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 0.3, 65504.0, 6e-8, 2.5, 0.5],
    "c": [0, 1, 1j, -1 + 2j, complex(np.inf, 0), complex(np.nan, 1)],
}
CASES = [(o, t, t) for o in ops.OPS for t in ALL if o != "cast" and ops.admits(o, t)]
CASTS = [("cast", t, to) for t in ALL for to in ALL]


def operands(op: str, t: DType, to: DType) -> tuple[np.ndarray[Any, Any], ...]:
    """All combinations of the type's values, as they are held."""
    values = round_to(np.array(VALUES[t.kind]).astype(held(t)), t)
    if op == "cast" and t.kind in "fc" and to.is_integer:
        values = values[np.isfinite(values) & (abs(values) < 100) & (values.real >= 0)]  # others give some integer
    parts = [np.array([True, False])] * (op == "select") + [values] * (ops.OPS[op].arity - (op == "select"))
    return tuple(np.array(column) for column in zip(*itertools.product(*parts), strict=True))


@pytest.mark.parametrize(("op", "t", "to"), CASES + CASTS, ids=str)
def test_same_meaning(op: str, t: DType, to: DType) -> None:
    args = operands(op, t, to)
    types = (BOOL, t, t) if op == "select" else (t,) * len(args)
    out = to if op == "cast" else ops.result_dtype(op, types)
    with np.errstate(all="ignore"):
        want = apply(op, args, out)
        lanes = buffer_interp.apply(op, args, tuple(Vec(s, len(want)) for s in types), Vec(out, len(want)))
        ones = []
        for point in zip(*args, strict=True):
            single = tuple(a.item() if s.kind in "bui" or s is F64 else a for a, s in zip(point, types, strict=True))
            ones.append(held(out).type(buffer_interp.apply(op, single, types, out)))
    for got in (lanes, np.array(ones)):
        assert ((got == want) | ((got != got) & (want != want))).all(), (args, want, got)
        assert round_to(np.asarray(got), out).dtype == held(out)


def test_storage_of_bf16() -> None:
    assert from_storage(np.array([0x3DCD], np.uint16), BF16).tolist() == [0.10009765625]
