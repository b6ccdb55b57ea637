"""Sums, means, extremes and other reductions, their NaN-skipping forms, and running sums."""

from __future__ import annotations

import math as _math
from collections.abc import Callable
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import DTypeError, ShapeError
from kerasish.core.shapes import axis_index, axis_tuple
from kerasish.ops.fastpath import booleans, floats, numbers, operand, reduction
from kerasish.ops.shaping import flat

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "average",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "logsumexp",
    "max",
    "mean",
    "min",
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
]

Axis = tuple[int, ...]


def axes_of(x: Tensor, axis: Any) -> Axis:
    """`axis` of a reduction of x as a sorted tuple."""
    return axis_tuple(axis, len(shape_of(x)))


def _accumulating(x: Any, dtype: Any = None) -> Tensor:
    """x in the dtype its sum has: bools and narrow integers grow to 32 bits."""
    x = operand(x)
    name = dtype_of(x)
    wide = {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}.get(
        name, name
    )
    if dtype is not None:
        wide = dtypes.canonical(dtype)
    return x if wide == name else p.cast(x, dtype=wide)


def count_of(x: Tensor, axis: Axis) -> int:
    """Number of elements that are reduced to one."""
    sizes = shape_of(x)
    return shapes.size_of(sizes[a] for a in axis)


def something(x: Tensor, axis: Axis) -> None:
    """Raise unless there is something to choose from."""
    size = count_of(x, axis)
    if size == 0 and shapes.is_known(size):
        raise ShapeError("Nothing to choose from.", received=f"axis {axis} of {shapes.show(shape_of(x))}")


@reduction("sum")
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Σ x over `axis`. Bools and narrow integers add up in 32 bits. Nothing: 0.

    Example:
        >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0).tolist()
        [4.0, 6.0]
    """
    x = _accumulating(x)
    return p.sum(x, axis=axes_of(x, axis), keepdims=bool(keepdims))


@op
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """Π x over `axis`, in `dtype` if given. Nothing: 1.

    Example:
        >>> prod([1.0, 2.0, 3.0]).tolist()
        6.0
    """
    x = _accumulating(x, dtype)
    return p.prod(x, axis=axes_of(x, axis), keepdims=bool(keepdims))


def _wide(x: Tensor) -> Tensor:
    """Half precision as float32, where many numbers are added up."""
    return p.cast(x, dtype="float32") if dtype_of(x) in ("float16", "bfloat16") else x


def _as(x: Tensor, dtype: str) -> Tensor:
    return x if dtype_of(x) == dtype else p.cast(x, dtype=dtype)


@overridable
def _mean(x: Tensor, /, *, axis: Axis, keepdims: bool) -> Tensor:
    total = p.sum(_wide(x), axis=axis, keepdims=keepdims)
    return _as(p.divide(total, float(count_of(x, axis))), dtype_of(x))


@reduction("mean", overridden=True)
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Σ x / n over `axis`; NaN of nothing. Half precision adds up in float32.

    Example:
        >>> mean([1.0, 2.0, 6.0]).tolist()
        3.0
    """
    x = floats(x)
    return _mean(x, axis=axes_of(x, axis), keepdims=bool(keepdims))


@overridable
def _var(x: Tensor, /, *, axis: Axis, keepdims: bool) -> Tensor:
    wide = _wide(x)
    centred = p.subtract(wide, _mean(wide, axis=axis, keepdims=True))
    return _as(_mean(p.square(centred), axis=axis, keepdims=keepdims), dtype_of(x))


@op
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The variance Σ (x − mean)² / n over `axis`.

    Example:
        >>> var([1.0, 3.0]).tolist()
        1.0
    """
    x = floats(x)
    return _var(x, axis=axes_of(x, axis), keepdims=bool(keepdims))


@op
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The standard deviation √var over `axis`.

    Example:
        >>> std([1.0, 3.0]).tolist()
        1.0
    """
    x = floats(x)
    return p.sqrt(_var(x, axis=axes_of(x, axis), keepdims=bool(keepdims)))


