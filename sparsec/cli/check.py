"""``--check``: a kernel's results against their meaning, which the reference interpreter computes on dense arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsec.errors import BackendError, UnsupportedError
from sparsec.ir.tensor import Program, assigns

if TYPE_CHECKING:
    from sparsec.kernel import Kernel

LIMIT = 20_000_000
"""Most points of a tensor or of a statement's iteration space: the interpreter takes 100 bytes for each, and 0.3 us."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a result compares: elements that differ (of ``total``), the greatest difference and the first such place."""

    name: str
    total: int
    wrong: int
    greatest: float
    where: tuple[int, ...] | None
    expected: Any = None
    got: Any = None

    @property
    def text(self) -> str:
        if not self.wrong:
            agreed = f"{self.total:,} element{'s' * (self.total != 1)}, greatest difference {self.greatest:.2g}"
            return f"{self.name} agrees with NumPy's meaning: {agreed}"
        place = f"{self.name}[{', '.join(map(str, self.where or ()))}]"
        return (
            f"{self.name} is wrong at {self.wrong:,} of {self.total:,} elements: "
            f"{place} is {self.got}, expected {self.expected}"
        )


def ensure_small(kernel: Kernel, operands: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, int]:
    """The extents of the program's dimensions, if everything in it may be made dense.

    Raises ``UnsupportedError`` where a tensor or the index space is too large for that, ``BackendError`` for loop
    nests, which have no meaning besides themselves.
    """
    from sparsec.extents import extents

    program = kernel.program
    if not program.body:
        raise BackendError("--check needs a program; a loop nest says how, not what")
    shapes = [shape_of(operands[t.name]) for t in program.operands]
    dims = extents(program, shapes, sizes)
    _refuse_large(program, dims)
    return dims


def check(
    program: Program, operands: Mapping[str, Any], dims: Mapping[str, int], results: Mapping[str, Any]
) -> list[Verdict]:
    """Compare every result; ``dims`` is what ``ensure_small`` gave."""
    from sparsec.ir.tensor_bounds import evaluate
    from sparsec.ir.tensor_values import from_storage, held, to_storage
    from sparsec.passes.lower.composites import decompose

    apart = decompose(program)
    arrays, stored, dims = {}, {}, dict(dims)
    for t, (name, part) in zip(apart.program.operands, apart.sources(), strict=True):
        given = operands[name] if part is None else operands[name].parts[part]
        arrays[t.name], stored[t.name] = dense(given, held(t.dtype))
        dims |= {d: n for d, n in zip(t.dims, shape_of(given), strict=True) if isinstance(d, str)}
    expected, bounds = evaluate(apart.program, arrays, dims, stored)
    verdicts = []
    for name, array in expected.items():
        dtype = bounds[name].dtype
        got = dense(results[name], held(dtype))[0]
        bad = np.argwhere(bounds[name].differs(array, to_storage(got, dtype)))
        verdicts.append(_verdict(name, from_storage(array, dtype), got, bad))
    return verdicts


def _verdict(name: str, expected: Any, got: Any, bad: Any) -> Verdict:
    if len(bad):
        where = tuple(int(c) for c in bad[0])
        return Verdict(name, expected.size, len(bad), math.nan, where, expected[where].item(), got[where].item())
    if expected.dtype.kind not in "fc":
        return Verdict(name, expected.size, 0, 0.0, None)
    with np.errstate(all="ignore"):
        difference = np.abs(expected - got)
    return Verdict(name, expected.size, 0, float(difference[np.isfinite(difference)].max(initial=0.0)), None)


def shape_of(given: Any) -> tuple[int, ...]:
    """The shape of a tensor, array, number or list."""
    return tuple(given.shape) if hasattr(given, "shape") else np.shape(given)


def dense(given: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """A tensor, array or number as an array, and where it has entries."""
    if not hasattr(given, "coo"):
        array = np.asarray(given).astype(dtype)
        return array, np.ones(array.shape, bool)
    pattern = np.zeros(given.shape, bool)
    coords, _ = given.coo()
    pattern[tuple(coords)] = True
    return given.numpy(), pattern


def _refuse_large(program: Program, dims: Mapping[str, int]) -> None:
    def extent(d: int | str) -> int:
        return d if isinstance(d, int) else dims[d]

    spaces = [(f"tensor '{t.name}'", t.dims) for t in program.tensors]
    for s in assigns(program.body):
        names = ", ".join(i.name for i in s.indices)
        spaces.append((f"the index space ({names}) of '{s.target.tensor}'", tuple(i.extent for i in s.indices)))
    for what, extents in spaces:
        points = math.prod(map(extent, extents))
        if points > LIMIT:
            raise UnsupportedError(
                f"--check works on dense arrays, and {what} has {points:,} points (at most {LIMIT:,})",
                hint="check a smaller case of the same program, or compare with --against scipy",
            )


__all__ = ["LIMIT", "Verdict", "check", "dense", "ensure_small", "shape_of"]
