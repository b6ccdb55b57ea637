"""Reductions, scans and sorting."""

from __future__ import annotations

import builtins
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.errors import ArgumentError, DTypeError, ShapeError
from kerasish.core.primitive import primitive


def _reduce(x: Any, axis: tuple[int, ...], keepdims: bool, dtype: str | None = None) -> AbstractTensor:
    return AbstractTensor(shapes.reduced(x.shape, axis, keepdims), dtype or x.dtype)


def _not_empty(x: Any, axis: tuple[int, ...], name: str) -> None:
    if builtins.any(shapes.is_known(x.shape[a]) and x.shape[a] == 0 for a in axis):
        raise ShapeError(f"{name} of nothing has no value.", received=shapes.show(x.shape))


@primitive
def sum(x: Any, /, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Σ over `axis`, in the input's dtype (a float16 or bfloat16 sum accumulates in float32). Nothing: 0."""
    return _reduce(x, axis, keepdims)


@primitive
def prod(x: Any, /, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Π over `axis`, in the input's dtype. Nothing: 1."""
    return _reduce(x, axis, keepdims)


@primitive
def max(x: Any, /, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Largest value over `axis`; NaN if there is one. The gradient is shared equally among ties."""
    _not_empty(x, axis, "max")
    return _reduce(x, axis, keepdims)


@primitive
def min(x: Any, /, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Smallest value over `axis`; NaN if there is one. The gradient is shared equally among ties."""
    _not_empty(x, axis, "min")
    return _reduce(x, axis, keepdims)


@primitive
def any(x: Any, /, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Whether any holds (bool input). Nothing: False."""
    return _reduce(x, axis, keepdims, "bool")


@primitive
def all(x: Any, /, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Whether all hold (bool input). Nothing: True."""
    return _reduce(x, axis, keepdims, "bool")


@primitive
def argmax(x: Any, /, *, axis: int, keepdims: bool) -> Any:
    """Index of the largest value, int32; the first of equals; the first NaN if there is one."""
    _not_empty(x, (axis,), "argmax")
    return _reduce(x, (axis,), keepdims, "int32")


@primitive
def argmin(x: Any, /, *, axis: int, keepdims: bool) -> Any:
    """Index of the smallest value, int32; the first of equals; the first NaN if there is one."""
    _not_empty(x, (axis,), "argmin")
    return _reduce(x, (axis,), keepdims, "int32")


@primitive
def cumsum(x: Any, /, *, axis: int) -> Any:
    """Running Σ along `axis`, in the input's dtype."""
    return AbstractTensor(x.shape, x.dtype)


@primitive
def cumprod(x: Any, /, *, axis: int) -> Any:
    """Running Π along `axis`, in the input's dtype."""
    return AbstractTensor(x.shape, x.dtype)


@primitive
def sort(x: Any, /, *, axis: int) -> Any:
    """Ascending along `axis`; NaN last."""
    return AbstractTensor(x.shape, x.dtype)


@primitive
def argsort(x: Any, /, *, axis: int) -> Any:
    """int32 indices that sort ascending along `axis`, stable; NaN last."""
    return AbstractTensor(x.shape, "int32")


@primitive
def top_k(x: Any, /, *, k: int) -> Any:
    """The k largest along the last axis, descending, and their int32 indices; NaN first; of equals the lower index."""
    if not x.shape or (shapes.is_known(x.shape[-1]) and not 0 <= k <= x.shape[-1]):
        raise ArgumentError("`k` exceeds the last axis.", expected=f"0 <= k <= {x.shape[-1:]}", received=k)
    if not (dtypes.is_float(x.dtype) or dtypes.is_integer(x.dtype)):
        raise DTypeError("top_k needs numbers.", received=x.dtype)
    shape = (*x.shape[:-1], k)
    return AbstractTensor(shape, x.dtype), AbstractTensor(shape, "int32")
