"""A compiled kernel as a user holds it: called with operands, asked for its code and its reasons.

A ``Kernel`` is compiled for the formats and the memory layouts of the operands that it meets, once for each combination;
sizes and patterns never matter.  A call with operands like those of the last one takes a short way (``_Memo``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from sparsec.binding import Bound, bind, extents, row_major, shape_of
from sparsec.driver import Call, Compiled, Stopped, compiled, with_widths
from sparsec.errors import BackendError, FormatError, ShapeError, TypeError_, UnsupportedError, nearest
from sparsec.formats.format import Format
from sparsec.ir.tensor import Assign, Program, TensorDecl
from sparsec.knobs import knobs
from sparsec.runtime.outside import dense_array, operand_storage
from sparsec.runtime.storage import Storage
from sparsec.tensors import Tensor

if TYPE_CHECKING:
    from sparsec.ir import loops

STAGES = ("tensor", "loops", "buffer")
SOURCES = ("llvm", "llvm-opt", "asm", "c")
PLANNED_SOURCES = ("cuda", "triton")


class Kernel:
    """A program ready to run.

    Call it with operands by position or by name; ``out=`` gives storage for the results, ``sizes=`` the extents of
    dimensions that no operand has.  One result is returned by itself, several as a tuple in the signature's order: NumPy
    arrays and scalars for dense ones (torch tensors where operands were), ``Tensor`` for sparse ones.

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
        for t in program.tensors:
            if t.role == "inout":
                raise UnsupportedError(
                    f"an update in place of '{t.name}', which the caller passes, cannot run yet", span=t.span,
                    hint="give the result another name, and start it from this one: C[i, j] = B[i, j] + ...",
                )
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
        self._memo: _Memo | None = None
        self._updated = frozenset(s.target.tensor for s in _assigns(program.body) if s.op != "=")
        if all(t.format is not None for t in program.operands):
            self._resolve({})

    def __repr__(self) -> str:
        operands = ", ".join(self._names)
        results = ", ".join(t.name for t in self.program.results)
        return f"<sparsec kernel {self.name}({operands}) -> {results}>"

    # calling

    def __call__(
        self, *operands: Any, out: Any = None, sizes: Mapping[str, int] | None = None, **named: Any
    ) -> Any:
        if named or len(operands) != len(self._names):
            operands = self._ordered(operands, named)
        memo = self._memo
        if memo is not None and sizes is None and (out is None or type(out) is np.ndarray):
            done, result = memo.call(operands, out)
            if done:
                return result
        return self._call(operands, out, sizes)

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

    def _call(self, operands: tuple[Any, ...], out: Any, sizes: Mapping[str, int] | None) -> Any:
        program = self._resolve(dict(zip(self._names, operands, strict=True)))
        bounds = self._bind(program, operands)
        dims = extents(program, [b.shape for b in bounds], sizes)
        variant = self._variant(program, bounds, dims)
        try:
            result = self._run(variant, bounds, dims, operands, out)
        except Stopped as e:
            if e.reason != "width" or self._nest is not None:
                raise
        else:
            simple = out is None and sizes is None and self.backend == "cpu"
            self._memo = _Memo.make(self, variant, bounds, dims, operands) if simple else None
            return result
        wide = self._variant(program, bounds, dims, wide=True)
        if wide is variant:
            raise FormatError(
                "a result has more entries than the position type of its format can count", hint="leave its width open"
            ) from None
        return self._run(wide, bounds, dims, operands, out)

    def _bind(self, program: Program, operands: Sequence[Any]) -> list[Bound]:
        contiguous = self.backend != "cpu" or self._nest is not None
        return [bind(t, x, contiguous=contiguous) for t, x in zip(program.operands, operands, strict=True)]

    def _run(
        self, variant: Compiled, bounds: list[Bound], dims: dict[str, int], operands: tuple[Any, ...], out: Any
    ) -> Any:
        results = variant.program.results
        given = self._given(out)
        outs: dict[str, np.ndarray] = {}
        for t in results:
            assert t.format is not None
            if t.format.is_dense:
                outs[t.name] = _place(t, dims, given.get(t.name), [b.keep for b in bounds])
        call = Call([b.numbers for b in bounds], [b.arrays() for b in bounds], dims, outs)
        made = variant.run(call, self.threads)
        if knobs().checks("nan"):
            _check_nan(results, outs, made)
        torch = _torch_of(operands)
        values = [self._result(t, outs, made, given, torch) for t in results]
        return values[0] if len(values) == 1 else tuple(values)

    def _given(self, out: Any) -> dict[str, Any]:
        """``out`` by the names of results."""
        if out is None:
            return {}
        names = [t.name for t in self.program.results]
        if self._updated:
            raise UnsupportedError(
                f"an update in place of '{min(self._updated)}' cannot run yet", hint="leave out=, or define it with '='"
            )
        if not isinstance(out, Mapping):
            if len(names) != 1:
                raise TypeError_(f"{self.name} has {len(names)} results", hint=f"pass out={{'{names[0]}': ...}}")
            return {names[0]: out}
        if unknown := [n for n in out if n not in names]:
            raise TypeError_(f"{self.name} has no result '{unknown[0]}'", hint=f"its results are {', '.join(names)}")
        return dict(out)

    def _result(
        self, t: TensorDecl, outs: dict[str, np.ndarray], made: dict[str, Storage], given: dict[str, Any], torch: Any
    ) -> Any:
        if t.name in made:
            target = given.get(t.name)
            if target is None:
                return Tensor(made[t.name])
            if not isinstance(target, Tensor):
                raise TypeError_(f"out for the sparse result '{t.name}' is a Tensor, not {type(target).__name__}")
            target.storage = made[t.name]
            return target
        array = outs[t.name]
        assert t.format is not None
        logical = array.transpose([t.format.order.index(d) for d in range(t.ndim)]) if t.ndim > 1 else array
        target = given.get(t.name)
        if target is not None:
            mine = _as_array(target)
            if mine is not array:
                mine[...] = logical
            return target
        if torch is not None:
            return torch.from_numpy(logical) if t.dtype.numpy not in _NOT_TORCH else logical
        return logical if t.ndim else logical[()]

    # compiling

    def _resolve(self, operands: Mapping[str, Any]) -> Program:
        """The program with every format chosen, from the operands if any says ``auto``."""
        if self._resolved is None and all(t.format is not None for t in self.program.tensors):
            self._resolved = self.program
        if self._resolved is None:
            from sparsec.passes.formats import choose_formats
            given: dict[str, Format | None] = {}
            for t in self.program.operands:
                storage = operand_storage(operands[t.name]) if t.format is None else None
                given[t.name] = None if storage is None or storage.format.is_dense else storage.format
            self._resolved = choose_formats(self.program, given, open_fills=self._open_fills)
        return self._resolved

    def decide(self, example: Mapping[str, Any]) -> None:
        """Choose what ``auto`` leaves open by operands like those to come."""
        unknown = [n for n in example if n not in self._names]
        if unknown:
            raise TypeError_(f"{self.name} has no operand '{unknown[0]}'", hint=f"its operands are {', '.join(self._names)}")
        open_ = [t.name for t in self.program.operands if t.format is None and t.name not in example]
        if open_:
            raise TypeError_(f"the example lacks operand '{open_[0]}', whose format is auto")
        self._resolve(example)

    def _variant(self, program: Program, bounds: Sequence[Bound], dims: Mapping[str, int], wide: bool = False) -> Compiled:
        """The program compiled for these layouts."""
        if self._nest is not None:
            formats: dict[str, Format | None] = {}
        else:
            layouts = {t.name: b.layout for t, b in zip(program.operands, bounds, strict=True)}
            formats = {t.name: layouts[t.name].with_dims(t.format.dims) for t in program.operands if t.format}
            for t in program.tensors:
                if t.role != "in":
                    assert t.format is not None
                    formats[t.name] = with_widths(t.format, shape_of(t, dims), wide)
        key = (*formats.items(), knobs().check)
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
        program = self._resolved
        dims = {d: 1 for t in program.tensors for d in t.dims if isinstance(d, str)}
        return self._variant(program, [_declared(t) for t in program.operands], dims)

    def prepare(self, **operands: Any) -> dict[str, Any]:
        """The operands converted once to the formats that the kernel takes, for repeated calls.

        Any of the operands may be given; sparse ones come back as ``Tensor``, dense ones as NumPy arrays.
        """
        for name in operands:
            if name not in self._names:
                self._ordered((), operands)
        if self._resolved is None:
            self.decide(operands)
        assert self._resolved is not None
        out = {}
        for t in self._resolved.operands:
            if t.name in operands:
                bound = bind(t, operands[t.name])
                out[t.name] = Tensor(bound.keep) if isinstance(bound.keep, Storage) else bound.keep
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

        return explain(self._compiled().loops)

    @property
    def times(self) -> dict[str, float]:
        """Milliseconds of each step of the last compilation."""
        return dict(self._compiled().times)

    def assemble(self, *operands: Any, **named: Any) -> Any:
        """The pattern of the results without their values: comes in a later version."""
        raise UnsupportedError("'assemble' cannot run yet", hint="call the kernel: it makes pattern and values")

    def compute(self, *operands: Any, **named: Any) -> Any:
        """The values on an assembled pattern: comes in a later version."""
        raise UnsupportedError("'compute' cannot run yet", hint="call the kernel: it makes pattern and values")


