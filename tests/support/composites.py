"""A drawn program with one operand stored as a sum or a product of parts that make up the same tensor, exactly.

Sums deal the entries out to their terms; a factor of a chain is a permutation, which the other undoes; a low rank is 0
in floats, and in whole numbers whatever it is, its product taken off the other term.  So the dense meaning of the
program that was drawn is that of the composite one, to the same bounds.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparsec.formats.composition import compose
from sparsec.formats.format import Format
from sparsec.formats.named import named_format
from sparsec.ir.dtypes import BF16
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Program, Stored, TensorDecl
from sparsec.passes.lower.composites import decompose
from tests.support.strategies import Data, expand

Array = np.ndarray[Any, np.dtype[Any]]
VECTORS = (("csf", ()), ("coo", ()), ("dense", ()), ("rle", ()))
MATRICES = (
    ("csr", ()), ("csc", ()), ("dcsr", ()), ("coo", ()), ("bsr", (2, 2)), ("ell", (5,)), ("bitmap", ()), ("hash", ()),
    ("dia", ()), ("dense", ()), ("rle", ()), ("bsc", (1, 3)), ("csb", (2, 2)),
)  # fmt: skip
TENSORS = (("csf", ()), ("coo", ()), ("csr", ()), ("dense", ()), ("ell", (5,)))
KINDS = ("sum", "three", "left", "right", "low")


@dataclass(frozen=True, slots=True)
class Composite:
    """The program with ``name`` composite, what kind of composite it is, and the program over its parts."""

    program: Program
    name: str
    kind: str

    @property
    def decl(self) -> TensorDecl:
        return self.program.tensor(self.name)

    def parts(self, d: Data) -> list[tuple[Array, Array]]:
        """Values and pattern of each part."""
        t = self.decl
        assert t.format is not None
        rng = np.random.default_rng(zlib.crc32(repr((d.dims, self.kind)).encode()))
        whole, pattern = d.arrays[self.name], d.arrays[self.name] != 0
        ones = np.ones(whole.shape, bool)
        found: list[tuple[Array, Array]] = []
        match self.kind:
            case "sum" | "three":
                count = 2 if self.kind == "sum" else 3
                owner = rng.integers(0, count, whole.shape)
                for n in range(count):
                    mine = (owner == n) & pattern
                    found.append((np.where(mine, whole, t.dtype.np.type(0)), mine | (rng.random(whole.shape) < 0.1)))
            case "left":
                way = rng.permutation(whole.shape[-2])
                p = np.zeros((*whole.shape[:-2], len(way), len(way)), t.dtype.np)
                p[..., np.arange(len(way)), way] = 1
                rest = np.empty_like(whole)
                rest[..., way, :] = whole
                found = [(p, p != 0), (rest, rest != 0)]
            case "right":
                n = whole.shape[-1]
                one = np.broadcast_to(np.eye(n, dtype=t.dtype.np), (*whole.shape[:-2], n, n)).copy()
                found = [(whole, pattern), (one, one != 0)]
            case "low":
                u = rng.integers(0, 2, (*whole.shape[:-1], 2)).astype(t.dtype.np)
                v = np.zeros((*whole.shape[:-2], 2, whole.shape[-1]), t.dtype.np)
                if t.dtype.is_integer:
                    v[...] = rng.integers(0, 2, v.shape)
                rest = whole - u @ v if t.dtype.is_integer else whole
                found = [(u, np.ones(u.shape, bool)), (v, np.ones(v.shape, bool)), (rest, (rest != 0) | ~ones)]
        return [(a, expand(f, p | f.is_dense)) for (a, p), f in zip(found, t.format.parts, strict=True)]

    def apart(self, d: Data) -> tuple[Program, Data]:
        """The program over the parts, and data for it."""
        split = decompose(self.program)
        arrays, stored, dims = dict(d.arrays), dict(d.stored), dict(d.dims)
        del arrays[self.name], stored[self.name]
        for part, (array, pattern) in zip(split.parts[self.name], self.parts(d), strict=True):
            arrays[part], stored[part] = array, pattern
            own = zip(split.program.tensor(part).dims, array.shape, strict=True)
            dims |= {x: n for x, n in own if isinstance(x, str)}
        return split.program, Data(dims, arrays, stored)


def composite(program: Program) -> Composite | None:
    """``program`` with one operand composite, chosen by what the program is; None where none can be."""
    asked = {n.access.tensor for n in walk(program) if isinstance(n, Stored)}
    fit = [t for t in program.operands if t.role == "in" and t.ndim and not t.fill and t.name not in asked]
    fit = [t for t in fit if t.dtype is not BF16]  # whose arrays NumPy cannot multiply
    if not fit:
        return None
    rng = np.random.default_rng(zlib.crc32(repr(program).encode()))
    t = fit[rng.integers(len(fit))]
    kind = KINDS[rng.integers(2 if t.ndim < 2 else len(KINDS))]
    assert t.format is not None
    fmt = _format(rng, t, kind).with_dims(t.format.dims)
    made = replace(t, format=fmt)
    return Composite(replace(program, tensors=tuple(made if x is t else x for x in program.tensors)), t.name, kind)


def _format(rng: np.random.Generator, t: TensorDecl, kind: str) -> Format:
    names = VECTORS if t.ndim == 1 else MATRICES if t.ndim == 2 else TENSORS

    def part(full: bool = False) -> Format:
        name, args = names[rng.integers(len(names))] if not full else ("dense", ())
        return named_format(name, t.ndim, args).concrete()

    # What is dense has no fill, and a sparse result of it may declare any: a term stays dense, with all of its factors.
    full = t.format is not None and t.format.is_dense
    match kind:
        case "sum":
            return compose("+", [part(full), part()])
        case "three":
            return compose("++", [part(), part(full), part()])
        case "left":
            return compose("@", [part(full), part(full)])
        case "right":
            return compose("@", [part(full), part(full)])
    return compose("+", [named_format("lowrank", t.ndim, (2,)), part()])


__all__ = ["Composite", "composite"]
