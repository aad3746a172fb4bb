"""Where the arithmetic of an index leaves 64 bits: such an index lies outside of any tensor, whatever it wraps to.

``at[i] * 4`` loses its value where ``or(gt(at[i], 2**61 - 1), lt(at[i], -2**61))`` holds.  Steps that cannot leave
64 bits, as the dtypes of what is read and the extents of the index variables show, ask nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sparsec.ir.dtypes import BOOL, F64, I64, U64
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Dim, Expr, Extent, Index, Literal, Map, joined

LEAST, GREATEST = -(2**63), 2**63 - 1
Range = tuple[int, int]


NEAR, FAR = 2**50, 2**62
"""What solves conditions takes coordinates to lie below the first; no sum of such reaches a number past the second."""


def loses(e: Expr, extents: Mapping[str, Extent]) -> Expr | None:
    """The condition under which a step of the i64 expression ``e`` leaves 64 bits; None if none ever does."""
    found: list[Expr] = []
    _range(e, extents, found)
    return joined("or", dict.fromkeys(found), BOOL) if found else None


def reach(e: Expr) -> Range | None:
    """The values that the i64 expression ``e`` may have at coordinates below ``NEAR``; None if a step may wrap."""
    found: list[Expr] = []
    near = dict.fromkeys((n.name for n in walk(e) if isinstance(n, Index)), NEAR)
    out = (0, NEAR) if isinstance(e, Dim) else _range(e, near, found)
    return None if found else out


def _range(e: Expr, extents: Mapping[str, Extent], found: list[Expr]) -> Range:
    """The values that ``e`` may have where no step has left 64 bits; where one does goes to ``found``."""
    match e:
        case Literal(value) if isinstance(value, int):
            return int(value), int(value)
        case Dim():
            return 0, GREATEST - 1
        case Index(name):
            extent = extents.get(name)
            return 0, max(extent - 1, 0) if isinstance(extent, int) else GREATEST - 1
        case Map(op, args) if e.dtype is I64 and all(a.dtype.is_integer for a in args):
            if op == "cast":
                return _widened(e, args[0], extents, found)
            if op in _RANGES:
                low, high = _RANGES[op](*(_range(a, extents, found) for a in args))
                if low < LEAST or high > GREATEST:
                    found += _STEPS[op](*args)
                return max(low, LEAST), min(high, GREATEST)
            for a in args:
                _range(a, extents, found)
            if op == "pow":
                found += _pow(*args)
        case Map("select", (c, a, b)) if e.dtype is I64:
            mine: list[Expr] = []
            others: list[Expr] = []
            first, second = _range(a, extents, mine), _range(b, extents, others)
            found += (Map("and", (c, lost), BOOL) for lost in mine)
            found += (Map("and", (Map("not", (c,), BOOL), lost), BOOL) for lost in others)
            return min(first[0], second[0]), max(first[1], second[1])
    return (LEAST, GREATEST) if e.dtype.kind != "u" else (0, min(2**e.dtype.bits - 1, GREATEST))


def _widened(e: Expr, a: Expr, extents: Mapping[str, Extent], found: list[Expr]) -> Range:
    if a.dtype is U64:
        found.append(_lt(e, 0))
        return 0, GREATEST
    low = 0 if a.dtype.kind == "u" else -(2 ** (a.dtype.bits - 1))
    return low, low + 2**a.dtype.bits - 1


def _products(a: Range, b: Range) -> Range:
    all_ = [x * y for x in a for y in b]
    return min(all_), max(all_)


def _quotients(a: Range, b: Range) -> Range:
    most = max(map(abs, a))
    return (-most, most) if b[0] <= -1 <= b[1] else (max(-most, LEAST), min(most, GREATEST))


_RANGES: dict[str, Callable[..., Range]] = {
    "add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "mul": _products,
    "neg": lambda a: (-a[1], -a[0]),
    "abs": lambda a: (0 if a[0] <= 0 <= a[1] else min(map(abs, a)), max(map(abs, a))),
    "min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "floordiv": _quotients,
    "mod": lambda a, b: (min(b[0], 0), max(b[1], 0)),
}


# conditions under which one step leaves 64 bits


def _add(a: Expr, b: Expr) -> Iterator[Expr]:
    if isinstance(a, Literal):
        a, b = b, a
    if isinstance(b, Literal):
        c = _number(b)
        yield _gt(a, GREATEST - c) if c > 0 else _lt(a, LEAST - c)
        return
    out = Map("add", (a, b), I64)
    yield _lt(Map("bitand", (Map("bitxor", (a, out), I64), Map("bitxor", (b, out), I64)), I64), 0)


def _sub(a: Expr, b: Expr) -> Iterator[Expr]:
    if isinstance(b, Literal):
        c = _number(b)
        yield _lt(a, LEAST + c) if c > 0 else _gt(a, GREATEST + c)
        return
    out = Map("sub", (a, b), I64)
    yield _lt(Map("bitand", (Map("bitxor", (a, b), I64), Map("bitxor", (a, out), I64)), I64), 0)


def _mul(a: Expr, b: Expr) -> Iterator[Expr]:
    if isinstance(a, Literal):
        a, b = b, a
    if isinstance(b, Literal):
        c = _number(b)
        most, least = (GREATEST // c, -(-LEAST // c)) if c > 0 else (-LEAST // -c, -(GREATEST // -c))
        if most < GREATEST:
            yield _gt(a, most)
        yield _lt(a, least)
        return
    out = Map("mul", (a, b), I64)
    undone = Map("ne", (Map("floordiv", (out, b), I64), a), BOOL)
    turned = Map("and", (Map("eq", (b, Literal(-1, I64)), BOOL), _lt(a, -GREATEST)), BOOL)
    lost = Map("or", (undone, turned), BOOL)
    yield Map("and", (Map("ne", (b, Literal(0, I64)), BOOL), lost), BOOL)


def _neg(a: Expr) -> Iterator[Expr]:
    yield _lt(a, -GREATEST)


def _floordiv(a: Expr, b: Expr) -> Iterator[Expr]:
    yield Map("and", (Map("eq", (b, Literal(-1, I64)), BOOL), _lt(a, -GREATEST)), BOOL)


def _pow(a: Expr, b: Expr) -> Iterator[Expr]:
    """Powers past 64 bits lie far enough from those within that floats tell them apart."""
    power = Map("pow", (Map("cast", (a,), F64), Map("cast", (b,), F64)), F64)
    large = Map("ge", (Map("abs", (power,), F64), Literal(2.0**63, F64)), BOOL)
    yield Map("and", (Map("gt", (b, Literal(1, I64)), BOOL), large), BOOL)


_STEPS: dict[str, Callable[..., Iterator[Expr]]] = {
    "add": _add, "sub": _sub, "mul": _mul, "neg": _neg, "abs": _neg, "floordiv": _floordiv,
}  # fmt: skip


def _number(e: Literal) -> int:
    return int(e.value)  # type: ignore[call-overload,no-any-return]


def _lt(a: Expr, n: int) -> Map:
    return Map("lt", (a, Literal(n, I64)), BOOL)


def _gt(a: Expr, n: int) -> Map:
    return Map("gt", (a, Literal(n, I64)), BOOL)


__all__ = ["FAR", "NEAR", "loses", "reach"]
