"""Reductions, running sums and sorting in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasish_native.reference.elementwise import Kernel, is_half

Array = npt.NDArray[Any]
Axes = tuple[int, ...]

_SUM: Kernel = np.add.reduce  # np.sum and np.prod, less their Python
_PRODUCT: Kernel = np.multiply.reduce
_GEMV_ROWS = 64  # from here on a product with ones is faster, and rounds less, than NumPy's row-by-row sum


def _sum_leading(x: Array, axis: Axes, keepdims: bool) -> Array | None:
    """Σ over leading axes of a packed float matrix as one BLAS product, where that pays."""
    k = len(axis)
    if not (0 < k < x.ndim and 0 in axis and axis == tuple(range(k))):
        return None
    if x.dtype.char not in "fd" or not x.flags.c_contiguous:
        return None
    rows = math.prod(x.shape[:k])
    if rows < _GEMV_ROWS:
        return None
    total = np.ones(rows, x.dtype) @ x.reshape(rows, -1)
    return total.reshape(((1,) * k if keepdims else ()) + x.shape[k:])


def sum(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Σ."""
    fast = _sum_leading(x, axis, keepdims)
    if fast is not None and np.isfinite(fast).all():  # inf · 1 + NaN rules of BLAS kernels are not promised
        return fast
    if is_half(x):
        return np.asarray(np.sum(x.astype(np.float32), axis=axis, keepdims=keepdims)).astype(x.dtype)
    return np.asarray(_SUM(x, axis=axis, dtype=x.dtype, keepdims=keepdims))


def prod(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Π."""
    if is_half(x):
        return np.asarray(np.prod(x.astype(np.float32), axis=axis, keepdims=keepdims)).astype(x.dtype)
    return np.asarray(_PRODUCT(x, axis=axis, dtype=x.dtype, keepdims=keepdims))


def _through_float32(function: Kernel) -> Kernel:
    """Comparisons of 16 bit floats are the same in float32, where NumPy's NaN rules are certain."""

    def kernel(x: Array, **keywords: Any) -> Array:
        y = np.asarray(function(x.astype(np.float32) if is_half(x) else x, **keywords))
        return y.astype(x.dtype) if y.dtype != x.dtype else y

    return kernel


def _position(function: Kernel) -> Kernel:
    def kernel(x: Array, *, axis: int, keepdims: bool) -> Array:
        wide = x.astype(np.float32) if is_half(x) else x
        return np.asarray(function(wide, axis=axis, keepdims=keepdims)).astype(np.int32)

    return kernel


def _running(function: Kernel) -> Kernel:
    def kernel(x: Array, *, axis: int) -> Array:
        if is_half(x):
            return np.asarray(function(x.astype(np.float32), axis=axis).astype(x.dtype))
        return np.asarray(function(x, axis=axis, dtype=x.dtype))

    return kernel


def argsort(x: Array, *, axis: int) -> Array:
    """Stable order, NaN last."""
    wide = x.astype(np.float32) if is_half(x) else x
    return np.argsort(wide, axis=axis, kind="stable").astype(np.int32)


def top_k(x: Array, *, k: int) -> tuple[Array, Array]:
    """The k largest, descending. A stable ascending sort of the reversed row, reversed, puts the lower index first."""
    last = x.shape[-1] - 1
    order = last - argsort(x[..., ::-1], axis=x.ndim - 1)[..., ::-1][..., :k]
    return np.take_along_axis(x, order, axis=-1), order.astype(np.int32)


KERNELS: dict[str, Kernel] = {
    "sum": sum,
    "prod": prod,
    "max": _through_float32(np.max),
    "min": _through_float32(np.min),
    "any": lambda x, *, axis, keepdims: np.asarray(np.any(x, axis=axis, keepdims=keepdims)),
    "all": lambda x, *, axis, keepdims: np.asarray(np.all(x, axis=axis, keepdims=keepdims)),
    "argmax": _position(np.argmax),
    "argmin": _position(np.argmin),
    "cumsum": _running(np.cumsum),
    "cumprod": _running(np.cumprod),
    "sort": _through_float32(np.sort),
    "argsort": argsort,
    "top_k": top_k,
}
