"""The short way of a call whose operands look like those of the last one."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import ref

import numpy as np

from sparsec.binding import Bound, array_for, shape_of
from sparsec.driver import Call, Compiled
from sparsec.ir.dtypes import BF16
from sparsec.ir.tensor import TensorDecl
from sparsec.knobs import knobs
from sparsec.results import fits, returned, torch_of
from sparsec.runtime.address import address
from sparsec.runtime.outside import operand_storage
from sparsec.runtime.storage import Storage
from sparsec.tensors import Tensor

_NOTHING = np.empty(1)
_NUMBERS = (bool, int, float, complex, np.generic)


@dataclass(frozen=True, slots=True)
class Place:
    """An operand as it was in the last call: its storage, or the look of its array; ``at`` is its number's place.

    ``spans`` are the first addresses of the storage's buffers and those behind their ends.
    One that was a number of Python's or NumPy's is any such ``number``, put into an array as its declaration says.
    """

    at: int
    storage: ref[Storage] | None = None
    spans: tuple[tuple[int, int], ...] = ()
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    dtype: np.dtype | None = None
    number: TensorDecl | None = None


@dataclass(frozen=True, slots=True)
class Memo:
    """The last call's argument block, to be used again when only the addresses of dense arrays differ.

    ``outs`` are shape and dtype of the dense results, whose addresses stand before the dimensions in ``template``.
    """

    variant: Compiled
    places: tuple[Place, ...]
    template: array[int]
    dims: dict[str, int]
    outs: tuple[tuple[tuple[int, ...], np.dtype], ...]
    results: tuple[TensorDecl, ...]
    threads: int | None

    def call(self, operands: tuple[Any, ...], out: np.ndarray | None) -> tuple[bool, Any]:
        """(whether the operands are like those of the last call, the result)."""
        numbers = self.template[:]
        foreign, kept = False, []
        for place, x in zip(self.places, operands, strict=True):
            if place.storage is not None:
                if type(x) is Tensor:
                    storage: Storage | None = x.storage
                else:
                    storage, foreign = operand_storage(x), True
                if storage is None or storage is not place.storage():
                    return False, None
            elif place.number is not None:
                if not isinstance(x, _NUMBERS):
                    return False, None
                kept.append(array_for(place.number, x))
                numbers[place.at] = address(kept[-1])
            elif (
                type(x) is not np.ndarray
                or x.shape != place.shape
                or x.strides != place.strides
                or x.dtype != place.dtype
            ):
                return False, None
            else:
                numbers[place.at] = where = address(x)
                if where % x.itemsize:
                    return False, None
        if knobs().check:
            return False, None
        if out is None:
            outs: list[Any] = [np.empty(shape, dtype) for shape, dtype in self.outs]
        elif len(self.outs) == 1 and fits(out, *self.outs[0]) and not self._overlaps(out, operands):
            outs = [out]
        else:
            return False, None
        at = len(numbers) - len(self.dims) - len(outs)
        for result in outs:
            numbers[at] = address(result)
            at += 1
        if self.variant.runner.run(numbers.buffer_info()[0], self.threads):
            return False, None  # the long way does it again, and says what is wrong
        if not outs:
            made = self.variant.published(numbers, Call((), (), self.dims))
            outs = [Tensor.over(made[t.name]) for t in self.results]
        elif out is None:
            torch = torch_of(operands) if foreign else None
            outs = [returned(t, result, torch) for t, result in zip(self.results, outs, strict=True)]
        return True, outs[0] if len(outs) == 1 else tuple(outs)

    def _overlaps(self, out: np.ndarray, operands: tuple[Any, ...]) -> bool:
        """Whether the contiguous ``out`` may share memory with an operand."""
        first = address(out)
        last = first + out.nbytes
        for place, x in zip(self.places, operands, strict=True):
            if place.storage is not None:
                if any(begin < last and first < end for begin, end in place.spans):
                    return True
            elif place.number is None and np.may_share_memory(out, x):
                return True
        return False


def remember(
    variant: Compiled,
    bounds: Sequence[Sequence[Bound]],
    dims: dict[str, int],
    operands: Sequence[Any],
    threads: int | None,
) -> Memo | None:
    """The memo of a call; None where an operand was converted, or the call is not of the simple kind.

    ``bounds`` has several for an operand of several parts.
    """
    if knobs().check:
        return None
    places, at, first = [], 0, 0
    for parts, x in zip(bounds, operands, strict=True):
        decl = variant.program.operands[first]
        first += len(parts)
        if len(parts) > 1:
            storage = operand_storage(x)
            numbers = [n for b in parts for n in b.numbers]
            at += len(numbers)
            if storage is None or storage.addresses != numbers:
                return None
            places.append(Place(at, ref(storage), _spans(storage)))
            continue
        (b,) = parts
        at += len(b.numbers)
        if isinstance(b.keep, Storage):
            if operand_storage(x) is not b.keep:
                return None
            places.append(Place(at, ref(b.keep), _spans(b.keep)))
        elif isinstance(x, _NUMBERS) and not b.shape:
            places.append(Place(at - 1, number=decl))
        elif x is b.keep:
            places.append(Place(at - 1, shape=x.shape, strides=x.strides, dtype=x.dtype))
        else:
            return None
    results, outs = variant.program.results, []
    for t in results:
        assert t.format is not None
        if t.format.is_dense:
            if t.format.order != tuple(range(t.ndim)) or t.dtype is BF16:
                return None
            outs.append((shape_of(t, dims), t.dtype.np))
    if outs and len(outs) < len(results):
        return None
    call = Call([b.numbers for parts in bounds for b in parts], [], dims, {t.name: _NOTHING for t in results})
    template = array("q", call.block(variant.slots))
    return Memo(variant, tuple(places), template, dims, tuple(outs), results, threads)


def _spans(storage: Storage) -> tuple[tuple[int, int], ...]:
    return tuple(np.lib.array_utils.byte_bounds(a) for a in storage.buffers if a.size)


__all__ = ["Memo", "remember"]
