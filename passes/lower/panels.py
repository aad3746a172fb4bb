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

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from math import prod

from sparsec.ir.dtypes import DType
from sparsec.ir.loops import Chunk, Chunks, Forall, Full, Stmt, Workspace
from sparsec.ir.ops import primitives
from sparsec.ir.rewrite import prewalk, walk
from sparsec.ir.schedule import Directive
from sparsec.ir.tensor import Access, Dim, Expr, Index, Literal, Map, Program
from sparsec.ir.variables import mentioned
from sparsec.passes.lower.guards import reduces, strip
from sparsec.passes.lower.schedule import spelled
from sparsec.passes.lower.spaces import Space

BYTES = 256
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


def within(space: Space, held: Iterable[str], body: Expr) -> tuple[list[Expr], Expr]:
    """The conditions of ``body`` that depend on none of the loops ``held`` inside of the sums, and what they leave."""
    return strip(body, lambda g: space.depends(g.condition).isdisjoint(held) and not reduces(g.condition))


def find_panel(
    program: Program,
    space: Space,
    target: Access,
    order: Sequence[str],
    summed: frozenset[str],
    body: Expr,
    monoid: str,
    asked: Directive | None,
) -> Panel | None:
    """The panel for ``target monoid= body`` in this loop order, if there is one; a schedule ``asked`` for it, or none.

    The innermost loop must run along the last level of the dense target, over operands that have its coordinates side
    by side, inside of others over stretches of the result, if any; then reductions; and all other free variables
    around them.
    """
    outer = [*takewhile(lambda v: v not in summed, order)]
    inner = [*takewhile(lambda v: v in summed, order[len(outer) :])]
    held = [*order[len(outer) + len(inner) :]]
    if not inner or not held or not summed.isdisjoint(held):
        return None
    if any(not c.needs.isdisjoint(held) for c in (*space.lets, *space.computed)):
        return None  # what is computed from a loop is known inside of it alone
    if asked is not None and asked.loops != (spelled(space)[order[-1]],):
        return None
    decl, domains, last = program.tensor(target.tensor), space.domains, order[-1]
    assert decl.format is not None
    _, body = within(space, held, body)
    along = target.indices[decl.format.order[-1]]
    if along != Index(last) or monoid not in _MONOIDS:
        return None
    if not runs_along(program, space, body, target.dtype, held):
        return None
    lanes, most = VECTOR // target.dtype.nbytes, BYTES // target.dtype.nbytes
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


def runs_along(program: Program, space: Space, body: Expr, t: DType, names: Sequence[str]) -> bool:
    """Whether ``body`` can be computed in vectors of ``t`` along the last of the loops, at any place of the others."""
    reads = [a for a in walk(body) if isinstance(a, Access)]
    along = all(_side_by_side(program, a, names[-1]) and _full_along(program, space, a, names) for a in reads)
    return along and in_vectors(body, t)


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


def _full_along(program: Program, space: Space, a: Access, names: Collection[str]) -> bool:
    """Whether the levels from the first that stores one of ``names`` on have every coordinate: nothing is searched."""
    fmt = program.tensor(a.tensor).format
    dims = {n for n, e in enumerate(a.indices) if not space.depends(e).isdisjoint(names)}
    if fmt is None or fmt.terms:
        return not dims
    loops = [space.level_name(c, a) if dims & {*c.dims} else None for c in fmt.coords]
    first = next((n for n, v in enumerate(loops) if v == "" or v in names), len(loops))
    return all(s.type.full for s in fmt.levels[first:])


def narrower(f: Forall, sparse: Collection[Access]) -> Iterator[tuple[int, Stmt]]:
    """Sizes and bodies for what a loop over panels in registers leaves: of one row half as wide each, of several one.

    Panels along blocks that one of the ``sparse`` reads is stored in are as wide as those.
    """
    assert isinstance(f.domain, Chunks)
    size = f.domain.size
    panels = [n.indices for n in walk(f.body) if isinstance(n, Workspace) and n.kind == "registers"]
    along = {x.name for p in panels for x in p if isinstance(x.domain, Chunk) and x.domain.outer == f.index}
    blocks = any(along & {*mentioned(*a.indices)} for a in sparse)
    if not along or blocks or _asks(f.body, f.index) or size & (size - 1):
        return
    rows = any(p[-1].name not in along for p in panels)
    several = any(len(p) > 1 for p in panels)
    # The code of several rows is long: fewer widths of them are worth it.
    sizes = [1] if rows else [size // 2, 1] if several else [size >> n for n in range(1, size.bit_length())]
    for n in dict.fromkeys(n for n in sizes if n < size):
        yield n, prewalk(_widened(f.body, size, sparse) if rows else f.body, partial(_resized, f.index, n))


def _asks(body: Stmt, outer: str) -> bool:
    """Whether anything but the bounds of chunks asks for the number of one: of others the loop has another number."""
    return any(isinstance(n, Index) and n.name == outer for n in walk(body))


def _widened(body: Stmt, rows: int, sparse: Collection[Access]) -> Stmt:
    """Panels of one row instead of ``rows``: they may be as many times as wide, but along blocks that are stored."""
    loops = {n.index for n in walk(body) if isinstance(n, Forall)}
    stored = {v for a in sparse for v in mentioned(*a.indices)}
    for p in (n for n in walk(body) if isinstance(n, Workspace) and n.kind == "registers"):
        last = p.indices[-1]
        d = last.domain
        if not isinstance(d, Chunk) or not isinstance(d.whole, Full) or len(p.indices) > 2:
            continue
        if d.outer not in loops or last.name in stored or _asks(body, d.outer):
            continue
        size, extent = d.size * rows, d.whole.extent
        if size * p.dtype.nbytes <= BYTES and not (isinstance(extent, int) and extent < size):
            body = prewalk(body, partial(_rechunked, d.outer, size))
    return body


def _rechunked(outer: str, size: int, n: object) -> object:
    """Chunks of another ``size``, and the loop ``outer`` over as many as that makes."""
    if isinstance(n, Forall) and n.index == outer and isinstance(n.domain, Chunks) and n.domain.size != size:
        return replace(n, domain=replace(n.domain, size=size))
    return _resized(outer, size, n)


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


__all__ = ["BYTES", "VECTOR", "Panel", "find_panel", "in_vectors", "narrower", "runs_along", "within"]
