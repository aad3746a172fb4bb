"""A persistent team of native threads; its code is emitted through LLVM: no compiler, no OpenMP, no Python in a worker.

A launch opens a number of tickets and signals as many workers; a worker that finds a ticket runs the loop's worker
function (``parallel.py``), which takes chunks until none is left.  The launcher works too, then closes the tickets
and waits for those inside alone: a worker that wakes too late holds nobody up.  A launch while the team is busy, or
from a worker, runs in its own thread.

Workers spin for a moment, then sleep on a futex (elsewhere than on Linux on a condition variable).  Measured on two
virtual cores, microseconds from launch until both threads met, minimum / median / 90 %::

    back to back, spinning              0.7 / 0.9 / 1.0      (any kind; an empty job, which waits for nobody: 0.5)
    back to back, asleep                4 / 15 / 24
    after 20 ms, unpinned, futex        40 / 3,870 / 3,930   (the kernel wakes it on the core of its waker)
    after 20 ms, pinned, futex          30 / 53 / 70
    after 20 ms, pinned, condition      30 / 46 / 80

So there is one worker for each CPU, pinned to it, and a launch passes over the one on its own CPU.  They spin for 30
microseconds, about what waking takes.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
import threading
from functools import cache
from typing import Any

TEAM_RUN = "sparsec_team_run"
MAX_WORKERS = 256
SPIN = 30e-6
"""Seconds a worker spins before it sleeps."""

_LINE = 64
_STATE, _JOB, _WAITING, _WORKERS = 64, 128, 192, 256
_SIZE = _WORKERS + _LINE * MAX_WORKERS
"""Layout of the team in bytes, cache lines of their own: lock; state (tickets << 32 | workers inside); job (function,
context, workers, spins, pinned); the launcher's futex; for each worker its futex, whether it sleeps, its CPU."""

_PAUSE = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}
_FUTEX = {"x86_64": 202, "aarch64": 98}

_FUTEX_TEXT = """
declare i64 @syscall(i64, ...)
declare i32 @sched_getcpu()

define internal void @wait(ptr %word, i32 %seen) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 NUMBER, ptr %word, i32 128, i32 %seen, ptr null, ptr null, i32 0)
  ret void
}

define internal void @wake(ptr %word) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 NUMBER, ptr %word, i32 129, i32 1, ptr null, ptr null, i32 0)
  ret void
}

define internal i32 @here() nounwind {
  %cpu = call i32 @sched_getcpu()
  ret i32 %cpu
}
"""

_CONDITION_TEXT = """
@sparsec_team_mutex = global [256 x i8] zeroinitializer, align 64
@sparsec_team_condition = global [256 x i8] zeroinitializer, align 64
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)

define internal void @wait(ptr %word, i32 %seen) nounwind {
entry:
  %a = call i32 @pthread_mutex_lock(ptr @sparsec_team_mutex)
  br label %loop
loop:
  %w = load atomic i32, ptr %word seq_cst, align 4
  %same = icmp eq i32 %w, %seen
  br i1 %same, label %block, label %done
block:
  %b = call i32 @pthread_cond_wait(ptr @sparsec_team_condition, ptr @sparsec_team_mutex)
  br label %loop
done:
  %c = call i32 @pthread_mutex_unlock(ptr @sparsec_team_mutex)
  ret void
}

define internal void @wake(ptr %word) nounwind {
  %a = call i32 @pthread_mutex_lock(ptr @sparsec_team_mutex)
  %b = call i32 @pthread_cond_broadcast(ptr @sparsec_team_condition)
  %c = call i32 @pthread_mutex_unlock(ptr @sparsec_team_mutex)
  ret void
}

define internal i32 @here() nounwind {
  ret i32 -1
}
"""

