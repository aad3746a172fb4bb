"""Random programs on operands that are not finite: where ``SPARSEC_CHECK=nan`` is silent, IEEE arithmetic holds."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import sparsec as sp
from sparsec.errors import AnnihilatedWarning, BackendError, UnsupportedError
from sparsec.ir.dtypes import F32, F64
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Program, Reduce, Softmax, Stored
from sparsec.ir.tensor_bounds import evaluate
from sparsec.knobs import scope
from tests.support.campaign import Campaign, Check, Report, long_run, shards
from tests.support.differential import check
from tests.support.dsl import text
from tests.support.public import call
from tests.support.strategies import Data
from tests.support.tuples import has_state

SPECIAL = (np.inf, -np.inf, np.nan, 0.0)


def spoiled(program: Program, data: Data, seed: int) -> Data:
    """The data with what is not finite, and zeros, at some of the stored places of floats."""
    rng = np.random.default_rng(seed)
    arrays = dict(data.arrays)
    for t in program.operands:
        if t.dtype.is_float and t.ndim and not (t.format is not None and t.format.symmetric):
            places = data.stored[t.name] & (rng.random(arrays[t.name].shape) < 0.2)
            arrays[t.name] = np.where(places, rng.choice(SPECIAL, places.shape), arrays[t.name]).astype(t.dtype.np)
    return replace(data, arrays=arrays)


def silence(program: Program, sets: list[Data]) -> None:
    """Nothing reported: the result is that of dense operands."""
    nodes = list(walk(program))
    if any(t.dtype not in (F32, F64) for t in program.tensors):
        return
    # Which entries there are is asked; a state of several parts may skip what it declares to.
    if any(isinstance(n, Stored | Softmax) or (isinstance(n, Reduce) and has_state(n)) for n in nodes):
        return
    try:
        kernel = sp.compile(text(program))
    except sp.ShapeError as e:
        assert "nothing says the extent" in e.message
        return
    for n, d in enumerate(sets):
        d = spoiled(program, d, n)
        with warnings.catch_warnings(record=True) as found, scope(check={"nan"}):
            warnings.simplefilter("always")
            try:
                call(kernel, program, d)
            except UnsupportedError:
                raise
            except BackendError as e:
                assert "is NaN" in e.message
        if any(w.category is AnnihilatedWarning for w in found):
            continue
        everything = {name: np.ones(np.shape(a), bool) for name, a in d.arrays.items()}
        with np.errstate(all="ignore"):
            want, bound = evaluate(program, d.arrays, d.dims, everything)
        got = {name: np.asarray(a) for name, a in call(kernel, program, d).items()}
        if any(isinstance(n, Reduce) and n.monoid == "add" for n in nodes):
            # Sums are reordered, and parted from factors: inf * (inf + x) is inf, inf * inf + inf * x may be NaN.
            got = {n: np.where(np.isfinite(a) | np.isfinite(want[n]), a, want[n]) for n, a in got.items()}
            if 0 in d.dims.values():  # and meet sums of no terms
                got = {n: np.where(np.isnan(a) & (want[n] == 0), want[n], a) for n, a in got.items()}
        check(got, want, bound, "where nothing is reported")


def test_silence(report: Report) -> None:
    campaign = Campaign(silence, examples=20, seed=20245)
    campaign.run()
    report("silence", campaign.summary())


@pytest.mark.fuzz
@pytest.mark.parametrize("shard", shards())
@pytest.mark.parametrize("which", [silence])
def test_many(which: Check, shard: int, report: Report) -> None:
    long_run(which, shard, report)
