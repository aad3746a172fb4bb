"""Formats that have a name: one entry each, a function from the order of the tensor to its format.

``named_format("csr", 2)`` is the way in; names the language knows and this version cannot run
give a format made of planned levels, so that programs that use them still parse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sparsec.errors import FormatError, nearest
from sparsec.formats.bitmap import Bitmap
from sparsec.formats.composition import Chain
from sparsec.formats.compressed import Compressed
from sparsec.formats.delta import Delta8 as Delta8
from sparsec.formats.dense import Dense
from sparsec.formats.fixed import Fixed
from sparsec.formats.format import DimConst, DimExpr, DimOp, DimVar, Format, LevelSpec
from sparsec.formats.hashed import Hashed
from sparsec.formats.level import Level
from sparsec.formats.linear import Bound
from sparsec.formats.ragged import Ragged
from sparsec.formats.ranges import Range
from sparsec.formats.runs import Runs
from sparsec.formats.singleton import Singleton
from sparsec.formats.sliced import Sliced
from sparsec.formats.structured import Structured

_LETTERS = "ijklmnopqrstuvwxyz"


def dim_names(order: int) -> tuple[str, ...]:
    """Names for the dimensions of a tensor: i, j, k, ..."""
    return tuple(_LETTERS[:order]) if order <= len(_LETTERS) else tuple(f"d{n}" for n in range(order))


def from_levels(name: str | None, levels: tuple[Level, ...], order: tuple[int, ...] | None = None) -> Format:
    """A format of plain levels that store the dimensions in ``order``."""
    dims = dim_names(len(levels))
    order = order or tuple(range(len(levels)))
    return Format(dims, tuple(LevelSpec(DimVar(dims[d]), t) for d, t in zip(order, levels, strict=True)), name)


def dense(order: int) -> Format:
    """Row-major, every entry stored."""
    return from_levels("dense", (Dense(),) * order)


def sparse(order: int) -> Format:
    """Every level compressed (CSF; DCSR for matrices)."""
    return from_levels("csf" if order != 2 else "dcsr", (Compressed(),) * order)


def coo(order: int) -> Format:
    """A sorted list of coordinates."""
    if order == 0:
        return dense(0)
    if order == 1:
        return from_levels("coo", (Compressed(),))
    middle = (Singleton(is_unique=False),) * (order - 2)
    return from_levels("coo", (Compressed(is_unique=False), *middle, Singleton()))


def csr(order: int) -> Format:
    """Dense leading (batch) levels and rows, compressed columns."""
    return from_levels("csr", (Dense(),) * (order - 1) + (Compressed(),))


def csc(order: int) -> Format:
    """Dense leading (batch) levels and columns, compressed rows."""
    swap = (*range(order - 2), order - 1, order - 2)
    return from_levels("csc", (Dense(),) * (order - 1) + (Compressed(),), swap)


def dcsr(order: int) -> Format:
    """Compressed rows, compressed columns; leading batch levels dense."""
    return from_levels("dcsr", (Dense(),) * (order - 2) + (Compressed(), Compressed()))


def dcsc(order: int) -> Format:
    """Compressed columns, compressed rows; leading batch levels dense."""
    swap = (*range(order - 2), order - 1, order - 2)
    return from_levels("dcsc", (Dense(),) * (order - 2) + (Compressed(), Compressed()), swap)


def bitmap(order: int) -> Format:
    """Dense leading levels, a byte for each column of each row that says whether there is an entry."""
    return from_levels("bitmap", (Dense(),) * (order - 1) + (Bitmap(),))


def hashed(order: int) -> Format:
    """Dense leading (batch) levels and rows, a hash table of the columns of each row."""
    return from_levels("hash", (Dense(),) * (order - 1) + (Hashed(),))


def rle(order: int) -> Format:
    """Dense leading levels, runs of equal values in each row."""
    return from_levels("rle", (Dense(),) * (order - 1) + (Runs(),))


def ell(order: int, width: int) -> Format:
    """Dense leading (batch) levels and rows, room for ``width`` columns in each row."""
    return from_levels(f"ell[{width}]", (Dense(),) * (order - 1) + (Fixed(width),))


def sell(order: int, rows: int, window: int) -> Format:
    """SELL-C-sigma: slices of ``rows`` rows, ordered by length in windows of ``window``; leading levels dense."""
    return from_levels(f"sell[{rows}, {window}]", (Dense(),) * (order - 1) + (Sliced(rows, window),))


def mapped(name: str, order: int, levels: Callable[[DimExpr, DimExpr], tuple[LevelSpec, ...]]) -> Format:
    """A format of matrices, ``levels`` made for their two dimensions; leading (batch) levels are dense."""
    dims = dim_names(order)
    batch = tuple(LevelSpec(DimVar(d), Dense()) for d in dims[:-2])
    return Format(dims, (*batch, *levels(DimVar(dims[-2]), DimVar(dims[-1]))), name)


def _over(d: DimExpr, by: int) -> DimExpr:
    return DimOp("/", (d, DimConst(by)))


def _rest(d: DimExpr, by: int) -> DimExpr:
    return DimOp("%", (d, DimConst(by)))


def bsr(order: int, rows: int, columns: int) -> Format:
    """Blocks of ``rows`` by ``columns``, each stored whole and by rows: block rows dense, block columns compressed."""

    def levels(i: DimExpr, j: DimExpr) -> tuple[LevelSpec, ...]:
        inner = LevelSpec(_rest(i, rows), Dense()), LevelSpec(_rest(j, columns), Dense())
        return LevelSpec(_over(i, rows), Dense()), LevelSpec(_over(j, columns), Compressed()), *inner

    return mapped(f"bsr[{rows}, {columns}]", order, levels)


def bsc(order: int, rows: int, columns: int) -> Format:
    """Blocks as in ``bsr``, by block columns."""

    def levels(i: DimExpr, j: DimExpr) -> tuple[LevelSpec, ...]:
        inner = LevelSpec(_rest(i, rows), Dense()), LevelSpec(_rest(j, columns), Dense())
        return LevelSpec(_over(j, columns), Dense()), LevelSpec(_over(i, rows), Compressed()), *inner

    return mapped(f"bsc[{rows}, {columns}]", order, levels)


def csb(order: int, rows: int, columns: int) -> Format:
    """Compressed sparse blocks: every block is there, with a list of the entries inside (Buluc et al., SPAA 2009)."""

    def levels(i: DimExpr, j: DimExpr) -> tuple[LevelSpec, ...]:
        blocks = LevelSpec(_over(i, rows), Dense()), LevelSpec(_over(j, columns), Dense())
        rest = LevelSpec(_rest(j, columns), Singleton())
        return *blocks, LevelSpec(_rest(i, rows), Compressed(is_unique=False)), rest

    return mapped(f"csb[{rows}, {columns}]", order, levels)


def nm(order: int, n: int, m: int) -> Format:
    """Of each ``m`` neighbours in a row at most ``n`` (N:M sparsity; 2:4 is what sparse tensor cores take)."""

    def levels(i: DimExpr, j: DimExpr) -> tuple[LevelSpec, ...]:
        return LevelSpec(i, Dense()), LevelSpec(_over(j, m), Dense()), LevelSpec(_rest(j, m), Structured(n, m))

    return mapped(f"nm[{n}, {m}]", order, levels)


def dia(order: int) -> Format:
    """Whole diagonals, those that hold something: ``j - i`` compressed, along it the rows inside the shape."""

    def levels(i: DimExpr, j: DimExpr) -> tuple[LevelSpec, ...]:
        return LevelSpec(DimOp("-", (j, i)), Compressed()), LevelSpec(i, Range())

    return mapped("dia", order, levels)


def band(order: int, below: int, above: int) -> Format:
    """Rows of the main diagonal, ``below`` diagonals under it and ``above`` over it, all of them stored."""

    def levels(i: DimExpr, j: DimExpr) -> tuple[LevelSpec, ...]:
        rows = Bound(((str(i), 1),), -below), Bound(((str(i), 1),), above + 1)
        return LevelSpec(i, Dense()), LevelSpec(j, Range(*rows))

    return mapped(f"band[{below}, {above}]", order, levels)


def blockdiag(order: int, size: int) -> Format:
    """The square blocks along the diagonal, each stored whole."""

    def levels(i: DimExpr, j: DimExpr) -> tuple[LevelSpec, ...]:
        block = Bound(((str(_over(i, size)), 1),), 0), Bound(((str(_over(i, size)), 1),), 1)
        inner = LevelSpec(_rest(i, size), Dense()), LevelSpec(_rest(j, size), Dense())
        return LevelSpec(_over(i, size), Dense()), LevelSpec(_over(j, size), Range(*block)), *inner

    return mapped(f"blockdiag[{size}]", order, levels)


def perm(order: int) -> Format:
    """At most one entry in each row: a permutation, a selection of columns."""
    return from_levels("perm", (Dense(),) * (order - 1) + (Fixed(1),))


def ragged(order: int) -> Format:
    """Sequences of their own lengths in rows, of numbers or of dense tensors."""
    return from_levels("ragged", (Dense(), Ragged(), *(Dense(),) * (order - 2)))


def lowrank(order: int, rank: int) -> Format:
    """A product of two dense matrices with ``rank`` columns and rows between them."""
    factors = (dense(order), dense(order))
    return Format(dim_names(order), (), f"lowrank[{rank}]", None, (Chain(factors, (rank,)),))


def sym(order: int) -> Format:
    """Symmetric matrices: the lower half by rows; leading (batch) levels are dense."""
    return replace(csr(order).mirrored(), name="sym")


FORMATS: dict[str, tuple[int, Callable[[int], Format]]] = {
    "dense": (0, dense),
    "sparse": (0, sparse),
    "csf": (0, sparse),
    "coo": (0, coo),
    "csr": (2, csr),
    "csc": (2, csc),
    "dcsr": (2, dcsr),
    "dcsc": (2, dcsc),
    "bitmap": (2, bitmap),
    "hash": (2, hashed),
    "rle": (1, rle),
    "dia": (2, dia),
    "sym": (2, sym),
}
"""Name -> (least order of the tensor, maker)."""

PARAMETRIC: dict[str, tuple[int, tuple[str, ...], Callable[..., Format]]] = {
    "ell": (2, ("w",), ell),
    "bsr": (2, ("b", "c"), bsr),
    "bsc": (2, ("b", "c"), bsc),
    "csb": (2, ("b", "c"), csb),
    "band": (2, ("l", "u"), band),
    "nm": (2, ("n", "m"), nm),
    "sell": (2, ("c", "s"), sell),
    "blockdiag": (2, ("b",), blockdiag),
    "lowrank": (2, ("r",), lowrank),
    "perm": (2, (), perm),
    "ragged": (2, (), ragged),
}
"""Formats with numbers in brackets, or that hold little: name -> (least order, names of the numbers, maker)."""

NAMES = (*FORMATS, *PARAMETRIC)
"""The names of all formats that run."""


def named_format(name: str, order: int, args: tuple[int, ...] = ()) -> Format:
    """The format called ``name`` for tensors of this order.

    Raises ``FormatError`` for an unknown name, an order it cannot have, or arguments it does not take.
    """
    if name not in NAMES:
        hint = nearest(name, NAMES) or "formats are " + ", ".join(NAMES)
        raise FormatError(f"unknown format '{name}'", hint=hint)
    least, params, make = PARAMETRIC[name] if name in PARAMETRIC else (FORMATS[name][0], (), FORMATS[name][1])
    if len(args) != len(params):
        takes = f"is written {name}[{', '.join(params)}]" if params else "takes no arguments"
        raise FormatError(f"format '{name}' {takes}")
    fewest = 0 if name == "band" else 1
    if any(n < fewest or n >= 2**31 for n in args):
        raise FormatError(f"format '{name}[{', '.join(map(str, args))}]': its numbers lie in {fewest} .. 2**31 - 1")
    if order < least:
        raise FormatError(
            f"format '{name}' is for tensors of order {least} and more, this one has order {order}",
            hint="use 'sparse' or 'dense', which fit any order",
        )
    return make(order, *args)
