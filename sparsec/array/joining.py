"""Tensors side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparsec.array.operands import axis_of, closed, dense_result, is_sparse, operand, shape_of
from sparsec.array.places import mapped, places, rebuilt, room
from sparsec.array.shapes import expand_dims, reshape
from sparsec.errors import FormatError, ShapeError
from sparsec.tensors import Tensor, tensor


def concat(given: Sequence[Any], axis: int | None = 0) -> Any:
    """Joined along an axis (None: all of them flat).

    Where one is sparse the result is; the dense ones store what differs from its fill.  Raises ``ShapeError`` for
    shapes that do not fit, ``FormatError`` for fills that differ.
    """
    given = list(given)
    if not given:
        raise ShapeError("there is nothing to join")
    if axis is None:
        given, axis = [reshape(x, (-1,)) for x in given], 0
    xs = [operand(x) for x in given]
    if not any(map(is_sparse, xs)):
        try:
            return dense_result(np.concatenate(xs, axis), closed(given))
        except ValueError as e:
            raise ShapeError(str(e)) from None
    d = axis_of(axis, len(shape_of(xs[0])))
    parts = _alike(xs)
    first = parts[0].shape
    for t in parts[1:]:
        if len(t.shape) != len(first) or any(
            n != m for k, (n, m) in enumerate(zip(t.shape, first, strict=True)) if k != d
        ):
            raise ShapeError(f"shapes {first} and {t.shape} do not join along axis {axis}")
    shape = (*first[:d], sum(t.shape[d] for t in parts), *first[d + 1 :])
    like = next(t for t, x in zip(parts, xs, strict=True) if is_sparse(x))
    with room(sum(t.nnz for t in parts), "what is joined"):
        coords: list[list[np.ndarray]] = [[] for _ in first]
        values, at = [], 0
        for t in parts:
            own, held = places(t)
            values.append(held)
            for k, c in enumerate(own):
                coords[k].append(c + at if k == d else c)
            at += t.shape[d]
        return rebuilt([np.concatenate(c) for c in coords], np.concatenate(values), shape, like)


def _alike(xs: Sequence[Any]) -> list[Tensor]:
    """All as sparse tensors of one dtype and fill."""
    dtype = np.result_type(*(x.dtype for x in xs))
    lead = next(x for x in xs if is_sparse(x))
    fill = lead.fill_value
    out = []
    for x in xs:
        if not is_sparse(x):
            x = tensor(x, "coo", x.dtype.type(fill))
        elif not (x.fill_value == fill or (x.fill_value != x.fill_value and fill != fill)):
            raise FormatError(
                f"tensors with fills {fill} and {x.fill_value} cannot be joined",
                hint="A.numpy() makes one dense; sp.from_coo gives it another fill",
            )
        out.append(x if x.dtype == dtype else mapped(x, lambda v: v.astype(dtype)))
    return out


def stack(given: Sequence[Any], axis: int = 0) -> Any:
    """Joined along a new dimension."""
    given = list(given)
    if not given:
        raise ShapeError("there is nothing to join")
    shapes = {shape_of(operand(x)) for x in given}
    if len(shapes) > 1:
        raise ShapeError(f"tensors of shapes {sorted(shapes)} cannot be stacked", hint="concat joins along a dimension")
    d = axis_of(axis, len(next(iter(shapes))) + 1)
    return concat([expand_dims(x, d) for x in given], d)


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The slices along an axis."""
    from sparsec.array.indexing import take_index
    from sparsec.array.operands import sparse_operand

    t = sparse_operand(x)
    d = axis_of(axis, t.ndim)
    source = x if isinstance(x, Tensor) else t
    return tuple(take_index(source, (slice(None),) * d + (n,)) for n in range(t.shape[d]))


__all__ = ["concat", "stack", "unstack"]
