"""torch tensors in and out: dense, coo, csr, csc, bsr and bsc on the CPU, without a copy where they are canonical."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsec.errors import FormatError, TypeError_, UnsupportedError
from sparsec.formats.format import Format
from sparsec.formats.named import named_format
from sparsec.ir.dtypes import BF16, DType, from_numpy
from sparsec.runtime.entries import canonical, dense_view, shared_list
from sparsec.runtime.outside import Known
from sparsec.runtime.scipy_bridge import kind
from sparsec.runtime.segments import canonical_segments, compress, sortable
from sparsec.runtime.storage import Storage, adopt, as_fill

_COMPRESSED = {
    "sparse_csr": ("csr", "crow_indices", "col_indices"),
    "sparse_csc": ("csc", "ccol_indices", "row_indices"),
    "sparse_bsr": ("csr", "crow_indices", "col_indices"),
    "sparse_bsc": ("csc", "ccol_indices", "row_indices"),
}
"""Layout: format, and the names of its two arrays."""
_INVARIANTS = "see torch's check_invariants"


@dataclass(slots=True)
class KnownTorch:
    """What a sparse tensor held when it was validated: ``shared`` if its values are the storage's memory."""

    version: int
    address: int
    storage: Storage
    shared: bool

    def storage_of(self, obj: Any) -> Storage | None:
        same = self.shared and _version(obj) == self.version and _address(obj) == self.address
        return self.storage if same and not _recorded(obj) else None


def _layout(obj: Any) -> str:
    return str(obj.layout).removeprefix("torch.")


def _version(obj: Any) -> int:
    return 0 if obj.is_inference() else int(obj._version)


def _values(obj: Any) -> Any:
    return obj._values() if obj.is_sparse else obj.values()


def _address(obj: Any) -> int | None:
    """Where a sparse tensor's values lie; None inside torch's transforms, which hand out wrappers for its arrays."""
    try:
        return int(_values(obj).data_ptr())
    except RuntimeError:
        return None


def is_sparse(obj: Any) -> bool:
    return obj.layout is not _strided()


def _strided() -> Any:
    import torch

    return torch.strided


def _recorded(obj: Any) -> bool:
    """Whether torch would record an operation on ``obj`` for its gradient, or carry a tangent along (forward mode).

    Its sparse tensors have no tangents, and asking one for its raises.
    """
    import torch
    from torch.autograd import forward_ad

    if obj.requires_grad and torch.is_grad_enabled():
        return True
    return not is_sparse(obj) and forward_ad.unpack_dual(obj).tangent is not None


def _check(obj: Any, name: str) -> None:
    """Raise ``UnsupportedError`` for a tensor whose memory cannot be had, and for one that would lose its gradient."""
    if obj.is_nested:
        raise UnsupportedError(
            f"{name}: nested torch tensors are not taken",
            hint="torch.nested.to_padded_tensor(t, 0.0) pads it; sp.tensor([r.tolist() for r in t.unbind()], 'ragged') "
            "keeps the lengths",
        )
    if obj.device.type != "cpu":
        raise UnsupportedError(f"{name}: a torch tensor on device '{obj.device}'", hint="move it with .cpu()")
    if _recorded(obj):
        raise UnsupportedError(
            f"{name}: a torch tensor that {'requires grad' if obj.requires_grad else 'has a tangent'} would lose "
            f"its {'gradient' if obj.requires_grad else 'tangent'}, as there is no autograd yet",
            hint="pass t.detach(), or compute under torch.no_grad()",
        )


def _no_memory(name: str, why: str = "") -> UnsupportedError:
    return UnsupportedError(
        f"{name}: a torch tensor without memory of its own{why}",
        hint="torch.func.vmap, jvp and their like do not go through sparsec yet",
    )


def dense(obj: Any, name: str = "the operand") -> tuple[np.ndarray, DType]:
    """A dense tensor's memory as a NumPy array, and its dtype (bf16 as its bits).

    Raises ``UnsupportedError`` for other devices, nested tensors and those that require grad, ``TypeError_`` for dtypes
    without a counterpart.
    """
    import torch

    _check(obj, name)
    obj = obj.detach().resolve_conj().resolve_neg()
    if obj.dtype == torch.bfloat16:
        return obj.view(torch.uint16).numpy(), BF16
    try:
        array = obj.numpy()
    except RuntimeError as e:
        raise _no_memory(name, f": {str(e).partition(chr(10))[0]}") from None
    except TypeError:
        raise TypeError_(
            f"{name}: dtype {obj.dtype} has no counterpart", hint="cast the tensor with .to(torch.float32), say"
        ) from None
    return array, from_numpy(array.dtype)


def wrap(obj: Any) -> tuple[Storage, Known | None]:
    """The storage of a sparse tensor, and what to remember of it.

    Raises ``FormatError`` for inconsistent arrays; ``UnsupportedError`` names layouts, devices and dense dimensions.
    """
    layout = _layout(obj)
    name = f"torch {layout} tensor"
    _check(obj, name)
    if layout != "sparse_coo" and layout not in _COMPRESSED:
        raise UnsupportedError(f"torch layout '{obj.layout}'", hint="dense, coo, csr, csc, bsr, bsc are taken")
    address = _address(obj)
    if address is None:
        raise _no_memory(name)
    storage = _wrap_list(obj, name) if layout == "sparse_coo" else _wrap_compressed(obj, layout, name)
    shared = storage.nnz == 0 or storage.values.ctypes.data == address
    return storage, KnownTorch(_version(obj), address, storage, shared)


