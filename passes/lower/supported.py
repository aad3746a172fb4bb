"""What of the language this version cannot run, found before anything is compiled: one entry for each feature."""

from __future__ import annotations

from itertools import pairwise
from typing import NoReturn

from sparsec.errors import FormatError, UnsupportedError
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import (
    Assign,
    Expr,
    Program,
    ScanLoop,
    Softmax,
    Stmt,
    TensorDecl,
)
from sparsec.ir.variables import is_plain, takes_loops


def check_supported(program: Program) -> None:
    """Raise ``UnsupportedError`` that names the first thing in ``program`` that cannot run yet, and where it stands."""
    for t in program.tensors:
        _declaration(t)
    for s in program.body:
        if isinstance(s, ScanLoop):
            _scan_block(s, program)
        else:
            _statement(s)


def _no(what: str, node: Expr | Stmt | TensorDecl, hint: str | None = None) -> NoReturn:
    raise UnsupportedError(f"{what} cannot run yet", span=node.span, hint=hint)


def _declaration(t: TensorDecl) -> None:
    if t.role != "in" and t.format is not None and t.format.values is not None:
        raise FormatError(
            f"'{t.name}' is computed here, and values({t.format.values}) would lose digits",
            span=t.span,
            hint="leave the encoding out; R.convert(..., lossy=True) encodes a result, and says the error it makes",
        )
    if t.format is not None and t.format.terms:
        _composite(t)
    if t.role == "local" and t.format is not None and any(spec.type.prefix for spec in t.format.levels):
        _no(f"a local stored as '{t.format.label}', whose rows must be found to be whole,", t, "store it in csr")
    if t.role != "in" and t.format is not None:
        for above, spec in pairwise(t.format.levels):
            if spec.type.branchless and above.type.unique:
                hint = "that there is one, no less and no more, is not checked: write fixed[1], or nonunique above it"
                _no(f"a result whose level '{spec}' has one entry for each parent", t, hint)
            if above.type.branchless and not spec.type.branchless:
                hint = "let the singletons be the last levels, or store them as compressed"
                _no(f"a result with level '{spec}' beneath a list of coordinates ('{above}')", t, hint)
    if t.format is not None:
        try:
            t.format.require_runnable()
        except UnsupportedError as e:
            e.span = e.span or t.span
            raise


def _composite(t: TensorDecl) -> None:
    assert t.format is not None
    if t.role != "in":
        raise FormatError(
            f"'{t.name}' is computed here, and {t.format.label} is a sum or a product of several tensors",
            span=t.span,
            hint=f"declare a result for each part, or {t.name} in one format; convert(..., lossy=True) takes it apart",
        )
    if t.fill != 0:
        raise FormatError(f"'{t.name}' ({t.format.label}) is a sum or a product: its fill is 0", span=t.span)


def _scan_block(s: ScanLoop, program: Program) -> None:
    for a in s.body:
        t = program.tensor(a.target.tensor)
        if t.format is not None and not t.format.is_dense:
            _no(f"a scan block that writes '{t.name}' in format {t.format}", a, f"make '{t.name}' dense")
        for n in walk(a):
            if isinstance(n, Softmax):
                _no("'softmax' of what its own 'scan' block writes", n)
        if not is_plain(a.target):
            _no("a left side in a 'scan' block with an index that is not a plain variable of its own", a.target)


def _statement(s: Assign) -> None:
    for e in s.target.indices:
        if takes_loops(e):
            _no("a left side with a reduction in an index", s.target)


__all__ = ["check_supported"]
