"""The namespace `ops.nn`. Encodings and rearrangements are defined here, the rest beside."""

from __future__ import annotations

import math
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.ops.activations import (
    celu,
    elu,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    swish,
    tanh_shrink,
    threshold,
)
from kerasish.ops.attention import dot_product_attention
from kerasish.ops.conv import conv, conv_transpose, depthwise_conv, separable_conv, sizes_of
from kerasish.ops.ctc import ctc_decode, ctc_loss
from kerasish.ops.fastpath import counting, dtype_or_floatx, floats, operand
from kerasish.ops.losses import binary_crossentropy, categorical_crossentropy, sparse_categorical_crossentropy
from kerasish.ops.normalization import (
    batch_normalization,
    batch_normalization_train,
    layer_normalization,
    moments,
    normalize,
    rms_normalization,
)
from kerasish.ops.pooling import adaptive_average_pool, adaptive_max_pool, average_pool, max_pool

__all__ = [
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "batch_normalization",
    "batch_normalization_train",
    "binary_crossentropy",
    "categorical_crossentropy",
    "celu",
    "conv",
    "conv_transpose",
    "ctc_decode",
    "ctc_loss",
    "depth_to_space",
    "depthwise_conv",
    "dot_product_attention",
    "elu",
    "fold",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "layer_normalization",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "max_pool",
    "moments",
    "multi_hot",
    "normalize",
    "one_hot",
    "polar",
    "psnr",
    "relu",
    "relu6",
    "rms_normalization",
    "selu",
    "separable_conv",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "space_to_depth",
    "sparse_categorical_crossentropy",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh_shrink",
    "threshold",
    "unfold",
]


# -- encodings -------------------------------------------------------------------------------------------------------


@overridable
def _one_hot(x: Tensor, /, *, num_classes: int, axis: int, dtype: str) -> Tensor:
    """1 where the class equals x, the classes along a new axis `axis`; override name "one_hot". x: any integers."""
    shape = shape_of(x)
    classes = counting(x, num_classes, dtype_of(x))
    classes = p.reshape(classes, shape=tuple(num_classes if i == axis else 1 for i in range(len(shape) + 1)))
    x = p.reshape(x, shape=(*shape[:axis], 1, *shape[axis:]))
    return p.cast(p.equal(x, classes), dtype=dtype)


def _class_numbers(x: Any, num_classes: Any) -> tuple[Tensor, int]:
    x = operand(x)
    if not dtypes.is_integer(dtype_of(x)):
        x = p.cast(x, dtype="int32")
    if isinstance(num_classes, bool) or not hasattr(num_classes, "__index__") or num_classes < 1:
        raise ArgumentError("`num_classes` must be a positive integer.", received=num_classes)
    return x, num_classes.__index__()


