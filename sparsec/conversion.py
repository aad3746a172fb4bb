"""Conversion between any two formats, by a compiled copy of the entries."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from sparsec.driver import LIMIT, Call, Compiled, Stopped, compiled, routine
from sparsec.errors import FormatError
from sparsec.formats.format import Format, normal_dims
from sparsec.formats.level import CanSpan, CanWindow
from sparsec.formats.named import dense
from sparsec.ir import dtypes
from sparsec.ir.tensor import Access, Assign, Index, IndexDecl, Program, TensorDecl
from sparsec.passes.lower.composites import decompose
from sparsec.runtime.entries import (
    canonical,
    check_dense,
    coo_format,
    dense_storage,
    dense_view,
    from_dense,
    is_fill,
    listed,
    too_large,
)
from sparsec.runtime.prefixes import has_prefixes, without_gaps
from sparsec.runtime.quantised import decode
from sparsec.runtime.storage import Storage

_RAW = {1: dtypes.U8, 2: dtypes.U16, 4: dtypes.U32, 8: dtypes.U64}


def convert(storage: Storage, format: Format) -> Storage:
    """``storage`` in another format, by a compiled copy of its entries; ``storage`` itself if the formats agree.

    Open widths of ``format`` become those that the positions need.  Values travel as plain bits, so that one kernel
    serves every dtype of a size.  A dense storage becomes sparse by leaving out what equals its fill.

    Raises ``FormatError`` where orders differ or a width is too narrow, ``ShapeError`` where dense it is too large.
    """
    if format.ndim != len(storage.shape):
        raise FormatError(
            f"format '{format.label}' is for tensors of order {format.ndim}, this one has order {len(storage.shape)}"
        )
    target = _narrow(format, format.name, storage.shape)
    if fits(storage.format, format):
        return storage
    if format.terms:
        raise FormatError(
            f"'{format.label}' is a sum or a product, which a tensor is taken apart into by name only",
            hint="A.convert(..., lossy=True) does, and says the error it makes; sp.compose puts parts together",
        )
    if storage.parts:
        return convert(whole(storage), format)
    if format.values is not None:
        raise FormatError(
            f"values({format.values}) would lose digits",
            hint="A.convert(..., lossy=True) encodes them, and says the error it makes",
        )
    if storage.codes is not None:
        return convert(decode(storage), format)
    if format.symmetric:
        return _halved(storage, format)
    if storage.format.is_dense:
        if format.is_dense:
            return _dense(dense_view(storage), storage, target)
        return convert(from_dense(storage, target), format)
    if format.is_dense:
        return _dense(to_array(storage), storage, target)
    if has_prefixes(format):
        storage = without_gaps(convert(storage, coo_format(format.dim_order)), format)
    for wide in (False, True):
        try:
            return _copy(storage, with_widths(format, storage.shape, wide=True) if wide else target)
        except Stopped as e:
            if e.reason == "room":
                raise _no_room(storage, format) from None
            if e.reason == "outside":
                raise _outside(storage, format) from None
            if e.reason == "packed":
                return convert(_sorted(storage, format), format)
            if e.reason != "width":
                raise
    raise FormatError(f"the tensor has more entries than the positions of '{format}' can count", hint="declare pos=i64")


def _sorted(storage: Storage, format: Format) -> Storage:
    """The entries as a list in the order of ``format``'s dimensions, where kernels cannot sort: by NumPy.

    Raises ``FormatError`` where they come in that order and ``format`` stores them in another, as blocks do.
    """
    own, wanted = coo_format(storage.format.dim_order), coo_format(format.dim_order)
    if own == wanted:
        raise FormatError(
            f"'{format.label}' stores the entries in another order than '{storage.format.label}', and sorting takes "
            "more than 64 bits for the coordinates of each",
            hint="number the rows and columns that have entries",
        )
    entries = convert(storage, own)
    coords, shape, dtype = entries.coordinates(), entries.shape, entries.dtype
    return canonical(coords, entries.values, shape, format.dim_order, dtype, entries.fill)


def sort_keys(keys: np.ndarray, values: np.ndarray, bits: int) -> None:
    """Sort i64 ``keys`` below 2**bits, and ``values`` of 8 bytes with them, in place and stably, by compiled code."""
    import ctypes

    from sparsec.passes.lower.partition import sort_module

    numbers = (keys.ctypes.data, values.ctypes.data, len(keys), bits)
    status = routine("sort_all", sort_module).run((ctypes.c_int64 * len(numbers))(*numbers))
    if status:
        raise Stopped(status)


@lru_cache(maxsize=LIMIT)
def _narrow(format: Format, name: str | None, shape: tuple[int, ...]) -> Format:
    """``format``, which has this name, in 32-bit widths; raises ``UnsupportedError`` for one that cannot run yet."""
    format.require_runnable()
    return with_widths(format, shape, wide=False)


@lru_cache(maxsize=LIMIT)
def fits(have: Format, want: Format) -> bool:
    """Whether a tensor stored as ``have`` can stand where ``want``, whose widths may be open, is asked for."""
    if have.ndim != want.ndim or len(have.levels) != len(want.levels) or len(have.terms) != len(want.terms):
        return False
    for mine, other in zip(have.terms, want.terms, strict=True):
        inner = all(n in (m, None) for m, n in zip(mine.inner, other.inner, strict=False))
        if len(mine.factors) != len(other.factors) or not inner or not all(map(fits, mine.factors, other.factors)):
            return False
    if have.values != want.values or have.symmetric != want.symmetric:
        return False
    have, want = have.normal(), want.normal()
    for a, b in zip(have.levels, want.levels, strict=True):
        widths = a.type.arrays()
        if a.coord != b.coord or type(a.type) is not type(b.type):
            return False
        if b.type.concrete(widths.get("crd", dtypes.I32), widths.get("pos", dtypes.I32)) != a.type:
            return False
    return True


def with_widths(format: Format, shape: tuple[int, ...], wide: bool) -> Format:
    """``format`` with its open widths set: 32 bits, or 64 (positions where ``wide``, indices where an extent asks).

    Raises ``FormatError`` where a coordinate of ``shape`` does not fit in a width that is written.
    """
    index = dtypes.I64 if any(n > 2**31 - 1 for n in format.level_shape(shape)) else dtypes.I32
    out = format.concrete(index, dtypes.I64 if wide else dtypes.I32)
    for spec, extent in zip(out.levels, out.level_shape(shape), strict=True):
        crd = spec.type.arrays().get("crd")
        if crd is not None and extent - 1 > np.iinfo(crd.np).max:
            what = f"dimension '{spec.coord}'" if out.is_plain else f"level '{spec.coord}'"
            raise FormatError(
                f"{what} has extent {extent}, more than index type {crd} of format '{format}' can say",
                hint="leave the width open, or declare a wider one",
            )
    return out


def _dense(array: np.ndarray, like: Storage, target: Format) -> Storage:
    """``array`` stored in the order of ``target``'s levels."""
    values = np.ascontiguousarray(array.transpose(target.order)).reshape(-1)
    return replace(like, format=target, levels=tuple({} for _ in target.levels), values=values)


