"""Bounds of a level: sums of the coordinates of levels above it, with signs, and a number.

Written as in a map: ``i/4+j-3`` names the coordinates ``i/4`` and ``j``, as the levels that store them do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sparsec.errors import FormatError
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.ir.buffer import Expr
    from sparsec.ir.build import Builder

_TOKEN = re.compile(r"\s*(?:(\d+)(?![\w/%])|([A-Za-z_]\w*(?:\s*[/%]\s*\d+)*)|([-+()]))")


@node
class Bound:
    """``const`` and the coordinates ``terms`` names, each times its number; in the order of the names."""

    terms: tuple[tuple[str, int], ...] = ()
    const: int = 0

    @staticmethod
    def read(text: str) -> Bound:
        """The bound that ``text`` says; raises ``FormatError``."""
        found: dict[str, int] = {}
        const, at, sign, signs, wanted = 0, 0, 1, [1], True
        text = text.rstrip()
        while at < len(text):
            m = _TOKEN.match(text, at)
            if m is None:
                break
            number, name, mark = m.groups()
            if mark in ("+", "-"):
                sign, wanted = signs[-1] if mark == "+" else -signs[-1], True
            elif mark == ")":
                if wanted or len(signs) < 2:
                    break
                signs.pop()
            elif not wanted:
                break
            elif mark == "(":
                signs.append(sign)
            else:
                wanted = False
                if number is not None:
                    const += sign * int(number)
                else:
                    name = re.sub(r"\s", "", name)
                    found[name] = found.get(name, 0) + sign
            at = m.end()
        if at < len(text) or wanted or len(signs) > 1 or abs(const) >= 2**31:
            raise FormatError(
                f"'{text}' is no bound of a range",
                hint="a sum or difference of coordinates that levels above store, and numbers: range[i-1, i+2]",
            )
        return Bound(tuple(sorted((k, n) for k, n in found.items() if n)), const)

    def renamed(self, names: Mapping[str, str]) -> Bound:
        """The same bound for dimensions of other names."""
        renamed = ((re.sub(r"[A-Za-z_]\w*", lambda m: names.get(m[0], m[0]), key), n) for key, n in self.terms)
        return Bound(tuple(sorted(renamed)), self.const)

    def value(self, b: Builder, above: Mapping[str, Expr]) -> Expr:
        """The bound where the coordinates are ``above``."""
        total: Expr = b.const(self.const)
        for key, n in self.terms:
            total = b.add(total, b.mul(above[key], n))
        return total

    def at(self, above: Mapping[str, np.ndarray], count: int) -> np.ndarray:
        """The bound at ``count`` points with the coordinates ``above``."""
        total = np.full(count, self.const, np.int64)
        for key, n in self.terms:
            total += n * above[key]
        return total

    def __str__(self) -> str:
        words = sorted(self.terms, key=lambda t: t[1] < 0)
        parts = [f"{'+' if n > 0 else '-'}{key}" for key, n in words for _ in range(abs(n))]
        if self.const or not parts:
            number = f"{self.const:+d}"
            parts = [*parts, number] if not parts or parts[0][0] == "+" else [number, *parts]
        text = "".join(parts)
        return text.removeprefix("+") if text[0] == "+" else f"0{text}"


__all__ = ["Bound"]
