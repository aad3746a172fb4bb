"""The dtypes of the array API, and what it asks about them."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from sparsec.errors import TypeError_
from sparsec.tensors import Tensor

bool_ = np.dtype(bool)
int8, int16, int32, int64 = map(np.dtype, ("int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = map(np.dtype, ("uint8", "uint16", "uint32", "uint64"))
float32, float64 = map(np.dtype, ("float32", "float64"))
complex64, complex128 = map(np.dtype, ("complex64", "complex128"))
KINDS = {
    "bool": (bool_,),
    "signed integer": (int8, int16, int32, int64),
    "unsigned integer": (uint8, uint16, uint32, uint64),
    "real floating": (float32, float64),
    "complex floating": (complex64, complex128),
}
KINDS["integral"] = KINDS["signed integer"] + KINDS["unsigned integer"]
KINDS["numeric"] = KINDS["integral"] + KINDS["real floating"] + KINDS["complex floating"]


def on_cpu(device: Any) -> None:
    """Raise ``TypeError_`` for a device other than "cpu" (or None)."""
    if device not in (None, "cpu"):
        raise TypeError_(f"there is no device {device!r}", hint='tensors live on "cpu"')


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is another, of a kind ("integral", "real floating", ...), or one of several."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise TypeError_(f"there is no kind of dtypes {kind!r}", hint="kinds are " + ", ".join(KINDS))
        return any(dtype == t for t in KINDS[kind])
    return bool(dtype == kind)


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether values of one dtype (or tensor) become another's by promotion."""
    return bool(np.can_cast(from_.dtype if isinstance(from_, Tensor) else from_, to))


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype to which tensors, dtypes and Python's numbers promote."""
    if not arrays_and_dtypes:
        raise TypeError_("result_type of nothing")
    try:
        return np.result_type(*(x.dtype if isinstance(x, Tensor) else x for x in arrays_and_dtypes))
    except TypeError as e:
        raise TypeError_(str(e)) from None


def finfo(type: Any, /) -> Any:
    """The limits of a floating dtype, or of a tensor's."""
    return _limits(np.finfo, type)


def iinfo(type: Any, /) -> Any:
    """The limits of an integer dtype, or of a tensor's."""
    return _limits(np.iinfo, type)


@dataclass(frozen=True, slots=True)
class FloatLimits:
    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class IntegerLimits:
    bits: int
    max: int
    min: int
    dtype: np.dtype


def _limits(info: Any, given: Any) -> Any:
    dtype = given.dtype if isinstance(given, Tensor) else np.dtype(given)
    try:
        found = info(dtype)
    except ValueError as e:
        raise TypeError_(str(e)) from None
    if info is np.iinfo:
        return IntegerLimits(found.bits, int(found.max), int(found.min), dtype)
    real = np.dtype(found.dtype)
    eps, most, least, normal = map(float, (found.eps, found.max, found.min, found.smallest_normal))
    return FloatLimits(found.bits, eps, most, least, normal, real)


class Info:
    """What ``__array_namespace_info__()`` gives."""

    def capabilities(self) -> dict[str, Any]:
        """Which optional parts of the standard are there."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 32}

    def default_device(self) -> str:
        """Where tensors are made."""
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        """Where tensors may be."""
        return ("cpu",)

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype]:
        """The dtypes that functions choose."""
        on_cpu(device)
        return {
            "real floating": float64, "complex floating": complex128, "integral": int64, "indexing": int64,
        }  # fmt: skip

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, np.dtype]:
        """The dtypes of a kind, of several, or all."""
        on_cpu(device)
        every = {t.name: t for t in (bool_, *KINDS["numeric"])}
        return every if kind is None else {n: t for n, t in every.items() if isdtype(t, kind)}


def namespace(name: str, doc: str, functions: dict[str, Any]) -> ModuleType:
    """A module of these functions: the standard's extensions are attributes of the namespace."""
    module = ModuleType(name, doc)
    module.__dict__.update(functions)
    module.__dict__["__all__"] = sorted(functions)
    return module