def _wrap_list(obj: Any, name: str) -> Storage:
    values, dtype = dense(obj._values(), name)
    if values.ndim != 1:
        raise UnsupportedError(f"{name} with {values.ndim - 1} dense dimensions", hint="make it fully sparse or dense")
    coords = list(obj._indices().numpy())
    shape = tuple(obj.shape)
    shared = shared_list(coords, values, shape, dtype)
    return shared or canonical(coords, values, shape, range(len(shape)), dtype, as_fill(0, dtype))


def _wrap_compressed(obj: Any, layout: str, name: str) -> Storage:
    format_name, first, second = _COMPRESSED[layout]
    pos, crd = getattr(obj, first)().numpy(), getattr(obj, second)().numpy()
    values, dtype = dense(obj.values(), name)
    blocks = layout in ("sparse_bsr", "sparse_bsc")
    batches = crd.ndim - 1
    if values.ndim - batches - 1 != 2 * blocks:
        raise UnsupportedError(f"{name} with dense dimensions", hint="make it fully sparse or dense")
    fmt = named_format(format_name, 2 + batches)
    if batches:
        if blocks:
            raise UnsupportedError(f"{name} with batch dimensions", hint="convert it to csr first")
        count = crd.shape[-1]
        pos = pos.reshape(-1, pos.shape[-1])
        if (pos[:, 0] != 0).any() or (pos[:, -1] != count).any():
            raise FormatError(f"{name}: {first} of every batch runs from 0 to {count}", hint=_INVARIANTS)
        starts = count * np.arange(len(pos), dtype=pos.dtype)
        pos = np.append((pos[:, :-1] + starts[:, None]).ravel(), np.array(count * len(pos), pos.dtype))
        crd, values = crd.ravel(), values.ravel()
    shape = tuple(obj.shape)
    if blocks:
        return _blocks(fmt, shape, pos, crd, values, dtype, name)
    parts: list[dict[str, np.ndarray]] = [{}] * (1 + batches) + [{"pos": pos, "crd": crd}]
    try:
        return adopt(fmt, shape, 0, parts, values, dtype=dtype, name=name)
    except FormatError:
        # Of all batches in one: their rows one below the other.
        rows, extent = (shape[d] for d in fmt.order[-2:])
        if len(crd) != len(values) or not sortable(pos, crd, math.prod(shape[:batches]) * rows, extent):
            raise
        if not batches:
            return canonical_segments(fmt, shape, pos, crd, values, dtype)[0]
        owner = np.repeat(np.arange(len(pos) - 1), np.diff(pos))
        order = np.lexsort((crd, owner))
        parts[-1] = {"pos": pos, "crd": crd[: len(order)][order]}
        return adopt(fmt, shape, 0, parts, values[: len(order)][order], dtype=dtype, name=name)


def _blocks(
    fmt: Format, shape: tuple[int, ...], pos: np.ndarray, crd: np.ndarray, values: np.ndarray, dtype: DType, name: str
) -> Storage:
    """The entries of blocks, explicit zeros included."""
    sides = values.shape[1:]
    outer = tuple(-(-shape[d] // sides[d]) for d in range(2))
    if len(crd) != len(values) or not sortable(pos, crd, *(outer[d] for d in fmt.order)):
        raise FormatError(f"{name}: the arrays of the blocks are inconsistent", hint=_INVARIANTS)
    row, col = fmt.order
    crd, values = crd[: int(pos[-1])], values[: int(pos[-1])]
    places = {row: np.repeat(np.arange(outer[row]), np.diff(pos)), col: crd}
    grid = np.indices((len(crd), *sides))
    coords = [(places[d][grid[0]] * sides[d] + grid[1 + d]).ravel() for d in range(2)]
    entries = canonical(coords, values.ravel(), shape, fmt.order, dtype, as_fill(0, dtype))
    return compress(fmt, entries)


# out


def to_torch(storage: Storage) -> Any:
    """A torch tensor over a dense storage or one whose ``scipy_bridge.kind`` is known; shares memory where torch can.

    Raises ``FormatError`` for a sparse tensor with a fill other than 0.
    """
    import torch

    if storage.format.is_dense:
        return _tensor(dense_view(storage), storage.dtype)
    if storage.fill != 0:
        raise FormatError(
            f"the fill value is {storage.fill}; what torch does not store is 0", hint="A.coo() gives the entries"
        )
    layout = kind(storage)
    assert layout is not None
    values = _tensor(storage.values, storage.dtype)
    if layout == "coo":
        natural = storage.format.dim_order == tuple(range(storage.ndim))
        coords = np.stack([c.astype(np.int64, copy=False) for c in storage.coordinates()])
        return torch.sparse_coo_tensor(
            torch.from_numpy(coords), values, storage.shape, check_invariants=False, is_coalesced=natural
        )
    pos, crd = storage.levels[1]["pos"], storage.levels[1]["crd"]
    if pos.dtype != crd.dtype or pos.dtype not in (np.int32, np.int64):
        pos, crd = pos.astype(np.int64), crd.astype(np.int64)
    make = torch.sparse_csr_tensor if layout == "csr" else torch.sparse_csc_tensor
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CS[RC] tensor support is in beta")
        return make(_tensor(pos), _tensor(crd), values, size=storage.shape, check_invariants=False)


def _tensor(array: np.ndarray, dtype: DType | None = None) -> Any:
    import torch

    if not array.flags.writeable:  # torch has no read-only memory
        array = array.copy()
    made = torch.from_numpy(array)
    return made.view(torch.bfloat16) if dtype is BF16 else made


__all__ = ["dense", "is_sparse", "to_torch", "wrap"]
