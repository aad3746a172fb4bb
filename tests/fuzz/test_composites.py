"""Random programs with a composite operand, against the meaning of the same programs with a plain one."""

from __future__ import annotations

import pytest

import sparsec as sp
from sparsec.ir import buffer_verify, loops_verify, tensor_text, tensor_verify
from sparsec.ir.tensor import Program
from tests.support.campaign import Campaign, Check, Report, long_run, shards
from tests.support.composites import composite
from tests.support.differential import check, execute, expected, lower, walk_loops
from tests.support.dsl import text
from tests.support.dtypes import KEPT_WIDER
from tests.support.public import operand, result
from tests.support.strategies import Data, points


def stages(program: Program, sets: list[Data]) -> None:
    """Loop nests and buffer IR over the parts."""
    found = composite(program)
    if found is None:
        return
    assert tensor_text.parse_program(tensor_text.print_program(found.program)) == found.program
    for d in sets:
        whole, parts = found.apart(d)
        tensor_verify.verify(whole)
        low = lower(whole)
        loops_verify.verify(low.kernel)
        buffer_verify.verify(low.module)
        want, bound = expected(program, d)
        check({n: v for n, (v, _) in execute(low, parts).items()}, want, bound, "buffer IR")
        if points(program, d.dims) <= 300:
            check({n: v for n, (v, _) in walk_loops(low, parts).items()}, want, bound, "loop nests")


def front_door(program: Program, sets: list[Data]) -> None:
    """``sp.compile`` and ``sp.compose``; the tensor composed is the dense one."""
    found = composite(program)
    if found is None or any(t.dtype in KEPT_WIDER or t.role == "inout" for t in program.results):
        return
    try:
        kernel = sp.compile(text(found.program))
    except sp.ShapeError as e:
        assert "nothing says the extent" in e.message
        return
    t = found.decl
    assert t.format is not None
    for d in sets:
        parts = []
        for fmt, (array, pattern) in zip(t.format.parts, found.parts(d), strict=True):
            dims = tuple(range(t.ndim))
            parts.append(operand(type(t)(t.name, t.dtype, dims, fmt, t.fill, "in"), array, pattern))
        whole = sp.compose(str(t.format), parts)
        whole.validate()
        assert whole.numpy().tolist() == d.arrays[t.name].tolist()
        given = {
            o.name: whole if o.name == t.name else operand(o, d.arrays[o.name], d.stored[o.name])
            for o in program.operands
        }
        known = {x for o in program.operands for x in o.dims}
        sizes = {str(x): d.dims[str(x)] for o in program.results for x in o.dims if x not in known}
        got = kernel(**given, **({"sizes": sizes} if sizes else {}))
        values = got if len(program.results) > 1 else (got,)
        want, bound = expected(program, d)
        mine = {o.name: result(o, v) for o, v in zip(program.results, values, strict=True)}
        check(mine, want, bound, "public")


@pytest.mark.parametrize(("which", "examples"), [(stages, 30), (front_door, 6)])
def test_composites(which: Check, examples: int, report: Report) -> None:
    campaign = Campaign(which, examples, seed=20250)
    campaign.run()
    report(f"composites, {which.__name__}", campaign.summary())


@pytest.mark.fuzz
@pytest.mark.parametrize("shard", shards())
@pytest.mark.parametrize("which", [stages, front_door])
def test_many(which: Check, shard: int, report: Report) -> None:
    long_run(which, shard, report, 3, name=f"composites, {which.__name__}")
