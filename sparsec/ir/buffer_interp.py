"""The reference interpreter of buffer IR: slow, checked at every access, the oracle of passes and backends.

What all backends agree on, where the node's docstrings leave it open:

- ``and``, ``or``, ``select`` evaluate all their operands, so a load in them is in bounds whatever the others say; a
  load or store that may be out of bounds takes a mask.  A masked-off lane (or scalar) loads 0 and stores nothing.
- A vector store evaluates value and mask for all lanes, then writes in lane order.
- Integers wrap.  Division and remainder by zero are 0, the least integer by -1 wraps.  ``shl`` and ``shr`` by less
  than 0 or at least the width give 0.  A float cast to an integer that cannot hold it gives some integer; a cast to
  bool is != 0.
- A complex number cast to a real type loses its imaginary part; as a bool it is != 0.
- f16 and bf16 compute in f32 and round after every operator; a cast to bf16 rounds to f32 first.
- ``Alloc`` of a negative or overflowing size aborts with "memory".  Memory without ``init`` holds anything (here: NaN,
  and large integers, to show in results).
- ``Grow`` does nothing where ``needed`` <= ``capacity``.  The bounds of a ``For`` are evaluated once.
- A published buffer belongs to the caller at once: the function does not touch it again.  Publishing to a result again
  drops the former.  A function that aborts publishes nothing.
- The iterations of a ``ParallelFor`` run here one after the other, by three workers that take chunks in turn.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from sparsec.errors import BackendError
from sparsec.ir import ops
from sparsec.ir.buffer import (
    Abort,
    Alloc,
    AtomicAdd,
    Barrier,
    Block,
    Buffer,
    Call,
    Comment,
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
    Var,
    Vec,
    While,
    scalar,
)
from sparsec.ir.buffer_text import print_expr
from sparsec.ir.dtypes import BF16, BOOL, F64, DType, round_bf16

Value = Any
"""bool, int (integers of any width) and float (f64) are Python's, other scalars and all vectors are NumPy's; bf16 is
held in f32."""

WORKERS = 3


class _Aborted(Exception):
    def __init__(self, code: str) -> None:
        self.code = code


@dataclass(slots=True)
class Storage:
    """What a buffer's name stands for while a function runs; ``array`` is None once it is gone."""

    array: np.ndarray | None


def run(module: Module, args: Mapping[str, np.ndarray | int | float | bool | complex]) -> dict[str, np.ndarray]:
    """Run the entry function; gives the published arrays by the name of their result parameter.

    ``args`` has, by name, a one-dimensional array for every "in" and "out" parameter ("out" is written in place) and a
    number for every scalar.  Raises ``BackendError``: for arguments that do not fit, for an access out of bounds (with
    the tensor, level and role of the buffer), and with the name of the code when the function aborts.
    """
    entry = module.entry
    known = {p.var.name if isinstance(p, ScalarParam) else p.buffer.name for p in entry.params}
    if unknown := args.keys() - known:
        raise BackendError(f"'{entry.name}' has no parameter called {', '.join(sorted(unknown))}")
    frame = _Frame(module, entry)
    for p in entry.params:
        if isinstance(p, ScalarParam):
            frame.env[p.var.name] = _lower(
                np.asarray(_argument(args, p.var.name)).astype(_held(p.var.type)), p.var.type
            )
        elif p.mode == "result":
            frame.results[p.buffer.name] = Storage(None)
        else:
            frame.buffers[p.buffer.name] = Storage(_array(_argument(args, p.buffer.name), p.buffer, p.mode))
    try:
        with np.errstate(all="ignore"):
            frame.block(entry.body)
    except _Aborted as stop:
        raise BackendError(f"the kernel stopped with '{stop.code}'") from None
    out = {}
    for name, storage in frame.results.items():
        if storage.array is None:
            raise BackendError(f"'{entry.name}' did not publish its result '{name}'")
        out[name] = storage.array
    return out


def _argument(args: Mapping[str, Any], name: str) -> Any:
    if name not in args:
        raise BackendError(f"an argument for '{name}' is missing")
    return args[name]


