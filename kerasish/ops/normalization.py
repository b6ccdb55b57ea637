"""Normalisation by statistics of the data: moments, batch, layer and RMS normalisation, division by a norm.

16-bit floats are normalised in float32 and rounded once at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.config import epsilon as default_epsilon
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of, tensors
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.ops.fastpath import floats

__all__ = [
    "batch_normalization",
    "batch_normalization_train",
    "layer_normalization",
    "moments",
    "normalize",
    "rms_normalization",
]


def _wide(x: Tensor) -> Tensor:
    """16-bit floats as float32."""
    return p.cast(x, dtype="float32") if dtypes.bits(dtype_of(x)) == 16 else x


def _narrow(x: Tensor, dtype: str) -> Tensor:
    return x if dtype_of(x) == dtype else p.cast(x, dtype=dtype)


def _mean(x: Tensor, axis: tuple[int, ...]) -> Tensor:
    shape = shape_of(x)
    count = shapes.size_of(shape[a] for a in axis)
    total = p.sum(x, axis=axis, keepdims=True)
    return p.divide(total, float(count)) if count else p.multiply(total, math.nan)


def _spread(parameter: Tensor, rank: int, axis: tuple[int, ...]) -> Tensor:
    """A parameter over `axis` alone, reshaped so that it broadcasts against `rank` axes."""
    shape = shape_of(parameter)
    if len(shape) == rank or axis == tuple(range(rank - len(axis), rank)):
        return parameter
    sizes = iter(shape)
    return p.reshape(parameter, shape=tuple(next(sizes) if i in axis else 1 for i in range(rank)))


# -- moments ---------------------------------------------------------------------------------------------------------


@overridable
def _moments(x: Tensor, /, *, axis: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """(mean, mean of squared deviations) over `axis`, axes kept; override name "moments". At least float32."""
    mean = _mean(x, axis)
    return mean, _mean(p.square(p.subtract(x, mean)), axis)


@op
def moments(
    x: Any, axes: int | Sequence[int] | None, keepdims: bool = False, synchronized: bool = False
) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance over `axes`, in two passes. 16-bit floats are summed in float32.

    Args:
        x: A tensor.
        axes: The axes to reduce; None for all.
        keepdims: Keep reduced axes with size 1.
        synchronized: Accepted for Keras' sake; there is one replica.

    Example:
        >>> mean, variance = moments([1.0, 3.0], axes=0)
        >>> float(mean), float(variance)
        (2.0, 1.0)
    """
    x = floats(x)
    dtype = dtype_of(x)
    shape = shape_of(x)
    axis = shapes.axis_tuple(tuple(axes) if isinstance(axes, Sequence) else axes, len(shape), name="axes")
    results = _moments(_wide(x), axis=axis)
    if not keepdims:
        left = shapes.reduced(shape, axis, keepdims=False)
        results = [p.reshape(r, shape=left) for r in results]  # type: ignore[assignment]
    mean, variance = (_narrow(r, dtype) for r in results)
    return mean, variance


# -- batch -----------------------------------------------------------------------------------------------------------


@overridable
def _batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    scale: Tensor | None,
    offset: Tensor | None,
    /,
    *,
    axis: int,
    epsilon: float,
) -> Tensor:
    """(x − mean)·scale/√(variance + epsilon) + offset; override name "batch_norm".

    mean, variance, scale, offset: (C,), C the size of `axis`; scale and offset may be None. All of one dtype.
    """
    rank = len(shape_of(x))
    factor = p.rsqrt(p.add(variance, epsilon))
    if scale is not None:
        factor = p.multiply(factor, scale)
    y = p.multiply(p.subtract(x, _spread(mean, rank, (axis,))), _spread(factor, rank, (axis,)))
    return y if offset is None else p.add(y, _spread(offset, rank, (axis,)))


