"""What the analysis makes of declarations: roles, dimensions, extents, names of index variables, fills, monoids."""

from __future__ import annotations

import numpy as np
import pytest

from sparsec.errors import SparsecError
from sparsec.formats.named import coo, csr
from sparsec.frontends.dsl import OperandType, parse_schedule, parse_source, parse_statements
from sparsec.ir.dtypes import F32, F64, I64
from sparsec.ir.tensor import Assign, MonoidDef, Program, Reduce, ScanLoop
from sparsec.ir.tensor_text import print_program
from tests.support.language import checked, kernel, run, statements

A, X = OperandType(F64, 2, csr(2)), OperandType(F64, 1)


def decls(program: Program) -> list[str]:
    lines = print_program(program).splitlines()
    return [line.strip() for line in lines if line.strip().split(" ")[0] in ("in", "out", "inout", "local")]


def first(program: Program) -> Assign:
    (s, *_) = program.body
    assert isinstance(s, Assign)
    return s


def test_kernel_signature() -> None:
    program = kernel(
        "kernel k(A: f32[m, n] csr fill(2), B: f64[n, 4] auto, s: i64) -> C: f64[m, 4] csc, t: f64 {\n"
        "T[i, j] = A[i, k] * B[k, j]; C[i, j] = T[i, j] * s; t = C[i, j]\n}"
    )
    assert decls(program) == [
        "in A: f32[m, n] csr fill(2.0)",
        "in B: f64[n, 4] fill(0.0)",
        "in s: i64 dense fill(0)",
        "out C: f64[m, 4] csc fill(0.0)",
        "out t: f64 dense fill(0.0)",
        "local T: f64[m, 4] fill(0.0)",
    ]
    assert program.operands[1].format is None, "auto is left open"
    assert program.operands[0].format == csr(2), "widths stay open"


def test_names_of_dimensions_and_index_variables_do_not_meet() -> None:
    program = kernel("kernel k(A: f64[m, k], B: f64[k, n]) -> C: f64[m, n] { C[i, j] = A[i, k] * B[k, j] + 0 * k }")
    assert [(i.name, i.extent) for i in first(program).indices] == [("i", "m"), ("j", "n"), ("k", "k")]


def test_what_a_bare_name_is() -> None:
    text = "kernel k(A: f64[m, n], k: i64) -> y: f64[m], z: f64[m], w: f64[m] {{ y[i] = A[i, k]; z[i] = i; w[i] = {} }}"
    a = np.arange(6.0).reshape(2, 3)
    y, z, w = run(kernel(text.format("m * n + k")), A=a, k=2)
    assert y.tolist() == [2, 5] and z.tolist() == [0, 1] and w.tolist() == [8, 8]
    # An index variable of the statement hides the dimension, only there.
    _, _, w = run(kernel(text.format("sum[n](n * A[i, n]) + n")), A=a, k=2)
    assert w.tolist() == [5 + 3, 14 + 3]


def test_ranges_are_extents() -> None:
    def indices(text: str) -> list[tuple[str, object]]:
        program = kernel(f"kernel k(x: f64[n]) -> y: f64[n] {{ {text} }}")
        s = first(program)
        assert s.where is None
        return [(i.name, i.extent) for i in s.indices]

    assert indices("y[i] = sum[r](x[i + r] where r in 0:3)") == [("i", "n"), ("r", 3)]
    assert indices("y[i] = sum[r](x[i + r] where r in -2:3)") == [("i", "n"), ("r", 5)]
    assert indices("y[i] = x[i + r] where r in 0:n") == [("i", "n"), ("r", "n")]
    assert indices("y[i] = sum[r](x[i + r] where r in 2:5)") == [("i", "n"), ("r", 5)], "2 <= r stays a condition"
    assert indices("y[i] = sum[r](x[i + r] where r in 0:0)") == [("i", "n"), ("r", 0)]


def test_bare_statements() -> None:
    program = checked(parse_statements("T[i, k] = A[i, j] * A[j, k]; y[i] = T[i, j] * x[j]", {"A": A, "x": X}))
    assert decls(program) == [
        "in A: f64[i, i] csr fill(0.0)",
        "in x: f64[i] dense fill(0.0)",
        "out y: f64[i] fill(0.0)",
        "local T: f64[i, i] fill(0.0)",
    ]


def test_the_same_text_for_other_shapes_is_the_same_program() -> None:
    text = "y[i] = A[i, j] * x[j]"
    one = statements(text, A=np.ones((2, 3)), x=np.ones(3))
    other = statements(text, A=np.ones((7, 5)), x=np.ones(5))
    assert one == other and hash(one.body) == hash(other.body)
    assert one.operands[0].dims == ("i", "j")


NAMES = [
    ("y[i] = A[i, j] * x[j]", ["A: i j", "x: j", "y: i"]),
    ("y[i] = x[i]; z[i] = A[i, j]", ["A: i_2 j", "x: i", "y: i", "z: i_2"]),
    ("y[i] = x[i]; z[j] = A[i, j] * x[i]", ["A: i j", "x: i", "y: i", "z: j"]),
    ("s = x[0] + A[1, 2]", ["A: A_0 A_1", "x: x_0", "s:"]),
    ("x[i] += A[i, j]", ["A: i j", "x: i"]),
]


