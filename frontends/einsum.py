"""Einsum strings, ``"ik,kj->ij"``, as programs: the statement they stand for is written out and read as the language.

Without ``->`` the result has, as in NumPy, the letters that occur once, in alphabetical order, after what ``...``
stands for.  A letter that an operand repeats reads its diagonal.  ``...`` stands for the leading or middle
dimensions that the letters leave over; unlike NumPy's they must agree, and none of extent 1 is stretched.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence

from sparsec.errors import ShapeError, Span, SyntaxError_, UnsupportedError
from sparsec.frontends.dsl.kernels import OperandType
from sparsec.ir.tensor import Program

MAX_OPERANDS = 26


def einsum_program(spec: str, operands: Sequence[OperandType]) -> Program:
    """The program of an einsum: operands ``A, B, C, ...``, result ``R`` (``R_`` if that is taken), of open format.

    Raises ``SyntaxError_`` and ``ShapeError`` with the place in ``spec``.

    Example: ``einsum_program("ij,j->i", [OperandType(F64, 2, csr), OperandType(F64, 1)])``.
    """
    from sparsec.frontends.dsl.analysis import parse_statements

    inputs, output = _parts(spec)
    names = operand_names(len(operands))
    if len(inputs) != len(operands):
        raise _error(
            spec,
            0,
            len(spec),
            f"the einsum names {len(inputs)} operands, and {len(operands)} are passed",
            "commas separate the operands",
        )
    spread = _spread(spec, inputs, [o.ndim for o in operands])
    letters = [_expand(text, n) for (_, text), n in zip(inputs, spread, strict=True)]
    left = _output(spec, inputs, letters, output, max(spread, default=0))
    result = "R" if "R" not in names else "R_"
    product = " * ".join(map(_access, names, letters))
    statement = f"{_access(result, left)} = {product}"
    return parse_statements(statement, dict(zip(names, operands, strict=True)))


def operand_names(count: int) -> list[str]:
    """Names for operands: A to Z."""
    if count > MAX_OPERANDS:
        raise UnsupportedError(f"an einsum of {count} operands", hint=f"at most {MAX_OPERANDS} at once: do it in steps")
    return list(string.ascii_uppercase[:count])


def _access(name: str, letters: list[str]) -> str:
    return f"{name}[{', '.join(letters)}]" if letters else name


def _index(letter: str) -> str:
    """An index variable for a letter; capitals are the operands' names."""
    return letter if letter.islower() else f"{letter.lower()}_"


def _parts(spec: str) -> tuple[list[tuple[int, str]], tuple[int, str] | None]:
    """The subscripts of the operands with their places, and those of the result if they are given."""
    if not isinstance(spec, str):
        raise SyntaxError_(f"an einsum is text such as 'ik,kj->ij', not {type(spec).__name__}")
    left, arrow, right = spec.partition("->")
    for at, c in enumerate(spec):
        if not (c.isascii() and c.isalpha()) and c not in " ,.->":
            raise _error(spec, at, at + 1, f"unexpected {c!r} in an einsum", "letters, commas, '...' and one '->'")
    for start in [n for n, c in enumerate(spec) if c in "->"]:
        if not (arrow and len(left) <= start < len(left) + 2):
            raise _error(spec, start, start + 1, f"unexpected '{spec[start]}'", "one '->' stands before the result")
    inputs, at = [], 0
    for text in left.split(","):
        inputs.append((at, text))
        at += len(text) + 1
    output = (len(left) + 2, right) if arrow else None
    for at, text in [*inputs, *([output] if output else [])]:
        if "," in text:
            raise _error(spec, at + text.index(","), at + text.index(",") + 1, "an einsum has one result")
        if text.count(".") not in (0, 3) or (text.count(".") == 3 and "..." not in text):
            dot = at + text.index(".")
            raise _error(spec, dot, dot + 1, "dots stand only in one '...' of a term", "write ...ij")
    return inputs, output


def _spread(spec: str, inputs: list[tuple[int, str]], orders: list[int]) -> list[int]:
    """How many dimensions ``...`` stands for in each term."""
    out = []
    for (at, text), order, name in zip(inputs, orders, operand_names(len(orders)), strict=True):
        letters = sum(c.isalpha() for c in text)
        extra = order - letters
        if extra < 0 or (extra > 0 and "..." not in text):
            raise ShapeError(
                f"operand {name} has {order} dimensions, its term '{text.strip()}' {letters}",
                span=_span(at, at + len(text)),
                source=spec,
                hint="one letter for each dimension; '...' stands for more",
            )
        out.append(extra)
    return out


def _expand(text: str, extra: int) -> list[str]:
    """The index variables of a term; those of ``...`` are counted from its end, as broadcasting aligns."""
    before, dots, after = text.replace(" ", "").partition("...")
    middle = [f"ellipsis{n}" for n in reversed(range(extra))] if dots else []
    return [*map(_index, before), *middle, *map(_index, after)]


def _output(
    spec: str, inputs: list[tuple[int, str]], letters: list[list[str]], output: tuple[int, str] | None, extra: int
) -> list[str]:
    dotted = [f"ellipsis{n}" for n in reversed(range(extra))]
    if output is None:
        counts = Counter(c for _, text in inputs for c in text if c.isalpha())
        return [*dotted, *(_index(c) for c in sorted(counts) if counts[c] == 1)]
    at, text = output
    known = {c for _, term in inputs for c in term if c.isalpha()}
    for n, c in enumerate(text):
        if c.isalpha() and c not in known:
            raise _error(spec, at + n, at + n + 1, f"no operand has the index '{c}' of the result")
        if c.isalpha() and text.index(c) != n:
            raise _error(
                spec, at + n, at + n + 1, f"the result has the index '{c}' twice", "a diagonal is for operands"
            )
    if extra and "..." not in text:
        raise _error(
            spec,
            at,
            at + max(len(text), 1),
            "'...' of the operands is missing in the result",
            "sums over it are written with letters",
        )
    return _expand(text, extra)


def _span(start: int, stop: int) -> Span:
    return Span(1, start + 1, start, max(stop, start + 1))


def _error(spec: str, start: int, stop: int, message: str, hint: str | None = None) -> SyntaxError_:
    return SyntaxError_(message, span=_span(start, stop), source=spec, hint=hint)
