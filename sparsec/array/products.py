"""Sums of products: ``A @ B`` and its kin, each written as a statement of indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparsec.array.broadcasting import placed
from sparsec.array.operands import (
    axis_of,
    broadcast_shape,
    closed,
    dense_result,
    dtype_of,
    is_integer,
    is_sparse,
    operand,
    operands,
    shape_of,
)
from sparsec.array.places import format_like, room
from sparsec.array.reductions import resulting
from sparsec.array.statements import access, index, kernel, letters, remember, remembered, run, target
from sparsec.errors import ShapeError, TypeError_
from sparsec.formats.format import Format
from sparsec.ir.dtypes import from_numpy
from sparsec.tensors import Tensor


def matmul(a: Any, b: Any) -> Any:
    """The matrix product over the last dimension of ``a`` and the last but one of ``b``; leading ones broadcast.

    Vectors are rows on the left and columns on the right, as in NumPy.  Raises ``ShapeError``.
    """
    key = _look(a, b)
    if key is not None and (known := remembered(key)) is not None:
        return known(a, b)
    x, y = operands((a, b), decode=False)  # a kernel decodes where it multiplies
    if not shape_of(x) or not shape_of(y):
        raise ShapeError("'@' is for vectors and matrices, not for numbers", hint="write A * x")
    if not is_sparse(x) and not is_sparse(y):
        with np.errstate(all="ignore"):
            return dense_result(_checked(np.matmul, x, y), closed((a, b)))
    left, right = shape_of(x), shape_of(y)
    inner = right[-2] if len(right) > 1 else right[0]
    if left[-1] != inner:
        raise ShapeError(f"shapes {left} and {right} do not multiply: {left[-1]} columns meet {inner} rows")
    batch = broadcast_shape([left[:-2], right[:-2]])
    over = letters(len(batch), "b")
    rows = ["i"] if len(left) > 1 else []
    columns = ["j"] if len(right) > 1 else []
    x, first = _batched(x, batch, over, len(rows) + 1)
    y, second = _batched(y, batch, over, len(columns) + 1)
    shape = (*batch, *left[-2:-1], *right[-1:] * len(columns))
    sides = (x, [*first, *rows, "k"]), (y, [*second, "k", *columns])
    text = statement(*sides, [*over, *rows, *columns], ["k"], shape)
    return run(*text) if key is None else remember(key, kernel(*text))(a, b)


def _look(a: Any, b: Any) -> Any:
    """What the kernel of such a product depends on; None for other operands."""
    if not (type(a) is Tensor and type(b) is np.ndarray and b.ndim in (1, 2) and len(a.shape) == 2):
        return None
    s = a.storage
    if s.shape[1] != b.shape[0] or s.format.is_dense:
        return None
    return "@", s.format, s.dtype, s.fill, b.dtype, b.ndim


def _checked(function: Any, *given: Any, **options: Any) -> Any:
    """NumPy's function, with its errors as ours."""
    try:
        return function(*given, **options)
    except ValueError as e:
        raise ShapeError(str(e)) from None
    except TypeError as e:
        raise TypeError_(str(e)) from None


def _batched(x: Any, batch: tuple[int, ...], over: Sequence[str], matrix: int) -> tuple[Any, list[str]]:
    """``x`` without stretched batch dimensions, and the names of those it has."""
    own = shape_of(x)
    p = placed(x, (*batch, *own[len(own) - matrix :]))
    return p.value, [over[d] for d in p.dims if d < len(batch)]


def contract(
    first: tuple[Any, Sequence[str]],
    second: tuple[Any, Sequence[str]],
    kept: Sequence[str],
    summed: Sequence[str],
    shape: tuple[int, ...],
) -> Any:
    """The sum over ``summed`` of the product of two operands, for each of ``kept``; ``shape`` is the result's."""
    return run(*statement(first, second, kept, summed, shape))


def statement(
    first: tuple[Any, Sequence[str]],
    second: tuple[Any, Sequence[str]],
    kept: Sequence[str],
    summed: Sequence[str],
    shape: tuple[int, ...],
) -> tuple[str, str, dict[str, Any]]:
    """The two sides of such a product, and its operands by name."""
    (x, xi), (y, yi) = first, second
    kind = np.result_type(dtype_of(x), dtype_of(y))
    texts = (access("A", xi, dtype_of(x), kind), access("B", yi, dtype_of(y), kind))
    product = f"{texts[0]} * {texts[1]}"
    format, fill = _outcome(x, y, shape, bool(summed))
    left = target("C", kept, from_numpy(kind), format, fill)
    word = "any" if kind.kind == "b" else "sum"
    return left, f"{word}[{', '.join(summed)}]({product})" if summed else product, {"A": x, "B": y}


