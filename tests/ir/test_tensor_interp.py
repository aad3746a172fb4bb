"""The dense meaning of every node of tensor IR, against values worked out by hand or by plain NumPy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from sparsec.errors import BackendError, ShapeError, TypeError_
from sparsec.formats.named import named_format
from sparsec.ir import tensor_interp
from sparsec.ir.dtypes import BF16, BOOL, F32, F64, I32, I64, U8, DType
from sparsec.ir.tensor import (
    Access,
    Assign,
    Dim,
    Expr,
    Index,
    IndexDecl,
    Literal,
    Map,
    MonoidDef,
    Program,
    Reduce,
    Scan,
    ScanLoop,
    Softmax,
    Stored,
    TensorDecl,
    Top,
)
from sparsec.ir.tensor_interp import interpret

i, j, k = Index("i"), Index("j"), Index("k")
ALL = {"i": "m", "j": "n", "k": "p"}


def at(name: str, *indices: Expr, t: DType = F64) -> Access:
    return Access(name, indices, t)


def op(name: str, *args: Expr, t: DType | None = None) -> Map:
    return Map(name, args, t or args[-1].dtype)


def num(value: object, t: DType = F64) -> Literal:
    return Literal(value, t)


def decl(name: str, dims: str, role: str = "in", t: DType = F64, fill: Any = 0) -> TensorDecl:
    return TensorDecl(name, t, tuple(dims.split()), None, fill, role)


def assign(target: Access, value: Expr, where: Expr | None = None, op: str = "=", **extents: str) -> Assign:
    declared = extents or ALL
    return Assign(target, op, value, tuple(IndexDecl(n, e) for n, e in declared.items()), where)


def run(
    tensors: list[TensorDecl], *body: Any, sizes: Any = None, stored: Any = None, monoids: Any = (), **arrays: Any
) -> Any:
    out = interpret(Program("test", tuple(tensors), body, tuple(monoids)), arrays, sizes, stored)
    return out[next(iter(out))] if len(out) == 1 else out


A = np.array([[1.0, 0, -2], [0, 4, 0.5]])
x = np.array([3.0, -1, 2])
MAT, VEC = decl("A", "m n"), decl("x", "n")
Aij, xj = at("A", i, j), at("x", j)


def row(value: Expr, where: Expr | None = None, t: DType = F64, **kw: Any) -> Any:
    """r[i] = value, an expression in A and x."""
    out = decl("r", "m", "out", t)
    return run([MAT, VEC, out], assign(at("r", i, t=t), value, where, i="m", j="n"), A=A, x=x, **kw)


def mat(value: Expr, where: Expr | None = None, t: DType = F64, **kw: Any) -> Any:
    """R[i, j] = value, an expression in A and x."""
    out = decl("R", "m n", "out", t)
    return run([MAT, VEC, out], assign(at("R", i, j, t=t), value, where, i="m", j="n"), A=A, x=x, **kw)


def test_product_reduced() -> None:
    assert row(Reduce("add", ("j",), op("mul", Aij, xj), F64)).tolist() == (A @ x).tolist()


def test_transpose_and_broadcast() -> None:
    out = run([MAT, VEC, decl("R", "n m", "out")], assign(at("R", j, i), op("add", Aij, xj)), A=A, x=x, sizes={"p": 1})
    assert out.tolist() == (A + x).T.tolist()


def test_scalars_index_values_and_extents() -> None:
    value = op("add", op("mul", op("cast", i, t=F64), at("s")), op("cast", Dim("n"), t=F64))
    out = run([MAT, decl("s", ""), decl("r", "m", "out")], assign(at("r", i), value, i="m"), A=A, s=2.5)
    assert out.tolist() == [3.0, 5.5]


def test_scalar_result() -> None:
    total = Reduce("add", ("i", "j"), Aij, F64)
    out = run([MAT, decl("s", "", "out")], assign(at("s"), total, i="m", j="n"), A=A)
    assert out.shape == () and out == A.sum()


@pytest.mark.parametrize(
    ("monoid", "expected"),
    [
        ("add", A.sum(1)), ("mul", A.prod(1)), ("min", A.min(1)), ("max", A.max(1)),
        ("argmin", [2, 0]), ("argmax", [0, 1]),
    ],
)  # fmt: skip
def test_monoids(monoid: str, expected: Any) -> None:
    t = I64 if monoid.startswith("arg") else F64
    assert row(Reduce(monoid, ("j",), Aij, t), t=t).tolist() == list(expected)


def test_reduction_of_a_body_without_the_index_counts_it() -> None:
    assert row(Reduce("add", ("j",), num(2.0), F64)).tolist() == [6.0, 6.0]


@pytest.mark.parametrize(
    ("monoid", "t", "empty"),
    [
        ("add", F64, 0), ("mul", F32, 1), ("min", F64, np.inf), ("max", F32, -np.inf), ("min", I32, 2**31 - 1),
        ("max", U8, 0), ("or", BOOL, False), ("and", BOOL, True), ("bitand", I64, -1), ("logsumexp", F64, -np.inf),
    ],
)  # fmt: skip
def test_empty_reductions_give_the_identity(monoid: str, t: DType, empty: Any) -> None:
    a = np.zeros((2, 0), t.np)
    value = Reduce(monoid, ("j",), at("A", i, j, t=t), t)
    out = run([decl("A", "m n", t=t), decl("r", "m", "out", t)], assign(at("r", i, t=t), value, i="m", j="n"), A=a)
    assert out.tolist() == [empty, empty]


def test_empty_argmin_is_minus_one() -> None:
    value = Reduce("argmin", ("j",), Aij, I64)
    out = run([MAT, decl("r", "m", "out", I64)], assign(at("r", i, t=I64), value, i="m", j="n"), A=np.zeros((2, 0)))
    assert out.tolist() == [-1, -1]


def test_argmin_takes_the_first_and_the_first_nan() -> None:
    a = np.array([[3.0, 1, 1], [np.nan, 0, np.nan]])
    value = Reduce("argmin", ("j",), Aij, I64)
    out = run([MAT, decl("r", "m", "out", I64)], assign(at("r", i, t=I64), value, i="m", j="n"), A=a)
    assert out.tolist() == [1, 0]


def test_argmax_over_two_indices_numbers_points_row_major() -> None:
    value = Reduce("argmax", ("i", "j"), Aij, I64)
    assert run([MAT, decl("s", "", "out", I64)], assign(at("s", t=I64), value, i="m", j="n"), A=A) == A.argmax()


def test_logsumexp() -> None:
    assert np.allclose(row(Reduce("logsumexp", ("j",), Aij, F64)), np.log(np.exp(A).sum(1)))


def test_condition_of_a_reduction() -> None:
    later = op("lt", i, j, t=BOOL)
    assert row(Reduce("add", ("j",), Aij, F64, later)).tolist() == [-2.0, 0.5]
    assert row(Reduce("min", ("j",), Aij, F64, op("lt", j, i, t=BOOL))).tolist() == [np.inf, 0.0]
    assert row(Reduce("argmax", ("j",), Aij, I64, op("gt", j, i, t=BOOL)), t=I64).tolist() == [1, 2]
    assert row(Reduce("argmax", ("j",), Aij, I64, op("gt", j, num(1, I64), t=BOOL)), t=I64).tolist() == [2, 2]


def test_min_and_max_propagate_nan() -> None:
    a = A.copy()
    a[0, 1] = np.nan
    for name in ("min", "max"):
        out = run([MAT, decl("r", "m", "out")], assign(at("r", i), Reduce(name, ("j",), Aij, F64), i="m", j="n"), A=a)
        assert np.isnan(out[0]) and not np.isnan(out[1])


def test_integers_wrap_and_division_by_zero_is_zero() -> None:
    def ints(value: Expr, **arrays: Any) -> Any:
        tensors = [decl("a", "n", t=I32), decl("b", "n", t=I32), decl("r", "n", "out", I32)]
        return run(tensors, assign(at("r", j, t=I32), value, j="n"), **arrays).tolist()

    a, b = at("a", j, t=I32), at("b", j, t=I32)
    data = {"a": np.array([2**31 - 1, 7, -7], np.int32), "b": np.array([1, 0, 2], np.int32)}
    assert ints(op("add", a, b), **data) == [-(2**31), 7, -5]
    assert ints(op("floordiv", a, b), **data) == [2**31 - 1, 0, -4]
    assert ints(op("mod", a, b), **data) == [0, 0, 1]


def test_reductions_of_small_integers_wrap_in_their_type() -> None:
    value = Reduce("add", ("j",), at("a", j, t=U8), U8)
    tensors = [decl("a", "n", t=U8), decl("s", "", "out", U8)]
    assert run(tensors, assign(at("s", t=U8), value, j="n"), a=np.array([200, 100])) == 44


def test_bool_reductions() -> None:
    hit = op("ne", Aij, num(0.0), t=BOOL)
    assert row(Reduce("or", ("j",), hit, BOOL), t=BOOL).tolist() == [True, True]
    assert row(Reduce("and", ("j",), hit, BOOL), t=BOOL).tolist() == [False, False]
    assert row(Reduce("add", ("j",), op("cast", hit, t=I64), I64), t=I64).tolist() == [2, 2]


def test_select_and_where() -> None:
    big = op("gt", Aij, num(0.0), t=BOOL)
    assert mat(op("select", big, Aij, num(-1.0))).tolist() == np.where(A > 0, A, -1).tolist()
    assert mat(Aij, where=op("le", i, j, t=BOOL)).tolist() == np.triu(A).tolist()


def test_outside_a_condition_is_the_fill() -> None:
    out = decl("R", "m n", "out", fill=-np.inf)
    only = assign(at("R", i, j), Aij, op("eq", i, j, t=BOOL))
    assert run([MAT, out], only, A=A, sizes={"p": 1}).tolist() == np.where(np.eye(2, 3) > 0, A, -np.inf).tolist()


def test_condition_over_a_reduced_index() -> None:
    out = decl("r", "m", "out", fill=9.0)
    s = assign(at("r", i), Reduce("add", ("j",), Aij, F64), op("lt", j, i, t=BOOL), i="m", j="n")
    assert run([MAT, out], s, A=A).tolist() == [9.0, 0.0]


@pytest.mark.parametrize(("name", "ufunc"), [("add", np.add), ("mul", np.multiply), ("max", np.maximum)])
def test_scan(name: str, ufunc: np.ufunc) -> None:
    assert mat(Scan(name, "j", Aij, F64)).tolist() == ufunc.accumulate(A, axis=1).tolist()


def test_scan_exclusive_reverse_and_conditional() -> None:
    assert mat(Scan("add", "j", xj, F64, exclusive=True)).tolist() == [[0.0, 3, 2]] * 2
    assert mat(Scan("add", "j", xj, F64, reverse=True)).tolist() == [[4.0, 1, 2]] * 2
    assert mat(Scan("add", "j", xj, F64, exclusive=True, reverse=True)).tolist() == [[1.0, 2, 0]] * 2
    kept = op("ne", j, num(1, I64), t=BOOL)
    assert mat(Scan("add", "j", xj, F64, where=kept)).tolist() == [[3.0, 3, 5]] * 2


def test_softmax() -> None:
    weights = np.exp(A) / np.exp(A).sum(1, keepdims=True)
    assert np.allclose(mat(Softmax(("j",), Aij, F64)), weights)
    none = mat(Softmax(("j",), Aij, F64, where=op("lt", j, i, t=BOOL)))
    assert none.tolist() == [[0, 0, 0], [1, 0, 0]]


def test_softmax_of_a_fibre_below_everything_is_zero() -> None:
    a = np.array([[-np.inf, -np.inf], [0.0, -np.inf]])
    s = assign(at("R", i, j), Softmax(("j",), Aij, F64), i="m", j="n")
    assert run([MAT, decl("R", "m n", "out")], s, A=a).tolist() == [[0, 0], [1, 0]]


def top(groups: Any, k: int, a: Any, where: Expr | None = None) -> Any:
    s = assign(at("R", i, j, t=BOOL), Top(groups, k, Aij, where), i="m", j="n")
    return run([MAT, decl("R", "m n", "out", BOOL)], s, A=np.array(a, float)).astype(int).tolist()


def test_top_of_fibres_ties_nan_and_large_k() -> None:
    assert top((("j", None),), 1, [[1, 3, 3], [5, 5, 5]]) == [[0, 1, 0], [1, 0, 0]]
    assert top((("j", None),), 2, [[np.nan, 0, -1], [np.nan, np.nan, 2]]) == [[0, 1, 1], [1, 0, 1]]
    assert top((("j", None),), 7, [[1, 2]]) == [[1, 1]]
    assert top((("j", None),), 0, [[1, 2]]) == [[0, 0]]
    assert top((("j", None),), 1, [[1, 2, 3]], op("lt", j, num(2, I64), t=BOOL)) == [[0, 1, 0]]


def test_top_of_groups_blocks_and_the_whole() -> None:
    assert top((("j", 2),), 1, [[1, 2, 4, 3, 0]]) == [[0, 1, 1, 0, 1]]
    assert top((("i", None), ("j", None)), 2, [[1, 2], [4, 3]]) == [[0, 0], [1, 1]]
    assert top((("i", 2), ("j", 2)), 1, [[1, 2, 9], [4, 3, 7]]) == [[0, 0, 1], [1, 0, 0]]


def test_stored_asks_the_pattern() -> None:
    asks = Stored(Aij)
    assert mat(asks, t=BOOL).tolist() == (A != 0).tolist()
    pattern = np.ones((2, 3), bool)
    assert mat(asks, t=BOOL, stored={"A": pattern}).tolist() == pattern.tolist()


def test_unstored_entries_annihilate_only_with_a_pattern() -> None:
    a = np.array([[0.0, 0.0, 2.0]])
    s = assign(at("R", i, j), op("mul", Aij, xj), i="m", j="n")
    tensors = [MAT, VEC, decl("R", "m n", "out")]
    data: dict[str, Any] = {"A": a, "x": np.array([np.inf, np.nan, 1])}
    assert np.isnan(run(tensors, s, **data)[0, :2]).all()
    assert run(tensors, s, stored={"A": a != 0}, **data).tolist() == [[0, 0, 2]]
    divided = assign(at("R", i, j), op("div", Aij, xj), i="m", j="n")
    assert run(tensors, divided, stored={"A": a != 0}, A=a, x=np.zeros(3)).tolist() == [[0, 0, np.inf]]


def test_affine_reads_outside_are_the_fill() -> None:
    shifted = at("x", op("add", j, num(1, I64)))
    tensors = [decl("x", "n", fill=7.0), decl("r", "n", "out")]
    assert run(tensors, assign(at("r", j), shifted, j="n"), x=x).tolist() == [-1, 2, 7]
    before = at("x", op("sub", op("mul", num(2, I64), j), num(1, I64)))
    assert run(tensors, assign(at("r", j), before, j="n"), x=x).tolist() == [7, -1, 7]


def test_convolution() -> None:
    body = op("mul", at("w", k), at("x", op("add", j, op("sub", k, num(1, I64)))))
    s = assign(at("r", j), Reduce("add", ("k",), body, F64), j="n", k="p")
    out = run([VEC, decl("w", "p"), decl("r", "n", "out")], s, x=x, w=np.array([1.0, 10, 100]))
    assert out.tolist() == np.convolve(x, [100.0, 10, 1], "same").tolist()


def test_indirect_reads() -> None:
    tensors = [VEC, decl("idx", "m", t=I64), decl("r", "m", "out")]
    s = assign(at("r", i), at("x", at("idx", i, t=I64)), i="m")
    assert run(tensors, s, x=x, idx=np.array([2, 0])).tolist() == [2, 3]
    for bad in (3, -1):
        with pytest.raises(ShapeError, match=f"'x' is {bad}"):
            run(tensors, s, x=x, idx=np.array([0, bad]))


def test_constant_index_outside() -> None:
    with pytest.raises(ShapeError, match="'x' is 5"):
        run([VEC, decl("s", "", "out")], assign(at("s"), at("x", num(5, I64)), j="n"), x=x)


def test_histogram() -> None:
    tensors = [decl("bin", "n", t=I32), VEC, decl("H", "m", "out")]
    target = at("H", op("cast", at("bin", j, t=I32), t=I64))
    s = assign(target, xj, op="add", j="n")
    assert run(tensors, s, bin=np.array([1, 0, 1]), x=x, sizes={"m": 3}).tolist() == [-1, 5, 0]
    with pytest.raises(ShapeError):
        run(tensors, s, bin=np.array([1, 0, 3]), x=x, sizes={"m": 3})


def test_affine_targets_drop_writes_outside() -> None:
    s = assign(at("r", op("add", j, num(1, I64))), xj, j="n")
    assert run([VEC, decl("r", "n", "out")], s, x=x).tolist() == [0, 3, -1]


def test_defining_one_place_twice() -> None:
    s = assign(at("r", op("floordiv", j, num(2, I64))), xj, j="n")
    with pytest.raises(ShapeError, match="written twice"):
        run([VEC, decl("r", "n", "out")], s, x=x)


def test_diagonals() -> None:
    a = np.arange(9.0).reshape(3, 3)
    tensors = [decl("A", "n n"), decl("r", "n", "out")]
    assert run(tensors, assign(at("r", j), at("A", j, j), j="n"), A=a).tolist() == [0, 4, 8]
    tensors = [VEC, decl("R", "n n", "out")]
    assert run(tensors, assign(at("R", j, j), xj, j="n"), x=x).tolist() == np.diag(x).tolist()


def test_updates_begin_as_the_identity_or_as_what_was_passed() -> None:
    tensors = [MAT, decl("r", "n", "out")]
    s = assign(at("r", j), Aij, op="max", i="m", j="n")
    assert run(tensors, s, A=A).tolist() == A.max(0).tolist()
    assert run(tensors, s, A=A, r=np.array([0.5, 9, 0.5])).tolist() == [1, 9, 0.5]
    r = np.array([1.0, 1, 1])
    inout = [MAT, decl("r", "n", "inout")]
    total = assign(at("r", j), Reduce("add", ("i",), Aij, F64), op="add", i="m", j="n")
    assert run(inout, total, A=A, r=r).tolist() == (A.sum(0) + 1).tolist()
    assert r.tolist() == [1, 1, 1]


def test_locals_and_reads_before_writes() -> None:
    tensors = [VEC, decl("t", "n", "local"), decl("r", "n", "out")]
    double = assign(at("t", j), op("add", xj, xj), j="n")
    use = assign(at("r", j), op("mul", at("t", j), xj), j="n")
    assert run(tensors, double, use, x=x).tolist() == (2 * x * x).tolist()
    shift = assign(at("x", j), at("x", op("add", j, num(1, I64))), j="n")
    assert run([decl("x", "n", "inout")], shift, x=x).tolist() == [-1, 2, 0]


def test_several_results() -> None:
    tensors = [VEC, decl("r", "n", "out"), decl("s", "", "out")]
    first = assign(at("r", j), op("neg", xj), j="n")
    second = assign(at("s"), Reduce("add", ("j",), at("r", j), F64), j="n")
    out = run(tensors, first, second, x=x)
    assert out["r"].tolist() == (-x).tolist() and out["s"] == -4


@pytest.mark.parametrize("reverse", [False, True])
def test_recurrence_solves_a_triangular_system(reverse: bool) -> None:
    rng = np.random.default_rng(0)
    full = rng.random((4, 4)) + 4 * np.eye(4)
    tri, b = (np.triu if reverse else np.tril)(full), rng.random(4)
    done = op("lt", *((i, j) if reverse else (j, i)), t=BOOL)
    known = Reduce("add", ("j",), op("mul", at("L", i, j), at("y", j)), F64, done)
    s = assign(at("y", i), op("div", op("sub", at("b", i), known), at("L", i, i)), j="n")
    tensors = [decl("L", "n n"), decl("b", "n"), decl("y", "n", "out")]
    out = run(tensors, ScanLoop(IndexDecl("i", "n"), (s,), reverse), L=tri, b=b)
    assert np.allclose(out, np.linalg.solve(tri, b))


def name(n: str) -> Access:
    return Access(n, (), F64)


LSE = MonoidDef(
    "lse", ("m", "s"), (num(-np.inf), num(0)), "x", (name("x"), num(1)), op("add", name("m"), op("log", name("s"))),
    ("a", "b"), ("c", "d"),
    (
        op("max", name("a"), name("c")),
        op(
            "add",
            op("select", op("eq", name("a"), op("max", name("a"), name("c")), t=BOOL), name("b"),
               op("mul", name("b"), op("exp", op("sub", name("a"), op("max", name("a"), name("c")))))),
            op("select", op("eq", name("c"), op("max", name("a"), name("c")), t=BOOL), name("d"),
               op("mul", name("d"), op("exp", op("sub", name("c"), op("max", name("a"), name("c")))))),
        ),
    ),
)  # fmt: skip


def test_a_users_monoid() -> None:
    value = Reduce("lse", ("j",), Aij, F64)
    assert np.allclose(row(value, monoids=[LSE]), np.log(np.exp(A).sum(1)))
    some = Reduce("lse", ("j",), Aij, F64, op("lt", j, i, t=BOOL))
    assert row(some, monoids=[LSE]).tolist() == [-np.inf, 0.0]
    scan = Scan("lse", "j", Aij, F64)
    assert np.allclose(mat(scan, monoids=[LSE]), np.log(np.cumsum(np.exp(A), 1)))


def test_an_ordered_monoid_folds_in_order() -> None:
    x = name("x")
    last = MonoidDef("last", ("v",), (num(0),), "x", (x,), name("v"), ("a",), ("b",), (name("b"),), ordered=True)
    assert row(Reduce("last", ("j",), Aij, F64), monoids=[last]).tolist() == A[:, -1].tolist()


def test_bf16_rounds_after_every_operator() -> None:
    bits = np.array([0x3F80, 0x3B80], np.uint16)  # 1 and 2**-8: their sum is 1 in bf16
    a = at("a", j, t=BF16)
    tensors = [decl("a", "n", t=BF16), decl("r", "n", "out", BF16)]
    total = Reduce("add", ("j",), a, BF16)
    one = assign(at("r", j, t=BF16), op("add", a, at("a", num(0, I64), t=BF16)), j="n")
    assert run(tensors, one, a=bits).tolist() == [0x4000, 0x3F80]
    s = assign(at("s", t=BF16), total, j="n")
    assert run([tensors[0], decl("s", "", "out", BF16)], s, a=bits).tolist() == 0x3F80


def test_casts() -> None:
    assert mat(op("cast", Aij, t=I64), t=I64).tolist() == A.astype(int).tolist()
    assert mat(op("cast", Aij, t=BOOL), t=BOOL).tolist() == (A != 0).tolist()


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0), (1, 1)])
def test_degenerate_extents(shape: tuple[int, int]) -> None:
    a = np.ones(shape)
    s = assign(at("r", i), Reduce("add", ("j",), op("mul", Aij, at("A", i, num(0, I64))), F64), i="m", j="n")
    if shape[1] == 0:
        with pytest.raises(ShapeError):
            run([MAT, decl("r", "m", "out")], s, A=a)
    else:
        assert run([MAT, decl("r", "m", "out")], s, A=a).tolist() == [shape[1]] * shape[0]


def test_a_dense_format_stores_everything() -> None:
    dense = dataclasses.replace(MAT, format=named_format("dense", 2))
    s = assign(at("R", i, j, t=BOOL), Stored(Aij), i="m", j="n")
    assert run([dense, decl("R", "m n", "out", BOOL)], s, A=A).all()


def test_operands_that_do_not_fit() -> None:
    s = assign(at("r", i), Reduce("add", ("j",), op("mul", Aij, xj), F64), i="m", j="n")
    tensors = [MAT, VEC, decl("r", "m", "out")]
    with pytest.raises(TypeError_, match="'x' is missing"):
        run(tensors, s, A=A)
    with pytest.raises(ShapeError, match="dimension 'n' is 2, expected 3"):
        run(tensors, s, A=A, x=x[:2])
    with pytest.raises(ShapeError, match="has 1 dimensions"):
        run(tensors, s, A=x, x=x)
    with pytest.raises(ShapeError, match="'q' is not known"):
        run([VEC, decl("r", "q", "out")], assign(at("r", i), num(0.0), i="q"), x=x)


def test_too_large_an_index_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_interp, "LIMIT", 5)
    with pytest.raises(BackendError, match="6 points"):
        mat(op("add", Aij, Aij))


def test_patterns_do_not_double_the_time_of_every_level() -> None:
    product = xj
    for _ in range(60):
        product = op("mul", product, xj)  # type: ignore[assignment]
    s = assign(at("r", j), product, j="n")
    stored = {"x": np.array([True, False, True])}
    out = run([VEC, decl("r", "n", "out")], s, stored=stored, x=np.array([1.0, 0.0, -1.0]))
    assert out.tolist() == [1, 0, -1]


def test_bf16_constants_are_rounded() -> None:
    tensors = [decl("a", "n", t=BF16, fill=0.1), decl("r", "n", "out", BF16, fill=0.1)]
    outside = at("a", op("add", j, num(1, I64)), t=BF16)
    tenth = 0x3DCD
    for value in (outside, num(0.1, BF16)):
        s = assign(at("r", j, t=BF16), value, op("ge", j, num(1, I64), t=BOOL), j="n")
        assert run(tensors, s, a=np.array([tenth] * 2, np.uint16)).tolist() == [tenth] * 2
    same = assign(at("r", j, t=BOOL), op("eq", num(0.1, BF16), at("a", j, t=BF16), t=BOOL), j="n")
    assert run([tensors[0], decl("r", "n", "out", BOOL)], same, a=np.array([tenth], np.uint16)).tolist() == [True]


def test_an_operand_that_is_also_written_must_be_given() -> None:
    s = assign(at("x", j), at("x", j), j="n")
    with pytest.raises(TypeError_, match="'x' is missing"):
        run([decl("x", "n", "inout")], s, sizes={"n": 2})


def test_too_large_a_result() -> None:
    s = assign(at("R", i, j), num(0.0), i="m", j="n")
    with pytest.raises(BackendError, match="1000000000000 points"):
        run([decl("R", "m n", "out")], s, sizes={"m": 10**6, "n": 10**6})
