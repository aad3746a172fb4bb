"""What ``Tensor`` answers to Python's operators, NumPy's functions, brackets and methods.

The work is done by ``sparsec.array``, which stands above ``Tensor`` and is found by name when it is first asked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsec.errors import ShapeError, TypeError_, UnsupportedError


def _array(module: str) -> Any:
    return import_module(f"sparsec.array.{module}")


def _binary(ufunc: np.ufunc, reverse: bool = False) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if not _takes(other):
            return NotImplemented
        a, b = (other, self) if reverse else (self, other)
        return _as_torch(_array("pointwise").apply(ufunc, a, b), other)

    method.__doc__ = f"``np.{ufunc.__name__}``, {'from the right' if reverse else 'point by point'}."
    return method


def _as_torch(result: Any, other: Any) -> Any:
    """A dense result beside a torch tensor is one."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(result, np.ndarray) or not isinstance(other, torch.Tensor):
        return result
    return torch.from_numpy(result)


def _unary(ufunc: np.ufunc) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        return _array("pointwise").apply(ufunc, self)

    method.__doc__ = f"``np.{ufunc.__name__}`` of each element."
    return method


def _takes(other: Any) -> bool:
    """Whether ``other`` can stand beside a ``Tensor``; if not, Python asks it for its own operator."""
    if isinstance(other, bool | int | float | complex | np.ndarray | np.generic | Operators):
        return True
    if getattr(other, "__array_ufunc__", True) is None:
        return False
    try:
        _array("operands").operand(other)
    except TypeError_:
        return False
    return True


def _reduction(name: str) -> Callable[..., Any]:
    if name in ("sum", "prod"):

        def wide(
            self: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **other: Any
        ) -> Any:
            _no_out(out)
            _no_more(name, other)
            return _array("reductions").reduce(name, self, axis, dtype, keepdims)

        method: Callable[..., Any] = wide
    else:

        def narrow(self: Any, axis: Any = None, out: Any = None, keepdims: bool = False, **other: Any) -> Any:
            _no_out(out)
            _no_more(name, other)
            return _array("reductions").reduce(name, self, axis, None, keepdims)

        method = narrow
    method.__name__ = name
    method.__doc__ = f"The {name} along an axis, several (a tuple) or all (None)."
    return method


def _no_more(name: str, other: Mapping[str, Any]) -> None:
    """Refuse what NumPy's method of this name takes beyond ours."""
    if other:
        raise UnsupportedError(f"{min(other)}= of A.{name}", hint="A.numpy() gives a dense array, which may take it")


def _is_list(given: tuple[Any, ...]) -> bool:
    """Whether integers were given in one tuple, list or array (which has an ``__index__`` all the same)."""
    return len(given) == 1 and (isinstance(given[0], np.ndarray) or not hasattr(given[0], "__index__"))


def _no_order(name: str, order: Any) -> None:
    if order != "C":
        raise UnsupportedError(f"order={order!r} of A.{name}: elements are taken row by row", hint="A.T turns them")


def _no_out(out: Any) -> None:
    if out is not None:
        raise TypeError_("methods of Tensor take no out=", hint="leave it out: the result is new")


_ELSEWHERE = {
    "toarray": "numpy()", "todense": "numpy()", "to_dense": "numpy()", "A": "numpy()",
    "tocsr": "convert('csr')", "tocsc": "convert('csc')", "tocoo": "convert('coo')", "tobsr": "convert('bsr[2, 2]')",
    "todia": "convert('dia')", "asformat": "convert('csr')", "to_sparse_csr": "convert('csr')",
    "to_sparse_csc": "convert('csc')", "to_sparse_coo": "convert('coo')", "to_sparse": "convert('coo')",
    "data": "storage.values", "values": "storage.values", "coords": "coo()[0]", "row": "coo()[0][0]",
    "col": "coo()[0][1]", "getnnz": "nnz", "eliminate_zeros": "prune()", "count_nonzero": "prune().nnz",
    "H": "conj().T", "matmul": "dot(B)",
}  # fmt: skip
"""Attributes of sparse arrays elsewhere, and what does the same here."""
_ARRAYS = {"indices": "crd", "col_indices": "crd", "indptr": "pos", "crow_indices": "pos"}
"""Arrays of compressed formats elsewhere, and what they are called here, in the formats that have them."""


