"""Tensors that the compiler makes for itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sparsec.formats.format import Format
from sparsec.ir.dtypes import DType
from sparsec.ir.tensor import Access, Extent, Index, TensorDecl


def local_over(
    name: str,
    names: Iterable[str],
    extents: Mapping[str, Extent],
    t: DType,
    format: Format | None,
    fill: object = None,
) -> tuple[TensorDecl, Access]:
    """A local over the index variables ``names``, and its element at them; its fill is zero if nothing else is said."""
    names = tuple(names)
    value = t.np.type(0).item() if fill is None else fill
    decl = TensorDecl(name, t, tuple(extents[v] for v in names), format, value, "local")  # type: ignore[arg-type]
    return decl, Access(name, tuple(map(Index, names)), t)


__all__ = ["local_over"]
