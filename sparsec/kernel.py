"""A compiled kernel as a user holds it: called with operands, asked for its code and its reasons.

A ``Kernel`` is compiled for the formats and the memory layouts of the operands that it meets, once for each
combination; sizes and patterns never matter.  A call with operands like those of the last one takes a short way
(``memo.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsec.binding import Bound, bind, composite, row_major, shape_of
from sparsec.conversion import with_widths
from sparsec.driver import Call, Compiled, Stopped, compiled
from sparsec.errors import BackendError, FormatError, SparsecError, TypeError_, UnsupportedError, nearest
from sparsec.extents import check_constants, constants, extents
from sparsec.formats.format import Format
from sparsec.formats.level import CanIterate, CanSpan, CanWindow
from sparsec.ir.dtypes import BF16, I64
from sparsec.ir.tensor import Program, TensorDecl
from sparsec.ir.tensor_values import from_storage, held, to_storage
from sparsec.knobs import knobs
from sparsec.memo import Memo, remember
from sparsec.passes.lower.admitted import guard_reads
from sparsec.passes.lower.composites import decompose, is_composite
from sparsec.passes.lower.expand import expand
from sparsec.passes.lower.lifetime import pattern_of, values_of
from sparsec.passes.lower.supported import check_supported
from sparsec.passes.lower.updates import continued, unfold_updates, with_updated
from sparsec.results import as_array, check_nan, check_tensor, overlap, patterns, place, returned, start, torch_of
from sparsec.runtime.entries import dense_storage
from sparsec.runtime.outside import operand_storage
from sparsec.runtime.storage import Storage
from sparsec.tensors import Tensor, label

if TYPE_CHECKING:
    from sparsec.ir import loops

STAGES = ("tensor", "loops", "buffer")
SOURCES = ("llvm", "llvm-opt", "asm", "c")
PLANNED_SOURCES = ("cuda", "triton")


Sources = tuple[tuple[str, int | None], ...]
"""For every operand of a program the caller's name of it, and the part of it that it is, if it has parts."""


