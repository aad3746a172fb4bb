"""``--against``: the same statement through SciPy or torch, where they have it.

A statement is rewritten bottom up into operations on whole matrices: a *view* is a peer's array with the index
variables of its axes.  Products contract pairwise (``@``), sums over one index become ``.sum``, and elementwise
``+ - *`` need equal indices.  What does not fit raises ``NoPeer`` with the reason, and nothing is ever made dense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sparsec.errors import SparsecError
from sparsec.ir.tensor import Access, Assign, Expr, Index, Literal, Map, Program, Reduce


class NoPeer(Exception):
    """The peer has no operation for this; the message says for what."""


class NotInstalled(NoPeer):
    """The peer is not there; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class View:
    """An array of at most two axes (``indices`` names them), computed when it is asked for.

    ``kind`` is "operand" for what exists already, "product" for a dense matrix that only a product makes, else "".
    """

    get: Callable[[], Any]
    indices: tuple[str, ...]
    sparse: bool
    kind: str = ""


class Peer(Protocol):
    """Operations of a library on its own arrays."""

    name: str

    def take(self, operand: Any) -> Any: ...
    def give(self, array: Any) -> Any: ...
    def matmul(self, a: Any, b: Any) -> Any: ...
    def multiply(self, a: Any, b: Any) -> Any: ...
    def transpose(self, a: Any) -> Any: ...
    def total(self, a: Any, axis: int | None) -> Any: ...


class SciPy:
    """SciPy's CSR arrays, NumPy's dense ones."""

    name = "scipy"

    def take(self, operand: Any) -> Any:
        if not hasattr(operand, "coo"):
            return operand
        if operand.ndim == 2:
            return operand.scipy().tocsr()
        raise NoPeer(f"sparse tensors of order {operand.ndim}")

    def give(self, array: Any) -> Any:
        return array

    def matmul(self, a: Any, b: Any) -> Any:
        return a @ b

    def multiply(self, a: Any, b: Any) -> Any:
        import scipy.sparse

        if scipy.sparse.issparse(a):
            return a.multiply(b)
        return b.multiply(a) if scipy.sparse.issparse(b) else a * b

    def transpose(self, a: Any) -> Any:
        return a.T

    def total(self, a: Any, axis: int | None) -> Any:
        return a.sum() if axis is None else a.sum(axis=axis)


class Torch:
    """torch's CSR tensors and dense ones."""

    name = "torch"

    def __init__(self) -> None:
        import warnings

        try:
            import torch
        except ImportError:
            raise NotInstalled("pip install 'sparsec[torch]'") from None
        # torch says that CSR is in beta, and that it does not check what we make.
        warnings.filterwarnings("ignore", message="Sparse (CSR|CSC|invariant)")
        self.torch = torch

    def take(self, operand: Any) -> Any:
        import numpy as np

        if not hasattr(operand, "coo"):
            return self.torch.from_numpy(np.array(operand))
        if operand.ndim != 2:
            raise NoPeer(f"sparse tensors of order {operand.ndim}")
        csr = operand.scipy().tocsr()
        parts = [self.torch.from_numpy(np.array(a)) for a in (csr.indptr, csr.indices, csr.data)]
        return self.torch.sparse_csr_tensor(parts[0], parts[1], parts[2], size=csr.shape)

    def give(self, array: Any) -> Any:
        import scipy.sparse

        if array.layout == self.torch.strided:
            return array.numpy()
        a = array if array.layout == self.torch.sparse_csr else array.to_sparse_csr()
        parts = (a.values().numpy(), a.col_indices().numpy(), a.crow_indices().numpy())
        return scipy.sparse.csr_array(parts, shape=tuple(a.shape))

    def matmul(self, a: Any, b: Any) -> Any:
        return a @ b

    def multiply(self, a: Any, b: Any) -> Any:
        return a * b

    def transpose(self, a: Any) -> Any:
        # A transposed CSR tensor is CSC, which few of torch's operations take.
        return a.t() if a.layout == self.torch.strided or a.ndim < 2 else a.t().to_sparse_csr()

    def total(self, a: Any, axis: int | None) -> Any:
        return a.sum() if axis is None else a.sum(dim=axis)


PEERS: dict[str, Callable[[], Peer]] = {"scipy": SciPy, "torch": Torch}


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A program through a peer: ``call`` computes in the peer's arrays, ``answer`` gives NumPy's or SciPy's."""

    call: Callable[[], Any]
    answer: Callable[[Any], Any]