@overridable
def _batch_norm_train(
    x: Tensor, scale: Tensor | None, offset: Tensor | None, /, *, axis: int, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(y, mean, variance): `_batch_norm` by x's own statistics over all axes but `axis`; name "batch_norm_train".

    The variance is the biased one, mean and variance have shape (C,). All of one dtype, at least float32. The
    statistics are reported, not differentiated: gradients go through y alone.
    """
    shape = shape_of(x)
    others = tuple(i for i in range(len(shape)) if i != axis)
    mean, variance = (p.reshape(m, shape=(shape[axis],)) for m in _moments(x, axis=others))
    y = _batch_norm(x, mean, variance, scale, offset, axis=axis, epsilon=epsilon)
    return y, p.stop_gradient(mean), p.stop_gradient(variance)


@op
def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Tensor:
    """(x − mean)·scale/√(variance + epsilon) + offset (Ioffe and Szegedy 2015).

    Args:
        x: A tensor.
        mean: Means, one for each index of `axis`: shape (C,).
        variance: Variances, shape (C,).
        axis: The axis that is not averaged over, usually the channels.
        offset: Added at the end, shape (C,); None adds nothing.
        scale: Multiplied, shape (C,); None stands for ones.
        epsilon: Added to the variance.

    Shape: any -> same. The dtype is the promotion of all tensors.

    Raises:
        ShapeError: A parameter's shape is not (C,).

    Example:
        >>> batch_normalization([[1.0], [3.0]], mean=[2.0], variance=[1.0], axis=-1, epsilon=0.0).tolist()
        [[-1.0], [1.0]]
    """
    given = [v for v in (scale, offset) if v is not None]
    x, mean, variance, *given = promoted(x, mean, variance, *given, at_least="float")
    parameters = iter(given)
    scale = None if scale is None else next(parameters)
    offset = None if offset is None else next(parameters)
    axis = shapes.axis_index(axis, len(shape_of(x)))
    _check_parameters(x, axis, mean=mean, variance=variance, scale=scale, offset=offset)
    dtype = dtype_of(x)
    wide = [v if v is None else _wide(v) for v in (x, mean, variance, scale, offset)]
    return _narrow(_batch_norm(*wide, axis=axis, epsilon=float(epsilon)), dtype)


@op
def batch_normalization_train(
    x: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> tuple[Tensor, Tensor, Tensor]:
    """`batch_normalization` by the statistics of `x` itself; gives (y, mean, variance).

    Engines run it as one fused kernel. Keras has no function for it.

    Args:
        x: A tensor.
        axis: The axis that is not averaged over, usually the channels.
        offset: Added at the end, shape (C,); None adds nothing.
        scale: Multiplied, shape (C,); None stands for ones.
        epsilon: Added to the variance.

    Shape: any -> same, (C,), (C,). The statistics of 16-bit floats are float32; the variance is the biased one.

    Example:
        >>> y, mean, variance = batch_normalization_train([[1.0], [3.0]], axis=-1, epsilon=0.0)
        >>> y.tolist(), mean.tolist(), variance.tolist()
        ([[-1.0], [1.0]], [2.0], [1.0])
    """
    given = [v for v in (scale, offset) if v is not None]
    x, *given = promoted(x, *given, at_least="float")
    parameters = iter(given)
    scale = None if scale is None else next(parameters)
    offset = None if offset is None else next(parameters)
    axis = shapes.axis_index(axis, len(shape_of(x)))
    _check_parameters(x, axis, scale=scale, offset=offset)
    wide = [v if v is None else _wide(v) for v in (x, scale, offset)]
    y, mean, variance = _batch_norm_train(*wide, axis=axis, epsilon=float(epsilon))
    return _narrow(y, dtype_of(x)), mean, variance


def _check_parameters(x: Tensor, axis: int, **parameters: Tensor | None) -> None:
    size = shape_of(x)[axis]
    for name, parameter in parameters.items():
        if parameter is None:
            continue
        shape = shape_of(parameter)
        if len(shape) != 1 or not shapes.compatible(shape[0], size):
            raise ShapeError(
                f"`{name}` does not fit axis {axis} of the input.",
                expected=f"shape {shapes.show((size,))} for input {shapes.show(shape_of(x))}",
                received=shapes.show(shape),
                hint="choose the `axis` of the channels, or squeeze the parameter",
            )


# -- layer and RMS ---------------------------------------------------------------------------------------------------


@overridable
def _layer_norm(
    x: Tensor, scale: Tensor | None, offset: Tensor | None, /, *, axis: tuple[int, ...], epsilon: float
) -> Tensor:
    """(x − mean)/√(variance + epsilon)·scale + offset, statistics over `axis`; override name "layer_norm".

    scale and offset have the sizes of `axis` (or broadcast against x), or are None. At least float32.
    """
    rank = len(shape_of(x))
    mean = _mean(x, axis)
    centred = p.subtract(x, mean)
    variance = _mean(p.square(centred), axis)
    y = p.multiply(centred, p.rsqrt(p.add(variance, epsilon)))
    if scale is not None:
        y = p.multiply(y, _spread(scale, rank, axis))
    return y if offset is None else p.add(y, _spread(offset, rank, axis))


@op
def layer_normalization(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    axis: int | Sequence[int] = -1,
    epsilon: float | None = None,
    **kwargs: Any,
) -> Tensor:
    """(x − mean)/√(variance + epsilon)·gamma + beta, statistics over `axis` (Ba, Kiros and Hinton 2016).

    Args:
        x: A tensor.
        gamma: Scale with the sizes of `axis`, or None.
        beta: Offset with the sizes of `axis`, or None.
        axis: The axes to average over.
        epsilon: Added to the variance; default `epsilon()`.
        **kwargs: None is known; `rms_scaling` of old Keras versions is `rms_normalization`.

    Shape: any -> same, in x's dtype.

    Raises:
        ArgumentError: An unknown keyword.

    Example:
        >>> [round(v, 3) for v in layer_normalization([1.0, 3.0]).tolist()]
        [-1.0, 1.0]
    """
    if kwargs:
        raise ArgumentError(
            f"Unknown keyword {next(iter(kwargs))!r}.", hint="for RMS scaling use ops.rms_normalization"
        )
    x = floats(x)
    dtype = dtype_of(x)
    wide = _wide(x)
    scale, offset = (_parameter(v, wide) for v in (gamma, beta))
    axes = _axes(axis, len(shape_of(x)))
    eps = default_epsilon() if epsilon is None else float(epsilon)
    return _narrow(_layer_norm(wide, scale, offset, axis=axes, epsilon=eps), dtype)


@overridable
def _rms_norm(x: Tensor, scale: Tensor | None, /, *, axis: tuple[int, ...], epsilon: float) -> Tensor:
    """x/√(mean of x² + epsilon)·scale over `axis`; override name "rms_norm". Scale as in `_layer_norm`."""
    y = p.multiply(x, p.rsqrt(p.add(_mean(p.square(x), axis), epsilon)))
    return y if scale is None else p.multiply(y, _spread(scale, len(shape_of(x)), axis))


@op
def rms_normalization(
    x: Any, scale: Any = None, axis: int | Sequence[int] = -1, epsilon: float | None = None
) -> Tensor:
    """x / √(mean of x² over `axis` + epsilon) · scale (Zhang and Sennrich 2019).

    Args:
        x: A tensor.
        scale: Factors with the sizes of `axis`, or None.
        axis: The axes to average over.
        epsilon: Added to the mean square; default `epsilon()`.

    Shape: any -> same, in x's dtype.

    Example:
        >>> [round(v, 3) for v in rms_normalization([3.0, -3.0]).tolist()]
        [1.0, -1.0]
    """
    x = floats(x)
    wide = _wide(x)
    eps = default_epsilon() if epsilon is None else float(epsilon)
    y = _rms_norm(wide, _parameter(scale, wide), axis=_axes(axis, len(shape_of(x))), epsilon=eps)
    return _narrow(y, dtype_of(x))


def _axes(axis: int | Sequence[int], rank: int) -> tuple[int, ...]:
    return shapes.axis_tuple(tuple(axis) if isinstance(axis, Sequence) else axis, rank)


def _parameter(value: Any, beside: Tensor) -> Tensor | None:
    """A parameter on the engine and in the dtype of `beside`."""
    if value is None:
        return None
    value = tensors(beside, value)[1]
    return _narrow(value, dtype_of(beside))


# -- norms -----------------------------------------------------------------------------------------------------------


@op
def normalize(x: Any, axis: int | Sequence[int] = -1, order: int = 2, epsilon: float | None = None) -> Tensor:
    """x / max((Σ |x|^order)^(1/order), epsilon), the sum over `axis`.

    Args:
        x: A tensor.
        axis: The axes of one norm.
        order: An integer from 1 up.
        epsilon: Smallest divisor; default `epsilon()`.

    Shape: any -> same.

    Raises:
        ArgumentError: `order` is not an integer >= 1.

    Example:
        >>> [round(v, 3) for v in normalize([3.0, 4.0]).tolist()]
        [0.6, 0.8]
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ArgumentError("`order` must be an integer >= 1.", received=order)
    x = floats(x)
    dtype = dtype_of(x)
    wide = _wide(x)
    eps = default_epsilon() if epsilon is None else float(epsilon)
    axes = _axes(axis, len(shape_of(x)))
    if order == 2:
        # Clamped before the root, whose derivative at 0 is infinite.
        total = p.sum(p.square(wide), axis=axes, keepdims=True)
        return _narrow(p.multiply(wide, p.rsqrt(p.maximum(total, eps * eps))), dtype)
    size = p.abs(wide)
    if order == 1:
        return _narrow(p.divide(wide, p.maximum(p.sum(size, axis=axes, keepdims=True), eps)), dtype)
    total = p.sum(p.power(size, float(order)), axis=axes, keepdims=True)
    norm = p.power(p.maximum(total, eps**order), 1.0 / order)
    return _narrow(p.divide(wide, norm), dtype)
