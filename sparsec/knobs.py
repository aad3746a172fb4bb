"""Environment knobs, typed, in one place.

==================  =============================================================================
variable            meaning (default)
==================  =============================================================================
SPARSEC_LOGS        comma list of loggers below ``sparsec`` shown on stderr: ``cache,lower``, ``all`` (none)
SPARSEC_CHECK       comma list of ``nan`` (results), ``bounds`` (accesses), ``verify`` (IR after passes), ``all`` (none)
SPARSEC_CACHE_DIR   folder of compiled code (the user's cache folder)
SPARSEC_CACHE_SIZE  bound of that folder: bytes, or with a suffix K, M, G; 0 turns it off (256M)
SPARSEC_THREADS     threads of a parallel loop (the cores this process may run on)
SPARSEC_OPT         how hard LLVM optimises, 0 to 3: lower compiles sooner and runs slower (3)
==================  =============================================================================

The environment is read when a knob is first asked for; ``scope`` changes knobs for the current thread or task.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from functools import cache
from operator import index
from pathlib import Path
from typing import Any

from sparsec.errors import SparsecError, nearest

CHECKS = ("nan", "bounds", "verify")


class KnobError(SparsecError):
    """An environment variable, or a ``scope``, holds something that its knob does not take."""

    code = "knob"


@dataclass(frozen=True, slots=True)
class Knobs:
    """The settings in force."""

    logs: frozenset[str] = frozenset()
    check: frozenset[str] = frozenset()
    cache_dir: Path | None = None
    cache_size: int = 256 << 20
    threads: int | None = None
    opt: int = 3

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
    number, unit = text.upper().removesuffix("B"), 1
    for suffix, factor in (("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)):
        if number.endswith(suffix):
            number, unit = number[:-1], factor
    try:
        value = int(float(number) * unit)
    except (ValueError, OverflowError):
        value = -1
    if value < 0:
        raise ValueError("this is no size")
    return value


def _threads(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise ValueError("this is no number of threads")
    return int(text)


def _level(text: str) -> int:
    if text not in ("0", "1", "2", "3"):
        raise ValueError("this is no level")
    return int(text)


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "SPARSEC_LOGS": ("logs", _words),
    "SPARSEC_CHECK": ("check", _checks),
    "SPARSEC_CACHE_DIR": ("cache_dir", lambda text: Path(text).expanduser()),
    "SPARSEC_CACHE_SIZE": ("cache_size", _size),
    "SPARSEC_THREADS": ("threads", _threads),
    "SPARSEC_OPT": ("opt", _level),
}


_EXPECTED = {
    "logs": "names of loggers such as cache, lower; or all",
    "check": f"{', '.join(CHECKS)} or all",
    "cache_dir": "a folder",
    "cache_size": "a number of bytes, or with a suffix K, M, G as in 256M; 0 turns the cache off",
    "threads": "a number from 1 to 1024",
    "opt": "a level from 0 to 3",
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
        except (ValueError, RuntimeError) as problem:  # RuntimeError: a home folder that is not known
            raise KnobError(f"{variable}={text!r:.60}: {problem}", hint=f"expected {_EXPECTED[field]}") from None
    return Knobs(**values)


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes by a program, as ``Knobs`` holds them; raises ``KnobError`` naming the knob."""
    known = [f.name for f in fields(Knobs)]
    out = {}
    for field, value in changes.items():
        if field not in known:
            hint = nearest(field, known) or f"the knobs are {', '.join(known)}"
            raise KnobError(f"there is no knob '{field}'", hint=hint)
        try:
            out[field] = _held(field, value)
        except (ValueError, TypeError):
            of_words = field in ("logs", "check")
            hint = f"expected {'a set of words: ' if of_words else ''}{_EXPECTED[field]}"
            raise KnobError(f"the knob '{field}' cannot be {value!r:.60}", hint=hint) from None
    return out


def _held(field: str, value: Any) -> Any:
    """One such change; raises ``ValueError`` or ``TypeError``."""
    match field:
        case "logs" | "check":
            words = frozenset(value)
            if isinstance(value, str) or not all(isinstance(w, str) for w in words):
                raise TypeError
            return _checks(",".join(words)) if field == "check" else words
        case "cache_dir":
            return None if value is None else Path(value)
    if field == "threads" and value is None:
        return None
    number = index(value)
    least, most = {"threads": (1, 1024), "opt": (0, 3)}.get(field, (0, number))
    if isinstance(value, bool) or not least <= number <= most:
        raise ValueError
    return number


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
    """Change knobs for the rest of the process; a ``scope`` that is open keeps its own.  Raises ``KnobError``."""
    _BASE[:] = [replace(_base(), **_checked(changes))]


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
    """Change knobs inside a ``with`` block: ``with scope(threads=1, check={"bounds"}): ...``.

    Raises ``KnobError`` naming the knob.
    """
    token = _OVERRIDE.set(replace(knobs(), **_checked(changes)))
    try:
        yield knobs()
    finally:
        _OVERRIDE.reset(token)


__all__ = ["CHECKS", "KnobError", "Knobs", "change", "knobs", "read", "scope", "show_logs", "thread_count"]
