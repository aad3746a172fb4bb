"""Operators as LLVM instructions, with exactly NumPy's meaning (``sparsec.ir.ops`` is the specification).

Every operator works lane by lane on vectors.  Floating point: ``contract`` (fused multiply-add) everywhere, ``reassoc``
for "radd" and lane reductions alone; NaN and infinities are always kept.
"""

from __future__ import annotations

from collections.abc import Callable

from sparsec.backends.cpu.bfloat import rounded
from sparsec.backends.cpu.code import Code, literal, ll, suffix, with_dtype
from sparsec.backends.cpu.elementary import ELEMENTARY
from sparsec.errors import UnsupportedError
from sparsec.ir.buffer import Type, Vec, scalar
from sparsec.ir.definitions import ARGUMENTS, Term, unfold
from sparsec.ir.dtypes import BF16, BOOL, F16, F32, F64, I8, I32, I64, U8
from sparsec.ir.ops import OPS, primitives, result_dtype

Emit = Callable[[Code, list[str], Type, Type], str]
"""(code, operands, type of the first operand, type of the outcome) -> value."""


def emit_op(c: Code, op: str, args: list[str], t: Type, rt: Type) -> str:
    """Append operator ``op``; ``t`` is the type of its first operand (``rt`` without operands)."""
    inner = scalar(t)
    if BF16 in (inner, scalar(rt)):
        return _bfloat(c, op, args, t, rt)
    if inner is F16 and not _VIA_F32.isdisjoint(primitives(op)):
        wide = with_dtype(t, F32)
        extended = [c.ins(f"fpext {ll(t)} {a} to {ll(wide)}") for a in args]
        return cast(c, [emit_op(c, op, extended, wide, wide)], wide, t)
    if isinstance(t, Vec) and op in _LANEWISE and not (inner.is_integer and op in ("floordiv", "mod")):
        return _lane_by_lane(c, op, args, t, rt)
    emit = _OPS.get(op)
    if emit is not None:
        return emit(c, args, t, rt)
    if op in OPS and (means := OPS[op].means) is not None:
        return _defined(c, means, args, t)
    raise UnsupportedError(f"the cpu backend has no operator '{op}'")


def _defined(c: Code, means: Term, args: list[str], t: Type) -> str:
    """An operator by its definition, on arguments of type ``t``."""

    def apply(op: str, given: list[tuple[str, Type]]) -> tuple[str, Type]:
        types = [x for _, x in given]
        out = with_dtype(types[0], result_dtype(op, tuple(map(scalar, types))))
        return emit_op(c, op, [value for value, _ in given], types[0], out), out

    arguments = {name: (a, t) for name, a in zip(ARGUMENTS, args, strict=False)}
    return unfold(means, arguments, lambda n: (_number(n, t), t), apply)[0]


def _number(n: float, t: Type) -> str:
    inner = scalar(t)
    return literal(bool(n) if inner is BOOL else float(n) if inner.is_float else int(n), t)


def _bfloat(c: Code, op: str, args: list[str], t: Type, rt: Type) -> str:
    """An operator on bf16, which a register holds as f32: computed there and rounded, where rounding can matter."""
    of, to = (with_dtype(x, F32 if scalar(x) is BF16 else scalar(x)) for x in (t, rt))
    value = emit_op(c, op, args, of, to)
    if scalar(rt) is not BF16 or primitives(op) <= _EXACT or (op == "cast" and scalar(t) in (BF16, BOOL, I8, U8)):
        return value
    return rounded(c, value, rt)


def _lane_by_lane(c: Code, op: str, args: list[str], t: Vec, rt: Type) -> str:
    out = "poison"
    for lane in range(t.lanes):
        parts = [c.ins(f"extractelement {ll(t)} {a}, i64 {lane}") for a in args]
        value = emit_op(c, op, parts, t.dtype, scalar(rt))
        out = c.ins(f"insertelement {ll(rt)} {out}, {ll(scalar(rt))} {value}, i64 {lane}")
    return out


