"""What a published test is here: an expression with its source, and the combinations of formats that it is run in."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from tests.support.dtypes import stored

Array = np.ndarray[Any, np.dtype[Any]]

_LETTERS = {"d": "dense", "s": "compressed", "b": "bitmap", "h": "hashed"}
_SHORT = re.compile(r"(?:[dsbh]\d?)+")


def format_of(short: str) -> str:
    """A format in TACO's and tensora's short notation: ``ds`` is CSR, ``d1s0`` CSC; other texts are the language's own.

    >>> format_of("d1s0")
    '(i, j) -> (j: dense, i: compressed)'
    """
    if not _SHORT.fullmatch(short):
        return short
    levels = re.findall(r"([a-z])(\d?)", short)
    dims = "ijklmnop"[: len(levels)]
    parts = (f"{dims[int(turned or n)]}: {_LETTERS[kind]}" for n, (kind, turned) in enumerate(levels))
    return f"({', '.join(dims)}) -> ({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Published:
    """An expression of others.

    ``operands`` and ``results`` are declarations separated by ``;`` without formats, ``before`` definitions that stand
    ahead of the kernel.  ``formats`` has the combinations: for some tensors their format, the rest are dense.  ``data``
    are operands of the published test, ``published`` the results that it expects.
    """

    name: str
    source: str
    operands: str
    results: str
    body: str
    dims: Mapping[str, int]
    formats: tuple[Mapping[str, str], ...] = ({},)
    data: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)
    before: str = ""
    fills: Mapping[str, str] = field(default_factory=dict)

    def text(self, formats: Mapping[str, str]) -> str:
        """The kernel in the language, its tensors in these formats."""
        operands, results = (self._declared(d, formats) for d in (self.operands, self.results))
        return f"{self.before}\nkernel published({operands}) -> {results} {{\n    {self.body}\n}}\n"

    def _declared(self, declarations: str, formats: Mapping[str, str]) -> str:
        out = []
        for text in filter(None, (d.strip() for d in declarations.split(";"))):
            name = text.partition(":")[0]
            fill = f" fill({self.fills[name]})" if name in self.fills else ""
            out.append(f"{text} {format_of(formats.get(name, ''))}{fill}".strip())
        return ", ".join(out)

    def label(self, formats: Mapping[str, str]) -> str:
        shown = [f"{name}={fmt.replace(' ', '')}" for name, fmt in formats.items()]
        return "-".join([self.name, *shown])


def every(**formats: str) -> tuple[dict[str, str], ...]:
    """Every combination of the formats listed for each tensor: ``every(A="ds ss", x="d s")`` are four."""
    lists = [options.split("|") if "|" in options else options.split() for options in formats.values()]
    return tuple(dict(zip(formats, (f.strip() for f in chosen), strict=True)) for chosen in product(*lists))


def rows(names: str, *lines: str) -> tuple[dict[str, str], ...]:
    """One combination a line: ``rows("A x", "ds d", "ss s")``."""
    return tuple(dict(zip(names.split(), line.split(), strict=True)) for line in lines)


def operands(case: Published, declared: Mapping[str, Any], empty: bool = False) -> dict[str, Array]:
    """Dense operands: those of the published test, else small whole numbers at random places, or nothing but fills."""
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    out: dict[str, Array] = {}
    for name, t in declared.items():
        shape = tuple(d if isinstance(d, int) else case.dims[d] for d in t.dims)
        values = rng.integers(1, 4, shape) * (1 if t.dtype.kind in "bu" else rng.choice([-1, 1], shape))
        kept = rng.random(shape) < 0.5
        if t.format.is_dense:
            kept = np.ones(shape, bool)
        elif empty:
            kept = np.zeros(shape, bool)
        drawn = np.asarray(case.data[name]) if name in case.data else np.where(kept, values, t.fill)
        out[name] = stored(drawn, t.dtype)
    return out


__all__ = ["Published", "every", "format_of", "operands", "rows"]
