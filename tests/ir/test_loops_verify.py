"""Every hand-written kernel is sound, and each way to break one gets its own message."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from sparsec.errors import VerifyError
from sparsec.formats.named import named_format
from sparsec.ir.dtypes import F64, I64
from sparsec.ir.loops import Accumulate, Assemble, Forall, Full, Kernel, Tile
from sparsec.ir.loops_text import parse_kernel
from sparsec.ir.loops_verify import verify
from sparsec.ir.tensor import Access, Dim, Expr, Index, Literal, Map, Reduce

sys.path.insert(0, str(Path(__file__).parent))
from loop_kernels import (
    ADD_APPEND,
    COO_SCATTER,
    LONGEST,
    MASKED,
    NAMES,
    RUNNING,
    SHORTEST,
    SOLVE,
    SPGEMM_BITMAP,
    SPMM_PANEL,
    SPMV,
    TILE_MATMUL,
    TOP,
)


@pytest.mark.parametrize("name", NAMES)
def test_sound(name: str) -> None:
    verify(parse_kernel(NAMES[name]))


# (text, what to replace, by what, the message)
BROKEN = [
    # declarations
    (SPMV, "  out y:", "  in x: f64[n] dense fill(0.0)\n  out y:", "'x' is declared twice"),
    (SPMV, "compressed[index=i32, pos=i32]", "compressed[index=i32]", "leaves its index and position widths open"),
    (SPMV, "compressed[index=i32, pos=i32]", "slots", "cannot run"),
    (SPMV, "out y: f64[m] dense fill(0.0)", "out y: f64[m] dense fill(true)", "the fill True does not fit f64"),
    # indices
    (SPMV, "forall j in n", "forall i in n", "index 'i' is bound already"),
    (SPMV, "x[j]", "x[k]", "index 'k' is not bound"),
    (SPMV, "forall j in n", "forall t in n", "index 't' has the name of a tensor"),
    (SPMV, "forall i in m parallel", "forall x in m parallel", "index 'x' has the name of a tensor"),
    (TILE_MATMUL, "tile i < 4, j < 4, k < 2", "tile i < 4, i < 4, k < 2", "index 'i' is bound twice"),
    (COO_SCATTER, "forall (i, j) in", "forall (j, i) in", "the indices must be those of 'A', in its order"),
    # domains
    (SPMV, "forall j in n", "forall j in q", "no tensor has the dimension 'q'"),
    (SPMV, "forall j in n", "forall j in m", "index 'j' runs over m, 'A' expects n"),
    (
        SPMM_PANEL, "forall k in chunk(ko, 4, d) vector", "forall k in chunk(ko, 8, d) vector",
        "'ko' does not run over chunks(d, 8)",
    ),
    (SPMM_PANEL, "forall ko in chunks(d, 4)", "forall ko in chunks(n, 4)", "'ko' does not run over chunks(d, 4)"),
    (
        SPMM_PANEL, "forall k in chunk(ko, 4, d) unroll", "forall k in d unroll",
        "index 'k' runs over d, 'w' expects chunk(ko, 4, d)",
    ),
    (
        SPMM_PANEL, "forall k in chunk(ko, 4, d) vector", "forall k in chunk(i, 4, d) vector",
        "'i' does not run over chunks(d, 4)",
    ),
    (
        SPMM_PANEL, "forall k in chunk(ko, 4, d) vector", "forall k in chunk(z, 4, d) vector",
        "the chunk's index 'z' is not bound",
    ),
    (SPMM_PANEL, "chunks(d, 4)", "chunks(d, 0)", "chunks of size 0"),
    (TILE_MATMUL, "w[i in 4, j in 4]", "w[i in 5, j in 4]", "index 'i' runs over 4, 'w' expects 5"),
    (TILE_MATMUL, "tile i < 4, j < 4, k < 2", "tile i < 4, j < 4, k < 0", "tile index 'k' has the extent 0"),
    # marks
    (SPMM_PANEL, "vector(4)", "vector(0)", "0 vector lanes"),
    (SPMV, "forall i in m parallel", "forall i in m parallel ordered", "cannot be ordered and parallel at once"),
    (RUNNING, "ordered reverse", "reverse", "forall 'j' runs in reverse: say that it is ordered"),
    # workspaces
    (RUNNING, "ordered reverse", "", "workspace 'w' is read while it is produced, outside of an ordered forall"),
    (
        RUNNING.replace("i in m parallel", "i in m ordered"), "n ordered reverse", "n",
        "workspace 'w' is read while it is produced, outside of an ordered forall",
    ),
    (TOP, "f64 list keep 2", "f64 bitmap keep 2", "bitmap workspace 'w' keeps 2 entries: a list may keep one or more"),
    (TOP, "keep 2", "keep 0", "list workspace 'w' keeps 0 entries: a list may keep one or more"),
    (SOLVE, "n ordered reverse", "n", "'x' is read while it is assembled, outside of an ordered forall"),
    (
        SOLVE.replace("out x: f64[n] dense", "out x: f64[n] (i) -> (i: compressed[index=i32, pos=i32])"),
        "by insert", "by append", "'x' is read while it is assembled, and is not dense",
    ),
    (
        SPMV.replace("t[]", "x[]"), "workspace t: f64 scalar", "workspace x: f64 scalar",
        "workspace 'x' hides another tensor",
    ),
    (SPMV, "f64 scalar init", "f64 dense init", "dense workspace 't' has no dimensions"),
    (SPGEMM_BITMAP, "f64 bitmap init", "f64 scalar init", "scalar workspace 'w' has dimensions"),
    (SPGEMM_BITMAP, "f64 bitmap init", "f64 registers init", "registers 'w' need constant extents, 'k' has none"),
    (SPMV, "init 0.0", "init true", "the initial value True does not fit f64"),
    (SPMV, "y[i] = t[]", "t[] = 1.0:f64", "workspace 't' is written while it is consumed"),
    (SPMV, "mul(A[i, j], x[j])", "mul(A[i, j], t[])", "workspace 't' is read while it is produced"),
    (SPGEMM_BITMAP, "A[i, j], ", "w[k], ", "workspace 'w' is read while it is produced"),
    (LONGEST, "w[j] max= A", "w[j] min= A", "list workspace 'w' folds with 'max', not 'min'"),
    # loop order, assembly, targets
    (
        ADD_APPEND, "forall i in m {\n      forall j in n", "forall j in n {\n      forall i in m",
        "stores 'i' above 'j', the loops nest the other way",
    ),
    (SPMV, "assemble y by insert", "assemble y by append", "'y' is dense: assemble it by insert, not by append"),
    (SPGEMM_BITMAP, "assemble C by count", "assemble C by insert", "'C' cannot be assembled by insert"),
    (SPMV, "assemble y by insert", "assemble x by insert", "operand 'x' cannot be assembled"),
    (SHORTEST, "assemble e by insert", "assemble t by insert", "'t' is assembled twice"),
    (SHORTEST, "e[j] = min", "t[j] = min", "'t' is written outside of its assembly"),
    (SHORTEST, "t[j] min= add(d[i], G[i, j])", "t[j] min= add(e[i], G[i, j])", "'e' is read before it is assembled"),
    (
        SHORTEST, "t[j] min= add(d[i], G[i, j])", "t[j] min= add(t[i], G[i, j])",
        "'t' is read while it is assembled, outside of an ordered forall",
    ),
    (SPMV, "y[i] = t[]", "y[sub(i, i)] = t[]", "its indices lack 'i'"),
    (COO_SCATTER, "y[j] add=", "x[i] add=", "operand 'x' is written"),
    (ADD_APPEND, "C[i, j] =", "C[i, add(j, 0:i64)] =", "the indices of sparse 'C' must be plain index variables"),
    # races
    (
        SHORTEST, "forall i in n {", "forall i in n parallel {",
        "'t' is written by every iteration of the parallel forall 'i'",
    ),
    (
        ADD_APPEND, "forall i in m", "forall i in m parallel",
        "'C' is assembled by append, which the parallel forall 'i' cannot do",
    ),
    (TILE_MATMUL, "C[add(mul(io, 4:i64), i)", "C[add(mul(io, 3:i64), i)", "the parallel forall 'io'"),
    # conditions
    (MASKED, "if lt(j, i)", "if sub(j, i)", "a condition is a bool, not i64"),
    (MASKED, "if lt(j, i)", "if lt(j, k)", "index 'k' is not bound"),
    (
        MASKED, "if lt(j, i)", "if lt(mul(A[i, j], A[i, j]), 1.0:f64)",
        "'C' cannot be assembled by count: a condition computes with floats, and runs twice",
    ),
    # types
    (COO_SCATTER, "add= mul(", "or= mul(", "'or' does not fit f64"),
    (COO_SCATTER, "add= mul(", "argmin= mul(", "'argmin' has a tuple state and cannot update in place"),
    (COO_SCATTER, "mul(A[i, j], x[i])", "i", "'y' holds f64, the value is i64"),
    (COO_SCATTER, "mul(A[i, j], x[i])", "mul(A[i, j], i)", "the arguments of 'mul' have the types f64, i64"),
    (COO_SCATTER, "mul(A[i, j], x[i])", "select(x[i], x[i], x[i])", "'select' does not take f64"),
    (COO_SCATTER, "mul(A[i, j], x[i])", "x[]", "'x' has 1 dimensions, the access 0 indices"),
    (COO_SCATTER, "mul(A[i, j], x[i])", "x[cast[i32](i)]", "an index of 'x' has type i32, not i64"),
]


@pytest.mark.parametrize(("text", "old", "new", "message"), BROKEN, ids=[message for *_, message in BROKEN])
def test_broken(text: str, old: str, new: str, message: str) -> None:
    assert old in text
    with pytest.raises(VerifyError) as caught:
        verify(parse_kernel(text.replace(old, new)))
    assert message in caught.value.message
    assert caught.value.path.startswith("kernel ")


def value(e: Expr) -> Kernel:
    """The scatter kernel with another right side, for what no text can say."""
    k = parse_kernel(COO_SCATTER)
    body = k.body
    assert isinstance(body, Assemble)
    loop = body.body
    leaf = Accumulate(Access("y", (Index("j"),), F64), "add", e)
    return dataclasses.replace(k, body=dataclasses.replace(body, body=dataclasses.replace(loop, body=leaf)))


X = Access("x", (Index("i"),), F64)
TREES = [
    (Map("conjugate", (X,), F64), "no operator is called 'conjugate'"),
    (Map("add", (X,), F64), "'add' takes 2 arguments, not 1"),
    (Map("add", (X, X), I64), "'add' of f64 gives f64, the node says i64"),
    (Map("not", (X,), F64), "'not' does not take f64"),
    (Literal(0.5, I64), "the literal 0.5 does not fit i64"),
    (Access("x", (Index("i"),), I64), "'x' holds f64, the access says i64"),
    (Access("nothing", (), F64), "no tensor or workspace is called 'nothing'"),
    (Map("cast", (Dim("q"),), F64), "no tensor has the dimension 'q'"),
    (Reduce("add", ("k",), X, F64), "loop nest IR has no reduce"),
]


@pytest.mark.parametrize(("e", "message"), TREES, ids=[message for _, message in TREES])
def test_broken_expressions(e: Expr, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        verify(value(e))
    assert message in caught.value.message
    assert "forall (i, j)" in caught.value.path


def test_broken_trees() -> None:
    k = parse_kernel(SPMV)
    y = k.tensor("y")

    def with_result(**changes: object) -> Kernel:
        return dataclasses.replace(k, tensors=(*k.tensors[:2], dataclasses.replace(y, **changes)))  # type: ignore[arg-type]

    def fails(kernel: Kernel, message: str) -> None:
        with pytest.raises(VerifyError) as caught:
            verify(kernel)
        assert message in caught.value.message

    fails(with_result(format=None), "'y' has no format")
    fails(with_result(format=named_format("dense", 2)), "the format has 2 dimensions, 'y' has 1")
    fails(with_result(role="result"), "'result' is no role")
    fails(with_result(dims=(-1,)), "dimension -1 is negative")
    assert isinstance(k.body, Assemble)
    fails(dataclasses.replace(k, body=dataclasses.replace(k.body, method="guess")), "'guess' is no way to assemble")
    fails(dataclasses.replace(k, body=k.body.body), "'y' is written outside of its assembly")
    fails(dataclasses.replace(k, body=Forall("q", Full("n"), k.body)), "'y' is assembled inside a loop")
    empty = Tile((), Accumulate(Access("y", (Index("i"),), F64), "=", Literal(0.0, F64)))
    loop = Forall("i", Full("m"), empty)
    fails(dataclasses.replace(k, body=dataclasses.replace(k.body, body=loop)), "a tile needs an index")


def test_unassembled_result() -> None:
    k = parse_kernel(SHORTEST)
    with pytest.raises(VerifyError, match="result 'e' is never assembled"):
        verify(dataclasses.replace(k, body=k.body.stmts[0]))  # type: ignore[union-attr]


def test_a_workspace_has_no_meaning_outside() -> None:
    text = SPMV.replace("      }\n    }\n  }\n}\n", "      }\n      y[i] = t[]\n    }\n  }\n}\n")
    with pytest.raises(VerifyError, match="workspace 't' is used outside of its statement"):
        verify(parse_kernel(text))