@dataclass(frozen=True, slots=True)
class _Place:
    """An operand as it was in the last call: its storage, or the look of its array; ``at`` is its number's place."""

    at: int
    storage: ref[Storage] | None = None
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    dtype: np.dtype | None = None


class _Memo:
    """The last call's argument block, to be used again when only the addresses of dense arrays differ."""

    __slots__ = ("_outs", "_places", "_template", "_threads", "_variant", "_dims", "_single")

    @classmethod
    def make(
        cls, kernel: Kernel, variant: Compiled, bounds: list[Bound], dims: dict[str, int], operands: tuple[Any, ...]
    ) -> _Memo | None:
        """None where an operand was converted, or the call is not of the simple kind."""
        if knobs().check:
            return None
        places, at = [], 0
        for b, x in zip(bounds, operands, strict=True):
            at += len(b.numbers)
            if isinstance(b.keep, Storage):
                if operand_storage(x) is not b.keep:
                    return None
                places.append(_Place(at, ref(b.keep)))
            elif x is b.keep:
                places.append(_Place(at - 1, None, x.shape, x.strides, x.dtype))
            else:
                return None
        memo = cls()
        memo._places = tuple(places)
        memo._variant = variant
        memo._dims = dims
        memo._threads = kernel.threads
        memo._outs = []
        for t in variant.program.results:
            assert t.format is not None
            if t.format.is_dense:
                if t.format.order != tuple(range(t.ndim)) or not t.ndim:
                    return None
                memo._outs.append((shape_of(t, dims), t.dtype.np))
        if memo._outs and len(memo._outs) < len(variant.program.results):
            return None
        call = Call([b.numbers for b in bounds], [], dims, {t.name: _NOTHING for t in variant.program.results})
        memo._template = call.block(variant.slots)
        memo._single = len(variant.program.results) == 1
        return memo

    def call(self, operands: tuple[Any, ...], out: np.ndarray | None) -> tuple[bool, Any]:
        """(whether the operands are like those of the last call, the result)."""
        numbers = self._template.copy()
        for place, x in zip(self._places, operands, strict=True):
            at = place.at
            if place.storage is not None:
                storage = x.storage if type(x) is Tensor else operand_storage(x)
                if storage is None or storage is not place.storage():
                    return False, None
            elif type(x) is not np.ndarray or x.shape != place.shape or x.strides != place.strides or x.dtype != place.dtype:
                return False, None
            else:
                numbers[at] = address = x.ctypes.data
                if address % x.itemsize:
                    return False, None
        if knobs().check:
            return False, None
        variant = self._variant
        at = len(numbers) - len(self._dims) - len(self._outs)
        if out is not None:
            if not self._single or not self._outs or not _fits(out, *self._outs[0]) or self._overlaps(out, operands):
                return False, None
            numbers[at] = out.ctypes.data
            outs = [out]
        else:
            outs = []
            for shape, dtype in self._outs:
                array = np.empty(shape, dtype)
                numbers[at] = array.ctypes.data
                at += 1
                outs.append(array)
        block = (ctypes.c_int64 * len(numbers))(*numbers)
        status = variant.runner.run(block, self._threads)
        if status:
            return False, None  # the long way does it again, and says what is wrong
        if outs:
            return True, outs[0] if self._single else tuple(outs)
        made = variant.published(block, Call((), (), self._dims))
        results = [Tensor(made[t.name]) for t in variant.program.results]
        return True, results[0] if self._single else tuple(results)


    def _overlaps(self, out: np.ndarray, operands: tuple[Any, ...]) -> bool:
        return any(
            np.may_share_memory(out, b)
            for place, x in zip(self._places, operands, strict=True)
            for b in (operand_storage(x).buffers if place.storage is not None else (x,))  # type: ignore[union-attr]
        )


