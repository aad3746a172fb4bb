"""What expressions are where no sparse operand has an entry, and that sparse results declare it."""

from __future__ import annotations

from sparsec.errors import FormatError
from sparsec.ir.rewrite import walk
from sparsec.ir.tensor import Access, Assign, Expr, Literal, Program, TensorDecl
from sparsec.ir.tensor_values import same_value, scalar
from sparsec.passes.lower.query import is_sparse
from sparsec.passes.lower.simplify import absent_value


def fills(program: Program, e: Expr) -> dict[Expr, Expr]:
    """The fill of every sparse access in ``e``."""
    out: dict[Expr, Expr] = {}
    for n in walk(e):
        if isinstance(n, Access) and is_sparse(program.tensor(n.tensor)):
            t = program.tensor(n.tensor)
            out[n] = Literal(t.fill, t.dtype, fill=True)
    return out


def absent(program: Program, e: Expr) -> Expr:
    """What ``e`` is where no sparse operand has an entry."""
    return absent_value(e, fills(program, e), program.monoids)


def check_fill(program: Program, target: TensorDecl, s: Assign, value: Expr) -> None:
    """A sparse result must declare the fill that the statement computes: else ``FormatError``."""
    if not is_sparse(target) or target.role == "local":
        return
    computed = absent(program, value)
    if isinstance(computed, Literal) and not same_value(computed.value, scalar(target.fill, target.dtype).item()):
        raise FormatError(
            f"result '{target.name}' has fill {target.fill}, but where no operand has an entry the statement gives "
            f"{computed.value}",
            span=s.span,
            hint=f"declare it with fill({computed.value}), or make it dense",
        )


__all__ = ["absent", "check_fill", "fills"]