def equivalent(name: str, program: Program, operands: Mapping[str, Any]) -> Equivalent:
    """The program's one statement through the peer ``name``; raises ``NoPeer`` where there is no such way."""
    if name not in PEERS:
        raise SparsecError(f"there is no peer '{name}'", hint="peers are " + ", ".join(PEERS))
    if len(program.body) != 1 or not isinstance(program.body[0], Assign):
        raise NoPeer("programs of several statements")
    statement = program.body[0]
    if statement.op != "=" or statement.where is not None:
        raise NoPeer("updates and conditions")
    if any(t.fill for t in program.tensors):
        raise NoPeer("fill values other than 0")
    target = _plain_indices(statement.target)
    builder = _Builder(PEERS[name](), operands)
    result = builder.align(builder.view(statement.value), target)
    return Equivalent(result.get, builder.peer.give)


def _plain_indices(access: Access) -> tuple[str, ...]:
    names = tuple(i.name if isinstance(i, Index) else "" for i in access.indices)
    if "" in names or len(set(names)) < len(names):
        raise NoPeer(f"computed or repeated indices, as in those of '{access.tensor}'")
    return names


@dataclass(slots=True)
class _Builder:
    peer: Peer
    operands: Mapping[str, Any]

    def view(self, e: Expr) -> View:
        match e:
            case Access():
                indices = _plain_indices(e)
                array = self.peer.take(self.operands[e.tensor])
                return View(lambda: array, indices, hasattr(self.operands[e.tensor], "coo"), "operand")
            case Literal(value=value):
                return View(lambda: value, (), False)
            case Map(op="cast", args=(a,)):
                return self.view(a)
            case Map(op="neg", args=(a,)):
                inner = self.view(a)
                return View(lambda: -inner.get(), inner.indices, inner.sparse)
            case Map(op="add" | "sub", args=(a, b)):
                return self.combine(e.op, self.view(a), self.view(b))
            case Map(op="mul"):
                return self.contract([self.view(f) for f in _factors(e)], ())
            case Map(op="div", args=(a, b)):
                return self.quotient(self.view(a), self.view(b))
            case Reduce(monoid="add", where=None):
                return self.contract([self.view(f) for f in _factors(e.body)], e.indices)
        what = e.op if isinstance(e, Map) else e.monoid if isinstance(e, Reduce) else type(e).__name__.lower()
        raise NoPeer(f"'{what}' on whole arrays here")

    def align(self, v: View, indices: tuple[str, ...]) -> View:
        """``v`` with its axes in the order of ``indices``."""
        if v.indices == indices:
            return v
        if set(v.indices) != set(indices):
            raise NoPeer("values that are spread along an index")
        if v.kind == "operand":  # once and for all, as our operands are converted once
            turned = self.peer.transpose(v.get())
            return View(lambda: turned, indices, v.sparse, v.kind)
        return View(lambda: self.peer.transpose(v.get()), indices, v.sparse, v.kind)

    def combine(self, op: str, a: View, b: View) -> View:
        if a.sparse != b.sparse and () in (a.indices, b.indices):
            raise NoPeer("a sparse array plus a number")
        if a.sparse != b.sparse and self.peer.name == "torch":
            raise NoPeer("a sparse plus a dense array")
        b = self.align(b, a.indices) if a.indices else b
        sparse = a.sparse and b.sparse
        if op == "add":
            return View(lambda: a.get() + b.get(), a.indices or b.indices, sparse)
        return View(lambda: a.get() - b.get(), a.indices or b.indices, sparse)

    def quotient(self, a: View, b: View) -> View:
        if b.indices or b.sparse:
            raise NoPeer("division by an array")
        return View(lambda: a.get() / b.get(), a.indices, a.sparse)

    def contract(self, factors: list[View], over: tuple[str, ...]) -> View:
        """The product of ``factors`` summed over the indices ``over``: equal shapes multiply, the rest contracts."""
        left = list(factors)
        open_ = set(over)
        while len(left) > 1:
            pair = self._next_pair(left, open_)
            if pair is None:
                raise NoPeer("this product of more than matrices")
            made, gone, (m, n) = pair
            open_ -= gone
            left = [v for k, v in enumerate(left) if k not in (m, n)]
            left.insert(min(m, n), made)
        return self._sum(left[0], open_)

    def _next_pair(self, views: list[View], open_: set[str]) -> tuple[View, set[str], tuple[int, int]] | None:
        for m, a in enumerate(views):
            for n, b in enumerate(views[m + 1 :], m + 1):
                if not a.indices or not b.indices or set(a.indices) == set(b.indices):
                    return self._elementwise(a, b), set(), (m, n)
        for m, a in enumerate(views):
            for n, b in enumerate(views[m + 1 :], m + 1):
                others = {i for k, v in enumerate(views) if k not in (m, n) for i in v.indices}
                shared = (set(a.indices) & set(b.indices) & open_) - others
                kept = (set(a.indices) | set(b.indices)) - shared
                if len(shared) == 1 and len(kept) <= 2 and not (set(a.indices) & set(b.indices)) - shared:
                    return self._matmul(a, b, shared.copy().pop()), shared, (m, n)
        return None

    def _elementwise(self, a: View, b: View) -> View:
        if a.indices and b.indices:
            b = self.align(b, a.indices)
            sparse = a.sparse or b.sparse
            if sparse and "product" in (a.kind, b.kind):
                raise NoPeer("a sampled product without making the whole product")
            return View(lambda: self.peer.multiply(a.get(), b.get()), a.indices, sparse)
        # A number and an array; on the left a NumPy scalar would try to take a sparse array apart.
        number, array = (b, a) if a.indices else (a, b)
        return View(lambda: array.get() * number.get(), array.indices, array.sparse)

    def _matmul(self, a: View, b: View, k: str) -> View:
        a = self.align(a, (*(i for i in a.indices if i != k), k))
        b = self.align(b, (k, *(i for i in b.indices if i != k)))
        kept = (*a.indices[:-1], *b.indices[1:])
        sparse = a.sparse and b.sparse and len(kept) == 2
        kind = "" if sparse or len(kept) < 2 else "product"
        return View(lambda: self.peer.matmul(a.get(), b.get()), kept, sparse, kind)

    def _sum(self, v: View, over: set[str]) -> View:
        if not over:
            return v
        if not over <= set(v.indices):
            raise NoPeer("a sum over an index that its body has not")
        if len(over) == len(v.indices):
            return View(lambda: self.peer.total(v.get(), None), (), False)
        axis = v.indices.index(over.copy().pop())
        return View(lambda: self.peer.total(v.get(), axis), (v.indices[1 - axis],), False)


