"""Statements and expressions of one function as LLVM instructions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sparsec.backends.cpu.bfloat import narrow, widen
from sparsec.backends.cpu.code import Code, ModuleText, literal, ll, memory_suffix, memory_type, quoted
from sparsec.backends.cpu.ops import emit_op
from sparsec.errors import BackendError
from sparsec.ir.buffer import (
    ABORT_CODES,
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
from sparsec.ir.dtypes import BF16, BOOL, I64
from sparsec.ir.rewrite import walk

STACK_LIMIT = 1 << 16
"""Bytes; a larger "stack" buffer lives on the heap, since threads have small stacks."""

FULL_UNROLL = 64
UNROLL = 4
_MAX = (1 << 63) - 1


_HUGE_PAGES = """define internal void @huge_pages(ptr %memory, i64 %bytes) nounwind noinline {
  %large = icmp uge i64 %bytes, 4194304
  br i1 %large, label %ask, label %done
ask:
  %address = ptrtoint ptr %memory to i64
  %before = and i64 %address, 4095
  %base = sub i64 0, %before
  %page = getelementptr i8, ptr %memory, i64 %base
  %length = add i64 %bytes, %before
  %answer = call i32 @madvise(ptr %page, i64 %length, i32 14)
  br label %done
done:
  ret void
}"""

_FREE_ALL = """define internal void @free_all(ptr %held, i64 %count) nounwind noinline {
  br label %next
next:
  %n = phi i64 [ 0, %0 ], [ %following, %one ]
  %more = icmp ult i64 %n, %count
  br i1 %more, label %one, label %done
one:
  %at = getelementptr inbounds ptr, ptr %held, i64 %n
  %memory = load ptr, ptr %at
  call void @free(ptr %memory)
  %following = add nuw i64 %n, 1
  br label %next
done:
  ret void
}"""

_GROWN = """define internal noalias ptr @grown(ptr %memory, i64 %size, i64 %item, i64 %most) nounwind noinline cold {
  %large = icmp ugt i64 %size, %most
  br i1 %large, label %none, label %some
some:
  %bytes = mul nuw nsw i64 %size, %item
  %new = call ptr @realloc(ptr %memory, i64 %bytes)
  %failed = icmp eq ptr %new, null
  br i1 %failed, label %none, label %done
done:
  HUGE_PAGES
  ret ptr %new
none:
  ret ptr null
}"""

_SEGMENT = ['!"llvm.loop.vectorize.width", i32 8', '!"llvm.loop.interleave.count", i32 1']
"""A sum over a stretch of a compressed level is often short: rounds of eight with a scalar rest, instead of the wide
rounds that LLVM takes for dense loops.  CSR SpMV, f64, ms on two threads of Zen 4 (eight, eight masked, scalar, SciPy
on one): rows of 3 entries .09 .23 .09 .15, of 4 .10 .23 .10 .19, of 8 .37 .44 .30 .63, of 20 .96 1.23 1.56 2.3, of 200
.88 1.1 1.1 2.2, of 1,500 .91 1.0 1.8 2.8."""


def _sums_a_segment(s: For) -> bool:
    """Whether the loop starts somewhere in a buffer and does nothing but compute and accumulate.

    What is read while it accumulates, as a scan's running value is, is no sum of a segment: LLVM would say so to the
    user's terminal.
    """
    if isinstance(s.lo, Const) or s.step != 1:
        return False
    sets = [t for t in s.body.stmts if isinstance(t, Set)]
    if not sets or not all(map(_accumulates, sets)):
        return False
    if not all(isinstance(t, Let | Comment | Set) for t in s.body.stmts):
        return False
    read = [n for t in s.body.stmts if isinstance(t, Let | Set) for n in walk(t.value)]
    return all(read.count(t.var) == 1 for t in sets)


def _accumulates(s: Set) -> bool:
    e, t = s.value, s.var.type
    if isinstance(t, Vec) or not isinstance(e, Op) or s.var not in e.args:
        return False
    return e.op in ("radd", "min", "max") or (e.op in ("add", "mul") and t.is_integer)


def pointer_attributes(p: BufferParam) -> str:
    """What LLVM may assume of a buffer parameter: nothing else of the call refers to what is written through it."""
    if p.mode == "result":
        return "noalias"
    return f"noalias align {p.buffer.dtype.nbytes}" + (" readonly" if p.mode == "in" else "")


def from_memory(c: Code, value: str, t: Type) -> str:
    """An element (or contiguous lanes) as loaded, as a value in a register."""
    if scalar(t) is BF16:
        return widen(c, value, t)
    if scalar(t) is BOOL:
        return c.ins(f"icmp ne {memory_type(t)} {value}, {'zeroinitializer' if isinstance(t, Vec) else 0}")
    return value


def to_memory(c: Code, value: str, t: Type) -> str:
    """A value in a register as it is stored."""
    if scalar(t) is BF16:
        return narrow(c, value, t)
    return c.ins(f"zext {ll(t)} {value} to {memory_type(t)}") if scalar(t) is BOOL else value


class Emitter:
    """Writes one LLVM function; names of locals stand for SSA values, stack slots or pointers.

    With a ``parent`` it writes the worker of a parallel loop: names unknown here are captured from the parent by value.
    """

    def __init__(
        self,
        module: ModuleText,
        name: str,
        functions: dict[str, Function],
        parallel: Callable[[Emitter, ParallelFor], None],
        parent: Emitter | None = None,
    ) -> None:
        self.module = module
        self.name = name
        self.functions = functions
        self.emit_parallel = parallel
        self.parent = parent
        self.threads = "%threads" if parent is None else "1"
        self.c = Code(module)
        self.values: dict[str, str] = {}
        self.slots: dict[str, str] = {}
        self.pointers: dict[str, str] = {}
        self.results: dict[str, str] = {}
        self.heap: dict[str, str] = {}
        self.captured: list[tuple[str, str, str]] = []
        """(name in the parent, LLVM type with attributes, value in the parent)."""
        self.attributes_of: dict[str, str] = {}
        self.contexts: dict[str, str] = {}
        """The stack slots of what parallel loops are given, by type."""
        self.loops = 0
        self.status = self.c.name()
        self.places: dict[str, int] = {}
        self.held = self.c.name()
        """An array of what ``heap`` holds, for the way out: were the slots read there, each, promoted to a register,
        would have as many values as there are ways to get there, and LLVM would take time cubic in their number.
        ``places`` says where in it."""

    # the function as a whole

    def attributes(self) -> str:
        return "noinline nounwind"

    def finish(self) -> None:
        """End the last block and write the way out."""
        c = self.c
        c.jump("leave")
        c.start("leave")
        if self.heap:
            self.module.declare("free", "declare void @free(ptr) nounwind")
            self.module.helpers.setdefault("free_all", _FREE_ALL)
            self.module.intrinsic("llvm.memset.p0.i64", "void", "ptr", "i8", "i64", "i1")
            c.do(f"call void @free_all(ptr {self.held}, i64 {len(self.heap)})")
        status = c.ins(f"load i64, ptr {self.status}")
        if self.results:
            failed = c.ins(f"icmp ne i64 {status}, 0")
            c.branch(failed, "withdraw", "done")
            c.start("withdraw")
            for result in self.results.values():
                self.free(c.ins(f"load ptr, ptr {result}"))
                c.do(f"store i64 0, ptr {result}")
                c.do(f"store i64 0, ptr {c.ins(f'getelementptr inbounds i64, ptr {result}, i64 1')}")
            c.jump("done")
            c.start("done")
        c.do(f"ret i64 {status}")

    def text(self) -> str:
        start = ["entry:", *self.c.entry, f"  {self.status} = alloca i64", f"  store i64 0, ptr {self.status}"]
        start += [f"  store ptr null, ptr {slot}" for slot in self.heap.values()]
        if self.heap:
            start.append(f"  {self.held} = alloca [{len(self.heap)} x ptr]")
            start.append(f"  call void @llvm.memset.p0.i64(ptr {self.held}, i8 0, i64 {8 * len(self.heap)}, i1 false)")
        return "\n".join([*start, *self.c.lines])

    def abort(self, status: str) -> None:
        """Leave the function with ``status``; what follows starts a block of its own."""
        self.c.do(f"store i64 {status}, ptr {self.status}")
        self.c.jump("leave")

    def abort_if(self, cond: str, status: str) -> None:
        c = self.c
        bad, good = c.new_label("bad"), c.new_label("good")
        c.branch(cond, bad, good, self.module.unlikely())
        c.start(bad)
        self.abort(status)
        c.start(good)

    # names

    def _capture(self, name: str, type_: str, value: str) -> str:
        self.captured.append((name, type_, value))
        return f"%c{len(self.captured) - 1}"

    def value_of(self, name: str, t: Type) -> str:
        if name in self.slots:
            return self.c.ins(f"load {ll(t)}, ptr {self.slots[name]}")
        if name not in self.values:
            if self.parent is None:
                raise BackendError(f"'{name}' is used in function '{self.name}' before its declaration")
            self.values[name] = self._capture(name, ll(t), self.parent.value_of(name, t))
        return self.values[name]

    def pointer(self, name: str) -> str:
        if name in self.heap:
            return self.c.ins(f"load ptr, ptr {self.heap[name]}")
        if name not in self.pointers:
            if self.parent is None:
                raise BackendError(f"buffer '{name}' is used in function '{self.name}' before its declaration")
            value = self.parent.pointer(name)
            attributes = self.parent.attributes_of.get(name, "noalias")
            self.attributes_of[name] = attributes
            self.pointers[name] = self._capture(name, f"ptr {attributes}", value)
        return self.pointers[name]

    # expressions

    def expr(self, e: Expr) -> str:
        if isinstance(e, Op):
            args = [self.expr(a) for a in e.args]
            return emit_op(self.c, e.op, args, e.args[0].type if e.args else e.type, e.type)
        if isinstance(e, Var):
            return self.value_of(e.name, e.type)
        if isinstance(e, Const):
            return literal(e.value, e.type)
        return self.load(e)

    def address(self, buffer: Buffer, index: Expr, at: str) -> str:
        """``getelementptr`` of one element, or of many for a vector of indices."""
        element, base = memory_type(buffer.dtype), self.pointer(buffer.name)
        return self.c.ins(f"getelementptr inbounds {element}, ptr {base}, {ll(index.type)} {at}")

    def load(self, e: Load) -> str:
        if e.mask is not None and not isinstance(e.type, Vec):
            return self.load_if(e)
        c, t = self.c, e.type
        at = self.expr(e.index)
        mask = None if e.mask is None else self.expr(e.mask)
        where = self.address(e.buffer, e.index, at)
        value = self.load_from(where, e.buffer, isinstance(e.index.type, Vec), t, mask)
        return from_memory(c, value, t)

    def load_from(self, where: str, buffer: Buffer, gather: bool, t: Type, mask: str | None) -> str:
        c, mem, align = self.c, memory_type(t), buffer.dtype.nbytes
        if not gather and mask is None:
            return c.ins(f"load {mem}, ptr {where}, align {align}")
        assert isinstance(t, Vec)
        lanes, bits = t.lanes, f"<{t.lanes} x i1>"
        mask = mask or "splat (i1 true)"
        name = memory_suffix(t)
        if gather:
            symbol, pointers = f"llvm.masked.gather.{name}.v{lanes}p0", f"<{lanes} x ptr>"
        else:
            symbol, pointers = f"llvm.masked.load.{name}.p0", "ptr"
        self.module.intrinsic(symbol, mem, pointers, bits, mem)
        return c.call(symbol, mem, f"{pointers} align {align} {where}", f"{bits} {mask}", f"{mem} zeroinitializer")

    def load_if(self, e: Load) -> str:
        """A masked scalar: 0 where the mask is false, without touching memory."""
        c = self.c
        assert e.mask is not None
        cond = self.expr(e.mask)
        then, done = c.new_label("on"), c.new_label("off")
        before = c.label
        c.branch(cond, then, done)
        c.start(then)
        value = self.load(Load(e.buffer, e.index, e.type))
        after = c.label
        c.jump(done)
        c.start(done)
        return c.ins(f"phi {ll(e.type)} [ {value}, %{after} ], [ {literal(0, e.type)}, %{before} ]")

    # statements

    def block(self, block: Block) -> None:
        for s in block.stmts:
            _STATEMENTS[type(s)](self, s)

    def let(self, s: Let) -> None:
        self.values[s.var.name] = self.expr(s.value)

    def declare(self, s: Decl) -> None:
        value = self.expr(s.init)
        slot = self.slots.get(s.var.name)
        if slot is None:
            slot = self.slots[s.var.name] = self.c.slot(ll(s.var.type))
        self.c.do(f"store {ll(s.var.type)} {value}, ptr {slot}")

    def set(self, s: Set) -> None:
        value = self.expr(s.value)
        if s.var.name not in self.slots:
            raise BackendError(f"'{s.var.name}' is set in function '{self.name}', but no variable there")
        self.c.do(f"store {ll(s.var.type)} {value}, ptr {self.slots[s.var.name]}")

    def store(self, s: Store) -> None:
        c, t = self.c, s.value.type
        if s.mask is not None and not isinstance(t, Vec):
            cond = self.expr(s.mask)
            then, done = c.new_label("on"), c.new_label("off")
            c.branch(cond, then, done)
            c.start(then)
            self.store(Store(s.buffer, s.index, s.value))
            c.jump(done)
            c.start(done)
            return
        at = self.expr(s.index)
        value = self.expr(s.value)
        mask = None if s.mask is None else self.expr(s.mask)
        where = self.address(s.buffer, s.index, at)
        self.store_to(where, s.buffer, isinstance(s.index.type, Vec), value, t, mask)

    def store_to(self, where: str, buffer: Buffer, scatter: bool, value: str, t: Type, mask: str | None) -> None:
        c, mem, align = self.c, memory_type(t), buffer.dtype.nbytes
        value = to_memory(c, value, t)
        if not scatter and mask is None:
            c.do(f"store {mem} {value}, ptr {where}, align {align}")
            return
        assert isinstance(t, Vec)
        lanes, bits = t.lanes, f"<{t.lanes} x i1>"
        mask = mask or "splat (i1 true)"
        name = memory_suffix(t)
        if scatter:
            symbol, pointers = f"llvm.masked.scatter.{name}.v{lanes}p0", f"<{lanes} x ptr>"
        else:
            symbol, pointers = f"llvm.masked.store.{name}.p0", "ptr"
        self.module.intrinsic(symbol, "void", mem, pointers, bits)
        c.do(f"call void @{symbol}({mem} {value}, {pointers} align {align} {where}, {bits} {mask})")

    def loop(self, lo: str, hi: str, step: int, body: Callable[[str], None], note: str = "") -> None:
        """A counted loop; the bounds are evaluated already."""
        c = self.c
        before, head, inside, done = c.label, c.new_label("for"), c.new_label("body"), c.new_label("end")
        c.jump(head)
        c.start(head)
        i, following = c.name(), c.name()
        at = len(c.lines)
        c.lines.append("")
        c.branch(c.ins(f"icmp slt i64 {i}, {hi}"), inside, done)
        c.start(inside)
        self.loops += 1
        body(i)
        self.loops -= 1
        wrap = "nuw nsw" if lo.isdigit() else "nsw"
        c.do(f"{following} = add {wrap} i64 {i}, {step}")
        c.lines[at] = f"  {i} = phi i64 [ {lo}, %{before} ], [ {following}, %{c.label} ]"
        c.jump(head, note)
        c.start(done)

    def for_(self, s: For) -> None:
        lo, hi = self.expr(s.lo), self.expr(s.hi)

        def body(i: str) -> None:
            self.values[s.var.name] = i
            self.block(s.body)

        self.loop(lo, hi, s.step, body, self.mark(s))

    def mark(self, s: For) -> str:
        """The mark of a loop as metadata: hints, whose refusal by LLVM is no error."""
        m = self.module
        if not s.mark:
            hints = _SEGMENT if _sums_a_segment(s) else []
        elif s.mark == "rest":
            hints = ['!"llvm.loop.unroll.disable"', '!"llvm.loop.vectorize.enable", i1 false']
        elif s.mark == "unroll":
            constant = isinstance(s.lo, Const) and isinstance(s.hi, Const)
            trips = (int(s.hi.value) - int(s.lo.value)) // s.step if constant else 0  # type: ignore[union-attr, arg-type]
            full = constant and trips <= FULL_UNROLL
            hints = ['!"llvm.loop.unroll.full"' if full else f'!"llvm.loop.unroll.count", i32 {UNROLL}']
        else:
            width = int(s.mark.removeprefix("vector<").removesuffix(">"))
            hints = [f'!"llvm.loop.vectorize.width", i32 {width}']
        if not hints:
            return ""
        nodes = ", ".join(m.meta(f"!{{{hint}}}") for hint in hints)
        return f", !llvm.loop {m.meta(f'distinct !{{{{self}}, {nodes}}}')}"

    def tile(self, s: Tile) -> None:
        def nest(k: int) -> None:
            if k == len(s.vars):
                self.block(s.body)
                return

            def body(i: str) -> None:
                self.values[s.vars[k].name] = i
                nest(k + 1)

            self.loop("0", str(s.extents[k]), 1, body)

        nest(0)

    def while_(self, s: While) -> None:
        c = self.c
        head, inside, done = c.new_label("while"), c.new_label("body"), c.new_label("end")
        c.jump(head)
        c.start(head)
        c.branch(self.expr(s.cond), inside, done)
        c.start(inside)
        self.loops += 1
        self.block(s.body)
        self.loops -= 1
        c.jump(head)
        c.start(done)

    def if_(self, s: If) -> None:
        c = self.c
        cond = self.expr(s.cond)
        then, done = c.new_label("then"), c.new_label("endif")
        orelse = c.new_label("else") if s.orelse.stmts else done
        # Merging sorted lists is faster by guessing than by waiting: keep the branch.
        c.branch(cond, then, orelse, *([self.module.predictable()] if s.note == "merge" else []))
        c.start(then)
        self.block(s.then)
        c.jump(done)
        if s.orelse.stmts:
            c.start(orelse)
            self.block(s.orelse)
            c.jump(done)
        c.start(done)

    # memory

    def hold(self, name: str, memory: str) -> None:
        """Let the heap buffer ``name`` stand at ``memory`` from here on; "null" if it is no longer this function's."""
        c = self.c
        c.do(f"store ptr {memory}, ptr {self.slot_of(name)}")
        place = c.ins(f"getelementptr inbounds ptr, ptr {self.held}, i64 {self.places[name]}")
        c.do(f"store ptr {memory}, ptr {place}")

    def drop(self, name: str) -> None:
        """Free the memory of a heap buffer, which may have none."""
        memory = self.c.ins(f"load ptr, ptr {self.slot_of(name)}")
        self.hold(name, "null")
        self.free(memory)

    def slot_of(self, name: str) -> str:
        """The stack slot of a heap buffer's pointer."""
        if name not in self.heap:
            self.heap[name] = self.c.slot("ptr")
            self.places[name] = len(self.places)
        return self.heap[name]

    def free(self, pointer: str) -> None:
        self.module.declare("free", "declare void @free(ptr) nounwind")
        self.c.do(f"call void @free(ptr {pointer})")

    def huge_pages(self, memory: str, bytes_: str) -> None:
        """Ask for huge pages behind a large buffer, as NumPy does: faults for 4 KB each cost more than filling them."""
        self.c.do(self.asks_for_huge_pages()(memory, bytes_))

    def asks_for_huge_pages(self) -> Callable[[str, str], str]:
        """The instruction that asks for them, of a buffer's address and bytes; none where there are none."""
        if sys.platform != "linux":
            return lambda memory, bytes_: ""
        self.module.declare("madvise", "declare i32 @madvise(ptr, i64, i32) nounwind")
        self.module.helpers.setdefault("huge_pages", _HUGE_PAGES)
        return lambda memory, bytes_: f"call void @huge_pages(ptr {memory}, i64 {bytes_})"

    def alloc(self, s: Alloc) -> None:
        c, element, nbytes = self.c, memory_type(s.buffer.dtype), s.buffer.dtype.nbytes
        size = self.expr(s.size)
        init = None if s.init is None else self.expr(s.init)
        on_stack = s.space == "stack" and isinstance(s.size, Const) and int(s.size.value) * nbytes <= STACK_LIMIT  # type: ignore[call-overload]
        zero = isinstance(s.init, Const) and literal(s.init.value, s.init.type) == literal(0, s.init.type)
        if on_stack:
            if s.buffer.name not in self.pointers:
                self.pointers[s.buffer.name] = c.slot(element, 64, max(1, int(size)))
        else:
            if self.loops:
                self.drop(s.buffer.name)
            self.abort_if(c.ins(f"icmp ugt i64 {size}, {_MAX // nbytes}"), "1")
            if zero:
                self.module.declare("calloc", "declare noalias ptr @calloc(i64, i64) nounwind")
                at_least = emit_op(c, "max", [size, "1"], I64, I64)
                memory = c.call("calloc", "ptr", f"i64 {at_least}", f"i64 {nbytes}")
                bytes_ = c.ins(f"mul nuw nsw i64 {size}, {nbytes}")
            else:
                self.module.declare("malloc", "declare noalias ptr @malloc(i64) nounwind")
                bytes_ = c.ins(f"mul nuw nsw i64 {size}, {nbytes}")
                memory = c.call("malloc", "ptr", f"i64 {emit_op(c, 'max', [bytes_, '1'], I64, I64)}")
            self.abort_if(c.ins(f"icmp eq ptr {memory}, null"), "1")
            self.huge_pages(memory, bytes_)
            self.hold(s.buffer.name, memory)
        if init is not None and not (zero and not on_stack):
            self.fill(s.buffer, size, init)

    def fill(self, buffer: Buffer, size: str, value: str) -> None:
        base = self.pointer(buffer.name)

        def body(i: str) -> None:
            where = self.c.ins(f"getelementptr inbounds {memory_type(buffer.dtype)}, ptr {base}, i64 {i}")
            self.store_to(where, buffer, False, value, buffer.dtype, None)

        self.loop("0", size, 1, body)

    def grow(self, s: Grow) -> None:
        c, nbytes = self.c, s.buffer.dtype.nbytes
        needed = self.expr(s.needed)
        capacity = self.value_of(s.capacity.name, I64)
        more, done = c.new_label("grow"), c.new_label("room")
        c.branch(c.ins(f"icmp sgt i64 {needed}, {capacity}"), more, done, self.module.unlikely())
        c.start(more)
        size = emit_op(c, "max", [needed, c.ins(f"shl nuw i64 {capacity}, 1")], I64, I64)
        self.module.declare("realloc", "declare noalias ptr @realloc(ptr, i64) nounwind")
        asks = self.asks_for_huge_pages()
        self.module.helpers.setdefault("grown", _GROWN.replace("HUGE_PAGES", asks("%new", "%bytes")))
        old = c.ins(f"load ptr, ptr {self.heap[s.buffer.name]}")
        memory = c.call("grown", "ptr", f"ptr {old}", f"i64 {size}", f"i64 {nbytes}", f"i64 {_MAX // nbytes}")
        self.abort_if(c.ins(f"icmp eq ptr {memory}, null"), "1")
        self.hold(s.buffer.name, memory)
        c.do(f"store i64 {size}, ptr {self.slots[s.capacity.name]}")
        c.jump(done)
        c.start(done)

    def free_(self, s: Free) -> None:
        if s.buffer.name in self.heap:
            self.drop(s.buffer.name)

    def publish(self, s: Publish) -> None:
        c, result, slot = self.c, self.results[s.result], self.heap[s.buffer.name]
        length = self.expr(s.length)
        self.free(c.ins(f"load ptr, ptr {result}"))
        c.do(f"store ptr {c.ins(f'load ptr, ptr {slot}')}, ptr {result}")
        c.do(f"store i64 {length}, ptr {c.ins(f'getelementptr inbounds i64, ptr {result}, i64 1')}")
        self.hold(s.buffer.name, "null")

    # the rest

    def abort_(self, s: Abort) -> None:
        self.abort(str(ABORT_CODES[s.code]))
        self.c.start(self.c.new_label("dead"))

    def prefetch(self, s: Prefetch) -> None:
        base = self.pointer(s.buffer.name)
        at = self.expr(s.index)
        where = self.c.ins(f"getelementptr {memory_type(s.buffer.dtype)}, ptr {base}, i64 {at}")
        self.module.declare("llvm.prefetch.p0", "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.c.do(f"call void @llvm.prefetch.p0(ptr {where}, i32 0, i32 3, i32 1)")

    def atomic_add(self, s: AtomicAdd) -> None:
        at, value = self.expr(s.index), self.expr(s.value)
        where = self.address(s.buffer, s.index, at)
        self.c.ins(f"atomicrmw add ptr {where}, {ll(s.value.type)} {value} monotonic")

    def call(self, s: Call) -> None:
        c, args = self.c, [f"i64 {self.threads}"]
        for p, a in zip(self.functions[s.function].params, s.args, strict=True):
            if isinstance(a, Buffer):
                result = isinstance(p, BufferParam) and p.mode == "result"
                args.append(f"ptr {self.results[a.name] if result else self.pointer(a.name)}")
            else:
                assert isinstance(p, ScalarParam)
                args.append(f"{ll(a.type)} {self.expr(a)}")
        status = c.ins(f'call i64 @"f.{quoted(s.function)}"({", ".join(args)})')
        self.abort_if(c.ins(f"icmp ne i64 {status}, 0"), status)

    def parallel(self, s: ParallelFor) -> None:
        self.emit_parallel(self, s)

    def comment(self, s: Comment) -> None:
        self.c.lines.append(f"  ; {s.text}")

    def nothing(self, s: Stmt) -> None:
        """A barrier: iterations of a parallel loop are independent, and its end joins the threads."""


_STATEMENTS: dict[type, Callable[[Emitter, Any], None]] = {
    Block: Emitter.block,
    Let: Emitter.let,
    Decl: Emitter.declare,
    Set: Emitter.set,
    Store: Emitter.store,
    For: Emitter.for_,
    ParallelFor: Emitter.parallel,
    While: Emitter.while_,
    If: Emitter.if_,
    Alloc: Emitter.alloc,
    Grow: Emitter.grow,
    Free: Emitter.free_,
    Publish: Emitter.publish,
    Abort: Emitter.abort_,
    Prefetch: Emitter.prefetch,
    Barrier: Emitter.nothing,
    AtomicAdd: Emitter.atomic_add,
    Call: Emitter.call,
    Tile: Emitter.tile,
    Comment: Emitter.comment,
}

__all__ = ["Emitter", "from_memory", "pointer_attributes"]