def _copy(storage: Storage, target: Format) -> Storage:
    """The same entries in other levels."""
    if storage.values.itemsize not in _RAW:  # 16 bytes: move the places, that of the fill first, then the values
        places, values = _places(storage)
        moved = _copy(places, target)
        return replace(moved, dtype=storage.dtype, fill=storage.fill, values=values[moved.values])
    # Absent entries are not read: but for those that the target pads with, and the other half of what is half stored.
    kernel, call = _copying(storage, target, _pads(target) or storage.format.symmetric)
    made = kernel.run(call)["B"]
    return replace(made, dtype=storage.dtype, fill=storage.fill, values=made.values.view(storage.values.dtype))


def to_array(storage: Storage) -> np.ndarray:
    """A new dense array of a tensor that is no sum or product, with plain values, in C order: the fill between entries.

    Raises ``ShapeError`` where it is too large.
    """
    check_dense(storage)
    if storage.values.itemsize not in _RAW:
        places, values = _places(storage)
        out: np.ndarray = values[to_array(places)]
        return out
    try:
        made = np.empty(storage.shape, storage.values.dtype)
    except MemoryError:
        raise too_large(storage.shape) from None
    kernel, call = _copying(storage, dense(len(storage.shape)), True)
    kernel.run(replace(call, outs={"B": made}))
    return made


