"""Numbers for people: counts, bytes, durations, shapes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


def count(n: int) -> str:
    """``247686`` -> ``247,686``."""
    return f"{n:,}"


def shape(extents: Iterable[int]) -> str:
    """``63,436 x 63,436``; a scalar has the shape ``()``."""
    return " x ".join(map(count, extents)) or "()"


def size(n: float) -> str:
    """Bytes: ``1.9 MB`` (powers of 1,000)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(n) < 999.5:
            return f"{n:.0f} {unit}" if unit == "bytes" or n >= 99.95 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"


def duration(seconds: float) -> str:
    """``1.23 ms``: three figures and a unit."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")):
        if seconds >= factor * 0.9995:
            return f"{significant(seconds / factor)} {unit}"
    return f"{seconds / 1e-9:.2g} ns" if seconds > 0 else "0 s"


def significant(x: float, figures: int = 3) -> str:
    """``x`` with so many figures, never in powers of ten: ``0.0123``, ``1.23``, ``123``."""
    if x == 0 or not math.isfinite(x):
        return f"{x:g}"
    return f"{x:,.{max(0, figures - 1 - math.floor(math.log10(abs(x))))}f}"


def share(part: float, whole: float) -> str:
    """A percentage: ``0.0062 %``; of nothing it is ``-``."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if percent >= 1 or percent == 0 else f"{percent:.2g} %"


def value(x: Any) -> str:
    """A scalar, short: floats with seven figures."""
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, int):
        return count(x)
    if isinstance(x, complex):
        return f"{x.real:.7g}{x.imag:+.7g}j"
    return f"{x:.7g}" if isinstance(x, float) else str(x)


__all__ = ["count", "duration", "shape", "share", "significant", "size", "value"]
