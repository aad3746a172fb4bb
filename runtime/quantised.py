"""Values to codes and back: the group quantisation of ``formats/encoding.py``.

A group's scale and zero point are the asymmetric ones of Jacob et al., "Quantization and training of neural networks
for efficient integer-arithmetic-only inference" (CVPR 2018): the range of the group, widened to hold 0, is divided into
as many steps as there are codes, and 0 is one of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsec.errors import FormatError, TypeError_
from sparsec.formats.encoding import Encoding
from sparsec.ir.dtypes import DType
from sparsec.ir.ops import cast_value
from sparsec.ir.tensor_values import from_storage, to_storage
from sparsec.runtime.storage import Codes, Storage


def decode(storage: Storage) -> Storage:
    """The same entries with their values as a kernel decodes them; ``storage`` itself if they are not encoded."""
    encoding, codes = storage.format.values, storage.codes
    if encoding is None or codes is None:
        return storage
    values = _decoded(encoding, storage.values, codes, storage.dtype)
    return replace(storage, format=storage.format.plain(), values=values, codes=None)


def _decoded(encoding: Encoding, packed: np.ndarray, codes: Codes, t: DType) -> np.ndarray:
    unpacked = packed
    if encoding.bits == 4:
        unpacked = np.stack([packed & np.uint8(15), packed >> np.uint8(4)], axis=1).reshape(-1)[: codes.count]
    scale, zero = (_each(a, encoding, codes.count) for a in (codes.scale, codes.zero))
    steps = unpacked.astype(np.int16) - zero
    return to_storage(np.asarray(cast_value(scale * steps.astype(scale.dtype), t)), t)


def _each(a: np.ndarray, encoding: Encoding, count: int) -> np.ndarray:
    """What a group has, for each of its values, of which there are ``count`` in all."""
    return np.repeat(a, min(encoding.group, count))[:count]


def encode(storage: Storage, encoding: Encoding) -> tuple[Storage, float]:
    """``storage`` with its values encoded, and the error: the norm of what changed over the norm of the values.

    Raises ``TypeError_`` for values that are no real floats, ``FormatError`` for some that are not finite.
    """
    t = storage.dtype
    if not t.is_float:
        raise TypeError_(f"values({encoding}) are floats, this tensor holds {t}", hint="cast it first: A.astype('f32')")
    exact = from_storage(storage.values, t).astype(np.float64)
    if not np.isfinite(exact).all():
        place = int(np.argmin(np.isfinite(exact)))
        raise FormatError(f"value {place} is {exact[place]}: values({encoding}) are finite")
    types = encoding.arrays(t)
    starts = np.arange(0, len(exact), encoding.group)
    low = np.minimum(np.minimum.reduceat(exact, starts), 0.0) if len(starts) else np.empty(0)
    high = np.maximum(np.maximum.reduceat(exact, starts), 0.0) if len(starts) else np.empty(0)
    with np.errstate(over="ignore"):
        scale = ((high - low) / encoding.greatest).astype(types["scale"].np)
    if not np.isfinite(scale).all():
        raise FormatError(f"the range of a group of values({encoding}) passes the greatest {types['scale']}")
    step = np.where(scale == 0, 1, scale).astype(np.float64)
    zero = np.rint(-low / step).clip(0, encoding.greatest)
    steps, shift = (_each(a, encoding, len(exact)) for a in (step, zero))
    chosen = (np.rint(exact / steps) + shift).clip(0, encoding.greatest).astype(np.uint8)
    codes = Codes(len(exact), scale, zero.astype(np.uint8))
    packed = chosen
    if encoding.bits == 4:
        pairs = np.append(chosen, np.zeros(len(chosen) % 2, np.uint8)).reshape(-1, 2)
        packed = pairs[:, 0] | (pairs[:, 1] << np.uint8(4))
    packed = np.ascontiguousarray(packed)
    off = from_storage(_decoded(encoding, packed, codes, t), t).astype(np.float64) - exact
    size = float(np.linalg.norm(exact))
    made = replace(storage, format=storage.format.encoded(encoding), values=packed, codes=codes)
    return made, float(np.linalg.norm(off)) / size if size else 0.0


__all__ = ["decode", "encode"]
