"""Functions of complex numbers by real operators: what the pass ``parts`` makes of them.

A complex expression is a pair of real ones (``Pair``).  Arithmetic is NumPy's: products without C's repair of
infinities, quotients by R. L. Smith (Algorithm 116, CACM 1962).  The other functions follow W. Kahan, "Branch cuts for
complex elementary functions" (1987), with his branch cuts, which are NumPy's; those of c64 are computed in f64 and
rounded once.  Where a part of the argument is infinite or NaN the result may be another than NumPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from sparsec.ir.buffer import Const, Expr, scalar
from sparsec.ir.build import cast, op
from sparsec.ir.dtypes import F32, F64, DType

Pair = tuple[Expr, Expr]
"""Real and imaginary part."""

MOST_MULTIPLIED = 64
"""Powers up to this constant integer are products."""


class ComplexMath:
    """Each method takes pairs of parts of one real type; ``let`` gives a name to what is used more than once."""

    def __init__(self, let: Callable[[Expr], Expr]) -> None:
        self.let = let

    def _c(self, value: float, like: Expr) -> Const:
        return Const(value, scalar(like.type))

    def _o(self, name: str, *args: Expr) -> Expr:
        return self.let(op(name, *args))

    def _if(self, cond: Expr, then: Expr, orelse: Expr) -> Expr:
        return self._o("select", cond, then, orelse)

    # arithmetic

    def add(self, a: Pair, b: Pair) -> Pair:
        return self._o("add", a[0], b[0]), self._o("add", a[1], b[1])

    def radd(self, a: Pair, b: Pair) -> Pair:
        return self._o("radd", a[0], b[0]), self._o("radd", a[1], b[1])

    def sub(self, a: Pair, b: Pair) -> Pair:
        return self._o("sub", a[0], b[0]), self._o("sub", a[1], b[1])

    def neg(self, a: Pair) -> Pair:
        return self._o("neg", a[0]), self._o("neg", a[1])

    def conj(self, a: Pair) -> Pair:
        return a[0], self._o("neg", a[1])

    def mul(self, a: Pair, b: Pair) -> Pair:
        real = self._o("sub", op("mul", a[0], b[0]), op("mul", a[1], b[1]))
        return real, self._o("add", op("mul", a[0], b[1]), op("mul", a[1], b[0]))

    def fma(self, a: Pair, b: Pair, c: Pair) -> Pair:
        return self.add(self.mul(a, b), c)

    def div(self, a: Pair, b: Pair) -> Pair:
        """By the greater part of the divisor; by zero both parts are divided by zero."""
        (ar, ai), (br, bi) = a, b
        zero, one = self._c(0.0, br), self._c(1.0, br)
        sizes = self._o("abs", br), self._o("abs", bi)
        wide = self._o("ge", *sizes)
        large, small = self._if(wide, br, bi), self._if(wide, bi, br)
        ratio = self._o("div", small, large)
        scale = self._o("div", one, op("add", large, op("mul", small, ratio)))
        p, q = self._if(wide, ar, ai), self._if(wide, ai, ar)
        real = self._o("mul", op("add", p, op("mul", q, ratio)), scale)
        turned = self._o("mul", op("sub", q, op("mul", p, ratio)), scale)
        imag = self._if(wide, turned, op("neg", turned))
        nothing = self._o("and", op("eq", br, zero), op("eq", bi, zero))
        by_zero = self._o("div", ar, sizes[0]), self._o("div", ai, sizes[0])
        return self._if(nothing, by_zero[0], real), self._if(nothing, by_zero[1], imag)

    def sign(self, a: Pair) -> Pair:
        size = self.abs(a)
        none = self._o("eq", size, self._c(0.0, size))
        return self._if(none, a[0], op("div", a[0], size)), self._if(none, a[1], op("div", a[1], size))

    def power(self, a: Pair, n: int) -> Pair:
        """An integer power by squaring."""
        out: Pair | None = None
        left, square = abs(n), a
        while left:
            if left & 1:
                out = square if out is None else self.mul(out, square)
            left >>= 1
            if left:
                square = self.mul(square, square)
        one = self._c(1.0, a[0]), self._c(0.0, a[0])
        return one if out is None else out if n > 0 else self.div(one, out)

    # sizes

    def abs(self, a: Pair) -> Expr:
        """The length of the vector, without overflow on the way."""
        if scalar(a[0].type) is F64:
            return self._hypot(*a)
        x, y = self._cast(a, F64)
        return self._cast((self._o("sqrt", op("add", op("mul", x, x), op("mul", y, y))), x), F32)[0]

    def _hypot(self, x: Expr, y: Expr) -> Expr:
        zero, one, inf = (self._c(v, x) for v in (0.0, 1.0, math.inf))
        x, y = self._o("abs", x), self._o("abs", y)
        large, small = self._o("max", x, y), self._o("min", x, y)
        ratio = self._o("div", small, self._if(op("eq", large, zero), one, large))
        length = self._o("mul", large, op("sqrt", op("add", one, op("mul", ratio, ratio))))
        return self._if(op("or", op("eq", x, inf), op("eq", y, inf)), inf, length)

    # functions, in f64

    def apply(self, name: str, *args: Pair) -> Pair:
        """The function ``name`` of ``ops.OPS``: computed in f64, and rounded to the type of the parts."""
        if name == "pow" and all(isinstance(x, Const) for x in args[1]):
            re, im = (float(x.value) for x in args[1])  # type: ignore[union-attr, arg-type]
            if im == 0 and re.is_integer() and abs(re) <= MOST_MULTIPLIED:
                return self.power(args[0], int(re))
        result: Pair = getattr(self, f"_{name}")(*(self._cast(a, F64) for a in args))
        return self._cast(result, scalar(args[0][0].type))

    def _cast(self, a: Pair, t: DType) -> Pair:
        return self.let(cast(a[0], t)), self.let(cast(a[1], t))

    def _negative(self, x: Expr) -> Expr:
        """Whether the sign is set, that of a zero too."""
        return self._o("lt", op("div", self._c(1.0, x), x), self._c(0.0, x))

    def _exp(self, z: Pair) -> Pair:
        """Half of the exponent at a time: the cosine may bring an overflow back."""
        half = self._o("exp", op("mul", z[0], self._c(0.5, z[0])))
        real = self._o("mul", op("mul", half, op("cos", z[1])), half)
        imag = self._o("mul", op("mul", half, op("sin", z[1])), half)
        return real, self._if(op("eq", z[1], self._c(0.0, z[1])), z[1], imag)

    def _expm1(self, z: Pair) -> Pair:
        x, y = z
        half = self._o("sin", op("mul", y, self._c(0.5, y)))
        real = self._o(
            "sub", op("mul", op("expm1", x), op("cos", y)), op("mul", self._c(2.0, x), op("mul", half, half))
        )
        imag = self._o("mul", op("exp", x), op("sin", y))
        return real, self._if(op("eq", y, self._c(0.0, y)), y, imag)

    def _log(self, z: Pair) -> Pair:
        """Near the unit circle the logarithm of the size is that of 1 plus something small."""
        x, y = z
        one, half = self._c(1.0, x), self._c(0.5, x)
        large = self._o("max", op("abs", x), op("abs", y))
        small = self._o("min", op("abs", x), op("abs", y))
        beyond = self._o("add", op("mul", op("sub", large, one), op("add", large, one)), op("mul", small, small))
        ratio = self._if(op("eq", large, small), one, op("div", small, large))
        far = self._o("add", op("log", large), op("mul", half, op("log1p", op("mul", ratio, ratio))))
        near = self._o("and", op("lt", half, large), op("lt", large, self._c(2.0, x)))
        real = self._if(near, op("mul", half, op("log1p", beyond)), far)
        return real, self._o("atan2", y, x)

    def _log1p(self, z: Pair) -> Pair:
        x, y = z
        half, two = self._c(0.5, x), self._c(2.0, x)
        shifted = self._o("add", x, self._c(1.0, x))
        real, imag = self._log((shifted, y))
        small = self._o("and", op("lt", op("abs", x), half), op("lt", op("abs", y), half))
        square = self._o("add", op("mul", x, op("add", two, x)), op("mul", y, y))
        return self._if(small, op("mul", half, op("log1p", square)), real), imag

    def _sqrt(self, z: Pair) -> Pair:
        x, y = z
        half, zero = self._c(0.5, x), self._c(0.0, x)
        size = self._hypot(x, y)
        root = self._o("sqrt", op("add", op("mul", half, op("abs", x)), op("mul", half, size)))
        other = self._if(op("eq", root, zero), zero, op("div", op("mul", half, op("abs", y)), root))
        left = self._o("lt", x, zero)
        height = self._if(left, root, other)
        return self._if(left, other, root), self._if(self._negative(y), op("neg", height), height)

    def _rsqrt(self, z: Pair) -> Pair:
        return self.div((self._c(1.0, z[0]), self._c(0.0, z[0])), self._sqrt(z))

    def _pow(self, a: Pair, b: Pair) -> Pair:
        """exp(b log a); 0 to a power is 0, 1 or NaN as the real part of the exponent says."""
        zero, one, nan = self._c(0.0, a[0]), self._c(1.0, a[0]), self._c(math.nan, a[0])
        real, imag = self._exp(self.mul(b, self._log(a)))
        nothing = self._o("and", op("eq", a[0], zero), op("eq", a[1], zero))
        unit = self._o("and", op("eq", b[0], zero), op("eq", b[1], zero))
        of_zero = self._if(op("lt", zero, b[0]), zero, nan)
        real, imag = self._if(nothing, of_zero, real), self._if(nothing, of_zero, imag)
        return self._if(unit, one, real), self._if(unit, zero, imag)

    # circular and hyperbolic functions: f(iz) = i g(z)

    def _sin(self, z: Pair) -> Pair:
        x, y = z
        return self._o("mul", op("sin", x), op("cosh", y)), self._o("mul", op("cos", x), op("sinh", y))

    def _cos(self, z: Pair) -> Pair:
        x, y = z
        imag = self._o("mul", op("sin", x), op("sinh", y))
        return self._o("mul", op("cos", x), op("cosh", y)), self._o("neg", imag)

    def _sinh(self, z: Pair) -> Pair:
        x, y = z
        return self._o("mul", op("sinh", x), op("cos", y)), self._o("mul", op("cosh", x), op("sin", y))

    def _cosh(self, z: Pair) -> Pair:
        x, y = z
        return self._o("mul", op("cosh", x), op("cos", y)), self._o("mul", op("sinh", x), op("sin", y))

    def _tanh(self, z: Pair) -> Pair:
        """Beyond 150 it is 1 to all digits, and squares would overflow."""
        x, y = z
        zero, one = self._c(0.0, x), self._c(1.0, x)
        t, s = self._o("tan", y), self._o("sinh", x)
        beta = self._o("add", one, op("mul", t, t))
        rho = self._o("sqrt", op("add", one, op("mul", s, s)))
        below = self._o("add", one, op("mul", beta, op("mul", s, s)))
        far = self._o("lt", self._c(150.0, x), op("abs", x))
        real = self._if(far, op("sign", x), op("div", op("mul", beta, op("mul", rho, s)), below))
        return real, self._if(far, op("mul", zero, t), op("div", t, below))

    def _asin(self, z: Pair) -> Pair:
        minus, plus = self._roots(z)
        real = self._o("sub", op("mul", minus[0], plus[0]), op("mul", minus[1], plus[1]))
        imag = self._o("sub", op("mul", minus[0], plus[1]), op("mul", minus[1], plus[0]))
        return self._o("atan2", z[0], real), self._o("asinh", imag)

    def _acos(self, z: Pair) -> Pair:
        minus, plus = self._roots(z)
        imag = self._o("sub", op("mul", plus[0], minus[1]), op("mul", plus[1], minus[0]))
        real = self._o("mul", self._c(2.0, z[0]), op("atan2", minus[0], plus[0]))
        return real, self._o("asinh", imag)

    def _acosh(self, z: Pair) -> Pair:
        one = self._c(1.0, z[0])
        minus = self._sqrt((self._o("sub", z[0], one), z[1]))
        plus = self._sqrt((self._o("add", z[0], one), z[1]))
        real = self._o("add", op("mul", minus[0], plus[0]), op("mul", minus[1], plus[1]))
        imag = self._o("mul", self._c(2.0, z[0]), op("atan2", minus[1], plus[0]))
        return self._o("asinh", real), imag

    def _roots(self, z: Pair) -> tuple[Pair, Pair]:
        """The square roots of 1 - z and 1 + z."""
        one = self._c(1.0, z[0])
        minus = self._o("sub", one, z[0]), self._o("neg", z[1])
        return self._sqrt(minus), self._sqrt((self._o("add", one, z[0]), z[1]))

    def _atanh(self, z: Pair) -> Pair:
        x, y = z
        one, size = self._c(1.0, x), self._o("abs", x)
        gap = self._o("sub", one, size)
        square = self._o("add", op("mul", gap, gap), op("mul", y, y))
        real = self._o("mul", self._c(0.25, x), op("log1p", op("div", op("mul", self._c(4.0, x), size), square)))
        along = self._o("sub", op("mul", op("sub", one, x), op("add", one, x)), op("mul", y, y))
        imag = self._o("mul", self._c(0.5, x), op("atan2", op("mul", self._c(2.0, x), y), along))
        return self._if(self._negative(x), op("neg", real), real), imag

    def _turned(self, name: str, z: Pair) -> Pair:
        """-i f(iz)."""
        real, imag = getattr(self, f"_{name}")((self._o("neg", z[1]), z[0]))
        return imag, self._o("neg", real)

    def _tan(self, z: Pair) -> Pair:
        return self._turned("tanh", z)

    def _asinh(self, z: Pair) -> Pair:
        return self._turned("asin", z)

    def _atan(self, z: Pair) -> Pair:
        return self._turned("atanh", z)


__all__ = ["ComplexMath", "Pair"]
