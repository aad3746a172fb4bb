"""Files: Matrix Market, FROSTT, npz; all that is small of the shared data sets."""

from __future__ import annotations

import gzip
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse as ss

import sparsec as sp
from sparsec.formats.named import FORMATS
from sparsec.runtime import io

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SPARSEC_DATA", ROOT.parent / "shared" / "data"))
DENSE = np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [-3, 0, 0, 1e-300]])


def wrote(path: Path, text: str) -> Path:
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_the_matrix_of_the_demo() -> None:
    a = sp.read(ROOT / "examples" / "data" / "debian12_depends.mtx.gz")
    a.validate()
    assert (a.shape, a.nnz, a.format, a.dtype) == ((63_436, 63_436), 247_686, "csr", np.float64)
    assert a.storage.levels[1]["crd"].dtype == np.int32 and set(a.storage.values.tolist()) == {1.0}


def shared() -> list[Any]:
    """(file, shape, entries) as the table of the folder says."""
    if not (DATA / "README.md").exists():
        return [pytest.param("", (), 0, marks=pytest.mark.skip(reason=f"no data sets in {DATA}"))]
    rows = []
    for line in (DATA / "README.md").read_text().splitlines():
        cells = [c.strip() for c in line.strip("| ").split("|")]
        kinds = ("mtx", "tns") if re.match(r"[\w.-]+$", cells[0]) else ()
        found = [path for kind in kinds if (path := DATA / f"{cells[0]}.{kind}.gz").exists()]
        if len(cells) > 3 and found and found[0].stat().st_size < 700_000:
            shape = tuple(int(n.replace(",", "")) for n in cells[1].split(" x "))
            rows.append(pytest.param(found[0].name, shape, int(cells[2].replace(",", "")), id=cells[0]))
    return rows


@pytest.mark.parametrize(("name", "shape", "nnz"), shared())
def test_shared_data(name: str, shape: tuple[int, ...], nnz: int) -> None:
    a = sp.read(DATA / name)
    a.validate()
    assert a.shape == shape and a.nnz == nnz
    if name.endswith(".mtx.gz"):
        them = ss.csr_array(scipy.io.mmread(DATA / name))
        assert (a.scipy() != them).nnz == 0


# Matrix Market

BANNER = "%%MatrixMarket matrix "


@pytest.mark.parametrize(
    ("text", "dtype", "dense"),
    [
        ("coordinate real general\n2 3 2\n2 3 1.5\n1 1 -2\n", "f8", [[-2, 0, 0], [0, 0, 1.5]]),
        ("coordinate integer general\n% a comment\n\n2 2 1\n2 1 7\n", "i8", [[0, 0], [7, 0]]),
        ("coordinate pattern general\n2 2 2\n1 2\n2 1\n", "f8", [[0, 1], [1, 0]]),
        ("coordinate complex general\n1 2 1\n1 2 1 -2\n", "c16", [[0, 1 - 2j]]),
        ("coordinate unsigned-integer general\n1 1 1\n1 1 18446744073709551615\n", "u8", [[2**64 - 1]]),
        ("coordinate real symmetric\n2 2 2\n1 1 3\n2 1 4\n", "f8", [[3, 4], [4, 0]]),
        ("coordinate real skew-symmetric\n2 2 1\n2 1 4\n", "f8", [[0, -4], [4, 0]]),
        ("coordinate complex hermitian\n2 2 1\n2 1 1 2\n", "c16", [[0, 1 - 2j], [1 + 2j, 0]]),
        ("coordinate pattern symmetric\n2 2 1\n2 1\n", "f8", [[0, 1], [1, 0]]),
        ("coordinate real general\n2 2 3\n1 1 1\n1 1 2\n2 2 4\n", "f8", [[3, 0], [0, 4]]),
        ("coordinate real general\n0 5 0\n", "f8", np.zeros((0, 5))),
        ("coordinate real general\n1 2 2\r\n1 1 -INF\r\n1 2\t.5E+2\n\n", "f8", [[-np.inf, 50]]),
    ],
)
@pytest.mark.parametrize("suffix", [".mtx", ".mtx.gz"])
def test_matrix_market_in(tmp_path: Path, text: str, dtype: str, dense: Any, suffix: str) -> None:
    a = sp.read(wrote(tmp_path / f"a{suffix}", BANNER + text))
    a.validate()
    assert a.format == "csr" and a.dtype == np.dtype(dtype)
    assert np.array_equal(a.numpy(), np.array(dense, dtype))