def _array(value: Any, buffer: Buffer, mode: str) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype != buffer.dtype.np or value.ndim != 1:
        found = f"{value.ndim}-d array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise BackendError(f"'{buffer.name}' wants a 1-d array of {buffer.dtype.np}, not a {found}")
    if mode == "out" and not value.flags.writeable:
        raise BackendError(f"'{buffer.name}' is written, but its array is read-only")
    return value


# scalars


def _held(t: Any) -> np.dtype:
    """The NumPy type that values of a type are held in."""
    return np.dtype("float32") if scalar(t) is BF16 else scalar(t).np


def _wrap(value: int, t: DType) -> int:
    value &= (1 << t.bits) - 1
    return value - (1 << t.bits) if t.kind == "i" and value >> (t.bits - 1) else value


def _lift(value: Value, t: Any) -> Value:
    """A value as NumPy has it."""
    return value if isinstance(value, np.generic | np.ndarray) else _held(t).type(value)


def _lower(value: Value, t: Any) -> Value:
    """A NumPy value as it is held."""
    if isinstance(t, Vec):
        return value
    return value.item() if t.kind in "bui" or t is F64 else value[()]


def _to_storage(value: Value, t: DType) -> Value:
    return (np.asarray(value, np.float32).view(np.uint32) >> 16).astype(np.uint16) if t is BF16 else value


def _from_storage(array: Value, t: DType) -> Value:
    return (array.astype(np.uint32) << np.uint32(16)).view(np.float32) if t is BF16 else array


_COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
_INTS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "radd": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "min": min,
    "max": max,
    "neg": operator.neg,
    "floordiv": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else 0,
    "fma": lambda a, b, c: a * b + c,
}
_FLOATS = {name: _INTS[name] for name in ("add", "radd", "sub", "mul", "neg", "fma")}
_BOOLS: dict[str, Callable[..., Any]] = {
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "not": operator.not_,
}


def _bits(op: str, value: int, by: int, t: DType) -> int:
    """shl, shr, ctz, popcount of one integer."""
    plain = value & ((1 << t.bits) - 1)
    if op == "ctz":
        return (plain & -plain).bit_length() - 1 if plain else t.bits
    if op == "popcount":
        return plain.bit_count()
    if not 0 <= by < t.bits:
        return 0
    return _wrap(plain << by if op == "shl" else plain >> by, t)


def apply(op: str, args: tuple[Value, ...], types: tuple[Any, ...], t: Any) -> Value:
    """The operator ``op`` on held values; ``types`` are those of the arguments, ``t`` that of the outcome."""
    if not isinstance(t, Vec):
        first = scalar(types[0])
        if first.is_integer:
            if op in _INTS:
                return _wrap(_INTS[op](*args), t)
            if op in _COMPARE:
                return _COMPARE[op](*args)
            if op == "cast" and t.is_integer:
                return _wrap(args[0], t)
        elif first is F64:
            if op in _FLOATS:
                return _FLOATS[op](*args)
            if op in _COMPARE:
                return _COMPARE[op](*args)
        elif first is BOOL and op in _BOOLS:
            return _BOOLS[op](*args)
        if op == "select":
            return args[1] if args[0] else args[2]
    return _lower(_general(op, args, types, t), t)


def _general(op: str, args: tuple[Value, ...], types: tuple[Any, ...], t: Any) -> Value:
    inner = scalar(t)
    if op == "iota":
        return np.arange(t.lanes).astype(_held(t))
    if op == "splat":
        return np.full(t.lanes, args[0], _held(t))
    if op == "bitmask":
        return np.uint64(sum(1 << k for k, lane in enumerate(args[0]) if lane))
    values = tuple(_lift(a, s) for a, s in zip(args, types, strict=True))
    if op in ("shl", "shr", "ctz", "popcount"):
        pairs = np.broadcast_arrays(values[0], values[-1])
        found = [_bits(op, int(a), int(b), inner) for a, b in zip(pairs[0].flat, pairs[1].flat, strict=True)]
        return np.array(found, inner.np).reshape(pairs[0].shape)[()]
    if op.startswith("reduce_"):
        op = op.removeprefix("reduce_")
        total = values[0][0]
        for lane in values[0][1:]:
            total = _general(op, (total, lane), (t, t), t)
        return total
    if op == "fma":
        return _general("add", (_general("mul", values[:2], types[:2], t), values[2]), (t, t), t)
    return ops.evaluate("add" if op == "radd" else op, values, inner)


