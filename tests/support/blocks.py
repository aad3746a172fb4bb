"""Random ``scan`` blocks over sparse operands: indices and conditions of operands, and of what the block writes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np

import sparsec as sp
from sparsec.errors import SparsecError, UnsupportedError
from sparsec.ir.tensor_interp import interpret
from sparsec.knobs import scope

N = 6
VECTORS = ("dense", "csf", "rle", "(i) -> (i: hashed)", "(i) -> (i: bitmap)", "(i) -> (i/2: compressed, i%2: dense)")
MATRICES = (
    "dense", "csr", "csc", "coo", "dcsr", "bsr[2, 2]", "dia", "ell[6]", "hash", "rle", "bitmap", "sym", "csf",
    "csb[2, 3]", "sell[2, 4]", "band[5, 5]", "ragged", "nm[6, 6]", "bsc[2, 2]", "(i, j) -> (i: hashed, j: compressed)",
    "csr + csr",
)  # fmt: skip
RESULTS = {"t": "i64", "u": "i64[n]", "y": "f64[n]", "Y": "f64[n, n]"}


class Drawer:
    """Draws one program; values stay small integers, most indices inside."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.formats = {"A": self.pick(*MATRICES), "x": self.pick(*VECTORS), "p": self.pick("dense", *VECTORS),
                        "m": self.pick(*VECTORS)}  # fmt: skip
        statements = [self.statement() for _ in range(self.pick(1, 2, 2, 3))]
        self.block = "; ".join(statements)
        self.written = {s[0] for s in statements}
        self.first = {s[0]: s for s in reversed(statements)}
        head = [f"{n}: {t}" for n, t in RESULTS.items() if n not in self.written and self.reads(n)]
        kinds = {"A": "f64[n, n]", "x": "f64[n]", "p": "i64[n]", "m": "bool[n]"}
        head += [f"{n}: {t} {self.formats[n]}" for n, t in kinds.items() if self.reads(n)]
        self.names = [h.split(":")[0] for h in head]
        results = ", ".join(f"{n}: {t}" for n, t in RESULTS.items() if n in self.written)
        reverse = self.pick("", "", "", " reverse")
        self.text = f"kernel f({', '.join(head)}) -> {results} {{ scan i{reverse} {{ {self.block} }} }}"
        self.sizes = {} if any("[n" in h for h in head) else {"n": N}

    def pick(self, *of: str | int) -> str:
        return self.rng.choice(of)  # type: ignore[return-value]

    def reads(self, name: str) -> bool:
        return f"{name}[" in self.block if name != "t" else any(s in self.block for s in ("(t)", "t % 6", "t <", "[t"))

    def one(self, *choices: tuple[float, Callable[[], str]]) -> str:
        """One of the choices, by their weights."""
        return self.rng.choices([c for _, c in choices], [w for w, _ in choices])[0]()

    def number(self, depth: int, scope: str) -> str:
        at = lambda: self.index(depth - 1, scope)  # noqa: E731
        leaf = lambda: self.pick("1.0", "2.0", f"x[{self.pick(*scope)}]", f"f64({self.pick(*scope)})")  # noqa: E731
        if depth <= 0:
            return leaf()
        part = lambda: self.number(depth - 1, scope)  # noqa: E731
        return self.one(
            (3, leaf), (3, lambda: f"x[{at()}]"), (4, lambda: f"A[{at()}, {at()}]"),
            (2, lambda: f"y[{self.near(depth - 1, scope)}]"),
            (1.5, lambda: f"Y[{self.near(depth - 1, scope)}, {at()}]"),
            (1, lambda: "f64(t)"), (1, lambda: f"f64(u[{at()}])"),
            (2, lambda: f"({part()} {self.pick(*'+-*')} {part()})"),
            (1, lambda: f"select({self.condition(depth - 1, scope)}, {part()}, {part()})"),
            (2, lambda: self.fold(depth, scope)),
        )  # fmt: skip

    def fold(self, depth: int, scope: str) -> str:
        v = next((v for v in "jkl" if v not in scope), None)
        if v is None:
            return "x[i]"
        inner = scope + v
        where = f" where {self.condition(depth - 1, inner)}" if self.rng.random() < 0.4 else ""
        monoid = self.pick("sum", "sum", "prod") if where else self.pick("sum", "sum", "sum", "max", "min", "prod")
        read = self.pick(f"A[i, {v}]", f"x[{v}]", f"A[{v}, i]", f"A[{self.pick(*scope)}, {v}]")
        return f"{monoid}[{v}]({read} {self.pick('*', '+')} {self.number(depth - 1, inner)}{where})"

    def near(self, depth: int, scope: str) -> str:
        """Where a result is read."""
        return self.pick("i - 1", "i + 1", "(i + 5) % 6", self.index(depth, scope), self.index(depth, scope))

    def index(self, depth: int, scope: str) -> str:
        v = self.pick(*scope)
        if depth <= 0:
            return v
        return self.one(
            (6, lambda: v), (1, lambda: f"{v} - 1"), (1, lambda: f"{v} + 1"), (1, lambda: f"5 - {v}"),
            (3, lambda: f"p[{self.index(depth - 1, scope)}]"), (1, lambda: f"(p[{v}] + {self.pick(*scope)}) % 6"),
            (2, lambda: "t % 6"), (1.6, lambda: f"u[{self.index(depth - 1, scope)}] % 6"),
            (2, lambda: f"i64(y[{self.near(depth - 1, scope)}]) % 6"),
            (1, lambda: f"i64({self.number(depth - 1, scope)}) % 6"), (0.4, lambda: "t"), (0.4, lambda: f"u[{v}]"),
        )  # fmt: skip

    def condition(self, depth: int, scope: str) -> str:
        v, w = self.pick(*scope), self.pick(*scope, "3")
        simple: list[tuple[float, Callable[[], str]]] = [
            (4, lambda: f"m[{v}]"), (2, lambda: f"{v} {self.pick('<', '>')} {w}"), (2, lambda: f"A[i, {v}] != 0"),
            (2, lambda: f"t < {self.rng.randint(1, 8)}"), (2, lambda: f"y[i - 1] > {self.rng.randint(0, 4)}"),
            (1, lambda: f"u[{v}] > 1"), (2, lambda: f"p[{v}] >= {self.pick(*scope)}"), (1, lambda: f"x[{v}] > 2"),
        ]  # fmt: skip
        if depth > 0:
            parts = lambda: [self.condition(depth - 1, scope) for _ in range(2)]  # noqa: E731
            simple += [(3, lambda: self.pick(" and ", " or ").join(parts()))]
        return self.one(*simple)

    def statement(self) -> str:
        depth = self.rng.choice([1, 2, 2, 3])

        def written(target: str, ops: tuple[str, ...], scope: str, value: str) -> str:
            where = f" where {self.condition(1, scope)}" if self.rng.random() < 0.35 else ""
            return f"{target} {self.pick(*ops)} {value.format(self.number(depth, scope))}{where}"

        return self.one(
            (5, lambda: written("t", ("+=", "+=", "max=", "="), "i", "i64({}) % 11")),
            (4, lambda: written("u[j]", ("+=", "+=", "max="), "ij", "i64({}) % 11")),
            (6, lambda: written("y[i]", ("=", "=", "+="), "i", "({}) % 13")),
            (5, lambda: written("Y[i, j]", ("=", "+="), "ij", "({}) % 13")),
        )


