"""Composites for which tensorflow has one kernel. Each has the signature of the composite it stands for."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow import Tensor

from kerasish_tensorflow import taping
from kerasish_tensorflow.placement import device_names, ints

Axes = tuple[int, ...]
raw = tf.raw_ops
_HALVES = frozenset({tf.float16, tf.bfloat16})


def _leaky_relu(x: Tensor, /, *, negative_slope: float) -> Tensor:
    if x.dtype == tf.float64:  # the kernel keeps the slope in float32
        return NotImplemented
    return raw.LeakyRelu(features=x, alpha=negative_slope)


def _is_last(x: Tensor, axis: Axes) -> bool:
    return axis == (x.shape.rank - 1,) and x.dtype.is_floating and 0 not in x.shape.as_list()


def _softmax(x: Tensor, /, *, axis: Axes) -> Tensor:
    return raw.Softmax(logits=x) if _is_last(x, axis) else NotImplemented


def _log_softmax(x: Tensor, /, *, axis: Axes) -> Tensor:
    return raw.LogSoftmax(logits=x) if _is_last(x, axis) else NotImplemented


def _mean(x: Tensor, /, *, axis: Axes, keepdims: bool) -> Tensor:
    if x.dtype in _HALVES:
        return tf.cast(_mean(tf.cast(x, tf.float32), axis=axis, keepdims=keepdims), x.dtype)
    return raw.Mean(input=x, axis=ints(axis), keep_dims=keepdims) if x.dtype.is_floating else NotImplemented


def _stack(xs: list[Tensor], /, *, axis: int) -> Tensor:
    return raw.Pack(values=list(xs), axis=axis)


def _one_hot(x: Tensor, /, *, num_classes: int, axis: int, dtype: str) -> Tensor:
    if x.dtype not in (tf.int32, tf.int64, tf.uint8):
        return NotImplemented
    one, zero = tf.cast(1, dtype), tf.cast(0, dtype)
    return raw.OneHot(indices=x, depth=num_classes, on_value=one, off_value=zero, axis=axis)


def _take_anywhere(x: Tensor, indices: Tensor, /, *, axis: int) -> Tensor:
    if len(device_names()) > 1 or not tf.executing_eagerly():
        return NotImplemented
    try:
        return raw.GatherV2(params=x, indices=indices, axis=ints(axis))
    except tf.errors.InvalidArgumentError:  # the CPU looks, and finds negative indices or ones out of range
        return NotImplemented


@functools.lru_cache(maxsize=4096)
def _strided(key: tuple[Any, ...]) -> dict[str, Any]:
    """Arguments of `StridedSlice` for a key whose slices are tuples (start, stop, step)."""
    rows = [item if isinstance(item, tuple) else (item, None, None) for item in key]
    plain = [isinstance(item, int) for item in key]
    ends = [lo + 1 if one and lo != -1 else hi for (lo, hi, _), one in zip(rows, plain, strict=True)]

    def mask(bits: list[bool]) -> int:
        return sum(bit << i for i, bit in enumerate(bits))

    return {
        "begin": ints(tuple([0 if row[0] in (None, ...) else operator.index(row[0]) for row in rows])),
        "end": ints(tuple([0 if end is None else operator.index(end) for end in ends])),
        "strides": ints(tuple([1 if row[2] is None else operator.index(row[2]) for row in rows])),
        "begin_mask": mask([row[0] is None for row in rows]),
        "end_mask": mask([end is None for end in ends]),
        "ellipsis_mask": mask([item is ... for item in key]),
        "new_axis_mask": mask([item is None for item in key]),
        "shrink_axis_mask": mask(plain),
    }


def _basic_index(x: Tensor, /, *, items: tuple[Any, ...]) -> Tensor:
    if not tf.executing_eagerly():
        return NotImplemented
    key = tuple([(i.start, i.stop, i.step) if i.__class__ is slice else i for i in items])
    return raw.StridedSlice(input=x, **_strided(key))


def _rows(x: Tensor) -> Tensor:
    return tf.reshape(x, (-1, x.shape[-1]))


def _softmax_cross_entropy(targets: Tensor, logits: Tensor, /) -> Tensor:
    # Not tensorflow's fused loss: its gradient is right only for targets that sum to 1.
    if 0 in logits.shape.as_list() or logits.dtype in _HALVES:
        return NotImplemented
    return tf.negative(tf.reduce_sum(targets * raw.LogSoftmax(logits=logits), -1))


def _sparse_softmax_cross_entropy(labels: Tensor, logits: Tensor, /) -> Tensor:
    if 0 in logits.shape.as_list() or logits.dtype in _HALVES:
        return NotImplemented
    flat = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.reshape(labels, (-1,)), _rows(logits))
    return tf.reshape(flat, labels.shape)


_FUSABLE = frozenset({tf.float32, tf.float64})


def _add_bias(x: Tensor, bias: Tensor, /) -> Tensor:
    # The graph optimizer knows this kernel, not `Add`, as the end of a convolution or product to fuse.
    return raw.BiasAdd(value=x, bias=bias) if x.dtype in _FUSABLE and x.shape.rank > 1 else NotImplemented


def _dense(x: Tensor, kernel: Tensor, bias: Tensor | None, /) -> Tensor:
    if x.dtype not in _FUSABLE or x.shape.rank != 2 or bias is None:
        return NotImplemented
    return raw.BiasAdd(value=raw.MatMul(a=x, b=kernel), bias=bias)


def _images(x: Tensor) -> Tensor:
    """x (..., C) as the kernel wants it: (N, H, W, C)."""
    return x if x.shape.rank == 4 else tf.reshape(x, (-1, 1, 1, x.shape[-1]))


def _fits(x: Tensor) -> bool:
    """Whether the fused kernel takes it: float32, channels last, something to average."""
    return x.dtype == tf.float32 and x.shape.rank >= 2 and x.shape.num_elements() != 0


def _batch_norm_train(x: Tensor, scale: Any, offset: Any, /, *, axis: int, epsilon: float) -> Any:
    if axis != x.shape.rank - 1 or not _fits(x) or x.shape.num_elements() == x.shape[-1]:
        return NotImplemented
    channels = x.shape[-1]
    y, mean, variance, *_ = raw.FusedBatchNormV3(
        x=_images(x),
        scale=tf.ones(channels) if scale is None else scale,
        offset=tf.zeros(channels) if offset is None else offset,
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=epsilon,
        is_training=True,
    )
    count = x.shape.num_elements() // channels
    biased = variance * ((count - 1) / count)  # the kernel reports the unbiased one
    return tf.reshape(y, x.shape), tf.stop_gradient(mean), tf.stop_gradient(biased)


def _batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, scale: Any, offset: Any, /, *, axis: int, epsilon: float
) -> Any:
    if axis != x.shape.rank - 1 or not _fits(x):
        return NotImplemented
    channels = x.shape[-1]
    scale = tf.ones(channels) if scale is None else scale
    offset = tf.zeros(channels) if offset is None else offset

    def forward(x: Tensor, mean: Tensor, variance: Tensor, scale: Tensor, offset: Tensor) -> Any:
        y = raw.FusedBatchNormV3(
            x=_images(x),
            scale=scale,
            offset=offset,
            mean=mean,
            variance=variance,
            epsilon=epsilon,
            is_training=False,
        )[0]

        def pullback(cotangents: list[Tensor]) -> list[Tensor]:
            # The kernel's own gradient leaves out mean and variance.
            (g,) = cotangents
            r = tf.math.rsqrt(variance + epsilon)
            others = list(range(x.shape.rank - 1))
            total, along = tf.reduce_sum(g, others), tf.reduce_sum(g * (x - mean), others)
            slope = -0.5 * scale * r * r * r * along
            return [g * (scale * r), -scale * r * total, slope, r * along, total]

        return [tf.reshape(y, x.shape)], pullback

    return taping.custom_gradient(forward, [x, mean, variance, scale, offset])[0]


_UNROLLED = 128  # steps; written out, a sequence needs no loop's bookkeeping, at the price of a larger graph


def _lstm(
    *args: Any, activation: Any, recurrent_activation: Any, go_backwards: bool, mask: Any = None
) -> Any:
    x, h, c, kernel, recurrent_kernel, bias = args
    usual = (activation, recurrent_activation) == ("tanh", "sigmoid") and mask is None
    if not usual or not 0 < x.shape[1] <= _UNROLLED:
        return NotImplemented
    batch, time, channels = x.shape
    rows = tf.matmul(tf.reshape(tf.transpose(x, (1, 0, 2)), (time * batch, channels)), kernel)
    rows = rows if bias is None else tf.nn.bias_add(rows, bias)
    steps = tf.split(rows, time)  # (B, 4U) each
    outputs = []
    for z in reversed(steps) if go_backwards else steps:
        i, f, g, o = tf.split(z + tf.matmul(h, recurrent_kernel), 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        outputs.append(h)
    return h, tf.stack(outputs, axis=1), [h, c]


OVERRIDES: dict[str, Callable[..., Any]] = {
    "add_bias": _add_bias,
    "dense": _dense,
    "batch_norm": _batch_norm,
    "batch_norm_train": _batch_norm_train,
    "lstm": _lstm,
    "relu": tf.nn.relu,
    "take_anywhere": _take_anywhere,
    "basic_index": _basic_index,
    "relu6": lambda x, /: raw.Relu6(features=x),
    "leaky_relu": _leaky_relu,
    "elu": lambda x, /, *, alpha: raw.Elu(features=x) if alpha == 1.0 else NotImplemented,
    "softplus": lambda x, /: raw.Softplus(features=x),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "mean": _mean,
    "stack": _stack,
    "one_hot": _one_hot,
    "softmax_cross_entropy": _softmax_cross_entropy,
    "sparse_softmax_cross_entropy": _sparse_softmax_cross_entropy,
}
