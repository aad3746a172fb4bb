"""Kernels across threads, forks, processes and signals."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import scipy.sparse

import sparsec as sp

SPMV = "kernel spmv(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }"


def run(code: str) -> str:
    """The output of a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kernels_and_tensors_are_pickled() -> None:
    a = scipy.sparse.random_array((30, 20), density=0.2, rng=np.random.default_rng(0), format="csr")
    k = sp.compile(SPMV)
    x = np.arange(20.0)
    again, tensor = pickle.loads(pickle.dumps((k, sp.tensor(a))))
    assert again(tensor, x).tolist() == k(a, x).tolist()
    nest = pickle.loads(pickle.dumps(sp.compile(k.ir("loops"))))
    assert nest(a, x).tolist() == k(a, x).tolist()


def _call(kernel: sp.Kernel, a: sp.Tensor, x: np.ndarray) -> list[float]:
    return kernel(a, x).tolist()


@pytest.mark.parametrize("method", ["spawn", "fork"] if hasattr(os, "fork") else ["spawn"])
def test_processes(method: str) -> None:
    a = sp.tensor(scipy.sparse.random_array((300, 200), density=0.2, rng=np.random.default_rng(0), format="csr"))
    k, x = sp.compile(SPMV), np.arange(200.0)
    want = k(a, x).tolist()
    with ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
        assert [f.result(60) for f in [pool.submit(_call, k, a, x) for _ in range(4)]] == [want] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_another_thread_compiles() -> None:
    out = run(
        """
        import os, threading, time
        import numpy as np
        import sparsec as sp

        def compile_many():
            for n in range(12):
                sp.evaluate(f"y[i] = {n}.5 * x[i]", x=np.ones(3))

        sp.evaluate("y[i] = 2 * x[i]", x=np.ones(3))
        thread = threading.Thread(target=compile_many)
        thread.start()
        children = []
        for n in range(6):
            time.sleep(0.05)
            pid = os.fork()
            if pid == 0:
                y = sp.evaluate(f"y[i] = {n}.25 * x[i]", x=np.ones(3))
                os._exit(0 if y.tolist() == [n + 0.25] * 3 else 1)
            children.append(pid)
        thread.join()
        print([os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in children])
        """
    )
    assert out.strip() == str([0] * 6)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_ctrl_c_during_a_kernel_is_not_lost() -> None:
    out = run(
        """
        import os, signal, threading, time
        import numpy as np
        import sparsec as sp

        k = sp.compile("kernel f(x: f64[n]) -> s: f64 { s = sum[i, j](sin(x[i] * x[j])) }")
        x = np.linspace(0, 1, 12_000)
        k(x[:4])
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        start = time.perf_counter()
        try:
            while time.perf_counter() - start < 60:
                k(x)
            print("lost")
        except KeyboardInterrupt:
            print("interrupted")
        print(float(k(x[:1])))
        """
    )
    assert out.split() == ["interrupted", "0.0"]
    assert signal.SIGINT


def test_other_threads_run_while_a_kernel_does() -> None:
    out = run(
        """
        import threading, time
        import numpy as np
        import sparsec as sp

        k = sp.compile("kernel f(x: f64[n]) -> s: f64 { s = sum[i, j](sin(x[i] * x[j])) }", threads=1)
        x = np.linspace(0, 1, 6_000)
        k(x[:4])
        done = threading.Event()
        ticks = 0
        worker = threading.Thread(target=lambda: (k(x), done.set()))
        worker.start()
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)
        print(ticks > 3)
        """
    )
    assert out.strip() == "True"


def _shared_here(dense: np.ndarray) -> None:
    shared = sp.share(sp.tensor(dense, "csr"))
    print(shared.path, flush=True)


@pytest.mark.parametrize("method", ["spawn", "fork"] if hasattr(os, "fork") else ["spawn"])
def test_what_a_worker_shared_is_removed_when_it_ends(method: str, capfd: pytest.CaptureFixture[str]) -> None:
    mine = sp.share(np.ones(3))
    process = get_context(method).Process(target=_shared_here, args=(np.eye(3),))
    process.start()
    process.join(60)
    path = capfd.readouterr().out.strip()
    assert process.exitcode == 0 and path and not os.path.exists(path)
    assert os.path.exists(mine.path)
    mine.unlink()


def test_a_truncated_block_is_refused() -> None:
    with sp.share(np.ones(5000)) as shared:
        os.truncate(shared.path, 4096)
        with pytest.raises(sp.BackendError, match="has 4096 bytes, it needs 40000"):
            shared.tensor()