def check_block(seed: int) -> str:
    """Compile a random block and compare it with the reference; says how it went: "ok", "error" or "unsupported"."""
    drawer = Drawer(Random(seed))
    try:
        kernel = sp.compile(drawer.text)
        return ", ".join(sorted({_run(drawer, kernel, seed, n) for n in range(3)}))
    except UnsupportedError:
        return "unsupported"
    except SparsecError as e:
        # What the text may not say: a point that is not written yet, two values for one name.
        assert e.span is not None, drawer.text
        return "refused"


def _run(drawer: Drawer, kernel: sp.Kernel, seed: int, turn: int) -> str:
    rng = np.random.default_rng([seed, turn])
    dense = {"A": np.where(rng.random((N, N)) < (0.5, 0.2, 0.8)[turn], rng.integers(1, 4, (N, N)), 0.0),
             "x": np.where(rng.random(N) < 0.7, rng.integers(0, 5, N), 0) * 1.0, "p": rng.integers(0, N, N),
             "m": rng.random(N) < 0.6, "t": np.int64(3), "u": rng.integers(0, 5, N),
             "y": rng.integers(0, 6, N) * 1.0, "Y": rng.integers(0, 6, (N, N)) * 1.0}  # fmt: skip
    if drawer.formats["A"] == "sym":
        dense["A"] = np.triu(dense["A"]) + np.triu(dense["A"], 1).T
    given = {n: dense[n] for n in drawer.names}
    passed = {n: _stored(a, drawer.formats.get(n, "dense"), rng) for n, a in given.items()}
    updated = {n for n in drawer.written & {"u", "y", "Y"} if "] = " not in drawer.first[n][:9]}
    outs = {n: dense[n] for n in updated} if rng.random() < 0.5 else {}
    plain = {n: np.full(dense[n].shape, np.nan) for n in (drawer.written & {"y", "Y"}) - updated}
    try:
        want = interpret(kernel.program, {**given, **outs}, drawer.sizes)
    except SparsecError:
        want = None
    out = {n: a.copy() for n, a in {**outs, **plain}.items()}
    with scope(check={"bounds"}):
        try:
            got = kernel(**passed, sizes=drawer.sizes, out=out) if out else kernel(**passed, sizes=drawer.sizes)
        except UnsupportedError:
            raise
        except SparsecError as e:
            assert want is None, f"{drawer.text}\n{given}\n{e}"
            return "error"
    assert want is not None, f"{drawer.text}\n{given}\nno error"
    for name, value in zip(want, got if isinstance(got, tuple) else (got,), strict=True):
        np.testing.assert_allclose(value, want[name], err_msg=f"{drawer.text}\n{given}")
    return "ok"


def _stored(a: np.ndarray, fmt: str, rng: np.random.Generator) -> object:
    if fmt == "dense" or not a.ndim:
        return a
    if fmt == "csr + csr":
        half = rng.random(a.shape) < 0.5
        return sp.compose(fmt, [a * half, a * ~half])
    return sp.tensor(a, format=fmt)


__all__ = ["check_block"]
