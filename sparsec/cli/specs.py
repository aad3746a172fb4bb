"""Operands on the command line: ``NAME=VALUE``.

``A=matrix.mtx``               a file (anything ``sparsec.read`` reads, or ``.npy``)
``x=rand(1000)``               dense, uniform in -1 to 1; also ``randn zeros ones arange eye``
``A=rand(1000,1000,0.01)``     sparse: a last number with a point is the share of entries that are stored
``A=rand(1000,1000):f32``      with a dtype; a kernel's declaration gives it otherwise
``a=3.5``  ``b=true``          a scalar
``x=[1,2,3]``                  a small array, row by row
"""

from __future__ import annotations

import ast
import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparsec.ir.dtypes import BF16, BY_NAME, F32, F64, DType

Array = np.ndarray[Any, np.dtype[Any]]
SAFE_SIZE = 1 << 32
"""Greatest number of elements that a dense operand may be asked for: past it memory is the user's last worry."""

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_GENERATOR = re.compile(r"([a-z]+)\s*\((.*)\)\s*(?::\s*(\w+))?")
_WORDS: dict[str, Any] = {"true": True, "false": False, "inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class SpecError(ValueError):
    """The text of an operand is not of any of the forms above."""


@dataclass(frozen=True, slots=True)
class FromFile:
    """An operand read from ``path``."""

    path: Path


@dataclass(frozen=True, slots=True)
class Value:
    """A scalar, or the nested lists of a small array."""

    value: Any


@dataclass(frozen=True, slots=True)
class Generated:
    """``kind(shape..., density):dtype``; ``density`` is None for dense arrays."""

    kind: str
    shape: tuple[int, ...]
    density: float | None = None
    dtype: DType | None = None


Spec = FromFile | Value | Generated


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A sparse operand: ``coords`` (order, nnz) i64, sorted row-major and distinct, ``values``, ``shape``."""

    coords: Array
    values: Array
    shape: tuple[int, ...]


def parse(text: str) -> tuple[str, Spec]:
    """The name and the value of ``NAME=VALUE``; raises ``SpecError``."""
    match = _ASSIGNMENT.fullmatch(text)
    if match is None:
        raise SpecError(f"'{text}' is not NAME=VALUE, as in A=matrix.mtx or x=rand(1000)")
    name, value = match[1], match[2].strip()
    if not value:
        raise SpecError(f"'{name}=' has no value")
    if generator := _GENERATOR.fullmatch(value):
        return name, _generated(value, *generator.groups())
    if value in _WORDS:
        return name, Value(_WORDS[value])
    if value[0] in "[(":
        return name, Value(_literal(value))
    for kind in (int, float, complex):
        try:
            return name, Value(kind(value))
        except ValueError:
            continue
    if re.fullmatch(r"[a-z]+\(.*", value):
        raise SpecError(f"'{value}' lacks its closing bracket (quote it from the shell: '{text}')")
    return name, FromFile(Path(value).expanduser())


def _literal(text: str) -> Any:
    try:
        value = ast.literal_eval(text)
        if np.asarray(value).dtype.kind in "biufc":
            return value
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    raise SpecError(f"'{text}' is not an array of numbers such as [1, 2, 3] or [[1, 0], [0, 1]]")


def _generated(text: str, kind: str, arguments: str, dtype: str | None) -> Generated:
    if kind not in KINDS:
        raise SpecError(f"there is no '{kind}' in '{text}'; there are {', '.join(KINDS)}")
    if dtype is not None and dtype not in BY_NAME:
        raise SpecError(f"unknown dtype '{dtype}' in '{text}'; dtypes are {' '.join(BY_NAME)}")
    numbers = [a.strip() for a in arguments.split(",")] if arguments.strip() else []
    density = None
    if len(numbers) > 1 and not re.fullmatch(r"\d+", numbers[-1]):
        try:
            density = float(numbers.pop())
        except ValueError:
            raise SpecError(f"'{text}': the last number is an extent or a density between 0. and 1.") from None
        if not 0 <= density <= 1:
            raise SpecError(f"'{text}': a density is between 0. and 1.")
        if kind not in ("rand", "randn", "ones"):
            raise SpecError(f"'{text}': '{kind}' takes no density")
    try:
        shape = tuple(int(n.replace("_", "")) for n in numbers)
    except ValueError:
        raise SpecError(f"'{text}': extents are whole numbers, as in rand(1000, 64)") from None
    if any(n < 0 for n in shape):
        raise SpecError(f"'{text}': an extent is not negative")
    if kind in ("arange", "eye") and len(shape) != 1:
        raise SpecError(f"'{text}': '{kind}' takes one number")
    points = math.prod(shape)
    if points > (SAFE_SIZE if density is None and kind != "eye" else (1 << 62)) or (density or 0) * points > SAFE_SIZE:
        raise SpecError(f"'{text}' is too large")
    return Generated(kind, shape, density, BY_NAME[dtype] if dtype else None)


def generate(spec: Generated, name: str, seed: int = 0, dtype: DType | None = None) -> Array | Coordinates:
    """The operand: the same for the same name and seed; integers are -9 to 9 (unsigned: 0 to 9), bf16 comes as f32."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    t = spec.dtype or dtype or F64
    t = F32 if t is BF16 else t  # NumPy has no bf16: whoever asked for it casts
    if spec.kind == "eye":
        places = np.arange(spec.shape[0])
        return Coordinates(np.stack([places, places]), np.ones(len(places), t.np), (len(places),) * 2)
    if spec.density is None:
        return _values(spec.kind, spec.shape, rng, t)
    flat = distinct(rng, math.prod(spec.shape), round(spec.density * math.prod(spec.shape)))
    coords = np.empty((len(spec.shape), len(flat)), np.int64)
    for d in reversed(range(len(spec.shape))):  # NumPy's unravel_index refuses shapes of more points than memory
        flat, coords[d] = np.divmod(flat, max(1, spec.shape[d]))
    return Coordinates(coords, _values(spec.kind, (coords.shape[1],), rng, t), spec.shape)


def distinct(rng: np.random.Generator, size: int, number: int) -> Array:
    """``number`` different integers below ``size``, ascending, in memory proportional to ``number``."""
    if number * 3 > size:
        return np.sort(rng.permutation(size)[:number])
    found = np.unique(rng.integers(0, max(1, size), number))
    while len(found) < number:
        found = np.union1d(found, rng.integers(0, size, number - len(found) + 16))
    return np.sort(rng.permutation(found)[:number])


def _values(kind: str, shape: tuple[int, ...], rng: np.random.Generator, t: DType) -> Array:
    if kind in ("zeros", "ones"):
        return np.full(shape, kind == "ones", t.np)
    if kind == "arange":
        return np.arange(shape[0]).astype(t.np)
    if t.kind == "b":
        return rng.random(shape) < 0.5
    if t.is_integer:
        return rng.integers(0 if t.kind == "u" else -9, 10, shape).astype(t.np)
    draw = rng.standard_normal if kind == "randn" else lambda s: rng.uniform(-1, 1, s)
    values = draw(shape) + 1j * draw(shape) if t.kind == "c" else draw(shape)
    return np.asarray(values).astype(t.np)


KINDS = ("rand", "randn", "zeros", "ones", "arange", "eye")

__all__ = ["KINDS", "Coordinates", "FromFile", "Generated", "Spec", "SpecError", "Value", "generate", "parse"]
