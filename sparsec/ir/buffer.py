"""Buffer IR: *how*.  Typed imperative code over flat buffers; no tensors and no formats are left.

Grammar of the textual form (``buffer_text.py`` prints and parses it)::

    module   := function*                              the first one is the entry
    function := "func" NAME "(" [param ("," param)*] ")" block
    param    := mode NAME ":" DTYPE "*" [origin]        mode: "in" | "out" | "result"
              | NAME ":" DTYPE                          a scalar
    origin   := "@" TENSOR "." LEVEL "." ROLE           e.g. @A.1.crd   (LEVEL is -1 for values)
    block    := "{" stmt* "}"
    stmt     := "let" NAME ":" type "=" expr            an immutable local
              | "var" NAME ":" type "=" expr            a mutable local
              | NAME "=" expr                           sets a mutable local
              | NAME "[" expr "]" "=" expr ["if" expr]  a store; masked when vector-valued
              | "for" NAME "in" expr ".." expr ["step" INT] ["mark" MARK] [note] block
              | "parallel" NAME "in" expr ".." expr "grain" expr [note] ["setup" block] block
              | "while" expr [note] block
              | "if" expr [note] block ["else" block]
              | "alloc" NAME ":" DTYPE "[" expr "]" ["init" expr] ["stack"] [origin]
              | "grow" NAME "capacity" NAME "to" expr
              | "free" NAME
              | "publish" NAME "=" NAME "[" expr "]"    hands a buffer to a result parameter
              | "abort" CODE | "barrier" | "prefetch" NAME "[" expr "]"
              | "atomic_add" NAME "[" expr "]" expr
              | "call" NAME "(" args ")"
              | "tile" NAME "<" INT ("," NAME "<" INT)* block
              | block
              | "#" text
    note     := STRING                                  e.g. "merge A.1 B.1": what a simulator reads
    type     := DTYPE ["x" LANES]
    expr     := literal ":" type | NAME | NAME "[" expr "]" [":" "x" LANES]
              | "(" NAME "[" expr "]" [":" "x" LANES] "if" expr ")"     masked: 0 where the mask is false
              | OP "(" expr, ... ")" [":" type]

``For`` variables, sizes and addresses are i64.  Index arithmetic is never done in a narrower type: a load of a
narrow index is cast at once.  Every local is declared once in a function.  Loads and stores are in bounds by
construction; ``SPARSEC_CHECK=bounds`` puts a check before each (``passes/bounds.py``).
"""

from __future__ import annotations

from dataclasses import field

from sparsec.ir.dtypes import BOOL, I64, DType
from sparsec.ir.node import node
from sparsec.ir.schedule import Directive


@node
class Vec:
    """A vector type of ``lanes`` scalars."""

    dtype: DType
    lanes: int

    def __str__(self) -> str:
        return f"{self.dtype}x{self.lanes}"


Type = DType | Vec


def scalar(t: Type) -> DType:
    """The element type."""
    return t.dtype if isinstance(t, Vec) else t


@node
class Origin:
    """Where a buffer comes from: tensor, level (-1: the values), role (pos, crd, vals, workspace, ...)."""

    tensor: str
    level: int
    role: str


@node
class Buffer:
    """A flat array.  Bool elements take a byte each."""

    name: str
    dtype: DType
    origin: Origin | None = None


@node
class Const:
    value: object
    type: Type


@node
class Var:
    """A local or a scalar parameter."""

    name: str
    type: Type


@node
class Load:
    """``buffer[index]``: contiguous lanes if ``type`` is a Vec and the index scalar, a gather if the index is a Vec."""

    buffer: Buffer
    index: Expr
    type: Type
    mask: Expr | None = None


@node
class Op:
    """An operator of ``ops.OPS`` or of ``EXTRA_OPS``."""

    op: str
    args: tuple[Expr, ...]
    type: Type


Expr = Const | Var | Load | Op

EXTRA_OPS: dict[str, str] = {
    "shl": "shift left (integers)",
    "shr": "logical shift right (integers)",
    "ctz": "count of trailing zero bits (bit width when 0)",
    "popcount": "count of set bits",
    "fma": "a * b + c in one rounding or two",
    "radd": "float addition inside a reduction: may be reassociated",
    "splat": "a scalar in every lane of the node's type",
    "iota": "0, 1, 2, ... in the node's type; no arguments",
    "reduce_add": "sum of the lanes (any order)",
    "reduce_mul": "product of the lanes (any order)",
    "reduce_min": "minimum of the lanes (NaN propagates)",
    "reduce_max": "maximum of the lanes (NaN propagates)",
    "bitmask": "bool lanes (64 at most) as the low bits of a u64, lane 0 the lowest",
}