class Kernel:
    """A program ready to run.

    Call it with operands by position or by name; ``out=`` gives storage for the results, ``sizes=`` the extents of
    dimensions that no operand has.  One result is returned by itself, several as a tuple in the signature's order:
    NumPy arrays and scalars for dense ones (torch tensors where operands were), ``Tensor`` for sparse ones.

    >>> import sparsec as sp
    >>> k = sp.compile("kernel scale(x: f64[n], a: f64) -> y: f64[n] { y[i] = a * x[i] }")
    >>> k([1.0, 2.0], 3.0)
    array([3., 6.])
    """

    def __init__(
        self,
        program: Program,
        *,
        nest: loops.Kernel | None = None,
        backend: str = "cpu",
        threads: int | None = None,
        open_fills: bool = False,
    ) -> None:
        check_supported(program)
        self.program = program
        self.name = program.name
        self.backend = backend
        self.threads = threads
        self._nest = nest
        self._open_fills = open_fills
        self._names = tuple(t.name for t in program.operands)
        self._resolved: Program | None = None
        self._variants: dict[tuple[Any, ...], Compiled] = {}
        self._last: Compiled | None = None
        self._memo: Memo | None = None
        self._continued = continued(program)
        self._constants = constants(program)
        self._unfolded: dict[tuple[frozenset[str], str], tuple[Program, Sources]] = {}
        if all(t.format is not None for t in program.operands):
            self._resolve({})

    def __reduce__(self) -> tuple[Any, ...]:
        """A kernel travels as its program; what it compiled is found again in the caches."""
        return _again, (self._resolved or self.program, self._nest, self.backend, self.threads, self._open_fills)

    def __repr__(self) -> str:
        operands = ", ".join(self._names)
        results = ", ".join(t.name for t in self.program.results)
        return f"<sparsec kernel {self.name}({operands}) -> {results}>"

    # calling

    def __call__(self, *operands: Any, out: Any = None, sizes: Mapping[str, int] | None = None, **named: Any) -> Any:
        if named or len(operands) != len(self._names):
            operands = self._ordered(operands, named)
        memo = self._memo
        if memo is not None and sizes is None and self._fresh(out):
            done, result = memo.call(operands, out)
            if done:
                return result
        return self._call(operands, out, sizes)

    def _fresh(self, out: Any) -> bool:
        """Whether ``out`` has nothing that the kernel reads: it is none, or the memory of one result."""
        return out is None or (type(out) is np.ndarray and not self._continued)

    def _ordered(self, operands: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """All operands in the order of the signature."""
        names = self._names
        if len(operands) > len(names):
            raise TypeError_(f"{self.name} takes {len(names)} operands ({', '.join(names)}), not {len(operands)}")
        for name in named:
            if name not in names:
                hint = nearest(name, names) or f"its operands are {', '.join(names)}"
                raise TypeError_(f"{self.name} has no operand '{name}'", hint=hint)
            if name in names[: len(operands)]:
                raise TypeError_(f"operand '{name}' of {self.name} is given twice")
        missing = [n for n in names[len(operands) :] if n not in named]
        if missing:
            raise TypeError_(
                f"{self.name}: operand{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))} "
                f"{'are' if len(missing) > 1 else 'is'} missing",
                hint=f"its operands are {', '.join(names)}",
            )
        return (*operands, *(named[n] for n in names[len(operands) :]))

    def _call(self, operands: tuple[Any, ...], out: Any, sizes: Mapping[str, int] | None, half: str = "both") -> Any:
        named = dict(zip(self._names, operands, strict=True))
        resolved = self._resolve(named)
        given = self._given(out)
        known = patterns(resolved, given) if half == "values" else {}
        started = self._continued.intersection(given).difference(known)
        program, sources = self._unfold(started, half)
        starts = {n: x for n, x in given.items() if n not in named}
        bounds = self._bind(program, sources, named, starts)
        # The whole program's dimensions: one that a result alone has may be said though that half of it is not made.
        dims = extents(
            self._unfold(started)[0], [b.shape for b in bounds], sizes, [name for name, _ in sources]
        )
        check_constants(self._constants, dims)
        _check_square(program, dims)
        for wide in (False, True):
            variant = self._variant(program, bounds, dims, wide, known)
            try:
                result = self._run(variant, bounds, dims, operands, given, known)
            except Stopped as e:
                if e.reason == "room":
                    raise _no_room(program) from None
                if e.reason == "outside":
                    raise _outside(program) from None
                if e.reason == "packed":
                    raise _unsorted(program) from None
                if e.reason == "pattern":
                    raise _not_in_pattern(known) from None
                if e.reason in ("index", "twice") and self._nest is None:
                    kept = {n: b.keep for (n, part), b in zip(sources, bounds, strict=True) if part is None}
                    raise _at_a_place(e, resolved, kept, dims) from None
                if e.reason != "width" or self._nest is not None:
                    raise
                continue
            simple = self._fresh(out) and sizes is None and self.backend == "cpu" and not _starts(program)
            if half == "both":
                groups = [[b for b, (n, _) in zip(bounds, sources, strict=True) if n == name] for name in self._names]
                self._memo = remember(variant, groups, dims, operands, self.threads) if simple else None
            return result
        raise FormatError(
            "a result has more entries than the position type of its format can count", hint="leave its width open"
        )

    def _bind(
        self, program: Program, sources: Sources, named: Mapping[str, Any], starts: Mapping[str, Any]
    ) -> list[Bound]:
        """What the caller passed for every operand of ``program``, by the name that the caller knows it by."""
        contiguous = self.backend != "cpu" or self._nest is not None or knobs().checks("bounds")
        out = []
        wholes: dict[str, Storage] = {}
        for t, (name, part) in zip(program.operands, sources, strict=True):
            decl = t if t.name == name else replace(t, name=name)
            if part is not None:
                if name not in wholes:
                    assert self._resolved is not None
                    wholes[name] = composite(self._resolved.tensor(name), named[name])
                out.append(bind(t, Tensor.over(wholes[name].parts[part]), contiguous=contiguous))
            elif name in named:
                out.append(bind(decl, named[name], contiguous=contiguous))
            else:
                out.append(bind(decl, start(decl, starts[name])))
        return out

    def _run(
        self,
        variant: Compiled,
        bounds: list[Bound],
        dims: dict[str, int],
        operands: tuple[Any, ...],
        given: Mapping[str, Any],
        known: Mapping[str, Storage],
    ) -> Any:
        results = variant.program.results
        roles = [t.role for t in variant.program.operands]
        read = [b for b, role in zip(bounds, roles, strict=True) if role == "in"]
        outs: dict[str, np.ndarray] = {}
        for t in results:
            assert t.format is not None
            taken = [*(a for b in read for a in b.arrays()), *outs.values()]
            if t.format.is_dense:
                outs[t.name] = place(t, dims, given.get(t.name), taken)
            elif t.name in given:
                check_tensor(t, dims, given[t.name])
            if t.name in known:
                values = known[t.name].values
                outs[t.name] = np.empty_like(values) if overlap(values, taken) else values
        for t, b in zip(variant.program.operands, bounds, strict=True):
            if t.role == "inout":
                assert isinstance(b.keep, np.ndarray) and t.format is not None
                if outs[t.name] is not b.keep:
                    outs[t.name][...] = b.keep.transpose(t.format.order)
        numbers, arrays = [b.numbers for b in read], [b.arrays() for b in read]
        for t in results:
            if t.name in known:  # its levels are operands, its values a result
                numbers.append(known[t.name].addresses[:-1])
                arrays.append(known[t.name].buffers[:-1])
        call = Call(numbers, arrays, dims, outs)
        if knobs().checks("nan") and not known and self._nest is None:
            from sparsec import annihilated  # with the pass that it needs: only where the check is asked for

            written = len(self.program.tensors)
            annihilated.warn(variant, call, [t.name for t in expand(guard_reads(self.program)).tensors[written:]])
        made = variant.run(call, self.threads)
        if knobs().checks("nan"):
            check_nan(results, outs, made)
        for name, storage in known.items():
            if outs[name] is not storage.values:
                storage.values[...] = outs.pop(name)
        torch = torch_of(operands)
        finished = {t.name: self._result(t, outs, made, given, torch) for t in results if t.name not in known}
        out = [finished[t.name] if t.name in finished else _left(t, dims, given) for t in self.program.results]
        return out[0] if len(out) == 1 else tuple(out)

    def _given(self, out: Any) -> dict[str, Any]:
        """``out`` by the names of results."""
        if out is None:
            return {}
        names = [t.name for t in self.program.results]
        if not isinstance(out, Mapping):
            if len(names) != 1:
                raise TypeError_(f"{self.name} has {len(names)} results", hint=f"pass out={{'{names[0]}': ...}}")
            return {names[0]: out}
        if unknown := [n for n in out if n not in names]:
            raise TypeError_(f"{self.name} has no result '{unknown[0]}'", hint=f"its results are {', '.join(names)}")
        _check_apart(out)
        return dict(out)

    def _result(
        self, t: TensorDecl, outs: dict[str, np.ndarray], made: dict[str, Storage], given: Mapping[str, Any], torch: Any
    ) -> Any:
        if t.name in made:
            target = given.get(t.name)
            if target is None:
                return Tensor.over(made[t.name])
            target.hold(made[t.name])
            return target
        array = outs[t.name]
        assert t.format is not None
        logical = array.transpose([t.format.order.index(d) for d in range(t.ndim)]) if t.ndim > 1 else array
        target = given.get(t.name)
        if target is not None:
            mine = as_array(target)
            if mine is not array:
                mine[...] = logical if mine.dtype == logical.dtype else from_storage(logical, t.dtype)
            return target
        return returned(t, logical, torch)

    # compiling

    def _resolve(self, operands: Mapping[str, Any]) -> Program:
        """The program with every format chosen, from the operands if any says ``auto``."""
        program = expand(guard_reads(self.program))
        if self._resolved is None and all(t.format is not None for t in program.tensors):
            self._resolved = program
        if self._resolved is None:
            from sparsec.passes.formats import choose_formats

            given: dict[str, Format | None] = {}
            for t in self.program.operands:
                storage = operand_storage(operands[t.name]) if t.format is None else None
                given[t.name] = None if storage is None or storage.format.is_dense else storage.format
            self._resolved = choose_formats(program, given, open_fills=self._open_fills)
        return self._resolved

    def _unfold(self, started: frozenset[str] = frozenset(), half: str = "both") -> tuple[Program, Sources]:
        """The program with its composites taken apart and its updates written out.

        The results ``started`` start from what the caller passes.  With it the names that the caller knows its
        operands by: one that a sparse update reads has another there, and a composite one is several.
        ``half`` is "pattern" or "values" where only that of the sparse results is asked for.
        """
        assert self._resolved is not None
        key = started, half
        if key not in self._unfolded:
            apart = decompose(with_updated(self._resolved, started))
            unfolded = unfold_updates(apart.program)
            if half != "both":
                unfolded = pattern_of(unfolded) if half == "pattern" else values_of(unfolded)
            self._unfolded[key] = unfolded, apart.sources()
        return self._unfolded[key]

    def decide(self, example: Mapping[str, Any]) -> None:
        """Choose what ``auto`` leaves open by operands like those to come."""
        unknown = [n for n in example if n not in self._names]
        if unknown:
            raise TypeError_(
                f"{self.name} has no operand '{unknown[0]}'", hint=f"its operands are {', '.join(self._names)}"
            )
        open_ = [t.name for t in self.program.operands if t.format is None and t.name not in example]
        if open_:
            raise TypeError_(f"the example lacks operand '{open_[0]}', whose format is auto")
        self._resolve(example)

    def _variant(
        self,
        program: Program,
        bounds: Sequence[Bound],
        dims: Mapping[str, int],
        wide: bool = False,
        known: Mapping[str, Storage] | None = None,
    ) -> Compiled:
        """The program compiled for these layouts, and those of results whose pattern is known."""
        if self._nest is not None:
            formats: dict[str, Format | None] = {}
        else:
            formats = {
                t.name: b.layout.with_dims(t.format.dims)
                for t, b in zip(program.operands, bounds, strict=True)
                if t.format
            }
            for t in program.tensors:
                if t.role != "in":
                    assert t.format is not None
                    storage = (known or {}).get(t.name)
                    if storage is None:
                        formats[t.name] = with_widths(t.format, shape_of(t, dims), wide)
                    else:
                        formats[t.name] = storage.format.normal().with_dims(t.format.dims)
        key = (*formats.items(), *(t.role for t in program.tensors), knobs().check, knobs().opt)
        found = self._variants.get(key)
        if found is None:
            tensors = tuple(replace(t, format=formats.get(t.name, t.format)) for t in program.tensors)
            found = self._variants[key] = compiled(replace(program, tensors=tensors), self.backend, self._nest)
        self._last = found
        return found

    def _compiled(self) -> Compiled:
        """The variant used last, or that for operands as declared."""
        if self._last is not None:
            return self._last
        if self._resolved is None:
            open_ = next(t.name for t in self.program.operands if t.format is None)
            raise BackendError(
                f"the format of '{open_}' is chosen from the first operands that {self.name} meets",
                hint=f"pass compile(..., example={{'{open_}': ...}}), or call it first",
            )
        program, _ = self._unfold()
        dims = {d: 1 for t in program.tensors for d in t.dims if isinstance(d, str)}
        return self._variant(program, [_declared(t) for t in program.operands], dims)

    def prepare(self, /, *given: Any, **operands: Any) -> dict[str, Any]:
        """The operands converted once to the formats that the kernel takes, for repeated calls.

        Any of the operands may be given, by position or name; sparse ones come back as ``Tensor``, dense ones as NumPy
        arrays.
        """
        first = dict(zip(self._names, given, strict=False))
        if len(given) > len(self._names) or any(n in first or n not in self._names for n in operands):
            self._ordered(given, operands)  # which says what is wrong
        operands = first | operands
        if self._resolved is None:
            self.decide(operands)
        assert self._resolved is not None
        out: dict[str, Any] = {}
        for t in self._resolved.operands:
            if t.name in operands:
                if is_composite(t):
                    out[t.name] = Tensor.over(composite(t, operands[t.name]))
                    continue
                bound = bind(t, operands[t.name])
                keep = bound.keep
                if t.dtype is BF16 and not isinstance(keep, Storage):  # NumPy has no such arrays
                    keep = dense_storage(keep, t.fill, BF16)
                out[t.name] = Tensor.over(keep) if isinstance(keep, Storage) else keep
        return out

    # looking inside

    def ir(self, stage: str) -> str:
        """The text of the kernel at "tensor", "loops" or "buffer" level; reads back to an equal tree."""
        variant = self._compiled()
        match stage:
            case "tensor":
                from sparsec.ir.tensor_text import print_program

                return print_program(variant.program)
            case "loops":
                from sparsec.ir.loops_text import print_kernel

                return print_kernel(variant.loops)
            case "buffer":
                from sparsec.ir.buffer_text import print_module

                return print_module(variant.module)
        raise BackendError(f"there is no IR '{stage}'", hint="stages are " + ", ".join(STAGES))

    def code(self, kind: str) -> str:
        """The kernel as "llvm", "llvm-opt" (after LLVM's passes), "asm" or "c"."""
        if kind in PLANNED_SOURCES:
            raise UnsupportedError(f"'{kind}' source cannot be made yet", hint="there are " + ", ".join(SOURCES))
        if kind not in SOURCES:
            raise BackendError(f"there is no source '{kind}'", hint="there are " + ", ".join(SOURCES))
        return self._compiled().source(kind)

    def explain(self) -> str:
        """Formats, loop order and why, conversions, workspaces, way of assembly, parallel axis: a line each."""
        from sparsec.passes.lower import explain

        made = self._compiled()
        return explain(made.loops, made.module)

    @property
    def times(self) -> dict[str, float]:
        """Milliseconds of each step of the last compilation."""
        return dict(self._compiled().times)

    def assemble(self, *operands: Any, sizes: Mapping[str, int] | None = None, **named: Any) -> Any:
        """The results with the patterns that a call would give them, and values equal to the fill, for ``compute``.

        Dense results, which have no pattern, are full of their fill.  Raises what a call raises, and ``FormatError``
        if no result is sparse.

        >>> import sparsec as sp
        >>> k = sp.compile("kernel f(A: f64[n, n] csr, x: f64[n]) -> B: f64[n, n] csr { B[i, j] = A[i, j] * x[j] }")
        >>> A = sp.tensor([[0.0, 2.0], [3.0, 0.0]], format="csr")
        >>> P = k.assemble(A, [1.0, 2.0])
        >>> k.compute(A, [5.0, 7.0], out=P).coo()[1]
        array([14., 15.])
        """
        return self._half("pattern", operands, None, sizes, named)

    def compute(self, *operands: Any, out: Any = None, sizes: Mapping[str, int] | None = None, **named: Any) -> Any:
        """Values on the patterns of ``out``, which has every sparse result (a ``Tensor``; several: a dict by name).

        Values are written into the memory of those tensors, which are returned.  An entry of the pattern that the
        operands do not give gets the fill; one that they give and the pattern lacks is a ``FormatError``, and the
        values are then undefined.  Raises what a call raises, and ``FormatError`` for another format or fill.
        """
        return self._half("values", operands, out, sizes, named)

    def _half(
        self, half: str, operands: tuple[Any, ...], out: Any, sizes: Mapping[str, int] | None, named: dict[str, Any]
    ) -> Any:
        if named or len(operands) != len(self._names):
            operands = self._ordered(operands, named)
        if self._nest is not None:
            raise UnsupportedError(f"'{self.name}' is a loop nest, whose patterns and values are made together")
        resolved = self._resolve(dict(zip(self._names, operands, strict=True)))
        if all(t.format is None or t.format.is_dense for t in resolved.results):
            raise FormatError(
                f"{self.name} has no sparse result, and so no pattern to make or to keep",
                hint="declare one with a format, csr say; a dense result is reused by out=",
            )
        for t in resolved.results:
            if t.format is not None and any(isinstance(s.type, CanSpan) for s in t.format.levels):
                raise UnsupportedError(
                    f"the pattern of '{t.name}' ({t.format.label}) hangs on its values: runs of equal ones",
                    hint="call the kernel, or declare a format that stores entries",
                )
            if t.format is not None and any(
                isinstance(s.type, CanIterate) and (s.type.sequential or s.type.anchored) for s in t.format.levels
            ):
                raise UnsupportedError(
                    f"values on a pattern of '{t.name}' ({t.format.label}), whose coordinates are read in turn, cannot "
                    "run yet",
                    hint="call the kernel, or declare another index type",
                )
            if t.format is not None and _nests_parts(t.format):
                raise UnsupportedError(
                    f"patterns of '{t.name}' ({t.format.label}) apart from values cannot run yet: its map has several "
                    "levels that leave out coordinates",
                    hint="call the kernel, or declare a format like bsr, whose blocks are whole",
                )
        return self._call(operands, out, sizes, half)


def _nests_parts(fmt: Format) -> bool:
    """Does a format with a dimension map have more than one level that searches or counts coordinates?"""
    return not fmt.is_plain and sum(not (s.type.full or s.type.branchless) for s in fmt.levels) > 1


_NOTHING = np.empty(1)


def _again(program: Program, nest: loops.Kernel | None, backend: str, threads: int | None, open_fills: bool) -> Kernel:
    return Kernel(program, nest=nest, backend=backend, threads=threads, open_fills=open_fills)


def _check_square(program: Program, dims: Mapping[str, int]) -> None:
    """Raise ``FormatError`` for a symmetric tensor with more rows than columns, or fewer."""
    for t in program.tensors:
        if t.format is not None and t.format.symmetric:
            rows, columns = (d if isinstance(d, int) else dims[d] for d in t.dims[-2:])
            if rows != columns:
                raise FormatError(f"'{t.name}' is symmetric, and would have {rows} rows and {columns} columns")


def _no_room(program: Program) -> FormatError:
    """What to say where a result has more entries beneath one parent than its level has room for."""
    bounded = [t for t in program.results if t.format and any(s.type.room is not None for s in t.format.levels)]
    names = " or ".join(f"'{t.name}' ({t.format.label})" for t in bounded if t.format) or "a local"
    return FormatError(
        f"result {names} has more entries beneath one parent than its format has room for",
        hint="choose a wider format, or one without such a bound: csr",
    )


def _unsorted(program: Program) -> FormatError:
    """What to say where the entries of a result come in another order and cannot be sorted."""
    sparse = [t for t in program.results if t.format and not t.format.is_dense]
    names = " or ".join(f"'{t.name}' ({t.format.label})" for t in sparse if t.format) or "a local"
    plain = [t.format for t in sparse if t.format and t.format.is_plain and t.ndim == 2]
    turned = [label(Format(f.dims[::-1], f.opened().concrete(I64, I64).levels)) for f in plain]
    other = next((f" ({name})" for name in turned if "->" not in name), "")
    return FormatError(
        f"the entries of result {names} come in another order than it stores them, and sorting takes more than 64 bits "
        "for the coordinates of each",
        hint=f"store it in the order in which they come{other}, or number the rows and columns that have entries",
    )


def _outside(program: Program) -> FormatError:
    """What to say where an entry of a result lies outside of the range that its level holds."""
    levels = {t.name: [s.type for s in t.format.levels] for t in program.results if t.format}
    bounded = [t for t in program.results if any(k.prefix or isinstance(k, CanWindow) for k in levels.get(t.name, ()))]
    names = " or ".join(f"'{t.name}' ({t.format.label})" for t in bounded if t.format) or "a local"
    if any(k.prefix for t in bounded for k in levels[t.name]):
        return FormatError(
            f"result {names} leaves out a coordinate, and a ragged level holds all up to the last",
            hint="store it in csr, and convert that: what is left out then becomes entries",
        )
    return FormatError(
        f"result {names} has an entry outside of the range of coordinates that its format holds",
        hint="choose a wider range, say 'where' entries are (i - j in -1:2), or store it in csr",
    )


def _at_a_place(
    e: Stopped, program: Program, operands: Mapping[str, Storage | np.ndarray], dims: Mapping[str, int]
) -> SparsecError:
    """What to say where an index lies outside, or a place is written twice."""
    from sparsec.faults import index_outside, written_twice

    return written_twice(program) if e.reason == "twice" else index_outside(program, operands, dims) or e


def _not_in_pattern(known: Mapping[str, Storage]) -> FormatError:
    """What to say where operands give an entry that the pattern of a result lacks."""
    names = " or ".join(f"'{name}'" for name in known)
    return FormatError(
        f"the operands give an entry that the pattern of {names} lacks",
        hint="the pattern is of other operands: assemble it anew",
    )


def _left(t: TensorDecl, dims: Mapping[str, int], given: Mapping[str, Any]) -> Any:
    """A result that the half asked for does not make: what the caller passed, or a dense one full of its fill."""
    if t.name in given:
        return given[t.name]
    return returned(t, to_storage(np.full(shape_of(t, dims), t.fill, held(t.dtype)), t.dtype), None)


def _check_apart(out: Mapping[str, Any]) -> None:
    """Raise ``TypeError_`` for two results that would be written to the same memory."""
    seen: dict[str, np.ndarray] = {}
    for name, given in out.items():
        if isinstance(given, Tensor):
            memory = given.storage.values
        elif given is None or not hasattr(given, "__array__"):
            continue
        else:
            memory = as_array(given)
        for other, taken in seen.items():
            if given is out[other] or np.shares_memory(memory, taken):
                raise TypeError_(f"out for '{other}' and '{name}' is the same memory", hint="give each result its own")
        seen[name] = memory


def _starts(program: Program) -> bool:
    """Whether some operand is updated."""
    return any(t.role == "inout" for t in program.tensors)


def _declared(t: TensorDecl) -> Bound:
    """An operand as its declaration describes it, for looking at code without data."""
    assert t.format is not None
    layout = row_major(t.ndim) if t.format.is_dense else t.format.concrete().normal()
    return Bound(layout, (), [], _NOTHING)


__all__ = ["Kernel"]
