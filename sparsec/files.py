"""``read`` and ``write``: tensors in files."""

from __future__ import annotations

import os
from typing import Any

from sparsec.formats.format import Format
from sparsec.runtime import io
from sparsec.runtime.storage import Storage, is_list
from sparsec.tensors import Tensor, tensor


def read(
    path: str | os.PathLike[str], format: str | Format | None = None, shape: tuple[int, ...] | None = None
) -> Tensor:
    """The tensor in a file.

    Its suffix says the kind: ``.mtx`` (Matrix Market) and ``.tns`` (FROSTT), also with ``.gz`` and ``.bz2``, ``.npz``
    (of ``sp.write``, or SciPy's), or ``.bsp.h5`` (binsparse; needs h5py).  Without a ``format`` lists of entries become
    csr, dcsr or csf (see ``from_coo``), and ``.npz`` and ``.bsp.h5`` files keep the format they have.  ``shape`` is for
    FROSTT files, which need not tell it.

    Raises ``FileError`` naming the file and the line, ``UnsupportedError`` for binsparse without h5py.
    """
    storage = io.read_storage(path, shape)
    found = Tensor.over(storage)
    if format is not None:
        return found.convert(format)
    return found.convert("auto") if io.kind(path) in ("matrix_market", "frostt") else found


def write(path: str | os.PathLike[str], obj: Any) -> None:
    """Write a ``Tensor``, or anything that ``sp.tensor`` takes, into a file whose kind its suffix says (see ``read``).

    Raises ``FileError`` where it cannot be written, ``FormatError``, ``ShapeError`` or ``TypeError_`` for a tensor that
    the kind of file cannot hold.
    """
    found = io.kind(path)
    given = tensor(obj)
    if found == "binsparse":
        from sparsec.runtime.binsparse import runs_of

        plain = given if runs_of(given.storage.format) is not None else given.convert("coo")
        io.write_storage(path, plain.storage)
        return
    io.write_storage(path, given.storage if found == "npz" else _listed(given, found))


def _listed(given: Tensor, kind: str) -> Storage:
    """The storage as text files want it: a list of entries, or for Matrix Market a dense matrix."""
    if given.storage.codes is not None:
        given = given.convert(given.storage.format.plain())
    dense = given.storage.format.is_dense
    if is_list(given.storage.format) or (dense and (kind == "matrix_market" or not given.ndim)):
        return given.storage
    return given.convert("coo").storage


__all__ = ["read", "write"]
