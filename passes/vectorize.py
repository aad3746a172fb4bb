"""Loops marked ``vector<W>`` in explicit vectors.

Before::

    for p in lo .. hi mark vector<4> {
      s = radd(s, mul(a[p], x[cast(crd[p]):i64]))
    }

After::

    let p_count: i64 = max(sub(hi, lo), 0:i64)
    let p_main: i64 = add(lo, sub(p_count, mod(p_count, 4:i64)))
    if lt(lo, p_main) {
      var s_lanes: f32x4 = 0.0:f32x4
      for p in lo .. p_main step 4 {
        s_lanes = radd(s_lanes, mul(a[p]:x4, x[cast(crd[p]:x4):i64x4]:x4))
      }
      s = radd(s, reduce_add(s_lanes))
    }
    for p_rest in p_main .. hi mark rest {
      s = radd(s, mul(a[p_rest], x[cast(crd[p_rest]):i64]))
    }

A loop between constants that takes at most ``UNROLL`` vectors is unrolled.  ``vector_body.py`` says what a body may
contain.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from sparsec.ir import build
from sparsec.ir.buffer import (
    Block,
    Buffer,
    Const,
    Decl,
    Expr,
    For,
    Function,
    If,
    Let,
    Module,
    Op,
    Stmt,
    Var,
    Vec,
    i64,
)
from sparsec.ir.dtypes import I64
from sparsec.ir.rewrite import map_children, postwalk, walk
from sparsec.ir.schedule import cannot_run
from sparsec.passes.names import fresh_names
from sparsec.passes.vector_body import VectorBody

UNROLL = 8
Fresh = Callable[[str], str]


def vectorize(module: Module) -> Module:
    """Rewrite every loop marked ``vector<W>``, inner ones first; the rest of the module stays as it is.

    Raises ``ScheduleError`` with the reason where a marked loop cannot run in vectors.
    """
    return replace(module, functions=tuple(_function(f) for f in module.functions))


def vectorize_loop(loop: For, fresh: Fresh, mutable: set[str]) -> list[Stmt]:
    """The statements that stand for one marked loop.

    ``fresh`` gives names new to the function; ``mutable`` are the function's mutable locals.
    """
    lanes = lanes_of(loop)
    assert lanes is not None
    if lanes == 1:
        return [For(loop.var, loop.lo, loop.hi, loop.body, loop.step, "", loop.note)]
    if loop.step != 1:
        why = f"its step is {loop.step}, not 1"
        raise cannot_run(loop.var.name, loop.asked, "in vectors", why, "leave out the vector mark of this loop")
    body = VectorBody(loop, lanes, fresh)
    if isinstance(loop.lo, Const) and isinstance(loop.hi, Const):
        return _constant(loop, int(loop.lo.value), int(loop.hi.value), lanes, body, fresh)  # type: ignore[call-overload]
    return _general(loop, lanes, body, fresh, mutable)


def lanes_of(loop: For) -> int | None:
    """The width that a loop is marked with."""
    m = re.fullmatch(r"vector<(\d+)>", loop.mark)
    return int(m[1]) if m else None


def names_of(function: Function) -> set[str]:
    """Every name that a function uses."""
    return {n.name for n in walk(function) if isinstance(n, Var | Buffer)}


def _function(f: Function) -> Function:
    fresh = fresh_names(names_of(f))
    mutable = {n.var.name for n in walk(f.body) if isinstance(n, Decl)}

    def visit(block: Block) -> Block:
        out: list[Stmt] = []
        for s in block.stmts:
            if isinstance(s, Block):
                out.append(visit(s))
                continue
            inner = map_children(s, lambda n: visit(n) if isinstance(n, Block) else n)
            if isinstance(inner, For) and lanes_of(inner) is not None:
                out += vectorize_loop(inner, fresh, mutable)
            else:
                out.append(inner)
        return Block(tuple(out))

    return Function(f.name, f.params, visit(f.body))


def _general(loop: For, lanes: int, body: VectorBody, fresh: Fresh, mutable: set[str]) -> list[Stmt]:
    out: list[Stmt] = []
    name = loop.var.name

    def once(e: Expr, hint: str) -> Expr:
        if isinstance(e, Const) or (isinstance(e, Var) and e.name not in mutable):
            return e
        var = Var(fresh(hint), I64)
        out.append(Let(var, e))
        return var

    lo, hi = once(loop.lo, f"{name}_lo"), once(loop.hi, f"{name}_hi")
    count = once(build.op("max", build.sub(hi, lo), i64(0)), f"{name}_count")
    main = once(build.add(lo, build.sub(count, build.op("mod", count, i64(lanes)))), f"{name}_main")
    vectors = For(loop.var, lo, main, body.block, lanes, "", loop.note)
    out.append(If(build.lt(lo, main), Block((*_around(body, [vectors]),))))
    return [*out, _rest(loop, main, hi, fresh)]


def _constant(loop: For, lo: int, hi: int, lanes: int, body: VectorBody, fresh: Fresh) -> list[Stmt]:
    full = max(0, hi - lo) // lanes
    main = lo + full * lanes
    out: list[Stmt] = []
    if full > UNROLL:
        out += _around(body, [For(loop.var, i64(lo), i64(main), body.block, lanes, "", loop.note)])
    elif full:
        copies: list[Stmt] = []
        for at in range(lo, main, lanes):
            copies += _renamed(body.block, {loop.var.name: i64(at)}, fresh if at > lo else None).stmts
        out += _around(body, copies)
    if main < hi:
        out.append(_rest(loop, i64(main), i64(hi), fresh))
    return out


def _around(body: VectorBody, inside: list[Stmt]) -> list[Stmt]:
    """The accumulators around the statements that feed them."""
    return [*(a.start() for a in body.accumulators), *inside, *(a.finish() for a in body.accumulators)]


def _rest(loop: For, lo: Expr, hi: Expr, fresh: Fresh) -> For:
    """The loop as it was, over what is left, with names of its own."""
    var = Var(fresh(f"{loop.var.name}_rest"), I64)
    return For(var, lo, hi, _renamed(loop.body, {loop.var.name: var}, fresh), 1, "rest", loop.note)


def _renamed(block: Block, replace: dict[str, Expr], fresh: Fresh | None) -> Block:
    """``block`` with variables replaced, and, given ``fresh``, its locals renamed; sums of constants are folded."""
    replace = dict(replace)
    if fresh is not None:
        for n in walk(block):
            if isinstance(n, Let | Decl | For):
                replace[n.var.name] = Var(fresh(n.var.name), n.var.type)

    def visit(n: object) -> object:
        if isinstance(n, Var):
            return replace.get(n.name)
        if isinstance(n, Op) and n.op in ("add", "mul") and not isinstance(n.type, Vec) and n.type.is_integer:
            return build.op(n.op, *n.args, type=n.type)
        return None

    return postwalk(block, visit)


__all__ = ["UNROLL", "lanes_of", "names_of", "vectorize", "vectorize_loop"]
