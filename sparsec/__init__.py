"""sparsec: a compiler for sparse tensor programs.

Write a tensor expression once; say of each tensor how it is stored; get native code::

    import sparsec as sp

    A = sp.read("bcsstk17.mtx")
    y = sp.evaluate("y[i] = A[i, j] * x[j]", A=A, x=x)
    k = sp.compile("kernel spmv(A: f64[m, n] csr, x: f64[n]) -> y: f64[m] { y[i] = A[i, j] * x[j] }")

Names are loaded when they are first used: ``import sparsec`` needs NumPy alone.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sparsec import _checkout  # noqa: F401

if TYPE_CHECKING:
    from sparsec.api import compile, einsum, evaluate, grad
    from sparsec.array.creation import (
        arange,
        asarray,
        eye,
        from_dlpack,
        full,
        full_like,
        linspace,
        ones,
        ones_like,
        random,
        zeros,
        zeros_like,
    )
    from sparsec.errors import (
        BackendError,
        FileError,
        FormatError,
        ScheduleError,
        ShapeError,
        SparsecError,
        SyntaxError_,
        TypeError_,
        UnsupportedError,
    )
    from sparsec.files import read, write
    from sparsec.kernel import Kernel
    from sparsec.profiling import profile
    from sparsec.runtime.cache import cache_info, clear_cache
    from sparsec.runtime.threads import get_num_threads, set_num_threads
    from sparsec.sharing import share
    from sparsec.tensors import Tensor, compose, from_coo, tensor

if os.environ.get("SPARSEC_LOGS"):
    from sparsec.knobs import show_logs

    show_logs()

__version__ = "0.1.0"

_WHERE = {
    "sparsec.api": ("compile", "einsum", "evaluate", "grad"),
    "sparsec.profiling": ("profile",),
    "sparsec.array.creation": (
        "arange", "asarray", "eye", "from_dlpack", "full", "full_like", "linspace", "ones", "ones_like", "random",
        "zeros", "zeros_like",
    ),
    "sparsec.errors": (
        "BackendError", "FileError", "FormatError", "ScheduleError", "ShapeError", "SparsecError", "SyntaxError_",
        "TypeError_", "UnsupportedError",
    ),
    "sparsec.kernel": ("Kernel",),
    "sparsec.runtime.cache": ("cache_info", "clear_cache"),
    "sparsec.files": ("read", "write"),
    "sparsec.runtime.threads": ("get_num_threads", "set_num_threads"),
    "sparsec.sharing": ("share",),
    "sparsec.tensors": ("Tensor", "compose", "from_coo", "tensor"),
}  # fmt: skip
_HOME = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "BackendError",
    "FileError",
    "FormatError",
    "Kernel",
    "ScheduleError",
    "ShapeError",
    "SparsecError",
    "SyntaxError_",
    "Tensor",
    "TypeError_",
    "UnsupportedError",
    "arange",
    "asarray",
    "cache_info",
    "clear_cache",
    "compile",
    "compose",
    "einsum",
    "evaluate",
    "eye",
    "from_coo",
    "from_dlpack",
    "full",
    "full_like",
    "get_num_threads",
    "grad",
    "linspace",
    "ones",
    "ones_like",
    "profile",
    "random",
    "read",
    "set_num_threads",
    "share",
    "tensor",
    "write",
    "zeros",
    "zeros_like",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sparsec' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
