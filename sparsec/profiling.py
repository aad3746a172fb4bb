"""Where compile time went."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")

STEPS = {
    "parse": "parse", "look up": "disk", "load": "disk", "plan": "plan",
    "lower": "lower", "expand": "lower", "emit": "lower",
    "setup": "LLVM", "optimise": "LLVM", "codegen": "LLVM", "link": "LLVM",
}  # fmt: skip
"""The column of each step of ``Kernel.times``."""
COLUMNS = tuple(dict.fromkeys(STEPS.values()))


@dataclass(frozen=True, slots=True)
class Compilation:
    """One text that was read, or one kernel made for a layout of its operands: milliseconds by step."""

    name: str
    loaded: bool
    times: dict[str, float]

    @property
    def total(self) -> float:
        """Milliseconds of all steps."""
        return sum(self.times.values())

    def column(self, name: str) -> float:
        """Milliseconds of the steps of a column."""
        return sum(t for step, t in self.times.items() if STEPS.get(step) == name)


class Profile:
    """What was compiled since it began: use it as a context, or ask for what the process has made so far.

    A context has what its own thread or task compiles, and tasks that begin in it.

    ``rows`` has a ``Compilation`` for each text and kernel; what was found in memory took no time and has none.

    >>> import sparsec as sp
    >>> with sp.profile() as p:
    ...     _ = sp.compile("kernel triple(x: f64[n]) -> y: f64[n] { y[i] = 3 * x[i] }")([1.0])
    >>> [(c.name, list(c.times)[0]) for c in p.rows]
    [('triple', 'parse'), ('triple', 'look up')]
    """

    def __init__(self, rows: Iterable[Compilation] = ()) -> None:
        self.rows = list(rows)

    def __enter__(self) -> Profile:
        self.rows = []
        _OPEN.set((*_OPEN.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        _OPEN.set(tuple(p for p in _OPEN.get() if p is not self))

    @property
    def total(self) -> float:
        """Milliseconds of all that was compiled."""
        return sum(c.total for c in self.rows)

    def __repr__(self) -> str:
        width = max([6, *(len(c.name) for c in self.rows)])
        lines = ["kernel".ljust(width) + "".join(f"{c:>9}" for c in (*COLUMNS, "ms"))]
        for c in sorted(self.rows, key=lambda c: -c.total):
            lines.append(c.name.ljust(width) + "".join(f"{t:9.1f}" for t in (*map(c.column, COLUMNS), c.total)))
        return "\n".join(lines)


_OPEN: ContextVar[tuple[Profile, ...]] = ContextVar("sparsec_profiles", default=())
_ALL: deque[Compilation] = deque(maxlen=1000)


def reading(parse: Callable[[], T], name: Callable[[T], str]) -> T:
    """What ``parse`` reads from a text, timed."""
    start = perf_counter()
    made = parse()
    note(name(made), {"parse": (perf_counter() - start) * 1e3})
    return made


def note(name: str, times: dict[str, float]) -> None:
    """Tell the profiles that are open here what took the time of a step or several."""
    made = Compilation(name, "load" in times, dict(times))
    _ALL.append(made)
    for p in _OPEN.get():
        p.rows.append(made)


def profile() -> Profile:
    """Where compile time went: of this process so far (the last 1,000 steps), or of a ``with`` block.

    >>> import sparsec as sp
    >>> str(sp.profile()).splitlines()[0].split()
    ['kernel', 'parse', 'disk', 'plan', 'lower', 'LLVM', 'ms']
    """
    return Profile(_ALL)


__all__ = ["Compilation", "Profile", "note", "profile", "reading"]
