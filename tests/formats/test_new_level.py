"""Adding a level type is one class and no change elsewhere: two defined here run through the whole compiler.

``mirrored`` stores a compressed coordinate as its distance from the end (read and written); ``bytemap`` keeps a byte
for every coordinate that says whether there is an entry (read by probing, it cannot be walked).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pytest

from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.formats.format import Format
from sparsec.formats.level import REGISTRY, CanLocate, Level, LevelView, register
from sparsec.formats.named import from_levels
from sparsec.ir.buffer import Const, Expr
from sparsec.ir.buffer_interp import run
from sparsec.ir.build import Builder, add, load, mul, op, sub
from sparsec.ir.dtypes import F64, U8, DType
from sparsec.ir.node import node
from sparsec.ir.tensor import Access, Assign, Index, IndexDecl, Map, Program, Reduce, TensorDecl
from sparsec.passes.lower import emit, plan


@node
class Mirrored(Compressed):
    name: ClassVar[str] = "mirrored"

    def coordinate(self, b: Builder, v: LevelView, pos: Expr) -> Expr:
        return sub(sub(v.extent, 1), Compressed.coordinate(self, b, v, pos))

    def put(self, b: Builder, v: LevelView, pos: Expr, coord: Expr) -> None:
        Compressed.put(self, b, v, pos, sub(sub(v.extent, 1), coord))


@node
class Bytemap(Level, CanLocate):
    name: ClassVar[str] = "bytemap"

    def arrays(self) -> dict[str, DType]:
        return {"map": U8}

    def size(self, b: Builder, v: LevelView, parents: Expr) -> Expr:
        return mul(parents, v.extent)

    def locate(self, b: Builder, v: LevelView, parent: Expr, coord: Expr) -> tuple[Expr, Expr]:
        pos = b.let("slot", add(mul(parent, v.extent), coord))
        return pos, op("ne", load(v.arrays["map"], pos), Const(0, U8))


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register(Mirrored)
    register(Bytemap)
    yield
    del REGISTRY["mirrored"], REGISTRY["bytemap"]


def tensor(name: str, dims: tuple[str, ...], fmt: Format, role: str) -> TensorDecl:
    return TensorDecl(name, F64, dims, fmt.concrete(), 0.0, role)


A = Access("A", (Index("i"), Index("j")), F64)
SHAPE = {"m": IndexDecl("i", "m"), "n": IndexDecl("j", "n")}
DENSE = np.array([[0.0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 4]])
POS, CRD, VALS = np.array([0, 2, 2, 4], np.int32), np.array([1, 3, 0, 3], np.int32), np.array([1.0, 2, 3, 4])


def test_mirrored_is_read_and_written() -> None:
    fmt = from_levels("mcsr", (Dense(), Mirrored()))
    program = Program(
        "scale",
        (tensor("A", ("m", "n"), fmt, "in"), tensor("C", ("m", "n"), fmt, "out")),
        (Assign(Access("C", A.indices, F64), "=", Map("mul", (A, A), F64), tuple(SHAPE.values())),),
    )
    module = emit(plan(program))
    # Ascending coordinates are descending distances from the end.
    out = run(module, {"A_pos1": POS, "A_crd1": 3 - CRD, "A_vals": VALS, "dim_m": 3, "dim_n": 4})
    assert out["C_pos1_out"].tolist() == POS.tolist()
    assert out["C_crd1_out"].tolist() == (3 - CRD).tolist()
    assert out["C_vals_out"].tolist() == (VALS**2).tolist()


@pytest.mark.parametrize("other", ["dense", "csr"])
def test_bytemap_is_probed(other: str) -> None:
    fmt = from_levels("bytes", (Dense(), Bytemap()))
    levels = (Dense(), Dense()) if other == "dense" else (Dense(), Compressed())
    product = Map("mul", (A, Access("B", A.indices, F64)), F64)
    program = Program(
        "dots",
        (
            tensor("A", ("m", "n"), fmt, "in"),
            tensor("B", ("m", "n"), from_levels(None, levels), "in"),
            tensor("y", ("m",), from_levels(None, (Dense(),)), "out"),
        ),
        (Assign(Access("y", (Index("i"),), F64), "=", Reduce("add", ("j",), product, F64), tuple(SHAPE.values())),),
    )
    y = np.full(3, 99.0)
    args = {"A_map1": (DENSE != 0).astype(np.uint8).ravel(), "A_vals": DENSE.ravel(), "y_vals": y}
    args |= {"dim_m": 3, "dim_n": 4}
    args |= {"B_vals": DENSE.ravel()} if other == "dense" else {"B_pos1": POS, "B_crd1": CRD, "B_vals": VALS}
    run(emit(plan(program)), args)
    assert y.tolist() == (DENSE * DENSE).sum(1).tolist()