def _select(c: Code, cond: str, t: Type, a: str, b: str) -> str:
    return c.ins(f"select {ll(with_dtype(t, BOOL))} {cond}, {ll(t)} {a}, {ll(t)} {b}")


def _intrinsic(c: Code, name: str, t: Type, args: list[str], flags: str = "") -> str:
    symbol = f"llvm.{name}.{suffix(t)}"
    c.module.intrinsic(symbol, ll(t), *[ll(t)] * len(args))
    return c.call(symbol, ll(t), *[f"{ll(t)} {a}" for a in args], flags=flags)


# arithmetic


def _binary(floats: str, integers: str, bools: str) -> Emit:
    def emit(c: Code, a: list[str], t: Type, rt: Type) -> str:
        inner = scalar(t)
        name = floats if inner.is_float else integers if inner.is_integer else bools
        return c.ins(f"{name} {ll(t)} {a[0]}, {a[1]}")

    return emit


def _min_max(name: str) -> Emit:
    def emit(c: Code, a: list[str], t: Type, rt: Type) -> str:
        inner = scalar(t)
        if inner.kind == "b":
            return c.ins(f"{'and' if name == 'min' else 'or'} {ll(t)} {a[0]}, {a[1]}")
        full = f"{name}imum" if inner.is_float else f"{'s' if inner.kind == 'i' else 'u'}{name}"
        return _intrinsic(c, full, t, a)

    return emit


