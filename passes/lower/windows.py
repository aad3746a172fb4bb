"""Windows: where along a loop an operand has entries that fill one stretch of coordinates.

A window is a conjunction of linear conditions on the coordinates of its operand, and bounds a loop by those that are
linear in its index with a coefficient of 1 or -1: the loop over columns of a band inside that over rows, the loop over
rows inside that over columns, and the loop over diagonals of another operand alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparsec.formats.level import CanWindow
from sparsec.ir.buffer import Expr as Number
from sparsec.ir.buffer import i64
from sparsec.ir.dtypes import I64
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Expr, Index, Map
from sparsec.passes.lower.coiterate import Seams
from sparsec.passes.lower.context import Context, Cursor, Env
from sparsec.passes.lower.coordinates import Linear
from sparsec.passes.lower.overflow import reach


@dataclass(frozen=True, slots=True)
class Part:
    """The coordinates ``lo..hi`` of a loop; ``seams`` has where stored coordinates reach an end of a part."""

    lo: Number
    hi: Number
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
        if abs(factor) != 1 or not ctx.is_steady(rest, env):
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
    within = env.within.union((w.access, n) for w in windows for n in w.levels)
    env = replace(env, within=within)
    for w in windows:
        env = bounded(env, index, w.least, w.ends)
    return env


def bounded(env: Env, index: str, least: Sequence[Linear], ends: Sequence[Linear]) -> Env:
    """What is known inside the loop over ``index`` from all of ``least`` on and before all of ``ends``."""
    here, one = Linear({Index(index): 1}), Linear({}, 1)
    above = [here.plus(m, -1) for m in least]
    below = [m.plus(here, -1).plus(one, -1) for m in ends]
    return replace(env, facts=(*env.facts, *above, *below))


def assumed(ctx: Context, condition: Expr, env: Env) -> Env:
    """What is known where ``condition`` holds, a comparison of integers that are made of coordinates."""
    if not isinstance(condition, Map) or condition.op not in ("lt", "le", "gt", "ge", "eq"):
        return env
    if any(a.dtype is not I64 for a in condition.args):
        return env
    if any(reach(a) is None or any(isinstance(n, Access) for n in walk(a)) for a in condition.args):
        return env  # it says nothing of coordinates, or no longer
    a, b = (ctx.form(e, env) for e in condition.args)
    strict = Linear({}, int(condition.op in ("lt", "gt")))
    less = [b.plus(a, -1).plus(strict, -1)] if condition.op in ("lt", "le", "eq") else []
    more = [a.plus(b, -1).plus(strict, -1)] if condition.op in ("gt", "ge", "eq") else []
    return replace(env, facts=(*env.facts, *less, *more))


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


def _shown(form: Linear, env: Env) -> bool:
    """Whether ``form >= 0`` follows from one fact."""
    if not form.terms:
        return form.const >= 0
    return any((distance := offset(form, fact)) is not None and distance >= 0 for fact in env.facts)


__all__ = ["Part", "Window", "assumed", "bounded", "enter", "find_windows", "offset", "place", "surely_within"]