@op
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Tensor:
    """1 at each class number, 0 elsewhere; a number outside 0..num_classes−1 gives zeros only.

    Args:
        x: Class numbers, shape (...). Floats are truncated.
        num_classes: Number of classes C.
        axis: Where the new axis goes in the result.
        dtype: Dtype of the result; default `floatx()`.
        sparse: Accepted for Keras' sake; tensors are always dense.

    Shape: (...) -> (..., C).

    Raises:
        ArgumentError: `num_classes` is not a positive integer.

    Example:
        >>> one_hot([0, 2], 3).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    x, count = _class_numbers(x, num_classes)
    axis = shapes.axis_index(axis, len(shape_of(x)) + 1)
    return _one_hot(x, num_classes=count, axis=axis, dtype=dtype_or_floatx(dtype))


@op
def multi_hot(
    inputs: Any,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: Any = None,
    sparse: bool = False,
    **kwargs: Any,
) -> Tensor:
    """1 at every class number that occurs in a row, 0 elsewhere.

    Args:
        inputs: Class numbers, shape (..., K) or (K,). With three axes or more the row is axis 1.
        num_classes: Number of classes C.
        axis: Where the classes go in the result, counted before the row's own axis is dropped.
        dtype: Dtype of the result; default `floatx()`.
        sparse: Accepted for Keras' sake; tensors are always dense.
        **kwargs: `num_tokens`, the old name of `num_classes`.

    Shape: (B, K) -> (B, C).

    Raises:
        ArgumentError: `num_classes` is not a positive integer.

    Example:
        >>> multi_hot([[0, 2, 2]], 3).tolist()
        [[1.0, 0.0, 1.0]]
    """
    x, count = _class_numbers(inputs, kwargs.pop("num_tokens", num_classes))
    if kwargs:
        raise ArgumentError(f"Unknown keyword {next(iter(kwargs))!r}.")
    rank = len(shape_of(x))
    axis = shapes.axis_index(axis, rank + 1)
    hot = _one_hot(x, num_classes=count, axis=axis, dtype=dtype_or_floatx(dtype))
    return p.max(hot, axis=(1 if rank > 1 else 0,), keepdims=False)


@op
def polar(abs_: Any, angle: Any) -> tuple[Tensor, Tensor]:
    """The complex number of a magnitude and an angle, as a pair (real, imaginary).

    There are no complex tensors in kerasish: as in `ops.fft`, a complex result is a pair.

    Args:
        abs_: Magnitudes.
        angle: Angles in radians.

    Shape: broadcast.

    Example:
        >>> [float(part) for part in polar(2.0, 0.0)]
        [2.0, 0.0]
    """
    radius, turn = promoted(abs_, angle, at_least="float")
    return p.multiply(radius, p.cos(turn)), p.multiply(radius, p.sin(turn))


@op
def psnr(x1: Any, x2: Any, max_val: float) -> Tensor:
    """Peak signal-to-noise ratio in decibels: 20·log₁₀(max_val) − 10·log₁₀(mean of (x1 − x2)²); inf for equal inputs.

    Args:
        x1: The first image or signal.
        x2: The second, of the same shape.
        max_val: The largest value a sample can have.

    Shape: equal shapes -> ().

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> round(float(psnr([0.0], [1.0], 10.0)), 3)
        20.0
    """
    x1, x2 = promoted(x1, x2, at_least="float")
    one, two = shape_of(x1), shape_of(x2)
    if len(one) != len(two) or not all(shapes.compatible(a, b) for a, b in zip(one, two, strict=True)):
        raise ShapeError(
            "x1 and x2 must have one shape.", expected=shapes.show(one), received=shapes.show(two)
        )
    axes = tuple(range(len(one)))
    error = p.divide(
        p.sum(p.square(p.subtract(x1, x2)), axis=axes, keepdims=False), float(shapes.size_of(one))
    )
    return p.add(p.multiply(p.log(error), -10.0 / math.log(10.0)), 20.0 * math.log10(max_val))


# -- rearrangements --------------------------------------------------------------------------------------------------


def _image(x: Any, data_format: str) -> tuple[Tensor, tuple[int, ...]]:
    if data_format not in ("channels_last", "channels_first"):
        raise ArgumentError(
            "Unknown `data_format`.", expected="'channels_last' or 'channels_first'", received=data_format
        )
    x = operand(x)
    shape = shape_of(x)
    if len(shape) != 4:
        raise ShapeError("A batch of images is needed.", expected="4 axes", received=shapes.show(shape))
    return x, shape


def _block(block_size: Any) -> int:
    if isinstance(block_size, bool) or not hasattr(block_size, "__index__") or block_size < 2:
        raise ArgumentError("`block_size` must be an integer >= 2.", received=block_size)
    return int(block_size)


@op
def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Tensor:
    """Spread the channels over blocks of block_size × block_size pixels.

    Args:
        x: Shape (N, H, W, C·block_size²), or (N, C·block_size², H, W) for "channels_first".
        block_size: Side b of a block, at least 2.
        data_format: "channels_last" or "channels_first".

    Shape: (N, H, W, C·b²) -> (N, H·b, W·b, C).

    Raises:
        ShapeError: The channels are no multiple of b².

    Example:
        >>> depth_to_space([[[[1.0, 2.0, 3.0, 4.0]]]], 2).tolist()
        [[[[1.0], [2.0]], [[3.0], [4.0]]]]
    """
    x, shape = _image(x, data_format)
    b = _block(block_size)
    last = data_format == "channels_last"
    n, h, w, c = shape if last else (shape[0], shape[2], shape[3], shape[1])
    if shapes.is_known(c) and c % (b * b):
        raise ShapeError(
            f"The channels must be a multiple of block_size² = {b * b}.", received=shapes.show(shape)
        )
    depth = c // (b * b)
    if last:
        x = p.transpose(p.reshape(x, shape=(n, h, w, b, b, depth)), axes=(0, 1, 3, 2, 4, 5))
        return p.reshape(x, shape=(n, h * b, w * b, depth))
    x = p.transpose(p.reshape(x, shape=(n, depth, b, b, h, w)), axes=(0, 1, 4, 2, 5, 3))
    return p.reshape(x, shape=(n, depth, h * b, w * b))


@op
def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Tensor:
    """Stack the pixels of each block_size × block_size block as channels: the inverse of `depth_to_space`.

    Args:
        x: Shape (N, H, W, C), or (N, C, H, W) for "channels_first".
        block_size: Side b of a block, at least 2.
        data_format: "channels_last" or "channels_first".

    Shape: (N, H, W, C) -> (N, H / b, W / b, C·b²).

    Raises:
        ShapeError: Height or width is no multiple of b.

    Example:
        >>> space_to_depth([[[[1.0], [2.0]], [[3.0], [4.0]]]], 2).tolist()
        [[[[1.0, 2.0, 3.0, 4.0]]]]
    """
    x, shape = _image(x, data_format)
    b = _block(block_size)
    last = data_format == "channels_last"
    n, h, w, c = shape if last else (shape[0], shape[2], shape[3], shape[1])
    if any(shapes.is_known(size) and size % b for size in (h, w)):
        raise ShapeError(
            f"Height and width must be multiples of block_size = {b}.", received=shapes.show(shape)
        )
    if last:
        x = p.transpose(p.reshape(x, shape=(n, h // b, b, w // b, b, c)), axes=(0, 1, 3, 2, 4, 5))
        return p.reshape(x, shape=(n, h // b, w // b, b * b * c))
    x = p.transpose(p.reshape(x, shape=(n, c, h // b, b, w // b, b)), axes=(0, 1, 3, 5, 2, 4))
    return p.reshape(x, shape=(n, c * b * b, h // b, w // b))


def _grid(
    size: tuple[int, int], kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], list[int]]:
    """(kernel, dilation, padding, stride, positions) of `unfold`, each for (height, width)."""
    k, d, s = (
        sizes_of(v, 2, n)
        for v, n in ((kernel_size, "kernel_size"), (dilation, "dilation"), (stride, "stride"))
    )
    pad = sizes_of(padding, 2, "padding", minimum=0)
    counts = [shapes.window_output(size[i], k[i], s[i], (pad[i], pad[i]), d[i]) for i in range(2)]
    return k, d, pad, s, counts


@op
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The windows of images as columns.

    Args:
        x: Shape (N, C, H, W).
        kernel_size: Size of the window, an integer or (height, width).
        dilation: Distance of neighbours within the window.
        padding: Zeros added on all sides.
        stride: Steps of the window.

    Shape: (N, C, H, W) -> (N, C·kh·kw, L), L the number of positions.

    Raises:
        ShapeError: `x` has not four axes.

    Example:
        >>> unfold([[[[1.0, 2.0, 3.0]]]], (1, 2)).tolist()
        [[[1.0, 2.0], [2.0, 3.0]]]
    """
    x = operand(x)
    shape = shape_of(x)
    if len(shape) != 4:
        raise ShapeError("unfold needs images.", expected="(N, C, H, W)", received=shapes.show(shape))
    n, c, h, w = shape
    k, d, pad, s, (rows, columns) = _grid((h, w), kernel_size, dilation, padding, stride)
    x = p.pad(x, pads=((0, 0), (0, 0), (pad[0], pad[0]), (pad[1], pad[1])), value=0)
    parts = []
    for i in range(k[0]):
        for j in range(k[1]):
            top, left = i * d[0], j * d[1]
            stop = (n, c, top + (rows - 1) * s[0] + 1, left + (columns - 1) * s[1] + 1)
            part = p.slice(x, start=(0, 0, top, left), stop=stop, step=(1, 1, *s))
            parts.append(p.reshape(part, shape=(n, c, 1, rows * columns)))
    return p.reshape(p.concatenate(parts, axis=2), shape=(n, c * k[0] * k[1], rows * columns))


