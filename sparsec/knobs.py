"""Environment knobs, typed, in one place.

==================  =============================================================================
variable            meaning (default)
==================  =============================================================================
SPARSEC_LOGS        comma list of loggers below ``sparsec`` shown on stderr: ``cache,lower``, ``all`` (none)
SPARSEC_CHECK       comma list of ``nan`` (results), ``bounds`` (accesses), ``verify`` (IR after passes), ``all`` (none)
SPARSEC_CACHE_DIR   folder of compiled code (the user's cache folder)
SPARSEC_CACHE_SIZE  bound of that folder: bytes, or with a suffix K, M, G; 0 turns it off (256M)
SPARSEC_THREADS     threads of a parallel loop (the cores this process may run on)
==================  =============================================================================

The environment is read when a knob is first asked for; ``scope`` changes knobs for the current thread or task.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from sparsec.errors import SparsecError

CHECKS = ("nan", "bounds", "verify")


class KnobError(SparsecError):
    """An environment variable holds something that its knob does not take."""

    code = "knob"


@dataclass(frozen=True, slots=True)
class Knobs:
    """The settings in force."""

    logs: frozenset[str] = frozenset()
    check: frozenset[str] = frozenset()
    cache_dir: Path | None = None
    cache_size: int = 256 << 20
    threads: int | None = None

    def checks(self, what: str) -> bool:
        """Whether the check ``what`` (one of ``CHECKS``) is on."""
        return what in self.check


def _words(text: str) -> frozenset[str]:
    return frozenset(w.strip() for w in text.split(",") if w.strip())


def _checks(text: str) -> frozenset[str]:
    words = _words(text)
    if "all" in words:
        return frozenset(CHECKS)
    if unknown := words.difference(CHECKS):
        raise ValueError(f"'{min(unknown)}' is not one of {', '.join(CHECKS)}, all")
    return words


def _size(text: str) -> int:
    number, unit = text.strip().upper().removesuffix("B"), 1
    for suffix, factor in (("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)):
        if number.endswith(suffix):
            number, unit = number[:-1], factor
    value = int(float(number) * unit)
    if value < 0:
        raise ValueError("a size is not negative")
    return value


def _threads(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1024:
        raise ValueError("threads are 1 to 1024")
    return value


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "SPARSEC_LOGS": ("logs", _words),
    "SPARSEC_CHECK": ("check", _checks),
    "SPARSEC_CACHE_DIR": ("cache_dir", lambda text: Path(text).expanduser()),
    "SPARSEC_CACHE_SIZE": ("cache_size", _size),
    "SPARSEC_THREADS": ("threads", _threads),
}


def read(environment: Mapping[str, str]) -> Knobs:
    """The knobs that ``environment`` describes; raises ``KnobError`` naming the variable."""
    values: dict[str, Any] = {}
    for variable, (field, reader) in _READERS.items():
        text = environment.get(variable, "").strip()
        if not text:
            continue
        try:
            values[field] = reader(text)
        except (ValueError, RuntimeError, OverflowError) as problem:
            raise KnobError(f"{variable}={text!r}: {problem}", hint="sparsec/knobs.py lists the knobs") from None
    return Knobs(**values)


_BASE: list[Knobs] = []


def _base() -> Knobs:
    if not _BASE:
        _BASE.append(read(os.environ))
    return _BASE[0]


@cache
def _available() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count() -> int:
    """The threads a parallel loop may use here: the knob, else the cores this process may run on."""
    return knobs().threads or _available()


_OVERRIDE: ContextVar[Knobs | None] = ContextVar("sparsec_knobs", default=None)


def knobs() -> Knobs:
    """The knobs in force here: those of the innermost ``scope``, else the environment's."""
    return _OVERRIDE.get() or _base()


def change(**changes: Any) -> None:
    """Change knobs for the rest of the process; a ``scope`` that is open keeps its own."""
    _BASE[:] = [replace(_base(), **changes)]


def show_logs() -> None:
    """Let the loggers that ``SPARSEC_LOGS`` names write to stderr; ``import sparsec`` does so where it is set."""
    import logging

    for name in knobs().logs:
        logger = logging.getLogger("sparsec" if name == "all" else f"sparsec.{name}")
        logger.setLevel(logging.DEBUG)
        if not logger.handlers:
            logger.addHandler(logging.StreamHandler())


@contextmanager
def scope(**changes: Any) -> Iterator[Knobs]:
    """Change knobs inside a ``with`` block: ``with scope(threads=1, check={"bounds"}): ...``."""
    for field in ("logs", "check"):
        if field in changes:
            changes[field] = frozenset(changes[field])
    if changes.get("cache_dir") is not None:
        changes["cache_dir"] = Path(changes["cache_dir"])
    token = _OVERRIDE.set(replace(knobs(), **changes))
    try:
        yield knobs()
    finally:
        _OVERRIDE.reset(token)


__all__ = ["CHECKS", "KnobError", "Knobs", "change", "knobs", "read", "scope", "show_logs", "thread_count"]
