"""The rules of loop nest IR, as data: ``RULES`` lists every one with the nodes that it looks at.

declaration      names are unique, roles known, formats concrete and of the tensor's order, fills fit their dtype
bound_once       every index is bound by exactly one forall or tile on the path
domain           sizes are positive; named extents are dimensions; a chunk's outer index runs over those chunks
checked          a checked index names a tensor and an extent
index_value      a computed or checked index is i64
marks            vector lanes and tile extents are positive; ordered and parallel exclude each other; reverse is ordered
stored_loop      a forall over stored entries names the access's own indices
workspace        the kind fits the dimensions; no name hides another; the initial value fits
monoid           definitions are sound, of concrete types, and hide no plain monoid
workspace_use    a workspace is used inside its statement only: written in produce, read in consume; a scalar may be
                 read where it is written, inside an ordered forall
access           names exist; as many indices as dimensions; dtypes are those declared; indices are i64
extents          the domain of an index agrees with every dimension that it addresses
level_order      foralls follow the level order of every sparse access
assembly         results and locals are assembled once, outside of loops, by a method that their format admits
target           what is written is under assembly, in-out or a workspace; what is read is complete
race             iterations of a parallel forall write to different places, and append nothing
updated          the monoid of an update fits the dtype; one with a tuple state folds into a scalar workspace of its own
typed            operators are known, and get the types that they ask for
no_reductions    no reduce, scan, softmax or top is left in an expression
literal          literals fit their dtype
guard            a condition is a bool; the conditions of a result that is counted first compute with no floats
complete         every result is assembled
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from sparsec.errors import VerifyError
from sparsec.formats.format import Format
from sparsec.formats.level import CanAppend, CanInsert, CanWindow, Planned, can_part, takes_any_order
from sparsec.ir import ops
from sparsec.ir.dtypes import BOOL, I32, I64
from sparsec.ir.expr_verify import (
    Messages,
    accessed,
    can_index,
    declared,
    defined_monoid,
    is_name,
    known_dim,
    literal,
    names_of,
    typed,
    updated,
)
from sparsec.ir.loops import (
    METHODS,
    Accumulate,
    Assemble,
    Check,
    Chunk,
    Chunks,
    Domain,
    Forall,
    ForallStored,
    Full,
    Guard,
    Kernel,
    Let,
    Sequence,
    Span,
    Stmt,
    Tile,
    Workspace,
)
from sparsec.ir.loops_bounded import bound, can_bound
from sparsec.ir.loops_exact import repeatable
from sparsec.ir.loops_scope import Binding, Progress, Scope, Use, addresses, domain_text, step
from sparsec.ir.monoids import taken
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import (
    Access,
    Dim,
    Expr,
    Extent,
    Index,
    Literal,
    Map,
    MonoidDef,
    Reduce,
    Scan,
    Softmax,
    TensorDecl,
    Top,
)

KINDS = ("scalar", "dense", "bitmap", "list", "registers")


def verify(kernel: Kernel) -> None:
    """Raise ``VerifyError`` with the path of the first node that breaks a rule; return None for a sound kernel."""
    root = Scope(kernel, Progress(), (f"kernel {kernel.name}",))
    for m in kernel.monoids:
        here = root.at(f"monoid {m.name}")
        _check(m, here)
        for node in (n for e in m.parts for n in walk(e) if isinstance(n, Map | Literal)):
            _check(node, here)
    for decl in kernel.tensors:
        _check(decl, root.at(f"{decl.role} {decl.name}"))
    _visit(kernel.body, root)
    _check(kernel, root)


def _check(node: Any, scope: Scope) -> None:
    for kinds, rule in RULES:
        if isinstance(node, kinds):
            for message in rule(node, scope):
                raise VerifyError(message, " / ".join(scope.path))


def _visit(s: Stmt, scope: Scope) -> None:
    match s:
        case Sequence(stmts):
            for child in stmts:
                _visit(child, scope)
        case Forall(index, domain, body):
            here = scope.at(f"forall {index}")
            _check(s, here)
            bound = {**scope.bound, index: Binding(domain, scope.depth, s.parallel is not None)}
            _visit(body, dataclasses.replace(here, bound=bound, ordered=scope.depth if s.ordered else scope.ordered))
        case ForallStored(indices, access, body):
            here = scope.at(f"forall ({', '.join(indices)})")
            _check(s, here)
            decl = scope.decl(access.tensor)
            dims = decl.dims if decl else ()
            new = {n: Binding(Full(d), scope.depth) for n, d in zip(indices, dims, strict=False)}
            inside = dataclasses.replace(here, bound={**scope.bound, **new})
            _expression(access, inside)
            _visit(body, inside)
        case Workspace(name):
            here = scope.at(f"workspace {name}")
            _check(s, here)
            for phase, body in (("produce", s.producer), ("consume", s.consumer)):
                use = Use(s, phase, scope.depth)
                _visit(body, here.at(phase, works={**scope.works, name: use}))
        case Assemble(tensor, _, body):
            here = scope.at(f"assemble {tensor}", assembling=(*scope.assembling, s))
            _check(s, here)
            _visit(body, here)
            scope.progress.assembled.add(tensor)
        case Tile(loops, body):
            here = scope.at(f"tile {', '.join(n for n, _ in loops)}")
            _check(s, here)
            new = {n: Binding(Full(e), scope.depth) for n, e in loops}
            _visit(body, dataclasses.replace(here, bound={**scope.bound, **new}))
        case Let(index, value, domain, body):
            here = scope.at(f"let {index}")
            _check(s, here)
            _expression(value, here)
            known = Binding(domain, scope.depth, value=value)
            _visit(body, dataclasses.replace(here, bound={**scope.bound, index: known}))
        case Check(value, _, tensor):
            here = scope.at(f"check {tensor}")
            _check(s, here)
            _expression(value, here)
        case Guard(condition, body):
            here = scope.at("if")
            _check(s, here)
            _expression(condition, here)
            _visit(body, here)
        case Accumulate(target, op, value):
            here = scope.at(f"{target.tensor}[] {'=' if op == '=' else op + '='}")
            _check(target, dataclasses.replace(here, writing=True))
            for i in target.indices:
                _expression(i, here)
            _expression(value, here)
            if s.place is not None:
                _expression(s.place, here)
            _check(s, here)


def _expression(e: Expr, scope: Scope) -> None:
    for node in walk(e):
        _check(node, scope)


# rules: functions of a node and its scope that yield what is wrong


def declaration(t: TensorDecl, scope: Scope) -> Messages:
    if t.format is None:
        yield f"'{t.name}' has no format"
        return
    yield from declared(t, scope.kernel.tensors)
    for spec in t.format.levels:
        if isinstance(spec.type, Planned):
            yield f"level '{spec}' cannot run"
        elif spec.type.concrete(I32, I32) != spec.type:
            yield f"level '{spec}' leaves its index and position widths open"


def bound_once(s: Forall | ForallStored | Tile | Let, scope: Scope) -> Messages:
    names = (s.index,) if isinstance(s, Forall | Let) else s.indices if isinstance(s, ForallStored) else _names(s.loops)
    yield from can_index(*names)
    for n in names:
        if n in scope.bound:
            yield f"index '{n}' is bound already"
        if names.count(n) > 1:
            yield f"index '{n}' is bound twice"
        if n in scope.works or scope.decl(n) is not None:
            yield f"index '{n}' has the name of a tensor"


def index_bound(e: Index, scope: Scope) -> Messages:
    if e.name not in scope.bound:
        yield f"index '{e.name}' is not bound"


def domain(s: Forall | Workspace | Let, scope: Scope) -> Messages:
    for d in tuple(w.domain for w in s.indices) if isinstance(s, Workspace) else (s.domain,):
        yield from _domain(d, scope)


def _domain(d: Domain, scope: Scope) -> Messages:
    match d:
        case Span(parts):
            for part in parts:
                yield from _domain(part, scope)
            return
        case Chunk(outer, size, whole):
            yield from _domain(whole, scope)
            inside = 1 if isinstance(whole, Full) else whole.size
            bound = scope.bound.get(outer)
            if bound is None:
                yield f"the chunk's index '{outer}' is not bound"
            elif not addresses(bound.domain, Chunks(whole.extent, size * inside)):
                yield f"'{outer}' does not run over chunks({whole.extent}, {size * inside})"
        case Full(extent) | Chunks(extent):
            yield from _extent(extent, scope)
    if isinstance(d, Chunk | Chunks) and d.size < 1:
        yield f"chunks of size {d.size}"


def _extent(extent: Extent, scope: Scope) -> Messages:
    if isinstance(extent, str) and extent not in scope.dims:
        yield f"no tensor has the dimension '{extent}'"
    if isinstance(extent, int) and extent < 0:
        yield f"the extent {extent} is negative"


def checked(s: Check, scope: Scope) -> Messages:
    yield from _extent(s.extent, scope)
    if scope.decl(s.tensor) is None:
        yield f"no tensor is called '{s.tensor}'"


def index_value(s: Let | Check, scope: Scope) -> Messages:
    if s.value.dtype is not I64:
        yield f"the value of an index is i64, not {s.value.dtype}"


def marks(s: Forall | Tile, scope: Scope) -> Messages:
    if isinstance(s, Tile):
        for n, extent in s.loops:
            if extent < 1:
                yield f"tile index '{n}' has the extent {extent}"
        if not s.loops:
            yield "a tile needs an index"
        return
    if s.vector is not None and s.vector < 1:
        yield f"{s.vector} vector lanes"
    if s.parallel is not None and s.parallel < 0:
        yield f"parallel chunks of {s.parallel}"
    if s.ordered and (s.parallel is not None or s.vector is not None):
        yield f"forall '{s.index}' cannot be ordered and {'parallel' if s.parallel is not None else 'vector'} at once"
    if s.reverse and not s.ordered:
        yield f"forall '{s.index}' runs in reverse: say that it is ordered"


def stored_loop(s: ForallStored, scope: Scope) -> Messages:
    if names_of(s.access.indices) != s.indices:
        yield f"the indices must be those of '{s.access.tensor}', in its order"


def workspace(s: Workspace, scope: Scope) -> Messages:
    yield from is_name(s.name, *(w.name for w in s.indices))
    if s.name in scope.works or scope.decl(s.name) is not None:
        yield f"workspace '{s.name}' hides another tensor"
    if s.name in scope.bound:
        yield f"workspace '{s.name}' has the name of an index"
    if s.kind not in KINDS:
        yield f"'{s.kind}' is no kind of workspace; kinds are {', '.join(KINDS)}"
    if s.kind == "scalar" and s.indices:
        yield f"scalar workspace '{s.name}' has dimensions"
    if s.kind != "scalar" and not s.indices:
        yield f"{s.kind} workspace '{s.name}' has no dimensions"
    if s.keep is not None and (s.kind != "list" or s.keep < 1):
        yield f"{s.kind} workspace '{s.name}' keeps {s.keep} entries: a list may keep one or more"
    if s.kind == "registers":
        for w in s.indices:
            constant = isinstance(w.domain, Full) and isinstance(w.domain.extent, int)
            if not isinstance(w.domain, Chunk) and not constant:
                yield f"registers '{s.name}' need constant extents, '{w.name}' has none"
    if not s.dtype.holds(s.init):
        yield f"the initial value {s.init!r} does not fit {s.dtype}"
    m = scope.kernel.monoid(s.monoid)
    if m is not None:
        if s.kind != "scalar":
            yield f"'{s.monoid}' has a tuple state, which {s.kind} workspace '{s.name}' cannot hold"
        if m.value.dtype != s.dtype:
            yield f"'{s.monoid}' gives {m.value.dtype}, workspace '{s.name}' holds {s.dtype}"
    elif s.monoid not in ops.MONOIDS or ops.MONOIDS[s.monoid].op is None:
        yield f"'{s.monoid}' is no monoid with a plain state, and the kernel does not define it"
    elif not ops.MONOIDS[s.monoid].admits(s.dtype):
        yield f"'{s.monoid}' does not fit {s.dtype}"


def monoid(m: MonoidDef, scope: Scope) -> Messages:
    if m.name in ops.MONOIDS:
        yield f"'{m.name}' is the name of a built-in monoid"
    yield from defined_monoid(m, scope.kernel.monoids)


def update(s: Accumulate, scope: Scope) -> Messages:
    m, use = scope.kernel.monoid(s.op), scope.works.get(s.target.tensor)
    if use is not None and use.workspace.monoid != s.op and scope.kernel.monoid(use.workspace.monoid) is not None:
        yield f"workspace '{s.target.tensor}' is updated by '{use.workspace.monoid}' alone, not by '{s.op}'"
    if m is None:
        yield from updated(s.target, s.op, s.value)
        if s.place is not None:
            yield f"'{s.op}' takes no place"
        return
    if use is None or use.workspace.monoid != s.op:
        yield f"'{s.op}' has a tuple state and folds into a scalar workspace of its own"
    takes = taken(m)
    if takes is not None and s.value.dtype != takes:
        yield f"'{s.op}' takes {takes}, the value is {s.value.dtype}"
    if (m.place is None) != (s.place is None):
        yield f"'{s.op}' takes {'no' if m.place is None else 'a'} place"
    elif s.place is not None and s.place.dtype != I64:
        yield f"a place is an i64, not {s.place.dtype}"


def workspace_use(e: Access | Accumulate, scope: Scope) -> Messages:
    name = e.tensor if isinstance(e, Access) else e.target.tensor
    use = scope.works.get(name)
    if use is None:
        return
    if isinstance(e, Accumulate):
        if use.phase != "produce":
            yield f"workspace '{name}' is written while it is consumed"
        if use.workspace.kind == "list" and e.op not in ("=", use.workspace.monoid):
            yield f"list workspace '{name}' folds with '{use.workspace.monoid}', not '{e.op}'"
    elif use.phase != "consume" and not scope.writing:
        if use.workspace.kind != "scalar":
            yield f"workspace '{name}' is read while it is produced"
        elif scope.ordered is None or scope.ordered < use.depth:
            yield f"workspace '{name}' is read while it is produced, outside of an ordered forall"


def access(e: Access, scope: Scope) -> Messages:
    use, decl = scope.works.get(e.tensor), scope.decl(e.tensor)
    if use is not None:
        dtype, ndim = use.workspace.dtype, len(use.workspace.indices)
    elif decl is not None:
        dtype, ndim = decl.dtype, decl.ndim
    elif any(isinstance(n, Workspace) and n.name == e.tensor for n in walk(scope.kernel.body)):
        yield f"workspace '{e.tensor}' is used outside of its statement"
        return
    else:
        yield f"no tensor or workspace is called '{e.tensor}'"
        return
    yield from accessed(e, dtype, ndim)


def extents(e: Access, scope: Scope) -> Messages:
    use, decl = scope.works.get(e.tensor), scope.decl(e.tensor)
    if use is not None:
        wanted: tuple[Domain, ...] = tuple(w.domain for w in use.workspace.indices)
    else:
        wanted = tuple(Full(d) for d in decl.dims) if decl is not None else ()
    for i, want in zip(e.indices, wanted, strict=False):
        binding = scope.bound.get(i.name) if isinstance(i, Index) else None
        if binding is not None and not addresses(binding.domain, want):
            name = i.name if isinstance(i, Index) else ""
            yield f"index '{name}' runs over {domain_text(binding.domain)}, '{e.tensor}' expects {domain_text(want)}"


def level_order(e: Access, scope: Scope) -> Messages:
    decl = scope.decl(e.tensor)
    if decl is None or decl.format is None or e.tensor in scope.works or decl.format.is_dense:
        return
    if any(a.tensor == e.tensor and a.method in ("scatter", "fill") for a in scope.assembling):
        return
    above: list[Index] = []
    parts: set[Expr] = set()  # of which a level above stores a part, or what is computed from them
    for coord, spec in zip(decl.format.coords, decl.format.levels, strict=True):
        i = e.indices[coord.digit.dim] if coord.digit is not None and coord.digit.whole else None
        if i is None or i in parts:
            parts |= {e.indices[d] for d in coord.dims}
            continue
        if not isinstance(i, Index) or i.name not in scope.bound:
            continue
        if scope.bound[i.name].computed:
            parts |= {Index(name) for name in scope.bound[i.name].sources}
            continue
        if any(outer.name == i.name for outer in above):
            continue  # known already: the level is searched
        found = spec.type.full or isinstance(spec.type, CanWindow)  # whenever it is its turn
        for outer in above:
            if not found and scope.bound[outer.name].depth > scope.bound[i.name].depth:
                yield f"'{e.tensor}' stores '{outer.name}' above '{i.name}', the loops nest the other way"
        above.append(i)


def assembly(s: Assemble, scope: Scope) -> Messages:
    t = scope.decl(s.tensor)
    if t is None:
        yield f"no tensor is called '{s.tensor}'"
        return
    if t.role == "in":
        yield f"operand '{s.tensor}' cannot be assembled"
    if s.method not in METHODS:
        yield f"'{s.method}' is no way to assemble; there are {', '.join(METHODS)}"
    if (s.method == "fill") != (t.role == "values"):
        yield f"'{s.tensor}' of role {t.role} is assembled by {s.method}: 'fill' is for role values"
    if s.method == "update":
        yield from _updated_in_place(s, t, scope)
        return
    if s.tensor in scope.progress.assembled or any(a.tensor == s.tensor for a in scope.assembling[:-1]):
        yield f"'{s.tensor}' is assembled twice"
    if scope.bound:
        yield f"'{s.tensor}' is assembled inside a loop"
    levels = t.format.levels if t.format is not None else ()
    if s.method == "fill":
        if not any(isinstance(spec.type, CanAppend) for spec in levels):
            yield f"'{s.tensor}' is dense, and has no pattern to fill"
        return
    if s.method == "insert":
        for spec in levels:
            if not (isinstance(spec.type, CanInsert) and spec.type.full):
                yield f"'{s.tensor}' cannot be assembled by insert: level '{spec}' is not dense"
    else:
        for spec in levels:
            if not isinstance(spec.type, CanAppend | CanInsert):
                yield f"'{s.tensor}' cannot be assembled by {s.method}: level '{spec}' cannot append"
        if t.format is not None and t.format.is_dense:
            yield f"'{s.tensor}' is dense: assemble it by insert, not by {s.method}"
    counted = any(isinstance(spec.type, CanAppend) and spec.type.needs_counts for spec in levels)
    if s.method in ("count", "scatter") and counted and not repeatable(s.body):
        yield f"'{s.tensor}' cannot be assembled by {s.method}: a condition computes with floats, and runs twice"
    if s.method == "bounded" and t.format is not None and not (can_bound(t.format) and bound(s.body, s.tensor)):
        yield f"'{s.tensor}' cannot be bounded: its rows must come from one list each that keeps so many entries"
    if s.method == "scatter" and t.format is not None:
        yield from _scattered(s, t.format)


def _updated_in_place(s: Assemble, t: TensorDecl, scope: Scope) -> Messages:
    if t.role != "inout" and s.tensor not in scope.progress.assembled:
        yield f"'{s.tensor}' is updated before it is assembled"
    if any(a.tensor == s.tensor for a in scope.assembling[:-1]):
        yield f"'{s.tensor}' is updated while it is assembled"
    if scope.bound:
        yield f"'{s.tensor}' is updated inside a loop"
    if t.format is not None and not t.format.is_dense:
        yield f"'{s.tensor}' is sparse, and only dense tensors are updated in place"


def _scattered(s: Assemble, fmt: Format) -> Messages:
    """Entries go where a count of their parents says: the loops must bring each once, a parent's in order."""
    what = f"'{s.tensor}' cannot be assembled by scatter"
    if len(fmt.levels) < 2 or not all(spec.type.full for spec in fmt.levels[:-1]) or fmt.levels[-1].type.full:
        yield f"{what}: it must have full levels above one that is not"
        return
    nest: list[Forall] = []
    node: Stmt = s.body
    while isinstance(node, Forall | Guard):
        if isinstance(node, Forall):
            nest.append(node)
        node = node.body
    while isinstance(node, Workspace | Guard):
        node = node.consumer if isinstance(node, Workspace) else node.body
    if not isinstance(node, Accumulate) or node.target.tensor != s.tensor or node.op != "=":
        yield f"{what}: its body must be loops around one '=' to it"
        return
    names = [i.name if isinstance(i, Index) else "" for i in node.target.indices]
    kind, digit = fmt.levels[-1].type, fmt.coords[-1].digit
    last = names[digit.dim] if digit is not None and digit.whole else ""
    once = set(names)
    for f in reversed(nest):  # a loop over chunks goes with the one inside of it
        if f.index in once and isinstance(f.domain, Chunk):
            once.add(f.domain.outer)
    if sorted(once) != sorted(f.index for f in nest) or (nest[0].index != last and not takes_any_order(kind)):
        yield f"{what}: the loops must run over its indices, that over '{last}' outermost"
    parted = can_part(kind)
    if any(f.parallel is not None for f in (nest[1:] if parted else nest)):
        yield f"{what} by parallel loops" + ", but for the outermost one" * parted