def _instead(t: Any, name: str) -> str | None:
    """What does here what the attribute ``name`` does elsewhere, of a tensor like ``t``."""
    if name not in _ARRAYS:
        return _ELSEWHERE.get(name)
    if t.ndim < 2:
        return "coo()[0]"
    array, levels = _ARRAYS[name], t.storage.levels
    found = f"levels[1]['{array}']"
    return found if len(levels) > 1 and array in levels[1] else f"convert('csr').{found}"


class _NotNumba(UnsupportedError, NotImplementedError):
    """A ``Tensor`` was handed to numba; a ``NotImplementedError``, as operators of others expect."""


class Operators:
    """Operators, methods and protocols of arrays."""

    __slots__ = ()

    __add__, __radd__ = _binary(np.add), _binary(np.add, True)
    __sub__, __rsub__ = _binary(np.subtract), _binary(np.subtract, True)
    __mul__, __rmul__ = _binary(np.multiply), _binary(np.multiply, True)
    __truediv__, __rtruediv__ = _binary(np.divide), _binary(np.divide, True)
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide), _binary(np.floor_divide, True)
    __mod__, __rmod__ = _binary(np.remainder), _binary(np.remainder, True)
    __divmod__, __rdivmod__ = _binary(np.divmod), _binary(np.divmod, True)
    __pow__, __rpow__ = _binary(np.power), _binary(np.power, True)
    __and__, __rand__ = _binary(np.bitwise_and), _binary(np.bitwise_and, True)
    __or__, __ror__ = _binary(np.bitwise_or), _binary(np.bitwise_or, True)
    __xor__, __rxor__ = _binary(np.bitwise_xor), _binary(np.bitwise_xor, True)
    __lshift__, __rlshift__ = _binary(np.left_shift), _binary(np.left_shift, True)
    __rshift__, __rrshift__ = _binary(np.right_shift), _binary(np.right_shift, True)
    __lt__, __le__, __gt__, __ge__ = map(_binary, (np.less, np.less_equal, np.greater, np.greater_equal))
    __eq__, __ne__ = _binary(np.equal), _binary(np.not_equal)
    __hash__ = object.__hash__
    __neg__, __pos__, __abs__, __invert__ = map(_unary, (np.negative, np.positive, np.absolute, np.invert))

    def __matmul__(self, other: Any) -> Any:
        """The matrix product."""
        if not _takes(other):
            return NotImplemented
        return _as_torch(_array("products").matmul(self, other), other)

    def __rmatmul__(self, other: Any) -> Any:
        """The matrix product, from the right."""
        if not _takes(other):
            return NotImplemented
        return _as_torch(_array("products").matmul(other, self), other)

    # brackets

    def __getitem__(self, key: Any) -> Any:
        return _array("indexing").take_index(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _array("indexing").put_index(self, key, value)

    def __iter__(self) -> Iterator[Any]:
        """The slices along the first dimension."""
        return iter(_array("joining").unstack(self))

    def __contains__(self, value: Any) -> bool:
        """Whether an element equals ``value``, as in NumPy."""
        return bool(_array("reductions").reduce("any", _array("pointwise").apply(np.equal, self, value)))

    # numbers

    def item(self) -> Any:
        """The element of a tensor that has one, as a Python number; raises ``ShapeError`` for others."""
        shape: tuple[int, ...] = self.shape  # type: ignore[attr-defined]
        if any(n != 1 for n in shape):
            raise ShapeError(f"a tensor of shape {shape} is no single number", hint="any(), all() and sum() reduce one")
        return self.numpy().item()  # type: ignore[attr-defined]

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        value = self.item() if not self.shape else None  # type: ignore[attr-defined]
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError("only an integer scalar is an index")  # Python's protocol wants its own
        return value

    def __format__(self, spec: str) -> str:
        """As the element is formatted, of a tensor that has one and no dimensions; else ``repr`` without a ``spec``."""
        if not spec:
            return repr(self)
        if self.shape:  # type: ignore[attr-defined]
            raise TypeError_(f"a tensor is not formatted by {spec!r}", hint="A.item() or A.numpy() can be")
        return format(self.item(), spec)

    if not TYPE_CHECKING:  # which would then believe in any name

        def __getattr__(self, name: str) -> Any:
            """Only for names that are not there: those of SciPy's and torch's sparse arrays are told in ours."""
            ours = _instead(self, name)
            hint = f": write A.{ours}" if ours else ""
            raise AttributeError(f"a Tensor has no attribute '{name}'{hint}", name=name, obj=self)

    # methods

    sum, prod, min, max, any, all = map(_reduction, ("sum", "prod", "min", "max", "any", "all"))

    def mean(self, axis: Any = None, dtype: Any = None, keepdims: bool = False, **other: Any) -> Any:
        """The mean along an axis, several or all."""
        _no_more("mean", other)
        return _array("reductions").mean(self, axis, dtype, keepdims)

    def var(self, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False, **other: Any) -> Any:
        """The variance along an axis, several or all; ``ddof`` is taken off the count."""
        _no_more("var", other)
        return _array("reductions").var(self, axis, dtype, ddof, keepdims)

    def std(self, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False, **other: Any) -> Any:
        """The square root of ``var``."""
        _no_more("std", other)
        return _array("reductions").std(self, axis, dtype, ddof, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """The place of the least element, the first of several."""
        return _array("searching").argmin(self, axis, keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """The place of the greatest element, the first of several."""
        return _array("searching").argmax(self, axis, keepdims)

    def nonzero(self) -> Any:
        """The coordinates of the elements that are not 0, an array for each dimension."""
        return _array("searching").nonzero(self)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """The elements in row-major order in another shape; one extent may be -1."""
        _no_order("reshape", order)
        given = shape[0] if _is_list(shape) else shape
        return _array("shapes").reshape(self, given, copy=copy)

    def flatten(self, order: str = "C") -> Any:
        """The elements in row-major order, a vector with memory of its own."""
        _no_order("flatten", order)
        return self.reshape(-1, copy=True)

    def transpose(self, *axes: Any) -> Any:
        """The dimensions in another order, reversed without one; over the same memory."""
        given = axes[0] if _is_list(axes) else axes or None
        return _array("shapes").permute_dims(self, given)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two dimensions swapped; over the same memory."""
        return _array("shapes").swapaxes(self, axis1, axis2)

    @property
    def T(self) -> Any:
        """The dimensions reversed; over the same memory."""
        return _array("shapes").permute_dims(self)

    @property
    def mT(self) -> Any:
        """The last two dimensions swapped; over the same memory."""
        return _array("shapes").matrix_transpose(self)

    @property
    def real(self) -> Any:
        """The real part."""
        return _array("elementwise").real(self)

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return _array("elementwise").imag(self)

    @property
    def size(self) -> int:
        """The number of elements, stored or not."""
        import math

        return math.prod(self.shape)  # type: ignore[attr-defined]

    @property
    def density(self) -> float:
        """Stored entries by elements."""
        return self.nnz / self.size if self.size else 0.0  # type: ignore[attr-defined]

    def squeeze(self, axis: Any = None) -> Any:
        """Without dimensions of extent 1."""
        return _array("shapes").squeeze(self, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The diagonal of two dimensions."""
        return _array("shapes").diagonal(self, offset, axis1, axis2)

    def dot(self, other: Any) -> Any:
        """``np.dot``."""
        return _array("products").dot(self, other)

    def conj(self) -> Any:
        """The complex conjugate."""
        return _array("pointwise").apply(np.conjugate, self)

    def round(self, decimals: int = 0) -> Any:
        """Rounded to so many decimals."""
        return _array("elementwise").around(self, decimals)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """Held between two bounds."""
        return _array("elementwise").clip(self, min, max)

    # protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return _array("dispatch").ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return _array("dispatch").function(function, args, options)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The functions of the array API standard: ``sparsec.array_api``."""
        namespace = import_module("sparsec.array_api")
        if api_version is not None and api_version not in namespace.VERSIONS:
            raise TypeError_(
                f"array API {api_version!r} is not there", hint="versions are " + ", ".join(namespace.VERSIONS)
            )
        return namespace

    def __dir__(self) -> list[str]:
        """All names but the one that raises."""
        return [name for name in super().__dir__() if name != "_numba_type_"]

    @property
    def _numba_type_(self) -> Any:
        """What numba asks for: a ``Tensor`` has no type there.  It raises, even in ``hasattr``.

        pydata/sparse hands both sides of ``S @ A`` to numba, and lets Python ask the other side where that is not
        implemented: ``A.__rmatmul__`` then computes it.
        """
        raise _NotNumba(
            "numba cannot compute with a Tensor",
            hint="A.numpy() gives a dense array; where pydata's S stands left write sp.tensor(S)",
        )

    @property
    def device(self) -> str:
        """Where the memory is: "cpu"."""
        return "cpu"

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The tensor itself: there is one device, "cpu"."""
        if device != "cpu" or stream is not None:
            raise TypeError_(f"there is no device {device!r}", hint='tensors live on "cpu"')
        return self


__all__ = ["Operators"]
