"""``Tensor``: a storage as users hold it; ``tensor`` and ``from_coo`` make one.

The module cannot be called ``sparsec.tensor``: importing it would put it in the place of the function ``sp.tensor``.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from sparsec.errors import FormatError, ShapeError, TypeError_
from sparsec.formats.composition import check_shapes, words
from sparsec.formats.format import Format
from sparsec.formats.named import FORMATS, PARAMETRIC, named_format
from sparsec.ir import dtypes
from sparsec.ir.dtypes import BF16, I32, I64, DType
from sparsec.ir.ops import cast_value
from sparsec.ir.tensor_values import from_storage, to_storage
from sparsec.operators import Operators
from sparsec.runtime import entries, outside
from sparsec.runtime.composites import composed, with_parts
from sparsec.runtime.prefixes import stacked
from sparsec.runtime.storage import Scalar, Storage, as_fill, as_shape, is_list


class Tensor(Operators):
    """An array of any order with a storage format.

    Built by ``sp.tensor``, ``sp.from_coo``, ``sp.read`` or a kernel.  What is not stored has the value ``fill_value``.
    Nothing makes a tensor dense but ``numpy()`` and ``convert("dense")``.
    """

    __slots__ = ("__weakref__", "_storage", "conversion_error")

    def __init__(self, storage: Storage) -> None:
        """A tensor over ``storage``, whose arrays are checked; raises ``FormatError`` for those that lie."""
        if not isinstance(storage, Storage):
            raise TypeError_(f"Tensor wraps a Storage, not {type(storage).__name__}", hint="sp.tensor(obj) makes one")
        storage.validate()
        self._storage = storage
        self.conversion_error: float | None = None
        """Of a tensor that a lossy conversion made: the norm of what it changed over the norm of what it was given."""

    @classmethod
    def over(cls, storage: Storage) -> Tensor:
        """A tensor over what the compiler made, or has checked already."""
        made = cls.__new__(cls)
        made._storage, made.conversion_error = storage, None
        return made

    @property
    def storage(self) -> Storage:
        """The arrays and their format; kernels believe what they say, so that only the compiler puts others here."""
        return self._storage

    def hold(self, storage: Storage) -> None:
        """Let the tensor have the entries of what the compiler made: for updates in place."""
        self._storage = storage

    @property
    def shape(self) -> tuple[int, ...]:
        return self.storage.shape

    @property
    def ndim(self) -> int:
        return self.storage.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the values (float32 for bf16, which NumPy lacks)."""
        return np.dtype(np.float32) if self.storage.dtype is BF16 else self.storage.dtype.np

    @property
    def nnz(self) -> int:
        """The number of stored entries, whatever their value."""
        return self.storage.nnz

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.storage.nbytes

    @property
    def fill_value(self) -> Scalar:
        """The value of what is not stored."""
        return self.storage.fill

    @property
    def format(self) -> str:
        """The format as text that ``convert`` takes: its name, else its map."""
        return label(self.storage.format)

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """Of a composite tensor (``lowrank[8] + csr``): what it is the sum and product of, in the format's order."""
        return tuple(map(Tensor, self.storage.parts))

    @property
    def levels(self) -> tuple[Mapping[str, np.ndarray], ...]:
        """For each level its arrays by role ("pos", "crd"); the tensor's memory."""
        return self.storage.levels

    def coo(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (ndim, nnz), i64, and values of the stored entries, in the order in which they are stored.

        ``A.convert("coo").coo()`` sorts them by rows.
        """
        stored = self._entries()
        coords = np.empty((self.ndim, stored.nnz), np.int64)
        for d, c in enumerate(stored.coordinates()):
            coords[d] = c
        return coords, self._plain(stored.values).copy()

    def _entries(self) -> Storage:
        """The stored entries as storage that knows its coordinates."""
        stored = self._decoded()
        fmt = stored.format
        if fmt.is_dense or is_list(fmt):
            return stored
        from sparsec.conversion import convert

        return convert(stored, entries.coo_format(fmt.dim_order))

    def _decoded(self) -> Storage:
        """The storage with plain values, and as one, of the whole tensor."""
        stored = self.storage
        if stored.parts:
            from sparsec.conversion import whole

            return whole(stored)
        if stored.codes is not None:
            from sparsec.runtime.quantised import decode

            stored = decode(stored)
        if stored.format.symmetric:
            from sparsec.conversion import convert

            stored = convert(stored, named_format("csr", self.ndim))
        return stored

    def decoded(self) -> Tensor:
        """The same tensor with plain values, as one and as a whole; itself if it is so already."""
        s = self.storage
        plain = s.codes is None and not s.parts and not s.format.symmetric
        return self if plain else Tensor.over(self._decoded())

    def _plain(self, values: np.ndarray) -> np.ndarray:
        return from_storage(values, BF16) if self.storage.dtype is BF16 else values

    def numpy(self) -> np.ndarray:
        """A dense array: a view of the memory of a dense tensor, else a new one, the fill where nothing is stored.

        Raises ``ShapeError`` if it is too large.
        """
        if self.storage.format.is_dense:
            return self._plain(entries.dense_view(self._decoded()))
        if self.storage.parts:
            entries.check_dense(self.storage)
            return Tensor.over(self._decoded()).numpy()
        from sparsec.conversion import to_array

        return self._plain(to_array(self._decoded()))

    def convert(
        self, format: str | Format, *, lossy: bool = False, keep: int | Sequence[int | None] | None = None
    ) -> Tensor:
        """The same tensor in another format, by generated code; itself if it is stored so already.

        A dense tensor becomes sparse by leaving out what equals its fill; every other entry stays stored.  With
        ``lossy`` the format may be one that cannot hold the tensor as it is: it then holds what is greatest, in at most
        ``keep`` entries (of ``bsr`` blocks, of ``dia`` diagonals; for a sum one number or None a term), and
        ``conversion_error`` of the tensor made says what that lost.
        Raises ``FormatError`` for a format it cannot have, ``UnsupportedError`` for one that cannot run yet.
        """
        target = as_format(format, self.ndim)
        if target is None:
            target = self.storage.format if self.storage.format.is_dense else automatic(self.shape, self.nnz)
        if keep is not None and not lossy:
            raise FormatError("keep leaves entries out", hint="convert(..., keep=..., lossy=True)")
        if not lossy and not target.terms:
            from sparsec.conversion import convert

            storage = convert(self.storage, target)
            return self if storage is self.storage else Tensor.over(storage)
        from sparsec.lossy import convert_lossily

        storage, error = convert_lossily(self.storage, target, keep)
        if storage is self.storage:
            return self
        if error and not lossy:
            raise FormatError(
                f"'{target.label}' cannot hold this tensor: {error:.2g} of its norm would be lost",
                hint="A.convert(..., lossy=True) does it all the same, and says the error it makes",
            )
        made = Tensor.over(storage)
        made.conversion_error = error
        return made

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """The values and the fill cast to a dtype of NumPy or of the language; the pattern is shared.

        Of one that has the dtype the values are copied; without ``copy`` it is given back as it is.  Like NumPy it
        warns (``ComplexWarning``) where imaginary parts are left out.
        """
        to = as_dtype(dtype)
        if to is self.storage.dtype:
            if not copy:
                return self
            s = self.storage
            return self.copy() if s.parts else Tensor.over(s.with_values(s.values.copy()))
        drops = self.storage.dtype.kind == "c" and to.kind not in "bc"
        if self.storage.parts and (drops or to.kind not in "fc"):
            raise TypeError_(
                f"{to} of a sum or product are not those of its parts",
                hint=f"make it one first: A.convert('csr').astype('{to}')",
            )
        if drops:
            warnings.warn(
                "casting complex values to real discards the imaginary part", np.exceptions.ComplexWarning, stacklevel=2
            )
        return self._cast(to)

    def _cast(self, to: DType) -> Tensor:
        if self.storage.parts:
            return Tensor.over(with_parts(self.storage, lambda part: Tensor.over(part)._cast(to).storage))
        stored = self._decoded()
        held = from_storage(stored.values, stored.dtype)
        if to.is_integer and not np.isfinite(self.fill_value):
            as_fill(self.fill_value, to)  # says that it does not fit
        values, fill = cast_value(held, to), cast_value(self.fill_value, to)
        return Tensor.over(dataclasses.replace(stored, dtype=to, fill=as_fill(fill, to), values=to_storage(values, to)))

    def copy(self) -> Tensor:
        """A tensor with memory of its own."""
        s = self.storage
        if s.parts:
            return Tensor.over(with_parts(s, lambda part: Tensor.over(part).copy().storage))
        levels = tuple({role: a.copy() for role, a in arrays.items()} for arrays in s.levels)
        codes = s.codes
        if codes is not None:
            codes = dataclasses.replace(codes, scale=codes.scale.copy(), zero=codes.zero.copy())
        return Tensor.over(dataclasses.replace(s, levels=levels, values=s.values.copy(), codes=codes))

    def __copy__(self) -> Tensor:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self.copy()

    def prune(self) -> Tensor:
        """Without the stored entries that equal the fill; itself if there are none, or if it is dense."""
        if self.storage.format.is_dense:
            return self
        if self.storage.parts:
            return Tensor.over(with_parts(self.storage, lambda part: Tensor.over(part).prune().storage))
        stored = self._entries()
        keep = ~entries.is_fill(self._plain(stored.values), self._plain(np.array(stored.fill_value))[()])
        if keep.all():
            return self
        coords = [c[keep] for c in stored.coordinates()]
        order = self.storage.format.dim_order
        left = entries.listed(coords, stored.values[keep], self.shape, order, stored.dtype, stored.fill)
        from sparsec.conversion import convert

        return Tensor.over(convert(left, self.storage.format.plain()))

    def scipy(self) -> Any:
        """A SciPy sparse array: over the same memory for csr, csc and coo; others are converted to csr or coo.

        Coo it is where the order is not 2, or csr would hold little but empty rows (see ``from_coo``).

        Raises ``FormatError`` for a fill other than 0, ``TypeError_`` for dtypes that SciPy lacks.
        """
        from sparsec.runtime.scipy_bridge import to_scipy

        return to_scipy(self._foreign())

    def torch(self) -> Any:
        """A torch tensor: dense, coo, csr and csc of the same layout; others are converted as for SciPy.

        Memory is shared where torch can.  Raises ``FormatError`` for a sparse tensor with a fill other than 0.
        """
        from sparsec.runtime.torch_bridge import to_torch

        return to_torch(self._decoded() if self.storage.format.is_dense else self._foreign())

    def pydata(self) -> Any:
        """An array of pydata/sparse with the same fill: GCXS over the memory of csr and csc, else COO.

        Raises ``UnsupportedError`` where the package ``sparse`` is not installed.
        """
        from sparsec.runtime.pydata_bridge import to_pydata

        return to_pydata(self._foreign())

    def _foreign(self) -> Storage:
        """Storage in a layout that other libraries have."""
        from sparsec.conversion import convert
        from sparsec.runtime.scipy_bridge import kind

        if not self.ndim:
            raise ShapeError("a scalar has no sparse form elsewhere", hint="A.numpy()[()] is its value")
        if self.storage.parts:
            raise FormatError(
                f"no other library has a sum or product of parts ({self.format})",
                hint="make it one tensor first: A.convert('csr'), or take A.parts",
            )
        stored = self._decoded()
        if kind(stored) is not None:
            return stored
        csr = self.ndim == 2 and automatic(self.shape, self.nnz) == named_format("csr", 2)
        return convert(stored, named_format("csr" if csr else "coo", self.ndim))

    def validate(self) -> None:
        """Check the arrays of every level; raises ``FormatError`` naming the level and the place."""
        self.storage.validate()

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError_("a scalar has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        s = self.storage
        shape = " x ".join(f"{n:,}" for n in s.shape) or "scalar"
        fill = "" if s.fill == 0 else f", fill {s.fill}"
        return f"<Tensor {shape}, {s.dtype}, {self.format}, {s.nnz:,} stored{fill}, {_bytes(s.nbytes)}>"

    def _repr_html_(self) -> str:
        """For notebooks: the facts, and a small picture of the pattern."""
        from sparsec.picture import html

        s = self.storage
        facts = [
            ("shape", " × ".join(f"{n:,}" for n in s.shape) or "scalar"),
            ("dtype", str(s.dtype)),
            ("format", self.format),
            ("stored", f"{s.nnz:,}" + ("" if s.format.is_dense else f" ({100 * self.density:.3g} %)")),
            ("fill", str(s.fill)),
            ("memory", _bytes(s.nbytes)),
        ]
        if s.parts:
            facts += [(f"part {n}", repr(part)[1:-1]) for n, part in enumerate(self.parts)]
        return html(facts, None if s.format.is_dense or s.parts else self.coo()[0], s.shape)

    def __reduce__(self) -> tuple[Any, ...]:
        return Tensor.over, (self.storage,)  # which has been checked on its way

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if not self.storage.format.is_dense:
            raise TypeError_(
                "NumPy would make this sparse Tensor dense",
                hint="A.numpy() does so on demand; where SciPy's S stands left (S @ A, S * A), write sp.tensor(S)",
            )
        return np.array(self.numpy(), dtype, copy=copy)

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        return self._dlpack().__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[Any, ...]:
        return self._dlpack().__dlpack_device__()

    def _dlpack(self) -> np.ndarray:
        if not self.storage.format.is_dense:
            raise TypeError_("DLPack passes dense tensors only", hint="A.numpy() makes one; A.levels has the arrays")
        return self.numpy()


outside.register(Tensor, lambda obj: obj.storage)


def _sort_keys(keys: np.ndarray, values: np.ndarray, bits: int) -> None:
    from sparsec.conversion import sort_keys

    sort_keys(keys, values, bits)


entries.sort_with(_sort_keys)


def tensor(obj: Any, format: str | Format | None = None, fill_value: Any = None) -> Tensor:
    """A ``Tensor`` of a NumPy array, a number, nested lists, a SciPy or torch object, a DLPack object or a ``Tensor``.

    Without a ``format`` dense things stay dense and sparse ones keep their kind (csr, csc, coo, else csr).  A dense
    thing in a sparse format stores what differs from ``fill_value`` (0; a ``Tensor`` has its own).  Memory is shared
    where dtype and order fit.  Lists of rows of their own lengths are taken in a format like ``ragged``.

    Raises ``TypeError_`` for objects that are no tensors, ``FormatError`` for inconsistent arrays and unfit formats.

    >>> import sparsec as sp
    >>> sp.tensor([[0.0, 2.0], [1.0, 0.0]], format="csr").coo()[1]
    array([2., 1.])
    """
    storage = outside.operand_storage(obj)
    if storage is not None:
        if fill_value is not None:
            storage = _filled(storage, fill_value, outside.own_fill(obj))
        made = obj if isinstance(obj, Tensor) else Tensor.over(storage)
        return made if format is None else made.convert(format)
    if format is not None and isinstance(obj, list | tuple):
        rows = stacked(obj, 0 if fill_value is None else fill_value, lambda order: as_format(format, order))
        if rows is not None:
            return Tensor.over(rows)
    array, dtype = outside.dense_source(obj, "sp.tensor")
    target = None if format is None else as_format(format, array.ndim)
    fill = 0 if fill_value is None else fill_value
    if target is None or target.is_dense or target.terms:
        made = Tensor.over(entries.dense_storage(array, fill, dtype))
        return made if target is None else made.convert(target)
    target.require_runnable()
    return Tensor.over(entries.from_dense(array, target, fill, dtype)).convert(target)


def compose(format: str | Format, parts: Sequence[Any]) -> Tensor:
    """A composite ``Tensor``: the sum and product of ``parts``, in the order in which ``format`` joins them.

    A part may be anything that ``sp.tensor`` takes; those of other formats are converted.  ``lowrank[r]`` has two
    parts, m by r and r by n.  All have one dtype, and the fill 0.

    Raises ``FormatError`` for parts that the format does not ask for, ``ShapeError`` where they don't go together.

    >>> import numpy as np, sparsec as sp
    >>> A = sp.compose("lowrank[1] + csr", [np.ones((3, 1)), np.ones((1, 2)), np.diag([5.0, 6.0, 0.0])[:, :2]])
    >>> A
    <Tensor 3 x 2, f64, lowrank[1] + csr, 7 stored, 80 B>
    >>> A @ [1.0, 2.0]
    array([ 8., 15.,  3.])
    """
    if isinstance(parts, str | Tensor | np.ndarray) or not hasattr(parts, "__iter__"):
        raise TypeError_(f"parts is a list of tensors, not {parts!r:.60}", hint="sp.compose('csr + csr', [A, B])")
    given = [tensor(p) for p in parts]
    if not given:
        raise FormatError("a tensor is composed of parts, and there are none")
    fmt = as_format(format, given[0].ndim)
    if fmt is None or not fmt.terms:
        raise FormatError(f"'{format}' is no sum or product of formats", hint="join them: 'lowrank[8] + csr'")
    if len(given) != len(fmt.parts):
        raise FormatError(f"'{fmt.label}' has {len(fmt.parts)} parts, {len(given)} are given")
    t = given[0].storage.dtype
    for n, p in enumerate(given):
        if p.storage.dtype is not t:
            raise TypeError_(
                f"part {n} has dtype {p.storage.dtype}, part 0 has {t}", hint=f"cast it: part.astype('{t}')"
            )
        if p.ndim != fmt.ndim:
            raise ShapeError(f"part {n} has order {p.ndim}, part 0 has {fmt.ndim}")
        if p.fill_value != 0:
            raise FormatError(f"part {n} has fill {p.fill_value}; a sum or a product has fill 0")
    last = sum(len(term.factors) for term in fmt.terms[:1]) - 1
    edge = given[0].shape[:-1], given[last].shape[-1:]
    whole = edge[0] + edge[1]
    check_shapes(fmt, whole, [p.shape for p in given], "sp.compose")
    stored = [p.convert(f).storage for p, f in zip(given, fmt.parts, strict=True)]
    return Tensor.over(composed(fmt, whole, t, stored))


def _filled(storage: Storage, fill_value: Any, own: bool) -> Storage:
    fill = as_fill(fill_value, storage.dtype)
    same = fill == storage.fill or (fill != fill and storage.fill != storage.fill)
    if own and not same:
        raise FormatError(
            f"the tensor has fill value {storage.fill}, not {fill}",
            hint="build another from its entries: A.coo(), sp.from_coo",
        )
    return storage if same else dataclasses.replace(storage, fill=fill)


def from_coo(
    coords: Any,
    values: Any,
    shape: Any,
    format: str | Format | None = None,
    fill_value: Any = 0,
    duplicates: str = "sum",
) -> Tensor:
    """A ``Tensor`` from its entries: ``coords`` (ndim, nnz) of integers in any order, ``values`` (nnz) or one for all.

    Without a ``format`` a matrix becomes csr (dcsr where it has many rows, mostly empty), other orders csf.  Entries
    with equal coordinates are summed (bools: or); ``duplicates`` may also be "last" or "error".

    Raises ``ShapeError`` naming an entry outside the shape, ``FormatError`` for refused duplicates.

    >>> import sparsec as sp
    >>> sp.from_coo([[1, 0, 1], [0, 1, 0]], [1.0, 2.0, 3.0], (2, 2)).coo()[1]
    array([2., 4.])
    """
    target = None if format is None else as_format(format, len(as_shape(shape)))
    if target is not None:
        target.require_runnable()
    listed = Tensor.over(entries.from_coo(coords, values, shape, target, fill_value, duplicates))
    return listed.convert(automatic(listed.shape, listed.nnz) if target is None else target)


MANY_ROWS = 1 << 24
"""Rows whose positions in csr, 64 MB, are worth a thought."""
FEW_ENTRIES = 64
"""Rows to an entry from which on nearly all rows are empty."""


def few(rows: int, nnz: int) -> bool:
    """Whether ``nnz`` entries leave so many rows empty that something for each row is worth avoiding."""
    return rows > MANY_ROWS and rows > FEW_ENTRIES * nnz


def automatic(shape: tuple[int, ...], nnz: int) -> Format:
    """The format of sparse things that no one chose: csr for a matrix, csf for other orders.

    A matrix of many rows that are mostly empty becomes dcsr, which is csf too: csr would hold a position a row.
    """
    order = len(shape)
    if order == 2 and not few(shape[0], nnz):
        return named_format("csr", 2)
    return named_format("sparse" if order else "dense", order)


def as_format(format: str | Format, order: int) -> Format | None:
    """A format from its text, for tensors of this order; None for "auto".

    Raises ``FormatError`` or ``SyntaxError_``.
    """
    if isinstance(format, Format):
        if format.ndim != order:
            raise FormatError(
                f"format '{format.label}' is for tensors of order {format.ndim}, this one has order {order}"
            )
        return format
    if not isinstance(format, str):
        raise TypeError_(f"a format is text such as 'csr', not {format!r:.60}")
    if format.isidentifier():
        return None if format == "auto" else named_format(format, order)
    from sparsec.frontends.dsl import parse_format

    return parse_format(format, order)


_NAMES = [name for name in FORMATS if name not in ("sparse", "csf")] + ["csf"]
"""Where a format has several names (dcsr, csf and sparse; coo of order 1), the first of these is shown."""
_WIDTHS = [(index, pos) for index in (I32, I64) for pos in (I32, I64)]


@lru_cache(256)
def label(format: Format) -> str:
    """Text that reads back to a format of these levels: widths are left open unless somebody chose unusual ones."""
    if format.terms:
        return " + ".join(" @ ".join(words(t, label)) for t in format.terms)
    if format.values is not None:
        return f"{label(format.plain())} values({format.values})"
    normal = format.normal()
    if format.name is not None and ("[" in format.name or format.name in PARAMETRIC):  # it may have numbers of its own
        named = as_format(format.name, format.ndim)
        if named is not None and any(named.concrete(*widths).normal() == normal for widths in _WIDTHS):
            return format.name
    for name in _NAMES:
        if FORMATS[name][0] <= format.ndim:
            named = named_format(name, format.ndim).normal()
            if any(named.concrete(*widths) == normal for widths in _WIDTHS):
                return name
    opened = format.opened()
    return str(opened if any(opened.concrete(*widths) == format for widths in _WIDTHS) else format)


def as_dtype(given: Any) -> DType:
    """A dtype from a name of the language or anything that NumPy takes; raises ``TypeError_``."""
    if isinstance(given, DType):
        return given
    if isinstance(given, str) and given in dtypes.BY_NAME:
        return dtypes.dtype(given)
    try:
        return dtypes.from_numpy(given)
    except TypeError:
        raise TypeError_(f"{given!r:.60} is no dtype", hint="dtypes are " + " ".join(dtypes.BY_NAME)) from None


def _bytes(n: int) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if n < 1000 or unit == "GB":
            return f"{n:.3g} {unit}" if unit != "B" else f"{n} B"
        n = n / 1000  # type: ignore[assignment]
    raise AssertionError


__all__ = ["Tensor", "as_dtype", "as_format", "automatic", "compose", "from_coo", "label", "tensor"]