def target(s: Accumulate, scope: Scope) -> Messages:
    name = s.target.tensor
    t = scope.decl(name)
    if t is None or name in scope.works:
        return
    if t.role == "in":
        yield f"operand '{name}' is written"
    current = any(a.tensor == name for a in scope.assembling)
    if t.role not in ("in", "inout") and not current:
        yield f"'{name}' is written outside of its assembly"
    if t.format is not None and not t.format.is_dense and not all(isinstance(i, Index) for i in s.target.indices):
        yield f"the indices of sparse '{name}' must be plain index variables to write it"


def source(e: Access, scope: Scope) -> Messages:
    t = scope.decl(e.tensor)
    if t is None or e.tensor in scope.works or t.role in ("in", "inout") or scope.writing:
        return
    if any(a.tensor == e.tensor and a.method != "update" for a in scope.assembling):
        if scope.ordered is None:
            yield f"'{e.tensor}' is read while it is assembled, outside of an ordered forall"
        elif t.format is not None and not t.format.is_dense:
            yield f"'{e.tensor}' is read while it is assembled, and is not dense"
    elif e.tensor not in scope.progress.assembled:
        yield f"'{e.tensor}' is read before it is assembled"


def race(s: Accumulate, scope: Scope) -> Messages:
    name = s.target.tensor
    use = scope.works.get(name)
    for index, binding in scope.bound.items():
        if not binding.parallel or (use is not None and use.depth > binding.depth):
            continue
        # Of two iterations that write one place the loops that are indices themselves are at the same coordinates.
        plain = [i.name for i in s.target.indices if isinstance(i, Index) and i.name in scope.bound and i.name != index]
        alike = {**scope.bound, **{v: Binding(Full(1)) for v in plain if not scope.bound[v].computed}}
        if not any(step(i, index, bound) for bound in (scope.bound, alike) for i in s.target.indices):
            yield f"'{name}' is written by every iteration of the parallel forall '{index}': its indices lack '{index}'"
        if any(a.tensor == name and a.method == "append" for a in scope.assembling):
            yield f"'{name}' is assembled by append, which the parallel forall '{index}' cannot do; use count"


