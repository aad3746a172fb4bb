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

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial

from sparsec.ir.dtypes import DType
from sparsec.ir.loops import Chunk, Chunks, Domain, Forall, Full, Stmt, Workspace
from sparsec.ir.ops import primitives
from sparsec.ir.rewrite import prewalk, walk
from sparsec.ir.schedule import Directive
from sparsec.ir.tensor import Access, Dim, Expr, Index, Literal, Map, Program

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
    """``index`` runs in chunks of ``size``, in vectors of ``lanes``, inside the loops ``outer`` and ``inner``."""

    index: str
    size: int
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
    domain: Domain,
    asked: Directive | None,
) -> Panel | None:
    """The panel for ``target monoid= body`` in this loop order, if there is one; a schedule ``asked`` for it, or none.

    The innermost loop must run along the last level of the dense target, over dense operands only; then reductions;
    and all other free variables around them.
    """
    if asked is not None and not asked.loops:
        return None
    if monoid not in _MONOIDS or len(order) < 2 or not in_vectors(body, target.dtype):
        return None
    *head, last = order
    decl = program.tensor(target.tensor)
    assert decl.format is not None
    along = target.indices[decl.format.order[-1]] if decl.ndim else None
    outer = [v for v in head if v in free]
    inner = head[len(outer) :]
    if along != Index(last) or not inner or head[: len(outer)] != outer or not set(inner).isdisjoint(free):
        return None
    for a in walk(body):
        if not isinstance(a, Access) or Index(last) not in a.indices:
            continue
        fmt = program.tensor(a.tensor).format
        if fmt is None or not fmt.is_dense or fmt.values is not None:
            return None
    lanes, size = VECTOR // target.dtype.nbytes, BYTES // target.dtype.nbytes
    if isinstance(domain, Chunk):  # the panel is what a split, or a format, made
        if domain.outer not in outer or (asked is not None and asked.number not in (None, domain.size)):
            return None
        if asked is None and (domain.size % lanes or domain.size > REGISTERS // target.dtype.nbytes):
            return None
        return Panel(last, domain.size, _lanes(domain.size, lanes), tuple(outer), tuple(inner))
    if not isinstance(domain, Full):
        return None
    extent = domain.extent
    if asked is not None and asked.number is not None:
        return Panel(last, asked.number, _lanes(asked.number, lanes), tuple(outer), tuple(inner))
    if isinstance(extent, int) and extent < size:
        size = extent if extent % lanes == 0 else 1 << extent.bit_length() - 1
    return Panel(last, size, _lanes(size, lanes), tuple(outer), tuple(inner)) if size > 1 else None


def narrower(f: Forall) -> Iterator[tuple[int, Stmt]]:
    """Sizes and bodies for what a loop over panels in registers leaves: half as wide each."""
    assert isinstance(f.domain, Chunks)
    held = next((n for n in walk(f.body) if isinstance(n, Workspace) and n.kind == "registers"), None)
    size = f.domain.size
    if held is None or size & (size - 1):
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
