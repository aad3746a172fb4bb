"""Buffer IR as readable C99: one static function for each of the module's, and an exported entry.

The entry is ``int64_t <name>(int64_t *args)``.  Its argument block has, in the order of the parameters, one 8-byte
slot for an "in" or "out" buffer (its address) or a scalar (in its own type, at the start of the slot), and two for a
"result" (address, length in elements), which the caller frees with ``free``.  It returns 0 or one of ``ABORT_CODES``,
and then leaves no result.

Signed arithmetic must wrap and products stay unfused: compile with ``-fwrapv -ffp-contract=off``.  A parallel loop
becomes a plain one.  Values of f16 and bf16 are computed as float and rounded after every operator.
"""

from __future__ import annotations

import re
from typing import NoReturn

from sparsec.backends.c.expr import Expressions, bare
from sparsec.backends.c.helpers import C_TYPES, Helpers, storage_type
from sparsec.errors import UnsupportedError
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
from sparsec.ir.dtypes import BF16, F16, I64, DType
from sparsec.ir.rewrite import walk

_HEAD = """/* {entry}: emitted from buffer IR.  Compile with: cc -O2 -fwrapv -ffp-contract=off ... -lm */
#include <complex.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#undef I
"""
_TAKEN = {
    *(
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
    ),
    *(
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
    ),
    *("struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "asm", "typeof", "bool", "true"),
    *("false", "complex", "imaginary", "unix", "linux", "NULL", "NAN", "INFINITY", "isnan", "isfinite", "signbit"),
    *("main", "args", "status", "done", "lane", "malloc", "calloc", "realloc", "free", "memcpy", "erf", "rint", "pow"),
}
_IDENT = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def entry_symbol(module: Module) -> str:
    """The name of the exported function: that of the entry, made an identifier that C has free."""
    name = module.entry.name
    return name if _free(name) else "sparsec_" + re.sub(r"\W", "_", name, flags=re.ASCII)


def emit_c(module: Module) -> str:
    """C99 source of a verified module."""
    helpers = Helpers()
    symbols = {f.name: f"fn{i}_" + re.sub(r"\W", "_", f.name, flags=re.ASCII) for i, f in enumerate(module.functions)}
    emitters = [_Function(f, symbols, helpers) for f in module.functions]
    bodies = [e.text() for e in emitters]
    heads = "\n".join(e.head() + ";" for e in emitters)
    entry = _entry(module.entry, symbols[module.entry.name], entry_symbol(module), helpers)
    parts = [_HEAD.format(entry=entry_symbol(module)), helpers.text(), heads, *bodies, entry]
    return "\n\n".join(p.strip("\n") for p in parts if p) + "\n"


def _free(name: str) -> bool:
    from sparsec.backends.c.expr import _COMPLEX_MATH, _MATH

    known = name in _TAKEN or name.rstrip("f") in {*_MATH.values(), *_COMPLEX_MATH.values()}
    return bool(_IDENT.match(name)) and not known and not re.match(r"(sp|fn\d+)_|u?int\d+_t|INT\d|UINT\d", name)


def _entry(f: Function, symbol: str, exported: str, helpers: Helpers) -> str:
    """The exported function: unpacks the argument block."""
    lines: list[str] = []
    slot = 0
    args: list[str] = []
    for p in f.params:
        if isinstance(p, BufferParam) and p.mode == "result":
            lines.append(f"  args[{slot}] = args[{slot + 1}] = 0;")
            args.append(f"&args[{slot}]")
            slot += 2
            continue
        if isinstance(p, BufferParam):
            const = "const " if p.mode == "in" else ""
            args.append(f"({const}{storage_type(p.buffer.dtype)} *)(intptr_t)args[{slot}]")
        else:
            args.append(_scalar_argument(scalar(p.var.type), slot, lines, helpers))
        slot += 1
    call = ",\n    ".join(args)
    return "\n".join(
        [
            f"int64_t {exported}(int64_t *args) {{",
            *lines,
            f"  return {symbol}(" + (f"\n    {call}" if args else "") + ");",
            "}",
        ]
    )


def _scalar_argument(t: DType, slot: int, lines: list[str], helpers: Helpers) -> str:
    if t.nbytes > 8:
        raise UnsupportedError(f"a scalar parameter of {t} does not fit its slot")
    if t.is_integer or t.kind == "b":
        return f"args[{slot}]" if t is I64 else f"({C_TYPES[t.name]})args[{slot}]"
    lines += [
        f"  {storage_type(t)} scalar{slot};",
        f"  memcpy(&scalar{slot}, &args[{slot}], sizeof scalar{slot});",
    ]
    return f"{helpers.plain('from_' + t.name)}(scalar{slot})" if t in (F16, BF16) else f"scalar{slot}"


class _Function:
    """The C of one function."""

    def __init__(self, function: Function, symbols: dict[str, str], helpers: Helpers) -> None:
        self.function = function
        self.symbols = symbols
        self.helpers = helpers
        self.expr = Expressions(helpers, self.name, self.reduce)
        self.lines: list[str] = []
        self.depth = 1
        self.used: set[str] = set()
        self.c_names: dict[str, str] = {}
        self.heap = [s.buffer for s in walk(function.body) if isinstance(s, Alloc) and s.space == "heap"]
        self.mutable = {s.var.name for s in walk(function.body) if isinstance(s, Decl)}
        self.results = [p.buffer for p in function.params if isinstance(p, BufferParam) and p.mode == "result"]

    # names and lines

    def name(self, name: str) -> str:
        if name not in self.c_names:
            plain = re.sub(r"\W", "_", name, flags=re.ASCII).lstrip("_") or "v"
            self.c_names[name] = self.fresh(plain if _free(plain) else f"v_{plain}")
        return self.c_names[name]

    def fresh(self, hint: str) -> str:
        name, n = hint, 1
        while name in self.used:
            n += 1
            name = f"{hint}_{n}"
        self.used.add(name)
        return name

    def put(self, line: str) -> None:
        self.lines.append("  " * self.depth + line)

    def open(self, head: str) -> None:
        self.put(f"{head} {{".lstrip())
        self.depth += 1

    def close(self, tail: str = "}") -> None:
        self.depth -= 1
        self.put(tail)

    def value(self, e: Expr) -> str:
        """A scalar expression as a whole statement's right side."""
        return bare(self.expr.scalar(e))

    def reduce(self, e: Op) -> str:
        """A reduction of lanes, computed before the statement."""
        source = e.args[0]
        assert isinstance(source.type, Vec)
        t = source.type.dtype
        first, each = bare(self.expr.lane(source, "0")), self.expr.lane(source, "lane")
        total = self.fresh(e.op.removeprefix("reduce_"))
        step = self.expr.rounded(self.expr.apply(e.op.removeprefix("reduce_"), [total, each], t), t, t)
        self.put(f"{C_TYPES[t.name]} {total} = {first};")
        self.put(f"for (int lane = 1; lane < {source.type.lanes}; ++lane) {total} = {bare(step)};")
        return total

    # the whole

    def head(self) -> str:
        params = [self.param(p) for p in self.function.params]
        return f"static int64_t {self.symbols[self.function.name]}({', '.join(params) or 'void'})"

    def param(self, p: BufferParam | ScalarParam) -> str:
        if isinstance(p, ScalarParam):
            return f"{C_TYPES[scalar(p.var.type).name]} {self.name(p.var.name)}"
        if p.mode == "result":
            return f"int64_t *{self.name(p.buffer.name)}"
        const = "const " if p.mode == "in" else ""
        return f"{const}{storage_type(p.buffer.dtype)} *{self.name(p.buffer.name)}"

    def text(self) -> str:
        head = self.head()
        self.block(self.function.body)
        body, self.lines = self.lines, []
        self.put("int64_t status = 0;")
        for b in self.heap:
            self.put(f"{storage_type(b.dtype)} *{self.name(b.name)} = NULL;")
        self.lines += body
        if any("goto done" in line for line in body):
            self.lines.append("done:")
        for b in self.heap:
            self.put(f"free({self.name(b.name)});")
        for r in self.results:
            self.put(f"if (status) {self.helpers.plain('withdraw')}({self.name(r.name)});")
        self.put("return status;")
        return "\n".join([head + " {", *self.lines, "}"])

    def stop(self, condition: str, code: str) -> None:
        self.open(f"if ({condition})")
        self.put(f"status = {code};")
        self.put("goto done;")
        self.close()

    # statements

    def block(self, block: Block) -> None:
        for s in block.stmts:
            self.stmt(s)

    def stmt(self, s: Stmt) -> None:
        match s:
            case Block():
                self.open("")
                self.block(s)
                self.close()
            case Let() | Decl():
                self.local(s.var, s.value if isinstance(s, Let) else s.init, isinstance(s, Let))
            case Set():
                self.assign(s.var, s.value)
            case Store():
                self.store(s)
            case For():
                self.note(s.note)
                self.loop(s.var, s.lo, s.hi, s.step, s.body)
            case ParallelFor():
                self.note(s.note)
                self.open("")
                self.block(s.setup)
                self.loop(s.var, s.lo, s.hi, 1, s.body)
                self.close()
            case Tile():
                for v, n in zip(s.vars, s.extents, strict=True):
                    self.open(
                        f"for (int64_t {self.name(v.name)} = 0; {self.name(v.name)} < {n}; ++{self.name(v.name)})"
                    )
                self.block(s.body)
                for _ in s.vars:
                    self.close()
            case While():
                self.while_(s)
            case If():
                self.note(s.note)
                self.open(f"if ({self.value(s.cond)})")
                self.block(s.then)
                if s.orelse.stmts:
                    self.depth -= 1
                    self.open("} else")
                    self.block(s.orelse)
                self.close()
            case Alloc():
                self.alloc(s)
            case Grow():
                self.grow(s)
            case Free():
                self.put(f"free({self.name(s.buffer.name)});")
                self.put(f"{self.name(s.buffer.name)} = NULL;")
            case Publish():
                name = self.name(s.buffer.name)
                length = self.value(s.length)
                self.put(f"{self.helpers.plain('publish')}({self.name(s.result)}, {name}, {length});")
                self.put(f"{name} = NULL;")
            case Abort():
                self.put(f"status = {ABORT_CODES[s.code]}; /* {s.code} */")
                self.put("goto done;")
            case Prefetch():
                self.helpers.plain("prefetch")
                self.put(f"SP_PREFETCH(&{self.name(s.buffer.name)}[{self.value(s.index)}]);")
            case Barrier():
                self.put("/* barrier */")
            case AtomicAdd():
                self.store(
                    Store(
                        s.buffer, s.index, Op("add", (Load(s.buffer, s.index, s.buffer.dtype), s.value), s.value.type)
                    )
                )
            case Call():
                args = [self.name(a.name) if isinstance(a, Buffer) else self.value(a) for a in s.args]
                self.put(f"status = {self.symbols[s.function]}({', '.join(args)});")
                self.put("if (status) goto done;")
            case Comment():
                self.note(s.text)
            case _:
                self.unknown(s)

    def unknown(self, s: object) -> NoReturn:
        raise UnsupportedError(f"the C backend has no {type(s).__name__}")

    def note(self, text: str) -> None:
        if text:
            self.put("/* " + text.replace("*/", "* /").replace("/*", "/ *") + " */")

    def local(self, var: Var, value: Expr, fixed: bool) -> None:
        if isinstance(var.type, Vec):
            self.put(f"{self.helpers.vector(var.type.dtype, var.type.lanes)} {self.name(var.name)};")
            self.assign(var, value)
            return
        const = "const " if fixed else ""
        text = self.value(value)
        self.put(f"{const}{C_TYPES[var.type.name]} {self.name(var.name)} = {text};")

    def assign(self, var: Var, value: Expr) -> None:
        if isinstance(var.type, Vec):
            text = bare(self.expr.lane(value, "lane"))
            self.put(f"for (int lane = 0; lane < {var.type.lanes}; ++lane) {self.name(var.name)}.lane[lane] = {text};")
        else:
            text = self.value(value)
            self.put(f"{self.name(var.name)} = {text};")

    def store(self, s: Store) -> None:
        t, target = s.value.type, self.name(s.buffer.name)
        store = f"{self.helpers.plain('to_' + s.buffer.dtype.name)}(" if s.buffer.dtype in (F16, BF16) else ""
        end = ")" if store else ""
        if not isinstance(t, Vec):
            mask = "" if s.mask is None else f"if ({self.value(s.mask)}) "
            text = self.value(s.value)
            self.put(f"{mask}{target}[{self.value(s.index)}] = {store}{text}{end};")
            return
        self.open("")
        # What the store overwrites may be read by a later lane.
        at, value = self.kept(s.index, s.buffer), self.kept(s.value, s.buffer)
        mask = "" if s.mask is None else f"if ({bare(self.expr.lane(self.kept(s.mask, s.buffer), 'lane'))}) "
        index = self.expr.index(at, t, "lane")
        text = bare(self.expr.lane(value, "lane"))
        self.put(f"for (int lane = 0; lane < {t.lanes}; ++lane) {mask}{target}[{index}] = {store}{text}{end};")
        self.close()

    def kept(self, e: Expr, written: Buffer) -> Expr:
        """``e`` in a temporary where it reads the buffer."""
        if not any(isinstance(n, Load) and n.buffer.name == written.name for n in walk(e)):
            return e
        var = Var(self.fresh("kept"), e.type)
        self.c_names[var.name] = var.name
        self.local(var, e, fixed=True)
        return var

    def loop(self, var: Var, lo: Expr, hi: Expr, step: int, body: Block) -> None:
        name = self.name(var.name)
        start, end = self.value(lo), self.value(hi)
        fixed = isinstance(hi, Const) or (isinstance(hi, Var) and hi.name not in self.mutable)
        more = "" if fixed else f", {name}_end = {end}"
        if not fixed:
            self.used.add(f"{name}_end")
            end = f"{name}_end"
        by = f"++{name}" if step == 1 else f"{name} += {step}"
        self.open(f"for (int64_t {name} = {start}{more}; {name} < {end}; {by})")
        self.block(body)
        self.close()

    def while_(self, s: While) -> None:
        self.note(s.note)
        here, self.lines = self.lines, []
        self.depth += 1
        cond = self.value(s.cond)
        self.depth -= 1
        before, self.lines = self.lines, here
        if not before:
            self.open(f"while ({cond})")
        else:
            self.open("for (;;)")
            self.lines += before
            self.put(f"if (!({cond})) break;")
        self.block(s.body)
        self.close()

    def alloc(self, s: Alloc) -> None:
        name, t = self.name(s.buffer.name), storage_type(s.buffer.dtype)
        if s.space == "stack":
            assert isinstance(s.size, Const)
            size = self.value(s.size)
            self.put(f"{t} {name}[{size if s.size.value else 1}];")
        else:
            self.open("")
            size, count = self.fresh("size"), self.value(s.size)
            self.put(f"const int64_t {size} = {count};")
        init = None if s.init is None else self.value(s.init)
        if s.buffer.dtype in (F16, BF16) and init is not None:
            init = f"{self.helpers.plain('to_' + s.buffer.dtype.name)}({init})"
        zero = s.space == "heap" and isinstance(s.init, Const) and str(s.init.value) in ("0", "0.0", "0j", "False")
        if init is not None and not zero:
            first = self.fresh("first")
            self.put(f"const {t} {first} = {init};")
        if s.space == "heap":
            self.put(f"free({name});")
            self.put(f"{name} = {self.helpers.plain('alloc_zero' if zero else 'alloc')}({size}, sizeof *{name});")
            self.stop(f"!{name}", str(ABORT_CODES["memory"]))
        if init is not None and not zero:
            at = self.fresh("at")
            self.put(f"for (int64_t {at} = 0; {at} < {size}; ++{at}) {name}[{at}] = {first};")
        if s.space == "heap":
            self.close()

    def grow(self, s: Grow) -> None:
        name, grown = self.name(s.buffer.name), self.fresh("grown")
        capacity, needed = self.name(s.capacity.name), self.value(s.needed)
        self.open("")
        grow = self.helpers.plain("grow")
        self.put(f"void *{grown} = {grow}({name}, &{capacity}, {needed}, sizeof *{name});")
        self.stop(f"!{grown}", str(ABORT_CODES["memory"]))
        self.put(f"{name} = {grown};")
        self.close()


__all__ = ["emit_c", "entry_symbol"]
