"""From a program's text and the operands on the command line to a kernel."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsec.cli import specs
from sparsec.cli.output import progress
from sparsec.cli.sources import Request, choose_kernel
from sparsec.errors import FileError, FormatError, SparsecError, TypeError_
from sparsec.ir.dtypes import BF16, F64, DType, from_numpy

if TYPE_CHECKING:
    from sparsec.frontends.dsl import OperandType
    from sparsec.ir.tensor import TensorDecl
    from sparsec.kernel import Kernel


def kernel_of(request: Request, types: Mapping[str, OperandType] | None = None) -> Kernel:
    """The kernel that is asked for; statements are declared by ``types``, or by how they use their names."""
    import sparsec as sp

    source, wanted, formats = request.source, request.kernel, request.formats
    if not source.statements:
        # Text without a brace or a line's end would pass for a path.
        made = sp.compile(Path(source.filename) if source.filename else source.text + "\n", formats=formats)
        kernels: dict[str, Kernel] = made if isinstance(made, dict) else {made.name: made}
        return choose_kernel(kernels, wanted)
    if wanted is not None:
        raise TypeError_("the program of -e has no kernels to choose from", hint="leave --kernel out")
    from sparsec.api import with_formats
    from sparsec.frontends.dsl import parse_statements
    from sparsec.kernel import Kernel

    try:
        program = parse_statements(source.text, guessed(source.text) if types is None else types)
        if unknown := [name for name in formats if name not in {t.name for t in program.tensors}]:
            raise TypeError_(f"--format names '{unknown[0]}', which the program has not")
        return Kernel(with_formats(program, formats), open_fills=True)
    except SparsecError as problem:
        raise problem.locate(source.text) from None


def guessed(text: str) -> dict[str, OperandType]:
    """Operands of statements, f64 and dense, by how the text uses them: for looking at code without data."""
    from sparsec.frontends.dsl import OperandType, ast
    from sparsec.frontends.dsl.parser import parse

    nodes = list(_walk(parse(text, "statements")))
    orders = {n.name: len(n.indices) for n in nodes if isinstance(n, ast.Subscript)}
    brackets = [n.indices for n in nodes if isinstance(n, ast.Subscript | ast.Reduction | ast.Target)]
    known = {n.id for n in _walk(brackets) if isinstance(n, ast.Name)} | {"true", "false", "inf", "nan"}
    scalars = [n.id for n in nodes if isinstance(n, ast.Name) and n.id not in known]
    made = {n.target.name for n in nodes if isinstance(n, ast.AssignText)}
    names = {name: orders.get(name, 0) for name in (*orders, *scalars)}
    return {name: OperandType(F64, order, None, 0.0) for name, order in names.items() if name not in made}


def _walk(node: Any) -> Iterator[Any]:
    """The nodes of a syntax tree, which are named tuples, parents first."""
    if isinstance(node, list | tuple):
        if hasattr(node, "_fields"):
            yield node
        for part in node:
            yield from _walk(part)


def operand(name: str, spec: specs.Spec, seed: int, decl: TensorDecl | None = None) -> Any:
    """The operand that ``spec`` describes: a ``Tensor``, array or scalar, of the declared dtype where it can be."""
    import numpy as np

    import sparsec as sp

    dtype = decl.dtype if decl is not None else None
    match spec:
        case specs.FromFile(path):
            with progress(f"reading {path.name}"):
                given = _load(path)
            return given if dtype is None else cast(given, dtype)
        case specs.Value(value):
            array = np.asarray(value)
            return value if dtype is not None or array.ndim else array
        case specs.Generated():
            made = specs.generate(spec, name, seed, dtype)
            listed = isinstance(made, specs.Coordinates)
            given = sp.from_coo(made.coords, made.values, made.shape) if listed else made  # type: ignore[union-attr]
            return cast(given, BF16) if BF16 in (spec.dtype, dtype) else given


def _load(path: Path) -> Any:
    import numpy as np

    import sparsec as sp

    if path.suffix != ".npy":
        read = sp.read(path)
        return read.numpy() if read.format == "dense" else read
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as problem:
        raise FileError(f"cannot read {path}: {problem}") from None


def cast(given: Any, dtype: DType) -> Any:
    """A tensor or array from a file in the dtype that a kernel declares; as it is where values could be lost."""
    import numpy as np

    from sparsec.ir.tensor_values import held
    from sparsec.tensors import Tensor, tensor

    if not np.can_cast(given.dtype, held(dtype), "same_kind"):
        return given
    if dtype is BF16 and not isinstance(given, Tensor):
        given = tensor(given)  # NumPy has no bf16
    return given.astype(dtype) if isinstance(given, Tensor) else given.astype(dtype.np)


def type_of(given: Any) -> OperandType:
    """What a statement knows of an operand."""
    import numpy as np

    from sparsec.frontends.dsl import OperandType
    from sparsec.tensors import Tensor

    if isinstance(given, Tensor):
        storage = given.storage
        fmt = None if storage.format.is_dense else storage.format.normal()
        return OperandType(storage.dtype, len(storage.shape), fmt, storage.fill)
    array = np.asarray(given)
    t = from_numpy(array.dtype)
    return OperandType(t, array.ndim, None, t.np.type(0).item())


def bind_program(request: Request) -> tuple[Kernel, dict[str, Any]]:
    """The kernel and its operands; raises ``TypeError_`` for operands that are missing or that it has not."""
    given, seed = request.given, request.seed
    if request.source.statements:
        if not given and (missing := guessed(request.source.text)):
            hint = "add " + " ".join(_example(name, t.ndim) for name, t in missing.items())
            raise TypeError_(_missing(missing), hint=hint)
        operands = {name: operand(name, spec, seed) for name, spec in given.items()}
        return kernel_of(request, {n: type_of(x) for n, x in operands.items()}), operands
    kernel = kernel_of(request)
    decls = {t.name: t for t in kernel.program.operands}
    for name in given:
        if name not in decls:
            raise TypeError_(f"{kernel.name} has no operand '{name}'", hint=f"its operands are {', '.join(decls)}")
    operands = {name: operand(name, spec, seed, decls[name]) for name, spec in given.items()}
    if absent := [t for t in decls.values() if t.name not in operands]:
        hint = "add " + " ".join(_suggest(t, decls, operands) for t in absent)
        raise TypeError_(f"{kernel.name}: {_missing([t.name for t in absent])}", hint=hint)
    return kernel, operands


def _missing(names: Collection[str]) -> str:
    quoted = ", ".join(f"'{name}'" for name in names)
    return f"operand {quoted} is missing" if len(names) == 1 else f"operands {quoted} are missing"


def _example(name: str, order: int) -> str:
    """An operand of this order as it might be passed."""
    return {0: f"{name}=1", 1: f"'{name}=rand(100)'", 2: f"{name}=matrix.mtx"}.get(order, f"{name}=tensor.tns")


def look_at(request: Request) -> Kernel:
    """The kernel for looking at, not for running: without operands as it is declared, else decided by them."""
    if request.source.statements and request.given:
        kernel, operands = bind_program(request)
    else:
        kernel = kernel_of(request)
        decls = {t.name: t for t in kernel.program.operands}
        operands = {n: operand(n, spec, request.seed, decls.get(n)) for n, spec in request.given.items()}
    for t in kernel.program.operands:
        if t.format is None and t.name not in operands:
            raise FormatError(
                f"the format of '{t.name}' is auto: it is chosen from data",
                hint=f"add {t.name}=matrix.mtx, or --format {t.name}=csr",
            )
    if operands:
        kernel.decide(operands)
    return kernel


def _suggest(t: TensorDecl, decls: Mapping[str, TensorDecl], operands: Mapping[str, Any]) -> str:
    """``x=rand(63436)``: the operand with the extents that the others fix, 100 where they don't."""
    from sparsec.cli.check import shape_of

    if not t.ndim:
        return f"{t.name}=1"
    known: dict[Any, int] = {}
    for name, x in operands.items():
        known.update(zip(decls[name].dims, shape_of(x), strict=False))
    extents = [known.get(d, d) for d in t.dims]
    return f"'{t.name}=rand({','.join(str(n) if str(n).isdecimal() else '100' for n in extents)})'"


__all__ = ["bind_program", "cast", "guessed", "kernel_of", "look_at", "operand", "type_of"]
