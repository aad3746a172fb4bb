"""How many threads a parallel loop uses; the team itself belongs to the backend (``backends/cpu/team.py``)."""

from __future__ import annotations

from sparsec import knobs
from sparsec.errors import TypeError_


def set_num_threads(n: int | None) -> None:
    """Use ``n`` threads (1 to 1,024) in parallel loops from now on, in all Python threads; None: one for each core.

    Results do not depend on it.  ``sparsec.knobs.scope(threads=n)`` does the same inside a ``with`` block.
    """
    check_threads(n)
    knobs.change(threads=n)


def check_threads(n: object) -> None:
    """Raise ``TypeError_`` for what is no number of threads; None leaves it open."""
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 1024):
        raise TypeError_(f"a number of threads is 1 to 1024, not {n!r:.60}")


def get_num_threads() -> int:
    """The number of threads that a parallel loop started here may use."""
    return knobs.thread_count()


__all__ = ["check_threads", "get_num_threads", "set_num_threads"]
