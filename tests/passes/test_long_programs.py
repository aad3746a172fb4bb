"""Long programs: what is made of them grows with their length, and they are right.  Sizes are counted, never time."""

from __future__ import annotations

import numpy as np
import pytest

import sparsec as sp


def chain(n: int, kind: str = "f64[n]", place: str = "i") -> str:
    """``n`` statements, each over the one before."""
    names = ["x", *(f"t{k}" for k in range(n - 1)), "y"]
    lines = [f"{b}[{place}] = {a}[{place}] * 0.5 + x[{place}]" for a, b in zip(names, names[1:], strict=False)]
    return f"kernel f(x: {kind}) -> y: {kind} {{ {'; '.join(lines)} }}"


def chained(x: np.ndarray, n: int) -> np.ndarray:
    y = x
    for _ in range(n):
        y = y * 0.5 + x
    return y


def total(terms: list[str], operands: list[str]) -> str:
    signature = ", ".join(f"{a}: f64[m, n] csr" for a in operands)
    return f"kernel f({signature}) -> R: f64[m, n] csr {{ R[i, j] = {' + '.join(terms)} }}"


def matrices(n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(1, 9, (5, 7)) * (rng.random((5, 7)) < 0.3) * 1.0 for _ in range(n)]


def lines(k: sp.Kernel, kind: str) -> int:
    return k.ir(kind).count("\n")


def test_a_chain_of_dense_statements() -> None:
    x = np.arange(9.0)
    assert sp.compile(chain(200))(x).tolist() == chained(x, 200).tolist()


def test_a_chain_of_sparse_statements() -> None:
    (x,) = matrices(1)
    k = sp.compile(chain(12, "f64[m, n] csr", "i, j"))
    assert k(sp.tensor(x, format="csr")).numpy().tolist() == chained(x, 12).tolist()


def test_loops_that_do_the_same_are_compiled_once() -> None:
    text = sp.compile(chain(40)).code("llvm")
    assert text.count(".body") <= 6, "one over x twice, one over x and a local"
    assert text.count("call void @free_all") == 1


def test_terms_of_one_operand_are_one_merge() -> None:
    (x,) = matrices(1)
    k = sp.compile(total(["A[i, j]", *(f"A[i, j] * {n}.0" for n in range(2, 81))], ["A"]))
    assert k(sp.tensor(x, format="csr")).numpy().tolist() == (x * sum(range(1, 81))).tolist()
    assert "goes first" not in k.explain()


@pytest.mark.parametrize("n", [7, 20])
def test_many_operands_are_summed_in_parts(n: int) -> None:
    given, names = matrices(n), [f"A{k}" for k in range(n)]
    k = sp.compile(total([f"{a}[i, j]" for a in names], names))
    assert k(*(sp.tensor(a, format="csr") for a in given)).numpy().tolist() == sum(given).tolist()  # type: ignore[attr-defined]
    assert "too many sparse operands to merge at once" in k.explain()


@pytest.mark.parametrize("form", [" * ", " * + "])
def test_products_of_many_operands(form: str) -> None:
    """More than may meet in one loop: twelve factors, and six products of two."""
    rng = np.random.default_rng(2)
    given, names = [rng.integers(0, 4, (5, 7)) * 1.0 for _ in range(12)], [f"A{k}" for k in range(12)]
    reads = [f"{a}[i, j]" for a in names]
    pairs = form == " * + "
    terms = [f"{a} * {b}" for a, b in zip(reads[::2], reads[1::2], strict=True)] if pairs else [" * ".join(reads)]
    k = sp.compile(total(terms, names))
    expected = sum(a * b for a, b in zip(given[::2], given[1::2], strict=True)) if pairs else np.prod(given, axis=0)
    assert k(*(sp.tensor(a, format="csr") for a in given)).numpy().tolist() == expected.tolist()  # type: ignore[union-attr]
    assert "too many sparse operands to merge at once" in k.explain()


def test_code_for_many_operands_grows_with_their_number() -> None:
    sizes = {}
    for n in (10, 20):
        names = [f"A{k}" for k in range(n)]
        sizes[n] = lines(sp.compile(total([f"{a}[i, j]" for a in names], names)), "buffer")
    assert sizes[20] < 3 * sizes[10]


def test_a_part_that_is_split_off_keeps_what_it_sums_to_itself() -> None:
    from tests.support.texts import stages

    operands = ", ".join(f"S{n}: f64[p, p] dcsr symmetric" for n in range(6))
    value = " + ".join(f"S{n}[i, j] * sum[a](S{n + 1}[j, a] * S{n + 2}[a, i])" for n in range(4))
    stages(operands.replace("p", "n"), "R: f64[n, n] csr", f"R[i, j] = {value}")


@pytest.mark.parametrize("order", [4, 8])
def test_sums_of_high_order_merge_each_level_once(order: int) -> None:
    dims, i = ", ".join("abcdefgh"[:order]), ", ".join("ijklmnop"[:order])
    t = f"f64[{dims}] csf"
    k = sp.compile(f"kernel f(A: {t}, B: {t}) -> C: {t} {{ C[{i}] = A[{i}] + B[{i}] }}")
    assert k.ir("buffer").count("while ") == order + 2, "at the last level a loop for what is left of each"
    rng = np.random.default_rng(2)
    a, b = (rng.integers(1, 9, (2,) * order) * (rng.random((2,) * order) < 0.4) * 1.0 for _ in range(2))
    assert k(sp.tensor(a, format="csf"), sp.tensor(b, format="csf")).numpy().tolist() == (a + b).tolist()
