"""Formats whose levels hold no more than so many coordinates beneath a parent: drawn, and patterns made to fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sparsec.formats.format import Format
from sparsec.formats.structured import Structured
from tests.support.packing import level_points

Array = np.ndarray[Any, np.dtype[Any]]


@st.composite
def narrowed(draw: st.DrawFn, fmt: Format) -> Format:
    """An operand's format: groups that hold everything may hold less (``fitted`` makes its pattern so)."""
    specs = []
    for spec in fmt.levels:
        t = spec.type
        if isinstance(t, Structured):
            t = Structured(draw(st.integers(1, t.group)), t.group)
        specs.append(replace(spec, type=t))
    return replace(fmt, levels=tuple(specs))


def fitted(fmt: Format, pattern: Array) -> Array:
    """``pattern`` without what the format has no room for: the last coordinates of a parent."""
    out = pattern.copy()
    points = level_points(fmt, pattern.shape)
    for n, spec in enumerate(fmt.levels):
        if spec.type.room is None:
            continue
        beneath: dict[tuple[int, ...], set[int]] = {}
        for at in sorted(k for k in points if k is not None and out[points[k]]):
            there = beneath.setdefault(at[:n], set())
            if at[n] not in there and len(there) == spec.type.room:
                out[points[at]] = False
            else:
                there.add(at[n])
    return out


__all__ = ["fitted", "narrowed"]