def test_matrix_market_arrays_are_dense(tmp_path: Path) -> None:
    a = sp.read(wrote(tmp_path / "a.mtx", BANNER + "array real general\n2 3\n1\n2\n3\n4\n5\n6\n"))
    assert a.format == "dense" and a.numpy().tolist() == [[1, 3, 5], [2, 4, 6]]
    assert sp.read(tmp_path / "a.mtx", "csc").format == "csc"


def test_explicit_zeros_stay(tmp_path: Path) -> None:
    a = sp.read(wrote(tmp_path / "a.mtx", BANNER + "coordinate real general\n2 2 2\n1 1 0\n2 2 1\n"))
    assert a.nnz == 2 and a.prune().nnz == 1


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("suffix", [".mtx", ".mtx.gz", ".mtx.bz2"])
@pytest.mark.parametrize("fmt", ["csc", "dense"])
def test_matrix_market_round_trip(tmp_path: Path, dtype: str, suffix: str, fmt: str) -> None:
    a = np.where(DENSE == 1.5, 1 / 3, DENSE) if np.dtype(dtype).kind in "fc" else np.abs(DENSE)
    a = a.astype(dtype)
    sp.write(tmp_path / f"a{suffix}", sp.tensor(a, fmt))
    assert np.array_equal(sp.read(tmp_path / f"a{suffix}").numpy().astype(dtype), a)
    assert os.listdir(tmp_path) == [f"a{suffix}"]


# FROSTT


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1 1 2 5\n2 3 1 -1.5\n", (2, 3, 2)),
        ("# a comment\n\n1 1 2 5 # five\n2 3 1 -1.5", (2, 3, 2)),
        ("3\n4 5 6\n1 1 2 5\n2 3 1 -1.5\n", (4, 5, 6)),
        ("# extended FROSTT format\n3 2\n4 5 6\n1 1 2 5\n2 3 1 -1.5\n", (4, 5, 6)),
        ("# shape: 2 4 2\n1 1 2 5\n2 3 1 -1.5\n", (2, 4, 2)),
        ("2 3 1 -1\n1 1 2 5\n2 3 1 -0.5\n", (2, 3, 2)),
        ("1\t1  2\t5e0\r\n 2 3 1 -15e-1 \r\n", (2, 3, 2)),
    ],
)
@pytest.mark.parametrize("suffix", [".tns", ".tns.gz"])
def test_frostt_in(tmp_path: Path, text: str, shape: tuple[int, ...], suffix: str) -> None:
    a = sp.read(wrote(tmp_path / f"a{suffix}", text))
    a.validate()
    dense = np.zeros(shape)
    dense[0, 0, 1], dense[1, 2, 0] = 5, -1.5
    assert a.format == "csf" and np.array_equal(a.numpy(), dense)


def test_frostt_of_a_given_shape(tmp_path: Path) -> None:
    path = wrote(tmp_path / "a.tns", "1 2 inf\n3 1 nan\n")
    assert sp.read(path, shape=(9, 8)).shape == (9, 8)
    assert sp.read(path).format == "csr"
    assert sp.read(wrote(tmp_path / "empty.tns", "# nothing\n"), "coo", shape=(2, 3, 4)).nnz == 0


