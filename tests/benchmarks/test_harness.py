"""The harness measures, checks and reports; nothing here looks at how long anything took."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import cases, data, linear, machine, report, search, structured
from benchmarks.__main__ import main
from benchmarks.harness import OURS, Case, Contestant, Outcome, Plan, Timing, run_case
from benchmarks.startup import Cost

BRIEF = Plan(rounds=2, burst=1e-4, pause=1e-4, idle_calls=1)
MATRIX = """\
%%MatrixMarket matrix coordinate real general
3 4 5
1 1 1.5
1 4 2.0
2 2 -1.0
3 1 4.0
3 3 0.5
"""


class Never:
    def ready(self) -> bool:
        return False


def equal(a: object, b: object) -> None:
    assert a == b, f"{b} is not {a}"


def made(name: str, value: object) -> tuple[str, object]:
    return name, lambda: Contestant(name, lambda: value)


def case(*makers: tuple[str, object]) -> Case:
    return Case("k", "d", "f64", makers, equal)  # type: ignore[arg-type]


def test_contestants_are_timed_and_the_wrong_ones_struck() -> None:
    def lacking() -> Contestant:
        raise NotImplementedError("no such operation\nat all")

    out = run_case(case(made("one", 1), made(OURS, 1), made("two", 2), ("three", lacking)), BRIEF, Never())
    assert list(out.timings) == ["one", OURS]
    assert out.struck == {"two": "WRONG RESULT: 2 is not 1", "three": "NotImplementedError: no such operation"}
    assert out.unsettled == 4
    assert all(len(t.calls) >= 4 and len(t.idle) == 1 for t in out.timings.values())
    assert out.best_peer() == "one"


def test_ratio_is_the_best_peer_over_ours() -> None:
    timings = {"a": Timing([4.0, 8.0], [9.0]), "b": Timing([3.0, 9.0], [12.0]), OURS: Timing([2.0, 4.0], [6.0])}
    out = Outcome(case(made("a", 1), made("b", 1)), timings, {})
    assert (out.ratio("minimum"), out.ratio("median"), out.ratio("after_idle")) == (1.5, 2.0, 1.5)
    del timings[OURS]
    assert out.ratio("minimum") is None


def test_report_is_markdown() -> None:
    out = run_case(case(made("one", 1), made(OURS, 1)), BRIEF)
    costs = [Cost("import", "60 ms", 0.01, 20.0, 100.0), Cost("call", "", float("nan"), float("nan"), None, "why")]
    text = report.document({"cores": "2"}, report.tables([out], costs, "Measured here."), 3, "legend")
    again = report.updated(text, report.tables([out], [], "Measured there."))
    assert text.count("Measured here.") == 2 and again == text.replace(
        "### k\n\nMeasured here.", "### k\n\nMeasured there."
    )
    assert "| data | dtype | sparsec | one | ratio min | ratio median | ratio idle |" in text
    assert "| import | 10.00 us | 20.0 ms | 100 | 60 ms |" in text
    assert "- not measured: call: why" in text
    assert report.line(out).startswith("k          f64 d ")


@pytest.mark.parametrize(("value", "text"), [(0.12345, "0.123"), (12.345, "12.3"), (1234.5, "1234"), (0.0, "0")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert report.number(value) == text


def test_machine_is_described() -> None:
    facts = machine.describe()
    assert facts["numpy"] == np.__version__
    assert int(facts["cores"]) >= 1
    assert machine.bandwidth(size=1000, repeats=1) > 0
    assert machine.Probe(attempts=1).ready() in (True, False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.mtx").write_text(MATRIX)
    (tmp_path / "cube.tns").write_text("1 1 1 2.0\n2 3 1 1.0\n1 1 2 3.0\n1 1 1 1.0\n")
    monkeypatch.setenv("SPARSEC_DATA", str(tmp_path))
    monkeypatch.setattr(data, "folders", lambda: [tmp_path])
    data.matrix.cache_clear()
    data.tensor.cache_clear()
    return tmp_path


def test_data_is_read(folder: Path) -> None:
    assert data.matrix_names(1) == ["tiny"]
    assert data.matrix_names(6) == []
    assert data.matrix("tiny").nnz == 5
    t = data.tensor("cube")
    assert data.tensor_names(1) == ["cube"]
    assert t.shape == (2, 3, 2)
    assert t.values.tolist() == [3.0, 3.0, 1.0]


@pytest.mark.parametrize("kernel", cases.KERNELS)
def test_peers_agree_with_each_other(folder: Path, monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    pytest.importorskip("torch")
    monkeypatch.setitem(structured.BANDS, "tiny", (9, 1))
    monkeypatch.setitem(structured.COUNTS, "tiny", (3, 50))
    monkeypatch.setitem(structured.LENGTHS, "tiny", (100, 50, 10))
    monkeypatch.setitem(structured.SIZES, "tiny", (32, 3))
    monkeypatch.setitem(linear.LAYERS, "tiny", (64, 50, 5))
    monkeypatch.setitem(linear.PRODUCTS, "tiny", (64, 16, 5))
    monkeypatch.setitem(search.SEARCHES, "tiny", (60, 40, 5))
    monkeypatch.setitem(search.INDEXES, "tiny", (60, 40, 5))
    for make, dtype, keywords in cases.KERNELS[kernel]:
        case = make("cube" if kernel == "mttkrp" else "tiny", dtype, **keywords)
        if case is None:
            assert kernel == "formats"  # the matrix is not symmetric
            continue
        out = run_case(case, BRIEF)
        wrong = [why for why in out.struck.values() if why.startswith("WRONG")]
        assert not wrong
        assert len(out.timings) >= 2


def test_command_line_refuses_unknown_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense"]) == 2
    assert "no kernel is called nonsense" in capsys.readouterr().err
