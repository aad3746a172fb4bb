"""The operators of ``Tensor``, by name: each builds and runs a kernel in a later version, none makes a tensor dense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from sparsec.errors import UnsupportedError


def _later(shown: str, instead: str | None = None) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **options: Any) -> NoReturn:
        raise UnsupportedError(
            f"operators of Tensor cannot run yet: {shown}",
            hint=instead or 'write sp.evaluate("C[i, j] = ...", A=A, B=B)',
        )

    method.__doc__ = f"``{shown}``: comes in a later version."
    return method


class Operators:
    """What ``Tensor`` answers to Python's operators, NumPy's functions and indexing: what cannot run yet."""

    __slots__ = ()

    __add__, __radd__ = _later("A + B"), _later("B + A")
    __sub__, __rsub__ = _later("A - B"), _later("B - A")
    __mul__, __rmul__ = _later("A * B"), _later("B * A")
    __truediv__, __rtruediv__ = _later("A / B"), _later("B / A")
    __floordiv__, __rfloordiv__ = _later("A // B"), _later("B // A")
    __mod__, __rmod__ = _later("A % B"), _later("B % A")
    __pow__, __rpow__ = _later("A ** B"), _later("B ** A")
    __and__, __rand__ = _later("A & B"), _later("B & A")
    __or__, __ror__ = _later("A | B"), _later("B | A")
    __xor__, __rxor__ = _later("A ^ B"), _later("B ^ A")
    __matmul__ = _later("A @ B", 'write sp.evaluate("y[i] = A[i, j] * x[j]", A=A, x=x)')
    __rmatmul__ = _later("B @ A", 'write sp.evaluate("y[j] = x[i] * A[i, j]", A=A, x=x)')
    __neg__, __pos__, __abs__, __invert__ = _later("-A"), _later("+A"), _later("abs(A)"), _later("~A")
    __lt__, __le__, __gt__, __ge__ = _later("A < B"), _later("A <= B"), _later("A > B"), _later("A >= B")
    __eq__ = _later("A == B", "A is B compares objects; A.numpy() and A.coo() give arrays")
    __ne__ = _later("A != B", "A is not B compares objects; A.numpy() and A.coo() give arrays")
    __hash__ = object.__hash__
    __bool__ = _later("bool(A)", "A.nnz is the number of stored entries")
    __getitem__ = _later("A[...]", "A.coo() gives the entries, A.numpy() a dense array")
    __setitem__ = _later("A[...] = x", "sp.from_coo builds a tensor from entries")
    __iter__ = _later("iter(A)", "A.coo() gives the entries")

    sum, prod, min, max = _later("A.sum()"), _later("A.prod()"), _later("A.min()"), _later("A.max()")
    mean, any, all = _later("A.mean()"), _later("A.any()"), _later("A.all()")

    @property
    def T(self) -> Any:
        """``A.T``: comes in a later version."""
        raise UnsupportedError(
            "operators of Tensor cannot run yet: A.T",
            hint="a transpose is writing the indices in another order: A[j, i]",
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> NoReturn:
        raise UnsupportedError(
            f"operators of Tensor cannot run yet: np.{ufunc.__name__}", hint="A.numpy() gives a dense array"
        )

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> NoReturn:
        raise UnsupportedError(
            f"operators of Tensor cannot run yet: np.{function.__name__}", hint="A.numpy() gives a dense array"
        )

    def __array_namespace__(self, *, api_version: str | None = None) -> NoReturn:
        """The array API's functions: come in a later version."""
        raise UnsupportedError("operators of Tensor cannot run yet: the array API")


__all__ = ["Operators"]
