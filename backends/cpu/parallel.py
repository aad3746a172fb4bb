"""Parallel loops: the body becomes a worker function that takes chunks of iterations until none is left.

The launching function fills a context on its stack: the next iteration, the first non-zero status, the end, the
grain, and the captured values.  Each worker takes its first chunk before it runs the setup, so that a worker which
comes too late allocates nothing.  The launcher is a worker itself; whether others help is the team's business
(``team.py``).
"""

from __future__ import annotations

from sparsec.backends.cpu.code import Code
from sparsec.backends.cpu.ops import emit_op
from sparsec.backends.cpu.statements import Emitter
from sparsec.backends.cpu.team import TEAM_RUN
from sparsec.ir.buffer import ParallelFor
from sparsec.ir.dtypes import I64

_HEADER = "i64, [7 x i64], i64, [7 x i64], i64, i64"
"""Next iteration and status, each in a cache line of its own; the end; the grain."""
_NEXT, _STATUS, _END, _GRAIN, _FIRST = 0, 2, 4, 5, 6


def emit_parallel(e: Emitter, s: ParallelFor) -> None:
    """Emit the loop ``s`` into the function of ``e``, and its worker as a function of the module."""
    lo, hi, grain = e.expr(s.lo), e.expr(s.hi), e.expr(s.grain)
    body = _emit_worker(e, s)
    _launch(e, body, lo, hi, grain)


def _types(worker: Emitter) -> str:
    """The LLVM type of the context."""
    return "{ " + ", ".join([_HEADER, *["ptr" if t.startswith("ptr") else t for _, t, _ in worker.captured]]) + " }"


def _field(c: Code, context: str, pointer: str, k: int) -> str:
    return c.ins(f"getelementptr inbounds {context}, ptr {pointer}, i32 0, i32 {k}")


def _launch(e: Emitter, worker: Emitter, lo: str, hi: str, grain: str) -> None:
    c, context = e.c, _types(worker)
    some, done = c.new_label("parallel"), c.new_label("joined")
    c.branch(c.ins(f"icmp slt i64 {lo}, {hi}"), some, done)
    c.start(some)
    trips = c.ins(f"sub nuw i64 {hi}, {lo}")
    grain = emit_op(c, "max", [emit_op(c, "min", [grain, trips], I64, I64), "1"], I64, I64)
    pointer = e.contexts.get(context)
    if pointer is None:  # one loop runs at a time
        pointer = e.contexts[context] = c.slot(context, 64)
    for k, value in ((_NEXT, lo), (_STATUS, "0"), (_END, hi), (_GRAIN, grain)):
        c.do(f"store i64 {value}, ptr {_field(c, context, pointer, k)}")
    for k, (_, t, value) in enumerate(worker.captured):
        type_ = "ptr" if t.startswith("ptr") else t
        c.do(f"store {type_} {value}, ptr {_field(c, context, pointer, _FIRST + k)}")
    before_last = c.ins(f"udiv i64 {c.ins(f'sub nuw i64 {trips}, 1')}, {grain}")
    chunks = c.ins(f"add nuw i64 {before_last}, 1")
    threads = emit_op(c, "min", [e.threads, chunks], I64, I64)
    alone, team, joined = c.new_label("alone"), c.new_label("team"), c.new_label("join")
    c.branch(c.ins(f"icmp sle i64 {threads}, 1"), alone, team)
    c.start(alone)
    c.do(f'call void @"{worker.name}"(ptr {pointer})')
    c.jump(joined)
    c.start(team)
    e.module.declare(TEAM_RUN, f"declare void @{TEAM_RUN}(ptr, ptr, i64) nounwind")
    c.do(f'call void @{TEAM_RUN}(ptr @"{worker.name}", ptr {pointer}, i64 {threads})')
    c.jump(joined)
    c.start(joined)
    status = c.ins(f"load i64, ptr {_field(c, context, pointer, _STATUS)}")
    e.abort_if(c.ins(f"icmp ne i64 {status}, 0"), status)
    c.jump(done)
    c.start(done)


def _emit_worker(e: Emitter, s: ParallelFor) -> Emitter:
    e.module.workers += 1
    w = Emitter(e.module, f"w{e.module.workers}", e.functions, e.emit_parallel, e)
    c = w.c
    header = "{ " + _HEADER + " }"
    status, following = _field(c, header, "%context", _STATUS), _field(c, header, "%context", _NEXT)
    first = c.ins(f"atomicrmw add ptr {following}, i64 %grain monotonic")
    setup = c.new_label("setup")
    c.branch(c.ins(f"icmp slt i64 {first}, %end"), setup, "leave")
    c.start(setup)
    w.block(s.setup)
    before, chunk, take, more = c.label, c.new_label("chunk"), c.new_label("take"), c.name()
    c.jump(chunk)
    c.start(chunk)
    start = c.ins(f"phi i64 [ {first}, %{before} ], [ {more}, %{take}b ]")
    stop = emit_op(c, "min", [c.ins(f"add i64 {start}, %grain"), "%end"], I64, I64)
    w.loops += 1

    def body(i: str) -> None:
        w.values[s.var.name] = i
        w.block(s.body)

    w.loop(start, stop, 1, body)
    w.loops -= 1
    stopped = c.ins(f"icmp ne i64 {c.ins(f'load atomic i64, ptr {status} monotonic, align 8')}, 0")
    c.branch(stopped, "leave", f"{take}b")
    c.start(f"{take}b")
    c.do(f"{more} = atomicrmw add ptr {following}, i64 %grain monotonic")
    c.branch(c.ins(f"icmp slt i64 {more}, %end"), chunk, "leave")
    c.start(c.new_label("dead"))
    w.finish()
    params = ["ptr %context", "i64 %end", "i64 %grain"]
    params += [f"{t} %c{k}" for k, (_, t, _) in enumerate(w.captured)]
    name = f"{w.name}.body"
    rest = f"({', '.join(params)}) {w.attributes()} {{\n{w.text()}\n}}"
    alike = e.module.alike.setdefault(rest, w.name)
    if alike != w.name:
        w.name = alike
        return w
    e.module.functions.append(f'define internal i64 @"{name}"{rest}')
    _emit_trampoline(e, w, name)
    return w


def _emit_trampoline(e: Emitter, w: Emitter, name: str) -> None:
    """Unpacks the context, runs the worker, records its status if it is the first that is not zero."""
    c, context = Code(e.module), _types(w)
    args = ["ptr %context"]
    types = ["i64", "i64", *["ptr" if t.startswith("ptr") else t for _, t, _ in w.captured]]
    for k, t in enumerate(types, _END):
        args.append(f"{t} {c.ins(f'load {t}, ptr ' + _field(c, context, '%context', k))}")
    status = c.ins(f'call i64 @"{name}"({", ".join(args)})')
    c.branch(c.ins(f"icmp eq i64 {status}, 0"), "done", "failed")
    c.start("failed")
    first = _field(c, context, "%context", _STATUS)
    c.ins(f"cmpxchg ptr {first}, i64 0, i64 {status} monotonic monotonic")
    c.jump("done")
    c.start("done")
    c.do("ret void")
    body = "\n".join(["entry:", *c.lines])
    e.module.functions.append(f'define internal void @"{w.name}"(ptr %context) nounwind {{\n{body}\n}}')


__all__ = ["emit_parallel"]
