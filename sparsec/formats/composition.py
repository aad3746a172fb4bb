"""Composite formats: a tensor that is a sum of terms, each a part with a format of its own or a chain of factors.

``lowrank[r] + csr`` is two terms, ``blockdiag[b] @ perm @ blockdiag[b]`` one with three factors.  A chain multiplies
the last two dimensions as matrices do; dimensions before them are a batch that all factors have.  The parts are
numbered in the order of the text, through all terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from sparsec.errors import FormatError, ShapeError
from sparsec.ir.node import node

if TYPE_CHECKING:
    from sparsec.formats.format import Format


@node
class Chain:
    """A product of ``factors``; ``inner`` has the extent between each two that the format fixes, else None."""

    factors: tuple[Format, ...]
    inner: tuple[int | None, ...] = ()

    def __str__(self) -> str:
        return " @ ".join(words(self, str))


def words(chain: Chain, label: Callable[[Format], str]) -> Iterator[str]:
    """What stands between the signs of a chain's text: the factors by ``label``, pairs of dense ones by their rank."""
    skip = False
    for n, f in enumerate(chain.factors):
        rank = chain.inner[n] if n < len(chain.inner) else None
        if rank is not None:
            yield f"lowrank[{rank}]"
        elif not skip:
            yield label(f)
        skip = rank is not None


def compose(joints: Sequence[str], parts: Sequence[Format]) -> Format:
    """The format of ``parts`` joined by "+" and "@"; a chain binds tighter than a sum.

    Raises ``FormatError`` for a sum inside a chain, and for a chain of tensors that are no matrices.
    """
    from sparsec.formats.format import Format

    terms = list(_terms(parts[0]))
    for joint, before, part in zip(joints, parts, parts[1:], strict=False):
        if joint == "+":
            terms += _terms(part)
            continue
        if len(before.terms) > 1 or len(part.terms) > 1:
            raise FormatError(
                "a factor of a chain cannot be a sum of parts", hint="write the products out: a @ c + b @ c"
            )
        left, (right,) = terms.pop(), _terms(part)
        if part.ndim < 2:
            raise FormatError("a chain '@' multiplies matrices: tensors of order 2 and more")
        terms.append(Chain(left.factors + right.factors, (*left.inner, None, *right.inner)))
    dims = parts[0].dims
    return Format(
        dims, (), None, None, tuple(Chain(tuple(f.with_dims(dims) for f in t.factors), t.inner) for t in terms)
    )


def _terms(fmt: Format) -> tuple[Chain, ...]:
    return fmt.terms or (Chain((fmt,)),)


def check_shapes(format: Format, shape: tuple[int, ...], parts: Sequence[tuple[int, ...]], name: str) -> None:
    """Raise ``ShapeError`` naming the part of a composite tensor that does not go with its shape and the others."""
    at = 0
    for term in format.terms:
        chain = parts[at : at + len(term.factors)]
        batch, edge = (shape[:-2], shape[-2]) if term.inner else (shape[:-1], shape[-1])
        for n, found in enumerate(chain):
            last = n == len(chain) - 1
            inner = None if last else term.inner[n]
            after = shape[-1] if last else (inner if inner is not None else found[-1] if found else None)
            wanted = (*batch, edge, after) if term.inner else shape
            if found != wanted:
                raise ShapeError(
                    f"{name}: part {at + n} has shape {found}, expected {wanted} in '{format.label}' of shape {shape}"
                )
            edge = found[-1]
        at += len(chain)


__all__ = ["Chain", "check_shapes", "compose", "words"]
