"""Convolution and pooling in tensorflow. 1D runs as 2D; what the CPU kernels lack is built from what they have.

Without oneDNN, tensorflow's CPU kernels have no gradient of dilated and of grouped convolutions: a dilated kernel
becomes a larger one with zeros between its elements, groups are convolved one by one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import Tensor

from kerasish_tensorflow.tracing import xla_active

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]
raw = tf.raw_ops
_HALVES = frozenset({tf.float16, tf.bfloat16})
_SLICED_WINDOW = 32


def _padded(x: Tensor, pads: Pads) -> Tensor:
    return tf.pad(x, ((0, 0), *pads, (0, 0))) if any(map(any, pads)) else x


def _spread(kernel: Tensor, dilation: Ints) -> Tensor:
    """The kernel with zeros between its elements: what a dilated kernel is."""
    for axis, rate in enumerate(dilation):
        size = kernel.shape[axis]
        if rate == 1 or size == 1:
            continue
        shape = kernel.shape.as_list()
        gaps = [(0, 0)] * len(shape)
        gaps.insert(axis + 1, (0, rate - 1))
        wide = tf.pad(tf.expand_dims(kernel, axis + 1), gaps)
        shape[axis] = size * rate
        wide = tf.reshape(wide, shape)
        kernel = tf.gather(wide, tf.range((size - 1) * rate + 1), axis=axis)
    return kernel


def _in_two_axes(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """One spatial axis as two, the first of size 1."""

    def call(x: Tensor, kernel: Tensor, strides: Ints, *rest: Any) -> Tensor:
        if x.shape.rank != 3:
            return function(x, kernel, strides, *rest)
        rest = tuple((1, *sizes) if isinstance(sizes, tuple) else sizes for sizes in rest)
        flat = function(tf.expand_dims(x, 1), tf.expand_dims(kernel, 0), (1, *strides), *rest)
        return tf.squeeze(flat, 1)

    return call


@_in_two_axes
def _forward(x: Tensor, kernel: Tensor, strides: Ints, padding: str) -> Tensor:
    around = [1, *strides, 1]
    if len(strides) == 2:
        return raw.Conv2D(input=x, filter=kernel, strides=around, padding=padding)
    return raw.Conv3D(input=x, filter=kernel, strides=around, padding=padding)


def _is_same(spatial: Ints, window: Ints, strides: Ints, pads: Pads) -> bool:
    """Whether the pads are those of tensorflow's "SAME": its kernels add them by themselves, and faster."""
    for size, k, stride, pad in zip(spatial, window, strides, pads, strict=True):
        total = max((-(-size // stride) - 1) * stride + k - size, 0)
        if pad != (total // 2, total - total // 2):
            return False
    return True


@_in_two_axes
def _adjoint(x: Tensor, kernel: Tensor, strides: Ints, spatial: Ints) -> Tensor:
    sizes = tf.constant([x.shape[0], *spatial, kernel.shape[-2]], tf.int32)
    around = [1, *strides, 1]
    op = raw.Conv2DBackpropInput if len(strides) == 2 else raw.Conv3DBackpropInputV2
    return op(input_sizes=sizes, filter=kernel, out_backprop=x, strides=around, padding="VALID")


def _depthwise(x: Tensor, kernel: Tensor, strides: Ints, groups: int) -> Tensor | None:
    """The kernel for one channel a group, which exists in 2D with equal strides."""
    if len(strides) != 2 or strides[0] != strides[1] or kernel.shape[-2] != 1 or x.shape[-1] != groups:
        return None
    multiplier = kernel.shape[-1] // groups
    kernel = tf.reshape(kernel, (*kernel.shape[:2], groups, multiplier))
    return raw.DepthwiseConv2dNative(input=x, filter=kernel, strides=[1, *strides, 1], padding="VALID")


def _conv(x: Tensor, kernel: Tensor, /, *, strides: Ints, pads: Pads, dilation: Ints, groups: int) -> Tensor:
    dtype = x.dtype
    if dtype in _HALVES:
        x, kernel = tf.cast(x, tf.float32), tf.cast(kernel, tf.float32)
    kernel = _spread(kernel, dilation)
    if groups == 1 and 0 not in x.shape and _is_same(x.shape[1:-1], kernel.shape[:-2], strides, pads):
        return tf.cast(_forward(x, kernel, strides, "SAME"), dtype)
    x = _padded(x, pads)
    counts = [(s - k) // st + 1 for s, k, st in zip(x.shape[1:-1], kernel.shape[:-2], strides, strict=True)]
    if min(counts) <= 0 or not x.shape[0]:
        return tf.zeros((x.shape[0], *(max(n, 0) for n in counts), kernel.shape[-1]), dtype)
    if groups == 1:
        y = _forward(x, kernel, strides, "VALID")
    else:
        y = _depthwise(x, kernel, strides, groups)
        if y is None:
            parts = zip(tf.split(x, groups, axis=-1), tf.split(kernel, groups, axis=-1), strict=True)
            y = tf.concat([_forward(a, b, strides, "VALID") for a, b in parts], axis=-1)
    return tf.cast(y, dtype)


def _conv_transpose(
    x: Tensor, kernel: Tensor, /, *, strides: Ints, pads: Pads, dilation: Ints, groups: int, spatial: Ints
) -> Tensor:
    dtype = x.dtype
    if 0 in x.shape.as_list():
        return tf.zeros((x.shape[0], *spatial, kernel.shape[-2] * groups), dtype)
    if dtype in _HALVES:
        x, kernel = tf.cast(x, tf.float32), tf.cast(kernel, tf.float32)
    kernel = _spread(kernel, dilation)
    full = tuple(s + before + after for s, (before, after) in zip(spatial, pads, strict=True))
    parts = zip(tf.split(x, groups, axis=-1), tf.split(kernel, groups, axis=-1), strict=True)
    images = [_adjoint(a, b, strides, full) for a, b in parts]
    y = images[0] if groups == 1 else tf.concat(images, axis=-1)
    inner = [slice(before, before + s) for s, (before, _) in zip(spatial, pads, strict=True)]
    return tf.cast(y[(slice(None), *inner, slice(None))], dtype)


# -- pooling -----------------------------------------------------------------------------------------------------------
def _in_planes(pool: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Pooling over any number of axes from pooling over two, whose CPU kernels exist for all dtypes."""

    def call(x: Tensor, window: Ints, strides: Ints) -> Tensor:
        n, *spatial, channels = x.shape.as_list()
        if len(window) == 2:
            return pool(x, window, strides)
        if len(window) == 1:
            return tf.squeeze(pool(tf.expand_dims(x, 1), (1, *window), (1, *strides)), 1)
        inner = call(tf.reshape(x, (n * spatial[0], *spatial[1:], channels)), window[1:], strides[1:])
        rest = inner.shape.as_list()[1:-1]
        flat = tf.reshape(inner, (n, spatial[0], math.prod(rest), channels))
        outer = pool(flat, (window[0], 1), (strides[0], 1))
        return tf.reshape(outer, (n, outer.shape[1], *rest, channels))

    return call


@_in_planes
def _largest(x: Tensor, window: Ints, strides: Ints) -> Tensor:
    def pool(image: Tensor) -> Tensor:
        return raw.MaxPool(input=image, ksize=[1, *window, 1], strides=[1, *strides, 1], padding="VALID")

    y = pool(x)
    if not x.dtype.is_floating:
        return y
    missing = tf.math.is_nan(x)  # MaxPool passes over them

    def where_missing(otherwise: Tensor) -> Tensor:
        return tf.where(pool(tf.cast(missing, tf.float32)) > 0, tf.constant(np.nan, x.dtype), otherwise)

    if tf.executing_eagerly() or xla_active():
        return where_missing(y)
    nothing = tf.constant(-0.0, x.dtype, (1, 1, 1, 1))  # what leaves all numbers as they are, -0 too
    # To look whether there is any costs a third of pooling, to pool their places as much as pooling.
    holes = tf.cond(tf.reduce_any(missing), lambda: where_missing(nothing), lambda: nothing)
    result = y + tf.stop_gradient(holes)
    result.set_shape(y.shape)
    return result


@_in_planes
def _largest_of_slices(x: Tensor, window: Ints, strides: Ints) -> Tensor:
    counts = [(s - k) // st + 1 for s, k, st in zip(x.shape[1:-1], window, strides, strict=True)]
    best: Any = None
    for offset in itertools.product(*map(range, window)):
        stops = [o + (n - 1) * s + 1 for o, n, s in zip(offset, counts, strides, strict=True)]
        steps = zip(offset, stops, strides, strict=True)
        part = x[(slice(None), *(slice(a, b, c) for a, b, c in steps), slice(None))]
        best = part if best is None else tf.where((part > best) | tf.not_equal(part, part), part, best)
    return best


def _max_pool(x: Tensor, /, *, window: Ints, strides: Ints, pads: Pads) -> Tensor:
    lowest = -np.inf if x.dtype.is_floating else x.dtype.min
    if any(map(any, pads)):
        x = tf.pad(x, ((0, 0), *pads, (0, 0)), constant_values=tf.constant(lowest, x.dtype))
    # XLA takes ten times as long for MaxPool's gradient as for that of slices, tensorflow's own kernels a tenth.
    by_slices = xla_active() and math.prod(window) <= _SLICED_WINDOW
    return (_largest_of_slices if by_slices else _largest)(x, window, strides)


def _avg_pool(x: Tensor, /, *, window: Ints, strides: Ints, pads: Pads) -> Tensor:
    dtype = x.dtype
    if dtype in _HALVES:
        x = tf.cast(x, tf.float32)
    counts = _counts(x.shape.as_list()[1:-1], window, strides, pads)
    x = _padded(x, pads)
    means = _mean_pool(x, window, strides)
    if any(map(any, pads)):
        means = means * tf.constant(math.prod(window) / counts, x.dtype)
    return tf.cast(means, dtype)


@_in_planes
def _mean_pool(x: Tensor, window: Ints, strides: Ints) -> Tensor:
    return raw.AvgPool(value=x, ksize=[1, *window, 1], strides=[1, *strides, 1], padding="VALID")


def _counts(spatial: list[int], window: Ints, strides: Ints, pads: Pads) -> np.ndarray:
    """How many elements that are not padding each window holds; broadcasts against (N, *T, C)."""
    result = np.ones((1,) * (len(window) + 2))
    for axis, (size, k, stride, (before, after)) in enumerate(
        zip(spatial, window, strides, pads, strict=True)
    ):
        starts = np.arange(0, size + before + after - k + 1, stride) - before
        count = np.minimum(starts + k, size) - np.maximum(starts, 0)
        result = result * count.reshape((-1,) + (1,) * (len(window) - axis))
    return result


WINDOWS: dict[str, Callable[..., Any]] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
}