_ORDER = {"eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}


def _compare(op: str) -> Emit:
    def emit(c: Code, a: list[str], t: Type, rt: Type) -> str:
        inner = scalar(t)
        if inner.is_float:
            return c.ins(f"fcmp {'une' if op == 'ne' else 'o' + op} {ll(t)} {a[0]}, {a[1]}")
        sign = "" if op in ("eq", "ne") else "s" if inner.kind == "i" else "u"
        return c.ins(f"icmp {sign}{op} {ll(t)} {a[0]}, {a[1]}")

    return emit


def _neg(c: Code, a: list[str], t: Type, rt: Type) -> str:
    if scalar(t).is_float:
        return c.ins(f"fneg {ll(t)} {a[0]}")
    return c.ins(f"sub {ll(t)} {literal(0, t)}, {a[0]}")


def _abs(c: Code, a: list[str], t: Type, rt: Type) -> str:
    inner = scalar(t)
    if inner.is_float:
        return _intrinsic(c, "fabs", t, a)
    if inner.kind != "i":
        return a[0]
    symbol = f"llvm.abs.{suffix(t)}"
    c.module.intrinsic(symbol, ll(t), ll(t), "i1")
    return c.call(symbol, ll(t), f"{ll(t)} {a[0]}", "i1 false")


def _constant(text: str) -> int | None:
    return int(text) if text.lstrip("-").isdigit() else None


def _divide(want_quotient: bool) -> Emit:
    def emit(c: Code, a: list[str], t: Type, rt: Type) -> str:
        if scalar(t).is_float:
            return (_float_floordiv if want_quotient else _float_mod)(c, a, t)
        return _int_divide(c, a, t, want_quotient)

    return emit


def _int_divide(c: Code, a: list[str], t: Type, quotient: bool) -> str:
    """Floor division or its remainder: by zero 0, the least integer by -1 wraps."""
    ty, (x, y) = ll(t), a
    signed = scalar(t).kind == "i"
    known = _constant(y)
    if known is not None and known > 0 and known & (known - 1) == 0:
        if not quotient:
            return c.ins(f"and {ty} {x}, {known - 1}")
        return c.ins(f"{'a' if signed else 'l'}shr {ty} {x}, {known.bit_length() - 1}")
    if known == 0:
        return literal(0, t)
    zero, one = literal(0, t), literal(1, t)
    unsafe = None
    if known is None or known == -1:
        unsafe = c.ins(f"icmp eq {ty} {y}, {zero}")
        if signed:
            minus = c.ins(f"icmp eq {ty} {y}, {literal(-1, t)}")
            either = c.ins(f"or {ll(with_dtype(t, BOOL))} {unsafe}, {minus}")
            safe = _select(c, either, t, one, y)
        else:
            safe = _select(c, unsafe, t, one, y)
    else:
        safe = y
    if not signed:
        out = c.ins(f"{'udiv' if quotient else 'urem'} {ty} {x}, {safe}")
        return out if unsafe is None else _select(c, unsafe, t, zero, out)
    rest = c.ins(f"srem {ty} {x}, {safe}")
    nonzero = c.ins(f"icmp ne {ty} {rest}, {zero}")
    mixed = c.ins(f"icmp slt {ty} {c.ins(f'xor {ty} {rest}, {safe}')}, {zero}")
    fix = c.ins(f"and {ll(with_dtype(t, BOOL))} {nonzero}, {mixed}")
    if quotient:
        out = c.ins(f"sdiv {ty} {x}, {safe}")
        out = _select(c, fix, t, c.ins(f"sub {ty} {out}, {one}"), out)
    else:
        out = _select(c, fix, t, c.ins(f"add {ty} {rest}, {safe}"), rest)
    if unsafe is None:
        return out
    if quotient:
        out = _select(c, minus, t, c.ins(f"sub {ty} {zero}, {x}"), out)
        return _select(c, unsafe, t, zero, out)
    return _select(c, either, t, zero, out)


def _float_floordiv(c: Code, a: list[str], t: Type) -> str:
    ty, (x, y) = ll(t), a
    zero, one = literal(0.0, t), literal(1.0, t)
    ratio = c.ins(f"fdiv {ty} {x}, {y}")
    rest = c.ins(f"frem {ty} {x}, {y}")
    div = c.ins(f"fdiv {ty} {c.ins(f'fsub {ty} {x}, {rest}')}, {y}")
    nonzero = c.ins(f"fcmp une {ty} {rest}, {zero}")
    differ = c.ins(f"xor i1 {c.ins(f'fcmp olt {ty} {y}, {zero}')}, {c.ins(f'fcmp olt {ty} {rest}, {zero}')}")
    fix = c.ins(f"and i1 {nonzero}, {differ}")
    div = _select(c, fix, t, c.ins(f"fsub {ty} {div}, {one}"), div)
    floor = _intrinsic(c, "floor", t, [div])
    over = c.ins(f"fcmp ogt {ty} {c.ins(f'fsub {ty} {div}, {floor}')}, {literal(0.5, t)}")
    floor = _select(c, over, t, c.ins(f"fadd {ty} {floor}, {one}"), floor)
    some = c.ins(f"fcmp une {ty} {div}, {zero}")
    out = _select(c, some, t, floor, _intrinsic(c, "copysign", t, [zero, ratio]))
    return _select(c, c.ins(f"fcmp oeq {ty} {y}, {zero}"), t, ratio, out)


def _float_mod(c: Code, a: list[str], t: Type) -> str:
    ty, (x, y) = ll(t), a
    zero = literal(0.0, t)
    rest = c.ins(f"frem {ty} {x}, {y}")
    differ = c.ins(f"xor i1 {c.ins(f'fcmp olt {ty} {y}, {zero}')}, {c.ins(f'fcmp olt {ty} {rest}, {zero}')}")
    out = _select(c, differ, t, c.ins(f"fadd {ty} {rest}, {y}"), rest)
    exact = c.ins(f"fcmp oeq {ty} {rest}, {zero}")
    return _select(c, exact, t, _intrinsic(c, "copysign", t, [zero, y]), out)


def _pow(c: Code, a: list[str], t: Type, rt: Type) -> str:
    inner = scalar(t)
    if inner.is_float:
        return _intrinsic(c, "pow", t, a)
    known = _constant(a[1])
    if known is not None and 0 <= known <= 4:
        out = literal(1, t)
        for _ in range(known):
            out = a[0] if out == "1" else c.ins(f"mul {ll(t)} {out}, {a[0]}")
        return out
    ty = ll(t)
    name = f"sp.pow.{inner.name}"
    c.module.helpers.setdefault(name, _POW.replace("NAME", name).replace("TY", ty).replace("NEG", _neg_pow(inner.kind)))
    return c.call(name, ty, f"{ty} {a[0]}", f"{ty} {a[1]}")


def _neg_pow(kind: str) -> str:
    return "icmp slt" if kind == "i" else "icmp ult"


_POW = """define internal TY @NAME(TY %a, TY %n) nounwind memory(none) {
entry:
  %negative = NEG TY %n, 0
  br i1 %negative, label %unit, label %loop
unit:
  %odd = and TY %n, 1
  %is_odd = icmp ne TY %odd, 0
  %signed = select i1 %is_odd, TY -1, TY 1
  %one = icmp eq TY %a, 1
  %minus = icmp eq TY %a, -1
  %u = select i1 %minus, TY %signed, TY 0
  %v = select i1 %one, TY 1, TY %u
  ret TY %v
loop:
  %k = phi TY [ %n, %entry ], [ %k2, %loop ]
  %base = phi TY [ %a, %entry ], [ %base2, %loop ]
  %out = phi TY [ 1, %entry ], [ %out2, %loop ]
  %bit = and TY %k, 1
  %set = icmp ne TY %bit, 0
  %times = mul TY %out, %base
  %out2 = select i1 %set, TY %times, TY %out
  %base2 = mul TY %base, %base
  %k2 = lshr TY %k, 1
  %more = icmp ne TY %k2, 0
  br i1 %more, label %loop, label %done
done:
  ret TY %out2
}"""


def _fma(c: Code, a: list[str], t: Type, rt: Type) -> str:
    product = _OPS["mul"](c, a[:2], t, rt)
    return _OPS["add"](c, [product, a[2]], t, rt)


# floats


def _unary(name: str) -> Emit:
    return lambda c, a, t, rt: _intrinsic(c, name, t, a)


def _libm(name: str) -> Emit:
    def emit(c: Code, a: list[str], t: Type, rt: Type) -> str:
        symbol = name if t is F64 else name + "f"
        c.module.math(symbol, ll(t), *[ll(t)] * len(a))
        return c.call(symbol, ll(t), *[f"{ll(t)} {x}" for x in a])

    return emit


def _rounding(name: str) -> Emit:
    return lambda c, a, t, rt: _intrinsic(c, name, t, a) if scalar(t).is_float else a[0]


# bits


def _shift(name: str) -> Emit:
    def emit(c: Code, a: list[str], t: Type, rt: Type) -> str:
        ty, bits = ll(t), scalar(t).bits
        known = _constant(a[1])
        if known is not None:
            return c.ins(f"{name} {ty} {a[0]}, {known}") if 0 <= known < bits else literal(0, t)
        fits = c.ins(f"icmp ult {ty} {a[1]}, {literal(bits, t)}")
        amount = _select(c, fits, t, a[1], literal(0, t))
        return _select(c, fits, t, c.ins(f"{name} {ty} {a[0]}, {amount}"), literal(0, t))

    return emit


def _ctz(c: Code, a: list[str], t: Type, rt: Type) -> str:
    symbol = f"llvm.cttz.{suffix(t)}"
    c.module.intrinsic(symbol, ll(t), ll(t), "i1")
    return c.call(symbol, ll(t), f"{ll(t)} {a[0]}", "i1 false")


def _invert(c: Code, a: list[str], t: Type, rt: Type) -> str:
    return c.ins(f"xor {ll(t)} {a[0]}, {literal(True if scalar(t) is BOOL else -1, t)}")


# casts


def cast(c: Code, a: list[str], t: Type, rt: Type) -> str:
    """Convert as NumPy's astype does; a float that no integer can hold gives some integer."""
    x, src, dst = a[0], scalar(t), scalar(rt)
    if src == dst:
        return x
    frm, to = ll(t), ll(rt)
    if dst.kind == "b":
        compare = "fcmp une" if src.is_float else "icmp ne"
        return c.ins(f"{compare} {frm} {x}, {literal(0, t)}")
    if src.is_float and dst.is_float:
        if src is F64 and dst is F16:
            return _f64_to_f16(c, x, t, rt)
        return c.ins(f"{'fpext' if dst.bits > src.bits else 'fptrunc'} {frm} {x} to {to}")
    if src.is_float:
        # The detour gives small integers the low bits of a wider truncation, as C compilers do for NumPy.
        wide = with_dtype(t, I64 if src is F64 or dst.bits >= 32 else I32)
        if dst.name == "u64":
            value = c.ins(f"fptoui {frm} {x} to {to}")
            return c.ins(f"freeze {to} {value}")
        value = c.ins(f"freeze {ll(wide)} {c.ins(f'fptosi {frm} {x} to {ll(wide)}')}")
        return value if ll(wide) == to else c.ins(f"trunc {ll(wide)} {value} to {to}")
    if dst.is_float:
        return c.ins(f"{'sitofp' if src.kind == 'i' else 'uitofp'} {frm} {x} to {to}")
    if src.bits == dst.bits and src.kind != "b":
        return x
    if src.bits > dst.bits:
        return c.ins(f"trunc {frm} {x} to {to}")
    return c.ins(f"{'sext' if src.kind == 'i' else 'zext'} {frm} {x} to {to}")


def _f64_to_f16(c: Code, x: str, t: Type, rt: Type) -> str:
    """Through f32 rounded to odd, so that rounding twice does no harm (the library function may be missing)."""
    wide, narrow = with_dtype(t, F64), with_dtype(t, F32)
    i32 = with_dtype(t, I32)
    near = c.ins(f"fptrunc {ll(wide)} {x} to {ll(narrow)}")
    back = c.ins(f"fpext {ll(narrow)} {near} to {ll(wide)}")
    inexact = c.ins(f"fcmp one {ll(wide)} {back}, {x}")
    over = c.ins(f"fcmp ogt {ll(wide)} {_intrinsic(c, 'fabs', wide, [back])}, {_intrinsic(c, 'fabs', wide, [x])}")
    bits = c.ins(f"bitcast {ll(narrow)} {near} to {ll(i32)}")
    lower = c.ins(f"sub {ll(i32)} {bits}, {literal(1, i32)}")
    chopped = _select(c, over, i32, lower, bits)
    odd = c.ins(f"or {ll(i32)} {chopped}, {literal(1, i32)}")
    bits = _select(c, inexact, i32, odd, bits)
    return c.ins(f"fptrunc {ll(narrow)} {c.ins(f'bitcast {ll(i32)} {bits} to {ll(narrow)}')} to {ll(rt)}")


# vectors


def _splat(c: Code, a: list[str], t: Type, rt: Type) -> str:
    one = c.ins(f"insertelement {ll(rt)} poison, {ll(t)} {a[0]}, i64 0")
    assert isinstance(rt, Vec)
    return c.ins(f"shufflevector {ll(rt)} {one}, {ll(rt)} poison, <{rt.lanes} x i32> zeroinitializer")


def _iota(c: Code, a: list[str], t: Type, rt: Type) -> str:
    assert isinstance(rt, Vec)
    inner = ll(rt.dtype)
    return "<" + ", ".join(f"{inner} {literal(k, rt.dtype)}" for k in range(rt.lanes)) + ">"


def _reduce(name: str) -> Emit:
    def emit(c: Code, a: list[str], t: Type, rt: Type) -> str:
        inner = scalar(t)
        prefix, operand = "llvm.vector.reduce.", f"{ll(t)} {a[0]}"
        if inner.is_float and name in ("add", "mul"):
            symbol = f"{prefix}f{name}.{suffix(t)}"
            c.module.intrinsic(symbol, ll(rt), ll(rt), ll(t))
            start = literal(-0.0 if name == "add" else 1.0, rt)
            return c.call(symbol, ll(rt), f"{ll(rt)} {start}", operand, flags="reassoc ")
        if inner.is_float:
            kind = f"f{name}imum"
        elif inner.kind == "b":
            kind = "or" if name in ("add", "max") else "and"
        elif name in ("min", "max"):
            kind = f"{'s' if inner.kind == 'i' else 'u'}{name}"
        else:
            kind = name
        symbol = f"{prefix}{kind}.{suffix(t)}"
        c.module.intrinsic(symbol, ll(rt), ll(t))
        return c.call(symbol, ll(rt), operand)

    return emit


def _bitmask(c: Code, a: list[str], t: Type, rt: Type) -> str:
    assert isinstance(t, Vec)
    bits = c.ins(f"bitcast {ll(t)} {a[0]} to i{t.lanes}")
    return bits if t.lanes == 64 else c.ins(f"zext i{t.lanes} {bits} to i64")


def _same(c: Code, a: list[str], t: Type, rt: Type) -> str:
    return a[0]


def _choose(c: Code, a: list[str], t: Type, rt: Type) -> str:
    return c.ins(f"select {ll(t)} {a[0]}, {ll(rt)} {a[1]}, {ll(rt)} {a[2]}")


_INTRINSICS = ("sqrt", "sin", "cos")
_LIBM = ("cbrt", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh")
_EXACT = frozenset(("neg", "abs", "min", "max", "select", "conj", "real", "imag", "splat", "iota", *_ORDER))
"""Operators whose value on bf16 is one of bf16, or a bool."""
_LANEWISE = frozenset((*_LIBM, "floordiv", "mod", "pow"))
_VIA_F32 = frozenset((*ELEMENTARY, *_INTRINSICS, *_LIBM, "floordiv", "mod", "pow"))

_OPS: dict[str, Emit] = {
    "add": _binary("fadd contract", "add", "or"),
    "radd": _binary("fadd reassoc contract", "add", "or"),
    "sub": _binary("fsub contract", "sub", "xor"),
    "mul": _binary("fmul contract", "mul", "and"),
    "div": lambda c, a, t, rt: c.ins(f"fdiv {ll(t)} {a[0]}, {a[1]}"),
    "floordiv": _divide(True),
    "mod": _divide(False),
    "pow": _pow,
    "neg": _neg,
    "abs": _abs,
    "min": _min_max("min"),
    "max": _min_max("max"),
    **{name: _compare(name) for name in _ORDER},
    "and": _binary("and", "and", "and"),
    "or": _binary("or", "or", "or"),
    "not": _invert,
    "bitand": _binary("and", "and", "and"),
    "bitor": _binary("or", "or", "or"),
    "bitxor": _binary("xor", "xor", "xor"),
    "invert": _invert,
    "select": _choose,
    **{name: _unary(name) for name in _INTRINSICS},
    **ELEMENTARY,
    **{name: _libm(name) for name in _LIBM},
    "floor": _rounding("floor"),
    "ceil": _rounding("ceil"),
    "round": _rounding("roundeven"),
    "real": _same,
    "imag": lambda c, a, t, rt: literal(0, rt),
    "conj": _same,
    "cast": cast,
    "shl": _shift("shl"),
    "shr": _shift("lshr"),
    "ctz": _ctz,
    "popcount": _unary("ctpop"),
    "fma": _fma,
    "splat": _splat,
    "iota": _iota,
    "bitmask": _bitmask,
    **{f"reduce_{name}": _reduce(name) for name in ("add", "mul", "min", "max")},
}

__all__ = ["emit_op"]
