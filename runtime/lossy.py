"""What a format that is too small keeps of a tensor: the entries, blocks or diagonals of greatest norm; a low rank.

A level with room for w coordinates beneath a parent (``ell[w]``, ``nm[n, m]``) keeps the w of greatest norm, which for
single entries is the magnitude, of equals the first.  ``keep`` bounds how many a format keeps in all, of what its last
level with gaps tells apart: of ``csr`` entries, of ``bsr[b, c]`` blocks, of ``dia`` diagonals.

The best approximation of low rank is the truncated singular value decomposition (Eckart and Young, Psychometrika 1936).
A tensor is taken apart into a sum greedily: each term takes what it can of what the terms before it left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sparsec.errors import FormatError, TypeError_
from sparsec.formats.format import Format
from sparsec.ir.dtypes import DType
from sparsec.ir.ops import cast_value
from sparsec.ir.tensor_values import from_storage, to_storage
from sparsec.runtime.entries import dense_storage, listed
from sparsec.runtime.storage import Storage

DENSE_LIMIT = 1 << 24
"""Elements of a matrix up to which its singular values come from the dense array."""


def chosen(stored: Storage, format: Format, keep: int | None) -> np.ndarray:
    """Which entries of a coordinate list ``format`` keeps, a bool for each; ``FormatError`` if its fill is infinite."""
    count = len(stored.values)
    rooms = [spec.type.room for spec in format.levels]
    kept = np.ones(count, bool)
    if keep is None and all(room is None for room in rooms):
        return kept
    if not np.isfinite(stored.fill):
        raise FormatError(
            f"entries are chosen by how far they are from the fill, which is {stored.fill}",
            hint="prune the tensor by a statement of your own, and convert that",
        )
    weight = _magnitudes(stored)
    point = stored.coordinates()
    parents, last = np.zeros(count, np.int64), 0
    counted = [n for n, spec in enumerate(format.levels) if not spec.type.full]
    for n, (spec, coord) in enumerate(zip(format.levels, format.coords, strict=True)):
        groups, last = _groups(parents, coord.of(point, stored.shape))
        bounds = []
        if (room := spec.type.room) is not None:
            bounds.append((parents, room))
        if keep is not None and counted and n == counted[-1]:
            bounds.append((np.zeros_like(parents), keep))
        for above, most in bounds:
            norms = _norms(groups[kept], weight[kept], last)
            there = np.zeros(last, bool)
            there[groups[kept]] = True
            owner = np.zeros(last, np.int64)
            owner[groups] = above
            kept &= _greatest(norms, owner, most, there)[groups]
        parents = groups
    if keep is not None and not counted:
        raise FormatError(
            f"format '{format.label}' keeps everything: there is nothing to choose", hint="leave out keep="
        )
    return kept


def _magnitudes(stored: Storage) -> np.ndarray:
    """How far each value is from the fill; of a NaN infinitely far."""
    values = from_storage(stored.values, stored.dtype)
    wide = values.astype(np.complex128 if stored.dtype.kind == "c" else np.float64)
    found: np.ndarray = np.abs(wide - complex(stored.fill) if stored.dtype.kind == "c" else wide - float(stored.fill))  # type: ignore[arg-type]
    return np.where(np.isnan(found), np.inf, found)


def norm(values: np.ndarray) -> float:
    """The Frobenius norm, whose squares neither overflow nor vanish."""
    most = float(np.abs(values).max(initial=0.0))
    return most * float(np.linalg.norm(values / most)) if 0 < most < math.inf else most


def _norms(groups: np.ndarray, magnitudes: np.ndarray, count: int) -> np.ndarray:
    """The norm of each group, likewise; of a single entry exactly its magnitude."""
    most = np.zeros(count)
    np.maximum.at(most, groups, magnitudes)
    scale = np.where((most > 0) & np.isfinite(most), most, 1.0)
    with np.errstate(invalid="ignore"):
        total = np.bincount(groups, (magnitudes / scale[groups]) ** 2, count)
    return scale * np.sqrt(total)


def _groups(parents: np.ndarray, coords: np.ndarray) -> tuple[np.ndarray, int]:
    """The number of each pair, pairs counted in their order, and how many there are."""
    order = np.lexsort((coords, parents))
    new = np.ones(len(order), bool)
    p, c = parents[order], coords[order]
    new[1:] = (p[1:] != p[:-1]) | (c[1:] != c[:-1])
    out = np.empty(len(order), np.int64)
    out[order] = np.cumsum(new) - 1
    return out, int(np.count_nonzero(new))


def _greatest(norms: np.ndarray, owner: np.ndarray, most: int, there: np.ndarray) -> np.ndarray:
    """The ``most`` greatest of each owner's, the first of equals."""
    order = np.lexsort((np.arange(len(norms)), -norms, ~there, owner))
    ranks = np.empty(len(norms), np.int64)
    own = owner[order]
    starts = np.flatnonzero(np.append(True, own[1:] != own[:-1])) if len(own) else np.empty(0, np.int64)
    ranks[order] = np.arange(len(own)) - np.repeat(starts, np.diff(np.append(starts, len(own))))
    return ranks < most


def select(stored: Storage, kept: np.ndarray) -> Storage:
    """A coordinate list of some of another's entries."""
    coords = [c[kept] for c in stored.coordinates()]
    return listed(coords, stored.values[kept], stored.shape, stored.format.dim_order, stored.dtype, stored.fill)


def halved(stored: Storage) -> tuple[np.ndarray, np.ndarray]:
    """Of a symmetric matrix's entries: which are not above the diagonal, and a number that mirrored ones share."""
    *batch, i, j = stored.coordinates()
    shared = np.zeros(len(i), np.int64)
    for coord in (*batch, np.maximum(i, j), np.minimum(i, j)):
        shared, _ = _groups(shared, coord)
    return i >= j, shared


