"""The scalar operators and monoids that all three IR levels share.

One entry in ``OPS`` (or ``MONOIDS``) defines an operator: its arity, how its type follows from
its arguments, its meaning on NumPy values, and the algebra the compiler may use.  Frontends insert casts so
that the arguments of an ``arith``, ``compare``, ``float``, ``int`` or ``bool`` operator all have
one type; no later stage promotes.

Type rules (argument type -> result type):

====================  =======================================================
``arith``             T -> T
``float``             float or complex T -> T
``compare``           T -> bool
``bool``              bool -> bool
``int``               integer or bool T -> T
``test``              float T -> bool
``part``              complex T -> its real type (real T -> T)
``select``            (bool, T, T) -> T
``cast``              any -> the node's own dtype
====================  =======================================================
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from sparsec.ir.definitions import ARGUMENTS, Term, operators, parse, unfold
from sparsec.ir.dtypes import BF16, BOOL, DType, round_bf16
from sparsec.ir.node import node

Value = Any  # a NumPy scalar or array


@node
class Op:
    """A scalar operator; ``symbol`` is its infix spelling, if it has one, ``means`` its definition by others.

    One with a definition is known to every backend by that.
    """

    name: str
    arity: int
    rule: str
    numpy: Callable[..., Value]
    symbol: str | None = None
    commutative: bool = False
    identity: object = None  # e with op(e, x) == op(x, e) == x
    right_identity: object = None  # e with op(x, e) == x only
    annihilator: object = None  # z with op(z, x) == op(x, z) == z
    left_annihilator: object = None  # z with op(z, x) == z only
    means: Term | None = None


def _floordiv(a: Value, b: Value) -> Value:
    if np.asarray(a).dtype.kind in "iu":
        return np.where(np.asarray(b) == 0, np.zeros_like(a), np.floor_divide(a, np.where(np.asarray(b) == 0, 1, b)))
    return np.floor_divide(a, b)


def _mod(a: Value, b: Value) -> Value:
    if np.asarray(a).dtype.kind in "iu":
        return np.where(np.asarray(b) == 0, np.zeros_like(a), np.mod(a, np.where(np.asarray(b) == 0, 1, b)))
    return np.mod(a, b)


def _pow(a: Value, b: Value) -> Value:
    """Integer powers wrap; a negative integer exponent truncates 1 / a**-b towards zero (0 for |a| > 1, a = 0)."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind != "i":
        # A 0-d exponent of 0.5 would make NumPy take the square root, which differs for -inf and -0.0.
        return np.power(a, np.atleast_1d(b)).reshape(np.broadcast_shapes(a.shape, b.shape))
    negative = b < 0
    positive = np.power(a, np.where(negative, 0, b))
    unit = np.where(a == 1, 1, np.where(a == -1, np.where(b % 2 == 0, 1, -1), 0)).astype(a.dtype)
    return np.where(negative, unit, positive)


def _abs(a: Value) -> Value:
    return np.abs(a)


def _log1p(x: Value) -> Value:
    """NumPy's loses all digits of a small complex number."""
    x = np.asarray(x)
    if x.dtype.kind != "c":
        return np.log1p(x)
    small = (np.abs(x.real) < 0.5) & (np.abs(x.imag) < 0.5)
    real = np.where(small, np.log1p(x.real * (2 + x.real) + x.imag * x.imag) / 2, np.log1p(x).real)
    return (real + 1j * np.log1p(x).imag).astype(x.dtype)


def _erf(x: Value) -> Value:
    import math

    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(np.asarray(x).dtype)


def _op(name: str, arity: int, rule: str, fn: Callable[..., Value], symbol: str | None = None, **algebra: Any) -> Op:
    return Op(name, arity, rule, fn, symbol, **algebra)


def _defined(name: str, arity: int, rule: str, means: str, fn: Callable[..., Value] | None = None) -> Op:
    """An operator that others define; ``fn`` is its meaning where NumPy has it."""
    term = parse(means)

    def numpy(*args: Value) -> Value:
        t = np.asarray(args[0]).dtype
        given = dict(zip(ARGUMENTS, args, strict=False))
        return unfold(term, given, lambda n: np.asarray(n).astype(t), lambda op, values: OPS[op].numpy(*values))

    return Op(name, arity, rule, fn or numpy, means=term)


