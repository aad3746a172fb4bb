"""The verifier of buffer IR.  ``RULES`` lists what it checks; each failure names its rule and the way to the node."""

from __future__ import annotations

import re
from typing import NoReturn

from sparsec.errors import VerifyError
from sparsec.ir import ops
from sparsec.ir.buffer import (
    ABORT_CODES,
    EXTRA_OPS,
    Abort,
    Alloc,
    AtomicAdd,
    Barrier,
    Block,
    Buffer,
    BufferParam,
    Call,
    Comment,
    Const,
    Decl,
    Expr,
    For,
    Free,
    Function,
    Grow,
    If,
    Let,
    Load,
    Module,
    Op,
    ParallelFor,
    Prefetch,
    Publish,
    ScalarParam,
    Set,
    Stmt,
    Store,
    Tile,
    Type,
    Var,
    Vec,
    While,
    scalar,
)
from sparsec.ir.dtypes import BOOL, I64, U64, DType

RULES: dict[str, str] = {
    "module": "a module has a function; names of functions differ; parameters have a mode of in, out, result",
    "once": "a name is declared once in a function, variables and buffers alike",
    "scope": "a name is used after its declaration, in its block; uses are equal to the declaration",
    "type": "values, operands, initial values have the type that is asked for; lanes agree",
    "const": "a constant is a scalar of its type, in range",
    "op": "operators are known, with their number of arguments, on types they are defined for",
    "mutable": "only a 'var' is set, and never in a parallel loop outside which it is declared",
    "address": "addresses, sizes, lengths, bounds, loop variables are i64",
    "condition": "conditions are scalar bools; masks are bools with the lanes of what they mask",
    "access": "'in' is not stored to, 'result' neither loaded nor stored",
    "loop": "steps are positive; marks are '', 'unroll', 'rest' or 'vector<W>'; parallel loops do not nest",
    "alloc": "space is heap or stack, and a stack size constant",
    "own": "grow, free and publish take a heap buffer of this function, allocated inside the same parallel loop if any",
    "publish": "a buffer is published to a 'result' parameter of its type, outside parallel loops",
    "abort": "abort codes are known",
    "atomic": "atomic_add is for scalar integers",
    "call": "calls name a function of the module, never lead back to the caller, match its parameters",
    "tile": "tiles have positive extents, one for each variable, and contain only let, var, set, store, if, tile, for",
    "text": "names, notes and comments are one line",
}

_IN_TILE = (Let, Decl, Set, Store, If, Tile, For, Comment, Block)


def verify(module: Module) -> None:
    """Check every rule of ``RULES``; raises ``VerifyError`` with the path to the first node that breaks one."""
    names = [f.name for f in module.functions]
    if not names:
        raise VerifyError("[module] there is no function")
    for name in names:
        if names.count(name) > 1:
            raise VerifyError(f"[module] two functions are called '{name}'")
    functions = {f.name: f for f in module.functions}
    for f in module.functions:
        _Verifier(f, functions).run()
    _no_recursion(module)


def _calls(block: Block) -> set[str]:
    from sparsec.ir.rewrite import walk

    return {n.function for n in walk(block) if isinstance(n, Call)}


def _no_recursion(module: Module) -> None:
    left = {f.name: _calls(f.body) for f in module.functions}
    while True:
        leaves = [name for name, called in left.items() if not called & left.keys()]
        if not leaves:
            break
        for name in leaves:
            del left[name]
    if left:
        raise VerifyError(f"[call] functions call each other in a circle: {', '.join(sorted(left))}")


