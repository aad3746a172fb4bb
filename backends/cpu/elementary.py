"""``exp log tanh`` and kin as polynomials: straight code that runs lane by lane, where libm has one number a call.

An argument is reduced to a small interval, exactly or nearly so (Cody and Waite, Software Manual for the Elementary
Functions, 1980), a polynomial computed there, and the result put together; at most 4 units in the last place off, with
the zeros, infinities and NaN of C's functions.  The coefficients are made by ``tests/support/interpolants.py``.

    exp     n = round(x / ln 2), r = x - n ln 2:  e**x = 2**n (1 + r + r**2 P(r))
    log     x = 2**k (1 + f), s = f / (2 + f):  log x = k ln 2 + 2 s + s z L(z), z = s**2
    tanh    -e / (2 + e), e = expm1(-2 |x|)
    erf     x E(x**2) up to 1, then 1 - e**(-x**2) C((x - 3) / (x + 3))

``sin`` and ``cos`` stay libm's: to reduce large arguments takes a branch, which no vectoriser sees through.
Adding ``1.5 * 2**m`` to a float with m bits rounds it to an integer, which the low bits of the sum are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan

from sparsec.backends.cpu.code import Code, ll
from sparsec.backends.cpu.lanes import Lanes
from sparsec.ir.buffer import Type, scalar
from sparsec.ir.dtypes import F32, F64

EXP64 = (  # within 1.2e-16
    0.5000000000000001,
    0.16666666666666669,
    0.041666666666624136,
    0.008333333333330063,
    0.001388888891720967,
    0.00019841269863050506,
    2.4801521302241082e-05,
    2.7557268464831627e-06,
    2.7620085455018414e-07,
    2.510038319586702e-08,
)
EXP32 = (  # within 6.5e-08
    0.5,
    0.16666576998242924,
    0.041666554627878084,
    0.008363177629994445,
    0.0013926181810489343,
)
LOG64 = (  # within 3.2e-16
    0.666666666666667,
    0.3999999999989945,
    0.28571428626001427,
    0.22222211130560726,
    0.18182889433757515,
    0.15331711346672997,
    0.14616576421644387,
)
LOG32 = (  # within 1.9e-07
    0.6666668504478588,
    0.3998877843365144,
    0.29580046168312196,
)
ERF64 = (  # within 1.6e-17
    1.1283791670955126,
    -0.3761263890318375,
    0.11283791670954879,
    -0.026866170645076792,
    0.0052239776248180145,
    -0.000854832698083379,
    0.0001205533111164271,
    -1.4925595266831182e-05,
    1.6461000484121368e-06,
    -1.6350312701054695e-07,
    1.4659775274047436e-08,
    -1.1372848856791674e-09,
    5.957176147748911e-11,
)
ERF32 = (  # within 1.2e-09
    1.1283791658483509,
    -0.37612626666720334,
    0.11283594715160218,
    -0.026854212010626412,
    0.005189087423433974,
    -0.000801686428716587,
    7.875875062685488e-05,
)
ERFC64 = (  # within 7.7e-18
    0.17900115118138996,
    -0.3262335600430372,
    0.2456038017123309,
    -0.15011593650077742,
    0.07166583719797347,
    -0.024392499318655416,
    0.004269136333148302,
    0.0007077464385177353,
    -0.0005970619586158305,
    4.5255298034073955e-05,
    6.405673342206844e-05,
    -1.2860318447907675e-05,
    -7.979817704348727e-06,
    2.1169509641489688e-06,
    1.2598817267482604e-06,
    -2.7269500546476834e-07,
    -2.389387463474792e-07,
    -2.592589458123332e-08,
)
ERFC32 = (  # within 5.1e-10
    0.17900115118131857,
    -0.3262335449133817,
    0.24560382210495477,
    -0.15011811326231994,
    0.07165749817456664,
    -0.024337653526757347,
    0.004665094527335907,
    0.0015493261768614456,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the formulas need to know of f32 or f64.

    ``mantissa`` bits; ``ln2`` in two parts, the first short enough to be multiplied exactly; ``least`` and ``most``,
    beyond which e**x is 0 or infinite; ``one`` less an exponential of ``small`` is one; erf is 1 from ``far`` on.
    """

    mantissa: int
    bias: int
    ln2: tuple[float, float]
    least: float
    most: float
    small: float
    far: float
    half_root: int  # the bits of the square root of a half
    exp: tuple[float, ...]
    log: tuple[float, ...]
    erf: tuple[float, ...]
    erfc: tuple[float, ...]

    @property
    def magic(self) -> float:
        """Added to a number, it leaves the nearest integer in the low bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def one(self) -> int:
        """The bits of 1.0."""
        return self.bias << self.mantissa


KINDS = {
    F64: Kind(
        52, 1023, (0.6931471803691238, 1.9082149292705877e-10), -746.0, 710.0, -40.0, 6.0, 0x3FE6A09E667F3BCD,
        EXP64, LOG64, ERF64, ERFC64,
    ),
    F32: Kind(
        23, 127, (0.693145751953125, 1.4286068203094173e-06), -104.0, 89.0, -20.0, 4.0, 0x3F3504F3,
        EXP32, LOG32, ERF32, ERFC32,
    ),
}  # fmt: skip
LOG2_E = 1.4426950408889634


def _clamped(x: Lanes, low: float, high: float) -> Lanes:
    """``x`` within ``low .. high``; a NaN stays."""
    x = (x < low).choose(low, x)
    return (x > high).choose(high, x)


def _power(k: Lanes, kind: Kind) -> Lanes:
    """2**n, where the low bits of ``k`` are n."""
    return ((k.bits() << kind.mantissa) + kind.one).floats(k.t)


def _reduced(x: Lanes, kind: Kind) -> tuple[Lanes, Lanes, Lanes]:
    """n, r and r**2 P(r) of e**x."""
    n = (x * LOG2_E + kind.magic) - kind.magic
    r = (x - n * kind.ln2[0]) - n * kind.ln2[1]
    return n, r, r * (r * r.polynomial(kind.exp))


def _scaled(value: Lanes, n: Lanes, kind: Kind) -> Lanes:
    """``value`` times 2**n in two steps, since 2**n itself may leave the floats."""
    half = n * 0.5 + kind.magic
    rest = (n - (half - kind.magic)) + kind.magic
    return value * _power(half, kind) * _power(rest, kind)


def exp(x: Lanes, kind: Kind) -> Lanes:
    """e**x"""
    n, r, more = _reduced(_clamped(x, kind.least, kind.most), kind)
    return _scaled((r + more) + 1.0, n, kind)


def expm1(x: Lanes, kind: Kind) -> Lanes:
    """e**x - 1 = 2**n ((r + r**2 P(r)) + (1 - 2**-n))"""
    n, r, more = _reduced(_clamped(x, kind.small, kind.most), kind)
    most = float(kind.mantissa + 8)
    shrunk = _power(-(n > most).choose(most, n) + kind.magic, kind)
    return _scaled((r + more) + (-shrunk + 1.0), n, kind).signed_as(x)


def tanh(x: Lanes, kind: Kind) -> Lanes:
    """The hyperbolic tangent."""
    e = expm1(x.abs() * -2.0, kind)
    return (-e / (e + 2.0)).signed_as(x)


def log(x: Lanes, kind: Kind) -> Lanes:
    """The natural logarithm."""
    tiny = x < 2.0 ** (1 - kind.bias)
    scale = kind.mantissa + 2
    y = _log(tiny.choose(x * 2.0**scale, x), tiny.choose(float(-scale), x.of(0.0)), x.of(0.0), kind)
    return _of_positive(x, y)


def log1p(x: Lanes, kind: Kind) -> Lanes:
    """The natural logarithm of 1 + x = u, what u lost by rounding added again."""
    u = x + 1.0
    lost = (x > 1.0).choose(-(u - x) + 1.0, x - (u - 1.0))
    y = _of_positive(u, _log(u, x.of(0.0), lost / u, kind))
    return x.is_(0.0).choose(x, y)


def _log(x: Lanes, exponent: Lanes, more: Lanes, kind: Kind) -> Lanes:
    """log x + ``exponent`` log 2 + ``more``, for normal positive x."""
    word = x.bits() + (kind.one - kind.half_root)
    raised = word >> kind.mantissa  # the exponent of x over the square root of a half
    if scalar(x.t) is F64:  # there is no fast conversion of 64-bit integers: they become the low bits of a float
        k = (raised | 0x4330000000000000).floats(x.t) - (2.0**52 + kind.bias)
    else:
        k = x.of(x.code.ins(f"sitofp {ll(raised.t)} {raised.text} to {ll(x.t)}")) - kind.bias
    k = k + exponent
    f = ((word & ((1 << kind.mantissa) - 1)) + kind.half_root).floats(x.t) - 1.0
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    return k * kind.ln2[0] - ((half - (s * (half + z * z.polynomial(kind.log)) + (k * kind.ln2[1] + more))) - f)


def _of_positive(x: Lanes, y: Lanes) -> Lanes:
    """``y`` where ``x`` is positive and finite, else what the logarithm of ``x`` is."""
    y = (x < inf).choose(y, x)
    return (x > 0.0).choose(y, x.is_(0.0).choose(-inf, x.of(nan)))


def erf(x: Lanes, kind: Kind) -> Lanes:
    """The error function."""
    a = x.abs()
    a = (a > kind.far).choose(kind.far, a)
    z = a * a
    t = (a - 3.0) / (a + 3.0)
    large = -(exp(-z, kind) * t.polynomial(kind.erfc)) + 1.0
    return (a < 1.0).choose(a * z.polynomial(kind.erf), large).signed_as(x)


def _straight(f: Callable[[Lanes, Kind], Lanes]) -> Callable[[Code, list[str], Type, Type], str]:
    return lambda c, args, t, rt: f(Lanes(c, args[0], t), KINDS[scalar(t)]).text


ELEMENTARY = {f.__name__: _straight(f) for f in (exp, expm1, log, log1p, tanh, erf)}

__all__ = ["ELEMENTARY"]