_TABLE = (
    _op("add", 2, "arith", np.add, "+", commutative=True, identity=0),
    _op("sub", 2, "arith", np.subtract, "-", right_identity=0),
    _op("mul", 2, "arith", np.multiply, "*", commutative=True, identity=1, annihilator=0),
    _op("div", 2, "float", np.true_divide, "/", right_identity=1, left_annihilator=0),
    _op("floordiv", 2, "arith", _floordiv, "//", left_annihilator=0),
    _op("mod", 2, "arith", _mod, "%", left_annihilator=0),
    _op("pow", 2, "arith", _pow, "**", right_identity=1),
    _op("neg", 1, "arith", np.negative),
    _op("abs", 1, "part", _abs),
    _op("min", 2, "arith", np.minimum, commutative=True),
    _op("max", 2, "arith", np.maximum, commutative=True),
    _op("eq", 2, "compare", np.equal, "==", commutative=True),
    _op("ne", 2, "compare", np.not_equal, "!=", commutative=True),
    _op("lt", 2, "compare", np.less, "<"),
    _op("le", 2, "compare", np.less_equal, "<="),
    _op("gt", 2, "compare", np.greater, ">"),
    _op("ge", 2, "compare", np.greater_equal, ">="),
    _op("and", 2, "bool", np.logical_and, "and", commutative=True, identity=True, annihilator=False),
    _op("or", 2, "bool", np.logical_or, "or", commutative=True, identity=False, annihilator=True),
    _op("not", 1, "bool", np.logical_not),
    _op("bitand", 2, "int", np.bitwise_and, "&", commutative=True, annihilator=0),
    _op("bitor", 2, "int", np.bitwise_or, "|", commutative=True, identity=0),
    _op("bitxor", 2, "int", np.bitwise_xor, "^", commutative=True, identity=0),
    _op("invert", 1, "int", np.invert),
    _op("select", 3, "select", np.where),
    _op("exp", 1, "float", np.exp),
    _op("log", 1, "float", np.log),
    _op("log1p", 1, "float", _log1p),
    _op("expm1", 1, "float", np.expm1),
    _op("sqrt", 1, "float", np.sqrt),
    _defined("rsqrt", 1, "float", "1 / sqrt(x)"),
    _op("cbrt", 1, "float", np.cbrt),
    _op("sin", 1, "float", np.sin),
    _op("cos", 1, "float", np.cos),
    _op("tan", 1, "float", np.tan),
    _op("asin", 1, "float", np.arcsin),
    _op("acos", 1, "float", np.arccos),
    _op("atan", 1, "float", np.arctan),
    _op("atan2", 2, "float", np.arctan2),
    _op("sinh", 1, "float", np.sinh),
    _op("cosh", 1, "float", np.cosh),
    _op("tanh", 1, "float", np.tanh),
    _op("asinh", 1, "float", np.arcsinh),
    _op("acosh", 1, "float", np.arccosh),
    _op("atanh", 1, "float", np.arctanh),
    _defined("sigmoid", 1, "float", "select(x >= 0, 1, exp(-abs(x))) / (1 + exp(-abs(x)))"),
    _op("erf", 1, "float", _erf),
    _defined("relu", 1, "arith", "max(x, 0)"),
    _defined("gelu", 1, "float", "x * 0.5 * (1 + erf(x * 0.7071067811865476))"),
    _defined("silu", 1, "float", "x * sigmoid(x)"),
    _defined("sign", 1, "arith", "select(x > 0, 1, select(x < 0, -1, select(x == 0, 0, x)))", np.sign),
    _defined("heaviside", 2, "float", "select(x != x, x, select(x == 0, y, select(x < 0, 0, 1)))", np.heaviside),
    _op("floor", 1, "arith", lambda x: np.floor(x) if np.asarray(x).dtype.kind == "f" else x),
    _op("ceil", 1, "arith", lambda x: np.ceil(x) if np.asarray(x).dtype.kind == "f" else x),
    _op("round", 1, "arith", lambda x: np.rint(x) if np.asarray(x).dtype.kind == "f" else x),
    _defined("isnan", 1, "test", "x != x", np.isnan),
    _defined("isfinite", 1, "test", "abs(x) < inf", np.isfinite),
    _op("real", 1, "part", np.real),
    _op("imag", 1, "part", np.imag),
    _op("conj", 1, "arith", np.conj),
    _op("cast", 1, "cast", lambda x: x),
)
OPS: dict[str, Op] = {op.name: op for op in _TABLE}
BY_SYMBOL: dict[str, Op] = {op.symbol: op for op in _TABLE if op.symbol}


_KINDS = {"float": "fc", "bool": "b", "int": "iub", "test": "fc"}
_NO_BOOL = {"sub", "neg", "floordiv", "mod", "pow", "sign"}
_NO_COMPLEX = {
    *("min", "max", "lt", "le", "gt", "ge", "floordiv", "mod", "atan2", "erf", "cbrt", "relu", "gelu", "heaviside"),
    *("sigmoid", "silu", "floor", "ceil", "round"),
}


