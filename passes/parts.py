"""Complex values as two real ones, so that no backend need know complex numbers.

A buffer of complex elements becomes one of twice as many real ones, over the same memory; a local becomes two.

Before::

    let z: c64 = mul(a[p], x[j])
    y[i] = z

After::

    let a_re: f32 = a[mul(p, 2:i64)]
    ...
    let z_re: f32 = sub(mul(a_re, x_re), mul(a_im, x_im))
    let z_im: f32 = add(mul(a_re, x_im), mul(a_im, x_re))
    y[mul(i, 2:i64)] = z_re
    y[add(mul(i, 2:i64), 1:i64)] = z_im

The functions are those of ``complex_math.py``.  Real and imaginary part alternate in memory, so a loop marked
``vector<W>`` keeps no mark of vectors: it is unrolled where its bounds are constant, else LLVM sees to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sparsec.errors import UnsupportedError
from sparsec.ir.buffer import (
    Alloc,
    Block,
    Buffer,
    BufferParam,
    Call,
    Const,
    Decl,
    Expr,
    For,
    Function,
    Grow,
    If,
    Let,
    Load,
    Module,
    Op,
    Param,
    Prefetch,
    Publish,
    ScalarParam,
    Set,
    Stmt,
    Store,
    Type,
    Var,
    Vec,
    While,
    i64,
    scalar,
)
from sparsec.ir.build import add, cast, lt, mul, op
from sparsec.ir.dtypes import BOOL, I64, DType
from sparsec.ir.rewrite import map_children, walk
from sparsec.passes.complex_math import ComplexMath, Pair
from sparsec.passes.names import fresh_names
from sparsec.passes.vectorize import names_of

_ARITHMETIC = ("add", "radd", "sub", "neg", "conj", "mul", "fma", "div", "sign")


def split_complex(module: Module) -> Module:
    """``module`` without complex values; itself if it has none.

    Raises ``UnsupportedError`` for vectors of complex numbers and for a complex scalar parameter of the entry.
    """
    if not any(isinstance(n, Buffer | Var | Const) and _complex(n) for n in walk(module)):
        return module
    return replace(module, functions=tuple(_Splitter(f, n == 0).run() for n, f in enumerate(module.functions)))


def _type(n: Buffer | Var | Const | Expr) -> Type:
    return n.dtype if isinstance(n, Buffer) else n.type


def _complex(n: Buffer | Var | Const | Expr) -> bool:
    return scalar(_type(n)).kind == "c"


class _Splitter:
    """Rewrites one function; statements that a statement needs first go to ``out``."""

    def __init__(self, function: Function, is_entry: bool) -> None:
        self.function = function
        self.is_entry = is_entry
        self.fresh = fresh_names(names_of(function))
        self.vars: dict[str, tuple[Var, Var]] = {}
        self.out: list[Stmt] = []
        self.math = ComplexMath(self.let)

    def run(self) -> Function:
        params = tuple(q for p in self.function.params for q in self.param(p))
        return Function(self.function.name, params, self.block(self.function.body))

    def param(self, p: Param) -> Iterable[Param]:
        if isinstance(p, BufferParam):
            return (replace(p, buffer=self.buffer(p.buffer)),)
        if not _complex(p.var):
            return (p,)
        if self.is_entry:
            raise UnsupportedError(f"a scalar parameter of {p.var.type}", hint="pass an array of one element")
        return tuple(ScalarParam(v) for v in self.declare(p.var))

    # names

    def buffer(self, b: Buffer) -> Buffer:
        return replace(b, dtype=b.dtype.part) if _complex(b) else b

    def declare(self, v: Var) -> tuple[Var, Var]:
        """The two locals that stand for a complex one."""
        if isinstance(v.type, Vec):
            raise UnsupportedError(f"there are no vectors of {v.type.dtype}", hint="leave out the vector mark")
        if v.name not in self.vars:
            t = v.type.part
            self.vars[v.name] = Var(self.fresh(f"{v.name}_re"), t), Var(self.fresh(f"{v.name}_im"), t)
        return self.vars[v.name]

    def let(self, e: Expr, hint: str = "part") -> Expr:
        """``e``, under a name of its own if it is more than a name."""
        if isinstance(e, Const | Var):
            return e
        v = Var(self.fresh(hint), e.type)
        self.out.append(Let(v, e))
        return v

    def unlet(self, e: Expr) -> Expr:
        """``e``, or what stands behind it if it was named just now: a statement takes it as it is."""
        if self.out and isinstance(self.out[-1], Let) and self.out[-1].var == e:
            last = self.out.pop()
            assert isinstance(last, Let)
            return last.value
        return e

    # expressions

    def parts(self, e: Expr) -> Pair:
        """The parts of a complex expression."""
        if isinstance(e.type, Vec):
            raise UnsupportedError(f"there are no vectors of {e.type.dtype}", hint="leave out the vector mark")
        t = e.type.part
        match e:
            case Const():
                z = complex(e.value)  # type: ignore[call-overload]
                return Const(z.real, t), Const(z.imag, t)
            case Var():
                return self.declare(e)
            case Load():
                return self.load(e, t)
            case Op("select", (condition, then, orelse)):
                c = self.let(self.real(condition))
                (ar, ai), (br, bi) = self.parts(then), self.parts(orelse)
                return self.let(op("select", c, ar, br)), self.let(op("select", c, ai, bi))
            case Op("cast", (inner,)):
                if _complex(inner):
                    re, im = self.parts(inner)
                    return self.let(cast(re, t)), self.let(cast(im, t))
                return self.let(cast(self.real(inner), t)), Const(0.0, t)
            case Op(name, args) if name in _ARITHMETIC:
                made: Pair = getattr(self.math, name)(*map(self.parts, args))
                return made
            case Op(name, args):
                return self.math.apply(name, *map(self.parts, args))

    def load(self, e: Load, t: DType) -> Pair:
        b, at = self.buffer(e.buffer), self.let(mul(self.real(e.index), 2), "twice")
        mask = None if e.mask is None else self.let(self.real(e.mask))
        re, im = Load(b, at, t, mask), Load(b, add(at, 1), t, mask)
        return self.let(re, f"{b.name}_re"), self.let(im, f"{b.name}_im")

    def real(self, e: Expr) -> Expr:
        """An expression that is not complex itself."""
        if not isinstance(e, Op) or not any(map(_complex, e.args)) or e.op == "select":
            if isinstance(e, Load):
                e = replace(e, buffer=self.buffer(e.buffer))
            return map_children(e, lambda c: self.real(c) if isinstance(c, Const | Var | Load | Op) else c)
        pairs = [self.parts(a) for a in e.args]
        re, im = pairs[0]
        match e.op:
            case "real":
                return re
            case "imag":
                return im
            case "abs":
                return self.math.abs(pairs[0])
            case "eq":
                return op("and", op("eq", re, pairs[1][0]), op("eq", im, pairs[1][1]))
            case "ne":
                return op("or", op("ne", re, pairs[1][0]), op("ne", im, pairs[1][1]))
            case "isnan":
                return op("or", op("isnan", re), op("isnan", im))
            case "isfinite":
                return op("and", op("isfinite", re), op("isfinite", im))
            case "cast" if e.type is BOOL:
                return op("or", cast(re, BOOL), cast(im, BOOL))
            case "cast":
                return cast(re, e.type)
        raise UnsupportedError(f"'{e.op}' of {e.args[0].type}")

    # statements

    def block(self, block: Block) -> Block:
        outer, self.out = self.out, []
        for s in block.stmts:
            self.stmt(s)
        made, self.out = Block(tuple(self.out)), outer
        return made

    def stmt(self, s: Stmt) -> None:
        handler = _STATEMENTS.get(type(s))
        if handler is not None and handler(self, s):
            return
        self.out.append(map_children(s, self.child))

    def child(self, n: Any) -> Any:
        if isinstance(n, Block):
            return self.block(n)
        if isinstance(n, Const | Var | Load | Op):
            return self.real(n)
        return self.buffer(n) if isinstance(n, Buffer) else n

    def bind(self, s: Let | Decl) -> bool:
        if not _complex(s.var):
            return False
        re, im = self.parts(s.value if isinstance(s, Let) else s.init)
        im = self.unlet(im)
        re = self.unlet(re)
        for v, e in zip(self.declare(s.var), (re, im), strict=True):
            self.out.append(Let(v, e) if isinstance(s, Let) else Decl(v, e))
        return True

    def set(self, s: Set) -> bool:
        if not _complex(s.var):
            return False
        (re, im), (to_re, to_im) = self.parts(s.value), self.declare(s.var)
        last = self.unlet(im)
        if to_re in walk(last):  # the first of the two sets would spoil it
            held = Var(self.fresh("part"), last.type)
            self.out.append(Let(held, last))
            last = held
        else:
            re = self.unlet(re)
        self.out += [Set(to_re, re), Set(to_im, last)]
        return True

    def store(self, s: Store) -> bool:
        if not _complex(s.buffer):
            return False
        re, im = self.parts(s.value)
        b, at = self.buffer(s.buffer), self.let(mul(self.real(s.index), 2), "twice")
        mask = None if s.mask is None else self.let(self.real(s.mask))
        self.out += [Store(b, at, re, mask), Store(b, add(at, 1), im, mask)]
        return True

    def loop(self, s: For) -> bool:
        """Without its mark where the body has complex values."""
        if not s.mark.startswith("vector") or not any(
            isinstance(n, Buffer | Var) and _complex(n) for n in walk(s.body)
        ):
            return False
        constant = isinstance(s.lo, Const) and isinstance(s.hi, Const)
        self.out.append(map_children(replace(s, mark="unroll" if constant else ""), self.child))
        return True

    def repeat(self, s: While) -> bool:
        """A condition that needs statements of its own is computed before the loop and at the end of its body."""
        if not any(isinstance(n, Const | Var | Load | Op) and _complex(n) for n in walk(s.cond)):
            return False
        more = Var(self.fresh("more"), BOOL)
        self.out.append(Decl(more, self.real(s.cond)))
        outer, self.out = self.out, list(self.block(s.body).stmts)
        again = self.real(s.cond)
        body, self.out = Block((*self.out, Set(more, again))), outer
        self.out.append(While(more, body, s.note))
        return True

    def alloc(self, s: Alloc) -> bool:
        if not _complex(s.buffer):
            return False
        b, size = self.buffer(s.buffer), self.let(self.real(s.size), "size")
        init = None if s.init is None else self.parts(s.init)
        same = init is not None and repr(init[0]) == repr(init[1])
        self.out.append(Alloc(b, mul(size, 2), init[0] if init is not None and same else None, s.space))
        if init is not None and not same:
            at = Var(self.fresh("p"), I64)
            twice = mul(at, 2)
            fill = Block((Store(b, twice, init[0]), Store(b, add(twice, 1), init[1])))
            self.out.append(For(at, i64(0), size, fill, note=f"fill {b.name}"))
        return True

    def grow(self, s: Grow) -> bool:
        """The capacity counts complex elements."""
        if not _complex(s.buffer):
            return False
        needed = self.let(self.real(s.needed), "needed")
        room = Var(self.fresh(f"{s.capacity.name}_parts"), I64)
        grown = (
            Decl(room, mul(s.capacity, 2)),
            Grow(self.buffer(s.buffer), room, mul(needed, 2)),
            Set(s.capacity, op("shr", room, i64(1))),
        )
        self.out.append(If(lt(s.capacity, needed), Block(grown)))
        return True

    def publish(self, s: Publish) -> bool:
        if not _complex(s.buffer):
            return False
        self.out.append(Publish(s.result, self.buffer(s.buffer), mul(self.real(s.length), 2)))
        return True

    def prefetch(self, s: Prefetch) -> bool:
        if not _complex(s.buffer):
            return False
        self.out.append(Prefetch(self.buffer(s.buffer), mul(self.real(s.index), 2)))
        return True

    def call(self, s: Call) -> bool:
        args: list[Expr | Buffer] = []
        for a in s.args:
            if isinstance(a, Buffer):
                args.append(self.buffer(a))
            elif _complex(a):
                args += self.parts(a)
            else:
                args.append(self.real(a))
        self.out.append(Call(s.function, tuple(args)))
        return True


_STATEMENTS: dict[type, Callable[[_Splitter, Any], bool]] = {
    Let: _Splitter.bind,
    Decl: _Splitter.bind,
    Set: _Splitter.set,
    Store: _Splitter.store,
    For: _Splitter.loop,
    While: _Splitter.repeat,
    Alloc: _Splitter.alloc,
    Grow: _Splitter.grow,
    Publish: _Splitter.publish,
    Prefetch: _Splitter.prefetch,
    Call: _Splitter.call,
}

__all__ = ["split_complex"]