@node
class Block:
    stmts: tuple[Stmt, ...] = ()


@node
class Let:
    var: Var
    value: Expr


@node
class Decl:
    """Declares a mutable local."""

    var: Var
    init: Expr


@node
class Set:
    var: Var
    value: Expr


@node
class Store:
    buffer: Buffer
    index: Expr
    value: Expr
    mask: Expr | None = None


@node
class For:
    """``mark``: "" (leave it to the backend), "unroll", "vector<W>", "rest" (a few steps: as it stands).

    ``asked``: the command of a schedule that the mark comes from, for errors.
    """

    var: Var
    lo: Expr
    hi: Expr
    body: Block
    step: int = 1
    mark: str = ""
    note: str = ""
    asked: Directive | None = field(default=None, compare=False, repr=False)


@node
class ParallelFor:
    """Independent iterations handed to a team of threads in chunks of ``grain``.

    Each worker runs ``setup`` once (its workspaces are allocated there and visible to ``body``), then takes chunks
    until none is left.  Mutable locals declared outside may be read, not set.
    """

    var: Var
    lo: Expr
    hi: Expr
    grain: Expr
    setup: Block
    body: Block
    note: str = ""


@node
class While:
    cond: Expr
    body: Block
    note: str = ""


@node
class If:
    cond: Expr
    then: Block
    orelse: Block = Block()
    note: str = ""


@node
class Alloc:
    """``size`` elements, each ``init`` (undefined without).  "stack" needs a constant size.

    A heap buffer is freed when the function ends, however it ends, unless it was published.  Allocating
    one again inside a loop frees the former.  Size overflow and exhausted memory abort with "memory".
    """

    buffer: Buffer
    size: Expr
    init: Expr | None = None
    space: str = "heap"


@node
class Grow:
    """Make room for ``needed`` elements, at least doubling; ``capacity`` (a mutable i64 local) is updated."""

    buffer: Buffer
    capacity: Var
    needed: Expr


@node
class Free:
    buffer: Buffer


@node
class Publish:
    """Give ``length`` elements of a heap buffer to the caller through the result parameter ``result``."""

    result: str
    buffer: Buffer
    length: Expr


ABORT_CODES: dict[str, int] = {
    "memory": 1, "overflow": 2, "bounds": 3, "width": 4, "room": 5, "index": 6, "pattern": 7,
    "outside": 8, "twice": 9, "packed": 10,
}  # fmt: skip
"""Status a function returns (0 is success): no memory; a size past 2**63; an index out of range; a position or
coordinate too large for its storage type; more entries beneath a parent than its level has room for; an entry that a
given pattern lacks; one outside of the stretch that a level holds; a place written twice by ``=``; coordinates of an
entry that take more than 64 bits together."""


@node
class Abort:
    """Leave the function with ``ABORT_CODES[code]``."""

    code: str


@node
class Prefetch:
    buffer: Buffer
    index: Expr


@node
class Barrier:
    pass


@node
class AtomicAdd:
    buffer: Buffer
    index: Expr
    value: Expr


@node
class Call:
    """Call another function of the module; a non-zero status aborts the caller with it."""

    function: str
    args: tuple[Expr | Buffer, ...]


@node
class Tile:
    """A dense nest of constant extents around loads and stores affine in ``vars``; kept for tile machines.

    The iterations may run in any order but for those that update one place, whose order is theirs to reassociate.
    """

    vars: tuple[Var, ...]
    extents: tuple[int, ...]
    body: Block


@node
class Comment:
    text: str


Stmt = (
    Let
    | Decl
    | Set
    | Store
    | For
    | ParallelFor
    | While
    | If
    | Alloc
    | Grow
    | Free
    | Publish
    | Abort
    | Prefetch
    | Barrier
    | AtomicAdd
    | Call
    | Tile
    | Comment
    | Block
)


@node
class BufferParam:
    """``mode``: "in" (read), "out" (the caller's storage, written), "result" (published by the function).

    In the argument block an "in" or "out" takes one 8-byte slot (address), a "result" two (address, length in
    elements).
    """

    buffer: Buffer
    mode: str


@node
class ScalarParam:
    """One 8-byte slot; extents and strides are i64."""

    var: Var


Param = BufferParam | ScalarParam


@node
class Function:
    name: str
    params: tuple[Param, ...]
    body: Block


@node
class Module:
    """``functions[0]`` is the entry; the others are its helpers.

    ``notes`` say where ``emit`` went another way than one may expect; they take no part in equality.
    """

    functions: tuple[Function, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def entry(self) -> Function:
        return self.functions[0]


TRUE = Const(True, BOOL)
FALSE = Const(False, BOOL)


def i64(value: int) -> Const:
    """An i64 constant."""
    return Const(value, I64)
