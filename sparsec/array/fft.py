"""The Fourier extension of the array API: of dense tensors, by NumPy.  A transform has no zeros to leave out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparsec.array.dtypes import namespace, on_cpu
from sparsec.array.operands import dense_result, is_sparse, operand
from sparsec.array.shapes import roll
from sparsec.errors import ShapeError, UnsupportedError


def _dense(name: str, x: Any, **options: Any) -> Any:
    """NumPy's transform; raises ``UnsupportedError`` for sparse tensors, ``ShapeError`` as NumPy does."""
    given = operand(x)
    if is_sparse(given):
        raise UnsupportedError(f"fft.{name} of a sparse Tensor", hint="A.numpy() gives a dense array")
    try:
        return dense_result(getattr(np.fft, name)(given, **options), True)
    except (ValueError, IndexError) as e:
        raise ShapeError(f"fft.{name}: {e}") from None


def _along_one(name: str) -> Callable[..., Any]:
    def transform(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
        return _dense(name, x, n=n, axis=axis, norm=norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"``np.fft.{name}`` along an axis."
    return transform


def _along_some(name: str) -> Callable[..., Any]:
    def transform(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Any:
        if s is not None and axes is None:  # the last dimensions, which NumPy wants named
            axes = tuple(range(-len(s), 0))
        return _dense(name, x, s=s, axes=axes, norm=norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"``np.fft.{name}`` along several axes."
    return transform


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of a transform's elements."""
    on_cpu(device)
    return dense_result(np.fft.fftfreq(n, d).astype(dtype or np.float64), True)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of a real transform's elements."""
    on_cpu(device)
    return dense_result(np.fft.rfftfreq(n, d).astype(dtype or np.float64), True)


def _shifted(x: Any, axes: Any, back: bool) -> Any:
    shape = x.shape
    places = range(len(shape)) if axes is None else axes if isinstance(axes, tuple | list) else (axes,)
    halves = [-(shape[d] // 2) if back else shape[d] // 2 for d in places]
    return roll(x, tuple(halves), tuple(places)) if halves else x


def fftshift(x: Any, /, *, axes: Any = None) -> Any:
    """The zero frequency moved to the middle; of any tensor."""
    return _shifted(x, axes, back=False)


def ifftshift(x: Any, /, *, axes: Any = None) -> Any:
    """The zero frequency moved to the beginning; of any tensor."""
    return _shifted(x, axes, back=True)


_ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
_SOME = ("fftn", "ifftn", "rfftn", "irfftn")
fft = namespace(
    "sparsec.array_api.fft",
    "Discrete Fourier transforms.",
    {
        **{name: _along_one(name) for name in _ONE},
        **{name: _along_some(name) for name in _SOME},
        **{f.__name__: f for f in (fftfreq, rfftfreq, fftshift, ifftshift)},
    },
)