@op
def average(x: Any, axis: Any = None, weights: Any = None) -> Tensor:
    """Σ w·x / Σ w over `axis`; the mean without `weights`.

    Args:
        x: Any tensor.
        axis: Axes to average over; all for None.
        weights: The shape of x, or a vector along the one `axis`.

    Raises:
        ShapeError: The weights fit neither way.

    Example:
        >>> average([1.0, 3.0], weights=[3.0, 1.0]).tolist()
        1.5
    """
    if weights is None:
        return mean(x, axis)
    x, w = promoted(x, weights, at_least="float")
    axes = axes_of(x, axis)
    if len(shape_of(w)) != len(shape_of(x)):
        if len(shape_of(w)) != 1 or len(axes) != 1:
            raise ShapeError(
                "The weights need the tensor's shape, or one axis.",
                received=shape_of(w),
                expected=shape_of(x),
            )
        length = shape_of(w)[0]
        w = p.reshape(w, shape=tuple(length if a == axes[0] else 1 for a in range(len(shape_of(x)))))
    w = p.broadcast_to(w, shape=shape_of(x))
    total = p.sum(w, axis=axes, keepdims=False)
    return p.divide(p.sum(p.multiply(x, w), axis=axes, keepdims=False), total)


def _extreme(x: Any, axis: Any, keepdims: bool, initial: Any, largest: bool) -> Tensor:
    x = operand(x)
    axes, bound = axes_of(x, axis), p.maximum if largest else p.minimum
    if dtype_of(x) == "bool":
        x = (p.any if largest else p.all)(x, axis=axes, keepdims=bool(keepdims))
        bound = p.logical_or if largest else p.logical_and
    elif initial is not None and count_of(x, axes) == 0:
        sizes = shapes.reduced(shape_of(x), axes, bool(keepdims))
        return p.broadcast_to(promoted(initial, x)[0], shape=sizes)
    else:
        something(x, axes)
        x = (p.max if largest else p.min)(x, axis=axes, keepdims=bool(keepdims))
    return x if initial is None else bound(*promoted(x, initial))


@op
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """The largest value over `axis`, at least `initial`; NaN if there is one.

    Raises:
        ShapeError: There is nothing to choose from, and no `initial`.

    Example:
        >>> max([[1.0, 4.0], [3.0, 2.0]], axis=1).tolist()
        [4.0, 3.0]
    """
    return _extreme(x, axis, keepdims, initial, True)


@op
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """The smallest value over `axis`, at most `initial`; NaN if there is one.

    Raises:
        ShapeError: There is nothing to choose from, and no `initial`.

    Example:
        >>> min([[1.0, 4.0], [3.0, 2.0]], axis=1).tolist()
        [1.0, 2.0]
    """
    return _extreme(x, axis, keepdims, initial, False)


@op
def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The largest value over `axis`; the same as `max`.

    Example:
        >>> amax([1.0, 4.0]).tolist()
        4.0
    """
    return _extreme(x, axis, keepdims, None, True)


@op
def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The smallest value over `axis`; the same as `min`.

    Example:
        >>> amin([1.0, 4.0]).tolist()
        1.0
    """
    return _extreme(x, axis, keepdims, None, False)


@op
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Peak to peak: max − min over `axis`.

    Example:
        >>> ptp([1.0, 4.0]).tolist()
        3.0
    """
    x = operand(x)
    if dtype_of(x) == "bool":
        raise DTypeError("Bools cannot be subtracted.", received="bool", hint="ops.cast(x, 'int32')")
    axes = axes_of(x, axis)
    something(x, axes)
    return p.subtract(
        p.max(x, axis=axes, keepdims=bool(keepdims)), p.min(x, axis=axes, keepdims=bool(keepdims))
    )


@op
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any x over `axis` differs from 0. Nothing: False.

    Example:
        >>> any([[True, False], [False, False]], axis=1).tolist()
        [True, False]
    """
    x = booleans(x)
    return p.any(x, axis=axes_of(x, axis), keepdims=bool(keepdims))


