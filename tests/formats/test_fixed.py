"""``fixed[w]`` and ``ell[w]``: exactly room for w entries a parent; what does not fit is named."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.formats.format import Format
from sparsec.formats.level import make_level
from sparsec.formats.named import named_format
from sparsec.ir.text import Cursor, format_text

DENSE = np.array([[4.0, 0, 1], [0, 0, 0], [2.0, 0, 0]])


def ell(width: int = 2) -> Any:
    return sp.tensor(DENSE, format=f"ell[{width}]")


def test_what_is_stored() -> None:
    A = ell()
    assert A.levels[1]["count"].tolist() == [2, 0, 1]
    assert A.levels[1]["crd"].tolist() == [0, 2, 0, 0, 0, 0]
    assert A.storage.values.tolist() == [4, 1, 0, 0, 2, 0]
    assert (A.nnz, A.format) == (3, "ell[2]")
    assert A.coo()[1].tolist() == [4, 1, 2]
    A.validate()
    assert pickle.loads(pickle.dumps(A)).numpy().tolist() == DENSE.tolist()


def test_padding_is_never_seen() -> None:
    A = ell()
    values = A.storage.values.copy()
    values[[2, 3, 5]] = np.nan
    crd = A.levels[1]["crd"].copy()
    crd[[2, 3, 5]] = -9
    spoiled = sp.Tensor.over(A.storage.with_values(values))
    spoiled.levels[1]["crd"][:] = crd
    spoiled.validate()
    assert spoiled.numpy().tolist() == DENSE.tolist()
    y = sp.evaluate("y[i] = exp(A[i, j]) * x[j]", A=spoiled, x=np.ones(3))
    np.testing.assert_allclose(y, np.exp(DENSE).sum(1))


def test_batches_stand_outside() -> None:
    assert str(named_format("ell", 3, (4,))) == "(i, j, k) -> (i: dense, j: dense, k: fixed[4])"


@pytest.mark.parametrize("text", ["ell[3]", "(i, j) -> (j: fixed[3, index=u8], i: fixed[2])"])
def test_texts(text: str) -> None:
    fmt = Cursor(text).format(2)
    assert Cursor(format_text(fmt)).format(2) == fmt
    assert isinstance(fmt, Format)


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: ell(1), "at i = 0 the tensor has 2 coordinates of 'j', level 'j: fixed\\[1\\]' of format 'ell\\[1\\]'"),
    (lambda: sp.tensor(DENSE, format="(i, j) -> (j: fixed[1], i: compressed)"), "^the tensor has 2 coordinates of 'j'"),
    (lambda: sp.tensor(DENSE, format="(i, j) -> (i: compressed, j: fixed[1])"), "at i = 0 the tensor has 2"),
    (lambda: sp.tensor(DENSE, format="(i, j) -> (i: fixed[1], j: fixed[2])"), "the tensor has 2 coordinates of 'i'"),
    (lambda: named_format("ell", 2), "written ell\\[w\\]"),
    (lambda: named_format("ell", 2, (0,)), "lie in 1"),
    (lambda: make_level("fixed"), "written fixed\\[width\\]"),
    (lambda: make_level("fixed", ("0",)), "positive numbers"),
    (lambda: make_level("fixed", ("3", "nonunique")), "no option 'nonunique'"),
    (lambda: Cursor("(i, j) -> (i: fixed[2], j: singleton)").format(2), "leaves gaps"),
]


@pytest.mark.parametrize(("call", "text"), WRONG)
def test_refused(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(sp.FormatError, match=text):
        call()


@pytest.mark.parametrize(
    "how", ["(i, j) -> (j: fixed[1], i: dense)", "ell[1]", "(i, j) -> (i: compressed, j: fixed[1])"]
)
def test_a_result_without_room(how: str) -> None:
    k = sp.compile(f"kernel f(A: f64[m, n] csr) -> C: f64[m, n] {how} {{ C[i, j] = 2 * A[i, j] }}")
    with pytest.raises(sp.FormatError, match="'C'"):
        k(sp.tensor(DENSE, format="csr"))


def test_a_result_across_the_loops() -> None:
    k = sp.compile("kernel f(A: f64[m, n] csr) -> C: f64[n, m] ell[2] { C[j, i] = A[i, j] }")
    assert "scatter" in k.explain()
    assert k(sp.tensor(DENSE, format="csr")).numpy().tolist() == DENSE.T.tolist()
    with pytest.raises(sp.FormatError, match="'C'"):
        k(sp.tensor(np.ones((3, 3)), format="csr"))


def lie(**arrays: list[int]) -> None:
    A = ell()
    for role, array in arrays.items():
        A.levels[1][role] = np.array(array, np.int32)  # type: ignore[index]
    A.validate()


LIES: list[tuple[dict[str, list[int]], str]] = [
    ({"count": [2, 0]}, "count has 2 entries, expected 3"),
    ({"crd": [0, 2]}, "crd has 2 entries, expected 6"),
    ({"count": [2, 3, 1]}, "count of parent 1 is 3, there is room for 0..2"),
    ({"count": [2, 0, -1]}, "count of parent 2 is -1"),
    ({"crd": [0, 3, 0, 0, 0, 0]}, "coordinate 3 of parent 0 is outside 0..2"),
    ({"crd": [2, 0, 0, 0, 0, 0]}, "coordinate 0 of parent 0 repeats the one before or precedes it"),
]


@pytest.mark.parametrize(("arrays", "text"), LIES)
def test_arrays_that_lie(arrays: dict[str, list[int]], text: str) -> None:
    with pytest.raises(sp.FormatError, match=f"level 1 .j: fixed.: {text}"):
        lie(**arrays)


def test_a_singleton_beneath_every_coordinate_is_no_result() -> None:
    fmt = "(i, j) -> (i: dense, j: singleton)"
    with pytest.raises(sp.UnsupportedError, match="has one entry for each parent"):
        sp.tensor(np.eye(3)).convert(fmt)
    assert (sp.tensor(np.eye(3)).convert(fmt.replace("singleton", "fixed[1]")).numpy() == np.eye(3)).all()


@pytest.mark.parametrize("fmt", [
    "(i, j) -> (i: compressed, j: singleton)", "(i, j) -> (i: compressed[unordered], j: singleton)",
    "(i, j) -> (i/2: dense, j: compressed, i%2: singleton)",
])  # fmt: skip
def test_a_singleton_beneath_a_unique_level_is_no_result(fmt: str) -> None:
    for make in (lambda: sp.tensor(np.ones((3, 3))).convert(fmt), lambda: sp.from_coo([[0], [1]], [1.0], (3, 3), fmt)):
        with pytest.raises(sp.UnsupportedError, match="has one entry for each parent"):
            make()


@pytest.mark.parametrize("fmt", [
    "(i, j) -> (i/2: compressed[nonunique], j/2: singleton, i%2: dense, j%2: dense)",
    "(i, j) -> (j/3: compressed[nonunique], i: singleton, j%3: runs)",
])  # fmt: skip
def test_levels_beneath_a_list_of_coordinates_are_no_result(fmt: str) -> None:
    with pytest.raises(sp.UnsupportedError, match="beneath a list of coordinates"):
        sp.tensor(np.ones((5, 7))).convert(fmt)
