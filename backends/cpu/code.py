"""Text of LLVM IR while it is being written: types, literals, one function, one module.

Direct text is several times faster to make than ``llvmlite.ir`` trees, and parsing it takes a fraction of a
millisecond.
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np

from sparsec.errors import UnsupportedError
from sparsec.ir.buffer import Type, Vec, scalar
from sparsec.ir.dtypes import BF16, DType, round_bf16

_LLVM = {"bool": "i1", "f16": "half", "bf16": "float", "f32": "float", "f64": "double"}


@cache
def ll(t: Type) -> str:
    """The LLVM type of a value in a register; a complex one must have been split before (``passes/parts.py``)."""
    if isinstance(t, Vec):
        return f"<{t.lanes} x {ll(t.dtype)}>"
    if t.kind in "ui":
        return f"i{t.bits}"
    try:
        return _LLVM[t.name]
    except KeyError:
        message = f"the cpu backend does not know {t.name}"
        raise UnsupportedError(message, hint="the pass 'parts' splits complex values") from None


@cache
def memory_type(t: Type) -> str:
    """The LLVM type of an element (or of contiguous lanes) in memory: a bool takes a byte, bf16 is its bits."""
    inner = "i8" if scalar(t).kind == "b" else "i16" if scalar(t) is BF16 else ""
    if not inner:
        return ll(t)
    return f"<{t.lanes} x {inner}>" if isinstance(t, Vec) else inner


@cache
def memory_suffix(t: Type) -> str:
    """How intrinsics name the type of contiguous lanes in memory."""
    inner = memory_type(scalar(t))
    name = inner if inner.startswith("i") else suffix(scalar(t))
    return f"v{t.lanes}{name}" if isinstance(t, Vec) else name


@cache
def suffix(t: Type) -> str:
    """How intrinsics name the type."""
    inner = scalar(t)
    name = f"f{inner.bits}" if inner.is_float else ll(inner)
    return f"v{t.lanes}{name}" if isinstance(t, Vec) else name


def literal(value: object, t: Type) -> str:
    """The constant ``value`` of type ``t``, without the type."""
    if isinstance(t, Vec):
        return f"splat ({ll(t.dtype)} {literal(value, t.dtype)})"
    if t.kind == "b":
        return "true" if value else "false"
    if t.kind in "ui":
        return str(int(value))  # type: ignore[call-overload]
    if t is BF16:
        value = round_bf16(value).item()
    elif t.bits == 16:
        return f"0xH{np.asarray(value, np.float16).view(np.uint16).item():04X}"
    ll(t)
    rounded = float(np.float32(value) if t is BF16 else t.np.type(value))  # type: ignore[arg-type]
    return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"


class ModuleText:
    """Declarations, helper functions, metadata and functions of one LLVM module."""

    def __init__(self) -> None:
        self.declarations: dict[str, str] = {}
        self.functions: list[str] = []
        self.helpers: dict[str, str] = {}
        self.metadata: list[str] = []
        self.workers = 0
        """Parallel loops so far."""
        self.alike: dict[str, str] = {}
        """The names of functions by their text without it: loops that do the same share one, compiled once."""
        self._unlikely = ""
        self._predictable = ""

    def declare(self, name: str, text: str) -> str:
        self.declarations.setdefault(name, text)
        return name

    def intrinsic(self, name: str, result: str, *args: str) -> str:
        """The symbol of an intrinsic or libm function with these types."""
        return self.declare(name, f"declare {result} @{name}({', '.join(args)})")

    def math(self, name: str, result: str, *args: str) -> str:
        """The symbol of a pure function of libm."""
        return self.declare(name, f"declare {result} @{name}({', '.join(args)}) nounwind willreturn memory(none)")

    def meta(self, text: str) -> str:
        """A new metadata node; ``text`` may hold ``{self}``."""
        name = f"!{len(self.metadata)}"
        self.metadata.append(f"{name} = " + text.replace("{self}", name))
        return name

    def unlikely(self) -> str:
        """Branch weights for a condition that hardly ever holds."""
        self._unlikely = self._unlikely or self.meta('!{!"branch_weights", i32 1, i32 10000}')
        return f", !prof {self._unlikely}"

    def predictable(self) -> str:
        """Branch weights that make LLVM keep a branch it would turn into selects."""
        self._predictable = self._predictable or self.meta('!{!"branch_weights", i32 10000, i32 1}')
        return f", !prof {self._predictable}"

    def text(self) -> str:
        parts = [*self.declarations.values(), *self.helpers.values(), *self.functions, *self.metadata]
        return "\n".join(parts) + "\n"


class Code:
    """The blocks of one function: instructions are appended to the current block."""

    def __init__(self, module: ModuleText) -> None:
        self.module = module
        self.lines: list[str] = []
        self.entry: list[str] = []
        """Instructions of the entry block (stack slots), before all others."""
        self.label = "entry"
        self._count = 0

    def name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def new_label(self, hint: str) -> str:
        self._count += 1
        return f"{hint}{self._count}"

    def ins(self, text: str) -> str:
        """Append an instruction that has a value; gives its name."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Append an instruction without a value."""
        self.lines.append("  " + text)

    def start(self, label: str) -> None:
        """Begin a block; the one before must have ended in a branch."""
        self.lines.append(f"{label}:")
        self.label = label

    def jump(self, label: str, note: str = "") -> None:
        self.lines.append(f"  br label %{label}{note}")

    def branch(self, cond: str, then: str, orelse: str, note: str = "") -> None:
        self.lines.append(f"  br i1 {cond}, label %{then}, label %{orelse}{note}")

    def slot(self, type_: str, align: int = 0, count: int = 1) -> str:
        """A stack slot of the function."""
        name = self.name()
        array = f"[{count} x {type_}]" if count != 1 else type_
        self.entry.append(f"  {name} = alloca {array}" + (f", align {align}" if align else ""))
        return name

    def call(self, symbol: str, result: str, *args: str, flags: str = "") -> str:
        """Call ``symbol`` with typed arguments (``"double %x"``)."""
        return self.ins(f"call {flags}{result} @{symbol}({', '.join(args)})")


def quoted(name: str) -> str:
    """``name`` as LLVM wants it between quotes: bytes other than letters, digits and dots in hexadecimal."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."
    return "".join(chr(b) if b in plain else f"\\{b:02X}" for b in name.encode())


def with_dtype(t: Type, d: DType) -> Type:
    """``d``, with the lanes of ``t``."""
    return Vec(d, t.lanes) if isinstance(t, Vec) else d