@pytest.mark.parametrize("shape", [(7,), (3, 4), (3, 4, 5), (2, 3, 2, 3)])
@pytest.mark.parametrize("dtype", ["bool", "int64", "float32", "float64"])
def test_frostt_round_trip(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(3)
    a = (rng.random(shape) * 9 * (rng.random(shape) < 0.3)).astype(dtype)
    a[-1] = 0
    for fmt in ("sparse", "dense", "coo"):
        sp.write(tmp_path / "a.tns.bz2", sp.tensor(a, fmt))
        back = sp.read(tmp_path / "a.tns.bz2")
        assert back.shape == shape and np.array_equal(back.numpy(), a.astype(float)) and back.nnz == np.count_nonzero(a)


# npz


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float64", "complex64"])
@pytest.mark.parametrize("fill", [0, 1])
def test_npz_keeps_the_format(tmp_path: Path, name: str, dtype: str, fill: int) -> None:
    shape = (3, 4) if name not in ("csf", "sparse") else (3, 4, 2)
    rng = np.random.default_rng(4)
    a = (rng.integers(0, 5, shape) * (rng.random(shape) < 0.5)).astype(dtype)
    if name == "sym":
        a = np.maximum(a[:, :3], a[:, :3].T) if a.dtype.kind != "c" else a[:, :3] + a[:, :3].T
    t = sp.tensor(a, name, fill_value=fill)
    sp.write(tmp_path / "a.npz", t)
    back = sp.read(tmp_path / "a.npz")
    back.validate()
    assert (back.format, back.dtype, back.nnz, back.fill_value) == (t.format, t.dtype, t.nnz, t.fill_value)
    assert np.array_equal(back.numpy(), a) and back.storage.format == t.storage.format


def test_npz_of_maps_widths_and_odd_fills(tmp_path: Path) -> None:
    wide = ss.csr_array(DENSE)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    turned = sp.Tensor(sp.tensor(DENSE, "csc", fill_value=float("nan"))._entries())
    for t in (sp.tensor(wide), turned, sp.tensor(DENSE, "dcsc", fill_value=-np.inf), sp.tensor(2.5)):
        sp.write(tmp_path / "a.npz", t)
        back = sp.read(tmp_path / "a.npz")
        assert back.storage.format == t.storage.format and repr(back.fill_value) == repr(t.fill_value)
        assert np.array_equal(back.numpy(), t.numpy(), equal_nan=True)


def test_npz_of_bf16(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    sp.write(tmp_path / "a.npz", sp.tensor(torch.tensor([1.5, 0], dtype=torch.bfloat16), "coo"))
    assert sp.read(tmp_path / "a.npz").torch().to_dense().dtype == torch.bfloat16


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr", "dia"])
def test_npz_of_scipy(tmp_path: Path, layout: str) -> None:
    ss.save_npz(tmp_path / "a.npz", getattr(ss, f"{layout}_array")(DENSE))
    a = sp.read(tmp_path / "a.npz")
    assert np.array_equal(a.numpy(), DENSE) and a.format == (layout if layout in ("csr", "csc", "coo") else "csr")


@pytest.mark.parametrize("fmt", ["csr", "csc", "coo"])
def test_scipy_reads_ours(tmp_path: Path, fmt: str) -> None:
    sp.write(tmp_path / "a.npz", sp.tensor(DENSE, fmt))
    them = ss.load_npz(tmp_path / "a.npz")
    assert them.format == fmt and np.array_equal(them.toarray(), DENSE)


# all


def test_anything_can_be_written(tmp_path: Path) -> None:
    for obj in (DENSE, ss.csr_array(DENSE), DENSE.tolist()):
        for name in ("a.mtx", "a.tns", "a.npz"):
            sp.write(str(tmp_path / name), obj)
            assert np.array_equal(sp.read(tmp_path / name, "csr").numpy(), DENSE), name


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sp.write(tmp_path / "a.tns", DENSE)
    before = (tmp_path / "a.tns").read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sparsec.runtime.frostt.write", full)
    with pytest.raises(sp.FileError, match="No space left"):
        sp.write(tmp_path / "a.tns", DENSE)
    assert (tmp_path / "a.tns").read_bytes() == before and os.listdir(tmp_path) == ["a.tns"]


@pytest.mark.parametrize("name", ["x.MTX.GZ", "x.mtx.Bz2", "x.TNS.GZ"])
def test_suffixes_in_capitals(tmp_path: Path, name: str) -> None:
    sp.write(tmp_path / name, DENSE)
    assert np.array_equal(sp.read(tmp_path / name).numpy(), DENSE)


def test_writers_of_one_path_do_not_mix(tmp_path: Path) -> None:
    sizes = [np.full((n, 40), float(n)) for n in (5, 20, 60, 90)] * 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda a: sp.write(tmp_path / "a.mtx", a), sizes))
    found = sp.read(tmp_path / "a.mtx").numpy()
    assert any(np.array_equal(found, a) for a in sizes) and os.listdir(tmp_path) == ["a.mtx"]


def test_kinds() -> None:
    assert [io.kind(Path(p)) for p in ("A.MTX", "x.tns.gz", "a.b.npz")] == ["matrix_market", "frostt", "npz"]