_NOTHING = np.empty(1)
_NOT_TORCH = ("uint16", "uint32", "uint64")


def _assigns(body: Sequence[Any]) -> Iterator[Assign]:
    for s in body:
        if isinstance(s, Assign):
            yield s
        else:
            yield from _assigns(s.body)


def _declared(t: TensorDecl) -> Bound:
    """An operand as its declaration describes it, for looking at code without data."""
    assert t.format is not None
    layout = row_major(t.ndim) if t.format.is_dense else t.format.concrete().normal()
    return Bound(layout, (), [], _NOTHING)


def _place(t: TensorDecl, dims: Mapping[str, int], given: Any, operands: Sequence[Storage | np.ndarray]) -> np.ndarray:
    """Where a dense result is written, in the order of its levels: the caller's array if it fits, else a new one."""
    assert t.format is not None
    shape = shape_of(t, dims)
    stored = tuple(shape[d] for d in t.format.order)
    if given is not None:
        array = _as_array(given)
        if array.shape != shape or array.dtype != t.dtype.np:
            raise ShapeError(
                f"out for '{t.name}' has shape {array.shape} and dtype {array.dtype}, expected {shape} and {t.dtype.np}"
            )
        if not array.flags.writeable:
            raise TypeError_(f"out for '{t.name}' is read-only")
        plain = t.format.order == tuple(range(t.ndim))
        if plain and _fits(array, shape, t.dtype.np) and not _overlaps(array, operands):
            return array
    try:
        return np.empty(stored, t.dtype.np)
    except (MemoryError, ValueError):
        raise BackendError(
            f"result '{t.name}' of shape {shape} does not fit in memory", hint="declare it with a sparse format"
        ) from None


