"""Every command in this process: what it prints, its JSON, its exit code."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from sparsec import knobs
from tests.cli.conftest import DENSE, Invoke

SPMV = "y[i] = A[i, j] * x[j]"
X = np.array([1.0, 2, 3, 4, 5])


def test_run_expression(invoke: Invoke, matrix: Path) -> None:
    ran = invoke("run", "-e", SPMV, f"A={matrix}", "x=[1.0,2,3,4,5]")
    assert ran.code == 0 and ran.err == ""
    assert ran.out.splitlines()[0] == "y  4, float64, dense"
    assert "sum    20.5" in ran.out and "first  -6.5  6  0  21" in ran.out


def test_run_json(invoke: Invoke, matrix: Path) -> None:
    report = invoke("run", "-e", SPMV, f"A={matrix}", "x=[1.0,2,3,4,5]", "--json").json
    (y,) = report["results"]
    assert y["shape"] == [4] and y["dtype"] == "float64" and y["format"] == "dense"
    assert y["first"] == [[[n], v] for n, v in enumerate((DENSE @ X).tolist())]
    assert y["sum"] == (DENSE @ X).sum() and y["norm"] == pytest.approx(np.linalg.norm(DENSE @ X))


def test_run_file_stdin_and_kernel(invoke: Invoke, matrix: Path, program: Path) -> None:
    arguments = (f"A={matrix}", "x=[1,2,3,4,5]", "--kernel", "spmv", "--json")
    from_file = invoke("run", program, *arguments)
    from_stdin = invoke("run", "-", *arguments, input=program.read_text())
    assert from_file.code == 0 and from_file.json == from_stdin.json
    assert from_file.json["kernel"] == "spmv"
    assert from_file.json["results"][0]["sum"] == (DENSE @ X).sum()


def test_run_sizes_and_scalars(invoke: Invoke, program: Path) -> None:
    report = invoke("run", program, "--kernel", "outer", "x=[1,2]", "--size", "p=3", "--json").json
    assert report["results"][0]["shape"] == [2, 3] and report["results"][0]["sum"] == 9
    ran = invoke("run", "-e", "s = a * x[i]", "a=2.5", "x=ones(4)")
    assert ran.code == 0 and ran.out.startswith("s = 10  float64")


def test_run_sparse_result(invoke: Invoke, matrix: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.mtx"
    ran = invoke("run", "-e", "C[i, j]: csr = 2 * A[i, j]", f"A={matrix}", "--out", f"C={out}")
    assert ran.code == 0 and "C  4 x 5, float64, csr" in ran.out
    assert "entries  6   (30.0 %)" in ran.out and "first    (0, 0) 2  (0, 2) -5" in ran.out
    again = invoke("run", "-e", "s = C[i, j]", f"C={out}", "--json").json
    assert again["results"][0]["sum"] == 2 * DENSE.sum()


def test_run_writes_npy(invoke: Invoke, matrix: Path, tmp_path: Path) -> None:
    ran = invoke("run", "-e", SPMV, f"A={matrix}", "x=[1,2,3,4,5.0]", "--out", f"y={tmp_path / 'y.npy'}")
    assert ran.code == 0 and np.load(tmp_path / "y.npy").tolist() == (DENSE @ X).tolist()
    read = invoke("run", "-e", "s = y[i]", f"y={tmp_path / 'y.npy'}", "--json").json
    assert read["results"][0]["sum"] == (DENSE @ X).sum()


def test_check(invoke: Invoke, matrix: Path) -> None:
    ran = invoke("run", "-e", SPMV, f"A={matrix}", "x=rand(5)", "--check")
    assert ran.code == 0 and "check: y agrees with NumPy's meaning: 4 elements" in ran.out
    report = invoke("run", "-e", SPMV, f"A={matrix}", "x=rand(5)", "--check", "--json").json
    assert report["check"][0]["agrees"] is True and report["check"][0]["elements"] == 4


def test_check_refuses_to_make_large_things_dense(invoke: Invoke) -> None:
    ran = invoke("run", "-e", SPMV, "A=rand(100000,100000,1e-7)", "x=rand(100000)", "--check")
    assert ran.code == 1 and ran.out == ""
    assert "--check works on dense arrays, and tensor 'A' has 10,000,000,000 points" in ran.err
    ran = invoke("run", "-e", "C[i, j] = X[i, k] * Y[k, j]", "X=rand(1000,1000)", "Y=rand(1000,1000)", "--check")
    assert ran.code == 1 and "the index space (i, j, k) of 'C' has 1,000,000,000 points" in ran.err


def test_time(invoke: Invoke, matrix: Path) -> None:
    arguments = ("run", "-e", SPMV, f"A={matrix}", "x=rand(5)", "--time")
    ran = invoke(*arguments)
    assert ran.code == 0
    assert all(w in ran.out for w in ("compiled", "first call", "minimum", "median", "sparsec"))
    report = invoke(*arguments, "--json").json
    assert report["calls"]["sparsec"]["minimum_s"] <= report["calls"]["sparsec"]["median_s"] and report["compile_ms"]


@pytest.mark.parametrize(
    ("text", "operands"),
    [
        (SPMV, ("A=rand(50,30,0.1)", "x=rand(30)")),
        ("y[j] = A[i, j] * x[i]", ("A=rand(50,30,0.1)", "x=rand(50)")),
        ("C[i, j] = A[i, k] * B[k, j]", ("A=rand(50,30,0.1)", "B=rand(30,7)")),
        ("C[i, j] = B[i, k] * A[k, j]", ("A=rand(50,30,0.1)", "B=rand(7,50)")),
        ("C[i, j] = A[i, k] * B[k, j]", ("A=rand(50,30,0.1)", "B=rand(30,20,0.1)")),
        ("C[i, j] = A[i, k] * B[j, k]", ("A=rand(50,30,0.1)", "B=rand(20,30,0.1)")),
        ("C[i, j] = A[i, j] + B[i, j]", ("A=rand(50,30,0.1)", "B=rand(50,30,0.1)")),
        ("C[i, j] = A[i, j] - 2 * B[j, i]", ("A=rand(50,30,0.1)", "B=rand(30,50,0.1)")),
        ("C[i, j] = A[i, j] * B[i, j]", ("A=rand(50,30,0.1)", "B=rand(50,30,0.1)")),
        ("r[i] = b[i] - A[i, j] * x[j]", ("A=rand(50,30,0.1)", "x=rand(30)", "b=rand(50)")),
        ("y[i] = A[i, j]", ("A=rand(50,30,0.1)",)),
        ("s = A[i, j]", ("A=rand(50,30,0.1)",)),
        ("y[i] = A[i, k] * B[k, j] * x[j]", ("A=rand(50,30,0.1)", "B=rand(30,20,0.1)", "x=rand(20)")),
        ("s = x[i] * y[i]", ("x=rand(50)", "y=rand(50)")),
        ("y[i] = a * x[i] / 3", ("x=rand(50)", "a=2.0")),
    ],
)
def test_against_scipy(invoke: Invoke, text: str, operands: tuple[str, ...]) -> None:
    ran = invoke("run", "-e", text, *operands, "--against", "scipy", "--json")
    assert ran.code == 0, ran.err
    assert set(ran.json["calls"]) == {"sparsec", "scipy"}, ran.json.get("against")


def test_against_torch(invoke: Invoke) -> None:
    pytest.importorskip("torch")
    ran = invoke("run", "-e", SPMV, "A=rand(50,30,0.1)", "x=rand(30)", "--against", "scipy,torch")
    assert ran.code == 0, ran.err
    assert [line.split()[0] for line in ran.out.splitlines()[-3:]] == ["sparsec", "scipy", "torch"]


def test_against_torch_that_is_not_installed(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    ran = invoke("run", "-e", SPMV, "A=rand(50,30,0.1)", "x=rand(30)", "--against", "scipy,torch")
    assert ran.code == 0, ran.err
    assert "torch: not installed: pip install 'sparsec[torch]'" in ran.out and "scipy" in ran.out


@pytest.mark.parametrize(
    ("text", "operands", "reason"),
    [
        ("C[i, j] = A[i, j] * X[i, k] * Y[j, k]", ("A=rand(9,8,0.2)", "X=rand(9,3)", "Y=rand(8,3)"), "sampled product"),
        ("C[i, j] = exp(A[i, j])", ("A=rand(9,8,0.2)",), "'exp'"),
        ("y[i] = A[i, i]", ("A=rand(9,9,0.2)",), "repeated indices"),
        ("M[i, r] = T[i, j, k] * B[j, r]", ("T=rand(4,5,6,0.2)", "B=rand(5,3)"), "order 3"),
        ("C[i, j] = A[i, j] + x[i]", ("A=rand(9,9)", "x=rand(9)"), "spread along an index"),
    ],
)
def test_no_equivalent(invoke: Invoke, text: str, operands: tuple[str, ...], reason: str) -> None:
    ran = invoke("run", "-e", text, *operands, "--against", "scipy")
    assert ran.code == 0, ran.err
    assert "scipy: no equivalent" in ran.out and reason in ran.out


@pytest.mark.parametrize("stage", ["tensor", "loops", "buffer", "llvm", "llvm-opt", "asm", "c"])
def test_emit(invoke: Invoke, program: Path, stage: str) -> None:
    ran = invoke("emit", program, "--kernel", "spmv", "--stage", stage)
    assert ran.code == 0 and "spmv" in ran.out and len(ran.out.splitlines()) > 3
    assert invoke("emit", program, "--kernel", "spmv", "--stage", stage, "--json").json["text"].strip() in ran.out


def test_emitted_loops_run(invoke: Invoke, program: Path, matrix: Path) -> None:
    nest = invoke("emit", program, "--kernel", "spmv", "--stage", "loops").out
    report = invoke("run", "-", f"A={matrix}", "x=[1.0,2,3,4,5]", "--json", input=nest).json
    assert report["results"][0]["sum"] == (DENSE @ X).sum()


def test_emit_without_data(invoke: Invoke) -> None:
    ran = invoke("emit", "-e", "y[i] = a * A[i, j] * x[j]", "--format", "A=csc", "--stage", "tensor")
    assert ran.code == 0
    assert re.search(r"in A: f64\[.*\] .*-> \((j|d1): dense, (i|d0): compressed", ran.out) and "in a: f64" in ran.out


@pytest.mark.parametrize("stage", ["cuda", "triton"])
def test_emit_later(invoke: Invoke, program: Path, stage: str) -> None:
    ran = invoke("emit", program, "--kernel", "spmv", "--stage", stage)
    assert ran.code == 1 and f"error: '{stage}' source cannot be made yet" in ran.err


def test_auto_is_decided_by_data(invoke: Invoke, matrix: Path) -> None:
    text = "kernel f(A: f64[m, n] auto) -> y: f64[m] { y[i] = A[i, j] }"
    ran = invoke("explain", "-", input=text)
    assert ran.code == 1 and "the format of 'A' is auto" in ran.err and "add A=matrix.mtx, or --format A=csr" in ran.err
    assert "compressed" in invoke("explain", "-", f"A={matrix}", input=text).out
    assert "compressed" in invoke("emit", "-", "--format", "A=csr", "--stage", "loops", input=text).out


def test_explain(invoke: Invoke, program: Path) -> None:
    ran = invoke("explain", program, "--kernel", "spmv", "--format", "A=csc")
    assert ran.code == 0 and ran.out.startswith("kernel spmv")
    assert re.search(r"operand A: f64.*(j|d1): dense, (i|d0): compressed", ran.out)
    report = invoke("explain", "-e", SPMV, "--format", "A=csr", "--json").json
    assert any("A" in line for line in report["explanation"])


def test_inspect(invoke: Invoke, matrix: Path, tmp_path: Path) -> None:
    ran = invoke("inspect", matrix)
    assert ran.code == 0
    for text in (
        "a.mtx  4 x 5, float64",
        "entries    6   (30.0 % of 20 places)",
        "diagonal   3 of 4 stored",
        "bandwidth  3 below, 2 above; 4 diagonals in use",
        "values     -2.5 to 5.5, mean 1.666667, norm",
    ):
        assert text in ran.out
    rows = next(line for line in ran.out.splitlines() if line.strip().startswith("rows"))
    assert rows.split() == ["rows", "4", "1", "0", "1.5", "1.50", "3", "1.12"]
    pytest.importorskip("matplotlib")
    report = invoke("inspect", matrix, "--spy", tmp_path / "a.png", "--json").json
    assert report["nnz"] == 6 and report["density"] == 0.3 and report["bytes"]["csr"] == 5 * 4 + 6 * 12
    assert report["lengths"]["rows"]["histogram"] == [[0, 0, 1], [1, 1, 1], [2, 2, 1], [3, 4, 1]]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_inspect_order_3_and_empty(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "t.tns").write_text("1 1 1 2.0\n2 3 4 1.0\n")
    ran = invoke("inspect", tmp_path / "t.tns")
    assert ran.code == 0 and "2 x 3 x 4" in ran.out and "mode 2" in ran.out and "csf" in ran.out
    (tmp_path / "e.mtx").write_text("%%MatrixMarket matrix coordinate real general\n3 2 0\n")
    ran = invoke("inspect", tmp_path / "e.mtx")
    assert ran.code == 0 and "entries    0   (0.0 % of 6 places)" in ran.out


def test_convert(invoke: Invoke, matrix: Path, tmp_path: Path) -> None:
    ran = invoke("convert", matrix, tmp_path / "a.npz", "--to", "csc")
    assert ran.code == 0 and "a.mtx -> a.npz" in ran.out and "csr -> csc" in ran.out
    report = invoke("convert", tmp_path / "a.npz", tmp_path / "b.mtx.gz", "--json").json
    assert report["nnz"] == 6 and report["format"] == "csc"
    assert invoke("run", "-e", "s = B[i, j]", f"B={tmp_path / 'b.mtx.gz'}", "--json").json["results"][0]["sum"] == 10


def test_formats_backends_version(invoke: Invoke) -> None:
    listed = invoke("formats", "--json").json
    assert {"csr", "csc", "coo", "dcsr"} <= {f["name"] for f in listed["formats"]}
    assert "(i, j, k) -> (i: compressed, j: compressed, k: compressed)" in invoke("formats", "--order", "3").out
    assert {b["name"]: b["state"] for b in invoke("backends", "--json").json["backends"]}["gpu"] == "planned"
    assert "cpu" in invoke("backends").out
    assert invoke("version").out.startswith("sparsec ") and "numpy" in invoke("version", "--json").json["libraries"]
    assert invoke("--version").out.startswith("sparsec")


def test_cache(invoke: Invoke, tmp_path: Path) -> None:
    with knobs.scope(cache_dir=tmp_path / "cache"):
        assert invoke("cache", "--json").json["entries"] == 0
        invoke("run", "-e", "y[i] = 17 * x[i]", "x=rand(3)")
        report = invoke("cache", "--json").json
        assert report["entries"] > 0 and report["bytes"] > 0 and report["folder"] == str(tmp_path / "cache")
        assert str(tmp_path) in invoke("cache").out
        assert invoke("cache", "clear").out.startswith("removed ")
        assert invoke("cache", "clear", "--json").json == {"removed": 0}


@pytest.mark.parametrize("command", ["opt", "passes", "calibrate"])
def test_later(invoke: Invoke, command: str) -> None:
    ran = invoke(command, "file.ir", "--pipeline", "simplify")
    assert ran.code == 1 and ran.err.startswith(f"error: 'sparsec {command}' comes in a later version")


@pytest.mark.parametrize(
    "command", ["", "run", "emit", "explain", "inspect", "convert", "formats", "backends", "cache", "version", "opt"]
)
def test_help(invoke: Invoke, command: str) -> None:
    ran = invoke(*command.split(), "--help")
    assert ran.code == 0 and ran.out.startswith("Usage: sparsec") and len(ran.out.splitlines()) < 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "no command 'nope'"),
        (("inspct", "x"), "did you mean 'inspect'?"),
        (("run",), "no program: give a FILE"),
        (("run", "A=rand(3)"), "no program before 'A=rand(3)'"),
        (("run", "-e", SPMV, "A"), "'A' is not NAME=VALUE"),
        (("run", "-e", SPMV, "A=rand(3"), "lacks its closing bracket"),
        (("run", "-e", SPMV, "x=rand(3)", "x=rand(4)"), "'x' is given twice"),
        (("run", "-e", SPMV, "--threads", "0"), "0 is not in the range"),
        (("run", "-e", SPMV, "--against", "matlab"), "no peer 'matlab'"),
        (("run", "-e", SPMV, "--size", "p=x"), "an extent is a whole number"),
        (("run", "-e", SPMV, "--format", "csr"), "'csr' is not NAME=VALUE"),
        (("run", "-e", SPMV, "--nonsense"), "No such option"),
        (("emit", "-e", SPMV), "Missing option '--stage'"),
        (("emit", "-e", SPMV, "--stage", "spirv"), "'spirv' is not one of"),
        (("inspect",), "Missing argument 'FILE'"),
        (("convert", "a.mtx"), "Missing argument 'TARGET'"),
        (("formats", "--order", "-1"), "-1 is not in the range"),
        (("cache", "burn"), "No such command 'burn'"),
    ],
)
def test_wrong_command_lines(invoke: Invoke, arguments: tuple[str, ...], message: str) -> None:
    ran = invoke(*arguments)
    assert ran.code == 2 and ran.out == ""
    assert message.lower() in ran.err.lower() and "Usage: sparsec" in ran.err


def test_no_arguments(invoke: Invoke) -> None:
    assert invoke().code == 2


def test_wrong_programs_and_data(invoke: Invoke, matrix: Path, program: Path, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "broken.mtx").write_text("%%MatrixMarket matrix coordinate real general\n3 3 1\n9 9 1.0\n")
    (tmp_path / "broken.sp").write_text("kernel f(x: f64[n]) -> y: f64[n] {\n    y[i] = x[i] +\n}\n")
    (tmp_path / "empty.sp").write_text("# nothing\n")
    (tmp_path / "x.npy").write_text("no array")
    (tmp_path / "bare.sp").write_text("y[i] = x[i]\n")
    for arguments, message in [
        (("run", tmp_path / "no.sp"), "cannot read the program"),
        (("run", tmp_path / "binary"), "is not a program"),
        (("run", tmp_path / "broken.sp"), "broken.sp:2, column 17"),
        (("run", tmp_path / "empty.sp"), "the text is empty"),
        (("run", program, "x=rand(3)"), "choose one: --kernel spmv | outer"),
        (("run", program, "--kernel", "spvm"), "did you mean 'spmv'?"),
        (("run", program, "--kernel", "spmv", f"A={matrix}"), "operand 'x' is missing\nhint: add 'x=rand(5)'"),
        (("run", program, "--kernel", "spmv", f"A={matrix}", "z=rand(3)"), "has no operand 'z'"),
        (("run", program, "--kernel", "spmv", f"A={matrix}", "x=rand(6)"), "dimension 'n'"),
        (("run", program, "--kernel", "outer", "x=rand(6)"), "'p'"),
        (("run", program, "--kernel", "outer", "x=rand(6)", "--size", "p=2", "--out", "y=f.npy"), "is no result"),
        (("run", "-e", "y[i] = A[i, j] * x[j", f"A={matrix}"), "^"),
        (("run", "-e", SPMV, f"A={matrix}"), "x"),
        (("run", "-e", SPMV, f"A={tmp_path / 'no.mtx'}", "x=rand(5)"), "no.mtx"),
        (("run", "-e", SPMV, f"A={tmp_path / 'broken.mtx'}", "x=rand(3)"), "broken.mtx"),
        (("run", "-e", "s = x[i]", f"x={tmp_path / 'x.npy'}"), "cannot read"),
        (("run", "-e", SPMV, f"A={matrix}", "x=rand(5)", "--format", "A=crs"), "did you mean 'csr'?"),
        (("run", "-e", SPMV, f"A={matrix}", "x=rand(5)", "--format", "B=csr"), "--format names 'B'"),
        (("run", "-e", SPMV, f"A={matrix}", "x=rand(5)", "--kernel", "k"), "no kernels to choose"),
        (("run", "-e", SPMV, f"A={matrix}", "x=rand(5)", "--out", f"y={tmp_path / 'no' / 'y.npy'}"), "cannot write"),
        (("run", "-e", SPMV), "operands 'A', 'x' are missing\nhint: add A=matrix.mtx 'x=rand(100)'"),
        (("run", "-e", SPMV, "x=rand(5)"), "there is no operand 'A'\n  at line 1, column 8:"),
        (("run", "-e", SPMV, "x=rand(5)"), "hint: add it: A=..."),
        (("run", "-e", "y[i, j] = x[i]", "x=rand(5)"), "dimension 2 of 'y'\nhint: add --size j=..."),
        (("run", tmp_path / "bare.sp", "x=rand(5)"), "bare statements follow -e: sparsec run -e 'y[i] ="),
        (("run", "-e", "kernel f(x: f64) -> y: f64 { y = x }", "x=1"), "a text with a kernel comes from a file or '-'"),
        (("explain", "-e", SPMV, f"A={matrix}"), "there is no operand 'x'"),
        (("run", program, "--kernel", "spmv"), "spmv: operands 'A', 'x' are missing\nhint: add 'A=rand(100,100)'"),
        (("inspect", tmp_path / "no.mtx"), "no.mtx"),
        (("inspect", tmp_path / "x.npy"), "x.npy"),
        (("convert", matrix, tmp_path / "b.xyz"), "b.xyz"),
        (("convert", matrix, tmp_path / "b.npz", "--to", "crs"), "did you mean 'csr'?"),
        (("convert", matrix, tmp_path / "b.npz", "--to", "sym"), "sym"),
    ]:
        ran = invoke(*arguments)
        assert ran.code == 1, (arguments, ran)
        assert ran.err.startswith("error: ") and message in ran.err, (arguments, ran.err)
        assert "internal error" not in ran.err, (arguments, ran.err)
