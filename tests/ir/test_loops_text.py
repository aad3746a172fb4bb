"""Loop nest IR prints and parses back to an equal tree; what is no kernel is told where it goes wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sparsec.errors import SyntaxError_
from sparsec.ir.buffer_text import parse_module, print_module
from sparsec.ir.dtypes import F64
from sparsec.ir.loops import Assemble, Chunk, Forall, Full, Kernel, WorkIndex, Workspace
from sparsec.ir.loops_text import parse_kernel, print_kernel
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access
from sparsec.ir.tensor_text import parse_program
from sparsec.ir.text import MAX_DEPTH
from sparsec.passes.lower import emit, plan

sys.path.insert(0, str(Path(__file__).parent))
from loop_kernels import NAMES, SPMM_PANEL, SPMV


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(name: str) -> None:
    k = parse_kernel(NAMES[name])
    text = print_kernel(k)
    assert parse_kernel(text) == k
    assert print_kernel(parse_kernel(text)) == text
    assert text == NAMES[name].replace("parallel(0)", "parallel")


def test_tree_of_a_panel() -> None:
    k = parse_kernel(SPMM_PANEL)
    assert isinstance(k.body, Assemble)
    loops = [n for n in walk(k) if isinstance(n, Forall)]
    assert [(n.index, n.parallel, n.vector, n.unroll) for n in loops] == [
        ("ko", None, None, False),
        ("i", 16, None, False),
        ("j", None, None, False),
        ("k", None, 4, False),
        ("k", None, None, True),
    ]
    w = next(n for n in walk(k) if isinstance(n, Workspace))
    assert (w.name, w.kind, w.init, w.indices) == ("w", "registers", 0.0, (WorkIndex("k", Chunk("ko", 4, Full("d"))),))
    assert Access("w", w.consumer.body.value.indices, F64) == w.consumer.body.value  # type: ignore[union-attr]


def test_no_statement_is_an_empty_sequence() -> None:
    k = parse_kernel("kernel nothing {\n}\n")
    assert isinstance(k, Kernel)
    assert parse_kernel(print_kernel(k)) == k


def test_comments_and_layout_do_not_matter() -> None:
    squeezed = " ".join(SPMV.split()) + " # the end"
    assert parse_kernel(squeezed) == parse_kernel(SPMV)
    assert Full("m") == parse_kernel(SPMV).body.body.domain  # type: ignore[union-attr]


WRONG = [
    ("kernel spmv", "program spmv", "expected 'kernel', found 'program'"),
    ("by insert", "by magic", "'magic' is no way to assemble"),
    ("f64 scalar", "f64 pile", "'pile' is no kind of workspace"),
    ("produce {", "make {", "expected 'produce', found 'make'"),
    ("parallel {", "parallel fast {", "expected '{', found 'fast'"),
    ("x[j])", "x[j]", "expected"),
    ("t[] add=", "t[] frob=", "no monoid is called 'frob'"),
    ("t[] add=", "u[] add=", "no tensor or workspace is called 'u'"),
    ("forall j in n {", "forall j in -1 {", "expected"),
    ("init 0.0", "init", "expected a number"),
    ("in m parallel", "in m parallel parallel", "the mark 'parallel' stands there twice"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG, ids=[message + " " + new for _, new, message in WRONG])
def test_wrong_text_is_located(old: str, new: str, message: str) -> None:
    assert old in SPMV
    with pytest.raises(SyntaxError_) as caught:
        parse_kernel(SPMV.replace(old, new, 1))
    assert message in caught.value.message
    assert caught.value.span is not None
    assert "^" in str(caught.value)
    assert "line" in str(caught.value)


def test_deep_nesting_is_refused() -> None:
    text = "kernel deep {\n" + "forall i in 2 {" * 5000 + "}" * 5000 + "}"
    with pytest.raises(SyntaxError_, match="deep"):
        parse_kernel(text)


def test_the_deepest_expression_of_tensor_ir_has_a_text_at_every_level() -> None:
    n = MAX_DEPTH - 3  # the sum, the access and its indices make the rest
    value = "neg(" * n + "A[i, j]" + ")" * n
    p = parse_program(f"""program p {{
        in A: f64[m, n] (i, j) -> (i: compressed[index=i32, pos=i32], j: compressed[index=i32, pos=i32])
        out y: f64[m] dense
        y[i] = reduce.add[j]({value}):f64 for i < m, j < n }}""")
    k = plan(p)
    assert parse_kernel(print_kernel(k)) == k
    m = emit(k)
    assert parse_module(print_module(m)) == m