# functions


class _Frame:
    """One activation of a function, or one worker of a parallel loop of it."""

    def __init__(self, module: Module, function: Function) -> None:
        self.module = module
        self.function = function
        self.env: dict[str, Value] = {}
        self.buffers: dict[str, Storage] = {}
        self.results: dict[str, Storage] = {}

    def block(self, block: Block) -> None:
        for s in block.stmts:
            _STATEMENTS[type(s)](self, s)

    def fail(self, buffer: Buffer, message: str) -> NoReturn:
        o = buffer.origin
        where = f" (tensor {o.tensor}, {f'level {o.level}, ' if o.level >= 0 else ''}{o.role})" if o else ""
        raise BackendError(f"buffer '{buffer.name}'{where}: {message}, in function '{self.function.name}'")

    def storage(self, buffer: Buffer) -> np.ndarray:
        found = self.buffers.get(buffer.name)
        if found is None or found.array is None:
            self.fail(buffer, "used while it is not allocated")
        return found.array

    # expressions

    def value(self, e: Expr) -> Value:
        if isinstance(e, Var):
            return self.env[e.name]
        if isinstance(e, Op):
            args = tuple([self.value(a) for a in e.args])
            return apply(e.op, args, tuple([a.type for a in e.args]) or (e.type,), e.type)
        if isinstance(e, Load):
            return self.load(e)
        if isinstance(e.type, Vec):
            held = np.full(e.type.lanes, e.value, _held(e.type))
            return round_bf16(held) if e.type.dtype is BF16 else held
        held = np.asarray(e.value, _held(e.type))
        return _lower(round_bf16(held) if e.type is BF16 else held, e.type)

    def positions(self, buffer: Buffer, index: Expr, lanes: int, mask: Expr | None, what: Any) -> tuple[Value, Value]:
        """Checked positions of an access and its mask, both arrays."""
        at = np.atleast_1d(np.asarray(self.value(index), np.int64))
        if len(at) != lanes:
            at = at[0] + np.arange(lanes)
        on = np.ones(lanes, bool) if mask is None else np.atleast_1d(np.asarray(self.value(mask), bool))
        size = self.storage(buffer).size
        bad = on & ((at < 0) | (at >= size))
        if bad.any():
            text = print_expr(what) if isinstance(what, Load) else "a store"
            self.fail(buffer, f"index {at[bad][0]} is outside its {size} elements, in {text}")
        return at, on

    def load(self, e: Load) -> Value:
        array = self.storage(e.buffer)
        if not isinstance(e.type, Vec):
            if e.mask is not None and not self.value(e.mask):
                return _lower(np.zeros((), _held(e.type)), e.type)
            at = self.value(e.index)
            if not 0 <= at < array.size:
                self.fail(e.buffer, f"index {at} is outside its {array.size} elements, in {print_expr(e)}")
            return _lower(_from_storage(array[at], e.type), e.type)
        at, on = self.positions(e.buffer, e.index, e.type.lanes, e.mask, e)
        out = np.zeros(e.type.lanes, _held(e.type))
        out[on] = _from_storage(array[at[on]], e.type.dtype)
        return out

    # statements

    def let(self, s: Let | Set) -> None:
        self.env[s.var.name] = self.value(s.value)

    def decl(self, s: Decl) -> None:
        self.env[s.var.name] = self.value(s.init)

    def store(self, s: Store) -> None:
        array, value = self.storage(s.buffer), self.value(s.value)
        lanes = s.value.type.lanes if isinstance(s.value.type, Vec) else 1
        at, on = self.positions(s.buffer, s.index, lanes, s.mask, s)
        array[at[on]] = np.atleast_1d(_to_storage(value, s.buffer.dtype))[on]

    def for_(self, s: For) -> None:
        for i in range(self.value(s.lo), self.value(s.hi), s.step):
            self.env[s.var.name] = i
            self.block(s.body)

    def parallel(self, s: ParallelFor) -> None:
        lo, hi, grain = self.value(s.lo), self.value(s.hi), max(1, self.value(s.grain))
        chunks = range(lo, hi, grain)
        for worker in range(min(WORKERS, len(chunks))):
            frame = _Frame(self.module, self.function)
            frame.env, frame.buffers = dict(self.env), dict(self.buffers)
            frame.block(s.setup)
            for start in chunks[worker::WORKERS]:
                for i in range(start, min(start + grain, hi)):
                    frame.env[s.var.name] = i
                    frame.block(s.body)

    def while_(self, s: While) -> None:
        while self.value(s.cond):
            self.block(s.body)

    def if_(self, s: If) -> None:
        self.block(s.then if self.value(s.cond) else s.orelse)

    def tile(self, s: Tile) -> None:
        for at in np.ndindex(*s.extents):
            self.env.update(zip((v.name for v in s.vars), at, strict=True))
            self.block(s.body)

    def alloc(self, s: Alloc) -> None:
        array = _memory(s.buffer.dtype, self.value(s.size))
        if s.init is not None:
            array[:] = _to_storage(self.value(s.init), s.buffer.dtype)
        self.buffers[s.buffer.name] = Storage(array)

    def grow(self, s: Grow) -> None:
        array, capacity, needed = self.storage(s.buffer), self.env[s.capacity.name], self.value(s.needed)
        if capacity > array.size:
            self.fail(s.buffer, f"its capacity is said to be {capacity}, but it has {array.size} elements")
        if needed > capacity:
            grown = _memory(s.buffer.dtype, max(needed, 2 * capacity))
            grown[:capacity] = array[:capacity]
            self.buffers[s.buffer.name].array = grown
            self.env[s.capacity.name] = grown.size

    def free(self, s: Free) -> None:
        self.storage(s.buffer)
        self.buffers[s.buffer.name].array = None

    def publish(self, s: Publish) -> None:
        array, length = self.storage(s.buffer), self.value(s.length)
        if not 0 <= length <= array.size:
            self.fail(s.buffer, f"{length} of its {array.size} elements are published")
        self.results[s.result].array = array[:length].copy()
        self.buffers[s.buffer.name].array = None

    def abort(self, s: Abort) -> None:
        raise _Aborted(s.code)

    def prefetch(self, s: Prefetch) -> None:
        self.value(s.index)

    def nothing(self, s: Stmt) -> None:
        pass

    def atomic_add(self, s: AtomicAdd) -> None:
        t = s.buffer.dtype
        total = Op("add", (Load(s.buffer, s.index, t), s.value), t)
        self.store(Store(s.buffer, s.index, total))

    def call(self, s: Call) -> None:
        target = next(f for f in self.module.functions if f.name == s.function)
        frame = _Frame(self.module, target)
        for p, a in zip(target.params, s.args, strict=True):
            if isinstance(p, ScalarParam):
                frame.env[p.var.name] = self.value(a)  # type: ignore[arg-type]
            elif p.mode == "result":
                frame.results[p.buffer.name] = self.results[a.name]  # type: ignore[union-attr]
            else:
                frame.buffers[p.buffer.name] = Storage(self.storage(a))  # type: ignore[arg-type]
        frame.block(target.body)


