"""The command line as a process: entry points, pipes, signals, colours, what it imports."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "sparsec")
SPMV = "y[i] = A[i, j] * x[j]"


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    return subprocess.run(
        [*COMMAND, *map(str, args)], capture_output=True, text=True, cwd=ROOT, env=env, timeout=120, check=False
    )


def test_a_pipe_gets_plain_text() -> None:
    for arguments in (("version",), ("formats",), ("backends",), ("--help",)):
        done = run(*arguments)
        assert done.returncode == 0 and done.stderr == "" and "\x1b" not in done.stdout and "─" not in done.stdout


def test_a_terminal_gets_colours_unless_told_otherwise() -> None:
    def on_terminal(**env: str) -> str:
        main, side = pty.openpty()
        process = subprocess.Popen(
            [*COMMAND, "formats"], stdout=side, stderr=side, stdin=subprocess.DEVNULL, cwd=ROOT,
            env={k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm-256color"} | env,
        )  # fmt: skip
        os.close(side)
        out = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:  # Linux says EIO at the end
                break
            if not part:
                break
            out += part
        os.close(main)
        assert process.wait(60) == 0
        return out.decode()

    assert "\x1b[36m" in on_terminal()
    assert "\x1b[36m" not in on_terminal(NO_COLOR="1")
    assert "\x1b" not in on_terminal(TERM="dumb")


def test_errors_have_no_traceback() -> None:
    done = run("inspect", "no-such-file.mtx")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr and "no-such-file" in done.stderr
    assert run("nonsense").returncode == 2


def test_broken_knobs_are_errors_too() -> None:
    env = {**os.environ, "SPARSEC_THREADS": "many"}
    done = subprocess.run([*COMMAND, "version"], capture_output=True, text=True, cwd=ROOT, env=env, check=False)
    assert done.returncode == 1 and "SPARSEC_THREADS='many'" in done.stderr and "Traceback" not in done.stderr


def test_a_closed_pipe_is_quiet() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [*COMMAND, "formats", "--json"]
    process = subprocess.Popen(command, stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert err == "" and process.returncode == 141


def test_interrupt() -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    time.sleep(1.5)  # it is now waiting for the program on standard input
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == "" and "Traceback" not in err and "interrupted" in err


def test_version_is_light() -> None:
    code = (
        "import sys, sparsec.cli\n"
        "try:\n    sparsec.cli.cli.main(['version'], prog_name='sparsec')\nexcept SystemExit:\n    pass\n"
        "heavy = {'scipy', 'torch', 'lark', 'networkx', 'llvmlite', 'matplotlib', 'numpy', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_through_everything(tmp_path: Path) -> None:
    matrix = ROOT / "examples" / "data" / "debian12_depends.mtx.gz"
    done = run("run", "-e", SPMV, f"A={matrix}", "x=ones(63436)", "--against", "scipy", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["results"][0]["sum"] == 247686 and "scipy" in report["calls"]