def _fits(array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether a kernel may write a row-major result into ``array``."""
    flags = array.flags
    return array.shape == shape and array.dtype == dtype and flags.c_contiguous and flags.aligned and flags.writeable


def _overlaps(array: np.ndarray, operands: Sequence[Storage | np.ndarray]) -> bool:
    """Compiled code assumes that nothing else refers to what it writes."""
    buffers = [b for x in operands for b in (x.buffers if isinstance(x, Storage) else (x,))]
    return any(np.may_share_memory(array, b) for b in buffers)


def _as_array(given: Any) -> np.ndarray:
    if isinstance(given, np.ndarray):
        return given
    if type(given).__module__.partition(".")[0] != "torch":
        raise TypeError_(f"out for a dense result is an array, not {type(given).__name__}")
    return dense_array(given, "out")


def _torch_of(operands: Sequence[Any]) -> Any:
    """The torch module if an operand is torch's."""
    import sys

    torch = sys.modules.get("torch")
    return torch if torch is not None and any(isinstance(x, torch.Tensor) for x in operands) else None


def _check_nan(results: Sequence[TensorDecl], outs: Mapping[str, np.ndarray], made: Mapping[str, Storage]) -> None:
    """``SPARSEC_CHECK=nan``: a NaN in a result is an error that says where it is."""
    for t in results:
        if not t.dtype.is_float and t.dtype.kind != "c":
            continue
        values = outs[t.name] if t.name in outs else made[t.name].values
        bad = np.isnan(values.view(np.float16) if t.dtype.name == "bf16" else values)
        if bad.any():
            where = tuple(int(c) for c in np.argwhere(bad)[0])
            place = f"at {where}" if t.name in outs else f"at position {where[0]} of its values"
            raise BackendError(f"result '{t.name}' is NaN {place}", hint="SPARSEC_CHECK=nan asked for this check")


__all__ = ["Kernel"]
