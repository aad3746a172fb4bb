"""The linear algebra extension of the array API: products of any tensors; factorisations of dense ones, by NumPy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sparsec.array import products, reductions, shapes
from sparsec.array.dtypes import namespace
from sparsec.array.operands import dense_result, is_sparse, operand, shape_of
from sparsec.array.pointwise import apply
from sparsec.errors import ShapeError, TypeError_, UnsupportedError
from sparsec.tensors import Tensor


class EigResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


def _tensor(made: Any) -> Any:
    return made if isinstance(made, Tensor) else dense_result(made, True)


def _dense(name: str, *given: Any, **options: Any) -> Any:
    """NumPy's function of dense tensors; raises ``UnsupportedError`` for sparse ones, ``ShapeError`` as NumPy does."""
    xs = [operand(x) for x in given]
    if any(map(is_sparse, xs)):
        raise UnsupportedError(f"linalg.{name} of a sparse Tensor", hint="A.numpy() gives a dense array")
    try:
        made = getattr(np.linalg, name)(*xs, **options)
    except (np.linalg.LinAlgError, ValueError) as e:
        raise ShapeError(f"linalg.{name}: {e}") from None
    except TypeError as e:
        raise TypeError_(f"linalg.{name}: {e}") from None
    return tuple(map(_tensor, made)) if isinstance(made, tuple) else _tensor(made)