def _places(storage: Storage) -> tuple[Storage, np.ndarray]:
    """The tensor with numbers of values for values, and the values: that of the fill first."""
    numbers = np.arange(1, len(storage.values) + 1, dtype=np.uint64)
    values = np.append(np.array([storage.fill_value], storage.values.dtype), storage.values)
    return replace(storage, dtype=dtypes.U64, fill=0, values=numbers), values


def _copying(storage: Storage, target: Format, reads_fill: bool) -> tuple[Compiled, Call]:
    """The kernel that copies a tensor's bits to other levels, and the call of it."""
    raw, source = _RAW[storage.values.itemsize], storage.format
    fill = int(np.array([storage.fill_value]).view(raw.np)[0]) if reads_fill else 0
    bits = replace(storage, dtype=raw, fill=fill, values=storage.values.view(raw.np))
    kernel = compiled(_copy_program(source, source.name, target, target.name, raw, fill))
    dims = dict(zip(normal_dims(target.ndim), storage.shape, strict=True))
    return kernel, Call([bits.addresses], [bits.buffers], dims)


def whole(storage: Storage) -> Storage:
    """What a composite tensor is the sum or product of, as one: sparse where its parts make it so, else dense."""
    from sparsec.passes.formats import choose_formats

    dims, t = normal_dims(len(storage.shape)), storage.dtype
    index = tuple(Index(d) for d in dims)
    tensors = TensorDecl("A", t, dims, storage.format, storage.fill, "in"), TensorDecl("B", t, dims, None, 0, "out")
    copy = Assign(Access("B", index, t), "=", Access("A", index, t), tuple(IndexDecl(d, d) for d in dims))
    program = decompose(choose_formats(Program("whole", tensors, (copy,)), {})).program
    extents: dict[str, int] = {}
    for decl, part in zip(program.operands, storage.parts, strict=True):
        extents |= {d: n for d, n in zip(decl.dims, part.shape, strict=True) if isinstance(d, str)}
    target = program.tensor("B").format
    assert target is not None
    call = Call([p.addresses for p in storage.parts], [p.buffers for p in storage.parts], extents)
    if target.is_dense:
        check_dense(storage)
        made = np.empty(storage.shape, t.np)
        compiled(program).run(replace(call, outs={"B": made}))
        return dense_storage(made, storage.fill, t)
    for wide in (False, True):
        opened = replace(program.tensor("B"), format=with_widths(target, storage.shape, wide))
        sized = replace(program, tensors=tuple(opened if d.name == "B" else d for d in program.tensors))
        try:
            return compiled(sized).run(call)["B"]
        except Stopped as e:
            if e.reason != "width":
                raise
    raise FormatError(f"the sum or product has more entries than the positions of '{target.label}' can count")


def _pads(format: Format) -> bool:
    """Whether the format stores places without an entry: in a level with gaps or runs, or that is full beneath one."""
    full = [spec.type.full for spec in format.levels]
    gaps = any(not spec.type.compact or isinstance(spec.type, CanSpan | CanWindow) for spec in format.levels)
    return gaps or any(below and not above for above, below in zip(full, full[1:], strict=False))


def _no_room(storage: Storage, target: Format) -> FormatError:
    """What to say of the first parent that has more entries than its level in ``target`` has room for."""
    point = convert(storage, coo_format(target.dim_order)).coordinates()
    coords = [c.of(point, storage.shape) for c in target.coords]
    if not target.is_plain:
        order = np.lexsort(coords[::-1])
        coords = [c[order] for c in coords]
    new = np.zeros(len(coords[0]), bool)
    new[:1] = True
    for n, spec in enumerate(target.levels):
        parents = np.flatnonzero(new)
        new[1:] |= coords[n][1:] != coords[n][:-1]
        room = spec.type.room
        if room is None:
            continue
        lengths = np.add.reduceat(new.astype(np.int64), parents)
        if lengths.max(initial=0) > room:
            at = int(np.argmax(lengths > room))
            above = [(s.coord, int(c[parents[at]])) for s, c in zip(target.levels[:n], coords, strict=False)]
            where = f"at {', '.join(f'{name} = {c}' for name, c in above)} " if above else ""
            return FormatError(
                f"{where}the tensor has {int(lengths[at])} coordinates of '{spec.coord}', level '{spec}' of format "
                f"'{target.label}' has room for {room}",
                hint="choose a wider format, or one without such a bound: csr",
            )
    raise AssertionError("every parent has room")