def admits(name: str, t: DType) -> bool:
    """Whether operator ``name`` is defined for arguments of this type (for ``select``: branches of it)."""
    kinds = _KINDS.get(OPS[name].rule, "buifc")
    return t.kind in kinds and not (t is BOOL and name in _NO_BOOL) and not (t.kind == "c" and name in _NO_COMPLEX)


def primitives(name: str) -> frozenset[str]:
    """The operators without a definition that ``name`` is made of."""
    op = OPS.get(name)
    if op is None or op.means is None:
        return frozenset([name])
    return frozenset().union(*map(primitives, operators(op.means)))


def forced(name: str, place: int, value: object) -> object | None:
    """What an operator gives when its argument ``place`` is an entry that is not stored and reads as ``value``.

    None where the other arguments matter.  A zero annihilates products, and an infinity sums and differences: it is the
    zero of min-plus and max-plus algebras, where ``+`` multiplies and ``-`` divides.
    """
    op = OPS[name]
    zero = op.annihilator if op.annihilator is not None or place else op.left_annihilator
    if zero is not None and value == zero:
        return zero
    if name in ("add", "sub") and isinstance(value, float | np.floating) and np.isinf(value):
        return -float(value) if name == "sub" and place else float(value)
    return None


def result_dtype(name: str, args: tuple[DType, ...]) -> DType:
    """The type of ``name`` applied to arguments of these (already equal) types."""
    rule = OPS[name].rule
    if rule in ("compare", "bool", "test"):
        return BOOL
    if rule == "part":
        return args[0].part
    if rule == "select":
        return args[1]
    return args[0]


def evaluate(name: str, args: tuple[Value, ...], dtype: DType) -> Value:
    """The NumPy meaning of an operator, in ``dtype``, without floating-point warnings; bf16 is held in f32."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "cast":
            return cast_value(args[0], dtype)
        out = np.asarray(OPS[name].numpy(*args))
        return round_bf16(out)[()] if dtype is BF16 else out.astype(dtype.np, copy=False)[()]


def cast_value(value: Value, dtype: DType) -> Value:
    """``value`` in ``dtype`` as NumPy's astype does it; float to integer truncates, out of range is undefined.

    A complex number loses its imaginary part, but as a bool.  bf16 comes as f32, rounded to f32 first.
    """
    a = np.asarray(value)
    if a.dtype.kind == "c" and dtype.kind not in "bc":
        a = a.real
    with np.errstate(over="ignore", invalid="ignore"):
        return round_bf16(a.astype(np.float32))[()] if dtype is BF16 else a.astype(dtype.np)[()]


@node
class Monoid:
    """A reduction: fold ``op`` from ``identity(dtype)``; ``op is None`` marks those with a tuple state."""

    name: str
    op: str | None
    identity: Callable[[DType], object]
    idempotent: bool = False

    @property
    def annihilator(self) -> object | None:
        """What decides a fold, whatever it meets there; None if nothing does."""
        return None if self.op is None else OPS[self.op].annihilator

    def admits(self, t: DType) -> bool:
        """Whether values of this type can be folded."""
        if self.op is not None:
            return admits(self.op, t)
        return t.is_float if self.name == "logsumexp" else t.kind != "c"


def _least(t: DType) -> object:
    return False if t is BOOL else (-np.inf if t.is_float else int(np.iinfo(t.np).min))


def _number(t: DType, n: int) -> object:
    return float(n) if t is BF16 else t.np.type(n).item()


def _greatest(t: DType) -> object:
    return True if t is BOOL else (np.inf if t.is_float else int(np.iinfo(t.np).max))


MONOIDS: dict[str, Monoid] = {
    m.name: m
    for m in (
        Monoid("add", "add", lambda t: _number(t, 0)),
        Monoid("mul", "mul", lambda t: _number(t, 1)),
        Monoid("min", "min", _greatest, idempotent=True),
        Monoid("max", "max", _least, idempotent=True),
        Monoid("or", "or", lambda t: False, idempotent=True),
        Monoid("and", "and", lambda t: True, idempotent=True),
        Monoid("bitor", "bitor", lambda t: t.np.type(0).item(), idempotent=True),
        Monoid("bitand", "bitand", lambda t: np.array(-1).astype(t.np).item(), idempotent=True),
        Monoid("argmin", None, lambda t: -1),
        Monoid("argmax", None, lambda t: -1),
        Monoid("logsumexp", None, _least),
    )
}
