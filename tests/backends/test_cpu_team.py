"""The team of threads: who works, who waits, and what survives forks, signals and the end of the interpreter."""

import ctypes
import os
import platform
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from sparsec import knobs
from sparsec.backends.cpu import compile_module
from sparsec.backends.cpu import run as run_cpu
from sparsec.backends.cpu.jit import link_forever
from sparsec.backends.cpu.team import TEAM_RUN, Team, exports, team, team_text
from sparsec.ir.buffer_text import parse_module

SUMS = parse_module(
    """func sums(in pos: i32*, in v: f64*, out y: f64*, n: i64) {
      parallel i in 0:i64 .. n grain 16:i64 setup { alloc w: f64[n] init 0.0:f64 } {
        for p in cast(pos[i]):i64 .. cast(pos[add(i, 1:i64)]):i64 { w[i] = radd(w[i], v[p]) }
        y[i] = w[i]
        w[i] = 0.0:f64 } }"""
)
SLOW = parse_module(
    """func slow(out y: f64*, n: i64, rounds: i64) {
      parallel i in 0:i64 .. n grain 1:i64 {
        var s: f64 = cast(i):f64
        for k in 0:i64 .. rounds { s = sin(s) }
        y[i] = s } }"""
)


def example(n: int = 2000) -> dict[str, object]:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 40, n)
    pos = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return {"pos": pos, "v": rng.normal(size=pos[-1]), "n": n}


def test_results_do_not_depend_on_the_threads() -> None:
    artifact, args = compile_module(SUMS), example()
    found = []
    for threads in (1, 2, 3, 8, 1):
        y = np.zeros(2000)
        with knobs.scope(threads=threads):
            for _ in range(20):
                y[:] = -1
                run_cpu(SUMS, args | {"y": y}, artifact)
                found.append(y.copy())
    assert all(np.array_equal(y, found[0]) for y in found)


def test_others_help() -> None:
    """Two threads meet in a job that neither could finish alone."""
    made = team()
    made.ensure(2)
    barrier, met = threading.Barrier(2, timeout=20), []

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    def job(context: int) -> None:
        barrier.wait()
        met.append(threading.get_native_id())

    launch = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(made.run_address)
    for _ in range(5):
        launch(ctypes.cast(job, ctypes.c_void_p), None, 2)
    assert len(met) == 10 and threading.get_native_id() in met and len(set(met)) >= 2


def test_many_python_threads_at_once() -> None:
    artifact, args = compile_module(SUMS), example()
    want = np.zeros(2000)
    run_cpu(SUMS, args | {"y": want}, artifact)
    wrong: list[int] = []

    def work(k: int) -> None:
        y = np.zeros(2000)
        with knobs.scope(threads=1 + k % 3):
            for _ in range(60):
                y[:] = 0
                run_cpu(SUMS, args | {"y": y}, artifact)
                if not np.array_equal(y, want):
                    wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_many_python_threads_compile() -> None:
    results = []
    threads = [threading.Thread(target=lambda: results.append(compile_module(SUMS))) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len({a.object_bytes for a in results}) == 1 and len(results) == 6


def test_the_gil_is_released() -> None:
    artifact = compile_module(SLOW)
    counted = []
    stop = threading.Event()

    def count() -> None:
        n = 0
        while not stop.is_set():
            n += 1
        counted.append(n)

    counter = threading.Thread(target=count)
    with knobs.scope(threads=1):
        counter.start()
        run_cpu(SLOW, {"y": np.zeros(4), "n": 4, "rounds": 500_000}, artifact)
        stop.set()
        counter.join()
    assert counted[0] > 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_makes_its_own_team() -> None:
    artifact, args = compile_module(SUMS), example()
    want = np.zeros(2000)
    with knobs.scope(threads=2):
        run_cpu(SUMS, args | {"y": want}, artifact)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                y = np.zeros(2000)
                fresh = team().workers == 0
                for _ in range(50):
                    run_cpu(SUMS, args | {"y": y}, artifact)
                run_cpu(SUMS, args | {"y": y})
                code = 0 if np.array_equal(y, want) and fresh and team().workers > 0 else 2
            finally:
                os._exit(code)
        run_cpu(SUMS, args | {"y": np.zeros(2000)}, artifact)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork_while_kernels_run() -> None:
    artifact = compile_module(SLOW)
    stop = threading.Event()

    def work() -> None:
        with knobs.scope(threads=2):
            while not stop.is_set():
                run_cpu(SLOW, {"y": np.zeros(8), "n": 8, "rounds": 2000}, artifact)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    with knobs.scope(threads=2):
                        run_cpu(SLOW, {"y": np.zeros(8), "n": 8, "rounds": 10}, artifact)
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        worker.join()


def test_ctrl_c_arrives_after_the_kernel() -> None:
    artifact = compile_module(SLOW)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have left it ignored
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    with knobs.scope(threads=2), pytest.raises(KeyboardInterrupt):
        timer.start()
        while True:
            run_cpu(SLOW, {"y": np.zeros(16), "n": 16, "rounds": 20_000}, artifact)


def test_workers_block_all_signals() -> None:
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("no /proc")
    with knobs.scope(threads=2):
        run_cpu(SUMS, example() | {"y": np.zeros(2000)})
    python = {t.native_id for t in threading.enumerate()}
    blocked = []
    for task in os.listdir("/proc/self/task"):
        if int(task) not in python:
            with open(f"/proc/self/task/{task}/status") as f:
                mask = next(line.split()[1] for line in f if line.startswith("SigBlk"))
            blocked.append(bool(int(mask, 16) >> (signal.SIGINT - 1) & 1))
    assert sum(blocked) >= team().workers > 0


def test_the_mask_of_the_caller_is_kept() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with knobs.scope(threads=4):
        run_cpu(SUMS, example() | {"y": np.zeros(2000)})
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


END = """
import threading, time, numpy as np
from sparsec import knobs
from sparsec.backends.cpu import compile_module, run
from sparsec.ir.buffer_text import parse_module
text = '''func slow(out y: f64*, n: i64, rounds: i64) {
  parallel i in 0:i64 .. n grain 1:i64 {
    var s: f64 = cast(i):f64
    for k in 0:i64 .. rounds { s = sin(s) }
    y[i] = s } }'''
module = parse_module(text)
artifact = compile_module(module)
def work():
    while True:
        run(module, {"y": np.zeros(8), "n": 8, "rounds": 20000}, artifact)
knobs.change(threads=2)
threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
print("end")
"""


def test_the_interpreter_ends_while_kernels_run() -> None:
    done = subprocess.run([sys.executable, "-c", END], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


@pytest.mark.parametrize("futex", [True, False])
def test_both_ways_of_waiting(futex: bool) -> None:
    """A team of its own, launched after it fell asleep and back to back."""
    if futex and sys.platform != "linux":
        pytest.skip("no futex")
    machine = platform.machine()
    made = Team(link_forever(team_text(machine, futex), exports(futex)), futex)
    made.ensure(3)
    assert made.workers >= 2
    add = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    seen: list[int] = []
    job = add(lambda context: seen.append(1))
    launch = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(made.run_address)
    for pause in (0.0, 0.005, 0.0):
        for _ in range(20):
            time.sleep(pause)
            launch(ctypes.cast(job, ctypes.c_void_p), None, 3)
    assert len(seen) >= 60
    made.forked()
    assert made.workers == 0
    launch(ctypes.cast(job, ctypes.c_void_p), None, 3)
    assert TEAM_RUN in exports(futex)