@op
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all x over `axis` differ from 0. Nothing: True.

    Example:
        >>> all([[True, False], [True, True]], axis=1).tolist()
        [False, True]
    """
    x = booleans(x)
    return p.all(x, axis=axes_of(x, axis), keepdims=bool(keepdims))


@op
def count_nonzero(x: Any, axis: Any = None) -> Tensor:
    """How many x over `axis` differ from 0, int32.

    Example:
        >>> count_nonzero([0, 3, 5]).tolist()
        2
    """
    x = p.cast(booleans(x), dtype="int32")
    return p.sum(x, axis=axes_of(x, axis), keepdims=False)


def _position(primitive: Callable[..., Tensor], x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    if dtype_of(x) == "bool":
        x = p.cast(x, dtype="int32")
    rank = len(shape_of(x))
    something(x, axes_of(x, axis))
    if axis is None:
        found = primitive(flat(x), axis=0, keepdims=False)
        return p.reshape(found, shape=(1,) * rank) if keepdims else found
    return primitive(x, axis=axis_index(axis, rank), keepdims=bool(keepdims))


@op
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The int32 index of the largest value along `axis` (in the flattened tensor for None): the first of equals.

    Example:
        >>> argmax([[1.0, 4.0], [3.0, 2.0]], axis=1).tolist()
        [1, 0]
    """
    return _position(p.argmax, operand(x), axis, keepdims)


