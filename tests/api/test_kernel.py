"""Kernels as users call them: operands of every kind, results, out=, errors, looking inside."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import sparsec as sp

SPMV = "kernel spmv(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }"
SPGEMM = "kernel spgemm(A: f64[m, p] csr, B: f64[p, n] csr) -> C: f64[m, n] csr { C[i, j] = A[i, k] * B[k, j] }"


def matrix(m: int = 7, n: int = 5, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    a = rng.integers(-3, 4, (m, n)) * (rng.random((m, n)) < 0.4)
    return scipy.sparse.csr_array(a.astype(float))


def test_operands_by_position_and_by_name() -> None:
    k, a, x = sp.compile(SPMV), matrix(), np.arange(5.0)
    want = a @ x
    for y in (k(a, x), k(A=a, x=x), k(a, x=x), k(x=x, A=a), k(sp.tensor(a), x)):
        assert isinstance(y, np.ndarray) and y.tolist() == want.tolist()


def test_every_call_returns_what_the_first_did() -> None:
    torch = pytest.importorskip("torch")
    k, a, x = sp.compile(SPMV), matrix(), np.arange(5.0)
    t = torch.sparse_csr_tensor(torch.tensor(a.indptr), torch.tensor(a.indices), torch.tensor(a.data), size=a.shape)
    for _ in range(3):  # later calls go a shorter way
        assert torch.equal(k(t, x), torch.tensor(a @ x)) and isinstance(k(sp.tensor(t), x), np.ndarray)
    dot, v = sp.compile("kernel dot(a: f64[n] sparse, b: f64[n] sparse) -> s: f64 { s = a[i] * b[i] }"), sp.tensor(x)
    v = v.convert("sparse")
    assert [type(dot(v, v)) for _ in range(3)] == [np.float64] * 3 and dot(v, v) == 30


@pytest.mark.parametrize(
    "layout",
    [
        lambda b: b,
        np.asfortranarray,
        lambda b: b[::-1, ::-1][::-1, ::-1],
        lambda b: np.repeat(b, 2, axis=1)[:, ::2],
        lambda b: np.concatenate([b, b])[: len(b)],
        lambda b: b[::-1].copy()[::-1],
        lambda b: b.astype(b.dtype.newbyteorder()),
        lambda b: b.tolist(),
    ],
)
def test_dense_operands_of_any_layout(layout: Any) -> None:
    k = sp.compile("kernel mm(A: f64[m, n] csr, B: f64[n, d]) -> C: f64[m, d] { C[i, k] = A[i, j] * B[j, k] }")
    a, b = matrix(), np.arange(15.0).reshape(5, 3)
    for _ in range(2):
        assert k(a, layout(b)).tolist() == (a @ b).tolist()


def test_a_call_like_the_last_one_sees_new_data() -> None:
    k, a, x = sp.compile(SPMV), sp.tensor(matrix()), np.arange(5.0)
    first = k(a, x)
    x[:] = 1.0
    second, third = k(a, x), k(a, np.full(5, 2.0))
    other = sp.tensor(matrix(seed=1))
    assert first.tolist() == (matrix() @ np.arange(5.0)).tolist()
    assert second.tolist() == (matrix() @ x).tolist() and third.tolist() == (2 * second).tolist()
    assert k(other, x).tolist() == (matrix(seed=1) @ x).tolist()
    assert k(sp.tensor(matrix(3, 2)), np.ones(2)).shape == (3,)
    with pytest.raises(sp.ShapeError):
        k(a, np.ones(4))
    with pytest.raises(sp.TypeError_):
        k(a, np.ones(5, np.float32))


@pytest.mark.parametrize("fmt", ["csr", "csc", "coo", "dcsr", "dcsc", "dense", "(i, j) -> (j: compressed, i: dense)"])
def test_operands_in_another_format_are_converted(fmt: str) -> None:
    k, x = sp.compile(SPMV), np.arange(5.0)
    a = sp.tensor(matrix()).convert(fmt)
    assert k(a, x).tolist() == (matrix() @ x).tolist()
    assert k(**k.prepare(A=a), x=x).tolist() == (matrix() @ x).tolist()
    assert k.prepare(a).keys() == {"A"} and k.prepare(a, x=x).keys() == {"A", "x"}
    with pytest.raises(sp.TypeError_, match="is given twice"):
        k.prepare(a, A=a)
    assert sp.compile(SPMV, formats={"A": fmt})(matrix(), x).tolist() == (matrix() @ x).tolist()


def test_wide_index_arrays_are_shared_not_copied() -> None:
    a = matrix()
    a = scipy.sparse.csr_array((a.data, a.indices.astype(np.int64), a.indptr.astype(np.int64)), shape=a.shape)
    k = sp.compile(SPMV)
    prepared = k.prepare(A=a)["A"]
    assert np.shares_memory(prepared.storage.levels[1]["crd"], a.indices)
    assert k(a, np.ones(5)).tolist() == (a @ np.ones(5)).tolist()


def test_sparse_results_are_tensors() -> None:
    k, a, b = sp.compile(SPGEMM), matrix(), matrix(5, 6, 1)
    for _ in range(3):
        c = k(a, b)
        assert isinstance(c, sp.Tensor) and c.shape == (7, 6)
        c.validate()
        assert c.numpy().tolist() == (a @ b).toarray().tolist()
    prepared = k.prepare(A=a, B=b)
    assert k(**prepared).numpy().tolist() == k(**prepared).numpy().tolist() == c.numpy().tolist()


def test_out_takes_dense_results() -> None:
    k, a, x = sp.compile(SPMV), matrix(), np.arange(5.0)
    y = np.full(7, np.nan)
    assert k(a, x, out=y) is y and y.tolist() == (a @ x).tolist()
    wide = np.full((7, 2), np.nan)
    assert k(a, x, out=wide[:, 1])[0] == y[0] and wide[:, 1].tolist() == y.tolist() and np.isnan(wide[:, 0]).all()
    square, z = matrix(5, 5), np.arange(5.0)
    want = square @ z
    assert k(square, z, out=z) is z and z.tolist() == want.tolist(), "an operand may be the result's place"
    with pytest.raises(sp.ShapeError, match="expected"):
        k(a, x, out=np.empty(6))
    with pytest.raises(sp.TypeError_, match="out for 'y' has dtype float32, expected float64"):
        k(a, x, out=np.empty(7, np.float32))
    with pytest.raises(sp.TypeError_, match="operand 'x': NumPy dtype 'object' has no counterpart"):
        k(a, x.astype(object))
    with pytest.raises(sp.TypeError_, match="array"):
        k(a, x, out=[0.0] * 7)
    y.flags.writeable = False
    with pytest.raises(sp.TypeError_, match="read-only"):
        k(a, x, out=y)


def test_out_takes_dense_tensors() -> None:
    x = np.arange(6.0).reshape(2, 3)
    for layout in ("dense", "(i, j) -> (j: dense, i: dense)"):
        for op in ("=", "+="):
            k = sp.compile(f"kernel f(x: f64[m, n]) -> y: f64[m, n] {layout} {{ y[i, j] {op} 2 * x[i, j] }}")
            y = sp.tensor(np.ones((2, 3)), layout)
            assert k(x, out=y) is y and y.numpy().tolist() == (2 * x + (op == "+=")).tolist()
    with pytest.raises(sp.TypeError_, match="out for a dense result is an array or a dense Tensor, not Tensor"):
        k(x, out=sp.tensor(x, "csr"))


@pytest.mark.parametrize("layout", [lambda a: a[::-1], lambda a: a.T, lambda a: a[::-1, ::-1], lambda a: a])
def test_out_may_be_the_memory_of_an_operand_of_any_layout(layout: Any) -> None:
    k = sp.compile("kernel f(X: f64[n, n]) -> Y: f64[n, n] { Y[i, j] = X[i, j] + X[j, i] / 2 }")
    for _ in range(2):
        a = np.arange(100.0 * 100).reshape(100, 100)
        want = layout(a) + layout(a).T / 2
        assert k(layout(a), out=a) is a and np.array_equal(a, want)


def test_strided_operands_are_not_copied() -> None:
    k = sp.compile("kernel f(X: f64[m, n]) -> s: f64 { s = X[i, j] }")
    x = np.ones((2000, 2000))
    for view in (x.T, x[::2, ::-1]):
        k(view)
        tracemalloc.start()
        k._memo = None
        k(view)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()


def test_calls_with_out_take_the_short_way() -> None:
    k = sp.compile("kernel f(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }")
    a = matrix()
    s = sp.tensor(a)
    for n in range(3):
        x = np.full(a.shape[1], n + 1.0)
        y = np.full(a.shape[0], np.nan)
        assert k(s, x, out=y) is y and np.array_equal(y, a @ x)
        assert k._memo is not None
    with pytest.raises(sp.ShapeError):
        k(s, x, out=np.zeros(99))
    assert np.array_equal(k(s, x, out=np.zeros(2 * a.shape[0])[::2]), a @ x)
    twice = sp.compile("kernel f(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { y[i] += A[i, j] * x[j] }")
    for n in range(3):
        y = np.full(a.shape[0], float(n))
        assert np.array_equal(twice(s, x, out=y), a @ x + n)


def test_out_takes_sparse_results() -> None:
    k, a, b = sp.compile(SPGEMM), matrix(), matrix(5, 6, 1)
    c = k(a, b)
    assert k(a, matrix(5, 6, 2), out=c) is c
    assert c.numpy().tolist() == (a @ matrix(5, 6, 2)).toarray().tolist()
    with pytest.raises(sp.ShapeError, match="out for 'C' has shape"):
        k(a, matrix(5, 7, 2), out=c)
    with pytest.raises(sp.TypeError_, match="out for 'C' has dtype f32, expected f64"):
        k(a, matrix(5, 6, 2), out=c.astype("f32"))
    with pytest.raises(sp.TypeError_, match="is a Tensor"):
        k(a, matrix(5, 6, 2), out=np.zeros((7, 6)))


def test_several_results_and_scalars() -> None:
    k = sp.compile("kernel both(x: f64[n], a: f64) -> s: f64, y: f64[n] {\n    s = x[i] * x[i]\n    y[i] = a * x[i]\n}")
    for _ in range(2):
        s, y = k(np.arange(3.0), 2.0)
        assert isinstance(s, np.float64) and s == 5 and y.tolist() == [0, 2, 4]
    out = {"y": np.empty(3)}
    assert k(np.arange(3.0), 2, out=out)[1] is out["y"]
    with pytest.raises(sp.TypeError_, match="results"):
        k(np.arange(3.0), 2.0, out=np.empty(3))
    with pytest.raises(sp.TypeError_, match="no result 'z'"):
        k(np.arange(3.0), 2.0, out={"z": np.empty(3)})


def test_sizes_give_extents_that_no_operand_has() -> None:
    k = sp.compile("kernel rep(x: f64[n]) -> Y: f64[p, n] { Y[i, j] = x[j] }")
    assert k(np.arange(2.0), sizes={"p": 3}).tolist() == [[0, 1]] * 3
    assert k(np.arange(2.0), sizes={"p": 2}).shape == (2, 2)
    for sizes, match in (
        (None, "sizes="),
        ({"q": 1, "p": 1}, "no dimension 'q'"),
        ({"p": -1}, "sizes"),
        ({"n": 3, "p": 1}, "is 3"),
    ):
        with pytest.raises(sp.ShapeError, match=match):
            k(np.arange(2.0), sizes=sizes)
    for odd in ("abc", 3, [("p", 3)]):
        with pytest.raises(sp.TypeError_, match="sizes is a mapping"):
            k(np.arange(2.0), sizes=odd)


def test_dense_results_in_column_major_order_are_plain_arrays() -> None:
    k = sp.compile(
        "kernel t(A: f64[m, n] csr) -> B: f64[m, n] (i, j) -> (j: dense, i: dense) { B[i, j] = 2 * A[i, j] }"
    )
    b = k(matrix())
    assert b.flags.f_contiguous and b.tolist() == (2 * matrix()).toarray().tolist()
    out = np.empty((7, 5))
    assert k(matrix(), out=out) is out and out.tolist() == b.tolist()


def test_auto_is_decided_once() -> None:
    k = sp.compile("kernel f(A: f64[m, n] auto, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }")
    with pytest.raises(sp.BackendError, match="example="):
        k.explain()
    assert k(matrix(), np.ones(5)).tolist() == (matrix() @ np.ones(5)).tolist()
    assert "compressed" in k.ir("tensor")
    assert k(matrix().toarray(), np.ones(5)).tolist() == (matrix() @ np.ones(5)).tolist()
    dense = sp.compile(SPMV, formats={"A": "auto"}, example={"A": np.eye(3), "x": np.ones(3)})
    assert "compressed" not in dense.ir("tensor")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda k, a, x: k(a), sp.TypeError_, "spmv: operand 'x' is missing"),
        (lambda k, a, x: k(), sp.TypeError_, "spmv: operands 'A', 'x' are missing"),
        (lambda k, a, x: k(a, x, x), sp.TypeError_, "spmv takes 2 operands (A, x), not 3"),
        (lambda k, a, x: k(a, x, X=x), sp.TypeError_, "did you mean 'x'?"),
        (lambda k, a, x: k(a, A=a), sp.TypeError_, "operand 'A' of spmv is given twice"),
        (lambda k, a, x: k(a, x[:4]), sp.ShapeError, "dimension 'n' is 5 in 'A' and 4 in 'x'"),
        (lambda k, a, x: k(a, x[:, None]), sp.ShapeError, "operand 'x' has 2 dimensions, its declaration 1 (n)"),
        (lambda k, a, x: k(x, x), sp.ShapeError, "operand 'A' has 1 dimension, its declaration 2 (m, n)"),
        (lambda k, a, x: k(a, x.astype("f4")), sp.TypeError_, "operand 'x' is declared f64 and has dtype f32"),
        (lambda k, a, x: k(a.astype("f4"), x), sp.TypeError_, "operand 'A' is declared f64 and has dtype f32"),
        (lambda k, a, x: k(a, [2**53 + 1] * 5), sp.TypeError_,
         "operand 'x' is declared f64, which does not hold the integer 9007199254740993 to its last digit"),
        (lambda k, a, x: k(a, "abc"), sp.TypeError_, "'x'"),
        (lambda k, a, x: k(a, None), sp.TypeError_, "'x'"),
        (lambda k, a, x: k(sp.tensor(a, fill_value=1.0), x), sp.FormatError, "declare it with fill(1.0)"),
        (lambda k, a, x: k.code("cuda"), sp.UnsupportedError, "'cuda' source cannot be made yet"),
        (lambda k, a, x: k.code("fortran"), sp.BackendError, "there is no source 'fortran'"),
        (lambda k, a, x: k.ir("ast"), sp.BackendError, "there is no IR 'ast'"),
        (lambda k, a, x: sp.grad(k, wrt="A"), sp.UnsupportedError, "'grad'"),
        (lambda k, a, x: k.prepare(Q=a), sp.TypeError_, "no operand 'Q'"),
        (lambda k, a, x: sp.compile(SPMV, schedule="order i, q"), sp.ScheduleError, "'q' is not an index variable"),
        (lambda k, a, x: sp.compile(SPMV, backend="gpu"), sp.UnsupportedError, "'gpu'"),
        (lambda k, a, x: sp.compile(SPMV, backend="cpy"), sp.BackendError, "unknown backend 'cpy'"),
        (lambda k, a, x: sp.compile(SPMV, formats={"Z": "csr"}), sp.TypeError_, "'Z'"),
        (lambda k, a, x: sp.compile(SPMV, formats={"A": "cssr"}), sp.FormatError, "did you mean"),
        (lambda k, a, x: sp.compile("no/such/file.sp"), sp.FileError, "no/such/file.sp"),
        (lambda k, a, x: sp.compile(SPMV, formats="csr"), sp.TypeError_, "formats is a dict by the names of operands"),
        (lambda k, a, x: sp.compile(SPMV, formats={"A": None}), sp.TypeError_, "which is no text such as 'csr'"),
        (lambda k, a, x: sp.compile(SPMV, example=[a, x]), sp.TypeError_, "example is a dict by the names of operands"),
        (lambda k, a, x: sp.compile(SPMV, schedule=3), sp.TypeError_, "a schedule is text, not 3"),
        (lambda k, a, x: sp.compose("csr + csr", sp.eye(3)), sp.TypeError_, "parts is a list of tensors"),
        (lambda k, a, x: sp.evaluate("y[i] = x[i]", x), sp.TypeError_, "the operands of sp.evaluate come by name"),
        (lambda k, a, x: sp.evaluate("y[i] = x[i]", x=x, out=x), sp.TypeError_, "a kernel of sp.compile takes out="),
        (lambda k, a, x: sp.evaluate("kernel f(x: f64[n])", x=x), sp.SyntaxError_, "sp.compile takes a text"),
        (lambda k, a, x: sp.evaluate("y[i] = x[i] ^ 2", x=x), sp.TypeError_, "a power is written x ** 2"),
        (lambda k, a, x: sp.compile(SPMV, threads=0), sp.TypeError_, "threads"),
        (lambda k, a, x: sp.compile(SPMV, formats={"A": "sym"})(a, x), sp.FormatError, "square"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call(sp.compile(SPMV), matrix(), np.arange(5.0))
    assert text in str(caught.value)


def test_torch_is_told_to_cast_in_its_words() -> None:
    torch = pytest.importorskip("torch")
    k = sp.compile("kernel f(x: f64[n], z: bf16[n]) -> y: f64[n] { y[i] = x[i] * z[i] }")
    x = torch.ones(3)
    for given, words in (((x, x), r"x.to\(torch.float64\)"), ((x.double(), x), r"z.to\(torch.bfloat16\)")):
        with pytest.raises(sp.TypeError_, match=f"hint: cast it: {words}"):
            k(*given)


@pytest.mark.parametrize(
    ("dtype", "digits"), [("f16", 11), ("bf16", 8), ("f32", 24), ("f64", 53), ("c64", 24), ("c128", 53)]
)
def test_integers_are_kept_or_refused(dtype: str, digits: int) -> None:
    k = sp.compile(f"kernel f(x: {dtype}[n], a: {dtype}) -> y: {dtype}[n] {{ y[i] = a + x[i] }}")
    top = 2**digits
    assert k([top, -top, top // 2 - 1, 2 * top], 0).tolist() == [top, -top, top // 2 - 1, 2 * top]
    for lost in (top + 1, -top - 1, np.int64(top + 1)):
        for call in (lambda n: k([0, n], 0), lambda n: k([0], n)):
            with pytest.raises(sp.TypeError_, match=f"does not hold the integer {lost} to its last digit"):
                call(lost)
    assert k([0], float(top + 1)).dtype == k([0], 0).dtype  # a float is rounded


@pytest.mark.parametrize("backend", ["cpu", "interp"])
def test_backends_agree(backend: str) -> None:
    a, b = matrix(), matrix(5, 6, 1)
    assert sp.compile(SPGEMM, backend=backend)(a, b).numpy().tolist() == (a @ b).toarray().tolist()
    assert sp.compile(SPMV, backend=backend)(a, np.ones(5)).tolist() == (a @ np.ones(5)).tolist()


def test_every_level_reads_back() -> None:
    from sparsec.ir import buffer_text, loops_text, tensor_text

    k = sp.compile(SPGEMM)
    assert tensor_text.print_program(tensor_text.parse_program(k.ir("tensor"))) == k.ir("tensor")
    assert loops_text.print_kernel(loops_text.parse_kernel(k.ir("loops"))) == k.ir("loops")
    assert buffer_text.print_module(buffer_text.parse_module(k.ir("buffer"))) == k.ir("buffer")
    assert "define" in k.code("llvm") and "sparsec_entry" in k.code("asm") and "int64_t" in k.code("c")
    assert "loop order i" in k.explain() and "bitmap" in k.explain()


def test_the_text_of_a_loop_nest_compiles() -> None:
    text = sp.compile(SPMV).ir("loops")
    k = sp.compile(text)
    a = matrix()
    assert k(a, np.ones(5)).tolist() == (a @ np.ones(5)).tolist()
    assert k(a.tocsc(), np.ones(10)[::2]).tolist() == (a @ np.ones(5)).tolist()
    with pytest.raises(sp.SparsecError):
        sp.compile(text.replace("y[i]", "z[i]"))


def test_many_threads_may_call_one_kernel() -> None:
    k = sp.compile(SPGEMM)
    pairs = [(matrix(60, 50, s), matrix(50, 40, s + 100)) for s in range(8)]
    got: dict[int, Any] = {}

    def work(n: int) -> None:
        for _ in range(20):
            got[n] = k(*pairs[n])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for n, (a, b) in enumerate(pairs):
        assert got[n].numpy().tolist() == (a @ b).toarray().tolist()


def test_a_result_too_large_is_an_error() -> None:
    k = sp.compile("kernel rep(x: f64[n]) -> Y: f64[p, n] { Y[i, j] = x[j] }")
    with pytest.raises(sp.BackendError, match="does not fit"):
        k(np.ones(1000), sizes={"p": 2**50})


def test_nan_check_names_the_place() -> None:
    from sparsec.knobs import scope

    k = sp.compile(SPMV)
    with scope(check={"nan"}), pytest.raises(sp.BackendError, match=r"'y' is NaN at \(\d+,\)"):
        k(matrix(), np.full(5, np.nan))


def test_two_results_are_not_written_to_one_place() -> None:
    k = sp.compile("kernel k(x: f64[n]) -> y: f64[n], z: f64[n] { y[i] = x[i] + 1; z[i] = x[i] + 2 }")
    x, both = np.zeros(3), np.zeros(6)
    for out in ({"y": x, "z": x}, {"y": both[:3], "z": both[2:5]}):
        with pytest.raises(sp.TypeError_, match="same memory"):
            k(np.ones(3), out=out)
    k(np.ones(3), out={"y": both[::2], "z": both[1::2]})
    assert both.tolist() == [2, 3] * 3


def test_the_cast_to_bf16_is_ours() -> None:
    k = sp.compile("kernel f(x: bf16[n]) -> y: bf16[n] { y[i] = 2 * x[i] }")
    x = np.array([1.0, 1.5], np.float32)
    with pytest.raises(sp.TypeError_) as e:
        k(x)
    assert "sp.tensor(x).astype('bf16')" in str(e.value)
    assert k(sp.tensor(x).astype("bf16")).tolist() == [2.0, 3.0]