def _memory(dtype: DType, size: int) -> np.ndarray:
    """Memory with conspicuous contents; aborts with "memory" where there is none."""
    if size < 0 or size * dtype.nbytes >= 2**63:
        raise _Aborted("memory")
    try:
        array = np.empty(size, dtype.np)
        array.fill(
            True
            if dtype is BOOL
            else 0x7FC0
            if dtype is BF16
            else np.iinfo(dtype.np).max
            if dtype.is_integer
            else np.nan
        )
    except MemoryError:
        raise _Aborted("memory") from None
    return array


_STATEMENTS: dict[type, Callable[[_Frame, Any], None]] = {
    Block: _Frame.block,
    Let: _Frame.let,
    Decl: _Frame.decl,
    Set: _Frame.let,
    Store: _Frame.store,
    For: _Frame.for_,
    ParallelFor: _Frame.parallel,
    While: _Frame.while_,
    If: _Frame.if_,
    Alloc: _Frame.alloc,
    Grow: _Frame.grow,
    Free: _Frame.free,
    Publish: _Frame.publish,
    Abort: _Frame.abort,
    Prefetch: _Frame.prefetch,
    Barrier: _Frame.nothing,
    Comment: _Frame.nothing,
    AtomicAdd: _Frame.atomic_add,
    Call: _Frame.call,
    Tile: _Frame.tile,
}

__all__ = ["apply", "run"]
