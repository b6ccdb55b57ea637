"""Pooling: windows of fixed size, and adaptive pooling to a fixed output size."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, is_abstract, shape_of
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.ops.conv import (
    Sizes,
    _window_fits,
    explicit_pads,
    float_input,
    from_channels_last,
    sizes_of,
    to_channels_last,
)
from kerasish.ops.fastpath import constant, filled, numbers

__all__ = ["adaptive_average_pool", "adaptive_max_pool", "average_pool", "max_pool"]


def _prepared(inputs: Any, data_format: str | None) -> tuple[Tensor, str]:
    layout = standardize_data_format(data_format)
    x = numbers(inputs)
    if len(shape_of(x)) < 3:
        raise ShapeError(
            "Pooling needs a batch, spatial axes and channels.",
            expected="at least 3 axes",
            received=shapes.show(shape_of(x)),
            hint="add the missing axis with ops.expand_dims",
        )
    return to_channels_last(x, layout), layout


def _window(x: Tensor, pool_size: Sizes, strides: Sizes | None, padding: str) -> dict[str, tuple[Any, ...]]:
    spatial = shape_of(x)[1:-1]
    window = sizes_of(pool_size, len(spatial), "pool_size")
    steps = window if strides is None else sizes_of(strides, len(spatial), "strides")
    ones = (1,) * len(spatial)
    pads = explicit_pads(padding, spatial, window, steps, ones)
    _window_fits(spatial, window, pads, ones)
    return {"window": window, "strides": steps, "pads": pads}


@op
def max_pool(
    inputs: Any,
    pool_size: Sizes,
    strides: Sizes | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """The largest value in each window. Padding never wins; NaN does.

    Args:
        inputs: Shape (N, *S, C), or (N, C, *S) for "channels_first".
        pool_size: Size of the window, an integer or one for each spatial axis.
        strides: Steps of the window; default `pool_size`.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, *S, C) -> (N, *T, C), T = ceil(S / stride) for "same", floor((S − pool_size) / stride) + 1 for "valid".

    Raises:
        ShapeError: Fewer than 3 axes, or a window larger than the input.

    Example:
        >>> max_pool([[[1.0], [3.0], [2.0], [0.0]]], 2).tolist()
        [[[3.0], [2.0]]]
    """
    x, layout = _prepared(inputs, data_format)
    return from_channels_last(p.max_pool(x, **_window(x, pool_size, strides, padding)), layout)


@op
def average_pool(
    inputs: Any,
    pool_size: Sizes,
    strides: Sizes | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """The mean of each window's elements; padding does not count.

    Args:
        inputs: Shape (N, *S, C), or (N, C, *S) for "channels_first". Integers become floats.
        pool_size: Size of the window, an integer or one for each spatial axis.
        strides: Steps of the window; default `pool_size`.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, *S, C) -> (N, *T, C), T as in `max_pool`.

    Raises:
        ShapeError: Fewer than 3 axes, or a window larger than the input.

    Example:
        >>> average_pool([[[1.0], [3.0], [2.0]]], 2, padding="same").tolist()
        [[[2.0], [2.0]]]
    """
    x, layout = _prepared(inputs, data_format)
    x = float_input(x, dtype_of(x))
    return from_channels_last(p.avg_pool(x, **_window(x, pool_size, strides, padding)), layout)


def _bins(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """First index and end of each of `count` bins that cover `size` elements, overlapping by one where needed."""
    i = np.arange(count)
    return i * size // count, -(-(i + 1) * size // count)


def _adaptive_sizes(x: Tensor, output_size: Sizes) -> tuple[int, ...]:
    spatial = shape_of(x)[1:-1]
    sizes = sizes_of(output_size, len(spatial), "output_size")
    if any(shapes.is_known(s) and s < 1 for s in spatial):
        raise ArgumentError("Adaptive pooling of nothing.", received=shapes.show(shape_of(x)))
    return sizes


def _regular(x: Tensor, sizes: tuple[int, ...]) -> dict[str, tuple[Any, ...]] | None:
    """The plain pooling an adaptive one amounts to, if all bins are equal."""
    spatial = shape_of(x)[1:-1]
    if any(not shapes.is_known(s) or s % n for s, n in zip(spatial, sizes, strict=True)):
        return None
    window = tuple(s // n for s, n in zip(spatial, sizes, strict=True))
    return {"window": window, "strides": window, "pads": ((0, 0),) * len(window)}


def _only_shape(x: Tensor, sizes: tuple[int, ...]) -> Tensor | None:
    """The result without values, while shapes are inferred and sizes may be unknown."""
    shape = shape_of(x)
    return filled(x, (shape[0], *sizes, shape[-1]), 0, dtype_of(x)) if is_abstract() else None


@op
def adaptive_average_pool(inputs: Any, output_size: Sizes, data_format: str | None = None) -> Tensor:
    """Means over bins: bin i of n covers floor(i·S / n) to ceil((i + 1)·S / n).

    Args:
        inputs: Shape (N, *S, C), or (N, C, *S) for "channels_first".
        output_size: Number of bins, an integer or one for each spatial axis.
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, *S, C) -> (N, *output_size, C).

    Example:
        >>> adaptive_average_pool([[[1.0], [2.0], [3.0]]], 2).tolist()
        [[[1.5], [2.5]]]
    """
    x, layout = _prepared(inputs, data_format)
    x = float_input(x, dtype_of(x))
    sizes = _adaptive_sizes(x, output_size)
    regular = _regular(x, sizes)
    y = p.avg_pool(x, **regular) if regular else _only_shape(x, sizes)
    if y is None:
        y = x
        for axis, count in enumerate(sizes, start=1):
            size = shape_of(y)[axis]
            first, end = _bins(size, count)
            index = np.arange(size)
            weights = (index >= first[:, None]) & (index < end[:, None])
            y = along_axis(y, weights / (end - first)[:, None], axis)
    return from_channels_last(y, layout)


@op
def adaptive_max_pool(inputs: Any, output_size: Sizes, data_format: str | None = None) -> Tensor:
    """Largest values of bins: bin i of n covers floor(i·S / n) to ceil((i + 1)·S / n).

    Args:
        inputs: Shape (N, *S, C), or (N, C, *S) for "channels_first".
        output_size: Number of bins, an integer or one for each spatial axis.
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, *S, C) -> (N, *output_size, C).

    Example:
        >>> adaptive_max_pool([[[1.0], [2.0], [3.0]]], 2).tolist()
        [[[2.0], [3.0]]]
    """
    x, layout = _prepared(inputs, data_format)
    sizes = _adaptive_sizes(x, output_size)
    regular = _regular(x, sizes)
    y = p.max_pool(x, **regular) if regular else _only_shape(x, sizes)
    if y is None:
        y = x
        for axis, count in enumerate(sizes, start=1):
            first, end = _bins(shape_of(y)[axis], count)
            offsets = np.arange((end - first).max())
            index = np.minimum(
                first[:, None] + offsets, end[:, None] - 1
            )  # short bins repeat their last element
            y = p.max(p.take(y, constant(y, index, "int32"), axis=axis), axis=(axis + 1,), keepdims=False)
    return from_channels_last(y, layout)


def along_axis(x: Tensor, matrix: np.ndarray, axis: int) -> Tensor:
    """The host matrix (m, n) applied along an axis of size n."""
    shape = shape_of(x)
    weights = constant(x, matrix, dtype_of(x))
    before, after = shapes.size_of(shape[:axis]), shapes.size_of(shape[axis + 1 :])
    result = (*shape[:axis], matrix.shape[0], *shape[axis + 1 :])
    if after == 1:
        flat = p.reshape(x, shape=(before, shape[axis]))
        return p.reshape(p.matmul(flat, p.transpose(weights, axes=(1, 0))), shape=result)
    return p.reshape(p.matmul(weights, p.reshape(x, shape=(before, shape[axis], after))), shape=result)
