"""Buffer IR to LLVM IR text.

Each function becomes an internal LLVM function whose pointers are ``noalias``; ``sparsec_entry(i64* args, i64
threads)`` unpacks the argument block for the first one.  Mutable locals and heap pointers are stack slots, which LLVM
promotes to registers.  Every way out of a function leads through its ``leave`` block, which frees what was not
published.
"""

from __future__ import annotations

from sparsec.backends.cpu.code import Code, ModuleText, ll, memory_type, quoted
from sparsec.backends.cpu.jit import ENTRY
from sparsec.backends.cpu.parallel import emit_parallel
from sparsec.backends.cpu.statements import Emitter, from_memory, pointer_attributes
from sparsec.ir.buffer import BufferParam, Function, Module, Param


def emit_module(module: Module) -> ModuleText:
    """The LLVM IR of ``module`` (``.text()``); raises ``UnsupportedError`` for types that it cannot compute with."""
    text = ModuleText()
    functions = {f.name: f for f in module.functions}
    _emit_entry(text, module.entry)
    for f in module.functions:
        _emit_function(text, f, functions)
    return text


def _signature(p: Param) -> str:
    if isinstance(p, BufferParam):
        return f"ptr {pointer_attributes(p)}"
    return ll(p.var.type)


def _emit_entry(text: ModuleText, f: Function) -> None:
    """Loads each slot of the argument block; results start out empty, so that an aborted call leaves nothing behind."""
    c = Code(text)
    args, slot = ["i64 %threads"], 0
    for p in f.params:
        at = c.ins(f"getelementptr inbounds i64, ptr %args, i64 {slot}")
        slot += 1
        if not isinstance(p, BufferParam):
            t = p.var.type
            value = from_memory(c, c.ins(f"load {memory_type(t)}, ptr {at}, align 8"), t)
            args.append(f"{ll(t)} {value}")
        elif p.mode == "result":
            slot += 1
            c.do(f"store i64 0, ptr {at}, align 8")
            c.do(f"store i64 0, ptr {c.ins(f'getelementptr inbounds i64, ptr {at}, i64 1')}, align 8")
            args.append(f"ptr {at}")
        else:
            args.append(f"ptr {c.ins(f'load ptr, ptr {at}, align 8')}")
    status = c.ins(f'call i64 @"f.{quoted(f.name)}"({", ".join(args)})')
    c.do(f"ret i64 {status}")
    body = "\n".join(["entry:", *c.lines])
    text.functions.append(f"define i64 @{ENTRY}(ptr %args, i64 %threads) nounwind {{\n{body}\n}}")


def _emit_function(text: ModuleText, f: Function, functions: dict[str, Function]) -> None:
    e = Emitter(text, f.name, functions, emit_parallel)
    params = ["i64 %threads"]
    for n, p in enumerate(f.params):
        name = f"%p{n}"
        params.append(f"{_signature(p)} {name}")
        if not isinstance(p, BufferParam):
            e.values[p.var.name] = name
        elif p.mode == "result":
            e.results[p.buffer.name] = name
        else:
            e.pointers[p.buffer.name] = name
            e.attributes_of[p.buffer.name] = pointer_attributes(p)
    e.block(f.body)
    e.finish()
    head = f'define internal i64 @"f.{quoted(f.name)}"({", ".join(params)}) {e.attributes()}'
    text.functions.append(f"{head} {{\n{e.text()}\n}}")


__all__ = ["emit_module"]
