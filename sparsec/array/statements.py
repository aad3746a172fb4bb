"""Statements as text, and their evaluation: how a function on tensors becomes a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparsec.api import evaluate, statement_kernel
from sparsec.formats.format import Format
from sparsec.ir.dtypes import DType, from_numpy
from sparsec.kernel import Kernel
from sparsec.tensors import label


def index(n: int, prefix: str = "i") -> str:
    """A name for the index of dimension ``n``: ``i8`` would be a dtype."""
    return f"{prefix}_{n}"


def letters(ndim: int, prefix: str = "i") -> tuple[str, ...]:
    """Names for the index variables of a tensor."""
    return tuple(index(n, prefix) for n in range(ndim))


def access(name: str, indices: Sequence[str], dtype: Any = None, cast_to: Any = None) -> str:
    """``A[i_0, i_1]``, or ``f64(A[i_0, i_1])`` where the dtypes differ."""
    text = f"{name}[{', '.join(indices)}]" if indices else name
    return text if cast_to is None or dtype == cast_to else f"{from_numpy(cast_to)}({text})"


def literal(value: Any) -> str:
    """A number as the language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, complex):
        return f"({literal(value.real)} + {literal(value.imag)} * 1j)"
    return repr(value)


def target(name: str, indices: Sequence[str], dtype: DType, format: Format | None = None, fill: Any = None) -> str:
    """A left side: without a ``format`` dense for scalars, else whatever the algebra makes of it."""
    if not indices:
        return f"{name}: {dtype}"
    note = "" if format is None else f" {label(format)}"
    note += "" if fill is None or format is None or format.is_dense else f" fill({literal(fill)})"
    return f"{name}[{', '.join(indices)}]: {dtype}{note}"


def run(left: str, right: str, given: Mapping[str, Any], sizes: Mapping[str, int] | None = None) -> Any:
    """The statement's result: an array, a number or a ``Tensor``."""
    return evaluate(f"{left} = {right}", sizes=sizes, **given)


def kernel(left: str, right: str, given: Mapping[str, Any]) -> Kernel:
    """The statement's kernel, which takes the operands in the order of ``given``."""
    return statement_kernel(f"{left} = {right}", given)[0]


MOST_KERNELS = 512
_KERNELS: dict[Any, Kernel] = {}
"""Kernels by what their operands look like: the shortest way for operators that meet the same kinds again."""


def remembered(key: Any) -> Kernel | None:
    """The kernel kept for ``key``."""
    return _KERNELS.get(key)


def remember(key: Any, kernel: Kernel) -> Kernel:
    """Keep ``kernel`` for ``key``."""
    if len(_KERNELS) >= MOST_KERNELS:
        _KERNELS.clear()
    _KERNELS[key] = kernel
    return kernel


__all__ = ["access", "index", "kernel", "letters", "literal", "remember", "remembered", "run", "target"]