def _outside(storage: Storage, target: Format) -> FormatError:
    """What to say of the first entry outside of the range that a level of ``target`` holds."""
    entries = convert(storage, coo_format(range(target.ndim)))
    point = [c.astype(np.int64) for c in entries.coordinates()]
    other = entries.values != entries.fill_value
    stored = {str(s.coord): c.of(point, storage.shape) for s, c in zip(target.levels, target.coords, strict=True)}
    for spec in target.levels:
        if not isinstance(spec.type, CanWindow):
            continue
        lo, hi = (bound and bound.at(stored, len(other)) for bound in spec.type.limits)
        coords = stored[str(spec.coord)]
        bad = other & ((lo is not None and coords < lo) | (hi is not None and coords >= hi))
        if bad.any():
            at = tuple(int(c[np.argmax(bad)]) for c in point)
            return FormatError(
                f"the entry at {at} lies outside of what level '{spec}' of format '{target.label}' holds",
                hint="choose a wider range, or a format without one: csr",
            )
    raise AssertionError("every entry is inside")


def _halved(storage: Storage, target: Format) -> Storage:
    """The lower half of a symmetric tensor; raises ``FormatError`` naming the first place whose mirror differs."""
    if storage.shape[-2] != storage.shape[-1]:
        raise FormatError(f"format '{target.label}' is for square matrices, the shape is {storage.shape}")
    dims = range(storage.ndim)
    entries = convert(storage, coo_format(dims))
    coords = [c.astype(np.int64, copy=False) for c in entries.coordinates()]
    *batch, i, j = coords
    other = ~is_fill(entries.values, entries.fill_value)
    keys: list[Side] = []
    for side, point in ((other & (i > j), coords), (other & (i < j), [*batch, j, i])):
        found = [c[side] for c in point]
        turned = np.lexsort(found[::-1])
        keys.append(([c[turned] for c in found], entries.values[side][turned]))
    _check_mirror(keys[0], keys[1], target)
    lower = i >= j
    kept = listed([c[lower] for c in coords], entries.values[lower], storage.shape, dims, storage.dtype, storage.fill)
    made = convert(kept, target.half)
    return replace(made, format=replace(made.format, symmetric=True, name=target.name))


Side = tuple[list[np.ndarray], np.ndarray]
"""Coordinates of entries below the diagonal, or of the mirrors of those above it, sorted; their values."""


def _check_mirror(lower: Side, upper: Side, target: Format) -> None:
    """Raise ``FormatError`` for the first place at which the two sides differ."""
    count = min(len(lower[1]), len(upper[1]))
    bits = np.dtype((np.void, lower[1].dtype.itemsize))
    differs = lower[1][:count].view(bits) != upper[1][:count].view(bits)
    for mine, others in zip(lower[0], upper[0], strict=True):
        differs |= mine[:count] != others[:count]
    if not differs.any() and len(lower[1]) == len(upper[1]):
        return
    at = int(np.argmax(differs)) if differs.any() else count
    points = [tuple(int(c[at]) for c in side[0]) for side in (lower, upper) if at < len(side[1])]
    point = min(points)
    raise FormatError(
        f"format '{target.label}' is for symmetric matrices, and the entries at {point} and "
        f"{(*point[:-2], point[-1], point[-2])} differ",
        hint="store the tensor in csr",
    )


@lru_cache(maxsize=LIMIT)
def _copy_program(
    source: Format, _source: str | None, target: Format, _target: str | None, t: dtypes.DType, fill: int
) -> Program:
    """The copy from one format, which has the name that follows it, to another."""
    dims = normal_dims(target.ndim)
    index = tuple(Index(d) for d in dims)
    return Program(
        "convert",
        (TensorDecl("A", t, dims, source, fill, "in"), TensorDecl("B", t, dims, target, fill, "out")),
        (Assign(Access("B", index, t), "=", Access("A", index, t), tuple(IndexDecl(d, d) for d in dims)),),
    )


__all__ = ["convert", "fits", "sort_keys", "to_array", "whole", "with_widths"]