_TEXT = """
@sparsec_team = global [SIZE x i8] zeroinitializer, align 64
PAUSE_DECLARATION

define ptr @sparsec_team_worker(ptr %number) nounwind {
entry:
  %k = ptrtoint ptr %number to i64
  %offset = mul i64 %k, 64
  %base = add i64 %offset, WORKERS
  %word = getelementptr i8, ptr @sparsec_team, i64 %base
  %asleep = getelementptr i8, ptr %word, i64 4
  %state = getelementptr i8, ptr @sparsec_team, i64 STATE
  %function_at = getelementptr i8, ptr @sparsec_team, i64 JOB
  %context_at = getelementptr i8, ptr %function_at, i64 8
  %spins_at = getelementptr i8, ptr %function_at, i64 24
  %waiting = getelementptr i8, ptr @sparsec_team, i64 WAITING
  br label %idle
idle:
  %seen = phi i32 [ 0, %entry ], [ %now, %late ], [ %now, %left ], [ %now, %finish ], [ %now, %tell ]
  %spins = load atomic i64, ptr %spins_at monotonic, align 8
  br label %spin
spin:
  %n = phi i64 [ 0, %idle ], [ %n2, %pause ]
  %w = load atomic i32, ptr %word acquire, align 4
  %new = icmp ne i32 %w, %seen
  br i1 %new, label %go, label %pause
pause:
  PAUSE
  %n2 = add i64 %n, 1
  %more = icmp slt i64 %n2, %spins
  br i1 %more, label %spin, label %sleep
sleep:
  store atomic i32 1, ptr %asleep seq_cst, align 4
  %w2 = load atomic i32, ptr %word seq_cst, align 4
  %new2 = icmp ne i32 %w2, %seen
  br i1 %new2, label %woken, label %really
really:
  call void @wait(ptr %word, i32 %seen)
  br label %sleep
woken:
  store atomic i32 0, ptr %asleep seq_cst, align 4
  br label %go
go:
  %now = phi i32 [ %w, %spin ], [ %w2, %woken ]
  %first = load atomic i64, ptr %state acquire, align 8
  br label %join
join:
  %s = phi i64 [ %first, %go ], [ %s2, %again ]
  %open = icmp ugt i64 %s, 4294967295
  br i1 %open, label %again, label %late
late:
  br label %idle
again:
  %inside = sub i64 %s, 4294967295
  %swap = cmpxchg ptr %state, i64 %s, i64 %inside acq_rel acquire
  %s2 = extractvalue { i64, i1 } %swap, 0
  %ok = extractvalue { i64, i1 } %swap, 1
  br i1 %ok, label %work, label %join
work:
  %function = load ptr, ptr %function_at
  %context = load ptr, ptr %context_at
  call void %function(ptr %context)
  %before = atomicrmw sub ptr %state, i64 1 seq_cst
  %last = icmp eq i64 %before, 1
  br i1 %last, label %finish, label %left
left:
  br label %idle
finish:
  %waits = load atomic i32, ptr %waiting seq_cst, align 4
  %tell_it = icmp ne i32 %waits, 0
  br i1 %tell_it, label %tell, label %idle
tell:
  store atomic i32 0, ptr %waiting seq_cst, align 4
  call void @wake(ptr %waiting)
  br label %idle
}

define void @sparsec_team_run(ptr %function, ptr %context, i64 %threads) nounwind {
entry:
  %function_at = getelementptr i8, ptr @sparsec_team, i64 JOB
  %context_at = getelementptr i8, ptr %function_at, i64 8
  %workers_at = getelementptr i8, ptr %function_at, i64 16
  %spins_at = getelementptr i8, ptr %function_at, i64 24
  %pinned_at = getelementptr i8, ptr %function_at, i64 32
  %state = getelementptr i8, ptr @sparsec_team, i64 STATE
  %waiting = getelementptr i8, ptr @sparsec_team, i64 WAITING
  %workers = load atomic i64, ptr %workers_at acquire, align 8
  %wanted = sub i64 %threads, 1
  %fewer = icmp slt i64 %workers, %wanted
  %helpers = select i1 %fewer, i64 %workers, i64 %wanted
  %some = icmp sgt i64 %helpers, 0
  br i1 %some, label %try, label %alone
try:
  %lock = cmpxchg ptr @sparsec_team, i64 0, i64 1 acquire monotonic
  %mine = extractvalue { i64, i1 } %lock, 1
  br i1 %mine, label %launch, label %alone
alone:
  call void %function(ptr %context)
  ret void
launch:
  store ptr %function, ptr %function_at
  store ptr %context, ptr %context_at
  store atomic i32 0, ptr %waiting monotonic, align 4
  %tickets = shl i64 %helpers, 32
  store atomic i64 %tickets, ptr %state seq_cst, align 8
  %pinned = load atomic i64, ptr %pinned_at monotonic, align 8
  %is_pinned = icmp ne i64 %pinned, 0
  br i1 %is_pinned, label %where, label %call
where:
  %cpu = call i32 @here()
  %spare = sub i64 %workers, %helpers
  br label %call
call:
  %here = phi i32 [ -1, %launch ], [ %cpu, %where ]
  %skips = phi i64 [ 0, %launch ], [ %spare, %where ]
  br label %next
next:
  %k = phi i64 [ 0, %call ], [ %k2, %step ]
  %called = phi i64 [ 0, %call ], [ %called2, %step ]
  %left = phi i64 [ %skips, %call ], [ %left2, %step ]
  %offset = mul i64 %k, 64
  %base = add i64 %offset, WORKERS
  %word = getelementptr i8, ptr @sparsec_team, i64 %base
  %asleep = getelementptr i8, ptr %word, i64 4
  %cpu_at = getelementptr i8, ptr %word, i64 8
  %its = load i32, ptr %cpu_at
  %same = icmp eq i32 %its, %here
  %can = icmp sgt i64 %left, 0
  %skip = and i1 %same, %can
  %k2 = add i64 %k, 1
  br i1 %skip, label %step, label %signal
signal:
  %old = atomicrmw add ptr %word, i32 1 seq_cst
  %sleeps = load atomic i32, ptr %asleep seq_cst, align 4
  %must = icmp ne i32 %sleeps, 0
  br i1 %must, label %rouse, label %signalled
rouse:
  call void @wake(ptr %word)
  br label %signalled
signalled:
  %called1 = add i64 %called, 1
  br label %step
step:
  %called2 = phi i64 [ %called, %next ], [ %called1, %signalled ]
  %left1 = sub i64 %left, 1
  %left2 = select i1 %skip, i64 %left1, i64 %left
  %enough = icmp sge i64 %called2, %helpers
  br i1 %enough, label %own, label %next
own:
  call void %function(ptr %context)
  %closed = atomicrmw and ptr %state, i64 4294967295 seq_cst
  %spins = load atomic i64, ptr %spins_at monotonic, align 8
  br label %check
check:
  %n = phi i64 [ 0, %own ], [ %n2, %pause ], [ %spins, %block ]
  %s = load atomic i64, ptr %state seq_cst, align 8
  %over = icmp eq i64 %s, 0
  br i1 %over, label %done, label %busy
busy:
  %n2 = add i64 %n, 1
  %patient = icmp slt i64 %n, %spins
  br i1 %patient, label %pause, label %prepare
pause:
  PAUSE
  br label %check
prepare:
  store atomic i32 1, ptr %waiting seq_cst, align 4
  %s3 = load atomic i64, ptr %state seq_cst, align 8
  %over3 = icmp eq i64 %s3, 0
  br i1 %over3, label %done, label %block
block:
  call void @wait(ptr %waiting, i32 1)
  br label %check
done:
  store atomic i64 0, ptr @sparsec_team release, align 8
  ret void
}

define void @sparsec_team_pause(i64 %n) nounwind {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i2, %loop ]
  PAUSE
  %i2 = add i64 %i, 1
  %more = icmp slt i64 %i2, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


def team_text(machine: str, futex: bool) -> str:
    """The LLVM IR of the team for ``machine`` (as ``platform.machine()`` names it)."""
    declaration, pause = _PAUSE.get(machine, ("", ""))
    text = _FUTEX_TEXT.replace("NUMBER", str(_FUTEX.get(machine))) if futex else _CONDITION_TEXT
    text += _TEXT.replace("PAUSE_DECLARATION", declaration).replace("PAUSE", pause)
    layout = {"SIZE": _SIZE, "STATE": _STATE, "JOB": _JOB, "WAITING": _WAITING, "WORKERS": _WORKERS}
    for name, value in layout.items():
        text = text.replace(name, str(value))
    return text


class Team:
    """The workers of this process; ``symbols`` are the addresses that the linked text exports."""

    def __init__(self, symbols: Any, futex: bool) -> None:
        self.run_address: int = symbols[TEAM_RUN]
        self.workers = 0
        self._asked = 1
        self._base: int = symbols["sparsec_team"]
        self._entry: int = symbols["sparsec_team_worker"]
        self._lock = threading.Lock()
        self._libc = ctypes.CDLL(None)
        self._pinned = futex
        self._spins = _spins(symbols["sparsec_team_pause"])
        self._conditions = () if futex else (symbols["sparsec_team_mutex"], symbols["sparsec_team_condition"])
        self._reset()

    def ensure(self, threads: int) -> None:
        """Have workers enough that ``threads`` run a loop, the launcher among them; as many as the system grants."""
        if threads <= self._asked:
            return
        with self._lock:
            if threads > self._asked:
                self._asked = threads
                self._start(min(threads, MAX_WORKERS))

    def forked(self) -> None:
        """In the child of a fork there are no workers; the next parallel call makes them."""
        self._lock = threading.Lock()
        self.workers, self._asked = 0, 1
        ctypes.memset(self._base, 0, _SIZE)
        self._reset()

    def _reset(self) -> None:
        for address, init in zip(self._conditions, ("pthread_mutex_init", "pthread_cond_init"), strict=False):
            getattr(self._libc, init)(ctypes.c_void_p(address), None)
        self._put(_JOB + 24, self._spins)
        self._put(_JOB + 32, int(self._pinned))

    def _put(self, offset: int, value: int) -> None:
        ctypes.c_int64.from_address(self._base + offset).value = value

    def _start(self, threads: int) -> None:
        """One worker more than needed where they are pinned: the launcher passes over the one on its CPU."""
        cpus = _cpus()
        wanted = threads if self._pinned and len(cpus) >= 2 else threads - 1
        old = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        try:
            while self.workers < wanted:
                k = self.workers
                cpu = cpus[k] if self._pinned and k < len(cpus) else -1
                self._put(_WORKERS + _LINE * k + 8, cpu)
                if not self._create(k, cpu):
                    break
                self.workers += 1
                self._put(_JOB + 16, self.workers)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)

    def _create(self, k: int, cpu: int) -> bool:
        thread = ctypes.c_ulong()
        entry, number = ctypes.c_void_p(self._entry), ctypes.c_void_p(k)
        if self._libc.pthread_create(ctypes.byref(thread), None, entry, number) != 0:
            return False
        if cpu >= 0:
            mask = (ctypes.c_uint8 * 128)()
            mask[cpu // 8] = 1 << cpu % 8
            self._libc.pthread_setaffinity_np(thread, ctypes.c_size_t(len(mask)), mask)
        self._libc.pthread_detach(thread)
        return True


def _spins(pause_address: int) -> int:
    """Rounds of the spin loop in ``SPIN`` seconds."""
    from time import perf_counter

    pause, rounds = ctypes.CFUNCTYPE(None, ctypes.c_int64)(pause_address), 2000
    best = 1.0
    for _ in range(3):
        start = perf_counter()
        pause(rounds)
        best = min(best, perf_counter() - start)
    return max(50, min(100_000, int(rounds * SPIN / best)))


def _cpus() -> list[int]:
    """The CPUs this process may use below 1,024, a first hardware thread of every core before the second ones."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    ranks = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        if cpu < 1024:
            ranks[cpu] = _sibling_rank(cpu)
    return sorted(ranks, key=lambda cpu: (ranks[cpu], cpu))


def _sibling_rank(cpu: int) -> int:
    """How many hardware threads of the same core come before this one."""
    try:
        with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") as f:
            parts = f.read().strip().replace("-", ",").split(",")
        return parts.index(str(cpu)) if str(cpu) in parts else 0
    except OSError:
        return 0


@cache
def team() -> Team:
    """The team of this process; it has no workers before a parallel loop asks for them."""
    from sparsec.backends.cpu.jit import link_forever

    futex = sys.platform == "linux" and platform.machine() in _FUTEX
    made = Team(link_forever(team_text(platform.machine(), futex), exports(futex)), futex)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=made.forked)
    return made


def exports(futex: bool) -> tuple[str, ...]:
    """The symbols that ``Team`` needs."""
    names = (TEAM_RUN, "sparsec_team", "sparsec_team_worker", "sparsec_team_pause")
    return names if futex else (*names, "sparsec_team_mutex", "sparsec_team_condition")


__all__ = ["MAX_WORKERS", "TEAM_RUN", "Team", "exports", "team", "team_text"]