class _Verifier:
    def __init__(self, function: Function, functions: dict[str, Function]) -> None:
        self.function = function
        self.functions = functions
        self.path = [function.name]
        self.declared: set[str] = set()
        self.scopes: list[dict[str, Var | Buffer]] = [{}]
        self.modes: dict[str, str] = {}
        self.mutable: dict[str, int] = {}
        """Mutable locals, with the number of parallel loops around their declaration."""
        self.heap: dict[str, int] = {}
        self.parallel = 0
        self.in_tile = False

    def fail(self, rule: str, message: str) -> NoReturn:
        raise VerifyError(f"[{rule}] {message}", ".".join(self.path), hint=RULES[rule])

    # names

    def line(self, text: str) -> None:
        if "\n" in text or "\r" in text:
            self.fail("text", f"{text!r} has more than one line")

    def declare(self, node: Var | Buffer) -> None:
        self.line(node.name)
        if not node.name:
            self.fail("text", "a name is empty")
        if node.name in self.declared:
            self.fail("once", f"'{node.name}' is declared twice")
        self.declared.add(node.name)
        self.scopes[-1][node.name] = node

    def lookup(self, node: Var | Buffer) -> None:
        for scope in reversed(self.scopes):
            if node.name in scope:
                found = scope[node.name]
                if found != node:
                    self.fail("scope", f"'{node.name}' is used as {_show(node)} but declared as {_show(found)}")
                return
        late = "not in scope here" if node.name in self.declared else "not declared"
        self.fail("scope", f"'{node.name}' is {late}")

    # functions

    def run(self) -> None:
        self.line(self.function.name)
        for p in self.function.params:
            if isinstance(p, ScalarParam):
                self.declare(p.var)
                if isinstance(p.var.type, Vec):
                    self.fail("type", f"parameter '{p.var.name}' is a vector")
            else:
                if p.mode not in ("in", "out", "result"):
                    self.fail("module", f"parameter '{p.buffer.name}' has mode '{p.mode}'")
                self.declare(p.buffer)
                self.modes[p.buffer.name] = p.mode
        self.block(self.function.body, "body")

    def block(self, block: Block, field: str) -> None:
        self.scopes.append({})
        self.stmts(block, field)
        self.scopes.pop()

    def stmts(self, block: Block, field: str) -> None:
        for i, s in enumerate(block.stmts):
            self.path.append(f"{field}[{i}]:{type(s).__name__.lower()}")
            self.stmt(s)
            self.path.pop()

    def stmt(self, s: Stmt) -> None:
        if self.in_tile and not isinstance(s, _IN_TILE):
            self.fail("tile", f"a tile contains {type(s).__name__.lower()}")
        match s:
            case Block():
                self.block(s, "block")
            case Let() | Decl():
                value = s.value if isinstance(s, Let) else s.init
                self.wants(value, s.var.type, f"the value of '{s.var.name}'")
                self.declare(s.var)
                if isinstance(s, Decl):
                    self.mutable[s.var.name] = self.parallel
            case Set():
                self.set(s)
            case Store():
                self.store(s)
            case For():
                self.for_(s)
            case ParallelFor():
                self.parallel_for(s)
            case While():
                self.condition(s.cond)
                self.line(s.note)
                self.block(s.body, "body")
            case If():
                self.condition(s.cond)
                self.line(s.note)
                self.block(s.then, "then")
                self.block(s.orelse, "else")
            case Alloc():
                self.alloc(s)
            case Grow():
                self.own(s.buffer)
                self.mutates(s.capacity)
                self.address(Var(s.capacity.name, s.capacity.type), "the capacity")
                self.address(s.needed, "the size needed")
            case Free():
                self.own(s.buffer)
            case Publish():
                self.publish(s)
            case Abort():
                if s.code not in ABORT_CODES:
                    self.fail("abort", f"there is no code '{s.code}'")
            case Prefetch():
                self.lookup(s.buffer)
                self.address(s.index, "the index")
            case AtomicAdd():
                self.store(Store(s.buffer, s.index, s.value))
                if not s.buffer.dtype.is_integer or isinstance(s.value.type, Vec):
                    self.fail("atomic", f"it adds {s.value.type} to '{s.buffer.name}'")
            case Call():
                self.call(s)
            case Tile():
                self.tile(s)
            case Comment():
                self.line(s.text)
            case Barrier():
                pass
            case _:
                self.fail("module", f"{type(s).__name__} is no statement")

    def mutates(self, var: Var) -> None:
        self.lookup(var)
        if var.name not in self.mutable:
            self.fail("mutable", f"'{var.name}' is not a 'var'")
        if self.mutable[var.name] != self.parallel:
            self.fail("mutable", f"'{var.name}' is declared outside the parallel loop that sets it")

    def set(self, s: Set) -> None:
        self.mutates(s.var)
        self.wants(s.value, s.var.type, f"the value of '{s.var.name}'")

    def store(self, s: Store) -> None:
        self.lookup(s.buffer)
        if self.modes.get(s.buffer.name) in ("in", "result"):
            self.fail("access", f"'{s.buffer.name}' is a parameter of mode {self.modes[s.buffer.name]}")
        t = self.expr(s.value)
        if scalar(t) != s.buffer.dtype:
            self.fail("type", f"a value of {t} is stored to '{s.buffer.name}' of {s.buffer.dtype}")
        self.index(s.index, t)
        self.mask(s.mask, t)

    def index(self, index: Expr, accessed: Type) -> None:
        t = self.expr(index)
        if scalar(t) != I64:
            self.fail("address", f"an index is {t}")
        if isinstance(t, Vec) and (not isinstance(accessed, Vec) or accessed.lanes != t.lanes):
            self.fail("type", f"an index of {t} accesses {accessed}")

    def mask(self, mask: Expr | None, masked: Type) -> None:
        if mask is not None:
            t = self.expr(mask)
            want: Type = Vec(BOOL, masked.lanes) if isinstance(masked, Vec) else BOOL
            if t != want:
                self.fail("condition", f"a mask of {t} stands on {masked}")

    def for_(self, s: For) -> None:
        self.address(s.lo, "the lower bound")
        self.address(s.hi, "the upper bound")
        self.line(s.note)
        if not isinstance(s.step, int) or s.step < 1:
            self.fail("loop", f"the step is {s.step}")
        if not re.fullmatch(r"(unroll|rest|vector<[1-9]\d*>)?", s.mark):
            self.fail("loop", f"the mark is '{s.mark}'")
        self.scopes.append({})
        self.index_var(s.var)
        self.block(s.body, "body")
        self.scopes.pop()

    def index_var(self, var: Var) -> None:
        if var.type != I64:
            self.fail("address", f"loop variable '{var.name}' is {var.type}")
        self.declare(var)

    def parallel_for(self, s: ParallelFor) -> None:
        if self.parallel:
            self.fail("loop", "a parallel loop stands inside another")
        for e, what in ((s.lo, "the lower bound"), (s.hi, "the upper bound"), (s.grain, "the grain")):
            self.address(e, what)
        self.line(s.note)
        self.parallel += 1
        self.scopes.append({})
        self.stmts(s.setup, "setup")
        self.index_var(s.var)
        self.block(s.body, "body")
        self.scopes.pop()
        self.parallel -= 1

    def alloc(self, s: Alloc) -> None:
        self.address(s.size, "the size")
        if s.init is not None:
            self.wants(s.init, s.buffer.dtype, "the initial value")
        if s.space not in ("heap", "stack"):
            self.fail("alloc", f"there is no space '{s.space}'")
        if s.space == "stack" and not (isinstance(s.size, Const) and int(s.size.value) >= 0):  # type: ignore[call-overload]
            self.fail("alloc", f"the size of '{s.buffer.name}' is not a constant")
        self.declare(s.buffer)
        if s.space == "heap":
            self.heap[s.buffer.name] = self.parallel

    def own(self, buffer: Buffer) -> None:
        self.lookup(buffer)
        if buffer.name not in self.heap:
            self.fail("own", f"'{buffer.name}' is not on this function's heap")
        if self.heap[buffer.name] != self.parallel:
            self.fail("own", f"'{buffer.name}' is allocated outside the parallel loop")

    def publish(self, s: Publish) -> None:
        self.own(s.buffer)
        self.address(s.length, "the length")
        if self.parallel:
            self.fail("publish", f"'{s.buffer.name}' is published in a parallel loop")
        if self.modes.get(s.result) != "result":
            self.fail("publish", f"'{s.result}' is no result parameter")
        target = self.scopes[0][s.result]
        assert isinstance(target, Buffer)
        if target.dtype != s.buffer.dtype:
            self.fail("publish", f"'{s.buffer.name}' of {s.buffer.dtype} goes to '{s.result}' of {target.dtype}")

    def call(self, s: Call) -> None:
        target = self.functions.get(s.function)
        if target is None:
            self.fail("call", f"there is no function '{s.function}'")
        if len(target.params) != len(s.args):
            self.fail("call", f"'{s.function}' takes {len(target.params)} arguments, not {len(s.args)}")
        for p, a in zip(target.params, s.args, strict=True):
            if isinstance(p, BufferParam):
                if not isinstance(a, Buffer):
                    self.fail("call", f"'{p.buffer.name}' of '{s.function}' wants a buffer")
                self.lookup(a)
                mode = self.modes.get(a.name, "own")
                if a.dtype != p.buffer.dtype or (p.mode == "result") != (mode == "result"):
                    self.fail("call", f"'{a.name}' does not fit '{p.buffer.name}' of '{s.function}'")
                if p.mode == "out" and mode == "in":
                    self.fail("access", f"'{a.name}' is a parameter of mode in")
            elif isinstance(a, Buffer):
                self.fail("call", f"'{p.var.name}' of '{s.function}' wants a scalar")
            else:
                self.wants(a, p.var.type, f"'{p.var.name}' of '{s.function}'")

    def tile(self, s: Tile) -> None:
        if not s.vars or len(s.vars) != len(s.extents) or any(n < 1 for n in s.extents):
            self.fail("tile", f"{len(s.vars)} variables have the extents {s.extents}")
        outer, self.in_tile = self.in_tile, True
        self.scopes.append({})
        for v in s.vars:
            self.index_var(v)
        self.block(s.body, "body")
        self.scopes.pop()
        self.in_tile = outer

    # expressions

    def wants(self, e: Expr, t: Type, what: str) -> None:
        found = self.expr(e)
        if found != t:
            self.fail("type", f"{what} is {found}, not {t}")

    def address(self, e: Expr, what: str) -> None:
        t = self.expr(e)
        if t != I64:
            self.fail("address", f"{what} is {t}")

    def condition(self, e: Expr) -> None:
        t = self.expr(e)
        if t != BOOL:
            self.fail("condition", f"the condition is {t}")

    def expr(self, e: Expr) -> Type:
        match e:
            case Const():
                self.const(e)
            case Var():
                self.lookup(e)
            case Load():
                self.load(e)
            case Op():
                self.op(e)
            case _:
                self.fail("type", f"{type(e).__name__} is no expression")
        if isinstance(e.type, Vec) and e.type.lanes < 1:
            self.fail("type", f"{e.type} has no lanes")
        return e.type

    def const(self, e: Const) -> None:
        t, v = scalar(e.type), e.value
        if hasattr(v, "item"):
            v = v.item()
        if not t.holds(v):
            self.fail("const", f"{v!r} is no constant of {t}")

    def load(self, e: Load) -> None:
        self.lookup(e.buffer)
        if self.modes.get(e.buffer.name) == "result":
            self.fail("access", f"'{e.buffer.name}' is a parameter of mode result")
        if scalar(e.type) != e.buffer.dtype:
            self.fail("type", f"a load from '{e.buffer.name}' of {e.buffer.dtype} is {e.type}")
        self.index(e.index, e.type)
        self.mask(e.mask, e.type)

    def op(self, e: Op) -> None:
        args = tuple(self.expr(a) for a in e.args)
        types = tuple(scalar(t) for t in args)
        if e.op not in ops.OPS and e.op not in EXTRA_OPS:
            self.fail("op", f"there is no operator '{e.op}'")
        arity = ops.OPS[e.op].arity if e.op in ops.OPS else EXTRA_ARITY[e.op]
        if len(args) != arity:
            self.fail("op", f"'{e.op}' takes {arity} arguments, not {len(args)}")
        if e.op in ("splat", "iota"):
            if not isinstance(e.type, Vec) or any(t != e.type.dtype for t in args):
                self.fail("type", f"'{e.op}' of {', '.join(map(str, args))} is {e.type}")
            return
        lanes = {t.lanes if isinstance(t, Vec) else 0 for t in args}
        if len(lanes) != 1:
            self.fail("type", f"'{e.op}' mixes {', '.join(map(str, args))}")
        if e.op == "bitmask":
            if not isinstance(args[0], Vec) or types[0] is not BOOL or args[0].lanes > 64:
                self.fail("type", f"'bitmask' takes up to 64 bool lanes, not {args[0]}")
            want: Type = U64
        elif e.op.startswith("reduce_"):
            want = types[0]
            if not isinstance(args[0], Vec):
                self.fail("type", f"'{e.op}' reduces {args[0]}")
        else:
            inner = self.result(e.op, types, scalar(e.type))
            width = lanes.pop()
            want = Vec(inner, width) if width else inner
        if e.type != want:
            self.fail("type", f"'{e.op}' of {', '.join(map(str, args))} is {e.type}, not {want}")

    def result(self, op: str, types: tuple[DType, ...], said: DType) -> DType:
        """The element type of an operator on these; fails where it is not defined for them."""
        first = types[0]
        if op == "cast":
            return said
        if op == "select":
            if first is not BOOL or types[1] != types[2]:
                self.fail("op", f"'select' chooses by {first} between {types[1]} and {types[2]}")
            return types[1]
        if any(t != first for t in types):
            self.fail("op", f"'{op}' mixes {', '.join(map(str, types))}")
        if op in ops.OPS:
            good = ops.admits(op, first)
        else:
            good = first is not BOOL and (first.is_integer or op not in ("shl", "shr", "ctz", "popcount"))
        if not good:
            self.fail("op", f"'{op}' is not defined for {first}")
        return ops.result_dtype(op, types) if op in ops.OPS else first


EXTRA_ARITY = {"shl": 2, "shr": 2, "ctz": 1, "popcount": 1, "fma": 3, "radd": 2, "splat": 1, "iota": 0}
EXTRA_ARITY |= dict.fromkeys(("reduce_add", "reduce_mul", "reduce_min", "reduce_max", "bitmask"), 1)


def _show(node: Var | Buffer) -> str:
    if isinstance(node, Var):
        return f"a local of {node.type}"
    o = node.origin
    return f"a buffer of {node.dtype}" + (f" @{o.tensor}.{o.level}.{o.role}" if o else "")


__all__ = ["EXTRA_ARITY", "RULES", "verify"]