def _wide(storage: Storage) -> np.ndarray:
    return from_storage(storage.values, storage.dtype).astype(
        np.complex128 if storage.dtype.kind == "c" else np.float64
    )


def size(stored: Storage) -> float:
    """The Frobenius norm of a tensor with plain values that stores no half: a list of all entries, or a dense array."""
    held = norm(_wide(stored))
    missing = math.prod(stored.shape) - len(stored.values)
    return math.hypot(held, abs(stored.fill) * math.sqrt(missing)) if missing and stored.fill != 0 else held


def distance(stored: Storage, kept: np.ndarray) -> float:
    """The norm of what is changed by dropping the entries that are not ``kept``."""
    return norm(_magnitudes(stored)[~kept])


def changed(before: Storage, after: Storage) -> float:
    """The norm of how two storages of one pattern differ; what a symmetric one stores once counts twice."""
    off = np.abs(_wide(after) - _wide(before)) * before.live
    if before.format.symmetric:
        i, j = before.last_coordinates()
        off *= np.where(i == j, 1.0, math.sqrt(2.0))
    return norm(off)


@dataclass(frozen=True, slots=True)
class LowRank:
    """Two factors, and what their product leaves of the matrix, where that was asked for; its norm."""

    left: Storage
    right: Storage
    rest: np.ndarray | None
    off: float


def low_rank(matrix: np.ndarray | None, stored: Storage, rank: int, t: DType, rest: bool) -> LowRank:
    """The best product of m by ``rank`` and ``rank`` by n, of ``stored`` or of the dense ``matrix`` if that is given.

    The singular values are shared among the two evenly.  Raises ``TypeError_`` for integers, ``FormatError`` for what
    is not finite.
    """
    if t.kind not in "fc":
        raise TypeError_(
            f"the factors of a low rank are floats, this tensor holds {t}", hint="cast it: A.astype('f32')"
        )
    *batch, m, n = stored.shape
    r = min(rank, m, n)
    if not np.isfinite(from_storage(stored.values, t) if matrix is None else matrix).all():
        raise FormatError("a tensor with infinities or NaN has no approximation of low rank")
    if matrix is None:
        u, s, v = _truncated(stored, r)
    else:
        u, s, v = (
            a[..., :r] if k < 2 else a[..., :r, :] for k, a in enumerate(np.linalg.svd(matrix, full_matrices=False))
        )
    root, r = np.sqrt(s), len(s) if s.ndim == 1 else r
    try:
        left, right = np.zeros((*batch, m, rank), u.dtype), np.zeros((*batch, rank, n), v.dtype)
    except (MemoryError, ValueError):
        raise FormatError(
            f"the factors of lowrank[{rank}] do not fit in memory",
            hint=f"a tensor of shape {stored.shape} has a rank of {min(m, n)} at most",
        ) from None
    left[..., :r], right[..., :r, :] = u * root[..., None, :], root[..., :, None] * v
    held = tuple(to_storage(np.asarray(cast_value(a, t)), t) for a in (left, right))
    wide = tuple(from_storage(a, t).astype(u.dtype) for a in held)
    if matrix is not None:
        off = matrix - wide[0] @ wide[1]
        distance = norm(off)
    else:
        off = None
        distance = math.sqrt(max(0.0, _apart(stored, wide)))
    assert not rest or off is not None
    return LowRank(dense_storage(held[0], 0, t), dense_storage(held[1], 0, t), off if rest else None, distance)


def _truncated(stored: Storage, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The greatest singular values of a large sparse matrix (Lanczos, from a start that is always the same).

    Rows and columns without entries are left out of it.  What is small then, or of no more rows or columns than
    ``rank``, is made dense: no larger than its factors.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import ArpackError, svds

    values = _wide(stored)
    used = values != 0
    (rows, i), (columns, j) = (np.unique(c[used], return_inverse=True) for c in stored.coordinates())
    m, n = len(rows), len(columns)
    r = min(rank, m, n)
    matrix = coo_array((values[used], (i, j)), (m, n)).tocsr()
    if m * n <= DENSE_LIMIT or r == min(m, n):
        u, s, v = np.linalg.svd(matrix.toarray(), full_matrices=False)
    else:
        try:
            u, s, v = svds(matrix, k=r, v0=np.random.default_rng(0).standard_normal(min(m, n)))
        except ArpackError as e:
            raise FormatError(f"the singular values of this matrix were not found: {e}") from None
    order = np.argsort(-s, kind="stable")[:r]
    left, right = np.zeros((stored.shape[0], r), u.dtype), np.zeros((r, stored.shape[1]), v.dtype)
    left[rows], right[:, columns] = u[:, order], v[order]
    return left, s[order], right


def _apart(stored: Storage, factors: tuple[np.ndarray, ...]) -> float:
    """The squared distance of a sparse matrix and a product, which is not made."""
    u, v = factors
    rows, columns = stored.coordinates()
    values = from_storage(stored.values, stored.dtype)
    total = float(np.vdot(values, values).real) + float(np.vdot(u.conj().T @ u, v @ v.conj().T).real)
    for at in range(0, len(values), 1 << 16):
        part = slice(at, at + (1 << 16))
        there = np.einsum("er,re->e", u[rows[part]], v[:, columns[part]])
        total -= 2.0 * float(np.vdot(there, values[part]).real)
    return total


__all__ = [
    "DENSE_LIMIT", "LowRank", "changed", "chosen", "distance", "halved", "low_rank", "norm", "select", "size",
]  # fmt: skip