def _factors(e: Expr) -> list[Expr]:
    """The operands of a product of products."""
    return [f for a in e.args for f in _factors(a)] if isinstance(e, Map) and e.op == "mul" else [e]


def differs(ours: Any, theirs: Any) -> str | None:
    """Where two results disagree beyond rounding, in words; None where they agree.  Neither is made dense."""
    import numpy as np
    import scipy.sparse

    if hasattr(ours, "coo"):
        ours = ours.scipy()
    if scipy.sparse.issparse(ours) != scipy.sparse.issparse(theirs):
        sparse, other = (ours, theirs) if scipy.sparse.issparse(ours) else (theirs, ours)
        coo = sparse.tocoo()
        rest = np.array(other, copy=True)
        rest[coo.coords] -= coo.data
        ours, theirs = rest, np.zeros_like(rest)
        scale = np.abs(np.asarray(other))
    elif scipy.sparse.issparse(ours):
        gap = (ours.tocsr() - theirs.tocsr()).tocoo()
        ours, theirs, scale = gap.data, np.zeros_like(gap.data), np.abs(theirs.data)
    else:
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        scale = np.abs(theirs)
    if ours.shape != theirs.shape:
        return f"shape {ours.shape} and {theirs.shape}"
    single = ours.dtype in (np.float32, np.complex64, np.float16)
    with np.errstate(all="ignore"):
        gap = np.abs(ours - theirs) if ours.dtype.kind in "fc" else (ours != theirs).astype(float)
    most = float(np.max(gap, initial=0.0, where=np.isfinite(gap)))
    allowed = (1e-3 if single else 1e-9) * max(1.0, float(np.max(scale, initial=0.0, where=np.isfinite(scale))))
    return f"by up to {most:.3g}" if most > allowed else None


__all__ = ["PEERS", "Equivalent", "NoPeer", "NotInstalled", "differs", "equivalent"]