def guard(s: Guard, scope: Scope) -> Messages:
    if s.condition.dtype is not BOOL:
        yield f"a condition is a bool, not {s.condition.dtype}"


def no_reductions(e: Reduce | Scan | Softmax | Top, scope: Scope) -> Messages:
    yield f"loop nest IR has no {type(e).__name__.lower()}: it is a loop and an update here"


def complete(k: Kernel, scope: Scope) -> Messages:
    yield from is_name(k.name)
    for t in k.tensors:
        if t.role not in ("in", "inout", "local") and t.name not in scope.progress.assembled:
            yield f"result '{t.name}' is never assembled"


RULES: tuple[tuple[Any, Callable[[Any, Scope], Messages]], ...] = (
    (TensorDecl, declaration),
    (Forall | ForallStored | Tile | Let, bound_once),
    (Index, index_bound),
    (Forall | Workspace | Let, domain),
    (Check, checked),
    (Let | Check, index_value),
    (Dim, lambda e, scope: known_dim(e, scope.dims)),
    (Forall | Tile, marks),
    (ForallStored, stored_loop),
    (Workspace, workspace),
    (Access, access),
    (Access | Accumulate, workspace_use),
    (Access, extents),
    (Access, level_order),
    (Assemble, assembly),
    (Accumulate, target),
    (Access, source),
    (Accumulate, race),
    (Accumulate, update),
    (Guard, guard),
    (MonoidDef, monoid),
    (Reduce | Scan | Softmax | Top, no_reductions),
    (Map, lambda e, scope: typed(e)),
    (Literal, lambda e, scope: literal(e)),
    (Kernel, complete),
)


def _names(loops: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    return tuple(n for n, _ in loops)


__all__ = ["RULES", "verify"]
