"""Where dense results are written, and how results go back to the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sparsec.binding import shape_of
from sparsec.conversion import fits as formats_fit
from sparsec.errors import BackendError, FormatError, ShapeError, SparsecError, TypeError_
from sparsec.ir.dtypes import BF16
from sparsec.ir.tensor import Program, TensorDecl
from sparsec.ir.tensor_values import from_storage, held, round_to, to_storage
from sparsec.runtime.entries import dense_storage, dense_view
from sparsec.runtime.outside import dense_array
from sparsec.runtime.storage import Storage
from sparsec.tensors import Tensor


def place(t: TensorDecl, dims: Mapping[str, int], given: Any, operands: Iterable[np.ndarray]) -> np.ndarray:
    """Where a dense result is written, in the order of its levels: the caller's array if it fits, else a new one."""
    assert t.format is not None
    shape = shape_of(t, dims)
    stored = tuple(shape[d] for d in t.format.order)
    if given is not None:
        array = as_array(given)
        if array.shape != shape or array.dtype not in (t.dtype.np, held(t.dtype)):
            raise _misfit(t, array.shape, shape, array.dtype, held(t.dtype))
        if not array.flags.writeable:
            raise TypeError_(f"out for '{t.name}' is read-only")
        if _meets_itself(array):
            raise TypeError_(f"out for '{t.name}' has several elements at one place", hint="pass an array of its own")
        plain = t.format.order == tuple(range(t.ndim))
        if plain and fits(array, shape, t.dtype.np) and not overlap(array, operands):
            return array
    try:
        return np.empty(stored, t.dtype.np)
    except (MemoryError, ValueError):
        raise BackendError(
            f"result '{t.name}' of shape {shape} does not fit in memory", hint="declare it with a sparse format"
        ) from None


def start(t: TensorDecl, given: Any) -> Any:
    """What a result that the program updates starts from, of the caller's ``out``; its extents are not looked at.

    Raises ``TypeError_`` and ``ShapeError`` for an object that cannot hold the result.
    """
    assert t.format is not None
    if t.format.is_dense:
        array: Any = as_array(given)
        shape, fits = array.shape, array.dtype in (t.dtype.np, held(t.dtype))
        if fits and t.dtype is BF16:
            bits = array if array.dtype == t.dtype.np else to_storage(round_to(array, BF16), BF16)
            array = Tensor.over(dense_storage(bits, 0, BF16))
    elif isinstance(given, Tensor):
        array, shape, fits = given, given.shape, given.storage.dtype is t.dtype
    else:
        raise TypeError_(f"out for the sparse result '{t.name}' is a Tensor, not {type(given).__name__}")
    if len(shape) != t.ndim or not fits:
        if len(shape) != t.ndim:
            raise ShapeError(f"out for '{t.name}' has {len(shape)} dimensions, expected {t.ndim}")
        kinds = (array.dtype, held(t.dtype)) if t.format.is_dense else (array.storage.dtype, t.dtype)
        raise _misfit(t, shape, shape, *kinds)
    return array


def check_tensor(t: TensorDecl, dims: Mapping[str, int], given: Any) -> None:
    """Raise ``TypeError_`` or ``ShapeError`` if the sparse result ``t`` cannot go into what the caller passed."""
    if not isinstance(given, Tensor):
        raise TypeError_(f"out for the sparse result '{t.name}' is a Tensor, not {type(given).__name__}")
    shape, storage = shape_of(t, dims), given.storage
    if storage.shape != shape or storage.dtype is not t.dtype:
        raise _misfit(t, storage.shape, shape, storage.dtype, t.dtype)


def _misfit(t: TensorDecl, shape: Any, expected: Any, dtype: Any, wanted: Any) -> SparsecError:
    """The error for an ``out`` of another shape, or else of another dtype."""
    if shape != expected:
        return ShapeError(f"out for '{t.name}' has shape {shape}, expected {expected}")
    return TypeError_(f"out for '{t.name}' has dtype {dtype}, expected {wanted}", hint="the result is not cast")


