"""Binsparse files: what we write reads back, and follows the specification; what others may write is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from tests.support.arrays import same, sparse

h5py = pytest.importorskip("h5py")
D = np.array([[0, 2.0, 0, -1], [0, 0, 0, 0], [3, 0, 0.5, 2]])


def descriptor(path: Path) -> Any:
    with h5py.File(path) as file:
        return json.loads(file.attrs["binsparse"])["binsparse"]


@pytest.mark.parametrize(
    ("fmt", "name", "arrays"),
    [
        ("csr", "CSR", {"pointers_to_1", "indices_1"}), ("csc", "CSC", {"pointers_to_1", "indices_1"}),
        ("dcsr", "DCSR", {"indices_0", "pointers_to_1", "indices_1"}), ("coo", "COOR", {"indices_0", "indices_1"}),
        ("dcsc", "DCSC", {"indices_0", "pointers_to_1", "indices_1"}), ("dense", "DMATR", set()),
    ],
)  # fmt: skip
def test_named_formats(tmp_path: Path, fmt: str, name: str, arrays: set[str]) -> None:
    path = tmp_path / "a.bsp.h5"
    a = sp.tensor(D, fmt)
    sp.write(path, a)
    found = descriptor(path)
    assert found["format"] == name and found["version"] == "0.1" and found["shape"] == [3, 4]
    assert found["number_of_stored_values"] == a.nnz and set(found["data_types"]) == {*arrays, "values"}
    back = sp.read(path)
    assert back.format == fmt
    same(back, D)


@pytest.mark.parametrize("fmt", ["csf", "coo", "(i, j, k) -> (k: dense, i: compressed, j: dense)"])
def test_custom_formats(tmp_path: Path, fmt: str) -> None:
    array = D.reshape(3, 2, 2)
    a = sp.tensor(array, fmt)
    sp.write(tmp_path / "a.h5", a)
    back = sp.read(tmp_path / "a.h5")
    assert back.format == a.format and "custom" in descriptor(tmp_path / "a.h5")
    same(back, array)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float32", "complex64", "complex128"])
@pytest.mark.parametrize("fill", [0, 1])
def test_dtypes_and_fills(tmp_path: Path, dtype: str, fill: int) -> None:
    array = np.array([1, 0, 1, 1]).astype(dtype)
    sp.write(tmp_path / "a.bsp.h5", sp.tensor(array, "coo", fill_value=fill))
    back = sp.read(tmp_path / "a.bsp.h5")
    assert back.fill_value == fill and descriptor(tmp_path / "a.bsp.h5")["format"] == "CVEC"
    same(back, array)


def write(path: Path, found: dict[str, Any], nested: bool = True, **arrays: Any) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["binsparse"] = json.dumps({"binsparse": found} if nested else found)
        for name, array in arrays.items():
            file[name] = np.asarray(array)


PLAIN = {"version": "0.1", "format": "CSR", "shape": [5, 5], "number_of_stored_values": 6,
         "data_types": {"pointers_to_1": "uint64", "indices_1": "uint64", "values": "iso[int8]"}}  # fmt: skip
ARRAYS = {"pointers_to_1": np.array([0, 1, 3, 3, 5, 6], "u8"), "indices_1": np.array([3, 1, 4, 1, 2, 3], "u8"),
          "values": np.array([7], "i1")}  # fmt: skip


@pytest.mark.parametrize("nested", [True, False])
def test_the_specifications_example(tmp_path: Path, nested: bool) -> None:
    write(tmp_path / "a.bsp.h5", PLAIN, nested, **ARRAYS)
    a = sp.read(tmp_path / "a.bsp.h5")
    assert a.format == "csr" and a.dtype == np.int8
    assert a.numpy().tolist() == [[0, 0, 0, 7, 0], [0, 7, 0, 0, 7], [0] * 5, [0, 7, 7, 0, 0], [0, 0, 0, 7, 0]]


def test_levels_of_higher_rank(tmp_path: Path) -> None:
    custom = {"level": {"level_desc": "dense", "rank": 2, "level": {"level_desc": "sparse", "rank": 1,
              "level": {"level_desc": "element"}}}}  # fmt: skip
    found = {**PLAIN, "format": custom, "custom": custom, "shape": [1, 2, 3], "number_of_stored_values": 2,
             "data_types": {"pointers_to_2": "int32", "indices_2": "int32", "values": "float64"}}  # fmt: skip
    write(tmp_path / "a.h5", found, pointers_to_2=np.array([0, 1, 2]), indices_2=np.array([2, 0]), values=[1.0, 2.0])
    assert sp.read(tmp_path / "a.h5").numpy().tolist() == [[[0, 0, 1], [2, 0, 0]]]


@pytest.mark.parametrize(
    ("change", "arrays", "text"),
    [
        ({"format": "CSQ"}, {}, "unknown format 'CSQ'"),
        ({"version": "7.0"}, {}, "binsparse version 7.0"),
        ({"shape": [5, 4]}, {}, "coordinate 4 at position 2"),
        ({"shape": [5]}, {}, "of order 2"),
        ({}, {"indices_1": np.array([3, 1, 4, 1, 2, 9])}, "9"),
        ({}, {"values": np.array([1.0])}, "values of type 'int8' stored as float64"),
        ({"data_types": {"values": "float128"}}, {}, "values of type 'float128'"),
        ({"format": {"level": {"level_desc": "runs", "rank": 1}}}, {}, "unknown level 'runs'"),
    ],
)
def test_what_is_wrong(tmp_path: Path, change: Any, arrays: Any, text: str) -> None:
    write(tmp_path / "a.bsp.h5", {**PLAIN, **change}, True, **{**ARRAYS, **arrays})
    with pytest.raises(sp.FileError, match=text):
        sp.read(tmp_path / "a.bsp.h5")


def test_no_binsparse_file(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("hello")
    with pytest.raises(sp.FileError, match="no HDF5 file"):
        sp.read(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w"):
        pass
    with pytest.raises(sp.FileError, match="no binsparse descriptor"):
        sp.read(tmp_path / "b.h5")
    with pytest.raises(sp.FileError, match="there is no file"):
        sp.read(tmp_path / "c.h5")
    with pytest.raises(sp.TypeError_, match="no dtype f16"):
        sp.write(tmp_path / "d.h5", sparse(D.astype("float16")))
    assert not list(tmp_path.glob("*.tmp")) and not (tmp_path / "d.h5").exists()