@pytest.mark.parametrize("text, expected", NAMES)
def test_names_of_dimensions_in_bare_statements(text: str, expected: list[str]) -> None:
    program = checked(parse_statements(text, {"A": A, "x": X}))
    assert [f"{t.name}: {' '.join(map(str, t.dims))}".strip() for t in program.tensors] == expected


ROLES = [
    ("y[i] = x[i]", {"y": "out"}),
    ("y[i] = x[i]; z[i] = y[i]", {"y": "local", "z": "out"}),
    ("y[i] = x[i]; z[i] = y[i]; y[i] += 1", {"y": "out", "z": "out"}),
    ("x[i] += 1", {"x": "inout"}),
    ("x[i] = x[i] + 1", {"x": "inout"}),
    ("scan i { y[i] = y[i - 1] + x[i] }", {"y": "out"}),
    ("scan i { t += x[i]; y[i] = t }", {"t": "local", "y": "out"}),
    ("scan i { y[i] = z[i - 1]; z[i] = y[i] * x[i] }", {"y": "local", "z": "out"}),
]


@pytest.mark.parametrize("text, expected", ROLES)
def test_roles_in_bare_statements(text: str, expected: dict[str, str]) -> None:
    program = checked(parse_statements(text, {"x": X}))
    assert {t.name: t.role for t in program.tensors if t.role != "in"} == expected


def test_extents_that_nothing_but_the_call_says() -> None:
    program = checked(parse_statements("y[i, j] = i * j", {}))
    assert run(program, sizes={"i": 2, "j": 3}).tolist() == [[0, 0, 0], [0, 1, 2]]
    program = kernel("kernel k(x: f64[n]) -> y: f64[n, p] { y[i, j] = x[i] * p }")
    assert run(program, sizes={"p": 2}, x=np.ones(1)).tolist() == [[2, 2]]


REDUCED = [
    ("y[i] = A[i, j] * x[j]", "j"),
    ("y[i] = A[i, k] * A[k, j] * x[j]", "k j"),
    ("y[i] = sum[j](A[i, j]) + sum[j](A[i, j] * x[j])", "j"),
    ("y[i] = x[i] / sum[i](x[i])", "i_2"),
    ("y[i] = sum[j](A[i, j] * sum[j](x[j]))", "j j_2"),
    ("y[i] = A[i, j] * sum[j](x[j]) * x[j]", "j j_2"),
    ("y[i] = sum[k](A[i, k]) + sum[k](k where k in 0:3)", "k k_2"),
    ("y[i] = x[j] * sum[k](A[i, k]) + A[i, k]", "j k"),
]


@pytest.mark.parametrize("text, expected", REDUCED)
def test_reduced_index_variables(text: str, expected: str) -> None:
    """One name for variables side by side, another where one would hide or contradict one."""
    program = checked(parse_statements(text, {n: o for n, o in {"A": A, "x": X}.items() if f"{n}[" in text}))
    assert [i.name for i in first(program).indices if i.name != "i"] == expected.split()


def test_implicit_sums_of_one_product_are_one_reduction() -> None:
    types = {"T": OperandType(F64, 3), "B": OperandType(F64, 2), "C": OperandType(F64, 2)}
    value = first(checked(parse_statements("y[i] = T[i, k, l] * B[k, j] * C[l, j]", types))).value
    assert isinstance(value, Reduce) and value.indices == ("k", "l", "j") and not isinstance(value.body, Reduce)


FILLS = [
    ("C[i, j]: csr = exp(A[i, j])", 1.0),
    ("C[i, j]: csr = 2 * A[i, j] + 3", 3.0),
    ("C[i, j]: csr = A[i, k] * A[k, j]", 0.0),
    ("C[i, j]: csr fill(5) = exp(A[i, j])", 5.0),
    ("C[i, j]: csr = A[i, j] + x[j]", 0.0),
    ("C[i, j]: csr = exp(A[i, j]) where i < j", 0.0),
    ("C[i, j]: dense = exp(A[i, j])", 0.0),
]


@pytest.mark.parametrize("text, fill", FILLS)
def test_fill_of_a_sparse_result_that_does_not_say_it(text: str, fill: float) -> None:
    program = checked(parse_statements(text, {"A": A, "x": X} if "x[" in text else {"A": A}))
    assert program.results[0].fill == fill


def test_formats_and_fills_of_operands() -> None:
    program = parse_statements("y[i] = A[i, j]", {"A": OperandType(F32, 2, coo(2), float("inf"))})
    assert program.operands[0].format == coo(2) and program.operands[0].fill == float("inf")
    assert program.operands[0].dtype is F32


# algebra


