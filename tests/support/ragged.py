"""Formats of operands with a ragged level; results that are ragged have tests of their own."""

from __future__ import annotations

from typing import Any

from sparsec.formats.compressed import Compressed
from sparsec.formats.dense import Dense
from sparsec.formats.format import Format
from sparsec.formats.named import from_levels
from sparsec.formats.ragged import Ragged
from sparsec.ir.dtypes import I32, I64


def sometimes(maker: Any, fmt: Format) -> Format:
    """``fmt``, or one time in twelve one with a ragged level somewhere, the dimensions in some order."""
    if not fmt.ndim or not maker.chance(8):
        return fmt
    at = maker.pick(*range(fmt.ndim))
    others = [maker.pick(Dense(), Compressed()) for _ in range(fmt.ndim - 1)]
    levels = (*others[:at], Ragged(), *others[at:])
    order = tuple(sorted(range(fmt.ndim), reverse=maker.chance(30)))
    return from_levels(None, levels, order).concrete(*maker.pick((I32, I32), (I64, I64)))


__all__ = ["sometimes"]
