"""Backends: consumers of buffer IR, found by name and imported when first asked for.

A backend is a module or an object; what it can do, it declares.  "c" and "interp" offer ``run(module, args)``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sparsec.errors import BackendError, UnsupportedError

_WHERE: dict[str, str] = {
    "cpu": "sparsec.backends.cpu",
    "c": "sparsec.backends.c",
    "interp": "sparsec.ir.buffer_interp",
}
_PLANNED = ("gpu", "sim")
_LOADED: dict[str, Any] = {}


def names() -> tuple[str, ...]:
    """The backends there are, registered ones included."""
    return tuple(dict.fromkeys((*_WHERE, *_LOADED)))


def register(name: str, implementation: Any) -> None:
    """Make ``implementation`` known as ``name``; raises ``BackendError`` if the name is taken by another one."""
    if name in _WHERE or _LOADED.get(name, implementation) is not implementation:
        raise BackendError(f"there already is a backend called '{name}'")
    _LOADED[name] = implementation


def backend(name: str) -> Any:
    """The backend called ``name``.

    Raises ``UnsupportedError`` for one that is planned, ``BackendError`` with the known names for any other.
    """
    if name in _PLANNED and name not in _LOADED:
        raise UnsupportedError(f"the '{name}' backend is not there yet", hint="backends are " + ", ".join(names()))
    if name not in _LOADED:
        if name not in _WHERE:
            raise BackendError(f"unknown backend '{name}'", hint="backends are " + ", ".join(names()))
        _LOADED[name] = import_module(_WHERE[name])
    return _LOADED[name]


__all__ = ["backend", "names", "register"]