def patterns(program: Program, given: Mapping[str, Any]) -> dict[str, Storage]:
    """The storage of every sparse result, from the tensors that the caller passes for ``compute``.

    Raises ``TypeError_`` where one is missing or no ``Tensor``, ``FormatError`` for another format or fill.
    """
    out: dict[str, Storage] = {}
    for t in program.results:
        assert t.format is not None
        if t.format.is_dense:
            continue
        if t.name not in given:
            raise TypeError_(
                f"out lacks the sparse result '{t.name}', whose pattern compute keeps",
                hint=f"take it from assemble, with these operands: out={{'{t.name}': P}}",
            )
        start(t, given[t.name])
        storage = given[t.name].storage
        if not formats_fit(storage.format, t.format):
            raise FormatError(
                f"out for '{t.name}' is stored as {storage.format.label}, the result as {t.format.label}",
                hint="take what assemble gives, or convert",
            )
        if repr(storage.fill) != repr(t.fill):
            raise FormatError(f"out for '{t.name}' has fill value {storage.fill}, the result {t.fill}")
        if not storage.values.flags.writeable:
            raise TypeError_(f"the values of out for '{t.name}' are read-only")
        out[t.name] = storage
    return out


def fits(array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether a kernel may write a row-major result into ``array``."""
    flags = array.flags
    return array.shape == shape and array.dtype == dtype and flags.c_contiguous and flags.aligned and flags.writeable


def _meets_itself(array: np.ndarray) -> bool:
    """Whether elements of ``array`` may share memory, as its strides tell: each steps over all that lesser ones reach.

    What slices, transposes and reshapes of an array give never does.
    """
    reached = array.itemsize
    for step, n in sorted((abs(step), n) for step, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if step < reached:
            return array.size > 0
        reached += step * (n - 1)
    return False


def overlap(array: np.ndarray, buffers: Iterable[np.ndarray]) -> bool:
    """Whether ``array`` may share memory with an operand: compiled code assumes that it does not."""
    return any(np.may_share_memory(array, b) for b in buffers)


def as_array(given: Any) -> np.ndarray:
    """The memory of what the caller passes for a dense result; raises ``TypeError_`` for what has none."""
    if isinstance(given, np.ndarray):
        return given
    if isinstance(given, Tensor) and given.storage.format.is_dense:
        return dense_view(given.storage)
    if type(given).__module__.partition(".")[0] != "torch":
        raise TypeError_(f"out for a dense result is an array or a dense Tensor, not {type(given).__name__}")
    return dense_array(given, "out")


def returned(t: TensorDecl, array: np.ndarray, torch: Any) -> Any:
    """A dense result as the caller gets it: torch's if operands were, a scalar of order 0 as such.

    bf16, which NumPy lacks, is f32 there; torch's shares the memory.
    """
    if torch is None:
        array = from_storage(array, BF16) if t.dtype is BF16 else array
        return array if t.ndim else array[()]
    if t.dtype is BF16:
        return torch.from_numpy(array).view(torch.bfloat16)
    return torch.from_numpy(array) if t.dtype.numpy not in _NOT_TORCH else array


_NOT_TORCH = ("uint16", "uint32", "uint64")


def torch_of(operands: Sequence[Any]) -> Any:
    """The torch module if an operand is torch's."""
    import sys

    torch = sys.modules.get("torch")
    return torch if torch is not None and any(isinstance(x, torch.Tensor) for x in operands) else None


def check_nan(results: Sequence[TensorDecl], outs: Mapping[str, np.ndarray], made: Mapping[str, Storage]) -> None:
    """``SPARSEC_CHECK=nan``: a NaN in a result is an error that says where it is."""
    for t in results:
        if not t.dtype.is_float and t.dtype.kind != "c":
            continue
        values = outs[t.name] if t.name in outs else made[t.name].values
        bad = np.isnan(from_storage(values, t.dtype))
        if bad.any():
            where = tuple(int(c) for c in np.argwhere(bad)[0])
            place = f"at {where}" if t.name in outs else f"at position {where[0]} of its values"
            raise BackendError(f"result '{t.name}' is NaN {place}", hint="SPARSEC_CHECK=nan asked for this check")


__all__ = [
    "as_array",
    "check_nan",
    "check_tensor",
    "fits",
    "overlap",
    "patterns",
    "place",
    "returned",
    "start",
    "torch_of",
]