@op
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The int32 index of the smallest value along `axis` (in the flattened tensor for None): the first of equals.

    Example:
        >>> argmin([[1.0, 4.0], [3.0, 2.0]], axis=1).tolist()
        [0, 1]
    """
    return _position(p.argmin, operand(x), axis, keepdims)


# -- running -------------------------------------------------------------------------------------------------


def _running(primitive: Callable[..., Tensor], x: Any, axis: Any, dtype: Any) -> Tensor:
    x = numbers(x) if dtype is None else _accumulating(x, dtype)
    if axis is None:
        return primitive(flat(x), axis=0)
    return primitive(x, axis=axis_index(axis, len(shape_of(x))))


@op
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """Running Σ along `axis` (of the flattened tensor for None).

    Example:
        >>> cumsum([1, 2, 3]).tolist()
        [1, 3, 6]
    """
    return _running(p.cumsum, x, axis, dtype)


@op
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """Running Π along `axis` (of the flattened tensor for None).

    Example:
        >>> cumprod([1, 2, 3]).tolist()
        [1, 2, 6]
    """
    return _running(p.cumprod, x, axis, dtype)


@overridable
def _logsumexp(x: Tensor, /, *, axis: Axis, keepdims: bool) -> Tensor:
    peak = p.stop_gradient(p.max(x, axis=axis, keepdims=True))
    peak = p.where(p.isfinite(peak), peak, 0.0)  # ±inf − ±inf would be NaN
    total = p.log(p.sum(p.exp(p.subtract(x, peak)), axis=axis, keepdims=keepdims))
    if not keepdims:
        peak = p.reshape(peak, shape=shapes.reduced(shape_of(x), axis, False))
    return p.add(total, peak)


@op
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """ln Σ e^x over `axis`, without overflow.

    Example:
        >>> logsumexp([1000.0]).tolist()
        1000.0
    """
    x = floats(x)
    return _logsumexp(x, axis=axes_of(x, axis), keepdims=bool(keepdims))


# -- without NaN ---------------------------------------------------------------------------------------------


def _missing(x: Tensor) -> Tensor | None:
    return p.isnan(x) if dtypes.is_float(dtype_of(x)) else None


def _without_nan(x: Any, value: float) -> tuple[Tensor, Tensor | None]:
    """x with `value` in place of NaN, and where they were."""
    x = operand(x)
    gone = _missing(x)
    return (x, None) if gone is None else (p.where(gone, value, x), gone)


@op
def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """`sum`, taking NaN as 0.

    Example:
        >>> nansum([1.0, float("nan")]).tolist()
        1.0
    """
    return sum(_without_nan(x, 0.0)[0], axis, keepdims)


@op
def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """`prod`, taking NaN as 1.

    Example:
        >>> nanprod([2.0, float("nan")]).tolist()
        2.0
    """
    return prod(_without_nan(x, 1.0)[0], axis, keepdims)


@op
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """`cumsum`, taking NaN as 0.

    Example:
        >>> nancumsum([1.0, float("nan"), 2.0]).tolist()
        [1.0, 1.0, 3.0]
    """
    return cumsum(_without_nan(x, 0.0)[0], axis, dtype)


@op
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """`cumprod`, taking NaN as 1.

    Example:
        >>> nancumprod([1.0, float("nan"), 2.0]).tolist()
        [1.0, 1.0, 2.0]
    """
    return cumprod(_without_nan(x, 1.0)[0], axis, dtype)


def _nan_extreme(x: Any, axis: Any, keepdims: bool, largest: bool) -> Tensor:
    x, gone = _without_nan(x, -_math.inf if largest else _math.inf)
    found = _extreme(x, axis, keepdims, None, largest)
    if gone is None:
        return found
    return p.where(p.all(gone, axis=axes_of(x, axis), keepdims=bool(keepdims)), _math.nan, found)


@op
def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """`max` without the NaN; NaN where there is nothing else.

    Example:
        >>> nanmax([1.0, float("nan")]).tolist()
        1.0
    """
    return _nan_extreme(x, axis, keepdims, True)


@op
def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """`min` without the NaN; NaN where there is nothing else.

    Example:
        >>> nanmin([1.0, float("nan")]).tolist()
        1.0
    """
    return _nan_extreme(x, axis, keepdims, False)


def _nan_position(
    primitive: Callable[..., Tensor], x: Any, axis: Any, keepdims: bool, value: float
) -> Tensor:
    x, gone = _without_nan(x, value)
    found = _position(primitive, x, axis, keepdims)
    if gone is None:
        return found
    return p.where(p.all(gone, axis=axes_of(x, axis), keepdims=bool(keepdims)), -1, found)


@op
def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """`argmax` without the NaN; −1 where there is nothing else.

    Example:
        >>> nanargmax([float("nan"), 1.0]).tolist()
        1
    """
    return _nan_position(p.argmax, x, axis, keepdims, -_math.inf)


@op
def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """`argmin` without the NaN; −1 where there is nothing else.

    Example:
        >>> nanargmin([float("nan"), 1.0]).tolist()
        1
    """
    return _nan_position(p.argmin, x, axis, keepdims, _math.inf)


def _nan_mean(x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    gone = p.isnan(x)
    wide = _wide(p.where(gone, 0.0, x))
    count = p.sum(p.cast(p.logical_not(gone), dtype=dtype_of(wide)), axis=axis, keepdims=keepdims)
    return _as(p.divide(p.sum(wide, axis=axis, keepdims=keepdims), count), dtype_of(x))


@op
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """`mean` without the NaN; NaN where there is nothing else.

    Example:
        >>> nanmean([1.0, float("nan"), 3.0]).tolist()
        2.0
    """
    x = floats(x)
    return _nan_mean(x, axes_of(x, axis), bool(keepdims))


@op
def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """`var` without the NaN; NaN where there is nothing else.

    Example:
        >>> nanvar([1.0, float("nan"), 3.0]).tolist()
        1.0
    """
    x = floats(x)
    axes = axes_of(x, axis)
    wide = _wide(x)
    centred = p.subtract(wide, _nan_mean(wide, axes, True))
    return _as(_nan_mean(p.square(centred), axes, bool(keepdims)), dtype_of(x))


@op
def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """`std` without the NaN; NaN where there is nothing else.

    Example:
        >>> nanstd([1.0, float("nan"), 3.0]).tolist()
        1.0
    """
    return p.sqrt(nanvar(x, axis, keepdims))
