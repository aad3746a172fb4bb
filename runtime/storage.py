"""A tensor in memory: a concrete format and the arrays of its levels.

Arrays that the compiler made are right by construction; what comes from outside enters through ``adopt``, which brings
every array into the form that kernels take (1-d, contiguous, native, of the level's dtype) and validates it once.
"""

from __future__ import annotations

import cmath
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsec.errors import FormatError, ShapeError, TypeError_
from sparsec.formats.composition import check_shapes
from sparsec.formats.compressed import Compressed
from sparsec.formats.coords import points
from sparsec.formats.format import Format, LevelSpec
from sparsec.formats.level import CanSpan, CanWindow
from sparsec.formats.singleton import Singleton
from sparsec.ir.dtypes import BF16, I32, DType, from_numpy
from sparsec.runtime.address import address

Scalar = bool | int | float | complex


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """Of encoded values: how many there are, and the scale and zero point of each group."""

    count: int
    scale: np.ndarray
    zero: np.ndarray


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Storage:
    """Level arrays over NumPy buffers.

    ``format`` is concrete: its widths are the arrays' dtypes.  ``levels`` holds for each level its arrays by role, in
    the order of ``Level.arrays()``; ``values`` one element (``dtype.np``) for each position of the last level.  Where
    the format encodes its values, they hold the codes as bytes, and ``codes`` what belongs to them.  A composite tensor
    has ``parts`` alone, a storage for each part of its format.
    """

    format: Format
    shape: tuple[int, ...]
    dtype: DType
    fill: Scalar
    levels: tuple[dict[str, np.ndarray], ...]
    values: np.ndarray
    codes: Codes | None = None
    parts: tuple[Storage, ...] = ()
    _addresses: list[int] | None = field(default=None, init=False, repr=False)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def positions(self) -> int:
        """The places of the last level, each with a value."""
        return len(self.values) if self.codes is None else self.codes.count

    @property
    def nnz(self) -> int:
        """Stored entries, whatever their value; padding outside of the tensor is none."""
        if self.parts:
            return sum(p.nnz for p in self.parts)
        if not self._fits_levels:
            return int(np.count_nonzero(self.live & self._within))
        if all(spec.type.compact and not isinstance(spec.type, CanSpan) for spec in self.format.levels):
            return self.positions
        return int(np.count_nonzero(self.live))

    @property
    def _fits_levels(self) -> bool:
        """Whether every place of the levels lies inside of the tensor, as it does in whole dimensions and blocks."""
        digits = [c.digit for c in self.format.coords]
        return all(
            d is not None and (d.modulus is None or self.shape[d.dim] % (d.divisor * d.modulus) == 0) for d in digits
        )

    @property
    def _within(self) -> np.ndarray:
        """Which positions lie inside of the tensor: a bool for each value."""
        above = self._above(len(self.levels))
        stored = [above[str(spec.coord)] for spec in self.format.levels]
        return np.broadcast_to(points(self.format.coords, stored, self.shape)[1], self.positions)

    @property
    def live(self) -> np.ndarray:
        """Which positions hold an entry: a bool for each value."""
        live = np.ones(1, bool)
        extents = self.format.level_shape(self.shape)
        for n, (spec, arrays, extent) in enumerate(zip(self.format.levels, self.levels, extents, strict=True)):
            if isinstance(spec.type, CanWindow):
                parents, coords = spec.type.unfold(len(live), self._above(n), extent)
                live = live[parents] & (coords >= 0) & (coords < extent)
            else:
                live = spec.type.live(arrays, live, extent)
        return live

    def _above(self, level: int) -> dict[str, np.ndarray]:
        """What each of the levels above ``level`` holds at every parent of it."""
        above: dict[str, np.ndarray] = {}
        count = 1
        for n, extent in enumerate(self.format.level_shape(self.shape)[:level]):
            kind = self.format.levels[n].type
            if isinstance(kind, CanWindow):
                parents, coords = kind.unfold(count, above, extent)
            else:
                parents, coords = kind.coordinates(self.levels[n], count, extent)
            above = {key: array[parents] for key, array in above.items()}
            above[str(self.format.levels[n].coord)] = coords
            count = len(coords)
        return above

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in self.buffers)

    @property
    def buffers(self) -> list[np.ndarray]:
        """The arrays in the order of a kernel's arguments: level by level, role by role, the values last."""
        if self.parts:
            return [a for p in self.parts for a in p.buffers]
        more = () if self.codes is None else (self.codes.scale, self.codes.zero)
        return [*(a for arrays in self.levels for a in arrays.values()), self.values, *more]

    @property
    def addresses(self) -> list[int]:
        """The data pointer of every buffer; taken once, the buffers stay."""
        found = self._addresses
        if found is None:
            found = [address(a) for a in self.buffers]
            object.__setattr__(self, "_addresses", found)
        return found

    @property
    def fill_value(self) -> Any:
        """The fill as an element of ``values``."""
        if self.dtype is BF16:
            from sparsec.ir.tensor_values import from_storage, to_storage

            return to_storage(from_storage(float(self.fill), BF16), BF16)[()]  # type: ignore[arg-type]
        return self.dtype.np.type(self.fill)

    def with_values(self, values: np.ndarray) -> Storage:
        """The same pattern with other values of the same dtype."""
        return dataclasses.replace(self, values=values)

    def coordinates(self) -> list[np.ndarray]:
        """The coordinates of the entries, an array for each dimension; for coordinate lists, and dense storage."""
        order = self.format.dim_order
        if self.format.is_dense:
            grids = np.indices([self.shape[d] for d in order]).reshape(len(order), self.positions)
        elif is_list(self.format):
            grids = [arrays["crd"] for arrays in self.levels]  # type: ignore[assignment]
        else:
            raise FormatError(f"format '{self.format.label}' is no list of coordinates", hint="convert it to coo first")
        return [grids[order.index(d)] for d in range(self.ndim)]

    def validate(self, name: str = "tensor") -> None:
        """Check every array and their agreement; raises ``FormatError`` naming the tensor, the level and the place."""
        self._checked(name)

    def checked(self, name: str) -> Storage:
        """The storage validated, without what its arrays may hold behind their last position: others rely on that."""
        sizes = self._checked(name)
        levels = tuple(
            spec.type.trimmed(arrays, n) for spec, arrays, n in zip(self.format.levels, self.levels, sizes, strict=True)
        )
        same = all(
            a is b
            for old, new in zip(self.levels, levels, strict=True)
            for a, b in zip(old.values(), new.values(), strict=True)
        )
        return self if same else dataclasses.replace(self, levels=levels)

    def _checked(self, name: str) -> list[int]:
        """The positions of every level, after ``validate``."""
        fmt = self.format
        if fmt.ndim != self.ndim:
            raise FormatError(f"{name}: format '{fmt.label}' is for order {fmt.ndim}, the shape is {self.shape}")
        if len(self.levels) != len(fmt.levels):
            raise FormatError(f"{name}: arrays of {len(self.levels)} levels, '{fmt.label}' has {len(fmt.levels)}")
        fmt.require_runnable()
        if fmt.terms or self.parts:
            self._validate_parts(name)
            return []
        positions, sizes = 1, []
        extents = fmt.level_shape(self.shape)
        for n, (spec, arrays, extent) in enumerate(zip(fmt.levels, self.levels, extents, strict=True)):
            where = f"{name}: {_place(n, spec)}"
            types = spec.type.arrays()
            if list(arrays) != list(types):
                raise FormatError(f"{where} has arrays ({', '.join(arrays)}), expected ({', '.join(types)})")
            for role, array in arrays.items():
                _check_array(array, types[role], f"{where}: {role}")
            if isinstance(spec.type, CanWindow):
                positions = spec.type.positions(positions, extent, extents[n - 1] if n else 0)
            else:
                positions = spec.type.validate(arrays, positions, extent, where)
            sizes.append(positions)
        if fmt.values is None and self.codes is None:
            _check_array(self.values, self.dtype, f"{name}: values")
        else:
            self._validate_codes(name)
        if self.positions != positions:
            raise FormatError(f"{name}: {self.positions} values for {positions} positions")
        self._validate_lists(name)
        if any(spec.type.padded for spec in fmt.levels):
            self._validate_padding(name)
        if fmt.symmetric:
            self._validate_half(name)
        return sizes

    def _validate_padding(self, name: str) -> None:
        """Padding that kernels may read holds the fill."""
        if self.codes is not None:
            from sparsec.runtime.quantised import decode

            return decode(self)._validate_padding(name)
        fill = self.fill_value
        wrong = ~self.live & (self.values != fill) & ((self.values == self.values) | (fill == fill))
        if wrong.any():
            p = int(np.argmax(wrong))
            raise FormatError(
                f"{name}: value {p} is {self.values[p]} where there is no entry, expected the fill {fill}",
                hint="padding holds the fill, so that kernels need not ask whether there is an entry",
            )

    def _validate_parts(self, name: str) -> None:
        """There is a storage for each part, as the format says, and their shapes make up this one's."""
        parts = self.format.parts
        if len(parts) != len(self.parts):
            raise FormatError(f"{name}: '{self.format.label}' has {len(parts)} parts, {len(self.parts)} are given")
        for n, (fmt, part) in enumerate(zip(parts, self.parts, strict=True)):
            part.validate(f"{name}: part {n}")
            if part.format.normal() != fmt.normal():
                raise FormatError(f"{name}: part {n} is stored as '{part.format}', its format says '{fmt}'")
            if part.dtype != self.dtype:
                raise FormatError(f"{name}: part {n} has dtype {part.dtype}, the tensor {self.dtype}")
            if part.fill != 0 or self.fill != 0:
                raise FormatError(f"{name}: part {n} has fill {part.fill}; a sum or a product has fill 0")
        check_shapes(self.format, self.shape, [p.shape for p in self.parts], name)

    def _validate_codes(self, name: str) -> None:
        """Codes, scales and zero points are there, and as many as the encoding says."""
        encoding, codes = self.format.values, self.codes
        if encoding is None or codes is None:
            raise FormatError(f"{name}: encoded values in a format that has none, or the other way round")
        types, groups = encoding.arrays(self.dtype), encoding.groups(codes.count)
        wanted = {"vals": encoding.nbytes(codes.count), "scale": groups, "zero": groups}
        for (role, length), array in zip(wanted.items(), (self.values, codes.scale, codes.zero), strict=True):
            _check_array(array, types[role], f"{name}: {role}")
            if len(array) != length:
                raise FormatError(f"{name}: {role} has {len(array)} elements, {codes.count} values need {length}")

    def last_coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every position the coordinates of the last two dimensions, whatever they are where nothing is stored."""
        above = self._above(len(self.levels))
        i, j = (above[d] for d in self.format.dims[-2:])
        return i, j

    def _validate_half(self, name: str) -> None:
        """Of a symmetric tensor nothing is stored above the diagonal."""
        if self.shape[-2] != self.shape[-1]:
            raise FormatError(f"{name}: a symmetric matrix is square, the shape is {self.shape}")
        i, j = self.last_coordinates()
        bad = self.live & (j > i)
        if bad.any():
            p = int(np.argmax(bad))
            raise FormatError(
                f"{name}: the entry at ({int(i[p])}, {int(j[p])}) stands above the diagonal of a symmetric matrix",
                hint="A.convert('sym') stores the lower half of a whole matrix",
            )

    def _validate_lists(self, name: str) -> None:
        """Entries of a coordinate list ascend: no level sees that alone, its own coordinates may repeat."""
        first = 0
        for n, spec in enumerate(self.format.levels):
            if not spec.type.branchless:
                first = n
            if n == first or self.format.levels[first].type.unique:
                continue
            if n + 1 < len(self.levels) and self.format.levels[n + 1].type.branchless:
                continue
            size = int(self.levels[first]["pos"][-1])  # arrays may be longer
            tied = np.ones(max(0, size - 1), bool)
            wrong = np.zeros_like(tied)
            for arrays in self.levels[first : n + 1]:
                before, after = arrays["crd"][: max(0, size - 1)], arrays["crd"][1:size]
                wrong |= tied & (after < before)
                tied &= after == before
            if spec.type.unique:
                wrong |= tied
            starts = self.levels[first]["pos"][1:-1].astype(np.int64)
            wrong[starts[(starts > 0) & (starts <= len(wrong))] - 1] = False
            if wrong.any():
                p = int(np.argmax(wrong)) + 1
                entry = tuple(int(arrays["crd"][p]) for arrays in self.levels[first : n + 1])
                raise FormatError(
                    f"{name}: {_place(n, spec)}: entry {p} {'repeats' if tied[p - 1] else 'is out of order'}: {entry}",
                    hint="build the tensor with sp.from_coo, which sorts and sums duplicates",
                )

    def __reduce__(self) -> tuple[Any, ...]:
        # Addresses are of this process.
        parts = self.levels, self.values, self.codes, self.parts
        return _unpickled, (self.format, self.shape, self.dtype, self.fill, *parts)


def _unpickled(*fields: Any) -> Storage:
    """A storage from a pickle, which may have been made elsewhere, or by hand."""
    return Storage(*fields).checked("pickled tensor")


def adopt(
    format: Format,
    shape: Sequence[int],
    fill: Scalar,
    levels: Sequence[Mapping[str, Any]],
    values: Any,
    *,
    dtype: DType | None = None,
    codes: Codes | None = None,
    name: str = "tensor",
) -> Storage:
    """Arrays from outside as a ``Storage``, shared where they fit and copied where they don't; validated.

    Open widths of ``format`` become those of the arrays.  Raises ``FormatError`` naming the level and the place.
    """
    if len(levels) != len(format.levels):
        raise FormatError(f"{name}: arrays of {len(levels)} levels, '{format.label}' has {len(format.levels)}")
    format.require_runnable()
    specs, held = [], []
    for n, (spec, given) in enumerate(zip(format.levels, levels, strict=True)):
        where = f"{name}: {_place(n, spec)}"
        roles = list(spec.type.arrays())
        if set(given) != set(roles):
            raise FormatError(f"{where} has arrays ({', '.join(given)}), expected ({', '.join(roles)})")
        arrays = {role: index_array(given[role], f"{where}: {role}") for role in roles}
        widths = {role: from_numpy(a.dtype) for role, a in arrays.items()}
        spec = dataclasses.replace(spec, type=spec.type.concrete(widths.get("crd", I32), widths.get("pos", I32)))
        types = spec.type.arrays()
        held.append({role: narrow(a, types[role], f"{where}: {role}") for role, a in arrays.items()})
        specs.append(spec)
    values = plain(values)
    if dtype is None:
        dtype = from_numpy(values.dtype)
    concrete = dataclasses.replace(format, levels=tuple(specs))
    storage = Storage(concrete, as_shape(shape), dtype, as_fill(fill, dtype), tuple(held), values, codes)
    return storage.checked(name)


def plain(array: Any) -> np.ndarray:
    """``array`` contiguous, aligned and in native byte order: itself if it is so already."""
    array = np.asarray(array)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])


def index_array(array: Any, where: str) -> np.ndarray:
    """A 1-d array of positions or coordinates in plain form; raises ``FormatError`` if it is not one of integers."""
    array = np.asarray(array)
    if array.dtype.kind not in "iu" and array.size == 0:
        array = array.astype(np.int32)
    if array.dtype.kind not in "iu":
        raise FormatError(f"{where} has dtype {array.dtype}, expected integers", hint="cast it with .astype('int64')")
    if array.ndim != 1:
        raise FormatError(f"{where} has shape {array.shape}, expected one dimension")
    return plain(array)


def narrow(array: np.ndarray, dtype: DType, where: str) -> np.ndarray:
    """Integers in ``dtype``, the same array if they are; raises ``FormatError`` naming the first that does not fit."""
    if array.dtype == dtype.np:
        return array
    if array.size and not np.can_cast(array.dtype, dtype.np):
        limits = np.iinfo(dtype.np)
        if int(array.max()) > limits.max or int(array.min()) < limits.min:
            p = int(np.argmax((array > limits.max) | (array < limits.min)))
            raise FormatError(f"{where}: {int(array[p])} at {p} does not fit in {dtype}", hint="declare a wider type")
    return array.astype(dtype.np)


def as_shape(shape: Any) -> tuple[int, ...]:
    """A shape as Python ints; raises ``ShapeError`` for what is none."""
    if isinstance(shape, int | np.integer) and not isinstance(shape, bool):
        shape = (shape,)
    try:
        extents = tuple(shape)
        if all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in extents):
            if all(0 <= n < 2**63 for n in extents):
                return tuple(int(n) for n in extents)
            raise ShapeError(f"shape {shape!r}: an extent lies in 0 .. 2**63 - 1")
    except TypeError:
        pass
    raise ShapeError(f"a shape is a tuple of integers, not {shape!r:.60}")


def as_fill(value: Any, dtype: DType) -> Scalar:
    """The fill, rounded to the dtype, as a Python scalar of its kind; raises ``TypeError_`` if it does not fit."""
    item = value.item() if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0 else value
    if isinstance(item, bool | int | float | complex):
        kind = dtype.kind
        if kind == "c" or (kind == "f" and not isinstance(item, complex)):
            with np.errstate(over="ignore"):
                rounded = _rounded(item, dtype)
            if rounded is not None and (cmath.isfinite(rounded) or not cmath.isfinite(item)):
                # One NaN for all: programs are looked up by their fills, and a NaN equals but itself.
                return rounded if kind == "c" or rounded == rounded else math.nan
        if kind == "b" and item in (0, 1):
            return bool(item)
        if dtype.is_integer and not isinstance(item, complex):
            limits = np.iinfo(dtype.np)
            if item == item and abs(item) != np.inf and int(item) == item and limits.min <= item <= limits.max:
                return int(item)
    raise TypeError_(
        f"fill value {value!r:.60} does not fit dtype {dtype}", hint="cast the values, or give a fill that it holds"
    )


def _rounded(item: complex, dtype: DType) -> Scalar | None:
    """A number in the precision of a dtype; None past Python's floats."""
    try:
        if dtype is BF16:
            from sparsec.ir.tensor_values import round_to

            return float(round_to(np.asarray(item, np.float32), BF16))
        return dtype.np.type(item).item()  # type: ignore[no-any-return]
    except OverflowError:
        return None


def is_list(format: Format) -> bool:
    """Whether the format is a list of coordinates: ``compressed``, then a ``singleton`` for every further dimension."""
    types = [type(s.type) for s in format.levels]
    ordered = format.is_plain and not format.symmetric and all(s.type.ordered for s in format.levels)
    return bool(types) and types[0] is Compressed and all(t is Singleton for t in types[1:]) and ordered


def _place(number: int, spec: LevelSpec) -> str:
    return f"level {number} ({spec.coord}: {spec.type.name})"


def _check_array(array: object, dtype: DType, where: str) -> None:
    if not isinstance(array, np.ndarray) or array.ndim != 1:
        raise FormatError(f"{where} is no 1-d NumPy array")
    if array.dtype != dtype.np or not array.dtype.isnative:
        raise FormatError(f"{where} has dtype {array.dtype}, the format says {dtype}")
    if not (array.flags.c_contiguous and array.flags.aligned):
        raise FormatError(f"{where} is not contiguous")


__all__ = [
    "Codes",
    "Scalar",
    "Storage",
    "adopt",
    "as_fill",
    "as_shape",
    "index_array",
    "is_list",
    "narrow",
    "plain",
]