@op
def fold(
    x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Columns added back to images: the transpose of `unfold`. Overlapping windows add up.

    Args:
        x: Shape (N, C·kh·kw, L).
        output_size: (H, W) of the result.
        kernel_size: As in `unfold`.
        dilation: As in `unfold`.
        padding: As in `unfold`.
        stride: As in `unfold`.

    Shape: (N, C·kh·kw, L) -> (N, C, H, W).

    Raises:
        ShapeError: The columns do not fit the sizes.

    Example:
        >>> fold([[[1.0, 2.0], [2.0, 3.0]]], (1, 3), (1, 2)).tolist()
        [[[[1.0, 4.0, 3.0]]]]
    """
    x = floats(x)
    shape = shape_of(x)
    h, w = sizes_of(output_size, 2, "output_size")
    k, d, pad, s, (rows, columns) = _grid((h, w), kernel_size, dilation, padding, stride)
    window = k[0] * k[1]
    if len(shape) != 3 or not shapes.compatible(shape[2], rows * columns) or shape[1] % window:
        raise ShapeError(
            "The columns do not fit.",
            expected=f"(N, C·{window}, {rows * columns})",
            received=shapes.show(shape),
        )
    n, c = shape[0], shape[1] // window
    x = p.reshape(x, shape=(n, c, window, rows, columns))
    high, wide = h + 2 * pad[0], w + 2 * pad[1]
    total = None
    for i in range(k[0]):
        for j in range(k[1]):
            at = i * k[1] + j
            part = p.slice(x, start=(0, 0, at, 0, 0), stop=(n, c, at + 1, rows, columns), step=(1,) * 5)
            part = _placed(
                p.reshape(part, shape=(n, c, rows, columns)), s, (i * d[0], j * d[1]), (high, wide)
            )
            total = part if total is None else p.add(total, part)
    return p.slice(total, start=(0, 0, *pad), stop=(n, c, pad[0] + h, pad[1] + w), step=(1,) * 4)


def _placed(x: Tensor, stride: tuple[int, ...], start: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """x (N, C, h, w) on a grid of zeros (N, C, *size): element (i, j) at start + (i, j)·stride."""
    n, c, rows, columns = shape_of(x)
    x = p.reshape(x, shape=(n, c, rows, 1, columns, 1))
    gap = ((0, 0), (0, 0), (0, 0), (0, stride[0] - 1), (0, 0), (0, stride[1] - 1))
    x = p.reshape(p.pad(x, pads=gap, value=0), shape=(n, c, rows * stride[0], columns * stride[1]))
    spans = ((rows - 1) * stride[0] + 1, (columns - 1) * stride[1] + 1)
    x = p.slice(x, start=(0, 0, 0, 0), stop=(n, c, *spans), step=(1,) * 4)
    pads = tuple((first, total - first - span) for first, total, span in zip(start, size, spans, strict=True))
    return p.pad(x, pads=((0, 0), (0, 0), *pads), value=0)
