"""Loop nest IR: *in what order* a program runs, over which levels.

Grammar of the textual form (``loops_text.py`` prints and parses it)::

    kernel   := "kernel" NAME "{" monoid* decl* stmt* "}"    as in tensor IR; every format and type is concrete
    stmt     := "forall" NAME "in" domain mark* block
              | "forall" "(" names ")" "in" "stored" "(" access ")" block
              | "workspace" NAME ["[" windex ("," windex)* "]"] ":" DTYPE kind "init" literal
                    "produce" block "consume" block
              | "assemble" TENSOR "by" method block
              | "tile" NAME "<" INT ("," NAME "<" INT)* block
              | "let" NAME "=" expr "in" domain block     where the value lies in the domain
              | "check" NAME expr "in" extent ["once"]    an index of tensor NAME, read from data: stop if it is outside
              | "if" expr block
              | access "=" expr | access MONOID "=" expr ["at" expr] | block
    windex   := NAME "in" domain
    domain   := extent                                   0 .. extent
              | "chunks" "(" extent "," INT ")"          the numbers of the chunks of that size
              | "chunk" "(" NAME "," INT "," domain ")"  the coordinates of chunk NAME, the last one cut at the end
              | "span" "(" domain ("," domain)* ")"      the sums of coordinates: 0 .. sum of (ends - 1) + 1
    mark     := "parallel" ["(" INT ")"] | "vector" "(" INT ")" | "unroll" | "ordered" | "reverse"
    kind     := ("scalar" | "dense" | "bitmap" | "list" | "registers") ["." MONOID]    what folds equal coordinates: add
              | "list" ["." MONOID] "keep" INT           of what is written, the greatest
    method   := "insert" | "append" | "count" | "bounded" | "scatter" | "update" | "fill"
    block    := "{" stmt* "}"
    expr     := the expressions of tensor IR without reduce, scan, softmax, top

The meaning of a kernel is the plain one: a forall runs its body for every coordinate of its domain, in order; an
``if`` runs its body where the condition holds; a workspace is set to ``init``, filled by ``produce`` and read by
``consume``.  An implementation may leave out the coordinates at which the body provably does nothing, and the lowering
to buffer IR does: it walks stored entries together (merge lattices).  Dense results begin as their fill, or as the
identity where they are accumulated into; what is updated has its values already, and a body may read it where it
writes.  Dense workspaces carry no pattern; "bitmap" and "list" workspaces remember which coordinates were written, and
a forall that reads one runs over just those, ascending.

``monoid`` defines one with a tuple state over concrete types.  It folds into scalar workspaces alone: an update is
``state = combine(state, lift(value, place))``, the place behind ``at`` if it lifts one, a read gives ``value(state)``.

An ordered forall hands on what its iterations leave: inside it results may be read while they are assembled, and a
scalar workspace while it is produced.  That is a running sum::

    workspace w: f64 scalar init 0.0
    produce { forall j in n ordered { { w[] add= x[j]  y[j] = w[] } } }
    consume { }
"""

from __future__ import annotations

from dataclasses import field

from sparsec.ir.dtypes import DType
from sparsec.ir.node import node
from sparsec.ir.schedule import Directive
from sparsec.ir.tensor import Access, Expr, Extent, MonoidDef, TensorDecl


@node
class Full:
    """All coordinates of an index variable."""

    extent: Extent


@node
class Chunks:
    """The numbers 0, 1, ... of the chunks of ``size`` coordinates that cover ``extent``."""

    extent: Extent
    size: int


@node
class Chunk:
    """The coordinates of the chunk whose number the index ``outer`` holds, out of those of ``whole``."""

    outer: str
    size: int
    whole: Full | Chunks


@node
class Span:
    """The values of a sum of coordinates, one of each part, counted from the least: the diagonals of a matrix."""

    parts: tuple[Full | Chunks, ...]


Domain = Full | Chunks | Chunk | Span


@node
class Forall:
    """Run ``body`` for each coordinate of ``domain``.

    ``parallel``: chunk size for dynamic distribution, 0 to let the compiler choose, None for sequential.
    ``vector``: lanes.  ``ordered``: iterations depend on earlier ones.  ``reverse``: the last coordinate comes first.
    ``asked``: the command that one of these marks comes from, for errors.
    """

    index: str
    domain: Domain
    body: Stmt
    parallel: int | None = None
    vector: int | None = None
    unroll: bool = False
    ordered: bool = False
    reverse: bool = False
    asked: Directive | None = field(default=None, compare=False, repr=False)


