"""Known programs in random formats: the published expressions of others, and templates of what is not drawn."""

from __future__ import annotations

import os
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

import sparsec as sp
from sparsec.errors import FormatError, UnsupportedError
from sparsec.frontends.dsl import parse_source
from sparsec.knobs import Knobs, scope
from tests.published.cases import Published
from tests.published.test_published import ALL as PUBLISHED
from tests.support import dtypes, templates
from tests.support.campaign import Report, shards
from tests.support.differential import check, execute, expected, lower
from tests.support.groups import fitted
from tests.support.public import call
from tests.support.stages import program_of
from tests.support.strategies import Data, expand, formats
from tests.support.windows import holds

ALL = {**PUBLISHED, **templates.ALL}


@st.composite
def chosen(draw: st.DrawFn) -> tuple[Published, dict[str, str], int, float]:
    """A program, a format for each of its tensors, a seed and a density."""
    name = draw(st.sampled_from(sorted(templates.ALL)) | st.sampled_from(sorted(ALL)))
    case = ALL[name]
    (program,) = parse_source(case.text({})).kernels.values()
    given = {}
    for t in program.tensors:
        if t.ndim and t.role != "local":
            fmt = draw(formats(t.ndim, result=t.role != "in"))
            plain = fmt.is_dense and fmt.order == tuple(range(t.ndim))
            given[t.name] = "" if plain else str(fmt).replace("fixed[5", "fixed[40")
    return case, given, draw(st.integers(0, 2**16)), draw(st.sampled_from([0.3, 0.6, 0.0, 1.0]))


def data_for(case: Published, program: object, number: int, density: float) -> Data:
    """Whole numbers at random places; indices inside of what they index."""
    rng = np.random.default_rng(number)
    arrays, stored = {}, {}
    for t in program.operands:  # type: ignore[attr-defined]
        shape = tuple(d if isinstance(d, int) else case.dims[d] for d in t.dims)
        values = rng.integers(0 if t.dtype.kind in "bui" else -3, 2 if t.dtype.kind == "b" else 3, shape)
        kept = np.asarray(rng.random(shape) < density) | t.format.is_dense
        if t.dtype.kind in "iu" and t.name in case.data:
            values = np.asarray(case.data[t.name])
            kept = kept | (values != t.fill)
        kept = fitted(t.format, kept & holds(t.format, shape))
        arrays[t.name] = np.where(kept, dtypes.stored(values, t.dtype), dtypes.element(t.fill, t.dtype))
        stored[t.name] = expand(t.format, kept)
    return Data(dict(case.dims), arrays, stored)


def agrees(case: Published, given: dict[str, str], number: int, density: float) -> None:
    """Buffer IR and machine code against the reference meaning."""
    declared = dict(case.fills)
    results = [d.strip().partition(":")[0] for d in case.results.split(";")]
    fills = {n: f for n, f in declared.items() if given.get(n) or n not in given}
    shown = Published(case.name, case.source, case.operands, case.results, case.body, case.dims, data=case.data,
                      before=case.before, fills=fills)  # fmt: skip
    try:
        program = program_of(shown.text(given))
        low = lower(program)
    except FormatError as e:
        assert "where no operand has an entry" in e.message, e
        given = {n: "" if n in results else f for n, f in given.items()}  # a fill that nobody declared: dense
        program = program_of(shown.text(given))
        low = lower(program)
    data = data_for(case, low.program, number, density)
    want, bound = expected(low.program, data)
    check({n: v for n, (v, _) in execute(low, data).items()}, want, bound, "buffer IR")
    check(call(sp.compile(shown.text(given)), program, data), want, bound, "public")


def campaign(examples: int, number: int) -> dict[str, int]:
    counts: Counter[str] = Counter()

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(chosen())
    def one(drawn: tuple[Published, dict[str, str], int, float]) -> None:
        counts["programs"] += 1
        try:
            with scope(opt=Knobs().opt if counts["programs"] % 10 == 0 else 0):
                agrees(*drawn)
        except UnsupportedError:
            counts["unsupported"] += 1
            return
        counts["runs"] += 1

    one()
    return {"programs": 0, "runs": 0, "unsupported": 0, **counts, "seed": number}


def test_some(report: Report) -> None:
    report("formats", campaign(25, 20244))


@pytest.mark.fuzz
@pytest.mark.parametrize("shard", shards())
def test_many(shard: int, report: Report) -> None:
    chosen_seed = int(os.environ.get("SPARSEC_FUZZ_SEED", "0")) + shard
    report("formats", campaign(125, chosen_seed))