def test_semirings() -> None:
    text = """
    semiring maxtimes { add = max, zero = 0, mul = *, one = 1 }
    semiring reach { add = or, zero = false, mul = and, one = true }
    fn first(a, b) = a
    semiring pick { add = min, zero = inf, mul = first, one = 0 }
    kernel k(A: f64[n, n], M: bool[n, n]) -> B: f64[n, n], R: bool[n, n], P: f64[n, n] {
        B[i, j] = A[i, k] * A[k, j] over maxtimes
        R[i, j] = M[i, k] * M[k, j] + M[i, j] over reach
        P[i, j] = A[i, k] * A[k, j] over pick
    }"""
    a = np.random.default_rng(0).random((3, 3))
    m = a > 0.5
    b, r, p = run(kernel(text), A=a, M=m)
    np.testing.assert_allclose(b, (a[:, :, None] * a[None]).max(1))
    assert (r == (m @ m | m)).all()
    np.testing.assert_allclose(p, np.broadcast_to(a.min(1)[:, None], (3, 3)))
    empty = run(kernel(text), A=np.zeros((0, 0)), M=np.zeros((0, 0), bool))
    assert empty[0].shape == (0, 0)


def test_a_semiring_says_what_a_sum_of_nothing_is() -> None:
    text = (
        "semiring mt {{ add = max, zero = {}, mul = *, one = 1 }}\n"
        "kernel k(A: f64[m, n]) -> y: f64[m] {{ y[i] = A[i, j] over mt }}"
    )
    for zero, expected in (("0", 0.0), ("-inf", -np.inf)):
        assert run(kernel(text.format(zero)), A=np.zeros((1, 0))).tolist() == [expected]
    assert kernel(text.format("-inf")).monoids == (), "the built-in reduction begins so"
    (made,) = kernel(text.format("0")).monoids
    assert isinstance(made, MonoidDef) and made.name == "mt"


def test_index_arithmetic_is_ordinary_in_a_semiring() -> None:
    text = (
        "semiring tropical { add = min, zero = inf, mul = +, one = 0 }\n"
        "kernel k(x: f64[n], w: f64[m]) -> y: f64[n] { y[i] = x[i + r] * w[r] where i + r < n over tropical }"
    )
    x, w = np.array([3.0, 1, 4]), np.array([1.0, 0.5])
    assert run(kernel(text), x=x, w=w).tolist() == [1.5, 2.0, 5.0]


def test_monoids_of_one_and_several_states() -> None:
    text = """
    monoid most(s) { zero = 0, lift(x) = abs(x), combine(a, b) = max(a, b) }
    ordered monoid last(v, some) { zero = (0, 0), lift(x) = (x, 1), value = v,
        combine((a, p), (b, q)) = (select(q > 0, b, a), max(p, q)) }
    monoid unused(s) { zero = 0, combine(a, b) = a + b }
    kernel k(A: f64[m, n]) -> y: f64[m], z: f64[m], s: f64[m, n] {
        y[i] = most[j](A[i, j]); z[i] = last[j](A[i, j] where A[i, j] < 0); s[i, j] = scan.most[j](A[i, j])
    }"""
    program = kernel(text)
    assert [(m.name, m.ordered) for m in program.monoids] == [("most", False), ("last", True)]
    a = np.array([[1.0, -3, 2], [4, 5, -6]])
    y, z, s = run(program, A=a)
    assert y.tolist() == [3, 6] and z.tolist() == [-3, -6] and s.tolist() == [[1, 3, 3], [4, 5, 6]]


def test_functions_are_written_out() -> None:
    text = "fn sq(x) = x * x\nfn dist(a, b) = sqrt(sq(a) + sq(b))\n"
    text += "kernel k(x: f64[n]) -> y: f64[n] { y[i] = dist(x[i], 2) }"
    x = np.arange(3.0)
    np.testing.assert_allclose(run(kernel(text), x=x), np.hypot(x, 2))


def test_a_recurrence_over_two_tensors_infers_their_dtypes() -> None:
    program = checked(
        parse_statements("scan i { a[i] = n[i] + b[i - 1]; b[i] = a[i] / 2 }", {"n": OperandType(I64, 1)})
    )
    assert isinstance(program.body[0], ScanLoop)
    assert [(t.name, t.dtype) for t in program.tensors if t.name in "ab"] == [("b", F64), ("a", F64)]


# schedules


def test_schedules_of_a_file_and_bare_ones() -> None:
    text = (
        "kernel two(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { T[i] = A[i, j] * x[j]; y[i] = 2 * T[i] }\n"
        "schedule for two { T: order i, A.j; y: parallel i by 64 dynamic\n tile i/8, i%8; workspace T }"
    )
    unit = parse_source(text)
    shown = ["T: order i, A.j", "y: parallel i by 64 dynamic", "tile i/8, i%8", "workspace T"]
    assert [str(c) for c in unit.schedules["two"]] == shown
    program = unit.kernels["two"]
    for form in ("; ".join(shown), "\n".join(shown), f"schedule for two {{ {'; '.join(shown)} }}"):
        assert [str(c) for c in parse_schedule(form, program)] == shown
    assert parse_schedule("", program) == ()
    with pytest.raises(SparsecError, match="'T' is not indexed with 'j'"):
        parse_schedule("order T.j", program)
