"""Quantiles, percentiles and medians, with NaN or without."""

from __future__ import annotations

import math as _math
from collections.abc import Callable
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.ops.fastpath import floats
from kerasish.ops.reductions import Axis, axes_of, count_of, something
from kerasish.ops.shaping import flat

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def _last(x: Tensor, axes: Axis) -> Tensor:
    """x with the reduced axes merged into one, the last."""
    sizes = shape_of(x)
    kept = tuple(a for a in range(len(sizes)) if a not in axes)
    moved = p.transpose(x, axes=(*kept, *axes))
    return p.reshape(moved, shape=(*(sizes[a] for a in kept), count_of(x, axes)))


def _between(at: Callable[[Tensor], Tensor], position: Tensor, method: str) -> Tensor:
    """The value at a fractional position, read at its whole neighbours."""
    low, high = p.floor(position), p.ceil(position)
    if method == "nearest":
        return at(p.round(position))
    if method == "lower":
        return at(low)
    if method == "higher":
        return at(high)
    below, above = at(low), at(high)
    part = p.subtract(position, low)
    if method == "midpoint":
        part = p.where(p.equal(low, high), 0.0, p.add(p.multiply(part, 0.0), 0.5))
    part = p.cast(part, dtype=dtype_of(below))
    blend = p.add(below, p.multiply(part, p.subtract(above, below)))
    return p.where(p.equal(below, above), below, blend)  # inf − inf would be NaN


def _quantile(x: Any, q: Any, axis: Any, method: str, keepdims: bool, skip_nan: bool) -> Tensor:
    if method not in _METHODS:
        raise ArgumentError("Unknown `method`.", expected=f"one of {_METHODS}", received=method)
    x = floats(x)
    axes, sizes = axes_of(x, axis), shape_of(x)
    q = p.cast(floats(promoted(q, x)[0] if dtypes.weak_name(q) is None else q), dtype="float32")
    if len(shape_of(q)) > 1:
        raise ShapeError("`q` must be a number or a vector.", received=shape_of(q))
    points = flat(q)
    something(x, axes)
    rows = p.sort(_last(x, axes), axis=len(sizes) - len(axes))
    found = (_nan_points if skip_nan else _points)(rows, points, method)
    rank = len(shape_of(found))
    found = p.transpose(found, axes=(rank - 1, *range(rank - 1)))
    kept = shapes.reduced(sizes, axes, bool(keepdims))
    return p.reshape(found, shape=(*shape_of(q), *kept))


def _points(rows: Tensor, points: Tensor, method: str) -> Tensor:
    place = len(shape_of(rows)) - 1
    count = shape_of(rows)[place]
    position = p.multiply(points, float(count - 1))

    def at(index: Tensor) -> Tensor:
        inside = p.minimum(p.maximum(p.cast(index, dtype="int32"), 0), count - 1)
        return p.take(rows, inside, axis=place)

    found = _between(at, position, method)
    sizes = shape_of(rows)
    last = p.slice(
        rows, start=(0,) * place + (count - 1,), stop=sizes, step=(1,) * (place + 1)
    )  # NaN is sorted there
    return p.where(p.isnan(last), _math.nan, found)


def _nan_points(rows: Tensor, points: Tensor, method: str) -> Tensor:
    place = len(shape_of(rows)) - 1
    there = p.cast(p.logical_not(p.isnan(rows)), dtype="float32")
    count = p.sum(there, axis=(place,), keepdims=True)
    top = p.maximum(p.subtract(count, 1.0), 0.0)
    position = p.multiply(points, top)

    def at(index: Tensor) -> Tensor:
        inside = p.minimum(p.maximum(index, 0.0), top)
        return p.take_along_axis(rows, p.cast(inside, dtype="int32"), axis=place)

    return _between(at, position, method)  # all NaN: position 0, which holds NaN


@op
def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The values below which a share q (0 to 1) of x over `axis` lies; NaN if there is one.

    Args:
        x: Any tensor.
        q: A number or a vector; its axis comes first in the result.
        axis: The axes; all for None.
        method: Between two values: "linear", "lower", "higher", "midpoint" or "nearest".
        keepdims: Keep the reduced axes with size 1.

    Example:
        >>> quantile([1.0, 2.0, 3.0], 0.25).tolist()
        1.5
    """
    return _quantile(x, q, axis, method, keepdims, False)


@op
def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """`quantile` without the NaN; NaN where there is nothing else.

    Example:
        >>> nanquantile([1.0, float("nan"), 3.0], 0.5).tolist()
        2.0
    """
    return _quantile(x, q, axis, method, keepdims, True)


def _share(q: Any) -> Any:
    return q / 100 if isinstance(q, (int, float)) else p.divide(floats(q), 100.0)


@op
def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """`quantile` with q from 0 to 100.

    Example:
        >>> percentile([1.0, 2.0, 3.0], 25).tolist()
        1.5
    """
    return _quantile(x, _share(q), axis, method, keepdims, False)


@op
def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """`percentile` without the NaN; NaN where there is nothing else.

    Example:
        >>> nanpercentile([1.0, float("nan"), 3.0], 50).tolist()
        2.0
    """
    return _quantile(x, _share(q), axis, method, keepdims, True)


@op
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The middle value over `axis`, the mean of the two middle ones for an even count; NaN if there is one.

    Example:
        >>> median([5.0, 1.0, 3.0]).tolist()
        3.0
    """
    return _quantile(x, 0.5, axis, "linear", keepdims, False)


@op
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """`median` without the NaN; NaN where there is nothing else.

    Example:
        >>> nanmedian([5.0, float("nan"), 3.0]).tolist()
        4.0
    """
    return _quantile(x, 0.5, axis, "linear", keepdims, True)
