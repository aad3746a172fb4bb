"""Other libraries' objects as storage or arrays.

``operand_storage`` stands on the path of every kernel call.  What it learns about an object it keeps for as long as the
object lives, and trusts while the object holds the same arrays: they are validated once.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from sparsec.errors import ShapeError, TypeError_, UnsupportedError
from sparsec.ir.dtypes import DType, from_numpy
from sparsec.runtime.storage import Storage

Handler = Callable[[Any], Storage | None]
"""The storage of an object of one type; None for arrays and scalars."""


class Known(Protocol):
    """What is remembered of an object."""

    def storage_of(self, obj: Any) -> Storage | None:
        """The storage of ``obj`` with the values it has now; None if it does not hold the same arrays any more."""


def operand_storage(obj: Any) -> Storage | None:
    """The storage of a ``Tensor`` or of a SciPy, torch or pydata sparse object; None for arrays, scalars, others.

    Shares the object's arrays where they fit.  Raises ``FormatError`` for index arrays that are inconsistent,
    ``TypeError_`` for dtypes without a counterpart.
    """
    cls = type(obj)
    handler = _HANDLERS.get(cls)
    if handler is None:
        handler = _HANDLERS[cls] = _handler(cls)
    return handler(obj)


def register(cls: type, handler: Handler) -> None:
    """Let ``handler`` give the storage of objects of ``cls`` and of its subclasses."""
    _REGISTERED[cls] = handler
    _HANDLERS.clear()


_REGISTERED: dict[type, Handler] = {}
_HANDLERS: dict[type, Handler] = {}


def _handler(cls: type) -> Handler:
    for base in cls.__mro__:
        if base in _REGISTERED:
            return _REGISTERED[base]
    if (scipy := sys.modules.get("scipy.sparse")) and issubclass(cls, scipy.sparray | scipy.spmatrix):
        from sparsec.runtime.scipy_bridge import wrap

        return lambda obj: remembered(obj, wrap)
    if (torch := sys.modules.get("torch")) and issubclass(cls, torch.Tensor):
        from sparsec.runtime import torch_bridge

        return lambda obj: remembered(obj, torch_bridge.wrap) if torch_bridge.is_sparse(obj) else None
    if "sparse" in sys.modules:
        from sparsec.runtime import pydata_bridge

        if pydata_bridge.is_pydata(cls):
            return pydata_bridge.wrap
    return lambda obj: None


def own_fill(obj: Any) -> bool:
    """Whether an object that has a storage says itself what is not stored: a ``Tensor``, or pydata's arrays."""
    return hasattr(obj, "fill_value")


_MEMO: dict[int, tuple[weakref.ref[Any], Known]] = {}


def remembered(obj: Any, wrap: Callable[[Any], tuple[Storage, Known | None]]) -> Storage:
    """The storage of ``obj`` as it was learned before, else what ``wrap`` makes of it."""
    entry = _MEMO.get(id(obj))
    if entry is not None and entry[0]() is obj:
        storage = entry[1].storage_of(obj)
        if storage is not None:
            return storage
    storage, known = wrap(obj)
    if known is not None:
        remember(obj, known)
    return storage


def remember(obj: Any, known: Known) -> None:
    """Keep ``known`` for as long as ``obj`` lives."""
    key = id(obj)

    def forget(ref: weakref.ref[Any]) -> None:
        entry = _MEMO.get(key)
        if entry is not None and entry[0] is ref:
            del _MEMO[key]

    _MEMO[key] = (weakref.ref(obj, forget), known)


def dense_array(obj: Any, name: str = "the operand") -> np.ndarray:
    """A NumPy array over an array, a number, nested lists, a dense torch tensor or a DLPack object; a view if possible.

    Raises ``TypeError_`` for objects that are none, ``ShapeError`` for ragged lists.  bf16 comes as its bits (uint16).
    """
    return dense_source(obj, name)[0]


def dense_source(obj: Any, name: str = "the operand") -> tuple[np.ndarray, DType]:
    """``dense_array`` with the dtype of the language."""
    if (masked := sys.modules.get("numpy.ma")) and isinstance(obj, masked.MaskedArray):
        raise TypeError_(f"{name} is a masked array", hint="fill the masked places first: .filled(0)")
    if isinstance(obj, np.ndarray | np.generic):
        return np.asarray(obj), _counterpart(obj.dtype, name)
    if (torch := sys.modules.get("torch")) and isinstance(obj, torch.Tensor):
        from sparsec.runtime.torch_bridge import dense

        return dense(obj, name)
    try:
        array = np.from_dlpack(obj) if hasattr(obj, "__dlpack__") else np.asarray(obj)
    except ValueError as e:
        if isinstance(obj, list | tuple):
            raise ShapeError(f"{name}: the nested lists are ragged", hint="every row needs the same length") from None
        raise _no_array(obj, name, e) from None
    except (TypeError, RuntimeError, BufferError) as e:
        raise _no_array(obj, name, e) from None
    if array.dtype.kind in "OUSV" and not hasattr(obj, "dtype"):
        if array.size and all(isinstance(x, int) for x in array.flat):
            large = max(array.flat, key=abs)
            wide = f": {float(large)!r}".replace("e+", "e") if abs(large) < 10**300 else ""
            raise TypeError_(f"{name}: {obj!r:.60} holds an integer past 64 bits", hint=f"write it as a float{wide}")
        raise _no_array(obj, name)
    return array, _counterpart(array.dtype, name)


def _counterpart(dtype: np.dtype, name: str) -> DType:
    try:
        return from_numpy(dtype)
    except TypeError_ as e:
        raise TypeError_(f"{name}: {e.message}", hint=e.hint) from None


def _no_array(obj: Any, name: str, why: Exception | None = None) -> TypeError_:
    if why is not None and "device" in str(why):
        return UnsupportedError(f"{name} lies on another device: {why}", hint="move it to the CPU first")  # type: ignore[return-value]
    cls = type(obj)
    label = cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
    return TypeError_(
        f"{name}: no tensor can be made of {obj!r:.60} ({label})",
        hint="NumPy arrays, numbers, nested lists of numbers, SciPy and torch tensors and DLPack objects are taken",
    )


__all__ = [
    "Known", "dense_array", "dense_source", "operand_storage", "own_fill", "register", "remember", "remembered",
]
