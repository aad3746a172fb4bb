"""Conversions that may lose something: by name only (``lossy=True``), and with the error that they made."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsec.conversion import convert, fits
from sparsec.errors import FormatError, TypeError_
from sparsec.formats.composition import Chain
from sparsec.formats.format import Format
from sparsec.formats.named import dense, named_format
from sparsec.ir.ops import cast_value
from sparsec.ir.tensor_values import from_storage, to_storage
from sparsec.runtime import lossy
from sparsec.runtime.composites import composed
from sparsec.runtime.entries import coo_format, dense_view, from_dense
from sparsec.runtime.quantised import decode, encode
from sparsec.runtime.storage import Storage

Keep = int | Sequence[int | None] | None


def convert_lossily(storage: Storage, format: Format, keep: Keep = None) -> tuple[Storage, float]:
    """``storage`` in a format that may not hold it as it is, and the relative error that this makes (Frobenius norm).

    ``keep`` bounds how many entries, blocks or diagonals the format keeps; for a sum a bound or None for each term.
    Raises what ``convert``, ``quantised.encode`` and ``runtime.lossy`` raise.
    """
    if keep is None and fits(storage.format, format):
        return storage, 0.0
    format.require_runnable()
    storage = decode(storage)
    keep = operator.index(keep) if isinstance(keep, np.integer) else keep
    if not format.terms:
        _check_number(keep)
        assert keep is None or isinstance(keep, int)
        made, off, whole = _part(storage, format, keep)
        return made, off / whole if whole else 0.0
    if keep is None:
        keep = (None,) * len(format.terms)
    if isinstance(keep, int) or len(keep) != len(format.terms):
        raise TypeError_(
            f"'{format.label}' is a sum of {len(format.terms)}: keep has a number or None for each term",
            hint=f"keep=({', '.join(['None'] * (len(format.terms) - 1) + ['1000'])})",
        )
    for most, term in zip(keep, format.terms, strict=True):
        _check_number(most)
        if most is not None and term.inner:
            raise TypeError_(f"keep={tuple(keep)}: a low rank keeps no entries", hint="write None in its place")
    return _apart(storage, format, keep)


def _check_number(keep: object) -> None:
    if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int | np.integer) or keep < 0):
        raise TypeError_(f"keep is the number of entries or blocks to keep, not {keep!r:.60}")


def _part(storage: Storage, format: Format, keep: int | None) -> tuple[Storage, float, float]:
    """A tensor in a format without parts, the norm of what it lost, and its own."""
    bounded = keep is not None or any(spec.type.room is not None for spec in format.levels)
    if not bounded and format.values is None:
        return convert(storage, format), 0.0, 1.0
    stored = entries_of(storage, format)
    kept = _chosen(stored, format, keep)
    whole, dropped = lossy.size(stored), lossy.distance(stored, kept)
    made = convert(lossy.select(stored, kept) if not kept.all() else stored, format.plain())
    if format.values is None:
        return made, dropped, whole
    encoded, _ = encode(made, format.values)
    return encoded, math.hypot(dropped, lossy.changed(made, decode(encoded))), whole


def _chosen(stored: Storage, format: Format, keep: int | None) -> np.ndarray:
    """``lossy.chosen``; of a symmetric matrix among the half that is stored."""
    if not format.symmetric:
        return lossy.chosen(stored, format, keep)
    convert(stored, named_format("sym", stored.ndim))  # refuses what is not symmetric
    half, shared = lossy.halved(stored)
    there = np.zeros(len(half), bool)
    there[shared[half]] = lossy.chosen(lossy.select(stored, half), format, keep)
    kept: np.ndarray = there[shared]
    return kept


def entries_of(storage: Storage, format: Format) -> Storage:
    """A tensor's entries as a list, in the order of the levels of ``format``."""
    plain = decode(storage)
    if plain.format.is_dense:
        return from_dense(plain, format)
    return convert(plain, coo_format(format.dim_order))


@dataclass(slots=True)
class _Rest:
    """What the terms so far have left of a tensor: entries, or a dense array once a low rank was taken off.

    ``lost`` is the norm of what no later term can make up for.
    """

    like: Storage
    array: np.ndarray | None = None
    lost: float = 0.0

    def storage(self) -> Storage:
        """The rest, rounded to the tensor's type."""
        if self.array is None:
            return self.like
        t = self.like.dtype
        values = to_storage(np.asarray(cast_value(self.array, t)), t)
        self.lost = math.hypot(self.lost, lossy.norm(self.array - from_storage(values, t)))
        return from_dense(values, coo_format(range(values.ndim)), 0, t)


def _apart(storage: Storage, format: Format, keep: Sequence[int | None]) -> tuple[Storage, float]:
    """A sum that is near a tensor: each term takes what it can of what those before it left."""
    if storage.fill != 0:
        raise FormatError(f"'{format.label}' is a sum or a product, whose fill is 0; the tensor has {storage.fill}")
    parts: list[Storage] = []
    stored = convert(storage, coo_format(range(storage.ndim))) if not storage.format.is_dense else storage
    whole = lossy.size(stored)
    rest, off = _Rest(stored), 0.0
    for n, (term, most) in enumerate(zip(format.terms, keep, strict=True)):
        last = n == len(format.terms) - 1
        if term.inner:
            found, off = _low_rank(rest, term, last, format)
            parts += found
        else:
            part, off = _taken(rest, term.factors[0], most, last)
            parts.append(part)
    made = composed(format, storage.shape, storage.dtype, parts)
    return made, math.hypot(off, rest.lost) / whole if whole else 0.0


def _low_rank(rest: _Rest, term: Chain, last: bool, format: Format) -> tuple[list[Storage], float]:
    if len(term.factors) != 2 or term.inner[0] is None:
        raise FormatError(
            f"a tensor is not taken apart into the product '{term}' of '{format.label}'",
            hint="make its factors yourself, and join them: sp.compose",
        )
    s = rest.like
    array = rest.array
    if array is None and (s.format.is_dense or not last or math.prod(s.shape) <= lossy.DENSE_LIMIT or s.ndim > 2):
        array = from_storage(dense_view(convert(s, dense(s.ndim))), s.dtype)
    if array is not None:
        array = array.astype(np.complex128 if s.dtype.kind == "c" else np.float64)
    found = lossy.low_rank(array, s, term.inner[0], s.dtype, not last)
    rest.array = found.rest
    return [convert(p, f) for p, f in zip((found.left, found.right), term.factors, strict=True)], found.off


def _taken(rest: _Rest, format: Format, keep: int | None, last: bool) -> tuple[Storage, float]:
    """The part that a format without parts takes, and the norm of what is left."""
    stored = entries_of(rest.storage(), format)
    kept = _chosen(stored, format, keep)
    part = convert(lossy.select(stored, kept), format.plain())
    if format.values is not None:
        plain = part
        part, _ = encode(plain, format.values)
        rest.lost = math.hypot(rest.lost, lossy.changed(plain, decode(part)))
    if not last:
        rest.like, rest.array = lossy.select(stored, ~kept), None
    return part, lossy.distance(stored, kept)


__all__ = ["Keep", "convert_lossily"]