@node
class ForallStored:
    """Run ``body`` for each stored entry of ``access``, which binds ``indices`` (the access's own, in its order)."""

    indices: tuple[str, ...]
    access: Access
    body: Stmt


@node
class Sequence:
    stmts: tuple[Stmt, ...]


@node
class WorkIndex:
    """One dimension of a workspace: the index that addresses it and what that runs over."""

    name: str
    domain: Domain


@node
class Workspace:
    """A temporary, local to this statement.

    ``kind``: "scalar" (no dimensions), "dense" (an array), "bitmap" (an array, and which coordinates were written),
    "list" (coordinates and values appended, then sorted, equal ones folded with ``monoid``), "registers" (a dense array
    of constant extent, unrolled).  A scalar that ordered iterations hand on needs no consumer: an empty sequence.

    ``keep``: of the entries of a list, each written once, only so many stay, the greatest; a NaN is less than any
    number, and of equals those stay whose coordinates come first.
    """

    name: str
    dtype: DType
    indices: tuple[WorkIndex, ...]
    kind: str
    init: bool | int | float | complex
    producer: Stmt
    consumer: Stmt
    monoid: str = "add"
    keep: int | None = None


@node
class Accumulate:
    """``target op= value``; ``op`` is "=" or a monoid's name, ``place`` where the point stands in its reduction."""

    target: Access
    op: str
    value: Expr
    place: Expr | None = None


METHODS = ("insert", "append", "count", "bounded", "scatter", "update", "fill")
"""The ways to assemble."""


@node
class Assemble:
    """``body`` defines ``tensor``, whose storage is made here (or, by "update", was made before).

    ``method``: "insert" (dense storage), "append" (in order, growing), "count" (run once to count, then once to fill:
    rows in parallel), "bounded" (run once, rows in parallel: each row comes from one list that keeps so many entries,
    and gets room for these), "scatter" (as by count: loops over all levels, the last one's outermost, so that each
    parent's entries come in order; it may run in parallel, in parts with counters of their own), "update" (in place,
    dense storage that has values: what the caller passed, or an earlier statement made), "fill" (a sparse tensor of
    role "values": each entry goes to its place in the pattern that the caller passes, by a nest like any of the
    others).
    """

    tensor: str
    method: str
    body: Stmt


@node
class Tile:
    """A dense inner nest of constant extents around one accumulation; iterations in any order.

    Each pair is (index, extent); the coordinate of index ``i`` is its tile-local number, so accesses use
    ``add(mul(i0, size), i)`` or index a register workspace.
    """

    loops: tuple[tuple[str, int], ...]
    body: Accumulate


@node
class Let:
    """An index computed from others: ``body`` runs where ``value`` lies in ``domain``."""

    index: str
    value: Expr
    domain: Full | Chunks
    body: Stmt


@node
class Check:
    """Stop the kernel, with an error, where an index read from data lies outside ``0 .. extent``.

    ``once``: ``value`` is how often ``=`` writes a place of the tensor, and the error says that it was twice.
    """

    value: Expr
    extent: Extent
    tensor: str
    once: bool = False


@node
class Guard:
    """Run ``body`` where ``condition``, a bool, holds."""

    condition: Expr
    body: Stmt


Stmt = Forall | ForallStored | Sequence | Workspace | Accumulate | Assemble | Tile | Let | Check | Guard


@node
class Kernel:
    """A lowered program; ``notes`` say why it looks as it does (for ``explain``), and take no part in equality.

    ``monoids`` are those with a tuple state that it folds with, over concrete types.
    """

    name: str
    tensors: tuple[TensorDecl, ...]
    body: Stmt
    notes: tuple[str, ...] = field(default=(), compare=False)
    monoids: tuple[MonoidDef, ...] = ()

    def tensor(self, name: str) -> TensorDecl:
        for t in self.tensors:
            if t.name == name:
                return t
        raise KeyError(name)

    def monoid(self, name: str) -> MonoidDef | None:
        """The definition of a monoid with a tuple state; None for the plain ones."""
        return next((m for m in self.monoids if m.name == name), None)
