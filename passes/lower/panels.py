"""Register panels: a stretch of a dense result kept in registers across the loops that accumulate into it.

Before::

    forall i in m { forall j in n { forall k in d { C[i, k] add= mul(A[i, j], B[j, k]) } } }

After::

    forall i in m {
      forall ko in chunks(d, 32) {
        workspace w[k in chunk(ko, 32, d)]: f64 registers init 0.0
        produce { forall j in n { forall k in chunk(ko, 32, d) vector(8) { w[k] add= mul(A[i, j], B[j, k]) } } }
        consume { forall k in chunk(ko, 32, d) vector(8) { C[i, k] = w[k] } }
      }
    }

Without it every step of ``j`` loads and stores a row of the result: SpMM with 32 columns then runs at a fifth of the
speed.  A panel is 256 bytes, four vectors of AVX-512 or eight of AVX2: half of that takes up to half as long again
where there are 128 columns, twice that loses a little as often as it gains.  A panel that is cut does not stay in
registers, so what whole ones leave is taken in ever narrower ones, each half as wide (``narrower``): with 8 columns of
f64 a third of the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from math import prod

from sparsec.ir.dtypes import DType
from sparsec.ir.loops import Chunk, Chunks, Domain, Forall, Full, Stmt, Workspace
from sparsec.ir.ops import primitives
from sparsec.ir.rewrite import prewalk, walk
from sparsec.ir.schedule import Directive
from sparsec.ir.tensor import Access, Dim, Expr, Index, Literal, Map, Program
from sparsec.ir.variables import mentioned

BYTES = 256
REGISTERS = 512
"""What the registers for vectors hold of a panel, beside what is loaded and multiplied."""
VECTOR = 64
"""Bytes of a vector; narrower machines take several registers for one."""

_MONOIDS = frozenset({"add", "mul", "min", "max"})
_OPS = frozenset(
    {"add", "sub", "mul", "div", "neg", "abs", "min", "max", "sqrt", "select", "eq", "ne", "lt", "le", "gt", "ge"}
)


@dataclass(frozen=True, slots=True)
class Panel:
    """Loops over stretches of the result inside the sums ``inner``, themselves inside the loops ``outer``.

    ``sizes`` has their extents by name, the last one's being cut out of its loop where that runs over all coordinates;
    it goes in vectors of ``lanes``.
    """

    sizes: dict[str, int]
    lanes: int
    outer: tuple[str, ...]
    inner: tuple[str, ...]


def find_panel(
    program: Program,
    target: Access,
    order: list[str],
    free: Collection[str],
    body: Expr,
    monoid: str | None,
    domains: Mapping[str, Domain],
    asked: Directive | None,
) -> Panel | None:
    """The panel for ``target monoid= body`` in this loop order, if there is one; a schedule ``asked`` for it, or none.

    The innermost loop must run along the last level of the dense target, over operands that have its coordinates side
    by side, inside of others over stretches of the result, if any; then reductions; and all other free variables
    around them.
    """
    if asked is not None and not asked.loops:
        return None
    if monoid not in _MONOIDS or len(order) < 2 or not in_vectors(body, target.dtype):
        return None
    decl = program.tensor(target.tensor)
    assert decl.format is not None
    outer = [*takewhile(lambda v: v in free, order)]
    inner = [*takewhile(lambda v: v not in free, order[len(outer) :])]
    held = order[len(outer) + len(inner) :]
    last = order[-1]
    along = target.indices[decl.format.order[-1]] if decl.ndim else None
    if along != Index(last) or not inner or not held or not set(held) <= set(free):
        return None
    reads = [a for a in walk(body) if isinstance(a, Access)]
    if not all(_side_by_side(program, a, last) and _full_along(program, a, held) for a in reads):
        return None
    lanes, most = VECTOR // target.dtype.nbytes, REGISTERS // target.dtype.nbytes
    sizes: dict[str, int] = {}
    for v in held[: len(held) - isinstance(domains[last], Full)]:
        d = domains[v]
        if not isinstance(d, Chunk) or d.outer not in outer:
            return None
        sizes[v] = d.size
    domain = domains[last]
    if isinstance(domain, Full):
        size = BYTES // target.dtype.nbytes
        if asked is not None and asked.number is not None:
            size = asked.number
        elif isinstance(domain.extent, int) and domain.extent < size:
            small = domain.extent
            size = small if small % lanes == 0 else 1 << small.bit_length() - 1
            if size < 2:
                return None
        rows = prod(sizes.values())
        while rows > 1 and rows * size > most and (asked is None or asked.number is None):
            size //= 2
            if size < lanes:
                return None  # more rows than registers
        sizes[last] = size
    elif asked is not None:
        if asked.number != sizes[last]:
            return None
    elif sizes[last] % lanes or prod(sizes.values()) > most:
        return None
    return Panel(sizes, _lanes(sizes[last], lanes), tuple(outer), tuple(inner))


def _side_by_side(program: Program, a: Access, last: str) -> bool:
    """Whether what is read along ``last`` lies side by side: in an array, or in the last, full level of blocks."""
    if Index(last) not in a.indices:
        return True
    fmt = program.tensor(a.tensor).format
    if fmt is None or fmt.values is not None:
        return False
    if fmt.is_dense:
        return True
    digit, spec = fmt.coords[-1].digit, fmt.levels[-1]
    return spec.type.full and digit is not None and digit.divisor == 1 and a.indices[digit.dim] == Index(last)


def _full_along(program: Program, a: Access, names: Collection[str]) -> bool:
    """Whether the levels that store ``names`` have every coordinate: no loop over one goes from entry to entry."""
    fmt = program.tensor(a.tensor).format
    dims = {n for n, e in enumerate(a.indices) if not set(mentioned(e)).isdisjoint(names)}
    if fmt is None or fmt.terms:
        return not dims
    return all(s.type.full for c, s in zip(fmt.coords, fmt.levels, strict=True) if not dims.isdisjoint(c.dims))


def narrower(f: Forall, sparse: Iterable[Access]) -> Iterator[tuple[int, Stmt]]:
    """Sizes and bodies for what a loop over panels in registers leaves: half as wide each.

    Panels along blocks that one of the ``sparse`` reads is stored in are as wide as those.
    """
    assert isinstance(f.domain, Chunks)
    size = f.domain.size
    along = {x.name for n in walk(f.body) if isinstance(n, Workspace) and n.kind == "registers" for x in n.indices
             if isinstance(x.domain, Chunk) and x.domain.outer == f.index}  # fmt: skip
    blocks = any(along & {*mentioned(*a.indices)} for a in sparse)
    # Of narrower panels the loop has another number: nothing but their bounds may ask for it.
    asked = any(isinstance(n, Index) and n.name == f.index for n in walk(f.body))
    if not along or blocks or asked or size & (size - 1):
        return
    while size > 1:
        size //= 2
        yield size, prewalk(f.body, partial(_resized, f.index, size))


def _resized(outer: str, size: int, n: object) -> object:
    match n:
        case Chunk() if n.outer == outer and n.size != size:
            return replace(n, size=size)
        case Forall(domain=Chunk() as d) if d.outer == outer and n.vector and n.vector > size:
            return replace(n, vector=size)
    return None


def _lanes(size: int, most: int) -> int:
    """The widest vectors that a panel is a whole number of."""
    return next(n for n in range(min(size, most), 0, -1) if size % n == 0 and n & (n - 1) == 0)


def in_vectors(body: Expr, t: DType) -> bool:
    """Whether every value of ``body`` is of one numeric type and made by operators that have vectors."""
    if t.kind not in "uif" or t.bits < 32:
        return False
    for e in walk(body):
        match e:
            case Index():
                continue
            case Literal() | Access():
                if e.dtype != t:
                    return False
            case Map():
                if not primitives(e.op) <= _OPS:
                    return False
            case Dim():
                return False
            case _:
                return False
    return True


__all__ = ["VECTOR", "Panel", "find_panel", "in_vectors", "narrower"]
