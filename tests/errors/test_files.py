"""Wrong files: each with the text that it must produce; damaged ones never crash."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as ss

import sparsec as sp

BANNER = "%%MatrixMarket matrix "
REAL = BANNER + "coordinate real general\n"
DENSE = np.array([[0, 1.0, 2], [3, 0, 0]])


def message(path: Path, error: type[sp.SparsecError] = sp.FileError, **options: Any) -> str:
    with pytest.raises(sp.SparsecError) as caught:
        sp.read(path, **options)
    assert type(caught.value) is error, repr(caught.value)
    return str(caught.value).replace(str(path), path.name)


MATRIX_MARKET = [
    ("", "'a.mtx', line 1: this is no Matrix Market file"),
    ("hello\n2 2 1\n", "'a.mtx', line 1: this is no Matrix Market file\nhint: it begins with '%%MatrixMarket matrix"),
    (BANNER + "coordinate quaternion general\n1 1 0\n", "line 1: invalid MatrixMarket header element: quaternion"),
    (BANNER + "coordinate real upper\n1 1 0\n", "line 1: invalid MatrixMarket header element: upper"),
    (BANNER + "heap real general\n1 1 0\n", "line 1: invalid MatrixMarket header element: heap"),
    ("%%MatrixMarket graph coordinate real general\n1 1 0\n", "line 1: invalid MatrixMarket header element: graph"),
    ("%%MatrixMarket vector coordinate real general\n1 1 0\n", "'a.mtx'"),
    (REAL, "line 2: expected 'rows columns entries', found the end of the file"),
    (REAL + "% only\n% comments\n", "line 4: expected 'rows columns entries', found the end of the file"),
    (REAL + "2 2\n1 1 1\n", "line 2: expected 'rows columns entries', found '2 2'"),
    (REAL + "% a comment\na b c\n", "line 3: expected 'rows columns entries', found 'a b c'"),
    (REAL + "2.0 2 1\n", "line 2: expected 'rows columns entries', found '2.0 2 1'"),
    (REAL + "-2 2 1\n1 1 1\n", "line 2: -2 x 2 is no shape of a matrix"),
    (REAL + "99999999999999999999 1 1\n1 1 1\n", "line 2: 99999999999999999999 x 1 is no shape of a matrix"),
    (REAL + "10 10 999999999999\n1 1 1\n", "line 2: 999,999,999,999 entries are announced, more than a file"),
    (BANNER + "array real general\n2000000 2000000\n1\n", "line 2: 4,000,000,000,000 entries are announced"),
    (BANNER + "array real general\n2 2 4\n1\n", "line 2: expected 'rows columns', found '2 2 4'"),
    (BANNER + "coordinate real symmetric\n2 3 1\n2 1 1\n", "line 2: a symmetric matrix is square, not 2 x 3"),
    (REAL + "2 2 1\n3 1 1\n", "line 3: row index out of bounds: '3 1 1'"),
    (REAL + "2 2 1\n0 1 1\n", "line 3: row index out of bounds: '0 1 1'"),
    (REAL + "% c\n2 2 2\n1 1 1\n1 3 1\n", "line 5: column index out of bounds: '1 3 1'"),
    (REAL + "2 2 1\n1 1 x\n", "line 3: 'x' is no number: '1 1 x'"),
    (REAL + "2 2 1\n1 1\n", "line 3: invalid floating-point value: '1 1'"),
    (REAL + "2 2 1\n1 1 1\n2 2 1\n", "line 4: too many lines in file (file too long): '2 2 1'"),
    (REAL + "2 2 3\n1 1 1\n", "'a.mtx': truncated file. Expected another 2 lines"),
    (BANNER + "array real general\n2 2\n1\n2\n3\n", "'a.mtx': truncated file. Expected another 1 lines"),
    (BANNER + "coordinate integer general\n1 1 1\n1 1 99999999999999999999\n", "line 3: integer out of range"),
    (REAL + "2 2 2\n1 1 1\n2 2 1D3\n", "'a.mtx', line 4: '1D3' is no number: '2 2 1D3'"),
    (REAL + "% c\n\n2 2 1\n1 1 3,5\n", "line 5: '3,5' is no number: '1 1 3,5'"),
    (REAL + "2 2 1\r\n1 1 0x10\r\n", "line 3: '0x10' is no number: '1 1 0x10'"),
    (REAL + "2 2 2\n1 1 nan\n2 2 3.5abc\n", "line 4: '3.5abc' is no number: '2 2 3.5abc'"),
    (REAL + "2 2 1\n1 1 1f\n", "line 3: '1f' is no number: '1 1 1f'"),
    (BANNER + "array real general\n2 1\n1\n1;5\n", "line 4: '1;5' is no number: '1;5'"),
    (BANNER + "coordinate complex general\n2 2 1\n1 1 1 2j\n", "line 3: '2j' is no number: '1 1 1 2j'"),
    (BANNER + "coordinate integer general\n2 2 1\n1 1 1.5\n", "line 3: '1.5' is no whole number: '1 1 1.5'"),
    (BANNER + "coordinate integer general\n2 2 1\n1 1 1e3\n", "line 3: '1e3' is no whole number: '1 1 1e3'"),
    (BANNER + "coordinate real skew-symmetric\n2 2 1\n1 1 1\n", "an entry on the diagonal of a skew-symmetric matrix"),
    (BANNER + "coordinate pattern general\n2 2 1\n1 1.0\n", "line 3: '1.0' is no whole number: '1 1.0'"),
    (REAL + "2 2 1\n1 1 1.2.3\n", "line 3: '1.2.3' is no number: '1 1 1.2.3'"),
    (REAL + "2 2 1\n1 1 1-2\n", "line 3: '1-2' is no number"),
    (REAL + "2 2 1\n1 1 5e", "line 3: '5e' is no number"),
    (REAL + "2 2 1\n1 1 5e1.5\n", "line 3: '5e1.5' is no number"),
    (REAL + "2 2 1\n1 1 5e1e5\n", "line 3: '5e1e5' is no number"),
    (REAL + "2 2 1\n1 1 5e+\n", "line 3: '5e+' is no number"),
    (REAL + "2 2 2\n1 1 5\n1 2 3 4\n", "line 4: expected 3 numbers, found 4: '1 2 3 4'"),
    (BANNER + "coordinate integer general\n2 2 1\n1 1 3-4\n", "line 3: '3-4' is no whole number"),
    (BANNER + "coordinate pattern general\n2 2 1\n1 1 5\n", "line 3: expected 2 numbers, found 3: '1 1 5'"),
    (BANNER + "array real symmetric\n2 2\n1\n2 3\n4\n", "line 4: expected 1 numbers, found 2: '2 3'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), MATRIX_MARKET)
def test_matrix_market(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "a.mtx"
    path.write_bytes(text.encode())
    assert says in message(path)


@pytest.mark.parametrize("suffix", [".gz", ".bz2"])
def test_matrix_market_words_in_compressed_files(tmp_path: Path, suffix: str) -> None:
    rows = "".join(f"{n} {n} {n}.5\n" for n in range(1, 300_000))
    text = f"{REAL}300000 300000 300000\n{rows}300000 300000 1D3\n".encode()
    path = tmp_path / f"a.mtx{suffix}"
    path.write_bytes((gzip if suffix == ".gz" else bz2).compress(text))
    assert f"'a.mtx{suffix}', line 300002: '1D3' is no number" in message(path)


def test_a_compressed_file_that_is_cut_off_in_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.mtx.gz").write_bytes(gzip.compress((REAL + "2 2 1\n1 1 5e").encode()))
    assert "line 3: '5e' is no number" in message(tmp_path / "a.mtx.gz")


FROSTT = [
    ("", "'a.tns' has no entries, and nothing says its shape\nhint: sp.read(path, shape=(...))"),
    ("# nothing\n", "'a.tns' has no entries"),
    ("1 1 2 5\n1 x 2 5\n", "'a.tns', line 2: 'x' is no number: '1 x 2 5'"),
    ("# c\n\n1 1 2 5\n1 2 5\n", "line 4: 3 numbers, the lines above have 4: '1 2 5'"),
    ("1 1 2 5\n1 2 2 5 6\n", "line 2: 5 numbers, the lines above have 4: '1 2 2 5 6'"),
    ("# c\n1 1 5\n0 1 5\n", "line 3: 0 is no coordinate: they are whole numbers from 1: '0 1 5'"),
    ("1 1 5\n1 -1 5\n", "line 2: -1 is no coordinate"),
    ("1 1 5\n1 1.5 5\n", "line 2: 1.5 is no coordinate"),
    ("1 1 5\nnan 1 5\n", "line 2: nan is no coordinate"),
    ("1 1 5\n1 1e30 5\n", "line 2: 1e+30 is no coordinate"),
    ("1 1 5\n1 9007199254740993 5\n", "line 2: coordinate 9007199254740992 or so is too great"),
    ("2\n3 3\n1 1 5\n4 1 5\n", "line 4: coordinate 4 of dimension 0 is outside 1..3: '4 1 5'"),
    ("2\n3 3 3\n1 1 5\n", "the header announces 2 extents, then comes '3 3 3'"),
    ("2\n3 x\n1 1 5\n", "the extents are whole numbers, not '3 x'"),
    ("2\n", "the header announces 2 extents, then comes ''"),
    ("# shape: 3 3\n1 1 1 5\n", "its lines have 3 coordinates, the shape (3, 3) has order 2"),
    ("1 2,5\n", "'2,5' is no number"),
    ("\0\1\2 \xff", "is no number"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), FROSTT)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_frostt(tmp_path: Path, text: str, says: str, suffix: str) -> None:
    path = tmp_path / f"a.tns{suffix}"
    data = text.encode("latin-1")
    path.write_bytes(gzip.compress(data) if suffix else data)
    assert says in message(path).replace("a.tns.gz", "a.tns")


def test_shape_of_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "a.tns"
    path.write_text("1 1 5\n2 4 5\n")
    assert "line 2: coordinate 4 of dimension 1 is outside 1..3: '2 4 5'" in message(path, shape=(3, 3))
    assert "its lines have 2 coordinates, the shape (3,) has order 1" in message(path, shape=(3,))
    assert "a shape is a tuple of integers, not 'ab'" in message(path, shape="ab")
    (tmp_path / "a.mtx").write_text(REAL + "1 1 0\n")
    assert "tells its own shape" in message(tmp_path / "a.mtx", shape=(3, 3))


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def ours(**changes: Any) -> bytes:
    """[[0, 1, 2], [3, 0, 0]] in our layout, with changes; None leaves an array out."""
    arrays = {
        "sparsec": np.int64(1), "format": np.str_("csr"), "dtype": np.str_("f64"), "shape": np.array([2, 3]),
        "fill": np.array(0.0), "values": np.array([1.0, 2, 3]), "1.pos": np.array([0, 2, 3]),
        "1.crd": np.array([1, 2, 0]),
    }  # fmt: skip
    return npz(**{k: v for k, v in (arrays | changes).items() if v is not None})


NPZ: list[tuple[bytes, str]] = [
    (b"", "'a.npz' is no npz file"),
    (b"hello, world", "'a.npz' is no npz file"),
    (ours()[:200], "'a.npz' is damaged: File is not a zip file\nhint: was it copied whole?"),
    (npz(x=np.ones(3)), "'a.npz' holds arrays (x), but no sparse tensor"),
    (npz(format=np.str_("csr")), "'a.npz' lacks the array 'data'"),
    (npz(format=b"coo", data=[1.0], shape=[2, 2], col=[1]), "'a.npz' lacks the array 'row'"),
    (npz(format=np.str_("xyz")), "'a.npz' has the format 'xyz'\nhint: SciPy writes csr, csc, bsr, dia, coo"),
    (npz(format=b"csr", shape=[2, 2], data=[1.0], indices=[5], indptr=[0, 1, 1]),
     "csr_matrix: level 1 (j: compressed): coordinate 5 at position 0 is outside 0..1"),
    (npz(format=b"csr", shape=[2, 2], data=[1.0], indices=[0], indptr=[0, 7, 1]), "'a.npz': "),
    (npz(format=b"csr", shape=[2, 2], data=[1.0], indices=[0.7], indptr=[0, 1, 1]),
     "'a.npz': indices has dtype float64, expected integers\nhint: save it with indices.astype('int64')"),
    (npz(format=b"coo", shape=[2, 2], data=[1.0], row=[0], col=[True]), "'a.npz': col has dtype bool, expected"),
    (npz(format=np.array({"a": 1}, object)), "'a.npz': Object arrays cannot be loaded when allow_pickle=False"),
    (ours(sparsec=np.int64(9)), "'a.npz' has layout 9, this sparsec knows 1\nhint: update sparsec"),
    (ours(format=np.str_("cssr")), "'a.npz': unknown format 'cssr'\nhint: did you mean 'csr'?"),
    (ours(format=np.str_("(i, j) -> (i: dense")), "'a.npz': expected"),
    (ours(format=np.str_("sym")), "a symmetric matrix is square, the shape is (2, 3)"),
    (ours(dtype=np.str_("f63")), "'a.npz': unknown dtype 'f63'"),
    (ours(dtype=np.str_("i64")), "'a.npz': the values have dtype float64, not i64"),
    (ours(shape=np.array([2, -3])), "'a.npz': shape [2, -3]: an extent lies in"),
    (ours(shape=np.array([2, 3, 4])), "'a.npz'"),
    (ours(fill=np.array("x")), "'a.npz': fill value 'x' does not fit dtype f64"),
    (ours(**{"1.crd": None}), "'a.npz' lacks the array '1.crd'"),
    (ours(**{"1.crd": np.array([1, 2, 3])}), "tensor: level 1 (j: compressed): coordinate 3 at position 2 is outside"),
    (ours(values=np.ones(2)), "'a.npz': tensor: 2 values for 3 positions"),
    (ours(**{"1.crd": np.array([0, 1.5, 0])}), "level 1 (j: compressed): crd has dtype float64, expected integers"),
    (ours(values=None), "'a.npz' lacks the array 'values'"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says"), NPZ)
def test_npz(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(data)
    unsupported = "cannot run yet" in says
    assert says in message(path, sp.UnsupportedError if unsupported else sp.FileError)


def test_paths(tmp_path: Path) -> None:
    (tmp_path / "matrix.mtx").write_text(REAL + "1 1 0\n")
    (tmp_path / "folder.mtx").mkdir()
    assert message(tmp_path / "matrx.mtx") == "there is no file 'matrx.mtx'\nhint: did you mean 'matrix.mtx'?"
    assert message(tmp_path / "nowhere" / "x.npz") == "there is no file 'x.npz'"
    assert message(tmp_path / "folder.mtx") == "cannot read 'folder.mtx': Is a directory"
    assert "'a.txt': no known kind of file\nhint: its name ends in .mtx, .mtx.gz" in message(tmp_path / "a.txt")
    assert "binsparse in Zarr cannot be read or written yet" in message(tmp_path / "a.zarr", sp.UnsupportedError)
    with pytest.raises(sp.TypeError_, match="a path is text or a Path, not int"):
        sp.read(3)  # type: ignore[arg-type]


WRITES: list[tuple[str, Any, type[sp.SparsecError], str]] = [
    ("a.txt", DENSE, sp.FileError, "no known kind of file"),
    ("a.zarr", DENSE, sp.UnsupportedError, "binsparse in Zarr"),
    ("nowhere/a.mtx", DENSE, sp.FileError, "No such file or directory"),
    ("a.mtx", np.ones((2, 2, 2)), sp.ShapeError, "holds a matrix, this tensor has order 3\nhint: use .tns or .npz"),
    ("a.mtx", sp.tensor(DENSE, "csr", fill_value=1), sp.FormatError, "has no fill value, this tensor has 1.0"),
    ("a.tns", sp.tensor(DENSE, "csr", fill_value=1), sp.FormatError, "has no fill value, this tensor has 1.0"),
    ("a.tns", DENSE * 1j, sp.TypeError_, "a FROSTT file holds real numbers, this tensor c128"),
    ("a.tns", 3.5, sp.ShapeError, "a FROSTT file holds a tensor of order 1 and more"),
    ("a.npz", "text", sp.TypeError_, "no tensor can be made of 'text' (str)"),
]


@pytest.mark.parametrize(("name", "obj", "error", "says"), WRITES)
def test_writing(tmp_path: Path, name: str, obj: Any, error: type[sp.SparsecError], says: str) -> None:
    with pytest.raises(sp.SparsecError) as caught:
        sp.write(tmp_path / name, obj)
    assert type(caught.value) is error and says in str(caught.value), str(caught.value)
    assert list(tmp_path.iterdir()) == []


def good_files(folder: Path) -> list[Path]:
    for name in ("a.mtx", "a.mtx.gz", "a.mtx.bz2", "a.tns", "a.tns.gz", "dcsr.npz", "scipy.npz"):
        sp.write(folder / name, sp.tensor(DENSE, "dcsr" if name == "dcsr.npz" else "csr"))
    blocks = ss.bsr_array(np.kron(np.eye(3), np.ones((2, 2))))
    ss.save_npz(folder / "bsr.npz", blocks)
    ss.save_npz(folder / "bsr_plain.npz", blocks, compressed=False)
    ss.save_npz(folder / "dia.npz", ss.dia_array(DENSE))
    return sorted(folder.iterdir())


def spoiled(data: bytes, rng: np.random.Generator) -> bytes:
    how = rng.integers(0, 3)
    if how == 0:
        return data[: rng.integers(0, len(data))]
    out = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        out[rng.integers(0, len(out))] = rng.integers(0, 256)
    return bytes(out) if how == 1 else bytes(out) + bytes(rng.integers(0, 256, 20, dtype=np.uint8))


def repacked(name: str) -> Callable[[bytes], bytes]:
    """Compress what was spoiled inside, so that the text is reached."""
    return {".gz": gzip.compress, ".bz2": bz2.compress}.get(Path(name).suffix, lambda data: data)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_spoiled_files_never_crash(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    rng = np.random.default_rng(5)
    for good in good_files(tmp_path / "good"):
        data = good.read_bytes()
        plain = {".gz": gzip.decompress, ".bz2": bz2.decompress}.get(good.suffix, lambda d: d)(data)
        for n in range(60):
            path = tmp_path / good.name
            path.write_bytes(spoiled(data, rng) if n % 2 else repacked(good.name)(spoiled(plain, rng)))
            with suppress(sp.FileError, sp.UnsupportedError):
                sp.read(path).validate()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_zero_byte_in_a_matrix_market_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.mtx{suffix}"
    data = b"%%MatrixMarket matrix coordinate real general\n3 3 1\n1 1 1\0\n"
    path.write_bytes(gzip.compress(data) if suffix else data)
    with pytest.raises(sp.FileError, match="a zero byte"):
        sp.read(path)
