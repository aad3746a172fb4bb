"""Windows: where along a loop an operand has entries that fill one stretch of coordinates.

A window is a conjunction of linear conditions on the coordinates of its operand, and bounds a loop by those that are
linear in its index with a coefficient of 1 or -1: the loop over columns of a band inside that over rows, the loop over
rows inside that over columns, and the loop over diagonals of another operand alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparsec.formats.level import CanWindow
from sparsec.ir.buffer import Expr, i64
from sparsec.ir.tensor import Access, Index
from sparsec.passes.lower.coiterate import Seams
from sparsec.passes.lower.context import Context, Cursor, Env
from sparsec.passes.lower.coordinates import Linear


@dataclass(frozen=True, slots=True)
class Part:
    """The coordinates ``lo..hi`` of a loop; ``seams`` has where stored coordinates reach an end of a part."""

    lo: Expr
    hi: Expr
    seams: Seams


@dataclass(frozen=True, slots=True)
class Window:
    """Where along a loop an operand has entries: from all of ``least`` on, before all of ``ends``.

    ``levels`` are those whose windows say so; after the last of them the operand is resolved if ``whole``.
    """

    access: Access
    levels: tuple[int, ...]
    least: tuple[Linear, ...]
    ends: tuple[Linear, ...]

    @property
    def simple(self) -> bool:
        return len(self.least) <= 1 and len(self.ends) <= 1


def find_windows(ctx: Context, accesses: Sequence[Access], env: Env, index: str) -> list[Window]:
    """The windows that a loop over ``index`` decides, one for each access."""
    out: list[Window] = []
    for access in accesses:
        storage = ctx.storages[access.tensor]
        levels: list[int] = []
        least: list[Linear] = []
        ends: list[Linear] = []
        for n in range(env.cursors[access].done if access in env.cursors else 0, len(storage.levels)):
            level = storage.levels[n]
            if isinstance(level, CanWindow) and not level.full:
                if (access, n) not in env.within and (found := _decided(ctx, access, n, level, env, index)):
                    levels.append(n)
                    least += found[0]
                    ends += found[1]
            elif not level.full:
                break
        if levels:
            out.append(Window(access, tuple(levels), tuple(least), tuple(ends)))
    return out


def _decided(
    ctx: Context, access: Access, n: int, level: CanWindow, env: Env, index: str
) -> tuple[list[Linear], list[Linear]] | None:
    """The conditions of the window of level ``n`` as bounds of ``index``; None unless they are decided by it."""
    own = ctx.level_linear(access, n, env, index)
    least: list[Linear] = []
    ends: list[Linear] = []
    for bound, is_end in zip(level.limits, (False, True), strict=True):
        if bound is None or (not is_end and not bound.terms and bound.const <= 0):
            continue
        # rest + factor * index >= 0, or < 0 for an end
        difference = own.plus(ctx.bound(access, bound, env, index), -1)
        factor = difference.terms.get(Index(index), 0)
        rest = Linear({a: c for a, c in difference.terms.items() if a != Index(index)}, difference.const)
        if not factor and not rest.terms and (rest.const < 0) == is_end:
            continue
        if abs(factor) != 1 or not ctx.is_known(rest, env):
            return None
        if factor == 1:
            (ends if is_end else least).append(rest.times(-1))
        else:
            (least if is_end else ends).append(rest.plus(Linear({}, 1)))
    return (least, ends) if least or ends else None


def place(ctx: Context, windows: Sequence[Window], env: Env) -> Env:
    """Compute once, before the loop, where the entries of each operand begin that is resolved that far."""
    for w in windows:
        cursor = env.cursors.get(w.access, Cursor(0, i64(0)))
        if cursor.done == w.levels[0] and cursor.view is None:
            view = ctx.placed(w.access, cursor.done, env, cursor.lo)
            env = env.move(w.access, replace(cursor, view=view))
    return env


def enter(env: Env, index: str, windows: Sequence[Window]) -> Env:
    """Inside the loop over ``index``, clipped to ``windows``."""
    least, ends = env.ranges.get(index, ((), ()))
    for w in windows:
        least, ends = least + w.least, ends + w.ends
    within = env.within.union((w.access, n) for w in windows for n in w.levels)
    return replace(env, within=within, ranges={**env.ranges, index: (least, ends)})


def offset(a: Linear, b: Linear) -> int | None:
    """How far ``a`` is past ``b``, if that is a number."""
    difference = a.plus(b, -1)
    return None if difference.terms else difference.const


def surely_within(ctx: Context, access: Access, n: int, level: CanWindow, env: Env) -> bool:
    """Whether the loops around keep the coordinate of level ``n`` inside its window."""
    own = ctx.level_linear(access, n, env)
    for bound, is_end in zip(level.limits, (False, True), strict=True):
        if bound is None:
            continue
        difference = own.plus(ctx.bound(access, bound, env), -1)
        if not _shown(difference.times(-1).plus(Linear({}, -1)) if is_end else difference, env):
            return False
    return True


def _at_least(a: Linear, b: Linear) -> bool:
    distance = offset(a, b)
    return distance is not None and distance >= 0


def _shown(form: Linear, env: Env) -> bool:
    """Whether ``form >= 0`` follows from what bounds one of the loops around."""
    if not form.terms:
        return form.const >= 0
    for index, (least, ends) in env.ranges.items():
        here = Linear({Index(index): 1})
        # What is at least 0: index - least, and ends - 1 - index.
        known = [here.plus(m, -1) for m in least] + [m.plus(here, -1).plus(Linear({}, -1)) for m in ends]
        if any(_at_least(form, k) for k in known):
            return True
    return False


__all__ = ["Part", "Window", "enter", "find_windows", "offset", "place", "surely_within"]