def cholesky(x: Any, /, *, upper: Any = False) -> Any:
    """The triangular factor of a positive definite matrix."""
    return _dense("cholesky", x, upper=upper)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product of vectors of three elements along an axis."""
    return _dense("cross", x1, x2, axis=axis)


def det(x: Any, /) -> Any:
    """The determinant."""
    return _dense("det", x)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """A diagonal of the last two dimensions."""
    return shapes.diagonal(x, offset, -2, -1)


def eig(x: Any, /) -> EigResult:
    """Eigenvalues and right eigenvectors."""
    return EigResult(*(complex_(t) for t in _dense("eig", x)))


def complex_(t: Tensor) -> Tensor:
    """NumPy gives real results where all are real; the standard never does."""
    wide = {"float32": "complex64", "float64": "complex128"}.get(t.dtype.name)
    return t if wide is None else t.astype(wide)


def eigvals(x: Any, /) -> Any:
    """Eigenvalues."""
    return complex_(_dense("eigvals", x))


def eigh(x: Any, /) -> EigResult:
    """Eigenvalues and eigenvectors of a Hermitian matrix."""
    return EigResult(*_dense("eigh", x))


def eigvalsh(x: Any, /) -> Any:
    """Eigenvalues of a Hermitian matrix."""
    return _dense("eigvalsh", x)


def inv(x: Any, /) -> Any:
    """The inverse."""
    return _dense("inv", x)


def matmul(x1: Any, x2: Any, /) -> Any:
    """The matrix product."""
    return _tensor(products.matmul(x1, x2))


def matrix_norm(x: Any, /, *, keepdims: Any = False, ord: Any = "fro") -> Any:
    """A norm of the last two dimensions; of a sparse tensor those that need no singular values."""
    if not is_sparse(operand(x)):
        return _dense("matrix_norm", x, keepdims=keepdims, ord=ord)
    size = apply(np.absolute, x)
    if ord == "fro":
        total = reductions.reduce("sum", apply(np.square, size), (-2, -1), None, keepdims)
        return _tensor(apply(np.sqrt, total))
    if ord in (1, -1, np.inf, -np.inf):
        inner = -2 if abs(ord) == 1 else -1
        sums = reductions.reduce("sum", size, inner, None, True)
        found = reductions.reduce("max" if ord > 0 else "min", sums, (-2, -1), None, keepdims)
        return _tensor(found)
    raise UnsupportedError(f"linalg.matrix_norm with ord={ord!r} of a sparse Tensor", hint="A.numpy() makes one dense")


def matrix_power(x: Any, n: int, /) -> Any:
    """A matrix times itself, ``n`` times (the inverse, for negative ``n``)."""
    if not is_sparse(operand(x)):
        return _dense("matrix_power", x, n)
    if n < 1:
        raise UnsupportedError(f"linalg.matrix_power of a sparse Tensor with n={n}")
    found = None
    while True:
        if n & 1:
            found = x if found is None else matmul(found, x)
        n >>= 1
        if not n:
            return found
        x = matmul(x, x)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """The number of singular values above ``rtol`` times the greatest."""
    return _dense("matrix_rank", x, rtol=None if rtol is None else operand(rtol))


def matrix_transpose(x: Any, /) -> Any:
    """The last two dimensions swapped."""
    return shapes.matrix_transpose(x)


def outer(x1: Any, x2: Any, /) -> Any:
    """Every product of elements of two vectors."""
    if len(shape_of(operand(x1))) != 1 or len(shape_of(operand(x2))) != 1:
        raise ShapeError("the outer product takes two vectors")
    return _tensor(products.outer(x1, x2))


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """The pseudo-inverse."""
    return _dense("pinv", x, rtol=None if rtol is None else operand(rtol))


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """The orthogonal and the triangular factor."""
    return QRResult(*_dense("qr", x, mode=mode))


def slogdet(x: Any, /) -> SlogdetResult:
    """The sign of the determinant, and the logarithm of its size."""
    return SlogdetResult(*_dense("slogdet", x))


def solve(x1: Any, x2: Any, /) -> Any:
    """The solution of linear equations."""
    return _dense("solve", x1, x2)


def svd(x: Any, /, *, full_matrices: Any = True) -> SVDResult:
    """The singular value decomposition."""
    return SVDResult(*_dense("svd", x, full_matrices=full_matrices))


def svdvals(x: Any, /) -> Any:
    """Singular values."""
    return _dense("svdvals", x)


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """The sum of products over pairs of dimensions."""
    return _tensor(products.tensordot(x1, x2, axes))


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sum along a diagonal of the last two dimensions."""
    return _tensor(reductions.reduce("sum", diagonal(x, offset=offset), -1, dtype))


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The inner product along one dimension, the first operand conjugated."""
    return _tensor(products.vecdot(x1, x2, axis))


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:
    """A norm along axes; of a sparse tensor for ``ord`` 0, 1, 2 and infinity."""
    if not is_sparse(operand(x)):
        return _dense("vector_norm", x, axis=axis, keepdims=keepdims, ord=ord)
    size = apply(np.absolute, x)
    if ord == 2:
        return _tensor(apply(np.sqrt, reductions.reduce("sum", apply(np.square, size), axis, None, keepdims)))
    if ord == 0:
        return _tensor(reductions.cast(reductions.count_nonzero(x, axis, keepdims), size.dtype))
    if ord in (1, np.inf, -np.inf):
        name = "sum" if ord == 1 else "max" if ord > 0 else "min"
        return _tensor(reductions.reduce(name, size, axis, None, keepdims))
    raise UnsupportedError(f"linalg.vector_norm with ord={ord!r} of a sparse Tensor", hint="A.numpy() makes one dense")


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """``np.linalg.norm``: of all elements without ``ord`` and ``axis``, else of vectors or matrices."""
    pair = isinstance(axis, tuple | list) and len(axis) == 2
    order = len(shape_of(operand(x)))
    if pair or (axis is None and ord is not None and order == 2):
        y = shapes.moveaxis(x, tuple(axis), (-2, -1)) if pair and not keepdims else x
        found = matrix_norm(y, keepdims=keepdims, ord="fro" if ord is None else ord)
    else:
        found = vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)
    return found if is_sparse(found) else found.numpy()[()]


linalg = namespace(
    "sparsec.array_api.linalg",
    "Linear algebra.",
    {
        f.__name__: f
        for f in (
            cholesky, cross, det, diagonal, eig, eigh, eigvals, eigvalsh, inv, matmul, matrix_norm, matrix_power,
            matrix_rank, matrix_transpose, outer, pinv, qr, slogdet, solve, svd, svdvals, tensordot, trace, vecdot,
            vector_norm,
        )
    },
)  # fmt: skip