def _outcome(x: Any, y: Any, shape: tuple[int, ...], summed: bool) -> tuple[Format | None, Any]:
    """Format and fill of a product: of two sparse tensors it is sparse, otherwise what the algebra makes of it."""
    sparse = [t for t in (x, y) if is_sparse(t) and not t.storage.parts]
    if len(sparse) < 2 or any(t.fill_value != 0 for t in sparse):
        return None, None
    zero = np.result_type(x.dtype, y.dtype).type(0).item()
    if len(shape) == 1 and summed:
        return resulting(shape, sum(t.nnz for t in sparse)), zero
    return format_like(shape, sum(t.nnz for t in sparse), *sparse), zero


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of dimensions: the last of ``a`` with the first of ``b``, or as ``axes`` says."""
    x, y = operands((a, b))
    if not is_sparse(x) and not is_sparse(y):
        return dense_result(_checked(np.tensordot, x, y, axes), closed((a, b)))
    left, right = shape_of(x), shape_of(y)
    if is_integer(axes):
        n = axes.__index__()
        if not 0 <= n <= min(len(left), len(right)):
            raise ShapeError(f"axes={n} for tensors of order {len(left)} and {len(right)}")
        pairs = [(len(left) - n + k, k) for k in range(n)]
    else:
        one, other = (tuple(s) if isinstance(s, tuple | list) else (s,) for s in axes)
        if len(one) != len(other):
            raise ShapeError(f"axes={axes} pairs {len(one)} dimensions with {len(other)}")
        pairs = [(axis_of(p, len(left)), axis_of(q, len(right))) for p, q in zip(one, other, strict=True)]
    names, others = list(letters(len(left))), list(letters(len(right), "j"))
    for p, q in pairs:
        if left[p] != right[q]:
            raise ShapeError(
                f"shapes {left} and {right} do not multiply: dimension {p} of the first, {q} of the second"
            )
        others[q] = names[p]
    summed = [names[p] for p, _ in pairs]
    kept = [n for n in [*names, *others] if n not in summed]
    shape = tuple(n for n, i in [*zip(left, names, strict=True), *zip(right, others, strict=True)] if i not in summed)
    count = _stored(x) * _stored(y) if not summed else 0
    with room(count, "the product", "an expression in a kernel uses its elements without storing them"):
        return contract((x, names), (y, others), kept, summed, shape)


def _stored(x: Any) -> int:
    return int(x.nnz if is_sparse(x) else np.size(x))


def vecdot(a: Any, b: Any, axis: Any = -1) -> Any:
    """The inner product along one dimension of both, the first one conjugated; the others broadcast."""
    x, y = operands((a, b))
    if not is_sparse(x) and not is_sparse(y):
        return dense_result(_checked(np.linalg.vecdot, x, y, axis=axis), closed((a, b)))
    shape = broadcast_shape([shape_of(x), shape_of(y)])
    d = axis_of(axis, min(len(shape_of(x)), len(shape_of(y)))) - min(len(shape_of(x)), len(shape_of(y)))
    if shape_of(x)[d] != shape_of(y)[d]:
        raise ShapeError(f"shapes {shape_of(x)} and {shape_of(y)} do not agree along the axis {axis}")
    if np.dtype(dtype_of(x)).kind == "c":
        from sparsec.array.pointwise import apply

        x = apply(np.conjugate, x)
    at = len(shape) + d
    p, q = placed(x, shape), placed(y, shape)
    kept = [index(n) for n in range(len(shape)) if n != at]
    left, right = (([index(n) for n in part.dims]) for part in (p, q))
    return contract((p.value, left), (q.value, right), kept, [index(at)], shape[:at] + shape[at + 1 :])


def outer(a: Any, b: Any) -> Any:
    """Every product of an element of ``a`` with one of ``b``, both flat."""
    from sparsec.array.shapes import reshape

    x, y = (reshape(t, (-1,)) if len(shape_of(operand(t))) != 1 else t for t in (a, b))
    return tensordot(x, y, 0)


def dot(a: Any, b: Any) -> Any:
    """NumPy's ``dot``: over the last dimension of ``a`` and the last but one of ``b``; numbers multiply."""
    x, y = operands((a, b))
    if not shape_of(x) or not shape_of(y):
        from sparsec.array.pointwise import apply

        return apply(np.multiply, a, b)
    return tensordot(a, b, ((-1,), (max(len(shape_of(y)) - 2, 0),)))


def inner(a: Any, b: Any) -> Any:
    """NumPy's ``inner``: over the last dimension of both."""
    return tensordot(a, b, ((-1,), (-1,)))


def kron(a: Any, b: Any) -> Any:
    """The Kronecker product."""
    from sparsec.array.shapes import expand_dims, permute_dims, reshape

    x, y = operands((a, b))
    order = max(len(shape_of(x)), len(shape_of(y)))
    x, y = (expand_dims(t, tuple(range(order - len(shape_of(t))))) if order > len(shape_of(t)) else t for t in (x, y))
    spread = permute_dims(tensordot(x, y, 0), tuple(n for d in range(order) for n in (d, order + d)))
    return reshape(spread, tuple(m * n for m, n in zip(shape_of(x), shape_of(y), strict=True)))


def einsum(spec: str, *given: Any, format: str | None = None) -> Any:
    """``sp.einsum``, dense operands alone through NumPy's."""
    from sparsec.api import einsum as compiled

    xs = operands(given)
    if not any(map(is_sparse, xs)):
        return dense_result(_checked(np.einsum, spec, *xs), closed(given))
    return compiled(spec, *xs, format=format)


__all__ = ["contract", "dot", "einsum", "inner", "kron", "matmul", "outer", "tensordot", "vecdot"]
