"""The polynomials of ``sparsec.backends.cpu.elementary``, made again: ``python -m tests.support.interpolants``.

Interpolation at Chebyshev's points in 60 digits, written in powers of the variable: within a small factor of the best
polynomial of the degree (Trefethen, Approximation Theory and Approximation Practice, 2013, theorem 16.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp

Function = Callable[[Any], Any]


def interpolant(f: Function, low: float, high: float, degree: int) -> list[float]:
    """Coefficients of 1, x, x**2, ... of the polynomial that meets ``f`` at the Chebyshev points of low .. high."""
    with mp.workdps(60):
        n, low, high = degree + 1, mp.mpf(low), mp.mpf(high)
        xs = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
        powers = mp.matrix(n, n)
        for r, x in enumerate(xs):
            for k in range(n):
                powers[r, k] = x**k
        return [float(c) for c in mp.lu_solve(powers, mp.matrix([f(x) for x in xs]))]


def _exp(r: Any) -> Any:
    """(e**r - 1 - r) / r**2"""
    return mp.hyp1f1(1, 3, r) / 2


def _log(z: Any) -> Any:
    """log((1 + s) / (1 - s)) / s - 2 over z, with z = s**2"""
    return 2 * mp.hyp2f1(1, 1.5, 2.5, z) / 3


def _erf(z: Any) -> Any:
    """erf(x) / x with z = x**2"""
    return 2 / mp.sqrt(mp.pi) * mp.hyp1f1(0.5, 1.5, -z)


def _erfc(t: Any) -> Any:
    """erfc(a) e**(a**2) with t = (a - 3) / (a + 3)"""
    a = 3 * (1 + t) / (1 - t)
    return mp.erfc(a) * mp.exp(a * a)


HALF_LN2 = 0.3466
POLYNOMIALS: dict[str, tuple[Function, float, float, int]] = {
    "EXP64": (_exp, -HALF_LN2, HALF_LN2, 9),
    "EXP32": (_exp, -HALF_LN2, HALF_LN2, 4),
    "LOG64": (_log, 0, 0.02944, 6),
    "LOG32": (_log, 0, 0.02944, 2),
    "ERF64": (_erf, 0, 1, 12),
    "ERF32": (_erf, 0, 1, 6),
    "ERFC64": (_erfc, -0.5, 1 / 3, 17),
    "ERFC32": (_erfc, -0.5, 1 / 7, 7),
}

if __name__ == "__main__":
    for name, (f, low, high, degree) in POLYNOMIALS.items():
        c = interpolant(f, low, high, degree)
        with mp.workdps(40):
            xs = [mp.mpf(low) + (mp.mpf(high) - low) * k / 997 for k in range(998)]
            worst = max(abs(mp.polyval([mp.mpf(v) for v in reversed(c)], x) - f(x)) for x in xs)
        print(f"{name} = (  # within {float(worst):.1e}")
        print("".join(f"    {v!r},\n" for v in c) + ")")
