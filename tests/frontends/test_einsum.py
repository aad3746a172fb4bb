"""Einsum strings against NumPy's; wrong ones stand in ``tests/errors/test_programs.py``."""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.formats.named import csr
from sparsec.frontends.dsl import OperandType
from sparsec.frontends.einsum import einsum_program
from sparsec.ir.dtypes import F64, from_numpy
from tests.support.language import checked, run

SPECS = [
    ("ij,j->i", (3, 4), (4,)),
    ("ik,kj->ij", (3, 4), (4, 5)),
    ("ik,kj", (3, 4), (4, 5)),
    ("ba", (3, 4)),
    ("ij->ji", (3, 4)),
    ("ij->", (3, 4)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("ii,i->i", (3, 3), (3,)),
    ("i,j->ij", (2,), (3,)),
    ("i,j->", (2,), (3,)),
    ("ijk,kl,jl->il", (2, 3, 4), (4, 5), (3, 5)),
    ("ab,bc,cd->ad", (2, 3), (3, 4), (4, 2)),
    ("AB,BC->AC", (2, 3), (3, 4)),
    ("aA,AB", (2, 3), (3, 4)),
    (" i j , j k -> i k ", (2, 3), (3, 4)),
    (",ij->ji", (), (2, 3)),
    (",", (), ()),
    ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
    ("...ij,jk->...ik", (2, 3, 4), (4, 5)),
    ("...i,...j", (2, 3), (2, 4)),
    ("i...->...i", (2, 3, 4)),
    ("...", (2, 3)),
    ("...,...->...", (2, 3), (3,)),
]  # fmt: skip


@pytest.mark.parametrize("spec, shapes", [(s, shapes) for s, *shapes in SPECS], ids=[s[0] for s in SPECS])
def test_against_numpy(spec: str, shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(5)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    program = checked(einsum_program(spec, [OperandType(F64, a.ndim) for a in arrays]))
    assert [t.name for t in program.operands] == list("ABC"[: len(arrays)]) and program.results[0].name == "R"
    got = run(program, **dict(zip("ABC", arrays, strict=False)))
    np.testing.assert_allclose(got, np.einsum(spec, *arrays), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["bool", "int32", "uint8", "float32", "complex128"])
def test_dtypes(dtype: str) -> None:
    """Sums of bools are ``any``, those of small integers are kept wide."""
    a = np.array([[1, 0], [1, 1]]).astype(dtype)
    operand = OperandType(from_numpy(a.dtype), 2, None, a.dtype.type(0).item())
    got = run(checked(einsum_program("ij,jk->ik", [operand, operand])), A=a, B=a)
    wide = {"int32": np.int64, "uint8": np.uint64}.get(dtype, np.dtype(dtype))
    assert got.dtype == wide and got.tolist() == (a.astype(wide) @ a.astype(wide)).tolist()


def test_names_that_are_taken_and_formats() -> None:
    program = checked(einsum_program(",".join(["i"] * 18) + "->i", [OperandType(F64, 1)] * 18))
    assert program.results[0].name == "R_" and program.operands[-1].name == "R"
    program = einsum_program("ij,j->i", [OperandType(F64, 2, csr(2)), OperandType(F64, 1)])
    assert program.operands[0].format == csr(2) and program.results[0].format is None
    assert program.operands[0].dims == ("i", "j")
